//! Instances whose addresses the kernel refuses.

use nix::errno::Errno;

use super::Instance;
use super::address::Vip;
use crate::base::addr::Prefix;

/// How often an address is refused, a second apart, before it counts as out of reach.
const TRIES: u8 = 3;

impl Instance {
    /// An address that the kernel refuses again and again, and why, if the kernel refuses all addresses whose loss
    /// matters.
    #[must_use]
    pub fn refused(&self) -> Option<(Prefix, Errno)> {
        let moved = self.addresses.get(self.first_refused()?)?;
        Some((moved.prefix, moved.item.refused()?))
    }

    /// The position of that address.
    #[must_use]
    pub fn first_refused(&self) -> Option<usize> {
        refused(&self.addresses)
    }

    /// Whether the instance would serve nobody as MASTER, as several tries have shown.
    #[must_use]
    pub fn cannot_serve(&self) -> bool {
        self.first_refused().is_some()
    }

    /// The kernel takes an address again: what it refused before does not count any more.
    pub fn forget_refusals(&mut self) {
        self.addresses.iter_mut().for_each(|moved| moved.item.forget_refusals());
    }
}

/// The position of the first address whose loss matters, if the kernel refuses all of those.
fn refused(addresses: &[Vip]) -> Option<usize> {
    let counted = || addresses.iter().enumerate().filter(|(_, moved)| !moved.item.no_track());
    let (first, _) = counted().next()?;
    counted().all(|(_, moved)| is_refused(moved)).then_some(first)
}

/// Whether the kernel has refused an address several times, and for a reason that lies in the address or in what this
/// process may do: a lack of memory passes.
fn is_refused(moved: &Vip) -> bool {
    let passes = |errno| matches!(errno, Errno::ENOBUFS | Errno::ENOMEM | Errno::EAGAIN);
    let item = &moved.item;
    item.is_absent() && item.refusals() >= TRIES && item.refused().is_some_and(|errno| !passes(errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrrpd::live::item::Input;

    /// An address, and what the kernel said of it.
    fn moved(no_track: bool, inputs: &[Input]) -> Vip {
        let prefix = Prefix { addr: "192.0.2.1".parse().unwrap(), len: 24 };
        let mut moved = Vip::new(prefix, None, no_track);
        for input in inputs {
            moved.item.handle(*input);
        }
        moved
    }

    #[test]
    fn an_instance_serves_nobody_if_the_kernel_refuses_all_that_counts() {
        let again = |errno| [Input::Refused(errno); TRIES as usize];
        let denied = || moved(false, &again(Errno::EPERM));
        assert_eq!(refused(&[denied(), denied()]), Some(0));
        assert_eq!(refused(&[moved(true, &[Input::Added]), denied()]), Some(1), "no_track does not count");
        for (what, other) in [
            ("one is there", moved(false, &[Input::Added])),
            ("one was there before", moved(false, &[Input::There { keep: true }])),
            ("one may be taken yet", moved(false, &again(Errno::EPERM)[1..])),
            ("one waits for its interface", moved(false, &[])),
            ("there was no memory for one", moved(false, &again(Errno::ENOBUFS))),
        ] {
            assert_eq!(refused(&[denied(), other]), None, "{what}");
        }
        assert_eq!(refused(&[moved(true, &again(Errno::EPERM))]), None);
        assert_eq!(refused(&[]), None);
    }
}

//! A MASTER whose addresses the kernel refuses serves nobody, and must not keep others from doing so.
//!
//! After a few tries it goes to FAULT. There one address is tried once a second, and taken off at once if the kernel takes
//! it: that ends FAULT. One that has at least one of its addresses goes on; those that are refused are tried again.

use nix::errno::Errno;

use super::live::{Instance, Moved};
use super::state::Vrrp;
use crate::base::addr::Prefix;
use crate::base::id::InstanceId;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::{Fault, Faults, State};

/// How often an address is refused, a second apart, before it counts as out of reach.
const TRIES: u8 = 3;

impl Instance {
    /// An address that the kernel refuses again and again, and why, if it does so with all of them. What may be lost
    /// without harm does not count.
    pub(super) fn refused(&self) -> Option<(Prefix, Errno)> {
        let moved = self.addresses.get(refused(&self.addresses)?)?;
        Some((moved.prefix, moved.item.refused()?))
    }

    /// Whether it would serve nobody as MASTER, as several tries have shown.
    pub(super) fn cannot_serve(&self) -> bool {
        refused(&self.addresses).is_some()
    }
}

/// The position of the first address of those that count, if the kernel refuses all of them.
fn refused(addresses: &[Moved]) -> Option<usize> {
    let counted = || addresses.iter().enumerate().filter(|(_, moved)| !moved.item.no_track());
    let (first, _) = counted().next()?;
    counted().all(|(_, moved)| is_refused(moved)).then_some(first)
}

/// Whether what the kernel said several times is about the address or about what this process may do, not about memory.
fn is_refused(moved: &Moved) -> bool {
    let passes = |errno| matches!(errno, Errno::ENOBUFS | Errno::ENOMEM | Errno::EAGAIN);
    let item = &moved.item;
    item.is_absent() && item.refusals() >= TRIES && item.refused().is_some_and(|errno| !passes(errno))
}

impl Vrrp {
    /// A second has passed: the addresses that the kernel refused are tried again.
    pub(super) fn retry_addresses(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        match (instance.router.state(), instance.cannot_serve()) {
            (State::Master, true) => {
                self.arm_retry(turn);
                self.refresh(turn, id);
            }
            (State::Fault, true) => {
                self.arm_retry(turn);
                self.probe_address(turn, id);
            }
            _ if instance.lacks_address() => self.touch(id, |pending| pending.add = true),
            _ => {}
        }
    }

    /// Asks the kernel for an address of an instance in FAULT, if nothing else speaks against it.
    fn probe_address(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let only = Faults::NONE.with(Fault::Address, true);
        let ready = self.instance(id).filter(|instance| instance.router.faults().own() == only);
        let Some(position) = ready.and_then(|instance| refused(&instance.addresses)) else { return };
        self.items.ask_for_address(&mut self.routers.instances, &self.links.table, id, position, true);
        self.commit_batch();
        if self.instance(id).is_none_or(Instance::cannot_serve) {
            return;
        }
        self.items.ask_for_address(&mut self.routers.instances, &self.links.table, id, position, false);
        self.commit_batch();
        self.items.forget_late(id);
        if let Some(instance) = self.routers.instances.get_mut(id.index()) {
            for moved in &mut instance.addresses {
                moved.item.forget_refusals();
            }
        }
        self.refresh(turn, id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vrrpd::live::item::Input;

    /// An address, and what the kernel said of it.
    fn moved(no_track: bool, inputs: &[Input]) -> Moved {
        let prefix = Prefix { addr: "192.0.2.1".parse().unwrap(), len: 24 };
        let mut moved = Moved::new(prefix, None, no_track);
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

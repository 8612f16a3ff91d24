//! An address that moves with mastership: as configured, as the kernel is to have it, and whether the kernel has it.

use super::item::Item;
use crate::base::addr::{Addressed, Family, IpAddr, Prefix};
use crate::base::id::{IfIndex, LinkId};
use crate::config::model::{Lifetime, VirtualAddress};
use crate::sys::netlink::addr::{Address, AddressFlags, FOREVER, Label};

/// IFAPROT_ and RTPROT_ number of keepalived: the kernel notes it for each address that keepalived adds.
pub const PROTOCOL: u8 = 18;

/// An address that moves with mastership. What else the configuration says of it: [`Instance::address`].
#[derive(Clone, Debug)]
pub struct Vip {
    /// The address and its network.
    pub prefix: Prefix,
    /// Its interface.
    pub link: Option<LinkId>,
    /// Whether the kernel has the address, and what is to be done about it.
    pub item: Item,
}

impl Vip {
    /// An address that the kernel does not have yet.
    #[must_use]
    pub fn new(prefix: Prefix, link: Option<LinkId>, no_track: bool) -> Self {
        Self { prefix, link, item: Item::new(no_track) }
    }
}

impl Addressed for Vip {
    fn addr(&self) -> &IpAddr {
        &self.prefix.addr
    }
}

/// An address as the kernel is to have it, but for the number of its interface.
pub fn address(line: &VirtualAddress) -> Address {
    let v6 = Family::of(&line.prefix.addr) == Family::V6;
    let options = [
        // Duplicate address detection would keep the address useless for a second on each take-over, so it is off
        // unless -nodad takes the flag away, as the minus says.
        (v6 && !line.nodad, AddressFlags::NODAD),
        (line.home, AddressFlags::HOMEADDRESS),
        (line.mngtmpaddr, AddressFlags::MANAGETEMPADDR),
        (line.noprefixroute, AddressFlags::NOPREFIXROUTE),
        (line.autojoin, AddressFlags::MCAUTOJOIN),
    ];
    let flags = options
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .fold(AddressFlags(0), |flags, (_, flag)| flags.with(flag));
    Address {
        peer: line.peer,
        broadcast: line.broadcast,
        label: line.label.as_deref().and_then(|label| Label::try_from(label).ok()),
        scope: line.scope,
        flags,
        preferred: match line.preferred_lifetime() {
            Lifetime::Forever => FOREVER,
            Lifetime::Seconds(seconds) => seconds,
        },
        protocol: PROTOCOL,
        ..Address::new(IfIndex(0), line.prefix)
    }
}

/// Whether packets can leave from an address: not before duplicate address detection has let it.
#[must_use]
pub fn is_usable(address: &Address) -> bool {
    let flags = address.flags;
    !flags.contains(AddressFlags::TENTATIVE) || flags.contains(AddressFlags::OPTIMISTIC)
}

/// Whether duplicate address detection goes on for an address: packets can leave from it soon, unless another machine has
/// it.
#[must_use]
pub fn is_in_detection(address: &Address) -> bool {
    !is_usable(address) && !address.flags.contains(AddressFlags::DADFAILED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::id::IfIndex;

    #[test]
    fn detection_goes_on_until_it_fails() {
        let (tentative, optimistic) = (AddressFlags::TENTATIVE, AddressFlags::OPTIMISTIC);
        for (flags, usable, in_detection) in [
            (AddressFlags(0), true, false),
            (tentative, false, true),
            (tentative.with(optimistic), true, false),
            (tentative.with(AddressFlags::DADFAILED), false, false),
            (AddressFlags::NODAD, true, false),
        ] {
            let prefix = Prefix { addr: "fe80::1".parse().unwrap(), len: 64 };
            let address = Address { flags, ..Address::new(IfIndex(1), prefix) };
            assert_eq!((is_usable(&address), is_in_detection(&address)), (usable, in_detection), "{flags:?}");
        }
    }
}

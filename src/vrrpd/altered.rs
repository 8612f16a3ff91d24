//! Addresses of ours that somebody gives another lifetime or other flags: the kernel would delete them one day, or
//! stop using them. They are what they are configured to be again at once, as often as one that is deleted is put back.

use super::report;
use super::state::Vrrp;
use crate::base::addr::Family;
use crate::base::id::{InstanceId, LinkId};
use crate::base::time::Instant;
use crate::sys::netlink::addr::{Address, AddressFlags, FOREVER};
use crate::vrrpd::live::Held;

impl Vrrp {
    /// The kernel tells of a virtual address of ours: new, or changed.
    pub(super) fn virtual_address_told(
        &mut self,
        now: Instant,
        (id, position): (InstanceId, u16),
        seen: &Address,
    ) {
        let Some(instance) = self.routers.instances.get_mut(id.index()) else {
            return;
        };
        let Some(wanted) = instance.address(usize::from(position), seen.interface) else {
            return;
        };
        let Some(moved) = instance.addresses.get_mut(usize::from(position)) else {
            return;
        };
        if moved.wanted.held != Held::Ours
            || moved.wanted.no_track
            || is_as(&wanted, seen)
            || !moved.wanted.may_be_put_back(now)
        {
            return;
        }
        instance.router.counters_mut().restored += 1;
        report::address_altered(
            Some(&instance.config.name),
            &self.links.table,
            moved.link,
            wanted.prefix.addr,
        );
        self.set_right(&wanted);
    }

    /// The same about a static address.
    pub(super) fn static_address_told(&mut self, now: Instant, link: LinkId, seen: &Address) {
        let Some(stays) = self.items.network.fixed.address_on(link, seen.prefix) else {
            return;
        };
        let wanted = Address { interface: seen.interface, ..stays.address.clone() };
        if stays.is_kept() && !is_as(&wanted, seen) && stays.may_be_put_back(now) {
            report::address_altered(None, &self.links.table, Some(link), wanted.prefix.addr);
            self.set_right(&wanted);
        }
    }

    /// The kernel answers by telling of the address as it is then.
    fn set_right(&mut self, wanted: &Address) {
        if self.items.commands.room() == 0 {
            self.commit_batch();
        }
        // It may be gone by now, and that is told as well; no request has this number.
        let _ = self.items.commands.replace_address(u32::MAX, wanted);
        self.commit_batch();
    }
}

/// Whether an address lives as long as it should and has the flags that it should have, of those that can be changed.
fn is_as(wanted: &Address, seen: &Address) -> bool {
    let deprecated = seen.flags.contains(AddressFlags::DEPRECATED);
    let used = match wanted.preferred {
        FOREVER => !deprecated && seen.preferred == FOREVER,
        0 => deprecated,
        // It runs out by itself.
        _ => true,
    };
    // The kernel changes no others, and of an IPv4 address none.
    let flags =
        [AddressFlags::HOMEADDRESS, AddressFlags::MANAGETEMPADDR, AddressFlags::NOPREFIXROUTE].into_iter();
    let mut flags = flags.filter(|_| seen.prefix.family() == Family::V6);
    seen.valid == FOREVER
        && used
        && flags.all(|flag| seen.flags.contains(flag) == wanted.flags.contains(flag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::addr::{IpAddr, Ipv6Addr, Prefix};
    use crate::base::id::IfIndex;

    #[test]
    fn what_runs_out_by_itself_is_as_it_should_be() {
        let prefix = Prefix { addr: IpAddr::V6(Ipv6Addr::LOCALHOST), len: 128 };
        let plain = Address::new(IfIndex(1), prefix);
        let dated = |preferred, valid| Address { preferred, valid, ..plain.clone() };
        let flagged = |flags| Address { flags, ..plain.clone() };
        let deprecated = Address { preferred: 0, ..flagged(AddressFlags::DEPRECATED) };
        assert!(is_as(&plain, &plain) && is_as(&dated(0, FOREVER), &deprecated));
        assert!(is_as(&dated(60, FOREVER), &dated(7, FOREVER)) && is_as(&dated(60, FOREVER), &deprecated));
        assert!(is_as(&plain, &flagged(AddressFlags::NODAD)));
        assert!(!is_as(&plain, &dated(FOREVER, 60)) && !is_as(&plain, &dated(60, FOREVER)));
        assert!(!is_as(&plain, &deprecated) && !is_as(&dated(0, FOREVER), &plain));
        assert!(!is_as(&plain, &flagged(AddressFlags::NOPREFIXROUTE)));
        assert!(!is_as(&flagged(AddressFlags::HOMEADDRESS), &plain));
    }
}

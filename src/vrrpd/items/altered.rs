//! Addresses of this child to which somebody gives another lifetime or other flags: the kernel would delete them one
//! day, or stop using them. They are set as configured again at once, as often as a deleted one is put back.

use super::Items;
use crate::base::addr::Family;
use crate::base::id::{InstanceId, LinkId};
use crate::base::time::Instant;
use crate::child::links::Links;
use crate::sys::netlink::addr::{Address, AddressFlags, FOREVER};
use crate::vrrpd::live::Instance;
use crate::vrrpd::live::item::Input;
use crate::vrrpd::report;

impl Items {
    /// The kernel reports a virtual address that this child added: it is new, or changed.
    pub(in crate::vrrpd) fn virtual_address_reported(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        now: Instant,
        (id, position): (InstanceId, u16),
        seen: &Address,
    ) {
        let Some(instance) = instances.get_mut(id.index()) else { return };
        let Some(wanted) = instance.address(usize::from(position), seen.interface) else { return };
        let Some(moved) = instance.addresses.get_mut(usize::from(position)) else { return };
        if moved.item.no_track() {
            // Another program may have put back what it had deleted.
            moved.item.handle(Input::There { keep: false });
            return;
        }
        if !moved.item.is_there() || is_as(&wanted, seen) || !moved.item.may_be_put_back(now) {
            return;
        }
        instance.router.counters_mut().restored += 1;
        report::address_altered(Some(&instance.config.name), links.name(moved.link), wanted.prefix.addr);
        self.set_right(instances, links, &wanted);
    }

    /// The kernel reports a static address.
    pub(in crate::vrrpd) fn static_address_reported(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        now: Instant,
        link: LinkId,
        seen: &Address,
    ) {
        let Some(known) = self.statics.address_on(link, seen.prefix) else { return };
        let wanted = Address { interface: seen.interface, ..known.address.clone() };
        if known.is_kept() && !is_as(&wanted, seen) && known.item.may_be_put_back(now) {
            report::address_altered(None, links.name(Some(link)), wanted.prefix.addr);
            self.set_right(instances, links, &wanted);
        }
    }

    /// Asks the kernel to change an address; the kernel then tells of the address as it is.
    fn set_right(&mut self, instances: &mut [Instance], links: &Links, wanted: &Address) {
        if self.commands.room() == 0 {
            self.commit(instances, links);
        }
        // The address may be gone by now, which the kernel reports as well; no request has this tag.
        let _ = self.commands.replace_address(u32::MAX, wanted);
        self.commit(instances, links);
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

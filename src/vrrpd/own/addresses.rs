//! What an interface of one's own needs of addresses: a copy of the link-local address of its base, or its own.

use super::plan::Make;
use super::{MAY, OwnInterfaces};
use crate::base::addr::{Family, IpAddr, Ipv6Addr, Prefix};
use crate::base::id::{IfIndex, LinkId};
use crate::base::time::Instant;
use crate::child::links::Links;
use crate::sys::netlink::addr::{Address, AddressFlags};
use crate::sys::netlink::command::Commands;
use crate::vrrpd::live::PROTOCOL;

impl OwnInterfaces {
    /// Each IPv6 macvlan has a copy of its base's link-local address, which nothing else chooses: adverts and
    /// neighbour discovery need one there.
    pub(in crate::vrrpd) fn copy_link_locals(
        &mut self,
        links: &Links,
        commands: &mut Commands,
        changed: Option<LinkId>,
    ) {
        for position in 0..self.list.len() {
            let Some(own) = self.list.get(position) else { continue };
            if own.v6 && changed.is_none_or(|link| link == own.base || link == own.link) {
                self.copy_link_local(links, commands, position);
            }
        }
    }

    fn copy_link_local(&mut self, links: &Links, commands: &mut Commands, position: usize) {
        let Some(own) = self.list.get(position) else { return };
        let Some(index) = links.link(own.link).and_then(|link| link.index) else {
            return;
        };
        let copied = own.copied;
        let wanted = match own.make {
            Make::Macvlan(_) => own.source.or_else(|| match links.link(own.base)?.source(Family::V6) {
                Some(IpAddr::V6(local)) => Some(local),
                _ => None,
            }),
            Make::Ipvlan(..) => None,
        };
        if copied == wanted {
            return;
        }
        if let Some(old) = copied {
            let _ = commands.delete_address(MAY, &copy_of(index, old));
        }
        if let Some(local) = wanted {
            let _ = commands.replace_address(MAY, &copy_of(index, local));
        }
        commands.commit(|_, _| ());
        if let Some(own) = self.list.get_mut(position) {
            own.copied = wanted;
        }
    }

    /// Somebody took an address off that an interface of our own cannot do without: it comes back, a bounded number
    /// of times.
    pub(in crate::vrrpd) fn address_gone(
        &mut self,
        now: Instant,
        links: &Links,
        commands: &mut Commands,
        (link, address): (LinkId, Prefix),
    ) {
        let Some(own) = self.on(link).and_then(|position| self.list.get_mut(position)) else {
            return;
        };
        let copy = own.copied.is_some_and(|copy| IpAddr::V6(copy) == address.addr);
        let given = matches!(own.make, Make::Ipvlan(_, Some(prefix)) if prefix == address);
        if (copy || given) && own.again.take(now).is_some() {
            own.copied = None;
            self.put_addresses(links, commands);
            self.copy_link_locals(links, commands, Some(link));
        }
    }

    /// Gives an ipvlan its address.
    pub(in crate::vrrpd) fn put_addresses(&self, links: &Links, commands: &mut Commands) {
        for own in &self.list {
            let (Make::Ipvlan(_, Some(prefix)), Some(link)) = (own.make, links.link(own.link)) else {
                continue;
            };
            let Some(index) = link.index.filter(|_| !link.addresses.contains(&prefix)) else {
                continue;
            };
            let flags = match prefix.addr {
                IpAddr::V4(_) => AddressFlags(0),
                IpAddr::V6(_) => AddressFlags::NODAD,
            };
            let address = Address { flags, protocol: PROTOCOL, ..Address::new(index, prefix) };
            let _ = commands.replace_address(MAY, &address);
        }
        commands.commit(|_, _| ());
    }
}

/// The copy of a link-local address.
fn copy_of(index: IfIndex, local: Ipv6Addr) -> Address {
    let prefix = Prefix { addr: IpAddr::V6(local), len: 64 };
    Address {
        flags: AddressFlags::NODAD.with(AddressFlags::NOPREFIXROUTE),
        preferred: 0,
        ..Address::new(index, prefix)
    }
}

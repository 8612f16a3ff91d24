//! `track_src_ip`: an instance whose configured source address is on no interface is in FAULT.
//!
//! The address may be on an interface that nothing else of the configuration names, so the addresses that are looked
//! for are kept by themselves.

use crate::base::addr::IpAddr;
use crate::base::id::IfIndex;
use crate::daemon::reactor::Turn;
use crate::sys::netlink::addr::Address;
use crate::vrrpd::address::is_usable;
use crate::vrrpd::live::Instance;
use crate::vrrpd::state::Vrrp;

/// The source addresses that are tracked, and which interfaces have them.
#[derive(Debug, Default)]
pub struct Sources(Vec<Source>);

#[derive(Debug)]
struct Source {
    addr: IpAddr,
    /// An address is on one interface, a link-local one maybe on a few.
    on: heapless::Vec<IfIndex, 8>,
}

impl Sources {
    /// Looks for what these instances track. What is on which interface is learnt by the next listing.
    pub(in crate::vrrpd) fn renew<'a>(&mut self, instances: impl Iterator<Item = &'a Instance>) {
        let mut before = core::mem::take(&mut self.0);
        for addr in instances.filter_map(tracked) {
            if self.0.iter().any(|source| source.addr == addr) {
                continue;
            }
            let known = before.iter().position(|source| source.addr == addr);
            let known = known.map(|known| before.swap_remove(known));
            self.0.push(known.unwrap_or(Source { addr, on: heapless::Vec::new() }));
        }
    }

    /// Whether nobody tracks a source address.
    pub(in crate::vrrpd) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything is listed next.
    pub(in crate::vrrpd) fn forget(&mut self) {
        self.0.iter_mut().for_each(|source| source.on.clear());
    }

    /// An address is there, or is not; whether that is news.
    pub(in crate::vrrpd) fn note(&mut self, address: &Address, there: bool) -> bool {
        let Some(source) = self.0.iter_mut().find(|source| source.addr == address.prefix.addr) else {
            return false;
        };
        let known = source.on.iter().position(|index| *index == address.interface);
        match known {
            None if there && is_usable(address) => source.on.push(address.interface).is_ok(),
            Some(known) if !there || !is_usable(address) => {
                source.on.swap_remove(known);
                true
            }
            _ => false,
        }
    }

    fn is_on(&self, addr: IpAddr, link: Option<IfIndex>) -> bool {
        let source = self.0.iter().find(|source| source.addr == addr);
        source.is_some_and(|source| match link {
            Some(index) => source.on.contains(&index),
            None => !source.on.is_empty(),
        })
    }
}

/// The source address that an instance tracks.
fn tracked(instance: &Instance) -> Option<IpAddr> {
    instance.config.source.filter(|_| instance.config.track_source)
}

impl Vrrp {
    /// Whether the source address that an instance tracks is missing. A link-local one must be on its interface.
    pub(super) fn lacks_source(&self, instance: &Instance) -> bool {
        tracked(instance).is_some_and(|addr| {
            let local = matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local());
            let base = instance.base.and_then(|id| self.links.link(id)?.index);
            !self.sources.is_on(addr, base.filter(|_| local))
        })
    }

    /// An address of this machine came or went.
    pub(in crate::vrrpd) fn note_source(&mut self, turn: &mut Turn<'_>, address: &Address, there: bool) {
        if !self.sources.note(address, there) {
            return;
        }
        for id in self.ids() {
            if self.instance(id).and_then(tracked) == Some(address.prefix.addr) {
                self.refresh(turn, id);
            }
        }
    }
}

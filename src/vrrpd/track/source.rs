//! An instance whose configured source address has to be one of this machine is in FAULT while it is on no interface.
//!
//! The address may be on an interface that nothing else of the configuration names, so the addresses that are looked
//! for are kept by themselves.

use crate::base::addr::IpAddr;
use crate::base::id::IfIndex;
use crate::sys::netlink::addr::Address;
use crate::vrrpd::live::{Instance, is_in_detection, is_usable};

/// The source addresses that are tracked, and which interfaces have them.
#[derive(Debug, Default)]
pub struct Sources(Vec<Source>);

#[derive(Debug)]
struct Source {
    addr: IpAddr,
    /// An address is on one interface, a link-local one maybe on a few.
    on: heapless::Vec<IfIndex, 8>,
    /// Where duplicate address detection of it goes on.
    probed: Option<IfIndex>,
}

impl Sources {
    /// Looks for what these instances track. What is on which interface is learnt by the next listing.
    pub(in crate::vrrpd) fn renew<'a>(&mut self, instances: impl Iterator<Item = &'a Instance>) {
        let mut before = core::mem::take(&mut self.0);
        for addr in instances.filter_map(|instance| instance.config.tracked_source()) {
            if self.0.iter().any(|source| source.addr == addr) {
                continue;
            }
            let known = before.iter().position(|source| source.addr == addr);
            let known = known.map(|known| before.swap_remove(known));
            self.0.push(known.unwrap_or(Source { addr, on: heapless::Vec::new(), probed: None }));
        }
    }

    /// Whether no instance tracks a source address.
    pub(in crate::vrrpd) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything is listed next.
    pub(in crate::vrrpd) fn forget(&mut self) {
        for source in &mut self.0 {
            source.on.clear();
            source.probed = None;
        }
    }

    /// An address is there, or is not; whether that is news.
    pub(in crate::vrrpd) fn note(&mut self, address: &Address, there: bool) -> bool {
        let Some(source) = self.0.iter_mut().find(|source| source.addr == address.prefix.addr) else {
            return false;
        };
        let probed = (there && is_in_detection(address)).then_some(address.interface);
        let was_probed = source.probed;
        if probed.is_some() || was_probed == Some(address.interface) {
            source.probed = probed;
        }
        let known = source.on.iter().position(|index| *index == address.interface);
        match known {
            None if there && is_usable(address) => source.on.push(address.interface).is_ok(),
            Some(known) if !there || !is_usable(address) => {
                source.on.swap_remove(known);
                true
            }
            _ => source.probed != was_probed,
        }
    }

    pub(super) fn is_probed(&self, addr: IpAddr) -> bool {
        self.0.iter().any(|source| source.addr == addr && source.probed.is_some())
    }

    pub(super) fn is_on(&self, addr: IpAddr, link: Option<IfIndex>) -> bool {
        let source = self.0.iter().find(|source| source.addr == addr);
        source.is_some_and(|source| match link {
            Some(index) => source.on.contains(&index),
            None => !source.on.is_empty(),
        })
    }
}

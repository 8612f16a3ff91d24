//! Everything listed again, after notifications were lost or at a reload, in slices between which adverts leave.

use std::io;

use super::pause::ADDRESSES_A_SLICE;
use crate::base::id::{InstanceId, LinkId};
use crate::base::map::Set;
use crate::child::links::Change;
use crate::daemon::reactor::Turn;
use crate::sys::alloc;
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::command::Commands;
use crate::vrrpd::items::Marked;
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;

/// What a list of all addresses says.
struct Listed {
    /// Which virtual addresses are there.
    ours: Vec<((InstanceId, u16), Address)>,
    /// Those with keepalived's protocol number that are not where the configuration has them.
    stale: Vec<Address>,
}

impl Vrrp {
    /// Lists everything again, and gives back what that took.
    pub(super) fn list_again(&mut self, turn: &mut Turn<'_>) {
        self.resync_links(turn);
        self.pause(turn);
        alloc::trim();
        self.pause(turn);
    }

    /// Lists everything again after lost messages or a reload, and acts on the differences.
    pub(super) fn resync_links(&mut self, turn: &mut Turn<'_>) {
        let mut changes = Vec::new();
        match self.list_anew(turn, &mut changes) {
            Ok(Listed { ours: there, stale }) => {
                for (link, change) in changes {
                    self.link_changed(turn, link, change);
                    self.pause(turn);
                }
                if core::mem::take(&mut self.owns.remade) {
                    self.links.monitor.discard();
                    return self.resync_links(turn);
                }
                self.missing(turn, &there);
                let (instances, links) = (&mut self.routers.instances, &self.links.table);
                self.items.delete_known(instances, links, stale, Marked::Known);
                for id in self.ids() {
                    self.pause_at(turn, id.index());
                    if let Some(instance) = self.routers.instances.get_mut(id.index()) {
                        instance.refresh_local(&self.links.table);
                    }
                    self.refresh(turn, id);
                }
            }
            Err(error) => {
                report::kernel_failed("netlink", &error);
                self.links.listing_failed = true;
                self.arm_retry(turn);
            }
        }
    }

    /// Lists interfaces and their addresses, and what changed of the interfaces. A long list is read by a socket of its
    /// own, so that adverts go out between its parts.
    fn list_anew(&mut self, turn: &mut Turn<'_>, changes: &mut Vec<(LinkId, Change)>) -> io::Result<Listed> {
        let mut lister = Commands::open()?;
        let mut kernel = Vec::new();
        lister.links_in_slices(&mut kernel, &mut || self.pause(turn))?;
        self.links.table.replace(&kernel, |id, change| changes.push((id, change)));
        drop(kernel);
        self.pause(turn);
        self.follow_firewall(turn, changes.iter().map(|(_, change)| *change));
        let mut listed = Vec::new();
        lister.addresses_in_slices(&mut listed, &mut || self.pause(turn))?;
        let (instances, links) = (&self.routers.instances, &self.links.table);
        let is_stale = |there: &&Address| self.items.may_be_stale(instances, links, there);
        let stale = listed.iter().filter(is_stale).cloned().collect();
        self.pause(turn);
        Ok(Listed { ours: self.learn_addresses(listed, &mut |this| this.pause(turn)), stale })
    }

    /// Addresses that a MASTER should hold and that are not among those listed, or not as they should be.
    fn missing(&mut self, turn: &mut Turn<'_>, there: &[((InstanceId, u16), Address)]) {
        let place = |this: &Self, (id, position): (InstanceId, u16)| {
            let moved = this.instance(id)?.addresses.get(usize::from(position))?;
            Some((moved.link?, moved.prefix))
        };
        let listed: Set<_> = there.iter().filter_map(|(owner, _)| place(self, *owner)).collect();
        for (owner, address) in there {
            let (instances, links) = (&mut self.routers.instances, &self.links.table);
            self.items.virtual_address_told(instances, links, turn.now(), *owner, address);
        }
        for id in self.ids() {
            self.pause_at(turn, id.index());
            let count = self.instance(id).map_or(0, |instance| instance.addresses.len());
            for position in 0..u16::try_from(count).unwrap_or(u16::MAX) {
                if (usize::from(position) + 1).is_multiple_of(ADDRESSES_A_SLICE) {
                    self.pause(turn);
                }
                if place(self, (id, position)).is_none_or(|place| !listed.contains(&place)) {
                    self.virtual_address_gone(turn, (id, position), false);
                }
            }
        }
    }
}

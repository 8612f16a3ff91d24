//! Addresses that this program added to interfaces which were given another name while no child ran to see it, or while
//! notifications were lost.

use std::io;

use super::Items;
use crate::base::addr::Prefix;
use crate::child::links::Links;
use crate::sys::netlink::addr::Address;
use crate::vrrpd::live::{Instance, PROTOCOL};
use crate::vrrpd::report;

/// Which addresses, routes and rules that bear keepalived's protocol number are deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// Those that the configuration knows.
    Known,
    /// All: no other keepalived runs.
    All,
}

impl Items {
    /// Deletes addresses that bear keepalived's protocol number and that the configuration knows, but not on the
    /// interface where they are. An address that the configuration does not know at all may be another daemon's, unless
    /// `marked` says that all are to go.
    ///
    /// # Errors
    /// What the kernel says when it is asked for its addresses.
    pub(in crate::vrrpd) fn delete_stale(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        marked: Marked,
    ) -> io::Result<()> {
        let mut listed = Vec::new();
        self.commands.addresses(&mut listed)?;
        listed.retain(|there| self.may_be_stale(instances, links, there));
        self.delete_known(instances, links, listed, marked);
        Ok(())
    }

    /// Whether an address bears keepalived's protocol number and is not where the configuration has it.
    pub(in crate::vrrpd) fn may_be_stale(
        &self,
        instances: &[Instance],
        links: &Links,
        there: &Address,
    ) -> bool {
        let in_place = |link| {
            self.virtual_address(instances, link, there.prefix).is_some()
                || self.statics.has(link, there.prefix)
                || self.is_to_go(link, there.prefix)
        };
        there.protocol == PROTOCOL && !links.numbered(there.interface).is_some_and(in_place)
    }

    /// Deletes those among stale addresses that the configuration knows, or all.
    pub(in crate::vrrpd) fn delete_known(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        stale: Vec<Address>,
        marked: Marked,
    ) {
        for there in stale {
            if marked == Marked::All || self.names(instances, there.prefix) {
                report::left_over(there.prefix);
                self.delete_address(instances, links, &there);
            }
        }
        self.commit(instances, links);
    }

    /// Whether the configuration has an address, on whatever interface.
    fn names(&self, instances: &[Instance], address: Prefix) -> bool {
        let mut moved = instances.iter().flat_map(|instance| &instance.addresses);
        moved.any(|moved| moved.prefix == address) || self.statics.names(address)
    }
}

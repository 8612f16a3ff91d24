//! Addresses of ours on interfaces that were given another name while no child ran to see it, or while messages were lost.

use std::io;

use super::live::PROTOCOL;
use super::report;
use super::state::Vrrp;
use crate::base::addr::Prefix;
use crate::sys::netlink::addr::Address;

/// Which addresses, routes and rules that bear keepalived's mark are taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    /// Those that the configuration knows.
    Known,
    /// All: no other keepalived runs.
    All,
}

impl Vrrp {
    /// Takes off addresses that bear keepalived's mark and that the configuration knows, but not on the interface where
    /// they are. What it does not know at all may be another daemon's, unless it says that all are.
    ///
    /// # Errors
    /// What the kernel says when it is asked for its addresses.
    pub(super) fn remove_strays(&mut self, marked: Marked) -> io::Result<()> {
        let mut listed = Vec::new();
        self.items.commands.addresses(&mut listed)?;
        listed.retain(|there| self.may_be_astray(there));
        self.remove_astray(listed, marked);
        Ok(())
    }

    /// Whether an address bears keepalived's mark and is not where the configuration has it.
    pub(super) fn may_be_astray(&self, there: &Address) -> bool {
        let in_place = |link| {
            self.moved(link, there.prefix).is_some()
                || self.items.network.fixed.has(link, there.prefix)
                || self.items.network.is_to_go(link, there.prefix)
        };
        there.protocol == PROTOCOL && !self.links.table.numbered(there.interface).is_some_and(in_place)
    }

    /// Takes off those among such addresses that the configuration knows, or all.
    pub(super) fn remove_astray(&mut self, astray: Vec<Address>, marked: Marked) {
        for there in astray {
            if marked == Marked::All || self.knows(there.prefix) {
                report::left_over(there.prefix);
                self.delete(there);
            }
        }
        self.commit_batch();
    }

    /// Whether the configuration has an address, on whatever interface.
    fn knows(&self, address: Prefix) -> bool {
        let mut moved = self.routers.instances.iter().flat_map(|instance| &instance.addresses);
        moved.any(|moved| moved.prefix == address) || self.items.network.fixed.names(address)
    }
}

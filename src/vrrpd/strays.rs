//! Addresses of ours on interfaces that were given another name while no child ran to see it.

use std::io;

use super::build::PROTOCOL;
use super::report;
use super::state::Vrrp;
use crate::base::addr::Prefix;

impl Vrrp {
    /// Takes off addresses that bear keepalived's mark and that the configuration knows, but not on the interface where
    /// they are. What it does not know at all may be another daemon's.
    ///
    /// # Errors
    /// What the kernel says when it is asked for its addresses.
    pub(super) fn remove_strays(&mut self) -> io::Result<()> {
        let mut listed = Vec::new();
        self.kernel.commands.addresses(&mut listed)?;
        for there in listed.into_iter().filter(|there| there.protocol == PROTOCOL) {
            let link = self.links.numbered(there.interface);
            let in_place = link.is_some_and(|link| {
                self.moved(link, there.prefix).is_some() || self.network.fixed.has(link, there.prefix)
            });
            if !in_place && self.knows(there.prefix) {
                report::left_over(there.prefix);
                self.delete(there);
            }
        }
        self.commit_batch();
        Ok(())
    }

    /// Whether the configuration has an address, on whatever interface.
    fn knows(&self, address: Prefix) -> bool {
        let mut moved = self.instances.iter().flat_map(|instance| &instance.addresses);
        moved.any(|moved| moved.prefix == address) || self.network.fixed.names(address)
    }
}

//! What follows when the kernel reports an address.

use super::Vrrp;
use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::id::{InstanceId, LinkId};
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::Input;
use crate::sys::netlink::addr::{Address, AddressFlags};
use crate::vrrpd::live::item::Next;
use crate::vrrpd::live::{is_in_detection, is_usable};
use crate::vrrpd::report;

impl Vrrp {
    /// Sends the requests of the batch.
    pub(super) fn commit_batch(&mut self) {
        self.items.commit(&mut self.routers.instances, &self.links.table);
    }

    /// Sends the requests of the batch, and sees to what the kernel refused or took late.
    pub(super) fn commit_items(&mut self, turn: &mut Turn<'_>) {
        self.commit_batch();
        if self.items.take_refused() {
            self.arm_retry(turn);
        }
        while let Some(id) = self.items.take_late() {
            self.announce_anew(turn, id);
        }
    }

    /// The kernel reports an address.
    pub(super) fn address_new(&mut self, turn: &mut Turn<'_>, address: &Address) {
        let Some(link) = self.links.table.numbered(address.interface) else { return };
        let (instances, links) = (&mut self.routers.instances, &self.links.table);
        if let Some((place, moved)) = self.items.virtual_address(instances, link, address.prefix)
            && moved.item.is_ours()
        {
            return self.items.virtual_address_reported(instances, links, turn.now(), place, address);
        }
        self.items.static_address_reported(instances, links, turn.now(), link, address);
        if !is_usable(address) {
            // A message with the flag taken back follows, if nobody else has the address.
            self.detection_reported(turn, link, address.prefix, is_in_detection(address));
            return self.source_gone(turn, link, address.prefix);
        }
        if self.links.table.address_new(link, address.prefix) {
            self.log_address(turn, link, address.prefix.addr, true);
            self.source_changed(turn, link);
        }
    }

    /// The kernel reports that an address is gone.
    pub(super) fn address_gone(&mut self, turn: &mut Turn<'_>, address: &Address) {
        let Some(link) = self.links.table.numbered(address.interface) else { return };
        let known = self.items.virtual_address(&self.routers.instances, link, address.prefix);
        if let Some((place, _)) = known {
            let v4 = Family::of(&address.prefix.addr) == Family::V4;
            let secondary = v4 && address.flags.contains(AddressFlags::SECONDARY);
            self.virtual_address_gone(turn, place, secondary);
        }
        self.static_address_gone(turn, link, address.prefix);
        self.detection_reported(turn, link, address.prefix, false);
        self.source_gone(turn, link, address.prefix);
        self.objects_by_address(link, address.prefix);
    }

    fn source_gone(&mut self, turn: &mut Turn<'_>, link: LinkId, address: Prefix) {
        if self.links.table.address_gone(link, address) {
            if !self.process.stopping {
                let (links, commands) = (&self.links.table, &mut self.items.commands);
                self.owns.address_gone(turn.now(), links, commands, (link, address));
            }
            self.log_address(turn, link, address.addr, false);
            self.source_changed(turn, link);
        }
    }

    /// Logs with -D an address of an interface. Whoever sends router advertisements can bring about any number.
    fn log_address(&mut self, turn: &Turn<'_>, link: LinkId, addr: IpAddr, assigned: bool) {
        if !log::log_enabled!(log::Level::Debug) || !report::may(&mut self.announcer.lines, turn.now()) {
            return;
        }
        if assigned {
            report::address_assigned(&self.links.table, link, addr);
        } else {
            report::address_deassigned(&self.links.table, link, addr);
        }
    }

    /// The kernel does not have an address that an instance may hold: it is put back, or the instance steps down.
    pub(super) fn virtual_address_gone(
        &mut self,
        turn: &mut Turn<'_>,
        place: (InstanceId, u16),
        secondary: bool,
    ) {
        let (instances, links) = (&mut self.routers.instances, &self.links.table);
        let (id, _) = place;
        match self.items.virtual_address_gone(instances, links, turn.now(), place, secondary) {
            Next::PutBack => self.touch(id, |pending| pending.add = true),
            Next::GiveUp => self.drive(turn, id, Input::AddressLost),
            Next::Nothing | Next::Retry { .. } | Next::Announce => {}
        }
    }
}

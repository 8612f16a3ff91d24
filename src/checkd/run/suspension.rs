//! Checks of virtual servers with `ha_suspend`: they run only while the address of their service is there.

use super::Checkers;
use crate::base::id::{MachineId, ServiceId};
use crate::checkd::report;
use crate::checkd::services::Named;
use crate::checkd::slots::Slot;
use crate::daemon::reactor::{Again, Turn};
use crate::proto::check::Input;

impl Checkers {
    /// Whether an address of the service of a check is there, or need not be.
    pub(super) fn is_active(&self, id: MachineId) -> bool {
        !self.checks.get(id).is_some_and(|check| self.addresses.suspends(ServiceId(check.place.service)))
    }

    /// The kernel tells of addresses.
    pub(super) fn addresses_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        let (again, changed) = self.addresses.hear(turn.now());
        self.arm_addresses(turn);
        if changed && !self.process.stopping {
            self.suspend_or_resume(turn);
        }
        again
    }

    /// Goes over to the addresses that matter now. For load time: allocates.
    pub(super) fn load_addresses(&mut self, turn: &mut Turn<'_>) {
        self.addresses.load(turn, &self.model);
        self.arm_addresses(turn);
    }

    /// The last list of addresses failed.
    pub(super) fn list_addresses(&mut self, turn: &mut Turn<'_>) {
        self.addresses.list(turn.now());
        self.arm_addresses(turn);
        self.suspend_or_resume(turn);
    }

    fn arm_addresses(&self, turn: &mut Turn<'_>) {
        turn.set_deadline(self.layout.number(Slot::Addresses), self.addresses.poll_at());
    }

    /// Suspends the checks whose address is not there, and lets the others go on.
    fn suspend_or_resume(&mut self, turn: &mut Turn<'_>) {
        for id in self.machines() {
            let active = self.is_active(id);
            let Some(check) = self.checks.get(id) else { continue };
            if check.machine.is_suspended() != active {
                continue;
            }
            self.tell_suspension(id, !active);
            self.drive(turn, id, if active { Input::Resume } else { Input::Suspend });
        }
    }

    fn tell_suspension(&self, id: MachineId, suspended: bool) {
        let Some(check) = self.checks.get(id) else { return };
        for place in check.places() {
            let named = Named::of(&self.model, &self.lvs.places, ServiceId(place.service));
            let Some(named) = named else { continue };
            if let Some(server) = named.service.servers.get(place.server as usize) {
                report::suspended(named.server_name(server), named.name(), suspended);
            }
        }
    }
}

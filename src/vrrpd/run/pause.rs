//! Adverts that fall due, and hellos that come, while long work is under way: reading thousands of instances, or putting
//! thousands of addresses into the kernel, takes longer than an advert may be late, so that it is done in slices.

use crate::base::limit;
use crate::base::time::Instant;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::{Actions, Input, State};
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::slots::Slot;

/// Instances that a slice of the work covers: some tens of microseconds.
pub(super) const SLICE: usize = 16;

/// Addresses that are looked up between two pauses: some tens of microseconds.
pub(super) const ADDRESSES_A_SLICE: usize = 128;

/// Adverts that one pause sends.
const ADVERTS: usize = 256;

impl Vrrp {
    /// Sends the adverts that are due now. Nothing else happens: whatever would change a state waits until the work is
    /// done, for what was heard meanwhile comes first.
    pub(super) fn pause(&mut self, turn: &mut Turn<'_>) {
        let slice = turn.renew();
        self.process.meter.note_slice(slice);
        let mut due = heapless::Vec::<u32, ADVERTS>::new();
        // Whatever else is due waits; thousands of announcements must not take the room of adverts.
        let now = turn.now();
        turn.due(|slot| !self.is_advert(now, slot) || due.push(slot).is_ok());
        for slot in due {
            let Slot::Machine(id) = self.work.layout.slot(slot) else { continue };
            let Some(instance) = self.routers.instances.get_mut(id.index()) else { continue };
            let mut out = Actions::new();
            instance.router.handle(turn.now(), Input::Timeout, &mut out);
            turn.set_deadline(slot, instance.router.poll_at());
            self.send_only(id, &out);
        }
        self.sockets.flush(&self.kept.keep);
        turn.answer_hellos();
        // A reload that goes on gives the instances other numbers.
        self.sockets.log_failures(&mut self.routers.instances);
        turn.renew();
    }

    /// Whether what is due in a slot is the advert of a MASTER.
    fn is_advert(&self, now: Instant, slot: u32) -> bool {
        let Slot::Machine(id) = self.work.layout.slot(slot) else { return false };
        let Some(instance) = self.instance(id) else { return false };
        // One that is so late that its instance steps down is no advert.
        let stays = !instance.router.machine().is_too_late(now);
        instance.router.state() == State::Master && stays
    }

    /// Pauses if the work of this turn has taken as long as a slice may.
    pub(super) fn pause_if_long(&mut self, turn: &mut Turn<'_>) {
        if turn.passed() >= limit::SLICE {
            self.pause(turn);
        }
    }

    /// The deadlines of the elections, after the slots were laid out anew.
    pub(super) fn rearm_machines(&self, turn: &mut Turn<'_>) {
        for id in self.ids() {
            let at = self.instance(id).and_then(|instance| instance.router.poll_at());
            turn.set_deadline(self.work.layout.number(Slot::Machine(id)), at);
        }
    }
}

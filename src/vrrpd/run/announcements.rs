//! Announcements composed with the deadlines of the loop.

use crate::base::id::InstanceId;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::State;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::slots::Slot;

impl Vrrp {
    /// Queues the announcements of an instance that are due, and arms the timer for the rest.
    pub(super) fn announce(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.routers.instances.get_mut(id.index()) else { return };
        self.announcer.announce(turn.now(), id, instance, &self.links.table);
        turn.set_deadline(self.work.layout.number(Slot::Announce(id)), instance.router.announce_at());
    }

    /// The addresses of a MASTER are at another Ethernet address now, or behind another wire.
    pub(super) fn announce_anew(&mut self, turn: &Turn<'_>, id: InstanceId) {
        let now = turn.now();
        if let Some(instance) = self.instance_mut(id).filter(|it| it.router.state() == State::Master) {
            instance.router.announce_again(now);
            self.touch(id, |pending| pending.announce = true);
        }
    }

    /// Reckons how announcements are spaced, when the interfaces of the model are known.
    pub(super) fn pace(&mut self) {
        self.announcer.pace(&self.model, &self.links.table, &self.owns, &mut self.routers.instances);
    }

    /// Finds out what the instances ask to be announced on interfaces that are not their own. `before`: for each
    /// instance the one that it went on from, after a reload.
    pub(super) fn plan_extras(
        &mut self,
        turn: &mut Turn<'_>,
        before: impl Fn(InstanceId) -> Option<InstanceId>,
    ) {
        let at = self.announcer.plan_extras(turn.now(), &self.routers.instances, &self.owns, before);
        turn.set_deadline(self.work.layout.number(Slot::Extra), at);
    }

    /// An instance has become MASTER, or is not MASTER any more.
    pub(super) fn set_extras(&mut self, turn: &mut Turn<'_>, id: InstanceId, master: bool) {
        if let Some(at) = self.announcer.set_extras(id, master.then(|| turn.now())) {
            let slot = self.work.layout.number(Slot::Extra);
            let at = turn.deadline(slot).map_or(at, |armed| armed.min(at));
            turn.set_deadline(slot, Some(at));
        }
    }

    /// Announcements on interfaces that are not an instance's own are due.
    pub(super) fn extras_due(&mut self, turn: &mut Turn<'_>) {
        let at = self.announcer.announce_extras(turn.now(), &self.routers.instances, &self.links.table);
        turn.set_deadline(self.work.layout.number(Slot::Extra), at);
    }
}

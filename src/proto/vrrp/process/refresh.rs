//! Reasons for FAULT and priorities, reckoned anew from what is true now.

use super::Situation;
use super::policy::Policy;
use super::work::{Step, Work};
use crate::base::id::InstanceId;
use crate::proto::track::Object;
use crate::proto::vrrp::action::{Event, State};
use crate::proto::vrrp::fault::{Fault, Faults};
use crate::proto::vrrp::group;
use crate::proto::vrrp::machine::Input;
use crate::proto::vrrp::router::Router;
use crate::proto::vrrp::total::{Total, fault_of};

impl Policy {
    /// Facts of an instance, or what it tracks, may have changed.
    pub fn refresh(&mut self, id: InstanceId) {
        self.queue(Work::Refresh(id));
    }

    /// An object says something else than before: each instance that tracks it is judged anew.
    pub fn tracked_changed(&mut self, object: Object) {
        self.queue(Work::Followers(object, 0));
    }

    /// The reasons that an instance itself has now, whether it waits for a first result or for its source of adverts, and
    /// the sum of all weights in force; what other members of a sync group say is left out.
    #[must_use]
    pub fn total(&self, situation: &dyn Situation, id: InstanceId) -> Total {
        let Some(router) = situation.router(id) else { return Total::default() };
        // Once an instance has begun, a source that cannot be used is as good as none.
        let patient = self.patient && router.state() == State::Init;
        let facts = situation.facts(id);
        let mut total = Total { faults: facts.faults(patient), pending: facts.waits(patient), weights: 0 };
        for tracked in situation.tracking(id) {
            let effect = tracked.weight.of_value(situation.value(tracked.object));
            total.add(fault_of(tracked.object), effect);
        }
        total
    }

    /// Tells the machine of an instance what changed.
    pub(super) fn judge(&mut self, situation: &dyn Situation, id: InstanceId) {
        let Some(router) = situation.router(id) else { return };
        let Total { faults: own, pending, weights } = self.total(situation, id);
        let (faults, pending) = self.with_group(situation, id, own, pending);
        let machine = router.machine();
        let judged = ((machine.faults(), machine.is_pending()) != (faults, pending))
            .then_some(Step::Lead(Input::Faults { faults, pending }));
        let weighed = (router.weights() != weights).then_some(Step::Weights(weights));
        // A MASTER that gives up says so with the priority that is known.
        let fails = machine.faults().is_empty() && !faults.is_empty();
        let steps = if fails { [judged, weighed] } else { [weighed, judged] };
        let remains = machine.state() == State::Fault && machine.faults().shrinks_to(faults);
        // The work that is pushed last is done first.
        if remains {
            self.push(Work::Step(id, Step::Tell(Event::StillInFault)));
        }
        for step in steps.into_iter().rev().flatten() {
            self.push(Work::Step(id, step));
        }
    }

    /// What speaks against an instance and whether it waits, that of its group with it: `own` and `pending` are what the
    /// instance has itself. Members of a group that takes part are not asked: none has anything to say.
    fn with_group(
        &self,
        situation: &dyn Situation,
        id: InstanceId,
        own: Faults,
        pending: bool,
    ) -> (Faults, bool) {
        let group = situation.group(id).and_then(|group| self.members(group));
        let (Some(router), Some(members)) = (situation.router(id), group) else { return (own, pending) };
        if self.rebuilding {
            // What the others say is asked once for all, by `refresh_group`.
            let before = router.faults().contains(Fault::Group);
            return (group::faults(own, before), pending || router.machine().is_pending());
        }
        if matches!(members.machine.state(), State::Backup | State::Master) {
            return (own, pending);
        }
        // The last members are asked first: when an interface of all comes back, they hear of it last.
        let others = members.ids.iter().rev().copied().filter(|other| *other != id);
        let mut others = others.filter_map(|other| Some((other, situation.router(other)?)));
        let blocked = others.clone().any(|(_, router)| !router.faults().own().is_empty());
        let faults = group::faults(own, blocked);
        let waits = |(other, router): (InstanceId, &Router)| {
            router.machine().is_pending() && self.total(situation, other).pending
        };
        // With a reason for FAULT it does not matter whether another member waits.
        (faults, pending || (faults.is_empty() && others.any(waits)))
    }
}

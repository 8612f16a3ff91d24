//! Reasons for FAULT and priorities, reckoned anew from what is true now.

use super::{Instance, Process, Step, Work};
use crate::base::id::InstanceId;
use crate::proto::track::Object;
use crate::proto::vrrp::action::{Event, State};
use crate::proto::vrrp::fault::Faults;
use crate::proto::vrrp::group;
use crate::proto::vrrp::machine::Input;
use crate::proto::vrrp::total::Total;

impl Process {
    /// Facts of an instance, or what it tracks, may have changed.
    pub fn refresh(&mut self, id: InstanceId) {
        self.push(Work::Refresh(id));
    }

    /// An object says something else than before: each instance that tracks it is judged anew.
    pub fn tracked_changed(&mut self, object: Object) {
        self.push(Work::Followers(object, 0));
    }

    /// The reasons that hold now, whether a first result or the source of adverts is still awaited, and the sum of all
    /// weights in force; what other members of a sync group say is left out.
    #[must_use]
    pub fn reckon(&self, id: InstanceId) -> Total {
        self.instance(id).map_or_else(Total::default, |instance| self.total(instance))
    }

    pub(super) fn total(&self, instance: &Instance) -> Total {
        // Once an instance has begun, a source that cannot be used is as good as none.
        let patient = self.patient && instance.router.state() == State::Init;
        let mut total = Total::of(&self.values, &instance.tracking);
        total.faults = total.faults.and(instance.facts.faults(patient));
        total.pending |= instance.facts.waits(patient);
        total
    }

    /// Tells the machine of an instance what changed.
    pub(super) fn judge(&mut self, id: InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        let Total { faults: own, pending, weights } = self.total(instance);
        let (faults, pending) = self.with_group(id, own, pending);
        let Some(instance) = self.instance(id) else { return };
        let machine = instance.router.machine();
        let judged = ((machine.faults(), machine.is_pending()) != (faults, pending))
            .then_some(Step::Lead(Input::Faults { faults, pending }));
        let weighed = (instance.router.weights() != weights).then_some(Step::Weights(weights));
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

    /// What speaks against an instance and whether it waits, that of its group with it: `own` and `pending` are what
    /// it has itself. Members of a group that takes part are not asked: none has anything to say.
    fn with_group(&self, id: InstanceId, own: Faults, pending: bool) -> (Faults, bool) {
        let Some(instance) = self.instance(id) else { return (own, pending) };
        let Some(members) = instance.group.and_then(|group| self.members(group)) else {
            return (own, pending);
        };
        let machine = instance.router.machine();
        if self.rebuilding {
            // What the others say is asked once for all, by `refresh_group`.
            let before = machine.faults().contains(crate::proto::vrrp::Fault::Group);
            return (group::faults(own, before), pending || machine.is_pending());
        }
        if matches!(members.machine.state(), State::Backup | State::Master) {
            return (own, pending);
        }
        // The last members are asked first: when an interface of all comes back, they hear of it last.
        let others = members.ids.iter().rev().filter(|other| **other != id);
        let mut others = others.filter_map(|other| self.instance(*other));
        let faults = group::faults(own, others.clone().any(|other| !other.router.faults().own().is_empty()));
        let waits = |other: &Instance| other.router.machine().is_pending() && self.total(other).pending;
        // With a reason for FAULT it does not matter whether anybody waits.
        (faults, pending || (faults.is_empty() && others.any(waits)))
    }
}

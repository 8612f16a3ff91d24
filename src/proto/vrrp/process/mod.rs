//! All virtual routers of a process: what speaks against each, what trackers do to priorities, and which members of sync
//! groups lead and which follow.
//!
//! ```text
//!   what is true, what objects say -> refresh -+
//!   timeouts, stops, lost addresses -----------+-> one step of one instance -> its actions
//!   adverts -----------------------------------+         |            ^
//!                                                        v            |
//!                                             its group leads: the others follow
//! ```
//!
//! One input may concern many instances. The [`Policy`] keeps the inputs in the order in which they came, and hands out what
//! they lead to one step at a time, so that the actions of every step are carried out before the next one is decided. Whoever
//! takes the steps may stop after any of them and go on later:
//!
//! ```text
//!   policy.refresh(id);                          // or another input
//!   while let Some(due) = policy.due(situation) {
//!       // if due.decides: carry out what is left to be done for due.id
//!       policy.step(now, router of due.id, &mut actions);
//!       // carry out `actions` of due.id, in order
//!   }
//! ```
//!
//! The order of the steps is: the instance that leads, the other members of its group in the order of the file, the
//! report of the group.
//!
//! The VRRP child has the instances and what is true of them in its own parts. [`Process`] is the policy with instances
//! and nothing else, for the simulation and the rehearsal.

mod policy;
mod refresh;
mod sync;
mod work;

use super::accept::{Packet, Surroundings};
use super::action::{Actions, State};
use super::facts::Facts;
use super::router::Router;
use crate::base::addr::Addressed;
use crate::base::id::{GroupId, InstanceId};
use crate::base::time::Instant;
use crate::proto::track::{Object, Tracked, Value, Values};

pub use policy::{Due, Policy};
pub use work::Members;

/// The instances, and what is true now: what the policy judges by.
pub trait Situation {
    /// The virtual router of an instance.
    fn router(&self, id: InstanceId) -> Option<&Router>;
    /// The sync group that an instance is a member of.
    fn group(&self, id: InstanceId) -> Option<GroupId>;
    /// What is true of an instance now.
    fn facts(&self, id: InstanceId) -> Facts;
    /// What an instance tracks, that of its group included.
    fn tracking(&self, id: InstanceId) -> &[Tracked];
    /// What an object says now.
    fn value(&self, object: Object) -> Value;
}

/// One instance of a [`Process`].
#[derive(Clone, Debug)]
pub struct Instance {
    /// Its virtual router.
    pub router: Router,
    /// What is true of it now.
    pub facts: Facts,
    /// What it tracks, that of its group included.
    pub tracking: Box<[Tracked]>,
    /// The sync group that it is a member of.
    pub group: Option<GroupId>,
}

impl Instance {
    /// An instance that tracks nothing, and against which nothing speaks.
    #[must_use]
    pub fn new(router: Router) -> Self {
        Self { router, facts: Facts::default(), tracking: Box::default(), group: None }
    }
}

/// Instances, what was said of them, and the policy that drives them.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// The policy, to give it inputs.
    pub policy: Policy,
    known: Known,
}

/// What a process was told.
#[derive(Clone, Debug, Default)]
struct Known {
    instances: Vec<Instance>,
    values: Values,
}

impl Situation for Known {
    fn router(&self, id: InstanceId) -> Option<&Router> {
        self.instances.get(id.index()).map(|instance| &instance.router)
    }

    fn group(&self, id: InstanceId) -> Option<GroupId> {
        self.instances.get(id.index())?.group
    }

    fn facts(&self, id: InstanceId) -> Facts {
        self.instances.get(id.index()).map_or_else(Facts::default, |instance| instance.facts)
    }

    fn tracking(&self, id: InstanceId) -> &[Tracked] {
        self.instances.get(id.index()).map_or(&[], |instance| &instance.tracking)
    }

    fn value(&self, object: Object) -> Value {
        self.values.get(object)
    }
}

impl Process {
    /// A process with these instances and groups. For load time: allocates.
    #[must_use]
    pub fn new(instances: Vec<Instance>, groups: Vec<Members>) -> Self {
        let known = Known { instances, values: Values::default() };
        let mut process = Self { policy: Policy::new(groups), known };
        process.find_followers();
        process
    }

    /// Finds out anew which instances track what. For load time: allocates.
    pub fn find_followers(&mut self) {
        self.policy.find_followers(self.known.instances.iter().map(|instance| &*instance.tracking));
        self.known.values.reserve(self.policy.followers().objects());
    }

    /// Takes over from the process of before a reload. `kept`: the old id of each instance that goes on; `groups`: the
    /// old id of each group that does.
    pub fn succeed(&mut self, mut before: Self, kept: &[Option<InstanceId>], groups: &[Option<GroupId>]) {
        for (after, old) in self.known.instances.iter_mut().zip(kept) {
            let Some(before) = old.and_then(|old| before.known.instances.get_mut(old.index())) else {
                continue;
            };
            after.router.succeed(&mut before.router, after.group.is_some());
            after.facts = before.facts;
        }
        let fresh = core::mem::replace(&mut self.policy, before.policy);
        self.policy.regroup(fresh.into_groups(), groups);
        self.find_followers();
    }

    /// An instance.
    #[must_use]
    pub fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.known.instances.get(id.index())
    }

    /// An instance, for what is not decided here: counters, announcements, guards, facts.
    pub fn instance_mut(&mut self, id: InstanceId) -> Option<&mut Instance> {
        self.known.instances.get_mut(id.index())
    }

    /// All instances, in the order of the file.
    #[must_use]
    pub fn instances(&self) -> &[Instance] {
        &self.known.instances
    }

    /// The state of an instance; INIT if there is none of this id.
    #[must_use]
    pub fn state(&self, id: InstanceId) -> State {
        self.instance(id).map_or(State::Init, |instance| instance.router.state())
    }

    /// What is true of an instance now. [`Policy::refresh`] draws the conclusion.
    pub fn set_facts(&mut self, id: InstanceId, facts: Facts) {
        if let Some(instance) = self.instance_mut(id) {
            instance.facts = facts;
        }
    }

    /// What an object says now; whether that is news. [`Policy::tracked_changed`] draws the conclusion.
    pub fn set_value(&mut self, object: Object, value: Value) -> bool {
        self.known.values.set(object, value)
    }

    /// An instance gets a packet. What the instance asks for goes to `out` at once; what its group makes of that follows in
    /// [`Process::due`].
    pub fn receive<A: Addressed>(
        &mut self,
        now: Instant,
        id: InstanceId,
        surroundings: &Surroundings<'_, A>,
        packet: &Packet<'_>,
        out: &mut Actions,
    ) {
        let start = out.len();
        if let Some(instance) = self.instance_mut(id) {
            instance.router.receive(now, surroundings, packet, out);
        }
        self.policy.lead(id, out, start);
    }

    /// The step that is to be done next; none: all that the inputs so far lead to is done.
    pub fn due(&mut self) -> Option<Due> {
        self.policy.due(&self.known)
    }

    /// Does the step that is due; `out` receives what its instance asks for, in order.
    pub fn step(&mut self, now: Instant, out: &mut Actions) {
        let Some(due) = self.due() else { return };
        let instance = self.known.instances.get_mut(due.id.index());
        self.policy.step(now, instance.map(|instance| &mut instance.router), out);
    }

    /// [`Policy::refresh_group`] for these instances.
    pub fn refresh_group(&mut self, id: GroupId) {
        self.policy.refresh_group(&self.known, id);
    }

    /// [`Policy::begin_group`] for these instances.
    pub fn begin_group(&mut self, id: GroupId, adopt: Option<State>) {
        self.policy.begin_group(&self.known, id, adopt);
    }

    /// [`Policy::align_group`] for these instances.
    pub fn align_group(&mut self, id: GroupId, veteran: &dyn Fn(InstanceId) -> bool) {
        self.policy.align_group(&self.known, id, veteran);
    }
}

#[cfg(test)]
mod tests;

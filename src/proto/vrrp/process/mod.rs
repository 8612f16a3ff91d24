//! All virtual routers of a process: what speaks against each, what trackers do to priorities, and who leads and who
//! follows in sync groups.
//!
//! ```text
//!   facts, values of trackers -> refresh -+
//!   timeouts, stops, lost addresses ------+-> one step of one instance -> its actions
//!   adverts ------------------------------+         |            ^
//!                                                   v            |
//!                                        its group leads: the others follow
//! ```
//!
//! One input may concern many instances. The process machine keeps what is still to be done as a small stack of work
//! and hands it out one step at a time, so that the actions of every step are carried out before the next one is
//! decided:
//!
//! ```text
//!   process.refresh(id);                          // or another input
//!   while let Some(due) = process.due() {
//!       // if due.decides: carry out what is left to be done for due.id
//!       process.step(now, &mut actions);
//!       // carry out `actions` of due.id, in order
//!   }
//! ```
//!
//! The order of the steps is: the instance that leads, the other members of its group in the order of the file, the
//! report of the group.

mod refresh;
mod sync;

use super::accept::{Packet, Surroundings};
use super::action::{Action, Actions, Event, State};
use super::facts::Facts;
use super::group::Group;
use super::machine::Input;
use super::router::Router;
use crate::base::addr::Addressed;
use crate::base::id::{GroupId, InstanceId};
use crate::base::time::Instant;
use crate::proto::track::{Followers, Object, Tracked, Value, Values};

pub use sync::Members;

/// One instance as the process machine knows it.
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

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The instance whose step it is.
    pub id: InstanceId,
    /// Its machine decides in it, so that what the machine asked for before must have been carried out; otherwise the
    /// step tells something only.
    pub decides: bool,
}

/// What one step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// An input of the election; the group of the instance follows it.
    Lead(Input),
    /// An input of the election for an instance that follows its group.
    Follow(Input),
    /// The sum of the weights that trackers give.
    Weights(i32),
    /// Something to tell.
    Tell(Event),
}

/// What is still to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    /// The followers of an object, from this position on, are judged anew.
    Followers(Object, usize),
    /// An instance is judged anew.
    Refresh(InstanceId),
    /// A step of an instance.
    Step(InstanceId, Step),
    /// A member of a group did something that the group has to know.
    Group(sync::Work),
}

/// All instances and sync groups.
#[derive(Clone, Debug, Default)]
pub struct Process {
    instances: Vec<Instance>,
    groups: Vec<Members>,
    values: Values,
    followers: Followers,
    work: heapless::Vec<Work, DEPTH>,
    /// Groups are brought in step when all members are there ([`Process::set_rebuilding`]).
    rebuilding: bool,
    /// Instances that have not begun wait for a source that is being probed.
    patient: bool,
}

impl Process {
    /// A process with these instances and groups. For load time: allocates.
    #[must_use]
    pub fn new(instances: Vec<Instance>, groups: Vec<Members>) -> Self {
        let mut process = Self { instances, groups, ..Self::default() };
        process.find_followers();
        process
    }

    /// Finds out anew who tracks what. For load time: allocates.
    pub fn find_followers(&mut self) {
        let instances = self.instances.iter().enumerate();
        let lists = instances.map(|(position, it)| (InstanceId::at(position), &*it.tracking));
        self.followers = Followers::new(lists);
        self.values.reserve(self.followers.objects());
    }

    /// Takes over from the process of before a reload. `kept`: the old id of each instance that goes on; `groups`: the
    /// old id of each group that does.
    pub fn succeed(&mut self, mut before: Self, kept: &[Option<InstanceId>], groups: &[Option<GroupId>]) {
        for (after, old) in self.instances.iter_mut().zip(kept) {
            let Some(before) = old.and_then(|old| before.instances.get_mut(old.index())) else { continue };
            let guard = after.router.take_guard();
            core::mem::swap(&mut after.router, &mut before.router);
            after.router.change_guard(guard);
            after.router.set_synced(after.group.is_some());
            after.facts = before.facts;
        }
        for (after, old) in self.groups.iter_mut().zip(groups) {
            let before = old.and_then(|old| before.groups.get_mut(old.index()));
            after.machine = before.map_or_else(Group::new, |before| before.machine.clone());
        }
        self.patient = before.patient;
    }

    /// An instance.
    #[must_use]
    pub fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.instances.get(id.index())
    }

    /// An instance, for what is not decided here: counters, announcements, guards, facts.
    pub fn instance_mut(&mut self, id: InstanceId) -> Option<&mut Instance> {
        self.instances.get_mut(id.index())
    }

    /// All instances, in the order of the file.
    #[must_use]
    pub fn instances(&self) -> &[Instance] {
        &self.instances
    }

    /// The state of an instance; INIT if there is none of this id.
    #[must_use]
    pub fn state(&self, id: InstanceId) -> State {
        self.instance(id).map_or(State::Init, |it| it.router.state())
    }

    /// What is true of an instance now. [`Process::refresh`] draws the conclusion.
    pub fn set_facts(&mut self, id: InstanceId, facts: Facts) {
        if let Some(instance) = self.instances.get_mut(id.index()) {
            instance.facts = facts;
        }
    }

    /// What an object says now; whether that is news. [`Process::tracked_changed`] draws the conclusion.
    pub fn set_value(&mut self, object: Object, value: Value) -> bool {
        self.values.set(object, value)
    }

    /// Who tracks what.
    #[must_use]
    pub const fn followers(&self) -> &Followers {
        &self.followers
    }

    /// What the objects say.
    #[must_use]
    pub const fn values(&self) -> &Values {
        &self.values
    }

    /// Whether instances that have not begun wait for a source that is being probed.
    pub const fn set_patient(&mut self, patient: bool) {
        self.patient = patient;
    }

    /// While the process starts or is reloaded, no group is led by one of its members.
    pub const fn set_rebuilding(&mut self, rebuilding: bool) {
        self.rebuilding = rebuilding;
    }

    /// An instance gets an input of its election: a timeout, the loss of an address, the start, the stop.
    pub fn input(&mut self, id: InstanceId, input: Input) {
        self.push(Work::Step(id, Step::Lead(input)));
    }

    /// An instance gets a packet. What it asks for goes to `out` at once; what its group makes of it follows in
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
        if let Some(instance) = self.instances.get_mut(id.index()) {
            instance.router.receive(now, surroundings, packet, out);
        }
        self.lead(id, out, start);
    }

    /// An instance did something outside a step, in a reload for example: its group follows.
    pub fn lead(&mut self, id: InstanceId, actions: &Actions, start: usize) {
        let group = self.instance(id).and_then(|instance| instance.group);
        let Some(group) = group.filter(|_| !self.rebuilding) else { return };
        // The work that is pushed last is done first.
        for action in actions.iter().skip(start).rev() {
            let work = match action {
                Action::Report(Event::Transition { from, to, why }) => {
                    sync::Work::Moved { group, member: id, from: *from, to: *to, why: *why }
                }
                Action::Report(Event::Expired) => sync::Work::Expired { group, member: id },
                _ => continue,
            };
            self.push(Work::Group(work));
        }
    }

    /// The step that is to be done next; none: all that the inputs so far lead to is done.
    pub fn due(&mut self) -> Option<Due> {
        loop {
            match *self.work.last()? {
                Work::Step(id, step) => return Some(Due { id, decides: !matches!(step, Step::Tell(_)) }),
                work => {
                    let _ = self.work.pop();
                    self.unfold(work);
                }
            }
        }
    }

    /// Does the step that [`Process::due`] named; `out` receives what its instance asks for, in order.
    pub fn step(&mut self, now: Instant, out: &mut Actions) {
        let Some(Work::Step(id, step)) = self.work.last().copied() else { return };
        let _ = self.work.pop();
        let start = out.len();
        let Some(instance) = self.instances.get_mut(id.index()) else { return };
        match step {
            Step::Lead(input) | Step::Follow(input) => instance.router.handle(now, input, out),
            Step::Weights(weights) => instance.router.set_weights(now, weights, out),
            Step::Tell(event) => {
                let full = out.push(Action::Report(event)).is_err();
                debug_assert!(!full, "the caller gives an empty list");
            }
        }
        if matches!(step, Step::Lead(_) | Step::Weights(_)) {
            self.lead(id, out, start);
        }
    }

    fn unfold(&mut self, work: Work) {
        match work {
            Work::Followers(object, position) => {
                if let Some(id) = self.followers.of(object, position) {
                    self.push(Work::Followers(object, position.saturating_add(1)));
                    self.push(Work::Refresh(id));
                }
            }
            Work::Refresh(id) => self.judge(id),
            Work::Group(work) => self.unfold_group(work),
            Work::Step(..) => self.push(work),
        }
    }

    fn push(&mut self, work: Work) {
        let full = self.work.push(work).is_err();
        debug_assert!(!full, "the work is deeper than process::DEPTH");
    }
}

/// The deepest work. One input unfolds at most like this, each line on top of those before: the followers of an object
/// (1), three steps of one of them (2 are left while the first is done), a timer that ran out and a transition (2),
/// three answers of the group (2 are left), the members that follow (1) with two steps each (2). The member that a
/// group moves leads in its turn (2 + 2 + 1 + 2). An input that comes while another one is carried out adds the same
/// again; a third does not come before these are done.
const DEPTH: usize = 48;

#[cfg(test)]
mod tests;

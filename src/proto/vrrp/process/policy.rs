//! What is still to be done for all instances, one step at a time.

use std::collections::VecDeque;

use super::Situation;
use super::work::{GroupWork, Members, Step, Work};
use crate::base::id::InstanceId;
use crate::base::time::Instant;
use crate::proto::track::{Followers, Tracked};
use crate::proto::vrrp::action::{Action, Actions, Event};
use crate::proto::vrrp::machine::Input;
use crate::proto::vrrp::router::Router;

/// The next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The instance whose step it is.
    pub id: InstanceId,
    /// The machine of the instance decides in this step, so that what the machine asked for before must have been
    /// carried out; otherwise the step only tells something.
    pub decides: bool,
}

/// The policy of a process: which reasons put an instance in FAULT, what trackers do to its priority, and which member of
/// a sync group follows which. The instances are not its own: it reads them and what is true of them in a [`Situation`].
#[derive(Clone, Debug, Default)]
pub struct Policy {
    pub(super) groups: Vec<Members>,
    followers: Followers,
    /// Inputs, in the order in which they came. Beyond its room the queue grows, for no input may be lost.
    inputs: VecDeque<Work>,
    /// What the input that is being dealt with still leads to; what is on top is done first. Has room for [`DEPTH`];
    /// beyond that it grows, for no work may be lost.
    work: Vec<Work>,
    /// Groups are brought in step when all members are there ([`Policy::set_rebuilding`]).
    pub(super) rebuilding: bool,
    /// Instances that have not begun wait for a source that is being probed.
    pub(super) patient: bool,
}

impl Policy {
    /// The policy for these groups. For load time: allocates.
    #[must_use]
    pub fn new(groups: Vec<Members>) -> Self {
        Self { groups, work: Vec::with_capacity(DEPTH), ..Self::default() }
    }

    /// Its groups.
    pub(super) fn into_groups(self) -> Vec<Members> {
        self.groups
    }

    /// Finds out anew which instances track what; `lists`: what each instance tracks, in the order of the file. For load
    /// time: allocates.
    pub fn find_followers<'a>(&mut self, lists: impl Iterator<Item = &'a [Tracked]>) {
        let mut instances = 0_usize;
        let lists = lists.enumerate().inspect(|_| instances = instances.saturating_add(1));
        let lists = lists.map(|(position, tracking)| (InstanceId::at(position), tracking));
        self.followers = Followers::new(lists);
        // Something that concerns all instances, and what happens to each object at the same time.
        let room = instances.saturating_add(self.followers.objects().count()).saturating_add(DEPTH);
        self.inputs.reserve(room.saturating_sub(self.inputs.len()));
    }

    /// Which instances track what.
    #[must_use]
    pub const fn followers(&self) -> &Followers {
        &self.followers
    }

    /// Whether instances that have not begun wait for a source that is being probed.
    pub const fn set_patient(&mut self, patient: bool) {
        self.patient = patient;
    }

    /// Whether they do.
    #[must_use]
    pub const fn is_patient(&self) -> bool {
        self.patient
    }

    /// While the process starts or is reloaded, no group is led by one of its members.
    pub const fn set_rebuilding(&mut self, rebuilding: bool) {
        self.rebuilding = rebuilding;
    }

    /// Whether the process starts or is reloaded.
    #[must_use]
    pub const fn is_rebuilding(&self) -> bool {
        self.rebuilding
    }

    /// An instance gets an input of its election: a timeout, the loss of an address, the start, the stop.
    pub fn input(&mut self, id: InstanceId, input: Input) {
        self.queue(Work::Step(id, Step::Lead(input)));
    }

    /// An instance did something outside a step, because of a packet or a reload for example: its group follows.
    pub fn lead(&mut self, id: InstanceId, actions: &Actions, start: usize) {
        if self.rebuilding {
            return;
        }
        // The work that is pushed last is done first.
        for action in actions.iter().skip(start).rev() {
            let work = match action {
                Action::Report(Event::Transition { from, to, why }) => {
                    GroupWork::Moved { member: id, from: *from, to: *to, why: *why }
                }
                Action::Report(Event::Expired) => GroupWork::Expired { member: id },
                _ => continue,
            };
            self.push(Work::Group(work));
        }
    }

    /// Whether nothing is left to be done.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.work.is_empty() && self.inputs.is_empty()
    }

    /// The step that is to be done next; none: all that the inputs so far lead to is done.
    pub fn due(&mut self, situation: &dyn Situation) -> Option<Due> {
        loop {
            let work = match self.work.last() {
                Some(work) => *work,
                None => {
                    let input = self.inputs.pop_front()?;
                    if self.inputs.is_empty() {
                        // The next one takes the first place again: the rest of the memory is left alone.
                        self.inputs.clear();
                    }
                    self.push(input);
                    input
                }
            };
            if let Work::Step(id, step) = work {
                return Some(Due { id, decides: !matches!(step, Step::Tell(_)) });
            }
            let _ = self.work.pop();
            self.unfold(situation, work);
        }
    }

    /// Does the step that [`Policy::due`] named; `router` is that of its instance, and `out` receives what the instance
    /// asks for, in order. Without a router there is no such instance, and the step is left out.
    pub fn step(&mut self, now: Instant, router: Option<&mut Router>, out: &mut Actions) {
        let Some(Work::Step(id, step)) = self.work.last().copied() else { return };
        let _ = self.work.pop();
        let Some(router) = router else { return };
        let start = out.len();
        match step {
            Step::Lead(input) | Step::Follow(input) => router.handle(now, input, out),
            Step::Weights(weights) => router.set_weights(now, weights, out),
            Step::Tell(event) => {
                let full = out.push(Action::Report(event)).is_err();
                debug_assert!(!full, "the caller gives an empty list");
            }
        }
        if matches!(step, Step::Lead(_) | Step::Weights(_)) {
            self.lead(id, out, start);
        }
    }

    fn unfold(&mut self, situation: &dyn Situation, work: Work) {
        match work {
            Work::Followers(object, position) => {
                if let Some(id) = self.followers.of(object, position) {
                    self.push(Work::Followers(object, position.saturating_add(1)));
                    self.push(Work::Refresh(id));
                }
            }
            Work::Refresh(id) => self.judge(situation, id),
            Work::Group(work) => self.unfold_group(situation, work),
            // Steps are done by `step`.
            Work::Step(..) => {}
        }
    }

    /// Takes an input: what it leads to begins when everything that came before it is done.
    pub(super) fn queue(&mut self, input: Work) {
        self.inputs.push_back(input);
    }

    /// How much is still to be done of the input that is being dealt with.
    #[cfg(test)]
    pub(super) const fn depth(&self) -> usize {
        self.work.len()
    }

    pub(super) fn push(&mut self, work: Work) {
        debug_assert!(self.work.len() < DEPTH, "the work is deeper than process::DEPTH");
        self.work.push(work);
    }
}

/// The deepest work. One input unfolds at most like this, each line on top of those before: the followers of an object
/// (1), three steps of one of them (2 are left while the first is done), a timer that ran out and a transition (2),
/// three answers of the group (2 are left), the members that follow (1) with two steps each (2). The member that a
/// group moves leads in its turn (2 + 2 + 1 + 2).
pub(super) const DEPTH: usize = 24;

//! Sync groups: gives them what their members do, and the members what their group asks for.

use super::{Process, Step};
use crate::base::id::{GroupId, InstanceId};
use crate::proto::vrrp::action::{State, Why};
use crate::proto::vrrp::group::{self, Action, Actions, Group, Input, Outlook};
use crate::proto::vrrp::machine;
use crate::proto::vrrp::total::Total;

/// A sync group and its members.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// The state of the group.
    pub machine: Group,
    /// Its members, in the order of the file.
    pub ids: Box<[InstanceId]>,
}

/// What is still to be done for a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// The timer of a member ran out.
    Expired { group: GroupId, member: InstanceId },
    /// A member changed its state.
    Moved { group: GroupId, member: InstanceId, from: State, to: State, why: Why },
    /// The members from this position on follow.
    Follow { group: GroupId, leader: Option<InstanceId>, to: State, why: Why, position: usize },
    /// The members from this position on hear what all of them found out.
    Inform { group: GroupId, blocked: bool, waits: bool, position: usize },
}

impl Process {
    /// A sync group.
    #[must_use]
    pub fn members(&self, id: GroupId) -> Option<&Members> {
        self.groups.get(id.index())
    }

    /// Every sync group.
    pub fn groups(&self) -> impl Iterator<Item = GroupId> + Clone + use<> {
        (0..self.groups.len()).map(GroupId::at)
    }

    /// What the members of a group that `wanted` names are like together.
    pub fn outlook(&self, id: GroupId, wanted: impl Fn(InstanceId) -> bool) -> Outlook {
        let members = self.members(id).into_iter().flat_map(|group| group.ids.iter());
        let wanted = members.filter(|member| wanted(**member));
        Outlook::of(wanted.filter_map(|member| Some(self.instance(*member)?.router.machine())))
    }

    /// Tells the members of a group that are about to begin, or that a reload brought together, what the others found
    /// out.
    pub fn refresh_group(&mut self, id: GroupId) {
        let (mut blocked, mut waits) = (false, false);
        for member in self.members(id).into_iter().flat_map(|group| group.ids.iter()) {
            let Total { faults, pending, .. } = self.reckon(*member);
            blocked |= !faults.is_empty();
            waits |= pending;
        }
        self.push(super::Work::Group(Work::Inform { group: id, blocked, waits, position: 0 }));
    }

    /// The members of a group begin next, with what speaks against each of them known to it. `adopt`: the state that
    /// the group carries on from for a crashed process.
    pub fn begin_group(&mut self, id: GroupId, adopt: Option<State>) {
        if let Some(first) = self.first(id) {
            let outlook = self.outlook(id, |_| true);
            self.drive(id, Input::Start { first, outlook, adopt });
        }
    }

    /// After a reload, with everything in place: members that came, went or were left agree again. `veteran`: whether
    /// an instance ran before.
    pub fn align_group(&mut self, id: GroupId, veteran: impl Fn(InstanceId) -> bool) {
        if let Some(first) = self.first(id) {
            let veterans = self.outlook(id, veteran);
            let outlook = self.outlook(id, |_| true);
            self.drive(id, Input::Align { first, veterans, outlook });
        }
    }

    /// All members of a group have stopped.
    pub fn stop_group(&mut self, id: GroupId) {
        if let Some(first) = self.first(id) {
            self.drive(id, Input::Stop { first });
        }
    }

    /// Members of a group carry on as one. `adopt`: what each instance would do alone; `record`: the state of the group
    /// when the process died.
    pub fn adopt_together(&self, id: GroupId, record: Option<State>, adopt: &mut [Option<State>]) {
        let Some(group) = self.members(id) else { return };
        let able = group.ids.iter().all(|member| matches!(adopt.get(member.index()), Some(Some(_))));
        let state = record.filter(|state| able && matches!(state, State::Master | State::Backup));
        for member in &group.ids {
            if let Some(slot) = adopt.get_mut(member.index()) {
                *slot = state;
            }
        }
    }

    pub(super) fn unfold_group(&mut self, work: Work) {
        match work {
            Work::Expired { group, member } => {
                let everyone = self.outlook(group, |_| true).expired;
                self.drive(group, Input::Expired { member, everyone });
            }
            Work::Moved { group, member, from, to, why } => {
                self.drive(group, Input::Moved { member, from, to, why });
            }
            Work::Follow { group, leader, to, why, position } => {
                let Some(member) = self.member(group, position) else { return };
                let next = position.saturating_add(1);
                self.push(super::Work::Group(Work::Follow { group, leader, to, why, position: next }));
                if Some(member) != leader {
                    let Total { faults: own, pending, .. } = self.reckon(member);
                    // The work that is pushed last is done first.
                    for input in group::steps(to, why, own, pending).into_iter().rev().flatten() {
                        self.push(super::Work::Step(member, Step::Follow(input)));
                    }
                }
            }
            Work::Inform { group, blocked, waits, position } => {
                let Some(member) = self.member(group, position) else { return };
                let next = position.saturating_add(1);
                self.push(super::Work::Group(Work::Inform { group, blocked, waits, position: next }));
                let faults = group::faults(self.reckon(member).faults, blocked);
                let Some(instance) = self.instance(member) else { return };
                let known = (instance.router.faults(), instance.router.machine().is_pending());
                if known != (faults, waits) {
                    let input = machine::Input::Faults { faults, pending: waits };
                    self.push(super::Work::Step(member, Step::Lead(input)));
                }
            }
        }
    }

    /// Gives an input to a group and unfolds its answer.
    fn drive(&mut self, id: GroupId, input: Input) {
        let mut out = Actions::new();
        if let Some(group) = self.groups.get_mut(id.index()) {
            group.machine.handle(input, &mut out);
        }
        for action in out.into_iter().rev() {
            self.push(match action {
                Action::Move { member, to, why } => {
                    super::Work::Step(member, Step::Lead(machine::Input::Sync { to, why }))
                }
                Action::Follow { leader, to, why } => {
                    super::Work::Group(Work::Follow { group: id, leader, to, why, position: 0 })
                }
                Action::Report(member, event) => super::Work::Step(member, Step::Tell(event)),
            });
        }
    }

    fn first(&self, id: GroupId) -> Option<InstanceId> {
        self.member(id, 0)
    }

    fn member(&self, id: GroupId, position: usize) -> Option<InstanceId> {
        self.members(id)?.ids.get(position).copied()
    }
}

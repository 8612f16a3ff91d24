//! Sync groups: gives them what their members do, and the members what their group asks for.

use super::Situation;
use super::policy::Policy;
use super::work::{GroupWork, Members, Step, Work};
use crate::base::id::{GroupId, InstanceId};
use crate::proto::vrrp::action::State;
use crate::proto::vrrp::group::{self, Action, Actions, Input, Outlook};
use crate::proto::vrrp::machine;
use crate::proto::vrrp::total::Total;

impl Policy {
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
    fn outlook(
        &self,
        situation: &dyn Situation,
        id: GroupId,
        wanted: &dyn Fn(InstanceId) -> bool,
    ) -> Outlook {
        let members = self.members(id).into_iter().flat_map(|group| group.ids.iter());
        let wanted = members.filter(|member| wanted(**member));
        Outlook::of(wanted.filter_map(|member| Some(situation.router(*member)?.machine())))
    }

    /// After a reload these are the groups. `kept`: the old id of each group that goes on.
    pub fn regroup(&mut self, mut groups: Vec<Members>, kept: &[Option<GroupId>]) {
        for (after, old) in groups.iter_mut().zip(kept) {
            if let Some(before) = old.and_then(|old| self.members(old)) {
                after.machine = before.machine.clone();
            }
        }
        self.groups = groups;
    }

    /// Tells the members of a group that are about to begin, or that a reload brought together, what the others found
    /// out.
    pub fn refresh_group(&mut self, situation: &dyn Situation, id: GroupId) {
        let (mut blocked, mut waits) = (false, false);
        for member in self.members(id).into_iter().flat_map(|group| group.ids.iter()) {
            let Total { faults, pending, .. } = self.total(situation, *member);
            blocked |= !faults.is_empty();
            waits |= pending;
        }
        self.push(Work::Group(GroupWork::Inform { group: id, blocked, waits, position: 0 }));
    }

    /// The members of a group begin next, with what speaks against each of them known to it. `adopt`: the state that
    /// the group carries on from for a crashed process.
    pub fn begin_group(&mut self, situation: &dyn Situation, id: GroupId, adopt: Option<State>) {
        if let Some(first) = self.first(id) {
            let outlook = self.outlook(situation, id, &|_| true);
            self.drive(id, Input::Start { first, outlook, adopt });
        }
    }

    /// After a reload, with everything in place: members that came, went or were left agree again. `veteran`: whether
    /// an instance ran before.
    pub fn align_group(
        &mut self,
        situation: &dyn Situation,
        id: GroupId,
        veteran: &dyn Fn(InstanceId) -> bool,
    ) {
        if let Some(first) = self.first(id) {
            let veterans = self.outlook(situation, id, veteran);
            let outlook = self.outlook(situation, id, &|_| true);
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

    pub(super) fn unfold_group(&mut self, situation: &dyn Situation, work: GroupWork) {
        match work {
            GroupWork::Expired { member } => {
                let Some(group) = situation.group(member) else { return };
                let everyone = self.outlook(situation, group, &|_| true).expired;
                self.drive(group, Input::Expired { member, everyone });
            }
            GroupWork::Moved { member, from, to, why } => {
                let Some(group) = situation.group(member) else { return };
                self.drive(group, Input::Moved { member, from, to, why });
            }
            GroupWork::Follow { group, leader, to, why, position } => {
                let Some(member) = self.member(group, position) else { return };
                let next = position.saturating_add(1);
                self.push(Work::Group(GroupWork::Follow { group, leader, to, why, position: next }));
                if Some(member) != leader {
                    let Total { faults: own, pending, .. } = self.total(situation, member);
                    // The work that is pushed last is done first.
                    for input in group::steps(to, why, own, pending).into_iter().rev().flatten() {
                        self.push(Work::Step(member, Step::Follow(input)));
                    }
                }
            }
            GroupWork::Inform { group, blocked, waits, position } => {
                let Some(member) = self.member(group, position) else { return };
                let next = position.saturating_add(1);
                self.push(Work::Group(GroupWork::Inform { group, blocked, waits, position: next }));
                let faults = group::faults(self.total(situation, member).faults, blocked);
                let Some(router) = situation.router(member) else { return };
                let known = (router.faults(), router.machine().is_pending());
                if known != (faults, waits) {
                    let input = machine::Input::Faults { faults, pending: waits };
                    self.push(Work::Step(member, Step::Lead(input)));
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
                    Work::Step(member, Step::Lead(machine::Input::Sync { to, why }))
                }
                Action::Follow { leader, to, why } => {
                    Work::Group(GroupWork::Follow { group: id, leader, to, why, position: 0 })
                }
                Action::Report(member, event) => Work::Step(member, Step::Tell(event)),
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

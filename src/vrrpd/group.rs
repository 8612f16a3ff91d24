//! Sync groups at work: carries out who leads and who follows, and tells of the group.
//!
//! What a group tracks is tracked by each of its members (`build`), so that all of them have the same reasons and
//! weights of it. The decisions are `proto::vrrp::group`'s.

use std::sync::Arc;

use super::build::{self, Broken};
use super::kept;
use super::live::Instance;
use super::live::notify::{self, Notifier, NotifyState};
use super::notifies::{Object, Purpose};
use super::run::events;
use super::state::Vrrp;
use crate::base::id::{GroupId, InstanceId};
use crate::base::map::Map;
use crate::config::model::{self, Model};
use crate::daemon::reactor::Turn;
use crate::daemon::record::Records;
use crate::notify::Resolver;
use crate::proto::vrrp::group::{self, Action, Actions, Group, Input, Outlook};
use crate::proto::vrrp::{self, Event, Fault, Faults, State, Total, machine};

/// A sync group at work; its members are the model's.
pub struct LiveGroup {
    /// Who leads and who follows.
    pub machine: Group,
    /// Scripts of its transitions, if any is configured.
    pub notifier: Option<Box<Notifier>>,
}

/// Makes the groups of a model.
pub(super) fn groups(model: &Model, resolver: &Resolver, broken: &mut Vec<Broken>) -> Vec<LiveGroup> {
    let live = |group: &model::Group| LiveGroup {
        machine: Group::new(),
        notifier: build::notifier(&group.notify, &group.name, resolver, broken),
    };
    model.groups.iter().map(live).collect()
}

impl Vrrp {
    /// Gives what an instance did to its sync group, if it has one.
    pub(super) fn lead(&mut self, turn: &mut Turn<'_>, member: InstanceId, actions: &vrrp::Actions) {
        let Some(instance) = self.instance(member) else { return };
        let Some(id) = instance.config.sync_group.filter(|_| !self.work.rebuilding) else {
            return;
        };
        for action in actions {
            let input = match action {
                vrrp::Action::Report(Event::Transition { from, to, why }) => {
                    Input::Moved { member, from: *from, to: *to, why: *why }
                }
                vrrp::Action::Report(Event::Expired) => {
                    Input::Expired { member, everyone: self.outlook(id, |_| true).expired }
                }
                _ => continue,
            };
            self.drive_group(turn, id, input);
        }
    }

    /// Gives an input to a group and carries out what it asks for.
    fn drive_group(&mut self, turn: &mut Turn<'_>, id: GroupId, input: Input) {
        let mut out = Actions::new();
        if let Some(group) = self.routers.groups.get_mut(id.index()) {
            group.machine.handle(input, &mut out);
        }
        for action in &out {
            match *action {
                Action::Move { member, to, why } => {
                    self.drive(turn, member, machine::Input::Sync { to, why });
                }
                Action::Follow { leader, to, why } => {
                    for position in 0..self.member_count(id) {
                        let member = self.member(id, position).filter(|member| Some(*member) != leader);
                        if let Some(instance) = member.and_then(|member| self.instance(member)) {
                            let Total { faults: own, pending, .. } = self.reckon(instance);
                            for input in group::steps(to, why, own, pending).into_iter().flatten() {
                                if let Some(member) = member {
                                    self.drive_alone(turn, member, input);
                                }
                            }
                        }
                    }
                }
                Action::Report(member, event) => {
                    self.tell_later(member, event);
                    self.record(turn, member, &event);
                }
            }
        }
    }

    /// What speaks against an instance and whether it waits, that of its group with it: `own` and `pending` are what
    /// it has itself. Members of a group that takes part are not asked: none has anything to say.
    pub(super) fn with_group(&self, id: InstanceId, own: Faults, pending: bool) -> (Faults, bool) {
        let Some(instance) = self.instance(id) else { return (own, pending) };
        let Some(group) = instance.config.sync_group else { return (own, pending) };
        if self.work.rebuilding {
            // What the others say is asked once for all, by `refresh_groups`.
            let machine = instance.router.machine();
            let before = machine.faults().contains(Fault::Group);
            return (group::faults(own, before), pending || machine.is_pending());
        }
        let state = self.routers.groups.get(group.index()).map_or(State::Init, |group| group.machine.state());
        if matches!(state, State::Backup | State::Master) {
            return (own, pending);
        }
        // The last members are asked first: when an interface of all comes back, they hear of it last.
        let count = self.member_count(group);
        let others = (0..count).rev().filter_map(|position| self.member(group, position));
        let mut others = others.filter(|other| *other != id).filter_map(|other| self.instance(other));
        let faults = group::faults(own, others.clone().any(|other| !other.router.faults().own().is_empty()));
        let waits = |other: &Instance| other.router.machine().is_pending() && self.reckon(other).pending;
        // With a reason for FAULT it does not matter whether anybody waits.
        (faults, pending || (faults.is_empty() && others.any(waits)))
    }

    /// Tells members that are about to begin, or that a reload brought together, what the others found out.
    pub(super) fn refresh_groups(&mut self, turn: &mut Turn<'_>) {
        for id in (0..self.routers.groups.len()).map(GroupId::at) {
            self.breathe_at(turn, id.index());
            let (mut blocked, mut waits) = (false, false);
            for instance in self.members(id).filter_map(|member| self.instance(member)) {
                let Total { faults, pending, .. } = self.reckon(instance);
                blocked |= !faults.is_empty();
                waits |= pending;
            }
            for position in 0..self.member_count(id) {
                let member = self.member(id, position);
                let Some((member, instance)) = member.and_then(|id| Some((id, self.instance(id)?))) else {
                    continue;
                };
                let faults = group::faults(self.reckon(instance).faults, blocked);
                let machine = instance.router.machine();
                if (machine.faults(), machine.is_pending()) != (faults, waits) {
                    self.drive(turn, member, machine::Input::Faults { faults, pending: waits });
                }
            }
        }
    }

    /// All groups are about to begin, with what speaks against each member known to it. The state that each group
    /// carries on from: that which the dead child reported, while all of its members can.
    pub(super) fn begin_groups(&mut self, turn: &mut Turn<'_>, adopt: &[Option<State>]) {
        for position in 0..self.routers.groups.len() {
            let id = GroupId::at(position);
            let Some(first) = self.member(id, 0) else { continue };
            let outlook = self.outlook(id, |_| true);
            let adopt = adopt.get(first.index()).copied().flatten();
            self.drive_group(turn, id, Input::Start { first, outlook, adopt });
        }
    }

    /// Members of a group carry on as one: `adopt` is what each would do alone.
    pub(super) fn adopt_groups(&self, records: &Records, adopt: &mut [Option<State>]) {
        for config in &self.model.groups {
            let of = |member: &InstanceId| adopt.get(member.index()).copied().flatten();
            let able = config.members.iter().all(|member| of(member).is_some());
            let state = match kept::recorded(records, kept::group_key(&config.name)) {
                Some(State::Master) if able => Some(State::Master),
                Some(State::Backup) if able => Some(State::Backup),
                _ => None,
            };
            for member in &config.members {
                if let Some(slot) = adopt.get_mut(member.index()) {
                    *slot = state;
                }
            }
        }
    }

    /// After a reload: groups take over from those of the same name.
    pub(super) fn carry_groups(&mut self, turn: &mut Turn<'_>, before: &Model, mut fresh: Vec<LiveGroup>) {
        let after = Arc::clone(&self.model);
        let mut ids = vec![None; self.routers.groups.len()];
        let names = before.groups.iter().enumerate();
        let names: Map<&str, usize> = names.map(|(old, group)| (group.name.as_str(), old)).collect();
        for (position, (live, config)) in fresh.iter_mut().zip(&after.groups).enumerate() {
            let Some(&old) = names.get(config.name.as_str()) else { continue };
            let Some(group) = self.routers.groups.get_mut(old) else { continue };
            live.machine = group.machine.clone();
            if let Some(busy) = group.notifier.take_if(|notifier| notifier.is_busy()) {
                live.notifier.get_or_insert_default().inherit(*busy);
            }
            if let Some(id) = ids.get_mut(old) {
                *id = Some(GroupId::at(position));
            }
        }
        let gone = core::mem::take(&mut self.routers.groups).into_iter().zip(&before.groups).enumerate();
        for (position, (live, config)) in gone {
            if ids.get(position).copied().flatten().is_none() {
                let subject = notify::group(&config.name);
                self.retire_group(turn, GroupId::at(position), subject, live.notifier);
                events::forget(turn, kept::group_key(&config.name));
            }
        }
        // The scripts of those that are no more have been retired.
        self.notifies.scripts.rename(|purpose| match purpose {
            Purpose::Notify(Object::Group(id)) => {
                let id = ids.get(id.index()).copied().flatten();
                id.map_or(Purpose::Nothing, |id| Purpose::Notify(Object::Group(id)))
            }
            other => other,
        });
        self.routers.groups = fresh;
    }

    /// After a reload, with everything in place: members that came, went or were left agree again. `veteran`: whether
    /// an instance ran before.
    pub(super) fn align_groups(&mut self, turn: &mut Turn<'_>, veteran: impl Fn(InstanceId) -> bool) {
        for position in 0..self.routers.groups.len() {
            self.settle_a_slice(turn);
            self.breathe_at(turn, position);
            let id = GroupId::at(position);
            let Some(first) = self.member(id, 0) else { continue };
            let veterans = self.outlook(id, &veteran);
            let outlook = self.outlook(id, |_| true);
            self.drive_group(turn, id, Input::Align { first, veterans, outlook });
            self.advance_notify(turn, id);
        }
    }

    /// The daemon stops, and all members have.
    pub(super) fn stop_groups(&mut self, turn: &mut Turn<'_>) {
        for position in 0..self.routers.groups.len() {
            let id = GroupId::at(position);
            if let Some(first) = self.member(id, 0) {
                self.drive_group(turn, id, Input::Stop { first });
            }
        }
    }

    /// The group of an instance is in another state: its scripts are told.
    pub(super) fn tell_group(&mut self, turn: &mut Turn<'_>, member: InstanceId, to: NotifyState) {
        let Some(id) = self.instance(member).and_then(|instance| instance.config.sync_group) else {
            return;
        };
        let notifier = self.routers.groups.get_mut(id.index()).and_then(|group| group.notifier.as_mut());
        if let Some(notifier) = notifier {
            notifier.enter(to.jobs(PRIORITY));
            self.advance_notify(turn, id);
        }
        self.alert_group(turn, id, to);
    }

    fn outlook(&self, id: GroupId, wanted: impl Fn(InstanceId) -> bool) -> Outlook {
        let members = self.members(id).filter(|member| wanted(*member));
        Outlook::of(members.filter_map(|member| Some(self.instance(member)?.router.machine())))
    }

    fn members(&self, id: GroupId) -> impl Iterator<Item = InstanceId> {
        self.model.groups.get(id.index()).into_iter().flat_map(|group| group.members.iter().copied())
    }

    fn member_count(&self, id: GroupId) -> usize {
        self.model.groups.get(id.index()).map_or(0, |group| group.members.len())
    }

    fn member(&self, id: GroupId, position: usize) -> Option<InstanceId> {
        self.model.groups.get(id.index())?.members.get(position).copied()
    }
}

/// The priority that scripts of a group are told: a group has none.
const PRIORITY: u8 = 0;

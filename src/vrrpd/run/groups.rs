//! Sync groups at work: their scripts, and how they begin, stop and outlive a reload.
//!
//! What a group tracks is tracked by each of its members (`build`), so that all of them have the same reasons and
//! weights of it. The members that lead and those that follow are decided by `proto::vrrp::process`.

use std::sync::Arc;

use super::records;
use crate::base::id::{GroupId, InstanceId};
use crate::base::map::Map;
use crate::config::model::{self, Model};
use crate::daemon::reactor::Turn;
use crate::daemon::record::Records;
use crate::proto::vrrp::State;
use crate::proto::vrrp::process::Members;
use crate::vrrpd::kept;
use crate::vrrpd::live::Group;
use crate::vrrpd::live::notify::{self, NotifyState};
use crate::vrrpd::notifies::{Object, Purpose};
use crate::vrrpd::run::Vrrp;

/// The members of the groups of a model.
pub(super) fn members(model: &Model) -> Vec<Members> {
    let members = |group: &model::Group| Members { ids: group.members.clone().into(), ..Members::default() };
    model.groups.iter().map(members).collect()
}

impl Vrrp {
    /// Tells members that are about to begin, or that a reload brought together, what the others found out.
    pub(super) fn refresh_group(&mut self, turn: &mut Turn<'_>, id: GroupId) {
        let (policy, situation) = self.policy();
        policy.refresh_group(&situation, id);
        self.take_steps(turn);
    }

    /// A group is about to begin, with what speaks against each member known to it. `adopt`: the state that each instance
    /// carries on from, which is that of the group while all of its members can.
    pub(super) fn begin_group(&mut self, turn: &mut Turn<'_>, id: GroupId, adopt: &[Option<State>]) {
        let (policy, situation) = self.policy();
        let first = policy.members(id).and_then(|group| group.ids.first());
        let adopt = first.and_then(|first| adopt.get(first.index()).copied().flatten());
        policy.begin_group(&situation, id, adopt);
        self.take_steps(turn);
    }

    /// Members of a group carry on as one: `adopt` is what each would do alone.
    pub(super) fn adopt_groups(&self, records: &Records, adopt: &mut [Option<State>]) {
        for (position, config) in self.model.groups.iter().enumerate() {
            let record = kept::recorded(records, kept::group_key(&config.name));
            self.routers.policy.adopt_together(GroupId::at(position), record, adopt);
        }
    }

    /// After a reload: groups take over from those of the same name.
    pub(super) fn carry_groups(&mut self, turn: &mut Turn<'_>, before: &Model, mut fresh: Vec<Group>) {
        let after = Arc::clone(&self.model);
        let mut ids = vec![None; self.routers.groups.len()];
        let mut kept = vec![None; fresh.len()];
        let names = before.groups.iter().enumerate();
        let names: Map<&str, usize> = names.map(|(old, group)| (group.name.as_str(), old)).collect();
        for (position, (live, config)) in fresh.iter_mut().zip(&after.groups).enumerate() {
            let Some(&old) = names.get(config.name.as_str()) else { continue };
            let Some(group) = self.routers.groups.get_mut(old) else { continue };
            if let Some(kept) = kept.get_mut(position) {
                *kept = Some(GroupId::at(old));
            }
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
                records::forget(turn, kept::group_key(&config.name));
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
        self.routers.policy.regroup(members(&after), &kept);
    }

    /// After a reload, with everything in place: members that came, went or were left agree again. `veteran`: whether
    /// an instance ran before.
    pub(super) fn align_group(
        &mut self,
        turn: &mut Turn<'_>,
        id: GroupId,
        veteran: &dyn Fn(InstanceId) -> bool,
    ) {
        let (policy, situation) = self.policy();
        policy.align_group(&situation, id, veteran);
        self.take_steps(turn);
        self.advance_notify(turn, id);
    }

    /// The daemon stops, and all members of a group have.
    pub(super) fn stop_group(&mut self, turn: &mut Turn<'_>, id: GroupId) {
        self.routers.policy.stop_group(id);
        self.take_steps(turn);
    }

    /// The group of an instance is in another state: its scripts are notified.
    pub(super) fn notify_group(&mut self, turn: &mut Turn<'_>, member: InstanceId, to: NotifyState) {
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
}

/// The priority that scripts of a group are told: a group has none.
const PRIORITY: u8 = 0;

//! What an administrator changes by hand: maintenance, in which no instance takes part, and the failover of an instance or
//! a sync group, which gives up once and leaves its addresses to whoever else has them. Over SNMP: priorities, and who
//! preempts.

#[cfg(feature = "status")]
use std::fs::File;
#[cfg(feature = "status")]
use std::io::Write;

use super::Vrrp;
use super::records::forget;
use crate::base::id::{GroupId, InstanceId};
#[cfg(feature = "status")]
use crate::daemon::ipc::{Answered, Question, ToParent};
use crate::daemon::manual::{Change, What};
use crate::daemon::reactor::Turn;
use crate::daemon::record;
use crate::proto::vrrp::Actions;
#[cfg(feature = "status")]
use crate::proto::vrrp::{Input, State};
#[cfg(feature = "status")]
use crate::vrrpd::report;

impl Vrrp {
    /// What was changed before this process began. For before the instances begin.
    pub(super) fn take_changes(&mut self, turn: &Turn<'_>, changes: &[Change]) {
        for change in changes {
            match change.what {
                What::Maintenance => self.trackers.by_hand.maintenance = true,
                What::Failover => {
                    self.trackers.by_hand.failovers.push(change.key);
                    self.yield_to_others(&self.called(change.key), true);
                }
                What::Priority | What::Preempt => self.trackers.by_hand.tuned.push(*change),
                // That is another child's.
                What::Weight => {}
            }
        }
        if !self.trackers.by_hand.tuned.is_empty() {
            for id in self.ids() {
                // Nothing follows from it before the instance begins.
                let _ = self.tune(turn, id);
            }
        }
    }

    /// An instance goes by what was changed of it. What follows from that.
    pub(super) fn tune(&mut self, turn: &Turn<'_>, id: InstanceId) -> Actions {
        let mut out = Actions::new();
        if let Some(instance) = self.routers.instances.get_mut(id.index()) {
            let params = self.trackers.by_hand.params(&instance.config);
            let announced = u16::try_from(instance.addresses.len()).unwrap_or(u16::MAX);
            instance.router.reconfigure(turn.now(), params, announced, false, &mut out);
        }
        out
    }

    /// An instance is MASTER, so that nobody else is: a failover of it is over.
    pub(super) fn failover_over(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        if self.trackers.by_hand.failovers.is_empty() {
            return;
        }
        let Some(instance) = self.instance(id) else { return };
        let names = [Some(&instance.config.name), instance.config.group().map(|group| &group.name)];
        let keys = names.map(|name| name.map(|name| record::key(name)));
        self.trackers.by_hand.failovers.retain(|name| {
            let over = keys.contains(&Some(*name));
            if over {
                forget(turn, record::over(*name));
            }
            !over
        });
    }

    /// The instances that go by a name: one with the other members of its sync group, or those of the group.
    fn called(&self, name: u64) -> Vec<InstanceId> {
        let instances = self.model.instances.iter().zip(0..);
        let one = instances.filter(|(instance, _)| record::key(&instance.name) == name);
        let groups = self.model.groups.iter().zip(0..);
        let of_name = groups.filter(|(group, _)| record::key(&group.name) == name);
        let of_name = of_name.map(|(_, position)| GroupId::at(position)).next();
        match one.map(|(instance, position)| (InstanceId::at(position), instance.sync_group)).next() {
            Some((id, group)) => group.map_or_else(|| vec![id], |group| self.members_of(group)),
            None => of_name.map(|group| self.members_of(group)).unwrap_or_default(),
        }
    }

    fn members_of(&self, group: GroupId) -> Vec<InstanceId> {
        self.routers.policy.members(group).map(|members| members.ids.to_vec()).unwrap_or_default()
    }

    fn yield_to_others(&mut self, ids: &[InstanceId], yielding: bool) {
        for id in ids {
            if let Some(instance) = self.routers.instances.get_mut(id.index()) {
                instance.router.set_yielding(yielding);
            }
        }
    }
}

#[cfg(feature = "status")]
impl Vrrp {
    /// Does what a client asks for, and writes what came of it.
    pub(super) fn change_by_hand(
        &mut self,
        turn: &mut Turn<'_>,
        question: Question,
        (what, on): (What, bool),
        file: &mut File,
    ) {
        let name = question.name.unwrap_or(0);
        let (how, text) = match (what, on) {
            (What::Maintenance, _) => self.maintain(turn, on),
            (What::Failover, true) => self.fail_over(turn, name),
            (What::Failover, false) => self.end_failover(turn, name),
            (What::Priority | What::Preempt, _) => self.set_param(turn, (what, on), name, question.value),
            (What::Weight, _) => (Answered::Nothing, ""),
        };
        let how = if writeln!(file, "{text}").is_ok() { how } else { Answered::Failed };
        turn.report(ToParent::Answered(question.number, how));
    }

    fn maintain(&mut self, turn: &mut Turn<'_>, on: bool) -> (Answered, &'static str) {
        self.trackers.by_hand.maintenance = on;
        for id in self.ids() {
            self.refresh(turn, id);
        }
        let text = if on {
            "This node takes part in no election until 'maintenance off'."
        } else {
            "This node takes part again."
        };
        (Answered::Whole, text)
    }

    fn fail_over(&mut self, turn: &mut Turn<'_>, name: u64) -> (Answered, &'static str) {
        let ids = self.called(name);
        let state = |id: InstanceId| self.instance(id).map(|instance| instance.router.state());
        let Some(master) = ids.iter().copied().find(|id| state(*id) == Some(State::Master)) else {
            let how = if ids.is_empty() { Answered::Nothing } else { Answered::Refused };
            return (how, "Only a MASTER can give up, and this one is none.");
        };
        self.yield_to_others(&ids, true);
        let failovers = &mut self.trackers.by_hand.failovers;
        if !failovers.contains(&name) {
            failovers.push(name);
        }
        // Its sync group follows.
        self.drive(turn, master, Input::GiveUp);
        (Answered::Whole, "It has given up, and does not preempt while another router is MASTER.")
    }

    fn end_failover(&mut self, turn: &mut Turn<'_>, name: u64) -> (Answered, &'static str) {
        let ids = self.called(name);
        if ids.is_empty() {
            return (Answered::Nothing, "");
        }
        self.yield_to_others(&ids, false);
        // One that was asked for by the name of the group or of another member is over, too.
        let mut failovers = core::mem::take(&mut self.trackers.by_hand.failovers);
        failovers.retain(|other| {
            let over = self.called(*other).iter().any(|id| ids.contains(id));
            if over && *other != name {
                forget(turn, record::over(*other));
            }
            !over
        });
        self.trackers.by_hand.failovers = failovers;
        (Answered::Whole, "It takes part as configured.")
    }

    /// An instance gets another priority or preempts otherwise, or is as configured again.
    fn set_param(
        &mut self,
        turn: &mut Turn<'_>,
        (what, on): (What, bool),
        name: u64,
        value: u32,
    ) -> (Answered, &'static str) {
        let mut instances = self.model.instances.iter().zip(0..);
        let Some((config, id)) = instances.find(|(instance, _)| record::key(&instance.name) == name) else {
            return (Answered::Nothing, "");
        };
        let id = InstanceId::at(id);
        report::by_hand(&config.name, what, on.then_some(value));
        let tuned = &mut self.trackers.by_hand.tuned;
        tuned.retain(|change| change.what != what || change.key != name);
        if on {
            tuned.push(Change { what, key: name, service: 0, value, passing: true });
        }
        let out = self.tune(turn, id);
        self.act(turn, id, &out);
        self.refresh(turn, id);
        (Answered::Whole, "It goes by that.")
    }
}

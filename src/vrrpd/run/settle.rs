//! Inputs of the machines, and the actions that follow: gathered step by step, then carried out.
//!
//! Adverts are gathered and leave first. What else the machines ask for is gathered for all instances of a turn and
//! carried out together (`effects`). What an instance asked for is carried out before its machine decides again.
//!
//! Both the steps of the policy and the effects are lists that can be left after any entry. When they take longer than a
//! slice of work may, the rest of them is the work that the loop takes up in its next turns, with adverts between two
//! slices; inputs that come meanwhile wait in the queue of the policy.

use crate::base::id::InstanceId;
use crate::base::limit;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::{Action, Actions, Event, Input};
use crate::vrrpd::live::{Instance, Pending};
use crate::vrrpd::routers::Routers;
use crate::vrrpd::run::{Vrrp, event_lines};
use crate::vrrpd::slots::Slot;
use crate::vrrpd::track::Object;
use crate::vrrpd::work::Load;

/// Steps of the policy between two looks at the clock: about a microsecond each.
const STEPS_PER_LOOK: usize = 64;

impl Vrrp {
    /// Gives an input to the machine of an instance and gathers what comes of it.
    pub(super) fn drive(&mut self, turn: &mut Turn<'_>, id: InstanceId, input: Input) {
        self.routers.policy.input(id, input);
        self.take_steps(turn);
    }

    /// What is true of an instance, or what it tracks, may have changed: its machine hears of that.
    pub(super) fn refresh(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        if self.instance(id).is_some_and(Instance::lacks_key) {
            self.arm_retry(turn);
        }
        self.routers.policy.refresh(id);
        self.take_steps(turn);
    }

    /// A tracked object says something else than before.
    pub(super) fn tracked_changed(&mut self, turn: &mut Turn<'_>, object: Object) {
        self.routers.policy.tracked_changed(object);
        self.take_steps(turn);
    }

    /// Gathers what an instance asked for outside a step; its sync group follows.
    pub(super) fn act(&mut self, turn: &mut Turn<'_>, id: InstanceId, actions: &Actions) {
        self.gather(turn, id, actions);
        self.routers.policy.lead(id, actions, 0);
        self.take_steps(turn);
    }

    /// Carries out everything that was gathered.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        self.work.settles = true;
        self.take_steps(turn);
    }

    /// Takes the steps that the inputs lead to, unless steps or effects are under way: then these come first.
    pub(super) fn take_steps(&mut self, turn: &mut Turn<'_>) {
        if !self.work.busy {
            self.go_on(turn);
        }
    }

    /// Goes on with the steps and the effects that are under way until a slice of work is over. If that was not all, the
    /// rest is work that the loop takes up; whether it was all.
    pub(super) fn go_on(&mut self, turn: &mut Turn<'_>) -> bool {
        self.work.busy = self.has_more_to_do(turn);
        if self.work.busy {
            turn.begin_work();
        }
        !self.work.busy
    }

    fn has_more_to_do(&mut self, turn: &mut Turn<'_>) -> bool {
        self.work.busy = true;
        let mut steps = 0_usize;
        loop {
            if self.work.settlement.is_some() && !self.carry_out(turn) {
                return true;
            }
            let (policy, situation) = self.policy();
            let Some(due) = policy.due(&situation) else {
                if !self.work.settles {
                    return false;
                }
                self.send_gathered(turn);
                if !self.work.has_gathered() {
                    self.work.settles = false;
                    return false;
                }
                self.begin_settlement();
                continue;
            };
            if due.decides {
                // One thing may concern thousands of instances.
                turn.rest();
                if self.is_to_settle_before(due.id) {
                    self.send_gathered(turn);
                    self.begin_settlement();
                    continue;
                }
            }
            let Routers { policy, instances, .. } = &mut self.routers;
            let router = instances.get_mut(due.id.index()).map(|instance| &mut instance.router);
            let mut out = Actions::new();
            policy.step(turn.now(), router, &mut out);
            self.gather(turn, due.id, &out);
            steps = steps.saturating_add(1);
            if steps.is_multiple_of(STEPS_PER_LOOK) && turn.passed() >= limit::SLICE {
                return true;
            }
        }
    }

    /// Whether what is pending must be carried out before the machine of an instance decides again. What is only to be
    /// reported is reported in order whatever comes after it.
    pub(super) fn is_to_settle_before(&self, id: InstanceId) -> bool {
        self.work.is_crowded() || self.instance(id).is_some_and(|instance| instance.pending.has_effects())
    }

    /// Sends what the parent has to know before the network does, and the adverts gathered so far.
    fn send_gathered(&mut self, turn: &mut Turn<'_>) {
        // A successor has to know of a MASTER from the moment that the network does.
        if core::mem::take(&mut self.work.recorded) {
            turn.send_reports();
        }
        self.sockets.flush(&self.kept.keep);
        self.sockets.log_failures(&mut self.routers.instances);
    }

    /// Gathers actions and arms the machine's timer.
    fn gather(&mut self, turn: &mut Turn<'_>, id: InstanceId, actions: &Actions) {
        for action in actions {
            match action {
                Action::SendAdvert { priority } => self.queue_advert(id, *priority),
                Action::RemoveAddresses => {
                    self.touch(id, |pending| pending.remove = true);
                    self.set_extras(turn, id, false);
                }
                Action::AddAddresses => {
                    self.touch(id, |pending| pending.add = true);
                    self.set_extras(turn, id, true);
                }
                Action::Announce(_) => self.touch(id, |pending| pending.announce = true),
                // The reasons are those of now.
                Action::Report(event @ Event::StillInFault) => {
                    if let Some(instance) = self.instance(id) {
                        event_lines::event(instance, &self.reasons(instance), event);
                    }
                }
                Action::Report(event) => {
                    self.report_later(id, *event);
                    self.record(turn, id, event);
                }
            }
        }
        if let Some(instance) = self.instance(id) {
            turn.set_deadline(self.work.layout.number(Slot::Machine(id)), instance.router.poll_at());
        }
    }

    /// Notes an event to be reported when the effects before it are carried out.
    fn report_later(&mut self, id: InstanceId, event: Event) {
        self.touch(id, |pending| pending.report = true);
        self.work.events.push((id, event));
    }

    /// Carries out what a step of a job gathered, if that takes as long as a slice may; whether the slice of the step ends
    /// with that.
    pub(super) fn settle_if_laden(&mut self, turn: &mut Turn<'_>) -> bool {
        if self.work.is_laden() {
            self.settle(turn);
            self.work.load = Load::default();
            return true;
        }
        self.work.busy
    }

    /// Notes what is to be done for an instance at the end of the turn.
    pub(super) fn touch(&mut self, id: InstanceId, set: impl FnOnce(&mut Pending)) {
        let Some(instance) = self.routers.instances.get_mut(id.index()) else {
            return;
        };
        let first = !instance.pending.any();
        let before = instance.pending;
        set(&mut instance.pending);
        if first {
            self.work.touched.push(id);
            self.work.load.instances += 1;
        }
        if !before.changes_kernel() && instance.pending.changes_kernel() {
            let objects = instance.objects.as_ref();
            let objects = objects.map_or(0, |objects| objects.routes.len() + objects.rules.len());
            self.work.load.things += instance.addresses.len() + objects;
        }
    }
}

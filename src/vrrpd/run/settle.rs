//! Actions of the machines, carried out.
//!
//! Adverts are gathered and leave first. Removals (rules, routes, addresses), additions (the other way round),
//! announcements and reports follow, in this order, for all instances of a turn together: many requests in one system
//! call, and no instance's long effects in front of another's advert. An instance is settled before its machine gets
//! the next input.

use crate::base::id::InstanceId;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::action::LONGEST;
use crate::proto::vrrp::{Action, Actions, Event, Input};
use crate::vrrpd::items::Holder;
use crate::vrrpd::live::{Instance, Pending};
use crate::vrrpd::routers::Routers;
use crate::vrrpd::run::{Vrrp, event_lines};
use crate::vrrpd::slots::Slot;
use crate::vrrpd::track::Object;
use crate::vrrpd::work::Load;

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

    /// Takes the steps that are due, and gathers what each asks for before the next is decided.
    pub(super) fn take_steps(&mut self, turn: &mut Turn<'_>) {
        loop {
            let (policy, situation) = self.policy();
            let Some(due) = policy.due(&situation) else { return };
            if due.decides {
                self.settle_before(turn, due.id);
            }
            let Routers { policy, instances, .. } = &mut self.routers;
            let router = instances.get_mut(due.id.index()).map(|instance| &mut instance.router);
            let mut out = Actions::new();
            policy.step(turn.now(), router, &mut out);
            self.gather(turn, due.id, &out);
        }
    }

    /// What is pending of an instance must be done before its machine decides again.
    pub(super) fn settle_before(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        // One thing may concern thousands of instances.
        turn.rest();
        let events = &self.work.events;
        let crowded = events.capacity() - events.len() < LONGEST;
        // What is only to be told is told in order whatever comes after it.
        if crowded || self.instance(id).is_some_and(|instance| instance.pending.has_effects()) {
            self.settle(turn);
        }
    }

    /// Gathers what an instance asked for outside a step; its sync group follows.
    pub(super) fn act(&mut self, turn: &mut Turn<'_>, id: InstanceId, actions: &Actions) {
        self.gather(turn, id, actions);
        self.routers.policy.lead(id, actions, 0);
        self.take_steps(turn);
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
                    self.tell_later(id, *event);
                    self.record(turn, id, event);
                }
            }
        }
        if let Some(instance) = self.instance(id) {
            turn.set_deadline(self.work.layout.number(Slot::Machine(id)), instance.router.poll_at());
        }
    }

    /// Notes an event to be told when the effects before it are done.
    fn tell_later(&mut self, id: InstanceId, event: Event) {
        self.touch(id, |pending| pending.report = true);
        self.work.events.push((id, event));
    }

    /// Carries out everything that was gathered.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        // A successor has to know of a MASTER from the moment that the network does.
        if core::mem::take(&mut self.work.recorded) {
            turn.send_reports();
        }
        self.sockets.flush(&self.kept.keep);
        self.sockets.log_failures(&mut self.routers.instances);
        if self.work.touched.is_empty() {
            return;
        }
        let mut touched = core::mem::take(&mut self.work.touched);
        for id in &touched {
            if self.instance(*id).is_some_and(|instance| instance.pending.remove) {
                self.delete_objects(turn, Holder::Instance(*id));
                self.pause_if_long(turn);
            }
        }
        self.commit_items(turn);
        for id in &touched {
            if self.instance(*id).is_some_and(|instance| instance.pending.remove) {
                self.request_removal(turn, *id);
                self.pause_if_long(turn);
            }
        }
        self.commit_items(turn);
        // A guard outlives its address, and is there before it.
        for id in &touched {
            if let Some(pending) = self.instance(*id).map(|instance| instance.pending)
                && (pending.add || pending.remove)
            {
                self.guard(*id, pending.add, true);
                self.pause_if_long(turn);
            }
        }
        self.flush_firewall(turn);
        for id in &touched {
            if self.instance(*id).is_some_and(|instance| instance.pending.add) {
                self.request_addition(turn, *id);
                self.pause_if_long(turn);
            }
        }
        self.commit_items(turn);
        for id in &touched {
            if self.instance(*id).is_some_and(|instance| instance.pending.add) {
                self.add_objects(turn, Holder::Instance(*id));
                self.pause_if_long(turn);
            }
        }
        self.commit_items(turn);
        for id in &touched {
            if self.instance(*id).is_some_and(|instance| instance.pending.announce || instance.pending.remove)
            {
                self.announce(turn, *id);
                self.pause_if_long(turn);
            }
        }
        self.announcer.flush();
        for id in &touched {
            if let Some(instance) = self.instance_mut(*id) {
                instance.pending = Pending::default();
            }
        }
        touched.clear();
        self.work.touched = touched;
        self.tell_events(turn);
        self.announcer.log_announced(turn.now(), &self.routers.instances, &self.links.table);
    }

    /// Carries out what a step of a job gathered, if that takes as long as a slice may; whether it was so much. The slice
    /// of the step ends with that.
    pub(super) fn settle_if_laden(&mut self, turn: &mut Turn<'_>) -> bool {
        let laden = self.work.is_laden();
        if laden {
            self.settle(turn);
            self.work.load = Load::default();
        }
        laden
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

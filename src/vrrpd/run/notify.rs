//! Notify scripts in the order of the contract: which object is next when a script has ended, and when the child may
//! stop.

use super::Vrrp;
use crate::base::exit::Exit;
use crate::base::id::{GroupId, InstanceId};
use crate::config::Model;
use crate::daemon::reactor::Turn;
use crate::notify::Subject;
use crate::sys::process::{Ended, Pid};
use crate::vrrpd::live::notify::{self, Notifier};
use crate::vrrpd::live::{Group, Instance};
use crate::vrrpd::notifies::{Notifying, Object, Purpose};
use crate::vrrpd::slots::{Layout, Slot};

/// An object and its scripts; none if it has none.
fn notifying<'a>(
    object: Object,
    instances: &'a mut [Instance],
    groups: &'a mut [Group],
    model: &'a Model,
    layout: Layout,
) -> Option<Notifying<'a>> {
    let slot = layout.number(object.slot());
    let (subject, notifier) = match object {
        Object::Instance(id) => {
            let Instance { config, notifier, .. } = instances.get_mut(id.index())?;
            (notify::instance(&config.name), notifier.as_mut()?)
        }
        Object::Group(id) => {
            let (group, config) = (groups.get_mut(id.index())?, model.groups.get(id.index())?);
            (notify::group(&config.name), group.notifier.as_mut()?)
        }
    };
    Some(Notifying { key: object, subject, notifier, slot })
}

impl Vrrp {
    /// Starts the next notify script of an instance or a group, if none runs; when too many run, once another has
    /// ended.
    pub(super) fn advance_notify(&mut self, turn: &mut Turn<'_>, object: impl Into<Object>) {
        let routers = &mut self.routers;
        let object = object.into();
        if let Some(object) =
            notifying(object, &mut routers.instances, &mut routers.groups, &self.model, self.work.layout)
        {
            self.notifies.advance(turn, object, &mut self.process.lines);
        }
    }

    fn notifying(&mut self, object: Object) -> Option<Notifying<'_>> {
        let routers = &mut self.routers;
        notifying(object, &mut routers.instances, &mut routers.groups, &self.model, self.work.layout)
    }

    /// A process that this child started has ended.
    pub(super) fn script_ended(&mut self, turn: &mut Turn<'_>, pid: Pid, how: Ended) {
        let end = (pid, how);
        match self.notifies.scripts.ended(pid) {
            Some(Purpose::Own(id)) => return self.track_script_ended(turn, id, pid, how),
            Some(Purpose::Notify(object)) => {
                let routers = &mut self.routers;
                if let Some(object) = notifying(
                    object,
                    &mut routers.instances,
                    &mut routers.groups,
                    &self.model,
                    self.work.layout,
                ) {
                    self.notifies.ended(turn, object, end, &mut self.process.lines);
                }
                self.advance_waiting(turn);
            }
            Some(Purpose::Retired(number)) => {
                self.notifies.retired_ended(turn, number, end, &mut self.process.lines);
                self.advance_waiting(turn);
            }
            Some(Purpose::Fifo) => {
                let places = self.alert_places();
                self.notifies.alerts.fifo_script_ended(turn, places, end);
            }
            Some(Purpose::Nothing) | None => return,
        }
        self.stop_if_idle(turn);
    }

    /// A notify script has run too long.
    pub(super) fn notify_overdue(&mut self, turn: &mut Turn<'_>, object: impl Into<Object>) {
        if let Some(object) = self.notifying(object.into()) {
            object.overdue(turn);
        }
    }

    /// There may be room for scripts that wait.
    fn advance_waiting(&mut self, turn: &mut Turn<'_>) {
        while let Some(object) = self.notifies.next_waiting() {
            self.advance_notify(turn, object);
        }
        let slot = self.work.layout.number(Slot::Retired);
        self.notifies.advance_retired(turn, slot);
    }

    /// A reload removes an instance: its scripts go on without it.
    pub(super) fn retire_notifier(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let slot = self.work.layout.number(Slot::Retired);
        if let Some(instance) = self.routers.instances.get_mut(id.index()) {
            let notifier = instance.notifier.take();
            let subject = notify::instance(&instance.config.name);
            self.notifies.retire(turn, slot, id.into(), subject, notifier);
        }
    }

    /// The same for a sync group.
    pub(super) fn retire_group(
        &mut self,
        turn: &mut Turn<'_>,
        id: GroupId,
        subject: Subject<'_>,
        notifier: Option<Box<Notifier>>,
    ) {
        let slot = self.work.layout.number(Slot::Retired);
        self.notifies.retire(turn, slot, id.into(), subject, notifier);
    }

    /// Of the objects that a reload removed scripts may wait.
    pub(super) fn advance_retired(&mut self, turn: &mut Turn<'_>) {
        let slot = self.work.layout.number(Slot::Retired);
        self.notifies.advance_retired(turn, slot);
    }

    /// Scripts of objects that a reload removed have run too long.
    pub(super) fn retired_overdue(&mut self, turn: &mut Turn<'_>) {
        let slot = self.work.layout.number(Slot::Retired);
        self.notifies.retired_overdue(turn, slot);
    }

    /// The child stops: no script that waits begins, and those that run are told to end.
    pub(super) fn cut_notifies_short(&mut self, turn: &mut Turn<'_>) {
        let instances = self.ids().map(Object::Instance);
        let groups = (0..self.routers.groups.len()).map(|position| Object::Group(GroupId::at(position)));
        for object in instances.chain(groups) {
            if let Some(object) = self.notifying(object) {
                object.cut_short(turn);
            }
        }
        let slot = self.work.layout.number(Slot::Retired);
        self.notifies.cut_retired_short(turn, slot);
    }

    /// Ends the child that stops once the last status file is whole and the last script has ended: those of the stop, and
    /// those that got a signal to end.
    pub(super) fn stop_if_idle(&mut self, turn: &mut Turn<'_>) {
        if !self.process.stopping || self.job.is_some() || self.writes_status() {
            return;
        }
        if self.process.keep_on_stop {
            return turn.stop(Exit::Ok);
        }
        let instances = self.routers.instances.iter().filter_map(|instance| instance.notifier.as_ref());
        let groups = self.routers.groups.iter().filter_map(|group| group.notifier.as_ref());
        let mut notifiers = instances.chain(groups);
        let trackers = self.trackers.scripts.iter().any(|script| script.pid.is_some());
        if !trackers && !self.notifies.is_busy() && !notifiers.any(|notifier| notifier.is_busy()) {
            turn.stop(Exit::Ok);
        }
    }

    /// The patience with scripts that were told to end is over.
    pub(super) fn stop_now(&mut self, turn: &mut Turn<'_>) {
        self.notifies.scripts.kill();
        turn.stop(Exit::Ok);
    }
}

//! Notify scripts at work: started as there is room, one at a time for each instance, killed at their deadline.
//!
//! Those of an instance that a reload removed run to their end like any other's.

use std::collections::VecDeque;

use super::report;
use super::slots::Slot;
use super::state::{Owner, Vrrp};
use crate::base::exit::Exit;
use crate::base::id::InstanceId;
use crate::base::limit;
use crate::daemon::reactor::Turn;
use crate::notify::Notifier;
use crate::sys::process::Pid;

/// Whose scripts wait, and scripts that have no instance any more.
#[derive(Default)]
pub(super) struct Telling {
    /// Instances whose scripts wait for those of others to end, in order. Room for each is made at load time.
    waiting: VecDeque<InstanceId>,
    retired: Vec<Retired>,
    /// Number of the next one to retire.
    next: u32,
}

/// The scripts of an instance that is no more.
struct Retired {
    number: u32,
    name: String,
    notifier: Box<Notifier>,
}

impl Telling {
    /// Makes room for so many instances; their numbers may have changed, so that nobody waits.
    pub(super) fn resize(&mut self, instances: usize) {
        self.waiting.clear();
        self.waiting.reserve(instances);
    }
}

impl Vrrp {
    /// Whether one more notify script may run. Track scripts have room of their own.
    fn has_notify_room(&self) -> bool {
        self.children.len() < limit::RUNNING_NOTIFIES
    }

    /// Starts the next notify script of an instance, if none runs; when too many run, once another has ended.
    pub(super) fn advance_notify(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let room = self.has_notify_room();
        let Some(instance) = self.instances.get_mut(id.index()) else {
            return;
        };
        let (config, Some(notifier)) = (&instance.config, &mut instance.notifier) else {
            return;
        };
        if room {
            let started = notifier.advance(
                turn.now(),
                &self.runner,
                &mut self.environment,
                &config.name,
                |_, error| report::notify_not_started(&config.name, &error),
            );
            self.children.extend(started.map(|pid| (pid, Owner::Notify(id))));
        } else if notifier.is_waiting() && !self.telling.waiting.contains(&id) {
            self.telling.waiting.push_back(id);
        }
        match notifier.take_dropped() {
            0 => {}
            count => report::notify_dropped(&config.name, count),
        }
        turn.set_deadline(self.layout.number(Slot::Notify(id)), notifier.poll_at());
    }

    /// A notify script has ended: the next one may run.
    pub(super) fn notify_ended(&mut self, turn: &mut Turn<'_>, id: InstanceId, pid: Pid) {
        let notifier = self.instance_mut(id).and_then(|instance| instance.notifier.as_mut());
        if notifier.is_some_and(|notifier| notifier.ended(pid)) {
            self.advance_notify(turn, id);
        }
        self.fill_notify_room(turn);
        self.stop_if_idle(turn);
    }

    /// A notify script has run too long.
    pub(super) fn notify_overdue(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.instances.get_mut(id.index()) else {
            return;
        };
        let Some(notifier) = &mut instance.notifier else {
            return;
        };
        if notifier.kill_overdue(turn.now()).is_some() {
            report::notify_killed(&instance.config.name, limit::NOTIFY_DEADLINE);
        }
        turn.set_deadline(self.layout.number(Slot::Notify(id)), notifier.poll_at());
    }

    fn fill_notify_room(&mut self, turn: &mut Turn<'_>) {
        while self.has_notify_room()
            && let Some(id) = self.telling.waiting.pop_front()
        {
            self.advance_notify(turn, id);
        }
        self.advance_retired(turn);
    }

    /// An instance is removed: its scripts go on without it.
    pub(super) fn retire_notifier(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.instance_mut(id) else {
            return;
        };
        let Some(notifier) = instance.notifier.take_if(|notifier| notifier.is_busy()) else {
            return;
        };
        let name = instance.config.name.clone();
        let number = self.telling.next;
        self.telling.next = number.wrapping_add(1);
        self.telling.retired.push(Retired { number, name, notifier });
        for (_, owner) in &mut self.children {
            if *owner == Owner::Notify(id) {
                *owner = Owner::Retired(number);
            }
        }
        self.advance_retired(turn);
    }

    /// Starts what waits of the instances that are no more, and forgets those that have nothing left to tell.
    pub(super) fn advance_retired(&mut self, turn: &mut Turn<'_>) {
        for position in 0..self.telling.retired.len() {
            if !self.has_notify_room() {
                break;
            }
            let Some(Retired { number, name, notifier }) = self.telling.retired.get_mut(position) else {
                break;
            };
            let started =
                notifier.advance(turn.now(), &self.runner, &mut self.environment, name, |_, error| {
                    report::notify_not_started(name, &error)
                });
            self.children.extend(started.map(|pid| (pid, Owner::Retired(*number))));
        }
        self.telling.retired.retain(|retired| retired.notifier.is_busy());
        let due = self.telling.retired.iter().filter_map(|retired| retired.notifier.poll_at());
        turn.set_deadline(self.layout.number(Slot::Retired), due.min());
    }

    /// A script of an instance that is no more has ended.
    pub(super) fn retired_ended(&mut self, turn: &mut Turn<'_>, number: u32, pid: Pid) {
        let mut retired = self.telling.retired.iter_mut();
        if let Some(retired) = retired.find(|retired| retired.number == number) {
            retired.notifier.ended(pid);
        }
        self.fill_notify_room(turn);
        self.stop_if_idle(turn);
    }

    /// Scripts of instances that are no more have run too long.
    pub(super) fn retired_overdue(&mut self, turn: &mut Turn<'_>) {
        for retired in &mut self.telling.retired {
            if retired.notifier.kill_overdue(turn.now()).is_some() {
                report::notify_killed(&retired.name, limit::NOTIFY_DEADLINE);
            }
        }
        self.advance_retired(turn);
    }

    /// The daemon stops: what waits is forgotten, what runs is told to end.
    pub(super) fn cut_notifies_short(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now();
        for id in self.ids() {
            let notifier = self.instance_mut(id).and_then(|instance| instance.notifier.as_mut());
            if let Some(notifier) = notifier {
                notifier.cut_short(now);
                let due = notifier.poll_at();
                turn.set_deadline(self.layout.number(Slot::Notify(id)), due);
            }
        }
        for retired in &mut self.telling.retired {
            retired.notifier.cut_short(now);
        }
        self.advance_retired(turn);
    }

    /// Ends the child once the last script of the stop has ended.
    pub(super) fn stop_if_idle(&mut self, turn: &mut Turn<'_>) {
        if !self.stopping {
            return;
        }
        let mut notifiers = self.instances.iter().filter_map(|instance| instance.notifier.as_ref());
        if self.telling.retired.is_empty() && !notifiers.any(|notifier| notifier.is_busy()) {
            turn.stop(Exit::Ok);
        }
    }
}

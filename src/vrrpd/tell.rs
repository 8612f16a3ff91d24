//! Events of a turn, told: in the log, to the parent, and to notify scripts.

use super::live::Instance as Live;
use super::report;
use super::slots::Slot;
use super::state::{Owner, Vrrp};
use crate::base::id::InstanceId;
use crate::base::limit;
use crate::base::time::Instant;
use crate::daemon::ipc::ToParent;
use crate::daemon::reactor::Turn;
use crate::daemon::record::{self, Record, Standing};
use crate::notify;
use crate::proto::vrrp::{Action, Actions, Event, State, Why};
use crate::sys::clock;
use crate::sys::process::Pid;

impl Vrrp {
    /// Adverts that the kernel refused: told once until one gets through.
    pub(super) fn tell_failures(&mut self) {
        for (id, errno) in self.work.failures.drain(..) {
            let Some(instance) = self.instances.get_mut(id.index()) else {
                continue;
            };
            let this = instance.ip_id;
            let before = instance.refused_advert.replace(this);
            if before.is_none_or(|before| before != this && Live::next_id(before) != this) {
                report::send_failed(&instance.config.name, errno);
            }
        }
    }

    /// Tells the events that this turn gathered, in order.
    pub(super) fn tell_events(&mut self, turn: &mut Turn<'_>) {
        let events = core::mem::take(&mut self.work.events);
        for (id, event) in &events {
            self.tell(turn, *id, event);
        }
        self.work.events = events;
        self.work.events.clear();
    }

    fn tell(&mut self, turn: &mut Turn<'_>, id: InstanceId, event: &Event) {
        let now = turn.now();
        let Some(instance) = self.instances.get_mut(id.index()) else {
            return;
        };
        report::event(instance, event, now, &mut self.chatter);
        let priority = instance.router.machine().effective_priority();
        match *event {
            Event::Transition { to, why, .. } => {
                instance.since = now;
                instance.since_wall = clock::wall();
                let (told, recorded) = standing(to);
                if let Some(notifier) = &mut instance.notifier
                    && why != Why::Adopted
                {
                    notifier.state(told, priority);
                }
                let key = record::key(&instance.config.name);
                let advert = if to == State::Master { now } else { Instant::START };
                turn.report(ToParent::Transition(Record {
                    key,
                    standing: recorded,
                    since: now,
                    advert,
                }));
                self.advance_notify(turn, id);
            }
            Event::LowerPriority { .. } => {
                if let Some(notifier) = &mut instance.notifier {
                    notifier.lower_priority(priority);
                    self.advance_notify(turn, id);
                }
            }
            _ => {}
        }
    }

    /// Starts the next notify script of an instance, if none runs.
    pub(super) fn advance_notify(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let room = self.children.len() < limit::RUNNING_SCRIPTS;
        let Some(instance) = self.instances.get_mut(id.index()).filter(|_| room) else {
            return;
        };
        let (config, Some(notifier)) = (&instance.config, &mut instance.notifier) else {
            return;
        };
        let started = notifier.advance(
            turn.now(),
            &self.runner,
            &mut self.environment,
            &config.name,
            |_, error| report::notify_not_started(&config.name, &error),
        );
        match notifier.take_dropped() {
            0 => {}
            count => report::notify_dropped(&config.name, count),
        }
        turn.set_deadline(self.layout.number(Slot::Notify(id)), notifier.poll_at());
        if let Some(pid) = started {
            self.children.push((pid, Owner::Notify(id)));
        }
    }

    /// A notify script has ended: the next one may run.
    pub(super) fn notify_ended(&mut self, turn: &mut Turn<'_>, id: InstanceId, pid: Pid) {
        let notifier = self
            .instance_mut(id)
            .and_then(|instance| instance.notifier.as_mut());
        if notifier.is_some_and(|notifier| notifier.ended(pid)) {
            self.advance_notify(turn, id);
        }
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

    /// Sends the adverts of `actions` and nothing else: the last words of an instance that a reload removes.
    pub(super) fn send_only(&mut self, id: InstanceId, actions: &Actions) {
        for action in actions {
            if let Action::SendAdvert { priority } = action {
                self.queue_advert(id, *priority);
            }
        }
    }

    /// The parent need not remember an instance any more.
    pub(super) fn forget_record(&self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        let key = record::key(&instance.config.name);
        let now = turn.now();
        turn.report(ToParent::Transition(Record {
            key,
            standing: Standing::Gone,
            since: now,
            advert: Instant::START,
        }));
    }
}

/// A state as scripts and as the parent know it.
const fn standing(state: State) -> (notify::Standing, Standing) {
    match state {
        State::Init => (notify::Standing::Stop, Standing::Gone),
        State::Backup => (notify::Standing::Backup, Standing::Backup),
        State::Master => (notify::Standing::Master, Standing::Master),
        State::Fault => (notify::Standing::Fault, Standing::Fault),
    }
}

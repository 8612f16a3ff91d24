//! Notify scripts at work: started as there is room, one at a time for each instance and sync group, killed at their deadline.
//!
//! Those of an instance or a group that a reload removed run to their end like any other's.

use std::collections::VecDeque;

use super::group::LiveGroup;
use super::live::Instance;
use super::report;
use super::slots::Slot;
use super::state::{Owner, Vrrp};
use crate::base::exit::Exit;
use crate::base::id::{GroupId, InstanceId};
use crate::base::limit;
use crate::config::Model;
use crate::daemon::reactor::Turn;
use crate::notify::{Notifier, Subject};
use crate::sys::process::{self, Ended, Pid};
use crate::sys::script::meaning;

/// Who tells something by scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Instance(InstanceId),
    Group(GroupId),
}

impl From<InstanceId> for Whose {
    fn from(id: InstanceId) -> Self {
        Self::Instance(id)
    }
}

impl From<GroupId> for Whose {
    fn from(id: GroupId) -> Self {
        Self::Group(id)
    }
}

impl Whose {
    const fn slot(self) -> Slot {
        match self {
            Self::Instance(id) => Slot::Notify(id),
            Self::Group(id) => Slot::Group(id),
        }
    }
}

/// Whose scripts wait, and scripts that have no instance any more.
#[derive(Default)]
pub(super) struct Telling {
    /// Those whose scripts wait for those of others to end, in order. Room for each is made at load time.
    waiting: VecDeque<Whose>,
    retired: Vec<Retired>,
    /// Number of the next one to retire.
    next: u32,
}

/// The scripts of an instance or a group that is no more.
struct Retired {
    number: u32,
    word: &'static str,
    name: String,
    notifier: Box<Notifier>,
}

impl Telling {
    /// Makes room for so many instances and groups; their numbers may have changed, so that nobody waits.
    pub(super) fn resize(&mut self, tellers: usize) {
        self.waiting.clear();
        self.waiting.reserve(tellers);
    }
}

/// The scripts of one that tells, and whom they tell of.
fn notifier<'a>(
    whose: Whose,
    instances: &'a mut [Instance],
    groups: &'a mut [LiveGroup],
    model: &'a Model,
) -> Option<(Subject<'a>, &'a mut Notifier)> {
    match whose {
        Whose::Instance(id) => {
            let Instance { config, notifier, .. } = instances.get_mut(id.index())?;
            Some((Subject::instance(&config.name), notifier.as_mut()?))
        }
        Whose::Group(id) => {
            let (group, config) = (groups.get_mut(id.index())?, model.groups.get(id.index())?);
            Some((Subject::group(&config.name), group.notifier.as_mut()?))
        }
    }
}

impl Vrrp {
    /// Whether one more notify script may run. Track scripts have room of their own.
    fn has_notify_room(&self) -> bool {
        self.notifies.children.len() < limit::RUNNING_NOTIFIES
    }

    /// Starts the next notify script of an instance or a group, if none runs; when too many run, once another has
    /// ended.
    pub(super) fn advance_notify(&mut self, turn: &mut Turn<'_>, whose: impl Into<Whose>) {
        let (whose, room) = (whose.into(), self.has_notify_room());
        let Some((subject, notifier)) =
            notifier(whose, &mut self.routers.instances, &mut self.routers.groups, &self.model)
        else {
            return;
        };
        if room {
            let failed = |_, error| report::notify_not_started(subject.name, &error);
            let started = notifier.advance(
                turn.now(),
                &self.notifies.runner,
                &mut self.notifies.environment,
                subject,
                failed,
            );
            self.notifies.children.extend(started.map(|pid| (pid, Owner::Notify(whose))));
        } else if notifier.is_waiting() && !self.notifies.telling.waiting.contains(&whose) {
            self.notifies.telling.waiting.push_back(whose);
        }
        // Peers can bring about as many transitions as they like.
        if notifier.overtaken() > 0 && report::may(&mut self.process.chatter, turn.now()) {
            report::notify_overtaken(subject.name, notifier.take_overtaken());
        }
        turn.set_deadline(self.work.layout.number(whose.slot()), notifier.poll_at());
    }

    fn notifier(&mut self, whose: Whose) -> Option<(Subject<'_>, &mut Notifier)> {
        notifier(whose, &mut self.routers.instances, &mut self.routers.groups, &self.model)
    }

    /// A notify script has ended: the next one may run.
    pub(super) fn notify_ended(&mut self, turn: &mut Turn<'_>, whose: Whose, pid: Pid, how: Ended) {
        let found = notifier(whose, &mut self.routers.instances, &mut self.routers.groups, &self.model);
        if let Some((subject, notifier)) = found
            && notifier.ended(pid)
        {
            if let Some(meaning) = meaning(how)
                && report::may(&mut self.process.chatter, turn.now())
            {
                report::notify_failed(subject.name, meaning);
            }
            self.advance_notify(turn, whose);
        }
        self.fill_notify_room(turn);
        self.stop_if_idle(turn);
    }

    /// A notify script has run too long.
    pub(super) fn notify_overdue(&mut self, turn: &mut Turn<'_>, whose: impl Into<Whose>) {
        let whose = whose.into();
        let Some((subject, notifier)) =
            notifier(whose, &mut self.routers.instances, &mut self.routers.groups, &self.model)
        else {
            return;
        };
        if notifier.kill_overdue(turn.now()).is_some() {
            report::notify_killed(subject.name, limit::NOTIFY_DEADLINE);
        }
        let due = notifier.poll_at();
        turn.set_deadline(self.work.layout.number(whose.slot()), due);
    }

    fn fill_notify_room(&mut self, turn: &mut Turn<'_>) {
        while self.has_notify_room()
            && let Some(id) = self.notifies.telling.waiting.pop_front()
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
        let notifier = instance.notifier.take();
        let name = instance.config.name.clone();
        self.retire(turn, id.into(), Subject::instance(&name), notifier);
    }

    /// The scripts of one that is no more, if any runs or waits, go on without it.
    pub(super) fn retire(
        &mut self,
        turn: &mut Turn<'_>,
        whose: Whose,
        Subject { word, name }: Subject<'_>,
        notifier: Option<Box<Notifier>>,
    ) {
        let Some(notifier) = notifier.filter(|notifier| notifier.is_busy()) else {
            return;
        };
        let number = self.notifies.telling.next;
        self.notifies.telling.next = number.wrapping_add(1);
        self.notifies.telling.retired.push(Retired { number, word, name: name.to_owned(), notifier });
        for (_, owner) in &mut self.notifies.children {
            if *owner == Owner::Notify(whose) {
                *owner = Owner::Retired(number);
            }
        }
        self.advance_retired(turn);
    }

    /// Starts what waits of the instances that are no more, and forgets those that have nothing left to tell.
    pub(super) fn advance_retired(&mut self, turn: &mut Turn<'_>) {
        for position in 0..self.notifies.telling.retired.len() {
            if !self.has_notify_room() {
                break;
            }
            let Some(Retired { number, word, name, notifier }) =
                self.notifies.telling.retired.get_mut(position)
            else {
                break;
            };
            let started = notifier.advance(
                turn.now(),
                &self.notifies.runner,
                &mut self.notifies.environment,
                Subject { word, name },
                |_, error| report::notify_not_started(name, &error),
            );
            self.notifies.children.extend(started.map(|pid| (pid, Owner::Retired(*number))));
        }
        self.notifies.telling.retired.retain(|retired| retired.notifier.is_busy());
        let due = self.notifies.telling.retired.iter().filter_map(|retired| retired.notifier.poll_at());
        turn.set_deadline(self.work.layout.number(Slot::Retired), due.min());
    }

    /// A script of an instance that is no more has ended.
    pub(super) fn retired_ended(&mut self, turn: &mut Turn<'_>, number: u32, pid: Pid, how: Ended) {
        let mut retired = self.notifies.telling.retired.iter_mut();
        if let Some(retired) = retired.find(|retired| retired.number == number) {
            retired.notifier.ended(pid);
            if let Some(meaning) = meaning(how)
                && report::may(&mut self.process.chatter, turn.now())
            {
                report::notify_failed(&retired.name, meaning);
            }
        }
        self.fill_notify_room(turn);
        self.stop_if_idle(turn);
    }

    /// Scripts of instances that are no more have run too long.
    pub(super) fn retired_overdue(&mut self, turn: &mut Turn<'_>) {
        for retired in &mut self.notifies.telling.retired {
            if retired.notifier.kill_overdue(turn.now()).is_some() {
                report::notify_killed(&retired.name, limit::NOTIFY_DEADLINE);
            }
        }
        self.advance_retired(turn);
    }

    /// The daemon stops: what waits is forgotten, what runs is told to end.
    pub(super) fn cut_notifies_short(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now();
        let instances = self.ids().map(Whose::Instance);
        let groups = (0..self.routers.groups.len()).map(|position| Whose::Group(GroupId::at(position)));
        for whose in instances.chain(groups) {
            if let Some((_, notifier)) = self.notifier(whose) {
                notifier.cut_short(now);
                let due = notifier.poll_at();
                turn.set_deadline(self.work.layout.number(whose.slot()), due);
            }
        }
        for retired in &mut self.notifies.telling.retired {
            retired.notifier.cut_short(now);
        }
        self.advance_retired(turn);
    }

    /// Ends the child once the last script has ended: those of the stop, and those that were told to.
    pub(super) fn stop_if_idle(&mut self, turn: &mut Turn<'_>) {
        if !self.process.stopping {
            return;
        }
        let instances = self.routers.instances.iter().filter_map(|instance| instance.notifier.as_ref());
        let groups = self.routers.groups.iter().filter_map(|group| group.notifier.as_ref());
        let mut notifiers = instances.chain(groups);
        let trackers = self.trackers.scripts.iter().any(|script| script.pid.is_some());
        let fifos = self.notifies.alerts.fifos.is_busy();
        if !trackers
            && !fifos
            && self.notifies.telling.retired.is_empty()
            && !notifiers.any(|notifier| notifier.is_busy())
        {
            turn.stop(Exit::Ok);
        }
    }

    /// The patience with scripts that were told to end is over.
    pub(super) fn stop_now(&mut self, turn: &mut Turn<'_>) {
        for (pid, _) in &self.notifies.children {
            process::kill_group(*pid, libc::SIGKILL);
        }
        turn.stop(Exit::Ok);
    }
}

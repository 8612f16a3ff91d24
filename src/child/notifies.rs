//! Scripts, FIFOs and mail of one child: who is notified when an object of the child enters a state.
//!
//! An object (an instance, a sync group, a real server) has a [`Notifier`], the queue of its scripts, which stands
//! beside the object; here is what the objects share: how many scripts run at once, who waits for room, and the scripts
//! of objects that a reload removed, which run to their end like any other's.

use std::collections::VecDeque;
use std::io;

use super::alerts::Alerts;
use super::report;
use super::scripts::{Purpose, Scripts};
use crate::base::limit;
use crate::base::rate::Budget;
use crate::daemon::reactor::Turn;
use crate::notify::{Job, Notifier, Subject};
use crate::sys::process::{Ended, Pid};
use crate::sys::script::meaning;

/// Scripts, FIFOs and mail of one child. `N` names an object with notify scripts, `O` what else the child runs scripts
/// for, `J` is a job for a notify script.
pub struct Notifies<N, O, J, const SCRIPTS: usize> {
    /// The scripts that run.
    pub scripts: Scripts<N, O>,
    /// FIFOs and mail.
    pub alerts: Alerts,
    /// The objects whose scripts wait for those of others to end, in order. Room for each is made at load time.
    waiting: VecDeque<N>,
    retired: Vec<Retired<J, SCRIPTS>>,
    /// The number of the next object that a reload removes.
    next: u32,
}

/// An object whose scripts are to run: what it is called, its queue, and the deadline of the script that runs.
pub struct Notifying<'a, N, J, const SCRIPTS: usize> {
    /// The object.
    pub key: N,
    /// The object as its scripts are notified of it.
    pub subject: Subject<'a>,
    /// Its scripts.
    pub notifier: &'a mut Notifier<J, SCRIPTS>,
    /// The slot of the deadline of its script.
    pub slot: u32,
}

/// The scripts of an object that a reload removed.
struct Retired<J, const SCRIPTS: usize> {
    number: u32,
    word: &'static str,
    name: String,
    notifier: Box<Notifier<J, SCRIPTS>>,
}

impl<N: Copy + PartialEq, O: Copy + PartialEq, J: Job, const SCRIPTS: usize> Notifies<N, O, J, SCRIPTS> {
    /// Nothing runs and nobody is notified yet.
    ///
    /// # Errors
    /// As [`Scripts::new`].
    pub fn new(alerts: Alerts) -> io::Result<Self> {
        let scripts = Scripts::new()?;
        Ok(Self { scripts, alerts, waiting: VecDeque::new(), retired: Vec::new(), next: 0 })
    }

    /// Makes room for so many objects with notify scripts, and so many scripts of the child's own. The keys of the
    /// objects may have changed: no object waits for room any more. For load time: allocates.
    pub fn reserve(&mut self, objects: usize, own: usize) {
        self.waiting.clear();
        self.waiting.reserve(objects);
        self.scripts.reserve(own);
    }

    /// Starts the next notify script of an object, if none of its scripts runs; when too many scripts run, once another
    /// has ended. `lines` is the budget for log lines that others can bring about.
    pub fn advance(
        &mut self,
        turn: &mut Turn<'_>,
        Notifying { key, subject, notifier, slot }: Notifying<'_, N, J, SCRIPTS>,
        lines: &mut Budget,
    ) {
        if self.scripts.has_notify_room() {
            let scripts = &mut self.scripts;
            notifier.advance(
                turn.now(),
                subject,
                &mut |command| scripts.start(command, Purpose::Notify(key)),
                &mut |error| report::notify_not_started(subject.name, error),
            );
        } else if notifier.is_waiting() && !self.waiting.contains(&key) {
            self.waiting.push_back(key);
        }
        // Peers can bring about as many transitions as they like.
        if notifier.overtaken() > 0 && report::may(lines, turn.now()) {
            report::notify_overtaken(subject.name, notifier.take_overtaken());
        }
        turn.set_deadline(slot, notifier.poll_at());
    }

    /// The next object whose scripts wait, if there is room for one of them: the caller advances it.
    pub fn next_waiting(&mut self) -> Option<N> {
        if self.scripts.has_notify_room() { self.waiting.pop_front() } else { None }
    }

    /// A notify script of an object has ended. The caller then advances the objects of [`Self::next_waiting`].
    pub fn ended(
        &mut self,
        turn: &mut Turn<'_>,
        object: Notifying<'_, N, J, SCRIPTS>,
        (pid, how): (Pid, Ended),
        lines: &mut Budget,
    ) {
        if object.notifier.ended(pid) {
            log_failure(object.subject.name, how, turn, lines);
            self.advance(turn, object, lines);
        }
    }

    /// A reload removes an object: the script that runs and those that wait, if there are any, go on without it.
    pub fn retire(
        &mut self,
        turn: &mut Turn<'_>,
        slot: u32,
        key: N,
        Subject { word, name }: Subject<'_>,
        notifier: Option<Box<Notifier<J, SCRIPTS>>>,
    ) {
        let Some(notifier) = notifier.filter(|notifier| notifier.is_busy()) else {
            return;
        };
        let number = self.next;
        self.next = number.wrapping_add(1);
        self.retired.push(Retired { number, word, name: name.to_owned(), notifier });
        let of_object = Purpose::Notify(key);
        self.scripts.rename(|purpose| if purpose == of_object { Purpose::Retired(number) } else { purpose });
        self.advance_retired(turn, slot);
    }

    /// Starts the scripts that wait of objects that a reload removed, and forgets the objects that have none left.
    /// `slot`: the deadline of them all.
    pub fn advance_retired(&mut self, turn: &mut Turn<'_>, slot: u32) {
        let scripts = &mut self.scripts;
        for Retired { number, word, name, notifier } in &mut self.retired {
            if !scripts.has_notify_room() {
                break;
            }
            notifier.advance(
                turn.now(),
                Subject { word, name },
                &mut |command| scripts.start(command, Purpose::Retired(*number)),
                &mut |error| report::notify_not_started(name, error),
            );
        }
        self.retired.retain(|retired| retired.notifier.is_busy());
        let due = self.retired.iter().filter_map(|retired| retired.notifier.poll_at());
        turn.set_deadline(slot, due.min());
    }

    /// A script of an object that a reload removed has ended. The caller then advances the objects of
    /// [`Self::next_waiting`], and the others that were removed.
    pub fn retired_ended(
        &mut self,
        turn: &Turn<'_>,
        number: u32,
        (pid, how): (Pid, Ended),
        lines: &mut Budget,
    ) {
        let mut retired = self.retired.iter_mut();
        if let Some(retired) = retired.find(|retired| retired.number == number) {
            retired.notifier.ended(pid);
            log_failure(&retired.name, how, turn, lines);
        }
    }

    /// Scripts of objects that a reload removed have run too long.
    pub fn retired_overdue(&mut self, turn: &mut Turn<'_>, slot: u32) {
        for retired in &mut self.retired {
            kill_overdue(&mut retired.notifier, &retired.name, turn);
        }
        self.advance_retired(turn, slot);
    }

    /// The child stops: of the objects that a reload removed no further script begins, and the scripts that run are told
    /// to end.
    pub fn cut_retired_short(&mut self, turn: &mut Turn<'_>, slot: u32) {
        for retired in &mut self.retired {
            retired.notifier.cut_short(turn.now());
        }
        self.advance_retired(turn, slot);
    }

    /// Whether scripts of removed objects or of FIFOs are still to end.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.alerts.fifos.is_busy() || !self.retired.is_empty()
    }
}

impl<N, J: Job, const SCRIPTS: usize> Notifying<'_, N, J, SCRIPTS> {
    /// The notify script of the object has run too long.
    pub fn overdue(self, turn: &mut Turn<'_>) {
        kill_overdue(self.notifier, self.subject.name, turn);
        turn.set_deadline(self.slot, self.notifier.poll_at());
    }

    /// The child stops: no further script of the object begins, and the script that runs is told to end.
    pub fn cut_short(self, turn: &mut Turn<'_>) {
        self.notifier.cut_short(turn.now());
        turn.set_deadline(self.slot, self.notifier.poll_at());
    }
}

fn kill_overdue<J: Job, const SCRIPTS: usize>(
    notifier: &mut Notifier<J, SCRIPTS>,
    name: &str,
    turn: &Turn<'_>,
) {
    if notifier.kill_overdue(turn.now()).is_some() {
        report::notify_killed(name, limit::NOTIFY_DEADLINE);
    }
}

fn log_failure(name: &str, how: Ended, turn: &Turn<'_>, lines: &mut Budget) {
    if let Some(meaning) = meaning(how)
        && report::may(lines, turn.now())
    {
        report::notify_failed(name, meaning);
    }
}

#[cfg(test)]
mod tests;

//! What the result of an attempt means: the verdict, retries, and when the next attempt is due.

use super::action::{Action, Actions, Fact, Failure, Verdict, Weight};
use super::input::Cause;
use super::{Check, Outcome, State, push};
use crate::base::time::{Instant, Span};

impl Check {
    /// An attempt ended, with what it makes of the weight if it passed.
    pub(super) fn conclude(&mut self, now: Instant, result: Result<Weight, Failure>, out: &mut Actions) {
        self.last = Some(Outcome { at: now, result: result.map(|_| ()) });
        if self.not_run.take().is_some() | core::mem::take(&mut self.overdue) {
            push(out, Action::Log(Fact::RunsAgain));
        }
        match result {
            Ok(weight) => self.passed(now, weight, out),
            Err(why) => self.failed(now, why, out),
        }
        (self.decided, self.wanted) = (true, self.due);
    }

    fn passed(&mut self, now: Instant, weight: Weight, out: &mut Actions) {
        let news = !self.up || !self.decided;
        (self.failures, self.proven, self.due) = (0, true, self.next_regular(now));
        if let Some(progress) = self.attempt.passed(self.up) {
            if news {
                push(out, Action::Log(Fact::Page(progress.page)));
            }
            if progress.hasty {
                self.due = now;
            }
            if !progress.complete {
                return;
            }
        }
        if news {
            push(out, Action::Log(Fact::Passed));
        }
        self.weigh(weight, out);
        if !self.up {
            self.up = true;
            push(out, Action::Verdict(Verdict::Up));
        }
    }

    fn failed(&mut self, now: Instant, why: Failure, out: &mut Actions) {
        // What is no attempt is not tried again.
        let retry = if self.attempt.is_timed() { self.cadence.retry } else { 0 };
        if self.up && self.proven && self.failures < retry {
            self.failures = self.failures.saturating_add(1);
            self.due = now + self.cadence.delay_before_retry;
            if self.cadence.log_all_failures {
                push(out, Action::Log(Fact::Failed { why, failures: self.failures }));
            }
            return;
        }
        self.due = self.next_regular(now);
        self.attempt.fallen(self.up || self.proven);
        let retries = core::mem::take(&mut self.failures);
        if self.up || !self.decided {
            push(out, Action::Log(Fact::Down { why, retries }));
        }
        if self.up {
            self.up = false;
            push(out, Action::Verdict(Verdict::Down));
        }
    }

    /// This machine is to blame: the server stays what it is.
    pub(super) fn could_not_run(&mut self, now: Instant, cause: Cause, out: &mut Actions) {
        self.open = false;
        self.enter(State::Idle);
        if self.not_run != Some(cause) {
            self.not_run = Some(cause);
            push(out, Action::Log(Fact::NotRun(cause)));
        }
        self.tell_if_late(now, out);
        self.due = now + self.cadence.delay_loop.min(LOCAL_PAUSE);
    }

    /// This machine is to blame, and the configuration wants that the server pays for it (`fail_on_local_failure`).
    pub(super) fn fails_here(&mut self, now: Instant, cause: Cause, out: &mut Actions) {
        self.open = false;
        self.enter(State::Idle);
        if self.up || !self.decided {
            push(out, Action::Log(Fact::NotRun(cause)));
        }
        self.conclude(now, Err(Failure::Local), out);
    }

    pub(super) fn tell_if_late(&mut self, now: Instant, out: &mut Actions) {
        if !self.overdue && self.is_late(now) {
            self.overdue = true;
            push(out, Action::Log(Fact::Overdue));
        }
    }

    /// Whether it is long ago that an attempt ran, and none is under way.
    fn is_late(&self, now: Instant) -> bool {
        let waits = self.state == State::Idle && self.attempt.is_timed() && !self.suspended;
        waits && now.since(self.wanted) >= self.cadence.delay_loop * OVERDUE
    }

    /// Whether no attempt has run for three times the `delay_loop`, although one should have.
    #[must_use]
    pub fn is_overdue(&self, now: Instant) -> bool {
        self.overdue || self.is_late(now)
    }

    fn weigh(&mut self, weight: Weight, out: &mut Actions) {
        if self.weight != weight {
            self.weight = weight;
            push(out, Action::Weight(weight));
        }
    }

    /// The first regular attempt after now.
    pub(super) fn next_regular(&self, now: Instant) -> Instant {
        let span = self.cadence.delay_loop.max(Span::from_micros(1));
        if now < self.phase {
            return self.phase;
        }
        let loops = now.since(self.phase).as_micros() / span.as_micros();
        self.phase + span * loops.saturating_add(1)
    }
}

/// The longest pause after an attempt that could not run: what is missing may be there again soon.
const LOCAL_PAUSE: Span = Span::from_secs(1);

/// Loops after an attempt should have run, which is another one after the last one that did, until the check is overdue.
const OVERDUE: u64 = 2;

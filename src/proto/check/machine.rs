//! One check: when an attempt is due, what its result means, and what is asked of the binding meanwhile.
//!
//! ```text
//!          due: Open         Connected               the kind's verdict on what comes in, or the deadline
//!   Idle ----------> Opening ----------> Talking --------------------------------------------------> Idle
//!     |                 | NotRun: takes nobody out, again soon                                        ^
//!     |                 +---------------------------------------------------------------------------->|
//!     | due: Run                deadline: Terminate            2 s later: Kill                        |
//!     +----------> Talking (a program runs) -----------> Ending ---------------> Ending ---- Ended ---+
//! ```
//!
//! Regular attempts begin at fixed distances (`delay_loop`) from the first one, however long they take. An attempt that
//! fails while the check counts as passed is followed by retries after pauses; when those have failed, too, the check
//! counts as failed until an attempt passes. The very first attempt decides by itself. Transports of datagrams and
//! echoes are kept from one attempt to the next, because the kernel learns late that nobody is there: an error that comes
//! in between is the result of the attempt before.
//!
//! What happens and what is asked of the binding stands here; [`start`] is what a check begins with, and [`result`] what
//! the result of an attempt leads to. The [`attempt`] knows its kind.

mod action;
mod attempt;
mod datagram;
mod fetch;
mod input;
mod kind;
mod random;
mod result;
mod search;
mod smtp;
mod start;
mod step;

use attempt::Attempt;
use random::Random;
use step::{Opening, Step};

use super::cadence::Cadence;
use crate::base::bytes::Short;
use crate::base::time::{Instant, Span};

pub use action::{Action, Actions, Close, Fact, Failure, LONGEST, Transport, Verdict, Weight};
pub use input::{Cause, Ending, Fault, Input, Tls};
pub use kind::Kind;
pub use search::{Find, Pattern, Place};
pub use start::{Memory, Start};

/// The end of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// When.
    pub at: Instant,
    /// How.
    pub result: Result<(), Failure>,
}

/// From SIGTERM to SIGKILL.
pub const GRACE: Span = Span::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// The next attempt is awaited. A transport of datagrams may be there still.
    Idle,
    /// A transport is being opened.
    Opening { until: Instant },
    /// An attempt goes on, or its program runs.
    Talking { until: Instant },
    /// The attempt passed, and the peer's last words are awaited.
    Parting { until: Instant },
    /// The program was asked to end, and is killed then.
    Ending { until: Option<Instant> },
}

/// One check.
#[derive(Debug)]
pub struct Check {
    cadence: Cadence,
    attempt: Attempt,
    random: Random,
    state: State,
    /// When the next attempt is due.
    due: Instant,
    /// A regular attempt is or was due then: the others are whole loops away.
    phase: Instant,
    /// When an attempt was due first that has not run yet.
    wanted: Instant,
    last: Option<Outcome>,
    failures: u32,
    weight: Weight,
    /// What was told last of an attempt that could not run.
    not_run: Option<Cause>,
    up: bool,
    decided: bool,
    proven: bool,
    suspended: bool,
    /// A transport is open.
    open: bool,
    overdue: bool,
}

impl Check {
    /// The patterns of the pages of an HTTP check. Without them a page that has one cannot be checked.
    #[must_use]
    pub fn with_pattern(mut self, pattern: Box<dyn Pattern>) -> Self {
        self.attempt.search(pattern);
        self
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: Input<'_>, out: &mut Actions) {
        match (self.state, input) {
            (_, Input::Suspend) => self.suspend(now, out),
            (_, Input::Resume) => self.resume(now),
            (_, Input::Value(number)) => self.number(now, number, out),
            (_, Input::Session { up }) => self.session(now, up, out),

            (State::Idle, Input::Timer) => self.begin_if_due(now, out),
            // The kernel learned late that the datagram before did not arrive.
            (State::Idle, Input::Failed(fault)) if self.open => {
                let step = self.attempt.failed(fault);
                self.take(now, step, out);
            }
            (State::Idle, Input::NotRun(_)) => self.open = false,

            (State::Opening { .. }, Input::Connected) => {
                let step = self.attempt.connected();
                self.take(now, step, out);
            }
            (State::Opening { until }, Input::Timer) if until <= now => {
                self.take(now, Step::Fail(Failure::NotConnected), out);
            }
            (State::Talking { .. }, Input::Received(octets)) => {
                let step = self.attempt.received(octets);
                self.take(now, step, out);
            }
            (State::Talking { .. }, Input::Closed) => {
                let step = self.attempt.closed();
                self.take(now, step, out);
            }
            (State::Talking { until }, Input::Timer) if until <= now => {
                let step = self.attempt.expired();
                self.take(now, step, out);
            }
            (State::Talking { .. }, Input::Ended(ending)) => self.ended(now, ending, out),
            (State::Opening { .. } | State::Talking { .. }, Input::Failed(fault)) => {
                let step = self.attempt.failed(fault);
                self.take(now, step, out);
            }
            (State::Opening { .. } | State::Talking { .. }, Input::NotRun(cause)) => {
                if self.cadence.fail_on_local_failure && matches!(cause, Cause::Bind | Cause::Interface) {
                    self.fails_here(now, cause, out);
                } else {
                    self.could_not_run(now, cause, out);
                }
            }

            (State::Parting { .. }, Input::Received(_) | Input::Closed | Input::Failed(_)) => self.close(out),
            (State::Parting { .. }, Input::NotRun(_)) => {
                self.open = false;
                self.enter(State::Idle);
            }
            (State::Parting { until }, Input::Timer) if until.min(self.due) <= now => {
                self.close(out);
                self.begin_if_due(now, out);
            }

            (State::Ending { .. }, Input::Ended(_) | Input::NotRun(_)) => {
                self.enter(State::Idle);
                self.begin_if_due(now, out);
            }
            (State::Ending { until: Some(until) }, Input::Timer) if until <= now => {
                push(out, Action::Kill);
                self.enter(State::Ending { until: None });
            }

            // Early timers, and what is left of a transport that is closed.
            (
                State::Idle,
                Input::Connected | Input::Received(_) | Input::Closed | Input::Failed(_) | Input::Ended(_),
            )
            | (State::Opening { .. }, Input::Timer | Input::Received(_) | Input::Closed | Input::Ended(_))
            | (State::Talking { .. }, Input::Timer | Input::Connected)
            | (State::Parting { .. }, Input::Timer | Input::Connected | Input::Ended(_))
            | (
                State::Ending { .. },
                Input::Timer | Input::Connected | Input::Received(_) | Input::Closed | Input::Failed(_),
            ) => {}
        }
    }

    /// When [`Input::Timer`] is wanted.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        match self.state {
            State::Idle => Some(self.due).filter(|_| self.attempt.is_timed() && !self.suspended),
            State::Opening { until } | State::Talking { until } => Some(until),
            State::Parting { until } => Some(until.min(self.due)),
            State::Ending { until } => until,
        }
    }

    /// Ends the check: closes its transport, or ends its program, whose end is not awaited. Nothing is to be told to it
    /// afterwards.
    pub fn stop(&mut self, now: Instant, out: &mut Actions) {
        self.abort(now, out);
        self.suspended = true;
    }

    /// Writes what [`Action::Send`] is to send, always the same until the next input; how long it is. Of what the
    /// transport did not take, the rest is sent later.
    ///
    /// # Errors
    /// [`Short`]: it does not fit, which it always does into [`CHECK_MESSAGE`](crate::base::limit::CHECK_MESSAGE) octets.
    pub fn message(&self, out: &mut [u8]) -> Result<usize, Short> {
        self.attempt.message(out)
    }

    /// The name that a TLS handshake names (SNI), if it is to name one.
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        self.attempt.server_name()
    }

    /// Whether the check counts as passed.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.up
    }

    /// What the server weighs, as far as this check goes.
    #[must_use]
    pub const fn weight(&self) -> Weight {
        self.weight
    }

    /// Whether attempts are suspended.
    #[must_use]
    pub const fn is_suspended(&self) -> bool {
        self.suspended
    }

    /// How the last attempt ended that ran.
    #[must_use]
    pub const fn last(&self) -> Option<Outcome> {
        self.last
    }

    /// Why the last attempt could not run, until one runs.
    #[must_use]
    pub const fn not_run(&self) -> Option<Cause> {
        self.not_run
    }

    /// When the check runs.
    #[must_use]
    pub const fn cadence(&self) -> &Cadence {
        &self.cadence
    }

    fn begin_if_due(&mut self, now: Instant, out: &mut Actions) {
        if self.suspended || now < self.due || !self.attempt.is_timed() {
            return;
        }
        self.tell_if_late(now, out);
        let until = now + self.cadence.timeout;
        match self.attempt.begin(self.open, &mut self.random) {
            Opening::Transport(_) if self.open => {
                let step = self.attempt.connected();
                self.take(now, step, out);
            }
            Opening::Transport(transport) => {
                push(out, Action::Open(transport));
                self.open = true;
                self.enter(State::Opening { until });
            }
            Opening::Program => {
                push(out, Action::Run);
                self.enter(State::Talking { until });
            }
            Opening::NotRun(cause) => self.could_not_run(now, cause, out),
            Opening::Never => {}
        }
    }

    /// Carries out what an attempt says.
    fn take(&mut self, now: Instant, step: Step, out: &mut Actions) {
        let until = now + self.attempt.patience(self.cadence.timeout);
        match step {
            Step::Wait => {}
            Step::Listen => self.enter(State::Talking { until }),
            Step::Send => {
                push(out, Action::Send);
                self.enter(State::Talking { until });
            }
            Step::Pass if self.attempt.keeps() => {
                self.enter(State::Idle);
                self.conclude(now, Ok(self.weight), out);
            }
            Step::Pass => {
                self.close(out);
                self.conclude(now, Ok(self.weight), out);
            }
            Step::Part => {
                push(out, Action::Send);
                self.enter(State::Parting { until });
                self.conclude(now, Ok(self.weight), out);
            }
            Step::Fail(why) if self.open => {
                self.close(out);
                self.conclude(now, Err(why), out);
            }
            Step::Fail(why) => {
                self.end_program(now, out);
                self.conclude(now, Err(why), out);
            }
        }
    }

    fn ended(&mut self, now: Instant, ending: Ending, out: &mut Actions) {
        self.enter(State::Idle);
        let result = self.attempt.ended(ending);
        self.conclude(now, result, out);
    }

    /// A file decides without attempts, and from its first number on.
    fn number(&mut self, now: Instant, number: i64, out: &mut Actions) {
        if let Some(result) = self.attempt.number(number) {
            self.conclude(now, result, out);
        }
    }

    fn session(&mut self, now: Instant, up: bool, out: &mut Actions) {
        if self.attempt.is_session() {
            self.conclude(now, if up { Ok(self.weight) } else { Err(Failure::Session) }, out);
        }
    }

    fn suspend(&mut self, now: Instant, out: &mut Actions) {
        self.abort(now, out);
        self.failures = 0;
        self.suspended = true;
    }

    /// Attempts go on where they would be without the pause.
    fn resume(&mut self, now: Instant) {
        if core::mem::take(&mut self.suspended) {
            self.due = self.next_regular(now);
            self.wanted = self.due;
        }
    }

    /// Gives up what is under way.
    fn abort(&mut self, now: Instant, out: &mut Actions) {
        if self.open {
            self.close(out);
        } else {
            self.end_program(now, out);
        }
    }

    fn close(&mut self, out: &mut Actions) {
        push(out, Action::Close(self.attempt.close()));
        self.open = false;
        self.enter(State::Idle);
    }

    fn end_program(&mut self, now: Instant, out: &mut Actions) {
        if matches!(self.state, State::Talking { .. }) {
            push(out, Action::Terminate);
            self.enter(State::Ending { until: Some(now + GRACE) });
        }
    }

    const fn enter(&mut self, state: State) {
        self.state = state;
    }
}

fn push(out: &mut Actions, action: Action) {
    let full = out.push(action).is_err();
    debug_assert!(!full, "Actions is too small");
}

#[cfg(test)]
mod tests;

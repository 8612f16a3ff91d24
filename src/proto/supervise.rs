//! Supervision of one child process: is it alive, and when is it started again.
//!
//! ```text
//!            Start             Ready, ReloadDone              no answer in time
//!   Absent ---------> Busy ----------------------> Watched ---------------------> (killed)
//!     ^                |  <----------- Reload -------- |                              |
//!     | Died           +----------- Died -------------+<-----------------------------+
//!   Stopping <-- Stop                 |
//!                                     v
//!                           Waiting (0, 1, 2, 4 ... s) ---> started again
//! ```
//!
//! The first death is followed by a new start at once; deaths of children that lived for less than a minute
//! double the pause. A child that starts or reloads is not asked for hellos but has a bound of its own.

use crate::base::time::{Instant, Span};

/// How a child is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Params {
    /// From one hello to the next.
    pub interval: Span,
    /// How long an answer may take before the child counts as hung.
    pub patience: Span,
    /// How long a child may take to end before it is forced to.
    pub stop_wait: Span,
    /// Whether a child that died is started again.
    pub respawn: bool,
}

impl Params {
    /// The parameters for a wanted hello interval, half of the shortest master-down time: at most a second.
    /// Below a tenth of a second a hello would cost more than it tells, since an answer may take a quarter of a
    /// second on a busy machine without anything being wrong.
    #[must_use]
    pub fn new(wanted: Span, stop_wait: Span, respawn: bool) -> Self {
        let interval = wanted.clamp(LEAST_INTERVAL, MOST_INTERVAL);
        Self { interval, patience: (interval * 2).max(LEAST_PATIENCE), stop_wait, respawn }
    }
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The child is wanted.
    Start,
    /// Its start is over.
    Ready,
    /// It answered the hello of this number.
    Answer(u32),
    /// It was given a new configuration.
    Reload,
    /// It has applied or refused that.
    ReloadDone,
    /// It is not wanted any more.
    Stop,
    /// It has ended, whatever the reason.
    Died,
    /// The time of [`Supervisor::poll_at`] has come.
    Timeout,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Fork it.
    Fork,
    /// Send the hello of this number.
    Hello(u32),
    /// Ask it to end.
    AskToStop,
    /// Kill it: it does not answer.
    KillHung,
    /// Kill it: it does not end.
    KillStuck,
    /// It starts again only after this time: clean up what it left.
    Delayed(Span),
    /// It died and is not started again: end everything.
    GiveUp,
    /// It is gone as wished.
    Gone,
}

/// The actions of one input; no input has more than one.
pub type Actions = heapless::Vec<Action, 2>;

/// The supervision of one child.
#[derive(Clone, Debug)]
pub struct Supervisor {
    params: Params,
    state: State,
    number: u32,
    /// The pause before the next start, if the child dies young again.
    pause: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    /// Starting or reloading.
    Busy {
        since: Instant,
        until: Instant,
        reloading: bool,
    },
    /// Between hellos.
    Watched {
        since: Instant,
        hello: Instant,
    },
    /// A hello is out since `asked`.
    Asked {
        since: Instant,
        asked: Instant,
        until: Instant,
        /// The last part of the patience has begun.
        last: bool,
    },
    /// A kill was sent.
    Killed {
        since: Instant,
    },
    Waiting {
        until: Instant,
    },
    Stopping {
        until: Instant,
    },
    /// Forced to end.
    Forced,
}

impl Supervisor {
    /// No child yet.
    #[must_use]
    pub const fn new(params: Params) -> Self {
        Self { params, state: State::Absent, number: 0, pause: Span::ZERO }
    }

    /// Whether no child runs and none will.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        matches!(self.state, State::Absent)
    }

    /// Whether a child is on its way out, or there is none: nothing may be asked of it.
    #[must_use]
    pub const fn is_leaving(&self) -> bool {
        matches!(self.state, State::Absent | State::Stopping { .. } | State::Forced)
    }

    /// Whether a start or a reload is in progress.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self.state, State::Busy { .. })
    }

    /// Whether a child is to be started again later.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub const fn poll_at(&self) -> Option<Instant> {
        match self.state {
            State::Absent | State::Killed { .. } | State::Forced => None,
            State::Busy { until, .. }
            | State::Asked { until, .. }
            | State::Waiting { until }
            | State::Stopping { until } => Some(until),
            State::Watched { hello, .. } => Some(hello),
        }
    }

    /// Takes new parameters; they count from the next hello on.
    pub const fn reconfigure(&mut self, params: Params) {
        self.params = params;
    }

    /// One step.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Actions) {
        let (state, action) = self.step(now, input);
        self.state = state;
        if let Some(action) = action {
            let _ = out.push(action);
        }
    }

    fn step(&mut self, now: Instant, input: Input) -> (State, Option<Action>) {
        use State::{Absent, Asked, Busy, Forced, Killed, Stopping, Waiting, Watched};
        let same = (self.state, None);
        match (self.state, input) {
            (Absent, Input::Start) => {
                self.pause = Span::ZERO;
                Self::start(now)
            }
            (Absent, _) => same,

            (Busy { since, reloading: false, .. }, Input::Ready)
            | (Busy { since, reloading: true, .. }, Input::ReloadDone) => (self.watch(now, since), None),
            (Busy { since, .. } | Watched { since, .. } | Asked { since, .. }, Input::Reload) => {
                (Busy { since, until: now + BUSY_BOUND, reloading: true }, None)
            }
            (Busy { since, until, .. }, Input::Timeout) if now >= until => {
                (Killed { since }, Some(Action::KillHung))
            }
            (
                Busy { .. },
                Input::Ready | Input::Answer(_) | Input::ReloadDone | Input::Timeout | Input::Start,
            ) => same,

            (Watched { since, hello }, Input::Timeout) if now >= hello => {
                self.number = self.number.wrapping_add(1);
                let state = Asked {
                    since,
                    asked: hello,
                    until: now + (self.params.patience - LAST_CHANCE),
                    last: false,
                };
                (state, Some(Action::Hello(self.number)))
            }
            (Watched { .. }, _) if !matches!(input, Input::Died | Input::Stop) => same,

            (Asked { since, asked, .. }, Input::Answer(number)) if number == self.number => {
                let hello = (asked + self.params.interval).max(now);
                (Watched { since, hello }, None)
            }
            (Asked { since, asked, until, last }, Input::Timeout) if now >= until => {
                // A pause of the whole machine takes time from the child that the clock does not show. So the
                // last part of the patience counts from a moment at which we run for sure; and if we are late
                // at its end, it is we who did not run, and it begins anew.
                if last && now.since(until) <= LATE {
                    (Killed { since }, Some(Action::KillHung))
                } else {
                    (Asked { since, asked, until: now + LAST_CHANCE, last: true }, None)
                }
            }
            (Asked { .. }, _) if !matches!(input, Input::Died | Input::Stop) => same,

            (
                Busy { since, .. } | Watched { since, .. } | Asked { since, .. } | Killed { since },
                Input::Died,
            ) => self.died(now, since),
            (Busy { .. } | Watched { .. } | Asked { .. }, Input::Stop) => {
                (Stopping { until: now + self.params.stop_wait }, Some(Action::AskToStop))
            }
            (Killed { .. }, Input::Stop) => (Forced, None),
            (Watched { .. } | Asked { .. } | Killed { .. }, _) => same,

            (Waiting { until }, Input::Timeout) if now >= until => Self::start(now),
            (Waiting { .. }, Input::Stop) => (Absent, Some(Action::Gone)),
            (Waiting { .. }, _) => same,

            (Stopping { until }, Input::Timeout) if now >= until => (Forced, Some(Action::KillStuck)),
            (Stopping { .. } | Forced, Input::Died) => (Absent, Some(Action::Gone)),
            (Stopping { .. } | Forced, _) => same,
        }
    }

    const fn start(now: Instant) -> (State, Option<Action>) {
        let until = Instant::from_micros(now.as_micros().saturating_add(BUSY_BOUND.as_micros()));
        (State::Busy { since: now, until, reloading: false }, Some(Action::Fork))
    }

    fn watch(&self, now: Instant, since: Instant) -> State {
        State::Watched { since, hello: now + self.params.interval }
    }

    fn died(&mut self, now: Instant, since: Instant) -> (State, Option<Action>) {
        if !self.params.respawn {
            return (State::Absent, Some(Action::GiveUp));
        }
        if now.since(since) >= GROWN_UP {
            self.pause = Span::ZERO;
        }
        let pause = self.pause;
        self.pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        if pause.is_zero() {
            return Self::start(now);
        }
        (State::Waiting { until: now + pause }, Some(Action::Delayed(pause)))
    }
}

const LEAST_INTERVAL: Span = Span::from_millis(100);
const MOST_INTERVAL: Span = Span::from_secs(1);
const LEAST_PATIENCE: Span = Span::from_millis(250);
/// What a child is given at the end of its patience in any case.
const LAST_CHANCE: Span = Span::from_millis(100);
/// A timeout that is told later than this shows that the parent itself did not run.
const LATE: Span = Span::from_millis(50);
/// A start or a reload of the largest configuration takes seconds on a small router.
const BUSY_BOUND: Span = Span::from_secs(60);
/// A child that lived this long is not in a loop of deaths.
const GROWN_UP: Span = Span::from_secs(60);
const FIRST_PAUSE: Span = Span::from_secs(1);
/// Longer would only keep an address without a router.
const LONGEST_PAUSE: Span = Span::from_secs(64);

#[cfg(test)]
mod tests;

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
//! The first death is followed by a new start at once, and so is that of a child that is replaced on purpose; deaths of
//! children that lived for less than a minute double the pause. A child that starts or reloads is not asked for hellos but
//! has a bound of its own; one that stops is given more time as long as it answers. Patience counts only while the child
//! could have answered: not while it waited for a processor.

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
    /// It is killed now, because another one is to take its place.
    Replace,
    /// It is not wanted any more.
    Stop,
    /// It has ended, whatever the reason.
    Died,
    /// The time of [`Supervisor::poll_at`] has come.
    Timeout,
    /// For so long of the last part of its patience the child could not have answered. Told before the timeout.
    HeldUp(Span),
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
        /// It has just started or reloaded, and everything it is for begins now.
        fresh: bool,
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
    /// Killed on purpose: the next one begins at once, however young this one was.
    Replaced,
    Waiting {
        until: Instant,
    },
    Stopping {
        /// It is forced to end then, unless it answers.
        until: Instant,
        hello: Instant,
        /// Whatever it answers.
        bound: Instant,
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

    /// Whether a start or a reload is in progress, or will be at once.
    #[must_use]
    pub const fn is_busy(&self) -> bool {
        matches!(self.state, State::Busy { .. } | State::Replaced)
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
            State::Absent | State::Killed { .. } | State::Replaced | State::Forced => None,
            State::Busy { until, .. } | State::Asked { until, .. } | State::Waiting { until } => Some(until),
            State::Stopping { until, hello, .. } if until.as_micros() < hello.as_micros() => Some(until),
            State::Watched { hello, .. } | State::Stopping { hello, .. } => Some(hello),
        }
    }

    /// Whether a hello is out that was not answered.
    #[must_use]
    pub const fn is_asked(&self) -> bool {
        matches!(self.state, State::Asked { .. })
    }

    /// Whether the last part of a child's patience is under way: what holds it up now is to be told by
    /// [`Input::HeldUp`].
    #[must_use]
    pub const fn is_judging(&self) -> bool {
        matches!(self.state, State::Asked { last: true, .. })
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
        use State::{Absent, Asked, Busy, Forced, Killed, Replaced, Stopping, Waiting, Watched};
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
            (Busy { .. } | Watched { .. } | Asked { .. } | Killed { .. }, Input::Replace) => (Replaced, None),
            (Replaced, Input::Died) => Self::start(now),
            (Replaced | Killed { .. }, Input::Stop) => (Forced, None),
            (Replaced, _) => same,

            (
                Busy { .. },
                Input::Ready
                | Input::Answer(_)
                | Input::ReloadDone
                | Input::Timeout
                | Input::HeldUp(_)
                | Input::Start,
            ) => same,

            (Watched { since, hello, fresh }, Input::Timeout) if now >= hello => {
                let patience = self.params.patience.max(if fresh { FIRST_PATIENCE } else { Span::ZERO });
                let state = Asked { since, asked: hello, until: now + (patience - LAST_CHANCE), last: false };
                (state, Some(self.hello()))
            }
            (Watched { .. }, _) if !matches!(input, Input::Died | Input::Stop) => same,

            (Asked { since, asked, .. }, Input::Answer(number)) if number == self.number => {
                let hello = (asked + self.params.interval).max(now);
                (Watched { since, hello, fresh: false }, None)
            }
            (Asked { since, asked, until, last: true }, Input::HeldUp(span)) if span > LEAST_HOLD_UP => {
                (Asked { since, asked, until: until.max(now) + span, last: true }, None)
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
                let state = Stopping {
                    until: now + self.params.stop_wait,
                    hello: now + self.params.interval,
                    bound: now + STOP_BOUND.max(self.params.stop_wait),
                };
                (state, Some(Action::AskToStop))
            }
            (Watched { .. } | Asked { .. } | Killed { .. }, _) => same,

            (Waiting { until }, Input::Timeout) if now >= until => Self::start(now),
            (Waiting { .. }, Input::Stop) => (Absent, Some(Action::Gone)),
            (Waiting { .. }, _) => same,

            (Stopping { until, .. }, Input::Timeout) if now >= until => (Forced, Some(Action::KillStuck)),
            (Stopping { until, hello, bound }, Input::Timeout) if now >= hello => {
                let state = Stopping { until, hello: now + self.params.interval, bound };
                (state, Some(self.hello()))
            }
            // It is at work: thousands of addresses take their time.
            (Stopping { hello, bound, .. }, Input::Answer(number)) if number == self.number => {
                (Stopping { until: (now + self.params.stop_wait).min(bound), hello, bound }, None)
            }
            (Stopping { .. } | Forced, Input::Died) => (Absent, Some(Action::Gone)),
            (Stopping { .. } | Forced, _) => same,
        }
    }

    const fn start(now: Instant) -> (State, Option<Action>) {
        let until = Instant::from_micros(now.as_micros().saturating_add(BUSY_BOUND.as_micros()));
        (State::Busy { since: now, until, reloading: false }, Some(Action::Fork))
    }

    fn watch(&self, now: Instant, since: Instant) -> State {
        State::Watched { since, hello: now + self.params.interval, fresh: true }
    }

    const fn hello(&mut self) -> Action {
        self.number = self.number.wrapping_add(1);
        Action::Hello(self.number)
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
/// What a child is given at least for the first answer after a start or a reload: all that it is for begins then.
const FIRST_PATIENCE: Span = Span::from_secs(1);
/// A child that was held up for less than this had time enough to answer; the kernel counts in hundredths of a second.
const LEAST_HOLD_UP: Span = Span::from_millis(30);
/// How long a child that answers may take to take everything away.
const STOP_BOUND: Span = Span::from_secs(300);
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

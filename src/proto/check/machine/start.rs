//! What a check begins with, and what its successor goes on with.

use super::action::Weight;
use super::attempt::Attempt;
use super::kind::Kind;
use super::random::Random;
use super::{Check, State};
use crate::base::time::{Instant, Span};
use crate::proto::check::cadence::Cadence;

/// What a check begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The daemon starts: the server counts as up, without `alpha`, until the first attempt says otherwise. The attempt
    /// comes at a random moment within `warmup`.
    Fresh,
    /// A reload brought the check to a server that is up: the check counts as passed, and even its first failure is
    /// followed by retries. The attempt comes at a random moment within `warmup`.
    Trusted,
    /// A reload brought the check to a server that is down: the check counts as failed, and its first attempt comes at
    /// once.
    Failed,
    /// What another check of the same definition was told by its [`Check::memory`], in this process or in the one before.
    Known(Memory),
}

/// What a successor goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// The check counts as passed.
    pub up: bool,
    /// An attempt has ended with a result.
    pub decided: bool,
    /// An attempt has passed, so that failures are followed by retries.
    pub proven: bool,
    /// Attempts in a row that have failed while the check counts as passed.
    pub failures: u32,
    /// When the next attempt is due.
    pub due: Instant,
    /// What the check makes of the weight of its server.
    pub weight: Weight,
}

impl Check {
    /// A check that has not run. `seed` is to be different for each check and unknown to others.
    #[must_use]
    pub fn new(now: Instant, cadence: Cadence, kind: Kind, start: Start, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let warm = moment(now + part(cadence.warmup, random.next()), cadence.delay_loop).max(now);
        let fresh = Memory {
            up: !cadence.alpha,
            decided: false,
            proven: false,
            failures: 0,
            due: warm,
            weight: Weight::Configured,
        };
        let memory = match start {
            Start::Fresh => fresh,
            Start::Trusted => Memory { up: true, proven: true, ..fresh },
            Start::Failed => Memory { up: false, proven: true, due: now, ..fresh },
            // A time of nobody's does not count.
            Start::Known(memory) => Memory { due: memory.due.clamp(now, now + cadence.delay_loop), ..memory },
        };
        let Memory { up, decided, proven, failures, due, weight } = memory;
        let mut attempt = Attempt::new(kind);
        if !up {
            attempt.fallen(proven && matches!(start, Start::Known(_)));
        }
        Self {
            cadence,
            attempt,
            random,
            state: State::Idle,
            due,
            phase: due,
            wanted: due,
            last: None,
            failures,
            weight,
            not_run: None,
            up,
            decided,
            proven,
            suspended: false,
            open: false,
            overdue: false,
        }
    }

    /// What a successor goes on with.
    #[must_use]
    pub const fn memory(&self) -> Memory {
        let Self { up, decided, proven, failures, due, weight, .. } = *self;
        Memory { up, decided, proven, failures, due, weight }
    }
}

/// The moment at which an attempt begins that could begin at any time. To wake up costs a process more than a check does:
/// those of one moment share it. The moments of all loops that are whole seconds are the same ones.
fn moment(at: Instant, delay_loop: Span) -> Instant {
    let distance = (delay_loop / MOMENTS).min(MOMENT).as_micros().max(1);
    let over = at.as_micros().checked_rem(distance).unwrap_or(0);
    at - Span::from_micros(over)
}

/// Moments of a loop at least: checks are spread over so many of them.
const MOMENTS: u64 = 50;
/// The longest distance between two moments: at 2,000 checks a second 40 begin together, which takes less than a
/// millisecond.
const MOMENT: Span = Span::from_millis(20);

/// A part of a span: none for the smallest number, all of it for the largest.
fn part(span: Span, number: u64) -> Span {
    let scaled = (u128::from(span.as_micros()) * u128::from(number)) >> 64;
    Span::from_micros(u64::try_from(scaled).unwrap_or(u64::MAX))
}

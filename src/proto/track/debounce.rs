//! How long a change of an interface has to last before it counts (`interface_up_down_delays`).
//!
//! A change that is undone within its delay never was. One that came about in another way than by going up or down,
//! because the interface itself came or went, counts at once.

use crate::base::time::{Instant, Span};

/// How long a change has to last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delays {
    /// Before it counts as down.
    pub down: Span,
    /// Before it counts as up.
    pub up: Span,
}

/// What can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DebounceInput {
    /// The interface is up now, or down; it may have been before.
    Is {
        /// Up.
        up: bool,
    },
    /// The interface came or went: this counts at once.
    Became {
        /// Up.
        up: bool,
    },
    /// The time that `poll_at` named may have come.
    Timeout,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Debounced {
    /// Nothing.
    Nothing,
    /// It counts as up, or as down, from now on.
    Counts {
        /// Up.
        up: bool,
    },
    /// It will, unless it is undone within this time.
    Waits(Span),
}

/// An interface with delays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debounce {
    delays: Delays,
    /// What it counts as.
    up: bool,
    /// Since when it has been otherwise.
    since: Option<Instant>,
}

impl Debounce {
    /// One that counts as what it is.
    #[must_use]
    pub const fn new(delays: Delays, up: bool) -> Self {
        Self { delays, up, since: None }
    }

    /// One that goes on where a predecessor was.
    #[must_use]
    pub const fn resume(delays: Delays, up: bool, since: Option<Instant>) -> Self {
        Self { delays, up, since }
    }

    /// Since when it has been otherwise than it counts.
    #[must_use]
    pub const fn since(&self) -> Option<Instant> {
        self.since
    }

    /// How long changes have to last.
    #[must_use]
    pub const fn delays(&self) -> Delays {
        self.delays
    }

    /// What it counts as.
    #[must_use]
    pub const fn up(&self) -> bool {
        self.up
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: DebounceInput) -> Debounced {
        match input {
            DebounceInput::Is { up } if up == self.up => {
                self.since = None;
                Debounced::Nothing
            }
            DebounceInput::Is { .. } if self.since.is_some() => Debounced::Nothing,
            DebounceInput::Is { up } if self.delay(up).is_zero() => self.count(up),
            DebounceInput::Is { up } => {
                self.since = Some(now);
                Debounced::Waits(self.delay(up))
            }
            DebounceInput::Became { up } => self.count(up),
            DebounceInput::Timeout if self.poll_at().is_some_and(|at| at <= now) => self.count(!self.up),
            DebounceInput::Timeout => Debounced::Nothing,
        }
    }

    /// When [`DebounceInput::Timeout`] is wanted.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        self.since.map(|since| since + self.delay(!self.up))
    }

    /// New delays after a reload. A change that waits goes on waiting, from when it began.
    pub fn reconfigure(&mut self, now: Instant, delays: Delays) -> Debounced {
        self.delays = delays;
        self.handle(now, DebounceInput::Timeout)
    }

    const fn delay(&self, up: bool) -> Span {
        if up { self.delays.up } else { self.delays.down }
    }

    fn count(&mut self, up: bool) -> Debounced {
        self.since = None;
        if core::mem::replace(&mut self.up, up) == up {
            return Debounced::Nothing;
        }
        Debounced::Counts { up }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use DebounceInput::{Became, Is, Timeout};
    use Debounced::{Counts, Nothing, Waits};

    const DELAYS: Delays = Delays { down: Span::from_secs(2), up: Span::from_secs(1) };

    fn at(millis: u64) -> Instant {
        Instant::START + Span::from_millis(millis)
    }

    #[test]
    fn a_change_counts_when_it_has_lasted() {
        let mut link = Debounce::new(DELAYS, true);
        assert_eq!(link.handle(at(0), Is { up: true }), Nothing);
        assert_eq!(link.poll_at(), None);
        assert_eq!(link.handle(at(100), Is { up: false }), Waits(DELAYS.down));
        assert_eq!(link.handle(at(200), Is { up: false }), Nothing, "it began before");
        assert!(link.up());
        assert_eq!(link.poll_at(), Some(at(2_100)));
        assert_eq!(link.handle(at(2_099), Timeout), Nothing);
        assert_eq!(link.handle(at(2_100), Timeout), Counts { up: false });
        assert_eq!((link.up(), link.poll_at()), (false, None));
        assert_eq!(link.handle(at(3_000), Is { up: true }), Waits(DELAYS.up));
        assert_eq!(link.handle(at(4_000), Timeout), Counts { up: true });
        assert_eq!(link.handle(at(5_000), Timeout), Nothing);
    }

    #[test]
    fn a_change_that_is_undone_never_was() {
        let mut link = Debounce::new(DELAYS, true);
        for round in 0..5 {
            let begin = round * 1_000;
            assert_eq!(link.handle(at(begin), Is { up: false }), Waits(DELAYS.down));
            assert_eq!(link.handle(at(begin + 900), Is { up: true }), Nothing);
            assert_eq!(link.poll_at(), None);
        }
        assert_eq!(link.handle(at(9_000), Timeout), Nothing);
        assert!(link.up());
    }

    #[test]
    fn an_interface_that_comes_or_goes_counts_at_once() {
        let mut link = Debounce::new(DELAYS, true);
        link.handle(at(0), Is { up: false });
        assert_eq!(link.handle(at(1), Became { up: false }), Counts { up: false });
        assert_eq!(link.poll_at(), None);
        assert_eq!(link.handle(at(2), Became { up: false }), Nothing);
        assert_eq!(link.handle(at(3), Became { up: true }), Counts { up: true });
    }

    #[test]
    fn without_a_delay_it_counts_at_once() {
        let mut link = Debounce::new(Delays { down: DELAYS.down, up: Span::ZERO }, false);
        assert_eq!(link.handle(at(0), Is { up: true }), Counts { up: true });
        assert_eq!(link.handle(at(0), Is { up: false }), Waits(DELAYS.down));
    }

    #[test]
    fn new_delays_are_reckoned_from_when_the_change_began() {
        let mut link = Debounce::new(DELAYS, true);
        link.handle(at(0), Is { up: false });
        let longer = Delays { down: Span::from_secs(5), ..DELAYS };
        assert_eq!(link.reconfigure(at(1_500), longer), Nothing);
        assert_eq!(link.poll_at(), Some(at(5_000)));
        assert_eq!(link.reconfigure(at(2_500), DELAYS), Counts { up: false });
        link.handle(at(3_000), Is { up: true });
        assert_eq!(link.reconfigure(at(3_001), Delays::default()), Counts { up: true }, "none at all");
    }
}

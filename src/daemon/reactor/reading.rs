//! How much comes in: whether the loop can wait a moment, so that more is read at once.
//!
//! A wake-up costs more than an advert, and each socket is read by a call of its own. Where adverts come in all the
//! time they are left in their sockets for a moment. What comes alone is read at once.

use crate::base::time::{Instant, Span};

/// What came in lately.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reading {
    length: Span,
    since: Instant,
    /// Readings since then.
    readings: u32,
    /// The moment before this one had many.
    busy: bool,
}

impl Reading {
    /// Nothing has come in.
    pub(super) const fn new(length: Span) -> Self {
        Self { length, since: Instant::START, readings: 0, busy: false }
    }

    /// Something is read.
    pub(super) const fn note(&mut self) {
        self.readings = self.readings.saturating_add(1);
    }

    /// Until when to let more come in; none: wait for the next thing, however soon it comes.
    pub(super) fn rest(&mut self, now: Instant) -> Option<Instant> {
        let many = self.readings > READINGS_ALONE;
        if now.since(self.since) >= self.length {
            // The pause itself ends a moment: only what came after a whole one more tells of silence.
            self.busy = many && now.since(self.since) < self.length * 2;
            self.since = now;
            self.readings = 0;
        } else {
            self.busy |= many;
        }
        self.busy.then(|| self.since + self.length)
    }
}

/// Readings of one moment that wait for nobody.
const READINGS_ALONE: u32 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    const LENGTH: Span = Span::from_millis(2);

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn what_comes_alone_waits_for_nobody() {
        let mut reading = Reading::new(LENGTH);
        for turn in 1..100 {
            reading.note();
            assert_eq!(reading.rest(at(turn * 700)), None);
        }
    }

    #[test]
    fn what_comes_all_the_time_is_read_once_a_moment() {
        let mut reading = Reading::new(LENGTH);
        assert_eq!(reading.rest(at(10_000)), None);
        (0..16).for_each(|_| reading.note());
        assert_eq!(reading.rest(at(10_400)), Some(at(12_000)));
        for turn in 0..10 {
            (0..16).for_each(|_| reading.note());
            let now = 12_000 + turn * 2_050;
            assert_eq!(reading.rest(at(now)), Some(at(now + 2_000)), "turn {turn}");
        }
        reading.note();
        assert_eq!(reading.rest(at(34_000)), None, "it has become quiet");
    }

    #[test]
    fn a_burst_after_a_silence_is_read_at_once() {
        let mut reading = Reading::new(LENGTH);
        for burst in 1..10 {
            (0..16).for_each(|_| reading.note());
            assert_eq!(reading.rest(at(burst * 50_000)), None);
        }
    }
}

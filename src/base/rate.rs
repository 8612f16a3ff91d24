//! A budget for what a peer can trigger: log lines, mostly.
//!
//! A token bucket on the caller's clock. What is refused is counted, and the count is handed out with the
//! next line that passes, so that nothing disappears unseen.

use super::time::{Instant, Span};

/// At most `burst` events at once and one more each `refill`.
#[derive(Clone, Debug)]
pub struct Budget {
    burst: u16,
    tokens: u16,
    /// Microseconds.
    refill: u32,
    suppressed: u32,
    last: Instant,
}

impl Budget {
    /// A full budget.
    #[must_use]
    pub const fn new(burst: u16, refill: Span) -> Self {
        // More than 71 minutes counts as that.
        let refill = refill.as_micros().to_le_bytes();
        let refill = match refill {
            [a, b, c, d, 0, 0, 0, 0] => u32::from_le_bytes([a, b, c, d]),
            _ => u32::MAX,
        };
        Self { burst, tokens: burst, refill, last: Instant::START, suppressed: 0 }
    }

    /// Asks for one event. `Some(n)`: go ahead, `n` events were refused since the last one that passed.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        let earned = match u64::from(self.refill) {
            0 => u64::MAX,
            refill => now.since(self.last).as_micros() / refill,
        };
        if earned > 0 {
            let room = u64::from(self.burst - self.tokens);
            if earned >= room {
                self.tokens = self.burst;
                self.last = now;
            } else {
                self.tokens += u16::try_from(earned).unwrap_or(self.burst);
                self.last += Span::from_micros(u64::from(self.refill)) * earned;
            }
        }
        if self.tokens == 0 {
            self.suppressed = self.suppressed.saturating_add(1);
            return None;
        }
        self.tokens -= 1;
        Some(u64::from(core::mem::take(&mut self.suppressed)))
    }

    /// Events refused since the last one that passed.
    #[must_use]
    pub fn suppressed(&self) -> u64 {
        u64::from(self.suppressed)
    }
}

/// A budget that counts nothing and keeps one point in time: each virtual address has one. Its size is said at each
/// use, always the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allowance(Instant);

impl Allowance {
    /// Asks for one event of at most `burst` at once and one more each `refill`; whether it may be.
    pub fn take(&mut self, now: Instant, burst: u16, refill: Span) -> bool {
        // The point when all would have been earned again moves on by one refill an event.
        let whole = self.0.max(now);
        let granted = whole.since(now) + refill <= refill * u64::from(burst);
        if granted {
            self.0 = whole + refill;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_allowance_is_a_budget_that_does_not_count() {
        let refill = Span::from_secs(2);
        let (mut budget, mut allowance) = (Budget::new(5, refill), Allowance::default());
        let mut seed = 1_u64;
        let mut now = Instant::START + Span::from_secs(100);
        for _ in 0..10_000 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            now += Span::from_millis(seed >> 52);
            assert_eq!(allowance.take(now, 5, refill), budget.take(now).is_some(), "{now}");
        }
    }

    #[test]
    fn refuses_past_the_burst_and_tells_how_many() {
        let mut budget = Budget::new(2, Span::from_secs(1));
        let at = |secs| Instant::START + Span::from_secs(secs);
        assert_eq!(budget.take(at(10)), Some(0));
        assert_eq!(budget.take(at(10)), Some(0));
        assert_eq!(budget.take(at(10)), None);
        assert_eq!(budget.take(at(10)), None);
        assert_eq!(budget.take(at(11)), Some(2));
        assert_eq!(budget.take(at(11)), None);
        assert_eq!(budget.take(at(100)), Some(1));
        assert_eq!(budget.take(at(100)), Some(0));
        assert_eq!(budget.take(at(100)), None);
    }

    #[test]
    fn a_clock_that_stands_still_or_jumps_is_harmless() {
        let mut budget = Budget::new(1, Span::ZERO);
        assert_eq!(budget.take(Instant::START), Some(0));
        assert_eq!(budget.take(Instant::from_micros(u64::MAX)), Some(0));
        assert_eq!(budget.take(Instant::START), Some(0));
    }
}

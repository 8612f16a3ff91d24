//! When which address is announced: bursts, the second burst, and the refresh.
//!
//! A burst is so many rounds over all addresses: every address is announced once before any is repeated. The
//! caller takes frames one by one and may put the rest off, so that no burst holds up anybody's advert.

use super::action::Burst;
use super::params::GarpParams;
use crate::base::time::{Instant, Span};

/// The announcements of one instance.
#[derive(Clone, Debug, Default)]
pub struct Garp {
    /// Addresses in a round.
    count: u16,
    /// The address to announce next.
    cursor: u16,
    /// Rounds left of the burst under way, the current one included.
    rounds: u32,
    /// It is in its first round.
    opening: bool,
    /// When the next frame of the burst under way may leave.
    next: Option<Instant>,
    /// When the delayed second burst begins.
    second: Option<Instant>,
    /// Rounds of the second burst.
    second_rounds: u32,
    /// Whether the second burst starts the refresh.
    second_refreshes: bool,
    refresh: Option<Instant>,
}

impl Garp {
    /// Starts a burst over `count` addresses.
    pub fn begin(&mut self, now: Instant, burst: Burst, count: u16, params: &GarpParams) {
        let (repeat, delay) = match burst {
            Burst::Master => (params.repeat, params.delay),
            Burst::LowerPriority => (params.lower_prio_repeat, params.lower_prio_delay),
        };
        if count == 0 || repeat == 0 {
            return;
        }
        self.count = count;
        self.run(now, repeat);
        if !delay.is_zero() {
            self.second_refreshes |= burst == Burst::Master;
            self.second = Some(now + delay);
            self.second_rounds = repeat;
        } else if burst == Burst::Master {
            self.arm_refresh(now, params.refresh);
        }
    }

    /// No more announcements: the addresses are gone.
    pub fn stop(&mut self) {
        *self = Self::default();
    }

    /// When [`Garp::due`] has something.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        [self.next, self.second, self.refresh].into_iter().flatten().min()
    }

    /// Whether the burst under way is in its first round.
    #[must_use]
    pub const fn opens(&self) -> bool {
        self.opening
    }

    /// The position of the address to announce now, if one is due. It stays due until [`Garp::advance`].
    pub fn due(&mut self, now: Instant, params: &GarpParams) -> Option<u16> {
        self.begin_due(now, params);
        self.next.is_some_and(|at| at <= now).then_some(self.cursor)
    }

    /// The address that was due has been announced.
    pub fn advance(&mut self) {
        self.cursor = self.cursor.saturating_add(1);
        if self.cursor >= self.count {
            self.cursor = 0;
            self.opening = false;
            self.rounds = self.rounds.saturating_sub(1);
            if self.rounds == 0 {
                self.next = None;
            }
        }
    }

    /// Puts what is left of the burst under way off: to let others pass, or for the spacing of an interface.
    pub fn put_off(&mut self, until: Instant) {
        if let Some(next) = &mut self.next {
            *next = until.max(*next);
        }
    }

    /// Another number of addresses after a reload; rounds under way go on with it.
    pub fn resize(&mut self, count: u16) {
        self.count = count;
        if self.cursor >= count {
            self.cursor = 0;
        }
        if count == 0 {
            self.stop();
        }
    }

    fn begin_due(&mut self, now: Instant, params: &GarpParams) {
        if let Some(at) = self.second
            && at <= now
        {
            self.second = None;
            self.run(now, self.second_rounds);
            if core::mem::take(&mut self.second_refreshes) {
                self.arm_refresh(at, params.refresh);
            }
        }
        if let Some(at) = self.refresh
            && at <= now
        {
            self.run(now, params.refresh_repeat);
            // After a pause there is nothing to catch up.
            let next = at + params.refresh;
            self.arm_refresh(if next <= now { now } else { at }, params.refresh);
        }
    }

    /// Starts rounds, or lengthens those under way.
    fn run(&mut self, now: Instant, rounds: u32) {
        if self.next.is_none() {
            self.cursor = 0;
            self.opening = true;
            self.next = Some(now);
        }
        self.rounds = self.rounds.max(rounds);
    }

    fn arm_refresh(&mut self, from: Instant, refresh: Span) {
        self.refresh = (!refresh.is_zero()).then(|| from + refresh);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: u64) -> Instant {
        Instant::START + Span::from_secs(secs)
    }

    fn take(garp: &mut Garp, now: Instant, params: &GarpParams) -> Option<u16> {
        let due = garp.due(now, params);
        if due.is_some() {
            garp.advance();
        }
        due
    }

    /// Takes all that is due at `now`.
    fn drain(garp: &mut Garp, now: Instant, params: &GarpParams) -> Vec<u16> {
        std::iter::from_fn(|| take(garp, now, params)).take(1_000).collect()
    }

    #[test]
    fn five_rounds_then_five_more_then_nothing() {
        let (mut garp, params) = (Garp::default(), GarpParams::default());
        garp.begin(at(10), Burst::Master, 2, &params);
        assert_eq!(garp.poll_at(), Some(at(10)));
        assert_eq!(drain(&mut garp, at(10), &params), [0, 1].repeat(5));
        assert_eq!(garp.poll_at(), Some(at(15)));
        assert_eq!(drain(&mut garp, at(14), &params), []);
        assert_eq!(drain(&mut garp, at(15), &params), [0, 1].repeat(5));
        assert_eq!(garp.poll_at(), None);
    }

    #[test]
    fn every_address_once_before_any_again_even_if_put_off() {
        let (mut garp, params) =
            (Garp::default(), GarpParams { repeat: 2, delay: Span::ZERO, ..GarpParams::default() });
        garp.begin(at(1), Burst::Master, 3, &params);
        assert_eq!(take(&mut garp, at(1), &params), Some(0));
        assert!(garp.opens());
        garp.put_off(at(2));
        assert_eq!(take(&mut garp, at(1), &params), None);
        assert_eq!(garp.poll_at(), Some(at(2)));
        assert_eq!([take(&mut garp, at(2), &params), take(&mut garp, at(2), &params)], [Some(1), Some(2)]);
        assert!(!garp.opens(), "the second round repeats");
        assert_eq!(drain(&mut garp, at(2), &params), [0, 1, 2]);
    }

    #[test]
    fn the_refresh_counts_from_the_delayed_burst() {
        let params = GarpParams {
            repeat: 1,
            refresh: Span::from_secs(30),
            refresh_repeat: 2,
            ..GarpParams::default()
        };
        let mut garp = Garp::default();
        garp.begin(at(0), Burst::Master, 1, &params);
        assert_eq!(drain(&mut garp, at(0), &params).len(), 1);
        assert_eq!(drain(&mut garp, at(5), &params).len(), 1);
        assert_eq!(garp.poll_at(), Some(at(35)));
        assert_eq!(drain(&mut garp, at(35), &params).len(), 2);
        assert_eq!(garp.poll_at(), Some(at(65)));
        assert_eq!(drain(&mut garp, at(1_000), &params).len(), 2, "a pause is not caught up");
        assert_eq!(garp.poll_at(), Some(at(1_030)));
    }

    #[test]
    fn a_lower_priority_burst_lengthens_the_one_under_way() {
        let params = GarpParams { repeat: 1, lower_prio_repeat: 3, ..GarpParams::default() };
        let mut garp = Garp::default();
        garp.begin(at(0), Burst::Master, 1, &params);
        garp.begin(at(0), Burst::LowerPriority, 1, &params);
        assert_eq!(drain(&mut garp, at(0), &params).len(), 3);
        let none = GarpParams { lower_prio_repeat: 0, ..params };
        garp.begin(at(1), Burst::LowerPriority, 1, &none);
        assert_eq!(drain(&mut garp, at(1), &none), []);
    }

    #[test]
    fn stopping_and_emptying_end_everything() {
        let (mut garp, params) = (Garp::default(), GarpParams::default());
        garp.begin(at(0), Burst::Master, 2, &params);
        garp.stop();
        assert_eq!((garp.poll_at(), take(&mut garp, at(9), &params)), (None, None));
        garp.begin(at(0), Burst::Master, 0, &params);
        assert_eq!(garp.poll_at(), None);
        garp.begin(at(0), Burst::Master, 4, &params);
        assert_eq!(take(&mut garp, at(0), &params), Some(0));
        assert_eq!(take(&mut garp, at(0), &params), Some(1));
        garp.resize(1);
        assert_eq!(take(&mut garp, at(0), &params), Some(0));
    }
}

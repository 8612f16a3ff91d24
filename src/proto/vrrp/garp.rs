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
    /// The address to announce next.
    cursor: u16,
    /// Rounds left of the burst under way, the current one included.
    rounds: u32,
    /// It is in its first round.
    opening: bool,
    /// When the next frame of the burst under way may leave.
    next: Option<Instant>,
    /// When the delayed second burst of a MASTER begins, and that after an advert of lower priority: one does not stand in
    /// for the other, which may be longer, or sooner.
    second: [Option<Instant>; 2],
    refresh: Option<Instant>,
}

impl Garp {
    /// Starts a burst over `count` addresses.
    pub fn begin(&mut self, now: Instant, burst: Burst, count: u16, params: &GarpParams) {
        let [master, lower] = &mut self.second;
        let (repeat, delay, second) = match burst {
            Burst::Master => (params.repeat, params.delay, master),
            Burst::LowerPriority => (params.lower_prio_repeat, params.lower_prio_delay, lower),
        };
        if count == 0 || repeat == 0 {
            return;
        }
        if !delay.is_zero() {
            *second = Some(now + delay);
        } else if burst == Burst::Master {
            self.arm_refresh(now, params.refresh);
        }
        self.run(now, repeat);
    }

    /// No more announcements: the addresses are gone.
    pub fn stop(&mut self) {
        *self = Self::default();
    }

    /// When [`Garp::due`] has something.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        let [master, lower] = self.second;
        [self.next, master, lower, self.refresh].into_iter().flatten().min()
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

    /// The address that was due, one of `count`, has been announced.
    pub const fn advance(&mut self, count: u16) {
        self.cursor = self.cursor.saturating_add(1);
        if self.cursor >= count {
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
        if self.cursor >= count {
            self.cursor = 0;
        }
        if count == 0 {
            self.stop();
        }
    }

    fn begin_due(&mut self, now: Instant, params: &GarpParams) {
        let [master, lower] = self.second.each_mut().map(|second| second.take_if(|at| *at <= now));
        if let Some(at) = master {
            self.run(now, params.repeat);
            self.arm_refresh(at, params.refresh);
        }
        if lower.is_some() {
            self.run(now, params.lower_prio_repeat);
        }
        if let Some(at) = self.refresh.take_if(|at| *at <= now) {
            self.run(now, params.refresh_repeat);
            // After a pause there is nothing to catch up.
            let next = at + params.refresh;
            self.arm_refresh(if next <= now { now } else { at }, params.refresh);
        }
    }

    /// Starts rounds, or lengthens those under way.
    fn run(&mut self, now: Instant, rounds: u32) {
        if rounds == 0 {
            // A reload has taken away what this burst was to be.
            return;
        }
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

    fn take(garp: &mut Garp, count: u16, now: Instant, params: &GarpParams) -> Option<u16> {
        let due = garp.due(now, params);
        if due.is_some() {
            garp.advance(count);
        }
        due
    }

    /// Takes all that is due at `now`.
    fn drain(garp: &mut Garp, count: u16, now: Instant, params: &GarpParams) -> Vec<u16> {
        std::iter::from_fn(|| take(garp, count, now, params)).take(1_000).collect()
    }

    #[test]
    fn five_rounds_then_five_more_then_nothing() {
        let (mut garp, params) = (Garp::default(), GarpParams::default());
        garp.begin(at(10), Burst::Master, 2, &params);
        assert_eq!(garp.poll_at(), Some(at(10)));
        assert_eq!(drain(&mut garp, 2, at(10), &params), [0, 1].repeat(5));
        assert_eq!(garp.poll_at(), Some(at(15)));
        assert_eq!(drain(&mut garp, 2, at(14), &params), []);
        assert_eq!(drain(&mut garp, 2, at(15), &params), [0, 1].repeat(5));
        assert_eq!(garp.poll_at(), None);
    }

    #[test]
    fn every_address_once_before_any_again_even_if_put_off() {
        let (mut garp, params) =
            (Garp::default(), GarpParams { repeat: 2, delay: Span::ZERO, ..GarpParams::default() });
        garp.begin(at(1), Burst::Master, 3, &params);
        assert_eq!(take(&mut garp, 3, at(1), &params), Some(0));
        assert!(garp.opens());
        garp.put_off(at(2));
        assert_eq!(take(&mut garp, 3, at(1), &params), None);
        assert_eq!(garp.poll_at(), Some(at(2)));
        assert_eq!(
            [take(&mut garp, 3, at(2), &params), take(&mut garp, 3, at(2), &params)],
            [Some(1), Some(2)]
        );
        assert!(!garp.opens(), "the second round repeats");
        assert_eq!(drain(&mut garp, 3, at(2), &params), [0, 1, 2]);
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
        assert_eq!(drain(&mut garp, 1, at(0), &params).len(), 1);
        assert_eq!(drain(&mut garp, 1, at(5), &params).len(), 1);
        assert_eq!(garp.poll_at(), Some(at(35)));
        assert_eq!(drain(&mut garp, 1, at(35), &params).len(), 2);
        assert_eq!(garp.poll_at(), Some(at(65)));
        assert_eq!(drain(&mut garp, 1, at(1_000), &params).len(), 2, "a pause is not caught up");
        assert_eq!(garp.poll_at(), Some(at(1_030)));
    }

    #[test]
    fn a_lower_priority_burst_lengthens_the_one_under_way() {
        let params = GarpParams { repeat: 1, lower_prio_repeat: 3, ..GarpParams::default() };
        let mut garp = Garp::default();
        garp.begin(at(0), Burst::Master, 1, &params);
        garp.begin(at(0), Burst::LowerPriority, 1, &params);
        assert_eq!(drain(&mut garp, 1, at(0), &params).len(), 3);
        let none = GarpParams { lower_prio_repeat: 0, ..params };
        garp.begin(at(1), Burst::LowerPriority, 1, &none);
        assert_eq!(drain(&mut garp, 1, at(1), &none), []);
    }

    #[test]
    fn a_shorter_burst_does_not_cut_a_longer_one() {
        let params = GarpParams {
            repeat: 4,
            delay: Span::from_secs(5),
            lower_prio_repeat: 1,
            lower_prio_delay: Span::from_secs(7),
            refresh: Span::from_secs(60),
            refresh_repeat: 2,
        };
        let mut garp = Garp::default();
        garp.begin(at(0), Burst::Master, 2, &params);
        assert_eq!(
            [take(&mut garp, 2, at(0), &params), take(&mut garp, 2, at(0), &params)],
            [Some(0), Some(1)]
        );
        garp.begin(at(0), Burst::LowerPriority, 2, &params);
        assert!(!garp.opens(), "what goes on is in its second round still");
        assert_eq!(drain(&mut garp, 2, at(0), &params), [0, 1].repeat(3));
        // Nor do those that follow: each kind has its own, at its own time.
        assert_eq!(garp.poll_at(), Some(at(5)));
        assert_eq!(drain(&mut garp, 2, at(5), &params), [0, 1].repeat(4));
        assert_eq!(garp.poll_at(), Some(at(7)));
        assert_eq!(drain(&mut garp, 2, at(6), &params), []);
        assert_eq!(drain(&mut garp, 2, at(7), &params), [0, 1]);
        assert_eq!(garp.poll_at(), Some(at(65)), "the refresh counts from the burst of the MASTER");
        // All at once, after a pause.
        garp.begin(at(60), Burst::Master, 2, &params);
        garp.begin(at(60), Burst::LowerPriority, 2, &params);
        assert_eq!(drain(&mut garp, 2, at(90), &params), [0, 1].repeat(4));
        assert_eq!(garp.poll_at(), Some(at(125)));
    }

    #[test]
    fn lower_priority_bursts_have_their_own_delay_and_no_refresh() {
        let params = GarpParams {
            repeat: 3,
            delay: Span::from_secs(5),
            lower_prio_repeat: 2,
            lower_prio_delay: Span::from_secs(2),
            refresh: Span::from_secs(60),
            ..GarpParams::default()
        };
        let mut garp = Garp::default();
        garp.begin(at(0), Burst::LowerPriority, 1, &params);
        assert_eq!(drain(&mut garp, 1, at(0), &params).len(), 2);
        assert_eq!(garp.poll_at(), Some(at(2)));
        assert_eq!(drain(&mut garp, 1, at(2), &params).len(), 2);
        assert_eq!(garp.poll_at(), None);
        // The next one begins anew: two rounds from the first address on.
        garp.begin(at(3), Burst::LowerPriority, 2, &params);
        assert!(garp.opens());
        assert_eq!(drain(&mut garp, 2, at(3), &params), [0, 1, 0, 1]);
        let at_once = GarpParams { lower_prio_delay: Span::ZERO, ..params };
        let mut garp = Garp::default();
        garp.begin(at(9), Burst::LowerPriority, 1, &at_once);
        assert_eq!((drain(&mut garp, 1, at(9), &at_once).len(), garp.poll_at()), (2, None));
    }

    #[test]
    fn a_second_burst_that_a_reload_takes_away_is_left_out() {
        let params = GarpParams { lower_prio_repeat: 2, ..GarpParams::default() };
        let mut garp = Garp::default();
        garp.begin(at(0), Burst::LowerPriority, 1, &params);
        assert_eq!(drain(&mut garp, 1, at(0), &params).len(), 2);
        let none = GarpParams { lower_prio_repeat: 0, ..params };
        assert_eq!(drain(&mut garp, 1, at(9), &none), []);
        assert_eq!(garp.poll_at(), None);
        garp.begin(at(9), Burst::LowerPriority, 1, &none);
        assert_eq!(garp.poll_at(), None, "nothing is to come of it");
    }

    #[test]
    fn a_refresh_opens_anew_and_without_a_second_burst_counts_from_the_first() {
        let params = GarpParams {
            repeat: 1,
            delay: Span::ZERO,
            refresh: Span::from_secs(30),
            refresh_repeat: 3,
            ..GarpParams::default()
        };
        let mut garp = Garp::default();
        garp.begin(at(2), Burst::Master, 2, &params);
        assert_eq!(drain(&mut garp, 2, at(2), &params), [0, 1]);
        assert_eq!(garp.poll_at(), Some(at(32)));
        // A little late: the next one is due as if it had not been.
        assert_eq!(garp.due(at(33), &params), Some(0));
        assert!(garp.opens());
        assert_eq!(drain(&mut garp, 2, at(33), &params), [0, 1].repeat(3));
        assert_eq!(garp.poll_at(), Some(at(62)));
    }

    #[test]
    fn what_is_put_off_comes_no_sooner_and_nothing_else_waits() {
        let params = GarpParams { repeat: 2, ..GarpParams::default() };
        let mut garp = Garp::default();
        garp.put_off(at(9));
        assert_eq!(garp.poll_at(), None, "nothing is under way");
        garp.begin(at(1), Burst::Master, 1, &params);
        garp.put_off(at(4));
        garp.put_off(at(3));
        assert_eq!((garp.poll_at(), garp.due(at(3), &params)), (Some(at(4)), None));
        // What goes on does not begin a second time.
        garp.begin(at(2), Burst::Master, 1, &params);
        assert_eq!(garp.due(at(2), &params), None);
        assert_eq!(drain(&mut garp, 1, at(4), &params).len(), 2);
        assert_eq!(garp.poll_at(), Some(at(7)));
    }

    #[test]
    fn another_number_of_addresses_counts_for_the_rounds_under_way() {
        let params = GarpParams { repeat: 2, delay: Span::ZERO, ..GarpParams::default() };
        let mut garp = Garp::default();
        garp.begin(at(0), Burst::Master, 2, &params);
        assert_eq!(take(&mut garp, 2, at(0), &params), Some(0));
        garp.resize(3);
        assert_eq!(drain(&mut garp, 3, at(0), &params), [1, 2, 0, 1, 2]);
        garp.begin(at(1), Burst::Master, 3, &params);
        garp.resize(0);
        assert_eq!((garp.poll_at(), drain(&mut garp, 0, at(1), &params)), (None, vec![]));
    }

    #[test]
    fn stopping_and_emptying_end_everything() {
        let (mut garp, params) = (Garp::default(), GarpParams::default());
        garp.begin(at(0), Burst::Master, 2, &params);
        garp.stop();
        assert_eq!((garp.poll_at(), take(&mut garp, 2, at(9), &params)), (None, None));
        garp.begin(at(0), Burst::Master, 0, &params);
        assert_eq!(garp.poll_at(), None);
        garp.begin(at(0), Burst::Master, 4, &params);
        assert_eq!(take(&mut garp, 4, at(0), &params), Some(0));
        assert_eq!(take(&mut garp, 4, at(0), &params), Some(1));
        garp.resize(1);
        assert_eq!(take(&mut garp, 1, at(0), &params), Some(0));
    }
}

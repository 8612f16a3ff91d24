//! Realtime scheduling of a child: the priority, which rises when the child was late, and the kernel's limit of time
//! without a wait, before whose end a child that has more to do pauses.

use crate::base::time::{Instant, Span};
use crate::daemon::log;
use crate::sys::{clock, sched};

/// What the configuration asks of a process about realtime.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Priority {
    /// Realtime priority, 1 to 99.
    pub base: Option<u8>,
    /// Longest time of realtime without a pause.
    pub longest: Span,
    /// How far being late raises the priority, to 99; 0: not at all.
    pub ceiling: u8,
    /// How late a deadline must be served for that.
    pub lateness: Span,
}

impl Default for Priority {
    fn default() -> Self {
        Self { base: None, longest: LONGEST, ceiling: 0, lateness: LATENESS }
    }
}

/// Of `vrrp_rlimit_rttime` and its kind.
pub(super) const LONGEST: Span = Span::from_millis(10);
/// Of `min_auto_priority_delay`.
pub(super) const LATENESS: Span = Span::from_secs(1);

/// The realtime priority of this process, which rises by one each time that it was late.
#[derive(Debug)]
pub struct Realtime {
    /// 0: none.
    priority: u8,
    /// What the configuration asks for; a raise comes on top.
    base: u8,
    ceiling: u8,
    lateness: Span,
    longest: Span,
    /// The kernel counts.
    limited: bool,
    /// When this process last waited, or a little later.
    rested: Instant,
    /// How often it had waited then.
    waits: core::ffi::c_long,
}

impl Default for Realtime {
    fn default() -> Self {
        Self {
            priority: 0,
            base: 0,
            ceiling: 0,
            lateness: LATENESS,
            longest: LONGEST,
            limited: false,
            rested: Instant::START,
            waits: 0,
        }
    }
}

impl Realtime {
    /// Goes over to what the configuration asks for. A raise stays as long as it may.
    pub(super) fn change(&mut self, wanted: &Priority) {
        (self.ceiling, self.lateness) = (wanted.ceiling, wanted.lateness);
        let base = wanted.base.unwrap_or(0);
        let priority = if base == self.base { self.priority.min(self.ceiling).max(base) } else { base };
        self.base = base;
        if wanted.longest != self.longest {
            self.limited = false;
        }
        self.longest = wanted.longest;
        if priority != self.priority {
            self.set(priority);
        }
        self.limit();
    }

    fn set(&mut self, priority: u8) {
        match sched::set_realtime(priority) {
            Ok(()) => self.priority = priority,
            Err(error) => {
                log::warn!("Unable to set realtime priority {priority}: {error}");
                // Once is enough to be logged.
                self.ceiling = 0;
            }
        }
    }

    /// Has the kernel count if there is something to count.
    fn limit(&mut self) {
        if (self.priority > 0) == self.limited {
            return;
        }
        self.limited = self.priority > 0;
        // What has run before counts on otherwise.
        self.pause();
        if let Err(error) = sched::limit_realtime(self.limited.then_some(self.longest)) {
            log::warn!("Unable to set the realtime limit: {error}");
        }
    }

    /// The work that follows may take as long as it takes: takes the kernel's limit away.
    pub(super) fn lift(&mut self) {
        if core::mem::take(&mut self.limited)
            && let Err(error) = sched::limit_realtime(None)
        {
            log::warn!("Unable to lift the realtime limit: {error}");
        }
    }

    /// A deadline was served `late`.
    pub(super) fn note_lateness(&mut self, late: Span) {
        if late <= self.lateness {
            return;
        }
        log::info!("A thread timer expired {late} seconds ago");
        if self.priority < self.ceiling {
            self.set(self.priority.saturating_add(1));
            self.limit();
            if self.priority > 0 {
                log::info!("Set realtime priority {}", self.priority);
            }
        }
    }

    /// The loop has polled for as long as it takes. It may not have waited: something was there already, or another
    /// process had the processor meanwhile.
    pub(super) fn note_poll(&mut self) {
        if self.limited {
            self.note_wait();
        }
    }

    /// Whether this process has waited since the last look.
    fn note_wait(&mut self) -> bool {
        let waits = sched::waits().unwrap_or(self.waits);
        let waited = waits != self.waits;
        if waited {
            (self.waits, self.rested) = (waits, clock::now());
        }
        waited
    }

    /// There is more to do: lets the kernel count anew before its patience ends.
    pub(super) fn rest(&mut self) {
        if self.limited && clock::now().since(self.rested) >= self.longest / SAFETY {
            self.pause();
        }
    }

    fn pause(&mut self) {
        self.note_wait();
        for _ in 0..TRIES {
            clock::sleep_until(clock::now() + PAUSE);
            if self.note_wait() {
                return;
            }
        }
    }
}

/// Long enough for the kernel to take the process off the processor.
const PAUSE: Span = Span::from_micros(20);
/// On a busy machine the end of a pause may have come before the kernel gets to it.
const TRIES: usize = 10;
/// What goes on without a look at the time takes less than the difference to the whole.
const SAFETY: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn being_late_a_little_raises_nothing() {
        let mut realtime = Realtime { ceiling: 50, ..Realtime::default() };
        realtime.note_lateness(LATENESS);
        assert_eq!(realtime.priority, 0);
    }

    #[test]
    fn who_works_on_rests_in_time_and_not_more_often() {
        let mut realtime = Realtime { limited: true, longest: Span::from_secs(40), ..Realtime::default() };
        let before = clock::now();
        realtime.rest();
        let rested = realtime.rested;
        assert!(rested.since(before) >= PAUSE);
        realtime.rest();
        assert_eq!(realtime.rested, rested);
        // The clock counts microseconds, and what stands above may have taken none.
        while clock::now() == rested {}
        realtime.note_poll();
        assert_eq!(realtime.rested, rested, "time that passes is no wait");
        clock::sleep_until(clock::now() + Span::from_millis(5));
        realtime.note_poll();
        assert!(realtime.rested > rested, "a wait is a rest");
    }

    /// How a process ends that runs under `wanted` and at each moment does something with it, for four times as long as
    /// it may run.
    fn run(mut each: impl FnMut(&mut Realtime, &Priority)) -> i32 {
        let wanted = Priority { base: Some(1), longest: Span::from_millis(100), ..Priority::default() };
        sched::in_a_copy(|| {
            let mut realtime = Realtime::default();
            realtime.change(&wanted);
            let begin = clock::now();
            while clock::now().since(begin) < wanted.longest * 4 {
                each(&mut realtime, &wanted);
            }
            u8::from(!realtime.limited)
        })
    }

    #[test]
    fn the_limit_begins_with_a_rest() {
        assert_ne!(run(|_, _| {}), 0, "the kernel's patience ends");
        assert_eq!(run(|realtime, _| realtime.rest()), 0);
        // A reload after the other: what ran before one counts no more after it.
        let mut since = clock::now();
        let reload = |realtime: &mut Realtime, wanted: &Priority| {
            if clock::now().since(since) >= wanted.longest / 2 {
                realtime.lift();
                realtime.change(wanted);
                since = clock::now();
            }
        };
        assert_eq!(run(reload), 0);
    }
}

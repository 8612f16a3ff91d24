//! Every bound of the labs: what the protocol promises, and how much later a busy machine may be.

use std::time::{Duration, Instant};

use super::capture::{nanos, now};
use super::load;

/// How late the scheduler of a shared machine may make anything that a lab waits for.
///
/// The labs run side by side on as few as two cores; punctuality below this is the benches' business.
pub(crate) const ALLOWANCE: Duration = Duration::from_millis(400);

/// How late the kernel may tell that a link is up: it gathers such news for a second, those of all namespaces together.
pub(crate) const LINK: Duration = Duration::from_secs(1);

/// How early something may be seen: kernel time stamps and the daemon's clock are read at different places.
pub(crate) const EARLY: Duration = Duration::from_millis(15);

/// How long the start of a daemon may take until it answers (exec, parse, fork, join).
pub(crate) const START: Duration = Duration::from_secs(3);

/// What one virtual router promises about time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// VRRP version, 2 or 3.
    pub(crate) version: u8,
    /// Advertisement interval of the master.
    pub(crate) interval: Duration,
}

impl Timing {
    /// Version 2 at one advert a second.
    pub(crate) const V2: Self = Self { version: 2, interval: Duration::from_secs(1) };

    /// Version 3 at an interval in hundredths of a second.
    pub(crate) const fn v3(centis: u64) -> Self {
        Self { version: 3, interval: Duration::from_millis(centis * 10) }
    }

    /// Skew_Time of a backup (RFC 3768 section 6.1, RFC 9568 section 6.1).
    pub(crate) fn skew(self, priority: u8) -> Duration {
        let base = if self.version == 2 { Duration::from_secs(1) } else { self.interval };
        base * (256 - u32::from(priority)) / 256
    }

    /// Master_Down_Interval of a backup.
    pub(crate) fn master_down(self, priority: u8) -> Duration {
        self.interval * 3 + self.skew(priority)
    }
}

/// Between two looks that cost nothing. In the guest each costs a millisecond, and several tests wait at a time.
fn pause() -> Duration {
    Duration::from_millis(if load::is_guest() { 20 } else { 2 })
}

/// Between two looks that cost much.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Waits until `done` holds, looking again and again; panics with `what` after `within`, or later by as much of it
/// as the machine was busy with something else.
pub(crate) fn eventually(what: &str, within: Duration, done: impl FnMut() -> bool) {
    assert!(holds_within(within, done), "not within {within:?}: {what}");
}

/// Whether `done` holds in that time.
pub(crate) fn holds_within(within: Duration, mut done: impl FnMut() -> bool) -> bool {
    load::begin();
    let (begun, pause) = (now(), pause());
    let is_over = |span| now() >= begun + nanos(span);
    loop {
        let looked = Instant::now();
        if done() {
            return true;
        }
        if is_over(within) && is_over(load::stretched(within, begun, now())) {
            return false;
        }
        // Half of a processor at most: what is waited for wants its time, too.
        std::thread::sleep(looked.elapsed().clamp(pause, LONGEST_PAUSE));
    }
}

//! One timer that wakes the poll at an absolute point of the monotonic clock.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use nix::sys::time::TimeSpec;
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

use crate::base::time::Instant;

/// A timerfd on CLOCK_MONOTONIC, non-blocking and close-on-exec.
#[derive(Debug)]
pub struct Timer(TimerFd);

impl Timer {
    /// A disarmed timer.
    ///
    /// # Errors
    /// When the kernel has no descriptor or no memory for it.
    pub fn new() -> io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        Ok(Self(TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?))
    }

    /// Fires at `at`, at once if that has passed; replaces what was armed. Nobody needs to read the
    /// descriptor: arming again forgets the old expiration.
    ///
    /// # Errors
    /// None known for a valid descriptor.
    pub fn arm(&self, at: Instant) -> io::Result<()> {
        // Zero would disarm; one microsecond after the start of the clock has always passed.
        let micros = i64::try_from(at.as_micros().max(1)).unwrap_or(i64::MAX);
        let spec = timespec(micros);
        Ok(self.0.set(Expiration::OneShot(spec), TimerSetTimeFlags::TFD_TIMER_ABSTIME)?)
    }

    /// Never fires.
    ///
    /// # Errors
    /// None known for a valid descriptor.
    pub fn disarm(&self) -> io::Result<()> {
        Ok(self.0.unset()?)
    }
}

impl AsRawFd for Timer {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Microseconds as seconds and nanoseconds; a deadline past what `time_t` holds is far enough away.
fn timespec(micros: i64) -> TimeSpec {
    #[allow(clippy::useless_conversion, reason = "time_t is 32 bits wide on some targets")]
    let secs = (micros / 1_000_000).try_into().unwrap_or(i32::MAX.into());
    let nanos = libc::c_long::try_from(micros % 1_000_000 * 1_000).unwrap_or(0);
    TimeSpec::new(secs, nanos)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::time::Span;
    use crate::sys::clock;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

    fn fires(timer: &Timer, within_millis: u16) -> bool {
        let mut fds = [PollFd::new(timer.0.as_fd(), PollFlags::POLLIN)];
        matches!(poll(&mut fds, PollTimeout::from(within_millis)), Ok(1))
    }

    #[test]
    fn fires_at_its_point_and_not_before() {
        let timer = Timer::new().unwrap();
        let at = clock::now() + Span::from_millis(30);
        timer.arm(at).unwrap();
        assert!(!fires(&timer, 5) || clock::now() >= at, "unless this process had to wait for its turn");
        assert!(fires(&timer, 500));
        assert!(clock::now() >= at);
        timer.arm(clock::now() + Span::from_secs(50)).unwrap();
        assert!(!fires(&timer, 0), "arming again forgets the old expiration");
    }

    #[test]
    fn a_point_in_the_past_fires_at_once_and_disarming_stops_it() {
        let timer = Timer::new().unwrap();
        timer.arm(Instant::START).unwrap();
        assert!(fires(&timer, 100));
        timer.arm(Instant::from_micros(u64::MAX)).unwrap();
        assert!(!fires(&timer, 0));
        timer.arm(Instant::START).unwrap();
        timer.disarm().unwrap();
        assert!(!fires(&timer, 5));
    }
}

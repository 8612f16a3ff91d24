//! The two clocks: monotonic for every timer, wall time for log lines only.

use nix::time::{ClockId, clock_gettime};

use crate::base::time::Instant;

/// A point of wall time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wall {
    /// Seconds since 1970-01-01 00:00:00 UTC.
    pub secs: i64,
    /// Microseconds past that second, 0 to 999,999.
    pub micros: u32,
}

/// A point of wall time in the machine's time zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalTime {
    /// For example 2026.
    pub year: i32,
    /// 0 is January; 0 to 11.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// 0 is Sunday; 0 to 6.
    pub weekday: u8,
    /// 0 to 23.
    pub hour: u8,
    /// 0 to 59.
    pub minute: u8,
    /// 0 to 60.
    pub second: u8,
    /// East of Greenwich, in minutes.
    pub offset: i16,
}

impl LocalTime {
    /// The month as three letters.
    #[must_use]
    pub fn month_name(&self) -> &'static str {
        const NAMES: [&str; 12] =
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        NAMES.get(usize::from(self.month)).copied().unwrap_or("???")
    }

    /// The day of the week as three letters.
    #[must_use]
    pub fn weekday_name(&self) -> &'static str {
        const NAMES: [&str; 7] = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
        NAMES.get(usize::from(self.weekday)).copied().unwrap_or("???")
    }
}

/// The monotonic clock (CLOCK_MONOTONIC). Only the loop asks, once a turn.
#[must_use]
pub fn now() -> Instant {
    let (secs, micros) = read(ClockId::CLOCK_MONOTONIC);
    let secs = u64::try_from(secs).unwrap_or(0);
    Instant::from_micros(secs.saturating_mul(1_000_000).saturating_add(u64::from(micros)))
}

/// Sleeps until a point in time, or until a signal that is not blocked. In the loop for parts of a millisecond only.
pub fn sleep_until(at: Instant) {
    let micros = at.as_micros();
    let until = libc::timespec {
        // A number that the clock never gets to on a target where seconds have 32 bits.
        tv_sec: (micros / 1_000_000).try_into().unwrap_or_default(),
        // Below 1,000,000,000 always.
        tv_nsec: libc::c_long::try_from(micros % 1_000_000).unwrap_or(0).saturating_mul(1_000),
    };
    // SAFETY: `until` is a time that lives until the call returns; an absolute sleep reports no rest.
    unsafe {
        libc::clock_nanosleep(
            libc::CLOCK_MONOTONIC,
            libc::TIMER_ABSTIME,
            &raw const until,
            core::ptr::null_mut(),
        )
    };
}

/// Wall time (CLOCK_REALTIME). It may jump; no timer depends on it.
#[must_use]
pub fn wall() -> Wall {
    let (secs, micros) = read(ClockId::CLOCK_REALTIME);
    Wall { secs, micros }
}

/// Both clocks, as near to one moment as can be: to place a wall time stamp on the monotonic clock.
#[must_use]
pub fn both() -> (Instant, Wall) {
    (now(), wall())
}

/// Wall time in the machine's time zone.
#[must_use]
pub fn local(wall: Wall) -> LocalTime {
    #[allow(clippy::useless_conversion, reason = "time_t is 32 bits wide on some targets")]
    let secs = wall.secs.try_into().unwrap_or(0);
    // SAFETY: `tm` is plain numbers and a pointer, for all of which zero is a valid value.
    let mut broken: libc::tm = unsafe { core::mem::zeroed() };
    // SAFETY: both pointers are to live values of this frame; localtime_r writes only `broken`.
    unsafe { libc::localtime_r(&raw const secs, &raw mut broken) };
    parts(&broken)
}

fn parts(broken: &libc::tm) -> LocalTime {
    let small = |value: libc::c_int| u8::try_from(value).unwrap_or(0);
    LocalTime {
        year: broken.tm_year.saturating_add(1900),
        month: small(broken.tm_mon),
        day: small(broken.tm_mday),
        weekday: small(broken.tm_wday),
        hour: small(broken.tm_hour),
        minute: small(broken.tm_min),
        second: small(broken.tm_sec),
        offset: i16::try_from(broken.tm_gmtoff / 60).unwrap_or(0),
    }
}

/// Wall time in UTC.
#[must_use]
pub fn utc(wall: Wall) -> LocalTime {
    // SAFETY: as above.
    let mut broken: libc::tm = unsafe { core::mem::zeroed() };
    #[allow(clippy::useless_conversion, reason = "time_t is 32 bits wide on some targets")]
    let secs = wall.secs.try_into().unwrap_or(0);
    // SAFETY: as above.
    unsafe { libc::gmtime_r(&raw const secs, &raw mut broken) };
    parts(&broken)
}

/// The seconds since 1970 of a moment in UTC, or in the machine's time zone. Days past the end of a month are those of
/// the next one. None: it is outside what the C library knows.
#[must_use]
pub fn seconds(time: &LocalTime, utc: bool) -> Option<i64> {
    // SAFETY: as above.
    let mut broken: libc::tm = unsafe { core::mem::zeroed() };
    broken.tm_year = time.year.saturating_sub(1900);
    broken.tm_mon = time.month.into();
    broken.tm_mday = time.day.into();
    broken.tm_hour = time.hour.into();
    broken.tm_min = time.minute.into();
    broken.tm_sec = time.second.into();
    // Whether it is summer is for the C library to know.
    broken.tm_isdst = -1;
    // SAFETY: both change only `broken`, which lives until they return.
    let secs = unsafe { if utc { libc::timegm(&raw mut broken) } else { libc::mktime(&raw mut broken) } };
    #[allow(clippy::useless_conversion, reason = "time_t is 32 bits wide on some targets")]
    (secs != -1).then(|| secs.into())
}

/// Reads the time zone's file now, so that no later log line has to.
pub fn load_time_zone() {
    unsafe extern "C" {
        fn tzset();
    }
    // SAFETY: tzset takes nothing and changes only the C library's own time zone; there is one thread.
    unsafe { tzset() };
}

/// Whole seconds and microseconds of a clock. Both clocks exist on every Linux, so the error has no cause.
fn read(clock: ClockId) -> (i64, u32) {
    clock_gettime(clock).map_or((0, 0), |time| {
        #[allow(clippy::useless_conversion, reason = "time_t is 32 bits wide on some targets")]
        let secs = i64::from(time.tv_sec());
        (secs, u32::try_from(time.tv_nsec() / 1_000).unwrap_or(0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monotonic_clock_does_not_go_back() {
        let first = now();
        assert!(now() >= first);
        assert!(first > Instant::START);
    }

    #[test]
    fn local_time_names_its_parts() {
        let time = local(Wall { secs: 1_700_000_000, micros: 0 });
        assert_eq!(time.year, 2023);
        assert_eq!(time.month_name(), "Nov");
        assert!(["Tue", "Wed"].contains(&time.weekday_name()));
    }
}

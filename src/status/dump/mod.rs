//! The data dump of SIGUSR1: sections `------< Name >------`, one label a line, one blank more a level.
//!
//! Start with [`global`], the section that every process writes first; [`instance`] has one virtual router, [`group`]
//! one sync group, [`address`] one address, [`objects`] routes and rules, `tracked` what one tracks, [`tables`] and
//! [`trackers`] what they share, [`network`] what stands outside of them, [`machine`] what only the machine knows.
//! Everything is lent by the caller: a writer asks neither clock nor kernel. Labels and the forms of values are
//! keepalived's where it has the value.

pub mod address;
#[cfg(feature = "bfd")]
pub mod bfd;
pub mod global;
pub mod group;
pub mod instance;
pub mod machine;
pub mod network;
pub mod objects;
#[cfg(feature = "lvs")]
pub mod service;
pub mod tables;
mod tracked;
pub mod trackers;

use core::fmt::{self, Display, Formatter, Write};

use crate::base::time::{Instant, Span};
use crate::sys::clock::{LocalTime, Wall};
use crate::sys::script::Words;

/// The two clocks at one moment: deadlines are told as wall time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    /// The monotonic clock.
    pub now: Instant,
    /// Wall time at `now`.
    pub wall: Wall,
    /// Wall time in the machine's time zone.
    pub local: fn(Wall) -> LocalTime,
}

/// User and group id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

/// A command that runs on something.
#[derive(Clone, Copy, Debug)]
pub struct Runs<'a> {
    /// Its words; those past `fixed` belong to the last run.
    pub words: &'a Words,
    /// Words that are configured.
    pub fixed: usize,
    /// As whom it runs.
    pub owner: Owner,
}

impl Runs<'_> {
    /// The configured words, quoted.
    pub(super) fn words(&self) -> impl Display + use<'_> {
        Quoted(self.words.iter().take(self.fixed))
    }

    /// The program alone, quoted.
    #[cfg(feature = "snmp")]
    pub(super) fn program(&self) -> impl Display + use<'_> {
        Quoted(self.words.iter().take(1))
    }
}

/// The header of a section.
///
/// # Errors
/// What `out` says.
pub fn section(out: &mut dyn Write, name: &dyn Display) -> fmt::Result {
    writeln!(out, "------< {name} >------")
}

impl Clock {
    /// The wall time of a deadline.
    pub(in crate::status) const fn wall_of(&self, at: Instant) -> Wall {
        let micros = at.as_micros() as i128 - self.now.as_micros() as i128 + self.wall.micros as i128;
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the difference of two u64 in seconds fits an i64, the rest is below a million"
        )]
        Wall {
            secs: self.wall.secs.saturating_add(micros.div_euclid(1_000_000) as i64),
            micros: micros.rem_euclid(1_000_000) as u32,
        }
    }
}

/// `1795300886.566773 (Sat Nov 21 22:41:26.566773 2026)`
struct Stamp<'a>(&'a Clock, Wall);

impl Display for Stamp<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(clock, Wall { secs, micros }) = self;
        let time = (clock.local)(self.1);
        write!(
            f,
            "{secs}.{micros:06} ({} {} {} {:02}:{:02}:{:02}.{micros:06} {})",
            time.weekday_name(),
            time.month_name(),
            time.day,
            time.hour,
            time.minute,
            time.second,
            time.year
        )
    }
}

/// A moment that may never have been, as keepalived writes those of announcements: `0.000000 (Thu Jan  1 00:00:00.000000)`.
struct Timestamp<'a>(&'a Clock, Option<Instant>);

impl Display for Timestamp<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(clock, at) = self;
        let wall = at.map_or(Wall { secs: 0, micros: 0 }, |at| clock.wall_of(at));
        let (Wall { secs, micros }, time) = (wall, (clock.local)(wall));
        write!(
            f,
            "{secs}.{micros:06} ({} {} {:2} {:02}:{:02}:{:02}.{micros:06})",
            time.weekday_name(),
            time.month_name(),
            time.day,
            time.hour,
            time.minute,
            time.second,
        )
    }
}

impl Display for Owner {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

/// `'/usr/bin/true' 'b', uid:gid 0:0`
impl Display for Runs<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Quoted(self.words.iter().take(self.fixed)).fmt(f)?;
        write!(f, ", uid:gid {}", self.owner)
    }
}

/// Words in single quotes with blanks between.
pub(super) struct Quoted<I>(pub(super) I);

impl<'a, I: Iterator<Item = &'a [u8]> + Clone> Display for Quoted<I> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (position, word) in self.0.clone().enumerate() {
            f.write_str(if position == 0 { "'" } else { " '" })?;
            for part in word.utf8_chunks() {
                f.write_str(part.valid())?;
                if !part.invalid().is_empty() {
                    f.write_char(char::REPLACEMENT_CHARACTER)?;
                }
            }
            f.write_char('\'')?;
        }
        Ok(())
    }
}

/// Seconds without zeros at their end: `0`, `2.5`, `0.01`.
pub(in crate::status) struct Seconds(pub(in crate::status) Span);

impl Display for Seconds {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.as_secs())?;
        let (mut rest, mut digits) = (self.0.subsec_micros(), 6_usize);
        if rest == 0 {
            return Ok(());
        }
        while rest.is_multiple_of(10) {
            rest /= 10;
            digits -= 1;
        }
        write!(f, ".{rest:0digits$}")
    }
}

/// What is there, or another text.
pub(in crate::status) struct Or<T>(pub(in crate::status) Option<T>, pub(in crate::status) &'static str);

impl<T: Display> Display for Or<T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(f),
            None => f.write_str(self.1),
        }
    }
}

const fn enabled(on: bool) -> &'static str {
    if on { "enabled" } else { "disabled" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(_: Wall) -> LocalTime {
        LocalTime { year: 2026, month: 10, day: 1, weekday: 0, hour: 2, minute: 3, second: 4, offset: 0 }
    }

    #[test]
    fn deadlines_become_wall_time_in_both_directions() {
        let clock = Clock {
            now: Instant::from_micros(10_500_000),
            wall: Wall { secs: 1_000, micros: 250_000 },
            local: fixed,
        };
        let text = |micros| Stamp(&clock, clock.wall_of(Instant::from_micros(micros))).to_string();
        assert_eq!(text(11_300_000), "1001.050000 (Sun Nov 1 02:03:04.050000 2026)");
        assert_eq!(text(9_000_000), "998.750000 (Sun Nov 1 02:03:04.750000 2026)");
    }

    #[test]
    fn what_never_was_has_the_time_of_nothing() {
        let clock = Clock { now: Instant::START, wall: Wall { secs: 1_000, micros: 0 }, local: fixed };
        assert_eq!(Timestamp(&clock, None).to_string(), "0.000000 (Sun Nov  1 02:03:04.000000)");
        let later = Some(Instant::from_micros(1_500_000));
        assert_eq!(Timestamp(&clock, later).to_string(), "1001.500000 (Sun Nov  1 02:03:04.500000)");
    }

    #[test]
    fn seconds_lose_their_last_zeros() {
        let text = |micros| Seconds(Span::from_micros(micros)).to_string();
        assert_eq!(text(0), "0");
        assert_eq!(text(10_000), "0.01");
        assert_eq!(text(2_500_000), "2.5");
        assert_eq!(text(100_000_001), "100.000001");
    }

    #[test]
    fn words_that_are_no_text_are_marked() {
        let words = Words::of([&b"/a b"[..], b"\xffx", b"later"].into_iter()).unwrap();
        let runs = Runs { words: &words, fixed: 2, owner: Owner { uid: 1, gid: 2 } };
        assert_eq!(runs.to_string(), "'/a b' '\u{fffd}x', uid:gid 1:2");
    }
}

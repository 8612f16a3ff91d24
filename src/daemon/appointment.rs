//! When a file wants a reload (`reload_time_file`): its first line, read and reckoned. Pure: the time is an argument.
//!
//! `HH:MM:SS`, `YY-MM-DD HH:MM:SS` or `YYYY-MM-DD HH:MM:SS`, with a `Z` behind it for UTC, and nothing else. A time
//! without a date is the next one.

use crate::sys::clock::{self, LocalTime, Wall};

/// A moment that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appointment {
    /// Year, month 1 to 12, day 1 to 31; none: every day.
    date: Option<(i32, u8, u8)>,
    /// Hour, minute, second.
    time: (u8, u8, u8),
    /// In UTC; else in the machine's time zone.
    utc: bool,
}

impl Appointment {
    /// Reads a line without its newline; none: it is none of the three forms.
    #[must_use]
    pub fn parse(line: &str) -> Option<Self> {
        let (line, utc) = match line.strip_suffix('Z') {
            Some(line) => (line, true),
            None => (line, false),
        };
        let (date, time) = match line.split_once(' ') {
            Some((date, time)) => (Some(read_date(date)?), time),
            None => (None, line),
        };
        let [hour, minute, second] = three(time, ':')?;
        let time = (within(hour, 2, 0, 23)?, within(minute, 2, 0, 59)?, within(second, 2, 0, 59)?);
        Some(Self { date, time, utc })
    }

    /// It names a day, so that it comes once.
    #[must_use]
    pub const fn has_date(&self) -> bool {
        self.date.is_some()
    }

    /// Its next moment after `now`, in seconds since 1970; none: it is past, or no such day exists.
    #[must_use]
    pub fn after(&self, now: Wall) -> Option<i64> {
        let Some(date) = self.date else {
            let today = if self.utc { clock::utc(now) } else { clock::local(now) };
            // The day after the last of a month is the first of the next one.
            let days = [today.day, today.day.saturating_add(1)];
            let moments = days.map(|day| clock::seconds(&self.on(today.year, today.month, day), self.utc));
            return moments.into_iter().flatten().find(|at| *at > now.secs);
        };
        let (year, month, day) = date;
        let wanted = self.on(year, month.saturating_sub(1), day);
        let at = clock::seconds(&wanted, self.utc)?;
        let wall = Wall { secs: at, micros: 0 };
        let found = if self.utc { clock::utc(wall) } else { clock::local(wall) };
        ((found.month, found.day) == (wanted.month, wanted.day) && at > now.secs).then_some(at)
    }

    fn on(&self, year: i32, month: u8, day: u8) -> LocalTime {
        let (hour, minute, second) = self.time;
        LocalTime { year, month, day, weekday: 0, hour, minute, second, offset: 0 }
    }
}

fn read_date(text: &str) -> Option<(i32, u8, u8)> {
    let [year, month, day] = three(text, '-')?;
    let number: i32 = digits(year).then(|| year.parse().ok())??;
    let year = match year.len() {
        2 => number.saturating_add(2000),
        4 => number,
        _ => return None,
    };
    Some((year, within(month, 2, 1, 12)?, within(day, 2, 1, 31)?))
}

/// Exactly three parts.
fn three(text: &str, by: char) -> Option<[&str; 3]> {
    let mut parts = text.split(by);
    let found = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(found)
}

fn digits(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_digit())
}

/// A number of so many digits in a range.
fn within(text: &str, length: usize, from: u8, to: u8) -> Option<u8> {
    let number: u8 = (text.len() == length && digits(text)).then(|| text.parse().ok())??;
    (from..=to).contains(&number).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-22 02:00:00 UTC.
    const NOW: Wall = Wall { secs: 1_795_312_800, micros: 5 };

    fn after(line: &str) -> Option<i64> {
        Appointment::parse(line)?.after(NOW).map(|at| at - NOW.secs)
    }

    #[test]
    fn the_three_forms_are_read_and_nothing_else() {
        for good in ["02:00:01", "26-11-22 02:00:01Z", "2026-11-22 02:00:01", "23:59:59Z"] {
            assert!(Appointment::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "Z",
            "2:00:01",
            "02:00",
            "02:00:60",
            "24:00:00",
            " 02:00:01",
            "02:00:01 ",
            "02:00:01z",
            "2026-11-22  02:00:01",
            "2026-11-22T02:00:01",
            "126-11-22 02:00:01",
            "2026-13-01 02:00:01",
            "2026-00-01 02:00:01",
            "2026-01-00 02:00:01",
            "+2:00:01",
            "02:00:01:04",
            "2026-11-22",
        ] {
            assert_eq!(Appointment::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_time_is_the_next_one_and_a_date_comes_once() {
        assert_eq!(after("02:00:01Z"), Some(1));
        assert_eq!(after("02:00:00Z"), Some(86_400), "now is over");
        assert_eq!(after("01:59:59Z"), Some(86_399));
        assert_eq!(after("26-11-22 02:01:00Z"), Some(60));
        assert_eq!(after("2026-12-01 02:00:00Z"), Some(9 * 86_400));
        assert_eq!(after("2026-11-22 01:59:59Z"), None);
        assert_eq!(after("2027-02-30 02:00:00Z"), None, "no such day");
    }

    #[test]
    fn the_first_of_a_month_follows_the_last() {
        let last = Wall { secs: clock::seconds(&clock::utc(NOW), true).unwrap() + 8 * 86_400, micros: 0 };
        assert_eq!((clock::utc(last).month, clock::utc(last).day), (10, 30));
        let at = Appointment::parse("01:00:00Z").unwrap().after(last).unwrap();
        let found = clock::utc(Wall { secs: at, micros: 0 });
        assert_eq!((found.month, found.day, found.hour), (11, 1, 1));
    }

    #[test]
    fn local_time_is_within_a_day_and_has_its_hour() {
        let at = Appointment::parse("05:06:07").unwrap().after(NOW).unwrap();
        assert!((1..=90_000).contains(&(at - NOW.secs)), "{at}");
        let found = clock::local(Wall { secs: at, micros: 0 });
        assert_eq!((found.minute, found.second), (6, 7));
    }
}

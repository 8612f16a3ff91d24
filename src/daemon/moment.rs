//! A moment of wall time as people and as programs read it.

use core::fmt::{self, Display};

use crate::sys::clock::{self, Wall};

/// `2026-11-30 09:07:44`, in the machine's time zone.
#[derive(Clone, Copy, Debug)]
pub struct Moment(pub Wall);

impl Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = clock::local(self.0);
        let (year, month, day) = (time.year, time.month, time.day);
        // Months count from zero.
        let month = month.saturating_add(1);
        write!(f, "{year}-{month:02}-{day:02} {:02}:{:02}:{:02}", time.hour, time.minute, time.second)
    }
}

/// Seconds since 1970 with six digits behind the point, which is a number of JSON.
#[derive(Clone, Copy, Debug)]
pub struct Epoch(pub Wall);

impl Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0.secs, self.0.micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_number_of_json_and_a_text_that_sorts() {
        assert_eq!(Epoch(Wall { secs: 5, micros: 7 }).to_string(), "5.000007");
        let text = Moment(Wall { secs: 1_795_300_886, micros: 566_773 }).to_string();
        assert!(text.starts_with("2026-11-2") && text.len() == 19, "{text}");
    }
}

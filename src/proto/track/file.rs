//! A `track_file`: a file whose content is a number.
//!
//! A change is read at once; one that comes within 20 ms of it is read when those are over, so that a file that
//! is written without a pause costs no more than 50 readings a second.

use crate::base::time::{Instant, Span};

/// What can happen to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileInput<'a> {
    /// It may have changed.
    Touched,
    /// The time that `poll_at` named may have come.
    Timeout,
    /// It was read: its first octets.
    Content(&'a [u8]),
    /// There is no such file, or it cannot be read: its number is 0.
    Absent,
}

/// What is to be done or told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileAction {
    /// Read it, and say what was read.
    Read,
    /// Its number is another one now.
    Changed {
        /// Before.
        from: i32,
        /// After.
        to: i32,
    },
    /// This number is not within 32 bits; the one before stays.
    Refused(i64),
}

/// One file.
#[derive(Clone, Debug, Default)]
pub struct File {
    number: i32,
    /// Until then it is not read again.
    quiet_until: Instant,
    /// It changed since it was read.
    stale: bool,
    /// The last number that was refused, to be told once.
    refused: Option<i64>,
}

/// Between two readings.
const SPACING: Span = Span::from_millis(20);

impl File {
    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: FileInput<'_>) -> Option<FileAction> {
        match input {
            FileInput::Touched => {
                self.stale = true;
                self.read_if_due(now)
            }
            FileInput::Timeout => self.read_if_due(now),
            FileInput::Absent => self.take(0),
            FileInput::Content(octets) => {
                let read = number(octets);
                match i32::try_from(read) {
                    Ok(number) => self.take(number),
                    Err(_) if self.refused == Some(read) => None,
                    Err(_) => {
                        self.refused = Some(read);
                        Some(FileAction::Refused(read))
                    }
                }
            }
        }
    }

    /// When [`FileInput::Timeout`] is wanted.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        self.stale.then_some(self.quiet_until)
    }

    /// The number in it.
    #[must_use]
    pub const fn number(&self) -> i32 {
        self.number
    }

    fn read_if_due(&mut self, now: Instant) -> Option<FileAction> {
        if !self.stale || now < self.quiet_until {
            return None;
        }
        self.stale = false;
        self.quiet_until = now + SPACING;
        Some(FileAction::Read)
    }

    fn take(&mut self, number: i32) -> Option<FileAction> {
        self.refused = None;
        let from = core::mem::replace(&mut self.number, number);
        (from != number).then_some(FileAction::Changed { from, to: number })
    }
}

/// The number at the beginning of a text, as C's strtol has it with base 0: white space, a sign, then 0x and
/// hexadecimal digits, or 0 and octal ones, or decimal ones. 0 if there is none. What follows does not matter.
fn number(octets: &[u8]) -> i64 {
    let start = octets.iter().position(|octet| !matches!(octet, b' ' | 0x09..=0x0d));
    let text = start.and_then(|start| octets.get(start..)).unwrap_or_default();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    let (radix, digits) = match digits {
        [b'0', b'x' | b'X', first, ..] if first.is_ascii_hexdigit() => {
            (16, digits.get(2..).unwrap_or_default())
        }
        [b'0', ..] => (8, digits),
        _ => (10, digits),
    };
    let digits = digits.iter().map_while(|octet| char::from(*octet).to_digit(radix));
    digits.fold(0_i64, |sum, digit| {
        let digit = i64::from(digit);
        let signed = if negative { -digit } else { digit };
        sum.saturating_mul(i64::from(radix)).saturating_add(signed)
    })
}

/// Whether a text is nothing, or one number that ends it: what C's strtol leaves unread is garbage, or another number.
#[must_use]
pub fn is_number(octets: &[u8]) -> bool {
    let text = octets.trim_ascii();
    let digits = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    match digits {
        [] => text.is_empty(),
        [b'0', b'x' | b'X', rest @ ..] => !rest.is_empty() && rest.iter().all(u8::is_ascii_hexdigit),
        [b'0', rest @ ..] => rest.iter().all(|octet| matches!(octet, b'0'..=b'7')),
        rest => rest.iter().all(u8::is_ascii_digit),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::START + Span::from_millis(millis)
    }

    #[test]
    fn numbers_are_what_c_makes_of_them() {
        for (text, read) in [
            ("10", 10),
            (" 10", 10),
            ("\n\x0b\t12\n", 12),
            ("10x", 10),
            ("10.5", 10),
            ("1 2", 1),
            ("x", 0),
            ("", 0),
            ("-", 0),
            ("--1", 0),
            ("-20", -20),
            ("+5\n", 5),
            ("0x10", 16),
            ("-0X1f", -31),
            ("0x", 0),
            ("0xg", 0),
            ("010", 8),
            ("009", 0),
            ("99999999999999999999", i64::MAX),
            ("-99999999999999999999", i64::MIN),
        ] {
            assert_eq!(number(text.as_bytes()), read, "{text:?}");
        }
        assert_eq!(number(b"7\xff"), 7);
    }

    #[test]
    fn what_is_more_or_less_than_a_number_is_garbage() {
        for text in ["", "\n", "10", " 10\n", "-20", "+5\n", "0", "0x1F", "-017", "3000000000"] {
            assert!(is_number(text.as_bytes()), "{text:?}");
        }
        for text in ["x", "-", "10x", "10.5", "1 2", "1\n2\n", "0x", "009", "--1", "7\u{ff}", "\0"] {
            assert!(!is_number(text.as_bytes()), "{text:?}");
        }
    }

    #[test]
    fn any_octets_are_a_number() {
        let mut seed = 3_u32;
        for _ in 0..50_000 {
            let octets: Vec<u8> = (0..24)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    b" -+0x19f\n\x00\xff8"[(seed >> 20) as usize % 12]
                })
                .collect();
            let _ = number(&octets);
        }
    }

    #[test]
    fn a_number_is_kept_until_another_one_is_read() {
        let mut file = File::default();
        let content = |file: &mut File, text: &str| file.handle(at(0), FileInput::Content(text.as_bytes()));
        assert_eq!(content(&mut file, "20"), Some(FileAction::Changed { from: 0, to: 20 }));
        assert_eq!(content(&mut file, "20\n"), None);
        assert_eq!(content(&mut file, "3000000000"), Some(FileAction::Refused(3_000_000_000)));
        assert_eq!(content(&mut file, "3000000000"), None, "told once");
        assert_eq!(file.number(), 20);
        assert_eq!(content(&mut file, "nonsense"), Some(FileAction::Changed { from: 20, to: 0 }));
        content(&mut file, "-7");
        assert_eq!(file.handle(at(0), FileInput::Absent), Some(FileAction::Changed { from: -7, to: 0 }));
        assert_eq!(content(&mut file, "3000000000"), Some(FileAction::Refused(3_000_000_000)));
    }

    #[test]
    fn a_file_written_without_a_pause_is_read_fifty_times_a_second_and_its_last_word_counts() {
        let mut file = File::default();
        let mut readings = 0;
        for milli in 1_000..2_000 {
            let due = file.poll_at().is_some_and(|due| due <= at(milli));
            let first = if due { file.handle(at(milli), FileInput::Timeout) } else { None };
            let second = file.handle(at(milli), FileInput::Touched);
            readings += usize::from(first.is_some()) + usize::from(second.is_some());
        }
        assert!((49..=51).contains(&readings), "{readings}");
        let due = file.poll_at().unwrap();
        assert!(due <= at(2_020));
        assert_eq!(file.handle(due, FileInput::Timeout), Some(FileAction::Read));
        assert_eq!(file.poll_at(), None);
    }
}

//! What a child answers a client of the control socket: a table and JSON of the same values.
//!
//! Start with [`Sheet`], the frame of both forms; [`vrrp`] has virtual routers and groups, [`mod@why`] sentences about one, `lvs` services, real servers
//! and checks, `bfd` sessions, [`metrics`] the
//! numbers of all of them for Prometheus. Everything is lent and nothing is allocated. The keys of JSON keep their meaning; a key
//! that changes its meaning changes [`crate::wire::control::SCHEMA`].

#[cfg(feature = "bfd")]
pub mod bfd;
#[cfg(feature = "lvs")]
pub mod lvs;
pub mod metrics;
pub mod vrrp;
pub mod why;

use core::fmt::{self, Display, Write};

use crate::base::time::{Instant, Span};

/// An answer under way: lists of objects, one after the other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sheet {
    /// As JSON; else as text.
    pub json: bool,
    /// Only the object with this key.
    pub name: Option<u64>,
    /// Objects that were written.
    pub count: usize,
    lists: usize,
    /// Objects of the list that is open.
    listed: usize,
}

impl Sheet {
    /// An answer that is to begin.
    #[must_use]
    pub const fn new(json: bool, name: Option<u64>) -> Self {
        Self { json, name, count: 0, lists: 0, listed: 0 }
    }

    /// Whether an object of this key belongs into it.
    #[must_use]
    pub fn wants(&self, key: u64) -> bool {
        self.name.is_none_or(|name| name == key)
    }

    /// Begins the next list.
    ///
    /// # Errors
    /// What `out` says.
    pub fn list(&mut self, out: &mut dyn Write, key: &str) -> fmt::Result {
        self.listed = 0;
        self.lists = self.lists.saturating_add(1);
        match (self.json, self.lists) {
            (false, _) => Ok(()),
            (true, 1) => write!(out, "{{\"{key}\":["),
            (true, _) => write!(out, "],\"{key}\":["),
        }
    }

    /// Begins the next object; `heading` stands over the first one of a table.
    ///
    /// # Errors
    /// What `out` says.
    pub fn object(&mut self, out: &mut dyn Write, heading: &str) -> fmt::Result {
        let first = self.listed == 0;
        self.listed = self.listed.saturating_add(1);
        self.count = self.count.saturating_add(1);
        match (self.json, first) {
            (true, true) => Ok(()),
            (true, false) => out.write_char(','),
            (false, true) if self.name.is_none() => writeln!(out, "\n{heading}"),
            (false, true) => out.write_char('\n'),
            (false, false) => Ok(()),
        }
    }

    /// Ends the answer.
    ///
    /// # Errors
    /// What `out` says.
    pub fn end(&self, out: &mut dyn Write) -> fmt::Result {
        if self.json { out.write_str("]}") } else { Ok(()) }
    }
}

/// A column: `value` with blanks up to `width`, and one blank at least.
pub(crate) fn column(out: &mut dyn Write, value: impl Display, width: usize) -> fmt::Result {
    let mut counted = Counted { out, count: 0 };
    write!(counted, "{value}")?;
    let Counted { out, count } = counted;
    write!(out, "{:1$}", "", width.saturating_sub(count).max(1))
}

/// Counts the characters that go through it.
struct Counted<'a> {
    out: &'a mut dyn Write,
    count: usize,
}

impl Write for Counted<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.count = self.count.saturating_add(text.chars().count());
        self.out.write_str(text)
    }
}

/// A span in seconds, with three digits behind the point.
#[derive(Clone, Copy, Debug)]
pub struct Ago(Span);

impl Ago {
    /// From a moment up to now.
    #[must_use]
    pub const fn of(now: Instant, then: Instant) -> Self {
        Self(now.since(then))
    }
}

impl Display for Ago {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.as_secs(), self.0.subsec_micros() / 1_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_both_forms_have_what_they_need_between_them() {
        let written = |json, name| {
            let mut sheet = Sheet { json, name, ..Sheet::default() };
            let mut out = String::new();
            sheet.list(&mut out, "a").unwrap();
            for value in ["1", "2"] {
                sheet.object(&mut out, "A").unwrap();
                out.push_str(value);
            }
            sheet.list(&mut out, "b").unwrap();
            sheet.list(&mut out, "c").unwrap();
            sheet.object(&mut out, "C").unwrap();
            out.push('3');
            sheet.end(&mut out).unwrap();
            assert_eq!(sheet.count, 3);
            out
        };
        assert_eq!(written(true, None), r#"{"a":[1,2],"b":[],"c":[3]}"#);
        assert_eq!(written(false, None), "\nA\n12\nC\n3");
        assert_eq!(written(false, Some(1)), "\n12\n3");
        assert!(Sheet::default().wants(7));
        let one = Sheet { name: Some(7), ..Sheet::default() };
        assert!(one.wants(7) && !one.wants(8));
    }

    #[test]
    fn columns_line_up_and_never_run_into_each_other() {
        let mut out = String::new();
        for value in ["ab", "äb", "abcdef"] {
            column(&mut out, value, 4).unwrap();
            out.push('|');
        }
        assert_eq!(out, "ab  |äb  |abcdef |");
        let ago = Ago::of(Instant::from_micros(2_034_567), Instant::from_micros(1_000_000));
        assert_eq!(ago.to_string(), "1.034");
    }
}

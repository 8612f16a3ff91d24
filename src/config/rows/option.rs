//! Lines that are made of option words: the walk over the words, and one entry a word.

use core::fmt::Arguments;
use core::ops::RangeInclusive;

use crate::base::addr::{Family, IpAddr, Prefix};
use crate::config::iproute::Table;
use crate::config::line::Line;
use crate::config::model::Named;
use crate::config::nearest::nearest;
use crate::config::row::{Term, fit};
use crate::config::tree::Word;
use crate::config::value;

/// The line cannot be used, which was told.
pub(super) struct Unusable;

/// An option word: what is known about it, and how what follows it is read.
pub(super) struct Choice<D: 'static> {
    /// What is known about it.
    pub(super) term: Term,
    /// Reads what follows the word.
    pub(super) read: Reader<D>,
}

/// Reads what follows an option word.
pub(super) type Reader<D> = for<'l, 'a> fn(&mut D, &mut Words<'l, 'a>, &'a Word<'a>) -> Result<(), Unusable>;

/// The words of one line, in order.
pub(super) struct Words<'l, 'a> {
    /// The line, for what is told about it.
    pub(super) line: &'l mut Line<'a>,
    next: usize,
}

impl<'l, 'a> Words<'l, 'a> {
    /// From the word at `next` on.
    pub(super) const fn new(line: &'l mut Line<'a>, next: usize) -> Self {
        Self { line, next }
    }

    /// The next word.
    pub(super) fn next(&mut self) -> Option<&'a Word<'a>> {
        let word = self.line.arg(self.next)?;
        self.next = self.next.saturating_add(1);
        Some(word)
    }

    /// The next word, which stays the next one.
    pub(super) fn peek(&self) -> Option<&'a Word<'a>> {
        self.line.arg(self.next)
    }

    /// Takes the next word if it is this one.
    pub(super) fn take(&mut self, text: &str) -> bool {
        let there = self.peek().is_some_and(|word| word.text == text);
        if there {
            self.next = self.next.saturating_add(1);
        }
        there
    }

    /// `[inet|inet6]` before an address.
    pub(super) fn family(&mut self) -> Option<Family> {
        if self.take("inet") {
            Some(Family::V4)
        } else if self.take("inet6") {
            Some(Family::V6)
        } else {
            None
        }
    }

    /// The value of an option; none is a mistake of its own class.
    pub(super) fn value(&mut self, option: &'a Word<'a>, syntax: &str) -> Result<&'a Word<'a>, Unusable> {
        match self.next() {
            Some(word) => Ok(word),
            None => {
                self.line.missing(option, &format!("... {} {syntax}", option.text));
                Err(Unusable)
            }
        }
    }

    /// Tells why the line is not used.
    pub(super) fn refuse(&mut self, word: &'a Word<'a>, message: Arguments<'_>, remedy: &str) -> Unusable {
        self.line.error(word, message, remedy);
        Unusable
    }

    /// A whole number; another word makes the line useless. At most 2^32-1.
    pub(super) fn number<T: TryFrom<i64> + Default>(
        &mut self,
        option: &'a Word<'a>,
        range: RangeInclusive<i64>,
    ) -> Result<T, Unusable> {
        let bounds = format!("<{}..{}>", range.start(), range.end());
        let word = self.value(option, &bounds)?;
        self.line.number(option.text, word, range).map(fit).ok_or(Unusable)
    }

    /// A name of a table or a number.
    pub(super) fn named(
        &mut self,
        option: &'a Word<'a>,
        table: &Table,
        most: u32,
        what: &str,
    ) -> Result<u32, Unusable> {
        let word = self.value(option, "<name or number>")?;
        match table.number(word.text, most) {
            Some(number) => Ok(number),
            None => Err(self.unnamed(word, table, most, what)),
        }
    }

    /// Tells a word that is neither a name of the table nor a number.
    pub(super) fn unnamed(&mut self, word: &'a Word<'a>, table: &Table, most: u32, what: &str) -> Unusable {
        let message = format_args!("{what} {} not found or invalid", word.text);
        let remedy = match nearest(word.text, table.names()) {
            Some(near) => format!("did you mean '{near}'? The line is not used"),
            None => format!(
                "write a name of iproute2's tables or a number from 0 to {most}; the line is not used"
            ),
        };
        self.refuse(word, message, &remedy)
    }

    /// `[<realm>/]<realm>`: source in the upper half, destination in the lower.
    pub(super) fn realms(&mut self, option: &'a Word<'a>, table: &Table) -> Result<u32, Unusable> {
        let word = self.value(option, "[<realm>/]<realm>")?;
        let (from, to) = match word.text.split_once('/') {
            Some((from, to)) => (table.number(from, 255), to),
            None => (Some(0), word.text),
        };
        match (from, table.number(to, 255)) {
            (Some(from), Some(to)) => Ok(from << 16 | to),
            _ => {
                let message = format_args!("invalid realms {}", word.text);
                Err(self.refuse(
                    word,
                    message,
                    "write one or two names or numbers from 0 to 255; the line is not used",
                ))
            }
        }
    }

    /// An interface.
    pub(super) fn interface(&mut self, option: &'a Word<'a>) -> Result<Named, Unusable> {
        let word = self.value(option, "<interface>")?;
        self.line.interface(word).ok_or(Unusable)
    }

    /// An address.
    pub(super) fn address(&mut self, option: &'a Word<'a>) -> Result<(IpAddr, &'a Word<'a>), Unusable> {
        let word = self.value(option, "<ip>")?;
        match word.text.parse() {
            Ok(addr) => Ok((addr, word)),
            Err(_) => {
                let message = format_args!("invalid {} address {}", option.text, word.text);
                Err(self.refuse(
                    word,
                    message,
                    "write a numeric address without a prefix length; the line is not used",
                ))
            }
        }
    }

    /// A prefix; one whose length is bad is used with the longest one.
    pub(super) fn prefix(&mut self, word: &'a Word<'a>) -> Option<Prefix> {
        let read = value::prefix(word.text)?;
        if read.bad.is_some() {
            let most = read.prefix.family().max_prefix();
            let message = format_args!("Invalid address prefix len for address {} - using {most}", word.text);
            self.line.lossy(word, message, &format!("a prefix has 0 to {most} bits"));
        }
        Some(read.prefix)
    }
}

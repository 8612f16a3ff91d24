//! One line while its row reads it: its words, and how its mistakes are told.

use core::fmt::Arguments;
use core::ops::RangeInclusive;

use super::diag::{Class, Diagnostic, Diagnostics, Mark, Severity};
use super::model::{At, Named};
use super::tree::{Node, Position, Word};
use super::value::{self, Bad};
use crate::base::name::IfName;

/// One line while it is read: its words, and where its mistakes go.
pub struct Line<'a> {
    /// The keyword, or the first word of an entry.
    pub keyword: &'a Word<'a>,
    /// The words after the keyword; of an entry, all of them.
    pub args: &'a [Word<'a>],
    /// The line as the tree has it.
    pub node: Node<'a>,
    /// What is being read, for messages: `(VI_1) ` or empty.
    pub owner: &'a str,
    /// No address and no check hangs on the keyword: none of its mistakes can cost one.
    pub aside: bool,
    /// All mistakes so far.
    pub found: &'a mut Diagnostics,
}

/// What takes the place of a number that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Used<'a> {
    /// The line has no effect.
    Nothing,
    /// A fixed number, whatever was written: no less a mistake than a line without effect.
    Default(&'a str),
    /// The end of the range that is nearer.
    Nearest(&'a str),
}

/// The keyword of a line without words.
static NO_WORD: Word<'static> =
    Word { text: "", at: Position { file: 0, line: 0, column: 0 }, quoted: false };

impl<'a> Line<'a> {
    /// The line of a keyword, or with `entry` a line of which every word is a value. `words`: those of the node.
    pub fn new(
        node: Node<'a>,
        words: &'a [Word<'a>],
        entry: bool,
        owner: &'a str,
        found: &'a mut Diagnostics,
    ) -> Self {
        let (keyword, rest) = words.split_first().unwrap_or((&NO_WORD, &[]));
        Self { keyword, args: if entry { words } else { rest }, node, owner, aside: false, found }
    }

    /// The argument at `index`.
    #[must_use]
    pub fn arg(&self, index: usize) -> Option<&'a Word<'a>> {
        self.args.get(index)
    }

    /// Adds a finding with the owner in front.
    pub fn tell(&mut self, severity: Severity, mark: impl Into<Mark>, message: Arguments<'_>, remedy: &str) {
        self.report(Diagnostic::new(severity, mark, format!("{}{message}", self.owner)), remedy);
    }

    fn report(&mut self, finding: Diagnostic, remedy: &str) {
        let costs = finding.costs && !self.aside;
        let finding = finding.costs(costs);
        self.found.report(if remedy.is_empty() { finding } else { finding.remedy(remedy) });
    }

    /// The line, or the entry, is not used.
    pub fn error(&mut self, mark: impl Into<Mark>, message: Arguments<'_>, remedy: &str) {
        self.tell(Severity::Error, mark, message, remedy);
    }

    /// Not used, and nothing is lost by that: the same holds without it.
    pub fn idle(&mut self, mark: impl Into<Mark>, message: Arguments<'_>, remedy: &str) {
        self.again(true, mark, message, remedy);
    }

    /// Not used, as the same was said before; nothing is lost if it was said with the `same` words.
    pub fn again(&mut self, same: bool, mark: impl Into<Mark>, message: Arguments<'_>, remedy: &str) {
        let finding = Diagnostic::new(Severity::Error, mark, format!("{}{message}", self.owner));
        self.report(finding.costs(!same), remedy);
    }

    /// Used, but without a part that may matter.
    pub fn lossy(&mut self, mark: impl Into<Mark>, message: Arguments<'_>, remedy: &str) {
        let finding = Diagnostic::new(Severity::Warning, mark, format!("{}{message}", self.owner));
        self.report(finding.costs(true), remedy);
    }

    /// Used, but not as written.
    pub fn warn(&mut self, mark: impl Into<Mark>, message: Arguments<'_>, remedy: &str) {
        self.tell(Severity::Warning, mark, message, remedy);
    }

    /// Told only.
    pub fn note(&mut self, mark: impl Into<Mark>, message: Arguments<'_>, remedy: &str) {
        self.tell(Severity::Note, mark, message, remedy);
    }

    /// The keyword, or an option word of it, lacks its argument (exit 2).
    pub fn missing(&mut self, after: &Word<'_>, syntax: &str) {
        let message = format!("{} is missing a parameter after keyword `{}`", self.keyword.text, after.text);
        let finding = Diagnostic::new(Severity::Error, after, message).class(Class::Missing);
        self.report(finding, &format!("write {} {syntax}", self.keyword.text));
    }

    /// Words past the first `used` are not used, which keepalived does not tell.
    pub fn surplus(&mut self, used: usize) {
        if let Some(extra) = self.arg(used) {
            self.unused(extra, false);
        }
    }

    /// Nothing reads the word; `lost`: it is another keyword.
    pub fn unused(&mut self, extra: &Word<'_>, lost: bool) {
        let message = format!("{}'{}' after {} is not used", self.owner, extra.text, self.keyword.text);
        let finding = Diagnostic::new(Severity::Note, extra, message);
        self.report(finding.costs(lost), "only one keyword can stand on a line");
    }

    /// Tells why `word` is not the number that `what` takes; `range` as text, `used` what is used instead.
    pub fn bad_number(&mut self, what: &str, word: &Word<'_>, bad: Bad, range: &str, used: Used<'_>) {
        let text = word.text;
        let reason = match bad {
            Bad::Text => format!("{what}: invalid number '{text}'"),
            Bad::Negative => format!("{what}: negative number '{text}'"),
            Bad::Range => format!("{what}: number '{text}' outside range [{range}]"),
        };
        let (severity, then) = match used {
            Used::Nearest(used) => (Severity::Warning, format!("{used} is used")),
            Used::Default(used) => (Severity::Error, format!("{used} is used")),
            Used::Nothing => (Severity::Error, "this one is not used".to_owned()),
        };
        self.tell(
            severity,
            word,
            format_args!("{reason}"),
            &format!("{what} takes a number in [{range}]; {then}"),
        );
    }

    /// The number of an option word, or a report; strict.
    pub fn number(&mut self, what: &str, word: &Word<'_>, range: RangeInclusive<i64>) -> Option<i64> {
        match value::integer(word.text, range.clone(), false) {
            Ok(read) => Some(read.value),
            Err(bad) => {
                let range = format!("{}, {}", range.start(), range.end());
                self.bad_number(what, word, bad, &range, Used::Nothing);
                None
            }
        }
    }

    /// The address, or a report.
    pub fn interface(&mut self, word: &Word<'_>) -> Option<Named> {
        if let Some(name) = IfName::new(word.text) {
            return Some(Named { name, at: At(word.at) });
        }
        let why = if word.text.len() > 15 { "too long" } else { "invalid" };
        let message = format_args!("Interface name '{}' {why} - ignoring", word.text);
        self.error(word, message, "an interface name has 1 to 15 bytes, no blank and no '/'");
        None
    }
}

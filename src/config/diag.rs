//! Every mistake of a configuration: where it stands, what is wrong, what would be right.
//!
//! One place decides how a finding is told (`file:line:column: message`) and which exit code a config test
//! ends with. Messages come from the rows; the frame comes from here.

use core::fmt::{self, Write};

use crate::base::exit::Exit;
use crate::base::limit;
use crate::base::map::{Map, Set};

use super::source::SourceMap;
use super::tree::{Position, Word};

/// How much a finding costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Told, not counted.
    Note,
    /// Used, but not as written: clamped, rounded, deprecated.
    Warning,
    /// A line or a block is not used.
    Error,
    /// The configuration cannot run.
    Fatal,
}

/// Which exit code of a config test a finding asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// None, as with every [`Severity::Note`].
    Uncounted,
    /// 4: unknown interfaces in the few places that have this class.
    Interface,
    /// 5: any ordinary mistake.
    Ordinary,
    /// 6: a script or a key file that others could change or read.
    Security,
    /// 2: a keyword lacks its argument.
    Missing,
    /// 6: an include that had to succeed did not.
    Include,
    /// 0 in a config test, 6 in the daemon: the main file is missing or cannot be used.
    NoFile,
    /// 4: a file of the configuration may not be read; 6 in the daemon if it is the main file.
    Denied,
}

/// What a finding points at: where it begins and how many bytes to mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// The first byte; a line of 0 means no place.
    pub at: Position,
    /// Bytes to mark, from 1; 0 is taken as 1.
    pub width: u16,
}

impl From<Position> for Mark {
    fn from(at: Position) -> Self {
        Self { at, width: 1 }
    }
}

impl From<Word<'_>> for Mark {
    fn from(word: Word<'_>) -> Self {
        let width = u16::try_from(word.text.len()).unwrap_or(u16::MAX);
        Self { at: word.at, width }
    }
}

impl From<&Word<'_>> for Mark {
    fn from(word: &Word<'_>) -> Self {
        Self::from(*word)
    }
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it costs.
    pub severity: Severity,
    /// Which exit code it asks for.
    pub class: Class,
    /// Where it stands; a line of 0 means nowhere in particular.
    pub at: Position,
    /// Bytes to mark.
    pub width: u16,
    /// What is wrong, in keepalived's words where tools match them; one line, no full stop.
    pub message: String,
    /// What to do about it, one line, for the long form.
    pub remedy: Option<String>,
    /// What is done instead of what was written may cost an address, an advert or a check: a running daemon does not
    /// go over to such a configuration.
    pub costs: bool,
}

impl Diagnostic {
    /// A finding with the class that goes with its severity: uncounted for a note, else ordinary. Whatever is not
    /// used may cost something.
    pub fn new(severity: Severity, mark: impl Into<Mark>, message: impl Into<String>) -> Self {
        let mark = mark.into();
        let class = if severity == Severity::Note { Class::Uncounted } else { Class::Ordinary };
        let (message, costs) = (message.into(), severity >= Severity::Error);
        Self { severity, class, at: mark.at, width: mark.width, message, remedy: None, costs }
    }

    /// The same finding in another class.
    #[must_use]
    pub fn class(mut self, class: Class) -> Self {
        self.class = class;
        self
    }

    /// The same finding, and whether it may cost something.
    #[must_use]
    pub const fn costs(mut self, costs: bool) -> Self {
        self.costs = costs;
        self
    }

    /// The same finding with a remedy.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = Some(remedy.into());
        self
    }

    /// The finding as one line, `file:line:column: message`, for the log.
    #[must_use]
    pub fn line<'a>(&'a self, sources: &'a SourceMap) -> Line<'a> {
        Line { diagnostic: self, sources }
    }

    /// Where it stands, `file:line:column`.
    #[must_use]
    pub fn place<'a>(&'a self, sources: &'a SourceMap) -> Place<'a> {
        Place(self.line(sources))
    }

    /// Writes the long form: the one line, the source line with the place marked, the remedy.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn explain(&self, sources: &SourceMap, out: &mut dyn Write) -> fmt::Result {
        writeln!(out, "{}", self.line(sources))?;
        if let Some(text) = sources.line(self.at) {
            let before = usize::from(self.at.column).saturating_sub(1).min(text.len());
            let width = usize::from(self.width.max(1)).min(text.len().saturating_sub(before).max(1));
            let (lead, marked) = text.as_bytes().split_at(before);
            // One cell for each control character keeps the mark in place and the terminal sane.
            let plain = |ch: char| {
                if ch.is_control() && ch != '\t' { '\u{fffd}' } else { ch }
            };
            let shown: String = text.trim_end().chars().map(plain).collect();
            writeln!(out, "    {shown}")?;
            out.write_str("    ")?;
            // A tab stays a tab so that the mark stands under its word; a continuation byte takes no room.
            for &byte in lead.iter().filter(|&&b| !is_continuation(b)) {
                out.write_char(if byte == b'\t' { '\t' } else { ' ' })?;
            }
            let cells = marked.iter().take(width).filter(|&&b| !is_continuation(b)).count().max(1);
            writeln!(out, "^{}", "~".repeat(cells.saturating_sub(1)))?;
        }
        if let Some(remedy) = &self.remedy {
            writeln!(out, "    {remedy}")?;
        }
        Ok(())
    }
}

const fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

/// A finding as one line.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    diagnostic: &'a Diagnostic,
    sources: &'a SourceMap,
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", Place(*self))?;
        escape(&self.diagnostic.message, f)
    }
}

/// Where a finding stands.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a>(Line<'a>);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { file, line, column } = self.0.diagnostic.at;
        let name = self.0.sources.name(file).unwrap_or("configuration");
        escape(name, f)?;
        match (line, column) {
            (0, _) => Ok(()),
            (_, 0) => write!(f, ":{line}"),
            _ => write!(f, ":{line}:{column}"),
        }
    }
}

/// Text from outside for a log line: its control characters are escaped.
pub struct Escaped<'a>(pub &'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(self.0, f)
    }
}

/// A configuration may hold control characters, as may the name of a file; a log line must not.
fn escape(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for ch in text.chars() {
        if ch.is_control() {
            write!(f, "{}", ch.escape_default())?;
        } else {
            f.write_char(ch)?;
        }
    }
    Ok(())
}

/// All findings of one configuration, bounded, in the order of the text.
///
/// The same message at the same place is kept once: the lines of a `~SEQ` repeat their mistakes. Past
/// [`limit::DIAGNOSTICS`] findings, or [`PER_PLACE`] at one place, findings are only counted; fatal ones have
/// room of their own, so that many small mistakes never hide the one that matters.
#[derive(Clone, Debug, Default)]
pub struct Diagnostics {
    kept: Map<Position, Vec<Diagnostic>>,
    len: usize,
    fatal: usize,
    more: u64,
    worst: Option<Severity>,
    seen: [bool; CLASSES],
    /// Topics of which only the first note is kept.
    topics: Set<&'static str>,
    /// Nobody will read the findings: none is kept.
    unread: bool,
}

/// Different messages kept for one place.
pub const PER_PLACE: usize = 8;

const CLASSES: usize = 8;

impl Diagnostics {
    /// No finding.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// For a text whose findings another process tells: none is kept, so that they cost next to nothing.
    #[must_use]
    pub fn unread() -> Self {
        Self { unread: true, ..Self::default() }
    }

    /// Whether no finding is kept.
    #[must_use]
    pub const fn is_unread(&self) -> bool {
        self.unread
    }

    /// Adds a finding.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        let fatal = diagnostic.severity == Severity::Fatal;
        self.worst = self.worst.max(Some(diagnostic.severity));
        if diagnostic.severity != Severity::Note
            && let Some(seen) = self.seen.get_mut(diagnostic.class as usize)
        {
            *seen = true;
        }
        if self.unread {
            return;
        }
        let here = self.kept.get(&diagnostic.at).map_or(&[][..], Vec::as_slice);
        if here.iter().any(|known| known.message == diagnostic.message) {
            return;
        }
        let full = if fatal {
            self.fatal >= limit::DIAGNOSTICS
        } else {
            self.len.saturating_sub(self.fatal) >= limit::DIAGNOSTICS || here.len() >= PER_PLACE
        };
        if full {
            self.more = self.more.saturating_add(1);
            return;
        }
        self.len = self.len.saturating_add(1);
        self.fatal = self.fatal.saturating_add(usize::from(fatal));
        self.kept.change(diagnostic.at, |here| here.push(diagnostic));
    }

    /// Adds a finding with its remedy.
    pub fn tell(&mut self, severity: Severity, mark: impl Into<Mark>, message: String, remedy: &str) {
        self.report(Diagnostic::new(severity, mark, message).remedy(remedy));
    }

    /// Adds a note: told, not counted.
    pub fn note(&mut self, mark: impl Into<Mark>, message: impl Into<String>) {
        self.report(Diagnostic::new(Severity::Note, mark, message));
    }

    /// Adds a note unless one of this topic was added before, wherever that stands.
    pub fn note_once(&mut self, topic: &'static str, mark: impl Into<Mark>, message: impl Into<String>) {
        if self.topics.insert(topic) {
            self.note(mark, message);
        }
    }

    /// Adds an ordinary warning: used, but not as written.
    pub fn warning(&mut self, mark: impl Into<Mark>, message: impl Into<String>) {
        self.report(Diagnostic::new(Severity::Warning, mark, message));
    }

    /// Adds an ordinary error: the line or block is not used.
    pub fn error(&mut self, mark: impl Into<Mark>, message: impl Into<String>) {
        self.report(Diagnostic::new(Severity::Error, mark, message));
    }

    /// Adds an ordinary finding that keeps the configuration from running.
    pub fn fatal(&mut self, mark: impl Into<Mark>, message: impl Into<String>) {
        self.report(Diagnostic::new(Severity::Fatal, mark, message));
    }

    /// What was told at this place keeps the configuration from running.
    pub fn ruin(&mut self, at: Position) {
        self.worst = Some(Severity::Fatal);
        for one in self.kept.get_mut(&at).into_iter().flatten() {
            if one.severity < Severity::Fatal {
                one.severity = Severity::Fatal;
                self.fatal = self.fatal.saturating_add(1);
            }
        }
    }

    /// Adds the finding that a keyword lacks its argument.
    pub fn missing(&mut self, mark: impl Into<Mark>, message: impl Into<String>) {
        self.report(Diagnostic::new(Severity::Error, mark, message).class(Class::Missing));
    }

    /// The findings kept, in the order of files, lines and columns.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.kept.values().flatten()
    }

    /// How many findings are kept.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing was found.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether a finding at this place names `word`.
    #[must_use]
    pub fn names(&self, at: Position, word: &str) -> bool {
        self.kept.get(&at).is_some_and(|here| here.iter().any(|known| known.message.contains(word)))
    }

    /// Whether a finding of no special severity at this place would be kept and not only counted: what it costs to
    /// make a good one need not be spent otherwise.
    #[must_use]
    pub fn has_room(&self, at: Position) -> bool {
        let here = self.kept.get(&at).map_or(0, Vec::len);
        !self.unread && self.len.saturating_sub(self.fatal) < limit::DIAGNOSTICS && here < PER_PLACE
    }

    /// Whether something was found at this very place.
    #[must_use]
    pub fn holds(&self, at: Position) -> bool {
        self.kept.contains_key(&at)
    }

    /// How many findings were counted only.
    #[must_use]
    pub const fn more(&self) -> u64 {
        self.more
    }

    /// The worst severity found.
    #[must_use]
    pub const fn worst(&self) -> Option<Severity> {
        self.worst
    }

    /// Whether a finding of this class was made (notes have none).
    #[must_use]
    pub fn has(&self, class: Class) -> bool {
        self.seen.get(class as usize).copied().unwrap_or(false)
    }

    /// Whether the configuration cannot run: something fatal, no main file, or a required include missing.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.worst == Some(Severity::Fatal) || self.has(Class::Include) || self.has(Class::NoFile)
    }

    /// The exit code of a config test.
    ///
    /// A failed include and a missing argument end keepalived's reading at once, so they go first; the
    /// security class overrides the ordinary one, and the interface class counts only when alone.
    #[must_use]
    pub fn exit_test(&self) -> Exit {
        if self.has(Class::Include) || (self.has(Class::Security) && !self.has(Class::Missing)) {
            Exit::NoConfig
        } else if self.has(Class::Missing) {
            Exit::Config
        } else if self.has(Class::Denied) {
            // What else was found may come of what was not read.
            Exit::Permission
        } else if self.has(Class::Ordinary) {
            Exit::ConfigTest
        } else if self.has(Class::Interface) {
            Exit::Permission
        } else {
            Exit::Ok
        }
    }

    /// The exit code of a daemon that starts with this configuration, if it must not run.
    #[must_use]
    pub fn exit_daemon(&self) -> Option<Exit> {
        let denied = self.has(Class::Denied) && self.worst == Some(Severity::Fatal);
        if self.has(Class::Include) || self.has(Class::NoFile) || denied {
            Some(Exit::NoConfig)
        } else if self.worst == Some(Severity::Fatal) {
            Some(Exit::Config)
        } else {
            None
        }
    }

    /// Writes all findings, one line each or explained, and how many more there are.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, sources: &SourceMap, long: bool, out: &mut dyn Write) -> fmt::Result {
        for diagnostic in self.iter() {
            if long {
                diagnostic.explain(sources, out)?;
            } else {
                writeln!(out, "{}", diagnostic.line(sources))?;
            }
        }
        match self.more {
            0 => Ok(()),
            1 => writeln!(out, "1 more finding is not shown"),
            more => writeln!(out, "{more} more findings are not shown"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, column: u16) -> Position {
        Position { file: 0, line, column }
    }

    fn sources() -> SourceMap {
        let mut map = SourceMap::default();
        map.add("/etc/keepalived.conf", b"vrrp_instance A {\n\tpriorty 100\n}\n".as_slice().into());
        map
    }

    #[test]
    fn one_line_and_long_form() {
        let mut all = Diagnostics::new();
        let mark = Mark { at: at(2, 2), width: 7 };
        let found = Diagnostic::new(Severity::Error, mark, "Unknown keyword 'priorty'");
        all.report(found.remedy("write priority 1..255"));
        let mut short = String::new();
        all.write(&sources(), false, &mut short).unwrap();
        assert_eq!(short, "/etc/keepalived.conf:2:2: Unknown keyword 'priorty'\n");
        let mut long = String::new();
        all.write(&sources(), true, &mut long).unwrap();
        assert_eq!(
            long,
            "/etc/keepalived.conf:2:2: Unknown keyword 'priorty'\n    \tpriorty 100\n    \t^~~~~~~\n    \
             write priority 1..255\n"
        );
    }

    #[test]
    fn what_nobody_reads_is_not_kept_and_counts_all_the_same() {
        let mut all = Diagnostics::unread();
        assert!(!all.has_room(at(1, 1)));
        all.missing(at(1, 1), "a");
        assert_eq!((all.len(), all.more(), all.worst()), (0, 0, Some(Severity::Error)));
        assert!(all.has(Class::Missing));
    }

    #[test]
    fn sorted_and_each_once() {
        let mut all = Diagnostics::new();
        all.error(at(9, 1), "b");
        all.error(at(2, 1), "a");
        all.error(at(9, 1), "b");
        let lines: Vec<u32> = all.iter().map(|d| d.at.line).collect();
        assert_eq!(lines, [2, 9]);
        assert_eq!((all.len(), all.more()), (2, 0));
    }

    #[test]
    fn bounded_but_a_fatal_one_is_still_told() {
        let mut all = Diagnostics::new();
        for line in 1..=5_000 {
            all.error(at(line, 1), "x");
        }
        all.fatal(at(6_000, 1), "cannot run");
        assert_eq!(all.len(), limit::DIAGNOSTICS + 1);
        assert_eq!(all.more(), 4_000);
        assert!(!all.has_room(at(7_000, 1)));
        assert_eq!(all.iter().last().unwrap().message, "cannot run");
        assert_eq!(all.exit_daemon(), Some(Exit::Config));
    }

    #[test]
    fn exit_codes() {
        let code = |classes: &[Class]| {
            let mut all = Diagnostics::new();
            for (&class, line) in classes.iter().zip(1..) {
                all.report(Diagnostic::new(Severity::Warning, at(line, 1), "x").class(class));
            }
            all.exit_test()
        };
        assert_eq!(code(&[]), Exit::Ok);
        assert_eq!(code(&[Class::Uncounted, Class::NoFile]), Exit::Ok);
        assert_eq!(code(&[Class::Interface]), Exit::Permission);
        assert_eq!(code(&[Class::Denied, Class::Ordinary]), Exit::Permission);
        assert_eq!(code(&[Class::Denied, Class::Include]), Exit::NoConfig);
        assert_eq!(code(&[Class::Interface, Class::Ordinary]), Exit::ConfigTest);
        assert_eq!(code(&[Class::Security, Class::Ordinary]), Exit::NoConfig);
        assert_eq!(code(&[Class::Missing, Class::Security]), Exit::Config);
        assert_eq!(code(&[Class::Include, Class::Missing]), Exit::NoConfig);
        let mut note = Diagnostics::new();
        note.note(at(1, 1), "x");
        assert_eq!(note.exit_test(), Exit::Ok);
    }

    #[test]
    fn control_characters_never_reach_the_log() {
        let mut all = Diagnostics::new();
        all.error(at(1, 1), "bad '\u{1b}[2J\n'");
        let text = all.iter().next().unwrap().line(&sources()).to_string();
        assert_eq!(text, "/etc/keepalived.conf:1:1: bad '\\u{1b}[2J\\n'");
    }
}

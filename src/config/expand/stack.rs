//! What is being read: files, sequences and values of several lines on one stack, and the next line of the
//! innermost.

use std::rc::Rc;
use std::vec;

use crate::base::limit;

use super::super::diag::{Class, Diagnostic, Severity};
use super::super::include::{self, Checks};
use super::super::lexer::is_blank_char;
use super::super::parameter::Lines;
use super::super::plain;
use super::super::sequence::Sequence;
use super::super::text::{self, Text};
use super::super::tree::Position;
use super::{End, Expander, LINES_A_SLICE, Stop};

/// Something that lines come from.
pub(super) enum Frame {
    /// A file; `checks` are those to go back to at its end.
    File { file: u16, bytes: Rc<[u8]>, next: usize, line: u32, depth: usize, checks: Checks },
    /// The files of an include that are still to be read.
    Files { files: vec::IntoIter<(String, Rc<[u8]>)>, depth: usize, at: Position },
    /// A line to be repeated.
    Sequence { sequence: Sequence, line: Rc<Text> },
    /// The later lines of a value, and what follows the last one.
    Value { name: Rc<str>, lines: Lines, next: usize, tail: Option<Text> },
}

/// What became of the next line of a file.
pub(super) enum Physical {
    Line,
    /// Told and left out.
    Unusable,
    End,
}

impl Expander<'_> {
    /// Where reading is: the last line taken from a file.
    pub(super) fn here(&self) -> Position {
        let files = self.state.frames.iter().rev().filter_map(|frame| match frame {
            Frame::File { file, line, .. } => Some(Position { file: *file, line: *line, column: 1 }),
            _ => None,
        });
        files.take(1).next().unwrap_or_default()
    }

    /// Starts reading a file; false if it cannot be.
    pub(super) fn enter(&mut self, name: &str, bytes: Rc<[u8]>, depth: usize, at: Position) -> bool {
        let Some(file) = self.state.sources.add(name, Rc::clone(&bytes)) else {
            self.found.error(at, format!("Too many files, '{name}' is not read"));
            return false;
        };
        let first = Position { file, line: 1, column: 1 };
        let mut next = 0;
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            let message = "The file is UTF-16 text and is not read";
            let told =
                Diagnostic::new(Severity::Error, first, message).remedy("save it as UTF-8 or plain ASCII");
            self.found.report(told);
            return false;
        } else if bytes.starts_with(b"\xef\xbb\xbf") {
            next = 3;
            let told = Diagnostic::new(Severity::Note, first, "A byte order mark at the start is left out");
            self.found
                .report(told.remedy("keepalived would take it as part of the first word; save without it"));
        }
        self.state.directories.push(include::directory(name).to_owned());
        self.state.frames.push(Frame::File { file, bytes, next, line: 0, depth, checks: self.state.checks });
        true
    }

    /// Whether a file stands on the stack already.
    pub(super) fn reading(&self, name: &str) -> bool {
        self.state.frames.iter().any(|frame| match frame {
            Frame::File { file, .. } => self.state.sources.name(*file) == Some(name),
            _ => false,
        })
    }

    /// Pays for one text of `octets`.
    pub(super) fn charge(&mut self, octets: usize) -> Result<(), Stop> {
        self.state.octets = self.state.octets.saturating_add(octets);
        let total = self.state.octets.max(self.state.grower.octets());
        if self.state.lines > self.state.budget.lines || total > self.state.budget.octets {
            Err(Stop)
        } else {
            Ok(())
        }
    }

    /// Takes the next text to look at, the next line of the innermost frame, into `line`. Why there is none, at the end
    /// of everything and of a slice.
    pub(super) fn next_text(&mut self, line: &mut Text) -> Result<Option<End>, Stop> {
        loop {
            if self.state.slice >= LINES_A_SLICE {
                return Ok(Some(End::Slice));
            }
            self.state.slice = self.state.slice.saturating_add(1);
            self.state.lines = self.state.lines.saturating_add(1);
            match self.state.frames.last_mut() {
                None => return Ok(Some(End::Text)),
                Some(Frame::File { checks, .. }) => {
                    let checks = *checks;
                    self.plain_lines()?;
                    match self.physical(line) {
                        Physical::Line => {
                            self.charge(line.text.len())?;
                            let end = text::scan(&line.text).end;
                            trim(line, 0, end);
                        }
                        Physical::Unusable => continue,
                        Physical::End => {
                            self.state.checks = checks;
                            self.state.directories.pop();
                            self.state.frames.pop();
                            continue;
                        }
                    }
                }
                Some(Frame::Files { files, depth, at }) => {
                    let (depth, at) = (*depth, *at);
                    match files.next() {
                        Some((name, bytes)) => _ = self.enter(&name, bytes, depth, at),
                        None => _ = self.state.frames.pop(),
                    }
                    continue;
                }
                Some(Frame::Sequence { sequence, line: repeated }) => {
                    let parameters = &mut self.state.parameters;
                    if !sequence.advance(|name, value| parameters.set(name, value)) {
                        self.state.frames.pop();
                        continue;
                    }
                    line.text.clone_from(&repeated.text);
                    line.origins.clone_from(&repeated.origins);
                    line.at = repeated.at;
                    self.charge(line.text.len())?;
                }
                Some(Frame::Value { lines, next, tail, .. }) => {
                    if let Some((content, at)) = lines.get(*next) {
                        *next = next.saturating_add(1);
                        line.set(content, *at);
                        let end = text::scan(&line.text).end;
                        trim(line, 0, end);
                    } else if let Some(tail) = tail.take() {
                        *line = tail;
                    } else {
                        self.state.frames.pop();
                        continue;
                    }
                    self.charge(line.text.len())?;
                }
            }
            if !line.text.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Takes the plain lines of the file on top of the stack straight into the tree, up to the first one that needs
    /// a closer look or that is left to the next slice. Each costs what it would cost on the long way.
    fn plain_lines(&mut self) -> Result<(), Stop> {
        let Some(Frame::File { file, bytes, next, line, .. }) = self.state.frames.last_mut() else {
            return Ok(());
        };
        // A byte order mark counts as columns of the first line.
        if *line == 0 && *next > 0 {
            return Ok(());
        }
        while self.state.slice < LINES_A_SLICE
            && let Some(rest) = bytes.get(*next..).filter(|rest| !rest.is_empty())
        {
            let Some(plain) = plain::plain(rest, limit::CONFIG_LINE) else { break };
            *next = next.saturating_add(plain.whole);
            *line = line.saturating_add(1);
            self.state.lines = self.state.lines.saturating_add(1);
            self.state.slice = self.state.slice.saturating_add(1);
            let times = if plain.brace.is_some() { 2 } else { 1 };
            self.state.octets = self.state.octets.saturating_add(plain.len.saturating_mul(times));
            let total = self.state.octets.max(self.state.grower.octets());
            if self.state.lines > self.state.budget.lines || total > self.state.budget.octets {
                return Err(Stop);
            }
            let first = Position { file: *file, line: *line, column: 1 };
            self.state.grower.take_plain(&plain, first, self.found)?;
        }
        Ok(())
    }

    /// The next line of the file on top of the stack, comment and blanks still there.
    pub(super) fn physical(&mut self, line: &mut Text) -> Physical {
        let Some(Frame::File { file, bytes, next, line: number, .. }) = self.state.frames.last_mut() else {
            return Physical::End;
        };
        let Some(rest) = bytes.get(*next..).filter(|rest| !rest.is_empty()) else {
            return Physical::End;
        };
        let len = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        let raw = rest.get(..len).unwrap_or(&[]);
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        // Three bytes of a byte order mark were skipped, and count as columns.
        let column = if *number == 0 { u16::try_from(*next).unwrap_or(0).saturating_add(1) } else { 1 };
        *next = next.saturating_add(len).saturating_add(1);
        *number = number.saturating_add(1);
        let at = Position { file: *file, line: *number, column };
        if raw.len() > limit::CONFIG_LINE {
            let message =
                format!("The line has {} bytes, more than {}; it is not used", raw.len(), limit::CONFIG_LINE);
            self.found.error(at, message);
        } else if raw.contains(&0) {
            self.found.error(at, "The line contains a NUL byte and is not used");
        } else if let Ok(text) = core::str::from_utf8(raw) {
            line.set(text, at);
            return Physical::Line;
        } else {
            let text = String::from_utf8_lossy(raw);
            line.set(&text, at);
            let used = line.text.get(..text::scan(&line.text).end).unwrap_or("");
            if let Some(bad) = used.find(char::REPLACEMENT_CHARACTER) {
                let message = "Bytes that are not UTF-8 text are replaced by U+FFFD";
                let told =
                    Diagnostic::new(Severity::Warning, line.position(bad), message).class(Class::Uncounted);
                self.found.report(told);
            }
            return Physical::Line;
        }
        let text = String::from_utf8_lossy(raw);
        self.state.grower.drop_line(&text);
        Physical::Unusable
    }
}

/// Cuts a text to `start..end` and off its blanks.
pub(super) fn trim(line: &mut Text, start: usize, end: usize) {
    let piece = line.text.get(start..end).unwrap_or("");
    let lead = piece.len().saturating_sub(piece.trim_start_matches(is_blank_char).len());
    let len = piece.trim_matches(is_blank_char).len();
    let start = start.saturating_add(lead);
    let end = start.saturating_add(len);
    if line.origins.is_empty() {
        line.at = line.position(start);
        line.text.truncate(end);
        line.text.drain(..start);
    } else if start > 0 || end < line.text.len() {
        *line = line.part(start, end);
    }
}

//! Include lines: their files go on the stack; `include_check` changes what they demand.

use std::rc::Rc;

use crate::base::limit;

use super::super::diag::{Class, Diagnostic, Mark, Severity};
use super::super::include::{self, Checks};
use super::super::lexer::{self, is_blank_char};
use super::super::source::Unusable;
use super::super::text::{self, Text};
use super::Expander;
use super::stack::Frame;

impl Expander<'_> {
    /// Opens the files of an include line, the first on top of the stack.
    pub(super) fn include(&mut self, line: &mut Text, start: usize, checks: Checks) -> Option<usize> {
        let end = start.saturating_add(include::pattern_end(line.text.get(start..).unwrap_or("")));
        let mut part = line.part(start, end);
        text::unescape_marks(&mut part);
        let pattern = part.text.trim_end_matches(is_blank_char).to_owned();
        let mark = Mark { at: part.position(0), width: u16::try_from(pattern.len()).unwrap_or(u16::MAX) };
        // What stands behind the pattern is read after the files.
        let tail = (end < line.text.len()).then(|| line.part(end, line.text.len()));
        if self.state.grower.dropping() {
            return tail.map(|_| end);
        }
        let outer = self.state.frames.iter().rev().find_map(|frame| match frame {
            Frame::File { depth, .. } => Some(*depth),
            _ => None,
        });
        let depth = outer.unwrap_or(0).saturating_add(1);
        if depth > limit::INCLUDE_DEPTH {
            let message = format!(
                "More than {} files inside each other; '{pattern}' is not read",
                limit::INCLUDE_DEPTH
            );
            self.found.error(mark, message);
            return tail.map(|_| end);
        }
        let checks = self.state.checks.with(checks);
        let directory = self.state.directories.last().map_or("", String::as_str);
        let listed = include::find(self.files, directory, &pattern, checks);
        if let Some((message, fails)) = listed.lacks {
            self.lack(mark, message, fails);
        }
        if let Some(tail) = tail {
            let name = "".into();
            self.state.frames.push(Frame::Value { name, lines: Rc::new([]), next: 0, tail: Some(tail) });
        }
        let mut usable = Vec::new();
        for name in listed.names {
            if self.reading(&name) {
                self.found.error(mark, format!("File '{name}' includes itself and is not read again"));
                continue;
            }
            match self.files.read(&name) {
                Ok(bytes) => {
                    // In the order of reading, which is the order of findings.
                    self.state.sources.add(&name, Rc::clone(&bytes));
                    usable.push((name, bytes));
                }
                Err(why) => {
                    let message = format!("Configuration file '{name}' {} - skipping", reason(&why));
                    let denied = matches!(why, Unusable::Denied(_)) && !checks.read;
                    if denied {
                        // What is in it may be an instance that runs.
                        let told = Diagnostic::new(Severity::Warning, mark, message).class(Class::Denied);
                        self.found.report(told.costs(true));
                    } else {
                        self.lack(mark, message, checks.read);
                    }
                }
            }
        }
        self.state.frames.push(Frame::Files { files: usable.into_iter(), depth, at: mark.at });
        None
    }

    /// Tells what an include did not find or could not use.
    fn lack(&mut self, mark: Mark, message: String, fails: bool) {
        let told = if fails {
            Diagnostic::new(Severity::Fatal, mark, message).class(Class::Include)
        } else {
            Diagnostic::new(Severity::Note, mark, message)
        };
        self.found.report(told);
    }

    /// `include_check` in `global_defs` changes how the includes after it are checked.
    pub(super) fn include_check(&mut self, line: &Text, start: usize) {
        let rest = line.text.get(start..).unwrap_or("");
        let end = text::brace(&line.text, text::scan(&line.text), start).unwrap_or(line.text.len());
        let mut words = lexer::PlainWords::new(line.text.get(start..end).unwrap_or(""));
        if words.next().is_none_or(|word| word.text != "include_check")
            || self.state.grower.only_block() != Some("global_defs")
        {
            return;
        }
        let found = &mut *self.found;
        self.state.checks = self.state.checks.changed(words.map(|word| word.text), |word, message| {
            // The word is a part of `rest`, so its place follows from its address in it.
            let offset = rest.find(word).unwrap_or(0);
            let width = u16::try_from(word.len()).unwrap_or(u16::MAX);
            found.warning(Mark { at: line.position(start.saturating_add(offset)), width }, message);
        });
    }
}

/// Why a file is not read, in keepalived's words.
pub(super) fn reason(why: &Unusable) -> String {
    match why {
        Unusable::Missing => "open problem (No such file or directory)".into(),
        Unusable::Directory => "is a directory".into(),
        Unusable::Kind => "is not a regular non-executable file".into(),
        Unusable::Size => format!("is larger than {} MiB", limit::CONFIG_OCTETS >> 20),
        Unusable::Denied(error) => format!("open problem ({error})"),
    }
}

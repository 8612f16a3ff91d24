//! From files to a tree: the order in which a line is looked at (reference: language, section 6).
//!
//! ```text
//! file ── comment, blanks ──┐
//! round of a sequence ──────┼─ @id ─ $NAME= ─ ~SEQ ─ $NAME ─ comment ─ include ─ braces ── tree
//! line of a value ──────────┤                                                       │
//! rest of the line ─────────┴───────────────────────────────────────────────────────┘
//! ```
//!
//! What is being read stands on a stack of frames: an include, a sequence and a value of several lines each
//! push one. Work is bounded: every text taken costs its length, every parameter a little, and a budget of
//! [`limit::CONFIG_LINES`] lines and [`limit::CONFIG_OCTETS`] octets ends what would not end by itself.

use std::rc::Rc;

use crate::base::limit;

use super::diag::{self, Class, Diagnostic, Diagnostics, Mark, Severity};
use super::grow::{Full, Grower};
use super::include::{self, Checks};
use super::lexer::{self, is_blank_char};
use super::parameter::{self, Lines, Parameters, Random, Refusal, Surroundings, Value};
use super::sequence::{self, Sequence};
use super::snapshot::{Recorder, Snapshot};
use super::source::{Files, SourceMap, Unusable};
use super::text::{self, Text};
use super::tree::{Position, Tree};

/// What a configuration depends on besides its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The main file; a pattern may name several.
    pub path: String,
    /// The configuration id: `-i`, or the host name up to its first dot. For `@id` and `${_INSTANCE}`.
    pub id: String,
    /// Where `${_RANDOM}` starts.
    pub seed: u64,
}

/// A configuration, read and expanded.
#[derive(Clone, Debug, Default)]
pub struct Parsed {
    /// Its lines and blocks.
    pub tree: Tree,
    /// Where they came from.
    pub sources: SourceMap,
}

/// Reads a configuration, and keeps all that was read for another process.
///
/// A main file that is missing or of no use is told in class [`Class::NoFile`].
pub fn load(files: &dyn Files, options: &Options, found: &mut Diagnostics) -> (Parsed, Snapshot) {
    let recorder = Recorder::new(files, options);
    let parsed = expand(&recorder, options, found);
    (parsed, recorder.finish())
}

/// Reads a configuration again from what was kept.
pub fn replay(snapshot: &Snapshot, found: &mut Diagnostics) -> Parsed {
    expand(snapshot, snapshot.options(), found)
}

/// Reads a configuration that is one text named `configuration`, without a disk: includes find nothing.
pub fn parse_text(text: &str, found: &mut Diagnostics) -> Parsed {
    let options = Options {
        path: "configuration".into(),
        id: "localhost".into(),
        seed: 0,
    };
    expand(&OneText(text), &options, found)
}

struct OneText<'a>(&'a str);

impl Files for OneText<'_> {
    fn read(&self, path: &str) -> Result<Rc<[u8]>, Unusable> {
        if path == "configuration" {
            Ok(self.0.as_bytes().into())
        } else {
            Err(Unusable::Missing)
        }
    }

    fn matches(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn directory(&self, path: &str) -> String {
        path.into()
    }

    fn variable(&self, _: &str) -> Option<String> {
        None
    }
}

fn expand(files: &dyn Files, options: &Options, found: &mut Diagnostics) -> Parsed {
    let mut expander = Expander {
        files,
        options,
        found,
        sources: SourceMap::default(),
        parameters: Parameters::default(),
        random: Random::new(options.seed),
        frames: Vec::new(),
        directories: Vec::new(),
        checks: Checks::default(),
        grower: Grower::default(),
        lines: 0,
        octets: 0,
    };
    expander.main();
    let Expander {
        grower,
        sources,
        found,
        ..
    } = expander;
    Parsed {
        tree: grower.finish(found),
        sources,
    }
}

struct Expander<'a> {
    files: &'a dyn Files,
    options: &'a Options,
    found: &'a mut Diagnostics,
    sources: SourceMap,
    parameters: Parameters,
    random: Random,
    frames: Vec<Frame>,
    /// The directories of the files being read, innermost last.
    directories: Vec<String>,
    checks: Checks,
    grower: Grower,
    lines: usize,
    octets: usize,
}

/// Something that lines come from.
enum Frame {
    /// A file; `checks` are those to go back to at its end.
    File {
        file: u16,
        bytes: Rc<[u8]>,
        next: usize,
        line: u32,
        depth: usize,
        checks: Checks,
    },
    /// A line to be repeated.
    Sequence { sequence: Sequence, line: Rc<Text> },
    /// The later lines of a value, and what follows the last one.
    Value {
        name: Rc<str>,
        lines: Lines,
        next: usize,
        tail: Option<Text>,
    },
}

/// Reading ends here: the budget is spent or the tree is full.
struct Stop;

impl From<Full> for Stop {
    fn from(_: Full) -> Self {
        Self
    }
}

impl Expander<'_> {
    fn main(&mut self) {
        let path = self.options.path.as_str();
        let mut names = vec![path.to_owned()];
        if self.files.read(path) == Err(Unusable::Missing) && path.contains(['*', '?', '[', '{']) {
            names = include::find(self.files, "", path, Checks::default()).names;
        }
        let mut used = false;
        if let (Some(first), 2..) = (names.first(), names.len()) {
            let message =
                format!("WARNING, multiple configuration file matches of {path}, starting with {first}");
            let place = Position::default();
            self.sources
                .add(first, self.files.read(first).unwrap_or_else(|_| Rc::new([])));
            self.found
                .report(Diagnostic::new(Severity::Warning, place, message));
        }
        for name in names {
            match self.files.read(&name) {
                Ok(bytes) => {
                    used = true;
                    if self.enter(&name, bytes, 0, Position::default()) && self.run().is_err() {
                        self.overflow();
                        return;
                    }
                }
                Err(why) => {
                    self.sources.add(&name, Rc::new([]));
                    let message = format!("Configuration file '{name}' {} - skipping", reason(&why));
                    self.found
                        .report(Diagnostic::new(Severity::Note, Position::default(), message));
                }
            }
        }
        if !used {
            self.sources.add(path, Rc::new([]));
            let message = format!("Unable to find configuration file '{path}'");
            let fatal = Diagnostic::new(Severity::Fatal, Position::default(), message).class(Class::NoFile);
            self.found.report(fatal);
        }
    }

    fn overflow(&mut self) {
        let message = format!(
            "The configuration grows beyond {} lines or {} MiB; reading stops here",
            limit::CONFIG_LINES,
            limit::CONFIG_OCTETS >> 20
        );
        let at = self.here();
        self.found.fatal(at, message);
    }

    /// Where reading is: the last line taken from a file.
    fn here(&self) -> Position {
        let files = self.frames.iter().rev().filter_map(|frame| match frame {
            Frame::File { file, line, .. } => Some(Position {
                file: *file,
                line: *line,
                column: 1,
            }),
            _ => None,
        });
        files.take(1).next().unwrap_or_default()
    }

    /// Starts reading a file; false if it cannot be.
    fn enter(&mut self, name: &str, bytes: Rc<[u8]>, depth: usize, at: Position) -> bool {
        let Some(file) = self.sources.add(name, Rc::clone(&bytes)) else {
            self.found
                .error(at, format!("Too many files, '{name}' is not read"));
            return false;
        };
        let first = Position {
            file,
            line: 1,
            column: 1,
        };
        let mut next = 0;
        if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
            let message = "The file is UTF-16 text and is not read";
            let told =
                Diagnostic::new(Severity::Error, first, message).remedy("save it as UTF-8 or plain ASCII");
            self.found.report(told);
            return false;
        } else if bytes.starts_with(b"\xef\xbb\xbf") {
            next = 3;
            let told = Diagnostic::new(
                Severity::Note,
                first,
                "A byte order mark at the start is left out",
            );
            self.found
                .report(told.remedy("keepalived would take it as part of the first word; save without it"));
        }
        self.directories.push(include::directory(name).to_owned());
        self.frames.push(Frame::File {
            file,
            bytes,
            next,
            line: 0,
            depth,
            checks: self.checks,
        });
        true
    }

    fn run(&mut self) -> Result<(), Stop> {
        let mut line = Text::default();
        while self.next_text(&mut line)? {
            let mut start = Some(0);
            while let Some(at) = start {
                if at > 0 {
                    self.charge(line.text.len())?;
                }
                start = self.step(&mut line, at)?;
            }
        }
        Ok(())
    }

    /// Pays for one text of `octets`.
    fn charge(&mut self, octets: usize) -> Result<(), Stop> {
        self.octets = self.octets.saturating_add(octets);
        let total = self.octets.max(self.grower.octets());
        if self.lines > limit::CONFIG_LINES || total > limit::CONFIG_OCTETS {
            Err(Stop)
        } else {
            Ok(())
        }
    }

    /// The next text to look at: the next line of the innermost frame. False at the end of everything.
    fn next_text(&mut self, line: &mut Text) -> Result<bool, Stop> {
        loop {
            self.lines = self.lines.saturating_add(1);
            match self.frames.last_mut() {
                None => return Ok(false),
                Some(Frame::File { checks, .. }) => {
                    let checks = *checks;
                    match self.physical(line) {
                        Physical::Line => {
                            self.charge(line.text.len())?;
                            let end = text::scan(&line.text).end;
                            trim(line, 0, end);
                        }
                        Physical::Unusable => continue,
                        Physical::End => {
                            self.checks = checks;
                            self.directories.pop();
                            self.frames.pop();
                            continue;
                        }
                    }
                }
                Some(Frame::Sequence {
                    sequence,
                    line: repeated,
                }) => {
                    let parameters = &mut self.parameters;
                    if !sequence.advance(|name, value| parameters.set(name, value)) {
                        self.frames.pop();
                        continue;
                    }
                    line.text.clone_from(&repeated.text);
                    line.origins.clone_from(&repeated.origins);
                    line.at = repeated.at;
                    self.charge(line.text.len())?;
                }
                Some(Frame::Value {
                    lines, next, tail, ..
                }) => {
                    if let Some((content, at)) = lines.get(*next) {
                        *next = next.saturating_add(1);
                        line.set(content, *at);
                        let end = text::scan(&line.text).end;
                        trim(line, 0, end);
                    } else if let Some(tail) = tail.take() {
                        *line = tail;
                    } else {
                        self.frames.pop();
                        continue;
                    }
                    self.charge(line.text.len())?;
                }
            }
            if !line.text.is_empty() {
                return Ok(true);
            }
        }
    }

    /// The next line of the file on top of the stack, comment and blanks still there.
    fn physical(&mut self, line: &mut Text) -> Physical {
        let Some(Frame::File {
            file,
            bytes,
            next,
            line: number,
            ..
        }) = self.frames.last_mut()
        else {
            return Physical::End;
        };
        let Some(rest) = bytes.get(*next..).filter(|rest| !rest.is_empty()) else {
            return Physical::End;
        };
        let len = rest.iter().position(|&b| b == b'\n').unwrap_or(rest.len());
        let raw = rest.get(..len).unwrap_or(&[]);
        let raw = raw.strip_suffix(b"\r").unwrap_or(raw);
        // Three bytes of a byte order mark were skipped, and count as columns.
        let column = if *number == 0 {
            u16::try_from(*next).unwrap_or(0).saturating_add(1)
        } else {
            1
        };
        *next = next.saturating_add(len).saturating_add(1);
        *number = number.saturating_add(1);
        let at = Position {
            file: *file,
            line: *number,
            column,
        };
        if raw.len() > limit::CONFIG_LINE {
            let message = format!(
                "The line has {} bytes, more than {}; it is not used",
                raw.len(),
                limit::CONFIG_LINE
            );
            self.found.error(at, message);
        } else if raw.contains(&0) {
            self.found
                .error(at, "The line contains a NUL byte and is not used");
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
        self.grower.drop_line(&text);
        Physical::Unusable
    }

    /// Looks at the rest of `line` from `start` on; says where a further rest begins.
    fn step(&mut self, line: &mut Text, start: usize) -> Result<Option<usize>, Stop> {
        let Some(start) = self.condition(line, start) else {
            return Ok(None);
        };
        let rest = line.text.get(start..).unwrap_or("");
        if rest.starts_with('$') && self.definition(line, start) {
            return Ok(None);
        }
        let rest = line.text.get(start..).unwrap_or("");
        if rest.starts_with('~')
            && let Some(head) = sequence::head(rest)
        {
            self.sequence(line, start, head.map(|head| (head.kind, head.start, head.rest)));
            return Ok(None);
        }
        let start = if rest.contains('$') {
            self.substitute(line, start)?
        } else {
            start
        };
        let rest = line.text.get(start..).unwrap_or("");
        if rest.starts_with("include") {
            if let Some((checks, pattern)) = include::line(rest) {
                return Ok(self.include(line, start.saturating_add(pattern), checks));
            }
            self.include_check(line, start);
        }
        self.grower.take(line, start, self.found).map_err(Stop::from)
    }

    /// `@id` and `@^id`: where the line goes on, or none if it is not for us.
    fn condition(&self, line: &Text, start: usize) -> Option<usize> {
        let rest = line.text.get(start..)?;
        let lead = rest
            .len()
            .saturating_sub(rest.trim_start_matches(is_blank_char).len());
        let start = start.saturating_add(lead);
        let rest = line.text.get(start..)?;
        let Some(tail) = rest.strip_prefix('@') else {
            return Some(start);
        };
        let (negated, tail) = tail.strip_prefix('^').map_or((false, tail), |tail| (true, tail));
        let (id, after) = tail.split_at_checked(tail.find(is_blank_char).unwrap_or(tail.len()))?;
        let after = after.trim_start_matches(is_blank_char);
        let ours = (id == self.options.id) != negated;
        (ours && !after.is_empty()).then(|| line.text.len().saturating_sub(after.len()))
    }

    /// `$NAME=value`, with its further lines if it ends in a backslash. False if the line is none.
    fn definition(&mut self, line: &Text, start: usize) -> bool {
        let rest = line.text.get(start.saturating_add(1)..).unwrap_or("");
        let Some(name) = parameter::leading_name(rest) else {
            return false;
        };
        let Some(value) = rest.get(name.len()..).and_then(|tail| tail.strip_prefix('=')) else {
            return false;
        };
        let value = value.trim_matches(is_blank_char);
        let name: Rc<str> = name.into();
        let Some(first) = value.strip_suffix('\\') else {
            self.parameters.set(&name, value);
            return true;
        };
        if !matches!(self.frames.last(), Some(Frame::File { .. })) {
            let place = line.position(start);
            self.found.error(
                place,
                format!("'${name}' cannot have several lines here: no lines follow"),
            );
            return true;
        }
        let first: Rc<str> = first.trim_end_matches(is_blank_char).into();
        let mut lines = Vec::new();
        let mut next = Text::default();
        loop {
            match self.physical(&mut next) {
                Physical::End => break,
                Physical::Unusable => continue,
                Physical::Line => {}
            }
            self.lines = self.lines.saturating_add(1);
            let end = next.text.len();
            trim(&mut next, 0, end);
            if next.text.is_empty() {
                break;
            }
            let content = next.text.strip_suffix('\\');
            lines.push((
                content
                    .unwrap_or(&next.text)
                    .trim_end_matches(is_blank_char)
                    .into(),
                next.at,
            ));
            if content.is_none() {
                break;
            }
        }
        self.parameters.define(
            &name,
            Value {
                first,
                lines: lines.into(),
            },
        );
        true
    }

    /// `~SEQ`, `~SEQx`, `~LST`: the rest of the line becomes a frame.
    fn sequence(
        &mut self,
        line: &Text,
        start: usize,
        head: Result<(sequence::Kind, usize, usize), &'static str>,
    ) {
        let made = match head {
            Err(why) => Err(why.to_owned()),
            Ok((kind, arguments, rest)) => {
                let (from, rest) = (start.saturating_add(arguments), start.saturating_add(rest));
                // Parameters of the arguments count now, those of the repeated line each time. The closing
                // parenthesis goes along: a name may end before it.
                let mut arguments = line.part(from, rest);
                self.resolve(&mut arguments)
                    .map_err(|refusal| refusal.message)
                    .and_then(|lines| {
                        if lines.is_some() {
                            return Err("a value of several lines cannot stand here".into());
                        }
                        let arguments = arguments.text.strip_suffix(')').unwrap_or(&arguments.text);
                        Sequence::new(kind, arguments).map(|sequence| (sequence, rest))
                    })
            }
        };
        match made {
            Ok((sequence, rest)) => {
                let mut repeated = line.part(rest, line.text.len());
                let end = repeated.text.len();
                trim(&mut repeated, 0, end);
                self.frames.push(Frame::Sequence {
                    sequence,
                    line: Rc::new(repeated),
                });
            }
            Err(why) => {
                let rest = line.text.get(start..).unwrap_or("");
                let kind = if rest.starts_with("~LST") { "~LST" } else { "~SEQ" };
                let width = rest.find(')').map_or(rest.len(), |end| end.saturating_add(1));
                let mark = Mark {
                    at: line.position(start),
                    width: u16::try_from(width).unwrap_or(u16::MAX),
                };
                self.found
                    .error(mark, format!("Invalid {kind} specification '{rest}': {why}"));
                self.grower.drop_line(rest);
            }
        }
    }

    /// Puts parameters into the rest of the line, which becomes the whole line. Says where it begins.
    fn substitute(&mut self, line: &mut Text, start: usize) -> Result<usize, Stop> {
        if start > 0 {
            *line = line.part(start, line.text.len());
        }
        match self.resolve(line) {
            Ok(None) => self.unreplaced(line),
            Ok(Some((name, lines, tail))) => {
                self.unreplaced(line);
                self.frames.push(Frame::Value {
                    name,
                    lines,
                    next: 0,
                    tail,
                });
            }
            Err(Refusal { at, width, message }) => {
                let mark = Mark {
                    at,
                    width: u16::try_from(width).unwrap_or(u16::MAX),
                };
                self.found
                    .error(mark, format!("Parameter not replaced: {message}"));
            }
        }
        let end = text::scan(&line.text).end;
        trim(line, 0, end);
        self.charge(line.text.len())?;
        Ok(0)
    }

    /// Tells which parameters stayed in a line although somebody seems to have meant them.
    fn unreplaced(&mut self, line: &Text) {
        for place in text::dollars(&line.text) {
            let rest = line.text.get(place.at..).unwrap_or("");
            let Some(name) = parameter::leading_name(rest.trim_start_matches(['$', '{'])) else {
                continue;
            };
            let mark = Mark {
                at: line.position(place.at),
                width: u16::try_from(place.len).unwrap_or(1),
            };
            if place.len > 0 {
                let mut names: Vec<&str> = self.parameters.names().collect();
                names.sort_unstable();
                let known = diag::nearest(name, names);
                let hint = known.map_or(String::new(), |known| format!(" - did you mean '${{{known}}}'?"));
                self.found
                    .warning(mark, format!("Parameter '${{{name}}}' is not defined{hint}"));
            } else if self.parameters.has(name) {
                self.found.note(
                    mark,
                    format!("Parameter '${name}' is not replaced here; write '${{{name}}}'"),
                );
            }
        }
    }

    /// Puts parameters into a text; tells what is odd but usable.
    #[expect(
        clippy::type_complexity,
        reason = "name, lines and tail of one frame, taken apart at once"
    )]
    fn resolve(&mut self, line: &mut Text) -> Result<Option<(Rc<str>, Lines, Option<Text>)>, Refusal> {
        let active: Vec<Rc<str>> = self
            .frames
            .iter()
            .filter_map(|frame| match frame {
                Frame::Value { name, .. } => Some(Rc::clone(name)),
                _ => None,
            })
            .collect();
        let mut around = Surroundings {
            files: self.files,
            id: &self.options.id,
            directory: self.directories.last().map_or("", String::as_str),
            random: &mut self.random,
            active: &active,
        };
        let done = self.parameters.substitute(line, &mut around)?;
        for Refusal { at, width, message } in done.warnings {
            let mark = Mark {
                at,
                width: u16::try_from(width).unwrap_or(u16::MAX),
            };
            self.found.warning(mark, message);
        }
        /// What putting in one parameter costs of the budget of octets.
        const COST: usize = 16;
        self.octets = self.octets.saturating_add(done.count.saturating_mul(COST));
        Ok(done.lines.map(|(name, lines)| (name, lines, done.tail)))
    }

    /// Opens the files of an include line, the first on top of the stack.
    fn include(&mut self, line: &mut Text, start: usize, checks: Checks) -> Option<usize> {
        let end = start.saturating_add(include::pattern_end(line.text.get(start..).unwrap_or("")));
        let mut part = line.part(start, end);
        text::unescape_marks(&mut part);
        let pattern = part.text.trim_end_matches(is_blank_char).to_owned();
        let mark = Mark {
            at: part.position(0),
            width: u16::try_from(pattern.len()).unwrap_or(u16::MAX),
        };
        // What stands behind the pattern is read after the files.
        let tail = (end < line.text.len()).then(|| line.part(end, line.text.len()));
        if self.grower.dropping() {
            return tail.map(|_| end);
        }
        let outer = self.frames.iter().rev().find_map(|frame| match frame {
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
        let checks = self.checks.with(checks);
        let directory = self.directories.last().map_or("", String::as_str);
        let listed = include::find(self.files, directory, &pattern, checks);
        if let Some((message, fails)) = listed.lacks {
            self.lack(mark, message, fails);
        }
        if let Some(tail) = tail {
            let name = "".into();
            self.frames.push(Frame::Value {
                name,
                lines: Rc::new([]),
                next: 0,
                tail: Some(tail),
            });
        }
        let mut usable = Vec::new();
        for name in &listed.names {
            if self.reading(name) {
                self.found.error(
                    mark,
                    format!("File '{name}' includes itself and is not read again"),
                );
                continue;
            }
            match self.files.read(name) {
                Ok(bytes) => {
                    // In the order of reading, which is the order of findings.
                    self.sources.add(name, Rc::clone(&bytes));
                    usable.push((name, bytes));
                }
                Err(why) => {
                    let message = format!("Configuration file '{name}' {} - skipping", reason(&why));
                    self.lack(mark, message, checks.read);
                }
            }
        }
        for (name, bytes) in usable.into_iter().rev() {
            self.enter(name, bytes, depth, mark.at);
        }
        None
    }

    /// Whether a file stands on the stack already.
    fn reading(&self, name: &str) -> bool {
        self.frames.iter().any(|frame| match frame {
            Frame::File { file, line, .. } => *line > 0 && self.sources.name(*file) == Some(name),
            _ => false,
        })
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
    fn include_check(&mut self, line: &Text, start: usize) {
        let rest = line.text.get(start..).unwrap_or("");
        let end = text::brace(&line.text, text::scan(&line.text), start).unwrap_or(line.text.len());
        let mut words = lexer::PlainWords::new(line.text.get(start..end).unwrap_or(""));
        if words.next().is_none_or(|word| word.text != "include_check")
            || self.grower.only_block() != Some("global_defs")
        {
            return;
        }
        let found = &mut *self.found;
        self.checks = self.checks.changed(words.map(|word| word.text), |word, message| {
            // The word is a part of `rest`, so its place follows from its address in it.
            let offset = rest.find(word).unwrap_or(0);
            let width = u16::try_from(word.len()).unwrap_or(u16::MAX);
            found.warning(
                Mark {
                    at: line.position(start.saturating_add(offset)),
                    width,
                },
                message,
            );
        });
    }
}

/// What became of the next line of a file.
enum Physical {
    Line,
    /// Told and left out.
    Unusable,
    End,
}

/// Cuts a text to `start..end` and off its blanks.
fn trim(line: &mut Text, start: usize, end: usize) {
    let piece = line.text.get(start..end).unwrap_or("");
    let lead = piece
        .len()
        .saturating_sub(piece.trim_start_matches(is_blank_char).len());
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

/// Why a file is not read, in keepalived's words.
fn reason(why: &Unusable) -> String {
    match why {
        Unusable::Missing => "open problem (No such file or directory)".into(),
        Unusable::Directory => "is a directory".into(),
        Unusable::Kind => "is not a regular non-executable file".into(),
        Unusable::Size => format!("is larger than {} MiB", limit::CONFIG_OCTETS >> 20),
        Unusable::Denied(error) => format!("open problem ({error})"),
    }
}

//! One line: condition, definition, sequence, parameters, include, braces, in this order.

use std::rc::Rc;

use super::super::diag::Mark;
use super::super::include;
use super::super::lexer::is_blank_char;
use super::super::nearest::nearest;
use super::super::parameter::{self, Lines, Refusal, Surroundings, Value};
use super::super::sequence::{self, Sequence};
use super::super::text::{self, Text};
use super::stack::{Frame, Physical, trim};
use super::{Expander, Stop};

/// What a line goes on with: the later lines of a value, and what stands behind it.
struct Rest {
    name: Rc<str>,
    lines: Lines,
    tail: Option<Text>,
}

impl Expander<'_> {
    /// Looks at the rest of `line` from `start` on; says where a further rest begins.
    pub(super) fn step(&mut self, line: &mut Text, start: usize) -> Result<Option<usize>, Stop> {
        let Some(start) = self.condition(line, start) else {
            return Ok(None);
        };
        if self.prepares(line, start) {
            return Ok(None);
        }
        let rest = line.text.get(start..).unwrap_or("");
        let named = rest.starts_with('$');
        let mut start = if rest.contains('$') { self.substitute(line, start)? } else { start };
        // The value of a parameter at the beginning of the line may be a condition: `$IF_MAIN=@main`.
        if named && line.text.get(start..).is_some_and(|rest| rest.starts_with('@')) {
            match self.condition(line, start) {
                Some(behind) if !self.prepares(line, behind) => start = behind,
                Some(_) | None => return Ok(None),
            }
        }
        let rest = line.text.get(start..).unwrap_or("");
        if rest.starts_with("include") {
            if let Some((checks, pattern)) = include::line(rest) {
                return Ok(self.include(line, start.saturating_add(pattern), checks));
            }
            self.include_check(line, start);
        }
        self.state.grower.take(line, start, self.found).map_err(Stop::from)
    }

    /// Whether the rest of the line is a definition or a sequence, and so done with.
    fn prepares(&mut self, line: &mut Text, start: usize) -> bool {
        let rest = line.text.get(start..).unwrap_or("");
        if rest.starts_with('$') && self.definition(line, start) {
            return true;
        }
        let rest = line.text.get(start..).unwrap_or("");
        let Some(head) = rest.strip_prefix('~').and_then(|_| sequence::head(rest)) else {
            return false;
        };
        self.sequence(line, start, head.map(|head| (head.kind, head.start, head.rest)));
        true
    }

    /// `@id` and `@^id`: where the line goes on, or none if it is not for us.
    fn condition(&self, line: &Text, start: usize) -> Option<usize> {
        let rest = line.text.get(start..)?;
        let lead = rest.len().saturating_sub(rest.trim_start_matches(is_blank_char).len());
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
            self.state.parameters.set(&name, value);
            return true;
        };
        if !matches!(self.state.frames.last(), Some(Frame::File { .. })) {
            let place = line.position(start);
            self.found.error(place, format!("'${name}' cannot have several lines here: no lines follow"));
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
            self.state.lines = self.state.lines.saturating_add(1);
            let end = next.text.len();
            trim(&mut next, 0, end);
            if next.text.is_empty() {
                break;
            }
            let content = next.text.strip_suffix('\\');
            lines.push((content.unwrap_or(&next.text).trim_end_matches(is_blank_char).into(), next.at));
            if content.is_none() {
                break;
            }
        }
        self.state.parameters.define(&name, Value { first, lines: lines.into() });
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
                // For the same reason a value of several lines is refused: it has to end its line.
                self.resolve(&mut arguments).map_err(|refusal| refusal.message).and_then(|_| {
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
                self.state.frames.push(Frame::Sequence { sequence, line: Rc::new(repeated) });
            }
            Err(why) => {
                let rest = line.text.get(start..).unwrap_or("");
                let kind = if rest.starts_with("~LST") { "~LST" } else { "~SEQ" };
                let width = rest.find(')').map_or(rest.len(), |end| end.saturating_add(1));
                let mark = Mark { at: line.position(start), width: u16::try_from(width).unwrap_or(u16::MAX) };
                self.found.error(mark, format!("Invalid {kind} specification '{rest}': {why}"));
                self.state.grower.drop_line(rest);
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
            Ok(Some(Rest { name, lines, tail })) => {
                self.unreplaced(line);
                self.state.frames.push(Frame::Value { name, lines, next: 0, tail });
            }
            Err(Refusal { at, width, message }) => {
                let mark = Mark { at, width: u16::try_from(width).unwrap_or(u16::MAX) };
                self.found.error(mark, format!("Parameter not replaced: {message}"));
                self.state.parameters.name_all(line);
            }
        }
        let end = text::scan(&line.text).end;
        trim(line, 0, end);
        self.charge(line.text.len())?;
        Ok(0)
    }

    /// Tells which parameters stayed in a line although somebody seems to have meant them.
    fn unreplaced(&mut self, line: &Text) {
        let conditional = line.text.starts_with('@');
        for place in text::dollars(&line.text) {
            let rest = line.text.get(place.at..).unwrap_or("");
            let Some(name) = parameter::leading_name(rest.trim_start_matches(['$', '{'])) else {
                continue;
            };
            let mark = Mark { at: line.position(place.at), width: u16::try_from(place.len).unwrap_or(1) };
            if place.len > 0 && !self.found.holds(mark.at) {
                // Looking at all names each time would take for ever when a generated file misses many.
                const HINTS: usize = 100;
                let mut names: Vec<&str> = Vec::new();
                if self.found.len() < HINTS {
                    names.extend(self.state.parameters.names());
                    names.sort_unstable();
                }
                let known = nearest(name, names);
                let hint = known.map_or(String::new(), |known| format!(" - did you mean '${{{known}}}'?"));
                self.found.warning(mark, format!("Parameter '${{{name}}}' is not defined{hint}"));
            } else if self.state.parameters.has(name) && !(conditional && is_definition(rest)) {
                self.found
                    .note(mark, format!("Parameter '${name}' is not replaced here; write '${{{name}}}'"));
            }
        }
    }

    /// Puts parameters into a text; tells what is odd but usable.
    fn resolve(&mut self, line: &mut Text) -> Result<Option<Rest>, Refusal> {
        let active: Vec<Rc<str>> = self
            .state
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
            directory: self.state.directories.last().map_or("", String::as_str),
            random: &mut self.state.random,
            active: &active,
        };
        let done = self.state.parameters.substitute(line, &mut around)?;
        for Refusal { at, width, message } in done.warnings {
            let mark = Mark { at, width: u16::try_from(width).unwrap_or(u16::MAX) };
            self.found.warning(mark, message);
        }
        /// What putting in one parameter costs of the budget of octets.
        const COST: usize = 16;
        self.state.octets = self.state.octets.saturating_add(done.count.saturating_mul(COST));
        Ok(done.lines.map(|(name, lines)| Rest { name, lines, tail: done.tail }))
    }
}

/// Whether the text begins with `$NAME=`.
fn is_definition(text: &str) -> bool {
    let name = text.strip_prefix('$').and_then(|rest| Some((rest, parameter::leading_name(rest)?)));
    name.is_some_and(|(rest, name)| rest.get(name.len()..).is_some_and(|tail| tail.starts_with('=')))
}

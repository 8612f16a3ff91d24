//! Lines in, tree out: splitting at braces, pairing them, telling what is left open.

use crate::base::limit;

use super::diag::{Diagnostic, Diagnostics, Severity};
use super::plain::Plain;
use super::text::{self, Text};
use super::tree::{Position, Tree};

/// A tree that grows.
#[derive(Debug, Default)]
pub(super) struct Grower {
    tree: Tree,
    /// Opening braces without a closing one yet.
    open: Vec<u32>,
    /// The last line, and the first word of the line that opened the outermost block.
    last: Option<u32>,
    top: String,
    /// Blocks open inside a line that was dropped: their content goes with it.
    dropped: usize,
}

impl Grower {
    /// Adds what stands before the first brace of `line` from `start` on, and the brace. Says where the rest of
    /// the line begins, or none at its end.
    pub(super) fn take(
        &mut self,
        line: &Text,
        start: usize,
        found: &mut Diagnostics,
    ) -> Result<Option<usize>, Full> {
        let scan = text::scan(&line.text);
        let brace = text::brace(&line.text, scan, start);
        let end = brace.unwrap_or(line.text.len());
        self.add(line, start, end, found)?;
        let Some(brace) = brace else { return Ok(None) };
        let at = line.position(brace);
        if line.text.as_bytes().get(brace) == Some(&b'{') {
            self.open(at, found)?;
        } else {
            self.close(at)?;
        }
        Ok(Some(brace.saturating_add(1)))
    }

    /// Adds a plain line, which begins at `first`.
    pub(super) fn take_plain(
        &mut self,
        line: &Plain<'_>,
        first: Position,
        found: &mut Diagnostics,
    ) -> Result<(), Full> {
        let place = |offset: usize| {
            let column = first.column.saturating_add(u16::try_from(offset).unwrap_or(u16::MAX));
            Position { column, ..first }
        };
        if !line.text.is_empty() && self.dropped == 0 {
            self.last = Some(self.tree.push_plain(line.text, place(line.start)).ok_or(Full)?);
        }
        match line.brace {
            Some((true, at)) => self.open(place(at), found),
            Some((false, at)) => self.close(place(at)),
            None => Ok(()),
        }
    }

    /// Leaves out a line that cannot be used, and the blocks that it opens.
    pub(super) fn drop_line(&mut self, line: &str) {
        let scan = text::scan(line);
        let line = line.get(..scan.end).unwrap_or("");
        let mut at = 0;
        let mut depth = 0_usize;
        while let Some(brace) = text::brace(line, scan, at) {
            let opens = line.as_bytes().get(brace) == Some(&b'{');
            depth = if opens { depth.saturating_add(1) } else { depth.saturating_sub(1) };
            at = brace.saturating_add(1);
        }
        self.dropped = self.dropped.saturating_add(depth);
    }

    /// The first word of the block around, if exactly one is open.
    pub(super) fn only_block(&self) -> Option<&str> {
        (self.open.len() == 1 && self.dropped == 0).then_some(self.top.as_str())
    }

    /// Whether content is being left out.
    pub(super) const fn dropping(&self) -> bool {
        self.dropped > 0
    }

    /// Octets of text in the tree.
    pub(super) fn octets(&self) -> usize {
        self.tree.octets()
    }

    /// The tree, blocks left open told.
    pub(super) fn finish(mut self, found: &mut Diagnostics) -> Tree {
        let missing = self.open.len().saturating_add(self.dropped);
        for &open in &self.open {
            let counted = format!("There are {missing} missing '}}'s or extra '{{'s");
            let message = match self.tree.owner(open) {
                Some(keyword) => format!("{counted}: the block of '{keyword}' is never closed"),
                None => format!("{counted}: this block is never closed"),
            };
            found.error(self.tree.position(open), message);
        }
        self.tree.shrink();
        self.tree
    }

    fn add(&mut self, line: &Text, start: usize, end: usize, found: &mut Diagnostics) -> Result<(), Full> {
        let piece = line.text.get(start..end).unwrap_or("");
        let trimmed = piece.trim_matches(super::lexer::is_blank_char);
        if trimmed.is_empty() || self.dropped > 0 {
            return Ok(());
        }
        let lead = piece.len().saturating_sub(piece.trim_start_matches(super::lexer::is_blank_char).len());
        let start = start.saturating_add(lead);
        let plain = line.origins.is_empty() && !trimmed.contains('\\');
        let pushed = if plain {
            self.tree.push_line(trimmed, line.position(start), &[])
        } else {
            let mut part = line.part(start, start.saturating_add(trimmed.len()));
            text::unescape_marks(&mut part);
            self.tree.push_line(&part.text, part.position(0), &part.origins)
        };
        if trimmed.contains('"')
            && let Some(quote) = text::scan(trimmed).unpaired
        {
            let message = format!("Unterminated quote '{trimmed}'");
            let remedy = "it is taken to end with the line; write the closing quote";
            let place = line.position(start.saturating_add(quote));
            found.report(Diagnostic::new(Severity::Warning, place, message).remedy(remedy));
        }
        self.last = pushed.or(self.last);
        pushed.map(drop).ok_or(Full)
    }

    fn open(&mut self, at: Position, found: &mut Diagnostics) -> Result<(), Full> {
        if self.dropped > 0 {
            self.dropped = self.dropped.saturating_add(1);
            return Ok(());
        }
        if self.open.len() >= limit::CONFIG_NESTING {
            found.error(at, format!("More than {} blocks inside each other", limit::CONFIG_NESTING));
            self.dropped = 1;
            return Ok(());
        }
        let index = self.tree.push_brace(true, at).ok_or(Full)?;
        if self.open.is_empty() {
            let word = self.last.and_then(|line| self.tree.first_word(line)).unwrap_or("");
            self.top.clear();
            self.top.push_str(word);
        }
        self.open.push(index);
        Ok(())
    }

    fn close(&mut self, at: Position) -> Result<(), Full> {
        if self.dropped > 0 {
            self.dropped = self.dropped.saturating_sub(1);
            return Ok(());
        }
        let close = self.tree.push_brace(false, at).ok_or(Full)?;
        if let Some(open) = self.open.pop() {
            self.tree.pair(open, close);
        }
        Ok(())
    }
}

/// The tree can hold no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

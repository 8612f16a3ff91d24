//! The shape of a configuration after files, conditions, parameters and braces.
//!
//! The lexer and the expander make it; the rows read it. A configuration may have millions of lines, so the
//! tree is one text, one table of items and handles into both: [`Node`], [`Block`] and [`Word`] are small
//! copies, and a line is split into words each time somebody asks.
//!
//! Two ways to read it. [`Tree::nodes`] nests by the braces as they stand. [`Tree::cursor`] walks lines and
//! braces in the order of the text; a reader that knows which keywords need a block uses it to go on as if a
//! forgotten brace were there, whatever the nesting says.

mod view;

use std::rc::Rc;

use super::iproute::Tables;
use super::lexer;

pub use super::position::Position;
pub use view::{Block, Cursor, Item, Node, NodeKind, Nodes, Place, ScriptWord, Words};

/// One word of a line by the rules of plain values, or a longer stretch of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word<'t> {
    /// The text, quotes removed.
    pub text: &'t str,
    /// Where it begins: its opening quote, if it has one.
    pub at: Position,
    /// Stood in double quotes: never a number, a brace or a keyword by accident.
    pub quoted: bool,
}

/// A whole configuration.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    text: String,
    items: Vec<Entry>,
    origins: Vec<Origin>,
    names: Rc<Tables>,
}

/// What an item is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Line,
    Open,
    Close,
}

/// One item: 20 bytes, because there may be millions.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Where its text begins.
    text: u32,
    /// Line: first entry of `origins`, or `NONE` where columns are plain, or `PLAIN`. Brace: index of its partner, or `NONE`.
    link: u32,
    line: u32,
    file: u16,
    /// Column of the first byte.
    column: u16,
    len: u16,
    kind: Kind,
    /// Length of the first word of a line; 0 if it is quoted or longer than 255.
    first: u8,
}

const NONE: u32 = u32::MAX;
/// Columns are plain, and so is the line ([`super::plain`]): no quotes, and nothing that a template or a merge left.
const PLAIN: u32 = NONE - 1;

/// From `offset` of a line's text on, bytes have the column `column`: counting on, or all the same one when a
/// parameter put them there. The last of a line says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) offset: u16,
    pub(super) column: u16,
    pub(super) fixed: bool,
    pub(super) last: bool,
}

impl Tree {
    /// The lines outside any block, each with its block; surplus braces as nodes of their own.
    #[must_use]
    pub fn nodes(&self) -> Nodes<'_> {
        Nodes { tree: self, next: 0, end: index32(self.items.len()) }
    }

    /// Lines and braces in the order of the text.
    #[must_use]
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor { tree: self, next: 0 }
    }

    /// The names that this machine gives to numbers.
    #[must_use]
    pub const fn names(&self) -> &Rc<Tables> {
        &self.names
    }

    pub(super) fn set_names(&mut self, names: Tables) {
        self.names = Rc::new(names);
    }

    /// How many lines with words there are.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.items.iter().filter(|item| item.kind == Kind::Line).count()
    }

    /// Adds a line; `text` has no blanks at its ends and is not empty. Its index, or none if the tree is full.
    pub(super) fn push_line(&mut self, text: &str, at: Position, origins: &[Origin]) -> Option<u32> {
        let link = if origins.is_empty() { NONE } else { index32(self.origins.len()) };
        for (origin, left) in origins.iter().zip((0..origins.len()).rev()) {
            self.origins.push(Origin { last: left == 0, ..*origin });
        }
        self.push_text(text, at, link)
    }

    /// The same for a plain line.
    pub(super) fn push_plain(&mut self, text: &str, at: Position) -> Option<u32> {
        self.push_text(text, at, PLAIN)
    }

    fn push_text(&mut self, text: &str, at: Position, link: u32) -> Option<u32> {
        let start = u32::try_from(self.text.len()).ok()?;
        let len = u16::try_from(text.len()).ok()?;
        let first = text.bytes().position(|byte| byte == b'"' || lexer::is_blank(byte)).unwrap_or(text.len());
        let index = index32(self.items.len());
        self.text.push_str(text);
        self.push(Entry {
            text: start,
            link,
            line: at.line,
            file: at.file,
            column: at.column,
            len,
            kind: Kind::Line,
            first: u8::try_from(first).unwrap_or(0),
        })
        .then_some(index)
    }

    /// Adds a brace, which has no partner yet. Its index, or none if the tree is full.
    pub(super) fn push_brace(&mut self, open: bool, at: Position) -> Option<u32> {
        let index = index32(self.items.len());
        let kind = if open { Kind::Open } else { Kind::Close };
        let entry = Entry {
            text: 0,
            link: NONE,
            line: at.line,
            file: at.file,
            column: at.column,
            len: 1,
            kind,
            first: 0,
        };
        self.push(entry).then_some(index)
    }

    /// Makes two braces partners.
    pub(super) fn pair(&mut self, open: u32, close: u32) {
        for (one, other) in [(open, close), (close, open)] {
            if let Some(entry) = self.items.get_mut(one as usize) {
                entry.link = other;
            }
        }
    }

    /// Where an item stands.
    pub(super) fn position(&self, index: u32) -> Position {
        self.items.get(index as usize).map(Entry::at).unwrap_or_default()
    }

    /// The first word of the line that a block belongs to.
    pub(super) fn owner(&self, open: u32) -> Option<&str> {
        self.first_word(open.checked_sub(1)?)
    }

    /// The first word of a line; none for a brace.
    pub(super) fn first_word(&self, index: u32) -> Option<&str> {
        self.item(index).filter(|item| item.kind == Kind::Line)?;
        Some(Node { tree: self, index }.keyword().text)
    }

    /// Octets of text held, for the bound of the whole.
    pub(super) fn octets(&self) -> usize {
        self.text.len()
    }

    /// Gives back what growing took too much.
    pub(super) fn shrink(&mut self) {
        self.text.shrink_to_fit();
        self.items.shrink_to_fit();
        self.origins.shrink_to_fit();
    }

    fn push(&mut self, entry: Entry) -> bool {
        let room = self.items.len() < NONE as usize;
        if room {
            self.items.push(entry);
        }
        room
    }

    fn item(&self, index: u32) -> Option<&Entry> {
        self.items.get(index as usize)
    }

    /// One past the item's block if it is a line with a block, one past its partner if it is a brace with one.
    fn after(&self, index: u32) -> u32 {
        let next = index.saturating_add(1);
        let open = match self.item(index).map(|item| item.kind) {
            Some(Kind::Line) if self.item(next).is_some_and(|item| item.kind == Kind::Open) => next,
            Some(Kind::Open) => index,
            _ => return next,
        };
        self.end(open).saturating_add(1)
    }

    /// The closing brace of an opening one; one past the last item if there is none.
    fn end(&self, open: u32) -> u32 {
        match self.item(open) {
            Some(entry) if entry.link != NONE => entry.link,
            _ => index32(self.items.len()),
        }
    }
}

impl Entry {
    /// Columns count on from the first one: no parameter was put in.
    const fn counts_on(&self) -> bool {
        self.link >= PLAIN
    }

    const fn at(&self) -> Position {
        Position { file: self.file, line: self.line, column: self.column }
    }
}

/// Items are bounded far below `u32::MAX` (`Tree::push`).
fn index32(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(NONE)
}

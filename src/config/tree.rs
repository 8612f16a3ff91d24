//! The shape of a configuration after files, conditions, parameters and braces.
//!
//! The lexer and the expander make it; the rows read it. A configuration may have millions of lines, so the
//! tree is one text, one table of items and handles into both: [`Node`], [`Block`] and [`Word`] are small
//! copies, and a line is split into words each time somebody asks.
//!
//! Two ways to read it. [`Tree::nodes`] nests by the braces as they stand. [`Tree::cursor`] walks lines and
//! braces in the order of the text; a reader that knows which keywords need a block uses it to go on as if a
//! forgotten brace were there, whatever the nesting says.

use super::lexer;

/// Where a word stands: which file of the source map, which line and which byte column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Index into the source map.
    pub file: u16,
    /// Line of that file, from 1; 0 is nowhere.
    pub line: u32,
    /// Byte column of that line, from 1. Text that a parameter put there has the column of its `$`.
    pub column: u16,
}

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
    /// Line: first entry of `origins`, or `NONE` where columns are plain. Brace: index of its partner, or `NONE`.
    link: u32,
    line: u32,
    file: u16,
    /// Column of the first byte.
    column: u16,
    len: u16,
    kind: Kind,
}

const NONE: u32 = u32::MAX;

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
        Nodes {
            tree: self,
            next: 0,
            end: index32(self.items.len()),
        }
    }

    /// Lines and braces in the order of the text.
    #[must_use]
    pub fn cursor(&self) -> Cursor<'_> {
        Cursor { tree: self, next: 0 }
    }

    /// How many lines with words there are.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.items.iter().filter(|item| item.kind == Kind::Line).count()
    }

    /// Adds a line; `text` has no blanks at its ends and is not empty. False if the tree is full.
    pub(super) fn push_line(&mut self, text: &str, at: Position, origins: &[Origin]) -> bool {
        let (Ok(start), Ok(len)) = (u32::try_from(self.text.len()), u16::try_from(text.len())) else {
            return false;
        };
        let link = if origins.is_empty() {
            NONE
        } else {
            index32(self.origins.len())
        };
        for (origin, left) in origins.iter().zip((0..origins.len()).rev()) {
            self.origins.push(Origin {
                last: left == 0,
                ..*origin
            });
        }
        self.text.push_str(text);
        self.push(Entry {
            text: start,
            link,
            line: at.line,
            file: at.file,
            column: at.column,
            len,
            kind: Kind::Line,
        })
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
    const fn at(&self) -> Position {
        Position {
            file: self.file,
            line: self.line,
            column: self.column,
        }
    }
}

/// Items are bounded far below `u32::MAX` (`Tree::push`).
fn index32(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(NONE)
}

/// What a node stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeKind {
    /// A line with words; it may have a block.
    Line,
    /// An opening brace that no line owns: no words, but a block, whose lines belong to the block around it.
    StrayOpen,
    /// A closing brace without an opening one: no words, no block.
    StrayClose,
}

/// One statement: a keyword or an entry, its words, and the lines of its block.
#[derive(Clone, Copy, Debug)]
pub struct Node<'t> {
    tree: &'t Tree,
    index: u32,
}

impl<'t> Node<'t> {
    /// What it stands for.
    #[must_use]
    pub fn kind(&self) -> NodeKind {
        match self.tree.item(self.index).map(|item| item.kind) {
            Some(Kind::Open) => NodeKind::StrayOpen,
            Some(Kind::Close) => NodeKind::StrayClose,
            Some(Kind::Line) | None => NodeKind::Line,
        }
    }

    /// Where it begins.
    #[must_use]
    pub fn at(&self) -> Position {
        self.tree.position(self.index)
    }

    /// The line as it came out of conditions and parameters, without comment, braces and outer blanks; empty
    /// for a brace.
    #[must_use]
    pub fn text(&self) -> &'t str {
        self.entry().map_or("", |entry| {
            let start = entry.text as usize;
            self.tree
                .text
                .get(start..start.saturating_add(usize::from(entry.len)))
                .unwrap_or("")
        })
    }

    /// The words by the rules of plain values; at least one for a line, none for a brace.
    #[must_use]
    pub fn words(&self) -> Words<'t> {
        Words {
            node: *self,
            inner: lexer::PlainWords::new(self.text()),
        }
    }

    /// The first word.
    #[must_use]
    pub fn keyword(&self) -> Word<'t> {
        self.words().next().unwrap_or(Word {
            text: "",
            at: self.at(),
            quoted: false,
        })
    }

    /// The words after the first.
    #[must_use]
    pub fn arguments(&self) -> Words<'t> {
        let mut words = self.words();
        words.next();
        words
    }

    /// Word `n`, the keyword being 0.
    #[must_use]
    pub fn word(&self, n: usize) -> Option<Word<'t>> {
        self.words().nth(n)
    }

    /// The text after the first word as written (quotes and escapes kept), for script-like values; it may be
    /// empty.
    #[must_use]
    pub fn rest(&self) -> Word<'t> {
        let text = self.text();
        let start = lexer::first_word_end(text);
        let tail = text.get(start..).unwrap_or("");
        let rest = tail.trim_start_matches(lexer::is_blank_char);
        let offset = text.len().saturating_sub(rest.len());
        Word {
            text: rest,
            at: self.position(offset),
            quoted: false,
        }
    }

    /// The words of [`Self::rest`] by the rules of script-like values, escapes kept.
    ///
    /// # Errors
    /// The place of a quote that is not closed.
    pub fn script_words(&self) -> Result<Vec<ScriptWord>, Position> {
        let text = self.text();
        let rest = self.rest();
        let offset = text.len().saturating_sub(rest.text.len());
        match lexer::split_script(rest.text, lexer::Escapes::Keep) {
            Ok(pieces) => Ok(pieces
                .into_iter()
                .map(|piece| ScriptWord {
                    // Nothing was decoded, so the bytes are those of a `str`.
                    text: String::from_utf8_lossy(&piece.bytes).into_owned(),
                    at: self.position(offset.saturating_add(piece.offset)),
                    quoted: piece.quoted,
                })
                .collect()),
            Err(quote) => Err(self.position(offset.saturating_add(quote))),
        }
    }

    /// Where byte `offset` of [`Self::text`] stands.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let Some(entry) = self.entry() else {
            return self.at();
        };
        let mut at = entry.at();
        let offset = u16::try_from(offset).unwrap_or(u16::MAX);
        if entry.link == NONE {
            at.column = at.column.saturating_add(offset);
            return at;
        }
        for origin in self.tree.origins.get(entry.link as usize..).unwrap_or(&[]) {
            if origin.offset > offset {
                break;
            }
            let step = if origin.fixed {
                0
            } else {
                offset.saturating_sub(origin.offset)
            };
            at.column = origin.column.saturating_add(step);
            if origin.last {
                break;
            }
        }
        at
    }

    /// The block, if an opening brace followed.
    #[must_use]
    pub fn block(&self) -> Option<Block<'t>> {
        let open = match self.tree.item(self.index)?.kind {
            Kind::Line => self.index.saturating_add(1),
            Kind::Open => self.index,
            Kind::Close => return None,
        };
        (self.tree.item(open)?.kind == Kind::Open).then_some(Block {
            tree: self.tree,
            open,
        })
    }

    fn entry(&self) -> Option<&'t Entry> {
        self.tree
            .item(self.index)
            .filter(|entry| entry.kind == Kind::Line)
    }
}

/// A word of a script-like value: adjacent pieces joined, outer quotes removed, escapes kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptWord {
    /// The text.
    pub text: String,
    /// Where it begins.
    pub at: Position,
    /// Some of it stood in quotes.
    pub quoted: bool,
}

/// What stands between two braces.
#[derive(Clone, Copy, Debug)]
pub struct Block<'t> {
    tree: &'t Tree,
    open: u32,
}

impl<'t> Block<'t> {
    /// The lines, in order.
    #[must_use]
    pub fn nodes(&self) -> Nodes<'t> {
        Nodes {
            tree: self.tree,
            next: self.open.saturating_add(1),
            end: self.tree.end(self.open),
        }
    }

    /// Where the opening brace stands.
    #[must_use]
    pub fn open(&self) -> Position {
        self.tree.position(self.open)
    }

    /// Where the closing brace stands, if there is one.
    #[must_use]
    pub fn close(&self) -> Option<Position> {
        self.tree.item(self.tree.end(self.open)).map(Entry::at)
    }
}

/// The nodes of a block.
#[derive(Clone, Debug)]
pub struct Nodes<'t> {
    tree: &'t Tree,
    next: u32,
    end: u32,
}

impl<'t> Iterator for Nodes<'t> {
    type Item = Node<'t>;

    fn next(&mut self) -> Option<Node<'t>> {
        (self.next < self.end).then(|| {
            let index = self.next;
            self.next = self.tree.after(index).max(index.saturating_add(1));
            Node {
                tree: self.tree,
                index,
            }
        })
    }
}

/// The words of a line.
#[derive(Clone, Debug)]
pub struct Words<'t> {
    node: Node<'t>,
    inner: lexer::PlainWords<'t>,
}

impl<'t> Iterator for Words<'t> {
    type Item = Word<'t>;

    fn next(&mut self) -> Option<Word<'t>> {
        let piece = self.inner.next()?;
        Some(Word {
            text: piece.text,
            at: self.node.position(piece.offset),
            quoted: piece.quoted,
        })
    }
}

/// One step of a [`Cursor`].
#[derive(Clone, Copy, Debug)]
pub enum Item<'t> {
    /// A line with words. [`Node::block`] tells whether a brace follows.
    Line(Node<'t>),
    /// `{`
    Open(Position),
    /// `}`
    Close(Position),
}

/// A walk over lines and braces in the order of the text.
#[derive(Clone, Debug)]
pub struct Cursor<'t> {
    tree: &'t Tree,
    next: u32,
}

impl<'t> Cursor<'t> {
    /// What comes next, without taking it.
    #[must_use]
    pub fn peek(&self) -> Option<Item<'t>> {
        let entry = self.tree.item(self.next)?;
        Some(match entry.kind {
            Kind::Line => Item::Line(Node {
                tree: self.tree,
                index: self.next,
            }),
            Kind::Open => Item::Open(entry.at()),
            Kind::Close => Item::Close(entry.at()),
        })
    }

    /// If an opening brace comes next: goes past its closing brace, or to the end if it has none, and says
    /// where the opening one stands.
    pub fn skip_block(&mut self) -> Option<Position> {
        match self.peek() {
            Some(Item::Open(at)) => {
                self.next = self.tree.after(self.next);
                Some(at)
            }
            _ => None,
        }
    }
}

impl<'t> Iterator for Cursor<'t> {
    type Item = Item<'t>;

    fn next(&mut self) -> Option<Item<'t>> {
        let item = self.peek()?;
        self.next = self.next.saturating_add(1);
        Some(item)
    }
}

//! Handles into a tree: nodes, blocks, words, and the cursor.

use super::super::lexer;
use super::{Entry, Kind, PLAIN, Position, Tree, Word};

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
    pub(super) tree: &'t Tree,
    pub(super) index: u32,
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
            self.tree.text.get(start..start.saturating_add(usize::from(entry.len))).unwrap_or("")
        })
    }

    /// The words by the rules of plain values; at least one for a line, none for a brace.
    #[must_use]
    pub fn words(&self) -> Words<'t> {
        self.words_from(0)
    }

    /// The first word.
    #[must_use]
    pub fn keyword(&self) -> Word<'t> {
        match self.entry().map(|entry| (usize::from(entry.first), entry.text as usize)) {
            Some((len @ 1.., start)) => Word {
                text: self.tree.text.get(start..start.saturating_add(len)).unwrap_or(""),
                at: self.position(0),
                quoted: false,
            },
            _ => self.words().next().unwrap_or(Word { text: "", at: self.at(), quoted: false }),
        }
    }

    /// The words after the first.
    #[must_use]
    pub fn arguments(&self) -> Words<'t> {
        match self.entry().map(|entry| usize::from(entry.first)) {
            Some(len @ 1..) => self.words_from(len),
            _ => {
                let mut words = self.words();
                words.next();
                words
            }
        }
    }

    /// The keyword and the words after it, in a list.
    #[must_use]
    pub fn all_words(&self) -> Vec<Word<'t>> {
        let mut words = Vec::with_capacity(4);
        self.split(&mut words);
        words
    }

    /// The same in a list that is used for one line after the other.
    pub fn split(&self, words: &mut Vec<Word<'t>>) {
        words.clear();
        let Some(entry) = self.entry() else { return words.push(self.keyword()) };
        let text = self.text();
        // Where no parameter was put in, columns count on from the first one.
        let plain = entry.counts_on().then(|| entry.at());
        let place = |offset| plain.map_or_else(|| self.position(offset), |first| first.behind(offset));
        let first = usize::from(entry.first);
        if let Some(keyword) = text.get(..first).filter(|keyword| !keyword.is_empty()) {
            words.push(Word { text: keyword, at: place(0), quoted: false });
            if entry.link == PLAIN {
                return split_plain(text, first, entry.at(), words);
            }
        }
        for piece in lexer::PlainWords::behind(text, first) {
            words.push(Word { text: piece.text, at: place(piece.offset), quoted: piece.quoted });
        }
    }

    /// The words from byte `offset` on, where none is cut.
    fn words_from(&self, offset: usize) -> Words<'t> {
        Words { node: *self, inner: lexer::PlainWords::behind(self.text(), offset) }
    }

    /// Word `n`, the keyword being 0.
    #[must_use]
    pub fn word(&self, n: usize) -> Option<Word<'t>> {
        match n.checked_sub(1) {
            Some(n) => self.arguments().nth(n),
            None => self.words().next(),
        }
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
        Word { text: rest, at: self.position(offset), quoted: false }
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
        if entry.counts_on() {
            return at.behind(offset);
        }
        let offset = u16::try_from(offset).unwrap_or(u16::MAX);
        for origin in self.tree.origins.get(entry.link as usize..).unwrap_or(&[]) {
            if origin.offset > offset {
                break;
            }
            let step = if origin.fixed { 0 } else { offset.saturating_sub(origin.offset) };
            at.column = origin.column.saturating_add(step);
            if origin.last {
                break;
            }
        }
        at
    }

    /// Whether the line is a plain one (`config::plain`).
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.entry().is_some_and(|entry| entry.link == PLAIN)
    }

    /// The block, if an opening brace followed.
    #[must_use]
    pub fn block(&self) -> Option<Block<'t>> {
        let open = match self.tree.item(self.index)?.kind {
            Kind::Line => self.index.saturating_add(1),
            Kind::Open => self.index,
            Kind::Close => return None,
        };
        (self.tree.item(open)?.kind == Kind::Open).then_some(Block { tree: self.tree, open })
    }

    fn entry(&self) -> Option<&'t Entry> {
        self.tree.item(self.index).filter(|entry| entry.kind == Kind::Line)
    }
}

/// The words of a plain line behind the first one, which ends at `end`. Most lines are plain: one look at each byte.
fn split_plain<'t>(text: &'t str, end: usize, at: Position, words: &mut Vec<Word<'t>>) {
    let mut add = |from: usize, to: usize| {
        if let Some(word) = text.get(from..to).filter(|word| !word.is_empty()) {
            words.push(Word { text: word, at: at.behind(from), quoted: false });
        }
    };
    let (mut start, mut here) = (end, end);
    for byte in text.as_bytes().get(end..).unwrap_or_default() {
        let next = here.saturating_add(1);
        if lexer::is_blank(*byte) {
            add(start, here);
            start = next;
        }
        here = next;
    }
    add(start, here);
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
        Nodes { tree: self.tree, next: self.open.saturating_add(1), end: self.tree.end(self.open) }
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
    pub(super) tree: &'t Tree,
    pub(super) next: u32,
    pub(super) end: u32,
}

impl<'t> Iterator for Nodes<'t> {
    type Item = Node<'t>;

    fn next(&mut self) -> Option<Node<'t>> {
        (self.next < self.end).then(|| {
            let index = self.next;
            self.next = self.tree.after(index).max(index.saturating_add(1));
            Node { tree: self.tree, index }
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
        Some(Word { text: piece.text, at: self.node.position(piece.offset), quoted: piece.quoted })
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
    pub(super) tree: &'t Tree,
    pub(super) next: u32,
}

impl<'t> Cursor<'t> {
    /// What comes next, without taking it.
    #[must_use]
    pub fn peek(&self) -> Option<Item<'t>> {
        let entry = self.tree.item(self.next)?;
        Some(match entry.kind {
            Kind::Line => Item::Line(Node { tree: self.tree, index: self.next }),
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

/// A node and a place in the text, for a reader that goes on later.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    node: u32,
    next: u32,
}

impl Place {
    /// The place of a node and a cursor.
    #[must_use]
    pub const fn new(node: &Node<'_>, cursor: &Cursor<'_>) -> Self {
        Self { node: node.index, next: cursor.next }
    }

    /// The node, in the tree that it was of.
    #[must_use]
    pub const fn node(self, tree: &Tree) -> Node<'_> {
        Node { tree, index: self.node }
    }

    /// The cursor, in the tree that it was of.
    #[must_use]
    pub const fn cursor(self, tree: &Tree) -> Cursor<'_> {
        Cursor { tree, next: self.next }
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

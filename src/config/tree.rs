//! The shape of a configuration after files, conditions, parameters and braces: lines with words and children.
//!
//! The lexer and the expander make it; the rows read it.

/// Where a word stands: which file of the source map, which line and which byte column, both from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Index into the source map.
    pub file: u16,
    /// Line of that file, from 1.
    pub line: u32,
    /// Byte column of that line, from 1. Text that a parameter put there has the column of its `$`.
    pub column: u16,
}

/// One word of a line by the rules of plain values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The text, quotes removed.
    pub text: Box<str>,
    /// Where it begins.
    pub at: Position,
    /// Stood in double quotes: never a number, a brace or a keyword by accident.
    pub quoted: bool,
}

/// One statement: a keyword or an entry, its words, and the lines of its block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// The words; at least one.
    pub words: Vec<Word>,
    /// The text after the first word as written (quotes and escapes kept), for script-like values.
    pub rest: Box<str>,
    /// Where `rest` begins.
    pub rest_at: Position,
    /// The block, if an opening brace followed.
    pub block: Option<Block>,
}

/// What stands between two braces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The lines, in order.
    pub nodes: Vec<Node>,
    /// Where the opening brace stands.
    pub open: Position,
    /// Where the closing brace stands; the end of input if it was missing.
    pub close: Position,
}

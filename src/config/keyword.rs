//! The row driver: walks a block by its rows and tells every mistake; rows of a kind share its wording.
//!
//! A forgotten opening brace is told and reading goes on as if it were there, if what follows fits; a surplus
//! brace is told and ignored; the block of an unknown word is skipped whole.

use core::cell::Cell;

use super::diag::{Diagnostic, Diagnostics, Mark, Severity};
use super::head::Listed;
use super::line::Line;
use super::nearest::nearest;
use super::row::{Effect, Head, Kind, Parts, Repeat, Row, Shape};
use super::scalar::{Value, value};
use super::text;
use super::tree::{Cursor, Item, Node, Place, Position, Tree, Word};
use super::value;
use crate::base::digest;

/// Which keywords of one object were given before, over all its blocks.
#[derive(Clone, Debug, Default)]
pub struct Given {
    read: Vec<Once>,
    /// Keywords of which a line was told as something else: a misspelt word, or what a template left.
    spoilt: Vec<(&'static str, Position)>,
}

/// A keyword that was given: its name, where, and a mark of its words where a repetition is not used.
type Once = (&'static str, Position, u64);

impl Given {
    /// Where the keyword was first given.
    #[must_use]
    pub fn at(&self, name: &str) -> Option<Position> {
        self.once(name).map(|(_, at, _)| *at)
    }

    /// Where something was told that was to be the keyword, which is not there otherwise.
    #[must_use]
    pub fn spoilt(&self, name: &str) -> Option<Position> {
        let spoilt = self.spoilt.iter().find(|(known, _)| *known == name);
        spoilt.map(|(_, at)| *at)
    }

    fn once(&self, name: &str) -> Option<&Once> {
        self.read.iter().find(|(known, ..)| *known == name)
    }

    fn note(&mut self, name: &'static str, at: Position, words: u64) {
        if self.at(name).is_none() {
            self.read.push((name, at, words));
        }
    }
}

/// Where a word that is unknown here belongs: the path of a block, `None` if nowhere.
pub type Elsewhere = fn(&str) -> Option<&'static str>;

/// What reading a block needs besides its rows.
pub struct Scope<'s, 't> {
    /// What is being read, for messages: `(VI_1) ` or empty.
    pub owner: &'s str,
    /// Name of the block, for messages; none outside any block.
    pub place: Option<&'s str>,
    /// Finds the block of a word that is unknown here.
    pub elsewhere: Elsewhere,
    /// The block around has no effect yet, which was told: its keywords need not tell it again.
    pub quiet: bool,
    /// Keywords given before.
    pub given: &'s mut Given,
    /// Named blocks that are read later, with a cursor behind their opening brace.
    pub objects: &'s mut Vec<Object<'t>>,
    /// All mistakes so far.
    pub found: &'s mut Diagnostics,
}

/// A named block that is read later.
#[derive(Clone, Debug)]
pub struct Object<'t> {
    /// Its line, keyword first.
    pub node: Node<'t>,
    /// Behind its opening brace.
    pub inside: Cursor<'t>,
}

impl<'t> Object<'t> {
    /// Where the block is, for a reader that goes on later.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place::new(&self.node, &self.inside)
    }

    /// The block at a place of its tree.
    #[must_use]
    pub const fn at(tree: &'t Tree, place: Place) -> Self {
        Self { node: place.node(tree), inside: place.cursor(tree) }
    }
}

/// Reads lines by their rows into `into`: up to and with the closing brace, or to the end outside any block.
pub fn read<'t, D, M>(
    cursor: &mut Cursor<'t>,
    rows: &'static [Row<D, M>],
    into: &mut D,
    scope: &mut Scope<'_, 't>,
) {
    walk(cursor, &mut Typed::new([rows, &[]], into), scope);
}

/// Rows and what they write into. The driver sees them without their types, so that it is in the program once.
pub(super) trait Table {
    /// The row of a keyword, by its number.
    fn find(&self, word: &str) -> Option<usize>;
    /// The names of all rows.
    fn name(&self, row: usize) -> Option<&'static str>;
    /// What a row says.
    fn head(&self, row: usize) -> Option<Head>;
    /// Whether the block of a row has the keyword, or, where it has lines of its own, may have.
    fn fits(&self, row: usize, word: &str) -> bool;
    /// Writes the field of a row without a block.
    fn set<'l>(&mut self, row: usize, value: Value<'l>, line: &mut Line<'l>);
    /// Reads the block of a row, if it is one of keywords.
    fn block<'t>(&mut self, row: usize, cursor: &mut Cursor<'t>, scope: &mut Scope<'_, 't>);
    /// Reads an entry of the block of a row, if it is one of lines.
    fn entry(&mut self, row: usize, line: &mut Line<'_>);
}

/// A table with its types.
pub(super) struct Typed<'i, D: 'static, M: 'static> {
    rows: Parts<D, M>,
    into: &'i mut D,
    /// The row that was found last: there may be thousands of a keyword, one after the other.
    last: Cell<usize>,
}

impl<'i, D, M> Typed<'i, D, M> {
    /// Rows that write into this.
    pub(super) const fn new(rows: Parts<D, M>, into: &'i mut D) -> Self {
        Self { rows, into, last: Cell::new(0) }
    }

    fn row(&self, row: usize) -> Option<&'static Row<D, M>> {
        let [shared, own] = self.rows;
        shared.get(row).or_else(|| own.get(row.checked_sub(shared.len())?))
    }
}

impl<D, M> Table for Typed<'_, D, M> {
    fn find(&self, word: &str) -> Option<usize> {
        let last = self.last.get();
        if self.row(last).is_some_and(|row| row.name == word) {
            return Some(last);
        }
        // Most names differ in length or in the first letter: that is seen without a call.
        let same =
            |name: &str| name.len() == word.len() && name.as_bytes().first() == word.as_bytes().first();
        let [shared, own] = self.rows;
        let mut rows = shared.iter().chain(own);
        let found = rows.position(|row| same(row.name) && row.name == word)?;
        self.last.set(found);
        Some(found)
    }

    fn name(&self, row: usize) -> Option<&'static str> {
        self.row(row).map(|row| row.name)
    }

    fn head(&self, row: usize) -> Option<Head> {
        self.row(row).map(Row::head)
    }

    fn fits(&self, row: usize, word: &str) -> bool {
        match self.row(row).map(|row| &row.kind) {
            Some(Kind::Block(rows)) => rows.iter().any(|row| row.name == word),
            _ => self.find(word).is_none(),
        }
    }

    fn set<'l>(&mut self, row: usize, value: Value<'l>, line: &mut Line<'l>) {
        let Some(row) = self.row(row) else { return };
        match (&row.kind, value) {
            (Kind::Flag(set), Value::Flag) => set(self.into),
            (Kind::Switch(set), Value::Switch(on)) => set(self.into, on),
            (Kind::Integer(number), Value::Integer(used)) => (number.set)(self.into, used),
            (Kind::Seconds(number), Value::Seconds(used)) => (number.set)(self.into, used),
            (Kind::Choice(_, set), Value::Choice(index)) => set(self.into, index),
            (Kind::Text(_, set), Value::Text(word)) => set(self.into, word),
            (Kind::Interface(set), Value::Interface(name)) => set(self.into, name),
            (Kind::Script(field), Value::Script(command)) => *field(self.into) = Some(command),
            (Kind::Custom(_, read), Value::Words) => read(self.into, line),
            // A row's value is of its kind.
            _ => {}
        }
    }

    fn block<'t>(&mut self, row: usize, cursor: &mut Cursor<'t>, scope: &mut Scope<'_, 't>) {
        if let Some(Kind::Block(rows)) = self.row(row).map(|row| &row.kind) {
            read(cursor, rows, self.into, scope);
        }
    }

    fn entry(&mut self, row: usize, line: &mut Line<'_>) {
        if let Some(Kind::Lines(_, each)) = self.row(row).map(|row| &row.kind) {
            each(self.into, line);
        }
    }
}

/// Reads lines as [`read`] does.
pub(super) fn walk<'t>(cursor: &mut Cursor<'t>, table: &mut dyn Table, scope: &mut Scope<'_, 't>) {
    let (mut surplus, mut words): (u32, _) = (0, Vec::with_capacity(WORDS));
    while let Some(item) = cursor.next() {
        match item {
            Item::Open(at) => {
                scope.found.error(at, "Unexpected '{' - ignoring");
                surplus = surplus.saturating_add(1);
            }
            Item::Close(_) if surplus > 0 => surplus = surplus.saturating_sub(1),
            Item::Close(at) => match scope.place {
                Some(_) => return,
                None => scope.found.error(at, "Extra '}' found"),
            },
            Item::Line(node) => {
                node.split(&mut words);
                line(cursor, (node, &words), table, scope);
            }
        }
    }
}

/// Words of a usual line.
const WORDS: usize = 4;

/// Reads one line, and its block.
fn line<'t>(
    cursor: &mut Cursor<'t>,
    (node, words): (Node<'t>, &[Word<'t>]),
    table: &mut dyn Table,
    scope: &mut Scope<'_, 't>,
) {
    let mut line = Line::new(node, words, false, scope.owner, scope.found);
    let word = line.keyword.text;
    let row = table.find(word);
    let word_at = line.keyword.at;
    if let Some(word_at) = tell_leftover(&mut line) {
        scope.given.spoilt.extend(row.and_then(|row| table.name(row)).map(|name| (name, word_at)));
        cursor.skip_block();
        return;
    }
    let Some((row, head)) = row.and_then(|row| Some((row, table.head(row)?))) else {
        let known = &mut (0..).map_while(|row| table.name(row));
        let near = unknown(&mut line, known, scope.place, scope.elsewhere);
        scope.given.spoilt.extend(near.map(|near| (near, word_at)));
        cursor.skip_block();
        return;
    };
    // A brace too many or too few may change what the text around means.
    line.aside = head.aside && head.shape.has_block() == node.block().is_some();
    if !begin(&head, scope.given, scope.quiet, cursor, &mut line) {
        return;
    }
    if !head.shape.has_block() {
        let crowd = crowd(&head, table, &line);
        if let (Some(other), Shape::Script) = (crowd, head.shape) {
            let message = format_args!("'{}' cannot follow {} on its line", other.text, head.name);
            return line.error(other, message, "write one keyword a line; this one is not used");
        }
        if let Some(other) = crowd {
            line.unused(other, true);
        }
        if let Some(value) = value(&head, &mut line) {
            table.set(row, value, &mut line);
        }
        return;
    }
    // Whether what follows a keyword that lacks its brace looks like the block's content.
    let Ok(past) = enter(&head, &|word| table.fits(row, word), cursor, &mut line) else {
        return;
    };
    match head.shape {
        Shape::Block => {
            let mut inner = Scope {
                owner: scope.owner,
                place: Some(head.name),
                elsewhere: scope.elsewhere,
                quiet: scope.quiet || head.effect == Effect::NoneYet,
                given: scope.given,
                objects: scope.objects,
                found: scope.found,
            };
            table.block(row, cursor, &mut inner);
        }
        Shape::Lines(_) => {
            let mut each = |line: &mut Line<'_>| table.entry(row, line);
            let spoilt = entries(cursor, &mut each, (scope.owner, head.aside), scope.found);
            scope.given.spoilt.extend(spoilt.map(|at| (head.name, at)));
        }
        _ => {
            scope.objects.push(Object { node, inside: cursor.clone() });
            match past {
                Some(behind) => *cursor = behind,
                None => close(cursor),
            }
        }
    }
}

/// A further keyword of the block on the line of one that takes no such word.
fn crowd<'t>(head: &Head, table: &dyn Table, line: &Line<'t>) -> Option<&'t Word<'t>> {
    let taken = usize::from(!matches!(head.shape, Shape::Flag | Shape::Switch));
    let syntax = match head.shape {
        Shape::Words(syntax) => syntax,
        _ => "",
    };
    let further = |word: &&Word<'_>| !syntax.contains(word.text) && table.find(word.text).is_some();
    let mut words = line.args.iter().skip(taken);
    words.find(further).filter(|_| !syntax.contains("..."))
}

/// Tells what a template or a merge left on the line, and where: nothing of the line is used.
fn tell_leftover(line: &mut Line<'_>) -> Option<Position> {
    if line.node.is_plain() {
        return None;
    }
    let left = text::leftover(line.node.text())?;
    let (of, remedy) = if left.merge {
        ("merge", "keep one of the two sides, and remove the marker")
    } else {
        ("template", "the template was not filled in; the line is not used")
    };
    let width = u16::try_from(left.text.len()).unwrap_or(u16::MAX);
    let mark = Mark { at: line.node.position(left.at), width };
    let message = format!("'{}' of a {of} is left in the file", left.text);
    let finding = Diagnostic::new(Severity::Error, mark, message);
    line.found.report(finding.remedy(remedy));
    Some(mark.at)
}

/// Tells what holds for a keyword whatever it takes; false if its line and block are done with.
fn begin(head: &Head, given: &mut Given, quiet: bool, cursor: &mut Cursor<'_>, line: &mut Line<'_>) -> bool {
    let name = head.name;
    let words = if head.repeat == Repeat::First { digest(line) } else { 0 };
    if head.repeat != Repeat::Last
        && let Some((_, _, before)) = given.once(name)
    {
        if head.repeat == Repeat::First {
            let message = format_args!("{name} already specified - ignoring");
            let same = *before == words && !head.shape.has_block();
            line.again(same, line.keyword, message, "the first one is used; remove this one");
            cursor.skip_block();
            return false;
        }
        let message = format_args!("{name} already specified - replacing");
        line.warn(line.keyword, message, "the last one is used; remove the other");
    }
    given.note(name, line.keyword.at, words);
    if let Effect::Lacking(place) = head.effect {
        line.error(
            line.keyword,
            format_args!("{}", place.feature().lacking(name)),
            "use a build that has it, or remove this",
        );
        cursor.skip_block();
        return false;
    }
    prologue(head, quiet, line);
    if !head.shape.has_block()
        && let Some(block) = line.node.block()
    {
        let remedy = format!("{name} {} has no block; this one is not read", head.shape.syntax());
        line.error(block.open(), format_args!("Unexpected '{{' - ignoring"), &remedy);
        cursor.skip_block();
    }
    if let Shape::Skipped(_) = head.shape {
        cursor.skip_block();
        return false;
    }
    true
}

/// A mark of the words of a line, alike for alike words.
fn digest(line: &Line<'_>) -> u64 {
    line.args.iter().fold(digest::EMPTY, |before, word| digest::fnv(digest::fnv(before, word.text), "\0"))
}

/// No block is read.
struct NoBlock;

/// Goes into the block of a keyword, if need be as if its brace were there. Where the text goes on behind the block
/// if it has both braces: found without a walk through what it holds.
fn enter<'t>(
    head: &Head,
    fits: &dyn Fn(&str) -> bool,
    cursor: &mut Cursor<'t>,
    line: &mut Line<'_>,
) -> Result<Option<Cursor<'t>>, NoBlock> {
    if line.node.block().is_some() {
        let mut behind = cursor.clone();
        behind.skip_block();
        cursor.next();
        return Ok(Some(behind));
    }
    let message = format_args!("Missing '{{' at beginning of configuration block {}", head.name);
    line.error(line.keyword, message, &format!("write {} {}", head.name, head.shape.syntax()));
    match cursor.peek() {
        Some(Item::Line(next)) if fits(next.keyword().text) => Ok(None),
        _ => Err(NoBlock),
    }
}

/// Goes past the closing brace of the block that the cursor is in.
fn close(cursor: &mut Cursor<'_>) {
    let mut depth: u32 = 0;
    for item in cursor.by_ref() {
        match item {
            Item::Open(_) => depth = depth.saturating_add(1),
            Item::Close(_) if depth == 0 => return,
            Item::Close(_) => depth = depth.saturating_sub(1),
            Item::Line(_) => {}
        }
    }
}

/// Reads the entries of an object that is a list: of its lines, each by `each`.
pub fn lines<D>(
    object: &Object<'_>,
    each: fn(&mut D, &mut Line<'_>),
    into: &mut D,
    scope: &mut Scope<'_, '_>,
) {
    if let Some(extra) = object.node.arguments().next() {
        let words = object.node.all_words();
        extra_words(&mut Line::new(object.node, &words, false, scope.owner, scope.found), &extra);
    }
    let mut each = |line: &mut Line<'_>| each(into, line);
    entries(&mut object.inside.clone(), &mut each, (scope.owner, false), scope.found);
}

fn extra_words(line: &mut Line<'_>, extra: &Word<'_>) {
    let message = format_args!("Block {} has extra parameters {} ...", line.keyword.text, extra.text);
    line.warn(extra, message, "one entry a line, between the braces");
}

/// Reads the entries of a block of lines: what is being read, for messages, and whether nothing hangs on it. Some: where a
/// template or a merge left something.
pub fn entries(
    cursor: &mut Cursor<'_>,
    each: &mut dyn FnMut(&mut Line<'_>),
    (owner, aside): (&str, bool),
    found: &mut Diagnostics,
) -> Option<Position> {
    let (mut spoilt, mut words) = (None, Vec::with_capacity(WORDS));
    while let Some(item) = cursor.next() {
        match item {
            Item::Close(_) => break,
            Item::Open(at) => {
                found.error(at, "Unexpected '{' - ignoring");
                close(cursor);
            }
            Item::Line(node) => {
                node.split(&mut words);
                let mut line = Line::new(node, &words, true, owner, found);
                line.aside = aside;
                match tell_leftover(&mut line) {
                    Some(at) => spoilt = Some(at),
                    None => each(&mut line),
                }
            }
        }
    }
    spoilt
}

/// Tells what holds for the keyword whatever its argument.
fn prologue(head: &Head, quiet: bool, line: &mut Line<'_>) {
    // Something that is off has all the effect that it can have.
    let off = matches!(head.shape, Shape::Switch)
        && value::switch(line.arg(0).map(|word| word.text)) == Some(false);
    if head.effect == Effect::NoneYet && !off && !quiet {
        let message = format!("{} has no effect yet in this version", head.name);
        if head.shape.has_block() {
            // There may be thousands of such blocks.
            line.found.note_once(head.name, line.keyword, message);
        } else {
            line.note(line.keyword, format_args!("{message}"), "");
        }
    }
    if let Some(by) = head.replaced.map(Listed::text) {
        let severity = if head.counted { Severity::Warning } else { Severity::Note };
        let message = format_args!("{} is deprecated - please use '{by}'", head.name);
        line.tell(severity, line.keyword, message, "");
    }
    if matches!(head.shape, Shape::Block | Shape::Lines(_))
        && let Some(extra) = line.arg(0)
    {
        extra_words(line, extra);
    }
}

/// Tells an unknown word: with the nearest known one, which it returns, or with the block where it belongs.
fn unknown(
    line: &mut Line<'_>,
    known: &mut dyn Iterator<Item = &'static str>,
    place: Option<&str>,
    elsewhere: Elsewhere,
) -> Option<&'static str> {
    let word = line.keyword.text;
    if line.found.is_unread() {
        return None;
    }
    let message = format!("Unknown keyword '{word}'");
    if !line.found.has_room(line.keyword.at) {
        // Looking at all names each time would take for ever where a sequence makes millions of unknown words.
        line.found.error(line.keyword, message);
        return None;
    }
    let near = nearest(word, known);
    let mut remedy = match (elsewhere(word), near) {
        (Some(block), _) => format!("'{word}' belongs {block}; is a '}}' too much or missing before?"),
        (None, Some(near)) => format!("did you mean '{near}'?"),
        (None, None) => match place {
            Some(place) => format!("no keyword of {place} is like it; the line is not used"),
            None => "no keyword outside a block is like it; the line is not used".to_owned(),
        },
    };
    if line.node.block().is_some() {
        remedy.push_str("; its block is not read");
    }
    let finding = Diagnostic::new(Severity::Error, line.keyword, message);
    line.found.report(finding.remedy(remedy));
    near
}

#[cfg(test)]
mod tests;

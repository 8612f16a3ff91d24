//! The row driver: walks a block by its rows and tells every mistake; rows of a kind share its wording.
//!
//! A forgotten opening brace is told and reading goes on as if it were there, if what follows fits; a surplus
//! brace is told and ignored; the block of an unknown word is skipped whole.

use super::command;
use super::diag::{Diagnostic, Diagnostics, Severity, nearest};
use super::line::Line;
use super::row::{Argument, Decimal, Effect, Integer, Kind, Repeat, Row};
use super::tree::{Cursor, Item, Node, Position, Word};
use super::value::{self, Seconds};

/// Which keywords of one object were given before, over all its blocks.
#[derive(Clone, Debug, Default)]
pub struct Given(Vec<(&'static str, Position)>);

impl Given {
    /// Where the keyword was first given.
    #[must_use]
    pub fn at(&self, name: &str) -> Option<Position> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, at)| *at)
    }

    fn note(&mut self, name: &'static str, at: Position) {
        if self.at(name).is_none() {
            self.0.push((name, at));
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

/// Reads lines by their rows into `into`: up to and with the closing brace, or to the end outside any block.
pub fn read<'t, D, M>(
    cursor: &mut Cursor<'t>,
    rows: &'static [Row<D, M>],
    into: &mut D,
    scope: &mut Scope<'_, 't>,
) {
    let mut surplus: u32 = 0;
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
            Item::Line(node) => line(cursor, node, rows, into, scope),
        }
    }
}

/// Reads one line, and its block.
fn line<'t, D, M>(
    cursor: &mut Cursor<'t>,
    node: Node<'t>,
    rows: &'static [Row<D, M>],
    into: &mut D,
    scope: &mut Scope<'_, 't>,
) {
    let mut line = Line::new(node, false, scope.owner, scope.found);
    let word = line.keyword.text;
    // Most names differ in length or in the first letter: that is seen without a call.
    let same = |name: &str| name.len() == word.len() && name.as_bytes().first() == word.as_bytes().first();
    let Some(row) = rows.iter().find(|row| same(row.name) && row.name == word) else {
        unknown(&mut line, rows.iter().map(|row| row.name), scope.place, scope.elsewhere);
        cursor.skip_block();
        return;
    };
    if row.repeat == Repeat::First && scope.given.at(row.name).is_some() {
        let message = format!("{} already specified - ignoring", row.name);
        line.error(line.keyword, &message, "the first one is used; remove this one");
        cursor.skip_block();
        return;
    }
    if row.repeat == Repeat::Told && scope.given.at(row.name).is_some() {
        let message = format!("{} already specified - replacing", row.name);
        line.warn(line.keyword, &message, "the last one is used; remove the other");
    }
    scope.given.note(row.name, line.keyword.at);
    prologue(row, scope.quiet, &mut line);
    if !row.has_block() {
        if let Some(block) = node.block() {
            let remedy = format!("{} {} has no block; this one is not read", row.name, row.syntax());
            line.error(block.open(), "Unexpected '{' - ignoring", &remedy);
            cursor.skip_block();
        }
        return value(row, into, &mut line);
    }
    if let Kind::Skipped(_) = row.kind {
        cursor.skip_block();
        return;
    }
    // Where the text goes on if the block has both braces: found without a walk through what it holds.
    let mut past = None;
    if node.block().is_some() {
        let mut behind = cursor.clone();
        behind.skip_block();
        past = Some(behind);
        cursor.next();
    } else {
        let message = format!("Missing '{{' at beginning of configuration block {}", row.name);
        line.error(line.keyword, &message, &format!("write {} {}", row.name, row.syntax()));
        if !fits(cursor, row, rows) {
            return;
        }
    }
    match &row.kind {
        Kind::Block(rows) => {
            let mut inner = Scope {
                owner: scope.owner,
                place: Some(row.name),
                elsewhere: scope.elsewhere,
                quiet: scope.quiet || row.effect == Effect::NoneYet,
                given: scope.given,
                objects: scope.objects,
                found: scope.found,
            };
            read(cursor, rows, into, &mut inner);
        }
        Kind::Lines(_, each) => entries(cursor, *each, into, scope.owner, scope.found),
        _ => {
            scope.objects.push(Object { node, inside: cursor.clone() });
            match past {
                Some(behind) => *cursor = behind,
                None => close(cursor),
            }
        }
    }
}

/// Whether what follows a keyword that lacks its brace looks like the block's content.
fn fits<D, M>(cursor: &Cursor<'_>, row: &Row<D, M>, around: &[Row<D, M>]) -> bool {
    let Some(Item::Line(next)) = cursor.peek() else {
        return false;
    };
    let word = next.keyword().text;
    match &row.kind {
        Kind::Block(rows) => rows.iter().any(|row| row.name == word),
        _ => !around.iter().any(|row| row.name == word),
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
pub fn lines<'t, D>(
    object: &Object<'t>,
    each: fn(&mut D, &mut Line<'_>),
    into: &mut D,
    scope: &mut Scope<'_, 't>,
) {
    if let Some(extra) = object.node.arguments().next() {
        extra_words(&mut Line::new(object.node, false, scope.owner, scope.found), extra);
    }
    entries(&mut object.inside.clone(), each, into, scope.owner, scope.found);
}

fn extra_words(line: &mut Line<'_>, extra: Word<'_>) {
    let message = format!("Block {} has extra parameters {} ...", line.keyword.text, extra.text);
    line.warn(extra, &message, "one entry a line, between the braces");
}

/// Reads the entries of a block of lines.
pub fn entries<D>(
    cursor: &mut Cursor<'_>,
    each: fn(&mut D, &mut Line<'_>),
    into: &mut D,
    owner: &str,
    found: &mut Diagnostics,
) {
    while let Some(item) = cursor.next() {
        match item {
            Item::Close(_) => return,
            Item::Open(at) => {
                found.error(at, "Unexpected '{' - ignoring");
                close(cursor);
            }
            Item::Line(node) => each(into, &mut Line::new(node, true, owner, found)),
        }
    }
}

/// Tells what holds for the keyword whatever its argument.
fn prologue<D, M>(row: &Row<D, M>, quiet: bool, line: &mut Line<'_>) {
    // Something that is off has all the effect that it can have.
    let off = matches!(row.kind, Kind::Switch(_))
        && value::switch(line.arg(0).map(|word| word.text)) == Some(false);
    if row.effect == Effect::NoneYet && !off && !quiet {
        let message = format!("{} has no effect yet in this version", row.name);
        if row.has_block() {
            // There may be thousands of such blocks.
            line.found.note_once(row.name, line.keyword, message);
        } else {
            line.note(line.keyword, &message, "");
        }
    }
    if let Some((by, counted)) = row.replaced {
        let severity = if counted { Severity::Warning } else { Severity::Note };
        let message = format!("{} is deprecated - please use '{by}'", row.name);
        line.tell(severity, line.keyword, &message, "");
    }
    if matches!(row.kind, Kind::Block(_) | Kind::Lines(..))
        && let Some(extra) = line.arg(0)
    {
        extra_words(line, extra);
    }
}

/// Reads the value of a keyword without a block.
fn value<D, M>(row: &Row<D, M>, into: &mut D, line: &mut Line<'_>) {
    let first = line.arg(0);
    match &row.kind {
        Kind::Flag(set) => {
            set(into);
            surplus(line, 0);
            return;
        }
        Kind::Switch(set) => {
            match value::switch(first.map(|arg| arg.text)) {
                Some(on) => set(into, on),
                None => {
                    let arg = first.unwrap_or(line.keyword);
                    let message = format!("invalid {} {} specified", row.name, arg.text);
                    line.error(arg, &message, "write on, off, true, false, yes or no; the line is not used");
                }
            }
            surplus(line, 1);
            return;
        }
        Kind::Script(field) => {
            if line.args.is_empty() {
                return absent(row, line);
            }
            if let Some(command) = command::read(line) {
                *field(into) = Some(command);
            }
            return;
        }
        Kind::Custom(_, read) => return read(into, line),
        Kind::Block(_) | Kind::Lines(..) | Kind::Object(_) | Kind::Skipped(_) => return,
        _ => {}
    }
    let Some(arg) = first else {
        return absent(row, line);
    };
    match &row.kind {
        Kind::Integer(number) => whole(row, number, into, line, arg),
        Kind::Seconds(number) => decimal(row, number, into, line, arg),
        Kind::Choice(words, set) => match words.iter().position(|word| *word == arg.text) {
            Some(index) => set(into, index),
            None => {
                let message = format!("unknown {} '{}'", row.name, arg.text);
                let near = nearest(arg.text, words.iter().copied());
                let near = near.map(|word| format!("; did you mean {word}?")).unwrap_or_default();
                line.error(arg, &message, &format!("write {} {}{near}", row.name, words.join("|")));
            }
        },
        Kind::Text(_, set) => set(into, arg),
        Kind::Interface(set) => {
            if let Some(name) = line.interface(arg) {
                set(into, name);
            }
        }
        _ => {}
    }
    surplus(line, 1);
}

/// The argument is not there.
fn absent<D, M>(row: &Row<D, M>, line: &mut Line<'_>) {
    match row.argument {
        Argument::Required => line.missing(line.keyword, &row.syntax()),
        Argument::Expected => {
            let message = format!("No {} specified", row.name);
            line.error(line.keyword, &message, &format!("write {} {}", row.name, row.syntax()));
        }
    }
}

/// Words past the value are not used, which keepalived does not tell.
fn surplus(line: &mut Line<'_>, used: usize) {
    if let Some(extra) = line.arg(used) {
        let message = format!("'{}' after {} is not used", extra.text, line.keyword.text);
        line.note(extra, &message, "only one keyword can stand on a line");
    }
}

fn whole<D, M>(row: &Row<D, M>, number: &Integer<D>, into: &mut D, line: &mut Line<'_>, arg: Word<'_>) {
    let (from, to) = (*number.range.start(), *number.range.end());
    match value::integer(arg.text, number.range.clone(), number.lenient) {
        Ok(read) => {
            let used = number.raise.map_or(read.value, |least| read.value.max(least));
            if used != read.value {
                let message = format!("{} must be greater than 0, setting to {used}", row.name);
                line.warn(arg, &message, "");
            }
            if read.trailing {
                let message =
                    format!("{}: number '{}' has text after it, {used} is used", row.name, arg.text);
                line.warn(arg, &message, &format!("write {} {}", row.name, row.syntax()));
            }
            (number.set)(into, used);
        }
        Err(bad) => {
            let nearer = || value::integer(arg.text, i64::MIN..=i64::MAX, number.lenient).ok();
            let clamped = if number.clamp { nearer().map(|read| read.value.clamp(from, to)) } else { None };
            let used = clamped.or(number.instead);
            let then = used.map(|used| used.to_string());
            line.bad_number(row.name, arg, bad, &format!("{from}, {to}"), then.as_deref());
            if let Some(used) = used {
                (number.set)(into, used);
            }
        }
    }
}

fn decimal<D, M>(row: &Row<D, M>, number: &Decimal<D>, into: &mut D, line: &mut Line<'_>, arg: Word<'_>) {
    match value::seconds(arg.text, number.range.clone(), number.resolution) {
        Ok(read) => {
            let used = Seconds(read.value);
            if read.rounded {
                let message = format!("{}: '{}' has too many digits, {used} is used", row.name, arg.text);
                line.warn(arg, &message, "");
            } else if read.trailing {
                let message =
                    format!("{}: number '{}' has text after it, {used} is used", row.name, arg.text);
                line.warn(arg, &message, "write seconds without a unit");
            }
            (number.set)(into, read.value);
        }
        Err(bad) => {
            let range = format!("{}, {}", Seconds(*number.range.start()), Seconds(*number.range.end()));
            let then = number.instead.map(|used| Seconds(used).to_string());
            line.bad_number(row.name, arg, bad, &range, then.as_deref());
            if let Some(used) = number.instead {
                (number.set)(into, used);
            }
        }
    }
}

/// Tells an unknown word: with the nearest known one, or with the block where it belongs.
pub fn unknown<'k>(
    line: &mut Line<'_>,
    known: impl Iterator<Item = &'k str> + Clone,
    place: Option<&str>,
    elsewhere: Elsewhere,
) {
    let word = line.keyword.text;
    let message = format!("Unknown keyword '{word}'");
    if !line.found.has_room(line.keyword.at) {
        // Looking at all names each time would take for ever where a sequence makes millions of unknown words.
        line.found.error(line.keyword, message);
        return;
    }
    let mut remedy = match (elsewhere(word), nearest(word, known)) {
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
}

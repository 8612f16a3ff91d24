//! The row driver: one row a keyword, and what every row has in common.
//!
//! A [`Row`] holds a keyword's name, arguments, unit, range, default, meaning, whether a reload applies it,
//! whether it has an effect yet, the field that it writes and how that field is printed. [`read`] walks the
//! lines of a block and tells every mistake; rows of a kind share its wording.

use core::ops::RangeInclusive;

use super::command;
use super::diag::{Class, Diagnostic, Diagnostics, Mark, Severity, nearest};
use super::model::{At, ScriptCommand};
use super::tree::{Block, Node, Position};
use super::value::{self, Bad, Seconds};
use crate::base::name::IfName;
use crate::base::time::Span;

/// What a keyword takes and where it goes. `D` is what is being read.
pub enum Kind<D: 'static, M: 'static> {
    /// No argument.
    Flag(fn(&mut D)),
    /// An optional switch word; none means on.
    Switch(fn(&mut D, bool)),
    /// A whole number.
    Integer(Integer<D>),
    /// Decimal seconds.
    Seconds(Decimal<D>),
    /// One of a few words, by index.
    Choice(&'static [&'static str], fn(&mut D, usize)),
    /// One word of text.
    Text(&'static str, fn(&mut D, &Arg<'_>)),
    /// An interface name.
    Interface(fn(&mut D, Named)),
    /// A command with its identity.
    Script(fn(&mut D) -> &mut Option<ScriptCommand>),
    /// Anything else: the syntax, and a function that reads the words.
    Custom(&'static str, fn(&mut D, &mut Line<'_>)),
    /// A block of keywords.
    Block(&'static [Row<D, M>]),
    /// A block with one entry a line, or a few words a line: the syntax, and a function for each line.
    Lines(&'static str, fn(&mut D, &mut Line<'_>)),
    /// A block of a later version, not read.
    Skipped(&'static str),
}

/// A whole number: its unit, its range and what a bad one does.
pub struct Integer<D: 'static> {
    /// The unit, empty for a plain number.
    pub unit: &'static str,
    /// What is accepted.
    pub range: RangeInclusive<i64>,
    /// What is used instead of a bad one; none: the line is not used.
    pub instead: Option<i64>,
    /// The lowest number that means something, when the range begins below it: keepalived raises zero to one.
    pub raise: Option<i64>,
    /// A number outside the range is brought to its nearer end.
    pub clamp: bool,
    /// Text after the digits is told but tolerated.
    pub lenient: bool,
    /// Writes the field.
    pub set: fn(&mut D, i64),
}

/// Decimal seconds: range, resolution and what a bad one does.
pub struct Decimal<D: 'static> {
    /// What is accepted.
    pub range: RangeInclusive<Span>,
    /// Microseconds of one step.
    pub resolution: u64,
    /// What is used instead of a bad one; none: the line is not used.
    pub instead: Option<Span>,
    /// Writes the field.
    pub set: fn(&mut D, Span),
}

/// Whether a keyword does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Yes.
    Full,
    /// It is read, checked and kept, but nothing uses it in this version.
    NoneYet,
    /// Never: the reference takes it without an effect, too.
    Never,
}

/// What a missing argument means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A mistake of its own class (exit 2).
    Required,
    /// An ordinary mistake.
    Expected,
}

/// What the same keyword again means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The last one is used, or they add up.
    Last,
    /// The first one is used, the others are told.
    First,
}

/// One keyword.
pub struct Row<D: 'static, M: 'static> {
    /// The word itself.
    pub name: &'static str,
    /// What it takes and the field that it writes.
    pub kind: Kind<D, M>,
    /// What holds without it, as text.
    pub default: &'static str,
    /// One sentence.
    pub meaning: &'static str,
    /// A reload applies a change.
    pub reload: bool,
    /// Whether it has an effect.
    pub effect: Effect,
    /// What a missing argument means.
    pub argument: Argument,
    /// What a repetition means.
    pub repeat: Repeat,
    /// The keyword that replaces this one, and whether its use is counted as a mistake.
    pub replaced: Option<(&'static str, bool)>,
    /// How the field is printed; none for a second spelling.
    pub show: Option<fn(&M) -> Shown>,
}

/// A field as its keyword writes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// Not at all: the default holds.
    Nothing,
    /// The keyword alone.
    Flag,
    /// The keyword with this text.
    One(String),
    /// The keyword with a block of these lines.
    Lines(Vec<String>),
}

impl<D, M> Row<D, M> {
    /// A row that has its effect, is applied by a reload, needs its argument and is used as last given.
    pub const fn new(
        name: &'static str,
        kind: Kind<D, M>,
        default: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            default,
            meaning,
            reload: true,
            effect: Effect::Full,
            argument: Argument::Required,
            repeat: Repeat::Last,
            replaced: None,
            show: None,
        }
    }

    /// How the field is printed.
    pub const fn show(mut self, show: fn(&M) -> Shown) -> Self {
        self.show = Some(show);
        self
    }

    /// Read and kept, without an effect in this version.
    pub const fn later(mut self) -> Self {
        self.effect = Effect::NoneYet;
        self
    }

    /// Without an effect for ever, as in the reference.
    pub const fn never(mut self) -> Self {
        self.effect = Effect::Never;
        self
    }

    /// A reload does not apply a change.
    pub const fn fixed(mut self) -> Self {
        self.reload = false;
        self
    }

    /// A missing argument is an ordinary mistake.
    pub const fn expected(mut self) -> Self {
        self.argument = Argument::Expected;
        self
    }

    /// The first one is used.
    pub const fn first(mut self) -> Self {
        self.repeat = Repeat::First;
        self
    }

    /// Another keyword should be written instead; told as a counted warning or only as a note.
    pub const fn replaced(mut self, by: &'static str, counted: bool) -> Self {
        self.replaced = Some((by, counted));
        self
    }

    /// The arguments, with unit and range, as one text.
    #[must_use]
    pub fn syntax(&self) -> String {
        match &self.kind {
            Kind::Flag(_) => String::new(),
            Kind::Switch(_) => "[on|off]".to_owned(),
            Kind::Integer(n) => {
                let (unit, gap) = (n.unit, if n.unit.is_empty() { "" } else { " " });
                format!("<{unit}{gap}{}..{}>", n.range.start(), n.range.end())
            }
            Kind::Seconds(n) => {
                format!("<seconds {}..{}>", Seconds(*n.range.start()), Seconds(*n.range.end()))
            }
            Kind::Choice(words, _) => words.join("|"),
            Kind::Interface(_) => "<interface>".to_owned(),
            Kind::Script(_) => "<command> [<user> [[:]<group>]]".to_owned(),
            Kind::Text(syntax, _)
            | Kind::Custom(syntax, _)
            | Kind::Lines(syntax, _)
            | Kind::Skipped(syntax) => (*syntax).to_owned(),
            Kind::Block(_) => "{ ... }".to_owned(),
        }
    }

    const fn has_block(&self) -> bool {
        matches!(self.kind, Kind::Block(_) | Kind::Lines(..) | Kind::Skipped(_))
    }
}

impl<D> Integer<D> {
    /// A number of which a bad one is not used and that tolerates text after its digits.
    pub const fn new(unit: &'static str, range: RangeInclusive<i64>, set: fn(&mut D, i64)) -> Self {
        Self { unit, range, instead: None, raise: None, clamp: false, lenient: true, set }
    }

    /// Exactly a number.
    pub const fn strict(mut self) -> Self {
        self.lenient = false;
        self
    }

    /// A bad number counts as this one.
    pub const fn or(mut self, instead: i64) -> Self {
        self.instead = Some(instead);
        self
    }

    /// Lower numbers within the range count as this one.
    pub const fn at_least(mut self, raise: i64) -> Self {
        self.raise = Some(raise);
        self
    }

    /// A number outside the range is brought to its nearer end.
    pub const fn clamped(mut self) -> Self {
        self.clamp = true;
        self
    }
}

impl<D> Decimal<D> {
    /// Seconds to the microsecond, both bounds in microseconds; a bad one is not used.
    pub const fn new(from: u64, to: u64, set: fn(&mut D, Span)) -> Self {
        let range = Span::from_micros(from)..=Span::from_micros(to);
        Self { range, resolution: 1, instead: None, set }
    }

    /// Steps of so many microseconds.
    pub const fn step(mut self, micros: u64) -> Self {
        self.resolution = micros;
        self
    }

    /// A bad one counts as this.
    pub const fn or(mut self, instead: Span) -> Self {
        self.instead = Some(instead);
        self
    }
}

/// One word of a line.
#[derive(Clone, Copy, Debug)]
pub struct Arg<'a> {
    /// The text, quotes removed.
    pub text: &'a str,
    /// Where it stands.
    pub at: Position,
}

impl From<Arg<'_>> for Mark {
    fn from(arg: Arg<'_>) -> Self {
        Self { at: arg.at, width: u16::try_from(arg.text.len()).unwrap_or(u16::MAX) }
    }
}

/// An interface name with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: IfName,
    /// Where it stands.
    pub at: At,
}

/// One line while it is read: its words, and where its mistakes go.
pub struct Line<'a> {
    /// The keyword, or the first word of an entry.
    pub keyword: Arg<'a>,
    /// The words after the keyword; of an entry, all of them.
    pub args: Vec<Arg<'a>>,
    /// The line as the tree has it.
    pub node: &'a Node,
    /// What is being read, for messages: `(VI_1) ` or empty.
    pub owner: &'a str,
    /// All mistakes so far.
    pub found: &'a mut Diagnostics,
}

impl<'a> Line<'a> {
    /// The line of a keyword, or with `entry` a line of which every word is a value.
    pub fn new(node: &'a Node, entry: bool, owner: &'a str, found: &'a mut Diagnostics) -> Option<Self> {
        let mut words = node.words.iter().map(|word| Arg { text: &word.text, at: word.at });
        let keyword = words.next()?;
        let args = if entry { core::iter::once(keyword).chain(words).collect() } else { words.collect() };
        Some(Self { keyword, args, node, owner, found })
    }

    /// The argument at `index`.
    #[must_use]
    pub fn arg(&self, index: usize) -> Option<Arg<'a>> {
        self.args.get(index).copied()
    }

    /// Adds a finding with the owner in front.
    pub fn tell(&mut self, severity: Severity, mark: impl Into<Mark>, message: &str, remedy: &str) {
        let message = format!("{}{message}", self.owner);
        let finding = Diagnostic::new(severity, mark, message);
        self.found.report(if remedy.is_empty() { finding } else { finding.remedy(remedy) });
    }

    /// The line, or the entry, is not used.
    pub fn error(&mut self, mark: impl Into<Mark>, message: &str, remedy: &str) {
        self.tell(Severity::Error, mark, message, remedy);
    }

    /// Used, but not as written.
    pub fn warn(&mut self, mark: impl Into<Mark>, message: &str, remedy: &str) {
        self.tell(Severity::Warning, mark, message, remedy);
    }

    /// Told only.
    pub fn note(&mut self, mark: impl Into<Mark>, message: &str, remedy: &str) {
        self.tell(Severity::Note, mark, message, remedy);
    }

    /// The keyword, or an option word of it, lacks its argument (exit 2).
    pub fn missing(&mut self, after: Arg<'_>, syntax: &str) {
        let message = format!("{} is missing a parameter after keyword `{}`", self.keyword.text, after.text);
        let finding = Diagnostic::new(Severity::Error, after, message).class(Class::Missing);
        self.found.report(finding.remedy(format!("write {} {syntax}", self.keyword.text)));
    }

    /// Tells why `word` is not the number that `what` takes; `range` as text.
    pub fn bad_number(&mut self, what: &str, word: Arg<'_>, bad: Bad, range: &str, then: &str) {
        let text = word.text;
        let reason = match bad {
            Bad::Text => format!("{what}: invalid number '{text}'"),
            Bad::Negative => format!("{what}: negative number '{text}'"),
            Bad::Range => format!("{what}: number '{text}' outside range [{range}]"),
        };
        self.warn(word, &reason, &format!("{what} takes a number in [{range}]; {then}"));
    }

    /// The number of an option word, or a report; strict.
    pub fn number(&mut self, what: &str, word: Arg<'_>, range: RangeInclusive<i64>) -> Option<i64> {
        match value::integer(word.text, range.clone(), false) {
            Ok(read) => Some(read.value),
            Err(bad) => {
                let range = format!("{}, {}", range.start(), range.end());
                self.bad_number(what, word, bad, &range, "it is not used");
                None
            }
        }
    }

    /// The address, or a report.
    pub fn interface(&mut self, word: Arg<'_>) -> Option<Named> {
        if let Some(name) = IfName::new(word.text) {
            return Some(Named { name, at: At(word.at) });
        }
        let why = if word.text.len() > 15 { "too long" } else { "invalid" };
        let message = format!("Interface name '{}' {why} - ignoring", word.text);
        self.error(word, &message, "an interface name has 1 to 15 bytes, no blank and no '/'");
        None
    }
}

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
pub struct Reader<'a> {
    /// What is being read, for messages: `(VI_1) ` or empty.
    pub owner: &'a str,
    /// Name of the block, for messages.
    pub place: &'a str,
    /// Finds the block of a word that is unknown here.
    pub elsewhere: Elsewhere,
    /// Keywords given before.
    pub given: &'a mut Given,
    /// All mistakes so far.
    pub found: &'a mut Diagnostics,
}

/// Reads every line of a block by its rows into `into`.
pub fn read<D, M>(block: &Block, rows: &'static [Row<D, M>], into: &mut D, reader: &mut Reader<'_>) {
    for node in &block.nodes {
        let Some(mut line) = Line::new(node, false, reader.owner, reader.found) else { continue };
        let Some(row) = rows.iter().find(|row| row.name == line.keyword.text) else {
            unknown(&mut line, rows.iter().map(|row| row.name), reader.place, reader.elsewhere);
            continue;
        };
        if row.repeat == Repeat::First && reader.given.at(row.name).is_some() {
            let message = format!("{} already specified - ignoring", row.name);
            line.error(line.keyword, &message, "the first one is used; remove this one");
            continue;
        }
        reader.given.note(row.name, line.keyword.at);
        prologue(row, &mut line);
        if row.has_block() != node.block.is_some() && !brace(row, &mut line) {
            continue;
        }
        match (&row.kind, &node.block) {
            (Kind::Block(rows), Some(inner)) => {
                let mut reader = Reader {
                    owner: reader.owner,
                    place: row.name,
                    elsewhere: reader.elsewhere,
                    given: &mut *reader.given,
                    found: &mut *reader.found,
                };
                read(inner, rows, into, &mut reader);
            }
            (Kind::Lines(_, each), Some(inner)) => {
                for node in &inner.nodes {
                    entry(node, *each, into, reader.owner, reader.found);
                }
            }
            _ => value(row, into, &mut line),
        }
    }
}

/// Reads one entry of a block of lines.
fn entry<D>(
    node: &Node,
    each: fn(&mut D, &mut Line<'_>),
    into: &mut D,
    owner: &str,
    found: &mut Diagnostics,
) {
    if let Some(mut line) = Line::new(node, true, owner, found) {
        if let Some(inner) = &node.block {
            line.error(inner.open, "Unexpected '{' - ignoring", "the lines of this list have no block");
        }
        each(into, &mut line);
    }
}

/// Tells what holds for the keyword whatever its argument.
fn prologue<D, M>(row: &Row<D, M>, line: &mut Line<'_>) {
    if row.effect == Effect::NoneYet {
        let message = format!("{} has no effect yet in this version", row.name);
        line.note(line.keyword, &message, "");
    }
    if let Some((by, counted)) = row.replaced {
        let severity = if counted { Severity::Warning } else { Severity::Note };
        let message = format!("{} is deprecated - please use '{by}'", row.name);
        line.tell(severity, line.keyword, &message, "");
    }
    if row.has_block()
        && !matches!(row.kind, Kind::Skipped(_))
        && let Some(extra) = line.arg(0)
    {
        let message = format!("Block {} has extra parameters {} ...", row.name, extra.text);
        line.warn(extra, &message, "one entry a line, between the braces");
    }
}

/// Tells that a brace is missing or too much; whether the line can be read all the same.
fn brace<D, M>(row: &Row<D, M>, line: &mut Line<'_>) -> bool {
    let remedy = format!("write {} {}", row.name, row.syntax());
    match &line.node.block {
        Some(block) => {
            line.error(block.open, "Unexpected '{' - ignoring", &format!("{remedy}; its block is not read"));
            true
        }
        None => {
            let message = format!("Missing '{{' at beginning of configuration block {}", row.name);
            line.error(line.keyword, &message, &remedy);
            false
        }
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
        Kind::Block(_) | Kind::Lines(..) | Kind::Skipped(_) => return,
        _ => {}
    }
    let Some(arg) = first else { return absent(row, line) };
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
        Kind::Text(_, set) => set(into, &arg),
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

fn whole<D, M>(row: &Row<D, M>, number: &Integer<D>, into: &mut D, line: &mut Line<'_>, arg: Arg<'_>) {
    let (from, to) = (*number.range.start(), *number.range.end());
    match value::integer(arg.text, number.range.clone(), number.lenient) {
        Ok(read) => {
            let used = number.raise.map_or(read.value, |least| read.value.max(least));
            if used != read.value {
                let message = format!("{} must be greater than 0, setting to {used}", row.name);
                line.warn(arg, &message, "");
            }
            if read.trailing {
                let message = format!("{}: number '{}' has text after it, {used} is used", row.name, arg.text);
                line.warn(arg, &message, &format!("write {} {}", row.name, row.syntax()));
            }
            (number.set)(into, used);
        }
        Err(bad) => {
            let nearer = || value::integer(arg.text, i64::MIN..=i64::MAX, number.lenient).ok();
            let clamped = if number.clamp { nearer().map(|read| read.value.clamp(from, to)) } else { None };
            let used = clamped.or(number.instead);
            let then =
                used.map_or_else(|| "the line is not used".to_owned(), |used| format!("{used} is used"));
            line.bad_number(row.name, arg, bad, &format!("{from}, {to}"), &then);
            if let Some(used) = used {
                (number.set)(into, used);
            }
        }
    }
}

fn decimal<D, M>(row: &Row<D, M>, number: &Decimal<D>, into: &mut D, line: &mut Line<'_>, arg: Arg<'_>) {
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
            let then = match number.instead {
                Some(used) => format!("{} is used", Seconds(used)),
                None => "the line is not used".to_owned(),
            };
            line.bad_number(row.name, arg, bad, &range, &then);
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
    place: &str,
    elsewhere: Elsewhere,
) {
    let word = line.keyword.text;
    let message = format!("Unknown keyword '{word}'");
    let mut remedy = match (elsewhere(word), nearest(word, known)) {
        (Some(block), _) => format!("'{word}' belongs in {block}, not in {place}"),
        (None, Some(near)) => format!("did you mean '{near}'?"),
        (None, None) => format!("no keyword of {place} is like it; the line is not used"),
    };
    if line.node.block.is_some() {
        remedy.push_str("; its block is not read");
    }
    let finding = Diagnostic::new(Severity::Error, line.keyword, message);
    line.found.report(finding.remedy(remedy));
}


//! One row a keyword: everything that is to be known about it, in one place.
//!
//! A [`Row`] holds a keyword's name, arguments, unit, range, default, meaning, whether a reload applies it,
//! whether it has an effect yet, the field that it writes and how that field is printed. Tables of rows are
//! under `rows`; the driver that walks a block by its rows is `keyword`.

use core::ops::RangeInclusive;

pub use super::head::{Argument, Bounds, Effect, Head, Listed, Repeat, Shape, TimeBounds};
use super::line::Line;
use super::model::{Named, ScriptCommand};
use super::tree::Word;
use crate::base::feature::Feature;
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
    Text(&'static str, fn(&mut D, &Word<'_>)),
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
    /// A named block that is read into an object of its own, after everything else of its level.
    Object(&'static str),
    /// A block of a later version, not read.
    Skipped(&'static str),
}

/// A whole number: its unit, its range and what a bad one does. In this order, so that the kind of a row is told by a value
/// that no flag has, and takes no octets of its own.
#[repr(C)]
pub struct Integer<D: 'static> {
    /// Writes the field.
    pub set: fn(&mut D, i64),
    /// Its unit and what is accepted.
    pub bounds: Bounds,
}

/// Decimal seconds: range, resolution and what a bad one does.
pub struct Decimal<D: 'static> {
    /// What is accepted.
    pub bounds: TimeBounds,
    /// Writes the field.
    pub set: fn(&mut D, Span),
}

/// One keyword.
pub struct Row<D: 'static, M: 'static> {
    /// The word itself.
    pub name: &'static str,
    /// What it takes and the field that it writes.
    pub kind: Kind<D, M>,
    /// What holds without it, as text.
    #[cfg(feature = "tools")]
    pub default: &'static str,
    /// One sentence.
    #[cfg(feature = "tools")]
    pub meaning: &'static str,
    /// A reload applies a change.
    pub reload: bool,
    /// Whether it has an effect.
    pub effect: Effect,
    /// What a missing argument means.
    pub argument: Argument,
    /// What a repetition means.
    pub repeat: Repeat,
    /// The keyword that replaces this one.
    pub replaced: Option<Listed>,
    /// The use of a replaced keyword is counted as a mistake.
    pub counted: bool,
    /// No address, no advert and no check hangs on it: a reload with a mistake in it is told and applied.
    pub aside: bool,
    /// How the field is printed; none for a second spelling.
    pub show: Option<fn(&M) -> Shown>,
    /// The words that its own lines know, for the list of everything.
    #[cfg(feature = "tools")]
    pub terms: fn() -> Vec<Term>,
}

// The program has about 600 rows: each octet of one counts in the flash.
const _: () = assert!(size_of::<Row<(), ()>>() <= if cfg!(feature = "tools") { 104 } else { 64 });

/// The rows of a table, those first that other tables have, too.
pub type Parts<D, M> = [&'static [Row<D, M>]; 2];

/// A word that a keyword's line, or each line of its block, knows: an option or a positional value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Below which option it stands: `nexthop`, `encap`; empty for the line itself.
    #[cfg(feature = "tools")]
    pub path: &'static str,
    /// The word, or `<what>` for a positional value.
    pub name: &'static str,
    /// Its arguments with unit and range.
    #[cfg(feature = "tools")]
    pub syntax: &'static str,
    /// What holds without it, as text.
    #[cfg(feature = "tools")]
    pub default: &'static str,
    /// One sentence.
    #[cfg(feature = "tools")]
    pub meaning: &'static str,
}

impl Term {
    /// A word of the line itself.
    #[must_use]
    #[cfg_attr(
        not(feature = "tools"),
        allow(unused_variables, reason = "the texts of --explain are left out")
    )]
    pub const fn new(
        name: &'static str,
        syntax: &'static str,
        default: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            #[cfg(feature = "tools")]
            path: "",
            #[cfg(feature = "tools")]
            syntax,
            #[cfg(feature = "tools")]
            default,
            #[cfg(feature = "tools")]
            meaning,
        }
    }

    /// The same below an option.
    #[must_use]
    #[cfg_attr(
        not(feature = "tools"),
        allow(unused_mut, unused_variables, reason = "the texts of --explain are left out")
    )]
    pub const fn below(mut self, path: &'static str) -> Self {
        #[cfg(feature = "tools")]
        {
            self.path = path;
        }
        self
    }
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
    /// The keyword once for each text.
    Each(Vec<String>),
    /// The keyword with a block of these lines.
    Lines(Vec<String>),
}

impl<D, M> Row<D, M> {
    /// A row that has its effect, is applied by a reload, needs its argument and is used as last given.
    #[cfg_attr(
        not(feature = "tools"),
        allow(unused_variables, reason = "the texts of --explain are left out")
    )]
    pub const fn new(
        name: &'static str,
        kind: Kind<D, M>,
        default: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            #[cfg(feature = "tools")]
            default,
            #[cfg(feature = "tools")]
            meaning,
            reload: true,
            effect: Effect::Full,
            argument: Argument::Required,
            repeat: Repeat::Last,
            replaced: None,
            counted: false,
            aside: false,
            show: None,
            #[cfg(feature = "tools")]
            terms: Vec::new,
        }
    }

    /// The words that its lines know.
    #[cfg_attr(
        not(feature = "tools"),
        allow(unused_mut, unused_variables, reason = "the texts of --explain are left out")
    )]
    pub const fn terms(mut self, terms: fn() -> Vec<Term>) -> Self {
        #[cfg(feature = "tools")]
        {
            self.terms = terms;
        }
        self
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

    /// Without an effect for ever, as in keepalived.
    pub const fn never(mut self) -> Self {
        self.effect = Effect::Never;
        self
    }

    /// Not used, and told so, in a build without this feature.
    pub const fn needs(mut self, feature: &'static Feature) -> Self {
        if !feature.built {
            self.effect = Effect::Lacking(feature.place());
        }
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

    /// Exactly one argument; anything else is an ordinary mistake.
    pub const fn alone(mut self) -> Self {
        self.argument = Argument::Alone;
        self
    }

    /// The first one is used.
    pub const fn first(mut self) -> Self {
        self.repeat = Repeat::First;
        self
    }

    /// The last one is used, which is told.
    pub const fn told(mut self) -> Self {
        self.repeat = Repeat::Told;
        self
    }

    /// Another keyword should be written instead; told as a counted warning or only as a note.
    pub const fn replaced(mut self, by: &str, counted: bool) -> Self {
        self.replaced = Some(Listed::of(by));
        self.counted = counted;
        self
    }

    /// Names, files for people, mail, dumps: no address, no advert and no check hangs on it.
    pub const fn aside(mut self) -> Self {
        self.aside = true;
        self
    }

    /// The arguments, with unit and range, as one text.
    #[must_use]
    pub fn syntax(&self) -> String {
        self.head().shape.syntax()
    }

    /// What it says whatever it reads into.
    #[must_use]
    pub const fn head(&self) -> Head {
        let shape = match &self.kind {
            Kind::Flag(_) => Shape::Flag,
            Kind::Switch(_) => Shape::Switch,
            Kind::Integer(n) => Shape::Integer(n.bounds),
            Kind::Seconds(n) => Shape::Seconds(n.bounds),
            Kind::Choice(words, _) => Shape::Choice(words),
            Kind::Text(syntax, _) => Shape::Text(syntax),
            Kind::Interface(_) => Shape::Interface,
            Kind::Script(_) => Shape::Script,
            Kind::Custom(syntax, _) => Shape::Words(syntax),
            Kind::Lines(syntax, _) => Shape::Lines(syntax),
            Kind::Object(syntax) => Shape::Object(syntax),
            Kind::Skipped(syntax) => Shape::Skipped(syntax),
            Kind::Block(_) => Shape::Block,
        };
        Head {
            name: self.name,
            shape,
            effect: self.effect,
            argument: self.argument,
            repeat: self.repeat,
            replaced: self.replaced,
            counted: self.counted,
            aside: self.aside || matches!(self.effect, Effect::Never),
        }
    }

    /// Whether braces follow the keyword.
    pub const fn has_block(&self) -> bool {
        matches!(self.kind, Kind::Block(_) | Kind::Lines(..) | Kind::Object(_) | Kind::Skipped(_))
    }
}

impl<D> Integer<D> {
    /// A number of which a bad one is not used and that tolerates text after its digits.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what does not fit is not compiled"
    )]
    pub const fn new(unit: &str, range: RangeInclusive<i64>, set: fn(&mut D, i64)) -> Self {
        let (from, to) = (*range.start() as i32, *range.end() as u32);
        assert!(
            from as i64 == *range.start() && to as i64 == *range.end(),
            "a range that Bounds has no room for"
        );
        let unit = Listed::of(unit);
        let bounds = Bounds { unit, from, to, instead: None, raise: None, clamp: false, lenient: true };
        Self { set, bounds }
    }

    /// Exactly a number.
    pub const fn strict(mut self) -> Self {
        self.bounds.lenient = false;
        self
    }

    /// A bad number counts as this one.
    pub const fn or(mut self, instead: u8) -> Self {
        self.bounds.instead = Some(instead);
        self
    }

    /// Lower numbers within the range count as this one.
    pub const fn at_least(mut self, raise: u8) -> Self {
        self.bounds.raise = Some(raise);
        self
    }

    /// A number outside the range is brought to its nearer end.
    pub const fn clamped(mut self) -> Self {
        self.bounds.clamp = true;
        self
    }
}

impl<D> Decimal<D> {
    /// Seconds to the microsecond, both bounds in microseconds; a bad one is not used.
    pub const fn new(from: u32, to: u64, set: fn(&mut D, Span)) -> Self {
        let to = Span::from_micros(to);
        Self { bounds: TimeBounds { from, to, resolution: 1, or_zero: false }, set }
    }

    /// Steps of so many microseconds.
    pub const fn step(mut self, micros: u16) -> Self {
        self.bounds.resolution = micros;
        self
    }

    /// A bad one counts as zero.
    pub const fn or_zero(mut self) -> Self {
        self.bounds.or_zero = true;
        self
    }
}

/// A number whose range the row has checked, in the width of its field; zero if row and field disagree, which
/// a test of all rows refuses.
pub fn fit<T: TryFrom<i64> + Default>(number: i64) -> T {
    T::try_from(number).unwrap_or_default()
}

/// A whole number of seconds that the row has checked.
pub fn whole_seconds(number: i64) -> Span {
    Span::from_secs(fit(number))
}

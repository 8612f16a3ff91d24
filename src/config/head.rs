//! What a row says whatever it reads into: its word, what it takes, and what a mistake means.
//!
//! The driver and the messages work on this part, so that they are in the program once and not once a table.

use core::num::NonZeroU8;
use core::ops::RangeInclusive;

use super::value::Seconds;
use crate::base::time::Span;
use crate::base::{bytes, feature};

/// A row without the field that it writes.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    /// The word itself.
    pub name: &'static str,
    /// What it takes.
    pub shape: Shape,
    /// Whether it has an effect.
    pub effect: Effect,
    /// What a missing argument means.
    pub argument: Argument,
    /// What a repetition means.
    pub repeat: Repeat,
    /// No address and no check hangs on it.
    pub aside: bool,
    /// The keyword that replaces this one.
    pub replaced: Option<Listed>,
    /// The use of a replaced keyword is counted as a mistake.
    pub counted: bool,
}

/// Whether a keyword does what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Yes.
    Full,
    /// It is read, checked and kept, but nothing uses it in this version.
    NoneYet,
    /// Never: keepalived takes it without an effect, too.
    Never,
    /// It is not used: this build lacks the feature.
    Lacking(feature::Place),
}

/// What a missing argument means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A mistake of its own class (exit 2).
    Required,
    /// An ordinary mistake.
    Expected,
    /// An ordinary mistake, as is one argument too many: the line is not used.
    Alone,
}

/// What the same keyword again means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The last one is used, or they add up.
    Last,
    /// The first one is used, the others are told.
    First,
    /// The last one is used, which is told.
    Told,
}

/// What a keyword takes, without where it goes.
#[derive(Clone, Copy, Debug)]
pub enum Shape {
    /// Nothing.
    Flag,
    /// A switch word.
    Switch,
    /// A whole number.
    Integer(Bounds),
    /// Decimal seconds.
    Seconds(TimeBounds),
    /// One of a few words.
    Choice(&'static [&'static str]),
    /// One word of this syntax.
    Text(&'static str),
    /// An interface name.
    Interface,
    /// A command with its identity.
    Script,
    /// Words of this syntax.
    Words(&'static str),
    /// A block of keywords.
    Block,
    /// A block of entries of this syntax.
    Lines(&'static str),
    /// A named block of this syntax.
    Object(&'static str),
    /// A block of this syntax that is not read.
    Skipped(&'static str),
}

impl Shape {
    /// The arguments, with unit and range, as one text.
    #[must_use]
    pub fn syntax(&self) -> String {
        match self {
            Self::Flag => String::new(),
            Self::Switch => "[on|off]".to_owned(),
            Self::Interface => "<interface>".to_owned(),
            Self::Script => "<command> [<user> [[:]<group>]]".to_owned(),
            Self::Integer(number) => {
                let unit = number.unit.text();
                let gap = if unit.is_empty() { "" } else { " " };
                format!("<{unit}{gap}{}..{}>", number.from, number.to)
            }
            Self::Seconds(number) => format!("<seconds {}..{}>", Seconds(number.from()), Seconds(number.to)),
            Self::Choice(words) => words.join("|"),
            Self::Text(syntax)
            | Self::Words(syntax)
            | Self::Lines(syntax)
            | Self::Object(syntax)
            | Self::Skipped(syntax) => (*syntax).to_owned(),
            Self::Block => "{ ... }".to_owned(),
        }
    }

    /// Whether braces follow the keyword.
    #[must_use]
    pub const fn has_block(&self) -> bool {
        matches!(self, Self::Block | Self::Lines(_) | Self::Object(_) | Self::Skipped(_))
    }
}

/// What a whole number may be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The unit, empty for a plain number.
    pub unit: Listed,
    /// The lowest that is accepted; this and the next are as narrow as the rows permit, of which there are hundreds.
    pub from: i32,
    /// The highest that is accepted.
    pub to: u32,
    /// What is used instead of a bad one; none: the line is not used.
    pub instead: Option<u8>,
    /// The lowest number that means something, when the range begins below it: keepalived raises zero to one.
    pub raise: Option<u8>,
    /// A number outside the range is brought to its nearer end.
    pub clamp: bool,
    /// Text after the digits is told but tolerated.
    pub lenient: bool,
}

impl Bounds {
    /// What is accepted.
    #[must_use]
    pub const fn range(&self) -> RangeInclusive<i64> {
        self.from as i64..=self.to as i64
    }
}

/// A text that many rows have beside their names, by its place in one list: one octet, where a pointer and a length
/// take sixteen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed(NonZeroU8);

/// Units, then what replaces other keywords.
const LISTED: [&str; 23] = [
    "",
    "adverts",
    "bytes",
    "connections",
    "days",
    "microseconds",
    "nice",
    "octets",
    "seconds",
    "another SMTP_CHECK",
    "bfd_rlimit_rttime",
    "checker_process_name",
    "checker_rlimit_rttime",
    "garp_extra_if",
    "linkbeat_interfaces",
    "lvs_sync_daemon in global_defs",
    "retry",
    "sync_group_tracking_weight",
    "timer_expired_backup",
    "track_file",
    "virtual_ipaddress with IPv6 addresses",
    "vrrp_garp_extra_if",
    "vrrp_rlimit_rttime",
];

impl Listed {
    /// The place of a text; one that is not listed is not compiled.
    pub(super) const fn of(text: &str) -> Self {
        let (mut place, mut rest): (_, &[&str]) = (NonZeroU8::MIN, &LISTED);
        while let [one, others @ ..] = rest {
            if bytes::is_same(one.as_bytes(), text.as_bytes()) {
                break;
            }
            (place, rest) = (place.saturating_add(1), others);
        }
        assert!(!rest.is_empty(), "a text that is not listed");
        Self(place)
    }

    /// The text.
    #[must_use]
    pub fn text(self) -> &'static str {
        LISTED.get(usize::from(self.0.get()) - 1).copied().unwrap_or_default()
    }
}

/// What decimal seconds may be.
#[derive(Clone, Copy, Debug)]
pub struct TimeBounds {
    /// The shortest that is accepted, in microseconds.
    pub from: u32,
    /// The longest that is accepted.
    pub to: Span,
    /// Microseconds of one step.
    pub resolution: u16,
    /// Zero is used instead of a bad one; else the line is not used.
    pub or_zero: bool,
}

impl TimeBounds {
    /// The shortest that is accepted.
    #[must_use]
    pub const fn from(&self) -> Span {
        Span::from_micros(self.from as u64)
    }
}

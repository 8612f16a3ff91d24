//! Fields as text, for the `show` of rows.

use crate::base::time::Span;
use crate::config::model::{Identity, Named, ScriptCommand};
use crate::config::row::Shown;
use crate::config::text as scanner;
use crate::config::value::{Quoted, Seconds};
use core::fmt::{Display, Write};

/// A flag: its keyword, or nothing.
pub(super) const fn flag(on: bool) -> Shown {
    if on { Shown::Flag } else { Shown::Nothing }
}

/// A switch that is off without its keyword.
pub(super) fn switch(on: bool) -> Shown {
    if on { Shown::One("on".to_owned()) } else { Shown::Nothing }
}

/// A switch whose default comes from elsewhere.
pub(super) fn either(on: bool) -> Shown {
    Shown::One(if on { "on" } else { "off" }.to_owned())
}

/// A switch whose default is on.
pub(super) fn unless_on(on: bool) -> Shown {
    if on { Shown::Nothing } else { Shown::One("off".to_owned()) }
}

/// Something that is printed as it is.
pub(super) fn plain(value: impl Display) -> Shown {
    Shown::One(value.to_string())
}

/// A field of a part that may not be there.
pub(super) fn entry<T>(part: Option<&T>, show: impl FnOnce(&T) -> Shown) -> Shown {
    part.map_or(Shown::Nothing, show)
}

/// A block with one entry a line.
pub(super) fn entries<T>(entries: &[T], text: fn(&T) -> String) -> Shown {
    if entries.is_empty() { Shown::Nothing } else { Shown::Lines(entries.iter().map(text).collect()) }
}

/// Something that is printed as it is, if there is one.
pub(super) fn maybe(value: Option<impl Display>) -> Shown {
    value.map_or(Shown::Nothing, plain)
}

/// Something that is printed unless it has its default.
pub(super) fn unless<T: Display + PartialEq>(value: T, default: &T) -> Shown {
    if value == *default { Shown::Nothing } else { plain(value) }
}

/// Text as one word; if there is none, nothing.
pub(super) fn text(value: Option<&String>) -> Shown {
    maybe(value.map(|value| Quoted(value)))
}

/// Text as one word; the keyword alone if it is empty.
pub(super) fn text_or_flag(value: Option<&String>) -> Shown {
    match value {
        Some(value) if value.is_empty() => Shown::Flag,
        value => text(value),
    }
}

/// A time unless it has its default.
pub(super) fn time(value: Span, default: Span) -> Shown {
    if value == default { Shown::Nothing } else { plain(Seconds(value)) }
}

/// An interface.
pub(super) fn interface(value: Option<&Named>) -> Shown {
    maybe(value.map(|named| Quoted(named.name.as_str())))
}

/// A command as it was written; a comment sign outside double quotes needs its backslash back.
pub(super) fn command(value: Option<&ScriptCommand>) -> Shown {
    let Some(command) = value else {
        return Shown::Nothing;
    };
    let mut written = command.written.as_str();
    let quoted;
    if ends_in_parameter(written) {
        quoted = format!("\"{written}\"");
        written = &quoted;
    }
    // The reader takes a backslash in quotes for an escape if all quotes pair up that way.
    let escaped = marked(written, true);
    let scan = scanner::scan(&escaped);
    Shown::One(if scan.escapes && scan.unpaired.is_none() { escaped } else { marked(written, false) })
}

/// Whether a word without quotes ends in what is read as a parameter at the end of a line. A brace may have stood behind it,
/// and a double quote keeps it as it is.
fn ends_in_parameter(written: &str) -> bool {
    !written.contains(['"', '\\'])
        && written.rsplit_once('$').is_some_and(|(_, name)| {
            name.starts_with(|ch: char| ch == '_' || ch.is_ascii_alphabetic())
                && name.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric())
        })
}

/// The text with a backslash before every comment sign that stands outside double quotes.
fn marked(written: &str, escapes: bool) -> String {
    let mut quoted = false;
    let mut out = String::new();
    let mut chars = written.chars();
    while let Some(ch) = chars.next() {
        quoted ^= ch == '"';
        if !quoted && matches!(ch, '#' | '!') {
            out.push('\\');
        }
        out.push(ch);
        if ch == '\\' && (escapes || !quoted) {
            out.extend(chars.next());
        }
    }
    out
}

/// `<user> [[:]<group>]`.
pub(super) fn identity(out: &mut String, value: Option<&Identity>) {
    let Some(identity) = value else { return };
    // Writing to a String cannot fail.
    let _ = write!(out, " {}", Quoted(&identity.user));
    match (&identity.group, identity.supplementary) {
        (Some(group), true) => {
            let _ = write!(out, " : {}", Quoted(group));
        }
        (Some(group), false) => {
            let _ = write!(out, " {}", Quoted(group));
        }
        (None, true) => out.push_str(" :"),
        (None, false) => {}
    }
}

/// The same as the value of a keyword.
pub(super) fn whose(value: Option<&Identity>) -> Shown {
    let mut out = String::new();
    identity(&mut out, value);
    if out.is_empty() { Shown::Nothing } else { Shown::One(out.trim_start().to_owned()) }
}

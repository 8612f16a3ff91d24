//! The value of a keyword without a block: a switch, a choice, a number, a time, a text, an interface, a command; and
//! every mistake in it told.
//!
//! Nothing here depends on what a row writes into, so that it is in the program once.

use super::command;
use super::line::{Line, Used};
use super::model::{Named, ScriptCommand};
use super::nearest::nearest;
use super::row::{Argument, Bounds, Head, Shape, TimeBounds};
use super::tree::Word;
use super::value::{self, Seconds};
use crate::base::time::Span;

/// The value of a keyword without a block; none if its line is not used.
pub(super) fn value<'l>(head: &Head, line: &mut Line<'l>) -> Option<Value<'l>> {
    Some(match &head.shape {
        Shape::Flag => flag(head, line).then_some(Value::Flag)?,
        Shape::Switch => Value::Switch(switch(head, line)?),
        Shape::Script if line.args.is_empty() => {
            absent(head, line);
            return None;
        }
        Shape::Script => Value::Script(command::read(line)?),
        Shape::Integer(bounds) => {
            let arg = argument(head, line)?;
            Value::Integer(whole(head, bounds, line, arg)?)
        }
        Shape::Seconds(bounds) => {
            let arg = argument(head, line)?;
            Value::Seconds(decimal(head, bounds, line, arg)?)
        }
        Shape::Choice(words) => {
            let arg = argument(head, line)?;
            Value::Choice(choice(head, words, line, arg)?)
        }
        Shape::Text(_) => {
            let arg = argument(head, line)?;
            line.surplus(1);
            Value::Text(arg)
        }
        Shape::Interface => {
            let arg = argument(head, line)?;
            let name = line.interface(arg);
            line.surplus(1);
            Value::Interface(name?)
        }
        Shape::Words(_) => Value::Words,
        Shape::Block | Shape::Lines(_) | Shape::Object(_) | Shape::Skipped(_) => return None,
    })
}

/// What a line gives to the field of its row.
pub(super) enum Value<'l> {
    Flag,
    Switch(bool),
    Integer(i64),
    Seconds(Span),
    Choice(usize),
    Text(&'l Word<'l>),
    Interface(Named),
    Script(ScriptCommand),
    /// The line itself, read by a function of the row's own.
    Words,
}

/// The first argument, or a report that it is not there.
fn argument<'a>(head: &Head, line: &mut Line<'a>) -> Option<&'a Word<'a>> {
    let first = line.arg(0);
    if first.is_none() {
        absent(head, line);
    } else if let (Argument::Alone, Some(extra)) = (head.argument, line.arg(1)) {
        let message = format_args!("{} takes one argument, not '{}' as well", head.name, extra.text);
        let remedy = format!("write {} {}; the line is not used", head.name, head.shape.syntax());
        line.error(extra, message, &remedy);
        return None;
    }
    first
}

/// The argument is not there.
fn absent(head: &Head, line: &mut Line<'_>) {
    let syntax = head.shape.syntax();
    match head.argument {
        Argument::Required => line.missing(line.keyword, &syntax),
        Argument::Expected | Argument::Alone => {
            let message = format_args!("No {} specified", head.name);
            line.error(line.keyword, message, &format!("write {} {syntax}", head.name));
        }
    }
}

/// A switch word; none means on.
fn switch(head: &Head, line: &mut Line<'_>) -> Option<bool> {
    let first = line.arg(0);
    let on = value::switch(first.map(|arg| arg.text));
    if on.is_none() {
        let arg = first.unwrap_or(line.keyword);
        let message = format_args!("invalid {} {} specified", head.name, arg.text);
        line.error(arg, message, "write on, off, true, false, yes or no; the line is not used");
    }
    line.surplus(1);
    on
}

/// One of a few words, by index.
fn choice(head: &Head, words: &[&str], line: &mut Line<'_>, arg: &Word<'_>) -> Option<usize> {
    let index = words.iter().position(|word| *word == arg.text);
    if index.is_none() {
        let message = format_args!("unknown {} '{}'", head.name, arg.text);
        let near = nearest(arg.text, words.iter().copied());
        let near = near.map(|word| format!("; did you mean {word}?")).unwrap_or_default();
        line.error(arg, message, &format!("write {} {}{near}", head.name, words.join("|")));
    }
    line.surplus(1);
    index
}

/// A whole number.
fn whole(head: &Head, number: &Bounds, line: &mut Line<'_>, arg: &Word<'_>) -> Option<i64> {
    let (name, from, to) = (head.name, i64::from(number.from), i64::from(number.to));
    let used = match value::integer(arg.text, number.range(), number.lenient) {
        Ok(read) => {
            let used = number.raise.map_or(read.value, |least| read.value.max(least.into()));
            if used != read.value {
                let message =
                    format_args!("{name} must be greater than {}, setting to {used}", used.saturating_sub(1));
                line.warn(arg, message, "");
            }
            if read.trailing {
                let message = format_args!("{name}: number '{}' has text after it, {used} is used", arg.text);
                line.warn(arg, message, &format!("write {name} {}", head.shape.syntax()));
            }
            Some(used)
        }
        Err(bad) => {
            let nearer = || value::integer(arg.text, i64::MIN..=i64::MAX, number.lenient).ok();
            let clamped = if number.clamp { nearer().map(|read| read.value.clamp(from, to)) } else { None };
            let used = clamped.or(number.instead.map(i64::from));
            let then = used.map(|used| used.to_string());
            let then = match &then {
                None => Used::Nothing,
                Some(then) if clamped.is_some() => Used::Nearest(then),
                Some(then) => Used::Default(then),
            };
            line.bad_number(name, arg, bad, &format!("{from}, {to}"), then);
            used
        }
    };
    line.surplus(1);
    used
}

/// Decimal seconds.
fn decimal(head: &Head, number: &TimeBounds, line: &mut Line<'_>, arg: &Word<'_>) -> Option<Span> {
    let name = head.name;
    let used = match value::seconds(arg.text, number.from()..=number.to, number.resolution.into()) {
        Ok(read) => {
            let used = Seconds(read.value);
            if read.rounded {
                let message = format_args!("{name}: '{}' has too many digits, {used} is used", arg.text);
                line.warn(arg, message, "");
            } else if read.trailing {
                let message = format_args!("{name}: number '{}' has text after it, {used} is used", arg.text);
                line.warn(arg, message, "write seconds without a unit");
            }
            Some(read.value)
        }
        Err(bad) => {
            let range = format!("{}, {}", Seconds(number.from()), Seconds(number.to));
            let instead = number.or_zero.then_some(Span::ZERO);
            let then = instead.map(|used| Seconds(used).to_string());
            line.bad_number(name, arg, bad, &range, then.as_deref().map_or(Used::Nothing, Used::Default));
            instead
        }
    };
    line.surplus(1);
    used
}

/// Whether a flag is meant to be on: with a word that says off it is not, though keepalived never looks.
fn flag(head: &Head, line: &mut Line<'_>) -> bool {
    let word = line.arg(0).map(|word| (word, value::switch(Some(word.text))));
    if let Some((word, Some(false))) = word {
        let message = format_args!("{} {} means off here; keepalived takes it as on", head.name, word.text);
        line.note(word, message, "remove the line to mean off everywhere");
        return false;
    }
    line.surplus(usize::from(matches!(word, Some((_, Some(true))))));
    true
}

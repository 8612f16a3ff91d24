//! `~SEQ`, `~SEQx` and `~LST`: one line, many times.

use core::fmt::Write;

use super::lexer::is_blank_char;
use super::parameter::leading_name;

/// The rounds of a sequence, and the variables that they set.
#[derive(Debug)]
pub(super) struct Sequence {
    names: Vec<Box<str>>,
    rounds: Rounds,
}

#[derive(Debug)]
enum Rounds {
    /// From `next` to `end` in steps of `step`; none when over.
    Numbers { next: Option<i64>, step: i64, end: i64, hex: bool },
    /// One list of values a round, the next one first.
    Lists(std::vec::IntoIter<Vec<Box<str>>>),
}

/// Whether a line begins with a sequence, and what its head (up to the closing parenthesis) is.
///
/// # Errors
/// What is wrong with the head.
pub(super) fn head(line: &str) -> Option<Result<Head<'_>, &'static str>> {
    let tail = line.strip_prefix('~')?;
    let (kind, tail) = if let Some(tail) = tail.strip_prefix("SEQx") {
        (Kind::Hexadecimal, tail)
    } else if let Some(tail) = tail.strip_prefix("SEQ") {
        (Kind::Decimal, tail)
    } else {
        (Kind::List, tail.strip_prefix("LST")?)
    };
    let inner = tail.trim_start_matches(is_blank_char).strip_prefix('(')?;
    let Some((arguments, rest)) = inner.split_once(')') else {
        return Some(Err("the closing parenthesis is missing"));
    };
    Some(Ok(Head {
        kind,
        arguments,
        start: line.len().saturating_sub(inner.len()),
        rest: line.len().saturating_sub(rest.len()),
    }))
}

/// The head of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    pub(super) kind: Kind,
    /// What stands between the parentheses.
    pub(super) arguments: &'a str,
    /// Where the arguments begin.
    pub(super) start: usize,
    /// Where the repeated line begins.
    pub(super) rest: usize,
}

/// Which sequence it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `~SEQ`
    Decimal,
    /// `~SEQx`
    Hexadecimal,
    /// `~LST`
    List,
}

impl Sequence {
    /// The sequence that the arguments, parameters resolved, describe.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn new(kind: Kind, arguments: &str) -> Result<Self, String> {
        match kind {
            Kind::Decimal => Self::numbers(arguments, false),
            Kind::Hexadecimal => Self::numbers(arguments, true),
            Kind::List => Self::lists(arguments),
        }
    }

    fn numbers(arguments: &str, hex: bool) -> Result<Self, String> {
        let mut words = arguments.split(',').map(|word| word.trim_matches(is_blank_char));
        let name = variable(words.next().unwrap_or(""))?;
        let values: Vec<i64> = words.map(number).collect::<Result<_, _>>()?;
        let towards = |start: i64, end: i64| if end < start { -1 } else { 1 };
        let (start, step, end) = match *values {
            [end] if end < 0 => (-1, -1, end),
            [end] => (1, towards(1, end), end),
            [start, end] => (start, towards(start, end), end),
            [start, step, end] => (start, step, end),
            _ => return Err("it takes a variable and one to three numbers: end, start or step".into()),
        };
        if step == 0 {
            return Err("the step is 0".into());
        }
        if (step > 0) != (start <= end) && start != end {
            return Err(format!("a step of {step} never leads from {start} to {end}"));
        }
        if hex && (start < 0 || end < 0) {
            return Err("~SEQx is only valid for positive numbers".into());
        }
        Ok(Self { names: vec![name], rounds: Rounds::Numbers { next: Some(start), step, end, hex } })
    }

    fn lists(arguments: &str) -> Result<Self, String> {
        let mut members = members(arguments)?.into_iter();
        let names = members.next().unwrap_or_default();
        let names = names.iter().map(|name| variable(name)).collect::<Result<Vec<_>, _>>()?;
        let rounds: Vec<Vec<Box<str>>> = members.collect();
        if rounds.is_empty() {
            return Err("it has no values".into());
        }
        if rounds.iter().any(|values| values.len() > names.len()) {
            return Err("~LST specification has too many values".into());
        }
        Ok(Self { names, rounds: Rounds::Lists(rounds.into_iter()) })
    }

    /// Goes one round: tells `set` each variable and its value. False when there are no more rounds.
    pub(super) fn advance(&mut self, mut set: impl FnMut(&str, &str)) -> bool {
        match &mut self.rounds {
            Rounds::Numbers { next, step, end, hex } => {
                let Some(value) = *next else { return false };
                *next = value.checked_add(*step).filter(|&n| if *step > 0 { n <= *end } else { n >= *end });
                let mut text = String::new();
                // Writing to a String cannot fail.
                let _ = if *hex { write!(text, "{value:x}") } else { write!(text, "{value}") };
                if let Some(name) = self.names.first() {
                    set(name, &text);
                }
            }
            Rounds::Lists(rounds) => {
                let Some(values) = rounds.next() else { return false };
                for (index, name) in self.names.iter().enumerate() {
                    set(name, values.get(index).map_or("", |value| value));
                }
            }
        }
        true
    }
}

/// A legal name of a variable.
fn variable(name: &str) -> Result<Box<str>, String> {
    if leading_name(name) == Some(name) {
        Ok(name.into())
    } else {
        Err(format!("'{name}' is not a variable name"))
    }
}

/// A number: decimal, 0x hexadecimal or 0 octal, with a sign.
fn number(text: &str) -> Result<i64, String> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let value = if digits.starts_with(['+', '-']) {
        None
    } else if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        if hex.starts_with(['+', '-']) { None } else { i64::from_str_radix(hex, 16).ok() }
    } else if digits.len() > 1 && digits.starts_with('0') {
        i64::from_str_radix(digits, 8).ok()
    } else {
        digits.parse().ok()
    };
    let value = value.ok_or_else(|| format!("'{text}' is not a number"))?;
    Ok(if negative { value.saturating_neg() } else { value })
}

/// The members of a list: single words, or several in braces.
fn members(arguments: &str) -> Result<Vec<Vec<Box<str>>>, String> {
    let mut all = Vec::new();
    let mut rest = arguments.trim_matches(is_blank_char);
    loop {
        let (member, after) = if let Some(inner) = rest.strip_prefix('{') {
            let (inner, after) = inner.split_once('}').ok_or("a closing brace is missing")?;
            (inner.split(',').map(word).collect::<Result<_, _>>()?, after)
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (member, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
            (vec![word(member)?], after)
        };
        all.push(member);
        let after = after.trim_start_matches(is_blank_char);
        if after.is_empty() {
            return Ok(all);
        }
        rest = after.strip_prefix(',').ok_or("a comma is missing")?.trim_start_matches(is_blank_char);
    }
}

/// One value of a list.
fn word(text: &str) -> Result<Box<str>, String> {
    let text = text.trim_matches(is_blank_char);
    if text.contains(is_blank_char) || text.contains(['(', '{', '}', '"']) {
        return Err(format!("the value '{text}' contains a blank, a quote, a parenthesis or a brace"));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounds(line: &str) -> Result<Vec<String>, String> {
        let head = head(line).ok_or("no head")??;
        let mut sequence = Sequence::new(head.kind, head.arguments)?;
        let mut all = Vec::new();
        loop {
            let mut round = String::new();
            if !sequence.advance(|name, value| round.push_str(&format!("{name}={value} "))) || all.len() > 20
            {
                return Ok(all);
            }
            all.push(round.trim_end().to_owned());
        }
    }

    #[test]
    fn numbers_count() {
        assert_eq!(rounds("~SEQ(v,3)x").unwrap(), ["v=1", "v=2", "v=3"]);
        assert_eq!(rounds("~SEQ ( v , -2 ) x").unwrap(), ["v=-1", "v=-2"]);
        assert_eq!(rounds("~SEQ(v,0) x").unwrap(), ["v=1", "v=0"]);
        assert_eq!(rounds("~SEQ(v,5,3)").unwrap(), ["v=5", "v=4", "v=3"]);
        assert_eq!(rounds("~SEQ(v,1,3,8)").unwrap(), ["v=1", "v=4", "v=7"]);
        assert_eq!(rounds("~SEQ(v,0x10,010,0x20)").unwrap(), ["v=16", "v=24", "v=32"]);
        assert_eq!(rounds("~SEQx(v,9,11)").unwrap(), ["v=9", "v=a", "v=b"]);
        assert_eq!(rounds("~SEQ(v,9223372036854775806,9223372036854775807)").unwrap().len(), 2);
    }

    #[test]
    fn numbers_that_do_not_count() {
        for line in
            ["~SEQ(v,1,0,2)", "~SEQ(v,1,-1,2)", "~SEQ(v,2,1,1)", "~SEQx(v,-1)", "~SEQ(v)", "~SEQ(v,a)"]
        {
            assert!(rounds(line).is_err(), "{line}");
        }
        for line in ["~SEQ(1v,2)", "~SEQ(v,1", "~SEQ(v,1,1,1,1)", "~SEQ(v,--1)", "~SEQ(v,0x-1)", "~SEQ(v,)"] {
            assert!(rounds(line).is_err(), "{line}");
        }
        assert!(head("~foo").is_none());
    }

    #[test]
    fn lists() {
        assert_eq!(rounds("~LST(v,a, b ,c)").unwrap(), ["v=a", "v=b", "v=c"]);
        assert_eq!(rounds("~LST({v,w},{a,b},{c},d)").unwrap(), ["v=a w=b", "v=c w=", "v=d w="]);
        assert_eq!(rounds("~LST(v,)").unwrap(), ["v="]);
        for line in ["~LST(v)", "~LST(v,{a,b})", "~LST(v,a b)", "~LST(v,\"a\")", "~LST({v,a", "~LST({v}a)"] {
            assert!(rounds(line).is_err(), "{line}");
        }
    }
}

//! `vrrp_script`.

use super::show::{command, flag, plain, time, unless};
use crate::base::time::Span;
use crate::config::command::read_identity;
use crate::config::line::{Line, Used};
use crate::config::model::{At, Identity, Script, ScriptCommand};
use crate::config::row::Kind::{self, Custom, Flag, Integer, Script as Command};
use crate::config::row::{Integer as Whole, Row, Shown, fit};
use crate::config::value::{self, Bad, Seconds};
use crate::proto::track::ScriptParams;

/// A `vrrp_script` while it is read.
#[derive(Clone, Debug, Default)]
pub struct ScriptDraft {
    /// What is run, once it was given.
    pub command: Option<ScriptCommand>,
    /// `user`, which wins over an identity after the command.
    pub identity: Option<Identity>,
    /// How it is run and judged.
    pub params: ScriptParams,
}

impl ScriptDraft {
    /// The script, if it has a command.
    #[must_use]
    pub fn finish(self, name: &str, at: At) -> Option<Script> {
        let mut command = self.command?;
        if self.identity.is_some() {
            command.identity = self.identity;
        }
        Some(Script { name: name.to_owned(), at, command, params: self.params })
    }
}

const COUNT: i64 = i32::MAX as i64;
const SECOND: Span = Span::from_secs(1);

/// A row of this table: fixes the types, so that closures need none.
const fn row(
    name: &'static str,
    kind: Kind<ScriptDraft, Script>,
    default: &'static str,
    meaning: &'static str,
) -> Row<ScriptDraft, Script> {
    Row::new(name, kind, default, meaning)
}

/// Every keyword of `vrrp_script`.
#[rustfmt::skip]
pub static ROWS: &[Row<ScriptDraft, Script>] = &[
    row("script", Command(|d| &mut d.command), "required",
        "Command run periodically; exit code 0 is success").show(|s| command(Some(&s.command))),
    row("interval", Custom("<seconds 0.001..4294>", |d, l| period(l, &mut |span| d.params.interval = span)), "1",
        "From one start to the next").show(|s| time(s.params.interval, SECOND)),
    row("timeout", Custom("<seconds 0.001..4294>", |d, l| period(l, &mut |span| d.params.timeout = Some(span))), "interval",
        "Run time after which it is killed and counts as failed").show(|s| s.params.timeout.map_or(Shown::Nothing, |span| plain(Seconds(span)))),
    row("weight", Custom("<-253..253> [reverse]", weight), "0",
        "What the result does to a priority; 0: FAULT on failure").show(|s| super::track::show_weight(s.params.weight)),
    row("rise", Integer(Whole::new("", 1..=COUNT, |d: &mut ScriptDraft, n| d.params.rise = fit(n)).or(1)), "1",
        "Successes in a row before it counts as up").show(|s| unless(s.params.rise, &1)),
    row("fall", Integer(Whole::new("", 1..=COUNT, |d: &mut ScriptDraft, n| d.params.fall = fit(n)).or(1)), "1",
        "Failures in a row before it counts as down").show(|s| unless(s.params.fall, &1)),
    row("user", Custom("<user> [[:]<group>]", user), "script_user",
        "Who runs it").show(|s| super::show::whose(s.command.identity.as_ref())),
    row("init_fail", Flag(|d| d.params.init_fail = true), "off",
        "Counts as failed until the first result").fixed().show(|s| flag(s.params.init_fail)),
];

/// Seconds in steps of a millisecond; zero and text count as one second.
fn period(line: &mut Line<'_>, set: &mut dyn FnMut(Span)) {
    let name = line.keyword.text;
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<seconds 0.001..4294>");
    };
    match value::seconds(word.text, Span::ZERO..=Span::from_secs(4294), 1_000) {
        Ok(read) if read.value.is_zero() => {
            let message = format_args!("vrrp script {name} must be greater than 0, setting to 1");
            line.warn(word, message, "");
            set(SECOND);
        }
        Ok(read) => {
            if read.rounded || read.trailing {
                let message =
                    format_args!("vrrp script {name} '{}' is taken as {}", word.text, Seconds(read.value));
                line.warn(word, message, "write seconds with at most three decimals");
            }
            set(read.value);
        }
        Err(Bad::Text) => {
            line.bad_number(name, word, Bad::Text, "0.001, 4294", Used::Default("1"));
            set(SECOND);
        }
        Err(bad) => line.bad_number(name, word, bad, "0.001, 4294", Used::Nothing),
    }
}

fn weight(draft: &mut ScriptDraft, line: &mut Line<'_>) {
    let Some(word) = line.arg(0) else {
        return line.missing(line.keyword, "<-253..253> [reverse]");
    };
    if let Some(number) = super::track::weight_number(line, word) {
        draft.params.weight.value = number;
    }
    match line.arg(1) {
        None => draft.params.weight.reverse = false,
        Some(word) if word.text == "reverse" => draft.params.weight.reverse = true,
        Some(word) => {
            let message = format_args!("unknown weight option '{}'", word.text);
            line.warn(word, message, "only reverse can follow the number");
        }
    }
}

fn user(draft: &mut ScriptDraft, line: &mut Line<'_>) {
    let words: Vec<&str> = line.args.iter().map(|word| word.text).collect();
    if words.is_empty() {
        return line.missing(line.keyword, "<user> [[:]<group>]");
    }
    if let Some(identity) = read_identity(line, &words) {
        draft.identity = identity;
    }
}

//! `vrrp_track_process`.

use super::show::{flag, plain, time, unless};
use super::track::show_weight;
use super::track_file::read_weight;
use crate::base::time::Span;
use crate::config::line::{Line, Used};
use crate::config::model::At;
use crate::config::model::track::{ParameterMatch, TrackProcess};
use crate::config::row::Kind::{self, Custom, Flag, Seconds};
use crate::config::row::{Decimal, Row, Shown, fit};
use crate::config::value::{self, Quoted};
use crate::proto::track::Weight;

/// A `vrrp_track_process` while it is read.
#[derive(Clone, Debug)]
pub struct TrackProcessDraft {
    /// What is known so far.
    pub process: TrackProcess,
    /// `param_match`
    pub parameters: Option<ParameterMatch>,
}

impl TrackProcessDraft {
    /// One that counts at least one process, once its name is known.
    #[must_use]
    pub fn new(name: &str, at: At) -> Self {
        Self {
            process: TrackProcess {
                name: name.to_owned(),
                at,
                command: Vec::new(),
                parameters: None,
                full_command: false,
                weight: Weight::default(),
                quorum: 1,
                quorum_max: None,
                fork_delay: Span::ZERO,
                terminate_delay: Span::ZERO,
            },
            parameters: None,
        }
    }

    /// The monitor, if it names a process. Parameters are looked at if there are any, or if that was said.
    #[must_use]
    pub fn finish(mut self) -> Option<TrackProcess> {
        let process = &mut self.process;
        if process.command.is_empty() {
            return None;
        }
        if process.command.len() > 1 {
            process.full_command = true;
            process.parameters = Some(self.parameters.unwrap_or(ParameterMatch::Exact));
        } else {
            process.parameters = self.parameters;
        }
        Some(self.process)
    }
}

const fn row(
    name: &'static str,
    kind: Kind<TrackProcessDraft, TrackProcess>,
    default: &'static str,
    meaning: &'static str,
) -> Row<TrackProcessDraft, TrackProcess> {
    Row::new(name, kind, default, meaning)
}

/// A delay from a microsecond to an hour.
const fn delay(set: fn(&mut TrackProcessDraft, Span)) -> Kind<TrackProcessDraft, TrackProcess> {
    Seconds(Decimal::new(1, 3_600_000_000, set))
}

/// Every keyword of `vrrp_track_process`.
#[rustfmt::skip]
pub static ROWS: &[Row<TrackProcessDraft, TrackProcess>] = &[
    row("process", Custom("<name> [<parameter> ...]", process), "required",
        "Name of the program, and its parameters").show(|p| plain(
            p.command.iter().map(|word| Quoted(word).to_string()).collect::<Vec<_>>().join(" "))),
    row("param_match", Custom("[initial|partial]", param_match), "exact if there are parameters",
        "Which parameters count: all, only the first ones, or the beginning of the last one, too").show(|p| match p.parameters {
            None => Shown::Nothing,
            Some(ParameterMatch::Exact) if p.command.len() > 1 => Shown::Nothing,
            Some(ParameterMatch::Exact) => Shown::Flag,
            Some(ParameterMatch::Initial) => plain("initial"),
            Some(ParameterMatch::Partial) => plain("partial"),
        }),
    row("weight", Custom("<-254..254> [reverse]", weight), "0",
        "What the result does to a priority; 0: FAULT while down").show(|p| show_weight(p.weight)),
    row("quorum", Custom("<1..65535>", quorum), "1",
        "Fewest processes that are healthy").show(|p| if p.quorum_max == Some(0) { Shown::Nothing } else { unless(p.quorum, &1) }),
    row("quorum_max", Custom("<0..65535>", quorum_max), "any number",
        "Most processes that are healthy; 0: none may run").show(|p| super::show::maybe(p.quorum_max)),
    row("fork_delay", delay(|d, s| d.process.fork_delay = s), "0",
        "From enough processes to up").show(|p| time(p.fork_delay, Span::ZERO)),
    row("terminate_delay", delay(|d, s| d.process.terminate_delay = s), "0",
        "From too few or too many processes to down").show(|p| time(p.terminate_delay, Span::ZERO)),
    row("delay", delay(|d, s| { d.process.fork_delay = s; d.process.terminate_delay = s; }), "0",
        "Sets fork_delay and terminate_delay"),
    row("full_command", Flag(|d| d.process.full_command = true), "off; on with parameters",
        "Looks at the command line, not at the name of the process").show(|p| flag(p.full_command && p.command.len() == 1)),
];

fn process(draft: &mut TrackProcessDraft, line: &mut Line<'_>) {
    let Some(first) = line.arg(0) else {
        return line.missing(line.keyword, "<name> [<parameter> ...]");
    };
    if !draft.process.command.is_empty() {
        let message = format_args!("Process already set for track process - ignoring {}", first.text);
        let same =
            line.args.iter().map(|word| word.text).eq(draft.process.command.iter().map(String::as_str));
        return line.again(same, first, message, "the first one is used");
    }
    draft.process.command = line.args.iter().map(|word| word.text.to_owned()).collect();
}

fn param_match(draft: &mut TrackProcessDraft, line: &mut Line<'_>) {
    draft.parameters = Some(match line.arg(0) {
        None => ParameterMatch::Exact,
        Some(word) if word.text == "initial" => ParameterMatch::Initial,
        Some(word) if word.text == "partial" => ParameterMatch::Partial,
        Some(word) => {
            let message = format_args!("Invalid param_match type {} - ignoring", word.text);
            return line.error(word, message, "write initial, partial or nothing");
        }
    });
}

fn weight(draft: &mut TrackProcessDraft, line: &mut Line<'_>) {
    if let Some(weight) = read_weight(line, "track process", None) {
        if draft.process.weight.value != 0 {
            let message = format_args!("Weight already set for track process - ignoring {}", weight.value);
            let same = draft.process.weight == weight;
            return line.again(same, line.keyword, message, "the first one is used");
        }
        draft.process.weight = weight;
    }
}

/// A number of processes, or a report.
fn number(line: &mut Line<'_>, least: i64) -> Option<u16> {
    let name = line.keyword.text;
    let Some(word) = line.arg(0) else {
        line.missing(line.keyword, &format!("<{least}..65535>"));
        return None;
    };
    match value::integer(word.text, least..=65_535, true) {
        Ok(read) => {
            if read.trailing {
                let message =
                    format_args!("{name}: number '{}' has text after it, {} is used", word.text, read.value);
                line.warn(word, message, "write a number");
            }
            Some(fit(read.value))
        }
        Err(bad) => {
            line.bad_number(name, word, bad, &format!("{least}, 65535"), Used::Nothing);
            None
        }
    }
}

fn quorum(draft: &mut TrackProcessDraft, line: &mut Line<'_>) {
    let Some(number) = number(line, 1) else { return };
    if draft.process.quorum_max.is_some_and(|most| number > most) {
        return line.error(
            line.keyword,
            format_args!("quorum is greater than quorum_max - ignoring"),
            "write a quorum that is not above quorum_max",
        );
    }
    draft.process.quorum = number;
}

fn quorum_max(draft: &mut TrackProcessDraft, line: &mut Line<'_>) {
    let Some(number) = number(line, 0) else { return };
    if number == 0 {
        draft.process.quorum = 0;
    } else if draft.process.quorum == 0 {
        draft.process.quorum = 1;
    } else if number < draft.process.quorum {
        return line.error(
            line.keyword,
            format_args!("quorum_max is less than quorum - ignoring"),
            "write a quorum_max that is not below quorum",
        );
    }
    draft.process.quorum_max = Some(number);
}

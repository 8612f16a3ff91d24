//! What is changed by hand: asked of the child that does it, and kept for its successors once it is done.

use crate::daemon::events::{self, Kind};
use crate::daemon::ipc::{About, Question};
use crate::daemon::log;
use crate::daemon::manual::{Change, Changes, What};
use crate::daemon::parent::{Parent, Program};
use crate::daemon::reactor::Turn;
use crate::daemon::record::{GONE, Record, key};
use crate::wire::control::{Outcome, Request, UNDO, UNTIL_START, Verb};

impl<P: Program> Parent<'_, P> {
    /// What a daemon before this one was told, and not told to forget.
    pub(in crate::daemon::parent) fn inherit_changes(&mut self) {
        self.control.changes = Changes::inherit(self.settings.pid_files.parent.with_extension("manual"));
        match self.control.changes.all().len() {
            0 => {}
            count => log::info!("{count} changes that were made by hand before hold on"),
        }
    }

    /// A client wants something changed.
    pub(super) fn change_for(&mut self, turn: &mut Turn<'_>, index: usize, request: &Request<'_>) {
        let name = request.name.unwrap_or_default();
        let mut value = 0;
        let about = match request.row.verb {
            Verb::Failover => About::Change { what: What::Failover, on: !request.has(UNDO) },
            Verb::Enable => About::Change { what: What::Weight, on: false },
            Verb::Weight => match request.argument.unwrap_or_default().parse::<u32>() {
                Ok(weight) if weight <= MOST_WEIGHT => {
                    value = weight;
                    About::Change { what: What::Weight, on: true }
                }
                _ => {
                    let text = format!("a weight is a number from 0 to {MOST_WEIGHT}\n");
                    return self.tell(index, Outcome::Unknown, text);
                }
            },
            Verb::Maintenance => match name {
                "on" => About::Change { what: What::Maintenance, on: true },
                "off" => About::Change { what: What::Maintenance, on: false },
                _ => return self.tell(index, Outcome::Unknown, "maintenance is on or off\n".to_owned()),
            },
            // Weight 0.
            _ => About::Change { what: What::Weight, on: true },
        };
        if !self.control.changes.has_room() {
            let text = "too many changes by hand are in force; take some back first\n".to_owned();
            return self.tell(index, Outcome::Failed, text);
        }
        let object = if request.row.verb == Verb::Maintenance { None } else { Some(name) };
        let question = Question {
            about,
            name: object.map(key),
            service: request.value.map(key),
            value,
            passing: request.has(UNTIL_START),
            ..Question::default()
        };
        self.ask_with(turn, index, question, Some(name));
    }

    /// A child has done what it was asked: if that was a change, it is kept. `name`: what a client called the object.
    pub(super) fn changed(&mut self, question: &Question, name: Option<&str>) {
        let About::Change { what, on } = question.about else { return };
        let change = Change {
            what,
            key: question.name.unwrap_or(0),
            service: question.service.unwrap_or(0),
            value: question.value,
            passing: question.passing,
        };
        let changes = &mut self.control.changes;
        let kept = match on {
            false => changes.undo(change),
            #[cfg(feature = "snmp")]
            true if name.is_none() => changes.cover(change),
            true => changes.set(change),
        };
        if let Err(error) = kept {
            log::warn!("What is changed by hand cannot be kept for the next start: {error}");
        }
        // What was set over SNMP the child has told of.
        let Some(name) = name else { return };
        let (word, how) = (what.word(), if on { "begins" } else { "ends" });
        let text = match what {
            What::Weight if on => format!("weight {}", question.value),
            _ => format!("{word} {how}"),
        };
        log::info!("By hand: {name}: {text}");
        events::note(Kind::Manual, &name, format_args!("{text}"));
    }

    /// What a child has told of its objects: a failover among those that are no more is over.
    pub(in crate::daemon::parent) fn changes_over(&mut self, heard: &[Record]) {
        let gone = heard.iter().filter(|record| record.state() == GONE).map(|record| record.key());
        let gone: Vec<u64> = gone.collect();
        if !gone.is_empty() {
            self.control.changes.over(&gone);
        }
    }
}

/// The largest weight, as the kernel's are of 31 bits and keepalived's of 16.
const MOST_WEIGHT: u32 = 65_535;

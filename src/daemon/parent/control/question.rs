//! What the children are asked for a client, and the answer that is made of theirs.
//!
//! One question at a time: the next one begins when all have answered, or when their time is over. A child that does not
//! answer is named, and the rest of the answer is sent.

use core::fmt::Write;
use std::fs::File;
use std::os::fd::AsFd;

use super::client::{Client, State};
use super::outgoing::{Outgoing, Part};
use crate::base::time::{Instant, Span};
use crate::daemon::cli::VERSION;
use crate::daemon::ipc::{About, Answered, Question, ToChild};
use crate::daemon::kind::Kind;
use crate::daemon::manual::What;
use crate::daemon::moment::Epoch;
use crate::daemon::parent::{KINDS, Parent, Program};
use crate::daemon::reactor::Turn;
use crate::daemon::record;
use crate::daemon::token::Registration;
use crate::sys::{clock, memory, process};
use crate::wire::control::{self, Outcome, Request, SCHEMA, Verb};

/// A question under way.
#[derive(Debug)]
pub(super) struct Asking {
    asker: Asker,
    question: Question,
    children: [Asked; KINDS],
    /// How long it is waited for.
    pub(super) until: Instant,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
enum Asker {
    /// A client, by its place; the registration tells whether that one is still there.
    Client(usize, Registration),
    /// The subagent: for rows, or for a change that has this number there.
    #[cfg(feature = "snmp")]
    Subagent(Option<u32>),
}

/// A child and the question.
#[derive(Debug, Default)]
pub(super) enum Asked {
    /// There is no such child.
    #[default]
    Absent,
    /// It could not be asked, or has not answered in time.
    Silent,
    /// It writes.
    Writes(File),
    /// It has written.
    Has(File, Answered),
}

impl Asked {
    const fn is_silent(&self) -> bool {
        matches!(self, Self::Silent | Self::Writes(_) | Self::Has(_, Answered::Failed))
    }
}

/// How long children are waited for. One that is at work answers within milliseconds; one that applies a large
/// configuration does not.
const PATIENCE: Span = Span::from_secs(2);

/// Changes that may still be made after [`PATIENCE`]. A child that hangs for longer is replaced.
const MOST_LATE: usize = 4;

/// The children in the order of answers.
const ORDER: [Kind; KINDS - 1] = [Kind::Vrrp, Kind::Checkers, Kind::Bfd];

impl<P: Program> Parent<'_, P> {
    /// A client wants to know something of the children.
    pub(super) fn ask_for(&mut self, turn: &mut Turn<'_>, index: usize, request: &Request<'_>) {
        let about = match request.row.verb {
            Verb::Stats => About::Stats { clear: request.has(control::RESET) },
            Verb::Json => About::Json,
            Verb::Checkers => About::Checks,
            Verb::Why => About::Why,
            Verb::Garp => About::Garp,
            _ => About::Status,
        };
        let name = request.name.map(record::key);
        let question = Question { about, json: request.has(control::JSON), name, ..Question::default() };
        self.ask_with(turn, index, question, request.name);
    }

    /// The same with a question that is made already; `name`: of what it is about.
    pub(super) fn ask_with(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        question: Question,
        name: Option<&str>,
    ) {
        if let Some(client) = self.control.clients.get_mut(index).and_then(Option::as_mut) {
            client.state = State::Asks { question, name: name.map(str::to_owned) };
        }
        self.ask_next(turn);
    }

    /// Asks the children for the client that has waited for longest, unless they are being asked.
    pub(super) fn ask_next(&mut self, turn: &mut Turn<'_>) {
        if self.control.asking.is_some() {
            return;
        }
        let mut first: Option<(Instant, Asker, Question)> = None;
        let mut waits = |since: Instant, asker, question| {
            if first.is_none_or(|(other, ..)| since < other) {
                first = Some((since, asker, question));
            }
        };
        for (client, index) in self.control.clients.iter().zip(0..) {
            if let Some(client) = client
                && let Some(question) = client.question()
            {
                waits(client.since, Asker::Client(index, client.registration), question);
            }
        }
        #[cfg(feature = "snmp")]
        if let Some(since) = self.control.rows_wanted {
            waits(since, Asker::Subagent(None), Question { about: About::Rows, ..Question::default() });
        }
        #[cfg(feature = "snmp")]
        if let Some((since, question)) = self.control.change_wanted {
            waits(since, Asker::Subagent(Some(question.number)), question);
        }
        let Some((_, asker, question)) = first else { return };
        #[cfg(feature = "snmp")]
        match asker {
            Asker::Subagent(None) => self.control.rows_wanted = None,
            Asker::Subagent(Some(_)) => self.control.change_wanted = None,
            Asker::Client(..) => {}
        }
        self.control.number = self.control.number.wrapping_add(1);
        let question = Question { number: self.control.number, ..question };
        let children = core::array::from_fn(|index| self.ask_child(index, question));
        let until = turn.now() + PATIENCE;
        self.control.asking = Some(Asking { asker, question, children, until });
        self.finish_if_answered(turn);
    }

    fn ask_child(&self, index: usize, question: Question) -> Asked {
        let concerned = |kind| match question.about {
            About::Status | About::Metrics | About::Health | About::Ready => kind != Kind::Snmp,
            #[cfg(feature = "snmp")]
            About::Rows => matches!(kind, Kind::Vrrp | Kind::Checkers),
            About::Checks | About::Change { what: What::Weight, .. } => kind == Kind::Checkers,
            _ => kind == Kind::Vrrp,
        };
        let Some(child) = self.children.get(index).filter(|child| concerned(child.kind)) else {
            return Asked::Absent;
        };
        if child.supervisor.is_absent() {
            return Asked::Absent;
        }
        let Ok(file) = memory::create("keepalived") else { return Asked::Silent };
        if child.ready && child.send(ToChild::Ask(question), Some(file.as_fd())) {
            Asked::Writes(file)
        } else {
            Asked::Silent
        }
    }

    /// A child has answered.
    pub(in crate::daemon::parent) fn child_answered(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        number: u32,
        how: Answered,
    ) {
        let Some(asking) = self.control.asking.as_mut().filter(|asking| asking.question.number == number)
        else {
            return self.answered_late(number, how);
        };
        let Some(asked) = asking.children.get_mut(index) else { return };
        *asked = match core::mem::take(asked) {
            Asked::Writes(file) => Asked::Has(file, how),
            other => other,
        };
        self.finish_if_answered(turn);
    }

    /// A child answers what nobody waits for any more: a change that it has made is in force all the same.
    fn answered_late(&mut self, number: u32, how: Answered) {
        let late = &mut self.control.late;
        let Some(at) = late.iter().position(|(question, _)| question.number == number) else { return };
        let (question, name) = late.remove(at);
        if how == Answered::Whole {
            self.changed(&question, name.as_deref());
        }
    }

    /// A child has died: it will not answer.
    pub(in crate::daemon::parent) fn child_silent(&mut self, turn: &mut Turn<'_>, index: usize) {
        let Some(asking) = &mut self.control.asking else { return };
        let Some(asked) = asking.children.get_mut(index) else { return };
        if matches!(asked, Asked::Writes(_)) {
            *asked = Asked::Silent;
        }
        self.finish_if_answered(turn);
    }

    fn finish_if_answered(&mut self, turn: &mut Turn<'_>) {
        let asking = self.control.asking.as_ref();
        if asking.is_some_and(|asking| !asking.children.iter().any(|asked| matches!(asked, Asked::Writes(_))))
        {
            self.finish_question(turn);
        }
    }

    /// Answers the client with what there is, and goes on with the next one.
    pub(super) fn finish_question(&mut self, turn: &mut Turn<'_>) {
        let Some(asking) = self.control.asking.take() else { return };
        match asking.asker {
            Asker::Client(index, registration) => {
                let is_there = |client: &&Client| client.registration == registration;
                let client = self.control.clients.get(index).and_then(Option::as_ref);
                let name = client.filter(is_there).and_then(Client::name).map(str::to_owned);
                self.end_change(&asking, name);
                let client = self.control.clients.get(index).and_then(Option::as_ref);
                if let Some(client) = client.filter(is_there) {
                    let outgoing = match client.web.as_ref().and_then(|web| web.asked) {
                        Some(asked) => self.page(asked, asking),
                        None => asking.outgoing(&self.opening(), client.name()),
                    };
                    self.send(index, outgoing);
                    self.wake(turn, index);
                }
            }
            #[cfg(feature = "snmp")]
            Asker::Subagent(None) => self.lend_rows(asking.children),
            #[cfg(feature = "snmp")]
            Asker::Subagent(Some(number)) => {
                self.end_change(&asking, None);
                self.tell_changed(number, asking.is_done());
            }
        }
        self.ask_next(turn);
        self.arm_control(turn);
    }
}

impl<P: Program> Parent<'_, P> {
    /// The time for a question is over: if that was a change which was made, it is kept; else it may still be made.
    fn end_change(&mut self, asking: &Asking, name: Option<String>) {
        if asking.is_done() {
            self.changed(&asking.question, name.as_deref());
        } else if matches!(asking.question.about, About::Change { .. })
            && asking.children.iter().any(|asked| matches!(asked, Asked::Writes(_)))
        {
            // Whoever has not answered that many is replaced.
            if self.control.late.len() == MOST_LATE {
                self.control.late.remove(0);
            }
            self.control.late.push((asking.question, name));
        }
    }
}

impl Asking {
    /// Whether a child has done what it was asked.
    fn is_done(&self) -> bool {
        self.children.iter().any(|asked| matches!(asked, Asked::Has(_, Answered::Whole)))
    }

    /// For the monitoring port: what the children have written, which of them are silent, and whether one has refused.
    pub(super) fn into_parts(self) -> (Vec<Child>, bool) {
        let refused = self.children.iter().any(|asked| matches!(asked, Asked::Has(_, Answered::Refused)));
        (self.children(), refused)
    }

    /// What came of each child, in the order of answers.
    fn children(self) -> Vec<Child> {
        let Self { mut children, .. } = self;
        let mut parts = Vec::with_capacity(ORDER.len());
        for kind in ORDER {
            let position = Kind::ALL.iter().position(|other| *other == kind);
            let Some(asked) = position.and_then(|position| children.get_mut(position)) else { continue };
            let asked = core::mem::take(asked);
            let silent = asked.is_silent();
            let file = match asked {
                Asked::Has(file, Answered::Whole | Answered::Nothing | Answered::Refused) => {
                    Some(Part::file(file))
                }
                _ => None,
            };
            parts.push((kind, file, silent));
        }
        parts
    }

    fn outgoing(self, opening: &str, name: Option<&str>) -> Outgoing {
        let found = |asked: &Asked| matches!(asked, Asked::Has(_, Answered::Whole | Answered::Refused));
        let refused = |asked: &Asked| matches!(asked, Asked::Has(_, Answered::Refused));
        let any_silent = self.children.iter().any(Asked::is_silent);
        if let Some(name) = name
            && !any_silent
            && !self.children.iter().any(found)
        {
            let text = match self.question.about {
                About::Change { what: What::Maintenance, .. } => "no virtual router runs here\n".to_owned(),
                _ => format!("nothing here is called {name}\n"),
            };
            return Outgoing::new(Outcome::Failed, vec![Part::Text(text.into_bytes())]);
        }
        let outcome = match (any_silent, self.children.iter().any(refused)) {
            (true, _) => Outcome::Partial,
            (_, true) => Outcome::Failed,
            _ => Outcome::Ok,
        };
        let opening = match self.question.about {
            About::Status | About::Stats { .. } | About::Checks => opening,
            _ => "",
        };
        let json_wanted = self.question.json;
        let children = self.children();
        let parts = if json_wanted { json(children) } else { text(opening, children) };
        Outgoing::new(outcome, parts)
    }
}

/// What came of a child: its answer, and whether it is silent.
pub(super) type Child = (Kind, Option<Part>, bool);

fn text(opening: &str, children: Vec<Child>) -> Vec<Part> {
    let mut parts = vec![Part::Text(opening.as_bytes().to_vec())];
    for (kind, file, silent) in children {
        parts.extend(file);
        if silent {
            parts.push(Part::Text(format!("\nThe {} process does not answer.\n", kind.title()).into_bytes()));
        }
    }
    parts
}

pub(super) fn json(children: Vec<Child>) -> Vec<Part> {
    let (time, own) = (Epoch(clock::wall()), process::own());
    let mut text =
        format!("{{\"schema\":{SCHEMA},\"time\":{time},\"version\":\"{VERSION}\",\"pid\":{own},\"silent\":[");
    let silent = children.iter().filter(|(.., silent)| *silent);
    for ((kind, ..), position) in silent.zip(0..) {
        // Writing to a String does not fail.
        let _ = write!(text, "{}\"{}\"", if position > 0 { "," } else { "" }, kind.word());
    }
    text.push(']');
    let mut parts = Vec::new();
    for (kind, file, _) in children {
        let _ = write!(text, ",\"{}\":", kind.word());
        match file.filter(|file| !file.is_empty()) {
            Some(file) => {
                parts.push(Part::Text(core::mem::take(&mut text).into_bytes()));
                parts.push(file);
            }
            None => text.push_str("null"),
        }
    }
    text.push_str("}\n");
    parts.push(Part::Text(text.into_bytes()));
    parts
}

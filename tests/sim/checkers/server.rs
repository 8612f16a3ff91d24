//! Servers as the checks find them, and one check with what it waits for.

use std::collections::BTreeMap;

use keepalived::base::addr::IpAddr;
use keepalived::base::time::{Instant, Span};
use keepalived::proto::check::{
    Action, Actions, Cause, Check, Ending, Fault, Input, Kind, Memory, Start, Verdict, Weight, tcp,
};

use super::draw;
use crate::random::Random;

/// How a server is, for one definition of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It answers; a program says this weight, 0 being none.
    Answers(u8),
    /// It refuses.
    Refuses,
    /// It says nothing.
    Silent,
    /// The check cannot run, whatever the server is like.
    NotRun,
}

/// All servers.
#[derive(Debug, Default)]
pub(super) struct Servers(BTreeMap<(IpAddr, u64), Health>);

impl Servers {
    /// How one is.
    pub(super) fn of(&self, addr: IpAddr, definition: u64) -> Health {
        self.0.get(&(addr, definition)).copied().unwrap_or(Health::Answers(0))
    }

    /// Something happens to a server, or to the way to it.
    pub(super) fn turn(&mut self, random: &mut Random) {
        let addr = draw::addr(random.octet(1, 6));
        let health = random.pick(&[
            Health::Answers(0),
            Health::Answers(0),
            Health::Answers(5),
            Health::Refuses,
            Health::Refuses,
            Health::Silent,
            Health::NotRun,
        ]);
        for definition in 1..=10 {
            if random.percent(70) {
                self.0.insert((addr, definition), health);
            }
        }
    }
}

/// One check.
#[derive(Debug)]
pub(super) struct Checker {
    machine: Check,
    addr: IpAddr,
    definition: u64,
    /// What its transport or program says next.
    answer: Option<(Instant, Answer)>,
    /// Attempts that failed since one passed, and whether that takes retries.
    failed: u32,
    retries: bool,
    seen: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Connected,
    Refused,
    NotRun(Cause),
    Ended(Ending),
}

/// What a check says of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Saying {
    Verdict(bool),
    Weight(Weight),
}

/// What of a check outlives its process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Past {
    pub(super) memory: Memory,
    failed: u32,
    retries: bool,
}

impl Checker {
    /// A check that begins like this.
    pub(super) fn new(now: Instant, addr: IpAddr, definition: u64, start: Start, seed: u64) -> Self {
        let kind = if draw::is_dynamic(definition) {
            Kind::Misc { dynamic: true }
        } else {
            Kind::Tcp(tcp::Params::default())
        };
        let machine = Check::new(now, draw::cadence(definition), kind, start, seed);
        let retries = !matches!(start, Start::Fresh);
        Self { machine, addr, definition, answer: None, failed: 0, retries, seen: None }
    }

    /// A check that goes on.
    pub(super) fn known(now: Instant, addr: IpAddr, definition: u64, past: Past, seed: u64) -> Self {
        let mut checker = Self::new(now, addr, definition, Start::Known(past.memory), seed);
        (checker.failed, checker.retries) = (past.failed, past.retries);
        checker
    }

    /// What a successor goes on with.
    pub(super) fn past(&self) -> Past {
        Past { memory: self.machine.memory(), failed: self.failed, retries: self.retries }
    }

    /// Whether it counts as passed.
    pub(super) fn is_up(&self) -> bool {
        self.machine.is_up()
    }

    /// What it makes of the weight.
    pub(super) fn weight(&self) -> Weight {
        self.machine.weight()
    }

    /// When it wants to be called.
    pub(super) fn due(&self) -> Option<Instant> {
        let answer = self.answer.map(|(at, _)| at);
        [answer, self.machine.poll_at()].into_iter().flatten().min()
    }

    /// Calls it if it is due; what it says.
    pub(super) fn call(&mut self, now: Instant, servers: &Servers, random: &mut Random) -> Vec<Saying> {
        let mut said = Vec::new();
        if let Some((_, answer)) = self.answer.take_if(|(at, _)| *at <= now) {
            let input = match answer {
                Answer::Connected => Input::Connected,
                Answer::Refused => Input::Failed(Fault::Refused),
                Answer::NotRun(cause) => Input::NotRun(cause),
                Answer::Ended(ending) => Input::Ended(ending),
            };
            self.tell(now, input, servers, random, &mut said);
        }
        if self.machine.poll_at().is_some_and(|at| at <= now) {
            self.tell(now, Input::Timer, servers, random, &mut said);
        }
        said
    }

    fn tell(
        &mut self,
        now: Instant,
        input: Input<'_>,
        servers: &Servers,
        random: &mut Random,
        said: &mut Vec<Saying>,
    ) {
        let mut actions = Actions::new();
        self.machine.handle(now, input, &mut actions);
        if let Some(last) = self.machine.last().filter(|last| self.seen != Some(last.at)) {
            self.seen = Some(last.at);
            self.failed = if last.result.is_ok() { 0 } else { self.failed + 1 };
            self.retries |= last.result.is_ok();
        }
        let soon = now + random.span(Span::from_millis(700));
        let health = servers.of(self.addr, self.definition);
        for action in actions {
            match action {
                Action::Open(_) => {
                    self.answer = match health {
                        Health::Answers(_) => Some((soon, Answer::Connected)),
                        Health::Refuses => Some((soon, Answer::Refused)),
                        Health::Silent => None,
                        Health::NotRun => Some((now, Answer::NotRun(Cause::Bind))),
                    }
                }
                Action::Run => {
                    let exit = |code| Some((soon, Answer::Ended(Ending::Exited(code))));
                    self.answer = match health {
                        Health::Answers(0) => exit(0),
                        Health::Answers(weight) => exit(weight + 2),
                        Health::Refuses => exit(1),
                        Health::Silent => None,
                        Health::NotRun => Some((now, Answer::NotRun(Cause::Program))),
                    }
                }
                Action::Terminate | Action::Kill => {
                    self.answer = Some((soon, Answer::Ended(Ending::Signalled(15))));
                }
                Action::Close(_) => self.answer = None,
                Action::Verdict(verdict) => {
                    let up = verdict == Verdict::Up;
                    let needed = if self.retries { draw::cadence(self.definition).retry + 1 } else { 1 };
                    assert!(up || self.failed >= needed, "down after {} failures of {needed}", self.failed);
                    said.push(Saying::Verdict(up));
                }
                Action::Weight(weight) => said.push(Saying::Weight(weight)),
                Action::Send | Action::Log(_) => {}
            }
        }
    }
}

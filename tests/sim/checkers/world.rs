//! What a schedule does: time goes on, checks run, servers come and go, and every now and then something happens to the
//! daemon or to the table.

use keepalived::base::id::{CheckId, ServiceId};
use keepalived::base::time::{Instant, Span};
use keepalived::proto::check::Start;
use keepalived::proto::lvs::{
    CheckStart, DestKey, Director, Fact, Look, Operation, Pending, ServiceKey, Stop,
};

use super::conf::Conf;
use super::draw;
use super::kernel::Kernel;
use super::referee::Referee;
use super::server::{Checker, Past, Saying, Servers};
use crate::random::Random;

/// Whether other people change the table, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hands {
    Off,
    On,
}

/// Things that happen in one schedule.
const EVENTS: u32 = 40;

/// One schedule.
pub(super) struct World {
    random: Random,
    hands: Hands,
    traced: bool,
    now: Instant,
    conf: Conf,
    director: Director,
    checkers: Vec<Checker>,
    servers: Servers,
    kernel: Kernel,
    referee: Referee,
    /// What outlives the process: of checks, of services, and the state file.
    words: Vec<u64>,
    service_words: Vec<u64>,
    /// These say that the kernel has carried out everything.
    settled: bool,
    state_file: Vec<(ServiceKey, Option<DestKey>)>,
    counts: [u64; 4],
}

impl World {
    /// A daemon that has started over an empty table.
    pub(super) fn new(mut random: Random, hands: Hands, traced: bool) -> Self {
        let conf = draw::conf(&mut random);
        let director = conf.director();
        let mut world = Self {
            random,
            hands,
            traced,
            now: Instant::START + Span::from_secs(100),
            conf,
            director,
            checkers: Vec::new(),
            servers: Servers::default(),
            kernel: Kernel::default(),
            referee: Referee::new(hands),
            words: Vec::new(),
            service_words: Vec::new(),
            settled: false,
            state_file: Vec::new(),
            counts: [0; 4],
        };
        world.start();
        world
    }

    /// Verdicts, reloads, ends of processes, operations.
    pub(super) const fn counts(&self) -> [u64; 4] {
        self.counts
    }

    /// Plays it.
    pub(super) fn play(&mut self) {
        for _ in 0..EVENTS {
            let until = self.now + self.random.span(Span::from_millis(2_000)) + self.pause();
            while let Some(due) =
                self.checkers.iter().filter_map(Checker::due).min().filter(|due| *due <= until)
            {
                self.now = self.now.max(due);
                self.call_checkers();
            }
            self.now = until;
            self.happens();
        }
        self.carry_out();
        self.stop();
    }

    /// Other people's hands are slower than the allowance grows.
    fn pause(&self) -> Span {
        if self.hands == Hands::On { Span::from_millis(4_100) } else { Span::ZERO }
    }

    /// Prints what happens.
    fn trace(&self, text: impl FnOnce() -> String) {
        if self.traced {
            eprintln!("{} {}", self.now, text());
        }
    }

    fn happens(&mut self) {
        match self.random.below(20) {
            0..=7 => self.servers.turn(&mut self.random),
            8..=11 => self.reload(),
            12 | 13 => self.dies(),
            14 => self.killed(),
            15 => self.restart(),
            16 => self.look(Look::Running),
            _ if self.hands == Hands::On => self.hand(),
            _ => self.servers.turn(&mut self.random),
        }
    }

    /// Calls the checks that are due, in the order of the file.
    fn call_checkers(&mut self) {
        for number in 0..self.checkers.len() {
            let said = self.checkers[number].call(self.now, &self.servers, &mut self.random);
            let id = CheckId::at(number);
            for saying in said {
                self.counts[0] += 1;
                let Self { director, referee, .. } = self;
                let mut tell = |fact| referee.told(fact);
                match saying {
                    Saying::Verdict(up) => director.verdict(id, up, &mut tell),
                    Saying::Weight(weight) => director.weigh(id, weight, &mut tell),
                }
                self.trace(|| format!("check {number} says {saying:?}"));
                self.referee.said(&self.conf, number, saying);
                self.note(false);
            }
        }
        // Now and then the kernel is slow.
        if self.random.percent(85) {
            self.carry_out();
        } else {
            let steps = self.random.below(4);
            for _ in 0..steps {
                self.step();
            }
        }
    }

    /// Notes what a successor is to know.
    fn note(&mut self, settled: bool) {
        self.settled = settled;
        let checks = (0..self.checkers.len()).map(CheckId::at);
        self.words = checks.map(|id| self.director.check_word(id, settled)).collect();
        let services = (0..self.conf.0.len()).map(ServiceId::at);
        self.service_words = services.map(|id| self.director.service_word(id, settled)).collect();
    }

    fn write_state_file(&mut self) {
        self.state_file.clear();
        self.director.owned(&mut |key, dest| self.state_file.push((*key, dest.copied())));
    }

    /// Carries out all that is asked for, and looks whether the table is as it should be.
    fn carry_out(&mut self) {
        while self.step() {}
        assert!(self.director.is_settled());
        self.note(true);
        self.write_state_file();
        self.referee.judge(&self.conf, &self.director, &self.kernel);
    }

    /// Carries out one message; false if there was none.
    fn step(&mut self) -> bool {
        let batch = usize::try_from(self.random.between(1, 8)).unwrap();
        let pulled: Vec<Pending> = core::iter::from_fn(|| self.director.pull()).take(batch).collect();
        let mut refused = Vec::new();
        for pending in &pulled {
            self.counts[3] += 1;
            let outcome = self.kernel.carry_out(&pending.operation);
            self.trace(|| format!("{:?} {outcome:?}", pending.operation));
            self.referee.done(&self.conf, &self.kernel, &pending.operation, outcome.is_ok());
            refused.extend(outcome.err().map(|refusal| (*pending, refusal)));
        }
        for (pending, refusal) in refused {
            let referee = &mut self.referee;
            self.director.refused(self.now, &pending, refusal, &mut |fact| referee.told(fact));
        }
        !pulled.is_empty() || !self.director.is_settled()
    }

    fn look(&mut self, look: Look) {
        let referee = &mut self.referee;
        self.kernel.show(self.now, &mut self.director, look, &mut |fact| referee.told(fact));
        self.referee.looked();
        self.carry_out();
    }

    /// A daemon starts: nothing is known but the state file.
    fn start(&mut self) {
        self.trace(|| format!("start with {:?}", self.conf));
        self.director = self.conf.director();
        for (key, dest) in self.state_file.drain(..) {
            self.director.recorded(key, dest);
        }
        self.referee.starts(&self.conf);
        for id in 0..self.conf.0.len() {
            let referee = &mut self.referee;
            self.director.start(ServiceId::at(id), &mut |fact| referee.told(fact));
        }
        let old = Vec::new();
        self.make_checkers(old);
        self.note(false);
        self.look(Look::Start);
    }

    /// The checks of a configuration; `old`: the state of those that go on, by their new number.
    fn make_checkers(&mut self, old: Vec<Option<Past>>) {
        let mut old = old.into_iter();
        self.checkers.clear();
        let mut id = 0..;
        for real in self.conf.0.iter().flat_map(|service| &service.reals) {
            for check in &real.checks {
                let id = CheckId(id.next().unwrap());
                let past = old.next().flatten();
                let seed = self.random.below(u64::MAX);
                let (addr, definition) = (real.spec.addr, check.definition);
                let start = match (self.director.check_start(id), past) {
                    (CheckStart::Known, Some(past)) => {
                        self.checkers.push(Checker::known(self.now, addr, definition, past, seed));
                        continue;
                    }
                    (CheckStart::Known, None) => panic!("a check goes on that was not there"),
                    (CheckStart::Fresh, _) => Start::Fresh,
                    (CheckStart::Trusted, _) => Start::Trusted,
                    (CheckStart::Failed, _) => Start::Failed,
                };
                self.checkers.push(Checker::new(self.now, addr, definition, start, seed));
            }
        }
        self.referee.checkers(self.checkers.iter().map(|checker| (checker.is_up(), checker.weight())));
    }

    /// A new configuration, or the same once more.
    fn reload(&mut self) {
        self.counts[1] += 1;
        let settled = self.director.is_settled();
        let conf = draw::edited(&self.conf, &mut self.random);
        self.trace(|| format!("reload, settled: {settled}, to {conf:?}"));
        let mut next = conf.director();
        let mut pairs = Vec::new();
        let mut same = |old: CheckId, new: CheckId| {
            let same = self.conf.same(old, &conf, new);
            if same {
                pairs.push((old, new));
            }
            same
        };
        let mut facts = Vec::new();
        next.follow(&mut self.director, &mut same, &mut || {}, &mut |fact| facts.push(fact));
        self.referee.reloads(&self.conf, &conf, &self.kernel, settled);
        for fact in facts {
            self.referee.told(fact);
        }
        let mut old = vec![None; conf.checks().count()];
        for (before, now) in pairs {
            old[now.index()] = Some(self.checkers[before.index()].past());
        }
        (self.director, self.conf) = (next, conf);
        self.make_checkers(old);
        self.referee.reloaded(&self.conf, &self.director);
        self.note(false);
        self.write_state_file();
        if self.random.percent(30) {
            self.look(Look::Running);
        } else if self.random.percent(80) {
            self.carry_out();
        }
        self.referee.reload_ends();
    }

    /// The process of the checkers dies, maybe with operations left, and another one goes on.
    fn dies(&mut self) {
        self.counts[2] += 1;
        self.trace(|| format!("the process dies, settled: {}", self.settled));
        self.referee.dies(self.settled);
        let past: Vec<_> = self.checkers.iter().map(|checker| Some(checker.past())).collect();
        let director = self.conf.director();
        self.director = director;
        for (word, id) in self.words.iter().zip(0..) {
            self.director.resume_check(CheckId(id), *word);
        }
        for (word, id) in self.service_words.iter().zip(0..) {
            let referee = &mut self.referee;
            self.director.resume_service(ServiceId(id), *word, &mut |fact| referee.told(fact));
        }
        for (key, dest) in self.state_file.drain(..) {
            self.director.recorded(key, dest);
        }
        self.make_checkers(past);
        self.referee.reloaded(&self.conf, &self.director);
        self.look(Look::Resume);
    }

    /// All processes are killed, and the daemon is started with another configuration.
    fn killed(&mut self) {
        self.counts[2] += 1;
        self.conf = draw::edited(&self.conf, &mut self.random);
        self.start();
    }

    /// The daemon is stopped and started.
    fn restart(&mut self) {
        self.counts[2] += 1;
        self.stop();
        self.conf = draw::edited(&self.conf, &mut self.random);
        self.start();
    }

    fn stop(&mut self) {
        let how = self.random.pick(&[Stop::Remove, Stop::Keep]);
        let mut facts: Vec<Fact> = Vec::new();
        for id in 0..self.conf.0.len() {
            self.director.stop(ServiceId::at(id), how, &mut |fact| facts.push(fact));
        }
        while self.step() {}
        self.referee.stopped(&self.conf, how, &facts, &self.kernel);
        if how != Stop::Keep {
            self.state_file.clear();
        }
    }

    /// Somebody else changes the table.
    fn hand(&mut self) {
        self.carry_out();
        let keys: Vec<ServiceKey> = self.kernel.services.keys().copied().collect();
        let Some(key) = (!keys.is_empty()).then(|| self.random.pick(&keys)) else { return };
        let foreign = DestKey { addr: draw::addr(self.random.octet(1, 9)), port: 80 };
        let (value, dests) = self.kernel.services.get_mut(&key).unwrap();
        let known: Vec<DestKey> = dests.keys().copied().collect();
        let dest = (!known.is_empty()).then(|| self.random.pick(&known));
        match (self.random.below(7), dest) {
            (0, _) => drop(self.kernel.services.remove(&key)),
            (1, _) => self.kernel.services.clear(),
            (2, Some(dest)) => drop(dests.remove(&dest)),
            (3, Some(dest)) => dests.get_mut(&dest).unwrap().weight = 77,
            (4, _) => {
                let value = super::conf::Real::new(foreign.addr, 80).spec.value(33);
                dests.entry(foreign).or_insert(value);
            }
            (5, _) => value.one_packet ^= true,
            _ => {
                let value = *value;
                self.kernel
                    .services
                    .entry(ServiceKey::Mark(keepalived::base::addr::Family::V4, 99))
                    .or_insert((value, [].into()));
            }
        }
        self.trace(|| format!("by hand: {:?}", self.kernel));
        self.referee.hand(&self.conf, &self.kernel);
        if self.random.percent(50) {
            self.look(Look::Running);
        }
    }
}

/// The key and the destination that an operation is about.
pub(super) fn place(operation: &Operation) -> Option<(ServiceKey, Option<DestKey>)> {
    match operation {
        Operation::Flush => None,
        Operation::NewService(key, _) | Operation::SetService(key, _) | Operation::DelService(key) => {
            Some((*key, None))
        }
        Operation::NewDest(key, dest, _)
        | Operation::SetDest(key, dest, _)
        | Operation::DelDest(key, dest) => Some((*key, Some(*dest))),
    }
}

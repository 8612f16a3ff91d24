//! Two BFD sessions on a virtual clock, on a path that loses, delays and reorders packets, with restarts, changes of
//! intervals and administrative downs: RFC 5880's rules after every step, and both up at the end.
//!
//! `SIM_SEED=n cargo test --test sim bfd` plays one schedule again.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use keepalived::base::bytes::Writer;
use keepalived::base::time::{Instant, Span};
use keepalived::proto::bfd::session::{Action, Actions, Adopted, Event, Input};
use keepalived::proto::bfd::{Params, Session};
use keepalived::wire::bfd::{Control, Diagnostic, LEN, State};

use crate::random::Random;

const SCHEDULES: u64 = 10_000;
/// Disturbances come in this time; what follows is quiet.
const STORM: Span = Span::from_secs(12);

/// What is on its way.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Flying {
    arrives: Instant,
    to: usize,
    octets: [u8; LEN],
}

/// What the log of a schedule holds.
#[derive(Debug)]
#[allow(dead_code, reason = "printed when a schedule fails")]
enum Happened {
    Did(Action),
    Heard(Control),
}

/// One side, and what of its past the rules ask for.
struct Side {
    session: Session,
    /// When its last packet left that answers no poll, and how long its interval may have been since.
    sent: Option<Instant>,
    allowed: Span,
    /// When it took its last packet.
    heard: Option<Instant>,
    starts: u32,
}

struct World {
    seed: u64,
    now: Instant,
    random: Random,
    sides: [Side; 2],
    path: BinaryHeap<Reverse<Flying>>,
    /// Packets of a thousand that are lost.
    loss: u64,
    /// The path takes between these microseconds.
    delay: (u64, u64),
    /// Nothing may fall from here on: the path is quiet and both have been up since.
    quiet: bool,
    log: Vec<(Instant, usize, Happened)>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let mut side = |local| {
            let params = params(&mut random);
            let start = Session::new(params, local, u32::try_from(random.below(1 << 32)).unwrap());
            Side { session: start, sent: None, allowed: Span::ZERO, heard: None, starts: 1 }
        };
        let sides = [side(1), side(1_000_001)];
        let mut world = Self {
            seed,
            now: Instant::from_micros(5_000_000),
            random,
            sides,
            path: BinaryHeap::new(),
            loss: 0,
            delay: (50, 500),
            quiet: false,
            log: Vec::new(),
        };
        for index in 0..2 {
            world.handle(index, Input::Start(None));
        }
        world
    }

    #[track_caller]
    fn check(&self, holds: bool, what: &str) {
        if !holds {
            let from = self.log.len().saturating_sub(60);
            for (when, side, what) in &self.log[from..] {
                eprintln!("{when} side {side}: {what:?}");
            }
            panic!("seed {}: {what}", self.seed);
        }
    }

    fn handle(&mut self, index: usize, input: Input) {
        let mut out = Actions::new();
        self.sides[index].session.handle(self.now, input, &mut out);
        self.carry_out(index, input, &out);
    }

    fn carry_out(&mut self, index: usize, input: Input, out: &Actions) {
        for action in out {
            self.log.push((self.now, index, Happened::Did(*action)));
            match *action {
                Action::Transmit(control) => self.transmit(index, control),
                Action::Event(event) => self.judge(index, input, event),
            }
        }
        let allowed = self.sides[index].session.transmit_interval();
        let side = &mut self.sides[index];
        side.allowed = side.allowed.max(allowed);
        if side.session.params().passive && side.session.peer().discriminator == 0 {
            // It is silent until it hears its peer.
            side.sent = None;
        }
    }

    fn transmit(&mut self, index: usize, control: Control) {
        self.check(!(control.poll && control.last), "a packet polls and answers at once");
        self.check(
            control.state == State::Up || control.min_tx >= Span::from_secs(1),
            "a session that is not up is slow to send",
        );
        self.check(control.multiplier != 0 && control.my != 0, "no packet is malformed");
        if !control.last {
            if let Some(sent) = self.sides[index].sent {
                self.check(
                    self.now.since(sent) <= self.sides[index].allowed,
                    "a packet is later than its interval",
                );
            }
            self.sides[index].sent = Some(self.now);
            self.sides[index].allowed = Span::ZERO;
        }
        let lost = self.random.below(1_000) < self.loss;
        let arrives = self.now + Span::from_micros(self.random.between(self.delay.0, self.delay.1));
        if !lost {
            let mut octets = [0; LEN];
            control.emit(&mut Writer::new(&mut octets)).unwrap();
            self.path.push(Reverse(Flying { arrives, to: 1 - index, octets }));
        }
    }

    fn judge(&self, index: usize, input: Input, event: Event) {
        let side = &self.sides[index];
        match event {
            Event::Transition { from, to } => {
                self.check(from != to, "a transition to the same state");
                self.check(
                    (from, to) != (State::Down, State::Up)
                        || matches!(input, Input::Received { control, .. } if control.state == State::Init),
                    "up without the peer having heard us",
                );
                if to == State::Up {
                    self.check(
                        matches!(input, Input::Received { control, .. } if control.state >= State::Init),
                        "up without a packet",
                    );
                }
                self.check(!self.quiet || to >= from, "a session falls on a path that is in order");
            }
            Event::Expired { after, overdue } => {
                self.check(matches!(input, Input::Timeout), "expired by something else than time");
                self.check(overdue.is_zero(), "the clock is exact here");
                let silent = side.heard.map(|heard| self.now.since(heard));
                self.check(silent.is_none_or(|silent| silent == after), "expired while packets came");
            }
            Event::PollBegins | Event::PollEnds | Event::Detection { .. } => {}
        }
    }

    fn arrive(&mut self, flying: Flying) {
        let control = Control::parse(&flying.octets).unwrap();
        let local = self.sides[flying.to].session.discriminator();
        if control.your != 0 && control.your != local {
            return;
        }
        self.log.push((self.now, flying.to, Happened::Heard(control)));
        self.sides[flying.to].heard = Some(self.now);
        self.handle(flying.to, Input::Received { control, arrived: self.now });
    }

    /// Lets everything happen that is due until then.
    fn run(&mut self, until: Instant) {
        for _ in 0..1_000_000 {
            let timers = self.sides.each_ref().map(|side| side.session.poll_at());
            let next =
                timers.into_iter().chain([self.path.peek().map(|Reverse(one)| one.arrives)]).flatten().min();
            let Some(next) = next.filter(|next| *next <= until) else {
                self.now = until;
                return;
            };
            self.now = next.max(self.now);
            // What has come in is read before any timer acts.
            if self.path.peek().is_some_and(|Reverse(one)| one.arrives <= self.now) {
                let Some(Reverse(one)) = self.path.pop() else { return };
                self.arrive(one);
                continue;
            }
            for (index, timer) in timers.into_iter().enumerate() {
                if timer.is_some_and(|timer| timer <= self.now) {
                    self.handle(index, Input::Timeout);
                }
            }
        }
        self.check(false, "the clock stands still");
    }

    fn disturb(&mut self) {
        let index = self.random.index(2);
        match self.random.below(8) {
            0 => self.loss = [0, 0, 50, 300, 1_000][self.random.index(5)],
            1 => {
                let fast = self.random.between(20, 2_000);
                self.delay = (fast, fast + self.random.between(0, 20_000));
            }
            2 => self.restart(index, false),
            3 => self.restart(index, true),
            4 | 5 => {
                let passive = self.sides[index].session.params().passive;
                let wanted = Params { passive, ..params(&mut self.random) };
                let mut out = Actions::new();
                self.sides[index].session.reconfigure(self.now, wanted, &mut out);
                self.carry_out(index, Input::Timeout, &out);
            }
            6 => self.handle(index, Input::Disable),
            _ => self.handle(index, Input::Enable),
        }
    }

    /// The process of a side is replaced; its successor may know where it was.
    fn restart(&mut self, index: usize, adopts: bool) {
        let side = &mut self.sides[index];
        side.starts += 1;
        let known = *side.session.peer();
        let adopts = adopts && side.session.state() == State::Up;
        let local = if adopts { side.session.discriminator() } else { side.session.discriminator() + 1 };
        let params = side.session.params().clone();
        side.session = Session::new(params, local, side.starts);
        (side.sent, side.allowed, side.heard) = (None, Span::ZERO, None);
        self.handle(index, Input::Start(adopts.then_some(Adopted { peer: known })));
    }

    fn both(&self, state: State) -> bool {
        self.sides.iter().all(|side| side.session.state() == state)
    }
}

/// Intervals from a millisecond to two seconds.
fn params(random: &mut Random) -> Params {
    let mut interval = || Span::from_millis([5, 10, 50, 100, 300, 1_000, 2_000][random.index(7)]);
    let (min_rx, min_tx) = (interval(), interval());
    Params {
        min_rx,
        min_tx,
        idle_tx: Span::from_millis(random.between(1_000, 1_500)),
        multiplier: u8::try_from(random.between(3, 6)).unwrap(),
        passive: false,
        max_hops: 0,
    }
}

fn play(seed: u64) {
    let mut world = World::new(seed);
    if seed.is_multiple_of(5) {
        let mut passive = world.sides[0].session.params().clone();
        passive.passive = true;
        world.sides[0].session.reconfigure(world.now, passive, &mut Actions::new());
    }
    let end = world.now + STORM;
    while world.now < end {
        let pause = Span::from_micros(world.random.between(1_000, 2_000_000));
        world.run(world.now + pause);
        world.disturb();
    }
    // The path is in order from here on, and nobody is switched off.
    (world.loss, world.delay) = (0, (50, 500));
    for index in 0..2 {
        world.handle(index, Input::Enable);
    }
    // Both must find out that the other one was lost, twice the longest detection time, and shake hands slowly.
    world.run(world.now + Span::from_secs(30));
    world.check(world.both(State::Up), "not up on a path that is in order");
    world.check(world.sides.iter().all(|side| !side.session.polls()), "a poll that is not answered");
    world.quiet = true;
    world.run(world.now + Span::from_secs(3));
    for (index, side) in world.sides.iter().enumerate() {
        let other = &world.sides[1 - index].session;
        let own = &side.session;
        world.check(own.peer().discriminator == other.discriminator(), "the peer is another one");
        world.check(
            own.transmit_interval() == own.params().min_tx.max(other.params().min_rx),
            "another interval",
        );
        let expected = own.params().min_rx.max(other.params().min_tx) * u64::from(other.params().multiplier);
        world.check(own.detection_time() == expected, "another detection time");
        world.check(own.diagnostic() == Diagnostic::NONE, "a reason to be up");
    }
    // The path is cut: each side notices after its own detection time.
    (world.quiet, world.loss) = (false, 1_000);
    let longest = world.sides.iter().map(|side| side.session.detection_time()).max().unwrap_or_default();
    world.run(world.now + longest + Span::from_millis(1));
    world.check(world.both(State::Down), "a cut path was not noticed in the detection time");
}

#[test]
fn bfd_pairs_hold_the_rules_of_the_rfc() {
    if let Some(seed) = std::env::var("SIM_SEED").ok().and_then(|seed| seed.parse().ok()) {
        return play(seed);
    }
    let factor = std::env::var("SIM_FACTOR").ok().and_then(|factor| factor.parse().ok()).unwrap_or(1);
    for seed in 1..=SCHEDULES * factor {
        play(seed);
    }
}

//! A simulated network on a virtual clock: what happens next, and what it leads to.

use crate::disturbance::{Disturbance, Sabotage};
use crate::host::{Host, ONLY, TRACKER};
use crate::link::{Datagram, Flight, Link};
use crate::random::Random;
use crate::referee::{Reading, Referee, Violation};
use keepalived::base::addr::{Family, IpAddr};
use keepalived::base::time::{Instant, Span};
use keepalived::proto::vrrp::{
    Action, Actions, Around, Event, Input, Packet, Params, Process, State, Version,
};
use keepalived::wire::vrrp::Advert;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The network.
#[derive(Debug)]
pub(crate) struct World {
    /// The virtual clock.
    pub(crate) now: Instant,
    /// The machines.
    pub(crate) hosts: Vec<Host>,
    /// The link between them.
    pub(crate) link: Link,
    /// Who watches.
    pub(crate) referee: Referee,
    /// The longest time from a deadline to the process waking up.
    pub(crate) lateness: Span,
    /// The schedule leaves whoever is MASTER alone.
    pub(crate) spare_master: bool,
    /// The longest delay that a router begins with.
    pub(crate) hold: Span,
    /// Something wrong with router 0.
    pub(crate) sabotage: Option<Sabotage>,
    /// Every change of state.
    pub(crate) transitions: Vec<(Instant, usize, State)>,
    /// What happened, in words, if wanted.
    pub(crate) trace: Option<Vec<String>>,
    random: Random,
    in_flight: BinaryHeap<Reverse<Flight>>,
    sequence: u64,
}

impl World {
    /// A network of machines that are switched off.
    pub(crate) fn new(hosts: Vec<Host>, link: Link, lateness: Span, random: Random) -> Self {
        Self {
            now: Instant::START,
            referee: Referee::new(hosts.len(), link.slowest, lateness),
            hosts,
            link,
            lateness,
            spare_master: false,
            hold: Span::ZERO,
            sabotage: None,
            transitions: Vec::new(),
            trace: None,
            random,
            in_flight: BinaryHeap::new(),
            sequence: 0,
        }
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, until: Instant) -> Result<(), Violation> {
        loop {
            let arrival = self.in_flight.peek().map(|Reverse(flight)| flight.at);
            let wake = self.next_wake();
            let next = [arrival, wake.map(|(at, _)| at)].into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= until) else {
                self.now = until;
                return self.referee.check(self.now, &self.hosts, &self.link);
            };
            // A reload may make a timer due that was armed a while ago.
            self.now = self.now.max(next);
            // Receive queues first, then timers.
            if arrival == Some(next) {
                self.deliver()?;
            } else if let Some((_, who)) = wake {
                self.time_out(who)?;
            }
            self.referee.check(self.now, &self.hosts, &self.link)?;
        }
    }

    /// The schedule acts, if it makes sense now.
    pub(crate) fn disturb(&mut self, disturbance: Disturbance) -> Result<(), Violation> {
        match disturbance {
            Disturbance::Partition(side) => {
                self.link.side = side;
                self.note(|| format!("the link falls into sides {side:?}"));
                self.referee.trouble_link(self.now, &self.link);
            }
            Disturbance::Deaf(who, deaf) => {
                self.link.deaf[who] = deaf;
                self.note(|| format!("{who} deaf: {deaf}"));
                self.referee.trouble_link(self.now, &self.link);
            }
            Disturbance::Weather(loss, corrupt, duplicate) => {
                (self.link.loss, self.link.corrupt, self.link.duplicate) = (loss, corrupt, duplicate);
                self.note(|| format!("loss {loss} %, corruption {corrupt} %, duplicates {duplicate} %"));
                self.referee.trouble_link(self.now, &self.link);
            }
            Disturbance::Start { who, adopt } => self.start(who, adopt)?,
            Disturbance::EarlyWake(who) => self.wake_early(who)?,
            Disturbance::Crash(who)
            | Disturbance::Stop(who)
            | Disturbance::Pause(who)
            | Disturbance::Resume(who)
            | Disturbance::LinkDown(who)
            | Disturbance::LinkUp(who)
            | Disturbance::Weight(who, _)
            | Disturbance::Reload(who, ..)
            | Disturbance::AddressLost(who) => {
                if !(self.spare_master && self.hosts[who].state() == Some(State::Master)) {
                    self.disturb_host(who, disturbance)?;
                }
            }
        }
        self.referee.check(self.now, &self.hosts, &self.link)
    }

    /// Adds a line to the trace.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:>12}  {}", line()));
        }
    }

    fn disturb_host(&mut self, who: usize, disturbance: Disturbance) -> Result<(), Violation> {
        let (running, paused) = (self.hosts[who].process.is_some(), self.hosts[who].paused);
        self.note(|| format!("{who} {disturbance:?}"));
        self.referee.trouble(self.now, who);
        let host = &mut self.hosts[who];
        match disturbance {
            Disturbance::Crash(_) if running => host.kill(self.now),
            Disturbance::Stop(_) if running && !paused => {
                self.act(who, 0, |process| process.policy.input(ONLY, Input::Stop))?;
                self.hosts[who].kill(self.now);
            }
            Disturbance::Pause(_) if running => host.paused = true,
            Disturbance::Resume(_) if paused => self.resume(who)?,
            Disturbance::LinkDown(_) => {
                host.link_up = false;
                self.tell_faults(who)?;
            }
            Disturbance::LinkUp(_) => {
                host.link_up = true;
                self.tell_faults(who)?;
            }
            Disturbance::Weight(_, weights) => {
                host.weights = weights;
                self.tell_weights(who)?;
            }
            Disturbance::Reload(_, params, count) if !paused => self.reload(who, *params, count)?,
            Disturbance::AddressLost(_) if running && !paused => {
                self.act(who, 0, |process| process.policy.input(ONLY, Input::AddressLost))?;
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&mut self, who: usize, adopt: bool) -> Result<(), Violation> {
        let host = &self.hosts[who];
        if host.process.is_some() {
            return Ok(());
        }
        let adopt = host.record.filter(|(_, at)| adopt && self.is_fresh(&host.params, *at));
        let adopt = adopt.map(|(state, _)| state);
        self.note(|| format!("{who} starts, adopting {adopt:?}"));
        self.referee.trouble(self.now, who);
        self.referee.born(who);
        let host = &mut self.hosts[who];
        if adopt != Some(State::Master) {
            // What a predecessor left is taken off before the election begins.
            host.held = false;
        }
        let mut instance = host.instance();
        if !self.hold.is_zero() && self.random.percent(30) {
            let until = self.now + self.random.span(self.hold);
            instance.router.hold(until);
            self.referee.hold(until, who);
        }
        host.process = Some(Process::new(vec![instance], Vec::new()));
        self.tell_weights(who)?;
        self.tell_faults(who)?;
        self.act(who, 0, |process| process.policy.input(ONLY, Input::Start { adopt }))
    }

    /// Without preemption a record is of use only as long as nobody can have taken over: the last advert left at
    /// most one interval before the crash.
    fn is_fresh(&self, params: &Params, crashed: Instant) -> bool {
        let safe = params.advert_interval * u64::from(params.down_timer_adverts - 1);
        !self.spare_master || self.now < crashed + safe
    }

    /// The queue is drained before anything else, as after any stall.
    fn resume(&mut self, who: usize) -> Result<(), Violation> {
        self.hosts[who].paused = false;
        for datagram in std::mem::take(&mut self.hosts[who].inbox) {
            self.receive(who, datagram)?;
        }
        self.tell_faults(who)?;
        self.tell_weights(who)?;
        let due = self.hosts[who].wake.is_some_and(|(deadline, _)| deadline <= self.now);
        if due { self.time_out(who) } else { Ok(()) }
    }

    fn reload(&mut self, who: usize, params: Params, count: usize) -> Result<(), Violation> {
        let host = &mut self.hosts[who];
        let rules = |params: &Params| (params.preempt, params.preempt_delay);
        if rules(&params) != rules(&host.params) {
            self.referee.new_rules(who);
        }
        host.params = params.clone();
        let changed = host.addresses.len() != count;
        host.addresses = addresses(host.params.family, count);
        let announced = u16::try_from(count).unwrap_or(u16::MAX);
        let now = self.now;
        let mut out = Actions::new();
        let Some(process) = &mut self.hosts[who].process else {
            return Ok(());
        };
        if let Some(instance) = process.instance_mut(ONLY) {
            instance.router.reconfigure(now, params, announced, changed, &mut out);
        }
        process.policy.lead(ONLY, &out, 0);
        self.carry_out(who, 0, &out)
    }

    fn tell_faults(&mut self, who: usize) -> Result<(), Violation> {
        if self.hosts[who].paused {
            return Ok(());
        }
        let facts = self.hosts[who].facts();
        self.act(who, 0, |process| {
            process.set_facts(ONLY, facts);
            process.policy.refresh(ONLY);
        })
    }

    fn tell_weights(&mut self, who: usize) -> Result<(), Violation> {
        if self.hosts[who].paused {
            return Ok(());
        }
        let value = self.hosts[who].tracker();
        self.act(who, 0, |process| {
            if process.set_value(TRACKER, value) {
                process.policy.tracked_changed(TRACKER);
            }
        })
    }

    fn wake_early(&mut self, who: usize) -> Result<(), Violation> {
        let host = &self.hosts[who];
        let early = host.wake.is_none_or(|(deadline, _)| deadline > self.now);
        if host.paused || !early {
            return Ok(());
        }
        let before = (host.state(), host.wake);
        let mut out = Actions::new();
        let now = self.now;
        if let Some(process) = &mut self.hosts[who].process {
            process.policy.input(ONLY, Input::Timeout);
            while process.due().is_some() {
                process.step(now, &mut out);
            }
        }
        assert!(out.is_empty(), "a timeout when nothing is due does something");
        assert_eq!(before, (self.hosts[who].state(), self.hosts[who].wake));
        Ok(())
    }

    fn next_wake(&self) -> Option<(Instant, usize)> {
        let wakes = self.hosts.iter().enumerate().filter(|(_, host)| !host.paused);
        wakes.filter_map(|(who, host)| host.wake.map(|(_, at)| (at, who))).min()
    }

    fn time_out(&mut self, who: usize) -> Result<(), Violation> {
        self.act(who, 0, |process| process.policy.input(ONLY, Input::Timeout))?;
        let host = &self.hosts[who];
        if host.wake.is_some_and(|(deadline, _)| deadline <= self.now) {
            return Err(format!("router {who} is due again at once"));
        }
        Ok(())
    }

    fn deliver(&mut self) -> Result<(), Violation> {
        let Some(Reverse(Flight { to, datagram, .. })) = self.in_flight.pop() else {
            return Ok(());
        };
        let host = &mut self.hosts[to];
        if host.process.is_none() || !host.link_up {
            return Ok(());
        }
        if host.paused {
            host.inbox.push(datagram);
            return Ok(());
        }
        self.receive(to, datagram)
    }

    fn receive(&mut self, who: usize, datagram: Datagram) -> Result<(), Violation> {
        let host = &mut self.hosts[who];
        let (Some(process), Ok(advert)) = (&mut host.process, Advert::parse(&datagram.octets)) else {
            return Ok(());
        };
        if advert.vrid != host.params.vrid {
            return Ok(());
        }
        let reading = Reading {
            from: datagram.source,
            priority: advert.priority,
            interval: match host.params.version {
                Version::V2 => host.params.advert_interval,
                Version::V3 => Span::from_centis(u64::from(advert.centis())),
            },
        };
        let counted =
            |process: &Process| process.instance(ONLY).map_or(0, |it| it.router.counters().received);
        let (before, accepted) = (process.state(ONLY), counted(process));
        let packet = Packet {
            arrived: self.now,
            source: datagram.source,
            destination: Some(datagram.destination),
            hop_limit: Some(datagram.hop_limit),
            octets: &datagram.octets,
            around: Around::default(),
        };
        let mut out = Actions::new();
        let surroundings = Host::surroundings(host.addr, &host.addresses, &host.peers);
        process.receive(self.now, ONLY, &surroundings, &packet, &mut out);
        if counted(process) != accepted {
            if datagram.tampered {
                return Err(format!("router {who} accepted an advert that changed on its way"));
            }
            self.referee.heard(self.now, who, &self.hosts[who], before, reading);
            self.note(|| format!("{who} hears {} from {}", reading.priority, reading.from));
        } else {
            self.note(|| format!("{who} refuses an advert of {}", reading.from));
        }
        self.carry_out(who, datagram.depth + 1, &out)
    }

    /// One input to a process, and what it leads to.
    fn act(&mut self, who: usize, depth: u32, input: impl FnOnce(&mut Process)) -> Result<(), Violation> {
        let Some(process) = &mut self.hosts[who].process else {
            return Ok(());
        };
        input(process);
        loop {
            let mut out = Actions::new();
            let now = self.now;
            let Some(process) = &mut self.hosts[who].process else {
                return Ok(());
            };
            if process.due().is_none() {
                return Ok(());
            }
            process.step(now, &mut out);
            self.carry_out(who, depth, &out)?;
        }
    }

    fn carry_out(&mut self, who: usize, depth: u32, actions: &Actions) -> Result<(), Violation> {
        for action in actions {
            self.note(|| format!("{who} {action:?}"));
            match action {
                Action::SendAdvert { priority } => self.send(who, *priority, depth)?,
                Action::AddAddresses => self.hosts[who].held = true,
                Action::RemoveAddresses => {
                    if !self.hosts[who].held {
                        return Err(format!("router {who} removes addresses that are not there"));
                    }
                    self.hosts[who].held = self.sabotaged(who, Sabotage::KeepAddresses);
                }
                Action::Report(Event::Transition { to, why, .. }) => {
                    self.transitions.push((self.now, who, *to));
                    self.referee.transition(self.now, who, &self.hosts, *to, *why)?;
                }
                Action::Announce(_) | Action::Report(_) => {}
            }
        }
        self.announce(who)?;
        let (random, lateness) = (&mut self.random, self.lateness);
        self.hosts[who].schedule(|| random.span(lateness));
        match self.sabotage {
            Some(Sabotage::NoTimer) if who == 0 => self.hosts[who].wake = None,
            Some(Sabotage::SlowClock(slow)) if who == 0 => {
                self.hosts[who].wake = self.hosts[who].wake.map(|(at, _)| (at, at + slow));
            }
            _ => {}
        }
        Ok(())
    }

    fn announce(&mut self, who: usize) -> Result<(), Violation> {
        let now = self.now;
        let Some(instance) = self.hosts[who].process.as_mut().and_then(|process| process.instance_mut(ONLY))
        else {
            return Ok(());
        };
        let router = &mut instance.router;
        for _ in 0..1_000 {
            if router.announcement_due(now).is_none() {
                return Ok(());
            }
            router.announced();
        }
        Err(format!("router {who} announces without end"))
    }

    fn send(&mut self, who: usize, priority: u8, depth: u32) -> Result<(), Violation> {
        self.referee.sent(self.now, who, &self.hosts, priority, depth)?;
        if !self.hosts[who].link_up || self.sabotaged(who, Sabotage::Mute) {
            return Ok(());
        }
        let copies = 1 + usize::from(self.sabotaged(who, Sabotage::Stutter));
        for _ in 1..copies {
            self.referee.sent(self.now, who, &self.hosts, priority, depth)?;
        }
        for destination in self.hosts[who].destinations() {
            let datagram = Datagram {
                source: self.hosts[who].addr,
                destination,
                hop_limit: 255,
                octets: self.hosts[who].advert(destination, priority),
                tampered: false,
                depth,
            };
            for to in 0..self.hosts.len() {
                let reached = to != who && (destination.is_multicast() || self.hosts[to].addr == destination);
                if reached {
                    self.launch(who, to, &datagram);
                }
            }
        }
        Ok(())
    }

    fn launch(&mut self, from: usize, to: usize, datagram: &Datagram) {
        let arrivals = self.link.arrivals(self.now, from, to, &mut self.random);
        if arrivals[0].is_none() {
            self.note(|| format!("lost from {from} to {to}"));
        }
        for at in arrivals.into_iter().flatten() {
            let mut copy = datagram.clone();
            self.link.tamper(&mut copy, &mut self.random);
            self.sequence += 1;
            self.in_flight.push(Reverse(Flight { at, sequence: self.sequence, to, datagram: copy }));
        }
    }

    fn sabotaged(&self, who: usize, sabotage: Sabotage) -> bool {
        who == 0 && self.sabotage == Some(sabotage)
    }
}

/// So many advertised addresses.
pub(crate) fn addresses(family: Family, count: usize) -> Vec<IpAddr> {
    (0..count)
        .map(|i| {
            let last = u8::try_from(i).unwrap_or(u8::MAX);
            match family {
                Family::V4 => IpAddr::from([10, 9, 1, last]),
                Family::V6 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 9, u16::from(last)]),
            }
        })
        .collect()
}

//! Sync groups on the virtual clock: routers with an interface in each of two or three networks, and a virtual router
//! of one group on each.
//!
//! After every step all members of a group are in the state of the group, and addresses are there exactly as MASTER.
//! When the trouble is over, one router is MASTER in all networks, and stays it.

use crate::host::{Host, TRACKER, group as multicast};
use crate::link::{Datagram, Flight, HOSTS, Link};
use crate::random::Random;
use keepalived::base::addr::{Family, IpAddr};
use keepalived::base::id::{GroupId, InstanceId};
use keepalived::base::time::{Instant, Span};
use keepalived::proto::track::Value;
use keepalived::proto::vrrp::process::Members;
use keepalived::proto::vrrp::{
    Action, Actions, Around, Event, Input, Packet, Params, Process, Router, Start, State, Version,
};
use keepalived::wire::vrrp::Advert;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const INTERVAL: Span = Span::from_centis(20);

/// What a schedule varies.
#[derive(Clone, Copy)]
struct Theme {
    name: &'static str,
    schedules: u64,
    /// Members of a router have different priorities.
    mixed: bool,
    /// Nobody preempts.
    meek: bool,
    /// All are address owners that begin as MASTER.
    owners: bool,
    /// A follower ignores its group, to see it caught.
    sabotage: bool,
}

const PLAIN: Theme =
    Theme { name: "", schedules: 1_500, mixed: false, meek: false, owners: false, sabotage: false };

/// The one group of each process.
const GROUP: GroupId = GroupId::new(0);

/// A router: one process, one group.
struct Node {
    members: Vec<Host>,
    /// Which members the configuration has.
    configured: Vec<bool>,
    /// None while crashed or stopped.
    process: Option<Process>,
    /// The member that each instance of the process is.
    ids: Vec<usize>,
    /// What the tracker that all members share says.
    weights: i32,
    /// The state of the group when the process died, and when that was.
    record: Option<(State, Instant)>,
}

struct Site {
    now: Instant,
    nodes: Vec<Node>,
    links: Vec<Link>,
    in_flight: BinaryHeap<Reverse<Flight>>,
    sequence: u64,
    random: Random,
    sabotage: bool,
    transitions: u32,
    trace: Option<Vec<String>>,
}

type Outcome = Result<(), String>;

impl Node {
    fn present(&self) -> Vec<usize> {
        let present = |(who, it): (usize, &bool)| it.then_some(who);
        self.configured.iter().enumerate().filter_map(present).collect()
    }

    /// The process with the members of the configuration, none of which has begun.
    fn process(&self) -> Process {
        let instance = |who: &usize| {
            let mut instance = self.members[*who].instance();
            instance.group = Some(GROUP);
            instance.router.set_synced(true);
            instance
        };
        let instances: Vec<_> = self.present().iter().map(instance).collect();
        let ids = (0..instances.len()).map(InstanceId::at).collect();
        let mut process = Process::new(instances, vec![Members { ids, ..Members::default() }]);
        process.set_value(TRACKER, Value::Number(self.weights));
        process
    }

    fn id(&self, who: usize) -> Option<InstanceId> {
        self.ids.iter().position(|other| *other == who).map(InstanceId::at)
    }

    fn router(&self, who: usize) -> Option<&Router> {
        Some(&self.process.as_ref()?.instance(self.id(who)?)?.router)
    }

    fn state(&self) -> State {
        let group = self.process.as_ref().and_then(|process| process.policy.members(GROUP));
        group.map_or(State::Init, |group| group.machine.state())
    }
}

impl Site {
    fn new(theme: &Theme, random: Random) -> Self {
        let mut random = random;
        let (routers, networks) = (2 + random.index(2), 2 + random.index(2));
        let mut nodes = Vec::new();
        for number in (1_u8..).take(routers) {
            let priority = random.octet(50, 200);
            let mut members = Vec::new();
            for network in (1_u8..).take(networks) {
                let params = Params {
                    version: Version::V3,
                    family: Family::V4,
                    vrid: 50 + network,
                    advert_interval: INTERVAL,
                    priority: match theme {
                        Theme { owners: true, .. } => 255,
                        Theme { mixed: true, .. } => random.octet(50, 200),
                        _ => priority,
                    },
                    start: if theme.owners { Start::Master } else { Start::Backup },
                    preempt: !theme.meek,
                    preempt_delay: if random.percent(20) { INTERVAL * 4 } else { Span::ZERO },
                    ..Params::default()
                };
                let addr = IpAddr::from([10, 9, network, number]);
                members.push(Host::new(addr, params, vec![IpAddr::from([10, 9, network, 100])]));
            }
            let configured = vec![true; networks];
            nodes.push(Node {
                members,
                configured,
                process: None,
                ids: Vec::new(),
                weights: 0,
                record: None,
            });
        }
        let link = || Link::new(Span::from_micros(50), Span::from_millis(2), true);
        Self {
            now: Instant::START,
            nodes,
            links: (0..networks).map(|_| link()).collect(),
            in_flight: BinaryHeap::new(),
            sequence: 0,
            random,
            sabotage: theme.sabotage,
            transitions: 0,
            trace: None,
        }
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        let now = self.now;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{now:>12}  {}", line()));
        }
    }

    fn run(&mut self, span: Span) -> Outcome {
        let until = self.now + span;
        loop {
            let arrival = self.in_flight.peek().map(|Reverse(flight)| flight.at);
            let wake = self.next_wake();
            let next = [arrival, wake.map(|(at, ..)| at)].into_iter().flatten().min();
            let Some(next) = next.filter(|at| *at <= until) else {
                self.now = until;
                return Ok(());
            };
            self.now = self.now.max(next);
            if arrival == Some(next) {
                self.deliver();
            } else if let Some((_, node, who)) = wake {
                self.input(node, who, Input::Timeout);
            }
            self.check()?;
        }
    }

    fn next_wake(&self) -> Option<(Instant, usize, usize)> {
        let mut next = None;
        for (number, node) in self.nodes.iter().enumerate() {
            for who in node.ids.iter().copied() {
                let at = node.router(who).and_then(Router::poll_at).map(|at| (at, number, who));
                next = [next, at].into_iter().flatten().min();
            }
        }
        next
    }

    fn deliver(&mut self) {
        let Some(Reverse(Flight { to, datagram, .. })) = self.in_flight.pop() else {
            return;
        };
        let (node, who) = (to / self.links.len(), to % self.links.len());
        let id = self.nodes[node].id(who).filter(|_| self.nodes[node].members[who].link_up);
        let it = &mut self.nodes[node];
        let (host, Some(process), Some(id)) = (&it.members[who], &mut it.process, id) else {
            return;
        };
        if Advert::parse(&datagram.octets).is_err() {
            return;
        }
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
        process.receive(self.now, id, &surroundings, &packet, &mut out);
        self.gather(node, who, &out);
        self.settle(node);
    }

    /// Carries out all that the inputs so far lead to.
    fn settle(&mut self, node: usize) {
        loop {
            let mut out = Actions::new();
            let it = &mut self.nodes[node];
            let Some((process, due)) = it.process.as_mut().and_then(|process| {
                let due = process.due()?;
                Some((process, due))
            }) else {
                return;
            };
            let who = it.ids[due.id.index()];
            let before = process.clone();
            process.step(self.now, &mut out);
            // The second member does not do what it is told, but for what is its own.
            if self.sabotage && who == 1 && process.state(due.id) != before.state(due.id) {
                if let (Some(now), Some(old)) = (process.instance_mut(due.id), before.instance(due.id)) {
                    now.router = old.router.clone();
                }
                continue;
            }
            self.gather(node, who, &out);
        }
    }

    fn input(&mut self, node: usize, who: usize, input: Input) {
        let it = &mut self.nodes[node];
        if let (Some(id), Some(process)) = (it.id(who), &mut it.process) {
            process.policy.input(id, input);
        }
        self.settle(node);
    }

    fn gather(&mut self, node: usize, who: usize, actions: &Actions) {
        for action in actions {
            self.note(|| format!("{node}.{who} {action:?}"));
            let host = &mut self.nodes[node].members[who];
            match action {
                Action::AddAddresses => host.held = true,
                Action::RemoveAddresses => host.held = false,
                Action::SendAdvert { priority } => self.send(node, who, *priority),
                Action::Report(Event::Transition { .. }) => self.transitions += 1,
                Action::Announce(_) | Action::Report(_) => {}
            }
        }
    }

    fn send(&mut self, node: usize, who: usize, priority: u8) {
        let host = &self.nodes[node].members[who];
        if !host.link_up {
            return;
        }
        let destination = multicast(Family::V4);
        let datagram = Datagram {
            source: host.addr,
            destination,
            hop_limit: 255,
            octets: host.advert(destination, priority),
            tampered: false,
            depth: 0,
        };
        for to in (0..self.nodes.len()).filter(|to| *to != node) {
            for at in self.links[who].arrivals(self.now, node, to, &mut self.random).into_iter().flatten() {
                self.sequence += 1;
                let (sequence, datagram) = (self.sequence, datagram.clone());
                let to = to * self.links.len() + who;
                self.in_flight.push(Reverse(Flight { at, sequence, to, datagram }));
            }
        }
    }

    fn refresh(&mut self, node: usize, who: usize) {
        let it = &mut self.nodes[node];
        if let (Some(id), Some(process)) = (it.id(who), &mut it.process) {
            process.set_facts(id, it.members[who].facts());
            process.policy.refresh(id);
        }
        self.settle(node);
    }

    /// All groups of a process get something to do.
    fn group(&mut self, node: usize, input: impl FnOnce(&mut Process)) {
        if let Some(process) = &mut self.nodes[node].process {
            input(process);
        }
        self.settle(node);
    }

    fn start(&mut self, node: usize, adopt: bool) {
        let fresh = |(state, at): (State, Instant)| (self.now < at + INTERVAL * 2).then_some(state);
        let record = self.nodes[node].record.take().filter(|_| adopt).and_then(fresh);
        let it = &mut self.nodes[node];
        let mut process = it.process();
        it.ids = it.present();
        let mut adopts = vec![record; it.ids.len()];
        process.policy.adopt_together(GROUP, record, &mut adopts);
        let adopt = adopts[0];
        process.policy.set_rebuilding(true);
        it.process = Some(process);
        let members = it.ids.clone();
        self.note(|| format!("{node} starts, adopting {adopt:?}"));
        for who in &members {
            self.nodes[node].members[*who].held &= adopt == Some(State::Master);
            self.refresh(node, *who);
        }
        self.group(node, |process| process.refresh_group(GROUP));
        self.group(node, |process| process.policy.set_rebuilding(false));
        self.group(node, |process| process.begin_group(GROUP, adopt));
        for who in members {
            self.input(node, who, Input::Start { adopt });
        }
    }

    fn end(&mut self, node: usize, graceful: bool) {
        self.note(|| format!("{node} ends, gracefully: {graceful}"));
        let state = self.nodes[node].state();
        if graceful {
            for who in self.nodes[node].ids.clone() {
                self.input(node, who, Input::Stop);
            }
            self.group(node, |process| process.policy.stop_group(GROUP));
        }
        let it = &mut self.nodes[node];
        it.record = (!graceful).then_some((state, self.now));
        (it.process, it.ids) = (None, Vec::new());
    }

    /// A reload with these members, at least one.
    fn reload(&mut self, node: usize, configured: Vec<bool>) {
        self.note(|| format!("{node} reloads with {configured:?}"));
        let before = core::mem::replace(&mut self.nodes[node].configured, configured);
        if self.nodes[node].process.is_none() {
            for host in &mut self.nodes[node].members {
                host.held = false;
            }
            self.nodes[node].record = None;
            return;
        }
        self.group(node, |process| process.policy.set_rebuilding(true));
        for who in self.nodes[node].ids.clone() {
            if !self.nodes[node].configured[who] {
                self.input(node, who, Input::Stop);
            }
        }
        let it = &mut self.nodes[node];
        let (mut process, members) = (it.process(), it.present());
        process.policy.set_rebuilding(true);
        let kept: Vec<_> = members.iter().map(|who| it.id(*who)).collect();
        if let Some(before) = it.process.take() {
            process.succeed(before, &kept, &[Some(GROUP)]);
        }
        it.process = Some(process);
        it.ids.clone_from(&members);
        for who in &members {
            self.refresh(node, *who);
        }
        self.group(node, |process| process.refresh_group(GROUP));
        for who in members.iter().filter(|who| !before[**who]) {
            self.input(node, *who, Input::Start { adopt: None });
        }
        self.group(node, |process| process.policy.set_rebuilding(false));
        let veteran = |id: InstanceId| before[members[id.index()]];
        self.group(node, |process| process.align_group(GROUP, &veteran));
    }

    /// What the tracker of all members says.
    fn set_weights(&mut self, node: usize, weights: i32) {
        self.nodes[node].weights = weights;
        self.group(node, |process| {
            if process.set_value(TRACKER, Value::Number(weights)) {
                process.policy.tracked_changed(TRACKER);
            }
        });
    }

    fn set_link(&mut self, node: usize, who: usize, up: bool) {
        self.note(|| format!("{node}.{who} link up: {up}"));
        self.nodes[node].members[who].link_up = up;
        if self.nodes[node].configured[who] {
            self.refresh(node, who);
        }
    }

    /// What holds after every step.
    fn check(&self) -> Outcome {
        for (number, node) in self.nodes.iter().enumerate().filter(|(_, node)| node.process.is_some()) {
            let state = node.state();
            for who in node.present() {
                let (host, own) = (&node.members[who], node.router(who).map(Router::state));
                if own != Some(state) {
                    return Err(format!("{number}.{who} is {own:?} in a group that is {state:?}"));
                }
                if host.held != (state == State::Master) {
                    return Err(format!("{number}.{who} is {state:?}, addresses present: {}", host.held));
                }
            }
            let broken = node.present().iter().any(|who| !node.members[*who].link_up);
            if broken != (state == State::Fault) {
                return Err(format!("{number} is {state:?}, a member has a reason for FAULT: {broken}"));
            }
        }
        Ok(())
    }

    fn masters(&self) -> Vec<usize> {
        let masters = self.nodes.iter().enumerate().filter(|(_, node)| node.state() == State::Master);
        masters.map(|(number, _)| number).collect()
    }

    fn trouble(&mut self) -> Outcome {
        let node = self.random.index(self.nodes.len());
        let who = self.random.index(self.links.len());
        match self.random.below(10) {
            0 | 1 => {
                let up = self.random.percent(60);
                self.set_link(node, who, up);
            }
            2 => {
                let side = |random: &mut Random| random.octet(0, 1);
                self.links[who].side = std::array::from_fn(|_| side(&mut self.random));
                self.note(|| format!("network {who} falls apart"));
            }
            3 => self.links[who].side = [0; HOSTS],
            4 => {
                if self.nodes[node].process.is_some() {
                    let graceful = self.random.percent(40);
                    self.end(node, graceful);
                } else {
                    let adopt = self.random.percent(70);
                    self.start(node, adopt);
                }
            }
            5 if self.nodes[node].process.is_some() => {
                self.end(node, false);
                self.start(node, true);
            }
            6 if self.nodes[node].configured[who] => self.input(node, who, Input::AddressLost),
            7 => {
                let weights = i32::from(self.random.octet(0, 40)) - 20;
                self.set_weights(node, weights);
            }
            8 => {
                let mut configured: Vec<bool> =
                    (0..self.links.len()).map(|_| self.random.percent(70)).collect();
                configured[who] = true;
                self.reload(node, configured);
            }
            _ => self.links[who].loss = self.random.between(0, 40),
        }
        self.check()
    }

    fn heal(&mut self) -> Outcome {
        self.note(|| "everything heals".to_owned());
        for link in &mut self.links {
            (link.side, link.loss) = ([0; HOSTS], 0);
        }
        for node in 0..self.nodes.len() {
            if self.nodes[node].configured.contains(&false) {
                self.reload(node, vec![true; self.links.len()]);
            }
            for who in 0..self.links.len() {
                self.set_link(node, who, true);
            }
            if self.nodes[node].process.is_none() {
                self.start(node, false);
            }
            self.set_weights(node, 0);
        }
        self.check()
    }
}

/// Plays one schedule: trouble, then peace.
fn play(theme: &Theme, seed: u64, trace: bool) -> (Site, Outcome) {
    let mut site = Site::new(theme, Random::new(seed));
    site.trace = trace.then(Vec::new);
    let outcome = (|| {
        for node in 0..site.nodes.len() {
            site.start(node, false);
            site.check()?;
        }
        for _ in 0..12 {
            let pause = site.random.span(INTERVAL * 8);
            site.run(pause)?;
            site.trouble()?;
        }
        site.heal()?;
        site.run(INTERVAL * 30)?;
        let masters = site.masters();
        if masters.len() != 1 {
            return Err(format!("{masters:?} are MASTER"));
        }
        let before = site.transitions;
        site.run(INTERVAL * 30)?;
        if site.transitions != before {
            return Err("changes of state long after the trouble".to_owned());
        }
        let priority = |node: &Node| node.router(0).map_or(0, |router| router.machine().effective_priority());
        let best = site.nodes.iter().map(priority).max();
        let master = priority(&site.nodes[masters[0]]);
        if !theme.mixed && !theme.meek && Some(master) != best {
            return Err(format!("{} of priority {master} is MASTER", masters[0]));
        }
        Ok(())
    })();
    (site, outcome)
}

fn run(theme: &Theme) {
    let asked = std::env::var("SIM_SEED").ok().and_then(|text| text.parse::<u64>().ok());
    let factor = std::env::var("SIM_FACTOR").ok().and_then(|text| text.parse::<u64>().ok()).unwrap_or(1);
    let seeds = asked.map_or(0..theme.schedules * factor, |seed| seed..seed + 1);
    let mut transitions = 0;
    for seed in seeds {
        let (site, outcome) = play(theme, seed, false);
        transitions += site.transitions;
        if let Err(violation) = outcome {
            let (site, _) = play(theme, seed, true);
            let trace = site.trace.unwrap_or_default();
            for line in &trace[trace.len().saturating_sub(400)..] {
                eprintln!("{line}");
            }
            panic!("SIM_SEED={seed} cargo test --test sim {}: {violation}", theme.name);
        }
    }
    assert!(transitions > 100, "{transitions} changes of state test nothing");
}

#[test]
fn groups_agree_and_one_of_them_is_master() {
    run(&Theme { name: "groups_agree_and_one_of_them_is_master", ..PLAIN });
}

#[test]
fn groups_that_do_not_preempt() {
    run(&Theme { name: "groups_that_do_not_preempt", meek: true, schedules: 700, ..PLAIN });
}

#[test]
fn groups_of_owners() {
    run(&Theme { name: "groups_of_owners", owners: true, schedules: 700, ..PLAIN });
}

#[test]
fn groups_of_mixed_priorities_settle() {
    run(&Theme { name: "groups_of_mixed_priorities_settle", mixed: true, schedules: 700, ..PLAIN });
}

/// A member that does not follow is caught.
#[test]
fn a_member_that_does_not_follow_is_seen() {
    let theme = Theme { sabotage: true, ..PLAIN };
    let caught = (0..50).filter(|seed| play(&theme, *seed, false).1.is_err()).count();
    assert!(caught > 40, "seen in {caught} of 50 schedules");
}

//! Schedules: from a seed to a network and to what happens to it.
//!
//! A schedule is a few rounds. Each begins with a time of trouble, random in kind, place, number and length, on a
//! link that may lose, turn over, repeat and reorder; then the weather clears, whoever is paused goes on, and
//! nothing happens until the network must have settled and some intervals more. What is crashed, stopped, cut off
//! or without link may stay so. The referee watches all the time.

use crate::disturbance::{Disturbance, Sabotage};
use crate::host::Host;
use crate::link::{HOSTS, Link};
use crate::random::Random;
use crate::referee::Violation;
use crate::world::{World, addresses};
use keepalived::base::addr::{Family, IpAddr};
use keepalived::base::time::Span;
use keepalived::proto::vrrp::{Auth, Params, Password, Peer, Start, State, Version};

/// What a schedule may do to a router or to the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The process dies and is begun afresh, later or never.
    Crash,
    /// The process dies and its replacement adopts the record.
    Replace,
    /// A graceful stop, and a start later or never.
    Stop,
    /// SIGSTOP for a time.
    Pause,
    /// The link of a router goes and comes.
    LinkDown,
    /// A script changes the priority, and perhaps back.
    Weight,
    /// Another configuration.
    Reload,
    /// Addresses are taken away.
    AddressLost,
    /// The link falls into sides, and perhaps heals.
    Partition,
    /// A router hears nothing for a time.
    Deaf,
    /// A process wakes up early.
    EarlyWake,
}

/// Who may take over from a MASTER that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Preempt {
    /// Whoever has a higher priority.
    Always,
    /// Some, some only after a delay, some never.
    Mixed,
    /// Nobody.
    Never,
}

/// A family of schedules.
#[derive(Clone, Debug)]
pub(crate) struct Theme {
    /// The name of its test.
    pub(crate) name: &'static str,
    /// Schedules in one run.
    pub(crate) schedules: u64,
    /// What may happen.
    pub(crate) kinds: &'static [Kind],
    /// Highest loss in times of trouble, of a hundred.
    pub(crate) loss: u64,
    /// Who preempts.
    pub(crate) preempt: Preempt,
    /// All priorities are equal, addresses decide.
    pub(crate) ties: bool,
    /// Version 3: routers of different intervals.
    pub(crate) intervals_differ: bool,
    /// Delays at the start, MASTERs that notice how late they are, and an address owner that hears nobody.
    pub(crate) timers: bool,
    /// Whoever is MASTER after the first round is left alone and must stay it.
    pub(crate) spare_master: bool,
    /// Something wrong with router 0.
    pub(crate) sabotage: Option<Sabotage>,
}

impl Theme {
    /// A theme without trouble.
    pub(crate) const fn new(name: &'static str, schedules: u64, kinds: &'static [Kind]) -> Self {
        Self {
            name,
            schedules,
            kinds,
            loss: 0,
            preempt: Preempt::Mixed,
            ties: false,
            intervals_differ: false,
            timers: false,
            spare_master: false,
            sabotage: None,
        }
    }
}

/// Plays one schedule. `trace`: with a record of every event.
pub(crate) fn play(theme: &Theme, seed: u64, trace: bool) -> (World, Result<(), Violation>) {
    let mut random = Random::new(seed);
    let mut world = network(theme, &mut random);
    world.trace = trace.then(Vec::new);
    world.sabotage = theme.sabotage;
    if theme.timers {
        world.hold = world.hosts[0].params.advert_interval * 5;
    }
    for who in 0..world.hosts.len() {
        let host = &world.hosts[who];
        let line = format!("{who} is {} with {:?}", host.addr, host.params);
        world.note(|| line);
    }
    let outcome = rounds(theme, &mut world, &mut random);
    (world, outcome)
}

fn rounds(theme: &Theme, world: &mut World, random: &mut Random) -> Result<(), Violation> {
    for who in 0..world.hosts.len() {
        world.disturb(Disturbance::Start { who, adopt: false })?;
        let pause = random.span(world.hosts[who].params.advert_interval);
        world.run(world.now + pause)?;
    }
    for round in 0..random.between(2, 3) {
        if theme.spare_master && round > 0 {
            world.spare_master = true;
            world.referee.anointed = world.hosts.iter().position(Host::is_master);
        }
        trouble(theme, world, random)?;
        clear(world)?;
        let settled = world.referee.settled(&world.hosts);
        let interval = world.referee.longest_interval(&world.hosts);
        world.run(settled + interval * 8 + world.lateness * 2)?;
    }
    Ok(())
}

/// A time of trouble.
fn trouble(theme: &Theme, world: &mut World, random: &mut Random) -> Result<(), Violation> {
    let interval = world.referee.longest_interval(&world.hosts);
    let mut plan: Vec<(Span, Disturbance)> = Vec::new();
    if theme.loss > 0 && random.percent(70) {
        let weather =
            Disturbance::Weather(random.between(0, theme.loss), random.between(0, 5), random.between(0, 20));
        plan.push((Span::ZERO, weather));
    }
    for who in 0..world.hosts.len() {
        if world.hosts[who].process.is_none() && random.percent(70) {
            plan.push((random.span(interval * 2), Disturbance::Start { who, adopt: false }));
        }
        if !world.hosts[who].link_up && random.percent(70) {
            plan.push((random.span(interval * 2), Disturbance::LinkUp(who)));
        }
    }
    if world.link.side != [0; HOSTS] && random.percent(70) {
        plan.push((random.span(interval * 2), Disturbance::Partition([0; HOSTS])));
    }
    let length = random.span(interval * 10);
    if !theme.kinds.is_empty() {
        for _ in 0..random.between(1, 6) {
            let kind = random.pick(theme.kinds);
            add(theme, world, random, &mut plan, kind, (length, interval));
        }
    }
    plan.sort_by_key(|(at, _)| *at);
    let start = world.now;
    for (at, disturbance) in plan {
        world.run(start + at)?;
        world.disturb(disturbance)?;
    }
    Ok(())
}

/// Adds a trouble and its end. `length`: of the whole time of trouble; `interval`: what its parts are measured in.
fn add(
    theme: &Theme,
    world: &World,
    random: &mut Random,
    plan: &mut Vec<(Span, Disturbance)>,
    kind: Kind,
    (length, interval): (Span, Span),
) {
    let who = random.index(world.hosts.len());
    let at = random.span(length);
    // Short ones matter as much as long ones.
    let longest = random.pick(&[interval / 4, interval, interval * 3, interval * 12]);
    let end = at + random.span(longest);
    let ends = random.percent(70);
    match kind {
        Kind::Crash => {
            plan.push((at, Disturbance::Crash(who)));
            if ends {
                plan.push((end, Disturbance::Start { who, adopt: false }));
            }
        }
        Kind::Replace => {
            plan.push((at, Disturbance::Crash(who)));
            plan.push((end, Disturbance::Start { who, adopt: true }));
        }
        Kind::Stop => {
            plan.push((at, Disturbance::Stop(who)));
            if ends {
                plan.push((end, Disturbance::Start { who, adopt: false }));
            }
        }
        Kind::Pause => {
            plan.push((at, Disturbance::Pause(who)));
            plan.push((end, Disturbance::Resume(who)));
        }
        Kind::LinkDown => {
            plan.push((at, Disturbance::LinkDown(who)));
            if ends {
                plan.push((end, Disturbance::LinkUp(who)));
            }
        }
        Kind::Weight => {
            let weight = random.pick(&[-100, -30, -10, -1, 1, 10, 50, 200]);
            plan.push((at, Disturbance::Weight(who, weight)));
            if ends {
                plan.push((end, Disturbance::Weight(who, 0)));
            }
        }
        Kind::Reload => {
            let (params, count) = other(theme, &world.hosts[who], random);
            plan.push((at, Disturbance::Reload(who, Box::new(params), count)));
        }
        Kind::AddressLost => plan.push((at, Disturbance::AddressLost(who))),
        Kind::Partition => {
            let sides = random.octet(2, 3);
            let side = std::array::from_fn(|_| random.octet(0, sides - 1));
            plan.push((at, Disturbance::Partition(side)));
            if ends {
                plan.push((end, Disturbance::Partition([0; HOSTS])));
            }
        }
        Kind::Deaf => {
            plan.push((at, Disturbance::Deaf(who, true)));
            plan.push((end, Disturbance::Deaf(who, false)));
        }
        Kind::EarlyWake => plan.push((at, Disturbance::EarlyWake(who))),
    }
}

/// The end of the trouble: what remains is a network that must settle.
fn clear(world: &mut World) -> Result<(), Violation> {
    world.disturb(Disturbance::Weather(0, 0, world.link.duplicate))?;
    for who in 0..world.hosts.len() {
        if world.link.deaf[who] {
            world.disturb(Disturbance::Deaf(who, false))?;
        }
        if world.hosts[who].paused {
            world.disturb(Disturbance::Resume(who))?;
        }
    }
    Ok(())
}

/// Draws a network.
pub(crate) fn network(theme: &Theme, random: &mut Random) -> World {
    let count = usize::from(random.octet(2, 5));
    let version = random.pick(&[Version::V2, Version::V3, Version::V3]);
    let family = match version {
        Version::V2 => Family::V4,
        Version::V3 => random.pick(&[Family::V4, Family::V6]),
    };
    let auth = if version == Version::V2 && random.percent(50) {
        Auth::Pass(Password::new("11111111"))
    } else {
        Auth::None
    };
    let common = Params {
        version,
        family,
        auth,
        vrid: 51,
        priority: random.octet(1, 254),
        advert_interval: base_interval(version, random),
        v3_checksum_as_v2: random.percent(20),
        skip_check_adv_addr: random.percent(20),
        down_timer_adverts: random.pick(&[3, 3, 3, 2, 5]),
        ..Params::default()
    };
    let mut last_octets: Vec<u8> = (1..=5).collect();
    let mut hosts = Vec::new();
    for number in 0..count {
        let last = last_octets.swap_remove(random.index(last_octets.len()));
        let addr = match family {
            Family::V4 => IpAddr::from([10, 9, 0, last]),
            Family::V6 => IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, u16::from(last)]),
        };
        let mut host = Host::new(addr, common.clone(), addresses(family, random.index(4)));
        host.owner = number == 0;
        (host.params, _) = other(theme, &host, random);
        hosts.push(host);
    }
    if random.percent(25) {
        mesh(&mut hosts);
    }
    // Delays stay below a third of the shortest interval, or the bounds would say nothing.
    let shortest = common.advert_interval;
    let part = random.pick(&[3, 10, 1_000]);
    let slowest = random.span(shortest / part);
    let fastest = random.span(slowest);
    let mut link = Link::new(fastest, slowest, random.percent(50));
    link.duplicate = random.pick(&[0, 0, 10]);
    World::new(hosts, link, random.span(shortest / 20), random.clone())
}

/// Unicast: everybody is everybody else's peer.
fn mesh(hosts: &mut [Host]) {
    let all: Vec<IpAddr> = hosts.iter().map(|host| host.addr).collect();
    for host in hosts {
        host.params.check_unicast_src = true;
        let others = all.iter().filter(|addr| **addr != host.addr);
        host.peers =
            others.map(|addr| Peer { addr: *addr, min_ttl: 255, max_ttl: 255, old_form: false }).collect();
    }
}

fn base_interval(version: Version, random: &mut Random) -> Span {
    match version {
        Version::V2 => Span::from_secs(random.between(1, 2)),
        Version::V3 => Span::from_centis(random.pick(&[1, 1, 2, 5, 10, 20, 50, 100])),
    }
}

/// Another configuration of a router, as the theme allows, and so many addresses.
fn other(theme: &Theme, host: &Host, random: &mut Random) -> (Params, usize) {
    let mut params = host.params.clone();
    if !theme.ties {
        // Small distances are the difficult ones.
        params.priority = match random.below(4) {
            0 => params.priority.saturating_add(1).min(254),
            1 => params.priority,
            _ => random.octet(1, 254),
        };
        // An owner without preemption is refused by the configuration.
        let may_own = if theme.timers { host.owner && random.percent(50) } else { random.percent(4) };
        if theme.timers {
            params.priority = params.priority.min(254);
        }
        if theme.preempt != Preempt::Never && may_own {
            params.priority = 255;
        }
    }
    params.start = random.pick(&[Start::Backup, Start::Master]);
    params.preempt = match theme.preempt {
        Preempt::Always => true,
        Preempt::Never => false,
        Preempt::Mixed => random.percent(70),
    };
    params.preempt_delay = match theme.preempt {
        Preempt::Mixed if random.percent(20) => params.advert_interval * random.between(1, 8),
        _ => Span::ZERO,
    };
    if params.start == Start::Master || params.priority == 255 {
        // The configuration clears what contradicts these, with a warning.
        params.preempt |= theme.preempt != Preempt::Never;
        params.preempt_delay = Span::ZERO;
    }
    if theme.timers {
        // Two of them would never know of each other.
        params.owner_ignore_adverts = params.priority == 255;
        let other = random.pick(&[None, Some(1), Some(100), Some(254)]);
        params.timer_expired_backup = other.filter(|_| !params.preempt);
    }
    params.lower_prio_no_advert = random.percent(15);
    params.higher_prio_send_advert = random.percent(80);
    params.garp.refresh = random.pick(&[Span::ZERO, params.advert_interval]);
    if theme.intervals_differ && params.version == Version::V3 {
        params.advert_interval = host.shortest_interval * random.pick(&[1, 1, 1, 2, 5]);
    }
    (params, random.index(4))
}

/// The states, for a test's own questions.
pub(crate) fn masters(world: &World) -> Vec<usize> {
    let states = world.hosts.iter().enumerate();
    states.filter(|(_, host)| host.state() == Some(State::Master)).map(|(who, _)| who).collect()
}

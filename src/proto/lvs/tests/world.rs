//! A director beside the model of a kernel, driven step by step; what happened comes as text.

use super::conf::{Conf, Real, Service, Where};
use super::kernel::Kernel;
use crate::base::addr::IpAddr;
use crate::base::id::{CheckId, RealId, ServiceId};
use crate::base::time::{Instant, Span};
use crate::proto::check::Weight;
use crate::proto::lvs::{
    DestKey, DestValue, Director, Fact, Look, Method, Operation, Protocol, ServiceKey, SorrySpec, Stop,
};

/// An address.
pub fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// B of the field cases: a service on 192.0.2.10, port 80, with this many servers from 10.0.0.1 on.
pub fn base(servers: u8) -> Service {
    let mut service = Service::new(1, Where::Address(addr("192.0.2.10"), 80));
    service.reals = (1..=servers).map(server).collect();
    service
}

/// 10.0.0.`number`, port 80.
pub fn server(number: u8) -> Real {
    Real::new(IpAddr::from([10, 0, 0, number]), 80)
}

/// The sorry server 10.0.0.99.
pub fn sorry() -> SorrySpec {
    SorrySpec { addr: addr("10.0.0.99"), port: 80, method: Method::Nat, inhibit: false }
}

/// 192.0.2.10, port 80.
pub const VIP: ServiceKey =
    ServiceKey::Address(Protocol::Tcp, IpAddr::V4(crate::base::addr::Ipv4Addr::new(192, 0, 2, 10)), 80);

/// The destination 10.0.0.`number`, port 80.
pub fn dest(number: u8) -> DestKey {
    DestKey { addr: IpAddr::from([10, 0, 0, number]), port: 80 }
}

/// A destination with NAT and this weight.
pub fn value(weight: u32) -> DestValue {
    DestValue { weight, method: Method::Nat, upper: 0, lower: 0 }
}

/// A director that has started and has nothing to do.
pub fn settled(conf: Conf) -> World {
    let mut world = World::start(conf);
    world.operations();
    world.facts();
    world
}

/// A configuration of B.
pub fn b(servers: u8) -> Conf {
    Conf(vec![base(servers)])
}

/// The same with a sorry server.
pub fn with_sorry(servers: u8) -> Conf {
    let mut conf = b(servers);
    conf.0[0].sorry = Some(sorry());
    conf
}

/// A director and its kernel.
pub struct World {
    pub conf: Conf,
    pub director: Director,
    pub kernel: Kernel,
    pub now: Instant,
    facts: Vec<Fact>,
}

impl World {
    /// A director that has started over an empty table.
    pub fn start(conf: Conf) -> Self {
        Self::start_over(conf, Kernel::default(), &[])
    }

    /// A director that has started over a table, with a state file.
    pub fn start_over(conf: Conf, kernel: Kernel, owned: &[(ServiceKey, Option<DestKey>)]) -> Self {
        let director = conf.director();
        let mut world =
            Self { conf, director, kernel, now: Instant::START + Span::from_secs(100), facts: Vec::new() };
        for (key, dest) in owned {
            world.director.recorded(*key, *dest);
        }
        for id in 0..world.director.services() {
            world.director.start(ServiceId::at(id), &mut |fact| world.facts.push(fact));
        }
        world.look(Look::Start);
        world
    }

    /// Reads the kernel's table.
    pub fn look(&mut self, look: Look) {
        self.kernel.show(self.now, &mut self.director, look, &mut |fact| self.facts.push(fact));
    }

    /// A new configuration.
    pub fn reload(&mut self, conf: Conf) {
        let mut next = conf.director();
        let mut same = |old: CheckId, new: CheckId| self.conf.same(old, &conf, new);
        next.follow(&mut self.director, &mut same, &mut || {}, &mut |fact| self.facts.push(fact));
        (self.director, self.conf) = (next, conf);
    }

    /// A server of the first service, by its last octet.
    pub fn real(&self, number: u8) -> RealId {
        self.real_of(0, number)
    }

    /// A server of a service.
    pub fn real_of(&self, service: usize, number: u8) -> RealId {
        let reals = &self.conf.0[service].reals;
        let at = reals.iter().position(|real| real.spec.addr == IpAddr::from([10, 0, 0, number])).unwrap();
        self.director.reals(ServiceId::at(service)).nth(at).unwrap()
    }

    /// The verdict of the first check of a server of the first service.
    pub fn verdict(&mut self, number: u8, up: bool) {
        self.verdict_of(0, number, 0, up);
    }

    /// The verdict of a check.
    pub fn verdict_of(&mut self, service: usize, number: u8, check: usize, up: bool) {
        let check = self.director.checks(self.real_of(service, number)).nth(check).unwrap();
        self.director.verdict(check, up, &mut |fact| self.facts.push(fact));
    }

    /// The first check of a server of the first service says what it weighs.
    pub fn weigh(&mut self, number: u8, weight: Weight) {
        let check = self.director.checks(self.real(number)).next().unwrap();
        self.director.weigh(check, weight, &mut |fact| self.facts.push(fact));
    }

    /// The daemon stops.
    pub fn stop(&mut self, how: Stop) {
        for id in 0..self.director.services() {
            self.director.stop(ServiceId::at(id), how, &mut |fact| self.facts.push(fact));
        }
    }

    /// What is asked of the kernel, until nothing is.
    pub fn operations(&mut self) -> Vec<String> {
        let all = self.kernel.settle(self.now, &mut self.director, 64, &mut |fact| self.facts.push(fact));
        all.iter().map(operation).collect()
    }

    /// What was told since the last call.
    pub fn facts(&mut self) -> Vec<String> {
        core::mem::take(&mut self.facts).into_iter().map(|fact| self.phrase(fact)).collect()
    }

    /// What the table holds.
    pub fn table(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (service, (_, dests)) in &self.kernel.services {
            lines.push(key(service));
            lines.extend(dests.iter().map(|(dest, value)| format!("  {} {}", dest_text(dest), value.weight)));
        }
        lines
    }

    /// The keys that are ours.
    pub fn owned(&self) -> Vec<(ServiceKey, Option<DestKey>)> {
        let mut all = Vec::new();
        self.director.owned(&mut |key, dest| all.push((*key, dest.copied())));
        all
    }

    fn phrase(&self, fact: Fact) -> String {
        let name = |real: RealId| {
            let reals = self.conf.0.iter().flat_map(|service| &service.reals);
            reals.map(|real| real.spec.addr.to_string()).nth(real.index()).unwrap_or_else(|| "?".to_owned())
        };
        let turn = |up: bool| if up { "up" } else { "down" };
        match fact {
            Fact::Real { real, up, inhibit } => {
                format!("{} {}{}", name(real), turn(up), if inhibit { " inhibit" } else { "" })
            }
            Fact::Weight { real, from, to, active } => {
                format!("{} weight {from} to {to}{}", name(real), if active { "" } else { " inactive" })
            }
            Fact::Quorum { service, up, start, threshold, live } => {
                let start = if start { "start with " } else { "" };
                let than = if up { "<=" } else { ">" };
                format!("{} {start}quorum {} {threshold} {than} {live}", service.0, turn(up))
            }
            Fact::Sorry { service, active, inhibit } => {
                let inhibit = if inhibit { " inhibit" } else { "" };
                format!("{} sorry {}{inhibit}", service.0, if active { "in" } else { "out" })
            }
            Fact::RealGone { real, up } => format!("old real {} gone, was {}", real.0, turn(up)),
            Fact::ServiceGone { service, quorum } => {
                format!("old service {} gone, was {}", service.0, turn(quorum))
            }
            Fact::RealStops { real, notify } => {
                format!("{} stops{}", name(real), if notify { ", notify" } else { "" })
            }
            Fact::ServiceStops { service, notify } => {
                format!("{} stops{}", service.0, if notify { ", notify" } else { "" })
            }
            Fact::PutBack { key: service, dest } => format!("put back {}", place(&service, dest.as_ref())),
            Fact::LeftAlone { key: service } => format!("left alone {}", key(&service)),
            Fact::Refused { key: service, dest, errno } => {
                format!("refused {} {errno}", place(&service, dest.as_ref()))
            }
            Fact::Shared { holder, service, key: shared } => {
                format!("{} holds {} of {}", holder.0, key(&shared), service.0)
            }
            Fact::TooMany { service } => format!("{} too many", service.0),
        }
    }
}

fn key(key: &ServiceKey) -> String {
    match key {
        ServiceKey::Address(_, addr, port) => format!("{addr}:{port}"),
        ServiceKey::Mark(family, mark) => format!("{family} mark {mark}"),
    }
}

fn dest_text(dest: &DestKey) -> String {
    format!("{}:{}", dest.addr, dest.port)
}

fn place(service: &ServiceKey, dest: Option<&DestKey>) -> String {
    dest.map_or_else(|| key(service), |dest| format!("{} {}", key(service), dest_text(dest)))
}

fn operation(operation: &Operation) -> String {
    match operation {
        Operation::Flush => "flush".to_owned(),
        Operation::NewService(service, _) => format!("new service {}", key(service)),
        Operation::SetService(service, _) => format!("set service {}", key(service)),
        Operation::DelService(service) => format!("del service {}", key(service)),
        Operation::NewDest(service, dest, value) => {
            format!("new {} {}", place(service, Some(dest)), value.weight)
        }
        Operation::SetDest(service, dest, value) => {
            format!("set {} {}", place(service, Some(dest)), value.weight)
        }
        Operation::DelDest(service, dest) => format!("del {}", place(service, Some(dest))),
    }
}

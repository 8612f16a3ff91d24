//! Configurations as values, from which directors are made.

use super::base::{CheckId, Family, IpAddr};
use super::lvs::{
    Director, Entry, Listen, Method, Params, Protocol, RealSpec, Scheduler, ServiceSpec, ServiceValue,
    SorrySpec,
};

/// A configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conf(pub Vec<Service>);

/// One service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    pub identity: u64,
    pub listen: Where,
    pub protocol: Option<Protocol>,
    pub value: ServiceValue,
    pub params: Params,
    pub sorry: Option<SorrySpec>,
    pub reals: Vec<Real>,
}

/// What it listens to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Where {
    Address(IpAddr, u16),
    Mark(u32),
    Group(Vec<Entry>, Option<u32>),
}

/// One real server with its checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Real {
    pub spec: RealSpec,
    pub checks: Vec<Check>,
}

/// One check: those of one definition are alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    pub definition: u64,
    pub alpha: bool,
}

impl Service {
    /// A TCP service with round robin, without servers.
    pub fn new(identity: u64, listen: Where) -> Self {
        Self {
            identity,
            listen,
            protocol: Some(Protocol::Tcp),
            value: ServiceValue {
                scheduler: Some(Scheduler::RoundRobin),
                flags: 0,
                one_packet: false,
                persistence: None,
                granularity: None,
                engine: None,
            },
            params: Params::default(),
            sorry: None,
            reals: Vec::new(),
        }
    }
}

impl Real {
    /// A server with NAT, weight 1 and one check.
    pub fn new(addr: IpAddr, port: u16) -> Self {
        let spec =
            RealSpec { addr, port, weight: 1, method: Method::Nat, upper: 0, lower: 0, inhibit: false };
        Self { spec, checks: vec![Check { definition: 1, alpha: false }] }
    }
}

impl Conf {
    /// A director that holds it, not started.
    pub fn director(&self) -> Director {
        let mut director = Director::default();
        for service in &self.0 {
            let listen = match &service.listen {
                Where::Address(addr, port) => Listen::Address(*addr, *port),
                Where::Mark(mark) => Listen::Mark(*mark),
                Where::Group(entries, mark) => Listen::Group { entries, mark: *mark },
            };
            director.add_service(&ServiceSpec {
                identity: service.identity,
                listen,
                protocol: service.protocol,
                family: Family::V4,
                value: service.value,
                params: service.params.clone(),
                sorry: service.sorry,
            });
            for real in &service.reals {
                director.add_real(&real.spec);
                for check in &real.checks {
                    director.add_check(check.alpha);
                }
            }
        }
        director.seal();
        director
    }

    /// The checks in the order of their ids.
    pub fn checks(&self) -> impl Iterator<Item = &Check> {
        self.0.iter().flat_map(|service| &service.reals).flat_map(|real| &real.checks)
    }

    /// Whether a check of this configuration is defined as one of another.
    pub fn same(&self, own: CheckId, other: &Self, others: CheckId) -> bool {
        let find = |conf: &Self, id: CheckId| conf.checks().nth(id.index()).map(|check| check.definition);
        find(self, own) == find(other, others)
    }
}

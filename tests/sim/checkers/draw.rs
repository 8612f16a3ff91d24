//! Configurations drawn by lot from few addresses, so that services share keys and servers share destinations.

use keepalived::base::addr::IpAddr;
use keepalived::base::time::Span;
use keepalived::proto::check::Cadence;
use keepalived::proto::lvs::{Entry, Method, Protocol, Scheduler, SorrySpec};

use super::conf::{Check, Conf, Real, Service, Where};
use crate::random::Random;

/// Definitions of checks that there are; each fifth one is with alpha.
const DEFINITIONS: u64 = 10;

/// When checks of a definition run.
pub(super) fn cadence(definition: u64) -> Cadence {
    Cadence {
        delay_loop: Span::from_secs(1 + definition % 3),
        delay_before_retry: Span::from_millis(300 + 200 * (definition % 4)),
        warmup: Span::from_secs(definition % 3),
        timeout: Span::from_millis(800),
        retry: u32::try_from(definition % 4).unwrap(),
        alpha: definition.is_multiple_of(5),
        log_all_failures: false,
        fail_on_local_failure: definition.is_multiple_of(3),
    }
}

/// Whether checks of a definition run a program that sets the weight.
pub(super) const fn is_dynamic(definition: u64) -> bool {
    definition % 4 == 3
}

/// A configuration.
pub(super) fn conf(random: &mut Random) -> Conf {
    let services = random.between(1, 4);
    Conf((0..services).map(|_| service(random)).collect::<Vec<_>>()).unique()
}

/// The same with some changes, or without any.
pub(super) fn edited(conf: &Conf, random: &mut Random) -> Conf {
    let mut conf = conf.clone();
    for _ in 0..random.below(4) {
        match random.below(10) {
            0 => conf.0.push(service(random)),
            1 if !conf.0.is_empty() => drop(conf.0.remove(random.index(conf.0.len()))),
            2 if conf.0.len() > 1 => conf.0.rotate_left(1),
            _ if conf.0.is_empty() => {}
            _ => {
                let at = random.index(conf.0.len());
                edit(&mut conf.0[at], random);
            }
        }
    }
    conf.unique()
}

fn edit(service: &mut Service, random: &mut Random) {
    let at = random.index(service.reals.len());
    match random.below(10) {
        0 => service.reals.push(real(random)),
        1 if service.reals.len() > 1 => drop(service.reals.remove(at)),
        2 => service.reals[at].spec.weight = weight(random),
        3 => service.reals[at].checks = checks(random),
        4 => service.reals[at].spec.inhibit ^= true,
        5 => service.sorry = sorry(random),
        6 => service.listen = listen(random, service.identity),
        7 => service.value.scheduler = Some(random.pick(&[Scheduler::RoundRobin, Scheduler::SourceHash])),
        8 => service.reals[at] = real(random),
        _ => service.params.quorum = u32::try_from(random.between(1, 6)).unwrap(),
    }
    let method = method(random);
    if random.percent(20) {
        service.reals.iter_mut().for_each(|real| real.spec.method = method);
    }
    fit(service);
}

impl Conf {
    /// Each service is there once.
    fn unique(mut self) -> Self {
        let mut seen = Vec::new();
        self.0.retain(|service| {
            let fresh = !seen.contains(&service.identity);
            seen.push(service.identity);
            fresh
        });
        self
    }
}

fn service(random: &mut Random) -> Service {
    let identity = random.between(1, 6);
    let mut service = Service::new(identity, listen(random, identity));
    service.protocol = Some(Protocol::Tcp);
    service.reals = (0..random.between(1, 4)).map(|_| real(random)).collect();
    let method = method(random);
    service.reals.iter_mut().for_each(|real| real.spec.method = method);
    service.sorry = sorry(random);
    service.params.quorum = u32::try_from(random.between(1, 6)).unwrap();
    service.params.hysteresis = u32::try_from(random.below(3)).unwrap();
    service.params.omega = random.percent(50);
    fit(&mut service);
    service
}

/// What the configuration sees to: each server once, a quorum that can be reached, a hysteresis below it, and a sorry
/// server that is inhibited as the real server that it is, too.
fn fit(service: &mut Service) {
    let mut seen = Vec::new();
    service.reals.retain(|real| {
        let fresh = !seen.contains(&(real.spec.addr, real.spec.port));
        seen.push((real.spec.addr, real.spec.port));
        fresh
    });
    let total: u32 = service.reals.iter().map(|real| real.spec.weight).sum();
    let params = &mut service.params;
    params.quorum = params.quorum.max(1).min(total);
    params.hysteresis = params.hysteresis.min(params.quorum.saturating_sub(1));
    if let Some(sorry) = &mut service.sorry {
        let same = service.reals.iter().find(|real| real.spec.addr == sorry.addr);
        sorry.inhibit = same.map_or(sorry.inhibit, |real| real.spec.inhibit);
    }
}

fn listen(random: &mut Random, identity: u64) -> Where {
    let vip = |number: u64| IpAddr::from([192, 0, 2, u8::try_from(number).unwrap()]);
    match random.below(5) {
        0 => Where::Mark(u32::try_from(random.between(1, 3)).unwrap()),
        1 | 2 => {
            let mut entries = Vec::new();
            for _ in 0..random.between(1, 3) {
                let first = random.between(1, 6);
                let last = random.between(first, 7);
                entries.push(if random.percent(25) {
                    Entry::Mark { mark: u32::try_from(first).unwrap(), family: None }
                } else {
                    Entry::Addresses { first: vip(first), last: vip(last), port: 80 }
                });
            }
            Where::Group(entries, random.percent(20).then(|| 1_000 + u32::try_from(identity).unwrap()))
        }
        _ => Where::Address(vip(random.between(1, 6)), 80),
    }
}

fn real(random: &mut Random) -> Real {
    let mut real = Real::new(addr(random.octet(1, 6)), if random.percent(20) { 8_080 } else { 80 });
    real.spec.weight = weight(random);
    real.spec.inhibit = random.percent(25);
    real.checks = checks(random);
    real
}

/// 10.0.0.`number`
pub(super) fn addr(number: u8) -> IpAddr {
    IpAddr::from([10, 0, 0, number])
}

fn weight(random: &mut Random) -> u32 {
    random.pick(&[0, 1, 1, 1, 2, 3])
}

fn method(random: &mut Random) -> Method {
    random.pick(&[Method::Nat, Method::Nat, Method::Direct])
}

fn checks(random: &mut Random) -> Vec<Check> {
    let count = random.pick(&[0, 1, 1, 1, 1, 2]);
    let definition = |random: &mut Random| random.between(1, DEFINITIONS);
    (0..count)
        .map(|_| definition(random))
        .map(|definition| Check { definition, alpha: cadence(definition).alpha })
        .collect()
}

fn sorry(random: &mut Random) -> Option<SorrySpec> {
    let number = if random.percent(25) { random.octet(1, 6) } else { 99 };
    let spec = SorrySpec { addr: addr(number), port: 80, method: Method::Nat, inhibit: random.percent(25) };
    random.percent(60).then_some(spec)
}

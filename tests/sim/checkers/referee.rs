//! The invariants. What is wanted is worked out here in another way than in the director, from the configuration and
//! from what the checks said.
//!
//! * The table is the wanted one whenever the kernel has carried out what it was asked for, but for what other people
//!   did: what they deleted is back after a look, what they set or added stays as long as nothing else is wanted.
//! * A service has quorum as its weights say, and what is told of it alternates, over reloads and new processes.
//! * What did not change in a reload keeps its state.
//! * A sorry server and the servers in whose place it answers are never in the table together.
//! * In a reload there are never fewer usable destinations than before or after it, whichever is less.
//! * After a stop nothing of ours is left. No operation is refused for a reason that nobody gave.

use std::collections::{BTreeMap, BTreeSet};

use keepalived::base::addr::{Family, IpAddr, Ipv4Addr};
use keepalived::base::id::ServiceId;
use keepalived::proto::check::Weight;
use keepalived::proto::lvs::{
    DestKey, DestValue, Director, Entry, Fact, Method, Operation, Protocol, ServiceKey, ServiceValue, Stop,
};

use super::conf::{Conf, Real, Service, Where};
use super::kernel::Kernel;
use super::server::Saying;
use super::world::{Hands, place};

/// What is wanted: each service of the kernel, and its destinations.
type Wanted = BTreeMap<ServiceKey, (ServiceValue, BTreeMap<DestKey, DestValue>)>;

/// Watches one schedule.
#[derive(Debug)]
pub(super) struct Referee {
    hands: Hands,
    /// What each check said last: passed, and the weight.
    checks: Vec<(bool, Weight)>,
    /// Which service has quorum.
    quorum: Vec<bool>,
    /// What was told last of each service, by its identity.
    told: BTreeMap<u64, bool>,
    /// The identities of the services that facts speak of, and of those before a reload.
    names: Vec<u64>,
    old_names: Vec<u64>,
    /// States before a reload, by identity, address and port: whether it was up, and how it was defined.
    states: BTreeMap<(u64, IpAddr, u16), (bool, Real)>,
    /// What is wanted now.
    wanted: Wanted,
    /// What other people set: a destination, and what was wanted of it then; or what they added.
    set: BTreeMap<(ServiceKey, DestKey), (DestValue, DestValue)>,
    added: BTreeSet<(ServiceKey, Option<DestKey>)>,
    services_set: BTreeMap<ServiceKey, ServiceValue>,
    /// Somebody may have deleted something, and nobody has looked since.
    blind: bool,
    /// Sorry servers and servers may be together: a start, a reload.
    passing: bool,
    /// Usable destinations that there have to be at least during a reload, by key.
    floor: BTreeMap<ServiceKey, usize>,
    /// Keys whose sorry server answers before or after a reload.
    swapping: BTreeSet<ServiceKey>,
    /// A new process takes over what it finds under its keys.
    adopts: bool,
    /// Nothing is under way that would set anew what other people set.
    sure: bool,
}

impl Referee {
    pub(super) fn new(hands: Hands) -> Self {
        Self {
            hands,
            checks: Vec::new(),
            quorum: Vec::new(),
            told: BTreeMap::new(),
            names: Vec::new(),
            old_names: Vec::new(),
            states: BTreeMap::new(),
            wanted: Wanted::new(),
            set: BTreeMap::new(),
            added: BTreeSet::new(),
            services_set: BTreeMap::new(),
            blind: false,
            passing: true,
            floor: BTreeMap::new(),
            swapping: BTreeSet::new(),
            adopts: true,
            sure: true,
        }
    }

    /// A daemon starts, and sets everything as the file says.
    pub(super) fn starts(&mut self, conf: &Conf) {
        self.names = names(conf);
        self.told.clear();
        self.set.clear();
        self.services_set.clear();
        (self.passing, self.adopts) = (true, true);
        self.quorum.clear();
    }

    /// The checks as they are now.
    pub(super) fn checkers(&mut self, checks: impl Iterator<Item = (bool, Weight)>) {
        self.checks = checks.collect();
    }

    /// A check has said something.
    pub(super) fn said(&mut self, conf: &Conf, check: usize, saying: Saying) {
        match saying {
            Saying::Verdict(up) => self.checks[check].0 = up,
            Saying::Weight(weight) => self.checks[check].1 = weight,
        }
        for service in 0..conf.0.len() {
            self.quorum[service] =
                has_quorum(&conf.0[service], self.quorum[service], self.live(conf, service));
        }
        self.work_out(conf);
    }

    /// A fact was told.
    pub(super) fn told(&mut self, fact: Fact) {
        match fact {
            Fact::Quorum { service, up, start, .. } => {
                let before = self.told.insert(self.names[service.index()], up);
                assert!(start || before.is_none_or(|before| before != up), "{fact:?} twice");
            }
            Fact::ServiceGone { service, quorum } => {
                let before = self.told.remove(&self.old_names[service.index()]);
                assert!(before.is_none_or(|before| before == quorum), "{fact:?}");
            }
            Fact::PutBack { .. } => assert!(self.hands == Hands::On, "{fact:?} and nobody took it"),
            Fact::LeftAlone { .. } | Fact::Refused { .. } | Fact::TooMany { .. } => panic!("{fact:?}"),
            Fact::Real { .. }
            | Fact::Weight { .. }
            | Fact::Sorry { .. }
            | Fact::RealGone { .. }
            | Fact::RealStops { .. }
            | Fact::ServiceStops { .. }
            | Fact::Shared { .. } => {}
        }
    }

    /// A reload begins.
    pub(super) fn reloads(&mut self, old: &Conf, new: &Conf, kernel: &Kernel, settled: bool) {
        self.old_names = core::mem::replace(&mut self.names, names(new));
        self.states.clear();
        let mut check = 0;
        for service in &old.0 {
            for real in &service.reals {
                let own = &self.checks[check..check + real.checks.len()];
                check += real.checks.len();
                let up = own.iter().all(|(up, _)| *up);
                self.states.insert((service.identity, real.spec.addr, real.spec.port), (up, real.clone()));
            }
        }
        self.sure &= settled;
        self.passing = true;
        self.floor.clear();
        self.swapping = self.sorry_answers(old);
        if settled && self.hands == Hands::Off {
            let usable = |dests: &BTreeMap<DestKey, DestValue>| {
                dests.values().filter(|value| value.weight > 0).count()
            };
            self.floor = kernel.services.iter().map(|(key, (_, dests))| (*key, usable(dests))).collect();
        }
    }

    /// The checks go on in a new director.
    pub(super) fn reloaded(&mut self, conf: &Conf, director: &Director) {
        let mut check = 0;
        for service in &conf.0 {
            for real in &service.reals {
                let own = &self.checks[check..check + real.checks.len()];
                check += real.checks.len();
                let Some((was, before)) =
                    self.states.get(&(service.identity, real.spec.addr, real.spec.port))
                else {
                    continue;
                };
                let up = own.iter().all(|(up, _)| *up);
                let same = before.checks == real.checks;
                assert!(up == *was || !same && !*was, "{real:?} was up: {was}");
                let all_new = real.checks.iter().all(|check| !before.checks.contains(check));
                assert!(
                    *was || !up || !all_new || real.checks.is_empty(),
                    "a check that never ran brought {real:?} up"
                );
            }
        }
        self.states.clear();
        let old: BTreeMap<u64, bool> =
            self.old_names.iter().copied().zip(self.quorum.iter().copied()).collect();
        self.quorum = (0..conf.0.len())
            .map(|at| {
                let service = &conf.0[at];
                let quorum = director.service(ServiceId::at(at)).unwrap().quorum;
                let live = self.live(conf, at);
                assert_eq!(director.service(ServiceId::at(at)).unwrap().live, live);
                // As it was, or as it would be if it had been the other way.
                let before = old.get(&service.identity).copied().unwrap_or(quorum);
                assert_eq!(quorum, has_quorum(service, before, live), "{service:?} was {before}");
                let told = self.told.entry(service.identity).or_insert(quorum);
                assert_eq!(*told, quorum, "nobody was told of {}", service.identity);
                quorum
            })
            .collect();
        self.old_names = self.names.clone();
        self.work_out(conf);
        let answers = |wanted: &Wanted, key: &ServiceKey| {
            wanted.get(key).map_or(0, |(_, dests)| dests.values().filter(|value| value.weight > 0).count())
        };
        // Where a sorry server comes or goes there is a moment between.
        self.swapping.extend(self.sorry_answers(conf));
        let (wanted, swapping) = (&self.wanted, &self.swapping);
        self.floor.retain(|key, floor| {
            *floor = (*floor).min(answers(wanted, key));
            !swapping.contains(key) && *floor > 0
        });
    }

    /// The keys whose sorry server answers.
    fn sorry_answers(&self, conf: &Conf) -> BTreeSet<ServiceKey> {
        let services = conf.0.iter().zip(&self.quorum);
        services
            .filter(|(service, quorum)| service.sorry.is_some() && !**quorum)
            .flat_map(|(service, _)| keys(service))
            .collect()
    }

    /// Its operations have been carried out, or the first of them.
    pub(super) fn reload_ends(&mut self) {
        self.floor.clear();
    }

    /// The process dies and another one goes on.
    pub(super) fn dies(&mut self, settled: bool) {
        self.old_names = self.names.clone();
        (self.passing, self.adopts) = (true, true);
        self.sure &= settled;
    }

    /// An operation was carried out or refused.
    pub(super) fn done(&mut self, conf: &Conf, kernel: &Kernel, operation: &Operation, carried_out: bool) {
        if self.hands == Hands::Off {
            assert!(carried_out, "{operation:?} refused");
            if !self.passing {
                self.never_together(conf, kernel);
            }
            for (key, floor) in &self.floor {
                let usable = kernel
                    .services
                    .get(key)
                    .map_or(0, |(_, dests)| dests.values().filter(|value| value.weight > 0).count());
                assert!(usable >= *floor, "{usable} of {floor} after {operation:?}");
            }
            return;
        }
        let Some((key, dest)) = place(operation) else { return };
        match (operation, dest) {
            (Operation::NewService(..) | Operation::DelService(_), _) if carried_out => {
                self.set.retain(|(other, _), _| *other != key);
                self.added.retain(|(other, _)| *other != key);
                self.services_set.remove(&key);
            }
            (Operation::SetService(..), _) => drop(self.services_set.remove(&key)),
            (Operation::SetDest(_, dest, value), _) => {
                if let Some((by_hand, then)) = self.set.remove(&(key, *dest)) {
                    assert!(then != *value || !self.sure, "{by_hand:?} was repaired by {operation:?}");
                }
                self.added.remove(&(key, Some(*dest)));
            }
            (_, Some(dest)) if carried_out => {
                let added = self.added.contains(&(key, Some(dest)));
                assert!(!added || self.adopts || !self.sure, "{operation:?} of what somebody added");
                self.set.remove(&(key, dest));
                self.added.remove(&(key, Some(dest)));
            }
            _ => {}
        }
    }

    /// A sorry server that answers is alone.
    fn never_together(&self, conf: &Conf, kernel: &Kernel) {
        for (key, (_, dests)) in &kernel.services {
            let Some(service) = holder(conf, key) else { continue };
            let Some(sorry) = &service.sorry else { continue };
            if service.reals.iter().any(|real| real.spec.addr == sorry.addr) {
                continue;
            }
            let usable: Vec<_> = dests.iter().filter(|(_, value)| value.weight > 0).collect();
            let answers = usable.iter().any(|(dest, _)| dest.addr == sorry.addr);
            assert!(!answers || usable.len() == 1, "{key:?}: {usable:?} together");
        }
    }

    /// Somebody else has changed the table.
    pub(super) fn hand(&mut self, conf: &Conf, kernel: &Kernel) {
        self.blind = true;
        self.work_out(conf);
        for (key, (value, dests)) in &kernel.services {
            let Some((wanted_value, wanted)) = self.wanted.get(key) else {
                self.added.insert((*key, None));
                continue;
            };
            if value != wanted_value {
                self.services_set.insert(*key, *value);
            } else {
                self.services_set.remove(key);
            }
            for (dest, value) in dests {
                match wanted.get(dest) {
                    None => drop(self.added.insert((*key, Some(*dest)))),
                    Some(wanted) if wanted != value => {
                        self.set.entry((*key, *dest)).or_insert((*value, *wanted)).0 = *value;
                    }
                    Some(_) => drop(self.set.remove(&(*key, *dest))),
                }
            }
        }
        let gone = |key: &ServiceKey, dest: &DestKey| {
            kernel.services.get(key).is_none_or(|(_, dests)| !dests.contains_key(dest))
        };
        self.set.retain(|(key, dest), _| !gone(key, dest));
        self.added.retain(|(key, dest)| match dest {
            Some(dest) => !gone(key, dest),
            None => kernel.services.contains_key(key),
        });
        self.services_set.retain(|key, _| kernel.services.contains_key(key));
    }

    /// The table was looked at.
    pub(super) fn looked(&mut self) {
        self.blind = false;
    }

    /// The kernel has carried out all that it was asked for.
    pub(super) fn judge(&mut self, conf: &Conf, director: &Director, kernel: &Kernel) {
        if self.quorum.len() != conf.0.len() {
            // A start.
            self.quorum = (0..conf.0.len())
                .map(|at| {
                    let live = self.live(conf, at);
                    has_quorum(&conf.0[at], false, live)
                })
                .collect();
        }
        self.work_out(conf);
        (self.passing, self.adopts, self.sure) = (false, false, true);
        for (at, quorum) in self.quorum.iter().enumerate() {
            let view = director.service(ServiceId::at(at)).unwrap();
            assert_eq!((view.quorum, view.live), (*quorum, self.live(conf, at)), "{:?}", conf.0[at]);
            assert_eq!(self.told.get(&conf.0[at].identity), Some(quorum));
        }
        if self.blind {
            return;
        }
        for (key, (value, wanted)) in &self.wanted {
            let Some((is, dests)) = kernel.services.get(key) else { panic!("{key:?} is not there") };
            assert_eq!(is, self.services_set.get(key).unwrap_or(value), "{key:?}");
            for (dest, value) in wanted {
                let Some(is) = dests.get(dest) else { panic!("{key:?} {dest:?} is not there") };
                let by_hand = self.set.get(&(*key, *dest)).filter(|(_, then)| then == value);
                assert_eq!(is, by_hand.map_or(value, |(by_hand, _)| by_hand), "{key:?} {dest:?}");
            }
            for dest in dests.keys() {
                let known = wanted.contains_key(dest) || self.added.contains(&(*key, Some(*dest)));
                assert!(known, "{key:?} {dest:?} is there");
            }
        }
        for key in kernel.services.keys() {
            assert!(self.wanted.contains_key(key) || self.added.contains(&(*key, None)), "{key:?} is there");
        }
        let wanted = &self.wanted;
        self.set.retain(|(key, dest), (_, then)| {
            wanted.get(key).and_then(|(_, dests)| dests.get(dest)).is_some_and(|value| value == then)
        });
    }

    /// The daemon has stopped.
    pub(super) fn stopped(&mut self, conf: &Conf, how: Stop, facts: &[Fact], kernel: &Kernel) {
        let notified =
            facts.iter().filter(|fact| matches!(fact, Fact::ServiceStops { notify: true, .. })).count();
        let expected = conf
            .0
            .iter()
            .zip(&self.quorum)
            .filter(|(service, quorum)| service.params.omega && **quorum)
            .count();
        assert_eq!(notified, expected);
        if how == Stop::Keep {
            return;
        }
        for key in kernel.services.keys() {
            assert!(self.added.contains(&(*key, None)), "{key:?} is left");
        }
        self.added.retain(|(_, dest)| dest.is_none());
        self.blind = false;
    }

    /// The live weight of a service.
    fn live(&self, conf: &Conf, service: usize) -> u64 {
        self.servers(conf, service).iter().filter(|(up, _)| *up).map(|(_, weight)| u64::from(*weight)).sum()
    }

    /// Which servers of a service are up, and with which weight.
    fn servers(&self, conf: &Conf, service: usize) -> Vec<(bool, u32)> {
        let mut check: usize =
            conf.0[..service].iter().flat_map(|service| &service.reals).map(|real| real.checks.len()).sum();
        let mut all = Vec::new();
        for real in &conf.0[service].reals {
            let own = &self.checks[check..check + real.checks.len()];
            check += real.checks.len();
            let configured = i64::from(real.spec.weight);
            let weight: i64 = configured
                + own
                    .iter()
                    .map(|(_, weight)| match weight {
                        Weight::Configured => 0,
                        Weight::Set(weight) => i64::from(*weight) - configured,
                        Weight::Plus(more) => *more,
                    })
                    .sum::<i64>();
            all.push((own.iter().all(|(up, _)| *up), u32::try_from(weight.max(0)).unwrap()));
        }
        all
    }

    /// What is wanted, from the configuration and from what the checks said.
    fn work_out(&mut self, conf: &Conf) {
        let mut all = Wanted::new();
        for (at, service) in conf.0.iter().enumerate() {
            let servers = self.servers(conf, at);
            let Some(quorum) = self.quorum.get(at).copied() else { continue };
            let sorry_answers = !quorum && service.sorry.is_some();
            for key in keys(service) {
                if all.contains_key(&key) {
                    continue;
                }
                let mut dests: BTreeMap<DestKey, DestValue> = BTreeMap::new();
                let mut put = |addr, port, method, weight: Option<u32>| {
                    let Some(weight) = weight else { return };
                    let port = match (key, method) {
                        (ServiceKey::Address(_, _, own), Method::Nat) if port == 0 => own,
                        (_, Method::Nat) => port,
                        (ServiceKey::Address(_, _, own), _) => own,
                        _ => 0,
                    };
                    let value = DestValue { weight, method, upper: 0, lower: 0 };
                    let entry = dests.entry(DestKey { addr, port }).or_insert(value);
                    if entry.weight == 0 && weight > 0 {
                        *entry = value;
                    }
                };
                for (real, (up, weight)) in service.reals.iter().zip(&servers) {
                    let weight =
                        if *up && !sorry_answers { Some(*weight) } else { real.spec.inhibit.then_some(0) };
                    put(real.spec.addr, real.spec.port, real.spec.method, weight);
                }
                if let Some(sorry) = &service.sorry {
                    let weight = if sorry_answers { Some(1) } else { sorry.inhibit.then_some(0) };
                    put(sorry.addr, sorry.port, sorry.method, weight);
                }
                all.insert(key, (service.value, dests));
            }
        }
        self.wanted = all;
    }
}

fn names(conf: &Conf) -> Vec<u64> {
    conf.0.iter().map(|service| service.identity).collect()
}

/// Whether a service has quorum, by what it had and by the live weight.
fn has_quorum(service: &Service, had: bool, live: u64) -> bool {
    let total: u64 = service.reals.iter().map(|real| u64::from(real.spec.weight)).sum();
    let (quorum, hysteresis) = (u64::from(service.params.quorum), u64::from(service.params.hysteresis));
    live >= if had { quorum - hysteresis } else { (quorum + hysteresis).min(total) }
}

/// The first service of the file that has a key.
fn holder<'a>(conf: &'a Conf, key: &ServiceKey) -> Option<&'a Service> {
    conf.0.iter().find(|service| keys(service).contains(key))
}

/// The keys of a service.
fn keys(service: &Service) -> Vec<ServiceKey> {
    let protocol = service.protocol.unwrap_or(Protocol::Udp);
    match &service.listen {
        Where::Address(addr, port) => vec![ServiceKey::Address(protocol, *addr, *port)],
        Where::Mark(mark) => vec![ServiceKey::Mark(Family::V4, *mark)],
        Where::Group(entries, mark) => {
            let mut all = Vec::new();
            for entry in entries {
                if let Entry::Addresses { first: IpAddr::V4(first), last: IpAddr::V4(last), port } = entry {
                    match mark {
                        Some(mark) => all.push(ServiceKey::Mark(Family::V4, *mark)),
                        None => all.extend((first.to_bits()..=last.to_bits()).map(|bits| {
                            ServiceKey::Address(protocol, Ipv4Addr::from_bits(bits).into(), *port)
                        })),
                    }
                }
            }
            for entry in entries {
                if let Entry::Mark { mark, family } = entry {
                    all.push(ServiceKey::Mark(family.unwrap_or_default(), *mark));
                }
            }
            all
        }
    }
}

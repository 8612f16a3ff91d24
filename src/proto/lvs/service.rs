//! One service: which of its servers are up, with which weight, and whether it has quorum.
//!
//! A server is up unless one of its checks has failed. The live weight of a service is that of its servers that are up.
//! Quorum is lost below `quorum - hysteresis` and gained from `quorum + hysteresis` on, or from the weight of all
//! servers on if that is less: otherwise it could never be gained again.

use super::spec::RealSpec;
use super::{Fact, Params, Stop, Tell};
use crate::base::id::{CheckId, RealId, ServiceId};
use crate::proto::check::Weight;

/// All services with their servers and checks.
#[derive(Debug, Default)]
pub(super) struct Services {
    pub(super) services: Vec<Service>,
    pub(super) reals: Vec<Real>,
    pub(super) checks: Vec<Check>,
}

/// One service.
#[derive(Debug)]
pub(super) struct Service {
    /// Which one it is, through reloads.
    pub(super) identity: u64,
    pub(super) params: Params,
    pub(super) sorry: Option<RealSpec>,
    /// Its servers: the first one and how many.
    pub(super) first: u32,
    pub(super) count: u32,
    /// The configured weight of all servers.
    total: u64,
    /// The weight of those that are up.
    pub(super) live: u64,
    pub(super) phase: Phase,
    pub(super) quorum: bool,
    /// As for a server: of all of them, and of the sorry server.
    pub(super) unsettled: bool,
}

/// How far a service is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It has not started: nothing is wanted of it.
    Waits,
    /// It does what it is there for.
    Runs,
    /// It has stopped in this way: nothing is wanted of it any more.
    Stopped(Stop),
}

/// One real server.
#[derive(Debug)]
pub(super) struct Real {
    pub(super) spec: RealSpec,
    pub(super) service: u32,
    /// Its checks: the first one and how many.
    first: u32,
    pub(super) count: u32,
    /// The weight that it has while it is up.
    pub(super) weight: u32,
    /// The weight that an administrator has given it, which is stronger than the configuration and its checks.
    pub(super) by_hand: Option<u32>,
    pub(super) up: bool,
    /// A predecessor died before the kernel had carried out what it decided: what is in the table may be old.
    pub(super) unsettled: bool,
}

/// One check of a real server.
#[derive(Debug)]
pub(super) struct Check {
    pub(super) real: u32,
    pub(super) failed: bool,
    weight: Weight,
    pub(super) start: CheckStart,
}

/// How a check begins, in the terms of its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckStart {
    /// As the configuration has it.
    Fresh,
    /// It goes on where it was: nothing of it has changed.
    Known,
    /// It is new on a server that was there before and is up, and counts as passed until it has failed with all its
    /// retries: its first run does not take down what others hold up.
    Trusted,
    /// It is new on a server that is down, and counts as failed until it has passed. It runs at once, so that a check
    /// that was repaired helps.
    Failed,
}

/// What a transition asks of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) service: u32,
    /// The server that is in another state, or of another weight.
    pub(super) real: u32,
    /// The sorry server and the servers that are alive change places.
    pub(super) places: bool,
}

impl Services {
    /// Adds a service, which takes the servers that are added from now on.
    pub(super) fn add_service(
        &mut self,
        identity: u64,
        params: Params,
        sorry: Option<RealSpec>,
    ) -> ServiceId {
        let id = ServiceId::at(self.services.len());
        let first = position(self.reals.len());
        let (total, live, phase) = (0, 0, Phase::Waits);
        let (quorum, unsettled) = (false, false);
        let service =
            Service { identity, params, sorry, first, count: 0, total, live, phase, quorum, unsettled };
        self.services.push(service);
        id
    }

    /// Adds a server to the last service; it takes the checks that are added from now on.
    pub(super) fn add_real(&mut self, spec: RealSpec) -> RealId {
        let id = RealId::at(self.reals.len());
        let service = position(self.services.len().saturating_sub(1));
        if let Some(service) = self.services.last_mut() {
            service.count = service.count.saturating_add(1);
            service.total = service.total.saturating_add(u64::from(spec.weight));
        }
        let first = position(self.checks.len());
        let (weight, up, unsettled) = (spec.weight, true, false);
        let by_hand = None;
        self.reals.push(Real { spec, service, first, count: 0, weight, by_hand, up, unsettled });
        id
    }

    /// Adds a check to the last server; `alpha`: it counts as failed until it has succeeded.
    pub(super) fn add_check(&mut self, alpha: bool) -> CheckId {
        let id = CheckId::at(self.checks.len());
        let real = position(self.reals.len().saturating_sub(1));
        if let Some(real) = self.reals.last_mut() {
            real.count = real.count.saturating_add(1);
            real.up &= !alpha;
        }
        let (weight, start) = (Weight::Configured, CheckStart::Fresh);
        self.checks.push(Check { real, failed: alpha, weight, start });
        id
    }

    /// A service.
    pub(super) fn service(&self, service: u32) -> Option<&Service> {
        self.services.get(service as usize)
    }

    /// A real server.
    pub(super) fn real(&self, real: u32) -> Option<&Real> {
        self.reals.get(real as usize)
    }

    /// The servers of a service.
    pub(super) fn reals_of(&self, service: &Service) -> &[Real] {
        part(&self.reals, service.first, service.count)
    }

    /// The checks of a server.
    pub(super) fn checks_of(&self, real: &Real) -> &[Check] {
        part(&self.checks, real.first, real.count)
    }

    /// The ids of the checks of a server.
    pub(super) fn check_ids(real: &Real) -> impl Iterator<Item = CheckId> + use<> {
        (real.first..real.first.saturating_add(real.count)).map(CheckId)
    }

    /// The server of this number of a service, or its sorry server, which has the number after the last one.
    pub(super) fn spec<'a>(&'a self, service: &'a Service, local: u32) -> Option<&'a RealSpec> {
        if local == service.count {
            return service.sorry.as_ref();
        }
        self.reals_of(service).get(local as usize).map(|real| &real.spec)
    }

    /// The weight with which a server is to be in the table, or the sorry server; none if it is not to be there. This
    /// is the function of the results: it remembers nothing.
    pub(super) fn wanted(&self, service: &Service, local: u32) -> Option<u32> {
        if service.phase != Phase::Runs {
            return None;
        }
        if local == service.count {
            let sorry = service.sorry.as_ref()?;
            return if service.quorum { sorry.inhibit.then_some(0) } else { Some(sorry.weight) };
        }
        let real = self.reals_of(service).get(local as usize)?;
        // Who drains a server wants its connections to end in peace, whoever else serves.
        let drains = real.up && real.by_hand == Some(0);
        if drains {
            return Some(0);
        }
        let answers = real.up && (service.quorum || service.sorry.is_none());
        if answers { Some(real.weight) } else { real.spec.inhibit.then_some(0) }
    }

    /// Whether a server is up, by what its checks say now.
    pub(super) fn is_up(&self, real: &Real) -> bool {
        self.checks_of(real).iter().all(|check| !check.failed)
    }

    /// The weight of a server, by what its checks say now.
    pub(super) fn weight(&self, real: &Real) -> u32 {
        if let Some(weight) = real.by_hand {
            return weight;
        }
        let own = i64::from(real.spec.weight);
        let sum = self.checks_of(real).iter().fold(own, |sum, check| match check.weight {
            Weight::Configured => sum,
            Weight::Set(weight) => sum.saturating_add(i64::from(weight).saturating_sub(own)),
            Weight::Plus(more) => sum.saturating_add(more),
        });
        // The kernel's weights are of 31 bits.
        u32::try_from(sum.clamp(0, i64::from(i32::MAX))).unwrap_or(0)
    }

    /// A check has come to a verdict.
    pub(super) fn verdict(&mut self, check: CheckId, up: bool, tell: &mut Tell<'_>) -> Option<Change> {
        let check = self.checks.get_mut(check.index())?;
        check.failed = !up;
        let id = check.real;
        let real = self.real(id)?;
        let now = self.is_up(real);
        if now == real.up {
            return None;
        }
        let inhibit = real.spec.inhibit;
        self.alter(id, |real| real.up = now)?;
        tell(Fact::Real { real: RealId(id), up: now, inhibit });
        self.evaluated(id, tell)
    }

    /// A check changes the weight of its server.
    pub(super) fn weigh(&mut self, check: CheckId, weight: Weight, tell: &mut Tell<'_>) -> Option<Change> {
        let check = self.checks.get_mut(check.index())?;
        check.weight = weight;
        let id = check.real;
        self.reweigh(id, tell)
    }

    /// An administrator gives a server a weight, or takes it back. Before the services start nothing comes of it yet.
    pub(super) fn weigh_by_hand(
        &mut self,
        id: RealId,
        weight: Option<u32>,
        tell: &mut Tell<'_>,
    ) -> Option<Change> {
        self.reals.get_mut(id.index())?.by_hand = weight;
        self.reweigh(id.0, tell)
    }

    /// The weight of a server may be another one now.
    fn reweigh(&mut self, id: u32, tell: &mut Tell<'_>) -> Option<Change> {
        let real = self.real(id)?;
        let (from, to, active) = (real.weight, self.weight(real), real.up);
        if from == to {
            return None;
        }
        self.alter(id, |real| real.weight = to)?;
        tell(Fact::Weight { real: RealId(id), from, to, active });
        self.evaluated(id, tell)
    }

    /// Changes a server and with it the live weight of its service.
    fn alter(&mut self, real: u32, change: impl FnOnce(&mut Real)) -> Option<()> {
        let real = self.reals.get_mut(real as usize)?;
        let before = real.live();
        change(real);
        let service = self.services.get_mut(real.service as usize)?;
        service.live = service.live.saturating_sub(before).saturating_add(real.live());
        Some(())
    }

    /// Evaluates the service of a server that has changed.
    fn evaluated(&mut self, real: u32, tell: &mut Tell<'_>) -> Option<Change> {
        let service = self.real(real)?.service;
        let places = self.evaluate(service, tell);
        Some(Change { service, real, places })
    }

    /// Whether a service has gained or lost quorum, which is told; true if sorry server and servers change places.
    pub(super) fn evaluate(&mut self, id: u32, tell: &mut Tell<'_>) -> bool {
        let Some(service) = self.services.get_mut(id as usize) else { return false };
        if service.phase != Phase::Runs || service.quorum == service.has_quorum() {
            return false;
        }
        service.turn(id, !service.quorum, false, tell)
    }

    /// The first evaluation of a service, with the servers as they are now.
    pub(super) fn start(&mut self, id: ServiceId, tell: &mut Tell<'_>) {
        self.recount(id);
        let Some(service) = self.services.get_mut(id.index()) else { return };
        service.phase = Phase::Runs;
        let quorum = service.live >= service.gain();
        service.turn(id.0, quorum, true, tell);
    }

    /// A service begins where it was: nothing is told.
    pub(super) fn resume(&mut self, id: ServiceId, quorum: bool) {
        self.recount(id);
        if let Some(service) = self.services.get_mut(id.index()) {
            (service.phase, service.quorum) = (Phase::Runs, quorum);
        }
    }

    /// Works out anew what the checks of a service say.
    pub(super) fn recount(&mut self, id: ServiceId) {
        let Some(service) = self.services.get(id.index()) else { return };
        let (first, count) = (service.first, service.count);
        let mut live: u64 = 0;
        for id in first..first.saturating_add(count) {
            let Some(real) = self.real(id) else { continue };
            let (up, weight) = (self.is_up(real), self.weight(real));
            if let Some(real) = self.reals.get_mut(id as usize) {
                (real.up, real.weight) = (up, weight);
                live = live.saturating_add(real.live());
            }
        }
        if let Some(service) = self.services.get_mut(id.index()) {
            service.live = live;
        }
    }

    /// A service stops: first its servers are told, then itself.
    pub(super) fn stop(&mut self, id: ServiceId, how: Stop, tell: &mut Tell<'_>) {
        let Some(service) = self.services.get_mut(id.index()) else { return };
        let ran = core::mem::replace(&mut service.phase, Phase::Stopped(how)) == Phase::Runs;
        let (omega, quorum, first) = (service.params.omega && ran, service.quorum, service.first);
        let Some(service) = self.services.get(id.index()) else { return };
        for (real, number) in self.reals_of(service).iter().zip(first..) {
            tell(Fact::RealStops { real: RealId(number), notify: omega && real.up });
        }
        tell(Fact::ServiceStops { service: id, notify: omega && quorum });
    }

    /// Notes what a predecessor knew of a check.
    pub(super) fn set_check(&mut self, check: CheckId, failed: bool, weight: Weight, start: CheckStart) {
        if let Some(check) = self.checks.get_mut(check.index()) {
            (check.failed, check.weight, check.start) = (failed, weight, start);
        }
    }

    /// What is in the kernel of the server of a check may be older than what is known of it.
    pub(super) fn unsettle(&mut self, check: CheckId) {
        let real = self.checks.get(check.index()).map_or(u32::MAX, |check| check.real);
        if let Some(real) = self.reals.get_mut(real as usize) {
            real.unsettled = true;
        }
    }

    /// The same of all servers of a service, and of its sorry server.
    pub(super) fn unsettle_service(&mut self, id: ServiceId) {
        if let Some(service) = self.services.get_mut(id.index()) {
            service.unsettled = true;
        }
    }

    /// What is known of a check.
    pub(super) fn check(&self, check: CheckId) -> Option<(bool, Weight)> {
        let check = self.checks.get(check.index())?;
        Some((check.failed, check.weight))
    }
}

impl Real {
    /// What it adds to the live weight.
    fn live(&self) -> u64 {
        if self.up { u64::from(self.weight) } else { 0 }
    }
}

impl Service {
    /// The live weight from which on quorum is gained.
    fn gain(&self) -> u64 {
        let sum = u64::from(self.params.quorum).saturating_add(u64::from(self.params.hysteresis));
        sum.min(self.total)
    }

    /// The live weight below which quorum is lost.
    fn loss(&self) -> u64 {
        u64::from(self.params.quorum).saturating_sub(u64::from(self.params.hysteresis))
    }

    /// Whether it has quorum after what it had before.
    fn has_quorum(&self) -> bool {
        self.live >= if self.quorum { self.loss() } else { self.gain() }
    }

    /// Takes a new state of quorum and tells it; true if sorry server and servers change places.
    fn turn(&mut self, id: u32, up: bool, start: bool, tell: &mut Tell<'_>) -> bool {
        self.quorum = up;
        let service = ServiceId(id);
        let threshold = if up { self.gain() } else { self.loss() };
        tell(Fact::Quorum { service, up, start, threshold, live: self.live });
        let Some(sorry) = self.sorry else { return false };
        if !(start && up) {
            tell(Fact::Sorry { service, active: !up, inhibit: sorry.inhibit });
        }
        true
    }
}

/// A part of a list.
fn part<T>(all: &[T], first: u32, count: u32) -> &[T] {
    let from = first as usize;
    all.get(from..from.saturating_add(count as usize)).unwrap_or_default()
}

/// A position as ids have it.
pub(super) fn position(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

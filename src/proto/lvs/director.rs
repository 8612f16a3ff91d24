//! The director: services and table together, as the child holds them.

use super::carry::Same;
use super::facts::Tell;
use super::operation::{Pending, Refusal};
use super::service::{CheckStart, Phase, Services};
use super::spec::{RealSpec, ServiceSpec, SorrySpec, Stop};
use super::table::{Look, Table};
use super::values::{DestKey, DestValue, ServiceKey, ServiceValue};
use crate::base::id::{CheckId, RealId, ServiceId};
use crate::base::map::Map;
use crate::base::time::Instant;
use crate::proto::check::Weight;

/// All services of one configuration, and the table that they want.
///
/// Load time: `add_service`, `add_real` and `add_check` in the order of the file, then `seal`; then either `start` of
/// each service, with `resume_check` and `resume_service` before it if a predecessor left something, or `follow`. None
/// of the other calls allocates.
#[derive(Debug, Default)]
pub struct Director {
    services: Services,
    table: Table,
    /// Nothing is done to the kernel any more.
    kept: bool,
}

/// A service as status files show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceView {
    /// It has quorum.
    pub quorum: bool,
    /// The sorry server answers.
    pub sorry: bool,
    /// The weight of the servers that are up.
    pub live: u64,
    /// How many of them there are.
    pub up: u32,
}

/// A real server as status files show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealView {
    /// Its service.
    pub service: ServiceId,
    /// None of its checks has failed.
    pub up: bool,
    /// The weight that it has while it is up.
    pub weight: u32,
    /// The weight with which the table is to hold it; none: it is not to be there.
    pub wanted: Option<u32>,
    /// An administrator has given it this weight.
    pub by_hand: Option<u32>,
}

impl Director {
    /// Adds a service. Its real servers are those that are added before the next one.
    pub fn add_service(&mut self, spec: &ServiceSpec<'_>) -> ServiceId {
        self.table.add_service(spec);
        self.services.add_service(
            spec.identity,
            spec.params.clone(),
            spec.sorry.as_ref().map(SorrySpec::as_real),
        )
    }

    /// Adds a real server to the last service. Its checks are those that are added before the next one.
    pub fn add_real(&mut self, spec: &RealSpec) -> RealId {
        self.services.add_real(*spec)
    }

    /// Adds a check to the last real server; `alpha`: the server counts as down until it has succeeded.
    pub fn add_check(&mut self, alpha: bool) -> CheckId {
        self.services.add_check(alpha)
    }

    /// Everything has been added.
    pub fn seal(&mut self) {
        self.table.seal(&self.services);
    }

    /// A line of the state file that a predecessor left: this key is ours. Before the first dump is read.
    pub fn recorded(&mut self, key: ServiceKey, dest: Option<DestKey>) {
        self.table.recorded(key, dest);
    }

    /// What the state file is to hold from now on: every key that the configuration stands for, and what a reload has
    /// not removed yet ([`super::RecordWriter`]). It changes with reloads alone: it is written before the first operation of
    /// a start or a reload is pulled, and if something is given up ([`Self::gives_up`]) again when all have been carried out.
    pub fn owned(&self, each: &mut dyn FnMut(&ServiceKey, Option<&DestKey>)) {
        self.table.owned(&self.services, each);
    }

    /// Whether a part of what is ours is to leave: once it has, the state file is written again.
    #[must_use]
    pub fn gives_up(&self) -> bool {
        self.table.gives_up()
    }

    /// The whole table of the kernel is emptied before anything else (`lvs_flush`).
    pub fn flush(&mut self) {
        self.table.flush();
    }

    /// A service starts: its first evaluation.
    pub fn start(&mut self, id: ServiceId, tell: &mut Tell<'_>) {
        self.table.tell_limits(id, tell);
        self.services.start(id, tell);
        self.table.push_all(id.0);
    }

    /// What a predecessor left of a check ([`Self::check_word`]).
    pub fn resume_check(&mut self, id: CheckId, word: u64) {
        let (failed, weight, settled) = word_to_check(word);
        self.services.set_check(id, failed, weight, CheckStart::Known);
        if !settled {
            self.services.unsettle(id);
        }
    }

    /// A service goes on where a predecessor was ([`Self::service_word`]), in the place of [`Self::start`] and after all
    /// of its checks. Nothing is told but what has changed since then.
    pub fn resume_service(&mut self, id: ServiceId, word: u64, tell: &mut Tell<'_>) {
        self.services.resume(id, word & QUORUM != 0);
        if word & SETTLED == 0 {
            self.services.unsettle_service(id);
        }
        self.services.evaluate(id.0, tell);
        self.table.push_all(id.0);
    }

    /// What a successor is to know of a check; `settled`: the kernel has carried out what the last verdict asked for.
    /// It is noted twice, before the operations are pulled and after they have been carried out.
    #[must_use]
    pub fn check_word(&self, id: CheckId, settled: bool) -> u64 {
        self.services.check(id).map_or(0, |(failed, weight)| check_to_word(failed, weight, settled))
    }

    /// What a successor is to know of a service; noted as that of a check is, and not settled while a reload goes on.
    #[must_use]
    pub fn service_word(&self, id: ServiceId, settled: bool) -> u64 {
        let quorum = self.services.service(id.0).is_some_and(|service| service.quorum);
        let quorum = if quorum { QUORUM } else { 0 };
        quorum | if settled { SETTLED } else { 0 }
    }

    /// A reload: `self` is the new configuration, sealed. What is alike in `old` goes on; facts about what is not there
    /// any more have the ids of `old`. `same` says whether an old check and a new one are defined alike; `pause` is
    /// called between the services. All that was pulled from `old` has been answered.
    pub fn follow(
        &mut self,
        old: &mut Self,
        same: &mut Same<'_>,
        pause: &mut dyn FnMut(),
        tell: &mut Tell<'_>,
    ) {
        let pairs = self.pairs(old);
        let mut goes_on = vec![false; old.services.services.len()];
        for id in pairs.iter().flatten() {
            if let Some(goes_on) = goes_on.get_mut(id.index()) {
                *goes_on = true;
            }
        }
        for (id, _) in (0..).map(ServiceId).zip(goes_on).filter(|(_, goes_on)| !goes_on) {
            pause();
            old.services.tell_gone(id, tell);
        }
        for (id, before) in (0..).map(ServiceId).zip(pairs) {
            pause();
            self.table.tell_limits(id, tell);
            match before {
                Some(before) => self.services.carry(id, &old.services, before, same, tell),
                None => self.services.start(id, tell),
            }
        }
        self.table.inherit(&self.services, &mut old.table, &old.services, pause);
        for id in 0..super::service::position(self.services.services.len()) {
            self.table.push_all(id);
        }
    }

    /// The old service that each new one continues: that of the same identity, or else the one that held its first key.
    fn pairs(&self, old: &Self) -> Vec<Option<ServiceId>> {
        let mut free: Map<u64, Vec<ServiceId>> = Map::new();
        for (at, service) in old.services.services.iter().enumerate().rev() {
            free.change(service.identity, |same| same.push(ServiceId::at(at)));
        }
        let mut pairs: Vec<Option<ServiceId>> = Vec::new();
        let mut used = vec![false; old.services.services.len()];
        for service in &self.services.services {
            let found = free.get_mut(&service.identity).and_then(Vec::pop);
            if let Some(used) = found.and_then(|id| used.get_mut(id.index())) {
                *used = true;
            }
            pairs.push(found);
        }
        for (pair, id) in pairs.iter_mut().zip((0..).map(ServiceId)).filter(|(pair, _)| pair.is_none()) {
            let before = self.table.first_key(id).and_then(|key| old.table.holder_service(&key));
            *pair = before
                .filter(|id| used.get_mut(id.index()).is_some_and(|used| !core::mem::replace(used, true)));
        }
        pairs
    }

    /// How a check begins after a start or a reload.
    #[must_use]
    pub fn check_start(&self, id: CheckId) -> CheckStart {
        self.services.checks.get(id.index()).map_or(CheckStart::Fresh, |check| check.start)
    }

    /// A check has come to a verdict. At most four facts: the server, the quorum of its service, the sorry server.
    pub fn verdict(&mut self, id: CheckId, up: bool, tell: &mut Tell<'_>) {
        if let Some(change) = self.services.verdict(id, up, tell) {
            self.table.changed(&self.services, change);
        }
    }

    /// A check changes the weight of its server.
    pub fn weigh(&mut self, id: CheckId, weight: Weight, tell: &mut Tell<'_>) {
        if let Some(change) = self.services.weigh(id, weight, tell) {
            self.table.changed(&self.services, change);
        }
    }

    /// An administrator gives a server a weight that is stronger than the configuration and its checks, or takes it back.
    /// Before the services start, or are carried over, it is only noted.
    pub fn weigh_by_hand(&mut self, id: RealId, weight: Option<u32>, tell: &mut Tell<'_>) {
        if let Some(change) = self.services.weigh_by_hand(id, weight, tell) {
            self.table.changed(&self.services, change);
        }
    }

    /// The next operation on the kernel's table. Pull as many as fit into one message, carry them out in their order,
    /// give all refusals back, and pull on. What was pulled counts as carried out unless it is refused. None may come
    /// before all is done, so that the loop of the child can go on: [`Self::is_settled`] says whether it is.
    pub fn pull(&mut self) -> Option<Pending> {
        if self.kept {
            return None;
        }
        self.table.pull(&self.services)
    }

    /// The kernel has refused an operation.
    pub fn refused(&mut self, now: Instant, pending: &Pending, refusal: Refusal, tell: &mut Tell<'_>) {
        self.table.refused(&self.services, now, pending, refusal, tell);
    }

    /// Whether there is nothing to pull.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.kept || self.table.is_settled()
    }

    /// A dump of the kernel's table begins.
    pub fn look(&mut self, look: Look) {
        self.table.look(look);
    }

    /// It has a service.
    pub fn seen_service(&mut self, key: &ServiceKey, value: &ServiceValue) {
        self.table.seen_service(&self.services, key, value);
    }

    /// It has a destination of a service that came before.
    pub fn seen_dest(&mut self, key: &ServiceKey, dest: &DestKey, value: &DestValue) {
        self.table.seen_dest(&self.services, key, dest, value);
    }

    /// It has been read to its end. A dump that was interrupted is begun again with [`Self::look`].
    pub fn look_end(&mut self, now: Instant, tell: &mut Tell<'_>) {
        self.table.look_end(&self.services, now, tell);
    }

    /// A service stops with the daemon.
    pub fn stop(&mut self, id: ServiceId, how: Stop, tell: &mut Tell<'_>) {
        self.services.stop(id, how, tell);
        self.kept |= how == Stop::Keep;
        self.table.push_all(id.0);
    }

    /// The service that holds a key of the kernel.
    #[must_use]
    pub fn holder(&self, key: &ServiceKey) -> Option<ServiceId> {
        self.table.holder_service(key)
    }

    /// The server that has a destination of the kernel now, or would have it; none: nobody, or the sorry server.
    #[must_use]
    pub fn server(&self, key: &ServiceKey, dest: &DestKey) -> Option<RealId> {
        let (id, local) = self.destination(key, dest)?;
        let service = self.services.service(id.0)?;
        (local < service.count).then_some(RealId(service.first.saturating_add(local)))
    }

    /// The same by the service and the position of the server in it: the sorry server stands behind the last one.
    #[must_use]
    pub fn destination(&self, key: &ServiceKey, dest: &DestKey) -> Option<(ServiceId, u32)> {
        let id = self.table.holder_service(key)?;
        let local = self.table.local(&self.services, self.services.service(id.0)?, key, *dest)?;
        Some((id, local))
    }

    /// The key of the kernel at a position among those of all services; none: there are fewer. The inner one is none where
    /// another service holds that key.
    #[must_use]
    pub fn key_at(&self, position: usize) -> Option<Option<ServiceKey>> {
        self.table.key_at(position)
    }

    /// The keys of the kernel that a service holds, in the order of the operations.
    pub fn keys(&self, id: ServiceId) -> impl Iterator<Item = ServiceKey> {
        self.table.keys(id)
    }

    /// How many services there are.
    #[must_use]
    pub fn services(&self) -> usize {
        self.services.services.len()
    }

    /// A service.
    #[must_use]
    pub fn service(&self, id: ServiceId) -> Option<ServiceView> {
        let service = self.services.service(id.0)?;
        let up = self.services.reals_of(service).iter().filter(|real| real.up).count();
        Some(ServiceView {
            quorum: service.quorum,
            sorry: service.sorry.is_some() && !service.quorum && service.phase == Phase::Runs,
            live: service.live,
            up: super::service::position(up),
        })
    }

    /// A real server.
    #[must_use]
    pub fn real(&self, id: RealId) -> Option<RealView> {
        let real = self.services.real(id.0)?;
        let service = self.services.service(real.service)?;
        Some(RealView {
            service: ServiceId(real.service),
            up: real.up,
            weight: real.weight,
            wanted: self.services.wanted(service, id.0.saturating_sub(service.first)),
            by_hand: real.by_hand,
        })
    }

    /// The ids of the real servers of a service.
    pub fn reals(&self, id: ServiceId) -> impl Iterator<Item = RealId> + use<> {
        let bounds = self
            .services
            .service(id.0)
            .map_or(0..0, |service| service.first..service.first.saturating_add(service.count));
        bounds.map(RealId)
    }

    /// How many checks of a real server have failed.
    #[must_use]
    pub fn failed_checks(&self, id: RealId) -> usize {
        let failed = |id: &CheckId| self.services.check(*id).is_some_and(|(failed, _)| failed);
        self.checks(id).filter(failed).count()
    }

    /// A check has come to its first result.
    pub fn ran(&mut self, id: CheckId) {
        if let Some(check) = self.services.checks.get_mut(id.index()) {
            check.start = CheckStart::Known;
        }
    }

    /// How many checks of a real server have no result yet.
    #[must_use]
    pub fn checks_not_run(&self, id: RealId) -> usize {
        self.checks(id).filter(|id| self.check_start(*id) != CheckStart::Known).count()
    }

    /// The ids of the checks of a real server.
    pub fn checks(&self, id: RealId) -> impl Iterator<Item = CheckId> + use<> {
        self.services.real(id.0).map(Services::check_ids).into_iter().flatten()
    }
}

/// Bits of a word: it failed, it is settled, what it does to the weight, and from bit 8 on the weight.
const FAILED: u64 = 1;
/// Of a service: it has quorum.
const QUORUM: u64 = 1;
const SETTLED: u64 = 2;
const IS: u64 = 4;
const PLUS: u64 = 8;

fn check_to_word(failed: bool, weight: Weight, settled: bool) -> u64 {
    let flags = if failed { FAILED } else { 0 } | if settled { SETTLED } else { 0 };
    flags
        | match weight {
            Weight::Configured => 0,
            Weight::Set(weight) => IS | u64::from(weight) << 8,
            // More than 55 bits are more than any weight.
            Weight::Plus(more) => PLUS | more.clamp(-MOST, MOST).cast_unsigned() << 8,
        }
}

fn word_to_check(word: u64) -> (bool, Weight, bool) {
    let weight = if word & IS != 0 {
        Weight::Set(u8::try_from(word >> 8).unwrap_or(u8::MAX))
    } else if word & PLUS != 0 {
        Weight::Plus(word.cast_signed() >> 8)
    } else {
        Weight::Configured
    };
    (word & FAILED != 0, weight, word & SETTLED != 0)
}

/// The largest number that a word holds.
const MOST: i64 = (1 << 55) - 1;

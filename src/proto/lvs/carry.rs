//! A reload: what of the old services goes on in the new ones.
//!
//! One reload is one evaluation: a service that has quorum before and after it tells nothing, whichever servers came and
//! went.

use super::service::{CheckStart, Phase, Real, Service, Services};
use super::{Fact, Tell};
use crate::base::addr::IpAddr;
use crate::base::id::{CheckId, RealId, ServiceId};

/// Says whether an old check and a new one are defined alike.
pub type Same<'a> = dyn FnMut(CheckId, CheckId) -> bool + 'a;

/// The servers of one service by address and port, for a search.
type ByKey = Vec<((IpAddr, u16), u32)>;

impl Services {
    /// Carries an old service over into a new one, which runs from then on.
    pub(super) fn carry(
        &mut self,
        id: ServiceId,
        olds: &Self,
        old_id: ServiceId,
        same: &mut Same<'_>,
        tell: &mut Tell<'_>,
    ) {
        let Some(old) = olds.service(old_id.0) else { return };
        let Some(service) = self.service(id.0) else { return };
        if old.phase != Phase::Runs {
            return self.start(id, tell);
        }
        let (first, count) = (service.first, service.count);
        let before = by_key(olds, old);
        let mut stays = vec![false; before.len()];
        let mut changes = Vec::new();
        for number in first..first.saturating_add(count) {
            let Some(real) = self.real(number) else { continue };
            let Ok(at) = before.binary_search_by_key(&key(real), |(key, _)| *key) else { continue };
            let found = before.get(at).and_then(|(_, number)| olds.real(*number));
            if let (Some(old), Some(stays)) = (found, stays.get_mut(at)) {
                *stays = true;
                changes.push((number, old.up, old.weight));
                self.carry_checks(number, olds, old, same);
            }
        }
        let gone = before.iter().zip(stays).filter(|(_, stays)| !stays);
        let mut gone: Vec<u32> = gone.map(|((_, number), _)| *number).collect();
        gone.sort_unstable();
        for number in gone {
            if let Some(real) = olds.real(number) {
                tell(Fact::RealGone { real: RealId(number), up: real.up });
            }
        }
        self.resume(id, old.quorum);
        for (number, up, weight) in changes {
            let Some(real) = self.real(number) else { continue };
            let (now, to, id) = (real.up, real.weight, RealId(number));
            if weight != to {
                tell(Fact::Weight { real: id, from: weight, to, active: now });
            }
            if up != now {
                tell(Fact::Real { real: id, up: now, inhibit: real.spec.inhibit });
            }
        }
        self.evaluate(id.0, tell);
    }

    /// A server that was there before goes on with the checks that have not changed. Others begin as the server was: one
    /// that was down stays down until they succeed, one that was up stays up until they have failed.
    fn carry_checks(&mut self, number: u32, olds: &Self, old: &Real, same: &mut Same<'_>) {
        let Some(real) = self.real(number) else { return };
        let mut before: Vec<CheckId> = Self::check_ids(old).collect();
        for check in Self::check_ids(real) {
            let known = before.iter().position(|old| same(*old, check));
            let known = known.map(|at| before.remove(at)).and_then(|old| olds.check(old));
            let (failed, weight, start) = match known {
                Some((failed, weight)) => (failed, weight, CheckStart::Known),
                None if old.up => (false, Default::default(), CheckStart::Trusted),
                None => (true, Default::default(), CheckStart::Failed),
            };
            self.set_check(check, failed, weight, start);
        }
    }

    /// An old service that has no successor is told, with its servers.
    pub(super) fn tell_gone(&self, id: ServiceId, tell: &mut Tell<'_>) {
        let Some(service) = self.service(id.0).filter(|service| service.phase == Phase::Runs) else { return };
        for (real, number) in self.reals_of(service).iter().zip(service.first..) {
            tell(Fact::RealGone { real: RealId(number), up: real.up });
        }
        tell(Fact::ServiceGone { service: id, quorum: service.quorum });
    }
}

fn key(real: &Real) -> (IpAddr, u16) {
    (real.spec.addr, real.spec.port)
}

fn by_key(services: &Services, service: &Service) -> ByKey {
    let reals = services.reals_of(service).iter();
    let mut all: ByKey = reals.zip(service.first..).map(|(real, number)| (key(real), number)).collect();
    all.sort_unstable();
    all
}

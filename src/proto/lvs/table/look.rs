//! A dump of the kernel's table, compared with what this director put there.
//!
//! What it did not put there and what nobody wants stays. What it put there stays as somebody else may have set it.

use super::{Claim, Closing, HOLDS, Leaving, REFUSED, SEEN, SET, SORRY, STALE, TOUCHED, Table, is_alike};
use crate::base::time::Instant;
use crate::proto::lvs::facts::{Fact, Tell};
use crate::proto::lvs::service::{Phase, Service, Services};
use crate::proto::lvs::spec::dest_key;
use crate::proto::lvs::values::{DestKey, DestValue, ServiceKey, ServiceValue};

/// When the kernel's table is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// At a start, before anything is pulled: what a predecessor left under the keys of the configuration is taken over
    /// and set to what the file says; what the state file says was ours and nobody wants any more is removed.
    Start,
    /// At the start of a process that goes on where another one died: the same, but what is wanted counts as set,
    /// whatever it is set to, unless its server is unsettled.
    Resume,
    /// Later, at a reload or from time to time: what is missing is put back.
    Running,
}

impl Table {
    /// A dump is about to be read. Operations may be pulled meanwhile.
    pub(in crate::proto::lvs) fn look(&mut self, look: Look) {
        for member in &mut self.members {
            member.flags &= !(SEEN | TOUCHED);
        }
        for entry in &mut self.entries {
            entry.flags &= !(SEEN | TOUCHED);
        }
        self.recorded.sort_unstable();
        self.looking = Some(look);
    }

    /// The dump has a service.
    pub(in crate::proto::lvs) fn seen_service(
        &mut self,
        services: &Services,
        key: &ServiceKey,
        value: &ServiceValue,
    ) {
        let Some(look) = self.looking else { return };
        let Some(number) = self.holder(key) else {
            if self.is_recorded(*key, None) {
                self.closing.push(Closing { key: *key, dest: None, value: None });
            }
            return;
        };
        let Some(member) = self.members.get_mut(number as usize) else { return };
        member.flags = (member.flags | SEEN) & !REFUSED;
        if member.flags & (SET | TOUCHED) != 0 {
            return;
        }
        let Some(list) = self.lists.get(member.service as usize) else { return };
        member.flags |= SET;
        let settled = services.service(member.service).is_some_and(|service| !service.unsettled);
        if !(look == Look::Resume && settled) && *value != list.value.of_family(key.family()) {
            member.flags |= STALE;
        }
        let id = member.service;
        self.push_service(id);
    }

    /// The dump has a destination of a service. The service came before it.
    pub(in crate::proto::lvs) fn seen_dest(
        &mut self,
        services: &Services,
        key: &ServiceKey,
        dest: &DestKey,
        value: &DestValue,
    ) {
        let (Some(look), Some(number)) = (self.looking, self.holder(key)) else { return };
        let Some(id) = self.members.get(number as usize).map(|member| member.service) else { return };
        let Some(service) = services.service(id) else { return };
        let Some(claim) = self.claim(services, service, number, *dest) else {
            if self.is_recorded(*key, Some(*dest)) {
                self.leaving.push(Leaving { service: id, member: number, dest: *dest, value: None });
            }
            return;
        };
        let Some(entry) = self.entry(number, claim.entry) else { return };
        entry.flags = (entry.flags | SEEN) & !REFUSED;
        if entry.flags & (SET | TOUCHED) != 0 || look == Look::Running && claim.wanted.is_none() {
            return;
        }
        let settled = look == Look::Resume && is_settled(services, service, &claim);
        // One that no server has can only have been the sorry server's.
        let sorry = claim.entry == service.count && value.weight > 0;
        self.adopt(services, service, number, &claim, value, sorry);
        if let (true, Some((_, weight)), Some(entry)) =
            (settled, claim.wanted, self.entry(number, claim.entry))
        {
            entry.weight = weight;
            entry.flags &= !STALE;
        }
        self.push_entry(number, claim.entry);
    }

    /// A destination is in the kernel, set to this; `sorry`: the sorry server answers by it.
    pub(super) fn adopt(
        &mut self,
        services: &Services,
        service: &Service,
        number: u32,
        claim: &Claim,
        value: &DestValue,
        sorry: bool,
    ) {
        let by = claim.wanted.map_or(claim.entry, |(by, _)| by);
        let alike = services.spec(service, by).is_some_and(|spec| is_alike(value, spec));
        // Or it is to answer by it.
        let sorry = sorry || claim.wanted.is_some_and(|(by, weight)| by == service.count && weight > 0);
        if let Some(entry) = self.entry(number, claim.entry) {
            (entry.weight, entry.by) = (value.weight, by);
            entry.flags = (entry.flags | SET) & !(STALE | SORRY);
            entry.flags |= if alike { 0 } else { STALE } | if sorry { SORRY } else { 0 };
        }
    }

    /// The dump has been read to its end.
    pub(in crate::proto::lvs) fn look_end(&mut self, services: &Services, now: Instant, tell: &mut Tell<'_>) {
        let Some(look) = self.looking.take() else { return };
        self.recorded = Vec::new();
        if look != Look::Running {
            self.arrange();
        }
        for number in 0..super::position(self.members.len()) {
            let Some(member) = self.members.get(number as usize) else { continue };
            let (flags, id) = (member.flags, member.service);
            let Some(service) = services.service(id).filter(|service| service.phase == Phase::Runs) else {
                continue;
            };
            if look != Look::Running {
                self.push_all(id);
                continue;
            }
            if flags & HOLDS == 0 || flags & TOUCHED != 0 {
                continue;
            }
            if flags & SET == 0 {
                // Refused or left alone before.
                let key = member.key;
                if self.may_put_back(now, number, key, tell) {
                    self.push_all(id);
                }
            } else if flags & SEEN == 0 {
                self.missing(services, now, number, tell);
            } else {
                self.missing_dests(services, service, now, number, tell);
            }
        }
    }

    /// Destinations of a member that somebody else has deleted are put back, all for one piece of its allowance, and
    /// what was refused before is tried again.
    fn missing_dests(
        &mut self,
        services: &Services,
        service: &Service,
        now: Instant,
        number: u32,
        tell: &mut Tell<'_>,
    ) {
        let Some(key) = self.members.get(number as usize).map(|member| member.key) else { return };
        let mut allowed = None;
        for local in 0..=service.count {
            // Most are as they should be.
            let flags = self.entry(number, local).map_or(0, |entry| entry.flags);
            if flags & TOUCHED != 0 || flags & (SET | SEEN) == SET | SEEN {
                continue;
            }
            let Some(dest) = services.spec(service, local).map(|spec| dest_key(&key, spec)) else { continue };
            let Some(claim) = self.claim(services, service, number, dest) else { continue };
            let Some(entry) = self.entry(number, local) else { continue };
            let set = entry.flags & SET != 0;
            let missing = if set { entry.flags & SEEN == 0 } else { claim.wanted.is_some() };
            // Another server has the entry.
            if !missing || claim.entry != local {
                continue;
            }
            entry.flags &= !(SET | STALE);
            if claim.wanted.is_none() {
                continue;
            }
            if *allowed.get_or_insert_with(|| self.may_put_back(now, number, key, tell)) {
                if set {
                    tell(Fact::PutBack { key, dest: Some(dest) });
                }
                self.push_entry(number, local);
            }
        }
    }

    fn is_recorded(&self, key: ServiceKey, dest: Option<DestKey>) -> bool {
        self.recorded.binary_search(&(key, dest)).is_ok()
    }
}

/// Whether what is in the kernel follows from what is known of the server that has the destination.
fn is_settled(services: &Services, service: &Service, claim: &Claim) -> bool {
    let local = claim.wanted.map_or(claim.entry, |(by, _)| by);
    let real = services.reals_of(service).get(local as usize);
    claim.wanted.is_some() && !service.unsettled && real.is_none_or(|real| !real.unsettled)
}

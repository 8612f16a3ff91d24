//! After a reload: what the old configuration had put into the kernel is found under the keys of the new one, or leaves.

use super::{Closing, HOLDS, Leaving, SET, SORRY, STALE, TOLD, Table};
use crate::proto::lvs::service::{Service, Services};
use crate::proto::lvs::spec::dest_key;
use crate::proto::lvs::values::{DestKey, DestValue, Method, ServiceValue};

/// A destination that an old configuration had put into the kernel.
struct Had {
    dest: DestKey,
    /// What it was set to, if that is known.
    value: Option<DestValue>,
    /// The sorry server answered by it.
    sorry: bool,
}

impl Table {
    /// Takes over what `old` holds. For load time; `pause` is called between the services.
    pub(in crate::proto::lvs) fn inherit(
        &mut self,
        services: &Services,
        old: &mut Self,
        olds: &Services,
        pause: &mut dyn FnMut(),
    ) {
        for (list, service) in old.lists.iter().zip(&olds.services) {
            pause();
            let first = list.first..list.first.saturating_add(list.members);
            let is_set = |number: &u32| {
                old.members
                    .get(*number as usize)
                    .is_some_and(|member| member.flags & (HOLDS | SET) == HOLDS | SET)
            };
            let mut ending = Vec::new();
            for number in first.filter(is_set) {
                let Some(member) = old.members.get(number as usize) else { continue };
                let Some(holder) = self.holder(&member.key) else {
                    ending.push(number);
                    continue;
                };
                let before = list.value.of_family(member.key.family());
                self.take(holder, member.flags & STALE != 0, |own| {
                    before == own.of_family(member.key.family())
                });
                if let Some(own) = self.members.get_mut(holder as usize) {
                    own.put_back = member.put_back;
                    own.flags |= member.flags & TOLD;
                }
                for local in 0..=service.count {
                    if let Some(had) = old.had(olds, service, number, local) {
                        self.place(services, holder, &had);
                    }
                }
            }
            self.end(old, olds, service, &ending);
        }
        for (leaving, number) in old.leaving.iter().zip(0_u32..) {
            let left = old.lists.get(leaving.service as usize).is_some_and(|list| list.left > number);
            let key = old.members.get(leaving.member as usize).map(|member| member.key).filter(|_| !left);
            if let Some(holder) = key.and_then(|key| self.holder(&key)) {
                let Leaving { dest, value, .. } = *leaving;
                self.place(services, holder, &Had { dest, value, sorry: false });
            }
        }
        for closing in old.closing.get(old.closed..).unwrap_or_default() {
            let Closing { key, dest, value } = *closing;
            match (self.holder(&key), dest) {
                (None, _) => self.closing.push(*closing),
                (Some(holder), None) => self.take(holder, true, |_| false),
                (Some(holder), Some(dest)) => {
                    self.place(services, holder, &Had { dest, value, sorry: false })
                }
            }
        }
        self.recorded = core::mem::take(&mut old.recorded);
        self.flush = old.flush;
        self.arrange();
    }

    /// A key of the old configuration that this one has too is in the kernel.
    fn take(&mut self, holder: u32, stale: bool, same: impl FnOnce(&ServiceValue) -> bool) {
        let Some(member) = self.members.get_mut(holder as usize) else { return };
        let same = self.lists.get(member.service as usize).is_some_and(|list| same(&list.value));
        member.flags |= SET;
        if stale || !same {
            member.flags |= STALE;
        }
    }

    /// A destination of a member, if it is in the kernel.
    fn had(&self, services: &Services, service: &Service, number: u32, local: u32) -> Option<Had> {
        let member = self.members.get(number as usize)?;
        let entry = self.entries.get(member.entries.saturating_add(local) as usize)?;
        let spec = services.spec(service, local).filter(|_| entry.flags & SET != 0)?;
        let by = services.spec(service, entry.by).filter(|_| entry.flags & STALE == 0);
        let value = by.map(|by| by.value(entry.weight));
        Some(Had { dest: dest_key(&member.key, spec), value, sorry: entry.flags & SORRY != 0 })
    }

    /// A destination under a key that this configuration has is in the kernel.
    fn place(&mut self, services: &Services, holder: u32, had: &Had) {
        let Some(id) = self.members.get(holder as usize).map(|member| member.service) else { return };
        let Some(service) = services.service(id) else { return };
        let Had { dest, value, sorry } = *had;
        let Some(claim) = self.claim(services, service, holder, dest) else {
            self.leaving.push(Leaving { service: id, member: holder, dest, value });
            return;
        };
        self.adopt(services, service, holder, &claim, value.as_ref().unwrap_or(&UNKNOWN), sorry);
        if let Some(entry) = self.entry(holder, claim.entry).filter(|_| value.is_none()) {
            entry.flags |= STALE;
        }
    }

    /// The keys of a service that this configuration does not have leave as at a stop, each with its destinations. These
    /// are noted for a reload that wants the key again before it has left.
    fn end(&mut self, old: &Self, olds: &Services, service: &Service, ending: &[u32]) {
        for number in ending {
            let Some(key) = old.members.get(*number as usize).map(|member| member.key) else { continue };
            self.closing.push(Closing { key, dest: None, value: None });
            for local in 0..=service.count {
                if let Some(Had { dest, value, .. }) = old.had(olds, service, *number, local) {
                    self.closing.push(Closing { key, dest: Some(dest), value });
                }
            }
        }
    }
}

/// What a destination is set to of which only the key is known: it is stale anyhow.
const UNKNOWN: DestValue = DestValue { weight: 0, method: Method::Nat, upper: 0, lower: 0 };

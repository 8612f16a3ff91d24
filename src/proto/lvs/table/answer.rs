//! The kernel refused an operation: its table is not what was believed.
//!
//! What is there already is taken over; what somebody else deleted is put back, within an allowance; what has another
//! reason is told, and tried again when something asks for the same once more: a verdict, a reload, a dump. What was to be
//! added and is refused again is told no more until a dump has shown it.

use super::{Closing, HOLDS, REFUSED, SET, STALE, TOLD, Table};
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::proto::lvs::facts::{Fact, Tell};
use crate::proto::lvs::operation::{Operation, Pending, Refusal};
use crate::proto::lvs::service::{Phase, Services};
use crate::proto::lvs::values::ServiceKey;

impl Table {
    /// Takes a refusal. All refusals of what was pulled come before anything else is pulled.
    pub(in crate::proto::lvs) fn refused(
        &mut self,
        services: &Services,
        now: Instant,
        pending: &Pending,
        refusal: Refusal,
        tell: &mut Tell<'_>,
    ) {
        let (key, dest) = match pending.operation {
            Operation::Flush => return,
            Operation::NewService(key, _) | Operation::SetService(key, _) | Operation::DelService(key) => {
                (key, None)
            }
            Operation::NewDest(key, dest, _)
            | Operation::SetDest(key, dest, _)
            | Operation::DelDest(key, dest) => (key, Some(dest)),
        };
        let Some(number) = pending.member else {
            match refusal {
                // What was to be removed is not there: so be it.
                Refusal::Exists | Refusal::NoService | Refusal::NoDest => {}
                Refusal::Unknown => self.closing.push(Closing { key, dest, value: None }),
                Refusal::Other(errno) => tell(Fact::Refused { key, dest, errno }),
            }
            return;
        };
        match (pending.operation, refusal) {
            (_, Refusal::Unknown) => self.again(number, pending),
            (Operation::Flush, _) | (Operation::DelService(_), Refusal::NoService | Refusal::NoDest) => {}
            (Operation::NewService(..), Refusal::Exists) => self.reopen(number),
            (Operation::NewService(..), _) => {
                // Its destinations fail with it and are not tried again before it is.
                self.clear(number);
                if self.members.get_mut(number as usize).is_some_and(|member| is_news(&mut member.flags)) {
                    tell(Fact::Refused { key, dest, errno: number_of(refusal) });
                }
            }
            (Operation::SetService(..) | Operation::DelDest(..), Refusal::NoService) => {
                self.missing(services, now, number, tell);
            }
            (Operation::SetService(..), _) => {
                if let Some(member) = self.members.get_mut(number as usize) {
                    member.flags |= STALE;
                }
                tell(Fact::Refused { key, dest, errno: number_of(refusal) });
            }
            (Operation::DelService(_), _) => tell(Fact::Refused { key, dest, errno: number_of(refusal) }),
            (Operation::NewDest(..) | Operation::SetDest(..), Refusal::NoService) => {
                self.unset(number, pending.local);
                self.missing(services, now, number, tell);
            }
            (Operation::NewDest(..), Refusal::Exists) => {
                // Somebody else has added it: from now on it is ours, and what the file says.
                if let Some(entry) = self.entry(number, pending.local) {
                    entry.flags |= SET | STALE;
                }
                self.push_entry(number, pending.local);
            }
            (Operation::SetDest(..), Refusal::NoDest) => {
                self.unset(number, pending.local);
                if self.may_put_back(now, number, key, tell) {
                    tell(Fact::PutBack { key, dest });
                    self.push_entry(number, pending.local);
                }
            }
            (Operation::DelDest(..), Refusal::NoDest) => {}
            (Operation::NewDest(..), _) => {
                self.unset(number, pending.local);
                if self.entry(number, pending.local).is_some_and(|entry| is_news(&mut entry.flags)) {
                    tell(Fact::Refused { key, dest, errno: number_of(refusal) });
                }
            }
            (Operation::SetDest(..) | Operation::DelDest(..), _) => {
                if let Some(entry) = self.entry(number, pending.local) {
                    entry.flags |= SET | STALE;
                }
                tell(Fact::Refused { key, dest, errno: number_of(refusal) });
            }
        }
    }

    /// Whether an operation was carried out is not known: it is asked for again, and the kernel's refusal will say.
    fn again(&mut self, number: u32, pending: &Pending) {
        let Some(member) = self.members.get_mut(number as usize) else { return };
        let (service, key) = (member.service, member.key);
        match pending.operation {
            Operation::NewService(..) => {
                self.clear(number);
                self.push_all(service);
            }
            Operation::DelService(_) => self.closing.push(Closing { key, dest: None, value: None }),
            Operation::SetService(..) => self.reopen(number),
            Operation::NewDest(..) => {
                self.unset(number, pending.local);
                self.push_entry(number, pending.local);
            }
            Operation::SetDest(..) | Operation::DelDest(..) => {
                if let Some(entry) = self.entry(number, pending.local) {
                    entry.flags |= SET | STALE;
                }
                self.push_entry(number, pending.local);
            }
            Operation::Flush => {}
        }
    }

    /// A service was there already, or is to be set anew: with everything that it is to hold.
    pub(super) fn reopen(&mut self, number: u32) {
        let Some(member) = self.members.get_mut(number as usize) else { return };
        member.flags |= SET | STALE;
        let service = member.service;
        self.push_service(service);
    }

    /// Somebody else has deleted a service: it is made again, with what is wanted of it.
    pub(super) fn missing(&mut self, services: &Services, now: Instant, number: u32, tell: &mut Tell<'_>) {
        let Some(member) = self.members.get(number as usize) else { return };
        let (key, id, set) = (member.key, member.service, member.flags & SET != 0);
        self.clear(number);
        let runs = services.service(id).is_some_and(|service| service.phase == Phase::Runs);
        // Without SET the first of several refusals has brought this about already.
        if runs && set && self.may_put_back(now, number, key, tell) {
            tell(Fact::PutBack { key, dest: None });
            self.push_all(id);
        }
    }

    /// Whether the allowance of a member has something left; if not, that is told once.
    pub(super) fn may_put_back(
        &mut self,
        now: Instant,
        number: u32,
        key: ServiceKey,
        tell: &mut Tell<'_>,
    ) -> bool {
        let Some(member) = self.members.get_mut(number as usize) else { return false };
        if member.flags & HOLDS == 0 {
            return false;
        }
        if member.put_back.take(now, limit::PUT_BACK_BURST, REFILL) {
            member.flags &= !TOLD;
            return true;
        }
        if member.flags & TOLD == 0 {
            member.flags |= TOLD;
            tell(Fact::LeftAlone { key });
        }
        false
    }

    /// A destination is not in the kernel.
    pub(super) fn unset(&mut self, number: u32, local: u32) {
        if let Some(entry) = self.entry(number, local) {
            entry.flags &= !(SET | STALE);
        }
    }

    /// The server of an entry is to be looked at.
    pub(super) fn push_entry(&mut self, number: u32, local: u32) {
        if let Some(service) = self.members.get(number as usize).map(|member| member.service) {
            self.push_server(service, local);
        }
    }
}

/// Whether it is told that the kernel refuses this: it was not told before.
const fn is_news(flags: &mut u8) -> bool {
    let news = *flags & REFUSED == 0;
    *flags |= REFUSED;
    news
}

/// One more each so often: five in ten seconds.
const REFILL: Span = Span::from_secs(2);

/// The kernel's number of a refusal.
const fn number_of(refusal: Refusal) -> i32 {
    match refusal {
        Refusal::NoDest => 2,
        Refusal::NoService => 3,
        Refusal::Exists => 17,
        Refusal::Unknown => 105,
        Refusal::Other(errno) => errno,
    }
}

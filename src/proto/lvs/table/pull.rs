//! From the queue to the operations: each place is gone through stage by stage and member by member.

use super::{Closing, Cursor, HOLDS, List, SET, SORRY, STALE, Stage, TOUCHED, Table, position};
use crate::base::limit;
use crate::proto::lvs::operation::{Operation, Pending};
use crate::proto::lvs::service::{Phase, Service, Services};
use crate::proto::lvs::spec::{Stop, dest_key};

impl Table {
    /// The next operation. It counts as carried out unless the kernel refuses it. None after so many looks without one,
    /// too: what is left goes on with the next call.
    pub(in crate::proto::lvs) fn pull(&mut self, services: &Services) -> Option<Pending> {
        if core::mem::take(&mut self.flush) {
            return Some(Pending { operation: Operation::Flush, member: None, local: 0 });
        }
        let mut looks: u32 = 0;
        while let Some(cursor) = self.cursor.take().or_else(|| self.next_place()) {
            let after = self.lists.partition_point(|list| list.places <= cursor.place);
            let id = position(after.saturating_sub(1));
            let (Some(list), Some(service)) = (self.lists.get(id as usize), services.service(id)) else {
                continue;
            };
            let stage = match cursor.place.checked_sub(list.places.saturating_add(1)) {
                // The stages of the whole service come to it.
                Some(_) if list.whole => continue,
                Some(local) => (cursor.stage == 0).then_some(Stage::Server(local)),
                None => self.stage(service, list, cursor.stage),
            };
            let Some(stage) = stage else { continue };
            if stage == Stage::Rest {
                self.cursor = self.rest(id, cursor);
                continue;
            }
            let (first, members) = (list.first, list.members);
            looks = looks.saturating_add(members.saturating_sub(cursor.step).max(1));
            if looks > limit::LVS_LOOKS_PER_PULL.saturating_add(members) {
                self.cursor = Some(cursor);
                return None;
            }
            for step in cursor.step..members {
                let member = first.saturating_add(step);
                let pending = match stage {
                    Stage::Open => self.open(member),
                    Stage::Raise(local) => self.dest(services, service, member, local, true),
                    Stage::Server(local) => self.dest(services, service, member, local, false),
                    Stage::SorryOut if self.answers(member, service.count) => {
                        self.dest(services, service, member, service.count, false)
                    }
                    Stage::SorryOut => None,
                    Stage::Leaving => self.leave(id),
                    Stage::Close => self.close(member),
                    Stage::Nothing | Stage::Rest => break,
                };
                if pending.is_some() {
                    // Of what leaves there is more.
                    let step = if stage == Stage::Leaving { step } else { step.saturating_add(1) };
                    self.cursor = Some(Cursor { step, ..cursor });
                    return pending;
                }
                if stage == Stage::Leaving {
                    break;
                }
            }
            self.cursor = Some(Cursor { stage: cursor.stage.saturating_add(1), step: 0, ..cursor });
        }
        let Closing { key, dest, .. } = *self.closing.get(self.closed)?;
        self.closed = self.closed.saturating_add(1);
        let operation = dest.map_or(Operation::DelService(key), |dest| Operation::DelDest(key, dest));
        if dest.is_none() {
            // Its destinations go with it.
            let rest = self.closing.get(self.closed..).unwrap_or_default();
            let own = rest.iter().take_while(|closing| closing.key == key && closing.dest.is_some()).count();
            self.closed = self.closed.saturating_add(own);
        }
        Some(Pending { operation, member: None, local: 0 })
    }

    /// The next place of the queue.
    fn next_place(&mut self) -> Option<Cursor> {
        let place = self.queue.pop()?;
        let after = self.lists.partition_point(|list| list.places <= place);
        let list = self.lists.get_mut(after.saturating_sub(1));
        let mut stage = 0;
        if let Some(list) = list.filter(|list| list.places == place) {
            list.whole = false;
            if core::mem::take(&mut list.rest) {
                stage = rest_of(list.entries).saturating_add(1);
            }
        }
        Some(Cursor { place, stage, step: 0 })
    }

    /// A service has come to its rest: where others wait it waits for them, or for its own next turn, which does it all.
    fn rest(&mut self, id: u32, cursor: Cursor) -> Option<Cursor> {
        if !self.queue.is_empty() {
            if self.queue.push(cursor.place)
                && let Some(list) = self.lists.get_mut(id as usize)
            {
                (list.whole, list.rest) = (true, true);
            }
            return None;
        }
        Some(Cursor { stage: cursor.stage.saturating_add(1), step: 0, ..cursor })
    }

    /// Whether a server is in the kernel as the sorry server that answers.
    fn answers(&self, member: u32, local: u32) -> bool {
        let first = self.members.get(member as usize).map_or(u32::MAX, |member| member.entries);
        let entry = self.entries.get(first.saturating_add(local) as usize);
        entry.is_some_and(|entry| entry.flags & (SET | SORRY) == SET | SORRY)
    }

    /// The service of a member.
    fn open(&mut self, number: u32) -> Option<Pending> {
        let looking = self.looking.is_some();
        let member = self.members.get_mut(number as usize)?;
        if member.flags & HOLDS == 0 || member.flags & (SET | STALE) == SET {
            return None;
        }
        let value = self.lists.get(member.service as usize)?.value.of_family(member.key.family());
        let operation = if member.flags & SET == 0 {
            Operation::NewService(member.key, value)
        } else {
            Operation::SetService(member.key, value)
        };
        member.flags = (member.flags | SET) & !STALE;
        touch(&mut member.flags, looking);
        Some(Pending { operation, member: Some(number), local: 0 })
    }

    /// One server on one member; `raise`: only if it is to get more than it has.
    fn dest(
        &mut self,
        services: &Services,
        service: &Service,
        number: u32,
        local: u32,
        raise: bool,
    ) -> Option<Pending> {
        let member = self.members.get(number as usize)?;
        if member.flags & (HOLDS | SET) != HOLDS | SET {
            return None;
        }
        let key = member.key;
        let dest = dest_key(&key, services.spec(service, local)?);
        let claim = self.claim(services, service, number, dest)?;
        let looking = self.looking.is_some();
        let entry = self.entry(number, claim.entry)?;
        let wanted = claim.wanted.and_then(|(by, weight)| Some((by, services.spec(service, by)?, weight)));
        let operation = match (entry.flags & SET != 0, wanted) {
            (false, None) => return None,
            (true, None | Some((.., 0))) if raise => return None,
            (true, None) => {
                entry.flags &= !(SET | STALE);
                Operation::DelDest(key, dest)
            }
            (set, Some((by, spec, weight))) => {
                let value = spec.value(weight);
                let other = entry.flags & STALE != 0
                    || entry.weight != weight
                    || entry.by != by
                        && services.spec(service, entry.by).is_none_or(|old| old.value(weight) != value);
                (entry.weight, entry.by) = (weight, by);
                entry.flags = (entry.flags | SET) & !(STALE | SORRY);
                if by == service.count && weight > 0 {
                    entry.flags |= SORRY;
                }
                if set && !other {
                    return None;
                }
                if set { Operation::SetDest(key, dest, value) } else { Operation::NewDest(key, dest, value) }
            }
        };
        touch(&mut entry.flags, looking);
        Some(Pending { operation, member: Some(number), local: claim.entry })
    }

    /// The next destination that leaves the keys of a service.
    fn leave(&mut self, id: u32) -> Option<Pending> {
        let list = self.lists.get_mut(id as usize)?;
        let leaving = *self.leaving.get(list.left as usize).filter(|leaving| leaving.service == id)?;
        list.left = list.left.saturating_add(1);
        let key = self.members.get(leaving.member as usize)?.key;
        Some(Pending { operation: Operation::DelDest(key, leaving.dest), member: None, local: 0 })
    }

    /// The service of a member ends.
    fn close(&mut self, number: u32) -> Option<Pending> {
        let member = self.members.get_mut(number as usize)?;
        if member.flags & (HOLDS | SET) != HOLDS | SET {
            return None;
        }
        let key = member.key;
        self.clear(number);
        Some(Pending { operation: Operation::DelService(key), member: Some(number), local: 0 })
    }

    /// A stage of a service; none after the last one.
    fn stage(&self, service: &Service, list: &List, number: u32) -> Option<Stage> {
        match service.phase {
            Phase::Runs => {}
            Phase::Stopped(Stop::Remove) => return (number == 0).then_some(Stage::Close),
            Phase::Waits | Phase::Stopped(Stop::Keep) => return None,
        }
        let answers = service.quorum || service.sorry.is_none();
        let rest = rest_of(list.entries);
        let servers = rest.saturating_add(1);
        let last = servers.saturating_add(service.count);
        Some(match number {
            0 => Stage::Open,
            1 if service.quorum => Stage::SorryOut,
            1 => list.failed.map_or(Stage::Nothing, Stage::Server),
            _ if number < rest && answers => Stage::Raise(number.saturating_sub(2)),
            _ if number == rest && answers => Stage::Rest,
            _ if number < servers => Stage::Nothing,
            _ if number < last => Stage::Server(number.saturating_sub(servers)),
            _ if number == last => Stage::Leaving,
            _ if number > last.saturating_add(1) => return None,
            _ => Stage::Server(service.count),
        })
    }
}

/// The number of the stage [`Stage::Rest`] of a service whose members have so many entries each, one more than it has
/// servers: behind its keys, its sorry server, and its servers.
const fn rest_of(entries: u32) -> u32 {
    entries.saturating_add(1)
}

fn touch(flags: &mut u8, looking: bool) {
    if looking {
        *flags |= TOUCHED;
    }
}

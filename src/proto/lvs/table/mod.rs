//! The table of the kernel: what this director put there, and the operations that make it what is wanted.
//!
//! A *member* is one key of the kernel that a service stands for; a group has many. An *entry* is one destination of a
//! member. A *place* is what a transition asks to be looked at again: one server on all members of its service, or the
//! whole of a service, which goes through its *stages*. Places wait in a queue; `pull` takes them one by one and makes
//! the operations that are needed by then. [`look`] compares with a dump of the kernel, [`answer`] takes refusals,
//! [`inherit`] what an old configuration had put there.
//!
//! The stages of a service that has quorum: its keys, the sorry server (out), its servers that come, its servers that go,
//! what a reload left behind. Of one that has none: its keys, the server that failed, the other servers, what a reload
//! left behind, the sorry server (in). So a sorry server and the servers in whose place it answers are never in the table
//! together, and a reload never leaves fewer servers than there were or will be. Where others wait, too, the servers that
//! come of all services precede those that go of any: who reads the table while it changes (/proc/net/ip_vs) may have
//! passed the place of a new destination before it is there, and would miss the old one if it left right after that.

mod answer;
mod inherit;
mod look;
mod pull;
mod queue;

use super::facts::{Fact, Tell};
use super::group;
use super::service::{Change, Service, Services, position};
use super::spec::{RealSpec, ServiceSpec, dest_key};
use super::values::{DestKey, DestValue, ServiceKey, ServiceValue};
use crate::base::id::ServiceId;
use crate::base::limit;
use crate::base::rate::Allowance;
pub use look::Look;
use queue::Queue;

/// The table.
#[derive(Debug, Default)]
pub(super) struct Table {
    lists: Vec<List>,
    members: Vec<Member>,
    entries: Vec<Entry>,
    /// For each service the numbers of its servers by address; those of one address in the order of the file.
    by_addr: Vec<u32>,
    /// The members by key; those of one key in the order of the file. The first one of them holds the key.
    by_key: Vec<u32>,
    queue: Queue,
    /// The place that is being looked at, and how far that is.
    cursor: Option<Cursor>,
    /// Destinations that are in the configuration no more, of keys that are; by service.
    leaving: Vec<Leaving>,
    /// Services that are in the configuration no more, each with its destinations after it, in the order of the operations.
    closing: Vec<Closing>,
    /// How many of `closing` are done.
    closed: usize,
    /// The whole table is to be emptied first.
    flush: bool,
    /// What a state file said is ours, until the first dump has been read.
    recorded: Vec<(ServiceKey, Option<DestKey>)>,
    /// The dump that is being read.
    looking: Option<Look>,
}

/// The part of one service.
#[derive(Debug)]
struct List {
    value: ServiceValue,
    /// Its members: the first one and how many.
    first: u32,
    members: u32,
    /// Its first place.
    places: u32,
    /// Its servers in `by_addr`, the sorry server too: the first one and how many.
    servers: u32,
    count: u32,
    /// Entries of each member: one for each server, and one for the sorry server, whether there is one or not.
    entries: u32,
    /// The first of `leaving` that is not done.
    left: u32,
    /// The server that goes before the others, whose failure took away the quorum.
    failed: Option<u32>,
    /// The whole of it waits in the queue: its servers need not be looked at one by one.
    whole: bool,
    /// What waits of it are the stages from its servers that go on ([`Stage::Rest`]); those before are done.
    rest: bool,
    /// Not all of its keys are used.
    cut: bool,
}

/// How far a place is.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    place: u32,
    stage: u32,
    /// The next member.
    step: u32,
}

/// What of a service is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its keys.
    Open,
    /// One of its servers, if it is to get more than it has.
    Raise(u32),
    /// One of its servers, or its sorry server.
    Server(u32),
    /// Its sorry server, if it has answered until now.
    SorryOut,
    /// From here on servers go: other services come first.
    Rest,
    /// What a reload left behind.
    Leaving,
    /// Its keys, at the stop.
    Close,
    /// Nothing at this stage.
    Nothing,
}

/// One key of a service.
#[derive(Debug)]
struct Member {
    key: ServiceKey,
    service: u32,
    /// The entry of its first server.
    entries: u32,
    put_back: Allowance,
    flags: u8,
}

/// One destination of one member. Servers that have the same destination share the entry of the first one of them.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// The weight that it was last set to.
    weight: u32,
    /// The server whose method and thresholds it was last set to.
    by: u32,
    flags: u8,
}

/// It is in the kernel, as far as is known.
const SET: u8 = 1;
/// It was set to something that is wanted no more.
const STALE: u8 = 2;
/// The dump has it.
const SEEN: u8 = 4;
/// It was changed while a dump was read, which may show it as it was before.
const TOUCHED: u8 = 8;
/// The member holds its key.
const HOLDS: u8 = 16;
/// It was told that somebody else deletes it again and again.
const TOLD: u8 = 32;
/// The sorry server answers by this entry.
const SORRY: u8 = 64;
/// The kernel refused it, which was told, and has not had it since.
const REFUSED: u8 = 128;

/// A destination that leaves a key.
#[derive(Clone, Copy, Debug)]
struct Leaving {
    service: u32,
    member: u32,
    dest: DestKey,
    /// What it is set to, if that is known.
    value: Option<DestValue>,
}

/// A service that ends, or, after it, one of its destinations.
#[derive(Clone, Copy, Debug)]
struct Closing {
    key: ServiceKey,
    dest: Option<DestKey>,
    /// What the destination is set to, if that is known.
    value: Option<DestValue>,
}

/// Which destination of a member, and what is wanted of it.
struct Claim {
    /// The server whose entry it is.
    entry: u32,
    /// The server that has it now and the weight; none: it is not wanted.
    wanted: Option<(u32, u32)>,
}

impl Table {
    /// Adds the keys of a service. For load time, as long as `seal` has not been called.
    pub(super) fn add_service(&mut self, spec: &ServiceSpec<'_>) {
        let (service, first) = (position(self.lists.len()), position(self.members.len()));
        let mut cut = false;
        group::keys(spec, &mut |key| {
            cut = self.members.len() >= limit::LVS_KEYS;
            if !cut {
                let put_back = Allowance::default();
                self.members.push(Member { key, service, entries: 0, put_back, flags: 0 });
            }
            !cut
        });
        let members = position(self.members.len()).saturating_sub(first);
        let value = spec.value;
        let (places, servers, count, entries, left) = (0, 0, 0, 0, 0);
        let (failed, whole, rest) = (None, false, false);
        self.lists.push(List {
            value,
            first,
            members,
            places,
            servers,
            count,
            entries,
            left,
            failed,
            whole,
            rest,
            cut,
        });
    }

    /// All services and servers are there: makes room for all that can happen.
    pub(super) fn seal(&mut self, services: &Services) {
        for (list, service) in self.lists.iter_mut().zip(&services.services) {
            list.places = position(self.queue.places());
            self.queue.grow((service.count as usize).saturating_add(PLACES));
            list.servers = position(self.by_addr.len());
            let locals = (0..=service.count).filter(|local| services.spec(service, *local).is_some());
            self.by_addr.extend(locals);
            let own = self.by_addr.get_mut(list.servers as usize..).unwrap_or_default();
            list.count = position(own.len());
            own.sort_unstable_by_key(|local| (services.spec(service, *local).map(|spec| spec.addr), *local));
            list.entries = service.count.saturating_add(1);
            let (each, from) = (list.entries as usize, list.first as usize);
            let own = from..from.saturating_add(list.members as usize);
            for member in self.members.get_mut(own).unwrap_or_default() {
                let first = self.entries.len();
                let room = first.saturating_add(each) <= limit::LVS_DESTINATIONS;
                list.cut |= !room;
                if room {
                    (member.entries, member.flags) = (position(first), HOLDS);
                    self.entries.resize(first.saturating_add(each), Entry::default());
                }
            }
        }
        self.by_key = (0..position(self.members.len())).collect();
        let key = |member: &u32| self.members.get(*member as usize).map(|member| member.key);
        self.by_key.sort_unstable_by_key(|member| (key(member), *member));
        let mut before = None;
        for member in &self.by_key {
            let Some(member) = self.members.get_mut(*member as usize) else { continue };
            if before == Some(member.key) {
                member.flags &= !HOLDS;
            } else if member.flags & HOLDS != 0 {
                before = Some(member.key);
            }
        }
    }

    /// What of a service cannot be used as it stands is told.
    pub(super) fn tell_limits(&self, id: ServiceId, tell: &mut Tell<'_>) {
        let Some(list) = self.lists.get(id.index()) else { return };
        if list.cut {
            tell(Fact::TooMany { service: id });
        }
        for member in self.members_of(list).iter().filter(|member| member.flags & HOLDS == 0) {
            let key = member.key;
            let holder = self.holder(&key).and_then(|holder| self.members.get(holder as usize));
            if let Some(holder) = holder {
                tell(Fact::Shared { holder: ServiceId(holder.service), service: id, key });
            }
        }
    }

    fn members_of(&self, list: &List) -> &[Member] {
        let first = list.first as usize;
        self.members.get(first..first.saturating_add(list.members as usize)).unwrap_or_default()
    }

    /// The member that holds a key.
    fn holder(&self, key: &ServiceKey) -> Option<u32> {
        let of = |member: &u32| self.members.get(*member as usize);
        let from = self.by_key.partition_point(|member| of(member).is_some_and(|member| member.key < *key));
        let mut same = self.by_key.get(from..)?.iter();
        let same = same.by_ref().take_while(|member| of(member).is_some_and(|member| member.key == *key));
        same.copied().find(|member| of(member).is_some_and(|member| member.flags & HOLDS != 0))
    }

    /// The destination of a member at this address and port, and what is wanted of it; none if no server has it.
    fn claim(&self, services: &Services, service: &Service, member: u32, dest: DestKey) -> Option<Claim> {
        let member = self.members.get(member as usize)?;
        let list = self.lists.get(member.service as usize)?;
        let first = list.servers as usize;
        let own = self.by_addr.get(first..first.saturating_add(list.count as usize))?;
        let spec = |local: &u32| services.spec(service, *local);
        let from = own.partition_point(|local| spec(local).is_some_and(|spec| spec.addr < dest.addr));
        let same = own.get(from..)?.iter().copied();
        let same = same.take_while(|local| spec(local).is_some_and(|spec| spec.addr == dest.addr));
        let mut claim: Option<Claim> = None;
        for local in same {
            if spec(&local).is_none_or(|spec| dest_key(&member.key, spec) != dest) {
                continue;
            }
            let claim = claim.get_or_insert(Claim { entry: local, wanted: None });
            if let Some(weight) = services.wanted(service, local) {
                // One that gets connections goes before one that is only kept.
                if claim.wanted.is_none_or(|(_, other)| other == 0 && weight > 0) {
                    claim.wanted = Some((local, weight));
                }
            }
        }
        claim
    }

    /// The first key of a service.
    pub(super) fn first_key(&self, id: ServiceId) -> Option<ServiceKey> {
        self.members_of(self.lists.get(id.index())?).first().map(|member| member.key)
    }

    /// The service that holds a key.
    pub(super) fn holder_service(&self, key: &ServiceKey) -> Option<ServiceId> {
        Some(ServiceId(self.members.get(self.holder(key)? as usize)?.service))
    }

    /// The number of the server that has a destination.
    pub(super) fn local(
        &self,
        services: &Services,
        service: &Service,
        key: &ServiceKey,
        dest: DestKey,
    ) -> Option<u32> {
        let claim = self.claim(services, service, self.holder(key)?, dest)?;
        Some(claim.wanted.map_or(claim.entry, |(by, _)| by))
    }

    /// The keys that a service holds.
    pub(super) fn keys(&self, id: ServiceId) -> impl Iterator<Item = ServiceKey> {
        let members = self.lists.get(id.index()).map(|list| self.members_of(list)).unwrap_or_default();
        members.iter().filter(|member| member.flags & HOLDS != 0).map(|member| member.key)
    }

    /// The key at a position among those of all services, if its service holds it.
    pub(super) fn key_at(&self, position: usize) -> Option<Option<ServiceKey>> {
        let member = self.members.get(position)?;
        Some((member.flags & HOLDS != 0).then_some(member.key))
    }

    fn entry(&mut self, member: u32, local: u32) -> Option<&mut Entry> {
        let first = self.members.get(member as usize)?.entries;
        self.entries.get_mut(first.saturating_add(local) as usize)
    }

    /// The whole of a service is to be looked at, from its first stage on.
    pub(super) fn push_all(&mut self, id: u32) {
        let Some(list) = self.lists.get_mut(id as usize) else { return };
        let place = list.places;
        (list.whole, list.rest) = (true, false);
        if self.cursor.is_some_and(|cursor| cursor.place == place) {
            self.cursor = None;
        }
        self.queue.push(place);
    }

    /// A service is to be looked at from its first stage on, when its turn comes.
    fn push_service(&mut self, id: u32) {
        if let Some(list) = self.lists.get_mut(id as usize) {
            list.rest = false;
            self.queue.push(list.places);
        }
    }

    /// A server is to be looked at.
    fn push_server(&mut self, service: u32, local: u32) {
        if let Some(list) = self.lists.get(service as usize) {
            self.queue.push(list.places.saturating_add(local).saturating_add(1));
        }
    }

    /// A transition has changed what is wanted.
    pub(super) fn changed(&mut self, services: &Services, change: Change) {
        let Some(service) = services.service(change.service) else { return };
        let local = change.real.saturating_sub(service.first);
        if !change.places {
            return self.push_server(change.service, local);
        }
        if let Some(list) = self.lists.get_mut(change.service as usize) {
            list.failed = Some(local);
        }
        self.push_all(change.service);
    }

    /// The whole table is to be emptied before anything else.
    pub(super) fn flush(&mut self) {
        self.flush = true;
        for member in &mut self.members {
            member.flags &= !SET;
        }
        for entry in &mut self.entries {
            entry.flags &= !SET;
        }
        self.leaving.clear();
        self.closing.clear();
        self.closed = 0;
    }

    /// Whether there is nothing to do.
    pub(super) fn is_settled(&self) -> bool {
        !self.flush && self.queue.is_empty() && self.cursor.is_none() && self.closed >= self.closing.len()
    }

    /// What leaves is put into the order of the services.
    fn arrange(&mut self) {
        self.leaving.sort_by_key(|leaving| leaving.service);
        for (list, id) in self.lists.iter_mut().zip(0_u32..) {
            list.left = position(self.leaving.partition_point(|leaving| leaving.service < id));
        }
    }

    /// A service is not in the kernel any more, and none of its destinations.
    fn clear(&mut self, number: u32) {
        let Some(member) = self.members.get_mut(number as usize) else { return };
        member.flags &= !(SET | STALE);
        let first = member.entries as usize;
        let each = self.lists.get(member.service as usize).map_or(0, |list| list.entries as usize);
        for entry in self.entries.get_mut(first..first.saturating_add(each)).unwrap_or_default() {
            entry.flags &= !(SET | STALE);
        }
    }

    /// Everything that may be in the kernel because of this configuration, or because of the one before as long as it
    /// has not been removed, or because of a predecessor as long as no dump has been read.
    pub(super) fn owned(&self, services: &Services, each: &mut dyn FnMut(&ServiceKey, Option<&DestKey>)) {
        for member in self.members.iter().filter(|member| member.flags & HOLDS != 0) {
            each(&member.key, None);
            let Some(service) = services.service(member.service) else { continue };
            for spec in (0..=service.count).filter_map(|local| services.spec(service, local)) {
                each(&member.key, Some(&dest_key(&member.key, spec)));
            }
        }
        for (leaving, number) in self.leaving.iter().zip(0_u32..) {
            let list = self.lists.get(leaving.service as usize);
            let member = self.members.get(leaving.member as usize);
            if let Some(member) = member.filter(|_| list.is_some_and(|list| list.left <= number)) {
                each(&member.key, Some(&leaving.dest));
            }
        }
        for closing in self.closing.get(self.closed..).unwrap_or_default() {
            each(&closing.key, closing.dest.as_ref());
        }
        for (key, dest) in &self.recorded {
            each(key, dest.as_ref());
        }
    }

    /// Whether something leaves that the configuration does not have, or may be there of a predecessor.
    pub(super) const fn gives_up(&self) -> bool {
        !(self.leaving.is_empty() && self.closing.is_empty() && self.recorded.is_empty())
    }

    /// A line of the state file of a predecessor.
    pub(super) fn recorded(&mut self, key: ServiceKey, dest: Option<DestKey>) {
        self.recorded.push((key, dest));
    }
}

/// Places of a service beside its servers: the whole of it, and the sorry server.
const PLACES: usize = 2;

/// Whether two servers set a destination to the same but for the weight.
fn is_alike(value: &DestValue, spec: &RealSpec) -> bool {
    spec.value(value.weight) == *value
}

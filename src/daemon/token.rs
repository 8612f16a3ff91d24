//! Which source an event of the poll is about: a small table and the tokens that point into it.
//!
//! A token carries the generation of its entry, so that an event for a descriptor that was deregistered in
//! the same turn is recognised as stale even when the entry already serves another source.

use std::os::fd::RawFd;

/// What can become ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// The signalfd.
    Signal,
    /// The timerfd.
    Timer,
    /// The channel to the parent.
    Parent,
    /// The channel to the process that runs scripts.
    Scripts,
    /// Something of the process's own.
    Own(SourceId),
}

/// A source that only the process itself understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SourceId {
    /// Which kind, by the process's own numbering.
    pub kind: u8,
    /// Which one of that kind.
    pub index: u32,
}

/// A source that was registered; needed to deregister it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Registration {
    slot: u32,
    generation: u32,
}

impl Registration {
    /// Packed for the poll. 20 bits of slot and 12 of generation also fit the 32 bits of small routers.
    pub(super) const fn token(self) -> mio::Token {
        mio::Token(((self.generation << SLOT_BITS) | self.slot) as usize)
    }

    /// Unpacked from the poll.
    pub(super) const fn of(token: mio::Token) -> Self {
        #[allow(clippy::cast_possible_truncation, reason = "only tokens of `token` come back")]
        let packed = token.0 as u32;
        Self { slot: packed & SLOT_MASK, generation: packed >> SLOT_BITS }
    }
}

/// Sources that may be registered while the process runs, beside those that it had when its configuration was loaded.
const COMING_AND_GOING: usize = 8;

const SLOT_BITS: u32 = 20;
const SLOT_MASK: u32 = (1 << SLOT_BITS) - 1;
const GENERATION_MASK: u32 = (1 << (32 - SLOT_BITS)) - 1;

/// The registered sources.
#[derive(Debug, Default)]
pub(super) struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
}

#[derive(Debug)]
struct Entry {
    generation: u32,
    used: Option<Used>,
}

#[derive(Debug)]
struct Used {
    source: Source,
    fd: RawFd,
    queued: bool,
    /// The poll reported an error, which nobody has taken yet.
    failed: bool,
}

impl Table {
    /// Makes room for all that are registered and some that come and go while the process runs: scripts of FIFOs, the
    /// connection to the mail relay. For load time: allocates.
    pub(super) fn reserve(&mut self, more: usize) {
        self.entries.reserve(COMING_AND_GOING.saturating_add(more));
        self.free.reserve(self.entries.capacity().saturating_sub(self.free.len()));
    }

    /// Enters a source; none if the table is full (over a million sources).
    pub(super) fn insert(&mut self, source: Source, fd: RawFd) -> Option<Registration> {
        let used = Some(Used { source, fd, queued: false, failed: false });
        if let Some(slot) = self.free.pop() {
            let entry = self.entries.get_mut(slot as usize)?;
            entry.used = used;
            return Some(Registration { slot, generation: entry.generation });
        }
        let slot = u32::try_from(self.entries.len()).ok().filter(|slot| *slot <= SLOT_MASK)?;
        self.entries.push(Entry { generation: 0, used });
        Some(Registration { slot, generation: 0 })
    }

    /// Takes a source out and hands back its descriptor; none if the registration is stale.
    pub(super) fn remove(&mut self, registration: Registration) -> Option<RawFd> {
        let entry = self.entries.get_mut(registration.slot as usize)?;
        if entry.generation != registration.generation {
            return None;
        }
        let used = entry.used.take()?;
        entry.generation = (entry.generation + 1) & GENERATION_MASK;
        self.free.push(registration.slot);
        Some(used.fd)
    }

    /// The source; none if the registration is stale.
    pub(super) fn source(&self, registration: Registration) -> Option<Source> {
        self.used(registration).map(|used| used.source)
    }

    /// The descriptor of the source; none if the registration is stale.
    pub(super) fn fd(&self, registration: Registration) -> Option<RawFd> {
        self.used(registration).map(|used| used.fd)
    }

    /// Marks a source as waiting to be served; false if it is already, or stale.
    pub(super) fn queue(&mut self, registration: Registration) -> bool {
        self.used_mut(registration).is_some_and(|used| !core::mem::replace(&mut used.queued, true))
    }

    /// The poll reports an error of the source.
    pub(super) fn note_error(&mut self, registration: Registration) {
        if let Some(used) = self.used_mut(registration) {
            used.failed = true;
        }
    }

    /// Whether the poll has reported an error of the source since this was asked last.
    pub(super) fn take_error(&mut self, registration: Registration) -> bool {
        self.used_mut(registration).is_some_and(|used| core::mem::take(&mut used.failed))
    }

    /// Takes the mark off.
    pub(super) fn unqueue(&mut self, registration: Registration) {
        if let Some(used) = self.used_mut(registration) {
            used.queued = false;
        }
    }

    /// Entries there are and room for.
    pub(super) fn room(&self) -> usize {
        self.entries.capacity()
    }

    /// Entries there are, used or free.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    fn used(&self, registration: Registration) -> Option<&Used> {
        let entry = self.entries.get(registration.slot as usize)?;
        entry.used.as_ref().filter(|_| entry.generation == registration.generation)
    }

    fn used_mut(&mut self, registration: Registration) -> Option<&mut Used> {
        let entry = self.entries.get_mut(registration.slot as usize)?;
        entry.used.as_mut().filter(|_| entry.generation == registration.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_token_finds_nothing() {
        let mut table = Table::default();
        let own = |index| Source::Own(SourceId { kind: 3, index });
        let first = table.insert(own(1), 10).unwrap();
        assert_eq!(Registration::of(first.token()), first);
        assert_eq!(table.remove(first), Some(10));
        let second = table.insert(own(2), 11).unwrap();
        assert_eq!(second.slot, first.slot, "the entry is used again");
        assert_eq!(table.source(first), None);
        assert_eq!(table.remove(first), None);
        assert_eq!(table.source(second), Some(own(2)));
        assert_eq!(Registration::of(second.token()), second);
    }

    #[test]
    fn generations_wrap_inside_their_bits() {
        let mut table = Table::default();
        for fd in 0..10_000 {
            let registration = table.insert(Source::Timer, fd).unwrap();
            assert_eq!(Registration::of(registration.token()), registration);
            assert_eq!(table.remove(registration), Some(fd));
        }
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn a_source_waits_once() {
        let mut table = Table::default();
        let registration = table.insert(Source::Parent, 5).unwrap();
        assert!(table.queue(registration));
        assert!(!table.queue(registration));
        table.unqueue(registration);
        assert!(table.queue(registration));
    }
}

//! What the parent remembers of each instance, so that a replaced child goes on where the old one was.

use core::hash::{Hash, Hasher};
use std::collections::HashSet;

/// The state of an instance, as far as a replacement needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Standing {
    /// The instance no longer exists: forget it.
    Gone = 0,
    /// BACKUP.
    Backup = 1,
    /// MASTER.
    Master = 2,
    /// FAULT.
    Fault = 3,
}

/// One instance or sync group as last reported: which one, by its name ([`key`], [`group_key`]), for positions change with a reload and names do
/// not; and its state. Eight octets, for the parent keeps one of each instance.
#[derive(Clone, Copy, Debug)]
pub struct Record(u64);

impl Record {
    /// The record of the instance with this [`key`].
    #[must_use]
    pub const fn new(key: u64, standing: Standing) -> Self {
        Self(key & !STANDING | standing as u64)
    }

    /// What another process made.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// For another process.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The [`key`] of the instance.
    #[must_use]
    pub const fn key(self) -> u64 {
        self.0 & !STANDING
    }

    /// Its state.
    #[must_use]
    pub const fn standing(self) -> Standing {
        match self.0 & STANDING {
            1 => Standing::Backup,
            2 => Standing::Master,
            3 => Standing::Fault,
            _ => Standing::Gone,
        }
    }
}

/// Records of the same instance are equal, whatever its state.
impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Record {}

impl Hash for Record {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// The bits of a record that hold the state.
const STANDING: u64 = 3;

/// The key of an instance: 62 bits of FNV-1a of its name. Two names of one configuration that collide (one chance in
/// 10^9 at 65,000 instances) share a record, and the replacement of one may start from the other's state.
#[must_use]
pub const fn key(name: &str) -> u64 {
    hash(0xcbf2_9ce4_8422_2325, name)
}

/// The key of a sync group: never that of an instance of its name.
#[must_use]
pub const fn group_key(name: &str) -> u64 {
    hash(key("group\0"), name)
}

/// The key of something of a kind, other than instances and groups.
#[must_use]
pub(super) const fn joint_key(kind: &str, name: &str) -> u64 {
    hash(hash(key(kind), "\0"), name)
}

const fn hash(mut hash: u64, name: &str) -> u64 {
    let mut rest = name.as_bytes();
    while let [octet, tail @ ..] = rest {
        hash = (hash ^ *octet as u64).wrapping_mul(0x0100_0000_01b3);
        rest = tail;
    }
    hash & !STANDING
}

/// The records of one child's instances and sync groups.
#[derive(Clone, Debug, Default)]
pub struct Records {
    instances: HashSet<Record>,
}

impl Records {
    /// No records, room for `instances` of them.
    #[must_use]
    pub fn new(instances: usize) -> Self {
        Self { instances: HashSet::with_capacity(instances) }
    }

    /// Makes room for `instances` in all. For load time: allocates.
    pub fn reserve(&mut self, instances: usize) {
        self.instances.reserve(instances.saturating_sub(self.instances.len()));
    }

    /// Notes what a child reported.
    pub fn note(&mut self, record: Record) {
        if record.standing() == Standing::Gone {
            self.instances.remove(&record);
        } else {
            self.instances.replace(record);
        }
    }

    /// The state of the instance with this [`key`].
    #[must_use]
    pub fn of(&self, key: u64) -> Option<Standing> {
        self.instances.get(&Record::new(key, Standing::Gone)).map(|record| record.standing())
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = Record> {
        self.instances.iter().copied()
    }

    /// Whether nothing was reported: a first start.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.instances.is_empty()
    }

    /// Forgets all instances.
    pub fn clear(&mut self) {
        self.instances.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_report_counts_and_gone_forgets() {
        let mut records = Records::new(2);
        let one = key("VI_1");
        records.note(Record::new(one, Standing::Master));
        records.note(Record::new(one, Standing::Backup));
        assert_eq!(records.of(one), Some(Standing::Backup));
        assert!(records.of(key("VI_2")).is_none());
        assert!(records.of(group_key("VI_1")).is_none());
        records.note(Record::new(one, Standing::Gone));
        assert!(records.is_empty());
    }

    #[test]
    fn a_record_keeps_what_it_is_made_of() {
        for standing in [Standing::Gone, Standing::Backup, Standing::Master, Standing::Fault] {
            let record = Record::new(key("VI_1"), standing);
            assert_eq!((record.key(), record.standing()), (key("VI_1"), standing));
            assert_eq!(Record::from_bits(record.bits()).standing(), standing);
        }
    }
}

//! What the parent remembers of each instance, so that a replaced child goes on where the old one was.

use std::collections::HashMap;

use crate::base::time::Instant;

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

impl Standing {
    /// The standing that a number stands for, if it is one.
    #[must_use]
    pub const fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            0 => Self::Gone,
            1 => Self::Backup,
            2 => Self::Master,
            3 => Self::Fault,
            _ => return None,
        })
    }
}

/// One instance as last reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// Which instance, by its name ([`key`]): positions change with a reload, names do not.
    pub key: u64,
    /// Its state.
    pub standing: Standing,
    /// When it entered that state.
    pub since: Instant,
    /// When it last sent an advert (MASTER) or accepted one (BACKUP), as far as known at the report;
    /// [`Instant::START`] if never.
    pub advert: Instant,
    /// A number of authentication headers above all that it has sent or accepted; 0: it has none.
    pub sequence: u32,
}

/// The key of an instance: FNV-1a of its name. Two names of one configuration that collide (one chance in
/// 10^9 at 65,000 instances) share a record, and the replacement of one may start from the other's state.
#[must_use]
pub const fn key(name: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut rest = name.as_bytes();
    while let [octet, tail @ ..] = rest {
        hash = (hash ^ *octet as u64).wrapping_mul(0x0100_0000_01b3);
        rest = tail;
    }
    hash
}

/// The records of one child's instances.
#[derive(Clone, Debug, Default)]
pub struct Records(HashMap<u64, Record>);

impl Records {
    /// No records, room for `instances` of them.
    #[must_use]
    pub fn new(instances: usize) -> Self {
        Self(HashMap::with_capacity(instances))
    }

    /// Makes room for `instances` in all. For load time: allocates.
    pub fn reserve(&mut self, instances: usize) {
        self.0.reserve(instances.saturating_sub(self.0.len()));
    }

    /// Notes what a child reported.
    pub fn note(&mut self, record: Record) {
        if record.standing == Standing::Gone {
            self.0.remove(&record.key);
        } else {
            self.0.insert(record.key, record);
        }
    }

    /// The record of the instance with this [`key`].
    #[must_use]
    pub fn of(&self, key: u64) -> Option<&Record> {
        self.0.get(&key)
    }

    /// All records, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Record> {
        self.0.values()
    }

    /// How many instances are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was reported: a first start.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_report_counts_and_gone_forgets() {
        let mut records = Records::new(2);
        let mut record = Record {
            key: key("VI_1"),
            standing: Standing::Master,
            since: Instant::from_micros(5),
            advert: Instant::START,
            sequence: 0,
        };
        records.note(record);
        record.standing = Standing::Backup;
        records.note(record);
        assert_eq!(records.of(key("VI_1")).map(|r| r.standing), Some(Standing::Backup));
        assert!(records.of(key("VI_2")).is_none());
        record.standing = Standing::Gone;
        records.note(record);
        assert!(records.is_empty());
    }
}

//! What the parent remembers of each object of a child, so that a replaced child goes on where the old one was.

use core::fmt::{self, Display, Write};

use crate::base::digest;

/// The state of an object that no longer exists, which the parent forgets.
pub const GONE: u8 = 0;

/// One object of a child (an instance, a sync group, a real server) as last reported: which one, by its name ([`key`]),
/// for positions change with a reload and names do not; and its state, 1 to 3 in the numbers of the child, or [`GONE`].
/// Eight octets, for the parent keeps a record of each object.
#[derive(Clone, Copy, Debug)]
pub struct Record(u64);

impl Record {
    /// The record of the object with this [`key`].
    #[must_use]
    #[allow(clippy::as_conversions, reason = "From is not const")]
    pub const fn new(key: u64, state: u8) -> Self {
        Self(key & !STATE | state as u64 & STATE)
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

    /// The [`key`] of the object.
    #[must_use]
    pub const fn key(self) -> u64 {
        self.0 & !STATE
    }

    /// The state of the object.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, reason = "two bits")]
    pub const fn state(self) -> u8 {
        (self.0 & STATE) as u8
    }
}

/// Records of the same object are equal, whatever its state.
impl PartialEq for Record {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Record {}

/// The bits of a record that hold the state.
const STATE: u64 = 3;

/// The key of an object: 62 bits of FNV-1a of its name. Two names of one configuration that collide (one chance in 10^9
/// at 65,000 objects) share a record, and the replacement of one may start from the other's state.
#[must_use]
pub const fn key(name: &str) -> u64 {
    continued(digest::EMPTY, name)
}

/// The key of a name as it is written.
pub fn key_of(name: &dyn Display) -> u64 {
    struct Hashing(u64);
    impl Write for Hashing {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0 = digest::fnv(self.0, text);
            Ok(())
        }
    }
    let mut hashing = Hashing(digest::EMPTY);
    // Nothing of it can fail.
    let _ = write!(hashing, "{name}");
    hashing.0 & !STATE
}

/// The key of a name whose beginning has the key `before`: a child puts the kind of the object in front, so that two
/// objects of one name have two keys.
#[must_use]
pub const fn continued(before: u64, name: &str) -> u64 {
    digest::fnv(before, name) & !STATE
}

/// The key under which it is told that what was changed by hand of the object `name` is over.
#[must_use]
pub const fn over(name: u64) -> u64 {
    // An object with this name would have to be called by it on purpose.
    continued(name, "\0over")
}

/// The records of one child's objects.
#[derive(Clone, Debug, Default)]
pub struct Records {
    /// By key.
    objects: Vec<Record>,
}

impl Records {
    /// No records, room for `objects` of them.
    #[must_use]
    pub fn new(objects: usize) -> Self {
        Self { objects: Vec::with_capacity(objects) }
    }

    /// Makes room for `objects` in all. For load time: allocates.
    pub fn reserve(&mut self, objects: usize) {
        self.objects.reserve(objects.saturating_sub(self.objects.len()));
    }

    /// Notes what a child reported.
    pub fn note(&mut self, record: Record) {
        match self.position(record.key()) {
            Ok(position) if record.state() == GONE => {
                self.objects.remove(position);
            }
            Ok(position) => {
                if let Some(known) = self.objects.get_mut(position) {
                    *known = record;
                }
            }
            Err(_) if record.state() == GONE => {}
            Err(position) => self.objects.insert(position, record),
        }
    }

    fn position(&self, key: u64) -> Result<usize, usize> {
        self.objects.binary_search_by_key(&key, |record| record.key())
    }

    /// The state of the object with this [`key`].
    #[must_use]
    pub fn of(&self, key: u64) -> Option<u8> {
        self.objects.get(self.position(key & !STATE).ok()?).map(|record| record.state())
    }

    /// All of them, by key.
    pub fn iter(&self) -> impl Iterator<Item = Record> {
        self.objects.iter().copied()
    }

    /// Whether nothing was reported: a first start.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// Forgets all objects.
    pub fn clear(&mut self) {
        self.objects.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_report_counts_and_gone_forgets() {
        let mut records = Records::new(2);
        let one = key("VI_1");
        records.note(Record::new(one, 2));
        records.note(Record::new(one, 1));
        assert_eq!(records.of(one), Some(1));
        assert!(records.of(key("VI_2")).is_none());
        assert_eq!(key_of(&format_args!("VI_{}", 1)), one);
        assert!(records.of(continued(key("group"), "VI_1")).is_none());
        records.note(Record::new(one, GONE));
        assert!(records.is_empty());
    }

    #[test]
    fn a_record_keeps_what_it_is_made_of() {
        for state in GONE..=3 {
            let record = Record::new(key("VI_1"), state);
            assert_eq!((record.key(), record.state()), (key("VI_1"), state));
            assert_eq!(Record::from_bits(record.bits()).state(), state);
        }
    }
}

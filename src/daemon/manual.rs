//! What an administrator has changed by hand: kept by the parent for a child that replaces another one, and beside its pid
//! file for a daemon that is started after it. A change ends by its undo; one that is passing ends with the daemon.
//!
//! ```text
//! maintenance 0 0 0          what, the key of the name, the key of the virtual server or 0, and a weight; in hex
//! ```

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use super::record::over;
use crate::base::limit;
use crate::sys::file::{Replacement, read_own};

/// What was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// Nothing takes part in any election.
    Maintenance,
    /// A virtual router or a sync group does not preempt.
    Failover,
    /// A real server has another weight.
    Weight,
    /// A virtual router has another base priority.
    Priority,
    /// A virtual router preempts, or does not: values 1 and 2.
    Preempt,
}

/// All with their words, in the order of their numbers.
const WORDS: [(What, &str); 5] = [
    (What::Maintenance, "maintenance"),
    (What::Failover, "failover"),
    (What::Weight, "weight"),
    (What::Priority, "priority"),
    (What::Preempt, "preempt"),
];

impl What {
    /// Its number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// That of a number.
    #[must_use]
    pub fn numbered(number: u8) -> Option<Self> {
        WORDS.get(usize::from(number)).map(|(what, _)| *what)
    }

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        WORDS.get(usize::from(self.number())).map_or("", |(_, word)| word)
    }
}

/// A change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// What was changed.
    pub what: What,
    /// The [`super::record::key`] of the name of the object; 0: there is but one.
    pub key: u64,
    /// Of a real server: the key of the virtual server; 0: in all of them.
    pub service: u64,
    /// The weight or the priority, or whether it preempts.
    pub value: u32,
    /// It ends with the daemon.
    pub passing: bool,
}

impl Change {
    /// Whether both are about the same.
    const fn replaces(&self, other: &Self) -> bool {
        self.what as u8 == other.what as u8
            && self.key == other.key
            // What is said of all virtual servers counts for each.
            && (self.service == other.service || self.service == 0)
    }
}

/// All changes, oldest first.
#[derive(Debug, Default)]
pub struct Changes {
    all: Vec<Change>,
    /// Those that outlast the daemon and that one over SNMP has taken the place of: set back there, they are what they were.
    covered: Vec<Change>,
    /// Where they are kept for the next daemon.
    path: PathBuf,
}

impl Changes {
    /// What is kept at a place, for a daemon that starts.
    #[must_use]
    pub fn inherit(path: PathBuf) -> Self {
        let all = read_own(&path, LONGEST).ok().and_then(|text| parse(&text)).unwrap_or_default();
        Self { all, covered: Vec::new(), path }
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> &[Change] {
        &self.all
    }

    /// Whether there is room for one more.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.all.len() < limit::CHANGES
    }

    /// Something was changed.
    ///
    /// # Errors
    /// When it cannot be kept for the next daemon.
    pub fn set(&mut self, change: Change) -> io::Result<()> {
        self.forget(&change);
        self.all.push(change);
        self.write()
    }

    /// Something was changed over SNMP, or set back there: to what an administrator had changed it to.
    ///
    /// # Errors
    /// As [`Self::set`].
    #[cfg(feature = "snmp")]
    pub fn cover(&mut self, change: Change) -> io::Result<()> {
        let known = self.all.iter().chain(&self.covered);
        let lasting = known.filter(|other| change.replaces(other) && !other.passing).copied().next_back();
        self.forget(&change);
        match lasting {
            Some(before) if before.value == change.value => self.all.push(before),
            lasting => {
                self.all.push(change);
                self.covered.extend(lasting);
            }
        }
        self.write()
    }

    fn forget(&mut self, change: &Change) {
        self.all.retain(|other| !change.replaces(other));
        self.covered.retain(|other| !change.replaces(other));
    }

    /// A change was taken back.
    ///
    /// # Errors
    /// As [`Self::set`].
    pub fn undo(&mut self, change: Change) -> io::Result<()> {
        let before = self.all.len();
        self.forget(&change);
        if self.all.len() == before { Ok(()) } else { self.write() }
    }

    /// Objects are no more: the failovers among them are over. Whether there was one.
    pub fn over(&mut self, gone: &[u64]) -> bool {
        let before = self.all.len();
        self.all.retain(|change| change.what != What::Failover || !gone.contains(&over(change.key)));
        let some = self.all.len() < before;
        if some {
            // The next daemon may hold back once more, until it hears nobody.
            let _ = self.write();
        }
        some
    }

    fn write(&self) -> io::Result<()> {
        let mut text = String::new();
        for Change { what, key, service, value, .. } in self.all.iter().filter(|change| !change.passing) {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{} {key:x} {service:x} {value:x}", what.word());
        }
        if text.is_empty() {
            return match fs::remove_file(&self.path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            };
        }
        let mut fresh = Replacement::create(&self.path, 0o600)?;
        fresh.file().write_all(text.as_bytes())?;
        fresh.keep()
    }
}

/// None: it is no such file.
fn parse(text: &str) -> Option<Vec<Change>> {
    let line = |line: &str| {
        let mut words = line.split(' ');
        let word = words.next()?;
        let (what, _) = WORDS.iter().find(|(_, known)| *known == word)?;
        let mut number = || u64::from_str_radix(words.next()?, 16).ok();
        let (key, service, value) = (number()?, number()?, u32::try_from(number()?).ok()?);
        Some(Change { what: *what, key, service, value, passing: false })
    };
    text.lines().take(limit::CHANGES).map(line).collect()
}

/// More than this is no such file: at most 60 octets a change.
const LONGEST: u64 = 1 << 18;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::record::key;

    fn change(what: What, name: &str, service: u64, value: u32) -> Change {
        Change { what, key: if name.is_empty() { 0 } else { key(name) }, service, value, passing: false }
    }

    #[test]
    fn changes_outlive_the_daemon_until_they_are_taken_back() {
        let folder = std::env::temp_dir().join(format!("ka-manual-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("keepalived.manual");
        let mut changes = Changes::inherit(path.clone());
        assert!(changes.all().is_empty());
        let maintenance = change(What::Maintenance, "", 0, 0);
        let (one, two) = (change(What::Weight, "a", 1, 7), change(What::Weight, "a", 2, u32::MAX));
        let passing = Change { passing: true, ..change(What::Failover, "VI_1", 0, 0) };
        for change in [maintenance, one, two, passing] {
            changes.set(change).unwrap();
        }
        assert_eq!(changes.all(), [maintenance, one, two, passing]);
        assert_eq!(Changes::inherit(path.clone()).all(), [maintenance, one, two]);
        let all = change(What::Weight, "a", 0, 0);
        changes.set(all).unwrap();
        assert_eq!(changes.all(), [maintenance, passing, all], "in all virtual servers");
        assert!(!changes.over(&[key("VI_1"), over(key("VI_2"))]));
        assert!(changes.over(&[over(key("VI_1"))]));
        #[cfg(feature = "snmp")]
        {
            let by_snmp = |value| Change { value, passing: true, ..all };
            changes.cover(by_snmp(5)).unwrap();
            changes.cover(by_snmp(6)).unwrap();
            assert_eq!(Changes::inherit(path.clone()).all(), [maintenance], "it ends with the daemon");
            changes.cover(by_snmp(all.value)).unwrap();
            assert_eq!(Changes::inherit(path.clone()).all(), [maintenance, all], "it is what it was");
        }
        changes.undo(all).unwrap();
        changes.undo(maintenance).unwrap();
        assert!(changes.all().is_empty() && !path.exists());
        changes.undo(maintenance).unwrap();
        fs::write(&path, "maintenance 0 0 0\nnonsense\n").unwrap();
        assert!(Changes::inherit(path).all().is_empty());
        fs::remove_dir_all(folder).unwrap();
    }
}

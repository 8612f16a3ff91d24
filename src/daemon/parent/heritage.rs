//! What a daemon that is killed as a whole leaves to the next: the states of the objects of a child, and when they were
//! last known to hold. A daemon that is started at once goes on from there; later, another machine may have taken over,
//! and nothing is believed.
//!
//! ```text
//! keepalived 6e1c… 00000000004711000000    the boot that it is about; when the child was last heard, in microseconds
//! 93a1f06cd2b84e52                         the record of an object
//! ```

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::base::time::Instant;
use crate::daemon::record::{Record, Records};
use crate::sys::file::{Replacement, read_own};
use crate::sys::machine;

/// The file, while an object is in the state that is worth it.
#[derive(Debug)]
pub(super) struct Heritage {
    path: PathBuf,
    /// The state of an object for which the records are left.
    lasting: u8,
    file: Option<File>,
}

impl Heritage {
    /// The file beside the pid file of a child, and what is in it, which nobody shall find twice.
    pub(super) fn take(pid_file: &Path, lasting: u8) -> (Self, Option<(Instant, Vec<Record>)>) {
        let path = pid_file.with_extension(EXTENSION);
        let left = read_own(&path, LONGEST).ok().and_then(|text| parse(&text));
        let _ = fs::remove_file(&path);
        (Self { path, lasting, file: None }, left)
    }

    /// Records have changed.
    pub(super) fn write(&mut self, now: Instant, records: &Records) {
        if !records.iter().any(|record| record.state() == self.lasting) {
            return self.remove();
        }
        let mut text = head(now);
        for record in records.iter() {
            // Writing to a String does not fail.
            let _ = writeln!(text, "{:016x}", record.bits());
        }
        let written = Replacement::create(&self.path, 0o600).and_then(|mut fresh| {
            fresh.file().write_all(text.as_bytes())?;
            let file = fresh.file().try_clone()?;
            fresh.keep()?;
            Ok(file)
        });
        // Without a disk that takes it the next daemon begins as any other.
        self.file = written.ok();
    }

    /// The child has been heard.
    pub(super) fn beat(&self, now: Instant) {
        if let Some(file) = &self.file {
            let _ = file.write_all_at(head(now).as_bytes(), 0);
        }
    }

    /// Nothing is left to anybody: somebody ends in order, or gives up.
    pub(super) fn remove(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// A child that ends in order though its parent is gone leaves nothing to the next daemon.
pub fn disown(pid_file: &Path) {
    let _ = fs::remove_file(pid_file.with_extension(EXTENSION));
}

const EXTENSION: &str = "state";

/// The first line. It always has the same length.
fn head(now: Instant) -> String {
    format!("keepalived {} {:020}\n", machine::boot(), now.as_micros())
}

fn parse(text: &str) -> Option<(Instant, Vec<Record>)> {
    let (first, rest) = text.split_once('\n')?;
    let (boot, micros) = first.strip_prefix("keepalived ")?.split_once(' ')?;
    if boot != machine::boot() {
        return None;
    }
    let records = rest.lines().map(|line| Some(Record::from_bits(u64::from_str_radix(line, 16).ok()?)));
    Some((Instant::from_micros(micros.parse().ok()?), records.collect::<Option<_>>()?))
}

/// More than this is no such file: 17 octets a record.
const LONGEST: u64 = 4 << 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::record::key;

    const BACKUP: u8 = 1;
    const MASTER: u8 = 2;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    fn place(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ka-heritage-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder.join("vrrp.pid")
    }

    fn records(state: u8) -> Records {
        let mut records = Records::new(2);
        records.note(Record::new(key("A"), state));
        records.note(Record::new(key("B"), BACKUP));
        records
    }

    #[test]
    fn a_master_is_left_with_the_time_at_which_it_was_last_heard() {
        let pid_file = place("left");
        let (mut heritage, none) = Heritage::take(&pid_file, MASTER);
        assert!(none.is_none());
        heritage.write(at(5), &records(MASTER));
        heritage.beat(at(1_700_000));
        core::mem::forget(heritage);
        let (mut heritage, left) = Heritage::take(&pid_file, MASTER);
        let (when, found) = left.unwrap();
        assert_eq!(when, at(1_700_000));
        let state = |name| found.iter().find(|one| one.key() == key(name)).map(|one| one.state());
        assert_eq!((state("A"), state("B")), (Some(MASTER), Some(BACKUP)));
        assert!(Heritage::take(&pid_file, MASTER).1.is_none(), "not twice");
        heritage.write(at(5), &records(MASTER));
        heritage.write(at(6), &records(BACKUP));
        assert!(!pid_file.with_extension(EXTENSION).exists(), "a BACKUP leaves nothing");
        heritage.write(at(7), &records(MASTER));
        disown(&pid_file);
        assert!(Heritage::take(&pid_file, MASTER).1.is_none());
        fs::remove_dir_all(pid_file.parent().unwrap()).unwrap();
    }

    #[test]
    fn what_another_boot_or_another_user_wrote_counts_for_nothing() {
        use std::os::unix::fs::PermissionsExt;
        let pid_file = place("others");
        let path = pid_file.with_extension(EXTENSION);
        let good = format!("{}{:016x}\n", head(at(5)), Record::new(key("A"), MASTER).bits());
        let taken = |text: &str, mode: u32| {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            Heritage::take(&pid_file, MASTER).1
        };
        assert!(taken(&good, 0o600).is_some());
        assert!(taken(&good, 0o666).is_none());
        assert!(taken(&good.replace(&machine::boot(), "another"), 0o600).is_none());
        assert!(taken(&good.replace("keepalived", "keepalive"), 0o600).is_none());
        assert!(taken(&format!("{good}nonsense\n"), 0o600).is_none());
        fs::remove_dir_all(pid_file.parent().unwrap()).unwrap();
    }
}

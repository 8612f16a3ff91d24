//! Which entries of the kernel's table are ours, on disk: a daemon that is started after every process was killed removes
//! what its predecessor had put there and nobody wants any more, and leaves alone what others did.
//!
//! The file lies beside the child's pid file. It is written at the start and by reloads, for the keys that the
//! configuration stands for do not change between them, and removed at the stop. After a reboot it says nothing.
//!
//! The first line is the boot that the file is about; the others are those of [`RecordWriter`], and one that names our
//! tables of nftables.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use super::report;
use crate::proto::lvs::{DestKey, Director, RecordReader, RecordWriter, ServiceKey};
use crate::sys::file::{Replacement, read_own};
use crate::sys::machine::boot;

/// The file.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    path: PathBuf,
    /// That it cannot be written was told.
    failed: bool,
}

/// More than this is no such file: 100,000 destinations of 60 octets.
const LONGEST: u64 = 16 << 20;

impl Ledger {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, failed: false }
    }

    /// Where it lies.
    #[cfg(test)]
    pub(super) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// Tells the director what a predecessor left. The name of its tables of nftables, if it left some.
    pub(super) fn recall(&self, director: &mut Director) -> Option<Box<str>> {
        let text = read_own(&self.path, LONGEST).unwrap_or_default();
        parse(&text, &mut |key, dest| director.recorded(key, dest))
    }

    /// Writes what is ours from now on: what the director has, and tables of nftables of this name.
    pub(super) fn write(&mut self, director: &Director, tables: Option<&str>) {
        let mut text = format!("keepalived {}\n", boot());
        if let Some(name) = tables {
            text.extend([TABLES, name, "\n"]);
        }
        let mut writer = RecordWriter::default();
        director.owned(&mut |key, dest| {
            // Writing to a String does not fail.
            let _ = writer.line(key, dest, &mut text);
        });
        let written = Replacement::create(&self.path, 0o600).and_then(|mut fresh| {
            fresh.file().write_all(text.as_bytes())?;
            fresh.keep()
        });
        if let Err(error) = written
            && !core::mem::replace(&mut self.failed, true)
        {
            report::ledger_failed(&self.path, &error);
        }
    }

    /// Nothing is ours any more.
    pub(super) fn remove(&self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// What stands before the name of tables of nftables.
const TABLES: &str = "nftables ";

/// Calls `each` with what the text says; the name of the tables of nftables.
fn parse(text: &str, each: &mut dyn FnMut(ServiceKey, Option<DestKey>)) -> Option<Box<str>> {
    let mut lines = text.lines().peekable();
    if lines.next().and_then(|head| head.strip_prefix("keepalived ")) != Some(&boot()) {
        return None;
    }
    let tables = lines.peek().and_then(|line| line.strip_prefix(TABLES)).map(Box::from);
    let mut reader = RecordReader::default();
    for (key, dest) in lines.filter_map(|line| reader.line(line)) {
        each(key, dest);
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_later_daemon_reads_the_keys_and_nothing_after_a_reboot() {
        let text = format!("keepalived {}\ntcp 192.0.2.10 80\n> 10.0.0.1 80\n", boot());
        let count = |text: &str| {
            let mut count = 0;
            parse(text, &mut |_, _| count += 1);
            count
        };
        assert!(count(&text) >= 1);
        assert_eq!(count(&text.replacen("keepalived ", "keepalived x", 1)), 0);
        assert_eq!(count(""), 0);
        assert_eq!(parse(&text, &mut |_, _| ()), None);
        let with_tables = text.replacen('\n', "\nnftables mine\n", 1);
        assert_eq!(parse(&with_tables, &mut |_, _| ()).as_deref(), Some("mine"));
        assert_eq!(count(&with_tables), count(&text));
    }
}

//! What the parent keeps of the configuration that runs, beside its outline: the text, and where its checks are told.

use std::cell::RefCell;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use keepalived::config::diag::Diagnostics;
use keepalived::config::packed::Packed;
use keepalived::config::snapshot::Snapshot;
use keepalived::config::source::SourceMap;
use keepalived::daemon::log;
use keepalived::sys::memory;

/// A configuration as it was read, for children to come.
pub(super) enum Kept {
    /// In memory, until the children have it: none of them waits while it is compressed.
    Whole(Box<Snapshot>),
    /// In memory, compressed.
    Memory(Packed),
    /// In a file without a name (`tmp_config_directory`).
    File(OwnedFd),
}

impl Kept {
    /// Keeps it in memory, or on the file system of a folder.
    pub(super) fn new(snapshot: Snapshot, folder: Option<&str>) -> Self {
        let Some(folder) = folder else { return Self::Whole(Box::new(snapshot)) };
        match memory::unnamed(Path::new(folder), &snapshot.encode()) {
            Ok(file) => Self::File(file),
            Err(error) => {
                log::warn!("Unable to keep the configuration in {folder}: {error} - it stays in memory");
                Self::Whole(Box::new(snapshot))
            }
        }
    }

    /// The children have it.
    pub(super) fn pack(&mut self) {
        if let Self::Whole(snapshot) = self {
            *self = Self::Memory(Packed::new(&snapshot.encode()));
        }
    }

    /// A child has read it, and gives back the memory. It has no descriptors of the parent's, and closes none.
    pub(super) fn forget(&mut self) {
        if !matches!(self, Self::File(_)) {
            *self = Self::Memory(Packed::default());
        }
    }

    /// As octets; empty if a disk has failed.
    pub(super) fn encode(&self) -> Vec<u8> {
        match self {
            Self::Whole(snapshot) => snapshot.encode(),
            // What cannot be: a child refuses nothing like any other damaged text.
            Self::Memory(packed) => packed.unpack().unwrap_or_default(),
            Self::File(file) => file.try_clone().and_then(memory::read).unwrap_or_else(|error| {
                log::error!("Unable to read the copy of the configuration again: {error}");
                Vec::new()
            }),
        }
    }

    /// As it was; none if a disk has failed.
    pub(super) fn read(&self) -> Option<Snapshot> {
        match self {
            Self::Whole(snapshot) => Some(Snapshot::clone(snapshot)),
            _ => Snapshot::decode(&self.encode()).ok(),
        }
    }
}

/// `reload_check_config` of the configuration that runs: the log, empty for none.
#[derive(Debug, Default)]
pub(super) struct CheckLog(RefCell<Option<String>>);

impl CheckLog {
    /// Another configuration runs now.
    pub(super) fn set(&self, path: &Option<String>) {
        self.0.borrow_mut().clone_from(path);
    }

    /// A new configuration is about to be read.
    pub(super) fn tell_begin(&self) {
        if self.0.borrow().is_some() {
            log::info!("validate conf before Reload");
        }
    }

    /// What was found in it goes to the log, too.
    pub(super) fn write(&self, found: &Diagnostics, sources: &SourceMap) {
        let log = self.0.borrow();
        let Some(path) = log.as_deref().filter(|path| !path.is_empty()) else { return };
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = found.write(sources, true, &mut text);
        let written = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
            .open(path)
            .and_then(|mut file| file.write_all(text.as_bytes()));
        if let Err(error) = written {
            log::warn!("Unable to write the check log {path}: {error}");
        }
    }

    /// It will not run.
    pub(super) fn tell_refused(&self) {
        match self.0.borrow().as_deref() {
            None => {}
            Some("") => log::error!("New config failed validation"),
            Some(path) => log::error!("New config failed validation, see {path} for details"),
        }
    }
}

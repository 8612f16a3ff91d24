//! Where a status file goes, and how it is written piece by piece without the heap.

use core::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::base::limit;
use crate::config::model::{Daemon, Global};
use crate::sys::file::{Place, Replacement};

/// Which status file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The data dump of the parent.
    ParentData,
    /// The data dump of the VRRP child.
    VrrpData,
    /// The statistics of the VRRP child.
    VrrpStats,
    /// The JSON status of the VRRP child.
    VrrpJson,
    /// The data dump of the checker child.
    CheckData,
    /// The data dump of the BFD child.
    BfdData,
}

impl Kind {
    /// The keyword of `global_defs` that names another place.
    #[must_use]
    pub const fn keyword(self) -> &'static str {
        match self {
            Self::ParentData | Self::VrrpData | Self::CheckData | Self::BfdData => "state_dump_file",
            Self::VrrpStats => "stats_dump_file",
            Self::VrrpJson => "json_dump_file",
        }
    }

    /// The standard name: its part before the last dot, and after it.
    const fn name(self) -> (&'static str, &'static str) {
        match self {
            Self::ParentData => ("keepalived_parent", "data"),
            Self::VrrpData => ("keepalived", "data"),
            Self::VrrpStats => ("keepalived", "stats"),
            Self::VrrpJson => ("keepalived", "json"),
            Self::CheckData => ("keepalived_check", "data"),
            Self::BfdData => ("keepalived_bfd", "data"),
        }
    }
}

/// Where keepalived puts its files.
const FOLDER: &str = "/tmp";

/// Where a status file goes: as configured, a name that ends in a slash being the folder for the standard name, or
/// the standard place, with network namespace and instance in the name if `data_use_instance` wants them there.
#[must_use]
pub fn place(kind: Kind, daemon: &Daemon, global: &Global) -> PathBuf {
    let files = &global.files;
    let configured = match kind {
        Kind::ParentData | Kind::VrrpData | Kind::CheckData | Kind::BfdData => {
            files.state_dump_file.as_deref()
        }
        Kind::VrrpStats => files.stats_dump_file.as_deref(),
        Kind::VrrpJson => files.json_dump_file.as_deref(),
    };
    let folder = match configured {
        None => Path::new(FOLDER),
        Some(folder) if folder.ends_with('/') => Path::new(folder),
        Some(path) => return named(kind, Path::new(path)),
    };
    let (stem, extension) = kind.name();
    let mut name = String::from(stem);
    if files.data_use_instance {
        let parts = [daemon.net_namespace.as_deref(), daemon.instance.as_deref()];
        for (position, part) in parts.into_iter().flatten().enumerate() {
            name.push(if position == 0 { '.' } else { '_' });
            name.push_str(part);
        }
    }
    name.push('.');
    name.push_str(extension);
    folder.join(name)
}

/// A configured name; the processes share the keyword but not the file.
fn named(kind: Kind, path: &Path) -> PathBuf {
    let word = match kind {
        Kind::ParentData => "_parent",
        Kind::CheckData => "_check",
        Kind::BfdData => "_bfd",
        Kind::VrrpData | Kind::VrrpStats | Kind::VrrpJson => return path.to_owned(),
    };
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(word);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// What is written to a file by a few long writes. Made at load time; writing allocates nothing.
#[derive(Debug)]
pub struct Pieces {
    buffer: Vec<u8>,
    /// Why the file under way will never be whole.
    failed: Option<io::Error>,
}

impl Default for Pieces {
    fn default() -> Self {
        Self { buffer: Vec::with_capacity(limit::STATUS_BUFFER), failed: None }
    }
}

impl Pieces {
    /// Adds text, and writes what has no room.
    ///
    /// # Errors
    /// When a write has failed, which [`Pieces::finish`] tells.
    pub fn push(&mut self, text: &str, mut file: Option<&mut File>) -> fmt::Result {
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let room = self.buffer.capacity() - self.buffer.len();
            if room == 0 {
                self.flush(file.as_deref_mut());
                continue;
            }
            let (now, later) = rest.split_at(room.min(rest.len()));
            self.buffer.extend_from_slice(now);
            rest = later;
        }
        if self.failed.is_some() { Err(fmt::Error) } else { Ok(()) }
    }

    /// Writes the rest.
    ///
    /// # Errors
    /// Whatever went wrong since the file was begun.
    pub fn finish(&mut self, file: Option<&mut File>) -> io::Result<()> {
        self.flush(file);
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Forgets what was not written.
    pub fn clear(&mut self) {
        self.failed = None;
        self.buffer.clear();
    }

    fn flush(&mut self, file: Option<&mut File>) {
        if self.failed.is_none()
            && let Some(file) = file
        {
            self.failed = file.write_all(&self.buffer).err();
        }
        self.buffer.clear();
    }
}

/// A status file of one process. Made at load time; writing allocates nothing.
#[derive(Debug)]
pub struct StatusFile {
    place: Place,
    open: Option<Replacement>,
    pieces: Pieces,
}

impl StatusFile {
    /// A file that will be put at `place` by this very process.
    ///
    /// # Errors
    /// When `place` has no file name.
    pub fn new(place: &Path) -> io::Result<Self> {
        Ok(Self { place: Place::new(place)?, open: None, pieces: Pieces::default() })
    }

    /// Where it goes.
    #[must_use]
    pub fn place(&self) -> &Path {
        self.place.path()
    }

    /// Begins the file, readable by the owner only. One under way is abandoned.
    ///
    /// # Errors
    /// When the folder does not let us.
    pub fn begin(&mut self) -> io::Result<()> {
        self.abandon();
        self.open = Some(self.place.replace(0o600)?);
        Ok(())
    }

    /// Puts the file in its place, whole.
    ///
    /// # Errors
    /// Whatever went wrong since it was begun; the old file is still there then.
    pub fn finish(&mut self) -> io::Result<()> {
        let mut file = self.open.take();
        self.pieces.finish(file.as_mut().map(Replacement::file))?;
        file.ok_or(io::ErrorKind::NotFound)?.keep()
    }

    /// Gives the file under way up.
    pub fn abandon(&mut self) {
        self.open = None;
        self.pieces.clear();
    }
}

/// An error of the file is told by [`StatusFile::finish`]; here it only ends the writing.
impl fmt::Write for StatusFile {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.pieces.push(text, self.open.as_mut().map(Replacement::file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write as _;

    fn at(kind: Kind, daemon: &Daemon, global: &Global) -> String {
        place(kind, daemon, global).to_string_lossy().into_owned()
    }

    #[test]
    fn names_follow_the_configuration() {
        let (mut daemon, mut global) = (Daemon::default(), Global::default());
        assert_eq!(at(Kind::VrrpData, &daemon, &global), "/tmp/keepalived.data");
        assert_eq!(at(Kind::VrrpStats, &daemon, &global), "/tmp/keepalived.stats");
        daemon.instance = Some("foo".to_owned());
        global.files.data_use_instance = true;
        assert_eq!(at(Kind::ParentData, &daemon, &global), "/tmp/keepalived_parent.foo.data");
        daemon.net_namespace = Some("blue".to_owned());
        assert_eq!(at(Kind::VrrpData, &daemon, &global), "/tmp/keepalived.blue_foo.data");
        global.files.state_dump_file = Some("/run/dumps/".to_owned());
        assert_eq!(at(Kind::VrrpData, &daemon, &global), "/run/dumps/keepalived.blue_foo.data");
        global.files.state_dump_file = Some("/run/state.txt".to_owned());
        assert_eq!(at(Kind::VrrpData, &daemon, &global), "/run/state.txt");
        assert_eq!(at(Kind::ParentData, &daemon, &global), "/run/state_parent.txt");
        global.files.stats_dump_file = Some("/run/counters".to_owned());
        assert_eq!(at(Kind::VrrpStats, &daemon, &global), "/run/counters");
        assert_eq!(at(Kind::VrrpJson, &daemon, &global), "/tmp/keepalived.blue_foo.json");
        global.files.json_dump_file = Some("/run/status/".to_owned());
        assert_eq!(at(Kind::VrrpJson, &daemon, &global), "/run/status/keepalived.blue_foo.json");
        global.files.json_dump_file = Some("/run/vrrp.json".to_owned());
        assert_eq!(at(Kind::VrrpJson, &daemon, &global), "/run/vrrp.json");
    }

    #[test]
    fn a_file_of_many_buffers_arrives_whole_and_only_when_finished() {
        let folder = std::env::temp_dir().join(format!("ka-status-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let target = folder.join("stats");
        let mut file = StatusFile::new(&target).unwrap();
        file.begin().unwrap();
        let capacity = file.pieces.buffer.capacity();
        let mut expected = String::new();
        for line in 0..3 * limit::STATUS_BUFFER / 16 {
            writeln!(file, "line {line:>20}").unwrap();
            writeln!(expected, "line {line:>20}").unwrap();
        }
        assert!(!target.exists());
        file.finish().unwrap();
        assert_eq!(std::fs::read_to_string(&target).unwrap(), expected);
        assert_eq!(file.pieces.buffer.capacity(), capacity, "the buffer never grows");
        file.begin().unwrap();
        file.abandon();
        assert!(file.finish().is_err());
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_full_disk_leaves_the_old_file_and_is_told() {
        // Every write to this device fails as on a full disk; only the open file is exchanged for it.
        let folder = std::env::temp_dir().join(format!("ka-full-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let target = folder.join("stats");
        std::fs::write(&target, "old").unwrap();
        let mut file = StatusFile::new(&target).unwrap();
        file.begin().unwrap();
        *file.open.as_mut().unwrap().file() = File::options().write(true).open("/dev/full").unwrap();
        let _ = file.write_str(&"x".repeat(2 * limit::STATUS_BUFFER));
        assert_eq!(file.finish().unwrap_err().kind(), io::ErrorKind::StorageFull);
        assert_eq!(std::fs::read_to_string(&target).unwrap(), "old");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

//! Pid files: keepalived's names, mode 0644, locked as long as the parent lives.
//!
//! The parent holds all of them, those of its children too: a child that is killed leaves nothing locked, and
//! its replacement's number is written into the same file. A child shares the lock of its own: while it cleans up after
//! its parent was killed, the next parent waits for it, and neither undoes the work of the other.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::cli::PidFiles;
use crate::base::time::Span;
use crate::sys::file::{self, Locked};
use crate::sys::process::{self, Pid};
use crate::sys::{clock, namesake};

/// Where pid files go that are not alone.
pub const FOLDER: &str = "/run/keepalived";

/// Where the pid files of each process are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The parent's.
    pub parent: PathBuf,
    /// The VRRP child's.
    pub vrrp: PathBuf,
    /// The checker child's.
    pub checkers: PathBuf,
    /// The BFD child's.
    pub bfd: PathBuf,
}

impl Places {
    /// The folder of pid files that are not named on the command line.
    #[must_use]
    pub fn folder(use_pid_dir: bool, instance: Option<&str>) -> &'static Path {
        Path::new(if use_pid_dir || instance.is_some() { FOLDER } else { "/run" })
    }

    /// By the configuration's top-level `use_pid_dir` and `instance`, except where the command line says
    /// otherwise. An instance has its files in the folder.
    #[must_use]
    pub fn new(named: &PidFiles, use_pid_dir: bool, instance: Option<&str>) -> Self {
        let folder = Self::folder(use_pid_dir, instance);
        let place = |name: &str, named: &Option<PathBuf>| {
            named.clone().unwrap_or_else(|| {
                let suffix = instance.map(|instance| format!("_{instance}")).unwrap_or_default();
                folder.join(format!("{name}{suffix}.pid"))
            })
        };
        Self {
            parent: place("keepalived", &named.parent),
            vrrp: place("vrrp", &named.vrrp),
            checkers: place("checkers", &named.checkers),
            bfd: place("bfd", &named.bfd),
        }
    }
}

/// A locked pid file; the lock ends with this value.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
}

/// What came of an attempt to get a pid file.
#[derive(Debug)]
pub enum Claim {
    /// It is ours; its old content is gone.
    Ours(PidFile),
    /// Another process has it locked.
    Taken,
}

impl PidFile {
    /// Makes and locks a pid file; its folder too, if it is missing.
    ///
    /// # Errors
    /// When the file is no plain file, or cannot be made.
    pub fn claim(path: &Path) -> io::Result<Claim> {
        if let Some(folder) = path.parent()
            && !folder.as_os_str().is_empty()
            && !folder.exists()
        {
            make_folder(folder)?;
        }
        Ok(match file::lock(path, MODE)? {
            Locked::Taken => Claim::Taken,
            Locked::Ours(file) => {
                file.set_len(0)?;
                Claim::Ours(Self { path: path.to_owned(), file })
            }
        })
    }

    /// The same for the file of a child. A child whose parent was killed is at its end: it is waited for, and killed if
    /// that takes longer than `patience`.
    ///
    /// # Errors
    /// As [`PidFile::claim`].
    pub fn claim_after(path: &Path, patience: Span) -> io::Result<Claim> {
        let begin = clock::now();
        let (mut told, mut killed) = (false, false);
        loop {
            let claim = Self::claim(path)?;
            let holder = match &claim {
                Claim::Taken => {
                    fs::read_to_string(path).ok().and_then(|text| Pid::new(text.trim().parse().ok()?))
                }
                Claim::Ours(_) => None,
            };
            let Some(holder) = holder else { return Ok(claim) };
            let orphan = namesake::is_orphan(holder.number());
            let waited = clock::now().since(begin);
            if orphan == Some(false) || waited >= patience + KILLED_WITHIN {
                return Ok(claim);
            }
            if orphan == Some(true) && !core::mem::replace(&mut told, true) {
                log::warn!("Waiting for the end of process {holder}, whose parent was killed");
            }
            if orphan == Some(true) && waited >= patience && !core::mem::replace(&mut killed, true) {
                log::error!("Process {holder}, whose parent was killed, does not end - killing it");
                process::kill(holder, libc::SIGKILL);
            }
            process::pause(LOOK_AGAIN);
        }
    }

    /// Replaces the content by this process number and a newline.
    ///
    /// # Errors
    /// When the disk is full or broken.
    pub fn write(&self, pid: Pid) -> io::Result<()> {
        let mut text = heapless::String::<16>::new();
        let _ = core::fmt::Write::write_fmt(&mut text, format_args!("{pid}\n"));
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(text.len() as u64)
    }

    /// Empties the file: the process is gone and not yet replaced.
    ///
    /// # Errors
    /// When the disk is broken.
    pub fn clear(&self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// Removes the file: a clean end. The lock goes with it.
    pub fn remove(self) {
        // A folder that was emptied or remounted meanwhile is no reason to complain at the very end.
        let _ = fs::remove_file(&self.path);
    }
}

impl AsFd for PidFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

const LOOK_AGAIN: Span = Span::from_millis(5);
/// What the kernel may take to end a process that was killed.
const KILLED_WITHIN: Span = Span::from_secs(2);

fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

const MODE: u32 = 0o644;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_keepaliveds() {
        let named = PidFiles { vrrp: Some("/x/v".into()), ..PidFiles::default() };
        let places = Places::new(&named, false, None);
        assert_eq!(places.parent, Path::new("/run/keepalived.pid"));
        assert_eq!(places.vrrp, Path::new("/x/v"));
        assert_eq!(places.checkers, Path::new("/run/checkers.pid"));
        let places = Places::new(&PidFiles::default(), true, None);
        assert_eq!(places.bfd, Path::new("/run/keepalived/bfd.pid"));
        let places = Places::new(&PidFiles::default(), false, Some("foo"));
        assert_eq!(places.parent, Path::new("/run/keepalived/keepalived_foo.pid"));
        assert_eq!(places.vrrp, Path::new("/run/keepalived/vrrp_foo.pid"));
    }

    #[test]
    fn content_is_replaced_and_a_second_claim_is_refused() {
        let folder = std::env::temp_dir().join(format!("ka-pid-{}", std::process::id()));
        let path = folder.join("deep/a.pid");
        let Claim::Ours(file) = PidFile::claim(&path).unwrap() else { panic!("taken") };
        file.write(Pid::new(123_456).unwrap()).unwrap();
        file.write(Pid::new(78).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "78\n");
        assert!(matches!(PidFile::claim(&path).unwrap(), Claim::Taken));
        assert_eq!(fs::read_to_string(&path).unwrap(), "78\n", "a refused claim changes nothing");
        file.remove();
        assert!(!path.exists());
        fs::remove_dir_all(&folder).unwrap();
    }
}

//! Files that a process has locked as long as it runs: F_OFD_SETLK, as keepalived has it, so that each excludes the other.
//!
//! A write lock needs a file that is open for writing: who may only read can at most hold a read lock, and a file that
//! has one is replaced. One octet far behind the content is locked with the rest and let go of first: whoever waits
//! for the file sees from it that its holder is at its end.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::unistd;

use super::check;
use super::refusal::refusal;

/// What came of an attempt to lock a file.
#[derive(Debug)]
pub enum Locked {
    /// It is ours for as long as the file stays open here or in a process forked from here.
    Ours(File),
    /// Another process has it.
    Taken {
        /// It has said that it is at its end, by [`begin_end`].
        ending: bool,
    },
}

/// Opens or makes `place` without following a link, locks it, and gives it exactly this `mode`. The content is left as
/// it was. A file that another user owns, that has a second name or that a reader has locked is replaced by a new one
/// with no content; `is_fit` says whether a file has a content that may be lost.
///
/// # Errors
/// `InvalidInput` when it is no plain file, `InvalidData` when it is not fit; when it cannot be opened.
pub fn lock(place: &Path, mode: u32, is_fit: impl Fn(&File) -> bool) -> io::Result<Locked> {
    // Whoever held the lock may remove the file between our open and our lock: then the lock is worthless.
    for _ in 0..ATTEMPTS {
        let Some((file, opened)) = open(place)? else { continue };
        if !opened.is_file() {
            return Err(refusal(io::ErrorKind::InvalidInput, "it is no plain file"));
        }
        if opened.nlink() == 1 && !is_fit(&file) {
            return Err(refusal(io::ErrorKind::InvalidData, "it holds something else and is left as it is"));
        }
        let reader = match set(&file, ALL) {
            Ok(()) => false,
            Err(error) if is_conflict(&error) => match holder(&file, ALL)? {
                Some(libc::F_RDLCK) => true,
                Some(_) => return Ok(Locked::Taken { ending: holder(&file, RUNS)?.is_none() }),
                // It has just been let go.
                None => continue,
            },
            Err(error) => return Err(error),
        };
        if !is_same(place, &opened) {
            continue;
        }
        let own = unistd::geteuid().as_raw();
        if !reader && opened.nlink() == 1 && opened.uid() == own {
            file.set_permissions(Permissions::from_mode(mode))?;
            return Ok(Locked::Ours(file));
        }
        if let Some(locked) = replace(place, &file, mode)? {
            return Ok(locked);
        }
    }
    Ok(Locked::Taken { ending: false })
}

/// Tells those who wait for a file that is locked here that this process is at its end.
///
/// # Errors
/// When the kernel has no memory.
pub fn begin_end(file: BorrowedFd<'_>) -> io::Result<()> {
    command(file.as_raw_fd(), libc::F_OFD_SETLK, libc::F_UNLCK, RUNS).map(drop)
}

/// A new file in place of `old`, locked before anybody else may open it; none: somebody else was quicker.
fn replace(place: &Path, old: &File, mode: u32) -> io::Result<Option<Locked>> {
    fs::remove_file(place)?;
    let mut options = options();
    let file = match options.create_new(true).mode(0o600).open(place) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(None),
        other => other?,
    };
    if set(&file, ALL).is_err() || !is_same(place, &file.metadata()?) {
        return Ok(None);
    }
    // The reader may have let go, and another process have locked the old file before its name went.
    if holder(old, ALL)? == Some(libc::F_WRLCK) {
        fs::remove_file(place)?;
        return Ok(Some(Locked::Taken { ending: false }));
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(Some(Locked::Ours(file)))
}

/// The file that there is, or a new one that only its owner may open; none: it has just gone or come.
fn open(place: &Path) -> io::Result<Option<(File, Metadata)>> {
    // Not made by the same call: some kernels let nobody use O_CREAT on a file of another user in /tmp.
    let file = match options().open(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            options().create_new(true).mode(0o600).open(place)
        }
        other => other,
    };
    match file {
        Err(error) if matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotFound) => {
            // A folder that is missing is missing in the second attempt, too.
            if place.parent().is_some_and(|folder| folder.as_os_str().is_empty() || folder.exists()) {
                return Ok(None);
            }
            Err(error)
        }
        Err(error) => Err(error),
        Ok(file) => {
            let opened = file.metadata()?;
            Ok(Some((file, opened)))
        }
    }
}

fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY);
    options
}

fn is_same(place: &Path, opened: &Metadata) -> bool {
    fs::symlink_metadata(place).is_ok_and(|now| now.ino() == opened.ino() && now.dev() == opened.dev())
}

/// First octet and length; a length of 0 means all that may follow.
type Range = (libc::off_t, libc::off_t);

const ALL: Range = (0, 0);
/// Locked as long as the holder runs and has not begun its end.
const RUNS: Range = (1 << 30, 1);

fn set(file: &File, range: Range) -> io::Result<()> {
    command(file.as_raw_fd(), libc::F_OFD_SETLK, libc::F_WRLCK, range).map(drop)
}

/// The type of a lock that keeps us from a write lock, if there is one.
fn holder(file: &File, range: Range) -> io::Result<Option<libc::c_int>> {
    let kind = command(file.as_raw_fd(), libc::F_OFD_GETLK, libc::F_WRLCK, range)?;
    Ok(Some(kind).filter(|kind| *kind != libc::F_UNLCK))
}

fn is_conflict(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EAGAIN | libc::EACCES))
}

fn command(
    file: libc::c_int,
    command: libc::c_int,
    kind: libc::c_int,
    range: Range,
) -> io::Result<libc::c_int> {
    // SAFETY: numbers only; all zeros is a value of this struct.
    let mut lock: libc::flock = unsafe { core::mem::zeroed() };
    // The constants are small and fit.
    lock.l_type = libc::c_short::try_from(kind).unwrap_or_default();
    lock.l_whence = libc::c_short::try_from(libc::SEEK_SET).unwrap_or_default();
    (lock.l_start, lock.l_len) = range;
    // SAFETY: the lock is alive during the call, which writes no more than its size.
    check(unsafe { libc::fcntl(file, command, &raw mut lock) })?;
    Ok(libc::c_int::from(lock.l_type))
}

/// Two processes that start and stop against each other meet once or twice, not more.
const ATTEMPTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::path::PathBuf;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder = std::env::temp_dir().join(format!("ka-lock-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&folder);
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn place(&self) -> PathBuf {
            self.0.join("pid")
        }

        fn lock(&self) -> io::Result<Locked> {
            lock(&self.place(), 0o644, |_| true)
        }

        fn ours(&self) -> File {
            match self.lock().unwrap() {
                Locked::Ours(file) => file,
                Locked::Taken { .. } => panic!("not ours"),
            }
        }

        fn is_taken(&self, ending: bool) -> bool {
            matches!(self.lock().unwrap(), Locked::Taken { ending: so } if so == ending)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_lock_is_exclusive_until_closed_and_its_end_is_seen_before() {
        let folder = Folder::new("exclusive");
        let file = folder.ours();
        assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o644);
        assert!(folder.is_taken(false));
        begin_end(file.as_fd()).unwrap();
        assert!(folder.is_taken(true));
        drop(file);
        drop(folder.ours());
        std::os::unix::fs::symlink(folder.place(), folder.0.join("link")).unwrap();
        assert!(lock(&folder.0.join("link"), 0o644, |_| true).is_err());
    }

    #[test]
    fn the_lock_is_the_one_that_keepalived_takes() {
        let folder = Folder::new("keepaliveds");
        let held = folder.ours();
        let other = File::options().read(true).write(true).open(folder.place()).unwrap();
        assert!(set(&other, ALL).is_err_and(|error| is_conflict(&error)));
        drop(held);
        set(&other, ALL).unwrap();
        assert!(folder.is_taken(false), "a lock of the whole file says nothing of an end");
    }

    #[test]
    fn no_reader_keeps_anybody_from_the_lock() {
        let folder = Folder::new("reader");
        drop(folder.ours());
        let reader = File::open(folder.place()).unwrap();
        // SAFETY: flock touches no memory of ours.
        assert_eq!(unsafe { libc::flock(reader.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }, 0);
        drop(folder.ours());
        command(reader.as_raw_fd(), libc::F_OFD_SETLK, libc::F_RDLCK, ALL).unwrap();
        let ours = folder.ours();
        assert_ne!(ours.metadata().unwrap().ino(), reader.metadata().unwrap().ino());
        assert_eq!(ours.metadata().unwrap().mode() & 0o7777, 0o644);
        assert!(folder.is_taken(false));
        let late = File::open(folder.place()).unwrap();
        assert!(command(late.as_raw_fd(), libc::F_OFD_SETLK, libc::F_RDLCK, ALL).is_err());
    }

    #[test]
    fn a_second_name_and_somebodys_file_are_left_as_they_are() {
        let folder = Folder::new("strangers");
        let precious = folder.0.join("precious");
        fs::write(&precious, "text").unwrap();
        fs::hard_link(&precious, folder.place()).unwrap();
        drop(lock(&folder.place(), 0o644, |_| false).unwrap());
        assert_eq!(fs::read_to_string(folder.place()).unwrap(), "");
        assert_eq!(fs::read_to_string(&precious).unwrap(), "text");
        assert_ne!(fs::metadata(&precious).unwrap().ino(), fs::metadata(folder.place()).unwrap().ino());
        let unfit = lock(&precious, 0o644, |_| false).unwrap_err();
        assert_eq!(unfit.kind(), io::ErrorKind::InvalidData);
        std::os::unix::fs::chown(folder.place(), Some(65_534), None).unwrap();
        let ours = folder.ours();
        assert_eq!(ours.metadata().unwrap().uid(), unistd::geteuid().as_raw());
    }
}

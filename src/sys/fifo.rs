//! Named pipes for readers that come and go: opened without following links, never waited for.

use std::fs::{self, File, FileType, Metadata, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd;

use super::refusal::refusal;
use super::user;

/// Device and inode: which pipe it is, whatever its name.
pub type Key = (u64, u64);

/// A named pipe. The name of one that was made here goes with it; one that was there stays as it was.
///
/// Open for reading as well, so that the kernel keeps what is written while nobody reads, and a reader that goes is
/// no error.
#[derive(Debug)]
pub struct Fifo {
    file: File,
    path: PathBuf,
    key: Key,
    made: bool,
}

impl Fifo {
    /// Opens the pipe that there is, whoever owns it, or makes one, which only its owner may open: user and group;
    /// none: whoever this process is. `is_left` says of which pipes a dead process of ours has made: they count as made here.
    ///
    /// # Errors
    /// `AlreadyExists`, and what it is, when something else than a pipe has the name; when the folder refuses it.
    pub fn open(path: &Path, owner: Option<(u32, u32)>, is_left: impl Fn(Key) -> bool) -> io::Result<Self> {
        let is_fit = |about: &Metadata| {
            user::is_of_daemon(about.uid()) || owner.is_some_and(|(user, _)| about.uid() == user)
        };
        for _ in 0..ATTEMPTS {
            let mut made = match unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
                Ok(()) => true,
                Err(nix::errno::Errno::EEXIST) => false,
                Err(errno) => return Err(errno.into()),
            };
            if !made {
                let there = fs::symlink_metadata(path)?;
                if !there.file_type().is_fifo() {
                    return Err(refusal(io::ErrorKind::AlreadyExists, what_is(there.file_type())));
                }
                made = is_left(key_of(&there));
                let private = there.mode() & 0o077 == 0 && is_fit(&there);
                if made && !private {
                    // Others may have opened it since.
                    fs::remove_file(path)?;
                    continue;
                }
            }
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC)
                .open(path)?;
            let opened = file.metadata()?;
            // What was put there between the calls is no business of ours.
            if !opened.file_type().is_fifo() || (made && !is_fit(&opened)) {
                continue;
            }
            if made {
                // One without an owner may have been made by root, as whom this process began: it stays so.
                if let Some((user, group)) = owner {
                    fchown(&file, Some(user), Some(group))?;
                }
                file.set_permissions(Permissions::from_mode(0o600))?;
            }
            return Ok(Self { file, path: path.to_owned(), key: key_of(&opened), made });
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    /// Which pipe it is, if its name goes with it.
    #[must_use]
    pub fn made(&self) -> Option<Key> {
        self.made.then_some(self.key)
    }

    /// Whether the name is still that of this pipe.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|there| key_of(&there) == self.key)
    }

    /// Writes what fits; none: nothing does now. At most `PIPE_BUF` (4,096) octets at a time go in whole or not at all.
    ///
    /// # Errors
    /// What a pipe that is open for reading never says.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<Option<usize>> {
        match self.file.write(octets) {
            Ok(written) => Ok(Some(written)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Some(0)),
            Err(error) => Err(error),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsRawFd for Fifo {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

impl Drop for Fifo {
    fn drop(&mut self) {
        if self.made && self.is_in_place() {
            // Who removed it meanwhile has done what we want.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes the pipe of this name if it is one that a dead process has made.
pub fn remove_left(path: &Path, is_left: impl Fn(Key) -> bool) {
    let ours = |there: Metadata| there.file_type().is_fifo() && is_left(key_of(&there));
    if fs::symlink_metadata(path).is_ok_and(ours) {
        let _ = fs::remove_file(path);
    }
}

fn key_of(there: &Metadata) -> Key {
    (there.dev(), there.ino())
}

fn what_is(kind: FileType) -> &'static str {
    if kind.is_dir() {
        "it is a directory"
    } else if kind.is_symlink() {
        "it is a symbolic link"
    } else if kind.is_socket() {
        "it is a socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "it is a device"
    } else {
        "it is a file, and no FIFO"
    }
}

/// Somebody who makes and removes pipes under the name as fast as we do gets the better of us.
const ATTEMPTS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("ka-fifo-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn keeps_what_nobody_reads_and_never_waits() {
        let folder = folder("keeps");
        let path = folder.join("pipe");
        let mut fifo = Fifo::open(&path, None, |_| false).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o600);
        let line = [b'x'; 4_096];
        let mut whole = 0;
        while let Some(written) = fifo.write(&line).unwrap() {
            assert_eq!(written, line.len());
            whole += 1;
            assert!(whole < 100_000);
        }
        let mut reader = File::open(&path).unwrap();
        reader.read_exact(&mut [0; 4_096]).unwrap();
        assert_eq!(fifo.write(&line).unwrap(), Some(4_096));
        drop(fifo);
        assert!(!path.exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn one_that_is_there_is_used_as_it_is_and_stays() {
        let folder = folder("there");
        let path = folder.join("pipe");
        unistd::mkfifo(&path, Mode::S_IRUSR).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o622)).unwrap();
        std::os::unix::fs::chown(&path, Some(65_534), Some(65_534)).unwrap();
        let mut reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(&path).unwrap();
        let mut fifo = Fifo::open(&path, Some((1, 1)), |_| false).unwrap();
        assert_eq!(fifo.write(b"line\n").unwrap(), Some(5));
        let mut line = [0; 5];
        reader.read_exact(&mut line).unwrap();
        assert_eq!((&line, fifo.made()), (b"line\n", None));
        drop(fifo);
        let about = fs::metadata(&path).unwrap();
        assert_eq!((about.uid(), about.gid(), about.mode() & 0o7777), (65_534, 65_534, 0o622));
        remove_left(&path, |_| false);
        assert!(path.exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn one_that_a_dead_process_of_ours_made_is_ours_unless_others_could_open_it() {
        let folder = folder("left");
        let path = folder.join("pipe");
        let first = Fifo::open(&path, None, |_| false).unwrap();
        let left = first.made().unwrap();
        let again = Fifo::open(&path, Some((65_534, 65_534)), |key| key == left).unwrap();
        assert_eq!(again.made(), Some(left));
        let about = fs::metadata(&path).unwrap();
        assert_eq!((about.uid(), about.gid(), about.mode() & 0o7777), (65_534, 65_534, 0o600));
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let fresh = Fifo::open(&path, None, |key| key == left).unwrap();
        assert!(fresh.made().is_some_and(|key| key != left));
        assert!(fresh.is_in_place() && !again.is_in_place());
        drop((first, again));
        assert!(path.exists(), "the name is another's now");
        core::mem::forget(fresh);
        remove_left(&path, |key| key != left);
        assert!(!path.exists());
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_is_no_pipe_is_told_as_what_it_is_and_left_alone() {
        let folder = folder("else");
        let path = folder.join("pipe");
        let victim = folder.join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        let said = |path: &Path| {
            let error = Fifo::open(path, None, |_| true).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
            error.to_string()
        };
        assert_eq!(said(&path), "it is a symbolic link");
        assert_eq!(said(&victim), "it is a file, and no FIFO");
        assert_eq!(said(&folder), "it is a directory");
        assert_eq!(said(Path::new("/dev/null")), "it is a device");
        let socket = folder.join("socket");
        let _bound = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert_eq!(said(&socket), "it is a socket");
        remove_left(&path, |_| true);
        assert!(fs::symlink_metadata(&path).is_ok(), "no pipe, not removed");
        fs::remove_dir_all(&folder).unwrap();
    }
}

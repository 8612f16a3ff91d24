//! Named pipes for readers that come and go: made without following links, never waited for.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use nix::sys::stat::Mode;
use nix::unistd;

/// A named pipe of ours; its name goes with it.
///
/// Open for reading as well, so that the kernel keeps what is written while nobody reads, and a reader that goes is
/// no error.
#[derive(Debug)]
pub struct Fifo {
    file: File,
    path: PathBuf,
    /// Device and inode: whether the name is still that of this pipe.
    key: (u64, u64),
}

impl Fifo {
    /// Makes the pipe, or takes over the one that a dead process of ours left. Only its owner, user and group, may
    /// open it; none: this process's.
    ///
    /// # Errors
    /// `AlreadyExists` when something else than a pipe has the name; when the folder refuses it.
    pub fn make(path: &Path, owner: Option<(u32, u32)>) -> io::Result<Self> {
        let own = (unistd::geteuid().as_raw(), unistd::getegid().as_raw());
        let (user, group) = owner.unwrap_or(own);
        for _ in 0..ATTEMPTS {
            match unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
                Ok(()) => {}
                Err(nix::errno::Errno::EEXIST) => {
                    let there = fs::symlink_metadata(path)?;
                    if !there.file_type().is_fifo() {
                        return Err(io::ErrorKind::AlreadyExists.into());
                    }
                    let private = there.mode() & 0o077 == 0;
                    if !private || (there.uid() != user && there.uid() != own.0) {
                        // Somebody else made it: he may hold it open.
                        fs::remove_file(path)?;
                        continue;
                    }
                }
                Err(errno) => return Err(errno.into()),
            }
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW | libc::O_CLOEXEC)
                .open(path)?;
            let opened = file.metadata()?;
            // What was put there between the two calls is no business of ours.
            if !opened.file_type().is_fifo() || (opened.uid() != user && opened.uid() != own.0) {
                continue;
            }
            fchown(&file, Some(user), Some(group))?;
            file.set_permissions(Permissions::from_mode(0o600))?;
            return Ok(Self { file, path: path.to_owned(), key: (opened.dev(), opened.ino()) });
        }
        Err(io::ErrorKind::AlreadyExists.into())
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
        let ours = |there: fs::Metadata| (there.dev(), there.ino()) == self.key;
        if fs::symlink_metadata(&self.path).is_ok_and(ours) {
            // Who removed it meanwhile has done what we want.
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Removes what a dead process left under this name, if it is a pipe.
pub fn remove_left(path: &Path) {
    if fs::symlink_metadata(path).is_ok_and(|there| there.file_type().is_fifo()) {
        let _ = fs::remove_file(path);
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
        let mut fifo = Fifo::make(&path, None).unwrap();
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
    fn takes_over_its_own_replaces_others_and_refuses_what_is_no_pipe() {
        let folder = folder("takes");
        let path = folder.join("pipe");
        let first = Fifo::make(&path, None).unwrap();
        let again = Fifo::make(&path, None).unwrap();
        assert_eq!(again.key, first.key, "left by a dead process");
        drop(first);
        assert!(!path.exists());
        drop(again);
        unistd::mkfifo(&path, Mode::S_IRUSR).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
        let open_to_all = fs::metadata(&path).unwrap().ino();
        // Held open, so that its number is not used again.
        let held = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        let fresh = Fifo::make(&path, Some((65_534, 65_534))).unwrap();
        assert_ne!(fresh.key.1, open_to_all);
        let about = fs::metadata(&path).unwrap();
        assert_eq!((about.uid(), about.gid(), about.mode() & 0o7777), (65_534, 65_534, 0o600));
        drop((fresh, held));
        let victim = folder.join("victim");
        fs::write(&victim, "precious").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        assert_eq!(Fifo::make(&path, None).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        remove_left(&path);
        assert!(fs::symlink_metadata(&path).is_ok(), "no pipe, not removed");
        fs::remove_dir_all(&folder).unwrap();
    }
}

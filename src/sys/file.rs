//! Files for others to read: never through a link, with a mode that the umask does not change.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file that is written beside its place and appears there whole, by rename.
#[derive(Debug)]
pub struct Replacement {
    file: File,
    paths: Arc<Paths>,
    kept: bool,
}

/// The place of files that this process replaces again and again: doing so allocates nothing. (The standard
/// library keeps paths of up to 383 octets off the heap when it hands them to the kernel.)
#[derive(Clone, Debug)]
pub struct Place(Arc<Paths>);

#[derive(Debug)]
struct Paths {
    beside: PathBuf,
    place: PathBuf,
}

impl Place {
    /// The place of this name. The name beside it carries the number of this process.
    ///
    /// # Errors
    /// When `place` has no file name.
    pub fn new(place: &Path) -> io::Result<Self> {
        let name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}", std::process::id()));
        Ok(Self(Arc::new(Paths { beside: place.with_file_name(hidden), place: place.to_owned() })))
    }

    /// The name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.place
    }

    /// Starts a replacement with exactly this `mode`; see [`Replacement::create`].
    ///
    /// # Errors
    /// When the folder does not let us write.
    pub fn replace(&self, mode: u32) -> io::Result<Replacement> {
        let beside = &self.0.beside;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let file = match options.open(beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(beside)?;
                options.open(beside)?
            }
            other => other?,
        };
        let made = Replacement { file, paths: Arc::clone(&self.0), kept: false };
        made.file.set_permissions(Permissions::from_mode(mode))?;
        Ok(made)
    }
}

impl Replacement {
    /// Starts a replacement for `place` with exactly this `mode`. The name beside it must not exist, link or
    /// not; a leftover of an earlier run of ours is removed first.
    ///
    /// # Errors
    /// When `place` has no file name, or the folder does not let us write.
    pub fn create(place: &Path, mode: u32) -> io::Result<Self> {
        Place::new(place)?.replace(mode)
    }

    /// Where the content goes.
    pub fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// When the folder does not let us; the file beside is removed then.
    pub fn keep(mut self) -> io::Result<()> {
        fs::rename(&self.paths.beside, &self.paths.place)?;
        self.kept = true;
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_file(&self.paths.beside);
        }
    }
}

/// Opens a log file for appending, made with mode 0600 if it is new. A link is followed here: the
/// administrator named this file on the command line.
///
/// # Errors
/// When it cannot be opened.
pub fn append(place: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o600)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn a_replacement_appears_whole_and_replaces_a_link_instead_of_following_it() {
        let folder = std::env::temp_dir().join(format!("ka-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let victim = folder.join("victim");
        fs::write(&victim, "precious").unwrap();
        let place = folder.join("dump");
        std::os::unix::fs::symlink(&victim, &place).unwrap();

        let mut replacement = Replacement::create(&place, 0o644).unwrap();
        replacement.file().write_all(b"new").unwrap();
        replacement.keep().unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"new");
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert_eq!(fs::symlink_metadata(&place).unwrap().mode() & 0o7777, 0o644);

        drop(Replacement::create(&place, 0o600).unwrap());
        assert_eq!(fs::read(&place).unwrap(), b"new", "an abandoned one leaves the old");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "and nothing beside it");
        fs::remove_dir_all(&folder).unwrap();
    }
}

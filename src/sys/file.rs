//! Files for others to read: never through a link, with a mode that the umask does not change.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::user;

/// A file that is written beside its place and appears there whole, by rename.
#[derive(Debug)]
pub struct Replacement {
    file: File,
    paths: Arc<Paths>,
    kept: bool,
}

/// The place of files that this process replaces again and again: doing so allocates nothing. (The standard
/// library keeps paths of up to 383 octets off the heap when it hands them to the kernel.)
#[derive(Debug)]
pub struct Place(Arc<Paths>);

#[derive(Debug)]
struct Paths {
    beside: PathBuf,
    place: PathBuf,
}

impl Place {
    /// The place of this name. Nobody can take the name beside it first: it is another one each time, by chance.
    ///
    /// # Errors
    /// When `place` has no file name.
    pub fn new(place: &Path) -> io::Result<Self> {
        let name = place.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut hidden = OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{:0DIGITS$}", 0));
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
    /// `ResourceBusy` while the last one is under way; when the folder does not let us write.
    pub fn replace(&mut self, mode: u32) -> io::Result<Replacement> {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let mut tries = 0;
        let file = loop {
            tries += 1;
            let paths = Arc::get_mut(&mut self.0).ok_or(io::ErrorKind::ResourceBusy)?;
            paths.rename();
            match options.open(&paths.beside) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < NAMES => {}
                other => break other?,
            }
        };
        let made = Replacement { file, paths: Arc::clone(&self.0), kept: false };
        made.file.set_permissions(Permissions::from_mode(mode))?;
        Ok(made)
    }
}

impl Paths {
    /// Puts other digits at the end of the name beside the place.
    fn rename(&mut self) {
        let mut octets = core::mem::take(&mut self.beside).into_os_string().into_vec();
        let number = random();
        let digits = octets.iter_mut().rev().take(DIGITS);
        for (digit, shift) in digits.zip((0..u64::BITS).step_by(4)) {
            *digit = char::from_digit((number >> shift & 15) as u32, 16).map_or(b'0', |digit| digit as u8);
        }
        self.beside = OsString::from_vec(octets).into();
    }
}

/// A number that nobody can guess; before the kernel has gathered any chance, one of the clock.
#[must_use]
pub fn random() -> u64 {
    let mut octets = [0_u8; 8];
    // SAFETY: pointer and length describe `octets`.
    let got = unsafe { libc::getrandom(octets.as_mut_ptr().cast(), octets.len(), libc::GRND_NONBLOCK) };
    match usize::try_from(got) {
        Ok(got) if got == octets.len() => u64::from_ne_bytes(octets),
        _ => super::clock::now().as_micros().wrapping_mul(0x9e37_79b9_7f4a_7c15),
    }
}

/// Hexadecimal digits of [`random`].
const DIGITS: usize = 16;
/// Names that are tried.
const NAMES: usize = 8;

impl Replacement {
    /// Starts a replacement for `place` with exactly this `mode`, beside it by a hidden name of its own.
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
    let mut options = OpenOptions::new();
    options.append(true).mode(0o600).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    // In /tmp the kernel lets nobody, root neither, use O_CREAT on a file of another user (fs.protected_regular), as one is
    // that a child made as the user of its own.
    match options.open(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => options.create(true).open(place),
        other => other,
    }
}

/// Reads a file that an earlier process of this daemon left, of at most `longest` octets. Nobody else may say what a daemon
/// goes on with.
///
/// # Errors
/// `InvalidData` for what is no file, belongs to another user, or can be written by one, and for a longer file.
pub fn read_own(path: &Path, longest: u64) -> io::Result<String> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = File::options().read(true).custom_flags(flags).open(path)?;
    let about = file.metadata()?;
    let ours = about.is_file() && user::is_of_daemon(about.uid()) && about.mode() & 0o022 == 0;
    if !ours || about.len() > longest {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut text = String::new();
    file.take(longest).read_to_string(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_an_own_file_that_nobody_else_can_write_is_read() {
        let folder = std::env::temp_dir().join(format!("ka-own-file-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let (place, link) = (folder.join("own"), folder.join("link"));
        Replacement::create(&place, 0o600)
            .and_then(|mut own| {
                own.file().write_all(b"left")?;
                own.keep()
            })
            .unwrap();
        std::os::unix::fs::symlink(&place, &link).unwrap();
        assert_eq!(read_own(&place, 4).unwrap(), "left");
        assert!(read_own(&place, 3).is_err(), "too long");
        assert!(read_own(&link, 4).is_err(), "a link");
        assert!(read_own(&folder, 4).is_err(), "a folder");
        fs::set_permissions(&place, Permissions::from_mode(0o620)).unwrap();
        assert!(read_own(&place, 4).is_err(), "others can write it");
        fs::remove_dir_all(folder).unwrap();
    }

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

        let mut again = Place::new(&place).unwrap();
        let hidden = |place: &Place| place.0.beside.clone();
        drop(again.replace(0o600).unwrap());
        let name = hidden(&again);
        assert!(name.file_name().unwrap().to_string_lossy().starts_with(".dump."));
        // Whoever has seen the name cannot keep the next one from being written.
        fs::create_dir(&name).unwrap();
        drop(again.replace(0o600).unwrap());
        assert_ne!(hidden(&again), name);
        fs::remove_dir(&name).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"new", "an abandoned one leaves the old");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "and nothing beside it");
        fs::remove_dir_all(&folder).unwrap();
    }
}

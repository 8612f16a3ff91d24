//! The beginning of a plain file, read without ever waiting, and plain files made for others to write.

use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use super::refusal::refusal;
use super::{check, user};

/// What stands at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content<'a> {
    /// Nothing.
    Missing,
    /// Something that is no plain file: a FIFO, a device, a directory. It was not opened.
    NotPlain,
    /// A plain file; its first octets, as many as fit.
    Octets(&'a [u8]),
}

/// Reads the beginning of the file at `path` into `buffer`. A link is followed. Allocates nothing.
///
/// # Errors
/// What the kernel says, except that there is no such file.
pub fn read_start<'b>(path: &CStr, buffer: &'b mut [u8]) -> io::Result<Content<'b>> {
    match plain(path) {
        Ok(true) => {}
        Ok(false) => return Ok(Content::NotPlain),
        Err(error) if is_missing(&error) => return Ok(Content::Missing),
        Err(error) => return Err(error),
    }
    // What became a FIFO since the look must not make us wait either.
    let flags = libc::O_RDONLY | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: the path ends in a NUL and the kernel only reads it.
    let mut file = match check(unsafe { libc::open(path.as_ptr(), flags) }) {
        // SAFETY: the kernel just made this descriptor for us and nobody else knows it.
        Ok(fd) => File::from(unsafe { OwnedFd::from_raw_fd(fd) }),
        Err(error) if is_missing(&error) => return Ok(Content::Missing),
        Err(error) => return Err(error),
    };
    let mut filled = 0;
    while let Some(room) = buffer.get_mut(filled..).filter(|room| !room.is_empty()) {
        match file.read(room) {
            Ok(0) => break,
            Ok(read) => filled = filled.saturating_add(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // A process that ended between the open and the read.
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => return Ok(Content::Missing),
            Err(error) => return Err(error),
        }
    }
    Ok(Content::Octets(buffer.get(..filled).unwrap_or_default()))
}

/// Whether the entry itself is a link, or a file that has other names as well: nobody closes such a one after
/// making it.
#[must_use]
pub fn is_linked(path: &CStr) -> bool {
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the path ends in a NUL; the kernel writes one `stat`, for which there is room.
    if unsafe { libc::lstat(path.as_ptr(), found.as_mut_ptr()) } != 0 {
        return false;
    }
    // SAFETY: lstat said that it filled it.
    let found = unsafe { found.assume_init() };
    found.st_mode & libc::S_IFMT == libc::S_IFLNK || found.st_nlink > 1
}

/// Makes a plain file with this content and mode 0644, or replaces the content of one that is there if `overwrite`.
/// A link is not followed.
///
/// # Errors
/// What the kernel says; what stands there and is no plain file, has a second name, or is another user's and holds
/// something else than a number is refused.
pub fn make(path: &CStr, content: &[u8], overwrite: bool) -> io::Result<()> {
    let flags = libc::O_RDWR | libc::O_NONBLOCK | libc::O_NOCTTY | libc::O_CLOEXEC | libc::O_NOFOLLOW;
    let mode: libc::c_uint = 0o644;
    // SAFETY: the path ends in a NUL and the kernel only reads it.
    let made = check(unsafe { libc::open(path.as_ptr(), flags | libc::O_CREAT | libc::O_EXCL, mode) });
    let fd = match made {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && !overwrite => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            if !plain(path)? {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            // SAFETY: the path ends in a NUL and the kernel only reads it.
            check(unsafe { libc::open(path.as_ptr(), flags) })?
        }
        other => other?,
    };
    // SAFETY: the kernel just made this descriptor for us and nobody else knows it.
    let mut file = File::from(unsafe { OwnedFd::from_raw_fd(fd) });
    let about = file.metadata()?;
    if !about.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let why = if about.nlink() > 1 {
        "it has another name, too, and is left as it is"
    } else if !user::is_of_daemon(about.uid()) && !holds_number(&file) {
        "it is another user's, holds no number, and is left as it is"
    } else {
        file.set_len(0)?;
        return file.write_all(content);
    };
    Err(refusal(io::ErrorKind::InvalidInput, why))
}

/// Whether a file holds a number, or nothing.
fn holds_number(file: &File) -> bool {
    let mut octets = [0; 32];
    let fits = |octet: &u8| octet.is_ascii_digit() || octet.is_ascii_whitespace() || b"+-\0".contains(octet);
    file.read_at(&mut octets, 0).is_ok_and(|count| count < octets.len() && octets.iter().all(fits))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || error.raw_os_error() == Some(libc::ESRCH)
}

fn plain(path: &CStr) -> io::Result<bool> {
    let mut found = MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the path ends in a NUL; the kernel writes one `stat`, for which there is room.
    check(unsafe { libc::stat(path.as_ptr(), found.as_mut_ptr()) })?;
    // SAFETY: stat said that it filled it.
    Ok(unsafe { found.assume_init() }.st_mode & libc::S_IFMT == libc::S_IFREG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn nothing_but_a_plain_file_is_read_or_written_and_nothing_waits() {
        let folder = std::env::temp_dir().join(format!("ka-read_start-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = |name: &str| CString::new(folder.join(name).as_os_str().as_bytes()).unwrap();
        let mut buffer = [0; 4];
        assert_eq!(read_start(&path("a"), &mut buffer).unwrap(), Content::Missing);
        assert_eq!(read_start(&path("a/b"), &mut buffer).unwrap(), Content::Missing);
        make(&path("a"), b"12345\n", false).unwrap();
        assert_eq!(read_start(&path("a"), &mut buffer).unwrap(), Content::Octets(b"1234"));
        make(&path("a"), b"7\n", false).unwrap();
        assert_eq!(
            read_start(&path("a"), &mut buffer).unwrap(),
            Content::Octets(b"1234"),
            "what is there stays"
        );
        make(&path("a"), b"7\n", true).unwrap();
        assert_eq!(read_start(&path("a"), &mut buffer).unwrap(), Content::Octets(b"7\n"));
        assert!(!is_linked(&path("a")));
        std::os::unix::fs::symlink(folder.join("a"), folder.join("link")).unwrap();
        assert!(is_linked(&path("link")));
        assert_eq!(read_start(&path("link"), &mut buffer).unwrap(), Content::Octets(b"7\n"));
        assert!(make(&path("link"), b"9\n", true).is_err(), "a link is not written through");
        nix::unistd::mkfifo(&folder.join("fifo"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(read_start(&path("fifo"), &mut buffer).unwrap(), Content::NotPlain);
        assert!(make(&path("fifo"), b"9\n", true).is_err());
        // A number of another user's is one that the file is for; anything else of his is his.
        std::os::unix::fs::chown(folder.join("a"), Some(65_534), None).unwrap();
        make(&path("a"), b"8\n", true).unwrap();
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"8\n");
        fs::write(folder.join("a"), "text\n").unwrap();
        assert!(make(&path("a"), b"9\n", true).is_err());
        fs::write(folder.join("b"), "7\n").unwrap();
        fs::hard_link(folder.join("b"), folder.join("c")).unwrap();
        assert!(make(&path("c"), b"9\n", true).is_err());
        assert_eq!(fs::read(folder.join("a")).unwrap(), b"text\n");
        assert_eq!(fs::read(folder.join("b")).unwrap(), b"7\n");
        assert_eq!(read_start(&path("."), &mut buffer).unwrap(), Content::NotPlain);
        fs::remove_dir_all(&folder).unwrap();
    }
}

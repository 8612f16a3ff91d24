//! Hearing of what happens to the files of a directory: written, replaced, made, removed.
//!
//! The directory is watched, not the file: so a file that is replaced by a rename, or comes later, is seen as well.
//! A file that is being written is told of once, when its writer closes it: nobody reads half of a number.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use super::check;

/// A watched directory. The kernel gives the same number for a directory that is watched already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watch(i32);

/// Something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening<'a> {
    /// Something about this entry of the directory is other than before.
    Entry {
        /// The directory.
        watch: Watch,
        /// The name in it.
        name: &'a [u8],
        /// It was made just now, and its writer may still be at it.
        unfinished: bool,
    },
    /// The directory is gone, or has another name now: the watch has ended.
    Gone(Watch),
    /// Happenings were lost: look at everything again.
    Lost,
}

/// The listener.
#[derive(Debug)]
pub struct Inotify {
    fd: OwnedFd,
    buffer: Box<[u8; BUFFER]>,
}

/// About 100 happenings with short names; one with the longest name fits.
const BUFFER: usize = 4_096;

/// System calls of one [`Inotify::read`].
const READS: usize = 4;

/// The fixed part of an event: watch, mask, cookie, length of the name, 4 octets each.
const HEADER: usize = 16;

impl Inotify {
    /// Opens the listener.
    ///
    /// # Errors
    /// When this user has too many of them.
    pub fn open() -> io::Result<Self> {
        // SAFETY: takes no pointer.
        let fd = check(unsafe { libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC) })?;
        // SAFETY: the kernel just made this descriptor for us and nobody else knows it.
        let fd = unsafe { OwnedFd::from_raw_fd(fd) };
        Ok(Self { fd, buffer: Box::new([0; BUFFER]) })
    }

    /// Watches a directory.
    ///
    /// # Errors
    /// When it is not there or no directory, or this user watches too many.
    pub fn watch(&self, directory: &CStr) -> io::Result<Watch> {
        let mask = libc::IN_CLOSE_WRITE
            | libc::IN_CREATE
            | libc::IN_DELETE
            | libc::IN_MOVED_FROM
            | libc::IN_MOVED_TO
            | libc::IN_DELETE_SELF
            | libc::IN_MOVE_SELF
            | libc::IN_ONLYDIR;
        // SAFETY: the path ends in a NUL and the kernel only reads it.
        let watch = check(unsafe { libc::inotify_add_watch(self.fd.as_raw_fd(), directory.as_ptr(), mask) })?;
        Ok(Watch(watch))
    }

    /// Ends a watch. What is queued of it is still told.
    pub fn forget(&self, watch: Watch) {
        // SAFETY: takes no pointer. A watch that has ended by itself is refused, which is no loss.
        let _ = unsafe { libc::inotify_rm_watch(self.fd.as_raw_fd(), watch.0) };
    }

    /// Hands what is queued to `each`, in order; true if there may be more.
    ///
    /// # Errors
    /// What the kernel says, except that nothing is queued.
    pub fn read(&mut self, mut each: impl FnMut(Happening<'_>)) -> io::Result<bool> {
        for _ in 0..READS {
            // SAFETY: pointer and length describe `buffer`, which nobody else uses meanwhile.
            let read = unsafe { libc::read(self.fd.as_raw_fd(), self.buffer.as_mut_ptr().cast(), BUFFER) };
            match usize::try_from(read) {
                Ok(read) => walk(self.buffer.get(..read).unwrap_or_default(), &mut each),
                Err(_) => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => {}
                    error if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                    error => return Err(error),
                },
            }
        }
        Ok(true)
    }
}

impl AsRawFd for Inotify {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

fn walk(mut octets: &[u8], each: &mut impl FnMut(Happening<'_>)) {
    while let Some((header, rest)) = octets.split_first_chunk::<HEADER>() {
        let word = |at: usize| {
            header.get(at..).and_then(<[u8]>::first_chunk::<4>).map_or(0, |word| u32::from_ne_bytes(*word))
        };
        let watch = Watch(word(0).cast_signed());
        let mask = word(4);
        let Some((padded, after)) = rest.split_at_checked(word(12) as usize) else {
            return;
        };
        octets = after;
        if mask & libc::IN_Q_OVERFLOW != 0 {
            each(Happening::Lost);
        } else if mask & (libc::IN_DELETE_SELF | libc::IN_MOVE_SELF | libc::IN_IGNORED | libc::IN_UNMOUNT)
            != 0
        {
            each(Happening::Gone(watch));
        } else {
            let end = padded.iter().position(|octet| *octet == 0).unwrap_or(padded.len());
            let name = padded.get(..end).unwrap_or_default();
            each(Happening::Entry { watch, name, unfinished: mask & libc::IN_CREATE != 0 });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CString;
    use std::fs;
    use std::os::unix::ffi::OsStrExt;

    fn heard(inotify: &mut Inotify) -> Vec<String> {
        let mut all = Vec::new();
        let more = inotify.read(|happening| {
            all.push(match happening {
                Happening::Entry { name, unfinished, .. } => {
                    format!("{}{}", String::from_utf8_lossy(name), if unfinished { "?" } else { "" })
                }
                Happening::Gone(_) => "gone".to_owned(),
                Happening::Lost => "lost".to_owned(),
            });
        });
        assert!(!more.unwrap());
        all
    }

    #[test]
    fn tells_of_whatever_happens_to_an_entry_and_of_the_end_of_the_directory() {
        let folder = std::env::temp_dir().join(format!("ka-inotify-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let mut inotify = Inotify::open().unwrap();
        let path = CString::new(folder.as_os_str().as_bytes()).unwrap();
        let watch = inotify.watch(&path).unwrap();
        assert_eq!(inotify.watch(&path).unwrap(), watch, "the same directory is the same watch");
        assert!(heard(&mut inotify).is_empty());
        fs::write(folder.join("a"), "1").unwrap();
        assert_eq!(heard(&mut inotify), ["a?", "a"]);
        fs::rename(folder.join("a"), folder.join("b")).unwrap();
        assert_eq!(heard(&mut inotify), ["a", "b"]);
        fs::remove_file(folder.join("b")).unwrap();
        assert_eq!(heard(&mut inotify), ["b"]);
        fs::remove_dir(&folder).unwrap();
        assert_eq!(heard(&mut inotify), ["gone", "gone"]);
    }

    #[test]
    fn a_plain_file_is_no_directory() {
        let inotify = Inotify::open().unwrap();
        assert!(inotify.watch(c"/proc/self/stat").is_err());
        assert!(inotify.watch(c"/does/not/exist").is_err());
    }

    #[test]
    fn any_octets_are_walked_to_an_end() {
        let mut seed = 7_u32;
        for _ in 0..20_000 {
            let octets: Vec<u8> = (0..64)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 29) as u8
                })
                .collect();
            let mut count = 0;
            walk(&octets, &mut |_| count += 1);
            assert!(count <= 4);
        }
    }
}

//! All processes, from /proc: their numbers, names and command lines. Nothing is allocated after the start.

use core::fmt::Write;
use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

use super::plain_file::{Content, read_start};

/// A walk over all processes, as many at a time as one likes.
#[derive(Debug)]
pub struct Walk {
    folder: File,
    buffer: Box<[u8; BUFFER]>,
    at: usize,
    filled: usize,
}

/// About 250 entries of /proc.
const BUFFER: usize = 8_192;

/// Where the length and the name are in an entry (linux_dirent64).
const LENGTH: usize = 16;
const NAME: usize = 19;

impl Walk {
    /// Opens /proc.
    ///
    /// # Errors
    /// When it is not mounted.
    pub fn open() -> io::Result<Self> {
        let folder = File::open("/proc")?;
        Ok(Self { folder, buffer: Box::new([0; BUFFER]), at: 0, filled: 0 })
    }

    /// Begins again.
    pub fn restart(&mut self) {
        (self.at, self.filled) = (0, 0);
        // SAFETY: takes no pointer. /proc can be read again from its beginning.
        let _ = unsafe { libc::lseek(self.folder.as_raw_fd(), 0, libc::SEEK_SET) };
    }

    fn fill(&mut self) -> bool {
        // SAFETY: pointer and length describe `buffer`, which nobody else uses meanwhile.
        let read = unsafe {
            libc::syscall(
                libc::SYS_getdents64,
                self.folder.as_raw_fd(),
                self.buffer.as_mut_ptr(),
                self.buffer.len(),
            )
        };
        self.at = 0;
        self.filled = usize::try_from(read).unwrap_or(0);
        self.filled > 0
    }
}

impl Iterator for Walk {
    type Item = i32;

    /// The next process; none after the last one. A process that begins or ends meanwhile may be left out.
    fn next(&mut self) -> Option<i32> {
        loop {
            if self.at >= self.filled && !self.fill() {
                return None;
            }
            let entry = self.buffer.get(self.at..self.filled)?;
            let length = entry.get(LENGTH..)?.first_chunk().map(|length| u16::from_ne_bytes(*length))?;
            // An entry without length would keep us here for ever.
            self.at = self.at.saturating_add(usize::from(length).max(NAME));
            let name = CStr::from_bytes_until_nul(entry.get(NAME..)?).ok()?;
            if let Some(pid) = name.to_str().ok().and_then(|name| name.parse().ok()) {
                return Some(pid);
            }
        }
    }
}

/// The name that the kernel has for a process; none if it is gone.
pub fn name(pid: i32, buffer: &mut [u8]) -> Option<&[u8]> {
    let name = read(pid, "comm", buffer)?;
    Some(name.strip_suffix(b"\n").unwrap_or(name))
}

/// The beginning of the command line of a process, a NUL behind each word; none if it is gone. Kernel threads have
/// an empty one.
pub fn command_line(pid: i32, buffer: &mut [u8]) -> Option<&[u8]> {
    read(pid, "cmdline", buffer)
}

/// Whether a process is there and has not ended: one that waits to be buried is no longer running.
#[must_use]
pub fn is_running(pid: i32) -> bool {
    let mut buffer = [0; 128];
    read(pid, "stat", &mut buffer).is_some_and(|text| {
        // The name stands in parentheses and may contain some.
        let end = text.iter().rposition(|octet| *octet == b')');
        let state = end.and_then(|end| text.get(end.saturating_add(2)));
        !matches!(state, None | Some(b'Z' | b'X'))
    })
}

fn read<'b>(pid: i32, what: &str, buffer: &'b mut [u8]) -> Option<&'b [u8]> {
    let mut path: heapless::String<32> = heapless::String::new();
    write!(path, "/proc/{pid}/{what}\0").ok()?;
    match read_start(CStr::from_bytes_with_nul(path.as_bytes()).ok()?, buffer) {
        Ok(Content::Octets(octets)) => Some(octets),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_this_process_and_the_first_one() {
        let mut walk = Walk::open().unwrap();
        let own = std::process::id().cast_signed();
        for _ in 0..2 {
            let all: Vec<i32> = walk.by_ref().collect();
            assert!(all.contains(&own) && all.contains(&1), "{all:?}");
            walk.restart();
        }
        let mut buffer = [0; 1_024];
        let line = command_line(own, &mut buffer).unwrap();
        assert!(line.contains(&0) && line.ends_with(b"\0"));
        let comm = name(own, &mut buffer).unwrap();
        assert!(!comm.is_empty() && !comm.contains(&b'\n'));
        assert!(is_running(own));
        assert!(!is_running(i32::MAX) && name(i32::MAX, &mut buffer).is_none());
    }
}

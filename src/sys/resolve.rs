//! Looking a name up without waiting: a process of its own asks the C library and writes the answer into a pipe.

use core::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use core::ptr;
use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::sys::socket::{SockaddrIn, SockaddrIn6, SockaddrLike};

use super::process::{self, Fork, Pid};
use super::signal;

/// Addresses of one name that are of use.
pub const ADDRESSES: usize = 4;

/// Whether a name has an address. Waits for the answer: never in a daemon.
#[must_use]
pub fn exists(host: &str, port: u16) -> bool {
    let mut found = false;
    addresses(host, port, &mut |_| found = true);
    found
}

/// A look-up under way.
#[derive(Debug)]
pub struct Lookup {
    pid: Pid,
    pipe: File,
    answer: heapless::Vec<u8, 512>,
}

impl Lookup {
    /// Begins to look a host up.
    ///
    /// # Errors
    /// When the kernel has no process or no pipe for it.
    pub fn start(host: &str, port: u16) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let parent = process::own();
        match process::fork()? {
            Fork::Child => answer(writer, parent, host, port),
            Fork::Parent(pid) => {
                drop(writer);
                fcntl(&reader, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
                Ok(Self { pid, pipe: File::from(OwnedFd::from(reader)), answer: heapless::Vec::new() })
            }
        }
    }

    /// The addresses once they are known, none if the name has none; nothing while they are looked for.
    pub fn read(&mut self) -> Option<heapless::Vec<SocketAddr, ADDRESSES>> {
        loop {
            let mut octets = [0; 128];
            match self.pipe.read(&mut octets) {
                Ok(0) => break,
                // More than fits is more than is of use.
                Ok(count) => drop(self.answer.extend_from_slice(octets.get(..count).unwrap_or_default())),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return None,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let text = core::str::from_utf8(&self.answer).unwrap_or_default();
        Some(text.lines().filter_map(|line| line.parse().ok()).take(ADDRESSES).collect())
    }
}

impl Drop for Lookup {
    /// Who asks is in no need of it any more.
    fn drop(&mut self) {
        // Its end is reaped by the loop; it is ours until then, so that nobody else has its number.
        if self.pipe.read(&mut [0]).is_err() {
            process::kill(self.pid, libc::SIGKILL);
        }
    }
}

impl AsRawFd for Lookup {
    fn as_raw_fd(&self) -> RawFd {
        self.pipe.as_raw_fd()
    }
}

/// What the C library finds. Not by the standard library, whose refusal is made for those who program.
fn addresses(host: &str, port: u16, each: &mut dyn FnMut(SocketAddr)) {
    let Ok(host) = CString::new(host) else { return };
    // SAFETY: numbers and pointers that are zero are what the manual wants of hints.
    let mut hints: libc::addrinfo = unsafe { core::mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    let mut list = ptr::null_mut();
    // SAFETY: the name and the hints outlive the call; the list is only read when the call has made it.
    if unsafe { libc::getaddrinfo(host.as_ptr(), ptr::null(), &raw const hints, &raw mut list) } != 0 {
        return;
    }
    let mut next = list.cast_const();
    // SAFETY: an entry of the list, which is freed below, or null at its end.
    while let Some(entry) = unsafe { next.as_ref() } {
        let len = Some(entry.ai_addrlen);
        // SAFETY: pointer and length are those of an address that the C library has made.
        let (four, six) =
            unsafe { (SockaddrIn::from_raw(entry.ai_addr, len), SockaddrIn6::from_raw(entry.ai_addr, len)) };
        let four = four.map(|four| SocketAddr::V4(SocketAddrV4::new(four.ip(), port)));
        let six =
            six.map(|six| SocketAddr::V6(SocketAddrV6::new(six.ip(), port, six.flowinfo(), six.scope_id())));
        if let Some(address) = four.or(six) {
            each(address);
        }
        next = entry.ai_next.cast_const();
    }
    // SAFETY: the list is of getaddrinfo, and no entry is used any more.
    unsafe { libc::freeaddrinfo(list) };
}

/// The process that may wait.
fn answer(mut writer: io::PipeWriter, parent: Pid, host: &str, port: u16) -> ! {
    process::close_all_but(&[writer.as_fd()]);
    signal::restore_defaults();
    if matches!(process::follow_parent(parent), Ok(true)) {
        let mut left = ADDRESSES;
        addresses(host, port, &mut |address| {
            if let Some(fewer) = left.checked_sub(1) {
                left = fewer;
                let _ = writeln!(writer, "{address}");
            }
        });
    }
    process::exit_now(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(host: &str) -> Vec<SocketAddr> {
        let mut lookup = Lookup::start(host, 25).unwrap();
        for _ in 0..1_000 {
            if let Some(found) = lookup.read() {
                return found.to_vec();
            }
            let mut waited = libc::pollfd { fd: lookup.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: polls one descriptor of this test's own.
            unsafe { libc::poll(&raw mut waited, 1, 100) };
        }
        panic!("no answer for {host}");
    }

    #[test]
    fn a_name_has_addresses_and_nonsense_has_none() {
        assert!(exists("localhost", 25) && exists("::1", 25) && !exists("no such name", 25));
        assert!(found("localhost").iter().any(|address| address.ip().is_loopback()));
        assert_eq!(found("fe80::1%lo")[0].to_string(), "[fe80::1%1]:25");
        assert_eq!(found("no such name"), []);
    }
}

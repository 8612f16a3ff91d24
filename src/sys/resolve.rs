//! Looking a name up without waiting: a process of its own asks the C library and writes the answer into a pipe.

use core::net::SocketAddr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::ToSocketAddrs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::process::{self, Fork, Pid};
use super::signal;

/// Addresses of one name that are of use.
pub const ADDRESSES: usize = 4;

/// Whether a name has an address. Waits for the answer: never in a daemon.
#[must_use]
pub fn exists(host: &str, port: u16) -> bool {
    (host, port).to_socket_addrs().is_ok_and(|mut found| found.next().is_some())
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

/// The process that may wait.
fn answer(mut writer: io::PipeWriter, parent: Pid, host: &str, port: u16) -> ! {
    process::close_all_but(&[writer.as_fd()]);
    signal::restore_defaults();
    if matches!(process::follow_parent(parent), Ok(true)) {
        for address in (host, port).to_socket_addrs().into_iter().flatten().take(ADDRESSES) {
            if writeln!(writer, "{address}").is_err() {
                break;
            }
        }
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

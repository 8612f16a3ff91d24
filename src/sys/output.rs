//! Where log lines leave the process: descriptors that somebody else reads, or does not.
//!
//! Nothing here waits. A descriptor shared with other processes must not be switched to non-blocking, for
//! that would change it for them too; so it is opened a second time, or asked before each write.

use std::fs::File;
use std::io::{self, IoSlice, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, UnixAddr, connect, send, socket};

use super::file;

/// Standard error or a log file.
#[derive(Debug)]
pub struct Output {
    file: File,
    way: Way,
}

/// How to write without waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// A plain file, or a descriptor of our own that does not block, or the caller wants to wait.
    Plain,
    /// A socket: each send says that it must not wait.
    Socket,
    /// Shared and possibly blocking: ask before each small write.
    Asking,
}

impl Output {
    /// Standard error as this process has it. With `patient`, writes wait until taken.
    ///
    /// # Errors
    /// When the kernel has no descriptor left.
    pub fn standard_error(patient: bool) -> io::Result<Self> {
        // SAFETY: descriptor 2 is open for the life of the process: `process::occupy_standard` saw to that.
        let shared = unsafe { BorrowedFd::borrow_raw(libc::STDERR_FILENO) };
        let file = File::from(shared.try_clone_to_owned()?);
        let kind = file.metadata()?.file_type();
        let way = match kind {
            _ if patient => Way::Plain,
            _ if kind.is_file() => Way::Plain,
            _ if kind.is_socket() => Way::Socket,
            _ => Way::Asking,
        };
        if way == Way::Asking {
            let own = File::options()
                .write(true)
                .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
                .open("/proc/self/fd/2");
            if let Ok(file) = own {
                return Ok(Self { file, way: Way::Plain });
            }
        }
        Ok(Self { file, way })
    }

    /// A log file, appended to. With `patient`, writes wait until taken.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn file(path: &Path, patient: bool) -> io::Result<Self> {
        let file = file::append(path)?;
        let way = if patient { Way::Plain } else { Way::Asking };
        let plain = file.metadata()?.is_file();
        Ok(Self { file, way: if plain { Way::Plain } else { way } })
    }

    /// Whether a name stands for the very file that this writes to.
    #[must_use]
    pub fn is(&self, path: &Path) -> bool {
        let identity = |data: std::fs::Metadata| (data.dev(), data.ino());
        let (there, own) = (std::fs::metadata(path), self.file.metadata());
        there.is_ok_and(|there| own.is_ok_and(|own| identity(there) == identity(own)))
    }

    /// Writes the beginning of what `parts` hold one after the other, and says how much.
    ///
    /// # Errors
    /// `WouldBlock` when nothing is taken now; others when nothing will be taken any more.
    pub fn write(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        let octets = parts.first().map_or(&[][..], |part| part);
        loop {
            let written = match self.way {
                Way::Plain => self.file.write_vectored(parts),
                Way::Socket => {
                    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
                    send(self.file.as_raw_fd(), octets, flags).map_err(io::Error::from)
                }
                Way::Asking => self.ask_and_write(octets),
            };
            match written {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other,
            }
        }
    }

    fn ask_and_write(&mut self, octets: &[u8]) -> io::Result<usize> {
        let mut fds = [PollFd::new(self.file.as_fd(), PollFlags::POLLOUT)];
        if poll(&mut fds, PollTimeout::ZERO)? == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.file.write(octets.get(..SAFE_WRITE).unwrap_or(octets))
    }
}

/// What a log socket did with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// Took it.
    Whole,
    /// Has no room now.
    Full,
    /// Nobody reads there any more; connect anew.
    Gone,
}

/// A connection to the local syslog's socket.
#[derive(Debug)]
pub struct LogSocket {
    fd: OwnedFd,
    stream: bool,
    /// Octets of the current line that a stream has taken.
    sent: usize,
}

impl LogSocket {
    /// Connects without waiting, by datagrams or, if the socket at `path` is one, by stream.
    ///
    /// # Errors
    /// When there is no such socket or nobody listens.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let address = UnixAddr::new(path)?;
        let open = |kind| -> io::Result<OwnedFd> {
            let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
            let fd = socket(AddressFamily::Unix, kind, flags, None)?;
            connect(fd.as_raw_fd(), &address)?;
            Ok(fd)
        };
        match open(SockType::Datagram) {
            Ok(fd) => Ok(Self { fd, stream: false, sent: 0 }),
            Err(error) if error.raw_os_error() == Some(libc::EPROTOTYPE) => {
                Ok(Self { fd: open(SockType::Stream)?, stream: true, sent: 0 })
            }
            Err(error) => Err(error),
        }
    }

    /// Sends one line. After [`Taken::Full`] the next call must bring the same line.
    pub fn send(&mut self, line: &[u8]) -> Taken {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        loop {
            // On a stream a NUL ends the line; it is sent as the octet after the last.
            let rest = line.get(self.sent..).unwrap_or_default();
            let part = if self.stream && rest.is_empty() { &[0][..] } else { rest };
            match send(self.fd.as_raw_fd(), part, flags).map_err(io::Error::from) {
                Ok(_) if !self.stream => return Taken::Whole,
                Ok(_) if rest.is_empty() => {
                    self.sent = 0;
                    return Taken::Whole;
                }
                Ok(len) => self.sent += len,
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock => return Taken::Full,
                    _ if error.raw_os_error() == Some(libc::ENOBUFS) => return Taken::Full,
                    // A syslogd with a smaller limit than our longest line never takes this one.
                    _ if error.raw_os_error() == Some(libc::EMSGSIZE) => return Taken::Whole,
                    _ => return Taken::Gone,
                },
            }
        }
    }
}

/// A terminal that says it is writable has room for this much.
const SAFE_WRITE: usize = 128;

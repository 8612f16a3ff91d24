//! Stream sockets that others connect to: one with a name in the file system, where it is known who is at the other end,
//! and one with an address and a port.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{
    self, AddressFamily, Backlog, SockFlag, SockType, SockaddrStorage, UnixAddr, getsockopt, setsockopt,
    sockopt,
};

/// The socket; its name goes with it.
#[derive(Debug)]
pub struct Listener {
    socket: UnixListener,
    path: PathBuf,
    /// What tells the name from that of another socket: device and inode.
    identity: (u64, u64),
}

/// The socket with an address and a port.
#[derive(Debug)]
pub struct PortListener(OwnedFd);

/// A connection, non-blocking.
#[derive(Debug)]
pub enum Stream {
    /// To the socket with a name.
    Local(UnixStream),
    /// To the other one.
    Inet(TcpStream),
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its user.
    pub uid: u32,
    /// Its first group.
    pub gid: u32,
}

/// What came of a read or a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// So many octets.
    Octets(usize),
    /// Nothing now.
    Blocked,
    /// The other end is gone, or has said all.
    Over,
}

impl Listener {
    /// Listens at `path` with these permission bits and group. What a daemon that was killed left there is replaced.
    ///
    /// # Errors
    /// `AddrInUse` when somebody listens there; `AlreadyExists` when there is something else than a socket; else what
    /// the file system says.
    pub fn new(path: &Path, mode: u32, group: Option<u32>) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.file_type().is_socket() => return Err(ErrorKind::AlreadyExists.into()),
            Ok(_) if UnixStream::connect(path).is_ok() => return Err(ErrorKind::AddrInUse.into()),
            Ok(_) => fs::remove_file(path)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let socket = UnixListener::bind(path)?;
        let listener = Self::set_up(socket, path, mode, group);
        if listener.is_err() {
            // The error that matters is the first one.
            let _ = fs::remove_file(path);
        }
        listener
    }

    fn set_up(socket: UnixListener, path: &Path, mode: u32, group: Option<u32>) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        chown(path, None, group)?;
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        let made = fs::symlink_metadata(path)?;
        Ok(Self { socket, path: path.to_owned(), identity: (made.dev(), made.ino()) })
    }

    /// Where it listens.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The next connection; none: there is none now.
    #[must_use]
    pub fn accept(&self) -> Option<Stream> {
        accept(self).map(|fd| Stream::Local(UnixStream::from(fd)))
    }
}

/// Connections that wait until they are taken.
const BACKLOG: i32 = 128;

/// The next connection of a listener, non-blocking.
fn accept(listener: &dyn AsRawFd) -> Option<OwnedFd> {
    loop {
        match socket::accept4(listener.as_raw_fd(), SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC) {
            // SAFETY: the kernel has just made it, and nobody else has its number.
            Ok(fd) => return Some(unsafe { OwnedFd::from_raw_fd(fd) }),
            Err(Errno::EINTR | Errno::ECONNABORTED) => {}
            Err(_) => return None,
        }
    }
}

impl Drop for Listener {
    /// Takes the name away, unless it has become another's.
    fn drop(&mut self) {
        let there = fs::symlink_metadata(&self.path);
        if there.is_ok_and(|there| (there.dev(), there.ino()) == self.identity) {
            // A folder that was remounted meanwhile is no reason to complain.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl AsRawFd for Listener {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

impl PortListener {
    /// Listens there.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn new(at: SocketAddr) -> io::Result<Self> {
        let family = if at.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket::socket(family, SockType::Stream, flags, None)?;
        // The port of a daemon that has just ended may be taken.
        setsockopt(&fd, sockopt::ReuseAddr, &true)?;
        socket::bind(fd.as_raw_fd(), &SockaddrStorage::from(at))?;
        socket::listen(&fd, Backlog::new(BACKLOG)?)?;
        Ok(Self(fd))
    }

    /// The next connection; none: there is none now.
    #[must_use]
    pub fn accept(&self) -> Option<Stream> {
        accept(self).map(|fd| Stream::Inet(TcpStream::from(fd)))
    }
}

impl AsRawFd for PortListener {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl Stream {
    /// Connects without waiting: a listener whose queue is full is as good as none.
    ///
    /// # Errors
    /// When nobody listens there, or has no time.
    pub fn connect(path: &Path) -> io::Result<Self> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket::socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
        socket::connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
        Ok(Self::Local(UnixStream::from(fd)))
    }

    /// Who is at the other end.
    ///
    /// # Errors
    /// When the kernel does not say.
    pub fn peer(&self) -> io::Result<Peer> {
        let Self::Local(stream) = self else { return Err(ErrorKind::Unsupported.into()) };
        let peer = getsockopt(stream, sockopt::PeerCredentials)?;
        Ok(Peer { uid: peer.uid(), gid: peer.gid() })
    }

    /// Whether the other end is in this group, be it one of its further ones. Kernels before 4.13 tell the first only.
    #[must_use]
    pub fn is_in_group(&self, group: u32) -> bool {
        self.peer().is_ok_and(|peer| peer.gid == group) || self.further_groups().contains(&group)
    }

    fn further_groups(&self) -> Vec<u32> {
        let mut groups = vec![0_u32; 64];
        loop {
            let mut len = libc::socklen_t::try_from(size_of_val(&*groups)).unwrap_or(0);
            // SAFETY: pointer and length are those of `groups`, which the kernel fills up to that length; it changes
            // `len`, which lives as long as the call.
            let got = unsafe {
                libc::getsockopt(
                    self.as_raw_fd(),
                    libc::SOL_SOCKET,
                    PEER_GROUPS,
                    groups.as_mut_ptr().cast(),
                    &raw mut len,
                )
            };
            let count = len as usize / size_of::<u32>();
            if got == 0 {
                groups.truncate(count);
                return groups;
            }
            // The kernel says how many there are, of 65,536 at most.
            if io::Error::last_os_error().raw_os_error() != Some(libc::ERANGE) || count <= groups.len() {
                return Vec::new();
            }
            groups.resize(count, 0);
        }
    }

    /// Reads what is there.
    pub fn read(&mut self, into: &mut [u8]) -> Moved {
        moved(|| match self {
            Self::Local(stream) => stream.read(into),
            Self::Inet(stream) => stream.read(into),
        })
    }

    /// Writes what it takes.
    pub fn write(&mut self, octets: &[u8]) -> Moved {
        moved(|| match self {
            Self::Local(stream) => stream.write(octets),
            Self::Inet(stream) => stream.write(octets),
        })
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Local(stream) => stream.as_raw_fd(),
            Self::Inet(stream) => stream.as_raw_fd(),
        }
    }
}

fn moved(mut attempt: impl FnMut() -> io::Result<usize>) -> Moved {
    loop {
        return match attempt() {
            Ok(0) => Moved::Over,
            Ok(count) => Moved::Octets(count),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) if error.kind() == ErrorKind::WouldBlock => Moved::Blocked,
            Err(_) => Moved::Over,
        };
    }
}

/// SO_PEERGROUPS, which not every C library names.
const PEER_GROUPS: libc::c_int = 59;

#[cfg(test)]
mod tests {
    use super::*;
    use nix::unistd;

    fn place(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("ka-{name}-{}", std::process::id()))
    }

    #[test]
    fn a_peer_is_known_and_what_is_sent_arrives() {
        let path = place("peer");
        let listener = Listener::new(&path, 0o660, None).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
        assert!(listener.accept().is_none());
        let mut client = UnixStream::connect(&path).unwrap();
        let mut stream = listener.accept().unwrap();
        let (uid, gid) = (unistd::geteuid().as_raw(), unistd::getegid().as_raw());
        assert_eq!(stream.peer().unwrap(), Peer { uid, gid });
        assert!(stream.is_in_group(gid) && !stream.is_in_group(4_000_000_000));
        let mut buffer = [0; 8];
        assert_eq!(stream.read(&mut buffer), Moved::Blocked);
        client.write_all(b"abc").unwrap();
        assert_eq!(stream.read(&mut buffer), Moved::Octets(3));
        let written =
            core::iter::repeat_with(|| stream.write(&[0; 4096])).find(|moved| *moved == Moved::Blocked);
        assert!(written.is_some(), "a peer that does not read holds up nobody");
        drop(client);
        assert_eq!(stream.read(&mut buffer), Moved::Over);
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn a_name_is_taken_over_from_the_dead_and_from_nobody_else() {
        let path = place("names");
        drop(UnixListener::bind(&path).unwrap());
        let listener = Listener::new(&path, 0o600, None).unwrap();
        assert_eq!(Listener::new(&path, 0o600, None).unwrap_err().kind(), ErrorKind::AddrInUse);
        // Somebody has put a file of his own there.
        fs::remove_file(&path).unwrap();
        fs::write(&path, "mine").unwrap();
        drop(listener);
        assert_eq!(Listener::new(&path, 0o600, None).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
        fs::remove_file(&path).unwrap();
    }
}

//! TCP connections that are never waited for.

use core::net::SocketAddr;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrStorage};

/// A connection, made or on its way.
#[derive(Debug)]
pub struct Stream(TcpStream);

/// How far a read or a write came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// So many octets, one or more.
    Some(usize),
    /// It would have to wait.
    Later,
    /// The other side has said its last.
    End,
}

impl Stream {
    /// Begins a connection. It is writable when it is made or has failed: [`Stream::is_made`] tells which.
    ///
    /// # Errors
    /// When it fails at once, for example without a route.
    pub fn connect(to: SocketAddr) -> io::Result<Self> {
        let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let fd = socket::socket(family, SockType::Stream, flags, None)?;
        match socket::connect(fd.as_raw_fd(), &SockaddrStorage::from(to)) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(Self(fd.into())),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Whether the connection is made by now.
    ///
    /// # Errors
    /// Why it failed.
    pub fn is_made(&self) -> io::Result<bool> {
        if let Some(error) = self.0.take_error()? {
            return Err(error);
        }
        match self.0.peer_addr() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Reads what is there.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn read(&mut self, octets: &mut [u8]) -> io::Result<Moved> {
        moved(self.0.read(octets))
    }

    /// Writes what there is room for.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<Moved> {
        moved(self.0.write(octets))
    }
}

pub(super) fn moved(result: io::Result<usize>) -> io::Result<Moved> {
    match result {
        Ok(0) => Ok(Moved::End),
        Ok(count) => Ok(Moved::Some(count)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Moved::Later),
        Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Moved::Later),
        Err(error) => Err(error),
    }
}

impl AsRawFd for Stream {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn wait(stream: &Stream) -> io::Result<bool> {
        for _ in 0..1_000 {
            match stream.is_made() {
                Ok(false) => std::thread::yield_now(),
                other => return other,
            }
        }
        Ok(false)
    }

    #[test]
    fn connects_moves_octets_and_sees_the_end() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut stream = Stream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut other, _) = listener.accept().unwrap();
        assert!(wait(&stream).unwrap());
        let mut octets = [0; 8];
        assert_eq!(stream.read(&mut octets).unwrap(), Moved::Later);
        assert_eq!(stream.write(b"hello").unwrap(), Moved::Some(5));
        other.read_exact(&mut octets[..5]).unwrap();
        assert_eq!(&octets[..5], b"hello");
        drop(other);
        loop {
            match stream.read(&mut octets).unwrap() {
                Moved::Later => std::thread::yield_now(),
                end => break assert_eq!(end, Moved::End),
            }
        }
    }

    #[test]
    fn a_closed_port_is_an_error() {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let made = Stream::connect(port).and_then(|stream| wait(&stream));
        assert!(made.is_err(), "{made:?}");
    }
}

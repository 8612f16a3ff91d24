//! Sockets of health checks: a connection, a datagram socket or a ping socket that talks to one address and is never
//! waited for.
//!
//! What is asked of a socket before it connects is told apart from what became of the connection: without a
//! descriptor, an address to bind to or an interface a check cannot run, which says nothing of the server.

use core::net::SocketAddr;
use std::ffi::c_int;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{self as net, MsgFlags, SockaddrStorage};

use super::socket::{self, bind_device, if_known, set_option};
use super::tcp::{Moved, moved};
use crate::base::addr::IpAddr;
use crate::base::name::IfName;
use crate::base::time::Instant;

/// What a check talks over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A TCP connection.
    Stream,
    /// A UDP socket, which hears of ICMP errors.
    Datagram,
    /// A socket for ICMP echo requests: the kernel sets their identifier and their checksum, and hands out only the
    /// replies to them.
    Ping,
}

/// Where a check comes from, as far as that is not left to the kernel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The source address.
    pub addr: Option<IpAddr>,
    /// The source port; 0: as the kernel chooses.
    pub port: u16,
    /// The interface that packets leave through.
    pub interface: Option<&'a IfName>,
    /// The firewall mark of packets; 0: none.
    pub mark: u32,
}

/// What was asked of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The socket.
    Socket,
    /// The firewall mark.
    Mark,
    /// The interface.
    Interface,
    /// The source address and port.
    Bind,
    /// The connection.
    Connect,
}

/// The kernel refused something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// What.
    pub step: Step,
    /// Why.
    pub errno: Errno,
}

/// A socket that talks to one address.
#[derive(Debug)]
pub struct Socket(OwnedFd);

/// Errors that one [`Socket::error`] takes out of the queue of a datagram socket: more than a check brings about.
const QUEUED_ERRORS: usize = 16;

impl Socket {
    /// Opens a socket and begins to connect it. A stream is connected or has failed when it is writable:
    /// [`Socket::error`] tells which. The others are connected at once.
    ///
    /// # Errors
    /// What the kernel refused, and why.
    pub fn open(kind: Kind, to: SocketAddr, from: Origin<'_>) -> Result<Self, Refused> {
        let v4 = to.is_ipv4();
        let domain = if v4 { libc::AF_INET } else { libc::AF_INET6 };
        let (of_kind, protocol) = match (kind, v4) {
            (Kind::Stream, _) => (libc::SOCK_STREAM, 0),
            (Kind::Datagram, _) => (libc::SOCK_DGRAM, 0),
            (Kind::Ping, true) => (libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
            (Kind::Ping, false) => (libc::SOCK_DGRAM, libc::IPPROTO_ICMPV6),
        };
        let fd = at(Step::Socket, socket::open(domain, of_kind, protocol))?;
        let raw = fd.as_raw_fd();
        if from.mark != 0 {
            at(Step::Mark, set_option(raw, libc::SOL_SOCKET, libc::SO_MARK, &from.mark))?;
        }
        if let Some(interface) = from.interface {
            at(Step::Interface, bind_device(&fd, interface))?;
        }
        if kind != Kind::Stream {
            let (level, name) =
                if v4 { (libc::SOL_IP, libc::IP_RECVERR) } else { (libc::SOL_IPV6, libc::IPV6_RECVERR) };
            at(Step::Socket, if_known(set_option(raw, level, name, &ON)))?;
        }
        if let Some(local) = local(to, from) {
            at(Step::Bind, bind(raw, kind, local))?;
        }
        let socket = Self(fd);
        socket.connect(to)?;
        Ok(socket)
    }

    /// Begins to connect a stream once more, after [`Self::disconnect`].
    ///
    /// # Errors
    /// What the kernel refused, and why.
    pub fn connect(&self, to: SocketAddr) -> Result<(), Refused> {
        match net::connect(self.0.as_raw_fd(), &SockaddrStorage::from(to)) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(()),
            Err(errno) => Err(Refused { step: Step::Connect, errno }),
        }
    }

    /// Ends the connection of a stream with a reset and keeps the socket, with what it is bound to, for the next one.
    ///
    /// # Errors
    /// When the kernel does not want to: the socket is to be closed.
    pub fn disconnect(&self) -> io::Result<()> {
        let nobody = libc::sockaddr { sa_family: 0, sa_data: [0; 14] };
        // SAFETY: the pointer and the length describe `nobody`, which the kernel only reads.
        let code = unsafe {
            libc::connect(self.0.as_raw_fd(), &raw const nobody, socket::length_of::<libc::sockaddr>())
        };
        super::check(code).map(|_| ())
    }

    /// The error that the socket has, if it has one, and takes it off. For a stream that is writable none means that it
    /// is connected.
    #[must_use]
    pub fn error(&self) -> Option<Errno> {
        let error = net::getsockopt(&self.0, net::sockopt::SocketError);
        match error {
            Ok(0) => None,
            Ok(number) => Some(Errno::from_raw(number)),
            Err(errno) => Some(errno),
        }
    }

    /// Empties the queue of ICMP errors of a datagram or ping socket; what it held is an error of [`Socket::error`] or of
    /// a call as well.
    pub fn forget_errors(&self) {
        let mut octets = [0_u8; 1];
        for _ in 0..QUEUED_ERRORS {
            let mut part = libc::iovec { iov_base: octets.as_mut_ptr().cast(), iov_len: octets.len() };
            // SAFETY: msghdr is plain integers and pointers, for which all zeroes is a value.
            let mut message: libc::msghdr = unsafe { core::mem::zeroed() };
            message.msg_iov = &raw mut part;
            message.msg_iovlen = 1;
            let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
            // SAFETY: the header names one part, which describes `octets`; both outlive the call.
            if unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut message, flags) } < 0 {
                return;
            }
        }
    }

    /// Sends what there is room for.
    ///
    /// # Errors
    /// When the connection broke, or an ICMP error came before.
    pub fn send(&self, octets: &[u8]) -> io::Result<Moved> {
        let flags = MsgFlags::MSG_NOSIGNAL;
        moved(net::send(self.0.as_raw_fd(), octets, flags).map_err(io::Error::from))
    }

    /// Receives what is there: some octets of a stream, or one datagram.
    ///
    /// # Errors
    /// When the connection broke, or an ICMP error came.
    pub fn receive(&self, octets: &mut [u8]) -> io::Result<Moved> {
        moved(net::recv(self.0.as_raw_fd(), octets, MsgFlags::empty()).map_err(io::Error::from))
    }

    /// Waits until there is something to receive, or room to send, or an error, but not longer than to this time; whether
    /// that came. For a program that has nothing else to do.
    #[must_use]
    pub fn wait(&self, to_send: bool, until: Instant) -> bool {
        let events = if to_send { PollFlags::POLLOUT } else { PollFlags::POLLIN };
        loop {
            let left = until.since(super::clock::now()).as_millis();
            // A part of a millisecond counts as one.
            let left = PollTimeout::try_from(left.saturating_add(1)).unwrap_or(PollTimeout::MAX);
            match poll(&mut [PollFd::new(self.0.as_fd(), events)], left) {
                Err(Errno::EINTR) => {}
                outcome => return matches!(outcome, Ok(1..)),
            }
        }
    }

    /// Closes a stream with a reset, so that neither side waits for stray packets afterwards.
    pub fn reset(self) {
        let at_once = libc::linger { l_onoff: 1, l_linger: 0 };
        // Without it the stream ends in the usual way.
        let _ = set_option(self.0.as_raw_fd(), libc::SOL_SOCKET, libc::SO_LINGER, &at_once);
    }
}

/// The number of an interface, which a link-local address needs.
///
/// # Errors
/// When there is no such interface.
pub fn link_of(interface: &IfName) -> io::Result<u32> {
    Ok(nix::net::if_::if_nametoindex(interface.as_str())?)
}

/// For libraries that speak over a stream by themselves.
impl Read for Socket {
    fn read(&mut self, octets: &mut [u8]) -> io::Result<usize> {
        Ok(net::recv(self.0.as_raw_fd(), octets, MsgFlags::empty())?)
    }
}

impl Write for Socket {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        Ok(net::send(self.0.as_raw_fd(), octets, MsgFlags::MSG_NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

const ON: c_int = 1;

/// The address to bind to, if there is one to bind to. Of a link-local address the link is that of the other end.
fn local(to: SocketAddr, from: Origin<'_>) -> Option<SocketAddr> {
    if from.addr.is_none() && from.port == 0 {
        return None;
    }
    let any = if to.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0; 16]) };
    let mut local = SocketAddr::new(from.addr.unwrap_or(any), from.port);
    if let (SocketAddr::V6(local), SocketAddr::V6(to)) = (&mut local, to) {
        local.set_scope_id(to.scope_id());
    }
    Some(local)
}

fn bind(raw: RawFd, kind: Kind, local: SocketAddr) -> io::Result<()> {
    if local.port() != 0 {
        // The connection of the last check may be remembered yet.
        set_option(raw, libc::SOL_SOCKET, libc::SO_REUSEADDR, &ON)?;
    } else if kind == Kind::Stream {
        // Connections to different servers may share a port.
        if_known(set_option(raw, libc::SOL_IP, libc::IP_BIND_ADDRESS_NO_PORT, &ON))?;
    }
    Ok(net::bind(raw, &SockaddrStorage::from(local))?)
}

fn at<T>(step: Step, result: io::Result<T>) -> Result<T, Refused> {
    result.map_err(|error| {
        let errno = error.raw_os_error().map_or(Errno::UnknownErrno, Errno::from_raw);
        Refused { step, errno }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket};
    use std::time::Duration;

    const HERE: Origin<'static> = Origin { addr: None, port: 0, interface: None, mark: 0 };

    fn wait(socket: &Socket, events: PollFlags) {
        let mut asked = [PollFd::new(socket.0.as_fd(), events)];
        assert_eq!(poll(&mut asked, PollTimeout::from(2_000_u16)).unwrap(), 1, "nothing happened");
    }

    #[test]
    fn a_stream_connects_from_a_chosen_address_and_moves_octets() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let from = Origin { addr: Some("127.0.0.9".parse().unwrap()), ..HERE };
        let socket = Socket::open(Kind::Stream, listener.local_addr().unwrap(), from).unwrap();
        let (mut other, peer) = listener.accept().unwrap();
        assert_eq!(peer.ip(), from.addr.unwrap());
        wait(&socket, PollFlags::POLLOUT);
        assert_eq!(socket.error(), None);
        assert_eq!(socket.send(b"ask").unwrap(), Moved::Some(3));
        let mut octets = [0; 8];
        other.read_exact(&mut octets[..3]).unwrap();
        assert_eq!(socket.receive(&mut octets).unwrap(), Moved::Later);
        other.write_all(b"answer").unwrap();
        wait(&socket, PollFlags::POLLIN);
        assert_eq!(socket.receive(&mut octets).unwrap(), Moved::Some(6));
        drop(other);
        wait(&socket, PollFlags::POLLIN);
        assert_eq!(socket.receive(&mut octets).unwrap(), Moved::End);
    }

    #[test]
    fn a_closed_port_is_an_error_of_the_connection() {
        let to = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let socket = Socket::open(Kind::Stream, to, HERE).unwrap();
        wait(&socket, PollFlags::POLLOUT);
        assert_eq!(socket.error(), Some(Errno::ECONNREFUSED));
    }

    #[test]
    fn a_stream_that_is_reset_ends_so_for_the_other_side() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let end_of = |reset: bool| {
            let socket = Socket::open(Kind::Stream, listener.local_addr().unwrap(), HERE).unwrap();
            let (mut other, _) = listener.accept().unwrap();
            other.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            if reset {
                socket.reset()
            } else {
                drop(socket)
            }
            other.read(&mut [0; 8]).map_err(|error| error.kind())
        };
        assert_eq!(end_of(false), Ok(0));
        assert_eq!(end_of(true), Err(io::ErrorKind::ConnectionReset));
    }

    #[test]
    fn a_stream_is_reset_and_connects_again_whatever_became_of_it_before() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let from = Origin { addr: Some("127.0.0.9".parse().unwrap()), ..HERE };
        let socket = Socket::open(Kind::Stream, to, from).unwrap();
        let mut ports = Vec::new();
        for _ in 0..3 {
            let (mut other, peer) = listener.accept().unwrap();
            assert_eq!(peer.ip(), from.addr.unwrap());
            ports.push(peer.port());
            wait(&socket, PollFlags::POLLOUT);
            assert_eq!(socket.error(), None);
            socket.disconnect().unwrap();
            let ended = other.read(&mut [0; 8]).map_err(|error| error.kind());
            assert_eq!(ended, Err(io::ErrorKind::ConnectionReset));
            socket.connect(to).unwrap();
        }
        let (_, peer) = listener.accept().unwrap();
        assert!(!ports.contains(&peer.port()), "another port each time");
        drop(listener);
        for _ in 0..2 {
            socket.disconnect().unwrap();
            socket.connect(to).unwrap();
            wait(&socket, PollFlags::POLLOUT);
            assert_eq!(socket.error(), Some(Errno::ECONNREFUSED));
        }
    }

    #[test]
    fn what_a_check_cannot_come_from_is_told_apart() {
        let to = "127.0.0.1:9".parse().unwrap();
        let absent = Origin { addr: Some("192.0.2.77".parse().unwrap()), ..HERE };
        let refused = Socket::open(Kind::Stream, to, absent).unwrap_err();
        assert_eq!(refused, Refused { step: Step::Bind, errno: Errno::EADDRNOTAVAIL });
        let name = IfName::new("absent0").unwrap();
        let nowhere = Origin { interface: Some(&name), ..HERE };
        let refused = Socket::open(Kind::Datagram, to, nowhere).unwrap_err();
        assert_eq!(refused.step, Step::Interface);
    }

    #[test]
    fn a_datagram_socket_hears_its_server_and_that_nobody_listens() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let to = server.local_addr().unwrap();
        let socket = Socket::open(Kind::Datagram, to, HERE).unwrap();
        assert_eq!(socket.send(b"ask").unwrap(), Moved::Some(3));
        let mut octets = [0; 8];
        let (count, from) = server.recv_from(&mut octets).unwrap();
        server.send_to(&octets[..count], from).unwrap();
        wait(&socket, PollFlags::POLLIN);
        assert_eq!(socket.receive(&mut octets).unwrap(), Moved::Some(3));
        drop(server);
        assert_eq!(socket.send(b"ask").unwrap(), Moved::Some(3));
        wait(&socket, PollFlags::POLLERR);
        assert_eq!(socket.error(), Some(Errno::ECONNREFUSED));
        socket.forget_errors();
        assert_eq!(socket.receive(&mut octets).unwrap(), Moved::Later, "an error is heard once");
    }
}

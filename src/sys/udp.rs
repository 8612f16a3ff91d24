//! UDP for one process that speaks with many peers: a socket that receives from all of them, and one that sends as if each
//! peer had a socket of its own, both in batches.
//!
//! The send socket is a raw one, for one call is to send datagrams of many source ports; the caller writes the UDP header.
//! The kernel checks that the source address is there.

use std::ffi::c_int;
use std::io;
use std::net::{SocketAddr, SocketAddrV6, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use nix::errno::Errno;
use nix::sys::socket::{self as net, SockaddrStorage};

use super::clock::{self, Wall};
use super::control::Control;
use super::filter::{self, Filter, SMALLEST_BUFFER, Start};
use super::inbox::Inbox;
use super::outbox::{Outbox, Refused};
use super::queue::{self, QueueSize};
use super::socket::{Address, in_addr, in6_addr, open, set_option, signed, unsigned};
use crate::base::addr::{Family, IpAddr, Ipv4Addr};
use crate::base::id::IfIndex;
use crate::base::limit;
use crate::base::time::Instant;

/// A socket that receives what is sent to one port.
#[derive(Debug)]
pub struct ReceiveSocket {
    fd: OwnedFd,
    family: Family,
}

impl ReceiveSocket {
    /// Opens the socket.
    ///
    /// # Errors
    /// EADDRINUSE if somebody else has the port, EAFNOSUPPORT without the family, and what else the calls say.
    pub fn open(family: Family, port: u16) -> io::Result<Self> {
        let (domain, level) = match family {
            Family::V4 => (libc::AF_INET, libc::IPPROTO_IP),
            Family::V6 => (libc::AF_INET6, libc::IPPROTO_IPV6),
        };
        let socket = Self { fd: open(domain, libc::SOCK_DGRAM, libc::IPPROTO_UDP)?, family };
        let (fd, on): (RawFd, c_int) = (socket.fd.as_raw_fd(), 1);
        set_option(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &on)?;
        match family {
            Family::V4 => {
                set_option(fd, level, libc::IP_PKTINFO, &on)?;
                set_option(fd, level, libc::IP_RECVTTL, &on)?;
            }
            Family::V6 => {
                set_option(fd, level, libc::IPV6_V6ONLY, &on)?;
                set_option(fd, level, libc::IPV6_RECVPKTINFO, &on)?;
                set_option(fd, level, libc::IPV6_RECVHOPLIMIT, &on)?;
            }
        }
        let any = match family {
            Family::V4 => IpAddr::from([0; 4]),
            Family::V6 => IpAddr::from([0_u8; 16]),
        };
        let size = QueueSize { octets: limit::BFD_QUEUE, force: true };
        // Without CAP_NET_ADMIN the socket has as much as the system allows to anybody.
        queue::set(fd, size).or_else(|_| queue::set(fd, QueueSize { force: false, ..size }))?;
        net::bind(fd, &SockaddrStorage::from(SocketAddr::new(any, port)))?;
        Ok(socket)
    }

    /// Takes what is queued, at most [`limit::BFD_BATCH`] datagrams, and tells how many; 0 if none is queued. Fewer than
    /// the batch holds means that the queue was empty for a moment.
    ///
    /// # Errors
    /// What the kernel says, except for an empty queue.
    pub fn receive(&self, batch: &mut ReceiveBatch) -> io::Result<usize> {
        batch.family = self.family;
        let received = batch.inbox.receive(self.fd.as_raw_fd());
        batch.read_at = clock::both();
        received
    }
}

impl AsRawFd for ReceiveSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// The buffers of one receive call; one set serves every socket in turn.
pub struct ReceiveBatch {
    inbox: Inbox,
    family: Family,
    /// Both clocks just after the last receive: the kernel's stamps are of the wall clock.
    read_at: (Instant, Wall),
}

/// One received datagram.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// The payload, cut to [`limit::BFD_OCTETS`].
    pub octets: &'a [u8],
    /// The sender.
    pub source: IpAddr,
    /// Where it was sent to.
    pub destination: Option<IpAddr>,
    /// The interface that it came in by; 0 if the kernel did not say.
    pub interface: IfIndex,
    /// The TTL or hop limit that it arrived with.
    pub hop_limit: Option<u8>,
    /// When the kernel took it in, on the monotonic clock; never after the receive call. A wall clock that was set in
    /// between makes it wrong: trust it only within a known span.
    pub arrived: Instant,
}

impl ReceiveBatch {
    /// Buffers for [`limit::BFD_BATCH`] datagrams of [`limit::BFD_OCTETS`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            inbox: Inbox::new(limit::BFD_BATCH, limit::BFD_OCTETS),
            family: Family::V4,
            read_at: (Instant::START, Wall { secs: 0, micros: 0 }),
        }
    }

    /// How many datagrams one call can bring.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.inbox.capacity()
    }

    /// The datagrams of the last [`ReceiveSocket::receive`], in the order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.inbox.iter().filter_map(|received| {
            let (destination, interface, hops): (_, _, Option<c_int>) = match self.family {
                Family::V4 => {
                    let info: Option<libc::in_pktinfo> =
                        received.control.find(libc::IPPROTO_IP, libc::IP_PKTINFO);
                    (
                        info.map(|info| IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes())),
                        info.map_or(IfIndex(0), |info| unsigned(info.ipi_ifindex)),
                        received.control.find(libc::IPPROTO_IP, libc::IP_TTL),
                    )
                }
                Family::V6 => {
                    let level = libc::IPPROTO_IPV6;
                    let info: Option<libc::in6_pktinfo> = received.control.find(level, libc::IPV6_PKTINFO);
                    (
                        info.map(|info| IpAddr::from(info.ipi6_addr.s6_addr)),
                        info.map_or(IfIndex(0), |info| IfIndex(info.ipi6_ifindex as _)),
                        received.control.find(level, libc::IPV6_HOPLIMIT),
                    )
                }
            };
            Some(Datagram {
                octets: received.octets,
                source: received.source.as_ip()?,
                destination,
                interface,
                hop_limit: hops.and_then(|hops| u8::try_from(hops).ok()),
                arrived: received.arrived(self.read_at),
            })
        })
    }
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        Self::new()
    }
}

/// A raw socket that sends UDP datagrams and never receives.
#[derive(Debug)]
pub struct SendSocket {
    fd: OwnedFd,
}

impl SendSocket {
    /// Opens the socket.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW, and what else the calls say.
    pub fn open(family: Family) -> io::Result<Self> {
        let (domain, start) = match family {
            Family::V4 => (libc::AF_INET, Start::Ipv4Header),
            Family::V6 => (libc::AF_INET6, Start::Transport),
        };
        let fd = open(domain, libc::SOCK_RAW, libc::IPPROTO_UDP)?;
        filter::attach(&fd, &Filter::Nothing, start)?;
        set_option(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, &SMALLEST_BUFFER)?;
        Ok(Self { fd })
    }

    /// Sends the batch and empties it. The tag of each datagram that the kernel refused goes to `on_failure`: EINVAL or
    /// ENETUNREACH (the source address is not there, or no route), EPERM (a packet filter), ENOBUFS and EAGAIN (a queue is full).
    pub fn send(&self, batch: &mut SendBatch, on_failure: impl FnMut(u32, Errno)) {
        batch.outbox.send(self.fd.as_raw_fd(), on_failure);
    }
}

impl AsRawFd for SendSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

/// How a datagram goes.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    /// The sender.
    pub source: IpAddr,
    /// The receiver.
    pub destination: IpAddr,
    /// The interface, which a link-local address needs; 0: as the kernel routes.
    pub interface: IfIndex,
    /// The TTL or hop limit.
    pub hop_limit: u8,
}

/// Datagrams that leave in one system call.
pub struct SendBatch {
    outbox: Outbox,
}

impl SendBatch {
    /// Room for [`limit::BFD_BATCH`] datagrams of [`limit::BFD_OCTETS`] with their UDP header.
    #[must_use]
    pub fn new() -> Self {
        Self { outbox: Outbox::new(limit::BFD_BATCH, limit::BFD_OCTETS) }
    }

    /// Copies a datagram in, from its UDP header on. `tag` names it if it fails.
    ///
    /// # Errors
    /// [`Refused`] if the batch is full or the datagram too long.
    pub fn push(&mut self, tag: u32, octets: &[u8], way: &Way) -> Result<(), Refused> {
        let (mut control, hops) = (Control::EMPTY, c_int::from(way.hop_limit));
        match way.source {
            IpAddr::V4(source) => {
                let info = libc::in_pktinfo {
                    ipi_ifindex: signed(way.interface),
                    ipi_spec_dst: in_addr(source),
                    ipi_addr: in_addr(Ipv4Addr::UNSPECIFIED),
                };
                control.push(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
                control.push(libc::IPPROTO_IP, libc::IP_TTL, hops);
            }
            IpAddr::V6(source) => {
                let info =
                    libc::in6_pktinfo { ipi6_addr: in6_addr(source), ipi6_ifindex: way.interface.0 as _ };
                control.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
                control.push(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, hops);
            }
        }
        self.outbox.push(tag, octets, Address::ip(way.destination, way.interface), control)
    }

    /// Whether no datagram waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outbox.len() == 0
    }

    /// Forgets the datagrams.
    pub fn clear(&mut self) {
        self.outbox.clear();
    }
}

impl Default for SendBatch {
    fn default() -> Self {
        Self::new()
    }
}

/// The address that the kernel would speak from to a destination; `interface`: of a link-local one, else 0.
///
/// # Errors
/// ENETUNREACH without a route, EADDRNOTAVAIL without an address.
pub fn source_toward(destination: IpAddr, port: u16, interface: IfIndex) -> io::Result<IpAddr> {
    let any = match destination {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0_u8; 16]),
    };
    let socket = UdpSocket::bind(SocketAddr::new(any, 0))?;
    socket.connect(match destination {
        IpAddr::V4(_) => SocketAddr::new(destination, port),
        IpAddr::V6(v6) => SocketAddrV6::new(v6, port, 0, interface.0).into(),
    })?;
    Ok(socket.local_addr()?.ip())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::bytes::Writer;
    use crate::base::time::Span;
    use crate::sys::test_net::in_namespace;

    #[test]
    fn datagrams_of_many_ports_leave_in_one_call_with_their_hop_limit() {
        in_namespace(|network| {
            network.up(IfIndex(1), true);
            let here: IpAddr = "127.0.0.1".parse().unwrap();
            let receiver = ReceiveSocket::open(Family::V4, 3_784).unwrap();
            assert!(ReceiveSocket::open(Family::V4, 3_784).is_err(), "one process has the port");
            assert_eq!(source_toward(here, 3_784, IfIndex(0)).unwrap(), here);
            let (sender, mut batch) = (SendSocket::open(Family::V4).unwrap(), SendBatch::new());
            for port in 49_152..49_155_u16 {
                let mut room = [0; 12];
                let mut out = Writer::new(&mut room);
                for word in [port, 3_784, 12, 0] {
                    out.u16(word).unwrap();
                }
                let way = Way { source: here, destination: here, interface: IfIndex(0), hop_limit: 253 };
                batch.push(u32::from(port), &room, &way).unwrap();
            }
            sender.send(&mut batch, |tag, errno| panic!("{tag}: {errno}"));
            let mut inbox = ReceiveBatch::new();
            assert_eq!(receiver.receive(&mut inbox).unwrap(), 3);
            let read = clock::now();
            for datagram in inbox.iter() {
                let ago = read.since(datagram.arrived);
                assert!(datagram.arrived <= read && ago < Span::from_secs(5), "{ago:?}");
                assert_eq!((datagram.source, datagram.destination), (here, Some(here)));
                assert_eq!((datagram.hop_limit, datagram.octets.len()), (Some(253), 4));
            }
        });
    }

    #[test]
    fn what_comes_while_nobody_reads_waits() {
        in_namespace(|network| {
            network.up(IfIndex(1), true);
            let receiver = ReceiveSocket::open(Family::V4, 3_784).unwrap();
            let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
            for _ in 0..2_000 {
                sender.send_to(&[0; 24], "127.0.0.1:3784").unwrap();
            }
            let (mut inbox, mut all) = (ReceiveBatch::new(), 0);
            loop {
                match receiver.receive(&mut inbox).unwrap() {
                    0 => break,
                    count => all += count,
                }
            }
            assert_eq!(all, 2_000);
        });
    }

    #[test]
    fn nothing_leaves_from_an_address_that_is_not_there() {
        in_namespace(|network| {
            network.up(IfIndex(1), true);
            let pairs = [(Family::V4, "192.0.2.7", "127.0.0.1"), (Family::V6, "2001:db8::7", "::1")];
            for (family, source, here) in pairs {
                let (sender, mut batch) = (SendSocket::open(family).unwrap(), SendBatch::new());
                let [source, destination] = [source, here].map(|addr| addr.parse().unwrap());
                let way = Way { source, destination, interface: IfIndex(0), hop_limit: 255 };
                batch.push(7, &[0; 12], &way).unwrap();
                let mut refused = Vec::new();
                sender.send(&mut batch, |tag, errno| refused.push((tag, errno)));
                // Which of the two depends on the kernel.
                assert!(matches!(refused[..], [(7, Errno::EINVAL | Errno::ENETUNREACH)]), "{refused:?}");
            }
        });
    }
}

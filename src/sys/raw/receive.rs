//! Receiving raw IP datagrams: the socket, and the buffers that all such sockets share.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::member::{self, Change};
use crate::base::addr::{Family, IpAddr, Ipv4Addr, Ipv6Addr};
use crate::base::id::IfIndex;
use crate::base::limit;
use crate::base::name::IfName;
use crate::base::time::Instant;
use crate::sys::clock::{self, Wall};
use crate::sys::filter::{self, Filter, Start};
use crate::sys::inbox::{Inbox, Received};
use crate::sys::ingress::{self, Ingress};
use crate::sys::queue::{self, QueueSize};
use crate::sys::socket::{bind_device, if_known, open, set_option, unsigned};

/// What a receive socket is to be.
#[derive(Clone, Copy, Debug)]
pub struct ReceiveOptions<'a> {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The IP protocol number, 1 to 254.
    pub protocol: u8,
    /// Receive from this interface only.
    pub device: Option<&'a IfName>,
    /// Receive from the groups that any socket of this machine has joined; else from those only that this one joins.
    pub all_groups: bool,
    /// What the kernel lets through from the first datagram on.
    pub filter: Filter,
}

/// A raw socket that receives and never sends.
#[derive(Debug)]
pub struct ReceiveSocket {
    fd: OwnedFd,
    family: Family,
}

impl ReceiveSocket {
    /// Opens the socket. It has joined no group yet.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW, ENODEV if there is no such device, and what else the calls say.
    pub fn open(options: &ReceiveOptions<'_>) -> io::Result<Self> {
        let protocol = c_int::from(options.protocol);
        let fd = match options.family {
            Family::V4 => open(libc::AF_INET, libc::SOCK_RAW, protocol)?,
            Family::V6 => open(libc::AF_INET6, libc::SOCK_RAW, protocol)?,
        };
        let socket = Self { fd, family: options.family };
        // The socket receives from everywhere until it is set up: keep that out, and drop what came in first.
        socket.set_filter(&Filter::Nothing)?;
        if let Some(device) = options.device {
            bind_device(&socket.fd, device)?;
        }
        let on: c_int = 1;
        set_option(socket.fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, &on)?;
        match options.family {
            Family::V4 => socket.set_up_v4(options.all_groups)?,
            Family::V6 => socket.set_up_v6(protocol, options.all_groups)?,
        }
        socket.discard_queued()?;
        socket.set_filter(&options.filter)?;
        Ok(socket)
    }

    /// Sets the size of the kernel's queue.
    ///
    /// # Errors
    /// EPERM without CAP_NET_ADMIN, if it is to be more than the system allows.
    pub fn set_receive_buffer(&self, size: QueueSize) -> io::Result<()> {
        queue::set(self.fd.as_raw_fd(), size)
    }

    /// Joins a multicast group on an interface.
    ///
    /// # Errors
    /// EADDRINUSE if it is joined already, ENODEV if there is no such interface, ENOBUFS past the system's limit
    /// of groups a socket (net.ipv4.igmp_max_memberships: 20), EINVAL for a group of the other family.
    pub fn join(&self, group: IpAddr, interface: IfIndex) -> io::Result<()> {
        member::change(self.fd.as_raw_fd(), self.family, group, interface, Change::Join)
    }

    /// Leaves a multicast group on an interface.
    ///
    /// # Errors
    /// EADDRNOTAVAIL if it was not joined, EINVAL for a group of the other family.
    pub fn leave(&self, group: IpAddr, interface: IfIndex) -> io::Result<()> {
        member::change(self.fd.as_raw_fd(), self.family, group, interface, Change::Leave)
    }

    /// Replaces the kernel's filter. Datagrams that are queued already stay.
    ///
    /// # Errors
    /// ENOMEM past net.core.optmem_max.
    pub fn set_filter(&self, filter: &Filter) -> io::Result<()> {
        let start = match self.family {
            Family::V4 => Start::Ipv4Header,
            Family::V6 => Start::Transport,
        };
        filter::attach(&self.fd, filter, start)
    }

    /// Replaces the kernel's filter by one that keeps datagrams whose octet at `offset` behind the IP header belongs to the
    /// interface that they came in by, and that have at least `least` octets there. The pairs are in the order of the
    /// octets, with each octet once.
    ///
    /// # Errors
    /// ENOMEM past net.core.optmem_max; the filter before stays.
    pub fn set_ingress(&self, offset: u8, least: u8, pairs: &[Ingress]) -> io::Result<()> {
        let start = match self.family {
            Family::V4 => Start::Ipv4Header,
            Family::V6 => Start::Transport,
        };
        ingress::attach(&self.fd, (offset, least), pairs, start)
    }

    /// Takes what is queued, at most [`limit::RECEIVE_BATCH`] datagrams, and tells how many; 0 if none is
    /// queued. Fewer than the batch holds means that the queue was empty for a moment: an edge-triggered poll
    /// will tell of the next datagram.
    ///
    /// # Errors
    /// What the kernel says, except for an empty queue.
    pub fn receive(&self, batch: &mut ReceiveBatch) -> io::Result<usize> {
        batch.family = self.family;
        let received = batch.inbox.receive(self.fd.as_raw_fd());
        batch.read_at = clock::both();
        received
    }

    fn set_up_v4(&self, all_groups: bool) -> io::Result<()> {
        let fd = self.fd.as_raw_fd();
        let (on, off): (c_int, c_int) = (1, 0);
        set_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, &on)?;
        // Only the groups that this socket joined, not those of every process.
        set_option(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_ALL, &c_int::from(all_groups))?;
        set_option(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, &off)
    }

    /// IPV6_V6ONLY is not among these: raw sockets refuse it, and never see IPv4.
    fn set_up_v6(&self, protocol: c_int, all_groups: bool) -> io::Result<()> {
        let fd = self.fd.as_raw_fd();
        let (on, off): (c_int, c_int) = (1, 0);
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, &on)?;
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, &on)?;
        no_kernel_checksum(fd, protocol)?;
        // Since Linux 4.20; without it other processes' groups come in too, and the caller sees the interface.
        if_known(set_option(fd, libc::IPPROTO_IPV6, IPV6_MULTICAST_ALL, &c_int::from(all_groups)))?;
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_MULTICAST_LOOP, &off)
    }

    /// Empties the queue. A bounded number of reads suffices, for nothing passes the filter any more.
    fn discard_queued(&self) -> io::Result<()> {
        let mut octet = [0_u8; 1];
        for _ in 0..QUEUED_AT_OPENING {
            // SAFETY: pointer and length describe `octet`; the socket does not block.
            let code = unsafe {
                libc::recv(self.fd.as_raw_fd(), octet.as_mut_ptr().cast(), octet.len(), libc::MSG_TRUNC)
            };
            if code < 0 {
                return match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
                    error if error.kind() == io::ErrorKind::Interrupted => continue,
                    error => Err(error),
                };
            }
        }
        Ok(())
    }
}

impl AsRawFd for ReceiveSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for ReceiveSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Datagram<'a> {
    /// IPv4: from the IP header on. IPv6: from behind the IP headers on.
    pub octets: &'a [u8],
    /// The sender.
    pub source: IpAddr,
    /// Where it was sent to.
    pub destination: Option<IpAddr>,
    /// The interface that it came in by; 0 if the kernel did not say.
    pub interface: IfIndex,
    /// The TTL or hop limit that it arrived with.
    pub hop_limit: Option<u8>,
    /// When the kernel took it in, on the monotonic clock; never after the receive call. A wall clock that was set
    /// in between makes it wrong: trust it only within a known span.
    pub arrived: Instant,
    /// Whether it was longer than [`limit::ADVERT_OCTETS`] and the rest is lost.
    pub truncated: bool,
}

impl ReceiveBatch {
    /// Buffers for [`limit::RECEIVE_BATCH`] datagrams of [`limit::ADVERT_OCTETS`].
    #[must_use]
    pub fn new() -> Self {
        Self {
            inbox: Inbox::new(limit::RECEIVE_BATCH, limit::ADVERT_OCTETS),
            family: Family::V4,
            read_at: (Instant::START, Wall { secs: 0, micros: 0 }),
        }
    }

    /// How many datagrams one call can bring.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.inbox.capacity()
    }

    /// Wall time just after the last [`ReceiveSocket::receive`].
    #[must_use]
    pub const fn wall(&self) -> Wall {
        self.read_at.1
    }

    /// The datagrams of the last [`ReceiveSocket::receive`], in the order of arrival.
    pub fn iter(&self) -> impl Iterator<Item = Datagram<'_>> {
        self.inbox.iter().map(|received| match self.family {
            Family::V4 => datagram_v4(&received, self.read_at),
            Family::V6 => datagram_v6(&received, self.read_at),
        })
    }
}

impl Default for ReceiveBatch {
    fn default() -> Self {
        Self::new()
    }
}

fn datagram_v4<'a>(received: &Received<'a>, read_at: (Instant, Wall)) -> Datagram<'a> {
    let info: Option<libc::in_pktinfo> = received.control.find(libc::IPPROTO_IP, libc::IP_PKTINFO);
    Datagram {
        octets: received.octets,
        source: received.source.as_ip().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        destination: info.map(|info| IpAddr::from(info.ipi_addr.s_addr.to_ne_bytes())),
        interface: info.map_or(IfIndex(0), |info| unsigned(info.ipi_ifindex)),
        hop_limit: received.octets.get(TTL_OFFSET).copied(),
        truncated: received.truncated,
        arrived: received.arrived(read_at),
    }
}

fn datagram_v6<'a>(received: &Received<'a>, read_at: (Instant, Wall)) -> Datagram<'a> {
    let level = libc::IPPROTO_IPV6;
    let info: Option<libc::in6_pktinfo> = received.control.find(level, libc::IPV6_PKTINFO);
    let hop_limit: Option<c_int> = received.control.find(level, libc::IPV6_HOPLIMIT);
    Datagram {
        octets: received.octets,
        source: received.source.as_ip().unwrap_or(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        destination: info.map(|info| IpAddr::from(info.ipi6_addr.s6_addr)),
        interface: info.map_or(IfIndex(0), |info| IfIndex(info.ipi6_ifindex as _)),
        hop_limit: hop_limit.and_then(|hops| u8::try_from(hops).ok()),
        truncated: received.truncated,
        arrived: received.arrived(read_at),
    }
}

/// Tells the kernel to neither verify nor fill a checksum. ICMPv6 sockets refuse: the kernel insists there.
pub(super) fn no_kernel_checksum(fd: RawFd, protocol: c_int) -> io::Result<()> {
    if protocol == libc::IPPROTO_ICMPV6 {
        return Ok(());
    }
    let none: c_int = -1;
    set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_CHECKSUM, &none)
}

/// Position of the TTL in the IPv4 header (RFC 791 section 3.1).
const TTL_OFFSET: usize = 8;

/// Datagrams that can have been queued between two system calls, generously.
const QUEUED_AT_OPENING: usize = 4_096;

/// From the kernel's in6.h; libc does not have it.
const IPV6_MULTICAST_ALL: c_int = 29;

//! Sending raw IP datagrams: sockets that receive nothing, and the batch that they send.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;

use super::receive::no_kernel_checksum;
use crate::base::addr::{Family, IpAddr, Ipv4Addr, Ipv6Addr};
use crate::base::id::IfIndex;
use crate::base::limit;
use crate::base::name::IfName;
use crate::sys::control::Control;
use crate::sys::filter::{self, Filter, SMALLEST_BUFFER, Start};
use crate::sys::outbox::{Outbox, Refused};
use crate::sys::socket::{Address, bind_device, in_addr, in6_addr, open, set_option, signed};

/// What a send socket is to be.
#[derive(Clone, Copy, Debug)]
pub struct SendOptions<'a> {
    /// IPv4 or IPv6.
    pub family: Family,
    /// IPv6: the IP protocol number. IPv4: not used, for the caller writes the IP header.
    pub protocol: u8,
    /// Send through this interface only.
    pub device: Option<&'a IfName>,
    /// Where multicast leaves if a message does not say; 0 is wherever the routes say.
    pub interface: IfIndex,
    /// SO_PRIORITY, the class within the interface's queue: 0 to 7, 7 needs CAP_NET_ADMIN.
    pub priority: u8,
    /// IPv6 traffic class of every message. IPv4: in the caller's header.
    pub traffic_class: u8,
    /// IPv6 hop limit where a message does not say. IPv4: in the caller's header.
    pub hop_limit: u8,
}

/// A raw socket that sends and never receives.
#[derive(Debug)]
pub struct SendSocket {
    fd: OwnedFd,
    family: Family,
}

impl SendSocket {
    /// Opens the socket.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW, ENODEV if there is no such device or interface, and what else the calls say.
    pub fn open(options: &SendOptions<'_>) -> io::Result<Self> {
        let protocol = c_int::from(options.protocol);
        let (fd, start) = match options.family {
            // IPPROTO_RAW: the caller writes the IP header, and no protocol is received.
            Family::V4 => (open(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_RAW)?, Start::Ipv4Header),
            Family::V6 => (open(libc::AF_INET6, libc::SOCK_RAW, protocol)?, Start::Transport),
        };
        filter::attach(&fd, &Filter::Nothing, start)?;
        set_option(fd.as_raw_fd(), libc::SOL_SOCKET, libc::SO_RCVBUF, &SMALLEST_BUFFER)?;
        if let Some(device) = options.device {
            bind_device(&fd, device)?;
        }
        let socket = Self { fd, family: options.family };
        match options.family {
            Family::V4 => socket.set_up_v4(options)?,
            Family::V6 => socket.set_up_v6(options, protocol)?,
        }
        // After the traffic class, which sets a priority of its own.
        set_option(
            socket.fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PRIORITY,
            &c_int::from(options.priority),
        )?;
        Ok(socket)
    }

    /// Sends the batch and empties it; the number of messages that the kernel took. The tag of each that it
    /// refused goes to `on_failure`: ENETDOWN or ENODEV (the interface), ENETUNREACH (no route), ENOBUFS (the
    /// interface's queue), EAGAIN (the socket's buffer: the rest of the batch was not tried), EPERM (a packet
    /// filter), EINVAL (IPv6: no such source on the interface).
    pub fn send(&self, batch: &mut SendBatch, on_failure: impl FnMut(u32, Errno)) -> usize {
        batch.outbox.send(self.fd.as_raw_fd(), on_failure)
    }

    /// The family of the messages.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    fn set_up_v4(&self, options: &SendOptions<'_>) -> io::Result<()> {
        let fd = self.fd.as_raw_fd();
        let (on, off): (c_int, c_int) = (1, 0);
        set_option(fd, libc::IPPROTO_IP, libc::IP_HDRINCL, &on)?;
        set_option(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_LOOP, &off)?;
        if options.interface != IfIndex(0) {
            let leaving = libc::ip_mreqn {
                imr_multiaddr: in_addr(Ipv4Addr::UNSPECIFIED),
                imr_address: in_addr(Ipv4Addr::UNSPECIFIED),
                imr_ifindex: signed(options.interface),
            };
            set_option(fd, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, &leaving)?;
        }
        Ok(())
    }

    fn set_up_v6(&self, options: &SendOptions<'_>, protocol: c_int) -> io::Result<()> {
        let fd = self.fd.as_raw_fd();
        let level = libc::IPPROTO_IPV6;
        let off: c_int = 0;
        let hops = c_int::from(options.hop_limit);
        no_kernel_checksum(fd, protocol)?;
        set_option(fd, level, libc::IPV6_MULTICAST_LOOP, &off)?;
        set_option(fd, level, libc::IPV6_MULTICAST_HOPS, &hops)?;
        set_option(fd, level, libc::IPV6_UNICAST_HOPS, &hops)?;
        set_option(fd, level, libc::IPV6_TCLASS, &c_int::from(options.traffic_class))?;
        if options.interface != IfIndex(0) {
            set_option(fd, level, libc::IPV6_MULTICAST_IF, &signed(options.interface))?;
        }
        Ok(())
    }
}

impl AsRawFd for SendSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for SendSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// One datagram to send.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What names the message if it fails.
    pub tag: u32,
    /// IPv4: from the IP header on; the kernel fills total length and header checksum, and the identification
    /// if it is 0. IPv6: from behind the IP header on.
    pub octets: &'a [u8],
    /// Where to.
    pub destination: IpAddr,
    /// IPv6: the source address, which must be on the interface. IPv4: in the caller's header.
    pub source: Option<Ipv6Addr>,
    /// The interface to leave by; 0 is the socket's.
    pub interface: IfIndex,
    /// IPv6: the hop limit, if not the socket's. IPv4: in the caller's header.
    pub hop_limit: Option<u8>,
}

/// Messages that leave in one system call.
pub struct SendBatch {
    outbox: Outbox,
}

impl SendBatch {
    /// Room for [`limit::SEND_BATCH`] messages of [`limit::ADVERT_OCTETS`].
    #[must_use]
    pub fn new() -> Self {
        Self { outbox: Outbox::new(limit::SEND_BATCH, limit::ADVERT_OCTETS) }
    }

    /// Copies a message in.
    ///
    /// # Errors
    /// [`Refused`] if the batch is full or the message too long.
    pub fn push(&mut self, message: &Message<'_>) -> Result<(), Refused> {
        let mut control = Control::EMPTY;
        match message.destination {
            IpAddr::V4(_) if message.interface != IfIndex(0) => control.push(
                libc::IPPROTO_IP,
                libc::IP_PKTINFO,
                libc::in_pktinfo {
                    ipi_ifindex: signed(message.interface),
                    ipi_spec_dst: in_addr(Ipv4Addr::UNSPECIFIED),
                    ipi_addr: in_addr(Ipv4Addr::UNSPECIFIED),
                },
            ),
            IpAddr::V6(_) if message.interface != IfIndex(0) || message.source.is_some() => control.push(
                libc::IPPROTO_IPV6,
                libc::IPV6_PKTINFO,
                libc::in6_pktinfo {
                    ipi6_addr: in6_addr(message.source.unwrap_or(Ipv6Addr::UNSPECIFIED)),
                    ipi6_ifindex: message.interface.0 as _,
                },
            ),
            _ => {}
        }
        if let (IpAddr::V6(_), Some(hops)) = (message.destination, message.hop_limit) {
            control.push(libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT, c_int::from(hops));
        }
        // A global IPv6 address with a scope would be refused.
        let scope = match message.destination {
            IpAddr::V6(v6) if v6.is_unicast_link_local() || v6.is_multicast() => message.interface,
            _ => IfIndex(0),
        };
        let destination = Address::ip(message.destination, scope);
        self.outbox.push(message.tag, message.octets, destination, control)
    }

    /// Forgets the messages.
    pub fn clear(&mut self) {
        self.outbox.clear();
    }

    /// Messages waiting to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outbox.len()
    }

    /// Whether no message waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outbox.len() == 0
    }

    /// How many more messages fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.outbox.room()
    }
}

impl Default for SendBatch {
    fn default() -> Self {
        Self::new()
    }
}

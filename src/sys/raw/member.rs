//! Membership in multicast groups: on a receive socket, or on a socket that does nothing else. A receiver without
//! memberships of its own hears what such sockets have joined ([`super::receive::ReceiveOptions::all_groups`]).

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use crate::base::addr::{Family, IpAddr, Ipv4Addr};
use crate::base::id::IfIndex;
use crate::sys::socket::{in_addr, in6_addr, open, set_option, signed};

/// A socket that is a member of groups and neither receives nor sends.
#[derive(Debug)]
pub struct MemberSocket {
    fd: OwnedFd,
    family: Family,
}

impl MemberSocket {
    /// Opens the socket: of UDP without a port, which the kernel delivers nothing to.
    ///
    /// # Errors
    /// EMFILE past the limit of descriptors, EAFNOSUPPORT without the family.
    pub fn open(family: Family) -> io::Result<Self> {
        let domain = match family {
            Family::V4 => libc::AF_INET,
            Family::V6 => libc::AF_INET6,
        };
        open(domain, libc::SOCK_DGRAM, 0).map(|fd| Self { fd, family })
    }

    /// Joins a multicast group on an interface.
    ///
    /// # Errors
    /// EADDRINUSE if it is joined already, ENODEV if there is no such interface, ENOBUFS past the system's limit
    /// of groups a socket (net.ipv4.igmp_max_memberships: 20) or ENOMEM past that of its memory, EINVAL for a group of
    /// the other family.
    pub fn join(&self, group: IpAddr, interface: IfIndex) -> io::Result<()> {
        change(self.fd.as_raw_fd(), self.family, group, interface, Change::Join)
    }

    /// Leaves a multicast group on an interface.
    ///
    /// # Errors
    /// EADDRNOTAVAIL if it was not joined, EINVAL for a group of the other family.
    pub fn leave(&self, group: IpAddr, interface: IfIndex) -> io::Result<()> {
        change(self.fd.as_raw_fd(), self.family, group, interface, Change::Leave)
    }
}

/// What becomes of a membership.
#[derive(Clone, Copy)]
pub(super) enum Change {
    Join,
    Leave,
}

pub(super) fn change(
    fd: RawFd,
    family: Family,
    group: IpAddr,
    interface: IfIndex,
    change: Change,
) -> io::Result<()> {
    let (v4, v6): (c_int, c_int) = match change {
        Change::Join => (libc::IP_ADD_MEMBERSHIP, libc::IPV6_ADD_MEMBERSHIP),
        Change::Leave => (libc::IP_DROP_MEMBERSHIP, libc::IPV6_DROP_MEMBERSHIP),
    };
    match (family, group) {
        (Family::V4, IpAddr::V4(group)) => set_option(
            fd,
            libc::IPPROTO_IP,
            v4,
            &libc::ip_mreqn {
                imr_multiaddr: in_addr(group),
                imr_address: in_addr(Ipv4Addr::UNSPECIFIED),
                imr_ifindex: signed(interface),
            },
        ),
        (Family::V6, IpAddr::V6(group)) => set_option(
            fd,
            libc::IPPROTO_IPV6,
            v6,
            &libc::ipv6_mreq { ipv6mr_multiaddr: in6_addr(group), ipv6mr_interface: interface.0 },
        ),
        _ => Err(io::Error::from_raw_os_error(libc::EINVAL)),
    }
}

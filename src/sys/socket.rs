//! What all sockets of this layer share: opening, options, addresses.

use std::ffi::c_int;
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use crate::base::addr::{IpAddr, Ipv4Addr, Ipv6Addr};
use crate::base::id::IfIndex;
use crate::base::name::IfName;

/// A new socket: not blocking, closed on exec.
pub(super) fn open(domain: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    // SAFETY: takes no pointer.
    let fd = unsafe { libc::socket(domain, kind | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, protocol) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel just made this descriptor for us and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Sets one option from a plain kernel structure or integer.
pub(super) fn set_option<T: Copy>(fd: RawFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let pointer: *const T = value;
    // SAFETY: the pointer and the length describe `value`, which the kernel only reads.
    let code = unsafe { libc::setsockopt(fd, level, name, pointer.cast(), length_of::<T>()) };
    if code < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// Turns "this kernel does not know the option" into success, for options that only refine.
pub(super) fn if_known(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ENOPROTOOPT) => Ok(()),
        other => other,
    }
}

/// Restricts a socket to one interface; by name, because that works on every kernel.
pub(super) fn bind_device(fd: &OwnedFd, device: &IfName) -> io::Result<()> {
    let name = device.as_str();
    let length = libc::socklen_t::try_from(name.len()).unwrap_or(0);
    // SAFETY: pointer and length describe `name`; the kernel adds the terminator itself.
    let code = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_BINDTODEVICE,
            name.as_ptr().cast(),
            length,
        )
    };
    if code < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// The length of a kernel structure as socket calls want it.
pub(super) fn length_of<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0)
}

/// An interface index as the kernel's signed structures want it.
pub(super) fn signed(index: IfIndex) -> c_int {
    c_int::try_from(index.0).unwrap_or(0)
}

/// The interface index of a signed kernel field; negative is none.
pub(super) fn unsigned(index: c_int) -> IfIndex {
    IfIndex(u32::try_from(index).unwrap_or(0))
}

/// The form of an IPv4 address in kernel structures.
pub(super) fn in_addr(addr: Ipv4Addr) -> libc::in_addr {
    libc::in_addr { s_addr: u32::from_ne_bytes(addr.octets()) }
}

/// The form of an IPv6 address in kernel structures.
pub(super) fn in6_addr(addr: Ipv6Addr) -> libc::in6_addr {
    libc::in6_addr { s6_addr: addr.octets() }
}

/// A socket address of any family, with room for the longest.
#[derive(Clone, Copy)]
pub(super) struct Address {
    /// The octets, starting with the family.
    pub(super) storage: libc::sockaddr_storage,
    /// How many of them count.
    pub(super) len: libc::socklen_t,
}

impl Address {
    /// No address.
    pub(super) fn none() -> Self {
        Self {
            // SAFETY: sockaddr_storage is plain integers, for which all zeroes is a value.
            storage: unsafe { mem::zeroed() },
            len: 0,
        }
    }

    /// An Internet address; `scope` names the link of an IPv6 link-local or multicast one.
    pub(super) fn ip(addr: IpAddr, scope: IfIndex) -> Self {
        match addr {
            IpAddr::V4(v4) => Self::of(&libc::sockaddr_in {
                sin_family: family(libc::AF_INET),
                sin_port: 0,
                sin_addr: in_addr(v4),
                sin_zero: [0; 8],
            }),
            IpAddr::V6(v6) => Self::of(&libc::sockaddr_in6 {
                sin6_family: family(libc::AF_INET6),
                sin6_port: 0,
                sin6_flowinfo: 0,
                sin6_addr: in6_addr(v6),
                sin6_scope_id: scope.0,
            }),
        }
    }

    /// The link that a whole frame leaves through.
    pub(super) fn link(index: IfIndex, ether_type: u16) -> Self {
        Self::of(&libc::sockaddr_ll {
            sll_family: family(libc::AF_PACKET),
            sll_protocol: ether_type.to_be(),
            sll_ifindex: signed(index),
            sll_hatype: 0,
            sll_pkttype: 0,
            sll_halen: 0,
            sll_addr: [0; 8],
        })
    }

    /// The Internet address, if this is one.
    pub(super) fn as_ip(&self) -> Option<IpAddr> {
        match c_int::from(self.storage.ss_family) {
            libc::AF_INET => {
                self.view::<libc::sockaddr_in>().map(|v4| IpAddr::from(v4.sin_addr.s_addr.to_ne_bytes()))
            }
            libc::AF_INET6 => self.view::<libc::sockaddr_in6>().map(|v6| IpAddr::from(v6.sin6_addr.s6_addr)),
            _ => None,
        }
    }

    /// The netlink port of the sender, if this is a netlink address; 0 is the kernel.
    pub(super) fn netlink_port(&self) -> Option<u32> {
        if c_int::from(self.storage.ss_family) != libc::AF_NETLINK {
            return None;
        }
        self.view::<libc::sockaddr_nl>().map(|nl| nl.nl_pid)
    }

    fn of<T: SocketAddress>(address: &T) -> Self {
        let mut out = Self::none();
        let target: *mut libc::sockaddr_storage = &raw mut out.storage;
        // SAFETY: `SocketAddress` promises that T fits into the storage and is plain data.
        unsafe { target.cast::<T>().write(*address) };
        out.len = length_of::<T>();
        out
    }

    fn view<T: SocketAddress>(&self) -> Option<T> {
        if self.len < length_of::<T>() {
            return None;
        }
        let source: *const libc::sockaddr_storage = &raw const self.storage;
        // SAFETY: `SocketAddress` promises that T fits into the storage, is aligned no more strictly and
        // that any octets make a value.
        Some(unsafe { source.cast::<T>().read() })
    }
}

/// # Safety
/// The type is one of the kernel's sockaddr structures: plain integers, no longer than
/// `sockaddr_storage` and aligned no more strictly.
unsafe trait SocketAddress: Copy {}
// SAFETY: sockaddr_storage is made to hold it.
unsafe impl SocketAddress for libc::sockaddr_in {}
// SAFETY: sockaddr_storage is made to hold it.
unsafe impl SocketAddress for libc::sockaddr_in6 {}
// SAFETY: sockaddr_storage is made to hold it.
unsafe impl SocketAddress for libc::sockaddr_ll {}
// SAFETY: sockaddr_storage is made to hold it.
unsafe impl SocketAddress for libc::sockaddr_nl {}

fn family(number: c_int) -> libc::sa_family_t {
    libc::sa_family_t::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_the_round_trip() {
        for text in ["10.9.0.1", "fe80::1"] {
            let addr: IpAddr = text.parse().unwrap();
            assert_eq!(Address::ip(addr, IfIndex(3)).as_ip(), Some(addr));
            assert_eq!(Address::ip(addr, IfIndex(3)).netlink_port(), None);
        }
        assert_eq!(Address::link(IfIndex(3), 0x0806).as_ip(), None);
        assert_eq!(Address::none().as_ip(), None);
    }
}

//! The size of what the kernel holds back for a socket.

use std::ffi::c_int;
use std::io;
use std::os::fd::RawFd;

use super::socket::set_option;

/// A size that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSize {
    /// Octets; the kernel doubles them for what it needs itself, and has a smallest size.
    pub octets: usize,
    /// They may be more than net.core.rmem_max allows.
    pub force: bool,
}

/// Sets the receive queue of a socket. Without `force` the kernel gives no more than the system's maximum, and says
/// nothing.
pub(super) fn set(fd: RawFd, size: QueueSize) -> io::Result<()> {
    let octets = c_int::try_from(size.octets).unwrap_or(c_int::MAX);
    let option = if size.force { libc::SO_RCVBUFFORCE } else { libc::SO_RCVBUF };
    set_option(fd, libc::SOL_SOCKET, option, &octets)
}

/// The octets of the receive queue of a socket, as the kernel counts them.
#[cfg(test)]
pub fn octets_of(socket: &impl std::os::fd::AsRawFd) -> usize {
    use std::os::fd::BorrowedFd;

    // SAFETY: the socket is open for as long as the borrow.
    let fd = unsafe { BorrowedFd::borrow_raw(socket.as_raw_fd()) };
    nix::sys::socket::getsockopt(&fd, nix::sys::socket::sockopt::RcvBuf).unwrap()
}

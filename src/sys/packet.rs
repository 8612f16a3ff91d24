//! Sending whole link-layer frames: a packet socket that receives nothing.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::errno::Errno;

use crate::base::id::IfIndex;
use crate::base::limit;
use crate::sys::outbox::{Outbox, Refused};
use crate::sys::socket::{Address, open};

/// A packet socket for whole frames, link-layer header included. Protocol 0: the kernel queues nothing on it.
#[derive(Debug)]
pub struct PacketSocket {
    fd: OwnedFd,
}

impl PacketSocket {
    /// Opens the socket; it serves all interfaces.
    ///
    /// # Errors
    /// EPERM without CAP_NET_RAW, EAFNOSUPPORT if the kernel has no packet sockets.
    pub fn open() -> io::Result<Self> {
        open(libc::AF_PACKET, libc::SOCK_RAW, 0).map(|fd| Self { fd })
    }

    /// Sends the batch and empties it; the number of frames that the kernel took. The tag of each that it refused
    /// goes to `on_failure`: ENETDOWN, ENXIO or ENODEV (the interface), ENOBUFS (its queue), EAGAIN (the socket's
    /// buffer: the rest of the batch was not tried), EMSGSIZE (longer than the MTU).
    pub fn send(&self, batch: &mut FrameBatch, on_failure: impl FnMut(u32, Errno)) -> usize {
        batch.outbox.send(self.fd.as_raw_fd(), on_failure)
    }
}

impl AsRawFd for PacketSocket {
    fn as_raw_fd(&self) -> RawFd {
        self.fd.as_raw_fd()
    }
}

impl AsFd for PacketSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Frames that leave in one system call, each through its own interface.
pub struct FrameBatch {
    outbox: Outbox,
}

impl FrameBatch {
    /// Room for [`limit::SEND_BATCH`] frames of [`limit::ANNOUNCEMENT_OCTETS`].
    #[must_use]
    pub fn new() -> Self {
        Self { outbox: Outbox::new(limit::SEND_BATCH, limit::ANNOUNCEMENT_OCTETS) }
    }

    /// Copies a frame in, to leave through `interface`; `tag` names it if it fails, `ether_type` is for the
    /// kernel's own use (queues and filters) and is not written into the frame.
    ///
    /// # Errors
    /// [`Refused`] if the batch is full or the frame too long.
    pub fn push(
        &mut self,
        tag: u32,
        interface: IfIndex,
        ether_type: u16,
        frame: &[u8],
    ) -> Result<(), Refused> {
        self.outbox.push(
            tag,
            frame,
            Address::link(interface, ether_type),
            crate::sys::control::Control::EMPTY,
        )
    }

    /// Frames waiting to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.outbox.len()
    }

    /// Whether no frame waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.outbox.len() == 0
    }

    /// How many more frames fit.
    #[must_use]
    pub fn room(&self) -> usize {
        self.outbox.room()
    }
}

impl Default for FrameBatch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::inbox::Inbox;
    use crate::sys::test_net::{in_namespace, readable};

    const ARP: u16 = 0x0806;

    /// Needs root.
    #[test]
    fn frames_arrive_whole_and_a_link_that_is_down_fails_its_own_only() {
        in_namespace(|net| {
            let (near, far) = net.pair("va", "vb");
            let (down, _) = net.pair("vc", "vd");
            net.up(down, false);
            let listener = open(libc::AF_PACKET, libc::SOCK_RAW, i32::from(ARP.to_be())).unwrap();
            let socket = PacketSocket::open().unwrap();
            let mut batch = FrameBatch::new();
            let mut frame = vec![0xff; 6];
            frame.extend([0, 0, 0x5e, 0, 1, 51, 0x08, 0x06]);
            frame.resize(42, 0x77);
            batch.push(1, near, ARP, &frame).unwrap();
            batch.push(2, down, ARP, &frame).unwrap();
            batch.push(3, far, ARP, &frame).unwrap();
            batch.push(4, IfIndex(9_999), ARP, &frame).unwrap();
            let mut failed = Vec::new();
            assert_eq!(socket.send(&mut batch, |tag, errno| failed.push((tag, errno))), 2);
            assert_eq!(failed, [(2, Errno::ENETDOWN), (4, Errno::ENXIO)]);
            assert!(batch.is_empty());
            let mut inbox = Inbox::new(8, 128);
            assert!(readable(&listener));
            assert_eq!(inbox.receive(listener.as_raw_fd()).unwrap(), 2);
            assert!(inbox.iter().all(|received| received.octets == frame));

            let long = [0; limit::ANNOUNCEMENT_OCTETS + 1];
            assert_eq!(batch.push(0, near, ARP, &long), Err(Refused::TooLong));
            for _ in 0..limit::SEND_BATCH {
                batch.push(0, near, ARP, &frame).unwrap();
            }
            assert_eq!(batch.room(), 0);
            assert_eq!(batch.push(0, near, ARP, &frame), Err(Refused::Full));
        });
    }
}

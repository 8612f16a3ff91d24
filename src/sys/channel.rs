//! A pair of ends for small packets and descriptors between two processes of the program.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{AddressFamily, SockFlag, SockType, setsockopt, socketpair, sockopt};

/// One end: a SOCK_SEQPACKET socket, non-blocking and close-on-exec. What is sent arrives whole or not at all.
#[derive(Debug)]
pub struct Channel(OwnedFd);

/// What happened to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way.
    Yes,
    /// The other end has not read enough yet; try again when writable.
    Full,
    /// There is no other end any more.
    Gone,
}

/// What a read found.
#[derive(Debug)]
pub enum Received {
    /// A packet of this many octets, with the descriptor that came with it. Longer ones are cut.
    Packet(usize, Option<OwnedFd>),
    /// Nothing for now.
    Empty,
    /// There is no other end any more, and everything that it sent has been read.
    Gone,
}

/// Room for one descriptor in a control message, aligned as the kernel wants it.
#[repr(align(8))]
struct Control([u8; 64]);

impl Channel {
    /// Two connected ends.
    ///
    /// # Errors
    /// When the kernel has no descriptors or no memory for them.
    pub fn pair() -> io::Result<(Self, Self)> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let (one, other) = socketpair(AddressFamily::Unix, SockType::SeqPacket, None, flags)?;
        Ok((Self(one), Self(other)))
    }

    /// An end that another process has handed over.
    #[must_use]
    pub const fn of(fd: OwnedFd) -> Self {
        Self(fd)
    }

    /// So many octets may wait for the other end, as far as the kernel lets this process.
    ///
    /// # Errors
    /// None known.
    pub fn set_send_buffer(&self, octets: usize) -> io::Result<()> {
        setsockopt(&self.0, sockopt::SndBufForce, &octets)
            .or_else(|_| setsockopt(&self.0, sockopt::SndBuf, &octets))?;
        Ok(())
    }

    /// Sends one packet.
    pub fn send(&self, packet: &[u8]) -> Sent {
        loop {
            // SAFETY: the pointer and the length are those of `packet`, which outlives the call.
            let sent = unsafe {
                libc::send(self.0.as_raw_fd(), packet.as_ptr().cast(), packet.len(), libc::MSG_NOSIGNAL)
            };
            if sent >= 0 {
                return Sent::Yes;
            }
            if let Some(end) = failed_send() {
                return end;
            }
        }
    }

    /// Sends one packet and a descriptor, which the receiver gets as its own.
    pub fn send_with(&self, packet: &[u8], fd: BorrowedFd<'_>) -> Sent {
        let mut control = Control([0; 64]);
        let mut part = libc::iovec { iov_base: packet.as_ptr().cast_mut().cast(), iov_len: packet.len() };
        let header = message(&mut part, &mut control);
        // SAFETY: the control buffer is zeroed, aligned and longer than CMSG_SPACE of one descriptor, so the
        // first header and its data lie inside it.
        unsafe {
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = CONTROL_LEN as _;
            libc::CMSG_DATA(first).cast::<RawFd>().write_unaligned(fd.as_raw_fd());
        }
        loop {
            // SAFETY: `header` points at `part` and `control`, both alive; the kernel only reads them.
            let sent = unsafe { libc::sendmsg(self.0.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) };
            if sent >= 0 {
                return Sent::Yes;
            }
            if let Some(end) = failed_send() {
                return end;
            }
        }
    }

    /// Takes the next packet.
    pub fn receive(&self, packet: &mut [u8]) -> Received {
        let mut control = Control([0; 64]);
        let mut part = libc::iovec { iov_base: packet.as_mut_ptr().cast(), iov_len: packet.len() };
        let mut header = message(&mut part, &mut control);
        let got = loop {
            // SAFETY: `header` points at `part`, which is `packet`, and at `control`; all live and writable.
            let got = unsafe { libc::recvmsg(self.0.as_raw_fd(), &raw mut header, libc::MSG_CMSG_CLOEXEC) };
            match usize::try_from(got) {
                Ok(len) => break len,
                Err(_) => match io::Error::last_os_error().kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => return Received::Empty,
                    _ => return Received::Gone,
                },
            }
        };
        let fd = passed(&header);
        if got == 0 && fd.is_none() {
            // No packet of ours is empty, so this is the end of the stream.
            return Received::Gone;
        }
        Received::Packet(got, fd)
    }
}

impl AsRawFd for Channel {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

impl AsFd for Channel {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

// A descriptor is 4 octets on every Linux.
// SAFETY: CMSG_LEN and CMSG_SPACE only compute.
const CONTROL_LEN: u32 = unsafe { libc::CMSG_LEN(4) };
// SAFETY: as above.
const CONTROL_SPACE: u32 = unsafe { libc::CMSG_SPACE(4) };

/// A message header over one part and the control buffer. The fields' types differ between C libraries.
fn message(part: &mut libc::iovec, control: &mut Control) -> libc::msghdr {
    // SAFETY: msghdr is plain numbers and pointers, for all of which zero is a valid value.
    let mut header: libc::msghdr = unsafe { core::mem::zeroed() };
    header.msg_iov = part;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = CONTROL_SPACE as _;
    header
}

/// The descriptor that came with a message. With room for one, the kernel passes no more than one.
fn passed(header: &libc::msghdr) -> Option<OwnedFd> {
    // SAFETY: recvmsg filled `header`; CMSG_FIRSTHDR checks that a whole header lies in the control buffer,
    // and a message of type SCM_RIGHTS and this length carries one descriptor that is ours from now on.
    unsafe {
        let first = libc::CMSG_FIRSTHDR(header);
        if first.is_null()
            || (*first).cmsg_level != libc::SOL_SOCKET
            || (*first).cmsg_type != libc::SCM_RIGHTS
            || (*first).cmsg_len != CONTROL_LEN as _
        {
            return None;
        }
        let fd = libc::CMSG_DATA(first).cast::<RawFd>().read_unaligned();
        (fd >= 0).then(|| OwnedFd::from_raw_fd(fd))
    }
}

/// What the last error of a send means; none: try again.
fn failed_send() -> Option<Sent> {
    let error = io::Error::last_os_error();
    match error.kind() {
        ErrorKind::Interrupted => None,
        ErrorKind::WouldBlock => Some(Sent::Full),
        _ if error.raw_os_error() == Some(libc::ENOBUFS) => Some(Sent::Full),
        _ => Some(Sent::Gone),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};

    #[test]
    fn packets_keep_their_bounds_and_the_end_is_told() {
        let (one, other) = Channel::pair().unwrap();
        let mut buffer = [0; 16];
        assert!(matches!(other.receive(&mut buffer), Received::Empty));
        assert_eq!(one.send(b"abc"), Sent::Yes);
        assert_eq!(one.send(b"de"), Sent::Yes);
        assert!(matches!(other.receive(&mut buffer), Received::Packet(3, None)));
        assert!(matches!(other.receive(&mut buffer), Received::Packet(2, None)));
        assert_eq!(&buffer[..2], b"de");
        drop(other);
        assert_eq!(one.send(b"x"), Sent::Gone);
        assert!(matches!(one.receive(&mut buffer), Received::Gone));
    }

    #[test]
    fn a_full_channel_refuses_and_never_blocks() {
        let (one, _other) = Channel::pair().unwrap();
        let sent = (0..100_000).find(|_| one.send(&[0; 64]) == Sent::Full);
        assert!(sent.is_some());
    }

    #[test]
    fn a_descriptor_travels() {
        let (one, other) = Channel::pair().unwrap();
        let mut file = crate::sys::memory::create("test").unwrap();
        file.write_all(b"hello").unwrap();
        assert_eq!(one.send_with(b"f", file.as_fd()), Sent::Yes);
        let mut buffer = [0; 4];
        let Received::Packet(1, Some(fd)) = other.receive(&mut buffer) else {
            panic!("no descriptor");
        };
        let mut copy = std::fs::File::from(fd);
        copy.rewind().unwrap();
        let mut text = String::new();
        copy.read_to_string(&mut text).unwrap();
        assert_eq!(text, "hello");
    }
}

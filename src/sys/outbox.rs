//! A reusable set of messages for sendmmsg: many datagrams for one system call, nothing allocated, and a
//! message that fails takes no other with it.

use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::ptr;

use nix::errno::Errno;

use super::control::Control;
use super::socket::Address;

/// Why a message did not get into a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The batch has no room: send it first.
    Full,
    /// The message is longer than a slot of the batch.
    TooLong,
}

/// Messages of a fixed greatest length, up to a fixed number. They stand one behind the other: room for the longest is
/// kept for each, and of the memory only as much is touched as the messages have octets.
pub(super) struct Outbox {
    octets: Box<[u8]>,
    each: usize,
    slots: Box<[Slot]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    len: usize,
    /// Octets of the messages waiting.
    used: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    tag: u32,
    start: usize,
    len: usize,
    destination: Address,
    control: Control,
}

impl Outbox {
    /// Room for `count` messages of at most `each` octets.
    pub(super) fn new(count: usize, each: usize) -> Self {
        let slot = Slot { tag: 0, start: 0, len: 0, destination: Address::none(), control: Control::EMPTY };
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: mmsghdr is integers and pointers, for which all zeroes is a value.
        let header: libc::mmsghdr = unsafe { mem::zeroed() };
        Self {
            octets: vec![0; count.saturating_mul(each)].into(),
            each,
            slots: vec![slot; count].into(),
            vectors: vec![vector; count].into(),
            headers: vec![header; count].into(),
            len: 0,
            used: 0,
        }
    }

    /// Messages waiting.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many more messages fit.
    pub(super) fn room(&self) -> usize {
        self.slots.len().saturating_sub(self.len)
    }

    /// Copies a message in. `tag` names it when it fails.
    pub(super) fn push(
        &mut self,
        tag: u32,
        octets: &[u8],
        destination: Address,
        control: Control,
    ) -> Result<(), Refused> {
        let start = self.used;
        let slot = self.slots.get_mut(self.len).ok_or(Refused::Full)?;
        if octets.len() > self.each {
            return Err(Refused::TooLong);
        }
        self.octets
            .get_mut(start..start.saturating_add(octets.len()))
            .ok_or(Refused::Full)?
            .copy_from_slice(octets);
        *slot = Slot { tag, start, len: octets.len(), destination, control };
        self.used = start.saturating_add(octets.len());
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// Hands all messages to the kernel and empties the batch; the number that it took. Those that it
    /// refused are named to `on_failure`. Once the socket's own buffer is full (EAGAIN) the rest fails
    /// without being tried: a message that waits in user space would arrive late, which is worse than never.
    pub(super) fn send(&mut self, fd: RawFd, mut on_failure: impl FnMut(u32, Errno)) -> usize {
        self.point();
        let total = mem::take(&mut self.len);
        self.used = 0;
        let mut next = 0;
        let mut sent = 0;
        while next < total {
            let Some(pending) = self.headers.get_mut(next..total) else {
                break;
            };
            let count = u32::try_from(pending.len()).unwrap_or(u32::MAX);
            // SAFETY: every header points into `octets`, `slots` and `vectors`, which live and stay in place
            // until the call returns, with their true lengths (see `point`).
            let code = unsafe { libc::sendmmsg(fd, pending.as_mut_ptr(), count, 0) };
            match usize::try_from(code) {
                Ok(0) => break,
                Ok(taken) => {
                    sent += taken;
                    next += taken;
                }
                Err(_) => match last_errno() {
                    Errno::EINTR => {}
                    Errno::EAGAIN => {
                        for slot in self.slots.iter().take(total).skip(next) {
                            on_failure(slot.tag, Errno::EAGAIN);
                        }
                        break;
                    }
                    errno => {
                        if let Some(slot) = self.slots.get(next) {
                            on_failure(slot.tag, errno);
                        }
                        next += 1;
                    }
                },
            }
        }
        sent
    }

    /// Forgets all messages.
    pub(super) fn clear(&mut self) {
        self.len = 0;
        self.used = 0;
    }

    /// Points the header of every waiting message at its buffers: the box may have moved since.
    fn point(&mut self) {
        for ((header, vector), slot) in
            self.headers.iter_mut().zip(&mut self.vectors).zip(&mut self.slots).take(self.len)
        {
            let end = slot.start.saturating_add(slot.len);
            let message = self.octets.get_mut(slot.start..end).unwrap_or_default();
            vector.iov_base = message.as_mut_ptr().cast();
            vector.iov_len = message.len();
            header.msg_len = 0;
            header.msg_hdr.msg_name = (&raw mut slot.destination.storage).cast();
            header.msg_hdr.msg_namelen = slot.destination.len;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            slot.control.point_outgoing(&mut header.msg_hdr);
            header.msg_hdr.msg_flags = 0;
        }
    }
}

fn last_errno() -> Errno {
    errno_of(&io::Error::last_os_error())
}

/// The kernel's number of an error; EIO if it has none.
pub(super) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

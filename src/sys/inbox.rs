//! A reusable set of buffers for recvmmsg: many datagrams for one system call, nothing allocated.

use std::io;
use std::mem;
use std::os::fd::RawFd;
use std::ptr;

use super::clock::Wall;
use super::control::Control;
use super::socket::{Address, length_of};
use crate::base::time::{Instant, Span};

/// Buffers for a fixed number of datagrams of a fixed greatest length.
pub(super) struct Inbox {
    octets: Box<[u8]>,
    each: usize,
    slots: Box<[Slot]>,
    vectors: Box<[libc::iovec]>,
    headers: Box<[libc::mmsghdr]>,
    received: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    source: Address,
    control: Control,
    len: usize,
    truncated: bool,
}

/// One received datagram.
#[derive(Clone, Copy)]
pub(super) struct Received<'a> {
    /// What arrived, cut to the buffer's length.
    pub(super) octets: &'a [u8],
    /// Who sent it.
    pub(super) source: &'a Address,
    /// The ancillary data.
    pub(super) control: &'a Control,
    /// Whether the datagram was longer than the buffer.
    pub(super) truncated: bool,
}

impl Received<'_> {
    /// When the kernel took it in, on the monotonic clock, from both clocks just after the receive call and never after
    /// them; without a stamp the time of that call. A wall clock that was set in between makes it wrong: trust it only
    /// within a known span.
    pub(super) fn arrived(&self, (now, wall): (Instant, Wall)) -> Instant {
        let Some(stamp) = self.control.find::<libc::timespec>(libc::SOL_SOCKET, libc::SO_TIMESTAMPNS) else {
            return now;
        };
        #[allow(
            clippy::unnecessary_cast,
            clippy::useless_conversion,
            reason = "time_t and long of 32-bit targets"
        )]
        let (secs, micros) = (i64::from(stamp.tv_sec), i64::from(stamp.tv_nsec) / 1_000);
        let ago = (wall.secs.saturating_sub(secs))
            .saturating_mul(1_000_000)
            .saturating_add(i64::from(wall.micros).saturating_sub(micros));
        now - Span::from_micros(u64::try_from(ago).unwrap_or(0))
    }
}

impl Inbox {
    /// Buffers for `count` datagrams of at most `each` octets. Pages are only used once data arrives.
    pub(super) fn new(count: usize, each: usize) -> Self {
        let slot = Slot { source: Address::none(), control: Control::EMPTY, len: 0, truncated: false };
        let vector = libc::iovec { iov_base: ptr::null_mut(), iov_len: 0 };
        // SAFETY: mmsghdr is integers and pointers, for which all zeroes is a value.
        let header: libc::mmsghdr = unsafe { mem::zeroed() };
        Self {
            octets: vec![0; count.saturating_mul(each)].into(),
            each,
            slots: vec![slot; count].into(),
            vectors: vec![vector; count].into(),
            headers: vec![header; count].into(),
            received: 0,
        }
    }

    /// How many datagrams fit.
    pub(super) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Takes what is queued, at most the capacity; 0 if nothing is. Fewer than the capacity means that
    /// the queue was empty for a moment, so that an edge-triggered poll will tell of the next one.
    ///
    /// # Errors
    /// What recvmmsg says, except for an empty queue.
    pub(super) fn receive(&mut self, fd: RawFd) -> io::Result<usize> {
        self.received = 0;
        self.point();
        let count = u32::try_from(self.headers.len()).unwrap_or(u32::MAX);
        let received = loop {
            // SAFETY: every header points into `octets`, `slots` and `vectors`, which live and stay in place
            // until the call returns, with their true lengths (see `point`); the socket does not block.
            let code = unsafe { libc::recvmmsg(fd, self.headers.as_mut_ptr(), count, 0, ptr::null_mut()) };
            match usize::try_from(code) {
                Ok(received) => break received,
                Err(_) => match io::Error::last_os_error() {
                    error if error.kind() == io::ErrorKind::Interrupted => {}
                    error if error.kind() == io::ErrorKind::WouldBlock => break 0,
                    error => return Err(error),
                },
            }
        };
        for (slot, header) in self.slots.iter_mut().zip(&self.headers).take(received) {
            slot.len = (header.msg_len as usize).min(self.each);
            slot.source.len = header.msg_hdr.msg_namelen;
            slot.control.finish_incoming(&header.msg_hdr);
            slot.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        }
        self.received = received;
        Ok(received)
    }

    /// The datagrams of the last [`Self::receive`], in the order of arrival.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Received<'_>> {
        self.octets.chunks_exact(self.each.max(1)).zip(&self.slots).take(self.received).map(
            |(octets, slot)| Received {
                octets: octets.get(..slot.len).unwrap_or_default(),
                source: &slot.source,
                control: &slot.control,
                truncated: slot.truncated,
            },
        )
    }

    /// Points every header at its buffers again: the kernel overwrote the lengths, and the box may have
    /// moved since.
    fn point(&mut self) {
        let buffers = self.octets.chunks_exact_mut(self.each.max(1));
        for (((header, vector), slot), buffer) in
            self.headers.iter_mut().zip(&mut self.vectors).zip(&mut self.slots).zip(buffers)
        {
            vector.iov_base = buffer.as_mut_ptr().cast();
            vector.iov_len = buffer.len();
            header.msg_len = 0;
            header.msg_hdr.msg_name = (&raw mut slot.source.storage).cast();
            header.msg_hdr.msg_namelen = length_of::<libc::sockaddr_storage>();
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            slot.control.point_incoming(&mut header.msg_hdr);
            header.msg_hdr.msg_flags = 0;
        }
    }
}

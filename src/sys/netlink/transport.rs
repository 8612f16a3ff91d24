//! The netlink socket: neli's, not blocking, read in batches.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use neli::consts::socket::{Msg, NlFamily};
use neli::socket::NlSocket;
use neli::utils::Groups;

use super::message::{Message, Messages};
use crate::sys::filter::OctetSet;
use crate::sys::inbox::Inbox;
use crate::sys::queue::{self, QueueSize};
use crate::sys::socket::{if_known, set_option};

/// How often this process was told that notifications are lost.
static OVERRUNS: AtomicUsize = AtomicUsize::new(0);

/// How often the kernel has dropped notifications for this process because a queue of a netlink socket was full.
#[must_use]
pub fn overruns() -> usize {
    OVERRUNS.load(Ordering::Relaxed)
}

/// Notifications are lost.
pub(in crate::sys) fn note_overrun() {
    OVERRUNS.fetch_add(1, Ordering::Relaxed);
}

/// A bound netlink socket.
pub(super) struct Transport {
    socket: NlSocket,
}

impl Transport {
    /// Opens a socket of a family that is a member of `groups`, by the family's numbers.
    pub(super) fn open(family: NlFamily, groups: &[u32]) -> io::Result<Self> {
        let socket = NlSocket::connect(family, None, Groups::new_groups(groups))?;
        socket.nonblock()?;
        Ok(Self { socket })
    }

    /// Becomes a member of these groups too: after the filter of their notifications is in place.
    pub(super) fn join(&self, groups: &[u32]) -> io::Result<()> {
        self.socket.add_mcast_membership(Groups::new_groups(groups))
    }

    /// Asks for acknowledgements that do not repeat the request, and for the kernel's explanations.
    /// Kernels before 4.12 know neither, which is no loss.
    pub(super) fn short_acks(&self) -> io::Result<()> {
        let on: c_int = 1;
        let fd = self.socket.as_raw_fd();
        if_known(set_option(fd, libc::SOL_NETLINK, libc::NETLINK_CAP_ACK, &on))?;
        if_known(self.socket.enable_ext_ack(true))
    }

    /// Dumps hold what was asked for and nothing else (NETLINK_GET_STRICT_CHK), or everything. Kernels before 4.20 do
    /// not know the option: the caller still has to look at each message.
    pub(super) fn set_strict(&self, on: bool) {
        let on = c_int::from(on);
        let _ = set_option(self.socket.as_raw_fd(), libc::SOL_NETLINK, libc::NETLINK_GET_STRICT_CHK, &on);
    }

    /// The port id of this socket.
    pub(super) fn port(&self) -> u32 {
        self.socket.pid().unwrap_or(0)
    }

    /// The kernel queues only deletions of routes of this protocol, and of rules, and routes in place of others with one
    /// of these prefix lengths, that `port` did not ask for.
    pub(super) fn only_deletions(&self, protocol: u8, port: u32, lengths: &OctetSet) -> io::Result<()> {
        crate::sys::filter::attach_deletions(self.socket.as_raw_fd(), protocol, port, lengths)
    }

    /// The kernel queues no notification of what the socket with the port id `port` asked for.
    pub(super) fn ignore_port(&self, port: u32) -> io::Result<()> {
        crate::sys::filter::attach_ignore_port(self.socket.as_raw_fd(), port)
    }

    /// The kernel queues no notification of an address that `port` added by a request whose sequence number has this
    /// bit.
    pub(super) fn ignore_marked(&self, port: u32, bit: u32) -> io::Result<()> {
        crate::sys::filter::attach_ignore_marked(self.socket.as_raw_fd(), port, bit)
    }

    /// Lets one message have so many octets, past the system's maximum if we may.
    pub(super) fn set_send_buffer(&self, octets: usize) -> io::Result<()> {
        // The kernel doubles it, and a message may have all of that but its own bookkeeping.
        let size = c_int::try_from(octets).unwrap_or(c_int::MAX);
        set_option(self.socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUFFORCE, &size)
            .or_else(|_| set_option(self.socket.as_raw_fd(), libc::SOL_SOCKET, libc::SO_SNDBUF, &size))
    }

    /// Sets the size of the receive queue.
    pub(super) fn set_receive_buffer(&self, size: QueueSize) -> io::Result<()> {
        queue::set(self.socket.as_raw_fd(), size)
    }

    /// Sends to the kernel, which carries requests out before this returns.
    pub(super) fn send(&self, octets: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(octets, Msg::empty()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map(|_| ()),
            }
        }
    }

    /// Takes what is queued; 0 if nothing is.
    pub(super) fn receive(&self, inbox: &mut Inbox) -> io::Result<usize> {
        inbox.receive(self.socket.as_raw_fd())
    }

    /// Takes what is queued and hands each notification to `each`: `None` where some are lost or cut. How many
    /// datagrams there were: fewer than the inbox's capacity if the queue is empty now.
    ///
    /// # Errors
    /// What the kernel says, except for an empty queue and for lost notifications.
    pub(super) fn notifications(
        &self,
        inbox: &mut Inbox,
        each: &mut dyn FnMut(Option<Message<'_>>),
    ) -> io::Result<usize> {
        let count = match self.receive(inbox) {
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                note_overrun();
                each(None);
                return Ok(inbox.capacity());
            }
            received => received?,
        };
        for received in inbox.iter().filter(|received| received.source.netlink_port() == Some(0)) {
            match received.truncated {
                true => each(None),
                false => Messages(received.octets).for_each(|message| each(Some(message))),
            }
        }
        Ok(count)
    }
}

impl AsRawFd for Transport {
    fn as_raw_fd(&self) -> RawFd {
        self.socket.as_raw_fd()
    }
}

//! Notifications of changes to links and addresses, whichever program makes them.
//!
//! The kernel drops notifications when the queue is full and says so once; the reader of a monitor gets
//! [`Event::Overrun`] and lists everything again (`Commands::links`, `Commands::addresses`). That list may be newer
//! than notifications that are still queued: these repeat what is known, or are themselves followed by newer ones, so
//! that what is known last is always true.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use neli::consts::nl::Nlmsg;
use neli::consts::rtnl::Rtm;
use neli::consts::socket::NlFamily;

use super::addr::Address;
use super::batch::MARK;
use super::command::Commands;
use super::link::Link;
use super::message::Message;
use super::transport::Transport;
use crate::base::id::IfIndex;
use crate::base::limit;
use crate::base::name::IfName;
use crate::sys::inbox::Inbox;
use crate::sys::queue::QueueSize;

/// Groups of notifications that a monitor can be a member of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Topic {
    /// Links come, change and go.
    Links = libc::RTNLGRP_LINK,
    /// IPv4 addresses come, change and go.
    Ipv4Addresses = libc::RTNLGRP_IPV4_IFADDR,
    /// IPv6 addresses come, change and go.
    Ipv6Addresses = libc::RTNLGRP_IPV6_IFADDR,
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link came, or something about it changed.
    LinkNew(Link),
    /// A link is gone, or left this network namespace.
    LinkGone {
        /// The number that it had.
        index: IfIndex,
        /// The name that it had.
        name: IfName,
    },
    /// An address came, or something about it changed.
    AddressNew(Address),
    /// An address is gone.
    AddressGone(Address),
    /// Notifications were lost: list everything again.
    Overrun,
}

/// How a read ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drained {
    /// The queue is empty: an edge-triggered poll reports the next notification.
    Yes,
    /// The budget was used up: read again before waiting.
    No,
}

/// A socket that receives notifications.
pub struct Monitor {
    transport: Transport,
    inbox: Inbox,
}

impl Monitor {
    /// Opens the socket; from now on no notification is lost without [`Event::Overrun`].
    ///
    /// # Errors
    /// What the socket calls say.
    pub fn open(topics: &[Topic]) -> io::Result<Self> {
        let groups: heapless::Vec<u32, 8> = topics.iter().map(|topic| *topic as u32).take(8).collect();
        let transport = Transport::open(NlFamily::Route, &groups)?;
        Ok(Self { transport, inbox: Inbox::new(limit::MONITOR_BATCH, limit::MONITOR_OCTETS) })
    }

    /// Receives no notifications, from now on, of IPv4 addresses that these commands add with
    /// [`Commands::add_address_marked`]: thousands at once need not wake the process that asked for them. IPv6 addresses
    /// are notified of all the same: the kernel does not note which request an IPv6 address came from.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn ignore_marked(&self, commands: &Commands) -> io::Result<()> {
        self.transport.ignore_marked(commands.port(), MARK)
    }

    /// Sets the size of the kernel's queue.
    ///
    /// # Errors
    /// EPERM without CAP_NET_ADMIN, if it is to be more than the system allows.
    pub fn set_receive_buffer(&self, size: QueueSize) -> io::Result<()> {
        self.transport.set_receive_buffer(size)
    }

    /// Hands what is queued to `each`, in order: at most `budget` notifications, rounded up to whole batches of
    /// [`limit::MONITOR_BATCH`].
    ///
    /// # Errors
    /// What the kernel says, except for an empty queue and for lost events.
    pub fn read(&mut self, budget: usize, mut each: impl FnMut(Event)) -> io::Result<Drained> {
        for _ in 0..budget.div_ceil(limit::MONITOR_BATCH).max(1) {
            let count = self.transport.notifications(&mut self.inbox, &mut |message| match message {
                None => each(Event::Overrun),
                Some(message) => event(message).into_iter().for_each(&mut each),
            })?;
            if count < self.inbox.capacity() {
                return Ok(Drained::Yes);
            }
        }
        Ok(Drained::No)
    }
}

impl Monitor {
    /// Forgets what is queued, for a caller that lists everything next. The kernel, once it has lost a notification,
    /// loses all that follow until the queue is empty, and says so only once.
    pub fn discard(&mut self) {
        // In a storm of changes this ends all the same: what is lost later is another overrun.
        for _ in 0..DISCARDS {
            if !matches!(self.read(limit::MONITOR_BUDGET, |_| ()), Ok(Drained::No)) {
                return;
            }
        }
    }
}

/// Rounds of [`Monitor::discard`]: the 16,384 notifications of some thousand new links.
const DISCARDS: usize = 64;

impl AsRawFd for Monitor {
    fn as_raw_fd(&self) -> RawFd {
        self.transport.as_raw_fd()
    }
}

fn event(message: Message<'_>) -> Option<Event> {
    if Nlmsg::from(message.kind) == Nlmsg::Overrun {
        return Some(Event::Overrun);
    }
    match Rtm::from(message.kind) {
        Rtm::Newlink => Link::decode(message.payload).map(Event::LinkNew),
        Rtm::Dellink => {
            Link::decode(message.payload).map(|link| Event::LinkGone { index: link.index, name: link.name })
        }
        Rtm::Newaddr => Address::decode(message.payload).map(Event::AddressNew),
        Rtm::Deladdr => Address::decode(message.payload).map(Event::AddressGone),
        _ => None,
    }
}

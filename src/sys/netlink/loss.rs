//! Hearing of routes and rules that somebody else deletes.
//!
//! A socket of its own, behind a filter that the kernel runs: a router with a million routes of others is not woken
//! for them, and their floods do not push out what [`super::monitor`] tells of links and addresses.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use neli::consts::rtnl::Rtm;

use super::message::{Message, Messages};
use super::monitor::Drained;
use super::rule::Rule;
use super::seen::Seen;
use super::transport::Transport;
use crate::base::limit;
use crate::sys::inbox::Inbox;

/// Something was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// A route.
    Route(Seen),
    /// A rule.
    Rule(Rule),
    /// Messages were lost: anything may have been deleted.
    Anything,
}

/// A socket that hears of deletions.
pub struct Losses {
    transport: Transport,
    inbox: Inbox,
}

impl Losses {
    /// Opens the socket; from now on no deletion of a route with this RTPROT_ number, or of a rule, is missed
    /// unnoticed, except those that the socket with the number `port` asks for ([`super::command::Commands::port`]).
    ///
    /// # Errors
    /// What the socket calls say.
    pub fn open(origin: u8, port: u32) -> io::Result<Self> {
        let groups = [
            libc::RTNLGRP_IPV4_ROUTE,
            libc::RTNLGRP_IPV6_ROUTE,
            libc::RTNLGRP_IPV4_RULE,
            libc::RTNLGRP_IPV6_RULE,
        ];
        let transport = Transport::open(&groups)?;
        transport.only_losses(origin, port)?;
        Ok(Self { transport, inbox: Inbox::new(limit::MONITOR_BATCH, limit::LOSS_OCTETS) })
    }

    /// Hands one batch of what is queued to `each`, in order.
    ///
    /// # Errors
    /// What the kernel says, except for an empty queue and for lost messages.
    pub fn read(&mut self, mut each: impl FnMut(Loss)) -> io::Result<Drained> {
        let count = match self.transport.receive(&mut self.inbox) {
            Ok(count) => count,
            Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                each(Loss::Anything);
                return Ok(Drained::No);
            }
            Err(error) => return Err(error),
        };
        for received in self.inbox.iter().filter(|received| received.source.netlink_port() == Some(0)) {
            if received.truncated {
                each(Loss::Anything);
            } else {
                Messages(received.octets).filter_map(loss).for_each(&mut each);
            }
        }
        Ok(if count < self.inbox.capacity() { Drained::Yes } else { Drained::No })
    }
}

impl AsRawFd for Losses {
    fn as_raw_fd(&self) -> RawFd {
        self.transport.as_raw_fd()
    }
}

fn loss(message: Message<'_>) -> Option<Loss> {
    match Rtm::from(message.kind) {
        Rtm::Delroute => Seen::decode(message.payload).map(Loss::Route),
        Rtm::Delrule => Rule::decode(message.payload).map(Loss::Rule),
        _ => None,
    }
}

//! Notifications of routes and rules that another program deletes or replaces.
//!
//! A socket of its own, behind a filter that the kernel runs: a router with a million routes of others is not woken
//! for these, and they do not push notifications of links and addresses ([`super::monitor`]) out of a queue.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use neli::consts::rtnl::Rtm;
use neli::consts::socket::NlFamily;

use super::kernel_route::KernelRoute;
use super::message::Message;
use super::monitor::Drained;
use super::rule::Rule;
use super::transport::Transport;
use crate::base::limit;
use crate::sys::filter::OctetSet;
use crate::sys::inbox::Inbox;

/// What was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// A route.
    Route(KernelRoute),
    /// A route that was replaced; the kernel notifies only of the route that has taken its place, which this is.
    Replaced(KernelRoute),
    /// A rule.
    Rule(Rule),
    /// Notifications were lost: anything may have been deleted.
    Overrun,
}

/// A socket that receives notifications of deletions.
pub struct DeletionMonitor {
    transport: Transport,
    inbox: Inbox,
    protocol: u8,
    port: u32,
    lengths: OctetSet,
}

impl DeletionMonitor {
    /// Opens the socket; from now on no deletion of a route with this RTPROT_ number, or of a rule, is missed
    /// unnoticed, nor that a route to a destination of one of these prefix lengths is put in place of another, except
    /// what the socket with the port id `port` asks for ([`super::command::Commands::port`]).
    ///
    /// # Errors
    /// What the socket calls say.
    pub fn open(protocol: u8, port: u32, lengths: OctetSet) -> io::Result<Self> {
        let groups = [
            libc::RTNLGRP_IPV4_ROUTE,
            libc::RTNLGRP_IPV6_ROUTE,
            libc::RTNLGRP_IPV4_RULE,
            libc::RTNLGRP_IPV6_RULE,
        ];
        let transport = Transport::open(NlFamily::Route, &[])?;
        transport.only_deletions(protocol, port, &lengths)?;
        transport.join(&groups)?;
        let inbox = Inbox::new(limit::MONITOR_BATCH, limit::DELETION_OCTETS);
        Ok(Self { transport, inbox, protocol, port, lengths })
    }

    /// Puts other prefix lengths in place of those that [`Self::open`] was given.
    ///
    /// # Errors
    /// What the socket call says; then the prefix lengths of before stay.
    pub fn watch(&mut self, lengths: OctetSet) -> io::Result<()> {
        if lengths != self.lengths {
            self.transport.only_deletions(self.protocol, self.port, &lengths)?;
            self.lengths = lengths;
        }
        Ok(())
    }

    /// Hands one batch of what is queued to `each`, in order.
    ///
    /// # Errors
    /// What the kernel says, except for an empty queue and for lost notifications.
    pub fn read(&mut self, mut each: impl FnMut(Deletion)) -> io::Result<Drained> {
        let count = self.transport.notifications(&mut self.inbox, &mut |message| match message {
            None => each(Deletion::Overrun),
            Some(message) => deletion(message).into_iter().for_each(&mut each),
        })?;
        Ok(if count < self.inbox.capacity() { Drained::Yes } else { Drained::No })
    }
}

impl AsRawFd for DeletionMonitor {
    fn as_raw_fd(&self) -> RawFd {
        self.transport.as_raw_fd()
    }
}

fn deletion(message: Message<'_>) -> Option<Deletion> {
    match Rtm::from(message.kind) {
        Rtm::Delroute => KernelRoute::decode(message.payload).map(Deletion::Route),
        Rtm::Newroute => KernelRoute::decode(message.payload).map(Deletion::Replaced),
        Rtm::Delrule => Rule::decode(message.payload).map(Deletion::Rule),
        _ => None,
    }
}

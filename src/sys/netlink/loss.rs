//! Hearing of routes and rules that somebody else deletes, or puts others in place of.
//!
//! A socket of its own, behind a filter that the kernel runs: a router with a million routes of others is not woken
//! for them, and their floods do not push out what [`super::monitor`] tells of links and addresses.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use neli::consts::rtnl::Rtm;
use neli::consts::socket::NlFamily;

use super::message::Message;
use super::monitor::Drained;
use super::rule::Rule;
use super::seen::Seen;
use super::transport::Transport;
use crate::base::limit;
use crate::sys::filter::OctetSet;
use crate::sys::inbox::Inbox;

/// Something was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// A route.
    Route(Seen),
    /// The route whose place this one has taken; the kernel does not tell of that one.
    Replaced(Seen),
    /// A rule.
    Rule(Rule),
    /// Messages were lost: anything may have been deleted.
    Anything,
}

/// A socket that hears of deletions.
pub struct Losses {
    transport: Transport,
    inbox: Inbox,
    origin: u8,
    port: u32,
    lengths: OctetSet,
}

impl Losses {
    /// Opens the socket; from now on no deletion of a route with this RTPROT_ number, or of a rule, is missed
    /// unnoticed, nor that a route to a destination of one of these prefix lengths is put in place of another, except
    /// what the socket with the number `port` asks for ([`super::command::Commands::port`]).
    ///
    /// # Errors
    /// What the socket calls say.
    pub fn open(origin: u8, port: u32, lengths: OctetSet) -> io::Result<Self> {
        let groups = [
            libc::RTNLGRP_IPV4_ROUTE,
            libc::RTNLGRP_IPV6_ROUTE,
            libc::RTNLGRP_IPV4_RULE,
            libc::RTNLGRP_IPV6_RULE,
        ];
        let transport = Transport::open(NlFamily::Route, &[])?;
        transport.only_losses(origin, port, &lengths)?;
        transport.join(&groups)?;
        let inbox = Inbox::new(limit::MONITOR_BATCH, limit::LOSS_OCTETS);
        Ok(Self { transport, inbox, origin, port, lengths })
    }

    /// From now on other prefix lengths count.
    ///
    /// # Errors
    /// What the socket call says; then those of before do.
    pub fn watch(&mut self, lengths: OctetSet) -> io::Result<()> {
        if lengths != self.lengths {
            self.transport.only_losses(self.origin, self.port, &lengths)?;
            self.lengths = lengths;
        }
        Ok(())
    }

    /// Hands one batch of what is queued to `each`, in order.
    ///
    /// # Errors
    /// What the kernel says, except for an empty queue and for lost messages.
    pub fn read(&mut self, mut each: impl FnMut(Loss)) -> io::Result<Drained> {
        let count = self.transport.notifications(&mut self.inbox, &mut |message| match message {
            None => each(Loss::Anything),
            Some(message) => loss(message).into_iter().for_each(&mut each),
        })?;
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
        Rtm::Newroute => Seen::decode(message.payload).map(Loss::Replaced),
        Rtm::Delrule => Rule::decode(message.payload).map(Loss::Rule),
        _ => None,
    }
}

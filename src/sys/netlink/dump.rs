//! What the kernel lists: a request with NLM_F_DUMP, answered by messages in several parts.

use std::io;

use neli::consts::nl::{NlmF, Nlmsg};
use neli::{Size, ToBytes};

use super::message::{Full, Message, Messages, Requests, number};
use super::transport::Transport;
use crate::base::limit;
use crate::sys::inbox::Inbox;

/// Buffers for a dump, and the sequence number of the next one. The socket is that of a batch, which may be collected
/// meanwhile: a dump has numbers of its own.
pub(super) struct Dump {
    request: Requests,
    sequence: u32,
    parts: Inbox,
    attempt: Attempt,
    /// What the last attempt lists is taken although a change ran into it.
    takes_torn: bool,
    /// A list has been taken that way.
    torn: bool,
}

/// How far the dump under way has come.
#[derive(Clone, Copy, Default)]
struct Attempt {
    /// Attempts that are left after this one.
    left: usize,
    /// Parts received.
    parts: usize,
    /// A change ran into the attempt: what came does not fit together.
    torn: bool,
}

/// What a part of a dump was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// More parts follow.
    More,
    /// The last part: the kernel has said everything.
    Last,
    /// A change ran into the dump, which has begun again: what came so far counts no more.
    Again,
}

impl Dump {
    pub(super) fn new() -> Self {
        Self {
            request: Requests::new(limit::NETLINK_REQUEST_OCTETS),
            sequence: 0,
            // A short dump is one part of what was asked for, and one that says that this was all.
            parts: Inbox::new(2, limit::NETLINK_DUMP_OCTETS),
            attempt: Attempt::default(),
            takes_torn: false,
            torn: false,
        }
    }

    /// Whether what the last attempt lists is taken although a change ran into it.
    pub(super) const fn set_takes_torn(&mut self, takes: bool) {
        self.takes_torn = takes;
    }

    /// Whether a list has been taken that way since this was asked last.
    pub(super) const fn take_torn(&mut self) -> bool {
        core::mem::replace(&mut self.torn, false)
    }

    /// Writes the request of the next [`Self::begin`] (NLM_F_DUMP) or [`Self::one`] (no flag).
    ///
    /// # Errors
    /// EINVAL: it is longer than the buffer.
    pub(super) fn ask(
        &mut self,
        kind: u16,
        flags: NlmF,
        fixed: impl Size + ToBytes,
        attributes: &mut dyn FnMut(&mut Requests),
    ) -> io::Result<()> {
        self.request.clear();
        self.request
            .append(kind, flags | NlmF::REQUEST, 0, fixed, attributes)
            .map_err(|Full| io::Error::from_raw_os_error(libc::EINVAL))
    }

    /// Sends the request: the parts of the dump are received one by one from now on.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn begin(&mut self, transport: &Transport) -> io::Result<()> {
        self.attempt = Attempt { left: limit::NETLINK_DUMP_TRIES.saturating_sub(1), ..Attempt::default() };
        self.send(transport)
    }

    /// Receives one part of the dump and hands each message of the part to `each`.
    ///
    /// # Errors
    /// `ResourceBusy` if changes ran into every attempt, or what the kernel says.
    pub(super) fn receive(
        &mut self,
        transport: &Transport,
        each: &mut dyn FnMut(Message<'_>),
    ) -> io::Result<Part> {
        let over = self.receive_until(transport, &mut |message| {
            each(message);
            false
        })?;
        match (over, self.attempt) {
            (false, _) => Ok(Part::More),
            (true, Attempt { torn: false, .. }) => Ok(Part::Last),
            (true, Attempt { left: 0, .. }) if self.takes_torn => {
                self.torn = true;
                Ok(Part::Last)
            }
            (true, Attempt { left: 0, .. }) => Err(io::Error::from(io::ErrorKind::ResourceBusy)),
            (true, Attempt { left, .. }) => {
                self.attempt = Attempt { left: left.saturating_sub(1), ..Attempt::default() };
                self.send(transport)?;
                Ok(Part::Again)
            }
        }
    }

    /// Hands each message of a dump to `each`; begins again, after `None`, if a change ran into it.
    ///
    /// # Errors
    /// `ResourceBusy` if changes ran into every attempt, or what the kernel says.
    pub(super) fn all(
        &mut self,
        transport: &Transport,
        each: &mut dyn FnMut(Option<Message<'_>>),
    ) -> io::Result<()> {
        each(None);
        self.begin(transport)?;
        loop {
            match self.receive(transport, &mut |message| each(Some(message)))? {
                Part::More => {}
                Part::Last => return Ok(()),
                Part::Again => each(None),
            }
        }
    }

    /// Hands the only message of an answer to `each`.
    ///
    /// # Errors
    /// What the kernel says.
    pub(super) fn one(&mut self, transport: &Transport, each: &mut dyn FnMut(Message<'_>)) -> io::Result<()> {
        self.attempt = Attempt::default();
        self.send(transport)?;
        let mut last = |message: Message<'_>| {
            each(message);
            true
        };
        while !self.receive_until(transport, &mut last)? {}
        Ok(())
    }

    /// Sends the request under a number of its own.
    fn send(&mut self, transport: &Transport) -> io::Result<()> {
        self.read_leftovers(transport);
        self.sequence = self.sequence.wrapping_add(1);
        self.request.renumber(self.sequence);
        transport.send(self.request.octets())
    }

    /// Receives one part; true: the answer ends with this part, or `each` wants no more of it.
    fn receive_until(
        &mut self,
        transport: &Transport,
        each: &mut dyn FnMut(Message<'_>) -> bool,
    ) -> io::Result<bool> {
        if self.attempt.parts >= DUMP_PARTS {
            return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
        }
        self.attempt.parts = self.attempt.parts.saturating_add(1);
        if transport.receive(&mut self.parts)? == 0 {
            return Err(io::Error::from(io::ErrorKind::WouldBlock));
        }
        for received in self.parts.iter().filter(|received| received.source.netlink_port() == Some(0)) {
            if received.truncated {
                return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
            }
            for message in Messages(received.octets).filter(|message| message.sequence == self.sequence) {
                self.attempt.torn |= message.flags & NlmF::DUMP_INTR.bits() != 0;
                match Nlmsg::from(message.kind) {
                    Nlmsg::Done => return Ok(true),
                    Nlmsg::Error => {
                        let code = number(message.payload).unwrap_or(0).wrapping_neg();
                        let code = i32::try_from(code).unwrap_or(libc::EIO);
                        return Err(io::Error::from_raw_os_error(code));
                    }
                    _ if each(message) => return Ok(true),
                    _ => {}
                }
            }
        }
        Ok(false)
    }

    /// Empties the queue of what an aborted dump left behind, so that the next one can begin.
    fn read_leftovers(&mut self, transport: &Transport) {
        for _ in 0..DUMP_PARTS {
            if matches!(transport.receive(&mut self.parts), Ok(0)) {
                return;
            }
        }
    }
}

/// Parts of the longest dump: 100,000 parts of at least 4 KiB hold a million links.
const DUMP_PARTS: usize = 100_000;

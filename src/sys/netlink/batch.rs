//! Many messages in one send, acknowledged in bulk: for every family of netlink that is asked to change something.
//!
//! ```text
//! message…                              rtnetlink, ipsets, generic netlink
//! batch begin, message…, batch end      nf_tables: one transaction
//! ```
//!
//! The kernel carries requests out inside the send call. All acknowledgements are queued when that call returns, and
//! are read without waiting. Each one has the sequence number of its message: the messages of a batch are numbered one
//! after the other, so that the number says which position, and which tag of the caller's, an answer is about.

use std::io;

use neli::consts::nl::{NlmF, Nlmsg, NlmsgerrAttr};
use neli::consts::socket::NlFamily;
use neli::{Size, ToBytes};

use super::message::{Attributes, Full, HEADER, Message, Requests, aligned, number, text};
use super::transport::Transport;
use crate::base::limit;
use crate::sys::inbox::Inbox;

/// A socket for requests, and the messages being collected.
pub(super) struct Batch {
    transport: Transport,
    requests: Requests,
    /// One for each message that is collected; never more than `most`.
    pending: Vec<Pending>,
    most: usize,
    /// The sequence number of the first message.
    first: u32,
    acks: Inbox,
}

#[derive(Clone, Copy)]
struct Pending {
    tag: u32,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The message asks for an acknowledgement.
    Awaited,
    /// The message asks for none: only an error is answered.
    Silent,
    Answered,
}

/// The header of a message.
#[derive(Clone, Copy)]
pub(super) struct Head {
    /// Names the message in the result.
    pub(super) tag: u32,
    /// nlmsg_type.
    pub(super) kind: u16,
    /// nlmsg_flags beside NLM_F_REQUEST; without NLM_F_ACK only an error has a result.
    pub(super) flags: NlmF,
    /// Whether the sequence number has the bit [`MARK`], by which filters of notifications know the message.
    pub(super) marked: bool,
}

impl Batch {
    /// Opens a socket of a family, for at most `most` messages of `octets` together. For load time: allocates.
    ///
    /// # Errors
    /// What the socket calls say; EPROTONOSUPPORT: the kernel does not have the family.
    pub(super) fn open(family: NlFamily, most: usize, octets: usize) -> io::Result<Self> {
        let transport = Transport::open(family, &[])?;
        transport.short_acks()?;
        Ok(Self {
            transport,
            requests: Requests::new(octets),
            pending: Vec::with_capacity(most),
            most,
            first: 1,
            acks: Inbox::new(limit::NETLINK_BATCH, limit::NETLINK_ACK_OCTETS),
        })
    }

    /// Makes room for so many messages and octets, where there is less, and forgets what is collected. For load time:
    /// allocates.
    ///
    /// # Errors
    /// What the socket says.
    pub(super) fn reserve(&mut self, most: usize, octets: usize) -> io::Result<()> {
        if octets > self.requests.capacity() {
            self.transport.set_send_buffer(octets)?;
            self.clear();
            self.requests = Requests::new(octets);
            self.most = self.most.max(most);
            self.pending.reserve_exact(self.most);
        }
        Ok(())
    }

    pub(super) const fn transport(&self) -> &Transport {
        &self.transport
    }

    /// The messages that are collected.
    #[cfg(all(test, feature = "lvs"))]
    pub(super) fn collected(&self) -> &[u8] {
        self.requests.octets()
    }

    /// Messages collected and not sent.
    pub(super) const fn len(&self) -> usize {
        self.pending.len()
    }

    /// How many more messages fit, if their octets do.
    pub(super) const fn room(&self) -> usize {
        self.most.saturating_sub(self.pending.len())
    }

    /// Forgets what is collected.
    pub(super) fn clear(&mut self) {
        let count = u32::try_from(self.pending.len()).unwrap_or(0);
        self.first = self.first.wrapping_add(count);
        self.pending.clear();
        self.requests.clear();
    }

    /// Appends a message: its header, its fixed part of a multiple of 4 octets, and its attributes.
    ///
    /// # Errors
    /// [`Full`]: the message is not part of the batch.
    pub(super) fn append(
        &mut self,
        head: Head,
        fixed: impl Size + ToBytes,
        attributes: &mut dyn FnMut(&mut Requests),
    ) -> Result<(), Full> {
        let position = u32::try_from(self.pending.len()).map_err(|_| Full)?;
        if self.room() == 0 {
            return Err(Full);
        }
        let mark = if head.marked { MARK } else { 0 };
        let sequence = self.first.wrapping_add(position) & !MARK | mark;
        self.requests.append(head.kind, head.flags | NlmF::REQUEST, sequence, fixed, attributes)?;
        let state = if head.flags.contains(NlmF::ACK) { State::Awaited } else { State::Silent };
        self.pending.push(Pending { tag: head.tag, state });
        Ok(())
    }

    /// Sends what is collected and empties the batch. `on_result` gets the tag of each message, the kernel's number of
    /// an error, or 0, and the kernel's explanation, which is often empty: in the order of the messages, except that
    /// those whose acknowledgement was lost come last with ENOBUFS. Only a dump shows what became of these.
    pub(super) fn commit(&mut self, on_result: &mut dyn FnMut(u32, i32, &str)) {
        let unanswered = self.exchange(on_result).err().unwrap_or(libc::ENOBUFS);
        self.close(unanswered, on_result);
    }

    /// As [`Self::commit`], but where the send fails no message has a result: the kernel has seen none of them, and they
    /// may be asked for again.
    ///
    /// # Errors
    /// The number of what the send says.
    #[cfg(feature = "lvs")]
    pub(super) fn try_commit(&mut self, on_result: &mut dyn FnMut(u32, i32, &str)) -> Result<(), i32> {
        let sent = self.exchange(on_result);
        match sent {
            Ok(()) => self.close(libc::ENOBUFS, on_result),
            Err(_) => self.clear(),
        }
        sent
    }

    /// Sends what is collected and reads the answers.
    fn exchange(&mut self, on_result: &mut dyn FnMut(u32, i32, &str)) -> Result<(), i32> {
        if !self.pending.is_empty() {
            let sent = self.transport.send(self.requests.octets());
            sent.map_err(|error| error.raw_os_error().unwrap_or(libc::EIO))?;
            self.read_acks(on_result);
        }
        Ok(())
    }

    /// What was not answered has this result, and the batch is empty.
    fn close(&mut self, unanswered: i32, on_result: &mut dyn FnMut(u32, i32, &str)) {
        for pending in self.pending.iter().filter(|pending| pending.state == State::Awaited) {
            on_result(pending.tag, unanswered, "");
        }
        self.clear();
    }

    fn read_acks(&mut self, on_result: &mut dyn FnMut(u32, i32, &str)) {
        let awaited = self.pending.iter().filter(|pending| pending.state == State::Awaited);
        let mut missing = awaited.count();
        // Each round takes an answer out of the queue, or says that some are lost.
        for _ in 0..=self.most {
            if missing == 0 {
                return;
            }
            match self.transport.receive(&mut self.acks) {
                Ok(0) => return,
                Ok(_) => {}
                // The kernel says this once for a loss; the other acknowledgements are still queued.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => continue,
                Err(_) => return,
            }
            let Self { pending, first, acks, .. } = self;
            for received in acks.iter().filter(|received| received.source.netlink_port() == Some(0)) {
                let was_awaited = take(pending, *first, received.octets, on_result);
                missing = missing.saturating_sub(usize::from(was_awaited));
            }
        }
    }
}

/// Hands on what a datagram says of the messages that are numbered from `first`; whether it was awaited.
fn take(
    pending: &mut [Pending],
    first: u32,
    datagram: &[u8],
    on_result: &mut dyn FnMut(u32, i32, &str),
) -> bool {
    // Each answer is a datagram; one with a very long explanation may be cut.
    let Some(answer) = Message::clipped(datagram).and_then(answer) else {
        return false;
    };
    let position = answer.sequence.wrapping_sub(first) & !MARK;
    let pending = usize::try_from(position).ok().and_then(|at| pending.get_mut(at));
    let Some(pending) = pending.filter(|pending| pending.state != State::Answered) else {
        return false;
    };
    let state = core::mem::replace(&mut pending.state, State::Answered);
    on_result(pending.tag, answer.code, answer.text);
    state == State::Awaited
}

/// What an NLMSG_ERROR says.
#[derive(Debug, PartialEq, Eq)]
struct Answer<'a> {
    /// The sequence number of the message that is answered.
    sequence: u32,
    /// The kernel's number of the error; 0 is none.
    code: i32,
    /// The kernel's explanation.
    text: &'a str,
}

fn answer(message: Message<'_>) -> Option<Answer<'_>> {
    if Nlmsg::from(message.kind) != Nlmsg::Error {
        return None;
    }
    let (code, request) = message.payload.split_first_chunk::<4>()?;
    let code = i32::from_ne_bytes(*code).saturating_neg();
    let text = if code == 0 { None } else { explanation(message.flags, request) };
    Some(Answer { sequence: message.sequence, code, text: text.unwrap_or_default() })
}

/// The text behind the request's header, or behind the whole request if the kernel repeats that.
fn explanation(flags: u16, request: &[u8]) -> Option<&str> {
    if flags & NlmF::ACK_TLVS.bits() == 0 {
        return None;
    }
    let whole = usize::try_from(number(request)?).ok()?;
    let capped = flags & NlmF::CAPPED.bits() != 0;
    let skip = if capped { HEADER } else { aligned(whole) };
    let text_attribute = u16::from(NlmsgerrAttr::Msg);
    Attributes(request.get(skip..)?)
        .find(|(kind, _)| *kind == text_attribute)
        .and_then(|(_, payload)| text(payload))
}

/// The bit of a sequence number by which a filter of notifications knows a message.
pub(super) const MARK: u32 = 1 << 31;

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;

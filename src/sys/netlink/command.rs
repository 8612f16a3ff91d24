//! Requests to change links and addresses: many in one send, acknowledged in bulk.
//!
//! rtnetlink carries requests out inside the send call, so all acknowledgements are queued when it returns and
//! are read without waiting. The requests themselves are in [`super::addr`] and [`super::link`].

use std::io;

use neli::consts::nl::{NlmF, Nlmsg, NlmsgerrAttr};
use neli::consts::rtnl::Rtm;
use neli::{Size, ToBytes};
use nix::errno::Errno;

pub use super::message::Full;
use super::message::{Attributes, HEADER, Message, Messages, Requests, aligned, number, text};
use super::transport::Transport;
use crate::base::limit;
use crate::sys::inbox::Inbox;
use crate::sys::outbox::errno_of;
use crate::sys::queue::QueueSize;

/// A socket for requests, and the batch being collected.
pub struct Commands {
    transport: Transport,
    requests: Requests,
    pending: heapless::Vec<Pending, { limit::NETLINK_BATCH }>,
    /// The number of the first request of the batch; the others count on.
    first: u32,
    /// The number of the next list; apart from the others, for a list may be asked for while a batch is collected.
    next_list: u32,
    /// How often a list that changes ran into is begun.
    tries: usize,
    acks: Inbox,
    parts: Inbox,
}

#[derive(Clone, Copy)]
struct Pending {
    tag: u32,
    answered: bool,
}

/// Why the kernel refused a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// The kernel's number.
    pub errno: Errno,
    /// The kernel's explanation; often empty.
    pub text: &'a str,
}

impl Commands {
    /// Opens the socket.
    ///
    /// # Errors
    /// What the socket calls say.
    pub fn open() -> io::Result<Self> {
        let transport = Transport::open(&[])?;
        transport.short_acks()?;
        Ok(Self {
            transport,
            requests: Requests::new(limit::NETLINK_BATCH * limit::NETLINK_REQUEST_OCTETS),
            pending: heapless::Vec::new(),
            first: 1,
            next_list: 1,
            tries: limit::NETLINK_DUMP_TRIES,
            acks: Inbox::new(limit::NETLINK_BATCH, limit::NETLINK_ACK_OCTETS),
            parts: Inbox::new(1, limit::NETLINK_DUMP_OCTETS),
        })
    }

    /// Sets the size of the kernel's queue of answers.
    ///
    /// # Errors
    /// EPERM without CAP_NET_ADMIN, if it is to be more than the system allows.
    pub fn set_receive_buffer(&self, size: QueueSize) -> io::Result<()> {
        self.transport.set_receive_buffer(size)
    }

    /// How often a list that changes ran into is asked for again: more often while nothing else waits.
    pub const fn set_patient(&mut self, patient: bool) {
        self.tries = if patient { limit::NETLINK_PATIENT_TRIES } else { limit::NETLINK_DUMP_TRIES };
    }

    /// Requests collected and not committed.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pending.len()
    }

    /// Whether no request is collected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    /// How many more requests fit, of any kind.
    #[must_use]
    pub fn room(&self) -> usize {
        limit::NETLINK_BATCH.saturating_sub(self.pending.len())
    }

    /// The number by which notifications tell who asked for a change.
    #[must_use]
    pub fn port(&self) -> u32 {
        self.transport.port()
    }

    pub(super) fn strict_lists(&self, on: bool) {
        self.transport.strict(on);
    }

    /// Sends the collected requests and empties the batch. Each tag gets exactly one result, in the order of the
    /// requests, except that those whose acknowledgement was lost come last with ENOBUFS: then only a dump tells
    /// what is true. A request that is refused does not hold up the next one.
    pub fn commit(&mut self, mut on_result: impl FnMut(u32, Result<(), Refusal<'_>>)) {
        if self.pending.is_empty() {
            return;
        }
        let mut unanswered = Errno::ENOBUFS;
        match self.transport.send(self.requests.octets()) {
            Ok(()) => self.read_acks(&mut on_result),
            Err(error) => unanswered = errno_of(&error),
        }
        for lost in self.pending.iter().filter(|pending| !pending.answered) {
            let refusal = Refusal { errno: unanswered, text: "" };
            on_result(lost.tag, Err(refusal));
        }
        let sent = u32::try_from(self.pending.len()).unwrap_or(0);
        self.first = self.first.wrapping_add(sent);
        self.pending.clear();
        self.requests.clear();
    }

    /// Appends a request to the batch.
    pub(super) fn append<P: Size + ToBytes>(
        &mut self,
        tag: u32,
        kind: Rtm,
        flags: NlmF,
        fixed: P,
        attributes: impl FnOnce(&mut Requests),
    ) -> Result<(), Full> {
        self.append_marked(tag, 0, kind, flags, fixed, attributes)
    }

    /// The same for a request whose number has a mark: none, or [`UNHEARD`].
    pub(super) fn append_marked<P: Size + ToBytes>(
        &mut self,
        tag: u32,
        mark: u32,
        kind: Rtm,
        flags: NlmF,
        fixed: P,
        attributes: impl FnOnce(&mut Requests),
    ) -> Result<(), Full> {
        if self.pending.is_full() {
            return Err(Full);
        }
        let position = u32::try_from(self.pending.len()).map_err(|_| Full)?;
        let sequence = self.first.wrapping_add(position) & !UNHEARD | mark;
        let flags = flags | NlmF::REQUEST | NlmF::ACK;
        self.requests.append(kind, flags, sequence, fixed, attributes)?;
        let pending = Pending { tag, answered: false };
        self.pending.push(pending).map_err(|_| Full)
    }

    /// Asks for a list and hands each message of it to `each`; begins again, after `restart`, if a change ran
    /// into it.
    pub(super) fn dump<P: Size + ToBytes>(
        &mut self,
        kind: Rtm,
        fixed: impl Fn() -> Option<P>,
        attributes: impl Fn(&mut Requests),
        mut each: impl FnMut(Option<Message<'_>>),
    ) -> io::Result<()> {
        for _ in 0..self.tries {
            each(None);
            if self.list_once(kind, &fixed, &attributes, NlmF::DUMP, &mut each)? {
                return Ok(());
            }
        }
        Err(io::Error::from(io::ErrorKind::ResourceBusy))
    }

    /// Asks for one thing; `each` gets the answer.
    pub(super) fn one<P: Size + ToBytes>(
        &mut self,
        kind: Rtm,
        fixed: impl Fn() -> Option<P>,
        attributes: impl Fn(&mut Requests),
        mut each: impl FnMut(Option<Message<'_>>),
    ) -> io::Result<()> {
        self.list_once(kind, fixed, attributes, NlmF::empty(), &mut each).map(drop)
    }

    /// One attempt at a list, or with no flag at its only member; whether it is consistent.
    fn list_once<P: Size + ToBytes>(
        &mut self,
        kind: Rtm,
        fixed: impl Fn() -> Option<P>,
        attributes: impl Fn(&mut Requests),
        list: NlmF,
        each: &mut impl FnMut(Option<Message<'_>>),
    ) -> io::Result<bool> {
        let invalid = || io::Error::from_raw_os_error(libc::EINVAL);
        self.read_leftovers();
        let sequence = self.next_list;
        self.next_list = self.next_list.wrapping_add(1);
        let mut request = Requests::new(limit::NETLINK_REQUEST_OCTETS);
        let flags = NlmF::REQUEST | list;
        request
            .append(kind, flags, sequence, fixed().ok_or_else(invalid)?, attributes)
            .map_err(|Full| invalid())?;
        self.transport.send(request.octets())?;
        let mut consistent = true;
        for _ in 0..DUMP_PARTS {
            if self.transport.receive(&mut self.parts)? == 0 {
                return Err(io::Error::from(io::ErrorKind::WouldBlock));
            }
            for received in self.parts.iter() {
                if received.source.netlink_port() != Some(0) {
                    continue;
                }
                if received.truncated {
                    return Err(io::Error::from_raw_os_error(libc::EMSGSIZE));
                }
                for message in Messages(received.octets).filter(|message| message.sequence == sequence) {
                    consistent &= message.flags & NlmF::DUMP_INTR.bits() == 0;
                    match Nlmsg::from(message.kind) {
                        Nlmsg::Done => return Ok(consistent),
                        Nlmsg::Error => {
                            let code = number(message.payload).unwrap_or(0).wrapping_neg();
                            return Err(io::Error::from_raw_os_error(
                                i32::try_from(code).unwrap_or(libc::EIO),
                            ));
                        }
                        _ => {
                            each(Some(message));
                            if list.is_empty() {
                                return Ok(true);
                            }
                        }
                    }
                }
            }
        }
        Err(io::Error::from_raw_os_error(libc::EMSGSIZE))
    }

    /// Reads the answers to the batch; marks the tags that got one.
    fn read_acks(&mut self, on_result: &mut impl FnMut(u32, Result<(), Refusal<'_>>)) {
        let mut missing = self.pending.len();
        for _ in 0..=limit::NETLINK_BATCH {
            if missing == 0 {
                return;
            }
            match self.transport.receive(&mut self.acks) {
                Ok(0) => return,
                Ok(_) => {}
                // Told once per loss; the other acknowledgements are still queued.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => continue,
                Err(_) => return,
            }
            for received in self.acks.iter() {
                if received.source.netlink_port() != Some(0) {
                    continue;
                }
                // Each comes in a datagram of its own; one with a very long explanation may be cut.
                let Some((sequence, result)) = Message::clipped(received.octets).and_then(answer) else {
                    continue;
                };
                let position = sequence.wrapping_sub(self.first) & !UNHEARD;
                let pending = usize::try_from(position).ok().and_then(|at| self.pending.get_mut(at));
                let Some(pending) = pending.filter(|pending| !pending.answered) else {
                    continue;
                };
                pending.answered = true;
                on_result(pending.tag, result);
                missing = missing.saturating_sub(1);
            }
        }
    }

    /// Empties the queue of what an aborted dump left behind, so that the next one can begin.
    fn read_leftovers(&mut self) {
        for _ in 0..DUMP_PARTS {
            if matches!(self.transport.receive(&mut self.parts), Ok(0)) {
                return;
            }
        }
    }
}

/// The number of the request that a message answers, and how.
pub(super) fn answer(message: Message<'_>) -> Option<(u32, Result<(), Refusal<'_>>)> {
    if Nlmsg::from(message.kind) != Nlmsg::Error {
        return None;
    }
    let (code, rest) = message.payload.split_first_chunk::<4>()?;
    let code = i32::from_ne_bytes(*code);
    if code == 0 {
        return Some((message.sequence, Ok(())));
    }
    let refusal = Refusal {
        errno: Errno::from_raw(code.saturating_neg()),
        text: explanation(message.flags, rest).unwrap_or_default(),
    };
    Some((message.sequence, Err(refusal)))
}

/// The kernel's text: behind the request's header, or behind the whole request if it was not cut.
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

/// The bit in the number of a request whose notification [`super::monitor::Monitor::leave_out`] leaves out.
pub(super) const UNHEARD: u32 = 1 << 31;

/// Parts of the longest dump: 100,000 parts of at least 4 KiB hold a million links.
const DUMP_PARTS: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::addr::Prefix;
    use crate::sys::netlink::addr::Address;
    use crate::sys::test_net::in_namespace;

    /// Needs root.
    #[test]
    fn a_lost_acknowledgement_is_told_and_the_next_batch_is_whole() {
        in_namespace(|net| {
            let (near, _) = net.pair("va", "vb");
            let add_all = |commands: &mut Commands, first: u8| {
                for host in 0..60 {
                    let addr = [10, 9, first, host].into();
                    let address = Address::new(near, Prefix { addr, len: 32 });
                    commands.add_address(u32::from(host), &address).unwrap();
                }
                let mut results = Vec::new();
                commands.commit(|tag, result| results.push((tag, result.map_err(|refusal| refusal.errno))));
                results
            };
            net.commands.transport.set_receive_buffer(QueueSize { octets: 1, force: true }).unwrap();
            let mut results = add_all(&mut net.commands, 0);
            let lost = results.iter().filter(|(_, result)| *result == Err(Errno::ENOBUFS));
            assert!((1..60).contains(&lost.count()), "{results:?}");
            results.sort_by_key(|(tag, _)| *tag);
            let tags: Vec<u32> = results.iter().map(|(tag, _)| *tag).collect();
            assert_eq!(tags, (0..60).collect::<Vec<_>>());
            let v4 = |address: &Address| address.prefix.addr.is_ipv4();
            assert_eq!(net.addresses().into_iter().filter(v4).count(), 60);

            net.commands.transport.set_receive_buffer(QueueSize { octets: 1 << 20, force: true }).unwrap();
            let results = add_all(&mut net.commands, 1);
            assert!(results.iter().all(|(_, result)| *result == Ok(())), "{results:?}");
            assert_eq!(results.len(), 60);
        });
    }

    /// Needs root.
    #[test]
    fn a_list_in_between_leaves_the_batch_alone() {
        in_namespace(|net| {
            net.commands
                .delete_link(7, crate::sys::netlink::link::Which::Index(crate::base::id::IfIndex(9_999)))
                .unwrap();
            assert_eq!(net.links().len(), 1);
            let mut results = Vec::new();
            net.commands.commit(|tag, result| results.push((tag, result.map_err(|refusal| refusal.errno))));
            assert_eq!(results, [(7, Err(Errno::ENODEV))]);
        });
    }

    #[test]
    fn any_answer_is_read_without_trust() {
        let mut seed = 1_u32;
        let mut answers = 0;
        for _ in 0..20_000 {
            let mut octets: Vec<u8> = (0..64)
                .map(|_| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 26) as u8
                })
                .collect();
            if let Some(kind) = octets.get_mut(..6) {
                kind.copy_from_slice(&[64, 0, 0, 0, 2, 0]);
            }
            answers += usize::from(Message::clipped(&octets).and_then(answer).is_some());
        }
        assert_eq!(answers, 20_000);
    }
}

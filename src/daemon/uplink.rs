//! A child's end of the channel to its parent: answers hellos, hands on commands, batches reports.

use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::ipc::{LONGEST, TRANSITION, ToChild, ToParent};
use super::record::Record;
use crate::base::bytes::{Reader, Writer};
use crate::base::limit;
use crate::sys::channel::{Channel, Received, Sent};

/// The channel and what could not be sent yet.
#[derive(Debug)]
pub(super) struct Uplink {
    channel: Channel,
    hello: Option<u32>,
    /// What was read in the middle of work and waits to be handed out.
    put_by: heapless::Vec<Order, MESSAGES>,
    /// Other messages than hellos and transitions, in order.
    words: heapless::Vec<ToParent, MESSAGES>,
    /// The latest transition of each object that has one to report; their order does not matter. Few, as long as
    /// the parent reads: they leave by the packet.
    transitions: Vec<Record>,
    /// The parent has not read enough since the last flush.
    stuck: bool,
    full: bool,
    gone: bool,
}

/// What a packet of the parent asks the process itself to do.
#[derive(Debug)]
pub(super) enum Order {
    /// A message, with the descriptor that came with it.
    Message(ToChild, Option<OwnedFd>),
    /// The parent has ended.
    Gone,
}

impl Uplink {
    pub(super) fn new(channel: Channel) -> Self {
        Self {
            channel,
            hello: None,
            put_by: heapless::Vec::new(),
            words: heapless::Vec::new(),
            transitions: Vec::new(),
            stuck: false,
            full: false,
            gone: false,
        }
    }

    /// Makes room for one report of each of so many `objects`.
    pub(super) fn reserve(&mut self, objects: usize) {
        self.transitions.reserve_exact(objects.saturating_sub(self.transitions.len()));
    }

    /// Takes the next packet; hellos are noted for the answer. None: nothing more for now. A packet whose
    /// messages all were hellos gives an empty list.
    pub(super) fn receive(&mut self) -> Option<heapless::Vec<Order, MESSAGES>> {
        if !self.put_by.is_empty() {
            return Some(core::mem::take(&mut self.put_by));
        }
        self.read()
    }

    /// Answers hellos while other work is under way. True: something else has come that waits for
    /// [`Uplink::receive`], and what follows it is not read before.
    pub(super) fn answer_hellos(&mut self) -> bool {
        for _ in 0..limit::CHANNEL_BATCH {
            if !self.put_by.is_empty() {
                break;
            }
            let Some(orders) = self.read() else { break };
            self.put_by = orders;
        }
        if self.hello.is_some() {
            // What cannot be sent now is sent at the end of the turn.
            let _ = self.send_packet();
        }
        !self.put_by.is_empty()
    }

    fn read(&mut self) -> Option<heapless::Vec<Order, MESSAGES>> {
        if self.gone {
            return None;
        }
        let mut buffer = [0; limit::CHANNEL_PACKET];
        let mut orders = heapless::Vec::new();
        match self.channel.receive(&mut buffer) {
            Received::Empty => return None,
            Received::Gone => {
                self.gone = true;
                let _ = orders.push(Order::Gone);
            }
            Received::Packet(len, mut fd) => {
                let mut packet = Reader::new(buffer.get(..len).unwrap_or_default());
                while let Some(message) = ToChild::read(&mut packet) {
                    if let ToChild::Hello(number) = message {
                        self.hello = Some(number);
                    } else if orders.push(Order::Message(message, fd.take())).is_err() {
                        break;
                    }
                }
            }
        }
        Some(orders)
    }

    /// Queues a report. Of two transitions of one object only the later is sent.
    pub(super) fn report(&mut self, message: ToParent) {
        if let ToParent::Transition(record) = message {
            match self.transitions.iter_mut().find(|there| **there == record) {
                Some(there) => *there = record,
                None => self.transitions.push(record),
            }
            if self.transitions.len() >= TRANSITIONS && !self.stuck {
                self.stuck = !self.send_packet();
            }
        } else if self.words.push(message).is_err() {
            debug_assert!(false, "a child says Ready once and ReloadDone once a reload");
        }
    }

    /// Whether the last flush had to leave something behind.
    pub(super) const fn is_full(&self) -> bool {
        self.full
    }

    /// Sends what is queued, many messages a packet. True: the parent has not read enough yet; call again
    /// when the channel is writable.
    pub(super) fn flush(&mut self) -> bool {
        self.full = false;
        while !self.gone && self.has_something() {
            if !self.send_packet() {
                self.full = true;
                break;
            }
        }
        self.stuck = self.full;
        self.full
    }

    /// Sends one packet of what is queued. False: the channel takes none.
    fn send_packet(&mut self) -> bool {
        let mut buffer = [0; limit::CHANNEL_PACKET];
        let mut packet = Writer::new(&mut buffer);
        if let Some(number) = self.hello {
            let _ = ToParent::HelloReply(number).write(&mut packet);
        }
        for word in &self.words {
            let _ = word.write(&mut packet);
        }
        let left = self.transitions.len().saturating_sub(TRANSITIONS);
        for record in self.transitions.iter().skip(left) {
            let _ = ToParent::Transition(*record).write(&mut packet);
        }
        match self.channel.send(packet.written()) {
            Sent::Full => false,
            // Without a parent nobody wants it; the read side reports it.
            Sent::Yes | Sent::Gone => {
                self.hello = None;
                self.words.clear();
                self.transitions.truncate(left);
                true
            }
        }
    }

    fn has_something(&self) -> bool {
        self.hello.is_some() || !self.words.is_empty() || !self.transitions.is_empty()
    }
}

impl AsRawFd for Uplink {
    fn as_raw_fd(&self) -> RawFd {
        self.channel.as_raw_fd()
    }
}

/// Transitions of one packet; with all other messages they fit [`limit::CHANNEL_PACKET`].
const TRANSITIONS: usize = 110;
const _: () = assert!(TRANSITIONS * TRANSITION + (MESSAGES + 2) * LONGEST <= limit::CHANNEL_PACKET);
/// Messages of one packet of the parent, and of a child beside transitions and hellos: one or two are usual.
pub(super) const MESSAGES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: u64, state: u8) -> ToParent {
        ToParent::Transition(Record::new(key << 2, state))
    }

    #[test]
    fn no_report_is_lost_when_the_parent_is_slow() {
        const INSTANCES: usize = 10_000;
        let (parent, child) = Channel::pair().unwrap();
        let mut uplink = Uplink::new(child);
        uplink.reserve(INSTANCES);
        let room = uplink.transitions.capacity();
        for round in [1, 3, 2] {
            for key in 0..INSTANCES {
                uplink.report(record(key as u64, round));
            }
            uplink.flush();
        }
        assert!(uplink.full, "the test must fill the channel");
        assert_eq!(uplink.transitions.capacity(), room, "the outbox must not grow");

        let mut last = vec![None; INSTANCES];
        let mut buffer = [0; limit::CHANNEL_PACKET];
        loop {
            uplink.flush();
            let Received::Packet(len, None) = parent.receive(&mut buffer) else {
                break;
            };
            let mut packet = Reader::new(&buffer[..len]);
            while let Some(ToParent::Transition(record)) = ToParent::read(&mut packet) {
                last[usize::try_from(record.key() >> 2).unwrap()] = Some(record.state());
            }
        }
        assert!(last.iter().all(|state| *state == Some(2)));
    }

    #[test]
    fn a_hello_is_answered_in_the_middle_of_work_and_nothing_else_is_lost() {
        let (parent, child) = Channel::pair().unwrap();
        let mut uplink = Uplink::new(child);
        let mut buffer = [0; 16];
        let mut say = |message: ToChild| {
            let mut packet = Writer::new(&mut buffer);
            message.write(&mut packet).unwrap();
            parent.send(packet.written());
        };
        say(ToChild::Hello(1));
        assert!(!uplink.answer_hellos());
        for message in [ToChild::Hello(2), ToChild::DumpData, ToChild::Hello(3), ToChild::Stop] {
            say(message);
        }
        assert!(uplink.answer_hellos() && uplink.answer_hellos(), "what waits is told");
        let mut buffer = [0; 16];
        let mut answers = Vec::new();
        while let Received::Packet(len, None) = parent.receive(&mut buffer) {
            answers.extend(ToParent::read(&mut Reader::new(&buffer[..len])));
        }
        assert_eq!(answers, [ToParent::HelloReply(1), ToParent::HelloReply(2)]);
        let mut orders = Vec::new();
        while let Some(more) = uplink.receive() {
            orders.extend(more);
        }
        assert!(
            matches!(
                orders.as_slice(),
                [Order::Message(ToChild::DumpData, None), Order::Message(ToChild::Stop, None)]
            ),
            "{orders:?}"
        );
        uplink.flush();
        assert!(
            matches!(parent.receive(&mut buffer), Received::Packet(..)),
            "the third hello is answered now"
        );
    }

    #[test]
    fn a_hello_is_answered_and_a_missing_parent_told_once() {
        let (parent, child) = Channel::pair().unwrap();
        let mut uplink = Uplink::new(child);
        let mut buffer = [0; 16];
        let mut packet = Writer::new(&mut buffer);
        ToChild::Hello(9).write(&mut packet).unwrap();
        parent.send(packet.written());
        assert!(uplink.receive().unwrap().is_empty());
        assert!(!uplink.flush());
        let Received::Packet(len, None) = parent.receive(&mut buffer) else { panic!("no answer") };
        assert_eq!(ToParent::read(&mut Reader::new(&buffer[..len])), Some(ToParent::HelloReply(9)));
        drop(parent);
        assert!(matches!(uplink.receive().unwrap().as_slice(), [Order::Gone]));
        assert!(uplink.receive().is_none());
        uplink.report(ToParent::Ready);
        assert!(!uplink.flush());
    }
}

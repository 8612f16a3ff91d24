//! What one child sends another one: the states of its objects (BFD sessions to VRRP and to checkers, virtual routers to
//! checkers).
//!
//! The parent makes the channel and a new one whenever either child is replaced ([`crate::daemon::parent`]). A message
//! is [`ToPeer`]; several of them leave in one packet.
//!
//! * Order: the states of one object arrive in order. Between objects the one whose state has waited longest comes
//!   first.
//! * A full channel loses nothing: of the states of one object that wait, the newest replaces the older one, so that as
//!   many states wait as there are objects. They leave when the other child reads again.
//! * On a new channel every object is sent, and [`ToPeer::Complete`] after the last one: the other child forgets objects
//!   that an earlier process sent and this one does not.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::base::bytes::{Reader, Writer};
use crate::base::limit;
use crate::daemon::ipc::{LONGEST_TO_PEER, ObjectState, ToPeer};
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::record::GONE;
use crate::daemon::token::{Registration, SourceId};
use crate::sys::channel::{Channel, Received, Sent};

/// The other child, and what it is sent.
#[derive(Debug)]
pub struct Peer {
    source: SourceId,
    link: Option<(Channel, Registration)>,
    /// The newest state of each object, ordered by key.
    objects: Vec<ObjectState>,
    /// The keys of the objects whose state has not been sent yet, each once.
    waiting: VecDeque<u64>,
    /// [`ToPeer::Complete`] has not been sent yet.
    incomplete: bool,
}

/// What was heard of the other child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A message.
    Message(ToPeer),
    /// The other child has ended. Its objects may still be there: a replacement sends them.
    Away,
}

/// A BFD session that is not up, as the BFD child sends it to the others.
pub const SESSION_DOWN: u8 = 1;
/// A BFD session that is up.
pub const SESSION_UP: u8 = 2;

/// Messages of one packet.
const MESSAGES: usize = limit::CHANNEL_PACKET / LONGEST_TO_PEER;

impl Peer {
    /// No channel yet. `source`: that of the channel in the loop.
    #[must_use]
    pub const fn new(source: SourceId) -> Self {
        Self { source, link: None, objects: Vec::new(), waiting: VecDeque::new(), incomplete: false }
    }

    /// Makes room for so many objects beside those that are sent already. For load time: allocates.
    pub fn reserve(&mut self, objects: usize) {
        self.objects.reserve(objects);
        let room = self.objects.capacity();
        self.waiting.reserve(room.saturating_sub(self.waiting.len()));
    }

    /// The parent has made a channel: every object is sent on it.
    ///
    /// # Errors
    /// When the channel cannot be watched.
    pub fn connect(&mut self, turn: &mut Turn<'_>, fd: OwnedFd) -> io::Result<()> {
        self.hang_up(turn);
        let channel = Channel::of(fd);
        let registration = turn.register(channel.as_raw_fd(), self.source, Interest::Both)?;
        self.link = Some((channel, registration));
        self.waiting.extend(self.objects.iter().map(|object| object.key));
        self.incomplete = true;
        Ok(())
    }

    /// An object has entered a state, which leaves with the next [`Self::flush`]. False: there is no room for the
    /// object, which [`Self::reserve`] does not know of.
    pub fn send(&mut self, object: ObjectState) -> bool {
        match self.objects.binary_search_by_key(&object.key, |object| object.key) {
            // Nobody is to hear of the end of an object while there is no channel.
            Ok(position) if object.state == GONE && self.link.is_none() => {
                self.objects.remove(position);
            }
            Ok(position) => match self.objects.get_mut(position) {
                Some(known) if *known == object => return true,
                Some(known) => *known = object,
                None => return false,
            },
            Err(_) if object.state == GONE => return true,
            Err(_) if self.objects.len() >= self.objects.capacity() => return false,
            Err(position) => self.objects.insert(position, object),
        }
        if self.link.is_some() && !self.waiting.contains(&object.key) {
            self.waiting.push_back(object.key);
        }
        true
    }

    /// The keys of the objects that the other child is sent.
    pub fn sent(&self) -> impl Iterator<Item = u64> {
        self.objects.iter().map(|object| object.key)
    }

    /// Sends what waits and fits. For the end of a turn.
    pub fn flush(&mut self) {
        while let Some((channel, _)) = &self.link {
            let mut buffer = [0; limit::CHANNEL_PACKET];
            let mut packet = Writer::new(&mut buffer);
            let count = self.waiting.len().min(MESSAGES - 1);
            for key in self.waiting.iter().take(count) {
                if let Some(object) = self.object(*key) {
                    // There is room for so many.
                    let _ = ToPeer::State(object).write(&mut packet);
                }
            }
            let completes = self.incomplete && count == self.waiting.len();
            if completes {
                let _ = ToPeer::Complete.write(&mut packet);
            }
            // A channel without its other end is told of by the read side.
            if packet.written().is_empty() || channel.send(packet.written()) != Sent::Yes {
                return;
            }
            self.incomplete &= !completes;
            for key in self.waiting.drain(..count) {
                let position = self.objects.binary_search_by_key(&key, |object| object.key);
                if let Ok(position) = position
                    && self.objects.get(position).is_some_and(|object| object.state == GONE)
                {
                    self.objects.remove(position);
                }
            }
        }
    }

    fn object(&self, key: u64) -> Option<ObjectState> {
        let position = self.objects.binary_search_by_key(&key, |object| object.key).ok()?;
        self.objects.get(position).copied()
    }

    /// The channel is ready: sends what waits, and hands on what the other child says.
    pub fn ready(&mut self, turn: &mut Turn<'_>, heard: &mut dyn FnMut(Heard)) -> Again {
        self.flush();
        for _ in 0..limit::CHANNEL_BATCH {
            let Some((channel, _)) = &self.link else { return Again::Done };
            let mut buffer = [0; limit::CHANNEL_PACKET];
            match channel.receive(&mut buffer) {
                Received::Empty => return Again::Done,
                Received::Gone => {
                    self.hang_up(turn);
                    heard(Heard::Away);
                    return Again::Done;
                }
                Received::Packet(len, _) => {
                    let mut packet = Reader::new(buffer.get(..len).unwrap_or_default());
                    while let Some(message) = ToPeer::read(&mut packet) {
                        heard(Heard::Message(message));
                    }
                }
            }
        }
        Again::More
    }

    fn hang_up(&mut self, turn: &mut Turn<'_>) {
        if let Some((channel, registration)) = self.link.take() {
            turn.deregister(registration);
            drop(channel);
        }
        self.waiting.clear();
        self.objects.retain(|object| object.state != GONE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::reactor::Reactor;
    use std::os::fd::AsFd;

    const SOURCE: SourceId = SourceId { kind: 1, index: 0 };

    fn state(key: u64, state: u8) -> ObjectState {
        ObjectState { key, state, value: u32::from(state) * 3 }
    }

    /// Two children that are connected, in one process.
    struct Pair {
        reactor: Reactor,
        one: Peer,
        other: Peer,
    }

    impl Pair {
        fn new(objects: usize) -> Self {
            let reactor = Reactor::new(1, None).unwrap();
            let (mut one, other) = (Peer::new(SOURCE), Peer::new(SourceId { index: 1, ..SOURCE }));
            one.reserve(objects);
            let mut pair = Self { reactor, one, other };
            pair.connect();
            pair
        }

        fn connect(&mut self) {
            let (near, far) = Channel::pair().unwrap();
            let mut turn = self.reactor.turn();
            self.one.connect(&mut turn, near.as_fd().try_clone_to_owned().unwrap()).unwrap();
            self.other.connect(&mut turn, far.as_fd().try_clone_to_owned().unwrap()).unwrap();
        }

        /// All that the other child hears now.
        fn heard(&mut self) -> Vec<Heard> {
            let mut all = Vec::new();
            while self.other.ready(&mut self.reactor.turn(), &mut |heard| all.push(heard)) == Again::More {}
            all
        }
    }

    fn state_of(key: u64, number: u8) -> Heard {
        Heard::Message(ToPeer::State(state(key, number)))
    }

    const COMPLETE: Heard = Heard::Message(ToPeer::Complete);

    #[test]
    fn each_object_is_told_on_a_new_channel_and_changes_after_it() {
        let mut pair = Pair::new(3);
        assert!(pair.one.send(state(7, 1)) && pair.one.send(state(3, 2)));
        pair.one.flush();
        assert_eq!(pair.heard(), [state_of(7, 1), state_of(3, 2), COMPLETE], "in the order of the changes");
        assert!(pair.one.send(state(3, 2)));
        pair.one.flush();
        assert_eq!(pair.heard(), [], "nothing has changed");
        assert!(pair.one.send(state(3, 1)) && pair.one.send(state(7, GONE)) && pair.one.send(state(3, 3)));
        pair.one.flush();
        assert_eq!(pair.heard(), [state_of(3, 3), state_of(7, GONE)], "the newest state only");
        pair.connect();
        pair.one.flush();
        assert_eq!(pair.heard(), [state_of(3, 3), COMPLETE], "an object that is gone is not sent again");
        assert!(pair.one.send(state(9, GONE)), "an object that was never sent is no news");
        pair.one.flush();
        assert_eq!(pair.heard(), []);
    }

    #[test]
    fn a_full_channel_loses_no_state_and_nothing_grows() {
        const OBJECTS: u64 = 10_000;
        let mut pair = Pair::new(usize::try_from(OBJECTS).unwrap());
        let room = (pair.one.objects.capacity(), pair.one.waiting.capacity());
        for round in 1..=3 {
            for key in (0..OBJECTS).rev() {
                assert!(pair.one.send(state(key, round)));
            }
            pair.one.flush();
        }
        assert!(!pair.one.waiting.is_empty(), "the test must fill the channel");
        assert_eq!((pair.one.objects.capacity(), pair.one.waiting.capacity()), room);
        assert!(pair.one.objects.len() < room.0 || !pair.one.send(state(u64::MAX, 1)));
        let mut last = vec![0; usize::try_from(OBJECTS).unwrap()];
        let mut complete = 0;
        loop {
            let heard = pair.heard();
            if heard.is_empty() {
                break;
            }
            for one in heard {
                match one {
                    Heard::Message(ToPeer::State(object)) => {
                        let place = &mut last[usize::try_from(object.key).unwrap()];
                        assert!(object.state >= *place, "the states of one object stay in order");
                        *place = object.state;
                    }
                    other => {
                        assert_eq!(other, COMPLETE);
                        complete += 1;
                    }
                }
            }
            pair.one.ready(&mut pair.reactor.turn(), &mut |_| ());
        }
        assert!(last.iter().all(|state| *state == 3));
        assert_eq!(complete, 1);
    }

    #[test]
    fn objects_that_end_while_there_is_no_channel_leave_no_trace() {
        let mut pair = Pair::new(2);
        assert!(pair.one.send(state(1, 1)) && pair.one.send(state(2, 1)));
        pair.one.flush();
        assert!(pair.one.send(state(1, GONE)), "not sent before the channel ends");
        pair.one.hang_up(&mut pair.reactor.turn());
        for key in 3..1_000 {
            assert!(pair.one.send(state(key, 1)) && pair.one.send(state(key, GONE)));
        }
        assert_eq!(pair.one.objects, [state(2, 1)]);
        pair.connect();
        pair.one.flush();
        assert_eq!(pair.heard(), [state_of(2, 1), COMPLETE]);
    }

    #[test]
    fn the_end_of_the_other_child_is_told_once_and_its_replacement_hears_everything() {
        let mut pair = Pair::new(2);
        pair.one.send(state(1, 1));
        pair.one.flush();
        pair.heard();
        pair.other.hang_up(&mut pair.reactor.turn());
        let mut heard = Vec::new();
        for _ in 0..2 {
            pair.one.ready(&mut pair.reactor.turn(), &mut |one| heard.push(one));
        }
        assert_eq!(heard, [COMPLETE, Heard::Away]);
        assert!(pair.one.send(state(1, 2)), "what changes meanwhile");
        pair.one.flush();
        pair.connect();
        pair.one.flush();
        assert_eq!(pair.heard(), [state_of(1, 2), COMPLETE]);
    }
}

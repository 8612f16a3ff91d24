//! A client of the control socket: its requests come in, its answers go out, one after the other.

use super::outgoing::{Outgoing, Sent};
use super::{IDLE, PATIENCE, RELOAD};
use crate::base::time::Instant;
use crate::daemon::ipc::Question;
use crate::daemon::token::Registration;
use crate::sys::local::{Moved, Stream};
use crate::wire::control::{Inbox, LONGEST_REQUEST};
use crate::wire::web::{self, Asked, Code, Parsed};

/// A connection.
#[derive(Debug)]
pub(super) struct Client {
    stream: Stream,
    pub(super) registration: Registration,
    /// It may change things and see secrets.
    pub(super) operates: bool,
    inbox: Inbox,
    /// Of a client of the monitoring port: what has come of its request, and what it asks for.
    pub(super) web: Option<Box<Web>>,
    pub(super) state: State,
    /// When something happened last.
    pub(super) since: Instant,
}

/// What it is about.
#[derive(Debug)]
pub(super) enum State {
    /// A request comes in.
    Reading,
    /// The children are to be asked for it, or are being asked. The question has no number yet.
    Asks {
        /// What is asked.
        question: Question,
        /// The name of the object.
        name: Option<String>,
    },
    /// It waits for the end of a reload.
    Reloads,
    /// An answer goes out.
    Writing(Outgoing),
}

/// A client of the monitoring port.
#[derive(Debug, Default)]
pub(super) struct Web {
    octets: Vec<u8>,
    /// The request, once it has been understood.
    pub(super) asked: Option<Asked>,
}

/// What comes of a step.
pub(super) enum Next {
    /// There may be more to do.
    More,
    /// There is nothing to do now.
    Wait,
    /// A request is there.
    Request(Vec<u8>),
    /// A request is there, over HTTP.
    Web(Asked),
    /// What came over HTTP is answered with this.
    Refused(Code),
    /// The connection is of no use any more.
    Gone,
}

impl Client {
    pub(super) fn new(stream: Stream, registration: Registration, operates: bool, now: Instant) -> Self {
        let (inbox, state) = (Inbox::default(), State::Reading);
        let web = matches!(stream, Stream::Inet(_)).then(Box::default);
        Self { stream, registration, operates, inbox, web, state, since: now }
    }

    /// Reads or writes a piece.
    pub(super) fn step(&mut self, now: Instant) -> Next {
        match &mut self.state {
            State::Reading if self.web.is_some() => self.read_web(),
            State::Reading => self.read(now),
            // It is read on when this request is answered.
            State::Asks { .. } | State::Reloads => Next::Wait,
            State::Writing(outgoing) => match outgoing.send(&mut self.stream) {
                Sent::Some => {
                    self.since = now;
                    Next::More
                }
                Sent::Blocked => Next::Wait,
                // A page ends its connection.
                Sent::All if self.web.is_some() => Next::Gone,
                Sent::All => {
                    (self.state, self.since) = (State::Reading, now);
                    Next::More
                }
                Sent::Failed => Next::Gone,
            },
        }
    }

    fn read(&mut self, now: Instant) -> Next {
        let line = self.inbox.take(<[u8]>::to_vec);
        match line {
            Ok(Some(line)) => {
                self.since = now;
                return Next::Request(line);
            }
            Ok(None) => {}
            // Whatever this is, it is no client.
            Err(_) => return Next::Gone,
        }
        let mut buffer = [0; LONGEST_REQUEST];
        let room = buffer.get_mut(..self.inbox.room()).unwrap_or_default();
        match self.stream.read(room) {
            Moved::Octets(count) => {
                if !self.inbox.has_begun() {
                    self.since = now;
                }
                self.inbox.push(buffer.get(..count).unwrap_or_default());
                Next::More
            }
            Moved::Blocked => Next::Wait,
            Moved::Over => Next::Gone,
        }
    }

    /// Reads the head of a request. Its deadline is that of the connection: a client that sends an octet a second is shown
    /// out.
    fn read_web(&mut self) -> Next {
        let Self { stream, web, .. } = self;
        let Some(web) = web else { return Next::Gone };
        let mut buffer = [0; 1_024];
        match stream.read(&mut buffer) {
            Moved::Octets(count) => web.octets.extend_from_slice(buffer.get(..count).unwrap_or_default()),
            Moved::Blocked => return Next::Wait,
            Moved::Over => return Next::Gone,
        }
        match web::parse(&web.octets) {
            Parsed::Incomplete => Next::More,
            Parsed::Asked(asked) => {
                web.asked = Some(asked);
                Next::Web(asked)
            }
            Parsed::Refused(code) => Next::Refused(code),
        }
    }

    /// When its time is over; none: others see to that.
    pub(super) fn until(&self) -> Option<Instant> {
        match &self.state {
            State::Reading if self.web.is_some() || self.inbox.has_begun() => Some(self.since + PATIENCE),
            State::Reading => Some(self.since + IDLE),
            State::Asks { .. } => None,
            State::Reloads => Some(self.since + RELOAD),
            State::Writing(_) => Some(self.since + PATIENCE),
        }
    }

    /// The question that it waits with.
    pub(super) fn question(&self) -> Option<Question> {
        match &self.state {
            State::Asks { question, .. } => Some(*question),
            _ => None,
        }
    }

    /// The name that it asks for.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.state {
            State::Asks { name, .. } => name.as_deref(),
            _ => None,
        }
    }
}

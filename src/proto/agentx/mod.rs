//! The session with an SNMP agent (RFC 2741): connection, session, registrations, and what happens when the agent is away.
//!
//! ```text
//!         Start             Connected            response           each subtree registered or refused
//!  Off ---------> Connecting ---------> Opening ---------> Open --+ ping when nothing was heard for a while
//!   ^                ^   |                 |                |     |
//!   | Stop           |   | failed or late  | the same       +-----+ lost, late, closed by the agent
//!   +--------        |   v                 v                |
//!                 Waiting (1, 2, 4 ... 60 s) <--------------+
//! ```
//!
//! Nothing waits for the agent: an agent that is stopped, hung or away costs a few octets and a deadline. What it is asked
//! and asks otherwise (values, notifications) is no matter of this machine: it is told only that something was heard.

use crate::base::time::{Instant, Span};
use crate::wire::agentx::{CLOSE_SHUTDOWN, error};

#[cfg(test)]
mod tests;

/// A subtree, by its position among those that the process has: at most [`TREES`] of them.
pub type Tree = u8;

/// Subtrees of one session: the private MIB has three, and each of the two standards one.
pub const TREES: usize = 5;

/// What is wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Params {
    /// A subtree is registered if the bit of its position is set.
    pub trees: u8,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A session is wanted.
    Start,
    /// The connection stands.
    Connected,
    /// There is no connection any more, or none could be made.
    Disconnected,
    /// The response to the packet of this number.
    Response {
        /// The number.
        packet: u32,
        /// The session that it names.
        session: u32,
        /// Its error.
        error: u16,
    },
    /// The agent asked something.
    Heard,
    /// The agent ends the session.
    Closed,
    /// What the agent sends cannot be followed.
    Garbled,
    /// The time of [`Session::poll_at`] has come.
    Timeout,
    /// No session is wanted any more.
    Stop,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Connect, without waiting for it.
    Connect,
    /// Let go of the connection.
    Disconnect,
    /// Send a PDU with this number.
    Send(Request, u32),
    /// Something that a person is told.
    Event(Event),
}

/// A PDU that the session needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Request {
    /// Open.
    Open,
    /// Register a subtree.
    Register(Tree),
    /// Take that back.
    Unregister(Tree),
    /// Ping.
    Ping,
    /// Close the session of this number, for one of the reasons of [`crate::wire::agentx`].
    Close(u32, u8),
}

/// Something that a person is told; each change once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The session is open.
    Opened,
    /// There was one, and it has ended.
    Lost(Why),
    /// There is none, and it is tried again and again.
    Unreachable(Why),
    /// The agent does not take a subtree, and is asked again and again.
    Refused(Tree, u16),
}

/// Why there is no session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// There is no connection.
    Connection,
    /// The agent does not answer.
    Silent,
    /// The agent has ended it, or knows nothing of it.
    Closed,
    /// The agent does not want one.
    Denied(u16),
    /// The agent does not speak AgentX.
    Garbled,
}

/// The actions of one input.
pub type Actions = heapless::Vec<Action, { TREES + 2 }>;

/// The agent has so long for a connection and for an answer.
pub const PATIENCE: Span = Span::from_secs(5);
/// So long after it was heard last the agent is asked whether it is there.
pub const IDLE: Span = Span::from_secs(15);
/// A subtree that was refused is asked for again after this time: an agent gives up a subagent that died without a word
/// only when it has not answered for a while.
pub const RETRY: Span = Span::from_secs(15);
/// The first and the longest pause between two attempts.
const PAUSE: (Span, Span) = (Span::from_secs(1), Span::from_secs(60));

/// A session.
#[derive(Clone, Debug)]
pub struct Session {
    params: Params,
    state: State,
    /// The pause before the next attempt.
    pause: Span,
    /// The number of the last packet.
    packet: u32,
    /// That there is no session has been told.
    told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Off,
    Waiting { until: Instant },
    Connecting { until: Instant },
    Opening { packet: u32, until: Instant },
    Open(Open),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Open {
    session: u32,
    heard: Instant,
    /// The ping that is not answered yet, and until when it is waited for.
    ping: Option<(u32, Instant)>,
    trees: [Registered; TREES],
    /// A person was told that these were refused.
    refused: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Registered {
    No,
    Asked { packet: u32, until: Instant },
    Yes,
    Refused { again: Instant },
}

impl Session {
    /// A session that is not wanted yet.
    #[must_use]
    pub const fn new(params: Params) -> Self {
        Self { params, state: State::Off, pause: PAUSE.0, packet: 0, told: false }
    }

    /// The number of the session, while it is open.
    #[must_use]
    pub const fn number(&self) -> Option<u32> {
        match self.state {
            State::Open(open) => Some(open.session),
            _ => None,
        }
    }

    /// Whether the agent has taken a subtree.
    #[must_use]
    pub fn has(&self, tree: Tree) -> bool {
        let State::Open(open) = &self.state else { return false };
        open.trees.get(usize::from(tree)) == Some(&Registered::Yes)
    }

    /// The number for a packet.
    pub const fn next_packet(&mut self) -> u32 {
        self.packet = self.packet.wrapping_add(1);
        self.packet
    }

    /// When [`Input::Timeout`] is due.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        match &self.state {
            State::Off => None,
            State::Waiting { until } | State::Connecting { until } | State::Opening { until, .. } => {
                Some(*until)
            }
            State::Open(open) => Some(open.poll_at()),
        }
    }

    /// Other subtrees are wanted.
    pub fn reconfigure(&mut self, now: Instant, params: Params, out: &mut Actions) {
        self.params = params;
        self.register(now, out);
    }

    /// Something happens.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Actions) {
        match (self.state, input) {
            (State::Off, Input::Start) => self.connect(now, out),
            (State::Off, _) | (_, Input::Start) => {}
            (state, Input::Stop) => self.stop(state, out),
            (State::Waiting { until }, Input::Timeout) if until <= now => self.connect(now, out),
            // A connection that was let go of has nothing to say.
            (State::Waiting { .. }, _) => {}
            (State::Connecting { .. }, Input::Connected) => {
                let packet = self.next_packet();
                self.enter(State::Opening { packet, until: now + PATIENCE });
                push(out, Action::Send(Request::Open, packet));
            }
            (State::Connecting { .. }, Input::Disconnected) => self.fail(now, Why::Connection, out),
            (State::Connecting { until } | State::Opening { until, .. }, Input::Timeout) if until <= now => {
                self.fail(now, Why::Silent, out);
            }
            // Nobody has said anything that could have an answer.
            (State::Connecting { .. }, _) => {}
            (State::Opening { packet, .. }, Input::Response { packet: answered, session, error })
                if packet == answered =>
            {
                if error == error::NONE {
                    self.open(now, session, out);
                } else {
                    self.fail(now, Why::Denied(error), out);
                }
            }
            (State::Opening { .. } | State::Open(_), Input::Disconnected) => {
                self.fail(now, Why::Connection, out);
            }
            (State::Opening { .. } | State::Open(_), Input::Closed) => self.fail(now, Why::Closed, out),
            (State::Opening { .. } | State::Open(_), Input::Garbled) => self.fail(now, Why::Garbled, out),
            (State::Opening { .. }, _) | (State::Open(_), Input::Connected) => {}
            (State::Open(open), Input::Response { packet, error, .. }) => {
                self.answered(now, open, packet, error, out);
            }
            (State::Open(open), Input::Heard) => {
                self.enter(State::Open(Open { heard: now, ..open }));
            }
            (State::Open(open), Input::Timeout) => self.wake(now, open, out),
        }
    }

    fn enter(&mut self, state: State) {
        self.state = state;
    }

    fn connect(&mut self, now: Instant, out: &mut Actions) {
        self.enter(State::Connecting { until: now + PATIENCE });
        push(out, Action::Connect);
    }

    fn open(&mut self, now: Instant, session: u32, out: &mut Actions) {
        let trees = [Registered::No; TREES];
        self.enter(State::Open(Open { session, heard: now, ping: None, trees, refused: 0 }));
        self.told = false;
        push(out, Action::Event(Event::Opened));
        self.register(now, out);
    }

    /// There is no session now, and the next attempt is later each time.
    fn fail(&mut self, now: Instant, why: Why, out: &mut Actions) {
        let was_open = matches!(self.state, State::Open(_));
        self.enter(State::Waiting { until: now + self.pause });
        self.pause = (self.pause * 2).min(PAUSE.1);
        push(out, Action::Disconnect);
        let event = if was_open { Event::Lost(why) } else { Event::Unreachable(why) };
        if was_open || !core::mem::replace(&mut self.told, true) {
            self.told = true;
            push(out, Action::Event(event));
        }
    }

    fn stop(&mut self, state: State, out: &mut Actions) {
        self.enter(State::Off);
        (self.pause, self.told) = (PAUSE.0, false);
        if let State::Open(open) = state {
            let packet = self.next_packet();
            push(out, Action::Send(Request::Close(open.session, CLOSE_SHUTDOWN), packet));
        }
        if !matches!(state, State::Off | State::Waiting { .. }) {
            push(out, Action::Disconnect);
        }
    }

    /// Asks for each subtree that is wanted and not asked for, and gives back the others.
    fn register(&mut self, now: Instant, out: &mut Actions) {
        let State::Open(mut open) = self.state else { return };
        for (tree, state) in (0..).zip(&mut open.trees) {
            let wanted = self.params.trees & 1 << tree != 0;
            let due = match *state {
                Registered::No => true,
                Registered::Refused { again } => again <= now,
                Registered::Asked { .. } | Registered::Yes => false,
            };
            if wanted && due {
                self.packet = self.packet.wrapping_add(1);
                *state = Registered::Asked { packet: self.packet, until: now + PATIENCE };
                push(out, Action::Send(Request::Register(tree), self.packet));
            } else if !wanted && *state != Registered::No {
                if !matches!(state, Registered::Refused { .. }) {
                    self.packet = self.packet.wrapping_add(1);
                    push(out, Action::Send(Request::Unregister(tree), self.packet));
                }
                *state = Registered::No;
            }
        }
        self.enter(State::Open(open));
    }

    /// The agent has answered, a notification perhaps, or what was given back meanwhile.
    fn answered(&mut self, now: Instant, mut open: Open, packet: u32, error: u16, out: &mut Actions) {
        if error == error::NOT_OPEN {
            return self.fail(now, Why::Closed, out);
        }
        open.heard = now;
        if open.ping.is_some_and(|(number, _)| number == packet) {
            open.ping = None;
            // It has lasted for a while: what comes next is another matter.
            self.pause = PAUSE.0;
        }
        for (tree, state) in (0..).zip(&mut open.trees) {
            if !matches!(*state, Registered::Asked { packet: asked, .. } if asked == packet) {
                continue;
            }
            if error == error::NONE {
                *state = Registered::Yes;
                continue;
            }
            *state = Registered::Refused { again: now + RETRY };
            if open.refused & 1 << tree == 0 {
                open.refused |= 1 << tree;
                push(out, Action::Event(Event::Refused(tree, error)));
            }
        }
        self.enter(State::Open(open));
    }

    fn wake(&mut self, now: Instant, mut open: Open, out: &mut Actions) {
        let late = |state: &Registered| matches!(*state, Registered::Asked { until, .. } if until <= now);
        if open.trees.iter().any(late) || open.ping.is_some_and(|(_, until)| until <= now) {
            return self.fail(now, Why::Silent, out);
        }
        if open.ping.is_none() && open.heard + IDLE <= now {
            let packet = self.next_packet();
            open.ping = Some((packet, now + PATIENCE));
            push(out, Action::Send(Request::Ping, packet));
        }
        self.enter(State::Open(open));
        self.register(now, out);
    }
}

impl Open {
    fn poll_at(&self) -> Instant {
        let own = self.ping.map_or(self.heard + IDLE, |(_, until)| until);
        let trees = self.trees.iter().filter_map(|state| match *state {
            Registered::Asked { until, .. } => Some(until),
            Registered::Refused { again } => Some(again),
            Registered::No | Registered::Yes => None,
        });
        trees.fold(own, Instant::min)
    }
}

fn push(out: &mut Actions, action: Action) {
    let pushed = out.push(action);
    debug_assert!(pushed.is_ok(), "the longest list has each subtree, a ping and one more");
}

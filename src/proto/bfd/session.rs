//! One BFD session in asynchronous mode (RFC 5880 section 6.8): its state, its two timers, and what its intervals are.
//!
//! ```text
//!                 Down heard                 Init, Up heard
//!       DOWN ------------------> INIT -------------------------+
//!        ^  \                     |                            v
//!        |   `--- Init heard -----|------------------------->  UP
//!        |                        | expired, AdminDown heard   |
//!        +------------------------+----------------------------+
//!                                      expired, Down or AdminDown heard
//!       ADMIN DOWN: entered and left by our own side alone
//! ```
//!
//! A change of state leaves in a packet at once. Packets between changes leave from the deadline of the packet before, so
//! that their spacing does not drift, each by its own jitter earlier than the interval.

use super::params::Params;
use crate::base::time::{Instant, Span};
use crate::wire::bfd::{Control, Diagnostic, State};

/// One session.
#[derive(Clone, Debug)]
pub struct Session {
    params: Params,
    /// bfd.LocalDiscr: ours, not 0, of no other session.
    local: u32,
    /// bfd.SessionState
    state: State,
    /// bfd.LocalDiag
    diagnostic: Diagnostic,
    /// `DesiredMinTxInterval` and `RequiredMinRxInterval` as our packets say them.
    said: Intervals,
    /// The same as they are in use: until the peer has answered a poll, packets do not become rarer and the detection
    /// time does not become shorter (section 6.8.3).
    used: Intervals,
    poll: Poll,
    /// The peer, as its last packet says.
    peer: Peer,
    /// When the next packet leaves; none: no packet leaves by time.
    next: Option<Instant>,
    /// When the last packet left by time or by a change of state.
    sent: Instant,
    /// When the peer counts as lost; none: it is not heard.
    deadline: Option<Instant>,
    /// When the last packet of the peer came.
    heard: Instant,
    /// State of the generator of jitter.
    random: u32,
}

/// The intervals of one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Intervals {
    tx: Span,
    rx: Span,
}

/// The peer as its last packet says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// bfd.RemoteDiscr; 0: not known.
    pub discriminator: u32,
    /// bfd.RemoteSessionState
    pub state: State,
    /// The diagnostic of its last packet.
    pub diagnostic: Diagnostic,
    /// Its `DesiredMinTxInterval`.
    pub min_tx: Span,
    /// bfd.RemoteMinRxInterval
    pub min_rx: Span,
    /// Its multiplier; 0: it was not heard yet.
    pub multiplier: u8,
    /// bfd.RemoteDemandMode
    pub demand: bool,
}

impl Peer {
    /// Not heard yet: it takes packets as often as they come (section 6.8.1).
    const UNKNOWN: Self = Self {
        discriminator: 0,
        state: State::Down,
        diagnostic: Diagnostic::NONE,
        min_tx: Span::ZERO,
        min_rx: Span::from_micros(1),
        multiplier: 0,
        demand: false,
    };
}

/// A poll sequence (section 6.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Poll {
    Off,
    /// Our packets poll until the peer answers.
    On,
    /// As [`Self::On`], and the intervals have changed since: the answer that comes may be to the older ones, so
    /// another sequence follows.
    Twice,
}

/// What happens to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The session begins; without an earlier process it is Down.
    Start(Option<Adopted>),
    /// A packet of the peer that passed [`Control::parse`] and belongs to this session.
    Received {
        /// The packet.
        control: Control,
        /// When it came in, which may be a little before it was read: the detection time begins there.
        arrived: Instant,
    },
    /// Time has passed.
    Timeout,
    /// The session is switched off: the peer is told so.
    Disable,
    /// The session is switched on again.
    Enable,
}

/// A session of a process that this one replaces: it was Up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Adopted {
    /// The peer as that process knew it.
    pub peer: Peer,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// This packet leaves.
    Transmit(Control),
    /// A fact.
    Event(Event),
}

/// A fact about a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The state has changed. Why: [`Session::diagnostic`].
    Transition {
        /// Before.
        from: State,
        /// After.
        to: State,
    },
    /// No packet came for the detection time.
    Expired {
        /// The detection time.
        after: Span,
        /// How much later than that this was noticed.
        overdue: Span,
    },
    /// Our packets poll from now on.
    PollBegins,
    /// The peer has answered.
    PollEnds,
    /// The detection time is another one.
    Detection {
        /// Before; zero: there was none.
        from: Span,
        /// After.
        to: Span,
    },
}

/// The longest list: an answer to a poll, a transition with its packet, a poll that ends and one that begins, and a new
/// detection time.
pub const LONGEST: usize = 8;

/// What one input leads to.
pub type Actions = heapless::Vec<Action, LONGEST>;

/// A packet leaves so many thousandths of an interval after the one before it, at least and at most (section 6.8.7).
const LEAST: u64 = 750;
const MOST: u64 = 1_000;
/// The most with a multiplier of 1.
const MOST_SINGLE: u64 = 900;

/// Packets leave at multiples of so many microseconds, so that those of many sessions leave in one system call: a power
/// of two, at most a sixteenth of the interval, of which its jitter takes a quarter, and at most [`LONGEST_TICK`].
const fn tick(interval: u64) -> u64 {
    let sixteenth = interval / 16;
    if sixteenth >= LONGEST_TICK {
        LONGEST_TICK
    } else if sixteenth < 2 {
        1
    } else {
        1 << sixteenth.ilog2()
    }
}

/// Of 500 sessions at 50 ms twenty packets leave at each tick, which no queue on their way minds.
const LONGEST_TICK: u64 = 2_048;

impl Session {
    /// A session that has not begun. `local`: its discriminator, not 0; `random`: where its jitter begins.
    #[must_use]
    pub fn new(params: Params, local: u32, random: u32) -> Self {
        let slow = Intervals { tx: params.idle_tx, rx: params.min_rx };
        Self {
            local,
            state: State::Down,
            diagnostic: Diagnostic::NONE,
            said: slow,
            used: slow,
            poll: Poll::Off,
            peer: Peer::UNKNOWN,
            next: None,
            sent: Instant::START,
            deadline: None,
            heard: Instant::START,
            random: random | 1,
            params,
        }
    }

    /// Takes one input; `out` receives what is to be done, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Actions) {
        match input {
            Input::Start(None) => self.arm(now),
            Input::Start(Some(adopted)) => self.adopt(now, adopted, out),
            Input::Received { control, arrived } => self.receive(now, arrived, control, out),
            Input::Timeout => self.time_out(now, out),
            Input::Disable => {
                if self.state != State::AdminDown {
                    self.enter(now, State::AdminDown, Diagnostic::ADMIN_DOWN, out);
                }
            }
            Input::Enable => {
                if self.state == State::AdminDown {
                    self.enter(now, State::Down, Diagnostic::NONE, out);
                }
            }
        }
    }

    /// When the session wants to be handled again.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        match (self.next, self.deadline) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    /// The session goes on with other parameters: intervals change by a poll sequence while it is up (section 6.8.3).
    pub fn reconfigure(&mut self, now: Instant, params: Params, out: &mut Actions) {
        self.params = params;
        let before = self.detection_time();
        self.take_intervals(out);
        self.note_detection(before, out);
        self.arm(now);
    }

    /// bfd.SessionState
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// bfd.LocalDiag: why the state is what it is.
    #[must_use]
    pub const fn diagnostic(&self) -> Diagnostic {
        self.diagnostic
    }

    /// bfd.LocalDiscr
    #[must_use]
    pub const fn discriminator(&self) -> u32 {
        self.local
    }

    /// The peer as its last packet says.
    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// When the last packet of the peer came; none: none has come yet.
    #[must_use]
    pub fn heard(&self) -> Option<Instant> {
        Some(self.heard).filter(|heard| *heard != Instant::START)
    }

    /// When the next packet leaves; none: no packet leaves by time.
    #[must_use]
    pub const fn next_packet(&self) -> Option<Instant> {
        self.next
    }

    /// When the peer counts as lost unless a packet of it comes; none: it is not heard.
    #[must_use]
    pub const fn detects_at(&self) -> Option<Instant> {
        self.deadline
    }

    /// The parameters.
    #[must_use]
    pub const fn params(&self) -> &Params {
        &self.params
    }

    /// Whether our packets poll.
    #[must_use]
    pub fn polls(&self) -> bool {
        self.poll != Poll::Off
    }

    /// How often packets leave, before jitter: never more often than the peer wants them (section 6.8.7).
    #[must_use]
    pub fn transmit_interval(&self) -> Span {
        self.used.tx.max(self.peer.min_rx)
    }

    /// After so long without a packet the peer is lost (section 6.8.4); zero while it was not heard.
    #[must_use]
    pub fn detection_time(&self) -> Span {
        self.used.rx.max(self.peer.min_tx) * u64::from(self.peer.multiplier)
    }

    /// The packet that would leave now.
    #[must_use]
    pub fn packet(&self) -> Control {
        Control {
            diagnostic: self.diagnostic,
            state: self.state,
            poll: self.poll != Poll::Off,
            last: false,
            // Whether the daemon lives as long as the kernel forwards is nothing that it could promise.
            independent: false,
            demand: false,
            multiplier: self.params.multiplier,
            my: self.local,
            your: self.peer.discriminator,
            min_tx: self.said.tx,
            min_rx: self.said.rx,
            min_echo: Span::ZERO,
        }
    }

    /// An earlier process left the session Up: it goes on, and ends as any other if the peer does not.
    fn adopt(&mut self, now: Instant, adopted: Adopted, out: &mut Actions) {
        self.peer = Peer { state: State::Up, ..adopted.peer };
        self.state = State::Up;
        let up = Intervals { tx: self.params.min_tx, rx: self.params.min_rx };
        (self.said, self.used) = (up, up);
        self.heard = now;
        self.deadline = Some(now + self.detection_time());
        // The configuration may have changed between the two processes.
        self.begin_poll(out);
        self.transmit(now, out);
    }

    /// The rest of section 6.8.6, for a packet that is in order.
    fn receive(&mut self, now: Instant, arrived: Instant, control: Control, out: &mut Actions) {
        let before = self.detection_time();
        self.peer = Peer {
            discriminator: control.my,
            state: control.state,
            diagnostic: control.diagnostic,
            min_tx: control.min_tx,
            min_rx: control.min_rx,
            multiplier: control.multiplier,
            demand: control.demand,
        };
        if control.last {
            self.end_poll(out);
        }
        self.heard = arrived.min(now).max(self.heard);
        self.deadline = Some(self.heard + self.detection_time());
        if self.state == State::AdminDown {
            // The packet counts for the discriminator of the peer alone, which is forgotten after the detection time as
            // in any other state.
            self.arm(now);
            return;
        }
        self.note_detection(before, out);
        let next = match (self.state, control.state) {
            (State::Init | State::Up, State::AdminDown) | (State::Up, State::Down) => {
                Some((State::Down, Diagnostic::NEIGHBOR_DOWN))
            }
            // Until the session is up, the peer is told why it went down.
            (State::Down, State::Down) => Some((State::Init, self.diagnostic)),
            (State::Down, State::Init) | (State::Init, State::Init | State::Up) => {
                Some((State::Up, Diagnostic::NONE))
            }
            (State::Down, State::AdminDown | State::Up)
            | (State::Init, State::Down)
            | (State::Up, State::Init | State::Up)
            | (State::AdminDown, _) => None,
        };
        if let Some((state, diagnostic)) = next {
            self.enter(now, state, diagnostic, out);
        }
        if control.poll {
            // The answer leaves whatever the time, and polls nothing itself (section 6.8.7).
            let _ = out.push(Action::Transmit(Control { poll: false, last: true, ..self.packet() }));
        }
        self.arm(now);
    }

    fn time_out(&mut self, now: Instant, out: &mut Actions) {
        if let Some(deadline) = self.deadline
            && deadline <= now
        {
            self.expire(now, deadline, out);
        }
        if self.next.is_some_and(|next| next <= now) {
            self.transmit(now, out);
        }
    }

    /// Nothing was heard for the detection time (sections 6.8.4 and 6.8.1).
    fn expire(&mut self, now: Instant, deadline: Instant, out: &mut Actions) {
        let after = deadline.since(self.heard);
        self.deadline = None;
        self.peer = Peer { diagnostic: self.peer.diagnostic, ..Peer::UNKNOWN };
        self.poll = Poll::Off;
        match self.state {
            State::Init | State::Up => {
                let _ = out.push(Action::Event(Event::Expired { after, overdue: now.since(deadline) }));
                self.enter(now, State::Down, Diagnostic::EXPIRED, out);
            }
            // A passive session falls silent again.
            State::Down | State::AdminDown => self.arm(now),
        }
    }

    /// The one place that writes the state. The peer hears of it at once.
    fn enter(&mut self, now: Instant, state: State, diagnostic: Diagnostic, out: &mut Actions) {
        let from = core::mem::replace(&mut self.state, state);
        self.diagnostic = diagnostic;
        let _ = out.push(Action::Event(Event::Transition { from, to: state }));
        if state != State::Up {
            self.poll = Poll::Off;
        }
        self.take_intervals(out);
        if self.speaks() {
            self.transmit(now, out);
        } else {
            self.arm(now);
        }
    }

    /// The intervals that the parameters want in this state. Changed while the session is up, they are told by a poll
    /// sequence, and what is in use stays careful until its answer.
    fn take_intervals(&mut self, out: &mut Actions) {
        let up = self.state == State::Up;
        let wanted = Intervals {
            tx: if up { self.params.min_tx } else { self.params.idle_tx.max(self.params.min_tx) },
            rx: self.params.min_rx,
        };
        if !up {
            (self.said, self.used) = (wanted, wanted);
            return;
        }
        if self.said == wanted {
            return;
        }
        self.said = wanted;
        self.used.tx = self.used.tx.min(wanted.tx);
        self.used.rx = self.used.rx.max(wanted.rx);
        self.begin_poll(out);
    }

    fn begin_poll(&mut self, out: &mut Actions) {
        self.poll = match self.poll {
            Poll::Off => {
                let _ = out.push(Action::Event(Event::PollBegins));
                Poll::On
            }
            Poll::On | Poll::Twice => Poll::Twice,
        };
    }

    fn end_poll(&mut self, out: &mut Actions) {
        match self.poll {
            Poll::Off => {}
            Poll::Twice => self.poll = Poll::On,
            Poll::On => {
                self.poll = Poll::Off;
                self.used = self.said;
                let _ = out.push(Action::Event(Event::PollEnds));
            }
        }
    }

    fn note_detection(&self, before: Span, out: &mut Actions) {
        let to = self.detection_time();
        if to != before && self.peer.multiplier != 0 {
            let _ = out.push(Action::Event(Event::Detection { from: before, to }));
        }
    }

    /// Whether packets leave by time (section 6.8.7).
    fn speaks(&self) -> bool {
        let awaited = self.params.passive && self.peer.discriminator == 0;
        let unwanted = self.peer.min_rx.is_zero();
        let demanded = self.peer.demand
            && self.state == State::Up
            && self.peer.state == State::Up
            && self.poll == Poll::Off;
        !(awaited || unwanted || demanded)
    }

    /// A packet leaves now.
    fn transmit(&mut self, now: Instant, out: &mut Actions) {
        let _ = out.push(Action::Transmit(self.packet()));
        // The next packet is reckoned from when this one was due, unless it left for another reason or so late that the
        // next one would be due, too.
        let after_due = self.next.filter(|due| *due <= now).map(|due| (due, self.next_after(due)));
        let (sent, next) = match after_due {
            Some((due, next)) if next > now => (due, next),
            _ => (now, self.next_after(now)),
        };
        self.sent = sent;
        self.next = self.speaks().then_some(next);
    }

    /// What was heard or configured may have changed when the next packet leaves: never later than the interval asks for.
    fn arm(&mut self, now: Instant) {
        if !self.speaks() {
            self.next = None;
            return;
        }
        match self.next {
            Some(next) => {
                let latest = self.sent + self.transmit_interval();
                if next > latest {
                    self.next = Some(self.next_after(self.sent).max(now));
                }
            }
            None => {
                self.sent = now;
                self.next = Some(self.next_after(now));
            }
        }
    }

    /// When the packet after one that left then leaves: an interval later, less a random part of it, at a tick that all
    /// sessions share.
    fn next_after(&mut self, sent: Instant) -> Instant {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        let interval = self.transmit_interval().as_micros();
        let most = if self.params.multiplier == 1 { MOST_SINGLE } else { MOST };
        let tick = tick(interval);
        // The packet leaves less than a tick earlier than this.
        let (least, most) = (interval * LEAST / 1_000 + tick, interval * most / 1_000);
        let after = least + u64::from(self.random) % (most.saturating_sub(least) + 1);
        let at = (sent + Span::from_micros(after)).as_micros();
        Instant::from_micros(at - at % tick)
    }
}

#[cfg(test)]
#[path = "session_tests.rs"]
mod tests;

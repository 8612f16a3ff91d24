//! A client that delivers one message at a time to a mail relay: what it says next, and when it tries again.
//!
//! ```text
//!            Letter            Connected       220       250      250      250        354       250
//!   idle ---------> connecting ------> greeting -> hello -> from -> to ... -> data -----> text ----> quit -> idle
//!     ^                |                  |          |       |       |         |           |
//!     +--- pausing <---+------------------+----------+-------+-------+---------+-----------+
//! ```
//!
//! What goes wrong is tried again after a pause that doubles, unless the relay says that it will never take the message
//! (5xx). A recipient that the relay refuses does not keep the others from getting the message; keepalived gives up the
//! whole message there.

use crate::base::limit;
use crate::base::time::{Instant, Span};

/// One bit a recipient, by position.
pub type Recipients = u64;
const _: () = assert!(limit::MAIL_RECIPIENTS == Recipients::BITS as usize);

/// What happens to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// A message is to be delivered; only while [`Client::is_idle`].
    Letter {
        /// How many recipients there are.
        recipients: u8,
    },
    /// The connection is made.
    Connected,
    /// The connection could not be made, or broke.
    Broken,
    /// The relay closed the connection.
    Closed,
    /// The relay answered with this code.
    Reply(u16),
    /// The relay said something else than an answer.
    Garbage,
    /// Time has passed.
    Timeout,
}

/// What the client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// Its name.
    Hello,
    /// The sender.
    From,
    /// A recipient.
    To(u8),
    /// That the text is next.
    Data,
    /// The text.
    Text,
    /// Goodbye.
    Quit,
}

/// What is to be done, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin a connection; what is left of another one is closed before.
    Connect,
    /// Say something.
    Say(Line),
    /// Close the connection.
    Close,
    /// Tell what happened.
    Report(Event),
    /// The message is done with: the next one may come once the client is idle.
    Finish,
}

/// A fact to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The connection is made.
    Connected,
    /// The relay has the message.
    Sent,
    /// The relay refused something.
    Refused {
        /// What: the command as a word of the log, `CONNECT` for its greeting.
        command: &'static str,
        /// The code.
        code: u16,
    },
    /// No connection came about, or it broke.
    Broken,
    /// The relay closed the connection before it had the message.
    Closed,
    /// Nothing came for too long.
    TimedOut {
        /// It was the connection that did not come.
        connecting: bool,
    },
    /// The relay speaks something else than SMTP.
    Garbage,
    /// It is tried again after this.
    Again(Span),
    /// It is not tried again: nobody more gets the message.
    GivenUp,
}

/// Actions of the longest step: a refusal, goodbye, the last failure, and the end of the message.
pub const LONGEST: usize = 6;

/// A bounded, ordered list of actions.
pub type Actions = heapless::Vec<Action, LONGEST>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    Pausing,
    Connecting,
    Greeting,
    /// The answer to this is awaited.
    Said(Line),
}

/// The client.
#[derive(Clone, Debug)]
pub struct Client {
    state: State,
    /// When the state is left at the latest.
    until: Option<Instant>,
    /// For the connection and for each answer.
    patience: Span,
    recipients: u8,
    /// Who has the message or never gets it.
    done: Recipients,
    /// Whom the relay would give it to in this conversation.
    accepted: Recipients,
    /// Attempts for this message.
    tries: u8,
    /// Failures in a row, whatever the message.
    failures: u8,
    /// No attempt before this.
    resume: Option<Instant>,
}

/// The first pause.
const PAUSE: Span = Span::from_secs(5);
/// The longest one.
const LONGEST_PAUSE: Span = Span::from_secs(300);
/// Goodbye is not waited for longer than this.
const QUIT_PATIENCE: Span = Span::from_secs(5);

impl Client {
    /// A client that waits so long for the connection and for each answer.
    #[must_use]
    pub const fn new(patience: Span) -> Self {
        Self {
            state: State::Idle,
            until: None,
            patience,
            recipients: 0,
            done: 0,
            accepted: 0,
            tries: 0,
            failures: 0,
            resume: None,
        }
    }

    /// Whether it can take a message.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Whether it has no connection and wants none at the moment.
    #[must_use]
    pub const fn is_apart(&self) -> bool {
        matches!(self.state, State::Idle | State::Pausing)
    }

    /// Who has the message already, or never gets it.
    #[must_use]
    pub const fn done(&self) -> Recipients {
        self.done
    }

    /// When it wants to be told the time.
    #[must_use]
    pub const fn poll_at(&self) -> Option<Instant> {
        self.until
    }

    /// Attempts in a row that failed.
    #[must_use]
    pub const fn failures(&self) -> u8 {
        self.failures
    }

    /// Takes an input.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Actions) {
        match (self.state, input) {
            (State::Idle, Input::Letter { recipients }) => self.begin(now, recipients, out),
            (State::Pausing, Input::Timeout) if self.is_due(now) => self.connect(now, out),
            (State::Connecting, Input::Connected) => {
                report(out, Event::Connected);
                self.enter(State::Greeting, Some(now + self.patience));
            }
            (State::Connecting, Input::Broken | Input::Closed) => self.fail(now, Event::Broken, out),
            (State::Connecting, Input::Timeout) if self.is_due(now) => {
                self.fail(now, Event::TimedOut { connecting: true }, out);
            }
            (State::Greeting, Input::Reply(220)) => self.say(now, Line::Hello, out),
            (State::Greeting, Input::Reply(code)) => self.refused(now, "CONNECT", code, out),
            (State::Said(line), Input::Reply(code)) => self.answered(now, line, code, out),
            (State::Said(Line::Quit), Input::Broken | Input::Closed | Input::Garbage) => self.part(out),
            (State::Said(Line::Quit), Input::Timeout) if self.is_due(now) => self.part(out),
            (State::Greeting | State::Said(_), Input::Broken) => self.fail(now, Event::Broken, out),
            (State::Greeting | State::Said(_), Input::Closed) => self.fail(now, Event::Closed, out),
            (State::Greeting | State::Said(_), Input::Garbage) => self.fail(now, Event::Garbage, out),
            (State::Greeting | State::Said(_), Input::Timeout) if self.is_due(now) => {
                self.fail(now, Event::TimedOut { connecting: false }, out);
            }
            // A message while one is under way, news of a connection that is gone, a timeout that is not due.
            (_, Input::Letter { .. } | Input::Connected | Input::Timeout)
            | (
                State::Idle | State::Pausing,
                Input::Broken | Input::Closed | Input::Garbage | Input::Reply(_),
            )
            | (State::Connecting, Input::Reply(_) | Input::Garbage) => {}
        }
    }

    fn is_due(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    fn begin(&mut self, now: Instant, recipients: u8, out: &mut Actions) {
        (self.recipients, self.done, self.tries) = (recipients, 0, 0);
        match self.resume.filter(|resume| *resume > now) {
            Some(resume) => self.enter(State::Pausing, Some(resume)),
            None => self.connect(now, out),
        }
    }

    fn connect(&mut self, now: Instant, out: &mut Actions) {
        self.accepted = 0;
        push(out, Action::Connect);
        self.enter(State::Connecting, Some(now + self.patience));
    }

    fn say(&mut self, now: Instant, line: Line, out: &mut Actions) {
        push(out, Action::Say(line));
        let patience = if line == Line::Quit { self.patience.min(QUIT_PATIENCE) } else { self.patience };
        self.enter(State::Said(line), Some(now + patience));
    }

    fn answered(&mut self, now: Instant, line: Line, code: u16, out: &mut Actions) {
        match (line, code) {
            (Line::Hello, 250) => self.say(now, Line::From, out),
            (Line::From, 250) => self.next_recipient(now, 0, out),
            (Line::To(number), 250..=252) => {
                self.accepted |= bit(number);
                self.next_recipient(now, number.saturating_add(1), out);
            }
            (Line::To(number), 400..=599) => {
                report(out, Event::Refused { command: "RCPT", code });
                if code >= 500 {
                    self.done |= bit(number);
                }
                self.next_recipient(now, number.saturating_add(1), out);
            }
            (Line::Data, 354) => self.say(now, Line::Text, out),
            (Line::Text, 250) => self.sent(now, out),
            (Line::Quit, _) => self.part(out),
            (line, code) => self.refused(now, word(line), code, out),
        }
    }

    /// The recipients that are left, in order; then the text for those that the relay takes it for.
    fn next_recipient(&mut self, now: Instant, from: u8, out: &mut Actions) {
        let next = (from..self.recipients).find(|number| self.done & bit(*number) == 0);
        match next {
            Some(number) => self.say(now, Line::To(number), out),
            None if self.accepted != 0 => self.say(now, Line::Data, out),
            None => {
                push(out, Action::Say(Line::Quit));
                push(out, Action::Close);
                if self.is_left() { self.pause(now, out) } else { self.give_up(out) }
            }
        }
    }

    fn sent(&mut self, now: Instant, out: &mut Actions) {
        self.done |= self.accepted;
        report(out, Event::Sent);
        if self.is_left() {
            push(out, Action::Say(Line::Quit));
            push(out, Action::Close);
            return self.pause(now, out);
        }
        (self.failures, self.resume) = (0, None);
        push(out, Action::Finish);
        self.say(now, Line::Quit, out);
    }

    /// Whether somebody may still get the message.
    fn is_left(&self) -> bool {
        (0..self.recipients).any(|number| self.done & bit(number) == 0)
    }

    fn refused(&mut self, now: Instant, command: &'static str, code: u16, out: &mut Actions) {
        report(out, Event::Refused { command, code });
        push(out, Action::Say(Line::Quit));
        push(out, Action::Close);
        if code >= 500 { self.give_up(out) } else { self.pause(now, out) }
    }

    fn fail(&mut self, now: Instant, event: Event, out: &mut Actions) {
        report(out, event);
        push(out, Action::Close);
        self.pause(now, out);
    }

    fn pause(&mut self, now: Instant, out: &mut Actions) {
        self.tries = self.tries.saturating_add(1);
        let doubled = PAUSE * (1_u64 << self.failures.min(10));
        self.failures = self.failures.saturating_add(1);
        let pause = doubled.min(LONGEST_PAUSE);
        self.resume = Some(now + pause);
        if self.tries >= limit::MAIL_TRIES {
            return self.give_up(out);
        }
        report(out, Event::Again(pause));
        self.enter(State::Pausing, self.resume);
    }

    fn give_up(&mut self, out: &mut Actions) {
        report(out, Event::GivenUp);
        push(out, Action::Finish);
        self.enter(State::Idle, None);
    }

    fn part(&mut self, out: &mut Actions) {
        push(out, Action::Close);
        self.enter(State::Idle, None);
    }

    fn enter(&mut self, state: State, until: Option<Instant>) {
        (self.state, self.until) = (state, until);
    }
}

const fn bit(number: u8) -> Recipients {
    if (number as u32) < Recipients::BITS { 1 << number } else { 0 }
}

const fn word(line: Line) -> &'static str {
    match line {
        Line::Hello => "HELO",
        Line::From => "MAIL",
        Line::To(_) => "RCPT",
        Line::Data => "DATA",
        Line::Text => "BODY",
        Line::Quit => "QUIT",
    }
}

fn report(out: &mut Actions, event: Event) {
    push(out, Action::Report(event));
}

fn push(out: &mut Actions, action: Action) {
    // A test counts the longest step.
    let _ = out.push(action);
}

#[cfg(test)]
mod tests;

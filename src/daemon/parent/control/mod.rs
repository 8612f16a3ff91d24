//! The control socket: whoever may asks what runs, and says what is to happen.
//!
//! Served by the loop of the parent, which sends no adverts, and never waits: clients are few, each with a bounded request,
//! a bounded time and a buffer that is the kernel's. What only a child knows is asked of it, one question at a time, and
//! written by it into a memory file, which goes to the client however slowly that one reads. Root and the owner of the
//! daemon may ask everything, the group of the socket what changes nothing and shows no secret, others nothing.
//!
//! Over HTTP, at a port that a keyword opens, monitoring reads the same in [`web`].
//!
//! [`client`] is a connection, [`outgoing`] an answer on its way, [`question`] what the children are asked; here is who is
//! served when.

mod client;
mod difference;
mod events;
mod levels;
mod manual;
mod outgoing;
mod question;
mod reload;
#[cfg(feature = "snmp")]
mod rows;
mod web;

use core::net::SocketAddr;
use std::os::fd::AsRawFd;

use client::{Client, Next, State};
use outgoing::Outgoing;
use question::Asking;

use super::program::{ControlSocket, Program};
use super::{KINDS, Parent, text};
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::daemon::ipc::Question;
use crate::daemon::log;
use crate::daemon::manual::Changes;
use crate::daemon::moment::Moment;
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::token::{Registration, SourceId};
use crate::sys::clock::{self, Wall};
use crate::sys::local::{Listener, PortListener, Stream};
use crate::sys::{process, user};
use crate::wire::control::{self, Outcome, Verb};

/// The kinds of the sources: the socket, and a client.
pub(super) const LISTENER: u8 = 2;
pub(super) const CLIENT: u8 = 3;
/// The monitoring port.
pub(super) const PORT: u8 = 4;
/// The deadline of the client or the question whose time is over first.
#[allow(clippy::cast_possible_truncation, reason = "a handful")]
pub(super) const SLOT: u32 = (3 * KINDS + 2) as u32;

/// The socket, its clients and what they wait for.
#[derive(Debug)]
pub(super) struct Control {
    settings: Option<ControlSocket>,
    listener: Option<(Listener, Registration)>,
    /// Where monitoring asks, if somewhere.
    http: Option<SocketAddr>,
    port: Option<(PortListener, Registration)>,
    /// Members of this group may look.
    group: Option<u32>,
    clients: Vec<Option<Client>>,
    asking: Option<Asking>,
    /// Changes whose time is over, which may still be made, each with what a client called its object.
    late: Vec<(Question, Option<String>)>,
    /// Since when the subagent waits for rows.
    #[cfg(feature = "snmp")]
    rows_wanted: Option<Instant>,
    /// What somebody sets over the subagent, and since when that waits.
    #[cfg(feature = "snmp")]
    change_wanted: Option<(Instant, Question)>,
    /// The number of the last question.
    number: u32,
    /// Whether the reload of now, or the last one, is going well.
    reload: bool,
    /// What came of it has not been told yet.
    reloading: bool,
    started: Wall,
    /// What was changed by hand.
    pub(super) changes: Changes,
    /// What the reload of now changes, if somebody waits for its end.
    difference: String,
    /// When the log of each process is as usual again: the children in the order of [`Kind::ALL`], the parent.
    levels: [Option<Instant>; KINDS + 1],
}

impl Default for Control {
    fn default() -> Self {
        Self {
            settings: None,
            listener: None,
            http: None,
            port: None,
            group: None,
            clients: Vec::new(),
            asking: None,
            late: Vec::new(),
            #[cfg(feature = "snmp")]
            rows_wanted: None,
            #[cfg(feature = "snmp")]
            change_wanted: None,
            number: 0,
            reload: true,
            reloading: false,
            started: clock::wall(),
            changes: Changes::default(),
            difference: String::new(),
            levels: [None; KINDS + 1],
        }
    }
}

/// Connections that are looked at in one turn.
const ACCEPTED_PER_TURN: usize = 32;
/// Steps with one client in one turn.
const STEPS_PER_TURN: usize = 8;
/// How long a client may be connected and ask nothing.
const IDLE: Span = Span::from_secs(60);
/// How long a request may take to arrive, and a piece of the answer to be read.
const PATIENCE: Span = Span::from_secs(5);
/// How long a reload may take until a client is told that it is still under way.
const RELOAD: Span = Span::from_secs(120);
/// From when on a client that does not read its answer makes room for one that asks. One that does takes what there is
/// within milliseconds.
const STUCK: Span = Span::from_millis(100);

impl<P: Program> Parent<'_, P> {
    /// Opens the socket where it is configured now, if that is not where it is.
    pub(super) fn open_control(&mut self, turn: &mut Turn<'_>) {
        self.open_port(turn);
        if self.control.settings == self.settings.control {
            return;
        }
        self.control.settings.clone_from(&self.settings.control);
        self.close_listener(turn);
        let Some(settings) = &self.control.settings else { return };
        let path = settings.path.display();
        self.control.group = settings.group.as_deref().and_then(|name| user::group(name).ok().flatten());
        if let Some(name) = &settings.group
            && self.control.group.is_none()
        {
            log::warn!("Unknown group {name} - the control socket is for the owner of the daemon alone");
        }
        let opened = Listener::new(&settings.path, settings.mode, self.control.group).and_then(|listener| {
            let source = SourceId { kind: LISTENER, index: 0 };
            let registration = turn.register(listener.as_raw_fd(), source, Interest::Read)?;
            Ok((listener, registration))
        });
        match opened {
            Ok(listener) => self.control.listener = Some(listener),
            Err(error) => log::warn!("Unable to listen on the control socket {path}: {error}"),
        }
    }

    fn close_listener(&mut self, turn: &mut Turn<'_>) {
        if let Some((listener, registration)) = self.control.listener.take() {
            turn.deregister(registration);
            drop(listener);
        }
    }

    /// Somebody connects.
    pub(super) fn control_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        for _ in 0..ACCEPTED_PER_TURN {
            let Some((listener, _)) = &self.control.listener else { return Again::Done };
            let Some(stream) = listener.accept() else { return Again::Done };
            // Who may not even look is told nothing, not even why.
            if let Some(operates) = self.control.judge(&stream)
                && let Some(index) = self.make_room(turn, false)
            {
                self.welcome(turn, index, stream, operates);
            }
        }
        Again::More
    }

    fn welcome(&mut self, turn: &mut Turn<'_>, index: usize, stream: Stream, operates: bool) {
        let source = SourceId { kind: CLIENT, index: u32::try_from(index).unwrap_or(u32::MAX) };
        let Ok(registration) = turn.register(stream.as_raw_fd(), source, Interest::Both) else { return };
        if let Some(place) = self.control.clients.get_mut(index) {
            *place = Some(Client::new(stream, registration, operates, turn.now()));
        }
        // What it asks may be there already, and spares it from making room for others.
        if self.client_ready(turn, index) == Again::More {
            turn.again(registration);
        }
    }

    /// A free place for a client of the monitoring port (`web`) or of the socket. Of too many of them the one that has been
    /// silent for longest makes room; the others keep their places.
    fn make_room(&mut self, turn: &mut Turn<'_>, web: bool) -> Option<usize> {
        let most = if web { limit::WEB_CLIENTS } else { limit::CONTROL_CLIENTS };
        if self.control.of(web).count() >= most {
            let index = self.control.least_wanted(turn.now(), web)?;
            self.dismiss(turn, index);
        }
        let clients = &mut self.control.clients;
        if let Some(index) = clients.iter().position(Option::is_none) {
            return Some(index);
        }
        clients.push(None);
        clients.len().checked_sub(1)
    }

    fn dismiss(&mut self, turn: &mut Turn<'_>, index: usize) {
        if let Some(client) = self.control.clients.get_mut(index).and_then(Option::take) {
            turn.deregister(client.registration);
        }
        // Nobody is left: what they needed is free.
        if self.control.clients.iter().all(Option::is_none) {
            self.control.clients = Vec::new();
        }
    }

    /// A client has sent something, has read something, or is gone.
    pub(super) fn client_ready(&mut self, turn: &mut Turn<'_>, index: usize) -> Again {
        let mut again = Again::More;
        for _ in 0..STEPS_PER_TURN {
            let client = self.control.clients.get_mut(index).and_then(Option::as_mut);
            let Some(client) = client else { return Again::Done };
            match client.step(turn.now()) {
                Next::More => {}
                Next::Wait => {
                    again = Again::Done;
                    break;
                }
                Next::Request(line) => self.serve(turn, index, &line),
                Next::Web(asked) => self.serve_page(turn, index, asked),
                Next::Refused(code) => self.refuse_page(index, code),
                Next::Gone => {
                    self.dismiss(turn, index);
                    again = Again::Done;
                    break;
                }
            }
        }
        self.arm_control(turn);
        again
    }

    /// A whole request.
    fn serve(&mut self, turn: &mut Turn<'_>, index: usize, line: &[u8]) {
        let request = match control::parse(line) {
            Ok(request) => request,
            Err(refusal) => return self.tell(index, Outcome::Unknown, text::refusal(refusal)),
        };
        let operates = |client: &Client| client.operates;
        let may = self.control.clients.get(index).and_then(Option::as_ref).is_some_and(operates);
        if (request.row.operates || request.has(control::RESET)) && !may {
            let text = format!("{}: only root and the owner of the daemon may do that\n", request.row.word);
            return self.tell(index, Outcome::Denied, text);
        }
        match request.row.verb {
            Verb::Help => self.tell(index, Outcome::Ok, text::words()),
            Verb::Version => self.tell(index, Outcome::Ok, self.opening()),
            Verb::Config => self.tell(index, Outcome::Ok, self.program.effective(&self.loaded)),
            Verb::Reload => self.reload_for(turn, index),
            Verb::LogLevel => self.set_levels(turn, index, &request),
            Verb::Events => self.tell_events(index, &request),
            Verb::Drain | Verb::Enable | Verb::Weight | Verb::Maintenance | Verb::Failover => {
                self.change_for(turn, index, &request);
            }
            Verb::Status | Verb::Stats | Verb::Json | Verb::Checkers | Verb::Why | Verb::Garp => {
                self.ask_for(turn, index, &request);
            }
        }
    }

    /// Answers a client with a text.
    fn tell(&mut self, index: usize, outcome: Outcome, text: String) {
        self.send(index, Outgoing::new(outcome, vec![outgoing::Part::Text(text.into_bytes())]));
    }

    fn send(&mut self, index: usize, outgoing: Outgoing) {
        if let Some(client) = self.control.clients.get_mut(index).and_then(Option::as_mut) {
            client.state = State::Writing(outgoing);
        }
    }

    /// Which program answers, and when.
    fn opening(&self) -> String {
        let (name, version) = (crate::daemon::cli::TITLE, crate::daemon::cli::VERSION);
        let (now, since) = (Moment(clock::wall()), Moment(self.control.started));
        format!("{name} {version}, process {} since {since}, at {now}\n", process::own())
    }

    /// The time of a client or of a question is over.
    pub(super) fn control_due(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now();
        if self.control.asking.as_ref().is_some_and(|asking| asking.until <= now) {
            self.finish_question(turn);
        }
        self.end_levels(now);
        for index in 0..self.control.clients.len() {
            let client = self.control.clients.get(index).and_then(Option::as_ref);
            match client.and_then(Client::until) {
                Some(until) if until > now => {}
                Some(_) if client.is_some_and(|client| matches!(client.state, State::Reloads)) => {
                    self.reload_is_long(turn, index);
                }
                Some(_) => self.dismiss(turn, index),
                None => {}
            }
        }
        self.arm_control(turn);
    }

    fn arm_control(&self, turn: &mut Turn<'_>) {
        let clients = self.control.clients.iter().flatten().filter_map(Client::until);
        let asking = self.control.asking.as_ref().map(|asking| asking.until);
        let levels = self.control.levels.iter().flatten().copied();
        turn.set_deadline(SLOT, clients.chain(asking).chain(levels).min());
    }

    /// Has a client served that waited: its answer is there.
    fn wake(&self, turn: &mut Turn<'_>, index: usize) {
        if let Some(client) = self.control.clients.get(index).and_then(Option::as_ref) {
            turn.again(client.registration);
        }
    }

    /// The end of the daemon: nobody is answered any more.
    pub(super) fn close_control(&mut self, turn: &mut Turn<'_>) {
        self.close_listener(turn);
        self.close_port(turn);
        for index in 0..self.control.clients.len() {
            self.dismiss(turn, index);
        }
        self.control.asking = None;
        self.arm_control(turn);
    }
}

impl Control {
    /// Whether the other end may operate the daemon; none: it may not even look.
    fn judge(&self, stream: &Stream) -> Option<bool> {
        let peer = stream.peer().ok()?;
        if peer.uid == 0 || peer.uid == user::own() {
            return Some(true);
        }
        stream.is_in_group(self.group?).then_some(false)
    }

    /// The clients of the monitoring port or of the socket, with their places.
    fn of(&self, web: bool) -> impl Iterator<Item = (usize, &Client)> {
        let clients = self.clients.iter().enumerate();
        let clients = clients.filter_map(|(index, client)| Some((index, client.as_ref()?)));
        clients.filter(move |(_, client)| client.web.is_some() == web)
    }

    /// The client that makes room for another one of its kind.
    fn least_wanted(&self, now: Instant, web: bool) -> Option<usize> {
        let silent = self.of(web).filter(|(_, client)| matches!(client.state, State::Reading));
        let stuck = self.of(web).filter(|(_, client)| {
            matches!(client.state, State::Writing(_)) && now.since(client.since) >= STUCK
        });
        let oldest = silent.min_by_key(|(_, client)| client.since);
        oldest.or_else(|| stuck.min_by_key(|(_, client)| client.since)).map(|(index, _)| index)
    }
}

//! The BFD child at work: its parts composed, one method for each thing that can happen.

#[cfg(feature = "status")]
mod answer;
mod packets;
mod reload;
mod start;
mod status;

use std::os::fd::OwnedFd;
use std::sync::Arc;

pub use start::{Context, run};

use crate::base::exit::Exit;
use crate::base::id::BfdId;
use crate::base::limit;
use crate::base::time::Span;
use crate::bfdd::discards::Discards;
use crate::bfdd::kind;
use crate::bfdd::links::Links;
use crate::bfdd::report::{self, may};
use crate::bfdd::sessions::Sessions;
use crate::bfdd::sockets::Sockets;
use crate::child::bracket;
use crate::child::kept::Kept;
use crate::child::peer::{Peer, SESSION_DOWN, SESSION_UP};
use crate::child::role::Role;
use crate::config::Model;
use crate::daemon::ipc::ObjectState;
use crate::daemon::kind::Kind;
use crate::daemon::reactor::{Again, Command, Counters, Process, Turn};
use crate::daemon::record;
use crate::daemon::token::SourceId;
use crate::proto::bfd::session::Input;
use crate::sys::clock;
use crate::sys::process::{Ended, Pid};
use crate::sys::udp::ReceiveBatch;
use crate::wire::bfd::State;

use status::Status;

/// The BFD child: its parts, and of the model in force what it uses.
pub struct Bfd {
    model: Arc<Model>,
    sessions: Sessions,
    sockets: Sockets,
    links: Links,
    /// None while its packets are handed on.
    inbox: Option<ReceiveBatch>,
    /// Packets that no session took.
    discards: Discards,
    /// Other children, which are sent the states of sessions.
    vrrp: Peer,
    checkers: Peer,
    /// What outlives this process.
    kept: Kept,
    process: Role,
    /// The data dump.
    status: Status,
    /// So many stalls of the loop have been logged.
    stalls: u64,
    /// What a client of the control socket asked, and its answer.
    #[cfg(feature = "status")]
    pieces: crate::status::file::Pieces,
}

/// The deadlines behind those of the sessions.
const FURTHER_SLOTS: usize = 2;

impl Bfd {
    /// The slot of the second after which sockets that could not be opened are tried again; those before it are the
    /// deadlines of the sessions.
    fn retry_slot(&self) -> u32 {
        BfdId::at(self.sessions.all.len()).0
    }

    /// The slot of the data dump that is being written.
    fn status_slot(&self) -> u32 {
        self.retry_slot().saturating_add(1)
    }

    /// How many deadlines there are.
    fn slots(&self) -> usize {
        self.sessions.all.len() + FURTHER_SLOTS
    }

    /// Opens the sockets and the monitor that are wanted and not open.
    fn open_sockets(&mut self, turn: &mut Turn<'_>) {
        let complete = self.links.open(turn, &mut self.sessions) & self.sockets.open(turn);
        let at = (!complete).then(|| turn.now() + limit::KERNEL_RETRY);
        turn.set_deadline(self.retry_slot(), at);
    }

    /// Sends the other children whether a session is up.
    fn send_state(&mut self, id: BfdId) {
        let Some(live) = self.sessions.get_mut(id) else { return };
        let state = if live.machine.state() == State::Up { SESSION_UP } else { SESSION_DOWN };
        // The time at which it happened, for who wants to know how long the word took.
        let [a, b, c, d, ..] = clock::now().as_micros().to_le_bytes();
        let key = record::key(&live.config.name);
        let object = ObjectState { key, state, value: u32::from_le_bytes([a, b, c, d]) };
        // There is room for each session.
        if live.config.vrrp {
            let _ = self.vrrp.send(object);
        }
        if live.config.checker {
            let _ = self.checkers.send(object);
        }
    }

    fn connect(&mut self, turn: &mut Turn<'_>, kind: Kind, fd: OwnedFd) {
        let peer = match kind {
            Kind::Vrrp => &mut self.vrrp,
            Kind::Checkers => &mut self.checkers,
            Kind::Bfd | Kind::Snmp => return,
        };
        if let Err(error) = peer.connect(turn, fd) {
            report::kernel_failed("the channel to another child", &error);
        }
    }

    /// Tells every peer that the sessions end on purpose, so that it need not wait for its detection time.
    fn stop(&mut self, turn: &mut Turn<'_>) {
        if !self.process.begin_stop(turn) {
            return;
        }
        for id in self.sessions.ids() {
            self.drive(turn, id, Input::Disable);
        }
        self.flush();
        turn.stop(Exit::Ok);
    }
}

impl Process for Bfd {
    fn ready(&mut self, turn: &mut Turn<'_>, source: SourceId) -> Again {
        match source.kind {
            kind::LISTENER => self.receive(turn, source.index),
            kind::LINKS => self.links.hear(&mut self.sessions),
            // Nothing that they say matters here.
            kind::VRRP => self.vrrp.ready(turn, &mut |_| ()),
            kind::CHECKERS => self.checkers.ready(turn, &mut |_| ()),
            _ => Again::Done,
        }
    }

    fn expired(&mut self, turn: &mut Turn<'_>, slot: u32) {
        if self.process.stopping {
            return;
        }
        if slot == self.retry_slot() {
            self.open_sockets(turn);
        } else if slot == self.status_slot() {
            self.write_status(turn);
        } else {
            self.drive(turn, BfdId(slot), Input::Timeout);
        }
    }

    fn command(&mut self, turn: &mut Turn<'_>, command: Command) {
        match command {
            Command::Text(number, fd) => bracket::read_ahead(self, turn, number, fd),
            Command::Refused(number) => self.process.text.refuse(number),
            Command::Reload(number, fd) => bracket::begin_reload_from(self, turn, number, fd),
            Command::Peer(kind, fd) => self.connect(turn, kind, fd),
            Command::DumpData => self.dump_data(turn),
            // As with keepalived there are no statistics and no JSON of sessions.
            Command::DumpStats { .. } | Command::DumpJson => {}
            #[cfg(feature = "status")]
            Command::Ask(question, fd) => self.answer_client(turn, question, fd),
            // That is for the subagent.
            #[cfg(feature = "snmp")]
            Command::Rows(..)
            | Command::Happened(..)
            | Command::Changed(..)
            | Command::AdvertRefused(_)
            | Command::Ends => {}
            Command::Stop | Command::ParentGone => self.stop(turn),
        }
    }

    fn work(&mut self, turn: &mut Turn<'_>) -> Again {
        bracket::work_on_reload(self, turn)
    }

    /// No script runs for a session.
    fn ended(&mut self, _: &mut Turn<'_>, _: Pid, _: Ended) {}

    fn turn_end(&mut self, turn: &mut Turn<'_>) {
        self.flush();
        self.vrrp.flush();
        self.checkers.flush();
        self.kept.keep.beat(turn.now());
        let Counters { stalls, stall, .. } = turn.counters();
        if core::mem::replace(&mut self.stalls, stalls) != stalls
            && self.sessions.shortest_detection().is_some_and(|detection| stall >= detection)
            && may(&mut self.process.lines, turn.now())
        {
            report::stalled(stall);
        }
    }

    /// After a longer pause what was heard meanwhile counts first: nobody is lost whose packets wait.
    fn stall_threshold(&self) -> Span {
        self.sessions.shortest
    }
}

impl bracket::Child for Bfd {
    fn role(&mut self) -> &mut Role {
        &mut self.process
    }
}

//! The subagent at work: its parts composed, one method for each thing that can happen.

mod reload;
mod start;

use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

pub use start::{Context, run};

use super::connection::{Connection, Gone, Place};
use super::notices::{self, Happening, Notices};
use super::rows::Rows;
use super::setting::{Setting, Work};
use super::{answer, report};
use crate::base::bytes::Writer;
use crate::base::exit::Exit;
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::child::bracket;
use crate::child::role::Role;
use crate::config::Model;
use crate::daemon::ipc::{self, ToParent};
use crate::daemon::reactor::{Again, Command, Interest, Process, Turn};
use crate::daemon::token::{Registration, SourceId};
use crate::proto::agentx::{Action, Actions, Input, Request, Session};
use crate::status::mib::{TREES, global};
use crate::sys::process::{Ended, Pid};
use crate::wire::agentx::value::Oid;
use crate::wire::agentx::{self, Header, Kind, Pdu};

/// The subagent: its parts, and of the model in force what it uses.
pub struct Subagent {
    model: Arc<Model>,
    options: Options,
    session: Session,
    trees: u8,
    connection: Option<(Connection, Registration)>,
    /// The agent has gone, or does not read, which the session is told when it is done with what it does.
    gone: bool,
    rows: Rows,
    freshness: Freshness,
    notices: Notices,
    setting: Setting,
    /// A child is silent, and that was told.
    silent: bool,
    /// Hundredths of a second that the agent ran when it said so, and when that was.
    uptime: (u32, Instant),
    /// Octets of what is being answered.
    draft: Vec<u8>,
    process: Role,
}

/// What the command line says.
struct Options {
    /// Every object is wanted.
    all: bool,
    /// Where the agent listens; stronger than the configuration.
    socket: Option<String>,
}

/// How old the rows are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Freshness {
    /// There are none that could be used.
    None,
    /// The parent was asked, and is waited for until then.
    Asked(Instant),
    /// They are all there, or a child was silent, since then.
    Since(Instant, bool),
}

/// The slots of deadlines: the session's, that of the rows, and that of what is being set.
const SESSION: u32 = 0;
const ROWS: u32 = 1;
const SETTING: u32 = 2;
const SLOTS: usize = 3;

/// For so long rows serve: those who walk a table see one moment, or a few.
const FRESH: Span = Span::from_millis(1_000);
/// An agent asks again after a second what it was not answered. A child that answers at all has done so by then.
const PATIENCE: Span = Span::from_millis(900);
/// PDUs that are served in one turn.
const PDUS_PER_TURN: usize = 64;

impl Subagent {
    /// Something happens to the session.
    fn drive(&mut self, turn: &mut Turn<'_>, input: Input) {
        let mut out = Actions::new();
        self.session.handle(turn.now(), input, &mut out);
        self.carry_out(turn, &out);
    }

    fn carry_out(&mut self, turn: &mut Turn<'_>, actions: &Actions) {
        for action in actions {
            match *action {
                Action::Connect => self.connect(turn),
                Action::Disconnect => self.disconnect(turn),
                Action::Send(request, packet) => self.request(turn, request, packet),
                Action::Event(event) => report::event(event, self.address()),
            }
        }
        turn.set_deadline(SESSION, self.session.poll_at());
    }

    fn address(&self) -> &str {
        let configured =
            self.options.socket.as_deref().or(self.model.global.monitoring.snmp_socket.as_deref());
        configured.unwrap_or(super::connection::USUAL)
    }

    fn connect(&mut self, turn: &mut Turn<'_>) {
        let made = Connection::new(&Place::read(self.address())).and_then(|connection| {
            let source = SourceId { kind: 0, index: 0 };
            let registration = turn.register(connection.as_raw_fd(), source, Interest::Both)?;
            Ok((connection, registration))
        });
        match made {
            Ok(connection) => {
                self.connection = Some(connection);
                self.served(turn);
            }
            Err(_) => self.drive(turn, Input::Disconnected),
        }
    }

    fn disconnect(&mut self, turn: &mut Turn<'_>) {
        self.setting.clean_up();
        if let Some((connection, registration)) = self.connection.take() {
            turn.deregister(registration);
            drop(connection);
        }
    }

    /// Sends what the session needs.
    fn request(&mut self, turn: &mut Turn<'_>, request: Request, packet: u32) {
        let mut session = self.session.number().unwrap_or(0);
        let registration = |tree: u8| agentx::Registration {
            timeout: 0,
            priority: PRIORITY,
            subtree: Oid::new(TREES.get(usize::from(tree)).copied().unwrap_or_default()),
            range: None,
        };
        let (kind, pdu) = match request {
            Request::Open => {
                let description = DESCRIPTION.as_bytes();
                (Kind::Open, Pdu::Open { timeout: 0, id: Oid::default(), description })
            }
            Request::Register(tree) => (Kind::Register, Pdu::Register(registration(tree))),
            Request::Unregister(tree) => (Kind::Unregister, Pdu::Unregister(registration(tree))),
            Request::Ping => (Kind::Ping, Pdu::Ping),
            Request::Close(of, reason) => {
                session = of;
                (Kind::Close, Pdu::Close(reason))
            }
        };
        let header = Header { kind, session, transaction: 0, packet };
        let mut buffer = [0; 256];
        let mut out = Writer::new(&mut buffer);
        // The longest of them has a tenth of that.
        let _ = agentx::emit::pdu(&mut out, &header, &pdu);
        self.send(turn, out.written());
    }

    fn send(&mut self, turn: &mut Turn<'_>, octets: &[u8]) {
        if let Some((connection, registration)) = &mut self.connection
            && connection.send(octets) == Err(Gone)
        {
            // Not in the middle of the actions of the session.
            self.gone = true;
            turn.again(*registration);
        }
    }

    /// The connection is ready for something.
    fn served(&mut self, turn: &mut Turn<'_>) -> Again {
        let made = self.connection.as_ref().map(|(connection, _)| connection.is_made());
        match made {
            None => return Again::Done,
            Some(Ok(false)) => return Again::Done,
            Some(Ok(true)) if self.session.number().is_none() => self.drive(turn, Input::Connected),
            Some(Ok(true)) => {}
            Some(Err(Gone)) => self.gone = true,
        }
        for _ in 0..PDUS_PER_TURN {
            let Some((connection, _)) = &mut self.connection else { return Again::Done };
            let more = connection.flush().and_then(|()| connection.fill());
            let taken = self.take(turn);
            if core::mem::take(&mut self.gone) {
                self.drive(turn, Input::Disconnected);
                return Again::Done;
            }
            match (more, taken) {
                (_, Taken::Some) => {}
                (_, Taken::Waits) => return Again::Done,
                (Ok(false), Taken::Nothing) => return Again::Done,
                (Ok(true), Taken::Nothing) => return Again::More,
                (Err(Gone), Taken::Nothing) => {
                    self.drive(turn, Input::Disconnected);
                    return Again::Done;
                }
            }
        }
        Again::More
    }

    /// Serves the next PDU that has come.
    fn take(&mut self, turn: &mut Turn<'_>) -> Taken {
        let Some((connection, _)) = &self.connection else { return Taken::Nothing };
        let len = match agentx::frame(connection.inbox()) {
            Ok(Some(len)) if len <= connection.inbox().len() => len,
            Ok(_) => return Taken::Nothing,
            Err(_) => {
                self.drive(turn, Input::Garbled);
                return Taken::Nothing;
            }
        };
        let octets = connection.inbox().get(..len).unwrap_or_default();
        let parsed = Pdu::parse(octets);
        if let Ok((_, pdu)) = &parsed
            && answer::needs_rows(pdu)
            && !self.is_fresh(turn.now())
        {
            self.want_rows(turn);
            return Taken::Waits;
        }
        let rows = matches!(self.freshness, Freshness::Since(_, true)).then_some(&self.rows);
        let work = match &parsed {
            Ok((_, Pdu::TestSet(objects))) => Work::Over(self.setting.test(*objects, rows)),
            Ok((_, Pdu::CommitSet)) => self.setting.commit(),
            Ok((_, Pdu::UndoSet)) => self.setting.undo(),
            Ok((_, Pdu::CleanupSet)) => {
                self.setting.clean_up();
                Work::Over(None)
            }
            _ => Work::Over(None),
        };
        let set = match work {
            Work::Over(failure) => failure,
            Work::Wait => return Taken::Waits,
            Work::Ask(question) => {
                turn.set_deadline(SETTING, Some(turn.now() + PATIENCE));
                turn.report(ToParent::Change(question));
                return Taken::Waits;
            }
        };
        let mut draft = core::mem::take(&mut self.draft);
        draft.resize(limit::AGENTX_ANSWER, 0);
        let mut out = Writer::new(&mut draft);
        let mut input = Some(Input::Heard);
        match &parsed {
            Ok((header, Pdu::Response { uptime, error, .. })) => {
                self.uptime = (*uptime, turn.now());
                let (packet, session) = (header.packet, header.session);
                input = Some(Input::Response { packet, session, error: *error });
            }
            Ok((_, Pdu::Close(_))) => input = Some(Input::Closed),
            Ok((header, pdu)) => {
                let _ = answer::respond(&mut out, header, pdu, rows, set);
            }
            Err((Some(header), _)) => drop(answer::refuse(&mut out, header)),
            Err((None, _)) => input = Some(Input::Garbled),
        }
        drop(parsed);
        if let Some((connection, _)) = &mut self.connection {
            connection.consume(len);
            self.gone |= connection.send(out.written()) == Err(Gone);
        }
        self.draft = draft;
        if let Some(input) = input {
            self.drive(turn, input);
        }
        self.tell(turn);
        Taken::Some
    }

    fn is_fresh(&self, now: Instant) -> bool {
        matches!(self.freshness, Freshness::Since(since, _) if now.since(since) < FRESH)
    }

    /// Asks for rows, unless they are on their way.
    fn want_rows(&mut self, turn: &mut Turn<'_>) {
        if matches!(self.freshness, Freshness::Asked(_)) {
            return;
        }
        let until = turn.now() + PATIENCE;
        self.freshness = Freshness::Asked(until);
        turn.set_deadline(ROWS, Some(until));
        self.rows.clear();
        turn.report(ToParent::WantRows);
    }

    /// Rows of a child have come.
    fn rows_of(&mut self, turn: &mut Turn<'_>, rows: ipc::Rows, fd: Option<OwnedFd>) {
        let Freshness::Asked(_) = self.freshness else { return };
        let read = fd.map_or(Ok(()), |fd| self.rows.read(File::from(fd)));
        if rows.silent || read.is_err() {
            if !core::mem::replace(&mut self.silent, true) {
                report::silent(rows.of);
            }
            return self.rows_end(turn, false);
        }
        if rows.last {
            let mut own = String::new();
            // A String takes everything.
            let _ = global::global(&mut own, &self.model);
            self.rows.add(&own);
            let (uptime, at) = self.uptime;
            let passed = u32::try_from(turn.now().since(at).as_centis()).unwrap_or(0);
            self.rows.uptime = uptime.wrapping_add(passed);
            self.rows.settle();
            self.silent = false;
            self.rows_end(turn, true);
        }
    }

    /// Rows are there, or will not come: what waited for them goes on.
    fn rows_end(&mut self, turn: &mut Turn<'_>, whole: bool) {
        self.freshness = Freshness::Since(turn.now(), whole);
        turn.set_deadline(ROWS, None);
        self.tell(turn);
        self.go_on(turn);
    }

    /// A change that the agent wants was made, or not: what waited for it goes on. What the rows say is older.
    fn change_end(&mut self, turn: &mut Turn<'_>) {
        turn.set_deadline(SETTING, None);
        if matches!(self.freshness, Freshness::Since(..)) {
            self.freshness = Freshness::None;
        }
        self.go_on(turn);
    }

    /// Goes on with the request that waited.
    fn go_on(&mut self, turn: &mut Turn<'_>) {
        if self.served(turn) == Again::More
            && let Some((_, registration)) = &self.connection
        {
            turn.again(*registration);
        }
    }

    /// Notifies the agent of what has happened, once the rows show it.
    fn tell(&mut self, turn: &mut Turn<'_>) {
        let Some(session) = self.session.number().filter(|_| !self.notices.is_empty()) else { return };
        let Freshness::Since(_, true) = self.freshness else {
            return self.want_rows(turn);
        };
        let lost = self.notices.take_lost();
        if lost > 0 {
            report::notices_lost(lost);
        }
        while let Some(happened) = self.notices.take() {
            let mut buffer = [0; 2_048];
            let mut out = Writer::new(&mut buffer);
            let machine = &mut self.session;
            let mut packet = || machine.next_packet();
            notices::write(&mut out, session, &mut packet, &self.rows, self.trees, happened);
            self.send(turn, out.written());
        }
    }

    fn happens(&mut self, turn: &mut Turn<'_>, happening: Happening) {
        if !self.model.global.monitoring.traps || !self.notices.note(happening) {
            return;
        }
        // Rows from before do not show it.
        if matches!(self.freshness, Freshness::Since(..)) {
            self.freshness = Freshness::None;
        }
        self.tell(turn);
    }

    /// The daemon ends: the agent is notified of what ends with it. The rows are those of the last notification: what they
    /// say of names holds on, and no child is asked any more.
    fn tell_end(&mut self, turn: &mut Turn<'_>) {
        self.notices.end();
        let Some(session) = self.session.number().filter(|_| self.model.global.monitoring.traps) else {
            return;
        };
        let mut sent = 0;
        for line in 0..self.rows.len() {
            let mut buffer = [0; 2_048];
            let mut out = Writer::new(&mut buffer);
            let machine = &mut self.session;
            let mut packet = || machine.next_packet();
            notices::write_end(&mut out, session, &mut packet, (&self.rows, line), self.trees);
            if out.is_empty() {
                continue;
            }
            self.send(turn, out.written());
            sent += 1;
            // More would not fit into what the agent has not read yet.
            if sent == limit::AGENTX_NOTICES {
                break;
            }
        }
    }

    fn stop(&mut self, turn: &mut Turn<'_>) {
        if self.process.begin_stop(turn) {
            self.drive(turn, Input::Stop);
            turn.stop(Exit::Ok);
        }
    }
}

/// What came of a look at the inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// A PDU was served.
    Some,
    /// There is no whole one.
    Nothing,
    /// It waits for rows.
    Waits,
}

/// What the agent shows of this subagent.
const DESCRIPTION: &str = "keepalived";
/// The usual one.
const PRIORITY: u8 = 127;

impl Process for Subagent {
    fn ready(&mut self, turn: &mut Turn<'_>, _: SourceId) -> Again {
        self.served(turn)
    }

    fn expired(&mut self, turn: &mut Turn<'_>, slot: u32) {
        if slot == SESSION {
            self.drive(turn, Input::Timeout);
        } else if slot == SETTING {
            if self.setting.is_late() {
                self.change_end(turn);
            }
        } else if matches!(self.freshness, Freshness::Asked(_)) {
            self.rows_end(turn, false);
        }
    }

    fn command(&mut self, turn: &mut Turn<'_>, command: Command) {
        match command {
            Command::Text(number, fd) => bracket::read_ahead(self, turn, number, fd),
            Command::Refused(number) => self.process.text.refuse(number),
            Command::Reload(number, fd) => bracket::begin_reload_from(self, turn, number, fd),
            Command::Rows(rows, fd) => self.rows_of(turn, rows, fd),
            Command::Changed(number, done) => {
                if self.setting.made(number, done) {
                    self.change_end(turn);
                }
            }
            Command::Happened(kind, record) => self.happens(turn, Happening::Entered(kind, record)),
            Command::AdvertRefused(refusal) => self.happens(turn, Happening::Refused(refusal)),
            Command::Ends => self.tell_end(turn),
            // There is nothing that they could tell of.
            Command::DumpData | Command::DumpStats { .. } | Command::DumpJson | Command::Peer(..) => {}
            Command::Ask(question, _) => {
                turn.report(ToParent::Answered(question.number, ipc::Answered::Nothing));
            }
            Command::Stop | Command::ParentGone => self.stop(turn),
        }
    }

    fn work(&mut self, turn: &mut Turn<'_>) -> Again {
        bracket::work_on_reload(self, turn)
    }

    /// No script runs here.
    fn ended(&mut self, _: &mut Turn<'_>, _: Pid, _: Ended) {}

    fn turn_end(&mut self, _: &mut Turn<'_>) {}

    fn stall_threshold(&self) -> Span {
        Span::from_secs(1)
    }
}

impl bracket::Child for Subagent {
    fn role(&mut self) -> &mut Role {
        &mut self.process
    }
}

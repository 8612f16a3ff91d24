//! The checks of the model at work: their machines, their sockets and programs.
//!
//! Equal checks run once ([`sharing`]). What a machine asks for is carried out here as far as it concerns the check
//! alone; verdicts, weights and facts go to the composition, which knows the servers that the check is for.

pub(super) mod leaving;
pub(super) mod prepared;
pub(super) mod report;
pub(super) mod sharing;
pub(super) mod transport;

#[cfg(any(feature = "tls", feature = "tls-openssl"))]
use std::rc::Rc;
use std::sync::Arc;

use leaving::Leaving;
use prepared::Prepared;
use sharing::Place;
use transport::{Transport, Unopened};

use super::kept;
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
use super::tls::Client;
use crate::base::addr::Family;
use crate::base::id::MachineId;
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::child::kept::Kept;
use crate::config::model::{Checker, Model, Probe};
use crate::daemon::keep::{Keep, Note, key};
use crate::daemon::reactor::Turn;
use crate::notify::{Command, Resolver};
use crate::proto::check::{self, Cause, Close, Input, Kind, Start};
use crate::sys::check_socket;
#[cfg(any(feature = "tls", feature = "tls-openssl"))]
use crate::sys::clock;
use crate::sys::ping_groups::PingGroups;
use crate::sys::process::Pid;
use crate::sys::user::Account;

/// All checks. A machine keeps its number for as long as it runs, through reloads.
#[derive(Default)]
pub(super) struct Checks {
    pub(super) all: Vec<Option<Check>>,
    /// How many sockets may be open at one time.
    pub(super) allowed: usize,
    /// There are enough for all checks: a socket may be kept from one attempt to the next.
    pub(super) keeps: bool,
    /// How many are open.
    open: usize,
    /// The shortest time out of a check.
    pub(super) patience: Span,
    /// Groups that may ping, if they were made more.
    pings: Option<PingGroups>,
    /// Which of them a successor finds.
    pub(super) pings_note: Note,
    /// Programs of checks that are gone.
    pub(super) leaving: Leaving,
    /// What is received; one for all checks.
    pub(super) buffer: Vec<u8>,
}

/// One check.
pub(super) struct Check {
    pub(super) machine: check::Check,
    /// Where it stands in the model: at the first of the servers that it is for.
    pub(super) place: Place,
    /// The others that it is for.
    pub(super) shared: Vec<Place>,
    /// What it does, as a number: a successor finds its note by that.
    pub(super) digest: u64,
    pub(super) note: Note,
    transport: Option<Transport>,
    /// The program of a `MISC_CHECK`.
    pub(super) program: Option<Box<Program>>,
    /// What its sessions share, if it uses TLS.
    #[cfg(any(feature = "tls", feature = "tls-openssl"))]
    client: Option<Rc<Client>>,
    /// Days until the certificate expires, as they were told last.
    #[cfg(any(feature = "tls", feature = "tls-openssl"))]
    told_days: Option<i64>,
}

/// A program that checks.
#[derive(Default)]
pub(super) struct Program {
    /// None: the program cannot run, which was told when the configuration was read.
    pub(super) command: Option<Command>,
    pub(super) pid: Option<Pid>,
}

impl Check {
    /// The check that stands at a place of a model.
    pub(super) fn new(
        now: Instant,
        model: &Model,
        place: Place,
        start: Start,
        seed: u64,
        resolver: &Resolver,
        prepared: &mut Prepared,
    ) -> Option<Self> {
        let config = place.of(model)?;
        let program = matches!(config.probe, Probe::Misc(_)).then(Box::default);
        let machine = check::Check::new(now, config.cadence.clone(), kind(config), start, seed);
        let machine = prepared.search(machine, &config.probe);
        let digest = sharing::digest_of(model, place);
        let note = Note::NONE;
        let mut check = Self {
            machine,
            place,
            shared: Vec::new(),
            digest,
            note,
            transport: None,
            program,
            #[cfg(any(feature = "tls", feature = "tls-openssl"))]
            client: None,
            #[cfg(any(feature = "tls", feature = "tls-openssl"))]
            told_days: None,
        };
        check.resolve(model, resolver, prepared);
        Some(check)
    }

    /// Makes ready what the check uses beside its socket: its program, and what TLS reads from files.
    #[cfg_attr(
        not(any(feature = "tls", feature = "tls-openssl")),
        allow(unused_variables, clippy::needless_pass_by_ref_mut, reason = "there is no TLS in this build")
    )]
    pub(super) fn resolve(&mut self, model: &Model, resolver: &Resolver, prepared: &mut Prepared) {
        #[cfg(any(feature = "tls", feature = "tls-openssl"))]
        if let Some(config) = self.place.of(model) {
            self.client = prepared.client(model, &config.probe);
        }
        if let (Some(program), Some(Probe::Misc(misc))) =
            (&mut self.program, self.place.of(model).map(|config| &config.probe))
        {
            program.command = resolver.resolve(&misc.command, "").ok();
        }
    }

    /// Every place that the check is for.
    pub(super) fn places(&self) -> impl Iterator<Item = Place> {
        core::iter::once(self.place).chain(self.shared.iter().copied())
    }

    /// The process of its program.
    pub(super) fn pid(&self) -> Option<Pid> {
        self.program.as_ref()?.pid
    }

    /// Notes for a successor what the check knows, `word` being what the director says of it.
    pub(super) fn keep(&mut self, keep: &Keep, word: u64) {
        let values = kept::values(word, &self.machine.memory());
        keep.put(&mut self.note, note_key(self.digest), values);
    }
}

/// The key of the note of a check.
pub(super) fn note_key(digest: u64) -> u64 {
    key(kept::CHECK, "") ^ digest
}

impl Checks {
    pub(super) fn get(&self, id: MachineId) -> Option<&Check> {
        self.all.get(id.index())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: MachineId) -> Option<&mut Check> {
        self.all.get_mut(id.index())?.as_mut()
    }

    /// Enters a check in the first place that is free from `at` on, which becomes that place.
    pub(super) fn insert(&mut self, at: &mut usize, check: Check) -> MachineId {
        let free = self.all.iter().skip(*at).position(Option::is_none);
        *at = free.map_or(self.all.len(), |free| at.saturating_add(free));
        match self.all.get_mut(*at) {
            Some(place) => *place = Some(check),
            None => self.all.push(Some(check)),
        }
        MachineId::at(*at)
    }

    /// Takes a check out that has ended.
    pub(super) fn remove(&mut self, turn: &mut Turn<'_>, id: MachineId) -> Option<Check> {
        let mut check = self.all.get_mut(id.index())?.take()?;
        if let Some(kept) = check.transport.take() {
            kept.close(turn, Close::Graceful, false);
            self.open = self.open.saturating_sub(1);
        }
        Some(check)
    }

    pub(super) fn transport_mut(&mut self, id: MachineId) -> Option<&mut Transport> {
        self.get_mut(id)?.transport.as_mut().filter(|transport| !transport.is_idle())
    }

    /// Makes room. For load time: allocates.
    pub(super) fn reserve(&mut self) {
        self.buffer.resize(limit::CHECK_RECEIVE, 0);
        let timeouts = self.all.iter().flatten().map(|check| check.machine.cadence().timeout);
        self.patience = timeouts.min().unwrap_or(Span::from_secs(1));
    }

    /// Lets this process ping, if a check is to. A check that may not all the same tells it.
    pub(super) fn permit_pings(&mut self, model: &Model, kept: &Kept, user: Option<Account>) {
        if let Some(left) = kept.left.of_key(key(kept::PINGS, "")).filter(|_| self.pings.is_none()) {
            let [before, given, _] = kept.keep.values(left);
            (self.pings, self.pings_note) = (Some(PingGroups::of([before, given])), left);
        }
        let pings = |check: &Check| {
            check.place.of(model).is_some_and(|config| matches!(config.probe, Probe::Ping(_)))
        };
        if self.pings.is_none() && self.all.iter().flatten().any(pings) {
            self.pings = PingGroups::permit(user.map(|user| user.gid)).ok().flatten();
            if let Some([before, given]) = self.pings.map(PingGroups::words) {
                kept.keep.put(&mut self.pings_note, key(kept::PINGS, ""), [before, given, 0]);
            }
        }
    }

    /// Takes back what this process changed for pings.
    pub(super) fn forbid_pings(&mut self) {
        if let Some(pings) = self.pings.take() {
            pings.restore();
        }
    }

    /// How many of them may have a socket open at one time.
    pub(super) fn sockets(&self, model: &Model) -> usize {
        let has_target =
            |check: &&Check| check.place.of(model).is_some_and(|one| one.probe.target().is_some());
        self.all.iter().flatten().filter(has_target).count()
    }

    /// Opens the transport that a machine asks for; what the machine is to be told at once, if anything.
    pub(super) fn open(
        &mut self,
        turn: &mut Turn<'_>,
        model: &Model,
        id: MachineId,
        transport: check::Transport,
    ) -> Option<Input<'static>> {
        let kind = match transport {
            check::Transport::Stream => check_socket::Kind::Stream,
            #[cfg(any(feature = "tls", feature = "tls-openssl"))]
            check::Transport::Tls => check_socket::Kind::Stream,
            check::Transport::Datagram => check_socket::Kind::Datagram,
            check::Transport::Ping => check_socket::Kind::Ping,
            #[cfg(not(any(feature = "tls", feature = "tls-openssl")))]
            check::Transport::Tls => return Some(Input::NotRun(Cause::Feature)),
        };
        let check = self.all.get_mut(id.index())?.as_mut()?;
        let target = check.place.of(model)?.probe.target()?;
        if let Some(mut kept) = check.transport.take_if(|kept| kept.is_idle()) {
            if kept.connect_again(turn, target).is_ok() {
                check.transport = Some(kept);
                return None;
            }
            // What is wrong a new socket tells.
            kept.close(turn, Close::Graceful, false);
            self.open = self.open.saturating_sub(1);
        }
        if self.open >= self.allowed {
            return Some(Input::NotRun(Cause::Descriptors));
        }
        #[cfg(any(feature = "tls", feature = "tls-openssl"))]
        let session = match (transport, &check.client) {
            (check::Transport::Tls, None) => return Some(Input::NotRun(Cause::Feature)),
            (check::Transport::Tls, Some(client)) => {
                let begun = client.begin(check.machine.server_name(), target.addr, clock::wall().secs);
                let Ok(session) = begun else { return Some(Input::NotRun(Cause::Memory)) };
                Some(session)
            }
            _ => None,
        };
        match Transport::open(turn, id, kind, target) {
            Ok(transport) => {
                #[cfg(any(feature = "tls", feature = "tls-openssl"))]
                let transport = transport.with_session(session);
                let connecting = transport.is_connecting();
                check.transport = Some(transport);
                self.open += 1;
                (!connecting).then_some(Input::Connected)
            }
            Err(Unopened::Failed(fault)) => Some(Input::Failed(fault)),
            Err(Unopened::NotRun(cause)) => Some(Input::NotRun(cause)),
        }
    }

    /// Sends what the machine has to say; what it is to be told, if that failed.
    pub(super) fn send(&mut self, id: MachineId) -> Option<Input<'static>> {
        let check = self.all.get_mut(id.index())?.as_mut()?;
        let mut message = [0; limit::CHECK_MESSAGE];
        let count = check.machine.message(&mut message).ok()?;
        let octets = message.get(..count)?;
        check
            .transport
            .as_mut()
            .filter(|transport| !transport.is_idle())?
            .send(octets)
            .err()
            .map(Input::Failed)
    }

    /// Days until the certificate of the server expires, if the check wants to be warned and was not yet.
    #[cfg(any(feature = "tls", feature = "tls-openssl"))]
    pub(super) fn expiry(&mut self, id: MachineId) -> Option<i64> {
        let check = self.get_mut(id)?;
        let days = check.transport.as_ref()?.expiry();
        if days == check.told_days {
            return None;
        }
        check.told_days = days;
        days
    }

    /// Closes the transport of a check, or keeps it for the next attempt while there are descriptors for all checks.
    pub(super) fn close(&mut self, turn: &mut Turn<'_>, id: MachineId, how: Close) {
        let keep = self.keeps;
        let Some(check) = self.get_mut(id) else { return };
        if let Some(transport) = check.transport.take_if(|transport| !transport.is_idle()) {
            check.transport = transport.close(turn, how, keep);
            if check.transport.is_none() {
                self.open = self.open.saturating_sub(1);
            }
        }
    }
}

/// What the machine of a check does.
fn kind(config: &Checker) -> Kind {
    match &config.probe {
        Probe::Tcp(_, params) => Kind::Tcp(*params),
        Probe::Http(target, params) | Probe::Ssl(target, params) => Kind::Http {
            params: Arc::clone(params),
            target: (target.addr, target.port),
            tls: matches!(config.probe, Probe::Ssl(..)),
        },
        Probe::Smtp(_, params) => Kind::Smtp(Arc::clone(params)),
        Probe::Dns(_, params) => Kind::Dns(Arc::clone(params)),
        Probe::Udp(_, params) => Kind::Udp(Arc::clone(params)),
        Probe::Ping(target) => Kind::Ping(Family::of(&target.addr)),
        Probe::Misc(misc) => Kind::Misc { dynamic: misc.dynamic },
        Probe::File(_, params) => Kind::File(*params),
        Probe::Bfd(_) => Kind::Bfd,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tcp_check_closes_as_its_block_says() {
        use crate::config::diag::Diagnostics;
        use crate::config::{assemble, expand};
        use crate::proto::check::tcp;

        let kind_of = |line: &str| {
            let check = format!("TCP_CHECK {{\n {line}\n }}\n");
            let text =
                format!("virtual_server 192.0.2.1 80 {{\n real_server 10.0.0.1 80 {{\n {check} }}\n }}\n");
            let mut found = Diagnostics::new();
            let model = assemble::model(&expand::parse_text(&text, &mut found).tree, &mut found);
            kind(&model.services[0].servers[0].checks[0])
        };
        assert_eq!(kind_of(""), Kind::Tcp(tcp::Params { graceful: false }));
        assert_eq!(kind_of("tcp_close reset"), Kind::Tcp(tcp::Params { graceful: false }));
        assert_eq!(kind_of("tcp_close graceful"), Kind::Tcp(tcp::Params { graceful: true }));
    }

    #[test]
    fn a_successor_puts_the_range_of_groups_that_ping_back() {
        let (keep, changed) = (Keep::new(), PingGroups::of([1 << 32, 7 << 32 | 7]));
        let [before, given] = changed.words();
        let mut note = Note::NONE;
        keep.put(&mut note, key(kept::PINGS, ""), [before, given, 0]);
        let mut checks = Checks::default();
        checks.permit_pings(&Model::default(), &Kept::new(keep.clone(), Some(Instant::from_micros(1))), None);
        assert_eq!((checks.pings, checks.pings_note), (Some(changed), note));
        let mut first = Checks::default();
        first.permit_pings(&Model::default(), &Kept::new(keep, None), None);
        assert_eq!((first.pings, first.pings_note), (None, Note::NONE));
    }
}

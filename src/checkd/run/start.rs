//! The checker child's start: what a predecessor left is taken up, the table is made, every check begins.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::facts::{Facts, log};
use super::manual::ByHand;
use super::status::Status;
use super::{Checkers, Lvs, Peers};
use crate::base::exit::Exit;
use crate::base::id::{MachineId, ServiceId};
use crate::base::limit;
use crate::base::time::Instant;
use crate::checkd::checks::prepared::Prepared;
use crate::checkd::checks::sharing::{Definitions, Place, digest_of, places};
use crate::checkd::checks::{Check, Checks, note_key};
use crate::checkd::kept::{self, memory};
use crate::checkd::ledger::Ledger;
use crate::checkd::marking::Marking;
use crate::checkd::notifies::{self, Notifies, Scripted, State};
use crate::checkd::services::{Named, Places, marks, real_spec};
use crate::checkd::slots::{Layout, Slot};
use crate::checkd::suspend::Addresses;
use crate::checkd::sync::Sync;
use crate::checkd::table::Table;
use crate::checkd::unusable::remove_checks;
use crate::checkd::{kind, report};
use crate::child::bracket;
use crate::child::files::Files;
use crate::child::kept::Kept;
use crate::child::peer::Peer;
use crate::child::role::Role;
use crate::config::Model;
use crate::config::model::global::Flush;
use crate::daemon::ipc::ToParent;
use crate::daemon::keep::{Keep, Note};
use crate::daemon::kind::Kind;
use crate::daemon::log::together;
use crate::daemon::manual::Change;
use crate::daemon::reactor::{Reactor, Turn};
use crate::daemon::token::SourceId;
use crate::daemon::tuning::Tuner;
use crate::notify::Resolver;
use crate::proto::check::{Input, Start};
use crate::proto::lvs::{Director, Look, Marks, Stop};
use crate::sys::channel::Channel;
use crate::sys::{clock, descriptors, file};

/// What a new checker child finds.
pub struct Context {
    /// The channel to the parent.
    pub channel: Channel,
    /// What the child before it noted, and where this one does.
    pub keep: Keep,
    /// What an administrator has changed.
    pub changes: Vec<Change>,
    /// When the child before it died; none for the first one.
    pub died: Option<Instant>,
    /// Its pid file.
    pub pid_file: PathBuf,
    /// Leave the table as it is when stopping (`-I`).
    pub keep_on_stop: bool,
    /// Write the data dump to the log once everything runs (`-d`).
    pub dump: bool,
    /// How this process is run.
    pub tuner: Tuner,
    /// Where it is written which entries of the table are ours.
    pub ledger: PathBuf,
}

/// Runs the child until it is told to stop.
pub fn run(model: Arc<Model>, context: Context) -> Exit {
    bracket::run(|| start(model, context))
}

/// Takes away what a child that had to be killed left in the kernel: its entries of the table, and the sync daemon.
pub fn clean(model: &Model, ledger: &Path) -> Exit {
    let (places, mut director, mut table) = (Places::new(model), Director::default(), Table::new(model));
    fill(&mut director, model, &places);
    if !table.open(false) {
        return Exit::Ok;
    }
    let ledger = Ledger::new(ledger.to_owned());
    let tables = ledger.recall(&mut director);
    let now = clock::now();
    let services = || (0..model.services.len()).map(ServiceId::at);
    let all = model.global.lvs.flush_on_stop == Some(Flush::All);
    if all {
        table.flush();
    }
    services().for_each(|id| director.start(id, &mut |_| ()));
    table.look(now, &mut director, (Look::Resume, usize::MAX), &mut |_| ());
    services().for_each(|id| director.stop(id, Stop::Remove, &mut |_| ()));
    table.settle(now, (&mut director, usize::MAX), &mut || (), &mut |fact| log(model, &places, &fact));
    let mut sync = Sync::default();
    sync.load(model);
    if let Some(ipvs) = &mut table.ipvs {
        sync.adopt(ipvs);
        sync.stop(ipvs);
    }
    if let Some(name) = tables {
        let mut marking = Marking::default();
        marking.load(model, Vec::new());
        marking.remove_left(&name);
    }
    ledger.remove();
    Exit::Ok
}

/// Groups of a model have the marks that they had under a predecessor.
fn resume_marks(marks: &mut Marks, model: &Model, places: &Places, kept: &Kept) {
    for (service, position) in model.services.iter().zip(0..) {
        let identity = kept::service_key(service, places.order(position), None);
        let Some(note) = kept.left.of_key(kept::quorum_key(identity)) else { continue };
        let [_, mark, _] = kept.keep.values(note);
        if let Some(mark) = u32::try_from(mark).ok().filter(|mark| *mark != 0) {
            marks.resume(identity, mark);
        }
    }
}

/// Gives the director the services of a model.
pub(super) fn fill(director: &mut Director, model: &Model, places: &Places) {
    for id in (0..model.services.len()).map(ServiceId::at) {
        let Some(named) = Named::of(model, places, id) else { continue };
        director.add_service(&named.spec(model));
        for server in &named.service.servers {
            director.add_real(&real_spec(server));
            for check in &server.checks {
                director.add_check(check.cadence.alpha);
            }
        }
    }
    director.seal();
}

pub(super) fn start(mut model: Arc<Model>, context: Context) -> io::Result<(Reactor, Checkers)> {
    // Nobody else has it: this process has just been made.
    if let Some(model) = Arc::get_mut(&mut model) {
        let resolver = Resolver::new(&model.global);
        remove_checks(model, &resolver);
    }
    let Context { channel, keep, changes, died, pid_file, keep_on_stop, dump, tuner, ledger } = context;
    let mut reactor = Reactor::new(Layout::default().len(), Some(channel))?;
    let kept = Kept::new(keep, died);
    let mut places = Places::new(&model);
    let mut marks = marks(&model, &places, None);
    resume_marks(&mut marks, &model, &places, &kept);
    places.give_marks(&model, &mut marks);
    let mut director = Director::default();
    fill(&mut director, &model, &places);
    let by_hand = ByHand::new(changes);
    by_hand.weigh(&mut director, &model, &places);
    let source = |kind| SourceId { kind, index: 0 };
    let mut checkers = Checkers {
        lvs: Lvs {
            director,
            places,
            marks,
            marking: Marking::default(),
            table: Table::new(&model),
            sync: Sync::default(),
            facts: Facts::default(),
            gives_up: false,
            notes: vec![Note::NONE; model.services.len()],
            by_hand,
            ledger: Ledger::new(ledger),
        },
        checks: Checks::default(),
        addresses: Addresses::default(),
        files: Files::default(),
        notifies: Notifies::new(notifies::no_alerts())?,
        scripted: Vec::new(),
        peers: Peers {
            vrrp: Peer::new(source(kind::VRRP)),
            bfd: Peer::new(source(kind::BFD)),
            sessions: Vec::new(),
        },
        status: Status::default(),
        kept,
        layout: Layout::default(),
        process: Role { tuner, keep_on_stop, pid_file, ..Role::new(Kind::Checkers) },
        model,
    };
    let mut turn = reactor.turn();
    checkers.begin(&mut turn, died);
    if dump {
        checkers.log_data(&turn);
    }
    checkers.process.tuner.run(&mut turn);
    turn.report(ToParent::Ready);
    Ok((reactor, checkers))
}

impl Checkers {
    fn begin(&mut self, turn: &mut Turn<'_>, died: Option<Instant>) {
        let resolver = Resolver::new(&self.model.global);
        self.make_checks(turn, &resolver);
        self.scripted = Scripted::all(&self.model, &self.lvs.places, &resolver);
        self.notifies.alerts.inherit_fifos(&self.kept);
        self.make_room(turn);
        self.load_alerts(turn, &resolver);
        self.resume_mail(turn);
        self.lvs.sync.load(&self.model);
        report::initializing(false);
        self.begin_services(died);
        let tables = self.lvs.ledger.recall(&mut self.lvs.director);
        self.load_marking();
        self.lvs.table.open(true);
        if self.model.global.lvs.flush && died.is_none() {
            self.lvs.director.flush();
        }
        let marking = tables.as_deref().or(self.lvs.marking.name());
        self.lvs.ledger.write(&self.lvs.director, marking);
        let gives_up = self.lvs.director.gives_up() || tables.is_some();
        self.begin_table(turn, if died.is_some() { Look::Resume } else { Look::Start });
        if gives_up {
            self.write_ledger();
        }
        if let Some(name) = tables {
            self.lvs.marking.remove_left(&name);
        }
        self.settle_marking(turn);
        self.arm_table(turn);
        if self.model.global.lvs.init_notifies && died.is_none() {
            self.tell_initial(turn);
        }
        self.load_files(turn, died.is_none());
        self.load_addresses(turn);
        self.begin_checks(turn, |_| true);
        // What files say of servers does not wait for the end of the first turn, before which the loop sleeps.
        self.settle_all(turn);
        self.retain_notes();
        self.status.load(&self.model);
    }

    /// Makes a machine for each definition of a check; each goes on where a predecessor was, if there was one.
    fn make_checks(&mut self, turn: &mut Turn<'_>, resolver: &Resolver) {
        let (model, now) = (Arc::clone(&self.model), turn.now());
        let (mut definitions, share) = (Definitions::default(), !model.global.lvs.no_shared_checks);
        let mut prepared = Prepared::default();
        for place in places(&model) {
            let known = definitions.find(&model, (place, &model), &mut |_| share);
            if let Some(check) = known.and_then(|id| self.checks.get_mut(id)) {
                check.shared.push(place);
                continue;
            }
            // Equal checks that run each by itself have a note each.
            let left = self.kept.left.take(note_key(digest_of(&model, place)));
            let start = left.map_or(Start::Fresh, |note| Start::Known(memory(self.kept.keep.values(note))));
            let made = Check::new(now, &model, place, start, file::random(), resolver, &mut prepared);
            let Some(mut check) = made else { continue };
            check.note = left.unwrap_or(Note::NONE);
            definitions.enter(&model, place, MachineId::at(self.checks.all.len()));
            self.checks.all.push(Some(check));
            turn.answer_hellos();
        }
        for check in self.checks.all.iter().flatten().filter(|check| check.note != Note::NONE) {
            let [word, ..] = self.kept.keep.values(check.note);
            for Place { service, server, checker } in check.places() {
                let id = self.lvs.places.check(service, server, checker);
                self.lvs.director.resume_check(id, word);
            }
        }
    }

    /// Every service begins, or goes on where a predecessor was.
    fn begin_services(&mut self, died: Option<Instant>) {
        for id in (0..self.model.services.len()).map(ServiceId::at) {
            let Some(service) = self.model.services.get(id.index()) else { continue };
            let key = kept::service_key(service, self.lvs.places.order(id.0), None);
            let left = self.kept.left.of_key(kept::quorum_key(key)).filter(|_| died.is_some());
            let lvs = &mut self.lvs;
            let facts = &mut lvs.facts;
            let mut tell = |fact| facts.push(fact, None);
            match left {
                Some(note) => {
                    let [word, ..] = self.kept.keep.values(note);
                    if let Some(place) = lvs.notes.get_mut(id.index()) {
                        *place = note;
                    }
                    lvs.director.resume_service(id, word, &mut tell);
                }
                None => lvs.director.start(id, &mut tell),
            }
        }
    }

    /// The real servers are told as they are at the start (`rs_init_notifies`).
    fn tell_initial(&mut self, turn: &mut Turn<'_>) {
        for service in (0..self.model.services.len()).map(ServiceId::at) {
            for real in self.lvs.director.reals(service) {
                let up = self.lvs.director.real(real).is_some_and(|view| view.up);
                self.tell_server(turn, real, State::of(up), None);
            }
        }
    }

    /// Room for everything that happens at work, and a slot for each deadline. For load time: allocates.
    pub(super) fn make_room(&mut self, turn: &mut Turn<'_>) {
        let retry = turn.deadline(self.layout.number(Slot::Retry));
        for slot in 0..u32::try_from(self.layout.len()).unwrap_or(0) {
            turn.set_deadline(slot, None);
        }
        let files = self.model.files.len();
        self.layout = Layout::new(self.checks.all.len(), self.scripted.len(), files);
        turn.resize_deadlines(self.layout.len());
        turn.set_deadline(self.layout.number(Slot::Retry), retry);
        self.checks.reserve();
        self.checks.permit_pings(&self.model, &self.kept, self.process.tuner.user());
        let shared = self.checks.all.iter().flatten().map(|check| check.shared.len() + 1).max();
        self.lvs.facts.reserve(shared.unwrap_or(0));
        let programs = self.checks.all.iter().flatten().filter(|check| check.program.is_some()).count();
        self.notifies.reserve(self.scripted.len(), programs);
        self.peers.sessions.reserve(self.model.bfds.len());
        let sockets = self.checks.sockets(&self.model);
        turn.reserve_more_sources(sockets);
        self.allow_descriptors(sockets);
    }

    fn allow_descriptors(&mut self, sockets: usize) {
        let needed = sockets + limit::OTHER_DESCRIPTORS;
        match descriptors::allow(needed as u64) {
            Ok(allowed) => {
                let allowed = usize::try_from(allowed).unwrap_or(usize::MAX);
                let for_checks = allowed.saturating_sub(limit::OTHER_DESCRIPTORS);
                if for_checks < sockets {
                    report::few_descriptors(sockets, for_checks);
                }
                self.checks.allowed = for_checks;
                self.checks.keeps = for_checks >= sockets;
            }
            Err(error) => {
                report::kernel_failed("the limit of descriptors", &error);
                self.checks.allowed = sockets;
                self.checks.keeps = false;
            }
        }
    }

    /// Those of the checks begin that are to: they are told, suspended if their address is not there, and armed.
    pub(super) fn begin_checks(&mut self, turn: &mut Turn<'_>, begins: impl Fn(MachineId) -> bool) {
        let _lines = together();
        for id in self.machines() {
            if self.checks.get(id).is_none() {
                continue;
            }
            let active = self.is_active(id);
            if begins(id) {
                self.tell_activation(id, active);
            }
            if let Some(check) = self.checks.get(id) {
                if check.machine.is_suspended() == active {
                    let input = if active { Input::Resume } else { Input::Suspend };
                    self.drive(turn, id, input);
                } else {
                    turn.set_deadline(self.layout.number(Slot::Check(id)), check.machine.poll_at());
                    self.keep_check(id, true);
                }
            }
            self.tell_number(turn, id);
            turn.answer_hellos();
        }
    }

    fn tell_activation(&self, id: MachineId, active: bool) {
        let Some(check) = self.checks.get(id) else { return };
        for place in check.places() {
            let named = Named::of(&self.model, &self.lvs.places, ServiceId(place.service));
            let Some(named) = named else { continue };
            if let Some(server) = named.service.servers.get(place.server as usize) {
                report::activating(named.server_name(server), named.name(), active);
            }
        }
    }

    /// Everything that is still wanted has been taken up: other notes are forgotten. For load time: allocates.
    pub(super) fn retain_notes(&mut self) {
        let mut notes: Vec<Note> = self.checks.all.iter().flatten().map(|check| check.note).collect();
        notes.extend_from_slice(&self.lvs.notes);
        notes.push(self.checks.pings_note);
        notes.extend(self.notifies.alerts.notes());
        self.kept.retain(notes);
    }
}

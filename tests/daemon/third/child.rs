//! A child of a protocol of its own, built from `child` without a line of `vrrpd`.
//!
//! As the checker child it runs the script named `check` every [`TICK`], and its one object is up or down by the exit
//! code; a change is told to the FIFO and to the script named `notify`. As the BFD child it runs nothing. Each of the
//! two tells the other one the state of its object, and writes what happens into its diary.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use keepalived::base::exit::Exit;
use keepalived::base::time::Span;
use keepalived::child::alerts::{Alerts, Places};
use keepalived::child::bracket::{self, Child, begin_reload, end_reload};
use keepalived::child::kept::Kept;
use keepalived::child::notifies::{self, Notifies};
use keepalived::child::peer::{Heard, Peer};
use keepalived::child::reading::{Reading, Step};
use keepalived::child::report;
use keepalived::child::role::{Role, patience};
use keepalived::child::scripts;
use keepalived::child::status::{self, Report};
use keepalived::config::Model;
use keepalived::daemon::ipc::{ObjectState, ToParent, ToPeer};
use keepalived::daemon::keep::{self, Note};
use keepalived::daemon::parent::{Kind, Start};
use keepalived::daemon::reactor::{Again, Command, Process, Reactor, Turn};
use keepalived::daemon::record::{self, Record};
use keepalived::daemon::token::SourceId;
use keepalived::notify::fifo::Wanted;
use keepalived::notify::mail::{Place, Settings};
use keepalived::notify::{self, Job, Notifier, Resolver, Subject};
use keepalived::status::file;
use keepalived::sys::process::{Ended, Pid};
use keepalived::sys::script::{Refused, Words};

const TICK: Span = Span::from_millis(40);

pub(crate) const DOWN: u8 = 1;
pub(crate) const UP: u8 = 2;

// Deadlines.
const CHECK: u32 = 0;
const NOTIFY: u32 = 1;
const RETIRED: u32 = 2;
const FIFOS: u32 = 3;
const MAIL: u32 = 4;
const STOP: u32 = 5;
const SLOTS: usize = 6;

// Sources.
const FIFO: u8 = 16;
const CONNECTION: u8 = 17;
const LOOKUP: u8 = 18;
const PEER: u8 = 19;

const PLACES: Places = Places {
    fifos: FIFOS,
    mail: Place {
        connection: SourceId { kind: CONNECTION, index: 0 },
        lookup: SourceId { kind: LOOKUP, index: 0 },
        slot: MAIL,
    },
};

/// The one object that has a notify script, and what else scripts run for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Object;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Check;
type Purpose = scripts::Purpose<Object, Check>;

/// The object is in another state.
#[derive(Clone, Copy)]
struct Change(u8);

impl Job for Change {
    fn script(self) -> usize {
        0
    }

    fn outlasts(self, _: Self) -> bool {
        false
    }

    fn append(self, Subject { word, name }: Subject<'_>, words: &mut Words) -> Result<(), Refused> {
        [word, name, word_of(self.0)].into_iter().try_for_each(|one| words.push(one.as_bytes()))
    }
}

const fn word_of(state: u8) -> &'static str {
    if state == UP { "UP" } else { "DOWN" }
}

const SUBJECT: Subject<'static> = Subject { word: "CHECK", name: "check" };

/// The child.
struct Third {
    diary: PathBuf,
    model: Arc<Model>,
    role: Role,
    kept: Kept,
    notifies: Notifies<Object, Check, Change, 1>,
    notifier: Notifier<Change, 1>,
    /// The checker child has something to check.
    check: Option<notify::Command>,
    state: u8,
    /// Runs of the check, over all processes of this child.
    runs: u64,
    note: Note,
    peer: Peer,
    /// The configuration of a reload.
    reading: Reading,
    /// The data dump.
    dump: Option<Report<Part>>,
}

/// The data dump has one part: the check and its runs.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Check,
    End,
}

impl status::Part for Part {
    const END: Self = Self::End;

    fn first(_: file::Kind) -> Self {
        Self::Check
    }
}

/// Appends a line to the diary that the test reads.
pub(crate) fn note(diary: &Path, text: &str) {
    let file = OpenOptions::new().create(true).append(true).open(diary);
    let _ = file.and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()));
}

pub(crate) fn run(diary: PathBuf, model: Arc<Model>, start: Start<'_>) -> Exit {
    bracket::run(|| begin(diary, model, start))
}

fn begin(diary: PathBuf, model: Arc<Model>, start: Start<'_>) -> io::Result<(Reactor, Third)> {
    let kept = Kept::new(start.keep.clone(), start.died);
    let found = kept.find("runs", SUBJECT.name);
    let (note_left, [runs, ..]) = found.unwrap_or_default();
    let state = start.records.of(record::key(SUBJECT.name)).unwrap_or(DOWN);
    note(&diary, &format!("start deaths={} runs={runs} state={state}", start.deaths));
    let mut reactor = Reactor::new(SLOTS, Some(start.channel))?;
    let mut third = Third {
        diary,
        model,
        role: Role { tuner: start.tuner, ..Role::new(start.kind) },
        kept,
        notifies: Notifies::new(Alerts::new(FIFO, "third"))?,
        notifier: Notifier::new(),
        check: None,
        state,
        runs,
        note: note_left,
        peer: Peer::new(SourceId { kind: PEER, index: 0 }),
        reading: Reading::Over,
        dump: None,
    };
    let mut turn = reactor.turn();
    turn.reserve_reports(1);
    third.peer.reserve(1);
    third.notifies.alerts.inherit_fifos(&third.kept);
    third.load(&mut turn);
    let notes = third.notifies.alerts.notes().chain([note_left]);
    third.kept.retain(notes.collect());
    third.enter(&mut turn, state);
    third.arm(&mut turn);
    turn.reserve_sources();
    third.role.tuner.run(&mut turn);
    turn.report(ToParent::Ready);
    Ok((reactor, third))
}

impl Third {
    /// Goes over to the commands, the FIFO and the mail of the model.
    fn load(&mut self, turn: &mut Turn<'_>) {
        let checker = self.role.kind == Kind::Checkers;
        let resolver = Resolver::new(&self.model.global);
        let command = |name: &str| {
            let script = self.model.scripts.iter().find(|script| script.name == name && checker)?;
            resolver.resolve(&script.command, SUBJECT.name).ok()
        };
        let mut notifier = Notifier::new();
        if let Some(command) = command("notify") {
            notifier.set(0, command);
        }
        self.check = command("check");
        let before = core::mem::replace(&mut self.notifier, notifier);
        self.notifier.inherit(before);
        self.notifies.reserve(1, 1);
        let fifo = Some(&self.model.global.fifo).filter(|_| checker);
        let wanted = fifo.and_then(|fifo| Wanted::new(fifo, &resolver, &mut |_, _, _| ()));
        let Notifies { alerts, scripts, .. } = &mut self.notifies;
        alerts.load_fifos(turn, PLACES, [wanted, None], 1, scripts);
        alerts.keep_fifos(&self.kept.keep);
        self.dump = checker.then(|| Report::new(file::Kind::VrrpData, &self.model)).flatten();
        alerts.load_mail(turn, PLACES, Settings::new(&self.model.global), 1, &self.kept.keep);
    }

    fn arm(&self, turn: &mut Turn<'_>) {
        let at = self.check.is_some().then(|| turn.now() + TICK);
        turn.set_deadline(CHECK, at);
    }

    fn reconfigure(&mut self, turn: &mut Turn<'_>, model: Model) {
        self.model = Arc::new(model);
        self.load(turn);
        if turn.deadline(CHECK).is_none() {
            self.arm(turn);
        }
    }

    fn write_dump(&mut self, turn: &Turn<'_>) {
        let Some(dump) = &mut self.dump else { return };
        dump.ask(false);
        let (runs, state) = (self.runs, word_of(self.state));
        dump.write(turn.now(), &mut |_, out, job| {
            let written = (job.next == 0).then(|| writeln!(out, "check runs={runs} state={state}"));
            job.advance(written, Part::End)
        });
    }

    fn run_check(&mut self) {
        let Some(check) = &mut self.check else { return };
        if let Err(error) = self.notifies.scripts.start(check, Purpose::Own(Check)) {
            report::kernel_failed("check", &error);
        }
    }

    fn advance(&mut self, turn: &mut Turn<'_>) {
        let notifier = &mut self.notifier;
        let object = notifies::Notifying { key: Object, subject: SUBJECT, notifier, slot: NOTIFY };
        self.notifies.advance(turn, object, &mut self.role.lines);
    }

    /// The object is in a state, which the parent and the other child have to know.
    fn enter(&mut self, turn: &mut Turn<'_>, state: u8) {
        let key = record::key(SUBJECT.name);
        turn.report(ToParent::Transition(Record::new(key, state)));
        let value = u32::from(self.role.kind.number());
        assert!(self.peer.send(ObjectState { key, state, value }));
    }

    fn checked(&mut self, turn: &mut Turn<'_>, how: Ended) {
        self.runs += 1;
        self.kept.keep.put(&mut self.note, keep::key("runs", SUBJECT.name), [self.runs, 0, 0]);
        let state = if how == Ended::Exited(0) { UP } else { DOWN };
        if !self.role.stopping && core::mem::replace(&mut self.state, state) != state {
            self.enter(turn, state);
            let line = format_args!("CHECK \"check\" {}", word_of(state));
            self.notifies.alerts.fifos.line(line);
            self.notifier.enter([Change(state)]);
            self.advance(turn);
        }
        if !self.role.stopping {
            self.arm(turn);
        }
    }

    fn stop(&mut self, turn: &mut Turn<'_>) {
        if !self.role.begin_stop(turn) {
            return;
        }
        note(&self.diary, "stop");
        turn.set_deadline(CHECK, None);
        self.notifies.alerts.finish(turn, PLACES);
        self.notifies.cut_retired_short(turn, RETIRED);
        turn.set_deadline(STOP, Some(turn.now() + patience(&self.model.daemon)));
        self.stop_if_idle(turn);
    }

    fn stop_if_idle(&self, turn: &mut Turn<'_>) {
        if self.role.stopping && !self.notifies.is_busy() && !self.notifier.is_busy() {
            turn.stop(Exit::Ok);
        }
    }
}

impl Process for Third {
    fn ready(&mut self, turn: &mut Turn<'_>, source: SourceId) -> Again {
        if source.kind != PEER {
            return self.notifies.alerts.ready(turn, PLACES, source);
        }
        let diary = &self.diary;
        self.peer.ready(turn, &mut |heard| match heard {
            Heard::Message(ToPeer::State(ObjectState { state, value, .. })) => {
                note(diary, &format!("hears state={state} of={value}"));
            }
            Heard::Message(ToPeer::Complete) => note(diary, "hears complete"),
            Heard::Away => note(diary, "hears away"),
        })
    }

    fn expired(&mut self, turn: &mut Turn<'_>, slot: u32) {
        match slot {
            CHECK => self.run_check(),
            NOTIFY => {
                let notifier = &mut self.notifier;
                let object = notifies::Notifying { key: Object, subject: SUBJECT, notifier, slot: NOTIFY };
                object.overdue(turn);
            }
            RETIRED => self.notifies.retired_overdue(turn, RETIRED),
            FIFOS => self.notifies.alerts.fifos_overdue(turn, PLACES),
            MAIL => self.notifies.alerts.mail_due(turn, PLACES),
            _ => {
                self.notifies.scripts.kill();
                turn.stop(Exit::Ok);
            }
        }
    }

    fn command(&mut self, turn: &mut Turn<'_>, command: Command) {
        match command {
            Command::Reload(_, snapshot) => {
                if begin_reload(&mut self.role, turn) {
                    note(&self.diary, "reload begins");
                    self.reading = Reading::Descriptor(snapshot);
                }
            }
            Command::Peer(kind, fd) => {
                note(&self.diary, &format!("connected to {}", kind.title()));
                if let Err(error) = self.peer.connect(turn, fd) {
                    report::kernel_failed("peer", &error);
                }
            }
            Command::Stop | Command::ParentGone => self.stop(turn),
            Command::DumpData => self.write_dump(turn),
            Command::DumpStats { .. } | Command::DumpJson => {}
            // There is no socket that could ask.
            #[cfg(feature = "status")]
            Command::Ask(..) => {}
            #[cfg(feature = "snmp")]
            Command::Rows(..)
            | Command::Happened(..)
            | Command::Changed(..)
            | Command::AdvertRefused(_)
            | Command::Ends => {}
            Command::Text(..) | Command::Refused(_) => {}
        }
    }

    fn ended(&mut self, turn: &mut Turn<'_>, pid: Pid, how: Ended) {
        match self.notifies.scripts.ended(pid) {
            Some(Purpose::Own(Check)) => self.checked(turn, how),
            Some(Purpose::Notify(Object)) => {
                let notifier = &mut self.notifier;
                let object = notifies::Notifying { key: Object, subject: SUBJECT, notifier, slot: NOTIFY };
                self.notifies.ended(turn, object, (pid, how), &mut self.role.lines);
                while self.notifies.next_waiting().is_some() {
                    self.advance(turn);
                }
            }
            Some(Purpose::Retired(number)) => {
                self.notifies.retired_ended(turn, number, (pid, how), &mut self.role.lines);
                self.notifies.advance_retired(turn, RETIRED);
            }
            Some(Purpose::Fifo) => self.notifies.alerts.fifo_script_ended(turn, PLACES, (pid, how)),
            Some(Purpose::Nothing) | None => {}
        }
        self.stop_if_idle(turn);
    }

    fn work(&mut self, turn: &mut Turn<'_>) -> Again {
        self.role.meter.note_slice(turn.renew());
        turn.answer_hellos();
        let ok = match self.reading.advance(&self.model) {
            Step::More => return Again::More,
            Step::Failed => false,
            Step::Model(model) => {
                self.reconfigure(turn, *model);
                true
            }
        };
        end_reload(&mut self.role, turn, &self.model.global, ok);
        note(&self.diary, "reload ends");
        Again::Done
    }

    fn turn_end(&mut self, turn: &mut Turn<'_>) {
        // What a successor begins with is known to the parent before anybody else hears of it.
        turn.send_reports();
        self.notifies.alerts.fifos.flush();
        self.peer.flush();
        self.kept.keep.beat(turn.now());
    }

    fn stall_threshold(&self) -> Span {
        TICK
    }
}

impl Child for Third {
    fn role(&mut self) -> &mut Role {
        &mut self.role
    }
}

/// When the parent asks for hellos at least so often.
pub(crate) const HELLO: Span = Span::from_millis(16);

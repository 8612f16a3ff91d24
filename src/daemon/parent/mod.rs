//! The parent: reads the configuration, forks the children, watches them, and passes on what is asked of them.
//!
//! It is a small process of the same loop as theirs. Children inherit the configuration by fork; a new one
//! travels as a sealed memory file. What a dead child reported last goes to its replacement. The machine that
//! decides is [`crate::proto::supervise`]; here its actions are carried out. Start reading at [`run`], then
//! `Parent`'s `perform`.

mod calendar;
mod child;
#[cfg(feature = "status")]
mod control;
mod fork;
mod helper;
mod heritage;
mod manager;
mod peers;
mod program;
mod reload;
mod rest;
mod run;
mod save;
mod script;
mod text;

pub use super::kind::Kind;
pub use heritage::disown;
pub use program::{ChildSettings, ControlSocket, Mode, Program, Script, ScriptTime, Settings, Start};
pub use run::run;

use self::calendar::Calendar;
use self::child::Child;
use self::script::Scripts;
use super::cli::Options;
use super::ipc::ToChild;
use super::pidfile::PidFile;
use super::reactor::{Again, Command, Process, Turn};
use super::token::SourceId;
use crate::base::exit::Exit;
use crate::base::time::Span;
use crate::daemon::log;
use crate::proto::supervise::{Action, Actions, Input, Params};
use crate::sys::process::{self, Ended, Pid};
use crate::sys::seccomp;
use crate::sys::service::Manager;
use crate::sys::signal::Signal;

/// The parent process.
struct Parent<'a, P: Program> {
    program: &'a P,
    options: &'a Options,
    manager: Manager,
    /// The service manager knows of a reload and not of its end.
    reloading: bool,
    loaded: P::Loaded,
    /// What ran before, while a child is behind.
    previous: Option<P::Loaded>,
    settings: Settings,
    /// What ps showed for this process when it was started.
    name: String,
    /// The lock that keeps a second daemon away.
    own_file: Option<PidFile>,
    children: [Child; KINDS],
    /// A reload was asked for while one was in progress.
    reload_again: bool,
    /// `Startup complete` has been said.
    complete: bool,
    /// The end has begun, with this exit.
    ending: Option<Exit>,
    /// What runs before the children start and after they have ended.
    scripts: Scripts,
    /// The reload that a file asks for.
    calendar: Calendar,
    /// Configurations that were read so far.
    reads: u32,
    /// The number of the last text that children were given.
    text: u32,
    /// The control socket.
    #[cfg(feature = "status")]
    control: control::Control,
}

const KINDS: usize = Kind::ALL.len();
/// Deadlines: one for the supervision of each child, one for the cleaner of each, one for the script before or after
/// them, one for the reload that a file asks for, one for the rest of each channel, one for the control socket, one for the
/// service manager.
const SLOTS: usize = 3 * KINDS + 4;
/// A cleaner that takes longer than this is killed: what it takes away may be thousands of services, on a slow machine.
const CLEANER_BOUND: Span = Span::from_secs(10);
/// And so much more for each object of the child: an instance may have dozens of addresses.
const CLEANER_BOUND_EACH: Span = Span::from_millis(20);
/// What a new child needs to be at work, and a cleaner to be through; and what the latter needs for
/// each object of the child.
const LEAD: Span = Span::from_millis(250);
const CLEANING_EACH: Span = Span::from_millis(1);
/// A parent that wakes up later than this reads what the children said before it judges them.
const STALL: Span = Span::from_millis(20);
/// What a process may take at its very end to get its last lines out; the child and the parent both do.
const LAST_LINES: Span = Span::from_millis(40);

impl<'a, P: Program> Parent<'a, P> {
    fn new(
        program: &'a P,
        options: &'a Options,
        loaded: P::Loaded,
        settings: Settings,
        name: String,
    ) -> Self {
        let children = Kind::ALL.map(|kind| {
            let params = Self::params(options, &settings, kind);
            Child::new(kind, params, settings.child(kind))
        });
        Self {
            program,
            options,
            manager: Manager::find(),
            reloading: false,
            loaded,
            previous: None,
            settings,
            name,
            own_file: None,
            children,
            reload_again: false,
            complete: false,
            ending: None,
            scripts: Scripts::default(),
            calendar: Calendar::default(),
            reads: 0,
            text: 0,
            #[cfg(feature = "status")]
            control: control::Control::default(),
        }
    }

    fn params(options: &Options, settings: &Settings, kind: Kind) -> Params {
        Params::new(settings.child(kind).hello, settings.child_wait, !options.no_respawn)
    }

    /// Starts what the configuration needs.
    fn start_children(&mut self, turn: &mut Turn<'_>) {
        for index in 0..KINDS {
            if self.is_needed(index) {
                self.step(turn, index, Input::Start);
            }
        }
        if self.children.iter().all(|child| child.supervisor.is_absent()) {
            log::warn!("Warning - keepalived has no configuration to run");
        }
        self.check_complete();
    }

    /// The children need nothing more of the configuration from the parent's memory.
    fn handed_out(&mut self) {
        self.program.handed_out(&mut self.loaded);
    }

    fn is_needed(&self, index: usize) -> bool {
        let permitted = |kind| match kind {
            Kind::Checkers => !self.options.only.vrrp || self.options.only.checkers,
            Kind::Vrrp => !self.options.only.checkers || self.options.only.vrrp,
            Kind::Bfd => !self.options.no_bfd,
            Kind::Snmp => true,
        };
        let needed = |child: &Child| permitted(child.kind) && self.program.needs(&self.loaded, child.kind);
        self.children.get(index).is_some_and(needed)
    }

    /// One step of a child's supervision, and what follows from it.
    fn step(&mut self, turn: &mut Turn<'_>, index: usize, input: Input) {
        let mut actions = Actions::new();
        let Some(child) = self.children.get_mut(index) else {
            return;
        };
        child.supervisor.handle(turn.now(), input, &mut actions);
        for action in actions {
            self.perform(turn, index, action);
        }
        if let Some(child) = self.children.get(index) {
            turn.set_deadline(slot(index), child.supervisor.poll_at());
        }
    }

    /// A deadline of a child's supervision has come. Before it is judged it is looked at.
    fn supervise(&mut self, turn: &mut Turn<'_>, index: usize) {
        let asked = |child: &Child| child.supervisor.is_asked();
        let child = self.children.get_mut(index).filter(|child| asked(child));
        if let Some(span) = child.and_then(|child| child.held_up(turn.now())) {
            self.step(turn, index, Input::HeldUp(span));
        }
        self.step(turn, index, Input::Timeout);
    }

    fn perform(&mut self, turn: &mut Turn<'_>, index: usize, action: Action) {
        let Some(child) = self.children.get_mut(index) else {
            return;
        };
        match action {
            Action::Fork => {
                // A cleaner that is still at work would take away what the new child finds.
                if let Some(cleaner) = child.cleaner.take() {
                    process::kill(cleaner, libc::SIGKILL);
                }
                turn.set_deadline(cleaner_slot(index), None);
                self.fork(turn, index, Mode::Run);
            }
            // A channel that is full of unread hellos is as good as one that was not answered.
            Action::Hello(number) => drop(child.send(ToChild::Hello(number), None)),
            Action::AskToStop => {
                if !child.send(ToChild::Stop, None)
                    && let Some(pid) = child.pid
                {
                    process::kill(pid, libc::SIGTERM);
                }
            }
            Action::KillHung => {
                if let Some(pid) = child.pid {
                    log::error!("{} child process({pid}) does not answer - killing it", child.kind.title());
                    child.hung = true;
                    process::kill(pid, libc::SIGKILL);
                }
            }
            Action::KillStuck => {
                log::error!("{} process failed to die - forcing termination", child.kind.word());
                if let Some(pid) = child.pid {
                    process::kill(pid, libc::SIGKILL);
                }
            }
            Action::Delayed(pause) => {
                text::delayed(child.kind, pause);
                self.plan_cleaning(turn, index, pause);
            }
            Action::GiveUp => {
                if core::mem::take(&mut child.left_things) {
                    self.fork(turn, index, Mode::CleanStopped);
                }
                self.end(turn, Exit::Ok);
            }
            Action::Gone => {
                let left_something = core::mem::take(&mut child.left_things);
                child.records.clear();
                child.keep.clear();
                self.write_heritage(turn, index);
                let Some(child) = self.children.get_mut(index) else { return };
                if let Some(file) = child.pid_file.take() {
                    file.remove();
                }
                if left_something {
                    self.fork(turn, index, Mode::CleanStopped);
                }
                self.caught_up(index);
                self.check_end(turn);
                self.start_if_needed_again(turn, index);
            }
        }
    }

    /// A child that died young is away for a while. What it put into the kernel stays while nobody else can have taken
    /// over, for that serves its users, and is gone before anybody does.
    fn plan_cleaning(&mut self, turn: &mut Turn<'_>, index: usize, pause: Span) {
        let Some(child) = self.children.get(index) else { return };
        let &ChildSettings { grace, objects, .. } = self.settings.child(child.kind);
        if pause + LEAD <= grace {
            return;
        }
        let died = child.died.unwrap_or(turn.now());
        let stay = grace - LEAD - CLEANING_EACH * objects as u64;
        let stay = stay - turn.now().since(died);
        if stay.is_zero() {
            self.clean(turn, index);
        } else {
            turn.set_deadline(cleaner_slot(index), Some(turn.now() + stay));
        }
    }

    /// Takes away what a child that is to be started again later left.
    fn clean(&mut self, turn: &mut Turn<'_>, index: usize) {
        if let Some(child) = self.children.get_mut(index) {
            child.left_things = false;
            self.fork(turn, index, Mode::Clean);
        }
    }

    /// A child that a reload removed may be wanted again by the time it has ended.
    fn start_if_needed_again(&mut self, turn: &mut Turn<'_>, index: usize) {
        if self.ending.is_none() && self.is_needed(index) {
            // A child that could not lock its file runs all the same.
            let _ = self.claim_pid_file(index, None);
            self.step(turn, index, Input::Start);
        }
    }

    /// Begins the end. The first reason decides the exit.
    fn end(&mut self, turn: &mut Turn<'_>, exit: Exit) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(exit);
        log::info!("Stopping");
        if let Some(file) = &self.own_file {
            file.begin_end();
        }
        self.manager.tell("STOPPING=1");
        #[cfg(feature = "status")]
        self.close_control(turn);
        #[cfg(feature = "snmp")]
        self.tell_end();
        for index in 0..KINDS {
            self.step(turn, index, Input::Stop);
        }
        self.cut_startup_short(turn);
        self.check_end(turn);
    }

    /// Ends the loop when the last process is gone, the shutdown script's among them.
    fn check_end(&mut self, turn: &mut Turn<'_>) {
        let Some(exit) = self.ending else { return };
        let gone = |child: &Child| child.supervisor.is_absent() && child.cleaner.is_none();
        if self.children.iter().all(gone) && self.is_shut_down(turn) {
            turn.stop(exit);
        }
    }

    /// Says once that the start is over.
    fn check_complete(&mut self) {
        if !self.complete
            && self.ending.is_none()
            && !self.children.iter().any(|child| child.supervisor.is_busy())
        {
            self.complete = true;
            log::info!("Startup complete");
            self.tell_ready();
        }
    }

    fn forward(&self, message: ToChild) {
        for child in &self.children {
            if child.link.is_some() && !child.supervisor.is_leaving() && !child.send(message, None) {
                log::warn!("{} child process does not read its messages", child.kind.title());
            }
        }
    }

    fn child_ended(&mut self, turn: &mut Turn<'_>, index: usize, pid: Pid, how: Ended) {
        let Some(child) = self.children.get_mut(index) else {
            return;
        };
        child.hang_up(turn);
        child.set_pid(None);
        #[cfg(feature = "status")]
        self.child_silent(turn, index);
        let Some(child) = self.children.get_mut(index) else { return };
        if let Some(call) = child.violation.take() {
            let more = seccomp::name_of(call).is_none() && child.more_calls.push(call).is_ok();
            text::violated(child.kind, pid, call, more);
        }
        let wanted = !child.supervisor.is_leaving();
        let hung = core::mem::take(&mut child.hung);
        child.left_things = how != Ended::Exited(0);
        let permanent = match how {
            Ended::Exited(code) => Exit::from_code(code).filter(|exit| is_permanent(*exit)),
            Ended::Killed(_) => None,
        };
        match permanent {
            Some(exit) if wanted => {
                text::permanent(pid, exit);
                // The end first: what dies after that is not started again.
                self.end(turn, exit);
                self.step(turn, index, Input::Died);
            }
            _ if wanted => {
                child.deaths = child.deaths.saturating_add(1);
                let now = turn.now();
                child.died = Some(child.keep.last_beat().map_or(now, |beat| beat.min(now)));
                // The log has the kill already.
                if !hung {
                    text::ended(pid, how);
                }
                text::died(child.kind, pid, !self.options.no_respawn);
                self.step(turn, index, Input::Died);
            }
            _ => self.step(turn, index, Input::Died),
        }
        self.after_busy(turn);
    }

    /// What waited for a start or a reload to be over.
    fn after_busy(&mut self, turn: &mut Turn<'_>) {
        self.check_complete();
        let busy = self.children.iter().any(|child| child.supervisor.is_busy());
        if !busy && core::mem::take(&mut self.reload_again) {
            self.reload(turn);
        }
        self.tell_reloaded();
        #[cfg(feature = "status")]
        self.answer_reloads(turn);
    }
}

impl<P: Program> Process for Parent<'_, P> {
    fn ready(&mut self, turn: &mut Turn<'_>, source: SourceId) -> Again {
        if source.kind == calendar::SOURCE {
            return self.calendar_ready(turn);
        }
        #[cfg(feature = "status")]
        match source.kind {
            control::LISTENER => return self.control_ready(turn),
            control::PORT => return self.port_ready(turn),
            control::CLIENT => return self.client_ready(turn, source.index as usize),
            _ => {}
        }
        self.hear(turn, source.index as usize)
    }

    fn expired(&mut self, turn: &mut Turn<'_>, expired: u32) {
        #[cfg(feature = "status")]
        if expired == control::SLOT {
            return self.control_due(turn);
        }
        let index = expired as usize;
        if expired == manager::SLOT {
            self.feed_watchdog(turn);
        } else if expired == script::SLOT {
            self.script_overdue(turn);
        } else if expired == calendar::SLOT {
            self.calendar_due(turn);
        } else if let Some(resting) = expired.checked_sub(rest::FIRST_SLOT) {
            self.listen_again(turn, resting as usize);
        } else if let Some(cleaner) = index.checked_sub(KINDS).and_then(|index| self.children.get(index)) {
            if let Some(pid) = cleaner.cleaner {
                process::kill(pid, libc::SIGKILL);
            } else if cleaner.supervisor.is_waiting() {
                self.clean(turn, index.saturating_sub(KINDS));
            }
        } else {
            // What it has said and nobody was woken for counts before it is judged.
            self.hear_resting(turn, index);
            self.supervise(turn, index);
        }
    }

    fn command(&mut self, _: &mut Turn<'_>, _: Command) {
        // The parent has no parent, and reads its signals itself.
    }

    fn signal(&mut self, turn: &mut Turn<'_>, signal: Signal) {
        let own = process::own();
        match signal {
            Signal::Hangup => self.reload(turn),
            Signal::Interrupt if self.options.ignore_interrupt => {}
            Signal::Interrupt | Signal::Terminate => self.end(turn, Exit::Ok),
            Signal::User1 => {
                log::info!("Printing parent data for process({own}) on signal");
                self.program.dump(&self.loaded);
                self.forward(ToChild::DumpData);
            }
            Signal::User2 => self.forward(ToChild::DumpStats { clear: false }),
            Signal::StatsClear => self.forward(ToChild::DumpStats { clear: true }),
            Signal::Json => self.forward(ToChild::DumpJson),
            Signal::Child => {}
        }
    }

    fn ended(&mut self, turn: &mut Turn<'_>, pid: Pid, how: Ended) {
        if self.scripts.is(pid) {
            self.script_ended(turn, how);
        } else if let Some(index) = self.children.iter().position(|child| child.pid == Some(pid)) {
            self.child_ended(turn, index, pid, how);
        } else if let Some(index) = self.children.iter().position(|child| child.cleaner == Some(pid)) {
            if let Some(child) = self.children.get_mut(index) {
                child.cleaner = None;
            }
            turn.set_deadline(cleaner_slot(index), None);
            self.check_end(turn);
        }
    }

    fn turn_end(&mut self, _: &mut Turn<'_>) {}

    fn stall_threshold(&self) -> Span {
        STALL
    }
}

/// Ends that a new start would only repeat.
const fn is_permanent(exit: Exit) -> bool {
    matches!(exit, Exit::Fatal | Exit::Config | Exit::Permission | Exit::NoConfig)
}

fn slot(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

fn cleaner_slot(index: usize) -> u32 {
    slot(index.saturating_add(KINDS))
}

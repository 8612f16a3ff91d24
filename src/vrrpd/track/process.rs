//! Tracked processes: the kernel tells of those that come and go, or all are counted each second where it does not.
//!
//! A walk over all processes is done in pieces, so that thousands of them hold up nobody's advert. It comes at the
//! start, when events were lost, when a reload looks for others than before, and each second without events.

use std::io;
use std::os::fd::AsRawFd;

use super::{Object, report};
use crate::base::id::{InstanceId, ProcessId};
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::config::Model;
use crate::config::model::TrackProcess;
use crate::config::model::track::ParameterMatch;
use crate::daemon::keep::{Note, Values, key};
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::token::{Own, Registration};
use crate::proto::track::{
    Cause, Effect, Pattern, Process, ProcessAction, ProcessInput, ProcessParams, Rule, Verdict,
};
use crate::sys::processes::{self, Walk};
use crate::sys::procevent::{ProcessEvent, ProcessEvents};
use crate::vrrpd::kept::{verdict_bits, verdict_of};
use crate::vrrpd::kind;
use crate::vrrpd::report as lines;
use crate::vrrpd::slots::Slot;
use crate::vrrpd::state::Vrrp;

/// All process monitors.
#[derive(Default)]
pub struct Processes {
    events: Option<(ProcessEvents, Registration)>,
    /// The kernel has confirmed that it tells.
    confirmed: bool,
    /// That it does not has been told.
    told: bool,
    walk: Option<Walk>,
    /// A walk is under way.
    walking: bool,
    /// When it began.
    began: Instant,
    /// Its number.
    round: u32,
    monitors: Vec<Monitor>,
    /// Which processes count for which monitor, in this order.
    matches: Vec<Match>,
    /// That there are more than fit has been told.
    full: bool,
}

struct Monitor {
    pattern: Pattern,
    machine: Process,
    count: u32,
    /// All processes have been looked at for it.
    counted: bool,
    /// Its count changed, and by what.
    changed: Option<Cause>,
    /// Where it is kept what it says.
    note: Note,
}

#[derive(Clone, Copy)]
struct Match {
    pid: i32,
    monitor: u32,
    /// The walk that last saw it.
    round: u32,
}

impl Match {
    const fn key(&self) -> (i32, u32) {
        (self.pid, self.monitor)
    }
}

/// From the beginning of one walk to the next where the kernel does not tell of events.
const PERIOD: Span = Span::from_secs(1);

/// A deadline that is not due in this turn any more.
const NEXT_TURN: Span = Span::from_micros(1);

/// What is looked for, and when it is healthy.
fn monitor(config: &TrackProcess) -> (Pattern, ProcessParams) {
    let pattern = match config.command.first() {
        Some(name) if !config.full_command && config.parameters.is_none() => {
            Pattern::Name(name.as_bytes().into())
        }
        _ => {
            let rule = match config.parameters {
                Some(ParameterMatch::Exact) => Rule::Exact,
                Some(ParameterMatch::Initial) if config.command.len() > 1 => Rule::Beginning,
                Some(ParameterMatch::Initial | ParameterMatch::Partial) | None => Rule::Words,
            };
            Pattern::Line { words: config.command.join("\0").into_bytes().into(), rule }
        }
    };
    let params = ProcessParams {
        quorum: config.quorum,
        quorum_max: config.quorum_max,
        fork_delay: config.fork_delay,
        terminate_delay: config.terminate_delay,
    };
    (pattern, params)
}

/// The kind of the notes.
const PROCESS: &str = "process";

/// What a successor has to know of a monitor.
fn values(monitor: &Monitor) -> Values {
    let (due, cause) = match monitor.machine.change() {
        None => (0, 0),
        Some((due, Cause::Fork)) => (due.as_micros(), 1),
        Some((due, Cause::Exit)) => (due.as_micros(), 2),
        Some((due, Cause::Change)) => (due.as_micros(), 3),
    };
    [verdict_bits(monitor.machine.verdict()) | cause << 2 | u64::from(monitor.machine.count()) << 32, due, 0]
}

/// Goes on where a predecessor was; what a change of the count since then came by.
fn resume(monitor: &mut Monitor, [all, due, _]: Values) -> Cause {
    let cause = match all >> 2 & 3 {
        1 => Some(Cause::Fork),
        2 => Some(Cause::Exit),
        3 => Some(Cause::Change),
        _ => None,
    };
    monitor.machine.resume(verdict_of(all), cause.map(|cause| (Instant::from_micros(due), cause)));
    let since = if u64::from(monitor.count) < all >> 32 { Cause::Exit } else { Cause::Fork };
    cause.unwrap_or(since)
}

impl Processes {
    /// How many monitors there are.
    pub(in crate::vrrpd) const fn len(&self) -> usize {
        self.monitors.len()
    }

    /// The machine of a monitor.
    pub(in crate::vrrpd) fn machine(&self, id: ProcessId) -> Option<&Process> {
        self.monitors.get(id.index()).map(|monitor| &monitor.machine)
    }

    /// Where it is kept what they say.
    pub(in crate::vrrpd) fn notes(&self) -> impl Iterator<Item = Note> {
        self.monitors.iter().map(|monitor| monitor.note)
    }

    /// What a monitor says.
    pub(in crate::vrrpd) fn verdict(&self, id: ProcessId) -> Verdict {
        self.machine(id).map_or(Verdict::Unknown, Process::verdict)
    }

    /// The monitors of a model; one that looks for the same as before keeps what it knows. Whether all do.
    fn renew(&mut self, model: &Model, now: Instant) -> bool {
        let mut before: Vec<Option<Monitor>> =
            core::mem::take(&mut self.monitors).into_iter().map(Some).collect();
        let mut ids = vec![None; before.len()];
        for (position, config) in model.processes.iter().enumerate() {
            let (pattern, params) = monitor(config);
            let known = before.iter().position(|it| it.as_ref().is_some_and(|it| it.pattern == pattern));
            let kept = known.and_then(|known| Some((known, before.get_mut(known)?.take()?)));
            self.monitors.push(match kept {
                Some((known, mut monitor)) => {
                    if let Some(id) = ids.get_mut(known) {
                        *id = u32::try_from(position).ok();
                    }
                    monitor.machine.reconfigure(now, params);
                    monitor
                }
                None => Monitor {
                    pattern,
                    machine: Process::new(params),
                    count: 0,
                    counted: false,
                    changed: None,
                    note: Note::NONE,
                },
            });
        }
        self.matches.retain_mut(|it| match ids.get(it.monitor as usize).copied().flatten() {
            Some(monitor) => {
                it.monitor = monitor;
                true
            }
            None => false,
        });
        self.matches.sort_unstable_by_key(Match::key);
        if !self.monitors.is_empty() {
            self.matches.reserve_exact(limit::MATCHED_PROCESSES.saturating_sub(self.matches.len()));
        }
        self.monitors.iter().all(|monitor| monitor.counted)
    }

    /// Takes an event.
    fn take(&mut self, event: ProcessEvent) {
        match event {
            ProcessEvent::Fork { parent, child } => self.fork(parent, child),
            ProcessEvent::Changed(pid) => self.look(pid, Cause::Change),
            ProcessEvent::Exit(pid) => {
                let start = self.matches.partition_point(|it| it.pid < pid);
                while self.matches.get(start).is_some_and(|it| it.pid == pid) {
                    self.remove(start, Cause::Exit);
                }
            }
            // The caller's business.
            ProcessEvent::Confirmed | ProcessEvent::Lost => {}
        }
    }

    /// The child is what its parent is.
    fn fork(&mut self, parent: i32, child: i32) {
        let mut monitor = 0;
        loop {
            let at = self.matches.partition_point(|it| it.key() < (parent, monitor));
            let Some(found) = self.matches.get(at).filter(|it| it.pid == parent) else {
                return;
            };
            let found = found.monitor;
            self.set(child, found, true, Cause::Fork);
            monitor = found.saturating_add(1);
        }
    }

    /// Looks at a process: what it counts for.
    fn look(&mut self, pid: i32, cause: Cause) {
        let (mut name, mut line) = ([0; limit::PROCESS_NAME_OCTETS], [0; limit::COMMAND_LINE_OCTETS]);
        let lines = self.monitors.iter().any(|monitor| monitor.pattern.needs_line());
        let names = self.monitors.iter().any(|monitor| !monitor.pattern.needs_line());
        let name = if names { processes::name(pid, &mut name) } else { None };
        let line = if lines { processes::command_line(pid, &mut line) } else { None };
        let mut running = None;
        for position in 0..self.monitors.len() {
            let Some(monitor) = self.monitors.get(position) else { continue };
            let known = if monitor.pattern.needs_line() { line.is_some() } else { name.is_some() };
            let matches = known
                && monitor.pattern.matches(name.unwrap_or_default(), line.unwrap_or_default())
                && *running.get_or_insert_with(|| processes::is_running(pid));
            self.set(pid, u32::try_from(position).unwrap_or(u32::MAX), matches, cause);
        }
    }

    /// Notes whether a process counts for a monitor.
    fn set(&mut self, pid: i32, monitor: u32, counts: bool, cause: Cause) {
        match self.matches.binary_search_by_key(&(pid, monitor), Match::key) {
            Ok(at) if counts => {
                if let Some(it) = self.matches.get_mut(at) {
                    it.round = self.round;
                }
            }
            // In a walk without events it has ended and another one has its number, or it changed: not at once.
            Ok(at) => self.remove(at, if cause == Cause::Fork { Cause::Exit } else { cause }),
            Err(at) if counts => {
                if self.matches.len() >= limit::MATCHED_PROCESSES {
                    if !core::mem::replace(&mut self.full, true) {
                        report::too_many_processes();
                    }
                    return;
                }
                self.matches.insert(at, Match { pid, monitor, round: self.round });
                if let Some(it) = self.monitors.get_mut(monitor as usize) {
                    it.count = it.count.saturating_add(1);
                    it.changed = Some(cause);
                }
            }
            Err(_) => {}
        }
    }

    fn remove(&mut self, at: usize, cause: Cause) {
        if at >= self.matches.len() {
            return;
        }
        let gone = self.matches.remove(at);
        if let Some(it) = self.monitors.get_mut(gone.monitor as usize) {
            it.count = it.count.saturating_sub(1);
            it.changed = Some(cause);
        }
    }

    fn begin_walk(&mut self, now: Instant) {
        if let Some(walk) = &mut self.walk {
            walk.restart();
            self.round = self.round.wrapping_add(1);
            self.walking = true;
            self.began = now;
        }
    }

    /// Looks at up to `budget` more processes; whether the walk is at its end.
    fn go_on(&mut self, budget: usize) -> bool {
        // Without events it is not known what a change came by: the delays are kept.
        let cause = if self.confirmed { Cause::Change } else { Cause::Fork };
        for _ in 0..budget {
            let Some(pid) = self.walk.as_mut().and_then(Walk::next) else {
                self.end_walk();
                return true;
            };
            self.look(pid, cause);
        }
        false
    }

    fn end_walk(&mut self) {
        self.walking = false;
        self.full = false;
        let cause = if self.confirmed { Cause::Change } else { Cause::Exit };
        let mut at = 0;
        while let Some(it) = self.matches.get(at) {
            if it.round == self.round {
                at += 1;
            } else {
                self.remove(at, cause);
            }
        }
        for monitor in self.monitors.iter_mut().filter(|monitor| !monitor.counted) {
            monitor.counted = true;
            monitor.changed = Some(Cause::Change);
        }
    }

    /// The next monitor from `from` on whose count is known and changed, and why.
    fn next_changed(&mut self, from: usize) -> Option<(ProcessId, Cause)> {
        // Without events a walk under way knows the new ones and not yet which are gone.
        if self.walking && !self.confirmed {
            return None;
        }
        let mut from = self.monitors.iter_mut().enumerate().skip(from);
        from.find_map(|(position, monitor)| {
            let cause = if monitor.counted { monitor.changed.take()? } else { return None };
            Some((ProcessId::at(position), cause))
        })
    }
}

impl Vrrp {
    /// Begins or goes on with the monitors of the model in force. `wait`: counts all processes at once, for the
    /// start; a reload has them counted in pieces, and who tracks a new monitor goes on until they are.
    pub(in crate::vrrpd) fn watch_processes(&mut self, turn: &mut Turn<'_>, wait: bool) {
        let model = std::sync::Arc::clone(&self.model);
        let known = self.processes.renew(&model, turn.now());
        if self.processes.len() == 0 {
            if let Some((events, registration)) = self.processes.events.take() {
                turn.deregister(registration);
                drop(events);
            }
            self.processes = Processes::default();
            return;
        }
        if self.processes.walk.is_none() {
            match Walk::open() {
                Ok(walk) => self.processes.walk = Some(walk),
                Err(error) => lines::kernel_failed("/proc", &error),
            }
            self.listen_to_processes(turn, &model);
        }
        if known {
            return;
        }
        self.processes.begin_walk(turn.now());
        if wait {
            self.processes.go_on(usize::MAX);
            let now = turn.now();
            for (monitor, config) in self.processes.monitors.iter_mut().zip(&model.processes) {
                monitor.changed = None;
                let mut cause = Cause::Change;
                if let Some((note, values)) = self.kept.find(PROCESS, &config.name) {
                    monitor.note = note;
                    cause = resume(monitor, values);
                }
                monitor.machine.handle(now, ProcessInput::Count(monitor.count, cause));
            }
        }
    }

    fn listen_to_processes(&mut self, turn: &mut Turn<'_>, model: &Model) {
        let buffer = &model.global.buffers.process_monitor;
        let buffer = buffer.bytes.and_then(|octets| Some((usize::try_from(octets).ok()?, buffer.force)));
        let opened = ProcessEvents::open(buffer).and_then(|events| {
            let own = Own { kind: kind::PROCESSES, index: 0 };
            let registration = turn.register(events.as_raw_fd(), own, Interest::Read)?;
            Ok((events, registration))
        });
        match opened {
            Ok(opened) => self.processes.events = Some(opened),
            Err(error) => self.no_process_events(&error),
        }
    }

    /// Says once that processes are counted each second.
    fn no_process_events(&mut self, error: &io::Error) {
        self.processes.confirmed = false;
        if !core::mem::replace(&mut self.processes.told, true) {
            report::no_process_events(error);
        }
    }

    /// Clocks of the monitors after the deadlines were laid out anew.
    pub(in crate::vrrpd) fn resume_processes(&mut self, turn: &mut Turn<'_>) {
        for id in (0..self.processes.len()).map(ProcessId::at) {
            self.arm_process(turn, id);
        }
        self.arm_walk(turn);
    }

    fn arm_process(&mut self, turn: &mut Turn<'_>, id: ProcessId) {
        if let (Some(monitor), Some(config)) =
            (self.processes.monitors.get_mut(id.index()), self.model.process(id))
        {
            let values = values(monitor);
            self.kept.keep.put(&mut monitor.note, key(PROCESS, &config.name), values);
        }
        let at = self.processes.machine(id).and_then(Process::poll_at);
        turn.set_deadline(self.layout.number(Slot::Process(id)), at);
    }

    fn arm_walk(&self, turn: &mut Turn<'_>) {
        let processes = &self.processes;
        let at = if processes.walking {
            Some(turn.now() + NEXT_TURN)
        } else {
            let needed = processes.walk.is_some() && !processes.confirmed;
            needed.then(|| processes.began + PERIOD)
        };
        turn.set_deadline(self.layout.number(Slot::Scan), at);
    }

    /// The kernel tells of processes.
    pub(in crate::vrrpd) fn processes_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        let Some((mut events, registration)) = self.processes.events.take() else {
            return Again::Done;
        };
        let (mut confirmed, mut lost) = (false, false);
        let read = events.read(|event| match event {
            ProcessEvent::Confirmed => confirmed = true,
            ProcessEvent::Lost => lost = true,
            event => self.processes.take(event),
        });
        if lost {
            events.discard();
        }
        if read.is_ok() {
            self.processes.events = Some((events, registration));
        } else {
            turn.deregister(registration);
        }
        if self.stopping {
            return Again::Done;
        }
        if confirmed && !core::mem::replace(&mut self.processes.confirmed, true) {
            report::process_events_confirmed();
            self.arm_walk(turn);
        }
        if lost {
            if lines::may(&mut self.tracker_lines, turn.now()) {
                report::process_events_lost();
            }
            self.processes.begin_walk(turn.now());
            self.arm_walk(turn);
        }
        self.tell_counts(turn);
        match read {
            Ok(true) => Again::More,
            Ok(false) => Again::Done,
            Err(error) => {
                self.no_process_events(&error);
                self.processes.begin_walk(turn.now());
                self.arm_walk(turn);
                Again::Done
            }
        }
    }

    /// More processes are to be looked at.
    pub(in crate::vrrpd) fn scan_due(&mut self, turn: &mut Turn<'_>) {
        if !self.processes.walking {
            if !self.processes.confirmed && self.processes.events.is_some() {
                // It was asked a second ago.
                self.no_process_events(&io::ErrorKind::TimedOut.into());
            }
            self.processes.begin_walk(turn.now());
        }
        self.processes.go_on(limit::PROCESSES_PER_TURN);
        self.tell_counts(turn);
        self.arm_walk(turn);
    }

    /// A change has lasted long enough.
    pub(in crate::vrrpd) fn process_due(&mut self, turn: &mut Turn<'_>, id: ProcessId) {
        self.drive_process(turn, id, ProcessInput::Timeout);
    }

    fn tell_counts(&mut self, turn: &mut Turn<'_>) {
        let mut from = 0;
        while let Some((id, cause)) = self.processes.next_changed(from) {
            from = id.index();
            let count = self.processes.monitors.get(from).map_or(0, |monitor| monitor.count);
            self.drive_process(turn, id, ProcessInput::Count(count, cause));
        }
    }

    fn drive_process(&mut self, turn: &mut Turn<'_>, id: ProcessId, input: ProcessInput) {
        let now = turn.now();
        let Some(monitor) = self.processes.monitors.get_mut(id.index()) else { return };
        let action = monitor.machine.handle(now, input);
        self.arm_process(turn, id);
        let Some(action) = action else { return };
        if let ProcessAction::Changed { up } = action
            && lines::may(&mut self.tracker_lines, now)
            && let Some(config) = self.model.process(id)
        {
            report::quorum(&config.name, up);
        }
        self.tracked_changed(turn, Object::Process(id));
    }

    /// An instance is about to begin in FAULT: tells which processes it misses.
    pub(super) fn tell_process_fault(&self, instance: InstanceId, id: ProcessId, effect: Effect) {
        if let (Effect::Faults, Some(instance), Some(config)) =
            (effect, self.instance(instance), self.model.process(id))
        {
            report::process_starts_in_fault(&instance.config.name, &config.name);
        }
    }
}

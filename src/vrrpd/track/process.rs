//! Tracked processes: the kernel tells of those that come and go, or all are counted each second where it does not.
//!
//! A walk over all processes is done in pieces, so that thousands of them hold up nobody's advert. It comes at the
//! start, when events were lost, when a reload looks for others than before, and each second without events.

mod count;

use std::io;
use std::os::fd::AsRawFd;

use super::{Object, report};
use crate::base::id::{InstanceId, ProcessId};
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::config::Model;
use crate::daemon::keep::{Note, Values, key};
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::token::{Own, Registration};
use crate::proto::track::{Cause, Effect, Pattern, Process, ProcessAction, ProcessInput, Verdict};
use crate::sys::processes::Walk;
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
    // Half a note: the delay begins anew.
    let cause = cause.filter(|_| due != 0);
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
}

impl Vrrp {
    /// Begins or goes on with the monitors of the model in force. `wait`: counts all processes at once, for the
    /// start; a reload has them counted in pieces, and who tracks a new monitor goes on until they are.
    pub(in crate::vrrpd) fn watch_processes(&mut self, turn: &mut Turn<'_>, wait: bool) {
        let model = std::sync::Arc::clone(&self.model);
        let known = self.trackers.processes.renew(&model, turn.now());
        if self.trackers.processes.len() == 0 {
            if let Some((events, registration)) = self.trackers.processes.events.take() {
                turn.deregister(registration);
                drop(events);
            }
            self.trackers.processes = Processes::default();
            return;
        }
        if self.trackers.processes.walk.is_none() {
            match Walk::open() {
                Ok(walk) => self.trackers.processes.walk = Some(walk),
                Err(error) => lines::kernel_failed("/proc", &error),
            }
            self.listen_to_processes(turn, &model);
        }
        if known {
            return;
        }
        self.trackers.processes.begin_walk(turn.now());
        if wait {
            self.trackers.processes.go_on(usize::MAX);
            let now = turn.now();
            for (monitor, config) in self.trackers.processes.monitors.iter_mut().zip(&model.processes) {
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
            Ok(opened) => self.trackers.processes.events = Some(opened),
            Err(error) => self.no_process_events(&error),
        }
    }

    /// Says once that processes are counted each second.
    fn no_process_events(&mut self, error: &io::Error) {
        self.trackers.processes.confirmed = false;
        if !core::mem::replace(&mut self.trackers.processes.told, true) {
            report::no_process_events(error);
        }
    }

    /// Clocks of the monitors after the deadlines were laid out anew.
    pub(in crate::vrrpd) fn resume_processes(&mut self, turn: &mut Turn<'_>) {
        for id in (0..self.trackers.processes.len()).map(ProcessId::at) {
            self.arm_process(turn, id);
        }
        self.arm_walk(turn);
    }

    fn arm_process(&mut self, turn: &mut Turn<'_>, id: ProcessId) {
        if let (Some(monitor), Some(config)) =
            (self.trackers.processes.monitors.get_mut(id.index()), self.model.process(id))
        {
            let values = values(monitor);
            self.kept.keep.put(&mut monitor.note, key(PROCESS, &config.name), values);
        }
        let at = self.trackers.processes.machine(id).and_then(Process::poll_at);
        turn.set_deadline(self.work.layout.number(Slot::Process(id)), at);
    }

    fn arm_walk(&self, turn: &mut Turn<'_>) {
        let processes = &self.trackers.processes;
        let at = if processes.walking {
            Some(turn.now() + NEXT_TURN)
        } else {
            let needed = processes.walk.is_some() && !processes.confirmed;
            needed.then(|| processes.began + PERIOD)
        };
        turn.set_deadline(self.work.layout.number(Slot::Scan), at);
    }

    /// The kernel tells of processes.
    pub(in crate::vrrpd) fn processes_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        let Some((mut events, registration)) = self.trackers.processes.events.take() else {
            return Again::Done;
        };
        let (mut confirmed, mut lost) = (false, false);
        let read = events.read(|event| match event {
            ProcessEvent::Confirmed => confirmed = true,
            ProcessEvent::Lost => lost = true,
            event => self.trackers.processes.take(event),
        });
        if lost {
            events.discard();
        }
        if read.is_ok() {
            self.trackers.processes.events = Some((events, registration));
        } else {
            turn.deregister(registration);
        }
        if self.process.stopping {
            return Again::Done;
        }
        if confirmed && !core::mem::replace(&mut self.trackers.processes.confirmed, true) {
            report::process_events_confirmed();
            self.arm_walk(turn);
        }
        if lost {
            if lines::may(&mut self.trackers.lines, turn.now()) {
                report::process_events_lost();
            }
            self.trackers.processes.begin_walk(turn.now());
            self.arm_walk(turn);
        }
        self.tell_counts(turn);
        match read {
            Ok(true) => Again::More,
            Ok(false) => Again::Done,
            Err(error) => {
                self.no_process_events(&error);
                self.trackers.processes.begin_walk(turn.now());
                self.arm_walk(turn);
                Again::Done
            }
        }
    }

    /// More processes are to be looked at.
    pub(in crate::vrrpd) fn scan_due(&mut self, turn: &mut Turn<'_>) {
        if !self.trackers.processes.walking {
            if !self.trackers.processes.confirmed && self.trackers.processes.events.is_some() {
                // It was asked a second ago.
                self.no_process_events(&io::ErrorKind::TimedOut.into());
            }
            self.trackers.processes.begin_walk(turn.now());
        }
        self.trackers.processes.go_on(limit::PROCESSES_PER_TURN);
        self.tell_counts(turn);
        self.arm_walk(turn);
    }

    /// A change has lasted long enough.
    pub(in crate::vrrpd) fn process_due(&mut self, turn: &mut Turn<'_>, id: ProcessId) {
        self.drive_process(turn, id, ProcessInput::Timeout);
    }

    fn tell_counts(&mut self, turn: &mut Turn<'_>) {
        let mut from = 0;
        while let Some((id, cause)) = self.trackers.processes.next_changed(from) {
            from = id.index();
            let count = self.trackers.processes.monitors.get(from).map_or(0, |monitor| monitor.count);
            self.drive_process(turn, id, ProcessInput::Count(count, cause));
        }
    }

    fn drive_process(&mut self, turn: &mut Turn<'_>, id: ProcessId, input: ProcessInput) {
        let now = turn.now();
        let Some(monitor) = self.trackers.processes.monitors.get_mut(id.index()) else { return };
        let action = monitor.machine.handle(now, input);
        self.arm_process(turn, id);
        let Some(action) = action else { return };
        if let ProcessAction::Changed { up } = action
            && lines::may(&mut self.trackers.lines, now)
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

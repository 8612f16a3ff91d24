//! Tracked processes: the kernel reports processes that begin and end; where the kernel has no such reports, all processes
//! are counted each second.
//!
//! A walk over all processes is done in pieces, so that thousands of them hold up no advert. A walk comes at the start,
//! when reports were lost, when a reload looks for other processes than before, and each second without reports.

mod count;

use std::io;
use std::os::fd::AsRawFd;

use super::notes::{verdict_bits, verdict_of};
use super::{Trackers, report};
use crate::base::id::ProcessId;
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::child::kept::Kept;
use crate::config::Model;
use crate::daemon::keep::{Keep, Note, Values, key};
use crate::daemon::reactor::{Interest, Turn};
use crate::daemon::token::{Registration, SourceId};
use crate::proto::track::{Cause, Pattern, Process, ProcessAction, ProcessInput, Verdict};
use crate::sys::processes::Walk;
use crate::sys::procevent::{ProcessEvent, ProcessEvents};
use crate::vrrpd::kind;
use crate::vrrpd::report as lines;

/// All process monitors.
#[derive(Default)]
pub struct Processes {
    events: Option<(ProcessEvents, Registration)>,
    /// The kernel has confirmed that it reports processes.
    confirmed: bool,
    /// It has been logged that the kernel does not report processes.
    logged: bool,
    walk: Option<Walk>,
    /// A walk is under way.
    walking: bool,
    /// When the last walk began.
    began: Instant,
    /// The number of the last walk.
    round: u32,
    monitors: Vec<Monitor>,
    /// Which processes count for which monitor, in this order.
    matches: Vec<Match>,
    /// It has been logged that more processes match than there is room for.
    full: bool,
}

/// What the kernel answered about its reports.
pub(in crate::vrrpd) struct Heard {
    /// The kernel has confirmed that it reports processes.
    confirmed: bool,
    /// Events were lost.
    lost: bool,
    /// Whether there may be more.
    pub(in crate::vrrpd) read: io::Result<bool>,
}

struct Monitor {
    pattern: Pattern,
    machine: Process,
    count: u32,
    /// All processes have been looked at for it.
    counted: bool,
    /// The count changed, and by what.
    changed: Option<Cause>,
    /// The note of the monitor's verdict, for a successor.
    note: Note,
}

#[derive(Clone, Copy)]
struct Match {
    pid: i32,
    monitor: u32,
    /// The walk that last saw the process.
    round: u32,
}

impl Match {
    const fn key(&self) -> (i32, u32) {
        (self.pid, self.monitor)
    }
}

/// From the beginning of one walk to the next where the kernel does not report processes.
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

    /// The notes of the monitors' verdicts.
    pub(in crate::vrrpd) fn notes(&self) -> impl Iterator<Item = Note> {
        self.monitors.iter().map(|monitor| monitor.note)
    }

    /// The verdict of a monitor.
    pub(in crate::vrrpd) fn verdict(&self, id: ProcessId) -> Verdict {
        self.machine(id).map_or(Verdict::Unknown, Process::verdict)
    }
}

impl Processes {
    /// Begins or goes on with the monitors of a model. `wait`: counts all processes at once, for the start; a reload has
    /// them counted in pieces, and instances that track a new monitor go on until they are.
    pub(in crate::vrrpd) fn watch(&mut self, turn: &mut Turn<'_>, model: &Model, kept: &Kept, wait: bool) {
        let known = self.renew(model, turn.now());
        if self.len() == 0 {
            if let Some((events, registration)) = self.events.take() {
                turn.deregister(registration);
                drop(events);
            }
            *self = Self::default();
            return;
        }
        if self.walk.is_none() {
            match Walk::open() {
                Ok(walk) => self.walk = Some(walk),
                Err(error) => lines::kernel_failed("/proc", &error),
            }
            self.listen(turn, model);
        }
        if known {
            return;
        }
        self.begin_walk(turn.now());
        if wait {
            self.go_on(usize::MAX);
            let now = turn.now();
            for (monitor, config) in self.monitors.iter_mut().zip(&model.processes) {
                monitor.changed = None;
                let mut cause = Cause::Change;
                if let Some((note, values)) = kept.find(PROCESS, &config.name) {
                    monitor.note = note;
                    cause = resume(monitor, values);
                }
                monitor.machine.handle(now, ProcessInput::Count(monitor.count, cause));
            }
        }
    }

    fn listen(&mut self, turn: &mut Turn<'_>, model: &Model) {
        let buffer = &model.global.buffers.process_monitor;
        let buffer = buffer.bytes.and_then(|octets| Some((usize::try_from(octets).ok()?, buffer.force)));
        let opened = ProcessEvents::open(buffer).and_then(|events| {
            let own = SourceId { kind: kind::PROCESSES, index: 0 };
            let registration = turn.register(events.as_raw_fd(), own, Interest::Read)?;
            Ok((events, registration))
        });
        match opened {
            Ok(opened) => self.events = Some(opened),
            Err(error) => self.give_up_events(&error),
        }
    }

    /// Logs once that processes are counted each second.
    fn give_up_events(&mut self, error: &io::Error) {
        self.confirmed = false;
        if !core::mem::replace(&mut self.logged, true) {
            report::no_process_events(error);
        }
    }

    /// When processes are to be looked at next.
    pub(in crate::vrrpd) fn next_walk(&self, now: Instant) -> Option<Instant> {
        if self.walking {
            Some(now + NEXT_TURN)
        } else {
            let needed = self.walk.is_some() && !self.confirmed;
            needed.then(|| self.began + PERIOD)
        }
    }

    /// When a change of a monitor has lasted long enough. The monitor's verdict is noted for a successor.
    pub(in crate::vrrpd) fn poll_at(&mut self, id: ProcessId, model: &Model, keep: &Keep) -> Option<Instant> {
        let monitor = self.monitors.get_mut(id.index())?;
        if let Some(config) = model.process(id) {
            let values = values(monitor);
            keep.put(&mut monitor.note, key(PROCESS, &config.name), values);
        }
        monitor.machine.poll_at()
    }

    /// Reads the kernel's reports of processes.
    pub(in crate::vrrpd) fn hear(&mut self, turn: &mut Turn<'_>) -> Option<Heard> {
        let (mut events, registration) = self.events.take()?;
        let (mut confirmed, mut lost) = (false, false);
        let read = events.read(|event| match event {
            ProcessEvent::Confirmed => confirmed = true,
            ProcessEvent::Lost => lost = true,
            event => self.take(event),
        });
        if lost {
            events.discard();
        }
        if read.is_ok() {
            self.events = Some((events, registration));
        } else {
            turn.deregister(registration);
        }
        Some(Heard { confirmed, lost, read })
    }

    /// More processes are to be looked at.
    pub(in crate::vrrpd) fn walk_on(&mut self, now: Instant) {
        if !self.walking {
            if !self.confirmed && self.events.is_some() {
                // The kernel was asked a second ago.
                self.give_up_events(&io::ErrorKind::TimedOut.into());
            }
            self.begin_walk(now);
        }
        self.go_on(limit::PROCESSES_PER_TURN);
    }

    /// Events cannot be read any more: all processes are looked at instead.
    pub(in crate::vrrpd) fn lose_events(&mut self, now: Instant, error: &io::Error) {
        self.give_up_events(error);
        self.begin_walk(now);
    }

    /// How many processes count for a monitor.
    pub(in crate::vrrpd) fn count(&self, id: ProcessId) -> u32 {
        self.monitors.get(id.index()).map_or(0, |monitor| monitor.count)
    }

    /// Gives the machine of a monitor an input.
    pub(in crate::vrrpd) fn handle(
        &mut self,
        now: Instant,
        id: ProcessId,
        input: ProcessInput,
    ) -> Option<ProcessAction> {
        self.monitors.get_mut(id.index())?.machine.handle(now, input)
    }
}

impl Trackers {
    /// The kernel answered whether it reports processes; whether the next walk is to be planned anew.
    pub(in crate::vrrpd) fn take_process_events(&mut self, now: Instant, heard: &Heard) -> bool {
        let confirmed = heard.confirmed && !core::mem::replace(&mut self.processes.confirmed, true);
        if confirmed {
            report::process_events_confirmed();
        }
        if heard.lost {
            if lines::may(&mut self.lines, now) {
                report::process_events_lost();
            }
            self.processes.begin_walk(now);
        }
        confirmed || heard.lost
    }

    /// Logs that a monitor has its quorum, or has it no more.
    pub(in crate::vrrpd) fn log_quorum(&mut self, now: Instant, model: &Model, id: ProcessId, up: bool) {
        if lines::may(&mut self.lines, now)
            && let Some(config) = model.process(id)
        {
            report::quorum(&config.name, up);
        }
    }
}

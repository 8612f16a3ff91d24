//! The loop that every process of the program runs.
//!
//! ```text
//! arm timerfd -> poll -> read the clock once -> ready sources -> due deadlines -> turn_end -> reports, log
//! ```
//!
//! The poll is edge-triggered: a source that may have more to give says [`Again::More`] and is served again in
//! the next turn, which then does not wait. Work is bounded: each source is served once a turn, and a bounded
//! number of deadlines acts. After a stall (the process was stopped, or the machine was busy) all sources are emptied
//! before any expired deadline acts, so that a peer that was heard in the meantime counts. Nothing is allocated in a turn.
//! Waking early is harmless. Under load a turn waits a part of a millisecond for company ([`limit::SHARED_WAKE_UP`]), and
//! what comes in all the time is read together while no deadline is near ([`limit::SHARED_READING`]).

mod hellos;
mod reading;
mod turn;
mod types;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;

use mio::unix::SourceFd;
use reading::Reading;
pub use turn::Turn;
pub use types::{Again, Command, Counters, Interest};

use super::deadline::Deadlines;
#[cfg(feature = "status")]
use super::ipc::{Answered, level};
use super::ipc::{ToChild, ToParent};
use super::log;
use super::realtime::Realtime;
use super::token::{Registration, Source, SourceId, Table};
use super::uplink::{Order, Uplink};
use crate::base::exit::Exit;
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::sys::channel::Channel;
use crate::sys::clock;
use crate::sys::process::{self, Ended, Pid};
use crate::sys::script;
use crate::sys::signal::{Signal, Signals};
use crate::sys::spawner::{self, Word};
use crate::sys::timerfd::Timer;

/// What a process does in the loop, which is in the program once for all of them.
pub trait Process {
    /// What comes in may wait a moment for more ([`limit::SHARED_READING`]): it comes all the time, and unasked.
    fn reads_together(&self) -> bool {
        true
    }

    /// A registered source is ready: read it until it would block, or a bounded part of it.
    fn ready(&mut self, turn: &mut Turn<'_>, source: SourceId) -> Again;

    /// The deadline of `slot` has passed; it is no longer set.
    fn expired(&mut self, turn: &mut Turn<'_>, slot: u32);

    /// The parent wants something, or a signal was sent to this process itself.
    fn command(&mut self, turn: &mut Turn<'_>, command: Command);

    /// A signal. By default what it asks for is a [`Command`].
    fn signal(&mut self, turn: &mut Turn<'_>, signal: Signal) {
        if let Some(command) = Command::from_signal(signal) {
            self.command(turn, command);
        }
    }

    /// A process that this one started has ended.
    fn ended(&mut self, turn: &mut Turn<'_>, pid: Pid, how: Ended);

    /// The next part of work that is too long for one turn ([`Turn::begin_work`]). Until the work is done, nothing else
    /// of the process is called but the end of the turn in which the work began: a part first does what cannot wait until
    /// then. If a part stops the loop, nothing of the process is called any more, not even [`Process::turn_end`].
    fn work(&mut self, _: &mut Turn<'_>) -> Again {
        Again::Done
    }

    /// Everything of this turn has been handled: send what was gathered.
    fn turn_end(&mut self, turn: &mut Turn<'_>);

    /// Whether what this turn has gathered takes long enough: deadlines that are due as well act in the next turn,
    /// which follows at once.
    fn is_laden(&self) -> bool {
        false
    }

    /// How late the loop may wake up before that counts as a stall. Sources are emptied ahead of expired deadlines after
    /// a shorter time already ([`limit::LATE`]).
    fn stall_threshold(&self) -> Span;
}

/// The loop of one process.
#[derive(Debug)]
pub struct Reactor {
    core: Core,
    events: mio::Events,
}

#[derive(Debug)]
struct Core {
    poll: mio::Poll,
    signals: Signals,
    timer: Timer,
    uplink: Option<(Uplink, Registration)>,
    table: Table,
    /// Sources to be served, each once: made ready by the poll or left over from the last turn.
    queue: VecDeque<Registration>,
    deadlines: Deadlines,
    /// When the log's backlogs are offered again.
    log_due: Option<Instant>,
    /// What the timerfd is armed with.
    armed: Option<Instant>,
    now: Instant,
    /// The moment whose wake-ups are counted, and how many it has had.
    shared: (Instant, u8),
    /// How much comes in.
    reading: Reading,
    /// When the turn before began.
    before: Instant,
    /// When this turn began.
    begun: Instant,
    /// When a turn began that emptied all sources.
    emptied: Instant,
    /// When the parent was last listened to in the middle of work.
    answered: Instant,
    counters: Counters,
    realtime: Realtime,
    /// Work is under way that is too long for one turn.
    working: bool,
    /// How long the part of the work before the next one took.
    slice: Span,
    stop: Option<Exit>,
}

impl Reactor {
    /// Blocks all signals and prepares the loop with room for `slots` deadlines. `parent` is the channel to
    /// the parent, for a child.
    ///
    /// # Errors
    /// When the kernel has no descriptors or no memory for it.
    pub fn new(slots: usize, parent: Option<Channel>) -> io::Result<Self> {
        let mut core = Core {
            poll: mio::Poll::new()?,
            signals: Signals::block()?,
            timer: Timer::new()?,
            uplink: None,
            table: Table::default(),
            queue: VecDeque::new(),
            deadlines: Deadlines::new(slots),
            log_due: None,
            armed: None,
            now: clock::now(),
            shared: (Instant::START, 0),
            reading: Reading::new(limit::SHARED_READING),
            before: Instant::START,
            begun: Instant::START,
            emptied: Instant::START,
            answered: Instant::START,
            counters: Counters::default(),
            realtime: Realtime::default(),
            working: false,
            slice: Span::ZERO,
            stop: None,
        };
        core.register(core.signals.as_raw_fd(), Source::Signal, Interest::Read)?;
        core.register(core.timer.as_raw_fd(), Source::Timer, Interest::Read)?;
        if let Some(channel) = parent {
            let registration = core.register(channel.as_raw_fd(), Source::Parent, Interest::Read)?;
            core.uplink = Some((Uplink::new(channel), registration));
        }
        core.watch_scripts()?;
        Ok(Self { core, events: mio::Events::with_capacity(limit::EVENTS_PER_POLL) })
    }

    /// A turn outside the loop, for registering and arming while a process is built.
    pub fn turn(&mut self) -> Turn<'_> {
        self.core.now = clock::now();
        Turn { core: &mut self.core }
    }

    /// A turn at a time that a test chooses.
    #[cfg(test)]
    pub fn turn_at(&mut self, now: Instant) -> Turn<'_> {
        self.core.now = now;
        Turn { core: &mut self.core }
    }

    /// Whether work is under way that is too long for one turn ([`Turn::begin_work`]).
    #[must_use]
    pub const fn is_working(&self) -> bool {
        self.core.working
    }

    /// Turns until the process asks to stop.
    ///
    /// # Errors
    /// When the poll or the timer fails, which a valid descriptor does not.
    pub fn run(&mut self, process: &mut dyn Process) -> io::Result<Exit> {
        // What was reported while the process was built.
        self.core.send_reports()?;
        loop {
            self.one_turn(process)?;
            if let Some(exit) = self.core.stop.take() {
                return Ok(exit);
            }
        }
    }

    fn one_turn(&mut self, process: &mut dyn Process) -> io::Result<()> {
        if self.core.working {
            self.core.slice = self.core.renew();
            self.core.working = process.work(&mut Turn { core: &mut self.core }) == Again::More;
            if self.core.working || self.core.stop.is_some() {
                return Ok(());
            }
            return self.end_turn(process);
        }
        let wait = self.core.arm()?;
        if wait {
            self.core.share_wake_up();
            self.gather(None)?;
            self.core.realtime.note_poll();
        } else {
            self.gather(Some(Duration::ZERO))?;
        }
        self.core.begin();
        let late = self.core.lateness();
        self.core.counters.latest = self.core.counters.latest.max(late);
        if wait {
            // What a turn with too much to do leaves for the next one would be counted again and again.
            self.core.realtime.note_lateness(late);
        }
        self.core.serve_all(process);
        let threshold = process.stall_threshold();
        if late > threshold {
            self.core.counters.stalls += 1;
            self.core.counters.stall = late;
        }
        if late > threshold.min(limit::LATE) && self.core.is_to_catch_up(late) {
            self.catch_up(process)?;
        }
        self.core.expire(process);
        self.end_turn(process)
    }

    fn end_turn(&mut self, process: &mut dyn Process) -> io::Result<()> {
        process.turn_end(&mut Turn { core: &mut self.core });
        self.core.send_reports()?;
        self.core.log_due = log::flush(self.core.now);
        self.core.renew();
        Ok(())
    }

    /// Empties all sources, within a bound. If work begins meanwhile, the rest of them is for the turn after it.
    fn catch_up(&mut self, process: &mut dyn Process) -> io::Result<()> {
        for _ in 0..limit::CATCH_UP_PASSES {
            self.gather(Some(Duration::ZERO))?;
            if self.core.queue.is_empty() || self.core.working {
                break;
            }
            self.core.serve_all(process);
        }
        if !self.core.working {
            self.core.emptied = self.core.begun;
        }
        Ok(())
    }

    /// Polls and queues what is ready. None waits for as long as it takes.
    fn gather(&mut self, wait: Option<Duration>) -> io::Result<()> {
        match self.core.poll.poll(&mut self.events, wait) {
            Ok(()) => {}
            // A stopped and continued process; there are no events then.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Ok(()),
            Err(error) => return Err(error),
        }
        for event in &self.events {
            let registration = Registration::of(event.token());
            self.core.enqueue(registration);
            if event.is_error() {
                self.core.table.note_error(registration);
            }
        }
        Ok(())
    }
}

impl Core {
    fn register(&mut self, fd: RawFd, source: Source, interest: Interest) -> io::Result<Registration> {
        let registration = self.table.insert(source, fd).ok_or(io::ErrorKind::StorageFull)?;
        let registered =
            self.poll.registry().register(&mut SourceFd(&fd), registration.token(), interest.into());
        if let Err(error) = registered {
            self.table.remove(registration);
            return Err(error);
        }
        self.queue.reserve(self.table.len().saturating_sub(self.queue.len()));
        Ok(registration)
    }

    /// Sets the timer to the earliest deadline. False: there is work already, do not wait.
    fn arm(&mut self) -> io::Result<bool> {
        if !self.queue.is_empty() {
            return Ok(false);
        }
        let earliest = match (self.deadlines.earliest(), self.log_due) {
            (Some(deadline), Some(log)) => Some(deadline.min(log)),
            (deadline, log) => deadline.or(log),
        };
        if earliest.is_some_and(|at| at <= self.now) {
            return Ok(false);
        }
        // A deadline that was put off leaves the timer as it is: waking early once is cheaper than a system call for
        // each advert that a BACKUP hears.
        if let Some(at) = earliest
            && self.armed.is_none_or(|armed| at < armed)
        {
            self.timer.arm(at)?;
            self.armed = earliest;
        }
        Ok(true)
    }

    /// Waking up costs more than an advert. When this process has been woken twice within a moment, all that comes in
    /// what is left of it shares the next time. No deadline is missed by more than that.
    ///
    /// What only comes in can wait for longer, but not past a deadline: it has been stamped when it came.
    fn share_wake_up(&mut self) {
        let mut until = self.now;
        if self.now.since(self.shared.0) >= limit::SHARED_WAKE_UP {
            self.shared = (self.now, 1);
        } else {
            self.shared.1 = self.shared.1.saturating_add(1);
            if self.shared.1 > WAKE_UPS_ALONE {
                until = self.shared.0 + limit::SHARED_WAKE_UP;
            }
        }
        if let Some(rest) = self.reading.rest(self.now) {
            until = until.max(self.deadlines.earliest().map_or(rest, |at| at.min(rest)));
        }
        if until > self.now {
            clock::sleep_until(until);
        }
    }

    fn begin(&mut self) {
        self.before = self.begun;
        self.now = self.now.max(clock::now());
        self.begun = self.now;
        self.counters.turns += 1;
    }

    /// Reads the clock in the middle of work or at its end; how long it was not read.
    fn renew(&mut self) -> Span {
        self.realtime.rest();
        let before = self.now;
        self.now = self.now.max(clock::now());
        let passed = self.now.since(before);
        self.counters.longest = self.counters.longest.max(passed);
        passed
    }

    /// How far the earliest deadline lies in the past.
    fn lateness(&self) -> Span {
        self.deadlines.earliest().map_or(Span::ZERO, |at| self.now.since(at))
    }

    /// Whether the earliest deadline passed after the sources were last emptied: what came in before that moment may
    /// still be unread. Without this question a flood would be read in each turn of a loop that is behind.
    fn is_to_catch_up(&self, late: Span) -> bool {
        self.begun.since(self.emptied) > late
    }

    fn enqueue(&mut self, registration: Registration) {
        if self.table.queue(registration) {
            self.queue.push_back(registration);
        }
    }

    /// Serves each queued source once; those that have more queue up again behind.
    fn serve_all(&mut self, process: &mut dyn Process) {
        for served in 1..=self.queue.len() {
            // Work that one of them began comes before the others.
            if self.working {
                return;
            }
            self.answer_between(served);
            let Some(registration) = self.queue.pop_front() else {
                return;
            };
            let Some(source) = self.table.source(registration) else {
                continue;
            };
            self.table.unqueue(registration);
            let again = match source {
                Source::Signal => self.serve_signals(process),
                Source::Timer => {
                    // It has fired, so whatever comes next needs it armed anew.
                    self.armed = None;
                    Again::Done
                }
                Source::Parent => self.serve_parent(process),
                Source::Scripts => self.serve_scripts(process, registration),
                Source::Own(own) => {
                    if process.reads_together() {
                        self.reading.note();
                    }
                    process.ready(&mut Turn { core: self }, own)
                }
            };
            if again == Again::More {
                self.enqueue(registration);
            }
        }
    }

    fn serve_signals(&mut self, process: &mut dyn Process) -> Again {
        while let Some(signal) = self.signals.next() {
            if signal == Signal::Child {
                while let Some((pid, how)) = process::reap() {
                    process.ended(&mut Turn { core: self }, pid, how);
                }
            } else {
                process.signal(&mut Turn { core: self }, signal);
            }
        }
        Again::Done
    }

    /// Watches what the process that runs scripts says, if this process has one.
    fn watch_scripts(&mut self) -> io::Result<()> {
        let Some(link) = spawner::link() else { return Ok(()) };
        self.register(link.as_raw_fd(), Source::Scripts, Interest::Read).map(drop)
    }

    fn serve_scripts(&mut self, process: &mut dyn Process, registration: Registration) -> Again {
        for _ in 0..limit::CHANNEL_BATCH {
            if self.working {
                return Again::More;
            }
            match spawner::next_word() {
                Some(Word::Ended(pid, how)) => process.ended(&mut Turn { core: self }, pid, how),
                Some(Word::Refused(pid)) => {
                    log::error!("A script that the configuration does not have was not run");
                    let how = Ended::Exited(script::NOT_EXECUTABLE);
                    process.ended(&mut Turn { core: self }, pid, how);
                }
                Some(Word::Gone) => {
                    log::error!("The process that runs scripts has died");
                    self.deregister(registration);
                    // The successor gets another one, and goes on where this child is.
                    self.stop = Some(Exit::Internal);
                    return Again::Done;
                }
                None => return Again::Done,
            }
        }
        Again::More
    }

    fn serve_parent(&mut self, process: &mut dyn Process) -> Again {
        for _ in 0..limit::CHANNEL_BATCH {
            if self.working {
                return Again::More;
            }
            let Some((uplink, registration)) = &mut self.uplink else {
                return Again::Done;
            };
            let registration = *registration;
            let Some(orders) = uplink.receive() else {
                return Again::Done;
            };
            for order in orders {
                let command = match order {
                    Order::Message(ToChild::Hello(_), _)
                    | Order::Message(ToChild::Peer(_) | ToChild::Text(_) | ToChild::Scripts, None) => {
                        continue;
                    }
                    Order::Message(ToChild::Scripts, Some(fd)) => {
                        spawner::connect(Channel::of(fd));
                        if let Err(error) = self.watch_scripts() {
                            log::error!("Unable to watch the process that runs scripts: {error}");
                        }
                        continue;
                    }
                    // A process that has no room for a descriptor gets the message without it.
                    Order::Message(ToChild::Reload(_), None) => {
                        log::error!("The new configuration did not come with the order to reload");
                        Turn { core: self }.report(ToParent::ReloadDone { ok: false });
                        continue;
                    }
                    Order::Message(ToChild::Peer(kind), Some(fd)) => Command::Peer(kind, fd),
                    Order::Message(ToChild::Text(number), Some(fd)) => Command::Text(number, fd),
                    Order::Message(ToChild::Reload(number), Some(fd)) => Command::Reload(number, fd),
                    Order::Message(ToChild::Refused(number), _) => Command::Refused(number),
                    Order::Message(ToChild::DumpData, _) => Command::DumpData,
                    Order::Message(ToChild::DumpStats { clear }, _) => Command::DumpStats { clear },
                    Order::Message(ToChild::DumpJson, _) => Command::DumpJson,
                    #[cfg(feature = "status")]
                    Order::Message(ToChild::LogLevel(number), _) => {
                        log::set_level(level(number));
                        continue;
                    }
                    Order::Message(ToChild::ReopenLog, _) => {
                        log::reopen();
                        continue;
                    }
                    #[cfg(feature = "status")]
                    Order::Message(ToChild::Ask(question), None) => {
                        let answered = ToParent::Answered(question.number, Answered::Failed);
                        Turn { core: self }.report(answered);
                        continue;
                    }
                    #[cfg(feature = "status")]
                    Order::Message(ToChild::Ask(question), Some(fd)) => Command::Ask(question, fd),
                    #[cfg(feature = "snmp")]
                    Order::Message(ToChild::Rows(rows), fd) => Command::Rows(rows, fd),
                    #[cfg(feature = "snmp")]
                    Order::Message(ToChild::Happened(kind, record), _) => Command::Happened(kind, record),
                    #[cfg(feature = "snmp")]
                    Order::Message(ToChild::Changed(number, done), _) => Command::Changed(number, done),
                    #[cfg(feature = "snmp")]
                    Order::Message(ToChild::AdvertRefused(refusal), _) => Command::AdvertRefused(refusal),
                    #[cfg(feature = "snmp")]
                    Order::Message(ToChild::Ends, _) => Command::Ends,
                    Order::Message(ToChild::Stop, _) => Command::Stop,
                    Order::Gone => {
                        self.deregister(registration);
                        Command::ParentGone
                    }
                };
                process.command(&mut Turn { core: self }, command);
            }
        }
        Again::More
    }

    fn expire(&mut self, process: &mut dyn Process) {
        for expired in 1..=limit::DUE_PER_TURN {
            if self.working {
                return;
            }
            self.answer_between(expired);
            let Some(slot) = self.deadlines.pop_due(self.now) else {
                return;
            };
            self.counters.expired += 1;
            process.expired(&mut Turn { core: self }, slot);
            if process.is_laden() {
                return;
            }
        }
    }

    fn send_reports(&mut self) -> io::Result<()> {
        let Some((uplink, registration)) = &mut self.uplink else {
            return Ok(());
        };
        let was_full = uplink.is_full();
        let full = uplink.flush();
        if full != was_full {
            let interest = if full { Interest::Both } else { Interest::Read };
            let registration = *registration;
            self.reregister(registration, interest)?;
        }
        Ok(())
    }

    fn reregister(&mut self, registration: Registration, interest: Interest) -> io::Result<()> {
        let Some(fd) = self.table.fd(registration) else {
            return Ok(());
        };
        self.poll.registry().reregister(&mut SourceFd(&fd), registration.token(), interest.into())
    }

    fn forget(&mut self, registration: Registration) {
        self.table.remove(registration);
    }

    fn reserve_sources(&mut self, more: usize) {
        self.table.reserve(more);
        self.queue.reserve(self.table.room().saturating_sub(self.queue.len()));
    }

    fn deregister(&mut self, registration: Registration) {
        if let Some(fd) = self.table.remove(registration) {
            // It fails only for a descriptor that was closed first, which the kernel has then forgotten.
            let _ = self.poll.registry().deregister(&mut SourceFd(&fd));
        }
    }
}

/// Wake-ups within [`limit::SHARED_WAKE_UP`] that wait for nobody: what is alone is never late.
const WAKE_UPS_ALONE: u8 = 2;

#[cfg(test)]
mod tests;

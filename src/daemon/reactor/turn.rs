//! What a process may ask of the loop while it is served.

use std::io;
use std::os::fd::RawFd;

use super::{Core, Counters, Interest};
use crate::base::exit::Exit;
use crate::base::time::{Instant, Span};
use crate::daemon::ipc::ToParent;
use crate::daemon::realtime::Realtime;
use crate::daemon::token::{Registration, Source, SourceId};
use crate::sys::clock;

/// One turn of the loop: what a process may ask of it.
#[derive(Debug)]
pub struct Turn<'a> {
    pub(super) core: &'a mut Core,
}

impl Turn<'_> {
    /// The time at which this turn began; the clock is read once a turn.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.core.now
    }

    /// Reads the clock again, for work that takes longer than a turn should; how long it was not read.
    pub fn renew(&mut self) -> Span {
        self.core.renew()
    }

    /// How long the part of the work before this one took, or what came before that of the work.
    #[must_use]
    pub fn slice(&self) -> Span {
        self.core.slice
    }

    /// Waits for a moment if a realtime process has worked for so long that the kernel's patience comes to its end. For
    /// work on many things that is not sliced.
    pub fn rest(&mut self) {
        self.core.realtime.rest();
    }

    /// How long the clock has not been read in this turn.
    #[must_use]
    pub fn passed(&self) -> Span {
        clock::now().since(self.core.now)
    }

    /// Answers the parent's hellos in the middle of work that takes long. What else the parent says is heard when the
    /// work is done.
    pub fn answer_hellos(&mut self) {
        self.core.answer_hellos();
    }

    /// This turn ends, and from the next one on the loop calls [`super::Process::work`] until there is no more of it.
    pub fn begin_work(&mut self) {
        self.core.working = true;
    }

    /// Names the slots whose deadlines have passed, in no order, until `take` has enough. They stay set.
    pub fn due(&self, mut take: impl FnMut(u32) -> bool) {
        self.core.deadlines.due(self.core.now, &mut take);
    }

    /// The time at which the turn before this one began: what is read now and was not read then came later.
    #[must_use]
    pub fn before(&self) -> Instant {
        self.core.before
    }

    /// The realtime priority of this process.
    pub(in crate::daemon) fn realtime(&mut self) -> &mut Realtime {
        &mut self.core.realtime
    }

    /// Replaces the deadline of `slot`.
    pub fn set_deadline(&mut self, slot: u32, at: Option<Instant>) {
        self.core.deadlines.set(slot, at);
    }

    /// The deadline of `slot`.
    #[must_use]
    pub fn deadline(&self, slot: u32) -> Option<Instant> {
        self.core.deadlines.of(slot)
    }

    /// Makes room for `slots` deadlines; those of slots past that are forgotten. For load time: allocates.
    pub fn resize_deadlines(&mut self, slots: usize) {
        self.core.deadlines.resize(slots);
    }

    /// Makes room for sources that come and go, once all that stay are registered. For load time: allocates.
    pub fn reserve_sources(&mut self) {
        self.core.reserve_sources(0);
    }

    /// The same, and for so many more.
    pub fn reserve_more_sources(&mut self, more: usize) {
        self.core.reserve_sources(more);
    }

    /// Watches a descriptor, which stays the caller's and must be deregistered before it is closed. For load
    /// time: may allocate.
    ///
    /// # Errors
    /// When the descriptor cannot be watched (plain files) or is watched already, or the kernel has no memory.
    pub fn register(&mut self, fd: RawFd, own: SourceId, interest: Interest) -> io::Result<Registration> {
        self.core.register(fd, Source::Own(own), interest)
    }

    /// Changes what a source is watched for. What is ready at this moment is reported again.
    ///
    /// # Errors
    /// When the kernel has no memory for it.
    pub fn reregister(&mut self, registration: Registration, interest: Interest) -> io::Result<()> {
        self.core.reregister(registration, interest)
    }

    /// Stops watching a source; events already gathered for it are dropped. Before closing the descriptor.
    pub fn deregister(&mut self, registration: Registration) {
        self.core.deregister(registration);
    }

    /// Stops watching a source whose descriptor nobody else has and that is closed right after: the kernel then stops by
    /// itself, which saves a system call.
    pub fn forget(&mut self, registration: Registration) {
        self.core.forget(registration);
    }

    /// Whether the poll has reported an error of a source since this was asked last: a stream that becomes writable without
    /// one is connected.
    pub fn take_error(&mut self, registration: Registration) -> bool {
        self.core.table.take_error(registration)
    }

    /// Serves a source as if the poll had named it: in this turn if its sources are still being served,
    /// else in the next, which does not wait.
    pub fn again(&mut self, registration: Registration) {
        self.core.enqueue(registration);
    }

    /// Reports something to the parent at the end of this turn. Nothing in a process without one.
    pub fn report(&mut self, message: ToParent) {
        if let Some((uplink, _)) = &mut self.core.uplink {
            uplink.report(message);
        }
    }

    /// Sends what was reported to the parent so far now, not only at the end of the turn.
    pub fn send_reports(&mut self) {
        // What cannot be sent now is sent at the end of the turn, which tells what is wrong.
        let _ = self.core.send_reports();
    }

    /// Makes room for one report of each of so many `objects`. For load time: allocates.
    pub fn reserve_reports(&mut self, objects: usize) {
        if let Some((uplink, _)) = &mut self.core.uplink {
            uplink.reserve(objects);
        }
    }

    /// Ends the loop after this turn.
    pub fn stop(&mut self, exit: Exit) {
        self.core.stop = Some(exit);
    }

    /// What the loop has done so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.core.counters
    }
}

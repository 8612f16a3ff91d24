//! Operations on their way to the kernel: many in one send, and sent again where the kernel could not take them.
//!
//! What was pulled from the director counts as carried out, and what is pulled later builds upon it: a destination leaves
//! since the one in its place is there. So nothing is pulled as long as the kernel has not answered what was pulled before:
//!
//! ```text
//! pulled -> sent -> answered                                refusals that say something go to the director
//!            |  \-> no memory, or the answer was lost       sent again, with what follows on the same service
//!            \----> the send failed                         all of it is sent again
//! ```
//!
//! A removal is not sent with an addition to the same service that comes before it, but after its answer; the removal of
//! a whole service not with any addition, for another service may take its place.

use nix::errno::Errno;

use super::{ask, meaning};
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::checkd::report;
use crate::proto::lvs::{Director, Operation, Pending, Refusal, ServiceKey, Tell};
use crate::sys::ipvs::{Full, Ipvs};

/// What operations are sent to: the kernel, or what a test has in its place.
pub(super) trait Kernel {
    /// How many more operations fit.
    fn room(&self) -> usize;
    /// Collects an operation.
    fn ask(&mut self, tag: u32, operation: &Operation) -> Result<(), Full>;
    /// Sends what is collected; `on_refusal` gets the tags of what was refused, those without an answer last, with ENOBUFS.
    /// An error: nothing was sent.
    fn send(&mut self, on_refusal: &mut dyn FnMut(u32, Errno)) -> Result<(), Errno>;
}

impl Kernel for Ipvs {
    fn room(&self) -> usize {
        Self::room(self)
    }

    fn ask(&mut self, tag: u32, operation: &Operation) -> Result<(), Full> {
        ask(self, tag, operation)
    }

    fn send(&mut self, on_refusal: &mut dyn FnMut(u32, Errno)) -> Result<(), Errno> {
        self.try_commit(|tag, result| {
            if let Err(refusal) = result {
                on_refusal(tag, refusal.errno);
            }
        })
    }
}

/// What has been pulled and not answered.
#[derive(Default)]
pub(super) struct Sending {
    batch: heapless::Vec<Sent, { limit::NETLINK_BATCH }>,
    /// A removal that waits for the answers to the batch.
    behind: Option<Pending>,
    refused: heapless::Vec<(usize, Errno), { limit::NETLINK_BATCH }>,
    /// How often the batch was sent in vain.
    tries: u32,
    /// The batch is not sent again before this.
    due: Instant,
    /// How often batches were sent again since the start.
    again: u64,
    /// An answer was lost for good: only a look at the table shows what became of its operation.
    pub(super) unsure: bool,
}

/// An operation of the batch.
#[derive(Clone, Copy)]
struct Sent {
    pending: Pending,
    /// It may have been carried out.
    maybe: bool,
}

/// What a step has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// So many operations were answered.
    Done(usize),
    /// There was nothing to do.
    Nothing,
    /// What was pulled is to be sent again, later.
    Waits,
}

impl Sending {
    /// When what was pulled is to be sent again; none: nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        (!self.batch.is_empty() || self.behind.is_some()).then_some(self.due)
    }

    /// Carries out as much as one send takes.
    pub(super) fn step(
        &mut self,
        now: Instant,
        director: &mut Director,
        kernel: &mut dyn Kernel,
        tell: &mut Tell<'_>,
    ) -> Step {
        if self.batch.is_empty() {
            self.gather(director, kernel.room());
        } else if now < self.due {
            return Step::Waits;
        }
        if self.batch.is_empty() {
            return Step::Nothing;
        }
        for (Sent { pending, .. }, tag) in self.batch.iter().zip(0_u32..) {
            // There is room.
            let _ = kernel.ask(tag, &pending.operation);
        }
        let Self { refused, batch, .. } = self;
        refused.clear();
        let sent = kernel.send(&mut |tag, errno| {
            let _ = refused.push((tag as usize, errno));
        });
        match sent {
            Ok(()) => {}
            Err(errno) if passes(errno) => {
                self.wait(now, errno);
                return Step::Waits;
            }
            Err(errno) => refused.extend((0..batch.len()).map(|tag| (tag, errno))),
        }
        self.answered(now, director, tell)
    }

    /// Takes the answers to a batch.
    fn answered(&mut self, now: Instant, director: &mut Director, tell: &mut Tell<'_>) -> Step {
        if self.refused.is_empty() {
            let done = self.batch.len();
            self.batch.clear();
            return self.done(done);
        }
        // Those that were lost came last.
        self.refused.sort_unstable_by_key(|(tag, _)| *tag);
        let batch = core::mem::take(&mut self.batch);
        let mut refused = self.refused.iter().copied().peekable();
        let mut why = None;
        for (Sent { pending, .. }, tag) in batch.iter().zip(0..) {
            let errno = refused.next_if(|(at, _)| *at == tag).map(|(_, errno)| errno);
            let passing = errno.filter(|errno| passes(*errno) && self.tries < limit::LVS_TRIES);
            let key = key_of(&pending.operation);
            let kept = self.batch.iter().map(|kept| key_of(&kept.pending.operation));
            let follows = kept.into_iter().any(|kept| kept.is_none() || kept == key);
            if passing.is_some() || follows {
                why = why.or(passing);
                let maybe = matches!(errno, None | Some(Errno::ENOBUFS | Errno::EEXIST));
                let _ = self.batch.push(Sent { pending: *pending, maybe });
            } else if let Some(errno) = errno {
                self.unsure |= errno == Errno::ENOBUFS;
                director.refused(now, pending, meaning(&pending.operation, errno), tell);
            }
        }
        if let Some(errno) = why {
            self.wait(now, errno);
            return Step::Waits;
        }
        self.done(batch.len())
    }

    /// So many operations of a batch were answered, and nothing of it waits.
    fn done(&mut self, operations: usize) -> Step {
        if core::mem::take(&mut self.tries) > 0 {
            report::table_goes_on(self.again);
        }
        Step::Done(operations)
    }

    /// Pulls a batch, up to a removal that has to wait for it.
    fn gather(&mut self, director: &mut Director, room: usize) {
        let most = room.min(self.batch.capacity());
        while self.batch.len() < most {
            let Some(pending) = self.behind.take().or_else(|| director.pull()) else { return };
            if waits_for(&pending.operation, &self.batch) {
                (self.behind, self.due) = (Some(pending), Instant::START);
                return;
            }
            let _ = self.batch.push(Sent { pending, maybe: false });
        }
    }

    fn wait(&mut self, now: Instant, errno: Errno) {
        if self.tries == 0 {
            report::table_waits(errno);
        }
        self.due = now + FIRST * (1 << self.tries.min(DOUBLED));
        self.tries = self.tries.saturating_add(1);
        self.again = self.again.saturating_add(1);
    }

    /// What waits is sent again with the next step.
    pub(super) const fn hurry(&mut self) {
        self.due = Instant::START;
    }

    /// The director has back what was not answered: another one follows it. What may be there counts as there.
    pub(super) fn give_back(&mut self, now: Instant, director: &mut Director, tell: &mut Tell<'_>) {
        let behind = self.behind.map(|pending| Sent { pending, maybe: false });
        for Sent { pending, maybe } in self.batch.iter().chain(&behind) {
            let refusal = match pending.operation {
                Operation::NewService(..) | Operation::NewDest(..) if *maybe => Refusal::Exists,
                // The kernel lacks nothing that a removal takes: it has been carried out.
                Operation::DelService(_) | Operation::DelDest(..) if *maybe => continue,
                _ => Refusal::Unknown,
            };
            director.refused(now, pending, refusal, tell);
        }
        self.batch.clear();
        (self.behind, self.tries) = (None, 0);
    }
}

/// What waits is sent again after so long, and after twice as long each time it is in vain.
const FIRST: Span = Span::from_millis(10);
/// So often at most: up to 640 ms.
const DOUBLED: u32 = 6;

/// Whether a refusal is of the moment: no memory, no room in a queue, a lost answer.
const fn passes(errno: Errno) -> bool {
    matches!(errno, Errno::ENOMEM | Errno::ENOBUFS | Errno::EAGAIN)
}

/// Whether an operation takes away what one of those that are sent before it may replace.
fn waits_for(operation: &Operation, before: &[Sent]) -> bool {
    let only = match operation {
        Operation::Flush | Operation::DelService(_) => None,
        Operation::DelDest(key, _) => Some(key),
        Operation::SetDest(key, _, value) if value.weight == 0 => Some(key),
        _ => return false,
    };
    before.iter().any(|sent| match &sent.pending.operation {
        Operation::NewService(key, _) => only.is_none_or(|only| only == key),
        Operation::NewDest(key, _, value) | Operation::SetDest(key, _, value) => {
            value.weight > 0 && only.is_none_or(|only| only == key)
        }
        _ => false,
    })
}

const fn key_of(operation: &Operation) -> Option<&ServiceKey> {
    match operation {
        Operation::Flush => None,
        Operation::NewService(key, _)
        | Operation::SetService(key, _)
        | Operation::DelService(key)
        | Operation::NewDest(key, ..)
        | Operation::SetDest(key, ..)
        | Operation::DelDest(key, _) => Some(key),
    }
}

#[cfg(test)]
#[path = "sending_tests.rs"]
mod tests;

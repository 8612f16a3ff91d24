//! Hearing the children, and resting from it: a child whose objects change by the hundred tells of each before the
//! network knows. What it tells of is only for its replacement, and lies safe in the channel meanwhile; to be woken for
//! each would cost more than the change itself.

use std::os::fd::AsRawFd;

use super::child::Heard;
use super::{KINDS, Parent, Program, slot};
use crate::base::limit;
use crate::base::time::Span;
use crate::daemon::ipc::ToParent;
use crate::daemon::log;
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::token::SourceId;
use crate::proto::supervise::Input;

/// The deadlines of channels that rest; one for each child.
#[allow(clippy::cast_possible_truncation, reason = "a handful")]
pub(super) const FIRST_SLOT: u32 = (2 * KINDS + 2) as u32;

/// How long a channel rests after it has told of changes. It has room for some 200 packets; a child sends about five
/// a millisecond when thousands change at once.
const REST: Span = Span::from_millis(20);

impl<P: Program> Parent<'_, P> {
    /// Reads what a child has to say. After changes of objects its channel rests.
    pub(super) fn hear(&mut self, turn: &mut Turn<'_>, index: usize) -> Again {
        let mut changed = false;
        for _ in 0..limit::CHANNEL_BATCH {
            let mut heard = Heard::new();
            let received = self.children.get_mut(index).and_then(|child| child.receive(&mut heard));
            changed |= !heard.is_empty();
            #[cfg(feature = "status")]
            self.changes_over(&heard);
            #[cfg(feature = "snmp")]
            self.tell_subagent(index, &heard);
            let Some(messages) = received else {
                // Empty, or closed: then the death follows as a signal.
                if changed {
                    self.tell_states();
                    self.write_heritage(turn, index);
                    self.rest(turn, index);
                }
                return Again::Done;
            };
            for message in messages {
                match message {
                    ToParent::HelloReply(number) => {
                        self.step(turn, index, Input::Answer(number));
                        self.connect_late(index);
                        let child = self.children.get(index);
                        if let Some(heritage) = child.and_then(|child| child.heritage.as_ref()) {
                            heritage.beat(turn.now());
                        }
                    }
                    ToParent::Ready => {
                        self.step(turn, index, Input::Ready);
                        self.catch_up(turn, index);
                        self.connect_peers(index);
                        #[cfg(feature = "snmp")]
                        self.subagent_ready(index);
                        self.after_busy(turn);
                    }
                    ToParent::ReloadDone { ok } => {
                        if !ok && let Some(child) = self.children.get(index) {
                            log::error!("{} child process refused the new configuration", child.kind.title());
                            #[cfg(feature = "status")]
                            self.reload_failed();
                        }
                        self.caught_up(index);
                        self.step(turn, index, Input::ReloadDone);
                        self.after_busy(turn);
                    }
                    ToParent::Transition(_) => {}
                    #[cfg(feature = "status")]
                    ToParent::Answered(number, how) => self.child_answered(turn, index, number, how),
                    #[cfg(feature = "snmp")]
                    ToParent::WantRows => self.want_rows(turn),
                    #[cfg(feature = "snmp")]
                    ToParent::Change(question) => self.change_for_subagent(turn, index, question),
                    #[cfg(feature = "snmp")]
                    ToParent::AdvertRefused(refusal) => self.tell_refusal(refusal),
                }
            }
        }
        Again::More
    }

    /// Objects of a child are in other states: a daemon that is started after this one was killed goes on from there.
    pub(super) fn write_heritage(&mut self, turn: &Turn<'_>, index: usize) {
        let Some(child) = self.children.get_mut(index) else { return };
        let Some(heritage) = &mut child.heritage else { return };
        if self.ending.is_some() {
            heritage.remove();
        } else {
            heritage.write(turn.now(), &child.records);
        }
    }

    /// Reads what a child has said while its channel rested.
    pub(super) fn hear_resting(&mut self, turn: &mut Turn<'_>, index: usize) {
        for _ in 0..limit::CATCH_UP_PASSES {
            let link = self.children.get(index).and_then(|child| child.link.as_ref());
            if !link.is_some_and(|link| link.resting) || self.hear(turn, index) == Again::Done {
                return;
            }
        }
    }

    fn rest(&mut self, turn: &mut Turn<'_>, index: usize) {
        let busy = self.children.get(index).is_none_or(|child| child.supervisor.is_busy());
        let link = self.children.get_mut(index).and_then(|child| child.link.as_mut());
        // A start or a reload that is waited for is heard of at once.
        if let Some(link) = link.filter(|link| !link.resting && !busy) {
            turn.deregister(link.registration);
            link.resting = true;
            turn.set_deadline(rest_slot(index), Some(turn.now() + REST));
        }
    }

    /// A channel that rested wakes this process again; at once, if something has come.
    pub(super) fn listen_again(&mut self, turn: &mut Turn<'_>, index: usize) {
        let link = self.children.get_mut(index).and_then(|child| child.link.as_mut());
        let Some(link) = link.filter(|link| link.resting) else { return };
        match turn.register(
            link.channel.as_raw_fd(),
            SourceId { kind: 0, index: slot(index) },
            Interest::Read,
        ) {
            Ok(registration) => {
                link.registration = registration;
                link.resting = false;
            }
            Err(_) => {
                // The kernel has no memory for it now: it is read all the same, and asked again.
                self.hear_resting(turn, index);
                turn.set_deadline(rest_slot(index), Some(turn.now() + REST));
            }
        }
    }
}

fn rest_slot(index: usize) -> u32 {
    FIRST_SLOT.saturating_add(slot(index))
}

//! What the service manager is told (sd_notify): that the start, a reload or the end is under way or over, the states in a
//! line, and signs of life.

use super::{KINDS, Parent, Program};
use crate::daemon::kind::Kind;
use crate::daemon::reactor::Turn;
use crate::sys::clock;

/// The deadline of the next sign of life.
#[allow(clippy::cast_possible_truncation, reason = "a handful")]
pub(super) const SLOT: u32 = (3 * KINDS + 3) as u32;

/// The states of virtual routers and sync groups as records have them, in the order in which they are told.
const STATES: [(u8, &str); 3] = [(2, "MASTER"), (1, "BACKUP"), (3, "FAULT")];

impl<P: Program> Parent<'_, P> {
    /// The start or a reload is over.
    pub(super) fn tell_ready(&self) {
        self.manager.tell(&format!("READY=1\n{}", self.states()));
    }

    /// Files are about to be read again.
    pub(super) fn tell_reloading(&mut self) {
        self.reloading = true;
        self.manager.tell(&format!("RELOADING=1\nMONOTONIC_USEC={}", clock::now().as_micros()));
    }

    /// A reload may be over: it is when no child is at work on it.
    pub(super) fn tell_reloaded(&mut self) {
        let busy = self.children.iter().any(|child| child.supervisor.is_busy());
        if self.reloading && !busy && !self.reload_again {
            self.reloading = false;
            self.tell_ready();
        }
    }

    /// Something has entered another state.
    pub(super) fn tell_states(&self) {
        if self.manager.listens() {
            self.manager.tell(&self.states());
        }
    }

    fn states(&self) -> String {
        let vrrp = self.children.iter().find(|child| child.kind == Kind::Vrrp);
        let count = |state: u8| {
            vrrp.map_or(0, |child| child.records.iter().filter(|record| record.state() == state).count())
        };
        let counts = STATES.map(|(state, word)| format!("{} {word}", count(state)));
        format!("STATUS=Virtual routers and sync groups: {}", counts.join(", "))
    }

    /// Says that this process is alive, if the manager wants to know, and plans the next time: twice in each period.
    pub(super) fn feed_watchdog(&self, turn: &mut Turn<'_>) {
        if let Some(period) = self.manager.watchdog() {
            self.manager.tell("WATCHDOG=1");
            turn.set_deadline(SLOT, Some(turn.now() + period / 2));
        }
    }
}

//! The parent's hellos are answered in the middle of a turn with much to do.

use super::Core;
use crate::base::time::Span;
use crate::sys::clock;

/// Between two looks at what the parent says, in the middle of work.
const HELLO_SPACING: Span = Span::from_millis(10);
/// Sources, and deadlines, between two such looks in a turn.
pub(super) const ANSWER_EVERY: usize = 32;

impl Core {
    /// Answers the parent's hellos in the middle of work; what else it says waits for its turn.
    pub(super) fn answer_hellos(&mut self) {
        // The time of the turn stands still while the work goes on.
        let now = clock::now();
        if now.since(self.answered) < HELLO_SPACING {
            return;
        }
        self.answered = now;
        let Some((uplink, registration)) = &mut self.uplink else { return };
        let registration = *registration;
        if uplink.answer_hellos() {
            self.enqueue(registration);
        }
    }

    /// Where every call takes long (under strace, or on a machine that is overloaded) a turn of a few hundred sources may
    /// take longer than the parent waits, and its own channel come up for its turn only after several of them.
    pub(super) fn answer_between(&mut self, count: usize) {
        if count.is_multiple_of(ANSWER_EVERY) {
            self.answer_hellos();
        }
    }
}

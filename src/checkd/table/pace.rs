//! When the kernel's table is looked at again: a look at a large table takes long, and repeated looks may have no more
//! than a hundredth of a processor.

use crate::base::time::{Instant, Span};

/// The kernel does not tell of changes to the table: it is looked at so often. What somebody deletes serves nobody for so
/// long at most; a look at 200 services takes about 10 ms, in slices between which checks go on.
const LOOK: Span = Span::from_secs(10);
/// So often, however long a look takes.
const RARELY: Span = Span::from_secs(30);
/// A look after an acknowledgement that was lost, the first in a row.
const SOON: Span = Span::from_millis(100);
/// A look may take this part of the time.
const SHARE: u64 = 100;
/// So often the time between looks in a row doubles at most: past that it is as long as between all looks.
const DOUBLED: u32 = 7;

/// How long looks take.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// The parts of the look that goes on, so far.
    taken: Span,
    /// The last look that is over.
    last: Span,
    /// When it was over.
    ended: Instant,
    /// How many looks in a row left something in doubt.
    doubts: u32,
}

impl Pace {
    /// A part of a look took from here to there; `over`: it was the last part.
    pub(super) fn took(&mut self, from: Instant, to: Instant, over: bool) {
        self.taken = self.taken + to.since(from);
        if over {
            self.last = core::mem::take(&mut self.taken);
            self.ended = to;
        }
    }

    /// A look begins, because something is in doubt or because it is time.
    pub(super) const fn begins(&mut self, unsure: bool) {
        self.doubts = if unsure { self.doubts.saturating_add(1) } else { 0 };
    }

    /// When the next look is due. Counted from the end of the last one, so that what happens meanwhile puts it off no more.
    pub(super) fn due(&self, unsure: bool) -> Instant {
        self.ended + self.pause(unsure)
    }

    /// How long to wait between two looks.
    fn pause(&self, unsure: bool) -> Span {
        let share = self.last * SHARE;
        match unsure {
            true => share.max(SOON * (1 << self.doubts.min(DOUBLED))).min(LOOK),
            false => share.max(LOOK).min(RARELY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(millis: u64) -> Pace {
        let mut pace = Pace::default();
        let from = Instant::START + Span::from_secs(1);
        pace.took(from, from + Span::from_millis(millis / 2), false);
        pace.took(from, from + Span::from_millis(millis - millis / 2), true);
        pace
    }

    #[test]
    fn looks_take_a_hundredth_of_the_time_and_what_is_deleted_is_seen_within_half_a_minute() {
        assert_eq!(Pace::default().pause(false), LOOK);
        assert_eq!(after(20).pause(false), LOOK, "a look that takes little");
        assert_eq!(after(150).pause(false), Span::from_secs(15));
        assert_eq!(after(5_000).pause(false), RARELY);
        let mut pace = after(150);
        let from = Instant::START;
        pace.took(from, from + Span::from_millis(1), true);
        assert_eq!(pace.pause(false), LOOK, "the last look counts");
    }

    #[test]
    fn looks_in_a_row_are_ever_rarer() {
        let mut pace = after(1);
        let mut waited = Vec::new();
        for _ in 0..10 {
            waited.push(pace.pause(true).as_millis());
            pace.begins(true);
        }
        assert_eq!(waited, [100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000, 10_000]);
        pace.begins(false);
        assert_eq!(pace.pause(true), SOON);
        assert_eq!(after(30).pause(true), Span::from_secs(3), "not before the last look has been paid for");
    }
}

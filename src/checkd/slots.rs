//! What each deadline of the child is for: the slots of the loop's deadline heap.

use super::notifies::NotifyId;
use crate::base::id::{FileId, MachineId};

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// A check.
    Check(MachineId),
    /// The notify script of a virtual server or a real server.
    Notify(NotifyId),
    /// A tracked file.
    File(FileId),
    /// The next look at the kernel's table, or at what is to be tried again there.
    Table,
    /// What is tried again each second: directories of tracked files.
    Retry,
    /// The next list of addresses after one that failed.
    Addresses,
    /// Notify scripts of objects that a reload removed.
    Retired,
    /// Programs of checks that a reload removed.
    Leaving,
    /// The next part of a status file.
    Status,
    /// Scripts of FIFOs that are to end.
    Fifos,
    /// The mail.
    Mail,
    /// The end of the patience with scripts when stopping.
    Stop,
}

/// The layout: one slot a check, one an object with notify scripts, one a tracked file, nine of the child itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    checks: u32,
    notifies: u32,
    files: u32,
}

const OF_THE_CHILD: [Slot; 9] = [
    Slot::Table,
    Slot::Retry,
    Slot::Addresses,
    Slot::Retired,
    Slot::Leaving,
    Slot::Status,
    Slot::Fifos,
    Slot::Mail,
    Slot::Stop,
];

impl Layout {
    pub(super) fn new(checks: usize, notifies: usize, files: usize) -> Self {
        // A quarter of the numbers for each, so that their sum and the slots of the child have numbers, too.
        let count = |len| u32::try_from(len).unwrap_or(u32::MAX / 4);
        Self { checks: count(checks), notifies: count(notifies), files: count(files) }
    }

    /// How many slots there are.
    pub(super) const fn len(self) -> usize {
        self.of_the_child() as usize + OF_THE_CHILD.len()
    }

    const fn of_the_child(self) -> u32 {
        self.checks + self.notifies + self.files
    }

    pub(super) fn number(self, slot: Slot) -> u32 {
        match slot {
            Slot::Check(id) => id.0,
            Slot::Notify(NotifyId(number)) => self.checks + number,
            Slot::File(id) => self.checks + self.notifies + id.0,
            of_the_child => {
                let place = OF_THE_CHILD.iter().position(|slot| *slot == of_the_child);
                self.of_the_child() + u32::try_from(place.unwrap_or(0)).unwrap_or(0)
            }
        }
    }

    pub(super) fn slot(self, number: u32) -> Slot {
        let Some(after) = number.checked_sub(self.checks) else { return Slot::Check(MachineId(number)) };
        let Some(file) = after.checked_sub(self.notifies) else { return Slot::Notify(NotifyId(after)) };
        let Some(place) = file.checked_sub(self.files) else { return Slot::File(FileId(file)) };
        OF_THE_CHILD.get(place as usize).copied().unwrap_or(Slot::Stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_its_own_number_and_back() {
        let layout = Layout::new(3, 2, 2);
        let mut seen = Vec::new();
        for number in 0..u32::try_from(layout.len()).unwrap() {
            let slot = layout.slot(number);
            assert_eq!(layout.number(slot), number);
            assert!(!seen.contains(&slot));
            seen.push(slot);
        }
        assert_eq!(seen.len(), 3 + 2 + 2 + OF_THE_CHILD.len());
        assert_eq!(Layout::new(0, 0, 0).slot(8), Slot::Stop);
    }
}

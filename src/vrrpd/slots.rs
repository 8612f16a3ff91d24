//! What each deadline of the child is for: the slots of the loop's deadline heap.

use crate::base::id::{FileId, GroupId, InstanceId, ProcessId, ScriptId};

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slot {
    /// The election of an instance.
    Machine(InstanceId),
    /// The announcements of an instance.
    Announce(InstanceId),
    /// The notify script of an instance.
    Notify(InstanceId),
    /// The notify script of a sync group.
    Group(GroupId),
    /// A track script.
    Script(ScriptId),
    /// A tracked file.
    File(FileId),
    /// A process monitor.
    Process(ProcessId),
    /// The next look at all processes.
    Scan,
    /// Delays of interfaces, and the next look at those that are polled.
    Links,
    /// What is tried again each second.
    Retry,
    /// Announcements on interfaces that are not an instance's own.
    Extra,
    /// The end of the delay at the start.
    Hold,
    /// The end of the patience with duplicate address detection.
    Detection,
    /// Notify scripts of instances that a reload removed.
    Retired,
    /// The next part of a status file.
    Status,
    /// Scripts of FIFOs that are to end.
    Fifos,
    /// The mail.
    Mail,
    /// The end of the patience with scripts when stopping.
    Stop,
}

/// The layout: three slots an instance, one a sync group, one a tracker with a clock, eleven of the child itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    instances: u32,
    groups: u32,
    scripts: u32,
    files: u32,
    processes: u32,
}

const PER_INSTANCE: u32 = 3;
const OF_THE_CHILD: u32 = 11;

impl Layout {
    pub(super) fn new(
        instances: usize,
        groups: usize,
        scripts: usize,
        files: usize,
        processes: usize,
    ) -> Self {
        let count = |len| u32::try_from(len).unwrap_or(u32::MAX / PER_INSTANCE / 2);
        Self {
            instances: count(instances),
            groups: count(groups),
            scripts: count(scripts),
            files: count(files),
            processes: count(processes),
        }
    }

    /// How many slots there are.
    pub(super) const fn len(self) -> usize {
        (self.of_the_child() + OF_THE_CHILD) as usize
    }

    const fn of_the_child(self) -> u32 {
        self.instances * PER_INSTANCE + self.groups + self.scripts + self.files + self.processes
    }

    pub(super) const fn number(self, slot: Slot) -> u32 {
        let groups = self.instances * PER_INSTANCE;
        let after = groups + self.groups;
        match slot {
            Slot::Group(id) => groups + id.number(),
            Slot::Machine(id) => id.0 * PER_INSTANCE,
            Slot::Announce(id) => id.0 * PER_INSTANCE + 1,
            Slot::Notify(id) => id.0 * PER_INSTANCE + 2,
            Slot::Script(id) => after + id.0,
            Slot::File(id) => after + self.scripts + id.0,
            Slot::Process(id) => after + self.scripts + self.files + id.0,
            Slot::Retry => self.of_the_child(),
            Slot::Retired => self.of_the_child() + 1,
            Slot::Status => self.of_the_child() + 2,
            Slot::Scan => self.of_the_child() + 3,
            Slot::Fifos => self.of_the_child() + 4,
            Slot::Mail => self.of_the_child() + 5,
            Slot::Extra => self.of_the_child() + 6,
            Slot::Hold => self.of_the_child() + 7,
            Slot::Links => self.of_the_child() + 8,
            Slot::Detection => self.of_the_child() + 9,
            Slot::Stop => self.of_the_child() + 10,
        }
    }

    pub(super) const fn slot(self, number: u32) -> Slot {
        let groups = self.instances * PER_INSTANCE;
        if number < groups {
            let id = InstanceId(number / PER_INSTANCE);
            return match number % PER_INSTANCE {
                0 => Slot::Machine(id),
                1 => Slot::Announce(id),
                _ => Slot::Notify(id),
            };
        }
        if number - groups < self.groups {
            return Slot::Group(GroupId::new(number - groups));
        }
        let after = groups + self.groups;
        let tracker = number - after;
        if tracker < self.scripts {
            return Slot::Script(ScriptId(tracker));
        }
        if tracker < self.scripts + self.files {
            return Slot::File(FileId(tracker - self.scripts));
        }
        if number < self.of_the_child() {
            return Slot::Process(ProcessId(tracker - self.scripts - self.files));
        }
        match number - self.of_the_child() {
            0 => Slot::Retry,
            1 => Slot::Retired,
            2 => Slot::Status,
            3 => Slot::Scan,
            4 => Slot::Fifos,
            5 => Slot::Mail,
            6 => Slot::Extra,
            7 => Slot::Hold,
            8 => Slot::Links,
            9 => Slot::Detection,
            _ => Slot::Stop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_its_own_number_and_back() {
        let layout = Layout::new(3, 2, 2, 2, 3);
        let mut seen = Vec::new();
        for number in 0..u32::try_from(layout.len()).unwrap() {
            let slot = layout.slot(number);
            assert_eq!(layout.number(slot), number);
            assert!(!seen.contains(&slot));
            seen.push(slot);
        }
        assert_eq!(Layout::new(0, 0, 0, 0, 0).slot(10), Slot::Stop);
    }
}

//! How a child is run, and what of its work is measured.

use std::path::PathBuf;

use super::ahead::Text;
use crate::base::rate::Budget;
use crate::base::time::Span;
use crate::config::model::Daemon;
use crate::daemon::kind::Kind;
use crate::daemon::parent::disown;
use crate::daemon::reactor::Turn;
use crate::daemon::tuning::Tuner;
use crate::status::stats::Process;
use crate::sys::{alloc, netlink};

/// How this process is run.
pub struct Role {
    /// Which child it is.
    pub kind: Kind,
    /// Carries out scheduling, priorities and limits.
    pub tuner: Tuner,
    /// The stop has begun.
    pub stopping: bool,
    /// What is in the kernel stays there at the stop (`-V`).
    pub keep_on_stop: bool,
    /// The pid file of this child.
    pub pid_file: PathBuf,
    /// The budget for log lines that a peer or a script can bring about.
    pub lines: Budget,
    /// Memory and times of reloads.
    pub meter: Meter,
    /// The configuration of a reload on its way, of a child that [reloads in one step](super::bracket::Reloads).
    pub text: Text,
}

impl Role {
    /// A child of this kind that is not tuned and has no pid file yet.
    #[must_use]
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            tuner: Tuner::default(),
            stopping: false,
            keep_on_stop: false,
            pid_file: PathBuf::new(),
            lines: lines(),
            meter: Meter::default(),
            text: Text::default(),
        }
    }

    /// What the process has counted of itself.
    #[must_use]
    pub fn stats(&self, turn: &Turn<'_>) -> Process {
        let counters = turn.counters();
        Process {
            allocations: alloc::allocations().wrapping_sub(self.meter.loading),
            loading: self.meter.loading,
            live: alloc::live(),
            turns: counters.turns,
            deadlines: counters.expired,
            stalls: counters.stalls,
            latest: counters.latest,
            turn: counters.longest,
            slice: self.meter.slice,
            overruns: netlink::overruns(),
        }
    }

    /// The stop begins: without a limit of realtime, for it may take long, and nothing is left to a daemon that is started
    /// later. False: it has begun before.
    pub fn begin_stop(&mut self, turn: &mut Turn<'_>) -> bool {
        if core::mem::replace(&mut self.stopping, true) {
            return false;
        }
        self.tuner.suspend(turn);
        disown(&self.pid_file);
        true
    }
}

/// How long a child that stops waits for scripts: the patience of the parent is a fifth longer.
#[must_use]
pub fn patience(daemon: &Daemon) -> Span {
    Span::from_secs(u64::from(daemon.child_wait_time)) * 4 / 5
}

/// The budget for log lines that a peer or a script can bring about: 40 at once, one a second.
#[must_use]
pub const fn lines() -> Budget {
    Budget::new(40, Span::from_secs(1))
}

/// What the start and the reloads of a child took.
#[derive(Debug, Default)]
pub struct Meter {
    /// Allocations of the start and of reloads, which do not count as those of a running child.
    pub loading: usize,
    /// The longest piece of work of the last reload between two looks at what is due.
    pub slice: Span,
    /// A reload is under way, which began when there were so many allocations.
    reloading: Option<usize>,
    /// A text is read ahead of a reload, from when there were so many allocations.
    ahead: Option<usize>,
}

impl Meter {
    /// The start is over: what was allocated so far was for loading.
    pub fn started(&mut self) {
        self.loading = alloc::allocations();
    }

    /// A reload begins.
    pub fn reload_begins(&mut self) {
        self.slice = Span::ZERO;
        self.reloading = Some(alloc::allocations());
    }

    /// Whether a reload is under way.
    #[must_use]
    pub const fn is_reloading(&self) -> bool {
        self.reloading.is_some()
    }

    /// The reload is over.
    pub fn reloaded(&mut self) {
        if let Some(before) = self.reloading.take() {
            self.loading = self.loading.wrapping_add(alloc::allocations().wrapping_sub(before));
        }
    }

    /// A text is read ahead of a reload from now on.
    pub fn reads_ahead(&mut self) {
        self.ahead.get_or_insert_with(alloc::allocations);
    }

    /// It has been read, or goes on to be read in the reload.
    pub fn has_read_ahead(&mut self) {
        if let Some(before) = self.ahead.take() {
            self.loading = self.loading.wrapping_add(alloc::allocations().wrapping_sub(before));
        }
    }

    /// For so long nothing that was due could leave.
    pub fn note_slice(&mut self, slice: Span) {
        if self.reloading.is_some() {
            self.slice = self.slice.max(slice);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_count_during_a_reload_and_begin_anew_with_the_next() {
        let mut meter = Meter::default();
        meter.note_slice(Span::from_secs(1));
        assert_eq!(meter.slice, Span::ZERO, "no reload is under way");
        meter.reload_begins();
        meter.note_slice(Span::from_millis(2));
        meter.note_slice(Span::from_millis(1));
        meter.reloaded();
        meter.note_slice(Span::from_millis(9));
        assert_eq!(meter.slice, Span::from_millis(2));
        meter.reload_begins();
        assert_eq!(meter.slice, Span::ZERO);
    }

    #[test]
    fn the_parent_is_a_fifth_more_patient() {
        let daemon = Daemon { child_wait_time: 5, ..Daemon::default() };
        assert_eq!(patience(&daemon), Span::from_secs(4));
    }
}

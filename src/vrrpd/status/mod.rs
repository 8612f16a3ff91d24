//! What SIGUSR1 and SIGUSR2 ask for: data dump and statistics.
//!
//! A file is written a few instances a turn, so that a dump of thousands of them holds up nobody's advert, and
//! appears when it is whole. The first part is written at once: with few instances the file is there when the
//! handler returns.

mod view;

use core::fmt::{self, Write};
use std::io;
use std::path::Path;

use super::report;
use super::slots::Slot;
use super::state::Vrrp;
use crate::base::limit;
use crate::base::time::Span;
use crate::config::model::Model;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::{Counters, Guard};
use crate::status::dump::global::global;
use crate::status::dump::machine::Machine;
use crate::status::dump::{Clock, section};
use crate::status::file::{Kind, StatusFile, place};
use crate::status::lines::Lines;
use crate::status::stats;
use crate::sys::{alloc, clock, process};

/// The status files of the child and what they tell of the process.
#[derive(Default)]
pub(super) struct Status {
    data: Option<Report>,
    stats: Option<Report>,
    machine: Machine,
    /// Reloads so far.
    reloads: u32,
    /// Allocations of the start and of reloads, which do not count as those of a running child.
    loading: usize,
}

/// A status file and how far it has come.
struct Report {
    kind: Kind,
    file: StatusFile,
    job: Option<Job>,
}

/// When a state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before a reload.
    Before,
    /// After it.
    After,
}

/// A file under way.
#[derive(Clone, Copy)]
struct Job {
    part: Part,
    /// The next of the part.
    next: usize,
    /// Zero each counter once it is written.
    clear: bool,
}

/// The parts of the files, in their order.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Global,
    Addresses,
    Routes,
    Rules,
    Topology,
    Sockets,
    Groups,
    Scripts,
    Files,
    Processes,
    Links,
    Counters,
    Further,
    Process,
    End,
}

impl Part {
    const fn after(self) -> Self {
        match self {
            Self::Global => Self::Addresses,
            Self::Addresses => Self::Routes,
            Self::Routes => Self::Rules,
            Self::Rules => Self::Topology,
            Self::Topology => Self::Sockets,
            Self::Sockets => Self::Groups,
            Self::Groups => Self::Scripts,
            Self::Scripts => Self::Files,
            Self::Files => Self::Processes,
            Self::Processes => Self::Links,
            Self::Counters => Self::Further,
            Self::Further => Self::Process,
            Self::Links | Self::Process | Self::End => Self::End,
        }
    }

    const fn title(self) -> Option<&'static str> {
        match self {
            Self::Addresses => Some("Static Addresses"),
            Self::Routes => Some("Static Routes"),
            Self::Rules => Some("Static Rules"),
            Self::Topology => Some("VRRP Topology"),
            Self::Sockets => Some("VRRP Sockpool"),
            Self::Groups => Some("VRRP Sync groups"),
            Self::Scripts => Some("VRRP Scripts"),
            Self::Files => Some("VRRP Track files"),
            Self::Processes => Some("VRRP Track processes"),
            Self::Links => Some("Interfaces"),
            Self::Global | Self::Counters | Self::Further | Self::Process | Self::End => None,
        }
    }
}

impl Report {
    fn new(kind: Kind, model: &Model) -> Option<Self> {
        let at = place(kind, &model.daemon, &model.global);
        match StatusFile::new(&at) {
            Ok(file) => Some(Self { kind, file, job: None }),
            Err(error) => {
                report::status_failed(&at, kind.keyword(), &error);
                None
            }
        }
    }
}

impl Status {
    /// Prepares the files for a configuration, at the start and at a reload: what it allocates nothing has to
    /// allocate later.
    pub(super) fn load(&mut self, model: &Model) {
        self.machine = Machine::learn(&model.global);
        self.data = Report::new(Kind::VrrpData, model);
        self.stats = Report::new(Kind::VrrpStats, model);
    }

    /// The start is over: what was allocated so far was for loading.
    pub(super) fn started(&mut self) {
        self.loading = alloc::allocations();
    }

    /// A reload is over that began when there were `before` allocations.
    pub(super) fn reloaded(&mut self, before: usize) {
        self.loading = self.loading.wrapping_add(alloc::allocations().wrapping_sub(before));
    }
}

/// A deadline that is not due in this turn any more.
const NEXT_TURN: Span = Span::from_micros(1);

impl Vrrp {
    /// Writes the data dump.
    pub(super) fn dump_data(&mut self, turn: &mut Turn<'_>) {
        report::printing_data();
        self.finish_status(turn);
        let report = self.status.data.take();
        self.status.data = self.begin_report(turn, report, Part::Global, false);
    }

    /// Keeps the data dump of the moment before or after a reload (`config_save_dir`). Adverts that fall due go out.
    pub(super) fn save_state(&mut self, turn: &mut Turn<'_>, moment: Moment) {
        if moment == Moment::Before {
            self.status.reloads = self.status.reloads.wrapping_add(1);
        }
        let Some(folder) = self.model.global.files.config_save_dir.clone() else { return };
        let word = if moment == Moment::Before { "pre" } else { "post" };
        let (pid, number) = (process::own(), self.status.reloads);
        let place = Path::new(&folder).join(format!("keepalived_vrrp.{pid}.{number}.{word}"));
        let saved = StatusFile::new(&place).and_then(|mut file| {
            file.begin()?;
            let mut job = Job { part: Part::Global, next: 0, clear: false };
            while job.part != Part::End {
                let clock = Clock { now: turn.now(), wall: clock::wall(), local: clock::local };
                if self.write_piece(turn, &clock, &mut file, &mut job).is_err() {
                    break;
                }
                self.breathe_at(turn, job.next);
            }
            file.finish()
        });
        if let Err(error) = saved {
            report::status_failed(&place, "config_save_dir", &error);
        }
    }

    /// Writes the data dump to the log (`-d`), at once: nothing runs yet that it could hold up.
    pub(super) fn log_data(&mut self, turn: &Turn<'_>) {
        let clock = Clock { now: turn.now(), wall: clock::wall(), local: clock::local };
        let mut lines = Lines::default();
        let mut job = Job { part: Part::Global, next: 0, clear: false };
        while job.part != Part::End {
            // The log takes everything.
            let _ = self.write_piece(turn, &clock, &mut lines, &mut job);
        }
    }

    /// Writes the statistics; `clear`: and counts from zero again.
    pub(super) fn dump_stats(&mut self, turn: &mut Turn<'_>, clear: bool) {
        report::printing_stats(clear);
        self.finish_status(turn);
        let report = self.status.stats.take();
        self.status.stats = self.begin_report(turn, report, Part::Counters, clear);
    }

    /// Writes more of what is under way.
    pub(super) fn write_status(&mut self, turn: &mut Turn<'_>) {
        let budget = limit::STATUS_INSTANCES_PER_TURN;
        let data = self.status.data.take();
        self.status.data = data.map(|report| self.write_report(turn, report, budget));
        let stats = self.status.stats.take();
        self.status.stats = stats.map(|report| self.write_report(turn, report, budget));
        self.arm_status(turn);
    }

    /// Writes all that is left of what is under way: before what it tells of changes, or a new file begins.
    pub(super) fn finish_status(&mut self, turn: &mut Turn<'_>) {
        let data = self.status.data.take();
        self.status.data = data.map(|report| self.write_report(turn, report, usize::MAX));
        let stats = self.status.stats.take();
        self.status.stats = stats.map(|report| self.write_report(turn, report, usize::MAX));
        self.arm_status(turn);
    }

    fn arm_status(&self, turn: &mut Turn<'_>) {
        let reports = [self.status.data.as_ref(), self.status.stats.as_ref()];
        let under_way = reports.into_iter().flatten().any(|report| report.job.is_some());
        let at = under_way.then(|| turn.now() + NEXT_TURN);
        turn.set_deadline(self.layout.number(Slot::Status), at);
    }

    fn begin_report(
        &mut self,
        turn: &mut Turn<'_>,
        report: Option<Report>,
        part: Part,
        clear: bool,
    ) -> Option<Report> {
        let mut report = report?;
        match report.file.begin() {
            Ok(()) => {
                report.job = Some(Job { part, next: 0, clear });
                report = self.write_report(turn, report, limit::STATUS_INSTANCES_PER_TURN);
                if report.job.is_some() {
                    turn.set_deadline(self.layout.number(Slot::Status), Some(turn.now() + NEXT_TURN));
                }
            }
            Err(error) => failed(&report, &error),
        }
        Some(report)
    }

    /// Writes up to `budget` pieces of a file, and puts it in its place if that is all.
    fn write_report(&mut self, turn: &Turn<'_>, mut report: Report, budget: usize) -> Report {
        let Some(mut job) = report.job.take() else {
            return report;
        };
        let clock = Clock { now: turn.now(), wall: clock::wall(), local: clock::local };
        for _ in 0..budget {
            if job.part == Part::End {
                break;
            }
            // An error is kept by the file, and told when it is finished.
            if self.write_piece(turn, &clock, &mut report.file, &mut job).is_err() {
                job.part = Part::End;
            }
        }
        if job.part == Part::End {
            if let Err(error) = report.file.finish() {
                failed(&report, &error);
            }
        } else {
            report.job = Some(job);
        }
        report
    }

    /// Writes the next piece; past the last one of a part goes on to the next part.
    fn write_piece(
        &mut self,
        turn: &Turn<'_>,
        clock: &Clock,
        out: &mut dyn Write,
        job: &mut Job,
    ) -> fmt::Result {
        // keepalived leaves the sections out that it has nothing for.
        let left_out = match job.part {
            Part::Groups => self.groups.is_empty(),
            Part::Files => self.files.len() == 0,
            Part::Addresses => self.model.network.addresses.is_empty(),
            Part::Routes => self.model.network.routes.is_empty(),
            Part::Rules => self.model.network.rules.is_empty(),
            Part::Processes => self.processes.len() == 0,
            _ => false,
        };
        if let (0, Some(title), false) = (job.next, job.part.title(), left_out) {
            section(out, title)?;
        }
        let position = job.next;
        let written = match job.part {
            Part::Global if position == 0 => {
                let model = &self.model;
                Some(global(out, &model.daemon, &model.global, &self.status.machine))
            }
            Part::Topology => self.write_instance(clock, out, position),
            Part::Addresses => self.write_fixed_address(out, position),
            Part::Routes => self.write_fixed_route(out, position),
            Part::Rules => self.write_fixed_rule(out, position),
            Part::Sockets => self.write_socket(out, position),
            Part::Groups => self.write_group(out, position),
            Part::Scripts => self.write_script(out, position),
            Part::Files => self.write_file(out, position),
            Part::Processes => self.write_process(out, position),
            Part::Links => self.write_link(out, position),
            Part::Counters => self.write_counters(out, position, job.clear),
            Part::Further => self.write_further(out, position, job.clear),
            Part::Process if position == 0 => Some(stats::process(out, &self.process_stats(turn))),
            Part::Global | Part::Process | Part::End => None,
        };
        if let Some(written) = written {
            job.next = position.saturating_add(1);
            written
        } else {
            (job.part, job.next) = (job.part.after(), 0);
            Ok(())
        }
    }

    fn write_counters(&mut self, out: &mut dyn Write, position: usize, clear: bool) -> Option<fmt::Result> {
        let instance = self.instances.get_mut(position)?;
        let counters = instance.router.counters_mut();
        let before = *counters;
        if clear {
            // The others are still to be written.
            *counters = Counters {
                version: before.version,
                checksum: before.checksum,
                not_a_peer: before.not_a_peer,
                own: before.own,
                restored: before.restored,
                ..Counters::default()
            };
        }
        let extension = instance.router.extension().copied().unwrap_or_default();
        if clear && let Some(Guard::Signature(signature)) = instance.router.guard_mut() {
            *signature.counters_mut() = Default::default();
        }
        Some(stats::instance(out, &instance.config.name, &before, &extension))
    }

    fn write_further(&mut self, out: &mut dyn Write, position: usize, clear: bool) -> Option<fmt::Result> {
        let instance = self.instances.get_mut(position)?;
        let counters = instance.router.counters_mut();
        let before = *counters;
        if clear {
            counters.version = 0;
            counters.checksum = 0;
            counters.not_a_peer = 0;
            counters.own = 0;
            counters.restored = 0;
        }
        Some(stats::further(out, &instance.config.name, &before))
    }

    fn process_stats(&self, turn: &Turn<'_>) -> stats::Process {
        let loop_ = turn.counters();
        stats::Process {
            allocations: alloc::allocations().wrapping_sub(self.status.loading),
            loading: self.status.loading,
            live: alloc::live(),
            turns: loop_.turns,
            deadlines: loop_.expired,
            stalls: loop_.stalls,
            latest: loop_.latest,
        }
    }
}

fn failed(report: &Report, error: &io::Error) {
    report::status_failed(report.file.place(), report.kind.keyword(), error);
}

//! What SIGUSR1, SIGUSR2 and the JSON signal ask for: data dump, statistics and JSON status.
//!
//! A file is written a few instances a turn ([`crate::child::status`]). The first part is written at once: with few
//! instances the file is there when the handler returns. [`part`] has the order of what is written, [`view`] and
//! [`network`] lend it.

#[cfg(feature = "status")]
mod answer;
#[cfg(feature = "status")]
mod metrics;
mod network;
mod part;
#[cfg(feature = "snmp")]
mod rows;
mod view;

use core::fmt::{self, Write};
use std::path::Path;

use part::Part;

use crate::base::limit;
#[cfg(feature = "snmp")]
use crate::base::rate::Allowance;
#[cfg(feature = "status")]
use crate::child::answer::Asked;
use crate::child::status::{Job, NEXT_TURN, Report, clock, write_to_log};
use crate::config::model::Model;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::{Counters, Guard};
use crate::status::dump::global::global;
use crate::status::dump::machine::Machine;
use crate::status::dump::{Clock, section};
use crate::status::file::{Kind, StatusFile};
use crate::status::{json, stats};
use crate::sys::process;
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::slots::Slot;

/// The status files of the child and what they say of the process.
#[derive(Default)]
pub(super) struct Status {
    /// In the order of [`KINDS`].
    reports: [Option<Report<Part>>; KINDS.len()],
    /// What a client of the control socket asked, and its answer.
    #[cfg(feature = "status")]
    asked: Asked<Part>,
    /// How many refused adverts the SNMP agent may be notified of.
    #[cfg(feature = "snmp")]
    refusals: Allowance,
    machine: Machine,
    /// Reloads so far.
    reloads: u32,
}

/// The data dump that is kept of the moment before or after a reload.
pub(super) struct Saving {
    file: StatusFile,
    job: Job<Part>,
}

/// The files of this child.
const KINDS: [Kind; 3] = [Kind::VrrpData, Kind::VrrpStats, Kind::VrrpJson];

/// When a state is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// Before a reload.
    Before,
    /// After it.
    After,
}

impl Status {
    /// Prepares the files for a configuration, at the start and at a reload: what it allocates nothing has to
    /// allocate later.
    pub(super) fn load(&mut self, model: &Model) {
        self.machine = Machine::learn(&model.global);
        self.reports = KINDS.map(|kind| Report::new(kind, model));
        #[cfg(feature = "status")]
        self.asked.load();
    }

    fn is_under_way(&self) -> bool {
        #[cfg(feature = "status")]
        if self.asked.is_under_way() {
            return true;
        }
        self.reports.iter().flatten().any(Report::is_under_way)
    }
}

impl Vrrp {
    /// Writes the data dump.
    pub(super) fn dump_data(&mut self, turn: &mut Turn<'_>) {
        report::printing_data();
        self.begin_report(turn, Kind::VrrpData, false);
    }

    /// Writes the statistics; `clear`: and counts from zero again.
    pub(super) fn dump_stats(&mut self, turn: &mut Turn<'_>, clear: bool) {
        report::printing_stats(clear);
        self.begin_report(turn, Kind::VrrpStats, clear);
    }

    /// Writes the JSON status, of which keepalived logs nothing.
    pub(super) fn dump_json(&mut self, turn: &mut Turn<'_>) {
        self.begin_report(turn, Kind::VrrpJson, false);
    }

    /// Begins to keep the data dump of the moment before or after a reload (`config_save_dir`); none: nothing is kept.
    pub(super) fn begin_saving(&mut self, moment: Moment) -> Option<Saving> {
        if moment == Moment::Before {
            self.status.reloads = self.status.reloads.wrapping_add(1);
        }
        let folder = self.model.global.files.config_save_dir.as_ref()?;
        let word = if moment == Moment::Before { "pre" } else { "post" };
        let (pid, number) = (process::own(), self.status.reloads);
        let place = Path::new(folder).join(format!("keepalived_vrrp.{pid}.{number}.{word}"));
        let begun = StatusFile::new(&place).and_then(|mut file| file.begin().map(|()| file));
        match begun {
            Ok(file) => Some(Saving { file, job: Job::new(Kind::VrrpData, false) }),
            Err(error) => {
                report::status_failed(&place, "config_save_dir", &error);
                None
            }
        }
    }

    /// Writes the next pieces of what is kept. False: the file is in its place, or cannot be written.
    pub(super) fn save_more(&mut self, turn: &Turn<'_>, saving: &mut Saving) -> bool {
        let Saving { file, job } = saving;
        let clock = clock(turn.now());
        for _ in 0..limit::STATUS_INSTANCES_PER_TURN {
            // An error is kept by the file.
            if job.is_over() || self.write_piece(turn, &clock, file, job).is_err() {
                if let Err(error) = file.finish() {
                    report::status_failed(file.place(), "config_save_dir", &error);
                }
                return false;
            }
        }
        true
    }

    /// Writes the data dump to the log.
    pub(super) fn log_data(&mut self, turn: &Turn<'_>) {
        write_to_log(turn.now(), Kind::VrrpData, &mut |clock, out, job| {
            self.write_piece(turn, clock, out, job)
        });
    }

    /// Writes more of what is under way.
    pub(super) fn write_status(&mut self, turn: &mut Turn<'_>) {
        for position in 0..KINDS.len() {
            self.write_some(turn, position);
        }
        #[cfg(feature = "status")]
        self.write_answer(turn);
        self.arm_status(turn);
    }

    /// Whether a file is being written.
    pub(super) fn writes_status(&self) -> bool {
        self.status.is_under_way()
    }

    fn arm_status(&self, turn: &mut Turn<'_>) {
        let at = self.status.is_under_way().then(|| turn.now() + NEXT_TURN);
        turn.set_deadline(self.work.layout.number(Slot::Status), at);
    }

    fn begin_report(&mut self, turn: &mut Turn<'_>, kind: Kind, clear: bool) {
        let Some(position) = KINDS.iter().position(|other| *other == kind) else { return };
        let Some(report) = self.status.reports.get_mut(position).and_then(Option::as_mut) else { return };
        if report.ask(clear) {
            self.write_some(turn, position);
        }
        self.arm_status(turn);
    }

    /// Writes the next instances of the file at a position, if it is under way.
    fn write_some(&mut self, turn: &Turn<'_>, position: usize) {
        let slot = self.status.reports.get_mut(position);
        let Some(mut report) = slot.and_then(Option::take) else { return };
        report.write(turn.now(), &mut |clock, out, job| self.write_piece(turn, clock, out, job));
        if let Some(slot) = self.status.reports.get_mut(position) {
            *slot = Some(report);
        }
    }

    /// Writes the next piece; past the last one of a part goes on to the next part.
    fn write_piece(
        &mut self,
        turn: &Turn<'_>,
        clock: &Clock,
        out: &mut dyn Write,
        job: &mut Job<Part>,
    ) -> fmt::Result {
        // keepalived leaves the sections out that it has nothing for.
        let left_out = match job.part {
            Part::Groups => self.routers.groups.is_empty(),
            Part::Scripts => self.trackers.scripts.is_empty(),
            Part::Files => self.trackers.files.is_empty(),
            Part::Addresses => self.model.network.addresses.is_empty(),
            Part::Routes => self.model.network.routes.is_empty(),
            Part::Rules => self.model.network.rules.is_empty(),
            Part::TrackGroups => self.model.network.track_groups.is_empty(),
            Part::Spacing => self.model.network.garp_groups.is_empty() && !self.spaces_everywhere(),
            Part::Processes => self.trackers.processes.len() == 0,
            Part::Sessions => !self.model.bfds.iter().any(|session| session.vrrp),
            _ => false,
        };
        if let (0, Some(title), false) = (job.next, job.part.title(), left_out) {
            section(out, &title)?;
        }
        let position = job.next;
        let written = match job.part {
            Part::Global if position == 0 => {
                let model = &self.model;
                Some(global(out, &model.daemon, &model.global, &self.status.machine))
            }
            Part::Spacing => self.write_spacing(clock, out, position),
            Part::TrackGroups => self.write_track_group(out, position),
            Part::Topology => self.write_instance(clock, out, position),
            Part::Addresses => self.write_fixed_address(out, position),
            Part::Routes => self.write_fixed_route(out, position),
            Part::Rules => self.write_fixed_rule(out, position),
            Part::Sockets => self.write_socket(out, position),
            Part::Groups => self.write_group(out, position),
            Part::Scripts => self.write_script(out, position),
            Part::Files => self.write_file(out, position),
            Part::Processes => self.write_process(out, position),
            Part::Sessions => self.write_tracked_session(out, position),
            Part::Links => self.write_link(out, position),
            Part::Counters => self.write_counters(out, position, job.clear),
            Part::Further => self.write_further(out, position, job.clear),
            Part::Process if position == 0 => Some(stats::process(out, &self.process.stats(turn))),
            Part::JsonBegin if position == 0 => Some(json::open(out, self.json_version())),
            Part::JsonInstances => self.write_json_instance(out, position),
            Part::JsonProcesses => self.write_json_process(out, position),
            Part::JsonEnd if position == 0 => Some(json::close(out, self.json_version())),
            #[cfg(feature = "status")]
            Part::AnswerInstances => self.answer_instance(clock, out, position),
            #[cfg(feature = "status")]
            Part::AnswerGroups => self.answer_group(out, position),
            #[cfg(feature = "snmp")]
            Part::Rows => self.write_rows(clock, out, position),
            #[cfg(feature = "status")]
            Part::AnswerWhy => self.answer_why(clock, out, position),
            #[cfg(feature = "status")]
            Part::MetricsInstances => self.metrics_instance(clock, out, position),
            #[cfg(feature = "status")]
            Part::MetricsScripts => self.metrics_script(out, position),
            #[cfg(feature = "status")]
            Part::MetricsProcess if position == 0 => Some(self.metrics_process(turn, out)),
            #[cfg(feature = "status")]
            Part::AnswerEnd if position == 0 => Some(self.end_answer(out)),
            #[cfg(feature = "status")]
            Part::AnswerEnd | Part::MetricsProcess => None,
            Part::Global | Part::Process | Part::JsonBegin | Part::JsonEnd | Part::End => None,
        };
        job.advance(written, job.part.after())
    }

    fn json_version(&self) -> json::Version {
        json::Version::of(self.model.global.files.json_version)
    }

    fn write_counters(&mut self, out: &mut dyn Write, position: usize, clear: bool) -> Option<fmt::Result> {
        let instance = self.routers.instances.get_mut(position)?;
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
        let instance = self.routers.instances.get_mut(position)?;
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
}

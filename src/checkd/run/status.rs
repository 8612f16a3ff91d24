//! What SIGUSR1 asks for: the data dump. keepalived writes no statistics and no JSON of checkers.

use core::fmt::{self, Write};

use super::Checkers;
use super::part::Part;
use crate::base::id::ServiceId;
use crate::checkd::checks::report::Why;
#[cfg(feature = "status")]
use crate::checkd::counters::Counters;
use crate::checkd::report;
use crate::checkd::services::Named;
use crate::checkd::slots::Slot;
#[cfg(feature = "status")]
use crate::child::answer::Asked;
use crate::child::status::{Job, NEXT_TURN, Report, write_to_log};
use crate::config::model::Model;
use crate::daemon::reactor::Turn;
use crate::status::dump::global::global;
use crate::status::dump::machine::Machine;
use crate::status::dump::service::{self, CheckView, ServerView};
use crate::status::dump::{Clock, section};
use crate::status::file::Kind;

/// The data dump, and what it tells of the process.
#[derive(Default)]
pub(super) struct Status {
    report: Option<Report<Part>>,
    /// What a client of the control socket is told.
    #[cfg(feature = "status")]
    pub(super) asked: Asked<Part>,
    /// What the kernel has counted, for those who ask.
    #[cfg(feature = "status")]
    pub(super) counters: Counters,
    machine: Machine,
}

impl Status {
    /// Prepares the file for a configuration: what it allocates here nothing has to allocate later.
    pub(super) fn load(&mut self, model: &Model) {
        self.machine = Machine::learn(&model.global);
        self.report = Report::new(Kind::CheckData, model);
        #[cfg(feature = "status")]
        {
            self.asked.load();
            self.counters = Counters::default();
        }
    }

    fn is_under_way(&self) -> bool {
        #[cfg(feature = "status")]
        if self.asked.is_under_way() {
            return true;
        }
        self.report.as_ref().is_some_and(Report::is_under_way)
    }
}

impl Checkers {
    /// Writes the data dump.
    pub(super) fn dump_data(&mut self, turn: &mut Turn<'_>) {
        report::printing_data();
        if self.status.report.as_mut().is_some_and(|report| report.ask(false)) {
            self.write_status(turn);
        }
    }

    /// Writes the data dump to the log.
    pub(super) fn log_data(&mut self, turn: &Turn<'_>) {
        write_to_log(turn.now(), Kind::CheckData, &mut |clock, out, job| {
            self.write_piece(turn, clock, out, job)
        });
    }

    /// Writes more of what is under way.
    pub(super) fn write_status(&mut self, turn: &mut Turn<'_>) {
        if let Some(mut report) = self.status.report.take() {
            report.write(turn.now(), &mut |clock, out, job| self.write_piece(turn, clock, out, job));
            self.status.report = Some(report);
        }
        #[cfg(feature = "status")]
        self.write_answer(turn);
        let at = self.status.is_under_way().then(|| turn.now() + NEXT_TURN);
        turn.set_deadline(self.layout.number(Slot::Status), at);
    }

    /// Writes all that is left of what is under way, before what it tells of changes.
    pub(super) fn finish_status(&mut self, turn: &mut Turn<'_>) {
        while self.status.is_under_way() {
            self.write_status(turn);
            turn.answer_hellos();
        }
    }

    /// Writes the next piece; past the last one of a part goes on to the next part.
    pub(super) fn write_piece(
        &mut self,
        #[cfg_attr(
            not(feature = "status"),
            expect(unused_variables, reason = "only metrics are of the loop")
        )]
        turn: &Turn<'_>,
        clock: &Clock,
        out: &mut dyn Write,
        job: &mut Job<Part>,
    ) -> fmt::Result {
        let left_out = job.part == Part::Tls && self.model.tls.is_none();
        if let (0, Some(title), false) = (job.next, job.part.title(), left_out) {
            section(out, &title)?;
        }
        let position = job.next;
        let written = match job.part {
            Part::Global if position == 0 => {
                let model = &self.model;
                Some(global(out, &model.daemon, &model.global, &self.status.machine))
            }
            Part::Tls if position == 0 => self.model.tls.as_ref().map(|tls| service::tls(out, tls)),
            Part::Topology => self.write_service(out, position),
            Part::Checkers => self.write_check(clock, out, position),
            #[cfg(feature = "status")]
            Part::AnswerServices => self.answer_service(out, position),
            #[cfg(feature = "snmp")]
            Part::CountersForRows => self.step_counters(clock.now, position),
            #[cfg(feature = "snmp")]
            Part::Rows => self.write_rows(out, position),
            #[cfg(feature = "status")]
            Part::CountersForMetrics => self.step_counters(clock.now, position),
            #[cfg(feature = "status")]
            Part::AnswerChecks => self.answer_check(clock, out, position),
            #[cfg(feature = "status")]
            Part::MetricsServices => self.metrics_service(out, position),
            #[cfg(feature = "status")]
            Part::MetricsChecks => self.metrics_check(clock, out, position),
            #[cfg(feature = "status")]
            Part::MetricsProcess if position == 0 => Some(self.metrics_process(turn, out)),
            #[cfg(feature = "status")]
            Part::AnswerEnd if position == 0 => Some(self.status.asked.sheet.end(out)),
            #[cfg(feature = "status")]
            Part::AnswerEnd | Part::MetricsProcess => None,
            Part::Global | Part::Tls | Part::End => None,
        };
        job.advance(written, job.part.after())
    }

    fn write_service(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let id = ServiceId::at(position);
        let named = Named::of(&self.model, &self.lvs.places, id)?;
        let view = self.lvs.director.service(id)?;
        Some((|| {
            service::service(out, named.service, named.order, &view)?;
            for (config, number) in named.service.servers.iter().zip(0_u32..) {
                let real = self.lvs.places.real(id.0, number);
                if let Some(view) = self.lvs.director.real(real) {
                    let failed = self.lvs.director.failed_checks(real);
                    service::server(out, config, &ServerView { view, failed })?;
                }
            }
            Ok(())
        })())
    }

    fn write_check(&self, clock: &Clock, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        self.with_check(position, |view| service::check(clock, out, view))
    }

    /// Lends the check at a position to a writer.
    pub(super) fn with_check(
        &self,
        position: usize,
        write: impl FnOnce(&CheckView<'_>) -> fmt::Result,
    ) -> Option<fmt::Result> {
        let check = self.checks.all.get(position)?;
        let Some(check) = check else { return Some(Ok(())) };
        let named = Named::of(&self.model, &self.lvs.places, ServiceId(check.place.service))?;
        let server = named.service.servers.get(check.place.server as usize)?;
        let config = server.checks.get(check.place.checker as usize)?;
        let why = check.machine.not_run().map(|cause| Why(cause, config));
        Some(write(&CheckView {
            machine: &check.machine,
            config,
            server: named.server_name(server),
            service: named.name(),
            shared: check.shared.len(),
            cannot_run: why.as_ref().map(|why| -> &dyn fmt::Display { why }),
        }))
    }
}

//! What the child lends to Prometheus, and whether everything is in its place.

use core::fmt::{self, Write};
use std::fs::File;
use std::io::Write as _;

use super::Checkers;
use crate::base::id::ServiceId;
use crate::base::time::Instant;
use crate::checkd::services::Named;
use crate::daemon::ipc::{About, Answered, Question};
use crate::daemon::reactor::Turn;
use crate::status::answer::metrics::{self, CHECKS, Form, Labelled, SERVERS, SERVICES, place};
use crate::status::dump::Clock;

impl Checkers {
    fn form(&self) -> Form {
        if self.status.asked.sheet.json { Form::Open } else { Form::Text }
    }

    /// A virtual server is a piece, with its real servers.
    pub(super) fn metrics_service(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let (number, object) = place(position, self.model.services.len());
        let family = metrics::services(number)?;
        let Some(object) = object else { return Some(family.head(out, self.form())) };
        let id = ServiceId::at(object);
        let named = Named::of(&self.model, &self.lvs.places, id)?;
        let labelled = Labelled { name: named.name(), config: named.service };
        let counters = &self.status.counters;
        if let Some(family) = SERVICES.get(number) {
            let view = self.lvs.director.service(id)?;
            return Some(labelled.sample(out, family, &view, counters.service(id)));
        }
        let family = SERVERS.get(number.checked_sub(SERVICES.len())?)?;
        let places = &self.lvs.places;
        for ((config, at), number) in named.service.servers.iter().zip(0_usize..).zip(0_u32..) {
            let Some(view) = self.lvs.director.real(places.real(id.0, number)) else { continue };
            let name = named.server_name(config);
            let load = counters.server(places, id.0, at);
            let written = labelled.sample_server(out, family, (config, &name), &view, load);
            if written.is_err() {
                return Some(written);
            }
        }
        Some(Ok(()))
    }

    pub(super) fn metrics_check(
        &self,
        clock: &Clock,
        out: &mut dyn Write,
        position: usize,
    ) -> Option<fmt::Result> {
        let (number, object) = place(position, self.checks.all.len());
        let family = CHECKS.get(number)?;
        match object {
            None => Some(family.head(out, self.form())),
            Some(object) => self.with_check(object, |view| metrics::check(out, clock, number, object, view)),
        }
    }

    pub(super) fn metrics_process(&self, turn: &Turn<'_>, out: &mut dyn Write) -> fmt::Result {
        metrics::process(out, self.form(), self.process.kind, &self.process.stats(turn))
    }

    /// Answers whether the child is alive, or whether no check is overdue.
    pub(super) fn is_ready(&self, now: Instant, question: Question, file: &mut File) -> Answered {
        let checks = self.checks.all.iter().flatten();
        let overdue = checks.filter(|check| check.machine.is_overdue(now)).count();
        if question.about == About::Health || overdue == 0 {
            return Answered::Whole;
        }
        let written = writeln!(file, "{overdue} checks have not run for three times their interval");
        if written.is_ok() { Answered::Refused } else { Answered::Failed }
    }
}

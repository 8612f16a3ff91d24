//! What the child lends to Prometheus, and whether everything is in its place.

use core::fmt::{self, Display, Write};
use std::fs::File;
use std::io::Write as _;

use super::Checkers;
use crate::base::id::ServiceId;
use crate::base::time::Instant;
use crate::checkd::services::Named;
use crate::daemon::ipc::{About, Answered, Question};
use crate::status::answer::metrics::{self, CHECKS, Form, OF_SERVERS, SERVICES, place};
use crate::status::dump::Clock;

impl Checkers {
    fn form(&self) -> Form {
        if self.status.asked.sheet.json { Form::Open } else { Form::Text }
    }

    /// A virtual server is a piece, with its real servers.
    pub(super) fn metrics_service(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let (number, object) = place(position, self.model.services.len());
        let family = SERVICES.get(number)?;
        let Some(object) = object else { return Some(family.head(out, self.form())) };
        let id = ServiceId::at(object);
        let named = Named::of(&self.model, &self.lvs.places, id)?;
        let service = named.name();
        if number < OF_SERVERS {
            let view = self.lvs.director.service(id)?;
            let value: &dyn Display = match number {
                0 => &u8::from(view.quorum),
                1 => &view.live,
                _ => &view.up,
            };
            return Some(family.sample(out, &[("service", &service)], value));
        }
        for (config, at) in named.service.servers.iter().zip(0_u32..) {
            let Some(view) = self.lvs.director.real(self.lvs.places.real(id.0, at)) else { continue };
            let server = named.server_name(config);
            let value = match number {
                OF_SERVERS => u32::from(view.up),
                4 => view.weight,
                _ => u32::from(view.by_hand.is_some()),
            };
            let written = family.sample(out, &[("service", &service), ("server", &server)], &value);
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

//! What the child lends to a client of the control socket: services with their servers, and checks, one at a time.
//!
//! The first piece of a list is its beginning; each writer says None past the last one.

use core::fmt::{self, Write};
use std::fs::File;
use std::os::fd::OwnedFd;

use super::Checkers;
use super::part::Part;
use crate::base::id::ServiceId;
use crate::base::time::Instant;
use crate::checkd::checks::report::Reason;
use crate::checkd::counters::Asked;
use crate::checkd::services::Named;
use crate::child::status::Job;
use crate::daemon::ipc::{About, Answered, Question, ToParent};
use crate::daemon::manual::What;
use crate::daemon::reactor::Turn;
use crate::daemon::record;
use crate::status::answer::lvs;
use crate::status::dump::Clock;
use crate::status::dump::service::ServerView;

impl Checkers {
    /// A client of the control socket asks. There are no statistics.
    pub(super) fn answer_client(&mut self, turn: &mut Turn<'_>, question: Question, fd: OwnedFd) {
        let part = match question {
            Question { about: About::Status, .. } => Part::AnswerServices,
            Question { about: About::Checks, .. } => Part::AnswerChecks,
            #[cfg(feature = "snmp")]
            Question { about: About::Rows, .. } => Part::CountersForRows,
            Question { about: About::Metrics, .. } => Part::CountersForMetrics,
            Question { about: About::Health | About::Ready, .. } => {
                let how = self.is_ready(turn.now(), question, &mut File::from(fd));
                turn.report(ToParent::Answered(question.number, how));
                return;
            }
            Question { about: About::Change { what: What::Weight, .. }, .. } => {
                return self.weigh_by_hand(turn, question, &mut File::from(fd));
            }
            _ => {
                turn.report(ToParent::Answered(question.number, Answered::Nothing));
                return;
            }
        };
        let mut ids = (0..self.model.services.len()).map(ServiceId::at);
        let named = |id| Named::of(&self.model, &self.lvs.places, id);
        // Checks know their service by the name of the status.
        let name = question.name.map(|key| {
            let called = ids.find_map(|id| named(id).filter(|named| named.is_called(key)));
            called.map_or(key, |named| record::key_of(&named.name()))
        });
        let question = Question { name, ..question };
        self.status.asked.begin(question, fd, Job { part, next: 0, clear: false });
        self.write_status(turn);
    }

    /// Writes more of the answer that is under way.
    pub(super) fn write_answer(&mut self, turn: &mut Turn<'_>) {
        let Some(mut answer) = self.status.asked.take() else { return };
        let over = answer.write(turn.now(), &mut |clock, out, job| self.write_piece(turn, clock, out, job));
        if let Some(message) = self.status.asked.put_back(answer, over) {
            turn.report(message);
        }
    }

    /// Asks the kernel for a part of what it has counted, unless that was asked for not long ago.
    pub(super) fn step_counters(&mut self, now: Instant, step: usize) -> Option<fmt::Result> {
        let asked = Asked {
            ipvs: self.lvs.table.ipvs.as_mut(),
            director: &self.lvs.director,
            places: &self.lvs.places,
            monitoring: &self.model.global.monitoring,
        };
        self.status.counters.step(now, step, asked).then_some(Ok(()))
    }

    /// Writes the rows of the object at a position for the subagent: what belongs to no object, groups, services.
    #[cfg(feature = "snmp")]
    pub(super) fn write_rows(&self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        use crate::child::status::runs;
        use crate::status::mib::lvs::{self, Live};
        use crate::status::mib::number;
        let Some(at) = position.checked_sub(1) else { return Some(lvs::node(out, &self.model.global)) };
        let groups = &self.model.service_groups;
        if let Some(group) = groups.get(at) {
            return Some(lvs::group(out, number(at), group));
        }
        let at = at.saturating_sub(groups.len());
        let id = ServiceId::at(at);
        let named = Named::of(&self.model, &self.lvs.places, id)?;
        let view = self.lvs.director.service(id)?;
        let (places, counters) = (&self.lvs.places, &self.status.counters);
        let load = |server| counters.server(places, id.0, server);
        let scripts = |of| {
            let position = self.scripted.binary_search_by_key(&of, |object| object.of).ok();
            let notifier = position.and_then(|position| self.scripted.get(position));
            [0, 1].map(|script| Some(runs(notifier?.notifier.command(script)?)))
        };
        let servers = named.service.servers.iter().zip(0_u32..).filter_map(|(config, number)| {
            let real = places.real(id.0, number);
            let view = self.lvs.director.real(real)?;
            let failed = self.lvs.director.failed_checks(real);
            let name = record::key_of(&named.server_name(config));
            let not_run = self.lvs.director.checks_not_run(real);
            let (load, scripts) = (load(number as usize), scripts((id.0, Some(number))));
            Some(lvs::Server { config, name, view: ServerView { view, failed }, not_run, load, scripts })
        });
        let live = Live {
            view: &view,
            name: record::key_of(&named.name()),
            suspended: self.addresses.suspends(id),
            counted: counters.service(id),
            sorry: load(named.service.servers.len()),
            scripts: scripts((id.0, None)),
        };
        Some(lvs::service(out, number(at), named.service, &live, servers))
    }

    pub(super) fn answer_service(&mut self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let Some(position) = position.checked_sub(1) else {
            return Some(self.status.asked.sheet.list(out, "services"));
        };
        let id = ServiceId::at(position);
        let named = Named::of(&self.model, &self.lvs.places, id)?;
        let view = self.lvs.director.service(id)?;
        if self.status.asked.sheet.name.is_some_and(|key| key != record::key_of(&named.name())) {
            return Some(Ok(()));
        }
        let sheet = &mut self.status.asked.sheet;
        let begun = sheet.object(out, lvs::SERVICES);
        let servers = named.service.servers.iter().zip(0_u32..).filter_map(|(config, number)| {
            let real = self.lvs.places.real(id.0, number);
            let view = self.lvs.director.real(real)?;
            let failed = self.lvs.director.failed_checks(real);
            Some((named.server_name(config), ServerView { view, failed }))
        });
        let sheet = *sheet;
        Some(begun.and_then(|()| lvs::service(out, sheet, named.service, named.name(), &view, servers)))
    }

    pub(super) fn answer_check(
        &mut self,
        clock: &Clock,
        out: &mut dyn Write,
        position: usize,
    ) -> Option<fmt::Result> {
        let Some(position) = position.checked_sub(1) else {
            return Some(self.status.asked.sheet.list(out, "checks"));
        };
        let of_service = self
            .checks
            .all
            .get(position)
            .and_then(Option::as_ref)
            .and_then(|check| Named::of(&self.model, &self.lvs.places, ServiceId(check.place.service)));
        let wanted = self.status.asked.sheet.name;
        if let (Some(key), Some(named)) = (wanted, of_service)
            && key != record::key_of(&named.name())
        {
            return Some(Ok(()));
        }
        if of_service.is_some()
            && let Err(error) = self.status.asked.sheet.object(out, lvs::CHECKS)
        {
            return Some(Err(error));
        }
        let sheet = self.status.asked.sheet;
        self.with_check(position, |view| {
            let failure = view.machine.last().and_then(|last| last.result.err());
            lvs::check(out, clock, sheet, view, failure.map(Reason))
        })
    }
}

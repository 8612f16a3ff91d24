//! What the child lends to a client of the control socket: its instances and groups, one at a time.
//!
//! The first piece of a list is its beginning; each writer says None past the last one.

use core::fmt::{self, Write};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;

use super::part::Part;
use crate::base::id::InstanceId;
use crate::child::status::Job;
use crate::daemon::ipc::{About, Answered, Question, ToParent};
use crate::daemon::manual::What;
use crate::daemon::reactor::Turn;
use crate::daemon::record;
use crate::proto::track::{Object, Tracked};
use crate::proto::vrrp::State;
use crate::status::answer::{vrrp, why};
use crate::status::dump::Clock;
use crate::status::dump::instance::word;
use crate::vrrpd::live::Instance;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::track::Reason;

impl Vrrp {
    /// A client of the control socket asks.
    pub(in crate::vrrpd::run) fn answer_client(
        &mut self,
        turn: &mut Turn<'_>,
        question: Question,
        fd: OwnedFd,
    ) {
        let (part, clear) = match question.about {
            About::Status => (Part::AnswerInstances, false),
            About::Stats { clear } => (Part::Counters, clear),
            About::Json => (Part::JsonBegin, false),
            About::Why => (Part::AnswerWhy, false),
            #[cfg(feature = "snmp")]
            About::Rows => (Part::Rows, false),
            About::Metrics => (Part::MetricsInstances, false),
            About::Health | About::Ready => {
                let how = self.is_ready(question, &mut File::from(fd));
                turn.report(ToParent::Answered(question.number, how));
                return;
            }
            About::Garp => {
                self.garp_for_client(turn, question, &mut File::from(fd));
                return;
            }
            About::Change { what, on } if what != What::Weight => {
                self.change_by_hand(turn, question, (what, on), &mut File::from(fd));
                return;
            }
            // That is another child's.
            About::Checks | About::Change { .. } => {
                turn.report(ToParent::Answered(question.number, Answered::Nothing));
                return;
            }
        };
        self.status.asked.begin(question, fd, Job { part, next: 0, clear });
        self.write_answer(turn);
        self.arm_status(turn);
    }

    /// Announces the addresses of an instance again, if it is MASTER.
    fn garp_for_client(&mut self, turn: &mut Turn<'_>, question: Question, file: &mut File) {
        let instances = self.routers.instances.iter().zip(0..);
        let named = |instance: &Instance| Some(record::key(&instance.config.name)) == question.name;
        let found = instances.filter(|(instance, _)| named(instance)).map(|(instance, position)| {
            let count = instance.config.addresses.len().saturating_add(instance.config.excluded.len());
            (InstanceId::at(position), instance.router.state(), count)
        });
        // There is one of each name.
        let found = found.last();
        let (written, how) = match found {
            None => (Ok(()), Answered::Nothing),
            Some((id, State::Master, count)) => {
                self.announce_anew(turn, id);
                (writeln!(file, "{count} addresses are announced."), Answered::Whole)
            }
            Some((_, state, _)) => {
                let state = word(state);
                (
                    writeln!(file, "Only a MASTER announces its addresses, and this one is {state}."),
                    Answered::Refused,
                )
            }
        };
        let how = if written.is_ok() { how } else { Answered::Failed };
        turn.report(ToParent::Answered(question.number, how));
    }

    /// Writes more of the answer that is under way.
    pub(super) fn write_answer(&mut self, turn: &mut Turn<'_>) {
        let Some(mut answer) = self.status.asked.take() else { return };
        let over = answer.write(turn.now(), &mut |clock, out, job| self.write_piece(turn, clock, out, job));
        if let Some(message) = self.status.asked.put_back(answer, over) {
            turn.report(message);
        }
    }

    pub(super) fn answer_instance(
        &mut self,
        clock: &Clock,
        out: &mut dyn Write,
        position: usize,
    ) -> Option<fmt::Result> {
        let Some(position) = position.checked_sub(1) else {
            return Some(self.status.asked.sheet.list(out, "instances"));
        };
        let key = record::key(&self.routers.instances.get(position)?.config.name);
        if !self.status.asked.sheet.wants(key) {
            return Some(Ok(()));
        }
        if let Err(error) = self.status.asked.sheet.object(out, vrrp::INSTANCES) {
            return Some(Err(error));
        }
        let sheet = self.status.asked.sheet;
        self.with_why(position, &mut |why| vrrp::instance(out, clock, sheet, why))
    }

    /// Lends the instance at a position to a writer, with what makes it what it is.
    fn with_why(
        &self,
        position: usize,
        write: &mut dyn FnMut(vrrp::Why<'_, '_, '_, Reason<'_>>) -> fmt::Result,
    ) -> Option<fmt::Result> {
        self.with_instance(position, &mut |instance| {
            let Some(this) = self.routers.instances.get(position) else { return Ok(()) };
            let faults = &mut self.reasons(this).iter().map(|(_, reason)| reason);
            let trackers = &mut this.tracking.iter().filter_map(|tracked| self.tracker(*tracked));
            write(vrrp::Why { instance, faults, trackers })
        })
    }

    /// All instances but one are passed over.
    pub(super) fn answer_why(
        &mut self,
        clock: &Clock,
        out: &mut dyn Write,
        position: usize,
    ) -> Option<fmt::Result> {
        let key = record::key(&self.routers.instances.get(position)?.config.name);
        if !self.status.asked.sheet.wants(key) {
            return Some(Ok(()));
        }
        self.status.asked.sheet.count = 1;
        self.with_why(position, &mut |because| why::why(out, clock, because))
    }

    fn tracker(&self, tracked: Tracked) -> Option<vrrp::Tracker<'_>> {
        let (kind, name) = match tracked.object {
            Object::Link(id) => ("interface", self.links.table.link(id)?.name.as_str()),
            Object::Script(id) => ("script", self.model.scripts.get(id.index())?.name.as_str()),
            Object::File(id) => ("file", self.model.file(id)?.name.as_str()),
            Object::Process(id) => ("process", self.model.process(id)?.name.as_str()),
            Object::Bfd(id) => ("bfd", self.model.bfds.get(id.index())?.name.as_str()),
            Object::StaticItems(id) => {
                ("static", self.model.network.track_groups.get(id.index())?.name.as_str())
            }
        };
        Some(vrrp::Tracker { kind, name, effect: self.situation().effect(tracked) })
    }

    pub(super) fn answer_group(&mut self, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let Some(position) = position.checked_sub(1) else {
            return Some(self.status.asked.sheet.list(out, "groups"));
        };
        let key = record::key(&self.model.groups.get(position)?.name);
        if !self.status.asked.sheet.wants(key) {
            return Some(Ok(()));
        }
        if let Err(error) = self.status.asked.sheet.object(out, vrrp::GROUPS) {
            return Some(Err(error));
        }
        let sheet = self.status.asked.sheet;
        self.with_group(position, &mut |view| vrrp::group(out, sheet, view))
    }

    pub(super) fn end_answer(&self, out: &mut dyn Write) -> fmt::Result {
        self.status.asked.sheet.end(out)
    }
}

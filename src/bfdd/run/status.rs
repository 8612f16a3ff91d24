//! What SIGUSR1 asks for: the data dump. keepalived writes no statistics and no JSON of BFD sessions.

use core::fmt::{self, Write};

use super::Bfd;
use crate::base::id::BfdId;
use crate::bfdd::report;
use crate::child::status::{self, Job, NEXT_TURN, Report, write_to_log};
use crate::config::model::Model;
use crate::daemon::reactor::Turn;
use crate::status::dump::bfd::{self, SessionView};
use crate::status::dump::global::global;
use crate::status::dump::machine::Machine;
use crate::status::dump::{Clock, section};
use crate::status::file::Kind;

/// The data dump, and what it says of the process.
#[derive(Default)]
pub(super) struct Status {
    report: Option<Report<Part>>,
    machine: Machine,
}

/// What the data dump consists of, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Global,
    Data,
    Topology,
    End,
}

impl status::Part for Part {
    const END: Self = Self::End;

    fn first(_: Kind) -> Self {
        Self::Global
    }
}

impl Part {
    const fn after(self) -> Self {
        match self {
            Self::Global => Self::Data,
            Self::Data => Self::Topology,
            Self::Topology | Self::End => Self::End,
        }
    }

    const fn title(self) -> Option<&'static str> {
        match self {
            Self::Data => Some("BFD Data"),
            Self::Topology => Some("BFD Topology"),
            Self::Global | Self::End => None,
        }
    }
}

impl Status {
    /// Prepares the file for a configuration: what it allocates here nothing has to allocate later.
    pub(super) fn load(&mut self, model: &Model) {
        self.machine = Machine::learn(&model.global);
        self.report = Report::new(Kind::BfdData, model);
    }
}

impl Bfd {
    /// Writes the data dump.
    pub(super) fn dump_data(&mut self, turn: &mut Turn<'_>) {
        report::printing_data();
        if self.status.report.as_mut().is_some_and(|report| report.ask(false)) {
            self.write_status(turn);
        }
    }

    /// Writes the data dump to the log.
    pub(super) fn log_data(&mut self, turn: &Turn<'_>) {
        write_to_log(turn.now(), Kind::BfdData, &mut |clock, out, job| self.write_piece(clock, out, job));
    }

    /// Writes more of what is under way.
    pub(super) fn write_status(&mut self, turn: &mut Turn<'_>) {
        let Some(mut report) = self.status.report.take() else { return };
        report.write(turn.now(), &mut |clock, out, job| self.write_piece(clock, out, job));
        let at = report.is_under_way().then(|| turn.now() + NEXT_TURN);
        self.status.report = Some(report);
        turn.set_deadline(self.status_slot(), at);
    }

    /// Writes all that is left of what is under way, before the sessions change that it describes.
    pub(super) fn finish_status(&mut self, turn: &mut Turn<'_>) {
        while self.status.report.as_ref().is_some_and(Report::is_under_way) {
            self.write_status(turn);
            turn.answer_hellos();
        }
    }

    /// Writes the next piece; past the last one of a part goes on to the next part.
    fn write_piece(&mut self, clock: &Clock, out: &mut dyn Write, job: &mut Job<Part>) -> fmt::Result {
        if let (0, Some(title)) = (job.next, job.part.title()) {
            section(out, &title)?;
        }
        let position = job.next;
        let written = match job.part {
            Part::Global if position == 0 => {
                let model = &self.model;
                Some(global(out, &model.daemon, &model.global, &self.status.machine))
            }
            Part::Data if position == 0 => Some(self.write_sockets(out)),
            Part::Topology => self.write_session(clock, out, position),
            Part::Global | Part::Data | Part::End => None,
        };
        job.advance(written, job.part.after())
    }

    fn write_sockets(&self, out: &mut dyn Write) -> fmt::Result {
        for (fd, place) in self.sockets.listeners() {
            bfd::listener(out, fd, place.family, place.port())?;
        }
        bfd::discards(out, self.discards.all())
    }

    fn write_session(&mut self, clock: &Clock, out: &mut dyn Write, position: usize) -> Option<fmt::Result> {
        let live = self.sessions.get_mut(BfdId::at(position))?;
        let view = SessionView {
            config: &live.config,
            machine: &live.machine,
            ttl: live.ttl(),
            sent_by: self.sockets.sends(live.place().family),
            port: live.port,
            refused: live.is_refused(),
            sent: live.traffic.sent,
            received: live.traffic.received,
            too_far: live.traffic.too_far,
        };
        Some(bfd::session(clock, out, &view))
    }
}

//! What the child tells a client of the control socket: all sessions at once, for they are few.

use core::fmt::{self, Write};
use std::fs::File;
use std::os::fd::OwnedFd;

use super::Bfd;
use crate::bfdd::sessions::Live;
use crate::child::answer::Sink;
use crate::daemon::ipc::{About, Answered, Question, ToParent};
use crate::daemon::kind::Kind;
use crate::daemon::reactor::Turn;
use crate::daemon::record;
use crate::status::answer::metrics::{self, Form, SESSIONS};
use crate::status::answer::{Sheet, bfd};
use crate::wire::bfd::State;

impl Bfd {
    /// A client of the control socket asks. There are no statistics.
    pub(super) fn answer_client(&mut self, turn: &mut Turn<'_>, question: Question, fd: OwnedFd) {
        let how = match question.about {
            About::Status | About::Metrics => self.answer(turn, question, &mut File::from(fd)),
            About::Health | About::Ready => Answered::Whole,
            _ => Answered::Nothing,
        };
        turn.report(ToParent::Answered(question.number, how));
    }

    fn answer(&mut self, turn: &Turn<'_>, question: Question, file: &mut File) -> Answered {
        let mut sheet = Sheet::new(question.json, question.name);
        self.pieces.clear();
        // The file keeps the error.
        let form = if question.json { Form::Open } else { Form::Text };
        let counted = self.process.stats(turn);
        let (all, mut sink) = (&self.sessions.all, Sink(&mut self.pieces, file));
        let _ = match question.about {
            About::Metrics => sessions(all, form, &mut sink)
                .and_then(|()| metrics::process(&mut sink, form, Kind::Bfd, &counted)),
            _ => write(all, &mut sheet, &mut sink),
        };
        match self.pieces.finish(Some(file)) {
            Err(_) => Answered::Failed,
            Ok(()) if sheet.count == 0 && question.name.is_some() => Answered::Nothing,
            Ok(()) => Answered::Whole,
        }
    }
}

fn sessions(all: &[Live], form: Form, out: &mut dyn Write) -> fmt::Result {
    SESSIONS.head(out, form)?;
    for live in all {
        let up = u8::from(live.machine.state() == State::Up);
        SESSIONS.sample(out, &[("name", &live.config.name)], &up)?;
    }
    Ok(())
}

fn write(all: &[Live], sheet: &mut Sheet, out: &mut dyn Write) -> fmt::Result {
    sheet.list(out, "sessions")?;
    for live in all {
        if !sheet.wants(record::key(&live.config.name)) {
            continue;
        }
        sheet.object(out, bfd::SESSIONS)?;
        bfd::session(out, *sheet, &live.config, &live.machine)?;
    }
    sheet.end(out)
}

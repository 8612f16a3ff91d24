//! The answer of a child to a client of the control socket: written like a status file a few objects a turn, into a memory
//! file of the parent, which keeps the client.
//!
//! One at a time: the parent asks again when it has the answer, or has given it up. A new question ends the one before.

use core::fmt::{self, Write};
use std::fs::File;
use std::os::fd::OwnedFd;

use super::status::{Job, Part, WritePiece, clock};
use crate::base::limit;
use crate::base::time::Instant;
use crate::daemon::ipc::{Answered, Question, ToParent};
use crate::status::answer::Sheet;
use crate::status::file::Pieces;

/// An answer and how far it has come.
#[derive(Debug)]
pub struct Answer<P> {
    pieces: Pieces,
    open: Option<Open<P>>,
}

#[derive(Debug)]
struct Open<P> {
    file: File,
    job: Job<P>,
}

/// The question of a client, and how far its answer has come.
#[derive(Debug)]
pub struct Asked<P> {
    question: Question,
    /// What is written, and how.
    pub sheet: Sheet,
    /// None while it is being written, or before the first configuration.
    answer: Option<Answer<P>>,
}

impl<P> Default for Asked<P> {
    fn default() -> Self {
        Self { question: Question::default(), sheet: Sheet::default(), answer: None }
    }
}

impl<P: Part> Asked<P> {
    /// Makes room for answers. For load time: allocates.
    pub fn load(&mut self) {
        self.answer.get_or_insert_default();
    }

    /// Whether an answer is being written.
    #[must_use]
    pub fn is_under_way(&self) -> bool {
        self.answer.as_ref().is_some_and(Answer::is_under_way)
    }

    /// Begins the answer to a question.
    pub fn begin(&mut self, question: Question, fd: OwnedFd, job: Job<P>) {
        self.sheet = Sheet::new(question.json, question.name);
        self.question = question;
        if let Some(answer) = &mut self.answer {
            answer.begin(fd, job);
        }
    }

    /// Lends the answer, for more of it to be written.
    pub const fn take(&mut self) -> Option<Answer<P>> {
        self.answer.take()
    }

    /// Takes the answer back. `over`: what came of it; what the parent is told of that.
    pub fn put_back(&mut self, answer: Answer<P>, over: Option<Answered>) -> Option<ToParent> {
        self.answer = Some(answer);
        let nothing = self.question.name.is_some() && self.sheet.count == 0;
        let how = if nothing && over == Some(Answered::Whole) { Answered::Nothing } else { over? };
        Some(ToParent::Answered(self.question.number, how))
    }
}

/// Made at load time: writing allocates nothing.
impl<P> Default for Answer<P> {
    fn default() -> Self {
        Self { pieces: Pieces::default(), open: None }
    }
}

/// What pieces go into.
#[derive(Debug)]
pub struct Sink<'a>(pub &'a mut Pieces, pub &'a mut File);

impl Write for Sink<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.push(text, Some(self.1))
    }
}

impl<P: Part> Answer<P> {
    /// Begins an answer.
    pub fn begin(&mut self, fd: OwnedFd, job: Job<P>) {
        self.pieces.clear();
        self.open = Some(Open { file: File::from(fd), job });
    }

    /// Whether it is being written.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.open.is_some()
    }

    /// Writes the pieces of one turn. What came of it, if that is all.
    pub fn write(&mut self, now: Instant, piece: WritePiece<'_, P>) -> Option<Answered> {
        let Open { mut file, mut job } = self.open.take()?;
        let clock = clock(now);
        for _ in 0..limit::STATUS_INSTANCES_PER_TURN {
            if job.is_over() {
                break;
            }
            let mut sink = Sink(&mut self.pieces, &mut file);
            // The file keeps the error.
            if piece(&clock, &mut sink, &mut job).is_err() {
                job.part = P::END;
            }
        }
        if !job.is_over() {
            self.open = Some(Open { file, job });
            return None;
        }
        let written = self.pieces.finish(Some(&mut file));
        Some(if written.is_ok() { Answered::Whole } else { Answered::Failed })
    }
}

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
use crate::daemon::ipc::Answered;
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

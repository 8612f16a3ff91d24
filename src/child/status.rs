//! The status files of a child: written piece by piece from values that the child lends, a few objects a turn, so that a
//! dump of thousands of objects holds up nothing.
//!
//! A file appears when it is whole. What is asked for again meanwhile begins when the file under way is in its place.

use core::fmt::{self, Write};
use std::io;

use super::report;
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::config::model::Model;
use crate::notify::command::Command;
use crate::status::dump::{Clock, Owner, Runs};
use crate::status::file::{Kind, StatusFile, place};
use crate::status::lines::Lines;
use crate::sys::clock;

/// A command, as those who tell of it see it.
#[must_use]
pub fn runs(command: &Command) -> Runs<'_> {
    let identity = command.terms.identity.as_ref();
    let owner = identity.map_or_else(Owner::default, |of| Owner { uid: of.uid, gid: of.gid });
    Runs { words: &command.words, fixed: command.fixed, owner }
}

/// The parts that the files of a child are made of, in their order.
pub trait Part: Copy + PartialEq {
    /// No part: the file is whole.
    const END: Self;

    /// The part with which a file begins.
    fn first(kind: Kind) -> Self;
}

/// How far a file has come.
#[derive(Clone, Copy, Debug)]
pub struct Job<P> {
    /// The part that is next.
    pub part: P,
    /// The next piece of the part.
    pub next: usize,
    /// Each counter goes to zero once it is written.
    pub clear: bool,
}

impl<P: Part> Job<P> {
    /// A file of this kind that is to be written from its beginning.
    #[must_use]
    pub fn new(kind: Kind, clear: bool) -> Self {
        Self { part: P::first(kind), next: 0, clear }
    }

    /// Whether the file is whole.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.part == P::END
    }

    /// A piece was written, or there was none: past the last piece of a part comes the part `after` it.
    ///
    /// # Errors
    /// Those of the piece.
    pub fn advance(&mut self, written: Option<fmt::Result>, after: P) -> fmt::Result {
        if let Some(written) = written {
            self.next = self.next.saturating_add(1);
            return written;
        }
        (self.part, self.next) = (after, 0);
        Ok(())
    }
}

/// Writes the piece that is next, and says which one follows it.
pub type WritePiece<'a, P> = &'a mut dyn FnMut(&Clock, &mut dyn Write, &mut Job<P>) -> fmt::Result;

/// A status file and how far it has come.
#[derive(Debug)]
pub struct Report<P> {
    kind: Kind,
    file: StatusFile,
    job: Option<Job<P>>,
    /// The file was asked for again since its job began: another one follows, which clears counters or not.
    again: Option<bool>,
}

impl<P: Part> Report<P> {
    /// Prepares a file for a configuration: what is allocated here need not be later.
    #[must_use]
    pub fn new(kind: Kind, model: &Model) -> Option<Self> {
        let at = place(kind, &model.daemon, &model.global);
        match StatusFile::new(&at) {
            Ok(file) => Some(Self { kind, file, job: None, again: None }),
            Err(error) => {
                report::status_failed(&at, kind.keyword(), &error);
                None
            }
        }
    }

    /// Whether the file is being written.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.job.is_some()
    }

    /// Begins the file, or makes a note that it has to begin once more. True: it has begun.
    pub fn ask(&mut self, clear: bool) -> bool {
        if self.job.is_some() {
            self.again = Some(clear || self.again == Some(true));
            return false;
        }
        match self.file.begin() {
            Ok(()) => self.job = Some(Job::new(self.kind, clear)),
            Err(error) => self.failed(&error),
        }
        true
    }

    /// Writes the pieces of one turn, and puts the file in its place if that is all.
    pub fn write(&mut self, now: Instant, piece: WritePiece<'_, P>) {
        self.write_pieces(now, piece);
        if self.job.is_none()
            && let Some(clear) = self.again.take()
        {
            self.ask(clear);
        }
    }

    fn write_pieces(&mut self, now: Instant, piece: WritePiece<'_, P>) {
        let Some(mut job) = self.job.take() else { return };
        let clock = clock(now);
        for _ in 0..limit::STATUS_INSTANCES_PER_TURN {
            if job.is_over() {
                break;
            }
            // An error is kept by the file, and logged when it is finished.
            if piece(&clock, &mut self.file, &mut job).is_err() {
                job.part = P::END;
            }
        }
        if !job.is_over() {
            self.job = Some(job);
        } else if let Err(error) = self.file.finish() {
            self.failed(&error);
        }
    }

    fn failed(&self, error: &io::Error) {
        report::status_failed(self.file.place(), self.kind.keyword(), error);
    }
}

/// Writes a file of this kind to the log (`-d`), at once: nothing runs yet that it could hold up.
pub fn write_to_log<P: Part>(now: Instant, kind: Kind, piece: WritePiece<'_, P>) {
    let (clock, mut lines) = (clock(now), Lines::default());
    let mut job = Job::new(kind, false);
    while !job.is_over() {
        // The log takes everything.
        let _ = piece(&clock, &mut lines, &mut job);
    }
}

/// After so long more of a file is written: not in this turn any more.
pub const NEXT_TURN: Span = Span::from_micros(1);

/// The time for the writers of dumps.
#[must_use]
pub fn clock(now: Instant) -> Clock {
    Clock { now, wall: clock::wall(), local: clock::local }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::log::logged;

    /// Two parts of numbered pieces.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Section {
        First,
        Second,
        End,
    }

    impl Part for Section {
        const END: Self = Self::End;

        fn first(_: Kind) -> Self {
            Self::First
        }
    }

    fn piece(_: &Clock, out: &mut dyn Write, job: &mut Job<Section>) -> fmt::Result {
        let (count, after) = match job.part {
            Section::First => (2 * limit::STATUS_INSTANCES_PER_TURN, Section::Second),
            Section::Second => (1, Section::End),
            Section::End => (0, Section::End),
        };
        let written =
            (job.next < count).then(|| writeln!(out, "{:?} {} clear={}", job.part, job.next, job.clear));
        job.advance(written, after)
    }

    #[test]
    fn a_file_that_cannot_be_written_is_told_with_the_keyword_that_moves_it() {
        let path = std::env::temp_dir().join(format!("ka-no-folder-{}", std::process::id())).join("stats");
        let mut model = Model::default();
        model.global.files.stats_dump_file = Some(path.to_string_lossy().into_owned());
        let lines = logged(|| {
            let mut report = Report::<Section>::new(Kind::VrrpStats, &model).unwrap();
            assert!(report.ask(false));
            while report.is_under_way() {
                report.write(Instant::START, &mut piece);
            }
        });
        let [line] = &lines[..] else { panic!("{lines:?}") };
        assert!(line.starts_with(&format!("Unable to write {}: ", path.display())), "{line}");
        assert!(line.ends_with("; make room there or let stats_dump_file name another place"), "{line}");
    }

    #[test]
    fn a_file_takes_several_turns_and_is_written_once_more_when_it_was_asked_for_meanwhile() {
        let path = std::env::temp_dir().join(format!("ka-reports-{}", std::process::id()));
        let mut model = Model::default();
        model.global.files.stats_dump_file = Some(path.to_string_lossy().into_owned());
        let mut report = Report::<Section>::new(Kind::VrrpStats, &model).unwrap();
        report.write(Instant::START, &mut piece);
        assert!(!report.is_under_way(), "nobody has asked for it");
        assert!(report.ask(false));
        let mut turns = 0;
        while !path.exists() {
            report.write(Instant::START, &mut piece);
            turns += 1;
            if turns == 1 {
                assert!(!report.ask(true) && !report.ask(false));
            }
        }
        assert_eq!(turns, 3, "two of pieces, one of what is left");
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2 * limit::STATUS_INSTANCES_PER_TURN + 1);
        assert!(text.ends_with("Second 0 clear=false\n"), "{text}");
        assert!(report.is_under_way(), "asked for again, twice, is one more");
        std::fs::remove_file(&path).unwrap();
        while report.is_under_way() {
            report.write(Instant::START, &mut piece);
        }
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(text.ends_with("Second 0 clear=true\n"), "one of the two wanted counters cleared");
    }
}

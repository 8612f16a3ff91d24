//! Console and log file: lines to a descriptor that may be slow.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};

use super::backlog::Backlog;
use super::format::{self, Frame, Line, Stamp};
use crate::sys::clock::LocalTime;
use crate::sys::output::Output;

/// One descriptor, its backlog, and how much of the line at its front is out already.
#[derive(Debug)]
pub(super) struct Stream {
    output: Output,
    backlog: Backlog,
    out: usize,
    /// What stands in front of the lines of one second.
    stamp: (Option<LocalTime>, Stamp),
    /// How many callers want their lines written together.
    held: u32,
    /// The log file and whether to be patient with it; none: the console.
    file: Option<(PathBuf, bool)>,
}

impl Stream {
    /// Standard error.
    pub(super) fn console(patient: bool) -> io::Result<Self> {
        Ok(Self::new(Output::standard_error(patient)?, None))
    }

    /// A file, appended to.
    pub(super) fn file(path: &Path, patient: bool) -> io::Result<Self> {
        let file = Some((path.to_owned(), patient));
        Ok(Self::new(Output::file(path, patient)?, file))
    }

    fn new(output: Output, file: Option<(PathBuf, bool)>) -> Self {
        Self { output, backlog: Backlog::new(), out: 0, stamp: (None, Stamp::new()), held: 0, file }
    }

    /// Whether this is standard error.
    pub(super) const fn is_console(&self) -> bool {
        self.file.is_none()
    }

    /// Goes on in the file that has the name now, if that is another one; what waits goes there too.
    pub(super) fn reopen(&mut self) -> io::Result<()> {
        let Some((path, patient)) = &self.file else {
            return Ok(());
        };
        if !self.output.is(path) {
            self.output = Output::file(path, *patient)?;
            self.out = 0;
        }
        Ok(())
    }

    /// Writes a line, or keeps it.
    pub(super) fn write(&mut self, time: Option<&LocalTime>, text: &Line) {
        if self.stamp.0.as_ref() != time {
            self.stamp = (time.copied(), time.map(format::stamp).unwrap_or_default());
        }
        let frame: Frame = format::stamped(&self.stamp.1, text);
        if self.held == 0 || self.backlog.is_half_full() {
            self.offer();
        }
        self.backlog.push(&frame);
        if self.held == 0 {
            self.offer();
        }
    }

    /// Lines wait for each other as long as somebody wants it so.
    pub(super) fn hold(&mut self, on: bool) {
        self.held = if on { self.held.saturating_add(1) } else { self.held.saturating_sub(1) };
        if self.held == 0 {
            self.offer();
        }
    }

    /// Writes what waits, as far as it is taken.
    pub(super) fn offer(&mut self) {
        loop {
            while !self.backlog.is_empty() {
                let mut parts = [IoSlice::new(&[]); TOGETHER];
                let count = self.backlog.lines(self.out, &mut parts);
                match self.output.write(parts.get(..count).unwrap_or_default()) {
                    Ok(0) => return,
                    Ok(len) => self.took(len),
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    // The other end is gone for good: nobody is left to read it.
                    Err(_) => {
                        self.out = 0;
                        self.backlog.pop();
                    }
                }
            }
            if !self.backlog.has_untold() {
                return;
            }
            let lost = self.backlog.take_untold();
            let line = format::message(format_args!("{lost} log lines lost"));
            self.backlog.push(&format::stamped("", &line));
        }
    }

    /// So many octets of what waits are out.
    fn took(&mut self, len: usize) {
        self.out = self.out.saturating_add(len);
        while let Some(line) = self.backlog.front().map(<[u8]>::len).filter(|line| *line <= self.out) {
            self.out = self.out.saturating_sub(line);
            self.backlog.pop();
        }
    }

    /// Whether everything is written.
    pub(super) fn is_flushed(&self) -> bool {
        self.backlog.is_empty() && !self.backlog.has_untold()
    }

    /// Lines lost ever.
    pub(super) fn lost(&self) -> u64 {
        self.backlog.lost()
    }
}

/// Lines of one call at most.
const TOGETHER: usize = 64;

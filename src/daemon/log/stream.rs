//! Console and log file: lines to a descriptor that may be slow.

use std::io;
use std::path::{Path, PathBuf};

use super::backlog::Backlog;
use super::format::{self, Frame, Line};
use crate::sys::clock::LocalTime;
use crate::sys::output::Output;

/// One descriptor, its backlog, and how much of the line at its front is out already.
#[derive(Debug)]
pub(super) struct Stream {
    output: Output,
    backlog: Backlog,
    out: usize,
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
        Self { output, backlog: Backlog::new(), out: 0, file }
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
        let frame: Frame = format::stamped(time, text);
        self.offer();
        self.backlog.push(&frame);
        self.offer();
    }

    /// Writes what waits, as far as it is taken.
    pub(super) fn offer(&mut self) {
        loop {
            while let Some(line) = self.backlog.front() {
                let rest = line.get(self.out..).unwrap_or_default();
                match self.output.write(rest) {
                    Ok(len) if len < rest.len() => {
                        self.out += len;
                        if len == 0 {
                            return;
                        }
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                    // Written, or the other end is gone for good: nobody is left to read it.
                    Ok(_) | Err(_) => {
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
            self.backlog.push(&format::stamped(None, &line));
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

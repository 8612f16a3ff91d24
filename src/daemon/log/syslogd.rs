//! The local syslog: datagrams to its socket, or its stream where that is what it offers.
//!
//! It may be missing, start late, be restarted, or stop reading: the socket never blocks, a lost connection
//! is made anew, and lines wait in the backlog with the time at which they were written.

use std::path::{Path, PathBuf};

use log::Level;
use syslog::{Facility, LogFormat};

use super::backlog::Backlog;
use super::format::{self, Frame, Line, Rfc3164};
use crate::sys::clock::{self, LocalTime};
use crate::sys::output::{LogSocket, Taken};
use crate::sys::process;

/// The socket, if there is one now, and the backlog.
#[derive(Debug)]
pub(super) struct Syslogd {
    path: PathBuf,
    format: Rfc3164,
    socket: Option<LogSocket>,
    backlog: Backlog,
}

impl Syslogd {
    pub(super) fn new(path: &Path, facility: Facility, tag: String) -> Self {
        Self {
            path: path.to_owned(),
            format: Rfc3164 { facility, tag, pid: process::own().number() },
            socket: LogSocket::connect(path).ok(),
            backlog: Backlog::new(),
        }
    }

    /// Writes the number of the process that this has become.
    pub(super) fn renumber(&mut self) {
        self.format.pid = process::own().number();
    }

    /// Goes on under a longer name.
    pub(super) fn rename(&mut self, suffix: &str) {
        self.format.tag.push_str(suffix);
    }

    /// Sends a line, or keeps it. A socket that is missing is not looked for with each line: that is for
    /// the next [`Syslogd::offer`] of the loop.
    pub(super) fn write(&mut self, level: Level, time: &LocalTime, text: &Line) {
        let frame = self.frame(level, time, text);
        self.backlog.push(&frame);
        if self.socket.is_some() {
            self.offer();
        }
    }

    /// Connects if need be and sends what waits, as far as it is taken.
    pub(super) fn offer(&mut self) {
        let mut fresh = false;
        loop {
            let Some(line) = self.backlog.front() else {
                if !self.backlog.has_untold() {
                    return;
                }
                let lost = self.backlog.take_untold();
                let text = format::message(format_args!("{lost} log lines lost"));
                let frame = self.frame(Level::Warn, &clock::local(clock::wall()), &text);
                self.backlog.push(&frame);
                continue;
            };
            let Some(socket) = &mut self.socket else {
                fresh = true;
                self.socket = LogSocket::connect(&self.path).ok();
                if self.socket.is_none() {
                    return;
                }
                continue;
            };
            match socket.send(line) {
                Taken::Whole => self.backlog.pop(),
                Taken::Full => return,
                Taken::Gone => {
                    // A syslogd that was restarted is found by connecting anew, once.
                    self.socket = None;
                    if fresh {
                        return;
                    }
                }
            }
        }
    }

    /// Whether everything is sent.
    pub(super) fn is_flushed(&self) -> bool {
        self.backlog.is_empty() && !self.backlog.has_untold()
    }

    /// Whether there is a socket to send to.
    pub(super) fn is_there(&self) -> bool {
        self.socket.is_some()
    }

    /// Lines lost ever.
    pub(super) fn lost(&self) -> u64 {
        self.backlog.lost()
    }

    fn frame(&self, level: Level, time: &LocalTime, text: &Line) -> Frame {
        let mut frame = Frame::new();
        // What does not fit has been cut from the message; the buffer has room for the rest.
        let mut writer = Filling(&mut frame);
        let _ = self.format.format(&mut writer, format::severity(level), (time, text.as_str()));
        frame
    }
}

/// `io::Write` into a bounded buffer.
struct Filling<'a>(&'a mut Frame);

impl std::io::Write for Filling<'_> {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        let room = self.0.capacity().saturating_sub(self.0.len()).min(octets.len());
        let _ = self.0.extend_from_slice(octets.get(..room).unwrap_or_default());
        Ok(room)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

//! The shape of a line on each sink, in fixed buffers.

use core::fmt::{self, Write};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use log::Level;
use syslog::{Facility, LogFormat, Severity};

use crate::base::limit;
use crate::sys::clock::LocalTime;

/// A message, cut to what a line can hold.
pub(super) type Line = heapless::String<{ limit::LOG_LINE }>;

/// A whole line with what stands around the message.
pub(super) type Frame = heapless::Vec<u8, { limit::LOG_LINE + 128 }>;

/// The message of a record. Too long ones are cut; characters that could forge another line or command a
/// terminal become question marks.
pub(super) fn message(arguments: fmt::Arguments<'_>) -> Line {
    let mut line = Cutting(Line::new());
    let _ = line.write_fmt(arguments);
    line.0
}

/// Takes what fits and swallows the rest.
struct Cutting(Line);

impl Write for Cutting {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Most text is harmless and fits.
        if text.bytes().all(|octet| matches!(octet, b' '..=b'~')) && self.0.push_str(text).is_ok() {
            return Ok(());
        }
        for character in text.chars() {
            let harmless = if character.is_control() && character != '\t' { '?' } else { character };
            if self.0.push(harmless).is_err() {
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}

/// `Www Mmm DD HH:MM:SS YYYY: `, what stands in front of a line on console and in a log file.
pub(super) type Stamp = heapless::String<40>;

/// The stamp of a time.
pub(super) fn stamp(time: &LocalTime) -> Stamp {
    let mut stamp = Stamp::new();
    let _ = stamp.write_fmt(format_args!(
        "{} {} {:2} {:02}:{:02}:{:02} {}: ",
        time.weekday_name(),
        time.month_name(),
        time.day,
        time.hour,
        time.minute,
        time.second,
        time.year,
    ));
    stamp
}

/// A line of console and log file.
pub(super) fn stamped(stamp: &str, text: &str) -> Frame {
    let mut frame = Frame::new();
    let _ = frame.write_str(stamp);
    let _ = frame.write_str(text);
    let _ = frame.push(b'\n');
    frame
}

/// RFC 3164 as local daemons speak it: `<PRI>Mmm dd hh:mm:ss tag[pid]: text`.
///
/// The syslog crate's own formatter of that name prints UTC, allocates, and panics where /proc is missing;
/// this one fills the same trait from a time that it is given.
#[derive(Debug)]
pub(super) struct Rfc3164 {
    pub(super) facility: Facility,
    pub(super) tag: String,
    pub(super) pid: i32,
}

impl LogFormat<(&LocalTime, &str)> for Rfc3164 {
    fn format<W: std::io::Write>(
        &self,
        out: &mut W,
        severity: Severity,
        (time, text): (&LocalTime, &str),
    ) -> syslog::Result<()> {
        let priority = self.facility as u8 | severity as u8;
        write!(
            out,
            "<{priority}>{} {:2} {:02}:{:02}:{:02} {}[{}]: {text}",
            time.month_name(),
            time.day,
            time.hour,
            time.minute,
            time.second,
            self.tag,
            self.pid,
        )
        .map_err(syslog::Error::Write)
    }
}

/// The severity that syslog shows. Lines of -D were asked for, so they are information, not debugging that a
/// syslogd drops by default.
pub(super) fn severity(level: Level) -> Severity {
    match level {
        Level::Error => Severity::LOG_ERR,
        Level::Warn => Severity::LOG_WARNING,
        Level::Info | Level::Debug => Severity::LOG_INFO,
        Level::Trace => Severity::LOG_DEBUG,
    }
}

/// `suffix` before the last dot of the file's name, at its end if there is none.
pub(super) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path.file_stem().unwrap_or_default());
    name.push(suffix);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: LocalTime =
        LocalTime { year: 2026, month: 10, day: 5, weekday: 4, hour: 7, minute: 8, second: 9, offset: 0 };

    #[test]
    fn lines_look_like_keepaliveds() {
        assert_eq!(stamped(&stamp(&TIME), "text"), b"Thu Nov  5 07:08:09 2026: text\n");
        assert_eq!(stamped("", "text"), b"text\n");
        assert!(!stamp(&LocalTime { year: i32::MIN, ..TIME }).is_empty(), "the longest has room");
        let format = Rfc3164 { facility: Facility::LOG_DAEMON, tag: "Keepalived_vrrp".to_owned(), pid: 42 };
        let mut out = Vec::new();
        format.format(&mut out, severity(Level::Info), (&TIME, "(VI_1) Entering MASTER STATE")).unwrap();
        let expected = "<30>Nov  5 07:08:09 Keepalived_vrrp[42]: (VI_1) Entering MASTER STATE";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
        let format = Rfc3164 { facility: Facility::LOG_LOCAL3, tag: "Keepalived".to_owned(), pid: 1 };
        let mut out = Vec::new();
        format.format(&mut out, severity(Level::Warn), (&TIME, "x")).unwrap();
        assert!(out.starts_with(b"<156>"));
    }

    #[test]
    fn a_message_is_cut_and_cannot_forge_a_line() {
        assert_eq!(message(format_args!("a\nb\x1b[2J\tc")).as_str(), "a?b?[2J\tc");
        let plain = "x".repeat(limit::LOG_LINE - 3);
        assert_eq!(message(format_args!("{plain}{}", "longer")).as_str(), format!("{plain}lon"));
        let long = "é".repeat(limit::LOG_LINE);
        let cut = message(format_args!("{long}"));
        assert_eq!(cut.len(), limit::LOG_LINE);
    }

    #[test]
    fn the_name_of_the_process_goes_before_the_last_dot() {
        assert_eq!(with_suffix(Path::new("/var/log/k.a.log"), "_vrrp"), Path::new("/var/log/k.a_vrrp.log"));
        assert_eq!(with_suffix(Path::new("/tmp/k"), "_bfd"), Path::new("/tmp/k_bfd"));
        assert_eq!(with_suffix(Path::new("/tmp/k.log"), ""), Path::new("/tmp/k.log"));
    }
}

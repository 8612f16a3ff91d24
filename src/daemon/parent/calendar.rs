//! A reload that a file asks for (`reload_time_file`), and the file that tells others when files are read (`reload_file`).
//!
//! The folder of the file is watched, so that the file may come, change and go. Wall time may jump: an appointment is
//! looked at again every minute at the latest. After each reload the file is looked at afresh.

use std::ffi::CString;
use std::fs::{self, OpenOptions};
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::program::Program;
use super::{KINDS, Parent};
use crate::base::time::Span;
use crate::config::diag::Escaped;
use crate::daemon::appointment::Appointment;
use crate::daemon::log;
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::token::{Registration, SourceId};
use crate::sys::clock::{self, Wall};
use crate::sys::inotify::{Happening, Inotify};

/// The deadline of the appointment.
#[allow(clippy::cast_possible_truncation, reason = "twice the kinds of children")]
pub(super) const SLOT: u32 = (2 * KINDS + 1) as u32;
/// The kind of the source that tells of the folder.
pub(super) const SOURCE: u8 = 1;

/// Wall time is looked at this often.
const LOOK: Span = Span::from_secs(60);
/// Octets of the file that are read: the longest form is 20.
const LONGEST: u64 = 64;

/// The appointment, and how its file is watched.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    file: Option<PathBuf>,
    watch: Option<(Inotify, Registration)>,
    /// Seconds since 1970.
    due: Option<i64>,
    /// The file names a time only.
    daily: bool,
}

impl<P: Program> Parent<'_, P> {
    /// Begins to watch the file that is configured now, and looks at it.
    pub(super) fn watch_calendar(&mut self, turn: &mut Turn<'_>) {
        if let Some((inotify, registration)) = self.calendar.watch.take() {
            turn.deregister(registration);
            drop(inotify);
        }
        self.calendar.file.clone_from(&self.settings.reload_time_file);
        if let Some(file) = &self.calendar.file {
            match listen(turn, file) {
                Ok(watch) => self.calendar.watch = Some(watch),
                Err(error) => log::warn!("Unable to watch the folder of {}: {error}", file.display()),
            }
        }
        self.read_calendar(turn, true);
    }

    /// Something happened in the folder.
    pub(super) fn calendar_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        let (Some((inotify, _)), Some(file)) = (&mut self.calendar.watch, &self.calendar.file) else {
            return Again::Done;
        };
        let name = file.file_name().map(OsStrExt::as_bytes);
        let (mut changed, mut finished, mut gone) = (false, false, false);
        let read = inotify.read(|happening| match happening {
            Happening::Entry { name: other, unfinished, .. } if Some(other) == name => {
                changed = true;
                finished = !unfinished;
            }
            Happening::Entry { .. } => {}
            Happening::Gone(_) => gone = true,
            Happening::Lost => (changed, finished) = (true, true),
        });
        if gone {
            // As keepalived has it: until the next reload or start.
            log::warn!(
                "The folder of {} is gone - it schedules nothing until the next reload",
                file.display()
            );
        }
        if changed || gone {
            self.read_calendar(turn, finished);
        }
        if read.unwrap_or(false) { Again::More } else { Again::Done }
    }

    /// Looks at the file. `finished`: nobody is writing it, so that nonsense in it is worth a line.
    fn read_calendar(&mut self, turn: &mut Turn<'_>, finished: bool) {
        let appointment = match self.calendar.file.as_deref().map(first_line) {
            Some(Ok(line)) => {
                let read = Appointment::parse(&line);
                if read.is_none() && finished {
                    log::warn!("No time to reload at in the reload time file: '{}'", Escaped(&line));
                }
                read
            }
            Some(Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                log::warn!("Unable to read the reload time file: {error}");
                None
            }
            Some(Err(_)) | None => None,
        };
        let due = appointment.and_then(|appointment| appointment.after(clock::wall()));
        if appointment.is_some() && due.is_none() && finished {
            log::warn!("The time in the reload time file is past");
        }
        match (self.calendar.due, due) {
            (before, now) if before == now => {}
            (None, Some(now)) => log::info!("Reload scheduled for {}", Shown(now)),
            (Some(before), Some(now)) => {
                log::info!("Reload time updated from {} to {}", Shown(before), Shown(now));
            }
            (_, None) => log::info!("Scheduled reload cancelled"),
        }
        self.calendar.due = due;
        self.calendar.daily = appointment.is_some_and(|appointment| !appointment.has_date());
        self.arm_calendar(turn);
    }

    fn arm_calendar(&self, turn: &mut Turn<'_>) {
        let Wall { secs, micros } = clock::wall();
        let at = self.calendar.due.map(|due| {
            let left = u64::try_from(due.saturating_sub(secs)).unwrap_or(0);
            let wait = Span::from_secs(left) - Span::from_micros(u64::from(micros));
            turn.now() + wait.min(LOOK)
        });
        turn.set_deadline(SLOT, at);
    }

    /// It is time, or a minute is over.
    pub(super) fn calendar_due(&mut self, turn: &mut Turn<'_>) {
        let Some(due) = self.calendar.due else { return };
        if clock::wall().secs < due {
            return self.arm_calendar(turn);
        }
        log::info!("The time of the scheduled reload has come");
        self.calendar.due = None;
        if let Some(file) = &self.calendar.file
            && !(self.settings.reload_repeat && self.calendar.daily)
            && let Err(error) = fs::remove_file(file)
        {
            log::warn!("Unable to remove {}: {error}", file.display());
        }
        self.reload(turn);
    }
}

fn listen(turn: &mut Turn<'_>, file: &Path) -> io::Result<(Inotify, Registration)> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let inotify = Inotify::open()?;
    inotify.watch(&CString::new(folder.as_os_str().as_bytes())?)?;
    let registration =
        turn.register(inotify.as_raw_fd(), SourceId { kind: SOURCE, index: 0 }, Interest::Read)?;
    Ok((inotify, registration))
}

fn first_line(file: &Path) -> io::Result<String> {
    // A pipe in its place must not stop the loop.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(file)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut line = Vec::new();
    BufReader::new(file).take(LONGEST).read_until(b'\n', &mut line)?;
    let text = String::from_utf8_lossy(&line);
    Ok(text.strip_suffix('\n').unwrap_or(&text).to_owned())
}

/// A moment as the machine's clocks show it.
struct Shown(i64);

impl core::fmt::Display for Shown {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let at = clock::local(Wall { secs: self.0, micros: 0 });
        let month = at.month.saturating_add(1);
        let (hour, minute, second) = (at.hour, at.minute, at.second);
        write!(f, "{}-{month:02}-{:02} {hour:02}:{minute:02}:{second:02}", at.year, at.day)
    }
}

/// The files are being read from now on: makes the marker, or empties it.
pub(super) fn begin_reading(marker: Option<&Path>) {
    let Some(marker) = marker else { return };
    let made = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(marker);
    if let Err(error) = made {
        log::warn!("Unable to make the reload file {}: {error}", marker.display());
    }
}

/// They have been read: whoever waits for the marker to go may change them again.
pub(super) fn end_reading(marker: Option<&Path>) {
    let Some(marker) = marker else { return };
    match fs::remove_file(marker) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            log::warn!("Unable to remove the reload file {}: {error}", marker.display());
        }
        _ => {}
    }
}

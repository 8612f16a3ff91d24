//! Logging: the sinks behind the `log` facade. No line ever makes the caller wait.
//!
//! A line is formatted into a fixed buffer and offered to each sink. A sink that takes none (syslogd missing,
//! stopped or full; a console slower than we are) keeps a bounded backlog, which the loop offers again
//! ([`flush`]); what does not fit there is counted, and the count is a line of its own when the sink is back.
//!
//! Levels: `error!` and `warn!` for what they say, `info!` for the lines of a normal life, `debug!` for the
//! lines that keepalived has only with -D (detail). `trace!` is never shown.

mod backlog;
mod format;
mod line;
#[cfg(test)]
mod logged;
#[cfg(feature = "status")]
mod overheard;
mod stream;
mod syslogd;

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

pub use log::Level;
use log::{LevelFilter, Log, Metadata, Record};
pub use syslog::Facility;

use self::format::Line;
pub use self::line::{debug, error, has_detail, info, line, warn};
#[cfg(test)]
pub use self::logged::logged;
use self::stream::Stream;
use self::syslogd::Syslogd;
use crate::base::time::{Instant, Span};
use crate::sys::clock::LocalTime;
use crate::sys::{clock, process};

/// Where lines go and which; fixed by the command line.
#[derive(Clone, Debug)]
pub struct Options {
    /// Also the lines of `debug!` (-D).
    pub detail: bool,
    /// To the local syslog; off with -G.
    pub syslog: bool,
    /// With this facility (-S).
    pub facility: Facility,
    /// Behind the name of the process; empty unless the configuration names a namespace or an instance.
    pub tag_suffix: String,
    /// On this socket; /dev/log unless a test says otherwise.
    pub syslog_socket: PathBuf,
    /// To standard error (-l).
    pub console: bool,
    /// To this file (-g); a child inserts its name before the last dot.
    pub file: Option<PathBuf>,
    /// With a time in front of each line on console and file.
    pub stamps: bool,
    /// Wait for console and file instead of losing lines: for a config test, which has nothing else to do.
    pub patient: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            detail: false,
            syslog: true,
            facility: Facility::LOG_DAEMON,
            tag_suffix: String::new(),
            syslog_socket: PathBuf::from("/dev/log"),
            console: false,
            file: None,
            stamps: true,
            patient: false,
        }
    }
}

impl Options {
    /// For a config test: to `file`, else to standard error, without time stamps, nothing lost.
    #[must_use]
    pub fn config_test(file: Option<PathBuf>) -> Self {
        Self { syslog: false, console: file.is_none(), file, stamps: false, patient: true, ..Self::default() }
    }
}

/// Which process writes: its tag in syslog and the part that its log file's name gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// For example `Keepalived_vrrp`.
    pub tag: &'static str,
    /// For example `_vrrp`; empty for the parent.
    pub suffix: &'static str,
}

impl Identity {
    /// The parent.
    pub const PARENT: Self = Self { tag: "Keepalived", suffix: "" };
    /// The VRRP child.
    pub const VRRP: Self = Self { tag: "Keepalived_vrrp", suffix: "_vrrp" };
    /// The checker child.
    pub const CHECKERS: Self = Self { tag: "Keepalived_healthcheckers", suffix: "_healthcheckers" };
    /// The BFD child.
    pub const BFD: Self = Self { tag: "Keepalived_bfd", suffix: "_bfd" };
    /// The subagent.
    pub const SNMP: Self = Self { tag: "Keepalived_snmp", suffix: "_snmp" };
}

/// Opens the sinks for this process. Called once when the program starts and again in each new child, which
/// must not write what waits in its parent's backlogs.
///
/// # Errors
/// When the log file cannot be opened; the other sinks work then.
pub fn start(options: &Options, identity: Identity) -> std::io::Result<()> {
    clock::load_time_zone();
    let (sinks, opened) = Sinks::open(options, identity);
    *lock() = Some(sinks);
    // Fails only when it is set already, by this very function.
    let _ = log::set_logger(&Facade);
    log::set_max_level(usual_level(options));
    opened
}

/// Lines up to this level are written from now on, whatever the options say; none: as they say.
#[cfg(feature = "status")]
pub fn set_level(level: Option<LevelFilter>) {
    let usual = lock().as_ref().map_or(LevelFilter::Info, |sinks| sinks.usual);
    log::set_max_level(level.unwrap_or(usual));
}

const fn usual_level(options: &Options) -> LevelFilter {
    if options.detail { LevelFilter::Debug } else { LevelFilter::Info }
}

/// Closes the sinks without writing what waits: the first act of a new child, whose parent writes that.
pub fn forget() {
    *lock() = None;
}

/// Goes on in a process that has left its terminal: under its own number and without the console.
pub fn leave_console() {
    if let Some(sinks) = lock().as_mut() {
        sinks.streams.retain(|stream| !stream.is_console());
        if let Some(syslogd) = &mut sinks.syslogd {
            syslogd.renumber();
        }
    }
}

/// Goes on under a name with `suffix` behind it in syslog.
pub fn rename(suffix: &str) {
    if let Some(syslogd) = lock().as_mut().and_then(|sinks| sinks.syslogd.as_mut()) {
        syslogd.rename(suffix);
    }
}

/// Goes on in a new log file if the old one was moved away or deleted, as logrotate does it; if the new one cannot
/// be made, in the old one.
pub fn reopen() {
    let failed = lock().as_mut().and_then(Sinks::reopen);
    if let Some(error) = failed {
        error!("Unable to open the log file again: {error} - keep writing to the old one");
    }
}

/// Keeps warnings and errors for [`overheard`] from now on, or ends that.
#[cfg(feature = "status")]
pub fn overhear(on: bool) {
    if let Some(sinks) = lock().as_mut() {
        sinks.overheard.set(on);
    }
}

/// The warnings and errors since [`overhear`], line by line.
#[cfg(feature = "status")]
#[must_use]
pub fn overheard() -> String {
    lock().as_ref().map(|sinks| sinks.overheard.text()).unwrap_or_default()
}

/// Offers the backlogs to their sinks if their time has come. Says when to call again; none: nothing waits.
pub fn flush(now: Instant) -> Option<Instant> {
    lock().as_mut()?.flush(now)
}

/// Many lines are about to be written: console and file get them together, in few calls, when this goes out of scope.
#[must_use]
pub fn together() -> Together {
    hold(true);
    Together(())
}

/// Lines that are written together.
#[derive(Debug)]
pub struct Together(());

impl Drop for Together {
    fn drop(&mut self) {
        hold(false);
    }
}

fn hold(on: bool) {
    if let Some(sinks) = lock().as_mut() {
        sinks.streams.iter_mut().for_each(|stream| stream.hold(on));
    }
}

/// Offers the backlogs for up to `limit`, and waits for slow sinks meanwhile, not for missing ones: the last
/// act of a process.
pub fn finish(limit: Span) {
    let until = clock::now() + limit;
    loop {
        let mut guard = lock();
        let Some(sinks) = guard.as_mut() else { return };
        sinks.offer();
        let now = clock::now();
        if !sinks.is_worth_waiting() || now >= until {
            return;
        }
        drop(guard);
        process::pause(Span::from_millis(2).min(until.since(now)));
    }
}

/// Lines that no sink could keep, over all sinks of this process.
#[must_use]
pub fn lost() -> u64 {
    lock().as_ref().map_or(0, Sinks::lost)
}

static SINKS: Mutex<Option<Sinks>> = Mutex::new(None);

/// One thread, so nobody is ever waited for.
fn lock() -> std::sync::MutexGuard<'static, Option<Sinks>> {
    SINKS.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Facade;

impl Log for Facade {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        // Formatted before the lock is taken: an argument that logs by itself does no harm then.
        let text = format::message(*record.args());
        if let Some(sinks) = lock().as_mut() {
            sinks.write(record.level(), &text);
        }
    }

    fn flush(&self) {}
}

/// The sinks of one process.
#[derive(Debug)]
struct Sinks {
    syslogd: Option<Syslogd>,
    streams: heapless::Vec<Stream, 2>,
    stamps: bool,
    #[cfg(feature = "status")]
    usual: LevelFilter,
    #[cfg(feature = "status")]
    overheard: overheard::Overheard,
    /// The second of the last line, since 1970 and in the machine's time zone.
    second: Option<(i64, LocalTime)>,
    /// When a sink with a backlog is offered it again, and how long after that if it refuses.
    retry: Option<Instant>,
    pace: Span,
}

impl Sinks {
    fn open(options: &Options, identity: Identity) -> (Self, std::io::Result<()>) {
        let mut streams = heapless::Vec::new();
        let mut opened = Ok(());
        let console = options.console.then(|| Stream::console(options.patient));
        let file = options
            .file
            .as_ref()
            .map(|path| Stream::file(&format::with_suffix(path, identity.suffix), options.patient));
        for stream in [console, file].into_iter().flatten() {
            match stream {
                Ok(stream) => drop(streams.push(stream)),
                Err(error) => opened = Err(error),
            }
        }
        let syslogd = options.syslog.then(|| {
            let tag = [identity.tag, &options.tag_suffix].concat();
            Syslogd::new(&options.syslog_socket, options.facility, tag)
        });
        let sinks = Self {
            syslogd,
            streams,
            stamps: options.stamps,
            second: None,
            #[cfg(feature = "status")]
            usual: usual_level(options),
            #[cfg(feature = "status")]
            overheard: overheard::Overheard::default(),
            retry: None,
            pace: FIRST_PACE,
        };
        (sinks, opened)
    }

    /// Opens the log file anew if its name stands for another file now; the error if that fails.
    fn reopen(&mut self) -> Option<std::io::Error> {
        let streams = self.streams.iter_mut();
        streams.filter_map(|stream| stream.reopen().err()).last()
    }

    fn write(&mut self, level: Level, text: &Line) {
        #[cfg(feature = "status")]
        self.overheard.note(level, text);
        let wall = clock::wall();
        let time = match self.second {
            Some((secs, time)) if secs == wall.secs => time,
            _ => clock::local(wall),
        };
        self.second = Some((wall.secs, time));
        if let Some(syslogd) = &mut self.syslogd {
            syslogd.write(level, &time, text);
        }
        for stream in &mut self.streams {
            stream.write(self.stamps.then_some(&time), text);
        }
    }

    fn flush(&mut self, now: Instant) -> Option<Instant> {
        if self.is_flushed() {
            self.retry = None;
            self.pace = FIRST_PACE;
            return None;
        }
        match self.retry {
            Some(at) if now < at => {}
            Some(_) => {
                self.offer();
                if self.is_flushed() {
                    self.retry = None;
                    self.pace = FIRST_PACE;
                } else {
                    self.pace = (self.pace * 2).min(LAST_PACE);
                    self.retry = Some(now + self.pace);
                }
            }
            None => self.retry = Some(now + self.pace),
        }
        self.retry
    }

    fn offer(&mut self) {
        if let Some(syslogd) = &mut self.syslogd {
            syslogd.offer();
        }
        for stream in &mut self.streams {
            stream.offer();
        }
    }

    fn is_flushed(&self) -> bool {
        self.syslogd.as_ref().is_none_or(Syslogd::is_flushed) && self.streams.iter().all(Stream::is_flushed)
    }

    /// Whether a sink that is there has not taken everything yet.
    fn is_worth_waiting(&self) -> bool {
        let syslogd =
            self.syslogd.as_ref().is_some_and(|syslogd| syslogd.is_there() && !syslogd.is_flushed());
        syslogd || !self.streams.iter().all(Stream::is_flushed)
    }

    fn lost(&self) -> u64 {
        let streams: u64 = self.streams.iter().map(Stream::lost).sum();
        self.syslogd.as_ref().map_or(0, Syslogd::lost) + streams
    }
}

/// A sink that is merely slow gets the next line soon after it has room.
const FIRST_PACE: Span = Span::from_millis(10);
/// A sink that is missing costs one attempt in this time.
const LAST_PACE: Span = Span::from_secs(5);

#[cfg(test)]
mod tests;

//! The parent's log lines, in keepalived's words.

use crate::base::exit::Exit;
use crate::base::time::Span;
use crate::daemon::cli::{self, VERSION};
use crate::daemon::kind::Kind;
use crate::daemon::{events, log};
use crate::sys::privileges::Capabilities;
use crate::sys::process::{self, Ended, Pid};
use crate::sys::seccomp;
#[cfg(feature = "status")]
use crate::wire::control::{self, Named, Refusal};

pub(super) fn starting(words: &[String]) {
    let (system, release, version) = process::kernel();
    log::info!("Starting Keepalived {VERSION}");
    log::info!("Running on {system} {release} {version}");
    for line in cli::command_lines(words) {
        log::info!("{line}");
    }
}

/// Another process has a pid file; the exit that follows. One that `passes` may be gone by the next attempt.
pub(super) fn is_running(place: &dyn core::fmt::Display, passes: bool) -> Exit {
    if passes {
        log::error!("Another process has pid file {place}: another keepalived, or one that does not end");
        log::error!("Stop it, then start again");
        return Exit::Busy;
    }
    log::error!("Another process has pid file {place} locked");
    log::error!("daemon is already running");
    Exit::Ok
}

pub(super) fn stopped() {
    log::info!("Stopped Keepalived {VERSION}");
}

/// How a process ended, if that is worth a line.
pub(super) fn ended(pid: Pid, how: Ended) {
    match how {
        Ended::Exited(0) => {}
        Ended::Exited(code) => log::error!("pid {pid} exited with status {code}"),
        Ended::Killed(signal) if signal == libc::SIGSEGV => {
            log::error!("pid {pid} exited due to segmentation fault (SIGSEGV).");
        }
        Ended::Killed(signal) => {
            let name = signal_name(signal);
            let hint = if matches!(signal, libc::SIGKILL | libc::SIGXCPU) {
                " - has rlimit_rttime been exceeded?"
            } else {
                ""
            };
            log::error!("pid {pid} exited due to signal {signal} ({name}){hint}");
        }
    }
}

/// The C library's words for the signals that end processes.
fn signal_name(signal: i32) -> &'static str {
    match signal {
        libc::SIGKILL => "Killed",
        libc::SIGABRT => "Aborted",
        libc::SIGBUS => "Bus error",
        libc::SIGILL => "Illegal instruction",
        libc::SIGFPE => "Floating point exception",
        libc::SIGTERM => "Terminated",
        libc::SIGXCPU => "CPU time limit exceeded",
        libc::SIGSYS => "Bad system call",
        _ => "Unknown signal",
    }
}

pub(super) fn permanent(pid: Pid, exit: Exit) {
    let word = match exit {
        Exit::Config => "CONFIG",
        Exit::Permission => "MISSING PERMISSION",
        Exit::NoConfig => "NO CONFIG",
        _ => "FATAL",
    };
    log::error!("pid {pid} exited with permanent error {word}. Terminating");
}

pub(super) fn died(kind: Kind, pid: Pid, respawning: bool) {
    let next = if respawning { "Respawning" } else { "Exiting" };
    log::error!("{} child process({pid}) died: {next}", kind.title());
    events::note(events::Kind::Process, &kind.word(), format_args!("process {pid} has died unasked"));
}

pub(super) fn delayed(kind: Kind, pause: Span) {
    let seconds = pause.as_secs();
    log::warn!("Restart of {} process delayed {seconds} seconds to limit respawn rate", kind.title());
}

/// The end of a child, written by itself.
pub(super) fn child_stopped() {
    if log::has_detail() {
        let (user, system) = process::cpu_times();
        let seconds = |micros: u64| Span::from_micros(micros);
        log::info!("Stopped - used {} user time, {} system time", seconds(user), seconds(system));
    } else {
        log::info!("Stopped");
    }
}

/// Why a request is none.
#[cfg(feature = "status")]
pub(super) fn refusal(refusal: Refusal<'_>) -> String {
    match refusal {
        Refusal::Empty => "a word is missing; 'help' lists them\n".to_owned(),
        Refusal::NoText => "the request is no text\n".to_owned(),
        Refusal::Unknown(word) => format!("unknown word '{word}'; 'help' lists them\n"),
        Refusal::Valueless => "a value is missing behind the name; 'help' lists what is taken\n".to_owned(),
        Refusal::Nameless(word, meaning) => {
            format!("a word is missing behind '{word}' ({meaning}); 'status' has the names\n")
        }
        Refusal::Unexpected(word) => format!("'{word}' means nothing here; 'help' lists what does\n"),
    }
}

/// The words of requests, a line each.
#[cfg(feature = "status")]
pub(super) fn words() -> String {
    let line = |row: &control::Row| {
        let name = match row.named {
            Named::Never => "",
            Named::May => " [NAME]",
            Named::Must => " NAME",
            Named::WithValue => " NAME VALUE",
        };
        let options: String = row.options.iter().map(|option| format!(" [{option}]")).collect();
        format!("{:<46} {}\n", [row.word, name, &options].concat(), row.meaning)
    };
    control::ROWS.iter().map(line).collect()
}

/// A reload needs privileges that a child has given up.
pub(super) fn lacks(kind: Kind, pid: Pid, lacking: Capabilities) {
    let names = lacking.names().collect::<Vec<_>>().join(", ");
    let kind = kind.title();
    log::info!(
        "The new configuration needs {names}, which the {kind} child process({pid}) has given up - replacing it"
    );
}

/// A reload turns confinement on or off, which a child that runs cannot.
pub(super) fn confinement_changes(kind: Kind, pid: Pid, on: bool) {
    let (kind, how) = (kind.title(), if on { "on" } else { "off" });
    log::info!("The new configuration turns confinement {how} - replacing the {kind} child process({pid})");
}

/// A child was ended by a system call that it may not make; those after it may make it, or not either.
pub(super) fn violated(kind: Kind, pid: Pid, call: u32, may_from_now_on: bool) {
    let kind = kind.title();
    let next = if may_from_now_on { "may make it" } else { "may not make it either" };
    match seccomp::name_of(call) {
        Some(name) => log::error!(
            "{kind} child process({pid}) has called {name}, which it never does - it was ended, and the next one {next}; if it has a reason, no_confinement in global_defs allows any call"
        ),
        None => log::error!(
            "{kind} child process({pid}) has made system call {call}, which is not in its list - it was ended, and the next one {next}"
        ),
    }
}

//! Tracked files, processes and BFD sessions.

use core::fmt::{self, Write};

use super::tables::tracking;
use super::tracked::Weighed;
use crate::config::model::track::ParameterMatch;
use crate::config::model::{Bfd, TrackFile, TrackProcess};
use crate::proto::track::{Cause, Process, Verdict, Weight};

/// Writes a tracked file, its number and who tracks it.
///
/// # Errors
/// What `out` says.
pub fn file<'a>(
    out: &mut dyn Write,
    config: &TrackFile,
    number: i32,
    users: impl Iterator<Item = (&'a str, Weight)>,
) -> fmt::Result {
    writeln!(out, " Track file = {}", config.name)?;
    writeln!(out, "   File = {}", config.path)?;
    writeln!(out, "   Status = {number}")?;
    writeln!(out, "   Weight = {}", Weighed(config.weight))?;
    tracking(out, "Tracking instances", &mut { users })
}

/// Writes a process monitor, what it knows and who tracks it.
///
/// # Errors
/// What `out` says.
pub fn process<'a>(
    out: &mut dyn Write,
    config: &TrackProcess,
    machine: &Process,
    users: impl Iterator<Item = (&'a str, Weight)>,
) -> fmt::Result {
    writeln!(out, " VRRP Track process = {}", config.name)?;
    let mut words = config.command.iter();
    writeln!(out, "   Process = {}", words.next().map_or("", String::as_str))?;
    for (position, word) in words.enumerate() {
        write!(out, "{}{word}", if position == 0 { "   Parameters = " } else { " " })?;
    }
    if config.command.len() > 1 {
        out.write_char('\n')?;
    }
    match config.parameters {
        Some(ParameterMatch::Initial) => out.write_str("   Param match = initial\n")?,
        Some(ParameterMatch::Partial) => out.write_str("   Param match = partial\n")?,
        Some(ParameterMatch::Exact) | None => {}
    }
    let params = machine.params();
    writeln!(out, "   Min processes = {}", params.quorum)?;
    if let Some(most) = params.quorum_max {
        writeln!(out, "   Max processes = {most}")?;
    }
    writeln!(out, "   Current processes = {}", machine.count())?;
    writeln!(out, "   Have quorum = {}", machine.verdict() == Verdict::Up)?;
    writeln!(out, "   Weight = {}", Weighed(config.weight))?;
    writeln!(out, "   Terminate delay = {}s", params.terminate_delay)?;
    writeln!(out, "   Fork delay = {}s", params.fork_delay)?;
    let timer = |cause| if machine.waits() == Some(cause) { "" } else { "not " };
    writeln!(out, "   Fork delay timer {}running", timer(Cause::Fork))?;
    writeln!(out, "   Terminate delay timer {}running", timer(Cause::Exit))?;
    writeln!(out, "   Full command = {}", config.full_command)?;
    tracking(out, "Tracking instances", &mut { users })
}

/// Writes a BFD session, what it says and who tracks it.
///
/// # Errors
/// What `out` says.
pub fn session<'a>(
    out: &mut dyn Write,
    config: &Bfd,
    verdict: Verdict,
    users: impl Iterator<Item = (&'a str, Weight)>,
) -> fmt::Result {
    writeln!(out, " VRRP Track BFD = {}", config.name)?;
    writeln!(out, "   Weight = {}", Weighed(config.weight))?;
    writeln!(out, "   Bfd is {}", if verdict == Verdict::Up { "up" } else { "down" })?;
    tracking(out, "Tracking instances", &mut { users })
}

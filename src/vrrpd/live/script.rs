//! A track script: the command that runs, and what it said.

use crate::daemon::keep::Note;
use crate::notify::Command;
use crate::proto::track;
use crate::sys::process::Pid;

/// A track script at work.
pub struct TrackScript {
    /// The name that the configuration has for it.
    pub name: String,
    /// The verdict, and when the command runs.
    pub machine: track::Script,
    /// The command; none: it cannot run, and no instance tracks the script.
    pub command: Option<Command>,
    /// The process of the run under way.
    pub pid: Option<Pid>,
    /// The note of the verdict for a successor of this process.
    pub note: Note,
}

//! Sync groups: their members, what they track and whom they tell.

use core::fmt::{self, Write};

use super::Runs;
use super::instance::word;
use super::tracked::Trackers;
use crate::config::model::{self, Model};
use crate::proto::vrrp::State;

/// A sync group as it is now.
#[derive(Clone, Copy, Debug)]
pub struct Group<'a> {
    /// The configuration that it belongs to.
    pub model: &'a Model,
    /// What the configuration says of it.
    pub config: &'a model::Group,
    /// The state of its members.
    pub state: State,
    /// Members with a reason of their own for FAULT.
    pub faulty: usize,
    /// Members that wait for the first result of a script.
    pub waiting: usize,
    /// Its scripts in the order of [`SCRIPTS`].
    pub scripts: [Option<Runs<'a>>; SCRIPTS.len()],
}

/// What a group runs scripts for, in the order of the dump.
pub const SCRIPTS: [&str; 5] = ["Backup", "Master", "Fault", "Stop", "Generic"];

/// Writes the group.
///
/// # Errors
/// What `out` says.
pub fn group(out: &mut dyn Write, group: &Group<'_>) -> fmt::Result {
    let config = group.config;
    writeln!(out, " VRRP Sync Group = {}, {}", config.name, word(group.state))?;
    writeln!(out, "   Num member fault {}, num member init {}", group.faulty, group.waiting)?;
    out.write_str("   VRRP member instances :\n")?;
    for member in &config.members {
        if let Some(instance) = group.model.instances.get(member.index()) {
            writeln!(out, "     {}", instance.name)?;
        }
    }
    if config.tracking_weight {
        out.write_str("   sync group tracking weight set\n")?;
    }
    writeln!(out, "   Using smtp notification = {}", if config.smtp_alert { "yes" } else { "no" })?;
    if config.notify_priority_changes {
        out.write_str("   Notify priority changes = yes\n")?;
    }
    let trackers = Trackers {
        model: group.model,
        interfaces: &config.track_interfaces,
        scripts: &config.track_scripts,
        files: &config.track_files,
        processes: &config.track_processes,
        sessions: &config.track_bfds,
    };
    trackers.write(out, "process")?;
    for (what, runs) in SCRIPTS.iter().zip(&group.scripts) {
        if let Some(runs) = runs {
            writeln!(out, "   {what} state transition script = {runs}")?;
        }
    }
    Ok(())
}

//! What stands outside instances: groups of interfaces that announcements are spaced in, and track groups.

use core::fmt::{self, Write};

use super::{Clock, Seconds, Timestamp, section};
use crate::base::name::IfName;
use crate::base::time::{Instant, Span};
use crate::config::model::Model;
use crate::config::model::network::TrackGroup;

/// Announcements of a family on some interfaces.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lane {
    /// Between two of them.
    pub interval: Span,
    /// When the next one may leave; none: there has been none yet.
    pub next: Option<Instant>,
}

/// Writes the spacing of a `garp_group` (from 1) or of the interfaces in none (0), and the interfaces. `lanes`: that of
/// gratuitous ARPs, then that of neighbour advertisements.
///
/// # Errors
/// What `out` says.
pub fn garp_group(
    out: &mut dyn Write,
    clock: &Clock,
    number: usize,
    lanes: [Lane; 2],
    interfaces: &mut dyn Iterator<Item = &IfName>,
) -> fmt::Result {
    section(out, &format_args!("GARP delay group {number}"))?;
    for (what, lane) in ["GARP", "GNA"].into_iter().zip(lanes) {
        writeln!(out, " {what} interval = {}", Seconds(lane.interval))?;
        writeln!(out, " {what} next time {}", Timestamp(clock, lane.next))?;
    }
    for (position, name) in interfaces.enumerate() {
        out.write_str(if position == 0 { " Interfaces\n" } else { "" })?;
        writeln!(out, "  {name}")?;
    }
    Ok(())
}

/// Writes a track group and who is in it.
///
/// # Errors
/// What `out` says.
pub fn track_group(out: &mut dyn Write, model: &Model, group: &TrackGroup) -> fmt::Result {
    writeln!(out, " Static Track Group = {}", group.name)?;
    out.write_str("   VRRP member instances :\n")?;
    for member in &group.members {
        if let Some(instance) = model.instances.get(member.index()) {
            writeln!(out, "     {}", instance.name)?;
        }
    }
    Ok(())
}

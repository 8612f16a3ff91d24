//! What stands outside instances: groups of interfaces that announcements are spaced in, and track groups.

use core::fmt::{self, Display, Write};

use super::{Seconds, section};
use crate::base::time::Span;
use crate::config::model::network::TrackGroup;
use crate::config::model::{Model, Named};

/// Writes the spacing of a `garp_group` (from 1) or of the interfaces in none (0), and the interfaces.
///
/// # Errors
/// What `out` says.
pub fn garp_group<I: Display>(
    out: &mut dyn Write,
    number: usize,
    [garp, gna]: [Span; 2],
    interfaces: impl Iterator<Item = I>,
) -> fmt::Result {
    section(out, &format_args!("GARP delay group {number}"))?;
    writeln!(out, " GARP interval = {}", Seconds(garp))?;
    writeln!(out, " GNA interval = {}", Seconds(gna))?;
    for (position, name) in interfaces.enumerate() {
        out.write_str(if position == 0 { " Interfaces\n" } else { "" })?;
        writeln!(out, "  {name}")?;
    }
    Ok(())
}

/// The names of interfaces.
pub fn names(interfaces: &[Named]) -> impl Iterator<Item = &str> {
    interfaces.iter().map(|named| named.name.as_str())
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

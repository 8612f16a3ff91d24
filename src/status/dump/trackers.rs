//! Tracked files and processes.

use core::fmt::{self, Write};

use super::instance::Weighed;
use super::tables::tracking;
use crate::config::model::TrackFile;
use crate::proto::track::Weight;

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
    tracking(out, "Tracking instances", users)
}

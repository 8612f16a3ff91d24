//! What an instance or a group tracks.

use core::fmt::{self, Display, Formatter, Write};

use crate::config::model::Model;
use crate::config::model::track::{TrackedBfd, TrackedFile, TrackedInterface, TrackedProcess, TrackedScript};
use crate::proto::track::Weight;

/// What an instance or a group tracks.
pub(super) struct Trackers<'a> {
    pub(super) model: &'a Model,
    pub(super) interfaces: &'a [TrackedInterface],
    pub(super) scripts: &'a [TrackedScript],
    pub(super) files: &'a [TrackedFile],
    pub(super) processes: &'a [TrackedProcess],
    pub(super) sessions: &'a [TrackedBfd],
}

impl Trackers<'_> {
    /// `many`: how keepalived calls process monitors there.
    pub(super) fn write(&self, out: &mut dyn Write, many: &str) -> fmt::Result {
        if !self.interfaces.is_empty() {
            out.write_str("   Tracked interfaces :\n")?;
        }
        for tracked in self.interfaces {
            writeln!(out, "     {} weight {}", tracked.interface.name, Weighed(tracked.weight))?;
        }
        if !self.scripts.is_empty() {
            out.write_str("   Tracked scripts :\n")?;
        }
        for tracked in self.scripts {
            if let Some(script) = self.model.script(tracked.script) {
                writeln!(out, "     {} weight {}", script.name, Weighed(tracked.weight))?;
            }
        }
        let model = self.model;
        let files = self.files.iter().filter_map(|of| Some((&model.file(of.of)?.name, of.weight)));
        named(out, "files", files)?;
        let processes = self.processes.iter().filter_map(|of| Some((&model.process(of.of)?.name, of.weight)));
        named(out, many, processes)?;
        if !self.sessions.is_empty() {
            out.write_str("   Tracked BFDs :\n")?;
        }
        for tracked in self.sessions {
            if let Some(session) = model.bfd(tracked.of) {
                writeln!(out, "     {}: weight {}", session.name, Weighed(tracked.weight))?;
            }
        }
        Ok(())
    }
}

fn named<'a>(
    out: &mut dyn Write,
    title: &str,
    list: impl Iterator<Item = (&'a String, Weight)>,
) -> fmt::Result {
    for (position, (name, weight)) in list.enumerate() {
        if position == 0 {
            writeln!(out, "   Tracked {title} :")?;
        }
        writeln!(out, "     {name}, weight {}", Weighed(weight))?;
    }
    Ok(())
}

/// A weight: `-10 reverse`.
pub(super) struct Weighed(pub(super) Weight);

impl Display for Weighed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let tail = if self.0.reverse { " reverse" } else { "" };
        write!(f, "{}{tail}", self.0.value)
    }
}

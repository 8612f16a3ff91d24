//! The trackers of the configuration: scripts, files, processes and source addresses.
//!
//! Every tracker is an [`Object`] with something to say, a verdict or a number. When an object says something else, its
//! method tells so, and the policy judges each instance that tracks the object anew, by what is true then
//! ([`Situation`]).

mod file;
mod notes;
mod process;
mod reasons;
mod report;
mod script;
mod situation;
mod source;

pub(super) use crate::proto::track::Object;
pub(super) use reasons::Reasons;
pub(super) use script::Outcome;
pub(super) use situation::Situation;

use process::Processes;
use source::Sources;

use super::kind;
use super::live::TrackScript;
use crate::base::rate::Budget;
use crate::base::time::Span;
use crate::child::files::Files;
use crate::config::Model;
use crate::daemon::reactor::Turn;
use crate::daemon::token::SourceId;

/// What instances track.
pub(super) struct Trackers {
    pub(super) scripts: Vec<TrackScript>,
    /// Tracked files.
    pub(super) files: Files,
    /// Source addresses that are tracked.
    pub(super) sources: Sources,
    /// Process monitors.
    pub(super) processes: Processes,
    /// For lines that files and processes can trigger, 100 at once and five a second: peers do not use it up.
    lines: Budget,
}

impl Trackers {
    /// These scripts, and no file or process yet.
    pub(super) fn new(scripts: Vec<TrackScript>) -> Self {
        Self {
            scripts,
            files: Files::default(),
            sources: Sources::default(),
            processes: Processes::default(),
            lines: Budget::new(100, Span::from_millis(200)),
        }
    }

    /// Begins or goes on with the files of a model.
    pub(super) fn watch_files(&mut self, turn: &mut Turn<'_>, model: &Model, make_new: bool) {
        let own = SourceId { kind: kind::FILES, index: 0 };
        self.files.load(turn, model, own, make_new, &mut self.lines);
    }
}

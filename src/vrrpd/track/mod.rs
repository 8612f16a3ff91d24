//! The trackers of the configuration: scripts, files, processes, BFD sessions and source addresses.
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
mod session;
mod situation;
mod source;

pub(super) use crate::proto::track::Object;
#[cfg(feature = "status")]
pub(super) use reasons::Reason;
pub(super) use reasons::Reasons;
pub(super) use script::Outcome;
pub(super) use situation::Situation;

use process::Processes;
use session::Sessions;
use source::Sources;

use super::kind;
use super::live::TrackScript;
use crate::base::id::BfdId;
use crate::base::rate::Budget;
use crate::base::time::{Instant, Span};
use crate::child::files::Files;
use crate::child::report as lines;
use crate::config::Model;
use crate::config::model::{Common, Instance};
use crate::daemon::manual::{Change, What};
use crate::daemon::reactor::Turn;
use crate::daemon::record::key;
use crate::daemon::token::SourceId;
use crate::proto::vrrp::Params;

/// What instances track.
pub(super) struct Trackers {
    pub(super) scripts: Vec<TrackScript>,
    /// Tracked files.
    pub(super) files: Files,
    /// Source addresses that are tracked.
    pub(super) sources: Sources,
    /// Process monitors.
    pub(super) processes: Processes,
    /// BFD sessions.
    pub(super) sessions: Sessions,
    /// What an administrator has changed.
    pub(super) by_hand: ByHand,
    /// For lines that files and processes can trigger, 100 at once and five a second: peers do not use it up.
    lines: Budget,
}

/// What an administrator has changed at the control socket. The parent keeps the same for a successor.
#[derive(Default)]
pub(super) struct ByHand {
    /// Nothing takes part.
    pub(super) maintenance: bool,
    /// The keys of the names of virtual routers and sync groups that have given up and do not preempt.
    pub(super) failovers: Vec<u64>,
    /// Virtual routers that have another priority or preempt otherwise than configured.
    pub(super) tuned: Vec<Change>,
}

impl ByHand {
    /// What an instance is to go by.
    pub(super) fn params(&self, config: &Instance) -> Common<Params> {
        let mut params = config.params.clone();
        let name = if self.tuned.is_empty() { 0 } else { key(&config.name) };
        for Change { what, value, .. } in self.tuned.iter().filter(|change| change.key == name) {
            match what {
                What::Priority => params.priority = u8::try_from(*value).unwrap_or(params.priority),
                What::Preempt => params.preempt = *value == PREEMPTS,
                What::Maintenance | What::Failover | What::Weight => {}
            }
        }
        params
    }
}

/// The value of a change that lets a virtual router preempt.
const PREEMPTS: u32 = 1;

impl Trackers {
    /// These scripts, and no file or process yet.
    pub(super) fn new(scripts: Vec<TrackScript>) -> Self {
        Self {
            scripts,
            files: Files::default(),
            sources: Sources::default(),
            processes: Processes::default(),
            sessions: Sessions::default(),
            by_hand: ByHand::default(),
            lines: Budget::new(100, Span::from_millis(200)),
        }
    }

    /// Begins or goes on with the files of a model.
    pub(super) fn watch_files(&mut self, turn: &mut Turn<'_>, model: &Model, make_new: bool) {
        let own = SourceId { kind: kind::FILES, index: 0 };
        self.files.load(turn, model, own, make_new, &mut self.lines);
    }

    /// Something was said of a BFD session.
    pub(super) fn log_session(&mut self, now: Instant, model: &Model, id: BfdId, news: session::News) {
        if lines::may(&mut self.lines, now)
            && let Some(config) = model.bfd(id)
        {
            report::session(&config.name, news.up, news.took);
        }
    }

    /// The session that an instance tracks has changed.
    pub(super) fn log_tracked_session(
        &mut self,
        now: Instant,
        model: &Model,
        id: BfdId,
        up: bool,
        instance: &str,
    ) {
        if lines::may(&mut self.lines, now)
            && let Some(config) = model.bfd(id)
        {
            report::tracked_session(instance, &config.name, up);
        }
    }
}

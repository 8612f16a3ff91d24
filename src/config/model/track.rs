//! Trackers by file, process and BFD session, and how instances and groups refer to them.

use super::{At, Named};
use crate::base::id::{BfdId, FileId, ProcessId, ScriptId};
use crate::base::time::Span;
use crate::proto::track::Weight;

/// A tracked interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedInterface {
    /// Its name and place.
    pub interface: Named,
    /// What it does to the priority.
    pub weight: Weight,
}

/// A tracked object of the model: which one, and what it does to the priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked<Id> {
    /// Which one of the model.
    pub of: Id,
    /// What it does to the priority, the default of the object worked out.
    pub weight: Weight,
    /// Where it stands.
    pub at: At,
}

/// A tracked script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackedScript {
    /// Which one of the model.
    pub script: ScriptId,
    /// What it does to the priority, the default of the script worked out.
    pub weight: Weight,
    /// Where it stands.
    pub at: At,
}

/// A tracked file: its number, times the weight, is added to the priority; weight 0: any number but 0 is FAULT.
pub type TrackedFile = Tracked<FileId>;

/// A tracked process monitor.
pub type TrackedProcess = Tracked<ProcessId>;

/// A tracked BFD session.
pub type TrackedBfd = Tracked<BfdId>;

/// A `track_file`: a file whose content is a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackFile {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub at: At,
    /// The file.
    pub path: String,
    /// Where the path stands.
    pub path_at: At,
    /// What the number is multiplied by for an instance that names no weight of its own; 1 by default.
    pub weight: Weight,
    /// `init_file`: made at the start.
    pub init: Option<InitFile>,
}

/// `init_file`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct InitFile {
    /// What is written into it.
    pub value: i32,
    /// Also if the file is there.
    pub overwrite: bool,
}

/// A `vrrp_track_process`: how many processes of a name run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackProcess {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub at: At,
    /// `process`: the name of the program, and its parameters.
    pub command: Vec<String>,
    /// `param_match`, or exact if there are parameters; none: parameters are not looked at.
    pub parameters: Option<ParameterMatch>,
    /// `full_command`: the whole command line is looked at, not the name of the process.
    pub full_command: bool,
    /// What too few or too many do to an instance that names no weight of its own; 0: FAULT.
    pub weight: Weight,
    /// Fewest processes of a healthy state, 0 to 65,535; 0 only with `quorum_max` 0.
    pub quorum: u16,
    /// Most processes of a healthy state; none: any number.
    pub quorum_max: Option<u16>,
    /// From the quorum being reached to up.
    pub fork_delay: Span,
    /// From the quorum being lost to down.
    pub terminate_delay: Span,
}

/// `param_match`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterMatch {
    /// The same parameters, all of them.
    Exact,
    /// The first ones are the same; more may follow.
    Partial,
    /// As partial, and of the last one the beginning is enough.
    Initial,
}

//! A `vrrp_script`: its parameters, and from exit codes to up or down by rise and fall.

use super::Weight;
use crate::base::time::Span;

/// How a script is run and judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScriptParams {
    /// From one start to the next.
    pub interval: Span,
    /// Run time after which the script is killed and counts as failed. None: the interval.
    pub timeout: Option<Span>,
    /// Failures in a row before it counts as down; 1 or more.
    pub fall: u32,
    /// Successes in a row before it counts as up; 1 or more.
    pub rise: u32,
    /// What the result does to an instance that names no weight of its own.
    pub weight: Weight,
    /// Counts as failed until the first result.
    pub init_fail: bool,
}

impl Default for ScriptParams {
    fn default() -> Self {
        Self {
            interval: Span::from_secs(1),
            timeout: None,
            fall: 1,
            rise: 1,
            weight: Weight::default(),
            init_fail: false,
        }
    }
}

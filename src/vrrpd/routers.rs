//! The virtual routers of the process, and what decides over all of them together.

use super::live::{Group, Instance};
use crate::base::id::InstanceId;
use crate::base::time::{Instant, Span};
use crate::child::peer::Peer;
use crate::daemon::keep::Note;
use crate::proto::vrrp::Policy;

/// The virtual routers and their sync groups.
pub(super) struct Routers {
    pub(super) instances: Vec<Instance>,
    /// What decides over all of them together. It has the members and the states of the sync groups.
    pub(super) policy: Policy,
    /// What else belongs to the sync groups, in the order of the model.
    pub(super) groups: Vec<Group>,
    /// The end of the delay that instances wait for before they begin.
    pub(super) held: Option<Instant>,
    /// MASTERs that were heard with another advert interval than ours, and where that is noted.
    pub(super) intervals: Vec<(InstanceId, Note)>,
    /// After a longer pause than this the loop hears first and acts then.
    pub(super) shortest_interval: Span,
    /// The checker child, which is sent the state of the virtual router that the sync daemon of IPVS follows.
    pub(super) checkers: Peer,
}

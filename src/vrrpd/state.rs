//! What the VRRP child holds: its parts.

use std::sync::Arc;

use super::announce::Announcer;
use super::firewall::Firewall;
use super::items::Items;
use super::live::{Group, Instance};
use super::notifies::Notifies;
use super::own::Owns;
use super::run::Job;
use super::slots::Layout;
use super::sockets::Sockets;
use super::status::Status;
use super::track::{Reasons, Situation, Trackers};
use crate::base::id::InstanceId;
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::child::kept::Kept;
use crate::child::links::Interfaces;
use crate::child::role::Role;
use crate::config::model::Model;
use crate::daemon::keep::Note;
use crate::proto::vrrp::{self, Event, Policy};

/// The VRRP child: its parts, and the model in force.
pub struct Vrrp {
    pub(super) model: Arc<Model>,
    pub(super) routers: Routers,
    pub(super) trackers: Trackers,
    pub(super) links: Interfaces,
    pub(super) sockets: Sockets,
    /// The interfaces that this child makes.
    pub(super) owns: Owns,
    pub(super) items: Items,
    /// Addresses that take no packets.
    pub(super) firewall: Firewall,
    pub(super) announcer: Announcer,
    pub(super) notifies: Notifies,
    /// Data dump and statistics.
    pub(super) status: Status,
    /// What outlives this process.
    pub(super) kept: Kept,
    pub(super) work: Work,
    pub(super) process: Role,
    /// The start or the reload under way.
    pub(super) job: Option<Box<Job>>,
}

/// The virtual routers and their sync groups.
pub(super) struct Routers {
    pub(super) instances: Vec<Instance>,
    /// What decides over all of them together.
    pub(super) policy: Policy,
    /// Sync groups, in the order of the model.
    pub(super) groups: Vec<Group>,
    /// The end of the delay that instances wait for before they begin.
    pub(super) held: Option<Instant>,
    /// Until then instances that begin wait for duplicate address detection.
    pub(super) detection: Option<Instant>,
    /// MASTERs that were heard with another advert interval than ours, and where that is noted.
    pub(super) intervals: Vec<(InstanceId, Note)>,
    /// After a longer pause than this the loop hears first and acts then.
    pub(super) shortest_interval: Span,
}

/// What the turn under way has gathered. Room for all of it is made at load time.
#[derive(Default)]
pub(super) struct Work {
    pub(super) layout: Layout,
    /// Instances with pending effects, each once.
    pub(super) touched: Vec<InstanceId>,
    /// How much there is to do in this turn, what has been done among it.
    pub(super) load: Load,
    /// Events to tell, in order.
    pub(super) events: Vec<(InstanceId, Event)>,
    /// States changed that the parent has to know of before the network does.
    pub(super) recorded: bool,
}

/// What the effects of a turn take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// Instances that have some, each counted once a settlement.
    pub(super) instances: usize,
    /// Addresses, routes and rules of them.
    pub(super) things: usize,
}

impl Work {
    /// Whether this turn has taken up as much as one should.
    pub(super) const fn is_laden(&self) -> bool {
        self.load.instances >= limit::TAKEOVERS_PER_TURN || self.load.things >= limit::THINGS_PER_TURN
    }

    /// Makes room for what so many instances can ask for in one turn.
    pub(super) fn reserve(&mut self, instances: usize) {
        self.touched.reserve_exact(instances.saturating_sub(self.touched.len()));
        self.events.reserve_exact(EVENTS_OF_A_TURN.saturating_sub(self.events.len()));
    }
}

impl Vrrp {
    pub(super) fn instance(&self, id: InstanceId) -> Option<&Instance> {
        self.routers.instances.get(id.index())
    }

    pub(super) fn instance_mut(&mut self, id: InstanceId) -> Option<&mut Instance> {
        self.routers.instances.get_mut(id.index())
    }

    /// What is true now.
    pub(super) fn situation(&self) -> Situation<'_> {
        Situation {
            instances: &self.routers.instances,
            links: &self.links.table,
            fixed: &self.items.statics,
            trackers: &self.trackers,
        }
    }

    /// The policy, and what is true now.
    pub(super) fn policy(&mut self) -> (&mut Policy, Situation<'_>) {
        let situation = Situation {
            instances: &self.routers.instances,
            links: &self.links.table,
            fixed: &self.items.statics,
            trackers: &self.trackers,
        };
        (&mut self.routers.policy, situation)
    }

    /// The reasons for which an instance is in FAULT.
    pub(super) fn reasons<'a>(&'a self, instance: &'a Instance) -> Reasons<'a> {
        Reasons { situation: self.situation(), model: &self.model, instance }
    }

    /// All ids, for walking while changing.
    pub(super) fn ids(&self) -> impl Iterator<Item = InstanceId> + use<> {
        (0..self.routers.instances.len()).map(InstanceId::at)
    }
}

/// Events of as many take-overs as are due in one turn; past that they are told before more come.
pub(super) const EVENTS_OF_A_TURN: usize = limit::DUE_PER_TURN;
const _: () = assert!(EVENTS_OF_A_TURN > vrrp::action::LONGEST);

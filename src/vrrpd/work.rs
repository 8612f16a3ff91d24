//! What a turn of the loop gathers before it is carried out, and how far carrying it out has come.

use super::live::Pending;
use super::slots::Layout;
use crate::base::id::InstanceId;
use crate::base::limit;
use crate::proto::vrrp::{self, Event};

/// What the turn under way has gathered. Room for all of it is made at load time.
#[derive(Default)]
pub(super) struct Work {
    pub(super) layout: Layout,
    /// Instances with pending effects, each once.
    pub(super) touched: Vec<InstanceId>,
    /// Static addresses are to be added where they are missing.
    pub(super) static_addresses: bool,
    /// The same of static routes and rules.
    pub(super) static_objects: bool,
    /// Every route whose place was not watched for a while is to be added again.
    pub(super) unseen: bool,
    /// How much there is to do in this turn, what has been done among it.
    pub(super) load: Load,
    /// Events to report, in order.
    pub(super) events: Vec<(InstanceId, Event)>,
    /// States changed that the parent has to know of before the network does.
    pub(super) recorded: bool,
    /// What was gathered is to be carried out as soon as all steps of the policy are done.
    pub(super) settles: bool,
    /// Steps of the policy, or effects, are under way: inputs that come meanwhile wait until these are done.
    pub(super) busy: bool,
    /// The effects that are being carried out, of each instance once.
    pub(super) effects: Vec<(InstanceId, Pending)>,
    /// How far carrying out the effects has come; none: no effects are being carried out.
    pub(super) settlement: Option<Settlement>,
}

/// What the effects of a turn take.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Load {
    /// Instances that have some, each counted once a settlement.
    pub(super) instances: usize,
    /// Addresses, routes and rules of them.
    pub(super) things: usize,
}

/// How far carrying out the effects of a turn has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Settlement {
    pub(super) stage: Stage,
    /// The place in the list that the stage walks, and in the list of that place.
    pub(super) at: usize,
    pub(super) within: usize,
    /// The round of a stage that walks its list several times.
    pub(super) round: usize,
    /// How many events are reported at the end.
    pub(super) events: usize,
}

/// What is carried out, in this order, each for all instances together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// Routes whose places were not watched.
    #[default]
    Unseen,
    StaticAddresses,
    StaticObjects,
    DeleteObjects,
    DeleteAddresses,
    /// A guard outlives its address, and is there before the address.
    Guards,
    AddAddresses,
    AddObjects,
    Announce,
    /// Events are reported: in the log, to the parent, and to notify scripts.
    Report,
}

impl Stage {
    pub(super) const fn next(self) -> Option<Self> {
        Some(match self {
            Self::Unseen => Self::StaticAddresses,
            Self::StaticAddresses => Self::StaticObjects,
            Self::StaticObjects => Self::DeleteObjects,
            Self::DeleteObjects => Self::DeleteAddresses,
            Self::DeleteAddresses => Self::Guards,
            Self::Guards => Self::AddAddresses,
            Self::AddAddresses => Self::AddObjects,
            Self::AddObjects => Self::Announce,
            Self::Announce => Self::Report,
            Self::Report => return None,
        })
    }

    /// Whether the stage has something to do for an instance.
    pub(super) const fn concerns(self, pending: Pending) -> bool {
        match self {
            Self::Unseen | Self::StaticAddresses | Self::StaticObjects | Self::Report => false,
            Self::DeleteObjects | Self::DeleteAddresses => pending.remove,
            Self::Guards => pending.add || pending.remove,
            Self::AddAddresses | Self::AddObjects => pending.add,
            Self::Announce => pending.announce || pending.remove,
        }
    }
}

impl Work {
    /// Whether this turn has taken up as much as one should.
    pub(super) const fn is_laden(&self) -> bool {
        self.load.instances >= limit::TAKEOVERS_PER_TURN || self.load.things >= limit::THINGS_PER_TURN
    }

    /// Whether something has been gathered that is not being carried out yet.
    pub(super) const fn has_gathered(&self) -> bool {
        !self.touched.is_empty() || self.static_addresses || self.static_objects || self.unseen
    }

    /// Whether one more step might bring more events than there is room for.
    pub(super) const fn is_crowded(&self) -> bool {
        self.events.capacity() - self.events.len() < vrrp::action::LONGEST
    }

    /// Makes room for what so many instances can ask for in one turn.
    pub(super) fn reserve(&mut self, instances: usize) {
        self.touched.reserve_exact(instances.saturating_sub(self.touched.len()));
        self.effects.reserve_exact(instances.saturating_sub(self.effects.len()));
        self.events.reserve_exact(EVENTS_OF_A_TURN.saturating_sub(self.events.len()));
    }
}

/// Events of as many take-overs as are due in one turn; past that they are reported before more come.
pub(super) const EVENTS_OF_A_TURN: usize = limit::DUE_PER_TURN;
const _: () = assert!(EVENTS_OF_A_TURN > vrrp::action::LONGEST);

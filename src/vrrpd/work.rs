//! What a turn of the loop gathers before it is carried out, and how much of it there is.

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

/// Events of as many take-overs as are due in one turn; past that they are told before more come.
pub(super) const EVENTS_OF_A_TURN: usize = limit::DUE_PER_TURN;
const _: () = assert!(EVENTS_OF_A_TURN > vrrp::action::LONGEST);

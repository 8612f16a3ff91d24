//! What can happen to a virtual router.

use crate::base::addr::IpAddr;
use crate::base::time::{Instant, Span};
use crate::proto::vrrp::action::{State, Why};
use crate::proto::vrrp::fault::Faults;

/// An advert that was accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// When it arrived; the timer of a BACKUP restarts from here. Not after the input's `now` by more than the
    /// caller's clock is late.
    pub at: Instant,
    /// Its sender.
    pub from: IpAddr,
    /// Its priority; 0: the sender stops.
    pub priority: u8,
    /// The interval that it announces.
    pub interval: Span,
    /// The sender's address is greater than ours, which decides between equal priorities.
    pub higher_address: bool,
}

/// What can happen to a virtual router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Begin to take part. `adopt`: the state that a crashed predecessor was in a moment ago.
    Start {
        /// MASTER or BACKUP to carry on; otherwise begin afresh.
        adopt: Option<State>,
    },
    /// The time that `poll_at` named may have come.
    Timeout,
    /// An advert was accepted.
    Advert(Heard),
    /// What speaks against taking part now. `pending`: the first result of a script is still out,
    /// or the source of adverts is not of use yet.
    Faults {
        /// The reasons.
        faults: Faults,
        /// Whether to wait in INIT.
        pending: bool,
    },
    /// The trackers' sum changed the effective priority.
    Priority(u8),
    /// Addresses were taken away too often to be put back quietly.
    AddressLost,
    /// The sync group changes its state, and this member follows.
    Sync {
        /// MASTER or BACKUP; into FAULT leads a reason for it.
        to: State,
        /// Why the member that leads did it.
        why: Why,
    },
    /// As MASTER: give up, as an administrator asks. See [`super::Machine::set_yielding`] for what follows.
    GiveUp,
    /// Stop taking part.
    Stop,
}

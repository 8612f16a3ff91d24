//! Routes and policy rules, those that move with mastership and those that never move, and static addresses.
//!
//! Job: put into the kernel in the order addresses, routes, rules and taken off in the reverse order, many in one
//! system call ([`request`]); put back when somebody deletes them or their interface took them along ([`watch`]);
//! kept by what did not change in a reload ([`reload`]), and
//! while another holder has it ([`shared`]); told from what an earlier run left behind ([`left`]). What
//! never moves is in [`fixed`]. `build` makes them from the model. Start here, with [`Item`].

mod fixed;
mod left;
mod reload;
mod request;
mod shared;
mod watch;

pub(super) use fixed::{Fixed, Stays};

use crate::base::id::InstanceId;
use crate::daemon::token::Registration;
use crate::sys::netlink::deletion::DeletionMonitor;
use crate::vrrpd::live::{Item, Objects, Placed, Unseen};

/// Whose something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holder {
    /// A virtual router: there while it is MASTER.
    Instance(InstanceId),
    /// Nobody's: it never moves.
    Fixed,
    /// An earlier holder's: it goes, whatever comes of it.
    Nobody,
}

/// What sort of thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// A static address.
    Address,
    Route,
    Rule,
}

/// A request to the kernel.
#[derive(Clone, Copy, Debug)]
struct Request {
    holder: Holder,
    class: Class,
    position: usize,
    add: bool,
}

impl Network {
    /// With what never moves.
    pub(super) fn of(fixed: Fixed) -> Self {
        Self { fixed, ..Self::default() }
    }
}

/// The child's routes, rules and static addresses, and what it needs for all of them.
#[derive(Default)]
pub(super) struct Network {
    pub(super) fixed: Fixed,
    /// Requests of the batch under way, by tag. Room for a batch is made at load time.
    requests: Vec<Request>,
    /// The kernel refused something: try again soon.
    refused: bool,
    /// Hears of deletions, if anything of ours can be missed.
    losses: Option<(DeletionMonitor, Registration)>,
    /// A static item came or went since its followers were told.
    fixed_changed: bool,
    /// What a reload leaves behind, until what follows it is there.
    abandoned: reload::Abandoned,
}

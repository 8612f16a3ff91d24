//! Routes and policy rules, those that move with mastership and those that never move, and static addresses.
//!
//! Job: put into the kernel in the order addresses, routes, rules and taken off in the reverse order, many in one
//! system call ([`request`]); put back when somebody deletes them or their interface took them along ([`watch`]);
//! kept by what did not change in a reload ([`reload`]), and
//! while another holder has it ([`shared`]); told from what an earlier run left behind ([`left`]). What
//! never moves is in [`fixed`]. [`build`] makes them from the model. Start here, with [`Item`].

pub(super) mod build;
mod fixed;
mod left;
mod reload;
mod request;
mod shared;
mod watch;

use nix::errno::Errno;

pub(super) use fixed::{Fixed, Stays};

use crate::base::id::{IfIndex, InstanceId, LinkId};
use crate::base::limit;
use crate::base::rate::Budget;
use crate::daemon::token::Registration;
use crate::sys::netlink::loss::Losses;
use crate::sys::netlink::route::{Insert, Route};
use crate::sys::netlink::rule::Rule;

/// Routes and rules of one holder.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Routes, in the order of the file.
    pub routes: Vec<Item<Placed>>,
    /// Rules, in the order of the file.
    pub rules: Vec<Item<Rule>>,
}

/// A route with the interfaces that its numbers are filled in from.
#[derive(Clone, Debug)]
pub struct Placed {
    /// As the kernel is to have it.
    pub route: Route,
    /// The interface of each way.
    pub links: Vec<Option<LinkId>>,
    /// The VRF whose table it is in.
    pub vrf: Option<LinkId>,
    /// Its place among routes to the same destination.
    pub insert: Insert,
}

/// Something that is put into the kernel and taken off again.
#[derive(Clone, Debug)]
pub struct Item<T> {
    /// What.
    pub value: T,
    /// Its loss does not matter.
    pub no_track: bool,
    /// It is there, by us, as far as we know.
    pub held: bool,
    /// Somebody took it off and it does not matter: it is left so until a reload or the next take-over.
    pub left: bool,
    /// It was there and may be gone: it is put again, and the kernel knows whether it was.
    pub doubtful: bool,
    /// Somebody was seen to take it off: told once it is back.
    pub taken: bool,
    /// Messages were lost: what is in its place is found out by putting it.
    pub unseen: Unseen,
    /// A predecessor that leads to the same destination is there: the kernel swaps them.
    pub replaces: bool,
    /// Why the kernel refused it last, until it takes it: told once.
    pub refused: Option<Errno>,
    /// How often it is put back before the holder gives up for a moment.
    pub put_back: Budget,
    /// What it has in common with the same thing of other holders, if there are any.
    common: Option<shared::Common>,
}

/// What is known of the place of something after messages about it may have been lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unseen {
    /// No message was lost.
    #[default]
    No,
    /// Nothing: it is put only if the place is free.
    Place,
    /// Something is there: it, or a stranger's.
    Whose,
}

impl<T> Item<T> {
    /// Something that is not there yet.
    pub(super) const fn new(value: T, no_track: bool) -> Self {
        Self {
            value,
            no_track,
            held: false,
            left: false,
            doubtful: false,
            taken: false,
            unseen: Unseen::No,
            replaces: false,
            refused: None,
            put_back: Budget::new(limit::PUT_BACK_BURST, super::live::PUT_BACK_REFILL),
            common: None,
        }
    }

    /// Whether it is to be put.
    pub(super) const fn lacks(&self) -> bool {
        !self.left && (!self.held || self.doubtful)
    }

    /// It is not the holder's any more.
    const fn let_go(&mut self) {
        (self.held, self.left, self.doubtful) = (false, false, false);
        (self.taken, self.replaces, self.unseen) = (false, false, Unseen::No);
    }

    fn inherit(&mut self, old: &mut Self) {
        self.held = core::mem::take(&mut old.held);
        // What does not matter is put again: it may be gone, and nobody was asked to tell.
        self.doubtful = old.doubtful || (self.held && self.no_track);
        self.put_back = old.put_back.clone();
    }
}

impl Placed {
    /// Whether the kernel has this route already if it has `other`.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        (&self.links, self.vrf) == (&other.links, other.vrf) && self.unplaced() == other.unplaced()
    }

    /// The route without the numbers of interfaces. Allocates.
    fn unplaced(&self) -> Route {
        let mut route = self.route.clone();
        for (way, link) in route.ways.iter_mut().zip(&self.links) {
            if link.is_some() {
                way.interface = IfIndex(0);
            }
        }
        if self.vrf.is_some() {
            route.table = 0;
        }
        route
    }
}

impl Objects {
    /// Whether something is not in the kernel that should be.
    #[must_use]
    pub fn lacks(&self) -> bool {
        self.routes.iter().any(Item::lacks) || self.rules.iter().any(Item::lacks)
    }

    /// Whether there is nothing at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.rules.is_empty()
    }
}

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
    losses: Option<(Losses, Registration)>,
    /// A static item came or went since its followers were told.
    fixed_changed: bool,
    /// What a reload leaves behind, until what follows it is there.
    abandoned: reload::Abandoned,
}

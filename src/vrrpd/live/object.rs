//! Routes and policy rules, and whether the kernel has them.

use core::num::NonZeroU32;

use nix::errno::Errno;

use super::address::PUT_BACK_REFILL;
use crate::base::id::{IfIndex, LinkId};
use crate::base::limit;
use crate::base::rate::Budget;
use crate::sys::netlink::route::{Insert, Route};
use crate::sys::netlink::rule::Rule;
use crate::vrrpd::links::Links;

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
    pub common: Option<Common>,
}

/// The number that items of several holders have in common which are one thing in the kernel.
pub type Common = NonZeroU32;

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
    pub const fn new(value: T, no_track: bool) -> Self {
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
            put_back: Budget::new(limit::PUT_BACK_BURST, PUT_BACK_REFILL),
            common: None,
        }
    }

    /// Whether it is to be put.
    pub const fn lacks(&self) -> bool {
        !self.left && (!self.held || self.doubtful)
    }

    /// It is not the holder's any more.
    pub const fn let_go(&mut self) {
        (self.held, self.left, self.doubtful) = (false, false, false);
        (self.taken, self.replaces, self.unseen) = (false, false, Unseen::No);
    }

    pub fn inherit(&mut self, old: &mut Self) {
        self.held = core::mem::take(&mut old.held);
        // What does not matter is put again: it may be gone, and nobody was asked to tell.
        self.doubtful = old.doubtful || (self.held && self.no_track);
        self.put_back = old.put_back.clone();
    }
}

impl Placed {
    /// Whether the kernel has this route already if it has `other`.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.links, self.vrf) == (&other.links, other.vrf) && self.unplaced() == other.unplaced()
    }

    /// The route without the numbers of interfaces. Allocates.
    fn unplaced(&self) -> Route {
        let mut route = self.route.clone();
        for (way, link) in route.next_hops.iter_mut().zip(&self.links) {
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

impl Placed {
    /// Fills in the numbers that the interfaces have now. Whether all are there.
    pub fn is_placed(&mut self, links: &Links) -> bool {
        self.locate(links);
        let there = |link: &Option<LinkId>| {
            link.is_none_or(|id| links.link(id).is_some_and(|link| link.index.is_some()))
        };
        self.links.iter().chain([&self.vrf]).all(there)
    }

    /// Fills in the numbers that the interfaces have now. Whether all are there and wanted up: the kernel refuses a
    /// route by one that is not.
    pub fn locate(&mut self, links: &Links) -> bool {
        let mut usable = true;
        for (way, link) in self.route.next_hops.iter_mut().zip(&self.links) {
            let Some(link) = link.and_then(|id: LinkId| links.link(id)) else { continue };
            way.interface = link.index.unwrap_or(IfIndex(0));
            usable &= link.index.is_some() && link.wanted_up;
        }
        if let Some(vrf) = self.vrf {
            match links.link(vrf).and_then(|link| link.table) {
                Some(table) => self.route.table = table,
                None => usable = false,
            }
        }
        usable
    }
}

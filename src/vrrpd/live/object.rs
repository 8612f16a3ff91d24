//! Routes and policy rules, and whether the kernel has them.

use core::num::NonZeroU32;

use super::wanted::{Held, Wanted};
use crate::base::id::{IfIndex, LinkId};
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
    /// Whether the kernel has it.
    pub wanted: Wanted,
    /// Somebody was seen to take it off: told once it is back.
    pub taken: bool,
    /// Messages were lost: what is in its place is found out by putting it.
    pub unseen: Unseen,
    /// A predecessor that leads to the same destination is there: the kernel swaps them.
    pub replaces: bool,
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
    pub fn new(value: T, no_track: bool) -> Self {
        Self {
            value,
            wanted: Wanted::new(no_track),
            taken: false,
            unseen: Unseen::No,
            replaces: false,
            common: None,
        }
    }

    /// Whether it was there and may be gone.
    pub const fn is_doubtful(&self) -> bool {
        matches!(self.wanted.held, Held::Doubted { .. })
    }

    /// It is not the holder's any more; whether it is to be deleted.
    pub const fn let_go(&mut self) -> bool {
        (self.taken, self.replaces, self.unseen) = (false, false, Unseen::No);
        self.wanted.let_go()
    }

    /// The same item of the configuration before: what is there is this one's.
    pub fn inherit(&mut self, old: &mut Self) {
        self.wanted.inherit(&mut old.wanted);
        // What does not matter is put again: it may be gone, and nobody was asked to tell.
        if self.wanted.no_track || self.wanted.held != Held::Ours {
            self.wanted.held = Held::Doubted { told: false, secondary: false };
        }
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
        self.routes.iter().any(|item| item.wanted.lacks())
            || self.rules.iter().any(|item| item.wanted.lacks())
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

//! Routes and policy rules, and whether the kernel has them.

use core::num::NonZeroU32;

use super::item::{Input, Item};
use crate::base::id::{IfIndex, LinkId};
use crate::child::links::Links;
use crate::sys::netlink::route::{Insert, Route};
use crate::sys::netlink::rule::Rule;

/// Routes and rules of one holder.
#[derive(Clone, Debug, Default)]
pub struct Objects {
    /// Routes, in the order of the file.
    pub routes: Vec<Entry<LiveRoute>>,
    /// Rules, in the order of the file.
    pub rules: Vec<Entry<Rule>>,
}

/// A route with the interfaces that its numbers are filled in from.
#[derive(Clone, Debug)]
pub struct LiveRoute {
    /// As the kernel is to have it.
    pub route: Route,
    /// The interface of each next hop.
    pub links: Vec<Option<LinkId>>,
    /// The VRF whose table it is in.
    pub vrf: Option<LinkId>,
    /// Its place among routes to the same destination.
    pub insert: Insert,
    /// Notifications were lost: what is in its place is found out by adding it.
    pub unseen: Unseen,
    /// A route that it follows to the same destination is in the kernel, which replaces that one.
    pub replaces: bool,
}

/// A route or a rule.
#[derive(Clone, Debug)]
pub struct Entry<T> {
    /// The route or rule as configured.
    pub value: T,
    /// Whether the kernel has it, and what is to be done about it.
    pub item: Item,
    /// The number that it has in common with the same entry of other holders, if there are any.
    pub common: Option<Common>,
}

/// The number that items of several holders have in common which are one thing in the kernel.
pub type Common = NonZeroU32;

/// What is known of a route's place in the kernel's table after notifications about it may have been lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unseen {
    /// No notification was lost.
    #[default]
    No,
    /// Nothing: the route is added only if the place is free.
    Place,
    /// A route is there: this one, or another program's.
    Occupied,
}

impl<T> Entry<T> {
    /// An entry that the kernel does not have yet.
    pub fn new(value: T, no_track: bool) -> Self {
        Self { value, item: Item::new(no_track), common: None }
    }

    /// Takes over what the kernel has of the same entry of before. An entry whose loss does not matter may be gone, for
    /// its deletion is not always told: it is added again.
    pub fn inherit(&mut self, old: &mut Self) {
        self.item.inherit(&mut old.item);
        if self.item.no_track() {
            self.item.handle(Input::Doubted);
        }
    }
}

impl LiveRoute {
    /// Whether the kernel has this route already if it has `other`.
    pub fn is_same(&self, other: &Self) -> bool {
        (&self.links, self.vrf) == (&other.links, other.vrf) && self.unplaced() == other.unplaced()
    }

    /// The route without the numbers of interfaces. Allocates.
    fn unplaced(&self) -> Route {
        let mut route = self.route.clone();
        for (hop, link) in route.next_hops.iter_mut().zip(&self.links) {
            if link.is_some() {
                hop.interface = IfIndex(0);
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
        self.routes.iter().any(|route| route.item.is_missing())
            || self.rules.iter().any(|rule| rule.item.is_missing())
    }

    /// Whether there is nothing at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.routes.is_empty() && self.rules.is_empty()
    }
}

impl LiveRoute {
    /// Whether the route leads by an interface, or is in the table of that VRF.
    #[must_use]
    pub fn is_through(&self, link: LinkId) -> bool {
        self.links.contains(&Some(link)) || self.vrf == Some(link)
    }

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
        for (hop, link) in self.route.next_hops.iter_mut().zip(&self.links) {
            let Some(link) = link.and_then(|id: LinkId| links.link(id)) else { continue };
            hop.interface = link.index.unwrap_or(IfIndex(0));
            usable &= link.index.is_some() && link.state.wanted_up;
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

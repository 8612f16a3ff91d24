//! A virtual router at work: the protocol's router and what the child knows around it.

mod address;
pub(super) mod item;
pub(super) mod notify;
mod object;
mod refusal;
mod script;

pub use address::{PROTOCOL, Vip, address, is_in_detection, is_usable};
pub use item::Item;
pub use object::{Common, Entry, LiveRoute, Objects, Unseen};
pub use script::TrackScript;

use super::pacing::Waiting;
use crate::base::addr::{Family, IpAddr};
use crate::base::id::{IfIndex, LinkId, SocketId};
use crate::base::time::Instant;
use crate::child::links::Links;
use crate::config::model::Rare;
use crate::proto::track::{Object, Tracked};
use crate::proto::vrrp::{Guard, Peer, Router, State};
use crate::sys::clock::Wall;
use crate::sys::netlink::addr::Address;

/// An instance's part of the model in force.
pub use crate::config::model::SharedInstance as Config;

/// One virtual router at work.
pub struct Instance {
    /// What the configuration says.
    pub config: Config,
    /// The protocol.
    pub router: Router,
    /// The interfaces that it is on.
    pub links: OwnLinks,
    /// Where its adverts come from.
    pub source: Source,
    /// What it remembers of its adverts.
    pub advert: Adverts,
    /// All addresses, advertised and excluded, in the order of the configuration.
    pub addresses: Box<[Vip]>,
    /// Routes and rules, if it has any.
    pub objects: Option<Box<Objects>>,
    /// The unicast peers.
    pub peers: Rare<Vec<Peer>>,
    /// What it tracks.
    pub tracking: Rare<Vec<Tracked>>,
    /// Where its adverts come in.
    pub reception: Reception,
    /// What it remembers of its round of announcements, if one of its interfaces is spaced.
    pub waiting: Option<Box<Waiting>>,
    /// Scripts of transitions, if any is configured.
    pub notifier: Option<Box<notify::Notifier>>,
    /// When the state was entered.
    pub entered: Entered,
    /// Effects of the turn under way are still to be carried out.
    pub pending: Pending,
}

/// The interfaces of an instance.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnLinks {
    /// The interface of the configuration; none for unicast by route.
    pub base: Option<LinkId>,
    /// The macvlan or ipvlan of the instance if there is one, else `base`.
    pub own: Option<LinkId>,
    /// The interface that adverts leave by: `own`, or `base` with `vmac_xmit_base`; without an interface the VRF.
    pub transmit: Option<LinkId>,
}

/// The source of an instance's adverts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Source {
    /// The last that there was. A goodbye over IPv4 can still come from one that is gone.
    pub last: Option<IpAddr>,
    /// Whether the source is there now.
    pub is_there: bool,
    /// The source is not there, but duplicate address detection of it goes on.
    pub tentative: bool,
}

/// What an instance remembers of its adverts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Adverts {
    /// How many of the addresses adverts carry: all that are advertised, fewer if the interface's MTU is small.
    pub carried: u8,
    /// Identification of the next IPv4 advert.
    pub ip_id: u16,
    /// Identification of the last advert that the kernel refused.
    pub refused: Option<u16>,
    /// After a reload: adverts carry other addresses than before.
    pub changed: bool,
}

/// Where the adverts of others come in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reception {
    /// The socket.
    pub socket: Option<SocketId>,
    /// The socket could not be opened.
    pub failed: bool,
}

/// When an instance entered its state.
#[derive(Clone, Copy, Debug)]
pub struct Entered {
    /// The time of the loop.
    pub at: Instant,
    /// The wall clock.
    pub wall: Wall,
}

/// A sync group at work; the policy has its state and its members.
pub struct Group {
    /// Scripts of its transitions, if any is configured.
    pub notifier: Option<Box<notify::Notifier>>,
}

/// Effects that are carried out together at the end of the turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Addresses are to be removed.
    pub remove: bool,
    /// Addresses are to be added.
    pub add: bool,
    /// Announcements are due.
    pub announce: bool,
    /// Events are to be reported.
    pub report: bool,
}

impl Pending {
    /// Whether more than words is still to be done.
    #[must_use]
    pub const fn has_effects(self) -> bool {
        self.remove || self.add || self.announce
    }

    /// Whether the kernel is to be asked for something that takes its time.
    #[must_use]
    pub const fn changes_kernel(self) -> bool {
        self.remove || self.add
    }

    /// Whether something is still to be done.
    #[must_use]
    pub const fn any(self) -> bool {
        self.remove || self.add || self.announce || self.report
    }
}

impl Instance {
    /// The identification of the advert after one; zero is none.
    #[must_use]
    pub const fn next_id(id: u16) -> u16 {
        match id.wrapping_add(1) {
            0 => 1,
            next => next,
        }
    }

    /// Finds the source of adverts again; whether it changed.
    pub fn refresh_local(&mut self, links: &Links) -> bool {
        let family = self.router.params().family;
        let link = self.source_link().and_then(|id| links.link(id));
        let on_link = || link?.source(family);
        // An ipvlan has an address of its own, and over IPv4 none but the configured one.
        let found = match &self.config.ipvlan {
            None => self.config.source.or_else(on_link),
            Some(ipvlan) => match ipvlan.address {
                None if family == Family::V4 => None,
                address => self.config.source.or(address.map(|own| own.addr)).or_else(on_link),
            },
        };
        let probed = family == Family::V6 && link.is_some_and(|link| link.tentative.is_some());
        self.source.tentative = found.is_none() && probed;
        self.fit_advert(links);
        let before = self.local();
        self.source.last = found.or(self.source.last);
        self.source.is_there = found.is_some();
        before != found
    }

    /// The interface whose link-local address, or first IPv4 address, is the source of adverts if none is configured.
    #[must_use]
    pub fn source_link(&self) -> Option<LinkId> {
        if self.config.ipvlan.is_none() { self.links.base } else { self.links.own }
    }

    /// The source of adverts, if there is one now.
    #[must_use]
    pub fn local(&self) -> Option<IpAddr> {
        self.source.last.filter(|_| self.source.is_there)
    }

    /// Leaves out of adverts what is too much for the interface: those addresses are moved all the same.
    pub fn fit_advert(&mut self, links: &Links) {
        let mtu = self.links.base.and_then(|id| links.link(id)).map_or(0, |link| link.mtu);
        let fit = self.config.addresses.len().min(self.config.advert_room(mtu));
        self.advert.carried = u8::try_from(fit).unwrap_or(u8::MAX);
    }

    /// Whether it is MASTER and a route or a rule is not in the kernel that should be.
    #[must_use]
    pub fn lacks_object(&self) -> bool {
        self.router.state() == State::Master && self.objects.as_deref().is_some_and(Objects::lacks)
    }

    /// Whether it is MASTER and an address is not where it should be although its interface is there.
    #[must_use]
    pub fn lacks_address(&self) -> bool {
        self.router.state() == State::Master
            && self.addresses.iter().any(|moved| moved.item.is_missing() && !moved.item.no_track())
    }

    /// The same for any of its addresses, whether its loss matters or not: what a new configuration asks for.
    #[must_use]
    pub fn is_to_add(&self) -> bool {
        self.router.state() == State::Master && self.addresses.iter().any(|moved| moved.item.is_missing())
    }

    /// Whether the key that adverts are signed with is missing.
    #[must_use]
    pub fn lacks_key(&self) -> bool {
        self.router.guard().is_some_and(Guard::lacks_key)
    }

    /// The addresses that adverts carry, in order.
    #[must_use]
    pub fn advertised(&self) -> &[Vip] {
        advertised(self.advert.carried, &self.addresses)
    }

    /// An address as the kernel is to have it, on the interface of this number.
    #[must_use]
    pub fn address(&self, position: usize, interface: IfIndex) -> Option<Address> {
        let line = self.config.addresses.iter().chain(&self.config.excluded).nth(position)?;
        Some(Address { interface, ..address(line) })
    }

    /// Whether the kernel has an address already if it has one of `other`. What it does not, a reload takes off and
    /// puts on anew: a label cannot be changed.
    #[must_use]
    pub fn is_same_address(&self, position: usize, other: &Self, other_position: usize) -> bool {
        let key = |instance: &Self, position: usize| {
            instance.addresses.get(position).map(|moved| (moved.link, moved.prefix))
        };
        key(self, position) == key(other, other_position)
            && self.address(position, IfIndex(0)) == other.address(other_position, IfIndex(0))
    }

    /// Whether it matters to it whether an interface is up.
    #[must_use]
    pub fn uses(&self, link: LinkId) -> bool {
        [self.links.base, self.links.own, self.links.transmit].contains(&Some(link))
            || self.tracking.iter().any(|tracked| tracked.object == Object::Link(link))
    }

    /// The family of its adverts.
    #[must_use]
    pub fn family(&self) -> Family {
        self.router.params().family
    }
}

/// Those of an instance's addresses that adverts carry.
#[must_use]
pub fn advertised(carried: u8, addresses: &[Vip]) -> &[Vip] {
    addresses.get(..usize::from(carried)).unwrap_or(addresses)
}

/// Thousands of instances are usual, and memory for each is a budget: what is rare goes into a box. Whoever must raise
/// one of these says in the commit what it buys.
#[cfg(target_pointer_width = "64")]
const _: () = {
    assert!(size_of::<Instance>() <= 424);
    assert!(size_of::<Router>() <= 280);
    assert!(size_of::<Vip>() <= 40);
};

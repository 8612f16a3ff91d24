//! What never moves: static addresses, routes and rules, and who is in FAULT while one of them is missing.

use super::{Class, Holder, Item, Objects, Request};
use crate::base::addr::Prefix;
use crate::base::id::{IfIndex, LinkId, TrackGroupId};
use crate::base::name::IfName;
use crate::base::time::Instant;
use crate::config::model::Model;
use crate::daemon::reactor::Turn;
use crate::sys::netlink::addr::Address;
use crate::vrrpd::build;
use crate::vrrpd::links::Links;
use crate::vrrpd::live::{Held, Wanted, address};
use crate::vrrpd::state::Vrrp;
use crate::vrrpd::track::Object;

/// What never moves.
#[derive(Clone, Debug, Default)]
pub(in crate::vrrpd) struct Fixed {
    pub(in crate::vrrpd) addresses: Vec<Stays>,
    pub(in crate::vrrpd) objects: Objects,
    /// The track group of each address, route and rule.
    groups: [Vec<Option<TrackGroupId>>; 3],
    /// Whether everything of each track group is there.
    complete: Vec<bool>,
}

/// A static address.
#[derive(Clone, Debug)]
pub(in crate::vrrpd) struct Stays {
    /// As the kernel is to have it; its interface number is filled in when that is known.
    pub(in crate::vrrpd) address: Address,
    /// Its interface.
    pub(in crate::vrrpd) link: Option<LinkId>,
    /// Whether the kernel has it.
    pub(super) wanted: Wanted,
}

impl Stays {
    /// Whether it is there.
    pub(in crate::vrrpd) fn is_held(&self) -> bool {
        !self.wanted.held.is_missing()
    }

    /// The interface and the address, if we put it there.
    pub(in crate::vrrpd) fn ours(&self) -> Option<(LinkId, Prefix)> {
        Some((self.link.filter(|_| self.wanted.held.is_ours())?, self.address.prefix))
    }

    /// Whether the kernel has this address already if it has `other`.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let plain = |stays: &Self| Address { interface: IfIndex(0), ..stays.address.clone() };
        self.link == other.link && plain(self) == plain(other)
    }

    /// Whether we put it there, and see to it that it stays.
    pub(in crate::vrrpd) fn is_kept(&self) -> bool {
        self.wanted.held == Held::Ours && !self.wanted.no_track
    }

    /// Takes one from the budget of putting it back.
    pub(in crate::vrrpd) fn may_be_put_back(&mut self, now: Instant) -> bool {
        self.wanted.may_be_put_back(now)
    }
}

/// The interface of static addresses without `dev`, if `default_interface` names none.
const DEFAULT_INTERFACE: &str = "eth0";

impl Fixed {
    /// An address that a virtual router leaves on an interface is a static one from now on, if that is the same; whether
    /// it is.
    pub(in crate::vrrpd) fn take_over(&mut self, link: LinkId, left: &Address) -> bool {
        let plain = |stays: &Stays| Address { interface: IfIndex(0), ..stays.address.clone() };
        let heir = self
            .addresses
            .iter_mut()
            .find(|stays| stays.wanted.held == Held::No && stays.link == Some(link) && plain(stays) == *left);
        heir.map(|heir| heir.wanted.adopt()).is_some()
    }

    /// From the model. The interfaces are entered in `links`.
    pub(in crate::vrrpd) fn new(model: &Model, links: &mut Links) -> Self {
        let network = &model.network;
        let named = model.global.vrrp.default_interface.as_ref().map(|named| named.name.clone());
        let default = named.or_else(|| IfName::new(DEFAULT_INTERFACE));
        let addresses = network
            .addresses
            .iter()
            .map(|line| {
                let name = line.address.dev.as_ref().map(|named| &named.name).or(default.as_ref());
                Stays {
                    address: address(&line.address),
                    link: name.map(|name| links.named(name)),
                    wanted: Wanted::new(line.address.no_track),
                }
            })
            .collect();
        Self {
            addresses,
            objects: build::objects(&network.routes, &network.rules, links),
            groups: [
                network.addresses.iter().map(|line| line.track_group).collect(),
                network.routes.iter().map(|line| line.track_group).collect(),
                network.rules.iter().map(|line| line.track_group).collect(),
            ],
            complete: vec![true; network.track_groups.len()],
        }
    }

    /// Which address this is, if it is one.
    pub(super) fn position_of(&self, link: LinkId, address: Prefix) -> Option<usize> {
        self.addresses.iter().position(|moved| moved.link == Some(link) && moved.address.prefix == address)
    }

    /// An address that is to be on an interface.
    pub(in crate::vrrpd) fn address_on(&mut self, link: LinkId, address: Prefix) -> Option<&mut Stays> {
        let position = self.position_of(link, address)?;
        self.addresses.get_mut(position)
    }

    /// Whether an address is to be on an interface.
    pub(in crate::vrrpd) fn has(&self, link: LinkId, address: Prefix) -> bool {
        self.position_of(link, address).is_some()
    }

    /// Whether an address is on an interface by us.
    pub(in crate::vrrpd) fn holds(&self, link: LinkId, address: Prefix) -> bool {
        let there = self.position_of(link, address).and_then(|position| self.addresses.get(position));
        there.is_some_and(|stays| stays.wanted.held.is_ours())
    }

    /// Whether an address is to be on some interface.
    pub(in crate::vrrpd) fn names(&self, address: Prefix) -> bool {
        self.addresses.iter().any(|moved| moved.address.prefix == address)
    }

    /// Whether everything of a track group is there.
    pub(in crate::vrrpd) fn is_complete(&self, group: TrackGroupId) -> bool {
        self.complete.get(group.index()).copied().unwrap_or(true)
    }

    /// Whether everything of a track group is there, reckoned anew. What has `no_track` does not count.
    fn reckon(&self, group: TrackGroupId) -> bool {
        fn missing<T>(items: &[Item<T>], groups: &[Option<TrackGroupId>], group: TrackGroupId) -> bool {
            let all = items.iter().zip(groups);
            all.filter(|(_, of)| **of == Some(group))
                .any(|(item, _)| item.wanted.lacks() && !item.wanted.no_track)
        }
        let [addresses, routes, rules] = &self.groups;
        let away = self.addresses.iter().zip(addresses).any(|(moved, of)| {
            *of == Some(group) && moved.wanted.held.is_missing() && !moved.wanted.no_track
        });
        !away && !missing(&self.objects.routes, routes, group) && !missing(&self.objects.rules, rules, group)
    }
}

impl Vrrp {
    /// Puts all static items that are not there: addresses, routes, rules.
    pub(in crate::vrrpd) fn put_fixed(&mut self, turn: &mut Turn<'_>) {
        let of = |position| Request { holder: Holder::Fixed, class: Class::Address, position, add: true };
        self.ask_all(turn, (0..self.items.network.fixed.addresses.len()).map(of));
        self.put_objects(turn, Holder::Fixed);
        self.commit_objects(turn);
        self.tell_followers(turn);
    }

    /// Takes all static items off that we put there: rules, routes, addresses. For the end.
    pub(in crate::vrrpd) fn take_fixed(&mut self) {
        for request in self.removals(Holder::Fixed) {
            self.ask(request);
        }
        for position in (0..self.items.network.fixed.addresses.len()).rev() {
            self.ask(Request { holder: Holder::Fixed, class: Class::Address, position, add: false });
        }
        self.commit_object_batch();
    }

    /// Tells instances that follow static items whether those are all there, if that changed.
    pub(super) fn tell_followers(&mut self, turn: &mut Turn<'_>) {
        if !core::mem::take(&mut self.items.network.fixed_changed) {
            return;
        }
        for position in 0..self.items.network.fixed.complete.len() {
            let group = TrackGroupId::at(position);
            let complete = self.items.network.fixed.reckon(group);
            let Some(known) = self.items.network.fixed.complete.get_mut(position) else { continue };
            if core::mem::replace(known, complete) != complete {
                self.tracked_changed(turn, Object::Fixed(group));
            }
        }
    }
}

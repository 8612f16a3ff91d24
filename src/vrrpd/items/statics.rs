//! Static addresses, routes and rules, and which of their track groups are complete.

use super::{Class, Holder, Items, Request};
use crate::base::addr::Prefix;
use crate::base::id::{IfIndex, LinkId, TrackGroupId};
use crate::base::name::IfName;
use crate::child::links::Links;
use crate::config::model::Model;
use crate::sys::netlink::addr::Address;
use crate::vrrpd::build;
use crate::vrrpd::live::item::Input;
use crate::vrrpd::live::{Entry, Instance, Item, Objects, address};

/// The static items.
#[derive(Clone, Debug, Default)]
pub(in crate::vrrpd) struct StaticItems {
    pub(in crate::vrrpd) addresses: Vec<StaticAddress>,
    pub(in crate::vrrpd) objects: Objects,
    /// The track group of each address, route and rule.
    groups: [Vec<Option<TrackGroupId>>; 3],
    /// Whether the kernel has every item of each track group, as far as its followers have been judged by it.
    complete: Vec<bool>,
}

/// A static address.
#[derive(Clone, Debug)]
pub(in crate::vrrpd) struct StaticAddress {
    /// As the kernel is to have it; its interface number is filled in when that is known.
    pub(in crate::vrrpd) address: Address,
    /// Its interface.
    pub(in crate::vrrpd) link: Option<LinkId>,
    /// Whether the kernel has the address, and what is to be done about it.
    pub(super) item: Item,
}

impl StaticAddress {
    /// Whether the kernel has the address.
    pub(in crate::vrrpd) fn is_held(&self) -> bool {
        !self.item.is_missing()
    }

    /// The interface and the address, if this child added it.
    pub(in crate::vrrpd) fn ours(&self) -> Option<(LinkId, Prefix)> {
        Some((self.link.filter(|_| self.item.is_ours())?, self.address.prefix))
    }

    /// Whether the kernel has this address already if it has `other`.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let plain = |known: &Self| Address { interface: IfIndex(0), ..known.address.clone() };
        self.link == other.link && plain(self) == plain(other)
    }

    /// Whether this child added the address and puts it back.
    pub(in crate::vrrpd) fn is_kept(&self) -> bool {
        self.item.is_there() && !self.item.no_track()
    }
}

/// The interface of static addresses without `dev`, if `default_interface` names none.
const DEFAULT_INTERFACE: &str = "eth0";

impl StaticItems {
    /// An address that a virtual router leaves on an interface is a static one from now on, if a static one is the
    /// same; whether one is.
    pub(in crate::vrrpd) fn take_over(&mut self, link: LinkId, left: &Address) -> bool {
        let plain = |known: &StaticAddress| Address { interface: IfIndex(0), ..known.address.clone() };
        let successor = self
            .addresses
            .iter_mut()
            .find(|known| known.item.is_absent() && known.link == Some(link) && plain(known) == *left);
        successor.map(|known| known.item.handle(Input::Adopted)).is_some()
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
                StaticAddress {
                    address: address(&line.address),
                    link: name.map(|name| links.named(name)),
                    item: Item::new(line.address.no_track),
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

    /// The position of an address on an interface among the static ones.
    pub(super) fn position_of(&self, link: LinkId, address: Prefix) -> Option<usize> {
        self.addresses.iter().position(|known| known.link == Some(link) && known.address.prefix == address)
    }

    /// The static address that is to be on an interface.
    pub(in crate::vrrpd) fn address_on(
        &mut self,
        link: LinkId,
        address: Prefix,
    ) -> Option<&mut StaticAddress> {
        let position = self.position_of(link, address)?;
        self.addresses.get_mut(position)
    }

    /// Whether a static address is to be on an interface.
    pub(in crate::vrrpd) fn has(&self, link: LinkId, address: Prefix) -> bool {
        self.position_of(link, address).is_some()
    }

    /// Whether this child added an address to an interface.
    pub(in crate::vrrpd) fn holds(&self, link: LinkId, address: Prefix) -> bool {
        let there = self.position_of(link, address).and_then(|position| self.addresses.get(position));
        there.is_some_and(|known| known.item.is_ours())
    }

    /// Whether an address is a static one, on whatever interface.
    pub(in crate::vrrpd) fn names(&self, address: Prefix) -> bool {
        self.addresses.iter().any(|known| known.address.prefix == address)
    }

    /// Whether the kernel has every item of a track group, as far as its followers have been judged by it.
    pub(in crate::vrrpd) fn is_complete(&self, group: TrackGroupId) -> bool {
        self.complete.get(group.index()).copied().unwrap_or(true)
    }

    /// The number of track groups.
    pub(in crate::vrrpd) const fn groups(&self) -> usize {
        self.complete.len()
    }

    /// Reckons anew whether the kernel has every item of a track group; whether that changed.
    pub(in crate::vrrpd) fn reckon(&mut self, group: TrackGroupId) -> bool {
        let complete = self.has_all_of(group);
        let known = self.complete.get_mut(group.index());
        known.is_some_and(|known| core::mem::replace(known, complete) != complete)
    }

    /// Whether the kernel has every item of a track group. Items with `no_track` do not count.
    fn has_all_of(&self, group: TrackGroupId) -> bool {
        fn missing<T>(entries: &[Entry<T>], groups: &[Option<TrackGroupId>], group: TrackGroupId) -> bool {
            let all = entries.iter().zip(groups);
            all.filter(|(_, of)| **of == Some(group))
                .any(|(entry, _)| entry.item.is_missing() && !entry.item.no_track())
        }
        let [addresses, routes, rules] = &self.groups;
        let away = self
            .addresses
            .iter()
            .zip(addresses)
            .any(|(known, of)| *of == Some(group) && known.item.is_missing() && !known.item.no_track());
        !away && !missing(&self.objects.routes, routes, group) && !missing(&self.objects.rules, rules, group)
    }
}

impl Items {
    /// The request that adds a static address if it is missing, or deletes it if this child added it; none: there is no
    /// address at this position.
    pub(in crate::vrrpd) fn static_address(&self, position: usize, add: bool) -> Option<Request> {
        let request = Request { holder: Holder::Static, class: Class::Address, position, add };
        (position < self.statics.addresses.len()).then_some(request)
    }

    /// Asks the kernel to delete all static items that this child added: rules, routes, addresses.
    pub(in crate::vrrpd) fn delete_statics(&mut self, instances: &mut [Instance], links: &Links) {
        let mut number = 0;
        while let Some(request) = self.object_request(instances, Holder::Static, number, false) {
            self.ask(instances, links, request);
            number += 1;
        }
        for position in (0..self.statics.addresses.len()).rev() {
            if let Some(request) = self.static_address(position, false) {
                self.ask(instances, links, request);
            }
        }
        self.commit(instances, links);
    }

    /// An interface is up: asks the kernel for the static addresses that are missing there.
    pub(in crate::vrrpd) fn add_statics_to(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        link: LinkId,
    ) {
        let mut position = 0;
        while let Some(request) = self.static_address(position, true) {
            let known = self.statics.addresses.get(position);
            if known.is_some_and(|known| known.link == Some(link) && known.item.is_missing()) {
                self.ask(instances, links, request);
            }
            position += 1;
        }
    }

    /// Whether a static item came or went since this was asked last.
    pub(in crate::vrrpd) const fn take_statics_changed(&mut self) -> bool {
        core::mem::replace(&mut self.statics_changed, false)
    }
}

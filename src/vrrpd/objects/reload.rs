//! A reload's difference: what did not change stays, what follows something else is put before that goes.

use core::hash::Hash;
use std::collections::HashMap;

use super::fixed::Stays;
use super::{Fixed, Holder, Item, Network, Objects, Placed};
use crate::base::addr::{Family, Prefix};
use crate::base::id::{IfIndex, InstanceId, LinkId};
use crate::base::map::Set;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::State;
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::route::{Insert, Route};
use crate::sys::netlink::rule::Rule;
use crate::vrrpd::live::Held;
use crate::vrrpd::report;
use crate::vrrpd::state::Vrrp;

/// What nobody wants any more, still in the kernel.
#[derive(Default)]
pub(super) struct Abandoned {
    /// Each with the place of the route that the kernel is to put instead.
    routes: Vec<(Route, Option<Place>)>,
    rules: Vec<Rule>,
    addresses: Vec<Stays>,
    /// What nobody has been asked about yet.
    left: Objects,
    /// The addresses taken off of late: with the first of a network the kernel takes off the others.
    gone: Vec<(LinkId, Prefix)>,
    /// Instances that have an address which another holder had.
    heirs: Set<InstanceId>,
}

impl Network {
    /// Whether a reload is about to take a static address off.
    pub(in crate::vrrpd) fn is_to_go(&self, link: LinkId, address: Prefix) -> bool {
        let mut going = self.abandoned.addresses.iter();
        going.any(|moved| moved.link == Some(link) && moved.address.prefix == address)
    }

    /// Whether a reload gave an instance an address that another holder had.
    pub(in crate::vrrpd) fn has_gained(&self, id: InstanceId) -> bool {
        self.abandoned.heirs.contains(&id)
    }
}

/// Whose something is, and its place there.
pub(super) type Place = (Holder, usize);

impl Objects {
    /// Takes over what is the same in `old`; what `old` still holds then is left over.
    pub(in crate::vrrpd) fn inherit(&mut self, old: &mut Self) {
        inherit(&mut self.routes, &mut old.routes, |route| alike(&route.route), Placed::is_same);
        inherit(&mut self.rules, &mut old.rules, likeness, Rule::eq);
    }
}

/// Gives each item what the one of before that is the same has.
fn inherit<T, K: Eq + Hash>(
    items: &mut [Item<T>],
    old: &mut [Item<T>],
    key: fn(&T) -> K,
    is_same: fn(&T, &T) -> bool,
) {
    let serves = |item: &Item<T>, old: &Item<T>| {
        old.wanted.held.is_ours()
            && old.wanted.no_track == item.wanted.no_track
            && is_same(&old.value, &item.value)
    };
    let mut take = |item: &mut Item<T>, place: usize| {
        let Some(old) = old.get_mut(place).filter(|old| serves(item, old)) else { return false };
        item.inherit(old);
        true
    };
    // Most often all stand where they stood.
    let mut moved = Vec::new();
    for (place, item) in items.iter_mut().enumerate() {
        if !take(item, place) {
            moved.push(item);
        }
    }
    if moved.is_empty() {
        return;
    }
    let mut places = HashMap::<_, Vec<usize>>::with_capacity(old.len());
    for (place, old) in old.iter().enumerate() {
        places.entry(key(&old.value)).or_default().push(place);
    }
    for item in moved {
        let alike = places.get(&key(&item.value)).into_iter().flatten();
        let serves = |place: &&usize| old.get(**place).is_some_and(|old| serves(item, old));
        if let Some(old) = alike.copied().find(|place| serves(&place)).and_then(|place| old.get_mut(place)) {
            item.inherit(old);
        }
    }
}

impl Vrrp {
    /// Static items of the new model take over what is the same; the rest waits until what follows is there.
    pub(in crate::vrrpd) fn inherit_fixed(&mut self, mut fixed: Fixed) {
        for moved in &mut fixed.addresses {
            let same = self
                .items
                .network
                .fixed
                .addresses
                .iter_mut()
                .find(|old| old.wanted.held != Held::No && moved.is_same(old));
            if let Some(old) = same {
                moved.wanted.inherit(&mut old.wanted);
            }
        }
        let mut old = core::mem::replace(&mut self.items.network.fixed, fixed);
        self.items.network.fixed.objects.inherit(&mut old.objects);
        self.items.network.fixed_changed = true;
        self.abandon(old.objects);
        let mut left = old.addresses;
        left.retain(|moved| moved.wanted.held.is_ours() && !self.hand_over_address(moved));
        for moved in &left {
            if let Some(link) = moved.link.and_then(|link| self.links.table.link(link)) {
                report::fixed_dropped(moved.address.prefix, &link.name);
            }
        }
        let left = left.into_iter();
        let fixed = &self.items.network.fixed;
        let (owners, instances) = (&self.items.owners, &self.routers.instances);
        // What only looks different now, or is a virtual router's, has to go before the kernel takes it again; and where
        // one goes, the kernel takes others of its network along.
        let (before, after): (Vec<_>, Vec<_>) = left.partition(|moved| {
            let old = moved.address.prefix;
            if moved.link.is_some_and(|link| owners.of(instances, link, old.addr).is_some()) {
                return true;
            }
            // IPv6 has an address once, whatever its network.
            let beside = |new: Prefix| match old.family() {
                Family::V4 => new.len == old.len && old.contains(&new.addr),
                Family::V6 => new.addr == old.addr,
            };
            fixed.addresses.iter().any(|new| new.link == moved.link && beside(new.address.prefix))
        });
        self.items.network.abandoned.addresses.extend(after);
        for moved in before {
            self.delete_abandoned(moved);
        }
        self.commit_batch();
        self.doubt_neighbours();
    }

    /// Takes off a static address that nobody has any more.
    fn delete_abandoned(&mut self, moved: Stays) {
        let Some(link) = moved.link else { return };
        if let Some(index) = self.links.table.link(link).and_then(|link| link.index) {
            self.note_gone(link, moved.address.prefix);
            self.delete(Address { interface: index, ..moved.address });
        }
    }

    /// An address is taken off; see [`Vrrp::doubt_neighbours`].
    pub(in crate::vrrpd) fn note_gone(&mut self, link: LinkId, gone: Prefix) {
        let gone = (link, gone.network());
        let noted = &mut self.items.network.abandoned.gone;
        if gone.1.family() == Family::V4 && noted.last() != Some(&gone) {
            noted.push(gone);
        }
    }

    /// What the kernel has taken off along with the addresses that a reload removed is put again, and nobody is blamed.
    fn doubt_neighbours(&mut self) {
        let mut gone = core::mem::take(&mut self.items.network.abandoned.gone);
        gone.sort_unstable();
        gone.dedup();
        for (link, network) in gone {
            let beside = |other: &Prefix| other.len == network.len && network.contains(&other.addr);
            let owners: Vec<_> = self.items.owners.within(&self.routers.instances, link, network).collect();
            for (id, position) in owners {
                let Some(instance) = self.routers.instances.get_mut(id.index()) else { continue };
                let moved = instance.addresses.get_mut(usize::from(position));
                if let Some(moved) = moved.filter(|moved| beside(&moved.prefix)) {
                    moved.wanted.doubt();
                    if instance.router.state() == State::Master {
                        self.touch(id, |pending| pending.add = true);
                    }
                }
            }
            let fixed = self.items.network.fixed.addresses.iter_mut();
            for stays in fixed.filter(|stays| stays.link == Some(link) && beside(&stays.address.prefix)) {
                stays.wanted.doubt();
            }
        }
    }

    /// A static address of before is that of a virtual router from now on, if it is the same and the router is MASTER;
    /// whether it is.
    fn hand_over_address(&mut self, left: &Stays) -> bool {
        let addr = left.address.prefix.addr;
        let heir = left.link.and_then(|link| self.items.owners.of(&self.routers.instances, link, addr));
        let Some((id, position)) = heir.filter(|(id, _)| self.is_active(Holder::Instance(*id))) else {
            return false;
        };
        let Some(instance) = self.routers.instances.get_mut(id.index()) else { return false };
        let position = usize::from(position);
        let same = instance.address(position, IfIndex(0))
            == Some(Address { interface: IfIndex(0), ..left.address.clone() });
        let free = instance.addresses.get(position).is_some_and(|heir| heir.wanted.held == Held::No);
        if same && free {
            self.gain(id, position, left.wanted.held);
        }
        same && free
    }

    /// An instance has an address now that another holder had. It has yet to announce it.
    pub(in crate::vrrpd) fn gain(&mut self, id: InstanceId, position: usize, held: Held) {
        let moved =
            self.routers.instances.get_mut(id.index()).and_then(|heir| heir.addresses.get_mut(position));
        if let Some(moved) = moved.filter(|moved| moved.wanted.held == Held::No) {
            moved.wanted.held = held;
            self.items.network.abandoned.heirs.insert(id);
        }
    }

    /// What an earlier holder leaves. Another one may have it now, or something like it.
    pub(in crate::vrrpd) fn abandon(&mut self, old: Objects) {
        let left = &mut self.items.network.abandoned.left;
        left.routes.extend(old.routes.into_iter().filter(|item| item.wanted.held.is_ours()));
        left.rules.extend(old.rules.into_iter().filter(|item| item.wanted.held.is_ours()));
    }

    /// What was left goes to those who want the same now. Once all have been asked what they inherit.
    pub(in crate::vrrpd) fn settle_abandoned(&mut self, turn: &mut Turn<'_>) {
        let Objects { routes, rules } = core::mem::take(&mut self.items.network.abandoned.left);
        if routes.is_empty() && rules.is_empty() {
            return;
        }
        let (mut for_routes, mut for_rules) = (Heirs::default(), Heirs::default());
        let mut rivals = Heirs::default();
        for (position, holder) in self.holders().enumerate() {
            self.breathe_at(turn, position);
            let active = self.is_active(holder);
            let Some(objects) = self.objects_mut(holder).filter(|_| active) else { continue };
            for_routes.add(holder, &objects.routes, |placed| alike(&placed.route));
            for_rules.add(holder, &objects.rules, likeness);
            rivals.add(holder, &objects.rules, |rule| (rule.family, rule.preference));
        }
        // Whoever has the same now takes it over, or has had it as well.
        for (position, old) in routes.into_iter().enumerate() {
            self.breathe_at(turn, position);
            let heir = for_routes.of(&alike(&old.value.route)).any(|(holder, place)| {
                let item = self.objects_mut(holder).and_then(|objects| objects.routes.get_mut(place));
                item.filter(|item| item.value.is_same(&old.value)).map(|item| item.wanted.adopt()).is_some()
            });
            if !heir {
                report::route_dropped(old.value.route.destination);
                self.items.network.abandoned.routes.push((old.value.route, None));
            }
        }
        for (position, old) in rules.into_iter().enumerate() {
            self.breathe_at(turn, position);
            let heir = for_rules.of(&likeness(&old.value)).any(|(holder, place)| {
                let item = self.objects_mut(holder).and_then(|objects| objects.rules.get_mut(place));
                item.filter(|item| item.value == old.value).map(|item| item.wanted.adopt()).is_some()
            });
            if heir {
                continue;
            }
            report::rule_dropped(old.value.from, old.value.to);
            // The kernel takes the one for the other, and may take off the wrong one.
            let mut mistaken = false;
            for (holder, place) in rivals.of(&(old.value.family, old.value.preference)) {
                let item = self.objects_mut(holder).and_then(|objects| objects.rules.get_mut(place));
                if let Some(item) = item.filter(|item| item.value.may_be_taken_for(&old.value)) {
                    item.wanted.doubt();
                    mistaken = true;
                }
            }
            match mistaken {
                true => self.delete_rule(&old.value),
                false => self.items.network.abandoned.rules.push(old.value),
            }
        }
        self.commit_object_batch();
    }

    /// Lets routes to the same destination take the place of those that go: nothing is without a way in between.
    /// After all holders have been asked what they inherit.
    pub(in crate::vrrpd) fn plan_replacements(&mut self, turn: &mut Turn<'_>) {
        let mut routes = core::mem::take(&mut self.items.network.abandoned.routes);
        let mut rivals = HashMap::<_, Rivals>::with_capacity(routes.len());
        for (route, _) in &routes {
            rivals.entry(key(route)).or_default().going += 1;
        }
        for (position, holder) in self.holders().enumerate().filter(|_| !routes.is_empty()) {
            self.breathe_at(turn, position);
            let active = self.is_active(holder);
            let Some(objects) = self.objects_mut(holder) else { continue };
            for (place, item) in objects.routes.iter().enumerate() {
                let Some(rivals) = rivals.get_mut(&key(&item.value.route)) else { continue };
                rivals.wanted = true;
                rivals.held |= item.wanted.held.is_ours();
                if active && !item.wanted.held.is_ours() && item.value.insert == Insert::Prepend {
                    rivals.successor.get_or_insert((holder, place));
                }
            }
        }
        for (route, successor) in &mut routes {
            let Some(rivals) = rivals.get(&key(route)) else { continue };
            // The kernel takes the first one with this key: it must be the only one.
            let alone = rivals.going == 1 && !rivals.held;
            if let Some((holder, place)) = rivals.successor.filter(|_| alone)
                && let Some(item) = self.objects_mut(holder).and_then(|objects| objects.routes.get_mut(place))
            {
                item.replaces = true;
                *successor = Some((holder, place));
            }
        }
        // What would be taken for its successor goes before that comes.
        let (before, after): (Vec<_>, Vec<_>) = routes.into_iter().partition(|(route, successor)| {
            successor.is_none() && rivals.get(&key(route)).is_some_and(|rivals| rivals.wanted)
        });
        self.items.network.abandoned.routes = after;
        for (position, (route, _)) in before.into_iter().enumerate() {
            self.breathe_at(turn, position);
            self.delete_route(&route);
        }
        self.commit_object_batch();
    }

    /// Takes off what nobody wants any more. After what follows has been put.
    pub(in crate::vrrpd) fn drop_abandoned(&mut self, turn: &mut Turn<'_>) {
        let Abandoned { routes, rules, addresses, .. } = core::mem::take(&mut self.items.network.abandoned);
        for (position, rule) in rules.into_iter().enumerate() {
            self.breathe_at(turn, position);
            self.delete_rule(&rule);
        }
        for (position, (route, successor)) in routes.into_iter().enumerate() {
            self.breathe_at(turn, position);
            let item =
                successor.and_then(|(holder, position)| self.objects_mut(holder)?.routes.get_mut(position));
            let replaced = item.is_some_and(|item| {
                item.replaces = false;
                item.wanted.held.is_ours()
            });
            if !replaced {
                self.delete_route(&route);
            }
        }
        self.commit_object_batch();
        for (position, moved) in addresses.into_iter().enumerate() {
            self.breathe_at(turn, position);
            self.delete_abandoned(moved);
        }
        self.commit_addresses(turn);
        self.doubt_neighbours();
    }
}

/// Those whose things are to be there, by what they look like, in order.
struct Heirs<K>(HashMap<K, Vec<Place>>);

impl<K> Default for Heirs<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> Heirs<K> {
    fn add<T>(&mut self, holder: Holder, items: &[Item<T>], key: fn(&T) -> K) {
        for (place, item) in items.iter().enumerate() {
            self.0.entry(key(&item.value)).or_default().push((holder, place));
        }
    }

    fn of(&self, key: &K) -> impl Iterator<Item = Place> {
        self.0.get(key).into_iter().flatten().copied()
    }
}

/// The routes of one place in the kernel's tables.
#[derive(Default)]
struct Rivals {
    /// How many go.
    going: usize,
    /// One stays that is there already.
    held: bool,
    /// There are to be some.
    wanted: bool,
    /// The first that comes and can take the place of another.
    successor: Option<Place>,
}

/// What two routes that are the same have in common for certain.
pub(super) fn alike(route: &Route) -> (Family, Option<Prefix>, Option<Prefix>, u8, Option<u32>) {
    (route.family, route.destination, route.from, route.tos, route.metric)
}

/// What two rules that are the same have in common for certain.
pub(super) fn likeness(rule: &Rule) -> (Family, u32, Option<Prefix>, Option<Prefix>) {
    (rule.family, rule.preference, rule.from, rule.to)
}

/// What makes two routes one place in the kernel's tables.
fn key(route: &Route) -> (Family, u32, Option<Prefix>, Option<Prefix>, u8, u32) {
    (route.family, route.table, route.destination, route.from, route.tos, route.metric.unwrap_or(0))
}

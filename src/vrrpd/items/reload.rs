//! A reload's difference: what did not change stays, and what follows something else is added before that is deleted.

use super::{Class, Holder, Items, Place, StaticAddress, StaticItems, is_active};
use crate::base::addr::{Family, Prefix};
use crate::base::id::{IfIndex, InstanceId, LinkId};
use crate::base::map::{Map, Set};
use crate::child::links::Links;
use crate::proto::vrrp::State;
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::route::{Insert, Route};
use crate::sys::netlink::rule::Rule;
use crate::vrrpd::live::item::Input;
use crate::vrrpd::live::{Entry, Instance, Item, LiveRoute, Objects};
use crate::vrrpd::report;

/// A route that goes, with the place of the route that the kernel is to put instead.
pub(in crate::vrrpd) type Going = (Route, Option<Place>);

/// What no holder wants any more, still in the kernel.
#[derive(Default)]
pub(super) struct Abandoned {
    routes: Vec<Going>,
    rules: Vec<Rule>,
    addresses: Vec<StaticAddress>,
    /// Routes and rules of former holders for which no successor has been looked for yet.
    left: Objects,
    /// The addresses that were deleted of late: with the first of a network the kernel deletes the others.
    deleted: Vec<(LinkId, Prefix)>,
    /// Instances that have an address which another holder had.
    gained: Set<InstanceId>,
}

/// The active holders of routes and rules, by what these look like, in order. For load time: allocates.
#[derive(Default)]
pub(in crate::vrrpd) struct Successors {
    routes: Places,
    rules: Places,
    /// Rules that the kernel may take for each other.
    rivals: Places,
}

/// The routes that go, and which routes take the place of some of them. For load time: allocates.
pub(in crate::vrrpd) struct Takeovers {
    going: Vec<Going>,
    rivals: Map<Key, Rivals>,
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

impl Objects {
    /// Takes over what is the same in `old`; what `old` still holds then is left over.
    pub(in crate::vrrpd) fn inherit(&mut self, old: &mut Self) {
        self.inherit_class(old, Class::Route);
        self.inherit_class(old, Class::Rule);
    }

    /// Gives each item what the one of before that is the same has.
    fn inherit_class(&mut self, old: &mut Self, class: Class) {
        // Most often all stand where they stood.
        let mut moved: Vec<usize> = (0..self.count(class)).collect();
        moved.retain(|&place| !self.take(class, place, old, place));
        if moved.is_empty() {
            return;
        }
        let mut places = Map::<_, Vec<usize>>::new();
        for place in 0..old.count(class) {
            if let Some(key) = old.key(class, place) {
                places.change(key, |places| places.push(place));
            }
        }
        for place in moved {
            let alike = self.key(class, place).and_then(|key| places.get(&key));
            // The first that serves is taken.
            alike.into_iter().flatten().any(|&before| self.take(class, place, old, before));
        }
    }

    fn count(&self, class: Class) -> usize {
        match class {
            Class::Route => self.routes.len(),
            Class::Rule => self.rules.len(),
            Class::Address => 0,
        }
    }

    /// What an item looks like; none where there is no item.
    fn key(&self, class: Class, place: usize) -> Option<Key> {
        match class {
            Class::Route => self.routes.get(place).map(|entry| route_key(&entry.value.route)),
            Class::Rule => self.rules.get(place).map(|entry| rule_key(&entry.value)),
            Class::Address => None,
        }
    }

    /// Gives an item what one of before has, if they are the same and the kernel has that; whether they are.
    fn take(&mut self, class: Class, place: usize, old: &mut Self, before: usize) -> bool {
        match class {
            Class::Route => take(self.routes.get_mut(place), old.routes.get_mut(before), LiveRoute::is_same),
            Class::Rule => take(self.rules.get_mut(place), old.rules.get_mut(before), Rule::eq),
            Class::Address => false,
        }
    }
}

fn take<T>(item: Option<&mut Entry<T>>, old: Option<&mut Entry<T>>, is_same: fn(&T, &T) -> bool) -> bool {
    let (Some(item), Some(old)) = (item, old) else { return false };
    let counts_as_before = old.item.no_track() == item.item.no_track();
    let serves = old.item.is_ours() && counts_as_before && is_same(&old.value, &item.value);
    if serves {
        item.inherit(old);
    }
    serves
}

impl Items {
    /// Whether a reload is about to delete a static address.
    pub(super) fn is_to_go(&self, link: LinkId, address: Prefix) -> bool {
        let mut going = self.abandoned.addresses.iter();
        going.any(|known| known.link == Some(link) && known.address.prefix == address)
    }

    /// Whether a reload gave an instance an address that another holder had.
    pub(in crate::vrrpd) fn has_gained(&self, id: InstanceId) -> bool {
        self.abandoned.gained.contains(&id)
    }

    /// Static items of the new model take over what is the same; the rest waits until what follows it is in the kernel.
    /// The instances whose addresses the kernel may have deleted along with others are appended to `fell`.
    pub(in crate::vrrpd) fn inherit_statics(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        mut statics: StaticItems,
        fell: &mut Vec<InstanceId>,
    ) {
        for known in &mut statics.addresses {
            let mut before = self.statics.addresses.iter_mut();
            let same = before.find(|old| !old.item.is_absent() && known.is_same(old));
            if let Some(old) = same {
                known.item.inherit(&mut old.item);
            }
        }
        let mut old = core::mem::replace(&mut self.statics, statics);
        self.statics.objects.inherit(&mut old.objects);
        self.statics_changed = true;
        self.abandon(old.objects);
        let mut left = old.addresses;
        left.retain(|known| known.item.is_ours() && !self.hand_over_address(instances, known));
        for known in &left {
            if let Some(link) = known.link.and_then(|link| links.link(link)) {
                report::static_address_dropped(known.address.prefix, &link.name);
            }
        }
        // An address that only looks different now, or is a virtual router's, has to go before the kernel takes it
        // again; and where one goes, the kernel deletes others of its network along with it.
        let (before, after): (Vec<_>, Vec<_>) = left.into_iter().partition(|known| {
            let old = known.address.prefix;
            if known.link.is_some_and(|link| self.index.of(instances, link, old.addr).is_some()) {
                return true;
            }
            // IPv6 has an address once, whatever its network.
            let beside = |new: Prefix| match old.family() {
                Family::V4 => new.len == old.len && old.contains(&new.addr),
                Family::V6 => new.addr == old.addr,
            };
            self.statics.addresses.iter().any(|new| new.link == known.link && beside(new.address.prefix))
        });
        self.abandoned.addresses.extend(after);
        for known in before {
            self.delete_abandoned(instances, links, known);
        }
        self.commit(instances, links);
        self.doubt_neighbours(instances, fell);
    }

    /// Deletes a static address that no holder has any more.
    pub(in crate::vrrpd) fn delete_abandoned(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        known: StaticAddress,
    ) {
        let Some(link) = known.link else { return };
        if let Some(interface) = links.link(link).and_then(|link| link.index) {
            self.note_deleted(link, known.address.prefix);
            self.delete_address(instances, links, &Address { interface, ..known.address });
        }
    }

    /// A reload deletes an address; see [`Items::doubt_neighbours`].
    pub(in crate::vrrpd) fn note_deleted(&mut self, link: LinkId, address: Prefix) {
        let deleted = (link, address.network());
        let noted = &mut self.abandoned.deleted;
        if deleted.1.family() == Family::V4 && noted.last() != Some(&deleted) {
            noted.push(deleted);
        }
    }

    /// Addresses that the kernel may have deleted along with those that a reload deleted are added again, without a word
    /// about it. The MASTERs that have some are appended to `fell`.
    pub(in crate::vrrpd) fn doubt_neighbours(
        &mut self,
        instances: &mut [Instance],
        fell: &mut Vec<InstanceId>,
    ) {
        let mut deleted = core::mem::take(&mut self.abandoned.deleted);
        deleted.sort_unstable();
        deleted.dedup();
        for (link, network) in deleted {
            let beside = |other: &Prefix| other.len == network.len && network.contains(&other.addr);
            let places: Vec<_> = self.index.within(instances, link, network).collect();
            for (id, position) in places {
                let Some(instance) = instances.get_mut(id.index()) else { continue };
                let moved = instance.addresses.get_mut(usize::from(position));
                if let Some(moved) = moved.filter(|moved| beside(&moved.prefix)) {
                    moved.item.handle(Input::Doubted);
                    if instance.router.state() == State::Master {
                        fell.push(id);
                    }
                }
            }
            let statics = self.statics.addresses.iter_mut();
            for known in statics.filter(|known| known.link == Some(link) && beside(&known.address.prefix)) {
                known.item.handle(Input::Doubted);
            }
        }
    }

    /// A static address of before is that of a virtual router from now on, if it is the same and the router is MASTER;
    /// whether it is.
    fn hand_over_address(&mut self, instances: &mut [Instance], left: &StaticAddress) -> bool {
        let addr = left.address.prefix.addr;
        let successor = left.link.and_then(|link| self.index.of(instances, link, addr));
        let Some((id, position)) = successor.filter(|(id, _)| is_active(instances, Holder::Instance(*id)))
        else {
            return false;
        };
        let Some(instance) = instances.get_mut(id.index()) else { return false };
        let position = usize::from(position);
        let same = instance.address(position, IfIndex(0))
            == Some(Address { interface: IfIndex(0), ..left.address.clone() });
        let free = instance.addresses.get(position).is_some_and(|moved| moved.item.is_absent());
        if same && free {
            self.gain(instances, id, position, &left.item);
        }
        same && free
    }

    /// An instance has an address now that another holder had. The instance has yet to announce it.
    pub(in crate::vrrpd) fn gain(
        &mut self,
        instances: &mut [Instance],
        id: InstanceId,
        position: usize,
        former: &Item,
    ) {
        let instance = instances.get_mut(id.index());
        let moved = instance.and_then(|instance| instance.addresses.get_mut(position));
        if let Some(moved) = moved.filter(|moved| moved.item.is_absent()) {
            moved.item.follow(former);
            self.abandoned.gained.insert(id);
        }
    }

    /// Takes the routes and rules of a former holder. Another holder may have them now, or something like them.
    pub(in crate::vrrpd) fn abandon(&mut self, old: Objects) {
        let left = &mut self.abandoned.left;
        left.routes.extend(old.routes.into_iter().filter(|entry| entry.item.is_ours()));
        left.rules.extend(old.rules.into_iter().filter(|entry| entry.item.is_ours()));
    }

    /// The routes and rules of former holders, if there are any.
    pub(in crate::vrrpd) fn take_left(&mut self) -> Option<Objects> {
        Some(core::mem::take(&mut self.abandoned.left)).filter(|left| !left.is_empty())
    }

    /// Enters the routes and rules of a holder, if it is active.
    pub(in crate::vrrpd) fn enter_successor(
        &mut self,
        instances: &mut [Instance],
        holder: Holder,
        successors: &mut Successors,
    ) {
        let active = is_active(instances, holder);
        let Some(objects) = self.objects_mut(instances, holder).filter(|_| active) else { return };
        let Successors { routes, rules, rivals } = successors;
        enter(routes, holder, &objects.routes, |placed| route_key(&placed.route));
        enter(rules, holder, &objects.rules, rule_key);
        enter(rivals, holder, &objects.rules, rival_key);
    }

    /// A route of a former holder goes to a holder that has the same one now, or has had it as well; else it is to be
    /// deleted.
    pub(in crate::vrrpd) fn settle_route(
        &mut self,
        instances: &mut [Instance],
        successors: &Successors,
        old: Entry<LiveRoute>,
    ) {
        let mut places = successors.routes.get(&route_key(&old.value.route)).into_iter().flatten();
        let found = places.any(|&(holder, place)| {
            let objects = self.objects_mut(instances, holder);
            let entry = objects.and_then(|objects| objects.routes.get_mut(place));
            let same = entry.filter(|entry| entry.value.is_same(&old.value));
            same.map(|entry| entry.item.handle(Input::Adopted)).is_some()
        });
        if !found {
            report::route_dropped(old.value.route.destination);
            self.abandoned.routes.push((old.value.route, None));
        }
    }

    /// The same of a rule.
    pub(in crate::vrrpd) fn settle_rule(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        successors: &Successors,
        old: Entry<Rule>,
    ) {
        let mut places = successors.rules.get(&rule_key(&old.value)).into_iter().flatten();
        let found = places.any(|&(holder, place)| {
            let objects = self.objects_mut(instances, holder);
            let entry = objects.and_then(|objects| objects.rules.get_mut(place));
            let same = entry.filter(|entry| entry.value == old.value);
            same.map(|entry| entry.item.handle(Input::Adopted)).is_some()
        });
        if found {
            return;
        }
        report::rule_dropped(old.value.from, old.value.to);
        // The kernel takes the one for the other, and may delete the wrong one.
        let mut mistaken = false;
        let rivals = successors.rivals.get(&rival_key(&old.value)).into_iter().flatten();
        for &(holder, place) in rivals {
            let objects = self.objects_mut(instances, holder);
            let entry = objects.and_then(|objects| objects.rules.get_mut(place));
            if let Some(entry) = entry.filter(|entry| entry.value.may_be_taken_for(&old.value)) {
                entry.item.handle(Input::Doubted);
                mistaken = true;
            }
        }
        match mistaken {
            true => self.delete_rule(instances, links, &old.value),
            false => self.abandoned.rules.push(old.value),
        }
    }

    /// The routes that are to be deleted, if there are any.
    pub(in crate::vrrpd) fn begin_takeovers(&mut self) -> Option<Takeovers> {
        let going = core::mem::take(&mut self.abandoned.routes);
        let mut rivals = Map::<_, Rivals>::new();
        for (route, _) in &going {
            rivals.change(kernel_key(route), |rivals| rivals.going += 1);
        }
        (!going.is_empty()).then_some(Takeovers { going, rivals })
    }

    /// Enters the routes of a holder that are in the place of one that goes, or are to be.
    pub(in crate::vrrpd) fn enter_rival(
        &mut self,
        instances: &mut [Instance],
        holder: Holder,
        takeovers: &mut Takeovers,
    ) {
        let active = is_active(instances, holder);
        let Some(objects) = self.objects_mut(instances, holder) else { return };
        for (place, entry) in objects.routes.iter().enumerate() {
            let Some(rivals) = takeovers.rivals.get_mut(&kernel_key(&entry.value.route)) else { continue };
            let held = entry.item.is_ours();
            rivals.wanted = true;
            rivals.held |= held;
            if active && !held && entry.value.insert == Insert::Prepend {
                rivals.successor.get_or_insert((holder, place));
            }
        }
    }

    /// Lets routes to the same destination take the place of those that go: no destination is without a way in between.
    /// The routes to be deleted before that: each would be taken for the one that comes.
    pub(in crate::vrrpd) fn plan_takeovers(
        &mut self,
        instances: &mut [Instance],
        takeovers: Takeovers,
    ) -> Vec<Route> {
        let Takeovers { mut going, rivals } = takeovers;
        for (route, successor) in &mut going {
            let Some(rivals) = rivals.get(&kernel_key(route)) else { continue };
            // The kernel takes the first route with this key: it must be the only one.
            let alone = rivals.going == 1 && !rivals.held;
            if let Some((holder, place)) = rivals.successor.filter(|_| alone)
                && let Some(objects) = self.objects_mut(instances, holder)
                && let Some(entry) = objects.routes.get_mut(place)
            {
                entry.value.replaces = true;
                *successor = Some((holder, place));
            }
        }
        let (before, after): (Vec<_>, Vec<_>) = going.into_iter().partition(|(route, successor)| {
            successor.is_none() && rivals.get(&kernel_key(route)).is_some_and(|rivals| rivals.wanted)
        });
        self.abandoned.routes = after;
        before.into_iter().map(|(route, _)| route).collect()
    }

    /// The rules, routes and static addresses that no holder wants any more. What follows them is in the kernel.
    pub(in crate::vrrpd) fn take_abandoned(&mut self) -> (Vec<Rule>, Vec<Going>, Vec<StaticAddress>) {
        let Abandoned { routes, rules, addresses, .. } = core::mem::take(&mut self.abandoned);
        (rules, routes, addresses)
    }

    /// Deletes a route that no holder wants any more, unless another one has taken its place.
    pub(in crate::vrrpd) fn drop_route(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        (route, successor): &Going,
    ) {
        let entry = successor.and_then(|(holder, place)| {
            self.objects_mut(instances, holder).and_then(|objects| objects.routes.get_mut(place))
        });
        let replaced = entry.is_some_and(|entry| {
            entry.value.replaces = false;
            entry.item.is_ours()
        });
        if !replaced {
            self.delete_route(instances, links, route);
        }
    }
}

fn enter<T>(places: &mut Places, holder: Holder, entries: &[Entry<T>], key: fn(&T) -> Key) {
    for (place, entry) in entries.iter().enumerate() {
        places.change(key(&entry.value), |places| places.push((holder, place)));
    }
}

/// What routes or rules that are alike have in common: the family, the number of the table or the preference, two prefixes,
/// the type of service and the metric. One type for all that they are compared by, so that its maps are compiled once.
pub(super) type Key = (Family, u32, Option<Prefix>, Option<Prefix>, u8, u32);

/// The places of the items that look alike.
pub(super) type Places = Map<Key, Vec<Place>>;

/// What two routes that are the same have in common for certain.
pub(super) fn route_key(route: &Route) -> Key {
    (route.family, 0, route.destination, route.from, route.tos, route.metric.unwrap_or(0))
}

/// What two rules that are the same have in common for certain.
pub(super) fn rule_key(rule: &Rule) -> Key {
    (rule.family, rule.preference, rule.from, rule.to, 0, 0)
}

/// What two rules that the kernel may take for each other have in common.
fn rival_key(rule: &Rule) -> Key {
    (rule.family, rule.preference, None, None, 0, 0)
}

/// What makes two routes one place in the kernel's tables.
fn kernel_key(route: &Route) -> Key {
    (route.family, route.table, route.destination, route.from, route.tos, route.metric.unwrap_or(0))
}

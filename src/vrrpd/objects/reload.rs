//! A reload's difference: what did not change stays, what follows something else is put before that goes.

use super::fixed::Stays;
use super::request::objects_mut;
use super::{Fixed, Holder, Item, Objects, Placed};
use crate::base::addr::Prefix;
use crate::base::id::InstanceId;
use crate::daemon::reactor::Turn;
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::route::{Insert, Route};
use crate::sys::netlink::rule::Rule;
use crate::vrrpd::live::Held;
use crate::vrrpd::state::Vrrp;

/// What nobody wants any more, still in the kernel.
#[derive(Default)]
pub(super) struct Abandoned {
    /// Each with the place of the route that the kernel is to put instead.
    routes: Vec<(Route, Option<(Holder, usize)>)>,
    rules: Vec<Rule>,
    addresses: Vec<Stays>,
}

impl Objects {
    /// Takes over what is the same in `old`; what `old` still holds then is left over.
    pub(in crate::vrrpd) fn inherit(&mut self, old: &mut Self) {
        for item in &mut self.routes {
            let same = |old: &&mut Item<Placed>| {
                (old.held || old.left) && old.value.is_same(&item.value) && old.no_track == item.no_track
            };
            if let Some(old) = old.routes.iter_mut().find(same) {
                item.inherit(old);
                old.left = false;
            }
        }
        for item in &mut self.rules {
            let same = |old: &&mut Item<Rule>| {
                (old.held || old.left) && old.value == item.value && old.no_track == item.no_track
            };
            if let Some(old) = old.rules.iter_mut().find(same) {
                item.inherit(old);
                old.left = false;
            }
        }
    }
}

impl Vrrp {
    /// Static items of the new model take over what is the same; the rest waits until what follows is there.
    pub(in crate::vrrpd) fn inherit_fixed(&mut self, mut fixed: Fixed) {
        for moved in &mut fixed.addresses {
            let same = self
                .network
                .fixed
                .addresses
                .iter_mut()
                .find(|old| old.held != Held::No && moved.is_same(old));
            if let Some(old) = same {
                moved.held = core::mem::take(&mut old.held);
                moved.put_back = old.put_back.clone();
            }
        }
        let mut old = core::mem::replace(&mut self.network.fixed, fixed);
        self.network.fixed.objects.inherit(&mut old.objects);
        self.network.fixed_changed = true;
        self.abandon(old.objects);
        let left = old.addresses.into_iter().filter(|moved| moved.held.is_ours());
        let fixed = &self.network.fixed;
        // What only looks different now has to go before the kernel takes it again; and where one goes, the kernel takes
        // others of its network along.
        let (before, after): (Vec<_>, Vec<_>) = left.partition(|moved| {
            let old = moved.address.prefix;
            let beside = |new: Prefix| new.len == old.len && old.contains(&new.addr);
            fixed.addresses.iter().any(|new| new.link == moved.link && beside(new.address.prefix))
        });
        self.network.abandoned.addresses.extend(after);
        for moved in before {
            if let Some(index) = moved.link.and_then(|link| self.links.link(link)?.index) {
                self.delete(Address { interface: index, ..moved.address });
            }
        }
        self.commit_batch();
    }

    /// What an earlier holder leaves. Another one may have it now, or something like it.
    pub(in crate::vrrpd) fn abandon(&mut self, old: Objects) {
        for item in old.routes.into_iter().filter(|item| item.held) {
            if !self.hand_over_route(&item.value) {
                self.network.abandoned.routes.push((item.value.route, None));
            }
        }
        for item in old.rules.into_iter().filter(|item| item.held) {
            let heir = self.find_active(|objects| {
                objects.rules.iter().position(|other| !other.held && other.value == item.value)
            });
            let heir = heir.and_then(|(holder, position)| self.objects_mut(holder)?.rules.get_mut(position));
            match heir {
                Some(heir) => heir.held = true,
                None => self.network.abandoned.rules.push(item.value),
            }
        }
    }

    fn hand_over_route(&mut self, placed: &Placed) -> bool {
        let heir = self.find_active(|objects| {
            objects.routes.iter().position(|other| !other.held && other.value.is_same(placed))
        });
        let heir = heir.and_then(|(holder, position)| self.objects_mut(holder)?.routes.get_mut(position));
        match heir {
            Some(heir) => {
                heir.held = true;
                true
            }
            None => false,
        }
    }

    /// Lets routes to the same destination take the place of those that go: nothing is without a way in between.
    /// After all holders have been asked what they inherit.
    pub(in crate::vrrpd) fn plan_replacements(&mut self) {
        let mut routes = core::mem::take(&mut self.network.abandoned.routes);
        let keys: Vec<_> = routes.iter().map(|(route, _)| key(route)).collect();
        for (route, successor) in &mut routes {
            // The kernel takes the first one with this key: it must be the only one.
            let wanted = key(route);
            let alone = keys.iter().filter(|other| **other == wanted).count() == 1
                && !self.all_routes().any(|item| item.held && key(&item.value.route) == wanted);
            let found = self.find_active(|objects| {
                objects.routes.iter().position(|item| {
                    !item.held
                        && !item.replaces
                        && item.value.insert == Insert::Prepend
                        && key(&item.value.route) == wanted
                })
            });
            if let Some((holder, position)) = found.filter(|_| alone)
                && let Some(item) = objects_mut(&mut self.instances, &mut self.network.fixed.objects, holder)
                    .and_then(|objects| objects.routes.get_mut(position))
            {
                item.replaces = true;
                *successor = Some((holder, position));
            }
        }
        // What would be taken for its successor goes before that comes.
        let (before, after): (Vec<_>, Vec<_>) = routes.into_iter().partition(|(route, successor)| {
            let wanted = key(route);
            successor.is_none() && self.all_routes().any(|item| key(&item.value.route) == wanted)
        });
        self.network.abandoned.routes = after;
        for (route, _) in before {
            self.delete_route(&route);
        }
        self.commit_object_batch();
    }

    /// Takes off what nobody wants any more. After what follows has been put.
    pub(in crate::vrrpd) fn drop_abandoned(&mut self, turn: &mut Turn<'_>) {
        let Abandoned { routes, rules, addresses } = core::mem::take(&mut self.network.abandoned);
        for rule in rules {
            self.delete_rule(&rule);
        }
        for (route, successor) in routes {
            let item =
                successor.and_then(|(holder, position)| self.objects_mut(holder)?.routes.get_mut(position));
            let replaced = item.is_some_and(|item| {
                item.replaces = false;
                item.held
            });
            if !replaced {
                self.delete_route(&route);
            }
        }
        self.commit_object_batch();
        for moved in addresses {
            let Some(link) = moved.link else { continue };
            let addr = moved.address.prefix.addr;
            let index = self.links.link(link).and_then(|link| link.index);
            if let Some(index) = index.filter(|_| self.owners.of(&self.instances, link, addr).is_none()) {
                self.delete(Address { interface: index, ..moved.address });
            }
        }
        self.commit_addresses(turn);
    }

    pub(super) fn all_routes(&self) -> impl Iterator<Item = &Item<Placed>> {
        let holders = self.instances.iter().filter_map(|instance| instance.objects.as_deref());
        holders.chain(core::iter::once(&self.network.fixed.objects)).flat_map(|objects| &objects.routes)
    }

    /// The first holder whose things are to be there, and the position of what `find` finds with it.
    fn find_active(&self, find: impl Fn(&Objects) -> Option<usize>) -> Option<(Holder, usize)> {
        let instances = self.instances.iter().enumerate().filter_map(|(position, instance)| {
            Some((Holder::Instance(InstanceId::at(position)), instance.objects.as_deref()?))
        });
        instances
            .chain(core::iter::once((Holder::Fixed, &self.network.fixed.objects)))
            .filter(|(holder, _)| self.is_active(*holder))
            .find_map(|(holder, objects)| Some((holder, find(objects)?)))
    }
}

/// What makes two routes one place in the kernel's tables.
fn key(route: &Route) -> (crate::base::addr::Family, u32, Option<Prefix>, Option<Prefix>, u8, u32) {
    (route.family, route.table, route.destination, route.from, route.tos, route.metric.unwrap_or(0))
}

//! Routes and rules that several holders name: each is in the kernel once, and is deleted with the last of the holders
//! that has it.

use core::num::NonZeroU32;
use std::vec;

use super::reload::{RouteKey, RuleKey, route_key, rule_key};
use super::{Class, Holder, Items, Place, Request, holders, is_active};
use crate::base::map::Map;
use crate::sys::netlink::rule::Rule;
use crate::vrrpd::live::{Common, Entry, Instance, LiveRoute, Objects};

/// The places of the items that look alike.
type Places<K> = Map<K, Vec<Place>>;

/// The routes and rules of all holders by what they look like. For load time: allocates.
#[derive(Default)]
pub(in crate::vrrpd) struct Alike {
    routes: Places<RouteKey>,
    rules: Places<RuleKey>,
}

/// The places of routes or rules that look alike.
pub(in crate::vrrpd) type Candidates = Vec<Place>;

/// Numbers for items that are one thing in the kernel.
#[derive(Default)]
pub(in crate::vrrpd) struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> Option<Common> {
        self.0 = self.0.wrapping_add(1);
        NonZeroU32::new(self.0)
    }
}

impl Alike {
    /// The routes that look like others, and the rules that do.
    pub(in crate::vrrpd) fn into_candidates(self) -> (vec::IntoIter<Candidates>, vec::IntoIter<Candidates>) {
        let several = |places: &Candidates| places.len() > 1;
        let routes: Vec<_> = self.routes.into_values().filter(several).collect();
        let rules: Vec<_> = self.rules.into_values().filter(several).collect();
        (routes.into_iter(), rules.into_iter())
    }
}

impl Items {
    /// Enters the routes and rules of a holder.
    pub(in crate::vrrpd) fn enter_alike(
        &mut self,
        instances: &mut [Instance],
        holder: Holder,
        alike: &mut Alike,
    ) {
        let Some(objects) = self.objects_mut(instances, holder) else { return };
        enter(&mut alike.routes, holder, &mut objects.routes, |placed| route_key(&placed.route));
        enter(&mut alike.rules, holder, &mut objects.rules, rule_key);
    }

    /// Gives those among routes that look alike which are the same a number in common.
    pub(in crate::vrrpd) fn number_routes(
        &mut self,
        instances: &mut [Instance],
        places: &Candidates,
        numbers: &mut Numbers,
    ) {
        self.number(instances, places, numbers, |objects| &mut objects.routes, LiveRoute::is_same);
    }

    /// Gives those among rules that look alike which are the same a number in common.
    pub(in crate::vrrpd) fn number_rules(
        &mut self,
        instances: &mut [Instance],
        places: &Candidates,
        numbers: &mut Numbers,
    ) {
        self.number(instances, places, numbers, |objects| &mut objects.rules, Rule::eq);
    }

    fn number<T: Clone>(
        &mut self,
        instances: &mut [Instance],
        places: &[Place],
        numbers: &mut Numbers,
        of: fn(&mut Objects) -> &mut Vec<Entry<T>>,
        is_same: fn(&T, &T) -> bool,
    ) {
        for (at, &(holder, place)) in places.iter().enumerate() {
            let Some(entry) = self.objects_mut(instances, holder).and_then(|objects| of(objects).get(place))
            else {
                continue;
            };
            if entry.common.is_some() {
                continue;
            }
            let (value, mut common) = (entry.value.clone(), None);
            for &(other, place) in places.get(at + 1..).unwrap_or_default() {
                let objects = self.objects_mut(instances, other);
                let entry = objects.and_then(|objects| of(objects).get_mut(place));
                if let Some(entry) = entry.filter(|entry| other != holder && is_same(&value, &entry.value)) {
                    common = common.or_else(|| numbers.next());
                    entry.common = common;
                }
            }
            let objects = self.objects_mut(instances, holder);
            if let Some(entry) = objects.and_then(|objects| of(objects).get_mut(place)) {
                entry.common = common;
            }
        }
    }

    /// Whether another holder has a route or a rule that a holder is to let go of, and keeps it.
    pub(super) fn is_object_of_another(&self, instances: &[Instance], request: Request) -> bool {
        let Request { holder, class, position, .. } = request;
        let common = |objects: &Objects| match class {
            Class::Address => None,
            Class::Route => objects.routes.get(position)?.common,
            Class::Rule => objects.rules.get(position)?.common,
        };
        let Some(common) = self.objects(instances, holder).and_then(common) else { return false };
        let has = |objects: &Objects| match class {
            Class::Route => has(&objects.routes, common),
            _ => has(&objects.rules, common),
        };
        let mut others = holders(instances).filter(|other| *other != holder && is_active(instances, *other));
        others.any(|other| self.objects(instances, other).is_some_and(has))
    }
}

fn enter<T, K: Ord>(places: &mut Places<K>, holder: Holder, entries: &mut [Entry<T>], key: fn(&T) -> K) {
    for (place, entry) in entries.iter_mut().enumerate() {
        entry.common = None;
        places.change(key(&entry.value), |places| places.push((holder, place)));
    }
}

fn has<T>(entries: &[Entry<T>], common: Common) -> bool {
    entries.iter().any(|entry| entry.item.is_ours() && entry.common == Some(common))
}

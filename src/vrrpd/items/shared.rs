//! Routes and rules that several holders name: each is in the kernel once, and is deleted with the last of the holders
//! that has it.

use core::num::NonZeroU32;
use std::vec;

use super::reload::{Key, Places, route_key, rule_key};
use super::{Class, Holder, Items, Place, Request, holders, is_active};
use crate::vrrpd::live::{Common, Entry, Instance, Objects};

/// The routes and rules of all holders by what they look like. For load time: allocates.
#[derive(Default)]
pub(in crate::vrrpd) struct Alike {
    routes: Places,
    rules: Places,
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

    /// Gives those among items that look alike which are the same a number in common.
    pub(in crate::vrrpd) fn number(
        &mut self,
        instances: &mut [Instance],
        class: Class,
        places: &Candidates,
        numbers: &mut Numbers,
    ) {
        for (at, &place) in places.iter().enumerate() {
            if self.common(instances, class, place).is_none_or(|common| common.is_some()) {
                continue;
            }
            let mut number = None;
            for &other in places.get(at + 1..).unwrap_or_default() {
                if other.0 != place.0 && self.are_same(instances, class, place, other) {
                    number = number.or_else(|| numbers.next());
                    if let Some(common) = self.common(instances, class, other) {
                        *common = number;
                    }
                }
            }
            if let Some(common) = self.common(instances, class, place) {
                *common = number;
            }
        }
    }

    /// The number that an item has in common with others, to be changed.
    fn common<'a>(
        &'a mut self,
        instances: &'a mut [Instance],
        class: Class,
        (holder, place): Place,
    ) -> Option<&'a mut Option<Common>> {
        let objects = self.objects_mut(instances, holder)?;
        match class {
            Class::Address => None,
            Class::Route => Some(&mut objects.routes.get_mut(place)?.common),
            Class::Rule => Some(&mut objects.rules.get_mut(place)?.common),
        }
    }

    /// Whether two items are one thing in the kernel.
    fn are_same(&self, instances: &[Instance], class: Class, one: Place, other: Place) -> bool {
        let objects = |place: Place| self.objects(instances, place.0);
        let (Some(ones), Some(others)) = (objects(one), objects(other)) else { return false };
        match class {
            Class::Address => false,
            Class::Route => match (ones.routes.get(one.1), others.routes.get(other.1)) {
                (Some(one), Some(other)) => one.value.is_same(&other.value),
                _ => false,
            },
            Class::Rule => match (ones.rules.get(one.1), others.rules.get(other.1)) {
                (Some(one), Some(other)) => one.value == other.value,
                _ => false,
            },
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

fn enter<T>(places: &mut Places, holder: Holder, entries: &mut [Entry<T>], key: fn(&T) -> Key) {
    for (place, entry) in entries.iter_mut().enumerate() {
        entry.common = None;
        places.change(key(&entry.value), |places| places.push((holder, place)));
    }
}

fn has<T>(entries: &[Entry<T>], common: Common) -> bool {
    entries.iter().any(|entry| entry.item.is_ours() && entry.common == Some(common))
}

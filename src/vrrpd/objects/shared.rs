//! Routes and rules that several holders name: each is there once in the kernel, and goes with the last of them that
//! has it.

use core::hash::Hash;
use core::num::NonZeroU32;
use std::collections::HashMap;

use super::reload::{Place, alike, likeness};
use super::{Class, Holder, Item, Objects, Placed, Request};
use crate::daemon::reactor::Turn;
use crate::sys::netlink::rule::Rule;
use crate::vrrpd::live::Common;
use crate::vrrpd::state::Vrrp;

/// The places of things, by what they look like.
type Places<K> = HashMap<K, Vec<Place>>;

impl Vrrp {
    /// Finds out what several holders name. For load time: allocates.
    pub(in crate::vrrpd) fn find_shared(&mut self, turn: &mut Turn<'_>) {
        let (mut routes, mut rules) = (Places::new(), Places::new());
        for (position, holder) in self.holders().enumerate() {
            self.breathe_at(turn, position);
            let Some(objects) = self.objects_mut(holder) else { continue };
            gather(&mut routes, holder, &mut objects.routes, |placed| alike(&placed.route));
            gather(&mut rules, holder, &mut objects.rules, likeness);
        }
        let mut last = 0;
        let mut number = || {
            last += 1;
            NonZeroU32::new(last)
        };
        for (position, places) in routes.into_values().enumerate().filter(|(_, places)| places.len() > 1) {
            self.breathe_at(turn, position);
            self.number(&places, &mut number, |objects| &mut objects.routes, Placed::is_same);
        }
        for (position, places) in rules.into_values().enumerate().filter(|(_, places)| places.len() > 1) {
            self.breathe_at(turn, position);
            self.number(&places, &mut number, |objects| &mut objects.rules, Rule::eq);
        }
    }

    /// Gives those among alike items that are the same a number in common.
    fn number<T: Clone>(
        &mut self,
        places: &[Place],
        number: &mut impl FnMut() -> Option<Common>,
        of: fn(&mut Objects) -> &mut Vec<Item<T>>,
        is_same: fn(&T, &T) -> bool,
    ) {
        for (at, &(holder, place)) in places.iter().enumerate() {
            let Some(item) = self.objects_mut(holder).and_then(|objects| of(objects).get(place)) else {
                continue;
            };
            if item.common.is_some() {
                continue;
            }
            let (value, mut common) = (item.value.clone(), None);
            for &(other, place) in places.get(at + 1..).unwrap_or_default() {
                let item = self.objects_mut(other).and_then(|objects| of(objects).get_mut(place));
                if let Some(item) = item.filter(|item| other != holder && is_same(&value, &item.value)) {
                    common = common.or_else(&mut *number);
                    item.common = common;
                }
            }
            if let Some(item) = self.objects_mut(holder).and_then(|objects| of(objects).get_mut(place)) {
                item.common = common;
            }
        }
    }

    /// Whether another holder has what one is to let go of, and keeps it.
    pub(super) fn is_kept_by_another(&self, request: Request) -> bool {
        let Request { holder, class, position, .. } = request;
        let common = |objects: &Objects| match class {
            Class::Address => None,
            Class::Route => objects.routes.get(position)?.common,
            Class::Rule => objects.rules.get(position)?.common,
        };
        let Some(common) = self.objects(holder).and_then(common) else { return false };
        let has = |objects: &Objects| match class {
            Class::Route => has(&objects.routes, common),
            _ => has(&objects.rules, common),
        };
        let mut others = self.holders().filter(|other| *other != holder && self.is_active(*other));
        others.any(|other| self.objects(other).is_some_and(has))
    }
}

fn gather<T, K: Eq + Hash>(places: &mut Places<K>, holder: Holder, items: &mut [Item<T>], key: fn(&T) -> K) {
    for (place, item) in items.iter_mut().enumerate() {
        item.common = None;
        places.entry(key(&item.value)).or_default().push((holder, place));
    }
}

fn has<T>(items: &[Item<T>], common: Common) -> bool {
    items.iter().any(|item| item.wanted.held.is_ours() && item.common == Some(common))
}

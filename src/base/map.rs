//! A map and a set in the order of their keys, whose code is short for each type of key.
//!
//! A search tree of the standard library brings two kilobytes of code for each pair of types, a hash table one, and
//! the program has seventy such pairs, most of them small and used while a configuration is read. This map is a list
//! of entries as they came, and beside it their numbers in the order of the keys, in sorted pieces. What does not depend
//! on the types, the search and the pieces, is in the program once.

use core::borrow::Borrow;
use core::cmp::Ordering;

/// Numbers of a piece at most: a new entry moves a half of that on average.
const PIECE: usize = 128;

/// Values by key.
#[derive(Clone, Debug)]
pub struct Map<K, V> {
    /// As they came.
    entries: Vec<(K, V)>,
    order: Order,
}

/// The numbers of the entries, in the order of their keys.
#[derive(Clone, Debug)]
struct Order {
    /// None is empty.
    pieces: Vec<Vec<u32>>,
}

/// Where a number stands: its piece, and where in the piece.
#[derive(Clone, Copy)]
struct Place {
    piece: usize,
    at: usize,
}

impl Order {
    /// The place of the number that `compare` says is equal, and the number; else the place where it would be put.
    fn find(&self, compare: &mut dyn FnMut(usize) -> Ordering) -> (Place, Option<usize>) {
        let (piece, found) = search(&self.pieces, &mut |piece| {
            piece.first().map_or(Ordering::Less, |number| compare(widened(*number)))
        });
        if let Some(numbers) = found {
            return (Place { piece, at: 0 }, numbers.first().copied().map(widened));
        }
        let piece = piece.saturating_sub(1);
        let numbers = self.pieces.get(piece).map_or(&[][..], |numbers| numbers);
        let (at, found) = search(numbers, &mut |number| compare(widened(*number)));
        (Place { piece, at }, found.copied().map(widened))
    }

    /// Puts a number into its place, for which a full piece is cut in two.
    fn put(&mut self, Place { mut piece, mut at }: Place, number: usize) {
        if self.pieces.is_empty() {
            self.pieces.push(Vec::new());
        }
        if let Some(numbers) = self.pieces.get_mut(piece)
            && numbers.len() >= PIECE
        {
            // What comes in order fills each piece.
            let half = if at == PIECE { PIECE } else { PIECE / 2 };
            let rest = numbers.split_off(half);
            self.pieces.insert(piece.saturating_add(1), rest);
            if at > half || half == PIECE {
                piece = piece.saturating_add(1);
                at = at.saturating_sub(half);
            }
        }
        if let Some(numbers) = self.pieces.get_mut(piece) {
            // An entry takes more than an octet: there are not so many.
            numbers.insert(at, u32::try_from(number).unwrap_or(u32::MAX));
        }
    }

    /// Takes a number out.
    fn remove(&mut self, place: Place) {
        if let Some(numbers) = self.pieces.get_mut(place.piece) {
            numbers.remove(place.at);
            if numbers.is_empty() {
                self.pieces.remove(place.piece);
            }
        }
    }

    /// Writes another number into a place.
    fn renumber(&mut self, place: Place, number: usize) {
        let there = self.pieces.get_mut(place.piece).and_then(|numbers| numbers.get_mut(place.at));
        if let (Some(there), Ok(number)) = (there, u32::try_from(number)) {
            *there = number;
        }
    }

    /// Numbers the entries in their order, and has the entries exchanged accordingly.
    fn settle(&mut self, count: usize, swap: &mut dyn FnMut(usize, usize)) {
        // Where each entry belongs.
        let mut wanted = vec![0; count];
        for (position, number) in self.pieces.iter_mut().flatten().enumerate() {
            if let Some(wanted) = wanted.get_mut(widened(*number)) {
                *wanted = position;
            }
            *number = u32::try_from(position).unwrap_or(u32::MAX);
        }
        for position in 0..count {
            while let Some(other) = wanted.get(position).copied().filter(|other| *other != position) {
                wanted.swap(position, other);
                swap(position, other);
            }
        }
    }

    /// The numbers in their order.
    const fn walk(&self, count: usize) -> Walk<'_> {
        let last = self.pieces.len().saturating_sub(1);
        Walk { order: self, first: Place { piece: 0, at: 0 }, last, behind: None, left: count }
    }
}

/// The numbers of an order from both ends.
#[derive(Clone)]
struct Walk<'o> {
    order: &'o Order,
    first: Place,
    /// The piece of the next number from the end, and how many of its numbers are left; none: all.
    last: usize,
    behind: Option<usize>,
    left: usize,
}

impl Iterator for Walk<'_> {
    type Item = usize;

    #[inline(never)]
    fn next(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        let mut numbers = self.order.pieces.get(self.first.piece)?;
        if self.first.at == numbers.len() {
            self.first = Place { piece: self.first.piece.saturating_add(1), at: 0 };
            numbers = self.order.pieces.get(self.first.piece)?;
        }
        let number = numbers.get(self.first.at)?;
        self.first.at = self.first.at.saturating_add(1);
        Some(widened(*number))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl DoubleEndedIterator for Walk<'_> {
    #[inline(never)]
    fn next_back(&mut self) -> Option<usize> {
        self.left = self.left.checked_sub(1)?;
        if self.behind == Some(0) {
            self.last = self.last.saturating_sub(1);
            self.behind = None;
        }
        let numbers = self.order.pieces.get(self.last)?;
        let at = self.behind.unwrap_or(numbers.len()).checked_sub(1)?;
        self.behind = Some(at);
        numbers.get(at).copied().map(widened)
    }
}

/// The first of sorted things that `compare` says is not less: its position, and itself if it is equal.
fn search<'t, T>(things: &'t [T], compare: &mut dyn FnMut(&T) -> Ordering) -> (usize, Option<&'t T>) {
    let (mut from, mut to) = (0, things.len());
    while from < to {
        let middle = usize::midpoint(from, to);
        let Some(thing) = things.get(middle) else { break };
        match compare(thing) {
            Ordering::Less => from = middle.saturating_add(1),
            Ordering::Equal => return (middle, Some(thing)),
            Ordering::Greater => to = middle,
        }
    }
    (from, None)
}

#[allow(clippy::as_conversions, reason = "the program runs on no processor of 16 bits")]
const fn widened(number: u32) -> usize {
    number as usize
}

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K, V> Map<K, V> {
    /// An empty map.
    #[must_use]
    pub const fn new() -> Self {
        Self { entries: Vec::new(), order: Order { pieces: Vec::new() } }
    }

    /// The number of entries.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        let entries = &self.entries;
        let entry = |number: usize| entries.get(number).map(|(key, value)| (key, value));
        self.order.walk(entries.len()).filter_map(entry)
    }

    /// The keys in their order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.iter().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.iter().map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.settle();
        self.entries.iter_mut().map(|(_, value)| value)
    }

    /// The values alone, in the order of their keys.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.into_iter().map(|(_, value)| value)
    }

    /// Brings the entries into the order of their keys.
    fn settle(&mut self) {
        let entries = &mut self.entries;
        self.order.settle(entries.len(), &mut |one, other| entries.swap(one, other));
    }
}

impl<K: Ord, V> Map<K, V> {
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> (Place, Option<usize>)
    where
        K: Borrow<Q>,
    {
        self.order.find(&mut |number| {
            self.entries.get(number).map_or(Ordering::Less, |(own, _)| own.borrow().cmp(key))
        })
    }

    /// The value of a key.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.entries.get(self.find(key).1?).map(|(_, value)| value)
    }

    /// The same, to be changed.
    #[must_use]
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let number = self.find(key).1?;
        self.entries.get_mut(number).map(|(_, value)| value)
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).1.is_some()
    }

    /// Puts a value in the place of the one that the key had, which is returned.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        let (place, number) = self.find(&key);
        if let Some((_, old)) = number.and_then(|number| self.entries.get_mut(number)) {
            return Some(core::mem::replace(old, value));
        }
        self.put(place, (key, value));
        None
    }

    /// Changes the value of a key; one that is not there is made before.
    pub fn change<R>(&mut self, key: K, change: impl FnOnce(&mut V) -> R) -> R
    where
        V: Default,
    {
        let (place, number) = self.find(&key);
        if let Some((_, value)) = number.and_then(|number| self.entries.get_mut(number)) {
            return change(value);
        }
        let mut value = V::default();
        let outcome = change(&mut value);
        self.put(place, (key, value));
        outcome
    }

    fn put(&mut self, place: Place, entry: (K, V)) {
        self.order.put(place, self.entries.len());
        self.entries.push(entry);
    }

    /// Takes an entry out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (place, number) = self.find(key);
        let number = number?;
        // The last entry takes the number of the one that goes.
        let (last, _) = self.entries.last()?;
        let moved = self.find(last.borrow()).0;
        self.order.renumber(moved, number);
        self.order.remove(place);
        Some(self.entries.swap_remove(number).1)
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Map<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::new();
        map.extend(entries);
        map
    }
}

impl<K: Ord, V> Extend<(K, V)> for Map<K, V> {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        entries.into_iter().for_each(|(key, value)| drop(self.insert(key, value)));
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Map<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<K: Eq, V: Eq> Eq for Map<K, V> {}

impl<K, V> IntoIterator for Map<K, V> {
    type Item = (K, V);
    type IntoIter = std::vec::IntoIter<(K, V)>;

    fn into_iter(mut self) -> Self::IntoIter {
        self.settle();
        self.entries.into_iter()
    }
}

/// Keys without values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set<K>(Map<K, ()>);

impl<K> Default for Set<K> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K> Set<K> {
    /// An empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Map::new())
    }

    /// The number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is no key.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The keys in their order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.0.keys()
    }
}

impl<K: Ord> Set<K> {
    /// Whether a key is in it.
    #[must_use]
    pub fn contains<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.contains_key(key)
    }

    /// Puts a key into it; false if it was in it.
    pub fn insert(&mut self, key: K) -> bool {
        self.0.insert(key, ()).is_none()
    }

    /// Takes a key out; false if it was not in it.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.0.remove(key).is_some()
    }
}

impl<K: Ord> FromIterator<K> for Set<K> {
    fn from_iter<I: IntoIterator<Item = K>>(keys: I) -> Self {
        let mut set = Self::new();
        set.extend(keys);
        set
    }
}

impl<K: Ord> Extend<K> for Set<K> {
    fn extend<I: IntoIterator<Item = K>>(&mut self, keys: I) {
        for key in keys {
            self.insert(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Numbers that look drawn by lot.
    fn numbers(count: u64) -> impl Iterator<Item = u64> {
        (0..count).scan(7_u64, |last, _| {
            *last = last.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            Some(*last >> 40)
        })
    }

    #[test]
    fn it_does_what_a_search_tree_does() {
        let (mut map, mut tree) = (Map::new(), BTreeMap::new());
        for (step, number) in numbers(60_000).enumerate() {
            let key = number % 3_000;
            match number / 3_000 % 8 {
                0..=3 => assert_eq!(map.insert(key, step), tree.insert(key, step)),
                4 => {
                    map.change(key, |value| *value += step);
                    *tree.entry(key).or_default() += step;
                }
                5 | 6 => assert_eq!(map.remove(&key), tree.remove(&key)),
                _ => assert_eq!(
                    (map.get(&key), map.contains_key(&key)),
                    (tree.get(&key), tree.contains_key(&key))
                ),
            }
            assert!(map.order.pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE));
        }
        assert!(map.len() == tree.len() && map.order.pieces.len() > 10);
        assert!(map.iter().eq(tree.iter()) && map.keys().rev().eq(tree.keys().rev()));
        let half = |count: usize| count / 2;
        let (front, back) = (map.values().take(half(map.len())), tree.values().take(half(tree.len())));
        assert!(front.eq(back));
        let mut both_ends = map.keys();
        let (first, last) = (both_ends.next(), both_ends.next_back());
        assert!(first == tree.keys().next() && last == tree.keys().next_back());
        assert_eq!(both_ends.clone().count() + 2, map.len());
        assert!(both_ends.rev().eq(tree.keys().rev().skip(1).take(map.len() - 2)));
        map.values_mut().zip(tree.values_mut()).for_each(|(one, other)| assert_eq!(one, other));
        assert!(map.iter().eq(tree.iter()) && tree.iter().all(|(key, value)| map.get(key) == Some(value)));
        assert!(map.into_iter().eq(tree));
    }

    #[test]
    fn what_comes_in_order_fills_the_pieces() {
        let rising: Set<u32> = (0..10_000).collect();
        assert_eq!(rising.0.order.pieces.len(), 10_000_usize.div_ceil(PIECE));
        let falling: Set<u32> = (0..10_000).rev().collect();
        assert!(falling.iter().eq(rising.iter()));
        assert!(falling.0.order.pieces.len() < 200);
        let tree: BTreeSet<u32> = (0..10_000).collect();
        assert!(rising.iter().eq(&tree) && rising.contains(&9_999) && !rising.contains(&10_000));
    }
}

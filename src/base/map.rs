//! A map and a set in the order of their keys, whose code is short for each type of key.
//!
//! A search tree of the standard library brings two kilobytes of code for each pair of types, a hash table one, and
//! the program has seventy such pairs, most of them small and used while a configuration is read. This map is a list
//! of sorted pieces. What does not depend on the types, the search, is in the program once.

use core::borrow::Borrow;
use core::cmp::Ordering;

/// Entries of a piece at most: a new entry moves a half of that on average.
const PIECE: usize = 128;

/// Values by key.
#[derive(Clone, Debug)]
pub struct Map<K, V> {
    /// None is empty.
    pieces: Vec<Vec<(K, V)>>,
}

/// Where a key is: its piece, and whether and where it stands in the piece.
type Found = (usize, Result<usize, usize>);

/// The first of `len` sorted places that `order` says is not less; `Ok` if it is equal.
fn search(len: usize, mut order: impl FnMut(usize) -> Ordering) -> Result<usize, usize> {
    let (mut from, mut to) = (0, len);
    while from < to {
        let middle = usize::midpoint(from, to);
        match order(middle) {
            Ordering::Less => from = middle.saturating_add(1),
            Ordering::Equal => return Ok(middle),
            Ordering::Greater => to = middle,
        }
    }
    Err(from)
}

/// Where the key stands: `len` says how many entries a piece has, `order` how the key of an entry compares.
fn place(
    pieces: usize,
    len: &dyn Fn(usize) -> usize,
    order: &mut dyn FnMut(usize, usize) -> Ordering,
) -> Found {
    match search(pieces, |piece| order(piece, 0)) {
        Ok(piece) => (piece, Ok(0)),
        Err(0) => (0, Err(0)),
        Err(after) => {
            let piece = after.saturating_sub(1);
            (piece, search(len(piece), |at| order(piece, at)))
        }
    }
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
        Self { pieces: Vec::new() }
    }

    /// The number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).fold(0, usize::saturating_add)
    }

    /// Whether there is no entry.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The entries, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        self.pieces.iter().flatten().map(|(key, value)| (key, value))
    }

    /// The keys in their order.
    pub fn keys(&self) -> impl DoubleEndedIterator<Item = &K> + Clone {
        self.pieces.iter().flatten().map(|(key, _)| key)
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> + Clone {
        self.pieces.iter().flatten().map(|(_, value)| value)
    }

    /// The same, to be changed.
    pub fn values_mut(&mut self) -> impl DoubleEndedIterator<Item = &mut V> {
        self.pieces.iter_mut().flatten().map(|(_, value)| value)
    }

    /// The values alone, in the order of their keys.
    pub fn into_values(self) -> impl Iterator<Item = V> {
        self.pieces.into_iter().flatten().map(|(_, value)| value)
    }

    /// Keeps what `keep` says.
    pub fn retain(&mut self, mut keep: impl FnMut(&K, &mut V) -> bool) {
        for piece in &mut self.pieces {
            piece.retain_mut(|(key, value)| keep(key, value));
        }
        self.pieces.retain(|piece| !piece.is_empty());
    }
}

impl<K: Ord, V> Map<K, V> {
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Found
    where
        K: Borrow<Q>,
    {
        let key_of = |piece: usize, at: usize| self.pieces.get(piece).and_then(|piece| piece.get(at));
        place(self.pieces.len(), &|piece| self.pieces.get(piece).map_or(0, Vec::len), &mut |piece, at| {
            key_of(piece, at).map_or(Ordering::Less, |(own, _)| own.borrow().cmp(key))
        })
    }

    fn at(&mut self, piece: usize, at: usize) -> Option<&mut V> {
        self.pieces.get_mut(piece)?.get_mut(at).map(|(_, value)| value)
    }

    /// The value of a key.
    #[must_use]
    pub fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let (piece, at) = self.find(key);
        self.pieces.get(piece)?.get(at.ok()?).map(|(_, value)| value)
    }

    /// The same, to be changed.
    #[must_use]
    pub fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let (piece, at) = self.find(key);
        self.at(piece, at.ok()?)
    }

    /// Whether there is such a key.
    #[must_use]
    pub fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).1.is_ok()
    }

    /// Puts a value in the place of the one that the key had, which is returned.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            (piece, Ok(at)) => self.at(piece, at).map(|old| core::mem::replace(old, value)),
            (piece, Err(at)) => {
                self.put(piece, at, (key, value));
                None
            }
        }
    }

    /// Changes the value of a key; one that is not there is made before.
    pub fn change<R>(&mut self, key: K, change: impl FnOnce(&mut V) -> R) -> R
    where
        V: Default,
    {
        let (piece, at) = self.find(&key);
        let at = match at {
            Ok(at) => {
                if let Some(value) = self.at(piece, at) {
                    return change(value);
                }
                at
            }
            Err(at) => at,
        };
        let mut value = V::default();
        let outcome = change(&mut value);
        self.put(piece, at, (key, value));
        outcome
    }

    /// Puts a new entry into its place, for which a full piece is cut in two.
    fn put(&mut self, mut piece: usize, mut at: usize, entry: (K, V)) {
        if piece >= self.pieces.len() {
            self.pieces.push(Vec::new());
        }
        if let Some(entries) = self.pieces.get_mut(piece)
            && entries.len() >= PIECE
        {
            // What comes in order fills each piece.
            let half = if at == PIECE { PIECE } else { PIECE / 2 };
            let rest = entries.split_off(half);
            self.pieces.insert(piece.saturating_add(1), rest);
            if at > half || half == PIECE {
                piece = piece.saturating_add(1);
                at = at.saturating_sub(half);
            }
        }
        if let Some(entries) = self.pieces.get_mut(piece) {
            entries.insert(at, entry);
        }
    }

    /// Takes an entry out.
    pub fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let (piece, at) = self.find(key);
        let entries = self.pieces.get_mut(piece)?;
        let (_, value) = entries.remove(at.ok()?);
        if entries.is_empty() {
            self.pieces.remove(piece);
        }
        Some(value)
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
    type IntoIter = core::iter::Flatten<std::vec::IntoIter<Vec<(K, V)>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.pieces.into_iter().flatten()
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
            assert!(map.pieces.iter().all(|piece| !piece.is_empty() && piece.len() <= PIECE));
        }
        assert!(map.len() == tree.len() && map.pieces.len() > 10);
        assert!(map.iter().eq(tree.iter()) && map.keys().rev().eq(tree.keys().rev()));
        map.retain(|key, value| key % 3 == 0 && *value > 9);
        tree.retain(|key, value| key % 3 == 0 && *value > 9);
        assert!(map.values().eq(tree.values()) && map.len() == tree.len());
        assert!(map.into_iter().eq(tree));
    }

    #[test]
    fn what_comes_in_order_fills_the_pieces() {
        let rising: Set<u32> = (0..10_000).collect();
        assert_eq!(rising.0.pieces.len(), 10_000_usize.div_ceil(PIECE));
        let falling: Set<u32> = (0..10_000).rev().collect();
        assert!(falling.iter().eq(rising.iter()));
        assert!(falling.0.pieces.len() < 200);
        let tree: BTreeSet<u32> = (0..10_000).collect();
        assert!(rising.iter().eq(&tree) && rising.contains(&9_999) && !rising.contains(&10_000));
    }
}

//! A part that few objects have: one pointer where it is absent, so that thousands of plain objects stay small.

use core::fmt;
use core::ops::{Deref, DerefMut};

/// A value that is mostly empty. It reads as the empty value where nothing was put, and takes memory of its own from
/// the first change on.
pub struct Rare<T>(Option<Box<T>>);

/// What a [`Rare`] reads as while nothing was put.
pub trait Empty: Default + 'static {
    /// The empty value, the same as the default.
    fn empty() -> &'static Self;
}

impl<T: 'static> Empty for Vec<T> {
    fn empty() -> &'static Self {
        const { &Self::new() }
    }
}

impl<T> Default for Rare<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Rare<T> {
    /// Whether nothing was put.
    #[must_use]
    pub const fn is_absent(&self) -> bool {
        self.0.is_none()
    }
}

impl<T: Empty> Deref for Rare<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match &self.0 {
            Some(value) => value,
            None => T::empty(),
        }
    }
}

impl<T: Empty> DerefMut for Rare<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.get_or_insert_default()
    }
}

impl<T: Empty + PartialEq> From<T> for Rare<T> {
    fn from(value: T) -> Self {
        Self((value != *T::empty()).then(|| Box::new(value)))
    }
}

impl<T> FromIterator<T> for Rare<Vec<T>> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let list: Vec<T> = items.into_iter().collect();
        Self((!list.is_empty()).then(|| Box::new(list)))
    }
}

impl<'a, T: 'static> IntoIterator for &'a Rare<Vec<T>> {
    type Item = &'a T;
    type IntoIter = core::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// What changes no list into one makes none of nothing either.
impl<T> Rare<Vec<T>> {
    /// The items, to be changed.
    pub fn iter_mut(&mut self) -> core::slice::IterMut<'_, T> {
        self.0.as_deref_mut().map_or(&mut [][..], Vec::as_mut_slice).iter_mut()
    }

    /// Keeps the items that `keep` says.
    pub fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        if let Some(list) = &mut self.0 {
            list.retain(keep);
        }
    }

    /// Keeps the items that `keep` says, which may change them.
    pub fn retain_mut(&mut self, keep: impl FnMut(&mut T) -> bool) {
        if let Some(list) = &mut self.0 {
            list.retain_mut(keep);
        }
    }
}

impl<T: Clone> Clone for Rare<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Empty + PartialEq> PartialEq for Rare<T> {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl<T: Empty + Eq> Eq for Rare<T> {}

impl<T: Empty + fmt::Debug> fmt::Debug for Rare<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::Rare;

    #[test]
    fn nothing_reads_as_empty_and_equals_it() {
        let mut list: Rare<Vec<u8>> = Rare::default();
        assert_eq!(size_of_val(&list), size_of::<usize>());
        assert!(list.is_empty());
        assert_eq!(list, Rare::from(Vec::new()));
        assert_eq!(list.iter_mut().count(), 0);
        list.retain(|_| false);
        assert!(list.0.is_none(), "to look at nothing makes nothing");
        list.push(1);
        assert_ne!(list, Rare::default());
        assert_eq!((&list).into_iter().copied().collect::<Rare<Vec<u8>>>(), list);
    }
}

//! A part that many objects have alike: they share one, so that thousands of objects stay small.

use core::borrow::Borrow;
use core::hash::{Hash, Hasher};
use core::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A value that others may share. Who changes it has one of its own from then on.
#[derive(Clone, Debug)]
pub struct Common<T>(Arc<T>);

impl<T> Common<T> {
    /// A value that nobody shares yet.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

/// The value, shared with its other owners.
impl<T> From<Common<T>> for Arc<T> {
    fn from(common: Common<T>) -> Self {
        common.0
    }
}

impl<T> Deref for Common<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Clone> DerefMut for Common<T> {
    fn deref_mut(&mut self) -> &mut T {
        Arc::make_mut(&mut self.0)
    }
}

impl<T> Borrow<T> for Common<T> {
    fn borrow(&self) -> &T {
        &self.0
    }
}

impl<T: PartialEq> PartialEq for Common<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl<T: Eq> Eq for Common<T> {}

impl<T: Hash> Hash for Common<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl<T> Common<T> {
    /// Whether both are one value, not only alike.
    #[cfg(test)]
    pub(super) fn is_one_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

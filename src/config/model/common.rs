//! A part that many objects have alike: they share one, so that thousands of objects stay small.

use core::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A value that others may share. Who changes it has one of its own from then on.
#[derive(Debug)]
pub struct Common<T>(Arc<T>);

impl<T> Common<T> {
    /// A value that nobody shares yet.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self(Arc::new(value))
    }
}

impl<T> Clone for Common<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T: Default> Default for Common<T> {
    fn default() -> Self {
        Self::new(T::default())
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

impl<T: PartialEq> PartialEq for Common<T> {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl<T: Eq> Eq for Common<T> {}

impl<T> Common<T> {
    /// Whether both are one value, not only alike.
    #[cfg(test)]
    pub(super) fn is_one_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

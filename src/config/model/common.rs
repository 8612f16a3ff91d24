//! A part that many objects have alike: they share one, so that thousands of objects stay small.

use core::borrow::Borrow;
use core::hash::{Hash, Hasher};
use core::ops::{Deref, DerefMut};
use std::collections::HashSet;
use std::sync::Arc;

use super::Instance;
use super::instance::Settings;
use crate::proto::vrrp::Params;

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

/// Lets instances share what they have alike.
#[derive(Debug, Default)]
pub struct Sharing {
    params: HashSet<Common<Params>>,
    /// Those that were met last; a configuration has few.
    settings: Vec<Common<Settings>>,
}

/// Kinds of settings that are looked through for each instance.
const KINDS: usize = 16;

impl Sharing {
    /// Gives an instance the parameters and the settings of one that it was given before, if they are the same.
    pub fn share(&mut self, instance: &mut Instance) {
        match self.params.get(&instance.params) {
            Some(known) => instance.params = known.clone(),
            None => {
                self.params.insert(instance.params.clone());
            }
        }
        if instance.settings.has_places() {
            return;
        }
        if let Some(known) = self.settings.iter().find(|known| **known == instance.settings) {
            instance.settings = known.clone();
            return;
        }
        if self.settings.len() == KINDS {
            self.settings.remove(0);
        }
        self.settings.push(instance.settings.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::{At, Global};
    use crate::config::rows::instance::Draft;

    fn instance(vrid: u8) -> Instance {
        let mut instance = Draft::new("A", At::default(), &Global::default()).instance;
        instance.params.vrid = vrid;
        instance
    }

    #[test]
    fn what_is_alike_is_there_once_until_it_is_changed() {
        let mut sharing = Sharing::default();
        let [mut one, mut two, mut other] = [instance(1), instance(1), instance(2)];
        for instance in [&mut one, &mut two, &mut other] {
            sharing.share(instance);
        }
        let same = |one: &Instance, two: &Instance| {
            (Arc::ptr_eq(&one.params.0, &two.params.0), Arc::ptr_eq(&one.settings.0, &two.settings.0))
        };
        assert_eq!(same(&one, &two), (true, true));
        assert_eq!(same(&one, &other), (false, true));
        two.accept = false;
        two.params.priority = 7;
        assert_eq!(same(&one, &two), (false, false));
        assert!(one.accept && one.params.priority != 7);
    }

    /// What has a place in the text is not shared: findings about it would name the place of another.
    #[test]
    fn what_has_a_place_of_its_own_is_not_shared() {
        let mut sharing = Sharing::default();
        let [mut one, mut two] = [instance(1), instance(1)];
        for instance in [&mut one, &mut two] {
            instance.notify.deleted = true;
            sharing.share(instance);
        }
        assert!(one.settings == two.settings && !Arc::ptr_eq(&one.settings.0, &two.settings.0));
    }
}

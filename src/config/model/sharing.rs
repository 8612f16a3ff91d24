//! Instances share what they have alike, so that thousands of them stay small.

use std::collections::HashSet;

use super::instance::Settings;
use super::{Common, Instance};
use crate::proto::vrrp::Params;

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
    use crate::config::rows::instance::InstanceDraft;

    fn instance(vrid: u8) -> Instance {
        let mut instance = InstanceDraft::new("A", At::default(), &Global::default()).instance;
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
            (one.params.is_one_with(&two.params), one.settings.is_one_with(&two.settings))
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
        assert!(one.settings == two.settings && !one.settings.is_one_with(&two.settings));
    }
}

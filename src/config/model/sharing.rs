//! Instances share what they have alike, so that thousands of them stay small.

use super::instance::Settings;
use super::{Common, Instance};
use crate::base::map::Map;
use crate::proto::vrrp::Params;

/// Lets instances share what they have alike.
#[derive(Debug, Default)]
pub struct Sharing {
    /// By virtual router id, those that were met last.
    params: Map<u8, Vec<Common<Params>>>,
    /// Those that were met last; a configuration has few.
    settings: Vec<Common<Settings>>,
}

/// Kinds that are looked through for each instance.
const KINDS: usize = 16;

/// Puts one of the known values in the place of its like; a new value becomes known.
fn share<T>(known: &mut Vec<Common<T>>, value: &mut Common<T>, is_like: fn(&T, &T) -> bool) {
    if let Some(known) = known.iter().find(|known| is_like(known, value)) {
        *value = known.clone();
        return;
    }
    if known.len() == KINDS {
        known.remove(0);
    }
    known.push(value.clone());
}

impl Sharing {
    /// Gives an instance the parameters and the settings of one that it was given before, if they are the same.
    pub fn share(&mut self, instance: &mut Instance) {
        self.params.change(instance.params.vrid, |known| share(known, &mut instance.params, Params::eq));
        if !instance.settings.has_places() {
            share(&mut self.settings, &mut instance.settings, Settings::is_like);
        }
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

    #[test]
    fn settings_that_differ_stay_two() {
        let changes: [fn(&mut Settings); 7] = [
            |settings| settings.linkbeat_polling = true,
            |settings| settings.debug = 3,
            |settings| settings.unicast_ttl = Some(9),
            |settings| settings.receive_buffer = Some(9),
            |settings| settings.source = Some([10, 0, 0, 1].into()),
            |settings| settings.auth_pass = Some("secret".into()),
            |settings| settings.conflict = Some("other".into()),
        ];
        for change in changes {
            let (mut sharing, [mut one, mut two]) = (Sharing::default(), [instance(1), instance(1)]);
            change(&mut two.settings);
            [&mut one, &mut two].into_iter().for_each(|instance| sharing.share(instance));
            assert!(!one.settings.is_one_with(&two.settings) && one.settings != two.settings);
            change(&mut one.settings);
            sharing.share(&mut one);
            assert!(one.settings.is_one_with(&two.settings));
        }
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

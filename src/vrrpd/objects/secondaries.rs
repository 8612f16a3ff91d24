//! `promote_secondaries`: the setting of an interface that keeps its other addresses when the first one goes.

use crate::base::addr::Family;
use crate::base::id::LinkId;
use crate::sys::sysctl::Setting;
use crate::vrrpd::report;
use crate::vrrpd::state::Vrrp;

const KEY: &str = "promote_secondaries";

impl Vrrp {
    /// Sets it where an instance wants it and its interface is there.
    pub(in crate::vrrpd) fn put_secondaries(&mut self) {
        for position in 0..self.instances.len() {
            let wanted = self.instances.get(position).filter(|instance| instance.config.promote_secondaries);
            let Some(link) = wanted.and_then(|instance| instance.own) else { continue };
            self.put_secondary(link);
        }
    }

    fn put_secondary(&mut self, link: LinkId) {
        let Some(link) = self.links.link(link).filter(|link| link.index.is_some()) else { return };
        let setting = Setting { family: Family::V4, interface: link.name.clone(), key: KEY };
        match self.network.settings.set(&setting, 1) {
            Ok(true) => report::setting_changed(&setting, 1),
            Ok(false) => {}
            Err(error) => report::setting_failed(&setting, &error),
        }
    }

    /// After a reload: puts it back where nobody wants it any more.
    pub(in crate::vrrpd) fn forget_secondaries(&mut self) {
        for position in 0..self.links.len() {
            let id = LinkId::at(position);
            let wanted = |instance: &crate::vrrpd::live::Instance| {
                instance.config.promote_secondaries && instance.own == Some(id)
            };
            if !self.instances.iter().any(wanted)
                && let Some(link) = self.links.link(id)
            {
                self.network.settings.restore(&link.name, |it, error| report::setting_failed(it, &error));
            }
        }
    }

    /// Puts it back everywhere. For the end.
    pub(in crate::vrrpd) fn restore_secondaries(&mut self) {
        self.network.settings.restore_all(|setting, error| report::setting_failed(setting, &error));
    }
}

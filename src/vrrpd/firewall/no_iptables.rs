//! What stands in the place of iptables in a build without the feature of this name: nothing is wanted of it, and
//! nothing of it is in the kernel. A configuration that asks for it was reported, and has nftables.

use super::tables::Parts;
use super::{Around, Firewall, report};
use crate::config::diag::Diagnostics;
use crate::config::model::Model;
use crate::config::model::global::Firewall as Config;
use crate::vrrpd::own::ledger::{Guarding, Ledger, Left};

/// Nothing.
#[derive(Default)]
pub(super) struct Iptables(());

#[allow(clippy::unused_self, reason = "as with the feature")]
impl Iptables {
    pub(super) const fn is_wanted(&self) -> bool {
        false
    }

    pub(super) const fn is_there(&self) -> bool {
        false
    }

    pub(super) const fn want(&mut self, _: Option<(&Config, Parts)>) {}

    pub(super) fn in_kernel(&self) -> impl Iterator<Item = Guarding<'_>> {
        core::iter::empty()
    }
}

pub(super) const fn is_chosen(_: &Config) -> bool {
    false
}

/// Nothing has to be logged.
pub fn check(_: &Model, _: &mut Diagnostics) {}

#[allow(clippy::unused_self, reason = "as with the feature")]
impl Firewall {
    pub(super) fn start_iptables(&mut self, around: &mut Around<'_, '_>, left: &Left, config: &Config) {
        self.remove_left_rules(around.ledger, left, config);
    }

    pub(super) fn put_iptables(&mut self, _: &mut Around<'_, '_>) {}

    pub(super) fn flush_iptables(&mut self, _: &mut Around<'_, '_>) {}

    pub(super) fn retry_iptables(&mut self, _: &mut Around<'_, '_>) {}

    pub(super) fn drop_iptables(&mut self) {}

    pub(super) fn remove_iptables(&mut self) {}

    /// Logs what a dead child of another build left, which this one cannot remove.
    pub(in crate::vrrpd) fn remove_left_rules(&mut self, _: &Ledger, left: &Left, _: &Config) {
        if left.rules || !left.ipsets.is_empty() {
            report::rules_stay();
        }
    }
}

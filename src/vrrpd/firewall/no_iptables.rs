//! What stands in the place of iptables in a build without the feature of this name: nothing is wanted of it, and
//! nothing of it is in the kernel. A configuration that asks for it was told, and has nftables.

use super::report;
use super::tables::Parts;
use crate::config::diag::Diagnostics;
use crate::config::model::Model;
use crate::config::model::global::Firewall as Config;
use crate::daemon::reactor::Turn;
use crate::vrrpd::own::ledger::{Guarding, Left};
use crate::vrrpd::state::Vrrp;

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

/// Nothing has to be told.
pub fn check(_: &Model, _: &mut Diagnostics) {}

#[allow(clippy::unused_self, reason = "as with the feature")]
impl Vrrp {
    pub(super) fn start_iptables(&mut self, _: &mut Turn<'_>, left: &Left) {
        self.remove_left_rules(left);
    }

    pub(super) fn put_iptables(&mut self, _: &mut Turn<'_>) {}

    pub(super) fn flush_iptables(&mut self, _: &mut Turn<'_>) {}

    pub(super) fn retry_iptables(&mut self, _: &mut Turn<'_>) {}

    pub(super) fn drop_iptables(&mut self, _: &mut Turn<'_>) {}

    pub(super) fn remove_iptables(&mut self) {}

    /// Tells what a dead child of another build left, which this one cannot remove.
    pub(in crate::vrrpd) fn remove_left_rules(&mut self, left: &Left) {
        if left.rules || !left.ipsets.is_empty() {
            report::rules_stay();
        }
    }
}

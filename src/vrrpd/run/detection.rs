//! Duplicate address detection at the start: an interface that has just come up has a link-local address, but it is no
//! source of adverts for a second or two (RFC 4862 section 5.4).
//!
//! At a router's boot that is the usual case and no fault. An instance that lacks nothing else stays in INIT, its sync
//! group with it, until the kernel says that the address can be used or that somebody else has it, or the patience is
//! over. Once an instance has begun it counts as everything else that is missing: a reason for FAULT.

use crate::base::addr::Prefix;
use crate::base::id::{InstanceId, LinkId};
use crate::base::limit;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::State;
use crate::sys::netlink::addr::Address;
use crate::vrrpd::live::{Instance, is_in_detection, is_usable};
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::slots::Slot;

impl Vrrp {
    /// Instances are about to begin: from now on they wait for their sources.
    pub(super) fn begin_detection(&mut self, turn: &mut Turn<'_>) {
        self.routers.policy.set_patient(true);
        let until = turn.now() + limit::DETECTION_PATIENCE;
        turn.set_deadline(self.work.layout.number(Slot::Detection), Some(until));
    }

    /// The patience is over: an address that still cannot be used is as good as none.
    pub(super) fn end_detection(&mut self, turn: &mut Turn<'_>) {
        self.routers.policy.set_patient(false);
        for id in self.ids() {
            if self.instance(id).is_some_and(|instance| self.situation().is_probed(instance)) {
                self.refresh(turn, id);
            }
        }
    }

    /// Whether an instance that has no source of adverts begins once the one that is being probed can be used.
    fn awaits_detection(&self, instance: &Instance) -> bool {
        self.routers.policy.is_patient()
            && self.situation().is_probed(instance)
            && instance.router.state() == State::Init
    }

    /// An instance is about to begin: logs if it has to wait.
    pub(super) fn log_detection(&self, id: InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        let link = instance.source_link().and_then(|link| self.links.table.link(link));
        if let Some(link) = link.filter(|_| self.awaits_detection(instance)) {
            report::awaits_detection(&instance.config.name, &link.name);
        }
    }

    /// The kernel reports an address that is not ours and cannot be used, or not any more.
    pub(super) fn detection_reported(
        &mut self,
        turn: &mut Turn<'_>,
        link: LinkId,
        address: Prefix,
        goes_on: bool,
    ) {
        if self.links.table.set_tentative(link, address, goes_on) && self.routers.policy.is_patient() {
            self.source_changed(turn, link);
        }
    }

    /// Enters an address of a list that is not ours.
    pub(super) fn enter_listed(&mut self, link: LinkId, address: &Address) {
        if is_usable(address) {
            self.links.table.address_new(link, address.prefix);
        } else {
            self.links.table.set_tentative(link, address.prefix, is_in_detection(address));
        }
    }
}

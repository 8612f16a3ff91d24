//! A MASTER whose addresses the kernel refuses serves nobody, and must not keep others from doing so.
//!
//! After a few tries the instance goes to FAULT. There one address is tried once a second, and deleted at once if the
//! kernel takes it: that ends FAULT. An instance that has at least one of its addresses goes on; those that are refused
//! are tried again.

use super::Vrrp;
use crate::base::id::InstanceId;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::{Fault, Faults, State};
use crate::vrrpd::live::Instance;

impl Vrrp {
    /// A second has passed: the kernel is asked again for the addresses that it refused.
    pub(super) fn retry_addresses(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        match (instance.router.state(), instance.cannot_serve()) {
            (State::Master, true) => {
                self.arm_retry(turn);
                self.refresh(turn, id);
            }
            (State::Fault, true) => {
                self.arm_retry(turn);
                self.probe_address(turn, id);
            }
            _ if instance.lacks_address() => self.touch(id, |pending| pending.add = true),
            _ => {}
        }
    }

    /// Asks the kernel for an address of an instance in FAULT, if nothing else speaks against it.
    fn probe_address(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let only = Faults::NONE.with(Fault::Address, true);
        let ready = self.instance(id).filter(|instance| instance.router.faults().own() == only);
        let Some(position) = ready.and_then(Instance::first_refused) else { return };
        self.items.ask_for_address(&mut self.routers.instances, &self.links.table, id, position, true);
        self.commit_batch();
        if self.instance(id).is_none_or(Instance::cannot_serve) {
            return;
        }
        self.items.ask_for_address(&mut self.routers.instances, &self.links.table, id, position, false);
        self.commit_batch();
        self.items.forget_late(id);
        if let Some(instance) = self.instance_mut(id) {
            instance.forget_refusals();
        }
        self.refresh(turn, id);
    }
}

//! How many octets of netlink's messages the kernel holds back for this process while it does something else.

use crate::base::limit;
use crate::child::queues::ask;
use crate::sys::queue::QueueSize;
use crate::vrrpd::run::Vrrp;

impl Vrrp {
    /// What netlink reports of many interfaces or addresses of our own that all come at once has to fit into the queue of
    /// the monitor, unless the configuration says how long that is. The kernel takes only the memory that is used.
    pub(super) fn widen_monitor(&self) {
        let addresses: usize = self.routers.instances.iter().map(|instance| instance.addresses.len()).sum();
        let addresses =
            addresses.saturating_mul(limit::MONITOR_OCTETS_ADDRESS).min(limit::MONITOR_OCTETS_ADDRESSES);
        let octets = self.owns.list().len().saturating_mul(limit::MONITOR_OCTETS_EACH);
        let octets = octets.saturating_add(addresses);
        if octets > limit::MONITOR_QUEUE && self.model.global.buffers.vrrp_monitor.bytes.is_none() {
            // A process that may not ask for more has everything listed again when something was lost.
            let _ = self.links.monitor.set_receive_buffer(QueueSize { octets, force: true });
        }
    }

    /// After a reload. A queue that is not configured any more keeps its size.
    pub(super) fn resize_queues(&self) {
        let buffers = &self.model.global.buffers;
        ask("command", buffers.vrrp_command, |size| self.items.commands.set_receive_buffer(size));
        ask("monitor", buffers.vrrp_monitor, |size| self.links.monitor.set_receive_buffer(size));
        self.widen_monitor();
    }
}

//! How many octets of netlink's messages the kernel holds back for this process while it does something else.

use crate::base::limit;
use crate::config::model::global::Buffer;
use crate::sys::queue::QueueSize;
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;

/// Asks for a queue of a netlink socket as the queue is configured; what is not configured stays as the system has it.
pub(super) fn ask(socket: &str, wanted: Buffer, set: impl FnOnce(QueueSize) -> std::io::Result<()>) {
    let Some(octets) = wanted.bytes.and_then(|octets| usize::try_from(octets).ok()) else { return };
    if let Err(error) = set(QueueSize { octets, force: wanted.force }) {
        report::kernel_failed(&format!("the receive buffer of the netlink {socket} socket"), &error);
    }
}

impl Vrrp {
    /// What netlink tells of many interfaces or addresses of our own that all come at once has to fit into the queue of
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

//! How much the kernel holds back for this process while it does something else: netlink's queues, and those of adverts.

use super::report;
use super::state::Vrrp;
use crate::base::addr::Family;
use crate::base::id::SocketId;
use crate::base::limit;
use crate::config::model::global::{Buffer, Policy};
use crate::proto::vrrp::{Auth, Version};
use crate::sys::queue::QueueSize;

/// Asks for a queue of netlink's as it is configured; what is not configured stays as the system has it.
pub(super) fn ask(socket: &str, wanted: Buffer, set: impl FnOnce(QueueSize) -> std::io::Result<()>) {
    let Some(octets) = wanted.bytes.and_then(|octets| usize::try_from(octets).ok()) else { return };
    if let Err(error) = set(QueueSize { octets, force: wanted.force }) {
        report::kernel_failed(&format!("the receive buffer of the netlink {socket} socket"), &error);
    }
}

impl Vrrp {
    /// What netlink tells of many interfaces or addresses of our own that all come at once has to fit into its queue, unless somebody
    /// says how long that is. The kernel takes what is used of it only.
    pub(super) fn widen_monitor(&self) {
        let addresses: usize = self.routers.instances.iter().map(|instance| instance.addresses.len()).sum();
        let addresses =
            addresses.saturating_mul(limit::MONITOR_OCTETS_ADDRESS).min(limit::MONITOR_OCTETS_ADDRESSES);
        let octets = self.owns.list().len().saturating_mul(limit::MONITOR_OCTETS_EACH);
        let octets = octets.saturating_add(addresses);
        if octets > limit::MONITOR_QUEUE && self.model.global.buffers.vrrp_monitor.bytes.is_none() {
            // Who may not ask for more has everything listed again when something was lost.
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

    /// Sizes the queues of adverts for the instances that share them: what each one says for itself
    /// (`kernel_rx_buf_size`), else what `vrrp_rx_bufs_policy` gives it. For load time and returning interfaces: allocates.
    pub(super) fn size_receivers(&mut self) {
        let mut wanted: Vec<(SocketId, usize)> = Vec::new();
        for instance in &self.routers.instances {
            let (Some(socket), Some(octets)) = (instance.socket, self.queue_of(instance)) else { continue };
            match wanted.iter_mut().find(|(other, _)| *other == socket) {
                Some((_, sum)) => *sum = sum.saturating_add(octets),
                None => wanted.push((socket, octets)),
            }
        }
        for (socket, octets) in wanted {
            if let Err(error) = self.sockets.pool.size(socket, octets) {
                report::kernel_failed("the receive buffer of adverts", &error);
            }
        }
    }

    /// What an instance wants to be held back for it; none: whatever the system gives.
    fn queue_of(&self, instance: &super::live::Instance) -> Option<usize> {
        if let Some(octets) = instance.config.receive_buffer {
            return usize::try_from(octets).ok();
        }
        let buffers = &self.model.global.buffers;
        let one = match buffers.policy? {
            Policy::Bytes(octets) => return usize::try_from(octets).ok(),
            Policy::Mtu => {
                let link = instance.base.or(instance.transmit).and_then(|link| self.links.table.link(link));
                link.map_or(0, |link| link.mtu)
            }
            Policy::Advert => advert_octets(instance),
        };
        usize::try_from(one.saturating_mul(buffers.multiplier.unwrap_or(MULTIPLIER))).ok()
    }
}

/// Octets of an advert with its IP header.
fn advert_octets(instance: &super::live::Instance) -> u32 {
    let addresses = u32::try_from(instance.advertised().len()).unwrap_or(u32::MAX);
    let params = instance.router.params();
    let (header, address) = match instance.family() {
        Family::V4 => (20, 4),
        Family::V6 => (40, 16),
    };
    let more = match params.auth {
        Auth::Header(_) => 24 + 8,
        _ if params.version == Version::V2 => 8,
        _ => 0,
    };
    addresses.saturating_mul(address).saturating_add(header + 8 + more)
}

/// Of `vrrp_rx_bufs_multiplier`.
const MULTIPLIER: u32 = 3;

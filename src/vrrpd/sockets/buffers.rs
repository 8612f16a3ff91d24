//! How many octets of adverts the kernel holds back for the child while it does something else.

use super::Sockets;
use crate::base::addr::Family;
use crate::base::id::SocketId;
use crate::child::links::Links;
use crate::config::model::global::{Buffers, Policy};
use crate::proto::vrrp::{Auth, Version};
use crate::vrrpd::live::Instance;
use crate::vrrpd::report;

impl Sockets {
    /// Sizes the queues of adverts for the instances that share them: what each instance says for itself
    /// (`kernel_rx_buf_size`), else what `vrrp_rx_bufs_policy` gives it. For load time and returning interfaces:
    /// allocates.
    pub(super) fn size_receivers(&mut self, instances: &[Instance], links: &Links, buffers: &Buffers) {
        let mut wanted: Vec<(SocketId, usize)> = Vec::new();
        for instance in instances {
            let octets = queue_of(instance, links, buffers);
            let (Some(socket), Some(octets)) = (instance.reception.socket, octets) else { continue };
            match wanted.iter_mut().find(|(other, _)| *other == socket) {
                Some((_, sum)) => *sum = sum.saturating_add(octets),
                None => wanted.push((socket, octets)),
            }
        }
        for (socket, octets) in wanted {
            if let Err(error) = self.pool.size(socket, octets) {
                report::kernel_failed("the receive buffer of adverts", &error);
            }
        }
    }
}

/// What an instance wants to be held back for it; none: whatever the system gives.
fn queue_of(instance: &Instance, links: &Links, buffers: &Buffers) -> Option<usize> {
    if let Some(octets) = instance.config.receive_buffer {
        return usize::try_from(octets).ok();
    }
    let one = match buffers.policy? {
        Policy::Bytes(octets) => return usize::try_from(octets).ok(),
        Policy::Mtu => {
            let link = instance.links.base.or(instance.links.transmit).and_then(|link| links.link(link));
            link.map_or(0, |link| link.mtu)
        }
        Policy::Advert => advert_octets(instance),
    };
    usize::try_from(one.saturating_mul(buffers.multiplier.unwrap_or(MULTIPLIER))).ok()
}

/// Octets of an advert with its IP header.
fn advert_octets(instance: &Instance) -> u32 {
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

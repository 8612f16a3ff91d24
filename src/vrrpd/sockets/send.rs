//! Adverts gathered, and handed to the kernel: those of all instances of a turn in one system call for each family.

use super::{Sockets, advert};
use crate::base::addr::{Family, IpAddr};
use crate::base::bytes::Writer;
use crate::base::id::{IfIndex, InstanceId};
use crate::child::links::Links;
use crate::daemon::keep::Keep;
use crate::sys::clock;
use crate::sys::raw::send::{Message, SendBatch};
use crate::vrrpd::live::Instance;
use crate::vrrpd::report;
use crate::wire::vrrp;

impl Sockets {
    /// Puts an advert of this priority into the batch: one datagram to the group, or one to each peer. A batch that is
    /// full is flushed first, see [`Self::flush`].
    pub fn queue(&mut self, id: InstanceId, instance: &Instance, links: &Links, keep: &Keep, priority: u8) {
        for position in 0..instance.peers.len().max(1) {
            self.queue_datagram(id, instance, links, keep, (priority, position));
        }
    }

    fn queue_datagram(
        &mut self,
        id: InstanceId,
        instance: &Instance,
        links: &Links,
        keep: &Keep,
        (priority, position): (u8, usize),
    ) {
        let peer = instance.peers.get(position);
        let destination = peer.map_or(instance.config.group, |peer| peer.addr);
        // An old router expects the group under the checksum of what is sent to it.
        let covered = peer.filter(|peer| !peer.old_form).map_or(instance.config.group, |peer| peer.addr);
        // Without its interface an advert would leave by whatever the routing table says, and a goodbye reach a
        // network that it is no business of.
        let index = match instance.links.transmit {
            None => IfIndex(0),
            Some(link) => match links.link(link).and_then(|link| link.index) {
                Some(index) => index,
                None => return,
            },
        };
        let mut writer = Writer::new(&mut self.scratch[..]);
        if advert::emit(&mut writer, instance, priority, destination, covered).is_err() {
            // No source address: the instance is on its way to FAULT.
            return;
        }
        let message = Message {
            tag: id.0,
            octets: writer.written(),
            destination,
            source: match instance.local() {
                Some(IpAddr::V6(source)) => Some(source),
                _ => None,
            },
            interface: index,
            hop_limit: (!instance.peers.is_empty())
                .then(|| instance.config.unicast_ttl.unwrap_or(vrrp::HOP_LIMIT)),
        };
        let batch = match instance.family() {
            Family::V4 => &mut self.send_v4,
            Family::V6 => &mut self.send_v6,
        };
        if batch.push(&message).is_ok() {
            return;
        }
        let len = message.octets.len();
        let mut again = Message { octets: &[], ..message };
        self.flush(keep);
        again.octets = self.scratch.get(..len).unwrap_or_default();
        let batch = match Family::of(&destination) {
            Family::V4 => &mut self.send_v4,
            Family::V6 => &mut self.send_v6,
        };
        // An empty batch takes any advert: its capacity is that of the longest.
        let _ = batch.push(&again);
    }

    /// Hands the gathered adverts to the kernel, having noted for a successor when that was.
    pub fn flush(&mut self, keep: &Keep) {
        if !self.send_v4.is_empty() || !self.send_v6.is_empty() {
            keep.beat(clock::now());
        }
        let Self { pool, send_v4, send_v6, failures, .. } = self;
        let mut failed = |tag: u32, errno: nix::errno::Errno| {
            if failures.len() < failures.capacity() {
                failures.push((InstanceId(tag), errno as i32));
            }
        };
        let mut flush = |family, batch: &mut SendBatch| {
            if batch.is_empty() {
                return;
            }
            match pool.sender(family) {
                Ok(socket) => {
                    socket.send(batch, &mut failed);
                }
                Err(_) => batch.clear(),
            }
        };
        flush(Family::V4, send_v4);
        flush(Family::V6, send_v6);
    }

    /// Logs which adverts the kernel refused, of several in a row of one instance the first.
    pub fn log_failures(&mut self, instances: &mut [Instance]) {
        for (id, errno) in self.failures.drain(..) {
            let Some(instance) = instances.get_mut(id.index()) else {
                continue;
            };
            let this = instance.advert.ip_id;
            let before = instance.advert.refused.replace(this);
            if before.is_none_or(|before| before != this && Instance::next_id(before) != this) {
                report::send_failed(&instance.config.name, errno);
            }
        }
    }
}

//! Where adverts come in: a receiver for each instance, and each advert to the router that it is meant for.

use super::live::advertised;
use super::pool::Key;
use super::report;
use super::state::Vrrp;
use crate::base::addr::Family;
use crate::base::id::{InstanceId, SocketId};
use crate::base::time::Span;
use crate::daemon::reactor::{Again, Turn};
use crate::proto::vrrp::{Actions, Packet, Surroundings};
use crate::sys::raw::receive::Datagram;
use crate::wire::ipv4;

/// How far back the kernel's stamp of an advert is believed. A queue that stood for longer may have lost newer
/// adverts, and the wall clock, which stamps are made of, may have been set.
const ARRIVAL_TRUST: Span = Span::from_millis(10);

impl Vrrp {
    /// Opens the socket that an instance hears adverts by; on failure it waits in FAULT.
    pub(super) fn open_socket(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        // Without an interface it may be a VRF that adverts come in by.
        let hears = instance.base.or(instance.transmit);
        let device = hears.and_then(|link| {
            let link = self.links.link(link)?;
            Some((link.name.clone(), link.index?))
        });
        if hears.is_some() && device.is_none() {
            // Not there: LinkMissing says so.
            return self.set_socket(id, None, false);
        }
        let key = Key {
            family: instance.family(),
            link: hears,
            group: instance.peers.is_empty().then_some(instance.config.group),
        };
        let buffer = instance.config.receive_buffer;
        let device = device.as_ref().map(|(name, index)| (name, *index));
        match self.pool.open(turn, key, device, buffer) {
            Ok(socket) => {
                self.set_socket(id, Some(socket), false);
                self.work.sockets_changed = true;
            }
            Err(error) => {
                if let Some(instance) = self.instance(id).filter(|instance| !instance.socket_failed) {
                    report::socket_failed(&instance.config.name, &error);
                }
                self.set_socket(id, None, true);
                self.arm_retry(turn);
            }
        }
    }

    fn set_socket(&mut self, id: InstanceId, socket: Option<SocketId>, failed: bool) {
        if let Some(instance) = self.instance_mut(id) {
            instance.socket = socket;
            instance.socket_failed = failed;
        }
    }

    /// Opens the sockets for sending, so that a take-over has nothing to wait for.
    pub(super) fn open_senders(&mut self) {
        for family in [Family::V4, Family::V6] {
            if self.instances.iter().any(|instance| instance.family() == family)
                && let Err(error) = self.pool.sender(family)
            {
                report::kernel_failed("the socket for sending adverts", &error);
            }
        }
    }

    /// Tells every socket whose adverts it brings.
    pub(super) fn assign_sockets(&mut self, turn: &mut Turn<'_>) {
        if !core::mem::take(&mut self.work.sockets_changed) {
            return;
        }
        let users = self.instances.iter().enumerate().filter_map(|(i, instance)| {
            Some((instance.socket?, instance.router.params().vrid, InstanceId::at(i)))
        });
        self.pool.assign(turn, users);
        for (_, receiver) in self.pool.iter() {
            report::socket(receiver);
        }
    }

    /// Takes adverts from a socket.
    pub(super) fn receive(&mut self, turn: &mut Turn<'_>, id: SocketId) -> Again {
        let Some(mut batch) = self.batches.receive.take() else {
            return Again::Done;
        };
        let received = match self.pool.receiver(id) {
            Some(receiver) => receiver.socket().receive(&mut batch),
            None => Ok(0),
        };
        // An error of the interface is told by netlink; the socket has nothing more for now.
        let count = received.unwrap_or(0);
        for datagram in batch.iter().take(count) {
            self.hear(turn, id, &datagram);
        }
        let more = count == batch.capacity();
        self.batches.receive = Some(batch);
        if more { Again::More } else { Again::Done }
    }

    fn hear(&mut self, turn: &mut Turn<'_>, socket: SocketId, datagram: &Datagram<'_>) {
        let octets = match datagram.source {
            std::net::IpAddr::V6(_) => datagram.octets,
            std::net::IpAddr::V4(_) => match ipv4::parse(datagram.octets) {
                Ok((_, payload)) => payload,
                Err(_) => return,
            },
        };
        let Some(receiver) = self.pool.receiver(socket) else {
            return;
        };
        // To the group that the receiver is for, or to an address of this machine.
        let group = datagram.destination.filter(|destination| destination.is_multicast());
        if group != receiver.key.group {
            return;
        }
        let Some(id) = octets.get(1).and_then(|vrid| receiver.owner(*vrid)) else {
            return;
        };
        self.settle_before(turn, id);
        let mut out = Actions::new();
        let Some(instance) = self.instances.get_mut(id.index()) else {
            return;
        };
        let surroundings = Surroundings {
            local: instance.local,
            addresses: advertised(instance.carried, &instance.addresses),
            peers: &instance.peers,
        };
        let trusted = turn.before().max(turn.now() - ARRIVAL_TRUST);
        let packet = Packet {
            arrived: datagram.arrived.max(trusted),
            source: datagram.source,
            destination: datagram.destination,
            hop_limit: datagram.hop_limit,
            octets,
        };
        instance.router.receive(turn.now(), &surroundings, &packet, &mut out);
        self.act(turn, id, &out);
    }
}

//! Adverts received and sent: the sockets composed with the machines and with what is kept for a successor.

use crate::base::id::{InstanceId, SocketId};
use crate::base::time::Span;
use crate::daemon::reactor::{Again, Turn};
use crate::proto::vrrp::{Action, Actions, Around, Packet, Surroundings};
use crate::sys::clock;
use crate::sys::raw::receive::Datagram;
use crate::vrrpd::auth;
use crate::vrrpd::live::{Instance, advertised};
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::sockets::Received;
use crate::wire::trailer::Stamp;

/// How far back the kernel's stamp of an advert is believed. A queue that stood for longer may have lost newer
/// adverts, and the wall clock, which stamps are made of, may have been set.
const ARRIVAL_TRUST: Span = Span::from_millis(10);

impl Vrrp {
    /// Opens the socket that an instance receives adverts on; on failure the instance waits in FAULT.
    pub(super) fn open_socket(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.routers.instances.get_mut(id.index()) else { return };
        let interfaces = (&self.links.table, &self.owns);
        if self.sockets.open(turn, instance, interfaces, &self.model.global) {
            self.arm_retry(turn);
        }
    }

    /// Tells every socket which instances it serves, if that changed.
    pub(super) fn assign_sockets(&mut self, turn: &mut Turn<'_>) {
        let interfaces = (&self.links.table, &self.owns);
        self.sockets.assign(turn, &self.routers.instances, interfaces, &self.model.global);
    }

    /// Takes adverts from a socket.
    pub(super) fn receive(&mut self, turn: &mut Turn<'_>, id: SocketId) -> Again {
        let Some(mut batch) = self.sockets.batch.take() else {
            return Again::Done;
        };
        let count = self.sockets.read(id, &mut batch);
        let wall = auth::stamp(batch.wall());
        for datagram in batch.iter().take(count) {
            self.take_advert(turn, id, &datagram, wall);
        }
        let more = count == batch.capacity();
        self.sockets.batch = Some(batch);
        if more { Again::More } else { Again::Done }
    }

    fn take_advert(&mut self, turn: &mut Turn<'_>, socket: SocketId, datagram: &Datagram<'_>, wall: Stamp) {
        let Some(Received { octets, header, vrid, instance }) =
            self.sockets.advert(&self.routers.instances, socket, datagram)
        else {
            return;
        };
        let Some(id) = instance else {
            if self.model.global.vrrp.log_unknown_vrids {
                self.sockets.log_unknown(turn.now(), &self.links.table, socket, vrid, datagram);
            }
            return;
        };
        self.settle_before(turn, id);
        let mut out = Actions::new();
        let Some(instance) = self.routers.instances.get_mut(id.index()) else {
            return;
        };
        let surroundings = Surroundings {
            local: instance.local(),
            addresses: advertised(instance.advert.carried, &instance.addresses),
            peers: &instance.peers,
            old_form: auth::old_form(&instance.config),
        };
        let trusted = turn.before().max(turn.now() - ARRIVAL_TRUST);
        let packet = Packet {
            arrived: datagram.arrived.max(trusted),
            source: datagram.source,
            destination: datagram.destination,
            hop_limit: datagram.hop_limit,
            octets,
            around: Around { header, wall },
        };
        instance.router.receive(turn.now(), &surroundings, &packet, &mut out);
        if instance.router.guard().is_some() {
            self.keep_numbers(id, Some(datagram.source));
        }
        self.keep_interval(id);
        self.act(turn, id, &out);
    }

    /// Puts an advert of this priority into the batch.
    pub(super) fn queue_advert(&mut self, id: InstanceId, priority: u8) {
        let Some(instance) = self.routers.instances.get_mut(id.index()) else {
            return;
        };
        instance.advert.ip_id = Instance::next_id(instance.advert.ip_id);
        if let Some(guard) = instance.router.guard_mut() {
            guard.advance(auth::stamp(clock::wall()));
            self.keep_numbers(id, None);
        }
        if let Some(instance) = self.routers.instances.get(id.index()) {
            self.sockets.queue(id, instance, &self.links.table, &self.kept.keep, priority);
        }
    }

    /// Sends the adverts of `actions` and nothing else.
    pub(super) fn send_only(&mut self, id: InstanceId, actions: &Actions) {
        for action in actions {
            if let Action::SendAdvert { priority } = action {
                self.queue_advert(id, *priority);
            }
        }
    }

    /// Reads the keys of an instance again that lacks the one that signs.
    pub(super) fn retry_keys(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.instance_mut(id) else { return };
        if !instance.lacks_key() {
            return;
        }
        let guard = auth::guard(&instance.config, false);
        instance.router.change_guard(guard);
        if !instance.lacks_key() {
            report::key_readable(&instance.config.name);
        }
        self.refresh(turn, id);
    }
}

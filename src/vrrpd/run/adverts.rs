//! Adverts received and sent: the sockets composed with the machines and with what is kept for a successor.

use crate::base::id::{InstanceId, SocketId};
use crate::base::time::{Instant, Span};
use crate::daemon::reactor::{Again, Turn};
use crate::proto::vrrp::{Action, Actions, Around, Input, Packet, State, Surroundings};
use crate::sys::clock;
use crate::sys::raw::receive::Datagram;
use crate::vrrpd::auth;
use crate::vrrpd::live::{Instance, advertised};
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::slots::Slot;
use crate::vrrpd::sockets::{Received, Unread};
use crate::wire::trailer::Stamp;

/// How far back the kernel's stamp of an advert is believed. A queue that stood for longer may have lost newer
/// adverts, and the wall clock, which stamps are made of, may have been set.
const ARRIVAL_TRUST: Span = Span::from_millis(10);

/// Adverts that are sent between two slices of work.
const DUE_ADVERTS: usize = 256;

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
    pub(super) fn receive(&mut self, turn: &mut Turn<'_>, socket: SocketId) -> Again {
        let Some(mut batch) = self.sockets.batch.take() else { return Again::Done };
        let count = self.sockets.read(socket, &mut batch);
        let more = count == batch.capacity();
        self.sockets.batch = Some(batch);
        self.sockets.unread = Some(Unread { socket, at: 0, count });
        self.take_adverts(turn);
        if more { Again::More } else { Again::Done }
    }

    /// Takes the adverts that were read, one after the other. What one of them leads to may be so much that the others
    /// have to wait.
    pub(super) fn take_adverts(&mut self, turn: &mut Turn<'_>) {
        let Some(Unread { socket, at, count }) = self.sockets.unread.take() else { return };
        let Some(batch) = self.sockets.batch.take() else { return };
        let wall = auth::stamp(batch.wall());
        for (at, datagram) in batch.iter().enumerate().take(count).skip(at) {
            if self.work.busy || !self.take_advert(turn, socket, &datagram, wall) {
                self.sockets.unread = Some(Unread { socket, at, count });
                break;
            }
        }
        self.sockets.batch = Some(batch);
    }

    /// Takes an advert; false: what its instance asked for before has to be carried out first, which takes long.
    fn take_advert(
        &mut self,
        turn: &mut Turn<'_>,
        socket: SocketId,
        datagram: &Datagram<'_>,
        wall: Stamp,
    ) -> bool {
        let Some(Received { octets, header, vrid, instance }) =
            self.sockets.advert(&self.routers.instances, socket, datagram)
        else {
            return true;
        };
        let Some(id) = instance else {
            if self.model.global.vrrp.log_unknown_vrids {
                self.sockets.log_unknown(turn.now(), &self.links.table, socket, vrid, datagram);
            }
            return true;
        };
        turn.rest();
        if self.is_to_settle_before(id) {
            self.settle(turn);
            if self.work.busy {
                return false;
            }
        }
        let mut out = Actions::new();
        let Some(instance) = self.routers.instances.get_mut(id.index()) else {
            return true;
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
        true
    }

    /// Sends the adverts that are due, between two slices of long work: reading thousands of instances, or putting
    /// thousands of addresses into the kernel, takes longer than an advert may be late. Nothing else happens: whatever
    /// would change a state waits until the work is done, for what was heard meanwhile comes first.
    pub(super) fn send_due(&mut self, turn: &mut Turn<'_>) {
        let mut due = heapless::Vec::<u32, DUE_ADVERTS>::new();
        // Whatever else is due waits; thousands of announcements must not take the room of adverts.
        let now = turn.now();
        turn.due(|slot| !self.is_advert(now, slot) || due.push(slot).is_ok());
        for slot in due {
            let Slot::Machine(id) = self.work.layout.slot(slot) else { continue };
            let Some(instance) = self.routers.instances.get_mut(id.index()) else { continue };
            let mut out = Actions::new();
            instance.router.handle(turn.now(), Input::Timeout, &mut out);
            turn.set_deadline(slot, instance.router.poll_at());
            self.send_only(id, &out);
        }
        self.sockets.flush(&self.kept.keep);
        // A reload that goes on gives the instances other numbers.
        self.sockets.log_failures(&mut self.routers.instances);
    }

    /// Whether what is due in a slot is the advert of a MASTER.
    fn is_advert(&self, now: Instant, slot: u32) -> bool {
        let Slot::Machine(id) = self.work.layout.slot(slot) else { return false };
        let Some(instance) = self.instance(id) else { return false };
        // One that is so late that its instance steps down is no advert.
        let stays = !instance.router.machine().is_too_late(now);
        instance.router.state() == State::Master && stays
    }

    /// The deadlines of the elections, after the slots were laid out anew.
    pub(super) fn rearm_machines(&self, turn: &mut Turn<'_>) {
        for id in self.ids() {
            let at = self.instance(id).and_then(|instance| instance.router.poll_at());
            turn.set_deadline(self.work.layout.number(Slot::Machine(id)), at);
        }
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

//! Where adverts come in: a receiver for each instance, and each advert to the router that it is meant for.

use std::io;

use super::live::{Instance, advertised};
use super::pool::{Key, Receiver, User};
use super::report;
use super::state::Vrrp;
use crate::base::addr::Family;
use crate::base::id::{IfIndex, InstanceId, LinkId, SocketId};
use crate::base::time::Span;
use crate::daemon::reactor::{Again, Turn};
use crate::proto::vrrp::{Actions, Around, Auth, Packet, Surroundings};
use crate::sys::raw::receive::Datagram;
use crate::wire::trailer::Stamp;
use crate::wire::{ah, ipv4};

/// How far back the kernel's stamp of an advert is believed. A queue that stood for longer may have lost newer
/// adverts, and the wall clock, which stamps are made of, may have been set.
const ARRIVAL_TRUST: Span = Span::from_millis(10);

impl Vrrp {
    /// The macvlan that a multicast instance hears by. To a macvlan of ours the kernel gives, and to it alone, what bears its
    /// hardware address: the adverts of whoever has the same one. That is the macvlan of the instance, or one that only
    /// addresses of it are on.
    fn door(&self, instance: &Instance) -> Option<LinkId> {
        if !instance.peers.is_empty() || instance.config.ipvlan.is_some() {
            return None;
        }
        if instance.own != instance.base || !instance.config.wants_macvlan() {
            return instance.own.filter(|own| Some(*own) != instance.base);
        }
        let link = self.owns.namesake(instance.base?, instance.family(), instance.router.params().vrid)?;
        self.links.table.link(link).is_some_and(|link| link.up).then_some(link)
    }

    /// What an instance is to hear by, and the number of the interface if one is needed; none: it is not there.
    fn ear(&self, instance: &Instance) -> Option<(Key, Option<IfIndex>)> {
        let door = self.door(instance);
        let in_vrf = |link: LinkId| self.links.table.link(link).is_some_and(|link| link.in_vrf);
        // What comes in by a VRF bears that one's number to a filter.
        let own = door.is_some() && !instance.base.is_some_and(in_vrf);
        // Without an interface it may be a VRF that adverts come in by.
        let hears = if own { instance.base } else { door.or(instance.base).or(instance.transmit) };
        let index = match hears {
            None => None,
            Some(link) => Some(self.links.table.link(link)?.index?),
        };
        let key = Key {
            family: instance.family(),
            link: hears,
            group: instance.peers.is_empty().then_some(instance.config.group),
            header: matches!(instance.router.params().auth, Auth::Header(_)),
            own,
        };
        Some((key, index))
    }

    /// Opens the socket that an instance hears adverts by; on failure it waits in FAULT.
    pub(super) fn open_socket(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        let door = self.door(instance);
        let door = door.map(|door| Some((door, self.links.table.link(door)?.index?)));
        let (Some((key, index)), false) = (self.ear(instance), door == Some(None)) else {
            // Not there: LinkMissing says so.
            return self.set_socket(id, None, false);
        };
        let base = instance.base.and_then(|base| Some((base, self.links.table.link(base)?.index?)));
        match self.listen_on(turn, key, index, base, door.flatten()) {
            Ok(socket) => {
                self.set_socket(id, Some(socket), false);
                self.sockets.changed = true;
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

    fn listen_on(
        &mut self,
        turn: &mut Turn<'_>,
        key: Key,
        index: Option<IfIndex>,
        base: Option<(LinkId, IfIndex)>,
        door: Option<(LinkId, IfIndex)>,
    ) -> io::Result<SocketId> {
        let name = key.link.and_then(|link| Some(self.links.table.link(link)?.name.clone()));
        let device = name.as_ref().zip(index);
        // Switches that look for members of the group are to find one at the interface's own hardware address.
        let below = base.filter(|(base, _)| Some(*base) != key.link).map(|(_, index)| index);
        let socket = self.sockets.pool.open(turn, key, device, below)?;
        if let (true, Some(group)) = (key.own, key.group) {
            for (link, index) in base.into_iter().chain(door) {
                self.sockets.pool.join((group, link), index)?;
            }
            if self.model.global.vrrp.log_unknown_vrids {
                let _ = self.sockets.pool.open(turn, Key { own: false, ..key }, device, below);
            }
        }
        if key.header {
            // To tell of bare adverts; without it they are not heard at all.
            let _ = self.sockets.pool.open(turn, Key { header: false, ..key }, device, below);
        }
        Ok(socket)
    }

    /// Whether an instance is to hear by another socket than it does: its macvlan went up or down, or into a VRF.
    pub(super) fn hears_elsewhere(&self, id: InstanceId) -> bool {
        let Some(instance) = self.instance(id) else { return false };
        let receiver = instance.socket.and_then(|socket| self.sockets.pool.receiver(socket));
        let (Some(receiver), Some((key, index))) = (receiver, self.ear(instance)) else { return false };
        receiver.key != key || receiver.index != index.unwrap_or_default()
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
            if self.routers.instances.iter().any(|instance| instance.family() == family)
                && let Err(error) = self.sockets.pool.sender(family)
            {
                report::sender_failed(&error);
            }
        }
    }

    /// Tells every socket whose adverts it brings.
    pub(super) fn assign_sockets(&mut self, turn: &mut Turn<'_>) {
        if !core::mem::take(&mut self.sockets.changed) {
            return;
        }
        let users = self.routers.instances.iter().enumerate().filter_map(|(i, instance)| {
            let door = self.door(instance).and_then(|door| Some((door, self.links.table.link(door)?.index?)));
            let vrid = instance.router.params().vrid;
            Some(User { socket: instance.socket?, vrid, instance: InstanceId::at(i), door })
        });
        let users: Vec<_> = users.collect();
        self.sockets.pool.assign(turn, users.into_iter(), self.model.global.vrrp.log_unknown_vrids);
        self.size_receivers();
        for (_, receiver) in self.sockets.pool.iter() {
            report::socket(receiver);
        }
    }

    /// Takes adverts from a socket.
    pub(super) fn receive(&mut self, turn: &mut Turn<'_>, id: SocketId) -> Again {
        let Some(mut batch) = self.sockets.receive.take() else {
            return Again::Done;
        };
        let received = match self.sockets.pool.receiver(id) {
            Some(receiver) => receiver.socket().receive(&mut batch),
            None => Ok(0),
        };
        // An error of the interface is told by netlink; the socket has nothing more for now.
        let count = received.unwrap_or(0);
        let wall = super::auth::stamp(batch.wall());
        for datagram in batch.iter().take(count) {
            self.hear(turn, id, &datagram, wall);
        }
        let more = count == batch.capacity();
        self.sockets.receive = Some(batch);
        if more { Again::More } else { Again::Done }
    }

    fn hear(&mut self, turn: &mut Turn<'_>, socket: SocketId, datagram: &Datagram<'_>, wall: Stamp) {
        let Some(receiver) = self.sockets.pool.receiver(socket) else {
            return;
        };
        // To the group that the receiver is for, or to an address of this machine.
        let group = datagram.destination.filter(|destination| destination.is_multicast());
        if group != receiver.key.group {
            return;
        }
        let Some((octets, header)) = unwrap(datagram, receiver.key.header) else {
            return;
        };
        let Some(vrid) = octets.get(1).copied() else {
            return;
        };
        let Some(id) = self.addressee(receiver, vrid, datagram) else {
            if receiver.key.own {
                return;
            }
            return self.tell_stranger(turn, socket, vrid, datagram);
        };
        self.settle_before(turn, id);
        let mut out = Actions::new();
        let Some(instance) = self.routers.instances.get_mut(id.index()) else {
            return;
        };
        let surroundings = Surroundings {
            local: instance.local(),
            addresses: advertised(instance.carried, &instance.addresses),
            peers: &instance.peers,
            old_form: super::auth::old_form(&instance.config),
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

    /// Tells of an advert whose router id nobody on its interface has, if that is wanted.
    fn tell_stranger(&mut self, turn: &Turn<'_>, socket: SocketId, vrid: u8, datagram: &Datagram<'_>) {
        let Some(key) = self.sockets.pool.receiver(socket).map(|receiver| receiver.key) else { return };
        let Some(link) = key.link.or_else(|| self.links.table.numbered(datagram.interface)) else { return };
        // Another receiver may have it: one for unicast, another group, or all interfaces.
        let near = |other: &Key| other.family == key.family && other.link.is_none_or(|other| other == link);
        let configured = |receiver: &Receiver| near(&receiver.key) && receiver.owner(vrid).is_some();
        if !self.model.global.vrrp.log_unknown_vrids
            || self.sockets.pool.iter().any(|(_, receiver)| configured(receiver))
            || !report::may(&mut self.sockets.strangers, turn.now())
        {
            return;
        }
        if let Some(link) = self.links.table.link(link) {
            report::stranger(vrid, &link.name);
        }
    }

    /// The instance that a datagram is for. Several unicast ones of one router id, on one receiver or on several that
    /// all get it, differ by the address that it was sent to and by their peers.
    fn addressee(&self, receiver: &Receiver, vrid: u8, datagram: &Datagram<'_>) -> Option<InstanceId> {
        let fit = |id: InstanceId| {
            self.instance(id).map_or(0, |instance| {
                let to = instance.local() == datagram.destination;
                let from = instance.peers.iter().any(|peer| peer.addr == datagram.source);
                u8::from(to) + u8::from(from)
            })
        };
        if receiver.key.own {
            return receiver.behind(vrid, datagram.interface);
        }
        let mut owners = receiver.owners(vrid);
        let mut best = owners.next()?;
        for other in owners {
            if fit(other) > fit(best) {
                best = other;
            }
        }
        let fits = fit(best);
        if receiver.key.group.is_some() || fits == PERFECT {
            return Some(best);
        }
        // One that listens everywhere hears what others hear, too: who fits better has it, or else the interface.
        let everywhere = receiver.key.link.is_none();
        let hears = |other: &Receiver| {
            other.key == Key { link: other.key.link, ..receiver.key }
                && other.key.link != receiver.key.link
                && (other.key.link.is_none() || other.index == datagram.interface)
        };
        let mut rivals = self.sockets.pool.iter().filter(|(_, other)| hears(other));
        let theirs = |id: InstanceId| fit(id) > fits || (fit(id) == fits && everywhere);
        let elsewhere = rivals.any(|(_, other)| other.owners(vrid).any(theirs));
        (!elsewhere).then_some(best)
    }
}

/// Sent to the address of an instance by one of its peers.
const PERFECT: u8 = 2;

/// Takes the headers off a datagram; none: it is not what the receiver is for.
///
/// What was too long for a buffer has lost its end, which no check of a header would survive: it goes on as it is and
/// is counted as what it is, an advert of a wrong length.
fn unwrap<'a>(datagram: &Datagram<'a>, sealed: bool) -> Option<(&'a [u8], Option<ah::Header<'a>>)> {
    match datagram.source {
        std::net::IpAddr::V6(_) => Some((datagram.octets, None)),
        std::net::IpAddr::V4(_) if datagram.truncated => {
            let ip = usize::from(datagram.octets.first()? & 0x0f) * 4;
            let around = if sealed { ah::HEADER } else { 0 };
            Some((datagram.octets.get(ip + around..)?, None))
        }
        std::net::IpAddr::V4(_) if sealed => {
            let header = ah::Header::parse(datagram.octets).ok()?;
            Some((header.advert(), Some(header)))
        }
        std::net::IpAddr::V4(_) => ipv4::parse(datagram.octets).ok().map(|(_, payload)| (payload, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::addr::IpAddr;
    use crate::base::id::IfIndex;
    use crate::base::limit;
    use crate::base::time::Instant;

    #[test]
    fn what_is_too_long_for_a_buffer_is_still_somebodys() {
        let mut octets = vec![0; limit::ADVERT_OCTETS];
        // 60,000 octets of IPv4 with a header of 24.
        octets[..4].copy_from_slice(&[0x46, 0, 0xea, 0x60]);
        octets[24..26].copy_from_slice(&[0x31, 51]);
        octets[48..50].copy_from_slice(&[0x21, 52]);
        let datagram = |truncated| Datagram {
            octets: &octets,
            source: IpAddr::V4([192, 0, 2, 1].into()),
            destination: None,
            interface: IfIndex(1),
            hop_limit: None,
            arrived: Instant::START,
            truncated,
        };
        let vrid = |datagram: &Datagram<'_>, sealed| unwrap(datagram, sealed).map(|(advert, _)| advert[1]);
        assert_eq!(vrid(&datagram(false), false), None, "not all of it is there");
        assert_eq!(vrid(&datagram(true), false), Some(51));
        assert_eq!(vrid(&datagram(true), true), Some(52));
    }
}

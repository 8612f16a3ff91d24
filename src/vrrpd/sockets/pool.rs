//! The sockets: one receiver for each interface, family and group, shared by the virtual routers of the interface, one
//! more for those that receive on macvlans of the interface, and one sender for each family.

use std::io;
use std::os::fd::AsRawFd;

use super::members::{Members, Place};
use crate::base::addr::{Family, IpAddr};
use crate::base::id::{IfIndex, InstanceId, LinkId, SocketId};
use crate::base::map::Set;
use crate::base::name::IfName;
use crate::daemon::reactor::{Interest, Turn};
use crate::daemon::token::{Registration, SourceId};
use crate::sys::filter::{Filter, OctetSet};
use crate::sys::ingress::Ingress;
use crate::sys::queue::QueueSize;
use crate::sys::raw::receive::{ReceiveOptions, ReceiveSocket};
use crate::sys::raw::send::{SendOptions, SendSocket};
use crate::vrrpd::kind;
use crate::wire::{ah, ipv4, vrrp};

/// What a receiver listens to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// IPv4 or IPv6.
    pub family: Family,
    /// The interface; none: all of them, for unicast by route.
    pub link: Option<LinkId>,
    /// The multicast group; none: unicast.
    pub group: Option<IpAddr>,
    /// Adverts come in an authentication header.
    pub header: bool,
    /// Not on the interface itself but on the macvlans of ours that lie on it.
    pub own: bool,
}

impl Key {
    /// The number of the IP protocol.
    #[must_use]
    pub const fn protocol(&self) -> u8 {
        if self.header { ah::PROTOCOL } else { vrrp::PROTOCOL }
    }

    /// Where the router id stands behind the IP header.
    const fn vrid_at(self) -> u8 {
        if self.header { VRID_IN_HEADER } else { VRID }
    }
}

/// The second octet of an advert.
const VRID: u8 = 1;
/// From the router id to the end of an advert's header, which has eight octets.
const FROM_VRID: u8 = 7;
/// The same behind an authentication header.
const VRID_IN_HEADER: u8 = 25;
const _: () = assert!(VRID_IN_HEADER as usize == ah::HEADER + VRID as usize);

/// A receiver.
pub struct Receiver {
    /// What it listens to.
    pub key: Key,
    /// The kernel's number of the interface it is bound to.
    pub index: IfIndex,
    /// Receive buffer asked for.
    pub buffer: Option<u32>,
    socket: ReceiveSocket,
    /// What the kernel's filter lets through.
    kept: Kept,
    registration: Registration,
    /// Router id to instance.
    owners: Box<[Option<InstanceId>; 256]>,
    /// Further instances of a router id: unicast ones that differ by their addresses, or on macvlans of other addresses.
    more: Vec<(u8, InstanceId)>,
    /// The macvlans that its instances receive on, in the order of the router ids.
    macvlans: Vec<(u8, IfIndex, InstanceId)>,
}

/// What the filter of a receiver lets through.
#[derive(Debug, PartialEq, Eq)]
enum Kept {
    Octets(Filter),
    Macvlans(Vec<Ingress>),
}

/// An instance that is served by a receiver.
#[derive(Clone, Copy, Debug)]
pub struct User {
    /// The receiver.
    pub socket: SocketId,
    /// The router id.
    pub vrid: u8,
    /// The instance.
    pub instance: InstanceId,
    /// The macvlan that the instance receives on.
    pub macvlan: Option<(LinkId, IfIndex)>,
}

impl Receiver {
    /// The instance that owns a router id.
    #[must_use]
    pub fn owner(&self, vrid: u8) -> Option<InstanceId> {
        self.owners.get(usize::from(vrid)).copied().flatten()
    }

    /// All instances of a router id, most often one.
    pub fn owners(&self, vrid: u8) -> impl Iterator<Item = InstanceId> {
        let more = self.more.iter().filter(move |(other, _)| *other == vrid).map(|(_, id)| *id);
        self.owner(vrid).into_iter().chain(more)
    }

    /// The instance of a router id that receives on this macvlan.
    #[must_use]
    pub fn on_macvlan(&self, vrid: u8, interface: IfIndex) -> Option<InstanceId> {
        let first = self.macvlans.partition_point(|(other, _, _)| *other < vrid);
        let mut same = self.macvlans.iter().skip(first).take_while(|(other, _, _)| *other == vrid);
        same.find(|(_, index, _)| *index == interface).map(|(_, _, id)| *id)
    }

    fn add(&mut self, vrid: u8, instance: InstanceId) {
        match self.owners.get_mut(usize::from(vrid)) {
            Some(free @ None) => *free = Some(instance),
            _ => self.more.push((vrid, instance)),
        }
    }

    /// Has the kernel keep what is for an instance here, and drop the rest. Without the filter the child does that itself.
    fn filter(&mut self, all_vrids: bool) {
        let offset = self.key.vrid_at();
        // The router id is the second octet of an advert, of which there is a whole header at least.
        let least = offset.saturating_add(FROM_VRID);
        if self.key.own {
            let pairs: Vec<Ingress> = self.macvlans.iter().map(|(vrid, index, _)| (*vrid, *index)).collect();
            if matches!(&self.kept, Kept::Macvlans(kept) if *kept == pairs) {
                return;
            }
            let single = pairs.windows(2).all(|pair| matches!(pair, [(one, _), (other, _)] if one != other));
            if single && self.socket.set_ingress(offset, least, &pairs).is_ok() {
                self.kept = Kept::Macvlans(pairs);
                return;
            }
        }
        let set: OctetSet = (0..=u8::MAX).filter(|vrid| self.owner(*vrid).is_some()).collect();
        let filter = match all_vrids && !self.key.own {
            true => Filter::Everything,
            false => Filter::OctetIn { offset, least, set },
        };
        if self.kept != Kept::Octets(filter) && self.socket.set_filter(&filter).is_ok() {
            self.kept = Kept::Octets(filter);
        }
    }

    /// The socket.
    #[must_use]
    pub const fn socket(&self) -> &ReceiveSocket {
        &self.socket
    }

    /// The number of its descriptor.
    #[must_use]
    pub fn fd(&self) -> i32 {
        self.socket.as_raw_fd()
    }
}

/// All sockets.
#[derive(Default)]
pub struct Pool {
    receivers: Vec<Option<Receiver>>,
    members: Members,
    v4: Option<SendSocket>,
    v6: Option<SendSocket>,
}

impl Pool {
    /// The receiver for `key` on `device`, opened if there is none yet. It is a member of the group on the interface `below`
    /// its own, too, if there is one; for one that receives on macvlans, [`Self::join`] is that. For load time and returning
    /// interfaces: allocates.
    ///
    /// # Errors
    /// Those of the system calls.
    pub fn open(
        &mut self,
        turn: &mut Turn<'_>,
        key: Key,
        device: Option<(&IfName, IfIndex)>,
        below: Option<IfIndex>,
    ) -> io::Result<SocketId> {
        let index = device.map_or(IfIndex(0), |(_, index)| index);
        if let Some((id, _)) = self.iter().find(|(_, there)| there.key == key && there.index == index) {
            return Ok(id);
        }
        let socket = ReceiveSocket::open(&ReceiveOptions {
            family: key.family,
            protocol: key.protocol(),
            device: device.filter(|_| !key.own).map(|(name, _)| name),
            all_groups: key.own,
            filter: Filter::Nothing,
        })?;
        if let Some(group) = key.group.filter(|_| !key.own) {
            socket.join(group, index)?;
            if let Some(below) = below {
                socket.join(group, below)?;
            }
        }
        let position = self.receivers.iter().position(Option::is_none).unwrap_or(self.receivers.len());
        let id = SocketId::at(position);
        let own = SourceId { kind: kind::SOCKET, index: id.number() };
        let registration = turn.register(socket.as_raw_fd(), own, Interest::Read)?;
        let owners = Box::new([None; 256]);
        let (more, macvlans, kept) = (Vec::new(), Vec::new(), Kept::Octets(Filter::Nothing));
        let receiver =
            Some(Receiver { key, index, buffer: None, socket, kept, registration, owners, more, macvlans });
        match self.receivers.get_mut(position) {
            Some(free) => *free = receiver,
            None => self.receivers.push(receiver),
        }
        Ok(id)
    }

    /// Becomes a member of a group on an interface, for receivers on macvlans.
    ///
    /// # Errors
    /// Those of the system calls.
    pub fn join(&mut self, place: Place, index: IfIndex) -> io::Result<()> {
        self.members.join(place, index)
    }

    /// An interface is gone. An interface that comes with the same number is another one, which the receivers of the old
    /// one are not bound to; and the groups that they have joined must be left now, for closing the receivers later would
    /// take the groups from the new interface.
    pub fn abandon(&mut self, link: LinkId) {
        self.members.abandon(link);
        for receiver in self.receivers.iter_mut().flatten().filter(|there| there.key.link == Some(link)) {
            if let Some(group) = receiver.key.group.filter(|_| !receiver.key.own) {
                // It is not there any more for the kernel, which forgets all the same that it was joined.
                let _ = receiver.socket.leave(group, receiver.index);
            }
            receiver.index = IfIndex(0);
        }
    }

    /// Joins every group again, for interfaces may have gone and come back unseen. To a switch this is one more report.
    pub fn join_again(&mut self) {
        self.members.join_again();
        for receiver in self.receivers.iter().flatten() {
            if let Some(group) = receiver.key.group.filter(|_| !receiver.key.own) {
                let _ = receiver.socket.leave(group, receiver.index);
                // If it has gone for good, the list that follows says so.
                let _ = receiver.socket.join(group, receiver.index);
            }
        }
    }

    /// Sizes the kernel's queue of a receiver, if it has another size.
    ///
    /// # Errors
    /// Those of the system calls.
    pub fn size(&mut self, id: SocketId, octets: usize) -> io::Result<()> {
        let Some(receiver) = self.receivers.get_mut(id.index()).and_then(Option::as_mut) else {
            return Ok(());
        };
        let wanted = u32::try_from(octets).ok();
        if receiver.buffer != wanted {
            receiver.socket.set_receive_buffer(QueueSize { octets, force: false })?;
            receiver.buffer = wanted;
        }
        Ok(())
    }

    /// Gives every receiver the router ids that it serves now, and closes receivers that serve none.
    /// `all_vrids`: the receivers bring adverts of all other router ids as well.
    pub fn assign(&mut self, turn: &mut Turn<'_>, users: impl Iterator<Item = User>, all_vrids: bool) {
        for receiver in self.receivers.iter_mut().flatten() {
            receiver.owners.fill(None);
            receiver.more.clear();
            receiver.macvlans.clear();
        }
        let mut places = Set::<Place>::new();
        for user in users {
            let receiver = self.receivers.get_mut(user.socket.index()).and_then(Option::as_mut);
            let Some(receiver) = receiver else { continue };
            receiver.add(user.vrid, user.instance);
            if let (true, Some((link, index))) = (receiver.key.own, user.macvlan) {
                receiver.macvlans.push((user.vrid, index, user.instance));
                let links = receiver.key.link.into_iter().chain([link]);
                places.extend(links.filter_map(|link| Some((receiver.key.group?, link))));
            }
        }
        self.members.retain(&places);
        self.lend_bare();
        // Other router ids have no macvlan of ours: their adverts come in by the interface itself.
        let above = |receiver: &Receiver| {
            (receiver.key.own && receiver.owners.iter().any(Option::is_some))
                .then_some((Key { own: false, ..receiver.key }, receiver.index))
        };
        let above: Vec<_> = self.receivers.iter().flatten().filter_map(above).collect();
        for place in &mut self.receivers {
            let Some(receiver) = place else { continue };
            let idle = receiver.owners.iter().all(Option::is_none);
            if idle && !(all_vrids && above.contains(&(receiver.key, receiver.index))) {
                turn.deregister(receiver.registration);
                *place = None;
            } else {
                receiver.macvlans.sort_unstable_by_key(|(vrid, index, _)| (*vrid, *index));
                receiver.filter(all_vrids);
            }
        }
    }

    /// A router that expects authentication headers gets bare adverts as well, so that they can be logged as bare, unless
    /// another router has the same router id there.
    fn lend_bare(&mut self) {
        for position in 0..self.receivers.len() {
            let Some(Some(sealed)) = self.receivers.get(position) else { continue };
            if !sealed.key.header {
                continue;
            }
            let (bare, index) = (Key { header: false, ..sealed.key }, sealed.index);
            let there = |place: &Option<Receiver>| {
                place.as_ref().is_some_and(|other| other.key == bare && other.index == index)
            };
            let Some(other) = self.receivers.iter().position(there) else { continue };
            for vrid in 0..=u8::MAX {
                let owner = self.receivers.get(position).and_then(|place| place.as_ref()?.owner(vrid));
                if let (Some(owner), Some(Some(bare))) = (owner, self.receivers.get_mut(other))
                    && bare.owner(vrid).is_none()
                {
                    bare.add(vrid, owner);
                }
            }
            let macvlans =
                self.receivers.get(position).and_then(Option::as_ref).map(|it| it.macvlans.clone());
            if let (Some(macvlans), Some(Some(bare))) = (macvlans, self.receivers.get_mut(other)) {
                let of = |(vrid, _, id): &(u8, IfIndex, InstanceId)| bare.owner(*vrid) == Some(*id);
                let lent: Vec<_> = macvlans.into_iter().filter(of).collect();
                bare.macvlans.extend(lent);
            }
        }
    }

    /// A receiver.
    #[must_use]
    pub fn receiver(&self, id: SocketId) -> Option<&Receiver> {
        self.receivers.get(id.index())?.as_ref()
    }

    /// All receivers.
    pub fn iter(&self) -> impl Iterator<Item = (SocketId, &Receiver)> {
        self.receivers.iter().enumerate().filter_map(|(i, place)| Some((SocketId::at(i), place.as_ref()?)))
    }

    /// The descriptor of the sender of a family, if it is open.
    #[must_use]
    pub fn sender_fd(&self, family: Family) -> Option<i32> {
        let socket = match family {
            Family::V4 => self.v4.as_ref(),
            Family::V6 => self.v6.as_ref(),
        };
        socket.map(|socket| socket.as_raw_fd())
    }

    /// The sender of a family, opened on first use.
    ///
    /// # Errors
    /// Those of the system calls.
    pub fn sender(&mut self, family: Family) -> io::Result<&SendSocket> {
        let place = match family {
            Family::V4 => &mut self.v4,
            Family::V6 => &mut self.v6,
        };
        if let Some(socket) = place {
            return Ok(socket);
        }
        let socket = SendSocket::open(&SendOptions {
            family,
            protocol: vrrp::PROTOCOL,
            device: None,
            interface: IfIndex(0),
            priority: CONTROL_PRIORITY,
            traffic_class: ipv4::TOS_CONTROL,
            hop_limit: vrrp::HOP_LIMIT,
        })?;
        Ok(place.insert(socket))
    }
}

/// SO_PRIORITY of adverts: TC_PRIO_CONTROL, the band that a queue serves first.
const CONTROL_PRIORITY: u8 = 7;

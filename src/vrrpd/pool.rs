//! The sockets: one receiver for each interface, family and group, shared by its virtual routers, and one
//! sender for each family.

use std::io;
use std::os::fd::AsRawFd;

use super::kind;
use crate::base::addr::{Family, IpAddr};
use crate::base::id::{IfIndex, InstanceId, LinkId, SocketId};
use crate::base::name::IfName;
use crate::daemon::reactor::{Interest, Turn};
use crate::daemon::token::{Own, Registration};
use crate::sys::filter::{Filter, OctetSet};
use crate::sys::queue::QueueSize;
use crate::sys::raw::receive::{ReceiveOptions, ReceiveSocket};
use crate::sys::raw::send::{SendOptions, SendSocket};
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
    /// What it lets through.
    filter: Filter,
    registration: Registration,
    /// Router id to instance.
    owners: Box<[Option<InstanceId>; 256]>,
    /// Further instances of a router id: unicast ones that differ by their addresses.
    more: Vec<(u8, InstanceId)>,
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

    fn add(&mut self, vrid: u8, instance: InstanceId) {
        match self.owners.get_mut(usize::from(vrid)) {
            Some(free @ None) => *free = Some(instance),
            _ => self.more.push((vrid, instance)),
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
    v4: Option<SendSocket>,
    v6: Option<SendSocket>,
}

impl Pool {
    /// The receiver for `key`, opened if there is none yet. It is a member of the group on the interface `below` its
    /// own, too, if there is one. For load time and returning interfaces: allocates.
    ///
    /// # Errors
    /// What the kernel says.
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
            device: device.map(|(name, _)| name),
            filter: Filter::Nothing,
        })?;
        if let Some(group) = key.group {
            socket.join(group, index)?;
            if let Some(below) = below {
                socket.join(group, below)?;
            }
        }
        let position = self.receivers.iter().position(Option::is_none).unwrap_or(self.receivers.len());
        let id = SocketId::at(position);
        let own = Own { kind: kind::SOCKET, index: id.number() };
        let registration = turn.register(socket.as_raw_fd(), own, Interest::Read)?;
        let owners = Box::new([None; 256]);
        let filter = Filter::Nothing;
        let receiver = Some(Receiver {
            key,
            index,
            buffer: None,
            socket,
            filter,
            registration,
            owners,
            more: Vec::new(),
        });
        match self.receivers.get_mut(position) {
            Some(free) => *free = receiver,
            None => self.receivers.push(receiver),
        }
        Ok(id)
    }

    /// An interface is gone. One that comes with the same number is another one, which its receivers do not hear; and
    /// what they have joined must be left now, for when they are closed that would be taken from the new one.
    pub fn abandon(&mut self, link: LinkId) {
        for receiver in self.receivers.iter_mut().flatten().filter(|there| there.key.link == Some(link)) {
            if let Some(group) = receiver.key.group {
                // It is not there any more for the kernel, which forgets all the same that it was joined.
                let _ = receiver.socket.leave(group, receiver.index);
            }
            receiver.index = IfIndex(0);
        }
    }

    /// Joins every group again, for interfaces may have gone and come back unseen. To a switch this is one more report.
    pub fn join_again(&mut self) {
        for receiver in self.receivers.iter().flatten() {
            if let Some(group) = receiver.key.group {
                let _ = receiver.socket.leave(group, receiver.index);
                // If it has gone for good, the list that follows says so.
                let _ = receiver.socket.join(group, receiver.index);
            }
        }
    }

    /// Sizes the kernel's queue of a receiver, if it has another size.
    ///
    /// # Errors
    /// What the kernel says.
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

    /// Tells every receiver which router ids it serves now, and closes those that serve none.
    /// `strangers`: they bring adverts of all other router ids as well.
    pub fn assign(
        &mut self,
        turn: &mut Turn<'_>,
        users: impl Iterator<Item = (SocketId, u8, InstanceId)>,
        strangers: bool,
    ) {
        for receiver in self.receivers.iter_mut().flatten() {
            receiver.owners.fill(None);
            receiver.more.clear();
        }
        for (socket, vrid, instance) in users {
            if let Some(receiver) = self.receivers.get_mut(socket.index()).and_then(Option::as_mut) {
                receiver.add(vrid, instance);
            }
        }
        self.lend_bare();
        for place in &mut self.receivers {
            let Some(receiver) = place else { continue };
            let set: OctetSet = (0..=u8::MAX).filter(|vrid| receiver.owner(*vrid).is_some()).collect();
            if set.is_empty() {
                turn.deregister(receiver.registration);
                *place = None;
            } else {
                let filter = match strangers {
                    true => Filter::Everything,
                    false => Filter::OctetIn { offset: receiver.key.vrid_at(), set },
                };
                // Without a filter the child drops what is not its own by itself.
                if receiver.filter != filter && receiver.socket.set_filter(&filter).is_ok() {
                    receiver.filter = filter;
                }
            }
        }
    }

    /// A router that expects authentication headers hears bare adverts as well, to tell that they are bare, unless
    /// another one has its router id there.
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
    /// What the kernel says.
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

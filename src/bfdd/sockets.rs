//! The sockets: one that receives for each family and port, one that sends for each family. Packets move in batches.

use std::io;
use std::os::fd::{AsRawFd, RawFd};

use nix::errno::Errno;

use super::{kind, report};
use crate::base::addr::Family;
use crate::base::bytes::Writer;
use crate::base::limit;
use crate::daemon::reactor::{Interest, Turn};
use crate::daemon::token::{Registration, SourceId};
use crate::sys::udp::{ReceiveBatch, ReceiveSocket, SendBatch, SendSocket, Way};
use crate::wire::bfd::{Control, PORT, PORT_MULTIHOP};
use crate::wire::udp;

/// A port of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) family: Family,
    pub(super) multihop: bool,
}

impl Place {
    const ALL: [Self; 4] = [
        Self { family: Family::V4, multihop: false },
        Self { family: Family::V4, multihop: true },
        Self { family: Family::V6, multihop: false },
        Self { family: Family::V6, multihop: true },
    ];

    /// How many there are.
    pub(super) const COUNT: u32 = 4;

    /// The port to which packets are sent.
    pub(super) const fn port(self) -> u16 {
        if self.multihop { PORT_MULTIHOP } else { PORT }
    }
}

#[derive(Default)]
struct Listener {
    socket: Option<(ReceiveSocket, Registration)>,
    /// Sessions are to be heard here.
    wanted: bool,
    /// It has been logged that the socket cannot be opened.
    logged: bool,
}

/// What sends for one family.
#[derive(Default)]
struct Sender {
    socket: Option<SendSocket>,
    batch: SendBatch,
}

/// All sockets.
#[derive(Default)]
pub(super) struct Sockets {
    listeners: [Listener; 4],
    senders: [Sender; 2],
}

/// A packet on its way out, and between whom.
#[derive(Clone, Copy)]
pub(super) struct Packet {
    /// What names the session if the kernel refuses the packet.
    pub(super) tag: u32,
    pub(super) control: Control,
    pub(super) place: Place,
    pub(super) way: Way,
    /// The source port.
    pub(super) port: u16,
}

impl Sockets {
    /// Sessions are to be heard at these places and at no others.
    pub(super) fn want(&mut self, turn: &mut Turn<'_>, places: impl Iterator<Item = Place> + Clone) {
        for (listener, place) in self.listeners.iter_mut().zip(Place::ALL) {
            listener.wanted = places.clone().any(|wanted| wanted == place);
            if !listener.wanted
                && let Some((socket, registration)) = listener.socket.take()
            {
                turn.deregister(registration);
                drop(socket);
            }
        }
    }

    /// Opens what is wanted and not open yet. False: something is to be tried again.
    pub(super) fn open(&mut self, turn: &mut Turn<'_>) -> bool {
        let mut complete = true;
        for ((listener, place), index) in self.listeners.iter_mut().zip(Place::ALL).zip(0..) {
            if !listener.wanted || listener.socket.is_some() {
                continue;
            }
            match listen(turn, place, index) {
                Ok(open) => {
                    listener.socket = Some(open);
                    listener.logged = false;
                }
                Err(error) => {
                    complete = false;
                    if !core::mem::replace(&mut listener.logged, true) {
                        report::cannot_listen(place.family, place.port(), &error);
                    }
                }
            }
        }
        complete
    }

    /// Reads what a socket has, as far as the batch has room: how many packets, and where they came in.
    pub(super) fn read(&self, index: u32, batch: &mut ReceiveBatch) -> Option<(usize, Place)> {
        let position = usize::try_from(index).ok()?;
        let (socket, _) = self.listeners.get(position)?.socket.as_ref()?;
        // The socket has nothing more for now if the kernel reports an error.
        Some((socket.receive(batch).unwrap_or(0), *Place::ALL.get(position)?))
    }

    /// The descriptors of the sockets that receive, and for whom.
    pub(super) fn listeners(&self) -> impl Iterator<Item = (RawFd, Place)> {
        self.listeners.iter().zip(Place::ALL).filter_map(|(listener, place)| {
            let (socket, _) = listener.socket.as_ref()?;
            Some((socket.as_raw_fd(), place))
        })
    }

    /// The descriptor of the socket that sends for a family; none before its first packet.
    pub(super) fn sends(&self, family: Family) -> Option<RawFd> {
        let [four, six] = &self.senders;
        let sender = if family == Family::V4 { four } else { six };
        sender.socket.as_ref().map(AsRawFd::as_raw_fd)
    }

    /// Puts a packet into the batch; one that is full leaves first. Packets that the kernel refuses go to `failed`.
    pub(super) fn queue(&mut self, packet: &Packet, failed: &mut dyn FnMut(u32, Errno)) {
        let (mut room, mut payload) = ([0; limit::BFD_OCTETS], [0; limit::BFD_OCTETS]);
        let mut control = Writer::new(&mut payload);
        let mut out = Writer::new(&mut room);
        let Way { source, destination, .. } = &packet.way;
        let ends = ((source, packet.port), (destination, packet.place.port()));
        if packet.control.emit(&mut control).is_err()
            || udp::emit(&mut out, ends.0, ends.1, control.written()).is_err()
        {
            return;
        }
        let sender = self.sender(packet.place.family);
        if sender.batch.push(packet.tag, out.written(), &packet.way).is_err() {
            sender.flush(packet.place.family, failed);
            // An empty batch takes every packet.
            let _ = sender.batch.push(packet.tag, out.written(), &packet.way);
        }
    }

    /// Hands the gathered packets to the kernel.
    pub(super) fn flush(&mut self, failed: &mut dyn FnMut(u32, Errno)) {
        for family in [Family::V4, Family::V6] {
            self.sender(family).flush(family, failed);
        }
    }

    const fn sender(&mut self, family: Family) -> &mut Sender {
        let [four, six] = &mut self.senders;
        match family {
            Family::V4 => four,
            Family::V6 => six,
        }
    }
}

impl Sender {
    fn flush(&mut self, family: Family, failed: &mut dyn FnMut(u32, Errno)) {
        if self.batch.is_empty() {
            return;
        }
        if self.socket.is_none() {
            match SendSocket::open(family) {
                Ok(socket) => self.socket = Some(socket),
                Err(error) => report::kernel_failed("the socket that sends BFD packets", &error),
            }
        }
        match &self.socket {
            Some(socket) => socket.send(&mut self.batch, failed),
            None => self.batch.clear(),
        }
    }
}

fn listen(turn: &mut Turn<'_>, place: Place, index: u32) -> io::Result<(ReceiveSocket, Registration)> {
    let socket = ReceiveSocket::open(place.family, place.port())?;
    let own = SourceId { kind: kind::LISTENER, index };
    let registration = turn.register(socket.as_raw_fd(), own, Interest::Read)?;
    Ok((socket, registration))
}

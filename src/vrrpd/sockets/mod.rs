//! The sockets of adverts: which one each instance receives on, and the batches that all instances send with.
//!
//! Job: `pool` has the sockets, one receiver for all instances that receive alike; `receive` finds the instance that a
//! datagram is for; `send` gathers the adverts of a turn and hands them to the kernel in one system call for each
//! family; `advert` writes one, and `buffers` sizes the kernel's queues. Uses the instances as they are, the table of
//! interfaces and the interfaces of the child's own.

mod advert;
mod buffers;
mod members;
pub(super) mod pool;
mod receive;
mod send;

use std::io;

pub use receive::Received;

use pool::{Key, Pool, User};

use super::live::Instance;
use super::own::OwnInterfaces;
use super::own::plan::{self, virtual_mac};
use super::report;
use crate::base::addr::Family;
use crate::base::id::{IfIndex, InstanceId, LinkId, SocketId};
use crate::base::limit;
use crate::base::rate::Budget;
use crate::child::links::Links;
use crate::config::model::Global;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::Auth;
use crate::sys::raw::receive::ReceiveBatch;
use crate::sys::raw::send::SendBatch;

/// The sockets of adverts, and the buffers that every instance uses in turn.
pub struct Sockets {
    /// The sockets.
    pub pool: Pool,
    /// Buffers for one read; none while they are in use.
    pub batch: Option<ReceiveBatch>,
    /// What is left to be taken of the last read.
    pub unread: Option<Unread>,
    send_v4: SendBatch,
    send_v6: SendBatch,
    scratch: Box<[u8; limit::ADVERT_OCTETS]>,
    /// Adverts that the kernel refused, each with the error number.
    failures: Vec<(InstanceId, i32)>,
    /// Instances receive on other sockets than these know of. The sockets are told at the end of the turn, once for
    /// all that happened in the turn.
    pub changed: bool,
    /// For lines about adverts of router ids that are not configured (`log_unknown_vrids`); other lines do not suffer
    /// by them.
    unknown_vrids: Budget,
}

/// The datagrams of one read that have not been taken yet.
#[derive(Clone, Copy, Debug)]
pub struct Unread {
    /// The socket that they came from.
    pub socket: SocketId,
    /// The first of them in the batch.
    pub at: usize,
    /// How many there are in the batch, those that have been taken among them.
    pub count: usize,
}

impl Sockets {
    /// No socket yet. `unknown_vrids`: the budget for lines about adverts of router ids that are not configured.
    #[must_use]
    pub fn new(unknown_vrids: Budget) -> Self {
        Self {
            pool: Pool::default(),
            batch: Some(ReceiveBatch::new()),
            unread: None,
            send_v4: SendBatch::new(),
            send_v6: SendBatch::new(),
            scratch: Box::new([0; limit::ADVERT_OCTETS]),
            failures: Vec::new(),
            changed: false,
            unknown_vrids,
        }
    }

    /// Makes room for an advert of each instance that the kernel refuses.
    pub fn reserve(&mut self, instances: usize) {
        self.failures.reserve_exact(instances.saturating_sub(self.failures.len()));
    }

    /// Opens the socket that an instance receives adverts on. Whether that failed, which a later call may mend; an
    /// interface that does not exist is no failure, for the instance is in FAULT because of that already.
    pub fn open(
        &mut self,
        turn: &mut Turn<'_>,
        instance: &mut Instance,
        (links, owns): (&Links, &OwnInterfaces),
        global: &Global,
    ) -> bool {
        let existing = |link: LinkId| Some((link, links.link(link)?.index?));
        let macvlan = receiving_macvlan(instance, links, owns).map(existing);
        let (Some((key, index)), false) = (subscription(instance, links, owns), macvlan == Some(None)) else {
            (instance.reception.socket, instance.reception.failed) = (None, false);
            return false;
        };
        let base = instance.links.base.and_then(existing);
        match self.receive_on(turn, key, index, base, macvlan.flatten(), (links, global)) {
            Ok(socket) => {
                (instance.reception.socket, instance.reception.failed) = (Some(socket), false);
                self.changed = true;
                false
            }
            Err(error) => {
                if !instance.reception.failed {
                    report::socket_failed(&instance.config.name, &error);
                }
                (instance.reception.socket, instance.reception.failed) = (None, true);
                true
            }
        }
    }

    fn receive_on(
        &mut self,
        turn: &mut Turn<'_>,
        key: Key,
        index: Option<IfIndex>,
        base: Option<(LinkId, IfIndex)>,
        macvlan: Option<(LinkId, IfIndex)>,
        (links, global): (&Links, &Global),
    ) -> io::Result<SocketId> {
        let name = key.link.and_then(|link| Some(links.link(link)?.name.clone()));
        let device = name.as_ref().zip(index);
        // Switches that look for members of the group are to find one at the interface's own hardware address.
        let below = base.filter(|(base, _)| Some(*base) != key.link).map(|(_, index)| index);
        let socket = self.pool.open(turn, key, device, below)?;
        if let (true, Some(group)) = (key.own, key.group) {
            for (link, index) in base.into_iter().chain(macvlan) {
                self.pool.join((group, link), index)?;
            }
            if global.vrrp.log_unknown_vrids {
                let _ = self.pool.open(turn, Key { own: false, ..key }, device, below);
            }
        }
        if key.header {
            // To report bare adverts; without this socket they are not received at all.
            let _ = self.pool.open(turn, Key { header: false, ..key }, device, below);
        }
        Ok(socket)
    }

    /// Whether an instance is to receive on another socket than it does: its macvlan went up or down, or into a VRF.
    #[must_use]
    pub fn is_outdated(&self, instance: &Instance, links: &Links, owns: &OwnInterfaces) -> bool {
        let receiver = instance.reception.socket.and_then(|socket| self.pool.receiver(socket));
        let (Some(receiver), Some((key, index))) = (receiver, subscription(instance, links, owns)) else {
            return false;
        };
        receiver.key != key || receiver.index != index.unwrap_or_default()
    }

    /// Opens the sockets for sending, so that a take-over has nothing to wait for.
    pub fn open_senders(&mut self, instances: &[Instance]) {
        for family in [Family::V4, Family::V6] {
            if instances.iter().any(|instance| instance.family() == family)
                && let Err(error) = self.pool.sender(family)
            {
                report::sender_failed(&error);
            }
        }
    }

    /// Tells every socket which instances it serves, if that changed.
    pub fn assign(
        &mut self,
        turn: &mut Turn<'_>,
        instances: &[Instance],
        (links, owns): (&Links, &OwnInterfaces),
        global: &Global,
    ) {
        if !core::mem::take(&mut self.changed) {
            return;
        }
        let users = instances.iter().enumerate().filter_map(|(i, instance)| {
            let macvlan = receiving_macvlan(instance, links, owns);
            let macvlan = macvlan.and_then(|macvlan| Some((macvlan, links.link(macvlan)?.index?)));
            let vrid = instance.router.params().vrid;
            Some(User { socket: instance.reception.socket?, vrid, instance: InstanceId::at(i), macvlan })
        });
        let users: Vec<_> = users.collect();
        self.pool.assign(turn, users.into_iter(), global.vrrp.log_unknown_vrids);
        self.size_receivers(instances, links, &global.buffers);
        for (_, receiver) in self.pool.iter() {
            let (key, multicast) = (receiver.key, receiver.key.group);
            report::socket(receiver.index, key.family, key.protocol(), receiver.fd(), multicast);
        }
    }
}

/// The macvlan that a multicast instance receives on. To a macvlan of the child's own the kernel gives, and to it alone,
/// what bears its hardware address: the adverts of other routers with the same one. That is the macvlan of the
/// instance, or one that only addresses of the instance are on.
fn receiving_macvlan(instance: &Instance, links: &Links, owns: &OwnInterfaces) -> Option<LinkId> {
    if !instance.peers.is_empty() || instance.config.ipvlan.is_some() {
        return None;
    }
    if instance.links.own != instance.links.base || !instance.config.wants_macvlan() {
        return instance.links.own.filter(|own| Some(*own) != instance.links.base);
    }
    let link = owns.macvlan(instance.links.base?, instance.family(), instance.router.params().vrid)?;
    links.link(link).is_some_and(|link| link.state.up).then_some(link)
}

/// Whether an instance may receive on a macvlan of this key that only addresses of the instance are on.
pub(super) fn may_receive_on(instance: &Instance, macvlan: plan::Key) -> bool {
    let mac = virtual_mac(instance.family(), instance.router.params().vrid);
    instance.links.own == instance.links.base
        && instance.links.base.is_some_and(|base| macvlan == plan::Key::Macvlan(base, mac))
}

/// What an instance is to receive, and the number of the interface if one is needed; none: the interface does not exist.
fn subscription(instance: &Instance, links: &Links, owns: &OwnInterfaces) -> Option<(Key, Option<IfIndex>)> {
    let macvlan = receiving_macvlan(instance, links, owns);
    let in_vrf = |link: LinkId| links.link(link).is_some_and(|link| link.in_vrf);
    // What comes in by a VRF bears the VRF's number to a filter.
    let own = macvlan.is_some() && !instance.links.base.is_some_and(in_vrf);
    // Without an interface it may be a VRF that adverts come in by.
    let link =
        if own { instance.links.base } else { macvlan.or(instance.links.base).or(instance.links.transmit) };
    let index = match link {
        None => None,
        Some(link) => Some(links.link(link)?.index?),
    };
    let key = Key {
        family: instance.family(),
        link,
        group: instance.peers.is_empty().then_some(instance.config.group),
        header: matches!(instance.router.params().auth, Auth::Header(_)),
        own,
    };
    Some((key, index))
}

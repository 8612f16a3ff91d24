//! Adverts read from a socket, and the instance that each datagram is for.

use super::Sockets;
use super::pool::{Key, Receiver};
use crate::base::id::{InstanceId, SocketId};
use crate::base::time::Instant;
use crate::child::links::Links;
use crate::sys::raw::receive::{Datagram, ReceiveBatch};
use crate::vrrpd::live::Instance;
use crate::vrrpd::report;
use crate::wire::{ah, ipv4};

/// An advert that a socket brought.
pub struct Received<'a> {
    /// The advert without the headers around it.
    pub octets: &'a [u8],
    /// The authentication header that it came in.
    pub header: Option<ah::Header<'a>>,
    /// Its router id.
    pub vrid: u8,
    /// The instance that it is for; none: no instance there has its router id.
    pub instance: Option<InstanceId>,
}

impl Sockets {
    /// Reads what a socket has, as far as the batch has room; how many datagrams that are.
    pub fn read(&self, id: SocketId, batch: &mut ReceiveBatch) -> usize {
        let received = self.pool.receiver(id).map(|receiver| receiver.socket().receive(batch));
        // An error of the interface is reported by netlink; the socket has nothing more for now.
        received.and_then(Result::ok).unwrap_or(0)
    }

    /// The advert in a datagram; none: the datagram is not what the socket is for.
    pub fn advert<'a>(
        &self,
        instances: &[Instance],
        socket: SocketId,
        datagram: &Datagram<'a>,
    ) -> Option<Received<'a>> {
        let receiver = self.pool.receiver(socket)?;
        // To the group that the receiver is for, or to an address of this machine.
        let group = datagram.destination.filter(|destination| destination.is_multicast());
        if group != receiver.key.group {
            return None;
        }
        let (octets, header) = unwrap(datagram, receiver.key.header)?;
        let vrid = octets.get(1).copied()?;
        let instance = self.addressee(instances, receiver, vrid, datagram);
        (instance.is_some() || !receiver.key.own).then_some(Received { octets, header, vrid, instance })
    }

    /// Logs an advert whose router id no instance on its interface has (`log_unknown_vrids`).
    pub fn log_unknown(
        &mut self,
        now: Instant,
        links: &Links,
        socket: SocketId,
        vrid: u8,
        datagram: &Datagram<'_>,
    ) {
        let Some(key) = self.pool.receiver(socket).map(|receiver| receiver.key) else { return };
        let Some(link) = key.link.or_else(|| links.numbered(datagram.interface)) else { return };
        // Another receiver may have it: one for unicast, another group, or all interfaces.
        let near = |other: &Key| other.family == key.family && other.link.is_none_or(|other| other == link);
        let configured = |receiver: &Receiver| near(&receiver.key) && receiver.owner(vrid).is_some();
        if self.pool.iter().any(|(_, receiver)| configured(receiver))
            || !report::may(&mut self.unknown_vrids, now)
        {
            return;
        }
        if let Some(link) = links.link(link) {
            report::unknown_vrid(vrid, &link.name);
        }
    }

    /// The instance that a datagram is for. Several unicast ones of one router id, on one receiver or on several that
    /// all get it, differ by the address that it was sent to and by their peers.
    fn addressee(
        &self,
        instances: &[Instance],
        receiver: &Receiver,
        vrid: u8,
        datagram: &Datagram<'_>,
    ) -> Option<InstanceId> {
        let fit = |id: InstanceId| {
            instances.get(id.index()).map_or(0, |instance| {
                let to = instance.local() == datagram.destination;
                let from = instance.peers.iter().any(|peer| peer.addr == datagram.source);
                u8::from(to) + u8::from(from)
            })
        };
        if receiver.key.own {
            return receiver.on_macvlan(vrid, datagram.interface);
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
        // A receiver of all interfaces gets what those of single interfaces get, too: the instance that fits better has
        // the datagram, or else the instance of the interface.
        let everywhere = receiver.key.link.is_none();
        let receives = |other: &Receiver| {
            other.key == Key { link: other.key.link, ..receiver.key }
                && other.key.link != receiver.key.link
                && (other.key.link.is_none() || other.index == datagram.interface)
        };
        let mut rivals = self.pool.iter().filter(|(_, other)| receives(other));
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

//! Frames to events: adverts, gratuitous ARP and unsolicited neighbour advertisements.
//!
//! Deliberately independent of the daemon's own parsers; tshark judges the same frames a second time.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A point in time by the kernel's wall clock, in nanoseconds since 1970.
pub(crate) type Stamp = u64;

/// An advert as it was on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Advert {
    /// VRRP version.
    pub(crate) version: u8,
    /// Virtual router identifier.
    pub(crate) vrid: u8,
    /// Priority; 0 says goodbye.
    pub(crate) priority: u8,
    /// IP source.
    pub(crate) source: IpAddr,
    /// IP destination.
    pub(crate) destination: IpAddr,
    /// TTL or hop limit.
    pub(crate) ttl: u8,
    /// Ethernet source.
    pub(crate) mac: [u8; 6],
    /// Octets 4 and 5: authentication type and seconds (v2), or the interval in centiseconds (v3).
    pub(crate) timing: u16,
    /// The virtual addresses.
    pub(crate) addresses: Vec<IpAddr>,
    /// The eight octets of authentication data of version 2.
    pub(crate) authentication: Vec<u8>,
}

/// What a frame was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// A VRRP advert.
    Advert(Advert),
    /// A gratuitous ARP or an unsolicited neighbour advertisement: this address is now at this MAC.
    Announce {
        /// The address.
        address: IpAddr,
        /// The link layer address.
        mac: [u8; 6],
    },
    /// Anything else.
    Other,
}

/// A frame that entered the switch.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// When.
    pub(crate) at: Stamp,
    /// The node that sent it.
    pub(crate) node: String,
    /// What it was.
    pub(crate) what: What,
}

impl Event {
    /// The advert, if it is one.
    pub(crate) fn advert(&self) -> Option<&Advert> {
        match &self.what {
            What::Advert(advert) => Some(advert),
            _ => None,
        }
    }

    /// Whether it is an advert of `node` by a master that goes on (priority above 0).
    pub(crate) fn is_advert_of(&self, node: &str) -> bool {
        self.node == node && self.advert().is_some_and(|advert| advert.priority > 0)
    }

    /// Whether it is the goodbye of `node` (priority 0).
    pub(crate) fn is_goodbye_of(&self, node: &str) -> bool {
        self.node == node && self.advert().is_some_and(|advert| advert.priority == 0)
    }

    /// Whether `node` announces `address`.
    pub(crate) fn announces(&self, node: &str, address: &str) -> bool {
        let wanted: IpAddr = address.parse().expect("an address");
        self.node == node && matches!(&self.what, What::Announce { address, .. } if *address == wanted)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} {}: ", self.at / 1_000_000_000, self.at / 1_000 % 1_000_000, self.node)?;
        match &self.what {
            What::Advert(advert) => write!(
                f,
                "advert v{} vrid {} priority {} {} > {} {:?}",
                advert.version,
                advert.vrid,
                advert.priority,
                advert.source,
                advert.destination,
                advert.addresses
            ),
            What::Announce { address, mac } => write!(f, "announces {address} at {mac:02x?}"),
            What::Other => write!(f, "other"),
        }
    }
}

/// What an Ethernet frame is.
pub(crate) fn decode(frame: &[u8]) -> What {
    let parsed = match frame.get(12..14) {
        Some([0x08, 0x00]) => ipv4(frame),
        Some([0x86, 0xdd]) => ipv6(frame),
        Some([0x08, 0x06]) => arp(frame),
        _ => None,
    };
    parsed.unwrap_or(What::Other)
}

fn mac_at(frame: &[u8], offset: usize) -> Option<[u8; 6]> {
    frame.get(offset..offset + 6)?.try_into().ok()
}

fn v4_at(octets: &[u8], offset: usize) -> Option<IpAddr> {
    let octets: [u8; 4] = octets.get(offset..offset + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(octets).into())
}

fn v6_at(octets: &[u8], offset: usize) -> Option<IpAddr> {
    let octets: [u8; 16] = octets.get(offset..offset + 16)?.try_into().ok()?;
    Some(Ipv6Addr::from(octets).into())
}

fn ipv4(frame: &[u8]) -> Option<What> {
    let packet = frame.get(14..)?;
    let header = usize::from(*packet.first()? & 0x0f) * 4;
    let length = usize::from(u16::from_be_bytes(packet.get(2..4)?.try_into().ok()?));
    let mut body = packet.get(header..length)?;
    let mut protocol = *packet.get(9)?;
    if protocol == 51 {
        protocol = *body.first()?;
        body = body.get((usize::from(*body.get(1)?) + 2) * 4..)?;
    }
    if protocol != 112 {
        return None;
    }
    vrrp(frame, body, v4_at(packet, 12)?, v4_at(packet, 16)?, *packet.get(8)?, 4)
}

fn ipv6(frame: &[u8]) -> Option<What> {
    let packet = frame.get(14..)?;
    let length = usize::from(u16::from_be_bytes(packet.get(4..6)?.try_into().ok()?));
    let body = packet.get(40..40 + length)?;
    let (source, destination) = (v6_at(packet, 8)?, v6_at(packet, 24)?);
    match *packet.get(6)? {
        112 => vrrp(frame, body, source, destination, *packet.get(7)?, 16),
        // An unsolicited neighbour advertisement to all nodes with a target link layer address.
        58 if *body.first()? == 136
            && destination == IpAddr::from(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1)) =>
        {
            Some(What::Announce { address: v6_at(body, 8)?, mac: mac_at(body, 26)? })
        }
        _ => None,
    }
}

fn vrrp(
    frame: &[u8],
    body: &[u8],
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    size: usize,
) -> Option<What> {
    let count = usize::from(*body.get(3)?);
    let addresses = (0..count)
        .map(|index| if size == 4 { v4_at(body, 8 + 4 * index) } else { v6_at(body, 8 + 16 * index) })
        .collect::<Option<Vec<_>>>()?;
    Some(What::Advert(Advert {
        version: *body.first()? >> 4,
        vrid: *body.get(1)?,
        priority: *body.get(2)?,
        source,
        destination,
        ttl,
        mac: mac_at(frame, 6)?,
        timing: u16::from_be_bytes(body.get(4..6)?.try_into().ok()?),
        addresses,
        authentication: body.get(8 + size * count..)?.to_vec(),
    }))
}

fn arp(frame: &[u8]) -> Option<What> {
    let (sender, target) = (v4_at(frame, 28)?, v4_at(frame, 38)?);
    if sender != target {
        return None;
    }
    Some(What::Announce { address: sender, mac: mac_at(frame, 22)? })
}

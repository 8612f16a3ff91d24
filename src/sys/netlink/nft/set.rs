//! Sets, maps and their elements.

use super::{DATA_VALUE, LIST_ELEMENT, NESTED};
use crate::sys::netlink::message::Requests;

/// The data type of the elements of a set, by which programs that list the set show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// IPv4 addresses.
    Ipv4,
    /// IPv6 addresses.
    Ipv6,
    /// Indexes of interfaces.
    Interface,
    /// ICMPv6 types.
    Icmpv6Type,
    /// IPv6 addresses, each with the index of an interface.
    Ipv6AndInterface,
    /// IPv6 addresses, each with the name of an interface.
    Ipv6AndName,
    /// Ranges of IPv4 addresses, each with a range of ports. Since Linux 5.6.
    Ipv4AndPort,
    /// Ranges of IPv6 addresses, each with a range of ports. Since Linux 5.6.
    Ipv6AndPort,
}

impl Kind {
    /// nft's number of the type, and octets of one element.
    pub(super) const fn shape(self) -> (u32, u32) {
        match self {
            Self::Ipv4 => (IPV4, 4),
            Self::Ipv6 => (IPV6, 16),
            Self::Interface => (INTERFACE, 4),
            Self::Icmpv6Type => (ICMPV6_TYPE, 1),
            Self::Ipv6AndInterface => (IPV6 << 6 | INTERFACE, 20),
            Self::Ipv6AndName => (IPV6 << 6 | INTERFACE_NAME, 32),
            Self::Ipv4AndPort => (IPV4 << 6 | PORT, 8),
            Self::Ipv6AndPort => (IPV6 << 6 | PORT, 20),
        }
    }

    /// Octets of the parts of which each element has a range; none: the elements are single.
    pub(super) const fn ranges(self) -> Option<[u32; 2]> {
        match self {
            Self::Ipv4AndPort => Some([4, 2]),
            Self::Ipv6AndPort => Some([16, 2]),
            Self::Ipv4
            | Self::Ipv6
            | Self::Interface
            | Self::Icmpv6Type
            | Self::Ipv6AndInterface
            | Self::Ipv6AndName => None,
        }
    }

    /// nft's number of the type of what a map of such elements leads to; both have four octets.
    pub(super) const fn data(self) -> u32 {
        if self.ranges().is_some() { MARK } else { INTERFACE }
    }

    /// Whether the elements are in the machine's byte order, which programs that list the set have to be told.
    pub(super) const fn is_native(self) -> bool {
        matches!(self, Self::Interface)
    }
}

/// A set, or a map: from indexes of interfaces to such, or from ranges of addresses and ports to marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set<'a> {
    /// Its name.
    pub name: &'a str,
    /// The data type of its elements.
    pub kind: Kind,
    /// The set maps each element to the index of an interface or to a mark.
    pub is_map: bool,
    /// The set never changes once a rule uses it.
    pub is_constant: bool,
    /// Each element counts the packets that are found in it.
    pub counts: bool,
}

/// An element of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    key: Key,
    /// The last key of a range.
    last: Option<Key>,
    value: Option<u32>,
}

/// What a packet has there, at most 32 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    octets: [u8; 32],
    len: usize,
}

impl Key {
    fn new(parts: &[&[u8]]) -> Self {
        let mut octets = [0; 32];
        let mut len = 0;
        for octet in parts.iter().copied().flatten() {
            if let Some(place) = octets.get_mut(len) {
                *place = *octet;
                len += 1;
            }
        }
        Self { octets, len }
    }

    fn put(&self, kind: u16, element: &mut Requests) {
        element.nest(NESTED | kind, |key| {
            key.attribute(DATA_VALUE, self.octets.get(..self.len).unwrap_or_default());
        });
    }
}

impl Element {
    /// An element of the octets that a packet has there; cut after 32.
    #[must_use]
    pub fn new(parts: &[&[u8]]) -> Self {
        Self { key: Key::new(parts), last: None, value: None }
    }

    /// The range from the first to the last element, of each part by itself.
    #[must_use]
    pub fn range(first: &[&[u8]], last: &[&[u8]]) -> Self {
        Self { last: Some(Key::new(last)), ..Self::new(first) }
    }

    /// The same element of a map, which leads to the index of an interface or to a mark.
    #[must_use]
    pub const fn to(self, value: u32) -> Self {
        Self { value: Some(value), ..self }
    }

    pub(super) fn put(&self, request: &mut Requests) {
        request.nest(NESTED | LIST_ELEMENT, |element| {
            self.key.put(ELEMENT_KEY, element);
            if let Some(last) = &self.last {
                last.put(ELEMENT_KEY_END, element);
            }
            if let Some(value) = self.value {
                element.nest(NESTED | ELEMENT_DATA, |data| {
                    data.attribute(DATA_VALUE, &value.to_ne_bytes());
                });
            }
        });
    }
}

/// Octets of a single element with its headers, at most.
pub const ELEMENT_OCTETS: usize = 56;

/// Octets of a range with its headers, at most.
pub const RANGE_OCTETS: usize = 72;

/// Octets of the shortest element with its headers.
pub(super) const SHORTEST_ELEMENT: usize = 16;

const ELEMENT_KEY: u16 = 1;
const ELEMENT_DATA: u16 = 2;
const ELEMENT_KEY_END: u16 = 10;
// nft's numbers of types.
const IPV4: u32 = 7;
const IPV6: u32 = 8;
const PORT: u32 = 13;
const MARK: u32 = 19;
const INTERFACE: u32 = 20;
const ICMPV6_TYPE: u32 = 29;
const INTERFACE_NAME: u32 = 41;

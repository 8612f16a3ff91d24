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
        }
    }

    /// Whether the elements are in the machine's byte order, which programs that list the set have to be told.
    pub(super) const fn is_native(self) -> bool {
        matches!(self, Self::Interface)
    }
}

/// A set, or a map from indexes of interfaces to such.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Set<'a> {
    /// Its name.
    pub name: &'a str,
    /// The data type of its elements.
    pub kind: Kind,
    /// The set maps each element to the index of an interface.
    pub is_map: bool,
    /// The set never changes once a rule uses it.
    pub is_constant: bool,
}

/// An element of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element {
    octets: [u8; 32],
    len: usize,
    value: Option<u32>,
}

impl Element {
    /// An element of the octets that a packet has there; cut after 32.
    #[must_use]
    pub fn new(parts: &[&[u8]]) -> Self {
        let mut octets = [0; 32];
        let mut len = 0;
        for octet in parts.iter().copied().flatten() {
            if let Some(place) = octets.get_mut(len) {
                *place = *octet;
                len += 1;
            }
        }
        Self { octets, len, value: None }
    }

    /// The same element of a map, which leads to the index of an interface.
    #[must_use]
    pub const fn to(self, interface: u32) -> Self {
        Self { value: Some(interface), ..self }
    }

    pub(super) fn put(&self, request: &mut Requests) {
        request.nest(NESTED | LIST_ELEMENT, |element| {
            element.nest(NESTED | ELEMENT_KEY, |key| {
                key.attribute(DATA_VALUE, self.octets.get(..self.len).unwrap_or_default());
            });
            if let Some(value) = self.value {
                element.nest(NESTED | ELEMENT_DATA, |data| {
                    data.attribute(DATA_VALUE, &value.to_ne_bytes());
                });
            }
        });
    }
}

/// Octets of an element with its headers, at most.
pub const ELEMENT_OCTETS: usize = 56;

/// Octets of the shortest element with its headers.
pub(super) const SHORTEST_ELEMENT: usize = 16;

const ELEMENT_KEY: u16 = 1;
const ELEMENT_DATA: u16 = 2;
// nft's numbers of types.
const IPV4: u32 = 7;
const IPV6: u32 = 8;
pub(super) const INTERFACE: u32 = 20;
const ICMPV6_TYPE: u32 = 29;
const INTERFACE_NAME: u32 = 41;

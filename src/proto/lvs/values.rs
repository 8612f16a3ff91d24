//! What the table of IPVS holds, as plain values: what services and destinations are set to.
//!
//! The configuration holds the same values, and the child maps them onto those of netlink.

use crate::base::addr::{Family, IpAddr};
pub use crate::base::ipvs::{DestKey, Granularity, Protocol, ServiceKey, Tunnel, TunnelChecksum, TunnelKind};

/// How a service schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceValue {
    /// The scheduler; none: one that this program does not know, which only the kernel's own table can hold.
    pub scheduler: Option<Scheduler>,
    /// Flags of the scheduler, bits 0 to 2.
    pub flags: u8,
    /// Every packet is scheduled by itself.
    pub one_packet: bool,
    /// For how many seconds a client stays on its server; none: off.
    pub persistence: Option<u32>,
    /// Which clients count as one; none: every client by itself.
    pub granularity: Option<Granularity>,
    /// What looks into packets for persistence.
    pub engine: Option<Engine>,
}

impl ServiceValue {
    /// The same for a service of this family: the granularity of the other one does not count, and none without
    /// persistence.
    #[must_use]
    pub const fn of_family(mut self, family: Family) -> Self {
        self.granularity = match (self.granularity, family) {
            // All bits: every client by itself.
            _ if self.persistence.is_none() => None,
            (Some(Granularity::Mask(mask)), Family::V4) if mask.to_bits() != u32::MAX => self.granularity,
            (Some(Granularity::Length(..=127)), Family::V6) => self.granularity,
            _ => None,
        };
        self
    }
}

/// The name of a persistence engine, at most 16 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engine([u8; 16]);

impl Engine {
    /// The engine of this name; none if the name is empty or too long.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let mut octets = [0; 16];
        octets.get_mut(..name.len()).filter(|octets| !octets.is_empty())?.copy_from_slice(name.as_bytes());
        Some(Self(octets))
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        let len = self.0.iter().position(|octet| *octet == 0).unwrap_or(self.0.len());
        self.0.get(..len).and_then(|octets| core::str::from_utf8(octets).ok()).unwrap_or_default()
    }
}

/// How a destination is reached and how much it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestValue {
    /// Its weight; 0: no new connections.
    pub weight: u32,
    /// How packets reach it.
    pub method: Method,
    /// Connections that stop new ones; 0: none.
    pub upper: u32,
    /// Connections that allow them again; 0: none.
    pub lower: u32,
}

macro_rules! schedulers {
    ($($(#[$doc:meta])* $name:ident $text:literal,)*) => {
        /// A scheduler of IPVS.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum Scheduler {
            $($(#[$doc])* $name,)*
        }

        impl Scheduler {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
            /// Their names, in the same order.
            pub const NAMES: &'static [&'static str] = &[$($text),*];

            /// The kernel's name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

schedulers! {
    /// Round robin.
    RoundRobin "rr",
    /// Weighted round robin.
    WeightedRoundRobin "wrr",
    /// Least connections.
    LeastConnections "lc",
    /// Weighted least connections.
    #[default]
    WeightedLeastConnections "wlc",
    /// Locality-based least connections.
    Locality "lblc",
    /// Source hashing.
    SourceHash "sh",
    /// Maglev hashing.
    Maglev "mh",
    /// Destination hashing.
    DestinationHash "dh",
    /// Weighted fail-over.
    FailOver "fo",
    /// Weighted overflow.
    Overflow "ovf",
    /// Locality-based least connections with replication.
    LocalityReplicated "lblcr",
    /// Shortest expected delay.
    ShortestDelay "sed",
    /// Never queue.
    NeverQueue "nq",
    /// Power of two choices.
    TwoChoices "twos",
}

/// How packets reach a real server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// Addresses are translated.
    #[default]
    Nat,
    /// Sent on to the hardware address of the server.
    Direct,
    /// In a tunnel.
    Tunnel(Tunnel),
}

/// One line of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Every address from `first` to `last`, which are of one family and in order.
    Addresses {
        /// The first address.
        first: IpAddr,
        /// The last address.
        last: IpAddr,
        /// The port; 0: every port.
        port: u16,
    },
    /// A firewall mark.
    Mark {
        /// The mark.
        mark: u32,
        /// Its family, if it is given.
        family: Option<Family>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::addr::Ipv4Addr;

    #[test]
    fn the_name_of_an_engine_has_its_bounds() {
        assert_eq!(Engine::new("sip").as_ref().map(Engine::name), Some("sip"));
        assert_eq!(Engine::new("0123456789abcdef").as_ref().map(Engine::name), Some("0123456789abcdef"));
        assert_eq!((Engine::new(""), Engine::new("0123456789abcdefg")), (None, None));
    }

    #[test]
    fn a_granularity_counts_for_its_family_alone() {
        let value = |granularity| ServiceValue {
            scheduler: Some(Scheduler::RoundRobin),
            flags: 0,
            one_packet: false,
            persistence: Some(300),
            granularity: Some(granularity),
            engine: None,
        };
        let of = |granularity, family| value(granularity).of_family(family).granularity;
        let everybody = Granularity::Mask(Ipv4Addr::UNSPECIFIED);
        assert_eq!(of(everybody, Family::V4), Some(everybody), "zero is a value");
        assert_eq!(of(everybody, Family::V6), None);
        assert_eq!(of(Granularity::Mask(Ipv4Addr::BROADCAST), Family::V4), None, "the kernel's default");
        assert_eq!(of(Granularity::Length(64), Family::V6), Some(Granularity::Length(64)));
        assert_eq!(of(Granularity::Length(64), Family::V4), None);
        assert_eq!(of(Granularity::Length(128), Family::V6), None);
    }
}

//! What the kernel counts of a service and of a destination.

use crate::sys::netlink::genl::{Attributes, number};

/// Counters since the entry was made or zeroed, and their estimated growth a second. The kernel adds up what its
/// processors have counted every two seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections that were scheduled.
    pub connections: u64,
    /// Packets from clients.
    pub in_packets: u64,
    /// Packets to clients, where they pass this machine.
    pub out_packets: u64,
    /// Octets from clients.
    pub in_octets: u64,
    /// Octets to clients, where they pass this machine.
    pub out_octets: u64,
    /// Connections a second.
    pub connection_rate: u64,
    /// Packets from clients a second.
    pub in_packet_rate: u64,
    /// Packets to clients a second.
    pub out_packet_rate: u64,
    /// Octets from clients a second.
    pub in_octet_rate: u64,
    /// Octets to clients a second.
    pub out_octet_rate: u64,
}

impl Stats {
    /// The values of a nest, whose numbers have 32 or 64 bits: kernels before 4.1 have fewer of 64.
    pub(super) fn decode(nest: Attributes<'_>) -> Self {
        let mut stats = Self::default();
        for (kind, payload) in nest {
            let wide = payload.first_chunk().copied().map(u64::from_ne_bytes);
            let value = wide.or_else(|| number(payload).map(u64::from)).unwrap_or(0);
            match kind {
                1 => stats.connections = value,
                2 => stats.in_packets = value,
                3 => stats.out_packets = value,
                4 => stats.in_octets = value,
                5 => stats.out_octets = value,
                6 => stats.connection_rate = value,
                7 => stats.in_packet_rate = value,
                8 => stats.out_packet_rate = value,
                9 => stats.in_octet_rate = value,
                10 => stats.out_octet_rate = value,
                // IPVS_STATS_ATTR_PAD: nothing, before a number of 64 bits.
                _ => {}
            }
        }
        stats
    }
}

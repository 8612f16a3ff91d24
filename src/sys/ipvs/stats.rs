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

/// What the kernel counts of a destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Counters.
    pub stats: Stats,
    /// Connections that are open.
    pub active: u64,
    /// Connections that are closing, or of protocols without an end.
    pub inactive: u64,
    /// Clients that are bound to it.
    pub persistent: u64,
}

impl Load {
    /// Adds what was counted of a destination of another service.
    pub fn add(&mut self, other: &Self) {
        self.stats.add(&other.stats);
        self.active = self.active.saturating_add(other.active);
        self.inactive = self.inactive.saturating_add(other.inactive);
        self.persistent = self.persistent.saturating_add(other.persistent);
    }
}

impl Stats {
    /// The counters in the order of the kernel's numbers, from 1 on.
    const fn fields(&mut self) -> [&mut u64; 10] {
        [
            &mut self.connections,
            &mut self.in_packets,
            &mut self.out_packets,
            &mut self.in_octets,
            &mut self.out_octets,
            &mut self.connection_rate,
            &mut self.in_packet_rate,
            &mut self.out_packet_rate,
            &mut self.in_octet_rate,
            &mut self.out_octet_rate,
        ]
    }

    /// Adds what was counted of another entry.
    pub fn add(&mut self, other: &Self) {
        let mut other = *other;
        for (own, other) in self.fields().into_iter().zip(other.fields()) {
            *own = own.saturating_add(*other);
        }
    }

    /// The values of a nest, whose numbers have 32 or 64 bits: kernels before 4.1 have fewer of 64.
    pub(super) fn decode(nest: Attributes<'_>) -> Self {
        let mut stats = Self::default();
        let mut fields = stats.fields();
        for (kind, payload) in nest {
            let wide = payload.first_chunk().copied().map(u64::from_ne_bytes);
            let value = wide.or_else(|| number(payload).map(u64::from)).unwrap_or(0);
            // IPVS_STATS_ATTR_PAD, before a number of 64 bits, is beyond them.
            if let Some(field) = usize::from(kind).checked_sub(1).and_then(|at| fields.get_mut(at)) {
                **field = value;
            }
        }
        stats
    }
}

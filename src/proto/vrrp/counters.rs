//! What an instance counts: keepalived's statistics, and one counter more for each reason it has none for.

/// Counters of one instance since its start, or since they were cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Adverts accepted.
    pub received: u64,
    /// Adverts handed to the kernel, those of priority 0 included; unicast counts each round of peers once.
    pub sent: u64,
    /// Transitions to MASTER.
    pub became_master: u64,
    /// Transitions away from MASTER.
    pub released_master: u64,
    /// Too short or too long.
    pub length: u64,
    /// TTL or hop limit refused.
    pub hop_limit: u64,
    /// Type other than advertisement.
    pub kind: u64,
    /// Version 2: other interval than ours.
    pub interval: u64,
    /// Addresses differ from ours; such adverts are accepted.
    pub address_list: u64,
    /// Authentication type unknown.
    pub auth_type: u64,
    /// Authentication type differs from ours.
    pub auth_mismatch: u64,
    /// Authentication failed.
    pub auth_failure: u64,
    /// Version differs from ours.
    pub version: u64,
    /// Checksum wrong.
    pub checksum: u64,
    /// Unicast source that is no peer.
    pub not_a_peer: u64,
    /// Our own advert, come back.
    pub own: u64,
    /// Priority 0 received.
    pub zero_received: u64,
    /// Priority 0 sent.
    pub zero_sent: u64,
    /// Addresses put back after someone else deleted them.
    pub restored: u64,
}

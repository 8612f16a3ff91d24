//! What an instance counts: keepalived's statistics, and one counter more for each reason it has none for.

/// Counters of one instance since its start, or since they were cleared. Those that every advert moves never wrap;
/// the others stay at their end, which a flood of a million packets a second reaches within an hour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Adverts accepted.
    pub received: u64,
    /// Adverts handed to the kernel, those of priority 0 included; unicast counts each round of peers once.
    pub sent: u64,
    /// Transitions to MASTER.
    pub became_master: u32,
    /// Transitions away from MASTER.
    pub released_master: u32,
    /// Too short or too long.
    pub length: u32,
    /// TTL or hop limit refused.
    pub hop_limit: u32,
    /// Type other than advertisement.
    pub kind: u32,
    /// Version 2: other interval than ours.
    pub interval: u32,
    /// Addresses differ from ours; such adverts are accepted.
    pub address_list: u32,
    /// Authentication type unknown.
    pub auth_type: u32,
    /// Authentication type differs from ours.
    pub auth_mismatch: u32,
    /// Authentication failed.
    pub auth_failure: u32,
    /// Version differs from ours.
    pub version: u32,
    /// Checksum wrong.
    pub checksum: u32,
    /// Unicast source that is no peer.
    pub not_a_peer: u32,
    /// Our own advert, come back.
    pub own: u32,
    /// Priority 0 received.
    pub zero_received: u32,
    /// Priority 0 sent.
    pub zero_sent: u32,
    /// Addresses put back after someone else deleted them.
    pub restored: u32,
}

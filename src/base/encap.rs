//! Light tunnels that a route puts its packets in, as `ip route add ... encap` names them and the kernel takes them.

use super::addr::{Ipv4Addr, Ipv6Addr};

/// A light tunnel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Encap {
    /// In IPv4.
    Ip(Tunnel<Ipv4Addr>),
    /// In IPv6.
    Ip6(Tunnel<Ipv6Addr>),
    /// MPLS labels, outermost first, each below 2^20, at most [`LABELS`](super::limit::LABELS).
    Mpls(Vec<u32>),
    /// A locator of four groups.
    Ila(u64),
}

/// Parameters of a tunnel in IP; it has an id, a destination or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tunnel<A> {
    /// `id`
    pub id: Option<u64>,
    /// `dst`: outer destination.
    pub destination: Option<A>,
    /// `src`: outer source.
    pub source: Option<A>,
    /// `tos` or `tc`: type of service or traffic class.
    pub class: Option<u8>,
    /// `ttl` or `hoplimit`
    pub hops: Option<u8>,
    /// `flags`: TUNNEL_ bits.
    pub flags: Option<u16>,
}

impl<A> Default for Tunnel<A> {
    fn default() -> Self {
        Self { id: None, destination: None, source: None, class: None, hops: None, flags: None }
    }
}

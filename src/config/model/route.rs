//! A route, static or moved with mastership: what iproute2's `ip route add` takes.

use super::{At, Named};
use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::encap::Encap;
use crate::base::id::TrackGroupId;

/// RTPROT_KEEPALIVED: the origin of routes and rules that are tracked.
pub const ORIGIN: u8 = 18;

/// Types of routes, RTN_ numbers, by name.
pub const KINDS: [&str; 12] = [
    "unspec",
    "unicast",
    "local",
    "broadcast",
    "anycast",
    "multicast",
    "blackhole",
    "unreachable",
    "prohibit",
    "throw",
    "nat",
    "xresolve",
];

/// One route. Numbers are the kernel's; none means that nothing is said to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one option word of the line")]
pub struct Route {
    /// Where it stands.
    pub at: At,
    /// IPv4 or IPv6.
    pub family: Family,
    /// RTN_UNICAST (1) and others.
    pub kind: u8,
    /// Destination; none: the default route.
    pub destination: Option<Prefix>,
    /// `from`: only for packets from there; IPv6.
    pub from: Option<Prefix>,
    /// `src`: preferred source address.
    pub source: Option<IpAddr>,
    /// `via`: the gateway.
    pub via: Option<IpAddr>,
    /// `dev`
    pub dev: Option<Named>,
    /// `table`
    pub table: Option<u32>,
    /// `vrf`: the table of this VRF.
    pub vrf: Option<Named>,
    /// `tos`
    pub tos: Option<u8>,
    /// `protocol`
    pub origin: u8,
    /// `scope`
    pub scope: Option<u8>,
    /// `metric`
    pub metric: Option<u32>,
    /// `onlink`
    pub onlink: bool,
    /// `encap`
    pub encap: Option<Encap>,
    /// `expires` in seconds, IPv6.
    pub expires: Option<u32>,
    /// Metrics of the path, by kind, each once.
    pub metrics: Vec<PathMetric>,
    /// `congctl`: the algorithm, and whether it is locked.
    pub congestion: Option<(String, bool)>,
    /// `realms`: source in the upper, destination in the lower half; IPv4.
    pub realms: Option<u32>,
    /// `features ecn`
    pub ecn: bool,
    /// `pref`: 0 medium, 1 high, 3 low; IPv6.
    pub preference: Option<u8>,
    /// `ttl-propagate`
    pub ttl_propagate: Option<bool>,
    /// `add`, `prepend`, `append`
    pub insert: Insert,
    /// `nexthop`: more than one way.
    pub nexthops: Vec<NextHop>,
    /// `no_track`, or there is no interface to watch it by.
    pub no_track: bool,
    /// `track_group` of a static route.
    pub track_group: Option<TrackGroupId>,
}

/// One way of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextHop {
    /// `via`
    pub via: Option<IpAddr>,
    /// `dev`
    pub dev: Option<Named>,
    /// `weight`, 1 to 256; none: 1.
    pub weight: Option<u16>,
    /// `onlink`
    pub onlink: bool,
    /// `encap`
    pub encap: Option<Encap>,
    /// `realms`
    pub realms: Option<u32>,
}

/// How a route is put among those with the same destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Insert {
    /// Before them.
    #[default]
    Prepend,
    /// After them.
    Append,
    /// It fails if there is one.
    Add,
}

/// A metric of the path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathMetric {
    /// Which one.
    pub kind: MetricKind,
    /// Its value in the kernel's unit.
    pub value: u32,
    /// The kernel does not change it.
    pub lock: bool,
}

/// The kernel's metrics of a path that are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MetricKind {
    /// Octets.
    Mtu,
    /// Octets.
    AdvertisedMss,
    /// Segments.
    Reordering,
    /// Segments.
    CongestionWindow,
    /// Segments.
    SlowStart,
    /// Octets.
    Window,
    /// Segments.
    InitialWindow,
    /// Segments.
    InitialReceiveWindow,
    /// Hops.
    HopLimit,
    /// Eighths of a millisecond.
    RoundTrip,
    /// Quarters of a millisecond.
    RoundTripVariance,
    /// Milliseconds.
    LeastTimeout,
    /// 0 or 1.
    QuickAck,
    /// 0 or 1.
    FastOpenNoCookie,
}

impl Route {
    /// A unicast default route of IPv4 without options.
    #[must_use]
    pub const fn new(at: At) -> Self {
        Self {
            at,
            family: Family::V4,
            kind: 1,
            destination: None,
            from: None,
            source: None,
            via: None,
            dev: None,
            table: None,
            vrf: None,
            tos: None,
            origin: ORIGIN,
            scope: None,
            metric: None,
            onlink: false,
            encap: None,
            expires: None,
            metrics: Vec::new(),
            congestion: None,
            realms: None,
            ecn: false,
            preference: None,
            ttl_propagate: None,
            insert: Insert::Prepend,
            nexthops: Vec::new(),
            no_track: false,
            track_group: None,
        }
    }
}

//! Routes: as values, put, deleted and listed.

use core::fmt;

use neli::consts::nl::NlmF;
use neli::consts::rtnl::{Rta, Rtm};

use super::command::{Commands, Full};
use super::encap;
use super::family::{family_number, put_ip};
use super::message::Requests;
use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::encap::Encap;
use crate::base::id::IfIndex;

/// One route as the kernel is to have it. Numbers are the kernel's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// IPv4 or IPv6.
    pub family: Family,
    /// RTN_: 1 is unicast.
    pub kind: u8,
    /// The routing table; 254 is main.
    pub table: u32,
    /// RTPROT_ number: which program put the route there.
    pub protocol: u8,
    /// RT_SCOPE_: 0 is global.
    pub scope: u8,
    /// Type of service.
    pub tos: u8,
    /// Destination without host bits; none is the default route.
    pub destination: Option<Prefix>,
    /// Only for packets from there; IPv6.
    pub from: Option<Prefix>,
    /// Preferred source address.
    pub source: Option<IpAddr>,
    /// A lower one is preferred; none leaves it to the kernel: 0 for IPv4, 1024 for IPv6.
    pub metric: Option<u32>,
    /// Seconds until the kernel deletes the route; IPv6.
    pub expires: Option<u32>,
    /// RTAX_ numbers and values.
    pub metrics: Vec<(u16, u32)>,
    /// A bit for each RTAX_ number that the kernel does not change.
    pub locks: u32,
    /// The algorithm of congestion control (RTAX_CC_ALGO).
    pub congestion: Option<Box<str>>,
    /// Realms of source (upper half) and destination; IPv4.
    pub realms: Option<u32>,
    /// RFC 4191 preference: 0 medium, 1 high, 3 low; IPv6.
    pub preference: Option<u8>,
    /// MPLS takes the TTL over.
    pub ttl_propagate: Option<bool>,
    /// Where packets go: no next hop, one, or several by weight.
    pub next_hops: Vec<NextHop>,
}

/// A next hop of a route.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NextHop {
    /// The gateway, of the route's family.
    pub via: Option<IpAddr>,
    /// The link; 0 is none.
    pub interface: IfIndex,
    /// Its share among several next hops, 1 to 256; 0 counts as 1.
    pub weight: u16,
    /// The gateway is taken as directly attached.
    pub onlink: bool,
    /// The lightweight tunnel that encapsulates packets (RTA_ENCAP).
    pub encap: Option<Box<Encap>>,
    /// Realms; IPv4.
    pub realms: Option<u32>,
}

/// Where a route is put among those that lead to the same destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insert {
    /// Before them. Refused with EEXIST if exactly this route is there.
    Prepend,
    /// After them. Refused with EEXIST if exactly this route is there.
    Append,
    /// Refused with EEXIST if there is one.
    Add,
    /// In place of the one with the same table, destination, type of service and metric, if there is one.
    Replace,
}

/// Which route a request to delete means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// The one with these next hops.
    Exactly,
    /// The first one with this key, whatever its next hops are.
    AnyNextHop,
}

impl Route {
    /// The metric that the kernel has for the route.
    pub(super) fn kernel_metric(&self) -> u32 {
        self.metric.filter(|metric| *metric != 0).unwrap_or(match self.family {
            Family::V4 => 0,
            Family::V6 => IPV6_METRIC,
        })
    }

    fn put_key(&self, request: &mut Requests, metric: Option<u32>) {
        if let Some(destination) = self.destination {
            put_ip(request, Rta::Dst, &destination.addr);
        }
        if let Some(from) = self.from {
            put_ip(request, Rta::Src, &from.addr);
        }
        if let Some(metric) = metric {
            request.attribute(Rta::Priority, &metric.to_ne_bytes());
        }
        if self.table > u32::from(u8::MAX) {
            request.attribute(Rta::Table, &self.table.to_ne_bytes());
        }
    }

    fn put_next_hops(&self, request: &mut Requests) {
        match self.next_hops.as_slice() {
            [] => {}
            [hop] => put_only_hop(request, hop, self.family),
            next_hops => request.nest(Rta::Multipath, |request| {
                for hop in next_hops {
                    put_next_hop(request, hop, self.family);
                }
            }),
        }
    }

    fn put_details(&self, request: &mut Requests) {
        if let Some(source) = &self.source {
            put_ip(request, Rta::Prefsrc, source);
        }
        let single = match self.next_hops.as_slice() {
            [hop] => hop.realms,
            _ => None,
        };
        if let Some(realms) = self.realms.or(single) {
            request.attribute(Rta::Flow, &realms.to_ne_bytes());
        }
        if let Some(preference) = self.preference {
            request.attribute(RTA_PREF, &[preference]);
        }
        if let Some(seconds) = self.expires {
            request.attribute(RTA_EXPIRES, &seconds.to_ne_bytes());
        }
        if let Some(propagate) = self.ttl_propagate {
            request.attribute(RTA_TTL_PROPAGATE, &[u8::from(propagate)]);
        }
        if !self.metrics.is_empty() || self.locks != 0 || self.congestion.is_some() {
            request.nest(Rta::Metrics, |request| {
                if self.locks != 0 {
                    request.attribute(RTAX_LOCK, &self.locks.to_ne_bytes());
                }
                for (kind, value) in &self.metrics {
                    request.attribute(*kind, &value.to_ne_bytes());
                }
                if let Some(name) = &self.congestion {
                    request.attribute(RTAX_CC_ALGO, name.as_bytes());
                }
            });
        }
    }

    /// struct rtmsg: family, prefix lengths, type of service, table, protocol, scope, type, flags.
    fn fixed(&self) -> [u8; 12] {
        let onlink = matches!(self.next_hops.as_slice(), [hop] if hop.onlink);
        let flags = if onlink { u32::from(RTNH_F_ONLINK) } else { 0 };
        let [f0, f1, f2, f3] = flags.to_ne_bytes();
        let len = |prefix: Option<Prefix>| prefix.map_or(0, |prefix| prefix.len);
        let table = u8::try_from(self.table).unwrap_or(0);
        [
            family_number(self.family),
            len(self.destination),
            len(self.from),
            self.tos,
            table,
            self.protocol,
            self.scope,
            self.kind,
            f0,
            f1,
            f2,
            f3,
        ]
    }
}

/// `route 10.77.0.0/24 via 10.9.0.3 table 100`
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        show(f, self.family, self.destination, self.table, self.metric.unwrap_or(0))?;
        for hop in &self.next_hops {
            if let Some(via) = hop.via {
                write!(f, " via {via}")?;
            }
        }
        Ok(())
    }
}

pub(super) fn show(
    f: &mut fmt::Formatter<'_>,
    family: Family,
    destination: Option<Prefix>,
    table: u32,
    metric: u32,
) -> fmt::Result {
    match (destination, family) {
        (Some(destination), _) => write!(f, "route {destination}")?,
        (None, Family::V4) => f.write_str("route 0.0.0.0/0")?,
        (None, Family::V6) => f.write_str("route ::/0")?,
    }
    if table != RT_TABLE_MAIN {
        write!(f, " table {table}")?;
    }
    if metric != 0 {
        write!(f, " metric {metric}")?;
    }
    Ok(())
}

impl Commands {
    /// Asks to put a route.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn put_route(&mut self, tag: u32, route: &Route, insert: Insert) -> Result<(), Full> {
        let flags = NlmF::CREATE
            | match insert {
                Insert::Prepend => NlmF::empty(),
                Insert::Append => NlmF::APPEND,
                Insert::Add => NlmF::EXCL,
                Insert::Replace => NlmF::REPLACE,
            };
        self.append(tag, Rtm::Newroute, flags, route.fixed(), |request| {
            route.put_key(request, route.metric);
            route.put_details(request);
            route.put_next_hops(request);
        })
    }

    /// Asks to delete a route: key, type and protocol say which, and its source and next hops if `which` does. Refused with
    /// ESRCH if there is none.
    ///
    /// # Errors
    /// [`Full`]: commit first.
    pub fn delete_route(&mut self, tag: u32, route: &Route, which: Which) -> Result<(), Full> {
        self.append(tag, Rtm::Delroute, NlmF::empty(), route.fixed(), |request| {
            // The kernel takes any value for what a request does not name.
            route.put_key(request, Some(route.kernel_metric()).filter(|metric| *metric != 0));
            if which == Which::Exactly {
                if let Some(source) = &route.source {
                    put_ip(request, Rta::Prefsrc, source);
                }
                route.put_next_hops(request);
            }
        })
    }
}

fn put_only_hop(request: &mut Requests, hop: &NextHop, family: Family) {
    if hop.interface != IfIndex(0) {
        request.attribute(Rta::Oif, &hop.interface.0.to_ne_bytes());
    }
    put_gateway(request, hop, family);
}

fn put_gateway(request: &mut Requests, hop: &NextHop, family: Family) {
    if let Some(via) = hop.via.filter(|via| Family::of(via) == family) {
        put_ip(request, Rta::Gateway, &via);
    }
    if let Some(encap) = &hop.encap {
        encap::put(request, encap);
    }
}

/// struct rtnexthop: length, flags, weight less one, link; then attributes.
fn put_next_hop(request: &mut Requests, hop: &NextHop, family: Family) {
    let weight = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
    let flags = if hop.onlink { RTNH_F_ONLINK } else { 0 };
    request.sized(&[flags, weight], &hop.interface.0.to_ne_bytes(), |request| {
        put_gateway(request, hop, family);
        if let Some(realms) = hop.realms {
            request.attribute(Rta::Flow, &realms.to_ne_bytes());
        }
    });
}

/// The metric of an IPv6 route that names none (IP6_RT_PRIO_USER).
const IPV6_METRIC: u32 = 1024;
const RT_TABLE_MAIN: u32 = 254;
const RTNH_F_ONLINK: u8 = 4;
// From the kernel's rtnetlink.h; libc has them for some C libraries only.
const RTA_PREF: u16 = 20;
const RTA_EXPIRES: u16 = 23;
const RTA_TTL_PROPAGATE: u16 = 26;
const RTAX_LOCK: u16 = 1;
const RTAX_CC_ALGO: u16 = 16;

#[cfg(test)]
#[path = "route_tests.rs"]
mod tests;

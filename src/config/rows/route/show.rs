//! A route as a line that is read as the same route.

use core::fmt::{Display, Write};

use crate::base::addr::{Family, Prefix};
use crate::base::encap::{Encap, Tunnel};
use crate::config::model::route::{Insert, KINDS, MetricKind, NextHop, ORIGIN, PathMetric, Route};
use crate::config::value::Quoted;

/// The line. Numbers are written as numbers, because another machine may name them otherwise.
pub(crate) fn text(route: &Route) -> String {
    let mut out = String::new();
    let mut put = |word: &str, value: Option<&dyn Display>| {
        if let Some(value) = value {
            // Writing to a String cannot fail.
            let _ = write!(out, " {word} {value}");
        }
    };
    let kind = kind(route.kind);
    put(&kind, Some(&target(route.destination.as_ref())));
    put("from", opt(&route.from));
    put("via", opt(&route.via));
    let dev = route.dev.as_ref().map(|dev| Quoted(dev.name.as_str()));
    put("dev", opt(&dev));
    put("src", opt(&route.source));
    put("table", opt(&route.table));
    let vrf = route.vrf.as_ref().map(|vrf| Quoted(vrf.name.as_str()));
    put("vrf", opt(&vrf));
    put("tos", opt(&route.tos));
    put("protocol", opt(&(route.origin != ORIGIN).then_some(route.origin)));
    put("scope", opt(&route.scope));
    put("metric", opt(&route.metric));
    put("expires", opt(&route.expires));
    put("realms", opt(&route.realms.map(Realms)));
    put("pref", opt(&route.preference));
    put("ttl-propagate", opt(&route.ttl_propagate.map(|on| if on { "enabled" } else { "disabled" })));
    for metric in &route.metrics {
        put(metric_name(metric.kind), Some(&Locked(*metric)));
    }
    if let Some((name, lock)) = &route.congestion {
        let lock = if *lock { "lock " } else { "" };
        put("congctl", Some(&format_args!("{lock}{}", Quoted(name))));
    }
    for (on, word) in [
        (route.onlink, " onlink"),
        (route.ecn, " features ecn"),
        (route.insert == Insert::Add, " add"),
        (route.insert == Insert::Append, " append"),
        (route.no_track, " no_track"),
        (route.family == Family::V6 && route.destination.is_none(), " inet6"),
    ] {
        if on {
            out.push_str(word);
        }
    }
    // Words of a tunnel could be taken for those of the route, so it comes last.
    if let Some(tunnel) = &route.encap {
        encap(&mut out, tunnel);
    }
    for hop in &route.nexthops {
        nexthop(&mut out, hop);
    }
    out.trim_start().to_owned()
}

fn opt<T: Display>(value: &Option<T>) -> Option<&dyn Display> {
    value.as_ref().map(|value| value as &dyn Display)
}

fn target(prefix: Option<&Prefix>) -> String {
    prefix.map_or_else(|| "default".to_owned(), Prefix::to_string)
}

/// The word or number of a type of route.
fn kind(number: u8) -> String {
    match KINDS.get(usize::from(number)) {
        Some(&"unicast") => String::new(),
        Some(&"unspec") | None => number.to_string(),
        Some(name) => (*name).to_owned(),
    }
}

/// Two realms as they are written.
pub(crate) struct Realms(pub(crate) u32);

impl Display for Realms {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.0 >> 16, self.0 & 0xffff)
    }
}

struct Locked(PathMetric);

impl Display for Locked {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(if self.0.lock { "lock " } else { "" })?;
        write!(f, "{}", self.0.value)
    }
}

const fn metric_name(kind: MetricKind) -> &'static str {
    match kind {
        MetricKind::Mtu => "mtu",
        MetricKind::AdvertisedMss => "advmss",
        MetricKind::Reordering => "reordering",
        MetricKind::CongestionWindow => "cwnd",
        MetricKind::SlowStart => "ssthresh",
        MetricKind::Window => "window",
        MetricKind::InitialWindow => "initcwnd",
        MetricKind::InitialReceiveWindow => "initrwnd",
        MetricKind::HopLimit => "hoplimit",
        MetricKind::RoundTrip => "rtt",
        MetricKind::RoundTripVariance => "rttvar",
        MetricKind::LeastTimeout => "rto_min",
        MetricKind::QuickAck => "quickack",
        MetricKind::FastOpenNoCookie => "fastopen_no_cookie",
    }
}

fn nexthop(out: &mut String, hop: &NextHop) {
    out.push_str(" nexthop");
    if let Some(via) = hop.via {
        let _ = write!(out, " via {via}");
    }
    if let Some(dev) = &hop.dev {
        let _ = write!(out, " dev {}", Quoted(dev.name.as_str()));
    }
    if let Some(weight) = hop.weight {
        let _ = write!(out, " weight {weight}");
    }
    if hop.onlink {
        out.push_str(" onlink");
    }
    if let Some(realms) = hop.realms {
        let _ = write!(out, " realms {}", Realms(realms));
    }
    if let Some(tunnel) = &hop.encap {
        encap(out, tunnel);
    }
}

fn encap(out: &mut String, tunnel: &Encap) {
    match tunnel {
        Encap::Ip(tunnel) => tunnel_text(out, "ip", tunnel, ["tos", "ttl"]),
        Encap::Ip6(tunnel) => tunnel_text(out, "ip6", tunnel, ["tc", "hoplimit"]),
        Encap::Mpls(labels) => {
            let labels: Vec<String> = labels.iter().map(u32::to_string).collect();
            let _ = write!(out, " encap mpls {}", labels.join("/"));
        }
        Encap::Ila(locator) => {
            let [a, b, c, d, e, f, g, h] = locator.to_be_bytes();
            let group = |high, low| u16::from_be_bytes([high, low]);
            let _ = write!(
                out,
                " encap ila {:x}:{:x}:{:x}:{:x}",
                group(a, b),
                group(c, d),
                group(e, f),
                group(g, h)
            );
        }
    }
}

fn tunnel_text<A: Display>(out: &mut String, kind: &str, tunnel: &Tunnel<A>, own: [&str; 2]) {
    let [class, hops] = own;
    let _ = write!(out, " encap {kind}");
    let mut put = |word: &str, value: Option<&dyn Display>| {
        if let Some(value) = value {
            let _ = write!(out, " {word} {value}");
        }
    };
    put("id", opt(&tunnel.id));
    put("dst", opt(&tunnel.destination));
    put("src", opt(&tunnel.source));
    put(class, opt(&tunnel.class));
    put(hops, opt(&tunnel.hops));
    put("flags", opt(&tunnel.flags));
}

//! Routes and rules as the data dump and the JSON status show them: keepalived's words in keepalived's order.

use core::fmt::{self, Display, Formatter};

use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::encap::{Encap, Tunnel};
use crate::base::rule::Action;
use crate::config::model::route::{Insert, KINDS, MetricKind, NextHop, ORIGIN, PathMetric};
use crate::config::model::{Named, Route, Rule};

/// `prepend 10.77.0.0/24 via inet 10.9.0.3 dev eth0 proto 5`
pub struct RouteLine<'a>(pub &'a Route);

/// `from 10.77.0.0/24 priority 500 tos 0x0 protocol 18 lookup 100`
pub struct RuleLine<'a>(pub &'a Rule);

impl Display for RouteLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(route) = self;
        f.write_str(match route.insert {
            Insert::Prepend => "prepend",
            Insert::Append => "append",
            Insert::Add => "add",
        })?;
        match KINDS.get(usize::from(route.kind)) {
            Some(&"unicast") => {}
            Some(name) => write!(f, " {name}")?,
            None => write!(f, " {}", route.kind)?,
        }
        match (route.destination, route.family) {
            (Some(prefix), _) => write!(f, " {}", Network(prefix))?,
            (None, Family::V4) => f.write_str(" 0.0.0.0/0")?,
            (None, Family::V6) => f.write_str(" ::/0")?,
        }
        put(f, "from", route.from.map(Network))?;
        put(f, "src", route.source)?;
        put(f, "tos", route.tos)?;
        encap(f, route.encap.as_ref())?;
        via(f, route.via)?;
        dev(f, route.dev.as_ref())?;
        put(f, "vrf", route.vrf.as_ref().map(|named| &named.name))?;
        put(f, "table", route.table)?;
        // keepalived's own mark is not told.
        put(f, "proto", Some(route.origin).filter(|origin| *origin != ORIGIN))?;
        put(f, "scope", route.scope)?;
        put(f, "metric", route.metric)?;
        f.write_str(if route.onlink { " onlink" } else { "" })?;
        realms(f, route.realms)?;
        if let Some(seconds) = route.expires {
            write!(f, " expires {seconds}sec")?;
        }
        if let Some((name, lock)) = &route.congestion {
            write!(f, " congctl {}{name}", if *lock { "lock " } else { "" })?;
        }
        for (kind, name) in METRICS {
            for metric in route.metrics.iter().filter(|metric| metric.kind == kind) {
                write!(f, " {name} {}", Metric(*metric))?;
            }
            if kind == MetricKind::LeastTimeout && route.ecn {
                f.write_str(" features ecn")?;
            }
        }
        if let Some(preference) = route.preference {
            match preference {
                0 => f.write_str(" pref medium")?,
                1 => f.write_str(" pref high")?,
                3 => f.write_str(" pref low")?,
                other => write!(f, " pref {other}")?,
            }
        }
        if let Some(on) = route.ttl_propagate {
            write!(f, " ttl-propagate {}", if on { "enabled" } else { "disabled" })?;
        }
        for hop in &route.nexthops {
            next_hop(f, hop)?;
        }
        f.write_str(if route.no_track { " no_track" } else { "" })
    }
}

impl Display for RuleLine<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(rule) = self;
        f.write_str(if rule.invert { "not from " } else { "from " })?;
        match rule.from {
            Some(prefix) => write!(f, "{}", Network(prefix))?,
            None => f.write_str("all")?,
        }
        put(f, "to", rule.to.map(Network))?;
        write!(f, " priority {} tos {:#x}", rule.preference, rule.tos.unwrap_or(0))?;
        if let Some((mark, mask)) = rule.mark {
            write!(f, " fwmark {mark:#x}")?;
            if let Some(mask) = mask {
                write!(f, "/{mask:#x}")?;
            }
        }
        put(f, "iif", rule.input.as_ref().map(|named| &named.name))?;
        put(f, "oif", rule.output.as_ref().map(|named| &named.name))?;
        put(f, "suppress_prefixlen", rule.suppress_length)?;
        put(f, "suppress_ifgroup", rule.suppress_group)?;
        put(f, "tunnel-id", rule.tunnel)?;
        range(f, "uidrange", rule.users)?;
        if rule.action == Action::MasterDevice {
            f.write_str(" l3mdev")?;
        }
        write!(f, " protocol {}", rule.origin)?;
        put(f, "ipproto", rule.transport)?;
        range(f, "sport", rule.source_ports)?;
        range(f, "dport", rule.destination_ports)?;
        realms(f, rule.realms)?;
        match rule.action {
            Action::Table(table) => write!(f, " lookup {table}")?,
            Action::MasterDevice => f.write_str(" lookup 0")?,
            Action::Goto(target) => write!(f, " goto {target}")?,
            Action::Nothing => f.write_str(" nop")?,
            Action::Blackhole => f.write_str(" type blackhole")?,
            Action::Unreachable => f.write_str(" type unreachable")?,
            Action::Prohibit => f.write_str(" type prohibit")?,
        }
        f.write_str(if rule.no_track { " no_track" } else { "" })
    }
}

/// A network; the length of a single address is left out.
struct Network(Prefix);

impl Display for Network {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(prefix) = self;
        if *prefix == Prefix::host(prefix.addr) {
            write!(f, "{}", prefix.addr)
        } else {
            write!(f, "{prefix}")
        }
    }
}

fn put(f: &mut Formatter<'_>, word: &str, value: Option<impl Display>) -> fmt::Result {
    match value {
        Some(value) => write!(f, " {word} {value}"),
        None => Ok(()),
    }
}

fn via(f: &mut Formatter<'_>, via: Option<IpAddr>) -> fmt::Result {
    match via {
        Some(IpAddr::V4(v4)) => write!(f, " via inet {v4}"),
        Some(IpAddr::V6(v6)) => write!(f, " via inet6 {v6}"),
        None => Ok(()),
    }
}

fn dev(f: &mut Formatter<'_>, dev: Option<&Named>) -> fmt::Result {
    put(f, "dev", dev.map(|named| &named.name))
}

fn realms(f: &mut Formatter<'_>, realms: Option<u32>) -> fmt::Result {
    match realms {
        Some(realms) => write!(f, " realms {}/{}", realms >> 16, realms & 0xffff),
        None => Ok(()),
    }
}

fn range<T: Display>(f: &mut Formatter<'_>, word: &str, range: Option<(T, T)>) -> fmt::Result {
    match range {
        Some((first, last)) => write!(f, " {word} {first}-{last}"),
        None => Ok(()),
    }
}

fn next_hop(f: &mut Formatter<'_>, hop: &NextHop) -> fmt::Result {
    f.write_str(" nexthop")?;
    via(f, hop.via)?;
    dev(f, hop.dev.as_ref())?;
    put(f, "weight", hop.weight)?;
    f.write_str(if hop.onlink { " onlink" } else { "" })?;
    encap(f, hop.encap.as_ref())?;
    realms(f, hop.realms)
}

fn encap(f: &mut Formatter<'_>, encap: Option<&Encap>) -> fmt::Result {
    match encap {
        None => Ok(()),
        Some(Encap::Ip(four)) => tunnel(f, "ip", four, ["tos", "ttl"]),
        Some(Encap::Ip6(six)) => tunnel(f, "ip6", six, ["tc", "hoplimit"]),
        Some(Encap::Mpls(labels)) => {
            f.write_str(" encap mpls ")?;
            for (position, label) in labels.iter().enumerate() {
                write!(f, "{}{label}", if position == 0 { "" } else { "/" })?;
            }
            Ok(())
        }
        Some(Encap::Ila(locator)) => {
            let group = |shift: u32| (locator >> shift) & 0xffff;
            write!(f, " encap ila {:x}:{:x}:{:x}:{:x}", group(48), group(32), group(16), group(0))
        }
    }
}

fn tunnel<A: Display>(f: &mut Formatter<'_>, kind: &str, tunnel: &Tunnel<A>, own: [&str; 2]) -> fmt::Result {
    let [class, hops] = own;
    write!(f, " encap {kind}")?;
    put(f, "id", tunnel.id)?;
    put(f, "dst", tunnel.destination.as_ref())?;
    put(f, "src", tunnel.source.as_ref())?;
    put(f, class, tunnel.class)?;
    put(f, hops, tunnel.hops)?;
    put(f, "flags", tunnel.flags)
}

/// `lock 1400`, `1s`, `500ms`
struct Metric(PathMetric);

impl Display for Metric {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let PathMetric { kind, value, lock } = self.0;
        f.write_str(if lock { "lock " } else { "" })?;
        // The kernel counts eighths, quarters and wholes of a millisecond.
        let parts = match kind {
            MetricKind::RoundTrip => 8,
            MetricKind::RoundTripVariance => 4,
            MetricKind::LeastTimeout => 1,
            _ => return write!(f, "{value}"),
        };
        let millis = value / parts;
        if millis >= 1_000 && millis.is_multiple_of(1_000) {
            write!(f, "{}s", millis / 1_000)
        } else {
            write!(f, "{millis}ms")
        }
    }
}

/// Metrics in the order in which they are shown.
const METRICS: [(MetricKind, &str); 14] = [
    (MetricKind::RoundTrip, "rtt"),
    (MetricKind::RoundTripVariance, "rttvar"),
    (MetricKind::LeastTimeout, "rto_min"),
    (MetricKind::Mtu, "mtu"),
    (MetricKind::Window, "window"),
    (MetricKind::SlowStart, "ssthresh"),
    (MetricKind::CongestionWindow, "cwnd"),
    (MetricKind::AdvertisedMss, "advmss"),
    (MetricKind::Reordering, "reordering"),
    (MetricKind::HopLimit, "hoplimit"),
    (MetricKind::InitialWindow, "initcwnd"),
    (MetricKind::InitialReceiveWindow, "initrwnd"),
    (MetricKind::QuickAck, "quickack"),
    (MetricKind::FastOpenNoCookie, "fastopen_no_cookie"),
];

//! From the model to routes and rules with the kernel's numbers.

use crate::base::addr::Family;
use crate::base::id::IfIndex;
use crate::child::links::Links;
use crate::config::model::route::{Insert, MetricKind, NextHop};
use crate::config::model::{self, Named};
use crate::sys::netlink::route::{self, Route};
use crate::sys::netlink::rule::Rule;
use crate::vrrpd::live::{Entry, LiveRoute, Objects, Unseen};

/// Routes and rules of a holder, without host bits, which the kernel refuses. Their interfaces are entered in `links`.
pub(in crate::vrrpd) fn objects(
    routes: &[model::Route],
    rules: &[model::Rule],
    links: &mut Links,
) -> Objects {
    Objects {
        routes: routes.iter().map(|line| Entry::new(placed(line, links), line.no_track)).collect(),
        rules: rules.iter().map(|line| Entry::new(rule(line), line.no_track)).collect(),
    }
}

fn placed(line: &model::Route, links: &mut Links) -> LiveRoute {
    let mut link = |named: &Option<Named>| named.as_ref().map(|named| links.named(&named.name));
    let (next_hops, places) = if line.nexthops.is_empty() {
        let leads = line.via.is_some() || line.dev.is_some() || line.encap.is_some();
        let hop = route::NextHop {
            via: line.via,
            interface: IfIndex(0),
            weight: 0,
            onlink: line.onlink,
            encap: line.encap.clone().map(Box::new),
            realms: None,
        };
        if leads { (vec![hop], vec![link(&line.dev)]) } else { (Vec::new(), Vec::new()) }
    } else {
        line.nexthops.iter().map(|hop| (next_hop(hop), link(&hop.dev))).unzip()
    };
    let vrf = link(&line.vrf);
    let (metrics, locks) = metrics(line);
    LiveRoute {
        route: Route {
            family: line.family,
            kind: line.kind,
            table: line.table.filter(|table| *table != 0).unwrap_or(MAIN),
            protocol: line.origin,
            scope: line.scope.unwrap_or_else(|| scope(line)),
            tos: line.tos.unwrap_or(0),
            destination: line.destination.filter(|prefix| prefix.len > 0).map(|prefix| prefix.network()),
            from: line.from.filter(|prefix| prefix.len > 0).map(|prefix| prefix.network()),
            source: line.source,
            metric: line.metric,
            expires: line.expires,
            metrics,
            locks,
            congestion: line.congestion.as_ref().map(|(name, _)| name.as_str().into()),
            realms: line.realms,
            preference: line.preference,
            ttl_propagate: line.ttl_propagate,
            next_hops,
        },
        links: places,
        vrf,
        insert: match line.insert {
            Insert::Prepend => route::Insert::Prepend,
            Insert::Append => route::Insert::Append,
            Insert::Add => route::Insert::Add,
        },
        unseen: Unseen::No,
        replaces: false,
    }
}

/// The scope of a route that names none. A wider one than its type has the kernel refuses.
fn scope(line: &model::Route) -> u8 {
    match (line.family, line.kind) {
        (Family::V4, libc::RTN_LOCAL | libc::RTN_NAT) => libc::RT_SCOPE_HOST,
        (Family::V4, libc::RTN_BROADCAST | libc::RTN_ANYCAST) => libc::RT_SCOPE_LINK,
        _ => libc::RT_SCOPE_UNIVERSE,
    }
}

fn next_hop(hop: &NextHop) -> route::NextHop {
    route::NextHop {
        via: hop.via,
        interface: IfIndex(0),
        weight: hop.weight.unwrap_or(1),
        onlink: hop.onlink,
        encap: hop.encap.clone().map(Box::new),
        realms: hop.realms,
    }
}

/// The kernel's numbers of the metrics, and the bits of those that are locked.
fn metrics(line: &model::Route) -> (Vec<(u16, u32)>, u32) {
    let mut locks = 0_u32;
    let mut all = Vec::with_capacity(line.metrics.len() + usize::from(line.ecn));
    for metric in &line.metrics {
        let kind = number(metric.kind);
        all.push((kind, metric.value));
        locks |= u32::from(metric.lock) << kind;
    }
    if line.ecn {
        all.push((FEATURES, FEATURE_ECN));
    }
    if let Some((_, true)) = line.congestion {
        locks |= 1 << CC_ALGO;
    }
    (all, locks)
}

/// RTAX_ numbers, from the kernel's rtnetlink.h.
const fn number(kind: MetricKind) -> u16 {
    match kind {
        MetricKind::Mtu => 2,
        MetricKind::Window => 3,
        MetricKind::RoundTrip => 4,
        MetricKind::RoundTripVariance => 5,
        MetricKind::SlowStart => 6,
        MetricKind::CongestionWindow => 7,
        MetricKind::AdvertisedMss => 8,
        MetricKind::Reordering => 9,
        MetricKind::HopLimit => 10,
        MetricKind::InitialWindow => 11,
        MetricKind::LeastTimeout => 13,
        MetricKind::InitialReceiveWindow => 14,
        MetricKind::QuickAck => 15,
        MetricKind::FastOpenNoCookie => 17,
    }
}

const FEATURES: u16 = 12;
const FEATURE_ECN: u32 = 1;
const CC_ALGO: u32 = 16;
/// RT_TABLE_MAIN.
const MAIN: u32 = 254;

fn rule(line: &model::Rule) -> Rule {
    let name = |named: &Option<Named>| named.as_ref().map(|named| named.name.clone());
    Rule {
        family: line.family,
        invert: line.invert,
        from: line.from.filter(|prefix| prefix.len > 0).map(|prefix| prefix.network()),
        to: line.to.filter(|prefix| prefix.len > 0).map(|prefix| prefix.network()),
        preference: line.preference,
        tos: line.tos.unwrap_or(0),
        mark: line.mark.map(|(mark, mask)| (mark, mask.unwrap_or(u32::MAX))),
        input: name(&line.input),
        output: name(&line.output),
        tunnel: line.tunnel,
        users: line.users,
        transport: line.transport.filter(|transport| *transport != 0),
        source_ports: line.source_ports,
        destination_ports: line.destination_ports,
        action: line.action,
        realms: line.realms,
        suppress_length: line.suppress_length,
        suppress_group: line.suppress_group,
        protocol: line.origin,
    }
}

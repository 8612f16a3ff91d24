//! Routes and rules: KEEPALIVED-MIB below `vrrp`. Numbers of columns are those of the MIB.

use core::fmt::{self, Display, Write};

use super::vrrp::{IndexOf, interface_columns, scope};
use super::{Row, Table, number, row};
use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::encap::{Encap, Tunnel};
use crate::base::rule::Action;
use crate::config::model::route::{MetricKind, NextHop};
use crate::config::model::{Named, Route, Rule};

/// The kernel's main table.
const MAIN: u32 = 254;
/// RouteType of the kernel's number of a type; 0: it has none.
const TYPES: [i32; 12] = [0, 1, 0, 5, 3, 4, 6, 7, 8, 9, 10, 11];
/// RouteType `ecmp`.
const SEVERAL: i32 = 2;

/// Writes the rows of a route.
///
/// # Errors
/// What `out` says.
pub fn route(
    out: &mut dyn Write,
    index: [u32; 2],
    route: &Route,
    held: bool,
    index_of: IndexOf<'_>,
) -> fmt::Result {
    row(out, Table::ROUTE, &index, |row| {
        row.int(2, if route.family == Family::V4 { 1 } else { 2 });
        prefix_columns(row, 3, &route.destination.unwrap_or(everything(route.family)));
        if let Some(via) = &route.via {
            row.address(5, via);
        }
        if let Some(source) = &route.source {
            row.address(7, source);
        }
        row.gauge(8, u64::from(route.metric.unwrap_or(0)));
        row.int(9, scope(route.scope.unwrap_or(0)));
        let kind = TYPES.get(usize::from(route.kind)).copied().unwrap_or(0);
        row.int(10, if route.nexthops.is_empty() { kind } else { SEVERAL });
        interface_columns(row, 11, route.dev.as_ref().map(name), index_of);
        row.gauge(13, u64::from(route.table.unwrap_or(MAIN)));
        row.truth(14, held);
        if let Some(from) = &route.from {
            prefix_columns(row, 15, from);
        }
        if let Some(tos) = route.tos {
            row.gauge(17, u64::from(tos));
        }
        row.int(18, protocol(route.origin));
        row.truth(19, route.ecn);
        let quick = route.metrics.iter().any(|one| one.kind == MetricKind::QuickAck && one.value != 0);
        row.truth(20, quick);
        if let Some(expires) = route.expires {
            row.int(21, i32::try_from(expires).unwrap_or(i32::MAX));
        }
        metrics(row, route);
        row.maybe(42, route.congestion.as_ref().map(|(name, _)| name));
        if let Some(preference) = route.preference {
            // The kernel counts medium, high, and three for low.
            row.int(
                43,
                match preference {
                    1 => 3,
                    3 => 1,
                    _ => 2,
                },
            );
        }
        realms(row, 44, route.realms);
        if let Some(encap) = &route.encap {
            encap_columns(row, 46, encap);
        }
    })?;
    for (position, hop) in route.nexthops.iter().enumerate() {
        next_hop(out, &[index[0], index[1], number(position)], hop, index_of)?;
    }
    Ok(())
}

/// Each metric: its column, and that of its lock; 0: it has none.
const METRICS: [(MetricKind, u8, u8); 12] = [
    (MetricKind::Mtu, 22, 23),
    (MetricKind::HopLimit, 24, 0),
    (MetricKind::AdvertisedMss, 25, 26),
    (MetricKind::RoundTrip, 27, 28),
    (MetricKind::RoundTripVariance, 29, 30),
    (MetricKind::Reordering, 31, 32),
    (MetricKind::Window, 33, 0),
    (MetricKind::CongestionWindow, 34, 35),
    (MetricKind::SlowStart, 36, 37),
    (MetricKind::LeastTimeout, 38, 39),
    (MetricKind::InitialWindow, 40, 0),
    (MetricKind::InitialReceiveWindow, 41, 0),
];

fn metrics(row: &mut Row<'_>, route: &Route) {
    for (kind, column, lock) in METRICS {
        let Some(metric) = route.metrics.iter().find(|one| one.kind == kind) else { continue };
        row.gauge(column, u64::from(metric.value));
        if lock > 0 {
            row.truth(lock, metric.lock);
        }
    }
    if let Some(open) = route.metrics.iter().find(|one| one.kind == MetricKind::FastOpenNoCookie) {
        row.truth(55, open.value != 0);
    }
}

/// One more than the kernel's number of what has made it.
const fn protocol(origin: u8) -> i32 {
    origin as i32 + 1
}

fn name(named: &Named) -> &str {
    named.name.as_str()
}

const fn everything(family: Family) -> Prefix {
    let addr = match family {
        Family::V4 => IpAddr::V4(crate::base::addr::Ipv4Addr::UNSPECIFIED),
        Family::V6 => IpAddr::V6(crate::base::addr::Ipv6Addr::UNSPECIFIED),
    };
    Prefix { addr, len: 0 }
}

fn prefix_columns(row: &mut Row<'_>, first: u8, prefix: &Prefix) {
    row.address(first, &prefix.addr);
    row.gauge(first.saturating_add(1), u64::from(prefix.len));
}

/// The realm of the destination, and that of the source.
fn realms(row: &mut Row<'_>, first: u8, realms: Option<u32>) {
    let realms = realms.unwrap_or(0);
    for (column, realm) in [(first, realms & 0xffff), (first.saturating_add(1), realms >> 16)] {
        if realm != 0 {
            row.gauge(column, u64::from(realm));
        }
    }
}

fn next_hop(out: &mut dyn Write, index: &[u32], hop: &NextHop, index_of: IndexOf<'_>) -> fmt::Result {
    row(out, Table::NEXT_HOP, index, |row| {
        if let Some(via) = &hop.via {
            row.family(2, via);
            row.address(3, via);
        }
        interface_columns(row, 4, hop.dev.as_ref().map(name), index_of);
        if let Some(weight) = hop.weight {
            row.gauge(6, u64::from(weight));
        }
        row.truth(7, hop.onlink);
        realms(row, 8, hop.realms);
        if let Some(encap) = &hop.encap {
            encap_columns(row, 10, encap);
        }
    })
}

/// The columns of a light tunnel, from that of its kind on.
fn encap_columns(row: &mut Row<'_>, first: u8, encap: &Encap) {
    match encap {
        Encap::Mpls(labels) => {
            row.int(first, 1);
            row.text(first.saturating_add(1), Labels(labels));
        }
        Encap::Ip(tunnel) => tunnel_columns(row, first, 2, tunnel),
        Encap::Ila(locator) => {
            row.int(first, 3);
            row.long(first.saturating_add(8), *locator);
        }
        Encap::Ip6(tunnel) => tunnel_columns(row, first, 4, tunnel),
    }
}

fn tunnel_columns<A: Copy + Into<IpAddr>>(row: &mut Row<'_>, first: u8, kind: i32, tunnel: &Tunnel<A>) {
    row.int(first, kind);
    let column = |offset: u8| first.saturating_add(offset);
    if let Some(id) = tunnel.id {
        row.long(column(2), id);
    }
    for (offset, addr) in [(3, tunnel.destination), (4, tunnel.source)] {
        if let Some(addr) = addr {
            row.address(column(offset), &addr.into());
        }
    }
    let numbers = [tunnel.class.map(u16::from), tunnel.hops.map(u16::from), tunnel.flags];
    for (offset, number) in (5..).zip(numbers) {
        if let Some(number) = number {
            row.gauge(column(offset), u64::from(number));
        }
    }
}

/// Labels with strokes between.
struct Labels<'a>(&'a [u32]);

impl Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, label) in self.0.iter().enumerate() {
            write!(f, "{}{label}", if position == 0 { "" } else { "/" })?;
        }
        Ok(())
    }
}

/// Writes the row of a rule. The first columns are obsolete and have what they had when a rule knew no more.
///
/// # Errors
/// What `out` says.
pub fn rule(out: &mut dyn Write, index: [u32; 2], rule: &Rule, held: bool) -> fmt::Result {
    row(out, Table::RULE, &index, |row| {
        if let Some((word, prefix)) =
            rule.from.as_ref().map(|from| ("from", from)).or(rule.to.as_ref().map(|to| ("to", to)))
        {
            row.text(2, word);
            row.family(3, &prefix.addr);
            prefix_columns(row, 4, prefix);
        }
        let table = match rule.action {
            Action::Table(table) => Some(table),
            _ => None,
        };
        if let Some(table) = table {
            row.gauge(6, u64::from(table));
        }
        row.truth(7, held);
        row.truth(8, rule.invert);
        for (first, prefix) in [(9, &rule.to), (12, &rule.from)] {
            if let Some(prefix) = prefix {
                row.family(first, &prefix.addr);
                prefix_columns(row, first.saturating_add(1), prefix);
            }
        }
        row.gauge(15, u64::from(rule.tos.unwrap_or(0)));
        if let Some((mark, mask)) = rule.mark {
            row.gauge(16, u64::from(mark));
            row.gauge(17, u64::from(mask.unwrap_or(u32::MAX)));
        }
        realms(row, 18, rule.realms);
        row.maybe(20, rule.input.as_ref().map(name));
        row.maybe(21, rule.output.as_ref().map(name));
        if let Action::Goto(target) = rule.action {
            row.gauge(22, u64::from(target));
        }
        row.int(23, i32::from(rule.action.number()));
        if let Some(table) = table {
            row.gauge(24, u64::from(table));
        }
        row.gauge(25, u64::from(rule.preference));
        if let Some(length) = rule.suppress_length {
            row.gauge(26, u64::from(length));
        }
        row.maybe(27, rule.suppress_group);
        if let Some(tunnel) = rule.tunnel {
            row.gauge(28, tunnel >> 32);
            row.gauge(29, tunnel & u64::from(u32::MAX));
        }
        if let Some((first, last)) = rule.users {
            row.gauge(30, u64::from(first));
            row.gauge(31, u64::from(last));
        }
        if rule.action == Action::MasterDevice {
            row.truth(32, true);
        }
        if rule.origin != crate::config::model::route::ORIGIN {
            row.int(33, protocol(rule.origin));
        }
        if let Some(transport) = rule.transport {
            row.gauge(34, u64::from(transport));
        }
        for (first, ports) in [(35, rule.source_ports), (37, rule.destination_ports)] {
            if let Some((low, high)) = ports {
                row.gauge(first, u64::from(low));
                row.gauge(first.saturating_add(1), u64::from(high));
            }
        }
    })
}

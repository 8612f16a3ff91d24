//! Virtual servers, their real servers and the groups that give them addresses: KEEPALIVED-MIB below `check`. Numbers of
//! columns are those of the MIB.

use core::fmt::{self, Write};

use super::{BY_HAND, CONFIGURED, IDENTITY, Row, Table, number, row};
use crate::base::ipvs::{Granularity, TunnelChecksum, TunnelKind};
use crate::base::time::Span;
use crate::config::model::Global;
use crate::config::model::service::{
    Entry, Group, Key, Method, Protocol, Rare, RealServer, SorryServer, VirtualServer,
};
use crate::proto::lvs::ServiceView;
use crate::status::dump::service::ServerView;
use crate::sys::ipvs::{Load, Stats};

/// Writes what stands beside the tables: the sync daemon, and the timeouts that are set.
///
/// # Errors
/// What `out` says.
pub fn node(out: &mut dyn Write, global: &Global) -> fmt::Result {
    let lvs = &global.lvs;
    row(out, Table::SYNC_DAEMON, &[0], |row| {
        row.truth(1, lvs.sync.is_some());
        let Some(sync) = &lvs.sync else { return };
        row.text(2, &sync.interface);
        row.maybe(3, sync.instance.as_ref());
        row.int(4, i32::from(sync.id.unwrap_or(0)));
        row.int(5, i32::from(sync.maxlen.unwrap_or(0)));
        row.int(6, i32::from(sync.port.unwrap_or(0)));
        row.int(7, i32::from(sync.ttl.unwrap_or(0)));
        if let Some(group) = &sync.group {
            row.family(8, group);
            row.address(9, group);
        }
    })?;
    row(out, Table::TIMEOUTS, &[0], |row| {
        for (column, seconds) in (1..).zip([lvs.tcp, lvs.tcpfin, lvs.udp]) {
            if seconds != 0 {
                row.int(column, i32::try_from(seconds).unwrap_or(i32::MAX));
            }
        }
    })
}

/// Writes the rows of a group.
///
/// # Errors
/// What `out` says.
pub fn group(out: &mut dyn Write, index: u32, group: &Group) -> fmt::Result {
    row(out, Table::SERVICE_GROUP, &[index], |row| row.text(2, &group.name))?;
    for (position, entry) in group.entries.iter().enumerate() {
        row(out, Table::SERVICE_ENTRY, &[index, number(position)], |row| match entry {
            Entry::Mark { mark, .. } => {
                row.int(2, 1);
                row.gauge(3, u64::from(*mark));
            }
            Entry::Addresses { first, last, port } => {
                let one = first == last;
                row.int(2, if one { 2 } else { 3 });
                row.family(4, first);
                if one {
                    row.address(5, first);
                } else {
                    row.address(6, first);
                    row.address(7, last);
                }
                row.gauge(8, u64::from(*port));
            }
        })?;
    }
    Ok(())
}

/// What the kernel has counted of a virtual server and of its sorry server, where that is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counted<'a> {
    /// Of the virtual server.
    pub service: Option<&'a Stats>,
    /// Of its sorry server.
    pub sorry: Option<&'a Load>,
}

/// A real server, as its row is made of it.
#[derive(Clone, Copy, Debug)]
pub struct Server<'a> {
    /// What is configured.
    pub config: &'a RealServer,
    /// The key of its name.
    pub name: u64,
    /// What it is like.
    pub view: ServerView,
    /// What the kernel has counted of it, where that is known.
    pub load: Option<&'a Load>,
}

/// Writes the rows of a virtual server, whose name has the key `name`, and of its real servers.
///
/// # Errors
/// What `out` says.
pub fn service<'s>(
    out: &mut dyn Write,
    index: u32,
    config: &VirtualServer,
    (name, view, counted): (u64, &ServiceView, Counted<'_>),
    servers: impl Iterator<Item = Server<'s>>,
) -> fmt::Result {
    row(out, Table::SERVICE, &[index], |row| {
        match &config.key {
            Key::Mark(mark) => {
                row.int(2, 1);
                row.gauge(4, u64::from(*mark));
            }
            Key::Address(addr, port) => {
                row.int(2, 2);
                row.family(5, addr);
                row.address(6, addr);
                row.gauge(7, u64::from(*port));
            }
            Key::Group(name) => {
                row.int(2, 3);
                row.text(3, name);
            }
        }
        row.int(8, protocol(config.protocol));
        row.int(9, scheduler(config.scheduler.name()));
        row.int(10, method(config.method));
        row.truth(11, view.quorum || view.up > 0);
        row.maybe(12, config.host.as_ref());
        row.truth(13, config.persistence.is_some());
        if let Some(seconds) = config.persistence {
            row.gauge(14, u64::from(seconds));
        }
        match config.granularity {
            Some(Granularity::Mask(mask)) => row.octets(15, &mask.octets()),
            Some(Granularity::Length(length)) => row.gauge(51, u64::from(length)),
            None => {}
        }
        let timing = &config.timing;
        let delay_loop = timing.delay_loop.unwrap_or(DELAY_LOOP);
        row.gauge(16, delay_loop.as_secs());
        row.truth(17, config.ha_suspend);
        row.truth(18, config.params.alpha);
        row.truth(19, config.params.omega);
        row.gauge(20, config.servers.len() as u64);
        row.gauge(21, u64::from(view.up));
        row.gauge(22, u64::from(config.params.quorum));
        row.truth(23, view.quorum);
        row.maybe(24, config.quorum_up.as_ref().map(|command| &command.raw));
        row.maybe(25, config.quorum_down.as_ref().map(|command| &command.raw));
        row.gauge(26, u64::from(config.params.hysteresis));
        if let Some(stats) = counted.service {
            counters(row, [27, 28, 32, 38, 41, 74], stats);
        }
        row.truth(37, config.one_packet);
        flags(row, config);
        row.truth(56, !config.inhibit);
        timing_columns(row, [57, 58, 65, 59, 66], timing.retry, timing.delay_before_retry, timing.warmup);
        row.int(60, i32::try_from(config.weight).unwrap_or(i32::MAX));
        row.truth(61, config.smtp_alert);
        row.gauge(64, delay_loop.as_micros());
        if let Some(timeout) = timing.connect_timeout {
            row.gauge(67, timeout.as_micros());
        }
        tunnel(row, 68, config.method);
        row.maybe(71, config.snmp_name.as_ref());
        row.long(IDENTITY, name);
    })?;
    let mut position = 0;
    for one in servers {
        server(out, &[index, number(position)], config, &one)?;
        position = position.saturating_add(1);
    }
    match &config.sorry {
        Some(server) => sorry(out, &[index, number(position)], server, view.sorry, counted.sorry),
        None => Ok(()),
    }
}

/// The key of the record that says that a virtual server, or one of its real servers, is in another state; both by their
/// positions.
#[must_use]
pub fn key(service: u32, server: Option<u32>) -> u64 {
    let server = server.map_or(0, |server| u64::from(server).saturating_add(1));
    // Two bits are the state's.
    (u64::from(service).saturating_add(1) << 28 | server & ((1 << 28) - 1)) << 2
}

/// The numbers in the index of what a record of this key is about: of the service, and of the real server if it is one.
#[must_use]
pub fn index(key: u64) -> [Option<u32>; 2] {
    let part = |word: u64| u32::try_from(word).ok().filter(|number| *number > 0);
    [part(key >> 30), part(key >> 2 & ((1 << 28) - 1))]
}

/// The state of such a record: alive or with quorum; else dead or without.
pub const UP: u8 = 1;
/// See [`UP`].
pub const DOWN: u8 = 2;

/// What is used where nothing is configured.
const DELAY_LOOP: Span = Span::from_secs(60);

/// Retries, the pause before one and the time to warm up, both in seconds and in microseconds; each if it is set.
fn timing_columns(
    row: &mut Row<'_>,
    columns: [u8; 5],
    retry: Option<u32>,
    before: Option<Span>,
    warmup: Option<Span>,
) {
    let [retries, before_secs, before_micros, warmup_secs, warmup_micros] = columns;
    if let Some(retry) = retry {
        row.gauge(retries, u64::from(retry));
    }
    for (secs, micros, span) in [(before_secs, before_micros, before), (warmup_secs, warmup_micros, warmup)] {
        if let Some(span) = span {
            row.gauge(secs, span.as_secs());
            row.gauge(micros, span.as_micros());
        }
    }
}

/// What the flags of a scheduler mean, by its name: sh and mh have words for two of them.
fn flags(row: &mut Row<'_>, config: &VirtualServer) {
    let is = |bit: u8| config.flags & bit != 0;
    let name = config.scheduler.name();
    row.truth(52, is(1));
    row.truth(53, name == "sh" && is(1));
    row.truth(54, name == "sh" && is(2));
    row.truth(55, is(4));
    row.truth(62, name == "mh" && is(1));
    row.truth(63, name == "mh" && is(2));
}

fn server(out: &mut dyn Write, index: &[u32], service: &VirtualServer, one: &Server<'_>) -> fmt::Result {
    row(out, Table::SERVER, index, |row| {
        let Server { config, name, view: server, load } = *one;
        let usual = Rare::default();
        let more = config.more.as_deref().unwrap_or(&usual);
        row.int(2, 1);
        row.family(3, &config.addr);
        row.address(4, &config.addr);
        row.gauge(5, u64::from(config.port));
        row.truth(6, server.view.up);
        row.int(7, i32::try_from(server.view.weight).unwrap_or(i32::MAX));
        row.gauge(8, u64::from(config.upper));
        row.gauge(9, u64::from(config.lower));
        row.truth(10, !config.inhibit);
        row.maybe(11, more.notify_up.as_ref().map(|command| &command.raw));
        row.maybe(12, more.notify_down.as_ref().map(|command| &command.raw));
        row.gauge(13, server.failed as u64);
        load_columns(row, load);
        row.int(40, method(config.method));
        row.maybe(41, more.host.as_ref().or(service.host.as_ref()));
        let timing = more.timing.over(&service.timing);
        row.truth(42, timing.alpha.unwrap_or(service.params.alpha));
        timing_columns(row, [43, 44, 48, 45, 49], timing.retry, timing.delay_before_retry, timing.warmup);
        let delay_loop = timing.delay_loop.unwrap_or(DELAY_LOOP);
        row.gauge(46, delay_loop.as_secs());
        row.truth(47, config.smtp_alert);
        row.gauge(50, delay_loop.as_micros());
        if let Some(timeout) = timing.connect_timeout {
            row.gauge(51, timeout.as_micros());
        }
        tunnel(row, 52, config.method);
        row.maybe(55, more.snmp_name.as_ref());
        row.long(IDENTITY, name);
        row.int(CONFIGURED, i32::try_from(config.weight).unwrap_or(i32::MAX));
        if let Some(weight) = server.view.by_hand {
            row.int(BY_HAND, i32::try_from(weight).unwrap_or(i32::MAX));
        }
    })
}

/// What the kernel has counted of a real server.
fn load_columns(row: &mut Row<'_>, load: Option<&Load>) {
    let Some(load) = load else { return };
    counters(row, [14, 18, 22, 27, 30, 58], &load.stats);
    for (column, count) in (15..).zip([load.active, load.inactive, load.persistent]) {
        row.gauge(column, count);
    }
}

/// Writes counters into the columns that begin with these: connections, the lower half of a number; packets and octets, each
/// in and out; rates, the lower halves again; connections and packets whole; the halves of each rate; rates whole.
fn counters(row: &mut Row<'_>, firsts: [u8; 6], stats: &Stats) {
    let [connections, packets, rates, wide, halves, wide_rates] = firsts;
    let low = |number: u64| number & u64::from(u32::MAX);
    row.gauge(connections, low(stats.connections));
    for (at, count) in (0..).zip([stats.in_packets, stats.out_packets]) {
        row.count(packets.saturating_add(at), count);
    }
    for (at, count) in (2..).zip([stats.in_octets, stats.out_octets]) {
        row.long(packets.saturating_add(at), count);
    }
    for (at, count) in (0..).zip([stats.connections, stats.in_packets, stats.out_packets]) {
        row.long(wide.saturating_add(at), count);
    }
    let all = [
        stats.connection_rate,
        stats.in_packet_rate,
        stats.out_packet_rate,
        stats.in_octet_rate,
        stats.out_octet_rate,
    ];
    for (at, rate) in (0..5_u8).zip(all) {
        row.gauge(rates.saturating_add(at), low(rate));
        let half = halves.saturating_add(at.saturating_mul(2));
        row.gauge(half, low(rate));
        row.gauge(half.saturating_add(1), rate >> 32);
        row.long(wide_rates.saturating_add(at), rate);
    }
}

fn sorry(
    out: &mut dyn Write,
    index: &[u32],
    config: &SorryServer,
    answers: bool,
    load: Option<&Load>,
) -> fmt::Result {
    row(out, Table::SERVER, index, |row| {
        row.int(2, 2);
        row.family(3, &config.addr);
        row.address(4, &config.addr);
        row.gauge(5, u64::from(config.port));
        row.truth(6, answers);
        row.truth(10, !config.inhibit);
        load_columns(row, load);
        row.int(40, method(config.method));
        tunnel(row, 52, config.method);
    })
}

/// `tcp(1)`, `udp(2)`, `sctp(3)` or `none(4)`.
const fn protocol(protocol: Option<Protocol>) -> i32 {
    match protocol {
        Some(Protocol::Tcp) => 1,
        Some(Protocol::Udp) => 2,
        Some(Protocol::Sctp) => 3,
        None => 4,
    }
}

/// The schedulers in the order of their numbers from 1 on.
const SCHEDULERS: [&str; 14] =
    ["rr", "wrr", "lc", "wlc", "lblc", "lblcr", "dh", "sh", "sed", "nq", "fo", "ovf", "mh", "twos"];

fn scheduler(name: &str) -> i32 {
    (1..).zip(SCHEDULERS).find(|(_, one)| *one == name).map_or(99, |(number, _)| number)
}

/// `nat(1)`, `dr(2)` or `tun(3)`.
const fn method(method: Method) -> i32 {
    match method {
        Method::Nat => 1,
        Method::Direct => 2,
        Method::Tunnel(_) => 3,
    }
}

/// Kind, port and checksum of a tunnel.
fn tunnel(row: &mut Row<'_>, first: u8, method: Method) {
    let Method::Tunnel(tunnel) = method else { return };
    row.int(
        first,
        match tunnel.kind {
            TunnelKind::Ipip => 1,
            TunnelKind::Gue => 2,
            TunnelKind::Gre => 3,
        },
    );
    if tunnel.port != 0 {
        row.gauge(first.saturating_add(1), u64::from(tunnel.port));
    }
    row.int(
        first.saturating_add(2),
        match tunnel.checksum {
            TunnelChecksum::Off => 1,
            TunnelChecksum::On => 2,
            TunnelChecksum::Remote => 3,
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::lvs::Scheduler;

    #[test]
    fn counters_stand_in_every_width_that_the_mib_has() {
        let stats = Stats {
            connections: (1 << 32) + 7,
            in_packets: (1 << 32) + 8,
            in_octets: 1 << 40,
            out_octet_rate: (3 << 32) + 9,
            ..Stats::default()
        };
        let load = Load { stats, active: 4, ..Load::default() };
        let mut text = String::new();
        row(&mut text, Table::SERVER, &[1, 1], |row| load_columns(row, Some(&load))).unwrap();
        let values: Vec<&str> = text.trim_end_matches(crate::status::mib::END).split('\u{1f}').collect();
        let expected = [
            "14g7",
            "15g4",
            "18c8",
            "19c0",
            "20C1099511627776",
            "26g9",
            "27C4294967303",
            "28C4294967304",
            "38g9",
            "39g3",
            "62C12884901897",
        ];
        for value in expected {
            assert!(values.contains(&value), "{value} of {values:?}");
        }
        // 14 to 39 and 58 to 62, each once.
        let mut columns: Vec<u8> = values[1..].iter().map(|value| value[..2].parse().unwrap()).collect();
        columns.sort_unstable();
        assert_eq!(columns, (14..=39).chain(58..=62).collect::<Vec<u8>>());
    }

    #[test]
    fn a_key_says_what_it_is_about() {
        for (service, server) in [(0, None), (0, Some(0)), (99_999, Some(65_535)), (u32::MAX - 1, None)] {
            let record = crate::daemon::record::Record::new(key(service, server), DOWN);
            assert_eq!(record.state(), DOWN);
            assert_eq!(index(record.key()), [Some(service + 1), server.map(|server| server + 1)]);
        }
    }

    #[test]
    fn every_scheduler_has_its_number() {
        for one in Scheduler::ALL {
            assert_ne!(scheduler(one.name()), 99, "{}", one.name());
        }
        assert_eq!((scheduler("rr"), scheduler("twos"), scheduler("else")), (1, 14, 99));
    }
}

//! Virtual servers, their real servers and the groups that give them addresses: KEEPALIVED-MIB below `check`. Numbers of
//! columns are those of the MIB.

use core::fmt::{self, Write};

use super::{BY_HAND, CONFIGURED, IDENTITY, Row, Table, number, row};
use crate::base::ipvs::{Granularity, TunnelChecksum, TunnelKind};
use crate::base::time::Span;
use crate::config::model::Global;
use crate::config::model::service::{
    Entry, Group, Key, Method, Protocol, Rare, RealServer, SorryServer, Timing, VirtualServer,
};
use crate::proto::lvs::ServiceView;
use crate::status::dump::Runs;
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
    let (all, is_mark) = (&group.entries, |entry: &&Entry| matches!(entry, Entry::Mark { .. }));
    let marks_first = all.iter().filter(is_mark).chain(all.iter().filter(|entry| !is_mark(entry)));
    for (position, entry) in marks_first.enumerate() {
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

/// A virtual server at work.
#[derive(Clone, Copy)]
pub struct Live<'a> {
    /// What the director says of it.
    pub view: &'a ServiceView,
    /// The key of its name.
    pub name: u64,
    /// Its address is not here, and it waits for it (`ha_suspend`).
    pub suspended: bool,
    /// What the kernel has counted of it, where that is known.
    pub counted: Option<&'a Stats>,
    /// What the kernel has counted of its sorry server, where that is known.
    pub sorry: Option<&'a Load>,
    /// What runs when its quorum is gained, and when it is lost.
    pub scripts: [Option<Runs<'a>>; 2],
}

/// A real server, as its row is made of it.
#[derive(Clone, Copy)]
pub struct Server<'a> {
    /// What is configured.
    pub config: &'a RealServer,
    /// The key of its name.
    pub name: u64,
    /// What it is like.
    pub view: ServerView,
    /// How many of its checks have no result yet.
    pub not_run: usize,
    /// What the kernel has counted of it, where that is known.
    pub load: Option<&'a Load>,
    /// What runs when it comes up, and when it goes down.
    pub scripts: [Option<Runs<'a>>; 2],
}

/// Writes the rows of a virtual server, of its sorry server, which stands first, and of its real servers.
///
/// # Errors
/// What `out` says.
pub fn service<'s>(
    out: &mut dyn Write,
    index: u32,
    config: &VirtualServer,
    live: &Live<'_>,
    servers: impl Iterator<Item = Server<'s>>,
) -> fmt::Result {
    let view = live.view;
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
        row.truth(11, !live.suspended);
        row.maybe(12, config.host.as_ref());
        row.truth(13, config.persistence.is_some());
        if let Some(seconds) = config.persistence {
            row.gauge(14, u64::from(seconds));
        }
        let of_ipv6 = match &config.key {
            Key::Address(addr, _) => !addr.is_ipv4(),
            _ => config.servers.first().is_some_and(|server| !server.addr.is_ipv4()),
        };
        match config.granularity {
            Some(Granularity::Mask(mask)) => row.octets(15, &mask.octets()),
            Some(Granularity::Length(length)) => row.gauge(51, u64::from(length)),
            None if of_ipv6 => row.gauge(51, 128),
            None => row.octets(15, &[255; 4]),
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
        commands(row, [24, 72], &live.scripts);
        row.gauge(26, u64::from(config.params.hysteresis));
        if let Some(stats) = live.counted {
            counters(row, [27, 28, 32, 38, 41, 74], stats);
        }
        row.truth(37, config.one_packet);
        flags(row, config);
        row.truth(56, !config.inhibit);
        timing_columns(row, [57, 58, 65, 59, 66, 67], timing);
        row.int(60, i32::try_from(config.weight).unwrap_or(i32::MAX));
        row.truth(61, config.smtp_alert);
        row.gauge(64, delay_loop.as_micros());
        tunnel(row, 68, config.method);
        row.maybe(71, config.snmp_name.as_ref());
        row.long(IDENTITY, live.name);
    })?;
    if let Some(server) = &config.sorry {
        sorry(out, &[index, 1], server, live.sorry)?;
    }
    for (one, position) in servers.zip(0..) {
        server(out, &[index, row_of(config, position).saturating_add(1)], config, &one)?;
    }
    Ok(())
}

/// The position of the row of a real server among those of its virtual server.
#[must_use]
pub fn row_of(service: &VirtualServer, position: u32) -> u32 {
    position.saturating_add(u32::from(service.sorry.is_some()))
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

/// Time to connect where nothing is configured.
const CONNECT_TIMEOUT: Span = Span::from_secs(5);

/// Retries, the pause before one and the time to warm up, both in seconds and in microseconds, and the time to connect.
fn timing_columns(row: &mut Row<'_>, columns: [u8; 6], timing: &Timing) {
    let [retries, before_secs, before_micros, warmup_secs, warmup_micros, connect] = columns;
    row.gauge(retries, u64::from(timing.retry.unwrap_or(0)));
    for (secs, micros, span) in
        [(before_secs, before_micros, timing.delay_before_retry), (warmup_secs, warmup_micros, timing.warmup)]
    {
        let span = span.unwrap_or(Span::ZERO);
        row.gauge(secs, span.as_secs());
        row.gauge(micros, span.as_micros());
    }
    row.gauge(connect, timing.connect_timeout.unwrap_or(CONNECT_TIMEOUT).as_micros());
}

/// The flags of a scheduler: two schedulers have words for the first two. That of the kernel for hashed entries is never
/// set from here.
fn flags(row: &mut Row<'_>, config: &VirtualServer) {
    row.truth(52, false);
    for (column, bit) in [(53, 1), (54, 2), (55, 4), (62, 1), (63, 2)] {
        row.truth(column, config.flags & bit != 0);
    }
}

/// Two commands, and their programs, each from a column on.
fn commands(row: &mut Row<'_>, [words, programs]: [u8; 2], scripts: &[Option<Runs<'_>>; 2]) {
    for (at, runs) in (0..).zip(scripts) {
        row.maybe(words.saturating_add(at), runs.as_ref().map(Runs::words));
        row.maybe(programs.saturating_add(at), runs.as_ref().map(Runs::program));
    }
}

fn server(out: &mut dyn Write, index: &[u32], service: &VirtualServer, one: &Server<'_>) -> fmt::Result {
    row(out, Table::SERVER, index, |row| {
        let Server { config, name, view: server, not_run, load, scripts } = one;
        let usual = Rare::default();
        let more = config.more.as_deref().unwrap_or(&usual);
        row.int(2, 1);
        row.family(3, &config.addr);
        row.address(4, &config.addr);
        row.gauge(5, u64::from(config.port));
        row.truth(6, server.view.up);
        row.int(7, i32::try_from(server.view.weight).unwrap_or(i32::MAX));
        for (column, limit) in [(8, config.upper), (9, config.lower)] {
            if limit != 0 {
                row.gauge(column, u64::from(limit));
            }
        }
        row.truth(10, !config.inhibit);
        commands(row, [11, 56], scripts);
        row.gauge(13, server.failed as u64);
        load_columns(row, *load);
        row.int(40, method(config.method));
        row.maybe(41, more.host.as_ref());
        let timing = more.timing.over(&service.timing);
        row.truth(42, timing.alpha.unwrap_or(service.params.alpha));
        timing_columns(row, [43, 44, 48, 45, 49, 51], &timing);
        let delay_loop = timing.delay_loop.unwrap_or(DELAY_LOOP);
        row.gauge(46, delay_loop.as_secs());
        row.truth(47, config.smtp_alert);
        row.gauge(50, delay_loop.as_micros());
        tunnel(row, 52, config.method);
        row.maybe(55, more.snmp_name.as_ref());
        row.gauge(63, *not_run as u64);
        row.long(IDENTITY, *name);
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

fn sorry(out: &mut dyn Write, index: &[u32], config: &SorryServer, load: Option<&Load>) -> fmt::Result {
    row(out, Table::SERVER, index, |row| {
        row.int(2, 2);
        row.family(3, &config.addr);
        row.address(4, &config.addr);
        row.gauge(5, u64::from(config.port));
        load_columns(row, load);
        row.int(40, method(config.method));
        // It has no checks.
        [42, 47].into_iter().for_each(|column| row.truth(column, false));
        (43..47).chain(48..52).for_each(|column| row.gauge(column, 0));
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
    if tunnel.kind == TunnelKind::Ipip {
        return;
    }
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

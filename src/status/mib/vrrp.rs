//! Virtual routers, sync groups and what they track: KEEPALIVED-MIB below `vrrp`. Numbers of columns are those of the MIB.

use core::fmt::{self, Write};

use super::{CONFIGURED, FAMILY, LINK, Row, Table, number as ordinal, row};
use crate::base::addr::{Family, IpAddr};
use crate::base::id::{BfdId, FileId, IfIndex, ProcessId};
use crate::base::mac::Mac;
use crate::base::name::IfName;
use crate::base::time::Span;
use crate::config::model::instance::Notify;
use crate::config::model::track::{ParameterMatch, Tracked, TrackedInterface, TrackedScript};
use crate::config::model::{Bfd, Model, TrackFile, TrackProcess, VirtualAddress};
use crate::proto::track::{Process, Verdict, Weight};
use crate::proto::vrrp::{Auth, Start, State, Version};
use crate::status::dump::Runs;
use crate::status::dump::group::Group;
use crate::status::dump::instance::Instance;
use crate::status::dump::tables::Script;

/// The number of an interface, by its name.
pub type IndexOf<'a> = &'a dyn Fn(&str) -> Option<IfIndex>;

/// What the machine's interfaces add to an instance.
#[derive(Clone, Copy)]
pub struct Links<'a> {
    /// Their numbers.
    pub index_of: IndexOf<'a>,
    /// The hardware address of the interface that the instance is on.
    pub mac: Option<Mac>,
}

/// VrrpState.
pub(super) const fn state(state: State) -> i32 {
    match state {
        State::Init => 0,
        State::Backup => 1,
        State::Master => 2,
        State::Fault => 3,
    }
}

/// Writes the row of an instance.
///
/// # Errors
/// What `out` says.
pub fn instance(out: &mut dyn Write, number: u32, view: &Instance<'_>, index_of: IndexOf<'_>) -> fmt::Result {
    row(out, Table::INSTANCE, &[number], |row| {
        let (config, router) = (view.config, view.router);
        let (machine, params) = (router.machine(), router.params());
        row.text(2, &config.name);
        row.gauge(3, u64::from(params.vrid));
        row.int(4, state(machine.state()));
        row.int(5, if params.start == Start::Master { 2 } else { 1 });
        row.int(6, state(view.wanted()));
        row.int(7, i32::from(params.priority));
        row.int(8, i32::from(machine.effective_priority()));
        row.truth(9, machine.state() == State::Master || held(view));
        row.maybe(10, view.base);
        row.truth(11, !config.track_interfaces.is_empty());
        row.gauge(12, interval(params.version, params.advert_interval));
        row.truth(13, params.preempt);
        row.gauge(14, params.preempt_delay.as_secs());
        row.int(15, authentication(params.version, &params.auth));
        row.truth(16, config.lvs_sync_interface.is_some());
        row.maybe(17, config.lvs_sync_interface.as_ref().map(|named| &named.name));
        let group = config.sync_group.and_then(|id| view.model.groups.get(id.index()));
        row.maybe(18, group.map(|group| &group.name));
        row.gauge(19, params.garp.delay.as_secs());
        row.truth(20, config.smtp_alert);
        row.truth(21, tells(&config.notify, view.scripts.iter().flatten()));
        // In the order of SCRIPTS.
        for (column, runs) in [23, 22, 24, 25, 32, 26, 31].into_iter().zip(&view.scripts) {
            command(row, column, runs.as_ref());
        }
        row.truth(27, config.accept);
        row.truth(28, config.promote_secondaries);
        row.truth(29, config.linkbeat_polling);
        row.int(30, if params.version == Version::V2 { 2 } else { 3 });
        row.truth(33, config.notify.deleted);
        if !config.unicast() {
            row.family(34, &config.group);
            row.address(35, &config.group);
        }
        row.truth(36, params.v3_checksum_as_v2);
        if let Some(IfIndex(index)) = view.own.and_then(index_of).or(view.index) {
            row.gauge(LINK, u64::from(index));
        }
        row.int(CONFIGURED, i32::from(config.params.priority));
        row.truth(CONFIGURED + 1, config.params.preempt);
        row.int(FAMILY, if params.family == Family::V4 { 1 } else { 2 });
    })?;
    trackers(out, number, view, index_of)
}

/// Whether any of its addresses is in the kernel.
pub(super) fn held(view: &Instance<'_>) -> bool {
    let count = view.config.addresses.len().saturating_add(view.config.excluded.len());
    (0..count).any(|position| (view.place)(position).held)
}

/// Seconds in version 2, hundredths of a second in version 3.
const fn interval(version: Version, interval: Span) -> u64 {
    match version {
        Version::V2 => interval.as_secs(),
        Version::V3 => interval.as_centis(),
    }
}

/// `none(0)`, `password(1)` or `ah(2)`.
pub(super) const fn authentication(version: Version, auth: &Auth) -> i32 {
    match (version, auth) {
        (Version::V3, _) | (_, Auth::None) => 0,
        (Version::V2, Auth::Pass(_)) => 1,
        (Version::V2, Auth::Header(_)) => 2,
    }
}

/// Whether anything is run on transitions.
fn tells<'a>(notify: &Notify, mut scripts: impl Iterator<Item = &'a Runs<'a>>) -> bool {
    notify.deleted || scripts.next().is_some()
}

fn command(row: &mut Row<'_>, column: u8, runs: Option<&Runs<'_>>) {
    row.maybe(column, runs.map(Runs::words));
}

/// The tables of one that tracks: interfaces, scripts, files, sessions, processes.
const OF_INSTANCE: [Table; 5] = [
    Table::TRACKED_INTERFACE,
    Table::TRACKED_SCRIPT,
    Table::TRACKED_FILE,
    Table::TRACKED_BFD,
    Table::TRACKED_PROCESS,
];
const OF_GROUP: [Table; 5] =
    [Table::GROUP_INTERFACE, Table::GROUP_SCRIPT, Table::GROUP_FILE, Table::GROUP_BFD, Table::GROUP_PROCESS];

/// What an instance or a group tracks.
struct Lists<'a> {
    model: &'a Model,
    interfaces: &'a [TrackedInterface],
    scripts: &'a [TrackedScript],
    files: &'a [Tracked<FileId>],
    sessions: &'a [Tracked<BfdId>],
    processes: &'a [Tracked<ProcessId>],
}

fn trackers(out: &mut dyn Write, number: u32, view: &Instance<'_>, index_of: IndexOf<'_>) -> fmt::Result {
    let config = view.config;
    let lists = Lists {
        model: view.model,
        interfaces: &config.track_interfaces,
        scripts: &config.track_scripts,
        files: &config.track_files,
        sessions: &config.track_bfds,
        processes: &config.track_processes,
    };
    tracked(out, &OF_INSTANCE, number, &lists, index_of)
}

fn tracked(
    out: &mut dyn Write,
    tables: &[Table; 5],
    number: u32,
    lists: &Lists<'_>,
    index_of: IndexOf<'_>,
) -> fmt::Result {
    let [interfaces, scripts, files, sessions, processes] = *tables;
    let model = lists.model;
    for one in lists.interfaces {
        let name: &IfName = &one.interface.name;
        if let Some(IfIndex(index)) = index_of(name.as_str()) {
            // This table alone has no column for its index.
            weighed(out, interfaces, &[number, index], 1, name.as_str(), one.weight)?;
        }
    }
    let name = |one: &TrackedScript| Some((model.scripts.get(one.script.index())?.name.as_str(), one.weight));
    named(out, scripts, number, lists.scripts.iter().map(name))?;
    let name = |one: &Tracked<FileId>| Some((model.file(one.of)?.name.as_str(), one.weight));
    named(out, files, number, lists.files.iter().map(name))?;
    let name = |one: &Tracked<BfdId>| Some((model.bfd(one.of)?.name.as_str(), one.weight));
    named(out, sessions, number, lists.sessions.iter().map(name))?;
    let name = |one: &Tracked<ProcessId>| Some((model.process(one.of)?.name.as_str(), one.weight));
    named(out, processes, number, lists.processes.iter().map(name))
}

fn named<'a>(
    out: &mut dyn Write,
    table: Table,
    number: u32,
    mut all: impl Iterator<Item = Option<(&'a str, Weight)>>,
) -> fmt::Result {
    let all: &mut dyn Iterator<Item = Option<(&'a str, Weight)>> = &mut all;
    for (position, one) in (1..).zip(all) {
        if let Some((name, weight)) = one {
            weighed(out, table, &[number, position], 2, name, weight)?;
        }
    }
    Ok(())
}

/// A name, its weight and whether that is reversed, from a column on.
fn weighed(
    out: &mut dyn Write,
    table: Table,
    index: &[u32],
    first: u8,
    name: &str,
    weight: Weight,
) -> fmt::Result {
    row(out, table, index, |row| {
        row.text(first, name);
        weight_columns(row, first.saturating_add(1), weight);
    })
}

fn weight_columns(row: &mut Row<'_>, first: u8, weight: Weight) {
    row.int(first, i32::from(weight.value));
    row.truth(first.saturating_add(1), weight.reverse);
}

/// Writes the rows of the addresses of an instance: those of adverts first.
///
/// # Errors
/// What `out` says.
pub fn addresses(
    out: &mut dyn Write,
    number: u32,
    view: &Instance<'_>,
    index_of: IndexOf<'_>,
) -> fmt::Result {
    let advertised = view.config.addresses.len();
    let lines = view.config.addresses.iter().chain(&view.config.excluded);
    for (line, position) in lines.zip(0..) {
        let place = (view.place)(position);
        let index = [number, ordinal(position)];
        let interface = place.interface.or(view.own).or(view.base);
        address(out, &index, line, interface, place.held, position < advertised, index_of)?;
    }
    Ok(())
}

/// Writes the row of an address.
///
/// # Errors
/// What `out` says.
pub fn address(
    out: &mut dyn Write,
    index: &[u32],
    line: &VirtualAddress,
    interface: Option<&str>,
    held: bool,
    advertised: bool,
    index_of: IndexOf<'_>,
) -> fmt::Result {
    row(out, Table::ADDRESS, index, |row| {
        row.family(2, &line.prefix.addr);
        row.address(3, &line.prefix.addr);
        if line.prefix.addr.is_ipv4() {
            row.octets(4, &line.broadcast.map_or([0; 4], |addr| addr.octets()));
        }
        row.gauge(5, u64::from(line.prefix.len));
        row.int(6, scope(line.scope));
        interface_columns(row, 7, interface, index_of);
        row.maybe(9, line.label.as_ref());
        row.truth(10, held);
        row.truth(11, advertised);
        if let Some(peer) = &line.peer {
            row.address(12, peer);
        }
    })
}

/// The number of an interface and its name.
pub(super) fn interface_columns(row: &mut Row<'_>, first: u8, name: Option<&str>, index_of: IndexOf<'_>) {
    let Some(name) = name else { return };
    if let Some(IfIndex(index)) = index_of(name) {
        row.int(first, i32::try_from(index).unwrap_or(i32::MAX));
    }
    row.text(first.saturating_add(1), name);
}

/// InetScopeType of the kernel's number of a scope.
pub(super) const fn scope(scope: u8) -> i32 {
    match scope {
        // host
        254 => 1,
        // link
        253 => 2,
        // site
        200 => 5,
        _ => 14,
    }
}

/// Writes the rows of a sync group.
///
/// # Errors
/// What `out` says.
pub fn group(out: &mut dyn Write, number: u32, view: &Group<'_>, index_of: IndexOf<'_>) -> fmt::Result {
    let config = view.config;
    row(out, Table::GROUP, &[number], |row| {
        row.text(2, &config.name);
        row.int(3, state(view.state));
        row.truth(4, config.smtp_alert);
        row.truth(5, tells(&config.notify, view.scripts.iter().flatten()));
        for (column, runs) in [7, 6, 8, 11, 9].into_iter().zip(&view.scripts) {
            command(row, column, runs.as_ref());
        }
        row.truth(10, config.tracking_weight);
    })?;
    let members = config.members.iter().filter_map(|id| view.model.instances.get(id.index()));
    for (position, member) in (1..).zip(members) {
        row(out, Table::MEMBER, &[number, position], |row| row.text(2, &member.name))?;
    }
    let lists = Lists {
        model: view.model,
        interfaces: &config.track_interfaces,
        scripts: &config.track_scripts,
        files: &config.track_files,
        sessions: &config.track_bfds,
        processes: &config.track_processes,
    };
    tracked(out, &OF_GROUP, number, &lists, index_of)
}

/// Writes the row of a script.
///
/// # Errors
/// What `out` says.
pub fn script(out: &mut dyn Write, number: u32, view: &Script<'_>) -> fmt::Result {
    row(out, Table::SCRIPT, &[number], |row| {
        let params = view.machine.params();
        row.text(2, &view.config.name);
        command(row, 3, view.runs.as_ref());
        row.int(4, i32::try_from(params.interval.as_secs()).unwrap_or(i32::MAX));
        row.int(5, i32::from(params.weight.value));
        row.int(
            6,
            match (view.machine.verdict(), view.machine.last_code()) {
                (Verdict::Unknown, _) => 1,
                (Verdict::Up, _) => 3,
                (Verdict::Down, None) if params.init_fail => 5,
                (Verdict::Down, _) => 2,
            },
        );
        row.gauge(7, u64::from(params.rise));
        row.gauge(8, u64::from(params.fall));
        row.truth(9, params.weight.reverse);
        row.maybe(10, view.runs.as_ref().map(Runs::program));
        row.gauge(11, params.interval.as_micros());
        row.gauge(12, params.timeout.unwrap_or(params.interval).as_micros());
    })
}

/// Writes the row of a tracked file.
///
/// # Errors
/// What `out` says.
pub fn file(out: &mut dyn Write, number: u32, config: &TrackFile, value: i32) -> fmt::Result {
    row(out, Table::FILE, &[number], |row| {
        row.text(2, &config.name);
        row.text(3, &config.path);
        row.int(4, value);
        weight_columns(row, 5, config.weight);
    })
}

/// Writes the row of a BFD session that instances may track.
///
/// # Errors
/// What `out` says.
pub fn session(out: &mut dyn Write, number: u32, config: &Bfd, verdict: Verdict) -> fmt::Result {
    row(out, Table::BFD, &[number], |row| {
        row.text(2, &config.name);
        row.int(3, i32::from(verdict == Verdict::Up));
        weight_columns(row, 4, config.weight);
    })
}

/// Writes the row of a process monitor.
///
/// # Errors
/// What `out` says.
pub fn process(out: &mut dyn Write, number: u32, config: &TrackProcess, machine: &Process) -> fmt::Result {
    row(out, Table::PROCESS, &[number], |row| {
        let params = machine.params();
        row.text(2, &config.name);
        row.maybe(3, config.command.first());
        row.text(4, Spaced(config.command.get(1..).unwrap_or_default()));
        row.int(
            5,
            match config.parameters {
                None => 0,
                Some(ParameterMatch::Exact) => 1,
                Some(ParameterMatch::Partial) => 2,
                Some(ParameterMatch::Initial) => 3,
            },
        );
        weight_columns(row, 6, config.weight);
        row.gauge(8, u64::from(params.quorum));
        row.int(9, params.quorum_max.map_or(-1, i32::from));
        row.gauge(10, params.fork_delay.as_micros());
        row.gauge(11, params.terminate_delay.as_micros());
        row.truth(12, config.full_command);
        row.int(13, i32::try_from(machine.count()).unwrap_or(i32::MAX));
        row.truth(14, machine.verdict() == Verdict::Up);
    })
}

/// Words with a blank between.
struct Spaced<'a>(&'a [String]);

impl fmt::Display for Spaced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, word) in self.0.iter().enumerate() {
            f.write_str(if position == 0 { "" } else { " " })?;
            f.write_str(word)?;
        }
        Ok(())
    }
}

/// The address of a router in a table that has only one family: nothing is all zeroes.
pub(super) fn or_none(addr: Option<IpAddr>, like: &IpAddr) -> IpAddr {
    let none = match like {
        IpAddr::V4(_) => IpAddr::from([0; 4]),
        IpAddr::V6(_) => IpAddr::from([0; 16]),
    };
    addr.filter(|addr| addr.is_ipv4() == like.is_ipv4()).unwrap_or(none)
}

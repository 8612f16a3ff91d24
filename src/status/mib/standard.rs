//! Virtual routers in the tables of RFC 2787 (version 2, IPv4) and of RFC 6527 (version 3, and version 2 as keepalived shows
//! it there).

use core::fmt::{self, Write};

use super::vrrp::{Links, authentication, or_none};
use super::{Table, address_type, row};
use crate::base::addr::{Family, IpAddr};
use crate::base::id::IfIndex;
use crate::base::mac::Mac;
use crate::proto::vrrp::{Counters, State, Version};
use crate::status::dump::instance::Instance;

/// What all virtual routers have counted together.
#[derive(Clone, Copy, Debug, Default)]
pub struct Errors {
    checksum: u64,
    version: u64,
}

impl Errors {
    /// Adds those of a router.
    pub fn add(&mut self, counters: &Counters) {
        self.checksum = self.checksum.saturating_add(u64::from(counters.checksum));
        self.version = self.version.saturating_add(u64::from(counters.version));
    }
}

/// `initialize(1)`, `backup(2)` or `master(3)`: one in FAULT takes no part.
const fn state(state: State) -> i32 {
    match state {
        State::Init | State::Fault => 1,
        State::Backup => 2,
        State::Master => 3,
    }
}

const fn takes_part(state: State) -> bool {
    matches!(state, State::Backup | State::Master)
}

/// What stands beside the tables. Adverts for routers that are not here the kernel drops uncounted.
///
/// # Errors
/// What `out` says.
pub fn node(out: &mut dyn Write, errors: Errors, traps: bool) -> fmt::Result {
    row(out, Table::V2_NODE, &[0], |row| {
        row.int(1, 2);
        row.truth(2, traps);
    })?;
    row(out, Table::V2_ERRORS, &[0], |row| {
        row.count(1, errors.checksum);
        row.count(2, errors.version);
        row.count(3, 0);
    })?;
    row(out, Table::V3_ERRORS, &[0], |row| {
        row.long(1, errors.checksum);
        row.long(2, errors.version);
        row.long(3, 0);
        row.ticks(4, 0);
    })
}

/// Writes the rows of an instance. `since`: hundredths of a second since its last transition.
///
/// # Errors
/// What `out` says.
pub fn instance(out: &mut dyn Write, view: &Instance<'_>, links: &Links<'_>, since: u64) -> fmt::Result {
    let own = view.own.and_then(|name| (links.index_of)(name));
    let Some(IfIndex(link)) = own.or(view.index) else { return Ok(()) };
    let params = view.router.params();
    let vrid = u32::from(params.vrid);
    let mac = links.mac.unwrap_or_else(|| Mac::virtual_router(params.family, params.vrid));
    if params.version == Version::V2 && params.family == Family::V4 {
        version_two(out, &[link, vrid], view, mac, since)?;
    }
    let kind = match params.family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    version_three(out, &[link, vrid, kind], view, mac, since)
}

/// The router that is MASTER: this one, or the one that is heard.
fn master(view: &Instance<'_>) -> Option<IpAddr> {
    let machine = view.router.machine();
    match machine.state() {
        State::Master => view.local,
        State::Backup => machine.master().map(|master| master.addr),
        State::Init | State::Fault => None,
    }
}

fn version_two(out: &mut dyn Write, index: &[u32], view: &Instance<'_>, mac: Mac, since: u64) -> fmt::Result {
    let (machine, params) = (view.router.machine(), view.router.params());
    let v4 = |addr: Option<IpAddr>| match addr {
        Some(IpAddr::V4(v4)) => v4.octets(),
        _ => [0; 4],
    };
    let count = view.config.addresses.len();
    row(out, Table::V2_ROUTER, index, |row| {
        row.octets(2, &mac.0);
        row.int(3, state(machine.state()));
        row.truth(4, true);
        row.int(5, i32::from(params.priority));
        row.int(6, i32::try_from(count).unwrap_or(i32::MAX));
        row.ipv4(7, v4(master(view)));
        row.ipv4(8, v4(view.local));
        row.int(9, authentication(params.version, &params.auth).saturating_add(1));
        row.int(11, i32::try_from(params.advert_interval.as_secs()).unwrap_or(i32::MAX));
        row.truth(12, params.preempt);
        if takes_part(machine.state()) {
            row.stamp(13, since);
        } else {
            row.ticks(13, 0);
        }
        row.int(14, 1);
        row.int(15, 1);
    })?;
    for line in &view.config.addresses {
        if let IpAddr::V4(v4) = line.prefix.addr {
            with_address(out, Table::V2_ADDRESS, index, &v4.octets())?;
        }
    }
    row(out, Table::V2_COUNTERS, index, |row| {
        for (column, count) in (1..).zip(counts(view)) {
            row.count(column, count);
        }
    })
}

/// What RFC 2787 counts, in the order of its columns.
fn counts(view: &Instance<'_>) -> [u64; 12] {
    let counters = view.router.counters();
    [
        u64::from(counters.became_master),
        counters.received,
        u64::from(counters.interval),
        u64::from(counters.auth_failure),
        u64::from(counters.hop_limit),
        u64::from(counters.zero_received),
        u64::from(counters.zero_sent),
        u64::from(counters.kind),
        u64::from(counters.address_list),
        u64::from(counters.auth_type),
        u64::from(counters.auth_mismatch),
        u64::from(counters.length),
    ]
}

/// Each of them in RFC 6527: its column there; 0: it is not there.
const IN_RFC_6527: [u8; 12] = [1, 3, 4, 0, 5, 7, 8, 9, 10, 0, 0, 11];

/// A row that says only that an address belongs to a router: `active(1)`.
fn with_address(out: &mut dyn Write, table: Table, index: &[u32], addr: &[u8]) -> fmt::Result {
    let mut whole = heapless::Vec::<u32, { 3 + 16 }>::new();
    // There is room for the longest.
    let _ = whole.extend_from_slice(index);
    whole.extend(addr.iter().map(|octet| u32::from(*octet)));
    row(out, table, &whole, |row| row.int(2, 1))
}

fn version_three(
    out: &mut dyn Write,
    index: &[u32],
    view: &Instance<'_>,
    mac: Mac,
    since: u64,
) -> fmt::Result {
    let (machine, params) = (view.router.machine(), view.router.params());
    let group = &view.config.group;
    row(out, Table::V3_ROUTER, index, |row| {
        row.address(3, &or_none(master(view), group));
        row.address(4, &or_none(view.local, group));
        row.octets(5, &mac.0);
        row.int(6, state(machine.state()));
        row.gauge(7, u64::from(params.priority));
        row.int(8, i32::try_from(view.config.addresses.len()).unwrap_or(i32::MAX));
        row.int(9, i32::try_from(params.advert_interval.as_centis()).unwrap_or(i32::MAX));
        row.truth(10, params.preempt);
        row.truth(11, view.config.accept);
        row.ticks(12, if takes_part(machine.state()) { since } else { 0 });
        row.int(13, 1);
    })?;
    for line in &view.config.addresses {
        let addr = &line.prefix.addr;
        if address_type(addr) != address_type(group) {
            continue;
        }
        match addr {
            IpAddr::V4(v4) => with_address(out, Table::V3_ADDRESS, index, &v4.octets())?,
            IpAddr::V6(v6) => with_address(out, Table::V3_ADDRESS, index, &v6.octets())?,
        }
    }
    row(out, Table::V3_COUNTERS, index, |row| {
        for (column, count) in IN_RFC_6527.into_iter().zip(counts(view)) {
            match column {
                0 => {}
                1 => row.count(column, count),
                _ => row.long(column, count),
            }
        }
        row.int(2, reason(machine.state(), params.priority));
        row.int(6, i32::from(view.router.protocol_error()));
        row.ticks(12, 0);
        row.gauge(13, params.advert_interval.as_millis());
    })
}

/// Why it is MASTER: `notMaster(0)`, `priority(1)` for the owner of the addresses, else `masterNoResponse(3)`.
const fn reason(state: State, priority: u8) -> i32 {
    match (state, priority) {
        (State::Master, u8::MAX) => 1,
        (State::Master, _) => 3,
        _ => 0,
    }
}

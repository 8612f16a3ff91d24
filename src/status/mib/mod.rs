//! The objects of KEEPALIVED-MIB, VRRP-MIB (RFC 2787) and VRRPV3-MIB (RFC 6527), as rows of their tables.
//!
//! A child writes its rows from what it lends to dumps and answers, too; the subagent reads them and answers the SNMP agent.
//! A row is text, for it travels the way of answers: the number of its table, its index, and what it has for columns.
//!
//! ```text
//! 8.1.2 <US> 2 i 150 <US> 3 x 0a000001 ... <RS>      table 8, index 1.2; column 2 is an integer, column 3 octets
//! ```
//!
//! A column that has no value is left out. [`Table::name`] has the names of tables; [`vrrp`] writes virtual routers,
//! groups and trackers, [`network`] routes and rules, [`standard`] the tables of the two RFCs, `lvs` virtual servers,
//! [`global`] what the configuration alone knows.

pub mod global;
#[cfg(feature = "lvs")]
pub mod lvs;
pub mod network;
pub mod standard;
pub mod vrrp;

use core::fmt::{self, Display, Write};

use crate::base::addr::IpAddr;

/// Stands in front of each value.
pub const VALUE: char = '\u{1f}';
/// The first of the columns that no MIB has, which the subagent needs for itself.
pub const HIDDEN: u8 = 128;
/// Of an instance: the number of its interface, and the kind of its addresses as an InetAddressType.
pub const LINK: u8 = HIDDEN;
/// See [`LINK`].
pub const FAMILY: u8 = HIDDEN + 1;
/// Of what may be set: the value that is configured; of an instance its priority, and behind that whether it preempts.
pub const CONFIGURED: u8 = HIDDEN + 2;
/// Of a real server: the weight that it was given by hand.
pub const BY_HAND: u8 = HIDDEN + 4;
/// Of a virtual server and a real server: the [`crate::daemon::record::key`] of its name.
pub const IDENTITY: u8 = HIDDEN + 5;
/// Ends a row.
pub const END: char = '\u{1e}';

/// The subtrees that are registered, in the order of their names.
pub const TREES: [&[u32]; 5] = [
    &[1, 3, 6, 1, 2, 1, 68],
    &[1, 3, 6, 1, 2, 1, 207],
    &[1, 3, 6, 1, 4, 1, 9586, 100, 5, 1],
    &[1, 3, 6, 1, 4, 1, 9586, 100, 5, 2],
    &[1, 3, 6, 1, 4, 1, 9586, 100, 5, 3],
];

/// Positions in [`TREES`].
pub mod tree {
    /// VRRP-MIB.
    pub const RFC_2787: u8 = 0;
    /// VRRPV3-MIB.
    pub const RFC_6527: u8 = 1;
    /// KEEPALIVED-MIB: the daemon.
    pub const GLOBAL: u8 = 2;
    /// The same: VRRP.
    pub const VRRP: u8 = 3;
    /// The same: virtual servers.
    pub const CHECK: u8 = 4;
}

/// A table, or scalars that have one name in front of them, which are a table of one row with the index 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table(pub u8);

/// What stands in front of the columns of a table, behind the name of its tree: so many numbers, and room for more.
type Below = (u8, [u8; 4]);

const fn below(numbers: &[u8]) -> Below {
    assert!(numbers.len() <= 4, "a name that Below has no room for");
    match *numbers {
        [] => (0, [0; 4]),
        [one] => (1, [one, 0, 0, 0]),
        [one, two] => (2, [one, two, 0, 0]),
        [one, two, three] => (3, [one, two, three, 0]),
        [one, two, three, four, ..] => (4, [one, two, three, four]),
    }
}

impl Table {
    /// Each of them.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..).map(Self).take(TABLES.len())
    }

    /// The name of its tree, and what follows of the name that stands in front of its columns. None: there is no such table.
    #[must_use]
    pub fn name(self) -> Option<(&'static [u32], &'static [u8])> {
        let (tree, (len, below)) = TABLES.get(usize::from(self.0))?;
        Some((TREES.get(usize::from(*tree))?, below.get(..usize::from(*len))?))
    }
}

macro_rules! tables {
    ($($name:ident $tree:ident $below:expr, $meaning:literal;)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "numbers of the constants below")]
        enum Number { $($name),* }

        impl Table {
            $(
                #[doc = $meaning]
                pub const $name: Self = Self(Number::$name as u8);
            )*
        }

        /// Each table: the position of its tree, and the rest of the name that stands in front of its columns.
        static TABLES: &[(u8, Below)] = &[$((tree::$tree, below(&$below))),*];
    };
}

tables! {
    GLOBAL GLOBAL [], "global";
    MAIL GLOBAL [3], "mail";
    EMAIL GLOBAL [3, 5, 1], "emailTable";
    GROUP VRRP [1, 1], "vrrpSyncGroupTable";
    MEMBER VRRP [2, 1], "vrrpSyncGroupMemberTable";
    INSTANCE VRRP [3, 1], "vrrpInstanceTable";
    TRACKED_INTERFACE VRRP [4, 1], "vrrpTrackedInterfaceTable";
    TRACKED_SCRIPT VRRP [5, 1], "vrrpTrackedScriptTable";
    ADDRESS VRRP [6, 1], "vrrpAddressTable";
    ROUTE VRRP [7, 1], "vrrpRouteTable";
    RULE VRRP [8, 1], "vrrpRuleTable";
    SCRIPT VRRP [9, 1], "vrrpScriptTable";
    NEXT_HOP VRRP [11, 1], "vrrpRouteNextHopTable";
    TRACKED_FILE VRRP [12, 1], "vrrpTrackedFileTable";
    FILE VRRP [13, 1], "vrrpFileTable";
    GROUP_INTERFACE VRRP [14, 1], "vrrpSyncTrackedInterfaceTable";
    GROUP_SCRIPT VRRP [15, 1], "vrrpSyncTrackedScriptTable";
    GROUP_FILE VRRP [16, 1], "vrrpSyncTrackedFileTable";
    TRACKED_BFD VRRP [17, 1], "vrrpTrackedBfdTable";
    BFD VRRP [18, 1], "vrrpBfdTable";
    GROUP_BFD VRRP [19, 1], "vrrpSyncTrackedBfdTable";
    TRACKED_PROCESS VRRP [20, 1], "vrrpTrackedProcessTable";
    PROCESS VRRP [21, 1], "vrrpProcessTable";
    GROUP_PROCESS VRRP [22, 1], "vrrpSyncTrackedProcessTable";
    SERVICE_GROUP CHECK [1, 1], "virtualServerGroupTable";
    SERVICE_ENTRY CHECK [2, 1], "virtualServerGroupMemberTable";
    SERVICE CHECK [3, 1], "virtualServerTable";
    SERVER CHECK [4, 1], "realServerTable";
    SYNC_DAEMON CHECK [6], "lvsSyncDaemon";
    TIMEOUTS CHECK [7], "lvsTimeouts";
    V2_NODE RFC_2787 [1], "vrrpOperations";
    V2_ROUTER RFC_2787 [1, 3, 1], "vrrpOperTable";
    V2_ADDRESS RFC_2787 [1, 4, 1], "vrrpAssoIpAddrTable";
    V2_ERRORS RFC_2787 [2], "vrrpStatistics";
    V2_COUNTERS RFC_2787 [2, 4, 1], "vrrpRouterStatsTable";
    V3_ROUTER RFC_6527 [1, 1, 1, 1], "vrrpv3OperationsTable";
    V3_ADDRESS RFC_6527 [1, 1, 2, 1], "vrrpv3AssociatedIpAddrTable";
    V3_ERRORS RFC_6527 [1, 2], "vrrpv3Statistics";
    V3_COUNTERS RFC_6527 [1, 2, 5, 1], "vrrpv3StatisticsTable";
}

/// A row that is being written. An error is kept until its end.
pub struct Row<'w> {
    out: &'w mut dyn Write,
    written: fmt::Result,
}

/// A row with the index `index`, written by `columns`.
///
/// # Errors
/// What `out` says.
pub fn row(
    out: &mut dyn Write,
    table: Table,
    index: &[u32],
    columns: impl FnOnce(&mut Row<'_>),
) -> fmt::Result {
    let mut row = Row::begin(out, table, index);
    columns(&mut row);
    row.end()
}

impl<'w> Row<'w> {
    #[inline(never)]
    fn begin(out: &'w mut dyn Write, table: Table, index: &[u32]) -> Self {
        let mut row = Row { out, written: Ok(()) };
        row.put(format_args!("{}", table.0));
        index.iter().for_each(|number| row.put(format_args!(".{number}")));
        row
    }

    #[inline(never)]
    fn end(mut self) -> fmt::Result {
        self.put(format_args!("{END}"));
        self.written
    }

    #[inline(never)]
    fn put(&mut self, text: fmt::Arguments<'_>) {
        if self.written.is_ok() {
            self.written = self.out.write_fmt(text);
        }
    }

    #[inline(never)]
    fn number(&mut self, column: u8, kind: char, value: u64) {
        self.put(format_args!("{VALUE}{column}{kind}{value}"));
    }

    /// An integer, and what is made of it.
    #[inline(never)]
    pub fn int(&mut self, column: u8, value: i32) {
        self.put(format_args!("{VALUE}{column}i{value}"));
    }

    /// `true(1)` or `false(2)`, as `enabled` and `disabled` are, and others.
    pub fn truth(&mut self, column: u8, value: bool) {
        self.int(column, if value { 1 } else { 2 });
    }

    /// A Gauge32 or Unsigned32.
    pub fn gauge(&mut self, column: u8, value: u64) {
        self.number(column, 'g', value.min(u64::from(u32::MAX)));
    }

    /// A Counter32, of what may be counted further.
    pub fn count(&mut self, column: u8, value: u64) {
        self.number(column, 'c', value & u64::from(u32::MAX));
    }

    /// A Counter64.
    pub fn long(&mut self, column: u8, value: u64) {
        self.number(column, 'C', value);
    }

    /// Hundredths of a second.
    pub fn ticks(&mut self, column: u8, value: u64) {
        self.number(column, 't', value & u64::from(u32::MAX));
    }

    /// Hundredths of a second that have passed since a moment, which the agent is told by its own clock.
    pub fn stamp(&mut self, column: u8, value: u64) {
        self.number(column, 'u', value.min(u64::from(u32::MAX)));
    }

    /// A text, of which the two characters that part values and rows are left out.
    pub fn text(&mut self, column: u8, value: impl Display) {
        self.put_text(column, &value);
    }

    #[inline(never)]
    fn put_text(&mut self, column: u8, value: &dyn Display) {
        self.put(format_args!("{VALUE}{column}s"));
        let mut clean = Clean(self.out);
        if self.written.is_ok() {
            self.written = write!(clean, "{value}");
        }
    }

    /// A text that may not be there.
    pub fn maybe(&mut self, column: u8, value: Option<impl Display>) {
        if let Some(value) = value {
            self.text(column, value);
        }
    }

    /// Octets.
    pub fn octets(&mut self, column: u8, value: &[u8]) {
        self.put(format_args!("{VALUE}{column}x"));
        value.iter().for_each(|octet| self.put(format_args!("{octet:02x}")));
    }

    /// An IPv4 address, as an IpAddress.
    pub fn ipv4(&mut self, column: u8, value: [u8; 4]) {
        self.number(column, 'a', u64::from(u32::from_be_bytes(value)));
    }

    /// An address, as an InetAddress.
    pub fn address(&mut self, column: u8, value: &IpAddr) {
        match value {
            IpAddr::V4(v4) => self.octets(column, &v4.octets()),
            IpAddr::V6(v6) => self.octets(column, &v6.octets()),
        }
    }

    /// The kind of an address, as an InetAddressType.
    pub fn family(&mut self, column: u8, value: &IpAddr) {
        self.int(column, address_type(value));
    }
}

/// `ipv4(1)` or `ipv6(2)`.
#[must_use]
pub const fn address_type(addr: &IpAddr) -> i32 {
    match addr {
        IpAddr::V4(_) => 1,
        IpAddr::V6(_) => 2,
    }
}

/// Leaves out what ends a value.
struct Clean<'w>(&'w mut dyn Write);

impl Write for Clean<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.split([VALUE, END]).try_for_each(|piece| self.0.write_str(piece))
    }
}

/// The number of what stands at a position: they count from one.
#[must_use]
pub fn number(position: usize) -> u32 {
    u32::try_from(position).unwrap_or(u32::MAX).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_text() {
        let mut out = String::new();
        row(&mut out, Table::ADDRESS, &[1, 2], |row| {
            row.int(2, -1);
            row.truth(3, false);
            row.gauge(4, u64::MAX);
            row.count(5, u64::from(u32::MAX) + 3);
            row.text(6, "a\u{1e}b\u{1f}c");
            row.maybe(7, None::<&str>);
            row.octets(8, &[10, 0, 255]);
            row.ipv4(9, [0, 0, 1, 2]);
            row.long(10, u64::MAX);
        })
        .unwrap();
        let number = Table::ADDRESS.0;
        let shown = out.replace(VALUE, "|").replace(END, ";");
        let expected =
            format!("{number}.1.2|2i-1|3i2|4g4294967295|5c2|6sabc|8x0a00ff|9a258|10C18446744073709551615;");
        assert_eq!(shown, expected);
    }

    #[test]
    fn no_two_tables_have_one_name_and_trees_are_sorted() {
        let mut names: Vec<_> = Table::all().map(|table| table.name().unwrap()).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(TREES.is_sorted());
        assert_eq!(Table::INSTANCE.name(), Some((TREES[usize::from(tree::VRRP)], &[3, 1][..])));
        assert_eq!(Table::V3_COUNTERS.name(), Some((TREES[usize::from(tree::RFC_6527)], &[1, 2, 5, 1][..])));
    }
}

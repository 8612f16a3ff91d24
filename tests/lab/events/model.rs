//! What each machine is, and what its kernel is to hold for it: reckoned from the test's own account of
//! the two machines.

use std::collections::BTreeSet;
use std::time::Duration;

use super::wire::Split;

/// The machine that QEMU emulates has more kinds of interfaces and is slow: A has an ipvlan there, eth1 is a VLAN, and
/// `other` is a dummy in a VRF.
pub(crate) use crate::kit::load::is_guest;

/// What moves together: sync groups, and instances on their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A (macvlan on eth0) and B (eth1), both IPv4; a script decides. Or A and D.
    First,
    /// C (IPv6, eth0) and D (IPv4, eth1, which follows `other`). Or C and B.
    Second,
    /// E, whose priority a file and a process change, and that lives on either interface.
    Alone,
    /// F, an IPv6 macvlan on eth1 that is not always configured.
    Sometimes,
    /// H, unicast on eth0, version 2 with passwords.
    Pass,
    /// I, on eth1, version 2 with AH.
    Ah,
    /// J, unicast on eth0, signed, which takes no packets.
    Signed,
}

/// All of them.
pub(crate) const UNITS: [Unit; 7] =
    [Unit::First, Unit::Second, Unit::Alone, Unit::Sometimes, Unit::Pass, Unit::Ah, Unit::Signed];

impl Unit {
    /// The virtual routers of it.
    pub(crate) fn vrids(self, wording: &Wording) -> &'static [u8] {
        match self {
            Self::First if wording.swapped => &[51, 54],
            Self::Second if wording.swapped => &[53, 52],
            Self::First => &[51, 52],
            Self::Second => &[53, 54],
            Self::Alone => &[55],
            Self::Sometimes => &[56],
            Self::Pass => &[57],
            Self::Ah => &[58],
            Self::Signed => &[59],
        }
    }

    /// The instances of it, in the same order.
    pub(crate) fn names(self, wording: &Wording) -> &'static [&'static str] {
        match self {
            Self::First if wording.swapped => &["A", "D"],
            Self::Second if wording.swapped => &["C", "B"],
            Self::First => &["A", "B"],
            Self::Second => &["C", "D"],
            Self::Alone if wording.renamed => &["E_again"],
            Self::Alone => &["E"],
            Self::Sometimes => &["F"],
            Self::Pass => &["H"],
            Self::Ah => &["I"],
            Self::Signed => &["J"],
        }
    }

    /// Whether its adverts go to the other machine alone: one that is not to be found is sent none.
    pub(crate) fn is_unicast(self) -> bool {
        matches!(self, Self::Pass | Self::Signed)
    }

    /// From advert to advert.
    pub(crate) fn interval(self) -> Duration {
        let quick = if is_guest() { 500 } else { 100 };
        Duration::from_millis(if matches!(self, Self::Pass | Self::Ah) { 1_000 } else { quick })
    }
}

/// What became of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    Up,
    Down,
    Renamed,
    Deleted,
}

/// The interfaces, and the names that they get when somebody renames them.
pub(crate) const LINKS: [(&str, &str); 3] = [("eth0", "wan0"), ("eth1", "wan1"), ("other", "wan2")];

/// What the two files say alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wording {
    /// A has one more address.
    pub(crate) extra: bool,
    /// An address, a route and a rule are D's and not B's.
    pub(crate) moved: bool,
    /// F is there.
    pub(crate) sometimes: bool,
    /// The blocks stand the other way round.
    pub(crate) reversed: bool,
    /// E has another name.
    pub(crate) renamed: bool,
    /// E is on eth1.
    pub(crate) elsewhere: bool,
    /// Addresses bear labels, and routes a metric.
    pub(crate) labelled: bool,
    /// Static items are other ones.
    pub(crate) statics: bool,
    /// J signs with its second key.
    pub(crate) rotated: bool,
    /// J does not sign.
    pub(crate) unsigned: bool,
    /// H and I know no passwords.
    pub(crate) open: bool,
    /// E has a macvlan.
    pub(crate) dressed: bool,
    /// B and D have changed their groups.
    pub(crate) swapped: bool,
    /// The carriers of eth0 and eth1 count once they have lasted.
    pub(crate) delayed: bool,
}

impl std::fmt::Display for Wording {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = format!("{self:?}");
        let said = text.split([' ', ',']).zip(text.split([' ', ',']).skip(1));
        let said: Vec<_> =
            said.filter(|(_, value)| *value == "true").map(|(name, _)| name.trim_end_matches(':')).collect();
        write!(out, "{}", said.join(" "))
    }
}

/// Ways in which the files may change.
pub(crate) const WAYS: u64 = 14;

impl Wording {
    /// One of the [`WAYS`].
    pub(crate) fn way(&mut self, number: u64) -> &mut bool {
        match number {
            0 => &mut self.extra,
            1 => &mut self.moved,
            2 => &mut self.sometimes,
            3 => &mut self.reversed,
            4 => &mut self.renamed,
            5 => &mut self.elsewhere,
            6 => &mut self.labelled,
            7 => &mut self.rotated,
            8 => &mut self.unsigned,
            9 => &mut self.open,
            10 => &mut self.dressed,
            11 => &mut self.swapped,
            12 => &mut self.delayed,
            _ => &mut self.statics,
        }
    }

    /// Whether an instance that this way changes begins anew: one with the name of one before begins where it likes.
    pub(crate) fn begins_anew(number: u64) -> bool {
        matches!(number, 2 | 4 | 5 | 10)
    }
}

/// A machine as the test has made it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    /// 1 or 2; the last number of its addresses.
    pub(crate) host: u8,
    pub(crate) links: [Link; 3],
    /// Whether the cables of eth0 and eth1 are plugged in at the other end.
    pub(crate) carrier: [bool; 2],
    /// Whether eth0 and eth1 have their own IPv4 address.
    pub(crate) based: [bool; 2],
    /// The script's verdict.
    pub(crate) fit: bool,
    /// The number in the file.
    pub(crate) number: i32,
    /// Whether the process runs.
    pub(crate) process: bool,
    /// Whether the second group's process runs.
    pub(crate) second_process: bool,
    /// Whether the second group's file says that all is well.
    pub(crate) level: bool,
    /// Whether the daemon runs.
    pub(crate) runs: bool,
    /// On top of the priority.
    pub(crate) bonus: i32,
    pub(crate) wording: Wording,
}

impl State {
    /// A machine where all is well and no daemon runs.
    pub(crate) fn new(host: u8) -> Self {
        Self {
            host,
            links: [Link::Up; 3],
            carrier: [true; 2],
            based: [true; 2],
            fit: true,
            number: 0,
            process: true,
            second_process: true,
            level: true,
            runs: false,
            bonus: 0,
            wording: Wording::default(),
        }
    }

    pub(crate) fn base_priority(&self) -> i32 {
        // One is odd and the other even, and so they remain.
        self.bonus + if self.host == 1 { 151 } else { 100 }
    }

    /// Whether E has a macvlan: not beside an ipvlan.
    pub(crate) fn dressed(&self) -> bool {
        self.wording.dressed && !is_guest()
    }

    /// Where E lives.
    pub(crate) fn home(&self) -> usize {
        usize::from(self.wording.elsewhere)
    }

    /// The priority of a unit here, if nothing speaks against it.
    fn priority(&self, unit: Unit) -> Option<i32> {
        let up =
            |link: usize| self.links[link] == Link::Up && self.carrier.get(link).copied().unwrap_or(true);
        let v4 = |link: usize| up(link) && self.based[link];
        let (follows, swapped) = (up(2), self.wording.swapped);
        let able = match unit {
            // An ipvlan has an address of its own.
            Unit::First => (v4(0) || (is_guest() && up(0))) && v4(1) && self.fit && (follows || !swapped),
            Unit::Second => up(0) && v4(1) && (follows || swapped) && self.second_process && self.level,
            Unit::Alone => v4(self.home()),
            Unit::Sometimes => up(1) && self.wording.sometimes,
            Unit::Pass | Unit::Signed => v4(0),
            Unit::Ah => v4(1),
        };
        let more = if unit == Unit::Alone { self.number + i32::from(self.process) * 20 } else { 0 };
        (able && self.runs).then_some(self.base_priority() + more)
    }
}

/// Which machines are MASTER of a unit: none, one, or both if they do not hear of each other. The numbers of AH count
/// on from what was heard: if a better one that is deaf counts behind (`numbered_apart`), nobody believes it.
pub(crate) fn masters(unit: Unit, states: &[State; 2], split: Split, numbered_apart: bool) -> Vec<usize> {
    let able = (0..2).filter_map(|at| Some((states[at].priority(unit)?, at)));
    let mut able: Vec<_> = able.collect();
    able.sort_unstable();
    let able: Vec<_> = able.into_iter().map(|(_, at)| at).collect();
    match (split, &able[..]) {
        (Split::Apart, _) => able,
        // Who hears nothing of a better one is MASTER beside it.
        (Split::Deaf(at), [worse, _]) if *worse == at || (unit == Unit::Ah && numbered_apart) => able,
        (_, [.., best]) => vec![*best],
        (_, []) => able,
    }
}

/// What a kernel holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Holding {
    /// "eth0 10.9.0.1/24".
    pub(crate) addresses: BTreeSet<String>,
    /// "10.60.0.0/24 via 10.9.0.3 dev eth0", with keepalived's mark.
    pub(crate) routes: BTreeSet<String>,
    /// "500: from 10.61.0.0/24 lookup 100".
    pub(crate) rules: BTreeSet<String>,
    /// "vrrp.51@eth0".
    pub(crate) macvlans: BTreeSet<String>,
    /// "eth0/arp_ignore 1".
    pub(crate) settings: BTreeSet<String>,
    /// "ip keepalived vips 10.9.0.109".
    pub(crate) firewall: BTreeSet<String>,
}

/// What the kernel of a machine is to hold that is MASTER of what `is_master` says.
pub(crate) fn expected(state: &State, is_master: impl Fn(Unit) -> bool) -> Holding {
    let mut held = Holding::default();
    let wording = &state.wording;
    let host = state.host;
    for (at, net) in [9, 8].into_iter().enumerate() {
        let name = match state.links[at] {
            Link::Deleted => continue,
            Link::Renamed => LINKS[at].1,
            Link::Up | Link::Down => LINKS[at].0,
        };
        if state.based[at] {
            held.addresses.insert(format!("{name} 10.{net}.0.{host}/24"));
        }
        // The kernel takes IPv6 addresses off an interface that goes down.
        if state.links[at] != Link::Down {
            held.addresses.insert(format!("{name} 2001:db8:{net}::{host}/64"));
        }
    }
    let is_there = |at: usize| matches!(state.links[at], Link::Up | Link::Down);
    if is_there(0) && !is_guest() {
        for key in ["arp_ignore", "arp_filter"] {
            held.settings.insert(format!("eth0/{key} {}", u8::from(state.runs)));
        }
        for (name, strict) in [("all", !state.runs), ("default", state.runs)] {
            held.settings.insert(format!("{name}/rp_filter {}", u8::from(strict)));
        }
    }
    if !state.runs {
        return held;
    }
    if is_there(0) {
        held.macvlans.insert("vrrp.51@eth0".into());
    }
    if is_there(1) && wording.sometimes {
        held.macvlans.insert("vrrp.56@eth1".into());
    }
    if is_there(state.home()) && state.dressed() {
        held.macvlans.insert(format!("vrrp.55@{}", LINKS[state.home()].0));
    }
    let mut address = |text: &str| held.addresses.insert(text.to_owned());
    let mut route = |text: &str| held.routes.insert(text.to_owned());
    let mut rule = |text: &str| held.rules.insert(text.to_owned());
    let statics = if wording.statics { 51 } else { 50 };
    rule(&format!("600: from 10.{statics}.0.0/24 lookup 150"));
    if state.links[2] == Link::Up {
        address("other 10.7.0.1/24");
        address("other 2001:db8:7::1/64");
        route(&format!("10.{statics}.0.0/24 dev other"));
    }
    if is_guest() && is_there(0) {
        address(&format!("vrrp.51 10.9.0.5{host}/24"));
    }
    let a = if is_guest() { "eth0" } else { "vrrp.51" };
    let (first, second) = (is_master(Unit::First), is_master(Unit::Second));
    let (with_b, with_d) = if wording.swapped { (second, first) } else { (first, second) };
    if first {
        address(&format!("{a} 10.9.0.100/24"));
        if wording.extra {
            address(&format!("{a} 10.9.0.101/24"));
        }
        route("10.60.0.0/24 via 10.9.0.3 dev eth0");
    }
    if with_b {
        address("eth1 10.8.0.100/24");
        route("10.61.0.0/24 via 10.8.0.3 dev eth1");
        rule("500: from 10.61.0.0/24 lookup 100");
    }
    if second {
        address("eth0 fe80::c/64");
        address("eth0 2001:db8:9::100/64");
        route("2001:db8:60::/64 via 2001:db8:9::3 dev eth0");
        rule("502: from all to 2001:db8:60::/64 lookup 102");
    }
    if with_d {
        address("eth1 10.8.0.104/24");
        route("10.63.0.0/24 via 10.8.0.3 dev eth1");
        rule("503: from all iif eth1 lookup 103");
    }
    if if wording.moved { with_d } else { with_b } {
        address("eth1 10.8.0.110/32");
        route("10.62.0.0/24 dev eth1 table 100");
        rule("504: from 10.62.0.0/24 lookup 104");
    }
    if is_master(Unit::Alone) {
        let base = LINKS[state.home()].0;
        let home = if state.dressed() { "vrrp.55" } else { base };
        address(&format!("{home} 10.9.0.105/32"));
        // Of the other family: beside the macvlan.
        address(&format!("{base} 2001:db8:9::105/64"));
        rule("501: from 10.9.0.105 lookup 101");
    }
    if is_master(Unit::Sometimes) {
        address("vrrp.56 fe80::f/64");
        address("vrrp.56 2001:db8:8::100/64");
    }
    if is_master(Unit::Pass) {
        address("eth0 10.9.0.107/32");
    }
    if is_master(Unit::Ah) {
        address("eth1 10.8.0.108/32");
    }
    let signed = is_master(Unit::Signed);
    if signed {
        address("eth0 10.9.0.109/32");
    }
    held.firewall = firewall(state, signed, is_there);
    held
}

/// The tables: J takes no packets, and the macvlans of A, E and F send no reports.
fn firewall(state: &State, signed: bool, is_there: impl Fn(usize) -> bool) -> BTreeSet<String> {
    let (wording, home) = (&state.wording, state.home());
    let mut lines = BTreeSet::new();
    let mut line = |text: &str| lines.insert(format!("ip keepalived {text}"));
    line("out ip saddr @vips drop");
    line("in ip daddr @vips drop");
    if !is_guest() {
        line("out ip protocol igmp meta oifkind \"macvlan\" dup to ip daddr device oif map @vmac_map drop");
    }
    if signed {
        line("vips 10.9.0.109");
    }
    if is_there(0) && !is_guest() {
        line("vmac_map \"vrrp.51\" : \"eth0\"");
    }
    if state.dressed() && is_there(home) {
        line(&format!("vmac_map \"vrrp.55\" : \"{}\"", LINKS[home].0));
    }
    let mut line = |text: &str| lines.insert(format!("ip6 keepalived {text}"));
    if wording.sometimes {
        let kind = "meta oifkind \"macvlan\"";
        line(&format!(
            "out icmpv6 type nd-neighbor-advert {kind} ip6 saddr . oifname @parent_link_local drop"
        ));
        line(&format!("out icmpv6 type @mld-report {kind} dup to ip6 daddr device oif map @vmac_map drop"));
        line(&format!("out icmpv6 type nd-router-solicit {kind} oif @vmac_set drop"));
    }
    if wording.sometimes && is_there(1) {
        line("vmac_map \"vrrp.56\" : \"eth1\"");
        line("vmac_set \"vrrp.56\"");
    }
    lines
}

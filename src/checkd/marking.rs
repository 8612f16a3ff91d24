//! The rules of nftables that give packets to groups of virtual servers their marks (`nftables_ipvs`).
//!
//! ```text
//! map tcp_map { type ipv4_addr . inet_service : mark; flags interval; elements = { 192.0.2.1-192.0.2.5 . 80 : 1000 } }
//! chain in    { hook input; meta mark set ip daddr . tcp dport map @tcp_map return }
//! ```
//!
//! A table of each family that a group has addresses of, in it a map and a rule for each protocol. The tables are
//! replaced as a whole, so that no packet ever meets half of them.

use nix::errno::Errno;

use super::{kind, report};
use crate::base::addr::{Family, IpAddr};
use crate::base::time::Instant;
use crate::child::tables::{
    FAMILIES, Style, Watch, log_left_over, log_put_back, log_stuck, log_works_again, may_pass, remove,
};
use crate::config::model::Model;
use crate::daemon::reactor::Turn;
use crate::daemon::token::SourceId;
use crate::proto::lvs::{Marked, Protocol};
use crate::sys::netlink::nft::expression::{AFTER_FOUR, Expression, FIRST, SECOND, Verdict};
use crate::sys::netlink::nft::{Element, Hook, Kind, Nft, RANGE_OCTETS, Refused, Set, Table};
use crate::sys::netns;

/// The tables of this child.
#[derive(Default)]
pub(super) struct Marking {
    /// What the model wants; none: no tables.
    wanted: Option<Style>,
    /// Which packets get which mark.
    ranges: Vec<Marked>,
    /// The network namespace of the kernel's table of IPVS; none: that of this process.
    namespace: Option<String>,
    /// The name of the tables in the kernel.
    there: Option<Box<str>>,
    nft: Option<Nft>,
    watch: Watch,
    /// Why the kernel refused the tables, until it takes them.
    broken: Option<Errno>,
    /// Another program deleted something, and that is still to be put back.
    lost: bool,
}

/// Octets of everything but elements: for each family three maps with their rules, each message with two names.
const FRAME_OCTETS: usize = 24 * 1_024;

impl Marking {
    /// What a model wants, for these packets. Nothing in the kernel is changed. For load time: allocates.
    pub(super) fn load(&mut self, model: &Model, ranges: Vec<Marked>) {
        self.wanted = style(model).filter(|_| !ranges.is_empty());
        self.namespace.clone_from(&model.daemon.net_namespace_ipvs);
        self.ranges = ranges;
    }

    /// The name of the tables that the model wants.
    pub(super) fn name(&self) -> Option<&str> {
        self.wanted.as_ref().map(|style| &*style.name)
    }

    /// Makes the tables what the model wants, once the kernel has the services of the marks.
    pub(super) fn settle(&mut self, turn: &mut Turn<'_>) {
        let wanted = self.wanted.clone();
        if self.there.is_some() && self.there.as_deref() != wanted.as_ref().map(|style| &*style.name) {
            self.remove(turn);
        }
        let Some(style) = wanted else { return };
        if let Err(refused) = self.replace(&style) {
            if self.broken.replace(refused.errno) != Some(refused.errno) {
                report::no_marking(&refused);
            }
            return;
        }
        self.there = Some(style.name);
        self.lost = false;
        if self.broken.take().is_some() {
            log_works_again();
        }
        if let Some(nft) = &self.nft {
            self.watch.begin(turn, nft, SourceId { kind: kind::MARKING, index: 0 });
        }
    }

    /// Another program changes tables.
    pub(super) fn hear(&mut self, turn: &mut Turn<'_>, stopping: bool) {
        let Some(name) = &self.there else { return };
        if self.watch.is_deleted(name) && !stopping {
            self.lost = true;
            self.put_back(turn, turn.now());
        }
    }

    /// Tries again what failed, or what was put back too often.
    pub(super) fn retry(&mut self, turn: &mut Turn<'_>) {
        if self.lost {
            self.put_back(turn, turn.now());
        } else if self.broken.is_some_and(may_pass) {
            self.settle(turn);
        }
    }

    fn put_back(&mut self, turn: &mut Turn<'_>, now: Instant) {
        if self.watch.may_put_back(now) {
            self.settle(turn);
            if let (Some(name), None) = (&self.there, self.broken) {
                log_put_back(name);
            }
        }
    }

    /// Takes the tables out of the kernel.
    pub(super) fn remove(&mut self, turn: &mut Turn<'_>) {
        self.watch.end(turn);
        if let Some(name) = self.there.take() {
            self.delete(&name);
        }
    }

    /// Removes the tables of a predecessor, unless they are to be replaced.
    pub(super) fn remove_left(&mut self, name: &str) {
        if self.name() != Some(name) {
            log_left_over(name);
            self.delete(name);
        }
    }

    fn delete(&mut self, name: &str) {
        let removed = self.open().and_then(|nft| remove(nft, core::iter::once(name)));
        if let Err(refused) = removed {
            log_stuck(name, &refused);
        }
    }

    fn open(&mut self) -> Result<&mut Nft, Refused> {
        let octets = self.ranges.len().saturating_mul(RANGE_OCTETS).saturating_add(FRAME_OCTETS);
        let nft = match (self.nft.take(), &self.namespace) {
            (Some(mut nft), _) => {
                nft.reserve(octets)?;
                nft
            }
            (None, None) => Nft::open(octets)?,
            (None, Some(name)) => netns::within(name, || Nft::open(octets))??,
        };
        Ok(self.nft.insert(nft))
    }

    fn replace(&mut self, style: &Style) -> Result<(), Refused> {
        self.open()?;
        let Self { nft: Some(nft), ranges, .. } = self else { return Ok(()) };
        for family in FAMILIES {
            let table = Table { family, name: &style.name };
            nft.begin();
            // There is no other way to delete what may not be there.
            nft.add_table(table);
            nft.delete_table(table);
            let of_family = ranges.iter().filter(|range| Family::of(&range.first) == family);
            let used = of_family.clone().next().is_some();
            if used {
                write(nft, style, table, of_family);
            }
            match nft.commit() {
                // A kernel without IPv6 has no table of its own to be removed either.
                Err(refused) if !used && refused.errno == Errno::EAFNOSUPPORT => {}
                outcome => outcome?,
            }
        }
        Ok(())
    }
}

/// The style of a model; none if it does not want groups to be marked.
fn style(model: &Model) -> Option<Style> {
    let firewall = &model.global.firewall;
    let name = firewall.nftables_ipvs.as_deref()?;
    // The VRRP child replaces its tables as a whole, too.
    let of_vrrp = firewall.nftables.as_deref().unwrap_or(TABLES_OF_VRRP);
    let own = if name == of_vrrp { format!("{name}_ipvs") } else { name.to_owned() };
    Some(Style::new(&own, firewall.nftables_ipvs_priority, firewall.nftables_counters))
}

/// The name of the tables of the VRRP child where the configuration has none.
const TABLES_OF_VRRP: &str = "keepalived";

/// Writes a table: maps and rules in the order in which the file uses their protocols.
fn write<'a>(
    nft: &mut Nft,
    style: &Style,
    table: Table<'_>,
    ranges: impl Iterator<Item = &'a Marked> + Clone,
) {
    let mut protocols: heapless::Vec<Protocol, 3> = heapless::Vec::new();
    for range in ranges.clone() {
        if !protocols.contains(&range.protocol) {
            // There is room for all of them.
            let _ = protocols.push(range.protocol);
        }
    }
    let (kind, address, second) = match table.family {
        Family::V4 => (Kind::Ipv4AndPort, Expression::Payload { offset: 16, octets: 4 }, AFTER_FOUR),
        Family::V6 => (Kind::Ipv6AndPort, Expression::Payload { offset: 24, octets: 16 }, SECOND),
    };
    nft.add_table(table);
    for protocol in &protocols {
        let map = map_of(*protocol);
        nft.add_set(table, Set { name: map, kind, is_map: true, is_constant: false, counts: style.counts });
        nft.change(table, map, true, ranges.clone().filter(|range| range.protocol == *protocol).map(element));
    }
    nft.add_chain(table, CHAIN, Some((Hook::In, style.priority)));
    for protocol in &protocols {
        let number = [number_of(*protocol)];
        let mut rule: heapless::Vec<Expression<'_>, 8> = heapless::Vec::new();
        // There is room for all of them.
        let _ = rule.extend_from_slice(&[
            Expression::L4Proto,
            Expression::Compare(&number),
            address,
            Expression::DestinationPort(second),
            Expression::LookupMap(map_of(*protocol), FIRST),
            Expression::SetMark,
        ]);
        if style.counts {
            let _ = rule.push(Expression::Counter);
        }
        let _ = rule.push(Expression::Immediate(Verdict::Return));
        nft.add_rule(table, CHAIN, &rule);
    }
}

const CHAIN: &str = "in";

fn element(range: &Marked) -> Element {
    // Each part begins at a multiple of four octets.
    let ports = |port: u16| {
        let [high, low] = port.to_be_bytes();
        [high, low, 0, 0]
    };
    let (from, to) = (ports(range.ports.0), ports(range.ports.1));
    let element = match (&range.first, &range.last) {
        (IpAddr::V4(first), IpAddr::V4(last)) => {
            Element::range(&[&first.octets(), &from], &[&last.octets(), &to])
        }
        (first, last) => {
            let octets = |addr: &IpAddr| match addr {
                IpAddr::V4(addr) => addr.to_ipv6_mapped().octets(),
                IpAddr::V6(addr) => addr.octets(),
            };
            Element::range(&[&octets(first), &from], &[&octets(last), &to])
        }
    };
    element.to(range.mark)
}

const fn map_of(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "tcp_map",
        Protocol::Udp => "udp_map",
        Protocol::Sctp => "sctp_map",
    }
}

const fn number_of(protocol: Protocol) -> u8 {
    match protocol {
        Protocol::Tcp => 6,
        Protocol::Udp => 17,
        Protocol::Sctp => 132,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::sys::test_net::in_namespace;

    fn range(protocol: Protocol, first: &str, last: &str, ports: (u16, u16), mark: u32) -> Marked {
        Marked { protocol, first: first.parse().unwrap(), last: last.parse().unwrap(), ports, mark }
    }

    fn ruleset() -> String {
        let output = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn the_tables_are_those_of_keepalived() {
        in_namespace(|_| {
            let ranges = vec![
                range(Protocol::Udp, "192.0.2.1", "192.0.2.5", (53, 53), 1_000),
                range(Protocol::Tcp, "192.0.4.1", "192.0.4.1", (80, 80), 1_001),
                range(Protocol::Tcp, "2001:db8::1", "2001:db8::5", (80, 80), 1_001),
                range(Protocol::Sctp, "192.0.5.1", "192.0.5.2", (0, 65_535), 1_002),
            ];
            let mut marking = Marking { ranges, ..Marking::default() };
            marking.replace(&Style::new("lab", None, false)).unwrap();
            marking.replace(&Style::new("lab", Some(12), true)).unwrap();
            let listed = ruleset();
            for wanted in [
                "table ip lab {",
                "table ip6 lab {",
                "type ipv4_addr . inet_service : mark",
                "type ipv6_addr . inet_service : mark",
                "192.0.2.1-192.0.2.5 . 53 counter packets 0 bytes 0 : 0x000003e8",
                "2001:db8::1-2001:db8::5 . 80 counter packets 0 bytes 0 : 0x000003e9",
                "192.0.5.1-192.0.5.2 . 0-65535 counter packets 0 bytes 0 : 0x000003ea",
                "type filter hook input priority 12; policy accept;",
                "meta mark set ip daddr . udp dport map @udp_map counter packets 0 bytes 0 return",
                "meta mark set ip6 daddr . tcp dport map @tcp_map counter packets 0 bytes 0 return",
                "meta mark set ip daddr . sctp dport map @sctp_map counter packets 0 bytes 0 return",
            ] {
                assert!(listed.contains(wanted), "{wanted}: {listed}");
            }
            marking.ranges.retain(|range| range.first.is_ipv4());
            marking.replace(&Style::new("lab", None, false)).unwrap();
            let listed = ruleset();
            assert!(!listed.contains("ip6") && !listed.contains("counter"), "{listed}");
            assert!(listed.contains("map @sctp_map return"), "{listed}");
            marking.remove_left("lab");
            assert_eq!(ruleset(), "");
        });
    }

    #[test]
    fn tables_are_wanted_where_groups_have_addresses_and_nftables_ipvs_stands() {
        let one = range(Protocol::Tcp, "192.0.4.1", "192.0.4.1", (80, 80), 1_001);
        let mut marking = Marking::default();
        for (vrrp, ipvs, ranges, name) in [
            (None, Some("mine"), vec![one], Some("mine")),
            (None, Some("mine"), Vec::new(), None),
            (Some("other"), None, vec![one], None),
            // The VRRP child has those tables.
            (None, Some("keepalived"), vec![one], Some("keepalived_ipvs")),
            (Some("mine"), Some("mine"), vec![one], Some("mine_ipvs")),
        ] {
            let mut model = Model::default();
            model.global.firewall.nftables = vrrp.map(str::to_owned);
            model.global.firewall.nftables_ipvs = ipvs.map(str::to_owned);
            marking.load(&model, ranges);
            assert_eq!(marking.name(), name, "{vrrp:?} {ipvs:?}");
        }
    }
}

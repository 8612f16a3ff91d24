//! The tables in the kernel, as keepalived names and orders what is in them.
//!
//! ```text
//! out:  a neighbour advertisement of the link-local
//!       address below, leaving by a macvlan           dropped
//!       a membership report leaving by a macvlan      copied to the interface below, dropped
//!       a router solicitation leaving by a macvlan    dropped
//!       neighbour discovery                           passes
//!       from a guarded address                        dropped
//! in:   neighbour discovery                           passes
//!       to a guarded address                          dropped
//! ```

use super::guards::{Guards, SETS, Which};
use super::vmacs::{self, Vmacs};
use crate::base::addr::Family;
use crate::child::links::Links;
use crate::child::tables::{FAMILIES, Style};
use crate::config::model::global::Firewall as Config;
use crate::sys::netlink::nft::expression::{Direction, Expression, FIRST, SECOND, Verdict};
use crate::sys::netlink::nft::{ELEMENT_OCTETS, Element, Hook, Kind, Nft, Refused, Set, Table};

/// The style of a configuration.
#[must_use]
pub fn style(config: &Config) -> Style {
    let name = config.nftables.as_deref().unwrap_or(NAME);
    Style::new(name, config.nftables_priority, config.nftables_counters)
}

/// The name of the tables where the configuration has none.
const NAME: &str = "keepalived";

/// Which parts there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Sets of guarded addresses, in the order of [`SETS`].
    pub sets: [bool; 4],
    /// Membership reports of macvlans, IPv4 and IPv6.
    pub reports: [bool; 2],
    /// The rules about macvlans look for interfaces of that kind first, which kernels before 5.0 cannot.
    pub kinds: bool,
}

impl Parts {
    /// Whether a family has a table.
    #[must_use]
    pub const fn has(self, family: Family) -> bool {
        let ([v4, v6, numbered, named], [reports_v4, reports_v6]) = (self.sets, self.reports);
        match family {
            Family::V4 => v4 || reports_v4,
            Family::V6 => v6 || numbered || named || reports_v6,
        }
    }

    /// Whether there is nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        !self.has(Family::V4) && !self.has(Family::V6)
    }

    const fn guards(self, set: Which) -> bool {
        let [v4, v6, numbered, named] = self.sets;
        match set {
            Which::V4 => v4,
            Which::V6 => v6,
            Which::Numbered => numbered,
            Which::Named => named,
        }
    }
}

/// What the rules are about.
#[derive(Clone, Copy)]
pub struct Contents<'a> {
    /// Guarded addresses.
    pub guards: &'a Guards,
    /// Macvlans.
    pub vmacs: &'a Vmacs,
    /// Their interfaces.
    pub links: &'a Links,
}

/// Octets of everything but elements: some 40 messages, each with two names of 255 octets and a rule of 400.
const FRAME_OCTETS: usize = 48 * 1_024;

/// Octets of a transaction that holds everything.
#[must_use]
pub fn octets(guards: &Guards, vmacs: &Vmacs) -> usize {
    // An interface that is another now is taken out and put in; a macvlan is in two sets of a family.
    let elements = guards.len().saturating_mul(2).saturating_add(vmacs.len().saturating_mul(vmacs::ELEMENTS));
    elements.saturating_mul(ELEMENT_OCTETS).saturating_add(FRAME_OCTETS)
}

/// Puts both tables in the place of those that are there, whatever they hold. No packet sees none of them. `there`:
/// families that have a table that is not wanted.
///
/// # Errors
/// The kernel's; nothing is changed then.
pub fn replace(
    nft: &mut Nft,
    style: &Style,
    parts: Parts,
    there: bool,
    contents: Contents<'_>,
) -> Result<(), Refused> {
    nft.begin();
    for family in FAMILIES {
        let table = Table { family, name: &style.name };
        if parts.has(family) || there {
            // There is no other way to delete what may not be there.
            nft.add_table(table);
            nft.delete_table(table);
        }
        if parts.has(family) {
            nft.add_table(table);
            Writer { nft, style, parts, table }.all(contents);
        }
    }
    nft.commit()
}

/// Changes what is in the sets.
///
/// # Errors
/// The kernel's, when the sets are not as they were left; nothing is changed then.
pub fn update(
    nft: &mut Nft,
    style: &Style,
    parts: Parts,
    Contents { guards, vmacs, links }: Contents<'_>,
) -> Result<(), Refused> {
    nft.begin();
    for add in [false, true] {
        for set in SETS.into_iter().filter(|set| parts.guards(*set)) {
            let table = Table { family: set.family(), name: &style.name };
            nft.change(table, set.name(), add, guards.changes(set, links, add));
        }
        for (family, _) in FAMILIES.into_iter().zip(parts.reports).filter(|(_, reports)| *reports) {
            let table = Table { family, name: &style.name };
            nft.change(table, vmacs::MAP, add, vmacs.changes(family, false, links, add));
            if family == Family::V6 {
                nft.change(table, vmacs::SET, add, vmacs.changes(family, true, links, add));
                nft.change(table, vmacs::LOCAL, add, vmacs.local_changes(links, add));
            }
        }
    }
    if nft.is_empty() { Ok(()) } else { nft.commit() }
}

struct Writer<'a> {
    nft: &'a mut Nft,
    style: &'a Style,
    parts: Parts,
    table: Table<'a>,
}

const IN: &str = "in";
const OUT: &str = "out";
const IN_LOCAL: &str = "in_link_local";
const OUT_LOCAL: &str = "out_link_local";
const REPORTS: &str = "mld-report";
const DISCOVERY: &str = "neighbor-discovery";

const IGMP: u8 = 2;
const ICMPV6: u8 = 58;
const ROUTER_SOLICITATION: u8 = 133;
const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// MLD reports of both versions.
const REPORT_TYPES: [u8; 2] = [131, 143];
/// The kind of a macvlan, as the kernel compares it.
const MACVLAN: [u8; 16] = *b"macvlan\0\0\0\0\0\0\0\0\0";
const DISCOVERY_TYPES: [u8; 2] = [135, 136];

impl Writer<'_> {
    fn all(mut self, Contents { guards, vmacs, links }: Contents<'_>) {
        let family = self.table.family;
        let [reports_v4, reports_v6] = self.parts.reports;
        let reports = if family == Family::V4 { reports_v4 } else { reports_v6 };
        let parts = self.parts;
        let sets = SETS.into_iter().filter(move |set| set.family() == family && parts.guards(*set));
        let guarded = sets.clone().count() > 0;
        if reports {
            self.set(vmacs::MAP, Kind::Interface, true, vmacs.all(family, false, links));
            if family == Family::V6 {
                self.set(vmacs::SET, Kind::Interface, false, vmacs.all(family, true, links));
                self.set(vmacs::LOCAL, Kind::Ipv6AndName, false, vmacs.all_local(links));
                self.constant(REPORTS, &REPORT_TYPES);
            }
        }
        for set in sets {
            let kind = match set {
                Which::V4 => Kind::Ipv4,
                Which::V6 => Kind::Ipv6,
                Which::Numbered => Kind::Ipv6AndInterface,
                Which::Named => Kind::Ipv6AndName,
            };
            self.set(set.name(), kind, false, guards.all(set, links));
        }
        if guarded && family == Family::V6 {
            self.constant(DISCOVERY, &DISCOVERY_TYPES);
        }
        self.nft.add_chain(self.table, OUT, Some((Hook::Out, self.style.priority)));
        if reports {
            self.reports();
        }
        if guarded {
            self.nft.add_chain(self.table, IN, Some((Hook::In, self.style.priority)));
            match family {
                Family::V4 => self.guards_v4(),
                Family::V6 => self.guards_v6(),
            }
        }
    }

    fn set(&mut self, name: &str, kind: Kind, is_map: bool, elements: impl Iterator<Item = Element>) {
        self.nft.add_set(self.table, Set { name, kind, is_map, is_constant: false, counts: false });
        self.nft.change(self.table, name, true, elements);
    }

    fn constant(&mut self, name: &str, types: &[u8]) {
        let set = Set { name, kind: Kind::Icmpv6Type, is_map: false, is_constant: true, counts: false };
        self.nft.add_set(self.table, set);
        self.nft.change(self.table, name, true, types.iter().map(|kind| Element::new(&[&[*kind]])));
    }

    fn reports(&mut self) {
        let by_kind = [Expression::InterfaceKind(Direction::Out), Expression::Compare(&MACVLAN)];
        let kind: &[Expression<'_>] = if self.parts.kinds { &by_kind } else { &[] };
        let copy = [
            Expression::Interface(Direction::Out, SECOND),
            Expression::LookupMap(vmacs::MAP, SECOND),
            Expression::Dup,
        ];
        match self.table.family {
            Family::V4 => {
                let what = [Expression::Payload { offset: 9, octets: 1 }, Expression::Compare(&[IGMP])];
                let to = [Expression::Payload { offset: 16, octets: 4 }];
                self.rule(OUT, &[&what, kind, &to, &copy], Verdict::Drop);
            }
            Family::V6 => {
                let advert = [Expression::TransportType, Expression::Compare(&[NEIGHBOUR_ADVERTISEMENT])];
                let local = [
                    Expression::Payload { offset: 8, octets: 16 },
                    Expression::InterfaceName(Direction::Out, SECOND),
                    Expression::Lookup(vmacs::LOCAL),
                ];
                self.rule(OUT, &[&ICMP, &advert, kind, &local], Verdict::Drop);
                let report = [Expression::TransportType, Expression::Lookup(REPORTS)];
                let to = [Expression::Payload { offset: 24, octets: 16 }];
                self.rule(OUT, &[&ICMP, &report, kind, &to, &copy], Verdict::Drop);
                let solicitation = [Expression::TransportType, Expression::Compare(&[ROUTER_SOLICITATION])];
                let by = [Expression::Interface(Direction::Out, FIRST), Expression::Lookup(vmacs::SET)];
                self.rule(OUT, &[&ICMP, &solicitation, kind, &by], Verdict::Drop);
            }
        }
    }

    fn guards_v4(&mut self) {
        for (chain, offset) in [(OUT, 12), (IN, 16)] {
            let guarded = [Expression::Payload { offset, octets: 4 }, Expression::Lookup(Which::V4.name())];
            self.rule(chain, &[&guarded], Verdict::Drop);
        }
    }

    fn guards_v6(&mut self) {
        let local = self.parts.guards(Which::Numbered) || self.parts.guards(Which::Named);
        let sides = [(OUT, OUT_LOCAL, Direction::Out, 8), (IN, IN_LOCAL, Direction::In, 24)];
        for (chain, chain_of_local, way, offset) in sides {
            let address = [Expression::Payload { offset, octets: 16 }];
            let discovery = [Expression::TransportType, Expression::Lookup(DISCOVERY)];
            self.rule(chain, &[&ICMP, &discovery], Verdict::Accept);
            if local {
                self.nft.add_chain(self.table, chain_of_local, None);
                let is_local = [Expression::Bitwise(LOCAL_MASK), Expression::Compare(&LOCAL)];
                self.rule(chain, &[&address, &is_local], Verdict::Goto(chain_of_local));
                let by_number = (Which::Numbered, Expression::Interface(way, SECOND));
                let by_name = (Which::Named, Expression::InterfaceName(way, SECOND));
                for (set, interface) in [by_number, by_name] {
                    if self.parts.guards(set) {
                        let guarded = [interface, Expression::Lookup(set.name())];
                        self.rule(chain_of_local, &[&address, &guarded], Verdict::Drop);
                    }
                }
            }
            if self.parts.guards(Which::V6) {
                let guarded = [Expression::Lookup(Which::V6.name())];
                self.rule(chain, &[&address, &guarded], Verdict::Drop);
            }
        }
    }

    fn rule(&mut self, chain: &str, steps: &[&[Expression<'_>]], verdict: Verdict<'_>) {
        let count = self.style.counts.then_some(Expression::Counter);
        let mut rule: heapless::Vec<Expression<'_>, LONGEST> = heapless::Vec::new();
        let steps = steps.iter().copied().flatten().copied().chain(count);
        // The longest rule is an MLD report's: ten steps and the counter and the verdict.
        rule.extend(steps.take(LONGEST - 1));
        let _ = rule.push(Expression::Immediate(verdict));
        self.nft.add_rule(self.table, chain, &rule);
    }
}

const LONGEST: usize = 12;
const ICMP: [Expression<'_>; 2] = [Expression::L4Proto, Expression::Compare(&[ICMPV6])];
/// fe80::/10.
const LOCAL: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const LOCAL_MASK: [u8; 16] = [0xff, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

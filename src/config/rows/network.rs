//! Static items, `garp_group`, `linkbeat_interfaces` and `interface_up_down_delays`: what stands outside
//! instances and is about the network.

use std::rc::Rc;

use super::rule::Preferences;
use super::{address, route, rule};
use crate::base::id::TrackGroupId;
use crate::base::map::{Map, Set};
use crate::base::name::IfName;
use crate::base::time::Span;
use crate::config::iproute::Tables;
use crate::config::line::{Line, Used};
use crate::config::model::network::{GarpGroup, LinkDelay, LinkMethod, Linkbeat, Network, StaticAddress};
use crate::config::model::{At, Named, Rule};
use crate::config::row::Kind::{self, Custom, Lines, Seconds};
use crate::config::row::{Decimal, Row, Shown, Term};
use crate::config::tree::Word;
use crate::config::value::{self, Quoted, Seconds as Text};

/// What is outside instances while it is read.
#[derive(Clone, Debug, Default)]
pub struct StaticItemsDraft {
    /// What is known so far.
    pub network: Network,
    /// Names that have numbers.
    pub names: Rc<Tables>,
    /// Track groups so far.
    pub groups: Map<String, TrackGroupId>,
    /// What rules without a preference get.
    pub preferences: Preferences,
    /// Interfaces that are in a `garp_group`.
    pub spaced: Set<IfName>,
    /// Which entry of `linkbeat` an interface has.
    polled: Map<IfName, usize>,
    /// Which entry of `delays` an interface has.
    delayed: Map<IfName, usize>,
}

/// The syntax of the blocks.
pub(super) const ADDRESSES: &str = "{ <ip>[/<len>] [<option> ...] ... }";
pub(super) const LINKBEAT: &str = "{ <if> [MII|ETHTOOL|IOCTL] ... }";
pub(super) const DELAYS: &str = "{ <if> <down> [<up>] ... }";
pub(super) const ROUTES: &str = route::SYNTAX;
pub(super) const RULES: &str = rule::SYNTAX;

/// The words of a line of `static_ipaddress`.
pub(super) fn address_terms() -> Vec<Term> {
    address::static_terms()
}

/// The words of a line of `static_routes`.
pub(super) fn route_terms() -> Vec<Term> {
    route::static_terms()
}

/// The words of a line of `static_rules`.
pub(super) fn rule_terms() -> Vec<Term> {
    rule::static_terms()
}

/// The words of a line of `linkbeat_interfaces`.
#[rustfmt::skip]
pub(super) fn linkbeat_terms() -> Vec<Term> {
    vec![
        Term::new("<if>", "<if> [MII|ETHTOOL|IOCTL]", "MII, then ETHTOOL, then IOCTL", "Interface whose link is polled, and how it is asked first"),
        Term::new("MII", "", "what answers", "Asks the registers of the hardware first"),
        Term::new("ETHTOOL", "", "what answers", "Asks the driver first"),
        Term::new("IOCTL", "", "what answers", "Looks at the flags of the interface first"),
    ]
}

/// The words of a line of `interface_up_down_delays`.
#[rustfmt::skip]
pub(super) fn delay_terms() -> Vec<Term> {
    vec![
        Term::new("<if>", "<if> <down seconds 0..255> [<up seconds 0..255>]", "no delay", "How long it must be down, and up, before that counts"),
    ]
}

/// A line of `static_ipaddress`.
pub fn static_address(draft: &mut StaticItemsDraft, line: &mut Line<'_>) {
    let Some((address, group)) = address::read(line, &draft.names, true) else {
        return;
    };
    if group.is_some() && address.no_track {
        line.note(
            line.keyword,
            format_args!("static address has no_track and track_group, not tracking"),
            "",
        );
    }
    let track_group = group.and_then(|group| draft.group(line, &group));
    draft.network.addresses.push(StaticAddress { address, track_group });
}

/// A line of `static_routes`.
pub fn static_route(draft: &mut StaticItemsDraft, line: &mut Line<'_>) {
    let Some((mut route, group)) = route::read(line, &draft.names, true) else {
        return;
    };
    let watched = route.dev.is_some() || route.nexthops.iter().any(|hop| hop.dev.is_some());
    route.track_group = match group {
        Some((_, at)) if !watched => {
            let message = format_args!("Static route cannot have track group if no oif specified");
            line.lossy(at.0, message, "write dev and an interface");
            None
        }
        Some(group) => draft.group(line, &group),
        None => None,
    };
    draft.network.routes.push(route);
}

/// A line of `static_rules`.
pub fn static_rule(draft: &mut StaticItemsDraft, line: &mut Line<'_>) {
    let Some((mut rule, group)) = rule::read(line, &draft.names, true, &mut draft.preferences) else {
        return;
    };
    rule.track_group = match group {
        Some((_, at)) if rule.input.is_none() => {
            let message = format_args!("Static rule cannot have track_group if dev/iif not specified");
            line.lossy(at.0, message, "write iif and an interface");
            None
        }
        Some(group) => draft.group(line, &group),
        None => None,
    };
    draft.network.rules.push(rule);
}

impl StaticItemsDraft {
    /// Nothing yet.
    #[must_use]
    pub fn new(names: &Rc<Tables>) -> Self {
        Self { names: Rc::clone(names), ..Self::default() }
    }

    /// The track group of a name, or a report.
    fn group(&self, line: &mut Line<'_>, (name, at): &(String, At)) -> Option<TrackGroupId> {
        let id = self.groups.get(name).copied();
        if id.is_none() {
            let message = format_args!("track_group {name} not found");
            line.error(
                at.0,
                message,
                "its track_group must stand before this block; the item is used without it",
            );
        }
        id
    }
}

/// `<if> [MII|ETHTOOL|IOCTL]`
pub fn linkbeat(draft: &mut StaticItemsDraft, line: &mut Line<'_>) {
    let Some(interface) = line.interface(line.keyword) else {
        return;
    };
    let method = line.arg(1).and_then(|word| match word.text {
        "MII" => Some(LinkMethod::Mii),
        "ETHTOOL" => Some(LinkMethod::Ethtool),
        "IOCTL" => Some(LinkMethod::Ioctl),
        other => {
            let message = format_args!("extra characters {other} in linkbeat interface");
            line.warn(word, message, "write MII, ETHTOOL or IOCTL, in capitals");
            None
        }
    });
    if let Some(extra) = line.arg(2) {
        let message = format_args!("extra characters {} in linkbeat interface", extra.text);
        line.warn(extra, message, "one interface a line");
    }
    let entry = Linkbeat { interface, method };
    put(&mut draft.network.linkbeat, &mut draft.polled, entry.interface.name.clone(), entry);
}

/// `<if> <down> [<up>]`
pub fn delays(draft: &mut StaticItemsDraft, line: &mut Line<'_>) {
    let Some(interface) = line.interface(line.keyword) else {
        return;
    };
    let Some(down) = line.arg(1) else {
        return line.note(
            line.keyword,
            format_args!("No delay specified for interface {}", line.keyword.text),
            "write the seconds that it must be down",
        );
    };
    let Some(down) = delay(line, down) else { return };
    let up = match line.arg(2) {
        Some(word) => match delay(line, word) {
            Some(up) => up,
            None => return,
        },
        None => Span::ZERO,
    };
    if let Some(extra) = line.arg(3) {
        let message = format_args!("'{}' after the delays is not used", extra.text);
        line.note(extra, message, "one interface a line");
    }
    let entry = LinkDelay { interface, down, up };
    put(&mut draft.network.delays, &mut draft.delayed, entry.interface.name.clone(), entry);
}

/// Adds the entry of an interface, or replaces the one that it has.
fn put<T>(list: &mut Vec<T>, known: &mut Map<IfName, usize>, name: IfName, entry: T) {
    match known.get(&name).and_then(|index| list.get_mut(*index)) {
        Some(old) => *old = entry,
        None => {
            known.insert(name, list.len());
            list.push(entry);
        }
    }
}

fn delay(line: &mut Line<'_>, word: &Word<'_>) -> Option<Span> {
    match value::seconds(word.text, Span::ZERO..=Span::from_secs(255), 1) {
        Ok(read) => {
            if read.rounded || read.trailing {
                let message = format_args!("delay '{}' is taken as {}", word.text, Text(read.value));
                line.warn(word, message, "write seconds without a unit");
            }
            Some(read.value)
        }
        Err(bad) => {
            line.bad_number("delay", word, bad, "0, 255", Used::Nothing);
            None
        }
    }
}

/// A `garp_group` while it is read.
#[derive(Clone, Debug)]
pub struct GarpDraft {
    /// What is known so far.
    pub group: GarpGroup,
    /// Interfaces of the groups before, and of this one.
    pub spaced: Set<IfName>,
}

const fn row(
    name: &'static str,
    kind: Kind<GarpDraft, GarpGroup>,
    default: &'static str,
    meaning: &'static str,
) -> Row<GarpDraft, GarpGroup> {
    Row::new(name, kind, default, meaning)
}

/// Longest spacing, in microseconds.
const LONGEST: u64 = 4_294_967_295;

/// Every keyword of `garp_group`.
#[rustfmt::skip]
pub static GARP_GROUP: &[Row<GarpDraft, GarpGroup>] = &[
    row("garp_interval", Seconds(Decimal::new(0, LONGEST, |d: &mut GarpDraft, s| d.group.garp = Some(s))), "none",
        "Between gratuitous ARPs on all its interfaces together").show(|g| super::show::maybe(g.garp.map(Text))),
    row("gna_interval", Seconds(Decimal::new(0, LONGEST, |d: &mut GarpDraft, s| d.group.gna = Some(s))), "none",
        "Between unsolicited neighbour advertisements on all its interfaces together").show(|g| super::show::maybe(g.gna.map(Text))),
    row("interface", Custom("<interface>", |d, l| match l.arg(0) {
            Some(word) => spaced(d, l, word),
            None => l.missing(l.keyword, "<interface>"),
        }), "none", "One of its interfaces"),
    row("interfaces", Lines("{ <interface> ... }", |d, l| {
            for word in l.args {
                spaced(d, l, word);
            }
        }), "none", "Its interfaces").show(|g| if g.interfaces.is_empty() {
            Shown::Nothing
        } else {
            Shown::Lines(g.interfaces.iter().map(|named| Quoted(named.name.as_str()).to_string()).collect())
        }),
];

fn spaced(draft: &mut GarpDraft, line: &mut Line<'_>, word: &Word<'_>) {
    let Some(interface) = line.interface(word) else {
        return;
    };
    if draft.spaced.contains(&interface.name) {
        let message = format_args!("garp_group already specified for {} - ignoring", interface.name);
        return line.idle(word, message, "an interface is in one garp_group");
    }
    draft.spaced.insert(interface.name.clone());
    draft.group.interfaces.push(interface);
}

/// The lines of every block of `network`, with the keyword of the block.
#[must_use]
pub(crate) fn blocks(network: &Network) -> Vec<(&'static str, Vec<String>)> {
    let group = |id: Option<TrackGroupId>| {
        let group = id.and_then(|id| network.track_groups.get(id.index()));
        group.map(|group| format!("track_group {}", Quoted(&group.name)))
    };
    let addresses = network.addresses.iter().map(|line| {
        let group = group(line.track_group).map_or_else(String::new, |group| format!(" {group}"));
        format!("{}{group}", address::text(&line.address))
    });
    // Nexthops end a line, so the group begins it.
    let routes = network.routes.iter().map(|line| {
        let group = group(line.track_group).map_or_else(String::new, |group| format!("{group} "));
        format!("{group}{}", route::text(line))
    });
    let rules = network.rules.iter().map(|line: &Rule| {
        let group = group(line.track_group).map_or_else(String::new, |group| format!("{group} "));
        format!("{group}{}", rule::text(line))
    });
    let name = |named: &Named| Quoted(named.name.as_str()).to_string();
    let linkbeat = network.linkbeat.iter().map(|line| {
        let method = match line.method {
            None => "",
            Some(LinkMethod::Mii) => " MII",
            Some(LinkMethod::Ethtool) => " ETHTOOL",
            Some(LinkMethod::Ioctl) => " IOCTL",
        };
        format!("{}{method}", name(&line.interface))
    });
    let delays = network
        .delays
        .iter()
        .map(|line| format!("{} {} {}", name(&line.interface), Text(line.down), Text(line.up)));
    vec![
        ("static_ipaddress", addresses.collect()),
        ("static_routes", routes.collect()),
        ("static_rules", rules.collect()),
        ("linkbeat_interfaces", linkbeat.collect()),
        ("interface_up_down_delays", delays.collect()),
    ]
}

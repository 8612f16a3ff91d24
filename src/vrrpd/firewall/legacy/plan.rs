//! What a configuration wants of iptables: chains, and sets with their names.

use crate::base::addr::Family;
use crate::config::model::global::Firewall as Config;
use crate::sys::netlink::ipset::Kind;
use crate::vrrpd::firewall::tables::Parts;

/// The sets, in the order of `vrrp_ipsets`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// Guarded IPv4 addresses.
    V4,
    /// Guarded IPv6 addresses.
    V6,
    /// Guarded link-local addresses, each with its interface.
    V6At,
    /// Macvlans that send no reports of IGMP.
    Igmp,
    /// Macvlans that send no reports of MLD.
    Mld,
    /// Macvlans that solicit no router.
    Solicitation,
}

/// All of them.
pub const ALL: [Set; 6] = [Set::V4, Set::V6, Set::V6At, Set::Igmp, Set::Mld, Set::Solicitation];

impl Set {
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::V4 => Kind::Addresses(Family::V4),
            Self::V6 => Kind::Addresses(Family::V6),
            Self::V6At | Self::Mld | Self::Solicitation => Kind::AtInterfaces(Family::V6),
            Self::Igmp => Kind::AtInterfaces(Family::V4),
        }
    }

    pub(super) const fn is_needed(self, parts: Parts) -> bool {
        let ([v4, v6, numbered, named], [reports_v4, reports_v6]) = (parts.sets, parts.reports);
        match self {
            Self::V4 => v4,
            Self::V6 => v6,
            Self::V6At => numbered || named,
            Self::Igmp => reports_v4,
            Self::Mld | Self::Solicitation => reports_v6,
        }
    }
}

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The chains of packets that come in, and of those that go out; without the latter these are not looked at.
    pub chains: [Option<Box<str>>; 2],
    /// Names of the sets; none: rules for each address.
    pub sets: Option<[Box<str>; 6]>,
    /// What there is to be guarded.
    pub parts: Parts,
}

impl Plan {
    /// What a configuration that asks for iptables wants. Names that it leaves out are made from those before.
    #[must_use]
    pub fn of(config: &Config, parts: Parts) -> Self {
        let mut chains = config.iptables.iter().flatten().map(|name| Box::from(name.as_str()));
        let chains = match (chains.next(), chains.next()) {
            (None, _) => [Some("INPUT".into()), Some("OUTPUT".into())],
            (first, second) => [first, second],
        };
        let given = config.ipsets.as_deref();
        let sets = (given != Some(&[])).then(|| names(given.unwrap_or_default()));
        Self { chains, sets, parts }
    }

    /// The sets that it needs, with their names.
    pub(super) fn sets(&self) -> impl Iterator<Item = (Set, &str)> {
        let names = self.sets.iter().flat_map(|names| ALL.into_iter().zip(names.iter().map(|name| &**name)));
        names.filter(|(set, _)| set.is_needed(self.parts))
    }
}

/// Octets of the name of a set, at most.
const NAME: usize = 31;

fn names(given: &[String]) -> [Box<str>; 6] {
    let at = |number: usize| given.get(number).map(String::as_str);
    let first = at(0).unwrap_or("keepalived");
    let made = |base: &str, end: &str| {
        let mut room = NAME.saturating_sub(end.len()).min(base.len());
        while !base.is_char_boundary(room) {
            room = room.saturating_sub(1);
        }
        format!("{}{end}", base.get(..room).unwrap_or_default()).into_boxed_str()
    };
    let or_made = |number: usize, end: &str| at(number).map_or_else(|| made(first, end), Box::from);
    let local = match (at(2), at(1)) {
        (Some(given), _) => Box::from(given),
        (None, Some(v6)) => made(v6, "_if"),
        (None, None) => made(first, "_if6"),
    };
    [first.into(), or_made(1, "6"), local, or_made(3, "_igmp"), or_made(4, "_mld"), or_made(5, "_nd")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(iptables: &[&str], ipsets: Option<&[&str]>) -> Plan {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let config = Config { iptables: Some(list(iptables)), ipsets: ipsets.map(list), ..Config::default() };
        Plan::of(&config, Parts::default())
    }

    fn sets(ipsets: Option<&[&str]>) -> String {
        plan(&[], ipsets).sets.map(|names| names.join(" ")).unwrap_or_default()
    }

    #[test]
    fn names_that_are_left_out_are_made() {
        let standard = "keepalived keepalived6 keepalived_if6 keepalived_igmp keepalived_mld keepalived_nd";
        assert_eq!(sets(None), standard);
        assert_eq!(sets(Some(&[])), "");
        assert_eq!(sets(Some(&["a"])), "a a6 a_if6 a_igmp a_mld a_nd");
        assert_eq!(sets(Some(&["a", "b"])), "a b b_if a_igmp a_mld a_nd");
        assert_eq!(sets(Some(&["a", "b", "c", "d", "e", "f"])), "a b c d e f");
        let long = "x".repeat(30);
        assert!(sets(Some(&[&long])).split(' ').all(|name| name.len() <= NAME));
        assert_eq!(plan(&[], None).chains, [Some("INPUT".into()), Some("OUTPUT".into())]);
        assert_eq!(plan(&["in"], None).chains, [Some("in".into()), None]);
        assert_eq!(plan(&["in", "out"], None).chains, [Some("in".into()), Some("out".into())]);
    }
}

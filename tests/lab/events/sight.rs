//! What a kernel holds, as iproute2 and /proc tell it.

use std::collections::BTreeSet;

use super::model::{Holding, Link, State, is_guest};
use crate::kit::node::Node;

const LOOK: &str = "ip -o addr show; echo ==; \
    ip -N route show table all proto 18; ip -N -6 route show table all proto 18; echo ==; \
    ip rule; ip -6 rule; echo ==; \
    ip -o link show type macvlan; ip -o link show type ipvlan; echo ==; \
    cd /proc/sys/net/ipv4/conf; for f in eth0/arp_ignore eth0/arp_filter all/rp_filter default/rp_filter; do \
    [ -e $f ] && echo $f $(cat $f); done; echo ==; nft list ruleset 2>/dev/null; true";

/// What a machine holds, without what is neither ours nor the test's.
pub(crate) fn seen(node: &Node, state: &State) -> Holding {
    // E's macvlan has the other name if that of before was still there.
    let text = node.shell(LOOK).replace("vrrp1.55", "vrrp.55");
    let mut parts = text.split("==\n");
    let mut part = || parts.next().unwrap_or_default().lines();
    let addresses = part().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (interface, _family, address) = (words.next()?, words.next()?, words.next()?);
        let kernels = interface == "lo" || interface == "other1" || address.contains("ff:fe");
        // A static address may outlive its interface's going down, or be put there meanwhile.
        let open = interface == "other" && state.links[2] == Link::Down;
        let ends = if line.contains("sec ") || line.ends_with("sec") || line.contains(" noprefixroute") {
            ", changed"
        } else {
            ""
        };
        (!kernels && !open).then(|| format!("{interface} {address}{ends}"))
    });
    let addresses = addresses.collect();
    let routes = part().map(|line| until(line, &["proto", "src", "metric", "scope"])).collect();
    let own = ["0:", "1000:", "32766:", "32767:"];
    let rules = part().map(|line| until(line, &["proto"]));
    let rules = rules.filter(|line| !own.iter().any(|number| line.starts_with(number))).collect();
    let macvlans = part().filter_map(|line| line.split_whitespace().nth(1));
    let macvlans = macvlans.map(|name| name.trim_end_matches(':').to_owned()).collect();
    let bare = is_guest() || matches!(state.links[0], Link::Renamed | Link::Deleted);
    let settings = part().filter(|_| !bare).map(str::to_owned).collect();
    let firewall = tables(parts.next().unwrap_or_default());
    Holding { addresses, routes, rules, macvlans, settings, firewall }
}

/// Each rule and each element of nft's list with where it stands.
fn tables(text: &str) -> BTreeSet<String> {
    let (mut table, mut block, mut found) = (String::new(), String::new(), BTreeSet::new());
    for line in text.replace(",\n", ",").lines().filter(|line| !line.is_empty()) {
        let depth = line.bytes().take_while(|octet| *octet == b'\t').count();
        let line = line.trim();
        let name = || line.split_whitespace().skip(1).take_while(|word| *word != "{");
        match depth {
            0 => table = name().collect::<Vec<_>>().join(" "),
            1 => block = name().collect(),
            // What the sets and chains are does not change, nor do the addresses below the macvlans.
            _ if ["mld-report", "parent_link_local"].contains(&block.as_str())
                || ["type", "flags"].iter().any(|word| line.starts_with(word)) => {}
            _ => {
                let elements = line.strip_prefix("elements = {").map(|line| line.trim_end_matches('}'));
                let items = elements.map_or(vec![line], |elements| elements.split(',').collect());
                found.extend(items.iter().map(|item| format!("{table} {block} {}", item.trim())));
            }
        }
    }
    found
}

/// The words of a line before the first of some.
fn until(line: &str, ends: &[&str]) -> String {
    line.split_whitespace().take_while(|word| !ends.contains(word)).collect::<Vec<_>>().join(" ")
}

/// What is there and should not be, and the other way round.
pub(crate) fn differences(node: &str, wanted: &Holding, seen: &Holding) -> Vec<String> {
    let mut told = Vec::new();
    let mut compare = |what: &str, wanted: &BTreeSet<String>, seen: &BTreeSet<String>| {
        told.extend(wanted.difference(seen).map(|item| format!("{node} lacks {what} {item}")));
        told.extend(seen.difference(wanted).map(|item| format!("{node} has {what} {item}")));
    };
    compare("address", &wanted.addresses, &seen.addresses);
    compare("route", &wanted.routes, &seen.routes);
    compare("rule", &wanted.rules, &seen.rules);
    compare("macvlan", &wanted.macvlans, &seen.macvlans);
    compare("setting", &wanted.settings, &seen.settings);
    compare("firewall's", &wanted.firewall, &seen.firewall);
    told
}

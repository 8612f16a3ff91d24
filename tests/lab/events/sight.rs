//! What a kernel holds, as iproute2 and /proc tell it.

use std::collections::BTreeSet;
use std::process::Output;

use super::model::{Holding, Link, State, is_guest};
use crate::kit::node::Node;

/// What ip is asked, for both families or IPv4 and then for IPv6. Each start of a program costs an emulated machine a tenth
/// of a second, so one ip answers several questions, and the form of a line says which.
const QUESTIONS: [(&str, &str); 2] = [
    (
        "/run/look",
        "addr show\nroute show table all proto 18\nrule\nlink show type macvlan\nlink show type ipvlan\n",
    ),
    ("/run/look6", "route show table all proto 18\nrule\n"),
];

const SETTINGS: [&str; 4] = ["eth0/arp_ignore", "eth0/arp_filter", "all/rp_filter", "default/rp_filter"];

/// Writes the questions down on a machine.
pub(crate) fn prepare(node: &Node) {
    for (file, questions) in QUESTIONS {
        node.write(file, questions);
    }
}

/// What is wrong on a machine. The firewall is looked at only where everything else is right.
pub(crate) fn wrong(node: &Node, state: &State, wanted: &Holding) -> Vec<String> {
    let mut seen = seen(node, state);
    let early = Holding { firewall: BTreeSet::new(), ..wanted.clone() };
    let wrong = differences(node.name(), &early, &seen);
    if !wrong.is_empty() {
        return wrong;
    }
    let listed = node.output("nft", &["list", "ruleset"]);
    seen.firewall = tables(&named(&listed));
    differences(node.name(), wanted, &seen)
}

/// What a program has printed. E's macvlan has the other name if that of before was still there.
fn named(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).replace("vrrp1.55", "vrrp.55")
}

/// What a machine holds, without what is neither ours nor the test's, and without the firewall.
fn seen(node: &Node, state: &State) -> Holding {
    let mut held = Holding::default();
    let [both, v6] = QUESTIONS.map(|(file, _)| file);
    for arguments in
        [&["-N", "-o", "-force", "-batch", both][..], &["-N", "-6", "-o", "-force", "-batch", v6]]
    {
        for line in named(&node.output("ip", arguments)).lines() {
            let words: Vec<_> = line.split_whitespace().collect();
            match words[..] {
                [number, "from" | "not", ..] if number.ends_with(':') => {
                    let own = ["0:", "1000:", "32766:", "32767:"];
                    if !own.contains(&number) {
                        held.rules.insert(until(line, &["proto"]));
                    }
                }
                [number, interface, "inet" | "inet6", address, ..] if number.ends_with(':') => {
                    let kernels = interface == "lo" || interface == "other1" || address.contains("ff:fe");
                    // A static address may outlive its interface's going down, or be put there meanwhile.
                    let open = interface == "other" && state.links[2] == Link::Down;
                    let changed =
                        line.contains("sec ") || line.ends_with("sec") || line.contains(" noprefixroute");
                    if !kernels && !open {
                        let ends = if changed { ", changed" } else { "" };
                        held.addresses.insert(format!("{interface} {address}{ends}"));
                    }
                }
                [number, name, flags, ..] if number.ends_with(':') && flags.starts_with('<') => {
                    held.macvlans.insert(name.trim_end_matches(':').to_owned());
                }
                [] => {}
                _ => {
                    held.routes.insert(until(line, &["proto", "src", "metric", "scope"]));
                }
            }
        }
    }
    let bare = is_guest() || matches!(state.links[0], Link::Renamed | Link::Deleted);
    if !bare {
        held.settings = node.inside(|| {
            let read = |name| {
                let value = std::fs::read_to_string(format!("/proc/sys/net/ipv4/conf/{name}")).ok()?;
                Some(format!("{name} {}", value.trim()))
            };
            SETTINGS.into_iter().filter_map(read).collect()
        });
    }
    held
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
fn differences(node: &str, wanted: &Holding, seen: &Holding) -> Vec<String> {
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

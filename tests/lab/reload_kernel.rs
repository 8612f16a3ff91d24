//! After any reload the kernel holds what a fresh start with the new file gives: every flag of addresses, routes,
//! rules and static items, added, changed and removed.
//!
//! A file has a place for each kind of block, and each place its own list of contents. The daemon of node `a` is taken
//! from contents to contents by reloads, there and back; that of node `b` is started anew with each file.

use std::fmt::Write as _;
use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, eventually};
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::node::Node;

/// The contents that a place has in turn; `$` stands for the number of the place.
type Contents = &'static [&'static str];

/// Where contents stand.
#[derive(Clone, Copy)]
enum Place {
    /// In a block of an instance, between these lines of it.
    Instance(&'static str, &'static str),
    /// In a block outside.
    Fixed(&'static str),
}

/// A node with `eth0` and `other`, which hears nobody.
fn machine(name: &str) -> Node {
    let node = Node::new(name);
    node.shell(
        "echo 0 >/proc/sys/net/ipv4/conf/all/promote_secondaries; echo 0 >/proc/sys/net/ipv4/conf/default/promote_secondaries
        for name in eth0 other; do ip link add $name type veth peer name far$name; ip link set far$name up
        ip link set $name up; done
        ip addr add 10.9.0.1/24 dev eth0; ip addr add 2001:db8:9::1/64 dev eth0 nodad; ip addr add fe80::9/64 dev eth0 nodad",
    );
    eventually("the interfaces have their own addresses", START, || {
        !node.shell("ip -6 -o addr show").contains("tentative")
            && ["eth0", "other"]
                .iter()
                .all(|name| node.addresses(name).iter().any(|own| own.starts_with("fe80")))
    });
    node
}

/// The file in which each place has its contents of this step.
fn file(places: &[(Place, Contents)], step: usize) -> String {
    let mut text = "global_defs {\n    router_id lab\n}\n".to_owned();
    for (number, (place, contents)) in places.iter().enumerate() {
        let words = contents[step % contents.len()].replace('$', &(20 + number).to_string());
        let block = |name: &str| match words.trim() {
            "" => String::new(),
            words => format!("{name} {{\n{words}\n}}\n"),
        };
        let text = match place {
            Place::Fixed(name) => write!(text, "{}", block(name)),
            Place::Instance(name, lines) => write!(
                text,
                "vrrp_instance V{number} {{\nstate MASTER\ninterface eth0\nvirtual_router_id {}\npriority 200\n\
                 version 3\nadvert_int 0.1\n{lines}\n{}}}\n",
                20 + number,
                block(name)
            ),
        };
        text.expect("a string grows");
    }
    text
}

/// Everything in the kernel but what a fresh start need not give alike: the order of addresses, how much of a life is
/// over, and which of its addresses the kernel prefers for a network.
fn held(node: &Node) -> Vec<String> {
    let all = node.shell(
        "ip -o addr show; for family in -4 -6; do ip $family -N -d -o route show table all; ip $family -d rule; done",
    );
    let mut lines: Vec<_> = all
        .replace('\\', " ")
        .lines()
        .filter(|line| {
            !line.contains("fe80::") && !line.contains("multicast ff00::") && !line.contains("anycast")
        })
        .map(|line| {
            let kernels = line.contains("proto 2 ");
            let (mut words, mut rest) = (Vec::new(), line.split_whitespace().peekable());
            // The number of the interface.
            rest.next_if(|word| {
                word.trim_end_matches(':').parse::<u32>().is_ok() && line.contains(" scope ")
            });
            while let Some(word) = rest.next() {
                match word {
                    "secondary" | "dynamic" => continue,
                    "src" if kernels => drop(rest.next()),
                    "expires" => drop(rest.next()),
                    word if word.ends_with("sec") && word != "0sec" => words.push("some"),
                    word => words.push(word),
                }
            }
            words.join(" ")
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

/// What is in one and not in the other.
fn difference(had: &[String], wanted: &[String]) -> String {
    let lacks = wanted.iter().filter(|line| !had.contains(line)).map(|line| format!("- {line}\n"));
    let surplus = had.iter().filter(|line| !wanted.contains(line)).map(|line| format!("+ {line}\n"));
    lacks.chain(surplus).collect()
}

fn started<'n>(node: &'n Node, places: &[(Place, Contents)], step: usize) -> Daemon<'n> {
    let daemon = Daemon::start(node, Program::UnderTest, &file(places, step));
    let instances = places.iter().filter(|(place, _)| matches!(place, Place::Instance(..))).count();
    eventually("all are MASTER", START * 2, || daemon.logged("Entering MASTER STATE") == instances);
    // What is put after the words are logged.
    let mut last = held(node);
    eventually("all is there", START, || {
        std::thread::sleep(Duration::from_millis(60));
        std::mem::replace(&mut last, held(node)) == last
    });
    daemon
}

/// Walks from each step to the next, back, and from the first to each.
fn compare(places: &[(Place, Contents)]) {
    if is_reference("it takes off and puts on, and forgets some") {
        return;
    }
    let steps = places.iter().map(|(_, contents)| contents.len()).max().expect("places");
    let b = machine("b");
    let empty = held(&b);
    let fresh: Vec<Vec<String>> = (0..steps)
        .map(|step| {
            let daemon = started(&b, places, step);
            let there = held(&b);
            assert_eq!(daemon.logged("cannot add"), 0, "step {step}: {}", daemon.log());
            assert_eq!(daemon.stop().1, Some(0));
            assert_eq!(difference(&held(&b), &empty), "", "step {step}: after the stop");
            there
        })
        .collect();
    drop(b);
    let a = machine("a");
    let daemon = started(&a, places, 0);
    let there_and_back = (1..steps).chain((0..steps - 1).rev());
    let from_the_first = (2..steps).flat_map(|step| [step, 0]);
    let (mut before, mut wrong) = (0, String::new());
    for step in there_and_back.chain(from_the_first) {
        daemon.reload(&file(places, step));
        let end = std::time::Instant::now() + ALLOWANCE;
        let mut told = difference(&held(&a), &fresh[step]);
        while !told.is_empty() && std::time::Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
            told = difference(&held(&a), &fresh[step]);
        }
        if !told.is_empty() {
            write!(wrong, "from step {before} to {step}:\n{told}").expect("a string grows");
        }
        before = step;
    }
    assert_eq!(wrong, "", "- is missing, + should not be there\n{}", daemon.log());
    assert_eq!(daemon.logged("by somebody"), 0, "{}", daemon.log());
    assert_eq!(daemon.logged("find out who"), 0, "{}", daemon.log());
    let instances = places.iter().filter(|(place, _)| matches!(place, Place::Instance(..))).count();
    assert_eq!(daemon.logged("Entering MASTER STATE"), instances, "nobody stepped down\n{}", daemon.log());
    assert_eq!(daemon.stop().1, Some(0));
    assert_eq!(difference(&held(&a), &empty), "", "after the stop");
}

/// An IPv4 address that matters, and one that does not: by turns the same lines.
const V4: Contents = &[
    "10.$.0.1/24 dev other",
    "10.$.0.1/24 dev other\n10.$.0.2/24 dev other",
    "10.$.0.1/25 dev other",
    "10.$.0.1/24 dev other label other:x",
    "10.$.0.1/24 dev other brd +",
    "10.$.0.1/24 dev other scope link",
    "10.$.0.1/24 dev eth0",
    "10.$.0.1/24",
    "10.$.0.1 peer 10.$.0.9 dev other",
    "10.$.0.1/24 dev other noprefixroute",
    "10.$.0.1/24 dev other no_track",
    "10.$.0.2/24 dev other\n10.$.0.1/24 dev other",
    "10.$.0.2/24 dev other",
    "10.$.0.2/24 dev other brd 10.$.0.99 scope 200 label other:y",
    "",
];

const V4_UNTRACKED: Contents = &[
    "10.$.0.1/24 dev other no_track",
    "10.$.0.1/24 dev other no_track\n10.$.0.2/24 dev other no_track",
    "10.$.0.1/25 dev other no_track",
    "10.$.0.1/24 dev other label other:x no_track",
    "10.$.0.1/24 dev other brd + no_track",
    "10.$.0.1/24 dev other scope link no_track",
    "10.$.0.1/24 dev eth0 no_track",
    "10.$.0.1/24 no_track",
    "10.$.0.1 peer 10.$.0.9 dev other no_track",
    "10.$.0.1/24 dev other noprefixroute no_track",
    "10.$.0.1/24 dev other",
    "10.$.0.2/24 dev other no_track\n10.$.0.1/24 dev other no_track",
    "10.$.0.2/24 dev other no_track",
    "10.$.0.2/24 dev other brd 10.$.0.99 scope 200 label other:y no_track",
    "",
];

const V6: Contents = &[
    "2001:db8:$::1/64 dev other",
    "2001:db8:$::1/64 dev other\n2001:db8:$::2/64 dev other",
    "2001:db8:$::1/128 dev other",
    "2001:db8:$::1/64 dev other home",
    "2001:db8:$::1/64 dev other mngtmpaddr",
    "2001:db8:$::1/64 dev other noprefixroute",
    "2001:db8:$::1/64 dev eth0",
    "2001:db8:$::1/64",
    "2001:db8:$::1/64 dev other preferred_lft 0",
    "2001:db8:$::1/64 dev other preferred_lft 5000",
    "2001:db8:$::1/64 dev other no_track",
    "2001:db8:$::1/64 dev other -nodad",
    "2001:db8:$::2/64 dev other\n2001:db8:$::1/64 dev other",
    "2001:db8:$::1 peer 2001:db8:$::9 dev other",
    "",
];

const V6_UNTRACKED: Contents = &[
    "2001:db8:$::1/64 dev other no_track",
    "2001:db8:$::1/64 dev other no_track\n2001:db8:$::2/64 dev other no_track",
    "2001:db8:$::1/128 dev other no_track",
    "2001:db8:$::1/64 dev other home no_track",
    "2001:db8:$::1/64 dev other mngtmpaddr no_track",
    "2001:db8:$::1/64 dev other noprefixroute no_track",
    "2001:db8:$::1/64 dev eth0 no_track",
    "2001:db8:$::1/64 no_track",
    "2001:db8:$::1/64 dev other preferred_lft 0 no_track",
    "2001:db8:$::1/64 dev other preferred_lft 5000 no_track",
    "2001:db8:$::1/64 dev other",
    "2001:db8:$::1/64 dev other -nodad no_track",
    "2001:db8:$::2/64 dev other no_track\n2001:db8:$::1/64 dev other no_track",
    "2001:db8:$::1 peer 2001:db8:$::9 dev other no_track",
    "",
];

/// Addresses of which some stand on macvlans.
const ON_MACVLANS: Contents = &[
    "10.$.0.1/24 no_track",
    "10.$.0.1/24 no_track\n10.$.0.2/24 no_track",
    "10.$.0.1/24 use_vmac no_track",
    "10.$.0.1/25 use_vmac no_track",
    "10.$.0.1/24 use_vmac no_track\n2001:db8:$::1/64 no_track",
    "10.$.0.1/24 no_track\n2001:db8:$::1/128 no_track",
    "10.$.0.2/24 use_vmac no_track",
    "10.$.0.2/24 use_vmac",
    "10.$.0.2/24",
];

#[test]
fn addresses_are_those_of_a_fresh_start() {
    let excluded = "virtual_ipaddress_excluded";
    compare(&[
        (Place::Instance(excluded, "virtual_ipaddress {\n10.9.0.120\n}"), V4),
        (Place::Instance(excluded, "virtual_ipaddress {\n10.9.0.121\n}"), V4_UNTRACKED),
        (Place::Instance(excluded, "virtual_ipaddress {\n10.9.0.122\n}"), V6),
        (Place::Instance(excluded, "virtual_ipaddress {\n10.9.0.123\n}"), V6_UNTRACKED),
        (Place::Instance("virtual_ipaddress", "virtual_ipaddress_excluded {\n10.9.0.124\n}"), &V4[..14]),
        (
            Place::Instance("virtual_ipaddress", "virtual_ipaddress_excluded {\n10.9.0.125\n}"),
            &V4_UNTRACKED[..14],
        ),
        (Place::Instance("virtual_ipaddress", "native_ipv6"), &V6[..14]),
        (Place::Instance("virtual_ipaddress", "native_ipv6"), &V6_UNTRACKED[..14]),
        (Place::Fixed("static_ipaddress"), V4),
        (Place::Fixed("static_ipaddress"), V4_UNTRACKED),
        (Place::Fixed("static_ipaddress"), V6),
        (Place::Fixed("static_ipaddress"), V6_UNTRACKED),
    ]);
}

#[test]
fn addresses_on_macvlans_are_those_of_a_fresh_start() {
    let excluded = "virtual_ipaddress_excluded";
    compare(&[
        (Place::Instance(excluded, "virtual_ipaddress {\n10.9.0.120\n}"), ON_MACVLANS),
        (Place::Instance(excluded, "use_vmac\nvirtual_ipaddress {\n10.9.0.121\n}"), ON_MACVLANS),
        (Place::Instance(excluded, "use_vmac\nvirtual_ipaddress {\n10.9.0.122\n}"), &V4_UNTRACKED[..12]),
        (Place::Instance(excluded, "use_vmac\nvirtual_ipaddress {\n10.9.0.123\n}"), &V6_UNTRACKED[..12]),
    ]);
}

const ROUTES: Contents = &[
    "10.1$.0.0/24 via 10.9.0.3 dev eth0",
    "10.1$.0.0/24 via 10.9.0.3 dev eth0 no_track",
    "10.1$.0.0/24 via 10.9.0.4 dev eth0",
    "10.1$.0.0/24 via 10.9.0.4 dev eth0 metric 5",
    "10.1$.0.0/24 via 10.9.0.4 dev eth0 metric 5 no_track",
    "10.1$.0.0/24 via 10.9.0.4 dev eth0 tos 0x10",
    "10.1$.0.0/24 via 10.9.0.4 dev eth0 table 1$",
    "10.1$.0.0/24 via 10.9.0.4 dev eth0 src 10.9.0.1",
    "10.1$.0.0/24 via 10.9.0.4 dev eth0 src 10.9.0.1 no_track",
    "10.1$.0.0/24 dev eth0 scope host",
    "10.1$.0.0/24 dev other",
    "10.1$.0.0/24 via 10.9.0.4 dev eth0 mtu 1400 advmss 1300",
    "10.1$.0.0/24 via 10.9.0.4 dev eth0 mtu lock 1400 hoplimit 9 quickack 1",
    "blackhole 10.1$.0.0/24",
    "unreachable 10.1$.0.0/24 no_track",
    "10.1$.0.0/24 nexthop via 10.9.0.3 dev eth0 nexthop via 10.9.0.4 dev eth0",
    "10.1$.0.0/24 nexthop via 10.9.0.4 dev eth0 nexthop via 10.9.0.3 dev eth0",
    "10.1$.0.0/24 nexthop via 10.9.0.3 dev eth0 weight 3 nexthop via 10.9.0.4 dev eth0 weight 5",
    "10.1$.0.0/24 append via 10.9.0.3 dev eth0",
    "10.1$.0.0/24 add via 10.9.0.3 dev eth0",
    "10.1$.0.0/24 add via 10.9.0.4 dev eth0 no_track",
    "10.1$.0.0/24 via 10.9.0.3 dev eth0 onlink realms 3/4",
    "10.1$.0.0/24 via 10.9.0.3 dev eth0 features ecn congctl lock reno",
    "10.1$.0.0/24 via 10.9.0.3 dev eth0\n10.1$.0.0/24 via 10.9.0.4 dev eth0 metric 7\n10.1$.0.0/25 dev eth0 no_track",
    "10.1$.0.0/25 dev eth0",
    "10.1$.0.0/24 via 10.9.0.3 dev eth0 encap ip id 7 dst 192.0.2.9",
    "10.1$.0.0/24 via 10.9.0.3 dev eth0 protocol static",
    "",
];

const ROUTES_6: Contents = &[
    "2001:db8:1$::/64 via 2001:db8:9::3 dev eth0",
    "2001:db8:1$::/64 via 2001:db8:9::3 dev eth0 no_track",
    "2001:db8:1$::/64 via 2001:db8:9::4 dev eth0",
    "2001:db8:1$::/64 via 2001:db8:9::4 dev eth0 metric 5",
    "2001:db8:1$::/64 via 2001:db8:9::4 dev eth0 metric 5 pref high",
    "2001:db8:1$::/64 via 2001:db8:9::4 dev eth0 table 1$ no_track",
    "2001:db8:1$::/64 dev other",
    "2001:db8:1$::/64 dev eth0 from 2001:db8:9::/64",
    "2001:db8:1$::/64 via 2001:db8:9::3 dev eth0 expires 1000",
    "2001:db8:1$::/64 via 2001:db8:9::3 dev eth0 mtu 1400 hoplimit 9",
    "blackhole 2001:db8:1$::/64",
    "2001:db8:1$::/64 nexthop via 2001:db8:9::3 dev eth0 nexthop via 2001:db8:9::4 dev eth0",
    "2001:db8:1$::/64 nexthop via 2001:db8:9::3 dev eth0 weight 3 nexthop via 2001:db8:9::4 dev eth0",
    "2001:db8:1$::/64 nexthop via 2001:db8:9::3 dev eth0 nexthop via 2001:db8:9::5 dev eth0",
    "2001:db8:1$::/64 add via 2001:db8:9::3 dev eth0",
    "2001:db8:1$::/64 append via 2001:db8:9::3 dev eth0 no_track",
    "2001:db8:1$::/64 via 2001:db8:9::3 dev eth0 src 2001:db8:9::1",
    "2001:db8:1$::/80 via 2001:db8:9::3 dev eth0\n2001:db8:1$::/64 via 2001:db8:9::4 dev eth0 metric 5 no_track",
    "",
];

const RULES: Contents = &[
    "from 10.1$.0.0/24 table 1$ priority 5$0",
    "from 10.1$.0.0/24 table 1$ priority 5$0 no_track",
    "from 10.1$.0.0/24 table 2$ priority 5$0 no_track",
    "from 10.1$.0.0/24 table 2$ priority 5$0",
    "from 10.1$.0.0/24 table 2$ priority 5$1",
    "not from 10.1$.0.0/24 table 2$ priority 5$1",
    "from 10.1$.0.0/24 to 10.99.0.0/16 table 2$ priority 5$1",
    "from 10.1$.0.0/24 tos 0x10 table 2$ priority 5$1",
    "from 10.1$.0.0/24 fwmark 5/0xff table 2$ priority 5$1",
    "from 10.1$.0.0/24 iif eth0 table 2$ priority 5$1",
    "from 10.1$.0.0/24 oif other table 2$ priority 5$1 no_track",
    "from 10.1$.0.0/24 tunnel-id 99 uidrange 10-20 table 2$ priority 5$1",
    "from 10.1$.0.0/24 ipproto tcp sport 10-20 dport 30-40 table 2$ priority 5$1",
    "from 10.1$.0.0/24 blackhole priority 5$1",
    "from 10.1$.0.0/24 prohibit priority 5$1 no_track",
    "from 10.1$.0.0/24 nop priority 5$1",
    "from 10.1$.0.0/24 goto 6000 priority 5$1",
    "from 10.1$.0.0/24 table 2$ priority 5$1 realms 5/6",
    "from 10.1$.0.0/24 table 2$ priority 5$1 suppress_prefixlength 8",
    "from 10.1$.0.0/24 table 2$ priority 5$1 protocol 7",
    "from 10.1$.0.0/24 table 2$ priority 5$1\nfrom 2001:db8:1$::/64 table 2$ priority 5$2 no_track",
    "from 2001:db8:1$::/64 table 2$ priority 5$2",
    "from 2001:db8:1$::/64 table 3$ priority 5$2 no_track",
    "",
];

/// What each instance with routes or rules has besides.
const ROUTER: &str = "virtual_ipaddress {\n10.9.0.100\n}";

#[test]
fn routes_are_those_of_a_fresh_start() {
    compare(&[
        (Place::Instance("virtual_routes", ROUTER), ROUTES),
        (Place::Fixed("static_routes"), ROUTES),
        (Place::Instance("virtual_routes", "virtual_ipaddress {\n10.9.0.102\n}"), ROUTES_6),
        (Place::Fixed("static_routes"), ROUTES_6),
    ]);
}

#[test]
fn rules_are_those_of_a_fresh_start() {
    compare(&[(Place::Instance("virtual_rules", ROUTER), RULES), (Place::Fixed("static_rules"), RULES)]);
}

/// What does not matter stays away when somebody takes it off, until a reload.
#[test]
fn what_does_not_matter_is_back_after_a_reload() {
    if is_reference("it puts none of it") {
        return;
    }
    let places: &[(Place, Contents)] = &[
        (Place::Instance("virtual_ipaddress_excluded", ROUTER), &["10.$.0.1/24 dev other no_track"]),
        (
            Place::Instance("virtual_routes", "virtual_ipaddress {\n10.9.0.121\n}"),
            &["10.60.0.0/24 dev other no_track"],
        ),
        (
            Place::Instance("virtual_rules", "virtual_ipaddress {\n10.9.0.122\n}"),
            &["from 10.60.0.0/24 table 100 priority 500 no_track"],
        ),
        (
            Place::Fixed("static_ipaddress"),
            &["10.$.0.1/24 dev other no_track\n2001:db8:$::1/64 dev other no_track"],
        ),
        (Place::Fixed("static_routes"), &["10.61.0.0/24 dev other no_track"]),
        (Place::Fixed("static_rules"), &["from 10.61.0.0/24 table 100 priority 501 no_track"]),
    ];
    let a = machine("a");
    let daemon = started(&a, places, 0);
    let all = held(&a);
    a.shell(
        "ip addr del 10.20.0.1/24 dev other; ip addr del 10.23.0.1/24 dev other; ip addr del 2001:db8:23::1/64 dev other
        ip route del 10.60.0.0/24; ip route del 10.61.0.0/24; ip rule del priority 500; ip rule del priority 501",
    );
    std::thread::sleep(ALLOWANCE);
    let left = held(&a);
    assert!(!left.iter().any(|line| line.contains("10.6") || line.contains("10.20.0.1")), "{left:#?}");
    daemon.reload(&file(places, 0));
    std::thread::sleep(ALLOWANCE);
    assert_eq!(difference(&held(&a), &all), "", "{}", daemon.log());
    assert_eq!(daemon.stop().1, Some(0));
}

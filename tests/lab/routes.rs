//! Routes, policy rules and static items: what reaches the kernel, what others do to it, and what is left.

mod alone;
mod left;
mod reload;

use std::fmt::Write as _;
use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::Node;
use crate::steps;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

fn elected() -> Duration {
    START + TIMING.master_down(100)
}

/// A node with two interfaces, `eth0` on the switch and `other`.
fn machine(net: &Net, name: &str) -> Node {
    let node = net.node(name, "eth0", &["10.9.0.1/24", "2001:db8:9::1/64"]);
    node.shell("ip link add other type veth peer name other1; ip link set other1 up; ip link set other up");
    // The kernel joins them and makes their own addresses a moment later.
    eventually("the links are up", ALLOWANCE, || {
        !node.shell("ip -6 -o addr show scope link").contains("tentative")
            && node.shell("ip -6 -o addr show dev other scope link").contains("fe80")
    });
    node
}

/// Writes down every change of routes and rules from now on; read with [`changes`].
fn watch(node: &Node) {
    node.shell("(ip -4 monitor route rule >/run/changes 2>&1 &)");
    node.shell("ip rule add pref 32000 table 1; ip rule del pref 32000");
    eventually("the monitor runs", ALLOWANCE, || {
        node.shell("ip rule add pref 32000 table 1; ip rule del pref 32000");
        node.read("/run/changes").contains("32000")
    });
}

/// The changes of what has keepalived's mark.
fn changes(node: &Node) -> Vec<String> {
    let text = node.read("/run/changes");
    text.lines().filter(|line| line.contains("proto keepalived")).map(str::to_owned).collect()
}

fn with(routes: &str, rules: &str, statics: &str) -> Instance {
    Instance::default()
        .line(&format!("virtual_routes {{\n{routes}\n}}"))
        .line(&format!("virtual_rules {{\n{rules}\n}}"))
        .before(&format!("static_routes {{\n{statics}\n}}"))
}

/// What has keepalived's mark, sorted: routes of all tables and rules.
fn marked(node: &Node) -> Vec<String> {
    let all = node.shell(
        "ip -d route show table all proto 18; ip -d -6 route show table all proto 18; \
         ip -d rule; ip -d -6 rule",
    );
    let mut lines: Vec<String> = all
        .replace("\n\t", " ")
        .lines()
        .filter(|line| !line.contains("proto kernel"))
        .map(|line| {
            // How much of its life is over is not the daemon's choice.
            let mut words: Vec<&str> = line.split_whitespace().collect();
            if let Some(at) = words.iter().position(|word| *word == "expires") {
                words.remove(at + 1);
            }
            words.join(" ")
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}

fn route_is(node: &Node, text: &str) -> bool {
    marked(node).iter().any(|line| line.contains(text))
}

/// Every option that both daemons and this kernel have.
const EVERYTHING: &str = "
    virtual_routes {
        10.60.0.0/24 dev eth0
        10.60.1.0/24 via 10.9.0.3 dev eth0 metric 7 src 10.9.0.100
        src 10.9.0.100 to 10.60.2.0/24 via 10.9.0.3 dev eth0 table 100 tos 0x10
        10.60.3.0/24 dev eth0 scope host append
        10.60.4.0/24 via 10.9.0.3 dev eth0 onlink mtu lock 1400 advmss 1200 reordering 5 cwnd lock 20 ssthresh 30 window 4000 initcwnd 12 initrwnd 14 hoplimit 9 quickack 1 fastopen_no_cookie 1 rtt 1s rttvar 500ms rto_min 300ms features ecn realms 3/4 congctl lock reno
        blackhole 10.60.5.0/24
        unreachable 10.60.6.0/24
        prohibit 10.60.7.0/24
        throw 10.60.8.0/24 table 100
        multicast 239.1.0.0/16 dev eth0
        10.60.11.0/24 add nexthop via 10.9.0.3 dev eth0 weight 3 nexthop via 10.9.0.4 dev eth0 weight 5 onlink
        10.60.12.0/24 encap ip id 7 dst 192.0.2.9 src 10.9.0.1 tos 4 ttl 9 dev eth0
        default via 10.9.0.3 dev eth0 table 200
        2001:db8:60::/64 via 2001:db8:9::3 dev eth0 metric 20 pref high expires 1000
        2001:db8:61::/64 dev eth0 from 2001:db8:9::/64
        2001:db8:62::/64 nexthop via 2001:db8:9::3 dev eth0 weight 2 nexthop via 2001:db8:9::4 dev eth0
        2001:db8:63::/64 encap ip6 id 8 dst 2001:db8::9 src 2001:db8::8 tc 4 hoplimit 8 dev eth0
        default via 2001:db8:9::3 dev eth0 table 201
        blackhole 2001:db8:64::/64
        10.60.13.0/24 via 10.9.0.3 dev eth0 ttl-propagate enabled
        10.60.14.0/24 via 10.9.0.3 dev eth0 table 70000
    }
    virtual_rules {
        from 10.60.0.0/24 table 100
        not from 10.60.1.0/24 to 10.61.0.0/16 tos 0x10 fwmark 0x5/0xff iif eth0 oif other lookup 300 preference 501 realms 5/6 suppress_prefixlength 8 suppress_ifgroup default
        from 10.60.2.0/24 tunnel-id 99 uidrange 10-20 ipproto tcp sport 10-20 dport 30-40 table main priority 502
        from 10.60.3.0/24 goto 600 priority 503
        from 10.60.4.0/24 nop priority 504
        from 10.60.5.0/24 blackhole priority 505
        from 10.60.6.0/24 unreachable priority 506
        from 10.60.7.0/24 prohibit priority 507
        from 2001:db8:60::/64 table 100 priority 508 no_track protocol 7
        l3mdev priority 509 from 10.60.9.0/24
        to 2001:db8:60::/64 fwmark 7 table 70001
        from all to 10.99.0.0/16 table 100 priority 510
    }";

const STATIC: &str = "
static_ipaddress {
    10.8.0.1/24 brd + dev other label other:st
    2001:db8:8::1/64 dev other
    2001:db8:8::2/128 dev other
    10.8.1.1 peer 10.8.1.2 dev other scope link
    2001:db8:8::3/64 dev other home mngtmpaddr noprefixroute
    2001:db8:8::4/64 dev other -nodad
}
static_routes {
    10.50.0.0/24 dev other
    10.51.0.0/24 via 10.8.0.7 dev other metric 5
    2001:db8:51::/64 via 2001:db8:8::7 dev other
}
static_rules {
    from 10.50.0.0/24 table 150 preference 600
}";

#[test]
fn the_kernel_gets_what_keepalived_gives_it() {
    let net = Net::new();
    let conf = Instance { addresses: vec!["10.9.0.100/24".to_owned()], ..Instance::default() }
        .line(EVERYTHING)
        .before(STATIC);
    let given = |name: &str, program: Program| {
        let node = machine(&net, name);
        let daemon = Daemon::start(&node, program, &conf.text());
        net.wait_master(name, daemon.since(), elected());
        eventually("the last rule is there", ALLOWANCE, || route_is(&node, "10.99.0.0/16"));
        let addresses: Vec<String> = node
            .shell("ip -o addr show dev other scope global; ip -o addr show dev other scope link")
            .lines()
            .filter(|line| !line.contains("fe80"))
            .map(|line| line.split_whitespace().skip(2).collect::<Vec<_>>().join(" "))
            .collect();
        let objects = marked(&node);
        let (_, code) = daemon.stop();
        assert_eq!(code, Some(0));
        assert_eq!(marked(&node), Vec::<String>::new(), "{name}: nothing is left");
        (objects, addresses, node)
    };
    let (theirs, their_addresses, theirs_left) = given("b", Program::Reference);
    drop(theirs_left);
    let (ours, our_addresses, node) = given("a", US);
    assert_eq!(ours.join("\n"), theirs.join("\n"));
    assert_eq!(our_addresses.join("\n"), their_addresses.join("\n"));
    assert!(ours.len() > 30, "{ours:#?}");
    let left = node.shell("ip -o -4 addr show dev other; ip -o -6 addr show dev other scope global");
    assert_eq!(left, "", "static addresses are gone, too");
}

/// A wider scope than their type has the kernel refuses, and 2.2.7 gives it just that; hexadecimal flags it does not
/// read.
#[test]
fn what_keepalived_cannot_put() {
    if is_reference("it asks for a scope that the kernel refuses") {
        return;
    }
    let net = Net::new();
    let a = machine(&net, "a");
    let conf = Instance::default().line(
        "virtual_routes {\n local 10.60.9.0/24 dev lo\n broadcast 10.60.10.0/24 dev eth0\n \
         10.60.12.0/24 encap ip id 7 dst 192.0.2.9 flags 0x1 dev eth0\n 10.60.16.5/24 dev eth0\n \
         10.60.15.0/24 via 10.9.0.3 or 10.9.0.4 dev eth0\n}",
    );
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), elected());
    eventually("all are there", ALLOWANCE, || marked(&a).len() == 5);
    let all = marked(&a).join("\n");
    for wanted in [
        "local 10.60.9.0/24 dev lo table main scope host",
        "broadcast 10.60.10.0/24 dev eth0 table main scope link",
        "10.60.12.0/24 encap ip id 7",
        "10.60.16.0/24 dev eth0",
        "10.60.15.0/24 table main scope global nexthop via 10.9.0.3 dev eth0 weight 1 nexthop via 10.9.0.4",
    ] {
        assert!(all.contains(wanted), "{wanted} is not among\n{all}");
    }
    assert_eq!(daemon.logged("cannot add"), 0, "{}", daemon.log());
}

#[test]
fn what_somebody_deletes_is_put_back() {
    if is_reference("it gives up being master and comes back after its skew time") {
        return;
    }
    let net = Net::new();
    let a = machine(&net, "a");
    let conf = Instance { addresses: vec!["10.9.0.100".to_owned()], ..Instance::default() }
        .line(
            "virtual_routes {\n 10.60.0.0/24 via 10.9.0.3 dev eth0 src 10.9.0.100\n \
             2001:db8:60::/64 nexthop via 2001:db8:9::3 dev eth0 nexthop via 2001:db8:9::4 dev eth0\n \
             10.61.0.0/24 via 10.9.0.3 dev eth0 no_track\n}",
        )
        .line("virtual_rules {\n from 10.60.0.0/24 table 100 priority 500\n from 10.60.1.0/24 table 100 priority 501 no_track\n}")
        .before("static_ipaddress {\n 10.8.0.1/24 dev other\n}\nstatic_routes {\n 10.50.0.0/24 dev other\n}\nstatic_rules {\n from 10.50.0.0/24 table 150 priority 600\n}");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), elected());
    eventually("all are there", ALLOWANCE, || marked(&a).len() == 7);
    let all = marked(&a);
    let begin = now();
    for (round, damage) in [
        "ip route del 10.60.0.0/24",
        "ip rule del priority 500",
        "ip route replace 10.60.0.0/24 via 10.9.0.4 dev eth0",
        "ip -6 route replace 2001:db8:60::/64 via 2001:db8:9::4 dev eth0",
        "ip route replace blackhole 10.50.0.0/24",
        // Gone without a word from the kernel: its source is.
        "ip addr del 10.9.0.100/32 dev eth0",
        "ip -6 route del 2001:db8:60::/64",
        "ip -6 route del 2001:db8:60::/64 via 2001:db8:9::4 dev eth0",
        "ip route del 10.50.0.0/24; ip rule del priority 600",
        "ip addr del 10.8.0.1/24 dev other",
    ]
    .into_iter()
    .enumerate()
    {
        a.shell(damage);
        eventually(&format!("all are back after {damage}"), ALLOWANCE, || {
            marked(&a) == all && a.holds("other", "10.8.0.1") && a.holds("eth0", "10.9.0.100")
        });
        assert!(daemon.logged("put back") > 0 || round > 8, "{}", daemon.log());
    }
    assert!(daemon.log().contains("route 10.60.0.0/24 via 10.9.0.3 put back"), "{}", daemon.log());
    assert!(daemon.log().contains("(VI_1) rule 500 from 10.60.0.0/24 put back"), "{}", daemon.log());
    let others =
        a.shell("ip route show proto boot; ip -6 route show proto boot; ip route show type blackhole");
    assert!(!others.contains(".60.") && !others.contains(":60:") && !others.contains(".50."), "{others}");
    // What does not matter is left alone.
    a.shell("ip route del 10.61.0.0/24; ip rule del priority 501");
    std::thread::sleep(Duration::from_millis(1_300));
    assert_eq!(marked(&a).len(), 5, "{:#?}", marked(&a));
    net.never("a goodbye", begin, Duration::ZERO, |event| event.is_goodbye_of("a"));
    assert_eq!(daemon.logged("Entering"), 2, "{}", daemon.log());
    // Again and again: it steps down for a moment, as keepalived does at once.
    let insisted = now();
    a.shell("for i in 1 2 3 4 5 6 7; do ip route del 10.60.0.0/24 2>/dev/null; sleep 0.03; done");
    let insisting = crate::kit::net::between(insisted, now());
    net.wait("a goodbye", insisted, insisting, |event| event.is_goodbye_of("a"));
    eventually("everything is back, no_track too", elected(), || marked(&a) == all);
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    assert_eq!(marked(&a), Vec::<String>::new());
}

#[test]
fn what_goes_with_its_interface_comes_back_with_it() {
    if is_reference("it does not put back what went with an interface") {
        return;
    }
    let net = Net::new();
    let a = machine(&net, "a");
    let conf = Instance::default()
        .line(
            "virtual_routes {\n 10.60.0.0/24 dev other no_track\n 2001:db8:60::/64 dev other no_track\n \
             10.61.0.0/24 dev other no_track\n 10.62.0.0/24 nexthop via 10.9.0.3 dev eth0 nexthop via 10.8.0.9 dev other\n}",
        )
        .line("virtual_rules {\n iif other table 100 priority 500 no_track\n}")
        .before("static_ipaddress {\n 10.8.0.1/24 dev other\n 2001:db8:8::1/64 dev other\n}\nstatic_routes {\n 10.50.0.0/24 via 10.8.0.7 dev other\n}")
        .global("dynamic_interfaces");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), elected());
    eventually("all are there", ALLOWANCE, || marked(&a).len() == 6);
    let all = marked(&a);
    let begin = now();
    let whole = || marked(&a) == all && a.holds("other", "10.8.0.1") && a.holds("other", "2001:db8:8::1");
    for _ in 0..2 {
        a.shell("ip link set other down");
        eventually("they are gone", ALLOWANCE, || marked(&a).len() < all.len());
        std::thread::sleep(Duration::from_millis(200));
        a.shell("ip link set other up");
        eventually("they are back", ALLOWANCE + Duration::from_secs(1), whole);
    }
    a.shell("ip link del other");
    eventually("they are gone", ALLOWANCE, || marked(&a).len() < all.len() - 1);
    a.shell("ip link add other type veth peer name other1; ip link set other1 up; ip link set other up");
    eventually("they are back on the new one", ALLOWANCE + Duration::from_secs(1), whole);
    net.never("a goodbye", begin, Duration::ZERO, |event| event.is_goodbye_of("a"));
    assert_eq!(daemon.logged("cannot"), 0, "{}", daemon.log());
    assert_eq!(daemon.logged("deleted by somebody"), 0, "{}", daemon.log());
}

/// The interfaces of addresses, routes and rules count as if they were tracked; `no_track` takes a line out.
#[test]
fn an_interface_that_an_item_names_is_tracked() {
    for (name, program) in [("a", US), ("b", Program::Reference)] {
        let elected = START + Timing::v3(100).master_down(100) + ALLOWANCE;
        let net = Net::new();
        let node = machine(&net, name);
        let mut file = String::from("global_defs {\n    router_id lab\n}\n");
        for (position, (instance, lines)) in NAMED.iter().enumerate() {
            let vrid = 60 + position;
            write!(
                file,
                "vrrp_instance {instance} {{\n    interface eth0\n    virtual_router_id {vrid}\n    priority 100\n    \
                 advert_int 1\n    virtual_ipaddress {{\n        10.9.0.{vrid}/24\n    }}\n    {lines}\n}}\n"
            )
            .unwrap();
        }
        let daemon = Daemon::start(&node, program, &file);
        let masters = |count: usize| {
            NAMED
                .iter()
                .enumerate()
                .filter(|(position, _)| node.holds("eth0", &format!("10.9.0.{}", 60 + position)))
                .count()
                == count
        };
        eventually("all are MASTER", elected, || masters(NAMED.len()));
        // A weight of an interface that is tracked without one says nothing.
        for advert in net.adverts(daemon.since(), name) {
            assert_eq!(advert.advert().expect("an advert").priority, 100, "{name}: {advert}");
        }
        let rounds = 2;
        for round in 1..=rounds {
            node.shell("ip link set other down");
            eventually("who is without an interface is in FAULT", ALLOWANCE, || masters(2));
            node.shell("ip link set other up; ip addr replace 10.8.0.1/24 dev other");
            eventually("all are MASTER again", elected, || masters(NAMED.len()));
            for (instance, _) in &NAMED[..NAMED.len() - 2] {
                let lines = daemon.logged(&format!("({instance}) Entering FAULT STATE"));
                assert_eq!(lines, round, "{name} {instance}: {}", daemon.log());
            }
        }
        for (instance, _) in &NAMED[NAMED.len() - 2..] {
            let lines = daemon.logged(&format!("({instance}) Entering FAULT STATE"));
            assert_eq!(lines, 0, "{name} {instance}: {}", daemon.log());
        }
        daemon.stop();
    }
}

/// Who is in FAULT while `other` is down; the last two are not.
const NAMED: [(&str, &str); 8] = [
    ("excluded", "virtual_ipaddress_excluded {\n 10.8.0.20/24 dev other\n }"),
    ("route", "virtual_routes {\n 10.77.0.0/24 dev other\n }"),
    ("input", "virtual_rules {\n from 10.9.1.0/24 iif other table 100 priority 500\n }"),
    ("output", "virtual_rules {\n from 10.9.2.0/24 oif other table 100 priority 501\n }"),
    ("primary", "dont_track_primary\n virtual_ipaddress_excluded {\n 10.8.0.21/24 dev other\n }"),
    (
        "weighted",
        "track_interface {\n other weight 10\n }\n virtual_ipaddress_excluded {\n 10.8.0.22/24 dev other\n }",
    ),
    (
        "left_out",
        "virtual_ipaddress_excluded {\n 10.8.0.23/24 dev other no_track\n }\n virtual_routes {\n 10.78.0.0/24 dev other no_track\n }",
    ),
    ("none", ""),
];

#[test]
fn who_follows_a_static_item_is_in_fault_without_it() {
    if is_reference("it puts the instance in fault for other reasons and at other times") {
        return;
    }
    let net = Net::new();
    let a = machine(&net, "a");
    let conf = Instance::default().before(
        "track_group tg {\n group {\n VI_1\n }\n}\nstatic_routes {\n 10.50.0.0/24 dev other track_group tg\n}",
    );
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), elected());
    a.shell("ip route del 10.50.0.0/24");
    eventually("it is back", ALLOWANCE, || route_is(&a, "10.50.0.0/24"));
    assert_eq!(daemon.logged("FAULT"), 0, "put back at once: {}", daemon.log());
    // Somebody who insists, or an interface that is gone.
    a.shell("ip link del other");
    a.shell("ip route flush proto 18");
    daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
    assert!(daemon.log().contains("static item of track_group tg missing"), "{}", daemon.log());
    let back = now();
    a.shell("ip link add other type veth peer name other1; ip link set other1 up; ip link set other up");
    net.wait_master("a", back, TIMING.master_down(100) + Duration::from_secs(1));
    assert!(route_is(&a, "10.50.0.0/24"));
}

#[test]
fn secondary_addresses_are_promoted_where_asked_for() {
    let net = Net::new();
    let a = machine(&net, "a");
    let setting = || a.shell("cat /proc/sys/net/ipv4/conf/eth0/promote_secondaries").trim().to_owned();
    a.shell("echo 0 >/proc/sys/net/ipv4/conf/eth0/promote_secondaries");
    let plain = Instance::default();
    let daemon = Daemon::start(&a, US, &plain.clone().line("promote_secondaries").text());
    net.wait_master("a", daemon.since(), elected());
    assert_eq!(setting(), "1");
    if !is_reference("it does not follow a reload here") {
        daemon.reload(&plain.text());
        assert_eq!(setting(), "0", "nobody wants it any more");
        daemon.reload(&plain.clone().line("promote_secondaries").text());
        assert_eq!(setting(), "1");
    }
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    assert_eq!(setting(), "0");
}

/// The messages about it are lost in a flood of others.
#[test]
fn a_strangers_route_in_the_place_of_ours_is_told_though_nobody_heard_of_it() {
    if is_reference("it does not notice") {
        return;
    }
    let net = Net::new();
    let a = machine(&net, "a");
    let conf = with(
        "10.60.0.0/24 via 10.9.0.3 dev eth0\n 10.61.0.0/24 via 10.9.0.3 dev eth0\n 2001:db8:60::/64 via 2001:db8:9::3 dev eth0",
        "from 10.60.0.0/24 table 100 priority 500",
        "10.50.0.0/24 dev other",
    );
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), elected());
    eventually("all are there", ALLOWANCE, || marked(&a).len() == 5);
    let all = marked(&a);
    let flood = |n: usize| {
        let one = format!("10.77.{}.0/24", n % 200);
        format!("route add {one} dev other proto 18\nroute del {one} dev other proto 18\n")
    };
    a.write("/run/flood", &(0..6_000).map(flood).collect::<String>());
    let child = nix::unistd::Pid::from_raw(daemon.vrrp_child());
    daemon.freeze(true);
    nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGSTOP).expect("the child runs");
    a.shell(
        "ip -batch /run/flood; ip route replace 10.60.0.0/24 via 10.9.0.4 dev eth0; ip route del 10.50.0.0/24
        ip -6 route replace 2001:db8:60::/64 via 2001:db8:9::4 dev eth0; ip rule del priority 500",
    );
    nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGCONT).expect("the child is there");
    std::thread::sleep(Duration::from_millis(100));
    daemon.freeze(false);
    daemon.wait_log("route 10.60.0.0/24 via 10.9.0.3 was replaced by somebody", START);
    daemon.wait_log("route 2001:db8:60::/64 via 2001:db8:9::3 was replaced by somebody", START);
    daemon.wait_log("route 10.50.0.0/24 was deleted by somebody", START);
    eventually("ours are back", START, || {
        let there = marked(&a);
        all.iter().all(|line| there.contains(line))
    });
    assert!(!daemon.log().contains("10.61.0.0/24 via 10.9.0.3 was"), "{}", daemon.log());
    let used = a.shell("ip route get 10.60.0.7; ip -6 route get 2001:db8:60::7");
    assert!(used.contains("via 10.9.0.3") && used.contains("via 2001:db8:9::3"), "{used}");
    assert_eq!(daemon.stop().1, Some(0));
}

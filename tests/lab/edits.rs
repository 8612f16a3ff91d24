//! Each kind of object is changed by a reload, and changed back: what was not edited is not touched, in the kernel or
//! on the wire, and what was edited does not leave MASTER for it.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Program, is_reference};
use crate::kit::decode::{Event, Stamp};
use crate::kit::net::{Net, between, spacings};
use crate::kit::node::Node;
use crate::steps;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

/// How often a router that is MASTER must have advertised, and how far apart at most; `more` are welcome.
fn adverts_are_on_time(net: &Net, since: Stamp, vrid: u8, more: usize, what: &str) {
    let of_it = |event: &Event| event.advert().is_some_and(|advert| advert.vrid == vrid);
    let adverts: Vec<_> = net.adverts(since, "a").into_iter().filter(of_it).collect();
    let last = adverts.last().unwrap_or_else(|| panic!("{what}: no advert of {vrid}")).at;
    let expected = between(since, last).as_millis() / TIMING.interval.as_millis();
    let sent = adverts.len() as u128;
    assert!(
        (expected.saturating_sub(3)..=expected + 4 + more as u128).contains(&sent),
        "{what}: {sent} adverts of {vrid} instead of {expected}"
    );
    let gap = spacings(&adverts).into_iter().max().unwrap_or_default();
    assert!(gap <= TIMING.interval + ALLOWANCE, "{what}: {gap:?} without an advert of {vrid}");
    net.never(what, since, Duration::ZERO, |event| of_it(event) && event.is_goodbye_of("a"));
}

/// Four routers, two of them in a group, with a bit of everything.
fn base() -> String {
    let router = |number: u8, more: &str| {
        format!(
            "vrrp_instance VI_{number} {{\n    interface eth0\n    virtual_router_id 5{number}\n    \
             priority 100\n    version 3\n    advert_int 0.1\n    virtual_ipaddress {{\n        \
             10.9.0.10{number}/32\n        10.9.0.11{number}/32\n    }}\n    virtual_routes {{\n        \
             10.6{number}.0.0/24 via 10.9.0.3 dev eth0\n    }}\n    virtual_rules {{\n        \
             from 10.6{number}.0.0/24 table 10{number} priority 50{number}\n    }}\n{more}\n}}\n"
        )
    };
    format!(
        "global_defs {{\n    router_id lab\n    script_user root\n    enable_script_security\n}}\n\
         vrrp_script fit {{\n    script \"/usr/bin/true\"\n    interval 1\n    weight 2\n}}\n\
         vrrp_track_file number {{\n    file /run/number\n}}\n\
         vrrp_track_process busy {{\n    process labbusy\n    weight 2\n}}\n\
         static_ipaddress {{\n    10.7.0.1/24 dev other\n}}\n\
         static_routes {{\n    10.50.0.0/24 dev other\n}}\n\
         static_rules {{\n    from 10.50.0.0/24 table 150 priority 600\n}}\n\
         vrrp_sync_group G {{\n    group {{\n        VI_3\n        VI_4\n    }}\n}}\n{}{}{}{}",
        router(1, "    track_script {\n        fit\n    }"),
        router(2, "    # end of 2"),
        router(3, ""),
        router(4, "")
    )
}

/// What is edited: its name, what is replaced, by what, and what the kernel may tell of meanwhile.
type Edit = (&'static str, &'static str, &'static str, &'static [&'static str]);

const EDITS: &[Edit] = &[
    ("nothing", "", "", &[]),
    ("a comment", "# end of 2", "# the end of 2", &[]),
    ("an address more", "10.9.0.112/32", "10.9.0.112/32\n10.9.0.122/32", &["10.9.0.122"]),
    ("an address less", "        10.9.0.112/32\n", "", &["10.9.0.112"]),
    ("a label", "10.9.0.112/32", "10.9.0.112/32 label eth0:two", &["10.9.0.112"]),
    ("a prefix length", "10.9.0.112/32", "10.9.0.112/24", &["10.9.0.112", "10.9.0.255", "10.9.0.0/24"]),
    ("an excluded address", "# end of 2", "virtual_ipaddress_excluded {\n10.9.0.132\n}", &["10.9.0.132"]),
    (
        "an excluded one of IPv6",
        "# end of 2",
        "virtual_ipaddress_excluded {\n2001:db8::2\n}",
        &["2001:db8::2"],
    ),
    ("the order of addresses", "10.9.0.102/32\n        10.9.0.112/32", "10.9.0.112/32\n10.9.0.102/32", &[]),
    ("a gateway", "10.62.0.0/24 via 10.9.0.3", "10.62.0.0/24 via 10.9.0.4", &["10.62.0.0"]),
    ("a route more", "10.62.0.0/24 via", "10.72.0.0/24 dev eth0\n10.62.0.0/24 via", &["10.72.0.0"]),
    ("a rule's table", "table 102", "table 202", &["10.62.0.0"]),
    (
        "a rule more",
        "from 10.62.0.0/24",
        "from 10.72.0.0/24 table 9 priority 509\nfrom 10.62.0.0/24",
        &["10.72"],
    ),
    ("a static address", "10.7.0.1/24", "10.7.0.2/24", &["10.7.0", "10.50.0.0"]),
    (
        "a static address more",
        "10.7.0.1/24 dev other",
        "10.7.0.1/24 dev other\n10.7.1.1/24 dev other",
        &["10.7.1"],
    ),
    (
        "a static address's label",
        "10.7.0.1/24 dev other",
        "10.7.0.1/24 dev other label other:x",
        &["10.7.0", "10.50.0.0"],
    ),
    ("a static route", "10.50.0.0/24 dev other\n", "10.50.0.0/24 dev other metric 5\n", &["10.50.0.0"]),
    ("a static rule", "table 150", "table 151", &["10.50.0.0"]),
    ("a priority", "virtual_router_id 52\n    priority 100", "virtual_router_id 52\n    priority 120", &[]),
    ("a script tracked", "# end of 2", "track_script {\nfit weight 7\n}", &[]),
    ("a script's interval", "interval 1\n", "interval 2\n", &[]),
    ("a script's weight", "weight 2\n}\nvrrp_track_file", "weight 3\n}\nvrrp_track_file", &[]),
    ("a script's command", "/usr/bin/true", "/bin/true", &[]),
    ("a file tracked", "# end of 2", "track_file {\nnumber weight 1\n}", &[]),
    ("a file's place", "/run/number", "/run/another", &[]),
    ("a process tracked", "# end of 2", "track_process {\nbusy\n}", &[]),
    ("a process's name", "labbusy", "labidle", &[]),
    ("an interface tracked", "# end of 2", "track_interface {\nother weight 3\n}", &[]),
    ("an interface tracked without weight", "# end of 2", "track_interface {\nother\n}", &[]),
    ("a notify", "# end of 2", "notify_master \"/bin/true\"", &[]),
    ("a FIFO", "router_id lab", "router_id lab\nvrrp_notify_fifo /run/told", &[]),
    ("a notify of the group", "VI_4\n    }", "VI_4\n    }\n    notify_backup \"/bin/true\"", &[]),
    ("a script of the group", "VI_4\n    }", "VI_4\n    }\n    track_script {\nfit weight 0\n}", &[]),
    ("a group's name", "vrrp_sync_group G {", "vrrp_sync_group K {", &[]),
    ("a member less", "        VI_4\n", "        VI_2\n", &[]),
    ("announcements", "# end of 2", "garp_master_delay 3\ngarp_master_repeat 2\ngarp_master_refresh 9", &[]),
    ("announcements of all", "router_id lab", "router_id lab\nvrrp_garp_master_repeat 2", &[]),
    ("a pace of announcements", "router_id lab", "router_id lab\nvrrp_garp_interval 0.001", &[]),
    (
        "a group of announcements",
        "vrrp_sync_group G {",
        "garp_group {\ngarp_interval 0.01\ninterface eth0\n}\nvrrp_sync_group G {",
        &[],
    ),
    (
        "delays of an interface",
        "vrrp_sync_group G {",
        "interface_up_down_delays {\neth0 0.5 0.5\n}\nvrrp_sync_group G {",
        &[],
    ),
    ("preemption", "# end of 2", "nopreempt", &[]),
    ("a delay of preemption", "# end of 2", "preempt_delay 3", &[]),
    ("accept mode", "# end of 2", "no_accept", &[]),
    ("the router's name", "router_id lab", "router_id another", &[]),
    ("the name of a router", "vrrp_instance VI_2 {", "vrrp_instance VI_Two {", &[]),
    ("a down timer", "# end of 2", "down_timer_adverts 5", &[]),
    ("a debug level", "# end of 2", "debug 2", &[]),
    ("dont_track_primary", "# end of 2", "dont_track_primary", &[]),
];

/// A node with `eth0` on the switch and `other` beside it, and everything that [`base`] is about.
fn machine(net: &Net) -> Node {
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("ip link add other type veth peer name other1; ip link set other1 up; ip link set other up");
    a.shell("echo 0 >/run/number; echo 0 >/run/another");
    a.start_dummy("labbusy");
    a.start_dummy("labidle");
    a
}

/// Everything that the daemon has put into the kernel, without what differs from listing to listing.
fn held(node: &Node) -> String {
    node.shell(
        "ip -4 -o addr show | awk '{print $2,$4,$5,$6,$7,$8,$9}' | sort; ip -N route show table all proto 18; \
         ip rule; ip -o -6 addr show dev eth0 scope global | awk '{print $4}'",
    )
}

#[test]
fn each_edit_changes_what_was_edited_and_nothing_else() {
    if is_reference("each reload there sends adverts at once and takes off what it puts on again") {
        return;
    }
    let net = Net::new();
    let a = machine(&net);
    let base = base();
    let daemon = Daemon::start(&a, US, &base);
    for vrid in 51..=54 {
        net.wait("all are MASTER", daemon.since(), START + TIMING.master_down(100), |event| {
            event.advert().is_some_and(|advert| advert.vrid == vrid)
        });
    }
    std::thread::sleep(Duration::from_secs(2));
    a.shell("(stdbuf -oL ip -o -4 monitor address route rule >/run/changes 2>&1 &)");
    std::thread::sleep(Duration::from_millis(200));
    let before = held(&a);
    let entered = daemon.logged("Entering");
    for (what, old, new, touched) in EDITS {
        assert!(base.contains(old), "{what}: there is no {old}");
        let edited = base.replacen(old, new, 1);
        a.shell("truncate -s 0 /run/changes");
        let (since, changes) = (now(), daemon.logged("Changing effective priority"));
        daemon.reload(&edited);
        std::thread::sleep(TIMING.interval * 4);
        let there = held(&a);
        let words = touched.first().is_some_and(|_| !what.contains("order"));
        assert_eq!(there != before, words, "{what}: what is in the kernel, and was\n{there}\n{before}");
        daemon.reload(&base);
        std::thread::sleep(TIMING.interval * 4);
        for vrid in 51..=54 {
            // One at once whenever the priority changes.
            let changes = daemon.logged("Changing effective priority") - changes;
            adverts_are_on_time(&net, since, vrid, changes, what);
        }
        let seen = a.read("/run/changes").replace('\0', "");
        let foreign: Vec<_> =
            seen.lines().filter(|line| !touched.iter().any(|word| line.contains(word))).collect();
        assert!(foreign.is_empty(), "{what}: the kernel told of {foreign:#?}");
        assert_eq!(held(&a), before, "{what}: after the way back");
        assert_eq!(daemon.logged("Entering"), entered, "{what}: {}", daemon.log());
        assert_eq!(daemon.logged("find out who deletes"), 0, "{what}: {}", daemon.log());
    }
    // The order of blocks, all in one.
    let since = now();
    let mut blocks: Vec<_> = base.split("vrrp_instance").collect();
    let head = blocks.remove(0);
    blocks.reverse();
    daemon.reload(&format!("{head}vrrp_instance{}", blocks.join("\nvrrp_instance")));
    std::thread::sleep(TIMING.interval * 5);
    for vrid in 51..=54 {
        adverts_are_on_time(&net, since, vrid, 0, "the order of blocks");
    }
    assert_eq!(held(&a), before);
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    let left = held(&a);
    assert!(!left.contains("10.9.0.1/32") && !left.contains("lookup 10"), "{left}");
}

#[test]
fn an_interface_is_exchanged_and_the_others_do_not_notice() {
    let net = Net::new();
    let a = machine(&net);
    net.plug(&a, "eth1", &["10.8.0.1/24"]);
    let base = base();
    let daemon = Daemon::start(&a, US, &base);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    std::thread::sleep(Duration::from_secs(1));
    if is_reference("a reload disturbs everybody there") {
        return;
    }
    let since = now();
    let elsewhere = base.replacen(
        "interface eth0\n    virtual_router_id 52",
        "interface eth1\n    virtual_router_id 52",
        1,
    );
    daemon.reload(&elsewhere);
    net.wait("a goodbye where it was", since, Duration::ZERO, |event| event.is_goodbye_of("a"));
    eventually("its addresses are there", TIMING.master_down(100) + ALLOWANCE, || {
        a.holds("eth1", "10.9.0.102") && !a.holds("eth0", "10.9.0.102")
    });
    std::thread::sleep(TIMING.interval * 3);
    for vrid in [51, 53, 54] {
        adverts_are_on_time(&net, since, vrid, 0, "an interface");
    }
}

#[test]
fn a_storm_of_reloads_delays_neither_adverts_nor_a_take_over() {
    if is_reference("each reload there sends adverts at once and rearms the timers") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let conf = |priority| Instance::default().priority(priority).text();
    let daemon = Daemon::start(&a, US, &conf(150));
    let peer = Daemon::start(&b, US, &conf(100));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    peer.wait_log("master set to 10.9.0.1", START);
    std::thread::sleep(Duration::from_millis(500));
    let since = now();
    for _ in 0..300 {
        daemon.signal(Signal::SIGHUP);
        peer.signal(Signal::SIGHUP);
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(TIMING.interval * 2);
    adverts_are_on_time(&net, since, 51, 0, "a storm");
    net.never("the BACKUP speaks", since, Duration::ZERO, |event| event.is_advert_of("b"));

    // The MASTER dies; its heir is told to reload all the way, now with this file and now with that.
    let at = daemon.kill();
    let last = net.adverts(at.saturating_sub(500_000_000), "a").pop().expect("it advertised").at;
    for round in 0..60 {
        let more =
            Instance { addresses: vec!["10.9.0.100".into(), "10.9.0.101".into()], ..Instance::default() };
        b.write(CONF, &if round % 2 == 0 { more.text() } else { conf(100) });
        peer.signal(Signal::SIGHUP);
        std::thread::sleep(Duration::from_millis(12));
    }
    let first = net.wait_master("b", last, TIMING.master_down(100));
    assert!(between(last, first.at) >= TIMING.interval * 3, "before its time: {first}");
    steps::address_is_at("eth0", "10.9.0.100", &b, &[]);
    eventually("the last file counts", START, || !b.holds("eth0", "10.9.0.101"));
    assert_eq!(peer.logged("Entering MASTER STATE"), 1, "{}", peer.log());
    assert_eq!(peer.logged("find out who deletes"), 0, "{}", peer.log());
}

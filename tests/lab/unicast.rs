//! Unicast: old checksums, several instances of one router id, and what happens without peers.

use std::time::Duration;

use crate::kit::bounds::{START, Timing};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::Node;
use crate::steps;

use Program::{Reference, UnderTest};

const TIMING: Timing = Timing::v3(20);

fn fast() -> Instance {
    Instance { interval: "0.2", ..Instance::default() }
}

fn pair(net: &Net) -> [Node; 2] {
    [("a", "10.9.0.1/24"), ("b", "10.9.0.2/24")].map(|(name, address)| net.node(name, "eth0", &[address]))
}

/// Lines of an instance that speaks to one peer.
fn to(own: &str, peer: &str) -> String {
    format!("unicast_src_ip {own}\n    unicast_peer {{\n        {peer}\n    }}")
}

/// keepalived 2.2.7 with the checksum of 1.3.6, and ours that finds it out, answers in kind, and goes back to the
/// usual form when the peer does.
#[test]
fn the_old_checksum_is_found_out_and_answered() {
    if is_reference("its words are others, and it changes the form late") {
        return;
    }
    // tshark knows the usual form only.
    let net = Net::without_referee();
    let [a, b] = pair(&net);
    let at_a = |priority: u8, line: &str| {
        fast().priority(priority).line(&to("10.9.0.1", "10.9.0.2")).line(line).text()
    };
    let at_b = |line: &str| fast().priority(150).line(&to("10.9.0.2", "10.9.0.1")).line(line).text();
    let old = Daemon::start(&b, Reference, &at_b("old_unicast_checksum"));
    let daemon = Daemon::start(&a, UnderTest, &at_a(100, ""));
    let line = "(VI_1) Setting unicast VRRPv3 checksum to old version for 10.9.0.2";
    daemon.wait_log(line, START + TIMING.master_down(150));
    net.never("a takes over", now(), TIMING.master_down(100) * 2, |event| event.is_advert_of("a"));
    // As the one with the higher priority it is heard by a peer that knows nothing but the old form.
    daemon.reload(&at_a(200, ""));
    net.wait_master("a", now(), TIMING.master_down(200) * 2);
    net.never("b goes on", now() + 50_000_000, TIMING.interval * 4, |event| event.is_advert_of("b"));
    assert_eq!(daemon.logged(line), 1, "{}", daemon.log());
    assert_eq!(old.logged("Invalid VRRPv3 checksum"), 0, "{}", old.log());
    old.kill();
    steps::clean(&b, "eth0", &["10.9.0.100"]);
    // The peer is replaced by a new one.
    daemon.reload(&at_a(100, ""));
    let new = Daemon::start(&b, Reference, &at_b("old_unicast_checksum never"));
    daemon.wait_log(
        "Setting unicast VRRPv3 checksum to new version for 10.9.0.2",
        START + TIMING.master_down(150),
    );
    net.wait_master("b", new.since(), START + TIMING.master_down(150));
    new.kill();
    steps::clean(&b, "eth0", &["10.9.0.100"]);
    // Who is told never to does not understand it.
    daemon.reload(&at_a(100, "old_unicast_checksum never"));
    let old = Daemon::start(&b, Reference, &at_b("old_unicast_checksum"));
    daemon.wait_log("(VI_1) Invalid VRRPv3 checksum from 10.9.0.2", START + TIMING.master_down(150));
    drop(old);
}

/// The configured old form reaches keepalived with the same; it satisfies neither formula of a checksum of version 3.
#[test]
fn the_old_checksum_is_spoken_when_asked_for() {
    let net = Net::without_referee();
    let [a, b] = pair(&net);
    let both = |own: &str, peer: &str, priority: u8| {
        fast().priority(priority).line(&to(own, peer)).line("old_unicast_checksum").text()
    };
    let daemon = Daemon::start(&a, UnderTest, &both("10.9.0.1", "10.9.0.2", 150));
    let peer = Daemon::start(&b, Reference, &both("10.9.0.2", "10.9.0.1", 100));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    net.never("b takes over", now(), TIMING.master_down(100) * 2, |event| event.is_advert_of("b"));
    assert_eq!(peer.logged("checksum"), 0, "{}", peer.log());
    let heir = steps::Heir { node: "b", priority: 100, timing: TIMING };
    steps::stop(&net, "a", daemon, heir);
}

/// An instance of router id 51 with its own address and peer.
fn one_of_many(name: &str, priority: u8, vip: &str, lines: &str, interface: bool) -> String {
    let interface = if interface { "    interface eth0\n" } else { "" };
    format!(
        "vrrp_instance {name} {{\n{interface}    virtual_router_id 51\n    priority {priority}\n    version 3\n    \
         advert_int 0.2\n    {lines}\n    virtual_ipaddress {{\n        {vip} dev eth0\n    }}\n}}\n"
    )
}

/// One router id four times on one machine: multicast, two unicast ones that differ by their peers, and one without
/// interface that differs by its source. Each hears its own peer only, and a reload mixes nothing up.
#[test]
fn one_router_id_serves_instances_that_differ_by_their_addresses() {
    if is_reference("it mixes them up") {
        return;
    }
    let net = Net::new();
    let [a, b] = pair(&net);
    let c = net.node("c", "eth0", &["10.9.0.3/24"]);
    a.shell("ip addr add 10.9.0.4/24 dev eth0");
    let instances = |extra: &str| {
        [
            one_of_many("MULTI", 150, "10.9.0.100", "", true),
            one_of_many("TO_B", 150, "10.9.0.101", &to("10.9.0.1", "10.9.0.2"), true),
            one_of_many("TO_C", 100, "10.9.0.102", &format!("{}{extra}", to("10.9.0.1", "10.9.0.3")), true),
            one_of_many("ROUTED", 100, "10.9.0.103", &to("10.9.0.4", "10.9.0.2"), false),
        ]
        .concat()
    };
    let daemon = Daemon::start(&a, UnderTest, &instances(""));
    let at_b = [
        one_of_many("MULTI", 100, "10.9.0.100", "", true),
        one_of_many("TO_A", 100, "10.9.0.101", &to("10.9.0.2", "10.9.0.1"), true),
        one_of_many("ROUTED", 150, "10.9.0.103", &to("10.9.0.2", "10.9.0.4"), true),
    ];
    let _b = Daemon::start(&b, UnderTest, &at_b.concat());
    let _c = Daemon::start(
        &c,
        UnderTest,
        &one_of_many("TO_A", 150, "10.9.0.102", &to("10.9.0.3", "10.9.0.1"), true),
    );
    std::thread::sleep(START);
    let settled = || {
        steps::address_is_at("eth0", "10.9.0.100", &a, &[&b, &c]);
        steps::address_is_at("eth0", "10.9.0.101", &a, &[&b, &c]);
        steps::address_is_at("eth0", "10.9.0.102", &c, &[&a, &b]);
        steps::address_is_at("eth0", "10.9.0.103", &b, &[&a, &c]);
    };
    settled();
    // Instances with one identity but for their peers keep their states over a reload in another order.
    let lines = daemon.logged("STATE");
    let text = instances("\n    nopreempt");
    let blocks: Vec<_> = text.split_inclusive("\n}\n").collect();
    daemon.reload(&blocks.into_iter().rev().collect::<String>());
    std::thread::sleep(TIMING.master_down(100) * 2);
    assert_eq!(daemon.logged("STATE"), lines, "{}", daemon.log());
    settled();
    let stats = daemon.stats();
    for name in ["MULTI", "TO_B", "TO_C", "ROUTED"] {
        assert_eq!(stats.number(&format!("{name}/Packet Errors/Address List")), 0, "{name} hears others");
    }
}

#[test]
fn without_peers_it_is_multicast_or_a_fault() {
    let net = Net::new();
    let [a, b] = pair(&net);
    let conf = fast().priority(150).line("unicast_src_ip 10.9.0.1");
    let daemon = Daemon::start(&a, UnderTest, &conf.clone().text());
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    assert_eq!(first.advert().expect("an advert").destination.to_string(), "224.0.0.18");
    let peer = Daemon::start(&b, Reference, &fast().text());
    net.never("b takes over", peer.since(), START, |event| event.is_advert_of("b"));
    daemon.stop();
    let fault = Daemon::start(&a, UnderTest, &conf.line("unicast_fault_no_peer").text());
    fault.wait_log("entering FAULT state", START);
    net.never("a speaks", fault.since(), TIMING.master_down(150) * 2, |event| event.is_advert_of("a"));
    net.wait_master("b", fault.since(), TIMING.master_down(100) + Duration::from_secs(1));
}

/// The addresses of an instance are of one family, those that it only moves need not be.
#[test]
fn excluded_addresses_may_be_of_the_other_family() {
    let net = Net::new();
    let [a, b] = pair(&net);
    let conf = |own: &str, peer: &str, priority: u8| {
        let excluded = "virtual_ipaddress_excluded {\n        fd09::77/64\n    }";
        fast().priority(priority).line(&to(own, peer)).line(excluded).text()
    };
    let daemon = Daemon::start(&a, UnderTest, &conf("10.9.0.1", "10.9.0.2", 150));
    let peer = Daemon::start(&b, Reference, &conf("10.9.0.2", "10.9.0.1", 100));
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    assert_eq!(first.advert().expect("an advert").addresses.len(), 1);
    steps::address_is_at("eth0", "fd09::77", &a, &[&b]);
    net.wait("it is announced", daemon.since(), START, |event| event.announces("a", "fd09::77"));
    let heir = steps::Heir { node: "b", priority: 100, timing: TIMING };
    steps::stop(&net, "a", daemon, heir);
    steps::address_is_at("eth0", "fd09::77", &b, &[&a]);
    drop(peer);
}

/// Two instances of one router id and interface with groups of their own; each group is heard by itself.
#[test]
fn a_group_of_its_own_is_another_router() {
    let net = Net::new();
    let [a, b] = pair(&net);
    let groups = [("", "10.9.0.100", 150), ("mcast_dst_ip 224.0.0.77", "10.9.0.101", 100)];
    let conf = |flip: bool| {
        let blocks = groups.map(|(line, vip, priority)| {
            let priority = if flip { 250 - priority } else { priority };
            let name = if line.is_empty() { "USUAL" } else { "OTHER" };
            one_of_many(name, priority, vip, line, true)
        });
        blocks.concat()
    };
    let daemon = Daemon::start(&a, UnderTest, &conf(false));
    let peer = Daemon::start(&b, UnderTest, &conf(true));
    std::thread::sleep(START);
    steps::address_is_at("eth0", "10.9.0.100", &a, &[&b]);
    steps::address_is_at("eth0", "10.9.0.101", &b, &[&a]);
    let groups: std::collections::BTreeSet<_> = net
        .events(daemon.since())
        .iter()
        .filter_map(|event| {
            Some((event.advert()?.destination.to_string(), event.advert()?.addresses.clone()))
        })
        .collect();
    assert_eq!(groups.len(), 2, "one address to each group: {groups:?}");
    drop(peer);
}

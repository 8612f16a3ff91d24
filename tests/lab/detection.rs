//! A router boots: its interfaces have just come up, and duplicate address detection of their link-local addresses goes
//! on. That is no fault, unless somebody else has the address or the detection does not end.

use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::{Net, between};
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

/// What Linux takes at most for one probe: a second before it, and one after.
const DETECTION: Duration = Duration::from_secs(2);

/// Reads the FIFO from when it appears.
const FOLLOW: &str =
    "(until [ -p /run/fifo ]; do sleep 0.01; done; exec cat /run/fifo >> /run/lines) >/dev/null 2>&1 &";

/// A node whose `eth0` will have its one IPv6 address when it is told to come up.
fn node(net: &Net, name: &str) -> Node {
    let node = net.node(name, "eth0", &[]);
    quiet(&node, "eth0");
    node
}

/// The interface has no address that nobody gave it, and looks for duplicates of those that somebody gives it.
fn quiet(node: &Node, interface: &str) {
    node.shell(&format!(
        "cd /proc/sys/net/ipv6/conf/{interface}; echo 1 > addr_gen_mode; echo 1 > accept_dad; ip -6 addr flush dev {interface}"
    ));
}

/// The interface has come up at this moment: so many probes, a second after each, and up to a second before the first.
fn come_up(node: &Node, interface: &str, probes: u8, address: &str) {
    node.shell(&format!(
        "echo {probes} > /proc/sys/net/ipv6/conf/{interface}/dad_transmits; ip addr add {address}/64 dev {interface}"
    ));
    assert!(is_tentative(node, interface), "detection is on");
}

fn is_tentative(node: &Node, interface: &str) -> bool {
    node.shell(&format!("ip -6 -o addr show dev {interface}")).contains("tentative")
}

fn v6() -> Instance {
    let instance = Instance { addresses: vec!["fe80::9/64".to_owned()], ..Instance::default() };
    instance.global("notify_fifo /run/fifo")
}

/// The states that an instance was told to be in.
fn told(node: &Node, whose: &str) -> Vec<String> {
    let lines = node.read("/run/lines");
    let states = lines.lines().filter_map(|line| line.strip_prefix(whose));
    states.map(|rest| rest.split_whitespace().next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn an_instance_waits_for_the_address_it_is_to_speak_from() {
    for program in [Program::UnderTest, Program::Reference] {
        let net = Net::new();
        let a = node(&net, "a");
        a.shell(FOLLOW);
        come_up(&a, "eth0", 1, "fe80::abc");
        let daemon = Daemon::start(&a, program, &v6().text());
        eventually("it is MASTER", DETECTION + START, || told(&a, "INSTANCE \"VI_1\"").len() == 2);
        assert_eq!(told(&a, "INSTANCE \"VI_1\""), ["BACKUP", "MASTER"], "{program:?}");
        assert_eq!(daemon.logged("FAULT"), 0, "{program:?}: {}", daemon.log());
        if program == US {
            assert!(!is_tentative(&a, "eth0"), "nobody is MASTER from an address that others may have");
            let log = daemon.log();
            assert_eq!(daemon.logged("waiting for duplicate address detection on eth0"), 1, "{log}");
            assert_eq!(daemon.logged("send advert error"), 0, "{log}");
            net.wait_master("a", daemon.since(), DETECTION + START);
        }
        daemon.stop();
    }
}

#[test]
fn an_address_owner_waits_too() {
    let net = Net::new();
    let a = node(&net, "a");
    a.shell(FOLLOW);
    come_up(&a, "eth0", 1, "fe80::abc");
    let conf = v6().priority(255).text().replace("state BACKUP", "state MASTER");
    let daemon = Daemon::start(&a, US, &conf);
    std::thread::sleep(Duration::from_millis(500));
    assert!(is_tentative(&a, "eth0"), "it takes at least a second");
    assert_eq!(told(&a, "INSTANCE \"VI_1\""), [""; 0], "{}", daemon.log());
    eventually("the address can be used", DETECTION, || !is_tentative(&a, "eth0"));
    let usable = now();
    let first = net.wait_master("a", daemon.since(), DETECTION + START);
    assert!(between(usable, first.at.max(usable)) < ALLOWANCE, "at once");
    eventually("it is told", START, || told(&a, "INSTANCE \"VI_1\"") == ["MASTER"]);
    assert_eq!(daemon.logged("FAULT") + daemon.logged("BACKUP STATE"), 0, "{}", daemon.log());
    assert_eq!(daemon.logged("send advert error"), 0, "{}", daemon.log());
}

/// With a macvlan of its own it speaks from a copy of the same address. A reload in between changes nothing.
#[test]
fn a_macvlan_waits_for_the_address_of_its_base() {
    let net = Net::new();
    let a = node(&net, "a");
    a.shell(FOLLOW);
    come_up(&a, "eth0", 2, "fe80::abc");
    let conf = v6().line("use_vmac").text();
    let daemon = Daemon::start(&a, US, &conf);
    daemon.wait_log("waiting for duplicate address detection on eth0", START);
    daemon.reload(&conf);
    assert!(is_tentative(&a, "eth0"), "it takes at least two seconds");
    assert_eq!(told(&a, "INSTANCE \"VI_1\""), [""; 0], "{}", daemon.log());
    net.wait_master("a", daemon.since(), DETECTION * 2 + START);
    eventually("it is told", START, || told(&a, "INSTANCE \"VI_1\"") == ["BACKUP", "MASTER"]);
    assert!(!is_tentative(&a, "eth0"));
    assert_eq!(daemon.logged("FAULT") + daemon.logged("send advert error"), 0, "{}", daemon.log());
}

/// Two members, one of which could begin: it waits with the other.
fn group(a: &Node) -> String {
    a.shell(FOLLOW);
    let first = Instance { name: "VI_4", vrid: 4, ..Instance::default() };
    let second = Instance { name: "VI_6", interface: "eth1", vrid: 6, ..v6() };
    let group = "vrrp_sync_group G {\n    group {\n        VI_4\n        VI_6\n    }\n}\n";
    let text = first.before(group).global("notify_fifo /run/fifo").text();
    let second = second.text();
    text + &second[second.find("vrrp_instance").expect("an instance")..]
}

#[test]
fn a_sync_group_waits_for_its_member() {
    for reloaded in [false, true] {
        let net = Net::new();
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        net.plug(&a, "eth1", &[]);
        quiet(&a, "eth1");
        let conf = group(&a);
        come_up(&a, "eth1", 1, "fe80::abc");
        let daemon = Daemon::start(&a, US, &conf);
        daemon.wait_log("(VI_6) waiting for duplicate address detection on eth1", START);
        if reloaded {
            daemon.reload(&conf);
        }
        eventually("the group is MASTER", DETECTION + START, || told(&a, "GROUP \"G\"").len() == 2);
        for whose in ["GROUP \"G\"", "INSTANCE \"VI_4\"", "INSTANCE \"VI_6\""] {
            eventually(whose, START, || told(&a, whose) == ["BACKUP", "MASTER"]);
        }
        assert!(!is_tentative(&a, "eth1"));
        assert_eq!(daemon.logged("FAULT"), 0, "{}", daemon.log());
    }
}

#[test]
fn a_sync_group_does_not_wait_for_ever() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    net.plug(&a, "eth1", &[]);
    quiet(&a, "eth1");
    let conf = group(&a);
    come_up(&a, "eth1", 100, "fe80::abc");
    let daemon = Daemon::start(&a, US, &conf);
    for whose in ["GROUP \"G\"", "INSTANCE \"VI_4\"", "INSTANCE \"VI_6\""] {
        eventually(whose, Duration::from_secs(4) + START, || told(&a, whose) == ["FAULT"]);
    }
    let since = now();
    assert!(between(daemon.since(), since) > Duration::from_millis(3_900), "{}", daemon.log());
    a.shell("ip addr del fe80::abc/64 dev eth1; ip addr add fe80::abd/64 dev eth1 nodad");
    eventually("the group takes part", START, || told(&a, "GROUP \"G\"") == ["FAULT", "BACKUP", "MASTER"]);
    assert_eq!(daemon.logged("send advert error"), 0, "{}", daemon.log());
}

/// An address that never becomes usable is told as one that is not there.
#[test]
fn detection_that_does_not_end_is_a_fault() {
    let net = Net::new();
    let a = node(&net, "a");
    a.shell(FOLLOW);
    come_up(&a, "eth0", 100, "fe80::abc");
    let daemon = Daemon::start(&a, US, &v6().text());
    daemon.wait_log("(VI_1) entering FAULT state (no IPv6 address for interface)", Duration::from_secs(4));
    assert!(between(daemon.since(), now()) > Duration::from_millis(3_900), "{}", daemon.log());
    eventually("it is told", START, || told(&a, "INSTANCE \"VI_1\"") == ["FAULT"]);
    net.never("an advert", daemon.since(), TIMING.interval, |event| event.advert().is_some());
    a.shell("ip addr del fe80::abc/64 dev eth0; ip addr add fe80::abd/64 dev eth0 nodad");
    net.wait_master("a", daemon.since(), Duration::from_secs(4) + START);
    assert_eq!(daemon.logged("send advert error"), 0, "{}", daemon.log());
}

#[test]
fn an_address_that_somebody_else_has_is_a_fault_at_once() {
    let net = Net::new();
    let a = node(&net, "a");
    a.shell(FOLLOW);
    let _b = net.node("b", "eth0", &["fe80::abc/64"]);
    come_up(&a, "eth0", 1, "fe80::abc");
    let daemon = Daemon::start(&a, US, &v6().text());
    eventually("it is told", DETECTION, || told(&a, "INSTANCE \"VI_1\"") == ["FAULT"]);
    assert!(a.shell("ip -6 -o addr show dev eth0").contains("dadfailed"));
    assert_eq!(daemon.logged("(VI_1) entering FAULT state (no IPv6 address for interface)"), 1);
    net.never("an advert", daemon.since(), TIMING.interval, |event| event.advert().is_some());
}

#[test]
fn an_address_that_is_taken_away_is_a_fault_at_once() {
    let net = Net::new();
    let a = node(&net, "a");
    a.shell(FOLLOW);
    come_up(&a, "eth0", 100, "fe80::abc");
    let daemon = Daemon::start(&a, US, &v6().text());
    daemon.wait_log("waiting for duplicate address detection", START);
    a.shell("ip addr del fe80::abc/64 dev eth0");
    daemon.wait_log("(VI_1) entering FAULT state (no IPv6 address for interface)", Duration::from_secs(1));
    eventually("it is told", START, || told(&a, "INSTANCE \"VI_1\"") == ["FAULT"]);
}

#[test]
fn an_instance_of_a_reload_waits_and_one_that_runs_does_not() {
    let net = Net::new();
    let a = node(&net, "a");
    net.plug(&a, "eth1", &[]);
    quiet(&a, "eth1");
    a.shell("ip addr add fe80::1/64 dev eth0 nodad");
    a.shell(FOLLOW);
    let first = Instance { name: "VI_A", vrid: 4, ..v6() }.text();
    let second = Instance { name: "VI_B", interface: "eth1", vrid: 6, ..v6() }.text();
    let both = first.clone() + &second[second.find("vrrp_instance").expect("an instance")..];
    let daemon = Daemon::start(&a, US, &first);
    eventually("A is MASTER", START, || told(&a, "INSTANCE \"VI_A\"") == ["BACKUP", "MASTER"]);
    come_up(&a, "eth1", 1, "fe80::abc");
    daemon.reload(&both);
    assert!(is_tentative(&a, "eth1"), "it takes at least a second");
    // As ever for one that has begun.
    a.shell("ip addr del fe80::1/64 dev eth0; ip addr add fe80::2/64 dev eth0");
    eventually("A is in FAULT", START, || told(&a, "INSTANCE \"VI_A\"") == ["BACKUP", "MASTER", "FAULT"]);
    eventually("B is MASTER", DETECTION + START, || told(&a, "INSTANCE \"VI_B\"").len() == 2);
    assert_eq!(told(&a, "INSTANCE \"VI_B\""), ["BACKUP", "MASTER"], "{}", daemon.log());
    eventually("A is MASTER", DETECTION + START, || {
        told(&a, "INSTANCE \"VI_A\"") == ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER"]
    });
}

/// A configured source waits just so, wherever it is.
#[test]
fn a_configured_source_that_is_being_probed_is_no_fault() {
    if is_reference("it begins as BACKUP, and its adverts fail") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["fd09::1/64"]);
    net.plug(&a, "eth1", &[]);
    quiet(&a, "eth1");
    come_up(&a, "eth1", 1, "fd08::1");
    let lines = "unicast_src_ip fd08::1\n unicast_peer {\n fd08::2\n }\n virtual_ipaddress_excluded {\n fd09::100\n }";
    let conf = Instance { addresses: vec!["fe80::100".to_owned()], ..Instance::default().line(lines) };
    let daemon = Daemon::start(&a, Program::UnderTest, &conf.text());
    daemon.wait_log("(VI_1) Entering BACKUP STATE", START + DETECTION);
    assert_eq!(daemon.logged("FAULT"), 0, "{}", daemon.log());
    assert_eq!(daemon.logged("(VI_1) waiting for duplicate address detection"), 1, "{}", daemon.log());
}

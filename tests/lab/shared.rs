//! Rules, routes and addresses that two virtual routers name: there while one of them is MASTER.

use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

/// What both routers name.
const BOTH: &str = "virtual_rules {\n from 10.60.0.0/24 table 100 priority 500\n}\n\
                    virtual_routes {\n 10.60.0.0/24 via 10.9.0.3 dev eth0\n 2001:db8:60::/64 dev eth0\n}";

/// Two routers that are in FAULT while their files say so.
fn two(first: &str, second: &str) -> String {
    let block = |name, vrid, more: &str| {
        let one = Instance { name, vrid, addresses: vec![format!("10.9.0.1{vrid}")], ..Instance::default() };
        one.before(&format!("vrrp_track_file of_{name} {{\n file /run/{name}\n}}"))
            .line(&format!("track_file {{\n of_{name} weight 0\n}}"))
            .line(more)
            .text()
    };
    let second = block("two", 52, second);
    let (_, second) = second.split_once("}\n").expect("the end of global_defs");
    format!("{}{second}", block("one", 51, first))
}

fn machine(net: &Net) -> Node {
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("echo 0 >/run/one; echo 0 >/run/two");
    a
}

fn fails(node: &Node, name: &str, fails: bool) {
    node.shell(&format!("echo {} >/run/{name}", if fails { 254 } else { 0 }));
}

fn there(node: &Node) -> String {
    node.shell("ip -N rule show priority 500; ip -N route show proto 18; ip -6 -N route show proto 18")
}

#[test]
fn rules_and_routes_go_with_the_last_master() {
    if is_reference("the first that goes takes all away") {
        return;
    }
    let net = Net::new();
    let a = machine(&net);
    let daemon = Daemon::start(&a, US, &two(BOTH, BOTH));
    eventually("both are MASTER", START + TIMING.master_down(100), || {
        daemon.logged("Entering MASTER STATE") == 2 && there(&a).lines().count() == 3
    });
    std::thread::sleep(Duration::from_millis(200));
    let all = there(&a);
    a.shell("(ip monitor route rule >/run/changes 2>&1 &)");
    std::thread::sleep(Duration::from_millis(100));
    // Each goes and comes back, whoever was first.
    for (round, name) in ["one", "two", "one"].iter().enumerate() {
        fails(&a, name, true);
        eventually("it is in FAULT", ALLOWANCE * 2, || daemon.logged("Entering FAULT STATE") == round + 1);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(there(&a), all, "{name} went");
        fails(&a, name, false);
        eventually("it is back", ALLOWANCE + TIMING.master_down(100) * 2, || {
            daemon.logged("Entering MASTER STATE") == round + 3
        });
        std::thread::sleep(Duration::from_millis(100));
    }
    // One names it no more, then the other one alone does.
    for (first, second) in [("", BOTH), (BOTH, BOTH), (BOTH, ""), (BOTH, BOTH), ("", BOTH)] {
        daemon.reload(&two(first, second));
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(there(&a), all);
    }
    let changes = a.read("/run/changes");
    assert!(!changes.contains("10.60.0.0") && !changes.contains("2001:db8:60"), "{changes}");
    assert_eq!(daemon.logged("by somebody"), 0, "{}", daemon.log());
    // The last one takes all with it.
    fails(&a, "two", true);
    eventually("all is gone", ALLOWANCE * 2, || there(&a).is_empty());
    fails(&a, "two", false);
    eventually("all is back", ALLOWANCE + TIMING.master_down(100) * 2, || there(&a) == all);
    daemon.reload(&two("", ""));
    eventually("nobody names it", ALLOWANCE, || there(&a).is_empty());
    assert_eq!(daemon.stop().1, Some(0));
}

/// What is static stays as well.
#[test]
fn a_static_rule_outlives_the_master_that_names_it_too() {
    if is_reference("the first that goes takes all away") {
        return;
    }
    let net = Net::new();
    let a = machine(&net);
    let fixed = BOTH.replace("virtual_", "static_");
    let daemon = Daemon::start(&a, US, &format!("{fixed}\n{}", two(BOTH, "")));
    eventually("both are MASTER", START + TIMING.master_down(100), || {
        daemon.logged("Entering MASTER STATE") == 2 && there(&a).lines().count() == 3
    });
    let all = there(&a);
    let since = now();
    fails(&a, "one", true);
    net.wait("a goodbye", since, ALLOWANCE, |event| event.is_goodbye_of("a"));
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(there(&a), all);
    daemon.reload(&two("", ""));
    eventually("nobody names it", ALLOWANCE, || there(&a).is_empty());
    assert_eq!(daemon.stop().1, Some(0));
}

/// An address of two routers of one interface stays with the one that is left.
#[test]
fn an_address_goes_with_the_last_master() {
    if is_reference("the first that goes takes it away") {
        return;
    }
    let net = Net::new();
    let a = machine(&net);
    let both = "virtual_ipaddress_excluded {\n 10.9.0.200/32\n 2001:db8::200\n}";
    let daemon = Daemon::start(&a, US, &two(both, both));
    let has = || a.holds("eth0", "10.9.0.200") && a.holds("eth0", "2001:db8::200");
    eventually("both are MASTER", START + TIMING.master_down(100), || {
        daemon.logged("Entering MASTER STATE") == 2 && has()
    });
    a.shell("(ip monitor address >/run/changes 2>&1 &)");
    std::thread::sleep(Duration::from_millis(100));
    for (round, name) in ["one", "two", "one"].iter().enumerate() {
        fails(&a, name, true);
        eventually("it is in FAULT", ALLOWANCE * 2, || daemon.logged("Entering FAULT STATE") == round + 1);
        std::thread::sleep(Duration::from_millis(100));
        assert!(has(), "{name} went");
        fails(&a, name, false);
        eventually("it is back", ALLOWANCE + TIMING.master_down(100) * 2, || {
            daemon.logged("Entering MASTER STATE") == round + 3
        });
    }
    for (first, second) in [("", both), (both, both), (both, ""), (both, both)] {
        daemon.reload(&two(first, second));
        std::thread::sleep(Duration::from_millis(100));
        assert!(has());
    }
    let changes = a.read("/run/changes");
    assert!(!changes.contains("10.9.0.200") && !changes.contains("2001:db8::200"), "{changes}");
    // Whoever has it sees to it.
    fails(&a, "two", true);
    eventually("it is in FAULT", ALLOWANCE * 2, || daemon.logged("Entering FAULT STATE") == 4);
    a.shell("ip addr del 10.9.0.200/32 dev eth0");
    eventually("it is back", ALLOWANCE, has);
    fails(&a, "one", true);
    eventually("nobody has it", ALLOWANCE * 2, || !a.holds("eth0", "10.9.0.200"));
    assert_eq!(daemon.stop().1, Some(0));
}

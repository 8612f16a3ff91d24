//! Interfaces of one's own on every kind of base, while the base is renamed, removed and made anew, or changes the
//! cable that it uses.

use std::time::Duration;

use crate::kit::bounds::{START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::net::Net;
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(100);
/// The guest is slow.
const SLOW: Duration = Duration::from_secs(15);

/// Bases that are neither cables nor bonds, how each is made, and the kind of ipvlan that is made on it.
const BASES: [(u8, &str, &str, &str); 4] = [
    (1, "eth0.5", "link eth0 name eth0.5 type vlan id 5", "bridge"),
    (2, "d0", "name d0 type dummy", "private"),
    (3, "br0", "name br0 type bridge", "vepa"),
    (4, "mv0", "link eth0.7 name mv0 type macvlan mode bridge", "private"),
];

/// Instances in one file.
fn file(instances: impl Iterator<Item = Instance>) -> String {
    let one = |instance: Instance| {
        let text = instance.text();
        text.split_once("}\n").map(|(_, rest)| rest.to_owned()).unwrap_or_default()
    };
    instances.map(one).collect()
}

fn make(node: &Node, number: u8, name: &str, how: &str) {
    node.shell(&format!(
        "set -e
        ip link add {how}; ip link set {name} up
        ip addr add 10.{number}.0.1/24 dev {name}; ip addr add fe80::{number}/64 dev {name} nodad"
    ));
}

/// Every base bears what `on` puts on it, loses it with its name and when it is removed, and gets it again.
fn come_and_go(on: impl Fn(u8, &'static str, &'static str) -> Vec<Instance>, kind: &str) {
    let net = Net::without_referee();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("ip link add link eth0 name eth0.7 type vlan id 7; ip link set eth0.7 up");
    for (number, name, how, _) in BASES {
        make(&a, number, name, how);
    }
    let text = file(BASES.into_iter().flat_map(|(number, name, _, flag)| on(number, name, flag)));
    let daemon = Daemon::start(&a, US, &text);
    let bears = |number: u8| {
        let held = a.all_addresses();
        [format!("10.{number}.0.100/"), format!("2001:db8:{number}::100/")]
            .iter()
            .all(|vip| held.iter().any(|(_, address)| address.starts_with(vip)))
    };
    let own = || {
        let shown = a.shell(&format!("ip -o link show type {kind}"));
        shown.lines().filter(|line| line.contains("vrrp.")).count()
    };
    let is_bare = || {
        let links = std::fs::read_dir(a.path("/sys/class/net")).expect("the interfaces of a node").flatten();
        !links.map(|link| link.file_name()).any(|name| name.to_string_lossy().starts_with("vrrp."))
            && !BASES.iter().any(|(number, ..)| bears(*number))
    };
    let all_there = |what: &str, number: u8| {
        eventually(&format!("{what}: MASTER on {number}"), START + SLOW + TIMING.master_down(150), || {
            bears(number)
        });
    };
    BASES.iter().for_each(|(number, ..)| all_there("first", *number));
    let count = own();
    assert_eq!(count, 2 * BASES.len(), "{}", a.shell("ip -d link"));
    let shown = a.shell(&format!("ip -d link show type {kind}"));
    let flags =
        BASES.iter().filter(|(.., flag)| kind == "ipvlan" && !shown.contains(&format!("mode l2 {flag}")));
    assert_eq!(flags.count(), 0, "{shown}");
    for (number, name, ..) in BASES {
        a.shell(&format!("ip link set {name} down; ip link set {name} name other{number}"));
    }
    eventually("all bear other names", SLOW, is_bare);
    for (number, name, ..) in BASES {
        a.shell(&format!(
            "ip link set other{number} name {name}; ip link set {name} up
            ip addr replace fe80::{number}/64 dev {name} nodad"
        ));
    }
    BASES.iter().for_each(|(number, ..)| all_there("renamed", *number));
    for (_, name, ..) in BASES {
        a.shell(&format!("ip link del {name}"));
    }
    eventually("all are gone", SLOW, is_bare);
    for (number, name, how, _) in BASES {
        make(&a, number, name, how);
    }
    BASES.iter().for_each(|(number, ..)| all_there("made anew", *number));
    assert_eq!(own(), count);
    daemon.stop();
    assert_eq!(own(), 0);
    assert!(!a.exists("/run/vrrp.changes"));
    let left = a.shell("ip -o addr show");
    assert!(!left.contains("::100/") && !left.contains(".0.100/"), "{left}");
}

fn both_families(number: u8, interface: &'static str, [four, six]: [&str; 2]) -> Vec<Instance> {
    const NAMES: [&str; 8] = ["A4", "B4", "C4", "D4", "A6", "B6", "C6", "D6"];
    let place = usize::from(number) - 1;
    let base = Instance { interface, interval: "1", vrid: 50 + number, ..Instance::default().priority(150) };
    let addresses = vec![format!("fe80::10{number}/64"), format!("2001:db8:{number}::100/64")];
    vec![
        Instance { name: NAMES[place], addresses: vec![format!("10.{number}.0.100/24")], ..base.clone() }
            .line(four),
        Instance { name: NAMES[place + 4], addresses, vrid: 60 + number, ..base }.line(six),
    ]
}

/// Macvlans on a VLAN, a dummy, a bridge and a macvlan of a VLAN, both families.
pub(crate) fn macvlans_come_and_go() {
    come_and_go(|number, name, _| both_families(number, name, ["use_vmac"; 2]), "macvlan");
}

/// Ipvlans on the same, each in another mode.
pub(crate) fn ipvlans_come_and_go() {
    let on = |number: u8, name, flag| {
        let four = format!("use_ipvlan 10.{number}.0.5{number}/24 {flag}");
        both_families(number, name, [&four, &format!("use_ipvlan {flag}")])
    };
    come_and_go(on, "ipvlan");
}

/// A bond that goes over to its other cable takes its macvlans along: the adverts go on, and the backup stays one.
pub(crate) fn bond_changes_its_cable() {
    let net = Net::without_referee();
    let a = net.node("a", "x0", &[]);
    net.plug(&a, "x1", &[]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    a.shell(
        "set -e
        ip link add bond0 type bond mode active-backup miimon 100
        for cable in x0 x1; do ip link set $cable down; ip link set $cable master bond0; done
        ip link set bond0 up; ip addr add 10.9.0.1/24 dev bond0",
    );
    let conf = |interface: &'static str, priority: u8| {
        let addresses = vec!["10.9.0.100/24".to_owned()];
        Instance { interface, interval: "1", addresses, ..Instance::default().priority(priority) }
            .line("use_vmac")
    };
    let daemon = Daemon::start(&a, US, &conf("bond0", 150).text());
    net.wait_master("a", daemon.since(), START + SLOW + TIMING.master_down(150));
    let peer = Daemon::start(&b, Program::Reference, &conf("eth0", 100).text());
    peer.wait_log("Entering BACKUP STATE", START + SLOW);
    let active = || a.read("/sys/class/net/bond0/bonding/active_slave").trim().to_owned();
    for (name, port, change) in
        [("x1", 1, "active_slave x1"), ("x0", 1, "active_slave x0"), ("x1", 1, ""), ("x0", 2, "")]
    {
        let changed = now();
        match change {
            "" => {
                net.set_carrier(&Net::port(port), false);
                eventually("the bond goes over", SLOW, || active() == name);
                net.set_carrier(&Net::port(port), true);
            }
            change => drop(a.shell(&format!("ip link set bond0 type bond {change}"))),
        }
        eventually("the bond goes over", SLOW, || active() == name);
        let advert = net.wait_master("a", changed, SLOW).advert().expect("an advert").mac;
        assert_eq!(advert, [0, 0, 0x5e, 0, 1, 51]);
        assert!(b.try_shell("ping -n -c 1 -W 5 10.9.0.100").status.success(), "{name}");
    }
    assert_eq!(daemon.logged("Entering MASTER STATE"), 1, "{}", daemon.log());
    assert_eq!(peer.logged("Entering MASTER STATE"), 0, "{}", peer.log());
    assert_eq!(daemon.logged("Entering FAULT STATE"), 0);
    daemon.stop();
    peer.stop();
}

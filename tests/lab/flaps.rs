//! A storm of changes below the daemon: the interface, its addresses and its name flap hundreds of times, faster than
//! anybody could follow. Afterwards there is one master, and the kernel has what it should have and nothing else.
//! Seeded, so that a failure comes again.

use std::fmt::Write;
use std::time::Duration;

use crate::kit::bounds::{START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::inject::Rng;
use crate::kit::net::Net;
use crate::kit::node::Node;

const TIMING: Timing = Timing::v3(10);
const VIP: &str = "10.9.0.100";
const FLAPS: usize = 200;

/// A line of shell for each change; each is undone by itself.
const CHANGES: [&str; 6] = [
    "ip link set eth0 down; ip link set eth0 up",
    "ip link set eth0 down; sleep 0.02; ip link set eth0 up",
    "ip addr del 10.9.0.1/24 dev eth0; ip addr add 10.9.0.1/24 dev eth0",
    "ip addr del 10.9.0.100/32 dev eth0",
    "ip link set eth0 name wan7; ip link set wan7 name eth0",
    "ip link set eth0 name wan7; sleep 0.02; ip link set wan7 name eth0",
];

fn storm(seed: u64) -> String {
    let mut rng = Rng::seeded(seed);
    let mut script = String::new();
    for _ in 0..FLAPS {
        let pause = rng.below(4) * 5;
        writeln!(script, "{{ {}; }} 2>/dev/null; sleep 0.{pause:03}", CHANGES[rng.below(CHANGES.len())])
            .expect("a string grows");
    }
    script + "exit 0\n"
}

/// What the kernel has of ours and of the interface's own.
fn inventory(node: &Node) -> (Vec<String>, String, String) {
    let mut addresses: Vec<String> =
        node.addresses("eth0").into_iter().filter(|text| !text.starts_with("fe80")).collect();
    addresses.sort();
    // How often the group of VRRP (224.0.0.18, as the kernel writes it) is joined, and where else something is ours.
    let joined = node
        .shell("awk '$1 ~ /:?[0-9]/ && NF > 4 {dev=$2} $1 == \"120000E0\" {print dev, $2}' /proc/net/igmp");
    let elsewhere = node.shell(&format!("ip -o addr show | grep -v ' eth0 ' | grep -c {VIP} || true"));
    (addresses, joined, elsewhere.trim().to_owned())
}

fn run(globals: &[&str], lines: &[&str]) {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let mut conf = Instance::default().priority(150);
    conf.globals.extend(globals.iter().map(|line| (*line).to_owned()));
    conf.before = lines.join("\n") + "\n";
    let first = Daemon::start(&a, Program::UnderTest, &conf.text());
    net.wait_master("a", first.since(), START + TIMING.master_down(150));
    let second = Daemon::start(&b, Program::UnderTest, &Instance::default().text());
    std::thread::sleep(Duration::from_millis(500));
    let fresh = inventory(&a);
    let child = first.vrrp_child();
    for seed in [0x666c_6170, 0x7374_6f72] {
        a.write("/run/storm", &storm(seed));
        a.shell("bash /run/storm");
        eventually("the better router is the only one with the address", Duration::from_secs(10), || {
            a.holds("eth0", VIP) && !b.holds("eth0", VIP)
        });
        let settled = now();
        net.wait_master("a", settled, TIMING.interval * 2);
        net.never("two masters", settled, TIMING.interval * 10, |event| event.is_advert_of("b"));
        assert_eq!(inventory(&a), fresh, "{}", first.log());
    }
    assert_eq!(first.vrrp_child(), child, "the child was replaced\n{}", first.log());
    let (_, code) = first.stop();
    assert_eq!(code, Some(0));
    assert_eq!(inventory(&a).0, ["10.9.0.1/24"]);
    second.stop();
}

#[test]
fn two_hundred_flaps_leave_one_master_and_nothing_wrong() {
    run(&[], &[]);
}

#[test]
fn two_hundred_flaps_that_netlink_loses_leave_one_master_and_nothing_wrong() {
    run(&["vrrp_netlink_monitor_rcv_bufs 2304"], &[]);
}

#[test]
fn two_hundred_flaps_of_an_interface_with_delays_that_is_polled_leave_one_master() {
    run(&[], &["interface_up_down_delays {\n    eth0 0.15 0.05\n}", "linkbeat_interfaces {\n    eth0\n}"]);
}

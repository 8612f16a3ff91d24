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
const FLAPS: usize = 200;

/// A line of shell for each change; each is undone by itself, or by the daemon.
const CHANGES: [&str; 6] = [
    "ip link set eth0 down; ip link set eth0 up",
    "ip link set eth0 down; sleep 0.02; ip link set eth0 up",
    "ip addr del 10.9.0.1/24 dev eth0; ip addr add 10.9.0.1/24 dev eth0",
    "ip addr flush to VIP",
    "ip link set eth0 name wan7; ip link set wan7 name eth0",
    "ip link set eth0 name wan7; sleep 0.02; ip link set wan7 name eth0",
];

fn storm(seed: u64, vip: &str) -> String {
    let mut rng = Rng::seeded(seed);
    let mut script = String::new();
    for _ in 0..FLAPS {
        let pause = rng.below(4) * 5;
        let change = CHANGES[rng.below(CHANGES.len())].replace("VIP", vip);
        writeln!(script, "{{ {change}; }} 2>/dev/null; sleep 0.{pause:03}").expect("a string grows");
    }
    script + "exit 0\n"
}

/// The addresses, where and how often the group of VRRP is joined, and the interfaces. Not their numbers: one of our
/// own that was made anew has another.
fn inventory(node: &Node) -> [String; 3] {
    [
        "ip -o addr show | awk '{print $2, $4}' | sort",
        // 224.0.0.18 and ff02::12, as the kernel writes them.
        "awk 'NF > 4 {dev=$2} $1 == \"120000E0\" {print dev, $2}' /proc/net/igmp
        awk '$3 == \"ff020000000000000000000000000012\" {print $2, $4}' /proc/net/igmp6",
        "ip -o link show | awk '{print $2, $3}' | sort",
    ]
    .map(|line| node.shell(line))
}

/// `conf`: of the better router; the other has the same addresses.
fn run(holder: &str, conf: Instance) {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let vip = conf.addresses.last().expect("an address").clone();
    let other = Instance { addresses: conf.addresses.clone(), ..Instance::default() };
    let before = inventory(&a);
    let first = Daemon::start(&a, Program::UnderTest, &conf.priority(150).text());
    net.wait_master("a", first.since(), START + TIMING.master_down(150));
    let second = Daemon::start(&b, Program::UnderTest, &other.text());
    std::thread::sleep(Duration::from_millis(500));
    let fresh = inventory(&a);
    // A macvlan hears what bears its own address, its base the rest.
    let joined = if holder == "eth0" { "eth0 1\n".to_owned() } else { format!("eth0 1\n{holder} 1\n") };
    assert_eq!(fresh[1], joined, "the group is joined once on each interface");
    let child = first.vrrp_child();
    for seed in [0x666c_6170, 0x7374_6f72] {
        a.write("/run/storm", &storm(seed, &vip));
        a.shell("bash /run/storm");
        eventually("the better router is the only one with the address", Duration::from_secs(10), || {
            a.holds(holder, &vip) && !b.holds("eth0", &vip)
        });
        let settled = now();
        net.wait_master("a", settled, TIMING.interval * 2);
        net.never("two masters", settled, TIMING.interval * 10, |event| event.is_advert_of("b"));
        assert_eq!(inventory(&a), fresh, "{}", first.log());
    }
    assert_eq!(first.vrrp_child(), child, "the child was replaced\n{}", first.log());
    let (_, code) = first.stop();
    assert_eq!(code, Some(0));
    assert_eq!(inventory(&a), before);
    second.stop();
}

fn six() -> Instance {
    Instance { addresses: vec!["fe80::9:9".to_owned(), "2001:db8::9".to_owned()], ..Instance::default() }
}

#[test]
fn two_hundred_flaps_leave_one_master_and_nothing_wrong() {
    run("eth0", Instance::default());
}

#[test]
fn two_hundred_flaps_over_ipv6_leave_one_master_and_nothing_wrong() {
    run("eth0", six());
}

#[test]
fn two_hundred_flaps_that_netlink_loses_leave_one_master_and_nothing_wrong() {
    run("eth0", Instance::default().global("vrrp_netlink_monitor_rcv_bufs 2304"));
}

#[test]
fn two_hundred_flaps_of_an_interface_with_delays_that_is_polled_leave_one_master() {
    let delays = "interface_up_down_delays {\n    eth0 0.15 0.05\n}";
    run("eth0", Instance::default().before(delays).before("linkbeat_interfaces {\n    eth0\n}"));
}

#[test]
fn two_hundred_flaps_below_a_macvlan_leave_one_master_and_one_macvlan() {
    run("vrrp.51", Instance::default().line("use_vmac"));
}

#[test]
fn two_hundred_flaps_below_a_macvlan_over_ipv6_leave_one_master_and_one_macvlan() {
    run("vrrp.51", six().line("use_vmac"));
}

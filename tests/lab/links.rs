//! What happens below the daemon: addresses taken away by hand, links and interfaces that come and go.

use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::steps;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const VIP: &str = "10.9.0.100";

fn elected(priority: u8) -> Duration {
    START + TIMING.master_down(priority)
}

#[test]
fn an_address_deleted_by_hand_is_put_back_at_once() {
    if is_reference("it gives up being master and comes back after its skew time") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let mut conf = Instance::default();
    conf.addresses.push("10.9.0.101/24 label eth0:x".to_owned());
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), elected(100));
    steps::address_is_at("eth0", "10.9.0.101", &a, &[]);
    let deleted = now();
    for round in 0..2 {
        a.shell("ip addr del 10.9.0.100/32 dev eth0; ip addr del 10.9.0.101/24 dev eth0");
        steps::address_is_at("eth0", VIP, &a, &[]);
        steps::address_is_at("eth0", "10.9.0.101", &a, &[]);
        let listing = a.shell("ip -o addr show dev eth0");
        assert!(listing.contains("eth0:x"), "round {round}: with its label: {listing}");
        std::thread::sleep(Duration::from_millis(1_500));
    }
    net.never("a goodbye", deleted, Duration::ZERO, |event| event.is_goodbye_of("a"));
    assert!(steps::longest_gap(&net, deleted, "a") <= TIMING.interval + ALLOWANCE, "{}", net.story(deleted));
    assert!(daemon.log().contains(&format!("IP {VIP} removed from eth0")), "the removal is told by name");
    assert_eq!(daemon.logged("Entering BACKUP STATE"), 1, "it stayed master\n{}", daemon.log());
    drop(daemon);
}

#[test]
fn an_address_deleted_again_and_again_makes_it_bounce() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), elected(100));
    steps::address_is_at("eth0", VIP, &a, &[]);
    let begin = now();
    for _ in 0..12 {
        a.try_shell("ip addr del 10.9.0.100/32 dev eth0");
        std::thread::sleep(Duration::from_millis(200));
    }
    net.wait("a goodbye", begin, Duration::from_secs(3), |event| event.is_goodbye_of("a"));
    net.wait_master("a", now(), TIMING.master_down(100));
    steps::address_is_at("eth0", VIP, &a, &[]);
}

#[test]
fn an_untracked_address_stays_deleted() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = Instance { addresses: vec![format!("{VIP} no_track")], ..Instance::default() };
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), elected(100));
    steps::address_is_at("eth0", VIP, &a, &[]);
    let deleted = now();
    a.shell("ip addr del 10.9.0.100/32 dev eth0");
    net.never("a goodbye", deleted, Duration::from_secs(1), |event| event.is_goodbye_of("a"));
    assert!(!a.holds("eth0", VIP));
}

#[test]
fn link_down_and_carrier_loss_lead_to_fault_and_back() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().priority(150).text());
    let _peer = Daemon::start(&b, Program::Reference, &Instance::default().text());
    net.wait_master("a", daemon.since(), elected(150));
    let actions: [(&str, &dyn Fn(bool)); 2] = [
        ("link", &|up| drop(a.shell(&format!("ip link set eth0 {}", if up { "up" } else { "down" })))),
        ("carrier", &|up| net.set_carrier(&Net::port(1), up)),
    ];
    for (round, (what, set)) in actions.iter().enumerate() {
        let cut = now();
        set(false);
        eventually(&format!("{what} down leads to FAULT"), ALLOWANCE, || {
            daemon.logged("Entering FAULT STATE") == round + 1
        });
        eventually("the address is gone", ALLOWANCE, || !a.holds("eth0", VIP));
        net.wait_master("b", cut, TIMING.interval + TIMING.master_down(100));
        let back = now();
        set(true);
        net.wait_master("a", back, TIMING.interval + TIMING.master_down(150));
        steps::address_is_at("eth0", VIP, &a, &[&b]);
    }
    assert_eq!(daemon.logged("Entering BACKUP STATE"), 3, "each time by way of BACKUP\n{}", daemon.log());
    drop(daemon);
}

#[test]
fn an_interface_deleted_and_made_anew_comes_back() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), elected(100));
    a.shell("ip link del eth0");
    daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
    std::thread::sleep(Duration::from_millis(200));
    let back = now();
    net.plug(&a, "eth0", &["10.9.0.1/24"]);
    net.wait_master("a", back, Duration::from_millis(300) + TIMING.master_down(100));
    steps::address_is_at("eth0", VIP, &a, &[]);
    drop(daemon);
}

#[test]
fn no_address_at_the_start_is_a_fault_until_one_comes() {
    let net = Net::new();
    let a = net.node("a", "eth0", &[]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.never("adverts", daemon.since(), Duration::from_secs(1), |event| event.is_advert_of("a"));
    assert!(daemon.log().contains("FAULT"), "{}", daemon.log());
    let came = now();
    a.shell("ip addr add 10.9.0.1/24 dev eth0");
    net.wait_master("a", came, TIMING.master_down(100));
}

#[test]
fn an_interface_that_comes_without_an_address_leaves_no_riddle() {
    let net = Net::new();
    let a = net.node("a", "eth0", &[]);
    a.shell("ip link set eth0 down");
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    daemon.wait_log("entering FAULT state", ALLOWANCE);
    a.shell("ip link set eth0 up");
    daemon.wait_log("still in FAULT state because: no IPv4 address on interface eth0", ALLOWANCE);
    drop(daemon);
}

#[test]
fn a_tracked_interface_changes_the_priority_or_is_a_fault() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell(
        "ip link add up0 type veth peer name up1; ip link set up1 up; ip link set up0 up; \
         ip link add must0 type veth peer name must1; ip link set must1 up; ip link set must0 up",
    );
    let tracked = "track_interface {\n        up0 weight -40\n        must0\n    }";
    let daemon = Daemon::start(&a, US, &Instance::default().line(tracked).text());
    let priority_of = |wanted: u8, since| {
        net.wait(&format!("priority {wanted}"), since, TIMING.interval * 2, |event| {
            event.node == "a" && event.advert().is_some_and(|advert| advert.priority == wanted)
        });
    };
    net.wait_master("a", daemon.since(), elected(100));
    priority_of(100, now());
    let lost = now();
    a.shell("ip link set up0 down");
    priority_of(60, lost);
    let back = now();
    a.shell("ip link set up0 up");
    priority_of(100, back);
    net.never("a goodbye", lost, Duration::ZERO, |event| event.is_goodbye_of("a"));

    let lost = now();
    a.shell("ip link set must0 down");
    net.wait("a goodbye", lost, Duration::ZERO, |event| event.is_goodbye_of("a"));
    daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
    eventually("the address is gone", ALLOWANCE, || !a.holds("eth0", VIP));
    let back = now();
    a.shell("ip link set must0 up");
    net.wait_master("a", back, TIMING.master_down(100));
    drop(daemon);
}

/// Messages about an interface are lost in a flood of others, and it has another name afterwards: the BACKUP is MASTER, and
/// the address is there alone.
#[test]
fn an_address_does_not_stay_on_an_interface_that_was_renamed_unheard() {
    if is_reference("it stays on the renamed interface") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    a.shell("ip link add flood type veth peer name flood1");
    let conf = Instance { addresses: vec![VIP.into()], ..Instance::default() }
        .line("virtual_ipaddress_excluded {\n 2001:db8::100/64\n}")
        .before("static_ipaddress {\n 10.7.0.1/24 dev eth0\n}");
    let daemon = Daemon::start(&a, US, &conf.clone().priority(150).text());
    net.wait_master("a", daemon.since(), elected(150));
    steps::address_is_at("eth0", VIP, &a, &[]);
    let _peer = Daemon::start(&b, US, &Instance::default().text());
    // More than the largest queue that the kernel gives without asking.
    a.write(
        "/run/flood",
        &(0..20_000)
            .map(|n| format!("addr add 10.100.{}.{}/32 dev flood\n", n / 250, n % 250 + 1))
            .collect::<String>(),
    );
    let (parent, child) = (daemon.first(), daemon.vrrp_child());
    a.shell(&format!(
        "kill -STOP {parent_in} {child_in}; ip -batch /run/flood; ip link set eth0 down; ip link set eth0 name moved
        ip link set moved up
        kill -CONT {child_in}; sleep 0.2; kill -CONT {parent_in}",
        parent_in = inside(parent),
        child_in = inside(child),
    ));
    daemon.freeze(false);
    daemon.wait_log("messages were lost", START);
    let gone = || [VIP, "2001:db8::100", "10.7.0.1"].iter().all(|address| !a.holds("moved", address));
    eventually("nothing of ours is left there", START, gone);
    steps::address_is_at("eth0", VIP, &b, &[]);
    assert!(a.holds("moved", "10.9.0.1"), "{:?}", a.addresses("moved"));
}

/// The number that a process has within its node.
fn inside(pid: i32) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find(|line| line.starts_with("NSpid:")).expect("namespaces");
    line.split_whitespace().last().expect("a number").to_owned()
}

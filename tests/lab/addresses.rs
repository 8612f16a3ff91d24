//! Virtual addresses: their options, the machine's own addresses beside them, and what others do to both.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kit::bounds::{ALLOWANCE, LINK, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::{Net, between};
use crate::kit::node::Node;
use crate::steps;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const VIP: &str = "10.9.0.100";

fn elected(priority: u8) -> Duration {
    START + TIMING.master_down(priority)
}

/// The line that `ip` shows of an address.
fn shown(node: &Node, interface: &str, address: &str) -> String {
    let listing = node.shell(&format!("ip -o addr show dev {interface}"));
    let line = listing.lines().find(|line| line.contains(&format!(" {address}/")));
    line.unwrap_or_else(|| panic!("{address} is not on {interface}:\n{listing}")).to_owned()
}

#[test]
fn every_option_of_an_address_reaches_the_kernel() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24", "fe80::1/64"]);
    a.shell("ip link add other type veth peer name other1; ip link set other up; ip link set other1 up");
    let conf = Instance {
        addresses: vec![
            VIP.to_owned(),
            "10.9.1.101/24 brd 10.9.1.255 dev eth0 scope link label eth0:vip".to_owned(),
            "192.0.2.1/28 brd + dev other".to_owned(),
            "10.9.0.103/32 scope host".to_owned(),
        ],
        ..Instance::default()
    }
    .line("virtual_ipaddress_excluded {\n        2001:db8::100\n        2001:db8::101/64\n        2001:db8::102/64 preferred_lft 0\n    }");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), elected(100));
    eventually("all addresses are there", ALLOWANCE, || {
        a.holds("eth0", "2001:db8::102") && a.holds("other", "192.0.2.1")
    });
    for (interface, address, wanted, unwanted) in [
        ("eth0", VIP, vec!["10.9.0.100/32", "scope global"], vec!["brd", "eth0:"]),
        ("eth0", "10.9.1.101", vec!["10.9.1.101/24 brd 10.9.1.255", "scope link", "eth0:vip"], vec![]),
        ("other", "192.0.2.1", vec!["192.0.2.1/28 brd 192.0.2.15"], vec![]),
        ("eth0", "10.9.0.103", vec!["10.9.0.103/32", "scope host"], vec![]),
        (
            "eth0",
            "2001:db8::100",
            vec!["2001:db8::100/128", "nodad", "deprecated", "preferred_lft 0sec"],
            vec!["tentative"],
        ),
        (
            "eth0",
            "2001:db8::101",
            vec!["2001:db8::101/64", "nodad", "preferred_lft forever"],
            vec!["deprecated"],
        ),
        ("eth0", "2001:db8::102", vec!["2001:db8::102/64", "deprecated", "preferred_lft 0sec"], vec![]),
    ] {
        let line = shown(&a, interface, address);
        for word in wanted {
            assert!(line.contains(word), "{word} is missing: {line}");
        }
        for word in unwanted {
            assert!(!line.contains(word), "{word} must not be there: {line}");
        }
    }
    let advert = net.adverts(daemon.since(), "a").pop().expect("an advert");
    assert_eq!(advert.advert().expect("an advert").addresses.len(), 4, "excluded ones are not advertised");
    net.wait("an excluded address is announced", daemon.since(), elected(100), |event| {
        event.announces("a", "2001:db8::101")
    });
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    let left = a.shell("ip -o addr show dev eth0 scope global");
    assert!(left.lines().count() == 1 && left.contains("10.9.0.1/24"), "{left}");
    assert_eq!(a.shell("ip -o -4 addr show dev other"), "", "everything was taken off again");
}

#[test]
fn twenty_addresses_flushed_at_once_are_put_back() {
    if is_reference("it gives up being master and comes back after its skew time") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = Instance {
        addresses: (100..120).map(|last| format!("10.9.0.{last}")).collect(),
        ..Instance::default()
    };
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), elected(100));
    eventually("all are there", ALLOWANCE, || {
        a.addresses("eth0").iter().filter(|there| there.starts_with("10.")).count() == 21
    });
    let begin = now();
    for _ in 0..2 {
        a.shell("for last in $(seq 100 119); do echo addr del 10.9.0.$last/32 dev eth0; done | ip -batch -");
        eventually("all are back", ALLOWANCE, || {
            a.addresses("eth0").iter().filter(|there| there.starts_with("10.")).count() == 21
        });
    }
    net.never("a goodbye", begin, TIMING.interval * 3, |event| event.is_goodbye_of("a"));
    assert_eq!(daemon.logged("Entering"), 2, "{}", daemon.log());
}

#[test]
fn an_owner_keeps_its_own_address() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24", "10.9.0.2/24"]);
    // The address of the interface itself, and a second one of the machine that has another length here.
    for (own, conf) in [("10.9.0.1", "10.9.0.1/24"), ("10.9.0.2", "10.9.0.2/24"), ("10.9.0.1", "10.9.0.1")] {
        let instance = Instance { addresses: vec![conf.to_owned(), VIP.to_owned()], ..Instance::default() };
        let text = instance.priority(255).text().replace("state BACKUP", "state MASTER");
        let before = a.addresses("eth0");
        let daemon = Daemon::start(&a, US, &text);
        net.wait_master("a", daemon.since(), START);
        steps::address_is_at("eth0", VIP, &a, &[]);
        assert!(a.holds("eth0", own));
        // Down and up: FAULT, and MASTER again with everything in place.
        let cut = now();
        a.shell("ip link set eth0 down");
        daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
        eventually("the other address is gone", ALLOWANCE, || !a.holds("eth0", VIP));
        assert!(a.holds("eth0", own), "{conf}: the own address stays in FAULT");
        a.shell("ip link set eth0 up");
        net.wait_master("a", cut, TIMING.master_down(255));
        steps::address_is_at("eth0", VIP, &a, &[]);
        daemon.signal(Signal::SIGHUP);
        daemon.wait_log("Reload complete", START);
        assert_eq!(daemon.logged("Entering FAULT STATE"), 1, "{}", daemon.log());
        let (_, code) = daemon.stop();
        assert_eq!(code, Some(0));
        let mut after = a.addresses("eth0");
        after.sort();
        assert_eq!(after, before, "{conf}: neither lost nor left behind");
    }
}

/// What it takes off itself at the start it puts on again at once, and nobody else is blamed for that.
#[test]
fn an_owner_that_starts_over_a_left_over_blames_nobody() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let instance = Instance { addresses: vec!["10.9.0.1/24".into(), VIP.into()], ..Instance::default() };
    let text = instance.priority(255).text().replace("state BACKUP", "state MASTER");
    let daemon = Daemon::start(&a, US, &text);
    net.wait_master("a", daemon.since(), START);
    steps::address_is_at("eth0", VIP, &a, &[]);
    daemon.kill();
    assert!(a.holds("eth0", VIP), "a left-over");
    let daemon = Daemon::start(&a, US, &text);
    net.wait_master("a", daemon.since(), START);
    std::thread::sleep(TIMING.interval * 3);
    assert!(a.holds("eth0", VIP));
    assert_eq!(daemon.logged("find out who deletes"), 0, "{}", daemon.log());
    if is_reference("it does not put back what is deleted") {
        return;
    }
    a.shell(&format!("ip addr del {VIP}/32 dev eth0"));
    steps::address_is_at("eth0", VIP, &a, &[]);
    daemon.wait_log("find out who deletes", ALLOWANCE);
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    assert!(!a.holds("eth0", VIP) && a.holds("eth0", "10.9.0.1"), "{:?}", a.addresses("eth0"));
}

#[test]
fn the_interface_loses_its_address_and_gets_it_back() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().priority(150).text());
    let peer = Daemon::start(&b, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), elected(150));
    for round in 1..=2 {
        let lost = now();
        a.shell("ip addr del 10.9.0.1/24 dev eth0");
        let goodbye = net.wait("a goodbye", lost, Duration::ZERO, |event| event.is_goodbye_of("a"));
        let first = net.wait_master("b", goodbye.at, TIMING.skew(100));
        assert!(
            between(goodbye.at, first.at) < TIMING.interval * 3,
            "after the skew time, not after the master-down time"
        );
        daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
        steps::address_is_at("eth0", VIP, &b, &[&a]);
        let back = now();
        a.shell("ip addr add 10.9.0.1/24 dev eth0");
        net.wait_master("a", back, TIMING.master_down(150));
        steps::address_is_at("eth0", VIP, &a, &[&b]);
        assert_eq!(daemon.logged("Entering FAULT STATE"), round);
    }
    drop(peer);
}

#[test]
fn a_goodbye_does_not_leave_by_another_interface() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell(
        "ip link add spare type veth peer name spare1; \
         for l in spare spare1; do echo 1 > /proc/sys/net/ipv6/conf/$l/disable_ipv6; done; \
         ip link set spare1 up; ip link set spare up; \
         ip addr add 192.0.2.1/24 dev spare; ip route add default via 192.0.2.2",
    );
    let conf = Instance::default().line("mcast_src_ip 10.9.0.1");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), elected(100));
    a.shell(
        "nft 'add table ip count; add chain ip count out { type filter hook output priority 0; }; \
         add rule ip count out oifname spare ip protocol 112 counter'",
    );
    // The interface is no more by name, and at once: it does not go down first.
    if !a.try_shell("ip link set eth0 name lan").status.success() {
        a.shell("ip link del eth0");
    }
    daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
    std::thread::sleep(Duration::from_millis(200));
    let counted = a.shell("nft list chain ip count out");
    assert!(
        counted.contains("counter packets 0 "),
        "nothing of this router is any business of that network: {counted}"
    );
}

#[test]
fn a_firewall_that_refuses_adverts_is_told_with_the_remedy_and_takes_no_address_off() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), elected(100));
    steps::address_is_at("eth0", VIP, &a, &[]);
    a.shell(
        "nft 'add table ip mine; add chain ip mine out { type filter hook output priority 0; }; \
         add rule ip mine out ip protocol 112 drop'",
    );
    daemon.wait_log("send advert error 1 (Operation not permitted)", ALLOWANCE * 2);
    std::thread::sleep(TIMING.interval * 3);
    if !is_reference("it names the error alone, for each advert") {
        assert_eq!(daemon.logged("send advert error"), 1, "{}", daemon.log());
        assert_eq!(daemon.logged("a firewall of this host refuses it"), 1, "{}", daemon.log());
    }
    assert!(a.holds("eth0", VIP), "its pair may have the same rules: somebody has to serve the address");
    let open = now();
    a.shell("nft delete table ip mine");
    net.wait_master("a", open, TIMING.interval);
    assert_eq!(daemon.logged("FAULT"), 0, "{}", daemon.log());
}

#[test]
fn a_storm_of_changes_loses_nothing() {
    if is_reference("it gives up being master and comes back after its skew time") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("ip link add storm type veth peer name storm1; ip link set storm up; ip link set storm1 up");
    let mut conf = Instance::default()
        .global("vrrp_netlink_monitor_rcv_bufs 2304")
        .line("track_interface {\n        storm weight -20\n    }");
    conf.addresses.push("10.9.0.101".to_owned());
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), elected(100));
    steps::address_is_at("eth0", "10.9.0.101", &a, &[]);
    let begin = now();
    // In the middle of the storm two addresses of ours go and a tracked link goes down.
    a.shell(
        "cd /run; { for i in $(seq 1 250); do for j in 1 2 3 4; do echo addr add 198.18.$j.$i/32 dev storm; done; done; \
           echo addr del 10.9.0.100/32 dev eth0; echo addr del 10.9.0.101/32 dev eth0; \
           echo link set storm down; \
           for i in $(seq 1 250); do for j in 1 2 3 4; do echo addr del 198.18.$j.$i/32 dev storm; done; done; } > batch; \
         ip -batch batch",
    );
    steps::address_is_at("eth0", VIP, &a, &[]);
    steps::address_is_at("eth0", "10.9.0.101", &a, &[]);
    net.wait("the weight of the link counts", begin, TIMING.interval * 2, |event| {
        event.node == "a" && event.advert().is_some_and(|advert| advert.priority == 80)
    });
    assert!(daemon.log().contains("ENOBUFS"), "the storm was too weak for this test\n{}", daemon.log());
    // Heard again as before.
    let back = now();
    a.shell("ip link set storm up");
    net.wait("the link is up again", back, TIMING.interval * 2, |event| {
        event.node == "a" && event.advert().is_some_and(|advert| advert.priority == 100)
    });
    net.never("a goodbye", begin, Duration::ZERO, |event| event.is_goodbye_of("a"));
    a.shell("ip link set eth0 down");
    daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
}

#[test]
fn a_renamed_interface_does_not_keep_the_addresses() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().priority(150).text());
    let _peer = Daemon::start(&b, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), elected(150));
    steps::address_is_at("eth0", VIP, &a, &[&b]);
    let renamed = now();
    // Older kernels rename only what is down; down alone already takes the address off.
    if !a.try_shell("ip link set eth0 name lan").status.success() {
        a.shell("ip link set eth0 down; ip link set eth0 name lan; ip link set lan up");
    }
    daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
    net.wait_master("b", renamed, TIMING.interval + TIMING.master_down(100));
    eventually("the address left the renamed interface", ALLOWANCE, || !a.holds("lan", VIP));
    assert!(a.holds("lan", "10.9.0.1"));
    let back = now();
    if !a.try_shell("ip link set lan name eth0").status.success() {
        a.shell("ip link set lan down; ip link set lan name eth0; ip link set eth0 up");
    }
    net.wait_master("a", back, LINK + TIMING.master_down(150));
    steps::address_is_at("eth0", VIP, &a, &[&b]);
}

#[test]
fn an_interface_that_comes_later_is_waited_for() {
    if is_reference("it ends with exit code 2 unless dynamic_interfaces is set") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = Instance { interface: "late0", ..Instance::default() };
    let daemon = Daemon::start(&a, US, &conf.text());
    daemon.wait_log("FAULT", START);
    net.never("adverts", daemon.since(), TIMING.master_down(100) * 2, |event| event.advert().is_some());
    let plugged = now();
    net.plug(&a, "late0", &["10.9.0.7/24"]);
    net.wait_master("a", plugged, Duration::from_millis(300) + TIMING.master_down(100));
    steps::address_is_at("late0", VIP, &a, &[]);
}

#[test]
fn a_primary_that_is_not_tracked_may_go_down() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().line("dont_track_primary").text());
    net.wait_master("a", daemon.since(), elected(100));
    steps::address_is_at("eth0", VIP, &a, &[]);
    a.shell("ip link set eth0 down");
    daemon.wait_log("send advert error 10", ALLOWANCE * 2);
    assert!(a.holds("eth0", VIP), "it stays master and keeps the address");
    let back = now();
    a.shell("ip link set eth0 up");
    net.wait_master("a", back, LINK + TIMING.interval);
    net.never("a goodbye", daemon.since(), Duration::ZERO, |event| event.is_goodbye_of("a"));
    assert_eq!(daemon.logged("Entering"), 2, "{}", daemon.log());
    assert!(a.holds("eth0", VIP));
}

#[test]
fn another_ethernet_address_is_announced() {
    if is_reference("it announces only what it has just added") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = Instance::default().line("garp_master_delay 0").line("garp_master_repeat 1");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), elected(100));
    net.wait("the address is announced", daemon.since(), START, |event| event.announces("a", VIP));
    let changed = now();
    a.shell("ip link set eth0 address 02:00:00:00:77:77");
    net.wait("it is announced anew", changed, Duration::ZERO, |event| {
        matches!(&event.what, crate::kit::decode::What::Announce { address, mac }
            if address.to_string() == VIP && *mac == [2, 0, 0, 0, 0x77, 0x77])
    });
    assert_eq!(daemon.logged("Entering"), 2, "{}", daemon.log());
}

#[test]
fn a_refused_address_is_told_once_and_tried_until_it_is_taken() {
    if is_reference("it tries once") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.shell("echo 1 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6");
    let conf = Instance::default()
        .line("garp_master_delay 0")
        .line("virtual_ipaddress_excluded {\n        2001:db8::9/64\n    }");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), elected(100));
    std::thread::sleep(Duration::from_millis(2_300));
    assert_eq!(daemon.logged("cannot add 2001:db8::9/64"), 1, "{}", daemon.log());
    let allowed = now();
    a.shell("echo 0 > /proc/sys/net/ipv6/conf/eth0/disable_ipv6");
    net.wait("it is announced", allowed, Duration::from_secs(1), |event| event.announces("a", "2001:db8::9"));
    assert!(a.holds("eth0", "2001:db8::9"));
}

#[test]
fn an_address_that_others_may_have_is_no_source_yet() {
    let net = Net::new();
    let a = net.node("a", "eth0", &[]);
    // Duplicate address detection takes a second, here as everywhere by default.
    a.shell(
        "cd /proc/sys/net/ipv6/conf/eth0; echo 1 > addr_gen_mode; echo 1 > accept_dad; echo 1 > dad_transmits; \
         ip -6 addr flush dev eth0",
    );
    let conf = Instance { addresses: vec!["fe80::9/64".to_owned()], ..Instance::default() };
    let daemon = Daemon::start(&a, US, &conf.text());
    daemon.wait_log("FAULT", START);
    let added = now();
    a.shell("ip addr add fe80::abc/64 dev eth0");
    let first = net.wait_master("a", added, Duration::from_secs(2) + TIMING.master_down(100));
    assert!(between(added, first.at) > TIMING.master_down(100) + Duration::from_millis(300));
    assert_eq!(daemon.logged("send advert error"), 0, "{}", daemon.log());
}

#[test]
fn addresses_stay_when_they_are_to_stay() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write(crate::kit::daemon::CONF, &Instance::default().text());
    let daemon = crate::kit::daemon::Launch::new(&a, US)
        .arguments(&["-n", "-l", "-G", "-D", "-V", "-f", crate::kit::daemon::CONF])
        .start();
    net.wait_master("a", daemon.since(), elected(100));
    steps::address_is_at("eth0", VIP, &a, &[]);
    let stopped = now();
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    net.never("a goodbye", stopped, TIMING.interval, |event| event.is_goodbye_of("a"));
    assert!(a.holds("eth0", VIP));
}

/// The kernel lists an address of a narrow scope before the interface's own; adverts come from that one all the same.
#[test]
fn a_static_address_is_no_source_while_the_interface_has_its_own() {
    let text = |own: &str| {
        format!("static_ipaddress {{\n{own} dev eth0 scope link\n}}\n{}", Instance::default().text())
    };
    for program in [Program::UnderTest, Program::Reference] {
        let net = Net::new();
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        let daemon = Daemon::start(&a, program, &text("10.1.1.1/32"));
        let first = net.wait_master("a", daemon.since(), START + Timing::v3(10).master_down(100));
        assert_eq!(first.advert().expect("an advert").source.to_string(), "10.9.0.1", "{program:?}");
        assert!(a.holds("eth0", "10.1.1.1"));
        daemon.stop();
    }
}

#[test]
fn an_address_whose_lifetime_or_flags_somebody_changes_is_put_right() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24", "fe80::1/64"]);
    a.shell("ip link add other type veth peer name other1; ip link set other up; ip link set other1 up");
    let four = Instance { addresses: vec![format!("{VIP}/24")], ..Instance::default() };
    let own = "virtual_ipaddress_excluded {\n        2001:db8::5\n        2001:db8:1::5/64\n    }";
    let static_ = "static_ipaddress {\n    10.7.0.1/24 dev other\n}\n";
    // Nobody takes over while its child is stopped.
    let patient = four.line(own).line("down_timer_adverts 50").before(static_);
    let daemon = Daemon::start(&a, US, &patient.text());
    net.wait_master("a", daemon.since(), elected(100) + TIMING.interval * 50);
    let changes = [
        ("eth0", "10.9.0.100", "10.9.0.100/24 dev eth0 valid_lft 2 preferred_lft 1"),
        ("other", "10.7.0.1", "10.7.0.1/24 dev other valid_lft 100 preferred_lft 0"),
        ("eth0", "2001:db8:1::5", "2001:db8:1::5/64 dev eth0 valid_lft 2 preferred_lft 1"),
        ("eth0", "2001:db8:1::5", "2001:db8:1::5/64 dev eth0 noprefixroute"),
        // One of 128 bits is not for the machine's own connections unless it says so.
        ("eth0", "2001:db8::5", "2001:db8::5/128 dev eth0 preferred_lft forever"),
    ];
    for (interface, address, _) in changes {
        eventually(address, ALLOWANCE, || a.holds(interface, address));
    }
    let before = changes.map(|(interface, address, _)| shown(&a, interface, address));
    let begin = now();
    for ((interface, address, change), before) in changes.iter().zip(&before) {
        a.shell(&format!("ip addr change {change}"));
        if is_reference("it does not notice before the kernel takes the address off") {
            assert_ne!(shown(&a, interface, address), *before, "{change}");
            continue;
        }
        eventually(change, ALLOWANCE, || {
            a.holds(interface, address) && shown(&a, interface, address) == *before
        });
    }
    if is_reference("see above") {
        return;
    }
    assert_eq!(daemon.logged("it is as configured again"), changes.len(), "{}", daemon.log());
    // A new child does not take over what is not as it should be; static ones lose the mark that tells whose they are.
    let child = nix::unistd::Pid::from_raw(daemon.vrrp_child());
    nix::sys::signal::kill(child, Signal::SIGSTOP).expect("the child runs");
    for (_, _, change) in [&changes[0], &changes[2]] {
        a.shell(&format!(
            "ip addr change {}",
            change.replace("_lft 2 ", "_lft 200 ").replace("_lft 1", "_lft 100")
        ));
    }
    nix::sys::signal::kill(child, Signal::SIGKILL).expect("the child runs");
    for ((interface, address, change), before) in changes.iter().zip(&before).take(3).step_by(2) {
        eventually(change, START, || a.holds(interface, address) && shown(&a, interface, address) == *before);
    }
    // Nobody else's are looked at, and who does not give up is not fought for ever.
    a.shell("ip addr change 10.9.0.1/24 dev eth0 valid_lft 100 preferred_lft 100");
    a.shell(&format!("for i in $(seq 30); do ip addr change {}; done", changes[0].2));
    eventually("it is there in the end", Duration::from_secs(4), || {
        a.holds("eth0", VIP) && shown(&a, "eth0", VIP) == before[0]
    });
    net.never("a goodbye", begin, TIMING.interval * 3, |event| event.is_goodbye_of("a"));
    assert!(daemon.logged("it is as configured again") < changes.len() + 13, "{}", daemon.log());
    daemon.stop();
    assert!(shown(&a, "eth0", "10.9.0.1").contains("valid_lft"), "it is not ours");
}

/// The kernel takes the addresses of a network off with the first one: nobody deleted them.
#[test]
fn an_address_that_falls_with_the_first_of_its_network_is_told_as_that() {
    if is_reference("it steps down") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24", "10.8.0.1/24"]);
    a.shell("echo 0 > /proc/sys/net/ipv4/conf/eth0/promote_secondaries; echo 0 > /proc/sys/net/ipv4/conf/all/promote_secondaries");
    let addresses = vec!["10.8.0.100/24".to_owned(), "10.8.0.101/24".to_owned()];
    let daemon = Daemon::start(&a, US, &Instance { addresses, ..Instance::default() }.text());
    net.wait_master("a", daemon.since(), elected(100));
    eventually("it serves", ALLOWANCE, || a.holds("eth0", "10.8.0.101"));
    a.shell("ip addr del 10.8.0.1/24 dev eth0");
    for address in ["10.8.0.100", "10.8.0.101"] {
        let words =
            format!("(VI_1) {address} went with the first address of its network on eth0 and was put back");
        daemon.wait_log(&words, ALLOWANCE);
        assert!(a.holds("eth0", address));
    }
    assert_eq!(daemon.logged("find out who deletes it"), 0, "{}", daemon.log());
    // The second one alone, by somebody.
    a.shell("ip addr del 10.8.0.101/24 dev eth0");
    daemon.wait_log("(VI_1) 10.8.0.101 put back on eth0; find out who deletes it", ALLOWANCE);
    assert_eq!(daemon.logged("10.8.0.101 went with"), 1);
}

//! What the protocol's options promise about time: delays before preempting, and announcements.

use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, EARLY, START, Timing};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::decode::Event;
use crate::kit::net::{Net, between, spacings};
use crate::kit::node::Node;
use crate::steps;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const VIP: &str = "10.9.0.100";

fn announcements(net: &Net, since: u64, address: &str) -> Vec<Event> {
    net.events(since).into_iter().filter(|event| event.announces("a", address)).collect()
}

/// Waits until `count` announcements have been seen and no further comes in the time that one more would need.
fn bursts(net: &Net, since: u64, address: &str, sizes: &[usize], gap: Duration) -> Vec<Event> {
    let all: usize = sizes.iter().sum();
    let mut seen = 0;
    net.wait(
        &format!("{all} announcements of {address}"),
        since,
        gap * u32::try_from(sizes.len()).expect("few"),
        |event| {
            seen += usize::from(event.announces("a", address));
            seen == all
        },
    );
    std::thread::sleep(gap / 4);
    let events = announcements(net, since, address);
    assert_eq!(events.len(), all, "{}", net.story(since));
    let mut first = 0;
    for pair in sizes.windows(2) {
        let second = first + pair[0];
        let apart = between(events[first].at, events[second].at);
        // Each is timed from when it was due, however late a busy machine sent the one before.
        assert!(
            apart + ALLOWANCE / 2 >= gap && apart <= gap + ALLOWANCE,
            "bursts {apart:?} instead of {gap:?} apart\n{}",
            net.story(since)
        );
        let burst = between(events[first].at, events[second - 1].at);
        assert!(burst < gap / 2, "a burst that took {burst:?}");
        first = second;
    }
    events
}

#[test]
fn a_new_master_announces_repeats_and_refreshes() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = Instance::default()
        .line("garp_master_repeat 3")
        .line("garp_master_delay 1")
        .line("garp_master_refresh 1")
        .line("garp_master_refresh_repeat 2");
    let daemon = Daemon::start(&a, US, &conf.text());
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let events = bursts(&net, first.at, VIP, &[3, 3, 2, 2], Duration::from_secs(1));
    assert!(between(first.at, events[0].at) < ALLOWANCE, "the first one follows the first advert at once");
}

#[test]
fn without_a_delay_there_is_one_burst() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24", "fe80::1/64"]);
    let mut conf = Instance::default().line("garp_master_repeat 2").line("garp_master_delay 0");
    conf = conf.line("virtual_ipaddress_excluded {\n        2001:db8::9/64\n    }");
    let daemon = Daemon::start(&a, US, &conf.text());
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    std::thread::sleep(Duration::from_millis(1_200));
    for address in [VIP, "2001:db8::9"] {
        assert_eq!(announcements(&net, first.at, address).len(), 2, "{address}");
    }
}

/// A rival of lower priority that does not hear us: its adverts are heard, ours do not reach it.
fn rival(node: &Node) {
    node.shell(
        "nft 'add table ip deaf; add chain ip deaf in { type filter hook prerouting priority -300; }; \
         add rule ip deaf in ip protocol 112 drop'",
    );
}

#[test]
fn a_rival_of_lower_priority_is_answered_by_bursts() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let timed = |conf: Instance| Instance { interval: "0.5", ..conf };
    let conf = timed(Instance::default())
        .priority(150)
        .line("garp_master_repeat 1")
        .line("garp_master_delay 0")
        .line("garp_lower_prio_repeat 2")
        .line("garp_lower_prio_delay 1");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + Timing::v3(50).master_down(150));
    rival(&b);
    let peer = Daemon::start(&b, US, &timed(Instance::default()).text());
    let split = net.wait_master("b", peer.since(), START + Timing::v3(50).master_down(100));
    let heard = split.at;
    net.wait("an answer", heard, Duration::ZERO, |event| event.is_advert_of("a"));
    drop(peer);
    let heard_last = net.adverts(heard, "b").pop().expect("adverts").at;
    std::thread::sleep(Duration::from_millis(1_400));
    let events = announcements(&net, heard, VIP);
    assert!(events.len() >= 4 && events.len().is_multiple_of(2), "{}", net.story(heard));
    let last = events.last().expect("some").at;
    let after = between(heard_last, last);
    assert!(
        after + EARLY + Duration::from_millis(500) >= Duration::from_secs(1)
            && after <= Duration::from_secs(1) + ALLOWANCE,
        "the second burst comes a second later, not {after:?}"
    );
    assert!(daemon.logged("with lower priority 100, ours 150, forcing new election") >= 1);
}

#[test]
fn announcements_of_one_interface_are_spaced() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24", "fe80::1/64"]);
    let mut text = Instance::default()
        .global("vrrp_garp_interval 0.02")
        .global("vrrp_gna_interval 0.05")
        .line("garp_master_repeat 4")
        .line("garp_master_delay 0")
        .line("virtual_ipaddress_excluded {\n        2001:db8::9/64\n        2001:db8::10/64\n    }")
        .text();
    for (name, vrid) in [("VI_2", 52), ("VI_3", 53)] {
        let other = Instance {
            name,
            vrid,
            addresses: vec![format!("10.9.0.{vrid}"), format!("10.9.1.{vrid}")],
            ..Instance::default()
        }
        .line("garp_master_repeat 4")
        .line("garp_master_delay 0")
        .text();
        text += other.split_once("}\n").expect("the end of global_defs").1;
    }
    let daemon = Daemon::start(&a, US, &text);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    std::thread::sleep(Duration::from_millis(1_000));
    let all = |ipv6: bool| -> Vec<Event> {
        net.events(daemon.since())
            .into_iter()
            .filter(|event| {
                matches!(&event.what, crate::kit::decode::What::Announce { address, .. } if address.is_ipv6() == ipv6)
                    && event.node == "a"
            })
            .collect()
    };
    for (ipv6, count, interval) in [(false, 20, 20), (true, 8, 50)] {
        let events: Vec<Event> = all(ipv6);
        let events: Vec<Event> = events
            .into_iter()
            .filter(|event| {
                matches!(&event.what, crate::kit::decode::What::Announce { address, .. } if !address.to_string().starts_with("fe80"))
            })
            .collect();
        assert_eq!(events.len(), count, "{}", net.story(daemon.since()));
        let interval = Duration::from_millis(interval);
        let near = spacings(&events).into_iter().filter(|gap| *gap + EARLY < interval).count();
        // Behind one that a busy machine sent late the next may follow closely, at its own time.
        assert!(near <= 1, "closer than {interval:?}: {:?}", spacings(&events));
        let took = between(events[0].at, events[count - 1].at);
        let expected = interval * u32::try_from(count - 1).expect("few");
        assert!(
            took <= expected + ALLOWANCE,
            "{took:?} instead of {expected:?}: no turn of the interface is left out"
        );
    }
    let gap = steps::longest_gap(&net, daemon.since(), "a");
    assert!(gap < ALLOWANCE, "nobody's advert waits for it: {gap:?}");
}

#[test]
fn preempting_waits_for_its_delay() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let master = Daemon::start(&b, US, &Instance::default().text());
    net.wait_master("b", master.since(), START + TIMING.master_down(100));
    let delay = Duration::from_secs(1);
    let conf = Instance::default().priority(150).line("preempt_delay 1");
    let daemon = Daemon::start(&a, US, &conf.text());
    daemon.wait_log("start preempt delay (1", START);
    let armed = now();
    let first = net.wait_master("a", armed, delay + TIMING.interval + TIMING.master_down(150));
    let took = between(armed, first.at);
    assert!(
        took + ALLOWANCE >= delay + TIMING.interval * 3 && took + EARLY + TIMING.interval >= delay,
        "{took:?} after the delay began"
    );
    steps::address_is_at("eth0", VIP, &a, &[&b]);
    assert_eq!(daemon.logged("start preempt delay"), 1);
    // A master that goes is replaced without any delay.
    drop(daemon);
    steps::clean(&a, "eth0", &[VIP]);
    net.wait_master("b", now(), TIMING.master_down(100));
    let daemon = Daemon::start(&a, US, &conf.text());
    daemon.wait_log("start preempt delay (1", START);
    let (_, code) = master.stop();
    assert_eq!(code, Some(0));
    let goodbye = now();
    net.wait_master("a", goodbye.saturating_sub(400_000_000), Duration::from_millis(400) + TIMING.skew(150));
    steps::address_is_at("eth0", VIP, &a, &[&b]);
}

#[test]
fn equal_priorities_over_ipv6_are_decided_by_the_address() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["fe80::1/64"]);
    let b = net.node("b", "eth0", &["fe80::2/64"]);
    for node in [&a, &b] {
        // Only the address of this test, on either side.
        node.shell(
            "for address in $(ip -o -6 addr show dev eth0 | awk '{print $4}' | grep ff:fe00); do ip addr del $address dev eth0; done",
        );
    }
    let conf = Instance {
        addresses: vec!["fe80::100/64".to_owned(), "2001:db8::100/64".to_owned()],
        ..Instance::default()
    };
    // Both become master while they cannot hear each other; then the higher address stays.
    let ports = [Net::port(1), Net::port(2)];
    net.set_apart(&ports, true);
    let first = Daemon::start(&a, US, &conf.text());
    let second = Daemon::start(&b, US, &conf.text());
    net.wait_master("a", first.since(), START + TIMING.master_down(100));
    net.wait_master("b", second.since(), START + TIMING.master_down(100));
    let joined = now();
    net.set_apart(&ports, false);
    first.wait_log("with same priority 100 but higher IP address than ours", TIMING.interval * 2);
    steps::address_is_at("eth0", "2001:db8::100", &b, &[&a]);
    net.never("a goodbye", joined, TIMING.interval * 5, |event| {
        event.is_goodbye_of("a") || event.is_goodbye_of("b")
    });
    assert_eq!(second.logged("Entering BACKUP STATE"), 1, "{}", second.log());
}

#[test]
fn two_address_owners_settle_by_address_and_say_so() {
    if is_reference("it lowers its priority to 254 instead") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let text = Instance::default().priority(255).text().replace("state BACKUP", "state MASTER");
    let first = Daemon::start(&a, US, &text);
    net.wait_master("a", first.since(), START);
    let second = Daemon::start(&b, US, &text);
    net.wait_master("b", second.since(), START);
    steps::address_is_at("eth0", VIP, &b, &[&a]);
    for (daemon, other) in [(&first, "10.9.0.2"), (&second, "10.9.0.1")] {
        daemon.wait_log(
            &format!(
                "CONFIGURATION ERROR: local instance and {other} are both configured as address owner, please resolve"
            ),
            ALLOWANCE,
        );
    }
    second.wait_log(
        "(VI_1): rogue address owner appears to have stopped advertising",
        TIMING.master_down(255) + TIMING.interval,
    );
    // The loser waits, and takes over once the other has gone, at once: its skew time is next to nothing.
    let stopped = now();
    let (_, code) = second.stop();
    assert_eq!(code, Some(0));
    net.wait_master("a", stopped, TIMING.skew(255));
    steps::address_is_at("eth0", VIP, &a, &[&b]);
}

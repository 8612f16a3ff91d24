//! Announcements of many addresses, on several interfaces, and beside Debian's keepalived: how many, when, in which
//! order, and that nobody's advert waits for them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, EARLY, START, Timing, eventually};
use crate::kit::capture::{nanos, now};
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::decode::{Event, Stamp, What};
use crate::kit::net::{Net, between, spacings};
use crate::kit::node::Node;
use crate::steps;

use Program::{Reference, UnderTest};

const TIMING: Timing = Timing::v3(10);

/// The announcements of a node since, with their addresses. Those of link-local addresses are the kernel's own.
fn announced(net: &Net, since: Stamp, node: &str) -> Vec<(Event, String)> {
    let address = |event: &Event| match &event.what {
        What::Announce { address, .. } if event.node == node => Some(address.to_string()),
        _ => None,
    };
    let all = net.events(since).into_iter().filter_map(|event| Some((address(&event)?, event)));
    all.filter(|(address, _)| !address.starts_with("fe80")).map(|(address, event)| (event, address)).collect()
}

/// Panics if announcements come closer than their spacing. Each is timed from when it is due, so that a busy machine,
/// which may send one late, brings it nearer to the next: what counts is when they began.
fn are_spaced(events: &[Event], since: Stamp, spacing: Duration) {
    for (number, event) in (0_u32..).zip(events) {
        let after = between(since, event.at);
        assert!(after + EARLY >= spacing * number, "number {number} after {after:?}: {:?}", spacings(events));
    }
}

/// Two routers with an interface in each of two networks.
fn two_legs(net: &Net, name: &'static str, host: u8) -> Node {
    let node = Node::new(name);
    net.plug(&node, "eth0", &[&format!("10.9.0.{host}/24"), &format!("fe80::{host}/64")]);
    net.plug(&node, "eth1", &[&format!("10.9.1.{host}/24"), &format!("fe80::1:{host}/64")]);
    node
}

/// Announcements of one instance that the daemon sends in one turn of its loop, a limit of it.
const TURN: usize = 64;

/// So many that a burst takes longer than the other router's interval.
#[test]
fn eighty_addresses_fifty_times_hold_nobody_up_and_each_comes_once_before_any_again() {
    const BURST: usize = 80 * 50;
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let many = Instance {
        vrid: 80,
        addresses: (0..80).map(|number| format!("10.9.80.{number}")).collect(),
        ..Instance::default()
    }
    .line("garp_master_repeat 50")
    .line("garp_master_delay 1")
    .text();
    let quick = Instance {
        name: "VI_2",
        vrid: 52,
        interval: "0.01",
        addresses: vec!["10.9.0.52".to_owned()],
        ..Instance::default()
    }
    .line("garp_master_repeat 1")
    .line("garp_master_delay 0");
    let text = many + quick.text().split_once("}\n").expect("the end of global_defs").1;
    let daemon = Daemon::start(&a, UnderTest, &text);
    let first = net.wait("the instance of many", daemon.since(), START + TIMING.master_down(100), |event| {
        event.advert().is_some_and(|advert| advert.vrid == 80)
    });
    let all = || -> Vec<(Event, String)> {
        let all = announced(&net, first.at, "a").into_iter();
        all.filter(|(_, address)| address.starts_with("10.9.80.")).collect()
    };
    eventually("two bursts", Duration::from_secs(1) + START, || all().len() >= 2 * BURST);
    // Nothing follows.
    std::thread::sleep(Duration::from_millis(300));
    let all = all();
    let told =
        || daemon.log().lines().filter(|line| !line.contains("Sending")).collect::<Vec<_>>().join("\n");
    assert_eq!(all.len(), 2 * BURST, "two bursts of fifty rounds\n{}", told());
    for round in all.chunks(80) {
        let addresses: BTreeSet<&str> = round.iter().map(|(_, address)| address.as_str()).collect();
        assert_eq!(addresses.len(), 80, "one was repeated before all had been announced");
    }
    let late = between(first.at, all[BURST].0.at);
    assert!(late + EARLY >= Duration::from_secs(1) && late <= Duration::from_secs(1) + ALLOWANCE, "{late:?}");
    // A busy machine makes an advert late, but not by way of announcements: of those the daemon sends what it has begun
    // when the advert is due, and if the router of many is due as well, another turn's worth.
    let of_other = |event: &Event| event.advert().is_some_and(|advert| advert.vrid == 52);
    let others: Vec<Event> = net.adverts(daemon.since(), "a").into_iter().filter(of_other).collect();
    let mut between_them = 0;
    for pair in others.windows(2) {
        let due = pair[0].at + nanos(Duration::from_millis(11));
        let ahead = all.iter().filter(|(event, _)| event.at > due && event.at < pair[1].at).count();
        assert!(
            ahead <= 2 * TURN,
            "an advert of the other one came after {ahead} announcements\n{}\n{}",
            pair[0],
            pair[1]
        );
        between_them +=
            usize::from(all.iter().any(|(event, _)| event.at > pair[0].at && event.at < pair[1].at));
    }
    assert!(between_them > 2, "a burst takes longer than the interval of the other one");
}

/// How often each address is announced in each half second since the first advert of its router. Bursts are a second
/// apart, and on a busy machine they come late: most of the half second is behind where they belong.
fn pattern(net: &Net, first: &Event, node: &str, listen: Duration) -> BTreeMap<(u128, String), usize> {
    let mut counts = BTreeMap::new();
    for (event, address) in announced(net, first.at, node) {
        let half = (between(first.at, event.at) + Duration::from_millis(500) - ALLOWANCE).as_millis() / 500;
        // What the later of the two has not come to yet does not count.
        if half < listen.as_millis() / 500 {
            *counts.entry((half, alike(&address))).or_default() += 1;
        }
    }
    counts
}

/// An address without what tells the two routers apart: the network and the last digit.
fn alike(address: &str) -> String {
    let network = if address.starts_with("10.9.1.") { "eth1" } else { "eth0" };
    let family = if address.contains(':') { "IPv6" } else { "IPv4" };
    format!("{family} {network} {}", address.chars().last().unwrap_or_default())
}

/// One configuration, ours and Debian's keepalived side by side on one switch, each with its own addresses.
fn as_the_reference(what: &str, globals: &[&str], lines: &[&str], listen: Duration) {
    let net = Net::new();
    let (a, b) = (two_legs(&net, "a", 1), two_legs(&net, "b", 2));
    let text = |vrid: u8, host: u8| {
        let addresses = [
            format!("10.9.0.{host}0/24"),
            format!("10.9.0.{host}1/24"),
            format!("10.9.1.{host}0/24 dev eth1"),
            format!("10.9.1.{host}1/24 dev eth1"),
        ];
        let mut conf = Instance { vrid, addresses: addresses.to_vec(), ..Instance::default() };
        for line in globals {
            conf = conf.global(line);
        }
        for line in lines {
            conf = conf.line(line);
        }
        conf.line(&format!("virtual_ipaddress_excluded {{\n        2001:db8::{host}0/64\n    }}")).text()
    };
    let ours = Daemon::start(&a, UnderTest, &text(51, 1));
    let theirs = Daemon::start(&b, Reference, &text(52, 2));
    let first = |node: &str, since| net.wait_master(node, since, START + TIMING.master_down(100));
    let (first_ours, first_theirs) = (first("a", ours.since()), first("b", theirs.since()));
    std::thread::sleep(listen);
    let seen = pattern(&net, &first_ours, "a", listen);
    assert!(seen.len() >= 5, "{what}: {seen:?}");
    assert_eq!(seen, pattern(&net, &first_theirs, "b", listen), "{what}: ours and the reference's");
}

#[test]
fn bursts_are_the_references() {
    let lines = ["garp_master_repeat 3", "garp_master_delay 1"];
    as_the_reference("two bursts", &[], &lines, Duration::from_millis(2_500));
    as_the_reference("the least", &["vrrp_min_garp"], &[], Duration::from_secs(6));
}

/// Without a delayed burst: keepalived 2.2.7 counts the refresh from the first burst, later versions and ours from the
/// delayed one.
#[test]
fn refreshes_are_the_references() {
    let lines = ["garp_master_delay 0", "garp_master_refresh 1", "garp_master_refresh_repeat 2"];
    as_the_reference("refreshes", &[], &lines, Duration::from_millis(3_500));
}

#[test]
fn globals_count_where_an_instance_says_nothing_as_with_the_reference() {
    let globals = ["vrrp_garp_master_repeat 2", "vrrp_garp_master_delay 2"];
    as_the_reference("globals", &globals, &[], Duration::from_millis(3_500));
    let globals = ["vrrp_garp_master_refresh 1", "vrrp_garp_master_refresh_repeat 3"];
    as_the_reference("both", &globals, &["garp_master_delay 0"], Duration::from_millis(2_500));
}

#[test]
fn other_interfaces_are_kept_known_as_the_reference_does() {
    let bursts = ["garp_master_repeat 1", "garp_master_delay 0"];
    let all = [bursts[0], bursts[1], "garp_extra_if all 1"];
    as_the_reference("all interfaces", &[], &all, Duration::from_millis(3_500));
    as_the_reference("macvlans only", &["vrrp_garp_extra_if 1"], &bursts, Duration::from_millis(2_500));
}

/// The text of an instance with two addresses on either interface.
fn on_both(globals: &str, lines: &[&str]) -> String {
    let addresses = ["10.9.0.10", "10.9.0.11", "10.9.1.10/24 dev eth1", "10.9.1.11/24 dev eth1"];
    let mut conf = Instance { addresses: addresses.map(str::to_owned).to_vec(), ..Instance::default() };
    for line in lines {
        conf = conf.line(line);
    }
    conf.before(globals).line("garp_master_repeat 3").line("garp_master_delay 0").text()
}

#[test]
fn a_group_of_interfaces_shares_one_spacing() {
    let net = Net::new();
    let a = two_legs(&net, "a", 1);
    let group =
        "garp_group {\n    garp_interval 0.05\n    interfaces {\n        eth0\n        eth1\n    }\n}";
    let daemon = Daemon::start(&a, UnderTest, &on_both(group, &[]));
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    std::thread::sleep(Duration::from_millis(550) + ALLOWANCE);
    let events: Vec<Event> = announced(&net, first.at, "a").into_iter().map(|(event, _)| event).collect();
    assert_eq!(events.len(), 12, "{}", net.story(first.at));
    are_spaced(&events, first.at, Duration::from_millis(50));
    assert!(between(events[0].at, events[11].at) < Duration::from_millis(550) + ALLOWANCE);
    assert!(steps::longest_gap(&net, daemon.since(), "a") < TIMING.interval + ALLOWANCE);

    // Another spacing, and an address that has to be announced.
    let reloaded = now();
    let text = on_both(&group.replace("0.05", "0.1"), &[]).replace("10.9.0.11\n", "10.9.0.12\n");
    daemon.reload(&text);
    std::thread::sleep(Duration::from_millis(1_500));
    let events: Vec<Event> = announced(&net, reloaded, "a").into_iter().map(|(event, _)| event).collect();
    assert_eq!(events.len(), 12, "{}", net.story(reloaded));
    are_spaced(&events, reloaded, Duration::from_millis(100));
    assert_eq!(daemon.logged("Entering BACKUP STATE"), 1, "it stays MASTER");
}

#[test]
fn an_interface_in_a_group_leaves_the_spacing_of_all() {
    let net = Net::new();
    let a = two_legs(&net, "a", 1);
    let group = "garp_group {\n    garp_interval 0.2\n    interface eth1\n}";
    let text = on_both(group, &[]).replace("router_id lab", "router_id lab\n    vrrp_garp_interval 0.02");
    let daemon = Daemon::start(&a, UnderTest, &text);
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    std::thread::sleep(Duration::from_millis(1_600));
    let events = announced(&net, first.at, "a");
    for (leg, least) in [("10.9.0.", 20), ("10.9.1.", 200)] {
        let of_leg: Vec<Event> =
            events.iter().filter(|(_, addr)| addr.starts_with(leg)).map(|(event, _)| event.clone()).collect();
        assert_eq!(of_leg.len(), 6, "{}", net.story(first.at));
        are_spaced(&of_leg, first.at, Duration::from_millis(least));
    }
}

#[test]
fn an_interface_that_waits_does_not_hold_up_the_others() {
    let net = Net::new();
    let a = two_legs(&net, "a", 1);
    let group = "garp_group {\n    garp_interval 1\n    interface eth0\n}";
    let daemon = Daemon::start(&a, UnderTest, &on_both(group, &[]));
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    std::thread::sleep(Duration::from_millis(1_500));
    let events = announced(&net, first.at, "a");
    let at = |wanted: &str| {
        let found = events.iter().find(|(_, address)| address == wanted);
        between(first.at, found.unwrap_or_else(|| panic!("{wanted}\n{}", net.story(first.at))).0.at)
    };
    for address in ["10.9.0.10", "10.9.1.10", "10.9.1.11"] {
        assert!(at(address) < ALLOWANCE, "{address} after {:?}", at(address));
    }
    assert!(at("10.9.0.11") + EARLY >= Duration::from_secs(1));
    // Nothing is repeated before that.
    assert_eq!(
        events.iter().filter(|(event, _)| between(first.at, event.at) < Duration::from_millis(900)).count(),
        3
    );
}

#[test]
fn a_reload_does_not_put_off_what_waits_for_its_place() {
    let net = Net::new();
    let a = two_legs(&net, "a", 1);
    let group = "garp_group {\n    garp_interval 1\n    interface eth0\n}";
    let text = on_both(group, &[]);
    let daemon = Daemon::start(&a, UnderTest, &text);
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(200));
        daemon.reload(&text);
    }
    std::thread::sleep(Duration::from_millis(1_100));
    let events = announced(&net, first.at, "a");
    let found = events.iter().find(|(_, address)| address == "10.9.0.11");
    let after = found.map(|(event, _)| between(first.at, event.at));
    let place = Duration::from_secs(1);
    assert!(
        after.is_some_and(|after| after + EARLY >= place && after < place + ALLOWANCE),
        "{after:?}\n{}",
        net.story(first.at)
    );
}

#[test]
fn other_interfaces_are_kept_known_while_master_and_by_what_the_file_says_now() {
    let net = Net::new();
    let (a, b) = (two_legs(&net, "a", 1), two_legs(&net, "b", 2));
    let text = |every: &str| on_both("", &[every]).replace("garp_master_repeat 3", "garp_master_repeat 1");
    let daemon = Daemon::start(&a, UnderTest, &text("garp_extra_if all 1"));
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    std::thread::sleep(Duration::from_millis(2_500));
    let extra = |since: Stamp| -> Vec<Event> {
        let all = announced(&net, since, "a").into_iter();
        all.filter(|(event, _)| between(first.at, event.at) > Duration::from_millis(500))
            .map(|(event, address)| {
                assert_eq!(address, "10.9.1.10", "the first address of the other interface alone");
                event
            })
            .collect()
    };
    assert_eq!(extra(first.at).len(), 2, "{}", net.story(first.at));
    // The first of them may have been late, and the second on time.
    are_spaced(&[&[first.clone()][..], &extra(first.at)[..]].concat(), first.at, Duration::from_secs(1));
    let gaps = spacings(&extra(first.at));
    assert!(gaps[0] < Duration::from_secs(1) + ALLOWANCE, "{gaps:?}");
    // What did not change goes on in its rhythm.
    daemon.reload(&text("garp_extra_if all 1").replace("advert_int 0.1", "advert_int 0.2"));
    std::thread::sleep(Duration::from_secs(1));
    let gaps = spacings(&extra(first.at));
    assert!(gaps.iter().all(|gap| *gap < Duration::from_secs(1) + ALLOWANCE), "{gaps:?}");
    // Off.
    daemon.reload(&text("garp_extra_if all 0"));
    let off = now();
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(extra(off).is_empty());
    // On again, but no longer MASTER.
    daemon.reload(&text("garp_extra_if all 1"));
    let rival = Daemon::start(&b, UnderTest, &text("").replace("priority 100", "priority 200"));
    net.wait_master("b", rival.since(), START + TIMING.master_down(200));
    daemon.wait_log("Entering BACKUP STATE\n", TIMING.interval * 3);
    let yielded = now();
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(extra(yielded).is_empty());
}

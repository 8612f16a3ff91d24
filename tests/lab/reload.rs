//! SIGHUP: what did not change goes on as if nothing had happened, and a broken file changes nothing.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::steps;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

#[test]
fn a_thousand_unrelated_edits_disturb_nothing() {
    if is_reference("each reload there sends adverts at once and rearms the timers") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    // Something to do meanwhile: a script, and a second virtual router that the edits are about.
    let edited = |round: u32| {
        let other = Instance {
            name: "VI_2",
            vrid: 52,
            priority: 50,
            addresses: vec![format!("10.9.0.{}", 150 + round % 50)],
            ..Instance::default()
        };
        let first = Instance::default()
            .priority(150)
            .before("vrrp_script fit {\n    script \"/usr/bin/true\"\n    interval 1\n    weight -10\n}")
            .line("track_script {\n        fit\n    }");
        let second = other.text();
        let (_, second) = second.split_once("}\n").expect("the end of global_defs");
        format!("# edit {round}\n{}{second}", first.text())
    };
    let daemon = Daemon::start(&a, US, &edited(0));
    let peer = Daemon::start(&b, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    std::thread::sleep(Duration::from_secs(2));
    for round in 1..=100 {
        a.write(CONF, &edited(round));
        daemon.signal(Signal::SIGHUP);
        std::thread::sleep(Duration::from_millis(15));
    }
    let memory = daemon.memory();
    let (before, begin) = (daemon.stats(), now());
    for round in 101..=1_100 {
        a.write(CONF, &edited(round));
        daemon.signal(Signal::SIGHUP);
        std::thread::sleep(Duration::from_millis(15));
    }
    std::thread::sleep(Duration::from_millis(500));
    let after = daemon.stats();
    let first_router =
        |event: &crate::kit::decode::Event| event.advert().is_some_and(|advert| advert.vrid == 51);
    net.never("VI_1 changes hands", begin, Duration::ZERO, |event| {
        first_router(event) && (event.node == "b" || event.is_goodbye_of("a"))
    });
    let adverts: Vec<_> = net.adverts(begin, "a").into_iter().filter(first_router).collect();
    let gap = crate::kit::net::spacings(&adverts).into_iter().max().unwrap_or_default();
    // The other daemon is the judge of what is late: it waits for three intervals.
    assert!(gap < TIMING.interval * 3, "adverts were missed: {gap:?} without one");
    let took = crate::kit::net::between(begin, adverts.last().expect("adverts").at);
    let expected = took.as_millis() / TIMING.interval.as_millis();
    assert!(
        (expected - 3..=expected + 3).contains(&(adverts.len() as u128)),
        "{} adverts in {took:?}: reloads must neither swallow nor add any",
        adverts.len()
    );
    assert_eq!(after.number("VI_1/Became master"), before.number("VI_1/Became master"));
    let grown = daemon.memory().saturating_sub(memory);
    assert!(grown <= 256, "memory grew by {grown} kB over 1,000 reloads");
    assert_eq!(peer.logged("Entering MASTER STATE"), 0);
}

#[test]
fn a_change_takes_effect_without_leaving_master() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let mut conf = Instance::default().priority(150);
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    steps::address_is_at("eth0", "10.9.0.100", &a, &[]);

    let begin = now();
    conf.addresses.push("10.9.0.120".to_owned());
    daemon.reload(&conf.clone().priority(140).text());
    net.wait("the new priority and address", begin, TIMING.interval * 2, |event| {
        event.advert().is_some_and(|advert| advert.priority == 140 && advert.addresses.len() == 2)
    });
    steps::address_is_at("eth0", "10.9.0.120", &a, &[]);
    net.wait("the new address is announced", begin, TIMING.interval, |event| {
        event.announces("a", "10.9.0.120")
    });
    conf.addresses.pop();
    daemon.reload(&conf.text());
    eventually("the address that was taken out is gone", ALLOWANCE, || !a.holds("eth0", "10.9.0.120"));
    std::thread::sleep(TIMING.interval * 4);
    net.never("a goodbye", begin, Duration::ZERO, |event| event.is_goodbye_of("a"));
    std::thread::sleep(TIMING.interval * 4);
    assert!(steps::longest_gap(&net, begin, "a") <= TIMING.interval + ALLOWANCE);
    assert_eq!(daemon.logged("Entering"), 2, "BACKUP and MASTER, once each\n{}", daemon.log());

    let begin = now();
    let mut other = conf.clone();
    other.vrid = 77;
    daemon.reload(&other.text());
    net.wait("goodbye of the old router", begin, Duration::ZERO, |event| event.is_goodbye_of("a"));
    net.wait("the new router", begin, TIMING.master_down(150), |event| {
        event.advert().is_some_and(|advert| advert.vrid == 77 && advert.priority > 0)
    });
    drop(daemon);
}

#[test]
fn a_broken_file_changes_nothing() {
    if is_reference("it ends, or runs with what it understood") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let good = Instance::default().text();
    let daemon = Daemon::start(&a, US, &good);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    steps::address_is_at("eth0", "10.9.0.100", &a, &[]);
    let begin = now();

    let line = good.lines().position(|line| line.contains("virtual_router_id")).expect("the line") + 1;
    a.write(CONF, &good.replace("virtual_router_id 51", "virtual_router_id 4000"));
    daemon.signal(Signal::SIGHUP);
    eventually("file, line and column are told", Duration::from_secs(2), || {
        daemon.log().contains(&format!("{CONF}:{line}:"))
    });
    a.write(CONF, "vrrp_instance VI_1 {\n    interface eth0\n");
    daemon.signal(Signal::SIGHUP);
    std::thread::sleep(Duration::from_millis(300));
    a.remove(CONF);
    daemon.signal(Signal::SIGHUP);
    std::thread::sleep(Duration::from_millis(500));

    net.never("a goodbye", begin, Duration::ZERO, |event| event.is_goodbye_of("a"));
    assert!(steps::longest_gap(&net, begin, "a") < TIMING.interval * 2, "{}", net.story(begin));
    assert!(a.holds("eth0", "10.9.0.100"));
    // A good file afterwards is taken.
    daemon.reload(&Instance::default().priority(123).text());
    net.wait("the new priority", begin, Duration::from_secs(3), |event| {
        event.advert().is_some_and(|advert| advert.priority == 123)
    });
}

/// Two virtual routers on one interface.
fn two(first: &[&str], second: &[&str], line: &str) -> String {
    let block = |name, vrid, addresses: &[&str]| {
        Instance {
            name,
            vrid,
            addresses: addresses.iter().map(|address| (*address).to_owned()).collect(),
            ..Instance::default()
        }
        .line(line)
        .text()
    };
    let second = block("VI_2", 52, second);
    let (_, second) = second.split_once("}\n").expect("the end of global_defs");
    format!("{}{second}", block("VI_1", 51, first))
}

#[test]
fn an_address_moves_between_instances_without_a_gap() {
    if is_reference("it takes the address off and puts it on again") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &two(&["10.9.0.100", "10.9.0.101"], &["10.9.0.110"], "nopreempt"));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    steps::address_is_at("eth0", "10.9.0.110", &a, &[]);
    steps::address_is_at("eth0", "10.9.0.101", &a, &[]);
    a.shell("(ip monitor address >/run/changes 2>&1 &)");
    std::thread::sleep(Duration::from_millis(100));
    let begin = now();
    // One goes over, one is exchanged for another, one gets a label that it did not have.
    daemon.reload(&two(
        &["10.9.0.100 label eth0:x", "10.9.0.102"],
        &["10.9.0.110", "10.9.0.101"],
        "nopreempt",
    ));
    net.wait("the other one advertises it", begin, TIMING.interval * 2, |event| {
        event.advert().is_some_and(|advert| advert.vrid == 52 && advert.addresses.len() == 2)
    });
    net.wait("the address that went over is announced", begin, TIMING.interval * 2, |event| {
        event.announces("a", "10.9.0.101")
    });
    steps::address_is_at("eth0", "10.9.0.102", &a, &[]);
    eventually("the label is there", ALLOWANCE, || a.shell("ip -o addr show dev eth0").contains("eth0:x"));
    assert!(a.holds("eth0", "10.9.0.101"));
    let changes = a.read("/run/changes");
    assert!(
        !changes.contains("10.9.0.101") && !changes.contains("10.9.0.110"),
        "neither was touched: {changes}"
    );
    net.never("a goodbye", begin, Duration::ZERO, |event| event.is_goodbye_of("a"));
    // Whoever deletes it now deletes it from its new instance.
    a.shell("ip addr del 10.9.0.101/32 dev eth0");
    steps::address_is_at("eth0", "10.9.0.101", &a, &[]);
    assert!(daemon.log().contains("(VI_2) 10.9.0.101 put back"), "{}", daemon.log());

    // Without its instance the rest goes too, and nothing else.
    let begin = now();
    daemon.reload(&Instance::default().line("nopreempt").text());
    net.wait("a goodbye", begin, Duration::ZERO, |event| {
        event.is_goodbye_of("a") && event.advert().is_some_and(|advert| advert.vrid == 52)
    });
    eventually("what is no more configured is gone", ALLOWANCE, || {
        ["10.9.0.101", "10.9.0.102", "10.9.0.110"].iter().all(|address| !a.holds("eth0", address))
    });
    assert!(a.holds("eth0", "10.9.0.100"));
    daemon.stop();
    let left = a.shell("ip -o -4 addr show dev eth0");
    assert_eq!(left.lines().count(), 1, "{left}");
}

/// Whatever was there before: an address, a static one.
#[test]
fn an_address_that_moves_to_a_backup_goes() {
    if is_reference("what was static stays") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let other = Instance { vrid: 52, addresses: vec!["10.9.0.110".into()], ..Instance::default() };
    let peer = Daemon::start(&b, US, &other.priority(200).text());
    net.wait_master("b", peer.since(), START + TIMING.master_down(200));
    let statics = "static_ipaddress {\n 10.9.0.102/32 dev eth0\n 10.9.0.103/24 dev eth0\n}\n";
    let conf = format!("{statics}{}", two(&["10.9.0.100", "10.9.0.101"], &["10.9.0.110"], ""));
    let daemon = Daemon::start(&a, US, &conf);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    daemon.wait_log("(VI_2) Entering BACKUP STATE", ALLOWANCE);
    for there in ["10.9.0.101", "10.9.0.102", "10.9.0.103"] {
        steps::address_is_at("eth0", there, &a, &[]);
    }
    let backups = ["10.9.0.110", "10.9.0.101", "10.9.0.102", "10.9.0.103"];
    daemon.reload(&two(&["10.9.0.100"], &backups, ""));
    eventually("a BACKUP has none of them", ALLOWANCE, || backups.iter().all(|vip| !a.holds("eth0", vip)));
    assert!(a.holds("eth0", "10.9.0.100"));
    // A static one is announced like any other that a MASTER gets.
    let one = |more: &[&str], statics: &str| {
        let addresses = ["10.9.0.100"].iter().chain(more).map(|vip| (*vip).to_owned()).collect();
        format!("{statics}{}", Instance { addresses, ..Instance::default() }.text())
    };
    daemon.reload(&one(&[], statics));
    steps::address_is_at("eth0", "10.9.0.102", &a, &[]);
    let begin = now();
    daemon.reload(&one(&["10.9.0.102"], ""));
    net.wait("it is announced", begin, TIMING.interval * 2, |event| event.announces("a", "10.9.0.102"));
    assert!(a.holds("eth0", "10.9.0.102") && !a.holds("eth0", "10.9.0.103"));
}

#[test]
fn a_backup_takes_a_new_priority_over_and_a_new_instance_begins() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let peer = Daemon::start(&b, US, &Instance::default().priority(50).text());
    peer.wait_log("Entering BACKUP STATE", START);
    peer.wait_log("master set to 10.9.0.1", START);
    let begin = now();
    peer.reload(&Instance::default().priority(200).text());
    net.wait_master("b", begin, TIMING.interval + TIMING.master_down(200));
    steps::address_is_at("eth0", "10.9.0.100", &b, &[&a]);
    net.never("a goodbye", begin, Duration::ZERO, |event| event.is_goodbye_of("b"));
}

//! Ours and FRR's vrrpd as the two routers of a pair, version 3, IPv4 and IPv6, both ways round.

use std::time::Duration;

use crate::kit::bounds::{EARLY, START, Timing};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::decode::{Event, Stamp};
use crate::kit::frr::{Frr, Settings};
use crate::kit::net::{Net, between};
use crate::steps::{self, Heir};

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(20);
const HIGH: u8 = 150;
const LOW: u8 = 100;

/// One address family.
struct Family {
    routers: [&'static str; 2],
    addresses: &'static [&'static str],
}

const IPV4: Family = Family { routers: ["10.9.0.1/24", "10.9.0.2/24"], addresses: &["10.9.0.100"] };
const IPV6: Family =
    Family { routers: ["fd09::1/64", "fd09::2/64"], addresses: &["fe80::9:100", "fd09::100"] };

impl Family {
    fn conf(&self, priority: u8, line: &str) -> String {
        let mut conf = Instance { interval: "0.2", ..Instance::default() }.priority(priority).line(line);
        conf.addresses = self.addresses.iter().map(|address| (*address).to_owned()).collect();
        conf.text()
    }

    fn settings(&self, priority: u8) -> Settings {
        Settings { vrid: 51, priority, centis: 20, addresses: self.addresses }
    }
}

#[test]
fn ipv4_with_frr_second() {
    frr_second(&IPV4);
}

#[test]
fn ipv6_with_frr_second() {
    frr_second(&IPV6);
}

#[test]
fn ipv4_with_frr_first() {
    frr_first(&IPV4);
}

#[test]
fn ipv6_with_frr_first() {
    frr_first(&IPV6);
}

/// FRR with the lower priority: it stands by, takes over and yields.
fn frr_second(family: &Family) {
    let net = Net::new();
    let a = net.node("a", "eth0", &[family.routers[0]]);
    let b = net.node("b", "eth0", &[family.routers[1]]);
    let heir = Heir { node: "b", priority: LOW, timing: TIMING };

    let daemon = Daemon::start(&a, US, &family.conf(HIGH, ""));
    let won = net.wait_master("a", daemon.since(), START + TIMING.master_down(HIGH));
    let frr = Frr::start(&b, family.settings(LOW));
    net.never("FRR is master too", won.at, TIMING.interval * 8, |event| event.is_advert_of("b"));

    steps::stop(&net, "a", daemon, heir);
    let daemon = Daemon::start(&a, US, &family.conf(HIGH, ""));
    let back = net.wait_master("a", daemon.since(), START + TIMING.master_down(HIGH));
    net.never("FRR goes on", back.at + 50_000_000, TIMING.interval * 3, |event| event.is_advert_of("b"));
    steps::kill(&net, "a", daemon, heir);
    steps::clean(&a, "eth0", family.addresses);

    let daemon = Daemon::start(&a, US, &family.conf(HIGH, "nopreempt"));
    let patience = TIMING.master_down(HIGH) + TIMING.interval * 2 + Duration::from_millis(500);
    net.never("a preempts", daemon.since(), patience, |event| event.is_advert_of("a"));
    let killed = frr.kill();
    net.wait_master("a", killed, TIMING.master_down(HIGH));
    drop(daemon);
}

/// Lets time pass in which FRR at b is MASTER: ours at a does not advertise within its master-down time of an advert of
/// FRR, which may be late on a busy machine.
fn ours_obeys(net: &Net, what: &str, since: Stamp, during: Duration) {
    std::thread::sleep(during);
    for ours in net.adverts(since, "a") {
        let theirs = net.adverts(0, "b").into_iter().rfind(|event| event.at < ours.at).expect("FRR's");
        let silence = between(theirs.at, ours.at);
        assert!(silence + EARLY >= TIMING.master_down(LOW), "{what}: {ours}\n{}", net.story(since));
    }
}

/// FRR with the higher priority: it is elected, stops, preempts, dies; then a tie.
fn frr_first(family: &Family) {
    let net = Net::new();
    let a = net.node("a", "eth0", &[family.routers[0]]);
    let b = net.node("b", "eth0", &[family.routers[1]]);

    let frr = Frr::start(&b, family.settings(HIGH));
    net.wait_master("b", frr.since(), START + TIMING.master_down(HIGH));
    let daemon = Daemon::start(&a, US, &family.conf(LOW, ""));
    ours_obeys(&net, "ours is master too", daemon.since(), TIMING.interval * 8);

    let stopped = frr.stop();
    let goodbye = net.wait("FRR's goodbye", stopped, Duration::ZERO, |event| event.is_goodbye_of("b"));
    let first = net.wait_master("a", goodbye.at, TIMING.skew(LOW));
    steps::on_time(&net, &goodbye, &first, TIMING.skew(LOW));

    let frr = Frr::start(&b, family.settings(HIGH));
    let back = net.wait_master("b", frr.since(), START + TIMING.master_down(HIGH));
    ours_obeys(&net, "ours goes on", back.at + 50_000_000, TIMING.interval * 3);

    let killed = frr.kill();
    let last =
        net.adverts(0, "b").into_iter().rfind(|event| event.at <= killed + 50_000_000).expect("an advert");
    let first = net.wait_master("a", last.at, TIMING.master_down(LOW));
    steps::on_time(&net, &last, &first, TIMING.master_down(LOW));
    daemon.kill();
    steps::clean(&a, "eth0", family.addresses);

    // A tie: the one that serves goes on serving; when a split heals the higher address stays. (FRR may choose
    // any link-local address of its device as the source.)
    let daemon = Daemon::start(&a, US, &family.conf(HIGH, ""));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(HIGH));
    let frr = Frr::start(&b, family.settings(HIGH));
    let patience = TIMING.master_down(HIGH) + Duration::from_secs(1);
    net.never("FRR preempts its equal", frr.since(), patience, |event| event.is_advert_of("b"));
    let split = now();
    net.set_apart(&[Net::port(1), Net::port(2)], true);
    let theirs = net.wait_master("b", split, TIMING.interval + TIMING.master_down(HIGH));
    let ours = net.wait_master("a", split, TIMING.interval);
    net.set_apart(&[Net::port(1), Net::port(2)], false);
    let source = |event: &Event| event.advert().map(|advert| advert.source);
    let (stays, yields) = if source(&theirs) > source(&ours) { ("b", "a") } else { ("a", "b") };
    std::thread::sleep(TIMING.interval * 2);
    let healed = now();
    net.never("the lower address goes on", healed, TIMING.interval * 4, |event| event.is_advert_of(yields));
    net.wait_master(stays, healed, TIMING.interval * 4);
    drop(daemon);
}

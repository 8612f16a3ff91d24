//! Authentication: who is believed and who is not, with keepalived 2.2.7 where it can, between two of ours else.
//!
//! Whole lives with AH and PASS against keepalived are in `interop`.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::{nanos, now};
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::inject::Injector;
use crate::kit::net::Net;
use crate::kit::node::Node;
use crate::steps;

use Program::{Reference, UnderTest};

const VIP: &str = "10.9.0.100";
const KEY: &str = "key 1 hex:000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const OTHER_KEY: &str = "key 2 another-key-of-at-least-thirty-two-octets";

fn pair(net: &Net) -> [Node; 2] {
    [("a", "10.9.0.1/24"), ("b", "10.9.0.2/24")].map(|(name, address)| net.node(name, "eth0", &[address]))
}

/// Version 2 with these lines of `authentication`; one advert a second.
fn v2(priority: u8, kind: &str, password: &str) -> String {
    let conf = Instance { version: 2, interval: "1", ..Instance::default() }.priority(priority);
    if kind.is_empty() {
        return conf.text();
    }
    conf.line(&format!("authentication {{\n        auth_type {kind}\n        auth_pass {password}\n    }}"))
        .text()
}

/// Both are MASTER: neither believes the other. What ours says of it and what it counts.
fn nobody_believes(ours: (&str, &str), theirs: (&str, &str), line: &str, counter: &str) {
    if is_reference("its words are others") {
        return;
    }
    let net = Net::new();
    let [a, b] = pair(&net);
    let begin = now();
    let daemon = Daemon::start(&a, UnderTest, &v2(100, ours.0, ours.1));
    let peer = Daemon::start(&b, Reference, &v2(150, theirs.0, theirs.1));
    let patience = START + Timing::V2.master_down(100);
    net.wait("a is master", begin, patience, |event| event.is_advert_of("a"));
    net.wait("b is master", begin, patience, |event| event.is_advert_of("b"));
    net.wait("a stays master", now(), Timing::V2.interval * 2, |event| event.is_advert_of("a"));
    // keepalived puts its own advert off by each that it refuses: only its address tells that it is still master.
    assert!(a.holds("eth0", VIP) && b.holds("eth0", VIP), "{}", net.story(begin));
    daemon.wait_log(line, Timing::V2.interval * 2);
    assert!(daemon.logged(line) <= 2, "told once in each state\n{}", daemon.log());
    assert!(daemon.stats().number(&format!("VI_1/Authentication Errors/{counter}")) > 0);
    assert_eq!(daemon.stats().number("VI_1/Advertisements/Received"), 0);
    drop(peer);
}

#[test]
fn a_wrong_password_is_not_believed() {
    let line = "(VI_1) received an invalid passwd from 10.9.0.2!";
    nobody_believes(("PASS", "s3cret"), ("PASS", "other"), line, "Failure");
}

#[test]
fn a_wrong_key_is_not_believed() {
    let line = "(VI_1) IPSEC-AH : invalid IPSEC HMAC-MD5 value. Due to fields mutation or bad password !";
    nobody_believes(("AH", "s3cret"), ("AH", "other"), line, "Failure");
}

#[test]
fn no_authentication_is_not_enough_for_a_password() {
    let line = "(VI_1) received a 0 auth from 10.9.0.2, expecting 1!";
    nobody_believes(("PASS", "s3cret"), ("", ""), line, "Type Mismatch");
}

#[test]
fn a_password_is_too_much_for_none() {
    let line = "(VI_1) received a 1 auth from 10.9.0.2, expecting 0!";
    nobody_believes(("", ""), ("PASS", "s3cret"), line, "Type Mismatch");
}

/// keepalived does not even hear them; ours says what is wrong.
#[test]
fn a_password_is_not_enough_for_a_header() {
    let line = "(VI_1) received a 1 auth from 10.9.0.2, expecting 2!";
    nobody_believes(("AH", "s3cret"), ("PASS", "s3cret"), line, "Type Mismatch");
}

/// Our backup hears the same packets of keepalived again and again after it died, and is not held up by them.
#[test]
fn replayed_headers_keep_nobody_from_taking_over() {
    let net = Net::new();
    let [a, b] = pair(&net);
    let vandal = net.node("vandal", "eth0", &["10.9.0.66/24"]);
    let master = Daemon::start(&a, Reference, &v2(150, "AH", "s3cret"));
    net.wait_master("a", master.since(), START + Timing::V2.master_down(150));
    let daemon = Daemon::start(&b, UnderTest, &v2(100, "AH", "s3cret"));
    net.expect_nonsense_from(&vandal);
    let mut injector = Injector::new(&vandal);
    net.never("b preempts", daemon.since(), Timing::V2.master_down(100) * 2, |event| event.is_advert_of("b"));
    let frames = net.frames("a");
    let adverts: Vec<_> = frames.iter().filter(|frame| frame.get(23) == Some(&51)).collect();
    let died = master.kill();
    let last = net.adverts(died.saturating_sub(nanos(Duration::from_secs(2))), "a").pop().expect("an advert");
    for frame in adverts.iter().rev().cycle().take(30) {
        injector.send(frame);
        std::thread::sleep(Duration::from_millis(90));
    }
    let first = net.wait("b takes over", died, Timing::V2.master_down(100), |event| event.is_advert_of("b"));
    steps::on_time(&net, &last, &first, Timing::V2.master_down(100));
    assert!(daemon.log().contains("IPSEC-AH : sequence number"), "{}", daemon.log());
    if !is_reference("it does not count them") {
        assert!(daemon.stats().number("VI_1/Authentication Errors/Failure") >= 25);
        assert_eq!(daemon.stats().allocations(), 0);
    }
}

/// keepalived as the backup would not believe a replacement that began to count anew.
#[test]
fn the_count_of_headers_survives_the_child_and_the_whole_daemon() {
    if is_reference("its replacement starts an election") {
        return;
    }
    let net = Net::new();
    let [a, b] = pair(&net);
    let daemon = Daemon::start(&a, UnderTest, &v2(150, "AH", "s3cret"));
    let peer = Daemon::start(&b, Reference, &v2(100, "AH", "s3cret"));
    net.wait_master("a", daemon.since(), START + Timing::V2.master_down(150));
    std::thread::sleep(Timing::V2.interval * 2);
    for _ in 0..2 {
        let (child, killed) = (daemon.vrrp_child(), now());
        kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
        net.wait_master("a", killed + 1_000_000, Timing::V2.interval);
        net.never("b takes over", killed, Timing::V2.master_down(100), |event| event.is_advert_of("b"));
    }
    // Each crash has moved the count ahead of the clock by a few seconds.
    std::thread::sleep(Duration::from_secs(8));
    let killed = daemon.kill();
    let owner = Instance { version: 2, interval: "1", ..Instance::default() }.priority(255);
    let header = "authentication {\n        auth_type AH\n        auth_pass s3cret\n    }";
    // An address owner begins as MASTER, with no time to hear where the count is.
    let daemon =
        Daemon::start(&a, UnderTest, &owner.line(header).text().replace("state BACKUP", "state MASTER"));
    net.wait_master("a", killed, START);
    net.never("b takes over", killed, Timing::V2.master_down(100) * 2, |event| event.is_advert_of("b"));
    assert_eq!(peer.logged("already processed"), 0, "{}", peer.log());
    drop(daemon);
}

/// How signed adverts are spoken: their timing, and the instance without the block.
struct Signed {
    timing: Timing,
    base: Instance,
    addresses: [&'static str; 2],
}

fn signed_v2() -> Signed {
    let base = Instance { version: 2, interval: "1", ..Instance::default() };
    Signed { timing: Timing::V2, base, addresses: ["10.9.0.1/24", "10.9.0.2/24"] }
}

fn signed_v3() -> Signed {
    Signed { timing: Timing::v3(20), base: fast(), addresses: ["10.9.0.1/24", "10.9.0.2/24"] }
}

fn signed_v6() -> Signed {
    let addresses = vec!["fe80::9:100".to_owned(), "fd09::100/64".to_owned()];
    Signed {
        timing: Timing::v3(20),
        base: Instance { addresses, ..fast() },
        addresses: ["fd09::1/64", "fd09::2/64"],
    }
}

fn fast() -> Instance {
    Instance { interval: "0.2", ..Instance::default() }
}

/// The block of these lines.
fn hmac(lines: &[&str]) -> String {
    format!("auth_hmac {{\n        {}\n    }}", lines.join("\n        "))
}

/// A pair of ours elects, hands over, and refuses what a vandal repeats.
fn life_of_signed(signed: &Signed) {
    if is_reference("it has no auth_hmac") {
        return;
    }
    // tshark takes the trailer for a part of the advert, and the checksum for a wrong one.
    let net = Net::without_referee();
    let timing = signed.timing;
    let [a, b] = ["a", "b"].map(|name| net.node(name, "eth0", &[signed.addresses[usize::from(name == "b")]]));
    let vandal = net.node("vandal", "eth0", &["10.9.0.66/24"]);
    let conf =
        |priority: u8| signed.base.clone().priority(priority).line(&hmac(&[KEY, "active_key 1"])).text();
    let master = Daemon::start(&a, UnderTest, &conf(150));
    let daemon = Daemon::start(&b, UnderTest, &conf(100));
    net.wait_master("a", master.since(), START + timing.master_down(150));
    daemon.wait_log("master set to", START);
    let mut injector = Injector::new(&vandal);
    net.never("b preempts", now(), timing.master_down(100) * 2, |event| event.is_advert_of("b"));
    for event in net.adverts(master.since(), "a") {
        let tail = &event.advert().expect("an advert").authentication;
        let trailer = &tail[tail.len() - 28..];
        assert_eq!(trailer[..4], [1, 1, 0, 0], "format, key, reserved");
    }
    let seen = net.frames("a");
    let adverts: Vec<_> =
        seen.iter().filter(|frame| frame.get(23) == Some(&112) || frame.get(20) == Some(&112)).collect();
    for frame in adverts.iter().rev().take(5) {
        injector.send(frame);
    }
    let mut forged = (*adverts.last().expect("an advert")).clone();
    *forged.last_mut().expect("octets") ^= 1;
    injector.send(&forged);
    daemon.wait_log("replayed authentication trailer from", timing.interval);
    eventually("the forged one is counted", ALLOWANCE, || {
        daemon.stats().number("VI_1/Authentication Extension Errors/Invalid HMAC")
            == u64::from(timing.version != 3 || signed.addresses[0].contains('.'))
    });
    assert!(daemon.stats().number("VI_1/Authentication Extension Errors/Replay") >= 5);
    assert_eq!(daemon.stats().allocations(), 0, "while adverts are judged");
    assert_eq!(master.stats().allocations(), 0, "while adverts are signed");
    let heir = steps::Heir { node: "b", priority: 100, timing };
    steps::stop(&net, "a", master, heir);
    // It comes back with a later clock, and is believed.
    let back = Daemon::start(&a, UnderTest, &conf(150));
    net.wait_master("a", back.since(), START + timing.master_down(150));
    net.never("b goes on", now() + 100_000_000, timing.interval * 3, |event| event.is_advert_of("b"));
}

#[test]
fn signed_adverts_of_version_2() {
    life_of_signed(&signed_v2());
}

#[test]
fn signed_adverts_of_version_3() {
    life_of_signed(&signed_v3());
}

#[test]
fn signed_adverts_over_ipv6() {
    life_of_signed(&signed_v6());
}

/// A running pair, whose configurations change step by step. At no step anybody but `a` is MASTER.
struct Rollout<'n> {
    net: &'n Net,
    daemons: [Daemon<'n>; 2],
}

const TIMING: Timing = Timing::v3(20);

fn conf(priority: u8, block: &str) -> String {
    fast().priority(priority).line(block).text()
}

impl<'n> Rollout<'n> {
    fn start(net: &'n Net, nodes: &'n [Node; 2], block: &str) -> Self {
        let [a, b] = nodes;
        let first = Daemon::start(a, UnderTest, &conf(150, block));
        net.wait_master("a", first.since(), START + TIMING.master_down(150));
        let second = Daemon::start(b, UnderTest, &conf(100, block));
        second.wait_log("master set to 10.9.0.1", START);
        Self { net, daemons: [first, second] }
    }

    /// Gives both the block, one after the other, in this order; each must go on as it was.
    fn step(&self, block: &str, backup_first: bool) {
        let begin = now();
        let mut order = [0, 1];
        if backup_first {
            order.reverse();
        }
        for index in order {
            self.daemons[index].reload(&conf([150, 100][index], block));
            std::thread::sleep(TIMING.interval * 3);
        }
        let said = || self.daemons.each_ref().map(|daemon| daemon.log()).join("\n");
        self.net.never(block, begin, TIMING.master_down(100) * 2, |event| event.is_advert_of("b"));
        assert!(steps::longest_gap(self.net, begin, "a") <= TIMING.interval + ALLOWANCE, "{}", said());
        assert!(!said().contains("authentication trailer"), "{}", said());
        assert!(!said().contains("authentication key"), "{}", said());
    }

    /// Octets behind the last advert of the master.
    fn behind(&self) -> usize {
        let adverts = self.net.adverts(self.daemons[0].since(), "a");
        adverts.last().and_then(|event| event.advert()).map_or(0, |advert| advert.authentication.len())
    }

    fn end(self) {
        for (daemon, state) in self.daemons.iter().zip(["Entering MASTER", "Entering BACKUP"]) {
            assert_eq!(
                daemon.logged("STATE"),
                1 + usize::from(state == "Entering MASTER"),
                "{}",
                daemon.log()
            );
        }
    }
}

#[test]
fn keys_are_rotated_by_reloads_without_a_flap() {
    if is_reference("it has no auth_hmac") {
        return;
    }
    let net = Net::without_referee();
    let nodes = pair(&net);
    let rollout = Rollout::start(&net, &nodes, &hmac(&[KEY, "active_key 1"]));
    rollout.step(&hmac(&[KEY, OTHER_KEY, "active_key 1"]), true);
    rollout.step(&hmac(&[KEY, OTHER_KEY, "active_key 2"]), false);
    rollout.step(&hmac(&[OTHER_KEY, "active_key 2"]), true);
    rollout.end();
}

#[test]
fn from_nothing_to_signatures_without_a_flap() {
    if is_reference("it has no auth_hmac") {
        return;
    }
    let net = Net::without_referee();
    let nodes = pair(&net);
    let rollout = Rollout::start(&net, &nodes, "");
    for (mode, octets, backup_first) in
        [("receive-only", 0, true), ("permissive", 28, false), ("enforce", 28, true)]
    {
        rollout.step(&hmac(&[KEY, "active_key 1", &format!("mode {mode}")]), backup_first);
        assert_eq!(rollout.behind(), octets, "{mode}");
    }
    rollout.end();
}

#[test]
fn who_does_not_sign_is_not_believed() {
    if is_reference("it has no auth_hmac") {
        return;
    }
    let net = Net::without_referee();
    let [a, b] = pair(&net);
    let daemon = Daemon::start(&a, UnderTest, &conf(100, &hmac(&[KEY, "active_key 1"])));
    let peer = Daemon::start(&b, Reference, &conf(150, ""));
    daemon.wait_log("(VI_1) missing authentication trailer from 10.9.0.2", START + TIMING.master_down(150));
    drop(peer);
    steps::clean(&b, "eth0", &[VIP]);
    let peer = Daemon::start(&b, UnderTest, &conf(150, &hmac(&[OTHER_KEY, "active_key 2"])));
    daemon.wait_log("(VI_1) unknown authentication key id 2 from 10.9.0.2", START + TIMING.master_down(150));
    peer.wait_log("(VI_1) unknown authentication key id 1 from 10.9.0.1", START);
    let both = now();
    net.wait("a stays master", both, TIMING.interval * 2, |event| event.is_advert_of("a"));
    net.wait("b stays master", both, TIMING.interval * 2, |event| event.is_advert_of("b"));
    let stats = daemon.stats();
    assert!(stats.number("VI_1/Authentication Extension Errors/Missing") > 0);
    assert!(stats.number("VI_1/Authentication Extension Errors/Unknown Key") > 0);
    // The dump says how, and not by which key.
    daemon.signal(Signal::SIGUSR1);
    let dump = daemon.dump("/tmp/keepalived.data");
    assert!(dump.contains("Keys = 1 (active)"), "{dump}");
    assert!(!dump.contains("0405060708"), "{dump}");
}

#[test]
fn keys_come_from_files_and_are_read_again_by_a_reload() {
    if is_reference("it has no auth_hmac") {
        return;
    }
    let net = Net::without_referee();
    let nodes = pair(&net);
    let [a, b] = &nodes;
    let block = hmac(&["key 1 file:/etc/hmac.key", "active_key 1"]);
    // Without its key an instance is in fault: it neither signs nor believes.
    let daemon = Daemon::start(a, UnderTest, &conf(150, &block));
    daemon.wait_log("no key to sign adverts with", START);
    net.never("a speaks", daemon.since(), TIMING.master_down(150) * 2, |event| event.is_advert_of("a"));
    for node in [a, b] {
        node.write(
            "/etc/hmac.key",
            "hex:1f1f1f1f1f1f1f1f 1f1f1f1f1f1f1f1f 1f1f1f1f1f1f1f1f 1f1f1f1f1f1f1f1f\n",
        );
        node.shell("chmod 600 /etc/hmac.key");
    }
    let there = now();
    net.wait_master("a", there, Duration::from_secs(2) + TIMING.master_down(150));
    let peer = Daemon::start(b, UnderTest, &conf(100, &block));
    peer.wait_log("master set to 10.9.0.1", START);
    // Another key in the same file: taken at the reload, not before.
    a.write("/etc/hmac.key", "a-key-in-clear-of-more-than-thirty-two-octets\n");
    a.shell("chmod 644 /etc/hmac.key");
    net.never("b takes over", now(), TIMING.master_down(100) * 2, |event| event.is_advert_of("b"));
    daemon.reload(&conf(150, &block));
    daemon.wait_log("others may read file /etc/hmac.key", Duration::ZERO);
    peer.wait_log("(VI_1) invalid authentication HMAC from 10.9.0.1", START);
    net.wait("b is on its own", now(), TIMING.master_down(100) * 3, |event| event.is_advert_of("b"));
    b.write("/etc/hmac.key", "a-key-in-clear-of-more-than-thirty-two-octets\n");
    let begin = now();
    peer.reload(&conf(100, &block));
    net.wait_master("a", now() + nanos(TIMING.interval * 2), TIMING.interval * 3);
    // A file that is gone at a reload: the key of before stays in use.
    a.remove("/etc/hmac.key");
    daemon.reload(&conf(150, &block));
    daemon.wait_log("auth_hmac key 1: file /etc/hmac.key cannot be read", Duration::ZERO);
    let later = now();
    net.never("b takes over", later, TIMING.master_down(100) * 2, |event| event.is_advert_of("b"));
    assert!(steps::longest_gap(&net, later, "a") <= TIMING.interval + ALLOWANCE);
    assert!(begin < later);
}

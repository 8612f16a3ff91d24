//! Kills at random moments, seeded: whatever dies, one router has the addresses, and both have what their model says.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Launch, Program, is_reference};
use crate::kit::inject::Rng;
use crate::kit::net::Net;
use crate::kit::node::{Node, is_alive};

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const VIP: &str = "10.9.0.100";
const WHY: &str = "its new child takes the addresses off and starts an election";

fn conf(priority: u8) -> Instance {
    Instance::default()
        .priority(priority)
        .line("use_vmac")
        .line("virtual_routes {\n 10.77.0.0/16 dev eth0\n}")
        .line("virtual_rules {\n from 10.77.0.0/16 table 100 priority 700\n}")
}

/// What the instance puts into the kernel as MASTER: address, route, rule. As BACKUP nothing but the macvlan.
fn holdings(node: &Node) -> (usize, usize, usize) {
    let count = |command: &str, word: &str| node.shell(command).matches(word).count();
    (
        count("ip -o -4 addr", &format!(" {VIP}/")),
        count("ip route show table all", "10.77.0.0/16"),
        count("ip rule", "lookup 100"),
    )
}

fn send(pid: i32, signal: Signal) {
    // It may have ended by itself on the way.
    let _ = kill(Pid::from_raw(pid), signal);
}

/// Masters that speak in turn: once one has given way it is silent.
fn assert_no_dispute(net: &Net, since: u64) {
    let mut speakers: Vec<(u64, String)> = Vec::new();
    for event in net.events(since) {
        let speaks = event.advert().is_some_and(|advert| advert.priority > 0);
        if speaks && speakers.last().is_none_or(|(_, last)| *last != event.node) {
            speakers.push((event.at, event.node));
        }
    }
    for turns in speakers.windows(5) {
        let took = Duration::from_nanos(turns[4].0 - turns[0].0);
        assert!(took > TIMING.interval * 3, "two masters at once: {turns:?}\n{}", net.story(since));
    }
}

#[test]
fn random_kills_leave_one_master_and_nothing_else() {
    if is_reference(WHY) {
        return;
    }
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_122);
    let mut random = Rng::seeded(seed);
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let texts = [conf(150).text(), conf(150).line("track_src_ip").text()];
    let mut daemon = Daemon::start(&a, US, &texts[0]);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    let _peer = Daemon::start(&b, US, &conf(100).text());
    std::thread::sleep(TIMING.master_down(100));
    for round in 0..24 {
        let begin = now();
        let what = random.below(7);
        let pause = Duration::from_micros(random.below(60_000) as u64);
        eprintln!("seed {seed} round {round}: {what} after {pause:?}");
        let child = daemon.vrrp_child();
        match what {
            0 => send(child, Signal::SIGKILL),
            1 => {
                send(child, Signal::SIGKILL);
                std::thread::sleep(pause);
                send(daemon.vrrp_child(), Signal::SIGKILL);
            }
            2 => {
                send(child, Signal::SIGSTOP);
                eventually("the watchdog kills it", START, || !is_alive(child));
            }
            3 => {
                a.write(CONF, &texts[round % 2]);
                daemon.signal(Signal::SIGHUP);
                std::thread::sleep(pause / 4);
                send(child, Signal::SIGKILL);
            }
            4 => {
                // The child cleans up; then a new daemon.
                send(daemon.first(), Signal::SIGKILL);
                eventually("the child ends", START, || !is_alive(child));
                assert_eq!(holdings(&a), (0, 0, 0), "what the child of a dead parent leaves");
                drop(daemon);
                daemon = Launch::new(&a, US).start();
            }
            5 => {
                daemon.kill();
                std::thread::sleep(pause);
                daemon = Launch::new(&a, US).start();
            }
            _ => {
                daemon.signal(Signal::SIGTERM);
                std::thread::sleep(pause / 8);
                send(child, Signal::SIGKILL);
                eventually("the daemon ends", START, || !is_alive(daemon.first()));
                assert_eq!(holdings(&a), (0, 0, 0), "what is left after a stop");
                assert_eq!(a.shell("ip -o link show type macvlan"), "");
                drop(daemon);
                daemon = Launch::new(&a, US).start();
            }
        }
        // A pause of the parent's doubles with each child that dies young; new daemons begin anew.
        let patience = Duration::from_secs(70);
        let macvlans = || a.shell("ip -o link show type macvlan").lines().count();
        let settled = || (holdings(&a), holdings(&b), macvlans()) == ((1, 1, 1), (0, 0, 0), 1);
        eventually("a is MASTER and all is in place for good", patience, || {
            settled() && {
                // A cleaner may be about to begin.
                std::thread::sleep(TIMING.interval * 3);
                settled()
            }
        });
        assert_no_dispute(&net, begin);
        if daemon.logged("limit respawn rate") > 2 {
            let (_, code) = daemon.stop();
            assert_eq!(code, Some(0));
            daemon = Launch::new(&a, US).start();
            net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
        }
    }
}

/// The child dies while two hundred instances are being taken over.
#[test]
fn a_kill_in_the_middle_of_two_hundred_take_overs() {
    if is_reference(WHY) {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let text = |priority: u8| -> String {
        let instance = |number: u32| {
            format!(
                "vrrp_instance V{number} {{\n interface eth0\n virtual_router_id {number}\n priority {priority}\n \
                 version 3\n advert_int 0.5\n virtual_ipaddress {{\n 10.9.1.{number}\n }}\n}}\n"
            )
        };
        (1..=200).map(instance).collect()
    };
    let count = |node: &Node| node.shell("ip -o -4 addr").matches(" 10.9.1.").count();
    let mut random = Rng::seeded(4);
    for round in 0..4 {
        let peer = Daemon::start(&b, US, &text(150));
        eventually("b has all", START * 3, || count(&b) == 200);
        let daemon = Daemon::start(&a, US, &text(100));
        daemon.wait_log("master set to", START);
        std::thread::sleep(Duration::from_secs(1));
        let (_, code) = peer.stop();
        assert_eq!(code, Some(0));
        let child = daemon.vrrp_child();
        let trie = format!("/proc/{}/net/fib_trie", a.holder());
        let some = 10 + random.below(150);
        let end = std::time::Instant::now() + START;
        let mut had = 0;
        while had < some && std::time::Instant::now() < end {
            had = std::fs::read_to_string(&trie).unwrap_or_default().matches("-- 10.9.1.").count() / 2;
        }
        send(child, Signal::SIGKILL);
        eventually("a has all", START * 3, || count(&a) == 200);
        eprintln!("round {round}: killed with {had} addresses");
        let (_, code) = daemon.stop();
        assert_eq!(code, Some(0));
        assert_eq!(count(&a), 0);
    }
}

//! Timers and elections: how an instance begins, when it takes over, when it does not, and what it makes of a pause.
//! What keepalived 2.2.7 knows is shown with it in the same place.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, EARLY, START, Timing, eventually};
use crate::kit::capture::{nanos, now};
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Program};
use crate::kit::decode::Event;
use crate::kit::net::{Net, between};
use crate::kit::node::{Node, UNDER_TEST};
use crate::steps;

use Program::{Reference, UnderTest};

const TIMING: Timing = Timing::v3(20);
const VIP: &str = "10.9.0.100";

fn pair(net: &Net) -> (Node, Node) {
    (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]))
}

fn conf(priority: u8, lines: &[&str]) -> Instance {
    let conf = Instance { interval: "0.2", ..Instance::default() }.priority(priority);
    lines.iter().fold(conf, |conf, line| conf.line(line))
}

#[test]
fn a_newcomer_preempts_as_it_is_told_like_the_reference() {
    // A MASTER of priority 100 is there; after how many intervals and skews one of 150 takes over. The delay of a
    // second begins with the first advert heard, and its end is noticed by an advert; the timer that the last advert
    // within it armed has to run out then.
    let down = TIMING.master_down(150);
    for (lines, from, to) in [
        (&[][..], down, down + TIMING.interval),
        (&["preempt"][..], down, down + TIMING.interval),
        (&["nopreempt", "preempt"][..], down, down + TIMING.interval),
        (&["down_timer_adverts 5"][..], down + TIMING.interval * 2, down + TIMING.interval * 3),
        (
            &["preempt_delay 1"][..],
            Duration::from_secs(1),
            Duration::from_secs(1) + TIMING.interval * 2 + down,
        ),
    ] {
        for program in [UnderTest, Reference] {
            let net = Net::new();
            let (a, b) = pair(&net);
            let master = Daemon::start(&b, UnderTest, &conf(100, &[]).text());
            net.wait_master("b", master.since(), START + TIMING.master_down(100));
            let daemon = Daemon::start(&a, program, &conf(150, lines).text());
            daemon.wait_log("Entering BACKUP STATE (init)", START);
            let begun = now();
            let first = net.wait_master("a", daemon.since(), START + to);
            let took = between(begun, first.at);
            // The line that begins it is read some time after it was written, and written after the start.
            assert!(
                between(daemon.since(), first.at) + EARLY >= from && took <= to + ALLOWANCE,
                "{program:?} {lines:?}: {took:?}, not {from:?} to {to:?}\n{}",
                net.story(begun)
            );
            steps::address_is_at("eth0", VIP, &a, &[&b]);
        }
    }
}

#[test]
fn without_preemption_only_a_master_that_goes_is_replaced_like_the_reference() {
    for program in [UnderTest, Reference] {
        for graceful in [true, false] {
            let net = Net::new();
            let (a, b) = pair(&net);
            let master = Daemon::start(&b, UnderTest, &conf(100, &[]).text());
            net.wait_master("b", master.since(), START + TIMING.master_down(100));
            let daemon = Daemon::start(&a, program, &conf(150, &["nopreempt"]).text());
            daemon.wait_log("Entering BACKUP STATE (init)", START);
            net.never("a takes over", now(), TIMING.master_down(150) * 3, |event| event.is_advert_of("a"));
            let heir = steps::Heir { node: "a", priority: 150, timing: TIMING };
            if graceful {
                steps::stop(&net, "b", master, heir);
            } else {
                steps::kill(&net, "b", master, heir);
            }
            drop(daemon);
        }
    }
}

#[test]
fn a_start_is_postponed_like_the_references() {
    // An owner is MASTER at the end, others have to listen then.
    for (state, priority, after) in
        [("BACKUP", 100, TIMING.master_down(100)), ("MASTER", 255, Duration::ZERO)]
    {
        for program in [UnderTest, Reference] {
            let net = Net::new();
            let a = net.node("a", "eth0", &["10.9.0.1/24"]);
            let text = conf(priority, &[]).global("vrrp_startup_delay 1.5").text();
            let daemon = Daemon::start(&a, program, &text.replace("state BACKUP", &format!("state {state}")));
            daemon.wait_log("Delaying startup for 1.5 seconds", START);
            let begun = now();
            let first = net.wait_master("a", daemon.since(), START + Duration::from_millis(1_500) + after);
            let took = between(begun, first.at);
            let bound = Duration::from_millis(1_500) + after;
            assert!(
                between(daemon.since(), first.at) + EARLY >= bound && took <= bound + ALLOWANCE,
                "{program:?} {state}: {took:?}"
            );
            if program == UnderTest {
                daemon.wait_log("Delayed start completed", Duration::ZERO);
            }
            let told = daemon.logged("Entering BACKUP STATE");
            assert_eq!(told, usize::from(state == "BACKUP"), "{program:?}: an owner is not BACKUP first");
        }
    }
}

#[test]
fn a_postponed_start_outlives_its_child_and_a_reload() {
    let net = Net::new();
    let (a, _b) = pair(&net);
    let text = |priority| conf(priority, &[]).global("vrrp_startup_delay 3").text();
    let daemon = Daemon::start(&a, UnderTest, &text(100));
    daemon.wait_log("Delaying startup for 3 seconds", START);
    let begun = now();
    let _ = kill(Pid::from_raw(daemon.vrrp_child()), Signal::SIGKILL);
    eventually("the replacement waits for the rest", START, || daemon.logged("Delaying startup for ") == 2);
    // One more virtual router comes with a reload; it waits, too.
    let other = Instance {
        name: "VI_2",
        vrid: 52,
        interval: "0.2",
        addresses: vec!["10.9.0.52".to_owned()],
        ..Instance::default()
    };
    let other = other.text();
    daemon.reload(&(text(120) + other.split_once("}\n").expect("the end of global_defs").1));
    net.never("an advert", begun, Duration::from_millis(1_500), |event| event.is_advert_of("a"));
    let first = net.wait_master("a", begun, Duration::from_secs(3) + TIMING.master_down(120));
    let is_about = |what: &str, event: &Event, bound: Duration| {
        // The line that begins it is read some time after it was written, and written after the start.
        let (most, least) = (between(daemon.since(), event.at), between(begun, event.at));
        assert!(most + EARLY >= bound && least <= bound + ALLOWANCE, "{what}: {least:?}, not {bound:?}");
    };
    is_about("the delay", &first, Duration::from_secs(3) + TIMING.master_down(120));
    let second = net.wait(
        "the one that came with the reload",
        begun,
        Duration::from_secs(3) + TIMING.master_down(100),
        |event| event.advert().is_some_and(|advert| advert.vrid == 52),
    );
    is_about("the other one", &second, Duration::from_secs(3) + TIMING.master_down(100));
    // What comes later is not held.
    let third = other
        .replace("VI_2", "VI_3")
        .replace("virtual_router_id 52", "virtual_router_id 53")
        .replace("10.9.0.52", "10.9.0.53");
    let reloaded = now();
    daemon.reload(&(text(120) + third.split_once("}\n").expect("the end of global_defs").1));
    net.wait("a third one", reloaded, TIMING.master_down(100) + ALLOWANCE, |event| {
        event.advert().is_some_and(|advert| advert.vrid == 53)
    });
}

#[test]
fn a_start_waits_until_the_machine_has_been_up_long_enough() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let up = std::fs::read_to_string("/proc/uptime").expect("the uptime");
    let exactly: f64 = up.split(' ').next().and_then(|word| word.parse().ok()).expect("seconds");
    let up: u64 = up.split('.').next().and_then(|word| word.parse().ok()).expect("seconds");
    // A time namespace in which the machine has been up for a hundred seconds, and a bit.
    let back = up - 100;
    let start = |globals: &str| {
        a.write(CONF, &conf(100, &[]).global("vrrp_startup_delay 0.1").global(globals).text());
        let begun = now();
        a.shell(&format!(
            "unshare --time --fork --monotonic -{back} --boottime -{back} {UNDER_TEST} -n -l -G -D -f {CONF} \
             >/dev/null 2>/run/boot.log &"
        ));
        begun
    };
    let begun = start("vrrp_delay_after_boot 104");
    let from = Duration::from_secs(3) + TIMING.master_down(100);
    let first = net.wait_master("a", begun, from + Duration::from_secs(1));
    assert!(between(begun, first.at) + ALLOWANCE >= from, "{:?}", between(begun, first.at));
    // What is left of the four seconds when it looks, and it looks soon.
    let log = a.read("/run/boot.log");
    let told = log.split_once("Delaying startup for ").and_then(|(_, rest)| rest.split(' ').next());
    let told: f64 = told.and_then(|word| word.parse().ok()).unwrap_or_default();
    let most = 4.0 - exactly.fract();
    assert!(told <= most + 0.01 && told >= most - ALLOWANCE.as_secs_f64(), "{told} of {most}\n{log}");
    a.shell("kill $(cat /run/keepalived.pid)");
    eventually("it ends", START, || !a.path("/run/keepalived.pid").exists());
    // It has been up long enough by now.
    let begun = start("vrrp_delay_after_boot 100");
    net.wait_master("a", begun, START + TIMING.master_down(100));
    assert!(
        a.read("/run/boot.log").contains("Delaying startup for 0.1 seconds"),
        "{}",
        a.read("/run/boot.log")
    );
    a.shell("kill $(cat /run/keepalived.pid)");
    eventually("it ends", START, || !a.path("/run/keepalived.pid").exists());
}

/// Stops every process of a daemon for a time.
fn freeze(daemon: &Daemon<'_>, length: Duration) {
    // The parent goes first and comes back last, or it would take its child for hung.
    let all: Vec<Pid> = daemon.processes().into_iter().map(Pid::from_raw).collect();
    for pid in &all {
        kill(*pid, Signal::SIGSTOP).expect("it runs");
    }
    std::thread::sleep(length);
    for pid in all.iter().rev() {
        kill(*pid, Signal::SIGCONT).expect("it is there");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_master_that_was_frozen_gives_way_if_told_to() {
    for (line, gives_way) in [("timer_expired_backup", true), ("timer_expired_backup 100", true), ("", false)]
    {
        let net = Net::new();
        let (a, b) = pair(&net);
        let daemon = Daemon::start(&a, UnderTest, &conf(150, &["nopreempt", line]).text());
        net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
        let peer = Daemon::start(&b, UnderTest, &conf(100, &["nopreempt"]).text());
        peer.wait_log("master set to 10.9.0.1", START);
        let child = daemon.vrrp_child();
        let frozen = now();
        freeze(&daemon, TIMING.master_down(100) * 3);
        let thawed = now();
        net.wait_master("b", frozen, TIMING.master_down(100));
        if gives_way {
            net.never("the frozen one says anything", thawed, TIMING.master_down(150) * 3, |event| {
                event.is_advert_of("a")
            });
            steps::address_is_at("eth0", VIP, &b, &[&a]);
            assert_eq!(daemon.logged("timer expired too late"), 1, "{}", daemon.log());
            // It is a BACKUP like any other.
            let heir = steps::Heir { node: "a", priority: 150, timing: TIMING };
            steps::stop(&net, "b", peer, heir);
        } else {
            net.wait_master("a", thawed.saturating_sub(nanos(ALLOWANCE)), TIMING.interval + ALLOWANCE);
            steps::address_is_at("eth0", VIP, &a, &[&b]);
        }
        assert_eq!(daemon.vrrp_child(), child, "it was not replaced");
    }
    // A short pause is no reason.
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, UnderTest, &conf(150, &["nopreempt", "timer_expired_backup"]).text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    freeze(&daemon, TIMING.interval);
    std::thread::sleep(TIMING.interval * 2);
    assert_eq!(daemon.logged("timer expired too late"), 0);
}

#[test]
fn an_owner_that_ignores_adverts_hears_of_no_rival() {
    let net = Net::new();
    let (a, b) = pair(&net);
    let owner = |lines: &[&str]| conf(255, lines).text().replace("state BACKUP", "state MASTER");
    let first = Daemon::start(&a, UnderTest, &owner(&["owner_ignore_adverts"]));
    net.wait_master("a", first.since(), START);
    // The rival has the higher address and would win.
    let rival = Daemon::start(&b, UnderTest, &owner(&[]));
    net.wait_master("b", rival.since(), START);
    let begun = now();
    std::thread::sleep(TIMING.interval * 5);
    assert!(net.adverts(begun, "a").len() >= 3, "{}", net.story(begun));
    assert_eq!(first.logged("CONFIGURATION ERROR"), 0);
    assert!(rival.logged("CONFIGURATION ERROR") > 0);
    // A reload makes it listen, and it yields.
    first.reload(&owner(&["owner_ignore_adverts off"]).replace("owner_ignore_adverts off", ""));
    first.wait_log("Entering BACKUP STATE", TIMING.interval * 3);
}

#[test]
fn adverts_of_unknown_router_ids_are_told_like_the_reference() {
    let line = "Unknown VRID(77) received on interface(eth0). ignoring...";
    for program in [UnderTest, Reference] {
        let net = Net::new();
        let (a, b) = pair(&net);
        let quiet = conf(150, &[]).text();
        let daemon = Daemon::start(&a, program, &conf(150, &[]).global("log_unknown_vrids").text());
        net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
        let stranger = Instance { vrid: 77, addresses: vec!["10.9.0.77".to_owned()], ..conf(100, &[]) };
        let other = Daemon::start(&b, UnderTest, &stranger.text());
        let first = net.wait_master("b", other.since(), START + TIMING.master_down(100));
        daemon.wait_log(line, TIMING.interval);
        std::thread::sleep(TIMING.interval * 5);
        let before = net.adverts(first.at, "b").len();
        let told = daemon.logged(line);
        let sent = net.adverts(first.at, "b").len();
        // The daemon may hear one that the capture has not handed on yet.
        assert!(told + 2 >= before.min(5) && told <= sent + 1, "{program:?}: {told} of {before} to {sent}");
        // It does not disturb its own election.
        assert!(steps::longest_gap(&net, first.at, "a") < TIMING.interval + ALLOWANCE);
        if program == UnderTest {
            daemon.reload(&quiet);
            let before = daemon.logged(line);
            std::thread::sleep(TIMING.interval * 3);
            assert!(daemon.logged(line) <= before + 1, "a reload turns it off");
        }
    }
}

#[test]
fn a_strict_master_does_not_answer_lower_priorities_like_the_reference() {
    for program in [UnderTest, Reference] {
        let net = Net::new();
        let (a, b) = pair(&net);
        let daemon = Daemon::start(&a, program, &conf(150, &["strict_mode", "garp_master_delay 0"]).text());
        net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
        // It does not hear us, so it goes on.
        b.shell(
            "nft 'add table ip deaf; add chain ip deaf in { type filter hook prerouting priority -300; }; \
             add rule ip deaf in ip protocol 112 drop'",
        );
        let rival = Daemon::start(&b, UnderTest, &conf(100, &[]).text());
        let split = net.wait_master("b", rival.since(), START + TIMING.master_down(100));
        daemon.wait_log("with lower priority 100, ours 150\n", TIMING.interval);
        std::thread::sleep(TIMING.interval * 6);
        let adverts = net.adverts(split.at, "a");
        let window = between(adverts[0].at, adverts[adverts.len() - 1].at);
        let expected = window.as_millis() / TIMING.interval.as_millis() + 2;
        assert!(adverts.len() as u128 <= expected, "{program:?}: {} adverts in {window:?}", adverts.len());
        let announced = |event: &&Event| event.announces("a", VIP);
        assert_eq!(net.events(split.at).iter().filter(announced).count(), 0, "{program:?} announces again");
    }
}

#[test]
fn a_master_that_yields_has_a_last_word_only_if_told_to_like_the_reference() {
    for (line, words) in [("higher_prio_send_advert on", 1), ("higher_prio_send_advert off", 0)] {
        for program in [UnderTest, Reference] {
            let net = Net::new();
            let (a, b) = pair(&net);
            let daemon = Daemon::start(&a, program, &conf(100, &[line]).text());
            net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
            let rival = Daemon::start(&b, UnderTest, &conf(150, &[]).text());
            let first = net.wait_master("b", rival.since(), START + TIMING.master_down(150));
            daemon.wait_log("Entering BACKUP STATE\n", TIMING.interval);
            std::thread::sleep(TIMING.interval * 2);
            // One that was due may have left before the rival's was heard.
            let before = net.adverts(daemon.since(), "a").into_iter().rfind(|event| event.at <= first.at);
            let due = before.expect("it was master").at + nanos(TIMING.interval - EARLY);
            let last = net.adverts(first.at + 1, "a");
            let crossed = usize::from(last.iter().any(|event| event.at >= due));
            assert!(
                last.len() == words || last.len() == words + crossed,
                "{program:?} {line}\n{}",
                net.story(first.at)
            );
        }
    }
}

#[test]
fn static_addresses_without_an_interface_go_to_the_default_one() {
    for program in [UnderTest, Reference] {
        let net = Net::new();
        let a = Node::new("a");
        for (number, interface) in ["eth0", "eth1", "eth2"].into_iter().enumerate() {
            net.plug(&a, interface, &[&format!("10.9.{number}.1/24")]);
        }
        let text = |default: &str| {
            conf(100, &[]).global(default).before("static_ipaddress {\n    10.9.7.7/24\n}").text()
        };
        let daemon = Daemon::start(&a, program, &text("default_interface eth1"));
        eventually("the address is there", START, || a.holds("eth1", "10.9.7.7"));
        if program == UnderTest {
            daemon.reload(&text("default_interface eth2"));
            eventually("it moves", START, || a.holds("eth2", "10.9.7.7") && !a.holds("eth1", "10.9.7.7"));
            daemon.reload(&text("").replace("    \n", ""));
            eventually("to eth0", START, || a.holds("eth0", "10.9.7.7") && !a.holds("eth2", "10.9.7.7"));
        }
        let (_, code) = daemon.stop();
        assert_eq!(code, Some(0));
        assert!(!["eth0", "eth1", "eth2"].iter().any(|interface| a.holds(interface, "10.9.7.7")));
    }
}

//! Processes that die or hang: nobody outside may notice more than one advert's worth.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Launch, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::is_alive;
use crate::steps;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(50);
const VIP: &str = "10.9.0.100";

fn conf() -> Instance {
    Instance { interval: "0.5", ..Instance::default() }
}

#[test]
fn a_killed_child_is_replaced_and_nobody_notices() {
    if is_reference("its new child takes the addresses off and starts an election") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let daemon = Daemon::start(&a, US, &conf().priority(150).text());
    let _peer = Daemon::start(&b, Program::Reference, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    steps::address_is_at("eth0", VIP, &a, &[&b]);
    a.shell("(ip monitor address >/run/changes 2>&1 &)");
    std::thread::sleep(TIMING.interval * 2);

    let child = daemon.vrrp_child();
    let killed = now();
    kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
    net.wait_master("a", killed + 1_000_000, TIMING.interval);
    assert_ne!(daemon.vrrp_child(), child, "a new child");
    std::thread::sleep(TIMING.master_down(150));
    let others = net.adverts(killed, "b");
    assert!(others.len() <= 1, "a second master lasted longer than one advert\n{}", net.story(killed));
    net.never("a goodbye", killed, Duration::ZERO, |event| event.is_goodbye_of("a"));
    assert!(steps::longest_gap(&net, killed, "a") <= TIMING.interval + ALLOWANCE, "{}", net.story(killed));
    let changes = a.read("/run/changes");
    assert!(!changes.contains("Deleted"), "the address was never taken off: {changes}");
    steps::address_is_at("eth0", VIP, &a, &[&b]);
    for line in ["exited due to signal 9", "died: Respawning"] {
        assert!(daemon.log().contains(line), "not logged: {line}\n{}", daemon.log());
    }
}

/// The parent was stopped when its child died: what the child had been says nothing any more by the time it goes on.
#[test]
fn a_child_that_was_dead_for_long_is_not_replaced_by_a_master() {
    if is_reference("its new child starts an election in any case") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let daemon = Daemon::start(&a, US, &conf().priority(150).line("nopreempt").text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    let _peer = Daemon::start(&b, US, &conf().line("nopreempt").text());
    steps::address_is_at("eth0", VIP, &a, &[&b]);
    let (parent, child) = (Pid::from_raw(daemon.first()), Pid::from_raw(daemon.vrrp_child()));
    kill(parent, Signal::SIGSTOP).expect("the parent runs");
    let killed = now();
    kill(child, Signal::SIGKILL).expect("the child runs");
    net.wait_master("b", killed, TIMING.master_down(100));
    std::thread::sleep(TIMING.interval);
    let since = now();
    kill(parent, Signal::SIGCONT).expect("the parent is there");
    daemon.wait_log("(VI_1) Entering BACKUP STATE (init)", START);
    net.never("a goes on as MASTER", since, TIMING.master_down(150), |event| event.is_advert_of("a"));
    eventually("a has let go", ALLOWANCE, || !a.holds("eth0", VIP) && b.holds("eth0", VIP));
}

#[test]
fn a_hanging_child_is_replaced_by_the_watchdog() {
    if is_reference("it has no watchdog") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let daemon = Daemon::start(&a, US, &conf().priority(150).text());
    let _peer = Daemon::start(&b, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    steps::address_is_at("eth0", VIP, &a, &[&b]);
    let child = daemon.vrrp_child();
    let stopped = now();
    kill(Pid::from_raw(child), Signal::SIGSTOP).expect("the child runs");
    // A hello every second or half the master-down time, and one unanswered is enough; then a new child.
    eventually("the watchdog kills the child", Duration::from_secs(3), || !is_alive(child));
    net.wait_master("a", stopped + 1_000_000, Duration::from_secs(3) + TIMING.master_down(150));
    eventually("one master is left", Duration::from_secs(3), || {
        a.holds("eth0", VIP) && !b.holds("eth0", VIP)
    });
    let settled = now();
    net.never("two masters", settled, TIMING.interval * 3, |event| event.is_advert_of("b"));
}

#[test]
fn a_child_whose_parent_is_killed_cleans_up_and_ends() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let daemon = Daemon::start(&a, US, &conf().priority(150).text());
    let _peer = Daemon::start(&b, Program::Reference, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    steps::address_is_at("eth0", VIP, &a, &[&b]);
    let child = daemon.vrrp_child();
    let killed = now();
    kill(Pid::from_raw(daemon.first()), Signal::SIGKILL).expect("the parent runs");
    let goodbye = net.wait("a goodbye", killed, Duration::ZERO, |event| event.is_goodbye_of("a"));
    net.wait_master("b", goodbye.at, TIMING.skew(100));
    eventually("the child ends", Duration::from_secs(2), || !is_alive(child));
    steps::address_is_at("eth0", VIP, &b, &[&a]);
}

#[test]
fn a_child_that_dies_young_is_not_restarted_in_a_loop() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    for _ in 0..2 {
        let child = daemon.vrrp_child();
        kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
        eventually("the child is gone", ALLOWANCE, || !is_alive(child));
    }
    daemon.wait_log("to limit respawn rate", Duration::from_secs(2));
    let back = now();
    net.wait_master("a", back, Duration::from_secs(3) + TIMING.master_down(100));
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
}

/// What the configuration before put into the kernel, and the new one does not name, goes all the same.
#[test]
fn a_child_killed_on_the_way_to_a_new_configuration_leaves_nothing_of_the_old_one() {
    if is_reference("its new child starts an election, and what was static stays") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let old = conf()
        .before("static_ipaddress {\n 10.9.7.1/24 dev eth0\n}\nstatic_rules {\n from 10.9.7.0/24 table 100 priority 700\n}")
        .line("virtual_rules {\n from 10.9.8.0/24 table 100 priority 701\n}");
    let old = Instance { addresses: vec![VIP.to_owned(), "10.9.0.101".to_owned()], ..old };
    let daemon = Daemon::start(&a, US, &old.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let rules = || a.shell("ip rule show").matches("lookup 100").count();
    eventually("all is there", ALLOWANCE, || {
        a.holds("eth0", "10.9.7.1") && a.holds("eth0", "10.9.0.101") && rules() == 2
    });
    let begin = now();
    let child = Pid::from_raw(daemon.vrrp_child());
    kill(child, Signal::SIGSTOP).expect("the child runs");
    a.write(CONF, &conf().text());
    daemon.signal(Signal::SIGHUP);
    daemon.wait_log("Reloading", ALLOWANCE);
    std::thread::sleep(Duration::from_millis(20));
    kill(child, Signal::SIGKILL).expect("the child is there");
    eventually("nothing of the old configuration is left", START, || {
        !a.holds("eth0", "10.9.7.1") && !a.holds("eth0", "10.9.0.101") && rules() == 0
    });
    net.never("a goodbye", begin, TIMING.master_down(100), |event| event.is_goodbye_of("a"));
    assert!(a.holds("eth0", VIP));
    assert_eq!(daemon.logged("Entering BACKUP STATE"), 1, "{}", daemon.log());
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
}

/// Whoever stops the daemon while its child lies dead finds nothing left of that one.
#[test]
fn what_a_dead_child_left_goes_when_the_daemon_is_stopped_at_that_moment() {
    if is_reference("it leaves the addresses of a dead child") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = conf().line("use_vmac").line("virtual_rules {\n from 10.9.8.0/24 table 100 priority 701\n}");
    for millis in [None, Some(0), Some(2), Some(5), Some(20)] {
        let daemon = Daemon::start(&a, US, &conf.text());
        net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
        eventually("the address is there", ALLOWANCE, || a.holds("vrrp.51", VIP));
        let child = Pid::from_raw(daemon.vrrp_child());
        if millis.is_none() {
            // It finds the death and the order to end at one time.
            daemon.freeze(true);
        }
        kill(child, Signal::SIGKILL).expect("the child runs");
        std::thread::sleep(Duration::from_millis(millis.unwrap_or(5)));
        if millis.is_none() {
            daemon.signal(Signal::SIGTERM);
            daemon.freeze(false);
        }
        let (_, code) = daemon.stop();
        assert_eq!(code, Some(0));
        assert!(!a.exists("/sys/class/net/vrrp.51"), "{millis:?} after the death");
        assert!(!a.shell("ip rule show").contains("lookup 100"), "{millis:?} after the death");
    }
}

/// How two routers spent a time together: when each sent adverts as MASTER, and what the first had on its interface.
fn nobody_else_was_master(net: &Net, since: u64, daemon: &Daemon<'_>) {
    assert!(net.adverts(since, "b").is_empty(), "{}\n{}", daemon.log(), net.story(since));
    net.never("a goodbye", since, Duration::ZERO, |event| event.is_goodbye_of("a"));
}

/// One crash after another. The pauses between are shorter than what a peer waits, then longer.
#[test]
fn crashes_in_a_row_leave_one_master_and_its_addresses_where_it_is() {
    if is_reference("its new child takes the addresses off and starts an election") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let slow = Timing::v3(200);
    let conf = |priority| Instance { interval: "2", ..Instance::default() }.priority(priority).text();
    let daemon = Daemon::start(&a, US, &conf(150));
    net.wait_master("a", daemon.since(), START + slow.master_down(150));
    let peer = Daemon::start(&b, US, &conf(100));
    peer.wait_log("master set to", START + slow.interval);
    a.shell("(ip monitor address >/run/lab/changes 2>&1 &)");
    let begin = now();
    // Pauses of 0, 1 and 2 s; a peer waits for 4 s at least.
    for pause in [0, 1, 2] {
        let child = daemon.vrrp_child();
        kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
        net.wait_master("a", now(), Duration::from_secs(pause) + slow.interval);
        assert!(a.holds("eth0", VIP), "after a pause of {pause} s");
    }
    nobody_else_was_master(&net, begin, &daemon);
    assert!(!a.read("/run/lab/changes").contains("Deleted"), "{}", a.read("/run/lab/changes"));
    // The line comes after the advert that was waited for.
    eventually("each child carries on", ALLOWANCE, || {
        daemon.logged("carrying on for the process before") == 3
    });
    assert_eq!(daemon.logged("taken off meanwhile"), 0);
    // The next pause is 4 s: too long. The address goes before the peer takes over.
    let child = daemon.vrrp_child();
    let killed = now();
    kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
    std::thread::sleep(slow.interval);
    assert!(a.holds("eth0", VIP), "it stays while nobody else can be MASTER");
    eventually("it goes", slow.interval, || !a.holds("eth0", VIP));
    assert!(net.adverts(killed, "b").is_empty(), "it went in time");
    let gap = slow.master_down(100) + slow.interval;
    net.wait("b takes over", killed, gap, |event| event.is_advert_of("b"));
    net.wait("a takes back", killed, gap + Duration::from_secs(6), |event| event.is_advert_of("a"));
    steps::address_is_at("eth0", VIP, &a, &[&b]);
}

/// A pause that is longer than what a peer waits for, from the second crash on.
#[test]
fn an_address_is_off_before_a_quick_peer_takes_over() {
    if is_reference("its new child takes the addresses off and starts an election") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let conf = |priority| Instance::default().priority(priority).text();
    let quick = Timing::v3(10);
    let daemon = Daemon::start(&a, US, &conf(150));
    net.wait_master("a", daemon.since(), START + quick.master_down(150));
    let _peer = Daemon::start(&b, US, &conf(100));
    std::thread::sleep(quick.master_down(100));
    for round in 0..3_u64 {
        let child = daemon.vrrp_child();
        let killed = now();
        kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
        if round == 0 {
            // On a busy machine it may die a little later, after one more advert.
            daemon.wait_log("carrying on for the process before", quick.interval);
            net.wait_master("a", now(), quick.interval);
            continue;
        }
        net.wait("b takes over", killed, quick.master_down(100), |event| event.is_advert_of("b"));
        assert!(!a.holds("eth0", VIP), "the address is on two routers");
        let back = Duration::from_secs(round + 1) + quick.master_down(100);
        net.wait("a takes back", killed + 100_000_000, back, |event| event.is_advert_of("a"));
        steps::address_is_at("eth0", VIP, &a, &[&b]);
    }
    assert_eq!(daemon.logged("carrying on for the process before"), 1, "{}", daemon.log());
}

/// The child of a parent that was killed cleans up; whoever starts the daemon meanwhile is not cleaned up after.
#[test]
fn a_new_daemon_waits_for_the_child_of_one_that_was_killed() {
    if is_reference("its orphan takes the addresses of the new one off") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = conf().line("use_vmac").line("virtual_rules {\n from 10.9.8.0/24 table 100 priority 701\n}");
    let mut daemon = Daemon::start(&a, US, &conf.text());
    for stands_still in [false, true] {
        net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
        eventually("the address is there", ALLOWANCE, || a.holds("vrrp.51", VIP));
        let child = Pid::from_raw(daemon.vrrp_child());
        kill(child, Signal::SIGSTOP).expect("the child runs");
        kill(Pid::from_raw(daemon.first()), Signal::SIGKILL).expect("the parent runs");
        let gone = std::time::Instant::now();
        let next = std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(300));
                if !stands_still {
                    kill(child, Signal::SIGCONT).expect("the child is there");
                }
            });
            Daemon::start(&a, US, &conf.text())
        });
        next.wait_log("Starting VRRP child process", Duration::from_secs(if stands_still { 6 } else { 1 }));
        assert!(next.logged("Waiting for the end of process") == 1, "{}", next.log());
        assert_eq!(next.logged("killing it"), usize::from(stands_still), "{}", next.log());
        assert!(gone.elapsed() >= Duration::from_millis(300));
        drop(std::mem::replace(&mut daemon, next));
        net.wait_master("a", daemon.since(), Duration::from_secs(6) + START + TIMING.master_down(100));
        eventually("the address is there", ALLOWANCE, || a.holds("vrrp.51", VIP));
        std::thread::sleep(Duration::from_millis(300));
        assert!(a.holds("vrrp.51", VIP) && a.shell("ip rule show").contains("lookup 100"));
        assert_eq!(a.shell("cat /proc/sys/net/ipv4/conf/eth0/arp_ignore").trim(), "1");
    }
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
}

/// The address of a MASTER that lost its power is no more its own if another one is MASTER when it is back: it goes at
/// once, not at the next change of states.
#[test]
fn what_a_power_cut_left_goes_when_a_backup_starts() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let both = conf().line("virtual_ipaddress_excluded {\n 10.9.0.130/24\n 2001:db8::130\n}");
    let daemon = Daemon::start(&a, US, &both.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let left = [VIP, "10.9.0.130", "2001:db8::130"];
    left.iter().for_each(|address| steps::address_is_at("eth0", address, &a, &[]));
    daemon.kill();
    assert!(left.iter().all(|address| a.holds("eth0", address)), "a power cut takes nothing off");
    let peer = Daemon::start(&b, US, &both.clone().priority(200).text());
    net.wait_master("b", peer.since(), START + TIMING.master_down(200));
    let daemon = Daemon::start(&a, US, &both.text());
    daemon.wait_log("Entering BACKUP STATE", START);
    eventually("nothing is left", ALLOWANCE, || !left.iter().any(|address| a.holds("eth0", address)));
    assert!(a.holds("eth0", "10.9.0.1"));
    assert_eq!(daemon.logged("Entering MASTER STATE"), 0, "{}", daemon.log());
}

/// Parent and child are killed at once: neither sees the end of the other.
fn kill_both(daemon: &Daemon<'_>) {
    let child = daemon.vrrp_child();
    daemon.freeze(true);
    for pid in [child, daemon.first()] {
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("it runs");
    }
    eventually("both are gone", START, || !is_alive(child) && !is_alive(daemon.first()));
}

#[test]
fn a_daemon_killed_as_a_whole_and_started_at_once_is_master_at_once() {
    if is_reference("it begins as BACKUP, and nobody has the address until it has waited") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    // Three seconds and more until it would be MASTER by waiting.
    let conf = || Instance { interval: "1", ..Instance::default() };
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + Timing::v3(100).master_down(100));
    eventually("the parent knows", START, || a.exists("/run/vrrp.state"));
    a.shell("(ip monitor address >/run/changes 2>&1 &)");
    kill_both(&daemon);
    let next = Launch::new(&a, US).start();
    next.wait_log("Entering MASTER STATE (carrying on for the process before)", START);
    net.wait_master("a", next.since(), Timing::v3(100).interval);
    let changes = a.read("/run/changes");
    assert!(!changes.contains("Deleted"), "the address was never taken off: {changes}");
    steps::address_is_at("eth0", VIP, &a, &[]);
    // What is old is not believed: by then another router may be MASTER.
    eventually("the parent knows", START, || a.exists("/run/vrrp.state"));
    kill_both(&next);
    std::thread::sleep(Timing::v3(100).master_down(100) + Duration::from_millis(500));
    let last = Launch::new(&a, US).start();
    last.wait_log("Entering BACKUP STATE", START);
    assert_eq!(last.logged("carrying on"), 0);
    last.stop();
    assert!(!a.exists("/run/vrrp.state"), "an orderly end leaves nothing");
}

#[test]
fn the_child_of_a_killed_parent_ends_in_order_and_leaves_no_mastership() {
    if is_reference("it leaves none ever") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    eventually("the parent knows", START, || a.exists("/run/vrrp.state"));
    let child = daemon.vrrp_child();
    kill(Pid::from_raw(daemon.first()), Signal::SIGKILL).expect("it runs");
    eventually("the child has ended", START, || !is_alive(child));
    assert!(!a.exists("/run/vrrp.state"), "others were told of the end");
}

#[test]
fn a_start_with_a_fatal_mistake_takes_off_what_a_killed_daemon_left() {
    if is_reference("it leaves the address for ever") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let good = conf().line("virtual_routes {\n 10.77.0.0/16 dev eth0\n}").text();
    let daemon = Daemon::start(&a, US, &good);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    daemon.kill();
    steps::address_is_at("eth0", VIP, &a, &[]);
    let bad = Daemon::start(&a, US, &good.replace("virtual_router_id 51", ""));
    assert_eq!(bad.wait_end(START), Some(2));
    let left = a.shell("ip -o addr; ip route show table all");
    assert!(!left.contains(VIP) && !left.contains("10.77.0.0"), "{left}");
    assert!(left.contains("10.9.0.1/24"), "{left}");
}

#[test]
fn a_second_copy_with_other_pid_files_says_that_two_run_and_takes_nothing_away() {
    if is_reference("it takes the address away") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &conf().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    a.shell("(ip monitor address >/run/changes 2>&1 &)");
    let told = "Another keepalived with this configuration runs here, process ";
    let usual = ["-n", "-l", "-G", "-D", "-f", CONF];
    let others = [&usual[..], &["-p", "/run/p", "-r", "/run/r"]].concat();
    let copy = Launch::new(&a, US).arguments(&others).start();
    copy.wait_log(told, START);
    copy.wait_log("Entering BACKUP STATE", START);
    steps::address_is_at("eth0", VIP, &a, &[]);
    assert!(!a.read("/run/changes").contains("Deleted"));
    copy.kill();
    // The same with the usual pid files, which somebody has removed.
    a.shell("rm -f /run/*.pid");
    let copy = Launch::new(&a, US).start();
    copy.wait_log(told, START);
    copy.kill();
    // One with another configuration is no copy.
    a.write("/run/other.conf", &conf().text().replace("virtual_router_id 51", "virtual_router_id 52"));
    let other = ["-n", "-l", "-G", "-D", "-f", "/run/other.conf", "-p", "/run/p", "-r", "/run/r"];
    let other = Launch::new(&a, US).arguments(&other).start();
    other.wait_log("Entering BACKUP STATE", START);
    assert_eq!(other.logged(told), 0);
}

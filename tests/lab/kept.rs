//! What a child that is killed leaves to its replacement: verdicts, weights, numbers heard, delays, mail.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::decode::Stamp;
use crate::kit::inject::Injector;
use crate::kit::net::Net;
use crate::kit::node::is_alive;
use crate::steps;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(20);
const KEY: &str = "key 1 one-key-of-more-than-thirty-two-octets";

/// Why none of this is for keepalived.
const WHY: &str = "its new child starts an election";

fn conf() -> Instance {
    Instance { interval: "0.2", ..Instance::default() }
}

/// Kills the child and waits for the next one; when it was killed.
fn replace(daemon: &Daemon<'_>) -> Stamp {
    let child = daemon.vrrp_child();
    let killed = now();
    kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
    eventually("the child is replaced", START, || !is_alive(child) && daemon.vrrp_child() != child);
    killed
}

/// Each kind of tracker at once, with a rival between the priority with and without any one of them.
#[test]
fn weights_hold_from_the_first_advert_on_and_a_close_rival_stays_where_it_is() {
    if is_reference(WHY) {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    a.write_script("/usr/local/bin/good", "#!/bin/bash\necho good >>/run/lab/runs\nexit 0\n");
    a.write_script("/usr/local/bin/bad", "#!/bin/bash\nexit 3\n");
    a.write("/run/lab/number", "7\n");
    a.start_dummy("server");
    let trackers = "vrrp_script good {\n script /usr/local/bin/good\n interval 5\n weight 10\n}\n\
                    vrrp_script bad {\n script /usr/local/bin/bad\n interval 5\n weight -20\n fall 2\n}\n\
                    track_file number {\n file /run/lab/number\n weight 1\n}\n\
                    vrrp_track_process server {\n process server\n weight 5\n}\n\
                    vrrp_sync_group G {\n group {\n VI_1\n }\n sync_group_tracking_weight\n}\n";
    let text = conf()
        .priority(120)
        .global("script_user root")
        .before(trackers)
        .line("track_script {\n good\n bad\n}")
        .line("track_file {\n number\n}")
        .line("track_process {\n server\n}")
        .text();
    let daemon = Daemon::start(&a, US, &text);
    // 120 + 10 - 20 + 7 + 5, once the second script has failed twice.
    net.wait("the whole priority", daemon.since(), START + Duration::from_secs(6), |event| {
        event.is_advert_of("a") && event.advert().is_some_and(|advert| advert.priority == 122)
    });
    let peer = Daemon::start(&b, US, &conf().priority(121).text());
    std::thread::sleep(TIMING.master_down(121) * 2);
    let runs = a.read("/run/lab/runs").lines().count();
    let killed = replace(&daemon);
    net.wait_master("a", killed + 1_000_000, TIMING.interval);
    std::thread::sleep(Duration::from_secs(1));
    assert!(
        a.read("/run/lab/runs").lines().count() <= runs + 1,
        "a script runs no more often than it should"
    );
    std::thread::sleep(Duration::from_secs(6));
    for event in net.adverts(killed, "a") {
        assert_eq!(event.advert().expect("an advert").priority, 122, "{}", net.story(killed));
    }
    assert!(net.adverts(killed, "b").is_empty(), "{}", net.story(killed));
    assert!(steps::longest_gap(&net, killed, "a") <= TIMING.interval + ALLOWANCE, "{}", net.story(killed));
    assert_eq!(peer.logged("Entering MASTER STATE"), 0, "{}", peer.log());
    assert_eq!(daemon.logged("Entering MASTER STATE (carrying on"), 1, "{}", daemon.log());
    assert_eq!(daemon.logged("Entering MASTER STATE"), 2, "{}", daemon.log());
    assert_eq!(daemon.logged("Entering BACKUP STATE"), 1, "{}", daemon.log());
    assert_eq!(daemon.stats().allocations(), 0);
}

/// A script counts its failures across a crash.
#[test]
fn a_script_goes_on_counting() {
    if is_reference(WHY) {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/check", "#!/bin/bash\necho run >>/run/lab/runs\ntest -e /run/lab/good\n");
    a.write("/run/lab/good", "");
    let script = "vrrp_script check {\n script /usr/local/bin/check\n interval 1\n fall 4\n rise 2\n}\n";
    let text = conf().global("script_user root").before(script).line("track_script {\n check\n}").text();
    let daemon = Daemon::start(&a, US, &text);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    a.remove("/run/lab/good");
    daemon.wait_log("now returning 1", Duration::from_secs(2));
    let runs = || a.read("/run/lab/runs").lines().count();
    let first = runs();
    eventually("a second failure", Duration::from_secs(3), || runs() > first);
    std::thread::sleep(Duration::from_millis(200));
    let killed = replace(&daemon);
    net.wait_master("a", killed + 1_000_000, TIMING.interval);
    daemon.wait_log("Entering FAULT STATE", Duration::from_secs(4));
    assert_eq!(runs(), first + 3, "four failures in all, as if nothing had happened");
}

/// A BACKUP does not interrupt a MASTER that speaks less often than it would itself.
#[test]
fn a_backup_remembers_how_often_its_master_speaks() {
    if is_reference(WHY) {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let master = Daemon::start(&a, US, &Instance { interval: "3", ..conf() }.priority(150).text());
    net.wait_master("a", master.since(), START + Timing::v3(300).master_down(150));
    let daemon = Daemon::start(&b, US, &conf().text());
    daemon.wait_log("master set to", Duration::from_secs(4));
    std::thread::sleep(Duration::from_millis(300));
    let killed = replace(&daemon);
    net.never("b interrupts", killed, Duration::from_secs(4), |event| event.is_advert_of("b"));
    let last = net.adverts(killed, "a").pop().expect("an advert");
    let died = master.kill();
    assert!(died > last.at);
    net.wait_master("b", died, Timing::v3(300).master_down(100));
}

/// What a vandal has recorded before the crash keeps the replacement from nothing after it.
fn old_adverts_are_refused(version: u8, line: &str, timing: Timing, counter: &str) {
    if is_reference(WHY) {
        return;
    }
    let net = Net::without_referee();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let vandal = net.node("vandal", "eth0", &["10.9.0.66/24"]);
    let interval = if version == 3 { "0.2" } else { "1" };
    let conf = Instance { version, interval, ..Instance::default() }.line(line);
    let master = Daemon::start(&a, US, &conf.clone().priority(150).text());
    let daemon = Daemon::start(&b, US, &conf.text());
    net.wait_master("a", master.since(), START + timing.master_down(150));
    daemon.wait_log("master set to", START);
    let mut injector = Injector::new(&vandal);
    std::thread::sleep(timing.interval * 2);
    // Its numbers go by its name, which may change.
    daemon.reload(&conf.text().replace("VI_1", "VI_2"));
    std::thread::sleep(timing.interval * 4);
    let died = master.kill();
    let last = net.adverts(0, "a").pop().expect("an advert");
    let heard = daemon.logged("VRRP sockpool");
    replace(&daemon);
    eventually("the replacement listens", START, || daemon.logged("VRRP sockpool") > heard);
    std::thread::sleep(Duration::from_millis(50));
    let seen = net.frames("a");
    let adverts = seen.iter().filter(|frame| [Some(&112), Some(&51)].contains(&frame.get(23)));
    let adverts: Vec<_> = adverts.collect();
    assert!(adverts.len() >= 4);
    // In the order in which they were sent: each would put the timer off.
    for _ in 0..8 {
        for frame in adverts.iter().skip(adverts.len() - 4) {
            injector.send(frame);
            std::thread::sleep(timing.interval / 10);
        }
    }
    assert!(now() > died);
    // The replacement's timer begins with it: no sooner than the first one's, and not put off by what is replayed.
    net.wait("b takes over", last.at, timing.master_down(100) + timing.interval * 2, |event| {
        event.is_advert_of("b")
    });
    assert_eq!(daemon.stats().number(counter), 32, "each of them is refused");
    assert_eq!(daemon.stats().allocations(), 0);
}

#[test]
fn signed_adverts_of_before_a_crash_are_refused_after_it() {
    let line = format!("auth_hmac {{\n {KEY}\n active_key 1\n}}");
    old_adverts_are_refused(3, &line, TIMING, "VI_2/Authentication Extension Errors/Replay");
}

#[test]
fn authentication_headers_of_before_a_crash_are_refused_after_it() {
    let line = "authentication {\n auth_type AH\n auth_pass s3cret\n}";
    old_adverts_are_refused(2, line, Timing::V2, "VI_2/Authentication Errors/Failure");
}

/// An interface that is down and not yet counted so is not counted so any later for a crash, and not any sooner.
#[test]
fn a_delay_goes_on_through_a_crash() {
    if is_reference(WHY) {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let port = net.plug(&a, "eth1", &[]);
    let delays = "interface_up_down_delays {\n eth1 3 1\n}\n";
    let text = conf().before(delays).line("track_interface {\n eth1\n}").text();
    let daemon = Daemon::start(&a, US, &text);
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    net.set_carrier(&port, false);
    let down = now();
    std::thread::sleep(Duration::from_secs(1));
    let killed = replace(&daemon);
    net.wait_master("a", killed + 1_000_000, TIMING.interval);
    daemon.wait_log("Entering FAULT STATE", Duration::from_secs(3));
    let took = Duration::from_nanos(now() - down);
    assert!(took > Duration::from_millis(2_800) && took < Duration::from_millis(3_500), "{took:?}");
    assert_eq!(daemon.logged("Entering BACKUP STATE"), 1, "{}", daemon.log());
}

/// Mail that waits for a relay that does not answer reaches one that does later, in order, each once.
#[test]
fn mail_that_waits_is_sent_by_the_replacement() {
    if is_reference("it forgets it") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = conf()
        .global("notification_email {\n a@x.org\n}")
        .global("notification_email_from ka@me.org")
        .global("smtp_server 127.0.0.1 2525")
        .global("smtp_connect_timeout 1")
        .line("smtp_alert");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let begin = now();
    a.shell("ip link set eth0 down; sleep 0.2; ip link set eth0 up");
    net.wait_master("a", begin + 300_000_000, START);
    std::thread::sleep(Duration::from_millis(300));
    let killed = replace(&daemon);
    net.wait_master("a", killed + 1_000_000, TIMING.interval);
    crate::mail::serve(&a, "127.0.0.1", 2525);
    let wanted = ["BACKUP", "MASTER", "FAULT", "BACKUP", "MASTER"];
    crate::mail::arrive(&a, wanted.len(), Duration::from_secs(30));
    let subjects = crate::mail::subjects(&a);
    for (subject, state) in subjects.iter().zip(wanted) {
        assert!(subject.ends_with(&format!("Entering {state} state")), "{subjects:?}");
    }
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(crate::mail::subjects(&a).len(), wanted.len());
}

//! Scripts: those that judge whether a router is fit to serve, and those that are told what became of it.

use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, LINK, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::inject::{Injector, ip_frame, vrrp_checksum};
use crate::kit::net::{Net, between};
use crate::kit::node::{Node, children, command_name, is_alive};

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const VIP: &str = "10.9.0.100";

/// Interval of the check scripts.
fn tick() -> Duration {
    Duration::from_millis(if is_reference("scripts at intervals below a second") { 1_000 } else { 200 })
}

/// A script that fails while /run/broken exists and writes down each run, and the instance that tracks it.
fn tracked(node: &Node, settings: &str) -> Instance {
    node.write_script("/usr/local/bin/check", "#!/bin/sh\necho run >> /run/runs\n! test -e /run/broken\n");
    Instance::default()
        .before(&format!(
            "vrrp_script fit {{\n    script \"/usr/local/bin/check\"\n    interval {}\n    {settings}\n}}",
            tick().as_secs_f32()
        ))
        .line("track_script {\n        fit\n    }")
}

fn runs(node: &Node) -> usize {
    node.read("/run/runs").lines().count()
}

#[test]
fn a_weighted_script_needs_fall_failures_and_rise_successes() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &tracked(&a, "weight -40\n    fall 3\n    rise 2").text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let priority = |wanted: u8, since, within: Duration| {
        net.wait(&format!("priority {wanted}"), since, within, |event| {
            event.node == "a" && event.advert().is_some_and(|advert| advert.priority == wanted)
        })
    };
    priority(100, now(), TIMING.interval * 2);
    let broken = now();
    a.write("/run/broken", "");
    let low = priority(60, broken, tick() * 3 + TIMING.interval);
    assert!(between(broken, low.at) >= tick() * 2, "three failures in a row take two intervals at least");
    let repaired = now();
    a.remove("/run/broken");
    let high = priority(100, repaired, tick() * 2 + TIMING.interval);
    assert!(between(repaired, high.at) >= tick(), "two successes in a row take an interval at least");
    for line in [
        "Script `fit` now returning 1",
        "VRRP_Script(fit) failed (exited with status 1)",
        "VRRP_Script(fit) succeeded",
        "(VI_1) Changing effective priority from 100 to 60",
        "(VI_1) Changing effective priority from 60 to 100",
    ] {
        // The wire may be quicker than the log.
        daemon.wait_log(line, START);
    }
    let before = runs(&a);
    std::thread::sleep(tick() * 10);
    let ran = runs(&a) - before;
    assert!((8..=11).contains(&ran), "{ran} runs in ten intervals");
    drop(daemon);
}

#[test]
fn an_unweighted_script_decides_over_fault() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write("/run/broken", "");
    let daemon = Daemon::start(&a, US, &tracked(&a, "").text());
    net.never("adverts", daemon.since(), Duration::from_millis(1_500), |event| event.is_advert_of("a"));
    let repaired = now();
    a.remove("/run/broken");
    net.wait_master("a", repaired, tick() + TIMING.master_down(100));
    let broken = now();
    a.write("/run/broken", "");
    net.wait("a goodbye", broken, tick(), |event| event.is_goodbye_of("a"));
    daemon.wait_log("Entering FAULT STATE", ALLOWANCE);
    eventually("the address is gone", ALLOWANCE, || !a.holds("eth0", VIP));
    let goodbyes = net.events(broken).iter().filter(|event| event.is_goodbye_of("a")).count();
    assert_eq!(goodbyes, 2, "two goodbyes on the way to FAULT");
    drop(daemon);
}

#[test]
fn a_script_that_hangs_is_killed_with_its_children() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = tracked(&a, "timeout 1\n    weight -40");
    a.write_script(
        "/usr/local/bin/check",
        "#!/bin/bash\nif test -e /run/broken; then sleep 777 & sleep 777; fi\nexit 0\n",
    );
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let broken = now();
    a.write("/run/broken", "");
    net.wait("the priority is reduced", broken, tick() + Duration::from_secs(3), |event| {
        event.node == "a" && event.advert().is_some_and(|advert| advert.priority == 60)
    });
    assert!(daemon.log().contains("VRRP_Script(fit) timed_out"), "{}", daemon.log());
    a.remove("/run/broken");
    eventually("no process of the script is left", Duration::from_secs(4), || {
        String::from_utf8_lossy(&a.try_shell("pgrep -f 'sleep 77[7]'").stdout).is_empty()
    });
    drop(daemon);
}

#[test]
fn a_script_killed_at_its_deadline_has_failed_whatever_it_says() {
    if is_reference("it takes the exit code 0 of a script that it told to end for success") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = tracked(&a, "timeout 1\n    weight -40");
    a.write_script(
        "/usr/local/bin/check",
        "#!/bin/bash\ntrap 'exit 0' TERM\ntest -e /run/broken && while :; do sleep 0.1; done\nexit 0\n",
    );
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let broken = now();
    a.write("/run/broken", "");
    net.wait("the priority is reduced", broken, tick() + Duration::from_secs(3), |event| {
        event.node == "a" && event.advert().is_some_and(|advert| advert.priority == 60)
    });
}

#[test]
fn a_run_under_way_during_a_reload_still_counts() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/check", "#!/bin/sh\necho run >> /run/runs\nsleep 1\nexit 3\n");
    let conf = |priority: u8| {
        Instance::default()
            .priority(priority)
            .before(
                "vrrp_script fit {\n    script \"/usr/local/bin/check\"\n    interval 30\n    weight -40\n}",
            )
            .line("track_script {\n        fit\n    }")
            .text()
    };
    let daemon = Daemon::start(&a, US, &conf(100));
    eventually("the script runs", START, || runs(&a) == 1);
    let begun = now();
    daemon.reload(&conf(110));
    if is_reference("it ends a script at a reload and begins it anew") {
        return;
    }
    daemon.wait_log("VRRP_Script(fit) failed (exited with status 3)", Duration::from_secs(1) + ALLOWANCE);
    net.wait("the priority follows", begun, START + TIMING.master_down(70), |event| {
        event.node == "a" && event.advert().is_some_and(|advert| advert.priority == 70)
    });
    assert_eq!(runs(&a), 1, "the next run is far away");
}

/// Writes down how it was called; the second line only once its work, which takes a while, is done.
const TELL: &str = "#!/bin/bash\n\
    echo \"begin $* umask=$(umask) group=$(ps -o pgid= -p $$ | tr -d ' ')/$$ path=$PATH\" >> /run/told\n\
    sleep 0.3\necho \"end $*\" >> /run/told\n";

fn told(node: &Node) -> Vec<String> {
    node.read("/run/told").lines().map(str::to_owned).collect()
}

fn notifying() -> Instance {
    Instance::default()
        .line("notify_master \"/usr/local/bin/tell to master\"")
        .line("notify_backup \"/usr/local/bin/tell 'to the' backup\"")
        .line("notify_fault \"/usr/local/bin/tell to fault\"")
        .line("notify_stop \"/usr/local/bin/tell to stop\"")
        .line("notify \"/usr/local/bin/tell any\"")
}

#[test]
fn notify_scripts_get_their_arguments_and_surroundings() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/tell", TELL);
    let daemon = Daemon::start(&a, US, &notifying().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    eventually("the scripts for master have run", Duration::from_secs(3), || {
        told(&a).iter().any(|line| line == "end any INSTANCE VI_1 MASTER 100")
            && told(&a).iter().any(|line| line == "end to master")
    });
    let lines = told(&a);
    // That for any BACKUP may have been overtaken.
    for call in ["to the backup", "to master", "any INSTANCE VI_1 MASTER 100"] {
        let line = lines.iter().find(|line| line.starts_with(&format!("begin {call} ")));
        let line = line.unwrap_or_else(|| panic!("not called: {call}\n{lines:#?}"));
        assert!(line.contains("umask=0077"), "{line}");
        assert!(line.contains("path=/usr/local/bin:/usr/sbin:"), "the daemon's environment: {line}");
        let group = line.split("group=").nth(1).and_then(|rest| rest.split(' ').next()).expect("group");
        let (group, own) = group.split_once('/').expect("group and pid");
        assert_eq!(group, own, "a process group of its own: {line}");
    }
    a.shell("ip link set eth0 down");
    eventually("the scripts for fault have run", Duration::from_secs(3), || {
        told(&a).iter().any(|line| line == "end to fault")
    });
    daemon.stop();
    eventually("the scripts for stop were started", Duration::from_secs(1), || {
        let lines = told(&a);
        ["begin to stop ", "begin any INSTANCE VI_1 STOP "]
            .iter()
            .all(|call| lines.iter().any(|line| line.starts_with(call)))
    });
}

#[test]
fn of_notify_scripts_that_are_late_the_newest_runs_next() {
    if is_reference("it runs them side by side") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/tell", &TELL.replace("sleep 0.3", "sleep 1"));
    a.shell(
        "(until [ -p /run/fifo ]; do sleep 0.01; done; exec cat /run/fifo >> /run/lines) >/dev/null 2>&1 &",
    );
    let daemon = Daemon::start(&a, US, &notifying().global("vrrp_notify_fifo /run/fifo").text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    // Faster than the scripts are.
    let mut back = now();
    for _ in 0..4 {
        a.shell("ip link set eth0 down");
        std::thread::sleep(Duration::from_millis(100));
        back = now();
        a.shell("ip link set eth0 up");
        net.wait_master("a", back, LINK + TIMING.master_down(100));
    }
    // The one under way, then that of the newest state.
    eventually("the script for any runs for the last MASTER", Duration::from_secs(4) + ALLOWANCE, || {
        told(&a).last().is_some_and(|line| line == "end any INSTANCE VI_1 MASTER 100")
    });
    let took = between(back, now());
    assert!(took < Duration::from_secs(4) + LINK + TIMING.master_down(100), "{took:?}\n{:#?}", told(&a));
    let lines = told(&a);
    for pair in lines.chunks(2) {
        assert!(pair[0].starts_with("begin") && pair[1].starts_with("end"), "two ran at a time: {lines:#?}");
    }
    assert!(
        lines.iter().filter(|line| line.starts_with("begin")).count() < 20,
        "none was left out: {lines:#?}"
    );
    daemon.wait_log("notify scripts left out, overtaken by a newer state: ", ALLOWANCE);
    // The FIFO tells them all.
    let states: Vec<_> = a
        .read("/run/lines")
        .lines()
        .filter_map(|line| line.strip_prefix("INSTANCE \"VI_1\" ")?.split(' ').next().map(str::to_owned))
        .collect();
    let round = ["FAULT", "BACKUP", "MASTER"];
    let expected: Vec<_> =
        ["BACKUP", "MASTER"].into_iter().chain(round.into_iter().cycle().take(12)).collect();
    assert_eq!(states, expected);
    a.shell("ip link set eth0 down");
    eventually("the script for FAULT runs", ALLOWANCE, || {
        told(&a).last().is_some_and(|line| line.starts_with("begin to fault"))
    });
    let before = told(&a).len();
    daemon.stop();
    assert!(
        !told(&a).iter().skip(before).any(|line| line.contains("FAULT")),
        "one that waited ran: {:#?}",
        told(&a)
    );
    eventually("the scripts for stop have run", Duration::from_secs(1), || {
        let lines = told(&a).split_off(before);
        lines.iter().any(|line| line.starts_with("begin to stop ")) && lines.len() >= 2
    });
}

#[test]
fn a_flood_of_lower_priorities_neither_fills_the_log_nor_runs_scripts() {
    if is_reference("it logs each advert and runs a script for it") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let vandal = net.node("vandal", "eth0", &["10.9.0.66/24"]);
    a.write_script("/usr/local/bin/tell", TELL);
    let conf =
        Instance::default().priority(150).line("notify_master_rx_lower_pri \"/usr/local/bin/tell lower\"");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(150));
    net.expect_nonsense_from(&vandal);
    let mut injector = Injector::new(&vandal);
    let (source, group) = ([10, 9, 0, 66], [224, 0, 0, 18]);
    let mut pdu = [0x31, 51, 50, 1, 0, 10, 0, 0, 10, 9, 0, 100];
    vrrp_checksum(&mut pdu, &source, &group);
    let frame = ip_frame(source, group, 255, &pdu);
    let (begin, lines) = (now(), daemon.log().lines().count());
    for _ in 0..5_000 {
        injector.send(&frame);
    }
    daemon.wait_log("with lower priority 50, ours 150", ALLOWANCE);
    std::thread::sleep(Duration::from_secs(1));
    let logged = daemon.log().lines().count() - lines;
    // The budgets for peers and for announcements (vrrpd/state.rs).
    let seconds = usize::try_from(between(begin, now()).as_secs()).expect("some seconds");
    assert!(logged <= 168 + 8 * (1 + seconds), "{logged} lines\n{}", daemon.log());
    let runs = told(&a).iter().filter(|line| line.starts_with("begin lower")).count();
    assert_eq!(runs, 1, "one rival, one piece of news");
    daemon.stop();
}

#[test]
fn a_script_without_an_interpreter_and_shell_lines_are_run_by_a_shell() {
    if is_reference("it does not run them") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = tracked(&a, "").line("notify \"/usr/local/bin/any;\"").line("notify_stop /usr/local/bin/any");
    a.write_script("/usr/local/bin/check", "test $# = 0 && ! test -e /run/broken\n");
    a.write_script("/usr/local/bin/any", "echo \"$*\" >> /run/any\n");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    eventually("notify is told", Duration::from_secs(2), || {
        a.read("/run/any").lines().any(|line| line == "INSTANCE VI_1 MASTER 100")
    });
    for file in ["check", "any"] {
        let note = format!("script /usr/local/bin/{file} does not begin with #! and is run by /bin/sh");
        assert_eq!(daemon.logged(&note), 1, "{}", daemon.log());
    }
    a.write("/run/broken", "");
    daemon.wait_log("VRRP_Script(fit) failed (exited with status 1)", tick() + ALLOWANCE);
    daemon.stop();
    eventually("notify_stop has run", Duration::from_secs(1), || {
        a.read("/run/any").lines().any(str::is_empty)
    });
}

#[test]
fn what_cannot_be_executed_is_told_in_words() {
    if is_reference("it tells the number alone") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = tracked(&a, "weight -40")
        .line("notify_master /usr/local/bin/gone")
        .global("vrrp_notify_fifo /run/fifo")
        .global("vrrp_notify_fifo_script /usr/local/bin/gone")
        .global("startup_script /usr/local/bin/gone")
        .global("shutdown_script \"/usr/local/bin/nothing && true\"");
    a.write_script("/usr/local/bin/check", "#!/nonexistent/interpreter\n");
    a.write_script("/usr/local/bin/gone", "#!/usr/local/bin/folder\n");
    a.shell("mkdir /usr/local/bin/folder");
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(60));
    for line in [
        "startup script: a file could not be executed",
        "VRRP_Script(fit) failed (exited with status 127)",
        "VRRP_Script(fit): a file was not found",
        "the script of notify FIFO /run/fifo: a file could not be executed",
        "(VI_1) a notify script failed: a file could not be executed",
    ] {
        daemon.wait_log(line, ALLOWANCE);
    }
    daemon.signal(Signal::SIGTERM);
    daemon.wait_log("shutdown script: a file was not found", Duration::from_secs(2));
}

/// The process that runs the scripts of a child: there is one if there are scripts, and it is the parent of each.
#[test]
fn scripts_have_a_process_of_their_own_to_run_them() {
    if is_reference("its children run their scripts themselves") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/tell", "#!/bin/sh\necho \"$(cat /proc/$PPID/comm) $*\" >> /run/told\n");
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    let helper = || {
        let mut all = children(daemon.first()).into_iter();
        all.find(|pid| is_alive(*pid) && command_name(*pid) == "keepalived_exec")
    };
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let child = daemon.vrrp_child();
    assert_eq!(helper(), None, "there are no scripts");
    // A reload brings the first scripts.
    let notify =
        |word: &str| Instance::default().line(&format!("notify \"/usr/local/bin/tell {word}\"")).text();
    daemon.reload(&notify("one"));
    assert_eq!(daemon.vrrp_child(), child);
    let first = helper().expect("there are scripts now");
    let cut = |word: &str| {
        a.shell("ip link set eth0 down");
        let line = format!("keepalived_exec {word} INSTANCE VI_1 FAULT 100");
        eventually("the script has run", START, || told(&a).contains(&line));
        a.shell("ip link set eth0 up");
        net.wait_master("a", now(), LINK + TIMING.master_down(100));
    };
    cut("one");
    // Another reload changes them.
    daemon.reload(&notify("two"));
    assert_eq!((daemon.vrrp_child(), helper()), (child, Some(first)));
    cut("two");
    // It dies: child and process are replaced, and nobody notices.
    let backups = daemon.logged("Entering BACKUP STATE");
    kill(Pid::from_raw(first), Signal::SIGKILL).expect("the process runs");
    daemon.wait_log("The process that runs scripts has died", START);
    eventually("both are replaced", START, || {
        daemon.vrrp_child() != child && helper().is_some_and(|next| next != first)
    });
    assert_eq!(daemon.logged("Entering BACKUP STATE"), backups, "it goes on as MASTER");
    a.shell("rm /run/told");
    cut("two");
    // It ends with its child.
    let last = helper().expect("there are scripts");
    daemon.stop();
    eventually("it has ended", START, || !is_alive(last));
}

//! Signals and files: dumps, statistics, stop, and what is left behind afterwards.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Launch, Program, is_reference};
use crate::kit::net::Net;
use crate::steps;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

#[test]
fn dumps_and_statistics_are_written_where_they_belong() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    daemon.signal(Signal::SIGUSR1);
    let data = daemon.dump("/tmp/keepalived.data");
    for label in [
        "------< VRRP Topology >------",
        "VRRP Instance = VI_1",
        "State = MASTER",
        "Virtual Router ID = 51",
        "Priority = 100",
        "Virtual IP (1)",
        "10.9.0.100",
        "------< Interfaces >------",
        "Name = eth0",
    ] {
        assert!(data.contains(label), "the dump has no `{label}`\n{data}");
    }
    let parent = daemon.dump("/tmp/keepalived_parent.data");
    assert!(parent.contains("Router ID = lab"), "{parent}");
    let stats = daemon.stats();
    assert_eq!(stats.number("VI_1/Became master"), 1);
    assert!(stats.number("VI_1/Advertisements/Sent") >= 2);
    for file in ["keepalived.data", "keepalived_parent.data", "keepalived.stats"] {
        let mode = std::fs::metadata(a.path(&format!("/tmp/{file}"))).expect("a dump").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    // SIGRTMAX - 1 writes the statistics and clears them.
    a.remove("/tmp/keepalived.stats");
    daemon.signal_number(63);
    daemon.dump("/tmp/keepalived.stats");
    assert_eq!(daemon.stats().number("VI_1/Became master"), 0);
}

#[test]
fn the_dump_and_every_address_can_be_logged() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write(CONF, &Instance::default().text());
    let daemon = Launch::new(&a, US).arguments(&["-n", "-l", "-G", "-d", "-a", "-f", CONF]).start();
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    for line in ["Router ID = lab", "------< VRRP Topology >------", "VRRP Instance = VI_1"] {
        daemon.wait_log(line, START);
    }
    for (change, words) in [("add", "added to"), ("del", "removed from")] {
        a.shell(&format!("ip addr {change} 10.9.0.77/24 dev eth0"));
        daemon.wait_log(&format!("Netlink reflector reports IP 10.9.0.77 {words} eth0"), START);
    }
    daemon.stop();
}

#[test]
fn dumps_do_not_follow_links() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    a.write("/etc/victim", "untouched");
    a.shell("ln -s /etc/victim /tmp/keepalived.data; ln -s /etc/victim /tmp/keepalived.stats");
    daemon.signal(Signal::SIGUSR1);
    daemon.signal(Signal::SIGUSR2);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(a.read("/etc/victim"), "untouched");
}

#[test]
fn a_stop_is_quick_and_leaves_nothing() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let picture = || {
        a.shell(
            "ip -o link; ip -o addr show dev eth0 | sed 's/valid_lft.*//'; ip route; ip rule; ls /run; \
             sysctl net.ipv4.conf 2>/dev/null | grep -v mc_forwarding",
        )
    };
    a.write(CONF, &Instance::default().text());
    let before = picture();
    let daemon = Launch::new(&a, US).start();
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let stopped = now();
    let (took, code) = daemon.stop();
    assert_eq!(code, Some(0));
    net.wait("a goodbye", stopped, Duration::ZERO, |event| event.is_goodbye_of("a"));
    assert!(a.processes().is_empty(), "processes left: {:?}", a.processes());
    assert_eq!(picture(), before, "something is left behind");
    if !is_reference("it lingers for a second") {
        assert!(
            took <= Duration::from_millis(200) + ALLOWANCE,
            "from SIGTERM to the last process gone: {took:?}"
        );
    }
}

#[test]
fn the_default_configuration_and_daemonising() {
    if is_reference("its default is /etc/keepalived/keepalived.conf alone") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write("/etc/keepalived.conf", &Instance::default().text());
    a.write(CONF, &Instance::default().priority(90).text());
    a.write_script("/usr/local/bin/hold", "#!/bin/sh\n\"$@\"\necho launched $? > /run/launched\n");
    a.shell("/usr/local/bin/hold /run/lab/keepalived -G");
    assert_eq!(a.read("/run/launched"), "launched 0\n", "the launching process exits 0");
    let began = now();
    let first = net.wait_master("a", began.saturating_sub(1_000_000_000), START + TIMING.master_down(100));
    assert_eq!(first.advert().map(|advert| advert.priority), Some(100), "/etc/keepalived.conf comes first");
    let pid = a.read("/run/keepalived.pid");
    let child = a.read("/run/vrrp.pid");
    assert!(pid.trim().parse::<u32>().is_ok() && child.trim().parse::<u32>().is_ok(), "{pid} {child}");
    assert_eq!(a.shell(&format!("readlink /proc/{}/cwd", pid.trim())), "/\n");
    let stopped = now();
    a.shell("kill $(cat /run/keepalived.pid)");
    net.wait("a goodbye", stopped, Duration::ZERO, |event| event.is_goodbye_of("a"));
    eventually("nothing is left", Duration::from_secs(2), || {
        a.processes().is_empty() && !a.exists("/run/keepalived.pid") && !a.exists("/run/vrrp.pid")
    });
}

#[test]
fn nothing_is_allocated_once_running() {
    if is_reference("it does not count its allocations") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let conf = Instance { interval: "0.01", ..Instance::default() };
    let master = Daemon::start(&a, US, &conf.clone().priority(200).text());
    net.wait_master("a", master.since(), START);
    let backup = Daemon::start(&b, US, &conf.text());
    std::thread::sleep(Duration::from_secs(1));
    let read = |daemon: &Daemon<'_>| {
        let stats = daemon.stats();
        (
            stats.number("VI_1/Advertisements/Sent"),
            stats.number("VI_1/Advertisements/Received"),
            stats.allocations(),
        )
    };
    // The first reading lets the statistics themselves find their buffers.
    let _ = (read(&master), read(&backup));
    let (before_a, before_b) = (read(&master), read(&backup));
    std::thread::sleep(Duration::from_secs(12));
    let (after_a, after_b) = (read(&master), read(&backup));
    assert!(after_a.0 - before_a.0 >= 1_000, "adverts sent: {before_a:?} {after_a:?}");
    assert!(after_b.1 - before_b.1 >= 1_000, "adverts received: {before_b:?} {after_b:?}");
    assert_eq!(after_a.2, before_a.2, "the master allocated over {} adverts", after_a.0 - before_a.0);
    assert_eq!(after_b.2, before_b.2, "the backup allocated over {} adverts", after_b.1 - before_b.1);
    assert_eq!((after_a.2, after_b.2), (0, 0), "allocations since start-up");
    steps::address_is_at("eth0", "10.9.0.100", &a, &[&b]);
}

#[test]
fn what_cannot_run_ends_with_its_exit_code() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let good = Instance::default().text();
    let cases =
        [("no file", None, 6), ("no virtual_router_id", Some(good.replace("virtual_router_id 51", "")), 2)];
    for (what, conf, expected) in cases {
        a.remove(CONF);
        if let Some(conf) = conf {
            a.write(CONF, &conf);
        }
        let daemon = Launch::new(&a, US).start();
        assert_eq!(daemon.wait_end(START), Some(expected), "{what}");
        assert!(a.processes().is_empty() && !a.exists("/run/keepalived.pid"), "{what}: something is left");
    }
}

#[test]
fn without_privileges_it_says_so_and_ends_with_four() {
    if is_reference("it ends with 0 and names the pid file only") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write(CONF, &Instance::default().text());
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups /run/lab/keepalived -n -l -G -f";
    // With a pid file of its own it is the child that finds out.
    for more in ["", "-p /tmp/p -r /tmp/r"] {
        let output = a.try_shell(&format!("{nobody} {CONF} {more}"));
        let log = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{log}");
        assert!(log.contains("denied") || log.contains("not permitted"), "{log}");
        a.shell("rm -f /tmp/p /tmp/r");
    }
}

#[test]
fn a_second_daemon_does_not_start_beside_the_first() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let daemon = Daemon::start(&a, US, &Instance::default().text());
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let second = Launch::new(&a, US).start();
    assert_eq!(second.wait_end(START), Some(0));
    assert!(daemon.log().contains("daemon is already running"), "{}", daemon.log());
    let still = now();
    net.wait_master("a", still, TIMING.interval);
    net.never("a goodbye", still, TIMING.interval * 3, |event| event.is_goodbye_of("a"));
}

#[test]
fn it_and_debians_keepalived_exclude_each_other_in_both_orders() {
    if is_reference("it would be Debian's beside itself") {
        return;
    }
    let conf = Instance::default().text();
    for (first, second, code) in [(Program::Reference, US, 75), (US, Program::Reference, 0)] {
        let net = Net::new();
        let a = net.node("a", "eth0", &["10.9.0.1/24"]);
        let daemon = Daemon::start(&a, first, &conf);
        net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
        eventually("the pid file", START, || a.exists("/run/vrrp.pid"));
        let late = Launch::new(&a, second).start();
        // Debian's may be at its end, which takes it some seconds: it is waited for.
        assert_eq!(late.wait_end(START + Duration::from_secs(5)), Some(code), "{first:?} {}", daemon.log());
        let still = now();
        net.wait_master("a", still, TIMING.interval);
        net.never("a goodbye", still, TIMING.interval * 3, |event| event.is_goodbye_of("a"));
        steps::address_is_at("eth0", "10.9.0.100", &a, &[]);
        assert!(!a.read("/run/keepalived.pid").trim().is_empty());
    }
}

#[test]
fn a_start_right_after_sigterm_waits_for_the_end_of_the_old_daemon() {
    if is_reference("it ends with 0 and nothing runs") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    // The shutdown script makes the stop last.
    a.write_script("/usr/local/bin/lasts", "#!/bin/sh\nsleep 1\n");
    let conf = Instance::default().global("shutdown_script /usr/local/bin/lasts").text();
    // Ours, and Debian's, which lingers for a second.
    for program in [US, Program::Reference] {
        let old = Daemon::start(&a, program, &conf);
        net.wait_master("a", old.since(), START + TIMING.master_down(100));
        old.signal(Signal::SIGTERM);
        let new = Launch::new(&a, US).start();
        net.wait_master("a", now(), START + Duration::from_secs(5) + TIMING.master_down(100));
        assert!(!new.log().contains("already running"), "{}", new.log());
        eventually("the old one is gone", START, || old.processes().is_empty());
        steps::address_is_at("eth0", "10.9.0.100", &a, &[]);
        let (_, code) = new.stop();
        assert_eq!(code, Some(0));
    }
}

#[test]
fn a_config_test_of_a_file_that_may_not_be_read_ends_with_four() {
    if is_reference("it ends with 0") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let nobody = "setpriv --reuid 65534 --regid 65534 --clear-groups /run/lab/keepalived -t -f";
    let test = |file: &str| a.try_shell(&format!("{nobody} {file}")).status.code();
    a.write("/run/whole.conf", &Instance::default().text());
    assert_eq!(test("/run/whole.conf"), Some(0));
    a.write("/run/part.conf", "include /run/whole.conf\n");
    a.shell("chmod 600 /run/whole.conf");
    assert_eq!((test("/run/whole.conf"), test("/run/part.conf")), (Some(4), Some(4)));
    // The kernel's log has an end only until the next line.
    a.write("/run/log.conf", "include /proc/kmsg\n");
    let log = a.try_shell("timeout 20 /run/lab/keepalived -t -f /run/log.conf");
    assert_ne!(log.status.code(), Some(124), "it hangs");
}

#[test]
fn a_missing_dev_null_is_told() {
    if is_reference("it is not about it") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write(CONF, &Instance::default().text());
    a.shell("mkdir /run/dev; mount --bind /run/dev /dev");
    let daemon = Launch::new(&a, US).start();
    daemon.wait_log("/dev/null cannot be opened", START);
    assert!(daemon.log().contains("mknod -m 666 /dev/null c 1 3"), "{}", daemon.log());
    assert_eq!(daemon.wait_end(START), Some(1));
}

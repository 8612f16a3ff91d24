//! What runs before the children and after them: startup_script and shutdown_script.

use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Launch, Program};
use crate::kit::net::{Net, between};
use crate::kit::node::Node;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

/// Writes down its word and whether a VRRP child runs and its address is there; then takes its time.
const NOTE: &str = "#!/bin/bash\n\
    ip -o addr show dev eth0 | grep -q 10.9.0.100 && vip=yes || vip=no\n\
    echo \"$1 children=$(cat /proc/$PPID/task/$PPID/children | wc -w) vip=$vip\" >> /run/noted\n\
    sleep \"$2\"\n\
    echo \"$1 done\" >> /run/noted\n";

fn site() -> (Net, Node) {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write_script("/usr/local/bin/note", NOTE);
    (net, a)
}

fn conf(before: &str, after: &str) -> String {
    Instance::default()
        .global(&format!("startup_script \"/usr/local/bin/note startup {before}\""))
        .global("startup_script_timeout 1")
        .global(&format!("shutdown_script \"/usr/local/bin/note shutdown {after}\""))
        .global("shutdown_script_timeout 1")
        .text()
}

#[test]
fn the_children_start_after_the_one_and_end_before_the_other() {
    let (net, a) = site();
    let daemon = Daemon::start(&a, US, &conf("0.6", "0.4"));
    let first = net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    assert!(between(daemon.since(), first.at) > Duration::from_millis(600), "it was waited for");
    daemon.wait_log("Running startup script /usr/local/bin/note", ALLOWANCE);
    daemon.stop();
    let wanted = "startup children=1 vip=no\nstartup done\nshutdown children=1 vip=no\nshutdown done\n";
    assert_eq!(a.read("/run/noted"), wanted, "the one child is the script");
}

#[test]
fn one_that_takes_too_long_is_not_waited_for() {
    let (net, a) = site();
    let daemon = Daemon::start(&a, US, &conf("30", "30"));
    let first =
        net.wait_master("a", daemon.since(), START + Duration::from_secs(1) + TIMING.master_down(100));
    assert!(between(daemon.since(), first.at) > Duration::from_secs(1));
    daemon.wait_log("startup script timed out", ALLOWANCE);
    eventually("the startup script has ended", START, || !a.try_shell("pgrep -x note").status.success());
    let log = a.path("/run/lab/daemon.log");
    let (took, code) = daemon.stop();
    assert!(took < Duration::from_secs(1) + START, "{took:?}");
    assert_eq!(code, Some(0));
    assert!(std::fs::read_to_string(log).expect("the log").contains("shutdown script timed out"));
    // Whoever was killed still has to die, and nobody is left to wait for that.
    eventually("nothing is left", ALLOWANCE, || a.processes().is_empty());
}

#[test]
fn a_stop_and_a_reload_during_the_start_are_not_missed() {
    let (net, a) = site();
    let daemon = Daemon::start(&a, US, &conf("0.8", "0"));
    daemon.wait_log("Running startup script", START);
    a.write(CONF, &conf("0.8", "0").replace("10.9.0.100", "10.9.0.77"));
    daemon.signal(nix::sys::signal::Signal::SIGHUP);
    daemon.wait_log("Reload complete", START);
    net.wait_master("a", now(), TIMING.master_down(100));
    eventually("the new address is there", ALLOWANCE, || a.holds("eth0", "10.9.0.77"));
    daemon.stop();
    a.remove("/run/noted");
    a.write(CONF, &conf("0.9", "0"));
    let daemon = Launch::new(&a, US).start();
    daemon.wait_log("Running startup script", START);
    let (_, code) = daemon.stop();
    assert_eq!(code, Some(0));
    let noted = a.read("/run/noted");
    assert!(noted.ends_with("shutdown done\n"), "{noted}");
    assert!(!noted.contains("startup done"), "the stop does not wait for the script: {noted}");
}

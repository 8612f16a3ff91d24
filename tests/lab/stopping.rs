//! SIGTERM at every bad moment: everything is removed and the last process is gone quickly.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::kit::bounds::{ALLOWANCE, START, Timing, eventually};
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::{Node, is_alive};

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);

/// What keepalived stays for after a stop (`child_wait_time` and a fifth), when a script hangs.
const PATIENCE: Duration = Duration::from_secs(6);

/// An instance that puts one thing of each kind into the kernel.
fn conf() -> Instance {
    let routes = "virtual_routes {\n 10.77.0.0/16 dev eth0\n}";
    let rules = "virtual_rules {\n from 10.77.0.0/16 table 100 priority 700\n}";
    let fixed = "static_ipaddress {\n 10.9.7.1/24 dev eth0\n}\nstatic_routes {\n 10.78.0.0/16 dev eth0\n}";
    Instance::default()
        .global("vrrp_notify_fifo /run/notify.fifo")
        .before(fixed)
        .line("use_vmac")
        .line("no_accept")
        .line(routes)
        .line(rules)
}

/// Waits until the instance is MASTER with all of that.
fn wait_for_all(daemon: &Daemon<'_>) {
    daemon.wait_log("Entering MASTER STATE", START + TIMING.master_down(100));
}

/// That nothing of a daemon is left: in the kernel, on disk, running.
fn nothing_is_left(node: &Node) {
    let kernel = node.shell(
        "ip -o link | grep -v ' lo:\\| eth0' ; ip -o addr show | grep '10\\.9\\.0\\.100\\|10\\.9\\.7\\.1' ; \
         ip route show table all | grep '10\\.77\\.\\|10\\.78\\.' ; ip rule | grep 'lookup 100' ; \
         nft list tables ; ls /run | grep -v '^host$\\|^lab$\\|^mount$' ; ls /tmp ; true",
    );
    assert!(kernel.is_empty(), "left behind:\n{kernel}");
    eventually("nothing runs any more", ALLOWANCE, || node.processes().is_empty());
}

/// Signals the daemon and checks that all is gone after at most `within`; how long that took.
fn stop(node: &Node, daemon: Daemon<'_>, within: Duration) -> Duration {
    let begin = Instant::now();
    daemon.signal(Signal::SIGTERM);
    gone(node, daemon, begin, within)
}

fn gone(node: &Node, daemon: Daemon<'_>, begin: Instant, within: Duration) -> Duration {
    let code = daemon.wait_end(within + ALLOWANCE);
    let took = begin.elapsed();
    // Before it listens to signals it is ended by them: nothing was begun then.
    assert!(matches!(code, Some(0) | None), "the exit code {code:?}");
    assert!(took <= within + ALLOWANCE, "{took:?}");
    nothing_is_left(node);
    took
}

fn lab() -> (Net, Node) {
    let net = Net::new();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    (net, node)
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn three_hundred_macvlans_go_together() {
    if is_reference("it deletes them one by one") {
        return;
    }
    let (_net, a) = lab();
    a.shell("ip link add eth1 type veth peer name eth2; ip addr add 10.8.0.1/24 dev eth1; ip link set eth1 up; ip link set eth2 up");
    let mut text = String::new();
    for number in 0..300 {
        let (interface, network) = if number < 250 { ("eth0", 9) } else { ("eth1", 8) };
        let vrid = number % 250 + 1;
        text += &format!(
            "vrrp_instance V{number} {{\n interface {interface}\n virtual_router_id {vrid}\n use_vmac\n \
             priority 100\n version 3\n advert_int 0.5\n virtual_ipaddress {{\n 10.{network}.{}.1\n }}\n}}\n",
            number % 250 + 1,
        );
    }
    let daemon = Daemon::start(&a, US, &text);
    let addresses = || a.shell("ip -o -4 addr show scope global").matches("/32").count();
    eventually("all are MASTER", Duration::from_secs(60), || addresses() == 300);
    assert_eq!(a.shell("ip -o link show type macvlan").lines().count(), 300);
    let begin = Instant::now();
    daemon.signal(Signal::SIGTERM);
    let log = a.path("/run/lab/daemon.log");
    assert_eq!(daemon.wait_end(Duration::from_secs(10)), Some(0));
    let took = begin.elapsed();
    let log = std::fs::read_to_string(log).expect("the log");
    assert_eq!(a.shell("ip -o link show type macvlan"), "");
    assert!(!log.contains("failed to die"), "{}", &log[log.len().saturating_sub(2_000)..]);
    // One by one they take 25 ms each.
    assert!(took < Duration::from_secs(3), "{took:?}");
    eprintln!("300 macvlans were stopped in {took:?}");
}

#[test]
fn a_stop_of_a_running_daemon_twice_over() {
    let (_net, a) = lab();
    let daemon = Daemon::start(&a, US, &conf().text());
    wait_for_all(&daemon);
    let begin = Instant::now();
    daemon.signal(Signal::SIGTERM);
    std::thread::sleep(Duration::from_millis(2));
    if is_alive(daemon.first()) {
        daemon.signal(Signal::SIGTERM);
    }
    gone(&a, daemon, begin, SECOND);
}

#[test]
fn a_stop_on_the_way_up() {
    let (_net, a) = lab();
    for pause in [0, 3, 6, 10, 15, 20, 30, 45, 70, 100] {
        let daemon = Daemon::start(&a, US, &conf().text());
        std::thread::sleep(Duration::from_millis(pause));
        stop(&a, daemon, SECOND);
    }
}

#[test]
fn a_stop_on_the_way_to_another_configuration() {
    let (_net, a) = lab();
    let other =
        conf().line("track_src_ip").before("static_rules {\n from 10.9.8.0/24 table 100 priority 701\n}");
    for pause in [0, 1, 2, 4, 6, 9, 13, 20] {
        let daemon = Daemon::start(&a, US, &conf().text());
        wait_for_all(&daemon);
        a.write(CONF, &other.text());
        daemon.signal(Signal::SIGHUP);
        std::thread::sleep(Duration::from_millis(pause));
        stop(&a, daemon, SECOND);
    }
}

#[test]
fn a_stop_between_two_children() {
    let (_net, a) = lab();
    let daemon = Daemon::start(&a, US, &conf().text());
    wait_for_all(&daemon);
    for _ in 0..2 {
        let child = daemon.vrrp_child();
        kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
        eventually("the child is gone", ALLOWANCE, || !is_alive(child));
    }
    daemon.wait_log("to limit respawn rate", Duration::from_secs(2));
    stop(&a, daemon, SECOND);
    let daemon = Daemon::start(&a, US, &conf().text());
    wait_for_all(&daemon);
    for _ in 0..2 {
        let child = daemon.vrrp_child();
        kill(Pid::from_raw(child), Signal::SIGKILL).expect("the child runs");
        eventually("the child is gone", ALLOWANCE, || !is_alive(child));
    }
    daemon.wait_log("to limit respawn rate", Duration::from_secs(2));
    std::thread::sleep(Duration::from_millis(300));
    stop(&a, daemon, SECOND);
}

#[test]
fn a_stop_with_a_child_that_is_stopped_itself() {
    if is_reference("it leaves the addresses") {
        return;
    }
    let (_net, a) = lab();
    let daemon = Daemon::start(&a, US, &conf().text());
    wait_for_all(&daemon);
    kill(Pid::from_raw(daemon.vrrp_child()), Signal::SIGSTOP).expect("the child runs");
    stop(&a, daemon, PATIENCE + Duration::from_secs(1));
}

#[test]
fn a_stop_with_a_notify_script_that_hangs() {
    let (_net, a) = lab();
    a.write_script("/usr/local/bin/hang", "#!/bin/bash\ntrap '' TERM\nsleep 1000 & wait\nsleep 1000\n");
    let daemon = Daemon::start(
        &a,
        US,
        &conf().line("notify /usr/local/bin/hang").global("enable_script_security").text(),
    );
    wait_for_all(&daemon);
    std::thread::sleep(Duration::from_millis(200));
    stop(&a, daemon, PATIENCE);
}

#[test]
fn a_stop_with_scripts_of_the_beginning_and_the_end_that_hang() {
    let (_net, a) = lab();
    a.write_script("/usr/local/bin/hang", "#!/bin/bash\ntrap '' TERM\nsleep 1000 & wait\nsleep 1000\n");
    let scripts = conf().global("script_user root").global("enable_script_security");
    let begin =
        scripts.clone().global("startup_script /usr/local/bin/hang").global("startup_script_timeout 30");
    let daemon = Daemon::start(&a, US, &begin.text());
    daemon.wait_log("Running startup script", START);
    stop(&a, daemon, Duration::from_secs(3));
    let end = scripts.global("shutdown_script /usr/local/bin/hang").global("shutdown_script_timeout 1");
    let daemon = Daemon::start(&a, US, &end.text());
    wait_for_all(&daemon);
    stop(&a, daemon, Duration::from_secs(2));
}

#[test]
fn a_stop_with_a_fifo_that_nobody_reads_and_a_mail_relay_that_does_not_answer() {
    let (_net, a) = lab();
    a.write_script("/usr/local/bin/hang", "#!/bin/bash\nexec sleep 1000\n");
    let conf = conf()
        .global("vrrp_notify_fifo_script /usr/local/bin/hang")
        .global("script_user root")
        .global("enable_script_security")
        .global("notification_email {\n someone@example.org\n}")
        .global("notification_email_from us@example.org")
        .global("smtp_server 10.9.0.66")
        .global("smtp_connect_timeout 30")
        .global("smtp_alert true")
        .line("notify_priority_changes");
    let daemon = Daemon::start(&a, US, &conf.text());
    wait_for_all(&daemon);
    stop(&a, daemon, PATIENCE);
}

//! The log going nowhere: with no syslogd, a full or sleeping one, and a console that takes a second a line,
//! adverts and take-overs stay as punctual as ever.

use std::os::unix::net::UnixDatagram;
use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, Timing};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{CONF, Launch, Program, is_reference, slow_console};
use crate::kit::net::Net;
use crate::kit::node::Node;
use crate::steps;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(20);

/// With a dozen addresses, each announced in its own lines, a take-over has a lot to tell.
fn conf(priority: u8) -> String {
    let mut conf = Instance { interval: "0.2", ..Instance::default() }.priority(priority);
    conf.addresses = (100..112).map(|host| format!("10.9.0.{host}")).collect();
    conf.text()
}

/// Two daemons whose log `launch` obstructs: the second takes over in time, and then advertises in time.
fn stays_punctual<'n>(net: &Net, a: &'n Node, b: &'n Node, launch: impl Fn(&'n Node) -> Launch<'n>) {
    a.write(CONF, &conf(150));
    b.write(CONF, &conf(100));
    let master = launch(a).start();
    net.wait_master("a", master.since(), START + TIMING.master_down(150));
    let _backup = launch(b).start();
    std::thread::sleep(Duration::from_secs(2));
    let steady = now();
    std::thread::sleep(Duration::from_secs(1));
    assert!(steps::longest_gap(net, steady, "a") <= TIMING.interval + ALLOWANCE, "{}", net.story(steady));

    let at = master.kill();
    let last = net.adverts(0, "a").into_iter().rfind(|event| event.at <= at).expect("adverts");
    let first = net.wait_master("b", last.at, TIMING.master_down(100));
    net.wait("the last address is announced", first.at, Duration::ZERO, |event| {
        event.announces("b", "10.9.0.111")
    });
    std::thread::sleep(Duration::from_secs(2));
    assert!(steps::longest_gap(net, first.at, "b") <= TIMING.interval + ALLOWANCE, "{}", net.story(first.at));
}

fn pair() -> (Net, Node, Node) {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    (net, a, b)
}

#[test]
fn without_a_syslogd() {
    let (net, a, b) = pair();
    stays_punctual(&net, &a, &b, |node| Launch::new(node, US).arguments(&["-n", "-D", "-f", CONF]));
}

#[test]
fn with_a_syslogd_that_does_not_read() {
    if is_reference("it waits until there is room") {
        return;
    }
    let (net, a, b) = pair();
    // Nobody ever reads from these: after a dozen lines they are full.
    let sockets = [&a, &b].map(|node| UnixDatagram::bind(node.path("/dev/log")).expect("/dev/log"));
    stays_punctual(&net, &a, &b, |node| Launch::new(node, US).arguments(&["-n", "-D", "-f", CONF]));
    drop(sockets);
}

#[test]
fn with_a_console_that_takes_a_second_a_line() {
    if is_reference("it waits for its console") {
        return;
    }
    let (net, a, b) = pair();
    stays_punctual(&net, &a, &b, |node| Launch::new(node, US).stderr(slow_console()));
}

#[test]
fn a_syslogd_that_comes_late_and_comes_again_gets_its_lines() {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write(CONF, &Instance::default().text());
    let daemon = Launch::new(&a, US).arguments(&["-n", "-D", "-f", CONF]).start();
    net.wait_master("a", daemon.since(), START + Timing::v3(10).master_down(100));
    let heard = |socket: &UnixDatagram| {
        socket.set_read_timeout(Some(Duration::from_millis(1_500))).expect("a timeout");
        let mut octets = [0_u8; 2_048];
        let mut lines = Vec::new();
        while let Ok(count) = socket.recv(&mut octets) {
            lines.push(String::from_utf8_lossy(&octets[..count]).into_owned());
        }
        lines
    };
    for round in 0..2 {
        a.remove("/dev/log");
        let syslogd = UnixDatagram::bind(a.path("/dev/log")).expect("/dev/log");
        a.shell("ip link set eth0 down; sleep 0.2; ip link set eth0 up");
        let lines = heard(&syslogd);
        let fault = lines.iter().find(|line| line.contains("(VI_1) Entering FAULT STATE"));
        let fault = fault.unwrap_or_else(|| panic!("syslogd {round} was not told: {lines:#?}"));
        assert!(fault.starts_with('<') && fault.contains("Keepalived_vrrp["), "{fault}");
    }
    drop(daemon);
}

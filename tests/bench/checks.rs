//! What thousands of checks a second cost and how evenly they run, ours and Debian's keepalived in one run: how late each
//! connection to a server comes, CPU and system calls for each check, and what descriptors and memory grow by over tens of
//! thousands of checks. keepalived 2.2.7 ends its checker child on a kernel without ip_vs: there the bench says so and
//! shows ours alone.
//!
//!     cargo bench --bench checks              about a minute for each daemon
//!     cargo bench --bench checks -- --quick   a smoke run
//!     cargo bench --bench checks -- --soak    until 200,000 checks have run

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::cast_precision_loss,
    clippy::disallowed_methods,
    reason = "a bench is not the daemon: it prints, waits, reads the clock, and fails by panicking"
)]

mod many;

use std::collections::HashMap;
use std::net::{IpAddr, TcpListener};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use many::kit::bounds::holds_within;
use many::kit::capture::{enter_network, now};
use many::kit::daemon::{CONF, Daemon, Launch, Program};
use many::kit::decode::Stamp;
use many::{Bench, KINDS, Size};

/// The cadence of every check, in milliseconds: the shortest delay_loop of whole seconds.
const CADENCE: f64 = 1e3;
/// Real servers of one virtual server.
const PER_SERVICE: usize = 200;
const NICE: i32 = -15;

/// What comes to the servers: which of them was connected to, and when.
type Connects = Arc<Mutex<Vec<(IpAddr, Stamp)>>>;

/// The figures of one daemon, in the order of [`NAMES`].
type Figures = [f64; 14];

const NAMES: [&str; 14] = [
    "checks a second",
    "connect late by, p50, ms",
    "connect late by, p99, ms",
    "connect late by, worst, ms",
    "mean off the cadence, ms",
    "us of CPU a check",
    "system calls a check",
    "descriptors before",
    "descriptors more after",
    "private memory before, kB",
    "private memory more at half-time, kB",
    "private memory more after half-time, kB",
    "footprint, kB",
    "checks of the soak",
];

fn main() {
    let (checks, soak) = if many::is_quick() {
        (200, 600)
    } else if std::env::args().any(|argument| argument == "--soak") {
        (2_000, 200_000)
    } else {
        (2_000, 60_000)
    };
    let [ours, theirs] = KINDS.map(|kind| figures(kind, checks, soak));
    let ours = ours.unwrap_or_else(|log| panic!("no check runs:\n{log}"));
    let theirs = theirs.unwrap_or_else(|log| {
        let line = log.lines().rev().find(|line| line.to_lowercase().contains("ipvs")).unwrap_or_default();
        println!("keepalived checks nothing on this kernel, which has no ip_vs: {line}");
        [f64::NAN; 14]
    });
    for (figure, name) in NAMES.iter().enumerate() {
        many::print(&format!("{checks} checks at 1 s: {name}"), [ours[figure], theirs[figure]]);
    }
    let [.., descriptors, _before, _in_the_first_half, memory, _footprint, _soaked] = ours;
    assert!(descriptors <= 0.0, "{descriptors} descriptors are leaked");
    // In the first half pages of buffers are touched for the first time, as many as the worst delay needs.
    assert!(memory <= 16.0, "memory grows by {memory} kB");
}

/// Checks servers until so many checks have run; the log if nothing comes to the servers.
fn figures(kind: Program, checks: usize, soak: usize) -> Result<Figures, String> {
    let bench = Bench::new(Size { instances: 1, interval: 1.0 });
    // One listener has the addresses of all servers, and one neighbour leads to them.
    bench.far.shell(
        "ip addr add 192.168.0.2/24 dev p0; ip link set lo up; ip route add local 10.100.0.0/16 dev lo",
    );
    bench.near.shell("ip route add 10.100.0.0/16 via 192.168.0.2");
    let connects = listen(&bench);
    bench.near.write(CONF, &conf(checks));
    let daemon = Launch::new(&bench.near, kind).arguments(&["-n", "-l", "-G", "-f", CONF]).nice(NICE).start();
    let count = || connects.lock().expect("the listener goes on").len();
    if !holds_within(Duration::from_secs(10), || count() >= checks) {
        return Err(daemon.log());
    }
    std::thread::sleep(Duration::from_secs(3));
    let calls = many::calls(&daemon);
    let (descriptors, [private, _]) = (descriptors(&daemon), many::memory(&daemon));

    let (begin, before, cpu) = (now(), count(), many::cpu(&daemon));
    let mut half = None;
    while count() < before + soak {
        if half.is_none() && count() >= before + soak / 2 {
            half = Some(many::memory(&daemon)[0]);
        }
        std::thread::sleep(Duration::from_millis(250));
        assert!(many::millis(begin, now()) < 3.0 * CADENCE * (soak / checks + 10) as f64, "checks come");
    }
    let (cpu, seconds) = (many::cpu(&daemon) - cpu, many::millis(begin, now()) / 1e3);
    let all = connects.lock().expect("the listener goes on").split_off(before);
    let rate = all.len() as f64 / seconds;

    let [private_after, footprint] = many::memory(&daemon);
    let more_descriptors = self::descriptors(&daemon) - descriptors;
    assert_eq!(daemon.logged("failed"), 0, "checks succeed: {}", daemon.log());
    let mut late = lateness(&all);
    let mean = late.iter().sum::<f64>() / late.len() as f64;
    let half = half.unwrap_or(private);
    let [usual, most, worst] = [50, 99, 100].map(|percent| many::percentile(&mut late, percent));
    Ok([
        rate,
        usual,
        most,
        worst,
        mean,
        cpu / all.len() as f64,
        calls / rate,
        descriptors,
        more_descriptors,
        private,
        half - private,
        private_after - half,
        footprint,
        all.len() as f64,
    ])
}

/// Accepts what comes to any address of the far end, and closes it.
fn listen(bench: &Bench) -> Connects {
    let connects = Connects::default();
    let (holder, seen) = (bench.far.holder(), Arc::clone(&connects));
    let (ready, listens) = std::sync::mpsc::channel();
    // It ends with the bench: nothing wakes it from its wait.
    std::thread::spawn(move || {
        enter_network(holder);
        // Who accepts late would blame the daemon: it is as urgent as that.
        let thread = nix::unistd::gettid().to_string();
        let urgent = Command::new("renice")
            .args(["-n", &NICE.to_string(), "-p", &thread])
            .stdout(Stdio::null())
            .status();
        assert!(urgent.is_ok_and(|status| status.success()), "renice (package bsdutils) runs");
        let listener = TcpListener::bind("0.0.0.0:80").expect("a port");
        ready.send(()).expect("somebody waits");
        while let Ok((stream, _)) = listener.accept() {
            let at = now();
            if let Ok(local) = stream.local_addr() {
                seen.lock().expect("nobody panics with it").push((local.ip(), at));
            }
        }
    });
    listens.recv().expect("it listens");
    connects
}

/// Virtual servers whose real servers have a TCP_CHECK each.
fn conf(checks: usize) -> String {
    let mut text = String::from("global_defs {\n    router_id bench\n}\n");
    for number in 0..checks {
        if number % PER_SERVICE == 0 {
            text += &format!(
                "virtual_server 192.0.2.{} 80 {{\n    delay_loop 1\n    lvs_sched rr\n    lvs_method NAT\n    \
                 protocol TCP\n",
                number / PER_SERVICE + 1
            );
        }
        text += &format!(
            "    real_server {} 80 {{\n        TCP_CHECK {{\n            connect_timeout 3\n        }}\n    }}\n",
            many::address(number)
        );
        if number % PER_SERVICE == PER_SERVICE - 1 || number == checks - 1 {
            text += "}\n";
        }
    }
    text
}

/// By how many milliseconds each connection comes after the cadence since the one before it to the same server; negative:
/// before.
fn lateness(all: &[(IpAddr, Stamp)]) -> Vec<f64> {
    let (mut last, mut late) = (HashMap::new(), Vec::with_capacity(all.len()));
    for (server, at) in all {
        if let Some(before) = last.insert(server, *at) {
            late.push(many::millis(before, *at) - CADENCE);
        }
    }
    late
}

/// The open descriptors of all processes of a daemon between two checks: the fewest of many looks.
fn descriptors(daemon: &Daemon<'_>) -> f64 {
    let of = |pid: i32| std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    let look = |_| daemon.processes().into_iter().map(of).sum::<usize>();
    (0..200).map(look).min().unwrap_or_default() as f64
}

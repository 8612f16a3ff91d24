//! What thousands of checks a second cost and how evenly they run, ours and Debian's keepalived in one run: how late each
//! connection to a server comes, CPU and system calls for each check, and what descriptors and memory grow by over tens of
//! thousands of checks. A connection that the kernel has to ask for twice, or that the server has no room for, comes
//! late by whole seconds or never: those are counted beside the lateness. keepalived 2.2.7 ends its checker child on a
//! kernel without ip_vs: there the bench says so and shows ours alone.
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

use nix::sys::socket::Backlog;

use many::kit::bounds::holds_within;
use many::kit::capture::{enter_network, now};
use many::kit::daemon::{CONF, Daemon, Launch, Program};
use many::kit::decode::Stamp;
use many::kit::node::Node;
use many::{Bench, KINDS, Size};

/// The cadence of every check, in milliseconds: the shortest delay_loop of whole seconds.
const CADENCE: f64 = 1e3;
/// Real servers of one virtual server.
const PER_SERVICE: usize = 200;
const NICE: i32 = -15;
/// Connections that wait for the server at most: those of two seconds.
const QUEUE: i32 = 4_096;

/// What comes to the servers: which of them was connected to, and when.
type Connects = Arc<Mutex<Vec<(IpAddr, Stamp)>>>;

/// The figures of one daemon, in the order of [`NAMES`].
type Figures = [f64; 18];

const NAMES: [&str; 18] = [
    "checks a second",
    "connect late by, p50, ms",
    "connect late by, p99, ms",
    "connect late by, worst, ms",
    "mean off the cadence, ms",
    "half a cadence late or more",
    "SYN sent again by the kernel",
    "refused by the server's full queue",
    "could not run",
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
        [f64::NAN; 18]
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

    let (again_before, refused_before) = (again(&bench), refused(&bench));
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
    let (again, refused) = (again(&bench) - again_before, refused(&bench) - refused_before);

    let [private_after, footprint] = many::memory(&daemon);
    let more_descriptors = self::descriptors(&daemon) - descriptors;
    assert_eq!(daemon.logged("failed"), 0, "checks succeed: {}", daemon.log());
    let mut late = lateness(&all);
    let mean = late.iter().sum::<f64>() / late.len() as f64;
    let postponed = late.iter().filter(|late| **late >= CADENCE / 2.0).count() as f64;
    let half = half.unwrap_or(private);
    let [usual, most, worst] = [50, 99, 100].map(|percent| many::percentile(&mut late, percent));
    Ok([
        rate,
        usual,
        most,
        worst,
        mean,
        postponed,
        again,
        refused,
        daemon.logged("cannot run") as f64,
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
        // The 128 places that a listener has by itself are full after 64 ms of a busy machine, and the kernel drops what
        // comes then: the daemon would seem to be a second late, or two.
        nix::sys::socket::listen(&listener, Backlog::new(QUEUE).expect("a number")).expect("a longer queue");
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

/// How often the kernels of both ends sent a SYN, or the answer to one, once more.
fn again(bench: &Bench) -> f64 {
    [&bench.near, &bench.far].map(|node| counter(node, "TCPSynRetrans")).iter().sum()
}

/// Connections that the server's kernel dropped because nobody had accepted those before.
fn refused(bench: &Bench) -> f64 {
    counter(&bench.far, "ListenDrops")
}

/// A counter of the TCP of a node.
fn counter(node: &Node, name: &str) -> f64 {
    let text = node.read("/proc/1/net/netstat");
    let mut lines = text.lines().filter(|line| line.starts_with("TcpExt:")).map(str::split_whitespace);
    let (names, values) = (lines.next().expect("names"), lines.next().expect("values"));
    let value = names.zip(values).find(|(found, _)| *found == name).expect("the kernel counts it").1;
    value.parse().expect("a number")
}

/// The open descriptors of all processes of a daemon between two checks: the fewest of many looks.
fn descriptors(daemon: &Daemon<'_>) -> f64 {
    let of = |pid: i32| std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    let look = |_| daemon.processes().into_iter().map(of).sum::<usize>();
    (0..200).map(look).min().unwrap_or_default() as f64
}

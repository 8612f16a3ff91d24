//! A bench: 500 TCP checks a second, ours and Debian's keepalived in turns in one guest: processor time and system calls of
//! a check. Run by its name alone, of a release build:
//!
//!     cargo test --release --test guest -- bench::checking

use std::fs;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::programming::Counting;
use super::stage::cable;
use crate::kit::bounds::holds_within;
use crate::kit::capture::enter_network;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::node::Node;

const SERVICES: usize = 5;
const SERVERS: usize = 100;
/// Rounds of each, of which the medians count, and how long one measures.
const ROUNDS: usize = 3;
const LONG: Duration = Duration::from_secs(10);
/// The guest is slow.
const BOUND: Duration = Duration::from_secs(60);

/// Runs both in turns and prints their figures beside each other.
pub(crate) fn checking() {
    let mut rounds: [Vec<[f64; 3]>; 2] = Default::default();
    for _ in 0..ROUNDS {
        for (program, rounds) in [Program::UnderTest, Program::Reference].into_iter().zip(&mut rounds) {
            rounds.push(figures(program));
        }
    }
    let median = |rounds: &[[f64; 3]], figure: usize| {
        let mut all: Vec<_> = rounds.iter().map(|round| round[figure]).collect();
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let names = ["checks a second", "processor time, us a check", "system calls a check"];
    for (figure, name) in names.iter().enumerate() {
        let [ours, theirs] = rounds.each_ref().map(|rounds| median(rounds, figure));
        println!("{name:<64} ours {ours:>10.3}  keepalived {theirs:>10.3}  ratio {:>6.2}", ours / theirs);
    }
}

/// Checks a second, microseconds and system calls of one.
fn figures(program: Program) -> [f64; 3] {
    let (director, servers) = (Node::new("director"), Node::new("servers"));
    cable(&director, "eth0", &servers);
    director.shell(
        "ip addr add 10.9.0.1/24 dev eth0; ip link set eth0 up; ip route add 10.100.0.0/16 via 10.9.0.2",
    );
    servers.shell(
        "ip addr add 10.9.0.2/24 dev eth0; ip link set eth0 up; ip route add local 10.100.0.0/16 dev lo",
    );
    let seen = listen(&servers);
    let count = || seen.load(Ordering::Relaxed);
    let daemon = Daemon::start(&director, program, &conf());
    assert!(
        holds_within(BOUND, || count() >= 2 * SERVICES * SERVERS),
        "{program:?} checks\n{}",
        daemon.log()
    );
    let (begin, before, used) = (Instant::now(), count(), cpu(&daemon));
    std::thread::sleep(LONG);
    let (seconds, checks, used) =
        (begin.elapsed().as_secs_f64(), (count() - before) as f64, cpu(&daemon) - used);
    let counting = Counting::begin(&daemon);
    let before = count();
    std::thread::sleep(LONG / 3);
    let traced = (count() - before) as f64;
    let calls = counting.end();
    daemon.stop();
    [checks / seconds, used * 1e6 / checks, calls / traced]
}

/// Accepts what comes to any address of the servers, and closes it.
fn listen(servers: &Node) -> Arc<AtomicUsize> {
    let seen = Arc::new(AtomicUsize::new(0));
    let (holder, count) = (servers.holder(), Arc::clone(&seen));
    let (ready, listens) = std::sync::mpsc::channel();
    // It ends with the test: nothing wakes it from its wait.
    std::thread::spawn(move || {
        enter_network(holder);
        let listener = TcpListener::bind("0.0.0.0:80").expect("a port");
        ready.send(()).expect("somebody waits");
        while listener.accept().is_ok() {
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    listens.recv().expect("it listens");
    seen
}

/// Seconds of processor time of all processes of a daemon so far.
pub(super) fn cpu(daemon: &Daemon<'_>) -> f64 {
    // Ticks of USER_HZ, which is 100 on every machine.
    let of = |pid: &i32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let fields = stat.rsplit(") ").next().unwrap_or_default().split_whitespace().skip(11).take(2);
        fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
    };
    daemon.processes().iter().map(of).sum()
}

/// Virtual servers whose real servers have a TCP_CHECK every second.
fn conf() -> String {
    let mut text = String::from("global_defs {\n    router_id bench\n}\n");
    for service in 0..SERVICES {
        text += &format!(
            "virtual_server 192.0.2.{} 80 {{\n    delay_loop 1\n    lvs_sched rr\n    lvs_method NAT\n    protocol TCP\n",
            service + 1
        );
        for server in 1..=SERVERS {
            text += &format!(
                "    real_server 10.100.{service}.{server} 80 {{\n        TCP_CHECK {{\n            connect_timeout 3\n        \
                 }}\n    }}\n"
            );
        }
        text += "}\n";
    }
    text
}

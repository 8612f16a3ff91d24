//! What answers cost: how long `status --json` of 200 instances and 5,000 real servers takes, and by how much the adverts move
//! while that and /metrics are asked for ten times a second.
//!
//!     cargo bench --bench answers              half a minute
//!     cargo bench --bench answers -- --quick   a smoke run

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

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use many::kit::bounds::eventually;
use many::kit::capture::enter_network;
use many::kit::daemon::Program;
use many::{Bench, Size};

/// At most: what issue and users call at once.
const STATUS_MILLIS: f64 = 50.0;
const MOVED_MILLIS: f64 = 1.0;
/// Between two polls.
const PERIOD: Duration = Duration::from_millis(100);

fn main() {
    let quick = many::is_quick();
    let (instances, services, window) = if quick { (20, 5, 0.5) } else { (200, 50, 8.0) };
    let bench = Bench::new(Size { instances, interval: 0.1 });
    let pid = bench.near.holder();
    bench.near.shell("ip link set lo up");
    let global = "control_http 9165\n    vrrp_garp_master_delay 0\n    vrrp_garp_master_repeat 1";
    let conf = Size { instances, interval: 0.1 }.conf(true, global, "") + &servers(services);
    let _daemon = bench.start(Program::UnderTest, &conf);
    let socket = bench.near.path("/run/keepalived.sock");
    let ask = move || {
        let mut stream = UnixStream::connect(&socket).ok()?;
        stream.write_all(b"status --json\n").ok()?;
        let (mut head, mut text) = (String::new(), String::new());
        let mut reader = BufReader::new(stream.try_clone().ok()?);
        reader.read_line(&mut head).ok()?;
        let len: u64 = head.split(' ').nth(1)?.parse().ok()?;
        reader.take(len).read_to_string(&mut text).ok()?;
        head.starts_with("ok ").then_some(text)
    };
    eventually("all answer", Duration::from_secs(30), || {
        ask().is_some_and(|text| text.matches("\"MASTER\"").count() == instances)
    });
    std::thread::sleep(Duration::from_secs(2));

    let mut took: Vec<f64> = (0..20)
        .map(|_| {
            let begun = Instant::now();
            let text = ask().expect("an answer");
            assert!(text.matches("\"table_weight\"").count() == services * 100);
            begun.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    let (median, worst) = (many::percentile(&mut took, 50), many::percentile(&mut took, 99));
    println!(
        "status --json of {instances} instances and {} real servers, ms: p50 {median:.1}, p99 {worst:.1}",
        services * 100
    );

    let p99 = || {
        let capture = bench.capture();
        std::thread::sleep(Duration::from_secs_f64(window));
        let size = Size { instances, interval: 0.1 };
        let mut off: Vec<f64> =
            many::deviations(&capture.events(0), size).into_iter().map(f64::abs).collect();
        many::percentile(&mut off, 99)
    };
    let alone = p99();
    let stop = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&stop);
    let poller = std::thread::spawn(move || {
        enter_network(pid);
        let mut polls = 0_u32;
        while !over.load(Ordering::Relaxed) {
            let begun = Instant::now();
            ask().expect("an answer");
            let mut web = TcpStream::connect(("127.0.0.1", 9165)).expect("it listens");
            web.write_all(b"GET /metrics HTTP/1.1\r\nHost: bench\r\n\r\n").expect("it reads");
            let mut page = String::new();
            web.read_to_string(&mut page).expect("it answers");
            assert!(page.starts_with("HTTP/1.1 200 ") && page.contains("keepalived_vrrp_state{"));
            polls += 1;
            std::thread::sleep(PERIOD.saturating_sub(begun.elapsed()));
        }
        polls
    });
    let polled = p99();
    stop.store(true, Ordering::Relaxed);
    let polls = poller.join().expect("every poll is answered");
    println!("p99 off the interval, ms: alone {alone:.3}, polled {polls} times {polled:.3}");
    if !quick {
        assert!(median < STATUS_MILLIS, "the status takes too long");
        assert!(polled - alone <= MOVED_MILLIS, "polling moves adverts");
    }
}

/// Virtual servers of a hundred real servers each, without checks.
fn servers(services: usize) -> String {
    let mut text = String::new();
    for service in 0..services {
        writeln!(
            text,
            "virtual_server 10.200.{service}.1 80 {{\n lvs_sched rr\n lvs_method NAT\n protocol TCP"
        )
        .expect("a string grows");
        for server in 1..=100 {
            writeln!(text, " real_server 10.201.{service}.{server} 80 {{\n weight 1\n }}")
                .expect("a string grows");
        }
        text += "}\n";
    }
    text
}

//! What BFD is worth, ours and Debian's keepalived in one run: how late the loss of a session is noticed, how soon a
//! router that follows a session is replaced, and what hundreds of sessions cost and whether they stay up while the other
//! children are busy.
//!
//!     cargo bench --bench bfd              about nine minutes
//!     cargo bench --bench bfd -- --quick   a smoke run
//!     cargo bench --bench bfd -- cost      a part: detection, failover, cost or busy

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
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use many::kit::bounds::{START, eventually, holds_within};
use many::kit::capture::{Capture, now};
use many::kit::conf::Instance;
use many::kit::daemon::{CONF, Daemon, Launch, Program};
use many::kit::decode::Stamp;
use many::kit::inject::Rng;
use many::kit::net::Net;
use many::kit::node::Node;
use many::{Bench, KINDS, Size};
use nix::sys::signal::Signal;

const NICE: i32 = -15;
/// With details: keepalived tells of the states of sessions in these alone.
const ARGUMENTS: [&str; 6] = ["-n", "-l", "-G", "-D", "-f", CONF];
/// Until a session is up packets leave once a second.
const HANDSHAKE: Duration = Duration::from_secs(8);
/// The program that answers a session whose other end is measured is ours for both.
const PEER: Program = Program::UnderTest;

/// How much is measured.
struct Effort {
    /// Intervals in milliseconds, and multipliers, of the sessions that are cut.
    timings: &'static [(u32, u8)],
    /// Sessions that one cut takes down, and how often they are cut.
    together: usize,
    cuts: usize,
    /// Cuts that a virtual router is to notice.
    failovers: usize,
    /// Sessions of the daemon whose cost is measured, for how many seconds, and the instances beside them.
    sessions: usize,
    window: f64,
    instances: usize,
}

const FULL: Effort = Effort {
    timings: &[(10, 3), (50, 3), (100, 5)],
    together: 20,
    cuts: 12,
    failovers: 30,
    sessions: 500,
    window: 10.0,
    instances: 250,
};
const QUICK: Effort = Effort {
    timings: &[(10, 3)],
    together: 5,
    cuts: 2,
    failovers: 2,
    sessions: 20,
    window: 1.0,
    instances: 20,
};

/// Measures one part and prints it.
type Show = fn(&Effort);

fn main() {
    let effort = if many::is_quick() { QUICK } else { FULL };
    let parts: [(&str, Show); 4] = [
        ("detection", show_detection),
        ("failover", show_failover),
        ("cost", show_cost),
        ("busy", show_beside_work),
    ];
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    for (name, show) in parts {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            show(&effort);
        }
    }
}

fn show_detection(effort: &Effort) {
    for &(millis, multiplier) in effort.timings {
        let mut late = detections(effort, millis, multiplier);
        for (percent, what) in [(50, "p50"), (99, "p99"), (100, "worst")] {
            let values = late.each_mut().map(|late| many::percentile(late, percent));
            many::print(&format!("{millis} ms x {multiplier}: down late by, {what}, ms"), values);
        }
    }
}

fn show_failover(effort: &Effort) {
    let mut took = KINDS.map(|kind| failovers(kind, effort.failovers));
    for (percent, what) in [(50, "median"), (100, "worst")] {
        let values = took.each_mut().map(|took| many::percentile(took, percent));
        many::print(&format!("10 ms x 3: from the cut to the first ARP, {what}, ms"), values);
    }
}

fn show_cost(effort: &Effort) {
    let [ours, theirs] = KINDS.map(|kind| undisturbed(|| cost(kind, effort)));
    let names = ["us of CPU a packet", "system calls a packet", "packets a second", "footprint, kB"];
    for (figure, name) in names.iter().enumerate() {
        let what = format!("{} sessions at 50 ms: {name}", effort.sessions);
        many::print(&what, [ours[figure], theirs[figure]]);
    }
}

fn show_beside_work(effort: &Effort) {
    let [ours, theirs] = KINDS.map(|kind| undisturbed(|| beside_work(kind, effort)));
    let what = format!("{} sessions, other children busy: false downs", effort.sessions);
    many::print(&what, [ours, theirs]);
    assert!(ours <= 0.0, "a session went down that no packet was missing of");
}

/// The lines of a daemon's log, each with the moment at which it was read.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<(Stamp, String)>>>);

impl Lines {
    /// Starts a daemon whose lines these will be.
    fn start<'n>(&self, node: &'n Node, kind: Program, conf: &str) -> Daemon<'n> {
        node.write(CONF, conf);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let lines = Arc::clone(&self.0);
        // The thread ends with the daemon.
        std::thread::spawn(move || {
            make_urgent();
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                lines.lock().expect("nobody panics with it").push((now(), line));
            }
        });
        Launch::new(node, kind).arguments(&ARGUMENTS).stderr(writer).nice(NICE).start()
    }

    fn clear(&self) {
        self.0.lock().expect("nobody panics with it").clear();
    }

    /// When each session logged this first.
    fn of_sessions(&self, text: &str) -> HashMap<usize, Stamp> {
        let mut found = HashMap::new();
        for (at, line) in self.0.lock().expect("nobody panics with it").iter() {
            if let Some((before, _)) = line.split_once(text)
                && let Some(number) =
                    before.rsplit("(B").next().and_then(|name| name.trim_end_matches(") ").parse().ok())
            {
                found.entry(number).or_insert(*at);
            }
        }
        found
    }

    /// Waits until so many sessions have logged this; whether they have.
    fn wait(&self, text: &str, sessions: usize) -> bool {
        holds_within(HANDSHAKE, || self.of_sessions(text).len() == sessions)
    }
}

/// Who reads late would blame the daemon: the thread is as urgent as that.
fn make_urgent() {
    let thread = nix::unistd::gettid().to_string();
    let urgent =
        Command::new("renice").args(["-n", &NICE.to_string(), "-p", &thread]).stdout(Stdio::null()).status();
    assert!(urgent.is_ok_and(|status| status.success()), "renice (package bsdutils) runs");
}

/// The session of a number.
fn session(number: usize, source: &str, neighbor: &str, millis: u32, multiplier: u8) -> String {
    format!(
        "bfd_instance B{number} {{\n neighbor_ip {neighbor}\n source_ip {source}\n min_rx {millis}\n \
         min_tx {millis}\n multiplier {multiplier}\n}}\n"
    )
}

const NEAR: &str = "10.9.0.1";

/// The address at which a session of a number ends.
fn far(number: usize) -> String {
    format!("10.9.0.{}", 100 + number)
}

/// By how many milliseconds later than the detection time after the last packet each lost session is told, for both.
fn detections(effort: &Effort, millis: u32, multiplier: u8) -> [Vec<f64>; 2] {
    let mut late: [Vec<f64>; 2] = Default::default();
    // The two take turns in the order A B B A.
    for kind in [0, 1, 1, 0] {
        let mut fresh = detections_of(KINDS[kind], effort, millis, multiplier);
        late[kind].append(&mut fresh);
    }
    late
}

fn detections_of(kind: Program, effort: &Effort, millis: u32, multiplier: u8) -> Vec<f64> {
    let net = Net::without_referee();
    let numbers = 0..effort.together;
    let ends: Vec<String> = numbers.clone().map(|number| far(number) + "/24").collect();
    let (a, b) = (net.node("a", "eth0", &[&format!("{NEAR}/24")]), Node::new("b"));
    net.plug(&b, "eth0", &ends.iter().map(String::as_str).collect::<Vec<_>>());
    let conf = |near: bool| -> String {
        let line = |number| {
            let (source, neighbor) =
                if near { (NEAR.to_owned(), far(number)) } else { (far(number), NEAR.to_owned()) };
            session(number, &source, &neighbor, millis, multiplier)
        };
        numbers.clone().map(line).collect()
    };
    let (lines, peers) = (Lines::default(), Lines::default());
    let _daemon = lines.start(&a, kind, &conf(true));
    let _peer = peers.start(&b, PEER, &conf(false));
    let heard = Capture::start(a.holder());
    let index = a.shell("cat /sys/class/net/eth0/ifindex");
    heard.name_port(index.trim().parse().expect("an index"), "b");
    net.set_apart(&[Net::port(1)], true);
    let mut cut = net.quick_cut(&Net::port(2));
    let detection = Duration::from_millis(u64::from(millis)) * u32::from(multiplier);
    let mut rng = Rng::seeded(0x0bfd);
    let mut late = Vec::new();
    for _ in 0..effort.cuts.div_ceil(2) {
        for lines in [&lines, &peers] {
            // A cut that not all of them notice counts for nothing.
            lines.wait("Entering Up state", effort.together);
        }
        // The intervals are agreed on, and the cut comes at any time between two packets.
        std::thread::sleep(Duration::from_millis(1_200 + rng.below(millis as usize) as u64));
        lines.clear();
        peers.clear();
        heard.clear();
        std::thread::sleep(detection);
        let steady = [&lines, &peers].iter().all(|lines| lines.of_sessions("Entering Down").is_empty());
        cut.set(true);
        if lines.wait("Expired after", effort.together) && steady {
            std::thread::sleep(detection);
            let (told, last) = (lines.of_sessions("Expired after"), last_arrivals(&heard));
            for number in numbers.clone() {
                let end: Ipv4Addr = far(number).parse().expect("an address");
                if let (Some(last), Some(told)) = (last.get(&end), told.get(&number)) {
                    late.push(many::millis(*last, *told) - detection.as_secs_f64() * 1e3);
                }
            }
        } else {
            println!(
                "{millis} ms x {multiplier}: sessions went down before the cut, which counts for nothing"
            );
        }
        lines.clear();
        peers.clear();
        cut.set(false);
    }
    late
}

/// When the last BFD packet of each sender came in.
fn last_arrivals(capture: &Capture) -> HashMap<Ipv4Addr, Stamp> {
    let mut last = HashMap::new();
    for (at, octets) in capture.frames() {
        // IPv4, UDP, the port of single hop sessions, behind a header without options.
        if let Some([8, 0, 0x45, ..]) = octets.get(12..)
            && octets.get(23) == Some(&17)
            && octets.get(36..38) == Some(&3_784_u16.to_be_bytes())
            && let Some(Ok(source)) = octets.get(26..30).map(<[u8; 4]>::try_from)
        {
            last.insert(Ipv4Addr::from(source), at);
        }
    }
    last
}

const VIRTUAL: &str = "10.9.0.250";
/// The ends of the session, on a link of its own.
const BESIDE: [&str; 2] = ["10.8.0.1", "10.8.0.2"];

/// How many milliseconds after each cut of the link of a session the other router announces the virtual address.
fn failovers(kind: Program, cuts: usize) -> Vec<f64> {
    let net = Net::without_referee();
    let (a, b) = (net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"]));
    for (node, end) in [(&a, BESIDE[0]), (&b, BESIDE[1])] {
        net.plug(node, "eth1", &[&format!("{end}/24")]);
    }
    let conf = |priority: u8, [source, neighbor]: [&str; 2], tracks: bool| {
        let mut instance = Instance { addresses: vec![VIRTUAL.to_owned()], ..Instance::default() }
            .priority(priority)
            .before(&session(0, source, neighbor, 10, 3));
        if tracks {
            instance = instance.line("track_bfd {\n B0\n}");
        }
        instance.text()
    };
    let (lines, peers) = (Lines::default(), Lines::default());
    let _first = lines.start(&a, kind, &conf(250, BESIDE, true));
    let _second = peers.start(&b, kind, &conf(240, [BESIDE[1], BESIDE[0]], false));
    net.set_apart(&[Net::port(3)], true);
    let mut cut = net.quick_cut(&Net::port(4));
    let mut rng = Rng::seeded(0x0bfd);
    let mut took = Vec::new();
    for _ in 0..cuts {
        net.forget();
        let begin = now();
        net.wait("a announces", begin, HANDSHAKE, |event| event.announces("a", VIRTUAL));
        std::thread::sleep(Duration::from_millis(1_200 + rng.below(100) as u64));
        let begin = cut.set(true);
        let first = net.wait("b announces", begin, START, |event| event.announces("b", VIRTUAL));
        took.push(many::millis(begin, first.at));
        cut.set(false);
    }
    took
}

/// A daemon with many sessions, and its peer.
struct Crowd {
    bench: Bench,
    sessions: usize,
}

impl Crowd {
    fn new(effort: &Effort) -> Self {
        let bench = Bench::new(Size { instances: effort.instances, interval: 0.1 });
        bench.far.shell(
            "ip addr add 192.168.0.2/24 dev p0; ip link set lo up; ip route add local 10.50.0.0/16 dev lo",
        );
        bench.near.shell("ip route add 10.50.0.0/16 via 192.168.0.2");
        Self { bench, sessions: effort.sessions }
    }

    fn end(number: usize) -> String {
        format!("10.50.{}.{}", number / 250, number % 250 + 1)
    }

    fn conf(&self, near: bool) -> String {
        let line = |number| {
            let (near_end, far_end) = ("192.168.0.1".to_owned(), Self::end(number));
            let (source, neighbor) = if near { (near_end, far_end) } else { (far_end, near_end) };
            session(number, &source, &neighbor, 50, 3)
        };
        (0..self.sessions).map(line).collect()
    }

    /// Starts both and waits until all sessions are up and have agreed on their intervals.
    fn start(&self, kind: Program, conf: &str) -> [Daemon<'_>; 2] {
        self.bench.far.write(CONF, &self.conf(false));
        let peer = Launch::new(&self.bench.far, PEER).arguments(&ARGUMENTS).nice(NICE).start();
        self.bench.near.write(CONF, conf);
        let daemon = Launch::new(&self.bench.near, kind).arguments(&ARGUMENTS).nice(NICE).start();
        for daemon in [&daemon, &peer] {
            eventually("all sessions are up", HANDSHAKE * 3, || {
                daemon.logged("Entering Up state") >= self.sessions
            });
        }
        std::thread::sleep(Duration::from_secs(3));
        [daemon, peer]
    }

    /// Packets to and from the far end so far.
    fn packets(&self) -> f64 {
        let text = self.bench.far.shell("cat /sys/class/net/p0/statistics/[rt]x_packets");
        text.lines().map(|line| line.parse::<f64>().expect("a number")).sum()
    }
}

/// CPU and system calls for each packet, packets a second and memory.
fn cost(kind: Program, effort: &Effort) -> [f64; 4] {
    let crowd = Crowd::new(effort);
    let [daemon, _peer] = crowd.start(kind, &crowd.conf(true));
    let (begin, cpu, packets) = (now(), many::cpu(&daemon), crowd.packets());
    std::thread::sleep(Duration::from_secs_f64(effort.window));
    let (cpu, packets) = (many::cpu(&daemon) - cpu, crowd.packets() - packets);
    let rate = packets / many::millis(begin, now()) * 1e3;
    let calls = many::calls(&daemon) / rate;
    let [_, footprint] = many::memory(&daemon);
    [cpu / packets, calls, rate, footprint]
}

/// Looks at the clock all the time: how long at most nobody could, for all of the machine stood still.
struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<f64>,
}

impl Watch {
    fn begin() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            make_urgent();
            let (mut worst, mut last) = (0.0_f64, now());
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(2));
                let at = now();
                worst = worst.max(many::millis(last, at));
                last = at;
            }
            worst
        });
        Self { stop, thread }
    }

    /// The longest pause, in milliseconds.
    fn end(self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("it only looks")
    }
}

/// A machine that stood still for longer, in milliseconds, takes sessions down that no daemon could have kept: the
/// measurement is made again.
const STOOD_STILL: f64 = 40.0;

/// Measures until the machine has run all the time; the last one if it never does.
fn undisturbed<T>(measure: impl Fn() -> T) -> T {
    let mut tries = 0;
    loop {
        let watch = Watch::begin();
        let measured = measure();
        let worst = watch.end();
        tries += 1;
        if worst < STOOD_STILL || tries == 5 {
            return measured;
        }
        println!("the machine stood still for {worst:.0} ms: measured again");
    }
}

/// Sessions that went down at either end while virtual routers advertise and the daemon reloads and writes what it knows.
fn beside_work(kind: Program, effort: &Effort) -> f64 {
    let crowd = Crowd::new(effort);
    let conf = crowd.bench.conf() + &crowd.conf(true);
    let both = crowd.start(kind, &conf);
    let [daemon, _] = &both;
    let begin = now();
    while many::millis(begin, now()) < effort.window * 2e3 {
        for signal in [Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGUSR2] {
            daemon.signal(signal);
            std::thread::sleep(Duration::from_millis(250));
        }
    }
    // What the last of it brought about is noticed.
    std::thread::sleep(Duration::from_millis(500));
    both.iter().map(|daemon| daemon.logged("Entering Down")).sum::<usize>() as f64
}

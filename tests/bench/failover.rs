//! How late failover is, ours and Debian's keepalived side by side in one run.
//!
//! Two routers of one kind at priority 100 with nopreempt; the master is killed (kill -9 of everything) or
//! stopped (SIGTERM), and the other's first advert and first gratuitous ARP are compared with what the
//! protocol says: Master_Down_Interval after the last advert, or Skew_Time after the goodbye. Also how
//! evenly adverts are spaced, how long a stop takes, and how long a start takes until the first advert of
//! an address owner. Time stamps are the kernel's, taken where frames enter the switch; daemons run at nice -15;
//! the two kinds take turns in the order A B B A.
//!
//!     cargo bench --bench failover              about six minutes
//!     cargo bench --bench failover -- --quick   a smoke run

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

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, Instant};

#[path = "../lab/kit/mod.rs"]
#[allow(dead_code, reason = "the kit serves the labs and the demo too")]
mod kit;

use kit::bounds::{Timing, eventually};
use kit::capture::{nanos, now};
use kit::conf::Instance;
use kit::daemon::{CONF, Daemon, Launch, Program};
use kit::decode::Stamp;
use kit::inject::Rng;
use kit::net::{Net, spacings};
use kit::node::{Node, UNDER_TEST};

const PRIORITY: u8 = 100;
const VIRTUAL: &str = "10.9.0.100";
const NICE: i32 = -15;
const ARGUMENTS: [&str; 5] = ["-n", "-l", "-G", "-f", CONF];
const KINDS: [Program; 2] = [Program::UnderTest, Program::Reference];

/// How much is measured.
struct Effort {
    kills: usize,
    stops: usize,
    adverts: u32,
    starts: usize,
}

const FULL: Effort = Effort { kills: 32, stops: 20, adverts: 400, starts: 12 };
const QUICK: Effort = Effort { kills: 2, stops: 2, adverts: 30, starts: 2 };

/// Measured milliseconds by what was measured, ours and the reference's.
#[derive(Default)]
struct Table(BTreeMap<String, [Vec<f64>; 2]>);

impl Table {
    fn add(&mut self, what: &str, kind: usize, millis: f64) {
        self.0.entry(what.to_owned()).or_default()[kind].push(millis);
    }

    fn print(&mut self) {
        println!("\n{:<38} {:>10} {:>4} {:>9} {:>9} {:>9}", "milliseconds", "", "n", "p50", "p95", "max");
        let mut ratios = Vec::new();
        for (what, sides) in &mut self.0 {
            let mut medians = [f64::NAN; 2];
            for (kind, values) in sides.iter_mut().enumerate() {
                values.sort_by(f64::total_cmp);
                medians[kind] = percentile(values, 50);
                println!(
                    "{:<38} {:>10} {:>4} {:>9.3} {:>9.3} {:>9.3}",
                    if kind == 0 { what } else { "" },
                    if kind == 0 { "ours" } else { "keepalived" },
                    values.len(),
                    medians[kind],
                    percentile(values, 95),
                    percentile(values, 100)
                );
            }
            ratios.push(format!(
                "RATIO ours/keepalived {what}: p50={:.2} p95={:.2}",
                medians[0] / medians[1],
                percentile(&sides[0], 95) / percentile(&sides[1], 95)
            ));
        }
        println!("\n{}", ratios.join("\n"));
    }
}

/// The nearest-rank percentile of sorted values.
fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(rank).copied().unwrap_or(f64::NAN)
}

fn millis(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}

/// `late` minus `early` minus what theory says, in milliseconds; negative is too early.
fn over(early: Stamp, late: Stamp, theory: Duration) -> f64 {
    (i128::from(late) - i128::from(early) - i128::from(nanos(theory))) as f64 / 1e6
}

/// The order in which the two kinds take their turns: A B, B A, A B, ...
fn turns(round: usize) -> [usize; 2] {
    if round.is_multiple_of(2) { [0, 1] } else { [1, 0] }
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let effort = if quick { QUICK } else { FULL };
    let begin = Instant::now();
    let mut table = Table::default();
    println!("ours: {}", kit::node::binary_under_test().display());
    println!("keepalived: /usr/sbin/keepalived");
    for (centis, interval) in [(1, "0.01"), (10, "0.1")] {
        takeovers(&mut table, &effort, Timing::v3(centis), interval);
    }
    starts(&mut table, &effort);
    table.print();
    println!("\n{:.0} s", begin.elapsed().as_secs_f64());
}

/// Two nodes whose daemons take over from each other.
struct Pair<'n> {
    net: &'n Net,
    nodes: [&'n Node; 2],
    kind: Program,
    daemons: [Option<Daemon<'n>>; 2],
    master: usize,
}

impl<'n> Pair<'n> {
    fn new(net: &'n Net, nodes: &'n [Node; 2], kind: Program, conf: &str) -> Self {
        let nodes = nodes.each_ref();
        for node in nodes {
            node.write(CONF, conf);
        }
        Self { net, nodes, kind, daemons: [None, None], master: 0 }
    }

    fn launch(&mut self, index: usize) {
        let launch = Launch::new(self.nodes[index], self.kind).arguments(&ARGUMENTS).nice(NICE);
        self.daemons[index] = Some(launch.start());
    }

    /// Both run and exactly the master has been advertising for a while.
    fn settle(&mut self, timing: Timing) {
        for index in [self.master, 1 - self.master] {
            if self.daemons[index].is_none() {
                self.launch(index);
                let node = self.nodes[index];
                eventually("the daemon joins its group", kit::bounds::START, || {
                    node.read("/proc/1/net/igmp").contains("120000E0")
                });
                if index == self.master {
                    self.net.wait_master(node.name(), now(), timing.master_down(PRIORITY));
                }
            }
        }
        std::thread::sleep(timing.master_down(PRIORITY) + Duration::from_millis(150));
        self.net.forget();
        std::thread::sleep(timing.interval * 3);
        let names = self.nodes.map(Node::name);
        assert!(!self.net.adverts(0, names[self.master]).is_empty(), "{} is master", names[self.master]);
        assert!(
            self.net.adverts(0, names[1 - self.master]).is_empty(),
            "{} is backup",
            names[1 - self.master]
        );
    }

    fn names(&self) -> [&'n str; 2] {
        [self.nodes[self.master].name(), self.nodes[1 - self.master].name()]
    }

    fn take_master(&mut self) -> Daemon<'n> {
        self.daemons[self.master].take().expect("the master runs")
    }

    fn swap(&mut self) {
        self.nodes[self.master].try_shell(&format!("ip addr flush dev eth0 to {VIRTUAL}"));
        self.master = 1 - self.master;
    }
}

fn takeovers(table: &mut Table, effort: &Effort, timing: Timing, interval: &'static str) {
    let conf = Instance { interval, ..Instance::default() }.priority(PRIORITY).line("nopreempt").text();
    let nets = [Net::without_referee(), Net::without_referee()];
    let nodes = nets
        .each_ref()
        .map(|net| [net.node("a", "eth0", &["10.9.0.1/24"]), net.node("b", "eth0", &["10.9.0.2/24"])]);
    let mut pairs: Vec<_> =
        (0..2).map(|kind| Pair::new(&nets[kind], &nodes[kind], KINDS[kind], &conf)).collect();
    let mut rng = Rng::seeded(0x000f_a110_0e25);

    for kind in turns(1) {
        pairs[kind].settle(timing);
        std::thread::sleep(timing.interval * effort.adverts);
        let adverts = nets[kind].adverts(0, pairs[kind].names()[0]);
        let gaps = spacings(&adverts);
        let mean = gaps.iter().sum::<Duration>().as_secs_f64() / gaps.len() as f64;
        table.add(
            &format!("{interval} s mean spacing off by"),
            kind,
            (mean - timing.interval.as_secs_f64()) * 1e3,
        );
        for gap in gaps {
            table.add(
                &format!("{interval} s spacing jitter"),
                kind,
                (millis(gap) - millis(timing.interval)).abs(),
            );
        }
    }
    for round in 0..effort.kills {
        for kind in turns(round) {
            let pair = &mut pairs[kind];
            pair.settle(timing);
            let [old, new] = pair.names();
            std::thread::sleep(timing.interval * u32::try_from(rng.below(100)).unwrap_or_default() / 100);
            let killed = pair.take_master().kill();
            let theory = timing.master_down(PRIORITY);
            let first = pair.net.wait("the take-over", killed, theory, |event| event.is_advert_of(new));
            let last = pair.net.adverts(0, old).pop().expect("a last advert");
            let announced = pair
                .net
                .wait("the announcement", first.at, Duration::ZERO, |event| event.announces(new, VIRTUAL));
            table.add(
                &format!("{interval} s kill: first advert late by"),
                kind,
                over(last.at, first.at, theory),
            );
            table.add(
                &format!("{interval} s kill: first ARP late by"),
                kind,
                over(last.at, announced.at, theory),
            );
            pair.swap();
        }
        progress();
    }
    for round in 0..effort.stops {
        for kind in turns(round) {
            let pair = &mut pairs[kind];
            pair.settle(timing);
            let [old, new] = pair.names();
            let begin = now();
            let (took, _) = pair.take_master().stop();
            let theory = timing.skew(PRIORITY);
            let goodbye =
                pair.net.wait("the goodbye", begin, Duration::ZERO, |event| event.is_goodbye_of(old));
            let first = pair.net.wait("the take-over", goodbye.at, theory, |event| event.is_advert_of(new));
            let announced = pair
                .net
                .wait("the announcement", first.at, Duration::ZERO, |event| event.announces(new, VIRTUAL));
            table.add(
                &format!("{interval} s stop: first advert late by"),
                kind,
                over(goodbye.at, first.at, theory),
            );
            table.add(
                &format!("{interval} s stop: first ARP late by"),
                kind,
                over(goodbye.at, announced.at, theory),
            );
            table.add("SIGTERM to the last process gone", kind, millis(took));
            pair.swap();
        }
        progress();
    }
}

/// From exec to the first advert of an address owner.
fn starts(table: &mut Table, effort: &Effort) {
    let net = Net::without_referee();
    let node = net.node("a", "eth0", &["10.9.0.1/24"]);
    let conf = Instance::default().priority(255).text().replace("state BACKUP", "state MASTER");
    node.write(CONF, &conf);
    for round in 0..effort.starts {
        for kind in turns(round) {
            let program = if kind == 0 { UNDER_TEST } else { "/usr/sbin/keepalived" };
            let mut child = node
                .command("nice")
                .args(["-n", &NICE.to_string(), "bash", "-c", "read -r _; exec \"$0\" \"$@\"", program])
                .args(ARGUMENTS)
                .stdin(Stdio::piped())
                .stderr(Stdio::null())
                .spawn()
                .expect("nsenter runs");
            // By now the shell waits; all that is left to do is to read a line and exec.
            std::thread::sleep(Duration::from_millis(100));
            let begin = now();
            child.stdin.take().expect("a pipe").write_all(b"\n").expect("the shell reads");
            let first = net.wait_master("a", begin, Duration::from_secs(2));
            table.add("exec to first advert of an owner", kind, over(begin, first.at, Duration::ZERO));
            node.try_shell("pkill -TERM -o keepalived");
            let _ = child.wait();
            eventually("the daemon is gone", Duration::from_secs(5), || node.processes().is_empty());
            net.forget();
        }
        progress();
    }
}

fn progress() {
    eprint!(".");
}

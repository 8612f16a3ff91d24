//! What instances cost that have an interface of their own each (`use_vmac`), ours and Debian's keepalived in one run:
//! the time from the start to the adverts, CPU and system calls for each advert, descriptors and memory, and a take-over
//! of all at once.
//!
//!     cargo bench --bench vmac              about three minutes
//!     cargo bench --bench vmac -- --quick   a smoke run

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

use std::fs;
use std::time::Duration;

use many::kit::bounds::eventually;
use many::kit::daemon::{Daemon, Program};
use many::{Bench, KINDS, Size};

/// Figures of one daemon in one role.
#[derive(Default)]
struct Cost {
    first: f64,
    last: f64,
    start: f64,
    micros: f64,
    calls: f64,
    descriptors: f64,
    footprint: f64,
    takeover: f64,
}

fn main() {
    let (sizes, interval, window): (&[usize], _, _) =
        if many::is_quick() { (&[20], 0.2, 0.3) } else { (&[250, 1_000], 1.0, 4.0) };
    for &instances in sizes {
        for master in [true, false] {
            let size = Size { instances, interval };
            let [ours, theirs] = KINDS.map(|kind| cost(kind, size, master, window));
            let role = if master { "MASTER" } else { "BACKUP" };
            let print = |what: &str, figure: fn(&Cost) -> f64| {
                many::print(
                    &format!("{role} {instances} macvlans x {interval} s: {what}"),
                    [figure(&ours), figure(&theirs)],
                );
            };
            if master {
                print("start to the first advert, ms", |cost| cost.first);
                print("start to the last first advert, ms", |cost| cost.last);
            }
            print("ms of CPU until it is at rest", |cost| cost.start);
            print("us of CPU an advert", |cost| cost.micros);
            print("system calls an advert", |cost| cost.calls);
            print("descriptors", |cost| cost.descriptors);
            print("footprint, kB", |cost| cost.footprint);
            if !master {
                print("us of CPU a take-over", |cost| cost.takeover);
            }
        }
    }
}

fn cost(kind: Program, size: Size, master: bool, window: f64) -> Cost {
    let bench = Bench::new(size);
    let masters = (!master).then(|| bench.play_masters_from(true));
    let capture = bench.capture();
    let global = "vrrp_garp_master_delay 0\n    vrrp_garp_master_repeat 1";
    let daemon = bench.start(kind, &size.conf(master, global, "use_vmac"));
    eventually("the macvlans are there", Duration::from_secs(60), || macvlans(&bench) == size.instances);
    let mut cost = Cost::default();
    if master {
        let events = || many::by_instance(&capture.events(0));
        eventually("all are MASTER", Duration::from_secs(60), || events().len() == size.instances);
        let all: Vec<_> = events().values().filter_map(|stamps| stamps.first().copied()).collect();
        let (first, last) = (all.iter().min().unwrap(), all.iter().max().unwrap());
        (cost.first, cost.last) = (many::millis(daemon.since(), *first), many::millis(daemon.since(), *last));
    }
    capture.clear();
    cost.start = at_rest(&daemon) / 1e3;
    let unheard = many::by_instance(&capture.events(0)).len();
    if kind == Program::UnderTest && !master {
        assert_eq!(unheard, 0, "all hear their masters");
    }
    drop(capture);
    let (cpu, arrived) = (many::cpu(&daemon), bench.arrived());
    std::thread::sleep(Duration::from_secs_f64(window));
    let (cpu, arrived) = (many::cpu(&daemon) - cpu, bench.arrived() - arrived);
    let adverts = if master { arrived as f64 } else { size.instances as f64 / size.interval * window };
    cost.micros = cpu / adverts;
    cost.calls = many::calls(&daemon) / (adverts / window);
    cost.footprint = many::memory(&daemon)[1];
    cost.descriptors = descriptors(&daemon);
    if let Some(masters) = masters {
        let cpu = many::cpu(&daemon);
        masters.stop();
        std::thread::sleep(size.span() * 5 + Duration::from_millis(500));
        cost.takeover = (many::cpu(&daemon) - cpu) / size.instances as f64;
    }
    if kind == Program::UnderTest {
        assert_eq!(daemon.stats().allocations(), 0, "heap allocations in steady state");
    }
    cost
}

fn macvlans(bench: &Bench) -> usize {
    bench.near.read("/proc/1/net/dev").lines().filter(|line| line.trim_start().starts_with("vrrp")).count()
}

/// Waits until a daemon has done what a start asks for; its CPU time until then, in microseconds.
fn at_rest(daemon: &Daemon<'_>) -> f64 {
    let mut before = many::cpu(daemon);
    loop {
        std::thread::sleep(Duration::from_millis(1_000));
        let now = many::cpu(daemon);
        if now - before < 150_000.0 {
            return before;
        }
        before = now;
    }
}

fn descriptors(daemon: &Daemon<'_>) -> f64 {
    let of = |pid: &i32| fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
    daemon.processes().iter().map(of).sum::<usize>() as f64
}

//! What hundreds and thousands of instances cost in steady state, ours and Debian's keepalived in one run: CPU and
//! system calls for each advert, evenness and drift of the adverts, memory for each instance, heap allocations.
//!
//!     cargo bench --bench scale              about ten minutes
//!     cargo bench --bench scale -- --quick   a smoke run

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

use std::time::Duration;

use many::kit::daemon::Program;
use many::{Bench, KINDS, Size};

/// Figures of one daemon in one role.
struct Cost {
    micros: f64,
    calls: f64,
    deviation: f64,
    drift: f64,
    private: f64,
    footprint: f64,
    allocations: Option<u64>,
}

fn main() {
    let (sizes, intervals, window): (&[usize], &[f64], _) =
        if many::is_quick() { (&[20], &[0.1], 0.3) } else { (&[250, 1_000, 4_000], &[1.0, 0.1], 4.0) };
    let alone = KINDS.map(|kind| cost(kind, Size { instances: 1, interval: 1.0 }, true, 0.3).private);
    for &interval in intervals {
        for &instances in sizes {
            for master in [true, false] {
                let size = Size { instances, interval };
                let [ours, theirs] = KINDS.map(|kind| cost(kind, size, master, window));
                let role = if master { "MASTER" } else { "BACKUP" };
                let print = |what: &str, figure: fn(&Cost) -> f64| {
                    many::print(
                        &format!("{role} {instances} x {interval} s: {what}"),
                        [figure(&ours), figure(&theirs)],
                    );
                };
                print("us of CPU an advert", |cost| cost.micros);
                print("system calls an advert", |cost| cost.calls);
                if master {
                    print("p99 off the interval, ms", |cost| cost.deviation);
                    print("mean off the interval, ms", |cost| cost.drift);
                }
                print("footprint, kB", |cost| cost.footprint);
                let each =
                    |cost: &Cost, alone: f64| (cost.private - alone) * 1_024.0 / (instances - 1) as f64;
                many::print(
                    &format!("{role} {instances} x {interval} s: octets an instance"),
                    [each(&ours, alone[0]), each(&theirs, alone[1])],
                );
                assert_eq!(ours.allocations, Some(0), "heap allocations in steady state");
            }
        }
    }
}

fn cost(kind: Program, size: Size, master: bool, window: f64) -> Cost {
    let bench = Bench::new(size);
    let masters = (!master).then(|| bench.play_masters());
    let conf = size.conf(master, "vrrp_garp_master_delay 0\n    vrrp_garp_master_repeat 1", "");
    let daemon = bench.start(kind, &conf);
    std::thread::sleep(Duration::from_secs(2) + size.span() * 2);
    let (cpu, arrived) = (many::cpu(&daemon), bench.arrived());
    std::thread::sleep(Duration::from_secs_f64(window));
    let (cpu, arrived) = (many::cpu(&daemon) - cpu, bench.arrived() - arrived);
    let adverts = if master { arrived as f64 } else { size.instances as f64 / size.interval * window };
    let calls = many::calls(&daemon) / (adverts / window);
    let [private, footprint] = many::memory(&daemon);
    let (mut deviation, mut drift) = (f64::NAN, f64::NAN);
    if master {
        let capture = bench.capture();
        std::thread::sleep(Duration::from_secs_f64(window.max(2.0 * size.interval) + 0.2));
        let mut off = many::deviations(&capture.events(0), size);
        drift = off.iter().sum::<f64>() / off.len() as f64;
        off.iter_mut().for_each(|off| *off = off.abs());
        deviation = many::percentile(&mut off, 99);
    }
    let ours = kind == Program::UnderTest;
    let allocations = ours.then(|| daemon.stats().allocations());
    if let Some(masters) = masters {
        masters.stop();
    }
    let micros = cpu / adverts;
    Cost { micros, calls, deviation, drift, private, footprint, allocations }
}

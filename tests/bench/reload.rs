//! What a reload does to the adverts of many instances, ours and Debian's keepalived in one run: the longest gap over
//! the interval, with the same text and with another priority for each instance, and the CPU that it takes.
//!
//!     cargo bench --bench reload              about a minute
//!     cargo bench --bench reload -- --quick   a smoke run

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

use many::kit::daemon::{CONF, Daemon, Program};
use many::{Bench, KINDS, Size};
use nix::sys::signal::Signal;

fn main() {
    let (instances, rounds) = if many::is_quick() { (20, 1) } else { (1_000, 8) };
    let size = Size { instances, interval: 0.1 };
    let [ours, theirs] = KINDS.map(|kind| reloads(kind, size, rounds));
    let names = [
        "without: median of worst gaps over 0.1 s, ms",
        "same text: median of worst gaps over 0.1 s, ms",
        "another one: median of worst gaps over 0.1 s, ms",
        "without: worst gap over 0.1 s, ms",
        "same text: worst gap over 0.1 s, ms",
        "another one: worst gap over 0.1 s, ms",
        "ms of CPU above that of the adverts",
        "longest slice of the last one, ms",
    ];
    for (figure, name) in names.iter().enumerate() {
        many::print(&format!("reload, {instances} instances: {name}"), [ours[figure], theirs[figure]]);
    }
}

fn reloads(kind: Program, size: Size, rounds: usize) -> [f64; 8] {
    let bench = Bench::new(size);
    let conf = |extra: &str| size.conf(true, "", extra);
    let daemon = bench.start(kind, &conf(""));
    std::thread::sleep(Duration::from_secs(2));
    let capture = bench.capture();
    let (mut gaps, mut spent): ([Vec<f64>; 3], [Vec<f64>; 3]) = Default::default();
    for _ in 0..rounds {
        for (what, extra) in [None, Some(""), Some("nopreempt")].into_iter().enumerate() {
            if let Some(extra) = extra {
                bench.near.write(CONF, &conf(extra));
            }
            capture.clear();
            let cpu = many::cpu(&daemon);
            std::thread::sleep(Duration::from_millis(150));
            if extra.is_some() {
                daemon.signal(Signal::SIGHUP);
            }
            std::thread::sleep(Duration::from_millis(700));
            spent[what].push((many::cpu(&daemon) - cpu) / 1e3);
            let off = many::deviations(&capture.events(0), size);
            gaps[what].push(off.into_iter().fold(f64::MIN, f64::max));
        }
    }
    // The machine adds gaps of its own, with a reload or without: the worst ones tell only beside each other.
    let [without, same, another] = gaps.each_mut().map(|gaps| many::percentile(gaps, 50));
    let worst = |gaps: &Vec<f64>| gaps.iter().copied().fold(f64::MIN, f64::max);
    let [without_worst, same_worst, another_worst] = gaps.each_ref().map(worst);
    let [idle, reload, _] = spent.each_mut().map(|spent| many::percentile(spent, 50));
    let slice = longest_slice(kind, &daemon);
    [without, same, another, without_worst, same_worst, another_worst, reload - idle, slice]
}

/// For how long at most a reload did not look at what is due, by its own account; keepalived does not tell.
fn longest_slice(kind: Program, daemon: &Daemon<'_>) -> f64 {
    if kind == Program::Reference {
        return f64::NAN;
    }
    daemon.signal(Signal::SIGUSR2);
    let statistics = daemon.dump("/tmp/keepalived.stats");
    let line = statistics.lines().find(|line| line.contains("Longest slice"));
    let micros = line.and_then(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    micros.map_or(f64::NAN, |micros| micros / 1e3)
}

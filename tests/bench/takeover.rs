//! Take-over en masse, ours and Debian's keepalived in one run: all backups of one daemon lose their masters at once.
//! How late each takes over and announces its address, and what that costs. And one instance with 80 addresses that
//! takes over beside others, whose adverts must not wait for its announcements.
//!
//!     cargo bench --bench takeover              about a minute
//!     cargo bench --bench takeover -- --quick   a smoke run

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
use std::net::IpAddr;
use std::time::Duration;

use many::kit::capture::nanos;
use many::kit::daemon::Program;
use many::kit::decode::What;
use many::{Bench, KINDS, Size};

fn main() {
    let (instances, rounds) = if many::is_quick() { (20, 1) } else { (1_000, 3) };
    let size = Size { instances, interval: 0.1 };
    let mut all: [Vec<[f64; 5]>; 2] = [Vec::new(), Vec::new()];
    for round in 0..rounds {
        for turn in 0..2 {
            let kind = (turn + round) % 2;
            all[kind].push(takeover(KINDS[kind], size));
        }
    }
    let names = [
        "first advert late by, p50, ms",
        "first advert late by, p99, ms",
        "first announcement late by, p50, ms",
        "first announcement late by, p99, ms",
        "us of CPU a take-over",
    ];
    for (figure, name) in names.iter().enumerate() {
        // The best round: what else the machine does makes it only worse.
        let best =
            all.each_ref().map(|rounds| rounds.iter().map(|round| round[figure]).fold(f64::MAX, f64::min));
        many::print(&format!("{instances} take-overs at 0.1 s: {name}"), best);
    }
    let many_addresses = KINDS.map(|kind| beside_eighty(kind, if many::is_quick() { 3 } else { 40 }));
    many::print("beside 80 addresses announced 5 times: worst gap over 0.1 s, ms", many_addresses);
}

fn takeover(kind: Program, size: Size) -> [f64; 5] {
    let bench = Bench::new(size);
    let masters = bench.play_masters();
    let daemon = bench.start(kind, &size.conf(false, "vrrp_garp_master_delay 0", ""));
    std::thread::sleep(Duration::from_secs(2));
    let capture = bench.capture();
    std::thread::sleep(Duration::from_millis(200));
    let cpu = many::cpu(&daemon);
    let last = masters.stop();
    let down = size.span() * 3 + size.span() * 156 / 256;
    std::thread::sleep(down + size.span() + Duration::from_millis(200));
    let cpu = (many::cpu(&daemon) - cpu) / size.instances as f64;
    let events = capture.events(0);
    let adverts = many::by_instance(&events);
    let mut announced = HashMap::<IpAddr, u64>::new();
    for event in &events {
        if let What::Announce { address, .. } = event.what {
            announced.entry(address).or_insert(event.at);
        }
    }
    let due = |number: usize| last[number] + nanos(down);
    let numbers = 0..size.instances;
    let late = |number: usize| {
        let stamps = adverts.get(&((number / 250).to_string(), u8::try_from(number % 250 + 1).ok()?))?;
        Some(many::millis(due(number), *stamps.first()?))
    };
    let mut adverts: Vec<f64> = numbers.clone().filter_map(late).collect();
    let told = |number: usize| Some(many::millis(due(number), *announced.get(&many::address(number))?));
    let mut announcements: Vec<f64> = numbers.filter_map(told).collect();
    assert_eq!((adverts.len(), announcements.len()), (size.instances, size.instances), "all take over");
    if kind == Program::UnderTest {
        assert_eq!(daemon.stats().allocations(), 0, "heap allocations of a take-over");
    }
    let both = |values: &mut [f64]| [50, 99].map(|percent| many::percentile(values, percent));
    let ([a, b], [c, d]) = (both(&mut adverts), both(&mut announcements));
    [a, b, c, d, cpu]
}

/// The longest gap in the adverts of instances that are MASTER while one more becomes it, with 80 addresses.
fn beside_eighty(kind: Program, others: usize) -> f64 {
    let size = Size { instances: others, interval: 0.1 };
    let bench = Bench::new(size);
    let lines: String = (0..80).map(|last| format!("        10.200.0.{last}/32\n")).collect();
    let eighty = format!(
        "vrrp_instance EIGHTY {{\n    state BACKUP\n    interface v0\n    version 3\n    virtual_router_id 251\n    \
         priority 100\n    advert_int 0.5\n    virtual_ipaddress {{\n{lines}    }}\n}}\n"
    );
    let conf = size.conf(true, "vrrp_garp_master_repeat 5\n    vrrp_garp_master_delay 1", "") + &eighty;
    let daemon = bench.start(kind, &conf);
    let capture = bench.capture();
    std::thread::sleep(Duration::from_millis(3_500));
    let events = capture.events(daemon.since());
    let eighty = many::by_instance(&events).remove(&("0".to_owned(), 251));
    let first = *eighty.expect("it takes over").first().expect("an advert");
    let beside: Vec<_> = events.into_iter().filter(|event| event.at + 200_000_000 > first).collect();
    let only: Vec<_> =
        beside.into_iter().filter(|event| event.advert().is_some_and(|it| it.vrid != 251)).collect();
    many::deviations(&only, size).into_iter().fold(f64::MIN, f64::max)
}

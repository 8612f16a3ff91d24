//! What the kernel at hand lacks, tested on Debian's kernel in a machine that QEMU emulates (`tests/guest/run`).
//!
//! Outside this program boots the guest once with itself as the command; inside it runs its tests, a few at a time,
//! and its exit status comes back out. `cargo test --test guest -- WORD` runs those whose name has the word. A new
//! test is a function of one of the modules and a line in [`TESTS`]. The tests use the labs' kit; everything is
//! some ten times as slow as outside, so they keep to adverts of a second and to generous bounds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::disallowed_methods,
    reason = "a lab is not the daemon: it fails by panicking, it prints, it waits, and it reads the clock"
)]

#[allow(dead_code, unused_imports, reason = "the lab has a test more")]
#[path = "../lab/events/mod.rs"]
mod events;
mod firewall;
#[allow(dead_code, reason = "the kit serves the labs too")]
#[path = "../lab/kit/mod.rs"]
mod kit;
mod links;
mod machine;
mod own;
mod routes;

use std::os::unix::process::CommandExt;
use std::process::{Command, exit};
use std::sync::Mutex;
use std::time::Instant;

/// A name and a test.
type Test = (&'static str, fn());

/// Every test.
const TESTS: &[Test] = &[
    // The longest first.
    ("events::ten_sequences", || events::live_all(1, 2, 2)),
    ("machine::has_what_the_kernel_outside_lacks", machine::has_what_the_kernel_outside_lacks),
    ("firewall::on_another_kernel", firewall::on_another_kernel),
    ("links::every_kind_of_driver_is_polled", links::every_kind_of_driver_is_polled),
    ("own::ipvlan", own::ipvlan),
    ("own::ipvlan_sources", own::ipvlan_sources),
    ("own::vrf", own::vrf),
    ("own::unicast_in_vrf", own::unicast_in_vrf),
    ("own::on_other_links", own::on_other_links),
    ("routes::encapsulations_and_vrfs", routes::encapsulations_and_vrfs),
    ("routes::on_a_bridge_without_ipv6", routes::on_a_bridge_without_ipv6),
];

/// How many run side by side: they mostly wait, but the guest is slow.
const AT_ONCE: usize = 3;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if std::env::args().any(|word| word == "--list") {
        return TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
    }
    if std::env::var_os("GUEST").is_some_and(|value| value == "inside") {
        run(&words);
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guest/run");
    let program = std::env::current_exe().expect("a program knows its path");
    // Nothing of it is left here: the guest ends with the script that this process becomes.
    let error = Command::new(folder).arg(program).args(words).exec();
    eprintln!("{folder}: {error}");
    exit(125);
}

/// Runs the tests that have one of the words in their names, or all, and ends the process.
fn run(words: &[String]) -> ! {
    let meant = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word.as_str()));
    let chosen: Vec<&Test> = TESTS.iter().filter(|(name, _)| meant(name)).collect();
    println!("running {} tests in the guest", chosen.len());
    let (waiting, failed) = (Mutex::new(chosen.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = waiting.lock().expect("nobody panics with it").next();
                    let Some((name, test)) = next else { break };
                    let begin = Instant::now();
                    // The machines of a test end with its thread.
                    let test = std::thread::Builder::new().name((*name).to_owned()).spawn(test);
                    let passed = test.expect("a thread").join().is_ok();
                    let outcome = if passed { "ok" } else { "FAILED" };
                    println!("test {name} ... {outcome} ({:.1} s)", begin.elapsed().as_secs_f32());
                    if !passed {
                        failed.lock().expect("nobody panics with it").push(*name);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().expect("nobody panics with it");
    println!("{} passed, {} failed {}", chosen.len() - failed.len(), failed.len(), failed.join(" "));
    exit(i32::from(!failed.is_empty()));
}

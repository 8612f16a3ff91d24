//! What the kernel at hand lacks, tested on Debian's kernel in a machine that QEMU emulates (`tests/guest/run`).
//!
//! Outside this program boots the guest with itself as the command, once for each kernel command line that tests want,
//! side by side; inside it runs its tests, a few at a time, and its exit status comes back out. `cargo test --test
//! guest -- WORD` runs those whose name has the word. A new test is a function of one of the modules and a line in
//! [`TESTS`]. The tests use the labs' kit, and the random events of the labs happen here to an ipvlan, a VRF and a VLAN;
//! everything is some ten times as slow as outside, so they keep to adverts of a second and to generous bounds.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::exit,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a lab is not the daemon: it fails by panicking, it prints, it waits, and it reads the clock"
)]

mod bases;
#[allow(dead_code, unused_imports, reason = "the labs have a test of their own there")]
#[path = "../lab/events/mod.rs"]
mod events;
mod firewall;
mod ipvs;
#[allow(dead_code, reason = "the kit serves the labs too")]
#[path = "../lab/kit/mod.rs"]
mod kit;
mod links;
mod lossy;
mod lvs;
mod machine;
mod own;
mod poor;
mod routes;

use std::process::{Command, exit};
use std::sync::Mutex;
use std::time::Instant;

use kit::daemon::Program;

/// A name and a test.
type Test = (&'static str, fn());

/// A test that nothing may run before or beside: the kernel loads no module meanwhile.
const ALONE: &[Test] = &[("ipvs::without_the_module", ipvs::without_the_module)];

/// Tests that nothing but each other may run before or beside: they take a module away from the whole guest.
const FIRST: &[Test] = &[
    ("poor::without_macvlan", poor::without_macvlan),
    ("lvs::without_ip_vs", lvs::restored::without_ip_vs),
    ("poor::without_nf_tables", poor::without_nf_tables),
];

/// Tests of a boot of their own, whose kernel has no IPv6, and one that has need of a quiet guest.
const WITHOUT_IPV6: &[Test] =
    &[("lossy::loses_and_delays", lossy::loses_and_delays), ("poor::without_ipv6", poor::without_ipv6)];

/// Every other test, the longest first.
const TESTS: &[Test] = &[
    ("events::whatever_happens_on_other_links", || events::live_all(1, 2, 2)),
    ("machine::has_what_the_kernel_outside_lacks", machine::has_what_the_kernel_outside_lacks),
    ("firewall::on_another_kernel", firewall::on_another_kernel),
    ("links::every_kind_of_driver_is_polled", links::every_kind_of_driver_is_polled),
    ("bases::macvlans_come_and_go", bases::macvlans_come_and_go),
    ("bases::ipvlans_come_and_go", bases::ipvlans_come_and_go),
    ("bases::bond_changes_its_cable", bases::bond_changes_its_cable),
    ("own::ipvlan", own::ipvlan),
    ("own::ipvlan_sources", own::ipvlan_sources),
    ("own::vrf", own::vrf),
    ("own::unicast_in_vrf", own::unicast_in_vrf),
    ("own::on_other_links", own::on_other_links),
    ("routes::encapsulations_and_vrfs", routes::encapsulations_and_vrfs),
    ("routes::on_a_bridge_without_ipv6", routes::on_a_bridge_without_ipv6),
    ("lvs::pool_of_debian", || lvs::of_debian(lvs::pool::life)),
    ("lvs::pool", || lvs::of_ours(lvs::pool::life)),
    ("lvs::example_of_debian", || lvs::example::two_directors(Program::Reference)),
    ("lvs::example", || lvs::example::two_directors(Program::UnderTest)),
    ("lvs::field", lvs::field::every),
    ("lvs::samples", lvs::the_samples),
    ("lvs::shapes_of_debian", || lvs::of_debian(lvs::shapes::every)),
    ("lvs::shapes", || lvs::of_ours(lvs::shapes::every)),
    ("lvs::edits_of_debian", || lvs::of_debian(lvs::hands::on_purpose)),
    ("lvs::edits", || lvs::of_ours(lvs::hands::on_purpose)),
    ("lvs::by_the_socket", || lvs::of_ours(lvs::hands::by_the_socket)),
    ("lvs::drained_under_load", || lvs::of_ours(lvs::drained::under_load)),
    ("lvs::path_of_clients_of_debian", || lvs::of_debian(lvs::path::of_clients)),
    ("lvs::path_of_clients", || lvs::of_ours(lvs::path::of_clients)),
    ("lvs::flushes_of_debian", || lvs::of_debian(lvs::hands::flushes)),
    ("lvs::flushes", || lvs::of_ours(lvs::hands::flushes)),
    ("lvs::replaced", lvs::reloads::replaced),
    ("lvs::hysteresis_of_debian", || lvs::of_debian(lvs::reloads::hysteresis)),
    ("lvs::hysteresis", || lvs::of_ours(lvs::reloads::hysteresis)),
    ("lvs::inhibited_of_debian", || lvs::of_debian(lvs::reloads::inhibited)),
    ("lvs::inhibited", || lvs::of_ours(lvs::reloads::inhibited)),
    ("lvs::sessions_of_debian", || lvs::of_debian(lvs::traffic::sessions)),
    ("lvs::sessions", || lvs::of_ours(lvs::traffic::sessions)),
    ("lvs::objects", lvs::objects::of_both),
    ("lvs::counted", || lvs::of_ours(lvs::traffic::counted)),
    ("lvs::marks_of_debian", || lvs::of_debian(lvs::marks::groups)),
    ("lvs::marks", || lvs::of_ours(lvs::marks::groups)),
    ("lvs::marks_styles_of_debian", || lvs::of_debian(lvs::marks::styles)),
    ("lvs::marks_styles", || lvs::of_ours(lvs::marks::styles)),
    ("lvs::marks_kept", || lvs::of_ours(lvs::marks::kept)),
    ("lvs::sync_of_debian", || lvs::of_debian(lvs::sync::alone)),
    ("lvs::sync_removed", || lvs::of_ours(lvs::sync::removed)),
    ("lvs::sync_twice_of_debian", || lvs::of_debian(lvs::sync::twice)),
    ("lvs::sync_twice", || lvs::of_ours(lvs::sync::twice)),
    ("lvs::sync", || lvs::of_ours(lvs::sync::alone)),
    ("lvs::sync_late_interface", || lvs::of_ours(lvs::sync::late_interface)),
    ("lvs::sync_of_an_instance_of_debian", || lvs::of_debian(lvs::sync::of_an_instance)),
    ("lvs::sync_of_an_instance", || lvs::of_ours(lvs::sync::of_an_instance)),
    ("lvs::deleted", || lvs::of_ours(lvs::restored::deleted)),
    ("lvs::left_over", || lvs::of_ours(lvs::restored::left_over)),
    ("lvs::groups", || lvs::of_ours(lvs::restored::groups)),
    ("lvs::child_dies", || lvs::of_ours(lvs::restored::child_dies)),
    ("lvs::redefined", || lvs::of_ours(lvs::restored::redefined)),
    ("ipvs::two_hundred_services", ipvs::two_hundred_services),
    ("ipvs::every_kind", ipvs::every_kind),
    ("ipvs::refusals", ipvs::refusals),
    ("ipvs::sync_daemon", ipvs::sync_daemon),
    ("ipvs::timeouts_and_stats", ipvs::timeouts_and_stats),
    ("bench::programming", lvs::programming::programming),
    ("bench::checking", lvs::checking::checking),
];

/// What begins so measures, alone in its guest: it runs only if it is asked for.
const BENCH: &str = "bench::";

/// How many run side by side: they mostly wait, but the guest is slow.
const AT_ONCE: usize = 3;

fn main() {
    // Of the harness's options it has one that matters inside, too.
    let words: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-') || word == EXACT).collect();
    let boots = [("", [ALONE, FIRST, TESTS]), ("ipv6.disable=1", [&[], &[], WITHOUT_IPV6])];
    if std::env::args().any(|word| word == "--list") {
        let all = boots.iter().flat_map(|(_, tests)| tests.iter().copied().flatten());
        return all.for_each(|(name, _)| println!("{name}: test"));
    }
    let append = std::env::var("GUEST_APPEND").unwrap_or_default();
    if std::env::var_os("GUEST").is_some_and(|value| value == "inside") {
        let tests =
            boots.iter().find(|(words, _)| *words == append).map_or([TESTS, &[], &[]], |(_, tests)| *tests);
        run(&tests.map(|tests| chosen(tests, &words)));
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guest/run");
    let program = std::env::current_exe().expect("a program knows its path");
    let meant = boots.iter().filter(|(_, tests)| tests.iter().any(|tests| !chosen(tests, &words).is_empty()));
    // Nothing of them is left here: each guest ends with its script, and that with this process.
    let guests: Vec<_> = meant
        .enumerate()
        .map(|(number, (append, _))| {
            let left = std::env::temp_dir().join(format!("guest-{}-{number}", std::process::id()));
            std::fs::create_dir_all(&left).expect("a folder for what the guest leaves");
            let mut guest = Command::new("setpriv");
            guest
                .args(["--pdeathsig", "TERM", script])
                .arg(&program)
                .args(&words)
                .env("GUEST_APPEND", append)
                .env("GUEST_LEFT", &left);
            (guest.spawn().expect("setpriv (package util-linux) runs"), left)
        })
        .collect();
    let mut code = 0;
    for (mut guest, left) in guests {
        let status = guest.wait().expect("it was started");
        if !status.success() {
            code = status.code().unwrap_or(125);
        }
        // A guest that did not come to its end has said so.
        if status.success() || left.join("count").exists() {
            let bad = kit::judge::judge_left(&left);
            if !bad.is_empty() {
                println!("0 passed, {} failed {}", bad.len(), bad.join(" "));
                code = 1;
            }
        }
        let _ = std::fs::remove_dir_all(left);
    }
    exit(code);
}

/// The words are whole names.
const EXACT: &str = "--exact";

/// The tests that have one of the words in their names, or all.
fn chosen(tests: &'static [Test], words: &[String]) -> Vec<&'static Test> {
    let exact = words.iter().any(|word| word == EXACT);
    let has = |name: &str, word: &String| if exact { name == word } else { name.contains(word.as_str()) };
    let meant = |name: &str| {
        if words.is_empty() { !name.starts_with(BENCH) } else { words.iter().any(|word| has(name, word)) }
    };
    tests.iter().filter(|(name, _)| meant(name)).collect()
}

/// Runs the tests of each list, and ends the process.
fn run(lists: &[Vec<&'static Test>; 3]) -> ! {
    let count: usize = lists.iter().map(Vec::len).sum();
    println!("running {count} tests in the guest");
    let failed: Vec<_> =
        lists.iter().zip([1, 2, AT_ONCE]).flat_map(|(list, at_once)| side_by_side(list, at_once)).collect();
    kit::judge::leave_count();
    println!("{} passed, {} failed {}", count - failed.len(), failed.len(), failed.join(" "));
    exit(i32::from(!failed.is_empty()));
}

/// Runs tests, so many at once; those that failed.
fn side_by_side(tests: &[&'static Test], at_once: usize) -> Vec<&'static str> {
    let (waiting, failed) = (Mutex::new(tests.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..at_once {
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
    failed.into_inner().expect("nobody panics with it")
}

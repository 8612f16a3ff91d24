//! Hundreds of instances with many addresses that all do something at once: a child that works is not taken for one
//! that hangs, and its adverts leave all the while.

use std::fmt::Write;
use std::time::Duration;

use crate::kit::bounds::{START, Timing, eventually};
use crate::kit::capture::now;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::load;
use crate::kit::net::Net;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const COUNT: usize = 200;
/// Addresses of each instance, and routes.
const THINGS: [usize; 2] = [20, 5];
/// An unoptimised build on a busy machine puts 5,000 things into the kernel.
const WORK: Duration = Duration::from_secs(30);

/// Instances at the shortest usual interval, in groups of four.
fn rich(priority: u8) -> String {
    let mut text =
        "global_defs {\n    router_id lab\n}\nvrrp_track_file level {\n    file /run/level\n}\n".to_owned();
    for group in 0..COUNT / 4 {
        let members = (0..4).map(|member| format!(" VI_{}", group * 4 + member)).collect::<String>();
        let _ = writeln!(text, "vrrp_sync_group G{group} {{\n    group {{\n    {members}\n    }}\n}}");
    }
    for number in 0..COUNT {
        let _ = write!(
            text,
            "vrrp_instance VI_{number} {{\n    state BACKUP\n    interface eth0\n    version 3\n    \
             virtual_router_id {}\n    priority {priority}\n    advert_int 0.1\n    \
             track_file {{\n        level weight 0\n    }}\n    virtual_ipaddress {{\n",
            number + 1
        );
        for address in 1..=THINGS[0] {
            let _ = writeln!(text, "        10.10.{number}.{address}/32");
        }
        text.push_str("    }\n    virtual_routes {\n");
        for route in 0..THINGS[1] {
            let _ = writeln!(text, "        10.11.{number}.{}/29 dev eth0", route * 8);
        }
        text.push_str("    }\n}\n");
    }
    text
}

#[test]
fn a_child_is_not_killed_for_its_work() {
    if is_reference("it has no watchdog") {
        return;
    }
    let net = Net::without_referee();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    for node in [&a, &b] {
        node.write("/run/level", "0\n");
    }
    let calm = |daemon: &Daemon<'_>, child: i32, when: &str| {
        let log = daemon.log();
        assert_eq!(daemon.logged("does not answer"), 0, "{when}\n{log}");
        assert_eq!(daemon.logged("messages were lost"), 0, "{when}");
        assert_eq!(daemon.vrrp_child(), child, "{when}");
    };
    let masters = |daemon: &Daemon<'_>| daemon.logged("Entering MASTER STATE");

    // All begin at once.
    let first = Daemon::start(&a, US, &rich(200));
    let child = first.vrrp_child();
    eventually("all are MASTER", START + WORK, || masters(&first) == COUNT);
    net.wait("adverts go on", now(), TIMING.interval, |event| event.is_advert_of("a"));
    calm(&first, child, "at the start");

    // And all take over at once.
    let second = Daemon::start(&b, US, &rich(100));
    let child = second.vrrp_child();
    second.wait_log("Startup complete", START);
    std::thread::sleep(TIMING.interval);
    assert_eq!(masters(&second), 0, "{}", second.log());
    first.kill();
    eventually("all take over", WORK, || masters(&second) == COUNT);
    std::thread::sleep(TIMING.interval);
    calm(&second, child, "at the take-over");
    // What a slice of the work is, and what an unoptimised build on a busy machine makes of it.
    let longest = second.stats().number("Process/Longest work in a turn in microseconds");
    let alone = load::alone(Duration::from_micros(longest), second.since(), now());
    assert!(
        alone < Duration::from_millis(100),
        "{longest} us, {alone:?} alone, without a look at what is due"
    );
}

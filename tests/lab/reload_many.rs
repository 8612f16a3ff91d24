//! SIGHUP with hundreds of instances: what was loaded before leaves nothing behind.

use std::fmt::Write;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kit::bounds::{START, Timing, eventually};
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;

const US: Program = Program::UnderTest;
const TIMING: Timing = Timing::v3(10);
const COUNT: usize = 200;

/// Instances with addresses, routes, a rule, trackers and sync groups.
fn everything(priority: u8) -> String {
    let mut text = "global_defs {\n    router_id lab\n    vrrp_garp_master_repeat 1\n    \
                    vrrp_garp_master_delay 0\n}\nvrrp_script fit {\n    script \"/usr/bin/true\"\n    \
                    interval 60\n}\nvrrp_track_file level {\n    file /run/level\n}\n"
        .to_owned();
    for group in 0..COUNT / 4 {
        let members = (0..4).map(|member| format!(" VI_{}", group * 4 + member)).collect::<String>();
        let _ = writeln!(text, "vrrp_sync_group G{group} {{\n    group {{\n    {members}\n    }}\n}}");
    }
    for number in 0..COUNT {
        let vrid = number + 1;
        let _ = write!(
            text,
            "vrrp_instance VI_{number} {{\n    state MASTER\n    interface eth0\n    version 3\n    \
             virtual_router_id {vrid}\n    priority {priority}\n    advert_int 0.5\n    \
             virtual_ipaddress {{\n        10.10.{number}.1/32\n        10.10.{number}.2/32\n        \
             10.10.{number}.3/32\n    }}\n    virtual_routes {{\n        10.11.{number}.0/24 dev eth0\n    }}\n    \
             virtual_rules {{\n        from 10.10.{number}.1 table 100 preference {}\n    }}\n    \
             track_script {{\n        fit weight 0\n    }}\n    track_file {{\n        level weight 0\n    }}\n}}\n",
            1_000 + number
        );
    }
    text
}

#[test]
fn reloads_leave_nothing_in_memory() {
    if is_reference("its statistics do not tell of the heap") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    a.write("/run/level", "0\n");
    let daemon = Daemon::start(&a, US, &everything(100));
    net.wait_master("a", daemon.since(), START + TIMING.master_down(100));
    let masters = || daemon.logged("Entering MASTER STATE");
    eventually("all are MASTER", START, || masters() == COUNT);
    std::thread::sleep(Duration::from_secs(1));
    let heap = || daemon.stats().number("Process/Heap octets in use");
    let begun = heap();
    for round in 1..=10_u8 {
        daemon.reload(&everything(100 + round % 2));
        if round % 2 == 0 {
            // The same text once more.
            let before = daemon.logged("Reload complete");
            daemon.signal(Signal::SIGHUP);
            eventually("the reload completes", START, || daemon.logged("Reload complete") > before);
        }
    }
    let now = heap();
    // What the first model alone takes is ten times that.
    assert!(now <= begun + begun / 100, "{begun} octets after the start, {now} after 15 reloads");
    assert_eq!(masters(), COUNT, "nobody left MASTER");
}

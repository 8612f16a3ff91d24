//! Status files of many instances: whole, without the heap, and a few instances a turn.

use std::fmt::Write;

use nix::sys::signal::Signal;

use crate::kit::bounds::{START, eventually};
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;

const INSTANCES: usize = 250;
/// The daemon's own limit (base::limit::STATUS_INSTANCES_PER_TURN).
const PER_TURN: usize = 16;

#[test]
fn a_dump_of_many_instances_is_spread_over_many_turns() {
    if is_reference("it writes everything at once") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let mut conf = String::new();
    for vrid in 1..=INSTANCES {
        // With such an interval nothing else happens within the lab.
        writeln!(
            conf,
            "vrrp_instance VI_{vrid} {{\n interface eth0\n version 3\n advert_int 40\n virtual_router_id {vrid}\n \
             virtual_ipaddress {{\n 10.9.1.{vrid}\n }}\n}}"
        )
        .expect("a string takes everything");
    }
    let daemon = Daemon::start(&a, Program::UnderTest, &conf);
    eventually("all instances are up", START, || daemon.logged("Entering BACKUP STATE") == INSTANCES);
    let first = daemon.stats();
    assert_eq!(first.number(&format!("VI_{INSTANCES}/Became master")), 0);
    let second = daemon.stats();
    let turns = second.number("Process/Loop turns") - first.number("Process/Loop turns");
    let pieces = u64::try_from(2 * INSTANCES / PER_TURN).expect("a small number");
    assert!(turns >= pieces, "{INSTANCES} instances, two blocks each, in {turns} turns");

    daemon.signal(Signal::SIGUSR1);
    let data = daemon.dump("/tmp/keepalived.data");
    assert_eq!(data.matches(" VRRP Instance = VI_").count(), INSTANCES);
    assert!(data.contains(&format!("     VI_{INSTANCES} vrid {INSTANCES}\n")));
    assert!(data.ends_with(&format!("     VI_{INSTANCES}, weight 0\n")));
    let third = daemon.stats();
    assert_eq!(third.allocations(), first.allocations(), "status files are written without the heap");

    // A file under way when the daemon is told something else is finished first, and nothing stays beside it.
    a.remove("/tmp/keepalived.data");
    daemon.signal(Signal::SIGUSR1);
    daemon.signal(Signal::SIGHUP);
    daemon.signal(Signal::SIGUSR1);
    eventually("the reload completes", START, || daemon.logged("Reload complete") == 1);
    let data = daemon.dump("/tmp/keepalived.data");
    assert_eq!(data.matches(" VRRP Instance = VI_").count(), INSTANCES);
    daemon.signal(Signal::SIGUSR1);
    assert_eq!(daemon.stop().1, Some(0));
    assert_eq!(a.shell("ls -A /tmp | grep -c '^[.]keepalived' || true").trim(), "0");
}

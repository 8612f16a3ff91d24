//! Networks that lose, delay, reorder and double what they carry (`tc netem`): ours beside Debian's keepalived, in the
//! same minutes.

use std::time::Duration;

use crate::kit::bounds::{START, Timing, eventually};
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program};
use crate::kit::net::Net;

const TIMING: Timing = Timing::v3(100);
/// The guest is slow.
const SLOW: Duration = Duration::from_secs(15);

/// Virtual routers of each pair: what chance does to one is much, what it does to all is little.
const ROUTERS: u8 = 8;

const WEATHER: &str = "delay 50ms 40ms distribution normal reorder 25% 50% loss 30% duplicate 10%";

const NAMES: [&str; ROUTERS as usize] = ["A", "B", "C", "D", "E", "F", "G", "H"];

fn file(interface: &'static str, priority: u8) -> String {
    let one = |number: u8| {
        let name = NAMES[usize::from(number)];
        let addresses = vec![format!("10.9.{number}.100/24")];
        let one =
            Instance { name, interface, interval: "1", vrid: 50 + number, addresses, ..Instance::default() };
        let text = one.priority(priority).line("garp_master_repeat 1").line("garp_master_delay 0").text();
        text.split_once("}\n").map(|(_, rest)| rest.to_owned()).unwrap_or_default()
    };
    (0..ROUTERS).map(one).collect()
}

/// GUEST_LOSSY: seconds of it. With three adverts in ten lost a backup takes over now and then; ours does so no more often than keepalived does of
/// keepalived, and in calm weather one MASTER is left of each, at once.
pub(crate) fn loses_and_delays() {
    let seconds = std::env::var("GUEST_LOSSY").ok().and_then(|text| text.parse().ok()).unwrap_or(30);
    let net = Net::without_referee();
    let pairs = [
        (Program::Reference, Program::Reference),
        (Program::UnderTest, Program::Reference),
        (Program::Reference, Program::UnderTest),
    ];
    // Each pair has a VLAN of its own on the switch.
    let nodes: Vec<_> = (0..3_u8)
        .map(|pair| {
            ["a", "b"].map(|side| {
                let name = format!("{side}{pair}");
                let node = net.node(&name, "eth0", &[]);
                let own = if side == "a" { 1 } else { 2 };
                node.shell(&format!(
                    "set -e
                    ip link add link eth0 name lan type vlan id {}; ip addr add 10.9.0.{own}/16 dev lan
                    ip link set lan up",
                    10 + pair
                ));
                node
            })
        })
        .collect();
    let daemons: Vec<_> = pairs
        .iter()
        .zip(&nodes)
        .map(|((first, second), [a, b])| {
            let first = Daemon::start(a, *first, &file("lan", 150));
            (first, Daemon::start(b, *second, &file("lan", 100)))
        })
        .collect();
    let taken = |daemon: &Daemon<'_>| daemon.logged("Entering MASTER STATE");
    for (first, _) in &daemons {
        eventually("the first has all", START + SLOW + TIMING.master_down(150), || {
            taken(first) >= usize::from(ROUTERS)
        });
    }
    // Backups that came late may have begun as MASTER.
    std::thread::sleep(TIMING.master_down(100));
    let before: Vec<_> = daemons.iter().map(|(first, second)| (taken(first), taken(second))).collect();
    for node in nodes.iter().flatten() {
        node.shell(&format!("tc qdisc add dev lan root netem {WEATHER}"));
    }
    std::thread::sleep(Duration::from_secs(seconds));
    for node in nodes.iter().flatten() {
        node.shell("tc qdisc del dev lan root");
    }
    let flaps: Vec<usize> = daemons
        .iter()
        .zip(&before)
        .map(|((first, second), (was_first, was_second))| {
            assert_eq!(taken(first), *was_first, "the higher priority never steps down\n{}", first.log());
            taken(second) - was_second
        })
        .collect();
    println!(
        "{seconds} s of weather: take-overs of the backups, theirs of theirs, theirs of ours, ours of theirs: {flaps:?}"
    );
    let chance = |count: usize| 3.0 * f64::sqrt(count.max(4) as f64) * std::f64::consts::SQRT_2;
    let most = flaps[0] as f64 + chance(flaps[0]);
    assert!(flaps[1..].iter().all(|count| *count as f64 <= most), "{flaps:?}: more than {most:.0}");
    std::thread::sleep(TIMING.interval * 5);
    for (pair, [a, b]) in nodes.iter().enumerate() {
        for number in 0..ROUTERS {
            let vip = format!("10.9.{number}.100");
            assert!(a.holds("lan", &vip) && !b.holds("lan", &vip), "pair {pair}: {vip}");
        }
    }
    for (first, second) in daemons {
        first.stop();
        second.stop();
    }
}

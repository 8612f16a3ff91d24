//! An hour's worth of nonsense from a neighbour: no transition, no log flood, every packet accounted for.

use std::time::Duration;

use crate::kit::bounds::{ALLOWANCE, START, Timing};
use crate::kit::capture::now;
use crate::kit::conf::Instance;
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::inject::{Injector, Rng, ip_frame, vrrp_checksum};
use crate::kit::net::Net;
use crate::steps;

const US: Program = Program::UnderTest;

/// A second's advert for an hour.
const PACKETS: usize = 3_600;

/// PDUs as version 2 and 3 routers send them for virtual router 51 and 10.9.0.100: without and with a
/// password, several addresses, priorities from 0 to 255, and the interval in seconds and centiseconds.
const VECTORS: [&str; 9] = [
    "2133ff010001d55c0a0900640000000000000000",
    "213300010001d45d0a0900640000000000000000",
    "2133ff0101013af60a0900643132333435000000",
    "2133ff01010103880a0900643132333435363738",
    "2133ff040001b2d50a0900640a0900630a090065c0a84d010000000000000000",
    "2133ff010201d35c0a0900640000000000000000",
    "3133ff010064da600a090064",
    "3133ff010064b0680a090064",
    "3133ff010019daab0a090064",
];

/// A mutation of a vector that no router of priority 200 may yield to.
fn mutate(rng: &mut Rng) -> (u8, Vec<u8>) {
    let text = VECTORS[rng.below(VECTORS.len())];
    let mut pdu: Vec<u8> = (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hexadecimal"))
        .collect();
    let mut ttl = 255;
    for _ in 0..=rng.below(4) {
        let at = rng.below(pdu.len());
        match rng.below(6) {
            0 => pdu[at] ^= 1 << rng.below(8),
            1 => pdu[at] = rng.octet(),
            2 => pdu.truncate(at.max(1)),
            3 => pdu.extend((0..rng.below(40)).map(|_| 0xa5)),
            4 => ttl = rng.octet(),
            _ => pdu.insert(at, 0),
        }
    }
    // Half of them get past the checksum, so that the checks behind it are reached; those must not claim a
    // priority that a router has to yield to.
    if rng.below(2) == 0 && pdu.len() >= 8 {
        pdu[2] = pdu[2].min(199);
        vrrp_checksum(&mut pdu, [10, 9, 0, 66], [224, 0, 0, 18]);
    } else if pdu.len() >= 3 && pdu[2] > 199 {
        // Whatever the checksum says by chance, the priority stays below.
        pdu[2] = 199;
    }
    (ttl, pdu)
}

fn bombard(version: u8, interval: &'static str, timing: Timing) {
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    let vandal = net.node("vandal", "eth0", &["10.9.0.66/24"]);
    let conf = Instance {
        version,
        interval,
        ..Instance::default()
    }
    .priority(200);
    let daemon = Daemon::start(&a, US, &conf.text());
    net.wait_master("a", daemon.since(), START + timing.master_down(200));
    let mut injector = Injector::new(&vandal);
    let begin = now();
    let (before, lines) = (daemon.stats(), daemon.log().lines().count());
    let mut rng = Rng::seeded(0x6b61_6c61);
    for _ in 0..PACKETS {
        let (ttl, pdu) = mutate(&mut rng);
        injector.send(&ip_frame([10, 9, 0, 66], [224, 0, 0, 18], ttl, &pdu));
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(timing.interval * 2);
    let after = daemon.stats();
    assert_eq!(
        after.number("VI_1/Released master"),
        before.number("VI_1/Released master"),
        "a transition"
    );
    assert_eq!(after.number("VI_1/Became master"), 1, "a transition");
    net.never("a goodbye", begin, Duration::ZERO, |event| {
        event.is_goodbye_of("a")
    });
    assert!(a.holds("eth0", "10.9.0.100"));
    net.judge_without("vandal");
    if is_reference("each rejected packet restarts its advert timer and is logged, and only some are counted")
    {
        return;
    }
    assert!(
        steps::longest_gap(&net, begin, "a") <= timing.interval + ALLOWANCE,
        "{}",
        net.story(begin)
    );
    let logged = daemon.log().lines().count() - lines;
    assert!(logged <= 300, "{logged} log lines for {PACKETS} packets");
    let counted = after.packets() - before.packets();
    assert_eq!(
        counted, PACKETS as u64,
        "packets accounted for: {before:?} {after:?}"
    );
}

#[test]
fn version_2_stands_an_hour_of_mutated_adverts() {
    bombard(2, "1", Timing::V2);
}

#[test]
fn version_3_stands_an_hour_of_mutated_adverts() {
    bombard(3, "0.2", Timing::v3(20));
}

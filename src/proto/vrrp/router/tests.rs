//! Counting, logging once, and announcements that follow the election.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::super::{Burst, Fault, GarpParams};
use super::*;
use crate::base::time::Span;

const VECTOR: [u8; 20] =
    [0x21, 0x33, 0xff, 0x01, 0x00, 0x01, 0xd5, 0x5c, 0x0a, 0x09, 0x00, 0x64, 0, 0, 0, 0, 0, 0, 0, 0];

fn at(millis: u64) -> Instant {
    Instant::START + Span::from_millis(millis)
}

fn router() -> Router {
    let mut router = Router::new(Params { vrid: 51, ..Params::default() }, 1);
    router.handle(at(0), Input::Start { adopt: None }, &mut Actions::new());
    router
}

fn announce(router: &mut Router, now: Instant) -> Option<u16> {
    let due = router.announcement_due(now);
    if due.is_some() {
        router.announced();
    }
    due
}

fn receive(router: &mut Router, now: Instant, octets: &[u8]) -> Vec<Action> {
    let addresses: [IpAddr; 1] = ["10.9.0.100".parse().unwrap()];
    let surroundings = Surroundings {
        local: Some("10.9.0.2".parse().unwrap()),
        addresses: &addresses,
        peers: &[],
        ..Surroundings::default()
    };
    let packet = Packet {
        arrived: now,
        source: "10.9.0.1".parse().unwrap(),
        destination: Some("224.0.0.18".parse().unwrap()),
        hop_limit: Some(255),
        octets,
        around: crate::proto::vrrp::Around::default(),
    };
    let mut out = Actions::new();
    router.receive(now, &surroundings, &packet, &mut out);
    out.to_vec()
}

#[test]
fn each_packet_is_counted_once_and_each_class_told_once() {
    let mut router = router();
    let mut bad = VECTOR;
    bad[7] ^= 1;
    assert_eq!(receive(&mut router, at(10), &bad).len(), 1);
    assert_eq!(receive(&mut router, at(20), &bad), []);
    assert_eq!(receive(&mut router, at(30), &VECTOR[..10]).len(), 1, "another class is told");
    assert_eq!(receive(&mut router, at(40), &VECTOR).len(), 1, "the master is told");
    assert_eq!(receive(&mut router, at(50), &bad).len(), 1, "a good advert opens the mouth again");
    let counters = router.counters();
    assert_eq!((counters.received, counters.checksum, counters.length), (1, 3, 1));
}

#[test]
fn what_is_refused_for_its_signature_is_counted_where_adverts_are_signed() {
    use super::super::guard::{Mode, Replay, Signature};
    let mut router = router();
    assert_eq!(router.extension(), None, "nothing is signed");
    let signature = Signature::new(Vec::new(), 1, Span::from_secs(5), Replay::Time, Mode::Enforce);
    router.change_guard(Some(Box::new(Guard::Signature(Box::new(signature)))));
    assert_eq!(router.extension(), Some(&Extension::default()));
    receive(&mut router, at(10), &VECTOR);
    assert_eq!(router.extension(), Some(&Extension { missing: 1, ..Extension::default() }));
    assert_eq!(router.counters().received, 0, "it changes nothing");
}

#[test]
fn rejected_adverts_change_nothing_but_a_counter() {
    let mut router = router();
    router.handle(at(3_610), Input::Timeout, &mut Actions::new());
    assert_eq!(router.state(), State::Master);
    let due = router.poll_at();
    let mut bad = VECTOR;
    bad[7] ^= 1;
    receive(&mut router, at(4_000), &bad);
    assert_eq!((router.state(), router.poll_at()), (State::Master, due));
}

#[test]
fn announcements_begin_with_mastership_and_end_with_it() {
    let mut router = router();
    assert_eq!(router.announce_at(), None);
    router.handle(at(3_610), Input::Timeout, &mut Actions::new());
    assert_eq!(router.announce_at(), Some(at(3_610)));
    let burst = std::iter::from_fn(|| announce(&mut router, at(3_610))).count();
    assert_eq!(u32::try_from(burst).unwrap(), GarpParams::default().repeat);
    let faults = Faults::NONE.with(Fault::LinkDown, true);
    router.handle(at(4_000), Input::Faults { faults, pending: false }, &mut Actions::new());
    assert_eq!(router.announce_at(), None);
    let counters = router.counters();
    assert_eq!((counters.sent, counters.zero_sent), (3, 2));
    assert_eq!((counters.became_master, counters.released_master), (1, 1));
}

#[test]
fn weights_move_the_priority_and_survive_a_reload() {
    let mut router = router();
    let mut out = Actions::new();
    router.set_weights(at(10), -30, &mut out);
    assert_eq!(router.machine().effective_priority(), 70);
    out.clear();
    let params = Params { vrid: 51, priority: 150, ..Params::default() };
    router.reconfigure(at(20), params, 2, true, &mut out);
    assert_eq!(router.machine().effective_priority(), 120);
    router.handle(at(9_000), Input::Timeout, &mut Actions::new());
    assert_eq!((announce(&mut router, at(9_000)), announce(&mut router, at(9_000))), (Some(0), Some(1)));
}

#[test]
fn lower_adverts_in_a_flood_lead_to_one_burst_an_interval() {
    let mut router = Router::new(Params { vrid: 51, priority: 200, ..Params::default() }, 1);
    router.handle(at(0), Input::Start { adopt: Some(State::Master) }, &mut Actions::new());
    while announce(&mut router, at(0)).is_some() {}
    let mut lower = VECTOR;
    lower[2] = 100;
    lower[6..8].copy_from_slice(&0x705d_u16.to_be_bytes());
    let mut frames = 0;
    for step in 0..100 {
        let now = at(1_000 + step * 10);
        assert!(receive(&mut router, now, &lower).contains(&Action::Announce(Burst::LowerPriority)));
        while announce(&mut router, now).is_some() {
            frames += 1;
        }
    }
    assert_eq!(frames, 5);
}

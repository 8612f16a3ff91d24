//! Each verdict by an advert that deserves it, and what a clock that is set back does.
#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const ADVERT: [u8; 12] = [0x31, 51, 100, 1, 0, 100, 0xda, 0x60, 10, 9, 0, 100];

fn ip(last: u8) -> IpAddr {
    IpAddr::from([10, 9, 0, last])
}

fn at(secs: i64) -> Stamp {
    Stamp::at(1_800_000_000 + secs, 0)
}

fn key(octet: u8) -> trailer::Key {
    trailer::Key::new(&[octet; 32])
}

fn guard(ids: &[u8], active: u8, replay: Replay, mode: Mode) -> Signature {
    let keys = ids.iter().map(|id| SigningKey { id: *id, key: Some(key(*id)) }).collect();
    Signature::new(keys, active, Span::from_secs(5), replay, mode)
}

fn strict() -> Signature {
    guard(&[1], 1, Replay::Time, Mode::Enforce)
}

/// Octets behind an advert of `source` by the key of this id.
fn signed(source: u8, id: u8, stamp: Stamp) -> [u8; trailer::LEN] {
    trailer::sign(&key(id), id, stamp, &ip(source), &ADVERT)
}

fn judge(guard: &mut Signature, source: u8, octets: &[u8], wall: Stamp) -> Result<(), Verdict> {
    guard.judge(ip(source), &ADVERT, octets, wall)
}

#[test]
fn every_verdict_is_given_and_counted() {
    let mut guard = strict();
    let good = signed(1, 1, at(0));
    assert_eq!(judge(&mut guard, 1, &good, at(0)), Ok(()));
    assert_eq!(judge(&mut guard, 1, &good, at(1)), Err(Verdict::Replayed));
    assert_eq!(judge(&mut guard, 1, &[], at(1)), Err(Verdict::Missing));
    let mut malformed = signed(1, 1, at(1));
    malformed[0] = 2;
    assert_eq!(judge(&mut guard, 1, &malformed, at(1)), Err(Verdict::Malformed));
    assert_eq!(judge(&mut guard, 1, &signed(1, 9, at(1)), at(1)), Err(Verdict::UnknownKey(9)));
    let mut invalid = signed(1, 1, at(1));
    invalid[27] ^= 1;
    assert_eq!(judge(&mut guard, 1, &invalid, at(1)), Err(Verdict::Invalid));
    assert_eq!(judge(&mut guard, 2, &signed(1, 1, at(1)), at(1)), Err(Verdict::Invalid), "another's");
    let stale = Verdict::Stale { skew: 60, window: 5 };
    assert_eq!(judge(&mut guard, 1, &signed(1, 1, at(0)), at(60)), Err(stale));
    assert_eq!(judge(&mut guard, 1, &signed(1, 1, at(60)), at(0)), Err(stale), "from the future");
    assert_eq!(judge(&mut guard, 1, &signed(1, 1, at(6)), at(1)), Ok(()), "at the edge of the window");
    let counted = Extension { missing: 1, malformed: 1, unknown_key: 1, invalid: 2, stale: 2, replayed: 1 };
    assert_eq!(*guard.counters(), counted);
}

#[test]
fn a_refused_number_is_not_remembered() {
    let mut guard = strict();
    let mut forged = signed(1, 1, at(4));
    forged[20] ^= 1;
    assert_eq!(judge(&mut guard, 1, &forged, at(0)), Err(Verdict::Invalid));
    assert_eq!(judge(&mut guard, 1, &signed(1, 1, at(0)), at(0)), Ok(()));
}

#[test]
fn each_sender_counts_for_itself_and_the_table_is_bounded() {
    let mut guard = strict();
    for source in 1..=u8::try_from(limit::SIGNED_SENDERS).unwrap() {
        assert_eq!(judge(&mut guard, source, &signed(source, 1, at(i64::from(source) / 8)), at(0)), Ok(()));
    }
    // One more: the longest silent one makes room, and nobody else is forgotten.
    assert_eq!(judge(&mut guard, 200, &signed(200, 1, at(3)), at(1)), Ok(()));
    assert_eq!(judge(&mut guard, 200, &signed(200, 1, at(3)), at(1)), Err(Verdict::Replayed));
    assert_eq!(judge(&mut guard, 8, &signed(8, 1, at(1)), at(1)), Err(Verdict::Replayed));
}

#[test]
fn modes_of_a_migration() {
    for mode in [Mode::Permissive, Mode::ReceiveOnly] {
        let mut guard = guard(&[1], 1, Replay::Time, mode);
        assert_eq!(judge(&mut guard, 1, &[], at(0)), Ok(()));
        assert_eq!(judge(&mut guard, 1, &signed(1, 2, at(0)), at(0)), Err(Verdict::UnknownKey(2)));
        assert!(judge(&mut guard, 1, &signed(1, 1, at(0)), at(60)).is_err(), "stale is refused all the same");
        assert_eq!(judge(&mut guard, 1, &signed(1, 1, at(0)), at(0)), Ok(()));
        guard.advance(at(0));
        assert_eq!(matches!(guard.seal(), Seal::Open), mode == Mode::ReceiveOnly);
    }
}

#[test]
fn monotonic_has_no_window() {
    let mut guard = guard(&[1], 1, Replay::Monotonic, Mode::Enforce);
    assert_eq!(judge(&mut guard, 1, &signed(1, 1, at(0)), at(10_000)), Ok(()));
    assert_eq!(judge(&mut guard, 1, &signed(1, 1, at(0)), at(10_000)), Err(Verdict::Replayed));
    assert_eq!(judge(&mut guard, 1, &signed(1, 1, at(-1)), at(10_000)), Err(Verdict::Replayed));
    assert_eq!(judge(&mut guard, 1, &signed(1, 1, at(0).next()), at(10_000)), Ok(()));
}

fn sent(guard: &mut Signature, wall: Stamp) -> Stamp {
    guard.advance(wall);
    match guard.seal() {
        Seal::Trailer { stamp, .. } => stamp,
        _ => Stamp::START,
    }
}

#[test]
fn own_numbers_grow_within_one_moment_and_over_a_small_step_of_the_clock() {
    let mut guard = strict();
    assert_eq!(sent(&mut guard, at(0)), at(0));
    assert_eq!(sent(&mut guard, at(0)), at(0).next());
    assert_eq!(sent(&mut guard, at(-3)), at(0).next().next());
    assert_eq!(sent(&mut guard, at(1)), at(1));
}

#[test]
fn own_numbers_grow_as_long_as_peers_take_what_is_ahead_of_their_clocks() {
    // Set back by just the window: the peers still take the number, and refuse a lower one.
    let mut guard = strict();
    assert_eq!(sent(&mut guard, at(0)), at(0));
    assert_eq!(sent(&mut guard, at(-5)), at(0).next());
    assert_eq!(sent(&mut guard, at(-6)), at(-6), "past the window the numbers go back");
}

#[test]
fn clocks_that_are_set_back_agree_again() {
    // Both clocks were an hour ahead. Ours is put right first, the peer's after it.
    let mut timed = strict();
    assert_eq!(judge(&mut timed, 1, &signed(1, 1, at(3_600)), at(3_600)), Ok(()));
    assert_eq!(sent(&mut timed, at(3_600)), at(3_600));
    assert!(judge(&mut timed, 1, &signed(1, 1, at(3_601)), at(1)).is_err(), "the peer is ahead now");
    assert_eq!(judge(&mut timed, 1, &signed(1, 1, at(2)), at(2)), Ok(()));
    assert_eq!(judge(&mut timed, 1, &signed(1, 1, at(2)), at(2)), Err(Verdict::Replayed));
    assert_eq!(sent(&mut timed, at(2)), at(2));
    // Where only the order counts it is kept.
    let mut monotonic = guard(&[1], 1, Replay::Monotonic, Mode::Enforce);
    assert_eq!(sent(&mut monotonic, at(3_600)), at(3_600));
    assert_eq!(sent(&mut monotonic, at(0)), at(3_600).next());
}

#[test]
fn a_reload_forgets_nothing_and_keeps_the_old_keys_if_the_new_one_is_not_there() {
    let mut before = guard(&[1, 2], 1, Replay::Time, Mode::Enforce);
    judge(&mut before, 7, &signed(7, 1, at(0)), at(0)).unwrap();
    let mut after = guard(&[2, 3], 2, Replay::Time, Mode::Enforce);
    after.inherit(before.clone());
    assert_eq!(judge(&mut after, 7, &signed(7, 2, at(0)), at(0)), Err(Verdict::Replayed));
    assert_eq!(judge(&mut after, 7, &signed(7, 1, at(1)), at(1)), Err(Verdict::UnknownKey(1)));
    assert_eq!(judge(&mut after, 7, &signed(7, 2, at(1)), at(1)), Ok(()));

    let unread = vec![SigningKey { id: 4, key: None }];
    let mut after = Signature::new(unread, 4, Span::from_secs(5), Replay::Time, Mode::Enforce);
    assert!(after.lacks_key() && matches!(after.seal(), Seal::Lacking));
    after.inherit(before);
    assert!(!after.lacks_key() && matches!(after.seal(), Seal::Trailer { id: 1, .. }));
}

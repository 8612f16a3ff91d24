//! Each refusal by a packet that has that one thing wrong.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;
use crate::base::bytes::Writer;
use crate::proto::vrrp::Password;
use crate::proto::vrrp::guard::{Signature, SigningKey, Verdict};
use crate::wire::trailer::Stamp;
use crate::wire::vrrp::{Body, Cover};

const LOCAL: &str = "10.9.0.2";
const GROUP: &str = "224.0.0.18";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn params_v2() -> Params {
    Params { vrid: 51, ..Params::default() }
}

fn params_v3() -> Params {
    Params { vrid: 51, version: Version::V3, ..Params::default() }
}

fn advert(body: Body, cover: Cover, addresses: &[IpAddr]) -> Vec<u8> {
    let mut out = [0; 512];
    let mut writer = Writer::new(&mut out);
    wire::emit(&mut writer, 51, 100, addresses.iter(), body, cover).unwrap();
    writer.written().to_vec()
}

fn plain_v2() -> Vec<u8> {
    advert(Body::V2 { auth_type: 0, seconds: 1, auth_data: [0; 8] }, Cover::Plain, &[ip("10.9.0.100")])
}

fn judge(params: &Params, peers: &[Peer], octets: &[u8], ttl: u8) -> Result<(Heard, Option<Odd>), Reject> {
    let addresses = [ip("10.9.0.100")];
    let surroundings =
        Surroundings { local: Some(ip(LOCAL)), addresses: &addresses, peers, ..Surroundings::default() };
    let destination = if peers.is_empty() { GROUP } else { LOCAL };
    let packet = Packet {
        arrived: Instant::START,
        source: ip("10.9.0.1"),
        destination: Some(ip(destination)),
        hop_limit: Some(ttl),
        octets,
        around: Around::default(),
    };
    accept(params, None, &surroundings, &packet, false).map(|accepted| (accepted.heard, accepted.odd))
}

/// Puts the right checksum of version 2 into changed octets.
fn mend(mut octets: Vec<u8>) -> Vec<u8> {
    octets[6..8].fill(0);
    let sum = crate::wire::checksum::Checksum::new().over(&octets).finish();
    octets[6..8].copy_from_slice(&sum.to_be_bytes());
    octets
}

#[test]
fn a_good_advert_counts() {
    let (heard, odd) = judge(&params_v2(), &[], &plain_v2(), 255).unwrap();
    assert_eq!((heard.priority, heard.interval, heard.higher_address), (100, Span::from_secs(1), false));
    assert_eq!(odd, None);
}

#[test]
fn hop_limits() {
    assert_eq!(judge(&params_v2(), &[], &plain_v2(), 254), Err(Reject::HopLimit(254)));
    let peer = Peer { addr: ip("10.9.0.1"), min_ttl: 200, max_ttl: 255, old_form: false };
    assert!(judge(&params_v2(), &[peer], &plain_v2(), 200).is_ok());
    let refused = Reject::HopLimitRange { received: 10, min: 200, max: 255 };
    assert_eq!(judge(&params_v2(), &[peer], &plain_v2(), 10), Err(refused));
}

#[test]
fn unicast_sources() {
    let other = Peer { addr: ip("10.9.0.9"), min_ttl: 0, max_ttl: 255, old_form: false };
    assert!(judge(&params_v2(), &[other], &plain_v2(), 64).is_ok());
    let strict = Params { check_unicast_src: true, ..params_v2() };
    assert_eq!(judge(&strict, &[other], &plain_v2(), 64), Err(Reject::NotAPeer));
}

#[test]
fn our_own_advert_is_refused_before_anything_else() {
    let addresses = [ip("10.9.0.100")];
    let surroundings =
        Surroundings { local: Some(ip(LOCAL)), addresses: &addresses, peers: &[], ..Surroundings::default() };
    let packet = Packet {
        arrived: Instant::START,
        source: ip(LOCAL),
        destination: None,
        hop_limit: Some(1),
        octets: &[],
        around: Around::default(),
    };
    assert_eq!(accept(&params_v2(), None, &surroundings, &packet, false), Err(Reject::Own));
}

#[test]
fn an_owner_that_ignores_adverts_does_not_look_at_them() {
    let params = |priority, owner_ignore_adverts| Params { priority, owner_ignore_adverts, ..params_v2() };
    assert_eq!(judge(&params(255, true), &[], &plain_v2(), 255), Err(Reject::Ignored));
    assert_eq!(judge(&params(255, true), &[], &[], 1), Err(Reject::Ignored));
    assert!(judge(&params(254, true), &[], &plain_v2(), 255).is_ok());
    assert!(judge(&params(255, false), &[], &plain_v2(), 255).is_ok());
}

#[test]
fn version_type_and_length() {
    let good = plain_v2();
    assert_eq!(judge(&params_v3(), &[], &good, 255), Err(Reject::Version { received: 2, expected: 3 }));
    let mut kind = good.clone();
    kind[0] = 0x22;
    assert_eq!(judge(&params_v2(), &[], &mend(kind), 255), Err(Reject::Kind(2)));
    assert_eq!(
        judge(&params_v2(), &[], &good[..19], 255),
        Err(Reject::TooShort { received: 19, expected: 20 })
    );
    assert_eq!(judge(&params_v2(), &[], &[], 255), Err(Reject::TooShort { received: 0, expected: 8 }));
    let mut long = good;
    long.push(0);
    assert_eq!(judge(&params_v2(), &[], &long, 255), Err(Reject::TooLong { received: 21, expected: 20 }));
}

#[test]
fn checksums_of_both_forms_over_ipv4_one_over_ipv6() {
    let mut bad = plain_v2();
    bad[7] ^= 1;
    assert_eq!(judge(&params_v2(), &[], &bad, 255), Err(Reject::Checksum));
    let body = Body::V3 { centis: 100 };
    let pseudo = Cover::Pseudo { source: ip("10.9.0.1"), destination: ip(GROUP) };
    for cover in [Cover::Plain, pseudo] {
        let octets = advert(body, cover, &[ip("10.9.0.100")]);
        assert!(judge(&params_v3(), &[], &octets, 255).is_ok(), "{cover:?}");
    }
    let vip = [ip("fd09::100")];
    let octets = advert(body, Cover::Plain, &vip);
    let surroundings =
        Surroundings { local: Some(ip("fe80::2")), addresses: &vip, peers: &[], ..Surroundings::default() };
    let packet = Packet {
        arrived: Instant::START,
        source: ip("fe80::1"),
        destination: Some(ip("ff02::12")),
        hop_limit: Some(255),
        octets: &octets,
        around: Around::default(),
    };
    let params = Params { family: Family::V6, ..params_v3() };
    assert_eq!(accept(&params, None, &surroundings, &packet, false), Err(Reject::Checksum));
}

#[test]
fn authentication_and_interval_of_version_2() {
    let password = Params { auth: Auth::Pass(Password::new("12345")), ..params_v2() };
    let with = |auth_type, seconds, auth_data: &[u8; 8]| {
        advert(Body::V2 { auth_type, seconds, auth_data: *auth_data }, Cover::Plain, &[ip("10.9.0.100")])
    };
    assert!(judge(&password, &[], &with(1, 1, b"12345\0\0\0"), 255).is_ok());
    assert_eq!(judge(&password, &[], &with(1, 1, b"12346\0\0\0"), 255), Err(Reject::Password));
    assert_eq!(
        judge(&password, &[], &plain_v2(), 255),
        Err(Reject::AuthMismatch { received: 0, expected: 1 })
    );
    assert_eq!(
        judge(&params_v2(), &[], &with(1, 1, b"12345\0\0\0"), 255),
        Err(Reject::AuthMismatch { received: 1, expected: 0 })
    );
    assert_eq!(judge(&params_v2(), &[], &with(9, 1, &[0; 8]), 255), Err(Reject::AuthUnknown(9)));
    assert_eq!(
        judge(&params_v2(), &[], &with(0, 2, &[0; 8]), 255),
        Err(Reject::Interval { received: 2, expected: 1 })
    );
}

#[test]
fn another_address_list_is_odd_but_counts() {
    let body = Body::V2 { auth_type: 0, seconds: 1, auth_data: [0; 8] };
    let two = advert(body, Cover::Plain, &[ip("10.9.0.100"), ip("10.9.0.101")]);
    assert_eq!(
        judge(&params_v2(), &[], &two, 255).unwrap().1,
        Some(Odd::AddressCount { received: 2, expected: 1 })
    );
    let other = advert(body, Cover::Plain, &[ip("10.9.0.101")]);
    assert_eq!(judge(&params_v2(), &[], &other, 255).unwrap().1, Some(Odd::AddressMissing(ip("10.9.0.100"))));
}

/// What is odd about an advert of another address, from the sender of the one before or from another one.
fn odd_of(params: &Params, same_sender: bool) -> Option<Odd> {
    let body = Body::V2 { auth_type: 0, seconds: 1, auth_data: [0; 8] };
    let octets = advert(body, Cover::Plain, &[ip("10.9.0.101")]);
    let addresses = [ip("10.9.0.100")];
    let surroundings = Surroundings { addresses: &addresses, ..Surroundings::default() };
    // A kernel that tells neither the destination nor the hop limit has let it through.
    let packet = Packet {
        arrived: Instant::START,
        source: ip("10.9.0.1"),
        destination: None,
        hop_limit: None,
        octets: &octets,
        around: Around::default(),
    };
    accept(params, None, &surroundings, &packet, same_sender).unwrap().odd
}

#[test]
fn the_address_list_of_a_known_sender_is_looked_at_unless_asked_not_to() {
    let missing = Some(Odd::AddressMissing(ip("10.9.0.100")));
    let skips = Params { skip_check_adv_addr: true, ..params_v2() };
    for (params, same_sender, odd) in [
        (params_v2(), true, missing),
        (params_v2(), false, missing),
        (skips.clone(), false, missing),
        (skips, true, None),
    ] {
        assert_eq!(odd_of(&params, same_sender), odd);
    }
}

#[test]
fn the_interval_of_a_goodbye_is_nothing_to_tell() {
    let mut octets = advert(Body::V3 { centis: 200 }, Cover::Plain, &[ip("10.9.0.100")]);
    octets[2] = 0;
    let (heard, odd) = judge(&params_v3(), &[], &mend(octets), 255).unwrap();
    assert_eq!((heard.priority, odd), (0, None));
}

#[test]
fn version_3_tells_another_interval_and_survives_zero() {
    let octets = advert(Body::V3 { centis: 200 }, Cover::Plain, &[ip("10.9.0.100")]);
    let (heard, odd) = judge(&params_v3(), &[], &octets, 255).unwrap();
    assert_eq!(heard.interval, Span::from_secs(2));
    assert_eq!(odd, Some(Odd::Interval { received: 200, expected: 100 }));
    let octets = advert(Body::V3 { centis: 0 }, Cover::Plain, &[ip("10.9.0.100")]);
    let (heard, _) = judge(&params_v3(), &[], &octets, 255).unwrap();
    assert_eq!(heard.interval, Span::from_secs(1));
}

/// An advert of version 3 with a trailer of this key behind it, and what a guard with the octets 7 makes of it.
fn judge_signed(key: u8, extra: usize) -> Result<Accepted, Reject> {
    let group = ip(GROUP);
    let vip = [ip("10.9.0.100")];
    let source = ip("10.9.0.1");
    let cover = Cover::Pseudo { source, destination: group };
    let mut octets = advert(Body::V3 { centis: 100 }, cover, &vip);
    let key = crate::wire::trailer::Key::new(&[key; 32]);
    octets.extend(crate::wire::trailer::sign(&key, 1, Stamp::at(1_800_000_000, 0), &source, &octets));
    octets.extend(vec![0; extra]);
    let keys = vec![SigningKey { id: 1, key: Some(crate::wire::trailer::Key::new(&[7; 32])) }];
    let signature = Signature::new(keys, 1, Span::from_secs(5), guard::Replay::Time, guard::Mode::Enforce);
    let surroundings = Surroundings { local: Some(ip(LOCAL)), addresses: &vip, ..Surroundings::default() };
    let packet = Packet {
        arrived: Instant::START,
        source,
        destination: Some(group),
        hop_limit: Some(255),
        octets: &octets,
        around: Around { header: None, wall: Stamp::at(1_800_000_001, 0) },
    };
    accept(&params_v3(), Some(&mut Guard::Signature(Box::new(signature))), &surroundings, &packet, false)
}

#[test]
fn a_trailer_is_no_part_of_the_advert() {
    let accepted = judge_signed(7, 0).unwrap();
    assert_eq!((accepted.heard.priority, accepted.odd), (100, None));
    assert_eq!(judge_signed(8, 0), Err(Reject::Extension(Verdict::Invalid)));
    assert_eq!(judge_signed(7, 1), Err(Reject::TooLong { received: 41, expected: 12 }));
}

#[test]
fn without_a_guard_a_trailer_is_too_much() {
    let cover = Cover::Pseudo { source: ip("10.9.0.1"), destination: ip(GROUP) };
    let mut octets = advert(Body::V3 { centis: 100 }, cover, &[ip("10.9.0.100")]);
    octets.extend([0; crate::wire::trailer::LEN]);
    assert_eq!(judge(&params_v3(), &[], &octets, 255), Err(Reject::TooLong { received: 40, expected: 12 }));
}

#[test]
fn a_bare_advert_is_not_taken_for_a_sealed_one() {
    let body = Body::V2 { auth_type: 2, seconds: 1, auth_data: [0; 8] };
    let octets = advert(body, Cover::Plain, &[ip("10.9.0.100")]);
    let params = Params { auth: Auth::Header(Password::new("12345")), ..params_v2() };
    assert_eq!(judge(&params, &[], &octets, 255), Err(Reject::Header));
    let mismatch = Reject::AuthMismatch { received: 0, expected: 2 };
    assert_eq!(judge(&params, &[], &plain_v2(), 255), Err(mismatch));
}

#[test]
fn the_old_form_of_the_checksum_is_known_to_be_one() {
    let (source, local, group) = (ip("10.9.0.1"), ip(LOCAL), ip(GROUP));
    let vip = [ip("10.9.0.100")];
    let form = |destination| advert(Body::V3 { centis: 100 }, Cover::Pseudo { source, destination }, &vip);
    let judge = |octets: &[u8], old_form: OldForm, known: bool| {
        let peers = [Peer { addr: source, min_ttl: 0, max_ttl: 255, old_form: known }];
        let surroundings = Surroundings { local: Some(local), addresses: &vip, peers: &peers, old_form };
        let packet = Packet {
            arrived: Instant::START,
            source,
            destination: Some(local),
            hop_limit: Some(255),
            octets,
            around: Around::default(),
        };
        accept(&params_v3(), None, &surroundings, &packet, false).map(|accepted| accepted.form_changed)
    };
    let detected = OldForm::Detected(group);
    assert_eq!(judge(&form(local), detected, false), Ok(None));
    assert_eq!(judge(&form(group), detected, false), Ok(Some(true)));
    assert_eq!(judge(&form(group), detected, true), Ok(None));
    assert_eq!(judge(&form(local), detected, true), Ok(Some(false)));
    assert_eq!(judge(&form(group), OldForm::Refused, false), Err(Reject::Checksum));
    assert_eq!(judge(&form(group), OldForm::Spoken(group), true), Ok(None));
    assert_eq!(judge(&form(local), OldForm::Spoken(group), true), Ok(None));
}

#[test]
fn version_2_has_no_old_form_of_the_checksum() {
    let (source, group, vip) = (ip("10.9.0.1"), ip(GROUP), [ip("10.9.0.100")]);
    let body = Body::V2 { auth_type: 0, seconds: 1, auth_data: [0; 8] };
    let octets = advert(body, Cover::Pseudo { source, destination: group }, &vip);
    let surroundings = Surroundings {
        local: Some(ip(LOCAL)),
        addresses: &vip,
        old_form: OldForm::Detected(group),
        ..Surroundings::default()
    };
    let packet = Packet {
        arrived: Instant::START,
        source,
        destination: Some(group),
        hop_limit: Some(255),
        octets: &octets,
        around: Around::default(),
    };
    assert_eq!(accept(&params_v2(), None, &surroundings, &packet, false).err(), Some(Reject::Checksum));
}

//! Byte vectors, both ways, and seeded mutations of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::arithmetic_side_effects, reason = "tests")]

use super::*;
use crate::base::limit::ADVERT_OCTETS;

struct Vector {
    name: &'static str,
    version: Version,
    source: IpAddr,
    destination: IpAddr,
    octets: Vec<u8>,
}

fn vectors() -> Vec<Vector> {
    include_str!("../../../tests/vectors/vrrp.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let fields: Vec<_> = line.split('|').map(str::trim).collect();
            Vector {
                name: fields[0],
                version: if fields[1] == "2" { Version::V2 } else { Version::V3 },
                source: fields[2].parse().unwrap(),
                destination: fields[3].parse().unwrap(),
                octets: (0..fields[4].len() / 2)
                    .map(|i| u8::from_str_radix(&fields[4][2 * i..2 * i + 2], 16).unwrap())
                    .collect(),
            }
        })
        .collect()
}

fn emit_again(advert: &Advert<'_>, vector: &Vector, out: &mut [u8]) -> usize {
    let family = Family::of(&vector.source);
    let addresses: Vec<_> = advert.addresses(family).collect();
    let (body, cover) = match vector.version {
        Version::V2 => (
            Body::V2 {
                auth_type: advert.auth_type,
                seconds: advert.seconds,
                auth_data: advert.auth_data().unwrap(),
            },
            Cover::Plain,
        ),
        Version::V3 => (
            Body::V3 { centis: advert.centis() },
            Cover::Pseudo { source: vector.source, destination: vector.destination },
        ),
    };
    let mut writer = Writer::new(out);
    emit(&mut writer, advert.vrid, advert.priority, addresses.iter(), body, cover).unwrap();
    writer.len()
}

#[test]
fn every_vector_parses_and_is_emitted_again() {
    for vector in vectors() {
        let advert = Advert::parse(&vector.octets).unwrap();
        let family = Family::of(&vector.source);
        assert_eq!(advert.version, vector.version.number(), "{}", vector.name);
        assert_eq!(advert.vrid, 51);
        assert!(advert.is_advertisement());
        assert_eq!(advert.len(), advert_len(vector.version, family, advert.count), "{}", vector.name);
        let holds = match vector.version {
            Version::V2 => advert.checksum_holds_plain(),
            Version::V3 => advert.checksum_holds_pseudo(&vector.source, &vector.destination),
        };
        assert!(holds, "{}", vector.name);
        let mut out = [0; ADVERT_OCTETS];
        let len = emit_again(&advert, &vector, &mut out);
        assert_eq!(out[..len], vector.octets, "{}", vector.name);
    }
}

#[test]
fn any_single_bit_flip_breaks_the_checksum() {
    for vector in vectors() {
        for bit in 0..vector.octets.len() * 8 {
            let mut octets = vector.octets.clone();
            octets[bit / 8] ^= 1 << (bit % 8);
            let advert = Advert::parse(&octets).unwrap();
            let holds = match vector.version {
                Version::V2 => advert.checksum_holds_plain(),
                Version::V3 => advert.checksum_holds_pseudo(&vector.source, &vector.destination),
            };
            assert!(!holds, "{} bit {bit}", vector.name);
        }
    }
}

#[test]
fn mutations_never_panic_and_never_read_past_the_end() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |bound: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % bound as u64).unwrap()
    };
    for vector in vectors() {
        for _ in 0..20_000 {
            let mut octets = vector.octets.clone();
            for _ in 0..=random(4) {
                match random(3) {
                    0 => octets.truncate(random(octets.len() + 1)),
                    1 => octets.push(u8::try_from(random(256)).unwrap()),
                    _ if octets.is_empty() => {}
                    _ => {
                        let at = random(octets.len());
                        octets[at] = u8::try_from(random(256)).unwrap();
                    }
                }
            }
            if let Ok(advert) = Advert::parse(&octets) {
                for family in [Family::V4, Family::V6] {
                    assert!(advert.addresses(family).count() * family.octets() <= octets.len());
                }
                let _ = (advert.auth_data(), advert.centis(), advert.checksum_holds_plain());
                let _ = advert.checksum_holds_pseudo(&vector.source, &vector.destination);
            } else {
                assert!(octets.len() < HEADER);
            }
        }
    }
}

#[test]
fn a_full_buffer_refuses_and_the_address_count_stops_at_255() {
    let addresses = vec![IpAddr::from([10, 0, 0, 1]); 300];
    let body = Body::V3 { centis: 100 };
    let mut small = [0; 20];
    let mut writer = Writer::new(&mut small);
    assert_eq!(emit(&mut writer, 1, 100, addresses.iter(), body, Cover::Plain), Err(Short));
    let mut out = [0; ADVERT_OCTETS];
    let mut writer = Writer::new(&mut out);
    emit(&mut writer, 1, 100, addresses.iter(), body, Cover::Plain).unwrap();
    assert_eq!(writer.len(), HEADER + 255 * 4);
    assert_eq!(writer.written()[3], 255);
}

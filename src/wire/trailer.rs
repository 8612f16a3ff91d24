//! The signature behind an advert: keepalived's `auth_hmac`, HMAC-SHA256 cut to 128 bits.
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! | format = 1    | key id        | reserved = 0                  |
//! +---------------+---------------+-------------------------------+
//! | sequence: Unix seconds                                        |
//! +---------------------------------------------------------------+
//! |           fraction of a second                                |
//! +---------------------------------------------------------------+
//! | 128 bits of HMAC-SHA256                                       |
//! +---------------------------------------------------------------+
//! ```
//!
//! Signed are family, version, router id, source address, the advert without its checksum, and the trailer itself;
//! not the destination, so that one signature serves all unicast peers. The checksum of an advert over IPv4 does not
//! cover the trailer, over IPv6 it does.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::base::addr::IpAddr;
use crate::base::bytes::{Reader, Short};
use crate::base::time::Span;

/// Octets of a trailer.
pub const LEN: usize = 28;

/// The only format there is.
const FORMAT: u8 = 1;
/// Octets in front of the digest.
const FRONT: usize = 12;
/// Octets of the digest that are sent.
const DIGEST: usize = LEN - FRONT;
/// Where the checksum stands in an advert.
const CHECKSUM: usize = 6;

/// A key, ready for use. It is cleared when dropped, and no form of it is ever printed.
#[derive(Clone)]
pub struct Key(Hmac<Sha256>);

impl Key {
    /// The key that these octets are.
    #[must_use]
    pub fn new(octets: &[u8]) -> Self {
        // A key of any length is taken; the error has no cause.
        Self(Hmac::new_from_slice(octets).unwrap_or_else(|_| Hmac::new(&Default::default())))
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key")
    }
}

/// The number that an advert is signed with: a point of wall time, in units of 2^-32 s since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp(u64);

impl Stamp {
    /// The first one of all.
    pub const START: Self = Self(0);

    /// That of a point of wall time: seconds since 1970 and microseconds past them. As in keepalived the lower half
    /// of the fraction stays zero: room to tell apart what is signed in one moment.
    #[must_use]
    pub fn at(secs: i64, micros: u32) -> Self {
        let secs = u64::from(u32::try_from(secs.max(0)).unwrap_or(u32::MAX));
        let fraction = (u64::from(micros.min(999_999)) << 16) / 1_000_000;
        Self(secs << 32 | fraction << 16)
    }

    /// The one of these bits.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// Its bits, which grow as it does.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The next one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// How far apart two are.
    #[must_use]
    pub const fn distance(self, other: Self) -> Span {
        let apart = self.0.abs_diff(other.0);
        let fraction = (apart & 0xffff_ffff).saturating_mul(1_000_000) >> 32;
        Span::from_micros((apart >> 32).saturating_mul(1_000_000).saturating_add(fraction))
    }
}

/// A received trailer, its digest not verified yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Which key signed it.
    pub id: u8,
    /// Its number.
    pub stamp: Stamp,
    front: [u8; FRONT],
    digest: [u8; DIGEST],
}

impl Trailer {
    /// Reads the [`LEN`] octets behind an advert.
    ///
    /// # Errors
    /// [`Short`] if there are not exactly so many, the format is another one, or a reserved bit is set.
    pub fn parse(octets: &[u8]) -> Result<Self, Short> {
        let mut reader = Reader::new(octets);
        let front: [u8; FRONT] = reader.array()?;
        let digest = reader.array()?;
        let [format, id, high, low, stamp @ ..] = front;
        if (format, high, low) != (FORMAT, 0, 0) || !reader.rest().is_empty() {
            return Err(Short);
        }
        Ok(Self { id, stamp: Stamp(u64::from_be_bytes(stamp)), front, digest })
    }

    /// Whether it is the signature of this advert by this key. Takes the same time wherever the first difference is.
    #[must_use]
    pub fn holds(&self, key: &Key, source: &IpAddr, advert: &[u8]) -> bool {
        digest(key, &self.front, source, advert).verify_truncated_left(&self.digest).is_ok()
    }
}

/// The trailer of an advert, whose checksum need not be there yet.
#[must_use]
pub fn sign(key: &Key, id: u8, stamp: Stamp, source: &IpAddr, advert: &[u8]) -> [u8; LEN] {
    let mut trailer = [0; LEN];
    let (front, end) = trailer.split_at_mut(FRONT);
    for (to, from) in front.iter_mut().zip([FORMAT, id, 0, 0].into_iter().chain(stamp.0.to_be_bytes())) {
        *to = from;
    }
    let front = front.first_chunk().copied().unwrap_or_default();
    let whole = digest(key, &front, source, advert).finalize().into_bytes();
    for (to, from) in end.iter_mut().zip(whole) {
        *to = from;
    }
    trailer
}

fn digest(key: &Key, front: &[u8; FRONT], source: &IpAddr, advert: &[u8]) -> Hmac<Sha256> {
    let mut digest = key.0.clone();
    let [first, vrid] = advert.first_chunk().copied().unwrap_or_default();
    let (family, mut address) = match source {
        IpAddr::V4(_) => (4, [0; 16]),
        IpAddr::V6(v6) => (6, v6.octets()),
    };
    if let IpAddr::V4(v4) = source {
        for (to, from) in address.iter_mut().zip(v4.octets()) {
            *to = from;
        }
    }
    digest.update(&[family, first >> 4, vrid, 0]);
    digest.update(&address);
    let (head, tail) = advert.split_at_checked(CHECKSUM).unwrap_or((advert, &[]));
    digest.update(head);
    digest.update(&[0; 2]);
    digest.update(tail.get(2..).unwrap_or_default());
    digest.update(front);
    digest.update(&[0; DIGEST]);
    digest
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::unwrap_used,
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        reason = "vectors of this repository"
    )]

    use super::*;

    fn octets(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// Name, source, advert, trailer.
    fn vectors() -> Vec<(&'static str, IpAddr, Vec<u8>, Vec<u8>)> {
        include_str!("../../tests/vectors/auth_hmac.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .map(|line| {
                let parts: Vec<_> = line.split(" | ").collect();
                (parts[0], parts[1].parse().unwrap(), octets(parts[2]), octets(parts[3]))
            })
            .collect()
    }

    fn key() -> Key {
        Key::new(&(0..32).collect::<Vec<u8>>())
    }

    #[test]
    fn the_trailers_that_keepalived_sends() {
        for (name, source, advert, seen) in vectors() {
            let trailer = Trailer::parse(&seen).unwrap();
            assert_eq!(trailer.id, 1, "{name}");
            assert!(trailer.holds(&key(), &source, &advert), "{name}");
            assert_eq!(sign(&key(), 1, trailer.stamp, &source, &advert).to_vec(), seen, "{name}");
        }
    }

    #[test]
    fn no_octet_but_the_checksum_may_change() {
        for (name, source, advert, seen) in vectors() {
            let holds = |advert: &[u8], seen: &[u8], source: &IpAddr| {
                Trailer::parse(seen).is_ok_and(|trailer| trailer.holds(&key(), source, advert))
            };
            for at in 0..advert.len() {
                let mut changed = advert.clone();
                changed[at] ^= 0x10;
                assert_eq!(holds(&changed, &seen, &source), matches!(at, 6 | 7), "{name} advert {at}");
            }
            for at in 0..seen.len() {
                let mut changed = seen.clone();
                changed[at] ^= 1;
                assert!(!holds(&advert, &changed, &source), "{name} trailer {at}");
            }
            assert!(!holds(&advert, &seen, &"10.9.0.3".parse().unwrap()), "{name} source");
            assert!(!Trailer::parse(&seen).unwrap().holds(&Key::new(&[7; 32]), &source, &advert), "{name}");
            for len in 0..LEN {
                assert_eq!(Trailer::parse(&seen[..len]), Err(Short));
            }
        }
    }

    #[test]
    fn a_stamp_is_wall_time_with_a_fraction_of_16_bits() {
        // The first vector: 12 and 0x4728 / 0x10000 s.
        assert_eq!(Stamp::at(0x6b01_f612, 277_955), Stamp(0x6b01_f612_4728_0000));
        assert_eq!(Stamp::at(-5, 0), Stamp(0));
        assert_eq!(Stamp::at(i64::MAX, u32::MAX).next(), Stamp(0xffff_ffff_ffff_0001));
        assert!(Stamp::at(7, 0).next() < Stamp::at(7, 16));
        let half = Stamp::at(8, 500_000).distance(Stamp::at(10, 0));
        assert_eq!(half, Span::from_micros(1_500_000));
        assert_eq!(Stamp::at(10, 0).distance(Stamp::at(8, 500_000)), half);
    }
}

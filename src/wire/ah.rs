//! The IP authentication header around an advert (RFC 2402 section 2, with HMAC-MD5-96 of RFC 2403), as keepalived
//! sends it for `auth_type AH`.
//!
//! ```text
//! +---------------+---------------+-------------------------------+
//! | next = 112    | length = 4    | reserved                      |
//! +---------------+---------------+-------------------------------+
//! | security parameters index: the sender's IPv4 address          |
//! +---------------------------------------------------------------+
//! | sequence number                                               |
//! +---------------------------------------------------------------+
//! | 96 bits of HMAC-MD5 over the whole IP packet                  |
//! +---------------------------------------------------------------+
//! ```
//!
//! Of the IP header the type of service and the checksum count as zero. RFC 2402 wants the TTL left out as well;
//! keepalived leaves it in, so an advert that a router has forwarded does not pass.

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;

use super::{ipv4, vrrp};
use crate::base::addr::Ipv4Addr;
use crate::base::bytes::{Reader, Short, Writer};

/// IP protocol number.
pub const PROTOCOL: u8 = 51;
/// Octets in front of the advert.
pub const HEADER: usize = 24;

/// Octets of the digest that are sent.
const DIGEST: usize = 12;
/// Octets in front of the digest.
const BEFORE_DIGEST: usize = HEADER - DIGEST;
/// Length of the header in words of 32 bits, less two (RFC 2402 section 2.2).
const WORDS: u8 = 4;

/// A key, ready for use. It is cleared when dropped, and no form of it is ever printed.
#[derive(Clone)]
pub struct Key(Hmac<Md5>);

impl Key {
    /// The key that a password stands for. One that is padded with NUL is the same key.
    #[must_use]
    pub fn new(password: &[u8]) -> Self {
        // A key of any length is taken; the error has no cause.
        Self(Hmac::new_from_slice(password).unwrap_or_else(|_| Hmac::new(&Default::default())))
    }
}

impl core::fmt::Debug for Key {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Key")
    }
}

/// A received header, its digest not verified yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    /// Its number, which grows from advert to advert.
    pub sequence: u32,
    digest: [u8; DIGEST],
    /// The IP packet, options included.
    ip: &'a [u8],
    /// The header in front of the digest.
    front: [u8; BEFORE_DIGEST],
    advert: &'a [u8],
}

impl<'a> Header<'a> {
    /// Takes the header off an IPv4 packet with [`PROTOCOL`].
    ///
    /// # Errors
    /// [`Short`] if it is not all there, or is no header in front of an advert.
    pub fn parse(packet: &'a [u8]) -> Result<Self, Short> {
        let (_, payload) = ipv4::parse(packet).map_err(|_| Short)?;
        let ip_len = usize::from(packet.first().ok_or(Short)? & 0x0f).saturating_mul(4);
        let ip = packet.get(..ip_len).ok_or(Short)?;
        let mut reader = Reader::new(payload);
        let front: [u8; BEFORE_DIGEST] = reader.array()?;
        let [next, words, _, _, _, _, _, _, sequence @ ..] = front;
        if (next, words) != (vrrp::PROTOCOL, WORDS) {
            return Err(Short);
        }
        let digest = reader.array()?;
        Ok(Self { sequence: u32::from_be_bytes(sequence), digest, ip, front, advert: reader.rest() })
    }

    /// What stands behind the header.
    #[must_use]
    pub const fn advert(&self) -> &'a [u8] {
        self.advert
    }

    /// Whether the digest is that of this key. Takes the same time wherever the first difference is.
    #[must_use]
    pub fn holds(&self, key: &Key) -> bool {
        digest(key, self.ip, &self.front, self.advert).verify_truncated_left(&self.digest).is_ok()
    }
}

/// Writes a header whose digest is still to be filled in by [`seal`].
///
/// # Errors
/// [`Short`] if it does not fit.
pub fn emit(out: &mut Writer<'_>, source: Ipv4Addr, sequence: u32) -> Result<(), Short> {
    out.put(&[vrrp::PROTOCOL, WORDS, 0, 0])?;
    out.put(&source.octets())?;
    out.u32(sequence)?;
    out.put(&[0; DIGEST])
}

/// Fills in the digest of the packet that begins at `start` with an IPv4 header without options.
///
/// # Errors
/// [`Short`] if there is no such packet.
pub fn seal(out: &mut Writer<'_>, start: usize, key: &Key) -> Result<(), Short> {
    let packet = out.written().get(start..).ok_or(Short)?;
    let (ip, rest) = packet.split_at_checked(ipv4::HEADER).ok_or(Short)?;
    let (front, rest) = rest.split_first_chunk().ok_or(Short)?;
    let advert = rest.get(DIGEST..).ok_or(Short)?;
    let whole = digest(key, ip, front, advert).finalize().into_bytes();
    let at = start.saturating_add(ipv4::HEADER).saturating_add(BEFORE_DIGEST);
    out.patch(at, whole.get(..DIGEST).unwrap_or_default())
}

fn digest(key: &Key, ip: &[u8], front: &[u8; BEFORE_DIGEST], advert: &[u8]) -> Hmac<Md5> {
    let mut digest = key.0.clone();
    for (at, octet) in ip.iter().enumerate() {
        let changes = matches!(at, TYPE_OF_SERVICE | CHECKSUM | CHECKSUM_LOW);
        digest.update(&[if changes { 0 } else { *octet }]);
    }
    digest.update(front);
    digest.update(&[0; DIGEST]);
    digest.update(advert);
    digest
}

/// Places in the IPv4 header of what may change on the way (RFC 791 section 3.1).
const TYPE_OF_SERVICE: usize = 1;
const CHECKSUM: usize = 10;
const CHECKSUM_LOW: usize = 11;

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "tests")]

    use super::*;
    use crate::base::addr::IpAddr;
    use crate::wire::vrrp::{Body, Cover};

    /// The first packet of keepalived 2.4.3 with password 12345.
    const SEEN: [u8; 64] = [
        0x45, 0xc0, 0x00, 0x40, 0x00, 0x01, 0x00, 0x00, 0xff, 0x33, 0xd0, 0xad, 10, 9, 0, 1, 224, 0, 0, 18,
        0x70, 0x04, 0x00, 0x00, 10, 9, 0, 1, 0, 0, 0, 1, 0x09, 0x23, 0x4e, 0xbf, 0x45, 0xef, 0xdc, 0x5f,
        0x6c, 0xab, 0x2b, 0xe6, 0x21, 0x33, 0xff, 0x01, 0x02, 0x01, 0xd3, 0x5c, 10, 9, 0, 100, 0, 0, 0, 0, 0,
        0, 0, 0,
    ];

    #[test]
    fn the_packet_that_keepalived_sends() {
        let (source, group) = (Ipv4Addr::new(10, 9, 0, 1), Ipv4Addr::new(224, 0, 0, 18));
        let mut buffer = [0; 128];
        let mut out = Writer::new(&mut buffer);
        let header = ipv4::Header { source, destination: group, ttl: 255, protocol: PROTOCOL };
        ipv4::emit(&mut out, header, 1, HEADER + 20).unwrap();
        emit(&mut out, source, 1).unwrap();
        let body = Body::V2 { auth_type: vrrp::AUTH_AH, seconds: 1, auth_data: [0; 8] };
        let address = IpAddr::from([10, 9, 0, 100]);
        vrrp::emit(&mut out, 51, 255, [address].iter(), body, Cover::Plain).unwrap();
        seal(&mut out, 0, &Key::new(b"12345\0\0\0")).unwrap();
        assert_eq!(out.written(), SEEN);
    }

    #[test]
    fn only_its_own_key_opens_it_and_only_the_mutable_fields_may_change() {
        let key = Key::new(b"12345");
        let header = Header::parse(&SEEN).unwrap();
        assert_eq!(header.sequence, 1);
        assert_eq!(header.advert(), &SEEN[44..]);
        assert!(header.holds(&key));
        assert!(!header.holds(&Key::new(b"12346")));
        for at in 0..SEEN.len() {
            let mut changed = SEEN;
            changed[at] ^= 0x10;
            let holds = Header::parse(&changed).is_ok_and(|header| header.holds(&key));
            assert_eq!(holds, matches!(at, 1 | 10 | 11), "octet {at}");
        }
        for len in 0..SEEN.len() {
            assert_eq!(Header::parse(&SEEN[..len]), Err(Short), "{len} octets");
        }
    }
}

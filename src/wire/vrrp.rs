//! The VRRP advertisement (RFC 9568 section 5, RFC 3768 section 5, RFC 2338 section 5.3.6).
//!
//! ```text
//!  0               1               2               3
//! +-------+-------+---------------+---------------+---------------+
//! |version| type  |     vrid      |   priority    |    address    |
//! |       |       |               |               |     count     |
//! +-------+-------+---------------+---------------+---------------+
//! | v2: auth type | v2: seconds   |           checksum            |
//! | v3: 4 bits reserved, 12 bits  |                               |
//! |     hundredths of a second    |                               |
//! +---------------+---------------+-------------------------------+
//! | addresses, 4 or 16 octets each; v2: then 8 octets of authentication
//! ```

use super::checksum::Checksum;
use crate::base::addr::{Family, IpAddr};
use crate::base::bytes::{Reader, Short, Writer};

/// IP protocol number.
pub const PROTOCOL: u8 = 112;
/// TTL or hop limit that every multicast advert must arrive with (RFC 9568 section 5.1.1.3).
pub const HOP_LIMIT: u8 = 255;
/// Octets in front of the addresses.
pub const HEADER: usize = 8;
/// Octets of authentication data behind the addresses of version 2.
pub const AUTH_DATA: usize = 8;
/// Authentication type "none".
pub const AUTH_NONE: u8 = 0;
/// Authentication type "simple text password" (RFC 2338 section 5.3.6).
pub const AUTH_PASS: u8 = 1;
/// Authentication type "IP authentication header" (RFC 2338 section 5.3.6).
pub const AUTH_AH: u8 = 2;
/// The longest interval of version 3, in hundredths of a second.
pub const MAX_CENTIS: u16 = 0x0fff;

/// The type of every advert.
const ADVERTISEMENT: u8 = 1;
const CHECKSUM_AT: usize = 6;

/// A protocol version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 3768 (and RFC 2338 authentication), IPv4 only, whole seconds.
    #[default]
    V2,
    /// RFC 9568, both families, hundredths of a second.
    V3,
}

impl Version {
    /// The number in the first octet: 2 or 3.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// Octets of an advert with `count` addresses, authentication data included.
#[must_use]
pub fn advert_len(version: Version, family: Family, count: u8) -> usize {
    let addresses = usize::from(count).saturating_mul(family.octets());
    let auth = match version {
        Version::V2 => AUTH_DATA,
        Version::V3 => 0,
    };
    HEADER.saturating_add(addresses).saturating_add(auth)
}

/// A received advert: the fields as they stand, nothing judged yet except that the header is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advert<'a> {
    /// Version as received.
    pub version: u8,
    /// Type as received; 1 is an advertisement.
    pub kind: u8,
    /// Virtual router id.
    pub vrid: u8,
    /// Priority; 0: the sender stops.
    pub priority: u8,
    /// Number of addresses as claimed.
    pub count: u8,
    /// The fifth octet: authentication type in version 2.
    pub auth_type: u8,
    /// The sixth octet: seconds between adverts in version 2.
    pub seconds: u8,
    octets: &'a [u8],
}

impl<'a> Advert<'a> {
    /// Reads the fixed part.
    ///
    /// # Errors
    /// [`Short`] if the 8 octets of it are not there.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Short> {
        let [first, vrid, priority, count, auth_type, seconds, _, _] = Reader::new(octets).array()?;
        Ok(Self {
            version: first >> 4,
            kind: first & 0x0f,
            vrid,
            priority,
            count,
            auth_type,
            seconds,
            octets,
        })
    }

    /// Whether the type is "advertisement", the only one there is.
    #[must_use]
    pub const fn is_advertisement(&self) -> bool {
        self.kind == ADVERTISEMENT
    }

    /// Octets received, header included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.octets.len()
    }

    /// The same advert without what stands behind its first `len` octets.
    #[must_use]
    pub fn cut(self, len: usize) -> Self {
        Self { octets: self.octets.get(..len).unwrap_or(self.octets), ..self }
    }

    /// All octets.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Never: a parsed advert has a header.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// Hundredths of a second between adverts in version 3: 0 to 4095.
    #[must_use]
    pub const fn centis(&self) -> u16 {
        u16::from_be_bytes([self.auth_type & 0x0f, self.seconds])
    }

    /// Whether the checksum holds over the advert alone: version 2, and version 3 of senders that leave the
    /// pseudo header out over IPv4.
    #[must_use]
    pub fn checksum_holds_plain(&self) -> bool {
        Checksum::new().over(self.octets).finish() == 0
    }

    /// Whether the checksum holds with the pseudo header (RFC 9568 section 5.2.8).
    #[must_use]
    pub fn checksum_holds_pseudo(&self, source: &IpAddr, destination: &IpAddr) -> bool {
        let Ok(len) = u16::try_from(self.octets.len()) else {
            return false;
        };
        Checksum::new().add_pseudo_header(source, destination, PROTOCOL, len).over(self.octets).finish() == 0
    }

    /// The authentication data of version 2, if the length fits the count.
    #[must_use]
    pub fn auth_data(&self) -> Option<[u8; AUTH_DATA]> {
        let at = advert_len(Version::V3, Family::V4, self.count);
        let mut reader = Reader::new(self.octets.get(at..)?);
        reader.array().ok()
    }

    /// The addresses that are really there, at most as many as claimed.
    pub fn addresses(&self, family: Family) -> impl Iterator<Item = IpAddr> + use<'a> {
        let mut reader = Reader::new(self.octets.get(HEADER..).unwrap_or_default());
        (0..self.count).map_while(move |_| match family {
            Family::V4 => reader.ipv4().ok().map(IpAddr::V4),
            Family::V6 => reader.ipv6().ok().map(IpAddr::V6),
        })
    }
}

/// What is put under the checksum besides the advert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// Nothing: version 2, and version 3 over IPv4 for `v3_checksum_as_v2`.
    Plain,
    /// The pseudo header with these addresses.
    Pseudo {
        /// Source of the packet.
        source: IpAddr,
        /// Destination of the packet.
        destination: IpAddr,
    },
}

/// The version-dependent fields of an advert to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Version 2.
    V2 {
        /// [`AUTH_NONE`], [`AUTH_PASS`] or [`AUTH_AH`].
        auth_type: u8,
        /// Seconds between adverts.
        seconds: u8,
        /// Authentication data; zero unless [`AUTH_PASS`].
        auth_data: [u8; AUTH_DATA],
    },
    /// Version 3.
    V3 {
        /// Hundredths of a second between adverts, at most [`MAX_CENTIS`].
        centis: u16,
    },
}

/// Writes an advert. Addresses past the 255th are left out: the count is one octet.
///
/// # Errors
/// [`Short`] if it does not fit.
pub fn emit<'a>(
    out: &mut Writer<'_>,
    vrid: u8,
    priority: u8,
    addresses: impl Iterator<Item = &'a IpAddr>,
    body: Body,
    cover: Cover,
) -> Result<(), Short> {
    let start = out.len();
    let (version, [fifth, sixth]) = match body {
        Body::V2 { auth_type, seconds, .. } => (Version::V2, [auth_type, seconds]),
        Body::V3 { centis } => (Version::V3, centis.min(MAX_CENTIS).to_be_bytes()),
    };
    out.put(&[version.number() << 4 | ADVERTISEMENT, vrid, priority, 0, fifth, sixth, 0, 0])?;
    let mut count = 0_u8;
    for addr in addresses.take(usize::from(u8::MAX)) {
        out.ip(addr)?;
        count = count.saturating_add(1);
    }
    if let Body::V2 { auth_data, .. } = body {
        out.put(&auth_data)?;
    }
    out.patch_u16(start.saturating_add(2), u16::from_be_bytes([priority, count]))?;
    seal(out, start, cover)
}

/// Fills in the checksum of everything that was written from `start` on.
///
/// # Errors
/// [`Short`] if that is no advert.
pub fn seal(out: &mut Writer<'_>, start: usize, cover: Cover) -> Result<(), Short> {
    let at = start.saturating_add(CHECKSUM_AT);
    out.patch_u16(at, 0)?;
    let advert = out.written().get(start..).unwrap_or_default();
    let sum = match cover {
        Cover::Plain => Checksum::new(),
        Cover::Pseudo { source, destination } => {
            let len = u16::try_from(advert.len()).map_err(|_| Short)?;
            Checksum::new().add_pseudo_header(&source, &destination, PROTOCOL, len)
        }
    };
    let sum = sum.over(advert).finish();
    out.patch_u16(at, sum)
}

#[cfg(test)]
mod tests;

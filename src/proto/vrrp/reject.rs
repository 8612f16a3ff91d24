//! Why an advert does not count, and what is odd about one that does.

use crate::base::addr::IpAddr;

/// Why an advert does not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reject {
    /// Our own, come back. Never told.
    Own,
    /// We are the address owner and take no notice of others (`owner_ignore_adverts`). Never told.
    Ignored,
    /// Multicast with a TTL or hop limit other than 255.
    HopLimit(u8),
    /// Unicast with a TTL or hop limit outside the peer's range.
    HopLimitRange {
        /// As received.
        received: u8,
        /// Lowest accepted.
        min: u8,
        /// Highest accepted.
        max: u8,
    },
    /// Unicast from an address that is no peer.
    NotAPeer,
    /// Other version than ours.
    Version {
        /// As received.
        received: u8,
        /// Ours.
        expected: u8,
    },
    /// Type other than advertisement.
    Kind(u8),
    /// Fewer octets than the address count asks for.
    TooShort {
        /// Octets received.
        received: u16,
        /// Octets expected.
        expected: u16,
    },
    /// More octets than the address count asks for.
    TooLong {
        /// Octets received.
        received: u16,
        /// Octets expected.
        expected: u16,
    },
    /// The checksum does not hold in any form.
    Checksum,
    /// An authentication type that does not exist.
    AuthUnknown(u8),
    /// Another authentication type than ours.
    AuthMismatch {
        /// As received.
        received: u8,
        /// Ours.
        expected: u8,
    },
    /// The password is not ours.
    Password,
    /// The digest of the authentication header is not that of our key, or there is no header.
    Header,
    /// The number of the authentication header is not higher than the last.
    Sequence {
        /// As received.
        received: u32,
        /// The last that was sent or accepted.
        local: u32,
    },
    /// The signature behind the advert.
    Extension(Verdict),
    /// Version 2: another interval than ours, in seconds.
    Interval {
        /// As received.
        received: u8,
        /// Ours.
        expected: u8,
    },
}

impl Reject {
    /// Its number as `vrrpTrapAuthErrorType` (RFC 2787): invalidAuthType(1), authTypeMismatch(2) or authFailure(3).
    #[must_use]
    pub const fn authentication_error(self) -> Option<u8> {
        match self {
            Self::AuthUnknown(_) => Some(1),
            Self::AuthMismatch { .. } => Some(2),
            Self::Password | Self::Header | Self::Sequence { .. } => Some(3),
            _ => None,
        }
    }

    /// Its number as `vrrpv3StatisticsProtoErrReason` (RFC 6527): ipTtlError(1), versionError(2) or checksumError(3).
    #[must_use]
    pub const fn protocol_error(self) -> Option<u8> {
        match self {
            Self::HopLimit(_) | Self::HopLimitRange { .. } => Some(1),
            Self::Version { .. } => Some(2),
            Self::Checksum => Some(3),
            _ => None,
        }
    }
}

/// What is odd about an advert that counts all the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Odd {
    /// Another number of addresses than ours.
    AddressCount {
        /// As received.
        received: u8,
        /// Ours.
        expected: u8,
    },
    /// The advert lacks one of our addresses.
    AddressMissing(IpAddr),
    /// Version 3: another interval than ours, in hundredths of a second.
    Interval {
        /// As received.
        received: u16,
        /// Ours.
        expected: u16,
    },
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// There is none.
    Missing,
    /// Another format than the one that we know.
    Malformed,
    /// Signed with a key of this id, which we do not have.
    UnknownKey(u8),
    /// The digest is another one.
    Invalid,
    /// Too far from our clock.
    Stale {
        /// The difference in seconds.
        skew: u32,
        /// What is accepted, in seconds.
        window: u16,
    },
    /// Its sender has sent this number or a higher one before.
    Replayed,
}

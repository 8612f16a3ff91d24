//! How an instance proves that its adverts are its own, and judges others': beyond the password of version 2, which
//! needs no memory.
//!
//! Start with [`Guard`]: what stands around an advert to send, and whether what stands around a received one holds.
//! `header` numbers authentication headers, `signature` stamps and judges signed adverts.

mod header;
mod signature;

pub use header::Header;
pub use signature::{Extension, Mode, Replay, Sender, Signature, SigningKey};

use super::reject::Reject;
pub use super::reject::Verdict;
use crate::base::addr::IpAddr;
use crate::wire::trailer::{self, Stamp};
use crate::wire::{ah, vrrp as wire};

/// What an instance signs with and judges by.
#[derive(Clone, Debug)]
pub enum Guard {
    /// `auth_type AH`
    Header(Header),
    /// `auth_hmac`, several times the size of the other.
    Signature(Box<Signature>),
}

/// What goes around an advert to send.
#[derive(Clone, Copy, Debug)]
pub enum Seal<'a> {
    /// Nothing.
    Open,
    /// An authentication header.
    Header {
        /// What signs.
        key: &'a ah::Key,
        /// Its number.
        sequence: u32,
    },
    /// A trailer.
    Trailer {
        /// What signs.
        key: &'a trailer::Key,
        /// The id of that key.
        id: u8,
        /// The number.
        stamp: Stamp,
    },
    /// There should be one, but no key is known: nothing may be sent.
    Lacking,
}

/// What came around a received advert, and when.
#[derive(Clone, Copy, Debug, Default)]
pub struct Around<'a> {
    /// The authentication header in front of it.
    pub header: Option<ah::Header<'a>>,
    /// Wall time, which signatures are compared with.
    pub wall: Stamp,
}

impl Guard {
    /// Counts one advert that is to be sent.
    pub fn advance(&mut self, wall: Stamp) {
        match self {
            Self::Header(header) => header.advance(),
            Self::Signature(signature) => signature.advance(wall),
        }
    }

    /// What goes around the advert that was counted last.
    #[must_use]
    pub fn seal(&self) -> Seal<'_> {
        match self {
            Self::Header(header) => header.seal(),
            Self::Signature(signature) => signature.seal(),
        }
    }

    /// Whether it lacks the key that adverts are signed with.
    #[must_use]
    pub fn lacks_key(&self) -> bool {
        matches!(self, Self::Signature(signature) if signature.lacks_key())
    }

    /// Takes over what must not be forgotten from the guard of before a reload.
    pub fn inherit(&mut self, before: Self) {
        match (self, before) {
            (Self::Header(header), Self::Header(before)) => header.inherit(&before),
            (Self::Signature(signature), Self::Signature(before)) => signature.inherit(*before),
            _ => {}
        }
    }
}

/// Octets of the trailer that an advert carries: `received` octets in all, `expected` without one.
pub(super) fn trailer_len(guard: Option<&Guard>, received: usize, expected: usize) -> usize {
    match guard {
        Some(Guard::Signature(_)) if received == expected.saturating_add(trailer::LEN) => trailer::LEN,
        _ => 0,
    }
}

/// Judges the authentication header, or that there is none.
pub(super) fn judge_header(guard: Option<&mut Guard>, around: &Around<'_>) -> Result<(), Reject> {
    match (guard, &around.header) {
        (Some(Guard::Header(guard)), Some(header)) => guard.judge(header),
        (Some(Guard::Signature(_)) | None, Some(_)) => {
            Err(Reject::AuthMismatch { received: wire::AUTH_AH, expected: wire::AUTH_NONE })
        }
        // A bare advert is told apart by its type.
        (_, None) => Ok(()),
    }
}

/// Judges the trailer behind an advert, or that there is none.
pub(super) fn judge_trailer(
    guard: Option<&mut Guard>,
    source: IpAddr,
    advert: &[u8],
    trailer: &[u8],
    wall: Stamp,
) -> Result<(), Reject> {
    match guard {
        Some(Guard::Signature(guard)) => {
            guard.judge(source, advert, trailer, wall).map_err(Reject::Extension)
        }
        Some(Guard::Header(_)) | None => Ok(()),
    }
}

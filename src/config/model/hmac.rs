//! `auth_hmac`: signed adverts with protection against replay.

use super::At;
use crate::base::time::Span;

/// How adverts are signed and judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hmac {
    /// Keys by ids from 1 to 255, each once; at least the active one.
    pub keys: Vec<HmacKey>,
    /// The id of the key that signs.
    pub active: u8,
    /// Accepted difference of clocks, 1 to 300 s.
    pub window: Span,
    /// What a replay is judged by.
    pub replay: Replay,
    /// What happens to adverts without a signature.
    pub mode: HmacMode,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacKey {
    /// Its id, 1 to 255.
    pub id: u8,
    /// What signs.
    pub secret: Secret,
    /// Where it stands.
    pub at: At,
}

/// What signs.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// 32 to 64 octets.
    Octets(Vec<u8>),
    /// A file that holds text or hex digits, read when the instance is made.
    File(String),
}

/// A key does not end up in a log line by accident.
impl core::fmt::Debug for Secret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Octets(octets) => write!(f, "{} octets", octets.len()),
            Self::File(path) => write!(f, "file {path}"),
        }
    }
}

/// `anti_replay`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Replay {
    /// Clocks agree within the window.
    #[default]
    Time,
    /// Each advert has a higher number than the one before.
    Monotonic,
}

/// `mode`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HmacMode {
    /// Adverts without a good signature are dropped.
    #[default]
    Enforce,
    /// Adverts without a signature are taken.
    Permissive,
    /// As permissive, and the own adverts are not signed.
    ReceiveOnly,
}

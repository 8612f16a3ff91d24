//! `auth_hmac`: signed adverts with protection against replay.

use zeroize::Zeroizing;

use super::At;
use crate::base::time::Span;
pub use crate::proto::vrrp::guard::{Mode as HmacMode, Replay};

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
    /// 32 to 64 octets, cleared when dropped.
    Octets(Zeroizing<Vec<u8>>),
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

/// The key that a text of a configuration or of a file stands for: `hex:` and pairs of digits, blanks between them
/// allowed, or the octets of the text itself.
///
/// # Errors
/// Why it is none, as the rest of a sentence about it.
pub fn key_octets(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, &'static str> {
    let octets = match text.strip_prefix(b"hex:") {
        Some(digits) => hex(digits).ok_or("is not made of pairs of hex digits")?,
        None => Zeroizing::new(text.to_vec()),
    };
    if (32..=64).contains(&octets.len()) { Ok(octets) } else { Err("is not 32 to 64 bytes long") }
}

fn hex(digits: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    // With room for all at once: growing would leave copies behind.
    let mut octets = Zeroizing::new(Vec::with_capacity(digits.len()));
    let mut high = None;
    for digit in digits.iter().filter(|digit| !digit.is_ascii_whitespace()) {
        let value = u8::try_from(char::from(*digit).to_digit(16)?).ok()?;
        match high.take() {
            None => high = Some(value << 4),
            Some(high) => octets.push(high | value),
        }
    }
    high.is_none().then_some(octets)
}

#[cfg(test)]
mod tests {
    use super::key_octets;

    #[test]
    fn keys_are_text_or_hex_digits() {
        let text = b"0123456789abcdef0123456789abcdef";
        assert_eq!(key_octets(text).unwrap().as_slice(), text);
        let digits = format!("hex:{}", "0a F1 ".repeat(16));
        assert_eq!(key_octets(digits.as_bytes()).unwrap().as_slice(), [0x0a, 0xf1].repeat(16));
        for wrong in ["short", "hex:0", "hex:0g", &"x".repeat(65), &format!("hex:{}", "0".repeat(65))] {
            assert!(key_octets(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}

//! Octets of messages for tests: in hexadecimal, taken apart, and at random.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "helpers of tests fail by panicking")]

use super::message::{Attributes, Messages};

/// The octets that so many hexadecimal digits stand for.
pub(super) fn octets(hex: &str) -> Vec<u8> {
    let digits: Vec<u32> = hex.chars().map(|digit| digit.to_digit(16).unwrap()).collect();
    digits.chunks(2).map(|pair| u8::try_from(pair[0] * 16 + pair[1]).unwrap()).collect()
}

/// What a request is made of.
pub(super) type Parts = (u16, u16, Vec<u8>, Vec<(u16, Vec<u8>)>);

/// Kind, flags, fixed part, and attributes in order of their numbers; those of `nests`, too.
pub(super) fn parts(message: &[u8], nests: &[u16]) -> Parts {
    let message = Messages(message).next().unwrap();
    let (fixed, rest) = message.payload.split_at(12);
    let mut attributes: Vec<(u16, Vec<u8>)> =
        Attributes(rest).map(|(kind, payload)| (kind, payload.to_vec())).collect();
    for (kind, payload) in &mut attributes {
        if nests.contains(kind) {
            let mut inner: Vec<_> = Attributes(payload).collect();
            inner.sort_unstable();
            *payload = format!("{inner:?}").into_bytes();
        }
    }
    attributes.sort_unstable();
    (message.kind, message.flags, fixed.to_vec(), attributes)
}

/// Octets at random, mostly small numbers, so that lengths come near the truth.
pub(in crate::sys) fn noise(seed: &mut u32, len: usize, length_bits: u8) -> Vec<u8> {
    let octet = |at: usize| {
        *seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [.., high] = seed.to_le_bytes();
        if at.is_multiple_of(4) { high & length_bits } else { high >> 6 & 1 }
    };
    (0..len).map(octet).collect()
}

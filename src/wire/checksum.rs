//! The Internet checksum (RFC 1071) and the pseudo headers that some protocols put under it.

use crate::base::addr::IpAddr;

/// A running one's complement sum of 16-bit words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum(u64);

impl Checksum {
    /// An empty sum.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// Adds octets; an odd last one counts as if a zero followed. Later octets start a new word.
    #[must_use]
    pub fn over(mut self, octets: &[u8]) -> Self {
        let (words, odd) = octets.as_chunks::<2>();
        for word in words {
            self.0 = self.0.wrapping_add(u64::from(u16::from_be_bytes(*word)));
        }
        if let [last] = odd {
            self.0 = self.0.wrapping_add(u64::from(*last) << 8);
        }
        self
    }

    /// Adds the pseudo header: both addresses, the upper-layer length and the protocol (RFC 8200 section 8.1;
    /// for IPv4 RFC 9568 section 5.2.8 asks for the same fields).
    #[must_use]
    pub fn add_pseudo_header(self, source: &IpAddr, destination: &IpAddr, protocol: u8, len: u16) -> Self {
        let with = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                self.over(&source.octets()).over(&destination.octets())
            }
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                self.over(&source.octets()).over(&destination.octets())
            }
            // No packet has two families; the sum then simply does not match.
            _ => self,
        };
        with.over(&[0, protocol]).over(&len.to_be_bytes())
    }

    /// The checksum: the complement of the folded sum. Zero over octets that carry their own right checksum.
    #[must_use]
    pub fn finish(self) -> u16 {
        let mut sum = self.0;
        while let Some(carry) = sum.checked_shr(16).filter(|carry| *carry != 0) {
            sum = (sum & 0xffff).wrapping_add(carry);
        }
        let [.., high, low] = sum.to_be_bytes();
        !u16::from_be_bytes([high, low])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_1071() {
        let sum = Checksum::new().over(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]);
        assert_eq!(sum.finish(), !0xddf2);
    }

    #[test]
    fn odd_octets_and_carries() {
        assert_eq!(Checksum::new().over(&[0xff, 0xff, 0xff]).finish(), !0xff00_u16);
        assert_eq!(Checksum::new().finish(), 0xffff);
    }
}

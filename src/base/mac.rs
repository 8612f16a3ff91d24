//! Ethernet addresses.

use core::fmt;

use super::addr::Family;

/// A 48-bit Ethernet address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// All stations.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// The address of a virtual router over IPv4: 00-00-5E-00-01-{VRID} (RFC 9568 section 7.3).
    #[must_use]
    pub const fn virtual_v4(vrid: u8) -> Self {
        Self([0x00, 0x00, 0x5e, 0x00, 0x01, vrid])
    }

    /// The address of a virtual router over IPv6: 00-00-5E-00-02-{VRID} (RFC 9568 section 7.3).
    #[must_use]
    pub const fn virtual_v6(vrid: u8) -> Self {
        Self([0x00, 0x00, 0x5e, 0x00, 0x02, vrid])
    }

    /// The address of a virtual router of either family.
    #[must_use]
    pub const fn virtual_router(family: Family, vrid: u8) -> Self {
        match family {
            Family::V4 => Self::virtual_v4(vrid),
            Family::V6 => Self::virtual_v6(vrid),
        }
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn virtual_router_addresses() {
        assert_eq!(Mac::virtual_v4(250).to_string(), "00:00:5e:00:01:fa");
        assert_eq!(Mac::virtual_v6(1).to_string(), "00:00:5e:00:02:01");
    }
}

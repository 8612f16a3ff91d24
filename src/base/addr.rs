//! Internet addresses: the two families and prefixes. The addresses themselves are `core::net`'s.

use core::fmt;
pub use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    #[default]
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of an address.
    #[must_use]
    pub const fn of(addr: &IpAddr) -> Self {
        match addr {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// The longest prefix of the family: 32 or 128 bits.
    #[must_use]
    pub const fn max_prefix(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// Octets in one address: 4 or 16.
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// What has an address of its own: a list of such things is a list of addresses.
pub trait Addressed {
    /// The address.
    fn addr(&self) -> &IpAddr;
}

impl Addressed for IpAddr {
    fn addr(&self) -> &IpAddr {
        self
    }
}

/// An address with the length of its network prefix in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Prefix {
    /// The address, host bits included.
    pub addr: IpAddr,
    /// Bits of the network part: 0 to 32 or 0 to 128.
    pub len: u8,
}

impl Prefix {
    /// The address alone: all bits belong to the prefix.
    #[must_use]
    pub const fn host(addr: IpAddr) -> Self {
        Self { addr, len: Family::of(&addr).max_prefix() }
    }

    /// The family of the address.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::of(&self.addr)
    }

    /// The prefix without host bits.
    #[must_use]
    pub fn network(&self) -> Self {
        let len = u32::from(self.len);
        let addr = match self.addr {
            IpAddr::V4(v4) => {
                let mask = u32::MAX.checked_shl(32_u32.saturating_sub(len)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & mask))
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128_u32.saturating_sub(len)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & mask))
            }
        };
        Self { addr, len: self.len }
    }

    /// Whether both are addresses of one network, as the kernel sees it: of the same length, too.
    #[must_use]
    pub fn is_same_network(&self, other: &Self) -> bool {
        self.len == other.len && self.contains(&other.addr)
    }

    /// Whether `addr` lies within the prefix.
    #[must_use]
    pub fn contains(&self, addr: &IpAddr) -> bool {
        match (self.addr, addr) {
            (IpAddr::V4(a), IpAddr::V4(b)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.len.min(32))).unwrap_or(0);
                (a.to_bits() ^ b.to_bits()) & mask == 0
            }
            (IpAddr::V6(a), IpAddr::V6(b)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.len.min(128))).unwrap_or(0);
                (a.to_bits() ^ b.to_bits()) & mask == 0
            }
            _ => false,
        }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.len)
    }
}

/// Whether an address belongs to one link, so that it says nothing without an interface.
#[must_use]
pub const fn is_link_local(addr: &IpAddr) -> bool {
    matches!(addr, IpAddr::V6(v6) if v6.is_unicast_link_local())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_contains_its_network_only() {
        let net = Prefix { addr: "10.9.0.1".parse().unwrap(), len: 24 };
        assert!(net.contains(&"10.9.0.254".parse().unwrap()));
        assert!(!net.contains(&"10.9.1.1".parse().unwrap()));
        assert!(!net.contains(&"fe80::1".parse().unwrap()));
        assert!(Prefix { addr: net.addr, len: 0 }.contains(&"1.2.3.4".parse().unwrap()));
        assert_eq!(Prefix::host("::1".parse().unwrap()).to_string(), "::1/128");
    }

    #[test]
    fn a_network_has_no_host_bits() {
        let prefix = |text: &str, len| Prefix { addr: text.parse().unwrap(), len };
        assert_eq!(prefix("10.9.8.7", 24).network(), prefix("10.9.8.0", 24));
        assert_eq!(prefix("10.9.8.7", 32).network(), prefix("10.9.8.7", 32));
        assert_eq!(prefix("10.9.8.7", 0).network(), prefix("0.0.0.0", 0));
        assert_eq!(prefix("2001:db8::7", 64).network(), prefix("2001:db8::", 64));
        assert_eq!(prefix("2001:db8::7", 0).network(), prefix("::", 0));
    }
}

//! An address that moves with mastership.

use core::ops::{Deref, DerefMut};

use super::{At, Empty, Named, Rare};
use crate::base::addr::{IpAddr, Ipv4Addr, Prefix};

/// One line of `virtual_ipaddress` or `virtual_ipaddress_excluded`. Its options read as if they stood here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address and its prefix length.
    pub prefix: Prefix,
    /// Where it stands.
    pub at: At,
    /// What most addresses do without.
    pub options: Rare<AddressOptions>,
}

/// The option words of an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one option word of the line")]
pub struct AddressOptions {
    /// `dev`: the interface that holds it; none: the interface of the instance.
    pub dev: Option<Named>,
    /// `scope`: 0 is global, 253 link, 254 host, 200 site, 255 nowhere.
    pub scope: u8,
    /// `brd`: the broadcast address, `+` and `-` worked out.
    pub broadcast: Option<Ipv4Addr>,
    /// `label`: IPv4 only, at most 15 bytes.
    pub label: Option<Box<str>>,
    /// `peer`: the other end of a point-to-point link.
    pub peer: Option<IpAddr>,
    /// `home`: IFA_F_HOMEADDRESS, IPv6.
    pub home: bool,
    /// `-nodad`: without IFA_F_NODAD, which IPv6 addresses have else.
    pub nodad: bool,
    /// `mngtmpaddr`: IFA_F_MANAGETEMPADDR, IPv6.
    pub mngtmpaddr: bool,
    /// `noprefixroute`: IFA_F_NOPREFIXROUTE.
    pub noprefixroute: bool,
    /// `autojoin`: IFA_F_MCAUTOJOIN.
    pub autojoin: bool,
    /// `no_track`: the loss of the address changes nothing.
    pub no_track: bool,
    /// `preferred_lft`; none: forever, or 0 for an IPv6 address with 128 bits.
    pub preferred: Option<Lifetime>,
    /// `use_vmac`: on a macvlan of its interface.
    pub use_vmac: bool,
}

impl Empty for AddressOptions {
    fn empty() -> &'static Self {
        static NONE: AddressOptions = AddressOptions {
            dev: None,
            scope: 0,
            broadcast: None,
            label: None,
            peer: None,
            home: false,
            nodad: false,
            mngtmpaddr: false,
            noprefixroute: false,
            autojoin: false,
            no_track: false,
            preferred: None,
            use_vmac: false,
        };
        &NONE
    }
}

impl Deref for VirtualAddress {
    type Target = AddressOptions;

    fn deref(&self) -> &AddressOptions {
        &self.options
    }
}

impl DerefMut for VirtualAddress {
    fn deref_mut(&mut self) -> &mut AddressOptions {
        &mut self.options
    }
}

/// A lifetime of an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// For ever.
    Forever,
    /// Seconds; 0 deprecates the address at once.
    Seconds(u32),
}

impl VirtualAddress {
    /// An address without options.
    #[must_use]
    pub fn new(prefix: Prefix, at: At) -> Self {
        Self { prefix, at, options: Rare::default() }
    }

    /// The preferred lifetime with its default worked out.
    #[must_use]
    pub fn preferred_lifetime(&self) -> Lifetime {
        let whole = self.prefix.addr.is_ipv6() && self.prefix.len == 128;
        self.preferred.unwrap_or(if whole { Lifetime::Seconds(0) } else { Lifetime::Forever })
    }
}

#[cfg(test)]
mod tests {
    use super::{AddressOptions, Empty};

    #[test]
    fn no_options_are_the_default() {
        assert_eq!(*AddressOptions::empty(), AddressOptions::default());
    }
}

//! A `bfd_instance`: the parameters of its session, and who is told.

use core::fmt;

use super::At;
use crate::base::addr::{IpAddr, is_link_local};
use crate::base::name::IfName;
use crate::proto::bfd::Params;
use crate::proto::track::Weight;

/// One BFD session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bfd {
    /// Its name, at most 31 bytes.
    pub name: String,
    /// Where the name stands.
    pub at: At,
    /// `neighbor_ip`: the other end.
    pub neighbor: IpAddr,
    /// `source_ip`; none: as the kernel chooses.
    pub source: Option<IpAddr>,
    /// The interface that is written behind a link-local address; none: any.
    pub interface: Option<IfName>,
    /// What the machine needs.
    pub params: Params,
    /// `ttl` or `hoplimit` of sent packets; none: 255.
    pub ttl: Option<u8>,
    /// `multihop`: port 4784 instead of 3784.
    pub multihop: bool,
    /// `weight`: what trackers do to a priority unless they say otherwise.
    pub weight: Weight,
    /// The VRRP process is told. `vrrp` and `checker` restrict; without either, both are told.
    pub vrrp: bool,
    /// The checker process is told.
    pub checker: bool,
}

impl Bfd {
    /// One of its addresses with the interface that belongs to it.
    #[must_use]
    pub fn with_interface(&self, addr: IpAddr) -> Scoped<'_> {
        Scoped { addr, interface: self.interface.as_ref().filter(|_| is_link_local(&addr)) }
    }
}

/// An address as it is configured: `fe80::1%eth0`.
#[derive(Clone, Copy, Debug)]
pub struct Scoped<'a> {
    addr: IpAddr,
    interface: Option<&'a IfName>,
}

impl fmt::Display for Scoped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.addr, f)?;
        self.interface.map_or(Ok(()), |interface| write!(f, "%{interface}"))
    }
}

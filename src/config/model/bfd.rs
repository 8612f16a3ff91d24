//! A `bfd_instance`: the parameters of its session, and who is told.

use super::At;
use crate::base::addr::IpAddr;
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

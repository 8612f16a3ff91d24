//! What the configuration says of services and real servers, as the director takes it.

use super::Params;
use super::values::{DestKey, DestValue, Entry, Method, Protocol, ServiceKey, ServiceValue};
use crate::base::addr::{Family, IpAddr};

/// One service.
#[derive(Clone, Debug)]
pub struct ServiceSpec<'a> {
    /// Which service it is, whatever its place in the file: a reload finds the state of its predecessor by this
    /// number, a hash of its name. Two services may have the same one.
    pub identity: u64,
    /// What it listens to.
    pub listen: Listen<'a>,
    /// The protocol of its addresses; UDP if it has none.
    pub protocol: Option<Protocol>,
    /// The family of marks that have none of their own.
    pub family: Family,
    /// How it schedules.
    pub value: ServiceValue,
    /// By which it decides whether it has quorum.
    pub params: Params,
    /// The server that answers while there is no quorum.
    pub sorry: Option<SorrySpec>,
}

/// What a service listens to.
#[derive(Clone, Copy, Debug)]
pub enum Listen<'a> {
    /// An address and a port; 0 is every port.
    Address(IpAddr, u16),
    /// A firewall mark.
    Mark(u32),
    /// The entries of a group.
    Group {
        /// Its lines in the order of the file.
        entries: &'a [Entry],
        /// The mark that stands for all its addresses (`nftables_ipvs`, [`super::Marks`]); none: each address is a
        /// service of the kernel.
        mark: Option<u32>,
    },
}

/// The sorry server of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SorrySpec {
    /// Its address.
    pub addr: IpAddr,
    /// Its port; 0 is that of the service.
    pub port: u16,
    /// How packets reach it.
    pub method: Method,
    /// It stays with weight 0 while it is not needed.
    pub inhibit: bool,
}

/// One real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RealSpec {
    /// Its address.
    pub addr: IpAddr,
    /// Its port; 0 is that of the service.
    pub port: u16,
    /// Its configured weight.
    pub weight: u32,
    /// How packets reach it.
    pub method: Method,
    /// Connections that stop new ones; 0: none.
    pub upper: u32,
    /// Connections that allow them again; 0: none.
    pub lower: u32,
    /// It stays with weight 0 when it fails.
    pub inhibit: bool,
}

impl RealSpec {
    /// What its destination is set to with this weight.
    #[must_use]
    pub const fn value(&self, weight: u32) -> DestValue {
        DestValue { weight, method: self.method, upper: self.upper, lower: self.lower }
    }
}

impl SorrySpec {
    /// The same as a real server.
    #[must_use]
    pub const fn as_real(&self) -> RealSpec {
        let Self { addr, port, method, inhibit } = *self;
        RealSpec { addr, port, weight: SORRY_WEIGHT, method, upper: 0, lower: 0, inhibit }
    }
}

/// The weight of a sorry server that answers.
const SORRY_WEIGHT: u32 = 1;

/// How a service leaves the kernel when the daemon stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The service with all its destinations at once, as keepalived does with `lvs_flush_on_stop VS`; without that it
    /// removes one destination after the other, which comes to the same.
    Remove,
    /// It stays (`-I`), or all of the table is flushed by the child (`lvs_flush_on_stop`).
    Keep,
}

/// Where a real server of a service is reached, for one of the keys of the service.
pub(super) fn dest_key(service: &ServiceKey, real: &RealSpec) -> DestKey {
    use ServiceKey::{Address, Mark};
    // Only a translated packet can get another port.
    let port = match (service, real.method) {
        (Address(_, _, own), Method::Nat) if real.port == 0 => *own,
        (_, Method::Nat) => real.port,
        (Address(_, _, own), _) => *own,
        (Mark(..), _) => 0,
    };
    DestKey { addr: real.addr, port }
}

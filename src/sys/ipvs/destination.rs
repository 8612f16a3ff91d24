//! Destinations: the real servers of a virtual service.

use super::stats::{Load, Stats};
use crate::base::addr::Family;
use crate::base::ipvs::{DestKey, Tunnel, TunnelChecksum, TunnelKind};
use crate::sys::netlink::family::{family_number, family_of};
use crate::sys::netlink::genl::{Attributes, Requests, number, octet};

/// Appends what names a destination of a service.
pub(super) fn put_key(key: &DestKey, nest: &mut Requests) {
    nest.attribute(DEST_FAMILY, &u16::from(family_number(Family::of(&key.addr))).to_ne_bytes());
    nest.attribute(DEST_ADDR, &super::address_octets(&key.addr));
    nest.attribute(DEST_PORT, &key.port.to_be_bytes());
}

/// How packets reach a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Addresses are translated (masquerading).
    Nat,
    /// It is this machine.
    Local,
    /// In a tunnel.
    Tunnel(Tunnel),
    /// Sent on to its hardware address (direct routing).
    Direct,
    /// Past the cache that the service stands for.
    Bypass,
}

/// A destination as the kernel has it or is to have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Destination {
    /// Where it is.
    pub key: DestKey,
    /// How packets reach it.
    pub method: Method,
    /// Its share, 0 to 2147483647; 0 gets no new connections.
    pub weight: u32,
    /// Connections that stop new ones; 0: none.
    pub upper: u32,
    /// Connections below which there are new ones again; 0: three quarters of `upper`.
    pub lower: u32,
}

/// A destination in the kernel's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelDestination {
    /// The destination.
    pub destination: Destination,
    /// Connections that are open.
    pub active: u32,
    /// Connections that are closing, or of protocols without an end.
    pub inactive: u32,
    /// Clients that are bound to it.
    pub persistent: u32,
    /// What it has counted.
    pub stats: Stats,
    /// Which younger attributes the kernel has reported of it.
    reported: Reported,
}

/// Which of the younger attributes a kernel has reported: it ignores silently what it does not know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Reported {
    family: bool,
    tunnel_kind: bool,
    tunnel_flags: bool,
}

/// What this kernel is too old for, so that it made something else of a destination without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// Destinations of another family than their service (Linux 3.18).
    Family,
    /// Other tunnels than IPIP (Linux 5.2).
    TunnelKind,
    /// GRE, and checksums of tunnels (Linux 5.3).
    TunnelChecksum,
}

impl Destination {
    /// Whether every kernel takes it: it is of the family of its service and not in a tunnel of a younger kind.
    #[must_use]
    pub fn is_plain(&self, service: Family) -> bool {
        let needs = Reported {
            family: Family::of(&self.key.addr) != service,
            tunnel_kind: self.tunnel().kind != TunnelKind::Ipip,
            tunnel_flags: self.needs_flags(),
        };
        needs == Reported::default()
    }

    /// What the kernel silently left out of this destination of a service of this family, by any destination that it
    /// lists: a kernel reports the same of each.
    #[must_use]
    pub fn lack(&self, service: Family, listed: &KernelDestination) -> Option<Lack> {
        let reported = listed.reported;
        if Family::of(&self.key.addr) != service && !reported.family {
            return Some(Lack::Family);
        }
        if self.tunnel().kind != TunnelKind::Ipip && !reported.tunnel_kind {
            return Some(Lack::TunnelKind);
        }
        (self.needs_flags() && !reported.tunnel_flags).then_some(Lack::TunnelChecksum)
    }

    const fn tunnel(&self) -> Tunnel {
        match self.method {
            Method::Tunnel(tunnel) => tunnel,
            _ => Tunnel { kind: TunnelKind::Ipip, port: 0, checksum: TunnelChecksum::Off },
        }
    }

    fn needs_flags(&self) -> bool {
        let tunnel = self.tunnel();
        tunnel.kind == TunnelKind::Gre || tunnel.checksum != TunnelChecksum::Off
    }

    pub(super) fn put(&self, nest: &mut Requests) {
        put_key(&self.key, nest);
        let method: u32 = match self.method {
            Method::Nat => 0,
            Method::Local => 1,
            Method::Tunnel(_) => 2,
            Method::Direct => 3,
            Method::Bypass => 4,
        };
        nest.attribute(DEST_METHOD, &method.to_ne_bytes());
        nest.attribute(DEST_WEIGHT, &self.weight.to_ne_bytes());
        nest.attribute(DEST_UPPER, &self.upper.to_ne_bytes());
        nest.attribute(DEST_LOWER, &self.lower.to_ne_bytes());
        if let Method::Tunnel(Tunnel { kind, port, checksum }) = self.method {
            let kind = match kind {
                TunnelKind::Ipip => 0,
                TunnelKind::Gue => GUE,
                TunnelKind::Gre => GRE,
            };
            let flags: u16 = match checksum {
                TunnelChecksum::Off => 0,
                TunnelChecksum::On => CHECKSUM,
                TunnelChecksum::Remote => REMOTE_CHECKSUM,
            };
            nest.attribute(DEST_TUNNEL_KIND, &[kind]);
            nest.attribute(DEST_TUNNEL_PORT, &port.to_be_bytes());
            nest.attribute(DEST_TUNNEL_FLAGS, &flags.to_ne_bytes());
        }
    }
}

impl KernelDestination {
    /// What the kernel has counted of it.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            stats: self.stats,
            active: self.active.into(),
            inactive: self.inactive.into(),
            persistent: self.persistent.into(),
        }
    }

    /// The value of a nest of a service of this family; `None` for what makes no sense.
    pub(super) fn decode(service: Family, nest: Attributes<'_>) -> Option<Self> {
        let (mut family, mut addr, mut port, mut method) = (service, None, 0, 0);
        let mut tunnel = Tunnel::default();
        let (mut weight, mut upper, mut lower) = (0, 0, 0);
        let (mut active, mut inactive, mut persistent) = (0, 0, 0);
        let (mut stats, mut wide, mut reported) = (None, None, Reported::default());
        for (kind, payload) in nest {
            match kind {
                DEST_ADDR => addr = Some(payload),
                DEST_PORT => port = super::port(payload)?,
                DEST_METHOD => method = number(payload)?,
                DEST_WEIGHT => weight = number(payload)?,
                DEST_UPPER => upper = number(payload)?,
                DEST_LOWER => lower = number(payload)?,
                DEST_ACTIVE => active = number(payload)?,
                DEST_INACTIVE => inactive = number(payload)?,
                DEST_PERSISTENT => persistent = number(payload)?,
                DEST_STATS => stats = Some(Stats::decode(Attributes(payload))),
                DEST_STATS64 => wide = Some(Stats::decode(Attributes(payload))),
                DEST_FAMILY => {
                    reported.family = true;
                    family = family_of(u8::try_from(super::short(payload)?).ok()?)?;
                }
                DEST_TUNNEL_KIND => {
                    reported.tunnel_kind = true;
                    tunnel.kind = match octet(payload)? {
                        GUE => TunnelKind::Gue,
                        GRE => TunnelKind::Gre,
                        _ => TunnelKind::Ipip,
                    };
                }
                DEST_TUNNEL_PORT => tunnel.port = super::port(payload)?,
                DEST_TUNNEL_FLAGS => {
                    reported.tunnel_flags = true;
                    tunnel.checksum = match super::short(payload)? {
                        flags if flags & REMOTE_CHECKSUM != 0 => TunnelChecksum::Remote,
                        flags if flags & CHECKSUM != 0 => TunnelChecksum::On,
                        _ => TunnelChecksum::Off,
                    };
                }
                _ => {}
            }
        }
        let method = match method & METHODS {
            0 => Method::Nat,
            1 => Method::Local,
            2 => Method::Tunnel(tunnel),
            3 => Method::Direct,
            _ => Method::Bypass,
        };
        let key = DestKey { addr: super::address(family, addr?)?, port };
        let destination = Destination { key, method, weight, upper, lower };
        let stats = wide.or(stats).unwrap_or_default();
        Some(Self { destination, active, inactive, persistent, stats, reported })
    }
}

// IPVS_DEST_ATTR_ numbers.
const DEST_ADDR: u16 = 1;
const DEST_PORT: u16 = 2;
const DEST_METHOD: u16 = 3;
const DEST_WEIGHT: u16 = 4;
const DEST_UPPER: u16 = 5;
const DEST_LOWER: u16 = 6;
const DEST_ACTIVE: u16 = 7;
const DEST_INACTIVE: u16 = 8;
const DEST_PERSISTENT: u16 = 9;
const DEST_STATS: u16 = 10;
const DEST_FAMILY: u16 = 11;
const DEST_STATS64: u16 = 12;
const DEST_TUNNEL_KIND: u16 = 13;
const DEST_TUNNEL_PORT: u16 = 14;
const DEST_TUNNEL_FLAGS: u16 = 15;

/// IP_VS_CONN_F_FWD_MASK.
const METHODS: u32 = 7;
/// IP_VS_CONN_F_TUNNEL_TYPE_GUE.
const GUE: u8 = 1;
/// IP_VS_CONN_F_TUNNEL_TYPE_GRE.
const GRE: u8 = 2;
/// IP_VS_TUNNEL_ENCAP_FLAG_CSUM.
const CHECKSUM: u16 = 1;
/// IP_VS_TUNNEL_ENCAP_FLAG_REMCSUM.
const REMOTE_CHECKSUM: u16 = 2;

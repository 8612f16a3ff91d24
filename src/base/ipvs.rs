//! What a virtual service of IPVS balances and how, as the configuration names it and the kernel takes it, and what the
//! kernel knows services and destinations by.

use super::addr::{Family, IpAddr, Ipv4Addr};

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// SCTP
    Sctp,
}

impl Protocol {
    /// Its number in the headers of IP.
    #[must_use]
    pub const fn number(self) -> u16 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }

    /// The name as it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
            Self::Sctp => "SCTP",
        }
    }
}

/// What the kernel knows a service by. Two services of the configuration that have one key share one in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceKey {
    /// Packets of a protocol to an address and a port; port 0 is every port, which the kernel takes of a persistent service
    /// only.
    Address(Protocol, IpAddr, u16),
    /// Packets of a family with a firewall mark, which is not 0.
    Mark(Family, u32),
}

impl ServiceKey {
    /// The family of the service. Destinations in tunnels may be of another one.
    #[must_use]
    pub const fn family(&self) -> Family {
        match self {
            Self::Address(_, addr, _) => Family::of(addr),
            Self::Mark(family, _) => *family,
        }
    }
}

/// What the kernel knows a destination of one service by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DestKey {
    /// The address of the real server.
    pub addr: IpAddr,
    /// The port; 0 is that of the packet, for a service of marks or of every port.
    pub port: u16,
}

/// A tunnel to a real server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tunnel {
    /// Encapsulation.
    pub kind: TunnelKind,
    /// UDP port of [`TunnelKind::Gue`], for which it is not 0; 0 for the others.
    pub port: u16,
    /// Checksum of the outer header; [`TunnelKind::Ipip`] has none.
    pub checksum: TunnelChecksum,
}

/// Encapsulation of a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TunnelKind {
    /// IP in IP.
    #[default]
    Ipip,
    /// Generic UDP encapsulation; kernels since 5.2.
    Gue,
    /// Generic routing encapsulation; kernels since 5.3.
    Gre,
}

/// Checksum of a tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TunnelChecksum {
    /// None.
    #[default]
    Off,
    /// Sent; kernels since 5.3.
    On,
    /// Left to the receiver's offload; only with [`TunnelKind::Gue`], and kernels since 5.3.
    Remote,
}

/// Which clients count as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// Those whose IPv4 addresses agree under this mask, which need not be contiguous.
    Mask(Ipv4Addr),
    /// Those whose IPv6 addresses agree in so many bits, 1 to 128.
    Length(u8),
}

impl Granularity {
    /// Every client counts by itself.
    #[must_use]
    pub const fn host(family: Family) -> Self {
        match family {
            Family::V4 => Self::Mask(Ipv4Addr::BROADCAST),
            Family::V6 => Self::Length(128),
        }
    }
}

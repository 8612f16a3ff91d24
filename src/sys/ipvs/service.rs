//! Virtual services: what one listens to, and how it chooses among its destinations.

use super::Name;
use super::stats::Stats;
use crate::base::addr::Family;
use crate::base::ipvs::{Granularity, Protocol, ServiceKey};
use crate::sys::netlink::family::{family_number, family_of};
use crate::sys::netlink::genl::{Attributes, Requests, number, text};

/// Appends what names a service.
pub(super) fn put_key(key: &ServiceKey, nest: &mut Requests) {
    nest.attribute(SVC_AF, &u16::from(family_number(key.family())).to_ne_bytes());
    match key {
        ServiceKey::Mark(_, mark) => nest.attribute(SVC_MARK, &mark.to_ne_bytes()),
        ServiceKey::Address(protocol, addr, port) => {
            nest.attribute(SVC_PROTOCOL, &protocol.number().to_ne_bytes());
            nest.attribute(SVC_ADDR, &super::address_octets(addr));
            nest.attribute(SVC_PORT, &port.to_be_bytes());
        }
    }
}

/// A client goes to the destination that it went to before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Persistence {
    /// Seconds after its last connection.
    pub seconds: u32,
    /// Which clients count as one.
    pub granularity: Granularity,
}

/// A virtual service as the kernel has it or is to have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// What it listens to.
    pub key: ServiceKey,
    /// The kernel's name of its scheduler.
    pub scheduler: Name,
    /// Flags of the scheduler, bits 0 to 2 for the first to the third.
    pub scheduler_flags: u8,
    /// Every packet is scheduled by itself; UDP only.
    pub one_packet: bool,
    /// Whether clients stay where they were.
    pub persistence: Option<Persistence>,
    /// The kernel's name of the engine that finds more than the address by which clients are the same.
    pub engine: Option<Name>,
}

/// A service in the kernel's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelService {
    /// The service.
    pub service: Service,
    /// What it has counted.
    pub stats: Stats,
}

impl Service {
    pub(super) fn put(&self, nest: &mut Requests) {
        put_key(&self.key, nest);
        nest.text(SVC_SCHEDULER, &self.scheduler);
        if let Some(engine) = &self.engine {
            nest.text(SVC_ENGINE, engine);
        }
        let persistent = if self.persistence.is_some() { PERSISTENT } else { 0 };
        let one_packet = if self.one_packet { ONE_PACKET } else { 0 };
        let flags = persistent | one_packet | u32::from(self.scheduler_flags & 7) << SCHEDULER_SHIFT;
        // struct ip_vs_flags: the flags, and which of them are meant: all.
        let [f0, f1, f2, f3] = flags.to_ne_bytes();
        nest.attribute(SVC_FLAGS, &[f0, f1, f2, f3, 0xff, 0xff, 0xff, 0xff]);
        let Persistence { seconds, granularity } = self
            .persistence
            .unwrap_or(Persistence { seconds: 0, granularity: Granularity::host(self.key.family()) });
        nest.attribute(SVC_TIMEOUT, &seconds.to_ne_bytes());
        nest.attribute(SVC_NETMASK, &netmask(granularity));
    }
}

impl KernelService {
    /// The value of a nest; `None` for other families than the Internet's, other protocols, and what makes no sense.
    pub(super) fn decode(nest: Attributes<'_>) -> Option<Self> {
        let (mut family, mut protocol, mut addr, mut port, mut mark) = (None, None, None, 0, None);
        let (mut scheduler, mut engine) = (Name::new(), None);
        let (mut flags, mut seconds, mut netmask) = (0, 0, [0xff; 4]);
        let (mut stats, mut wide) = (None, None);
        for (kind, payload) in nest {
            match kind {
                SVC_AF => {
                    family = super::short(payload).and_then(|number| family_of(u8::try_from(number).ok()?))
                }
                SVC_PROTOCOL => protocol = super::short(payload).and_then(protocol_of),
                SVC_ADDR => addr = Some(payload),
                SVC_PORT => port = super::port(payload)?,
                SVC_MARK => mark = number(payload),
                SVC_SCHEDULER => scheduler = text(payload).and_then(|name| Name::try_from(name).ok())?,
                SVC_ENGINE => engine = text(payload).and_then(|name| Name::try_from(name).ok()),
                SVC_FLAGS => flags = number(payload)?,
                SVC_TIMEOUT => seconds = number(payload)?,
                SVC_NETMASK => netmask = payload.first_chunk().copied()?,
                SVC_STATS => stats = Some(Stats::decode(Attributes(payload))),
                SVC_STATS64 => wide = Some(Stats::decode(Attributes(payload))),
                _ => {}
            }
        }
        let family = family?;
        let key = match mark {
            Some(mark) => ServiceKey::Mark(family, mark),
            None => ServiceKey::Address(protocol?, super::address(family, addr?)?, port),
        };
        let granularity = granularity_of(family, netmask);
        let persistence = (flags & PERSISTENT != 0).then_some(Persistence { seconds, granularity });
        let service = Service {
            key,
            scheduler,
            scheduler_flags: u8::try_from(flags >> SCHEDULER_SHIFT & 7).unwrap_or(0),
            one_packet: flags & ONE_PACKET != 0,
            persistence,
            engine,
        };
        Some(Self { service, stats: wide.or(stats).unwrap_or_default() })
    }
}

fn protocol_of(number: u16) -> Option<Protocol> {
    let all = [Protocol::Tcp, Protocol::Udp, Protocol::Sctp];
    all.into_iter().find(|protocol| protocol.number() == number)
}

/// The granularity as the kernel has it: a mask of IPv4, or the length of one of IPv6.
fn netmask(granularity: Granularity) -> [u8; 4] {
    match granularity {
        Granularity::Mask(mask) => mask.octets(),
        Granularity::Length(length) => u32::from(length).to_ne_bytes(),
    }
}

fn granularity_of(family: Family, octets: [u8; 4]) -> Granularity {
    match family {
        Family::V4 => Granularity::Mask(octets.into()),
        Family::V6 => Granularity::Length(u8::try_from(u32::from_ne_bytes(octets)).unwrap_or(128)),
    }
}

// IPVS_SVC_ATTR_ numbers.
const SVC_AF: u16 = 1;
const SVC_PROTOCOL: u16 = 2;
const SVC_ADDR: u16 = 3;
const SVC_PORT: u16 = 4;
const SVC_MARK: u16 = 5;
const SVC_SCHEDULER: u16 = 6;
const SVC_FLAGS: u16 = 7;
const SVC_TIMEOUT: u16 = 8;
const SVC_NETMASK: u16 = 9;
const SVC_STATS: u16 = 10;
const SVC_ENGINE: u16 = 11;
const SVC_STATS64: u16 = 12;

/// IP_VS_SVC_F_PERSISTENT.
const PERSISTENT: u32 = 1;
/// IP_VS_SVC_F_ONEPACKET.
const ONE_PACKET: u32 = 4;
/// Where IP_VS_SVC_F_SCHED1 is among the flags.
const SCHEDULER_SHIFT: u32 = 3;

//! Values of the director and of the kernel's table, each way.

use crate::proto::lvs::{self, DestKey, DestValue, Engine, Scheduler, ServiceKey, ServiceValue};
use crate::sys::ipvs::{self, Destination, DestinationKey, Name, Persistence, Service};

/// A service as the kernel takes it.
pub(super) fn service(key: &ServiceKey, value: &ServiceValue) -> Service {
    let family = key.family();
    let granularity = |granularity| match granularity {
        lvs::Granularity::Mask(mask) => ipvs::Granularity::Mask(mask),
        lvs::Granularity::Length(length) => ipvs::Granularity::Length(length),
    };
    let persistence = value.persistence.map(|seconds| Persistence {
        seconds,
        granularity: value.granularity.map_or_else(|| ipvs::Granularity::host(family), granularity),
    });
    Service {
        key: service_key(key),
        scheduler: name(value.scheduler.unwrap_or_default().name()),
        scheduler_flags: value.flags,
        one_packet: value.one_packet,
        persistence,
        engine: value.engine.as_ref().map(|engine| name(engine.name())),
    }
}

/// A service of the kernel as the director has it.
pub(super) fn of_service(service: &Service) -> (ServiceKey, ServiceValue) {
    let key = match service.key {
        ipvs::ServiceKey::Address { protocol, addr, port } => {
            let protocol = match protocol {
                ipvs::Protocol::Tcp => lvs::Protocol::Tcp,
                ipvs::Protocol::Udp => lvs::Protocol::Udp,
                ipvs::Protocol::Sctp => lvs::Protocol::Sctp,
            };
            ServiceKey::Address(protocol, addr, port)
        }
        ipvs::ServiceKey::Mark { mark, family } => ServiceKey::Mark(family, mark),
    };
    let granularity = |granularity| match granularity {
        ipvs::Granularity::Mask(mask) => lvs::Granularity::Mask(mask),
        ipvs::Granularity::Length(length) => lvs::Granularity::Length(length),
    };
    let of_name = |scheduler: &&Scheduler| scheduler.name() == service.scheduler.as_str();
    let value = ServiceValue {
        scheduler: Scheduler::ALL.iter().find(of_name).copied(),
        flags: service.scheduler_flags,
        one_packet: service.one_packet,
        persistence: service.persistence.map(|persistence| persistence.seconds),
        granularity: service.persistence.map(|persistence| granularity(persistence.granularity)),
        engine: service.engine.as_ref().and_then(|name| Engine::new(name)),
    };
    (key, value.of_family(key.family()))
}

pub(super) fn service_key(key: &ServiceKey) -> ipvs::ServiceKey {
    match *key {
        ServiceKey::Address(protocol, addr, port) => {
            let protocol = match protocol {
                lvs::Protocol::Tcp => ipvs::Protocol::Tcp,
                lvs::Protocol::Udp => ipvs::Protocol::Udp,
                lvs::Protocol::Sctp => ipvs::Protocol::Sctp,
            };
            ipvs::ServiceKey::Address { protocol, addr, port }
        }
        ServiceKey::Mark(family, mark) => ipvs::ServiceKey::Mark { mark, family },
    }
}

pub(super) const fn destination_key(key: &DestKey) -> DestinationKey {
    DestinationKey { addr: key.addr, port: key.port }
}

/// A destination as the kernel takes it.
pub(super) const fn destination(key: &DestKey, value: &DestValue) -> Destination {
    let method = match value.method {
        lvs::Method::Nat => ipvs::Method::Nat,
        lvs::Method::Direct => ipvs::Method::Direct,
        lvs::Method::Tunnel(lvs::Tunnel { kind, port, checksum }) => ipvs::Method::Tunnel(ipvs::Tunnel {
            kind: match kind {
                lvs::TunnelKind::Ipip => ipvs::TunnelKind::Ipip,
                lvs::TunnelKind::Gue => ipvs::TunnelKind::Gue,
                lvs::TunnelKind::Gre => ipvs::TunnelKind::Gre,
            },
            port,
            checksum: match checksum {
                lvs::TunnelChecksum::Off => ipvs::TunnelChecksum::Off,
                lvs::TunnelChecksum::On => ipvs::TunnelChecksum::On,
                lvs::TunnelChecksum::Remote => ipvs::TunnelChecksum::Remote,
            },
        }),
    };
    Destination {
        key: destination_key(key),
        method,
        weight: value.weight,
        upper: value.upper,
        lower: value.lower,
    }
}

/// A destination of the kernel as the director has it. What the kernel makes of its own method is taken for direct
/// routing, which a destination of this machine is.
pub(super) const fn of_destination(there: &Destination) -> (DestKey, DestValue) {
    let method = match there.method {
        ipvs::Method::Nat => lvs::Method::Nat,
        ipvs::Method::Direct | ipvs::Method::Local | ipvs::Method::Bypass => lvs::Method::Direct,
        ipvs::Method::Tunnel(ipvs::Tunnel { kind, port, checksum }) => lvs::Method::Tunnel(lvs::Tunnel {
            kind: match kind {
                ipvs::TunnelKind::Ipip => lvs::TunnelKind::Ipip,
                ipvs::TunnelKind::Gue => lvs::TunnelKind::Gue,
                ipvs::TunnelKind::Gre => lvs::TunnelKind::Gre,
            },
            port,
            checksum: match checksum {
                ipvs::TunnelChecksum::Off => lvs::TunnelChecksum::Off,
                ipvs::TunnelChecksum::On => lvs::TunnelChecksum::On,
                ipvs::TunnelChecksum::Remote => lvs::TunnelChecksum::Remote,
            },
        }),
    };
    let key = DestKey { addr: there.key.addr, port: there.key.port };
    (key, DestValue { weight: there.weight, method, upper: there.upper, lower: there.lower })
}

fn name(text: &str) -> Name {
    // Both kinds of names have at most 16 octets.
    Name::try_from(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::addr::Ipv4Addr;

    #[test]
    fn what_the_kernel_lists_is_what_it_was_given() {
        let value = ServiceValue {
            scheduler: Some(Scheduler::Maglev),
            flags: 5,
            one_packet: true,
            persistence: Some(300),
            granularity: Some(lvs::Granularity::Mask(Ipv4Addr::new(255, 255, 255, 0))),
            engine: Engine::new("sip"),
        };
        let key = ServiceKey::Address(lvs::Protocol::Udp, "192.0.2.1".parse().unwrap(), 5060);
        assert_eq!(of_service(&service(&key, &value)), (key, value));
        let plain = ServiceValue { persistence: None, granularity: None, engine: None, ..value };
        let key = ServiceKey::Mark(crate::base::addr::Family::V6, 7);
        assert_eq!(of_service(&service(&key, &plain)), (key, plain));
        let everybody = ServiceValue { granularity: None, ..value };
        assert_eq!(of_service(&service(&key, &everybody)), (key, everybody), "every client by itself");
        let tunnel =
            lvs::Tunnel { kind: lvs::TunnelKind::Gue, port: 6080, checksum: lvs::TunnelChecksum::Remote };
        for method in [lvs::Method::Nat, lvs::Method::Direct, lvs::Method::Tunnel(tunnel)] {
            let key = DestKey { addr: "2001:db8::1".parse().unwrap(), port: 8080 };
            let value = DestValue { weight: 7, method, upper: 100, lower: 50 };
            assert_eq!(of_destination(&destination(&key, &value)), (key, value));
        }
    }
}

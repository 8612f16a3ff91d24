//! Values of the director and of the kernel's table, each way.

use crate::proto::lvs::{self, DestKey, DestValue, Engine, Granularity, Scheduler, ServiceKey, ServiceValue};
use crate::sys::ipvs::{self, Destination, Name, Persistence, Service};

/// A service as the kernel takes it.
pub(super) fn service(key: &ServiceKey, value: &ServiceValue) -> Service {
    let family = key.family();
    let persistence = value.persistence.map(|seconds| Persistence {
        seconds,
        granularity: value.granularity.unwrap_or_else(|| Granularity::host(family)),
    });
    Service {
        key: *key,
        scheduler: name(value.scheduler.unwrap_or_default().name()),
        scheduler_flags: value.flags,
        one_packet: value.one_packet,
        persistence,
        engine: value.engine.as_ref().map(|engine| name(engine.name())),
    }
}

/// A service of the kernel as the director has it.
pub(in crate::checkd) fn of_service(service: &Service) -> (ServiceKey, ServiceValue) {
    let of_name = |scheduler: &&Scheduler| scheduler.name() == service.scheduler.as_str();
    let value = ServiceValue {
        scheduler: Scheduler::ALL.iter().find(of_name).copied(),
        flags: service.scheduler_flags,
        one_packet: service.one_packet,
        persistence: service.persistence.map(|persistence| persistence.seconds),
        granularity: service.persistence.map(|persistence| persistence.granularity),
        engine: service.engine.as_ref().and_then(|name| Engine::new(name)),
    };
    (service.key, value.of_family(service.key.family()))
}

/// A destination as the kernel takes it.
pub(super) const fn destination(key: &DestKey, value: &DestValue) -> Destination {
    let method = match value.method {
        lvs::Method::Nat => ipvs::Method::Nat,
        lvs::Method::Direct => ipvs::Method::Direct,
        lvs::Method::Tunnel(tunnel) => ipvs::Method::Tunnel(tunnel),
    };
    Destination { key: *key, method, weight: value.weight, upper: value.upper, lower: value.lower }
}

/// A destination of the kernel as the director has it. What the kernel makes of its own method is taken for direct
/// routing, which a destination of this machine is.
pub(in crate::checkd) const fn of_destination(there: &Destination) -> (DestKey, DestValue) {
    let method = match there.method {
        ipvs::Method::Nat => lvs::Method::Nat,
        ipvs::Method::Direct | ipvs::Method::Local | ipvs::Method::Bypass => lvs::Method::Direct,
        ipvs::Method::Tunnel(tunnel) => lvs::Method::Tunnel(tunnel),
    };
    (there.key, DestValue { weight: there.weight, method, upper: there.upper, lower: there.lower })
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
            granularity: Some(Granularity::Mask(Ipv4Addr::new(255, 255, 255, 0))),
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

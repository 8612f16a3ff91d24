//! What the tests of this folder share.

use super::{Listen, Params, Scheduler, ServiceSpec, ServiceValue};
use crate::base::addr::{Family, IpAddr};

/// An address.
pub(super) fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A TCP service on 192.0.2.`number`, port 80.
pub(super) fn service(number: u8) -> ServiceSpec<'static> {
    ServiceSpec {
        identity: u64::from(number),
        listen: Listen::Address(IpAddr::from([192, 0, 2, number]), 80),
        protocol: Some(super::Protocol::Tcp),
        family: Family::V4,
        value: ServiceValue {
            scheduler: Some(Scheduler::RoundRobin),
            flags: 0,
            one_packet: false,
            persistence: None,
            granularity: None,
            engine: None,
        },
        params: Params::default(),
        sorry: None,
    }
}

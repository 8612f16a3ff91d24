//! What the tests of this folder share.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

pub(crate) mod conf;
mod fields;
mod kept;
pub(crate) mod kernel;
mod rules;
mod several;
mod world;

use crate::base::addr::{Family, IpAddr};
use crate::proto::lvs;

/// What the files that are shared with the simulation find under these names.
mod base {
    pub(super) use crate::base::addr::{Family, IpAddr};
    pub(super) use crate::base::id::CheckId;
    pub(super) use crate::base::time::Instant;
}

/// An address.
pub(super) fn addr(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A TCP service on 192.0.2.`number`, port 80.
pub(super) fn service(number: u8) -> lvs::ServiceSpec<'static> {
    let service = conf::Service::new(u64::from(number), conf::Where::Mark(1));
    lvs::ServiceSpec {
        identity: service.identity,
        listen: lvs::Listen::Address(IpAddr::from([192, 0, 2, number]), 80),
        protocol: service.protocol,
        family: Family::V4,
        value: service.value,
        params: service.params,
        sorry: None,
    }
}

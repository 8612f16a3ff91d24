//! Families and addresses of the Internet as netlink has them.

use super::message::Requests;
use crate::base::addr::{Family, IpAddr};

/// AF_INET or AF_INET6.
pub(in crate::sys) const fn family_number(family: Family) -> u8 {
    match family {
        Family::V4 => AF_INET,
        Family::V6 => AF_INET6,
    }
}

/// The family of a number; none: another one than the Internet's.
pub(in crate::sys) const fn family_of(number: u8) -> Option<Family> {
    match number {
        AF_INET => Some(Family::V4),
        AF_INET6 => Some(Family::V6),
        _ => None,
    }
}

/// Appends an address as an attribute.
pub(super) fn put_ip(request: &mut Requests, kind: impl Into<u16>, addr: &IpAddr) {
    match addr {
        IpAddr::V4(v4) => request.attribute(kind, &v4.octets()),
        IpAddr::V6(v6) => request.attribute(kind, &v6.octets()),
    }
}

/// The address that an attribute begins with.
pub(in crate::sys) fn ip(family: Family, payload: &[u8]) -> Option<IpAddr> {
    match family {
        Family::V4 => payload.first_chunk::<4>().copied().map(IpAddr::from),
        Family::V6 => payload.first_chunk::<16>().copied().map(IpAddr::from),
    }
}

// The kernel's numbers, which libc has in another type.
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;

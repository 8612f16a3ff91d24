//! An instance's advert as octets, ready to send.

use super::live::Instance;
use crate::base::addr::{Addressed, Family, IpAddr};
use crate::base::bytes::{Short, Writer};
use crate::proto::vrrp::fields::{body, cover};
use crate::wire::ipv4;
use crate::wire::vrrp;

/// Writes the datagram for one destination: over IPv4 with its IP header, over IPv6 without.
///
/// # Errors
/// [`Short`] if it does not fit, or there is no source address of the family.
pub fn emit(
    out: &mut Writer<'_>,
    instance: &Instance,
    priority: u8,
    destination: IpAddr,
) -> Result<(), Short> {
    let params = instance.router.params();
    let goodbye = priority == 0 && params.family == Family::V4;
    let source = instance.local.or(instance.last_local.filter(|_| goodbye)).ok_or(Short)?;
    let cover = cover(params, source, destination);
    let body = body(params);
    if let (IpAddr::V4(from), IpAddr::V4(to)) = (source, destination) {
        let count = u8::try_from(instance.advertised().len()).unwrap_or(u8::MAX);
        let len = vrrp::advert_len(params.version, Family::V4, count);
        let ttl = if instance.peers.is_empty() {
            vrrp::HOP_LIMIT
        } else {
            instance.config.unicast_ttl.unwrap_or(vrrp::HOP_LIMIT)
        };
        let header = ipv4::Header { source: from, destination: to, ttl, protocol: vrrp::PROTOCOL };
        ipv4::emit(out, header, instance.ip_id, len)?;
    }
    vrrp::emit(out, params.vrid, priority, instance.advertised().iter().map(Addressed::addr), body, cover)
}

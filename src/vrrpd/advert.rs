//! An instance's advert as octets, ready to send.

use super::live::Instance;
use crate::base::addr::{Family, IpAddr};
use crate::base::bytes::{Short, Writer};
use crate::proto::vrrp::{Auth, Params, Version};
use crate::wire::ipv4;
use crate::wire::vrrp::{self, Body, Cover};

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
    let source = instance
        .local
        .or(instance.last_local.filter(|_| goodbye))
        .ok_or(Short)?;
    let cover = cover(params, source, destination);
    let body = body(params);
    if let (IpAddr::V4(from), IpAddr::V4(to)) = (source, destination) {
        let count = u8::try_from(instance.advertised.len()).unwrap_or(u8::MAX);
        let len = vrrp::advert_len(params.version, Family::V4, count);
        let ttl = if instance.peers.is_empty() {
            vrrp::HOP_LIMIT
        } else {
            instance.config.unicast_ttl.unwrap_or(vrrp::HOP_LIMIT)
        };
        let header = ipv4::Header {
            source: from,
            destination: to,
            ttl,
            protocol: vrrp::PROTOCOL,
        };
        ipv4::emit(out, header, instance.ip_id, len)?;
    }
    vrrp::emit(
        out,
        params.vrid,
        priority,
        instance.advertised.iter(),
        body,
        cover,
    )
}

fn cover(params: &Params, source: IpAddr, destination: IpAddr) -> Cover {
    match (params.version, params.family) {
        (Version::V2, _) => Cover::Plain,
        (Version::V3, Family::V4) if params.v3_checksum_as_v2 => Cover::Plain,
        (Version::V3, _) => Cover::Pseudo { source, destination },
    }
}

fn body(params: &Params) -> Body {
    match params.version {
        Version::V2 => {
            let (auth_type, auth_data) = match params.auth {
                Auth::None => (vrrp::AUTH_NONE, [0; vrrp::AUTH_DATA]),
                Auth::Pass(password) => (vrrp::AUTH_PASS, password),
            };
            let seconds = u8::try_from(params.advert_interval.as_secs()).unwrap_or(u8::MAX);
            Body::V2 {
                auth_type,
                seconds,
                auth_data,
            }
        }
        Version::V3 => {
            let centis = u16::try_from(params.advert_interval.as_centis()).unwrap_or(vrrp::MAX_CENTIS);
            Body::V3 { centis }
        }
    }
}

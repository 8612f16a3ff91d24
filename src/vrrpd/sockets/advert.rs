//! An instance's advert as octets, ready to send.

use crate::base::addr::{Addressed, Family, IpAddr};
use crate::base::bytes::{Short, Writer};
use crate::proto::vrrp::Seal;
use crate::proto::vrrp::fields::{body, cover};
use crate::vrrpd::live::Instance;
use crate::wire::vrrp::{self, Cover};
use crate::wire::{ah, ipv4, trailer};

/// Writes the datagram for one destination: over IPv4 with its IP header, over IPv6 without. `covered`: the
/// destination that is put under the checksum of version 3.
///
/// # Errors
/// [`Short`] if it does not fit, there is no source address of the family, or the key to sign it is missing.
pub fn emit(
    out: &mut Writer<'_>,
    instance: &Instance,
    priority: u8,
    destination: IpAddr,
    covered: IpAddr,
) -> Result<(), Short> {
    let params = instance.router.params();
    let goodbye = priority == 0 && params.family == Family::V4;
    let source = instance.source.last.filter(|_| goodbye || instance.source.is_there).ok_or(Short)?;
    let seal = instance.router.guard().map_or(Seal::Open, |guard| guard.seal());
    let start = out.len();
    if let (IpAddr::V4(from), IpAddr::V4(to)) = (source, destination) {
        let count = u8::try_from(instance.advertised().len()).unwrap_or(u8::MAX);
        let (protocol, around) = match seal {
            Seal::Header { .. } => (ah::PROTOCOL, ah::HEADER),
            Seal::Trailer { .. } => (vrrp::PROTOCOL, trailer::LEN),
            Seal::Open | Seal::Lacking => (vrrp::PROTOCOL, 0),
        };
        let len = vrrp::advert_len(params.version, Family::V4, count).saturating_add(around);
        let ttl = if instance.peers.is_empty() {
            vrrp::HOP_LIMIT
        } else {
            instance.config.unicast_ttl.unwrap_or(vrrp::HOP_LIMIT)
        };
        let header = ipv4::Header { source: from, destination: to, ttl, protocol };
        ipv4::emit(out, header, instance.advert.ip_id, len)?;
        if let Seal::Header { sequence, .. } = seal {
            ah::emit(out, from, sequence)?;
        }
    }
    let at = out.len();
    let cover = cover(params, source, covered);
    vrrp::emit(
        out,
        params.vrid,
        priority,
        instance.advertised().iter().map(Addressed::addr),
        body(params),
        cover,
    )?;
    match seal {
        Seal::Open => Ok(()),
        Seal::Lacking => Err(Short),
        Seal::Header { key, .. } => ah::seal(out, start, key),
        Seal::Trailer { key, id, stamp } => {
            let advert = out.written().get(at..).unwrap_or_default();
            let signed = trailer::sign(key, id, stamp, &source, advert);
            out.put(&signed)?;
            match cover {
                // Over IPv6 the kernel reckons the checksum, of all that is sent.
                Cover::Pseudo { .. } if params.family == Family::V6 => vrrp::seal(out, at, cover),
                _ => Ok(()),
            }
        }
    }
}

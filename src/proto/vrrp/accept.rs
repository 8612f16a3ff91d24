//! Which adverts count (RFC 9568 section 7.1, RFC 3768 section 7.1): every refusal has a name.

use super::guard::{self, Around, Guard};
use super::machine::Heard;
use super::params::{Auth, Params};
use super::priority::OWNER;
pub use super::reject::{Odd, Reject};
use crate::base::addr::{Addressed, Family, IpAddr};
use crate::base::time::{Instant, Span};
use crate::wire::vrrp::{self as wire, Advert, Version};

/// A datagram of VRRP's protocol number, the IP header taken off.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// Its sender.
    pub source: IpAddr,
    /// The group or the address that it was sent to, where the kernel reports it.
    pub destination: Option<IpAddr>,
    /// When it arrived.
    pub arrived: Instant,
    /// TTL or hop limit on arrival, where the kernel reports it.
    pub hop_limit: Option<u8>,
    /// The advert.
    pub octets: &'a [u8],
    /// What came around it.
    pub around: Around<'a>,
}

/// A configured unicast peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Its address.
    pub addr: IpAddr,
    /// Lowest TTL or hop limit accepted from it.
    pub min_ttl: u8,
    /// Highest TTL or hop limit accepted from it.
    pub max_ttl: u8,
    /// It speaks the old form of the version 3 checksum.
    pub old_form: bool,
}

/// What becomes of the form that keepalived up to 1.3.6 gave the checksum of version 3 over unicast IPv4: its pseudo
/// header has the multicast group for the destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OldForm {
    /// Refused, or there is no such thing.
    #[default]
    Refused,
    /// Accepted, and spoken to peers that speak it. The group.
    Detected(IpAddr),
    /// Accepted, and spoken to all. The group.
    Spoken(IpAddr),
}

/// What the instance is compared with besides its parameters.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a, A = IpAddr> {
    /// The source address of our own adverts, if there is one now.
    pub local: Option<IpAddr>,
    /// The advertised addresses, in the order of the configuration.
    pub addresses: &'a [A],
    /// The unicast peers; none: multicast.
    pub peers: &'a [Peer],
    /// Whether the old form of the checksum is known.
    pub old_form: OldForm,
}

impl<A> Default for Surroundings<'_, A> {
    fn default() -> Self {
        Self { local: None, addresses: &[], peers: &[], old_form: OldForm::Refused }
    }
}

/// An advert that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// What it says.
    pub heard: Heard,
    /// What is odd about it.
    pub odd: Option<Odd>,
    /// Its sender is a peer that has changed to the old form of the checksum, or back from it.
    pub form_changed: Option<bool>,
}

/// Judges an advert whose router id is ours. `same_sender`: it comes from the sender of the last accepted one.
///
/// # Errors
/// The first reason found, in the order of the checks of RFC 9568 section 7.1.
pub fn accept<A: Addressed>(
    params: &Params,
    mut guard: Option<&mut Guard>,
    surroundings: &Surroundings<'_, A>,
    packet: &Packet<'_>,
    same_sender: bool,
) -> Result<Accepted, Reject> {
    if surroundings.local == Some(packet.source) {
        return Err(Reject::Own);
    }
    if params.owner_ignore_adverts && params.priority == OWNER {
        return Err(Reject::Ignored);
    }
    check_sender(params, surroundings, packet)?;
    guard::judge_header(guard.as_deref_mut(), &packet.around)?;
    let short = Reject::TooShort { received: clamp(packet.octets.len()), expected: clamp(wire::HEADER) };
    let whole = Advert::parse(packet.octets).map_err(|_| short)?;
    if whole.version != params.version.number() {
        return Err(Reject::Version { received: whole.version, expected: params.version.number() });
    }
    if !whole.is_advertisement() {
        return Err(Reject::Kind(whole.kind));
    }
    let (received, expected) = (whole.len(), wire::advert_len(params.version, params.family, whole.count));
    let trailer = guard::trailer_len(guard.as_deref(), received, expected);
    if received < expected {
        return Err(Reject::TooShort { received: clamp(received), expected: clamp(expected) });
    }
    if received > expected.saturating_add(trailer) {
        return Err(Reject::TooLong { received: clamp(received), expected: clamp(expected) });
    }
    let advert = whole.cut(expected);
    // Over IPv6 the kernel of the sender puts the trailer under the checksum, too.
    let covered = if params.family == Family::V6 { &whole } else { &advert };
    let Some(form) = checksum_form(params, surroundings.old_form, packet, covered) else {
        return Err(Reject::Checksum);
    };
    let behind = packet.octets.get(expected..).unwrap_or_default();
    guard::judge_trailer(guard, packet.source, advert.octets(), behind, packet.around.wall)?;
    let interval = match params.version {
        Version::V2 => check_v2(params, &advert, packet.around.header.is_some())?,
        Version::V3 => Span::from_centis(u64::from(advert.centis())),
    };
    let odd = if params.skip_check_adv_addr && same_sender {
        None
    } else {
        odd_addresses(params.family, surroundings.addresses, &advert)
    };
    let heard = Heard {
        at: packet.arrived,
        from: packet.source,
        priority: advert.priority,
        // A zero interval would make a backup take over at once, and again, and again.
        interval: if interval.is_zero() { params.advert_interval } else { interval },
        higher_address: surroundings.local.is_some_and(|local| packet.source > local),
    };
    let odd = odd.or_else(|| odd_interval(params, interval, advert.priority));
    Ok(Accepted { heard, odd, form_changed: form_changed(surroundings, packet.source, form) })
}

fn check_sender<A>(
    params: &Params,
    surroundings: &Surroundings<'_, A>,
    packet: &Packet<'_>,
) -> Result<(), Reject> {
    let hop_limit = packet.hop_limit.unwrap_or(wire::HOP_LIMIT);
    if surroundings.peers.is_empty() {
        return if hop_limit == wire::HOP_LIMIT { Ok(()) } else { Err(Reject::HopLimit(hop_limit)) };
    }
    match surroundings.peers.iter().find(|peer| peer.addr == packet.source) {
        Some(peer) if (peer.min_ttl..=peer.max_ttl).contains(&hop_limit) => Ok(()),
        Some(peer) => {
            Err(Reject::HopLimitRange { received: hop_limit, min: peer.min_ttl, max: peer.max_ttl })
        }
        None if params.check_unicast_src => Err(Reject::NotAPeer),
        None => Ok(()),
    }
}

/// How a checksum that holds was made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// With the addresses of the packet, or without any.
    Usual,
    /// With the group in place of the destination.
    Old,
}

/// Version 3 over IPv4 has two forms in the field, with and without pseudo header: both are accepted. A third one is
/// that of old unicast routers.
fn checksum_form(params: &Params, old: OldForm, packet: &Packet<'_>, advert: &Advert<'_>) -> Option<Form> {
    let pseudo = |destination: Option<IpAddr>| {
        destination.is_some_and(|destination| advert.checksum_holds_pseudo(&packet.source, &destination))
    };
    let usual = match (params.version, params.family) {
        (Version::V2, _) => advert.checksum_holds_plain(),
        (Version::V3, Family::V4) => pseudo(packet.destination) || advert.checksum_holds_plain(),
        (Version::V3, Family::V6) => pseudo(packet.destination),
    };
    let group = match old {
        OldForm::Detected(group) | OldForm::Spoken(group) if params.version == Version::V3 => Some(group),
        _ => None,
    };
    if usual { Some(Form::Usual) } else { pseudo(group).then_some(Form::Old) }
}

/// Whether the sender is a peer that is known for the other form.
fn form_changed<A>(surroundings: &Surroundings<'_, A>, source: IpAddr, form: Form) -> Option<bool> {
    let OldForm::Detected(_) = surroundings.old_form else {
        return None;
    };
    let old = form == Form::Old;
    let peer = surroundings.peers.iter().find(|peer| peer.addr == source)?;
    (peer.old_form != old).then_some(old)
}

/// Authentication and interval of version 2 (RFC 2338 section 5.3.6, RFC 3768 section 7.1).
fn check_v2(params: &Params, advert: &Advert<'_>, sealed: bool) -> Result<Span, Reject> {
    let expected = match params.auth {
        Auth::None => wire::AUTH_NONE,
        Auth::Pass(_) => wire::AUTH_PASS,
        Auth::Header(_) => wire::AUTH_AH,
    };
    if advert.auth_type > wire::AUTH_AH {
        return Err(Reject::AuthUnknown(advert.auth_type));
    }
    if advert.auth_type != expected {
        return Err(Reject::AuthMismatch { received: advert.auth_type, expected });
    }
    match &params.auth {
        Auth::Pass(password) if advert.auth_data() != Some(*password.octets()) => {
            return Err(Reject::Password);
        }
        Auth::Header(_) if !sealed => return Err(Reject::Header),
        _ => {}
    }
    let ours = params.advert_interval.as_secs();
    if u64::from(advert.seconds) != ours {
        let expected = u8::try_from(ours).unwrap_or(u8::MAX);
        return Err(Reject::Interval { received: advert.seconds, expected });
    }
    Ok(params.advert_interval)
}

fn odd_addresses<A: Addressed>(family: Family, ours: &[A], advert: &Advert<'_>) -> Option<Odd> {
    if usize::from(advert.count) != ours.len() {
        let expected = u8::try_from(ours.len()).unwrap_or(u8::MAX);
        return Some(Odd::AddressCount { received: advert.count, expected });
    }
    // The same list in the same order is the usual case, and costs one pass.
    if advert.addresses(family).eq(ours.iter().map(|ours| *ours.addr())) {
        return None;
    }
    ours.iter()
        .map(Addressed::addr)
        .find(|addr| !advert.addresses(family).any(|theirs| theirs == **addr))
        .map(|addr| Odd::AddressMissing(*addr))
}

fn odd_interval(params: &Params, theirs: Span, priority: u8) -> Option<Odd> {
    let differs = params.version == Version::V3 && theirs != params.advert_interval && priority != 0;
    let centis = |span: Span| u16::try_from(span.as_centis()).unwrap_or(u16::MAX);
    differs.then(|| Odd::Interval { received: centis(theirs), expected: centis(params.advert_interval) })
}

fn clamp(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;

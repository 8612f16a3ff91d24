//! The lightweight tunnel of a next hop in a request (RTA_ENCAP).

use super::message::Requests;
use crate::base::addr::{Ipv4Addr, Ipv6Addr};
use crate::base::encap::{Encap, Tunnel};
use crate::base::limit::LABELS;

/// Appends the attributes of a tunnel: its parameters in a nest, and its kind.
pub(super) fn put(request: &mut Requests, encap: &Encap) {
    let kind: u16 = match encap {
        Encap::Mpls(_) => 1,
        Encap::Ip(_) => 2,
        Encap::Ila(_) => 3,
        Encap::Ip6(_) => 4,
    };
    request.nest(RTA_ENCAP | NESTED, |request| match encap {
        Encap::Ip(tunnel) => {
            let address = |addr: Ipv4Addr| addr.octets();
            put_tunnel(request, tunnel, address, 5, 4);
        }
        Encap::Ip6(tunnel) => {
            let address = |addr: Ipv6Addr| addr.octets();
            put_tunnel(request, tunnel, address, 5, 4);
        }
        Encap::Mpls(labels) => put_labels(request, labels),
        Encap::Ila(locator) => request.attribute(ILA_ATTR_LOCATOR, &locator.to_be_bytes()),
    });
    request.attribute(RTA_ENCAP_TYPE, &kind.to_ne_bytes());
}

fn put_tunnel<A: Copy, const N: usize>(
    request: &mut Requests,
    tunnel: &Tunnel<A>,
    octets: impl Fn(A) -> [u8; N],
    class: u16,
    hops: u16,
) {
    if let Some(id) = tunnel.id {
        request.attribute(1_u16, &id.to_be_bytes());
    }
    if let Some(destination) = tunnel.destination {
        request.attribute(2_u16, &octets(destination));
    }
    if let Some(source) = tunnel.source {
        request.attribute(3_u16, &octets(source));
    }
    if let Some(value) = tunnel.class {
        request.attribute(class, &[value]);
    }
    if let Some(value) = tunnel.hops {
        request.attribute(hops, &[value]);
    }
    if let Some(flags) = tunnel.flags {
        request.attribute(6_u16, &flags.to_be_bytes());
    }
}

/// RFC 3032 label stack entries: label, bottom of stack at the last one, no TTL.
fn put_labels(request: &mut Requests, labels: &[u32]) {
    let mut stack: heapless::Vec<u8, { 4 * LABELS }> = heapless::Vec::new();
    for (position, label) in labels.iter().enumerate() {
        let bottom = u32::from(position + 1 == labels.len());
        // The configuration takes no more than there is room for.
        let _ = stack.extend_from_slice(&(label << 12 | bottom << 8).to_be_bytes());
    }
    request.attribute(MPLS_IPTUNNEL_DST, &stack);
}

/// NLA_F_NESTED; iproute2 marks this attribute with it, and no other of a route.
const NESTED: u16 = 0x8000;
// From the kernel's rtnetlink.h; libc has them for some C libraries only.
const RTA_ENCAP_TYPE: u16 = 21;
pub(super) const RTA_ENCAP: u16 = 22;
// From mpls_iptunnel.h and ila.h.
const MPLS_IPTUNNEL_DST: u16 = 1;
const ILA_ATTR_LOCATOR: u16 = 1;

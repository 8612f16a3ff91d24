//! Unsolicited neighbour advertisement (RFC 4861 sections 4.4 and 7.2.6; RFC 9568 section 7.1 step 115).

use super::checksum::Checksum;
use super::ethernet;
use crate::base::addr::{IpAddr, Ipv6Addr};
use crate::base::bytes::{Short, Writer};
use crate::base::mac::Mac;

/// Octets of the frame: Ethernet 14, IPv6 40, advertisement 24, target link-layer address option 8.
pub const UNSOLICITED: usize = 86;

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_NODES_MAC: Mac = Mac([0x33, 0x33, 0, 0, 0, 1]);
const ICMPV6: u8 = 58;
const LENGTH: u16 = 32;
const FLAG_ROUTER: u8 = 0x80;
const FLAG_OVERRIDE: u8 = 0x20;

/// Writes the frame that tells every node that `addr` is at `mac`; `router` if this host forwards.
///
/// # Errors
/// [`Short`] if [`UNSOLICITED`] octets do not fit.
pub fn emit_unsolicited(out: &mut Writer<'_>, mac: Mac, addr: Ipv6Addr, router: bool) -> Result<(), Short> {
    ethernet::emit(out, ALL_NODES_MAC, mac, ethernet::TYPE_IPV6)?;
    out.put(&[0x60, 0, 0, 0])?;
    out.u16(LENGTH)?;
    out.put(&[ICMPV6, 255])?; // hop limit 255: RFC 4861 section 7.1.2 refuses any other
    out.put(&addr.octets())?;
    out.put(&ALL_NODES.octets())?;
    let mut body = [0; LENGTH as usize];
    let mut icmp = Writer::new(&mut body);
    icmp.put(&[136, 0, 0, 0])?;
    icmp.u8(if router { FLAG_ROUTER | FLAG_OVERRIDE } else { FLAG_OVERRIDE })?;
    icmp.put(&[0; 3])?;
    icmp.put(&addr.octets())?;
    icmp.put(&[2, 1])?; // option: target link-layer address, one unit of 8 octets
    icmp.put(&mac.0)?;
    let sum = Checksum::new()
        .add_pseudo_header(&IpAddr::V6(addr), &IpAddr::V6(ALL_NODES), ICMPV6, LENGTH)
        .over(icmp.written())
        .finish();
    icmp.patch_u16(2, sum)?;
    out.put(&body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_advertisement_that_keepalived_sends() {
        let mut out = [0; UNSOLICITED];
        let mut writer = Writer::new(&mut out);
        let addr = "fd09::150".parse().unwrap();
        emit_unsolicited(&mut writer, Mac([2, 0, 0, 0, 0, 1]), addr, false).unwrap();
        let icmp: [u8; 32] = [
            0x88, 0x00, 0x57, 0xeb, 0x20, 0, 0, 0, 0xfd, 0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01,
            0x50, 2, 1, 2, 0, 0, 0, 0, 1,
        ];
        assert_eq!(out[54..], icmp);
        let head: [u8; 54] = [
            0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 32, 58, 255, 0xfd, 0x09,
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x01, 0x50, 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 1,
        ];
        assert_eq!(out[..54], head);
    }

    /// Receivers drop it with another hop limit, another code, a wrong checksum or length (RFC 4861 section 7.1.2), and
    /// only the override flag has them take the new hardware address for the one they know (section 7.2.5).
    #[test]
    fn a_router_says_that_it_is_one_and_nothing_else_differs() {
        let frame = |router| {
            let mut out = [0; UNSOLICITED];
            let addr = "fe80::9:1".parse().unwrap();
            emit_unsolicited(&mut Writer::new(&mut out), Mac([2, 0, 0, 0, 0, 7]), addr, router).unwrap();
            out
        };
        let (host, router) = (frame(false), frame(true));
        assert_eq!((host[58], router[58]), (0x20, 0xa0));
        for (out, other) in [(host, router), (router, host)] {
            assert_eq!(out[21], 255);
            let pairs = out.iter().zip(&other).enumerate().filter(|(_, (one, other))| one != other);
            let differ: Vec<usize> = pairs.map(|(at, _)| at).collect();
            assert_eq!(differ, [56, 57, 58], "checksum and flags");
            // The pseudo header (RFC 8200 section 8.1) and the message come to all ones.
            let words = out[22..].chunks(2).map(|pair| u16::from_be_bytes(pair.try_into().unwrap()));
            let words = words.map(u32::from);
            let sum = words.sum::<u32>() + 58 + 32;
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
        }
        let mut short = [0; UNSOLICITED - 1];
        let addr = "fe80::9:1".parse().unwrap();
        assert_eq!(emit_unsolicited(&mut Writer::new(&mut short), Mac([0; 6]), addr, true), Err(Short));
    }
}

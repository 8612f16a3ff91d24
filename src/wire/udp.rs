//! The UDP header (RFC 768) in front of a payload, for those who send it by a raw socket.

use super::checksum::Checksum;
use crate::base::addr::IpAddr;
use crate::base::bytes::{Short, Writer};

/// The protocol number.
pub const PROTOCOL: u8 = 17;
/// Octets of the header.
pub const HEADER: usize = 8;

/// Writes the header, with its checksum, and the payload. Each end is an address and a port.
///
/// # Errors
/// [`Short`] if they do not fit, or the payload is longer than a datagram can be.
pub fn emit(
    out: &mut Writer<'_>,
    (source, from): (&IpAddr, u16),
    (destination, to): (&IpAddr, u16),
    payload: &[u8],
) -> Result<(), Short> {
    let len = u16::try_from(payload.len().saturating_add(HEADER)).map_err(|_| Short)?;
    let mut header = [0; HEADER];
    let mut start = Writer::new(&mut header);
    for word in [from, to, len, 0] {
        start.u16(word)?;
    }
    let sum =
        Checksum::new().add_pseudo_header(source, destination, PROTOCOL, len).over(&header).over(payload);
    for word in [from, to, len] {
        out.u16(word)?;
    }
    // Zero on the wire says that there is no checksum.
    out.u16(match sum.finish() {
        0 => u16::MAX,
        sum => sum,
    })?;
    out.put(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_carries_a_checksum_that_is_right_and_never_zero() {
        for (source, destination) in [("192.0.2.1", "192.0.2.2"), ("fd09::1", "fd09::2")] {
            let (source, destination): (IpAddr, IpAddr) =
                (source.parse().unwrap(), destination.parse().unwrap());
            for payload in 0..=u16::MAX {
                let mut room = [0; HEADER + 2];
                let mut out = Writer::new(&mut room);
                emit(&mut out, (&source, 49_152), (&destination, 3_784), &payload.to_be_bytes()).unwrap();
                assert_eq!(room[..6], [0xc0, 0, 0x0e, 0xc8, 0, 10]);
                assert_ne!(room[6..8], [0, 0]);
                let sum = Checksum::new().add_pseudo_header(&source, &destination, PROTOCOL, 10).over(&room);
                assert_eq!(sum.finish(), 0);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let end: IpAddr = "192.0.2.1".parse().unwrap();
        let mut room = [0; HEADER];
        assert_eq!(emit(&mut Writer::new(&mut room), (&end, 1), (&end, 2), &[0]), Err(Short));
        assert_eq!(emit(&mut Writer::new(&mut room), (&end, 1), (&end, 2), &[0; 65_536]), Err(Short));
    }
}

//! The IPv4 header (RFC 791), as raw sockets deliver it and as adverts carry it.

use super::checksum::Checksum;
use crate::base::addr::Ipv4Addr;
use crate::base::bytes::{Reader, Short, Writer};

/// Octets of a header without options.
pub const HEADER: usize = 20;
/// Type of service of adverts: precedence "internetwork control" (0xc0).
pub const TOS_CONTROL: u8 = 0xc0;

/// What a receiver needs of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Sender.
    pub source: Ipv4Addr,
    /// Receiver or group.
    pub destination: Ipv4Addr,
    /// Time to live: 255 if no router forwarded it.
    pub ttl: u8,
    /// Protocol of the payload.
    pub protocol: u8,
}

/// Why octets are no IPv4 packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than its header or than the total length says.
    Short,
    /// Version other than 4, or a header length below 20.
    Header,
}

impl From<Short> for Malformed {
    fn from(_: Short) -> Self {
        Self::Short
    }
}

/// Splits a packet into header and payload. Options are skipped; the kernel has checked the header's checksum.
///
/// # Errors
/// [`Malformed`] if the octets are no whole packet.
pub fn parse(packet: &[u8]) -> Result<(Header, &[u8]), Malformed> {
    let mut reader = Reader::new(packet);
    let first = reader.u8()?;
    let header_len = usize::from(first & 0x0f).saturating_mul(4);
    if first >> 4 != 4 || header_len < HEADER {
        return Err(Malformed::Header);
    }
    reader.u8()?;
    let total = usize::from(reader.u16()?);
    reader.take(4)?;
    let [ttl, protocol] = reader.array()?;
    reader.u16()?;
    let (source, destination) = (reader.ipv4()?, reader.ipv4()?);
    let payload = packet.get(header_len..total).ok_or(Malformed::Short)?;
    Ok((Header { source, destination, ttl, protocol }, payload))
}

/// Writes a header without options in front of `payload_len` octets.
///
/// # Errors
/// [`Short`] if 20 octets do not fit or the packet would be longer than 65,535.
pub fn emit(out: &mut Writer<'_>, header: Header, id: u16, payload_len: usize) -> Result<(), Short> {
    let total = payload_len.checked_add(HEADER).and_then(|len| u16::try_from(len).ok()).ok_or(Short)?;
    let start = out.len();
    out.put(&[0x45, TOS_CONTROL])?;
    out.u16(total)?;
    out.u16(id)?;
    out.u16(0)?;
    out.put(&[header.ttl, header.protocol])?;
    out.u16(0)?;
    out.put(&header.source.octets())?;
    out.put(&header.destination.octets())?;
    let sum = Checksum::new().over(out.written().get(start..).unwrap_or_default()).finish();
    out.patch_u16(start.saturating_add(10), sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first 20 octets of a whole version 2 frame of keepalived.
    const SEEN: [u8; HEADER] =
        [0x45, 0xc0, 0x00, 0x28, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70, 0xd0, 0x88, 10, 9, 0, 1, 224, 0, 0, 18];

    #[test]
    fn the_header_that_keepalived_sends() {
        let header = Header {
            source: Ipv4Addr::new(10, 9, 0, 1),
            destination: Ipv4Addr::new(224, 0, 0, 18),
            ttl: 255,
            protocol: 112,
        };
        let mut out = [0; HEADER];
        emit(&mut Writer::new(&mut out), header, 1, 20).unwrap();
        assert_eq!(out, SEEN);
        let mut packet = [0; 40];
        packet[..HEADER].copy_from_slice(&SEEN);
        assert_eq!(parse(&packet), Ok((header, &packet[HEADER..])));
    }

    #[test]
    fn what_is_not_whole_is_refused() {
        assert_eq!(parse(&SEEN), Err(Malformed::Short));
        assert_eq!(parse(&[]), Err(Malformed::Short));
        let mut packet = [0; 40];
        packet[..HEADER].copy_from_slice(&SEEN);
        packet[0] = 0x44;
        assert_eq!(parse(&packet), Err(Malformed::Header));
        packet[0] = 0x65;
        assert_eq!(parse(&packet), Err(Malformed::Header));
        packet[0] = 0x4f;
        assert_eq!(parse(&packet), Err(Malformed::Short));
        packet[0] = 0x45;
        packet[3] = 10;
        assert_eq!(parse(&packet), Err(Malformed::Short));
    }
}

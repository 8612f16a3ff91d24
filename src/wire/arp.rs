//! Gratuitous ARP (RFC 826, RFC 5227 section 3; RFC 9568 section 7.1 step 110 asks for it).
//!
//! An ARP request whose sender and target protocol address are both the announced address, sent to all
//! stations. keepalived fills the target hardware address with ones; so do we.

use super::ethernet;
use crate::base::addr::Ipv4Addr;
use crate::base::bytes::{Short, Writer};
use crate::base::mac::Mac;

/// Octets of the frame, header included.
pub const GRATUITOUS: usize = 42;

/// Writes the frame that tells every station that `addr` is at `mac`.
///
/// # Errors
/// [`Short`] if [`GRATUITOUS`] octets do not fit.
pub fn emit_gratuitous(out: &mut Writer<'_>, mac: Mac, addr: Ipv4Addr) -> Result<(), Short> {
    ethernet::emit(out, Mac::BROADCAST, mac, ethernet::TYPE_ARP)?;
    out.u16(1)?; // hardware: Ethernet
    out.u16(0x0800)?; // protocol: IPv4
    out.put(&[6, 4])?;
    out.u16(1)?; // request
    out.put(&mac.0)?;
    out.put(&addr.octets())?;
    out.put(&Mac::BROADCAST.0)?;
    out.put(&addr.octets())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_that_keepalived_sends() {
        let mut out = [0; GRATUITOUS];
        let mut writer = Writer::new(&mut out);
        emit_gratuitous(&mut writer, Mac([2, 0, 0, 0, 0, 1]), Ipv4Addr::new(10, 9, 0, 100)).unwrap();
        let expected: [u8; GRATUITOUS] = [
            0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0,
            0, 1, 10, 9, 0, 100, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 10, 9, 0, 100,
        ];
        assert_eq!(out, expected);
        assert_eq!(
            emit_gratuitous(&mut Writer::new(&mut out[..41]), Mac::BROADCAST, Ipv4Addr::LOCALHOST),
            Err(Short)
        );
    }
}

//! Ethernet II framing.

use crate::base::bytes::{Short, Writer};
use crate::base::mac::Mac;

/// Octets of an Ethernet header.
pub const HEADER: usize = 14;
/// EtherType of IPv6.
pub const TYPE_IPV6: u16 = 0x86dd;
/// EtherType of ARP.
pub const TYPE_ARP: u16 = 0x0806;

/// Puts a header in front of what follows.
///
/// # Errors
/// [`Short`] if it does not fit.
pub fn emit(out: &mut Writer<'_>, destination: Mac, source: Mac, ether_type: u16) -> Result<(), Short> {
    out.put(&destination.0)?;
    out.put(&source.0)?;
    out.u16(ether_type)
}

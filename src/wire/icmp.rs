//! Echoes of ICMP (RFC 792) and ICMPv6 (RFC 4443 section 4), as a socket that is for echoes alone carries them: from
//! the type on. The kernel puts the identifier of the socket into what is sent, and the checksum with it.

use crate::base::addr::Family;
use crate::base::bytes::{Reader, Short, Writer};

/// An echo: what a request asks for and its reply repeats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo<'a> {
    /// Its sequence number.
    pub sequence: u16,
    /// Any octets.
    pub data: &'a [u8],
}

const fn request(family: Family) -> u8 {
    match family {
        Family::V4 => 8,
        Family::V6 => 128,
    }
}

const fn reply(family: Family) -> u8 {
    match family {
        Family::V4 => 0,
        Family::V6 => 129,
    }
}

impl<'a> Echo<'a> {
    /// Writes a request; how long it is.
    ///
    /// # Errors
    /// [`Short`] if it does not fit.
    pub fn emit(&self, family: Family, out: &mut [u8]) -> Result<usize, Short> {
        let mut writer = Writer::new(out);
        // Code, checksum and identifier are 0.
        writer.put(&[request(family), 0, 0, 0, 0, 0])?;
        writer.u16(self.sequence)?;
        writer.put(self.data)?;
        Ok(writer.len())
    }

    /// Reads a reply; none if it is something else.
    #[must_use]
    pub fn parse(family: Family, octets: &'a [u8]) -> Option<Self> {
        let mut reader = Reader::new(octets);
        let [kind, code, _, _, _, _] = reader.array::<6>().ok()?;
        let sequence = reader.u16().ok()?;
        (kind == reply(family) && code == 0).then_some(Self { sequence, data: reader.rest() })
    }
}

#[cfg(test)]
#[allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test ends at the first surprise"
)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_written_and_its_reply_read() {
        for (family, asks, answers) in [(Family::V4, 8, 0), (Family::V6, 128, 129)] {
            let mut out = [0xff; 16];
            let echo = Echo { sequence: 0x0102, data: b"abc" };
            assert_eq!(echo.emit(family, &mut out), Ok(11));
            assert_eq!(out[..11], *[&[asks, 0, 0, 0, 0, 0, 1, 2][..], b"abc"].concat());
            assert_eq!(Echo::parse(family, &out[..11]), None, "a request is no reply");
            out[0] = answers;
            assert_eq!(Echo::parse(family, &out[..11]), Some(echo));
            out[1] = 1;
            assert_eq!(Echo::parse(family, &out[..11]), None);
            assert!((0..8).all(|len| Echo::parse(family, &[0; 8][..len]).is_none()));
            assert_eq!(echo.emit(family, &mut [0; 10]), Err(Short));
        }
    }
}

//! DNS as a check speaks it (RFC 1035 section 4.1): one question, and of a reply whose it is and what it says.

use crate::base::bytes::{Reader, Short, Writer};

/// Octets of the longest question: header, name, type and class.
pub const QUESTION: usize = HEADER + 255 + 4;

/// Octets of a header.
const HEADER: usize = 12;
/// Recursion is desired.
const RD: u16 = 0x0100;
/// The class of the Internet.
const INTERNET: u16 = 1;
/// It is a reply.
const QR: u16 = 0x8000;
/// The kind of question; 0 is the usual one.
const OPCODE: u16 = 0x7800;
/// The code of a reply.
const RCODE: u16 = 0x000f;
/// Octets of the longest label (section 3.1).
const LABEL: usize = 63;
/// Octets of the longest name with the lengths of its labels (section 3.1).
const NAME: usize = 255;

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question<'a> {
    /// What its reply repeats.
    pub id: u16,
    /// The type of record that is asked for.
    pub kind: u16,
    /// The name that is asked for, without its final dot; empty is the root.
    pub name: &'a str,
}

impl Question<'_> {
    /// Writes the message; how long it is.
    ///
    /// # Errors
    /// [`Short`] if it does not fit, or if the name is none.
    pub fn emit(&self, out: &mut [u8]) -> Result<usize, Short> {
        let mut writer = Writer::new(out);
        writer.u16(self.id)?;
        writer.u16(RD)?;
        // One question; no answers, authorities or additional records.
        writer.put(&[0, 1, 0, 0, 0, 0, 0, 0])?;
        let begin = writer.len();
        for label in self.name.split('.').filter(|_| !self.name.is_empty()) {
            let len = u8::try_from(label.len()).map_err(|_| Short)?;
            if !(1..=LABEL).contains(&label.len()) {
                return Err(Short);
            }
            writer.u8(len)?;
            writer.put(label.as_bytes())?;
        }
        writer.u8(0)?;
        if writer.len().saturating_sub(begin) > NAME {
            return Err(Short);
        }
        writer.u16(self.kind)?;
        writer.u16(INTERNET)?;
        Ok(writer.len())
    }
}

/// The head of a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// That of its question.
    pub id: u16,
    /// What it says: 0 is no error (section 4.1.1).
    pub rcode: u8,
}

impl Reply {
    /// Reads a message; none if it is no reply to a usual question.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(octets.get(..HEADER)?);
        let (id, flags) = (reader.u16().ok()?, reader.u16().ok()?);
        if flags & QR == 0 || flags & OPCODE != 0 {
            return None;
        }
        let [_, rcode] = (flags & RCODE).to_be_bytes();
        Some(Self { id, rcode })
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

    fn question(name: &str) -> Result<Vec<u8>, Short> {
        let mut out = [0; QUESTION];
        let len = Question { id: 0x1234, kind: 6, name }.emit(&mut out)?;
        Ok(out[..len].to_vec())
    }

    #[test]
    fn the_root_is_one_zero_octet_and_labels_have_their_lengths() {
        let head = [0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        assert_eq!(question("").unwrap(), [&head[..], &[0, 0, 6, 0, 1]].concat());
        let name = b"\x07example\x04test\0";
        assert_eq!(question("example.test").unwrap(), [&head[..], name, &[0, 6, 0, 1]].concat());
    }

    #[test]
    fn what_is_no_name_is_refused() {
        let long = "a".repeat(64);
        let many = ["a"; 128].join(".");
        for name in ["a..b", ".", ".a", &long, &many] {
            assert_eq!(question(name), Err(Short), "{name}");
        }
        assert!(question(&"a".repeat(63)).is_ok());
        // 127 labels of one octet and the root are 255 octets.
        assert_eq!(question(&["a"; 127].join(".")).unwrap().len(), QUESTION);
        let mut small = [0; QUESTION - 1];
        let most = ["a"; 127].join(".");
        assert_eq!(Question { id: 1, kind: 1, name: &most }.emit(&mut small), Err(Short));
    }

    #[test]
    fn only_a_reply_is_one() {
        let reply = |flags: u16| {
            let [high, low] = flags.to_be_bytes();
            Reply::parse(&[0xab, 0xcd, high, low, 0, 1, 0, 0, 0, 0, 0, 0, 0xff])
        };
        assert_eq!(reply(0x8180), Some(Reply { id: 0xabcd, rcode: 0 }));
        assert_eq!(reply(0x8183), Some(Reply { id: 0xabcd, rcode: 3 }));
        assert_eq!(reply(0x0100), None, "a question");
        assert_eq!(reply(0xa000), None, "an answer to a notification");
        for len in 0..HEADER {
            assert_eq!(Reply::parse(&[0xff; HEADER][..len]), None);
        }
    }
}

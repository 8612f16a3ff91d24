//! Netlink messages as octets: appended for sending without the heap, walked after receiving without trust.
//!
//! ```text
//! nlmsghdr { length u32, kind u16, flags u16, sequence u32, port u32 }, fixed part, attributes
//! attribute { length u16, kind u16 }, payload, padding to 4; all in the machine's byte order
//! ```

use std::io::Cursor;

use neli::consts::nl::NlmF;
use neli::nl::{NlPayload, Nlmsghdr, NlmsghdrBuilder};
use neli::{Size, ToBytes};

/// A buffer of requests, filled front to back. It never grows past the capacity that it was made with.
pub(in crate::sys) struct Requests {
    out: Cursor<Vec<u8>>,
    capacity: usize,
    overflow: bool,
}

/// There is no room for another request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Requests {
    /// An empty buffer of `capacity` octets.
    pub(in crate::sys) fn new(capacity: usize) -> Self {
        Self { out: Cursor::new(Vec::with_capacity(capacity)), capacity, overflow: false }
    }

    /// Everything appended since the last [`Self::clear`].
    pub(in crate::sys) fn octets(&self) -> &[u8] {
        self.out.get_ref()
    }

    /// Empties the buffer and keeps its memory.
    pub(super) fn clear(&mut self) {
        self.truncate(0);
    }

    /// Octets that fit in all.
    pub(super) const fn capacity(&self) -> usize {
        self.capacity
    }

    /// Appends one message: header and fixed part by neli, attributes by `attributes`. The fixed part has a multiple of
    /// 4 octets.
    ///
    /// # Errors
    /// [`Full`]: nothing is appended.
    pub(in crate::sys) fn append(
        &mut self,
        kind: u16,
        flags: NlmF,
        sequence: u32,
        fixed: impl Size + ToBytes,
        attributes: &mut dyn FnMut(&mut Self),
    ) -> Result<(), Full> {
        let start = self.len();
        let head = HEADER.saturating_add(fixed.padded_size());
        self.overflow = start.saturating_add(head) > self.capacity || !self.put_header(kind, flags, sequence);
        if !self.overflow {
            self.overflow = fixed.to_bytes(&mut self.out).is_err();
        }
        if !self.overflow {
            attributes(self);
        }
        self.end(start)
    }

    /// Gives the first message another sequence number.
    pub(super) fn renumber(&mut self, sequence: u32) {
        self.patch(SEQUENCE, &sequence.to_ne_bytes());
    }

    /// Appends an attribute.
    pub(in crate::sys) fn attribute(&mut self, kind: impl Into<u16>, payload: &[u8]) {
        self.put_attribute(kind.into(), payload);
    }

    /// Appends text with its terminator as an attribute.
    pub(in crate::sys) fn text(&mut self, kind: impl Into<u16>, text: &str) {
        self.put_text(kind.into(), text);
    }

    /// Appends an attribute that holds what `inner` appends.
    pub(in crate::sys) fn nest(&mut self, kind: impl Into<u16>, inner: impl FnOnce(&mut Self)) {
        let start = self.len();
        self.attribute(kind, &[]);
        inner(self);
        self.end_attribute(start);
    }

    /// Appends what `inner` appends behind its length in 16 bits and a head of `first` and `second`: a struct
    /// rtnexthop.
    pub(super) fn sized(&mut self, first: &[u8; 2], second: &[u8; 4], inner: impl FnOnce(&mut Self)) {
        let start = self.len();
        self.put(&[0; 2]);
        self.put(first);
        self.put(second);
        inner(self);
        self.end_attribute(start);
    }

    /// Appends plain octets, for the fixed parts that stand inside attributes.
    #[cfg(test)]
    pub(super) fn plain(&mut self, octets: &[u8]) {
        self.put(octets);
    }

    fn put_attribute(&mut self, kind: u16, payload: &[u8]) {
        let length = ATTRIBUTE_HEADER.saturating_add(payload.len());
        let Ok(short) = u16::try_from(length) else {
            self.overflow = true;
            return;
        };
        self.put(&short.to_ne_bytes());
        self.put(&kind.to_ne_bytes());
        self.put(payload);
        let padding = aligned(payload.len()).saturating_sub(payload.len());
        self.put([0; 4].get(..padding).unwrap_or_default());
    }

    fn put_text(&mut self, kind: u16, text: &str) {
        let mut octets: heapless::Vec<u8, 64> = heapless::Vec::new();
        if octets.extend_from_slice(text.as_bytes()).is_err() || octets.push(0).is_err() {
            self.overflow = true;
            return;
        }
        self.put_attribute(kind, &octets);
    }

    fn put_header(&mut self, kind: u16, flags: NlmF, sequence: u32) -> bool {
        let header: Result<Nlmsghdr<u16, ()>, _> = NlmsghdrBuilder::default()
            .nl_type(kind)
            .nl_flags(flags)
            .nl_seq(sequence)
            .nl_payload(NlPayload::Empty)
            .build();
        header.is_ok_and(|header| header.to_bytes(&mut self.out).is_ok())
    }

    /// Writes the length in 16 bits of what begins at `start`.
    fn end_attribute(&mut self, start: usize) {
        let length = u16::try_from(self.len().saturating_sub(start)).unwrap_or(0);
        if length == 0 || !self.patch(start, &length.to_ne_bytes()) {
            self.overflow = true;
        }
    }

    /// Writes the length of the message that begins at `start`, or takes what is there of it off again.
    fn end(&mut self, start: usize) -> Result<(), Full> {
        let length = u32::try_from(self.len().saturating_sub(start)).unwrap_or(0);
        if !self.overflow && self.patch(start, &length.to_ne_bytes()) {
            return Ok(());
        }
        self.truncate(start);
        Err(Full)
    }

    fn put(&mut self, octets: &[u8]) {
        let end = self.len().saturating_add(octets.len());
        if self.overflow || end > self.capacity {
            self.overflow = true;
            return;
        }
        self.out.get_mut().extend_from_slice(octets);
        self.out.set_position(end as u64);
    }

    fn patch(&mut self, at: usize, octets: &[u8]) -> bool {
        let end = at.saturating_add(octets.len());
        self.out.get_mut().get_mut(at..end).map(|room| room.copy_from_slice(octets)).is_some()
    }

    fn len(&self) -> usize {
        self.out.get_ref().len()
    }

    fn truncate(&mut self, len: usize) {
        self.out.get_mut().truncate(len);
        self.out.set_position(len as u64);
    }
}

/// One received message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Message<'a> {
    /// RTM_ or NLMSG_ number.
    pub(super) kind: u16,
    /// NLM_F_ bits.
    pub(super) flags: u16,
    /// The number of the request that it answers; 0 if none.
    pub(super) sequence: u32,
    /// What follows the header.
    pub(super) payload: &'a [u8],
}

impl<'a> Message<'a> {
    /// The first message of a datagram, even if the rest of it was cut off.
    pub(super) fn clipped(octets: &'a [u8]) -> Option<Self> {
        let (length, rest) = octets.split_first_chunk::<4>()?;
        let (kind, rest) = rest.split_first_chunk::<2>()?;
        let (flags, rest) = rest.split_first_chunk::<2>()?;
        let (sequence, _) = rest.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_ne_bytes(*length)).ok()?;
        Some(Self {
            kind: u16::from_ne_bytes(*kind),
            flags: u16::from_ne_bytes(*flags),
            sequence: u32::from_ne_bytes(*sequence),
            payload: octets.get(HEADER..length.min(octets.len()))?,
        })
    }
}

/// The messages of one datagram; ends at the first one that does not fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Messages<'a>(pub(super) &'a [u8]);

impl<'a> Iterator for Messages<'a> {
    type Item = Message<'a>;

    fn next(&mut self) -> Option<Message<'a>> {
        let length = self.0.first_chunk::<4>().copied().map(u32::from_ne_bytes)?;
        let length = usize::try_from(length).ok()?;
        let message = Message::clipped(self.0.get(..length)?)?;
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some(message)
    }
}

/// The attributes of a message or of a nest: number without its flag bits, and payload. Ends at the first one
/// that does not fit.
#[derive(Clone, Copy, Debug)]
pub(in crate::sys) struct Attributes<'a>(pub(in crate::sys) &'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (u16, &'a [u8]);

    fn next(&mut self) -> Option<(u16, &'a [u8])> {
        let (length, rest) = self.0.split_first_chunk::<2>()?;
        let (kind, _) = rest.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_ne_bytes(*length));
        let payload = self.0.get(ATTRIBUTE_HEADER..length)?;
        self.0 = self.0.get(aligned(length)..).unwrap_or_default();
        Some((u16::from_ne_bytes(*kind) & KIND_MASK, payload))
    }
}

/// The first octet of a payload.
pub(in crate::sys) fn octet(payload: &[u8]) -> Option<u8> {
    payload.first().copied()
}

/// A number of 32 bits in the machine's byte order.
pub(in crate::sys) fn number(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().copied().map(u32::from_ne_bytes)
}

/// Text without its terminator; `None` if it is no UTF-8.
pub(in crate::sys) fn text(payload: &[u8]) -> Option<&str> {
    let end = payload.iter().position(|octet| *octet == 0).unwrap_or(payload.len());
    std::str::from_utf8(payload.get(..end)?).ok()
}

/// Rounds up to the alignment of netlink.
pub(super) const fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

/// Octets of nlmsghdr.
pub(super) const HEADER: usize = 16;

/// Where nlmsg_seq is in nlmsghdr.
const SEQUENCE: usize = 8;

/// Octets of an attribute's header.
const ATTRIBUTE_HEADER: usize = 4;

/// The attribute number without NLA_F_NESTED and NLA_F_NET_BYTEORDER.
const KIND_MASK: u16 = 0x3fff;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::netlink::test_octets::noise;
    use neli::consts::rtnl::RtAddrFamily;
    use neli::rtnl::IfinfomsgBuilder;

    fn link() -> neli::rtnl::Ifinfomsg {
        IfinfomsgBuilder::default().ifi_family(RtAddrFamily::Unspecified).build().unwrap()
    }

    #[test]
    fn what_was_appended_is_walked() {
        let mut requests = Requests::new(256);
        for sequence in [7, 8] {
            requests
                .append(libc::RTM_NEWLINK, NlmF::REQUEST, sequence, link(), &mut |request| {
                    request.text(3_u16, "eth0");
                    request.nest(18_u16, |nest| nest.attribute(1_u16, &[1, 2, 3]));
                })
                .unwrap();
        }
        let messages: Vec<_> = Messages(requests.octets()).collect();
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[1].sequence, 8);
        assert_eq!(messages[1].kind, libc::RTM_NEWLINK);
        let attributes: Vec<_> = Attributes(&messages[1].payload[16..]).collect();
        assert_eq!(attributes[0], (3, &b"eth0\0"[..]));
        assert_eq!(Attributes(attributes[1].1).next(), Some((1, &[1, 2, 3][..])));
    }

    #[test]
    fn a_full_buffer_keeps_what_it_has_and_does_not_grow() {
        let mut requests = Requests::new(100);
        let append = |requests: &mut Requests, octets: usize| {
            requests.append(libc::RTM_NEWLINK, NlmF::REQUEST, 1, link(), &mut |request| {
                request.nest(1_u16, |nest| nest.attribute(2_u16, &vec![0; octets]));
            })
        };
        append(&mut requests, 8).unwrap();
        assert_eq!(requests.octets().len(), 48);
        assert_eq!(append(&mut requests, 13), Err(Full));
        assert_eq!(append(&mut requests, 70_000), Err(Full));
        assert_eq!(requests.octets().len(), 48);
        append(&mut requests, 12).unwrap();
        assert_eq!(Messages(requests.octets()).count(), 2);
        assert_eq!(append(&mut requests, 0), Err(Full));
        requests.clear();
        append(&mut requests, 8).unwrap();
        assert_eq!(requests.octets().len(), 48);
    }

    #[test]
    fn any_octets_are_walked_to_an_end() {
        let mut seed = 1_u32;
        for _ in 0..20_000 {
            let octets = noise(&mut seed, 40, 0x3f);
            assert!(Messages(&octets).count() <= 3);
            assert!(Attributes(&octets).count() <= 10);
        }
    }
}

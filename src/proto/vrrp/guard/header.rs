//! The numbers of authentication headers (RFC 2402 section 3.3.2 and 3.4.3), as keepalived counts them: all routers
//! of one virtual router go on counting where the last advert was, whoever sent it.

use super::Seal;
use crate::proto::vrrp::reject::Reject;
use crate::wire::ah;

/// The count of one virtual router.
#[derive(Clone, Debug)]
pub struct Header {
    key: ah::Key,
    /// The highest number sent or accepted; 0: none yet.
    last: u32,
    /// Numbers sent are higher than this, whatever was heard.
    floor: u32,
    /// Where the caller keeps the count, by a number of its own; 0: nowhere.
    pub mark: u32,
}

impl Header {
    /// A count that has heard nothing. What it sends is numbered above `floor`: the peers may remember what was sent
    /// before a crash or a restart.
    #[must_use]
    pub fn new(key: ah::Key, floor: u32) -> Self {
        Self { key, last: 0, floor: floor.min(HIGHEST_FLOOR), mark: 0 }
    }

    /// Goes on with the count of a predecessor, kept by this mark.
    pub fn resume(&mut self, last: u32, mark: u32) {
        self.last = self.last.max(last);
        self.mark = mark;
    }

    /// Judges a header. A number that is not higher than the last is a replay.
    ///
    /// # Errors
    /// The reason to refuse it.
    pub fn judge(&mut self, header: &ah::Header<'_>) -> Result<(), Reject> {
        if !header.holds(&self.key) {
            return Err(Reject::Header);
        }
        if header.sequence <= self.last {
            return Err(Reject::Sequence { received: header.sequence, local: self.last });
        }
        self.last = header.sequence;
        Ok(())
    }

    /// Counts one advert to send.
    pub fn advance(&mut self) {
        self.last = self.last.max(self.floor).saturating_add(1);
    }

    /// What goes around it.
    #[must_use]
    pub const fn seal(&self) -> Seal<'_> {
        Seal::Header { key: &self.key, sequence: self.last }
    }

    /// The highest number sent or accepted.
    #[must_use]
    pub const fn last(&self) -> u32 {
        self.last
    }

    /// Goes on with the count of before a reload.
    pub fn inherit(&mut self, before: &Self) {
        self.last = before.last;
        self.floor = before.floor;
        self.mark = before.mark;
    }
}

/// The floor is made of the wall clock. If that is far off, this many numbers are left all the same.
const HIGHEST_FLOOR: u32 = 0xe000_0000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::addr::Ipv4Addr;
    use crate::base::bytes::Writer;
    use crate::wire::ipv4;

    fn packet(password: &[u8], sequence: u32) -> Vec<u8> {
        let mut buffer = [0; 128];
        let mut out = Writer::new(&mut buffer);
        let source = Ipv4Addr::new(10, 9, 0, 1);
        let header = ipv4::Header { source, destination: source, ttl: 255, protocol: ah::PROTOCOL };
        ipv4::emit(&mut out, header, 1, ah::HEADER).unwrap();
        ah::emit(&mut out, source, sequence).unwrap();
        ah::seal(&mut out, 0, &ah::Key::new(password)).unwrap();
        out.written().to_vec()
    }

    fn judge(count: &mut Header, password: &[u8], sequence: u32) -> Result<(), Reject> {
        count.judge(&ah::Header::parse(&packet(password, sequence)).unwrap())
    }

    fn sent(count: &mut Header) -> u32 {
        count.advance();
        match count.seal() {
            Seal::Header { sequence, .. } => sequence,
            _ => 0,
        }
    }

    #[test]
    fn a_number_counts_once_and_only_with_the_key() {
        let mut count = Header::new(ah::Key::new(b"one"), 0);
        assert_eq!(judge(&mut count, b"one", 5_000), Ok(()));
        assert_eq!(judge(&mut count, b"one", 5_000), Err(Reject::Sequence { received: 5_000, local: 5_000 }));
        assert_eq!(judge(&mut count, b"one", 4), Err(Reject::Sequence { received: 4, local: 5_000 }));
        assert_eq!(judge(&mut count, b"two", 6_000), Err(Reject::Header));
        assert_eq!(judge(&mut count, b"one", 5_001), Ok(()));
        assert_eq!(sent(&mut count), 5_002, "whoever takes over goes on from there");
    }

    #[test]
    fn what_is_sent_lies_above_the_floor_and_what_is_heard_need_not() {
        let mut count = Header::new(ah::Key::new(b"one"), 1_000);
        assert_eq!(judge(&mut count, b"one", 7), Ok(()));
        assert_eq!((sent(&mut count), sent(&mut count)), (1_001, 1_002));
        let mut far = Header::new(ah::Key::new(b"one"), u32::MAX);
        assert!(sent(&mut far) < u32::MAX - 1_000_000);
    }

    #[test]
    fn a_replacement_starts_above_everything_sent() {
        let mut count = Header::new(ah::Key::new(b"one"), 1_000);
        count.resume(5_000, 7);
        assert!(
            judge(&mut count, b"one", 5_000).is_err(),
            "and believes nothing that its predecessor has heard"
        );
        assert_eq!(sent(&mut count), 5_001);
        assert_eq!((count.last(), count.mark), (5_001, 7));
    }

    #[test]
    fn a_reload_goes_on_counting() {
        let mut before = Header::new(ah::Key::new(b"one"), 100);
        judge(&mut before, b"one", 500).unwrap();
        let mut after = Header::new(ah::Key::new(b"two"), 0);
        after.inherit(&before);
        assert!(judge(&mut after, b"two", 500).is_err());
        assert_eq!(sent(&mut after), 501);
    }
}

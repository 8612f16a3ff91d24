//! What a UDP check sends and which reply it accepts.

/// One exchange.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Params {
    /// What is sent; none: data of no meaning.
    pub payload: Option<Box<[u8]>>,
    /// A reply must come and begin like this; without one a check succeeds unless an error comes.
    pub reply: Option<Pattern>,
    /// Shortest accepted reply in octets.
    pub shortest: u16,
    /// Longest accepted reply in octets.
    pub longest: u16,
}

impl Default for Params {
    fn default() -> Self {
        Self { payload: None, reply: None, shortest: 0, longest: 255 }
    }
}

/// How a reply begins; empty: any reply.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pattern {
    /// For each octet its value, and which bits of it count.
    pub octets: Box<[(u8, u8)]>,
}

impl Pattern {
    /// Whether the reply begins like this.
    #[must_use]
    pub fn matches(&self, reply: &[u8]) -> bool {
        reply.len() >= self.octets.len()
            && self.octets.iter().zip(reply).all(|((value, mask), octet)| octet & mask == value & mask)
    }
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn a_reply_begins_like_its_pattern() {
        let pattern = Pattern { octets: Box::new([(0x12, 0xff), (0x30, 0xf0), (0, 0)]) };
        assert!(pattern.matches(&[0x12, 0x3f, 0xff, 9]));
        assert!(pattern.matches(&[0x12, 0x30, 0]));
        assert!(!pattern.matches(&[0x12, 0x40, 0]));
        assert!(!pattern.matches(&[0x12, 0x30]));
        assert!(Pattern::default().matches(&[]));
    }
}

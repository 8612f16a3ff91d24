//! Packets that no session took, counted by reason.

use crate::wire::bfd::Malformed;

/// Why a packet is discarded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Discard {
    /// It is no packet of BFD, or none that a session without authentication takes.
    Malformed(Malformed),
    /// No session has its addresses and its discriminator.
    Stranger,
    /// It came by more routers than its session allows.
    TooFar,
}

/// Every reason, in the order of the counts.
const ALL: [Discard; Malformed::COUNT + 2] = [
    Discard::Malformed(Malformed::Short),
    Discard::Malformed(Malformed::Version),
    Discard::Malformed(Malformed::Length),
    Discard::Malformed(Malformed::Multiplier),
    Discard::Malformed(Malformed::Multipoint),
    Discard::Malformed(Malformed::MyDiscriminator),
    Discard::Malformed(Malformed::YourDiscriminator),
    Discard::Malformed(Malformed::Authenticated),
    Discard::Stranger,
    Discard::TooFar,
];

impl Discard {
    /// In words: what the packet is or does.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Malformed(Malformed::Short) => "it is too short",
            Self::Malformed(Malformed::Version) => "it has another version than 1",
            Self::Malformed(Malformed::Length) => "its length field does not fit it",
            Self::Malformed(Malformed::Multiplier) => "its multiplier is 0",
            Self::Malformed(Malformed::Multipoint) => "it has the multipoint bit",
            Self::Malformed(Malformed::MyDiscriminator) => "its sender's discriminator is 0",
            Self::Malformed(Malformed::YourDiscriminator) => {
                "it claims to know this session and does not name it"
            }
            Self::Malformed(Malformed::Authenticated) => "it is authenticated and the session is not",
            Self::Stranger => "no session has its addresses and its discriminator",
            Self::TooFar => "it came by more routers than max_hops allows",
        }
    }

    /// In a few words, for the data dump.
    const fn label(self) -> &'static str {
        match self {
            Self::Malformed(Malformed::Short) => "too short",
            Self::Malformed(Malformed::Version) => "version",
            Self::Malformed(Malformed::Length) => "length",
            Self::Malformed(Malformed::Multiplier) => "multiplier",
            Self::Malformed(Malformed::Multipoint) => "multipoint",
            Self::Malformed(Malformed::MyDiscriminator) => "my discriminator",
            Self::Malformed(Malformed::YourDiscriminator) => "your discriminator",
            Self::Malformed(Malformed::Authenticated) => "authenticated",
            Self::Stranger => "no such session",
            Self::TooFar => "TTL or hop limit",
        }
    }
}

/// How many packets were discarded for each reason.
#[derive(Default)]
pub(super) struct Discards([u64; ALL.len()]);

impl Discards {
    /// One more.
    pub(super) fn note(&mut self, why: Discard) {
        let counts = ALL.iter().zip(&mut self.0);
        if let Some((_, count)) = counts.into_iter().find(|(reason, _)| **reason == why) {
            *count = count.saturating_add(1);
        }
    }

    /// Each reason and its count.
    pub(super) fn all(&self) -> impl Iterator<Item = (&'static str, u64)> {
        ALL.iter().zip(&self.0).map(|(reason, count)| (reason.label(), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_counted_by_its_name() {
        let mut discards = Discards::default();
        for (times, why) in (1..).zip(ALL) {
            (0..times).for_each(|_| discards.note(why));
        }
        assert_eq!(discards.all().map(|(_, count)| count).collect::<Vec<_>>(), (1..=10).collect::<Vec<_>>());
        let mut labels: Vec<_> = discards.all().map(|(label, _)| label).collect();
        labels.dedup();
        assert_eq!(labels.len(), ALL.len());
        assert_eq!(discards.all().nth(3), Some(("multiplier", 4)));
    }
}

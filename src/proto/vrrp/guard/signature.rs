//! Signed adverts: keepalived's `auth_hmac`. Each carries a number that only grows, made of the wall clock.

use super::Seal;
use crate::base::addr::IpAddr;
use crate::base::limit;
use crate::base::time::Span;
use crate::proto::vrrp::reject::Verdict;
use crate::wire::trailer::{self, Stamp, Trailer};

/// `anti_replay`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Replay {
    /// Clocks agree within the window, and numbers grow.
    #[default]
    Time,
    /// Numbers grow.
    Monotonic,
}

/// `mode`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Adverts without a good signature are dropped.
    #[default]
    Enforce,
    /// Adverts without a signature are taken; those with a bad one are not.
    Permissive,
    /// As permissive, and the own adverts are not signed.
    ReceiveOnly,
}

/// A key and its id.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// 1 to 255.
    pub id: u8,
    /// The key; none: its file could not be read.
    pub key: Option<trailer::Key>,
}

impl SigningKey {
    /// The key that these octets are.
    #[must_use]
    pub fn new(id: u8, octets: &[u8]) -> Self {
        Self { id, key: Some(trailer::Key::new(octets)) }
    }
}

/// What was refused, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension {
    /// [`Verdict::Missing`]
    pub missing: u64,
    /// [`Verdict::Malformed`]
    pub malformed: u64,
    /// [`Verdict::UnknownKey`]
    pub unknown_key: u64,
    /// [`Verdict::Invalid`]
    pub invalid: u64,
    /// [`Verdict::Stale`]
    pub stale: u64,
    /// [`Verdict::Replayed`]
    pub replayed: u64,
}

/// A router whose signed adverts were accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// Which one.
    pub address: IpAddr,
    /// The highest number of its adverts.
    pub last: Stamp,
    /// Where the caller keeps it, by a number of its own; 0: nowhere.
    pub mark: u32,
}

/// What one instance signs with and judges by.
#[derive(Clone, Debug)]
pub struct Signature {
    keys: Vec<SigningKey>,
    active: u8,
    window: Span,
    replay: Replay,
    mode: Mode,
    /// The number of the last own advert.
    last: Stamp,
    /// Where the caller keeps it, by a number of its own; 0: nowhere.
    pub mark: u32,
    /// The last number of each sender. Only a sender that has the key gets in.
    senders: heapless::Vec<Sender, { limit::SIGNED_SENDERS }>,
    counters: Extension,
}

impl Signature {
    /// Nothing sent or heard yet. `window`: 1 to 300 s.
    #[must_use]
    pub const fn new(keys: Vec<SigningKey>, active: u8, window: Span, replay: Replay, mode: Mode) -> Self {
        Self {
            keys,
            active,
            window,
            replay,
            mode,
            last: Stamp::START,
            mark: 0,
            senders: heapless::Vec::new(),
            counters: Extension {
                missing: 0,
                malformed: 0,
                unknown_key: 0,
                invalid: 0,
                stale: 0,
                replayed: 0,
            },
        }
    }

    /// What was refused.
    #[must_use]
    pub const fn counters(&self) -> &Extension {
        &self.counters
    }

    /// What was refused, to be cleared.
    pub const fn counters_mut(&mut self) -> &mut Extension {
        &mut self.counters
    }

    /// Whether the key that signs is not there although it is needed.
    #[must_use]
    pub fn lacks_key(&self) -> bool {
        self.key(self.active).is_none()
    }

    /// Counts one advert to send: its number is the time, or the next one after the last if the clock stands still.
    /// If the clock was set back by more than the window the numbers go back, too, in time mode: the peers would
    /// refuse what is ahead of their clocks anyway.
    pub fn advance(&mut self, wall: Stamp) {
        let behind = wall <= self.last;
        let set_back = self.replay == Replay::Time && self.last.distance(wall) > self.window;
        self.last = if behind && !set_back { self.last.next() } else { wall };
    }

    /// What goes around it.
    #[must_use]
    pub fn seal(&self) -> Seal<'_> {
        match (self.mode, self.key(self.active)) {
            (Mode::ReceiveOnly, _) => Seal::Open,
            (_, Some(key)) => Seal::Trailer { key, id: self.active, stamp: self.last },
            (_, None) => Seal::Lacking,
        }
    }

    /// Judges the octets behind an advert, none or [`trailer::LEN`].
    ///
    /// # Errors
    /// The first reason to refuse it.
    pub fn judge(
        &mut self,
        source: IpAddr,
        advert: &[u8],
        octets: &[u8],
        wall: Stamp,
    ) -> Result<(), Verdict> {
        let verdict = self.verify(source, advert, octets, wall);
        match verdict {
            Ok(()) => {}
            Err(Verdict::Missing) => self.counters.missing += 1,
            Err(Verdict::Malformed) => self.counters.malformed += 1,
            Err(Verdict::UnknownKey(_)) => self.counters.unknown_key += 1,
            Err(Verdict::Invalid) => self.counters.invalid += 1,
            Err(Verdict::Stale { .. }) => self.counters.stale += 1,
            Err(Verdict::Replayed) => self.counters.replayed += 1,
        }
        verdict
    }

    fn verify(&mut self, source: IpAddr, advert: &[u8], octets: &[u8], wall: Stamp) -> Result<(), Verdict> {
        if octets.is_empty() {
            return if self.mode == Mode::Enforce { Err(Verdict::Missing) } else { Ok(()) };
        }
        let trailer = Trailer::parse(octets).map_err(|_| Verdict::Malformed)?;
        let key = self.key(trailer.id).ok_or(Verdict::UnknownKey(trailer.id))?;
        if !trailer.holds(key, &source, advert) {
            return Err(Verdict::Invalid);
        }
        let (timed, window) = (self.replay == Replay::Time, self.window);
        let skew = trailer.stamp.distance(wall);
        if timed && skew > self.window {
            let skew = u32::try_from(skew.as_secs()).unwrap_or(u32::MAX);
            let window = u16::try_from(self.window.as_secs()).unwrap_or(u16::MAX);
            return Err(Verdict::Stale { skew, window });
        }
        if let Some(Sender { last, .. }) = self.sender_mut(source) {
            // What was accepted from ahead of the window is from before our clock was set back.
            let set_back = timed && *last > wall && last.distance(wall) > window;
            if trailer.stamp <= *last && !set_back {
                return Err(Verdict::Replayed);
            }
            *last = trailer.stamp;
            return Ok(());
        }
        self.admit(source, trailer.stamp);
        Ok(())
    }

    /// Remembers a new sender, in the place of the one that has been silent for longest if need be.
    fn admit(&mut self, address: IpAddr, last: Stamp) {
        if let Err(new) = self.senders.push(Sender { address, last, mark: 0 })
            && let Some(oldest) = self.senders.iter_mut().min_by_key(|sender| sender.last)
        {
            *oldest = Sender { mark: oldest.mark, ..new };
        }
    }

    /// What is remembered of a sender.
    pub fn sender_mut(&mut self, address: IpAddr) -> Option<&mut Sender> {
        self.senders.iter_mut().find(|sender| sender.address == address)
    }

    /// Everybody who is remembered.
    #[must_use]
    pub fn senders(&self) -> &[Sender] {
        &self.senders
    }

    /// The number of the last own advert.
    #[must_use]
    pub const fn last(&self) -> Stamp {
        self.last
    }

    /// Goes on with the numbers of a predecessor, kept by this mark.
    pub fn resume(&mut self, last: Stamp, mark: u32) {
        self.last = self.last.max(last);
        self.mark = mark;
    }

    /// Remembers what a predecessor heard.
    pub fn remember(&mut self, sender: Sender) {
        self.admit(sender.address, sender.last);
        if let Some(there) = self.sender_mut(sender.address) {
            *there = sender;
        }
    }

    /// Goes on after a reload: nothing that was heard before counts again. Without the key that is to sign now the
    /// keys of before stay in use.
    pub fn inherit(&mut self, mut before: Self) {
        self.last = before.last;
        self.mark = before.mark;
        self.counters = before.counters;
        self.senders = core::mem::take(&mut before.senders);
        if self.lacks_key() && !before.lacks_key() {
            self.keys = before.keys;
            self.active = before.active;
        }
    }

    fn key(&self, id: u8) -> Option<&trailer::Key> {
        self.keys.iter().find(|key| key.id == id)?.key.as_ref()
    }
}

#[cfg(test)]
mod tests;

//! The link between the simulated routers: who hears whom, how late, how often.

use crate::random::Random;
use keepalived::base::addr::IpAddr;
use keepalived::base::time::{Instant, Span};
use std::cmp::Ordering;
use std::rc::Rc;

/// Most routers on a link.
pub(crate) const HOSTS: usize = 5;

/// A datagram on its way.
#[derive(Clone, Debug)]
pub(crate) struct Datagram {
    /// Source address.
    pub(crate) source: IpAddr,
    /// Group or unicast destination.
    pub(crate) destination: IpAddr,
    /// TTL or hop limit on arrival.
    pub(crate) hop_limit: u8,
    /// The advert.
    pub(crate) octets: Rc<[u8]>,
    /// It is no longer what was sent.
    pub(crate) tampered: bool,
    /// How many adverts in a row were each caused by the one before; 0: caused by a timer or from outside.
    pub(crate) depth: u32,
}

/// The link.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    /// Shortest way through.
    pub(crate) fastest: Span,
    /// Longest way through: the D of every bound.
    pub(crate) slowest: Span,
    /// Keeps the order between two routers. Otherwise each datagram takes its own time.
    pub(crate) ordered: bool,
    /// Datagrams lost, of a hundred.
    pub(crate) loss: u64,
    /// Datagrams of which one bit turns over or whose TTL is wrong, of a hundred.
    pub(crate) corrupt: u64,
    /// Datagrams that arrive twice, of a hundred.
    pub(crate) duplicate: u64,
    /// The side of a partition that each router is on.
    pub(crate) side: [u8; HOSTS],
    /// Routers that hear nothing, though they are heard.
    pub(crate) deaf: [bool; HOSTS],
    last_arrival: [[Instant; HOSTS]; HOSTS],
}

impl Link {
    /// A whole link without loss.
    pub(crate) fn new(fastest: Span, slowest: Span, ordered: bool) -> Self {
        Self {
            fastest,
            slowest,
            ordered,
            loss: 0,
            corrupt: 0,
            duplicate: 0,
            side: [0; HOSTS],
            deaf: [false; HOSTS],
            last_arrival: [[Instant::START; HOSTS]; HOSTS],
        }
    }

    /// Nothing gets lost within a side, and hearing is mutual.
    pub(crate) fn is_calm(&self) -> bool {
        self.loss == 0 && self.corrupt == 0 && !self.deaf.contains(&true)
    }

    /// When copies of a datagram sent now arrive: none, one or two.
    pub(crate) fn arrivals(
        &mut self,
        now: Instant,
        from: usize,
        to: usize,
        random: &mut Random,
    ) -> [Option<Instant>; 2] {
        if self.side[from] != self.side[to] || self.deaf[to] || random.percent(self.loss) {
            return [None; 2];
        }
        let first = self.arrival(now, from, to, random);
        let second = random.percent(self.duplicate).then(|| self.arrival(now, from, to, random));
        [Some(first), second]
    }

    /// What becomes of a datagram on its way.
    pub(crate) fn tamper(&self, datagram: &mut Datagram, random: &mut Random) {
        if !random.percent(self.corrupt) {
            return;
        }
        datagram.tampered = true;
        if random.percent(20) {
            datagram.hop_limit = random.octet(0, 254);
            return;
        }
        let mut octets = datagram.octets.to_vec();
        let at = random.index(octets.len());
        octets[at] ^= 1 << random.below(8);
        datagram.octets = octets.into();
    }

    fn arrival(&mut self, now: Instant, from: usize, to: usize, random: &mut Random) -> Instant {
        let arrival = now + self.fastest + random.span(self.slowest - self.fastest);
        let last = &mut self.last_arrival[from][to];
        if self.ordered {
            *last = arrival.max(*last);
            *last
        } else {
            arrival
        }
    }
}

/// A datagram on its way to one router.
#[derive(Debug)]
pub(crate) struct Flight {
    /// When it arrives.
    pub(crate) at: Instant,
    /// Which comes first of those that arrive together.
    pub(crate) sequence: u64,
    /// Where.
    pub(crate) to: usize,
    /// What.
    pub(crate) datagram: Datagram,
}

impl Flight {
    fn order(&self) -> (Instant, u64) {
        (self.at, self.sequence)
    }
}

impl PartialEq for Flight {
    fn eq(&self, other: &Self) -> bool {
        self.order() == other.order()
    }
}

impl Eq for Flight {}

impl PartialOrd for Flight {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Flight {
    fn cmp(&self, other: &Self) -> Ordering {
        self.order().cmp(&other.order())
    }
}

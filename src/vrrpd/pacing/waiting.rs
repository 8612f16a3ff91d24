//! What an instance remembers of a round of announcements while one of its interfaces makes the round wait: an interface
//! that is spaced widely must not hold up the addresses on the others.

use core::ops::Range;

use super::{Lane, Pacing};
use crate::base::addr::Family;
use crate::base::time::Instant;

/// The round under way, for an instance that has addresses on a spaced interface.
#[derive(Debug)]
pub struct Waiting {
    /// The place that its next announcement has in each of its lanes, where it has one.
    places: Box<[(Lane, Family, Option<Instant>)]>,
    /// The addresses that went ahead of others.
    ahead: Box<[bool]>,
}

impl Waiting {
    /// `lanes`: that of each address. None if no address has one. For load time: allocates.
    #[must_use]
    pub fn new(lanes: impl Iterator<Item = Option<(Lane, Family)>>) -> Option<Box<Self>> {
        let (mut places, mut count) = (Vec::new(), 0);
        for lane in lanes {
            count += 1;
            if let Some((lane, family)) = lane
                && !places.contains(&(lane, family, None))
            {
                places.push((lane, family, None));
            }
        }
        let ahead = vec![false; count].into_boxed_slice();
        (!places.is_empty()).then(|| Box::new(Self { places: places.into_boxed_slice(), ahead }))
    }

    /// Keeps the places that the round had before a reload; `known_as` says what a lane of now was then. An instance
    /// that took another place after each reload would be put off by all others that wait, again and again.
    pub fn inherit(
        &mut self,
        before: &Self,
        pacing: &mut Pacing,
        known_as: impl Fn(&Pacing, Lane, Family) -> Option<Lane>,
    ) {
        for (lane, family, place) in &mut self.places {
            let old = known_as(pacing, *lane, *family);
            let known = before.places.iter().find(|known| (Some(known.0), known.1) == (old, *family));
            *place = known.and_then(|known| known.2);
            if place.is_some() {
                pacing.keep(*lane, *family);
            }
        }
    }

    /// The round is over before its end: other instances may have its places.
    pub fn clear(&mut self, pacing: &mut Pacing, now: Instant) {
        for (lane, family, place) in &mut self.places {
            if let Some(place) = place.take() {
                pacing.give_back(*lane, *family, place, now);
            }
        }
        self.ahead.fill(false);
    }

    /// Whether an address went ahead, which is forgotten with that: the round has come to it.
    pub fn take_ahead(&mut self, position: usize) -> bool {
        self.ahead.get_mut(position).is_some_and(core::mem::take)
    }

    /// The first of these addresses that may be announced now, `lane_of` telling where each waits; else when one may.
    /// None if there is no address. The one that is chosen has used its place, and went ahead if it is not the first.
    pub fn choose(
        &mut self,
        positions: Range<usize>,
        lane_of: impl Fn(&Pacing, usize) -> Option<(Lane, Family)>,
        pacing: &mut Pacing,
        now: Instant,
    ) -> Option<Result<usize, Instant>> {
        let (cursor, mut soonest) = (positions.start, None::<Instant>);
        for position in positions {
            if self.ahead.get(position).copied().unwrap_or(false) {
                continue;
            }
            let lane = lane_of(pacing, position);
            let at = lane.map_or(now, |(lane, family)| self.place(lane, family, pacing, now));
            if at <= now {
                if let Some((lane, family)) = lane {
                    self.use_place(lane, family, pacing);
                }
                if let Some(ahead) = self.ahead.get_mut(position).filter(|_| position != cursor) {
                    *ahead = true;
                }
                return Some(Ok(position));
            }
            soonest = Some(soonest.map_or(at, |soonest| soonest.min(at)));
        }
        soonest.map(Err)
    }

    /// The place in a lane. It is waited for once: with one for each address, thousands of instances do not wake for
    /// every frame.
    fn place(&mut self, lane: Lane, family: Family, pacing: &mut Pacing, now: Instant) -> Instant {
        let known = self.places.iter_mut().find(|place| (place.0, place.1) == (lane, family));
        match known {
            Some((_, _, place)) => *place.get_or_insert_with(|| pacing.reserve(lane, family, now)),
            None => pacing.take(lane, family, now),
        }
    }

    fn use_place(&mut self, lane: Lane, family: Family, pacing: &mut Pacing) {
        let place = self.places.iter_mut().find(|place| (place.0, place.1) == (lane, family));
        if place.and_then(|place| place.2.take()).is_some() {
            pacing.used(lane, family);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::IfName;
    use crate::base::time::Span;
    use crate::child::links::Links;
    use crate::config::model::Model;

    /// What is announced when, of addresses on the interfaces of these numbers, in `rounds` rounds: interface 0 is not
    /// spaced for IPv6, and that is what its addresses are.
    fn story(on: &[usize], rounds: usize) -> Vec<(u64, usize)> {
        let mut links = Links::default();
        let ids = ["eth0", "eth1", "eth2"].map(|text| links.named(&IfName::new(text).unwrap()));
        let mut model = Model::default();
        model.global.vrrp.garp_interval = Span::from_millis(10);
        let mut pacing = Pacing::new(&model, &links, |_| None);
        let family = |link: usize| if link == 0 { Family::V6 } else { Family::V4 };
        let lanes: Vec<_> = on
            .iter()
            .map(|link| pacing.lane(ids[*link], family(*link)).map(|lane| (lane, family(*link))))
            .collect();
        let mut waiting = Waiting::new(lanes.iter().copied()).unwrap();
        let begin = Instant::START + Span::from_secs(1);
        let (mut now, mut cursor, mut seen) = (begin, 0, Vec::new());
        for _ in 0..1_000 {
            if seen.len() == on.len() * rounds {
                break;
            }
            if waiting.take_ahead(cursor) {
                cursor = (cursor + 1) % on.len();
                continue;
            }
            match waiting.choose(cursor..on.len(), |_, position| lanes[position], &mut pacing, now).unwrap() {
                Ok(position) => {
                    seen.push((now.since(begin).as_millis(), position));
                    if position == cursor {
                        cursor = (cursor + 1) % on.len();
                    }
                }
                Err(until) => now = until,
            }
        }
        seen
    }

    #[test]
    fn one_interface_does_not_hold_up_another() {
        assert_eq!(story(&[1, 1, 2, 0, 0], 1), [(0, 0), (0, 2), (0, 3), (0, 4), (10, 1)]);
        assert_eq!(story(&[1, 2, 1, 2], 1), [(0, 0), (0, 1), (10, 2), (10, 3)]);
    }

    #[test]
    fn every_address_is_announced_once_before_any_again() {
        let on = [1, 1, 0, 2, 1, 2, 0];
        let seen = story(&on, 3);
        for round in seen.chunks(on.len()) {
            let mut positions: Vec<usize> = round.iter().map(|(_, position)| *position).collect();
            positions.sort_unstable();
            assert_eq!(positions, (0..on.len()).collect::<Vec<_>>(), "{seen:?}");
        }
        // Three of each round on one interface: nothing is lost by the order.
        assert_eq!(seen.last().unwrap().0, 80);
    }

    #[test]
    fn places_that_are_given_up_go_to_who_comes_next() {
        let mut links = Links::default();
        let id = links.named(&IfName::new("eth0").unwrap());
        let mut model = Model::default();
        model.global.vrrp.garp_interval = Span::from_millis(10);
        let mut pacing = Pacing::new(&model, &links, |_| None);
        let lane = (pacing.lane(id, Family::V4).unwrap(), Family::V4);
        let begin = Instant::START + Span::from_secs(1);
        let choose = |waiting: &mut Waiting, pacing: &mut Pacing| {
            let chosen = waiting.choose(0..1, |_, _| Some(lane), pacing, begin).unwrap();
            chosen.err().map_or(0, |until| until.since(begin).as_millis())
        };
        let mut all: Vec<_> = (0..100).map(|_| Waiting::new([Some(lane)].into_iter()).unwrap()).collect();
        let places: Vec<_> = all.iter_mut().map(|one| choose(one, &mut pacing)).collect();
        assert_eq!(places, (0..100).map(|place| place * 10).collect::<Vec<_>>());
        // The last ones give up, then all: who comes next waits for nobody who has gone.
        all[99].clear(&mut pacing, begin);
        assert_eq!(choose(&mut all[99], &mut pacing), 990);
        for one in &mut all {
            one.clear(&mut pacing, begin);
        }
        assert_eq!(choose(&mut all[50], &mut pacing), 10);
        assert_eq!(choose(&mut all[0], &mut pacing), 20);
    }

    #[test]
    fn without_a_spaced_interface_there_is_nothing_to_remember() {
        assert!(Waiting::new([None, None].into_iter()).is_none());
    }
}

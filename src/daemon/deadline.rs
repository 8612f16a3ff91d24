//! Deadlines: which numbered slot wants to be woken when, and whose turn is next.
//!
//! An indexed binary heap: setting, moving and clearing a slot's deadline is O(log n), the earliest is at the
//! root. The room is made when the configuration is loaded; nothing allocates after that.

use crate::base::time::Instant;

/// One deadline or none for each slot from 0 to capacity less 1.
#[derive(Debug, Default)]
pub struct Deadlines {
    /// Ordered as a heap by deadline, then slot.
    heap: Vec<Entry>,
    /// Where each slot stands in `heap`; [`ABSENT`] if it has no deadline.
    places: Vec<u32>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    at: Instant,
    slot: u32,
}

const ABSENT: u32 = u32::MAX;

impl Deadlines {
    /// No deadline, room for `slots` slots.
    #[must_use]
    pub fn new(slots: usize) -> Self {
        let mut made = Self::default();
        made.resize(slots);
        made
    }

    /// Makes room for `slots` slots; deadlines of slots past that are forgotten. For load time: allocates.
    pub fn resize(&mut self, slots: usize) {
        let slots = slots.min(ABSENT as usize);
        for slot in slots..self.places.len() {
            self.set(u32::try_from(slot).unwrap_or(ABSENT), None);
        }
        self.places.resize(slots, ABSENT);
        self.heap.reserve_exact(slots.saturating_sub(self.heap.len()));
    }

    /// How many slots there are.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.places.len()
    }

    /// Replaces the deadline of `slot`. A slot past the capacity is a defect of the caller and is ignored.
    pub fn set(&mut self, slot: u32, at: Option<Instant>) {
        let Some(place) = self.places.get(slot as usize).copied() else {
            debug_assert!(false, "slot {slot} of {}", self.places.len());
            return;
        };
        match (place, at) {
            (ABSENT, None) => {}
            (ABSENT, Some(at)) => {
                let last = self.heap.len();
                self.heap.push(Entry { at, slot });
                self.place(last);
                self.rise(last);
            }
            (place, Some(at)) => {
                let place = place as usize;
                if let Some(entry) = self.heap.get_mut(place) {
                    entry.at = at;
                    self.rise(place);
                    // If it rose, what stands here now came from above and does not sink.
                    self.sink(place);
                }
            }
            (place, None) => self.remove(place as usize),
        }
    }

    /// The deadline of `slot`.
    #[must_use]
    pub fn of(&self, slot: u32) -> Option<Instant> {
        let place = *self.places.get(slot as usize)?;
        self.heap.get(place as usize).map(|entry| entry.at)
    }

    /// The earliest deadline.
    #[must_use]
    pub fn earliest(&self) -> Option<Instant> {
        self.heap.first().map(|entry| entry.at)
    }

    /// Names every slot whose deadline `now` has reached, in no order, until `take` has enough.
    pub fn due(&self, now: Instant, take: &mut impl FnMut(u32) -> bool) {
        self.due_below(0, now, take);
    }

    /// As deep as the heap is high.
    fn due_below(&self, place: usize, now: Instant, take: &mut impl FnMut(u32) -> bool) -> bool {
        let Some(entry) = self.heap.get(place).filter(|entry| entry.at <= now) else {
            return true;
        };
        let left = place * 2 + 1;
        take(entry.slot) && self.due_below(left, now, take) && self.due_below(left + 1, now, take)
    }

    /// Takes the earliest deadline off if `now` has reached it, and says whose it was.
    pub fn pop_due(&mut self, now: Instant) -> Option<u32> {
        let first = self.heap.first().copied().filter(|entry| entry.at <= now)?;
        self.remove(0);
        Some(first.slot)
    }

    fn remove(&mut self, place: usize) {
        if place >= self.heap.len() {
            return;
        }
        let gone = self.heap.swap_remove(place);
        if let Some(place) = self.places.get_mut(gone.slot as usize) {
            *place = ABSENT;
        }
        if place < self.heap.len() {
            self.place(place);
            self.rise(place);
            self.sink(place);
        }
    }

    fn rise(&mut self, mut place: usize) {
        while place > 0 {
            let above = (place - 1) / 2;
            if self.heap.get(above) <= self.heap.get(place) {
                return;
            }
            self.swap(place, above);
            place = above;
        }
    }

    fn sink(&mut self, mut place: usize) {
        loop {
            let left = place * 2 + 1;
            let right = left + 1;
            let mut least = place;
            for below in [left, right] {
                if below < self.heap.len() && self.heap.get(below) < self.heap.get(least) {
                    least = below;
                }
            }
            if least == place {
                return;
            }
            self.swap(place, least);
            place = least;
        }
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.heap.swap(one, other);
        self.place(one);
        self.place(other);
    }

    /// Notes where the entry at `place` of the heap stands.
    fn place(&mut self, place: usize) {
        if let Some(entry) = self.heap.get(place)
            && let Some(noted) = self.places.get_mut(entry.slot as usize)
        {
            *noted = u32::try_from(place).unwrap_or(ABSENT);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn agrees_with_a_sorted_map_over_random_use() {
        const SLOTS: u32 = 37;
        let mut deadlines = Deadlines::new(SLOTS as usize);
        let mut model: BTreeMap<u32, Instant> = BTreeMap::new();
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for _ in 0..50_000 {
            let slot = u32::try_from(random(u64::from(SLOTS))).unwrap();
            match random(4) {
                0 => {
                    deadlines.set(slot, None);
                    model.remove(&slot);
                }
                1 => {
                    let now = at(random(1_000));
                    let due = model.iter().map(|(slot, at)| (*at, *slot)).min();
                    let due = due.filter(|(at, _)| *at <= now).map(|(_, slot)| slot);
                    assert_eq!(deadlines.pop_due(now), due);
                    if let Some(slot) = due {
                        model.remove(&slot);
                    }
                }
                _ => {
                    let when = at(random(1_000));
                    deadlines.set(slot, Some(when));
                    model.insert(slot, when);
                }
            }
            assert_eq!(deadlines.earliest(), model.values().min().copied());
            let (now, mut due) = (at(random(1_000)), Vec::new());
            deadlines.due(now, &mut |slot| {
                due.push(slot);
                true
            });
            due.sort_unstable();
            let expected = model.iter().filter(|(_, at)| **at <= now).map(|(slot, _)| *slot);
            assert_eq!(due, expected.collect::<Vec<_>>());
            assert_eq!(deadlines.of(slot), model.get(&slot).copied());
        }
    }

    #[test]
    fn shrinking_forgets_the_slots_that_are_gone() {
        let mut deadlines = Deadlines::new(4);
        for slot in 0..4 {
            deadlines.set(slot, Some(at(10 - u64::from(slot))));
        }
        deadlines.resize(2);
        assert_eq!(deadlines.earliest(), Some(at(9)));
        deadlines.resize(3);
        assert_eq!(deadlines.of(2), None);
        assert_eq!(deadlines.pop_due(at(9)), Some(1));
        assert_eq!(deadlines.pop_due(at(9)), None);
        assert_eq!(deadlines.pop_due(at(10)), Some(0));
    }

    #[test]
    fn nothing_grows_once_there_is_room() {
        let mut deadlines = Deadlines::new(8);
        let room = deadlines.heap.capacity();
        for round in 0..100 {
            for slot in 0..8 {
                deadlines.set(slot, Some(at(round)));
            }
        }
        assert_eq!(deadlines.heap.capacity(), room);
    }
}

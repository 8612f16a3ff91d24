//! The places of the table that may differ from what is wanted, in the order in which they are looked at.
//!
//! Each place is in the queue once at most: a list through the places themselves, which needs no memory while it grows.

/// The queue.
#[derive(Debug)]
pub(super) struct Queue {
    /// For each place the one after it.
    next: Vec<u32>,
    first: u32,
    last: u32,
}

/// There is no place after this one.
const END: u32 = u32::MAX;
/// The place is not in the queue.
const IDLE: u32 = u32::MAX - 1;

impl Default for Queue {
    fn default() -> Self {
        Self { next: Vec::new(), first: END, last: END }
    }
}

impl Queue {
    /// Makes room for so many places more. For load time.
    pub(super) fn grow(&mut self, places: usize) {
        self.next.resize(self.next.len().saturating_add(places), IDLE);
    }

    /// How many places there are.
    pub(super) fn places(&self) -> usize {
        self.next.len()
    }

    /// Puts a place at the end, unless it is in the queue: false.
    pub(super) fn push(&mut self, place: u32) -> bool {
        match self.next.get_mut(place as usize) {
            Some(next) if *next == IDLE => *next = END,
            _ => return false,
        }
        match self.next.get_mut(self.last as usize) {
            Some(last) => *last = place,
            None => self.first = place,
        }
        self.last = place;
        true
    }

    /// Takes the first place.
    pub(super) fn pop(&mut self) -> Option<u32> {
        let place = self.first;
        let next = core::mem::replace(self.next.get_mut(place as usize)?, IDLE);
        self.first = next;
        if next == END {
            self.last = END;
        }
        Some(place)
    }

    /// Whether it is empty.
    pub(super) const fn is_empty(&self) -> bool {
        self.first == END
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_in_the_queue_once_and_keeps_its_turn() {
        let mut queue = Queue::default();
        queue.grow(2);
        queue.grow(2);
        assert!(queue.is_empty() && queue.pop().is_none() && queue.places() == 4);
        for place in [2, 0, 2, 3, 0, 9] {
            queue.push(place);
        }
        assert_eq!([queue.pop(), queue.pop()], [Some(2), Some(0)]);
        queue.push(2);
        queue.push(3);
        assert_eq!([queue.pop(), queue.pop(), queue.pop()], [Some(3), Some(2), None]);
        queue.push(1);
        assert_eq!([queue.pop(), queue.pop()], [Some(1), None]);
        assert!(queue.is_empty());
    }
}

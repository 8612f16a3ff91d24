//! The search for a pattern in a body that comes in pieces.
//!
//! The matcher sees a window of the body. What a match could still begin with stays in the window when more comes, and so
//! does what the pattern may look back at; the rest makes room. So the result does not depend on where the pieces are cut,
//! and the memory is bounded: a match longer than about half of the window is not found.

use core::fmt::Debug;

use crate::base::limit;

/// The compiled patterns of one check.
pub trait Pattern: Debug {
    /// Searches a window of a body for a match of the pattern of page number `page`.
    fn find(&mut self, page: u16, text: &[u8], place: Place) -> Find;

    /// Octets before the place where a match begins that the pattern of page number `page` may look at.
    fn lookbehind(&self, page: u16) -> usize;
}

/// What is to be searched. The text may begin and end in the middle of a character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// A match begins here or later.
    pub from: usize,
    /// A match begins here or earlier.
    pub latest: usize,
    /// The search of this body begins: what is known of another one is forgotten.
    pub first: bool,
    /// The text ends where the body ends. Otherwise more may follow: a match that would need to see what comes next is
    /// [`Find::Partial`], even if it is a match as it stands (`PCRE2_PARTIAL_HARD`).
    pub ends: bool,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Find {
    /// A match, whatever follows.
    Match,
    /// Something that may become a match begins here, and nothing that may do so begins before.
    Partial(usize),
    /// Nothing that is or may become a match.
    Nothing,
    /// The pattern takes more time or memory for this text than there is.
    GaveUp,
}

/// What is known of a body so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    /// Nothing yet.
    Open,
    /// There is a match.
    Match,
    /// There is none, whatever follows.
    Absent,
    /// It cannot be known.
    GaveUp,
}

/// The search in one body.
#[derive(Debug)]
pub(super) struct Search {
    pattern: Box<dyn Pattern>,
    page: u16,
    window: Box<[u8]>,
    len: usize,
    /// The pattern has not been looked for in this body yet.
    first: bool,
    /// How many octets at the end of the window have not been searched.
    new: usize,
    /// Where the window begins in the body.
    base: u64,
    /// A match begins here or later, in octets of the body.
    from: u64,
    /// A match begins here or earlier.
    latest: u64,
    known: Known,
}

impl Search {
    pub(super) fn new(pattern: Box<dyn Pattern>) -> Self {
        Self {
            pattern,
            page: 0,
            window: vec![0; limit::PATTERN_WINDOW].into_boxed_slice(),
            len: 0,
            first: true,
            new: 0,
            base: 0,
            from: 0,
            latest: 0,
            known: Known::Open,
        }
    }

    /// A body begins, of a page whose matches begin between these octets.
    pub(super) fn begin(&mut self, page: u16, from: u32, latest: Option<u32>) {
        (self.page, self.from, self.latest) = (page, from.into(), latest.map_or(u64::MAX, u64::from));
        (self.len, self.new, self.base) = (0, 0, 0);
        (self.first, self.known) = (true, Known::Open);
    }

    /// Takes the next octets of the body.
    pub(super) fn push(&mut self, mut octets: &[u8]) -> Known {
        while !octets.is_empty() && self.known == Known::Open {
            let room = self.window.get_mut(self.len..).unwrap_or_default();
            let (head, tail) = octets.split_at_checked(room.len()).unwrap_or((octets, &[]));
            for (place, octet) in room.iter_mut().zip(head) {
                *place = *octet;
            }
            self.len = self.len.saturating_add(head.len());
            self.new = self.new.saturating_add(head.len());
            octets = tail;
            // A peer that sends octet by octet does not have the whole window searched for each of them.
            if self.new.saturating_mul(PARTS) >= self.len || self.len == self.window.len() {
                self.search(false);
            }
        }
        self.known
    }

    /// What is known of what was searched.
    pub(super) const fn known(&self) -> Known {
        self.known
    }

    /// What is known of everything that has come. `ends`: nothing follows.
    pub(super) fn settle(&mut self, ends: bool) -> Known {
        if self.known == Known::Open && (ends || self.new > 0) {
            self.search(ends);
        }
        self.known
    }

    fn search(&mut self, ends: bool) {
        self.new = 0;
        let index = |offset: u64| usize::try_from(offset.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let (from, latest) = (index(self.from), index(self.latest));
        let found = if from > self.len {
            Find::Nothing
        } else {
            let place = Place { from, latest, first: core::mem::take(&mut self.first), ends };
            self.pattern.find(self.page, self.window.get(..self.len).unwrap_or_default(), place)
        };
        let next = match found {
            Find::Match => return self.known = Known::Match,
            Find::GaveUp => return self.known = Known::GaveUp,
            // A match that begins where the text ends may come yet.
            Find::Nothing => self.len.max(from),
            Find::Partial(at) => at.clamp(from, self.len),
        };
        let behind = self.pattern.lookbehind(self.page).min(self.window.len() / 4);
        let mut keep = next.saturating_sub(behind).min(self.len);
        let mut begin = next;
        if self.len == self.window.len() && keep < self.window.len() / PARTS {
            // What would be a match is longer than is waited for: the search goes on behind its beginning. A full window
            // is searched again only after a part of it has made room, not for each octet that a peer sends.
            keep = self.len / 2;
            begin = keep.saturating_add(behind);
        }
        let octets = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.from = self.from.max(self.base.saturating_add(octets(begin)));
        self.window.copy_within(keep..self.len, 0);
        self.len = self.len.saturating_sub(keep);
        self.base = self.base.saturating_add(octets(keep));
        if ends || self.from > self.latest {
            self.known = Known::Absent;
        }
    }
}

/// The window is searched again when one of so many parts of it is new.
const PARTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use core::cell::Cell;
    use std::rc::Rc;

    /// A pattern whose match may always begin one octet further on, which counts its searches.
    #[derive(Debug)]
    struct Creeping(Rc<Cell<u32>>);

    impl Pattern for Creeping {
        fn find(&mut self, _: u16, _: &[u8], place: Place) -> Find {
            self.0.set(self.0.get() + 1);
            Find::Partial(place.from + 1)
        }

        fn lookbehind(&self, _: u16) -> usize {
            0
        }
    }

    #[test]
    fn a_full_window_is_not_searched_for_each_octet() {
        let searches = Rc::new(Cell::new(0));
        let mut search = Search::new(Box::new(Creeping(Rc::clone(&searches))));
        search.begin(0, 0, None);
        assert_eq!(search.push(&vec![b'x'; 16 * limit::PATTERN_WINDOW]), Known::Open);
        // A window has eight parts, and from one octet to a full one it grows by an eighth each time.
        assert!(searches.get() <= 16 * 16, "{}", searches.get());
    }
}

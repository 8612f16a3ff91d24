//! What outlives this process: noted beside the work, and taken up by the process that replaces it.
//!
//! An object finds its notes by its kind and its name, so that a successor with another configuration finds them, too.
//! What the values of a note mean is the child's.

use crate::base::time::Instant;
use crate::daemon::keep::{Keep, Left, Note, Values, key};

/// Where this process notes, and what its predecessor left.
#[derive(Default)]
pub struct Kept {
    /// Where this process notes.
    pub keep: Keep,
    /// What the predecessor left, until everything has been taken up.
    pub left: Left,
    /// There may be notes: their memory, of which a first look takes a page, is not untouched any more.
    in_use: bool,
}

impl Kept {
    /// The notes of a process; `died`: when its predecessor did, none for the first one.
    #[must_use]
    pub fn new(keep: Keep, died: Option<Instant>) -> Self {
        let in_use = died.is_some();
        let left = if in_use { Left::of(&keep) } else { Left::default() };
        Self { keep, left, in_use }
    }

    /// The note that the predecessor left of something, and what it says.
    #[must_use]
    pub fn find(&self, kind: &str, name: &str) -> Option<(Note, Values)> {
        let note = self.left.of_key(key(kind, name))?;
        Some((note, self.keep.values(note)))
    }

    /// Everything that is still wanted has been taken up: all notes but these are forgotten. For load time: allocates.
    pub fn retain(&mut self, mut wanted: Vec<Note>) {
        self.left = Left::default();
        wanted.retain(|note| *note != Note::NONE);
        if !wanted.is_empty() || self.in_use {
            self.in_use = true;
            self.keep.retain(wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_finds_what_was_noted_and_forgets_what_it_does_not_take_up() {
        let keep = Keep::new();
        let first = Kept::new(keep.clone(), None);
        let (mut one, mut other) = (Note::NONE, Note::NONE);
        first.keep.put(&mut one, key("script", "A"), [1, 2, 3]);
        first.keep.put(&mut other, key("script", "B"), [4, 5, 6]);
        let mut second = Kept::new(keep.clone(), Some(Instant::from_micros(5)));
        assert_eq!(second.find("script", "A"), Some((one, [1, 2, 3])));
        assert_eq!(second.find("script", "C"), None);
        assert_eq!(second.find("check", "A"), None, "the kind is part of the key");
        second.retain(vec![Note::NONE, one]);
        assert_eq!(second.find("script", "A"), None, "what was left counts no more once it is taken up");
        let third = Kept::new(keep, Some(Instant::from_micros(9)));
        assert_eq!(third.find("script", "A"), Some((one, [1, 2, 3])));
        assert_eq!(third.find("script", "B"), None);
    }
}

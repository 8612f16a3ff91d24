//! What a child leaves to its successor, whatever ends it: small notes in memory that it has in common with the parent.
//!
//! States travel as messages ([`super::record`]), for the parent must know of them before the network does. What
//! changes with each advert or each run of a script is noted here: a few stores, no system call. A note is a key, which
//! says what it is about, and three values; a child that is killed between two stores leaves the note as it was or a
//! mixture of both, and what the values mean is chosen so that either does no harm.

use core::sync::atomic::Ordering;
use std::sync::Arc;

use super::record;
use crate::base::limit;
use crate::base::time::Instant;
use crate::daemon::log;
use crate::sys::shared::{Word, Words};

/// Values of a note.
pub type Values = [u64; 3];

/// Which note; the default is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Note(u32);

impl Note {
    /// None.
    pub const NONE: Self = Self(0);

    /// The note of a number from [`Self::number`].
    #[must_use]
    pub const fn numbered(number: u32) -> Self {
        Self(number)
    }

    /// A number for those who do not know of notes; 0: none.
    #[must_use]
    pub const fn number(self) -> u32 {
        self.0
    }
}

/// The notes of one child. A clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct Keep {
    /// None: there was no room. Nothing is kept then.
    words: Option<Arc<Words>>,
}

/// Words of a note: its key, which is 0 if it is free, and its values.
const NOTE: usize = 4;

impl Keep {
    /// Room for [`limit::KEPT_NOTES`]; pages that are never written cost nothing.
    #[must_use]
    pub fn new() -> Self {
        // The first is the header: how many notes were ever used, where a free one may be, and the last sign of life.
        let words = Words::new((limit::KEPT_NOTES + 1) * NOTE).inspect_err(|error| {
            log::warn!("No room for what a child leaves to its successor: {error}");
        });
        Self { words: words.ok().map(Arc::new) }
    }

    /// Writes a note, a new one if there was none. Past the capacity nothing is kept.
    pub fn put(&self, note: &mut Note, key: u64, values: Values) {
        if *note == Note::NONE {
            *note = self.free();
        }
        let Some([name, first, second, third]) = self.note(*note) else { return };
        for (word, value) in [first, second, third].into_iter().zip(values) {
            word.store(value, Ordering::Relaxed);
        }
        // Last: a note with a key has its values.
        name.store(key.max(1), Ordering::Release);
    }

    /// Writes the first value of a note that there is.
    pub fn set(&self, note: Note, value: u64) {
        if let Some([_, first, ..]) = self.note(note) {
            first.store(value, Ordering::Relaxed);
        }
    }

    /// Puts a note that there is under another key.
    pub fn rename(&self, note: Note, key: u64) {
        if let Some([name, ..]) = self.note(note) {
            name.store(key.max(1), Ordering::Release);
        }
    }

    /// The values of a note.
    #[must_use]
    pub fn values(&self, note: Note) -> Values {
        let Some([_, first, second, third]) = self.note(note) else { return Values::default() };
        [first, second, third].map(|word| word.load(Ordering::Relaxed))
    }

    /// Frees a note.
    pub fn forget(&self, note: &mut Note) {
        let gone = core::mem::take(note);
        if let (Some([name, ..]), Some((_, hint))) = (self.note(gone), self.header()) {
            name.store(0, Ordering::Release);
            hint.fetch_min(u64::from(gone.0), Ordering::Relaxed);
        }
    }

    /// Frees all notes that are not among those of `kept`. For load time.
    pub fn retain(&self, mut kept: Vec<Note>) {
        kept.sort_unstable();
        for (_, mut note) in self.all() {
            if kept.binary_search(&note).is_err() {
                self.forget(&mut note);
            }
        }
    }

    /// Every note with its key, ordered by key. For load time: allocates.
    #[must_use]
    pub fn all(&self) -> Vec<(u64, Note)> {
        let mut all = Vec::new();
        for number in 1..=self.used() {
            let note = Note(number);
            let key = self.note(note).map_or(0, |[name, ..]| name.load(Ordering::Acquire));
            if key != 0 {
                all.push((key, note));
            }
        }
        all.sort_unstable();
        all
    }

    /// The child is at work, and what it has to send has left until now.
    pub fn beat(&self, now: Instant) {
        if let Some([_, _, beat, _]) = self.head() {
            beat.store(now.as_micros(), Ordering::Relaxed);
        }
    }

    /// When the child was last at work. Whoever waits for it to end may have been stopped himself: the others on its
    /// networks have missed it since then, not since its end was seen.
    #[must_use]
    pub fn last_beat(&self) -> Option<Instant> {
        let [_, _, beat, _] = self.head()?;
        Some(beat.load(Ordering::Relaxed)).filter(|beat| *beat != 0).map(Instant::from_micros)
    }

    /// Forgets everything: a child has ended as it should.
    pub fn clear(&self) {
        self.beat(Instant::START);
        for number in 1..=self.used() {
            self.forget(&mut Note(number));
        }
    }

    /// A note that is free; none if there is no room.
    fn free(&self) -> Note {
        let Some((used, hint)) = self.header() else { return Note::NONE };
        let top = self.used();
        let from = u32::try_from(hint.load(Ordering::Relaxed)).unwrap_or(1).max(1);
        let is_free = |number: &u32| {
            self.note(Note(*number)).is_some_and(|[name, ..]| name.load(Ordering::Relaxed) == 0)
        };
        let number = (from..=top).find(is_free).unwrap_or(top.saturating_add(1));
        if self.note(Note(number)).is_none() {
            return Note::NONE;
        }
        used.fetch_max(u64::from(number), Ordering::Relaxed);
        hint.store(u64::from(number) + 1, Ordering::Relaxed);
        Note(number)
    }

    fn used(&self) -> u32 {
        let used = self.header().map_or(0, |(used, _)| used.load(Ordering::Relaxed));
        // Whatever a process in its last moments wrote there.
        u32::try_from(used.min(limit::KEPT_NOTES as u64)).unwrap_or(0)
    }

    fn header(&self) -> Option<(&Word, &Word)> {
        let [used, hint, ..] = self.head()?;
        Some((used, hint))
    }

    fn head(&self) -> Option<&[Word; NOTE]> {
        self.words.as_ref()?.all().first_chunk()
    }

    fn note(&self, note: Note) -> Option<&[Word; NOTE]> {
        let start = usize::try_from(note.0).ok().filter(|number| *number != 0)?.checked_mul(NOTE)?;
        self.words.as_ref()?.all().get(start..)?.first_chunk()
    }
}

/// What a predecessor left, to be taken note by note.
#[derive(Debug, Default)]
pub struct Left(Vec<(u64, Note)>);

impl Left {
    /// Everything.
    #[must_use]
    pub fn of(keep: &Keep) -> Self {
        Self(keep.all())
    }

    /// The notes of a key.
    pub fn all_of(&self, key: u64) -> impl Iterator<Item = Note> {
        let start = self.0.partition_point(|(other, _)| *other < key);
        let rest = self.0.get(start..).unwrap_or_default();
        rest.iter()
            .take_while(move |(other, _)| *other == key)
            .map(|(_, note)| *note)
            .filter(|note| *note != Note::NONE)
    }

    /// The next note of a key, which nobody shall find twice.
    pub fn take(&mut self, key: u64) -> Option<Note> {
        let start = self.0.partition_point(|(other, _)| *other < key);
        let mut same = self.0.get_mut(start..)?.iter_mut().take_while(|(other, _)| *other == key);
        same.find(|(_, note)| *note != Note::NONE).map(|(_, note)| core::mem::take(note))
    }

    /// The note of a key.
    #[must_use]
    pub fn of_key(&self, key: u64) -> Option<Note> {
        self.all_of(key).next()
    }
}

/// The key of what is called `name`, among things of one kind.
#[must_use]
pub fn key(kind: &str, name: &str) -> u64 {
    record::continued(record::continued(record::key(kind), "\0"), name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_found_again_freed_and_used_anew() {
        let keep = Keep::new();
        let (mut one, mut two, mut three) = (Note::NONE, Note::NONE, Note::NONE);
        keep.put(&mut one, 7, [1, 2, 3]);
        keep.put(&mut two, 5, [4, 5, 6]);
        keep.put(&mut three, 7, [7, 8, 9]);
        keep.set(one, 10);
        let left = Left::of(&keep);
        assert_eq!(left.all_of(7).map(|note| keep.values(note)).collect::<Vec<_>>(), [[10, 2, 3], [7, 8, 9]]);
        assert_eq!(left.of_key(5), Some(two));
        let mut taken = Left::of(&keep);
        assert_eq!(
            [7, 7, 7, 5, 6].map(|key| taken.take(key)),
            [Some(one), Some(three), None, Some(two), None]
        );
        assert_eq!((taken.of_key(7), taken.of_key(5)), (None, None));
        assert_eq!(left.of_key(6), None);
        keep.rename(two, 6);
        keep.rename(Note::NONE, 8);
        assert_eq!(keep.all().iter().map(|(key, _)| *key).collect::<Vec<_>>(), [6, 7, 7]);
        keep.forget(&mut two);
        assert_eq!(two, Note::NONE);
        let mut four = Note::NONE;
        keep.put(&mut four, 1, [0; 3]);
        assert_eq!(keep.all().len(), 3, "the free one is used");
        keep.retain(vec![four]);
        assert_eq!(keep.all(), [(1, four)]);
        keep.clear();
        assert!(keep.all().is_empty());
    }

    #[test]
    fn the_last_sign_of_life_is_kept() {
        let (keep, at) = (Keep::new(), Instant::from_micros(7));
        assert_eq!(keep.last_beat(), None);
        keep.beat(at);
        keep.put(&mut Note::default(), 1, [0; 3]);
        assert_eq!(keep.clone().last_beat(), Some(at));
        keep.clear();
        assert_eq!(keep.last_beat(), None);
        Keep::default().beat(at);
    }

    #[test]
    fn past_the_capacity_nothing_is_kept_and_nothing_breaks() {
        let keep = Keep::new();
        for number in 0..limit::KEPT_NOTES {
            keep.put(&mut Note::default(), number as u64 + 1, [0; 3]);
        }
        let mut more = Note::NONE;
        keep.put(&mut more, 9, [1; 3]);
        assert_eq!(more, Note::NONE);
        assert_eq!(keep.all().len(), limit::KEPT_NOTES);
        if let Some((used, hint)) = keep.header() {
            used.store(u64::MAX, Ordering::Relaxed);
            hint.store(u64::MAX, Ordering::Relaxed);
        }
        assert_eq!(keep.all().len(), limit::KEPT_NOTES, "a count that cannot be");
        keep.clear();
        keep.put(&mut more, 9, [1; 3]);
        assert_eq!(keep.all(), [(9, more)]);
        more = Note::NONE;
        let none = Keep::default();
        none.put(&mut more, 9, [1; 3]);
        assert_eq!((more, none.values(more)), (Note::NONE, [0; 3]));
    }
}

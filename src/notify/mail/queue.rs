//! Messages that wait, in memory that is reserved when the configuration is loaded.

use core::fmt::{self, Arguments, Write};
use std::collections::VecDeque;

use crate::base::limit;
use crate::daemon::keep::Note;
use crate::sys::clock::Wall;

/// A message.
#[derive(Debug)]
pub(super) struct Letter {
    /// When what it tells happened.
    pub(super) at: Wall,
    /// Where it is kept for a successor.
    pub(super) note: Note,
    pub(super) subject: heapless::String<{ limit::MAIL_SUBJECT }>,
    pub(super) body: heapless::String<{ limit::MAIL_BODY }>,
}

/// Messages in order. Their texts lie one after another, for most are much shorter than they may be.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    texts: VecDeque<u8>,
    most: usize,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    at: Wall,
    note: Note,
    subject: u16,
    body: u16,
}

/// How many messages may wait of so many objects.
pub(super) fn messages(objects: usize) -> usize {
    objects.saturating_mul(4).clamp(*limit::MAIL_QUEUE.start(), *limit::MAIL_QUEUE.end())
}

/// Octets of the text of a message as most of them are.
const USUAL: usize = 160;

impl Queue {
    /// Makes room for so many messages of usual length. Never less than before.
    pub(super) fn reserve(&mut self, messages: usize) {
        self.most = self.most.max(messages);
        self.entries.reserve(self.most.saturating_sub(self.entries.len()));
        self.texts.reserve(self.room().saturating_sub(self.texts.len()));
    }

    fn room(&self) -> usize {
        (self.most * USUAL).max(limit::MAIL_SUBJECT + limit::MAIL_BODY)
    }

    /// Puts a message at the end; whether older ones had to make room, whose notes `gone` is given.
    pub(super) fn push(
        &mut self,
        at: Wall,
        note: Note,
        subject: Arguments<'_>,
        body: Arguments<'_>,
        mut gone: impl FnMut(Note),
    ) -> bool {
        let (mut head, mut text) = (
            heapless::String::<{ limit::MAIL_SUBJECT }>::new(),
            heapless::String::<{ limit::MAIL_BODY }>::new(),
        );
        // A cut never fails.
        let _ = Cut(&mut head).write_fmt(subject);
        let _ = Cut(&mut text).write_fmt(body);
        let len = head.len() + text.len();
        let mut lost = false;
        while self.entries.len() >= self.most || self.texts.len() + len > self.room() {
            let Some(note) = self.forget() else { break };
            gone(note);
            lost = true;
        }
        let short = |len: usize| u16::try_from(len).unwrap_or(u16::MAX);
        self.texts.extend(head.as_bytes());
        self.texts.extend(text.as_bytes());
        self.entries.push_back(Entry { at, note, subject: short(head.len()), body: short(text.len()) });
        lost
    }

    /// The oldest message.
    pub(super) fn pop(&mut self) -> Option<Letter> {
        let Entry { at, note, subject, body } = self.entries.pop_front()?;
        let mut letter = Letter { at, note, subject: heapless::String::new(), body: heapless::String::new() };
        take(&mut self.texts, subject, &mut letter.subject);
        take(&mut self.texts, body, &mut letter.body);
        Some(letter)
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Where they are kept.
    pub(super) fn notes(&self) -> impl Iterator<Item = Note> {
        self.entries.iter().map(|entry| entry.note)
    }

    fn forget(&mut self) -> Option<Note> {
        let Entry { note, subject, body, .. } = self.entries.pop_front()?;
        let len = usize::from(subject) + usize::from(body);
        self.texts.drain(..len.min(self.texts.len()));
        Some(note)
    }
}

fn take<const ROOM: usize>(texts: &mut VecDeque<u8>, len: u16, out: &mut heapless::String<ROOM>) {
    let mut octets = heapless::Vec::<u8, ROOM>::new();
    octets.extend(texts.drain(..usize::from(len).min(texts.len())));
    *out = heapless::String::from_utf8(octets).unwrap_or_default();
}

/// Writes what fits and leaves out the rest.
pub(super) struct Cut<'a, const ROOM: usize>(pub(super) &'a mut heapless::String<ROOM>);

impl<const ROOM: usize> Write for Cut<'_, ROOM> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let _ = part.chars().try_for_each(|char| self.0.push(char));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Wall = Wall { secs: 1, micros: 2 };

    #[test]
    fn keeps_the_newest_in_order_and_does_not_grow() {
        let mut queue = Queue::default();
        queue.reserve(10);
        let sizes = (queue.entries.capacity(), queue.texts.capacity());
        for number in 0..1_000 {
            let (subject, text) = (format!("subject {number}"), format!("text é {number}"));
            let mut gone = Vec::new();
            let lost = queue.push(
                AT,
                Note::numbered(number),
                format_args!("{subject}"),
                format_args!("{text}"),
                |note| gone.push(note.number()),
            );
            assert_eq!(lost, number >= 10);
            assert_eq!(gone, number.checked_sub(10).into_iter().collect::<Vec<_>>());
        }
        assert_eq!(queue.len(), 10);
        for number in 990..1_000 {
            let letter = queue.pop().unwrap();
            assert_eq!((letter.subject.as_str(), letter.at), (format!("subject {number}").as_str(), AT));
            assert_eq!(letter.body, format!("text é {number}").as_str());
        }
        assert!(queue.pop().is_none());
        assert_eq!((queue.entries.capacity(), queue.texts.capacity()), sizes);
    }

    #[test]
    fn long_ones_take_no_more_room_than_usual_ones() {
        let mut queue = Queue::default();
        queue.reserve(20);
        let size = queue.texts.capacity();
        let long = "x".repeat(limit::MAIL_BODY);
        for number in 0..100 {
            queue.push(AT, Note::numbered(number), format_args!("{number}"), format_args!("{long}"), |_| ());
            assert!(queue.texts.len() <= queue.room() && queue.texts.capacity() == size, "{number}");
        }
        let letter = core::iter::from_fn(|| queue.pop()).last().unwrap();
        assert_eq!((letter.subject.as_str(), letter.body.len()), ("99", limit::MAIL_BODY));
    }

    #[test]
    fn the_messages_that_wait_are_bounded() {
        assert_eq!([0, 16, 100, 1_024, 65_024, usize::MAX].map(messages), [64, 64, 400, 4_096, 4_096, 4_096]);
    }

    #[test]
    fn what_is_too_long_is_cut_at_a_character() {
        let mut queue = Queue::default();
        queue.reserve(1);
        let long = "é".repeat(1_000);
        assert!(!queue.push(AT, Note::NONE, format_args!("x{long}"), format_args!("{long}"), |_| ()));
        let letter = queue.pop().unwrap();
        assert_eq!(letter.subject.len(), limit::MAIL_SUBJECT - 1);
        assert_eq!(letter.body.len(), limit::MAIL_BODY);
    }
}

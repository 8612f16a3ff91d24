//! What has happened: the last transitions, faults, verdicts of checks and reloads, each with its reason.
//!
//! They are kept in memory that the parent and all its children have in common. Each process writes its own there, a few
//! stores and no system call; the parent reads them all. A child that dies leaves what it wrote, its successor goes on
//! behind it, and of a storm the last [`limit::EVENTS`] are there.
//!
//! ```text
//! word 0        number of the last event
//! word 1        words that records have taken so far, those that were overwritten among them
//! index         for each of the last events: where its record begins, counted as word 1 counts
//! records       one behind the other, round and round
//!   a record: 0     number of its event
//!             1     microseconds since 1970
//!             2     kind, octets of the name, octets of the text, and 40 bits of a sum over all of the record
//!             3...  name and text
//! ```
//!
//! An event is in the index once its record is written. A record whose sum is another one is not whole: later ones were
//! written over it, or a writer that stood still since its place was given to others.

use core::fmt::{self, Display, Write};
use core::sync::atomic::Ordering;
use std::sync::OnceLock;

use crate::base::limit;
use crate::sys::clock::{self, Wall};
use crate::sys::shared::{Word, Words};

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A virtual router or a sync group has entered a state.
    Transition,
    /// A reason for FAULT has gone, and others hold.
    Fault,
    /// The priority of a virtual router is another one.
    Priority,
    /// A BFD session is up or down.
    Session,
    /// A real server or a virtual server is another one than before.
    Server,
    /// A check has come to another verdict, or cannot run.
    Check,
    /// The configuration was read again.
    Reload,
    /// A process was started or has ended.
    Process,
    /// Somebody has changed something by hand.
    Manual,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Transition,
        Self::Fault,
        Self::Priority,
        Self::Session,
        Self::Server,
        Self::Check,
        Self::Reload,
        Self::Process,
        Self::Manual,
    ];

    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Transition => "transition",
            Self::Fault => "fault",
            Self::Priority => "priority",
            Self::Session => "session",
            Self::Server => "server",
            Self::Check => "check",
            Self::Reload => "reload",
            Self::Process => "process",
            Self::Manual => "manual",
        }
    }

    fn number(self) -> u64 {
        Self::ALL.iter().position(|one| *one == self).map_or(0, |position| position as u64)
    }
}

/// An event as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number, from 1 on.
    pub number: u64,
    /// When it happened.
    pub at: Wall,
    /// What it is about.
    pub kind: Kind,
    /// The name of the object.
    pub name: String,
    /// What happened, with its reason.
    pub text: String,
}

/// Words in front of the index.
const FRONT: usize = 2;
/// Words of a record in front of the name.
const HEAD: usize = 3;
/// Words of a record at most.
const LONGEST: usize = 32;
/// Octets of name and text.
const ROOM: usize = (LONGEST - HEAD) * 8;
/// Octets of the name at most, so that there is room for the text.
const NAME: usize = ROOM / 2;

/// Kind and lengths, in the third word; what is left is for the sum.
const FORM: u64 = 0xff_ffff;

/// A sum over a record, whose own place for it is empty. Words of two records have the sum of neither, but for one mixture in
/// a million million.
fn sum(record: &[u64; LONGEST]) -> u64 {
    let add = |sum: u64, word: &u64| (sum.rotate_left(23) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    record.iter().fold(0, add) & !FORM
}

static RING: OnceLock<Ring> = OnceLock::new();

/// Makes the memory; what happened before is not remembered. For the parent, before it makes children.
pub fn begin() {
    if cfg!(feature = "status")
        && RING.get().is_none()
        && let Some(ring) = Ring::new()
    {
        // Only this process does it, once.
        let _ = RING.set(ring);
    }
}

/// Something has happened.
pub fn note(kind: Kind, name: &dyn Display, text: fmt::Arguments<'_>) {
    if let Some(ring) = RING.get() {
        ring.note(clock::wall(), kind, name, text);
    }
}

/// The number of the last event.
#[must_use]
pub fn last() -> u64 {
    RING.get().map_or(0, Ring::last)
}

/// The events that are remembered and come after the one with the number `after`, in order. Allocates.
#[must_use]
pub fn since(after: u64) -> Vec<Event> {
    RING.get().map(|ring| ring.since(after)).unwrap_or_default()
}

#[derive(Debug)]
struct Ring {
    words: Words,
}

impl Ring {
    fn new() -> Option<Self> {
        Words::new(FRONT + limit::EVENTS + limit::EVENT_WORDS).ok().map(|words| Self { words })
    }

    /// The number of the last event, and the words that records have taken.
    fn counters(&self) -> Option<&[Word; FRONT]> {
        self.words.all().first_chunk()
    }

    /// Where the record of an event begins.
    fn place(&self, number: u64) -> Option<&Word> {
        let position = usize::try_from(number % limit::EVENTS as u64).ok()?;
        self.words.all().get(FRONT + position)
    }

    /// The words of records from a place on, round and round.
    fn record(&self, place: u64) -> impl Iterator<Item = &Word> {
        let records = self.words.all().get(FRONT + limit::EVENTS..).unwrap_or_default();
        let place = usize::try_from(place % limit::EVENT_WORDS as u64).unwrap_or(0);
        let (before, behind) = records.split_at_checked(place).unwrap_or_default();
        behind.iter().chain(before)
    }

    fn last(&self) -> u64 {
        self.counters().map_or(0, |[number, _]| number.load(Ordering::Acquire))
    }

    fn note(&self, at: Wall, kind: Kind, name: &dyn Display, text: fmt::Arguments<'_>) {
        let mut line = Line { octets: [0; ROOM], len: 0, most: NAME };
        // What does not fit is left out.
        let _ = write!(line, "{name}");
        let named = line.len;
        line.most = ROOM;
        let _ = line.write_fmt(text);
        let words = line.len.div_ceil(8);
        let Some([number, taken]) = self.counters() else { return };
        let number = number.fetch_add(1, Ordering::AcqRel).wrapping_add(1);
        let place = taken.fetch_add(words.saturating_add(HEAD) as u64, Ordering::AcqRel);
        let secs = u64::try_from(at.secs).unwrap_or(0);
        let micros = secs.saturating_mul(1_000_000).saturating_add(u64::from(at.micros));
        let lengths = (named as u64) << 8 | (line.len.saturating_sub(named) as u64) << 16;
        let mut record = [0; LONGEST];
        let [first, second, third, texts @ ..] = &mut record;
        (*first, *second, *third) = (number, micros, kind.number() | lengths);
        for (word, octets) in texts.iter_mut().zip(line.octets.as_chunks().0) {
            *word = u64::from_ne_bytes(*octets);
        }
        let sum = sum(&record);
        if let Some(form) = record.get_mut(HEAD - 1) {
            *form |= sum;
        }
        for (word, content) in self.record(place).zip(record).take(words.saturating_add(HEAD)) {
            word.store(content, Ordering::Relaxed);
        }
        // Last: what is in the index is written.
        if let Some(index) = self.place(number) {
            index.store(place, Ordering::Release);
        }
    }

    fn since(&self, after: u64) -> Vec<Event> {
        let last = self.last();
        let oldest = last.saturating_sub(limit::EVENTS as u64);
        let mut events = Vec::new();
        for number in oldest.max(after).saturating_add(1)..=last {
            events.extend(self.read(number));
        }
        events
    }

    /// The event of a number; none: it is being written, its writer died over it, or later ones are in its place.
    fn read(&self, number: u64) -> Option<Event> {
        let place = self.place(number)?.load(Ordering::Acquire);
        let mut record = [0; LONGEST];
        for (word, content) in record.iter_mut().zip(self.record(place)) {
            *word = content.load(Ordering::Relaxed);
        }
        let [written, micros, form, words @ ..] = &mut record;
        let [kind, named, told, ..] = form.to_le_bytes().map(usize::from);
        // Behind it are other records.
        words.get_mut(named.saturating_add(told).div_ceil(8)..).unwrap_or_default().fill(0);
        let (written, micros, claimed) = (*written, *micros, *form & !FORM);
        *form &= FORM;
        if written != number || sum(&record) != claimed {
            return None;
        }
        let [_, _, _, words @ ..] = record;
        let mut octets = Vec::with_capacity(size_of_val(&words));
        for word in &words {
            octets.extend_from_slice(&word.to_ne_bytes());
        }
        let text = |from: usize, len: usize| {
            let octets = octets.get(from..from.saturating_add(len)).unwrap_or_default();
            // One that was cut in the middle of a character ends before it.
            String::from_utf8_lossy(octets).trim_end_matches(char::REPLACEMENT_CHARACTER).to_owned()
        };
        Some(Event {
            number,
            at: Wall {
                secs: i64::try_from(micros / 1_000_000).unwrap_or(0),
                micros: u32::try_from(micros % 1_000_000).unwrap_or(0),
            },
            kind: *Kind::ALL.get(kind)?,
            name: text(0, named),
            text: text(named, told),
        })
    }
}

/// A text that is cut where there is no more room.
struct Line {
    octets: [u8; ROOM],
    len: usize,
    most: usize,
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let fitting = text.len().min(self.most.saturating_sub(self.len));
        let end = self.len.saturating_add(fitting);
        if let (Some(place), Some(text)) =
            (self.octets.get_mut(self.len..end), text.as_bytes().get(..fitting))
        {
            place.copy_from_slice(text);
            self.len = end;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::{self, Fork};

    fn at(secs: i64) -> Wall {
        Wall { secs, micros: 7 }
    }

    #[test]
    fn the_last_events_are_kept_in_order_with_what_was_told() {
        let ring = Ring::new().unwrap();
        assert!(ring.since(0).is_empty());
        for number in 0..limit::EVENTS + 5 {
            let kind = Kind::ALL[number % Kind::ALL.len()];
            ring.note(
                at(1_700_000_000),
                kind,
                &format_args!("VI_{number}"),
                format_args!("because of {number}"),
            );
        }
        let all = ring.since(0);
        assert_eq!(all.len(), limit::EVENTS);
        assert!(all.iter().zip(6..).all(|(event, number)| event.number == number));
        let last = all.last().unwrap();
        let number = limit::EVENTS + 4;
        assert_eq!((&*last.name, &*last.text), (&*format!("VI_{number}"), &*format!("because of {number}")));
        assert_eq!((last.at, last.kind), (at(1_700_000_000), Kind::ALL[number % Kind::ALL.len()]));
        assert_eq!(ring.since(last.number - 1), std::slice::from_ref(last));
        assert!(ring.since(last.number).is_empty() && ring.since(u64::MAX).is_empty());
    }

    #[test]
    fn of_long_events_fewer_are_kept_and_each_is_whole() {
        let ring = Ring::new().unwrap();
        let text = "x".repeat(ROOM);
        for number in 1..=limit::EVENTS as u64 * 3 {
            ring.note(at(5), Kind::Check, &number, format_args!("{number}{text}"));
        }
        let all = ring.since(0);
        assert_eq!(all.len(), limit::EVENT_WORDS / LONGEST);
        assert_eq!(all.last().unwrap().number, limit::EVENTS as u64 * 3);
        assert!(all.iter().all(|event| event.name == event.number.to_string()
            && event.text.starts_with(&event.name)
            && event.text.ends_with('x')));
    }

    #[test]
    fn a_writer_that_stood_still_while_others_went_round_spoils_only_what_it_overwrites() {
        let ring = Ring::new().unwrap();
        for number in 0..4 {
            ring.note(at(5), Kind::Check, &number, format_args!("a text"));
        }
        // As one would that was given the place of the second and third event a round ago.
        let place = ring.place(2).unwrap().load(Ordering::Relaxed);
        for word in ring.record(place).skip(HEAD).take(3) {
            word.store(7, Ordering::Relaxed);
        }
        let numbers: Vec<_> = ring.since(0).into_iter().map(|event| event.number).collect();
        assert_eq!(numbers, [1, 4]);
    }

    #[test]
    fn whoever_reads_while_others_write_gets_whole_events() {
        let ring = Ring::new().unwrap();
        std::thread::scope(|threads| {
            for writer in 0..2_usize {
                let ring = &ring;
                threads.spawn(move || {
                    for number in (0..26_u8).cycle().take(20_000) {
                        let text = char::from(b'a' + number).to_string().repeat(usize::from(number) * 6);
                        ring.note(at(5), Kind::Check, &writer, format_args!("{text}."));
                    }
                });
            }
            for _ in 0..200 {
                for event in ring.since(0) {
                    let text = event.text.strip_suffix('.').unwrap();
                    assert!(text.bytes().all(|octet| text.as_bytes().first() == Some(&octet)), "{text}");
                }
            }
        });
    }

    #[test]
    fn what_is_too_long_is_cut_between_characters() {
        let ring = Ring::new().unwrap();
        let long = "ü".repeat(300);
        ring.note(at(5), Kind::Check, &long, format_args!("a{long}"));
        let event = ring.since(0).remove(0);
        assert_eq!(event.name, "ü".repeat(NAME / 2));
        assert_eq!(event.text, format!("a{}", "ü".repeat((ROOM - NAME - 1) / 2)));
    }

    #[test]
    fn a_process_that_dies_leaves_what_it_wrote_and_spoils_nothing() {
        let ring = Ring::new().unwrap();
        ring.note(at(1), Kind::Process, &"parent", format_args!("began"));
        match process::fork().unwrap() {
            Fork::Child => {
                ring.note(at(2), Kind::Transition, &"VI_1", format_args!("BACKUP to MASTER"));
                // It dies over the next one.
                let [number, taken] = ring.counters().unwrap();
                number.fetch_add(1, Ordering::AcqRel);
                taken.fetch_add(5, Ordering::AcqRel);
                process::kill(process::own(), libc::SIGKILL);
                process::exit_now(1);
            }
            Fork::Parent(pid) => {
                let pid = nix::unistd::Pid::from_raw(pid.to_string().parse().unwrap());
                nix::sys::wait::waitpid(pid, None).unwrap();
            }
        }
        ring.note(at(3), Kind::Process, &"parent", format_args!("goes on"));
        let told: Vec<_> = ring.since(0).into_iter().map(|event| (event.number, event.text)).collect();
        let text = str::to_owned;
        assert_eq!(told, [(1, text("began")), (2, text("BACKUP to MASTER")), (4, text("goes on"))]);
    }
}

//! An answer on its way: what the parent says itself, and the memory files that children have written.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::sys::clock;
use crate::sys::local::{Moved, Stream};
use crate::wire::control::{Head, Outcome};
use crate::wire::web::{self, Code};

/// A part of an answer.
#[derive(Debug)]
pub(super) enum Part {
    /// From here.
    Text(Vec<u8>),
    /// From a child, with its length.
    File(File, u64),
}

/// An answer and how far it has gone.
#[derive(Debug)]
pub(super) struct Outgoing {
    parts: Vec<Part>,
    /// The part that is next, and how much of it has gone.
    next: usize,
    gone: u64,
}

/// What came of a piece.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It is gone, and there is more.
    Some,
    /// The client has to read first.
    Blocked,
    /// That was the last one.
    All,
    /// The client is gone, or a file is shorter than it was.
    Failed,
}

/// Octets that are sent at a time.
const PIECE: usize = 16_384;

impl Outgoing {
    /// An answer that is made now.
    pub(super) fn new(outcome: Outcome, mut parts: Vec<Part>) -> Self {
        let now = clock::wall();
        let made = (u64::try_from(now.secs).unwrap_or(0), now.micros);
        let len = parts.iter().map(Part::len).sum();
        let head = Head { outcome, len, made }.line();
        parts.insert(0, Part::Text(head.as_bytes().to_vec()));
        Self { parts, next: 0, gone: 0 }
    }

    /// A page; `kind`: of its text.
    pub(super) fn page(code: Code, kind: &str, head_only: bool, mut parts: Vec<Part>) -> Self {
        let head = web::head(code, kind, parts.iter().map(Part::len).sum());
        if head_only {
            parts.clear();
        }
        parts.insert(0, Part::Text(head.as_bytes().to_vec()));
        Self { parts, next: 0, gone: 0 }
    }

    /// Sends a piece.
    pub(super) fn send(&mut self, stream: &mut Stream) -> Sent {
        while let Some(part) = self.parts.get(self.next) {
            let mut buffer = [0; PIECE];
            let piece = match part.piece(self.gone, &mut buffer) {
                Some([]) => {
                    (self.next, self.gone) = (self.next.saturating_add(1), 0);
                    continue;
                }
                Some(piece) => piece,
                None => return Sent::Failed,
            };
            return match stream.write(piece) {
                Moved::Octets(count) => {
                    self.gone = self.gone.saturating_add(count as u64);
                    Sent::Some
                }
                Moved::Blocked => Sent::Blocked,
                Moved::Over => Sent::Failed,
            };
        }
        Sent::All
    }
}

impl Part {
    /// What a child has written.
    pub(super) fn file(file: File) -> Self {
        let len = file.metadata().map_or(0, |found| found.len());
        Self::File(file, len)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn len(&self) -> u64 {
        match self {
            Self::Text(text) => text.len() as u64,
            Self::File(_, len) => *len,
        }
    }

    /// The next octets from `gone` on, none at the end.
    fn piece<'a>(&'a self, gone: u64, buffer: &'a mut [u8; PIECE]) -> Option<&'a [u8]> {
        let rest = usize::try_from(self.len().saturating_sub(gone)).unwrap_or(PIECE).min(PIECE);
        match self {
            Self::Text(text) => {
                let from = usize::try_from(gone).ok()?;
                text.get(from..from.saturating_add(rest))
            }
            Self::File(..) if rest == 0 => Some(&[]),
            Self::File(file, _) => {
                let count = file.read_at(buffer.get_mut(..rest)?, gone).ok().filter(|count| *count > 0)?;
                buffer.get(..count)
            }
        }
    }
}

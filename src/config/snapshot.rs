//! Everything that a configuration was made of, so that another process can make it again from the same bytes.
//!
//! The parent reads files once; what they said, and every other answer of the outside world, travels to a child
//! as one string of bytes. Expansion is a function of these answers, so both processes see the same text.
//!
//! ```text
//! "KACONF\0\1"  seed u64  id  path  files  patterns  directories  variables
//! string = len u32, bytes      list = count u32, entries      numbers in network order
//! ```

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::base::bytes::{Reader, Short};
use crate::base::limit;
use crate::base::map::Map;

use super::source::{Files, Options, Unusable};

/// The answers of the outside world to one configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The configuration id and the main file.
    pub(super) options: Options,
    files: Map<String, Result<Rc<[u8]>, Unusable>>,
    patterns: Map<String, Vec<String>>,
    directories: Map<String, String>,
    variables: Map<String, Option<String>>,
}

/// Bytes that are no snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damaged;

impl From<Short> for Damaged {
    fn from(_: Short) -> Self {
        Self
    }
}

const MAGIC: &[u8; 8] = b"KACONF\0\x01";

impl Files for Snapshot {
    fn read(&self, path: &str) -> Result<Rc<[u8]>, Unusable> {
        self.files.get(path).cloned().unwrap_or(Err(Unusable::Missing))
    }

    fn matches(&self, pattern: &str) -> Vec<String> {
        self.patterns.get(pattern).cloned().unwrap_or_default()
    }

    fn directory(&self, path: &str) -> String {
        self.directories.get(path).map_or(path, String::as_str).to_owned()
    }

    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned().flatten()
    }
}

impl Snapshot {
    /// Nothing has been asked for yet.
    pub(super) fn new(options: &Options) -> Self {
        Self { options: options.clone(), ..Self::default() }
    }

    /// The options of the configuration that it was made from.
    #[must_use]
    pub const fn options(&self) -> &Options {
        &self.options
    }

    /// Whether there was nothing but the main file.
    #[must_use]
    pub fn is_main_file(&self) -> bool {
        let others = self.patterns.is_empty() && self.directories.is_empty() && self.variables.is_empty();
        others && self.files.len() == 1 && self.files.contains_key(self.options.path.as_str())
    }

    /// The text of all files, the main one first, each under its name if there are more.
    #[must_use]
    pub fn text(&self) -> Vec<u8> {
        let main = self.options.path.as_str();
        let read = || self.files.iter().filter_map(|(name, file)| Some((name, file.as_ref().ok()?)));
        let mut files: Vec<_> = read().filter(|(name, _)| *name == main).collect();
        files.extend(read().filter(|(name, _)| *name != main));
        let mut text = Vec::with_capacity(self.octets().saturating_add(64 * files.len()));
        for (name, octets) in &files {
            if files.len() > 1 {
                text.extend_from_slice(format!("# {name}\n").as_bytes());
            }
            text.extend_from_slice(octets);
            if octets.last().is_some_and(|last| *last != b'\n') {
                text.push(b'\n');
            }
        }
        text
    }

    /// Octets of all files held.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.files.values().flatten().map(|bytes| bytes.len()).fold(0, usize::saturating_add)
    }

    /// The snapshot as bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.octets().saturating_add(4_096));
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&self.options.seed.to_be_bytes());
        put(&mut out, self.options.id.as_bytes());
        put(&mut out, self.options.path.as_bytes());
        count(&mut out, self.files.len());
        for (name, file) in self.files.iter() {
            put(&mut out, name.as_bytes());
            let (tag, bytes): (u8, &[u8]) = match file {
                Ok(bytes) => (0, bytes),
                Err(Unusable::Missing) => (1, &[]),
                Err(Unusable::Directory) => (2, &[]),
                Err(Unusable::Kind) => (3, &[]),
                Err(Unusable::Size) => (4, &[]),
                Err(Unusable::Denied(why)) => (5, why.as_bytes()),
            };
            out.push(tag);
            put(&mut out, bytes);
        }
        count(&mut out, self.patterns.len());
        for (pattern, names) in self.patterns.iter() {
            put(&mut out, pattern.as_bytes());
            count(&mut out, names.len());
            names.iter().for_each(|name| put(&mut out, name.as_bytes()));
        }
        count(&mut out, self.directories.len());
        for (name, real) in self.directories.iter() {
            put(&mut out, name.as_bytes());
            put(&mut out, real.as_bytes());
        }
        count(&mut out, self.variables.len());
        for (name, value) in self.variables.iter() {
            put(&mut out, name.as_bytes());
            out.push(u8::from(value.is_some()));
            put(&mut out, value.as_deref().unwrap_or("").as_bytes());
        }
        out
    }

    /// The snapshot that the bytes say.
    ///
    /// # Errors
    /// `Damaged` if they are not what [`Self::encode`] makes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Damaged> {
        let mut reader = Reader::new(bytes);
        if reader.array::<8>()? != *MAGIC {
            return Err(Damaged);
        }
        let mut made = Self::default();
        made.options.seed = u64::from_be_bytes(reader.array()?);
        made.options.id = string(&mut reader)?;
        made.options.path = string(&mut reader)?;
        for _ in 0..reader.u32()? {
            let name = string(&mut reader)?;
            let tag = reader.u8()?;
            let bytes = octets(&mut reader)?;
            let file = match tag {
                0 => Ok(bytes.into()),
                1 => Err(Unusable::Missing),
                2 => Err(Unusable::Directory),
                3 => Err(Unusable::Kind),
                4 => Err(Unusable::Size),
                5 => Err(Unusable::Denied(text(bytes)?)),
                _ => return Err(Damaged),
            };
            made.files.insert(name, file);
        }
        for _ in 0..reader.u32()? {
            let pattern = string(&mut reader)?;
            // Every turn takes bytes or fails, so a count that lies ends early.
            let mut names = Vec::new();
            for _ in 0..reader.u32()? {
                names.push(string(&mut reader)?);
            }
            made.patterns.insert(pattern, names);
        }
        for _ in 0..reader.u32()? {
            let name = string(&mut reader)?;
            made.directories.insert(name, string(&mut reader)?);
        }
        for _ in 0..reader.u32()? {
            let name = string(&mut reader)?;
            let set = reader.u8()? != 0;
            let value = string(&mut reader)?;
            made.variables.insert(name, set.then_some(value));
        }
        if reader.rest().is_empty() { Ok(made) } else { Err(Damaged) }
    }
}

fn count(out: &mut Vec<u8>, count: usize) {
    // Counts are bounded far below: `CONFIG_LINES` questions at most.
    out.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // A file is at most `CONFIG_OCTETS`.
    count(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn octets<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Damaged> {
    let len = usize::try_from(reader.u32()?).map_err(|_| Damaged)?;
    Ok(reader.take(len)?)
}

fn text(bytes: &[u8]) -> Result<String, Damaged> {
    core::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Damaged)
}

fn string(reader: &mut Reader<'_>) -> Result<String, Damaged> {
    text(octets(reader)?)
}

/// Passes questions on and keeps the answers; asks each question once.
pub(super) struct Recorder<'a> {
    inner: &'a dyn Files,
    made: RefCell<Snapshot>,
    /// Octets of all files so far: to count them for each file anew would take for ever with many.
    octets: Cell<usize>,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(inner: &'a dyn Files, made: Snapshot) -> Self {
        Self { inner, octets: Cell::new(made.octets()), made: RefCell::new(made) }
    }

    pub(super) fn finish(self) -> Snapshot {
        self.made.into_inner()
    }
}

impl Files for Recorder<'_> {
    fn read(&self, path: &str) -> Result<Rc<[u8]>, Unusable> {
        let mut made = self.made.borrow_mut();
        if let Some(known) = made.files.get(path) {
            return known.clone();
        }
        let answer = self.inner.read(path).and_then(|bytes| {
            let total = self.octets.get().saturating_add(bytes.len());
            if total > limit::CONFIG_OCTETS {
                return Err(Unusable::Size);
            }
            self.octets.set(total);
            Ok(bytes)
        });
        made.files.insert(path.into(), answer.clone());
        answer
    }

    fn matches(&self, pattern: &str) -> Vec<String> {
        let mut made = self.made.borrow_mut();
        if let Some(known) = made.patterns.get(pattern) {
            return known.clone();
        }
        let answer = self.inner.matches(pattern);
        made.patterns.insert(pattern.into(), answer.clone());
        answer
    }

    fn directory(&self, path: &str) -> String {
        let mut made = self.made.borrow_mut();
        if let Some(known) = made.directories.get(path) {
            return known.clone();
        }
        let answer = self.inner.directory(path);
        made.directories.insert(path.into(), answer.clone());
        answer
    }

    fn variable(&self, name: &str) -> Option<String> {
        let mut made = self.made.borrow_mut();
        if let Some(known) = made.variables.get(name) {
            return known.clone();
        }
        let answer = self.inner.variable(name);
        made.variables.insert(name.into(), answer.clone());
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Snapshot {
        let mut made = Snapshot {
            options: Options { path: "/etc/k.conf".into(), id: "r1".into(), seed: 77, every_file: false },
            ..Snapshot::default()
        };
        made.files.insert("/etc/k.conf".into(), Ok(b"a\0\xff\n".as_slice().into()));
        made.files.insert("x".into(), Err(Unusable::Denied("no".into())));
        made.files.insert("y".into(), Err(Unusable::Kind));
        made.patterns.insert("*.conf".into(), vec!["a.conf".into(), "b.conf".into()]);
        made.directories.insert("/etc".into(), "/etc".into());
        made.variables.insert("HOME".into(), Some("/root".into()));
        made.variables.insert("NONE".into(), None);
        made
    }

    #[test]
    fn there_and_back() {
        let made = sample();
        assert_eq!(Snapshot::decode(&made.encode()), Ok(made));
    }

    #[test]
    fn damage_is_an_error_and_never_a_panic() {
        let whole = sample().encode();
        for len in 0..whole.len() {
            assert_eq!(Snapshot::decode(&whole[..len]), Err(Damaged), "cut to {len}");
        }
        let mut longer = whole.clone();
        longer.push(0);
        assert_eq!(Snapshot::decode(&longer), Err(Damaged));
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut bad = whole.clone();
                bad[at] = value;
                // Only that it ends, without panic and without asking for the memory that a count claims.
                let _ = Snapshot::decode(&bad);
            }
        }
    }
}

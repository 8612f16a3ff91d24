//! Where text comes from: the outside world as the expander sees it, and the names and bytes of every file read.

use std::cell::OnceCell;
use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::rc::Rc;

use crate::base::limit;
use crate::base::map::Map;

use super::position::Position;
use super::wildcard;

/// What a configuration depends on besides its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The main file; a pattern may name several.
    pub path: String,
    /// The configuration id: `-i`, or the host name up to its first dot. For `@id` and `${_INSTANCE}`.
    pub id: String,
    /// Where `${_RANDOM}` starts.
    pub seed: u64,
    /// `-e`: every file must be there, as if each include were an `includea`. Not part of a snapshot, which is only
    /// made of configurations that passed.
    pub every_file: bool,
}

/// What a configuration asks of the world outside: files, directories, environment.
///
/// [`Disk`] is the real one; a [`super::snapshot::Snapshot`] answers from what was asked before.
pub trait Files {
    /// The bytes of a file.
    ///
    /// # Errors
    /// Why it cannot be used.
    fn read(&self, path: &str) -> Result<Rc<[u8]>, Unusable>;

    /// The names that a pattern of `* ? [] \` matches; a pattern without wildcards matches what exists.
    fn matches(&self, pattern: &str) -> Vec<String>;

    /// The real name of a directory, links resolved; the name itself where that fails.
    fn directory(&self, path: &str) -> String;

    /// The value of an environment variable.
    fn variable(&self, name: &str) -> Option<String>;
}

/// Why a file cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// There is none of this name.
    Missing,
    /// It is a directory.
    Directory,
    /// It is a device, a pipe or the like, or somebody may execute it.
    Kind,
    /// It is longer than [`limit::CONFIG_OCTETS`].
    Size,
    /// Opening or reading failed, in the words of the system.
    Denied(String),
}

/// The file system and the environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> Result<Rc<[u8]>, Unusable> {
        // Before opening as well: to open a pipe would wait for its writer.
        usable(&fs::metadata(path).map_err(refusal)?)?;
        // Some files of the kernel count as plain and hold up who reads them until something happens.
        let waits = libc::O_NONBLOCK | libc::O_NOCTTY;
        let file = OpenOptions::new().read(true).custom_flags(waits).open(path).map_err(refusal)?;
        let about = file.metadata().map_err(refusal)?;
        usable(&about)?;
        let most = u64::try_from(limit::CONFIG_OCTETS).unwrap_or(u64::MAX);
        if about.len() > most {
            // Not read up to there: a small machine has no memory for it.
            return Err(Unusable::Size);
        }
        let mut bytes = Vec::new();
        file.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(refusal)?;
        if bytes.len() > limit::CONFIG_OCTETS { Err(Unusable::Size) } else { Ok(bytes.into()) }
    }

    fn matches(&self, pattern: &str) -> Vec<String> {
        wildcard::files(pattern)
    }

    fn directory(&self, path: &str) -> String {
        let path = if path.is_empty() { "." } else { path };
        fs::canonicalize(path).map_or_else(|_| path.into(), |real| real.to_string_lossy().into_owned())
    }

    fn variable(&self, name: &str) -> Option<String> {
        // A name that the system function refuses is not set.
        if name.is_empty() || name.contains(['=', '\0']) {
            return None;
        }
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }
}

fn usable(about: &fs::Metadata) -> Result<(), Unusable> {
    /// Any of the three execute permissions.
    const EXECUTE: u32 = 0o111;
    if about.is_dir() {
        Err(Unusable::Directory)
    } else if !about.is_file() || about.permissions().mode() & EXECUTE != 0 {
        Err(Unusable::Kind)
    } else {
        Ok(())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "shaped for map_err")]
fn refusal(error: std::io::Error) -> Unusable {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Unusable::Missing,
        // There is more to come: no configuration.
        ErrorKind::WouldBlock => Unusable::Kind,
        _ => Unusable::Denied(error.to_string()),
    }
}

/// Every file of a configuration, in the order in which they were first read; 0 is the main file.
#[derive(Clone, Debug, Default)]
pub struct SourceMap {
    files: Vec<Source>,
    numbers: Map<Rc<str>, u16>,
}

#[derive(Clone, Debug)]
struct Source {
    name: Rc<str>,
    bytes: Rc<[u8]>,
    /// Where each line begins; made when first asked for.
    lines: OnceCell<Vec<u32>>,
}

impl SourceMap {
    /// Adds a file; its number, or none if there are 65,536 already. A file of the same name that was added
    /// before is the same file.
    pub fn add(&mut self, name: &str, bytes: Rc<[u8]>) -> Option<u16> {
        if let Some(&known) = self.numbers.get(name) {
            return Some(known);
        }
        let number = u16::try_from(self.files.len()).ok()?;
        let name: Rc<str> = name.into();
        self.numbers.insert(Rc::clone(&name), number);
        self.files.push(Source { name, bytes, lines: OnceCell::new() });
        Some(number)
    }

    /// The name under which a file was read.
    #[must_use]
    pub fn name(&self, file: u16) -> Option<&str> {
        self.files.get(usize::from(file)).map(|source| &*source.name)
    }

    /// The bytes of a file.
    #[must_use]
    pub fn bytes(&self, file: u16) -> Option<&[u8]> {
        self.files.get(usize::from(file)).map(|source| &*source.bytes)
    }

    /// The names of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|source| &*source.name)
    }

    /// The line that a position names, without its end; bytes that are no text are replaced.
    #[must_use]
    pub fn line(&self, at: Position) -> Option<String> {
        let source = self.files.get(usize::from(at.file))?;
        let lines = source.lines.get_or_init(|| {
            let ends =
                source.bytes.iter().zip(1_u32..).filter(|&(&byte, _)| byte == b'\n').map(|(_, next)| next);
            core::iter::once(0).chain(ends).collect()
        });
        let index = usize::try_from(at.line).ok()?.checked_sub(1)?;
        let start = usize::try_from(*lines.get(index)?).ok()?;
        let text = source.bytes.get(start..)?.split(|&byte| byte == b'\n').next()?;
        Some(String::from_utf8_lossy(text).trim_end_matches('\r').to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_file() {
        let mut map = SourceMap::default();
        assert_eq!(map.add("a", b"one\r\ntwo\n\nfour".as_slice().into()), Some(0));
        assert_eq!(map.add("b", b"".as_slice().into()), Some(1));
        assert_eq!(map.add("a", b"".as_slice().into()), Some(0));
        let line = |file, line| map.line(Position { file, line, column: 1 });
        assert_eq!(line(0, 1).as_deref(), Some("one"));
        assert_eq!(line(0, 4).as_deref(), Some("four"));
        assert_eq!(line(0, 3).as_deref(), Some(""));
        assert_eq!(line(0, 0), None);
        assert_eq!(line(0, 5), None);
        assert_eq!(line(2, 1), None);
    }

    #[test]
    fn what_the_disk_refuses() {
        assert_eq!(Disk.read("/nowhere/at/all"), Err(Unusable::Missing));
        assert_eq!(Disk.read("/tmp"), Err(Unusable::Directory));
        assert_eq!(Disk.read("/dev/null"), Err(Unusable::Kind));
        assert_eq!(Disk.read("/bin/sh"), Err(Unusable::Kind));
        // The kernel's log, which some containers keep to themselves.
        assert!(matches!(
            Disk.read("/proc/kmsg"),
            Err(Unusable::Kind | Unusable::Denied(_) | Unusable::Missing)
        ));
        assert_eq!(Disk.matches("/etc/pass[v-x]d"), ["/etc/passwd"]);
        assert_eq!(Disk.variable("A=B"), None);
    }
}

//! Other processes of the same program on this machine.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Who is left out in a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// This process alone.
    Own,
    /// This process, its parent, and the other children of it.
    Child,
}

/// A process outside the family that runs a program called `name`, or the same file as this process, in the same
/// network namespace. One that was called by a name of `passing`, or with such a word, does something else and does not
/// count. What cannot be read is taken for none.
#[must_use]
pub fn find(name: &str, family: Family, passing: &[&str]) -> Option<i32> {
    let own = nix::unistd::getpid().as_raw();
    let parent = nix::unistd::getppid().as_raw();
    let namespace = link("self", "ns/net")?;
    let entries = fs::read_dir("/proc").ok()?;
    for entry in entries.flatten() {
        let number = entry.file_name();
        let Some(number) = number.to_str() else { continue };
        let Ok(pid) = number.parse() else { continue };
        let kin = family == Family::Child && (pid == parent || parent_of(number) == Some(parent));
        let one = pid != own && !kin && is_one(pid, name);
        if one && link(number, "ns/net").as_ref() == Some(&namespace) && !is_passing(number, passing) {
            return Some(pid);
        }
    }
    None
}

fn is_passing(process: &str, passing: &[&str]) -> bool {
    let octets = fs::read(Path::new("/proc").join(process).join("cmdline")).unwrap_or_default();
    let words = octets.split(|octet| *octet == 0).zip(0_usize..);
    words.into_iter().any(|(word, position)| {
        let last = word.rsplit(|octet| *octet == b'/').next().filter(|_| position == 0);
        passing.iter().any(|known| known.as_bytes() == last.unwrap_or(word))
    })
}

/// What a process was given behind an option on its command line, in one word with it or in the next.
#[must_use]
pub fn option(pid: i32, short: &str, long: &str) -> Option<PathBuf> {
    let octets = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = octets.split(|octet| *octet == 0).skip(1);
    while let Some(word) = words.next() {
        let value = if word == short.as_bytes() || word == long.as_bytes() {
            words.next()?
        } else if let Some(value) =
            word.strip_prefix(long.as_bytes()).and_then(|rest| rest.strip_prefix(b"="))
        {
            value
        } else if let Some(value) = word.strip_prefix(short.as_bytes()) {
            value
        } else {
            continue;
        };
        return Some(PathBuf::from(OsStr::from_bytes(value)));
    }
    None
}

/// Whether a process runs a program called `name`, or the same file as this process.
#[must_use]
pub fn is_one(pid: i32, name: &str) -> bool {
    let number = pid.to_string();
    match program_of(&number) {
        Some(file) => {
            Some(&file) == program_of("self").as_ref() || file.file_name().is_some_and(|last| last == name)
        }
        // Whoever may not look at its file still sees its name; a process at its very end has that alone, too.
        None => is_alive(&number) && comm_of(&number).is_some_and(|comm| comm.trim_end() == name),
    }
}

/// Whether a process runs the same program as this one; its file may have been replaced since.
#[must_use]
pub fn is_same_program(pid: i32) -> bool {
    let program = program_of(&pid.to_string());
    program.is_some() && program == program_of("self")
}

/// Whether a process runs the very file that this process runs.
#[must_use]
pub fn is_same_file(pid: i32) -> bool {
    let file = link(&pid.to_string(), "exe");
    file.is_some() && file == link("self", "exe")
}

/// Whether no process of the program has started a process of it: its parent is gone.
#[must_use]
pub fn is_orphan(pid: i32, name: &str) -> bool {
    is_one(pid, name) && !parent_of(&pid.to_string()).is_some_and(|parent| is_one(parent, name))
}

/// Whether SIGTERM waits for a process.
#[must_use]
pub fn is_told_to_end(pid: i32) -> bool {
    const TERM: u64 = 1 << (libc::SIGTERM - 1);
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let waiting = |line: &str| {
        let mask = line.strip_prefix("ShdPnd:").or_else(|| line.strip_prefix("SigPnd:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    };
    text.lines().filter_map(waiting).any(|mask| mask & TERM != 0)
}

fn comm_of(process: &str) -> Option<String> {
    fs::read_to_string(Path::new("/proc").join(process).join("comm")).ok()
}

/// Whether it is there and no zombie.
fn is_alive(process: &str) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(process).join("stat")).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z") && !rest.starts_with(" X"))
}

/// The file of its program, which may have been replaced since: an upgrade is no other program.
fn program_of(process: &str) -> Option<PathBuf> {
    let file = link(process, "exe")?;
    let kept = file.as_os_str().as_encoded_bytes().strip_suffix(b" (deleted)");
    Some(kept.map_or_else(|| file.clone(), |kept| PathBuf::from(OsStr::from_bytes(kept))))
}

fn link(process: &str, what: &str) -> Option<PathBuf> {
    fs::read_link(Path::new("/proc").join(process).join(what)).ok()
}

/// The second number behind the name, which may itself hold blanks and brackets.
fn parent_of(process: &str) -> Option<i32> {
    let text = fs::read_to_string(Path::new("/proc").join(process).join("stat")).ok()?;
    text.rsplit(')').next()?.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    #[test]
    fn children_of_others_count_and_the_family_does_not() {
        assert_eq!(parent_of("self"), Some(nix::unistd::getppid().as_raw()));
        let folder = std::env::temp_dir().join(format!("same_program.{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("same-program-sleeps");
        fs::copy("/bin/sleep", &program).unwrap();
        // Another test may be starting a program at this moment: until that runs, it is this file once more.
        let becomes = |runs: bool, family| {
            (0..500).any(|turn| {
                let _ = nix::poll::poll(&mut [], if turn == 0 { 0_u16 } else { 10 });
                find("same-program-sleeps", family, &["asks"]).is_some() == runs
            })
        };
        assert!(becomes(false, Family::Child));
        assert!(becomes(false, Family::Own));
        // One that is called by another name is looked over.
        let mut asks = Command::new(&program).arg0("/bin/asks").arg("100").spawn().unwrap();
        let overlooked = becomes(false, Family::Child);
        asks.kill().unwrap();
        asks.wait().unwrap();
        assert!(overlooked);
        // A child of this process is none of its parent's.
        let mut child = Command::new(&program).arg("100").spawn().unwrap();
        let found = becomes(true, Family::Child);
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert!(found);
        assert!(becomes(false, Family::Child));
    }
}

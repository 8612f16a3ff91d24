//! Other processes of the same program on this machine.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Whether a process outside the own family (parent, its children) runs a program called `name`, or the same file as
/// this process, in the same network namespace. What cannot be read is taken for none.
#[must_use]
pub fn runs(name: &str) -> bool {
    let own = nix::unistd::getpid().as_raw();
    let parent = nix::unistd::getppid().as_raw();
    let Some(namespace) = link("self", "ns/net") else { return false };
    let Ok(entries) = fs::read_dir("/proc") else { return false };
    let numbers = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    numbers.filter_map(|name| Some((name.parse::<i32>().ok()?, name))).any(|(pid, number)| {
        let family = pid == own || pid == parent || parent_of(&number) == Some(parent);
        let program = || link(&number, "exe").is_some_and(|file| is_called(&file, name));
        !family && program() && link(&number, "ns/net").as_ref() == Some(&namespace)
    })
}

/// Whether a process runs the same file as this one, and its parent does not: who started it is gone. None: the process
/// is at its very end, or gone.
#[must_use]
pub fn is_orphan(pid: i32) -> Option<bool> {
    let number = pid.to_string();
    let own = program_of("self")?;
    let program = program_of(&number)?;
    let parent = parent_of(&number).and_then(|parent| program_of(&parent.to_string()));
    Some(program == own && parent != Some(own))
}

fn is_called(file: &Path, name: &str) -> bool {
    let own = link("self", "exe");
    own.as_deref() == Some(file) || file.file_name().is_some_and(|last| last == name)
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
    use std::process::Command;

    #[test]
    fn children_of_others_count_and_the_family_does_not() {
        assert_eq!(parent_of("self"), Some(nix::unistd::getppid().as_raw()));
        let folder = std::env::temp_dir().join(format!("namesake.{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let program = folder.join("namesake-sleeps");
        fs::copy("/bin/sleep", &program).unwrap();
        assert!(!runs("namesake-sleeps"));
        // A child of this process is none of its parent's.
        let mut child = Command::new(&program).arg("100").spawn().unwrap();
        let found = (0..500).any(|_| {
            let _ = nix::poll::poll(&mut [], 10_u16);
            runs("namesake-sleeps")
        });
        child.kill().unwrap();
        child.wait().unwrap();
        fs::remove_dir_all(&folder).unwrap();
        assert!(found);
        assert!(!runs("namesake-sleeps"));
    }
}

//! Paths of programs: can they be executed, and who else could change them.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Why running a file as root hands root to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insecure {
    /// It, or a folder on the way, belongs to another user than root.
    Owner,
    /// It, or a folder on the way, can be written by a group other than root's, or by everybody.
    Writable,
}

/// Whether `file` is a plain file with an execute bit, links followed.
#[must_use]
pub fn executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0)
}

/// The same file by a path whose folders are no links. Its own name stays: some programs do what they are called.
#[must_use]
pub fn in_real_folder(file: PathBuf) -> PathBuf {
    let real = file.parent().filter(|folder| !folder.as_os_str().is_empty()).map(fs::canonicalize);
    match (real, file.file_name()) {
        (Some(Ok(folder)), Some(name)) => folder.join(name),
        _ => file,
    }
}

/// Judges `file` and every folder on the way to it, links resolved. None: only root can change what runs. A file
/// that cannot be found is judged by what is there.
#[must_use]
pub fn judge(file: &OsStr) -> Option<Insecure> {
    let resolved = fs::canonicalize(file).unwrap_or_else(|_| Path::new(file).to_owned());
    resolved.ancestors().find_map(|part| {
        let found = fs::metadata(part).ok()?;
        let sticky_folder = found.is_dir() && found.mode() & 0o1000 != 0;
        let by_group = found.mode() & 0o020 != 0 && found.gid() != 0;
        let by_all = found.mode() & 0o002 != 0;
        if found.uid() != 0 {
            Some(Insecure::Owner)
        } else if (by_group || by_all) && !sticky_folder {
            Some(Insecure::Writable)
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_resolved_and_the_name_is_kept() {
        let folder = std::env::temp_dir().join(format!("real-folder-{}", std::process::id()));
        fs::create_dir_all(folder.join("there")).unwrap();
        std::os::unix::fs::symlink("there", folder.join("link")).unwrap();
        std::os::unix::fs::symlink("/bin/sh", folder.join("there/name")).unwrap();
        let real = fs::canonicalize(&folder).unwrap();
        assert_eq!(in_real_folder(folder.join("link/name")), real.join("there/name"));
        assert_eq!(in_real_folder(folder.join("nowhere/name")), folder.join("nowhere/name"));
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn the_shell_is_executable_and_root_s() {
        assert!(executable(Path::new("/bin/sh")));
        assert!(!executable(Path::new("/bin")));
        assert!(!executable(Path::new("/nonexistent")));
        assert_eq!(judge(OsStr::new("/bin/sh")), None);
    }

    #[test]
    fn what_others_can_write_is_insecure() {
        use std::os::unix::fs::PermissionsExt;
        let file = std::env::temp_dir().join(format!("judge-{}", std::process::id()));
        fs::write(&file, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(judge(file.as_os_str()), Some(Insecure::Writable));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(judge(file.as_os_str()), None, "a sticky folder lets nobody replace it");
        fs::remove_file(&file).unwrap();
    }
}

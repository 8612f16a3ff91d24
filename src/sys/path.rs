//! Paths of programs: can they be executed, and who else could change them.

use std::ffi::CStr;
use std::fs;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::check;

/// Why running a file as root hands root to somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insecure {
    /// It, or a folder on the way, belongs to another user than root.
    Owner,
    /// It, or a folder on the way, can be written by a group other than root's, or by everybody.
    Writable,
    /// It depends on where the process is: it does not begin with a slash.
    Relative,
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

/// Judges a file, every folder on the way to it, and every link on that way with all the folders that lead to where it
/// points. None: only root can change what the path stands for, or there is nothing at its end. Neither allocates nor
/// takes a lock, so that a child before its exec may ask.
#[must_use]
pub fn judge(path: &CStr) -> Option<Insecure> {
    if !path.to_bytes().starts_with(b"/") {
        return Some(Insecure::Relative);
    }
    walk(path.to_bytes()).unwrap_or(None)
}

/// Goes to the end of a path by descriptors, one name at a time. None: there is no such thing, or it is too long.
fn walk(path: &[u8]) -> Option<Option<Insecure>> {
    let mut left = Left::default();
    left.put_before(path)?;
    let mut place = open_at(libc::AT_FDCWD, c"/")?;
    let mut links = 0;
    if let Some(why) = look(&place)?.judge() {
        return Some(Some(why));
    }
    loop {
        let mut room = [0; NAME];
        let Some(name) = left.next_name(&mut room)? else { return Some(None) };
        let entry = open_at(place.as_raw_fd(), name)?;
        let found = look(&entry)?;
        if let Some(why) = found.judge() {
            return Some(Some(why));
        }
        if !found.is(libc::S_IFLNK) {
            place = entry;
            continue;
        }
        links += 1;
        if links > LINKS {
            return None;
        }
        let mut room = [0; libc::PATH_MAX as usize];
        let target = read_link(&entry, &mut room)?;
        if target.starts_with(b"/") {
            place = open_at(libc::AT_FDCWD, c"/")?;
        }
        left.put_before(target)?;
    }
}

/// The names of a path that are still to be walked, at the end of the buffer.
struct Left {
    octets: [u8; 2 * libc::PATH_MAX as usize],
    start: usize,
}

impl Default for Left {
    fn default() -> Self {
        let octets = [b'/'; 2 * libc::PATH_MAX as usize];
        Self { start: octets.len(), octets }
    }
}

impl Left {
    /// Puts the target of a link, or the first path, before what is left. None: too long.
    fn put_before(&mut self, path: &[u8]) -> Option<()> {
        // A slash between the two.
        let end = self.start.checked_sub(1)?;
        let start = end.checked_sub(path.len())?;
        *self.octets.get_mut(end)? = b'/';
        self.octets.get_mut(start..end)?.copy_from_slice(path);
        self.start = start;
        Some(())
    }

    /// Takes the next name, without slashes, and ends it with a NUL; none at the end of the path.
    fn next_name<'a>(&mut self, room: &'a mut [u8; NAME]) -> Option<Option<&'a CStr>> {
        let rest = self.octets.get(self.start..)?;
        let Some(slashes) = rest.iter().position(|octet| *octet != b'/') else { return Some(None) };
        let rest = rest.get(slashes..)?;
        let len = rest.iter().position(|octet| *octet == b'/').unwrap_or(rest.len());
        self.start += slashes + len;
        room.get_mut(..len)?.copy_from_slice(rest.get(..len)?);
        *room.get_mut(len)? = 0;
        CStr::from_bytes_until_nul(room).ok().map(Some)
    }
}

/// The longest name of a file, with its NUL.
const NAME: usize = 256;
/// As many links as the kernel follows.
const LINKS: u32 = 40;

/// What is known of one step of a path.
struct Found {
    mode: libc::mode_t,
    uid: libc::uid_t,
    gid: libc::gid_t,
}

impl Found {
    const fn is(&self, kind: libc::mode_t) -> bool {
        self.mode & libc::S_IFMT == kind
    }

    /// Whether others than root can change it, or put something else in the place of what is in it. In a sticky folder
    /// they cannot do that to what is root's.
    const fn judge(&self) -> Option<Insecure> {
        let sticky_folder = self.is(libc::S_IFDIR) && self.mode & libc::S_ISVTX != 0;
        let by_group = self.mode & libc::S_IWGRP != 0 && self.gid != 0;
        let by_all = self.mode & libc::S_IWOTH != 0;
        if self.uid != 0 {
            Some(Insecure::Owner)
        } else if (by_group || by_all) && !sticky_folder && !self.is(libc::S_IFLNK) {
            Some(Insecure::Writable)
        } else {
            None
        }
    }
}

fn open_at(folder: libc::c_int, name: &CStr) -> Option<OwnedFd> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW | libc::O_CLOEXEC;
    // SAFETY: `name` ends with a NUL; the descriptor is new and nobody else's.
    unsafe { check(libc::openat(folder, name.as_ptr(), flags)).ok().map(|fd| OwnedFd::from_raw_fd(fd)) }
}

fn look(place: &OwnedFd) -> Option<Found> {
    // SAFETY: all zeros is a value of this structure.
    let mut found: libc::stat = unsafe { core::mem::zeroed() };
    // SAFETY: writes only `found`.
    check(unsafe { libc::fstat(place.as_raw_fd(), &raw mut found) }).ok()?;
    Some(Found { mode: found.st_mode, uid: found.st_uid, gid: found.st_gid })
}

fn read_link<'a>(link: &OwnedFd, room: &'a mut [u8]) -> Option<&'a [u8]> {
    let (to, len) = (room.as_mut_ptr().cast(), room.len());
    // SAFETY: writes at most `len` octets to `room`; the name is empty: the link is the descriptor's.
    let read = unsafe { libc::readlinkat(link.as_raw_fd(), c"".as_ptr(), to, len) };
    // One that fills the room may have been cut.
    let read = usize::try_from(read).ok().filter(|read| *read < len)?;
    room.get(..read)
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
        assert_eq!(judge(c"/bin/sh"), None);
        assert_eq!(judge(c"bin/sh"), Some(Insecure::Relative));
        assert_eq!(judge(c"/nonexistent/at/all"), None);
    }

    /// A folder of this test's own, and how a path in it is judged.
    fn judged(name: &str, make: impl FnOnce(&Path)) -> impl Fn(&str) -> Option<Insecure> {
        let folder = std::env::temp_dir().join(format!("judge-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        make(&folder);
        struct Gone(PathBuf);
        impl Drop for Gone {
            fn drop(&mut self) {
                let _ = fs::remove_dir_all(&self.0);
            }
        }
        let gone = Gone(folder);
        move |path| {
            let path = gone.0.join(path);
            judge(&std::ffi::CString::new(path.to_str().unwrap()).unwrap())
        }
    }

    #[test]
    fn what_others_can_write_is_insecure() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |file: &Path, mode| fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
        let judge = judged("write", |folder| {
            for name in ["open", "safe"] {
                fs::write(folder.join(name), "#!/bin/sh\n").unwrap();
            }
            mode(&folder.join("open"), 0o777);
            mode(&folder.join("safe"), 0o755);
            for (name, bits) in [("wide", 0o777), ("sticky", 0o1777)] {
                fs::create_dir(folder.join(name)).unwrap();
                mode(&folder.join(name), bits);
                std::os::unix::fs::symlink("/bin/true", folder.join(name).join("link")).unwrap();
            }
        });
        assert_eq!(judge("open"), Some(Insecure::Writable));
        assert_eq!(judge("safe"), None, "a sticky folder lets nobody replace it");
        assert_eq!(
            judge("wide/link"),
            Some(Insecure::Writable),
            "what it points to is root's, the link is not safe"
        );
        assert_eq!(judge("sticky/link"), None);
        assert_eq!(judge("wide/../safe"), Some(Insecure::Writable), "another folder may be put in its place");
    }

    #[test]
    fn every_folder_of_a_link_and_of_its_target_is_judged() {
        use std::os::unix::fs::{chown, lchown, symlink};
        let judge = judged("links", |folder| {
            for name in ["bob", "root", "root/deep"] {
                fs::create_dir(folder.join(name)).unwrap();
            }
            symlink("/bin/true", folder.join("bob/check")).unwrap();
            chown(folder.join("bob"), Some(65_534), None).unwrap();
            symlink("../../bob/check", folder.join("root/deep/far")).unwrap();
            symlink("deep", folder.join("root/way")).unwrap();
            symlink("/bin/true", folder.join("root/deep/near")).unwrap();
            symlink("/bin/true", folder.join("root/theirs")).unwrap();
            lchown(folder.join("root/theirs"), Some(65_534), None).unwrap();
            symlink("loop", folder.join("root/loop")).unwrap();
        });
        assert_eq!(judge("bob/check"), Some(Insecure::Owner), "their folder, root's file");
        assert_eq!(judge("root/way/far"), Some(Insecure::Owner), "a link of root's into their folder");
        assert_eq!(judge("root/way/near"), None);
        assert_eq!(judge("root/theirs"), Some(Insecure::Owner), "a link that is theirs");
        assert_eq!(judge("root/loop"), None, "nothing can be run");
    }
}

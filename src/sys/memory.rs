//! Anonymous memory files: how a configuration travels from the parent to its children.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};

/// An empty memory file, close-on-exec, which can be sealed. `name` shows in /proc only.
///
/// # Errors
/// When the kernel has no descriptor or no memory for it.
pub fn create(name: &str) -> io::Result<File> {
    let flags = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    Ok(File::from(memfd_create(name, flags)?))
}

/// A memory file with `content` that nobody can change any more.
///
/// # Errors
/// When the kernel has no descriptor or no memory for it.
pub fn sealed(name: &str, content: &[u8]) -> io::Result<OwnedFd> {
    let mut file = create(name)?;
    file.write_all(content)?;
    let seals =
        SealFlag::F_SEAL_SHRINK | SealFlag::F_SEAL_GROW | SealFlag::F_SEAL_WRITE | SealFlag::F_SEAL_SEAL;
    fcntl(&file, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(OwnedFd::from(file))
}

/// A file with `content` that has no name, on the file system of `folder` instead of in memory.
///
/// # Errors
/// When nothing can be written there.
pub fn unnamed(folder: &Path, content: &[u8]) -> io::Result<OwnedFd> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    let opened = options.custom_flags(libc::O_TMPFILE).open(folder);
    let mut file = match opened {
        Ok(file) => file,
        // Not every file system can do that.
        Err(_) => {
            let name = folder.join(format!(".keepalived.{}", std::process::id()));
            let file = options.create_new(true).custom_flags(libc::O_NOFOLLOW).open(&name)?;
            std::fs::remove_file(&name)?;
            file
        }
    };
    file.write_all(content)?;
    Ok(OwnedFd::from(file))
}

/// The whole content of such a file.
///
/// # Errors
/// When it cannot be read, or memory is short.
pub fn read(fd: OwnedFd) -> io::Result<Vec<u8>> {
    let file = File::from(fd);
    let len = usize::try_from(file.metadata()?.len()).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut content = vec![0; len];
    file.read_exact_at(&mut content, 0)?;
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_name_leaves_none_behind() {
        let folder = std::env::temp_dir().join(format!("ka-unnamed-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let fd = unnamed(&folder, b"configuration").unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        assert_eq!(read(fd).unwrap(), b"configuration");
        std::fs::remove_dir(&folder).unwrap();
        assert!(unnamed(&folder, b"x").is_err());
    }

    #[test]
    fn sealed_content_can_be_read_and_not_changed() {
        let fd = sealed("test", b"configuration").unwrap();
        let copy = fd.try_clone().unwrap();
        assert_eq!(read(fd).unwrap(), b"configuration");
        assert!(File::from(copy).write_all(b"x").is_err());
    }
}

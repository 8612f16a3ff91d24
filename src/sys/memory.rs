//! Anonymous memory files: how a configuration travels from the parent to its children.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt;

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

/// The whole content of a memory file.
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
    fn sealed_content_can_be_read_and_not_changed() {
        let fd = sealed("test", b"configuration").unwrap();
        let copy = fd.try_clone().unwrap();
        assert_eq!(read(fd).unwrap(), b"configuration");
        assert!(File::from(copy).write_all(b"x").is_err());
    }
}

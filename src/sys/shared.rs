//! Memory that a process and those that it forks have in common: what one writes the others see, whatever becomes of it.

use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::AtomicU64;
use std::io;

/// Words in common, zero at first. The kernel gives a page of it memory when something is written there.
#[derive(Debug)]
pub struct Words {
    start: NonNull<AtomicU64>,
    count: usize,
}

// SAFETY: the memory belongs to this value alone and is reached through atomics only.
unsafe impl Send for Words {}
// SAFETY: as above; atomics may be shared.
unsafe impl Sync for Words {}

impl Words {
    /// So many words.
    ///
    /// # Errors
    /// When there is no address space for them.
    pub fn new(count: usize) -> io::Result<Self> {
        let octets = count.checked_mul(size_of::<AtomicU64>()).ok_or(io::ErrorKind::InvalidInput)?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let flags = libc::MAP_SHARED | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a mapping at an address that the kernel chooses touches no memory that is in use.
        let start = unsafe { libc::mmap(ptr::null_mut(), octets, access, flags, -1, 0) };
        if start == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let start = NonNull::new(start).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start: start.cast(), count })
    }

    /// The words.
    #[must_use]
    pub const fn all(&self) -> &[AtomicU64] {
        // SAFETY: the mapping is page-aligned, `count` words long, zeroed by the kernel, which is a valid value of
        // each, and lives as long as `self`. Other processes write to it by atomics, too.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: nobody can hold a reference into the mapping any more; it is as long as it was made.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.count * size_of::<AtomicU64>()) };
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::Ordering;

    use super::*;
    use crate::sys::process::{self, Fork};

    #[test]
    fn what_a_child_writes_is_there_after_its_death() {
        let words = Words::new(1 << 16).unwrap();
        match process::fork().unwrap() {
            Fork::Child => {
                words.all()[40_000].store(7, Ordering::Relaxed);
                process::kill(process::own(), libc::SIGKILL);
                process::exit_now(1);
            }
            Fork::Parent(pid) => {
                let pid = nix::unistd::Pid::from_raw(pid.to_string().parse().unwrap());
                nix::sys::wait::waitpid(pid, None).unwrap();
            }
        }
        assert_eq!(words.all()[40_000].load(Ordering::Relaxed), 7);
        assert!(Words::new(0).is_err());
    }
}

//! Memory that a process and those that it forks have in common: what one writes the others see, whatever becomes of it.

use core::ptr::{self, NonNull};
use core::slice;
use std::io;

/// One of these words. Not every processor has atomics of 64 bits: MIPS of 32 bits has none.
#[cfg(target_has_atomic = "64")]
pub type Word = core::sync::atomic::AtomicU64;
/// The same of two halves.
#[cfg(not(target_has_atomic = "64"))]
pub type Word = halves::Word;

/// Words in common, zero at first. The kernel gives a page of it memory when something is written there.
#[derive(Debug)]
pub struct Words {
    start: NonNull<Word>,
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
        let octets = count.checked_mul(size_of::<Word>()).ok_or(io::ErrorKind::InvalidInput)?;
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
    pub const fn all(&self) -> &[Word] {
        // SAFETY: the mapping is page-aligned, `count` words long, zeroed by the kernel, which is a valid value of
        // each, and lives as long as `self`. Other processes write to it by atomics, too.
        unsafe { slice::from_raw_parts(self.start.as_ptr(), self.count) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        // SAFETY: nobody can hold a reference into the mapping any more; it is as long as it was made.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.count * size_of::<Word>()) };
    }
}

/// What stands in for atomics of 64 bits.
#[cfg(any(test, not(target_has_atomic = "64")))]
mod halves {
    use core::sync::atomic::{AtomicU32, Ordering};

    /// A word of two halves. Additions of several processes are all counted. What is stored is not one step: who is killed
    /// between the halves, or reads between them again and again, has a mixture of both values.
    #[derive(Debug, Default)]
    #[repr(C, align(8))]
    pub struct Word {
        low: AtomicU32,
        high: AtomicU32,
    }

    impl Word {
        /// The value.
        pub fn load(&self, order: Ordering) -> u64 {
            let mut high = self.high.load(order);
            for _ in 0..TRIES {
                let low = self.low.load(order);
                let again = self.high.load(order);
                if again == high {
                    return joined(high, low);
                }
                high = again;
            }
            joined(high, self.low.load(order))
        }

        /// Replaces the value.
        pub fn store(&self, value: u64, order: Ordering) {
            self.high.store(upper(value), order);
            self.low.store(lower(value), order);
        }

        /// Adds; the value before.
        pub fn fetch_add(&self, more: u64, order: Ordering) -> u64 {
            let low = self.low.fetch_add(lower(more), order);
            let carry = u32::from(low.checked_add(lower(more)).is_none());
            let high = self.high.fetch_add(upper(more).wrapping_add(carry), order);
            joined(high, low)
        }

        /// At least this; for one writer.
        pub fn fetch_max(&self, value: u64, order: Ordering) {
            self.store(self.load(Ordering::Acquire).max(value), store_of(order));
        }

        /// At most this; for one writer.
        pub fn fetch_min(&self, value: u64, order: Ordering) {
            self.store(self.load(Ordering::Acquire).min(value), store_of(order));
        }
    }

    const fn store_of(order: Ordering) -> Ordering {
        if matches!(order, Ordering::Relaxed) { Ordering::Relaxed } else { Ordering::Release }
    }

    const fn joined(high: u32, low: u32) -> u64 {
        (high as u64) << 32 | low as u64
    }

    const fn upper(value: u64) -> u32 {
        (value >> 32) as u32
    }

    const fn lower(value: u64) -> u32 {
        (value & 0xffff_ffff) as u32
    }

    /// A half changes every four thousand million.
    const TRIES: usize = 4;

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn halves_count_as_one_word() {
            let word = Word::default();
            assert_eq!(word.fetch_add(u64::from(u32::MAX), Ordering::AcqRel), 0);
            assert_eq!(word.fetch_add(2, Ordering::AcqRel), u64::from(u32::MAX));
            assert_eq!(word.load(Ordering::Acquire), 0x1_0000_0001);
            word.store(0x1234_5678_9abc_def0, Ordering::Release);
            word.fetch_max(5, Ordering::Relaxed);
            assert_eq!(word.load(Ordering::Relaxed), 0x1234_5678_9abc_def0);
            word.fetch_min(7, Ordering::Relaxed);
            word.fetch_max(6, Ordering::Relaxed);
            assert_eq!(word.load(Ordering::Relaxed), 7);
            let count = 100_000;
            word.store(u64::from(u32::MAX) - 1_000, Ordering::Relaxed);
            std::thread::scope(|threads| {
                for _ in 0..2 {
                    threads.spawn(|| {
                        for _ in 0..count {
                            word.fetch_add(3, Ordering::AcqRel);
                        }
                    });
                }
            });
            assert_eq!(word.load(Ordering::Relaxed), u64::from(u32::MAX) - 1_000 + 6 * count);
        }
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

//! The global allocator: the system's, with a count.
//!
//! Once a process runs it allocates nothing; the count in the statistics is how that is shown.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};

/// Counts what it hands through to the system's allocator.
#[derive(Debug)]
pub struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);
static LIVE: AtomicUsize = AtomicUsize::new(0);

/// Allocations and reallocations since the program started (inherited by fork), wrapping.
#[must_use]
pub fn allocations() -> usize {
    ALLOCATIONS.load(Ordering::Relaxed)
}

/// Octets allocated and not yet freed.
#[must_use]
pub fn live() -> usize {
    LIVE.load(Ordering::Relaxed)
}

/// Lets whatever is large have pages of its own, always, so that what is read and forgotten while a configuration is
/// loaded leaves nothing behind, and a buffer takes only the pages that were ever used. To be called first.
pub fn prepare() {
    // musl's allocator does so by itself. The GNU one would raise its bound to the largest that was ever freed.
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes two numbers.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGE);
    }
}

/// Octets from which on an allocation is large.
#[cfg(target_env = "gnu")]
const LARGE: libc::c_int = 64 << 10;

/// Gives what is free back to the system, as far as whole pages are: after a configuration has been read, which takes
/// much more than what is kept of it. For load time.
pub fn trim() {
    // musl's allocator gives back by itself.
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and changes nothing that is in use.
    unsafe {
        libc::malloc_trim(0);
    }
}

fn grown(size: usize) {
    ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
    LIVE.fetch_add(size, Ordering::Relaxed);
}

fn freed(size: usize) {
    LIVE.fetch_sub(size, Ordering::Relaxed);
}

// SAFETY: every method hands its arguments unchanged to `System`, whose contract is the same, and returns
// what `System` returned; counting touches no memory but two atomics.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`, which is that of `System`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        // SAFETY: the caller keeps the contract of `alloc_zeroed`, which is that of `System`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        freed(layout.size());
        // SAFETY: `pointer` came from `System` with this layout, as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        freed(layout.size());
        grown(size);
        // SAFETY: `pointer` came from `System` with this layout, as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

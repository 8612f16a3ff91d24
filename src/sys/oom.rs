//! Which process the kernel kills when memory runs out.
//!
//! The parent reads configurations, so that it is the largest process for a moment, and nothing replaces it; a child or a
//! script that is killed is started again. So the parent stands back ([`spare`]), and what it forks stands where the
//! whole daemon stood before ([`restore_in_child`]). Where the kernel does not let the parent stand back (without
//! CAP_SYS_RESOURCE, as in a container), what it forks goes before it.

use core::fmt::Write;
use core::sync::atomic::{AtomicI32, Ordering};
use std::ffi::CStr;
use std::fs;

/// What a forked process writes: its score; [`UNCHANGED`]: nothing.
static OF_CHILDREN: AtomicI32 = AtomicI32::new(UNCHANGED);

const UNCHANGED: i32 = i32::MAX;

/// The kernel's scale is from -1000, which is never killed, to 1000, in thousandths of the memory: a process that stands
/// back by this much must use half of it to go first.
const STANDS_BACK: i32 = 500;
/// By how much children go first where the parent may not stand back.
const GOES_FIRST: i32 = 100;
/// A process at the lowest score is never killed; who asked for that is to have it for children as well.
const NEVER: i32 = -1_000;
const FIRST: i32 = 1_000;

const FILE: &CStr = c"/proc/self/oom_score_adj";

/// This process is to be killed after those that it forks from now on.
pub fn spare() {
    let Some(before) = fs::read_to_string(path()).ok().and_then(|text| text.trim().parse::<i32>().ok())
    else {
        return;
    };
    if before == NEVER {
        return;
    }
    let wanted = before.saturating_sub(STANDS_BACK).max(NEVER + 1);
    let of_children = match fs::write(path(), wanted.to_string()) {
        Ok(()) => before,
        Err(_) => before.saturating_add(GOES_FIRST).min(FIRST),
    };
    OF_CHILDREN.store(of_children, Ordering::Relaxed);
}

fn path() -> &'static str {
    FILE.to_str().unwrap_or_default()
}

/// In a forked process: it may be killed before its parent. Async-signal-safe.
pub fn restore_in_child() {
    let score = OF_CHILDREN.load(Ordering::Relaxed);
    if score == UNCHANGED {
        return;
    }
    let mut text = heapless::String::<12>::new();
    if write!(text, "{score}").is_err() {
        return;
    }
    // SAFETY: the name ends with a NUL, `text` outlives the call, and the descriptor is closed here.
    unsafe {
        let file = libc::open(FILE.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file >= 0 {
            libc::write(file, text.as_ptr().cast(), text.len());
            libc::close(file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::sched::in_a_copy;

    fn score() -> i32 {
        fs::read_to_string(path()).unwrap().trim().parse().unwrap()
    }

    #[test]
    fn a_process_that_stands_back_goes_after_those_that_it_forks() {
        let status = in_a_copy(|| {
            let before = score();
            spare();
            let (own, of_child) = (score(), in_a_copy_of_the_copy());
            u8::from(own < of_child && of_child >= before)
        });
        assert_eq!(libc::WEXITSTATUS(status), 1);
    }

    /// The score of a fork, as an exit status is too narrow for it told by whether it is above this process's.
    fn in_a_copy_of_the_copy() -> i32 {
        let own = score();
        let status = in_a_copy(|| {
            restore_in_child();
            u8::from(score() > own)
        });
        own + libc::WEXITSTATUS(status) * STANDS_BACK
    }
}

//! Gives back the pages of program and libraries that a process used to start, and will hardly use again.
//!
//! Reading a configuration takes most of the code; sending adverts takes a tenth. What is mapped and clean can be let
//! go: it is in the file, mostly still in the page cache, and the first use maps it again, sixteen pages at a time, in
//! a microsecond or two. On a router with little memory, what nobody maps is what the kernel can take first.
//!
//! Measured on the static musl build of tests/size, in /proc/PID/smaps of both processes (anonymous pages, and each page
//! of a file once): 1,616 kB in place of 2,112 with one instance, 2,488 in place of 2,988 with 1,000.
//!
//! Nothing is asked of the C library, so that this holds for each of them, linked statically or not.

use core::ffi::c_void;
use core::ops::Range;
use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead, BufReader};

/// Lets go of what only the start needed: clean pages of files, and the part of the stack below the caller.
///
/// Without /proc, or on a kernel that does not tell the pages of a process there, nothing happens; nor to memory that
/// is locked, which is to stay.
// A frame of its own: within its caller's, large values could lie below the local variable.
#[inline(never)]
pub fn release() {
    // In pieces: it is long, and memory that is free already would be used once more.
    let Ok(file) = File::open("/proc/self/smaps") else { return };
    let maps = BufReader::with_capacity(PIECE, file);
    let here = 0_u8;
    let used = black_box(&raw const here).addr().saturating_sub(CALLS);
    let used = used & page_size().wrapping_neg();
    for range in unneeded(maps, used) {
        drop_pages(range);
    }
}

/// What of these mappings can be dropped, when the stack is in use from `used` on.
fn unneeded(maps: impl BufRead, used: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut mapping: Option<Range<usize>> = None;
    for line in maps.lines().map_while(Result::ok) {
        let mut words = line.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if let Some(range) = range(first) {
            mapping = match (words.next(), words.nth(2), words.next()) {
                (Some("r--p" | "r-xp"), Some(inode), _) if inode != "0" => Some(range),
                // Below are the pages of calls that have returned.
                (Some("rw-p"), _, Some("[stack]")) if range.contains(&used) => {
                    found.push(range.start..used);
                    None
                }
                _ => None,
            };
        }
        // A page that is not the file's any more, such as one with addresses that the dynamic linker wrote before it
        // took away the right to write: all of the mapping stays.
        if matches!(first, "Anonymous:" | "Swap:" | "Locked:") && words.next() != Some("0") {
            mapping = None;
        }
        // The last line of a mapping, when all that speaks against it has been told.
        if first == "VmFlags:" {
            found.extend(mapping.take());
        }
    }
    found
}

/// The two addresses that stand before a mapping.
fn range(word: &str) -> Option<Range<usize>> {
    let (from, to) = word.split_once('-')?;
    Some(usize::from_str_radix(from, 16).ok()?..usize::from_str_radix(to, 16).ok()?)
}

/// Octets read at a time: the kernel gives a mapping or two.
const PIECE: usize = 2048;

/// What lies below a local variable of [`release`] and is in use: the rest of its frame, and the calls down to the
/// kernel. They take a tenth of that; [`drop_pages`] leaves the stack alone where they take more.
const CALLS: usize = 4096;

/// What lies below a local variable of [`drop_pages`]: the rest of its frame, and one call that makes no other.
const LAST_CALL: usize = 1024;

/// Whether dropping a range would take a page of the stack that a function with a local variable at `here` needs.
const fn is_in_use(range: &Range<usize>, here: usize) -> bool {
    range.start <= here && range.end > here.saturating_sub(LAST_CALL)
}

fn page_size() -> usize {
    // SAFETY: it takes a number.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    // As large as pages come: less of the stack is dropped.
    usize::try_from(size).unwrap_or(64 << 10)
}

#[inline(never)]
fn drop_pages(range: Range<usize>) {
    let here = 0_u8;
    if is_in_use(&range, black_box(&raw const here).addr()) {
        return;
    }
    let start = core::ptr::with_exposed_provenance_mut::<c_void>(range.start);
    // SAFETY: the pages are either those of a file, read-only and without a private copy, and come back as they are,
    // or below every frame of this thread's stack that is in use, which has just been looked at. No other
    // thread uses that stack. When the kernel refuses, nothing has changed.
    unsafe {
        libc::madvise(start, range.len(), libc::MADV_DONTNEED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAM: &str = "\
00001000-00003000 r--p 00000000 fe:00 12 /usr/sbin/keepalived
Rss:                   8 kB
Anonymous:             0 kB
Swap:                  0 kB
Locked:                0 kB
VmFlags: rd mr mw me
00003000-00008000 r-xp 00002000 fe:00 12 /usr/sbin/keepalived
Anonymous:             0 kB
Swap:                  0 kB
Locked:                0 kB
VmFlags: rd ex mr mw me
";

    fn one(start: usize, end: usize) -> Vec<Range<usize>> {
        vec![Range { start, end }]
    }

    #[test]
    fn code_and_constants_can_go() {
        assert_eq!(unneeded(PROGRAM.as_bytes(), 0), [0x1000..0x3000, 0x3000..0x8000]);
    }

    #[test]
    fn what_is_not_the_files_any_more_stays() {
        for line in
            ["Anonymous:             0 kB", "Swap:                  0 kB", "Locked:                0 kB"]
        {
            let other = line.replace("  0 kB", "  4 kB");
            assert_eq!(
                unneeded(PROGRAM.replacen(line, &other, 1).as_bytes(), 0),
                one(0x3000, 0x8000),
                "{line}"
            );
        }
        let shared_or_written = ["rw-p", "r--s", "rw-s", "---p"];
        for rights in shared_or_written {
            assert_eq!(
                unneeded(PROGRAM.replacen("r--p", rights, 1).as_bytes(), 0),
                one(0x3000, 0x8000),
                "{rights}"
            );
        }
        let memory = PROGRAM.replace("fe:00 12 /usr/sbin/keepalived", "00:00 0");
        assert_eq!(unneeded(memory.as_bytes(), 0), [], "memory that no file is behind would be lost");
    }

    #[test]
    fn the_stack_goes_up_to_what_is_in_use() {
        let stack = "00010000-00040000 rw-p 00000000 00:00 0 [stack]\nAnonymous: 90 kB\nVmFlags: rd wr\n";
        assert_eq!(unneeded(stack.as_bytes(), 0x3_0000), one(0x1_0000, 0x3_0000));
        assert_eq!(unneeded(stack.as_bytes(), 0x5_0000), [], "another thread's");
    }

    #[test]
    fn a_stack_that_is_deeper_than_expected_stays() {
        assert!(!is_in_use(&(0x1000..0x3000), 0x3000 + LAST_CALL));
        assert!(is_in_use(&(0x1000..0x3000), 0x3000 + LAST_CALL - 1));
        assert!(is_in_use(&(0x1000..0x3000), 0x2000));
        assert!(is_in_use(&(0x1000..0x3000), 0x1000));
        assert!(!is_in_use(&(0x1000..0x3000), 0x0fff), "not the stack");
        let here = 0_u8;
        let here = (&raw const here).addr();
        assert!(!is_in_use(&(here - 4 * CALLS..here - CALLS), here), "as released");
    }

    #[test]
    fn pages_are_gone_and_come_back() {
        let resident = || {
            let maps = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let mut lines = maps.lines().skip_while(|line| !line.contains(" r-xp "));
            let line = lines.find(|line| line.starts_with("Rss:")).unwrap();
            line.split_ascii_whitespace().nth(1).unwrap().parse::<u32>().unwrap()
        };
        let before = resident();
        release();
        assert!(resident() < before, "{before} kB before, {} after", resident());
    }
}

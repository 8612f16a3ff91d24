//! How the kernel runs this process: nice level, realtime class, processors, memory that is never swapped.
//!
//! Nothing of this but the processors reaches a script: the kernel undoes priorities at the fork of a realtime process
//! (SCHED_RESET_ON_FORK), and `restore_in_child` undoes the rest.

use core::mem::{size_of, zeroed};
use core::sync::atomic::{AtomicBool, AtomicI8, Ordering};
use std::ffi::c_int;
use std::io;

use nix::sys::resource::{Resource, UsageWho, getrlimit, getrusage, setrlimit};

use super::check;
use crate::base::time::Span;

/// Whether something was changed that a script must not inherit.
static CHANGED: AtomicBool = AtomicBool::new(false);
/// Whether short turns were asked for.
static SHORT: AtomicBool = AtomicBool::new(false);
/// Whether this process gives way.
static GIVES_WAY: AtomicBool = AtomicBool::new(false);
/// The nice level before the first change.
static NICE: AtomicI8 = AtomicI8::new(0);

fn note_change() {
    if !CHANGED.swap(true, Ordering::Relaxed) {
        NICE.store(nice().unwrap_or(0), Ordering::Relaxed);
    }
}

/// Highest realtime priority of the round-robin class; 99 on Linux.
pub const HIGHEST: u8 = 99;

/// The nice level of this process.
///
/// # Errors
/// None known.
pub fn nice() -> io::Result<i8> {
    // The call may return -1 for a level of -1: the error number tells.
    nix::errno::Errno::clear();
    // SAFETY: takes no pointer.
    let level = unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) };
    let error = nix::errno::Errno::last_raw();
    if error == 0 { Ok(i8::try_from(level).unwrap_or(0)) } else { Err(io::Error::from_raw_os_error(error)) }
}

/// Sets the nice level, -20 to 19.
///
/// # Errors
/// EACCES below the present level without CAP_SYS_NICE.
pub fn set_nice(level: i8) -> io::Result<()> {
    note_change();
    // SAFETY: takes no pointer.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, c_int::from(level)) }).map(drop)
}

/// Asks for short turns on a processor, so that this process, which hardly works, need not wait for the end of another's
/// turn of some milliseconds when something is due. Linux before 6.12 takes note of it and does nothing.
///
/// # Errors
/// What the kernel says; ENOSYS without the call.
pub fn ask_for_short_turns() -> io::Result<()> {
    // Who was started at another class is to stay there.
    if class() != libc::c_long::from(libc::SCHED_OTHER) {
        return Ok(());
    }
    SHORT.store(true, Ordering::Relaxed);
    if set_turn(nice()?, SHORT_TURN) == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Begins or ends giving way: whoever runs when this process wakes up is not interrupted for it. What it is given of
/// the processor's time stays the same, and it is never left waiting for longer than a turn.
///
/// # Errors
/// None known.
pub fn give_way(on: bool) -> io::Result<()> {
    let class = if on {
        // Who was started at another class is to stay there.
        if class() != libc::c_long::from(libc::SCHED_OTHER) {
            return Ok(());
        }
        libc::SCHED_BATCH
    } else if GIVES_WAY.load(Ordering::Relaxed) {
        libc::SCHED_OTHER
    } else {
        return Ok(());
    };
    set_class(class, 0)?;
    GIVES_WAY.store(on, Ordering::Relaxed);
    Ok(())
}

/// The class that this process runs in. The system call, for musl's function does nothing; so too below.
fn class() -> libc::c_long {
    // SAFETY: takes no pointer.
    unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) }
}

fn set_class(class: c_int, priority: u8) -> io::Result<()> {
    // SAFETY: sched_param is numbers, for which zero is a valid value.
    let mut param: libc::sched_param = unsafe { zeroed() };
    param.sched_priority = c_int::from(priority);
    // SAFETY: the kernel reads `param`, which lives until the call returns.
    let done = unsafe { libc::syscall(libc::SYS_sched_setscheduler, 0, class, &raw const param) };
    if done == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets the nice level and the length of a turn in nanoseconds, 0 for what others have.
fn set_turn(nice: i8, length: u64) -> libc::c_long {
    let attributes = Attributes {
        size: ATTRIBUTES_OCTETS,
        policy: libc::SCHED_OTHER.cast_unsigned(),
        nice: i32::from(nice),
        runtime: length,
        ..Attributes::default()
    };
    // SAFETY: the kernel reads as many octets of `attributes` as its first field says; it lives until the call returns.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) }
}

/// The kernel's `struct sched_attr`, in its first version.
#[repr(C)]
#[derive(Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    runtime: u64,
    deadline: u64,
    period: u64,
}

const ATTRIBUTES_OCTETS: u32 = 48;
const _: () = assert!(size_of::<Attributes>() == 48);

/// The shortest that the kernel gives, in nanoseconds.
const SHORT_TURN: u64 = 100_000;

/// Runs before everything that has no realtime priority, from 1 to [`HIGHEST`]; 0 ends that.
///
/// # Errors
/// EPERM without CAP_SYS_NICE, or where the kernel keeps realtime for other control groups.
pub fn set_realtime(priority: u8) -> io::Result<()> {
    note_change();
    let class = if priority == 0 { libc::SCHED_OTHER } else { libc::SCHED_RR | libc::SCHED_RESET_ON_FORK };
    set_class(class, priority.min(HIGHEST))
}

/// Has the kernel end this process, by SIGXCPU, when it has run for `most` at realtime priority without ever waiting.
/// None: as long as the hard limit lets it. That one stays: without CAP_SYS_RESOURCE it could never be raised again.
///
/// # Errors
/// None known.
pub fn limit_realtime(most: Option<Span>) -> io::Result<()> {
    note_change();
    let (_, hard) = getrlimit(Resource::RLIMIT_RTTIME)?;
    let wanted = most.and_then(|most| libc::rlim_t::try_from(most.as_micros()).ok());
    Ok(setrlimit(Resource::RLIMIT_RTTIME, wanted.map_or(hard, |soft| soft.min(hard)), hard)?)
}

/// How often this thread has waited, for whatever it was. Each wait has the kernel count the time of
/// [`limit_realtime`] anew; that the thread was taken off its processor for another one does not.
///
/// # Errors
/// None known.
pub fn waits() -> io::Result<core::ffi::c_long> {
    Ok(getrusage(UsageWho::RUSAGE_THREAD)?.voluntary_context_switches())
}

/// Runs on these processors only, counted from 0; those that are not there are left out.
///
/// # Errors
/// EINVAL when none of them is there.
pub fn set_processors(numbers: &[u16]) -> io::Result<()> {
    // SAFETY: cpu_set_t is an array of numbers, for which zero is a valid value.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    for number in numbers {
        // The set's own size bounds what it is asked for: CPU_SET panics past it.
        if usize::from(*number) < MOST_PROCESSORS {
            // SAFETY: the number is within the set.
            unsafe { libc::CPU_SET(usize::from(*number), &mut set) };
        }
    }
    // SAFETY: the kernel reads `set`, whose size this is.
    check(unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set) }).map(drop)
}

/// The processors that this process may run on.
///
/// # Errors
/// EINVAL on a machine with more than 1,024.
pub fn processors() -> io::Result<Vec<u16>> {
    // SAFETY: as above.
    let mut set: libc::cpu_set_t = unsafe { zeroed() };
    // SAFETY: the kernel writes `set`, whose size this is.
    check(unsafe { libc::sched_getaffinity(0, size_of::<libc::cpu_set_t>(), &raw mut set) })?;
    // SAFETY: the numbers are within the set.
    let has = |number: &u16| unsafe { libc::CPU_ISSET(usize::from(*number), &set) };
    Ok((0..u16::try_from(MOST_PROCESSORS).unwrap_or(u16::MAX)).filter(has).collect())
}

/// Keeps all memory of this process where it is, what is mapped later too, once it has been touched; or no longer.
///
/// # Errors
/// ENOMEM past the limit of locked memory, EPERM without CAP_IPC_LOCK.
pub fn lock_memory(on: bool) -> io::Result<()> {
    if !on {
        // SAFETY: takes no pointer.
        return check(unsafe { libc::munlockall() }).map(drop);
    }
    let all = libc::MCL_CURRENT | libc::MCL_FUTURE;
    // SAFETY: takes no pointer. Before Linux 4.4 there is no locking of what is touched only.
    check(unsafe { libc::mlockall(all | libc::MCL_ONFAULT) })
        .or_else(|_| check(unsafe { libc::mlockall(all) }))
        .map(drop)
}

/// In a forked script before it is executed: ordinary priority, no limit of realtime. Async-signal-safe.
pub(super) fn restore_in_child() {
    let _ = give_way(false);
    if CHANGED.load(Ordering::Relaxed) {
        restore_class();
    }
    if SHORT.load(Ordering::Relaxed)
        && let Ok(level) = nice()
    {
        set_turn(level, 0);
    }
}

fn restore_class() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let _ = set_class(libc::SCHED_OTHER, 0);
    // SAFETY: the kernel reads and writes the limit, which lives until the calls return; what it refuses stays as it
    // was inherited.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, c_int::from(NICE.load(Ordering::Relaxed)));
        if libc::getrlimit(libc::RLIMIT_RTTIME, &raw mut limit) == 0 {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_RTTIME, &raw const limit);
        }
    }
}

/// Bits of the C library's set.
const MOST_PROCESSORS: usize = 8 * size_of::<libc::cpu_set_t>();

/// The status with which a copy of this process ends that does `work` and exits with what it returns. The copy is one
/// of a process with threads: `work` makes system calls only.
#[cfg(test)]
pub(crate) fn in_a_copy(work: impl FnOnce() -> u8) -> i32 {
    use super::process::{self, Fork};
    if let Ok(Fork::Parent(pid)) = process::fork() {
        let mut status = 0;
        // SAFETY: writes only `status`; the process is this test's own.
        unsafe { libc::waitpid(pid.number(), &raw mut status, 0) };
        return status;
    }
    process::exit_now(work())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::clock;

    #[test]
    fn processors_can_be_read_and_set_again() {
        let all = processors().unwrap();
        assert!(!all.is_empty());
        set_processors(&all).unwrap();
        assert_eq!(processors().unwrap(), all);
        assert!(set_processors(&[]).is_err());
        assert!(set_processors(&[u16::MAX]).is_err(), "past the set");
    }

    /// How a process ends that works at realtime priority for five times as long as it may, with or without rests.
    fn work(rests: bool) -> i32 {
        const LIMIT: Span = Span::from_millis(100);
        in_a_copy(|| {
            if set_realtime(1).is_err() || limit_realtime(Some(LIMIT)).is_err() {
                return 9;
            }
            let begin = clock::now();
            let mut rested = begin;
            while clock::now().since(begin) < LIMIT * 5 {
                if rests && clock::now().since(rested) >= LIMIT / 4 {
                    // A sleep that is over before the kernel gets to it is no rest.
                    clock::sleep_until(clock::now() + Span::from_millis(1));
                    rested = clock::now();
                }
            }
            0
        })
    }

    #[test]
    fn the_kernel_ends_who_works_without_a_rest() {
        assert_eq!(work(true), 0);
        let status = work(false);
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGXCPU, "{status}");
    }

    #[test]
    fn a_sleep_is_a_wait_and_work_is_none() {
        // A sleep that is over before the kernel gets to it is none.
        let slept = (0..100).any(|_| {
            let before = waits().unwrap();
            clock::sleep_until(clock::now() + Span::from_millis(2));
            waits().unwrap() > before
        });
        assert!(slept);
        let before = waits().unwrap();
        let begin = clock::now();
        while clock::now().since(begin) < Span::from_millis(5) {}
        assert_eq!(waits().unwrap(), before);
    }

    #[test]
    fn short_turns_end_with_what_is_forked_from_it() {
        let status = in_a_copy(|| {
            let level = nice().ok();
            let turn = || {
                let mut read = Attributes::default();
                // SAFETY: the kernel writes at most as many octets of `read` as is said.
                unsafe {
                    libc::syscall(libc::SYS_sched_getattr, 0, &raw mut read, ATTRIBUTES_OCTETS, 0);
                };
                read.runtime
            };
            let usual = turn();
            let asked = ask_for_short_turns().is_ok() && nice().ok() == level;
            let short = turn();
            restore_in_child();
            // An older kernel reports none.
            let right = usual == 0 || short == SHORT_TURN && turn() == usual;
            u8::from(!(asked && right && nice().ok() == level))
        });
        assert_eq!(status, 0, "the kernel refuses, or the nice level changed");
    }

    #[test]
    fn giving_way_ends_with_what_is_forked_from_it() {
        let status = in_a_copy(|| {
            let is = |wanted: c_int| class() == libc::c_long::from(wanted);
            let gives = give_way(true).is_ok() && is(libc::SCHED_BATCH);
            restore_in_child();
            let ended = is(libc::SCHED_OTHER);
            // What was not begun here is not ended here.
            let strange =
                set_class(libc::SCHED_BATCH, 0).is_ok() && give_way(false).is_ok() && is(libc::SCHED_BATCH);
            u8::from(!(gives && ended && strange))
        });
        assert_eq!(status, 0);
    }
}

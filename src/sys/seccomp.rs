//! The system calls that a child makes once it runs; any other one ends it.
//!
//! The kernel judges each call by a small program (seccomp(2)). A call that is not in the list raises SIGSYS; what catches
//! that tells the parent which call it was, and the process dies by the same signal. The list is that of all children,
//! with what the C library and the memory allocator may call instead of what they call today; what it leaves out are the
//! calls that start another program, change the user, mount, trace, load modules, or set the clock.

use core::sync::atomic::{AtomicI32, Ordering};
use std::ffi::{c_int, c_long, c_void};
use std::io;
use std::os::fd::RawFd;

use super::check;

/// The octet at the head of the packet that tells of a call; the number of the call follows, big endian.
pub const VIOLATION: u8 = 0x5e;

/// Where a violation is told.
static CHANNEL: AtomicI32 = AtomicI32::new(-1);

/// From now on this process, and all that it forks, makes only the calls of the list, and those of `more`; `namespaces`:
/// enters namespaces, too. A violation is told at `channel` before it ends the process. False: nobody has written the list
/// for this processor.
///
/// # Errors
/// What the kernel says: ENOSYS or EINVAL without CONFIG_SECCOMP_FILTER, EACCES without no_new_privs.
pub fn restrict(channel: RawFd, namespaces: bool, more: &[u32]) -> io::Result<bool> {
    let Some(machine) = MACHINE else { return Ok(false) };
    CHANNEL.store(channel, Ordering::Relaxed);
    catch_violations()?;
    let mut calls: Vec<u32> =
        CALLS.iter().flat_map(|part| part.iter()).filter_map(|call| u32::try_from(*call).ok()).collect();
    calls.extend(more);
    if namespaces {
        calls.extend(u32::try_from(libc::SYS_setns));
    }
    calls.sort_unstable();
    calls.dedup();
    let mut program = vec![
        load(MACHINE_OFFSET),
        jump(libc::BPF_JEQ, machine, 1, 0),
        answer(libc::SECCOMP_RET_KILL_PROCESS),
        load(NUMBER_OFFSET),
    ];
    search(&calls, &mut program);
    let length = u16::try_from(program.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
    let program = libc::sock_fprog { len: length, filter: program.as_mut_ptr() };
    // SAFETY: the kernel reads the program, which lives until the call returns.
    let done =
        unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program, 0, 0) };
    check(done).map(|_| true)
}

/// The program that answers for the call in its register: each half of the list has half of the program, so that a call
/// costs some ten steps.
fn search(calls: &[u32], program: &mut Vec<libc::sock_filter>) {
    if calls.len() <= LEAF {
        for (position, call) in calls.iter().enumerate() {
            let left = calls.len() - position - 1;
            // To the answer behind those that are left and the other answer.
            program.push(jump(libc::BPF_JEQ, *call, u8::try_from(left + 1).unwrap_or(u8::MAX), 0));
        }
        program.push(answer(libc::SECCOMP_RET_TRAP));
        program.push(answer(libc::SECCOMP_RET_ALLOW));
        return;
    }
    let (low, high) = calls.split_at(calls.len() / 2);
    let mut below = Vec::new();
    search(low, &mut below);
    let Some(middle) = high.first() else { return };
    // A conditional jump reaches 255 instructions, a plain one all.
    program.push(jump(libc::BPF_JGE, *middle, 0, 1));
    program.push(instruction(libc::BPF_JMP | libc::BPF_JA, u32::try_from(below.len()).unwrap_or(0), 0, 0));
    program.append(&mut below);
    search(high, program);
}

/// Calls that are looked for one after the other.
const LEAF: usize = 8;

fn load(offset: u32) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0)
}

fn jump(condition: u32, value: u32, so: u8, not_so: u8) -> libc::sock_filter {
    instruction(libc::BPF_JMP | condition | libc::BPF_K, value, so, not_so)
}

fn answer(answer: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, answer, 0, 0)
}

fn instruction(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: u16::try_from(code).unwrap_or(0), jt, jf, k }
}

/// Places in the kernel's `struct seccomp_data`.
const NUMBER_OFFSET: u32 = 0;
const MACHINE_OFFSET: u32 = 4;

/// The kernel's number of the processor (`AUDIT_ARCH_...`).
const MACHINE: Option<u32> = if cfg!(target_arch = "x86_64") {
    Some(0xc000_003e)
} else if cfg!(target_arch = "aarch64") {
    Some(0xc000_00b7)
} else if cfg!(all(target_arch = "arm", target_endian = "little")) {
    Some(0x4000_0028)
} else if cfg!(all(target_arch = "mips", target_endian = "big")) {
    Some(0x8)
} else if cfg!(all(target_arch = "mips", target_endian = "little")) {
    Some(0x4000_0008)
} else {
    None
};

fn catch_violations() -> io::Result<()> {
    let handler: extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) = violated;
    // SAFETY: sigaction is numbers and a set, for which zero is a valid value.
    let mut action: libc::sigaction = unsafe { core::mem::zeroed() };
    action.sa_sigaction = handler as libc::sighandler_t;
    action.sa_flags = libc::SA_SIGINFO | libc::SA_RESETHAND | libc::SA_NODEFER;
    // SAFETY: `action` is initialised, its handler makes system calls only, and no old action is asked for.
    check(unsafe { libc::sigaction(libc::SIGSYS, &raw const action, core::ptr::null_mut()) }).map(drop)
}

/// Tells the parent which call it was, and ends the process. Makes system calls only.
extern "C" fn violated(_: c_int, about: *mut libc::siginfo_t, _: *mut c_void) {
    // SAFETY: the kernel hands over a siginfo, whose part for SIGSYS is an address, the number and the processor.
    let number = unsafe { (*about.cast::<OfCall>()).number };
    let [a, b, c, d] = number.to_be_bytes();
    let packet = [VIOLATION, a, b, c, d];
    let channel = CHANNEL.load(Ordering::Relaxed);
    // SAFETY: reads `packet`, which outlives the call; the action of SIGSYS is again to end the process.
    unsafe {
        libc::send(channel, packet.as_ptr().cast(), packet.len(), libc::MSG_NOSIGNAL | libc::MSG_DONTWAIT);
        libc::kill(libc::getpid(), libc::SIGSYS);
        libc::_exit(128 + libc::SIGSYS);
    }
}

/// The kernel's siginfo of SIGSYS.
#[repr(C)]
struct OfCall {
    /// Signal, error, code.
    head: [c_int; 3],
    address: *mut c_void,
    number: c_int,
    machine: u32,
}

/// What people call a system call with which a break-in would begin; none: it is another one.
#[must_use]
pub fn name_of(number: u32) -> Option<&'static str> {
    FORBIDDEN.into_iter().find(|(call, _)| u32::try_from(*call) == Ok(number)).map(|(_, name)| name)
}

macro_rules! named {
    ($($call:ident $name:literal),* $(,)?) => { [$((libc::$call, $name)),*] };
}

/// Those that a break-in would begin with.
const FORBIDDEN: [(c_long, &str); 30] = named! {
    SYS_execve "execve", SYS_execveat "execveat", SYS_ptrace "ptrace", SYS_process_vm_readv "process_vm_readv",
    SYS_process_vm_writev "process_vm_writev", SYS_mount "mount", SYS_umount2 "umount2", SYS_pivot_root "pivot_root",
    SYS_chroot "chroot", SYS_unshare "unshare", SYS_setns "setns", SYS_init_module "init_module",
    SYS_finit_module "finit_module", SYS_delete_module "delete_module", SYS_kexec_load "kexec_load", SYS_reboot "reboot",
    SYS_setuid "setuid", SYS_setgid "setgid", SYS_setgroups "setgroups", SYS_setresuid "setresuid",
    SYS_setresgid "setresgid", SYS_bpf "bpf", SYS_perf_event_open "perf_event_open", SYS_keyctl "keyctl",
    SYS_add_key "add_key", SYS_open_by_handle_at "open_by_handle_at", SYS_settimeofday "settimeofday",
    SYS_clock_settime "clock_settime", SYS_sethostname "sethostname", SYS_symlinkat "symlinkat",
};

/// On every processor; newer ones, which have the same number everywhere; on this processor.
const CALLS: [&[c_long]; 5] = [COMMON, NEWER, OLDER, WIDE, OWN];

/// `pread64` and `pwrite64`, which the crate lacks for MIPS.
#[cfg(not(target_arch = "mips"))]
const PREAD: c_long = libc::SYS_pread64;
#[cfg(not(target_arch = "mips"))]
const PWRITE: c_long = libc::SYS_pwrite64;
#[cfg(target_arch = "mips")]
const PREAD: c_long = 4_200;
#[cfg(target_arch = "mips")]
const PWRITE: c_long = 4_201;

/// On every processor.
const COMMON: &[c_long] = &[
    // Descriptors and files.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    PREAD,
    PWRITE,
    libc::SYS_close,
    libc::SYS_ioctl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_openat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_unlinkat,
    libc::SYS_renameat2,
    libc::SYS_linkat,
    libc::SYS_mkdirat,
    libc::SYS_mknodat,
    libc::SYS_readlinkat,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_getdents64,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_umask,
    libc::SYS_getcwd,
    libc::SYS_utimensat,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    libc::SYS_preadv,
    libc::SYS_pwritev,
    libc::SYS_memfd_create,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_rm_watch,
    // Sockets.
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_connect,
    libc::SYS_accept4,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_shutdown,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    // Waiting, and time.
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_eventfd2,
    libc::SYS_signalfd4,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_restart_syscall,
    // Signals.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_sigsuspend,
    libc::SYS_sigaltstack,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_msync,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_munlock,
    libc::SYS_mlockall,
    libc::SYS_munlockall,
    libc::SYS_membarrier,
    // This process, and look-ups of names, which are forked.
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_gettid,
    libc::SYS_getpgid,
    libc::SYS_setpgid,
    libc::SYS_getsid,
    libc::SYS_getrandom,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_prctl,
    libc::SYS_capget,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_clone,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // How it is run.
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_getparam,
    libc::SYS_sched_setattr,
    libc::SYS_sched_getattr,
    libc::SYS_getpriority,
    libc::SYS_setpriority,
    libc::SYS_prlimit64,
    libc::SYS_getrusage,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_getgroups,
    libc::SYS_getresuid,
    libc::SYS_getresgid,
    libc::SYS_lseek,
];

/// Those since Linux 5.1 have one number on all processors, but for what MIPS adds to each.
const fn unified(number: c_long) -> c_long {
    if cfg!(target_arch = "mips") { 4_000 + number } else { number }
}

/// `rseq`, close_range, clone3, faccessat2, epoll_pwait2 and fchmodat2.
#[cfg(target_pointer_width = "64")]
const NEWER: &[c_long] =
    &[libc::SYS_rseq, unified(435), unified(436), unified(439), unified(441), unified(452)];

/// The same, and those that know times after 2038 (`..._time64`): clocks, timerfd, utimensat, pselect6, ppoll, recvmmsg,
/// rt_sigtimedwait, futex, sched_rr_get_interval.
#[cfg(target_pointer_width = "32")]
const NEWER: &[c_long] = &[
    RSEQ,
    unified(435),
    unified(436),
    unified(439),
    unified(441),
    unified(452),
    unified(403),
    unified(406),
    unified(407),
    unified(410),
    unified(411),
    unified(412),
    unified(413),
    unified(414),
    unified(417),
    unified(421),
    unified(422),
    unified(423),
];
#[cfg(target_arch = "mips")]
const RSEQ: c_long = 4_367;
#[cfg(all(target_pointer_width = "32", not(target_arch = "mips")))]
const RSEQ: c_long = 398;

/// Calls that newer architectures do not have, and that the C library may still make on these.
#[cfg(any(target_arch = "x86_64", target_arch = "arm", target_arch = "mips"))]
const OLDER: &[c_long] = &[
    libc::SYS_open,
    libc::SYS_access,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_mknod,
    libc::SYS_readlink,
    libc::SYS_chmod,
    libc::SYS_link,
    libc::SYS_pipe,
    libc::SYS_dup2,
    libc::SYS_poll,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_fork,
    libc::SYS_getdents,
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "arm", target_arch = "mips")))]
const OLDER: &[c_long] = &[];

/// Calls whose numbers, sizes and times have 64 bits; processors of 32 bits have others in their place.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const WIDE: &[c_long] = &[
    libc::SYS_fcntl,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_ftruncate,
    libc::SYS_mmap,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const WIDE: &[c_long] = &[];

#[cfg(target_arch = "x86_64")]
const OWN: &[c_long] = &[
    libc::SYS_getrlimit,
    libc::SYS_setrlimit,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_chown,
    libc::SYS_select,
    libc::SYS_vfork,
    libc::SYS_time,
    libc::SYS_getpgrp,
    libc::SYS_arch_prctl,
];

#[cfg(target_arch = "aarch64")]
const OWN: &[c_long] = &[RENAMEAT, GETRLIMIT, SETRLIMIT];
/// Not in the crate for this processor; numbers of the kernel's common table.
#[cfg(target_arch = "aarch64")]
const RENAMEAT: c_long = 38;
#[cfg(target_arch = "aarch64")]
const GETRLIMIT: c_long = 163;
#[cfg(target_arch = "aarch64")]
const SETRLIMIT: c_long = 164;

#[cfg(target_arch = "arm")]
const OWN: &[c_long] = &[
    libc::SYS_fcntl64,
    libc::SYS_fstat64,
    libc::SYS_fstatat64,
    libc::SYS__llseek,
    libc::SYS_ftruncate64,
    libc::SYS_mmap2,
    libc::SYS_statfs64,
    libc::SYS_fstatfs64,
    libc::SYS_ugetrlimit,
    libc::SYS_setrlimit,
    libc::SYS_getuid32,
    libc::SYS_geteuid32,
    libc::SYS_getgid32,
    libc::SYS_getegid32,
    libc::SYS_getgroups32,
    libc::SYS_getresuid32,
    libc::SYS_getresgid32,
    libc::SYS_chown32,
    libc::SYS_fchown32,
    libc::SYS_stat64,
    libc::SYS_lstat64,
    libc::SYS__newselect,
    libc::SYS_vfork,
    libc::SYS_send,
    libc::SYS_recv,
    libc::SYS_fcntl,
    CACHEFLUSH,
    SET_TLS,
];
/// Of this processor alone.
#[cfg(target_arch = "arm")]
const CACHEFLUSH: c_long = 0xf_0002;
#[cfg(target_arch = "arm")]
const SET_TLS: c_long = 0xf_0005;

#[cfg(target_arch = "mips")]
const OWN: &[c_long] = &[
    libc::SYS_fcntl64,
    libc::SYS_fstat64,
    FSTATAT64,
    libc::SYS__llseek,
    libc::SYS_ftruncate64,
    libc::SYS_mmap2,
    libc::SYS_mmap,
    libc::SYS_statfs64,
    libc::SYS_fstatfs64,
    libc::SYS_getrlimit,
    libc::SYS_setrlimit,
    libc::SYS_chown,
    libc::SYS_stat64,
    libc::SYS_lstat64,
    NEWSELECT,
    libc::SYS_send,
    libc::SYS_recv,
    libc::SYS_fcntl,
    libc::SYS_cacheflush,
    libc::SYS_set_thread_area,
    libc::SYS_sysmips,
    libc::SYS_time,
];
#[cfg(target_arch = "mips")]
const FSTATAT64: c_long = 4_293;
#[cfg(target_arch = "mips")]
const NEWSELECT: c_long = 4_142;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "arm", target_arch = "mips")))]
const OWN: &[c_long] = &[];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::channel::{Channel, Received};
    use crate::sys::privileges::{Capabilities, give_up_all_but};
    use crate::sys::sched::in_a_copy;
    use std::os::fd::AsRawFd;

    /// A call that is in no list, and does nothing here.
    const MORE: c_long = libc::SYS_acct;

    /// What becomes of a process with the filter that does `work`, and what it told.
    fn under_filter(work: impl FnOnce() -> u8) -> (i32, Option<[u8; 5]>) {
        let (near, far) = Channel::pair().unwrap();
        let status = in_a_copy(|| {
            if give_up_all_but(Capabilities::NONE, None).is_err()
                || !matches!(restrict(far.as_raw_fd(), false, &[u32::try_from(MORE).unwrap()]), Ok(true))
            {
                return 9;
            }
            work()
        });
        let mut packet = [0; 5];
        let told = matches!(near.receive(&mut packet), Received::Packet(5, None)).then_some(packet);
        (status, told)
    }

    #[test]
    fn a_call_of_the_list_passes_and_any_other_one_is_told_and_ends_the_process() {
        let (status, told) = under_filter(|| u8::from(std::fs::read("/proc/self/stat").is_ok()));
        assert_eq!((libc::WEXITSTATUS(status), told), (1, None));
        // SAFETY: the path of a folder, which the kernel refuses for this.
        let (status, told) = under_filter(|| u8::from(unsafe { libc::acct(c"/".as_ptr()) } == -1));
        assert_eq!((libc::WEXITSTATUS(status), told), (1, None), "one that was added");
        // SAFETY: the name ends with a NUL.
        let (status, told) = under_filter(|| u8::from(unsafe { libc::chroot(c"/".as_ptr()) } == 0));
        let [kind, number @ ..] = told.unwrap();
        assert!(libc::WIFSIGNALED(status) && libc::WTERMSIG(status) == libc::SIGSYS, "{status}");
        assert_eq!((kind, name_of(u32::from_be_bytes(number))), (VIOLATION, Some("chroot")));
    }

    /// What the program of the filter answers, reckoned as the kernel does it.
    fn answer_for(program: &[libc::sock_filter], call: u32) -> u32 {
        let mut at = 0;
        loop {
            let step = program[at];
            let code = u32::from(step.code);
            let so = |so: bool| usize::from(if so { step.jt } else { step.jf });
            at += 1;
            if code == libc::BPF_RET | libc::BPF_K {
                return step.k;
            }
            at += match code & 0xf0 {
                libc::BPF_JA => step.k as usize,
                libc::BPF_JEQ => so(call == step.k),
                libc::BPF_JGE => so(call >= step.k),
                other => panic!("{other:x}"),
            };
        }
    }

    #[test]
    fn each_number_gets_the_answer_of_the_list() {
        for calls in
            [vec![], vec![7], (0..300).filter(|n| n % 3 != 1).collect::<Vec<u32>>(), vec![1, u32::MAX]]
        {
            let mut program = Vec::new();
            search(&calls, &mut program);
            for call in (0..400).chain([u32::MAX - 1, u32::MAX]) {
                let wanted =
                    if calls.contains(&call) { libc::SECCOMP_RET_ALLOW } else { libc::SECCOMP_RET_TRAP };
                assert_eq!(answer_for(&program, call), wanted, "{call} of {calls:?}");
            }
        }
    }

    #[test]
    fn nothing_of_a_break_in_is_in_the_list() {
        for (call, name) in FORBIDDEN {
            assert!(!CALLS.iter().any(|part| part.contains(&call)), "{name}");
        }
    }
}

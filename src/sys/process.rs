//! Processes of the program: fork, name, session, the tie to the parent, and who has ended.

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::OnceLock;

use nix::sys::prctl;
use nix::sys::signal::Signal as NixSignal;
use nix::unistd;

use super::check;
use super::refusal::refusal;
use crate::base::time::Span;

/// Above every number that the kernel gives to a process (`PID_MAX_LIMIT` is half of this).
const TICKETS: i32 = 1 << 23;

/// Sends a signal to the process group of a script that a helper runs.
pub(super) static TICKET_KILLER: OnceLock<fn(Pid, i32) -> bool> = OnceLock::new();

/// The number of a process, always positive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(i32);

impl Pid {
    /// The process that this number names; none for 0 and below, which mean groups.
    #[must_use]
    pub const fn new(number: i32) -> Option<Self> {
        if number > 0 { Some(Self(number)) } else { None }
    }

    /// In the place of the number of a process: a script that a helper runs ([`super::spawner`]).
    pub(super) const fn ticket(number: i32) -> Self {
        Self(TICKETS + number.rem_euclid(i32::MAX - TICKETS))
    }

    /// Whether it stands for a script that a helper runs.
    pub(super) const fn is_ticket(self) -> bool {
        self.0 >= TICKETS
    }

    /// The kernel's number.
    #[must_use]
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl core::fmt::Display for Pid {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ended {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

/// Which of the two processes is running after a fork.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fork {
    /// The one that called; the other is this one.
    Parent(Pid),
    /// The new one.
    Child,
}

/// Makes a second process of this one. The program has one thread, so the copy is complete.
///
/// # Errors
/// When the kernel has no process or no memory for it.
pub fn fork() -> io::Result<Fork> {
    // SAFETY: the program has one thread, so no lock is held by a thread that the copy lacks.
    let pid = check(unsafe { libc::fork() })?;
    Ok(Pid::new(pid).map_or(Fork::Child, Fork::Parent))
}

/// This process.
#[must_use]
pub fn own() -> Pid {
    Pid(unistd::getpid().as_raw())
}

/// Ends this process now: no destructors, no buffers of the C library.
pub fn exit_now(code: u8) -> ! {
    // SAFETY: _exit has no precondition.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Asks for SIGTERM when `parent` ends. False: it has ended already.
///
/// # Errors
/// None known.
pub fn follow_parent(parent: Pid) -> io::Result<bool> {
    prctl::set_pdeathsig(NixSignal::SIGTERM)?;
    Ok(unistd::getppid().as_raw() == parent.0)
}

/// The name that ps and top show; the kernel keeps 15 octets.
///
/// # Errors
/// When it contains a NUL.
pub fn set_name(name: &str) -> io::Result<()> {
    Ok(prctl::set_name(&CString::new(name)?)?)
}

/// The name that ps and top show.
#[must_use]
pub fn name() -> String {
    prctl::get_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// The process that the user started, waiting to be told that the daemon is up.
#[derive(Debug)]
pub struct Launcher(io::PipeWriter);

impl Launcher {
    /// Lets it end with code 0. Dropped without this, it ends with code 1.
    pub fn release(mut self) {
        // It may have been killed; the daemon does not mind.
        let _ = self.0.write_all(&[1]);
    }
}

/// Leaves the terminal: a new session in a second process, root as the working directory. The calling
/// process does not return from this but waits for [`Launcher::release`]: then pid files are there.
///
/// # Errors
/// When the kernel refuses a fork or the session.
pub fn daemonise() -> io::Result<Launcher> {
    let (mut reader, writer) = io::pipe()?;
    if let Fork::Parent(_) = fork()? {
        drop(writer);
        let mut word = [0];
        exit_now(if reader.read_exact(&mut word).is_ok() { 0 } else { 1 });
    }
    unistd::setsid()?;
    unistd::chdir("/")?;
    Ok(Launcher(writer))
}

/// Puts /dev/null in the place of standard input and, if `outputs`, of both outputs.
///
/// # Errors
/// When /dev/null cannot be opened.
pub fn silence(outputs: bool) -> io::Result<()> {
    let null = null()?;
    unistd::dup2_stdin(&null)?;
    if outputs {
        unistd::dup2_stdout(&null)?;
        unistd::dup2_stderr(&null)?;
    }
    Ok(())
}

/// /dev/null.
///
/// # Errors
/// When it cannot be opened; the error says how it is made.
pub fn null() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/null").map_err(|error| {
        let remedy = "run `mknod -m 666 /dev/null c 1 3`";
        refusal(error.kind(), format!("/dev/null cannot be opened ({error}) - {remedy}"))
    })
}

/// Fills the places 0, 1 and 2 with /dev/null where they are closed, so that no later descriptor lands there.
///
/// # Errors
/// When /dev/null cannot be opened.
pub fn occupy_standard() -> io::Result<()> {
    loop {
        let null = null()?;
        if null.as_raw_fd() > 2 {
            return Ok(());
        }
        core::mem::forget(null);
    }
}

/// Closes every descriptor above 2 but `kept`: a new child owns nothing of its parent's.
///
/// Values that own a closed descriptor must never be dropped afterwards; the caller is a fresh child that
/// ends by [`exit_now`].
pub fn close_all_but(kept: &[BorrowedFd<'_>]) {
    let mut from: RawFd = 3;
    loop {
        let next = kept.iter().map(AsRawFd::as_raw_fd).filter(|fd| *fd >= from).min();
        close_range(from, next.map_or(RawFd::MAX, |fd| fd.saturating_sub(1)));
        match next {
            Some(fd) => from = fd.saturating_add(1),
            None => return,
        }
    }
}

/// Closes the descriptors `first` to `last`. Async-signal-safe.
pub(super) fn close_range(first: RawFd, last: RawFd) {
    if first > last {
        return;
    }
    // SAFETY: closing descriptors touches no memory; who still thinks to own one is told by the callers.
    let done = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if done != 0 {
        // Before Linux 5.9. No process of ours opens more than its soft limit.
        // SAFETY: sysconf only reads.
        let limit = unsafe { libc::sysconf(libc::_SC_OPEN_MAX) };
        let limit = RawFd::try_from(limit).unwrap_or(1_024);
        for fd in first..last.saturating_add(1).min(limit) {
            // SAFETY: as above.
            unsafe { libc::close(fd) };
        }
    }
}

/// The next process that has ended, if any; does not wait.
#[must_use]
pub fn reap() -> Option<(Pid, Ended)> {
    loop {
        let mut status = 0;
        // SAFETY: writes only `status`.
        let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
        let pid = Pid::new(pid)?;
        if libc::WIFEXITED(status) {
            return Some((pid, Ended::Exited(libc::WEXITSTATUS(status))));
        }
        if libc::WIFSIGNALED(status) {
            return Some((pid, Ended::Killed(libc::WTERMSIG(status))));
        }
    }
}

/// Waits for the end of this child. Never inside the loop.
pub(super) fn wait(pid: Pid) {
    let mut status = 0;
    // SAFETY: writes only `status`.
    while unsafe { libc::waitpid(pid.0, &raw mut status, 0) } < 0
        && io::Error::last_os_error().kind() == io::ErrorKind::Interrupted
    {}
}

/// Sends a signal to one process. False: there is no such process.
pub fn kill(pid: Pid, signal: i32) -> bool {
    // SAFETY: kill touches no memory of ours.
    unsafe { libc::kill(pid.0, signal) == 0 }
}

/// Sends a signal to the whole process group that `leader` made. False: there is no such group.
pub fn kill_group(leader: Pid, signal: i32) -> bool {
    if leader.is_ticket() {
        return TICKET_KILLER.get().is_some_and(|kill| kill(leader, signal));
    }
    // SAFETY: kill touches no memory of ours.
    unsafe { libc::kill(leader.0.saturating_neg(), signal) == 0 }
}

/// Waits. Never inside the loop: for the last moments of a process that has nothing else to do.
pub fn pause(span: Span) {
    let millis = u16::try_from(span.as_micros().div_ceil(1_000)).unwrap_or(u16::MAX);
    let _ = nix::poll::poll(&mut [], nix::poll::PollTimeout::from(millis));
}

/// Replaces the permission bits that new files do not get (0 to 0777), and hands back the old ones.
pub fn umask(mask: u32) -> u32 {
    let mask = libc::mode_t::try_from(mask & 0o777).unwrap_or(0o177);
    // SAFETY: umask touches no memory of ours.
    let old = unsafe { libc::umask(mask) };
    #[allow(clippy::useless_conversion, reason = "mode_t is 16 bits wide on some targets")]
    u32::from(old)
}

/// CPU times that this process and its ended children have used, user and system, in microseconds.
#[must_use]
pub fn cpu_times() -> (u64, u64) {
    use nix::sys::resource::{UsageWho, getrusage};
    use nix::sys::time::TimeValLike;
    getrusage(UsageWho::RUSAGE_SELF).map_or((0, 0), |usage| {
        let micros = |time: nix::sys::time::TimeVal| u64::try_from(time.num_microseconds()).unwrap_or(0);
        (micros(usage.user_time()), micros(usage.system_time()))
    })
}

/// Lets an abnormal end write a core file.
///
/// # Errors
/// When the hard limit cannot be raised.
pub fn allow_core_dumps() -> io::Result<()> {
    use nix::sys::resource::{Resource, setrlimit};
    Ok(setrlimit(Resource::RLIMIT_CORE, libc::RLIM_INFINITY, libc::RLIM_INFINITY)?)
}

/// What uname(2) says of the running kernel: system name, release, version.
#[must_use]
pub fn kernel() -> (String, String, String) {
    let names = names();
    (text(&names.sysname), text(&names.release), text(&names.version))
}

fn names() -> libc::utsname {
    // SAFETY: utsname is arrays of characters, for which zero is a valid value.
    let mut names: libc::utsname = unsafe { core::mem::zeroed() };
    // SAFETY: writes only `names`.
    unsafe { libc::uname(&raw mut names) };
    names
}

/// The name of this host, as uname(2) says it.
#[must_use]
pub fn host_name() -> String {
    text(&names().nodename)
}

/// The characters up to the first NUL.
fn text(chars: &[libc::c_char]) -> String {
    let octets: Vec<u8> =
        chars.iter().take_while(|c| **c != 0).map(|c| u8::from_ne_bytes(c.to_ne_bytes())).collect();
    String::from_utf8_lossy(&octets).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_mean_groups_are_no_processes() {
        assert!(Pid::new(0).is_none());
        assert!(Pid::new(-5).is_none());
        assert_eq!(Pid::new(7).map(Pid::number), Some(7));
    }

    #[test]
    fn the_kernel_has_a_name() {
        assert_eq!(kernel().0, "Linux");
    }

    #[test]
    fn the_host_has_the_name_that_the_kernel_tells() {
        let told = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
        assert_eq!(host_name(), told.trim_end());
    }
}

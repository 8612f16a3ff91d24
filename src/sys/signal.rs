//! Signals as a descriptor: everything is blocked, what the program understands is read.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::check;

/// A signal that the program understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGHUP: read the configuration again.
    Hangup,
    /// SIGINT: stop.
    Interrupt,
    /// SIGTERM: stop.
    Terminate,
    /// SIGUSR1: write the data dump.
    User1,
    /// SIGUSR2: write the statistics.
    User2,
    /// SIGRTMAX-1: write the statistics and clear them.
    StatsClear,
    /// SIGRTMIN+2, whichever C library says so: write the JSON file.
    Json,
    /// SIGCHLD: a process ended.
    Child,
}

impl Signal {
    /// Every signal that the program understands.
    pub const ALL: [Self; 8] = [
        Self::Hangup,
        Self::Interrupt,
        Self::Terminate,
        Self::User1,
        Self::User2,
        Self::StatsClear,
        Self::Json,
        Self::Child,
    ];

    /// The kernel's number. The real-time ones depend on the C library.
    #[must_use]
    pub fn number(self) -> i32 {
        match self {
            Self::Hangup => libc::SIGHUP,
            Self::Interrupt => libc::SIGINT,
            Self::Terminate => libc::SIGTERM,
            Self::User1 => libc::SIGUSR1,
            Self::User2 => libc::SIGUSR2,
            Self::StatsClear => libc::SIGRTMAX().saturating_sub(1),
            Self::Json => libc::SIGRTMIN().saturating_add(2),
            Self::Child => libc::SIGCHLD,
        }
    }

    /// The signal with this number, if the program understands it.
    #[must_use]
    pub fn from_number(number: i32) -> Option<Self> {
        if JSON_ANYWHERE.contains(&number) {
            return Some(Self::Json);
        }
        Self::ALL.into_iter().find(|signal| signal.number() == number)
    }
}

/// SIGRTMIN+2 of glibc and of musl: who sends it may use another C library than this program, or know the number by heart.
const JSON_ANYWHERE: [i32; 2] = [36, 37];

/// A signalfd, non-blocking and close-on-exec.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Blocks every signal but those that report a defect of the program itself, endless work among them, and makes
    /// those of [`Signal::ALL`] readable. What is blocked and not read has no effect, as with keepalived.
    ///
    /// # Errors
    /// When the kernel has no descriptor or no memory for it.
    pub fn block() -> io::Result<Self> {
        let mut blocked = empty_set();
        // SAFETY: sigfillset and sigdelset write only the set they are given, which lives in this frame.
        unsafe {
            libc::sigfillset(&raw mut blocked);
            for fault in [
                libc::SIGSEGV,
                libc::SIGBUS,
                libc::SIGILL,
                libc::SIGFPE,
                libc::SIGSYS,
                libc::SIGTRAP,
                libc::SIGXCPU,
            ] {
                libc::sigdelset(&raw mut blocked, fault);
            }
        }
        set_mask(&blocked)?;

        let mut wanted = empty_set();
        for number in Signal::ALL.map(Signal::number).into_iter().chain(JSON_ANYWHERE) {
            // SAFETY: writes only `wanted`, which lives in this frame.
            unsafe { libc::sigaddset(&raw mut wanted, number) };
        }
        // SAFETY: `wanted` is an initialised set that outlives the call; -1 asks for a new descriptor.
        let fd =
            check(unsafe { libc::signalfd(-1, &raw const wanted, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC) })?;
        // SAFETY: the kernel just made this descriptor and nobody else knows of it.
        Ok(Self(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// The next signal, or none for now.
    pub fn next(&self) -> Option<Signal> {
        loop {
            // SAFETY: signalfd_siginfo is plain numbers, for which zero is a valid value.
            let mut info: libc::signalfd_siginfo = unsafe { core::mem::zeroed() };
            let size = size_of_val(&info);
            // SAFETY: the buffer is `info`, `size` octets long, and any content is valid for it.
            let got = unsafe { libc::read(self.0.as_raw_fd(), (&raw mut info).cast(), size) };
            match usize::try_from(got) {
                Ok(len) if len == size => {}
                Ok(_) => return None,
                Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return None,
            }
            let number = i32::try_from(info.ssi_signo).unwrap_or(0);
            if let Some(signal) = Signal::from_number(number) {
                return Some(signal);
            }
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl AsRawFd for Signals {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}

/// Every signal back to its default action and none blocked, for a script about to be executed.
/// Async-signal-safe: for use between fork and exec.
pub(super) fn restore_defaults() {
    for number in 1..=libc::SIGRTMAX() {
        // SAFETY: SIG_DFL runs no code of ours. KILL, STOP and the C library's own refuse, which is fine.
        unsafe { libc::signal(number, libc::SIG_DFL) };
    }
    let _ = set_mask(&empty_set());
}

/// Replaces the calling thread's mask.
fn set_mask(set: &libc::sigset_t) -> io::Result<()> {
    // SAFETY: `set` is an initialised set that outlives the call; no old mask is asked for.
    check(unsafe { libc::sigprocmask(libc::SIG_SETMASK, set, core::ptr::null_mut()) }).map(drop)
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: sigset_t is an array of numbers, for which zero is a valid value: the empty set.
    unsafe { core::mem::zeroed() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_go_both_ways_and_are_distinct() {
        for signal in Signal::ALL {
            assert_eq!(Signal::from_number(signal.number()), Some(signal));
        }
        assert_eq!(Signal::from_number(libc::SIGWINCH), None);
        assert_eq!([36, 37].map(Signal::from_number), [Some(Signal::Json); 2]);
    }
}

//! Running a script: fork and exec from prepared memory, without an allocation.
//!
//! A script gets its own process group, so that a deadline can end all that it started; its identity, the
//! daemon's umask but for what is the owner's, a short environment, /dev/null as its three streams, default signals, no other descriptor. Plain fork rather
//! than vfork: the daemon must not wait for a slow disk to deliver the script. A text that does not name its
//! interpreter is run by /bin/sh, as by a shell.

use core::fmt;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;

use super::identity::Identity;
use super::process::{self, Ended, Pid, close_range};
use super::{check, path, signal};

/// Words for execve: an argument vector or an environment, in one buffer that is filled anew each time.
#[derive(Debug)]
pub struct Words {
    octets: Vec<u8>,
    starts: Vec<usize>,
    pointers: Vec<*const libc::c_char>,
}

impl PartialEq for Words {
    fn eq(&self, other: &Self) -> bool {
        self.octets == other.octets && self.starts == other.starts
    }
}

/// A word did not fit the capacity or contains a NUL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl Words {
    /// What a script is given of this process's own environment: [`INHERITED`], and names that begin with
    /// [`INHERITED_PREFIX`]. For load time: allocates.
    #[must_use]
    pub fn environment() -> Self {
        let mut all: Vec<Vec<u8>> = std::env::vars_os()
            .filter(|(name, _)| is_inherited(name.as_bytes()))
            .map(|(name, value)| [name.as_bytes(), b"=", value.as_bytes()].concat())
            .collect();
        if std::env::var_os("PATH").is_none() {
            all.push([b"PATH=", SEARCH_PATH].concat());
        }
        Self::of(all.iter().map(Vec::as_slice)).unwrap_or_else(|_| Self::with_capacity(0, 0))
    }

    /// Room for `words` words that with their terminators have `octets` octets. Never grows.
    #[must_use]
    pub fn with_capacity(words: usize, octets: usize) -> Self {
        Self {
            octets: Vec::with_capacity(octets),
            starts: Vec::with_capacity(words),
            pointers: Vec::with_capacity(words.saturating_add(2)),
        }
    }

    /// Words with exactly the room they need.
    ///
    /// # Errors
    /// [`Refused`] if one contains a NUL.
    pub fn of<'a>(words: impl Iterator<Item = &'a [u8]> + Clone) -> Result<Self, Refused> {
        let octets = words.clone().map(|word| word.len().saturating_add(1)).sum();
        let mut made = Self::with_capacity(words.clone().count(), octets);
        for word in words {
            made.push(word)?;
        }
        Ok(made)
    }

    /// The words.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let ends = self.starts.iter().skip(1).copied().chain([self.octets.len()]);
        self.starts
            .iter()
            .zip(ends)
            .filter_map(|(start, end)| self.octets.get(*start..end)?.split_last())
            .map(|(_terminator, word)| word)
    }

    /// Forgets all words, keeps the room.
    pub fn clear(&mut self) {
        self.octets.clear();
        self.starts.clear();
    }

    /// Forgets the words after the first `words`.
    pub fn truncate(&mut self, words: usize) {
        if let Some(start) = self.starts.get(words) {
            self.octets.truncate(*start);
            self.starts.truncate(words);
        }
    }

    /// How many words there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Whether there is no word.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.starts.is_empty()
    }

    /// Appends one word.
    ///
    /// # Errors
    /// [`Refused`] if it does not fit or contains a NUL; nothing is appended then.
    pub fn push(&mut self, word: &[u8]) -> Result<(), Refused> {
        self.push_with(|tail| tail.put(word))
    }

    /// Appends one word from a format.
    ///
    /// # Errors
    /// [`Refused`] if it does not fit or contains a NUL; nothing is appended then.
    pub fn push_fmt(&mut self, word: fmt::Arguments<'_>) -> Result<(), Refused> {
        self.push_with(|tail| fmt::Write::write_fmt(tail, word).map_err(|_| Refused))
    }

    fn push_with(&mut self, write: impl FnOnce(&mut Tail<'_>) -> Result<(), Refused>) -> Result<(), Refused> {
        let start = self.octets.len();
        if self.starts.len() == self.starts.capacity() {
            return Err(Refused);
        }
        let written = write(&mut Tail(&mut self.octets)).and_then(|()| {
            if self.octets.len() == self.octets.capacity() {
                return Err(Refused);
            }
            self.octets.push(0);
            Ok(())
        });
        match written {
            Ok(()) => self.starts.push(start),
            Err(Refused) => self.octets.truncate(start),
        }
        written
    }

    /// The words as execve wants them, behind the name of a shell; valid until the next change.
    fn pointers(&mut self) -> &[*const libc::c_char] {
        self.pointers.clear();
        self.pointers.push(SHELL.as_ptr());
        for start in &self.starts {
            if let Some(word) = self.octets.get(*start..) {
                self.pointers.push(word.as_ptr().cast());
            }
        }
        self.pointers.push(core::ptr::null());
        &self.pointers
    }
}

/// The free end of the buffer: writes that refuse to grow it.
struct Tail<'a>(&'a mut Vec<u8>);

impl Tail<'_> {
    fn put(&mut self, part: &[u8]) -> Result<(), Refused> {
        let room = self.0.capacity().saturating_sub(self.0.len());
        if part.len() > room || part.contains(&0) {
            return Err(Refused);
        }
        self.0.extend_from_slice(part);
        Ok(())
    }
}

impl fmt::Write for Tail<'_> {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.put(part.as_bytes()).map_err(|Refused| fmt::Error)
    }
}

/// Under what terms a script runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// As whom; none: as the daemon.
    pub identity: Option<Identity>,
    /// Paths that nobody but root may be able to change, which is looked at right before: else it is not run.
    pub guarded: Box<[CString]>,
}

/// What every script run shares: /dev/null, opened once.
#[derive(Debug)]
pub struct Runner {
    null: File,
}

impl Runner {
    /// Opens /dev/null.
    ///
    /// # Errors
    /// When that cannot be opened.
    pub fn new() -> io::Result<Self> {
        let null = process::null()?;
        Ok(Self { null })
    }

    /// Starts the program that `arguments` names by absolute path first, and hands back its process, which
    /// also leads its process group. A script that cannot be executed ends with 127 if it is missing, 126
    /// otherwise, as a shell would say.
    ///
    /// # Errors
    /// When `arguments` is empty, or the kernel has no process or no memory for it.
    pub fn start(&self, arguments: &mut Words, environment: &mut Words, terms: &Terms) -> io::Result<Pid> {
        self.launch(arguments, environment, terms, None)
    }

    /// The same for a script that serves this process alone: when this process dies, however it dies, the script is
    /// told to end (SIGTERM).
    ///
    /// # Errors
    /// As [`Runner::start`].
    pub fn start_tied(
        &self,
        arguments: &mut Words,
        environment: &mut Words,
        terms: &Terms,
    ) -> io::Result<Pid> {
        self.launch(arguments, environment, terms, Some(process::own()))
    }

    fn launch(
        &self,
        arguments: &mut Words,
        environment: &mut Words,
        terms: &Terms,
        tie: Option<Pid>,
    ) -> io::Result<Pid> {
        if arguments.is_empty() {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let by_shell = arguments.pointers().as_ptr();
        let Some((_, environment)) = environment.pointers().split_first() else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let envp = environment.as_ptr();
        let null = self.null.as_raw_fd();
        // SAFETY: the program has one thread; the child calls only async-signal-safe functions until execve.
        let pid = check(unsafe { libc::fork() })?;
        let Some(pid) = Pid::new(pid) else {
            // SAFETY: this is the child, and both vectors end with a null pointer and outlive the call.
            unsafe { become_script(by_shell, envp, null, terms, tie) }
        };
        // The child does the same; whoever is first spares the other a race with kill_group.
        // SAFETY: setpgid touches no memory of ours.
        unsafe { libc::setpgid(pid.number(), pid.number()) };
        Ok(pid)
    }
}

/// The child's half of [`Runner::start`].
///
/// # Safety
/// Only in a fresh child; `by_shell` and `envp` must be vectors of C strings that end with a null pointer, `by_shell`
/// with at least two strings: the name of a shell, and that of the program.
unsafe fn become_script(
    by_shell: *const *const libc::c_char,
    envp: *const *const libc::c_char,
    null: RawFd,
    terms: &Terms,
    tie: Option<Pid>,
) -> ! {
    // SAFETY: only system calls, async-signal-safe, on values that the caller keeps alive.
    unsafe {
        libc::setpgid(0, 0);
        super::sched::restore_in_child();
        super::oom::restore_in_child();
        libc::umask(libc::umask(SCRIPT_MASK) & SCRIPT_MASK);
        for stream in 0..=2 {
            libc::dup2(null, stream);
        }
        close_range(3, RawFd::MAX);
        // What was judged when the configuration was read may be another file by now.
        if terms.guarded.iter().any(|guarded| path::judge(guarded).is_some()) {
            libc::_exit(NOT_EXECUTABLE);
        }
        if terms.identity.as_ref().is_some_and(|identity| !identity.assume()) {
            libc::_exit(NOT_EXECUTABLE);
        }
        if let Some(parent) = tie {
            // After the change of user, which would undo it.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            if libc::getppid() != parent.number() {
                libc::_exit(NOT_EXECUTABLE);
            }
        }
        signal::restore_defaults();
        let argv = by_shell.add(1);
        libc::execve(*argv, argv, envp);
        let mut why = io::Error::last_os_error().raw_os_error();
        if why == Some(libc::ENOEXEC) && names_no_interpreter(CStr::from_ptr(*argv)) {
            libc::execve(*by_shell, by_shell, envp);
            why = io::Error::last_os_error().raw_os_error();
        }
        libc::_exit(if why == Some(libc::ENOENT) { NOT_FOUND } else { NOT_EXECUTABLE })
    }
}

/// Whether a file that is marked as a program is a text, or empty, without the `#!` that names its interpreter: a shell
/// would run it itself, and so does a [`Runner`]. Does not allocate.
#[must_use]
pub fn names_no_interpreter(file: &CStr) -> bool {
    let mut head = [0; 128];
    // SAFETY: `file` ends with a NUL; at most the length of `head` is written to it; the descriptor is closed.
    let read = unsafe {
        let fd = libc::open(file.as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC | libc::O_NONBLOCK);
        if fd < 0 {
            return false;
        }
        let read = libc::read(fd, head.as_mut_ptr().cast(), head.len());
        libc::close(fd);
        read
    };
    let head = usize::try_from(read).ok().and_then(|read| head.get(..read));
    head.is_some_and(|head| !head.starts_with(b"#!") && !head.starts_with(b"\x7fELF") && !head.contains(&0))
}

/// Names of the environment that a script is given, beside those of a language (LC_...). The rest stays with the daemon:
/// what changes how programs are loaded (LD_...), the credentials that a container has in its environment, the sockets
/// of a service manager.
pub const INHERITED: [&str; 10] =
    ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "TERM", "LANG", "LANGUAGE", "TZ", "TMPDIR"];

/// What begins like this is meant for scripts of this daemon.
pub const INHERITED_PREFIX: &str = "KEEPALIVED_";

fn is_inherited(name: &[u8]) -> bool {
    let begins = |prefix: &str| name.starts_with(prefix.as_bytes());
    INHERITED.iter().any(|known| known.as_bytes() == name) || begins("LC_") || begins(INHERITED_PREFIX)
}

/// Where programs are looked for if nobody has said.
pub const SEARCH_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Permission bits that new files of a script may lack: those of the owner never do. Else it could not enter the folders
/// that it makes, as keepalived's own mask takes away the bit for that.
const SCRIPT_MASK: libc::mode_t = 0o077;

/// What runs a script that does not name its interpreter.
const SHELL: &CStr = c"/bin/sh";

/// What the exit code of a script most likely means, if it is one of a shell's own; of the script as well as of what it
/// calls.
#[must_use]
pub const fn meaning(how: Ended) -> Option<&'static str> {
    match how {
        Ended::Exited(NOT_EXECUTABLE) => Some(
            "a file could not be executed: it is no program, its user may not run it, or with \
             enable_script_security others than root can change it",
        ),
        Ended::Exited(NOT_FOUND) => Some(
            "a file was not found: the script, the interpreter that its #! line names, or a command in it",
        ),
        Ended::Exited(_) | Ended::Killed(_) => None,
    }
}

/// The exit code of a script that exists but could not be executed, as in a shell.
pub const NOT_EXECUTABLE: i32 = 126;
/// The exit code of a script that does not exist, as in a shell.
pub const NOT_FOUND: i32 = 127;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_to_their_room() {
        let mut words = Words::with_capacity(2, 8);
        assert_eq!(words.push(b"abc"), Ok(()));
        assert_eq!(words.push(b"abcd"), Err(Refused), "4 octets are left, 5 are needed");
        assert_eq!(words.push(b"a\0"), Err(Refused));
        assert_eq!(words.push_fmt(format_args!("{}", 123)), Ok(()));
        assert_eq!(words.push(b""), Err(Refused), "both words are taken");
        words.truncate(1);
        assert_eq!(words.len(), 1);
        assert_eq!(words.push(b"x"), Ok(()));
        assert_eq!(words.octets, b"abc\0x\0");
    }

    #[test]
    fn a_script_is_not_told_what_changes_how_programs_are_loaded_nor_what_a_container_keeps_there() {
        for name in ["PATH", "LC_ALL", "LANG", "KEEPALIVED_SITE"] {
            assert!(is_inherited(name.as_bytes()), "{name}");
        }
        for name in ["LD_PRELOAD", "NOTIFY_SOCKET", "API_TOKEN", "BASH_ENV", "ENV", "IFS", "PATHS", ""] {
            assert!(!is_inherited(name.as_bytes()), "{name}");
        }
    }

    #[test]
    fn a_script_can_enter_the_folders_that_it_makes_and_others_cannot() {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let own = status.lines().find_map(|line| line.strip_prefix("Umask:\t")).unwrap();
        let own = u32::from_str_radix(own, 8).unwrap();
        assert_eq!(says("umask", None), format!("{:04o}\n", own & 0o077));
    }

    #[test]
    fn runs_in_its_own_group_and_tells_how_it_ended() {
        let runner = Runner::new().unwrap();
        let script: [&[u8]; 3] = [b"/bin/sh", b"-c", b"test \"$A\" = b || exit 9; kill -KILL 0"];
        let mut arguments = Words::of(script.into_iter()).unwrap();
        let mut environment = Words::of([&b"A=b"[..]].into_iter()).unwrap();
        let pid = runner.start(&mut arguments, &mut environment, &Terms::default()).unwrap();
        let mut status = 0;
        // SAFETY: writes only `status`; the process is this test's own.
        unsafe { libc::waitpid(pid.number(), &raw mut status, 0) };
        assert!(libc::WIFSIGNALED(status), "kill 0 must reach the script's group, not ours: {status}");

        let mut arguments = Words::of([&b"/nonexistent/script"[..]].into_iter()).unwrap();
        let pid = runner.start(&mut arguments, &mut environment, &Terms::default()).unwrap();
        // SAFETY: as above.
        unsafe { libc::waitpid(pid.number(), &raw mut status, 0) };
        assert_eq!(libc::WEXITSTATUS(status), NOT_FOUND);
    }

    /// Runs a shell script as `identity` and hands back what it wrote into a file of its own.
    fn says(script: &str, identity: Option<&Identity>) -> String {
        use std::os::unix::fs::PermissionsExt;
        static RUNS: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);
        let run = RUNS.fetch_add(1, core::sync::atomic::Ordering::Relaxed);
        let file = std::env::temp_dir().join(format!("ka-script-{}-{run}", std::process::id()));
        std::fs::write(&file, "").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
        let script = format!("{{ {script}; }} > {}", file.display());
        let terms = Terms { identity: identity.cloned(), ..Terms::default() };
        let mut arguments = Words::of([&b"/bin/sh"[..], b"-c", script.as_bytes()].into_iter()).unwrap();
        let mut environment = Words::of([&b"PATH=/usr/bin:/bin"[..]].into_iter()).unwrap();
        let pid = Runner::new().unwrap().start(&mut arguments, &mut environment, &terms).unwrap();
        let mut status = 0;
        // SAFETY: writes only `status`; the process is this test's own.
        unsafe { libc::waitpid(pid.number(), &raw mut status, 0) };
        assert_eq!(status, 0, "{script}");
        let said = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        said
    }

    #[test]
    fn inherits_no_descriptor_no_mask_and_no_ignored_signal() {
        // Kept open across exec unless it is closed: a plain dup is not close-on-exec.
        // SAFETY: fcntl touches no memory here; the descriptor is closed below.
        let leak = unsafe { libc::fcntl(0, libc::F_DUPFD, 50) };
        let streams = says("readlink /proc/$$/fd/0 /proc/$$/fd/2; ls /proc/$$/fd | tr '\\n' ' '", None);
        // SAFETY: `leak` is this test's own.
        unsafe { libc::close(leak) };
        assert!(streams.starts_with("/dev/null\n/dev/null\n0 1 "), "{streams}");
        assert!(leak >= 50 && !streams.contains(&format!(" {leak} ")), "{streams}");
        let signals = says("sed -n 's/^Sig\\(Blk\\|Ign\\):.//p' /proc/self/status", None);
        for set in signals.lines() {
            // 32 and 33 belong to the C library, which lets nobody change them.
            let set = u64::from_str_radix(set, 16).unwrap() & !(0b11 << 31);
            assert_eq!(set, 0, "{signals}");
        }
        assert_eq!(signals.lines().count(), 2);
    }

    #[test]
    fn a_text_without_an_interpreter_is_run_by_the_shell() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("ka-bare-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let run = |content: &[u8]| {
            let file = folder.join("check");
            std::fs::write(&file, content).unwrap();
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
            let path = CString::new(file.to_str().unwrap()).unwrap();
            let words: [&[u8]; 3] = [path.as_bytes(), b"3", b"b c"];
            let mut arguments = Words::of(words.into_iter()).unwrap();
            let runner = Runner::new().unwrap();
            let pid =
                runner.start(&mut arguments, &mut Words::with_capacity(0, 0), &Terms::default()).unwrap();
            let mut status = 0;
            // SAFETY: writes only `status`; the process is this test's own.
            unsafe { libc::waitpid(pid.number(), &raw mut status, 0) };
            (libc::WEXITSTATUS(status), names_no_interpreter(&path))
        };
        let ends = [
            run(b"test \"$2\" = 'b c' && exit \"$1\"\n"),
            run(b""),
            run(b"#!/bin/sh\nexit 4\n"),
            run(b"#!/nonexistent/interpreter\nexit 4\n"),
            run(b"PK\x03\x04\0\0exit 5\n"),
        ];
        std::fs::remove_dir_all(&folder).unwrap();
        let wanted = [(3, true), (0, true), (4, false), (NOT_FOUND, false), (NOT_EXECUTABLE, false)];
        assert_eq!(ends, wanted);
    }

    #[test]
    fn what_others_can_change_meanwhile_does_not_run() {
        use std::os::unix::fs::PermissionsExt;
        let folder = std::env::temp_dir().join(format!("ka-guarded-{}", std::process::id()));
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("check");
        std::fs::copy("/bin/true", &file).unwrap();
        let path = CString::new(file.to_str().unwrap()).unwrap();
        let mut arguments = Words::of([path.as_bytes()].into_iter()).unwrap();
        let terms = Terms { identity: None, guarded: [path].into() };
        let mut run = || {
            let pid = Runner::new()
                .unwrap()
                .start(&mut arguments, &mut Words::with_capacity(0, 0), &terms)
                .unwrap();
            let mut status = 0;
            // SAFETY: writes only `status`; the process is this test's own.
            unsafe { libc::waitpid(pid.number(), &raw mut status, 0) };
            libc::WEXITSTATUS(status)
        };
        assert_eq!(run(), 0);
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        let opened = run();
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(opened, NOT_EXECUTABLE);
    }

    #[test]
    fn runs_as_the_user_it_is_told() {
        // SAFETY: geteuid only reads.
        assert_eq!(unsafe { libc::geteuid() }, 0, "this test needs root");
        let nobody = Identity { uid: 65_534, gid: 65_534, groups: vec![65_534, 7] };
        assert_eq!(says("id -u; id -g; id -G", Some(&nobody)), "65534\n65534\n65534 7\n");
        let bare = Identity { groups: Vec::new(), ..nobody };
        assert_eq!(says("id -G", Some(&bare)), "65534\n");
    }
}

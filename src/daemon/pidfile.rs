//! Pid files: keepalived's names, mode 0644, locked as long as the parent lives.
//!
//! The parent holds all of them, those of its children too: a child that is killed leaves nothing locked, and
//! its replacement's number is written into the same file. A child shares the lock of its own: while it cleans up after
//! its parent was killed, the next parent waits for it, and neither undoes the work of the other. It also waits for a
//! daemon that has been told to stop. keepalived 2.2 locks nothing: the number in the file is looked at, too.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::cli::PidFiles;
use super::kind::Kind;
use crate::base::time::Span;
use crate::daemon::log;
use crate::sys::lock::{self, Locked};
use crate::sys::process::{self, Pid};
use crate::sys::{clock, same_program};

/// Where pid files go that are not alone.
pub const FOLDER: &str = "/run/keepalived";

/// Where the pid files of each process are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// The parent's.
    pub parent: PathBuf,
    /// The VRRP child's.
    pub vrrp: PathBuf,
    /// The checker child's.
    pub checkers: PathBuf,
    /// The BFD child's.
    pub bfd: PathBuf,
    /// The subagent's.
    pub snmp: PathBuf,
}

impl Places {
    /// The pid file of a child.
    #[must_use]
    pub fn of(&self, kind: Kind) -> &Path {
        match kind {
            Kind::Checkers => &self.checkers,
            Kind::Vrrp => &self.vrrp,
            Kind::Bfd => &self.bfd,
            Kind::Snmp => &self.snmp,
        }
    }

    /// The folder of pid files that are not named on the command line.
    #[must_use]
    pub fn folder(use_pid_dir: bool, instance: Option<&str>) -> &'static Path {
        Path::new(if use_pid_dir || instance.is_some() { FOLDER } else { "/run" })
    }

    /// By the configuration's top-level `use_pid_dir` and `instance`, except where the command line says
    /// otherwise. An instance has its files in the folder.
    #[must_use]
    pub fn new(named: &PidFiles, use_pid_dir: bool, instance: Option<&str>) -> Self {
        let folder = Self::folder(use_pid_dir, instance);
        let place = |name: &str, named: &Option<PathBuf>| {
            named.clone().unwrap_or_else(|| {
                let suffix = instance.map(|instance| format!("_{instance}")).unwrap_or_default();
                folder.join(format!("{name}{suffix}.pid"))
            })
        };
        Self {
            parent: place("keepalived", &named.parent),
            vrrp: place("vrrp", &named.vrrp),
            checkers: place("checkers", &named.checkers),
            bfd: place("bfd", &named.bfd),
            snmp: place("keepalived_snmp", &None),
        }
    }
}

/// A locked pid file; the lock ends with this value.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
    file: File,
}

/// What came of an attempt to get a pid file.
#[derive(Debug)]
pub enum Claim {
    /// It is ours; its old content is gone.
    Ours(PidFile),
    /// Another process has it.
    Taken {
        /// It is no daemon of this program at work: the next attempt may succeed.
        passes: bool,
    },
}

/// The kind of process that a pid file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A parent's. One that has been told to stop is waited for.
    Parent,
    /// A child's. One whose parent was killed is at its end: it is waited for, and killed if it takes too long.
    Child,
}

impl PidFile {
    /// Makes and locks a pid file; its folder too, if it is missing. A process that has it and is at its end is
    /// waited for, for about as long as `patience`, which is what a child may take to stop; none: not at all.
    ///
    /// # Errors
    /// When the file is no pid file, or cannot be made.
    pub fn claim(path: &Path, owner: Owner, patience: Option<Span>) -> io::Result<Claim> {
        if let Some(folder) = path.parent()
            && !folder.as_os_str().is_empty()
            && !folder.exists()
        {
            make_folder(folder)?;
        }
        let begin = clock::now();
        let (mut told, mut killed) = (false, false);
        loop {
            let holder = match Self::attempt(path, owner)? {
                Attempt::Ours(file) => return Ok(Claim::Ours(file)),
                Attempt::Held(holder) => holder,
            };
            let waited = clock::now().since(begin);
            let Some(patience) = patience.filter(|patience| waited < holder.bound(*patience)) else {
                return Ok(Claim::Taken { passes: holder != Holder::Runs });
            };
            if holder != Holder::Runs && !core::mem::replace(&mut told, true) {
                holder.tell(path);
            }
            if let Holder::Orphan(Some(pid)) = holder
                && waited >= patience
                && !core::mem::replace(&mut killed, true)
            {
                log::error!("Process {pid}, whose parent was killed, does not end - killing it");
                process::kill(pid, libc::SIGKILL);
            }
            process::pause(LOOK_AGAIN);
        }
    }

    fn attempt(path: &Path, owner: Owner) -> io::Result<Attempt> {
        Ok(match lock::lock(path, MODE, is_pid_file)? {
            Locked::Taken { ending } => Attempt::Held(Holder::of_lock(number_in(path), ending, owner)),
            Locked::Ours(file) => match number_in(path).and_then(Holder::of_number) {
                Some(holder) => Attempt::Held(holder),
                None => {
                    file.set_len(0)?;
                    Attempt::Ours(Self { path: path.to_owned(), file })
                }
            },
        })
    }

    /// This daemon has begun to stop: whoever starts one now waits for its end.
    pub fn begin_end(&self) {
        // What fails here costs only that.
        let _ = lock::begin_end(self.as_fd());
    }

    /// Replaces the content by this process number and a newline.
    ///
    /// # Errors
    /// When the disk is full or broken.
    pub fn write(&self, pid: Pid) -> io::Result<()> {
        let mut text = heapless::String::<16>::new();
        let _ = core::fmt::Write::write_fmt(&mut text, format_args!("{pid}\n"));
        self.file.write_all_at(text.as_bytes(), 0)?;
        self.file.set_len(text.len() as u64)
    }

    /// Empties the file: the process is gone and not yet replaced.
    ///
    /// # Errors
    /// When the disk is broken.
    pub fn clear(&self) -> io::Result<()> {
        self.file.set_len(0)
    }

    /// Removes the file: a clean end. The lock goes with it.
    pub fn remove(self) {
        // A folder that was emptied or remounted meanwhile is no reason to complain at the very end.
        let _ = fs::remove_file(&self.path);
    }
}

impl AsFd for PidFile {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

enum Attempt {
    Ours(PidFile),
    Held(Holder),
}

/// The process that has a pid file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    /// A daemon of this program, which is at work as far as can be seen.
    Runs,
    /// Another program: an older keepalived, say. Whether it is at its end cannot be seen.
    Other(Option<Pid>),
    /// A daemon of this program that has been told to stop.
    Ending(Option<Pid>),
    /// A child whose parent was killed.
    Orphan(Option<Pid>),
}

impl Holder {
    /// Of a file that is locked.
    fn of_lock(number: Option<Pid>, ending: bool, owner: Owner) -> Self {
        if ending {
            return Self::Ending(number);
        }
        // Who has just locked it has not written its number yet.
        let Some(pid) = number else { return Self::Runs };
        match owner {
            Owner::Child if same_program::is_orphan(pid.number(), NAME) => Self::Orphan(number),
            Owner::Parent if same_program::is_told_to_end(pid.number()) => Self::Ending(number),
            _ if same_program::is_same_program(pid.number()) => Self::Runs,
            _ => Self::Other(number),
        }
    }

    /// Of a file that nobody has locked: a keepalived that locks none. One that runs the same file as this process
    /// would have it locked: the number is used again, or is this process's.
    fn of_number(pid: Pid) -> Option<Self> {
        let is_one = same_program::is_one(pid.number(), NAME) && !same_program::is_same_file(pid.number());
        is_one.then_some(Self::Other(Some(pid)))
    }

    /// How long it is waited for.
    fn bound(self, patience: Span) -> Span {
        match self {
            Self::Runs => SETTLE,
            Self::Other(_) => LINGERS,
            Self::Ending(_) => patience + AFTER_CHILDREN,
            Self::Orphan(_) => patience + KILLED_WITHIN,
        }
    }

    /// Says who is waited for.
    fn tell(self, path: &Path) {
        let (pid, why) = match self {
            Self::Runs => return,
            Self::Other(pid) => (pid, ""),
            Self::Ending(pid) => (pid, ", which is stopping"),
            Self::Orphan(pid) => (pid, ", whose parent was killed"),
        };
        match pid {
            Some(pid) => log::warn!("Waiting for the end of process {pid}{why}"),
            None => {
                log::warn!("Waiting for the end of the process that has pid file {}{why}", path.display())
            }
        }
    }
}

/// The number in a pid file.
fn number_in(path: &Path) -> Option<Pid> {
    let mut octets = [0; LONGEST];
    let mut options = File::options();
    options.read(true).custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    let count = options.open(path).ok()?.read_at(&mut octets, 0).ok()?;
    Pid::new(core::str::from_utf8(octets.get(..count)?).ok()?.trim().parse().ok()?)
}

/// Whether a file has the content of a pid file: a number, or what a power cut leaves of it.
fn is_pid_file(file: &File) -> bool {
    let mut octets = [0; LONGEST + 1];
    let fits = |octet: &u8| octet.is_ascii_digit() || octet.is_ascii_whitespace() || *octet == 0;
    file.read_at(&mut octets, 0).is_ok_and(|count| count <= LONGEST && octets.iter().all(fits))
}

/// The file of a program that counts as one of this kind, whoever made it.
const NAME: &str = "keepalived";
/// Octets of a pid file that is believed: number, blanks and end of line.
const LONGEST: usize = 32;
/// From when a daemon is sent SIGTERM until it lets that be seen.
const SETTLE: Span = Span::from_millis(100);
/// keepalived lingers for a second when it stops, and its shutdown script may take some more.
const LINGERS: Span = Span::from_secs(5);
/// What a stopping daemon may take beyond the end of its children: a shutdown script, what a killed child left.
const AFTER_CHILDREN: Span = Span::from_secs(15);
const LOOK_AGAIN: Span = Span::from_millis(5);
/// What the kernel may take to end a process that was killed.
const KILLED_WITHIN: Span = Span::from_secs(2);

fn make_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

const MODE: u32 = 0o644;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_keepaliveds() {
        let named = PidFiles { vrrp: Some("/x/v".into()), ..PidFiles::default() };
        let places = Places::new(&named, false, None);
        assert_eq!(places.parent, Path::new("/run/keepalived.pid"));
        assert_eq!(places.vrrp, Path::new("/x/v"));
        assert_eq!(places.checkers, Path::new("/run/checkers.pid"));
        let places = Places::new(&PidFiles::default(), true, None);
        assert_eq!(places.bfd, Path::new("/run/keepalived/bfd.pid"));
        let places = Places::new(&PidFiles::default(), false, Some("foo"));
        assert_eq!(places.parent, Path::new("/run/keepalived/keepalived_foo.pid"));
        assert_eq!(places.vrrp, Path::new("/run/keepalived/vrrp_foo.pid"));
    }

    #[test]
    fn content_is_replaced_and_a_second_claim_is_refused() {
        let folder = std::env::temp_dir().join(format!("ka-pid-{}", std::process::id()));
        let path = folder.join("deep/a.pid");
        let claim = |path: &Path| PidFile::claim(path, Owner::Parent, None).unwrap();
        let Claim::Ours(file) = claim(&path) else { panic!("taken") };
        file.write(Pid::new(123_456).unwrap()).unwrap();
        file.write(Pid::new(78).unwrap()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "78\n");
        assert!(matches!(claim(&path), Claim::Taken { passes: true }), "nobody has this number");
        file.write(process::own()).unwrap();
        assert!(matches!(claim(&path), Claim::Taken { passes: false }));
        file.write(Pid::new(78).unwrap()).unwrap();
        file.begin_end();
        assert_eq!(Holder::of_lock(number_in(&path), true, Owner::Parent), Holder::Ending(Pid::new(78)));
        assert_eq!(fs::read_to_string(&path).unwrap(), "78\n", "a refused claim changes nothing");
        file.remove();
        assert!(!path.exists());
        fs::remove_dir_all(&folder).unwrap();
    }
}

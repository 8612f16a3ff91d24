//! The parent and its child as real processes: start, death, hang, stop, reload, pid files, slow logs.
//!
//! Run as a test this program starts itself as the daemon of `toy`. No root, no network, no files outside a
//! folder of its own.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::exit,
    clippy::disallowed_methods,
    unreachable_pub,
    reason = "a test program"
)]

mod third;
mod toy;

use std::ffi::OsString;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

type Test = (&'static str, fn(&Folder));

const TESTS: &[Test] = &[
    ("starts, writes pid files, and is gone soon after SIGTERM", start_and_stop),
    ("a killed child is replaced at once with its record, then with a pause and a clean-up", killed_child),
    ("a stopped child is replaced by the watchdog", stopped_child),
    ("the child of a killed parent ends", killed_parent),
    ("a second start says so, ends with 0 and disturbs nobody", second_start),
    ("a start waits for the end of a daemon that is stopping", start_beside_a_stop),
    ("a lock that a daemon of another kind has, or a reader, is told apart", other_locks),
    ("a reload is all or nothing", reload),
    ("a rotated log file is left alone after SIGHUP", rotated_log),
    ("-P, -C and -B choose the children", chosen_children),
    ("an interrupt is ignored when told so", ignored_interrupt),
    ("core files are allowed when asked for", core_files),
    ("the umask is keepalived's or the one asked for", masks),
    ("a configuration may start and stop using a child", reload_children),
    ("a permanent error of the child ends the daemon with its code", permanent_error),
    ("a child that does not stop is forced and cleaned up after", stuck_stop),
    ("without respawn the daemon ends with its child", no_respawn),
    ("signals reach the parent's and the child's dump", dumps),
    ("in the background it leaves the terminal", background),
    ("a console that nobody reads delays nothing and allocates nothing", slow_console),
    ("a syslog that is missing or full delays nothing", slow_syslog),
    ("a service manager is told", service_manager),
    (
        "a third child runs checks, tells FIFO, script and another child, and is reloaded",
        third::works_and_reloads,
    ),
    ("a third child that is killed is replaced and goes on", third::replaced),
    ("a third child that hangs is replaced, and the other one hears of it", third::watched),
];

fn main() {
    let words: Vec<OsString> = std::env::args_os().collect();
    if let [_, role, folder, ..] = words.as_slice()
        && role == "--toy"
    {
        let words = std::iter::once(OsString::from("keepalived")).chain(words[3..].iter().cloned());
        std::process::exit(i32::from(toy::run(Path::new(folder), words.collect())));
    }
    if let [_, role, folder, ..] = words.as_slice()
        && role == "--third"
    {
        let words = std::iter::once(OsString::from("keepalived")).chain(words[3..].iter().cloned());
        std::process::exit(i32::from(third::run(Path::new(folder), words.collect())));
    }
    let filter = words.get(1).filter(|word| !word.to_string_lossy().starts_with('-'));
    for (index, (name, test)) in TESTS.iter().enumerate() {
        if filter.is_some_and(|filter| !name.contains(&*filter.to_string_lossy())) {
            continue;
        }
        let folder = Folder::new(index);
        test(&folder);
        println!("test daemon: {name} ... ok");
    }
}

/// A folder of its own for each test.
struct Folder(PathBuf);

impl Folder {
    fn new(index: usize) -> Self {
        let folder = std::env::temp_dir().join(format!("ka-daemon-{}-{index}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("conf"), "vrrp\n").unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn conf(&self, text: &str) {
        // By rename: the daemon may be reading it.
        fs::write(self.path("conf.new"), text).unwrap();
        fs::rename(self.path("conf.new"), self.path("conf")).unwrap();
    }

    /// The daemon's command, ready for more options.
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--toy").arg(&self.0).args(words);
        command.arg("-p").arg(self.path("parent.pid")).arg("-r").arg(self.path("vrrp.pid"));
        command.env("TOY_LOG", self.path("no-syslog")).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(fs::File::options().create(true).append(true).open(self.path("log")).unwrap());
        command
    }

    fn start(&self, words: &[&str]) -> Daemon<'_> {
        let process = self.command(&[&["-n", "-l"], words].concat()).spawn().unwrap();
        let daemon = Daemon { folder: self, process };
        daemon.wait_diary("start ", 1);
        self.wait("the pid file", || self.pid("vrrp.pid").is_some());
        daemon
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    fn pid(&self, name: &str) -> Option<i32> {
        self.read(name).trim().parse().ok()
    }

    fn wait(&self, what: &str, mut done: impl FnMut() -> bool) -> Duration {
        let start = Instant::now();
        while !done() {
            if start.elapsed() > Duration::from_secs(20) {
                panic!("no {what}\ndiary:\n{}log:\n{}", self.read("diary"), last(&self.read("log")));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        start.elapsed()
    }

    fn wait_log(&self, text: &str) {
        self.wait(text, || self.read("log").contains(text));
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn last(log: &str) -> String {
    let lines: Vec<_> = log.lines().filter(|line| !line.contains("tick ")).collect();
    lines.join("\n")
}

/// A daemon in the foreground; killed if the test fails.
struct Daemon<'a> {
    folder: &'a Folder,
    process: Child,
}

impl Daemon<'_> {
    fn signal(&self, signal: i32) {
        kill(i32::try_from(self.process.id()).unwrap(), signal);
    }

    fn child(&self) -> i32 {
        self.folder.pid("vrrp.pid").unwrap()
    }

    fn wait_diary(&self, text: &str, times: usize) -> Duration {
        let count = || self.folder.read("diary").matches(text).count();
        self.folder.wait(&format!("{times} x {text:?}"), || count() >= times)
    }

    fn end(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < Duration::from_secs(20), "no end:\n{}", last(&self.folder.read("log")));
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let child = self.folder.pid("vrrp.pid");
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(child) = child {
            kill(child, libc::SIGKILL);
        }
    }
}

fn kill(pid: i32, signal: i32) {
    let pid = keepalived::sys::process::Pid::new(pid).unwrap();
    keepalived::sys::process::kill(pid, signal);
}

/// Whether a process is still there and no zombie.
fn lives(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().starts_with(" Z"))
}

fn start_and_stop(folder: &Folder) {
    use std::os::unix::fs::PermissionsExt;
    let mut daemon = folder.start(&[]);
    let child = daemon.child();
    assert_eq!(folder.pid("parent.pid"), i32::try_from(daemon.process.id()).ok());
    let mode = fs::metadata(folder.path("vrrp.pid")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o644);
    let name = |pid: i32| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    folder.wait("names", || name(child) == "toy_vrrp\n");
    assert_eq!(name(i32::try_from(daemon.process.id()).unwrap()), "toy\n");
    folder.wait_log("Startup complete");
    let start = Instant::now();
    daemon.signal(libc::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0));
    assert!(start.elapsed() < Duration::from_millis(200), "{:?}", start.elapsed());
    assert!(!lives(child));
    assert!(!folder.path("parent.pid").exists() && !folder.path("vrrp.pid").exists());
    let log = folder.read("log");
    let mut rest = log.as_str();
    for line in [
        "Starting Keepalived v2.4.3",
        "Running on Linux ",
        "Command line: 'keepalived' '-n' '-l'",
        &format!("Starting VRRP child process, pid={child}"),
        "Startup complete",
        "Stopping",
        "Stopped",
        "Stopped Keepalived v2.4.3",
    ] {
        let at = rest.find(line).unwrap_or_else(|| panic!("{line} is missing in\n{}", last(&log)));
        rest = &rest[at + line.len()..];
    }
}

fn killed_child(folder: &Folder) {
    let mut daemon = folder.start(&[]);
    folder.wait_log("Startup complete");
    let first = daemon.child();
    kill(first, libc::SIGKILL);
    let took = daemon.wait_diary("start deaths=1 master=true", 1);
    assert!(took < Duration::from_millis(500), "{took:?}");
    folder.wait("pid file", || folder.pid("vrrp.pid").is_some_and(|pid| pid != first));
    folder
        .wait_log(&format!("pid {first} exited due to signal 9 (Killed) - has rlimit_rttime been exceeded?"));
    folder.wait_log(&format!("VRRP child process({first}) died: Respawning"));

    let second = daemon.child();
    kill(second, libc::SIGKILL);
    daemon.wait_diary("clean", 1);
    folder.wait_log("Restart of VRRP process delayed 1 seconds to limit respawn rate");
    let took = daemon.wait_diary("start deaths=2 master=true", 1);
    assert!(took > Duration::from_millis(700), "{took:?}");
    daemon.signal(libc::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0));
}

fn stopped_child(folder: &Folder) {
    let mut daemon = folder.start(&[]);
    folder.wait_log("Startup complete");
    let first = daemon.child();
    kill(first, libc::SIGSTOP);
    let took = daemon.wait_diary("start deaths=1 master=true", 1);
    assert!((Duration::from_millis(200)..Duration::from_secs(3)).contains(&took), "{took:?}");
    assert!(!lives(first));
    folder.wait_log(&format!("VRRP child process({first}) does not answer - killing it"));
    assert!(!folder.read("log").contains("rlimit_rttime"), "the parent knows who killed it");
    daemon.signal(libc::SIGINT);
    assert_eq!(daemon.end().code(), Some(0));
}

fn killed_parent(folder: &Folder) {
    let mut daemon = folder.start(&[]);
    let child = daemon.child();
    daemon.signal(libc::SIGKILL);
    daemon.end();
    let took = folder.wait("end of the child", || !lives(child));
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(folder.read("diary").contains("stop "));
}

fn second_start(folder: &Folder) {
    let mut daemon = folder.start(&[]);
    let child = daemon.child();
    let status = folder.command(&["-n", "-l"]).status().unwrap();
    assert_eq!(status.code(), Some(0));
    let place = folder.path("parent.pid");
    folder.wait_log(&format!("Another process has pid file {} locked", place.display()));
    folder.wait_log("daemon is already running");
    assert_eq!(daemon.child(), child);
    assert!(lives(child));
    daemon.signal(libc::SIGTERM);
    daemon.end();
    // What a killed daemon leaves behind is in nobody's way.
    fs::write(place, "1\n").unwrap();
    drop(folder.start(&[]));
}

fn start_beside_a_stop(folder: &Folder) {
    let mut daemon = folder.start(&[]);
    folder.wait_log("Startup complete");
    let first = daemon.child();
    // It takes a second to stop: its child is killed then.
    kill(first, libc::SIGSTOP);
    daemon.signal(libc::SIGTERM);
    let start = Instant::now();
    let mut next = Daemon { folder, process: folder.command(&["-n", "-l"]).spawn().unwrap() };
    folder.wait_log(&format!("Waiting for the end of process {}, which is stopping", daemon.process.id()));
    assert_eq!(daemon.end().code(), Some(0));
    assert!(start.elapsed() > Duration::from_millis(900), "{:?}", start.elapsed());
    next.wait_diary("start deaths=0", 2);
    folder.wait("pid file", || folder.pid("vrrp.pid").is_some_and(|pid| pid != first));
    assert_eq!(folder.pid("parent.pid"), i32::try_from(next.process.id()).ok());
    assert!(!folder.read("log").contains("already running"));
    next.signal(libc::SIGTERM);
    assert_eq!(next.end().code(), Some(0));
}

fn other_locks(folder: &Folder) {
    use nix::fcntl::{FcntlArg, Flock, FlockArg, fcntl};
    let place = folder.path("parent.pid");
    fs::write(&place, "1\n").unwrap();
    // Any user may do this to a file that he may read.
    let reader = fs::File::open(&place).unwrap();
    let flock = Flock::lock(reader, FlockArg::LockExclusiveNonblock).unwrap();
    let mut daemon = folder.start(&[]);
    daemon.signal(libc::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0));
    drop(flock);
    // A program that may write the file and has it locked is no daemon of this one: no start, and that is told.
    fs::write(&place, "1\n").unwrap();
    let writer = fs::File::options().write(true).open(&place).unwrap();
    let whole = libc::flock {
        l_type: i16::try_from(libc::F_WRLCK).unwrap(),
        l_whence: 0,
        l_start: 0,
        l_len: 0,
        l_pid: 0,
    };
    fcntl(&writer, FcntlArg::F_OFD_SETLK(&whole)).unwrap();
    let status = folder.command(&["-n", "-l"]).status().unwrap();
    assert_eq!(status.code(), Some(75), "{}", last(&folder.read("log")));
    assert_eq!(fs::read_to_string(&place).unwrap(), "1\n");
    drop(writer);
    // Nor is a file lost that was named by mistake.
    fs::write(&place, "vrrp_instance A {\n").unwrap();
    assert_eq!(folder.command(&["-n", "-l"]).status().unwrap().code(), Some(1));
    assert_eq!(fs::read_to_string(&place).unwrap(), "vrrp_instance A {\n");
}

fn reload(folder: &Folder) {
    let mut daemon = folder.start(&[]);
    folder.wait_log("Startup complete");
    let child = daemon.child();
    folder.conf("vrrp new\n");
    daemon.signal(libc::SIGHUP);
    daemon.wait_diary("reload vrrp new", 1);
    folder.conf("vrrp bad\n");
    daemon.signal(libc::SIGHUP);
    folder.wait_log("New configuration refused - keep running with the old one");
    folder.wait_log("conf:1:1 bad");
    daemon.signal(libc::SIGUSR1);
    daemon.wait_diary("parent dump vrrp new", 1);
    // Many at once: the last one counts.
    for round in 0..50 {
        folder.conf(&format!("vrrp round{round}\n"));
        daemon.signal(libc::SIGHUP);
    }
    daemon.wait_diary("reload vrrp round49", 1);
    assert_eq!(daemon.child(), child);
    kill(child, libc::SIGKILL);
    daemon.wait_diary("start deaths=1", 1);
    daemon.signal(libc::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0));
}

fn rotated_log(folder: &Folder) {
    let file = folder.path("ka.log");
    let mut daemon = folder.start(&["-g", file.to_str().unwrap(), "-D"]);
    folder.wait("start", || folder.read("ka.log").contains("Startup complete"));
    for name in ["ka", "ka_vrrp"] {
        fs::rename(folder.path(&format!("{name}.log")), folder.path(&format!("{name}.old"))).unwrap();
    }
    // A refused reload does as well as any: what the rotation asks for is not about the configuration.
    folder.conf("vrrp bad\n");
    daemon.signal(libc::SIGHUP);
    folder.wait("a new log", || folder.read("ka.log").contains("Reloading ..."));
    folder.wait("a new log of the child", || folder.path("ka_vrrp.log").exists());
    let old = (folder.read("ka.old"), folder.read("ka_vrrp.old"));
    assert!(old.0.contains("Startup complete") && !old.0.contains("Reloading"));
    daemon.signal(libc::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0));
    assert_eq!((folder.read("ka.old"), folder.read("ka_vrrp.old")), old);
    assert!(folder.read("ka.log").contains("Stopped Keepalived"));
    assert!(folder.read("ka_vrrp.log").contains("Stopped"));
}

fn chosen_children(folder: &Folder) {
    for (words, runs) in [(&["-P"][..], true), (&["-B"], true), (&["-P", "-C"], true), (&["-C"], false)] {
        let process = folder.command(&[&["-n", "-l"], words].concat()).spawn().unwrap();
        let mut daemon = Daemon { folder, process };
        if runs {
            folder.wait("the child", || folder.pid("vrrp.pid").is_some());
        } else {
            folder.wait_log("Warning - keepalived has no configuration to run");
            assert!(!folder.path("vrrp.pid").exists(), "{words:?}");
        }
        folder.wait("the parent", || folder.pid("parent.pid").is_some());
        daemon.signal(libc::SIGTERM);
        assert_eq!(daemon.end().code(), Some(0), "{words:?}");
    }
}

fn ignored_interrupt(folder: &Folder) {
    let mut daemon = folder.start(&["--ignore-sigint"]);
    folder.wait_log("Startup complete");
    daemon.signal(libc::SIGINT);
    daemon.signal(libc::SIGUSR1);
    daemon.wait_diary("parent dump", 1);
    assert!(!folder.read("log").contains("Stopping"));
    daemon.signal(libc::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0));
}

fn core_files(folder: &Folder) {
    let limit = |pid: i32| {
        let limits = fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
        let line = limits.lines().find(|line| line.starts_with("Max core file size"));
        let mut words = line.unwrap().split_whitespace().skip(4);
        (words.next().unwrap().to_owned(), words.next().unwrap().to_owned())
    };
    let mut daemon = folder.start(&["-m"]);
    let (soft, hard) = limit(daemon.child());
    assert_eq!(soft, hard, "as much as may be");
    daemon.signal(libc::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0));
}

fn masks(folder: &Folder) {
    for (words, mask) in [(&[][..], "0177"), (&["-u", "022"], "0022"), (&["--umask=0x3f"], "0077")] {
        let mut daemon = folder.start(words);
        for pid in [daemon.child(), i32::try_from(daemon.process.id()).unwrap()] {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            let line = status.lines().find(|line| line.starts_with("Umask:")).unwrap();
            assert_eq!(line.split_whitespace().nth(1), Some(mask), "{words:?}");
        }
        daemon.signal(libc::SIGTERM);
        assert_eq!(daemon.end().code(), Some(0));
        fs::remove_file(folder.path("diary")).unwrap();
    }
}

fn reload_children(folder: &Folder) {
    folder.conf("nothing\n");
    let process = folder.command(&["-n", "-l"]).spawn().unwrap();
    let mut daemon = Daemon { folder, process };
    folder.wait_log("Warning - keepalived has no configuration to run");
    folder.wait("the loop", || folder.pid("parent.pid").is_some());
    folder.conf("vrrp\n");
    daemon.signal(libc::SIGHUP);
    daemon.wait_diary("start deaths=0", 1);
    folder.wait("pid file", || folder.pid("vrrp.pid").is_some());
    let child = daemon.child();
    folder.conf("nothing\n");
    daemon.signal(libc::SIGHUP);
    folder.wait("end of the child", || !lives(child) && !folder.path("vrrp.pid").exists());
    folder.conf("vrrp\n");
    daemon.signal(libc::SIGHUP);
    daemon.wait_diary("start deaths=0 master=false", 2);
    daemon.signal(libc::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0));
}

fn permanent_error(folder: &Folder) {
    folder.conf("vrrp fatal\n");
    let status = folder.command(&["-n", "-l"]).status().unwrap();
    assert_eq!(status.code(), Some(2));
    assert!(folder.read("log").contains("exited with permanent error CONFIG. Terminating"));
    assert!(!folder.read("log").contains("Startup complete"));
    assert_eq!(folder.read("diary").matches("start").count(), 1, "not started again");
    folder.conf("vrrp bad\n");
    assert_eq!(folder.command(&["-n"]).status().unwrap().code(), Some(2));
    fs::remove_file(folder.path("conf")).unwrap();
    assert_eq!(folder.command(&["-n"]).status().unwrap().code(), Some(6));
}

fn stuck_stop(folder: &Folder) {
    let mut daemon = folder.start(&[]);
    folder.wait_log("Startup complete");
    let child = daemon.child();
    kill(child, libc::SIGSTOP);
    daemon.signal(libc::SIGTERM);
    let start = Instant::now();
    assert_eq!(daemon.end().code(), Some(0));
    assert!((Duration::from_millis(900)..Duration::from_secs(3)).contains(&start.elapsed()));
    assert!(folder.read("log").contains("vrrp process failed to die - forcing termination"));
    assert!(folder.read("diary").contains("clean"));
    assert!(!lives(child));
}

fn no_respawn(folder: &Folder) {
    let mut daemon = folder.start(&["-R"]);
    let child = daemon.child();
    kill(child, libc::SIGKILL);
    assert_eq!(daemon.end().code(), Some(0));
    assert!(folder.read("log").contains(&format!("VRRP child process({child}) died: Exiting")));
    assert_eq!(folder.read("diary").matches("start").count(), 1);
}

fn dumps(folder: &Folder) {
    let mut daemon = folder.start(&[]);
    let child = daemon.child();
    daemon.signal(libc::SIGUSR1);
    daemon.wait_diary("parent dump vrrp", 1);
    daemon.wait_diary(&format!("DumpData {child}"), 1);
    daemon.signal(libc::SIGUSR2);
    daemon.wait_diary(&format!("DumpStats {{ clear: false }} {child}"), 1);
    daemon.signal(libc::SIGRTMAX() - 1);
    daemon.wait_diary(&format!("DumpStats {{ clear: true }} {child}"), 1);
    daemon.signal(libc::SIGRTMIN() + 2);
    daemon.wait_diary(&format!("DumpJson {child}"), 1);
    for harmless in
        [libc::SIGQUIT, libc::SIGALRM, libc::SIGPIPE, libc::SIGWINCH, libc::SIGABRT, libc::SIGCONT]
    {
        daemon.signal(harmless);
        kill(child, harmless);
    }
    // A child that is asked directly ends in order, and is replaced.
    kill(child, libc::SIGTERM);
    daemon.wait_diary("start deaths=1", 1);
    daemon.signal(libc::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0));
}

fn background(folder: &Folder) {
    let status = folder.command(&["-l"]).status().unwrap();
    assert_eq!(status.code(), Some(0));
    // No waiting: whoever started it can rely on the pid files.
    let (parent, child) = (folder.pid("parent.pid").unwrap(), folder.pid("vrrp.pid").unwrap());
    for pid in [parent, child] {
        let link = |name: &str| fs::read_link(format!("/proc/{pid}/{name}")).unwrap();
        assert_eq!(link("cwd"), Path::new("/"));
        for fd in 0..3 {
            assert_eq!(link(&format!("fd/{fd}")), Path::new("/dev/null"));
        }
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        assert!(status.contains("Umask:\t0177"));
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        assert_eq!((fields[2], fields[3]), (&*parent.to_string(), &*parent.to_string()), "group and session");
    }
    kill(parent, libc::SIGTERM);
    folder.wait("end", || !lives(parent) && !lives(child) && !folder.path("parent.pid").exists());
    // While it lived in the background it had no console.
    assert!(!folder.read("log").contains("tick "));
}

/// What the child wrote at its end: ticks, latest in seconds, allocations after the first ticks.
fn result(folder: &Folder) -> (u64, f64, u64) {
    let diary = folder.read("diary");
    let line = diary.lines().find(|line| line.starts_with("stop ")).unwrap().to_owned();
    let value = |key: &str| {
        let text = line.split_once(key).unwrap().1;
        text.split_whitespace().next().unwrap().to_owned()
    };
    (
        value("ticks=").parse().unwrap(),
        value("latest=").parse().unwrap(),
        value("allocated=").parse().unwrap(),
    )
}

/// Runs the ticker for a while and checks that it was never held up. A blocked write would have stopped it
/// altogether, so the bound can be generous to a busy test machine.
fn tick_along(folder: &Folder, mut daemon: Daemon<'_>, span: Duration) {
    std::thread::sleep(span);
    let start = Instant::now();
    daemon.signal(libc::SIGTERM);
    assert_eq!(daemon.end().code(), Some(0));
    assert!(start.elapsed() < Duration::from_secs(1), "{:?}", start.elapsed());
    let (ticks, latest, allocated) = result(folder);
    assert!(u128::from(ticks) > span.as_millis() / 10 * 9 / 10, "{ticks} ticks");
    assert!(latest < 0.25, "{latest}");
    assert_eq!(allocated, 0);
}

fn slow_console(folder: &Folder) {
    let mut command = folder.command(&["-n", "-l", "-G"]);
    let (reader, writer) = std::io::pipe().unwrap();
    // A pipe that is full from the start.
    let mut full = writer.try_clone().unwrap();
    let filler = std::thread::spawn(move || {
        use std::io::Write;
        let _ = full.write_all(&[b'\n'; 65_536]);
    });
    filler.join().unwrap();
    let process = command.stderr(writer).spawn().unwrap();
    let daemon = Daemon { folder, process };
    daemon.wait_diary("start ", 1);
    tick_along(folder, daemon, Duration::from_secs(2));
    drop(reader);
}

fn slow_syslog(folder: &Folder) {
    for kind in ["missing", "full"] {
        let _ = fs::remove_file(folder.path("diary"));
        let socket = folder.path("syslog");
        let reader = (kind == "full").then(|| UnixDatagram::bind(&socket).unwrap());
        let process = folder.command(&["-n"]).env("TOY_LOG", &socket).spawn().unwrap();
        let daemon = Daemon { folder, process };
        daemon.wait_diary("start ", 1);
        tick_along(folder, daemon, Duration::from_secs(2));
        if let Some(reader) = reader {
            let mut buffer = [0; 2_048];
            let len = reader.recv(&mut buffer).unwrap();
            let line = String::from_utf8_lossy(&buffer[..len]).into_owned();
            assert!(line.starts_with("<30>") && line.contains(" Keepalived["), "{line}");
        }
    }
}

fn service_manager(folder: &Folder) {
    let socket = UnixDatagram::bind(folder.path("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let process = folder
        .command(&["-n", "-l"])
        .env("NOTIFY_SOCKET", folder.path("notify"))
        .env("WATCHDOG_USEC", "400000")
        .spawn()
        .unwrap();
    let mut daemon = Daemon { folder, process };
    let mut buffer = [0; 256];
    let mut watched = Vec::new();
    let mut next = || loop {
        let len = socket.recv(&mut buffer).unwrap();
        match String::from_utf8_lossy(&buffer[..len]).into_owned() {
            word if word == "WATCHDOG=1" => watched.push(Instant::now()),
            word if word.starts_with("STATUS=") => {}
            word => return word,
        }
    };
    assert!(next().starts_with("READY=1\nSTATUS="));
    daemon.signal(libc::SIGHUP);
    let reloading = next();
    let micros: u64 = reloading.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap().parse().unwrap();
    let now = keepalived::sys::clock::now().as_micros();
    assert!(micros <= now && now - micros < 10_000_000, "{micros} {now}");
    assert!(next().starts_with("READY=1\nSTATUS="), "it is ready again when the reload is over");
    std::thread::sleep(Duration::from_secs(2));
    daemon.signal(libc::SIGTERM);
    assert_eq!(next(), "STOPPING=1");
    assert_eq!(daemon.end().code(), Some(0));
    // Twice in each of its periods.
    assert!(watched.len() >= 8, "{}", watched.len());
}

//! Two children that are built from `child` alone, as real processes under the parent: checks with scripts, FIFO, notify
//! script, watchdog, reload, death and replacement, and what the two tell each other.

mod child;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use keepalived::base::exit::Exit;
use keepalived::config::diag::Diagnostics;
use keepalived::config::source::Disk;
use keepalived::config::{Model, assemble, expand};
use keepalived::daemon::cli::{self, Invocation};
use keepalived::daemon::parent::{self, ChildSettings, Kind, Mode, Program, Settings, Start};
use keepalived::daemon::pidfile::Places;
use keepalived::daemon::tuning::{DEFAULT_UMASK, Tuning};

use crate::{Daemon, Folder, kill, lives};
use child::{DOWN, UP};

/// Runs the daemon in `folder` with the words of a command line.
pub(crate) fn run(folder: &Path, words: Vec<OsString>) -> u8 {
    let Invocation::Run(options) = cli::parse(words) else { return 99 };
    let program = Third { folder: folder.to_owned(), pid_files: options.pid_files.clone() };
    parent::run(&program, &options).code()
}

/// The program: a configuration in keepalived's language, of which the children use the scripts and the FIFO.
struct Third {
    folder: PathBuf,
    pid_files: cli::PidFiles,
}

struct Loaded {
    model: Arc<Model>,
    snapshot: Vec<u8>,
}

impl Program for Third {
    type Loaded = Loaded;

    fn load(&self, _: Option<&mut dyn FnMut(Vec<u8>)>) -> Result<Loaded, Exit> {
        let mut found = Diagnostics::new();
        let path = self.folder.join("conf").to_string_lossy().into_owned();
        let asked = expand::Options { path, ..expand::Options::default() };
        let (parsed, snapshot) = expand::load(&Disk, &asked, &mut found);
        let model = Arc::new(assemble::model(&parsed.tree, &mut found));
        found.exit_daemon().map_or(Ok(Loaded { model, snapshot: snapshot.encode() }), Err)
    }

    fn accepts(&self, _: &Loaded, _: &Loaded) -> bool {
        true
    }

    fn needs(&self, loaded: &Loaded, kind: Kind) -> bool {
        matches!(kind, Kind::Checkers | Kind::Bfd) && !loaded.model.scripts.is_empty()
    }

    fn settings(&self, loaded: &Loaded) -> Settings {
        Settings {
            children: Kind::ALL.map(|kind| ChildSettings {
                tuning: Tuning::of(&loaded.model.global, kind),
                hello: child::HELLO,
                objects: 1,
                notes: true,
                ..ChildSettings::default()
            }),
            child_wait: keepalived::base::time::Span::from_secs(1),
            pid_files: Places::new(&self.pid_files, false, None),
            process_name: None,
            log_suffix: String::new(),
            umask: DEFAULT_UMASK,
            reload_marker: None,
            reload_time_file: None,
            reload_repeat: false,
            save_folder: None,
            scratch: None,
            control: None,
            http: None,
        }
    }

    fn snapshot(&self, loaded: &Loaded) -> Vec<u8> {
        loaded.snapshot.clone()
    }

    fn text(&self, _: &Loaded) -> Vec<u8> {
        Vec::new()
    }

    fn handed_out(&self, _: &mut Loaded) {}

    fn are_peers(&self, one: Kind, other: Kind) -> bool {
        one != Kind::Vrrp && other != Kind::Vrrp
    }

    fn run_child(&self, loaded: &Loaded, start: Start<'_>) -> Exit {
        if start.mode != Mode::Run {
            return Exit::Ok;
        }
        let diary = self.folder.join(diary(start.kind));
        child::run(diary, Arc::clone(&loaded.model), start)
    }

    fn dump(&self, _: &Loaded) {}
}

const fn diary(kind: Kind) -> &'static str {
    match kind {
        Kind::Checkers => "checkers.diary",
        Kind::Vrrp => "vrrp.diary",
        Kind::Bfd => "bfd.diary",
        Kind::Snmp => "snmp.diary",
    }
}

/// A daemon of two children in a folder of its own.
struct Scene<'a> {
    folder: &'a Folder,
    daemon: Daemon<'a>,
}

impl<'a> Scene<'a> {
    fn start(folder: &'a Folder) -> Self {
        script(folder, "up", "exit 0");
        script(folder, "down", "exit 3");
        script(folder, "told", &format!("echo \"$@\" >> {}", folder.path("told.txt").display()));
        // The reader is there before the first line is.
        script(folder, "reader", &format!("exec cat \"$1\" >> {}", folder.path("lines.txt").display()));
        configure(folder, "up");
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("--third").arg(&folder.0).args(["-n", "-l"]).stdin(Stdio::null()).stdout(Stdio::null());
        for (option, file) in [("-p", "parent.pid"), ("-c", "checkers.pid"), ("-b", "bfd.pid")] {
            command.arg(option).arg(folder.path(file));
        }
        command.stderr(fs::File::options().create(true).append(true).open(folder.path("log")).unwrap());
        let daemon = Daemon { folder, process: command.spawn().unwrap() };
        Self { folder, daemon }
    }

    /// Waits until a diary or another file has a line so many times.
    fn wait(&self, file: &str, line: &str, times: usize) -> Duration {
        let count = || self.folder.read(file).lines().filter(|other| *other == line).count();
        let what = format!("{times} x {line:?} in {file}");
        let start = Instant::now();
        while count() < times {
            if start.elapsed() > Duration::from_secs(20) {
                let all = [diary(Kind::Checkers), diary(Kind::Bfd), "lines.txt", "told.txt", "log"];
                let all = all.map(|file| format!("{file}:\n{}", self.folder.read(file)));
                panic!("no {what}\n{}", all.join("\n"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        start.elapsed()
    }

    fn child(&self, kind: Kind) -> i32 {
        let file = diary(kind).replace("diary", "pid");
        self.folder.wait("pid file", || self.folder.pid(&file).is_some());
        self.folder.pid(&file).unwrap()
    }

    /// What the replacement of a child began with: runs of the check, and the state of its object.
    fn left(&self, kind: Kind, deaths: u32) -> (u64, u8) {
        let begins = format!("start deaths={deaths} runs=");
        let found = || {
            let text = self.folder.read(diary(kind));
            let line = text.lines().find_map(|line| line.strip_prefix(&begins))?;
            let (runs, state) = line.split_once(" state=")?;
            Some((runs.parse().unwrap(), state.parse().unwrap()))
        };
        self.folder.wait("the replacement", || found().is_some());
        found().unwrap()
    }

    fn end(mut self) {
        let children = [Kind::Checkers, Kind::Bfd].map(|kind| self.child(kind));
        self.daemon.signal(libc::SIGTERM);
        assert_eq!(self.daemon.end().code(), Some(0));
        assert!(children.into_iter().all(|pid| !lives(pid)));
        for kind in [Kind::Checkers, Kind::Bfd] {
            let text = self.folder.read(diary(kind));
            assert_eq!(text.lines().filter(|line| *line == "stop").count(), 1, "{text}");
        }
        for file in ["parent.pid", "checkers.pid", "bfd.pid", "fifo"] {
            assert!(!self.folder.path(file).exists(), "{file}");
        }
    }
}

fn script(folder: &Folder, name: &str, line: &str) {
    let path = folder.path(name);
    fs::write(&path, format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The configuration whose check is this script.
fn configure(folder: &Folder, check: &str) {
    let path = |name: &str| folder.path(name).display().to_string();
    folder.conf(&format!(
        "global_defs {{\n script_user root\n notify_fifo {}\n notify_fifo_script {}\n state_dump_file {}\n}}\n\
         vrrp_script check {{\n script {}\n}}\nvrrp_script notify {{\n script {}\n}}\n",
        path("fifo"),
        path("reader"),
        path("dump"),
        path(check),
        path("told"),
    ));
}

/// A check, its FIFO line and its notify script; a reload makes it fail.
pub(crate) fn works_and_reloads(folder: &Folder) {
    let scene = Scene::start(folder);
    let (checkers, bfd) = (diary(Kind::Checkers), diary(Kind::Bfd));
    scene.wait("lines.txt", "CHECK \"check\" UP", 1);
    scene.wait("told.txt", "CHECK check UP", 1);
    // Each is told the state of the other, and every change.
    scene.wait(bfd, &format!("hears state={UP} of=0"), 1);
    scene.wait(bfd, "hears complete", 1);
    scene.wait(checkers, &format!("hears state={DOWN} of=2"), 1);
    scene.daemon.signal(libc::SIGUSR1);
    folder.wait("the dump", || folder.path("dump").exists());
    let dump = folder.read("dump");
    assert!(dump.starts_with("check runs=") && dump.ends_with(" state=UP\n"), "{dump}");
    let before = [Kind::Checkers, Kind::Bfd].map(|kind| scene.child(kind));
    configure(folder, "down");
    scene.daemon.signal(libc::SIGHUP);
    for diary in [checkers, bfd] {
        scene.wait(diary, "reload begins", 1);
        scene.wait(diary, "reload ends", 1);
    }
    scene.wait("lines.txt", "CHECK \"check\" DOWN", 1);
    scene.wait("told.txt", "CHECK check DOWN", 1);
    scene.wait(bfd, &format!("hears state={DOWN} of=0"), 1);
    folder.wait_log("Reload complete");
    assert_eq!(before, [Kind::Checkers, Kind::Bfd].map(|kind| scene.child(kind)), "nobody was replaced");
    assert_eq!(folder.read("lines.txt"), "CHECK \"check\" UP\nCHECK \"check\" DOWN\n");
    scene.end();
}

/// A killed child is replaced, goes on where the dead one was, and both children tell each other everything anew.
pub(crate) fn replaced(folder: &Folder) {
    let scene = Scene::start(folder);
    let (checkers, bfd) = (diary(Kind::Checkers), diary(Kind::Bfd));
    scene.wait("lines.txt", "CHECK \"check\" UP", 1);
    scene.wait(bfd, &format!("hears state={UP} of=0"), 1);
    kill(scene.child(Kind::Checkers), libc::SIGKILL);
    scene.wait(bfd, "hears away", 1);
    let (runs, state) = scene.left(Kind::Checkers, 1);
    assert!(runs >= 1, "the runs of the dead process count");
    assert_eq!(state, UP);
    scene.wait(bfd, &format!("hears state={UP} of=0"), 2);
    scene.wait(bfd, "hears complete", 2);
    scene.wait(checkers, "connected to BFD", 2);
    scene.wait(checkers, &format!("hears state={DOWN} of=2"), 2);
    // The check was up before and is up now: nobody is told a second time.
    configure(folder, "down");
    scene.daemon.signal(libc::SIGHUP);
    scene.wait("told.txt", "CHECK check DOWN", 1);
    assert_eq!(folder.read("told.txt"), "CHECK check UP\nCHECK check DOWN\n");
    scene.end();
}

/// A child that hangs is replaced by the watchdog; the other one goes on and hears of the replacement.
pub(crate) fn watched(folder: &Folder) {
    let scene = Scene::start(folder);
    let checkers = diary(Kind::Checkers);
    scene.wait(checkers, "hears complete", 1);
    let (first, other) = (scene.child(Kind::Bfd), scene.child(Kind::Checkers));
    kill(first, libc::SIGSTOP);
    scene.left(Kind::Bfd, 1);
    folder.wait_log(&format!("BFD child process({first}) does not answer - killing it"));
    scene.wait(checkers, "hears away", 1);
    scene.wait(checkers, "hears complete", 2);
    folder.wait("the pid file", || folder.pid("bfd.pid").is_some_and(|pid| pid != first));
    assert_eq!(scene.child(Kind::Checkers), other);
    scene.end();
}

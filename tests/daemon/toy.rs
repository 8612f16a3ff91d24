//! A program for the parent to supervise: its one child ticks every 10 ms, logs each tick, and writes down
//! what happens to it.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use keepalived::base::exit::Exit;
use keepalived::base::time::{Instant, Span};
use keepalived::daemon::cli::{self, Invocation};
use keepalived::daemon::ipc::ToParent;
use keepalived::daemon::parent::{self, ChildSettings, Kind, Mode, Program, Settings, Start};
use keepalived::daemon::pidfile::Places;
use keepalived::daemon::reactor::{Again, Command, Process, Reactor, Turn};
use keepalived::daemon::record::{self, Record};
use keepalived::daemon::token::SourceId;
use keepalived::daemon::tuning::Tuning;
use keepalived::sys::process::{self, Ended, Pid};
use keepalived::sys::{alloc, memory};

/// Runs the daemon in `folder` with the words of a command line.
pub(crate) fn run(folder: &Path, words: Vec<std::ffi::OsString>) -> u8 {
    let Invocation::Run(mut options) = cli::parse(words) else {
        return 99;
    };
    if let Some(socket) = std::env::var_os("TOY_LOG") {
        options.log.syslog_socket = PathBuf::from(socket);
    }
    let toy = Toy { folder: folder.to_owned(), pid_files: options.pid_files.clone() };
    parent::run(&toy, &options).code()
}

struct Toy {
    folder: PathBuf,
    pid_files: cli::PidFiles,
}

impl Toy {
    fn note(&self, text: &str) {
        note(&self.folder, text);
    }
}

/// Appends a line to the diary that the test reads.
fn note(folder: &Path, text: &str) {
    let file = OpenOptions::new().create(true).append(true).open(folder.join("diary"));
    let _ = file.and_then(|mut file| file.write_all(format!("{text}\n").as_bytes()));
}

impl Program for Toy {
    type Loaded = String;

    fn load(&self, _: Option<&mut dyn FnMut(Vec<u8>)>) -> Result<String, Exit> {
        let text = fs::read_to_string(self.folder.join("conf")).map_err(|_| Exit::NoConfig)?;
        if text.contains("bad") {
            log::error!("conf:1:1 bad");
            return Err(Exit::Config);
        }
        Ok(text)
    }

    fn accepts(&self, _: &String, _: &String) -> bool {
        true
    }

    fn needs(&self, loaded: &String, kind: Kind) -> bool {
        kind == Kind::Vrrp && loaded.contains("vrrp")
    }

    fn settings(&self, _: &String) -> Settings {
        let tuning = Tuning { name: Some("toy_vrrp".to_owned()), ..Tuning::default() };
        Settings {
            children: Kind::ALL.map(|kind| match kind {
                Kind::Vrrp => ChildSettings {
                    tuning: tuning.clone(),
                    hello: Span::from_millis(16),
                    objects: 4,
                    notes: true,
                    inherited: Some(MASTER),
                    ..ChildSettings::default()
                },
                Kind::Checkers | Kind::Bfd | Kind::Snmp => ChildSettings::default(),
            }),
            child_wait: Span::from_secs(1),
            pid_files: Places::new(&self.pid_files, false, None),
            process_name: Some("toy".to_owned()),
            log_suffix: String::new(),
            umask: 0o177,
            reload_marker: None,
            reload_time_file: None,
            reload_repeat: false,
            save_folder: None,
            scratch: None,
            control: None,
            http: None,
        }
    }

    fn snapshot(&self, loaded: &String) -> Vec<u8> {
        loaded.clone().into_bytes()
    }

    fn text(&self, loaded: &String) -> Vec<u8> {
        self.snapshot(loaded)
    }

    fn handed_out(&self, _: &mut String) {}

    fn run_child(&self, loaded: &String, start: Start<'_>) -> Exit {
        if start.mode != Mode::Run {
            self.note("clean");
            return Exit::Ok;
        }
        let master = start.records.of(record::key("VI_1")) == Some(MASTER);
        self.note(&format!("start deaths={} master={master}", start.deaths));
        if loaded.contains("fatal") {
            return Exit::Config;
        }
        let Ok(mut reactor) = Reactor::new(1, Some(start.channel)) else {
            return Exit::Fatal;
        };
        let mut child = Ticker {
            folder: self.folder.clone(),
            due: Instant::START,
            ticks: 0,
            latest: Span::ZERO,
            marked: 0,
            allocated: 0,
        };
        let mut turn = reactor.turn();
        child.due = turn.now() + TICK;
        turn.set_deadline(0, Some(child.due));
        turn.reserve_reports(4);
        turn.report(ToParent::Ready);
        turn.report(ToParent::Transition(Record::new(record::key("VI_1"), MASTER)));
        reactor.run(&mut child).unwrap_or(Exit::Fatal)
    }

    fn dump(&self, loaded: &String) {
        self.note(&format!("parent dump {}", loaded.trim()));
    }
}

/// The state that its one object reports.
const MASTER: u8 = 2;

const TICK: Span = Span::from_millis(10);

struct Ticker {
    folder: PathBuf,
    due: Instant,
    ticks: u64,
    latest: Span,
    marked: usize,
    allocated: usize,
}

impl Process for Ticker {
    fn ready(&mut self, _: &mut Turn<'_>, _: SourceId) -> Again {
        Again::Done
    }

    fn expired(&mut self, turn: &mut Turn<'_>, _: u32) {
        self.ticks += 1;
        self.latest = self.latest.max(turn.now().since(self.due));
        log::info!("tick {} with some text, as long as an ordinary line of the log is", self.ticks);
        if self.ticks == 20 {
            self.marked = alloc::allocations();
        }
        self.allocated = alloc::allocations() - self.marked;
        self.due += TICK;
        turn.set_deadline(0, Some(self.due));
    }

    fn command(&mut self, turn: &mut Turn<'_>, command: Command) {
        match command {
            Command::Stop | Command::ParentGone => {
                let Self { ticks, latest, allocated, .. } = self;
                let text = format!("stop {command:?} ticks={ticks} latest={latest} allocated={allocated}");
                note(&self.folder, &text);
                turn.stop(Exit::Ok);
            }
            Command::Reload(_, fd) => {
                let text = memory::read(fd).unwrap_or_default();
                note(&self.folder, &format!("reload {}", String::from_utf8_lossy(&text).trim()));
                turn.report(ToParent::ReloadDone { ok: true });
            }
            other => note(&self.folder, &format!("{other:?} {}", process::own())),
        }
    }

    fn ended(&mut self, _: &mut Turn<'_>, _: Pid, _: Ended) {}

    fn turn_end(&mut self, _: &mut Turn<'_>) {}

    fn stall_threshold(&self) -> Span {
        Span::from_millis(50)
    }
}

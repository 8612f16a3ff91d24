//! A keepalived in a node: the one under test or Debian's, started as every lab starts it.

use std::fs::{self, File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::bounds::{self, eventually};
use super::capture::now;
use super::decode::Stamp;
use super::node::{Node, UNDER_TEST, children, command_name, is_alive};
use super::skip::skip;

/// Where a lab's configuration lies in the node unless the test says otherwise.
pub(crate) const CONF: &str = "/etc/keepalived/keepalived.conf";

/// Which daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// The one that this repository builds (or LAB_BINARY).
    UnderTest,
    /// Debian's keepalived, version 2.2.7 in Debian 12.
    Reference,
}

impl Program {
    fn path(self) -> &'static str {
        match self {
            Self::UnderTest => UNDER_TEST,
            Self::Reference => "/usr/sbin/keepalived",
        }
    }
}

/// How to start a daemon.
pub(crate) struct Launch<'n> {
    node: &'n Node,
    program: Program,
    arguments: Vec<String>,
    stderr: Option<Stdio>,
    nice: i32,
    capabilities: Option<String>,
}

impl<'n> Launch<'n> {
    /// In the foreground, details logged to a file of the node by way of standard error, no syslog.
    pub(crate) fn new(node: &'n Node, program: Program) -> Self {
        let arguments = ["-n", "-l", "-G", "-D", "-f", CONF].map(str::to_owned).to_vec();
        Self { node, program, arguments, stderr: None, nice: 0, capabilities: None }
    }

    /// With these arguments instead of the usual ones; pid files still lie where they lie by default.
    pub(crate) fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// With standard error connected to something else than the log file.
    pub(crate) fn stderr(mut self, stderr: impl Into<Stdio>) -> Self {
        self.stderr = Some(stderr.into());
        self
    }

    /// At another scheduling priority, -20 to 19.
    pub(crate) fn nice(mut self, nice: i32) -> Self {
        self.nice = nice;
        self
    }

    /// With these capabilities, as setpriv names them.
    pub(crate) fn capabilities(mut self, capabilities: &str) -> Self {
        self.capabilities = Some(capabilities.to_owned());
        self
    }

    /// Starts it.
    pub(crate) fn start(self) -> Daemon<'n> {
        let log = "/run/lab/daemon.log";
        let stderr = self.stderr.unwrap_or_else(|| {
            let file =
                OpenOptions::new().create(true).append(true).open(self.node.path(log)).expect("log file");
            file.into()
        });
        let start = fs::metadata(self.node.path(log)).map_or(0, |data| data.len());
        let since = now();
        let nice = self.nice.to_string();
        let mut words = Vec::new();
        if self.nice != 0 {
            words.extend(["nice", "-n", &nice]);
        }
        words.extend(self.capabilities.iter().flat_map(|all| ["setpriv", "--bounding-set", all.as_str()]));
        words.push(self.program.path());
        let child = self
            .node
            .command(words[0])
            .args(&words[1..])
            .args(&self.arguments)
            .stdout(Stdio::null())
            .stderr(stderr)
            .spawn()
            .expect("nsenter runs");
        let nsenter = child.id().cast_signed();
        // Nobody promises how soon a process is there: a guest on a busy machine takes its time.
        eventually("the daemon is started", bounds::START * 10, || {
            children(nsenter).first().is_some_and(|pid| is_started(*pid)) || !is_alive(nsenter)
        });
        let first = children(nsenter).first().copied().unwrap_or_default();
        Daemon { node: self.node, child, first, log, start, since }
    }
}

/// Whether the process is past nice and exec.
fn is_started(pid: i32) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path.to_string_lossy().contains("keepalived"))
}

/// A running daemon, all its processes.
pub(crate) struct Daemon<'n> {
    node: &'n Node,
    child: Child,
    first: i32,
    log: &'static str,
    start: u64,
    since: Stamp,
}

impl<'n> Daemon<'n> {
    /// Writes the configuration and starts the daemon.
    pub(crate) fn start(node: &'n Node, program: Program, conf: &str) -> Self {
        node.write(CONF, conf);
        Launch::new(node, program).start()
    }

    /// When it was started.
    pub(crate) fn since(&self) -> Stamp {
        self.since
    }

    /// Its first process, as a pid seen from outside.
    pub(crate) fn first(&self) -> i32 {
        self.first
    }

    /// Its VRRP child, which is the only child in every lab of this issue.
    pub(crate) fn vrrp_child(&self) -> i32 {
        // One that was killed stays a child until the parent has had the time to bury it.
        let mut child = None;
        eventually("the VRRP child runs", bounds::START, || {
            let works = |pid: &i32| is_alive(*pid) && command_name(*pid) != "keepalived_exec";
            child = children(self.first).into_iter().find(works);
            child.is_some()
        });
        child.expect("it has just been there")
    }

    /// All its processes, parents before children, scripts included.
    pub(crate) fn processes(&self) -> Vec<i32> {
        let mut found = vec![self.first];
        let mut next = 0;
        while let Some(pid) = found.get(next) {
            found.extend(children(*pid));
            next += 1;
        }
        found.retain(|pid| is_alive(*pid));
        found
    }

    /// Sends a signal to its first process.
    pub(crate) fn signal(&self, signal: Signal) {
        assert!(self.first > 0, "{}: the daemon never ran\n{}", self.node.name(), self.log());
        kill(Pid::from_raw(self.first), signal).expect("the daemon runs");
    }

    /// Lets its first process stand still, or go on.
    pub(crate) fn freeze(&self, frozen: bool) {
        let parent = Pid::from_raw(self.first);
        if frozen {
            kill(parent, Signal::SIGSTOP).expect("the daemon runs");
        } else {
            // nsenter stands still with what it started, and would not hear of its end.
            for pid in [parent, Pid::from_raw(self.child.id().cast_signed())] {
                kill(pid, Signal::SIGCONT).expect("the daemon is there");
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Sends one of the signals that have a number only (--signum).
    pub(crate) fn signal_number(&self, number: i32) {
        self.node.shell(&format!("kill -{number} {}", self.node.read("/run/keepalived.pid").trim()));
    }

    /// Kills every process at once, children first, as a power cut would; when.
    pub(crate) fn kill(mut self) -> Stamp {
        let all = self.processes();
        let at = now();
        // A parent that still runs would replace a child that was killed before it.
        for pid in &all {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGSTOP);
        }
        for pid in all.iter().rev() {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        eventually("a killed daemon is gone", bounds::START, || !all.iter().any(|pid| is_alive(*pid)));
        // nsenter stops itself when what it runs is stopped.
        let outer = Pid::from_raw(self.child.id().cast_signed());
        eventually("nsenter ends", bounds::START, || {
            let _ = kill(outer, Signal::SIGCONT);
            !matches!(self.child.try_wait(), Ok(None))
        });
        // /run does not survive a power cut.
        for file in ["keepalived", "vrrp", "checkers", "bfd"] {
            self.node.remove(&format!("/run/{file}.pid"));
        }
        self.node.remove("/run/vrrp.state");
        at
    }

    /// SIGTERM; how long until the last process was gone, and its exit code.
    pub(crate) fn stop(mut self) -> (Duration, Option<i32>) {
        let all = self.processes();
        let begin = Instant::now();
        self.signal(Signal::SIGTERM);
        eventually("a stopped daemon is gone", Duration::from_secs(10), || {
            !all.iter().any(|pid| is_alive(*pid))
        });
        let took = begin.elapsed();
        let status = self.child.wait().expect("nsenter ends");
        (took, status.code().or(status.signal().map(|signal| 128 + signal)))
    }

    /// Waits for a daemon that is to end by itself; its exit code.
    pub(crate) fn wait_end(mut self, within: Duration) -> Option<i32> {
        let nsenter = self.child.id().cast_signed();
        eventually("the daemon ends", within, || !is_alive(nsenter));
        self.child.wait().expect("nsenter ends").code()
    }

    /// What it has logged since it was started.
    pub(crate) fn log(&self) -> String {
        let octets = fs::read(self.node.path(self.log)).unwrap_or_default();
        let start = usize::try_from(self.start).unwrap_or_default().min(octets.len());
        String::from_utf8_lossy(&octets[start..]).into_owned()
    }

    /// How often its log contains `text`.
    pub(crate) fn logged(&self, text: &str) -> usize {
        self.log().matches(text).count()
    }

    /// Waits until the log contains `text`.
    pub(crate) fn wait_log(&self, text: &str, within: Duration) {
        let logged = bounds::holds_within(within + bounds::ALLOWANCE, || self.log().contains(text));
        assert!(logged, "{}: not logged within {within:?}: {text}", self.node.name());
    }

    /// SIGHUP, and waits until the log says that the reload is complete.
    pub(crate) fn reload(&self, conf: &str) {
        self.reload_within(conf, bounds::START);
    }

    /// The same for a configuration whose changes take the kernel longer.
    pub(crate) fn reload_within(&self, conf: &str, bound: Duration) {
        let before = self.logged("Reload complete");
        self.node.write(CONF, conf);
        self.signal(Signal::SIGHUP);
        eventually("the reload completes", bound, || self.logged("Reload complete") > before);
    }

    /// The statistics file, written freshly.
    pub(crate) fn stats(&self) -> super::stats::Stats {
        self.node.remove("/tmp/keepalived.stats");
        self.signal(Signal::SIGUSR2);
        super::stats::Stats::parse(&self.dump("/tmp/keepalived.stats"))
    }

    /// A dump file that was asked for by a signal, once it stops growing.
    pub(crate) fn dump(&self, path: &str) -> String {
        let mut seen = String::new();
        eventually(path, bounds::START, || {
            let before = std::mem::replace(&mut seen, self.node.read(path));
            std::thread::sleep(Duration::from_millis(30));
            !seen.is_empty() && seen == before
        });
        seen
    }

    /// Anonymous memory of all processes, in kB.
    pub(crate) fn memory(&self) -> u64 {
        self.processes()
            .iter()
            .flat_map(|pid| fs::read_to_string(format!("/proc/{pid}/smaps_rollup")))
            .flat_map(|text| {
                text.lines()
                    .filter(|line| line.starts_with("Anonymous:"))
                    .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok())
                    .collect::<Vec<_>>()
            })
            .sum()
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<_> = log.lines().collect();
            eprintln!(
                "--- last lines of {}:\n{}",
                self.node.name(),
                lines[lines.len().saturating_sub(30)..].join("\n")
            );
        }
        for pid in self.processes().iter().rev() {
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether the suite runs against Debian's keepalived (LAB_BINARY) to prove the labs themselves; says why
/// the calling test does not apply to it, so that nothing is skipped in silence.
pub(crate) fn is_reference(because: &str) -> bool {
    let Some(path) = std::env::var_os("LAB_BINARY") else {
        return false;
    };
    let version = std::process::Command::new(path).arg("--version").output().expect("LAB_BINARY runs");
    let reference = String::from_utf8_lossy(&version.stderr).starts_with("Keepalived v2.2.7");
    if reference {
        skip(&format!("not for keepalived 2.2.7: {because}"));
    }
    reference
}

/// A pipe whose reader takes a second a line, as a slow serial console does.
pub(crate) fn slow_console() -> File {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    nix::fcntl::fcntl(&writer, nix::fcntl::FcntlArg::F_SETPIPE_SZ(4_096)).expect("a small pipe");
    std::thread::spawn(move || {
        use std::io::Read;
        let mut reader = reader;
        let mut octet = [0_u8];
        while reader.read(&mut octet).is_ok_and(|count| count == 1) {
            if octet == *b"\n" {
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    });
    File::from(std::os::fd::OwnedFd::from(writer))
}

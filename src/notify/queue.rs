//! The notify scripts of one instance or sync group: one at a time, each with a deadline. Of those that wait the ones of
//! a state that a newer one has overtaken are left out, so that the newest is told as soon as the one under way ends;
//! that of a stop never is left out.

use std::io;

use super::command::Command;
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::sys::process::{self, Pid};
use crate::sys::script::{Runner, Words};

/// Which script of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `notify_master`
    Master,
    /// `notify_backup`
    Backup,
    /// `notify_fault`
    Fault,
    /// `notify_stop`
    Stop,
    /// `notify_deleted`
    Deleted,
    /// `notify_master_rx_lower_pri`
    LowerPriority,
    /// `notify`, which is told the rest by arguments.
    Any,
}

/// The state that `notify` is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Standing {
    /// MASTER
    Master,
    /// BACKUP
    Backup,
    /// FAULT
    Fault,
    /// STOP
    Stop,
    /// DELETED
    Deleted,
}

impl Standing {
    /// Every one, in order.
    pub const ALL: [Self; 5] = [Self::Master, Self::Backup, Self::Fault, Self::Stop, Self::Deleted];

    /// The word as keepalived writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
        }
    }

    /// The script for this state alone.
    #[must_use]
    pub const fn kind(self) -> Kind {
        match self {
            Self::Master => Kind::Master,
            Self::Backup => Kind::Backup,
            Self::Fault => Kind::Fault,
            Self::Stop => Kind::Stop,
            Self::Deleted => Kind::Deleted,
        }
    }
}

/// Whom a script is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// `INSTANCE` or `GROUP`.
    pub word: &'static str,
    /// Its name.
    pub name: &'a str,
}

impl<'a> Subject<'a> {
    /// An instance.
    #[must_use]
    pub const fn instance(name: &'a str) -> Self {
        Self { word: "INSTANCE", name }
    }

    /// A sync group.
    #[must_use]
    pub const fn group(name: &'a str) -> Self {
        Self { word: "GROUP", name }
    }
}

/// A script to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    /// Which one.
    pub kind: Kind,
    /// The state to tell `notify`.
    pub standing: Standing,
    /// The priority to tell `notify`.
    pub priority: u8,
}

struct Running {
    pid: Pid,
    until: Instant,
    terminated: bool,
}

/// The scripts of one instance or sync group.
pub struct Notifier {
    commands: [Option<Command>; 7],
    queue: heapless::Deque<Job, { limit::NOTIFY_QUEUE }>,
    running: Option<Running>,
    /// Scripts left out that nobody has been told of.
    overtaken: u64,
}

/// From SIGTERM to SIGKILL.
const GRACE: Span = Span::from_secs(2);

impl Notifier {
    /// No scripts yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { commands: [const { None }; 7], queue: heapless::Deque::new(), running: None, overtaken: 0 }
    }

    /// Sets a script.
    pub fn set(&mut self, kind: Kind, command: Command) {
        if let Some(place) = self.commands.get_mut(kind as usize) {
            *place = Some(command);
        }
    }

    /// Whether there is a script of this kind.
    #[must_use]
    pub fn has(&self, kind: Kind) -> bool {
        self.command(kind).is_some()
    }

    /// The script of this kind.
    #[must_use]
    pub fn command(&self, kind: Kind) -> Option<&Command> {
        self.commands.get(kind as usize)?.as_ref()
    }

    /// Whether no script is configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.iter().all(Option::is_none)
    }

    /// Takes over what runs and waits from the notifier of before a reload.
    pub fn inherit(&mut self, mut before: Self) {
        self.running = before.running.take();
        self.queue = core::mem::take(&mut before.queue);
        self.overtaken = before.overtaken;
    }

    /// Queues the scripts of a new state: the one for it, then the one for any. What waits of the states before is
    /// left out.
    pub fn state(&mut self, standing: Standing, priority: u8) {
        self.leave_out(standing);
        self.push(Job { kind: standing.kind(), standing, priority });
        self.push(Job { kind: Kind::Any, standing, priority });
    }

    /// Queues the script for an advert of lower priority, unless it waits already.
    pub fn lower_priority(&mut self, priority: u8) {
        if self.queue.iter().any(|job| job.kind == Kind::LowerPriority) {
            return;
        }
        self.push(Job { kind: Kind::LowerPriority, standing: Standing::Master, priority });
    }

    /// Starts the next script if none runs. Its process, and what could not be started on the way.
    pub fn advance(
        &mut self,
        now: Instant,
        runner: &Runner,
        environment: &mut Words,
        subject: Subject<'_>,
        mut failed: impl FnMut(Kind, io::Error),
    ) -> Option<Pid> {
        if self.running.is_some() {
            return None;
        }
        while let Some(job) = self.queue.pop_front() {
            let Some(command) = self.commands.get_mut(job.kind as usize).and_then(Option::as_mut) else {
                continue;
            };
            match start(command, job, runner, environment, subject) {
                Ok(pid) => {
                    let until = now + limit::NOTIFY_DEADLINE;
                    self.running = Some(Running { pid, until, terminated: false });
                    return Some(pid);
                }
                Err(error) => failed(job.kind, error),
            }
        }
        None
    }

    /// A process has ended; whether it was ours.
    pub fn ended(&mut self, pid: Pid) -> bool {
        self.running.take_if(|running| running.pid == pid).is_some()
    }

    /// When the running script is to be killed.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        self.running.as_ref().map(|running| running.until)
    }

    /// Kills the running script if its time is over; its process if this is the first signal it gets.
    pub fn kill_overdue(&mut self, now: Instant) -> Option<Pid> {
        let running = self.running.as_mut().filter(|running| running.until <= now)?;
        running.until = now + GRACE;
        let signal = if running.terminated { libc::SIGKILL } else { libc::SIGTERM };
        process::kill_group(running.pid, signal);
        (!core::mem::replace(&mut running.terminated, true)).then_some(running.pid)
    }

    /// The daemon stops: what waits is forgotten, what runs is told to end, and killed if it does not.
    pub fn cut_short(&mut self, now: Instant) {
        self.queue.clear();
        if let Some(running) = &mut self.running {
            process::kill_group(running.pid, libc::SIGTERM);
            running.terminated = true;
            running.until = now + GRACE;
        }
    }

    /// Whether a script waits and none runs.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.running.is_none() && !self.queue.is_empty()
    }

    /// Whether a script runs or waits.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.running.is_some() || !self.queue.is_empty()
    }

    /// Scripts that were left out since this was taken last.
    #[must_use]
    pub const fn overtaken(&self) -> u64 {
        self.overtaken
    }

    /// The same, and begins to count anew.
    pub const fn take_overtaken(&mut self) -> u64 {
        core::mem::replace(&mut self.overtaken, 0)
    }

    /// Forgets what waits, but for the scripts of a stop that is not followed by another one.
    fn leave_out(&mut self, newer: Standing) {
        for _ in 0..self.queue.len() {
            match self.queue.pop_front() {
                Some(job) if job.standing == Standing::Stop && newer != Standing::Stop => {
                    let _ = self.queue.push_back(job);
                }
                Some(_) => self.overtaken += 1,
                None => {}
            }
        }
    }

    fn push(&mut self, job: Job) {
        if self.has(job.kind) && self.queue.push_back(job).is_err() {
            self.overtaken += 1;
        }
    }
}

impl Default for Notifier {
    fn default() -> Self {
        Self::new()
    }
}

fn start(
    command: &mut Command,
    job: Job,
    runner: &Runner,
    environment: &mut Words,
    Subject { word, name }: Subject<'_>,
) -> io::Result<Pid> {
    command.words.truncate(command.fixed);
    if job.kind == Kind::Any {
        let appended = command
            .words
            .push(word.as_bytes())
            .and_then(|()| command.words.push(name.as_bytes()))
            .and_then(|()| command.words.push(job.standing.word().as_bytes()))
            .and_then(|()| command.words.push_fmt(format_args!("{}", job.priority)));
        appended.map_err(|_| io::Error::from(io::ErrorKind::ArgumentListTooLong))?;
    }
    runner.start(&mut command.words, environment, &command.terms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::script::Terms;

    const VI_1: Subject<'static> = Subject::instance("VI 1");

    fn command(line: &str) -> Command {
        let mut words = Words::with_capacity(8, 512);
        for word in [b"/bin/sh".as_slice(), b"-c", line.as_bytes(), b"sh"] {
            words.push(word).unwrap();
        }
        Command {
            words,
            fixed: 4,
            terms: Terms::default(),
            insecure: None,
            by_shell: false,
            keeps_groups: false,
        }
    }

    fn wait(pid: Pid) {
        let pid = nix::unistd::Pid::from_raw(pid.number());
        nix::sys::wait::waitpid(pid, None).unwrap();
    }

    /// Runs what waits to its end, and says what was told: each script adds its line to a file.
    fn told(
        name: &str,
        tell: impl FnOnce(&mut Notifier, &mut dyn FnMut(&mut Notifier) -> Option<Pid>),
    ) -> String {
        let file = std::env::temp_dir().join(format!("notify-{name}-{}", std::process::id()));
        let line = |what: &str| command(&format!("echo {what} >> {}", file.display()));
        let mut notifier = Notifier::new();
        for (kind, what) in [(Kind::Master, "master"), (Kind::Backup, "backup"), (Kind::Stop, "stop")] {
            notifier.set(kind, line(what));
        }
        notifier.set(Kind::LowerPriority, line("lower"));
        notifier.set(Kind::Any, line("\"$@\""));
        let (runner, mut environment) = (Runner::new().unwrap(), Words::with_capacity(1, 1));
        let mut advance = |notifier: &mut Notifier| {
            notifier.advance(Instant::START, &runner, &mut environment, VI_1, |_, _| unreachable!())
        };
        tell(&mut notifier, &mut advance);
        while let Some(pid) =
            notifier.running.as_ref().map(|running| running.pid).or_else(|| advance(&mut notifier))
        {
            assert!(advance(&mut notifier).is_none(), "one at a time");
            wait(pid);
            assert!(notifier.ended(pid) && !notifier.ended(pid));
        }
        let told = std::fs::read_to_string(&file).unwrap_or_default();
        let _ = std::fs::remove_file(&file);
        told.replace("INSTANCE VI 1 ", "")
    }

    #[test]
    fn runs_one_at_a_time_in_order_with_its_arguments() {
        let told = told("order", |notifier, _| notifier.state(Standing::Master, 150));
        assert_eq!(told, "master\nMASTER 150\n");
    }

    #[test]
    fn what_a_newer_state_has_overtaken_is_left_out() {
        let told = told("overtaken", |notifier, advance| {
            notifier.state(Standing::Backup, 100);
            advance(notifier).unwrap();
            for _ in 0..100 {
                notifier.state(Standing::Master, 150);
                notifier.lower_priority(150);
                notifier.lower_priority(150);
                notifier.state(Standing::Backup, 100);
            }
            notifier.state(Standing::Master, 150);
            notifier.lower_priority(150);
            // The script for any of the first BACKUP; five of each round; the last BACKUP's are among them.
            assert_eq!(notifier.overtaken(), 1 + 100 * 5);
            assert_eq!((notifier.take_overtaken(), notifier.overtaken()), (501, 0));
        });
        assert_eq!(
            told, "backup\nmaster\nMASTER 150\nlower\n",
            "what runs is not disturbed, the newest is next"
        );
    }

    #[test]
    fn a_stop_is_never_left_out() {
        let told = told("stop", |notifier, advance| {
            notifier.state(Standing::Backup, 100);
            advance(notifier).unwrap();
            for _ in 0..3 {
                notifier.state(Standing::Stop, 100);
                notifier.state(Standing::Backup, 100);
                notifier.state(Standing::Master, 150);
            }
        });
        assert_eq!(told, "backup\nstop\nSTOP 100\nmaster\nMASTER 150\n");
    }

    #[test]
    fn what_waits_when_the_daemon_stops_does_not_run() {
        let told = told("cut", |notifier, advance| {
            notifier.set(Kind::Fault, command("sleep 60"));
            notifier.state(Standing::Fault, 100);
            advance(notifier).unwrap();
            notifier.state(Standing::Master, 150);
            notifier.lower_priority(150);
            notifier.cut_short(Instant::START);
            notifier.state(Standing::Stop, 100);
        });
        assert_eq!(told, "stop\nSTOP 100\n");
    }

    #[test]
    fn an_overdue_script_is_killed_with_its_group() {
        let mut notifier = Notifier::new();
        notifier.set(Kind::Master, command("trap '' TERM; sleep 60 & wait; sleep 60"));
        notifier.state(Standing::Master, 1);
        let (runner, mut environment) = (Runner::new().unwrap(), Words::with_capacity(1, 1));
        let pid = notifier.advance(Instant::START, &runner, &mut environment, VI_1, |_, _| ()).unwrap();
        let due = notifier.poll_at().unwrap();
        assert_eq!(notifier.kill_overdue(Instant::START), None);
        assert_eq!(notifier.kill_overdue(due), Some(pid));
        assert_eq!(notifier.kill_overdue(due), None);
        assert_eq!(notifier.kill_overdue(due + GRACE), None);
        wait(pid);
        assert!(notifier.ended(pid));
    }

    #[test]
    fn a_script_that_is_cut_short_and_does_not_care_is_killed() {
        let mut notifier = Notifier::new();
        notifier.set(Kind::Master, command("trap '' TERM; while :; do sleep 1; done"));
        notifier.set(Kind::Stop, command("true"));
        notifier.state(Standing::Master, 1);
        let (runner, mut environment) = (Runner::new().unwrap(), Words::with_capacity(1, 1));
        let now = Instant::START + Span::from_secs(9);
        let pid = notifier.advance(now, &runner, &mut environment, VI_1, |_, _| ()).unwrap();
        notifier.cut_short(now);
        notifier.state(Standing::Stop, 1);
        assert_eq!(notifier.poll_at(), Some(now + GRACE));
        assert_eq!(notifier.kill_overdue(now + GRACE), None, "it was told to end before");
        wait(pid);
        assert!(notifier.ended(pid) && notifier.is_busy());
    }
}

//! The notify scripts of one instance or sync group: in order, one at a time, each with a deadline.

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
    dropped: u64,
}

/// From SIGTERM to SIGKILL.
const GRACE: Span = Span::from_secs(2);

impl Notifier {
    /// No scripts yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { commands: [const { None }; 7], queue: heapless::Deque::new(), running: None, dropped: 0 }
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
        self.dropped = before.dropped;
    }

    /// Queues the scripts of a new state: the one for it, then the one for any.
    pub fn state(&mut self, standing: Standing, priority: u8) {
        self.push(Job { kind: standing.kind(), standing, priority });
        self.push(Job { kind: Kind::Any, standing, priority });
    }

    /// Queues the script for an advert of lower priority.
    pub fn lower_priority(&mut self, priority: u8) {
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
        let ours = self.running.as_ref().is_some_and(|running| running.pid == pid);
        if ours {
            self.running = None;
        }
        ours
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

    /// Scripts that were left out because too many waited, since this was asked last.
    pub fn take_dropped(&mut self) -> u64 {
        core::mem::take(&mut self.dropped)
    }

    fn push(&mut self, job: Job) {
        if !self.has(job.kind) {
            return;
        }
        if self.queue.is_full() {
            // The oldest tells of a state that has long been left.
            self.queue.pop_front();
            self.dropped += 1;
        }
        let _ = self.queue.push_back(job);
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
        Command { words, fixed: 4, terms: Terms::default(), insecure: None }
    }

    fn wait(pid: Pid) {
        let pid = nix::unistd::Pid::from_raw(pid.number());
        nix::sys::wait::waitpid(pid, None).unwrap();
    }

    #[test]
    fn runs_one_at_a_time_in_order_with_its_arguments() {
        let file = std::env::temp_dir().join(format!("notify-{}", std::process::id()));
        let mut notifier = Notifier::new();
        notifier.set(Kind::Master, command(&format!("sleep 0.1; echo first >> {}", file.display())));
        notifier.set(Kind::Any, command(&format!("echo \"$@\" >> {}", file.display())));
        notifier.state(Standing::Master, 150);
        notifier.state(Standing::Backup, 100);
        let (runner, mut environment) = (Runner::new().unwrap(), Words::with_capacity(1, 1));
        let mut started = 0;
        while let Some(pid) =
            notifier.advance(Instant::START, &runner, &mut environment, VI_1, |_, _| unreachable!())
        {
            assert!(notifier.advance(Instant::START, &runner, &mut environment, VI_1, |_, _| ()).is_none());
            wait(pid);
            assert!(notifier.ended(pid) && !notifier.ended(pid));
            started += 1;
        }
        assert_eq!(started, 3, "there is no notify_backup");
        let told = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        assert_eq!(told, "first\nINSTANCE VI 1 MASTER 150\nINSTANCE VI 1 BACKUP 100\n");
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

    #[test]
    fn a_full_queue_forgets_the_oldest_and_says_so() {
        let mut notifier = Notifier::new();
        notifier.set(Kind::Any, command("true"));
        for _ in 0..limit::NOTIFY_QUEUE + 3 {
            notifier.state(Standing::Master, 1);
        }
        assert_eq!(notifier.take_dropped(), 3);
        assert_eq!(notifier.take_dropped(), 0);
        assert!(notifier.is_busy());
    }
}

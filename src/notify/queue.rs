//! The notify scripts of one object of a child (an instance, a sync group, a real server): one runs at a time, each with
//! a deadline. A job that waits and that a newer state has overtaken is left out, so that the newest state is reported as
//! soon as the script under way ends. Which jobs are never overtaken (the script of a stop), the child says.

use std::io;

use super::command::Command;
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::sys::process::{self, Pid};
use crate::sys::script::{Refused, Words};

/// What a notify script is run for, in the words of one child.
pub trait Job: Copy {
    /// Which script of the object runs, as its place among those of [`Notifier`].
    fn script(self) -> usize;

    /// Whether the job still counts when the object has entered the state of a newer job.
    fn outlasts(self, newer: Self) -> bool;

    /// Whether the job is needless because the last job that was started is this one. By default none is.
    #[must_use]
    fn repeats(self, _last: Self) -> bool {
        false
    }

    /// Appends to the words of the script what the configuration promises it.
    ///
    /// # Errors
    /// [`Refused`] if the words do not fit.
    fn append(self, subject: Subject<'_>, words: &mut Words) -> Result<(), Refused>;
}

/// The object that a script is notified of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// What kind of object it is, as scripts and FIFOs call it: `INSTANCE`, `GROUP`.
    pub word: &'static str,
    /// Its name.
    pub name: &'a str,
}

struct Running {
    pid: Pid,
    until: Instant,
    terminated: bool,
}

/// The scripts of one object, which has `SCRIPTS` of them at most.
pub struct Notifier<J, const SCRIPTS: usize> {
    commands: [Option<Command>; SCRIPTS],
    queue: heapless::Deque<J, { limit::NOTIFY_QUEUE }>,
    running: Option<Running>,
    /// The last job that was started.
    last: Option<J>,
    /// Scripts that were left out since the log named some last.
    overtaken: u64,
}

/// From SIGTERM to SIGKILL.
const GRACE: Span = Span::from_secs(2);

impl<J: Job, const SCRIPTS: usize> Notifier<J, SCRIPTS> {
    /// No scripts yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            commands: [const { None }; SCRIPTS],
            queue: heapless::Deque::new(),
            running: None,
            last: None,
            overtaken: 0,
        }
    }

    /// Sets a script.
    pub fn set(&mut self, script: usize, command: Command) {
        if let Some(place) = self.commands.get_mut(script) {
            *place = Some(command);
        }
    }

    /// The script at a place.
    #[must_use]
    pub fn command(&self, script: usize) -> Option<&Command> {
        self.commands.get(script)?.as_ref()
    }

    /// Whether no script is configured.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.commands.iter().all(Option::is_none)
    }

    /// Takes over the script that runs and the jobs that wait from the notifier of before a reload.
    pub fn inherit(&mut self, mut before: Self) {
        self.running = before.running.take();
        self.last = before.last;
        self.queue = core::mem::take(&mut before.queue);
        self.overtaken = before.overtaken;
    }

    /// The object has entered the state of these jobs, which are run in order. The jobs that wait and do not outlast
    /// that state are left out.
    pub fn enter<const JOBS: usize>(&mut self, jobs: [J; JOBS]) {
        if let Some(newest) = jobs.first() {
            self.leave_out(*newest);
        }
        jobs.into_iter().for_each(|job| self.push(job));
    }

    /// Queues a job that follows from no state, unless a job for the same script waits already.
    pub fn push_once(&mut self, job: J) {
        if !self.queue.iter().any(|waiting| waiting.script() == job.script()) {
            self.push(job);
        }
    }

    /// Starts the next script if none runs. `start` starts a command; `failed` is given the error of each command that
    /// could not be started on the way. Whether a script was started.
    pub fn advance(
        &mut self,
        now: Instant,
        subject: Subject<'_>,
        start: &mut dyn FnMut(&mut Command) -> io::Result<Pid>,
        failed: &mut dyn FnMut(&io::Error),
    ) -> bool {
        if self.running.is_some() {
            return false;
        }
        while let Some(job) = self.queue.pop_front() {
            let Some(command) = self.commands.get_mut(job.script()).and_then(Option::as_mut) else {
                continue;
            };
            if self.last.is_some_and(|last| job.repeats(last)) {
                self.overtaken += 1;
                continue;
            }
            command.words.truncate(command.fixed);
            let appended = job.append(subject, &mut command.words);
            let appended = appended.map_err(|Refused| io::Error::from(io::ErrorKind::ArgumentListTooLong));
            match appended.and_then(|()| start(command)) {
                Ok(pid) => {
                    let until = now + limit::NOTIFY_DEADLINE;
                    self.running = Some(Running { pid, until, terminated: false });
                    self.last = Some(job);
                    return true;
                }
                Err(error) => failed(&error),
            }
        }
        false
    }

    /// A process has ended; whether it was the script of this object.
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

    /// Forgets the jobs that wait, but for those that outlast the newest state.
    fn leave_out(&mut self, newest: J) {
        for _ in 0..self.queue.len() {
            match self.queue.pop_front() {
                Some(job) if job.outlasts(newest) => {
                    let _ = self.queue.push_back(job);
                }
                Some(_) => self.overtaken += 1,
                None => {}
            }
        }
    }

    fn push(&mut self, job: J) {
        if self.command(job.script()).is_some() && self.queue.push_back(job).is_err() {
            self.overtaken += 1;
        }
    }
}

impl<J: Job, const SCRIPTS: usize> Default for Notifier<J, SCRIPTS> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::script::{Runner, Terms};

    const VI_1: Subject<'static> = Subject { word: "INSTANCE", name: "VI 1" };
    const ANY: usize = 4;
    const LOWER: usize = 5;

    /// A state with a script of its own each, and one script that is notified of every state.
    #[derive(Clone, Copy, Debug, PartialEq)]
    enum State {
        Master,
        Backup,
        Fault,
        Stop,
    }

    #[derive(Clone, Copy)]
    struct Change {
        script: usize,
        state: State,
        priority: u8,
    }

    impl Job for Change {
        fn script(self) -> usize {
            self.script
        }

        fn outlasts(self, newer: Self) -> bool {
            self.state == State::Stop && newer.state != State::Stop
        }

        fn append(self, subject: Subject<'_>, words: &mut Words) -> Result<(), Refused> {
            if self.script != ANY {
                return Ok(());
            }
            words.push(subject.word.as_bytes())?;
            words.push(subject.name.as_bytes())?;
            words.push_fmt(format_args!("{:?}", self.state))?;
            words.push_fmt(format_args!("{}", self.priority))
        }
    }

    type Notifier = super::Notifier<Change, 6>;

    impl Notifier {
        fn state(&mut self, state: State, priority: u8) {
            self.enter([state as usize, ANY].map(|script| Change { script, state, priority }));
        }

        fn lower_priority(&mut self, priority: u8) {
            self.push_once(Change { script: LOWER, state: State::Master, priority });
        }

        fn start(&mut self, now: Instant) -> Option<Pid> {
            let (runner, mut environment) = (Runner::new().unwrap(), Words::with_capacity(1, 1));
            let mut start =
                |command: &mut Command| runner.start(&mut command.words, &mut environment, &command.terms);
            let started = self.advance(now, VI_1, &mut start, &mut |error| panic!("{error}"));
            self.running.as_ref().filter(|_| started).map(|running| running.pid)
        }
    }

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
        for (state, what) in [(State::Master, "master"), (State::Backup, "backup"), (State::Stop, "stop")] {
            notifier.set(state as usize, line(what));
        }
        notifier.set(LOWER, line("lower"));
        notifier.set(ANY, line("\"$@\""));
        let mut advance = |notifier: &mut Notifier| notifier.start(Instant::START);
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
        let told = told("order", |notifier, _| notifier.state(State::Master, 150));
        assert_eq!(told, "master\nMaster 150\n");
    }

    #[test]
    fn what_a_newer_state_has_overtaken_is_left_out() {
        let told = told("overtaken", |notifier, advance| {
            notifier.state(State::Backup, 100);
            advance(notifier).unwrap();
            for _ in 0..100 {
                notifier.state(State::Master, 150);
                notifier.lower_priority(150);
                notifier.lower_priority(150);
                notifier.state(State::Backup, 100);
            }
            notifier.state(State::Master, 150);
            notifier.lower_priority(150);
            // The script for any of the first BACKUP; five of each round; the last BACKUP's are among them.
            assert_eq!(notifier.overtaken(), 1 + 100 * 5);
            assert_eq!((notifier.take_overtaken(), notifier.overtaken()), (501, 0));
        });
        assert_eq!(
            told, "backup\nmaster\nMaster 150\nlower\n",
            "what runs is not disturbed, the newest is next"
        );
    }

    #[test]
    fn a_stop_is_never_left_out() {
        let told = told("stop", |notifier, advance| {
            notifier.state(State::Backup, 100);
            advance(notifier).unwrap();
            for _ in 0..3 {
                notifier.state(State::Stop, 100);
                notifier.state(State::Backup, 100);
                notifier.state(State::Master, 150);
            }
        });
        assert_eq!(told, "backup\nstop\nStop 100\nmaster\nMaster 150\n");
    }

    #[test]
    fn what_waits_when_the_daemon_stops_does_not_run() {
        let told = told("cut", |notifier, advance| {
            notifier.set(State::Fault as usize, command("sleep 60"));
            notifier.state(State::Fault, 100);
            advance(notifier).unwrap();
            notifier.state(State::Master, 150);
            notifier.lower_priority(150);
            notifier.cut_short(Instant::START);
            notifier.state(State::Stop, 100);
        });
        assert_eq!(told, "stop\nStop 100\n");
    }

    #[test]
    fn a_reload_loses_neither_the_script_that_runs_nor_those_that_wait() {
        let told = told("reload", |notifier, advance| {
            notifier.state(State::Backup, 100);
            let pid = advance(notifier).unwrap();
            notifier.state(State::Master, 150);
            let mut after = Notifier::new();
            for script in [State::Master as usize, State::Backup as usize, ANY] {
                let command = notifier.commands[script].take().unwrap();
                after.set(script, command);
            }
            after.inherit(core::mem::take(notifier));
            assert_eq!(after.overtaken(), 1, "and what was left out is still to be told");
            assert_eq!(after.poll_at(), Some(Instant::START + limit::NOTIFY_DEADLINE));
            assert_eq!(advance(&mut after), None, "one at a time");
            assert_eq!(after.running.as_ref().map(|running| running.pid), Some(pid));
            *notifier = after;
        });
        assert_eq!(told, "backup\nmaster\nMaster 150\n");
    }

    #[test]
    fn an_object_waits_for_room_only_if_a_script_waits_and_none_runs() {
        let mut notifier = Notifier::new();
        assert!(notifier.is_empty() && !notifier.is_waiting() && !notifier.is_busy());
        notifier.state(State::Master, 1);
        assert!(!notifier.is_waiting(), "there is no script for that state");
        notifier.set(State::Master as usize, command("true"));
        assert!(!notifier.is_empty() && notifier.command(State::Master as usize).is_some());
        notifier.state(State::Master, 1);
        assert!(notifier.is_waiting() && notifier.is_busy());
        let pid = notifier.start(Instant::START).unwrap();
        assert!(!notifier.is_waiting() && notifier.is_busy(), "one runs");
        notifier.state(State::Master, 1);
        assert!(!notifier.is_waiting(), "the next one follows it without being asked");
        wait(pid);
        assert!(notifier.ended(pid) && notifier.is_waiting());
        notifier.cut_short(Instant::START);
        assert!(!notifier.is_waiting() && !notifier.is_busy());
    }

    #[test]
    fn a_script_that_cannot_be_started_does_not_keep_the_next_one() {
        let mut notifier = Notifier::new();
        notifier.set(State::Master as usize, command("false"));
        notifier.set(ANY, command("true"));
        notifier.state(State::Master, 1);
        let (runner, mut environment) = (Runner::new().unwrap(), Words::with_capacity(1, 1));
        let (mut refused, mut errors) = (true, Vec::new());
        let started = notifier.advance(
            Instant::START,
            VI_1,
            &mut |command| {
                if core::mem::take(&mut refused) {
                    return Err(io::ErrorKind::QuotaExceeded.into());
                }
                runner.start(&mut command.words, &mut environment, &command.terms)
            },
            &mut |error| errors.push(error.kind()),
        );
        assert!(started);
        assert_eq!(errors, [io::ErrorKind::QuotaExceeded]);
        wait(notifier.running.as_ref().unwrap().pid);
    }

    #[test]
    fn an_overdue_script_is_killed_with_its_group() {
        let mut notifier = Notifier::new();
        notifier.set(State::Master as usize, command("trap '' TERM; sleep 60 & wait; sleep 60"));
        notifier.state(State::Master, 1);
        let pid = notifier.start(Instant::START).unwrap();
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
        notifier.set(State::Master as usize, command("trap '' TERM; while :; do sleep 1; done"));
        notifier.set(State::Stop as usize, command("true"));
        notifier.state(State::Master, 1);
        let now = Instant::START + Span::from_secs(9);
        let pid = notifier.start(now).unwrap();
        notifier.cut_short(now);
        notifier.state(State::Stop, 1);
        assert_eq!(notifier.poll_at(), Some(now + GRACE));
        assert_eq!(notifier.kill_overdue(now + GRACE), None, "it was told to end before");
        wait(pid);
        assert!(notifier.ended(pid) && notifier.is_busy());
    }

    /// A state of which nobody is told twice in a row.
    #[derive(Clone, Copy, PartialEq)]
    struct Turn(bool);

    impl Job for Turn {
        fn script(self) -> usize {
            usize::from(self.0)
        }

        fn outlasts(self, _: Self) -> bool {
            false
        }

        fn repeats(self, last: Self) -> bool {
            self == last
        }

        fn append(self, _: Subject<'_>, _: &mut Words) -> Result<(), Refused> {
            Ok(())
        }
    }

    #[test]
    fn scripts_that_take_turns_are_not_told_the_same_twice() {
        let mut notifier = super::Notifier::<Turn, 2>::new();
        notifier.set(0, command("exit 0"));
        notifier.set(1, command("exit 0"));
        let mut told = Vec::new();
        let mut enter = |notifier: &mut super::Notifier<Turn, 2>, up| {
            notifier.enter([Turn(up)]);
            let runner = Runner::new().unwrap();
            let mut environment = Words::with_capacity(1, 1);
            let mut start =
                |command: &mut Command| runner.start(&mut command.words, &mut environment, &command.terms);
            if notifier.advance(Instant::START, VI_1, &mut start, &mut |error| panic!("{error}")) {
                told.push(up);
            }
        };
        enter(&mut notifier, false);
        // Overtaken while the script runs: up is left out, and down has been told.
        enter(&mut notifier, true);
        enter(&mut notifier, false);
        let pid = notifier.running.as_ref().unwrap().pid;
        wait(pid);
        assert!(notifier.ended(pid));
        enter(&mut notifier, false);
        enter(&mut notifier, true);
        assert_eq!(told, [false, true]);
        wait(notifier.running.as_ref().unwrap().pid);
    }
}

//! A `vrrp_script`: when it runs, when it is killed, and from exit codes to up or down by rise and fall.
//!
//! ```text
//!            due: Run                 deadline: Terminate          2 s later: Kill
//!   idle ---------------> running ------------------> terminating ----------------> terminating
//!     ^                      |                             |
//!     +----- ended ----------+----------- ended -----------+   (a failure, whatever the exit code)
//! ```

use super::weight::{Verdict, Weight};
use crate::base::time::{Instant, Span};

/// How a script is run and judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ScriptParams {
    /// From one start to the next.
    pub interval: Span,
    /// Run time after which the script is killed and counts as failed. None: the interval.
    pub timeout: Option<Span>,
    /// Failures in a row before it counts as down; 1 or more.
    pub fall: u32,
    /// Successes in a row before it counts as up; 1 or more.
    pub rise: u32,
    /// What the result does to an instance that names no weight of its own.
    pub weight: Weight,
    /// Counts as failed until the first result.
    pub init_fail: bool,
}

impl Default for ScriptParams {
    fn default() -> Self {
        Self {
            interval: Span::from_secs(1),
            timeout: None,
            fall: 1,
            rise: 1,
            weight: Weight::default(),
            init_fail: false,
        }
    }
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// By itself, with this exit code.
    Exited(u8),
    /// By a signal.
    Signalled(u8),
    /// It could not be started.
    NotStarted,
}

/// What can happen to a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptInput {
    /// The time that `poll_at` named may have come.
    Timeout,
    /// The run under way ended.
    Ended(Ending),
}

/// What is to be done or told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptAction {
    /// Start the command.
    Run,
    /// SIGTERM to its process group.
    Terminate,
    /// SIGKILL to its process group.
    Kill,
    /// The exit code is another one than last time.
    NowReturning(u8),
    /// A run is due while the last one has not ended. `terminating`: it is being killed.
    StillRunning {
        /// Whether it has been sent SIGTERM.
        terminating: bool,
    },
    /// The verdict is another one than before, by this ending; `timed_out`: it had to be killed.
    Changed {
        /// The new verdict.
        up: bool,
        /// The ending that decided.
        ending: Ending,
        /// Whether it was killed at its deadline.
        timed_out: bool,
    },
}

/// The longest list of actions of one input.
pub type ScriptActions = heapless::Vec<ScriptAction, 4>;

/// From SIGTERM to SIGKILL.
const GRACE: Span = Span::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Idle,
    Running { until: Instant },
    Terminating { until: Option<Instant> },
}

/// What is known of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptMemory {
    /// What it says.
    pub verdict: Verdict,
    /// Results in a row against that.
    pub streak: u32,
    /// How it ended last, if it did by itself.
    pub last_code: Option<u8>,
    /// When it is due.
    pub next_run: Instant,
}

/// One script.
#[derive(Clone, Debug)]
pub struct Script {
    params: ScriptParams,
    verdict: Verdict,
    /// Results in a row against the verdict.
    streak: u32,
    phase: Phase,
    next_run: Instant,
    last_code: Option<u8>,
}

impl Script {
    /// A script that is due at once.
    #[must_use]
    pub const fn new(now: Instant, params: ScriptParams) -> Self {
        let verdict = if params.init_fail { Verdict::Down } else { Verdict::Unknown };
        Self { params, verdict, streak: 0, phase: Phase::Idle, next_run: now, last_code: None }
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: ScriptInput, out: &mut ScriptActions) {
        match (self.phase, input) {
            (Phase::Idle, ScriptInput::Timeout) => self.run_if_due(now, out),
            (Phase::Running { until }, ScriptInput::Timeout) if until <= now => {
                self.phase = Phase::Terminating { until: Some(now + GRACE) };
                push(out, ScriptAction::Terminate);
                self.skip_if_due(now, true, out);
            }
            (Phase::Terminating { until: Some(until) }, ScriptInput::Timeout) if until <= now => {
                self.phase = Phase::Terminating { until: None };
                push(out, ScriptAction::Kill);
                self.skip_if_due(now, true, out);
            }
            (Phase::Running { .. }, ScriptInput::Timeout) => self.skip_if_due(now, false, out),
            (Phase::Terminating { .. }, ScriptInput::Timeout) => self.skip_if_due(now, true, out),
            (Phase::Running { .. }, ScriptInput::Ended(ending)) => self.judge(ending, false, out),
            (Phase::Terminating { .. }, ScriptInput::Ended(ending)) => self.judge(ending, true, out),
            (Phase::Idle, ScriptInput::Ended(_)) => {}
        }
    }

    /// When [`ScriptInput::Timeout`] is wanted.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        match self.phase {
            Phase::Idle | Phase::Terminating { until: None } => Some(self.next_run),
            Phase::Running { until } | Phase::Terminating { until: Some(until) } => {
                Some(until.min(self.next_run))
            }
        }
    }

    /// New parameters after a reload: verdict and run under way are kept.
    pub fn reconfigure(&mut self, now: Instant, params: ScriptParams) {
        if params.interval != self.params.interval {
            self.next_run = self.next_run.min(now + params.interval);
        }
        self.params = params;
    }

    /// Goes on with what another command said, until its own first result.
    pub const fn inherit(&mut self, before: &Self) {
        self.verdict = before.verdict;
        self.last_code = before.last_code;
    }

    /// What a successor of this process goes on with.
    #[must_use]
    pub const fn memory(&self) -> ScriptMemory {
        let Self { verdict, streak, last_code, next_run, .. } = *self;
        ScriptMemory { verdict, streak, last_code, next_run }
    }

    /// Goes on where a predecessor was. A run that it had under way said nothing.
    pub fn resume(&mut self, now: Instant, memory: ScriptMemory) {
        let ScriptMemory { verdict, streak, last_code, next_run } = memory;
        self.verdict = verdict;
        self.streak = streak;
        self.last_code = last_code;
        let unknown = verdict == Verdict::Unknown;
        self.next_run = if unknown { now } else { next_run.clamp(now, now + self.params.interval) };
    }

    /// What the script says.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The parameters in force.
    #[must_use]
    pub const fn params(&self) -> &ScriptParams {
        &self.params
    }

    /// Results in a row against the verdict.
    #[must_use]
    pub const fn streak(&self) -> u32 {
        self.streak
    }

    /// The last exit code, if there was one.
    #[must_use]
    pub const fn last_code(&self) -> Option<u8> {
        self.last_code
    }

    fn run_if_due(&mut self, now: Instant, out: &mut ScriptActions) {
        if now < self.next_run {
            return;
        }
        let timeout = self.params.timeout.unwrap_or(self.params.interval);
        self.phase = Phase::Running { until: now + timeout };
        self.schedule(now);
        push(out, ScriptAction::Run);
    }

    fn skip_if_due(&mut self, now: Instant, terminating: bool, out: &mut ScriptActions) {
        if self.next_run <= now {
            self.schedule(now);
            push(out, ScriptAction::StillRunning { terminating });
        }
    }

    /// From start to start, without drift; after a pause there is nothing to catch up.
    fn schedule(&mut self, now: Instant) {
        let next = self.next_run + self.params.interval;
        self.next_run = if next <= now { now + self.params.interval } else { next };
    }

    fn judge(&mut self, ending: Ending, timed_out: bool, out: &mut ScriptActions) {
        self.phase = Phase::Idle;
        let code = match ending {
            Ending::Exited(code) => Some(code),
            Ending::Signalled(_) | Ending::NotStarted => None,
        };
        if let Some(code) = code.filter(|_| !timed_out) {
            if self.last_code.is_some_and(|last| last != code) || (self.last_code.is_none() && code != 0) {
                push(out, ScriptAction::NowReturning(code));
            }
            self.last_code = Some(code);
        }
        let up = code == Some(0) && !timed_out;
        let against = match self.verdict {
            // The first result decides at once.
            Verdict::Unknown => true,
            Verdict::Up if !up => self.counts_against(self.params.fall),
            Verdict::Down if up => self.counts_against(self.params.rise),
            Verdict::Up | Verdict::Down => {
                self.streak = 0;
                false
            }
        };
        if against {
            self.streak = 0;
            self.verdict = if up { Verdict::Up } else { Verdict::Down };
            push(out, ScriptAction::Changed { up, ending, timed_out });
        }
    }

    fn counts_against(&mut self, limit: u32) -> bool {
        self.streak = self.streak.saturating_add(1);
        self.streak >= limit
    }
}

/// No input leads to more than two actions.
fn push(out: &mut ScriptActions, action: ScriptAction) {
    let full = out.push(action).is_err();
    debug_assert!(!full, "ScriptActions is too small");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::START + Span::from_millis(millis)
    }

    fn step(script: &mut Script, now: u64, input: ScriptInput) -> Vec<ScriptAction> {
        let mut out = ScriptActions::new();
        script.handle(at(now), input, &mut out);
        out.to_vec()
    }

    fn run(script: &mut Script, now: u64, code: u8) -> Vec<ScriptAction> {
        assert_eq!(step(script, now, ScriptInput::Timeout), [ScriptAction::Run]);
        step(script, now + 10, ScriptInput::Ended(Ending::Exited(code)))
    }

    fn changed(up: bool, code: u8) -> ScriptAction {
        ScriptAction::Changed { up, ending: Ending::Exited(code), timed_out: false }
    }

    #[test]
    fn runs_from_start_to_start_without_drift() {
        let mut script = Script::new(at(0), ScriptParams::default());
        assert_eq!(run(&mut script, 3, 0), [changed(true, 0)]);
        assert_eq!(script.poll_at(), Some(at(1_000)));
        assert_eq!(step(&mut script, 999, ScriptInput::Timeout), []);
        assert_eq!(run(&mut script, 1_007, 0), []);
        assert_eq!(script.poll_at(), Some(at(2_000)));
        assert_eq!(run(&mut script, 9_100, 0), []);
        assert_eq!(script.poll_at(), Some(at(10_100)));
    }

    #[test]
    fn fall_and_rise_count_results_in_a_row() {
        let mut script = Script::new(at(0), ScriptParams { fall: 2, rise: 3, ..ScriptParams::default() });
        run(&mut script, 0, 0);
        assert_eq!(run(&mut script, 1_000, 1), [ScriptAction::NowReturning(1)]);
        assert_eq!(run(&mut script, 2_000, 0), [ScriptAction::NowReturning(0)]);
        run(&mut script, 3_000, 1);
        assert_eq!(run(&mut script, 4_000, 1), [changed(false, 1)]);
        assert_eq!(run(&mut script, 5_000, 0), [ScriptAction::NowReturning(0)]);
        assert_eq!(run(&mut script, 6_000, 0), []);
        assert_eq!(run(&mut script, 7_000, 0), [changed(true, 0)]);
    }

    #[test]
    fn the_first_result_decides_at_once() {
        let slow = ScriptParams { fall: 5, rise: 5, ..ScriptParams::default() };
        let mut failing = Script::new(at(0), slow.clone());
        assert_eq!(run(&mut failing, 0, 3), [ScriptAction::NowReturning(3), changed(false, 3)]);
        let mut doubtful = Script::new(at(0), ScriptParams { init_fail: true, ..slow });
        assert_eq!(doubtful.verdict(), Verdict::Down);
        assert_eq!(run(&mut doubtful, 0, 0), [], "init_fail asks for rise successes");
    }

    #[test]
    fn a_run_past_its_timeout_is_terminated_then_killed_and_has_failed() {
        let params = ScriptParams { timeout: Some(Span::from_millis(500)), ..ScriptParams::default() };
        let mut script = Script::new(at(0), params);
        assert_eq!(step(&mut script, 0, ScriptInput::Timeout), [ScriptAction::Run]);
        assert_eq!(script.poll_at(), Some(at(500)));
        assert_eq!(step(&mut script, 500, ScriptInput::Timeout), [ScriptAction::Terminate]);
        assert_eq!(
            step(&mut script, 1_000, ScriptInput::Timeout),
            [ScriptAction::StillRunning { terminating: true }]
        );
        step(&mut script, 2_000, ScriptInput::Timeout);
        assert_eq!(step(&mut script, 2_500, ScriptInput::Timeout), [ScriptAction::Kill]);
        let ending = Ending::Exited(0);
        assert_eq!(
            step(&mut script, 2_600, ScriptInput::Ended(ending)),
            [ScriptAction::Changed { up: false, ending, timed_out: true }]
        );
        assert_eq!(script.poll_at(), Some(at(3_000)));
    }

    #[test]
    fn a_run_longer_than_the_interval_is_told_and_not_doubled() {
        let params = ScriptParams { timeout: Some(Span::from_secs(5)), ..ScriptParams::default() };
        let mut script = Script::new(at(0), params);
        step(&mut script, 0, ScriptInput::Timeout);
        assert_eq!(
            step(&mut script, 1_000, ScriptInput::Timeout),
            [ScriptAction::StillRunning { terminating: false }]
        );
        assert_eq!(step(&mut script, 1_001, ScriptInput::Timeout), []);
    }

    #[test]
    fn another_interval_counts_from_now_on() {
        let with = |secs| ScriptParams { interval: Span::from_secs(secs), ..ScriptParams::default() };
        let mut script = Script::new(at(0), with(60));
        run(&mut script, 0, 0);
        script.reconfigure(at(10_000), with(5));
        assert_eq!(
            script.poll_at(),
            Some(at(15_000)),
            "a shorter one is not waited for until the longer one is over"
        );
        run(&mut script, 15_000, 0);
        assert_eq!(script.poll_at(), Some(at(20_000)));
        script.reconfigure(at(16_000), with(60));
        assert_eq!(script.poll_at(), Some(at(20_000)), "what was near stays near");
        // The same while it runs.
        step(&mut script, 20_000, ScriptInput::Timeout);
        script.reconfigure(at(21_000), with(2));
        assert_eq!(script.poll_at(), Some(at(23_000)));
    }

    #[test]
    fn a_command_that_cannot_start_has_failed() {
        let mut script = Script::new(at(0), ScriptParams::default());
        step(&mut script, 0, ScriptInput::Timeout);
        let ending = Ending::NotStarted;
        assert_eq!(
            step(&mut script, 0, ScriptInput::Ended(ending)),
            [ScriptAction::Changed { up: false, ending, timed_out: false }]
        );
    }

    #[test]
    fn a_successor_goes_on_with_what_is_known_and_asks_at_once_if_nothing_is() {
        let params = ScriptParams { fall: 2, ..ScriptParams::default() };
        let resumed = |verdict, streak, next_run| {
            let mut script = Script::new(at(0), params.clone());
            let memory = ScriptMemory { verdict, streak, last_code: Some(1), next_run };
            script.resume(at(5_000), memory);
            script
        };
        // One failure more is enough.
        let mut script = resumed(Verdict::Up, 1, at(5_300));
        assert_eq!((script.poll_at(), script.streak()), (Some(at(5_300)), 1));
        assert_eq!(run(&mut script, 5_300, 1), [changed(false, 1)]);
        // Neither what was missed nor a time of nobody's counts.
        assert_eq!(resumed(Verdict::Up, 0, at(1)).poll_at(), Some(at(5_000)));
        assert_eq!(resumed(Verdict::Down, 0, at(99_000)).poll_at(), Some(at(6_000)));
        assert_eq!(resumed(Verdict::Unknown, 0, at(5_900)).poll_at(), Some(at(5_000)));
    }
}

//! A `vrrp_track_process`: how many processes of a kind run, and whether that is a healthy number.

use super::Verdict;
use crate::base::time::{Instant, Span};

/// Which numbers are healthy, and how long a change must last before it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessParams {
    /// Fewest processes of a healthy state.
    pub quorum: u16,
    /// Most processes of a healthy state; none: any number.
    pub quorum_max: Option<u16>,
    /// How long a change by a fork must last: the child is a copy until it executes another program.
    pub fork_delay: Span,
    /// How long a change by the end of a process must last: a successor may be on its way.
    pub terminate_delay: Span,
}

/// Why a count changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A process made a copy of itself.
    Fork,
    /// A process ended.
    Exit,
    /// A process executed another program or took another name; or the configuration changed.
    Change,
}

/// What can happen to the monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessInput {
    /// So many run now.
    Count(u32, Cause),
    /// The time that `poll_at` named may have come.
    Timeout,
}

/// What is to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessAction {
    /// The first count is known: this is where the monitor begins.
    Begins,
    /// The number is healthy now, or is not any more.
    Changed {
        /// The new verdict.
        up: bool,
    },
}

/// One monitor.
#[derive(Clone, Debug)]
pub struct Process {
    params: ProcessParams,
    count: u32,
    verdict: Verdict,
    /// When a change that is waited for counts, and what it came by.
    change: Option<(Instant, Cause)>,
}

impl Process {
    /// A monitor that knows nothing yet.
    #[must_use]
    pub const fn new(params: ProcessParams) -> Self {
        Self { params, count: 0, verdict: Verdict::Unknown, change: None }
    }

    /// Goes on where a predecessor was: what it said, and the change that was waited for.
    pub const fn resume(&mut self, verdict: Verdict, change: Option<(Instant, Cause)>) {
        self.verdict = verdict;
        self.change = change;
    }

    /// The change that is waited for: when it counts, and what it came by.
    #[must_use]
    pub const fn change(&self) -> Option<(Instant, Cause)> {
        self.change
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Instant, input: ProcessInput) -> Option<ProcessAction> {
        match input {
            ProcessInput::Count(count, cause) => {
                self.count = count;
                self.judge(now, cause)
            }
            ProcessInput::Timeout => {
                let due = self.change.is_some_and(|(at, _)| at <= now);
                due.then(|| self.turn_over())
            }
        }
    }

    /// When [`ProcessInput::Timeout`] is wanted.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        self.change.map(|(at, _)| at)
    }

    /// New parameters after a reload: count and verdict are kept, unless they do not go together any more.
    pub fn reconfigure(&mut self, now: Instant, params: ProcessParams) -> Option<ProcessAction> {
        self.params = params;
        self.change = None;
        if self.verdict == Verdict::Unknown { None } else { self.judge(now, Cause::Change) }
    }

    /// What the number says.
    #[must_use]
    pub const fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// How many run.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// The parameters in force.
    #[must_use]
    pub const fn params(&self) -> &ProcessParams {
        &self.params
    }

    /// What the change that is waited for came by.
    #[must_use]
    pub fn waits(&self) -> Option<Cause> {
        self.change.map(|(_, cause)| cause)
    }

    fn is_healthy(&self) -> bool {
        self.count >= u32::from(self.params.quorum)
            && self.params.quorum_max.is_none_or(|most| self.count <= u32::from(most))
    }

    fn judge(&mut self, now: Instant, cause: Cause) -> Option<ProcessAction> {
        let verdict = Verdict::of(self.is_healthy());
        if self.verdict == Verdict::Unknown {
            self.verdict = verdict;
            return Some(ProcessAction::Begins);
        }
        if verdict == self.verdict {
            self.change = None;
            return None;
        }
        let delay = match cause {
            Cause::Fork => self.params.fork_delay,
            Cause::Exit => self.params.terminate_delay,
            Cause::Change => Span::ZERO,
        };
        if delay.is_zero() {
            return Some(self.turn_over());
        }
        // A change that is waited for is not put off by another one that says the same.
        if self.change.is_none_or(|(at, _)| now + delay < at) {
            self.change = Some((now + delay, cause));
        }
        None
    }

    fn turn_over(&mut self) -> ProcessAction {
        self.change = None;
        let up = self.verdict != Verdict::Up;
        self.verdict = Verdict::of(up);
        ProcessAction::Changed { up }
    }
}

/// Which processes are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Those that the kernel has this name for, which it cuts to 15 octets.
    Name(Box<[u8]>),
    /// Those with such a command line.
    Line {
        /// Program and parameters, with a NUL between them.
        words: Box<[u8]>,
        /// What may follow.
        rule: Rule,
    },
}

/// What may follow the words that are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Nothing.
    Exact,
    /// More words.
    Words,
    /// Anything: the last word may go on as well.
    Beginning,
}

impl Pattern {
    /// Whether a process of this name and command line, as /proc has them, is one of those.
    #[must_use]
    pub fn matches(&self, name: &[u8], line: &[u8]) -> bool {
        match self {
            Self::Name(wanted) => **wanted == *name,
            Self::Line { words, rule } => {
                let line = line.strip_suffix(b"\0").unwrap_or(line);
                match (line.strip_prefix(&**words), rule) {
                    (None, _) => false,
                    (Some(rest), Rule::Exact) => rest.is_empty(),
                    (Some(rest), Rule::Words) => rest.first().is_none_or(|octet| *octet == 0),
                    (Some(_), Rule::Beginning) => true,
                }
            }
        }
    }

    /// Whether it looks at the command line, not at the name.
    #[must_use]
    pub const fn needs_line(&self) -> bool {
        matches!(self, Self::Line { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Instant {
        Instant::START + Span::from_millis(millis)
    }

    fn params(quorum: u16, quorum_max: Option<u16>, delay: u64) -> ProcessParams {
        let delay = Span::from_millis(delay);
        ProcessParams { quorum, quorum_max, fork_delay: delay, terminate_delay: delay }
    }

    fn count(it: &mut Process, now: u64, count: u32, cause: Cause) -> Option<ProcessAction> {
        it.handle(at(now), ProcessInput::Count(count, cause))
    }

    const UP: Option<ProcessAction> = Some(ProcessAction::Changed { up: true });
    const DOWN: Option<ProcessAction> = Some(ProcessAction::Changed { up: false });

    #[test]
    fn between_quorum_and_quorum_max_is_healthy() {
        let mut it = Process::new(params(2, Some(3), 0));
        assert_eq!(it.verdict(), Verdict::Unknown);
        assert_eq!(count(&mut it, 0, 1, Cause::Change), Some(ProcessAction::Begins));
        assert_eq!(it.verdict(), Verdict::Down);
        assert_eq!(count(&mut it, 0, 2, Cause::Fork), UP);
        assert_eq!(count(&mut it, 0, 3, Cause::Fork), None);
        assert_eq!(count(&mut it, 0, 4, Cause::Fork), DOWN);
        assert_eq!(count(&mut it, 0, 3, Cause::Exit), UP);
        assert_eq!(count(&mut it, 0, 0, Cause::Exit), DOWN);
        let mut none = Process::new(params(0, Some(0), 0));
        count(&mut none, 0, 0, Cause::Change);
        assert_eq!(none.verdict(), Verdict::Up);
        assert_eq!(count(&mut none, 0, 1, Cause::Change), DOWN);
    }

    #[test]
    fn a_change_that_does_not_last_does_not_count() {
        let mut it = Process::new(params(1, None, 1_000));
        count(&mut it, 0, 1, Cause::Change);
        assert_eq!(count(&mut it, 0, 0, Cause::Exit), None);
        assert_eq!((it.poll_at(), it.waits()), (Some(at(1_000)), Some(Cause::Exit)));
        assert_eq!(it.handle(at(999), ProcessInput::Timeout), None);
        assert_eq!(count(&mut it, 999, 1, Cause::Fork), None);
        assert_eq!(it.poll_at(), None);
        assert_eq!(it.handle(at(1_000), ProcessInput::Timeout), None);
        count(&mut it, 2_000, 0, Cause::Exit);
        assert_eq!(it.handle(at(3_000), ProcessInput::Timeout), DOWN);
        assert_eq!(count(&mut it, 4_000, 1, Cause::Fork), None, "a fork alone is no new program yet");
        assert_eq!(count(&mut it, 4_500, 2, Cause::Fork), None);
        assert_eq!(it.poll_at(), Some(at(5_000)), "the second does not put the first off");
        assert_eq!(count(&mut it, 4_600, 2, Cause::Change), UP, "a new program is there at once");
    }

    #[test]
    fn forks_and_ends_have_delays_of_their_own() {
        let [short, long] = [1, 3].map(Span::from_secs);
        let mut it = Process::new(ProcessParams {
            quorum: 1,
            quorum_max: None,
            fork_delay: short,
            terminate_delay: long,
        });
        count(&mut it, 0, 1, Cause::Change);
        count(&mut it, 0, 0, Cause::Exit);
        assert_eq!(it.poll_at(), Some(at(3_000)));
        assert_eq!(it.handle(at(3_000), ProcessInput::Timeout), DOWN);
        count(&mut it, 4_000, 1, Cause::Fork);
        assert_eq!(it.poll_at(), Some(at(5_000)));
    }

    #[test]
    fn a_reload_judges_anew_and_forgets_what_it_waited_for() {
        let mut it = Process::new(params(1, None, 1_000));
        assert_eq!(it.reconfigure(at(0), params(1, None, 0)), None, "nothing is known yet");
        count(&mut it, 0, 1, Cause::Change);
        assert_eq!(it.reconfigure(at(0), params(2, None, 1_000)), DOWN);
        count(&mut it, 0, 2, Cause::Fork);
        assert_eq!(it.reconfigure(at(1), params(3, None, 1_000)), None);
        assert_eq!(it.poll_at(), None);
    }

    fn line(words: &str, rule: Rule) -> Pattern {
        Pattern::Line { words: words.replace(' ', "\0").into_bytes().into(), rule }
    }

    #[test]
    fn names_and_lines_match_as_configured() {
        let name = Pattern::Name(b"httpd".as_slice().into());
        assert!(name.matches(b"httpd", b"") && !name.matches(b"httpd2", b"httpd\0"));
        for (pattern, fits, does_not) in [
            (line("/a 200", Rule::Exact), vec!["/a 200"], vec!["/a", "/a 2001", "/a 200 1", "/b 200", ""]),
            (line("/a 200", Rule::Words), vec!["/a 200", "/a 200 1"], vec!["/a", "/a 2001", "/a 20"]),
            (line("/a 200", Rule::Beginning), vec!["/a 200", "/a 2001", "/a 200 1"], vec!["/a 20", "/a"]),
            (line("/a", Rule::Words), vec!["/a", "/a 1"], vec!["/ab", "a"]),
            (line("/a", Rule::Exact), vec!["/a"], vec!["/a 1"]),
        ] {
            let matches = |text: &str| {
                let octets = text.replace(' ', "\0") + "\0";
                assert_eq!(
                    pattern.matches(b"", octets.as_bytes()),
                    pattern.matches(b"", text.replace(' ', "\0").as_bytes()),
                    "a title written over the line has no NUL at its end"
                );
                pattern.matches(b"", octets.as_bytes())
            };
            for text in fits {
                assert!(matches(text), "{pattern:?} {text}");
            }
            for text in does_not {
                assert!(!matches(text), "{pattern:?} {text}");
            }
        }
    }

    /// However processes come and go: once nothing has changed for the longest delay, the verdict is the truth.
    #[test]
    fn the_verdict_is_the_truth_once_nothing_changes() {
        let mut seed = 11_u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for _ in 0..2_000 {
            let quorum = u16::try_from(random(3)).unwrap();
            let most = (random(2) == 0).then(|| quorum + u16::try_from(random(3)).unwrap());
            let mut it = Process::new(params(quorum, most, random(3) * 100));
            let mut now = 0;
            for _ in 0..20 {
                now += random(150);
                let cause = [Cause::Fork, Cause::Exit, Cause::Change][usize::try_from(random(3)).unwrap()];
                it.handle(at(now), ProcessInput::Timeout);
                count(&mut it, now, u32::try_from(random(6)).unwrap(), cause);
            }
            it.handle(at(now + 200), ProcessInput::Timeout);
            assert_eq!(it.verdict(), Verdict::of(it.is_healthy()));
            assert_eq!(it.poll_at(), None);
        }
    }
}

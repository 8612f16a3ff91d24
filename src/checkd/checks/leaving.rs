//! Programs of checks that a reload removed: each was told to end, and is killed when it does not.

use crate::base::time::Instant;
use crate::sys::process::Pid;

/// Those that have not ended yet.
#[derive(Debug, Default)]
pub(in crate::checkd) struct Leaving(Vec<Program>);

#[derive(Debug)]
struct Program {
    pid: Pid,
    /// When it is killed; none: it was.
    until: Option<Instant>,
}

impl Leaving {
    /// A program is to end until then. For load time: allocates.
    pub(in crate::checkd) fn add(&mut self, pid: Pid, until: Instant) {
        self.0.push(Program { pid, until: Some(until) });
    }

    /// A process has ended.
    pub(in crate::checkd) fn ended(&mut self, pid: Pid) {
        self.0.retain(|program| program.pid != pid);
    }

    /// Names the programs whose time is over, each once.
    pub(in crate::checkd) fn overdue(&mut self, now: Instant, mut kill: impl FnMut(Pid)) {
        for program in &mut self.0 {
            if program.until.take_if(|until| *until <= now).is_some() {
                kill(program.pid);
            }
        }
    }

    /// When the next one is to be killed.
    pub(in crate::checkd) fn poll_at(&self) -> Option<Instant> {
        self.0.iter().filter_map(|program| program.until).min()
    }

    /// Whether all have ended.
    pub(in crate::checkd) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_killed_once_when_its_time_is_over() {
        let (at, [one, other, third]) =
            (Instant::from_micros, [11, 12, 13].map(|number| Pid::new(number).unwrap()));
        let mut leaving = Leaving::default();
        leaving.add(one, at(20));
        leaving.add(other, at(10));
        leaving.add(third, at(10));
        let overdue = |leaving: &mut Leaving, now| {
            let mut killed = Vec::new();
            leaving.overdue(at(now), |pid| killed.push(pid));
            killed
        };
        assert_eq!(leaving.poll_at(), Some(at(10)));
        assert_eq!(overdue(&mut leaving, 9), []);
        leaving.ended(third);
        assert_eq!(overdue(&mut leaving, 10), [other]);
        assert_eq!(overdue(&mut leaving, 11), []);
        assert_eq!(leaving.poll_at(), Some(at(20)));
        leaving.ended(one);
        assert_eq!(leaving.poll_at(), None);
        assert!(!leaving.is_empty(), "one was killed and has not ended");
        leaving.ended(other);
        assert!(leaving.is_empty());
    }
}

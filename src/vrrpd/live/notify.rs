//! The notify scripts of an instance or a sync group: the states that scripts, FIFOs and mail report, the script of
//! each state, and what is appended to its words.

use crate::config::model::Model;
use crate::notify::{self, Subject};
use crate::proto::vrrp::State;
use crate::sys::script::{Refused, Words};

/// The scripts of one instance or sync group.
pub type Notifier = notify::Notifier<Job, SCRIPTS>;

/// An instance, as scripts are notified of it.
pub(in crate::vrrpd) const fn instance(name: &str) -> Subject<'_> {
    Subject { word: "INSTANCE", name }
}

/// A sync group, as scripts are notified of it.
pub(in crate::vrrpd) const fn group(name: &str) -> Subject<'_> {
    Subject { word: "GROUP", name }
}

/// A state as scripts, FIFOs and mail report it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vrrpd) enum NotifyState {
    Master,
    Backup,
    Fault,
    Stop,
    Deleted,
}

impl NotifyState {
    const ALL: [Self; 5] = [Self::Master, Self::Backup, Self::Fault, Self::Stop, Self::Deleted];

    /// The state of the number that a letter was noted with.
    pub(in crate::vrrpd) fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The word as keepalived writes it.
    pub(in crate::vrrpd) const fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
            Self::Deleted => "DELETED",
        }
    }

    /// The script for this state alone.
    const fn script(self) -> Script {
        match self {
            Self::Master => Script::Master,
            Self::Backup => Script::Backup,
            Self::Fault => Script::Fault,
            Self::Stop => Script::Stop,
            Self::Deleted => Script::Deleted,
        }
    }

    /// The jobs of an object that enters this state: the script for it, then the script for any state.
    pub(in crate::vrrpd) fn jobs(self, priority: u8) -> [Job; 2] {
        [self.script(), Script::Any].map(|script| Job { script, state: self, priority })
    }

    /// Whether a letter is to be sent. Stops are never mailed.
    pub(in crate::vrrpd) fn is_mailed(self, model: &Model) -> bool {
        match self {
            Self::Master | Self::Backup | Self::Deleted => true,
            Self::Fault => !model.global.mail.no_faults,
            Self::Stop => false,
        }
    }
}

impl From<State> for NotifyState {
    fn from(state: State) -> Self {
        match state {
            State::Init => Self::Stop,
            State::Backup => Self::Backup,
            State::Master => Self::Master,
            State::Fault => Self::Fault,
        }
    }
}

/// Which script of an instance or a sync group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vrrpd) enum Script {
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

/// How many scripts an instance or a sync group may have.
pub(in crate::vrrpd) const SCRIPTS: usize = 7;

/// A notify script to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vrrpd) struct Job {
    script: Script,
    /// The state and the priority that `notify` is told.
    state: NotifyState,
    priority: u8,
}

impl Job {
    /// A MASTER has heard an advert of lower priority.
    pub(in crate::vrrpd) const fn lower_priority(priority: u8) -> Self {
        Self { script: Script::LowerPriority, state: NotifyState::Master, priority }
    }
}

impl notify::Job for Job {
    fn script(self) -> usize {
        self.script as usize
    }

    /// The script of a stop is left out only for another stop.
    fn outlasts(self, newer: Self) -> bool {
        self.state == NotifyState::Stop && newer.state != NotifyState::Stop
    }

    fn append(self, Subject { word, name }: Subject<'_>, words: &mut Words) -> Result<(), Refused> {
        if self.script != Script::Any {
            return Ok(());
        }
        words.push(word.as_bytes())?;
        words.push(name.as_bytes())?;
        words.push(self.state.word().as_bytes())?;
        words.push_fmt(format_args!("{}", self.priority))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::Job as _;

    fn words(job: Job, subject: Subject<'_>) -> Vec<String> {
        let mut words = Words::with_capacity(8, 64);
        job.append(subject, &mut words).unwrap();
        words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    }

    #[test]
    fn the_script_of_a_state_comes_first_and_the_script_of_any_state_is_told_all() {
        for (state, word) in
            NotifyState::ALL.into_iter().zip(["MASTER", "BACKUP", "FAULT", "STOP", "DELETED"])
        {
            let [own, any] = state.jobs(150);
            assert_eq!(own.script(), state as usize);
            assert!(words(own, instance("VI_1")).is_empty());
            assert_eq!(any.script(), Script::Any as usize);
            assert_eq!(words(any, instance("VI_1")), ["INSTANCE", "VI_1", word, "150"]);
            assert_eq!(words(any, group("G"))[..2], ["GROUP", "G"]);
            assert_eq!(NotifyState::numbered(state as u8), Some(state));
        }
        assert_eq!(NotifyState::numbered(5), None);
        assert!(words(Job::lower_priority(100), instance("VI_1")).is_empty());
    }

    #[test]
    fn only_a_stop_outlasts_another_state_and_not_a_second_stop() {
        for older in NotifyState::ALL {
            for newer in NotifyState::ALL {
                let [older_job, _] = older.jobs(1);
                let outlasts = older == NotifyState::Stop && newer != NotifyState::Stop;
                assert_eq!(older_job.outlasts(newer.jobs(1)[1]), outlasts, "{older:?} {newer:?}");
            }
        }
        assert!(!Job::lower_priority(1).outlasts(NotifyState::Backup.jobs(1)[0]));
    }
}

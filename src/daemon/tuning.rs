//! How a child is run: its name, umask, priority, processors and memory, the same code for each kind of child.
//!
//! [`Tuner::begin`] is the first act of a child. Realtime begins when its start is over ([`Tuner::run`]): the limit
//! of realtime without a pause is meant for a process that hangs, not for one that reads a long configuration. For
//! the same reason a reload and the stop have no limit ([`Tuner::suspend`]), and whatever takes long takes a rest in
//! time ([`Turn::rest`]).

use std::os::fd::RawFd;

use crate::base::limit;
use crate::base::time::Span;
use crate::config::model::Global;
use crate::config::model::global::Scheduling;
use crate::daemon::kind::Kind;
use crate::daemon::log;
use crate::daemon::reactor::Turn;
use crate::daemon::realtime::{LATENESS, LONGEST, Priority};
use crate::sys::privileges::{self, Capabilities};
use crate::sys::user::Account;
use crate::sys::{process, sched, seccomp};

/// What the configuration asks of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// What ps shows; none: the name of the program.
    pub name: Option<String>,
    /// Permission bits that new files do not get.
    pub umask: u32,
    /// Nice level, -20 to 19; 0: as it was started.
    pub nice: i8,
    /// Its memory is never swapped.
    pub no_swap: bool,
    /// The processors that it may use, from 0; empty: those that it was started with.
    pub processors: Vec<u16>,
    /// Realtime priority.
    pub realtime: Priority,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            name: None,
            umask: DEFAULT_UMASK,
            nice: 0,
            no_swap: false,
            processors: Vec::new(),
            realtime: Priority::default(),
        }
    }
}

/// keepalived's umask: files for the owner only, not to be executed.
pub const DEFAULT_UMASK: u32 = 0o177;

impl Tuning {
    /// What `global_defs` asks of a kind of child.
    #[must_use]
    pub fn of(global: &Global, kind: Kind) -> Self {
        let names = &global.names;
        let usual = Scheduling::default();
        let (name, standard, scheduling) = match kind {
            Kind::Checkers => (&names.checker, "keepalived_lvs", &global.checker_process),
            Kind::Vrrp => (&names.vrrp, "keepalived_vrrp", &global.vrrp_process),
            Kind::Bfd => (&names.bfd, "keepalived_bfd", &global.bfd_process),
            Kind::Snmp => (&None, "keepalived_snmp", &usual),
        };
        Self {
            name: name.clone().or_else(|| names.standard.then(|| standard.to_owned())),
            umask: global.files.umask.map_or(DEFAULT_UMASK, u32::from),
            nice: scheduling.nice,
            no_swap: scheduling.no_swap,
            processors: scheduling.cpus.clone(),
            realtime: Priority {
                base: scheduling.realtime,
                longest: scheduling
                    .rlimit_rttime
                    .map_or(LONGEST, |micros| Span::from_micros(u64::from(micros))),
                ceiling: u8::try_from(global.max_auto_priority).unwrap_or(0),
                lateness: global.min_auto_priority_delay.unwrap_or(LATENESS),
            },
        }
    }
}

/// Carries out what is asked of this process, now and after each reload.
#[derive(Debug, Default)]
pub struct Tuner {
    now: Tuning,
    /// How it was started.
    name: String,
    nice: i8,
    processors: Vec<u16>,
    /// Of the command line, which is stronger than the configuration.
    umask: Option<u32>,
    /// What stays once the start is over; none: everything.
    confinement: Option<Confinement>,
}

/// What a child may do once its start is over.
#[derive(Clone, Debug)]
pub struct Confinement {
    /// The capabilities that it keeps.
    pub kept: Capabilities,
    /// The user that it becomes; none: it stays root.
    pub user: Option<Account>,
    /// The descriptor of its channel to the parent, which is told of a system call that it may not make.
    pub channel: RawFd,
    /// System calls that it may make beside those of the list.
    pub more: Calls,
}

/// Numbers of system calls.
pub type Calls = heapless::Vec<u32, { limit::MORE_SYSTEM_CALLS }>;

impl Tuner {
    /// Begins in a new child: everything but realtime. `name`: that of the program. `umask`: of the command line.
    #[must_use]
    pub fn begin(wanted: &Tuning, name: &str, umask: Option<u32>) -> Self {
        let mut tuner = Self {
            now: Tuning::default(),
            name: name.to_owned(),
            nice: sched::nice().unwrap_or(0),
            processors: sched::processors().unwrap_or_default(),
            umask,
            confinement: None,
        };
        let given = wanted.name.as_deref().unwrap_or(name);
        if process::name() != given {
            set_name(given);
        }
        tuner.adjust(wanted);
        tuner
    }

    /// The same with a confinement.
    #[must_use]
    pub fn confined(self, confinement: Option<Confinement>) -> Self {
        Self { confinement, ..self }
    }

    /// The user that this process is once it has begun; none: the one that it is.
    #[must_use]
    pub fn user(&self) -> Option<Account> {
        self.confinement.as_ref().and_then(|confinement| confinement.user)
    }

    /// The start is over: what is not needed any more is given up.
    pub fn confine(&self) {
        let Some(Confinement { kept, user, channel, more }) = &self.confinement else { return };
        // Loading modules is for a start.
        let kept = kept.without(Capabilities::SYS_MODULE);
        if let Err(error) = privileges::give_up_all_but(kept, *user) {
            return log::warn!("Unable to give up privileges: {error} - the process keeps them");
        }
        let namespaces = !kept.without(kept.without(Capabilities::SYS_ADMIN)).is_empty();
        match seccomp::restrict(*channel, namespaces, more) {
            Ok(true) => {}
            Ok(false) => log::info!("No list of system calls for this processor: all are allowed"),
            Err(error) => log::info!("The kernel does not restrict system calls ({error}): all are allowed"),
        }
    }

    /// The start is over: goes on at the priority that was asked for.
    pub fn run(&self, turn: &mut Turn<'_>) {
        turn.realtime().change(&self.now.realtime);
    }

    /// A reload begins, or the stop: it may take its time.
    pub fn suspend(&self, turn: &mut Turn<'_>) {
        turn.realtime().lift();
    }

    /// The reload is over: goes over to what is asked now, and touches nothing that is as it was.
    pub fn change(&mut self, turn: &mut Turn<'_>, wanted: &Tuning) {
        if wanted.name != self.now.name {
            set_name(wanted.name.as_deref().unwrap_or(&self.name));
        }
        self.adjust(wanted);
        turn.realtime().change(&self.now.realtime);
    }

    fn adjust(&mut self, wanted: &Tuning) {
        process::umask(self.umask.unwrap_or(wanted.umask));
        let level = if wanted.nice == 0 { self.nice } else { wanted.nice };
        if wanted.nice != self.now.nice
            && let Err(error) = sched::set_nice(level)
        {
            log::warn!("Unable to set the nice level {level}: {error}");
        }
        if wanted.processors != self.now.processors {
            let set = if wanted.processors.is_empty() { &self.processors } else { &wanted.processors };
            if let Err(error) = sched::set_processors(set) {
                let set = set.iter().fold(String::new(), |all, one| format!("{all} {one}"));
                log::warn!("Unable to keep to the processors{set}: {error}");
            }
        }
        if wanted.no_swap != self.now.no_swap
            && let Err(error) = sched::lock_memory(wanted.no_swap)
        {
            log::warn!("Unable to keep the process in memory: {error}");
        }
        self.now = wanted.clone();
    }
}

fn set_name(name: &str) {
    if let Err(error) = process::set_name(name) {
        log::warn!("Unable to set the process name {name}: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_own_settings_and_the_common_ones() {
        let mut global = Global::default();
        global.names.standard = true;
        global.names.bfd = Some("mine".to_owned());
        global.vrrp_process = Scheduling { nice: -5, realtime: Some(7), ..Scheduling::default() };
        global.checker_process = Scheduling { cpus: vec![1, 3], ..Scheduling::default() };
        global.bfd_process =
            Scheduling { no_swap: true, rlimit_rttime: Some(50_000), ..Scheduling::default() };
        global.max_auto_priority = -1;
        let of = |kind| Tuning::of(&global, kind);
        let (vrrp, checkers, bfd) = (of(Kind::Vrrp), of(Kind::Checkers), of(Kind::Bfd));
        assert_eq!(
            (vrrp.nice, vrrp.realtime.base, vrrp.no_swap, vrrp.realtime.ceiling),
            (-5, Some(7), false, 0)
        );
        assert_eq!((checkers.nice, checkers.processors), (0, vec![1, 3]));
        assert_eq!(
            (bfd.no_swap, bfd.realtime.longest, vrrp.realtime.longest),
            (true, Span::from_millis(50), LONGEST)
        );
        let names = [vrrp.name, checkers.name, bfd.name].map(Option::unwrap_or_default);
        assert_eq!(names, ["keepalived_vrrp", "keepalived_lvs", "mine"]);
    }
}

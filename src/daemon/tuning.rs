//! How a child is run: its name, umask, priority, processors and memory, the same code for each kind of child.
//!
//! [`Tuner::begin`] is the first act of a child. Realtime begins when its start is over ([`Tuner::run`]): the limit
//! of realtime without a pause is meant for a process that hangs, not for one that reads a long configuration. For
//! the same reason a reload and the stop have no limit ([`Tuner::suspend`]), and whatever takes long takes a rest in
//! time ([`Turn::rest`]).

use crate::base::time::{Instant, Span};
use crate::config::model::Global;
use crate::daemon::kind::Kind;
use crate::daemon::reactor::Turn;
use crate::sys::{clock, process, sched};

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
    /// Realtime priority, 1 to 99.
    pub realtime: Option<u8>,
    /// Longest time of realtime without a pause.
    pub longest: Span,
    /// How far being late raises the realtime priority, to 99; 0: not at all.
    pub ceiling: u8,
    /// How late a deadline must be served for that.
    pub lateness: Span,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            name: None,
            umask: DEFAULT_UMASK,
            nice: 0,
            no_swap: false,
            processors: Vec::new(),
            realtime: None,
            longest: LONGEST,
            ceiling: 0,
            lateness: LATENESS,
        }
    }
}

/// keepalived's umask: files for the owner only, not to be executed.
pub const DEFAULT_UMASK: u32 = 0o177;
/// Of `vrrp_rlimit_rttime` and its kind.
const LONGEST: Span = Span::from_millis(10);
/// Of `min_auto_priority_delay`.
const LATENESS: Span = Span::from_secs(1);

impl Tuning {
    /// What `global_defs` asks of a kind of child.
    #[must_use]
    pub fn of(global: &Global, kind: Kind) -> Self {
        let names = &global.names;
        let (name, standard, scheduling) = match kind {
            Kind::Checkers => (&names.checker, "keepalived_lvs", &global.checker_process),
            Kind::Vrrp => (&names.vrrp, "keepalived_vrrp", &global.vrrp_process),
            Kind::Bfd => (&names.bfd, "keepalived_bfd", &global.bfd_process),
        };
        Self {
            name: name.clone().or_else(|| names.standard.then(|| standard.to_owned())),
            umask: global.files.umask.map_or(DEFAULT_UMASK, u32::from),
            nice: scheduling.nice,
            no_swap: scheduling.no_swap,
            processors: scheduling.cpus.clone(),
            realtime: scheduling.realtime,
            longest: scheduling.rlimit_rttime.map_or(LONGEST, |micros| Span::from_micros(u64::from(micros))),
            ceiling: u8::try_from(global.max_auto_priority).unwrap_or(0),
            lateness: global.min_auto_priority_delay.unwrap_or(LATENESS),
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
}

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
        };
        let given = wanted.name.as_deref().unwrap_or(name);
        if process::name() != given {
            set_name(given);
        }
        tuner.adjust(wanted);
        tuner
    }

    /// The start is over: goes on at the priority that was asked for.
    pub fn run(&self, turn: &mut Turn<'_>) {
        turn.realtime().change(&self.now);
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
        turn.realtime().change(&self.now);
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
                log::warn!("Unable to keep to the processors {set:?}: {error}");
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

/// The realtime priority of this process, which rises by one each time that it was late.
#[derive(Debug)]
pub struct Realtime {
    /// 0: none.
    priority: u8,
    /// What the configuration asks for; a raise comes on top.
    base: u8,
    ceiling: u8,
    lateness: Span,
    longest: Span,
    /// The kernel counts.
    limited: bool,
    /// When this process last waited, or a little later.
    rested: Instant,
    /// How often it had waited then.
    waits: i64,
}

impl Default for Realtime {
    fn default() -> Self {
        Self {
            priority: 0,
            base: 0,
            ceiling: 0,
            lateness: LATENESS,
            longest: LONGEST,
            limited: false,
            rested: Instant::START,
            waits: 0,
        }
    }
}

impl Realtime {
    /// Goes over to what the configuration asks for. A raise stays as long as it may.
    fn change(&mut self, wanted: &Tuning) {
        (self.ceiling, self.lateness) = (wanted.ceiling, wanted.lateness);
        let base = wanted.realtime.unwrap_or(0);
        let priority = if base == self.base { self.priority.min(self.ceiling).max(base) } else { base };
        self.base = base;
        if wanted.longest != self.longest {
            self.limited = false;
        }
        self.longest = wanted.longest;
        if priority != self.priority {
            self.set(priority);
        }
        self.limit();
    }

    fn set(&mut self, priority: u8) {
        match sched::set_realtime(priority) {
            Ok(()) => self.priority = priority,
            Err(error) => {
                log::warn!("Unable to set realtime priority {priority}: {error}");
                // Once is enough to be told.
                self.ceiling = 0;
            }
        }
    }

    /// Has the kernel count if there is something to count.
    fn limit(&mut self) {
        if (self.priority > 0) == self.limited {
            return;
        }
        self.limited = self.priority > 0;
        // What has run before counts on otherwise.
        self.pause();
        if let Err(error) = sched::limit_realtime(self.limited.then_some(self.longest)) {
            log::warn!("Unable to set the realtime limit: {error}");
        }
    }

    fn lift(&mut self) {
        if core::mem::take(&mut self.limited)
            && let Err(error) = sched::limit_realtime(None)
        {
            log::warn!("Unable to lift the realtime limit: {error}");
        }
    }

    /// A deadline was served `late`.
    pub(super) fn note_lateness(&mut self, late: Span) {
        if late <= self.lateness {
            return;
        }
        log::info!("A thread timer expired {late} seconds ago");
        if self.priority < self.ceiling {
            self.set(self.priority.saturating_add(1));
            self.limit();
            if self.priority > 0 {
                log::info!("Set realtime priority {}", self.priority);
            }
        }
    }

    /// The loop has polled for as long as it takes. It may not have waited: something was there already, or another
    /// process had the processor meanwhile.
    pub(super) fn note_poll(&mut self) {
        if self.limited {
            self.note_wait();
        }
    }

    /// Whether this process has waited since the last look.
    fn note_wait(&mut self) -> bool {
        let waits = sched::waits().unwrap_or(self.waits);
        let waited = waits != self.waits;
        if waited {
            (self.waits, self.rested) = (waits, clock::now());
        }
        waited
    }

    /// There is more to do: lets the kernel count anew before its patience ends.
    pub(super) fn rest(&mut self) {
        if self.limited && clock::now().since(self.rested) >= self.longest / SAFETY {
            self.pause();
        }
    }

    fn pause(&mut self) {
        self.note_wait();
        for _ in 0..TRIES {
            clock::sleep_until(clock::now() + PAUSE);
            if self.note_wait() {
                return;
            }
        }
    }
}

/// Long enough for the kernel to take the process off the processor.
const PAUSE: Span = Span::from_micros(20);
/// On a busy machine the end of a pause may have come before the kernel gets to it.
const TRIES: usize = 10;
/// What goes on without a look at the time takes less than the difference to the whole.
const SAFETY: u64 = 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::model::global::Scheduling;

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
        assert_eq!((vrrp.nice, vrrp.realtime, vrrp.no_swap, vrrp.ceiling), (-5, Some(7), false, 0));
        assert_eq!((checkers.nice, checkers.processors), (0, vec![1, 3]));
        assert_eq!((bfd.no_swap, bfd.longest, vrrp.longest), (true, Span::from_millis(50), LONGEST));
        let names = [vrrp.name, checkers.name, bfd.name].map(Option::unwrap_or_default);
        assert_eq!(names, ["keepalived_vrrp", "keepalived_lvs", "mine"]);
    }

    #[test]
    fn being_late_a_little_raises_nothing() {
        let mut realtime = Realtime { ceiling: 50, ..Realtime::default() };
        realtime.note_lateness(LATENESS);
        assert_eq!(realtime.priority, 0);
    }

    #[test]
    fn who_works_on_rests_in_time_and_not_more_often() {
        let mut realtime = Realtime { limited: true, longest: Span::from_secs(40), ..Realtime::default() };
        let before = clock::now();
        realtime.rest();
        let rested = realtime.rested;
        assert!(rested.since(before) >= PAUSE);
        realtime.rest();
        assert_eq!(realtime.rested, rested);
        // The clock counts microseconds, and what stands above may have taken none.
        while clock::now() == rested {}
        realtime.note_poll();
        assert_eq!(realtime.rested, rested, "time that passes is no wait");
        clock::sleep_until(clock::now() + Span::from_millis(5));
        realtime.note_poll();
        assert!(realtime.rested > rested, "a wait is a rest");
    }

    /// How a process ends that runs under `wanted` and at each moment does something with it, for four times as long as
    /// it may run.
    fn run(mut each: impl FnMut(&mut Realtime, &Tuning)) -> i32 {
        let wanted = Tuning { realtime: Some(1), longest: Span::from_millis(100), ..Tuning::default() };
        sched::in_a_copy(|| {
            let mut realtime = Realtime::default();
            realtime.change(&wanted);
            let begin = clock::now();
            while clock::now().since(begin) < wanted.longest * 4 {
                each(&mut realtime, &wanted);
            }
            u8::from(!realtime.limited)
        })
    }

    #[test]
    fn the_limit_begins_with_a_rest() {
        assert_ne!(run(|_, _| {}), 0, "the kernel's patience ends");
        assert_eq!(run(|realtime, _| realtime.rest()), 0);
        // A reload after the other: what ran before one counts no more after it.
        let mut since = clock::now();
        let reload = |realtime: &mut Realtime, wanted: &Tuning| {
            if clock::now().since(since) >= wanted.longest / 2 {
                realtime.lift();
                realtime.change(wanted);
                since = clock::now();
            }
        };
        assert_eq!(run(reload), 0);
    }
}

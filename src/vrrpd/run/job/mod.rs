//! The start, a reload and a new list of everything: one piece of work in small steps, which the loop calls one after the
//! other.
//!
//! [`STEPS`] has all steps in order. Between two of them adverts that are due leave and the parent's hellos are
//! answered; nothing else happens until the last step is done. A step that walks a list does a slice of it each time that
//! the step is called.
//!
//! A start finds what a dead predecessor left, takes up or removes that, and lets every instance begin. A reload applies
//! the difference between what runs and a new model without disturbing what did not change: an instance is found again by
//! router id, family, interface and kind of adverts, not by name; one whose adverts change by router id, family, interface
//! and name. The instance keeps its state and its timers, and its socket if that hears the same. An address that moves
//! between instances stays where it is.

mod carry;
mod objects;
mod place;
mod read;
mod start;
#[cfg(test)]
mod tests;

use std::io;
use std::os::fd::OwnedFd;

use carry::Carried;
use objects::Sorting;
use place::Indexing;
use read::Fresh;
pub(in crate::vrrpd::run) use start::Start;

use crate::base::id::{GroupId, InstanceId};
use crate::child::bracket::{begin_reload, exit_of};
use crate::child::reading::Reading;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::Input;
use crate::sys::alloc;
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::run::listing::Listing;
use crate::vrrpd::run::status::{Moment, Saving};

/// A start, a reload or a new list under way.
pub(in crate::vrrpd::run) struct Job {
    kind: Kind,
    /// The step that is next.
    step: usize,
    /// The place in the list that the step walks, and in the list of that place.
    at: usize,
    within: usize,
    /// What a start goes by; none: a reload.
    start: Option<Start>,
    /// What the new model of a reload is read from.
    reading: Option<Reading>,
    /// What was made of the new model, and is not in force yet.
    fresh: Fresh,
    /// What goes on of before.
    carried: Carried,
    indexing: Indexing,
    sorting: Sorting,
    /// How far listing all interfaces and addresses has come.
    listing: Listing,
    /// The data dump of before or after the reload that is being kept.
    saving: Option<Saving>,
    /// The new configuration could not be read.
    failed: bool,
}

/// What a job is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vrrpd::run) enum Kind {
    Start,
    Reload,
    /// Everything is listed again.
    List,
    /// The same, because the kernel refused to list it before: what else it refused is tried again after that.
    Retry,
    /// The process leaves everything in order.
    Stop,
}

/// What became of a step.
enum Progress {
    /// The step is to be called again.
    More,
    /// The next step is due.
    Done,
    /// The new configuration cannot be read: the one that runs stays in force.
    Failed,
    /// The kernel refused what a start cannot do without.
    Broken(io::Error),
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything runs.
    Start,
    /// `ok`: with the new configuration, otherwise with the one of before.
    Reload { ok: bool },
    /// Everything has been listed, if the kernel did not refuse.
    List,
    /// Every instance has stopped.
    Stop,
    /// The process ends.
    Broken,
}

/// A step.
type Step = fn(&mut Vrrp, &mut Turn<'_>, &mut Job) -> Progress;

/// What a step belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Start,
    Reload,
    /// A start and a reload.
    Both,
    /// Whatever lists everything in slices: all but a start and a stop.
    List,
    Retry,
    Stop,
    /// All but a stop, after which nothing comes that could use the memory.
    Memory,
}

impl Of {
    const fn is_in(self, kind: Kind) -> bool {
        match self {
            Self::Start => matches!(kind, Kind::Start),
            Self::Reload => matches!(kind, Kind::Reload),
            Self::Both => matches!(kind, Kind::Start | Kind::Reload),
            Self::List => matches!(kind, Kind::Reload | Kind::List | Kind::Retry),
            Self::Retry => matches!(kind, Kind::Retry),
            Self::Stop => matches!(kind, Kind::Stop),
            Self::Memory => !matches!(kind, Kind::Stop),
        }
    }
}

/// All steps, in order.
const STEPS: &[(Of, Step)] = &[
    (Of::Reload, Vrrp::receive_text),
    (Of::Reload, Vrrp::save),
    (Of::Reload, Vrrp::read_model),
    (Of::Reload, Vrrp::finish_reports),
    (Of::Reload, Vrrp::make_scripts),
    (Of::Reload, Vrrp::plan_interfaces),
    (Of::Reload, Vrrp::make_instances),
    (Of::Reload, Vrrp::make_groups),
    (Of::Reload, Vrrp::make_static_items),
    (Of::Reload, Vrrp::index_scripts),
    (Of::Reload, Vrrp::carry_scripts),
    (Of::Reload, Vrrp::index_instances),
    (Of::Reload, Vrrp::pair),
    (Of::Reload, Vrrp::pair_the_rest),
    (Of::Reload, Vrrp::index_names),
    (Of::Reload, Vrrp::pair_by_name),
    (Of::Reload, Vrrp::resign_removed),
    (Of::Reload, Vrrp::hand_over),
    (Of::Reload, Vrrp::exchange_trackers),
    (Of::Reload, Vrrp::exchange_instances),
    (Of::Reload, Vrrp::rename_scripts),
    (Of::Start, Vrrp::take_up_trackers),
    (Of::Both, Vrrp::make_room),
    (Of::Start, Vrrp::inherit_fifos),
    (Of::Both, Vrrp::find_who_tracks),
    (Of::Both, Vrrp::gather_addresses),
    (Of::Both, Vrrp::index_addresses),
    (Of::Both, Vrrp::open_alerts),
    (Of::Start, Vrrp::resume_letters),
    (Of::Reload, Vrrp::remove_abandoned),
    (Of::Reload, Vrrp::exchange_static_items),
    (Of::Both, Vrrp::gather_alike),
    (Of::Both, Vrrp::number_alike),
    (Of::Reload, Vrrp::find_successors),
    (Of::Reload, Vrrp::settle_left),
    (Of::Reload, Vrrp::find_rivals),
    (Of::Reload, Vrrp::plan_takeovers),
    (Of::Start, Vrrp::learn_links),
    (Of::Both, Vrrp::exchange_interfaces),
    (Of::Start, Vrrp::learn_links),
    (Of::Start, Vrrp::adopt_statics),
    (Of::Start, Vrrp::adopt_states),
    (Of::Start, Vrrp::begin_firewall),
    (Of::Start, Vrrp::adopt_objects),
    (Of::Start, Vrrp::learn_links),
    (Of::Start, Vrrp::adopt_addresses),
    (Of::Reload, Vrrp::exchange_firewall),
    (Of::Reload, Vrrp::watch_interfaces),
    (Of::List, Vrrp::list_interfaces),
    (Of::Retry, Vrrp::retry_refused),
    (Of::Reload, Vrrp::list_new_interfaces),
    (Of::Both, Vrrp::address_interfaces),
    (Of::Reload, Vrrp::put_static_items),
    (Of::Start, Vrrp::open_receivers),
    (Of::Start, Vrrp::watch_interfaces),
    (Of::Both, Vrrp::wait_where_asked),
    (Of::Start, Vrrp::judge_instances),
    (Of::Reload, Vrrp::bring_up),
    (Of::Reload, Vrrp::discard_model),
    (Of::Both, Vrrp::judge_groups),
    (Of::Start, Vrrp::start_groups),
    (Of::Both, Vrrp::begin_instances),
    (Of::Reload, Vrrp::align_members),
    (Of::Both, Vrrp::begin_trackers),
    (Of::Both, Vrrp::begin_scripts),
    (Of::Start, Vrrp::report_ready),
    (Of::Reload, Vrrp::open_sockets),
    (Of::Reload, Vrrp::open_senders),
    (Of::Reload, Vrrp::drop_left_objects),
    (Of::Reload, Vrrp::drop_left_addresses),
    (Of::Reload, Vrrp::keep_states),
    (Of::Reload, Vrrp::settle_queues),
    (Of::Reload, Vrrp::reserve_sources),
    (Of::Reload, Vrrp::save),
    (Of::Stop, Vrrp::stop_instances),
    (Of::Stop, Vrrp::stop_groups),
    (Of::Memory, Vrrp::return_memory),
];

impl Vrrp {
    /// The child has been made: the loop takes up what remains of its start.
    pub(in crate::vrrpd::run) fn begin_start(&mut self, turn: &mut Turn<'_>, start: Start) {
        self.job = Some(Box::new(Job { start: Some(start), ..Job::new(Kind::Start) }));
        turn.begin_work();
    }

    /// Everything is to be listed again: the loop takes up the work. A start or a reload does it anyway.
    pub(in crate::vrrpd::run) fn begin_listing(&mut self, turn: &mut Turn<'_>, kind: Kind) {
        if self.job.is_none() {
            self.job = Some(Box::new(Job::new(kind)));
            turn.begin_work();
        }
    }

    /// Whether everything is about to be listed again: what this turn has gathered waits for that.
    pub(in crate::vrrpd::run) fn is_about_to_list(&self) -> bool {
        self.job.as_ref().is_some_and(|job| matches!(job.kind, Kind::List | Kind::Retry))
    }

    /// The process is to leave: the loop takes up the work.
    pub(in crate::vrrpd::run) fn begin_leaving(&mut self, turn: &mut Turn<'_>) {
        self.job = Some(Box::new(Job::new(Kind::Stop)));
        turn.begin_work();
    }

    /// The parent has a new configuration: the loop takes up the work.
    pub(in crate::vrrpd::run) fn begin_reload(&mut self, turn: &mut Turn<'_>, fd: OwnedFd) {
        if begin_reload(&mut self.process, turn) {
            let reading = Some(Reading::Descriptor(fd));
            self.job = Some(Box::new(Job { reading, ..Job::new(Kind::Reload) }));
        }
    }

    /// Does the next slice of the job; how the job ended, once the last one is done.
    pub(super) fn work_on_job(&mut self, turn: &mut Turn<'_>) -> Option<Ended> {
        let Some(mut job) = self.job.take() else { return Some(Ended::Broken) };
        while STEPS.get(job.step).is_some_and(|(of, _)| !of.is_in(job.kind)) {
            job.step += 1;
        }
        let Some((_, step)) = STEPS.get(job.step) else {
            return Some(match job.kind {
                Kind::Start => Ended::Start,
                Kind::Reload => Ended::Reload { ok: !job.failed },
                Kind::List | Kind::Retry => Ended::List,
                Kind::Stop => Ended::Stop,
            });
        };
        match step(self, turn, &mut job) {
            Progress::More => {}
            Progress::Done => {
                job.step += 1;
                (job.at, job.within) = (0, 0);
            }
            Progress::Failed => (job.failed, job.step) = (true, STEPS.len().saturating_sub(1)),
            Progress::Broken(error) => {
                report::kernel_failed("cannot start", &error);
                turn.stop(exit_of(error.kind()));
                return Some(Ended::Broken);
            }
        }
        self.job = Some(job);
        None
    }

    fn settle_queues(&mut self, _: &mut Turn<'_>, _: &mut Job) -> Progress {
        self.resize_queues();
        Progress::Done
    }

    /// Every instance stops.
    fn stop_instances(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        if self.process.keep_on_stop {
            return Progress::Done;
        }
        if job.at == 0 {
            self.cut_notifies_short(turn);
        }
        let Some(all) = job.slice(self.routers.instances.len(), usize::MAX) else { return Progress::Done };
        for id in all.map(InstanceId::at) {
            self.drive(turn, id, Input::Stop);
            if self.work.busy {
                job.at = id.index() + 1;
                break;
            }
        }
        Progress::More
    }

    /// Every group stops, once its members have.
    fn stop_groups(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        if self.process.keep_on_stop {
            return Progress::Done;
        }
        let Some(all) = job.slice(self.routers.groups.len(), usize::MAX) else {
            self.settle(turn);
            return Progress::Done;
        };
        for id in all.map(GroupId::at) {
            self.stop_group(turn, id);
            if self.work.busy {
                job.at = id.index() + 1;
                break;
            }
        }
        Progress::More
    }

    /// The memory that the job took goes back to the kernel.
    fn return_memory(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        *job = Job { step: job.step, failed: job.failed, ..Job::new(job.kind) };
        alloc::trim();
        Progress::Done
    }

    fn reserve_sources(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        turn.reserve_sources();
        job.saving = self.begin_saving(Moment::After);
        Progress::Done
    }
}

impl Job {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            step: 0,
            at: 0,
            within: 0,
            start: None,
            reading: None,
            fresh: Fresh::default(),
            carried: Carried::default(),
            indexing: Indexing::default(),
            sorting: Sorting::default(),
            listing: Listing::default(),
            saving: None,
            failed: false,
        }
    }

    /// The next `slice` places of a list of `len` that the step walks; none when all have been walked.
    fn slice(&mut self, len: usize, slice: usize) -> Option<core::ops::Range<usize>> {
        let begin = self.at;
        (begin < len).then(|| {
            self.at = begin.saturating_add(slice).min(len);
            begin..self.at
        })
    }
}

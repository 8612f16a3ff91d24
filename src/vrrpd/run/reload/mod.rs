//! A reload: the difference between what runs and a new model, applied without disturbing what did not change.
//!
//! A reload is one piece of work in small steps ([`STEPS`]), which the loop calls one after the other; adverts that are due
//! leave in between, and nothing else happens until the last step is done. A step that walks a list does a slice of it
//! each time that the step is called.
//!
//! An instance is found again by router id, family, interface and kind of adverts, not by name; one whose adverts change
//! by router id, family, interface and name. It keeps its state and its timers, and its socket if that hears the same. An
//! address that moves between instances stays where it is.

mod carry;
mod place;
mod read;

use std::os::fd::OwnedFd;

use carry::Carried;
use read::Fresh;

use crate::child::bracket::{begin_reload, end_reload};
use crate::child::reading::Reading;
use crate::daemon::reactor::{Again, Turn};
use crate::sys::alloc;
use crate::sys::pages;
use crate::vrrpd::state::Vrrp;
use crate::vrrpd::status::Moment;

/// A reload under way.
pub(in crate::vrrpd) struct Reload {
    /// The step that is next.
    step: usize,
    /// The place in the list that the step walks, and in the list of that place.
    at: usize,
    within: usize,
    /// What the new model is read from.
    reading: Reading,
    /// What was made of the new model, and is not in force yet.
    fresh: Fresh,
    /// What goes on of before.
    carried: Carried,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// The step is to be called again.
    More,
    /// The next step is due.
    Done,
    /// The new configuration cannot be read: the one that runs stays in force.
    Failed,
}

/// A step.
type Step = fn(&mut Vrrp, &mut Turn<'_>, &mut Reload) -> Progress;

/// All steps, in order.
const STEPS: &[Step] = &[
    Vrrp::read_model,
    Vrrp::finish_reports,
    Vrrp::make_scripts,
    Vrrp::plan_interfaces,
    Vrrp::make_instances,
    Vrrp::make_groups,
    Vrrp::make_static_items,
    Vrrp::carry_scripts,
    Vrrp::index_instances,
    Vrrp::pair,
    Vrrp::index_names,
    Vrrp::pair_by_name,
    Vrrp::resign_removed,
    Vrrp::hand_over,
    Vrrp::exchange_trackers,
    Vrrp::exchange_instances,
    Vrrp::make_room,
    Vrrp::index_again,
    Vrrp::remove_abandoned,
    Vrrp::exchange_static_items,
    Vrrp::settle_objects,
    Vrrp::exchange_interfaces,
    Vrrp::exchange_firewall,
    Vrrp::watch_interfaces,
    Vrrp::list_interfaces,
    Vrrp::put_static_items,
    Vrrp::wait_where_asked,
    Vrrp::bring_up,
    Vrrp::discard_model,
    Vrrp::judge_groups,
    Vrrp::begin_instances,
    Vrrp::align_members,
    Vrrp::begin_trackers,
    Vrrp::begin_scripts,
    Vrrp::open_sockets,
    Vrrp::drop_left_objects,
    Vrrp::keep_states,
    Vrrp::save_after,
    Vrrp::trim,
    Vrrp::release_pages,
];

impl Vrrp {
    /// The parent has a new configuration: the loop takes up the work.
    pub(in crate::vrrpd) fn begin_reload(&mut self, turn: &mut Turn<'_>, fd: OwnedFd) {
        if !begin_reload(&mut self.process, turn) {
            return;
        }
        self.reload = Some(Box::new(Reload {
            step: 0,
            at: 0,
            within: 0,
            reading: Reading::Descriptor(fd),
            fresh: Fresh::default(),
            carried: Carried::default(),
        }));
    }

    /// Does the next slice of the reload.
    pub(super) fn work_on_reload(&mut self, turn: &mut Turn<'_>) -> Again {
        self.breathe(turn);
        let Some(mut reload) = self.reload.take() else { return Again::Done };
        // A stop that came with the reload goes first.
        let step = STEPS.get(reload.step).filter(|_| !self.process.stopping);
        let progress = step.map_or(Progress::Failed, |step| step(self, turn, &mut reload));
        match progress {
            Progress::More => {}
            Progress::Done => {
                reload.step += 1;
                (reload.at, reload.within) = (0, 0);
            }
            Progress::Failed => {
                end_reload(&mut self.process, turn, &self.model.global, false);
                return Again::Done;
            }
        }
        if reload.step < STEPS.len() {
            self.reload = Some(reload);
            return Again::More;
        }
        end_reload(&mut self.process, turn, &self.model.global, true);
        Again::Done
    }

    fn save_after(&mut self, turn: &mut Turn<'_>, _: &mut Reload) -> Progress {
        self.resize_queues();
        self.breathe(turn);
        turn.reserve_sources();
        self.save_state(turn, Moment::After);
        Progress::Done
    }

    /// The memory that the reload took goes back to the kernel.
    fn trim(&mut self, _: &mut Turn<'_>, reload: &mut Reload) -> Progress {
        (reload.fresh, reload.carried) = (Fresh::default(), Carried::default());
        alloc::trim();
        Progress::Done
    }

    fn release_pages(&mut self, _: &mut Turn<'_>, _: &mut Reload) -> Progress {
        pages::release();
        Progress::Done
    }
}

impl Reload {
    /// The next `slice` places of a list of `len` that the step walks; none when all have been walked.
    fn slice(&mut self, len: usize, slice: usize) -> Option<core::ops::Range<usize>> {
        let begin = self.at;
        (begin < len).then(|| {
            self.at = begin.saturating_add(slice).min(len);
            begin..self.at
        })
    }
}

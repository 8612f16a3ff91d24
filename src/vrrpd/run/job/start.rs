//! The steps of a start alone: what a dead predecessor left is sorted out, everything is opened, every instance begins.

use std::io;

use super::{Job, Progress};
use crate::base::id::{GroupId, InstanceId};
use crate::base::limit;
use crate::base::time::Instant;
use crate::daemon::ipc::ToParent;
use crate::daemon::reactor::Turn;
use crate::daemon::record::Records;
use crate::proto::vrrp::State;
use crate::vrrpd::items::{Adoption, Marked};
use crate::vrrpd::own::ledger::Left;
use crate::vrrpd::run::Vrrp;

/// What a start goes by.
pub(in crate::vrrpd::run) struct Start {
    /// When the child before this one died; none for the first one.
    pub(in crate::vrrpd::run) died: Option<Instant>,
    /// When the delay of instances at the start began; none: now.
    pub(in crate::vrrpd::run) begun: Option<Instant>,
    /// No other child of this daemon was before it.
    pub(in crate::vrrpd::run) first: bool,
    /// Another daemon runs on this machine, whatever its configuration.
    pub(in crate::vrrpd::run) another: bool,
    /// A daemon of the same configuration that runs on this machine.
    pub(in crate::vrrpd::run) twin: Option<i32>,
    /// The data dump is to be written to the log at the end.
    pub(in crate::vrrpd::run) dump: bool,
    /// What a predecessor left.
    pub(in crate::vrrpd::run) left: Left,
    /// What the child before this one reported; empty for the first one.
    pub(in crate::vrrpd::run) records: Records,
    /// The state that each instance goes on with, once the interfaces are there: making them may have taken so long that
    /// others have taken over.
    pub(in crate::vrrpd::run) adopt: Vec<Option<State>>,
}

impl Start {
    /// The state that an instance goes on with.
    pub(super) fn state(&self, id: InstanceId) -> Option<State> {
        self.adopt.get(id.index()).copied().flatten()
    }

    fn is_master(&self, id: InstanceId) -> bool {
        self.state(id) == Some(State::Master)
    }
}

/// What became of a step that asks the kernel for what it cannot do without.
fn done(result: io::Result<()>) -> Progress {
    result.map_or_else(Progress::Broken, |()| Progress::Done)
}

impl Vrrp {
    /// What the process before this one kept, and what instances track, is taken up.
    pub(super) fn take_up_trackers(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(start) = &job.start else { return Progress::Done };
        self.reserve_kept();
        self.take_up(turn.now(), start.died);
        self.trackers.watch_files(turn, &self.model, start.first);
        self.trackers.sessions.load(&self.model);
        self.trackers.processes.watch(turn, &self.model, &self.kept, true);
        self.lay_out(turn);
        Progress::Done
    }

    pub(super) fn inherit_fifos(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        if let Some(start) = &job.start {
            self.notifies.alerts.fifos.inherit(&start.left.fifos);
        }
        Progress::Done
    }

    pub(super) fn resume_letters(&mut self, turn: &mut Turn<'_>, _: &mut Job) -> Progress {
        self.resume_mail(turn);
        Progress::Done
    }

    pub(super) fn learn_links(&mut self, _: &mut Turn<'_>, _: &mut Job) -> Progress {
        done(self.list_links())
    }

    pub(super) fn adopt_statics(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(start) = &job.start else { return Progress::Done };
        self.pace();
        self.begin_hold(turn, start.begun);
        done(self.items.adopt_static_addresses(&self.links.table))
    }

    pub(super) fn adopt_states(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        if let Some(start) = &mut job.start {
            start.adopt = self.adopted(start.died, &start.records);
        }
        Progress::Done
    }

    /// Before an address is added, and before a macvlan has a group to report.
    pub(super) fn begin_firewall(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        if let Some(start) = &job.start {
            self.start_firewall(turn, &start.left, |id| start.is_master(id));
        }
        Progress::Done
    }

    pub(super) fn adopt_objects(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(start) = &job.start else { return Progress::Done };
        let masters: Vec<_> = self.ids().map(|id| start.is_master(id)).collect();
        // What the configuration does not name cannot be another daemon's: that would be running. A child that takes
        // over for a dead one does not look for more than its own.
        let alone = start.first && !start.another;
        let adoption = Adoption { statics: true, masters: &masters, alone };
        let adopted = self.items.adopt_objects(&mut self.routers.instances, &self.links.table, adoption);
        if let Err(error) = adopted {
            return Progress::Broken(error);
        }
        self.add_statics(turn);
        self.promote_secondaries();
        self.items.watch(turn, &self.routers.instances);
        // What was heard until now is older than what is listed next: a macvlan that is not up yet would be a fault.
        self.links.discard();
        Progress::Done
    }

    pub(super) fn adopt_addresses(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(start) = &job.start else { return Progress::Done };
        if let Err(error) = self.remove_left_overs(&|id| start.is_master(id), start.twin) {
            return Progress::Broken(error);
        }
        if start.twin.is_some() {
            return Progress::Done;
        }
        done(self.items.delete_stale(&mut self.routers.instances, &self.links.table, Marked::Known))
    }

    pub(super) fn open_receivers(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(slice) = job.slice(self.routers.instances.len(), limit::INSTANCES_PER_SLICE) else {
            self.assign_sockets(turn);
            self.sockets.open_senders(&self.routers.instances);
            self.log_absent();
            return Progress::Done;
        };
        slice.map(InstanceId::at).for_each(|id| self.open_socket(turn, id));
        Progress::More
    }

    pub(super) fn judge_instances(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(slice) = job.slice(self.routers.instances.len(), limit::INSTANCES_PER_SLICE) else {
            return Progress::Done;
        };
        slice.map(InstanceId::at).for_each(|id| self.look_around(turn, id));
        Progress::More
    }

    pub(super) fn start_groups(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        self.routers.policy.set_rebuilding(false);
        let groups = job.slice(self.routers.groups.len(), usize::MAX);
        let (Some(groups), Some(start)) = (groups, &job.start) else { return Progress::Done };
        for id in groups.map(GroupId::at) {
            self.begin_group(turn, id, &start.adopt);
            if self.work.busy {
                job.at = id.index() + 1;
                break;
            }
        }
        Progress::More
    }

    /// Everything runs: that is reported to the parent.
    pub(super) fn report_ready(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        self.settle(turn);
        self.drop_untaken();
        self.notifies.alerts.fifos.flush();
        self.status.load(&self.model);
        self.follow_for_checkers();
        turn.reserve_sources();
        self.process.tuner.run(turn);
        turn.report(ToParent::Ready);
        turn.send_reports();
        if job.start.as_ref().is_some_and(|start| start.dump) {
            self.log_data(turn);
        }
        self.items.commands.set_takes_torn(false);
        if self.items.commands.take_torn() {
            self.links.listing_failed = true;
            self.arm_retry(turn);
        }
        Progress::Done
    }
}

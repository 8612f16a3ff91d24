//! The steps that give the instances of the new model their place in the kernel, and let them begin or go on.

use std::vec;

use super::{Job, Progress};
use crate::base::id::{GroupId, IfIndex, InstanceId, ScriptId};
use crate::base::limit;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::{Actions, Input, State};
use crate::vrrpd::items::{OfLink, Unsorted};
use crate::vrrpd::live::Instance;
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::run::listing::Listing;
use crate::vrrpd::slots::{Layout, Slot};

/// How far the index of the addresses of all instances has come.
#[derive(Default)]
pub(super) struct Indexing {
    /// The addresses gathered so far.
    unsorted: Unsorted,
    /// The addresses of the interfaces that are to be indexed yet.
    interfaces: vec::IntoIter<OfLink>,
}

impl Vrrp {
    pub(super) fn make_room(&mut self, turn: &mut Turn<'_>, _: &mut Job) -> Progress {
        self.reserve(turn);
        Progress::Done
    }

    pub(super) fn find_who_tracks(&mut self, _: &mut Turn<'_>, _: &mut Job) -> Progress {
        self.find_followers();
        self.items.notify_own = self.links.log_addresses || !self.trackers.sources.is_empty();
        Progress::Done
    }

    /// The addresses of all instances are gathered by interface.
    pub(super) fn gather_addresses(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(slice) = job.slice(self.routers.instances.len(), limit::INSTANCES_PER_SLICE) else {
            job.indexing.interfaces = self.items.index.begin(core::mem::take(&mut job.indexing.unsorted));
            return Progress::Done;
        };
        slice.map(InstanceId::at).for_each(|id| job.indexing.unsorted.add(&self.routers.instances, id));
        Progress::More
    }

    /// The addresses of one interface after the other are indexed: thousands take a while to put in order.
    pub(super) fn index_addresses(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(of_link) = job.indexing.interfaces.next() else {
            job.indexing = Indexing::default();
            return Progress::Done;
        };
        self.items.index.append(of_link);
        Progress::More
    }

    pub(super) fn open_alerts(&mut self, turn: &mut Turn<'_>, _: &mut Job) -> Progress {
        self.load_alerts(turn);
        Progress::Done
    }

    /// Removes the addresses of instances and lines that are no more, unless another instance has them now.
    pub(super) fn remove_abandoned(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        for _ in 0..limit::INSTANCES_PER_SLICE {
            let Some(mut old) = job.carried.leaving.take().or_else(|| job.carried.before.next()) else {
                self.commit_items(turn);
                return Progress::Done;
            };
            if let Some(objects) = old.objects.take() {
                self.items.abandon(*objects);
            }
            let begin = job.within;
            job.within = old.addresses.len().min(begin + limit::NETLINK_BATCH);
            for number in begin..job.within {
                self.leave_address(&old, number, job);
            }
            if job.within < old.addresses.len() {
                self.commit_batch();
                job.carried.leaving = Some(old);
                return Progress::More;
            }
            job.within = 0;
        }
        Progress::More
    }

    /// An address of an instance of before goes to the instance or the static item that has it now, or off.
    fn leave_address(&mut self, old: &Instance, number: usize, job: &mut Job) {
        let Some(moved) = old.addresses.get(number) else { return };
        let Some(link) = moved.link.filter(|_| moved.item.is_ours()) else { return };
        let successor = self.items.index.of(&self.routers.instances, link, moved.prefix.addr);
        let successor = successor.and_then(|(id, position)| {
            let position = usize::from(position);
            let instance = self.routers.instances.get_mut(id.index())?;
            let master = instance.router.state() == State::Master;
            let same = master && instance.is_same_address(position, old, number);
            same.then_some((id, position))
        });
        if let Some((id, position)) = successor {
            self.items.gain(&mut self.routers.instances, id, position, &moved.item);
        } else if !old.address(number, IfIndex(0)).is_some_and(|it| job.fresh.statics.take_over(link, &it)) {
            if let Some(known) = self.links.table.link(link) {
                report::address_dropped(&old.config.name, moved.prefix, &known.name);
            }
            self.items.note_deleted(link, moved.prefix);
            let (instances, links) = (&mut self.routers.instances, &self.links.table);
            self.items.delete_address_of(instances, links, old, number);
        }
    }

    pub(super) fn exchange_static_items(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        self.inherit_statics(core::mem::take(&mut job.fresh.statics));
        Progress::Done
    }

    /// What is not wanted any more goes first: it may have the hardware address of what is to be made.
    pub(super) fn exchange_interfaces(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        match &job.start {
            Some(start) => {
                self.widen_monitor();
                self.remove_left_owns(&start.left);
                self.stop_local_reports();
            }
            None => {
                self.replace_owns(core::mem::take(&mut job.fresh.plan));
                self.widen_monitor();
            }
        }
        // Before anybody looks whether they are there: a MASTER goes on on its new one.
        self.make_owns();
        Progress::Done
    }

    pub(super) fn exchange_firewall(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        self.renew_firewall(turn, &job.carried.kept);
        Progress::Done
    }

    pub(super) fn watch_interfaces(&mut self, turn: &mut Turn<'_>, _: &mut Job) -> Progress {
        self.watch_links(turn);
        Progress::Done
    }

    pub(super) fn list_interfaces(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        if self.list_more(turn, &mut job.listing) { Progress::More } else { Progress::Done }
    }

    /// Interfaces of the child's own that could be made only now that their bases are known: they are listed, too.
    pub(super) fn list_new_interfaces(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        if job.at == 0 {
            job.at = 1;
            if !self.make_owns() {
                return Progress::Done;
            }
            job.listing = Listing::default();
        }
        self.list_interfaces(turn, job)
    }

    /// What the kernel refused before it refused a list.
    pub(super) fn retry_refused(&mut self, turn: &mut Turn<'_>, _: &mut Job) -> Progress {
        self.retry_all(turn);
        Progress::Done
    }

    /// What interfaces of our own need of addresses.
    pub(super) fn address_interfaces(&mut self, _: &mut Turn<'_>, _: &mut Job) -> Progress {
        let (links, commands) = (&self.links.table, &mut self.items.commands);
        self.owns.put_addresses(links, commands);
        self.owns.copy_link_locals(links, commands, None);
        Progress::Done
    }

    pub(super) fn put_static_items(&mut self, turn: &mut Turn<'_>, _: &mut Job) -> Progress {
        self.add_statics(turn);
        self.pace();
        Progress::Done
    }

    /// What has to wait for the delay at the start, or for duplicate address detection, does.
    pub(super) fn wait_where_asked(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        self.plan_extras(turn, |id| job.carried.old(id));
        if let Some(start) = &job.start {
            // A child that takes over for a dead one does it at once or not at all.
            if start.died.is_none() {
                self.begin_detection(turn);
            }
            self.routers.policy.set_rebuilding(true);
            return Progress::Done;
        }
        self.hold(turn);
        if job.carried.kept.iter().any(Option::is_none) {
            self.begin_detection(turn);
        }
        Progress::Done
    }

    pub(super) fn bring_up(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(slice) = job.slice(self.routers.instances.len(), limit::INSTANCES_PER_SLICE) else {
            return Progress::Done;
        };
        for id in slice.map(InstanceId::at) {
            self.bring_up_one(turn, id, job.carried.went_on(id));
            if self.settle_if_laden(turn) {
                job.at = id.index() + 1;
                break;
            }
        }
        Progress::More
    }

    /// Nobody reads the model of before any more: it goes a little at a time.
    pub(super) fn discard_model(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        if let Some(model) = std::sync::Arc::get_mut(&mut job.carried.model)
            && !model.instances.is_empty()
        {
            model.instances.truncate(model.instances.len().saturating_sub(limit::INSTANCES_PER_SLICE));
            return Progress::More;
        }
        job.carried.model = std::sync::Arc::default();
        Progress::Done
    }

    /// Members that are about to begin, or that the reload brought together, hear what the others found out.
    pub(super) fn judge_groups(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(slice) = job.slice(self.routers.groups.len(), limit::INSTANCES_PER_SLICE) else {
            return Progress::Done;
        };
        for id in slice.map(GroupId::at) {
            self.refresh_group(turn, id);
            if self.work.busy {
                job.at = id.index() + 1;
                break;
            }
        }
        Progress::More
    }

    /// At a start all begin at one time of the loop: adverts that fall due together leave together.
    pub(super) fn begin_instances(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let most = if job.start.is_some() { usize::MAX } else { limit::INSTANCES_PER_SLICE };
        let Some(slice) = job.slice(self.routers.instances.len(), most) else {
            self.routers.policy.set_rebuilding(false);
            if job.start.is_some() {
                // The parent knows that an address owner is MASTER before the network does.
                self.settle(turn);
            }
            return Progress::Done;
        };
        for id in slice.map(InstanceId::at).filter(|id| !job.carried.went_on(*id)) {
            self.log_tracked_faults(id);
            self.log_detection(id);
            let adopt = job.start.as_ref().and_then(|start| start.state(id));
            if adopt == Some(State::Master) {
                self.log_taken_off(id);
            }
            self.drive(turn, id, Input::Start { adopt });
            if self.work.busy || job.start.is_none() && self.settle_if_laden(turn) {
                job.at = id.index() + 1;
                break;
            }
        }
        Progress::More
    }

    /// Members that came, went or were left agree again.
    pub(super) fn align_members(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(slice) = job.slice(self.routers.groups.len(), limit::INSTANCES_PER_SLICE) else {
            return Progress::Done;
        };
        for id in slice.map(GroupId::at) {
            if self.settle_if_laden(turn) {
                job.at = id.index();
                break;
            }
            self.align_group(turn, id, &|member| job.carried.went_on(member));
        }
        Progress::More
    }

    pub(super) fn begin_trackers(&mut self, turn: &mut Turn<'_>, _: &mut Job) -> Progress {
        self.resume_files(turn);
        self.resume_processes(turn);
        Progress::Done
    }

    pub(super) fn begin_scripts(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(slice) = job.slice(self.trackers.scripts.len(), limit::INSTANCES_PER_SLICE) else {
            self.advance_retired(turn);
            return Progress::Done;
        };
        slice.map(ScriptId::at).for_each(|id| self.script_due(turn, id));
        Progress::More
    }

    pub(super) fn open_sockets(&mut self, turn: &mut Turn<'_>, _: &mut Job) -> Progress {
        self.sockets.changed = true;
        self.assign_sockets(turn);
        Progress::Done
    }

    pub(super) fn open_senders(&mut self, turn: &mut Turn<'_>, _: &mut Job) -> Progress {
        self.sockets.open_senders(&self.routers.instances);
        self.promote_secondaries();
        self.tidy();
        self.settle(turn);
        Progress::Done
    }

    pub(super) fn keep_states(&mut self, _: &mut Turn<'_>, _: &mut Job) -> Progress {
        self.repeat_states();
        self.follow_for_checkers();
        self.reserve_kept();
        self.rekeep();
        Progress::Done
    }

    /// Makes the interfaces that are wanted now; whether one is new. That it was down for a moment is older than what is
    /// listed next.
    fn make_owns(&mut self) -> bool {
        let new = self.owns.ensure_all(&self.links.table, &mut self.items.commands);
        if new {
            self.links.discard();
        }
        new
    }

    /// Gives an instance of the new model its surroundings, and lets it go on.
    fn bring_up_one(&mut self, turn: &mut Turn<'_>, id: InstanceId, went_on: bool) {
        if let Some(instance) = self.routers.instances.get_mut(id.index()) {
            instance.refresh_local(&self.links.table);
        }
        self.open_socket(turn, id);
        if !went_on {
            // Nothing follows from it before the instance begins.
            let _ = self.tune(turn, id);
            self.refresh(turn, id);
            return;
        }
        let mut out = Actions::new();
        if let Some(instance) = self.routers.instances.get_mut(id.index()) {
            let params = self.trackers.by_hand.params(&instance.config);
            let announced = u16::try_from(instance.addresses.len()).unwrap_or(u16::MAX);
            let changed = core::mem::take(&mut instance.advert.changed);
            instance.router.reconfigure(turn.now(), params, announced, changed, &mut out);
        }
        self.act(turn, id, &out);
        let Some(instance) = self.routers.instances.get_mut(id.index()) else {
            return;
        };
        let add = instance.is_to_add();
        if add || self.items.has_gained(id) {
            instance.router.announce_again(turn.now());
            self.touch(id, |pending| {
                pending.add |= add;
                pending.announce = true;
            });
        }
        if self.instance(id).is_some_and(Instance::lacks_object) {
            self.touch(id, |pending| pending.add = true);
        }
        let (announce, notify) = self.instance(id).map_or((None, None), |instance| {
            (
                instance.router.announce_at(),
                instance.notifier.as_ref().and_then(|notifier| notifier.poll_at()),
            )
        });
        turn.set_deadline(self.work.layout.number(Slot::Announce(id)), announce);
        turn.set_deadline(self.work.layout.number(Slot::Notify(id)), notify);
        self.advance_notify(turn, id);
        self.refresh(turn, id);
    }

    /// A slot for each deadline.
    pub(super) fn lay_out(&mut self, turn: &mut Turn<'_>) {
        // What is to be tried again, and the wait for duplicate address detection, go on.
        let kept = [Slot::Retry, Slot::Detection];
        let deadlines = kept.map(|slot| turn.deadline(self.work.layout.number(slot)));
        for slot in 0..u32::try_from(self.work.layout.len()).unwrap_or(0) {
            turn.set_deadline(slot, None);
        }
        self.work.layout = Layout::new(
            self.routers.instances.len(),
            self.routers.groups.len(),
            self.trackers.scripts.len(),
            self.trackers.files.len(),
            self.trackers.processes.len(),
        );
        turn.resize_deadlines(self.work.layout.len());
        for (slot, at) in kept.into_iter().zip(deadlines) {
            turn.set_deadline(self.work.layout.number(slot), at);
        }
    }

    /// Room in the lists that work goes through.
    fn reserve(&mut self, turn: &mut Turn<'_>) {
        let objects = self.routers.instances.len() + self.routers.groups.len();
        turn.reserve_reports(objects);
        let count = self.routers.instances.len();
        self.work.reserve(count);
        self.items.reserve(count);
        self.sockets.reserve(count);
        self.announcer.reserve();
        self.notifies.reserve(objects, self.trackers.scripts.len());
    }
}

//! A reload: the difference between what runs and a new model, applied without disturbing what did not change.
//!
//! An instance is found again by router id, family, interface and kind of adverts, not by name; one whose adverts change
//! by router id, family, interface and name. It keeps its state and its timers, and its socket if that hears the same. An
//! address that moves between instances stays where it is.

use core::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::pause::{ADDRESSES_A_SLICE, SLICE};
use crate::base::addr::{IpAddr, Prefix};
use crate::base::id::{IfIndex, InstanceId, LinkId, ScriptId};
use crate::base::limit;
use crate::config::model::Model;
use crate::config::model::instance::OldChecksum;
use crate::daemon::reactor::Turn;
use crate::notify::Resolver;
use crate::proto::vrrp::{Action, Actions, Event, Input, Peer, State};
use crate::sys::process;
use crate::vrrpd::build;
use crate::vrrpd::live::notify::NotifyState;
use crate::vrrpd::live::{Held, Instance};
use crate::vrrpd::notifies::{Object, Purpose};
use crate::vrrpd::objects::Fixed;
use crate::vrrpd::slots::{Layout, Slot};
use crate::vrrpd::state::Vrrp;

impl Vrrp {
    /// Replaces the model in force.
    pub(in crate::vrrpd) fn apply(&mut self, turn: &mut Turn<'_>, model: Arc<Model>) {
        self.settle(turn);
        let resolver = Resolver::new(&model.global);
        let mut broken = Vec::new();
        let mut scripts = build::scripts(&model, turn.now(), &resolver, &mut broken);
        self.breathe(turn);
        let plan = self.plan_owns(&model);
        self.breathe(turn);
        let mut fresh = Vec::with_capacity(model.instances.len());
        while fresh.len() < model.instances.len() {
            let (slice, links) = (fresh.len()..fresh.len() + SLICE, &mut self.links.table);
            let slice = build::instances(&model, slice, links, &scripts, &resolver, &mut broken, &plan);
            fresh.extend(slice);
            self.breathe(turn);
        }
        let groups = build::groups(&model, &resolver, &mut broken);
        self.breathe(turn);
        crate::vrrpd::report::broken(&broken);
        let mut fixed = Fixed::new(&model, &mut self.links.table);
        self.breathe(turn);
        let script_ids = self.carry_scripts(turn, &mut scripts, &model);
        let kept = self.pair(turn, &fresh);
        self.routers.policy.set_rebuilding(true);
        let instance_ids = ids_after(&kept, self.routers.instances.len());
        self.resign_removed(turn, &instance_ids, &fresh);
        self.hand_over(turn, &mut fresh, &kept);
        let old = core::mem::replace(&mut self.model, model);
        self.carry_groups(turn, &old, groups);
        self.trackers.scripts = scripts;
        self.watch_files(turn, true);
        self.watch_processes(turn, false);
        self.breathe(turn);
        // From here to the deadlines nothing can be sent: it is as short as can be.
        let mut before = core::mem::replace(&mut self.routers.instances, fresh);
        for (instance, old) in self.routers.instances.iter_mut().zip(&kept) {
            if let Some(old) = old.and_then(|id| before.get_mut(id.index())) {
                go_on(instance, old);
            }
        }
        self.lay_out(turn);
        self.rearm_machines(turn);
        self.breathe(turn);
        self.rename_children(&script_ids, &instance_ids);
        self.reserve(turn);
        self.load_alerts(turn);
        self.breathe(turn);
        self.remove_abandoned(turn, before, &mut fixed);
        self.inherit_fixed(fixed);
        self.breathe(turn);
        self.find_shared(turn);
        self.settle_abandoned(turn);
        self.plan_replacements(turn);
        self.replace_owns(plan);
        self.widen_monitor();
        // Before anybody looks whether they are there: a MASTER goes on on its new one.
        self.make_owns();
        self.breathe(turn);
        self.renew_firewall(turn, &kept);
        self.breathe(turn);
        self.watch_links(turn);
        self.breathe(turn);
        self.resync_links(turn);
        if self.make_owns() {
            self.resync_links(turn);
        }
        self.breathe(turn);
        self.put_own_addresses();
        self.copy_link_locals(None);
        self.breathe(turn);
        self.put_fixed(turn);
        self.pace();
        self.breathe(turn);
        self.plan_extras(turn, |id| kept.get(id.index()).copied().flatten());
        self.hold(turn);
        let went_on = |id: InstanceId| kept.get(id.index()).copied().flatten().is_some();
        if kept.iter().any(Option::is_none) {
            self.begin_detection(turn);
        }
        self.arm_detection(turn);
        for id in self.ids() {
            self.bring_up(turn, id, went_on(id));
            self.settle_a_slice(turn);
            self.breathe_at(turn, id.index());
        }
        // Now nobody reads it any more.
        self.discard(turn, old);
        self.refresh_groups(turn);
        self.breathe(turn);
        for id in self.ids().filter(|id| !went_on(*id)) {
            self.tell_tracked_faults(id);
            self.tell_detection(id);
            self.drive(turn, id, Input::Start { adopt: None });
            self.settle_a_slice(turn);
        }
        self.routers.policy.set_rebuilding(false);
        self.align_groups(turn, &went_on);
        self.breathe(turn);
        self.resume_files(turn);
        self.resume_processes(turn);
        for position in 0..self.trackers.scripts.len() {
            self.script_due(turn, ScriptId::at(position));
            self.breathe_at(turn, position);
        }
        self.advance_retired(turn);
        self.sockets.changed = true;
        self.assign_sockets(turn);
        self.breathe(turn);
        self.sockets.open_senders(&self.routers.instances);
        self.promote_secondaries();
        self.tidy();
        self.settle(turn);
        self.breathe(turn);
        self.drop_abandoned(turn);
        self.watch_objects(turn);
        self.settle(turn);
        self.repeat_states();
        self.reserve_kept();
        self.rekeep();
        self.breathe(turn);
    }

    /// Makes the interfaces that are wanted now; whether one is new. That it was down for a moment is older than what is
    /// listed next.
    fn make_owns(&mut self) -> bool {
        let new = self.ensure_owns();
        if new {
            self.links.monitor.discard();
        }
        new
    }

    /// What is not needed any more goes a little at a time.
    fn discard(&mut self, turn: &mut Turn<'_>, model: Arc<Model>) {
        let Some(mut model) = Arc::into_inner(model) else { return };
        let mut count = 0;
        while let Some(instance) = model.instances.pop() {
            drop(instance);
            count += 1;
            self.breathe_at(turn, count);
        }
        drop(model);
        self.breathe(turn);
    }

    /// For each new instance the one that runs already, if there is one.
    fn pair(&mut self, turn: &mut Turn<'_>, fresh: &[Instance]) -> Vec<Option<InstanceId>> {
        let mut running: HashMap<_, Vec<InstanceId>> = HashMap::with_capacity(self.routers.instances.len());
        for id in self.ids() {
            self.breathe_at(turn, id.index());
            let Some(before) = self.instance(id) else { continue };
            running.entry(build::identity(before)).or_default().push(id);
        }
        let mut kept = Vec::with_capacity(fresh.len());
        for (position, after) in fresh.iter().enumerate() {
            self.breathe_at(turn, position);
            let likeness = |id: InstanceId| {
                let Some(before) = self.instance(id) else { return (0, false) };
                let common = |peer: &&Peer| before.peers.iter().any(|other| other.addr == peer.addr);
                (after.peers.iter().filter(common).count(), before.config.name == after.config.name)
            };
            kept.push(running.get_mut(&build::identity(after)).and_then(|alike| {
                // Unicast instances with one router id and one source differ by their peers.
                let best = match alike.len() {
                    0 | 1 => 0,
                    many => (0..many).max_by_key(|at| alike.get(*at).map(|id| likeness(*id)))?,
                };
                (best < alike.len()).then(|| alike.swap_remove(best))
            }));
        }
        self.pair_by_name(turn, fresh, &mut kept);
        kept
    }

    /// One whose adverts come from or go elsewhere now is the same router for all that has its name: it was MASTER or
    /// BACKUP of the others on its link, and goes on as that.
    fn pair_by_name(&mut self, turn: &mut Turn<'_>, fresh: &[Instance], kept: &mut [Option<InstanceId>]) {
        let taken: HashSet<InstanceId> = kept.iter().copied().flatten().collect();
        let key = |instance: &Instance| (build::place(instance), instance.config.name.clone());
        let left = self.ids().filter(|id| !taken.contains(id));
        let mut left: HashMap<_, _> =
            left.filter_map(|id| self.instance(id).map(|before| (key(before), id))).collect();
        let new = fresh.iter().zip(kept).enumerate().filter(|(_, (_, old))| old.is_none());
        for (position, (after, old)) in new {
            self.breathe_at(turn, position);
            if left.is_empty() {
                return;
            }
            *old = left.remove(&key(after));
        }
    }

    /// What instances that go on have in the kernel is their successors' now; what stays with them is wanted no more.
    fn hand_over(&mut self, turn: &mut Turn<'_>, fresh: &mut [Instance], kept: &[Option<InstanceId>]) {
        for (position, (after, old)) in fresh.iter_mut().zip(kept).enumerate() {
            self.breathe_at(turn, position);
            let Some(id) = *old else { continue };
            let mut places = Places::default();
            for begin in (0..after.addresses.len()).step_by(ADDRESSES_A_SLICE) {
                if let Some(before) = self.routers.instances.get_mut(id.index()) {
                    inherit_addresses(after, before, begin, &mut places);
                }
                if begin > 0 {
                    self.breathe(turn);
                }
            }
            if let Some(before) = self.routers.instances.get_mut(id.index()) {
                inherit(after, before);
            }
        }
    }

    /// Instances that the new model does not have step down, and those that are other routers in it; their addresses
    /// wait, for another may want them.
    fn resign_removed(&mut self, turn: &mut Turn<'_>, after: &[Option<InstanceId>], fresh: &[Instance]) {
        if after.iter().all(Option::is_some) {
            return;
        }
        let names: HashSet<&str> = fresh.iter().map(|instance| instance.config.name.as_str()).collect();
        for id in self.ids() {
            if after.get(id.index()).copied().flatten().is_some() {
                continue;
            }
            self.breathe_at(turn, id.index());
            let mut out = Actions::new();
            let Some(instance) = self.instance_mut(id) else {
                continue;
            };
            instance.router.handle(turn.now(), Input::Stop, &mut out);
            let stays = names.contains(instance.config.name.as_str());
            let deleted = instance.config.notify.deleted && !stays;
            let state = if deleted { NotifyState::Deleted } else { NotifyState::Fault };
            let priority = instance.router.machine().effective_priority();
            if let Some(notifier) = &mut instance.notifier {
                notifier.enter(state.jobs(priority));
            }
            crate::vrrpd::report::removed(&instance.config.name, stays);
            if out.contains(&Action::Report(Event::ZeroSent)) {
                crate::vrrpd::report::zero_sent(&instance.config.name);
            }
            self.send_only(id, &out);
            self.alert(turn, id, state, priority);
            self.advance_notify(turn, id);
            self.retire_notifier(turn, id);
            self.forget_record(turn, id);
        }
        self.sockets.flush(&self.kept.keep);
        // They are named by the numbers of before.
        self.sockets.log_failures(&mut self.routers.instances);
    }

    /// Takes over the verdicts of scripts, and the runs of those whose command is the same. The new id of each old script.
    fn carry_scripts(
        &mut self,
        turn: &mut Turn<'_>,
        scripts: &mut [crate::vrrpd::state::TrackScript],
        model: &Model,
    ) -> Vec<Option<ScriptId>> {
        let mut ids = vec![None; self.trackers.scripts.len()];
        let names = self.trackers.scripts.iter().enumerate();
        let names: HashMap<String, usize> = names.map(|(old, script)| (script.name.clone(), old)).collect();
        for (position, after) in scripts.iter_mut().enumerate() {
            self.breathe_at(turn, position);
            let Some(&old) = names.get(&after.name) else { continue };
            let Some(before) = self.trackers.scripts.get_mut(old) else { continue };
            let same =
                matches!((&before.command, &after.command), (Some(a), Some(b)) if build::same_command(a, b));
            if !same {
                after.machine.inherit(&before.machine);
                continue;
            }
            let Some(params) = model.scripts.get(position).map(|script| script.params.clone()) else {
                continue;
            };
            after.note = before.note;
            after.machine = before.machine.clone();
            after.machine.reconfigure(turn.now(), params);
            after.pid = before.pid.take();
            if let Some(id) = ids.get_mut(old) {
                *id = Some(ScriptId::at(position));
            }
        }
        // What runs for a script that is no more has nobody to tell.
        for before in &self.trackers.scripts {
            if let Some(pid) = before.pid {
                process::kill_group(pid, libc::SIGTERM);
            }
        }
        ids
    }

    fn rename_children(&mut self, scripts: &[Option<ScriptId>], instances: &[Option<InstanceId>]) {
        self.notifies.scripts.rename(|purpose| match purpose {
            Purpose::Own(id) => {
                scripts.get(id.index()).copied().flatten().map_or(Purpose::Nothing, Purpose::Own)
            }
            Purpose::Notify(Object::Instance(id)) => {
                let id = instances.get(id.index()).copied().flatten();
                id.map_or(Purpose::Nothing, |id| Purpose::Notify(id.into()))
            }
            other => other,
        });
    }

    /// Deadlines, work lists and the index of addresses for the instances of now.
    pub(in crate::vrrpd) fn resize(&mut self, turn: &mut Turn<'_>) {
        self.lay_out(turn);
        self.reserve(turn);
    }

    /// A slot for each deadline.
    fn lay_out(&mut self, turn: &mut Turn<'_>) {
        // What is to be tried again need not be among what changes.
        let retry = turn.deadline(self.work.layout.number(Slot::Retry));
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
        turn.set_deadline(self.work.layout.number(Slot::Retry), retry);
    }

    /// Work lists and indexes.
    fn reserve(&mut self, turn: &mut Turn<'_>) {
        let objects = self.routers.instances.len() + self.routers.groups.len();
        turn.reserve_reports(objects);
        let count = self.routers.instances.len();
        self.work.reserve(count);
        self.items.reserve(count);
        self.sockets.reserve(count);
        self.announcer.reserve();
        self.items.network.reserve();
        self.notifies.reserve(objects, self.trackers.scripts.len());
        self.breathe(turn);
        self.find_followers();
        self.breathe(turn);
        self.index_owners(turn);
    }

    /// Removes the addresses of instances and lines that are no more, unless another instance has them now.
    fn remove_abandoned(&mut self, turn: &mut Turn<'_>, before: Vec<Instance>, fixed: &mut Fixed) {
        for (position, mut old) in before.into_iter().enumerate() {
            self.breathe_at(turn, position);
            if let Some(objects) = old.objects.take() {
                self.abandon(*objects);
            }
            for (number, moved) in old.addresses.iter().enumerate() {
                if (number + 1).is_multiple_of(limit::NETLINK_BATCH) {
                    self.commit_batch();
                    self.breathe(turn);
                }
                let Some(link) = moved.link.filter(|_| moved.wanted.held.is_ours()) else { continue };
                let heir = self.items.owners.of(&self.routers.instances, link, moved.prefix.addr);
                let heir = heir.and_then(|(id, position)| {
                    let position = usize::from(position);
                    let instance = self.routers.instances.get_mut(id.index())?;
                    let master = instance.router.state() == State::Master;
                    let same = master && instance.is_same_address(position, &old, number);
                    same.then_some((id, position))
                });
                if let Some((id, position)) = heir {
                    self.gain(id, position, moved.wanted.held);
                } else if !old.address(number, IfIndex(0)).is_some_and(|it| fixed.take_over(link, &it)) {
                    if let Some(known) = self.links.table.link(link) {
                        crate::vrrpd::report::address_dropped(&old.config.name, moved.prefix, &known.name);
                    }
                    self.note_gone(link, moved.prefix);
                    self.delete_address(&old, number);
                }
            }
        }
        self.commit_addresses(turn);
    }

    /// Gives an instance of the new model its surroundings, and lets it go on.
    fn bring_up(&mut self, turn: &mut Turn<'_>, id: InstanceId, went_on: bool) {
        if let Some(instance) = self.routers.instances.get_mut(id.index()) {
            instance.refresh_local(&self.links.table);
        }
        self.open_socket(turn, id);
        if !went_on {
            self.refresh(turn, id);
            return;
        }
        let mut out = Actions::new();
        if let Some(instance) = self.routers.instances.get_mut(id.index()) {
            let params = instance.config.params.clone();
            let announced = u16::try_from(instance.addresses.len()).unwrap_or(u16::MAX);
            let changed = core::mem::take(&mut instance.advert_changed);
            instance.router.reconfigure(turn.now(), params, announced, changed, &mut out);
        }
        self.act(turn, id, &out);
        let Some(instance) = self.routers.instances.get_mut(id.index()) else {
            return;
        };
        let add = instance.is_to_add();
        if add || self.items.network.has_gained(id) {
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
}

/// Where the addresses of an instance stand, once somebody wants to know.
type Places = OnceCell<HashMap<(Option<LinkId>, Prefix), usize>>;

/// What an instance of before leaves to its successor in the kernel of a slice of the successor's addresses. It keeps
/// those that the successor does not have.
fn inherit_addresses(after: &mut Instance, before: &mut Instance, begin: usize, places: &mut Places) {
    let end = after.addresses.len().min(begin + ADDRESSES_A_SLICE);
    for position in begin..end {
        let Some(key) = after.addresses.get(position).map(|moved| (moved.link, moved.prefix)) else {
            continue;
        };
        let is_same = |old: &usize| {
            before
                .addresses
                .get(*old)
                .is_some_and(|moved| moved.wanted.held != Held::No || moved.wanted.refused.is_some())
                && after.is_same_address(position, before, *old)
        };
        // Most often it stands where it stood.
        let same = Some(position).filter(is_same);
        let same = same.or_else(|| {
            let all = || before.addresses.iter().enumerate();
            let places =
                places.get_or_init(|| all().map(|(old, moved)| ((moved.link, moved.prefix), old)).collect());
            places.get(&key).copied().filter(is_same)
        });
        let old = same.and_then(|old| before.addresses.get_mut(old));
        if let (Some(moved), Some(old)) = (after.addresses.get_mut(position), old) {
            moved.wanted.inherit(&mut old.wanted);
            (moved.wanted.refused, moved.refusals) = (old.wanted.refused, old.refusals);
        }
    }
}

/// The same of its routes and rules.
fn inherit(after: &mut Instance, before: &mut Instance) {
    if let (Some(objects), Some(old)) = (&mut after.objects, &mut before.objects) {
        objects.inherit(old);
    }
    fn carried(instance: &Instance) -> impl Iterator<Item = IpAddr> {
        instance.advertised().iter().map(|moved| moved.prefix.addr)
    }
    after.advert_changed = !carried(after).eq(carried(before));
}

/// An instance goes on as its successor.
fn go_on(after: &mut Instance, before: &mut Instance) {
    after.router.succeed(&mut before.router, after.config.sync_group.is_some());
    for peer in after.peers.iter_mut() {
        // What it was found to speak, unless the configuration says what it is.
        let known = before.peers.iter().find(|known| known.addr == peer.addr);
        let detected = after.config.old_unicast_checksum == OldChecksum::Detect
            && before.config.old_unicast_checksum == OldChecksum::Detect;
        peer.old_form |= detected && known.is_some_and(|known| known.old_form);
    }
    after.waiting = before.waiting.take();
    // Its adverts go on while the interfaces are still being sorted out.
    after.last_local = before.last_local;
    after.has_local = before.has_local;
    after.tentative = before.tentative;
    after.ip_id = before.ip_id;
    after.refused_advert = before.refused_advert;
    after.since = before.since;
    after.since_wall = before.since_wall;
    if let Some(before) = before.notifier.take_if(|notifier| notifier.is_busy()) {
        // Without scripts of its own any more it still sees to the end of the one under way.
        let after = after.notifier.get_or_insert_default();
        after.inherit(*before);
    }
}

/// The new id of each old instance.
fn ids_after(kept: &[Option<InstanceId>], before: usize) -> Vec<Option<InstanceId>> {
    let mut ids = vec![None; before];
    for (position, old) in kept.iter().enumerate() {
        if let Some(id) = old.and_then(|old| ids.get_mut(old.index())) {
            *id = Some(InstanceId::at(position));
        }
    }
    ids
}

//! The steps that find what goes on: the new instances take over from those that run, and take their place.

use core::cell::OnceCell;
use std::sync::Arc;

use super::{Job, Progress};
use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::id::{InstanceId, LinkId, ScriptId};
use crate::base::limit;
use crate::base::map::{Map, Set};
use crate::config::model::Model;
use crate::config::model::instance::OldChecksum;
use crate::daemon::ipc::ToParent;
use crate::daemon::reactor::Turn;
use crate::daemon::record::{self, Record};
use crate::proto::vrrp::{Action, Actions, Event, Input, Peer};
use crate::sys::process;
use crate::vrrpd::build::{self, Identity};
use crate::vrrpd::kept;
use crate::vrrpd::live::Instance;
use crate::vrrpd::live::notify::NotifyState;
use crate::vrrpd::notifies::{Object, Purpose};
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::run::records::forget;

/// What goes on of before.
#[derive(Default)]
pub(super) struct Carried {
    /// The instances that run, by what tells them apart.
    running: Map<Identity, Vec<InstanceId>>,
    /// Those that no new instance has taken over from, by link, router id and name.
    named: Map<(Place, String), InstanceId>,
    /// For each new instance the one that runs already, if there is one.
    pub(super) kept: Vec<Option<InstanceId>>,
    /// The new id of each old instance.
    ids: Vec<Option<InstanceId>>,
    /// The places of the old scripts, by name.
    script_places: Map<String, usize>,
    /// The new id of each old script.
    scripts: Vec<Option<ScriptId>>,
    /// Where the addresses of the instance stand that is handed over.
    places: Places,
    /// The names of all new instances, where an old one is no more.
    names: Set<String>,
    /// The instances of before that are still to be taken leave of, once the new ones have their place.
    pub(super) before: std::vec::IntoIter<Instance>,
    /// The one among them whose addresses are being looked through.
    pub(super) leaving: Option<Instance>,
    /// The model of before, once the new one is in force.
    pub(super) model: Arc<Model>,
}

/// A virtual router on a link.
type Place = (u8, Family, Option<LinkId>);

impl Carried {
    /// Whether an instance of the new model ran before.
    pub(super) fn went_on(&self, id: InstanceId) -> bool {
        self.old(id).is_some()
    }

    /// The id of before of an instance of the new model.
    pub(super) fn old(&self, id: InstanceId) -> Option<InstanceId> {
        self.kept.get(id.index()).copied().flatten()
    }
}

impl Vrrp {
    pub(super) fn index_scripts(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(slice) = job.slice(self.trackers.scripts.len(), limit::INSTANCES_PER_SLICE) else {
            job.carried.scripts = vec![None; self.trackers.scripts.len()];
            return Progress::Done;
        };
        for position in slice {
            if let Some(script) = self.trackers.scripts.get(position) {
                job.carried.script_places.insert(script.name.clone(), position);
            }
        }
        Progress::More
    }

    /// Takes over the verdicts of scripts, and the runs of those whose command is the same.
    pub(super) fn carry_scripts(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(slice) = job.slice(job.fresh.scripts.len(), limit::INSTANCES_PER_SLICE) else {
            job.carried.script_places = Map::new();
            self.kill_left_scripts();
            return Progress::Done;
        };
        for position in slice {
            let Some(after) = job.fresh.scripts.get_mut(position) else { continue };
            let Some(&old) = job.carried.script_places.get(&after.name) else { continue };
            let Some(before) = self.trackers.scripts.get_mut(old) else { continue };
            let same =
                matches!((&before.command, &after.command), (Some(a), Some(b)) if build::same_command(a, b));
            if !same {
                after.machine.inherit(&before.machine);
                continue;
            }
            let params = job.fresh.model.scripts.get(position).map(|script| script.params.clone());
            let Some(params) = params else { continue };
            after.note = before.note;
            after.machine = before.machine.clone();
            after.machine.reconfigure(turn.now(), params);
            after.pid = before.pid.take();
            if let Some(id) = job.carried.scripts.get_mut(old) {
                *id = Some(ScriptId::at(position));
            }
        }
        Progress::More
    }

    /// Ends the runs whose result no script of the new model takes.
    fn kill_left_scripts(&self) {
        for pid in self.trackers.scripts.iter().filter_map(|before| before.pid) {
            process::kill_group(pid, libc::SIGTERM);
        }
    }

    pub(super) fn index_instances(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(slice) = job.slice(self.routers.instances.len(), limit::INSTANCES_PER_SLICE) else {
            return Progress::Done;
        };
        for id in slice.map(InstanceId::at) {
            if let Some(before) = self.instance(id) {
                job.carried.running.change(build::identity(before), |alike| alike.push(id));
            }
        }
        Progress::More
    }

    /// Finds for each new instance the one that runs already as the same router and has a peer or the name in common with
    /// it: unicast instances with one router id and one source differ by their peers.
    pub(super) fn pair(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(slice) = job.slice(job.fresh.instances.len(), limit::INSTANCES_PER_SLICE) else {
            return Progress::Done;
        };
        let carried = &mut job.carried;
        for after in job.fresh.instances.get(slice).unwrap_or_default() {
            let likeness = |id: &InstanceId| {
                let Some(before) = self.instance(*id) else { return (0, false) };
                let common = |peer: &&Peer| before.peers.iter().any(|other| other.addr == peer.addr);
                (after.peers.iter().filter(common).count(), before.config.name == after.config.name)
            };
            carried.kept.push(carried.running.get_mut(&build::identity(after)).and_then(|alike| {
                let all = alike.iter().map(likeness).enumerate();
                let (best, _) =
                    all.filter(|(_, alike)| *alike != (0, false)).max_by_key(|(_, alike)| *alike)?;
                Some(alike.swap_remove(best))
            }));
        }
        Progress::More
    }

    /// A new instance without one takes one that runs as the same router, once those with something in common have theirs:
    /// its name or all its peers have changed.
    pub(super) fn pair_the_rest(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let Some(slice) = job.slice(job.fresh.instances.len(), limit::INSTANCES_PER_SLICE) else {
            return Progress::Done;
        };
        let carried = &mut job.carried;
        for position in slice {
            if let (Some(after), Some(old @ None)) =
                (job.fresh.instances.get(position), carried.kept.get_mut(position))
            {
                *old = carried.running.get_mut(&build::identity(after)).and_then(Vec::pop);
            }
        }
        Progress::More
    }

    /// Names the instances that no new one has taken over from, if there are new ones that have nothing.
    pub(super) fn index_names(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let carried = &mut job.carried;
        if job.at == 0 {
            carried.ids = ids_after(&carried.kept, self.routers.instances.len());
            if carried.kept.iter().all(Option::is_some) {
                return Progress::Done;
            }
        }
        let Some(slice) = job.slice(self.routers.instances.len(), limit::INSTANCES_PER_SLICE) else {
            return Progress::Done;
        };
        let carried = &mut job.carried;
        for id in slice.map(InstanceId::at).filter(|id| carried.ids.get(id.index()) == Some(&None)) {
            if let Some(before) = self.routers.instances.get(id.index()) {
                carried.named.insert((build::place(before), before.config.name.clone()), id);
            }
        }
        Progress::More
    }

    /// One whose adverts come from or go elsewhere now is the same router for all that has its name: it was MASTER or
    /// BACKUP of the others on its link, and goes on as that.
    pub(super) fn pair_by_name(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        if !job.carried.named.is_empty()
            && let Some(slice) = job.slice(job.fresh.instances.len(), limit::INSTANCES_PER_SLICE)
        {
            let (carried, fresh) = (&mut job.carried, &job.fresh.instances);
            for position in slice {
                if let (Some(after), Some(old @ None)) = (fresh.get(position), carried.kept.get_mut(position))
                {
                    *old = carried.named.remove(&(build::place(after), after.config.name.clone()));
                }
            }
            return Progress::More;
        }
        let carried = &mut job.carried;
        carried.ids = ids_after(&carried.kept, self.routers.instances.len());
        self.routers.policy.set_rebuilding(true);
        Progress::Done
    }

    /// Instances that the new model does not have step down, and those that are other routers in it; their addresses
    /// wait, for another may want them.
    pub(super) fn resign_removed(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        if job.at == 0 {
            if job.carried.ids.iter().all(Option::is_some) {
                return Progress::Done;
            }
            let names = job.fresh.instances.iter().map(|instance| instance.config.name.clone());
            job.carried.names = names.collect();
        }
        let slice = job.slice(self.routers.instances.len(), limit::INSTANCES_PER_SLICE);
        let Some(slice) = slice else { return Progress::Done };
        for id in slice.map(InstanceId::at).filter(|id| job.carried.ids.get(id.index()) == Some(&None)) {
            let mut out = Actions::new();
            let Some(instance) = self.instance_mut(id) else { continue };
            instance.router.handle(turn.now(), Input::Stop, &mut out);
            let name = &instance.config.name;
            let stays = job.carried.names.contains(name);
            let deleted = instance.config.notify.deleted && !stays;
            let state = if deleted { NotifyState::Deleted } else { NotifyState::Fault };
            let priority = instance.router.machine().effective_priority();
            if let Some(notifier) = &mut instance.notifier {
                notifier.enter(state.jobs(priority));
            }
            report::removed(&instance.config.name, stays);
            if out.contains(&Action::Report(Event::ZeroSent)) {
                report::zero_sent(&instance.config.name);
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
        Progress::More
    }

    /// What instances that go on have in the kernel is their successors' now; what stays with them is wanted no more.
    pub(super) fn hand_over(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let mut addresses = 0;
        while addresses < limit::ADDRESSES_PER_SLICE {
            let Some(after) = job.fresh.instances.get_mut(job.at) else { return Progress::Done };
            let old = job.carried.kept.get(job.at).copied().flatten();
            if let Some(before) = old.and_then(|id| self.routers.instances.get_mut(id.index())) {
                inherit_addresses(after, before, job.within, &mut job.carried.places);
                job.within += limit::ADDRESSES_PER_SLICE;
                if job.within < after.addresses.len() {
                    return Progress::More;
                }
                inherit(after, before);
                addresses += after.addresses.len();
            }
            job.carried.places = Places::default();
            addresses += limit::ADDRESSES_PER_SLICE / limit::INSTANCES_PER_SLICE;
            (job.at, job.within) = (job.at + 1, 0);
        }
        Progress::More
    }

    /// The new model is in force; its groups and trackers take their place.
    pub(super) fn exchange_trackers(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        job.carried.model = core::mem::replace(&mut self.model, Arc::clone(&job.fresh.model));
        job.fresh.model = Arc::default();
        self.carry_groups(turn, &job.carried.model, core::mem::take(&mut job.fresh.groups));
        self.trackers.scripts = core::mem::take(&mut job.fresh.scripts);
        self.trackers.watch_files(turn, &self.model, true);
        self.trackers.sessions.load(&self.model);
        self.trackers.processes.watch(turn, &self.model, &self.kept, false);
        Progress::Done
    }

    /// The new instances take their place, and their deadlines are armed: nothing can be sent before this is done. What
    /// the parent remembers of an instance by its name of before it remembers by the new one: a successor begins with that.
    pub(super) fn exchange_instances(&mut self, turn: &mut Turn<'_>, job: &mut Job) -> Progress {
        let fresh = core::mem::take(&mut job.fresh.instances);
        let mut before = core::mem::replace(&mut self.routers.instances, fresh);
        let mut renamed = Vec::new();
        for (instance, old) in self.routers.instances.iter_mut().zip(&job.carried.kept) {
            if let Some(old) = old.and_then(|id| before.get_mut(id.index())) {
                go_on(instance, old);
                if old.config.name != instance.config.name {
                    forget(turn, record::key(&old.config.name));
                    let state = kept::state_of_record(instance.router.state());
                    renamed.push(Record::new(record::key(&instance.config.name), state));
                }
            }
        }
        // Two instances may have exchanged their names: all old ones are forgotten before.
        renamed.into_iter().for_each(|record| turn.report(ToParent::Transition(record)));
        job.carried.before = before.into_iter();
        self.lay_out(turn);
        self.rearm_machines(turn);
        Progress::Done
    }

    /// Scripts that run for an object of before run for the one of now.
    pub(super) fn rename_scripts(&mut self, _: &mut Turn<'_>, job: &mut Job) -> Progress {
        let carried = &job.carried;
        self.notifies.scripts.rename(|purpose| match purpose {
            Purpose::Own(id) => {
                let id = carried.scripts.get(id.index()).copied().flatten();
                id.map_or(Purpose::Nothing, Purpose::Own)
            }
            Purpose::Notify(Object::Instance(id)) => {
                let id = carried.ids.get(id.index()).copied().flatten();
                id.map_or(Purpose::Nothing, |id| Purpose::Notify(id.into()))
            }
            other => other,
        });
        Progress::Done
    }
}

/// Where the addresses of an instance stand, once somebody wants to know.
type Places = OnceCell<Map<(Option<LinkId>, Prefix), usize>>;

/// What an instance of before leaves to its successor in the kernel of a slice of the successor's addresses. It keeps
/// those that the successor does not have.
fn inherit_addresses(after: &mut Instance, before: &mut Instance, begin: usize, places: &mut Places) {
    let end = after.addresses.len().min(begin + limit::ADDRESSES_PER_SLICE);
    for position in begin..end {
        let Some(key) = after.addresses.get(position).map(|moved| (moved.link, moved.prefix)) else {
            continue;
        };
        let is_same = |old: &usize| {
            before
                .addresses
                .get(*old)
                .is_some_and(|moved| !moved.item.is_absent() || moved.item.refused().is_some())
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
            moved.item.inherit(&mut old.item);
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
    after.advert.changed = !carried(after).eq(carried(before));
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
    after.source.last = before.source.last;
    after.source.is_there = before.source.is_there;
    after.source.tentative = before.source.tentative;
    after.advert.ip_id = before.advert.ip_id;
    after.advert.refused = before.advert.refused;
    after.entered.at = before.entered.at;
    after.entered.wall = before.entered.wall;
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

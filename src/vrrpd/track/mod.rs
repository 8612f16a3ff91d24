//! What speaks against an instance and what moves its priority, reckoned anew from what is true now.
//!
//! Every kind of tracker is an [`Object`] with something to say, a verdict or a number. What an instance tracks is a
//! list made at load time ([`tracking`]), and so is the list of who tracks an object ([`Followers`]). When an object
//! says something else, whoever follows it is reckoned anew.

mod file;
mod implied;
mod process;
mod report;
mod script;
mod source;

pub(super) use crate::proto::track::{Followers, Object, Tracked};
pub(super) use file::Files;
pub(super) use implied::implied;
pub(super) use process::Processes;
pub(super) use source::Sources;

use super::links::{Link, Links};
use super::live::Instance;
use super::report as lines;
use super::state::Vrrp;
use crate::base::addr::IpAddr;
use crate::base::id::{InstanceId, LinkId, ScriptId};
use crate::config::model;
use crate::config::model::track::{TrackedFile, TrackedInterface, TrackedProcess, TrackedScript};
use crate::daemon::reactor::Turn;
use crate::proto::track::{Effect, Verdict, Weight};
use crate::proto::vrrp::{Fault, Input, State, Total};

/// The lists of an instance or a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lists<'a> {
    pub(super) interfaces: &'a [TrackedInterface],
    pub(super) scripts: &'a [TrackedScript],
    pub(super) files: &'a [TrackedFile],
    pub(super) processes: &'a [TrackedProcess],
}

impl<'a> Lists<'a> {
    /// What an instance tracks itself.
    pub(super) fn of(instance: &'a model::Instance) -> Self {
        Self {
            interfaces: &instance.track_interfaces,
            scripts: &instance.track_scripts,
            files: &instance.track_files,
            processes: &instance.track_processes,
        }
    }

    /// What a group tracks for each of its members.
    pub(super) fn of_group(group: &'a model::Group) -> Self {
        Self {
            interfaces: &group.track_interfaces,
            scripts: &group.track_scripts,
            files: &group.track_files,
            processes: &group.track_processes,
        }
    }
}

/// What `lists` say, for [`Vrrp::total`]. `usable`: whether a script can run at all; one that cannot is not tracked.
pub(super) fn tracking(
    lists: Lists<'_>,
    links: &mut Links,
    usable: impl Fn(ScriptId) -> bool,
) -> Box<[Tracked]> {
    let interfaces = lists.interfaces.iter().map(|tracked| Tracked {
        object: Object::Link(links.named(&tracked.interface.name)),
        weight: tracked.weight,
    });
    let scripts = lists.scripts.iter().filter(|tracked| usable(tracked.script));
    let scripts =
        scripts.map(|tracked| Tracked { object: Object::Script(tracked.script), weight: tracked.weight });
    let files = lists.files.iter();
    let files = files.map(|tracked| Tracked { object: Object::File(tracked.of), weight: tracked.weight });
    let processes = lists.processes.iter();
    let processes =
        processes.map(|tracked| Tracked { object: Object::Process(tracked.of), weight: tracked.weight });
    interfaces.chain(scripts).chain(files).chain(processes).collect()
}

impl Vrrp {
    /// Reckons faults and priority of an instance anew and tells its machine what changed.
    pub(super) fn refresh(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        if instance.lacks_key() {
            self.arm_retry(turn);
        }
        let Some(instance) = self.instance(id) else { return };
        let Total { faults, pending, weights } = self.reckon(instance);
        let (faults, pending) = self.with_group(id, faults, pending);
        let machine = instance.router.machine();
        let changed = (machine.faults(), machine.is_pending()) != (faults, pending);
        let stays = machine.state() == State::Fault && machine.faults().shrinks_to(faults);
        // Whoever gives up says so with the priority that is known.
        let fails = machine.faults().is_empty() && !faults.is_empty();
        if !fails {
            self.set_weights(turn, id, weights);
        }
        if changed {
            self.drive(turn, id, Input::Faults { faults, pending });
        }
        if fails {
            self.set_weights(turn, id, weights);
        }
        if stays && let Some(instance) = self.instance(id) {
            lines::still_in_fault(&instance.config.name, &self.reasons(instance));
        }
    }

    fn set_weights(&mut self, turn: &mut Turn<'_>, id: InstanceId, weights: i32) {
        if self.instance(id).is_none_or(|instance| instance.router.weights() == weights) {
            return;
        }
        self.settle_before(turn, id);
        let mut out = crate::proto::vrrp::Actions::new();
        if let Some(instance) = self.instance_mut(id) {
            instance.router.set_weights(turn.now(), weights, &mut out);
        }
        self.act(turn, id, &out);
    }

    /// The reasons that hold now, whether a first result or the source of adverts is still awaited, and the sum of all
    /// weights in force.
    pub(super) fn reckon(&self, instance: &Instance) -> Total {
        let base = instance.base.or(instance.transmit).map(|id| self.links.table.link(id));
        let missing = matches!(base, Some(link) if link.is_none_or(|link| link.index.is_none()));
        let down = matches!(base, Some(Some(link)) if link.index.is_some() && !link.counts_up());
        // Its carrier is the base interface's.
        let own_missing = instance.own != instance.base
            && instance.own.is_some_and(|id| {
                let link = self.links.table.link(id);
                link.is_none_or(|link| link.index.is_none() || !link.wanted_up)
            });
        let sourceless = !missing && instance.local().is_none();
        let lacks_source = self.lacks_source(instance);
        let waits = (sourceless || lacks_source) && self.awaits_detection(instance);
        let tracked = self.total(&instance.tracking);
        let faults = tracked
            .faults
            .with(Fault::LinkMissing, missing)
            .with(Fault::LinkDown, down && !instance.config.dont_track_primary)
            .with(Fault::NoAddress, sourceless && !waits)
            .with(Fault::Vmac, own_missing && !missing)
            .with(Fault::Source, lacks_source && !waits)
            .with(Fault::Address, instance.cannot_serve())
            .with(Fault::NoPeer, instance.config.fault_no_peer)
            .with(Fault::Conflict, instance.config.conflict.is_some())
            .with(Fault::Socket, instance.socket_failed)
            .with(Fault::Key, instance.lacks_key());
        Total { faults, pending: tracked.pending || waits, ..tracked }
    }

    /// What everything in `tracking` comes to.
    pub(super) fn total(&self, tracking: &[Tracked]) -> Total {
        let mut total = Total::default();
        for tracked in tracking {
            let (fault, effect) = self.effect(*tracked);
            total.add(fault, effect);
        }
        total
    }

    /// What an object does now to who tracks it, and the name that a fault of it has.
    pub(super) fn effect(&self, tracked: Tracked) -> (Fault, Effect) {
        match tracked.object {
            Object::Link(id) => {
                let up = self.links.table.link(id).is_some_and(Link::counts_up);
                (Fault::TrackedLink, tracked.weight.of_verdict(Verdict::of(up)))
            }
            Object::Fixed(group) => {
                let verdict = Verdict::of(self.items.network.fixed.is_complete(group));
                (Fault::StaticItem, tracked.weight.of_verdict(verdict))
            }
            Object::Script(id) => {
                let script = self.trackers.scripts.get(id.index());
                let verdict = script.map_or(Verdict::Unknown, |script| script.machine.verdict());
                (Fault::Script, tracked.weight.of_verdict(verdict))
            }
            Object::Process(id) => {
                (Fault::Process, tracked.weight.of_verdict(self.trackers.processes.verdict(id)))
            }
            Object::File(id) => (Fault::File, tracked.weight.of_number(self.trackers.files.number(id))),
        }
    }

    /// An object says something else than before: whoever follows it is reckoned anew.
    pub(super) fn tracked_changed(&mut self, turn: &mut Turn<'_>, object: Object) {
        let mut position = 0;
        while let Some(id) = self.trackers.followers.of(object, position) {
            self.refresh(turn, id);
            position += 1;
        }
    }

    /// An instance is about to begin: tells the reasons for which it cannot that have a name of their own.
    pub(super) fn tell_tracked_faults(&self, id: InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        for tracked in &instance.tracking {
            let (_, effect) = self.effect(*tracked);
            match tracked.object {
                Object::File(file) => self.tell_file_fault(id, file, effect),
                Object::Process(process) => self.tell_process_fault(id, process, effect),
                Object::Link(_) | Object::Script(_) | Object::Fixed(_) => {}
            }
        }
    }

    /// The weight with which an instance tracks an object.
    fn weight_of(&self, id: InstanceId, object: Object) -> Option<Weight> {
        let tracked = self.instance(id)?.tracking.iter().find(|tracked| tracked.object == object)?;
        Some(tracked.weight)
    }

    /// Finds out anew who tracks what. For load time: allocates.
    pub(super) fn find_followers(&mut self) {
        self.trackers.sources.renew(self.routers.instances.iter());
        let instances = self.routers.instances.iter().enumerate();
        self.trackers.followers = Followers::new(
            instances.map(|(position, it)| (InstanceId::at(position), it.tracking.as_slice())),
        );
    }

    /// An address of the machine came or went: sources of adverts may have changed.
    pub(super) fn source_changed(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        self.copy_link_locals(Some(link));
        self.follow_locals(turn, link);
        for id in self.ids() {
            let Some(instance) = self.routers.instances.get_mut(id.index()) else {
                continue;
            };
            if instance.base != Some(link) && instance.own != Some(link) {
                continue;
            }
            let had: Option<IpAddr> = instance.local();
            if instance.refresh_local(&self.links.table) && had.is_none() {
                // With an address the interface may have become able to join the group.
                self.open_socket(turn, id);
            }
            self.refresh(turn, id);
        }
    }
}

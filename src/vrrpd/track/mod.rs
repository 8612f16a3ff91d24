//! What instances track.
//!
//! Every kind of tracker is an [`Object`] with something to say, a verdict or a number. What an instance tracks is a
//! list made at load time ([`tracking`]). When an object says something else, the policy judges each instance that tracks
//! it anew, by what is true then ([`Situation`]).

mod file;
mod implied;
mod process;
mod reasons;
mod report;
mod script;
mod situation;
mod source;

pub(super) use crate::proto::track::{Object, Tracked};
pub(super) use file::Files;
pub(super) use implied::implied;
pub(super) use process::Processes;
pub(super) use reasons::Reasons;
pub(super) use situation::Situation;
pub(super) use source::Sources;

use super::links::Links;
use super::state::Vrrp;
use crate::base::addr::IpAddr;
use crate::base::id::{InstanceId, LinkId, ScriptId};
use crate::config::model;
use crate::config::model::track::{TrackedFile, TrackedInterface, TrackedProcess, TrackedScript};
use crate::daemon::reactor::Turn;
use crate::proto::track::Weight;

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

/// What `lists` say. `usable`: whether a script can run at all; one that cannot is not tracked.
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
    /// An instance is about to begin: tells the reasons for which it cannot that have a name of their own.
    pub(super) fn tell_tracked_faults(&self, id: InstanceId) {
        let (Some(instance), situation) = (self.instance(id), self.situation()) else { return };
        for tracked in &instance.tracking {
            let effect = situation.effect(*tracked);
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
        self.routers.policy.find_followers(self.routers.instances.iter().map(|it| it.tracking.as_slice()));
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

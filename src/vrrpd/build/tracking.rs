//! What an instance or a sync group tracks, from the lists of the configuration.

use crate::base::id::ScriptId;
use crate::child::links::Links;
use crate::config::model;
use crate::config::model::track::{TrackedBfd, TrackedFile, TrackedInterface, TrackedProcess, TrackedScript};
use crate::proto::track::{Object, Tracked};

/// The lists of an instance or a group.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lists<'a> {
    pub(super) interfaces: &'a [TrackedInterface],
    pub(super) scripts: &'a [TrackedScript],
    pub(super) files: &'a [TrackedFile],
    pub(super) processes: &'a [TrackedProcess],
    pub(super) sessions: &'a [TrackedBfd],
}

impl<'a> Lists<'a> {
    /// What an instance tracks itself.
    pub(super) fn of(instance: &'a model::Instance) -> Self {
        Self {
            interfaces: &instance.track_interfaces,
            scripts: &instance.track_scripts,
            files: &instance.track_files,
            processes: &instance.track_processes,
            sessions: &instance.track_bfds,
        }
    }

    /// What a group tracks for each of its members.
    pub(super) fn of_group(group: &'a model::Group) -> Self {
        Self {
            interfaces: &group.track_interfaces,
            scripts: &group.track_scripts,
            files: &group.track_files,
            processes: &group.track_processes,
            sessions: &group.track_bfds,
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
    // Without a BFD child nobody would ever tell that a session is up.
    let sessions = lists.sessions.iter().filter(|_| cfg!(feature = "bfd"));
    let sessions =
        sessions.map(|tracked| Tracked { object: Object::Bfd(tracked.of), weight: tracked.weight });
    interfaces.chain(scripts).chain(files).chain(processes).chain(sessions).collect()
}

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

/// What `lists` say. `usable`: whether a script can run at all; one that cannot is not tracked. Loops, because a chain of
/// iterators over lists of five types is compiled anew for each of its links.
pub(super) fn tracking(
    lists: Lists<'_>,
    links: &mut Links,
    usable: &dyn Fn(ScriptId) -> bool,
) -> Vec<Tracked> {
    let mut found = Vec::new();
    let mut add = |object, weight| found.push(Tracked { object, weight });
    for tracked in lists.interfaces {
        add(Object::Link(links.named(&tracked.interface.name)), tracked.weight);
    }
    for tracked in lists.scripts.iter().filter(|tracked| usable(tracked.script)) {
        add(Object::Script(tracked.script), tracked.weight);
    }
    for tracked in lists.files {
        add(Object::File(tracked.of), tracked.weight);
    }
    for tracked in lists.processes {
        add(Object::Process(tracked.of), tracked.weight);
    }
    // Without a BFD child nobody would ever tell that a session is up.
    if cfg!(feature = "bfd") {
        for tracked in lists.sessions {
            add(Object::Bfd(tracked.of), tracked.weight);
        }
    }
    found
}

/// Whether one of them is of this object.
pub(super) fn tracks(list: &[Tracked], object: Object) -> bool {
    list.iter().any(|tracked| tracked.object == object)
}

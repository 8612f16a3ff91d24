//! What is remembered while objects are read: their names, and what can be completed only at the end.

use std::collections::{BTreeMap, BTreeSet};

use super::super::keyword::{Given, Object};
use super::super::model::Group;
use super::super::services;
use super::super::tree::Position;
use crate::base::id::{BfdId, FileId, ProcessId, ScriptId};

/// What can be completed only when all instances are known.
#[derive(Debug, Default)]
pub(in crate::config) struct Pending {
    /// Sync groups without their members.
    pub(in crate::config) groups: Vec<PendingGroup>,
    /// The members of each track group, by name.
    pub(in crate::config) track_groups: Vec<Vec<(String, Position)>>,
    /// What each instance says itself about what a group may say.
    pub(in crate::config) own: Vec<Own>,
}

/// A sync group without its members.
#[derive(Debug)]
pub(in crate::config) struct PendingGroup {
    /// The group.
    pub(in crate::config) group: Group,
    /// Its members, by name.
    pub(in crate::config) members: Vec<(String, Position)>,
    /// Where its keywords stand.
    pub(in crate::config) given: Given,
}

/// What an instance says itself about what a group may say.
#[derive(Clone, Copy, Debug)]
pub(in crate::config) struct Own {
    /// `notify_priority_changes`
    pub(in crate::config) priority_changes: Option<bool>,
}

/// Names of objects: sets and maps, so that thousands of objects are checked in linear time.
#[derive(Debug, Default)]
pub(in crate::config) struct Names {
    /// `vrrp_script`
    pub(in crate::config) scripts: Known<ScriptId>,
    /// `track_file`
    pub(in crate::config) files: Known<FileId>,
    /// `vrrp_track_process`
    pub(in crate::config) processes: Known<ProcessId>,
    /// `bfd_instance`
    pub(in crate::config) bfds: Known<BfdId>,
    /// What virtual servers and BFD sessions need.
    pub(in crate::config) services: services::Names,
    /// Sync groups so far.
    pub(super) groups: BTreeSet<String>,
}

/// The names of one kind of objects.
#[derive(Debug)]
pub(in crate::config) struct Known<Id> {
    /// Those of the whole text.
    pub(super) anywhere: BTreeSet<String>,
    /// Those so far that can be used.
    pub(super) so_far: BTreeMap<String, Id>,
}

impl<Id> Default for Known<Id> {
    fn default() -> Self {
        Self { anywhere: BTreeSet::new(), so_far: BTreeMap::new() }
    }
}

impl<Id: Copy> Known<Id> {
    /// The object of this name, if it was read already.
    pub(in crate::config) fn find(&self, name: &str) -> Option<Id> {
        self.so_far.get(name).copied()
    }

    /// Adds an object that can be used.
    pub(in crate::config) fn add(&mut self, name: &str, id: Id) {
        self.so_far.insert(name.to_owned(), id);
    }

    /// Whether an object of this name stands anywhere.
    pub(in crate::config) fn is_anywhere(&self, name: &str) -> bool {
        self.anywhere.contains(name)
    }
}

/// Objects whose names are looked at between two pauses.
const OBJECTS_A_SLICE: usize = 256;

impl Names {
    /// The names of the whole text.
    pub(super) fn collect(objects: &[Object<'_>], pause: &mut dyn FnMut()) -> Self {
        let mut names = Self::default();
        for (position, object) in objects.iter().enumerate() {
            if position.is_multiple_of(OBJECTS_A_SLICE) {
                pause();
            }
            let Some(name) = object.node.word(1) else { continue };
            let kind = match object.node.keyword().text {
                "vrrp_script" => &mut names.scripts.anywhere,
                "track_file" | "vrrp_track_file" => &mut names.files.anywhere,
                "vrrp_track_process" => &mut names.processes.anywhere,
                "bfd_instance" => &mut names.bfds.anywhere,
                _ => continue,
            };
            kind.insert(name.text.to_owned());
        }
        names
    }
}

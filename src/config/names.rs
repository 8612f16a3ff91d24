//! What is remembered while objects are read: their names, and what can be completed only at the end.

use super::keyword::{Given, Object};
use super::model::Group;
use super::tree::{Place, Position, Tree};
use crate::base::addr::IpAddr;
use crate::base::digest;
use crate::base::id::{BfdId, FileId, ProcessId, ScriptId};
use crate::base::map::{Map, Set};
use crate::base::name::IfName;

/// What can be completed only when all instances are known.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Sync groups without their members.
    pub(super) groups: Vec<PendingGroup>,
    /// The members of each track group, by name.
    pub(super) track_groups: Vec<Vec<(String, Position)>>,
    /// What each instance says itself about what a group may say.
    pub(super) own: Vec<OwnNotices>,
}

/// A sync group without its members.
#[derive(Debug)]
pub(super) struct PendingGroup {
    /// The group.
    pub(super) group: Group,
    /// Its members, by name.
    pub(super) members: Vec<(String, Position)>,
    /// Where its keywords stand.
    pub(super) given: Given,
}

/// What an instance says itself about what a group may say.
#[derive(Clone, Copy, Debug)]
pub(super) struct OwnNotices {
    /// `notify_priority_changes`
    pub(super) priority_changes: Option<bool>,
}

/// Names of objects: sets and maps, so that thousands of objects are checked in linear time.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// `vrrp_script`
    pub(super) scripts: Known<ScriptId>,
    /// `track_file`
    pub(super) files: Known<FileId>,
    /// `vrrp_track_process`
    pub(super) processes: Known<ProcessId>,
    /// `bfd_instance`
    pub(super) bfds: Known<BfdId>,
    /// What virtual servers and BFD sessions need.
    pub(super) services: ServiceNames,
    /// Sync groups so far.
    pub(super) groups: Set<String>,
}

/// Names and addresses of virtual servers and BFD sessions that were used so far.
#[derive(Debug, Default)]
pub(super) struct ServiceNames {
    /// BFD sessions.
    pub(super) sessions: SessionNames,
    /// Groups of the model.
    pub(super) groups: Map<String, usize>,
    /// How many services of each group there were.
    pub(super) uses: Map<String, u32>,
}

/// Names and addresses of BFD sessions that were used so far.
#[derive(Debug, Default)]
pub(super) struct SessionNames {
    /// Names of blocks, those that are not used included.
    pub(super) all: Set<String>,
    /// Both ends of sessions.
    pub(super) ends: Set<(Option<IpAddr>, IpAddr, Option<IfName>)>,
}

/// The names of one kind of objects.
#[derive(Debug)]
pub(super) struct Known<Id> {
    /// Those of the whole text.
    pub(super) anywhere: Set<String>,
    /// Those so far that can be used.
    pub(super) so_far: Map<String, Id>,
}

impl<Id> Default for Known<Id> {
    fn default() -> Self {
        Self { anywhere: Set::new(), so_far: Map::new() }
    }
}

impl<Id: Copy> Known<Id> {
    /// The object of this name, if it was read already.
    pub(super) fn find(&self, name: &str) -> Option<Id> {
        self.so_far.get(name).copied()
    }

    /// Adds an object that can be used.
    pub(super) fn add(&mut self, name: &str, id: Id) {
        self.so_far.insert(name.to_owned(), id);
    }

    /// Whether an object of this name stands anywhere.
    pub(super) fn is_anywhere(&self, name: &str) -> bool {
        self.anywhere.contains(name)
    }
}

impl Names {
    /// Notes that an object stands somewhere in the text.
    pub(super) fn note(&mut self, object: &Object<'_>) {
        let Some(name) = object.node.word(1) else { return };
        let kind = match object.node.keyword().text {
            "vrrp_script" => &mut self.scripts.anywhere,
            "track_file" | "vrrp_track_file" => &mut self.files.anywhere,
            "vrrp_track_process" => &mut self.processes.anywhere,
            "bfd_instance" => &mut self.bfds.anywhere,
            _ => return,
        };
        kind.insert(name.text.to_owned());
    }
}

/// The names of instances so far, as digests of those that stand in the tree: copies would leave holes between what
/// stays.
#[derive(Debug, Default)]
pub(super) struct InstanceNames(Map<(u64, u32), Place>);

impl InstanceNames {
    /// Whether an instance of this name has been read. Of names with one digest each is compared.
    pub(super) fn contains(&self, tree: &Tree, name: &str) -> bool {
        let digest = digest::fnv(digest::EMPTY, name);
        let known = (0..).map_while(|number| self.0.get(&(digest, number)));
        known.into_iter().any(|place| place.node(tree).word(1).is_some_and(|word| word.text == name))
    }

    /// An instance that is named for the first time.
    pub(super) fn insert(&mut self, object: &Object<'_>, name: &str) {
        let digest = digest::fnv(digest::EMPTY, name);
        let free = (0..).find(|number| !self.0.contains_key(&(digest, *number)));
        if let Some(number) = free {
            self.0.insert((digest, number), object.place());
        }
    }
}

//! Sync groups and track groups: their members, and what being one means.

use core::ops::Range;
use std::vec;

use super::{Teller, track};
use crate::base::id::{GroupId, InstanceId, TrackGroupId};
use crate::base::map::{Map, Set};
use crate::config::diag::{Diagnostic, Diagnostics, Severity};
use crate::config::keyword::Given;
use crate::config::model::Rare;
use crate::config::model::track::TrackedInterface;
use crate::config::model::{At, Group, Instance, Model};
use crate::config::names::{Names, OwnNotices, Pending, PendingGroup};
use crate::config::rows::group::GroupDraft;
use crate::config::tree::Position;
use crate::proto::track::Weight;
use crate::proto::vrrp::Start;

/// A group but for its members.
pub(super) fn complete(
    draft: GroupDraft,
    (name, at): (&str, At),
    given: Given,
    model: &Model,
    names: &Names,
    found: &mut Diagnostics,
) -> PendingGroup {
    let mut tell = Teller { name, at: at.0, given: &given, found };
    let trackers = track::find(&draft.trackers, model, names, &mut tell);
    let mail = &model.global.mail;
    let changes = draft.notify_priority_changes;
    let group = Group {
        name: name.to_owned(),
        at,
        members: Vec::new(),
        track_interfaces: draft.trackers.interfaces,
        track_scripts: trackers.scripts,
        track_files: trackers.files,
        track_processes: trackers.processes,
        track_bfds: trackers.bfds,
        notify: draft.notify,
        notify_priority_changes: changes.unwrap_or(model.global.vrrp.notify_priority_changes),
        smtp_alert: draft.smtp_alert.or(mail.alert_vrrp).or(mail.alert).unwrap_or(false),
        tracking_weight: draft.tracking_weight,
    };
    PendingGroup { group, members: draft.members, given }
}

/// Finds the members of all groups, and completes the groups and the members.
#[derive(Default)]
pub(super) struct Members {
    stage: Stage,
    /// The instance that is next in the stage.
    at: usize,
    ids: Map<String, InstanceId>,
    /// The sync groups that are still to be completed.
    groups: vec::IntoIter<PendingGroup>,
}

/// What is done next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The names of all instances are put in order.
    #[default]
    Names,
    /// Each sync group gets its members.
    Groups,
    /// Each member gets what its group says.
    Own,
}

impl Members {
    /// Does the next slice. False: all groups are complete.
    pub(super) fn advance(
        &mut self,
        model: &mut Model,
        pending: &mut Pending,
        found: &mut Diagnostics,
    ) -> bool {
        let end = self.at.saturating_add(super::SLICE);
        match self.stage {
            Stage::Names => {
                if self.at == 0 && pending.groups.is_empty() && pending.track_groups.is_empty() {
                    return false;
                }
                for (index, instance) in model.instances.iter().enumerate().take(end).skip(self.at) {
                    self.ids.insert(instance.name.clone(), InstanceId::at(index));
                }
                self.at = end;
                if end >= model.instances.len() {
                    self.groups = core::mem::take(&mut pending.groups).into_iter();
                    (self.stage, self.at) = (Stage::Groups, 0);
                }
            }
            Stage::Groups => match self.groups.next() {
                Some(PendingGroup { group, members, given }) => {
                    sync_group(model, group, &members, &given, &self.ids, found);
                }
                None => self.stage = Stage::Own,
            },
            Stage::Own => {
                own_notices(model, &pending.own, self.at..end);
                self.at = end;
                if end >= pending.own.len() {
                    track_groups(model, &pending.track_groups, &self.ids, found);
                    return false;
                }
            }
        }
        true
    }
}

/// What a group says of notices holds for its members that say nothing themselves.
fn own_notices(model: &mut Model, own: &[OwnNotices], slice: Range<usize>) {
    for (index, own) in own.iter().enumerate().take(slice.end).skip(slice.start) {
        let Some(instance) = model.instances.get_mut(index) else {
            continue;
        };
        let Some(group) = instance.sync_group.and_then(|id| model.groups.get(id.index())) else {
            continue;
        };
        if own.priority_changes.is_none() {
            instance.notify_priority_changes = group.notify_priority_changes;
        }
    }
}

fn report(severity: Severity, at: Position, message: String, remedy: &str, found: &mut Diagnostics) {
    found.report(Diagnostic::new(severity, at, message).remedy(remedy));
}

fn sync_group(
    model: &mut Model,
    mut group: Group,
    members: &[(String, Position)],
    given: &Given,
    ids: &Map<String, InstanceId>,
    found: &mut Diagnostics,
) {
    let name = group.name.clone();
    let id = GroupId::at(model.groups.len());
    for (member, at) in members {
        let place = ids.get(member);
        let Some((&place, instance)) =
            place.and_then(|place| Some((place, model.instances.get_mut(place.index())?)))
        else {
            let message =
                format!("Virtual router {member} specified in sync group {name} doesn't exist - ignoring");
            let remedy = "write the name of a vrrp_instance";
            report(Severity::Error, *at, message, remedy, found);
            continue;
        };
        if instance.sync_group.is_some() {
            let message =
                format!("Virtual router {member} cannot exist in more than one sync group; ignoring {name}");
            let remedy = "name it once, in one group";
            report(Severity::Error, *at, message, remedy, found);
            continue;
        }
        instance.sync_group = Some(id);
        group.members.push(place);
    }
    if members.is_empty()
        && let Some(at) = given.at("group")
    {
        found.warning(at, format!("Warning - sync group {name} has empty group block"));
    }
    match group.members.len() {
        0 => {
            let message = if members.is_empty() {
                format!("Sync group {name} has no virtual router(s). removing")
            } else {
                format!("Sync group {name}, no matching virtual router found in group declaration - removing")
            };
            let remedy = "write group { <vrrp_instance> ... } into the block";
            // Who was meant and is not there is told above.
            let finding = Diagnostic::new(Severity::Error, group.at.0, message).remedy(remedy);
            return found.report(finding.costs(false));
        }
        1 => {
            let message =
                format!("Sync group {name} has only 1 virtual router(s) - this probably isn't what you want");
            let remedy = "a group keeps two or more instances together";
            report(Severity::Warning, group.at.0, message, remedy, found);
        }
        _ => {}
    }
    weights(model, &mut group, given, found);
    shared(model, &group, found);
    starts(model, &group);
    model.groups.push(group);
}

/// What weights mean in a group: members have one state, so none may have a priority of its own making, and a
/// group with an address owner cannot change priorities.
fn weights(model: &mut Model, group: &mut Group, given: &Given, found: &mut Diagnostics) {
    let Model { scripts, files, bfds, instances, .. } = model;
    let name = |index: usize, names: &dyn Fn(usize) -> Option<String>| names(index).unwrap_or_default();
    let script = |index: usize| scripts.get(index).map(|one| one.name.clone());
    let file = |index: usize| files.get(index).map(|one| one.name.clone());
    let bfd = |index: usize| bfds.get(index).map(|one| one.name.clone());
    let mut owner = false;
    for id in &group.members {
        let Some(instance) = instances.get_mut(id.index()) else {
            continue;
        };
        owner |= instance.params.priority == 255;
        if !group.tracking_weight && !instance.tracks_nothing() {
            member_weights(
                instance,
                &|index| name(index, &script),
                &|index| name(index, &file),
                &|index| name(index, &bfd),
                found,
            );
        }
    }
    if !owner {
        return;
    }
    let mut clear = |what: &str, name: &str, at: At, weight: &mut Weight| {
        if weight.value != 0 {
            let message = format!(
                "({}) Cannot have weighted track {what} '{name}' with member having priority 255 - clearing weight",
                group.name
            );
            found.warning(if at.0.line == 0 { group.at.0 } else { at.0 }, message);
            weight.value = 0;
        }
    };
    let _ = given;
    for one in &mut group.track_interfaces {
        clear("interface", one.interface.name.as_str(), one.interface.at, &mut one.weight);
    }
    for one in &mut group.track_scripts {
        let name = name(one.script.index(), &script);
        clear("script", &name, one.at, &mut one.weight);
    }
    for one in &mut group.track_files {
        let name = name(one.of.index(), &file);
        clear("file", &name, one.at, &mut one.weight);
    }
    for one in &mut group.track_processes {
        let process = model.processes.get(one.of.index());
        let name = process.map_or("", |process| process.name.as_str());
        clear("process", name, one.at, &mut one.weight);
    }
    for one in &mut group.track_bfds {
        let name = name(one.of.index(), &bfd);
        clear("bfd", &name, one.at, &mut one.weight);
    }
}

/// What a member tracks and its group tracks as well counts once, as the group has it.
fn shared(model: &mut Model, group: &Group, found: &mut Diagnostics) {
    let Model { scripts, files, processes, instances, .. } = model;
    for id in &group.members {
        let Some(instance) = instances.get_mut(id.index()) else {
            continue;
        };
        let owner = instance.name.clone();
        let mut tell = |keyword: &str, name: &str, at: At, advice: &str| {
            let message = format!(
                "({owner}) {keyword} {name} is configured on VRRP instance and sync group. Remove {advice}"
            );
            found.warning(at.0, message);
        };
        for own in each(&mut instance.track_interfaces) {
            let same = |one: &&TrackedInterface| one.interface.name == own.interface.name;
            if let Some(theirs) = group.track_interfaces.iter().find(same) {
                let name = own.interface.name.to_string();
                tell("track_interface", &name, own.interface.at, "vrrp instance or sync group config");
                own.weight = theirs.weight;
            }
        }
        for own in each(&mut instance.track_scripts) {
            if let Some(theirs) = group.track_scripts.iter().find(|one| one.script == own.script) {
                let name = scripts.get(own.script.index()).map_or("", |script| script.name.as_str());
                tell("track_script", name, own.at, "vrrp instance config");
                own.weight = theirs.weight;
            }
        }
        for own in each(&mut instance.track_files) {
            if let Some(theirs) = group.track_files.iter().find(|one| one.of == own.of) {
                let name = files.get(own.of.index()).map_or("", |file| file.name.as_str());
                tell("track_file", name, own.at, "vrrp instance config");
                own.weight = theirs.weight;
            }
        }
        for own in each(&mut instance.track_processes) {
            if let Some(theirs) = group.track_processes.iter().find(|one| one.of == own.of) {
                let name = processes.get(own.of.index()).map_or("", |process| process.name.as_str());
                tell("track_process", name, own.at, "vrrp instance config");
                own.weight = theirs.weight;
            }
        }
    }
}

/// The entries of a list; one that is empty is not touched, for that would give it a place in memory.
fn each<T: 'static>(list: &mut Rare<Vec<T>>) -> impl Iterator<Item = &mut T> {
    (!list.is_empty()).then(|| list.iter_mut()).into_iter().flatten()
}

/// Without `sync_group_tracking_weight` members have no weights; those of processes are left alone.
fn member_weights(
    instance: &mut Instance,
    script: &dyn Fn(usize) -> String,
    file: &dyn Fn(usize) -> String,
    bfd: &dyn Fn(usize) -> String,
    found: &mut Diagnostics,
) {
    let owner = instance.name.clone();
    let remedy = "track it in the group, or write sync_group_tracking_weight into the group";
    let mut tell = |severity, at: At, message: String| {
        report(severity, at.0, format!("({owner}) {message}"), remedy, found);
    };
    for one in instance.track_interfaces.iter_mut() {
        if one.weight.value != 0 {
            let message =
                format!("ignoring {} tracked interface weight due to SYNC group", one.interface.name);
            tell(Severity::Warning, one.interface.at, message);
            one.weight.value = 0;
        }
    }
    instance.track_scripts.retain(|one| {
        let keep = one.weight.value == 0;
        if !keep {
            let name = script(one.script.index());
            let message = format!("ignoring tracked script {name} with weights due to SYNC group");
            tell(Severity::Error, one.at, message);
        }
        keep
    });
    instance.track_files.retain_mut(|one| match one.weight.value {
        0 => true,
        1 => {
            let name = file(one.of.index());
            let message =
                format!("ignoring weight from tracked file {name} due to SYNC group. specify weight 0");
            tell(Severity::Warning, one.at, message);
            one.weight.value = 0;
            true
        }
        weight => {
            let name = file(one.of.index());
            let message = format!("ignoring tracked file {name} with weight {weight} due to SYNC group");
            tell(Severity::Error, one.at, message);
            false
        }
    });
    instance.track_bfds.retain(|one| {
        let weight = one.weight.value;
        if weight != 0 {
            let name = bfd(one.of.index());
            let message = format!("ignoring tracked bfd {name} with weight {weight} due to SYNC group");
            tell(Severity::Error, one.at, message);
        }
        weight == 0
    });
}

/// A group begins as one: MASTER only if all members are address owners.
fn starts(model: &mut Model, group: &Group) {
    let of = |id: &InstanceId| model.instances.get(id.index());
    let owner = |instance: &Instance| instance.params.priority == 255;
    let owners = group.members.iter().filter_map(of).filter(|one| owner(one)).count();
    let eager =
        group.members.iter().filter_map(of).any(|one| !owner(one) && one.params.start == Start::Master);
    let mixed = owners > 0 && owners < group.members.len();
    if !mixed && !eager {
        return;
    }
    for id in &group.members {
        if let Some(instance) = model.instances.get_mut(id.index()) {
            instance.params.start = Start::Backup;
            if instance.nopreempt_gave_way {
                instance.nopreempt_gave_way = false;
            }
        }
    }
}

/// The members of track groups. One without any is not used, and neither are references to it.
fn track_groups(
    model: &mut Model,
    members: &[Vec<(String, Position)>],
    ids: &Map<String, InstanceId>,
    found: &mut Diagnostics,
) {
    let groups = core::mem::take(&mut model.network.track_groups);
    let mut places: Vec<Option<TrackGroupId>> = Vec::with_capacity(groups.len());
    for (mut group, names) in groups.into_iter().zip(members) {
        let mut seen = Set::new();
        for (name, at) in names {
            match ids.get(name) {
                Some(&id) if seen.insert(id) => group.members.push(id),
                Some(_) => {}
                None => {
                    let message = format!(
                        "Virtual router {name} specified in track group {} doesn't exist - ignoring",
                        group.name
                    );
                    found.note(*at, message);
                }
            }
        }
        if group.members.is_empty() {
            let message = format!("track group {} has no virtual routers - removing", group.name);
            found.note(group.at.0, message);
            places.push(None);
        } else {
            places.push(Some(TrackGroupId::at(model.network.track_groups.len())));
            model.network.track_groups.push(group);
        }
    }
    let network = &mut model.network;
    let addresses = network.addresses.iter_mut().map(|line| &mut line.track_group);
    let routes = network.routes.iter_mut().map(|line| &mut line.track_group);
    let rules = network.rules.iter_mut().map(|line| &mut line.track_group);
    for slot in addresses.chain(routes).chain(rules) {
        *slot = slot.and_then(|id| places.get(id.index()).copied().flatten());
    }
}

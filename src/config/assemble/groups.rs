//! Sync groups, track groups and `garp_group`.

use super::super::block::{inside, name};
use super::super::diag::{Class, Diagnostic, Severity};
use super::super::keyword::{Given, Object};
use super::super::model::At;
use super::super::model::network::{GarpGroup, TrackGroup};
use super::super::names::Names;
use super::super::resolve;
use super::super::rows::{group, network};
use super::Assembler;
use crate::base::id::TrackGroupId;

impl Assembler<'_> {
    pub(super) fn group(&mut self, object: &Object<'_>) {
        let named = name(object, Class::Ordinary, self.found);
        let text = named.map_or("", |name| name.text);
        let at = named.map_or(object.node.at(), |name| name.at);
        let mut draft = group::GroupDraft::default();
        let mut given = Given::default();
        let owner = format!("({text}) ");
        inside(object, group::ROWS, &mut draft, &owner, &mut given, false, self.found);
        let taken = |names: &mut Names, name: &str| !names.groups.insert(name.to_owned());
        if named.is_none() || self.refused(object, &taken) {
            return;
        }
        let pending = resolve::group(draft, (text, At(at)), given, self.model, self.names, self.found);
        self.pending.groups.push(pending);
    }

    pub(super) fn track_group(&mut self, object: &Object<'_>) {
        let named = name(object, Class::Ordinary, self.found);
        let text = named.map_or("", |name| name.text);
        let mut draft = group::TrackGroupDraft::default();
        let owner = format!("({text}) ");
        let mut given = Given::default();
        inside(object, group::TRACK_GROUP, &mut draft, &owner, &mut given, false, self.found);
        let Some(name) = named else { return };
        let known = self.network.groups.contains_key(text);
        if self.refused(object, &|_, _| known) {
            return;
        }
        if draft.0.is_empty() {
            let message = format!("track group {text} has no virtual routers - removing");
            return self.drop(name, message, "write group { <vrrp_instance> } into the block");
        }
        let id = TrackGroupId::at(self.network.network.track_groups.len());
        self.network.groups.insert(text.to_owned(), id);
        self.network.network.track_groups.push(TrackGroup {
            name: text.to_owned(),
            at: At(name.at),
            members: Vec::new(),
        });
        self.pending.track_groups.push(draft.0);
    }

    pub(super) fn garp_group(&mut self, object: &Object<'_>) {
        let at = object.node.keyword();
        let mut draft = network::GarpDraft {
            group: GarpGroup { at: At(at.at), garp: None, gna: None, interfaces: Vec::new() },
            spaced: core::mem::take(&mut self.network.spaced),
        };
        let mut given = Given::default();
        inside(object, network::GARP_GROUP, &mut draft, "", &mut given, false, self.found);
        self.network.spaced = draft.spaced;
        if let (true, Some(at)) = (draft.group.interfaces.is_empty(), given.at("interfaces")) {
            self.found.warning(at, "Warning - empty garp_group interfaces block");
        }
        if draft.group.garp.is_none() && draft.group.gna.is_none() {
            let message = "garp group does not have any delay set - removing";
            let finding = Diagnostic::new(Severity::Error, at, message).costs(false);
            return self.found.report(finding.remedy("write garp_interval or gna_interval"));
        }
        self.network.network.garp_groups.push(draft.group);
    }
}

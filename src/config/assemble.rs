//! Tree to model: every block read by its rows, then the rules that hold between keywords and objects.
//!
//! `global_defs` is read first wherever it stands, so that other objects begin with its defaults; they follow
//! in the order of the text. A block that cannot be used is read all the same, for its mistakes.

mod groups;

use std::rc::Rc;

use super::block::{by_table, inside, name};
use super::diag::{Class, Diagnostic, Diagnostics, Severity};
use super::keyword::{Given, Object, Scope, Table, Typed, lines, read};
use super::line::Line;
use super::model::{At, Common, Global, Model, Sharing};
use super::names::{InstanceNames, Names, OwnNotices, Pending};
use super::resolve;
use super::rows::{self, global, instance, network, script, top, track_file, track_process};
use super::services;
use super::tree::{Place, Tree, Word};
use crate::base::id::{FileId, ProcessId, ScriptId};

/// The model of a configuration; what is wrong with it goes to `found`.
#[must_use]
pub fn model(tree: &Tree, found: &mut Diagnostics) -> Model {
    let mut assembly = Assembly::default();
    while assembly.advance(tree, found) {}
    assembly.finish()
}

/// A model that is being made in slices, for a caller that has other work to do in between.
#[derive(Default)]
pub struct Assembly {
    stage: Stage,
    /// The object or the instance that is next in the stage.
    at: usize,
    /// The named blocks of the text.
    objects: Vec<Place>,
    model: Model,
    names: Names,
    network: network::StaticItemsDraft,
    pending: Pending,
    sharing: Sharing,
    instances: InstanceNames,
    between: resolve::Between,
}

/// What is done next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    /// The lines outside any block.
    #[default]
    Top,
    /// `global_defs`.
    Global,
    /// The names of all objects.
    Names,
    /// The objects, one by one.
    Objects,
    /// The rules between objects.
    Between,
    /// Instances that are alike share what they have.
    Share,
    Over,
}

/// Objects whose names are noted, and instances that are looked at, in a slice.
const SLICE: usize = 256;

impl Assembly {
    /// Does the next slice. False: the model is made.
    pub fn advance(&mut self, tree: &Tree, found: &mut Diagnostics) -> bool {
        let after = match self.stage {
            Stage::Top => {
                self.top(tree, found);
                Stage::Global
            }
            Stage::Global => {
                self.global(tree, found);
                Stage::Names
            }
            Stage::Names => {
                for place in self.objects.iter().skip(self.at).take(SLICE) {
                    self.names.note(&Object::at(tree, *place));
                }
                if self.goes_on(SLICE, self.objects.len()) {
                    return true;
                }
                let objects = self.objects.iter().map(|place| Object::at(tree, *place));
                services::groups(objects, &mut self.model, &mut self.names, found);
                Stage::Objects
            }
            Stage::Objects => {
                if let Some(place) = self.objects.get(self.at).copied() {
                    self.at = self.at.saturating_add(1);
                    self.assembler(tree, found).read(&Object::at(tree, place));
                    return true;
                }
                self.model.network = core::mem::take(&mut self.network.network);
                Stage::Between
            }
            Stage::Between => {
                if self.between.advance(&mut self.model, &mut self.pending, found) {
                    return true;
                }
                Stage::Share
            }
            Stage::Share => {
                // Those that were changed may be alike again.
                for instance in self.model.instances.iter_mut().skip(self.at).take(SLICE / 16) {
                    self.sharing.share(instance);
                }
                if self.goes_on(SLICE / 16, self.model.instances.len()) {
                    return true;
                }
                Stage::Over
            }
            Stage::Over => return false,
        };
        (self.stage, self.at) = (after, 0);
        after != Stage::Over
    }

    /// The model.
    #[must_use]
    pub fn finish(self) -> Model {
        self.model
    }

    /// So many things of a list have been looked at; whether there are more.
    fn goes_on(&mut self, slice: usize, len: usize) -> bool {
        self.at = self.at.saturating_add(slice);
        self.at < len
    }

    fn top(&mut self, tree: &Tree, found: &mut Diagnostics) {
        let mut objects = Vec::new();
        let mut given = Given::default();
        let mut scope = Scope {
            owner: "",
            place: None,
            elsewhere: rows::elsewhere,
            quiet: false,
            given: &mut given,
            objects: &mut objects,
            found,
        };
        read(&mut tree.cursor(), top::ROWS, &mut self.model.daemon, &mut scope);
        self.objects = objects.iter().map(Object::place).collect();
    }

    fn global(&mut self, tree: &Tree, found: &mut Diagnostics) {
        let (mut given, mut instances) = (Given::default(), 0_usize);
        let mut global = Global::default();
        for object in self.objects.iter().map(|place| Object::at(tree, *place)) {
            match object.node.keyword().text {
                "vrrp_instance" => instances = instances.saturating_add(1),
                "global_defs" => {
                    if let Some(extra) = object.node.arguments().next() {
                        found.note(extra, format!("'{}' after global_defs is not used", extra.text));
                    }
                    inside(&object, global::ROWS, &mut global, "", &mut given, false, found);
                }
                _ => {}
            }
        }
        resolve::global(&mut global, &given, found);
        self.model.global = Common::new(global);
        self.network = network::StaticItemsDraft::new(tree.names());
        self.model.instances.reserve_exact(instances);
        self.pending.own.reserve_exact(instances);
    }

    fn assembler<'a>(&'a mut self, tree: &'a Tree, found: &'a mut Diagnostics) -> Assembler<'a> {
        Assembler {
            tree,
            model: &mut self.model,
            names: &mut self.names,
            network: &mut self.network,
            pending: &mut self.pending,
            sharing: &mut self.sharing,
            instances: &mut self.instances,
            found,
        }
    }
}

/// The model while an object is read.
struct Assembler<'a> {
    tree: &'a Tree,
    model: &'a mut Model,
    names: &'a mut Names,
    network: &'a mut network::StaticItemsDraft,
    pending: &'a mut Pending,
    sharing: &'a mut Sharing,
    instances: &'a mut InstanceNames,
    found: &'a mut Diagnostics,
}

impl<'t> Assembler<'t> {
    /// Reads one object.
    fn read(&mut self, object: &Object<'t>) {
        match object.node.keyword().text {
            "vrrp_script" => self.script(object),
            "track_file" | "vrrp_track_file" => self.track_file(object),
            "vrrp_track_process" => self.track_process(object),
            "vrrp_instance" => self.instance(object),
            "vrrp_sync_group" => self.group(object),
            "track_group" => self.track_group(object),
            "garp_group" => self.garp_group(object),
            "static_ipaddress" => self.lines(object, network::static_address),
            "static_routes" => self.lines(object, network::static_route),
            "static_rules" => self.lines(object, network::static_rule),
            "linkbeat_interfaces" => self.lines(object, network::linkbeat),
            "interface_up_down_delays" => self.lines(object, network::delays),
            _ => services::object(object, self.model, self.names, self.found),
        }
    }

    fn lines(&mut self, object: &Object<'t>, each: fn(&mut network::StaticItemsDraft, &mut Line<'_>)) {
        let mut none = Vec::new();
        let mut scope = Scope {
            owner: "",
            place: Some(object.node.keyword().text),
            elsewhere: rows::elsewhere,
            quiet: true,
            given: &mut Given::default(),
            objects: &mut none,
            found: self.found,
        };
        lines(object, each, self.network, &mut scope);
    }

    /// A block with a name that may be there twice, of which the first is used, and that may be told to be
    /// unusable: reads it, and says whether it is the first, and what was given.
    fn block(
        &mut self,
        object: &Object<'t>,
        table: &mut dyn Table,
        taken: fn(&Names, &str) -> bool,
    ) -> Option<(Word<'t>, Given)> {
        let named = name(object, Class::Missing, self.found);
        let text = named.map_or("", |name| name.text);
        let owner = format!("({text}) ");
        let mut given = Given::default();
        by_table(object, table, &owner, (&mut given, false), self.found);
        let name = named?;
        let keyword = object.node.keyword().text;
        if let Some(extra) = object.node.word(2) {
            let message = format!("'{}' after the name of a {keyword} is not used", extra.text);
            self.found.note(extra, message);
        }
        if taken(self.names, text) {
            let message = format!("{keyword} {text} already defined; the first one is used");
            self.found.note(name, message);
            return None;
        }
        Some((name, given))
    }

    fn script(&mut self, object: &Object<'t>) {
        let mut draft = script::ScriptDraft::default();
        let taken = |names: &Names, name: &str| names.scripts.so_far.contains_key(name);
        let table = &mut Typed::new([script::ROWS, &[]], &mut draft);
        let Some((name, given)) = self.block(object, table, taken) else {
            return;
        };
        let text = name.text;
        match draft.finish(text, At(name.at)) {
            Some(script) => {
                let id = ScriptId::at(self.model.scripts.len());
                self.names.scripts.so_far.insert(text.to_owned(), id);
                self.model.scripts.push(script);
            }
            None if given.at("script").or(given.spoilt("script")).is_some() => {}
            None => {
                let message = format!("No script set for vrrp_script {text} - removing");
                self.drop(name, message, "write script \"<command>\" into the block");
            }
        }
    }

    /// Tells why a block is not used.
    fn drop(&mut self, at: Word<'_>, message: String, remedy: &str) {
        let finding = Diagnostic::new(Severity::Error, at, message);
        self.found.report(finding.remedy(remedy));
    }

    fn track_file(&mut self, object: &Object<'t>) {
        let mut draft = track_file::TrackFileDraft::default();
        let taken = |names: &Names, name: &str| names.files.so_far.contains_key(name);
        let table = &mut Typed::new([track_file::ROWS, &[]], &mut draft);
        let Some((name, given)) = self.block(object, table, taken) else {
            return;
        };
        match draft.finish(name.text, At(name.at)) {
            Some(file) => {
                let id = FileId::at(self.model.files.len());
                self.names.files.so_far.insert(name.text.to_owned(), id);
                self.model.files.push(file);
            }
            None if given.at("file").or(given.spoilt("file")).is_some() => {}
            None => {
                let message = format!("No file set for track_file {} - ignoring", name.text);
                self.drop(name, message, "write file <path> into the block");
            }
        }
    }

    fn track_process(&mut self, object: &Object<'t>) {
        let named = object.node.word(1);
        let at = named.map_or(object.node.at(), |name| name.at);
        let mut draft = track_process::TrackProcessDraft::new(named.map_or("", |name| name.text), At(at));
        let taken = |names: &Names, name: &str| names.processes.so_far.contains_key(name);
        let table = &mut Typed::new([track_process::ROWS, &[]], &mut draft);
        let Some((name, given)) = self.block(object, table, taken) else {
            return;
        };
        match draft.finish() {
            Some(process) => {
                let id = ProcessId::at(self.model.processes.len());
                self.names.processes.so_far.insert(name.text.to_owned(), id);
                self.model.processes.push(process);
            }
            None if given.at("process").or(given.spoilt("process")).is_some() => {}
            None => {
                let message = format!("track process '{}' process name not specified", name.text);
                self.drop(name, message, "write process <name> into the block");
            }
        }
    }

    fn instance(&mut self, object: &Object<'t>) {
        let named = name(object, Class::Ordinary, self.found);
        let text = named.map_or("", |name| name.text);
        let at = named.map_or(object.node.at(), |name| name.at);
        let mut draft = instance::InstanceDraft::new(text, At(at), &self.model.global);
        draft.names = Rc::clone(&self.network.names);
        draft.preferences = self.network.preferences;
        let owner = format!("({text}) ");
        let mut given = Given::default();
        inside(object, instance::ROWS, &mut draft, &owner, &mut given, false, self.found);
        self.network.preferences = draft.preferences;
        let known = self.instances.contains(self.tree, text);
        if named.is_none() || self.refused(object, &|_, _| known) {
            return;
        }
        self.instances.insert(object, text);
        let own = OwnNotices { priority_changes: draft.notify_priority_changes };
        if let Some(mut instance) = resolve::instance(draft, &given, self.model, self.names, self.found) {
            self.sharing.share(&mut instance);
            self.model.instances.push(instance);
            self.pending.own.push(own);
        }
    }

    /// Whether a block with a name is not used because it has two, or because the name is taken.
    fn refused(&mut self, object: &Object<'_>, taken: &dyn Fn(&mut Names, &str) -> bool) -> bool {
        let keyword = object.node.keyword().text;
        let Some(name) = object.node.word(1) else {
            return true;
        };
        if let Some(extra) = object.node.word(2) {
            let message = format!("{keyword} {} has more than one name - ignoring the block", name.text);
            self.drop(extra, message, "quote a name that holds a blank");
            return true;
        }
        if taken(self.names, name.text) {
            let spoken = keyword.replace('_', " ");
            let message = format!("{spoken} {} already defined", name.text);
            self.drop(name, message, "give it another name; this block is not used");
            return true;
        }
        false
    }
}

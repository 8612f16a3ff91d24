//! Tree to model: every block read by its rows, then the rules that hold between keywords and objects.
//!
//! `global_defs` is read first wherever it stands, so that other objects begin with its defaults; they follow
//! in the order of the text. A block that cannot be used is read all the same, for its mistakes.

mod groups;

use std::rc::Rc;

use super::block::{inside, name};
use super::diag::{Class, Diagnostic, Diagnostics, Severity};
use super::keyword::{Given, Object, Scope, lines, read};
use super::line::Line;
use super::model::{At, Model, Sharing};
use super::names::{Names, OwnNotices, Pending};
use super::resolve;
use super::row::Row;
use super::rows::{self, global, instance, network, script, top, track_file, track_process};
use super::services;
use super::tree::{Tree, Word};
use crate::base::id::{FileId, ProcessId, ScriptId};
use crate::base::map::Set;

/// The model of a configuration; what is wrong with it goes to `found`.
#[must_use]
pub fn model(tree: &Tree, found: &mut Diagnostics) -> Model {
    model_in_slices(tree, found, &mut || ())
}

/// The same for a caller with other duties, which `pause` sees to between one object and the next.
#[must_use]
pub fn model_in_slices(tree: &Tree, found: &mut Diagnostics, pause: &mut dyn FnMut()) -> Model {
    let mut model = Model::default();
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
    read(&mut tree.cursor(), top::ROWS, &mut model.daemon, &mut scope);
    pause();
    let mut given = Given::default();
    for object in objects.iter().filter(|object| object.node.keyword().text == "global_defs") {
        if let Some(extra) = object.node.arguments().next() {
            found.note(extra, format!("'{}' after global_defs is not used", extra.text));
        }
        inside(object, global::ROWS, &mut model.global, "", &mut given, false, found);
    }
    resolve::global(&mut model.global, &given, found);
    let instances = objects.iter().filter(|object| object.node.keyword().text == "vrrp_instance").count();
    let mut assembly = Assembly {
        model,
        names: Names::collect(&objects, pause),
        network: network::StaticItemsDraft::new(tree.names()),
        pending: Pending::default(),
        sharing: Sharing::default(),
        instances: Set::new(),
        found,
    };
    assembly.model.instances.reserve_exact(instances);
    assembly.pending.own.reserve_exact(instances);
    services::groups(&objects, &mut assembly.model, &mut assembly.names, assembly.found);
    for object in &objects {
        assembly.read(object);
        pause();
    }
    assembly.finish(pause)
}

/// The model while objects are read.
struct Assembly<'f, 't> {
    model: Model,
    names: Names,
    network: network::StaticItemsDraft,
    pending: Pending,
    sharing: Sharing,
    /// Names of instances so far, where they stand: copies would leave holes between what stays.
    instances: Set<&'t str>,
    found: &'f mut Diagnostics,
}

impl<'t> Assembly<'_, 't> {
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
            _ => services::object(object, &mut self.model, &mut self.names, self.found),
        }
    }

    /// The rules that need everything.
    fn finish(mut self, pause: &mut dyn FnMut()) -> Model {
        self.model.network = self.network.network;
        resolve::model(&mut self.model, self.pending, self.found, pause);
        // Those that were changed may be alike again.
        for instance in &mut self.model.instances {
            self.sharing.share(instance);
            pause();
        }
        self.model
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
        lines(object, each, &mut self.network, &mut scope);
    }

    /// A block with a name that may be there twice, of which the first is used, and that may be told to be
    /// unusable: reads it, and says whether it is the first, and what was given.
    fn block<D, M>(
        &mut self,
        object: &Object<'t>,
        rows: &'static [Row<D, M>],
        draft: &mut D,
        taken: fn(&Names, &str) -> bool,
    ) -> Option<(Word<'t>, Given)> {
        let named = name(object, Class::Missing, self.found);
        let text = named.map_or("", |name| name.text);
        let owner = format!("({text}) ");
        let mut given = Given::default();
        inside(object, rows, draft, &owner, &mut given, false, self.found);
        let name = named?;
        let keyword = object.node.keyword().text;
        if let Some(extra) = object.node.word(2) {
            let message = format!("'{}' after the name of a {keyword} is not used", extra.text);
            self.found.note(extra, message);
        }
        if taken(&self.names, text) {
            let message = format!("{keyword} {text} already defined; the first one is used");
            self.found.note(name, message);
            return None;
        }
        Some((name, given))
    }

    fn script(&mut self, object: &Object<'t>) {
        let mut draft = script::ScriptDraft::default();
        let taken = |names: &Names, name: &str| names.scripts.so_far.contains_key(name);
        let Some((name, given)) = self.block(object, script::ROWS, &mut draft, taken) else {
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
        let Some((name, given)) = self.block(object, track_file::ROWS, &mut draft, taken) else {
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
        let Some((name, given)) = self.block(object, track_process::ROWS, &mut draft, taken) else {
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
        let known = self.instances.contains(text);
        if named.is_none() || self.refused(object, |_, _| known) {
            return;
        }
        self.instances.insert(text);
        let own = OwnNotices { priority_changes: draft.notify_priority_changes };
        if let Some(mut instance) = resolve::instance(draft, &given, &self.model, &self.names, self.found) {
            self.sharing.share(&mut instance);
            self.model.instances.push(instance);
            self.pending.own.push(own);
        }
    }

    /// Whether a block with a name is not used because it has two, or because the name is taken.
    fn refused(&mut self, object: &Object<'_>, taken: impl FnOnce(&mut Names, &str) -> bool) -> bool {
        let keyword = object.node.keyword().text;
        let Some(name) = object.node.word(1) else {
            return true;
        };
        if let Some(extra) = object.node.word(2) {
            let message = format!("{keyword} {} has more than one name - ignoring the block", name.text);
            self.drop(extra, message, "quote a name that holds a blank");
            return true;
        }
        if taken(&mut self.names, name.text) {
            let spoken = keyword.replace('_', " ");
            let message = format!("{spoken} {} already defined", name.text);
            self.drop(name, message, "give it another name; this block is not used");
            return true;
        }
        false
    }
}

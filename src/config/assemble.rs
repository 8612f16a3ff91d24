//! Tree to model: every block read by its rows, then the rules that hold between keywords and objects.
//!
//! `global_defs` is read first wherever it stands, so that other objects begin with its defaults; they follow
//! in the order of the text. A block that cannot be used is read all the same, for its mistakes.

use super::diag::{Class, Diagnostic, Diagnostics, Severity};
use super::keyword::{Given, Object, Scope, read};
use super::model::{At, Model};
use super::resolve;
use super::row::Row;
use super::rows::{self, global, instance, script, top};
use super::services;
use super::tree::{Tree, Word};
use crate::base::id::ScriptId;
use std::collections::{BTreeMap, BTreeSet};

/// The model of a configuration; what is wrong with it goes to `found`.
#[must_use]
pub fn model(tree: &Tree, found: &mut Diagnostics) -> Model {
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
    let mut given = Given::default();
    for object in objects
        .iter()
        .filter(|object| object.node.keyword().text == "global_defs")
    {
        if let Some(extra) = object.node.arguments().next() {
            found.note(extra, format!("'{}' after global_defs is not used", extra.text));
        }
        inside(object, global::ROWS, &mut model.global, "", &mut given, found);
    }
    resolve::global(&mut model.global, &given, found);
    let mut names = Names::collect(&objects);
    services::groups(&objects, &mut model, &mut names, found);
    for object in &objects {
        names.services.pass(object);
        match object.node.keyword().text {
            "vrrp_script" => read_script(object, &mut model, &mut names, found),
            "vrrp_instance" => read_instance(object, &mut model, &mut names, found),
            _ => services::object(object, &mut model, &mut names, found),
        }
    }
    resolve::model(&mut model, found);
    model
}

/// Names of objects: sets and maps, so that thousands of objects are checked in linear time.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Scripts anywhere in the text.
    anywhere: BTreeSet<String>,
    /// Scripts of the model so far.
    scripts: BTreeMap<String, ScriptId>,
    /// Instances so far.
    instances: BTreeSet<String>,
    /// What virtual servers and BFD sessions need.
    pub(super) services: services::Names,
}

impl Names {
    fn collect(objects: &[Object<'_>]) -> Self {
        let scripts = objects
            .iter()
            .filter(|object| object.node.keyword().text == "vrrp_script");
        let anywhere = scripts.filter_map(|object| object.node.word(1).map(|name| name.text.to_owned()));
        Self {
            anywhere: anywhere.collect(),
            ..Self::default()
        }
    }

    /// The script of this name, if it was read already.
    pub(super) fn script(&self, name: &str) -> Option<ScriptId> {
        self.scripts.get(name).copied()
    }

    /// Whether a script of this name stands anywhere.
    pub(super) fn has_script(&self, name: &str) -> bool {
        self.anywhere.contains(name)
    }
}

/// Reads the block of an object into its draft.
fn inside<D, M>(
    object: &Object<'_>,
    rows: &'static [Row<D, M>],
    draft: &mut D,
    owner: &str,
    given: &mut Given,
    found: &mut Diagnostics,
) {
    let mut none = Vec::new();
    let mut scope = Scope {
        owner,
        place: Some(object.node.keyword().text),
        elsewhere: rows::elsewhere,
        quiet: false,
        given,
        objects: &mut none,
        found,
    };
    read(&mut object.inside.clone(), rows, draft, &mut scope);
}

/// The name of an object; none if it has none, which is told as `missing` says.
pub(super) fn name<'t>(object: &Object<'t>, missing: Class, found: &mut Diagnostics) -> Option<Word<'t>> {
    let keyword = object.node.keyword();
    match object.node.word(1).filter(|name| !name.text.is_empty()) {
        Some(name) => Some(name),
        None => {
            let message = format!("{} must have a name", keyword.text);
            let finding = Diagnostic::new(Severity::Error, keyword, message).class(missing);
            found.report(finding.remedy(format!("write {} <name> {{; the block is not used", keyword.text)));
            None
        }
    }
}

fn read_script(object: &Object<'_>, model: &mut Model, names: &mut Names, found: &mut Diagnostics) {
    let named = name(object, Class::Missing, found);
    let text = named.map_or("", |name| name.text);
    let mut draft = script::Draft::default();
    let owner = format!("({text}) ");
    let mut given = Given::default();
    inside(object, script::ROWS, &mut draft, &owner, &mut given, found);
    let Some(name) = named else { return };
    if let Some(extra) = object.node.word(2) {
        found.note(
            extra,
            format!("'{}' after the name of a vrrp_script is not used", extra.text),
        );
    }
    if names.script(text).is_some() {
        found.note(
            name,
            format!("vrrp_script {text} already defined; the first one is used"),
        );
        return;
    }
    match draft.finish(text, At(name.at)) {
        Some(script) => {
            names
                .scripts
                .insert(text.to_owned(), ScriptId::at(model.scripts.len()));
            model.scripts.push(script);
        }
        None => {
            let message = format!("No script set for vrrp_script {text} - removing");
            let finding = Diagnostic::new(Severity::Error, name, message);
            found.report(finding.remedy("write script \"<command>\" into the block"));
        }
    }
}

fn read_instance(object: &Object<'_>, model: &mut Model, names: &mut Names, found: &mut Diagnostics) {
    let named = name(object, Class::Ordinary, found);
    let text = named.map_or("", |name| name.text);
    let at = named.map_or(object.node.at(), |name| name.at);
    let mut draft = instance::Draft::new(text, At(at), &model.global);
    let owner = format!("({text}) ");
    let mut given = Given::default();
    inside(object, instance::ROWS, &mut draft, &owner, &mut given, found);
    let Some(name) = named else { return };
    if let Some(extra) = object.node.word(2) {
        let message = format!("vrrp_instance {text} has more than one name - ignoring the block");
        found.report(
            Diagnostic::new(Severity::Error, extra, message).remedy("quote a name that holds a blank"),
        );
        return;
    }
    if !names.instances.insert(text.to_owned()) {
        let message = format!("vrrp instance {text} already defined");
        let finding = Diagnostic::new(Severity::Error, name, message);
        found.report(finding.remedy("give it another name; this block is not used"));
        return;
    }
    if let Some(instance) = resolve::instance(draft, &given, model, names, found) {
        model.instances.push(instance);
    }
}

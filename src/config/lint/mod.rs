//! What is legal and will surprise: checks by name, told by a config test as notes.
//!
//! Job: say what will happen and what to write instead, never change an exit code. Uses the model, the tree (for
//! places, and for words that the rules between keywords have undone) and [`Facts`], which somebody who may ask the
//! kernel collects. Start with [`CHECKS`], the table; one file a family. `silence` reads the comments that switch a
//! check off, `places` finds words.

mod address;
mod advert;
mod alert;
mod election;
mod facts;
mod group;
mod network;
mod places;
mod report;
mod script;
mod service;
mod silence;
mod table;

pub use facts::{Facts, Link, Program};
pub use report::Report;
pub use script::commands;
pub use silence::Silence;
pub use table::CHECKS;

use super::Model;
use super::diag::Diagnostics;
use super::nearest::nearest;
use super::source::SourceMap;
use super::tree::Tree;
use places::Places;

/// One check.
#[derive(Debug)]
pub struct Check {
    /// The name that silences it.
    pub name: &'static str,
    /// What it finds and what will happen, one sentence without full stop.
    pub meaning: &'static str,
    /// What to do, for findings that have no remedy of their own.
    pub remedy: &'static str,
    run: fn(&Input<'_>, &mut Report<'_>),
}

/// What the checks look at.
#[derive(Debug)]
pub struct Input<'a> {
    model: &'a Model,
    tree: &'a Tree,
    facts: &'a Facts,
    places: Places<'a>,
    sources: Option<&'a SourceMap>,
}

impl<'a> Input<'a> {
    /// A model, the tree that it was made from, and what is known of this machine.
    #[must_use]
    pub fn new(model: &'a Model, tree: &'a Tree, facts: &'a Facts) -> Self {
        Self { model, tree, facts, places: Places::new(tree), sources: None }
    }

    /// With the text itself, for checks of what is not in the tree: comments.
    #[must_use]
    pub fn text(mut self, sources: &'a SourceMap) -> Self {
        self.sources = Some(sources);
        self
    }
}

/// Runs every check that is not off; findings are notes in `found`.
pub fn run(input: &Input<'_>, silence: &Silence, found: &mut Diagnostics) {
    for check in CHECKS.iter().filter(|check| !silence.off(check.name)) {
        let mut report = Report::new(check, silence, found);
        (check.run)(input, &mut report);
        report.finish();
    }
}

/// The complaint about a name that `--lint-off` or a comment gives and no check has.
#[must_use]
pub fn unknown(name: &str) -> Option<String> {
    if name == "all" || CHECKS.iter().any(|check| check.name == name) {
        return None;
    }
    let near = nearest(name, CHECKS.iter().map(|check| check.name))
        .map_or_else(|| "--explain lint lists them".to_owned(), |near| format!("did you mean {near}?"));
    Some(format!("no check is called '{name}'; {near}"))
}

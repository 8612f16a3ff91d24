//! Everything that reading a configuration does, on octets that may be anything: text, tree, model, checks, and the
//! way back. Used by the seeded mutations and by the fuzz target.

use std::collections::BTreeMap;
use std::rc::Rc;

use keepalived::config::diag::Diagnostics;
use keepalived::config::expand::{self, Options, Parsed};
use keepalived::config::lint::{self, Facts, Input, Silence};
use keepalived::config::snapshot::Snapshot;
use keepalived::config::source::{Files, Unusable};
use keepalived::config::wildcard;
use keepalived::config::{Model, assemble, print};

const MAIN: &str = "/etc/main.conf";

/// The main file, and the files after lines `### name`, for includes.
struct Memory(BTreeMap<String, Vec<u8>>);

impl Memory {
    fn new(text: &[u8]) -> Self {
        let mut files = BTreeMap::new();
        let mut name = MAIN.to_owned();
        let mut octets = Vec::new();
        for line in text.split_inclusive(|&octet| octet == b'\n') {
            if let Some(next) = line.strip_prefix(b"### ") {
                let next = String::from_utf8_lossy(next).trim().to_owned();
                files.insert(std::mem::replace(&mut name, next), std::mem::take(&mut octets));
            } else {
                octets.extend_from_slice(line);
            }
        }
        files.insert(name, octets);
        Self(files)
    }
}

impl Files for Memory {
    fn read(&self, path: &str) -> Result<Rc<[u8]>, Unusable> {
        self.0.get(path).map(|octets| octets.as_slice().into()).ok_or(Unusable::Missing)
    }

    fn matches(&self, pattern: &str) -> Vec<String> {
        self.0.keys().filter(|name| wildcard::fits(pattern, name)).cloned().collect()
    }

    fn directory(&self, path: &str) -> String {
        path.into()
    }

    fn variable(&self, name: &str) -> Option<String> {
        (name == "HOME").then(|| "/root".into())
    }
}

/// How much is done with a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Read, assembled, checked and told.
    Once,
    /// Also read again from the snapshot that a child gets, and from the text that it is printed as.
    AndBack,
}

fn meaning(parsed: &Parsed, mut found: Diagnostics) -> (Model, String) {
    let model = assemble::model(&parsed.tree, &mut found);
    let silence = Silence::read(&[], &parsed.sources, &mut found);
    lint::run(&Input::new(&model, &parsed.tree, &Facts::default()), &silence, &mut found);
    let mut told = String::new();
    let written = found.write(&parsed.sources, true, &mut told);
    assert!(written.is_ok(), "findings cannot be written");
    (model, told)
}

/// Reads `text` as a configuration.
///
/// # Panics
///
/// Panics if what is read again differs.
pub fn read(text: &[u8], depth: Depth) {
    let mut found = Diagnostics::new();
    let options = Options { path: MAIN.into(), id: "r1".into(), seed: 1, ..Options::default() };
    let (parsed, snapshot) = expand::load(&Memory::new(text), &options, &mut found);
    let (model, told) = meaning(&parsed, found);
    if depth == Depth::Once {
        return;
    }

    drop(parsed);
    let copy = Snapshot::decode(&snapshot.encode());
    assert!(copy.is_ok(), "the snapshot cannot be read");
    if let Ok(copy) = copy {
        let mut found = Diagnostics::new();
        let parsed = expand::replay(&copy, &mut found);
        let (again, told_again) = meaning(&parsed, found);
        assert!(model == again && told == told_again, "the snapshot tells another story");
    }

    let printed = print(&model);
    let mut found = Diagnostics::new();
    let parsed = expand::parse_text(&printed, &mut found);
    let again = print(&assemble::model(&parsed.tree, &mut found));
    let lost = printed.lines().zip(again.lines()).find(|(one, other)| one != other);
    assert!(printed == again, "what is printed is read as something else, at {lost:?}");
}

//! Circles of modules inside a folder.
//!
//! A file and the folder of its name are one entry. What a folder's own `mod.rs` hands on with `pub use` counts as used
//! from where it stands; the `mod.rs` itself, which names everything below it, is no entry. An entry that uses another
//! one, that uses a third one, and so on until the first one is used again, is a circle.

use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};

/// The place of a module in the crate.
type Path = Vec<String>;

/// Who uses whom in one folder, each use with the file and the line of one example.
type Uses = BTreeMap<String, BTreeMap<String, String>>;

/// Every circle, as a text that names its entries and one use for each step.
pub(crate) fn circles(sources: &[Source]) -> Vec<String> {
    let folders = folders(sources);
    let mut findings = Vec::new();
    for (folder, uses) in folders {
        let folder = if folder.is_empty() { "src".to_owned() } else { folder.join("::") };
        for members in circles_of(&uses) {
            let mut text = format!("{folder}: a circle of {}", join(&members));
            for from in &members {
                for (to, place) in uses.get(from).into_iter().flatten() {
                    if members.contains(to) {
                        text.push_str(&format!("\n    {place}: {from} uses {to}"));
                    }
                }
            }
            findings.push(text);
        }
    }
    findings
}

fn join(members: &BTreeSet<String>) -> String {
    members.iter().map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The uses of each folder.
fn folders(sources: &[Source]) -> BTreeMap<Path, Uses> {
    let modules: BTreeSet<&Path> = sources.iter().map(|source| &source.module).collect();
    let handed_on: BTreeMap<(Path, String), Path> = sources
        .iter()
        .flat_map(|source| {
            let reexports = source.reexports().into_iter();
            reexports.map(|(name, path)| ((source.module.clone(), name), path))
        })
        .collect();
    let mut folders: BTreeMap<Path, Uses> = BTreeMap::new();
    for source in sources.iter().filter(|source| !source.all_test) {
        for mention in source.mentions().into_iter().filter(|mention| mention.in_crate && !mention.test) {
            let target = target(mention.segments, &modules, &handed_on);
            let common = source.module.iter().zip(&target).take_while(|(a, b)| a == b).count();
            let (Some(from), Some(to)) = (source.module.get(common), target.get(common)) else { continue };
            let uses = folders.entry(source.module[..common].to_vec()).or_default();
            let place = format!("{}:{}", source.name, mention.line);
            uses.entry(from.clone()).or_default().entry(to.clone()).or_insert(place);
        }
    }
    folders
}

/// The module that a path leads to, through what others hand on.
fn target(mut path: Path, modules: &BTreeSet<&Path>, handed_on: &BTreeMap<(Path, String), Path>) -> Path {
    // A chain of names that are handed on is short; one that leads back to itself ends here.
    for _ in 0..8 {
        let known = (0..=path.len()).rev().find(|len| modules.contains(&path[..*len].to_vec())).unwrap_or(0);
        let Some(name) = path.get(known) else { return path };
        let Some(further) = handed_on.get(&(path[..known].to_vec(), name.clone())) else {
            path.truncate(known);
            return path;
        };
        path = further.iter().chain(&path[known + 1..]).cloned().collect();
    }
    path
}

/// The sets of entries that reach each other.
fn circles_of(uses: &Uses) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        uses.keys().map(|from| (from, reach(uses, from))).collect();
    let mut circles: Vec<BTreeSet<String>> = Vec::new();
    for (from, to) in &reached {
        if !to.contains(from) || circles.iter().any(|circle| circle.contains(*from)) {
            continue;
        }
        let back = |other: &&&String| reached.get(**other).is_some_and(|its| its.contains(from));
        circles.push(to.iter().filter(back).map(|member| (*member).clone()).collect());
    }
    circles
}

/// Everything that an entry uses, uses by what it uses, and so on.
fn reach<'a>(uses: &'a Uses, from: &str) -> BTreeSet<&'a String> {
    let mut found = BTreeSet::new();
    let mut open: Vec<&String> = uses.get(from).into_iter().flat_map(BTreeMap::keys).collect();
    while let Some(next) = open.pop() {
        if found.insert(next) {
            open.extend(uses.get(next).into_iter().flat_map(BTreeMap::keys));
        }
    }
    found
}

//! Reads the sources and fails with file:line where the program's shape is broken.
//!
//! ```text
//! main > vrrpd, checkd, bfdd, subagent > child > notify, status > daemon > config > proto > wire, sys > base
//! ```
//!
//! * A folder uses what is to its right, never to its left, never a sibling; `proto` not `sys`, `config` neither
//!   `sys` nor `wire`.
//! * `proto` has no clock, file or socket; nobody but `sys` asks for the time, starts or names threads.
//! * `unsafe` stands in `sys` only.
//! * The modules of a folder use each other in one direction: a circle is named with its uses (see `circles`).
//! * A struct of a child has at most [`MOST_FIELDS`] fields, and no module of `vrrpd` is the state of all others.
//! * Every file says its job first, and has at most [`MOST_LINES`] lines of code outside its tests.
//!
//! The reader is a small lexer: comments and literals are skipped, `use` trees are unfolded, `crate`, `self` and
//! `super` are followed, inline modules included. What macros build from pieces is not seen.
#![allow(clippy::print_stdout, clippy::expect_used, reason = "a test, which tells about files growing long")]

mod circles;
mod lexer;
mod selftest;
mod source;

use source::{Mention, Source};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// From left to right; those in one row are siblings.
const LAYERS: &[&[&str]] = &[
    // The binary: `main` and the modules that belong to it alone.
    &["main", "program"],
    &["vrrpd", "checkd", "bfdd", "subagent"],
    &["child"],
    &["notify", "status"],
    &["daemon"],
    &["config"],
    &["proto"],
    &["wire", "sys"],
    &["base"],
];

/// To the right, and not allowed all the same.
const NEVER: &[(&str, &str)] = &[("proto", "sys"), ("config", "sys"), ("config", "wire")];

/// What a machine that is told everything has no use for.
const IMPURE: &[&[&str]] = &[
    &["std", "time"],
    &["core", "time"],
    &["std", "fs"],
    &["std", "io"],
    &["std", "os"],
    &["std", "env"],
    &["std", "process"],
    &["std", "net", "UdpSocket"],
    &["std", "net", "TcpStream"],
    &["std", "net", "TcpListener"],
    &["mio"],
    &["nix"],
    &["libc"],
    &["neli"],
];

/// Lines of code outside tests that a file may have.
const MOST_LINES: usize = 600;
/// Lines of code from which on a file is named, so that it gets split in time.
const MANY_LINES: usize = 450;

/// What a child is made of.
const CHILDREN: &[&str] = &["vrrpd", "checkd", "bfdd", "child"];
/// Fields that a struct of a child may have: one that has more knows everything.
const MOST_FIELDS: usize = 15;

#[test]
fn the_sources_keep_to_their_layers() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    files.sort();
    assert!(files.len() > 20, "the sources were not found");
    let mut sources: Vec<Source> = files
        .iter()
        .map(|file| {
            let text = std::fs::read_to_string(file).expect("a source is readable text");
            let name = file.strip_prefix(root).unwrap_or(file).to_string_lossy();
            Source::new(&name, &text)
        })
        .collect();
    mark_tests(&mut sources);
    for source in &sources {
        let lines = source.code_lines();
        if lines > MANY_LINES && !source.all_test {
            println!("{}: {lines} lines of code", source.name);
        }
    }
    let findings = judge(sources);
    assert!(findings.is_empty(), "\n{}", findings.join("\n"));
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("src is readable") {
        let path = entry.expect("src is readable").path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

/// Everything that is wrong with the files, as file:line: text.
fn judge(mut sources: Vec<Source>) -> Vec<String> {
    mark_tests(&mut sources);
    let mut findings: Vec<String> = sources.iter().flat_map(Source::findings).collect();
    findings.extend(circles::circles(&sources));
    findings
}

/// Finds the files that another file declares as `#[cfg(test)] mod name;`, and those below them.
fn mark_tests(sources: &mut [Source]) {
    let test_modules: BTreeSet<Vec<String>> = sources.iter().flat_map(Source::test_modules).collect();
    for source in sources {
        let path = &source.module;
        source.all_test |= (1..=path.len()).any(|len| test_modules.contains(&path[..len]));
    }
}

/// Why a layer may not say this, if it may not.
fn wrong(layer: &str, mention: &Mention, all_test: bool) -> Option<String> {
    let segments: Vec<&str> = mention.segments.iter().map(String::as_str).collect();
    let path = segments.join("::");
    if mention.in_crate {
        let to = *segments.first()?;
        if layer == "vrrpd" && to == "vrrpd" && segments.contains(&"state") {
            return Some(format!("{path}: the parts of a child have no state in common"));
        }
        if to == layer {
            return None;
        }
        let (Some(ours), Some(theirs)) = (rank(layer), rank(to)) else {
            return None;
        };
        if NEVER.contains(&(layer, to)) {
            return Some(format!("{layer} uses {path}: never {to}"));
        }
        return match theirs.cmp(&ours) {
            std::cmp::Ordering::Greater => None,
            std::cmp::Ordering::Equal => Some(format!("{layer} uses {path}: a sibling")),
            std::cmp::Ordering::Less => Some(format!("{layer} uses {path}: a layer above it")),
        };
    }
    if mention.test || all_test {
        return None;
    }
    if layer == "proto" && IMPURE.iter().any(|path| segments.starts_with(path)) {
        return Some(format!("proto uses {path}: a machine is told everything"));
    }
    let asks = |clock: &str| segments.windows(2).any(|pair| pair == [clock, "now"]);
    if layer != "sys" && (asks("Instant") || asks("SystemTime")) {
        return Some(format!("{path}: the time comes from sys"));
    }
    if layer != "sys" && (segments.first() == Some(&"thread") || segments.starts_with(&["std", "thread"])) {
        return Some(format!("{path}: one thread a process"));
    }
    None
}

fn rank(layer: &str) -> Option<usize> {
    LAYERS.iter().position(|row| row.contains(&layer))
}

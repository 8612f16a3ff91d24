//! Configurations of several routers held against each other, one golden a case.
//!
//! Each folder of `tests/goldens/compare` has the configurations of the routers, compared in the order of their
//! names, and `expected.out`: what is said about them, and the exit code (`UPDATE=1` rewrites it).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use keepalived::config::compare::{Comparison, Router, compare};
use keepalived::config::diag::Diagnostics;
use keepalived::config::{Model, assemble, expand};

fn listed(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

fn cases() -> Vec<PathBuf> {
    listed(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/compare"))
}

fn model(text: &str) -> Model {
    let mut found = Diagnostics::new();
    let parsed = expand::parse_text(text, &mut found);
    let model = assemble::model(&parsed.tree, &mut found);
    assert!(!found.refused(), "{text}");
    model
}

fn compared(models: &[(String, Model)]) -> Comparison {
    let routers: Vec<Router<'_>> =
        models.iter().map(|(name, model)| Router { name: name.clone(), model }).collect();
    compare(&routers)
}

fn models(case: &Path) -> Vec<(String, Model)> {
    listed(case)
        .iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, model(&std::fs::read_to_string(path).unwrap()))
        })
        .collect()
}

fn text(comparison: &Comparison) -> String {
    let mut out = String::new();
    comparison.write(&mut out).unwrap();
    writeln!(out, "exit {}", if comparison.differs() { 5 } else { 0 }).unwrap();
    out
}

#[test]
fn goldens_are_as_recorded() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = String::new();
    for case in cases() {
        let actual = text(&compared(&models(&case)));
        let file = case.join("expected.out");
        if update {
            std::fs::write(&file, &actual).unwrap();
        }
        if std::fs::read_to_string(&file).unwrap_or_default() != actual {
            writeln!(wrong, "{} differs (UPDATE=1 rewrites):\n{actual}", case.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// A configuration does not differ from itself, but for the priorities that a pair must not share.
#[test]
fn a_configuration_matches_itself() {
    for case in cases() {
        for (name, model) in models(&case) {
            let twice = [("one".to_owned(), model.clone()), ("other".to_owned(), model)];
            let comparison = compared(&twice);
            for difference in &comparison.differences {
                let own = ["priority is", "all claim", "the same unicast_src_ip"];
                assert!(
                    own.iter().any(|known| difference.what.contains(known)),
                    "{} {name}: {}",
                    case.display(),
                    difference.what
                );
            }
        }
    }
}

/// A thousand virtual routers on either side are compared in a bearable time.
#[test]
fn many_instances() {
    let config = |priority: u8| {
        let mut text = String::new();
        for number in 0..1_000_u32 {
            let (vrid, link) = (number % 255 + 1, number / 255);
            write!(
                text,
                "vrrp_instance V{number} {{\n interface e{link}\n virtual_router_id {vrid}\n priority {priority}\n \
                 virtual_ipaddress {{\n 10.{link}.{vrid}.1\n }}\n}}\n"
            )
            .unwrap();
        }
        model(&text)
    };
    let comparison = compared(&[("a".to_owned(), config(150)), ("b".to_owned(), config(100))]);
    assert_eq!((comparison.differences.len(), comparison.forecasts.len()), (0, 1_000));
}

/// The program itself: what it prints, and how it ends.
#[test]
fn the_program_says_so_and_ends_with_its_code() {
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/compare");
    let run = |files: &[PathBuf]| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_keepalived"))
            .arg("--compare")
            .args(files)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        (text, output.status.code().unwrap())
    };
    let files = |case: &str| ["north.conf", "south.conf"].map(|file| goldens.join(case).join(file));
    let (text, code) = run(&files("alike"));
    assert!(text.starts_with("2 routers: north.conf, south.conf\nnothing differs"), "{text}");
    assert_eq!(code, 0);
    let (text, code) = run(&files("equal-priorities"));
    assert!(text.contains("\n1 difference\n"), "{text}");
    assert_eq!(code, 5);
    let (text, code) = run(&[goldens.join("nowhere.conf"), goldens.join("neither.conf")]);
    assert!(text.contains("nowhere.conf"), "{text}");
    assert_eq!(code, 6);
}

/// One file with conditions is as many routers as it knows ids.
#[test]
fn one_file_for_both_routers() {
    let file = std::env::temp_dir().join(format!("compare-{}.conf", std::process::id()));
    let text = "vrrp_instance A {\n interface eth0\n virtual_router_id 5\n@one priority 150\n@two priority 100\n virtual_ipaddress {\n \
                10.0.0.1\n }\n}\n";
    std::fs::write(&file, text).unwrap();
    let named = |id: &str| format!("{}@{id}", file.display());
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_keepalived"))
        .args(["--compare", &named("one"), &named("two")])
        .output()
        .unwrap();
    std::fs::remove_file(&file).unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("@one is MASTER"), "{text}");
    assert_eq!(output.status.code(), Some(0));
}

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
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
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
    let routers: Vec<Router<'_>> = models
        .iter()
        .map(|(name, model)| Router {
            name: name.clone(),
            model,
        })
        .collect();
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
    assert_eq!(
        (comparison.differences.len(), comparison.forecasts.len()),
        (0, 1_000)
    );
}

//! Rows of virtual servers, checks, BFD and SSL against the list of what the reference knows.
//!
//! `tests/goldens/keywords_services.txt` holds a line for each keyword of these blocks: block, keyword, whether
//! a reload applies a change. Where the reference's own table is at hand, the list is compared with it, too;
//! UPDATE=1 rewrites the list from the rows.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use keepalived::config::diag::Diagnostics;
use keepalived::config::row::Effect;
use keepalived::config::{Model, assemble, expand, rows};

fn mine(block: &str) -> bool {
    ["virtual_server", "SSL", "bfd_instance"]
        .iter()
        .any(|name| block.starts_with(name))
}

/// `block keyword y|n` of every row.
fn rows_as_lines() -> BTreeSet<String> {
    rows::catalogue()
        .iter()
        .filter(|row| mine(&row.block))
        .map(|row| {
            format!(
                "{}\t{}\t{}",
                row.block,
                row.name,
                if row.reload { "y" } else { "n" }
            )
        })
        .collect()
}

fn list() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/keywords_services.txt")
}

fn differences(one: &BTreeSet<String>, other: &BTreeSet<String>) -> Vec<String> {
    one.symmetric_difference(other).cloned().collect()
}

#[test]
fn every_keyword_of_the_list_has_a_row() {
    let rows = rows_as_lines();
    if std::env::var_os("UPDATE").is_some() {
        let text: String = rows.iter().map(|line| format!("{line}\n")).collect();
        std::fs::write(list(), text).unwrap();
    }
    let known: BTreeSet<String> = std::fs::read_to_string(list())
        .unwrap_or_default()
        .lines()
        .map(str::to_owned)
        .collect();
    assert!(known.len() > 300, "{} lines", known.len());
    assert_eq!(differences(&rows, &known), Vec::<String>::new());
}

#[test]
fn the_list_is_that_of_the_reference() {
    let root = std::env::var_os("KEEPALIVED_SHARED").unwrap_or_else(|| "/work/shared".into());
    let Ok(table) = std::fs::read_to_string(Path::new(&root).join("reference/keywords.tsv")) else {
        return;
    };
    let wanted: BTreeSet<String> = table
        .lines()
        .skip(1)
        .map(|line| line.split('\t').collect::<Vec<_>>())
        // Some rows only say that the manual is wrong: the keyword is unknown.
        .filter(|cells| mine(cells[0]) && !cells[10].starts_with("unknown keyword"))
        .map(|cells| format!("{}\t{}\t{}", cells[0], cells[1], cells[6]))
        .collect();
    assert_eq!(differences(&rows_as_lines(), &wanted), Vec::<String>::new());
}

/// What has no effect in the reference has none here, and nothing else claims one before it is there.
#[test]
fn no_row_of_these_claims_an_effect() {
    for row in rows::catalogue().iter().filter(|row| mine(&row.block)) {
        let never = matches!(
            (row.block.as_str(), row.name),
            ("virtual_server", "hashed") | ("virtual_server/real_server/HTTP_GET", "enable_sni" | "sni_name")
        );
        let wanted = if never { Effect::Never } else { Effect::NoneYet };
        assert_eq!(row.effect, wanted, "{} of {}", row.name, row.block);
    }
}

fn load(text: &str) -> (Model, Diagnostics) {
    let mut found = Diagnostics::new();
    let parsed = expand::parse_text(text, &mut found);
    (assemble::model(&parsed.tree, &mut found), found)
}

/// A thousand services of which none has an effect yet: told once, and real mistakes still find room.
#[test]
fn many_services_leave_room_for_mistakes() {
    let mut text = String::new();
    for service in 0..2_000 {
        text.push_str(&format!(
            "virtual_server fwmark {} {{\nlvs_sched rr\nlvs_method NAT\nreal_server 10.0.0.1 {{\nTCP_CHECK {{\n}}\n}}\n}}\n",
            service + 1
        ));
    }
    text.push_str("virtual_server fwmark 5 {\nlvs_shed rr\n}\n");
    let (model, found) = load(&text);
    assert_eq!(model.services.len(), 2_000);
    assert_eq!(found.len(), 3, "{:?}", found.iter().collect::<Vec<_>>());
    assert!(found.iter().any(|finding| finding.message.contains("lvs_shed")));
}

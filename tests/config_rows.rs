//! The back end of the configuration engine: what a file means, what is told about it, and the way back.
//!
//! Every `tests/goldens/rows/*.conf` is read; its effective configuration and its findings are compared with
//! the `.out` file beside it; `UPDATE=1` rewrites those. The same files, and the examples and the corpus of
//! other people's files where they are present, are printed and read back: the model must be the same.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

use std::fmt::Write;
use std::path::{Path, PathBuf};

use keepalived::config::diag::{Diagnostics, Severity};
use keepalived::config::expand::{self, Parsed};
use keepalived::config::row::Effect;
use keepalived::config::{Model, assemble, print, rows};

fn load(text: &str) -> (Model, Diagnostics, Parsed) {
    let mut found = Diagnostics::new();
    let parsed = expand::parse_text(text, &mut found);
    let model = assemble::model(&parsed.tree, &mut found);
    (model, found, parsed)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
        .collect();
    files.sort();
    files
}

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/rows")
}

/// Findings of the long form, with their severity in front.
fn findings(found: &Diagnostics, parsed: &Parsed) -> String {
    let mut out = String::new();
    for finding in found.iter() {
        let severity = match finding.severity {
            Severity::Note => "note",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Fatal => "fatal",
        };
        writeln!(out, "{severity} {}", finding.line(&parsed.sources)).unwrap();
        if let Some(remedy) = &finding.remedy {
            writeln!(out, "    {remedy}").unwrap();
        }
    }
    writeln!(out, "exit {}", found.exit_test().code()).unwrap();
    out
}

/// What is printed is read back as the same model, without a complaint, and printed the same again.
fn round_trip(model: &Model, name: &str) {
    let text = print(model);
    let (again, found, parsed) = load(&text);
    if *model != again {
        // The places differ, too, but they are equal; the first other line tells what was lost.
        let (before, after) = (print(model), print(&again));
        let lost = before
            .lines()
            .zip(after.lines())
            .find(|(one, other)| one != other);
        panic!("{name} changes when it is printed, at {lost:?}:\n{before}\n{model:#?}\n{again:#?}");
    }
    assert_eq!(text, print(&again), "{name} is not printed the same twice");
    // A clash of router ids stays one; nothing else of a printed model is refused.
    let mut errors = found
        .iter()
        .filter(|finding| finding.severity > Severity::Warning);
    assert!(
        errors.all(|finding| finding.message.contains("both use VRID")),
        "{name}: printed text is refused: {}\n{text}",
        findings(&found, &parsed)
    );
}

#[test]
fn goldens_are_as_recorded() {
    let update = std::env::var_os("UPDATE").is_some();
    let files = files(&goldens());
    assert!(!files.is_empty());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let (model, found, parsed) = load(&text);
        let actual = format!("{}---\n{}", findings(&found, &parsed), print(&model));
        let expected_file = file.with_extension("out");
        if update {
            std::fs::write(&expected_file, &actual).unwrap();
        }
        let expected = std::fs::read_to_string(&expected_file).unwrap_or_default();
        assert!(
            expected == actual,
            "{} differs (UPDATE=1 rewrites):\n{actual}",
            file.display()
        );
        round_trip(&model, &file.display().to_string());
    }
}

/// The folder of other people's files, where the machine has it.
fn shared(folder: &str) -> Vec<PathBuf> {
    let root = std::env::var_os("KEEPALIVED_SHARED").unwrap_or_else(|| "/work/shared".into());
    files(&Path::new(&root).join(folder))
}

#[test]
fn published_examples_load_and_come_back() {
    for file in shared("examples") {
        let (model, found, parsed) = load(&std::fs::read_to_string(&file).unwrap());
        let told = findings(&found, &parsed);
        assert!(!found.refused(), "{} is refused:\n{told}", file.display());
        assert_eq!(model.instances.len(), 1, "{}:\n{told}", file.display());
        round_trip(&model, &file.display().to_string());
    }
}

#[test]
fn files_from_the_field_never_panic_and_come_back() {
    for file in shared("corpus/all") {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        let (model, _, _) = load(&text);
        round_trip(&model, &file.display().to_string());
    }
}

/// Every keyword that the reference knows in the blocks that have rows.
#[test]
fn every_keyword_of_the_reference_has_a_row() {
    let root = std::env::var_os("KEEPALIVED_SHARED").unwrap_or_else(|| "/work/shared".into());
    let Ok(table) = std::fs::read_to_string(Path::new(&root).join("reference/keywords.tsv")) else {
        return;
    };
    let known = rows::catalogue();
    let blocks = [
        "top",
        "global_defs",
        "vrrp_script",
        "vrrp_instance",
        "vrrp_instance/authentication",
    ];
    let mut missing = Vec::new();
    for line in table.lines().skip(1) {
        let mut cells = line.split('\t');
        let (block, word) = (cells.next().unwrap(), cells.next().unwrap());
        let accepted = !word.ends_with("_file_location");
        if blocks.contains(&block)
            && accepted
            && !known.iter().any(|row| row.block == block && row.name == word)
        {
            missing.push(format!("{block} {word}"));
        }
    }
    assert!(missing.is_empty(), "no row: {missing:?}");
}

#[test]
fn rows_are_documented_and_unique() {
    let all = rows::catalogue();
    for (index, row) in all.iter().enumerate() {
        assert!(
            !row.meaning.is_empty() && !row.default.is_empty(),
            "{} of {}",
            row.name,
            row.block
        );
        let twin = all
            .iter()
            .skip(index + 1)
            .find(|other| other.block == row.block && other.name == row.name);
        assert!(twin.is_none(), "{} of {} twice", row.name, row.block);
    }
    let waiting = all.iter().filter(|row| row.effect == Effect::NoneYet).count();
    // Goes down with every keyword that gets its effect, to zero in the end.
    assert_eq!(waiting, 147, "rows without effect, of {}", all.len());
}

/// Mutations of all goldens: no panic, and what remains comes back.
#[test]
fn mutated_files_never_panic_and_come_back() {
    let mut seed: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut next = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        usize::try_from(seed % (below.max(1) as u64)).unwrap()
    };
    let mut pool: Vec<String> = Vec::new();
    for file in files(&goldens()) {
        pool.push(std::fs::read_to_string(file).unwrap());
    }
    let words: Vec<String> = pool
        .iter()
        .flat_map(|text| text.split_whitespace())
        .map(str::to_owned)
        .collect();
    for round in 0..2_000 {
        let text = &pool[next(pool.len())];
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        for _ in 0..=next(6) {
            let at = next(lines.len());
            match next(5) {
                0 => drop(lines.remove(at)),
                1 => {
                    let copy = lines[next(lines.len())].clone();
                    lines.insert(at, copy);
                }
                2 => lines[at] = format!("{} {}", lines[at], words[next(words.len())]),
                3 => {
                    let mut parts: Vec<&str> = lines[at].split_whitespace().collect();
                    if parts.len() > 1 {
                        let which = next(parts.len());
                        parts[which] = &words[next(words.len())];
                        lines[at] = parts.join(" ");
                    }
                }
                _ => lines.swap(at, 0),
            }
            if lines.is_empty() {
                break;
            }
        }
        let (model, _, _) = load(&lines.join("\n"));
        round_trip(&model, &format!("mutation {round} of:\n{}\n", lines.join("\n")));
    }
}

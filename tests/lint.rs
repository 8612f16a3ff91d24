//! The checks of a config test, one golden each.
//!
//! Every `tests/goldens/lint/NAME.conf` holds something that the check NAME finds; all findings of all checks are
//! compared with the `.out` file beside it (`UPDATE=1` rewrites those). Facts about the machine are comments:
//!
//! ```text
//! # fact: link eth0 [multicast] [<address>/<len>...]
//! # fact: program fine|missing|foreign|writable <command>
//! ```

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use keepalived::base::addr::Prefix;
use keepalived::base::map::Map;
use keepalived::config::compare::{Router, compare};
use keepalived::config::diag::Diagnostics;
use keepalived::config::lint::{self, CHECKS, Facts, Input, Link, Program, Silence};
use keepalived::config::{assemble, expand};

fn goldens() -> Vec<PathBuf> {
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/lint"))
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

fn prefix(text: &str) -> Prefix {
    let (addr, len) = text.split_once('/').unwrap();
    Prefix { addr: addr.parse().unwrap(), len: len.parse().unwrap() }
}

/// The facts that the comments of a golden state.
fn facts(text: &str) -> Facts {
    let mut facts = Facts::default();
    for fact in text.lines().filter_map(|line| line.strip_prefix("# fact: ")) {
        let (kind, rest) = fact.split_once(' ').unwrap();
        match kind {
            "link" => {
                let mut words = rest.split(' ');
                let name = words.next().unwrap().to_owned();
                let words: Vec<&str> = words.collect();
                let link = Link {
                    multicast: words.contains(&"multicast"),
                    addresses: words
                        .iter()
                        .filter(|word| word.contains('/'))
                        .map(|word| prefix(word))
                        .collect(),
                };
                facts.addresses.extend(link.addresses.iter().map(|prefix| prefix.addr));
                facts.links.get_or_insert_with(Map::new).insert(name, link);
            }
            "program" => {
                let (state, command) = rest.split_once(' ').unwrap();
                let state = match state {
                    "fine" => Program::Fine,
                    "missing" => Program::Missing,
                    "foreign" => Program::Foreign,
                    "writable" => Program::Writable,
                    other => panic!("unknown state {other}"),
                };
                facts.programs.insert(command.to_owned(), state);
            }
            other => panic!("unknown fact {other}"),
        }
    }
    facts
}

/// All findings of all checks, in the long form of a config test.
fn findings(text: &str, off: &[String]) -> (String, Diagnostics) {
    let parsed = expand::parse_text(text, &mut Diagnostics::new());
    let model = assemble::model(&parsed.tree, &mut Diagnostics::new());
    let mut found = Diagnostics::new();
    let silence = Silence::read(off, &parsed.sources, &mut found);
    let facts = facts(text);
    lint::run(&Input::new(&model, &parsed.tree, &facts).text(&parsed.sources), &silence, &mut found);
    let mut out = String::new();
    found.write(&parsed.sources, true, &mut out).unwrap();
    (out, found)
}

#[test]
fn goldens_are_as_recorded() {
    let update = std::env::var_os("UPDATE").is_some();
    let mut wrong = String::new();
    for file in goldens() {
        let text = std::fs::read_to_string(&file).unwrap();
        let (actual, _) = findings(&text, &[]);
        let expected_file = file.with_extension("out");
        if update {
            std::fs::write(&expected_file, &actual).unwrap();
        }
        if std::fs::read_to_string(&expected_file).unwrap_or_default() != actual {
            writeln!(wrong, "{} differs (UPDATE=1 rewrites):\n{actual}", file.display()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The golden of a check makes that check speak, and its name silences it: by option, and by both comments.
#[test]
fn every_check_has_a_golden_and_can_be_silenced() {
    let stems: BTreeSet<String> =
        goldens().iter().map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let names: BTreeSet<String> = CHECKS.iter().map(|check| check.name.to_owned()).collect();
    assert_eq!(stems, names, "one golden a check, named like it");
    assert_eq!(names.len(), CHECKS.len(), "two checks have one name");
    assert!(names.len() >= 30);
    for file in goldens() {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let mark = format!("[{name}]");
        let (_, found) = findings(&text, &[]);
        let lines: Vec<u32> =
            found.iter().filter(|one| one.message.ends_with(&mark)).map(|one| one.at.line).collect();
        assert!(!lines.is_empty(), "{name} does not speak");
        let silent = |text: &str, off: &[String]| !findings(text, off).0.contains(&mark);
        assert!(silent(&text, core::slice::from_ref(&name)), "--lint-off={name}");
        assert!(silent(&format!("# lint: off {name}\n{text}"), &[]), "{name} for a file");
        let on_its_line: String = text
            .lines()
            .zip(1_u32..)
            .map(|(line, number)| match lines.contains(&number) {
                true => format!("{line} # lint: off {name}\n"),
                false => format!("{line}\n"),
            })
            .collect();
        assert!(silent(&on_its_line, &[]), "{name} for a line:\n{on_its_line}");
    }
}

/// Checks change no exit code, whatever they find.
#[test]
fn findings_are_not_counted() {
    for file in goldens() {
        let (_, found) = findings(&std::fs::read_to_string(&file).unwrap(), &[]);
        assert_eq!(found.exit_test().code(), 0, "{}", file.display());
    }
}

/// What a check finds in ten thousand instances is told a few times, and then counted.
#[test]
fn a_habit_is_told_a_few_times() {
    let mut text = String::new();
    for number in 0..300 {
        writeln!(
            text,
            "vrrp_instance V{number} {{\n interface e{number}\n virtual_router_id 1\n virtual_ipaddress {{ 10.0.0.1 }}\n}}"
        )
        .unwrap();
    }
    let (out, found) = findings(&text, &[]);
    assert_eq!(found.len(), 26);
    assert!(out.contains("275 more places like the ones before [default-priority]"), "{out}");
}

/// Lines lost, doubled and swapped, words cut: no check panics, and none is counted.
#[test]
fn mutations_do_no_harm() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        usize::try_from(state >> 33).unwrap() % below.max(1)
    };
    for file in goldens() {
        let text = std::fs::read_to_string(&file).unwrap();
        for _ in 0..40 {
            let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
            for _ in 0..=random(4) {
                let (one, other) = (random(lines.len()), random(lines.len()));
                match random(5) {
                    0 => drop(lines.remove(one)),
                    1 => lines.insert(one, lines[other].clone()),
                    2 => lines.swap(one, other),
                    3 => {
                        let keep = random(lines[one].len() + 1);
                        lines[one].truncate(keep);
                    }
                    _ => lines[one] = lines[one].replace(['{', '1'], "99999999999 "),
                }
            }
            let mutated = lines.join("\n");
            let parsed = expand::parse_text(&mutated, &mut Diagnostics::new());
            let model = assemble::model(&parsed.tree, &mut Diagnostics::new());
            let mut found = Diagnostics::new();
            let silence = Silence::read(&[], &parsed.sources, &mut found);
            let facts = Facts { links: Some(Map::new()), ..Facts::default() };
            lint::run(&Input::new(&model, &parsed.tree, &facts).text(&parsed.sources), &silence, &mut found);
            assert_eq!(found.exit_test().code(), 0, "{mutated}");
            let routers = ["a", "b", "c"].map(|name| Router { name: name.to_owned(), model: &model });
            compare(&routers).write(&mut String::new()).unwrap();
        }
    }
}

/// The program itself: `-t` tells notes, ends as it would without them, and `--lint-off` leaves them out.
#[test]
fn the_config_test_tells_notes_and_ends_as_without() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/lint/interval-long.conf");
    let run = |option: &str| {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_keepalived"))
            .args(["-t", "-f"])
            .arg(&file)
            .arg(option)
            .output()
            .unwrap();
        (String::from_utf8(output.stderr).unwrap(), output.status.code())
    };
    let (with, code) = run("--lint-off=unicast-self");
    assert!(with.contains("[interval-long]"), "{with}");
    let (without, same) = run("--lint-off=all");
    assert!(!without.contains("[interval-long]"), "{without}");
    assert_eq!(code, same);
    let (complaint, _) = run("--lint-off=intervall-long");
    assert!(complaint.contains("did you mean interval-long?"), "{complaint}");
}

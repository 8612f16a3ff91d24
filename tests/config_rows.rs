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

#[path = "lab/kit/skip.rs"]
mod skip;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use keepalived::config::diag::{Diagnostics, Severity};
use keepalived::config::expand::{self, Parsed};
use keepalived::config::row::Effect;
use keepalived::config::{Model, assemble, explain, print, rows};
use skip::skip;

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

/// What stays wrong between objects of a model that can run.
const CLASHES: [&str; 2] = ["both use VRID", "uses same VMAC"];

/// What is printed is read back as the same model, without a complaint, and printed the same again.
fn round_trip(model: &Model, name: &str) {
    let text = print(model);
    let (again, found, parsed) = load(&text);
    if *model != again {
        // The places differ, too, but they are equal; the first other line tells what was lost.
        let (before, after) = (print(model), print(&again));
        let lost = before.lines().zip(after.lines()).find(|(one, other)| one != other);
        panic!("{name} changes when it is printed, at {lost:?}:\n{before}\n{model:#?}\n{again:#?}");
    }
    assert_eq!(text, print(&again), "{name} is not printed the same twice");
    // A clash stays one; nothing else of a printed model is refused.
    let mut errors = found.iter().filter(|finding| finding.severity > Severity::Warning);
    assert!(
        errors.all(|finding| CLASHES.iter().any(|clash| finding.message.contains(clash))),
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
        assert!(expected == actual, "{} differs (UPDATE=1 rewrites):\n{actual}", file.display());
        round_trip(&model, &file.display().to_string());
    }
}

/// Every switch, on and off, where everything that it may inherit is on and where that is off: what is printed says so.
#[test]
fn switches_come_back_on_and_off() {
    let all = rows::catalogue();
    let switches = |block: &str| -> Vec<&str> {
        let of_block = all.iter().filter(|row| row.block == block && row.syntax == "[on|off]");
        of_block.map(|row| row.name).collect()
    };
    let global = switches("global_defs");
    assert!(global.len() > 10);
    let word = |on: bool| if on { "on" } else { "off" };
    let text = |inherited: bool, global_line: &str, instance: &str, group: &str| {
        let lines: String = global.iter().map(|name| format!("{name} {}\n", word(inherited))).collect();
        let of = |name: &str, vrid: u8, lines: &str| {
            format!(
                "vrrp_instance {name} {{\ninterface eth0\nversion 3\nvirtual_router_id {vrid}\npriority 100\n\
                 virtual_ipaddress {{\n10.0.0.{vrid}\n}}\n{lines}\n}}\n"
            )
        };
        format!(
            "global_defs {{\n{lines}{global_line}\n}}\n{}{}vrrp_sync_group G {{\ngroup {{\nA\nB\n}}\n{group}\n}}\n",
            of("A", 1, instance),
            of("B", 2, "")
        )
    };
    for inherited in [true, false] {
        let models = |block: &str, name: &str| {
            [true, false].map(|on| {
                let line = format!("{name} {}", word(on));
                let text = match block {
                    "global_defs" => text(inherited, &line, "", ""),
                    "vrrp_instance" => text(inherited, "", &line, ""),
                    _ => text(inherited, "", "", &line),
                };
                let (model, _, _) = load(&text);
                assert_eq!(model.instances.len(), 2, "{text}");
                round_trip(&model, &text);
                model
            })
        };
        for block in ["global_defs", "vrrp_instance", "vrrp_sync_group"] {
            for name in switches(block) {
                let [on, off] = models(block, name);
                let row = all.iter().find(|row| row.block == block && row.name == name).unwrap();
                // Strict mode rules out some; this one is for address owners.
                let owners = name == "owner_ignore_adverts";
                let matters = row.effect == Effect::Full && !inherited && !owners;
                assert!(!matters || on != off, "{name} of {block} on is {name} off");
            }
        }
    }
}

/// Where other people's files and the reference lie, on machines that have them.
fn shared(place: &str) -> PathBuf {
    let root = std::env::var_os("KEEPALIVED_SHARED")
        .unwrap_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../shared").into());
    Path::new(&root).join(place)
}

/// The files of such a folder. None, and a line that says so: there are none.
fn shared_files(folder: &str) -> Vec<PathBuf> {
    let folder = shared(folder);
    let found = files(&folder);
    if found.is_empty() {
        skip(&format!("no configurations in {}", folder.display()));
    }
    found
}

#[test]
fn published_examples_load_and_come_back() {
    for file in shared_files("examples") {
        let (model, found, parsed) = load(&std::fs::read_to_string(&file).unwrap());
        let told = findings(&found, &parsed);
        assert!(!found.refused(), "{} is refused:\n{told}", file.display());
        assert_eq!(model.instances.len(), 1, "{}:\n{told}", file.display());
        round_trip(&model, &file.display().to_string());
    }
}

#[test]
fn files_from_the_field_never_panic_and_come_back() {
    for file in shared_files("corpus/all") {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        let (model, _, _) = load(&text);
        round_trip(&model, &file.display().to_string());
    }
}

/// Blocks of the reference whose rows are checked, with what is inside them.
const CHECKED: [&str; 24] = [
    "top",
    "global_defs",
    "vrrp_script",
    "vrrp_instance",
    "vrrp_instance/*",
    "vrrp_sync_group",
    "vrrp_sync_group/*",
    "track_file",
    "vrrp_track_file",
    "vrrp_track_process",
    "track_group",
    "garp_group",
    "linkbeat_interfaces",
    "interface_up_down_delays",
    "static_ipaddress",
    "static_routes",
    "static_routes/*",
    "static_rules",
    "SSL",
    "bfd_instance",
    "virtual_server",
    "virtual_server/*",
    "virtual_server_group",
    "global_defs/*",
];

/// Entries of the table that are no keyword here, each with the reason.
const NO_ROW: [(&str, &str); 10] = [
    ("state_file_location", "printed in the manual, accepted by nobody"),
    ("stats_file_location", "printed in the manual, accepted by nobody"),
    ("json_file_location", "printed in the manual, accepted by nobody"),
    ("ip_proto", "printed in the manual for ipproto, accepted by nobody"),
    ("dynamic of virtual_server/real_server/FILE_CHECK", "printed in the manual, accepted by nobody"),
    ("tls_compliant of virtual_server/real_server/HTTP_GET", "for SSL_GET only"),
    ("tls_compliant of virtual_server/real_server/HTTP_GET/url", "for SSL_GET only"),
    ("(other word)", "says what an unknown word does"),
    ("(no action)", "says what a rule without an action does"),
    ("notify_deleted of vrrp_sync_group", "printed in the manual for groups, accepted by nobody"),
];

/// Every keyword of the reference's table: block, word, and whether a reload applies it, if that is known.
fn reference() -> Vec<(String, String, Option<bool>)> {
    let place = shared("reference/keywords.tsv");
    let Ok(table) = std::fs::read_to_string(&place) else {
        skip(&format!("no {}", place.display()));
        return Vec::new();
    };
    let mut all = Vec::new();
    for line in table.lines().skip(1) {
        let cells: Vec<&str> = line.split('\t').collect();
        let (block, word) = (cells[0], cells[1]);
        let checked = CHECKED.iter().any(|checked| match checked.strip_suffix('*') {
            Some(above) => block.starts_with(above),
            None => block == *checked,
        });
        let skipped = NO_ROW.iter().any(|(name, _)| match name.split_once(" of ") {
            Some((name, only)) => name == word && only == block,
            None => *name == word,
        });
        if checked && !skipped {
            let reload = match cells[6] {
                "y" => Some(true),
                "n" => Some(false),
                _ => None,
            };
            all.push((block.to_owned(), word.to_owned(), reload));
        }
    }
    all
}

/// What keepalived reads at the start alone, and we at a reload as well (README, table of differences).
const FOLLOW_A_RELOAD: [(&str, &str); 2] = [("global_defs", "vrrp_iptables"), ("global_defs", "vrrp_ipsets")];

/// Every keyword that the reference knows has a row that says the same about a reload.
#[test]
fn every_keyword_of_the_reference_has_a_row() {
    let known = rows::catalogue();
    let mut wrong = Vec::new();
    for (block, word, reload) in reference() {
        match known.iter().find(|row| row.block == block && row.name == word) {
            None => wrong.push(format!("{block} {word}: no row")),
            Some(row) if row.reload && FOLLOW_A_RELOAD.contains(&(&*block, &*word)) => {}
            Some(row) if reload.is_some_and(|reload| reload != row.reload) => {
                wrong.push(format!("{block} {word}: reload {}", row.reload));
            }
            Some(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same without the reference at hand: no row goes away unnoticed. `UPDATE=1` rewrites the list.
#[test]
fn every_row_that_was_there_is_there() {
    let mut names: Vec<String> = rows::catalogue()
        .iter()
        .map(|row| format!("{}\t{}\t{}\n", row.block, row.name, if row.reload { "y" } else { "n" }))
        .collect();
    names.sort();
    let actual = names.concat();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/keywords.tsv");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &actual).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    let gone: Vec<&str> = expected.lines().filter(|line| !actual.contains(*line)).collect();
    assert!(actual == expected, "keywords differ (UPDATE=1 rewrites); gone: {gone:?}");
}

/// Every keyword is a word of a golden, so that each is read, printed and read back.
#[test]
fn every_keyword_stands_in_a_golden() {
    let mut words = std::collections::BTreeSet::new();
    for file in files(&goldens()) {
        let text = std::fs::read_to_string(file).unwrap();
        let split = text.split(|ch: char| ch.is_whitespace() || matches!(ch, '{' | '}' | '"'));
        words.extend(split.map(str::to_owned));
    }
    let all = rows::catalogue();
    let mut missing: Vec<String> = all
        .iter()
        .filter(|row| !row.name.starts_with('<') && !words.contains(row.name))
        .map(|row| format!("{} {}", row.block, row.name))
        .collect();
    missing.sort();
    assert!(missing.is_empty(), "no golden under tests/goldens/rows uses: {}", missing.join(", "));
}

#[test]
fn rows_are_documented_and_unique() {
    let all = rows::catalogue();
    for (index, row) in all.iter().enumerate() {
        assert!(!row.meaning.is_empty() && !row.default.is_empty(), "{} of {}", row.name, row.block);
        let twin =
            all.iter().skip(index + 1).find(|other| other.block == row.block && other.name == row.name);
        assert!(twin.is_none(), "{} of {} twice", row.name, row.block);
    }
    // Gets shorter with every keyword that gets its effect, and is empty in the end. UPDATE=1 rewrites it.
    let mut waiting = String::new();
    for row in all.iter().filter(|row| row.effect == Effect::NoneYet) {
        writeln!(waiting, "{} {}", row.block, row.name).unwrap();
    }
    let file = goldens().with_file_name("without_effect.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &waiting).unwrap();
    }
    let recorded = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(recorded == waiting, "rows without effect (UPDATE=1 rewrites):\n{waiting}");
}

/// The page that the README links is what `--explain --all` prints. `UPDATE=1` rewrites it.
#[test]
fn the_reference_page_is_up_to_date() {
    let file = goldens().with_file_name("reference.md");
    let actual = explain::reference();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&file, &actual).unwrap();
    }
    let recorded = std::fs::read_to_string(&file).unwrap_or_default();
    let other = actual.lines().zip(recorded.lines()).find(|(now, then)| now != then);
    assert!(
        recorded == actual,
        "{} is not what --explain --all prints, first at {other:?}; \
         `UPDATE=1 cargo test --test config_rows the_reference_page` rewrites it",
        file.display()
    );
}

/// 10,000 instances in one group, each with a tracker, and one instance with as many lines of every kind: what
/// was said before is found by name, so that this ends soon in an unoptimised test, too.
#[test]
fn many_of_everything_are_read_in_linear_time() {
    const MANY: u32 = 10_000;
    let mut text = "track_file t {\n file /run/t\n}\nvrrp_sync_group G {\n group {\n".to_owned();
    for number in 0..MANY {
        writeln!(text, "V{number}").unwrap();
    }
    text.push_str("}\n}\n");
    for number in 0..MANY {
        let (link, id) = (number / 255, number % 255 + 1);
        writeln!(
            text,
            "vrrp_instance V{number} {{\n interface e{link}\n virtual_router_id {id}\n track_file {{\n t weight 0\n }}\n \
             virtual_ipaddress {{\n 10.1.{link}.{id}\n }}"
        )
        .unwrap();
        if number == 0 {
            for (block, line) in [
                ("virtual_ipaddress_excluded", "10.2.A.B dev e0"),
                ("virtual_routes", "10.2.A.B/32 dev e0"),
                ("virtual_rules", "from 10.2.A.B table 5 preference 6"),
                ("track_interface", "e.A.B"),
            ] {
                writeln!(text, "{block} {{").unwrap();
                for number in 0..MANY {
                    let line = line.replace('A', &(number >> 8).to_string());
                    writeln!(text, "{}", line.replace('B', &(number & 255).to_string())).unwrap();
                }
                text.push_str("}\n");
            }
        }
        text.push_str("}\n");
    }
    let (model, found, parsed) = load(&text);
    let many = usize::try_from(MANY).unwrap();
    assert_eq!(model.instances.len(), many, "{}", findings(&found, &parsed));
    assert_eq!(model.groups[0].members.len(), many);
    let first = &model.instances[0];
    assert_eq!((first.excluded.len(), first.routes.len()), (many, many));
    assert_eq!((first.rules.len(), first.track_interfaces.len()), (many, many));
    let (again, _, _) = load(&print(&model));
    assert!(again == model);
}

/// A brace behind the name keeps a parameter from being one, and is not there any more when the value is printed.
#[test]
fn what_is_no_parameter_in_a_command_is_none_when_it_is_printed() {
    let (model, ..) = load("vrrp_instance a {\n interface eth0\n virtual_router_id 1\n notify $_PWD}\n");
    let printed = print(&model);
    assert!(printed.contains("notify \"$_PWD\"\n"), "{printed}");
    let (again, ..) = load(&printed);
    assert_eq!(print(&again), printed);
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
    let words: Vec<String> =
        pool.iter().flat_map(|text| text.split_whitespace()).map(str::to_owned).collect();
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

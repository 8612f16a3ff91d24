//! The ends of every range: what a keyword of the VRRP side does with the lowest and the highest value that it
//! takes, the one below and the one above, none, a text, and a number with text behind it; what a switch does
//! with each of its words.
//!
//! `tests/goldens/edges.tsv` says for each value how the config test ends and how the effective configuration
//! differs from that without the line; its values come from the reference's table of keywords, so that a range
//! that is changed by mistake shows here. `UPDATE=1` writes the last two columns anew.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends at the first surprise"
)]

use std::collections::BTreeMap;
use std::fmt::Write;

use keepalived::config::diag::Diagnostics;
use keepalived::config::{assemble, expand, print};

/// A router that is whole without further lines.
const ROUTER: &str = "vrrp_instance V {\n interface eth0\n virtual_router_id 5\n priority 90\n \
                      virtual_ipaddress {\n 192.0.2.9/24\n }\n@\n}\n";

/// A configuration in which `line` stands in `block`.
fn around(block: &str, line: &str) -> String {
    let router = |inner: &str| ROUTER.replace('@', inner);
    match block {
        "top" => format!("{line}\n{}", router("")),
        "global_defs" => format!("global_defs {{\n{line}\n}}\n{}", router("")),
        "vrrp_instance" => router(line),
        "vrrp_instance/authentication" => {
            router(&format!("authentication {{\n auth_type PASS\n auth_pass x\n{line}\n}}"))
        }
        "vrrp_instance/auth_hmac" => router(&format!(
            "auth_hmac {{\n key 1 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n active_key 1\n{line}\n}}"
        )),
        "vrrp_sync_group" => {
            let other = router("").replace("V {", "W {").replace("id 5", "id 6").replace(".9/", ".8/");
            format!("vrrp_sync_group G {{\n group {{\n V\n W\n }}\n{line}\n}}\n{}{other}", router(""))
        }
        "garp_group" => {
            format!("garp_group {{\n garp_interval 1\n interface eth0\n{line}\n}}\n{}", router(""))
        }
        "vrrp_script" => {
            let script = format!("vrrp_script S {{\n script \"/usr/bin/true\"\n{line}\n}}\n");
            script + &router("track_script {\n S\n }")
        }
        "track_file" => {
            format!("track_file F {{\n file /tmp/f\n{line}\n}}\n") + &router("track_file {\n F\n }")
        }
        "vrrp_track_process" => {
            let process = format!("vrrp_track_process P {{\n process x\n{line}\n}}\n");
            process + &router("track_process {\n P\n }")
        }
        other => panic!("no configuration around {other}"),
    }
}

/// How the config test ends, and the effective configuration.
fn read(text: &str) -> (u8, String) {
    let mut found = Diagnostics::new();
    let parsed = expand::parse_text(text, &mut found);
    let model = assemble::model(&parsed.tree, &mut found);
    (found.exit_test().code(), print(&model))
}

/// The lines that `text` has more often than `without`.
fn added(text: &str, without: &str) -> String {
    let mut left: BTreeMap<&str, usize> = BTreeMap::new();
    for line in without.lines() {
        *left.entry(line.trim()).or_default() += 1;
    }
    let mut added: Vec<&str> = Vec::new();
    for line in text.lines().map(str::trim) {
        match left.get_mut(line) {
            Some(count) if *count > 0 => *count -= 1,
            _ if matches!(line, "global_defs {" | "}") => {}
            _ => added.push(line),
        }
    }
    if added.is_empty() { "-".to_owned() } else { added.join("; ") }
}

#[test]
fn ends_of_ranges_are_as_recorded() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/edges.tsv");
    let expected = std::fs::read_to_string(file).unwrap();
    let mut actual = String::new();
    let mut bases: BTreeMap<String, String> = BTreeMap::new();
    for row in expected.lines() {
        if row.starts_with('#') {
            writeln!(actual, "{row}").unwrap();
            continue;
        }
        let mut columns = row.split('\t');
        let [block, keyword, value] = std::array::from_fn(|_| columns.next().unwrap());
        let base = bases.entry(block.to_owned()).or_insert_with(|| read(&around(block, "")).1);
        let (exit, effective) = read(&around(block, &format!("{keyword} {value}")));
        writeln!(actual, "{block}\t{keyword}\t{value}\t{exit}\t{}", added(&effective, base)).unwrap();
    }
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, &actual).unwrap();
        return;
    }
    for (expected, actual) in expected.lines().zip(actual.lines()) {
        assert_eq!(expected, actual, "UPDATE=1 rewrites {file}");
    }
}

/// A member of a sync group can have no weights of its own: what the group says holds for it, and is printed there alone.
#[test]
fn what_a_member_and_its_group_track_is_read_again_as_it_was() {
    for (weight, group) in [("0", ""), ("1", ""), ("5", "sync_group_tracking_weight"), ("an", "")] {
        let text = format!(
            "vrrp_script s {{\n script /bin/true\n weight 0\n}}\ntrack_file f {{\n file /run/f\n}}\nvrrp_instance A {{\n interface eth0\n \
             virtual_router_id 1\n track_script {{\n s\n }}\n track_file {{\n f weight {weight}\n }}\n}}\nvrrp_sync_group G {{\n group {{\n A\n }}\n \
             {group}\n track_script {{\n s weight 3\n }}\n track_file {{\n f weight 4\n }}\n}}\n"
        );
        let (_, effective) = read(&text);
        assert_eq!(effective.matches("f weight ").count(), 2, "{effective}");
        assert_eq!(read(&effective).1, effective, "weight {weight} {group}");
    }
}

//! The data dump and the statistics have every label that keepalived 2.2.7 writes for the same configuration, but for
//! those that `tests/goldens/status/labels.txt` gives a reason for.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use nix::sys::signal::Signal;

use crate::kit::bounds::{START, eventually};
use crate::kit::daemon::{Daemon, Program, is_reference};
use crate::kit::net::Net;
use crate::kit::node::Node;

/// A little of everything that 2.2.7 knows and this kernel has.
const CONF: &str = include_str!("../goldens/status/labels.conf");

/// Masters that some instances of it are BACKUP behind.
const MASTERS: &str = "vrrp_instance VI_5 {
 interface eth0
 virtual_router_id 55
 priority 200
 authentication {
  auth_type AH
  auth_pass secret
 }
 virtual_ipaddress {
  10.9.0.140
 }
}
vrrp_instance VI_3 {
 interface eth0
 virtual_router_id 53
 version 3
 priority 200
 native_ipv6
 virtual_ipaddress {
  fe80::53/64
  fd09::53/64
 }
}
";

/// Section and label of each line, in the order of the sections; lists are left out, and so are the numbers in labels.
fn labels(text: &str) -> BTreeSet<String> {
    sequence(text).into_iter().collect()
}

/// The same in the order of the lines.
fn sequence(text: &str) -> Vec<String> {
    let mut section = "";
    let mut found = Vec::new();
    for line in text.lines() {
        let words = line.trim_start();
        if let Some(name) = words.strip_prefix("------< ") {
            section = name.trim_end_matches(" >------").trim_end_matches(|end: char| end.is_ascii_digit());
            found.push(format!("{section}|"));
            continue;
        }
        let depth = line.len() - words.len();
        // Members of lists.
        if depth >= 5 || depth == 2 && section.starts_with("GARP") {
            continue;
        }
        let label = words.split(" = ").next().unwrap_or_default().split(" :").next().unwrap_or_default();
        // Ours says `Flags: none`, keepalived nothing behind the colon.
        let label = label.strip_suffix(" none").unwrap_or(label);
        let label = label.strip_suffix(':').unwrap_or(label);
        let number =
            |word: &&str| !word.chars().any(|character| character.is_ascii_digit() || character == '(');
        let label: Vec<_> = label.split(' ').take_while(number).collect();
        if !label.concat().is_empty() {
            found.push(format!("{section}|{}", label.join(" ")));
        }
    }
    found
}

/// The labels of `text` that are in `both`, each where it stands first. Which of them an interface has, and which of the
/// interfaces comes first, is a matter of the machine.
fn order(text: &str, both: &BTreeSet<String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let all =
        sequence(text).into_iter().filter(|label| both.contains(label) && !label.starts_with("Interfaces|"));
    all.filter(|label| seen.insert(label.clone())).collect()
}

/// Data dumps of parent and child, and statistics.
fn files(node: &Node, program: Program, mastered: &str) -> [String; 3] {
    for file in ["/tmp/keepalived.data", "/tmp/keepalived_parent.data", "/tmp/keepalived.stats", "/tmp/f1"] {
        node.remove(file);
    }
    node.write("/tmp/f2", "0");
    let daemon = Daemon::start(node, program, CONF);
    eventually(mastered, START * 3, || daemon.logged(&format!("({mastered}) Entering MASTER STATE")) > 0);
    daemon.signal(Signal::SIGUSR1);
    daemon.signal(Signal::SIGUSR2);
    let files = ["/tmp/keepalived.data", "/tmp/keepalived_parent.data", "/tmp/keepalived.stats"];
    let files = files.map(|file| daemon.dump(file));
    daemon.stop();
    files
}

#[test]
fn every_label_of_keepalived_is_there() {
    if is_reference("it is compared with itself") {
        return;
    }
    let net = Net::new();
    let a = net.node("a", "eth0", &["10.9.0.1/24"]);
    net.plug(&a, "eth1", &["10.9.1.1/24"]);
    let b = net.node("b", "eth0", &["10.9.0.2/24"]);
    let masters = Daemon::start(&b, Program::UnderTest, MASTERS);
    masters.wait_log("(VI_5) Entering MASTER STATE", START * 2);
    let reference = files(&a, Program::Reference, "VI_4");
    let ours = files(&a, Program::UnderTest, "VI_4");
    masters.stop();
    let mut missing = String::new();
    for (reference, ours) in reference.iter().zip(&ours) {
        let both = labels(reference).intersection(&labels(ours)).cloned().collect();
        assert_eq!(order(ours, &both), order(reference, &both), "labels in another order");
        for label in labels(reference).difference(&labels(ours)) {
            if !missing.lines().any(|line| line == label) {
                writeln!(missing, "{label}").expect("a string takes everything");
            }
        }
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/status/labels.txt");
    let golden = std::fs::read_to_string(golden).expect("the list is there");
    let known = golden.lines().filter(|line| !line.starts_with('#'));
    let known: String = known.flat_map(|line| [line.split(" -- ").next().unwrap_or(line), "\n"]).collect();
    assert_eq!(missing, known, "labels of keepalived that this program does not write");
}

#[test]
fn labels_are_found() {
    let text = "------< GARP delay group 1 >------\n GARP interval = 0.03\n  eth0\n------< Interfaces >------\n Name = \
                lo\n   rp_filter 0\n   Tracking VRRP instances :\n     VI_6, weight 0\n";
    let wanted = [
        "GARP delay group |",
        "GARP delay group |GARP interval",
        "Interfaces|",
        "Interfaces|Name",
        "Interfaces|Tracking VRRP instances",
        "Interfaces|rp_filter",
    ];
    assert_eq!(labels(text).into_iter().collect::<Vec<_>>(), wanted);
}

//! SNMP: what net-snmp's agent tells of virtual servers is what it tells of Debian's keepalived with the same configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::stage::Stage;
use super::stub::Speaks;
use crate::kit::agent::{Agent, object, walk};
use crate::kit::bounds::eventually;
use crate::kit::daemon::{Daemon, Program};

const CONF: &str = include_str!("objects.conf");

/// Below KEEPALIVED-MIB.
const ROOT: &str = ".1.3.6.1.4.1.9586.100.5.";

/// Where our value is another one than that of keepalived 2.2.7, and why.
const DIFFERENT: &[(&str, &str)] = &[
    ("1.1.0", "the version"),
    (
        "1.3.",
        "2.2.7 tells port 0, no timeout and an IPv6 address of four octets where no mail server is configured",
    ),
    ("1.12.0", NEWER),
    ("3.3.1.5.", "2.2.7 says a kind of address of marks and groups, too, whose rows have none by the MIB"),
    ("3.3.1.8.3", "2.2.7 leaves the protocol out of a service of marks, the MIB has none(4) for it"),
    ("3.3.1.51.", "2.2.7 says 4294967295, also of IPv4, where a prefix has 128 bits at most"),
    ("3.3.1.72.", NEWER),
    ("3.3.1.73.", NEWER),
    ("3.3.1.74.", NEWER),
    ("3.3.1.75.", NEWER),
    ("3.3.1.76.", NEWER),
    ("3.3.1.77.", NEWER),
    ("3.3.1.78.", NEWER),
    ("3.4.1.56.", NEWER),
    ("3.4.1.57.", NEWER),
    ("3.4.1.58.", NEWER),
    ("3.4.1.59.", NEWER),
    ("3.4.1.60.", NEWER),
    ("3.4.1.61.", NEWER),
    ("3.4.1.62.", NEWER),
    ("3.4.1.63.", NEWER),
];
const NEWER: &str = "newer than 2.2.7";

/// The guest is slow, and the agent is tried again after seconds.
const SETTLED: Duration = Duration::from_secs(60);

/// Types and values of all objects, and which there are.
pub(crate) fn of_both() {
    let ours = walked(Program::UnderTest);
    let theirs = walked(Program::Reference);
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    let mut differences = Vec::new();
    let mut excused = BTreeSet::new();
    for name in names {
        if theirs.get(name) == ours.get(name) {
            continue;
        }
        let below = name.strip_prefix(ROOT).unwrap_or(name);
        match DIFFERENT.iter().find(|(prefix, _)| below.starts_with(prefix)) {
            Some((prefix, _)) => _ = excused.insert(*prefix),
            None => {
                let [theirs, ours] = [&theirs, &ours].map(|all| all.get(name).map_or("-", String::as_str));
                differences.push(format!("{below}: {theirs}, ours {ours}"));
            }
        }
    }
    assert!(differences.is_empty(), "\n{}", differences.join("\n"));
    let stale: Vec<_> = DIFFERENT.iter().filter(|(prefix, _)| !excused.contains(prefix)).collect();
    assert!(stale.is_empty(), "no longer different: {stale:?}");
    assert!(ours.len() > 500, "{} objects", ours.len());
}

fn walked(program: Program) -> BTreeMap<String, String> {
    let stage = Stage::new(program);
    let node = &stage.director;
    let _agent = Agent::start(node);
    let web = stage.stub("10.9.0.11:80", Speaks::Http(200));
    let daemon = Daemon::start(node, program, CONF);
    // What is up without a check is up at once: the first has one up and one down.
    let settled = [
        ("3.3.1.21.1", "1"),
        ("3.4.1.6.1.2", "2"),
        ("3.3.1.21.2", "0"),
        ("3.3.1.21.6", "2"),
        ("3.3.1.21.7", "0"),
    ];
    for (column, value) in settled {
        eventually(column, SETTLED, || {
            object(node, &format!("{ROOT}{column}")).is_some_and(|now| now == value)
        });
    }
    let all = walk(node);
    daemon.stop();
    drop(web);
    all
}

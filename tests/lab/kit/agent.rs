//! net-snmp's agent in a node, and what it tells of our objects.

use std::collections::BTreeMap;
use std::process::Child;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::bounds::{START, eventually};
use super::node::{Node, command_name};

/// The three MIBs.
pub(crate) const TREES: [&str; 3] = [".1.3.6.1.4.1.9586.100.5", ".1.3.6.1.2.1.68", ".1.3.6.1.2.1.207"];
const AGENT: &str = "agentaddress udp:127.0.0.1:1161\nrocommunity public\nrwcommunity private\nmaster agentx\n\
    agentXSocket unix:/run/agentx\ntrap2sink 127.0.0.1:1162 public\n";

/// net-snmp's agent in a node; killed when dropped.
pub(crate) struct Agent(Child);

impl Agent {
    pub(crate) fn start(node: &Node) -> Self {
        node.write("/run/lab/snmpd.conf", AGENT);
        node.remove("/run/agentx");
        let mut command = node.command("snmpd");
        command.args(["-f", "-Lf", "/run/lab/snmpd.log", "-m", "", "-C", "-c", "/run/lab/snmpd.conf"]);
        command.args(["-p", "/run/lab/snmpd.pid"]).env("SNMP_PERSISTENT_DIR", "/run/lab/persistent");
        let this = Self(command.spawn().expect("snmpd is there"));
        eventually("snmpd listens for subagents", START, || node.exists("/run/agentx"));
        this
    }

    /// The process itself, which stands below the one that has entered the node.
    pub(crate) fn signal(node: &Node, signal: Signal) {
        for pid in node.processes() {
            if command_name(pid) == "snmpd" {
                kill(Pid::from_raw(pid), signal).expect("it is there");
            }
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Asks the agent; none: it does not answer.
pub(crate) fn ask(node: &Node, words: &str) -> Option<String> {
    let output = node.try_shell(words);
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// All objects of the three MIBs with their types and values.
pub(crate) fn walk(node: &Node) -> BTreeMap<String, String> {
    try_walk(node).expect("the agent answers")
}

/// The same; none: the agent does not answer all that it is asked for.
pub(crate) fn try_walk(node: &Node) -> Option<BTreeMap<String, String>> {
    let mut all = BTreeMap::new();
    for tree in TREES {
        let text =
            ask(node, &format!("snmpbulkwalk -m '' -v2c -c public -On -Cr50 -t 5 127.0.0.1:1161 {tree}"))?;
        for line in text.lines() {
            if let Some((name, value)) = line.split_once(" = ") {
                all.insert(name.to_owned(), value.to_owned());
            }
        }
    }
    Some(all)
}

/// One object.
pub(crate) fn object(node: &Node, name: &str) -> Option<String> {
    let text = ask(node, &format!("snmpget -m '' -v2c -c public -Oqv -t 2 -r 1 127.0.0.1:1161 {name}"))?;
    Some(text.trim().to_owned())
}

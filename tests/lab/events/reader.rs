//! Who reads the notify FIFO: comes, goes and stands still. What it gets while it is there the whole time is a legal
//! chain of states; what it gets ever is whole lines.

use std::collections::BTreeMap;

use crate::kit::node::Node;

/// What the reader does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    Reads,
    StandsStill,
    Gone,
}

/// The reader of a machine's FIFO.
pub(crate) struct Reader {
    pub(crate) mood: Mood,
    /// It may have missed something, or be told things twice.
    missed: bool,
    /// The last state of each instance and group.
    states: BTreeMap<String, String>,
}

const READ: &str = "touch /run/reads; (while [ -e /run/reads ]; do \
     /run/labreader /run/fifo >>/run/lines 2>/dev/null || sleep 0.02; done) >/dev/null 2>&1 & true";

impl Reader {
    /// A reader that reads whenever there is something to read.
    pub(crate) fn start(node: &Node) -> Self {
        node.shell(&format!("cp /usr/bin/cat /run/labreader; {READ}"));
        Self { mood: Mood::Reads, missed: true, states: BTreeMap::new() }
    }

    /// From here to the next look the chain may have gaps.
    pub(crate) fn miss(&mut self) {
        self.missed = true;
    }

    /// Its mood changes.
    pub(crate) fn turn(&mut self, node: &Node) {
        self.missed = true;
        let (mood, line) = match self.mood {
            Mood::Reads => (Mood::StandsStill, "killall -STOP labreader"),
            Mood::StandsStill => (Mood::Gone, "rm /run/reads; killall -KILL labreader"),
            Mood::Gone => (Mood::Reads, READ),
        };
        self.mood = mood;
        // A group with a redirection of its own would keep the pipe to the test open for as long as the reader lives.
        node.try_shell(&format!("exec 2>/dev/null; {line}"));
    }

    /// What is wrong with the lines since the last look.
    pub(crate) fn look(&mut self, node: &Node, runs: bool) -> Vec<String> {
        let text = node.read("/run/lines");
        std::fs::write(node.path("/run/lines"), "").expect("a file of the node");
        let mut told = Vec::new();
        if !text.is_empty() && !text.ends_with('\n') && !self.missed {
            told.push(format!("{}: half a line: {text:?}", node.name()));
        }
        for line in text.lines() {
            let words: Vec<_> = line.split('"').map(str::trim).collect();
            let [kind @ ("INSTANCE" | "GROUP"), name, rest] = words[..] else {
                // A reader that goes takes half of what it has read with it.
                if !self.missed {
                    told.push(format!("{}: not a line: {line:?}", node.name()));
                }
                continue;
            };
            let (state, priority) = rest.split_once(' ').unwrap_or_default();
            if state == "MASTER_RX_LOWER_PRI" {
                continue;
            }
            let known = ["MASTER", "BACKUP", "FAULT", "STOP", "DELETED"];
            if !known.contains(&state) || priority.parse::<u8>().is_err() {
                told.push(format!("{}: not a line: {line:?}", node.name()));
            }
            let before = self.states.insert(format!("{kind} {name}"), state.to_owned());
            if !self.missed && before.as_deref() == Some(state) {
                told.push(format!("{}: twice the same: {line}", node.name()));
            }
        }
        if self.missed || self.mood != Mood::Reads || !runs {
            // What was lost may have come after what was read.
            self.states.clear();
        }
        self.missed = self.mood != Mood::Reads || !runs;
        told
    }

    /// The state of an instance as the FIFO told it last; none if that is not known.
    pub(crate) fn state_of(&self, name: &str) -> Option<&str> {
        self.states.get(&format!("INSTANCE {name}")).map(String::as_str)
    }
}

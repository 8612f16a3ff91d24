//! The cables between the two: split networks, deaf machines, and how long two may both be MASTER.

use std::collections::BTreeMap;
use std::time::Duration;

use super::machine::Machine;
use super::model::{Link, UNITS, Wording};
use crate::kit::capture::{nanos, now};
use crate::kit::decode::Stamp;
use crate::kit::net::{Net, Port};

/// Who hears whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Split {
    /// Everybody everybody.
    Whole,
    /// Nobody anybody.
    Apart,
    /// One of them hears nothing, and is heard.
    Deaf(usize),
}

/// What is between the two.
pub(crate) struct Wire {
    pub(crate) split: Split,
    /// Until then two of them may be MASTER at a time.
    excused: Stamp,
}

impl Wire {
    pub(crate) fn new() -> Self {
        Self { split: Split::Whole, excused: now() + nanos(REST) }
    }

    /// Splits the network, or heals it.
    pub(crate) fn set(&mut self, net: &Net, machines: &[Machine<'_>; 2], split: Split) {
        self.split = split;
        self.lay(net, machines);
        self.excuse();
    }

    /// From here on it takes a while until one gives way to the other: one of them stood still, or did not hear.
    pub(crate) fn excuse(&mut self) {
        self.excused = now() + nanos(REST);
    }

    /// The ports are as they should be, those of new cables, too.
    pub(crate) fn lay(&self, net: &Net, machines: &[Machine<'_>; 2]) {
        for (at, machine) in machines.iter().enumerate() {
            let ports: Vec<Port> = machine.ports.iter().flatten().cloned().collect();
            net.set_apart(&ports, self.split == Split::Apart);
            net.set_deaf(&ports, self.split == Split::Deaf(at));
            // Who hears nothing does not find out where to send unicast: it knows.
            let other = &machines[1 - at];
            let neighbour = format!("10.9.0.{} dev eth0", other.state.host);
            match (self.split == Split::Deaf(at), other.state.links[0]) {
                (true, Link::Up | Link::Down) => {
                    let hardware = other.node.shell("cat /sys/class/net/eth0/address");
                    let hardware = hardware.trim();
                    machine.shell(&format!("ip neigh replace {neighbour} lladdr {hardware} nud permanent"));
                }
                _ => machine.shell(&format!(
                    "ip neigh show {neighbour} | grep -q PERMANENT && ip neigh del {neighbour}"
                )),
            }
        }
    }

    /// Whether what this machine sends to the other's address on eth0 finds its way.
    pub(crate) fn reaches(&self, machines: &[Machine<'_>; 2], at: usize) -> bool {
        let other = &machines[1 - at].state;
        let there = other.links[0] == Link::Up && other.carrier[0] && other.based[0];
        match self.split {
            Split::Whole => there,
            // It was told where to send; and who sends to one that is deaf is not answered.
            Split::Deaf(deaf) => deaf == at && matches!(other.links[0], Link::Up | Link::Down),
            Split::Apart => false,
        }
    }

    /// Who was MASTER beside the other for longer than it takes to hear of it, in what was captured.
    pub(crate) fn rivalries(&self, net: &Net) -> Vec<String> {
        if self.split != Split::Whole {
            return Vec::new();
        }
        let mut told = Vec::new();
        let events = net.events(self.excused);
        for unit in UNITS {
            // A slot has an advert of each MASTER, a run of slots is longer than any election.
            let slot = nanos(unit.interval() * 2 + Duration::from_millis(50));
            for vrid in unit.vrids(&Wording::default()) {
                let mut slots: BTreeMap<u64, [bool; 2]> = BTreeMap::new();
                for event in &events {
                    if event.advert().is_some_and(|advert| advert.vrid == *vrid && advert.priority > 0) {
                        slots.entry(event.at / slot).or_default()[usize::from(event.node == "b")] = true;
                    }
                }
                let (mut run, mut last) = (0, 0);
                for (number, both) in slots {
                    run = if both != [true; 2] {
                        0
                    } else if number == last + 1 {
                        run + 1
                    } else {
                        1
                    };
                    last = number;
                    if run == LONGEST {
                        told.push(format!("both were MASTER of {vrid} of {unit:?} until {}", number * slot));
                    }
                }
            }
        }
        told
    }
}

/// Slots in a row in which both advertise; one that loses is gone in the first, another may begin, and yield.
const LONGEST: u32 = 5;

/// After a change: the longest time until a MASTER is heard again, its three seconds and the skew.
const REST: Duration = Duration::from_secs(4);

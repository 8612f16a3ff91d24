//! The subagent: answers an SNMP agent of the machine what the children lend, and notifies it of transitions.
//!
//! Job: a session of AgentX by `proto::agentx`, over a socket that is never waited for, and the objects of
//! [`crate::status::mib`]. It may do no more than its user, and nobody depends on it: an agent that hangs, or this process,
//! is felt by nobody else. Uses everything below it. Start with `run`.
//!
//! * `rows` keeps what the children have lent and finds objects in it; `answer` makes responses of them.
//! * `setting` is what the agent sets, which the children do.
//! * `connection` is the socket; `notices` are transitions that the agent is to be told of; `report` phrases the log lines.

mod answer;
mod connection;
mod notices;
mod report;
mod rows;
mod run;
mod setting;

pub use run::{Context, run};

use crate::config::model::Global;
use crate::status::mib::tree;

/// Which subtrees a configuration asks for, as bits of their positions in [`crate::status::mib::TREES`]. `all`: the command
/// line asks for all of them.
#[must_use]
pub fn trees(global: &Global, all: bool) -> u8 {
    let monitoring = &global.monitoring;
    let global = monitoring.snmp_vrrp || monitoring.snmp_checker;
    let wanted = [
        (tree::RFC_2787, monitoring.snmp_rfcv2),
        (tree::RFC_6527, monitoring.snmp_rfcv3),
        (tree::GLOBAL, global),
        (tree::VRRP, monitoring.snmp_vrrp),
        (tree::CHECK, monitoring.snmp_checker),
    ];
    wanted.into_iter().filter(|(_, wanted)| *wanted || all).fold(0, |bits, (tree, _)| bits | 1 << tree)
}

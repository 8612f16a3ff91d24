//! One process monitor, of version 2.

use core::fmt::{self, Write};

use super::Fields;
use crate::config::model::TrackProcess;
use crate::config::model::track::ParameterMatch;
use crate::proto::track::{Cause, Process, Verdict};
use crate::status::dump::Seconds;

/// Writes a process monitor. Delays are in seconds.
///
/// # Errors
/// What `out` says.
pub fn process(out: &mut dyn Write, config: &TrackProcess, machine: &Process) -> fmt::Result {
    let params = machine.params();
    let mut fields = Fields::open(out);
    fields.text("process", &config.name);
    fields.text(
        "param_match",
        match config.parameters {
            None => "none",
            Some(ParameterMatch::Exact) => "exact",
            Some(ParameterMatch::Partial) => "partial",
            Some(ParameterMatch::Initial) => "initial",
        },
    );
    fields.number("min_processes", params.quorum);
    fields.number("current_processes", machine.count());
    fields.truth("have_quorum", machine.verdict() == Verdict::Up);
    fields.number("weight", config.weight.value);
    fields.number("terminate_delay", Seconds(params.terminate_delay));
    fields.number("fork_delay", Seconds(params.fork_delay));
    fields.truth("fork_delay_timer_running", machine.waits() == Some(Cause::Fork));
    fields.truth("terminate_delay_timer_running", machine.waits() == Some(Cause::Exit));
    fields.truth("full_command", config.full_command);
    fields.close()
}

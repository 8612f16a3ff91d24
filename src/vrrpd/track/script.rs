//! Track scripts: killed at their deadline, judged by how they end.

use super::notes::{script_memory, script_values};
use crate::base::rate::Budget;
use crate::base::time::Instant;
use crate::child::kept::Kept;
use crate::daemon::keep::{Keep, key};
use crate::proto::track::{ScriptAction, ScriptActions, ScriptInput};
use crate::sys::process::{self, Pid};
use crate::vrrpd::live::TrackScript;
use crate::vrrpd::report;

/// What follows from an input of a script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::vrrpd) struct Outcome {
    /// The command is to be started.
    pub(in crate::vrrpd) run: bool,
    /// The verdict is another one than before.
    pub(in crate::vrrpd) changed: bool,
}

/// The kind of the notes.
const SCRIPT: &str = "script";

impl TrackScript {
    /// Goes on where the predecessor of this process was; `died`: when that was.
    pub(in crate::vrrpd) fn take_up(&mut self, kept: &Kept, now: Instant, died: Option<Instant>) {
        let Some((note, values)) = kept.find(SCRIPT, &self.name) else { return };
        self.note = note;
        let interval = self.machine.params().interval;
        if let Some(memory) = script_memory(values, interval, died.map(|died| now.since(died))) {
            self.machine.resume(now, memory);
        }
    }

    /// Gives the machine of a script an input, notes for a successor what it says, and sends the signals that it asks
    /// for. `lines`: for lines that a script can trigger.
    pub(in crate::vrrpd) fn handle(
        &mut self,
        now: Instant,
        input: ScriptInput,
        keep: &Keep,
        lines: &mut Budget,
    ) -> Outcome {
        let mut out = ScriptActions::new();
        self.machine.handle(now, input, &mut out);
        if self.command.is_some() {
            keep.put(&mut self.note, key(SCRIPT, &self.name), script_values(&self.machine.memory()));
        }
        let mut outcome = Outcome::default();
        for action in out {
            match action {
                ScriptAction::Run => outcome.run = true,
                ScriptAction::Terminate => kill(self.pid, libc::SIGTERM),
                ScriptAction::Kill => kill(self.pid, libc::SIGKILL),
                ScriptAction::NowReturning(code) => {
                    if report::may(lines, now) {
                        report::script_returns(&self.name, code);
                    }
                }
                ScriptAction::StillRunning { terminating } => {
                    if report::may(lines, now) {
                        report::script_still_running(&self.name, terminating);
                    }
                }
                ScriptAction::Changed { up, ending, timed_out } => {
                    report::script_changed(&self.name, up, ending, timed_out);
                    outcome.changed = true;
                }
            }
        }
        outcome
    }
}

fn kill(pid: Option<Pid>, signal: i32) {
    if let Some(pid) = pid {
        process::kill_group(pid, signal);
    }
}

//! Track scripts: started, killed at their deadline, judged by how they end.

use super::Object;
use crate::base::id::ScriptId;
use crate::daemon::reactor::Turn;
use crate::proto::track::{Ending, ScriptAction, ScriptActions, ScriptInput};
use crate::sys::process::{self, Ended, Pid};
use crate::vrrpd::notifies::Purpose;
use crate::vrrpd::report;
use crate::vrrpd::slots::Slot;
use crate::vrrpd::state::Vrrp;

impl Vrrp {
    /// The deadline of a script has passed.
    pub(in crate::vrrpd) fn script_due(&mut self, turn: &mut Turn<'_>, id: ScriptId) {
        let idle = self.trackers.scripts.get(id.index()).is_some_and(|script| script.pid.is_none());
        if idle && self.routers.policy.followers().of(Object::Script(id), 0).is_none() {
            // Nobody wants to know. A reload that changes this asks again.
            turn.set_deadline(self.work.layout.number(Slot::Script(id)), None);
            return;
        }
        self.drive_script(turn, id, ScriptInput::Timeout);
    }

    /// The process of a track script has ended.
    pub(in crate::vrrpd) fn track_script_ended(
        &mut self,
        turn: &mut Turn<'_>,
        id: ScriptId,
        pid: Pid,
        how: Ended,
    ) {
        if let Some(script) =
            self.trackers.scripts.get_mut(id.index()).filter(|script| script.pid == Some(pid))
        {
            script.pid = None;
            // Nothing follows from the verdict of a script any more when the child stops.
            if self.process.stopping {
                return self.stop_if_idle(turn);
            }
            self.drive_script(turn, id, ScriptInput::Ended(ending(how)));
        }
    }

    fn drive_script(&mut self, turn: &mut Turn<'_>, id: ScriptId, input: ScriptInput) {
        let mut out = ScriptActions::new();
        let Some(script) = self.trackers.scripts.get_mut(id.index()) else {
            return;
        };
        script.machine.handle(turn.now(), input, &mut out);
        self.keep_script(id);
        for action in out {
            self.act_script(turn, id, action);
        }
        if let Some(script) = self.trackers.scripts.get(id.index()).filter(|script| script.command.is_some())
        {
            turn.set_deadline(self.work.layout.number(Slot::Script(id)), script.machine.poll_at());
        }
    }

    fn act_script(&mut self, turn: &mut Turn<'_>, id: ScriptId, action: ScriptAction) {
        let now = turn.now();
        if action == ScriptAction::Run {
            return self.start_script(turn, id);
        }
        let Some(script) = self.trackers.scripts.get(id.index()) else {
            return;
        };
        match action {
            ScriptAction::Run => {}
            ScriptAction::Terminate => kill(script.pid, libc::SIGTERM),
            ScriptAction::Kill => kill(script.pid, libc::SIGKILL),
            ScriptAction::NowReturning(code) => {
                if report::may(&mut self.process.lines, now) {
                    report::script_returns(&script.name, code);
                }
            }
            ScriptAction::StillRunning { terminating } => {
                if report::may(&mut self.process.lines, now) {
                    report::script_still_running(&script.name, terminating);
                }
            }
            ScriptAction::Changed { up, ending, timed_out } => {
                report::script_changed(&script.name, up, ending, timed_out);
                self.tracked_changed(turn, Object::Script(id));
            }
        }
    }

    fn start_script(&mut self, turn: &mut Turn<'_>, id: ScriptId) {
        let Some(script) = self.trackers.scripts.get_mut(id.index()) else {
            return;
        };
        let Some(command) = &mut script.command else {
            return;
        };
        match self.notifies.scripts.start(command, Purpose::Own(id)) {
            Ok(pid) => script.pid = Some(pid),
            Err(error) => {
                report::script_not_started(&script.name, &error);
                self.drive_script(turn, id, ScriptInput::Ended(Ending::NotStarted));
            }
        }
    }
}

fn kill(pid: Option<Pid>, signal: i32) {
    if let Some(pid) = pid {
        process::kill_group(pid, signal);
    }
}

fn ending(how: Ended) -> Ending {
    match how {
        Ended::Exited(code) => Ending::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
        Ended::Killed(signal) => Ending::Signalled(u8::try_from(signal).unwrap_or(u8::MAX)),
    }
}

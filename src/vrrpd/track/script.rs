//! Track scripts: started, killed at their deadline, judged by how they end.

use super::Object;
use crate::base::id::ScriptId;
use crate::daemon::reactor::Turn;
use crate::proto::track::{Ending, ScriptAction, ScriptActions, ScriptInput};
use crate::sys::process::{self, Ended, Pid};
use crate::vrrpd::report;
use crate::vrrpd::slots::Slot;
use crate::vrrpd::state::{Owner, Vrrp};

impl Vrrp {
    /// The deadline of a script has passed.
    pub(in crate::vrrpd) fn script_due(&mut self, turn: &mut Turn<'_>, id: ScriptId) {
        let idle = self.trackers.scripts.get(id.index()).is_some_and(|script| script.pid.is_none());
        if idle && self.trackers.followers.of(Object::Script(id), 0).is_none() {
            // Nobody wants to know. A reload that changes this asks again.
            turn.set_deadline(self.work.layout.number(Slot::Script(id)), None);
            return;
        }
        self.drive_script(turn, id, ScriptInput::Timeout);
    }

    /// A process that this child started has ended.
    pub(in crate::vrrpd) fn script_ended(&mut self, turn: &mut Turn<'_>, pid: Pid, how: Ended) {
        let Some(position) = self.notifies.children.iter().position(|(child, _)| *child == pid) else {
            return;
        };
        let (_, owner) = self.notifies.children.swap_remove(position);
        match owner {
            Owner::Track(id) => {
                if let Some(script) =
                    self.trackers.scripts.get_mut(id.index()).filter(|script| script.pid == Some(pid))
                {
                    script.pid = None;
                    // What it says counts for nobody any more.
                    if self.process.stopping {
                        return self.stop_if_idle(turn);
                    }
                    self.drive_script(turn, id, ScriptInput::Ended(ending(how)));
                }
            }
            Owner::Notify(id) => self.notify_ended(turn, id, pid, how),
            Owner::Retired(number) => self.retired_ended(turn, number, pid, how),
            Owner::Fifo => self.fifo_script_ended(turn, pid, how),
            Owner::Nobody => {}
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
                if report::may(&mut self.process.chatter, now) {
                    report::script_returns(&script.name, code);
                }
            }
            ScriptAction::StillRunning { terminating } => {
                if report::may(&mut self.process.chatter, now) {
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
        let room = self.notifies.children.len() < self.notifies.children.capacity();
        let Some(script) = self.trackers.scripts.get_mut(id.index()) else {
            return;
        };
        let Some(command) = &mut script.command else {
            return;
        };
        let started = if room {
            self.notifies.runner.start(&mut command.words, &mut self.notifies.environment, &command.terms)
        } else {
            Err(std::io::Error::from(std::io::ErrorKind::QuotaExceeded))
        };
        match started {
            Ok(pid) => {
                script.pid = Some(pid);
                self.notifies.children.push((pid, Owner::Track(id)));
            }
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

//! What speaks against an instance and what moves its priority, reckoned anew from what is true now.

use super::live::Instance;
use super::slots::Slot;
use super::state::{Owner, Vrrp};
use crate::base::addr::IpAddr;
use crate::base::id::{InstanceId, LinkId, ScriptId};
use crate::daemon::reactor::Turn;
use crate::proto::track::{Ending, ScriptAction, ScriptActions, ScriptInput, Verdict};
use crate::proto::vrrp::{Fault, Faults, Input};
use crate::sys::process::{self, Ended, Pid};

impl Vrrp {
    /// Reckons faults and priority of an instance anew and tells its machine what changed.
    pub(super) fn refresh(&mut self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        if instance.lacks_key() {
            self.arm_retry(turn);
        }
        let Some(instance) = self.instance(id) else { return };
        let (faults, pending) = self.faults(instance);
        let weights = self.weights(instance);
        let machine = instance.router.machine();
        let changed = (machine.faults(), machine.is_pending()) != (faults, pending);
        self.set_weights(turn, id, weights);
        if changed {
            self.drive(turn, id, Input::Faults { faults, pending });
        }
    }

    fn set_weights(&mut self, turn: &mut Turn<'_>, id: InstanceId, weights: i32) {
        if self.instance(id).is_none_or(|instance| instance.router.weights() == weights) {
            return;
        }
        self.settle_before(turn, id);
        let mut out = crate::proto::vrrp::Actions::new();
        if let Some(instance) = self.instance_mut(id) {
            instance.router.set_weights(turn.now(), weights, &mut out);
        }
        self.act(turn, id, &out);
    }

    /// The reasons that hold now, and whether a first script result is still out.
    pub(super) fn faults(&self, instance: &Instance) -> (Faults, bool) {
        let base = instance.base.map(|id| self.links.link(id));
        let missing = matches!(base, Some(link) if link.is_none_or(|link| link.index.is_none()));
        let down = matches!(base, Some(Some(link)) if link.index.is_some() && !link.up);
        // Its carrier is the base interface's.
        let own_missing = instance.own != instance.base
            && instance.own.is_some_and(|id| {
                let link = self.links.link(id);
                link.is_none_or(|link| link.index.is_none() || !link.wanted_up)
            });
        let tracked_down = instance
            .tracked_links
            .iter()
            .any(|(id, weight)| weight.faults(self.links.link(*id).is_some_and(|link| link.up)));
        let verdicts = |wanted: Verdict| {
            instance.tracked_scripts.iter().any(|(id, weight)| {
                weight.value == 0
                    && self.scripts.get(id.index()).is_some_and(|script| {
                        let verdict = script.machine.verdict();
                        match wanted {
                            Verdict::Unknown => verdict == Verdict::Unknown,
                            Verdict::Up | Verdict::Down => {
                                verdict != Verdict::Unknown && weight.faults(verdict == Verdict::Up)
                            }
                        }
                    })
            })
        };
        let faults = Faults::NONE
            .with(Fault::LinkMissing, missing)
            .with(Fault::LinkDown, down && !instance.config.dont_track_primary)
            .with(Fault::NoAddress, !missing && instance.local.is_none())
            .with(Fault::TrackedLink, tracked_down)
            .with(Fault::Script, verdicts(Verdict::Down))
            .with(Fault::Vmac, own_missing && !missing)
            .with(Fault::NoPeer, instance.config.fault_no_peer)
            .with(Fault::Socket, instance.socket_failed)
            .with(Fault::Key, instance.lacks_key());
        (faults, verdicts(Verdict::Unknown))
    }

    /// The sum of all weights in force.
    fn weights(&self, instance: &Instance) -> i32 {
        let links = instance
            .tracked_links
            .iter()
            .map(|(id, weight)| weight.contribution(self.links.link(*id).is_some_and(|link| link.up)));
        let scripts = instance.tracked_scripts.iter().map(|(id, weight)| {
            match self.scripts.get(id.index()).map(|script| script.machine.verdict()) {
                Some(Verdict::Up) => weight.contribution(true),
                Some(Verdict::Down) => weight.contribution(false),
                Some(Verdict::Unknown) | None => 0,
            }
        });
        links.chain(scripts).sum()
    }

    /// An address of the machine came or went: sources of adverts may have changed.
    pub(super) fn source_changed(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        for id in self.ids() {
            let Some(instance) = self.instances.get_mut(id.index()) else {
                continue;
            };
            if instance.base != Some(link) {
                continue;
            }
            let had: Option<IpAddr> = instance.local;
            if instance.refresh_local(&self.links) {
                self.copy_link_local(id);
                if had.is_none() {
                    // With an address the interface may have become able to join the group.
                    self.open_socket(turn, id);
                }
            }
            self.refresh(turn, id);
        }
    }

    /// The deadline of a script has passed.
    pub(super) fn script_due(&mut self, turn: &mut Turn<'_>, id: ScriptId) {
        self.drive_script(turn, id, ScriptInput::Timeout);
    }

    /// A process that this child started has ended.
    pub(super) fn script_ended(&mut self, turn: &mut Turn<'_>, pid: Pid, how: Ended) {
        let Some(position) = self.children.iter().position(|(child, _)| *child == pid) else {
            return;
        };
        let (_, owner) = self.children.swap_remove(position);
        match owner {
            Owner::Track(id) => {
                if let Some(script) =
                    self.scripts.get_mut(id.index()).filter(|script| script.pid == Some(pid))
                {
                    script.pid = None;
                    self.drive_script(turn, id, ScriptInput::Ended(ending(how)));
                }
            }
            Owner::Notify(id) => self.notify_ended(turn, id, pid),
            Owner::Retired(number) => self.retired_ended(turn, number, pid),
            Owner::Nobody => {}
        }
    }

    fn drive_script(&mut self, turn: &mut Turn<'_>, id: ScriptId, input: ScriptInput) {
        let mut out = ScriptActions::new();
        let Some(script) = self.scripts.get_mut(id.index()) else {
            return;
        };
        script.machine.handle(turn.now(), input, &mut out);
        for action in out {
            self.act_script(turn, id, action);
        }
        if let Some(script) = self.scripts.get(id.index()).filter(|script| script.command.is_some()) {
            turn.set_deadline(self.layout.number(Slot::Script(id)), script.machine.poll_at());
        }
    }

    fn act_script(&mut self, turn: &mut Turn<'_>, id: ScriptId, action: ScriptAction) {
        let now = turn.now();
        if action == ScriptAction::Run {
            return self.start_script(turn, id);
        }
        let Some(script) = self.scripts.get(id.index()) else {
            return;
        };
        match action {
            ScriptAction::Run => {}
            ScriptAction::Terminate => kill(script.pid, libc::SIGTERM),
            ScriptAction::Kill => kill(script.pid, libc::SIGKILL),
            ScriptAction::NowReturning(code) => {
                if super::report::may(&mut self.chatter, now) {
                    super::report::script_returns(&script.name, code);
                }
            }
            ScriptAction::StillRunning { terminating } => {
                if super::report::may(&mut self.chatter, now) {
                    super::report::script_still_running(&script.name, terminating);
                }
            }
            ScriptAction::Changed { up, ending, timed_out } => {
                super::report::script_changed(&script.name, up, ending, timed_out);
                self.verdict_changed(turn, id);
            }
        }
    }

    fn start_script(&mut self, turn: &mut Turn<'_>, id: ScriptId) {
        let room = self.children.len() < self.children.capacity();
        let Some(script) = self.scripts.get_mut(id.index()) else {
            return;
        };
        let Some(command) = &mut script.command else {
            return;
        };
        let started = if room {
            self.runner.start(&mut command.words, &mut self.environment, command.identity.as_ref())
        } else {
            Err(std::io::Error::from(std::io::ErrorKind::QuotaExceeded))
        };
        match started {
            Ok(pid) => {
                script.pid = Some(pid);
                self.children.push((pid, Owner::Track(id)));
            }
            Err(error) => {
                super::report::script_not_started(&script.name, &error);
                self.drive_script(turn, id, ScriptInput::Ended(Ending::NotStarted));
            }
        }
    }

    fn verdict_changed(&mut self, turn: &mut Turn<'_>, script: ScriptId) {
        for id in self.ids() {
            let tracks = self.instance(id).is_some_and(|instance| {
                instance.tracked_scripts.iter().any(|(tracked, _)| *tracked == script)
            });
            if tracks {
                self.refresh(turn, id);
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

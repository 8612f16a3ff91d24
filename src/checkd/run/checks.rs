//! Checks at work: what happens to a check goes to its machine, and what the machine asks for is carried out.

use super::Checkers;
use crate::base::id::{MachineId, ServiceId};
use crate::checkd::checks::report::{self, Subject};
use crate::checkd::checks::sharing::Place;
use crate::checkd::checks::transport::Heard;
use crate::checkd::notifies::{Purpose, State};
use crate::checkd::services::Named;
use crate::checkd::slots::Slot;
use crate::daemon::reactor::{Again, Turn};
use crate::proto::check::{Action, Actions, Cause, Ending, Fact, Input, Verdict, Weight};
use crate::proto::lvs;
use crate::sys::process::{self, Ended, Pid};

/// Reads of one socket in one turn: a page of some kilobytes takes no more.
const READS: usize = 8;

impl Checkers {
    /// Gives an input to the machine of a check and carries out what it asks for.
    pub(super) fn drive(&mut self, turn: &mut Turn<'_>, id: MachineId, input: Input<'_>) {
        let mut out = Actions::new();
        let Some(check) = self.checks.get_mut(id) else { return };
        let has_run = check.machine.last().is_some();
        check.machine.handle(turn.now(), input, &mut out);
        let mut next = self.carry_out(turn, id, &out);
        // What a transport or a program comes to is told when everything else has been done.
        while let Some(input) = next {
            out.clear();
            let Some(check) = self.checks.get_mut(id) else { return };
            check.machine.handle(turn.now(), input, &mut out);
            next = self.carry_out(turn, id, &out);
        }
        self.keep_check(id, !self.lvs.facts.is_undecided(id));
        let Some(check) = self.checks.get(id) else { return };
        turn.set_deadline(self.layout.number(Slot::Check(id)), check.machine.poll_at());
        if !has_run && check.machine.last().is_some() {
            let lvs = &mut self.lvs;
            check.places().for_each(|place| {
                lvs.director.ran(lvs.places.check(place.service, place.server, place.checker));
            });
        }
    }

    /// Carries out the actions of a machine; what it is to be told next, if anything.
    pub(super) fn carry_out(
        &mut self,
        turn: &mut Turn<'_>,
        id: MachineId,
        actions: &Actions,
    ) -> Option<Input<'static>> {
        let mut next = None;
        for action in actions {
            match *action {
                Action::Open(transport) => next = self.checks.open(turn, &self.model, id, transport),
                Action::Send => next = self.checks.send(id).or(next),
                Action::Close(how) => {
                    self.checks.close(turn, id, how);
                    next = None;
                }
                Action::Run => next = self.run_program(id),
                Action::Terminate => self.signal(id, libc::SIGTERM),
                Action::Kill => self.signal(id, libc::SIGKILL),
                Action::Log(fact) => self.tell_check(id, fact),
                Action::Verdict(verdict) => self.decide(turn, id, verdict),
                Action::Weight(weight) => self.weigh(turn, id, weight),
            }
        }
        next
    }

    /// The socket of a check is ready.
    pub(super) fn check_ready(&mut self, turn: &mut Turn<'_>, id: MachineId) -> Again {
        let mut buffer = core::mem::take(&mut self.checks.buffer);
        let again = self.hear_check(turn, id, &mut buffer);
        self.checks.buffer = buffer;
        again
    }

    fn hear_check(&mut self, turn: &mut Turn<'_>, id: MachineId, buffer: &mut [u8]) -> Again {
        for _ in 0..READS {
            let Some(transport) = self.checks.transport_mut(id) else { return Again::Done };
            let input = match transport.hear(turn, buffer) {
                Heard::Nothing => return Again::Done,
                Heard::Connected => Input::Connected,
                Heard::Received(count) => Input::Received(buffer.get(..count).unwrap_or_default()),
                Heard::Closed => Input::Closed,
                Heard::Failed(fault) => Input::Failed(fault),
                #[cfg(any(feature = "tls", feature = "tls-openssl"))]
                Heard::More => return Again::More,
            };
            #[cfg(any(feature = "tls", feature = "tls-openssl"))]
            if matches!(input, Input::Connected)
                && let Some(days) = self.checks.expiry(id)
            {
                self.tell_check(id, Fact::Expires { days });
            }
            let ends = matches!(input, Input::Closed | Input::Failed(_));
            self.drive(turn, id, input);
            if ends {
                return Again::Done;
            }
        }
        Again::More
    }

    fn run_program(&mut self, id: MachineId) -> Option<Input<'static>> {
        let program = self.checks.get_mut(id)?.program.as_mut()?;
        let Some(command) = &mut program.command else { return Some(Input::NotRun(Cause::Program)) };
        match self.notifies.scripts.start(command, Purpose::Own(id)) {
            Ok(pid) => {
                program.pid = Some(pid);
                None
            }
            Err(_) => Some(Input::NotRun(Cause::Program)),
        }
    }

    fn signal(&self, id: MachineId, signal: i32) {
        if let Some(pid) = self.checks.get(id).and_then(|check| check.pid()) {
            process::kill_group(pid, signal);
        }
    }

    /// The program of a check has ended.
    pub(super) fn program_ended(&mut self, turn: &mut Turn<'_>, id: MachineId, pid: Pid, how: Ended) {
        let Some(program) = self.checks.get_mut(id).and_then(|check| check.program.as_mut()) else { return };
        if program.pid.take_if(|running| *running == pid).is_some() && !self.process.stopping {
            self.drive(turn, id, Input::Ended(ending(how)));
        }
    }

    /// Programs of removed checks that have not ended in time are killed. Arms the deadline of the others.
    pub(super) fn kill_leaving(&mut self, turn: &mut Turn<'_>) {
        self.checks.leaving.overdue(turn.now(), |pid| {
            process::kill_group(pid, libc::SIGKILL);
        });
        turn.set_deadline(self.layout.number(Slot::Leaving), self.checks.leaving.poll_at());
    }

    /// Logs a fact of a check, for each real server that it is for.
    fn tell_check(&self, id: MachineId, fact: Fact) {
        let Some(check) = self.checks.get(id) else { return };
        for place in check.places() {
            let named = Named::of(&self.model, &self.lvs.places, ServiceId(place.service));
            let Some(named) = named else { continue };
            let Some(server) = named.service.servers.get(place.server as usize) else { continue };
            let Some(checker) = server.checks.get(place.checker as usize) else { continue };
            let (server, service) = (named.server_name(server), named.name());
            let subject = Subject { checker, server, service };
            report::fact(subject, fact);
            report::remember(subject, fact);
        }
    }

    fn decide(&mut self, turn: &mut Turn<'_>, id: MachineId, verdict: Verdict) {
        let Some(check) = self.checks.get(id) else { return };
        let lvs = &mut self.lvs;
        lvs.facts.note_decision(id);
        for place in check.places() {
            let of_server = lvs.places.check(place.service, place.server, place.checker);
            let (facts, up) = (&mut lvs.facts, verdict == Verdict::Up);
            let mut of_its_server = false;
            lvs.director.verdict(of_server, up, &mut |fact| {
                of_its_server |= matches!(fact, lvs::Fact::Real { .. });
                facts.push(fact, Some(place));
            });
            if !of_its_server {
                facts.push_checked(place, State::of(up));
            }
        }
        if lvs.facts.are_many() {
            self.settle_all(turn);
        }
    }

    fn weigh(&mut self, turn: &mut Turn<'_>, id: MachineId, weight: Weight) {
        let Some(check) = self.checks.get(id) else { return };
        let lvs = &mut self.lvs;
        lvs.facts.note_decision(id);
        for place in check.places() {
            let of_server = lvs.places.check(place.service, place.server, place.checker);
            let facts = &mut lvs.facts;
            lvs.director.weigh(of_server, weight, &mut |fact| facts.push(fact, Some(place)));
        }
        if lvs.facts.are_many() {
            self.settle_all(turn);
        }
    }

    /// Notes for a successor what a check knows. What it has decided in this turn is noted once more when the kernel has
    /// it ([`Self::settle`]).
    pub(super) fn keep_check(&mut self, id: MachineId, settled: bool) {
        let Some(check) = self.checks.get_mut(id) else { return };
        let Place { service, server, checker } = check.place;
        let of_server = self.lvs.places.check(service, server, checker);
        check.keep(&self.kept.keep, self.lvs.director.check_word(of_server, settled));
    }
}

fn ending(how: Ended) -> Ending {
    match how {
        Ended::Exited(code) => Ending::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
        Ended::Killed(signal) => Ending::Signalled(u8::try_from(signal).unwrap_or(u8::MAX)),
    }
}

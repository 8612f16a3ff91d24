//! Trackers that say something else: what the loop brings them, and what follows for the instances that track them.

use crate::base::addr::IpAddr;
use crate::base::id::{FileId, InstanceId, LinkId, ProcessId, ScriptId};
use crate::daemon::reactor::{Again, Turn};
use crate::proto::track::{Ending, FileInput, ProcessAction, ProcessInput, ScriptInput};
use crate::sys::netlink::addr::Address;
use crate::sys::process::{Ended, Pid};
use crate::vrrpd::notifies::Purpose;
use crate::vrrpd::report;
use crate::vrrpd::run::Vrrp;
use crate::vrrpd::slots::Slot;
use crate::vrrpd::track::{Object, Outcome};

impl Vrrp {
    /// An instance is about to begin: logs the reasons for which it cannot that have a name of their own.
    pub(super) fn log_tracked_faults(&self, id: InstanceId) {
        if let Some(instance) = self.instance(id) {
            self.reasons(instance).log_tracked();
        }
    }

    /// Finds out anew which instances track what. For load time: allocates.
    pub(super) fn find_followers(&mut self) {
        self.trackers.sources.renew(self.routers.instances.iter());
        self.routers.policy.find_followers(self.routers.instances.iter().map(|it| it.tracking.as_slice()));
    }
}

/// Scripts.
impl Vrrp {
    /// The deadline of a script has passed.
    pub(super) fn script_due(&mut self, turn: &mut Turn<'_>, id: ScriptId) {
        let idle = self.trackers.scripts.get(id.index()).is_some_and(|script| script.pid.is_none());
        if idle && self.routers.policy.followers().of(Object::Script(id), 0).is_none() {
            // No instance tracks the script. A reload that changes this asks again.
            turn.set_deadline(self.work.layout.number(Slot::Script(id)), None);
            return;
        }
        self.drive_script(turn, id, ScriptInput::Timeout);
    }

    /// The process of a track script has ended.
    pub(super) fn track_script_ended(&mut self, turn: &mut Turn<'_>, id: ScriptId, pid: Pid, how: Ended) {
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
        let Some(script) = self.trackers.scripts.get_mut(id.index()) else { return };
        let Outcome { run, changed } =
            script.handle(turn.now(), input, &self.kept.keep, &mut self.process.lines);
        if run && let Some(command) = &mut script.command {
            match self.notifies.scripts.start(command, Purpose::Own(id)) {
                Ok(pid) => script.pid = Some(pid),
                Err(error) => {
                    report::script_not_started(&script.name, &error);
                    self.drive_script(turn, id, ScriptInput::Ended(Ending::NotStarted));
                }
            }
        }
        if changed {
            self.tracked_changed(turn, Object::Script(id));
        }
        let script = self.trackers.scripts.get(id.index());
        if let Some(script) = script.filter(|script| script.command.is_some()) {
            turn.set_deadline(self.work.layout.number(Slot::Script(id)), script.machine.poll_at());
        }
    }
}

/// Files.
impl Vrrp {
    /// Deadlines of the files after the slots were laid out anew.
    pub(super) fn resume_files(&mut self, turn: &mut Turn<'_>) {
        for id in (0..self.trackers.files.len()).map(FileId::at) {
            self.arm_file(turn, id);
        }
        if !self.trackers.files.are_watched() {
            self.arm_retry(turn);
        }
    }

    /// The kernel reports the watched directories.
    pub(super) fn files_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        let again = self.trackers.files.ready();
        if !self.process.stopping {
            self.watch_missing(turn);
        }
        again
    }

    /// Directories that are not watched are tried again each second, and their files read meanwhile.
    pub(super) fn watch_missing(&mut self, turn: &mut Turn<'_>) {
        if !self.trackers.files.watch() {
            self.arm_retry(turn);
        }
        let mut from = 0;
        while let Some((id, read)) = self.trackers.files.next_touched(turn.now(), &mut from) {
            self.follow_file(turn, id, read);
        }
    }

    /// The time has come to read a file that changed too soon after it was read.
    pub(super) fn file_due(&mut self, turn: &mut Turn<'_>, id: FileId) {
        let read = self.trackers.files.handle(turn.now(), id, FileInput::Timeout);
        self.follow_file(turn, id, read);
    }

    fn follow_file(&mut self, turn: &mut Turn<'_>, id: FileId, read: bool) {
        if read && let Some(before) = self.trackers.read_file(turn.now(), &self.model, id) {
            let (object, mut position) = (Object::File(id), 0);
            while let Some(follower) = self.routers.policy.followers().of(object, position) {
                position += 1;
                if let Some(instance) = self.routers.instances.get(follower.index()) {
                    self.trackers.log_decision(turn.now(), &self.model, (id, before), instance);
                }
            }
            self.tracked_changed(turn, object);
        }
        self.arm_file(turn, id);
    }

    fn arm_file(&self, turn: &mut Turn<'_>, id: FileId) {
        turn.set_deadline(self.work.layout.number(Slot::File(id)), self.trackers.files.poll_at(id));
    }
}

/// Processes.
impl Vrrp {
    /// Deadlines of the monitors after the slots were laid out anew.
    pub(super) fn resume_processes(&mut self, turn: &mut Turn<'_>) {
        for id in (0..self.trackers.processes.len()).map(ProcessId::at) {
            self.arm_process(turn, id);
        }
        self.arm_walk(turn);
    }

    fn arm_process(&mut self, turn: &mut Turn<'_>, id: ProcessId) {
        let at = self.trackers.processes.poll_at(id, &self.model, &self.kept.keep);
        turn.set_deadline(self.work.layout.number(Slot::Process(id)), at);
    }

    fn arm_walk(&self, turn: &mut Turn<'_>) {
        let at = self.trackers.processes.next_walk(turn.now());
        turn.set_deadline(self.work.layout.number(Slot::Scan), at);
    }

    /// The kernel reports processes.
    pub(super) fn processes_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        let Some(heard) = self.trackers.processes.hear(turn).filter(|_| !self.process.stopping) else {
            return Again::Done;
        };
        if self.trackers.take_process_events(turn.now(), &heard) {
            self.arm_walk(turn);
        }
        self.take_counts(turn);
        match heard.read {
            Ok(true) => Again::More,
            Ok(false) => Again::Done,
            Err(error) => {
                self.trackers.processes.lose_events(turn.now(), &error);
                self.arm_walk(turn);
                Again::Done
            }
        }
    }

    /// More processes are to be looked at.
    pub(super) fn scan_due(&mut self, turn: &mut Turn<'_>) {
        self.trackers.processes.walk_on(turn.now());
        self.take_counts(turn);
        self.arm_walk(turn);
    }

    /// A change of a monitor has lasted long enough.
    pub(super) fn process_due(&mut self, turn: &mut Turn<'_>, id: ProcessId) {
        self.drive_process(turn, id, ProcessInput::Timeout);
    }

    fn take_counts(&mut self, turn: &mut Turn<'_>) {
        let mut from = 0;
        while let Some((id, cause)) = self.trackers.processes.next_changed(from) {
            from = id.index();
            let count = self.trackers.processes.count(id);
            self.drive_process(turn, id, ProcessInput::Count(count, cause));
        }
    }

    fn drive_process(&mut self, turn: &mut Turn<'_>, id: ProcessId, input: ProcessInput) {
        let now = turn.now();
        let action = self.trackers.processes.handle(now, id, input);
        self.arm_process(turn, id);
        let Some(action) = action else { return };
        if let ProcessAction::Changed { up } = action {
            self.trackers.log_quorum(now, &self.model, id, up);
        }
        self.tracked_changed(turn, Object::Process(id));
    }
}

/// BFD sessions.
impl Vrrp {
    /// The BFD child reports sessions.
    pub(super) fn sessions_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        let again = self.trackers.sessions.hear(turn);
        let mut from = 0;
        while let Some((id, news)) = self.trackers.sessions.next_news(from) {
            from = id.index();
            if self.process.stopping {
                continue;
            }
            self.trackers.log_session(turn.now(), &self.model, id, news);
            if !news.changed {
                continue;
            }
            let (object, mut position) = (Object::Bfd(id), 0);
            while let Some(follower) = self.routers.policy.followers().of(object, position) {
                position += 1;
                if let Some(instance) = self.routers.instances.get(follower.index()) {
                    let name = &instance.config.name;
                    self.trackers.log_tracked_session(turn.now(), &self.model, id, news.up, name);
                }
            }
            self.tracked_changed(turn, object);
        }
        again
    }
}

/// Sources of adverts.
impl Vrrp {
    /// An address of this machine came or went.
    pub(super) fn note_source(&mut self, turn: &mut Turn<'_>, address: &Address, there: bool) {
        if !self.trackers.sources.note(address, there) {
            return;
        }
        for id in self.ids() {
            if self.instance(id).and_then(|instance| instance.config.tracked_source())
                == Some(address.prefix.addr)
            {
                self.refresh(turn, id);
            }
        }
    }

    /// An address of the machine came or went: sources of adverts may have changed.
    pub(super) fn source_changed(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        self.owns.copy_link_locals(&self.links.table, &mut self.items.commands, Some(link));
        self.follow_locals(turn, link);
        for id in self.ids() {
            let Some(instance) = self.routers.instances.get_mut(id.index()) else {
                continue;
            };
            if instance.links.base != Some(link) && instance.links.own != Some(link) {
                continue;
            }
            let had: Option<IpAddr> = instance.local();
            if instance.refresh_local(&self.links.table) && had.is_none() {
                // With an address the interface may have become able to join the group.
                self.open_socket(turn, id);
            }
            self.refresh(turn, id);
        }
    }
}

fn ending(how: Ended) -> Ending {
    match how {
        Ended::Exited(code) => Ending::Exited(u8::try_from(code).unwrap_or(u8::MAX)),
        Ended::Killed(signal) => Ending::Signalled(u8::try_from(signal).unwrap_or(u8::MAX)),
    }
}

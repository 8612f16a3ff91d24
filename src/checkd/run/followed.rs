//! What checks and the sync daemon follow: tracked files, virtual routers of the VRRP child, sessions of the BFD child.

use std::os::fd::OwnedFd;

use super::Checkers;
use crate::base::id::{FileId, MachineId};
use crate::checkd::kind;
use crate::checkd::slots::Slot;
use crate::child::peer::{Heard, SESSION_UP};
use crate::child::report;
use crate::config::model::Probe;
use crate::daemon::ipc::{ObjectState, ToPeer};
use crate::daemon::kind::Kind;
use crate::daemon::reactor::{Again, Turn};
use crate::daemon::record;
use crate::daemon::token::SourceId;
use crate::proto::check::Input;
use crate::proto::track::FileInput;

/// Tracked files.
impl Checkers {
    /// Goes over to the files of the model in force, if a check follows one of them. Files that are to begin with a
    /// content are made by the VRRP child where there is one.
    pub(super) fn load_files(&mut self, turn: &mut Turn<'_>, first: bool) {
        let follows = |id: &MachineId| matches!(self.probe(*id), Some(Probe::File(..)));
        if self.files.is_empty() && !self.machines().any(|id| follows(&id)) {
            return;
        }
        let model = std::sync::Arc::clone(&self.model);
        let make_new = first && model.instances.is_empty();
        let own = SourceId { kind: kind::FILES, index: 0 };
        self.files.load(turn, &model, own, make_new, &mut self.process.lines);
        if !self.files.are_watched() {
            self.arm_retry(turn);
        }
    }

    /// Deadlines of files after the slots were laid out anew.
    pub(super) fn arm_files(&self, turn: &mut Turn<'_>) {
        (0..self.files.len()).map(FileId::at).for_each(|id| self.arm_file(turn, id));
    }

    fn arm_file(&self, turn: &mut Turn<'_>, id: FileId) {
        turn.set_deadline(self.layout.number(Slot::File(id)), self.files.poll_at(id));
    }

    fn arm_retry(&self, turn: &mut Turn<'_>) {
        let (slot, at) = (self.layout.number(Slot::Retry), turn.now() + RETRY);
        turn.set_deadline(slot, Some(at));
    }

    /// The kernel tells of the watched directories.
    pub(super) fn files_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        let again = self.files.ready();
        if !self.process.stopping {
            self.watch_missing(turn);
        }
        again
    }

    /// Directories that are not watched are tried again each second, and their files read meanwhile.
    pub(super) fn watch_missing(&mut self, turn: &mut Turn<'_>) {
        if !self.files.watch() {
            self.arm_retry(turn);
        }
        let mut from = 0;
        while let Some((id, read)) = self.files.next_touched(turn.now(), &mut from) {
            self.follow_file(turn, id, read);
        }
    }

    /// The time has come to read a file that changed too soon after it was read.
    pub(super) fn file_due(&mut self, turn: &mut Turn<'_>, id: FileId) {
        let read = self.files.handle(turn.now(), id, FileInput::Timeout);
        self.follow_file(turn, id, read);
    }

    fn follow_file(&mut self, turn: &mut Turn<'_>, file: FileId, read: bool) {
        let model = std::sync::Arc::clone(&self.model);
        if read && self.files.read(turn.now(), &model, file, &mut self.process.lines).is_some() {
            for id in self.machines() {
                if matches!(self.probe(id), Some(Probe::File(of, _)) if *of == file) {
                    self.tell_number(turn, id);
                }
            }
        }
        self.arm_file(turn, file);
    }

    /// Tells a check the number in its file, or the state of its session, if it follows one.
    pub(super) fn tell_number(&mut self, turn: &mut Turn<'_>, id: MachineId) {
        match self.probe(id) {
            Some(Probe::File(file, _)) => {
                let number = i64::from(self.files.number(*file));
                self.drive(turn, id, Input::Value(number));
            }
            Some(Probe::Bfd(bfd)) => {
                let key = self.model.bfd(*bfd).map(|bfd| record::key(&bfd.name));
                let known = self.peers.sessions.iter().find(|(session, _)| Some(*session) == key);
                if let Some((_, up)) = known.copied() {
                    self.drive(turn, id, Input::Session { up });
                }
            }
            _ => {}
        }
    }

    pub(super) fn probe(&self, id: MachineId) -> Option<&Probe> {
        Some(&self.checks.get(id)?.place.of(&self.model)?.probe)
    }
}

/// Other children.
impl Checkers {
    /// The parent has made a channel to another child.
    pub(super) fn connect(&mut self, turn: &mut Turn<'_>, kind: Kind, fd: OwnedFd) {
        let peer = match kind {
            Kind::Vrrp => {
                // Whoever is at its other end tells everything anew.
                self.lvs.sync.vrrp_away();
                &mut self.peers.vrrp
            }
            Kind::Bfd => &mut self.peers.bfd,
            Kind::Snmp => return,
            Kind::Checkers => return,
        };
        if let Err(error) = peer.connect(turn, fd) {
            report::kernel_failed("the channel to another child", &error);
        }
    }

    /// The VRRP child tells of virtual routers.
    pub(super) fn vrrp_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        let (sync, mut changed) = (&mut self.lvs.sync, false);
        let again = self.peers.vrrp.ready(turn, &mut |heard| match heard {
            Heard::Message(message) => changed |= sync.hear(message),
            Heard::Away => sync.vrrp_away(),
        });
        if changed && !self.process.stopping {
            self.settle_sync();
        }
        again
    }

    /// The BFD child tells of sessions. What one that is gone said last stands.
    pub(super) fn bfd_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        let (sessions, mut changed) = (&mut self.peers.sessions, false);
        let again = self.peers.bfd.ready(turn, &mut |heard| {
            let Heard::Message(ToPeer::State(ObjectState { key, state, .. })) = heard else { return };
            if state == record::GONE {
                // Whoever follows it still is about to hear of a configuration without it.
                return sessions.retain(|(session, _)| *session != key);
            }
            let up = state == SESSION_UP;
            match sessions.iter_mut().find(|(session, _)| *session == key) {
                Some((_, known)) => changed |= core::mem::replace(known, up) != up,
                None => {
                    sessions.push((key, up));
                    changed = true;
                }
            }
        });
        if changed && !self.process.stopping {
            for id in self.machines() {
                if matches!(self.probe(id), Some(Probe::Bfd(_))) {
                    self.tell_number(turn, id);
                }
            }
        }
        again
    }
}

/// When directories that cannot be watched are tried again.
const RETRY: crate::base::time::Span = crate::base::time::Span::from_secs(1);

//! A new configuration: all or nothing, and only the difference is felt.

use std::os::fd::{AsFd, OwnedFd};

use super::child::Child;
use super::program::{Program, Settings};
use super::{KINDS, Parent, calendar, text};
use crate::daemon::ipc::ToChild;
use crate::daemon::kind::Kind;
use crate::daemon::log;
use crate::daemon::reactor::Turn;
use crate::proto::supervise::Input;
use crate::sys::{memory, process};

impl<P: Program> Parent<'_, P> {
    /// SIGHUP: all or nothing. The log files are opened anew whatever comes of it: they may have been rotated.
    pub(super) fn reload(&mut self, turn: &mut Turn<'_>) {
        if self.ending.is_some() {
            return;
        }
        if self.scripts.is_starting() || self.children.iter().any(|child| child.supervisor.is_busy()) {
            self.reload_again = true;
            return;
        }
        #[cfg(feature = "status")]
        self.begin_reload();
        log::reopen();
        self.forward(ToChild::ReopenLog);
        log::info!("Reloading ...");
        self.tell_reloading();
        let marker = self.settings.reload_marker.clone();
        calendar::begin_reading(marker.as_deref());
        self.text = self.text.wrapping_add(1);
        let (program, mut text) = (self.program, None);
        let read = program.load(Some(&mut |octets| text = self.hand_ahead(&octets)));
        calendar::end_reading(marker.as_deref());
        if let Ok(new) = &read {
            let settings = self.program.settings(new);
            calendar::end_reading(
                settings.reload_marker.as_deref().filter(|new| marker.as_deref() != Some(new)),
            );
            self.save(new, &settings);
        }
        match read {
            Ok(new) if self.program.accepts(&self.loaded, &new) => self.hand_out(turn, new, text),
            Ok(_) | Err(_) => {
                self.forward(ToChild::Refused(self.text));
                log::error!("New configuration refused - keep running with the old one");
                #[cfg(feature = "status")]
                self.reload_failed();
            }
        }
        self.watch_calendar(turn);
        #[cfg(feature = "status")]
        {
            self.open_control(turn);
            self.answer_reloads(turn);
        }
        self.tell_reloaded();
    }

    /// Gives a text that is still to be judged to the children that can read it meanwhile. The VRRP child cannot: each of
    /// its adverts is more urgent.
    fn hand_ahead(&mut self, octets: &[u8]) -> Option<OwnedFd> {
        // A child that did not get this one must not take another one for it.
        self.text = self.text.wrapping_add(1);
        let file = self.file(octets)?;
        for child in self.children.iter().filter(|child| child.kind != Kind::Vrrp) {
            if child.pid.is_some() && !child.supervisor.is_leaving() {
                // One that does not get it reads it later.
                let _ = child.send(ToChild::Text(self.text), Some(file.as_fd()));
            }
        }
        Some(file)
    }

    /// Gives a new configuration to the children; `text`: what they were given ahead.
    fn hand_out(&mut self, turn: &mut Turn<'_>, new: P::Loaded, text: Option<OwnedFd>) {
        let Some(snapshot) = text.or_else(|| self.snapshot(&new)) else {
            log::error!("The new configuration is not passed on - keep running with the old one");
            #[cfg(feature = "status")]
            self.reload_failed();
            return;
        };
        #[cfg(feature = "status")]
        self.note_difference(&new);
        let settings = self.program.settings(&new);
        let before = core::mem::replace(&mut self.loaded, new);
        // A child that is behind already has not even begun with the configuration in between.
        self.previous.get_or_insert(before);
        let new_settings = Settings { pid_files: self.settings.pid_files.clone(), ..settings };
        let before = core::mem::replace(&mut self.settings, new_settings);
        self.take_name(before.process_name.as_deref());
        process::umask(self.options.umask.unwrap_or(self.settings.umask));
        let mut running = heapless::Vec::<(usize, Option<OwnedFd>), KINDS>::new();
        for index in 0..KINDS {
            let needed = self.is_needed(index);
            let permits = self.new_permits(index);
            let Some(child) = self.children.get_mut(index) else {
                continue;
            };
            child.supervisor.reconfigure(Self::params(self.options, &self.settings, child.kind));
            let objects = self.settings.child(child.kind).objects;
            child.records.reserve(objects);
            child.remembers |= objects > 0;
            if child.supervisor.is_absent() {
                if needed {
                    // A child that could not lock its file runs all the same.
                    let _ = self.claim_pid_file(index, None);
                    self.step(turn, index, Input::Start);
                }
            } else if !needed {
                // If it dies instead of ending, what it leaves is of the configuration before.
                child.behind = child.pid.is_some();
                self.step(turn, index, Input::Stop);
            } else if child.pid.is_some() && !child.supervisor.is_leaving() {
                let _ = running.push((index, permits));
            }
        }
        // A message wakes a child on the parent's own processor, where both would work at once: for the VRRP child, which has
        // adverts to send, it comes last. The others have read the text, and wait for the word.
        for last in [false, true] {
            if last {
                self.handed_out();
            }
            for (index, permits) in &mut running {
                let kind = self.children.get(*index).map(|child| child.kind);
                if (kind == Some(Kind::Vrrp)) == last {
                    self.give(turn, *index, &snapshot, permits.take());
                }
            }
        }
        self.forget_previous();
    }

    /// A configuration as a file that children can read.
    fn snapshot(&self, loaded: &P::Loaded) -> Option<OwnedFd> {
        self.file(&self.program.snapshot(loaded))
    }

    fn file(&self, octets: &[u8]) -> Option<OwnedFd> {
        let file = match &self.settings.scratch {
            Some(folder) => memory::unnamed(folder, octets),
            None => memory::sealed("keepalived", octets),
        };
        file.inspect_err(|error| log::error!("Unable to pass on the new configuration: {error}")).ok()
    }

    /// Gives the new configuration to a child that runs.
    fn give(&mut self, turn: &mut Turn<'_>, index: usize, snapshot: &OwnedFd, permits: Option<OwnedFd>) {
        self.permit(index, permits);
        let Some(kind) = self.children.get(index).map(|child| child.kind) else { return };
        let needed = self.program.privileges(&self.loaded, kind);
        let needed = needed.filter(|_| self.program.confines(&self.loaded));
        let Some(child) = self.children.get_mut(index) else { return };
        child.behind = true;
        let lacking = child.kept.zip(needed).map(|(kept, needed)| needed.without(kept)).unwrap_or_default();
        let changes = child.kept.is_some() != needed.is_some();
        if let Some(pid) = child.pid
            && (changes || !lacking.is_empty())
        {
            if changes {
                text::confinement_changes(kind, pid, needed.is_some());
            } else {
                text::lacks(kind, pid, lacking);
            }
            // Its replacement adopts what it finds, as after any death, of which the log has been told here.
            child.hung = true;
            process::kill(pid, libc::SIGKILL);
            self.step(turn, index, Input::Replace);
            return;
        }
        if child.send(ToChild::Reload(self.text), Some(snapshot.as_fd())) {
            self.step(turn, index, Input::Reload);
        } else if let Some(pid) = child.pid {
            // It does not read its channel; its replacement is given it.
            process::kill(pid, libc::SIGKILL);
        }
    }

    /// The replacement of a child that died before it had the new configuration has begun with the one before.
    pub(super) fn catch_up(&mut self, turn: &mut Turn<'_>, index: usize) {
        let wanted = |child: &Child| child.behind && !child.supervisor.is_leaving();
        if !self.children.get(index).is_some_and(wanted) {
            return;
        }
        // No child has this one yet.
        self.text = self.text.wrapping_add(1);
        match self.snapshot(&self.loaded) {
            Some(snapshot) => {
                let permits = self.new_permits(index);
                self.give(turn, index, &snapshot, permits);
            }
            // Its replacement tries again, after a pause.
            None => {
                if let Some(pid) = self.children.get(index).and_then(|child| child.pid) {
                    process::kill(pid, libc::SIGKILL);
                }
            }
        }
    }

    /// A child runs the newest configuration, or none.
    pub(super) fn caught_up(&mut self, index: usize) {
        if let Some(child) = self.children.get_mut(index) {
            child.behind = false;
        }
        self.forget_previous();
    }

    fn forget_previous(&mut self) {
        if !self.children.iter().any(|child| child.behind) {
            self.previous = None;
        }
    }

    /// What a process in place of a child begins with.
    pub(super) fn known_to(&self, child: &Child) -> &P::Loaded {
        self.previous.as_ref().filter(|_| child.behind).unwrap_or(&self.loaded)
    }
}

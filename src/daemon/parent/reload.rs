//! A new configuration: all or nothing, and only the difference is felt.

use std::os::fd::AsFd;

use super::program::{Kind, Program, Settings};
use super::{KINDS, Parent, calendar};
use crate::daemon::ipc::ToChild;
use crate::daemon::log as sinks;
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
        sinks::reopen();
        self.forward(ToChild::ReopenLog);
        log::info!("Reloading ...");
        self.manager.tell("RELOADING=1");
        let marker = self.settings.reload_marker.clone();
        calendar::begin_reading(marker.as_deref());
        let read = self.program.load();
        calendar::end_reading(marker.as_deref());
        if let Ok(new) = &read {
            let settings = self.program.settings(new);
            calendar::end_reading(
                settings.reload_marker.as_deref().filter(|new| marker.as_deref() != Some(new)),
            );
            self.save(new, &settings);
        }
        match read {
            Ok(new) if self.program.accepts(&self.loaded, &new) => self.hand_out(turn, new),
            Ok(_) | Err(_) => log::error!("New configuration refused - keep running with the old one"),
        }
        self.watch_calendar(turn);
        self.manager.tell("READY=1");
    }

    /// Gives a new configuration to the children.
    fn hand_out(&mut self, turn: &mut Turn<'_>, new: P::Loaded) {
        let octets = self.program.snapshot(&new);
        let file = match &self.settings.scratch {
            Some(folder) => memory::unnamed(folder, &octets),
            None => memory::sealed("keepalived", &octets),
        };
        drop(octets);
        let snapshot = match file {
            Ok(snapshot) => snapshot,
            Err(error) => {
                log::error!(
                    "Unable to pass on the new configuration: {error} - keep running with the old one"
                );
                return;
            }
        };
        let settings = self.program.settings(&new);
        self.loaded = new;
        let new_settings = Settings { pid_files: self.settings.pid_files.clone(), ..settings };
        let before = core::mem::replace(&mut self.settings, new_settings);
        self.take_name(before.process_name.as_deref());
        process::umask(self.options.umask.unwrap_or(self.settings.umask));
        for index in 0..KINDS {
            let needed = self.is_needed(index);
            let Some(child) = self.children.get_mut(index) else {
                continue;
            };
            child.supervisor.reconfigure(Self::params(self.options, &self.settings, child.kind));
            if child.kind == Kind::Vrrp {
                child.records.reserve(self.settings.instances);
            }
            if child.supervisor.is_absent() {
                if needed {
                    self.claim_pid_file(index);
                    self.step(turn, index, Input::Start);
                }
            } else if !needed {
                self.step(turn, index, Input::Stop);
            } else if child.pid.is_some() && !child.supervisor.is_leaving() {
                if child.send(ToChild::Reload, Some(snapshot.as_fd())) {
                    self.step(turn, index, Input::Reload);
                } else if let Some(pid) = child.pid {
                    // It does not read its channel; its replacement inherits the new configuration.
                    process::kill(pid, libc::SIGKILL);
                }
            }
        }
        self.handed_out();
    }
}

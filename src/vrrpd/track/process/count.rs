//! Which processes count for which monitor.

use super::super::report;
use super::{Match, Monitor, Processes};
use crate::base::id::ProcessId;
use crate::base::limit;
use crate::base::time::Instant;
use crate::config::Model;
use crate::config::model::TrackProcess;
use crate::config::model::track::ParameterMatch;
use crate::daemon::keep::Note;
use crate::proto::track::{Cause, Pattern, Process, ProcessParams, Rule};
use crate::sys::processes::{self, Walk};
use crate::sys::procevent::ProcessEvent;

/// What is looked for, and when it is healthy.
fn monitor(config: &TrackProcess) -> (Pattern, ProcessParams) {
    let pattern = match config.command.first() {
        Some(name) if !config.full_command && config.parameters.is_none() => {
            Pattern::Name(name.as_bytes().into())
        }
        _ => {
            let rule = match config.parameters {
                Some(ParameterMatch::Exact) => Rule::Exact,
                Some(ParameterMatch::Initial) if config.command.len() > 1 => Rule::Beginning,
                Some(ParameterMatch::Initial | ParameterMatch::Partial) | None => Rule::Words,
            };
            Pattern::Line { words: config.command.join("\0").into_bytes().into(), rule }
        }
    };
    let params = ProcessParams {
        quorum: config.quorum,
        quorum_max: config.quorum_max,
        fork_delay: config.fork_delay,
        terminate_delay: config.terminate_delay,
    };
    (pattern, params)
}

impl Processes {
    /// The monitors of a model; one that looks for the same as before keeps what it knows. Whether all do.
    pub(super) fn renew(&mut self, model: &Model, now: Instant) -> bool {
        let mut before: Vec<Option<Monitor>> =
            core::mem::take(&mut self.monitors).into_iter().map(Some).collect();
        let mut ids = vec![None; before.len()];
        for (position, config) in model.processes.iter().enumerate() {
            let (pattern, params) = monitor(config);
            let known = before.iter().position(|it| it.as_ref().is_some_and(|it| it.pattern == pattern));
            let kept = known.and_then(|known| Some((known, before.get_mut(known)?.take()?)));
            self.monitors.push(match kept {
                Some((known, mut monitor)) => {
                    if let Some(id) = ids.get_mut(known) {
                        *id = u32::try_from(position).ok();
                    }
                    monitor.machine.reconfigure(now, params);
                    monitor
                }
                None => Monitor {
                    pattern,
                    machine: Process::new(params),
                    count: 0,
                    counted: false,
                    changed: None,
                    note: Note::NONE,
                },
            });
        }
        self.matches.retain_mut(|it| match ids.get(it.monitor as usize).copied().flatten() {
            Some(monitor) => {
                it.monitor = monitor;
                true
            }
            None => false,
        });
        self.matches.sort_unstable_by_key(Match::key);
        if !self.monitors.is_empty() {
            self.matches.reserve_exact(limit::MATCHED_PROCESSES.saturating_sub(self.matches.len()));
        }
        self.monitors.iter().all(|monitor| monitor.counted)
    }

    /// Takes an event.
    pub(super) fn take(&mut self, event: ProcessEvent) {
        match event {
            ProcessEvent::Fork { parent, child } => self.fork(parent, child),
            ProcessEvent::Changed(pid) => self.look(pid, Cause::Change),
            ProcessEvent::Exit(pid) => {
                let start = self.matches.partition_point(|it| it.pid < pid);
                while self.matches.get(start).is_some_and(|it| it.pid == pid) {
                    self.remove(start, Cause::Exit);
                }
            }
            // The caller's business.
            ProcessEvent::Confirmed | ProcessEvent::Lost => {}
        }
    }

    /// The child is what its parent is.
    fn fork(&mut self, parent: i32, child: i32) {
        let mut monitor = 0;
        loop {
            let at = self.matches.partition_point(|it| it.key() < (parent, monitor));
            let Some(found) = self.matches.get(at).filter(|it| it.pid == parent) else {
                return;
            };
            let found = found.monitor;
            self.set(child, found, true, Cause::Fork);
            monitor = found.saturating_add(1);
        }
    }

    /// Looks at a process: what it counts for.
    fn look(&mut self, pid: i32, cause: Cause) {
        let (mut name, mut line) = ([0; limit::PROCESS_NAME_OCTETS], [0; limit::COMMAND_LINE_OCTETS]);
        let lines = self.monitors.iter().any(|monitor| monitor.pattern.needs_line());
        let names = self.monitors.iter().any(|monitor| !monitor.pattern.needs_line());
        let name = if names { processes::name(pid, &mut name) } else { None };
        let line = if lines { processes::command_line(pid, &mut line) } else { None };
        let mut running = None;
        for position in 0..self.monitors.len() {
            let Some(monitor) = self.monitors.get(position) else { continue };
            let known = if monitor.pattern.needs_line() { line.is_some() } else { name.is_some() };
            let matches = known
                && monitor.pattern.matches(name.unwrap_or_default(), line.unwrap_or_default())
                && *running.get_or_insert_with(|| processes::is_running(pid));
            self.set(pid, u32::try_from(position).unwrap_or(u32::MAX), matches, cause);
        }
    }

    /// Notes whether a process counts for a monitor.
    fn set(&mut self, pid: i32, monitor: u32, counts: bool, cause: Cause) {
        match self.matches.binary_search_by_key(&(pid, monitor), Match::key) {
            Ok(at) if counts => {
                if let Some(it) = self.matches.get_mut(at) {
                    it.round = self.round;
                }
            }
            // In a walk without events it has ended and another one has its number, or it changed: not at once.
            Ok(at) => self.remove(at, if cause == Cause::Fork { Cause::Exit } else { cause }),
            Err(at) if counts => {
                if self.matches.len() >= limit::MATCHED_PROCESSES {
                    if !core::mem::replace(&mut self.full, true) {
                        report::too_many_processes();
                    }
                    return;
                }
                self.matches.insert(at, Match { pid, monitor, round: self.round });
                if let Some(it) = self.monitors.get_mut(monitor as usize) {
                    it.count = it.count.saturating_add(1);
                    it.changed = Some(cause);
                }
            }
            Err(_) => {}
        }
    }

    fn remove(&mut self, at: usize, cause: Cause) {
        if at >= self.matches.len() {
            return;
        }
        let gone = self.matches.remove(at);
        if let Some(it) = self.monitors.get_mut(gone.monitor as usize) {
            it.count = it.count.saturating_sub(1);
            it.changed = Some(cause);
        }
    }

    pub(super) fn begin_walk(&mut self, now: Instant) {
        if let Some(walk) = &mut self.walk {
            walk.restart();
            self.round = self.round.wrapping_add(1);
            self.walking = true;
            self.began = now;
        }
    }

    /// Looks at up to `budget` more processes; whether the walk is at its end.
    pub(super) fn go_on(&mut self, budget: usize) -> bool {
        // Without events it is not known what a change came by: the delays are kept.
        let cause = if self.confirmed { Cause::Change } else { Cause::Fork };
        for _ in 0..budget {
            let Some(pid) = self.walk.as_mut().and_then(Walk::next) else {
                self.end_walk();
                return true;
            };
            self.look(pid, cause);
        }
        false
    }

    fn end_walk(&mut self) {
        self.walking = false;
        self.full = false;
        let cause = if self.confirmed { Cause::Change } else { Cause::Exit };
        let mut at = 0;
        while let Some(it) = self.matches.get(at) {
            if it.round == self.round {
                at += 1;
            } else {
                self.remove(at, cause);
            }
        }
        for monitor in self.monitors.iter_mut().filter(|monitor| !monitor.counted) {
            monitor.counted = true;
            monitor.changed = Some(Cause::Change);
        }
    }

    /// The next monitor from `from` on whose count is known and changed, and why.
    pub(in crate::vrrpd) fn next_changed(&mut self, from: usize) -> Option<(ProcessId, Cause)> {
        // Without events a walk under way knows the new ones and not yet which are gone.
        if self.walking && !self.confirmed {
            return None;
        }
        let mut from = self.monitors.iter_mut().enumerate().skip(from);
        from.find_map(|(position, monitor)| {
            let cause = if monitor.counted { monitor.changed.take()? } else { return None };
            Some((ProcessId::at(position), cause))
        })
    }
}

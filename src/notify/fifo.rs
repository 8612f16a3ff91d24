//! Notify FIFOs of one process: every event as a line, for readers that may be slow or absent.
//!
//! A line that the pipe has no room for waits in a queue of bounded size; when that is full the oldest waiting lines
//! make room, for they tell of states that have long been left. That is logged once, and once more with the count when
//! the reader has caught up. A FIFO that a reload leaves as it is stays open, and so does whoever reads it. One that is
//! there already is used as it is, and stays.

use core::fmt::{Arguments, Write};
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};

use super::command::{Command, Resolver, Unusable};
use crate::base::limit;
use crate::base::time::{Instant, Span};
use crate::config::model::global;
use crate::config::model::script::ScriptCommand;
use crate::daemon::log::{error, info, warn};
use crate::daemon::reactor::{Interest, Turn};
use crate::daemon::token::{Registration, SourceId};
use crate::sys::fifo::{Fifo, Key};
use crate::sys::process::{self, Ended, Pid};
use crate::sys::script;

/// A FIFO as the configuration wants it.
#[derive(Debug)]
pub struct Wanted {
    path: PathBuf,
    /// User and group; none: the daemon's.
    owner: Option<(u32, u32)>,
    script: Option<Command>,
}

impl Wanted {
    /// Looks up owner and script of a FIFO, if there is one. What is not there is reported, with its place if it has one:
    /// without its owner there is no FIFO, without its script only the FIFO.
    pub fn new(
        fifo: &global::Fifo,
        resolver: &Resolver,
        broken: &mut dyn FnMut(Option<&ScriptCommand>, &str, &Unusable),
    ) -> Option<Self> {
        let path = fifo.path.as_deref()?;
        let owner = fifo.identity.as_ref().map(|identity| resolver.look_up(identity)).transpose();
        let owner = owner.inspect_err(|why| broken(None, path, why)).ok()?;
        let ready = |command: &ScriptCommand| {
            let mut ready = resolver.resolve(command, path)?;
            ready.words.push(path.as_bytes()).map_err(|_| Unusable::TooLong)?;
            Ok(ready)
        };
        let script = fifo
            .script
            .as_ref()
            .and_then(|command| ready(command).inspect_err(|why| broken(Some(command), path, why)).ok());
        Some(Self { path: path.into(), owner: owner.map(|owner| (owner.uid, owner.gid)), script })
    }
}

/// The FIFOs of one process. Their number is their place in the configuration: the common one, the process's own.
pub struct Fifos {
    /// The kind of their sources in the loop; the index is their number.
    kind: u8,
    /// What the process is called in the log.
    word: &'static str,
    pipes: [Option<Pipe>; COUNT],
    leaving: heapless::Vec<Leaving, { 4 * COUNT }>,
    /// What a predecessor made, until the first load.
    left: Vec<Key>,
}

/// The common one, and the process's own.
pub const COUNT: usize = 2;

struct Pipe {
    owner: Option<(u32, u32)>,
    fifo: Fifo,
    registration: Option<Registration>,
    waiting: VecDeque<u8>,
    /// Octets that may wait.
    room: usize,
    /// Lines left out since the reader was last on time.
    lost: u64,
    script: Option<Command>,
    pid: Option<Pid>,
}

/// A script that is to end.
struct Leaving {
    pid: Pid,
    until: Instant,
    told: bool,
    /// What it still reads, if not all of it has fitted into the pipe yet.
    pipe: Option<Pipe>,
}

/// The time that a script has at the stop to read the last lines and to see the end of the file.
const END_OF_SCRIPT: Span = Span::from_millis(500);
/// From SIGTERM to SIGKILL.
const GRACE: Span = Span::from_secs(1);
/// What a pipe takes in whole or not at all (`PIPE_BUF`).
const ATOMIC: usize = 4_096;

impl Fifos {
    /// None yet.
    #[must_use]
    pub const fn new(kind: u8, word: &'static str) -> Self {
        Self { kind, word, pipes: [const { None }; COUNT], leaving: heapless::Vec::new(), left: Vec::new() }
    }

    /// A predecessor has made these, which count as made here.
    pub fn inherit(&mut self, left: &[Key]) {
        self.left.extend_from_slice(left);
    }

    /// Goes over to what a configuration wants. What is the same stays as it is; scripts that have ended are started
    /// again by `start`, as with keepalived's reload. Makes room for what so many objects tell at once. For load time:
    /// allocates.
    pub fn load(
        &mut self,
        turn: &mut Turn<'_>,
        wanted: [Option<Wanted>; COUNT],
        objects: usize,
        start: &mut dyn FnMut(&mut Command) -> io::Result<Pid>,
    ) {
        self.flush();
        let left = core::mem::take(&mut self.left);
        for (place, wanted) in self.pipes.iter_mut().zip(&wanted) {
            let same = |pipe: &Pipe| {
                let same = |new: &Wanted| new.path == pipe.fifo.path() && new.owner == pipe.owner;
                wanted.as_ref().is_some_and(same) && pipe.fifo.is_in_place()
            };
            if let Some(mut old) = place.take_if(|pipe| !same(pipe)) {
                dismiss(&mut self.leaving, old.pid.take(), turn.now());
                old.close(turn);
            }
        }
        for (number, wanted) in wanted.into_iter().enumerate() {
            let (Some(wanted), Some(place)) = (wanted, self.pipes.get_mut(number)) else { continue };
            if place.is_none() {
                *place = Pipe::open(turn, &wanted, &left, SourceId { kind: self.kind, index: index(number) });
            }
            let Some(pipe) = place else { continue };
            pipe.reserve(objects);
            let [old, new] = [&pipe.script, &wanted.script]
                .map(|script| script.as_ref().map(|command| (&command.words, &command.terms.identity)));
            if old != new {
                dismiss(&mut self.leaving, pipe.pid.take(), turn.now());
                pipe.script = wanted.script;
            }
            if pipe.pid.is_none()
                && let Some(script) = &mut pipe.script
            {
                match start(script) {
                    Ok(pid) => pipe.pid = Some(pid),
                    Err(error) => {
                        warn!(
                            "the script of notify FIFO {} could not be started: {error}",
                            pipe.path().display()
                        );
                    }
                }
            }
        }
    }

    /// Those that were made here, and go at the stop.
    pub fn made(&self) -> impl Iterator<Item = Key> {
        self.pipes.iter().flatten().filter_map(|pipe| pipe.fifo.made())
    }

    /// Queues a line for every FIFO; it leaves with the next [`Fifos::flush`].
    pub fn line(&mut self, line: Arguments<'_>) {
        if self.pipes.iter().all(Option::is_none) {
            return;
        }
        let mut text = heapless::String::<{ limit::FIFO_LINE }>::new();
        // A name that does not fit is longer than the configuration lets it be.
        if writeln!(text, "{line}").is_ok() {
            for pipe in self.pipes.iter_mut().flatten() {
                pipe.push(text.as_bytes());
            }
        }
    }

    /// Writes what waits and fits.
    pub fn flush(&mut self) {
        for pipe in self.pipes.iter_mut().flatten() {
            pipe.flush();
        }
    }

    /// A FIFO has room again.
    pub fn ready(&mut self, turn: &mut Turn<'_>, number: u32) {
        if let Some(pipe) = self.pipes.get_mut(number as usize).and_then(Option::as_mut) {
            pipe.flush();
        }
        for leaving in &mut self.leaving {
            if let Some(pipe) = &mut leaving.pipe {
                pipe.flush();
            }
            if let Some(done) = leaving.pipe.take_if(|pipe| pipe.waiting.is_empty()) {
                done.close(turn);
            }
        }
    }

    /// The script of a FIFO has ended. It is not started again before the next reload, as with keepalived.
    pub fn ended(&mut self, turn: &mut Turn<'_>, pid: Pid, how: Ended) {
        if let Some(position) = self.leaving.iter().position(|leaving| leaving.pid == pid) {
            if let Some(pipe) = self.leaving.swap_remove(position).pipe {
                pipe.close(turn);
            }
            return;
        }
        let pipe = self.pipes.iter_mut().flatten().find(|pipe| pipe.pid == Some(pid));
        if let Some(pipe) = pipe {
            pipe.pid = None;
            info!("{} notify fifo script terminated", self.word);
            if let Some(meaning) = script::meaning(how) {
                warn!("the script of notify FIFO {}: {meaning}", pipe.path().display());
            }
        }
    }

    /// The process stops: the FIFOs close when the last lines are in them, and their scripts are given a moment.
    pub fn finish(&mut self, turn: &mut Turn<'_>) {
        self.flush();
        for pipe in self.pipes.iter_mut().filter_map(Option::take) {
            let Some(pid) = pipe.pid else {
                pipe.close(turn);
                continue;
            };
            let until = turn.now() + END_OF_SCRIPT;
            let mut leaving = Leaving { pid, until, told: false, pipe: Some(pipe) };
            if let Some(done) = leaving.pipe.take_if(|pipe| pipe.waiting.is_empty()) {
                done.close(turn);
            }
            if let Err(leaving) = self.leaving.push(leaving) {
                process::kill_group(leaving.pid, libc::SIGKILL);
            }
        }
    }

    /// Whether a script is still to end.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// When [`Fifos::overdue`] is to be called.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        self.leaving.iter().map(|leaving| leaving.until).min()
    }

    /// Scripts that do not end by themselves are told to, and then killed.
    pub fn overdue(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now();
        for leaving in self.leaving.iter_mut().filter(|leaving| leaving.until <= now) {
            let signal = if leaving.told { libc::SIGKILL } else { libc::SIGTERM };
            process::kill_group(leaving.pid, signal);
            leaving.told = true;
            leaving.until = now + GRACE;
            if let Some(pipe) = leaving.pipe.take() {
                pipe.close(turn);
            }
        }
    }
}

impl Drop for Fifos {
    fn drop(&mut self) {
        for pid in self.pipes.iter().flatten().filter_map(|pipe| pipe.pid) {
            process::kill_group(pid, libc::SIGTERM);
        }
        for leaving in &self.leaving {
            process::kill_group(leaving.pid, libc::SIGKILL);
        }
    }
}

impl Pipe {
    fn open(turn: &mut Turn<'_>, wanted: &Wanted, left: &[Key], own: SourceId) -> Option<Self> {
        let opened = Fifo::open(&wanted.path, wanted.owner, |key| left.contains(&key));
        let failed = |error| error!("Unable to create notify fifo {}: {error}", wanted.path.display());
        let fifo = opened.map_err(failed).ok()?;
        if fifo.made().is_none() {
            info!("notify FIFO {} is there already - it is used as it is, and stays", wanted.path.display());
        }
        let registration = turn.register(std::os::fd::AsRawFd::as_raw_fd(&fifo), own, Interest::Write);
        // Without it what waits leaves with the next line.
        let registration = registration.map_err(failed).ok();
        Some(Self {
            owner: wanted.owner,
            fifo,
            registration,
            waiting: VecDeque::new(),
            room: 0,
            lost: 0,
            script: None,
            pid: None,
        })
    }

    fn path(&self) -> &Path {
        self.fifo.path()
    }

    fn reserve(&mut self, objects: usize) {
        self.room = self.room.max(limit::FIFO_QUEUE + limit::FIFO_QUEUE_EACH * objects);
        self.waiting.reserve(self.room.saturating_sub(self.waiting.len()));
    }

    fn push(&mut self, line: &[u8]) {
        let before = self.lost;
        while self.waiting.len() + line.len() > self.room {
            let end = self.waiting.iter().position(|octet| *octet == b'\n');
            let oldest = end.map_or(self.waiting.len(), |end| end + 1);
            self.waiting.drain(..oldest);
            self.lost += 1;
        }
        if before == 0 && self.lost > 0 {
            warn!(
                "notify FIFO {}: nobody reads it fast enough; the oldest waiting lines are left out",
                self.path().display()
            );
        }
        self.waiting.extend(line);
    }

    /// Writes whole lines, as many at a time as go in together or not at all.
    fn flush(&mut self) {
        while !self.waiting.is_empty() {
            let octets = self.waiting.make_contiguous();
            let head = octets.get(..ATOMIC).unwrap_or(octets);
            let whole = head.iter().rposition(|octet| *octet == b'\n').map_or(head.len(), |end| end + 1);
            match self.fifo.write(head.get(..whole).unwrap_or(head)) {
                Ok(Some(written)) => drop(self.waiting.drain(..written)),
                Ok(None) => return,
                Err(error) => {
                    warn!("notify FIFO {}: {error}", self.path().display());
                    self.waiting.clear();
                }
            }
        }
        match core::mem::take(&mut self.lost) {
            0 => {}
            lost => warn!("notify FIFO {}: {lost} lines were left out", self.path().display()),
        }
    }

    /// Closes it. The name of one that was made here goes with it.
    fn close(self, turn: &mut Turn<'_>) {
        let left = self.waiting.iter().filter(|octet| **octet == b'\n').count() as u64 + self.lost;
        if left > 0 {
            warn!("notify FIFO {}: {left} lines were not read in time", self.path().display());
        }
        if let Some(registration) = self.registration {
            turn.deregister(registration);
        }
    }
}

/// Ends a script, that of a FIFO that a reload changes.
fn dismiss(leaving: &mut heapless::Vec<Leaving, { 4 * COUNT }>, pid: Option<Pid>, now: Instant) {
    let Some(pid) = pid else { return };
    process::kill_group(pid, libc::SIGTERM);
    let one = Leaving { pid, until: now + GRACE, told: true, pipe: None };
    // Only reloads that follow each other within a second leave so many.
    if leaving.push(one).is_err() {
        process::kill_group(pid, libc::SIGKILL);
    }
}

fn index(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

//! The scripts that a child runs: which process runs for what, so that its end reaches the object it concerns.
//!
//! How many scripts may run at once is fixed when the configuration is loaded: [`limit::RUNNING_NOTIFIES`] notify
//! scripts, and beside them the scripts of the child's own (track scripts, checks) and those of FIFOs.

use std::io;

use crate::base::limit;
use crate::notify::{Command, fifo};
use crate::sys::process::{self, Pid};
use crate::sys::script::{Runner, Terms, Words};
use crate::sys::spawner;

/// What a script runs for. `N` names an object that has notify scripts, `O` what else the child runs scripts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose<N, O> {
    /// A notify script of an object.
    Notify(N),
    /// A notify script of an object that a reload removed, by the number of its queue.
    Retired(u32),
    /// The script that reads a FIFO.
    Fifo,
    /// A script of the child's own.
    Own(O),
    /// The object that the script ran for is gone, and nothing follows from the end of the script.
    Nothing,
}

/// The scripts of one child that run now.
pub struct Scripts<N, O> {
    runner: Runner,
    environment: Words,
    running: Vec<(Pid, Purpose<N, O>)>,
}

impl<N: Copy, O: Copy> Scripts<N, O> {
    /// No script runs yet.
    ///
    /// # Errors
    /// When /dev/null, which scripts read, cannot be opened.
    pub fn new() -> io::Result<Self> {
        Ok(Self { runner: Runner::new()?, environment: Words::environment(), running: Vec::new() })
    }

    /// Makes room for `own` scripts of the child's own beside notify scripts and those of FIFOs. After a reload the
    /// scripts of before and those of after may run side by side, so that there is room for both. For load time:
    /// allocates.
    pub fn reserve(&mut self, own: usize) {
        let most = limit::RUNNING_NOTIFIES + 2 * own + 2 * fifo::COUNT;
        self.running.reserve(most.saturating_sub(self.running.len()));
    }

    /// Whether one more notify script may run. The scripts of the child's own have room beside them.
    #[must_use]
    pub fn has_notify_room(&self) -> bool {
        self.running.len() < limit::RUNNING_NOTIFIES
    }

    /// Starts a script.
    ///
    /// # Errors
    /// When the kernel refuses the process, or as many scripts run as there is room for.
    pub fn start(&mut self, command: &mut Command, purpose: Purpose<N, O>) -> io::Result<Pid> {
        self.launch(command, purpose, Runner::start, false)
    }

    /// Starts the script of a FIFO, which is told to end when this process dies.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_tied(&mut self, command: &mut Command) -> io::Result<Pid> {
        self.launch(command, Purpose::Fifo, Runner::start_tied, true)
    }

    fn launch(
        &mut self,
        command: &mut Command,
        purpose: Purpose<N, O>,
        start: impl FnOnce(&Runner, &mut Words, &mut Words, &Terms) -> io::Result<Pid>,
        tied: bool,
    ) -> io::Result<Pid> {
        if self.running.len() >= self.running.capacity() {
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let Command { words, fixed, terms, .. } = command;
        let pid = match spawner::link() {
            Some(link) => spawner::start(link, words, *fixed, terms, tied)?,
            None => start(&self.runner, words, &mut self.environment, terms)?,
        };
        self.running.push((pid, purpose));
        Ok(pid)
    }

    /// A process has ended: what it ran for, if it was a script of this child.
    pub fn ended(&mut self, pid: Pid) -> Option<Purpose<N, O>> {
        let position = self.running.iter().position(|(running, _)| *running == pid)?;
        Some(self.running.swap_remove(position).1)
    }

    /// Says anew what each script runs for, after a reload has numbered the objects anew or removed some.
    pub fn rename(&mut self, mut new: impl FnMut(Purpose<N, O>) -> Purpose<N, O>) {
        for (_, purpose) in &mut self.running {
            *purpose = new(*purpose);
        }
    }

    /// The script that runs for something.
    #[cfg(test)]
    pub(super) fn running(&self, purpose: Purpose<N, O>) -> Option<Pid>
    where
        Purpose<N, O>: PartialEq,
    {
        self.running.iter().find(|(_, running)| *running == purpose).map(|(pid, _)| *pid)
    }

    /// Kills every script.
    pub fn kill(&self) {
        for (pid, _) in &self.running {
            process::kill_group(*pid, libc::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::script::Terms;

    fn command() -> Command {
        let mut words = Words::with_capacity(1, 16);
        words.push(b"/bin/true").unwrap();
        let terms = Terms::default();
        Command { words, fixed: 1, terms, insecure: None, by_shell: false, keeps_groups: false }
    }

    #[test]
    fn the_end_of_a_script_reaches_its_object_after_a_reload_and_no_more_run_than_there_is_room_for() {
        let mut scripts = Scripts::<u8, u16>::new().unwrap();
        assert_eq!(
            scripts.start(&mut command(), Purpose::Own(0)).unwrap_err().kind(),
            io::ErrorKind::QuotaExceeded
        );
        scripts.reserve(3);
        let room = scripts.running.capacity();
        let mut pids = Vec::new();
        for number in 0..u16::try_from(room).unwrap() {
            assert_eq!(scripts.has_notify_room(), usize::from(number) < limit::RUNNING_NOTIFIES);
            pids.push(scripts.start(&mut command(), Purpose::Own(number)).unwrap());
        }
        let refused = scripts.start(&mut command(), Purpose::Notify(1)).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::QuotaExceeded);
        scripts.rename(|purpose| match purpose {
            Purpose::Own(1) => Purpose::Nothing,
            Purpose::Own(number) => Purpose::Own(number + 1_000),
            other => other,
        });
        for (position, pid) in pids.into_iter().enumerate() {
            nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(pid.number()), None).unwrap();
            let number = u16::try_from(position).unwrap();
            let expected = if number == 1 { Purpose::Nothing } else { Purpose::Own(number + 1_000) };
            assert_eq!(scripts.ended(pid), Some(expected));
            assert_eq!(scripts.ended(pid), None);
        }
        assert_eq!(scripts.running.capacity(), room, "nothing grew");
    }
}

//! Making a child process, and what it does first.

use std::os::fd::{AsFd, AsRawFd};

use super::child::{Child, Link};
use super::program::{Mode, Program, Start};
use super::{CLEANER_BOUND, CLEANER_BOUND_EACH, LAST_LINES, Parent, cleaner_slot, slot, text};
use crate::base::exit::Exit;
use crate::daemon::reactor::{Interest, Turn};
use crate::daemon::token::SourceId;
use crate::daemon::tuning::{Confinement, Tuner};
use crate::daemon::{events, log};
use crate::proto::supervise::Input;
use crate::sys::channel::Channel;
use crate::sys::privileges::Capabilities;
use crate::sys::process::{self, Fork, Pid};
use crate::sys::{oom, sched, spawner};

impl<P: Program> Parent<'_, P> {
    /// Makes a child process.
    pub(super) fn fork(&mut self, turn: &mut Turn<'_>, index: usize, mode: Mode) {
        let own = process::own();
        let kept = self.wanted_privileges(index);
        if let Some(child) = self.children.get_mut(index).filter(|_| mode == Mode::Run) {
            child.kept = kept;
        }
        let forked = Channel::pair().and_then(|ends| {
            let scripts = self.helper_channel(index, mode)?;
            Ok((ends, scripts, process::fork()?))
        });
        let ((near, far), scripts, fork) = match forked {
            Ok(done) => done,
            Err(error) => {
                log::error!("Unable to start a child process: {error}");
                if mode == Mode::Run {
                    // Counts as a child that died at once, so it is tried again, ever more rarely.
                    self.step(turn, index, Input::Died);
                }
                return;
            }
        };
        let pid = match fork {
            Fork::Child => self.become_child(index, mode, far, scripts.map(|(end, _)| end), own),
            Fork::Parent(pid) => pid,
        };
        drop(far);
        let Some(child) = self.children.get_mut(index) else {
            return;
        };
        if mode != Mode::Run {
            child.cleaner = Some(pid);
            let objects = self.settings.child(child.kind).objects;
            let bound = CLEANER_BOUND + CLEANER_BOUND_EACH * objects as u64;
            turn.set_deadline(cleaner_slot(index), Some(turn.now() + bound));
            return;
        }
        child.set_pid(Some(pid));
        if let Some((_, far)) = scripts {
            self.start_helper(index, far);
        }
        let Some(child) = self.children.get_mut(index) else { return };
        log::info!("Starting {} child process, pid={pid}", child.kind.title());
        events::note(events::Kind::Process, &child.kind.word(), format_args!("process {pid} begins"));
        let source = SourceId { kind: 0, index: slot(index) };
        match turn.register(near.as_raw_fd(), source, Interest::Read) {
            Ok(registration) => child.link = Some(Link { channel: near, registration, resting: false }),
            // Without a channel it ends by itself, and is replaced.
            Err(error) => log::error!("Unable to watch a child process: {error}"),
        }
    }

    /// The privileges that a child needs with the configuration that it begins with, and with that which it is given then;
    /// none: it keeps all.
    fn wanted_privileges(&self, index: usize) -> Option<Capabilities> {
        let child = self.children.get(index).filter(|_| self.program.confines(&self.loaded))?;
        let first = self.program.privileges(self.known_to(child), child.kind)?;
        Some(first.with(self.program.privileges(&self.loaded, child.kind)?))
    }

    /// The new process is run as the configuration wants it.
    fn tuner(&self, child: &Child, channel: &Channel) -> Tuner {
        let confinement = child.kept.map(|kept| Confinement {
            kept,
            // That of the configuration that it is given at once, if that is another one.
            user: self.program.user_of_children(&self.loaded),
            channel: channel.as_raw_fd(),
            more: child.more_calls.clone(),
        });
        Tuner::begin(&self.settings.child(child.kind).tuning, &self.name, self.options.umask)
            .confined(confinement)
    }

    /// The new process: gives up what it inherited but the memory, does its work, and ends.
    fn become_child(
        &self,
        index: usize,
        mode: Mode,
        channel: Channel,
        scripts: Option<Channel>,
        parent: Pid,
    ) -> ! {
        log::forget();
        let _ = sched::give_way(false);
        oom::restore_in_child();
        let Some(child) = self.children.get(index) else { process::exit_now(Exit::Internal.code()) };
        // The lock of its pid file stays with it: should the parent be killed, the next one waits for its end.
        let file = child.pid_file.as_ref().filter(|_| mode == Mode::Run).map(AsFd::as_fd);
        let scripts_fd = scripts.as_ref().map(AsFd::as_fd);
        let kept = [Some(channel.as_fd()), file, scripts_fd].into_iter().flatten();
        process::close_all_but(&kept.collect::<heapless::Vec<_, 3>>());
        if let Some(scripts) = scripts {
            spawner::connect(scripts);
        }
        let opened = log::start(&self.log_options(), child.kind.identity());
        if !matches!(process::follow_parent(parent), Ok(true)) {
            process::exit_now(Exit::Ok.code());
        }
        if let Err(error) = opened {
            log::warn!("Unable to open the log file: {error}");
        }
        let start = |channel| Start {
            kind: child.kind,
            tuner: self.tuner(child, &channel),
            mode,
            channel,
            records: &child.records,
            keep: &child.keep,
            #[cfg(feature = "status")]
            changes: self.control.changes.all(),
            #[cfg(not(feature = "status"))]
            changes: &[],
            died: child.died,
            deaths: child.deaths,
        };
        // A cleaner after a child that died on the way to a new configuration takes off what both configurations name.
        if mode != Mode::Run
            && child.behind
            && let Ok((_, unused)) = Channel::pair()
        {
            self.program.run_child(&self.loaded, start(unused));
        }
        let exit = self.program.run_child(self.known_to(child), start(channel));
        if mode == Mode::Run {
            text::child_stopped();
        }
        log::finish(LAST_LINES);
        process::exit_now(exit.code())
    }
}

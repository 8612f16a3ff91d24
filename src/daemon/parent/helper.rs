//! The process that runs the scripts of a child: made before the child, and given the permits of each configuration.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use super::child::Child;
use super::program::{Mode, Program};
use super::{LAST_LINES, Parent};
use crate::base::exit::Exit;
use crate::base::limit;
use crate::daemon::ipc::ToChild;
use crate::daemon::log;
use crate::sys::channel::Channel;
use crate::sys::process::{self, Fork};
use crate::sys::{alloc, memory, oom, pages, sched, spawner};

impl<P: Program> Parent<'_, P> {
    /// The two ends of the channel between a child to come and the process that runs its scripts; none if its
    /// configuration has no scripts.
    ///
    /// # Errors
    /// When the kernel has no descriptors or no memory for it.
    pub(super) fn helper_channel(&self, index: usize, mode: Mode) -> io::Result<Option<(Channel, Channel)>> {
        let wanted = |child: &&Child| self.program.runs_scripts(self.known_to(child), child.kind);
        if mode != Mode::Run || !self.children.get(index).as_ref().is_some_and(wanted) {
            return Ok(None);
        }
        channel().map(Some)
    }

    /// Makes the process that runs the scripts of a child, whose end of the channel to the child this is. It comes after
    /// the child: without it the channel ends, and the child with it, which is tried again.
    pub(super) fn start_helper(&mut self, index: usize, far: Channel) {
        let made = Channel::pair().and_then(|(near, of_parent)| match process::fork()? {
            Fork::Child => self.become_helper(index, &far, &of_parent),
            Fork::Parent(_) => Ok(near),
        });
        match made {
            Ok(near) => {
                if let Some(child) = self.children.get_mut(index) {
                    child.helper = Some(near);
                }
            }
            Err(error) => log::error!("Unable to start the process that runs scripts: {error}"),
        }
    }

    /// What a child may have run once it goes over to the configuration that was read last; to be called while the
    /// parent still has all of that. None: nothing.
    pub(super) fn new_permits(&self, index: usize) -> Option<OwnedFd> {
        let kind = self.children.get(index)?.kind;
        if !self.program.runs_scripts(&self.loaded, kind) {
            return None;
        }
        let octets = self.program.permits(&self.loaded, kind).encode();
        let file = memory::sealed("keepalived", &octets);
        file.inspect_err(|error| log::error!("Unable to pass on the scripts of the configuration: {error}"))
            .ok()
    }

    /// Tells the process that runs the scripts of a child of those of the new configuration. A child that had none gets
    /// such a process.
    pub(super) fn permit(&mut self, index: usize, permits: Option<OwnedFd>) {
        let Some(permits) = permits else { return };
        let Some(child) = self.children.get(index) else { return };
        if let Some(helper) = &child.helper {
            // One that is gone takes its child with it; the next one begins with these permits.
            let _ = helper.send_with(&[1], permits.as_fd());
            return;
        }
        match channel() {
            // A child whose own channel is full does not read, and is replaced.
            Ok((end, far)) if child.send(ToChild::Scripts, Some(end.as_fd())) => {
                self.start_helper(index, far)
            }
            Ok(_) => {}
            Err(error) => log::error!("Unable to start the process that runs scripts: {error}"),
        }
    }

    /// The new process: gives up what it inherited but the memory, and runs scripts until its child ends.
    fn become_helper(&self, index: usize, child: &Channel, parent: &Channel) -> ! {
        log::forget();
        let _ = sched::give_way(false);
        oom::restore_in_child();
        process::close_all_but(&[child.as_fd(), parent.as_fd()]);
        let Some(served) = self.children.get(index) else { process::exit_now(Exit::Internal.code()) };
        let opened = log::start(&self.log_options(), served.kind.identity());
        if let Err(error) = opened {
            log::warn!("Unable to open the log file: {error}");
        }
        let _ = process::set_name(NAME);
        let permits = self.program.permits(self.known_to(served), served.kind);
        alloc::trim();
        pages::release();
        let refused = |program: &str| {
            log::error!("{program} was not run: the configuration does not have it");
            log::finish(LAST_LINES);
        };
        let exit = match spawner::serve(child, parent, permits, &mut { refused }) {
            Ok(()) => Exit::Ok,
            Err(error) => {
                log::error!("The process that runs scripts cannot go on: {error}");
                Exit::Fatal
            }
        };
        log::finish(LAST_LINES);
        process::exit_now(exit.code())
    }
}

/// The ends of a child and of the process that runs its scripts.
fn channel() -> io::Result<(Channel, Channel)> {
    let (of_child, far) = Channel::pair()?;
    // What the kernel gives without being asked holds the requests of some hundred scripts.
    let _ = of_child.set_send_buffer(limit::SCRIPT_REQUESTS);
    Ok((of_child, far))
}

/// What ps shows.
const NAME: &str = "keepalived_exec";

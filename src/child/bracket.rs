//! The start and the reload of a child: what each child does around its own work.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::ahead::{Step, Text};
use super::report;
use super::role::Role;
use crate::base::exit::Exit;
use crate::config::model::{Global, Model};
use crate::daemon::ipc::ToParent;
use crate::daemon::reactor::{Again, Process, Reactor, Turn};
use crate::daemon::tuning::Tuning;
use crate::sys::{alloc, pages, sched};

/// A child that the brackets stand around.
pub trait Child: Process {
    /// How the child is run.
    fn role(&mut self) -> &mut Role;
}

/// Runs a child until it is told to stop. `start` builds it.
pub fn run<C: Child>(start: impl FnOnce() -> io::Result<(Reactor, C)>) -> Exit {
    // The parent reads a configuration for some milliseconds, on the same processor maybe. A kernel that does not know
    // how is no worse than before.
    let _ = sched::ask_for_short_turns();
    match start() {
        Ok((mut reactor, mut child)) => serve(&mut reactor, &mut child),
        Err(error) => {
            report::kernel_failed("cannot start", &error);
            exit_of(error.kind())
        }
    }
}

/// How a start that failed ends: what passes may succeed next time.
#[must_use]
pub const fn exit_of(kind: io::ErrorKind) -> Exit {
    match kind {
        io::ErrorKind::PermissionDenied => Exit::Permission,
        io::ErrorKind::ResourceBusy | io::ErrorKind::OutOfMemory => Exit::Busy,
        _ => Exit::Fatal,
    }
}

// Not inlined: this code runs on while the pages of the start are let go, and must not be on them.
#[inline(never)]
fn serve<C: Child>(reactor: &mut Reactor, child: &mut C) -> Exit {
    if !reactor.is_working() {
        alloc::trim();
        pages::release();
        started(child.role());
    }
    reactor.run(child).unwrap_or_else(|error| {
        report::kernel_failed("the event loop", &error);
        Exit::Fatal
    })
}

/// Everything runs. For a child whose start goes on in the loop ([`Process::work`]): at the end of that.
pub fn started(role: &mut Role) {
    role.tuner.confine();
    role.meter.started();
}

/// The parent has a new configuration: the loop calls [`Process::work`] from now on. False: the child stops, or a reload
/// is under way, and the parent has been told so.
pub fn begin_reload(role: &mut Role, turn: &mut Turn<'_>) -> bool {
    if role.stopping || role.meter.is_reloading() {
        turn.report(ToParent::ReloadDone { ok: false });
        return false;
    }
    role.meter.reload_begins();
    turn.begin_work();
    true
}

/// The reload is over: a configuration with these global definitions is in force, the new one if all was `ok`. A child
/// that has begun to stop stays without a limit of realtime.
pub fn end_reload(role: &mut Role, turn: &mut Turn<'_>, global: &Global, ok: bool) {
    role.meter.reloaded();
    if !role.stopping {
        role.tuner.change(turn, &Tuning::of(global, role.kind));
    }
    if ok {
        report::reloaded();
    }
    turn.report(ToParent::ReloadDone { ok });
}

/// A child whose reload is one step once the new model is there.
pub trait Reloads: Child {
    /// The model in force.
    fn model(&self) -> Arc<Model>;
    /// What cannot wait for the end of the reload happens now.
    fn pause(&mut self, _: &mut Turn<'_>) {}
    /// Goes over to a model.
    fn go_over(&mut self, turn: &mut Turn<'_>, model: Box<Model>);
}

/// The parent judges a text: such a child reads it meanwhile, on another processor maybe.
pub fn read_ahead(child: &mut dyn Reloads, turn: &mut Turn<'_>, number: u32, fd: OwnedFd) {
    let role = child.role();
    // One that is at work reads the text when it is ordered to.
    if !role.stopping && !role.meter.is_reloading() {
        role.meter.reads_ahead();
        role.tuner.suspend(turn);
        role.text = Text::ahead(number, fd);
        turn.begin_work();
    }
}

/// The parent has a new configuration for such a child.
pub fn begin_reload_from(child: &mut dyn Reloads, turn: &mut Turn<'_>, number: u32, fd: OwnedFd) {
    child.role().meter.has_read_ahead();
    if begin_reload(child.role(), turn) && child.role().text.order(number, fd) {
        tell_begin(child, turn);
    }
}

/// The text is whole, and the child goes over to it.
fn tell_begin(child: &mut dyn Reloads, turn: &mut Turn<'_>) {
    report::reloading();
    child.role().tuner.suspend(turn);
}

/// Does the next part of the reload of such a child.
pub fn work_on_reload(child: &mut dyn Reloads, turn: &mut Turn<'_>) -> Again {
    child.role().meter.note_slice(turn.slice());
    turn.answer_hellos();
    child.pause(turn);
    if child.role().text.is_ordered_and_whole() {
        tell_begin(child, turn);
    }
    let running = child.model();
    let ok = match child.role().text.advance(&running) {
        Step::More => return Again::More,
        Step::Waits => {
            let role = child.role();
            role.meter.has_read_ahead();
            role.tuner.run(turn);
            return Again::Done;
        }
        Step::Failed => false,
        Step::Model(model) => {
            child.go_over(turn, model);
            true
        }
    };
    drop(running);
    alloc::trim();
    pages::release();
    let global = child.model();
    end_reload(child.role(), turn, &global.global, ok);
    Again::Done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::kind::Kind;

    #[test]
    fn a_reload_that_a_stop_overtook_does_not_tune_the_child_again() {
        let mut reactor = Reactor::new(0, None).unwrap();
        let mut role = Role::new(Kind::Vrrp);
        assert!(begin_reload(&mut role, &mut reactor.turn()));
        assert!(role.begin_stop(&mut reactor.turn()));
        let mut global = Global::default();
        global.names.standard = true;
        let before = format!("{:?}", role.tuner);
        end_reload(&mut role, &mut reactor.turn(), &global, false);
        assert_eq!(format!("{:?}", role.tuner), before);
        assert!(!role.meter.is_reloading());
        assert!(!begin_reload(&mut role, &mut reactor.turn()), "a child that stops is not reloaded");
    }
}

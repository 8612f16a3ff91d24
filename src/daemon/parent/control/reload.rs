//! A reload that clients wait for: what is logged of it as a warning or an error is their answer.

use super::client::State;
use super::difference::difference;
use crate::daemon::parent::{Parent, Program};
use crate::daemon::reactor::Turn;
use crate::daemon::{events, log};
use crate::wire::control::Outcome;

impl<P: Program> Parent<'_, P> {
    /// A client asks for a reload, and waits for its end.
    pub(super) fn reload_for(&mut self, turn: &mut Turn<'_>, index: usize) {
        if self.ending.is_some() {
            return self.tell(index, Outcome::Failed, "the daemon stops\n".to_owned());
        }
        if let Some(client) = self.control.clients.get_mut(index).and_then(Option::as_mut) {
            client.state = State::Reloads;
        }
        self.reload(turn);
    }

    /// Files are about to be read.
    pub(in crate::daemon::parent) fn begin_reload(&mut self) {
        (self.control.reload, self.control.reloading) = (true, true);
        log::overhear(true);
    }

    /// The reload of now does not become what was asked for.
    pub(in crate::daemon::parent) fn reload_failed(&mut self) {
        self.control.reload = false;
    }

    /// Answers those who wait for a reload, if it is over.
    pub(in crate::daemon::parent) fn answer_reloads(&mut self, turn: &mut Turn<'_>) {
        let busy = self.children.iter().any(|child| child.supervisor.is_busy() || child.behind);
        if busy || self.reload_again || self.scripts.is_starting() {
            return;
        }
        let told = log::overheard();
        log::overhear(false);
        if core::mem::take(&mut self.control.reloading) {
            let what = if self.control.reload { "the new configuration runs" } else { "it was refused: " };
            let first = if self.control.reload { "" } else { told.lines().next().unwrap_or_default() };
            events::note(events::Kind::Reload, &"configuration", format_args!("{what}{first}"));
        }
        let outcome = if self.control.reload { Outcome::Ok } else { Outcome::Failed };
        for index in self.reloading() {
            let (changes, end) = match self.control.reload {
                true => (&*self.control.difference, "The new configuration runs.\n"),
                false => ("", ""),
            };
            let text = [&told, changes, end].concat();
            self.tell(index, outcome, text);
            self.wake(turn, index);
        }
    }

    /// A client has waited for long.
    pub(super) fn reload_is_long(&mut self, turn: &mut Turn<'_>, index: usize) {
        let told = log::overheard();
        self.tell(index, Outcome::Partial, [&told, "The reload is still under way.\n"].concat());
        self.wake(turn, index);
    }

    /// A configuration is about to take the place of another one: what differs is told to those who wait.
    pub(in crate::daemon::parent) fn note_difference(&mut self, new: &P::Loaded) {
        self.control.difference.clear();
        if !self.reloading().is_empty() {
            let (before, after) = (self.program.effective(&self.loaded), self.program.effective(new));
            self.control.difference = difference(&before, &after);
        }
    }

    fn reloading(&self) -> Vec<usize> {
        let clients = self.control.clients.iter().enumerate();
        let waits = clients.filter(|(_, client)| {
            client.as_ref().is_some_and(|client| matches!(client.state, State::Reloads))
        });
        waits.map(|(index, _)| index).collect()
    }
}

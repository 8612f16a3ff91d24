//! How much each process logs: changed for a time.

use crate::base::time::{Instant, Span};
use crate::daemon::ipc::{ToChild, level};
use crate::daemon::kind::Kind;
use crate::daemon::log;
use crate::daemon::parent::{KINDS, Parent, Program};
use crate::daemon::reactor::Turn;
use crate::wire::control::{Outcome, Request};

/// The words for levels, in the order of [`level`].
const LEVELS: [&str; 5] = ["usual", "error", "warning", "info", "debug"];
/// The words for the parent, and for all processes.
const PARENT: &str = "parent";
const ALL: &str = "all";
/// How long it lasts unless said otherwise, and at most: nobody fills a flash by having forgotten it.
const USUAL: u64 = 600;
const MOST: u64 = 86_400;

impl<P: Program> Parent<'_, P> {
    /// A client wants more or less in the log.
    pub(super) fn set_levels(&mut self, turn: &mut Turn<'_>, index: usize, request: &Request<'_>) {
        let (name, word) = (request.name.unwrap_or_default(), request.argument.unwrap_or_default());
        let words = Kind::ALL.map(Kind::word);
        let number = LEVELS.iter().position(|level| *level == word).and_then(|at| u8::try_from(at).ok());
        let seconds = request.value.map_or(Some(USUAL), |text| text.parse().ok());
        let seconds = seconds.filter(|seconds| (1..=MOST).contains(seconds));
        let known = name == ALL || name == PARENT || words.contains(&name);
        let (Some(number), Some(seconds), true) = (number, seconds, known) else {
            let text = format!(
                "loglevel takes {}, {PARENT} or {ALL}, then {}, and --for= 1 to {MOST} seconds\n",
                words.join(", "),
                LEVELS.join(", ")
            );
            return self.tell(index, Outcome::Unknown, text);
        };
        let until = (number > 0).then(|| turn.now() + Span::from_secs(seconds));
        for (position, process) in words.into_iter().chain([PARENT]).enumerate() {
            if name == process || name == ALL {
                self.set_level(position, number);
                if let Some(place) = self.control.levels.get_mut(position) {
                    *place = until;
                }
            }
        }
        let text = match number {
            0 => format!("{name} logs as usual\n"),
            _ => format!("{name} logs up to {word} for {seconds} s\n"),
        };
        self.tell(index, Outcome::Ok, text);
    }

    fn set_level(&self, position: usize, number: u8) {
        match self.children.get(position) {
            // One that was replaced meanwhile, or is not there, logs as usual.
            Some(child) => drop(child.send(ToChild::LogLevel(number), None)),
            None => log::set_level(level(number)),
        }
    }

    /// The time of some is over.
    pub(super) fn end_levels(&mut self, now: Instant) {
        for position in 0..=KINDS {
            let place = self.control.levels.get_mut(position);
            if place.is_some_and(|until| until.take_if(|until| *until <= now).is_some()) {
                self.set_level(position, 0);
            }
        }
    }
}

//! What interfaces count as: with the delays of `interface_up_down_delays`, and polled if the configuration says so
//! (`linkbeat_interfaces`, `linkbeat_use_polling`).
//!
//! ```text
//! netlink ─ carrier ─┐
//!          wanted_up ┼─> up ── what can be sent now ── delays ──> counts_up ── faults, trackers
//! driver ── polled ──┘
//! ```
//!
//! The driver of a polled interface is asked each second, and whenever netlink reports something of the interface; the
//! driver's answer stands in place of the carrier that netlink reports. The decisions are
//! `proto::track::{linkbeat, debounce}`'s.

use super::{Change, Interfaces, report};
use crate::base::id::LinkId;
use crate::base::map::Map;
use crate::base::name::IfName;
use crate::base::time::{Instant, Span};
use crate::child::report::kernel_failed;
use crate::daemon::keep::{Keep, Left, Note, Values, key};
use crate::proto::track::{Answer, Debounce, DebounceInput, Debounced, Delays, LinkMethod, Linkbeat};
use crate::sys::carrier::Carrier;

/// Between two questions to the driver of an interface.
const BEAT: Span = Span::from_secs(1);

/// The interfaces that are polled or have delays.
#[derive(Debug, Default)]
pub(super) struct LinkStates {
    /// Ordered by interface.
    entries: Vec<Entry>,
    /// The socket that drivers are asked by; none: no interface is polled, or the socket cannot be opened.
    carrier: Option<Carrier>,
    /// When the round of questions under way began, or the next one begins.
    round: Option<Instant>,
    /// The position of the entry that the round under way asks next.
    asked: usize,
}

#[derive(Debug)]
struct Entry {
    link: LinkId,
    delays: Option<Debounce>,
    beat: Option<Linkbeat>,
    /// The note for a successor of what the interface counts as, if it has delays.
    note: Note,
}

/// The kind of the notes.
const LINK: &str = "delayed link";

/// What a successor has to know.
fn values(delays: &Debounce) -> Values {
    [u64::from(delays.up()), delays.since().map_or(0, Instant::as_micros), 0]
}

/// What the configuration wants of an interface.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// How long a change has to last until it counts.
    pub delays: Option<Delays>,
    /// Whether the interface is polled, and by which method its driver is asked first.
    pub beat: Option<Option<LinkMethod>>,
}

/// How an interface is watched, for the data dump.
#[derive(Clone, Copy, Debug, Default)]
pub struct Watch {
    /// How long a change has to last.
    pub delays: Delays,
    /// A change has not lasted so long yet.
    pub waits: bool,
    /// How the interface is polled, if it is.
    pub method: Option<LinkMethod>,
}

impl LinkStates {
    fn position(&self, link: LinkId) -> Option<usize> {
        self.entries.binary_search_by_key(&link, |entry| entry.link).ok()
    }

    fn polls(&self) -> bool {
        self.entries.iter().any(|entry| entry.beat.is_some())
    }
}

impl Interfaces {
    /// Watches what the configuration wants, at the start and after a reload: what was watched before goes on as it was.
    /// For when all interfaces that are used are known, and before anything asks what they count as. `keep` and `left`
    /// have the notes of a predecessor.
    pub fn watch(&mut self, now: Instant, wanted: Map<LinkId, Wanted>, keep: &Keep, left: &Left) {
        let did_poll = self.states.polls();
        let mut before: Map<LinkId, Entry> =
            core::mem::take(&mut self.states.entries).into_iter().map(|entry| (entry.link, entry)).collect();
        self.states.entries.reserve_exact(wanted.len());
        for (link, wanted) in wanted {
            let old = before.remove(&link);
            let known = old.as_ref().and_then(|old| old.beat);
            let beat = wanted.beat.map(|method| match known {
                Some(mut beat) => {
                    beat.reconfigure(method);
                    beat
                }
                None => Linkbeat::new(method),
            });
            let note = old.as_ref().map_or(Note::NONE, |old| old.note);
            let delays = old.and_then(|old| old.delays);
            self.states.entries.push(Entry { link, delays, beat, note });
            let position = self.states.entries.len() - 1;
            self.ask_driver(position);
            if let Some(delays) = wanted.delays {
                self.resume_delays(position, delays, keep, left);
            }
            self.set_delays(now, position, wanted.delays);
        }
        for (link, _) in before {
            // The interface is not watched any more: it counts as what netlink says.
            if let Some(there) = self.table.link_mut(link) {
                there.state.held = None;
                there.set_polled(None);
            }
        }
        let polls = self.states.polls();
        self.states.asked = 0;
        self.states.round = polls.then(|| self.states.round.unwrap_or(now + BEAT));
        if !polls {
            self.states.carrier = None;
        } else if !did_poll {
            report::polling();
        }
    }

    /// Goes on with the delays of an interface where a predecessor was.
    fn resume_delays(&mut self, position: usize, delays: Delays, keep: &Keep, left: &Left) {
        let Some(entry) = self.states.entries.get_mut(position).filter(|entry| entry.delays.is_none()) else {
            return;
        };
        let Some(there) = self.table.link(entry.link) else { return };
        if let Some(note) = left.of_key(key(LINK, there.name.as_str())) {
            let [counts, since, _] = keep.values(note);
            let since = (since != 0).then(|| Instant::from_micros(since));
            entry.note = note;
            entry.delays = Some(Debounce::resume(delays, counts != 0, since));
        }
    }

    /// Gives an interface its delays, or takes them away.
    fn set_delays(&mut self, now: Instant, position: usize, delays: Option<Delays>) {
        let Some(entry) = self.states.entries.get_mut(position) else { return };
        let up = self.table.link(entry.link).is_some_and(|link| link.state.up);
        let counted = match (&mut entry.delays, delays) {
            (Some(running), Some(delays)) => {
                let counted = running.reconfigure(now, delays);
                if counted == Debounced::Nothing {
                    running.handle(now, DebounceInput::Is { up })
                } else {
                    counted
                }
            }
            (running, delays) => {
                *running = delays.map(|delays| Debounce::new(delays, up));
                Debounced::Nothing
            }
        };
        let (link, counts) = (entry.link, entry.delays.as_ref().map(Debounce::up));
        self.count_as(link, counts);
        if let Debounced::Counts { up } = counted {
            self.log_state(link, up);
        }
    }

    /// An interface counts as up, or down, whatever it is.
    fn count_as(&mut self, link: LinkId, counts: Option<bool>) {
        if let Some(there) = self.table.link_mut(link) {
            there.state.held = counts.filter(|up| *up != there.state.up);
        }
    }

    fn log_state(&self, link: LinkId, up: bool) {
        if let Some(there) = self.table.link(link) {
            report::state(&there.name, up, there.state.polled.is_some());
        }
    }

    /// An interface came, went, or went up or down: reckons what the interface counts as, and logs if that is another
    /// thing. Whether the interface has delays or is polled, so that there may be another deadline.
    pub fn weigh(&mut self, now: Instant, link: LinkId, change: Change) -> bool {
        let up = self.table.link(link).is_some_and(|there| there.state.up);
        let position = self.states.position(link);
        let Some(entry) = position.and_then(|position| self.states.entries.get_mut(position)) else {
            if change == Change::State {
                self.log_state(link, up);
            }
            return false;
        };
        let input = match change {
            Change::State => DebounceInput::Is { up },
            Change::Appeared | Change::Vanished => {
                entry.beat.iter_mut().for_each(Linkbeat::forget);
                DebounceInput::Became { up }
            }
            Change::Setting | Change::None => return false,
        };
        let outcome = match &mut entry.delays {
            Some(delays) => delays.handle(now, input),
            None => Debounced::Counts { up },
        };
        let counts = entry.delays.as_ref().map(Debounce::up);
        self.count_as(link, counts);
        match outcome {
            Debounced::Counts { up } if change == Change::State => self.log_state(link, up),
            Debounced::Waits(delay) => {
                if let Some(there) = self.table.link(link) {
                    report::delayed(&there.name, up, delay);
                }
            }
            Debounced::Counts { .. } | Debounced::Nothing => {}
        }
        true
    }

    /// The next interface, from a position among those that are watched, whose delay is over by now, so that it counts
    /// as another thing than before; the position goes past it. None: no further one.
    pub fn next_settled(&mut self, now: Instant, position: &mut usize) -> Option<LinkId> {
        while let Some(entry) = self.states.entries.get_mut(*position) {
            *position += 1;
            let Some(delays) = &mut entry.delays else { continue };
            if let Debounced::Counts { up } = delays.handle(now, DebounceInput::Timeout) {
                let link = entry.link;
                self.count_as(link, Some(up));
                self.log_state(link, up);
                return Some(link);
            }
        }
        None
    }

    /// The next interface that the round of questions under way asks, if a round is due. None: the round is over, and
    /// the next one is set.
    pub fn next_polled(&mut self, now: Instant) -> Option<LinkId> {
        let states = &mut self.states;
        let begun = states.round.filter(|round| *round <= now)?;
        let rest = states.entries.get(states.asked..).unwrap_or_default();
        let Some(next) = rest.iter().position(|entry| entry.beat.is_some()) else {
            // From when this round was to begin, but never to catch up on rounds that were missed.
            let next = begun + BEAT;
            states.round = Some(if next <= now { now + BEAT } else { next });
            states.asked = 0;
            return None;
        };
        let position = states.asked + next;
        states.asked = position + 1;
        states.entries.get(position).map(|entry| entry.link)
    }

    /// Asks the driver of an interface, if it is polled; whether the interface went up or down by that.
    pub fn poll(&mut self, link: LinkId) -> bool {
        self.states.position(link).is_some_and(|position| self.ask_driver(position))
    }

    fn ask_driver(&mut self, position: usize) -> bool {
        let Some(entry) = self.states.entries.get_mut(position) else { return false };
        let Some(there) = self.table.link_mut(entry.link) else { return false };
        let Some(beat) = &mut entry.beat else {
            return there.set_polled(None);
        };
        if there.index.is_none() {
            return false;
        }
        if self.states.carrier.is_none() {
            self.states.carrier = Carrier::open().inspect_err(|error| kernel_failed("linkbeat", error)).ok();
        }
        let Some(carrier) = &self.states.carrier else { return false };
        let known = beat.up().is_some();
        while beat.hear(answer(carrier, &there.name, beat.method())) {}
        if let Some(refused) = beat.refused().filter(|_| !known) {
            report::asked_otherwise(&there.name, refused, beat.method());
        }
        there.set_polled(beat.up())
    }

    /// Notes for a successor what interfaces with delays count as.
    pub fn keep_states(&mut self, keep: &Keep) {
        for entry in &mut self.states.entries {
            if let (Some(delays), Some(there)) = (&entry.delays, self.table.link(entry.link)) {
                keep.put(&mut entry.note, key(LINK, there.name.as_str()), values(delays));
            }
        }
    }

    /// Those notes.
    pub fn notes(&self) -> impl Iterator<Item = Note> {
        self.states.entries.iter().map(|entry| entry.note)
    }

    /// When a delay is over, or drivers are to be asked.
    #[must_use]
    pub fn poll_at(&self) -> Option<Instant> {
        let delays = self.states.entries.iter().filter_map(|entry| entry.delays.as_ref()?.poll_at());
        delays.chain(self.states.round).min()
    }

    /// How an interface is watched, for the data dump.
    #[must_use]
    pub fn watch_of(&self, link: LinkId) -> Watch {
        let Some(entry) = self.states.position(link).and_then(|position| self.states.entries.get(position))
        else {
            return Watch::default();
        };
        let delays = entry.delays.as_ref();
        Watch {
            delays: delays.map_or_else(Delays::default, Debounce::delays),
            waits: delays.is_some_and(|delays| delays.poll_at().is_some()),
            method: entry.beat.as_ref().map(Linkbeat::method),
        }
    }
}

fn answer(carrier: &Carrier, name: &IfName, method: LinkMethod) -> Answer {
    let answer = match method {
        LinkMethod::Mii => carrier.by_registers(name),
        LinkMethod::Ethtool => carrier.by_driver(name),
        LinkMethod::Ioctl => carrier.by_flags(name),
    };
    match answer {
        Ok(true) => Answer::Up,
        Ok(false) => Answer::Down,
        Err(_) => Answer::Unsupported,
    }
}

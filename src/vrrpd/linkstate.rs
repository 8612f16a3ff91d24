//! What interfaces count as: with the delays of `interface_up_down_delays`, and polled if the configuration says so
//! (`linkbeat_interfaces`, `linkbeat_use_polling`).
//!
//! ```text
//! netlink ─ carrier ─┐
//!          wanted_up ┼─> up ── what can be sent now ── delays ──> counts_up ── faults, trackers
//! driver ── polled ──┘
//! ```
//!
//! A polled interface is asked each second, and whenever netlink tells something of it; what its driver answers stands
//! in place of the carrier that netlink tells. The decisions are `proto::track::{linkbeat, debounce}`'s.

use std::sync::Arc;

use super::links::Change;
use super::report;
use super::slots::Slot;
use super::state::Vrrp;
use super::track::Object;
use crate::base::id::LinkId;
use crate::base::limit;
use crate::base::map::Map;
use crate::base::name::IfName;
use crate::base::time::{Instant, Span};
use crate::daemon::keep::{Note, Values, key};
use crate::daemon::reactor::Turn;
use crate::proto::track::{Answer, Debounce, DebounceInput, Debounced, Delays, LinkMethod, Linkbeat};
use crate::sys::carrier::Carrier;

/// Between two questions to the driver of an interface.
const BEAT: Span = Span::from_secs(1);

/// The interfaces that are polled or have delays.
#[derive(Debug, Default)]
pub(super) struct LinkStates {
    /// Ordered by interface.
    entries: Vec<Entry>,
    /// Whom drivers are asked by; none: nobody is polled, or it cannot be opened.
    carrier: Option<Carrier>,
    /// When the round of questions under way began, or the next one begins.
    round: Option<Instant>,
    /// How far it is.
    asked: usize,
}

#[derive(Debug)]
struct Entry {
    link: LinkId,
    delays: Option<Debounce>,
    beat: Option<Linkbeat>,
    /// Where it is kept what it counts as, if it has delays.
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
struct Wanted {
    delays: Option<Delays>,
    /// How it is asked first, if it is polled.
    beat: Option<Option<LinkMethod>>,
}

/// What the data dump tells of an interface.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LinkView {
    /// How long a change has to last.
    pub(super) delays: Delays,
    /// One has not lasted so long yet.
    pub(super) waits: bool,
    /// How it is polled, if it is.
    pub(super) method: Option<LinkMethod>,
}

impl LinkStates {
    fn position(&self, link: LinkId) -> Option<usize> {
        self.entries.binary_search_by_key(&link, |entry| entry.link).ok()
    }

    /// Where it is kept what interfaces with delays count as.
    pub(super) fn notes(&self) -> impl Iterator<Item = Note> {
        self.entries.iter().map(|entry| entry.note)
    }

    fn next(&self) -> Option<Instant> {
        let delays = self.entries.iter().filter_map(|entry| entry.delays.as_ref()?.poll_at());
        delays.chain(self.round).min()
    }

    fn polls(&self) -> bool {
        self.entries.iter().any(|entry| entry.beat.is_some())
    }

    /// What the data dump tells of an interface.
    pub(super) fn view(&self, link: LinkId) -> LinkView {
        let Some(entry) = self.position(link).and_then(|position| self.entries.get(position)) else {
            return LinkView::default();
        };
        let delays = entry.delays.as_ref();
        LinkView {
            delays: delays.map_or_else(Delays::default, Debounce::delays),
            waits: delays.is_some_and(|delays| delays.poll_at().is_some()),
            method: entry.beat.as_ref().map(Linkbeat::method),
        }
    }
}

impl Vrrp {
    /// Watches what the model wants, at the start and after a reload: what was watched before goes on as it was. For
    /// when all interfaces that are used are known, and before anybody asks what they count as.
    pub(super) fn watch_links(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now();
        let wanted = self.wanted_links();
        let did_poll = self.links.states.polls();
        let mut before: Map<LinkId, Entry> = core::mem::take(&mut self.links.states.entries)
            .into_iter()
            .map(|entry| (entry.link, entry))
            .collect();
        self.links.states.entries.reserve_exact(wanted.len());
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
            self.links.states.entries.push(Entry { link, delays, beat, note });
            let position = self.links.states.entries.len() - 1;
            self.ask_driver(position);
            self.delay_link(now, position, wanted.delays);
        }
        for (link, _) in before {
            self.let_go_of_link(link);
        }
        let polls = self.links.states.polls();
        self.links.states.asked = 0;
        self.links.states.round = polls.then(|| self.links.states.round.unwrap_or(now + BEAT));
        if !polls {
            self.links.states.carrier = None;
        } else if !did_poll {
            report::polling();
        }
        self.arm_links(turn);
    }

    /// The daemon starts: tells which interfaces it waits for.
    pub(super) fn tell_absent(&self) {
        for link in self.used_links().iter().filter_map(|link| self.links.table.link(*link)) {
            if link.index.is_none() {
                report::link_absent(&link.name);
            }
        }
    }

    /// The interfaces that instances speak on or track, each once, in order.
    fn used_links(&self) -> Vec<LinkId> {
        let mut used: Vec<LinkId> = Vec::new();
        for instance in &self.routers.instances {
            used.extend(instance.base);
            used.extend(instance.tracking.iter().filter_map(|tracked| match tracked.object {
                Object::Link(link) => Some(link),
                _ => None,
            }));
        }
        used.sort_unstable();
        used.dedup();
        used
    }

    /// What the model wants of the interfaces that are used, ordered by interface.
    fn wanted_links(&self) -> Map<LinkId, Wanted> {
        let model = Arc::clone(&self.model);
        let used = self.used_links();
        let is_own = |link: LinkId| self.owns.base_of(link).is_some();
        let mut wanted: Map<LinkId, Wanted> = Map::new();
        if model.daemon.linkbeat_use_polling {
            for link in used.iter().filter(|link| !is_own(**link)) {
                wanted.change(*link, |wanted| wanted.beat = Some(None));
            }
        }
        for instance in self.routers.instances.iter().filter(|instance| instance.config.linkbeat_polling) {
            if let Some(link) = instance.base {
                wanted.change(link, |wanted| wanted.beat = Some(None));
            }
        }
        for line in &model.network.linkbeat {
            let name = &line.interface.name;
            match self.links.table.find(name).filter(|link| used.binary_search(link).is_ok()) {
                None => report::not_polled(name, "not used for tracking"),
                Some(link) if is_own(link) => report::not_polled(name, "netlink works for vmacs/ipvlans"),
                Some(link) => wanted.change(link, |wanted| wanted.beat = Some(line.method)),
            }
        }
        for line in &model.network.delays {
            if let Some(link) = self.links.table.find(&line.interface.name) {
                let delays = Delays { down: line.down, up: line.up };
                wanted.change(link, |wanted| wanted.delays = Some(delays));
            }
        }
        wanted
    }

    /// Gives an interface its delays, or takes them away.
    fn delay_link(&mut self, now: Instant, position: usize, delays: Option<Delays>) {
        let Some(entry) = self.links.states.entries.get_mut(position) else { return };
        let there = self.links.table.link(entry.link);
        let up = there.is_some_and(|link| link.up);
        if let (None, Some(delays), Some(there)) = (&entry.delays, delays, there)
            && let Some((note, [counts, since, _])) = self.kept.find(LINK, there.name.as_str())
        {
            entry.note = note;
            let since = (since != 0).then(|| Instant::from_micros(since));
            entry.delays = Some(Debounce::resume(delays, counts != 0, since));
        }
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
        let (link, held) = (entry.link, entry.delays.as_ref().map(Debounce::up));
        self.hold_link(link, held);
        if let Debounced::Counts { up } = counted {
            self.tell_link(link, up);
        }
    }

    /// An interface is not watched any more: it counts as what netlink says.
    fn let_go_of_link(&mut self, link: LinkId) {
        if let Some(there) = self.links.table.link_mut(link) {
            there.held = None;
            there.set_polled(None);
        }
    }

    /// An interface counts as up, or down, whatever it is.
    fn hold_link(&mut self, link: LinkId, counts: Option<bool>) {
        if let Some(there) = self.links.table.link_mut(link) {
            there.held = counts.filter(|up| *up != there.up);
        }
    }

    fn tell_link(&self, link: LinkId, up: bool) {
        if let Some(there) = self.links.table.link(link) {
            report::link_state(&there.name, up, there.polled.is_some());
        }
    }

    /// An interface came, went, or went up or down: reckons what it counts as, and tells if that is another thing.
    pub(super) fn weigh_link(&mut self, turn: &mut Turn<'_>, link: LinkId, change: Change) {
        let up = self.links.table.link(link).is_some_and(|there| there.up);
        let position = self.links.states.position(link);
        let Some(entry) = position.and_then(|position| self.links.states.entries.get_mut(position)) else {
            if change == Change::State {
                self.tell_link(link, up);
            }
            return;
        };
        let input = match change {
            Change::State => DebounceInput::Is { up },
            Change::Appeared | Change::Vanished => {
                entry.beat.iter_mut().for_each(Linkbeat::forget);
                DebounceInput::Became { up }
            }
            Change::Setting | Change::None => return,
        };
        let outcome = match &mut entry.delays {
            Some(delays) => delays.handle(turn.now(), input),
            None => Debounced::Counts { up },
        };
        let counts = entry.delays.as_ref().map(Debounce::up);
        self.hold_link(link, counts);
        match outcome {
            Debounced::Counts { up } if change == Change::State => self.tell_link(link, up),
            Debounced::Waits(delay) => {
                if let Some(there) = self.links.table.link(link) {
                    report::link_delayed(&there.name, up, delay);
                }
            }
            Debounced::Counts { .. } | Debounced::Nothing => {}
        }
        self.arm_links(turn);
    }

    /// A delay is over, or it is time to ask.
    pub(super) fn links_due(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now();
        for position in 0..self.links.states.entries.len() {
            let Some(entry) = self.links.states.entries.get_mut(position) else { break };
            let Some(delays) = &mut entry.delays else { continue };
            if let Debounced::Counts { up } = delays.handle(now, DebounceInput::Timeout) {
                let link = entry.link;
                self.hold_link(link, Some(up));
                self.tell_link(link, up);
                self.refresh_users(turn, link);
            }
        }
        if self.links.states.round.is_some_and(|round| round <= now) {
            self.poll_some(turn);
        }
        self.arm_links(turn);
    }

    fn arm_links(&mut self, turn: &mut Turn<'_>) {
        for entry in &mut self.links.states.entries {
            if let (Some(delays), Some(there)) = (&entry.delays, self.links.table.link(entry.link)) {
                self.kept.keep.put(&mut entry.note, key(LINK, there.name.as_str()), values(delays));
            }
        }
        turn.set_deadline(self.work.layout.number(Slot::Links), self.links.states.next());
    }

    /// Goes on with the round of questions: a few in a turn, for each may take its time.
    fn poll_some(&mut self, turn: &mut Turn<'_>) {
        for _ in 0..limit::LINKS_POLLED_PER_TURN {
            let rest = self.links.states.entries.get(self.links.states.asked..).unwrap_or_default();
            let Some(next) = rest.iter().position(|entry| entry.beat.is_some()) else {
                // From when this round was to begin, but never to catch up on rounds that were missed.
                let next = self.links.states.round.map(|round| round + BEAT);
                self.links.states.round =
                    next.map(|next| if next <= turn.now() { turn.now() + BEAT } else { next });
                self.links.states.asked = 0;
                return;
            };
            let position = self.links.states.asked + next;
            self.links.states.asked = position + 1;
            self.poll_link(turn, position);
        }
    }

    /// Netlink told something of an interface: if it is polled, its driver is asked as well.
    pub(super) fn poll_changed(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        if let Some(position) = self.links.states.position(link) {
            self.poll_link(turn, position);
        }
    }

    fn poll_link(&mut self, turn: &mut Turn<'_>, position: usize) {
        if self.ask_driver(position)
            && let Some(link) = self.links.states.entries.get(position).map(|entry| entry.link)
        {
            self.link_changed(turn, link, Change::State);
        }
    }

    /// Asks the driver of an interface, if it is polled; whether it went up or down by that.
    fn ask_driver(&mut self, position: usize) -> bool {
        let Some(entry) = self.links.states.entries.get_mut(position) else { return false };
        let Some(there) = self.links.table.link_mut(entry.link) else { return false };
        let Some(beat) = &mut entry.beat else {
            return there.set_polled(None);
        };
        if there.index.is_none() {
            return false;
        }
        if self.links.states.carrier.is_none() {
            self.links.states.carrier =
                Carrier::open().inspect_err(|error| report::kernel_failed("linkbeat", error)).ok();
        }
        let Some(carrier) = &self.links.states.carrier else { return false };
        let known = beat.up().is_some();
        while beat.hear(answer(carrier, &there.name, beat.method())) {}
        if let Some(refused) = beat.refused().filter(|_| !known) {
            report::linkbeat_instead(&there.name, refused, beat.method());
        }
        there.set_polled(beat.up())
    }

    /// What an interface counts as changed, and nothing else: whoever uses it is reckoned anew.
    fn refresh_users(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        for id in self.ids() {
            if self.instance(id).is_some_and(|instance| instance.uses(link)) {
                self.refresh(turn, id);
            }
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

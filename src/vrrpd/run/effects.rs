//! Effects carried out: what the machines asked for beside adverts, for all instances of a turn together.
//!
//! Removals (rules, routes, addresses), additions (the other way round), announcements and reports follow each other:
//! many requests in one system call. A slice of it ends after any instance, and after any batch of requests: thousands of
//! addresses in front of an advert would be too many. What the instances ask for meanwhile is gathered for the next time.

use super::{Vrrp, event_lines};
use crate::base::id::InstanceId;
use crate::base::limit;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::{Event, Why};
use crate::sys::clock;
use crate::vrrpd::items::{Holder, holder_at, is_active};
use crate::vrrpd::live::notify::{Job, NotifyState};
use crate::vrrpd::work::{Settlement, Stage};

/// How often a route is added at most whose place was not watched for a while: into a free place, before what stands
/// there, and over IPv6 instead of it.
const UNSEEN_ROUNDS: usize = 3;

impl Vrrp {
    /// From here on what has been gathered is carried out.
    pub(super) fn begin_settlement(&mut self) {
        self.work.effects.clear();
        for id in self.work.touched.drain(..) {
            if let Some(instance) = self.routers.instances.get_mut(id.index()) {
                let pending = core::mem::take(&mut instance.pending);
                if pending.has_effects() {
                    self.work.effects.push((id, pending));
                }
            }
        }
        self.work.settlement = Some(Settlement { events: self.work.events.len(), ..Settlement::default() });
    }

    /// Carries out effects until a slice of work is over; whether these were all.
    pub(super) fn carry_out(&mut self, turn: &mut Turn<'_>) -> bool {
        while let Some(mut settlement) = self.work.settlement {
            let done = self.carry_out_stage(turn, &mut settlement);
            if done {
                self.end_stage(turn, &settlement);
                let next = |stage| Settlement { stage, events: settlement.events, ..Settlement::default() };
                self.work.settlement = settlement.stage.next().map(next);
            } else {
                self.work.settlement = Some(settlement);
                return false;
            }
        }
        true
    }

    /// Does what is left of a stage until a slice of work is over; whether the stage is.
    fn carry_out_stage(&mut self, turn: &mut Turn<'_>, settlement: &mut Settlement) -> bool {
        match settlement.stage {
            Stage::Unseen => return self.add_unseen(turn, settlement),
            Stage::StaticAddresses => return self.add_static_addresses(turn, settlement),
            Stage::StaticObjects => {
                let any = self.work.static_objects;
                return !any || self.ask_for_objects(turn, Holder::Static, true, &mut settlement.within);
            }
            Stage::Report => return self.report_events(turn, settlement),
            _ => {}
        }
        while let Some(&(id, pending)) = self.work.effects.get(settlement.at) {
            if settlement.stage.concerns(pending) {
                let within = &mut settlement.within;
                let holder = Holder::Instance(id);
                let done = match settlement.stage {
                    Stage::DeleteObjects => self.ask_for_objects(turn, holder, false, within),
                    Stage::DeleteAddresses => self.ask_for_addresses(turn, id, false, within),
                    Stage::AddAddresses => self.ask_for_addresses(turn, id, true, within),
                    Stage::AddObjects => self.ask_for_objects(turn, holder, true, within),
                    Stage::Guards => {
                        self.guard(id, pending.add, true);
                        true
                    }
                    _ => {
                        self.announce(turn, id);
                        true
                    }
                };
                if !done {
                    return false;
                }
            }
            (settlement.at, settlement.within) = (settlement.at.saturating_add(1), 0);
            if settlement.stage.concerns(pending) && turn.passed() >= limit::SLICE {
                return false;
            }
        }
        true
    }

    /// A stage has been done for everything that it concerns.
    fn end_stage(&mut self, turn: &mut Turn<'_>, settlement: &Settlement) {
        match settlement.stage {
            Stage::Unseen => {
                if core::mem::take(&mut self.work.unseen) {
                    self.commit_items(turn);
                    self.refresh_static_followers(turn);
                }
            }
            Stage::StaticAddresses => self.work.static_addresses = false,
            Stage::StaticObjects => {
                if core::mem::take(&mut self.work.static_objects) {
                    self.commit_items(turn);
                    self.refresh_static_followers(turn);
                }
            }
            Stage::DeleteObjects | Stage::DeleteAddresses | Stage::AddAddresses | Stage::AddObjects => {
                self.commit_items(turn);
            }
            Stage::Guards => self.flush_firewall(turn),
            Stage::Announce => self.announcer.flush(),
            Stage::Report => {
                self.work.events.drain(..settlement.events);
                self.notifies.alerts.fifos.flush();
                self.announcer.log_announced(turn.now(), &self.routers.instances, &self.links.table);
            }
        }
    }

    /// Adds every route again that may be gone unseen, of all holders that are active.
    fn add_unseen(&mut self, turn: &mut Turn<'_>, settlement: &mut Settlement) -> bool {
        while self.work.unseen && settlement.round < UNSEEN_ROUNDS {
            while let Some(holder) = holder_at(&self.routers.instances, settlement.at) {
                if is_active(&self.routers.instances, holder)
                    && !self.ask_for_objects(turn, holder, true, &mut settlement.within)
                {
                    return false;
                }
                (settlement.at, settlement.within) = (settlement.at.saturating_add(1), 0);
            }
            self.commit_items(turn);
            (settlement.at, settlement.round) = (0, settlement.round.saturating_add(1));
        }
        true
    }

    /// Adds the static addresses that are missing.
    fn add_static_addresses(&mut self, turn: &mut Turn<'_>, settlement: &mut Settlement) -> bool {
        while self.work.static_addresses
            && let Some(request) = self.items.static_address(settlement.at, true)
        {
            self.ask(request);
            settlement.at = settlement.at.saturating_add(1);
            if settlement.at.is_multiple_of(limit::NETLINK_BATCH) && self.ends_slice(turn) {
                return false;
            }
        }
        true
    }

    /// Asks for the routes and rules of a holder, from one on; whether these were all of them.
    fn ask_for_objects(
        &mut self,
        turn: &mut Turn<'_>,
        holder: Holder,
        add: bool,
        within: &mut usize,
    ) -> bool {
        while let Some(request) = self.items.object_request(&self.routers.instances, holder, *within, add) {
            self.ask(request);
            *within = within.saturating_add(1);
            if within.is_multiple_of(limit::NETLINK_BATCH) && self.ends_slice(turn) {
                return false;
            }
        }
        true
    }

    /// Asks the kernel to add every address of an instance that is missing, or to delete every one that this child added,
    /// from one on; whether these were all of them.
    fn ask_for_addresses(
        &mut self,
        turn: &mut Turn<'_>,
        id: InstanceId,
        add: bool,
        within: &mut usize,
    ) -> bool {
        let Some(instance) = self.routers.instances.get_mut(id.index()) else { return true };
        if let Some(waiting) = instance.waiting.as_mut().filter(|_| !add) {
            waiting.clear(&mut self.announcer.pacing, turn.now());
        }
        let count = instance.addresses.len();
        while *within < count {
            self.items.ask_for_address(&mut self.routers.instances, &self.links.table, id, *within, add);
            *within = within.saturating_add(1);
            if within.is_multiple_of(limit::NETLINK_BATCH) && self.ends_slice(turn) {
                return false;
            }
        }
        true
    }

    /// A batch of requests is full: hands it to the kernel; whether the slice of work is over with that.
    fn ends_slice(&mut self, turn: &Turn<'_>) -> bool {
        self.commit_batch();
        turn.passed() >= limit::SLICE
    }

    /// Reports events, in order. Scripts are begun, which takes the kernel its time.
    fn report_events(&mut self, turn: &mut Turn<'_>, settlement: &mut Settlement) -> bool {
        while settlement.at < settlement.events
            && let Some(&(id, event)) = self.work.events.get(settlement.at)
        {
            self.report_event(turn, id, &event);
            settlement.at = settlement.at.saturating_add(1);
            if turn.passed() >= limit::SLICE {
                return false;
            }
        }
        true
    }

    /// Reports an event: in the log, to notify scripts, FIFOs and by mail.
    fn report_event(&mut self, turn: &mut Turn<'_>, id: InstanceId, event: &Event) {
        let now = turn.now();
        if let Some(instance) = self.instance(id) {
            event_lines::remember(instance, &self.reasons(instance), event);
        }
        if event_lines::may_log(event, now, &mut self.process.lines)
            && let Some(instance) = self.instance(id)
        {
            event_lines::event(instance, &self.reasons(instance), event);
        }
        #[cfg(feature = "snmp")]
        if let Event::Rejected { from, why } = *event {
            self.notify_refusal(turn, id, from, why);
        }
        let Some(instance) = self.routers.instances.get_mut(id.index()) else {
            return;
        };
        let priority = instance.router.machine().effective_priority();
        match *event {
            Event::Transition { to, why, .. } => {
                instance.entered.at = now;
                instance.entered.wall = clock::wall();
                let state = NotifyState::from(to);
                if let Some(notifier) = &mut instance.notifier
                    && why != Why::Adopted
                {
                    notifier.enter(state.jobs(priority));
                }
                self.advance_notify(turn, id);
                if why != Why::Adopted {
                    self.alert(turn, id, state, priority);
                }
            }
            Event::Group { to, adopted } if !adopted => self.notify_group(turn, id, to.into()),
            Event::LowerPriority { first: true, .. } => {
                if let Some(notifier) = &mut instance.notifier {
                    notifier.push_once(Job::lower_priority(priority));
                    self.advance_notify(turn, id);
                }
                self.alert_lower(id, priority);
            }
            Event::Priority { to, .. } => self.alert_priority(id, to),
            Event::ChecksumForm { from, old } => {
                if let Some(peer) = instance.peers.iter_mut().find(|peer| peer.addr == from) {
                    peer.old_form = old;
                }
            }
            _ => {}
        }
    }
}

//! `garp_extra_if`: while an instance is MASTER, now and then one announcement on every interface that holds some of
//! its addresses and is not its own.
//!
//! A switch forgets where a hardware address is when nothing leaves by it. By the instance's interface its adverts
//! leave; the others have nobody to speak for them, so the first address of each is announced.

use super::live::Instance;
use super::slots::Slot;
use super::state::Vrrp;
use crate::base::id::{InstanceId, LinkId};
use crate::base::limit;
use crate::base::map::Map;
use crate::base::time::{Instant, Span};
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::State;

/// An interface that an instance keeps known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extra {
    instance: InstanceId,
    link: LinkId,
    /// The address that is announced on it.
    position: u16,
    every: Span,
    /// When next; none while it is not MASTER.
    next: Option<Instant>,
}

/// All of them, by instance.
#[derive(Debug, Default)]
pub(super) struct Extras(Vec<Extra>);

impl Extras {
    /// What instances ask for. `is_own`: whether an interface is a macvlan of ours. For load time: allocates.
    fn new(instances: &[Instance], is_own: impl Fn(LinkId) -> bool) -> Self {
        let mut list: Vec<Extra> = Vec::new();
        for (number, instance) in instances.iter().enumerate() {
            let Some(wanted) = instance.config.garp_extra.filter(|extra| !extra.interval.is_zero()) else {
                continue;
            };
            let first = list.len();
            for (position, moved) in (0_u16..).zip(&instance.addresses) {
                let Some(link) = moved.link else { continue };
                let other = Some(link) != instance.own && (wanted.all || is_own(link));
                let known = list.iter().skip(first).any(|extra| extra.link == link);
                if other && !known {
                    let instance = InstanceId::at(number);
                    list.push(Extra { instance, link, position, every: wanted.interval, next: None });
                }
            }
        }
        Self(list)
    }

    /// Sets when those of an instance are due; the soonest.
    fn set(&mut self, instance: InstanceId, from: Option<Instant>) -> Option<Instant> {
        let first = self.0.partition_point(|extra| extra.instance.0 < instance.0);
        let mine = self.0.iter_mut().skip(first).take_while(|extra| extra.instance == instance);
        mine.filter_map(|extra| {
            extra.next = from.map(|from| from + extra.every);
            extra.next
        })
        .min()
    }

    /// When an instance's next one is due.
    pub(super) fn next(&self, instance: InstanceId) -> Option<Instant> {
        let first = self.0.partition_point(|extra| extra.instance.0 < instance.0);
        let mine = self.0.iter().skip(first).take_while(|extra| extra.instance == instance);
        mine.filter_map(|extra| extra.next).min()
    }

    fn soonest(&self) -> Option<Instant> {
        self.0.iter().filter_map(|extra| extra.next).min()
    }
}

impl Vrrp {
    /// Finds out what the instances ask for. `before`: the instance that one went on from, after a reload.
    pub(super) fn plan_extras(
        &mut self,
        turn: &mut Turn<'_>,
        before: impl Fn(InstanceId) -> Option<InstanceId>,
    ) {
        let mut fresh = Extras::new(&self.routers.instances, |link| self.owns.base_of(link).is_some());
        let known = core::mem::take(&mut self.announcer.extras.0).into_iter();
        let known: Map<_, _> = known
            .filter_map(|extra| Some(((extra.instance, extra.link, extra.every), extra.next?)))
            .collect();
        for extra in &mut fresh.0 {
            if self.instance(extra.instance).is_none_or(|instance| instance.router.state() != State::Master) {
                continue;
            }
            let old = before(extra.instance);
            let known = old.and_then(|old| known.get(&(old, extra.link, extra.every))).copied();
            extra.next = known.or(Some(turn.now() + extra.every));
        }
        self.announcer.extras = fresh;
        turn.set_deadline(self.work.layout.number(Slot::Extra), self.announcer.extras.soonest());
    }

    /// An instance has become MASTER, or is no more.
    pub(super) fn set_extras(&mut self, turn: &mut Turn<'_>, id: InstanceId, master: bool) {
        if self.announcer.extras.0.is_empty() {
            return;
        }
        let from = master.then(|| turn.now());
        if let Some(at) = self.announcer.extras.set(id, from) {
            let slot = self.work.layout.number(Slot::Extra);
            let at = turn.deadline(slot).map_or(at, |armed| armed.min(at));
            turn.set_deadline(slot, Some(at));
        }
    }

    /// Announces what is due, as far as a turn goes.
    pub(super) fn extras_due(&mut self, turn: &mut Turn<'_>) {
        let now = turn.now();
        let mut budget = limit::ANNOUNCEMENTS_PER_TURN;
        for number in 0..self.announcer.extras.0.len() {
            if budget == 0 {
                break;
            }
            let Some(extra) = self.announcer.extras.0.get_mut(number) else { break };
            let Some(due) = extra.next.filter(|at| *at <= now) else { continue };
            // From when it was due; after a pause there is nothing to catch up.
            let next = due + extra.every;
            extra.next = Some(if next <= now { now + extra.every } else { next });
            let Extra { instance, position, .. } = *extra;
            self.announce_one(now, instance, position);
            budget -= 1;
        }
        self.flush_announcements();
        self.tell_announcements(turn);
        turn.set_deadline(self.work.layout.number(Slot::Extra), self.announcer.extras.soonest());
    }
}

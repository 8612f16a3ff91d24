//! `garp_extra_if`: while an instance is MASTER, now and then one announcement on every interface that holds some of
//! the instance's addresses and is not the instance's own.
//!
//! A switch forgets where a hardware address is when nothing leaves by it. By the instance's interface its adverts
//! leave; on the others nothing need leave, so the first address of each is announced.

use super::Announcer;
use crate::base::id::{InstanceId, LinkId};
use crate::base::limit;
use crate::base::map::Map;
use crate::base::time::{Instant, Span};
use crate::child::links::Links;
use crate::proto::vrrp::State;
use crate::vrrpd::live::Instance;
use crate::vrrpd::own::OwnInterfaces;

/// An interface that an instance announces an address on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extra {
    instance: InstanceId,
    link: LinkId,
    /// The address that is announced on the interface.
    position: u16,
    every: Span,
    /// When next; none while the instance is not MASTER.
    next: Option<Instant>,
}

/// All such interfaces, by instance.
#[derive(Debug, Default)]
pub(super) struct Extras(Vec<Extra>);

impl Extras {
    /// What instances ask for. For load time: allocates.
    fn new(instances: &[Instance], owns: &OwnInterfaces) -> Self {
        let mut list: Vec<Extra> = Vec::new();
        for (number, instance) in instances.iter().enumerate() {
            let Some(wanted) = instance.config.garp_extra.filter(|extra| !extra.interval.is_zero()) else {
                continue;
            };
            let first = list.len();
            for (position, moved) in (0_u16..).zip(&instance.addresses) {
                let Some(link) = moved.link else { continue };
                let other = Some(link) != instance.links.own && (wanted.all || owns.base_of(link).is_some());
                let known = list.iter().skip(first).any(|extra| extra.link == link);
                if other && !known {
                    let instance = InstanceId::at(number);
                    list.push(Extra { instance, link, position, every: wanted.interval, next: None });
                }
            }
        }
        Self(list)
    }

    fn soonest(&self) -> Option<Instant> {
        self.0.iter().filter_map(|extra| extra.next).min()
    }
}

impl Announcer {
    /// Finds out what the instances ask for. `before`: for each instance the one that it went on from, after a reload.
    /// When the first announcement is due.
    pub fn plan_extras(
        &mut self,
        now: Instant,
        instances: &[Instance],
        owns: &OwnInterfaces,
        before: impl Fn(InstanceId) -> Option<InstanceId>,
    ) -> Option<Instant> {
        let mut fresh = Extras::new(instances, owns);
        let known = core::mem::take(&mut self.extras.0).into_iter();
        let known: Map<_, _> = known
            .filter_map(|extra| Some(((extra.instance, extra.link, extra.every), extra.next?)))
            .collect();
        for extra in &mut fresh.0 {
            let instance = instances.get(extra.instance.index());
            if instance.is_none_or(|instance| instance.router.state() != State::Master) {
                continue;
            }
            let old = before(extra.instance);
            let known = old.and_then(|old| known.get(&(old, extra.link, extra.every))).copied();
            extra.next = known.or(Some(now + extra.every));
        }
        self.extras = fresh;
        self.extras.soonest()
    }

    /// An instance became MASTER at `from`, or is not MASTER any more; when the first of its announcements is due.
    pub fn set_extras(&mut self, instance: InstanceId, from: Option<Instant>) -> Option<Instant> {
        let first = self.extras.0.partition_point(|extra| extra.instance.0 < instance.0);
        let mine = self.extras.0.iter_mut().skip(first).take_while(|extra| extra.instance == instance);
        mine.filter_map(|extra| {
            extra.next = from.map(|from| from + extra.every);
            extra.next
        })
        .min()
    }

    /// When an instance's next one is due.
    #[must_use]
    pub fn next_extra(&self, instance: InstanceId) -> Option<Instant> {
        let first = self.extras.0.partition_point(|extra| extra.instance.0 < instance.0);
        let mine = self.extras.0.iter().skip(first).take_while(|extra| extra.instance == instance);
        mine.filter_map(|extra| extra.next).min()
    }

    /// Announces what is due, as far as a turn goes; when the next announcement is due.
    pub fn announce_extras(
        &mut self,
        now: Instant,
        instances: &[Instance],
        links: &Links,
    ) -> Option<Instant> {
        let mut budget = limit::ANNOUNCEMENTS_PER_TURN;
        for number in 0..self.extras.0.len() {
            if budget == 0 {
                break;
            }
            let Some(extra) = self.extras.0.get_mut(number) else { break };
            let Some(due) = extra.next.filter(|at| *at <= now) else { continue };
            // From when it was due; after a pause there is nothing to catch up.
            let next = due + extra.every;
            extra.next = Some(if next <= now { now + extra.every } else { next });
            let Extra { instance: id, position, .. } = *extra;
            if let Some(instance) = instances.get(id.index()) {
                self.announce_one(now, id, instance, links, position);
            }
            budget -= 1;
        }
        self.flush();
        self.log_announced(now, instances, links);
        self.extras.soonest()
    }
}

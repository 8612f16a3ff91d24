//! Routes, rules and static addresses that others delete, or that the kernel deletes along with something else.
//!
//! The kernel reports deletions that somebody asks for ([`DeletionMonitor`]). It does not tell of IPv4 routes that go with
//! their interface, with their preferred source or with the last address of their interface: those are added again
//! when that may have happened, and the kernel's answer says whether it had.

use std::io;
use std::os::fd::AsRawFd;

use super::{Class, Holder, Items, Request, answer, holders, is_active, objects_mut};
use crate::base::addr::{Family, IpAddr, Prefix};
use crate::base::id::{IfIndex, LinkId};
use crate::base::limit;
use crate::base::time::Instant;
use crate::child::links::Links;
use crate::config::model::route::ORIGIN;
use crate::daemon::reactor::{Interest, Turn};
use crate::daemon::token::SourceId;
use crate::sys::filter::OctetSet;
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::deletion::{Deletion, DeletionMonitor};
use crate::sys::netlink::monitor::Drained;
use crate::sys::netlink::route::Insert;
use crate::sys::netlink::rule::Rule;
use crate::vrrpd::live::item::{How, Input, News, Next, Outcome, Presence};
use crate::vrrpd::live::{Entry, Instance, Item, LiveRoute, Objects, Unseen};
use crate::vrrpd::{kind, report};

/// A batch of deletions.
pub(in crate::vrrpd) type Heard = heapless::Vec<Deletion, { limit::MONITOR_BATCH }>;

/// A route or a rule that somebody deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vrrpd) struct Lost {
    pub(in crate::vrrpd) holder: Holder,
    pub(in crate::vrrpd) class: Class,
    pub(in crate::vrrpd) position: usize,
    /// What follows.
    pub(in crate::vrrpd) next: Next,
}

/// Which routes and rules the kernel may have deleted along with something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::vrrpd) enum MayBeGone {
    /// All: notifications were lost.
    Everything,
    /// The routes by an interface.
    Through(LinkId),
    /// The IPv4 routes whose preferred source this address was; if it was the last IPv4 address of its interface, all
    /// IPv4 routes by that.
    Source { addr: IpAddr, bare: Option<LinkId> },
}

impl MayBeGone {
    fn is_about(self, placed: &LiveRoute) -> bool {
        match self {
            Self::Everything => true,
            Self::Through(link) => placed.is_through(link),
            Self::Source { addr, bare } => {
                placed.route.family == Family::V4
                    && (placed.route.source == Some(addr)
                        || bare.is_some_and(|link| placed.links.contains(&Some(link))))
            }
        }
    }
}

impl Items {
    /// Listens to deletions if an item of these instances or a static one is to be put back, and else stops listening.
    pub(in crate::vrrpd) fn watch(&mut self, turn: &mut Turn<'_>, instances: &[Instance]) {
        let watched = |objects: &Objects| {
            objects.routes.iter().any(|entry| !entry.item.no_track())
                || objects.rules.iter().any(|entry| !entry.item.no_track())
        };
        let wanted = watched(&self.statics.objects)
            || instances.iter().any(|it| it.objects.as_deref().is_some_and(watched));
        let lengths = self.prefix_lengths(instances);
        if let Some((losses, _)) = self.losses.as_mut().filter(|_| wanted) {
            if let Err(error) = losses.watch(lengths) {
                report::kernel_failed("netlink", &error);
            }
            return;
        }
        if wanted == self.losses.is_some() {
            return;
        }
        if let Some((losses, registration)) = self.losses.take() {
            turn.deregister(registration);
            drop(losses);
            return;
        }
        let source = SourceId { kind: kind::LOSSES, index: 0 };
        let opened = DeletionMonitor::open(ORIGIN, self.commands.port(), lengths).and_then(|losses| {
            let registration = turn.register(losses.as_raw_fd(), source, Interest::Read)?;
            Ok((losses, registration))
        });
        match opened {
            Ok(opened) => self.losses = Some(opened),
            Err(error) => report::kernel_failed("netlink", &error),
        }
    }

    /// The lengths of the prefixes that the routes lead to.
    fn prefix_lengths(&self, instances: &[Instance]) -> OctetSet {
        let holders = instances.iter().filter_map(|instance| instance.objects.as_deref());
        let all = holders.chain(core::iter::once(&self.statics.objects)).flat_map(|it| &it.routes);
        all.filter(|entry| !entry.item.no_track())
            .map(|entry| entry.value.route.destination.map_or(0, |prefix| prefix.len))
            .collect()
    }

    /// Reads what the kernel reports of deletions, if somebody listens; how reading ended.
    pub(in crate::vrrpd) fn read_losses(&mut self, heard: &mut Heard) -> Option<io::Result<Drained>> {
        let (losses, _) = self.losses.as_mut()?;
        Some(losses.read(|loss| {
            if heard.push(loss).is_err()
                && let Some(last) = heard.last_mut()
            {
                *last = Deletion::Overrun;
            }
        }))
    }

    /// Somebody deleted a route or a rule, or put another route in its place: the first active holder that has it.
    pub(in crate::vrrpd) fn lose(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        now: Instant,
        loss: &Deletion,
    ) -> Option<Lost> {
        holders(instances).find_map(|holder| {
            if !is_active(instances, holder) {
                return None;
            }
            let config = match holder {
                Holder::Instance(id) => instances.get(id.index()).map(|it| it.config.clone()),
                Holder::Static | Holder::Former => None,
            };
            let name = config.as_ref().map(|config| config.name.as_str());
            let Objects { routes, rules } = objects_mut(instances, &mut self.statics.objects, holder)?;
            let (class, position, outcome) = match loss {
                Deletion::Route(seen) => {
                    let is_it =
                        |entry: &Entry<LiveRoute>| entry.item.is_there() && entry.value.route.is(seen);
                    let position = routes.iter().position(is_it)?;
                    (Class::Route, position, route_deleted(routes.get_mut(position)?, links, now, name))
                }
                Deletion::Replaced(seen) => {
                    let is_it = |entry: &Entry<LiveRoute>| {
                        let route = &entry.value.route;
                        entry.item.is_there() && route.has_key_of(seen) && !route.is(seen)
                    };
                    let position = routes.iter().position(is_it)?;
                    let entry = routes.get_mut(position)?;
                    // The route takes its place back.
                    entry.value.replaces = true;
                    (Class::Route, position, route_deleted(entry, links, now, name))
                }
                Deletion::Rule(rule) => {
                    let is_it = |entry: &Entry<Rule>| entry.item.is_there() && entry.value == *rule;
                    let position = rules.iter().position(is_it)?;
                    let entry = rules.get_mut(position)?;
                    let outcome = entry.item.handle(Input::Deleted { now, how: How::BySomebody, up: true });
                    answer::log_news(outcome.news, name, &entry.value);
                    (Class::Rule, position, outcome)
                }
                Deletion::Overrun => return None,
            };
            match holder {
                Holder::Instance(id) => {
                    if let Some(instance) = instances.get_mut(id.index()) {
                        instance.router.counters_mut().restored += u32::from(outcome.is_put_back());
                    }
                }
                Holder::Static => self.statics_changed |= outcome.next == Next::GiveUp,
                Holder::Former => {}
            }
            Some(Lost { holder, class, position, next: outcome.next })
        })
    }

    /// Notifications were lost: another program's route may stand in the place of one of these.
    pub(in crate::vrrpd) fn mark_unseen(&mut self, instances: &mut [Instance]) {
        for holder in holders(instances) {
            let active = is_active(instances, holder);
            let Some(objects) = self.objects_mut(instances, holder).filter(|_| active) else { continue };
            let may_be_there =
                |entry: &&mut Entry<LiveRoute>| entry.item.is_there() || entry.item.is_doubted();
            for entry in objects.routes.iter_mut().filter(may_be_there) {
                let LiveRoute { route, insert, unseen, .. } = &mut entry.value;
                let anew = route.family == Family::V6 && route.next_hops.len() > 1;
                if *insert == Insert::Prepend && !anew {
                    *unseen = Unseen::Place;
                }
            }
        }
    }

    /// An interface went, or was taken down: so were the routes by it.
    pub(in crate::vrrpd) fn doubt_routes_without(&mut self, instances: &mut [Instance], link: LinkId) {
        for holder in holders(instances) {
            let Some(objects) = self.objects_mut(instances, holder) else { continue };
            let mut any = false;
            let by_it = |entry: &&mut Entry<LiveRoute>| entry.item.is_ours() && entry.value.is_through(link);
            for entry in objects.routes.iter_mut().filter(by_it) {
                entry.item.handle(Input::Doubted);
                any = true;
            }
            self.statics_changed |= any && holder == Holder::Static;
        }
    }

    /// Marks the routes of a holder that may be gone to be added again, and its rules if everything may be; whether
    /// there are any.
    pub(in crate::vrrpd) fn doubt(
        &mut self,
        instances: &mut [Instance],
        holder: Holder,
        may_be_gone: MayBeGone,
    ) -> bool {
        let Some(objects) = self.objects_mut(instances, holder) else { return false };
        let mut any = false;
        let mut doubt = |item: &mut Item| {
            item.handle(Input::Doubted);
            any |= item.presence() != Presence::LeftDeleted;
        };
        for entry in objects.routes.iter_mut().filter(|entry| may_be_gone.is_about(&entry.value)) {
            doubt(&mut entry.item);
        }
        if may_be_gone == MayBeGone::Everything {
            objects.rules.iter_mut().for_each(|entry| doubt(&mut entry.item));
        }
        any
    }

    /// The static addresses that this child added to an interface which has another name now, and this number. They
    /// count as deleted.
    pub(super) fn strip_statics(&mut self, link: LinkId, index: IfIndex) -> Vec<Address> {
        let on_it = self.statics.addresses.iter_mut();
        let mut held = Vec::new();
        for known in on_it.filter(|known| known.link == Some(link) && known.item.is_ours()) {
            known.item.handle(Input::Released);
            held.push(Address { interface: index, ..known.address.clone() });
        }
        self.statics_changed |= !held.is_empty();
        held
    }

    /// An address is gone from its interface: the request that adds it again if it is a static one, and what follows.
    pub(in crate::vrrpd) fn static_address_gone(
        &mut self,
        links: &Links,
        now: Instant,
        link: LinkId,
        gone: Prefix,
    ) -> Option<(Request, Next)> {
        let position = self.statics.position_of(link, gone)?;
        let up = links.link(link).is_some_and(|link| link.state.up);
        let known = self.statics.addresses.get_mut(position)?;
        if known.item.is_missing() {
            return None;
        }
        let outcome = known.item.handle(Input::Deleted { now, how: How::Maybe { secondary: false }, up });
        answer::log_news(outcome.news, None, &known.address.prefix);
        self.statics_changed = true;
        Some((Request { holder: Holder::Static, class: Class::Address, position, add: true }, outcome.next))
    }
}

/// Somebody deleted a route, or put another one in its place.
fn route_deleted(entry: &mut Entry<LiveRoute>, links: &Links, now: Instant, name: Option<&str>) -> Outcome {
    // If one of several ways was deleted others may be left: the kernel is asked when the route is added again, or
    // deleted.
    let up = entry.value.locate(links);
    let outcome = entry.item.handle(Input::Deleted { now, how: How::BySomebody, up });
    match outcome.news {
        News::Deleted if entry.value.replaces => report::object_replaced(name, &entry.value.route),
        news => answer::log_news(news, name, &entry.value.route),
    }
    outcome
}

//! What others do to routes, rules and static addresses: heard, and put back.
//!
//! The kernel tells of deletions that somebody asks for ([`DeletionMonitor`]). It does not tell of IPv4 routes that go with
//! their interface, with their preferred source or with the last address of their interface: those are put again
//! when that may have happened, and the kernel's answer says whether it had.

use std::os::fd::AsRawFd;

use super::fixed::Stays;
use super::request::objects_mut;
use super::{Class, Holder, Item, Objects, Placed, Request, Unseen};
use crate::base::addr::{Family, Prefix};
use crate::base::id::{IfIndex, InstanceId, LinkId};
use crate::base::limit;
use crate::base::time::Instant;
use crate::config::model::route::ORIGIN;
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::token::Own;
use crate::proto::vrrp::Input;
use crate::sys::filter::OctetSet;
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::deletion::{Deletion, DeletionMonitor};
use crate::sys::netlink::route::Insert;
use crate::vrrpd::live::{Deleted, Held};
use crate::vrrpd::state::Vrrp;
use crate::vrrpd::{kind, report};

impl Vrrp {
    /// Listens to deletions if anything of ours can be missed, and else stops listening.
    pub(in crate::vrrpd) fn watch_objects(&mut self, turn: &mut Turn<'_>) {
        let watched = |objects: &Objects| {
            objects.routes.iter().any(|item| !item.wanted.no_track)
                || objects.rules.iter().any(|item| !item.wanted.no_track)
        };
        let wanted = watched(&self.items.network.fixed.objects)
            || self.routers.instances.iter().any(|it| it.objects.as_deref().is_some_and(watched));
        let lengths = self.prefix_lengths();
        if let Some((losses, _)) = self.items.network.losses.as_mut().filter(|_| wanted) {
            if let Err(error) = losses.watch(lengths) {
                report::kernel_failed("netlink", &error);
            }
            return;
        }
        if wanted == self.items.network.losses.is_some() {
            return;
        }
        if let Some((losses, registration)) = self.items.network.losses.take() {
            turn.deregister(registration);
            drop(losses);
            return;
        }
        let source = Own { kind: kind::LOSSES, index: 0 };
        let opened = DeletionMonitor::open(ORIGIN, self.items.commands.port(), lengths).and_then(|losses| {
            let registration = turn.register(losses.as_raw_fd(), source, Interest::Read)?;
            Ok((losses, registration))
        });
        match opened {
            Ok(opened) => self.items.network.losses = Some(opened),
            Err(error) => report::kernel_failed("netlink", &error),
        }
    }

    /// The lengths of the prefixes that routes of ours lead to.
    fn prefix_lengths(&self) -> OctetSet {
        let holders = self.routers.instances.iter().filter_map(|instance| instance.objects.as_deref());
        let all =
            holders.chain(core::iter::once(&self.items.network.fixed.objects)).flat_map(|it| &it.routes);
        all.filter(|item| !item.wanted.no_track)
            .map(|item| item.value.route.destination.map_or(0, |prefix| prefix.len))
            .collect()
    }

    /// Takes what the kernel tells of deletions.
    pub(in crate::vrrpd) fn hear_losses(&mut self, turn: &mut Turn<'_>) -> Again {
        // What went with its interface is told there first.
        self.listen(turn);
        let Some((losses, _)) = &mut self.items.network.losses else {
            return Again::Done;
        };
        let mut heard: heapless::Vec<Deletion, { limit::MONITOR_BATCH }> = heapless::Vec::new();
        let drained = losses.read(|loss| {
            if heard.push(loss).is_err()
                && let Some(last) = heard.last_mut()
            {
                *last = Deletion::Overrun;
            }
        });
        if !self.process.stopping {
            for loss in heard {
                match loss {
                    Deletion::Route(seen) => {
                        self.lost(
                            turn,
                            |objects| {
                                objects.routes.iter_mut().position(|item| {
                                    item.wanted.held == Held::Ours && item.value.route.is(&seen)
                                })
                            },
                            Class::Route,
                        );
                    }
                    Deletion::Replaced(seen) => {
                        let of_ours = |item: &Item<Placed>| {
                            let route = &item.value.route;
                            item.wanted.held == Held::Ours && route.has_key_of(&seen) && !route.is(&seen)
                        };
                        self.lost(
                            turn,
                            |objects| {
                                let item = objects.routes.iter().position(of_ours);
                                // It takes its place back.
                                let at = item.and_then(|at| objects.routes.get_mut(at));
                                at.into_iter().for_each(|item| item.replaces = true);
                                item
                            },
                            Class::Route,
                        );
                    }
                    Deletion::Rule(rule) => {
                        self.lost(
                            turn,
                            |objects| {
                                objects
                                    .rules
                                    .iter_mut()
                                    .position(|item| item.wanted.held == Held::Ours && item.value == rule)
                            },
                            Class::Rule,
                        );
                    }
                    Deletion::Overrun => self.doubt_everything(turn),
                }
            }
        }
        self.after_reading(turn, drained)
    }

    /// Somebody deleted what `find` finds.
    fn lost(
        &mut self,
        turn: &mut Turn<'_>,
        mut find: impl FnMut(&mut Objects) -> Option<usize>,
        class: Class,
    ) {
        let now = turn.now();
        for holder in self.holders() {
            if !self.is_active(holder) {
                continue;
            }
            let Some(objects) =
                objects_mut(&mut self.routers.instances, &mut self.items.network.fixed.objects, holder)
            else {
                continue;
            };
            let Some(position) = find(objects) else { continue };
            let name = match holder {
                Holder::Instance(id) => self.routers.instances.get(id.index()).map(|it| it.config.clone()),
                Holder::Fixed | Holder::Nobody => None,
            };
            let name = name.as_ref().map(|config| config.name.as_str());
            let objects =
                objects_mut(&mut self.routers.instances, &mut self.items.network.fixed.objects, holder);
            let taken = match (objects, class) {
                (Some(objects), Class::Route) => objects.routes.get_mut(position).map(|item| {
                    let there = item.value.locate(&self.links.table);
                    take(item, there, now, name, |placed: &Placed| &placed.route)
                }),
                (Some(objects), _) => {
                    objects.rules.get_mut(position).map(|item| take(item, true, now, name, |rule| rule))
                }
                (None, _) => None,
            };
            match (taken, holder) {
                (None | Some(Deleted::Nothing), _) => {}
                (Some(Deleted::PutBack), Holder::Instance(id)) => {
                    if let Some(instance) = self.instance_mut(id) {
                        instance.router.counters_mut().restored += 1;
                    }
                    self.touch(id, |pending| pending.add = true);
                }
                (Some(Deleted::GiveUp), Holder::Instance(id)) => self.drive(turn, id, Input::AddressLost),
                (Some(Deleted::PutBack), _) => {
                    self.ask(Request { holder, class, position, add: true });
                    self.commit_objects(turn);
                    self.tell_followers(turn);
                }
                (Some(Deleted::GiveUp), _) => {
                    self.items.network.fixed_changed = true;
                    self.arm_retry(turn);
                    self.tell_followers(turn);
                }
            }
            return;
        }
    }

    /// Messages were lost: everything may be gone, and a stranger's route may stand in the place of ours.
    fn doubt_everything(&mut self, turn: &mut Turn<'_>) {
        for holder in self.holders() {
            let active = self.is_active(holder);
            let Some(objects) = self.objects_mut(holder).filter(|_| active) else { continue };
            for item in objects
                .routes
                .iter_mut()
                .filter(|item| item.wanted.held.is_ours() && item.wanted.held != Held::Left)
            {
                let Placed { route, insert, .. } = &item.value;
                let anew = route.family == Family::V6 && route.next_hops.len() > 1;
                if *insert == Insert::Prepend && !anew {
                    item.unseen = Unseen::Place;
                }
            }
        }
        self.doubt(turn, |_| true, true);
        // Into a free place, before what stands there, and over IPv6 instead of it.
        for _ in 0..UNSEEN_STEPS {
            for holder in self.holders() {
                if self.is_active(holder) {
                    self.put_objects(turn, holder);
                }
            }
            self.commit_objects(turn);
        }
        self.tell_followers(turn);
    }

    /// An interface came, or came up: what went with it is put again.
    pub(in crate::vrrpd) fn objects_by_link(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        let Some(up) = self.links.table.link(link).map(|link| link.up) else { return };
        for position in 0..self.items.network.fixed.addresses.len() {
            let Some(moved) = self.items.network.fixed.addresses.get_mut(position) else { continue };
            if moved.link == Some(link) && moved.wanted.held.is_missing() && up {
                self.ask(Request { holder: Holder::Fixed, class: Class::Address, position, add: true });
            }
        }
        self.commit_objects(turn);
        self.doubt(turn, |placed| placed.links.contains(&Some(link)) || placed.vrf == Some(link), false);
        self.promote_secondaries();
    }

    /// An interface went, or was taken down: so were the routes by it.
    pub(in crate::vrrpd) fn objects_without_link(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        for holder in self.holders() {
            let Some(objects) = self.objects_mut(holder) else { continue };
            let mut any = false;
            let by_it = |placed: &Placed| placed.links.contains(&Some(link)) || placed.vrf == Some(link);
            for item in
                objects.routes.iter_mut().filter(|item| item.wanted.held.is_ours() && by_it(&item.value))
            {
                item.wanted.doubt();
                any = true;
            }
            if any && holder == Holder::Fixed {
                self.items.network.fixed_changed = true;
            }
        }
        self.tell_followers(turn);
    }

    /// An IPv4 address is gone: routes that prefer it as their source are gone with it, and so are all of an
    /// interface that has none left.
    pub(in crate::vrrpd) fn objects_by_address(&mut self, turn: &mut Turn<'_>, link: LinkId, gone: Prefix) {
        if gone.family() == Family::V6 {
            return;
        }
        let bare = self.links.table.link(link).is_some_and(|link| link.source(Family::V4).is_none());
        self.doubt(
            turn,
            |placed| {
                placed.route.family == Family::V4
                    && (placed.route.source == Some(gone.addr)
                        || (bare && placed.links.contains(&Some(link))))
            },
            false,
        );
    }

    /// Puts those routes again that may be gone; with `rules` all rules, too.
    fn doubt(&mut self, turn: &mut Turn<'_>, may_be_gone: impl Fn(&Placed) -> bool, rules: bool) {
        for holder in self.holders() {
            if !self.is_active(holder) {
                continue;
            }
            let Some(objects) = self.objects_mut(holder) else { continue };
            let mut any = false;
            for item in &mut objects.routes {
                if may_be_gone(&item.value) && item.wanted.held != Held::Left {
                    item.wanted.doubt();
                    any = true;
                }
            }
            for item in objects.rules.iter_mut().filter(|item| rules && item.wanted.held != Held::Left) {
                item.wanted.doubt();
                any = true;
            }
            match holder {
                Holder::Instance(id) if any => self.touch(id, |pending| pending.add = true),
                Holder::Fixed if any => {
                    self.put_objects(turn, holder);
                    self.commit_objects(turn);
                    self.tell_followers(turn);
                }
                _ => {}
            }
        }
    }

    /// The static addresses that we put on an interface which has another name now, and this number. They are not
    /// counted as there any more.
    pub(in crate::vrrpd) fn strip_fixed(&mut self, link: LinkId, index: IfIndex) -> Vec<Address> {
        let on_it = self.items.network.fixed.addresses.iter_mut();
        let mut held = Vec::new();
        for moved in on_it.filter(|moved| moved.link == Some(link) && moved.wanted.held.is_ours()) {
            moved.wanted.let_go();
            held.push(Address { interface: index, ..moved.address.clone() });
        }
        self.items.network.fixed_changed |= !held.is_empty();
        held
    }

    /// A static address is gone from its interface.
    pub(in crate::vrrpd) fn fixed_address_gone(&mut self, turn: &mut Turn<'_>, link: LinkId, gone: Prefix) {
        let now = turn.now();
        let Some(position) = self.items.network.fixed.position_of(link, gone) else { return };
        let up = self.links.table.link(link).is_some_and(|link| link.up);
        let Some(moved) = self.items.network.fixed.addresses.get_mut(position) else { return };
        if moved.wanted.held.is_missing() {
            return;
        }
        let again = take_address(moved, up, now);
        self.items.network.fixed_changed = true;
        match again {
            Deleted::Nothing => {}
            Deleted::PutBack => {
                self.ask(Request { holder: Holder::Fixed, class: Class::Address, position, add: true });
                self.commit_objects(turn);
            }
            Deleted::GiveUp => self.arm_retry(turn),
        }
        self.tell_followers(turn);
    }

    /// Tries again what the kernel refused.
    pub(in crate::vrrpd) fn retry_objects(&mut self, turn: &mut Turn<'_>) {
        for position in 0..self.routers.instances.len() {
            let id = InstanceId::at(position);
            if self.instance(id).is_some_and(crate::vrrpd::live::Instance::lacks_object) {
                self.touch(id, |pending| pending.add = true);
            }
        }
        self.put_fixed(turn);
    }
}

/// Notes that somebody took something off; `there`: its interfaces are.
fn take<T, S: core::fmt::Display>(
    item: &mut Item<T>,
    there: bool,
    now: Instant,
    name: Option<&str>,
    shown: impl FnOnce(&T) -> &S,
) -> Deleted {
    // Of several next hops others may be left: the kernel is asked when it is put again, or taken off.
    let follows = item.wanted.deleted(there, false, now);
    if item.wanted.no_track {
        item.wanted.held = Held::Left;
    }
    if follows == Deleted::Nothing {
        return follows;
    }
    let again = follows == Deleted::PutBack;
    if item.replaces && again {
        report::object_replaced(name, shown(&item.value));
    } else {
        report::object_taken(name, shown(&item.value), again);
    }
    item.taken = true;
    follows
}

/// How often something unseen is put at most.
const UNSEEN_STEPS: usize = 3;

fn take_address(moved: &mut Stays, up: bool, now: Instant) -> Deleted {
    // If we put it there: the answer when it is put again says whether somebody took it, and that is told then.
    let ours = moved.wanted.held == Held::Ours;
    let follows = moved.wanted.deleted(up, false, now);
    if follows == Deleted::GiveUp || (follows == Deleted::PutBack && !ours) {
        report::object_taken(None, &moved.address.prefix, follows == Deleted::PutBack);
    }
    follows
}

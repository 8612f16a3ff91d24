//! Routes, rules and static addresses put into the kernel and taken off, many in one system call.

use nix::errno::Errno;

use super::fixed::Stays;
use super::{Class, Holder, Item, Network, Objects, Placed, Request, Unseen};
use crate::base::addr::Family;
use crate::base::id::{IfIndex, InstanceId};
use crate::base::limit;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::State;
use crate::sys::netlink::addr::Address;
use crate::sys::netlink::command::{Commands, Full, Refusal};
use crate::sys::netlink::route::{Insert, Route, Which};
use crate::sys::netlink::rule::Rule;
use crate::vrrpd::links::Links;
use crate::vrrpd::live::Instance;
use crate::vrrpd::report;
use crate::vrrpd::state::Vrrp;

impl Vrrp {
    /// Puts every route and then every rule of a holder that is not there.
    pub(in crate::vrrpd) fn put_objects(&mut self, turn: &mut Turn<'_>, holder: Holder) {
        let (routes, rules) = self.counts(holder);
        let routes = (0..routes).map(|position| Request { holder, class: Class::Route, position, add: true });
        let rules = (0..rules).map(|position| Request { holder, class: Class::Rule, position, add: true });
        self.ask_all(turn, routes.chain(rules));
    }

    /// Takes off every rule and then every route of a holder that we put there.
    pub(in crate::vrrpd) fn take_objects(&mut self, turn: &mut Turn<'_>, holder: Holder) {
        let all = self.removals(holder);
        self.ask_all(turn, all);
    }

    /// The requests that take off every rule and then every route of a holder.
    pub(super) fn removals(&self, holder: Holder) -> impl Iterator<Item = Request> + use<> {
        let (routes, rules) = self.counts(holder);
        let of = move |class| move |position| Request { holder, class, position, add: false };
        (0..rules).rev().map(of(Class::Rule)).chain((0..routes).rev().map(of(Class::Route)))
    }

    /// Asks for many things. There may be thousands: adverts leave after each batch.
    pub(super) fn ask_all(&mut self, turn: &mut Turn<'_>, requests: impl Iterator<Item = Request>) {
        for (number, request) in requests.enumerate() {
            self.ask(request);
            if (number + 1).is_multiple_of(limit::NETLINK_BATCH) {
                self.commit_object_batch();
                self.breathe(turn);
            }
        }
    }

    fn counts(&self, holder: Holder) -> (usize, usize) {
        self.objects(holder).map_or((0, 0), |objects| (objects.routes.len(), objects.rules.len()))
    }

    /// Adds one request to the batch, if there is something to do.
    pub(super) fn ask(&mut self, request: Request) {
        let network = &self.items.network;
        if self.items.commands.room() == 0 || network.requests.len() == network.requests.capacity() {
            self.commit_object_batch();
        }
        if self.ask_once(request) == Err(Full) {
            self.commit_object_batch();
            if self.ask_once(request) == Err(Full) {
                // Longer than a whole batch of others: the configuration takes no line of that length.
                self.items.network.refused = true;
            }
        }
    }

    fn ask_once(&mut self, request: Request) -> Result<(), Full> {
        let stays = !request.add && self.is_kept_by_another(request);
        let tag = u32::try_from(self.items.network.requests.len()).unwrap_or(u32::MAX);
        let (links, commands) = (&self.links.table, &mut self.items.commands);
        let put = match request.class {
            Class::Address => {
                let moved = self.items.network.fixed.addresses.get_mut(request.position);
                moved.map_or(Ok(false), |moved| ask_address(commands, links, tag, moved, request.add))
            }
            class => {
                let objects = objects_mut(
                    &mut self.routers.instances,
                    &mut self.items.network.fixed.objects,
                    request.holder,
                );
                match (objects, class) {
                    (Some(objects), Class::Route) => {
                        let item = objects.routes.get_mut(request.position);
                        item.map_or(Ok(false), |item| match stays {
                            true => {
                                item.let_go();
                                Ok(false)
                            }
                            false => ask_route(commands, links, tag, item, request.add),
                        })
                    }
                    (Some(objects), _) => {
                        let item = objects.rules.get_mut(request.position);
                        item.map_or(Ok(false), |item| match stays {
                            true => {
                                item.let_go();
                                Ok(false)
                            }
                            false => ask_rule(commands, tag, item, request.add),
                        })
                    }
                    (None, _) => Ok(false),
                }
            }
        };
        if put? {
            self.items.network.requests.push(request);
        }
        Ok(())
    }

    /// Takes off a route that no holder has any more.
    pub(super) fn delete_route(&mut self, route: &Route) {
        self.delete_once(|commands, tag| commands.delete_route(tag, route, Which::Exactly), Class::Route);
    }

    /// Takes off a rule that no holder has any more.
    pub(super) fn delete_rule(&mut self, rule: &Rule) {
        self.delete_once(|commands, tag| commands.delete_rule(tag, rule), Class::Rule);
    }

    /// Adds a request that belongs to nobody.
    pub(super) fn delete_once(
        &mut self,
        mut put: impl FnMut(&mut Commands, u32) -> Result<(), Full>,
        class: Class,
    ) {
        let request = Request { holder: Holder::Nobody, class, position: 0, add: false };
        for _ in 0..2 {
            let tag = u32::try_from(self.items.network.requests.len()).unwrap_or(u32::MAX);
            let room = self.items.network.requests.len() < self.items.network.requests.capacity();
            if room && put(&mut self.items.commands, tag).is_ok() {
                self.items.network.requests.push(request);
                return;
            }
            self.commit_object_batch();
        }
    }

    /// Sends what was asked for and notes what came of it.
    pub(in crate::vrrpd) fn commit_objects(&mut self, turn: &mut Turn<'_>) {
        self.commit_object_batch();
        if core::mem::take(&mut self.items.network.refused) {
            self.arm_retry(turn);
        }
    }

    pub(super) fn commit_object_batch(&mut self) {
        let Network { fixed, requests, refused, fixed_changed, .. } = &mut self.items.network;
        let instances = &mut self.routers.instances;
        self.items.commands.commit(|tag, result| {
            let Some(request) = usize::try_from(tag).ok().and_then(|tag| requests.get(tag)) else {
                return;
            };
            let name = match request.holder {
                Holder::Instance(id) => instances.get(id.index()).map(|it| it.config.clone()),
                Holder::Fixed | Holder::Nobody => None,
            };
            let name = name.as_ref().map(|config| config.name.as_str());
            *fixed_changed |= request.holder == Holder::Fixed;
            if request.class == Class::Address {
                if let Some(moved) = fixed.addresses.get_mut(request.position) {
                    *refused |= address_answered(moved, request.add, result);
                }
                return;
            }
            let Some(objects) = objects_mut(instances, &mut fixed.objects, request.holder) else {
                return;
            };
            *refused |= match request.class {
                Class::Route => objects.routes.get_mut(request.position).is_some_and(|item| {
                    let exact = item.value.insert != Insert::Add || item.is_doubtful() || item.replaces;
                    let beside = item.unseen == Unseen::Whose && result.is_ok();
                    let again = answered(item, request.add, exact, result, name, |placed| &placed.route);
                    if beside && item.value.route.family == Family::V6 {
                        // It is another way of the stranger's now.
                        item.wanted.doubt();
                        item.replaces = true;
                    }
                    again
                }),
                _ => objects
                    .rules
                    .get_mut(request.position)
                    .is_some_and(|item| answered(item, request.add, true, result, name, |rule| rule)),
            };
        });
        requests.clear();
    }

    /// Whether a holder's things are to be in the kernel.
    pub(super) fn is_active(&self, holder: Holder) -> bool {
        match holder {
            Holder::Instance(id) => {
                self.instance(id).is_some_and(|instance| instance.router.state() == State::Master)
            }
            Holder::Fixed => true,
            Holder::Nobody => false,
        }
    }

    /// All holders, for walking while changing.
    pub(super) fn holders(&self) -> impl Iterator<Item = Holder> + use<> {
        self.ids().map(Holder::Instance).chain(core::iter::once(Holder::Fixed))
    }

    /// Routes and rules of a holder.
    pub(super) fn objects(&self, holder: Holder) -> Option<&Objects> {
        match holder {
            Holder::Instance(id) => self.instance(id)?.objects.as_deref(),
            Holder::Fixed => Some(&self.items.network.fixed.objects),
            Holder::Nobody => None,
        }
    }

    /// The same, to be changed.
    pub(super) fn objects_mut(&mut self, holder: Holder) -> Option<&mut Objects> {
        objects_mut(&mut self.routers.instances, &mut self.items.network.fixed.objects, holder)
    }
}

impl Network {
    /// Makes room for a batch.
    pub(in crate::vrrpd) fn reserve(&mut self) {
        self.requests.reserve_exact(limit::NETLINK_BATCH.saturating_sub(self.requests.len()));
    }
}

pub(super) fn objects_mut<'a>(
    instances: &'a mut [Instance],
    fixed: &'a mut Objects,
    holder: Holder,
) -> Option<&'a mut Objects> {
    match holder {
        Holder::Instance(InstanceId(id)) => instances.get_mut(id as usize)?.objects.as_deref_mut(),
        Holder::Fixed => Some(fixed),
        Holder::Nobody => None,
    }
}

/// Whether there was something to ask for.
fn ask_route(
    commands: &mut Commands,
    links: &Links,
    tag: u32,
    item: &mut Item<Placed>,
    add: bool,
) -> Result<bool, Full> {
    if !add {
        let held = item.let_go();
        let several = item.value.route.next_hops.len() > 1;
        let which = match (item.value.is_placed(links), several) {
            _ if !held => return Ok(false),
            (true, _) => Which::Exactly,
            // Some of its interfaces are gone, the rest of it is there.
            (false, true) => Which::AnyNextHop,
            (false, false) => return Ok(false),
        };
        return commands.delete_route(tag, &item.value.route, which).map(|()| true).inspect_err(|Full| {
            item.wanted.adopt();
        });
    }
    // Without its interface it waits for that.
    if !item.wanted.lacks() || !item.value.locate(links) {
        return Ok(false);
    }
    let insert = match item.value.insert {
        // Over IPv6 one way of several may be gone: the kernel takes all anew.
        _ if item.is_doubtful()
            && item.value.route.next_hops.len() > 1
            && item.value.route.family == Family::V6 =>
        {
            Insert::Replace
        }
        _ if item.replaces => Insert::Replace,
        _ if item.unseen == Unseen::Place => Insert::Add,
        Insert::Add if item.is_doubtful() => Insert::Prepend,
        insert => insert,
    };
    commands.put_route(tag, &item.value.route, insert)?;
    Ok(true)
}

fn ask_rule(commands: &mut Commands, tag: u32, item: &mut Item<Rule>, add: bool) -> Result<bool, Full> {
    if !add {
        if item.wanted.held.is_ours() {
            commands.delete_rule(tag, &item.value)?;
        }
        return Ok(item.let_go());
    }
    if !item.wanted.lacks() {
        return Ok(false);
    }
    commands.add_rule(tag, &item.value)?;
    Ok(true)
}

fn ask_address(
    commands: &mut Commands,
    links: &Links,
    tag: u32,
    moved: &mut Stays,
    add: bool,
) -> Result<bool, Full> {
    let index = moved.link.and_then(|link| links.link(link)?.index).unwrap_or(IfIndex(0));
    let wanted = if add { moved.wanted.lacks() } else { moved.wanted.held.is_ours() };
    moved.address.interface = index;
    if wanted && index != IfIndex(0) {
        match add {
            true => commands.add_address(tag, &moved.address)?,
            false => commands.delete_address(tag, &moved.address)?,
        }
    }
    if !add {
        moved.wanted.let_go();
    }
    Ok(wanted && index != IfIndex(0))
}

/// Takes the kernel's answer about a route or a rule; whether it is to be tried again. `exact`: EEXIST says that
/// exactly this one is there.
fn answered<T, S: core::fmt::Display>(
    item: &mut Item<T>,
    add: bool,
    exact: bool,
    result: Result<(), Refusal<'_>>,
    name: Option<&str>,
    shown: impl Fn(&T) -> &S,
) -> bool {
    let unseen = core::mem::take(&mut item.unseen);
    match (add, result) {
        (true, Err(refusal)) if unseen == Unseen::Place && refusal.errno == Errno::EEXIST => {
            item.unseen = Unseen::Whose;
            true
        }
        (true, Ok(())) => {
            match unseen {
                Unseen::No => {}
                Unseen::Place => report::object_taken(name, shown(&item.value), true),
                Unseen::Whose => report::object_replaced(name, shown(&item.value)),
            }
            let back = core::mem::take(&mut item.taken);
            item.wanted.added();
            item.replaces = false;
            if back {
                report::object_back(name, shown(&item.value));
            }
            false
        }
        (true, Err(refusal)) if exact && refusal.errno == Errno::EEXIST => {
            item.wanted.exists(false);
            (item.wanted.refused, item.taken) = (None, false);
            false
        }
        (true, Err(refusal)) => {
            let _ = item.wanted.was_gone();
            if item.wanted.note_refusal(refusal.errno) {
                report::object_refused(name, shown(&item.value), &refusal);
            }
            true
        }
        // Gone already, by somebody else or with its interface.
        (false, Err(Refusal { errno: Errno::ESRCH | Errno::ENOENT | Errno::ENODEV, .. })) => false,
        (false, Err(refusal)) => {
            report::object_stuck(name, shown(&item.value), &refusal);
            false
        }
        (false, Ok(())) => false,
    }
}

/// The same about a static address.
fn address_answered(moved: &mut Stays, add: bool, result: Result<(), Refusal<'_>>) -> bool {
    match (add, result) {
        (true, Ok(())) => {
            if moved.wanted.was_gone().is_some() {
                report::object_taken(None, &moved.address.prefix, true);
            }
            moved.wanted.added();
            false
        }
        // Unless the address was in doubt, another program had put it there before: it stays when we go.
        (true, Err(refusal)) if refusal.errno == Errno::EEXIST => {
            moved.wanted.exists(true);
            false
        }
        (true, Err(refusal)) => {
            if moved.wanted.note_refusal(refusal.errno) {
                report::object_refused(None, &shown_address(&moved.address), &refusal);
            }
            true
        }
        (false, Err(refusal)) if !matches!(refusal.errno, Errno::EADDRNOTAVAIL | Errno::ENODEV) => {
            report::object_stuck(None, &shown_address(&moved.address), &refusal);
            false
        }
        (false, _) => false,
    }
}

fn shown_address(address: &Address) -> impl core::fmt::Display {
    address.prefix
}

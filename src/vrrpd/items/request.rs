//! Items added to the kernel and deleted, many in one system call.

use super::{Class, Holder, Items, Request, StaticAddress, objects_mut};
use crate::base::addr::Family;
use crate::base::id::IfIndex;
use crate::child::links::Links;
use crate::sys::netlink::command::{Commands, Full};
use crate::sys::netlink::route::{Insert, Route, Which};
use crate::sys::netlink::rule::Rule;
use crate::vrrpd::live::item::Input;
use crate::vrrpd::live::{Entry, Instance, LiveRoute, Unseen};

impl Items {
    /// One of the requests that add the routes and then the rules of a holder that are missing, or delete the rules and
    /// then the routes that this child added, by its number in this order; none: that were all of them.
    pub(in crate::vrrpd) fn object_request(
        &self,
        instances: &[Instance],
        holder: Holder,
        number: usize,
        add: bool,
    ) -> Option<Request> {
        let (routes, rules) = self.counts(instances, holder);
        let number =
            if add { number } else { routes.saturating_add(rules).checked_sub(number)?.checked_sub(1)? };
        let (class, position) = match number.checked_sub(routes) {
            None => (Class::Route, number),
            Some(position) => (Class::Rule, position),
        };
        (number < routes.saturating_add(rules)).then_some(Request { holder, class, position, add })
    }

    fn counts(&self, instances: &[Instance], holder: Holder) -> (usize, usize) {
        let objects = self.objects(instances, holder);
        objects.map_or((0, 0), |objects| (objects.routes.len(), objects.rules.len()))
    }

    /// Adds one request to the batch, if there is something to do.
    pub(in crate::vrrpd) fn ask(&mut self, instances: &mut [Instance], links: &Links, request: Request) {
        if self.is_full() {
            self.commit(instances, links);
        }
        if self.ask_once(instances, links, request) == Err(Full) {
            self.commit(instances, links);
            if self.ask_once(instances, links, request) == Err(Full) {
                // Longer than a whole batch of others: the configuration takes no line of that length.
                self.refused = true;
            }
        }
    }

    fn is_full(&self) -> bool {
        self.commands.room() == 0 || self.requests.len() == self.requests.capacity()
    }

    fn ask_once(&mut self, instances: &mut [Instance], links: &Links, request: Request) -> Result<(), Full> {
        let Request { holder, class, position, add } = request;
        let kept = !add && self.is_kept_by_another(instances, request);
        let tag = u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
        let commands = &mut self.commands;
        let asked = match (class, holder) {
            (Class::Address, Holder::Instance(id)) => {
                Self::judge_fall(instances, links, id, position);
                let instance = instances.get_mut(id.index());
                instance.map_or(Ok(false), |instance| {
                    ask_for_virtual_address(commands, links, tag, instance, request, kept, self.notify_own)
                })
            }
            (Class::Address, _) => {
                let known = self.statics.addresses.get_mut(position);
                known.map_or(Ok(false), |known| ask_for_static_address(commands, links, tag, known, add))
            }
            (Class::Route, _) => {
                let objects = objects_mut(instances, &mut self.statics.objects, holder);
                let entry = objects.and_then(|objects| objects.routes.get_mut(position));
                entry.map_or(Ok(false), |entry| match kept {
                    true => {
                        release_route(entry);
                        Ok(false)
                    }
                    false => ask_for_route(commands, links, tag, entry, add),
                })
            }
            (Class::Rule, _) => {
                let objects = objects_mut(instances, &mut self.statics.objects, holder);
                let entry = objects.and_then(|objects| objects.rules.get_mut(position));
                entry.map_or(Ok(false), |entry| match kept {
                    true => {
                        entry.item.handle(Input::Released);
                        Ok(false)
                    }
                    false => ask_for_rule(commands, tag, entry, add),
                })
            }
        };
        if asked? {
            self.requests.push(request);
        }
        Ok(())
    }

    /// Whether another holder has an item that a holder is to let go of, and keeps it.
    fn is_kept_by_another(&self, instances: &[Instance], request: Request) -> bool {
        match (request.class, request.holder) {
            (Class::Address, Holder::Instance(id)) => {
                self.is_address_of_another(instances, id, request.position)
            }
            (Class::Address, _) => false,
            (Class::Route | Class::Rule, _) => self.is_object_of_another(instances, request),
        }
    }

    /// Asks the kernel to delete a route that no holder has any more.
    pub(in crate::vrrpd) fn delete_route(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        route: &Route,
    ) {
        let ask = |commands: &mut Commands, tag| commands.delete_route(tag, route, Which::Exactly);
        self.delete(instances, links, Class::Route, ask);
    }

    /// Asks the kernel to delete a rule that no holder has any more.
    pub(in crate::vrrpd) fn delete_rule(&mut self, instances: &mut [Instance], links: &Links, rule: &Rule) {
        self.delete(instances, links, Class::Rule, |commands, tag| commands.delete_rule(tag, rule));
    }

    /// Adds a request to delete an item that no holder has.
    pub(super) fn delete(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        class: Class,
        mut ask: impl FnMut(&mut Commands, u32) -> Result<(), Full>,
    ) {
        let request = Request { holder: Holder::Former, class, position: 0, add: false };
        for _ in 0..2 {
            let tag = u32::try_from(self.requests.len()).unwrap_or(u32::MAX);
            if !self.is_full() && ask(&mut self.commands, tag).is_ok() {
                self.requests.push(request);
                return;
            }
            self.commit(instances, links);
        }
    }
}

/// Whether there was something to ask for. `kept`: another holder has the address as well. `notify`: somebody wants to
/// hear the kernel's notification of an address that this child adds, which the answer tells otherwise.
fn ask_for_virtual_address(
    commands: &mut Commands,
    links: &Links,
    tag: u32,
    instance: &mut Instance,
    Request { position, add, .. }: Request,
    kept: bool,
    notify: bool,
) -> Result<bool, Full> {
    let Some(moved) = instance.addresses.get_mut(position) else { return Ok(false) };
    let wanted = if add { moved.item.is_missing() } else { moved.item.is_ours() && !kept };
    let index = moved.link.and_then(|link| links.link(link)?.index).filter(|_| wanted);
    let address = index.and_then(|index| instance.address(position, index));
    if let Some(address) = &address {
        match (add, notify) {
            (true, true) => commands.add_address(tag, address),
            (true, false) => commands.add_address_marked(tag, address),
            (false, _) => commands.delete_address(tag, address),
        }?;
    }
    if let Some(moved) = instance.addresses.get_mut(position).filter(|_| !add) {
        moved.item.handle(Input::Released);
    }
    Ok(address.is_some())
}

fn ask_for_static_address(
    commands: &mut Commands,
    links: &Links,
    tag: u32,
    known: &mut StaticAddress,
    add: bool,
) -> Result<bool, Full> {
    let index = known.link.and_then(|link| links.link(link)?.index).unwrap_or(IfIndex(0));
    let wanted = if add { known.item.is_missing() } else { known.item.is_ours() };
    known.address.interface = index;
    if wanted && index != IfIndex(0) {
        match add {
            true => commands.add_address(tag, &known.address)?,
            false => commands.delete_address(tag, &known.address)?,
        }
    }
    if !add {
        known.item.handle(Input::Released);
    }
    Ok(wanted && index != IfIndex(0))
}

/// Whether there was something to ask for.
fn ask_for_route(
    commands: &mut Commands,
    links: &Links,
    tag: u32,
    entry: &mut Entry<LiveRoute>,
    add: bool,
) -> Result<bool, Full> {
    let Entry { value: placed, item, .. } = entry;
    if !add {
        let several = placed.route.next_hops.len() > 1;
        let which = match (item.is_ours(), placed.is_placed(links), several) {
            (true, true, _) => Some(Which::Exactly),
            // Some of its interfaces are gone, the rest of it is there.
            (true, false, true) => Some(Which::AnyNextHop),
            (true, false, false) | (false, ..) => None,
        };
        if let Some(which) = which {
            commands.delete_route(tag, &placed.route, which)?;
        }
        release_route(entry);
        return Ok(which.is_some());
    }
    // Without its interface it waits for that.
    if !item.is_missing() || !placed.locate(links) {
        return Ok(false);
    }
    let doubted = item.is_doubted();
    let insert = match placed.insert {
        // Over IPv6 one way of several may be gone: the kernel takes all anew.
        _ if doubted && placed.route.next_hops.len() > 1 && placed.route.family == Family::V6 => {
            Insert::Replace
        }
        _ if placed.replaces => Insert::Replace,
        _ if placed.unseen == Unseen::Place => Insert::Add,
        Insert::Add if doubted => Insert::Prepend,
        insert => insert,
    };
    commands.put_route(tag, &placed.route, insert)?;
    Ok(true)
}

/// The holder of a route does not need it any more.
fn release_route(entry: &mut Entry<LiveRoute>) {
    entry.item.handle(Input::Released);
    (entry.value.unseen, entry.value.replaces) = (Unseen::No, false);
}

/// Whether there was something to ask for.
fn ask_for_rule(
    commands: &mut Commands,
    tag: u32,
    Entry { value: rule, item, .. }: &mut Entry<Rule>,
    add: bool,
) -> Result<bool, Full> {
    let asked = if add { item.is_missing() } else { item.is_ours() };
    if asked {
        match add {
            true => commands.add_rule(tag, rule)?,
            false => commands.delete_rule(tag, rule)?,
        }
    }
    if !add {
        item.handle(Input::Released);
    }
    Ok(asked)
}

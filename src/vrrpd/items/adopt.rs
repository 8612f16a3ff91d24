//! What an earlier run left in the kernel: adopted where an instance or a static item goes on with it, else deleted.

use std::io;

use super::{Class, Holder, Items, holders, objects_mut};
use crate::base::id::InstanceId;
use crate::child::links::Links;
use crate::config::model::route::ORIGIN;
use crate::sys::netlink::command::Commands;
use crate::sys::netlink::kernel_route::KernelRoute;
use crate::sys::netlink::rule::Rule;
use crate::vrrpd::live::item::Input;
use crate::vrrpd::live::{Instance, Objects, PROTOCOL};
use crate::vrrpd::report;

/// Who goes on with what an earlier run left.
#[derive(Clone, Copy, Debug)]
pub(in crate::vrrpd) struct Adoption<'a> {
    /// The static items go on.
    pub(in crate::vrrpd) statics: bool,
    /// Which instances go on as MASTER; no others do.
    pub(in crate::vrrpd) masters: &'a [bool],
    /// No other daemon runs: what the configuration does not name is a left-over as well.
    pub(in crate::vrrpd) alone: bool,
}

impl Adoption<'_> {
    fn goes_on(&self, holder: Holder) -> bool {
        match holder {
            Holder::Instance(InstanceId(id)) => self.masters.get(id as usize).copied().unwrap_or(false),
            Holder::Static => self.statics,
            Holder::Former => false,
        }
    }
}

impl Items {
    /// Sorts out the routes and rules with keepalived's protocol number that the kernel has. Those of a holder that goes
    /// on are kept, the rest is deleted. Those that the configuration does not name are another daemon's, if there is
    /// one.
    ///
    /// # Errors
    /// What the kernel says when it is asked for its routes and rules.
    pub(in crate::vrrpd) fn adopt_objects(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        adoption: Adoption<'_>,
    ) -> io::Result<()> {
        let configured =
            !self.statics.objects.is_empty() || instances.iter().any(|instance| instance.objects.is_some());
        if !configured && !adoption.alone {
            return Ok(());
        }
        let (mut routes, mut rules) = (Vec::new(), Vec::new());
        self.commands.routes(ORIGIN, &mut routes)?;
        self.commands.rules(&mut rules)?;
        self.locate_routes(instances, links);
        for seen in routes {
            match self.adopt_route(instances, &seen, adoption) {
                Owner::GoesOn => {}
                Owner::Unknown if !adoption.alone => {}
                Owner::Ends | Owner::Unknown => {
                    report::object_left_over(&seen);
                    let ask = |commands: &mut Commands, tag| commands.delete_kernel_route(tag, &seen);
                    self.delete(instances, links, Class::Route, ask);
                }
            }
        }
        for rule in rules {
            match self.adopt_rule(instances, &rule, adoption) {
                Owner::GoesOn => {}
                Owner::Unknown if !adoption.alone || rule.protocol != ORIGIN => {}
                Owner::Ends | Owner::Unknown => {
                    report::object_left_over(&rule);
                    self.delete_rule(instances, links, &rule);
                }
            }
        }
        self.commit(instances, links);
        Ok(())
    }

    /// Static addresses with keepalived's protocol number that the kernel has count as added by this child.
    ///
    /// # Errors
    /// What the kernel says when it is asked for its addresses.
    pub(in crate::vrrpd) fn adopt_static_addresses(&mut self, links: &Links) -> io::Result<()> {
        if self.statics.addresses.is_empty() {
            return Ok(());
        }
        let mut listed = Vec::new();
        self.commands.addresses(&mut listed)?;
        for there in listed.iter().filter(|there| there.protocol == PROTOCOL) {
            let link = links.numbered(there.interface);
            if let Some(known) = link.and_then(|link| self.statics.address_on(link, there.prefix)) {
                known.item.handle(Input::Adopted);
            }
        }
        Ok(())
    }

    /// Deletes all routes, rules and static addresses that the configuration names and, if this daemon is `alone`, all
    /// with keepalived's protocol number. For the process that cleans up after a dead child.
    ///
    /// # Errors
    /// What the kernel says when it is asked for what it has.
    pub(in crate::vrrpd) fn clean(
        &mut self,
        instances: &mut [Instance],
        links: &Links,
        alone: bool,
    ) -> io::Result<()> {
        self.adopt_static_addresses(links)?;
        self.adopt_objects(instances, links, Adoption { statics: false, masters: &[], alone })?;
        self.delete_statics(instances, links);
        Ok(())
    }

    /// Fills in the numbers of all interfaces.
    fn locate_routes(&mut self, instances: &mut [Instance], links: &Links) {
        let holders = instances.iter_mut().filter_map(|instance| instance.objects.as_deref_mut());
        for objects in holders.chain(core::iter::once(&mut self.statics.objects)) {
            for entry in &mut objects.routes {
                entry.value.locate(links);
            }
        }
    }

    fn adopt_route(
        &mut self,
        instances: &mut [Instance],
        seen: &KernelRoute,
        adoption: Adoption<'_>,
    ) -> Owner {
        self.owner(instances, |objects, holder| {
            let entry = objects.routes.iter_mut().find(|entry| entry.value.route.is(seen))?;
            if !adoption.goes_on(holder) {
                return Some(Owner::Ends);
            }
            if holder == Holder::Static {
                // What the kernel does not report of a route may differ: the route is put in place of the old one.
                entry.value.replaces = !entry.item.is_ours();
            } else {
                entry.item.handle(Input::Adopted);
            }
            Some(Owner::GoesOn)
        })
    }

    fn adopt_rule(&mut self, instances: &mut [Instance], rule: &Rule, adoption: Adoption<'_>) -> Owner {
        self.owner(instances, |objects, holder| {
            let entry = objects.rules.iter_mut().find(|entry| entry.value == *rule)?;
            if !adoption.goes_on(holder) {
                return Some(Owner::Ends);
            }
            entry.item.handle(Input::Adopted);
            Some(Owner::GoesOn)
        })
    }

    /// The owner of a route or rule that `adopt` finds among the items of a holder.
    fn owner(
        &mut self,
        instances: &mut [Instance],
        adopt: impl Fn(&mut Objects, Holder) -> Option<Owner>,
    ) -> Owner {
        let mut owner = Owner::Unknown;
        for holder in holders(instances) {
            let objects = objects_mut(instances, &mut self.statics.objects, holder);
            match objects.and_then(|objects| adopt(objects, holder)) {
                Some(Owner::GoesOn) => return Owner::GoesOn,
                Some(found) => owner = found,
                None => {}
            }
        }
        owner
    }
}

/// The owner of something that was found in the kernel.
enum Owner {
    /// A holder that goes on with it.
    GoesOn,
    /// A holder that does not.
    Ends,
    /// None that the configuration names.
    Unknown,
}

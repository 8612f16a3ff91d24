//! What an earlier run left in the kernel: adopted where it goes on, taken off where not.

use std::io;

use super::request::objects_mut;
use super::{Class, Holder, Objects};
use crate::base::id::InstanceId;
use crate::config::model::route::ORIGIN;
use crate::sys::netlink::kernel_route::KernelRoute;
use crate::sys::netlink::rule::Rule;
use crate::vrrpd::links::Links;
use crate::vrrpd::live::PROTOCOL;
use crate::vrrpd::live::{Held, Instance};
use crate::vrrpd::report;
use crate::vrrpd::state::Vrrp;

impl Vrrp {
    /// Sorts out the routes, rules and static addresses with keepalived's mark that are there. What is static is
    /// kept, and so is what an instance has that goes on as MASTER; the rest goes. What the configuration does not
    /// name is another daemon's if there is one (`alone` says that there is none), and else a left-over, too.
    pub(in crate::vrrpd) fn sort_out_objects(
        &mut self,
        goes_on: impl Fn(Holder) -> bool,
        alone: bool,
    ) -> io::Result<()> {
        let configured = !self.items.network.fixed.objects.is_empty()
            || self.routers.instances.iter().any(|instance| instance.objects.is_some());
        if !configured && !alone {
            return Ok(());
        }
        let (mut routes, mut rules) = (Vec::new(), Vec::new());
        self.items.commands.routes(ORIGIN, &mut routes)?;
        self.items.commands.rules(&mut rules)?;
        self.locate_routes();
        for seen in routes {
            match self.owner_of_route(&seen, &goes_on) {
                Owner::Kept => {}
                Owner::Nobody if !alone => {}
                Owner::Left | Owner::Nobody => {
                    report::object_left_over(&seen);
                    self.delete_once(|commands, tag| commands.delete_kernel_route(tag, &seen), Class::Route);
                }
            }
        }
        for rule in rules {
            match self.owner_of_rule(&rule, &goes_on) {
                Owner::Kept => {}
                Owner::Nobody if !alone || rule.protocol != ORIGIN => {}
                Owner::Left | Owner::Nobody => {
                    report::object_left_over(&rule);
                    self.delete_rule(&rule);
                }
            }
        }
        self.commit_object_batch();
        Ok(())
    }

    /// Static addresses with keepalived's mark are ours already.
    pub(in crate::vrrpd) fn adopt_fixed_addresses(&mut self) -> io::Result<()> {
        if self.items.network.fixed.addresses.is_empty() {
            return Ok(());
        }
        let mut listed = Vec::new();
        self.items.commands.addresses(&mut listed)?;
        for there in listed.iter().filter(|there| there.protocol == PROTOCOL) {
            let link = self.links.table.numbered(there.interface);
            let position = link.and_then(|link| self.items.network.fixed.position_of(link, there.prefix));
            let moved = position.and_then(|position| self.items.network.fixed.addresses.get_mut(position));
            if let Some(moved) = moved {
                moved.wanted.held = Held::Ours;
            }
        }
        Ok(())
    }

    /// Takes off everything of ours that is there. For the process that cleans up after a dead child.
    pub(in crate::vrrpd) fn clean_objects(&mut self, alone: bool) -> io::Result<()> {
        self.adopt_fixed_addresses()?;
        self.sort_out_objects(|_| false, alone)?;
        self.take_fixed();
        Ok(())
    }

    /// Fills in the numbers of all interfaces.
    fn locate_routes(&mut self) {
        let links: &Links = &self.links.table;
        let holders =
            self.routers.instances.iter_mut().filter_map(|instance| instance.objects.as_deref_mut());
        for objects in holders.chain(core::iter::once(&mut self.items.network.fixed.objects)) {
            for item in &mut objects.routes {
                item.value.locate(links);
            }
        }
    }

    fn owner_of_route(&mut self, seen: &KernelRoute, goes_on: &impl Fn(Holder) -> bool) -> Owner {
        let find = |objects: &mut Objects, holder| {
            let item = objects.routes.iter_mut().find(|item| item.value.route.is(seen))?;
            if !goes_on(holder) {
                return Some(Owner::Left);
            }
            if holder == Holder::Fixed {
                // What the kernel does not tell may differ: it is put in place of the old one.
                item.replaces = !item.wanted.held.is_ours();
            } else {
                item.wanted.adopt();
            }
            Some(Owner::Kept)
        };
        owner(&mut self.routers.instances, &mut self.items.network.fixed.objects, find)
    }

    fn owner_of_rule(&mut self, rule: &Rule, goes_on: &impl Fn(Holder) -> bool) -> Owner {
        let find = |objects: &mut Objects, holder| {
            let item = objects.rules.iter_mut().find(|item| item.value == *rule)?;
            if !goes_on(holder) {
                return Some(Owner::Left);
            }
            item.wanted.adopt();
            Some(Owner::Kept)
        };
        owner(&mut self.routers.instances, &mut self.items.network.fixed.objects, find)
    }
}

/// Whose something is that was found.
enum Owner {
    /// Of one who goes on.
    Kept,
    /// Of one who does not.
    Left,
    /// Of nobody that the configuration names.
    Nobody,
}

fn owner(
    instances: &mut [Instance],
    fixed: &mut Objects,
    find: impl Fn(&mut Objects, Holder) -> Option<Owner>,
) -> Owner {
    let ids = (0..instances.len()).map(InstanceId::at).map(Holder::Instance);
    let mut left = Owner::Nobody;
    for holder in ids.chain(core::iter::once(Holder::Fixed)) {
        let found = objects_mut(instances, fixed, holder).and_then(|objects| find(objects, holder));
        match found {
            Some(Owner::Kept) => return Owner::Kept,
            Some(found) => left = found,
            None => {}
        }
    }
    left
}

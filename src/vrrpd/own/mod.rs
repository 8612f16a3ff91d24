//! The interfaces that instances make for themselves: macvlans with the virtual hardware address, and ipvlans.
//!
//! [`plan`] says which there are to be; here they are made, adopted from a crashed predecessor, followed when their base
//! or somebody else changes them, and removed. `addresses` and `settings` are what they need, and [`ledger`] is how a
//! successor finds what was changed, whatever became of this process.

mod addresses;
pub(super) mod ledger;
pub(super) mod plan;
mod removal;
mod settings;

use std::path::PathBuf;

use ledger::{Ledger, Left, Made};
use nix::errno::Errno;
use plan::{Make, Own, Plan, Refusal, lies_on};
use removal::{Doomed, is_way_out};

use super::links::{Change, Kind, Link};
use super::report;
use super::state::Vrrp;
use crate::base::id::{IfIndex, LinkId};
use crate::base::name::IfName;
use crate::base::time::Instant;
use crate::config::Model;
use crate::daemon::reactor::Turn;
use crate::sys::netlink::link::{AddrGenMode, Link as KernelLink, Which};
use crate::sys::netlink::make::IpvlanFlag;
use crate::sys::sysctl::{Changed, Entry};

/// The interfaces that this child makes, and the settings that it changed for them.
#[derive(Default)]
pub(super) struct Owns {
    list: Vec<Own>,
    settings: Changed,
    ledger: Ledger,
    /// One was made anew: what netlink has told until now is older than what is to be listed.
    pub(super) remade: bool,
}

/// Tags of requests: what must succeed, and what may be refused.
const MUST: u32 = 1;
const MAY: u32 = 0;

impl Owns {
    /// Those of a plan, and the ledger of this path with what a predecessor left.
    pub(super) fn new(plan: Plan, ledger: Option<PathBuf>) -> (Self, Left) {
        tell_refused(&plan);
        let (ledger, left) = Ledger::open(ledger);
        let mut settings = Changed::new();
        left.settings.iter().cloned().for_each(|entry| settings.adopt(entry));
        (Self { list: plan.owns, settings, ledger, remade: false }, left)
    }

    /// What is wanted now.
    pub(super) fn list(&self) -> &[Own] {
        &self.list
    }

    /// What lies on the interface that is one of our own.
    pub(super) fn base_of(&self, link: LinkId) -> Option<LinkId> {
        self.list.iter().find(|own| own.link == link).map(|own| own.base)
    }

    /// How many interfaces of our own lie on an interface.
    pub(super) fn count_on(&self, base: LinkId) -> usize {
        self.list.iter().filter(|own| own.base == base).count()
    }

    /// What was changed on an interface.
    pub(super) fn changed_on(&self, name: &IfName) -> impl Iterator<Item = &Entry> {
        self.settings.entries().filter(move |entry| entry.setting.interface == *name)
    }

    /// What an interface of our own is, in the words of the data dump.
    pub(super) fn type_of(&self, link: LinkId) -> &'static str {
        match self.list.iter().find(|own| own.link == link).map(|own| own.make) {
            Some(Make::Ipvlan(IpvlanFlag::Bridge, _)) => "IPVLAN type L2 bridge",
            Some(Make::Ipvlan(IpvlanFlag::Private, _)) => "IPVLAN type L2 private",
            Some(Make::Ipvlan(IpvlanFlag::Vepa, _)) => "IPVLAN type L2 vepa",
            Some(Make::Macvlan(_)) | None => "VMAC type private",
        }
    }

    fn on(&self, link: LinkId) -> Option<usize> {
        self.list.iter().position(|own| own.link == link)
    }
}

impl Own {
    /// What is to be deleted of it, if it exists.
    fn doomed(&self, link: &Link) -> Option<Doomed> {
        let (name, user) = (link.name.clone(), self.user.to_string());
        link.index.map(|index| Doomed { index, name, kind: self.make.kind(), user })
    }
}

fn tell_refused(plan: &Plan) {
    for (user, name, why) in &plan.refused {
        report::own_refused(
            user,
            name,
            match why {
                Refusal::SameAddress => "another instance has its hardware address on the same interface",
                Refusal::NameTaken => "another interface has this name, using a generated one",
                Refusal::NoName => "no name of 15 octets is free",
            },
        );
    }
}

impl Vrrp {
    /// Makes everything whose base is there; whether something is new.
    pub(super) fn ensure_owns(&mut self) -> bool {
        let mut new = false;
        for position in 0..self.owns.list.len() {
            new |= self.ensure_own(position);
        }
        new
    }

    fn ensure_owns_on(&mut self, base: LinkId) {
        for position in 0..self.owns.list.len() {
            if self.owns.list.get(position).is_some_and(|own| own.base == base) {
                self.ensure_own(position);
            }
        }
    }

    /// Makes an interface if its base is there, or adopts and mends the one that is; whether it is new.
    fn ensure_own(&mut self, position: usize) -> bool {
        let Some(own) = self.owns.list.get(position) else { return false };
        let (Some(parent), Some(base)) = (lies_on(&self.links, own.base), self.links.link(own.base)) else {
            return false;
        };
        let Some(link) = self.links.link(own.link) else { return false };
        let (name, make) = (link.name.clone(), own.make);
        let group = own.group.or(Some(base.group).filter(|group| *group != 0));
        let master = if base.in_vrf { Some(base.master) } else { link.in_vrf.then_some(IfIndex(0)) };
        let notify = own.notify.then_some((base.index, base.group));
        let there = link.clone();
        let new = match there.index {
            Some(_) if there.parent == parent && there.kind == make.kind() => false,
            Some(_) => {
                self.own_failed(position, "another interface has this name");
                return false;
            }
            None => {
                self.owns.ledger.link(&Made { name: name.clone(), kind: make.kind(), parent });
                let made = match make {
                    Make::Macvlan(mac) => {
                        self.kernel.commands.create_macvlan(MUST, &name, parent, mac, group)
                    }
                    Make::Ipvlan(flag, _) => {
                        self.kernel.commands.create_ipvlan(MUST, &name, parent, flag, group)
                    }
                };
                if made.is_err() || !self.commit_own(position) {
                    return false;
                }
                true
            }
        };
        if let Some(own) = self.owns.list.get_mut(position) {
            own.made = true;
        }
        self.set_up_own(position);
        let which = Which::Name(&name);
        let commands = &mut self.kernel.commands;
        if let Make::Macvlan(mac) = make
            && !new
            && there.mac != Some(mac)
        {
            let _ = commands.set_link_mac(MUST, which, mac);
        }
        let group = group.or(is_way_out(there.group).then_some(0));
        if let (Some(group), false) = (group, new)
            && there.group != group
        {
            let _ = commands.set_link_group(MAY, which, group);
        }
        if let Some(master) = master.filter(|master| new || there.master != *master) {
            let _ = commands.set_link_master(MUST, which, master);
        }
        if new {
            // A kernel without IPv6 has no such mode, and does not need it. An ipvlan speaks from the link-local
            // address that the kernel makes for it.
            if !matches!(make, Make::Ipvlan(_, None)) {
                let _ = commands.set_addr_gen_mode(MAY, which, AddrGenMode::None);
            }
        }
        if new || !there.wanted_up {
            let _ = commands.set_link_up(MUST, which, true);
        }
        if let (true, Some((Some(base), group))) = (new, notify) {
            let _ = commands.set_link_group(MAY, Which::Index(base), group);
        }
        if !self.commit_own(position) {
            return new;
        }
        if new {
            report::own_created(self.own_user(position), &name, make.kind());
        }
        if let Some(own) = self.owns.list.get_mut(position) {
            own.told = false;
        }
        new
    }

    /// Sends requests about an interface; whether those that must succeed did.
    fn commit_own(&mut self, position: usize) -> bool {
        let mut refused = None;
        self.kernel.commands.commit(|tag, result| {
            if let Err(refusal) = result
                && tag == MUST
                && refused.is_none()
            {
                refused = Some((refusal.errno, report::refusal_text(&refusal)));
            }
        });
        match refused {
            None => true,
            // The base went while we were at it: netlink is about to say so.
            Some((Errno::ENODEV, _)) => false,
            Some((_, text)) => {
                self.own_failed(position, &text);
                false
            }
        }
    }

    fn own_user(&self, position: usize) -> &str {
        self.owns.list.get(position).map_or("", |own| &own.user)
    }

    fn own_failed(&mut self, position: usize, why: &str) {
        let Some(own) = self.owns.list.get_mut(position) else { return };
        if core::mem::replace(&mut own.told, true) {
            return;
        }
        if let Some(link) = self.links.link(own.link) {
            report::own_failed(&own.user, &link.name, own.make.kind(), why);
        }
    }

    /// Whether something is missing although its base is there: somebody removed it.
    pub(super) fn lacks_own(&self) -> bool {
        let exists = |link| self.links.link(link).is_some_and(|link| link.index.is_some());
        self.owns.list.iter().any(|own| exists(own.base) && !exists(own.link))
    }

    /// An interface changed. What hangs on it follows: made when its base comes, removed when that bears another name.
    /// One of our own that somebody removed is made anew at once, a bounded number of times. What is still to be done
    /// about: nothing once it was made anew, for everything is listed again at once.
    pub(super) fn follow_owns(
        &mut self,
        turn: &mut Turn<'_>,
        link: LinkId,
        change: Change,
    ) -> Option<Change> {
        let removed = self.is_removed(link, change);
        if removed && self.remake_own(turn.now(), link) {
            return None;
        }
        let change = if removed { Change::Vanished } else { change };
        if change == Change::Vanished {
            if self.lacks_own() {
                self.arm_retry(turn);
            }
            self.leave_base(link);
        } else {
            self.ensure_owns_on(link);
            self.mend_own(turn.now(), link);
        }
        Some(change)
    }

    /// Whether somebody removed an interface of our own. The kernel takes it down first and tells of that; it answers
    /// no list before the rest is done, so that one tells whether it is only down.
    fn is_removed(&mut self, link: LinkId, change: Change) -> bool {
        // Every new one is down for a moment.
        if self.owns.on(link).is_none() || self.stopping || change == Change::Appeared {
            return false;
        }
        let down = self.links.link(link).filter(|there| !there.wanted_up).and_then(|there| there.index);
        let (Some(index), false) = (down, change == Change::Vanished) else {
            return change == Change::Vanished;
        };
        let mut kernel = Vec::new();
        let listed = self.kernel.commands.links(&mut kernel).is_ok();
        let gone = listed && kernel.iter().all(|there| there.index != index);
        if gone && let Some(name) = self.links.link(link).map(|link| link.name.clone()) {
            report::link_deleted(&name);
            self.links.remove(index);
        }
        gone
    }

    /// Gives an interface of our own its hardware address back. Whether it is up is left to whoever took it down: that
    /// is how an administrator makes an instance step aside.
    fn mend_own(&mut self, now: Instant, link: LinkId) {
        let Some(position) = self.owns.on(link) else { return };
        let (Some(own), Some(there)) = (self.owns.list.get_mut(position), self.links.link(link)) else {
            return;
        };
        let (Make::Macvlan(mac), Some(index)) = (own.make, there.index) else {
            return;
        };
        if there.mac != Some(mac) && !self.stopping && own.again.take(now).is_some() {
            let _ = self.kernel.commands.set_link_mac(MUST, Which::Index(index), mac);
            self.commit_own(position);
        }
    }

    fn remake_own(&mut self, now: Instant, link: LinkId) -> bool {
        let Some(position) = self.owns.on(link) else { return false };
        let Some(own) = self.owns.list.get_mut(position) else { return false };
        own.copied = None;
        let base_there = self.links.link(own.base).is_some_and(|base| base.index.is_some());
        let again = base_there && own.again.take(now).is_some() && self.ensure_own(position);
        self.owns.remade |= again;
        again
    }

    /// A base is gone. If it only bears another name now, what lies on it must go.
    fn leave_base(&mut self, base: LinkId) {
        let mut left = false;
        for own in self.owns.list.iter_mut().filter(|own| own.base == base) {
            left = true;
            own.copied = None;
        }
        if left {
            self.remove_made(|own| own.base == base);
            self.tidy();
        }
    }

    /// An interface of our own bears another name now: it has our hardware address, so it cannot stay.
    pub(super) fn own_renamed(&mut self, link: LinkId, index: IfIndex) {
        if self.owns.on(link).is_some() {
            let _ = self.kernel.commands.delete_link(MAY, Which::Index(index));
            self.kernel.commands.commit(|_, _| ());
        }
    }

    /// What a predecessor made and nobody wants now is removed, and the settings that it changed for it are put back.
    pub(super) fn remove_left_owns(&mut self, left: &Left) {
        self.find_owns();
        let mut kernel = Vec::new();
        if left.links.is_empty() || self.kernel.commands.links(&mut kernel).is_err() {
            return self.tidy();
        }
        let wanted = |made: &&Made| {
            self.owns
                .list
                .iter()
                .any(|own| self.links.link(own.link).is_some_and(|link| link.name == made.name))
        };
        let still = |made: &Made| {
            let is_it = |link: &&KernelLink| {
                link.name == made.name && Kind::of(link) == made.kind && link.parent == made.parent
            };
            kernel.iter().find(is_it).map(|link| Doomed {
                index: link.index,
                name: made.name.clone(),
                kind: made.kind,
                user: String::new(),
            })
        };
        let doomed: Vec<_> = left.links.iter().filter(|made| !wanted(made)).filter_map(still).collect();
        self.delete_owns(&doomed);
        self.tidy();
    }

    /// What is wanted and there is taken for made.
    fn find_owns(&mut self) {
        for own in &mut self.owns.list {
            let parent = lies_on(&self.links, own.base);
            own.made = self.links.link(own.link).is_some_and(|link| {
                link.index.is_some() && link.kind == own.make.kind() && Some(link.parent) == parent
            });
        }
    }

    /// Removes what was made and restores what was changed.
    pub(super) fn remove_owns(&mut self) {
        self.remove_made(|_| true);
        self.owns.settings.restore_all(|setting, error| report::setting_failed(setting, &error));
        self.write_ledger();
    }

    /// Removes those of our interfaces that exist.
    fn remove_made(&mut self, which: impl Fn(&Own) -> bool) {
        let mut doomed = Vec::new();
        for own in self.owns.list.iter_mut().filter(|own| own.made && which(own)) {
            own.made = false;
            doomed.extend(self.links.link(own.link).and_then(|link| own.doomed(link)));
        }
        self.delete_owns(&doomed);
    }

    /// What a new model wants.
    pub(super) fn plan_owns(&mut self, model: &Model) -> Plan {
        let mut kernel = Vec::new();
        if let Err(error) = self.kernel.commands.links(&mut kernel) {
            // Names are made up as if nothing were there; one that is taken is told when it is made.
            report::kernel_failed("netlink", &error);
        }
        Plan::new(model, &mut self.links, &kernel, self.owns.list())
    }

    /// After a reload: what is not wanted any more goes, what is wanted still keeps what it was.
    pub(super) fn replace_owns(&mut self, plan: Plan) {
        tell_refused(&plan);
        let mut before = core::mem::replace(&mut self.owns.list, plan.owns);
        for own in &mut self.owns.list {
            let same = before.iter_mut().find(|old| {
                old.link == own.link && old.base == own.base && old.make.kind() == own.make.kind()
            });
            let Some(old) = same else { continue };
            own.made = core::mem::take(&mut old.made);
            own.again = old.again.clone();
            // An ipvlan with another address is another one: the old address goes with it.
            if let (Make::Ipvlan(_, was), Make::Ipvlan(_, is)) = (old.make, own.make)
                && was != is
            {
                old.made = core::mem::take(&mut own.made);
                continue;
            }
            own.copied = old.copied;
        }
        let gone = before.iter().filter(|old| old.made);
        let doomed: Vec<_> = gone.filter_map(|old| old.doomed(self.links.link(old.link)?)).collect();
        self.delete_owns(&doomed);
        self.tidy();
    }
}

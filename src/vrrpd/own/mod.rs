//! The interfaces that instances make for themselves: macvlans with the virtual hardware address, and ipvlans.
//!
//! [`plan`] says which there are to be, `make` makes them or adopts those of a crashed predecessor; here they are followed
//! when their base or somebody else changes them, and removed. `addresses` and `settings` are what they need, and [`ledger`] is how a
//! successor finds what was changed, whatever became of this process.

mod addresses;
pub(super) mod ledger;
mod make;
pub(super) mod plan;
mod removal;
mod settings;

use std::path::PathBuf;

use ledger::{Ledger, Left, Made};
use plan::{Key, Make, Own, Plan, Refusal, lies_on, virtual_mac};
use removal::Doomed;

use super::links::{Change, Kind, Link};
use super::report;
use super::state::Vrrp;
use crate::base::addr::Family;
use crate::base::id::{IfIndex, LinkId};
use crate::base::name::IfName;
use crate::base::time::Instant;
use crate::config::Model;
use crate::daemon::reactor::Turn;
use crate::sys::netlink::link::{Link as KernelLink, Which};
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

/// Tags of requests: what may be refused, and what must succeed.
const MAY: u32 = 0;
const MUST: u32 = 1;

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

    /// The macvlan on `base` that has the virtual hardware address of this router.
    pub(super) fn namesake(&self, base: LinkId, family: Family, vrid: u8) -> Option<LinkId> {
        let key = Key::Macvlan(base, virtual_mac(family, vrid));
        self.list.iter().find(|own| own.key == key).map(|own| own.link)
    }

    /// Whose adverts an interface of our own may be the only one to get: those to this base with this address.
    pub(super) fn key_of(&self, link: LinkId) -> Option<Key> {
        self.list.iter().find(|own| own.link == link).map(|own| own.key)
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
    fn own_user(&self, position: usize) -> &str {
        self.owns.list.get(position).map_or("", |own| &own.user)
    }

    fn own_failed(&mut self, position: usize, why: &str) {
        let Some(own) = self.owns.list.get_mut(position) else { return };
        if core::mem::replace(&mut own.told, true) {
            return;
        }
        if let Some(link) = self.links.table.link(own.link) {
            report::own_failed(&own.user, &link.name, own.make.kind(), why);
        }
    }

    /// Whether something is missing although its base is there: somebody removed it.
    pub(super) fn lacks_own(&self) -> bool {
        let exists = |link| self.links.table.link(link).is_some_and(|link| link.index.is_some());
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
        if self.owns.on(link).is_none() || self.process.stopping || change == Change::Appeared {
            return false;
        }
        let down = self.links.table.link(link).filter(|there| !there.wanted_up).and_then(|there| there.index);
        let (Some(index), false) = (down, change == Change::Vanished) else {
            return change == Change::Vanished;
        };
        let mut kernel = Vec::new();
        let listed = self.items.commands.links(&mut kernel).is_ok();
        let gone = listed && kernel.iter().all(|there| there.index != index);
        if gone && let Some(name) = self.links.table.link(link).map(|link| link.name.clone()) {
            report::link_deleted(&name);
            self.links.table.remove(index);
        }
        gone
    }

    /// Gives an interface of our own its hardware address back. Whether it is up is left to whoever took it down: that
    /// is how an administrator makes an instance step aside.
    fn mend_own(&mut self, now: Instant, link: LinkId) {
        let Some(position) = self.owns.on(link) else { return };
        let (Some(own), Some(there)) = (self.owns.list.get_mut(position), self.links.table.link(link)) else {
            return;
        };
        let (Make::Macvlan(mac), Some(index)) = (own.make, there.index) else {
            return;
        };
        if there.mac != Some(mac) && !self.process.stopping && own.again.take(now).is_some() {
            let _ = self.items.commands.set_link_mac(make::tag(position), Which::Index(index), mac);
            self.commit_owns(&mut Vec::new());
        }
    }

    fn remake_own(&mut self, now: Instant, link: LinkId) -> bool {
        let Some(position) = self.owns.on(link) else { return false };
        let Some(own) = self.owns.list.get_mut(position) else { return false };
        own.copied = None;
        let base_there = self.links.table.link(own.base).is_some_and(|base| base.index.is_some());
        let again = base_there && own.again.take(now).is_some() && self.ensure(core::iter::once(position));
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
            let _ = self.items.commands.delete_link(MAY, Which::Index(index));
            self.items.commands.commit(|_, _| ());
        }
    }

    /// What a predecessor made and nobody wants now is removed, and the settings that it changed for it are put back.
    pub(super) fn remove_left_owns(&mut self, left: &Left) {
        self.find_owns();
        let mut kernel = Vec::new();
        if left.links.is_empty() || self.items.commands.links(&mut kernel).is_err() {
            return self.tidy();
        }
        let wanted = |made: &&Made| {
            self.owns
                .list
                .iter()
                .any(|own| self.links.table.link(own.link).is_some_and(|link| link.name == made.name))
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
            let parent = lies_on(&self.links.table, own.base, own.make.kind());
            own.made = self.links.table.link(own.link).is_some_and(|link| {
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
            doomed.extend(self.links.table.link(own.link).and_then(|link| own.doomed(link)));
        }
        self.delete_owns(&doomed);
    }

    /// What a new model wants.
    pub(super) fn plan_owns(&mut self, model: &Model) -> Plan {
        let mut kernel = Vec::new();
        if let Err(error) = self.items.commands.links(&mut kernel) {
            // Names are made up as if nothing were there; one that is taken is told when it is made.
            report::kernel_failed("netlink", &error);
        }
        Plan::new(model, &mut self.links.table, &kernel, self.owns.list())
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
        let doomed: Vec<_> = gone.filter_map(|old| old.doomed(self.links.table.link(old.link)?)).collect();
        self.delete_owns(&doomed);
        self.tidy();
    }
}

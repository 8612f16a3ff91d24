//! The interfaces that instances make for themselves: macvlans with the virtual hardware address, and ipvlans.
//!
//! [`plan`] says which there are to be, `make` makes them or adopts those of a crashed predecessor; here they are followed
//! when their base or another program changes them, and removed. `addresses` and `settings` are what they need, and
//! [`ledger`] is how a successor finds what was changed, whatever became of this process.

mod addresses;
pub(super) mod ledger;
mod make;
pub(super) mod plan;
mod removal;
mod settings;

use std::path::PathBuf;

use ledger::{Ledger, Left, Made};
use plan::{Key, Make, OwnInterface, Plan, Refusal, lies_on, virtual_mac};
use removal::{Removal, delete};

use super::report;
use crate::base::addr::Family;
use crate::base::id::{IfIndex, LinkId};
use crate::base::name::IfName;
use crate::base::time::Instant;
use crate::child::links::{Change, Kind, Link, Links};
use crate::config::Model;
use crate::sys::netlink::command::Commands;
use crate::sys::netlink::link::{Link as KernelLink, Which};
use crate::sys::netlink::make::IpvlanFlag;
use crate::sys::sysctl::{Changed, Entry};

/// The interfaces that this child makes, and the settings that it changed for them.
#[derive(Default)]
pub(super) struct OwnInterfaces {
    list: Vec<OwnInterface>,
    settings: Changed,
    /// Where a successor finds what was changed.
    pub(super) ledger: Ledger,
    /// An interface was made anew: notifications that are queued now are older than the list that is to be asked for.
    pub(super) remade: bool,
}

/// Tags of requests: what may be refused, and what must succeed.
const MAY: u32 = 0;
const MUST: u32 = 1;

impl OwnInterfaces {
    /// Those of a plan, and the ledger of this path with what a predecessor left.
    pub(super) fn new(plan: Plan, ledger: Option<PathBuf>) -> (Self, Left) {
        log_refused(&plan);
        let (ledger, left) = Ledger::open(ledger);
        let mut settings = Changed::new();
        left.settings.iter().cloned().for_each(|entry| settings.adopt(entry));
        (Self { list: plan.owns, settings, ledger, remade: false }, left)
    }

    /// The interfaces that the model in force wants.
    pub(super) fn list(&self) -> &[OwnInterface] {
        &self.list
    }

    /// The interface that an interface of our own lies on; none: `link` is not one of our own.
    pub(super) fn base_of(&self, link: LinkId) -> Option<LinkId> {
        self.list.iter().find(|own| own.link == link).map(|own| own.base)
    }

    /// How many interfaces of our own lie on an interface.
    pub(super) fn count_on(&self, base: LinkId) -> usize {
        self.list.iter().filter(|own| own.base == base).count()
    }

    /// The macvlan on `base` that has the virtual hardware address of this router.
    pub(super) fn macvlan(&self, base: LinkId, family: Family, vrid: u8) -> Option<LinkId> {
        let key = Key::Macvlan(base, virtual_mac(family, vrid));
        self.list.iter().find(|own| own.key == key).map(|own| own.link)
    }

    /// The key of an interface of our own; none: `link` is not one of our own.
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

impl OwnInterface {
    /// The request that deletes the interface, if it exists.
    fn removal(&self, link: &Link) -> Option<Removal> {
        let (name, user) = (link.name.clone(), self.user.to_string());
        link.index.map(|index| Removal { index, name, kind: self.make.kind(), user })
    }
}

fn log_refused(plan: &Plan) {
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

impl OwnInterfaces {
    fn own_user(&self, position: usize) -> &str {
        self.list.get(position).map_or("", |own| &own.user)
    }

    fn failed(&mut self, links: &Links, position: usize, why: &str) {
        let Some(own) = self.list.get_mut(position) else { return };
        if core::mem::replace(&mut own.logged, true) {
            return;
        }
        if let Some(link) = links.link(own.link) {
            report::own_failed(&own.user, &link.name, own.make.kind(), why);
        }
    }

    /// Whether an interface is missing although its base is there: another program removed the interface.
    pub(super) fn lacks_one(&self, links: &Links) -> bool {
        let exists = |link| links.link(link).is_some_and(|link| link.index.is_some());
        self.list.iter().any(|own| exists(own.base) && !exists(own.link))
    }

    /// An interface changed. An interface of our own that somebody removed is made anew at once, a bounded number of
    /// times. What is still to be done about the change: nothing once the interface was made anew, for everything is
    /// listed again at once. `stopping`: nothing is made any more.
    pub(super) fn follow(
        &mut self,
        now: Instant,
        links: &mut Links,
        commands: &mut Commands,
        (link, change): (LinkId, Change),
        stopping: bool,
    ) -> Option<Change> {
        // Every new one is down for a moment.
        let ours = self.on(link).is_some() && !stopping && change != Change::Appeared;
        let removed = ours && is_removed(links, commands, link, change);
        if removed && self.make_again(now, links, commands, link) {
            return None;
        }
        let change = if removed { Change::Vanished } else { change };
        if change != Change::Vanished {
            self.ensure_on(links, commands, link);
            if !stopping {
                self.mend(now, links, commands, link);
            }
        }
        Some(change)
    }

    /// Gives an interface of our own its hardware address back. Whether the interface is up is left to the program that
    /// took it down: that is how an administrator makes an instance step aside.
    fn mend(&mut self, now: Instant, links: &Links, commands: &mut Commands, link: LinkId) {
        let Some(position) = self.on(link) else { return };
        let (Some(own), Some(there)) = (self.list.get_mut(position), links.link(link)) else {
            return;
        };
        let (Make::Macvlan(mac), Some(index)) = (own.make, there.index) else {
            return;
        };
        if there.mac != Some(mac) && own.again.take(now).is_some() {
            let _ = commands.set_link_mac(make::tag(position), Which::Index(index), mac);
            self.commit(links, commands, &mut Vec::new());
        }
    }

    fn make_again(&mut self, now: Instant, links: &Links, commands: &mut Commands, link: LinkId) -> bool {
        let Some(position) = self.on(link) else { return false };
        let Some(own) = self.list.get_mut(position) else { return false };
        own.copied = None;
        let base_there = links.link(own.base).is_some_and(|base| base.index.is_some());
        let again = base_there
            && own.again.take(now).is_some()
            && self.ensure(links, commands, &mut core::iter::once(position));
        self.remade |= again;
        again
    }

    /// A base is gone. If it only bears another name now, what lies on it must go. Whether something lay on it: its
    /// settings are to be put back.
    pub(super) fn leave_base(&mut self, links: &Links, commands: &mut Commands, base: LinkId) -> bool {
        let mut left = false;
        for own in self.list.iter_mut().filter(|own| own.base == base) {
            left = true;
            own.copied = None;
        }
        if left {
            self.remove_made(links, commands, |own| own.base == base);
        }
        left
    }

    /// An interface of our own bears another name now: it has our hardware address, so it cannot stay.
    pub(super) fn renamed(&self, commands: &mut Commands, link: LinkId, index: IfIndex) {
        if self.on(link).is_some() {
            let _ = commands.delete_link(MAY, Which::Index(index));
            commands.commit(|_, _| ());
        }
    }

    /// What a predecessor made and nobody wants now is removed. The settings that the predecessor changed are then to be
    /// put back.
    pub(super) fn remove_left(&mut self, links: &Links, commands: &mut Commands, left: &Left) {
        self.find(links);
        let mut kernel = Vec::new();
        if left.links.is_empty() || commands.links(&mut kernel).is_err() {
            return;
        }
        let wanted = |made: &&Made| {
            self.list.iter().any(|own| links.link(own.link).is_some_and(|link| link.name == made.name))
        };
        let still = |made: &Made| {
            let is_it = |link: &&KernelLink| {
                link.name == made.name && Kind::of(link) == made.kind && link.parent == made.parent
            };
            kernel.iter().find(is_it).map(|link| Removal {
                index: link.index,
                name: made.name.clone(),
                kind: made.kind,
                user: String::new(),
            })
        };
        let removals: Vec<_> = left.links.iter().filter(|made| !wanted(made)).filter_map(still).collect();
        delete(commands, &removals);
    }

    /// Interfaces that are wanted and exist already count as made by this child.
    fn find(&mut self, links: &Links) {
        for own in &mut self.list {
            let parent = lies_on(links, own.base, own.make.kind());
            own.made = links.link(own.link).is_some_and(|link| {
                link.index.is_some() && link.kind == own.make.kind() && Some(link.parent) == parent
            });
        }
    }

    /// Removes what was made and restores what was changed. The ledger is then to be written.
    pub(super) fn remove(&mut self, links: &Links, commands: &mut Commands) {
        self.remove_made(links, commands, |_| true);
        self.settings.restore_all(|setting, error| report::setting_failed(setting, &error));
    }

    /// Removes those of our interfaces that exist.
    fn remove_made(&mut self, links: &Links, commands: &mut Commands, which: impl Fn(&OwnInterface) -> bool) {
        let mut removals = Vec::new();
        for own in self.list.iter_mut().filter(|own| own.made && which(own)) {
            own.made = false;
            removals.extend(links.link(own.link).and_then(|link| own.removal(link)));
        }
        delete(commands, &removals);
    }

    /// The interfaces that a new model wants.
    pub(super) fn plan(&self, model: &Model, links: &mut Links, commands: &mut Commands) -> Plan {
        let mut kernel = Vec::new();
        if let Err(error) = commands.links(&mut kernel) {
            // Names are made up as if nothing were there; a name that is taken is logged when its interface is made.
            report::kernel_failed("netlink", &error);
        }
        Plan::new(model, links, &kernel, self.list())
    }

    /// After a reload: what is not wanted any more goes, what is wanted still keeps what it was. The settings are then
    /// to be put back.
    pub(super) fn replace(&mut self, links: &Links, commands: &mut Commands, plan: Plan) {
        log_refused(&plan);
        let mut before = core::mem::replace(&mut self.list, plan.owns);
        for own in &mut self.list {
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
        let removals: Vec<_> = gone.filter_map(|old| old.removal(links.link(old.link)?)).collect();
        delete(commands, &removals);
    }
}

/// Whether another program removed an interface. The kernel first reports that the interface is down; a list is answered
/// only when the rest is done, so that the list says whether the interface is only down.
fn is_removed(links: &mut Links, commands: &mut Commands, link: LinkId, change: Change) -> bool {
    let down = links.link(link).filter(|there| !there.state.wanted_up).and_then(|there| there.index);
    let (Some(index), false) = (down, change == Change::Vanished) else {
        return change == Change::Vanished;
    };
    let mut kernel = Vec::new();
    let listed = commands.links(&mut kernel).is_ok();
    let gone = listed && kernel.iter().all(|there| there.index != index);
    if gone && let Some(name) = links.link(link).map(|link| link.name.clone()) {
        crate::child::links::report::deleted(&name);
        links.remove(index);
    }
    gone
}

//! The firewall: addresses of a MASTER that takes no packets (`no_accept`, strict), and membership reports of macvlans.
//!
//! Job: what the kernel's tables hold follows what the instances do. A guard is there before its address is, and goes
//! after it, for all instances of a turn in one transaction ([`Firewall::flush`]). The tables are replaced as a
//! whole when a child begins, when a reload asks for other rules, and when another program deleted something: no packet
//! ever meets half a table. Start with [`tables`] for the rules, [`guards`] for whose addresses they hold; where
//! `vrrp_iptables` asks for it, `legacy` has the same in the words of iptables and [`iptables`] its life.

pub(super) mod guards;
#[cfg_attr(not(feature = "iptables"), path = "no_iptables.rs")]
pub(super) mod iptables;
#[cfg(feature = "iptables")]
mod legacy;
mod report;
pub(super) mod tables;
pub(super) mod vmacs;

use guards::{Guards, SETS, is_guarded};
use iptables::Iptables;
use nix::errno::Errno;
use tables::{Contents, Parts};
use vmacs::Vmacs;

use super::kind;
use super::live::Instance;
use super::own::ledger::{Guarding, Ledger, Left};
use super::own::plan::OwnInterface as Interface;
use crate::base::addr::Family;
use crate::base::id::{InstanceId, LinkId};
use crate::base::limit;
use crate::base::time::Span;
use crate::child::links::{Change, Links};
use crate::child::tables::{
    Style, Watch, log_left_over, log_put_back, log_stuck, log_works_again, may_pass, remove,
};
use crate::config::model::Global;
use crate::config::model::global::Firewall as Config;
use crate::daemon::reactor::Turn;
use crate::daemon::token::SourceId;
use crate::sys::netlink::nft::{Nft, Refused};

/// What this child has of the firewall.
#[derive(Default)]
pub(super) struct Firewall {
    guards: Guards,
    vmacs: Vmacs,
    /// Link-local addresses go by the number of their interface, whatever the instance (`nftables_ifindex`).
    by_number: bool,
    /// The tables that the model wants; none: no tables.
    style: Option<(Style, Parts)>,
    /// The tables that the kernel has by this child.
    there: Option<(Style, Parts)>,
    nft: Option<Nft>,
    watch: Watch,
    /// Why the kernel refused the tables: until the next reload, or the next second if that may help.
    broken: Option<Errno>,
    /// Another program deleted something of the tables, and that is still to be put back.
    lost: bool,
    iptables: Iptables,
    /// What the caller has still to do.
    outcome: Outcome,
}

/// What of the other parts the firewall needs.
pub(super) struct Around<'a, 't> {
    pub(super) turn: &'a mut Turn<'t>,
    pub(super) links: &'a Links,
    /// Notes each table and set before it is made.
    pub(super) ledger: &'a mut Ledger,
}

/// What the caller has to do when the firewall has done its part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Outcome {
    /// [`Firewall::retry`] is due after this span.
    pub(super) again: Option<Span>,
    /// The kernel has less than the ledger says: it is to be written anew.
    pub(super) ledger: bool,
}

impl Firewall {
    /// Whether packets to the addresses of an instance are dropped.
    pub(super) fn is_guarding(&self, id: InstanceId) -> bool {
        (self.there.is_some() || self.iptables.is_there()) && self.guards.is_on(id)
    }

    /// The name of the tables, if there are any.
    pub(super) fn table(&self) -> Option<&str> {
        self.there.as_ref().map(|(style, _)| &*style.name)
    }

    /// The tables and sets in the kernel, as the ledger has them.
    pub(super) fn in_kernel(&self) -> impl Iterator<Item = Guarding<'_>> {
        self.table().map(Guarding::Table).into_iter().chain(self.iptables.in_kernel())
    }

    fn open(&mut self) -> Result<(), Refused> {
        let octets = tables::octets(&self.guards, &self.vmacs);
        match &mut self.nft {
            Some(nft) => nft.reserve(octets),
            None => {
                self.nft = Some(Nft::open(octets)?);
                Ok(())
            }
        }
    }
}

impl Firewall {
    /// What the caller has to do since this was asked last.
    pub(super) const fn take_outcome(&mut self) -> Outcome {
        core::mem::replace(&mut self.outcome, Outcome { again: None, ledger: false })
    }

    fn try_again(&mut self, wait: Span) {
        let sooner = self.outcome.again.filter(|again| *again <= wait);
        self.outcome.again = sooner.or(Some(wait));
    }

    /// Makes the tables that were planned, in the place of what a predecessor left; whether all is in place.
    pub(super) fn start(&mut self, around: &mut Around<'_, '_>, left: &Left, config: &Config) -> bool {
        let wanted = self.style.as_ref().map(|(style, _)| style.name.clone());
        self.start_iptables(around, left, config);
        self.remove_left_tables(left.tables.iter().filter(|name| Some(*name) != wanted.as_ref()));
        self.replace(around);
        self.broken.is_none()
    }

    /// Logs that the configuration chooses neither nftables nor iptables, if there is work for one of them.
    pub(super) fn log_choice(&self, config: &Config) {
        if self.style.is_some() && config.nftables.is_none() && config.iptables.is_none() {
            report::default_chosen();
        }
    }

    /// Whether the addresses of an instance are guarded, in the kernel or from the next flush on.
    pub(super) fn is_on(&self, id: InstanceId) -> bool {
        self.guards.is_on(id)
    }

    /// After a reload changed what an instance asks for: logs whether its addresses are guarded now. `was`: before.
    pub(super) fn log_renewed(&self, id: InstanceId, instance: &Instance, was: bool) {
        let is = self.guards.is_on(id);
        if was != is && self.broken.is_none() {
            report::guard(&instance.config.name, is);
        }
    }

    /// Follows a reload, after what it wants was planned.
    pub(super) fn renew(&mut self, around: &mut Around<'_, '_>) {
        // One comes before the other goes: there is no time without.
        self.put_iptables(around);
        let firewall = &mut *self;
        let was_broken = firewall.broken.take().is_some();
        match (&firewall.style, &firewall.there) {
            (None, None) => {}
            (None, Some(_)) => self.remove_tables(around.turn),
            (Some(wanted), Some(there)) if wanted == there => {
                if let Err(refused) = self.open() {
                    self.failed(&refused);
                }
                self.flush(around);
            }
            (Some(_), _) => self.replace(around),
        }
        if was_broken && self.broken.is_none() && self.there.is_some() {
            log_works_again();
        }
        if !self.iptables.is_wanted() {
            self.drop_iptables();
        }
    }

    /// What the model wants of the firewall, for these instances and interfaces of our own. Nothing in the kernel is
    /// changed. For load time: allocates.
    pub(super) fn plan(&mut self, global: &Global, instances: &[Instance], interfaces: &[Interface]) {
        let is_iptables = iptables::is_chosen(&global.firewall);
        let by_number = global.firewall.nftables_ifindex || is_iptables;
        self.by_number = by_number;
        self.guards = Guards::new(instances, by_number, &self.guards);
        let reports_v4 = !global.vrrp.disable_local_igmp;
        self.vmacs = Vmacs::new(interfaces.iter(), reports_v4, &self.vmacs);
        let parts = Parts {
            sets: SETS.map(|set| self.guards.needs(set, instances, by_number)),
            reports: [Family::V4, Family::V6].map(|family| self.vmacs.needs(family)),
            kinds: true,
        };
        let needed = !parts.is_empty();
        self.style = (needed && !is_iptables).then(|| (tables::style(&global.firewall), parts));
        self.iptables.want((needed && is_iptables).then_some((&global.firewall, parts)));
    }

    /// Guards the addresses of an instance from the next flush on, or no longer.
    pub(super) fn guard(&mut self, id: InstanceId, instance: &Instance, on: bool, log: bool) {
        let on = on && is_guarded(instance);
        // What is missing was logged when the kernel refused it.
        let log = log && self.broken.is_none();
        if self.guards.set(id, instance, self.by_number, on) && log {
            report::guard(&instance.config.name, on);
        }
    }

    /// Interfaces changed. Where one came or went, what is about its number follows before a socket on it joins a
    /// group.
    pub(super) fn follow(&mut self, around: &mut Around<'_, '_>, mut changes: impl Iterator<Item = Change>) {
        let numbered = changes.any(|change| matches!(change, Change::Appeared | Change::Vanished));
        if numbered && (self.there.is_some() || self.iptables.is_there()) {
            self.guards.look_at_all();
            self.vmacs.doubt();
            self.flush(around);
        }
    }

    /// An address of an interface came or went.
    pub(super) fn follow_locals(&mut self, around: &mut Around<'_, '_>, link: LinkId) {
        if self.there.is_some() && self.vmacs.doubt_locals(link) {
            self.flush(around);
        }
    }

    /// Brings the tables in step with what is guarded: one transaction for everything since the last time.
    pub(super) fn flush(&mut self, around: &mut Around<'_, '_>) {
        if self.iptables.is_wanted() {
            return self.flush_iptables(around);
        }
        let firewall = &mut *self;
        if firewall.broken.is_some() || (firewall.guards.is_settled() && firewall.vmacs.is_settled()) {
            return;
        }
        let Firewall { guards, vmacs, there: Some((style, parts)), nft: Some(nft), .. } = firewall else {
            return;
        };
        let contents = Contents { guards, vmacs, links: around.links };
        match tables::update(nft, style, *parts, contents) {
            Ok(()) => {
                guards.settled(around.links);
                vmacs.settled(around.links);
            }
            // Another program changed the sets, and a notification of that will come; packets must not wait for it.
            Err(_) => self.replace(around),
        }
    }

    /// Puts everything into the kernel, in the place of what is there.
    fn replace(&mut self, around: &mut Around<'_, '_>) {
        let Some((style, parts)) = self.style.clone() else { return };
        let renamed = self.table().is_some_and(|name| name != &*style.name);
        if renamed {
            self.remove_tables(around.turn);
        }
        if self.table() != Some(&style.name) {
            around.ledger.guarding(Guarding::Table(&style.name));
        }
        let parts = match self.try_replace(around.links, &style, parts) {
            Ok(parts) => parts,
            Err(refused) => return self.failed(&refused),
        };
        let firewall = &mut *self;
        firewall.guards.settled(around.links);
        firewall.vmacs.settled(around.links);
        firewall.there = Some((style, parts));
        firewall.lost = false;
        if firewall.broken.take().is_some() {
            log_works_again();
        }
        self.watch(around.turn);
    }

    /// Which parts are in the kernel then.
    fn try_replace(&mut self, links: &Links, style: &Style, parts: Parts) -> Result<Parts, Refused> {
        self.open()?;
        let Firewall { guards, vmacs, nft: Some(nft), .. } = self else {
            return Ok(Parts::default());
        };
        guards.look_at_all();
        vmacs.doubt();
        let contents = Contents { guards, vmacs, links };
        let refused = match tables::replace(nft, style, parts, true, contents) {
            // A kernel that has no tables of a family has none to be removed either.
            Err(refused) if refused.errno == Errno::EAFNOSUPPORT => {
                match tables::replace(nft, style, parts, false, contents) {
                    Ok(()) => return Ok(parts),
                    Err(refused) => refused,
                }
            }
            Err(refused) => refused,
            Ok(()) => return Ok(parts),
        };
        // An old kernel cannot tell what an interface is.
        let plain = Parts { kinds: false, ..parts };
        if parts.reports.contains(&true) && tables::replace(nft, style, plain, true, contents).is_ok() {
            return Ok(plain);
        }
        // Copies of packets are an option of the kernel.
        let guarded = Parts { reports: [false; 2], ..parts };
        if parts == guarded || guarded.is_empty() || refused.errno == Errno::EOPNOTSUPP {
            return Err(refused);
        }
        tables::replace(nft, style, guarded, true, contents)?;
        report::no_copies(&refused);
        Ok(guarded)
    }

    fn failed(&mut self, refused: &Refused) {
        let firewall = &mut *self;
        if firewall.broken.replace(refused.errno) != Some(refused.errno) {
            let guards = firewall.style.as_ref().is_some_and(|(_, parts)| parts.sets.contains(&true));
            report::failed(refused, guards);
        }
        if may_pass(refused.errno) {
            self.try_again(limit::KERNEL_RETRY);
        }
    }

    /// Tries again what failed, or what was put back too often.
    pub(super) fn retry(&mut self, around: &mut Around<'_, '_>) {
        self.retry_iptables(around);
        if self.lost || self.broken.is_some_and(may_pass) {
            self.put_back(around);
        }
    }

    /// Another program changes tables. `stopping`: nothing is put back any more.
    pub(super) fn hear(&mut self, around: &mut Around<'_, '_>, stopping: bool) {
        let Self { watch, there: Some((style, _)), .. } = self else { return };
        if watch.is_deleted(&style.name) && !stopping {
            self.put_back(around);
        }
    }

    fn put_back(&mut self, around: &mut Around<'_, '_>) {
        self.lost = true;
        if !self.watch.may_put_back(around.turn.now()) {
            return self.try_again(limit::KERNEL_RETRY);
        }
        let was_broken = self.broken.is_some();
        self.replace(around);
        if let (Some(table), false) = (self.table(), was_broken) {
            log_put_back(table);
        }
    }

    fn watch(&mut self, turn: &mut Turn<'_>) {
        if let Some(nft) = &self.nft {
            self.watch.begin(turn, nft, SourceId { kind: kind::FIREWALL, index: 0 });
        }
    }

    /// Takes everything out of the kernel.
    pub(super) fn remove(&mut self, turn: &mut Turn<'_>) {
        self.iptables.want(None);
        self.remove_tables(turn);
        self.remove_iptables();
    }

    fn remove_tables(&mut self, turn: &mut Turn<'_>) {
        self.watch.end(turn);
        let firewall = &mut *self;
        let (Some((style, _)), Some(nft)) = (firewall.there.take(), &mut firewall.nft) else { return };
        if let Err(refused) = remove(nft, core::iter::once(&*style.name)) {
            log_stuck(&style.name, &refused);
        }
        if !firewall.iptables.is_wanted() {
            firewall.guards.forget();
            firewall.vmacs.forget();
        }
        self.outcome.ledger = true;
    }

    /// Removes tables that a dead child left.
    pub(super) fn remove_left_tables<'a>(&mut self, left: impl Iterator<Item = &'a Box<str>>) {
        for name in left {
            if self.nft.is_none() && self.open().is_err() {
                return;
            }
            let Some(nft) = &mut self.nft else { return };
            log_left_over(name);
            if let Err(refused) = remove(nft, core::iter::once(&**name)) {
                log_stuck(name, &refused);
            }
        }
    }
}

//! The firewall: addresses of a MASTER that takes no packets (`no_accept`, strict), and membership reports of macvlans.
//!
//! Job: what the kernel's tables hold follows what the instances do. A guard is there before its address is, and goes
//! after it, for all instances of a turn in one transaction ([`Vrrp::flush_firewall`]). The tables are replaced as a
//! whole when a child begins, when a reload asks for other rules, and when somebody else deleted something: no packet
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

use std::os::fd::AsRawFd;

use guards::{Guards, SETS, is_guarded};
use iptables::Iptables;
use nix::errno::Errno;
use tables::{Contents, Parts, Style};
use vmacs::Vmacs;

use super::kind;
use super::links::Change;
use super::own::ledger::{Guarding, Left};
use super::state::Vrrp;
use crate::base::addr::Family;
use crate::base::id::{InstanceId, LinkId};
use crate::base::limit;
use crate::base::rate::Budget;
use crate::base::time::Span;
use crate::daemon::reactor::{Again, Interest, Turn};
use crate::daemon::token::{Own, Registration};
use crate::proto::vrrp::State;
use crate::sys::netlink::nft::watch::Watch;
use crate::sys::netlink::nft::{Nft, Refused};

/// What this child has of the firewall.
pub(super) struct Firewall {
    guards: Guards,
    vmacs: Vmacs,
    /// Link-local addresses go by the number of their interface, whatever the instance (`nftables_ifindex`).
    by_number: bool,
    /// What is wanted.
    style: Option<(Style, Parts)>,
    /// What is in the kernel.
    there: Option<(Style, Parts)>,
    nft: Option<Nft>,
    watch: Option<(Watch, Registration)>,
    /// The kernel refused it: until the next reload, or the next second if that may help.
    broken: Option<Errno>,
    /// Somebody else deletes something, and it is still to be put back.
    lost: bool,
    /// How often it is put back at once.
    again: Budget,
    iptables: Iptables,
}

impl Default for Firewall {
    fn default() -> Self {
        Self {
            guards: Guards::default(),
            vmacs: Vmacs::default(),
            by_number: false,
            style: None,
            there: None,
            nft: None,
            watch: None,
            broken: None,
            lost: false,
            again: Budget::new(limit::PUT_BACK_BURST, AGAIN_REFILL),
            iptables: Iptables::default(),
        }
    }
}

/// Once the tables were put back so often, one more time is earned in this span.
const AGAIN_REFILL: Span = Span::from_secs(2);

impl Firewall {
    /// Whether packets to the addresses of an instance are dropped.
    pub(super) fn is_guarding(&self, id: InstanceId) -> bool {
        (self.there.is_some() || self.iptables.is_there()) && self.guards.is_on(id)
    }

    /// The name of the tables, if there are any.
    pub(super) fn table(&self) -> Option<&str> {
        self.there.as_ref().map(|(style, _)| &*style.name)
    }

    /// What of it is in the kernel, as the ledger has it.
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

impl Vrrp {
    /// Makes the tables, in the place of what a predecessor left. `goes_on`: a MASTER that stays one.
    pub(super) fn start_firewall(
        &mut self,
        turn: &mut Turn<'_>,
        left: &Left,
        goes_on: impl Fn(InstanceId) -> bool,
    ) {
        self.plan_firewall();
        let configured = &self.model.global.firewall;
        if self.firewall.style.is_some() && configured.nftables.is_none() && configured.iptables.is_none() {
            report::default_chosen();
        }
        for id in self.ids() {
            self.guard(id, goes_on(id), false);
        }
        let wanted = self.firewall.style.as_ref().map(|(style, _)| style.name.clone());
        self.start_iptables(turn, left);
        self.remove_left_tables(left.tables.iter().filter(|name| Some(*name) != wanted.as_ref()));
        self.replace_firewall(turn);
        if self.firewall.broken.is_none() {
            self.forget_left_firewall();
        }
    }

    /// Follows a reload. `kept`: which of the instances of before each one is.
    pub(super) fn renew_firewall(&mut self, turn: &mut Turn<'_>, kept: &[Option<InstanceId>]) {
        let was_on: Vec<bool> =
            kept.iter().map(|old| old.is_some_and(|old| self.firewall.guards.is_on(old))).collect();
        self.plan_firewall();
        for id in self.ids() {
            let master = self.instance(id).is_some_and(|it| it.router.state() == State::Master);
            self.guard(id, master, false);
            let (was, is) = (was_on.get(id.index()) == Some(&true), self.firewall.guards.is_on(id));
            if was != is
                && self.firewall.broken.is_none()
                && let Some(instance) = self.instance(id)
            {
                report::guard(&instance.config.name, is);
            }
        }
        // One comes before the other goes: there is no time without.
        self.put_iptables(turn);
        let firewall = &mut self.firewall;
        let was_broken = firewall.broken.take().is_some();
        match (&firewall.style, &firewall.there) {
            (None, None) => {}
            (None, Some(_)) => self.remove_tables(turn),
            (Some(wanted), Some(there)) if wanted == there => {
                if let Err(refused) = self.firewall.open() {
                    self.firewall_failed(turn, &refused);
                }
                self.flush_firewall(turn);
            }
            (Some(_), _) => self.replace_firewall(turn),
        }
        if was_broken && self.firewall.broken.is_none() && self.firewall.there.is_some() {
            report::works_again();
        }
        if !self.firewall.iptables.is_wanted() {
            self.drop_iptables(turn);
        }
    }

    /// What the model wants of the firewall. Nothing in the kernel is changed.
    fn plan_firewall(&mut self) {
        let global = &self.model.global;
        let is_iptables = iptables::is_chosen(&global.firewall);
        let by_number = global.firewall.nftables_ifindex || is_iptables;
        let (instances, firewall) = (&self.routers.instances, &mut self.firewall);
        firewall.by_number = by_number;
        firewall.guards = Guards::new(instances, by_number, &firewall.guards);
        let reports_v4 = !global.vrrp.disable_local_igmp;
        firewall.vmacs = Vmacs::new(self.owns.list().iter(), reports_v4, &firewall.vmacs);
        let parts = Parts {
            sets: SETS.map(|set| firewall.guards.needs(set, instances, by_number)),
            reports: [Family::V4, Family::V6].map(|family| firewall.vmacs.needs(family)),
            kinds: true,
        };
        let needed = !parts.is_empty();
        firewall.style = (needed && !is_iptables).then(|| (Style::of(&global.firewall), parts));
        firewall.iptables.want((needed && is_iptables).then_some((&global.firewall, parts)));
    }

    /// Guards the addresses of an instance from the next flush on, or no longer.
    pub(super) fn guard(&mut self, id: InstanceId, on: bool, tell: bool) {
        let Some(instance) = self.routers.instances.get(id.index()) else { return };
        let on = on && is_guarded(instance);
        let firewall = &mut self.firewall;
        // What is missing was told when the kernel refused it.
        let tell = tell && firewall.broken.is_none();
        if firewall.guards.set(id, instance, firewall.by_number, on) && tell {
            report::guard(&instance.config.name, on);
        }
    }

    /// Interfaces changed. Where one came or went, what is about its number follows before a socket on it joins a
    /// group.
    pub(super) fn follow_firewall(&mut self, turn: &mut Turn<'_>, mut changes: impl Iterator<Item = Change>) {
        let numbered = changes.any(|change| matches!(change, Change::Appeared | Change::Vanished));
        let there = self.firewall.there.is_some() || self.firewall.iptables.is_there();
        if numbered && !self.process.stopping && there {
            self.firewall.guards.look_at_all();
            self.firewall.vmacs.doubt();
            self.flush_firewall(turn);
        }
    }

    /// An address of an interface came or went.
    pub(super) fn follow_locals(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        let there = self.firewall.there.is_some();
        if there && !self.process.stopping && self.firewall.vmacs.doubt_locals(link) {
            self.flush_firewall(turn);
        }
    }

    /// Brings the tables in step with what is guarded: one transaction for everything since the last time.
    pub(super) fn flush_firewall(&mut self, turn: &mut Turn<'_>) {
        if self.firewall.iptables.is_wanted() {
            return self.flush_iptables(turn);
        }
        let firewall = &mut self.firewall;
        if firewall.broken.is_some() || (firewall.guards.is_settled() && firewall.vmacs.is_settled()) {
            return;
        }
        let Firewall { guards, vmacs, there: Some((style, parts)), nft: Some(nft), .. } = firewall else {
            return;
        };
        let contents = Contents { guards, vmacs, links: &self.links.table };
        match tables::update(nft, style, *parts, contents) {
            Ok(()) => {
                guards.settled(&self.links.table);
                vmacs.settled(&self.links.table);
            }
            // Somebody changed the sets, and we shall hear of it; packets must not wait for that.
            Err(_) => self.replace_firewall(turn),
        }
    }

    /// Puts everything into the kernel, in the place of what is there.
    fn replace_firewall(&mut self, turn: &mut Turn<'_>) {
        let Some((style, parts)) = self.firewall.style.clone() else { return };
        let renamed = self.firewall.table().is_some_and(|name| name != &*style.name);
        if renamed {
            self.remove_tables(turn);
        }
        if self.firewall.table() != Some(&style.name) {
            self.owns.ledger.guarding(Guarding::Table(&style.name));
        }
        let parts = match self.try_replace(&style, parts) {
            Ok(parts) => parts,
            Err(refused) => return self.firewall_failed(turn, &refused),
        };
        let firewall = &mut self.firewall;
        firewall.guards.settled(&self.links.table);
        firewall.vmacs.settled(&self.links.table);
        firewall.there = Some((style, parts));
        firewall.lost = false;
        if firewall.broken.take().is_some() {
            report::works_again();
        }
        self.watch_firewall(turn);
    }

    /// Which parts are in the kernel then.
    fn try_replace(&mut self, style: &Style, parts: Parts) -> Result<Parts, Refused> {
        self.firewall.open()?;
        let Firewall { guards, vmacs, nft: Some(nft), .. } = &mut self.firewall else {
            return Ok(Parts::default());
        };
        guards.look_at_all();
        vmacs.doubt();
        let contents = Contents { guards, vmacs, links: &self.links.table };
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

    fn firewall_failed(&mut self, turn: &mut Turn<'_>, refused: &Refused) {
        let firewall = &mut self.firewall;
        if firewall.broken.replace(refused.errno) != Some(refused.errno) {
            let guards = firewall.style.as_ref().is_some_and(|(_, parts)| parts.sets.contains(&true));
            report::failed(refused, guards);
        }
        if may_pass(refused.errno) {
            self.arm_retry(turn);
        }
    }

    /// Tries again what failed, or what was put back too often.
    pub(super) fn retry_firewall(&mut self, turn: &mut Turn<'_>) {
        self.retry_iptables(turn);
        if self.firewall.lost || self.firewall.broken.is_some_and(may_pass) {
            self.put_back_firewall(turn);
        }
    }

    /// Somebody else changes tables.
    pub(super) fn hear_firewall(&mut self, turn: &mut Turn<'_>) -> Again {
        let Firewall { watch: Some((watch, _)), there: Some((style, _)), .. } = &mut self.firewall else {
            return Again::Done;
        };
        match watch.read(&style.name) {
            Ok(false) => {}
            Ok(true) if self.process.stopping => {}
            Ok(true) => self.put_back_firewall(turn),
            Err(error) => super::report::kernel_failed("netlink", &error),
        }
        Again::Done
    }

    fn put_back_firewall(&mut self, turn: &mut Turn<'_>) {
        self.firewall.lost = true;
        if self.firewall.again.take(turn.now()).is_none() {
            return self.arm_retry(turn);
        }
        let was_broken = self.firewall.broken.is_some();
        self.replace_firewall(turn);
        if let (Some(table), false) = (self.firewall.table(), was_broken) {
            report::put_back(table);
        }
    }

    fn watch_firewall(&mut self, turn: &mut Turn<'_>) {
        let (Some(nft), None) = (&self.firewall.nft, &self.firewall.watch) else { return };
        let source = Own { kind: kind::FIREWALL, index: 0 };
        let opened = Watch::open(nft.port()).and_then(|watch| {
            let registration = turn.register(watch.as_raw_fd(), source, Interest::Read)?;
            Ok((watch, registration))
        });
        match opened {
            Ok(opened) => self.firewall.watch = Some(opened),
            Err(error) => super::report::kernel_failed("netlink", &error),
        }
    }

    /// Takes everything out of the kernel.
    pub(super) fn remove_firewall(&mut self, turn: &mut Turn<'_>) {
        self.firewall.iptables.want(None);
        self.remove_tables(turn);
        self.remove_iptables();
    }

    fn remove_tables(&mut self, turn: &mut Turn<'_>) {
        if let Some((watch, registration)) = self.firewall.watch.take() {
            turn.deregister(registration);
            drop(watch);
        }
        let firewall = &mut self.firewall;
        let (Some((style, _)), Some(nft)) = (firewall.there.take(), &mut firewall.nft) else { return };
        if let Err(refused) = tables::remove(nft, core::iter::once(&*style.name)) {
            report::stuck(&style.name, &refused);
        }
        if !firewall.iptables.is_wanted() {
            firewall.guards.forget();
            firewall.vmacs.forget();
        }
        self.write_ledger();
    }

    /// Removes tables that a dead child left.
    pub(super) fn remove_left_tables<'a>(&mut self, left: impl Iterator<Item = &'a Box<str>>) {
        for name in left {
            if self.firewall.nft.is_none() && self.firewall.open().is_err() {
                return;
            }
            let Some(nft) = &mut self.firewall.nft else { return };
            report::left_over(name);
            if let Err(refused) = tables::remove(nft, core::iter::once(&**name)) {
                report::stuck(name, &refused);
            }
        }
    }
}

/// Whether the next second may bring what is refused now.
const fn may_pass(errno: Errno) -> bool {
    matches!(errno, Errno::ENOMEM | Errno::ENOBUFS | Errno::EBUSY | Errno::EAGAIN | Errno::EINTR)
}

//! Whether iptables does what a firewall is wanted for, and the life of its rules: put at the start and with a reload,
//! followed from turn to turn, put again where something was in the way or another program took them away, taken away in
//! the end.
//!
//! As in keepalived nftables does it where the program `iptables` makes rules of nftables itself, or is not there, or the
//! kernel does not have its tables.

use super::legacy::plan::Plan;
use super::legacy::report::Reason;
use super::legacy::{Legacy, Trouble, report};
use super::tables::{Contents, Parts};
use super::{Around, Firewall, may_pass};
use crate::base::addr::Family;
use crate::base::limit;
use crate::base::time::Span;
use crate::child::links::Links;
use crate::config::diag::Diagnostics;
use crate::config::model::Model;
use crate::config::model::global::Firewall as Config;
use crate::config::tree::Position;
use crate::sys::xtables::{self, Filter, Program, Refused};
use crate::vrrpd::own::ledger::{Guarding, Ledger, Left};

/// When rules are tried again that another program stood in the way of: it changes its own in some milliseconds.
const SOON: Span = Span::from_millis(20);

/// How often the tables are compared with what they should be: the kernel does not report changes of them.
const LOOK: Span = Span::from_secs(2);

/// What does the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    /// nftables, as nothing else is asked for.
    Nftables,
    /// nftables, although iptables is asked for.
    Instead(Reason),
    /// iptables.
    Iptables,
}

/// What this child has of iptables.
#[derive(Default)]
pub(super) struct Iptables {
    /// What is wanted of it; nothing of nftables then.
    wanted: Option<Plan>,
    /// What is there of it.
    legacy: Option<Legacy>,
    /// What is wrong with the tables, as far as that was logged.
    told: Vec<Trouble>,
}

impl Iptables {
    /// It does the work.
    pub(super) const fn is_wanted(&self) -> bool {
        self.wanted.is_some()
    }

    /// Some of it is in the kernel.
    pub(super) const fn is_there(&self) -> bool {
        self.legacy.is_some()
    }

    /// What a configuration wants of it from now on, if anything.
    pub(super) fn want(&mut self, wanted: Option<(&Config, Parts)>) {
        self.wanted = wanted.map(|(config, parts)| Plan::of(config, parts));
    }

    /// What of it is in the kernel, as the ledger has it.
    pub(super) fn in_kernel(&self) -> impl Iterator<Item = Guarding<'_>> {
        let rules = self.legacy.as_ref().map(|_| Guarding::Rules);
        let sets = self.legacy.iter().flat_map(Legacy::sets).map(Guarding::Ipset);
        rules.into_iter().chain(sets)
    }
}

/// What does the work for a configuration on this machine. `load`: modules of the kernel may be loaded for it, which
/// takes its time.
fn choose(config: &Config, load: bool) -> Choice {
    if config.nftables.is_some() || config.iptables.is_none() {
        return Choice::Nftables;
    }
    match xtables::program(std::env::var_os("PATH").as_deref()) {
        Program::None => return Choice::Instead(Reason::NoProgram),
        Program::Nftables => return Choice::Instead(Reason::NewProgram),
        Program::Legacy => {}
    }
    let probe = || Filter::open(Family::V4).and_then(|filter| filter.probe());
    let mut outcome = probe();
    if outcome == Err(Refused::Unknown) && load {
        xtables::load();
        outcome = probe();
    }
    // Without the right to ask one cannot tell, and a config test may not have it.
    if outcome == Err(Refused::Unknown) { Choice::Instead(Reason::NoTables) } else { Choice::Iptables }
}

/// Whether iptables does the work.
pub(super) fn is_chosen(config: &Config) -> bool {
    choose(config, false) == Choice::Iptables
}

/// Reports where a configuration gets something else than it asks for.
pub fn check(model: &Model, found: &mut Diagnostics) {
    if let Choice::Instead(reason) = choose(&model.global.firewall, true) {
        found.note(Position::default(), report::instead_of_iptables(reason));
    }
}

impl Firewall {
    /// Makes the rules when a child begins, in the place of what a predecessor left.
    pub(super) fn start_iptables(&mut self, around: &mut Around<'_, '_>, left: &Left, config: &Config) {
        if self.iptables.wanted.is_none() {
            return self.remove_left_rules(around.ledger, left, config);
        }
        if left.rules || !left.ipsets.is_empty() {
            self.iptables.legacy = self
                .iptables
                .wanted
                .clone()
                .map(|plan| Legacy::new(plan, around.ledger.number(), &left.ipsets));
        }
        self.put_iptables(around);
    }

    /// Puts everything that is wanted of iptables.
    pub(super) fn put_iptables(&mut self, around: &mut Around<'_, '_>) {
        let Some(plan) = self.iptables.wanted.clone() else { return };
        let number = around.ledger.number();
        let firewall = &mut *self;
        match &mut firewall.iptables.legacy {
            Some(legacy) => legacy.replan(plan),
            place => *place = Some(Legacy::new(plan, number, &[])),
        }
        let names: Vec<Box<str>> =
            firewall.iptables.legacy.iter().flat_map(Legacy::sets).map(Box::from).collect();
        around.ledger.guarding(Guarding::Rules);
        names.iter().for_each(|name| around.ledger.guarding(Guarding::Ipset(name)));
        let firewall = &mut *self;
        firewall.guards.look_at_all();
        if let Some(legacy) = &mut firewall.iptables.legacy {
            legacy.put(Contents { guards: &firewall.guards, vmacs: &firewall.vmacs, links: around.links });
        }
        self.settle_iptables(around.links);
        self.outcome.ledger = true;
    }

    /// Brings rules or sets in step with what is guarded.
    pub(super) fn flush_iptables(&mut self, around: &mut Around<'_, '_>) {
        let firewall = &mut *self;
        // A macvlan goes by its name, which is there before it is.
        firewall.vmacs.settled(around.links);
        let Some(legacy) = firewall.iptables.legacy.as_mut().filter(|_| !firewall.guards.is_settled()) else {
            return;
        };
        let contents = Contents { guards: &firewall.guards, vmacs: &firewall.vmacs, links: around.links };
        if legacy.has_sets() {
            match legacy.update(contents) {
                Ok(()) => firewall.guards.settled(around.links),
                // Another program changed the sets.
                Err(_) => self.put_iptables(around),
            }
            return;
        }
        legacy.put_rules(contents);
        self.settle_iptables(around.links);
    }

    /// Logs what is wrong, and arms what may help.
    fn settle_iptables(&mut self, links: &Links) {
        let firewall = &mut *self;
        firewall.guards.settled(links);
        firewall.vmacs.settled(links);
        let Some(legacy) = &firewall.iptables.legacy else { return };
        let troubles = legacy.troubles();
        troubles.iter().filter(|one| !firewall.iptables.told.contains(one)).for_each(report::trouble);
        let busy = legacy.is_busy();
        if !busy {
            if firewall.iptables.told.iter().any(passes) && !troubles.iter().any(passes) {
                report::iptables_work_again();
            }
            firewall.iptables.told = troubles.to_vec();
        }
        let again = troubles.iter().any(passes);
        if busy {
            self.try_again(SOON);
        } else if again {
            self.try_again(limit::KERNEL_RETRY);
        } else {
            self.try_again(LOOK);
        }
    }

    /// Tries again what something stood in the way of.
    pub(super) fn retry_iptables(&mut self, around: &mut Around<'_, '_>) {
        if self.iptables.wanted.is_none() {
            return self.drop_iptables();
        }
        let Some(legacy) = &self.iptables.legacy else { return };
        let waits = legacy.is_busy() || legacy.troubles().iter().any(passes);
        if !waits && legacy.is_as_left() {
            return self.try_again(LOOK);
        }
        self.put_iptables(around);
        if !waits && self.iptables.legacy.as_ref().is_some_and(Legacy::wrote) {
            report::rules_put_back();
        }
    }

    /// Takes rules and sets out of the kernel.
    pub(super) fn remove_iptables(&mut self) {
        self.try_remove_iptables(true);
    }

    /// The same while instances run, which must not wait: another program's turn is let pass.
    pub(super) fn drop_iptables(&mut self) {
        if !self.try_remove_iptables(false) {
            self.try_again(SOON);
        }
    }

    fn try_remove_iptables(&mut self, patient: bool) -> bool {
        let Some(mut legacy) = self.iptables.legacy.take() else { return true };
        if !legacy.remove(patient) {
            self.iptables.legacy = Some(legacy);
            return false;
        }
        legacy.troubles().iter().for_each(report::trouble_in_the_end);
        self.iptables.told.clear();
        self.outcome.ledger = true;
        true
    }

    /// Removes what a dead child left, where nothing of it is wanted.
    pub(in crate::vrrpd) fn remove_left_rules(&mut self, ledger: &Ledger, left: &Left, config: &Config) {
        if !left.rules && left.ipsets.is_empty() {
            return;
        }
        report::left_over_rules();
        let plan = Plan::of(config, Parts::default());
        self.iptables.legacy = Some(Legacy::new(plan, ledger.number(), &left.ipsets));
        self.remove_iptables();
    }
}

/// Whether the next second may bring what is missing now: another program makes the chain, or the kernel finds memory.
const fn passes(trouble: &Trouble) -> bool {
    match trouble {
        Trouble::Chain(..) => true,
        Trouble::Rules(_, Refused::Kernel(errno)) => may_pass(*errno),
        Trouble::Rules(_, _) | Trouble::Set(..) => false,
    }
}

//! The firewall, composed with the instances whose addresses take no packets, with the interfaces and with the ledger.

use crate::base::id::{InstanceId, LinkId};
use crate::child::links::Change;
use crate::daemon::reactor::Turn;
use crate::proto::vrrp::State;
use crate::vrrpd::firewall::{Around, Firewall, Outcome};
use crate::vrrpd::own::ledger::Left;
use crate::vrrpd::run::Vrrp;

impl Vrrp {
    /// Makes the tables, in the place of what a predecessor left. `goes_on`: a MASTER that stays one.
    pub(super) fn start_firewall(
        &mut self,
        turn: &mut Turn<'_>,
        left: &Left,
        goes_on: impl Fn(InstanceId) -> bool,
    ) {
        self.plan_firewall();
        self.firewall.log_choice(&self.model.global.firewall);
        for id in self.ids() {
            self.guard(id, goes_on(id), false);
        }
        let model = self.model.clone();
        if self.with_firewall(turn, |firewall, around| firewall.start(around, left, &model.global.firewall)) {
            self.forget_left_firewall();
        }
    }

    /// Follows a reload. `kept`: which of the instances of before each one is.
    pub(super) fn renew_firewall(&mut self, turn: &mut Turn<'_>, kept: &[Option<InstanceId>]) {
        let was_on: Vec<bool> =
            kept.iter().map(|old| old.is_some_and(|old| self.firewall.is_on(old))).collect();
        self.plan_firewall();
        for id in self.ids() {
            let master = self.instance(id).is_some_and(|it| it.router.state() == State::Master);
            self.guard(id, master, false);
            if let Some(instance) = self.routers.instances.get(id.index()) {
                let was = was_on.get(id.index()) == Some(&true);
                self.firewall.log_renewed(id, instance, was);
            }
        }
        self.with_firewall(turn, Firewall::renew);
    }

    fn plan_firewall(&mut self) {
        self.firewall.plan(&self.model.global, &self.routers.instances, self.owns.list());
    }

    /// Guards the addresses of an instance from the next flush on, or no longer.
    pub(super) fn guard(&mut self, id: InstanceId, on: bool, log: bool) {
        if let Some(instance) = self.routers.instances.get(id.index()) {
            self.firewall.guard(id, instance, on, log);
        }
    }

    /// Interfaces changed.
    pub(super) fn follow_firewall(&mut self, turn: &mut Turn<'_>, changes: impl Iterator<Item = Change>) {
        if !self.process.stopping {
            self.with_firewall(turn, |firewall, around| firewall.follow(around, changes));
        }
    }

    /// An address of an interface came or went.
    pub(super) fn follow_locals(&mut self, turn: &mut Turn<'_>, link: LinkId) {
        if !self.process.stopping {
            self.with_firewall(turn, |firewall, around| firewall.follow_locals(around, link));
        }
    }

    /// Brings the tables in step with what is guarded: one transaction for everything since the last time.
    pub(super) fn flush_firewall(&mut self, turn: &mut Turn<'_>) {
        self.with_firewall(turn, Firewall::flush);
    }

    /// Tries again what failed, or what was put back too often.
    pub(super) fn retry_firewall(&mut self, turn: &mut Turn<'_>) {
        self.with_firewall(turn, Firewall::retry);
    }

    /// Somebody else changes tables.
    pub(super) fn hear_firewall(&mut self, turn: &mut Turn<'_>) {
        let stopping = self.process.stopping;
        self.with_firewall(turn, |firewall, around| firewall.hear(around, stopping));
    }

    /// Takes everything out of the kernel.
    pub(super) fn remove_firewall(&mut self, turn: &mut Turn<'_>) {
        self.with_firewall(turn, |firewall, around| firewall.remove(around.turn));
    }

    /// Takes what a dead child left of the firewall out of the kernel, where nothing of it is wanted.
    pub(super) fn remove_left_firewall(&mut self, left: &Left) {
        self.firewall.remove_left_tables(left.tables.iter());
        self.firewall.remove_left_rules(&self.owns.ledger, left, &self.model.global.firewall);
        // The ledger is written when all that was left is gone.
        self.firewall.take_outcome();
        self.forget_left_firewall();
    }

    /// Does something with the firewall, and then what is left to do.
    fn with_firewall<T>(
        &mut self,
        turn: &mut Turn<'_>,
        work: impl FnOnce(&mut Firewall, &mut Around<'_, '_>) -> T,
    ) -> T {
        let links = &self.links.table;
        let done =
            work(&mut self.firewall, &mut Around { turn: &mut *turn, links, ledger: &mut self.owns.ledger });
        let Outcome { again, ledger } = self.firewall.take_outcome();
        if let Some(wait) = again {
            self.arm_retry_in(turn, wait);
        }
        if ledger {
            self.write_ledger();
        }
        done
    }
}

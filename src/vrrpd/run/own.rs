//! The interfaces of this child's own, composed with what hangs on them: settings, the ledger, the next try.

use crate::base::id::LinkId;
use crate::child::links::Change;
use crate::daemon::reactor::Turn;
use crate::vrrpd::own::ledger::Left;
use crate::vrrpd::own::plan::Plan;
use crate::vrrpd::run::Vrrp;

impl Vrrp {
    /// An interface changed: the interfaces of our own that lie on it follow, and one of our own is mended or made anew.
    /// The change that is still to be seen to; none: everything is about to be listed again.
    pub(super) fn follow_owns(
        &mut self,
        turn: &mut Turn<'_>,
        link: LinkId,
        change: Change,
    ) -> Option<Change> {
        let (now, stopping) = (turn.now(), self.process.stopping);
        let (links, commands) = (&mut self.links.table, &mut self.items.commands);
        let change = self.owns.follow(now, links, commands, (link, change), stopping)?;
        if change == Change::Vanished {
            if self.owns.lacks_one(&self.links.table) {
                self.arm_retry(turn);
            }
            if self.owns.leave_base(&self.links.table, &mut self.items.commands, link) {
                self.tidy();
            }
        }
        Some(change)
    }

    /// Interfaces that a predecessor made and the model does not want are removed, and the settings that it changed for
    /// them are put back.
    pub(super) fn remove_left_owns(&mut self, left: &Left) {
        self.owns.remove_left(&self.links.table, &mut self.items.commands, left);
        self.tidy();
    }

    /// After a reload: the interfaces of the new model take the place of those of the old one.
    pub(super) fn replace_owns(&mut self, plan: Plan) {
        self.owns.replace(&self.links.table, &mut self.items.commands, plan);
        self.tidy();
    }

    /// Removes every interface of our own and restores what was changed.
    pub(super) fn remove_owns(&mut self) {
        self.owns.remove(&self.links.table, &mut self.items.commands);
        self.write_ledger();
    }

    /// Lets interfaces keep their other addresses when the first one goes, where an instance asks for that.
    pub(super) fn promote_secondaries(&mut self) {
        for instance in self.routers.instances.iter().filter(|it| it.config.promote_secondaries) {
            if let Some(link) = instance.links.own {
                self.owns.promote_secondaries(&self.links.table, link);
            }
        }
    }

    /// Stops reports of membership in 224.0.0.0/24 where the configuration asks for that.
    pub(super) fn stop_local_reports(&mut self) {
        if self.model.global.vrrp.disable_local_igmp {
            self.owns.stop_local_reports(&self.links.table);
        }
    }

    /// Puts back the settings that nobody needs any more, and forgets them on disk.
    pub(super) fn tidy(&mut self) {
        let promoting = self.routers.instances.iter().filter(|it| it.config.promote_secondaries);
        let promoting: Vec<LinkId> = promoting.filter_map(|it| it.links.own).collect();
        let silent = self.model.global.vrrp.disable_local_igmp;
        self.owns.restore(&self.links.table, &promoting, silent);
        self.write_ledger();
    }

    /// What a predecessor had of the firewall is replaced or gone.
    pub(super) fn forget_left_firewall(&mut self) {
        if self.owns.ledger.disinherit() {
            self.write_ledger();
        }
    }

    /// Notes which notify FIFOs have been made and are there.
    pub(super) fn note_fifos(&mut self) {
        self.owns.ledger.fifos(self.notifies.alerts.fifos.made());
    }

    /// Writes the ledger anew.
    pub(super) fn write_ledger(&mut self) {
        self.owns.write_ledger(&self.links.table, self.firewall.in_kernel());
    }
}

//! The kernel's table at work: opened, looked at from time to time, and recorded in a file for a later daemon.

use super::Checkers;
use super::facts::log;
use crate::base::id::ServiceId;
use crate::base::limit;
use crate::checkd::kept::{quorum_key, service_key};
use crate::checkd::slots::Slot;
use crate::checkd::table::Looked;
use crate::daemon::reactor::Turn;
use crate::proto::lvs::Look;

impl Checkers {
    /// The next look at the table.
    pub(super) fn arm_table(&self, turn: &mut Turn<'_>) {
        let (table, now) = (&self.lvs.table, turn.now());
        let at = match table.waits_until() {
            Some(due) => due.max(now),
            None if table.is_looking() || !self.lvs.is_settled() => now,
            None => table.next_look(now),
        };
        turn.set_deadline(self.layout.number(Slot::Table), Some(at));
    }

    /// Looks whether somebody else deleted what is ours; where there was no IPVS, whether there is now. Sync daemons that
    /// the kernel refused are tried again.
    pub(super) fn look_at_table(&mut self, turn: &mut Turn<'_>) {
        if self.lvs.table.open(false) {
            self.begin_table(turn, Look::Start);
            self.settle_marking(turn);
        } else if !self.lvs.is_settled() {
            // More is to be done than one turn does.
            self.settle(turn);
        } else if self.compare_table(turn, (Look::Running, limit::LVS_SERVICES_PER_LOOK)) == Looked::Over {
            self.settle(turn);
            self.settle_sync();
            self.lvs.marking.retry(turn);
        }
        self.arm_table(turn);
    }

    /// The model says which packets to groups get which mark.
    pub(super) fn load_marking(&mut self) {
        let ranges = self.lvs.places.marked(&self.model);
        self.lvs.marking.load(&self.model, ranges);
    }

    /// Packets to groups get their marks, where the kernel has services for them.
    pub(super) fn settle_marking(&mut self, turn: &mut Turn<'_>) {
        if self.lvs.table.ipvs.is_some() {
            self.lvs.marking.settle(turn);
        }
    }

    /// After the start, or when the kernel has IPVS at last: the table is compared with what is wanted, and made so. For
    /// load time.
    pub(super) fn begin_table(&mut self, turn: &mut Turn<'_>, how: Look) {
        self.compare_table(turn, (how, usize::MAX));
        self.lvs.table.set_timeouts(&self.model);
        self.settle_all(turn);
        self.exchange_sync();
    }

    /// The sync daemons are made what is wanted.
    fn exchange_sync(&mut self) {
        if let Some(ipvs) = &mut self.lvs.table.ipvs {
            self.lvs.sync.adopt(ipvs);
        }
        self.settle_sync();
    }

    /// After a reload: what is known to differ is changed at once, and then the table is looked at. Where it is not as this
    /// process knows it, the kernel refuses a change, and the look shows the rest.
    pub(super) fn reload_table(&mut self, turn: &mut Turn<'_>) {
        self.lvs.table.forget_look();
        if self.lvs.table.open(true) {
            // A table that was not there until now has nothing of this process.
            return self.begin_table(turn, Look::Start);
        }
        self.lvs.table.set_timeouts(&self.model);
        self.settle(turn);
        self.exchange_sync();
        turn.set_deadline(self.layout.number(Slot::Table), Some(turn.now()));
    }

    /// Tells the director what the kernel has.
    fn compare_table(&mut self, turn: &Turn<'_>, look: (Look, usize)) -> Looked {
        let lvs = &mut self.lvs;
        let (model, places) = (&self.model, &lvs.places);
        lvs.table.look(turn.now(), &mut lvs.director, look, &mut |fact| log(model, places, &fact))
    }

    /// Writes which entries are ours from now on. Before the table is changed this names what is about to be ours too, so
    /// that a crash in between leaves nothing that nobody knows of; afterwards, what has left is named no more.
    pub(super) fn write_ledger(&mut self) {
        self.lvs.ledger.write(&self.lvs.director, self.lvs.marking.name());
    }

    /// Starts and stops sync daemons.
    pub(super) fn settle_sync(&mut self) {
        if let Some(ipvs) = &mut self.lvs.table.ipvs {
            self.lvs.sync.settle(ipvs);
        }
    }

    /// Notes for a successor whether a virtual server has quorum; `settled`: the kernel has what follows from that.
    pub(super) fn keep_quorum(&mut self, id: ServiceId, settled: bool) {
        let (Some(note), Some(service)) =
            (self.lvs.notes.get_mut(id.index()), self.model.services.get(id.index()))
        else {
            return;
        };
        let key = quorum_key(service_key(service, self.lvs.places.order(id.0), None));
        let mark = self.lvs.places.mark(id.0).unwrap_or(0);
        self.kept.keep.put(note, key, [self.lvs.director.service_word(id, settled), u64::from(mark), 0]);
    }
}

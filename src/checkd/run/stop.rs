//! The stop: checks end, the table is emptied of what is ours, scripts are told where they want to be.

use super::Checkers;
use crate::base::exit::Exit;
use crate::base::id::ServiceId;
use crate::checkd::notifies::{NotifyId, Notifying};
use crate::checkd::services::count;
use crate::checkd::slots::Slot;
use crate::child::role::patience;
use crate::config::model::global::Flush;
use crate::daemon::reactor::Turn;
use crate::notify::Subject;
use crate::proto::check::Actions;
use crate::proto::lvs::Stop;

impl Checkers {
    /// Leaves everything in order.
    pub(super) fn stop(&mut self, turn: &mut Turn<'_>) {
        if !self.process.begin_stop(turn) {
            return;
        }
        // What this turn has brought comes first.
        self.settle_all(turn);
        for id in self.machines() {
            let mut out = Actions::new();
            if let Some(check) = self.checks.get_mut(id) {
                check.machine.stop(turn.now(), &mut out);
            }
            self.carry_out(turn, id, &out);
            turn.set_deadline(self.layout.number(Slot::Check(id)), None);
        }
        self.checks.forbid_pings();
        self.cut_notifies_short(turn);
        let how = match (self.process.keep_on_stop, self.model.global.lvs.flush_on_stop) {
            (true, _) | (false, Some(Flush::All)) => Stop::Keep,
            (false, None | Some(Flush::Own)) => Stop::Remove,
        };
        if self.model.global.lvs.flush_on_stop == Some(Flush::All) && !self.process.keep_on_stop {
            self.lvs.table.flush();
        }
        if !self.process.keep_on_stop {
            self.lvs.marking.remove(turn);
        }
        let servers = self.model.services.iter().map(|service| service.servers.len()).sum();
        self.lvs.facts.reserve_for_stop(self.model.services.len(), servers);
        for id in (0..self.model.services.len()).map(ServiceId::at) {
            let facts = &mut self.lvs.facts;
            self.lvs.director.stop(id, how, &mut |fact| facts.push(fact, None));
        }
        self.settle_all(turn);
        if !self.process.keep_on_stop
            && let Some(ipvs) = &mut self.lvs.table.ipvs
        {
            self.lvs.sync.stop(ipvs);
        }
        if !self.process.keep_on_stop {
            self.lvs.ledger.remove();
        }
        self.finish_status(turn);
        let places = self.alert_places();
        self.notifies.alerts.finish(turn, places);
        self.notifies.alerts.keep_fifos(&self.kept.keep);
        let patience = patience(&self.model.daemon);
        turn.set_deadline(self.layout.number(Slot::Stop), Some(turn.now() + patience));
        self.stop_if_idle(turn);
    }

    /// Scripts that run are told to end; those that the stop brings about come after them.
    fn cut_notifies_short(&mut self, turn: &mut Turn<'_>) {
        for (position, object) in self.scripted.iter_mut().enumerate() {
            let key = NotifyId(count(position));
            let slot = self.layout.number(Slot::Notify(key));
            let word = object.word();
            let subject = Subject { word, name: &object.name };
            Notifying { key, subject, notifier: &mut object.notifier, slot }.cut_short(turn);
        }
        let slot = self.layout.number(Slot::Retired);
        self.notifies.cut_retired_short(turn, slot);
    }

    /// Ends the loop if nothing is awaited any more.
    pub(super) fn stop_if_idle(&self, turn: &mut Turn<'_>) {
        if !self.process.stopping {
            return;
        }
        let scripts = self.scripted.iter().any(|object| object.notifier.is_busy());
        let programs = self.checks.all.iter().flatten().any(|check| check.pid().is_some());
        let programs = programs || !self.checks.leaving.is_empty();
        if !scripts && !programs && !self.notifies.is_busy() {
            turn.stop(Exit::Ok);
        }
    }

    /// The patience with scripts that were told to end is over.
    pub(super) fn stop_now(&mut self, turn: &mut Turn<'_>) {
        self.notifies.scripts.kill();
        turn.stop(Exit::Ok);
    }
}

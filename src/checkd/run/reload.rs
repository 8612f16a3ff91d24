//! A reload: what did not change goes on as it is. A check that is defined as before keeps its machine, its socket and its
//! phase, whichever servers it is for; a server keeps its state, and the kernel's table what is wanted of it as before.

use std::sync::Arc;

use super::Checkers;
use super::facts::log;
use super::start::fill;
use crate::base::id::{CheckId, MachineId};
use crate::base::map::Map;
use crate::checkd::checks::Check;
use crate::checkd::checks::prepared::Prepared;
use crate::checkd::checks::sharing::{Definitions, Place, places};
use crate::checkd::kept::service_key;
use crate::checkd::notifies::{NotifyId, Purpose, Scripted};
use crate::checkd::report;
use crate::checkd::services::{Named, Places, count, marks};
use crate::checkd::slots::Slot;
use crate::checkd::unusable::remove_checks;
use crate::child::bracket::Reloads;
use crate::config::Model;
use crate::daemon::keep::Note;
use crate::daemon::log::together;
use crate::daemon::reactor::Turn;
use crate::notify::{Resolver, Subject};
use crate::proto::check::{Actions, GRACE, Start};
use crate::proto::lvs::{CheckStart, Director, Fact};
use crate::sys::file;

/// The machines of the checks of a new model, in the order of its checks.
struct Plan {
    /// For each check of the new model the machine of before that it goes on with.
    carried: Vec<Option<MachineId>>,
    /// For each check of the old model its machine.
    before: Vec<Option<MachineId>>,
    /// For each machine whether it goes on.
    stays: Vec<bool>,
}

impl Reloads for Checkers {
    fn model(&self) -> Arc<Model> {
        Arc::clone(&self.model)
    }

    fn go_over(&mut self, turn: &mut Turn<'_>, mut model: Box<Model>) {
        let resolver = Resolver::new(&model.global);
        remove_checks(&mut model, &resolver);
        let model = Arc::new(*model);
        // What was brought about before counts before.
        self.settle_all(turn);
        self.finish_status(turn);
        let mut new_places = Places::new(&model);
        self.lvs.marks = marks(&model, &new_places, Some(&self.lvs.marks));
        new_places.give_marks(&model, &mut self.lvs.marks);
        let plan = self.plan(&model, &new_places);
        self.exchange_services(turn, &model, new_places, &plan);
        let old = core::mem::replace(&mut self.model, model);
        drop(old);
        self.exchange_checks(turn, &plan, &resolver);
        self.repeat_verdicts();
        self.exchange_scripts(turn, &resolver);
        self.make_room(turn);
        self.load_alerts(turn, &resolver);
        self.rearm(turn);
        self.lvs.sync.load(&self.model);
        report::initializing(true);
        self.load_marking();
        self.write_ledger();
        self.lvs.gives_up = self.lvs.director.gives_up();
        self.arm_table(turn);
        self.reload_table(turn);
        self.settle_marking(turn);
        self.load_files(turn, true);
        self.arm_files(turn);
        self.load_addresses(turn);
        self.begin_checks(turn, |id| plan.stays.get(id.index()) != Some(&true));
        self.retain_notes();
        self.status.load(&self.model);
    }
}

impl Checkers {
    /// Which machines go on.
    fn plan(&self, model: &Model, new_places: &Places) -> Plan {
        let old = &*self.model;
        let (mut definitions, mut before) = (Definitions::default(), Vec::new());
        before.resize(self.lvs.places.checks(), None);
        for (check, id) in self.checks.all.iter().zip((0..).map(MachineId)) {
            let Some(check) = check else { continue };
            definitions.enter(old, check.place, id);
            for Place { service, server, checker } in check.places() {
                let of_server = self.lvs.places.check(service, server, checker);
                if let Some(machine) = before.get_mut(of_server.index()) {
                    *machine = Some(id);
                }
            }
        }
        let share = !model.global.lvs.no_shared_checks;
        let mut stays = vec![false; self.checks.all.len()];
        let mut carried = Vec::with_capacity(new_places.checks());
        for place in places(model) {
            let mut free = |id: MachineId| share || stays.get(id.index()).is_some_and(|stays| !stays);
            let found = definitions.find(old, (place, model), &mut free);
            if let Some(stays) = found.and_then(|id| stays.get_mut(id.index())) {
                *stays = true;
            }
            carried.push(found);
        }
        Plan { carried, before, stays }
    }

    /// The director goes over to the services of the new model. What is gone is told with the names of before.
    fn exchange_services(&mut self, turn: &mut Turn<'_>, model: &Model, new_places: Places, plan: &Plan) {
        let mut director = Director::default();
        fill(&mut director, model, &new_places);
        self.lvs.by_hand.weigh(&mut director, model, &new_places);
        let mut same = |old: CheckId, new: CheckId| {
            let machine = plan.carried.get(new.index()).copied().flatten();
            machine.is_some() && plan.before.get(old.index()).copied().flatten() == machine
        };
        {
            let (lvs, now) = (&mut self.lvs, turn.now());
            let (model, places) = (&self.model, &lvs.places);
            lvs.table.give_back(now, &mut lvs.director, &mut |fact| log(model, places, &fact));
        }
        let (mut gone, facts) = (Vec::new(), &mut self.lvs.facts);
        director.follow(&mut self.lvs.director, &mut same, &mut || turn.answer_hellos(), &mut |fact| {
            match fact {
                Fact::RealGone { .. } | Fact::ServiceGone { .. } => gone.push(fact),
                fact => facts.push(fact, None),
            }
        });
        let lines = together();
        for fact in &gone {
            log(&self.model, &self.lvs.places, fact);
            self.tell_gone(fact);
        }
        drop(lines);
        self.exchange_notes(model, &new_places);
        self.lvs.director = director;
        self.lvs.places = new_places;
    }

    /// FIFOs are told of what is gone and was up.
    fn tell_gone(&mut self, fact: &Fact) {
        let (model, places) = (&self.model, &self.lvs.places);
        let fifos = &mut self.notifies.alerts.fifos;
        match *fact {
            Fact::RealGone { real, up: true } => {
                if let Some((named, server)) = Named::with_server(model, places, real) {
                    fifos.line(format_args!("RS {} {} DOWN", named.server_name(server), named.name()));
                }
            }
            Fact::ServiceGone { service, quorum: true } => {
                if let Some(named) = Named::of(model, places, service) {
                    fifos.line(format_args!("VS {} DOWN", named.name()));
                }
            }
            _ => {}
        }
    }

    /// The notes of services that go on stay theirs.
    fn exchange_notes(&mut self, model: &Model, new_places: &Places) {
        let key = |model: &Model, places: &Places, position: u32| {
            let service = model.services.get(position as usize)?;
            Some(service_key(service, places.order(position), None))
        };
        let mut known: Map<u64, Note> = Map::new();
        for (note, position) in self.lvs.notes.iter().zip(0_u32..) {
            if let Some(key) = key(&self.model, &self.lvs.places, position) {
                known.insert(key, *note);
            }
        }
        let notes = (0..count(model.services.len())).map(|position| {
            key(model, new_places, position).and_then(|key| known.remove(&key)).unwrap_or(Note::NONE)
        });
        self.lvs.notes = notes.collect();
    }

    /// Machines that go on find their places in the new model; the others end, and new ones begin.
    fn exchange_checks(&mut self, turn: &mut Turn<'_>, plan: &Plan, resolver: &Resolver) {
        let (model, now) = (Arc::clone(&self.model), turn.now());
        self.end_checks(turn, plan);
        let mut placed = vec![false; self.checks.all.len()];
        let (mut definitions, mut free, mut prepared) = (Definitions::default(), 0, Prepared::default());
        let share = !model.global.lvs.no_shared_checks;
        for (place, carried) in places(&model).into_iter().zip(&plan.carried) {
            if let Some(id) = carried {
                let first =
                    placed.get_mut(id.index()).is_some_and(|placed| !core::mem::replace(placed, true));
                if let Some(check) = self.checks.get_mut(*id) {
                    if first {
                        check.place = place;
                        check.shared.clear();
                        // Who runs programs may be another user now, and certificates others.
                        check.resolve(&model, resolver, &mut prepared);
                    } else {
                        check.shared.push(place);
                    }
                }
                continue;
            }
            let known = definitions.find(&model, (place, &model), &mut |_| share);
            if let Some(check) = known.and_then(|id| self.checks.get_mut(id)) {
                check.shared.push(place);
                continue;
            }
            let of_server = self.lvs.places.check(place.service, place.server, place.checker);
            let start = match self.lvs.director.check_start(of_server) {
                CheckStart::Fresh => Start::Fresh,
                CheckStart::Failed => Start::Failed,
                CheckStart::Known | CheckStart::Trusted => Start::Trusted,
            };
            let made = Check::new(now, &model, place, start, file::random(), resolver, &mut prepared);
            let Some(check) = made else { continue };
            let id = self.checks.insert(&mut free, check);
            definitions.enter(&model, place, id);
            turn.answer_hellos();
        }
    }

    /// A check that goes on may be for a server that is new: the director hears what the check says.
    fn repeat_verdicts(&mut self) {
        let lvs = &mut self.lvs;
        for check in self.checks.all.iter().flatten() {
            for place in check.places() {
                let id = lvs.places.check(place.service, place.server, place.checker);
                let facts = &mut lvs.facts;
                let mut tell = |fact| facts.push(fact, Some(place));
                lvs.director.verdict(id, check.machine.is_up(), &mut tell);
                lvs.director.weigh(id, check.machine.weight(), &mut tell);
            }
        }
    }

    /// Ends the checks that nobody wants any more.
    fn end_checks(&mut self, turn: &mut Turn<'_>, plan: &Plan) {
        for (id, stays) in self.machines().zip(&plan.stays) {
            let Some(check) = self.checks.get_mut(id).filter(|_| !stays) else { continue };
            let mut out = Actions::new();
            check.machine.stop(turn.now(), &mut out);
            self.carry_out(turn, id, &out);
            turn.set_deadline(self.layout.number(Slot::Check(id)), None);
            self.notifies.scripts.rename(|purpose| match purpose {
                Purpose::Own(of) if of == id => Purpose::Nothing,
                other => other,
            });
            if let Some(mut check) = self.checks.remove(turn, id) {
                if let Some(pid) = check.pid() {
                    self.checks.leaving.add(pid, turn.now() + GRACE);
                }
                self.kept.keep.forget(&mut check.note);
            }
        }
    }

    /// Scripts that run or wait go on with the objects of the new model that are called as before; those of objects that
    /// are gone run to their end.
    fn exchange_scripts(&mut self, turn: &mut Turn<'_>, resolver: &Resolver) {
        let mut fresh = Scripted::all(&self.model, &self.lvs.places, resolver);
        let before = core::mem::take(&mut self.scripted);
        let mut by_key: Map<u64, usize> = Map::new();
        for (position, object) in fresh.iter().enumerate() {
            by_key.insert(object.key, position);
        }
        let mut renamed = vec![None; before.len()];
        let slot = self.layout.number(Slot::Retired);
        for (object, number) in before.into_iter().zip(0_u32..) {
            let position = by_key.get(&object.key).copied();
            let old_slot = self.layout.number(Slot::Notify(NotifyId(number)));
            turn.set_deadline(old_slot, None);
            if let Some((new, position)) =
                position.and_then(|position| Some((fresh.get_mut(position)?, position)))
            {
                if let Some(renamed) = renamed.get_mut(number as usize) {
                    *renamed = Some(NotifyId(count(position)));
                }
                new.notifier.inherit(*object.notifier);
                continue;
            }
            let (key, word) = (NotifyId(number), object.word());
            let subject = Subject { word, name: &object.name };
            self.notifies.retire(turn, slot, key, subject, Some(object.notifier));
        }
        self.notifies.scripts.rename(|purpose| match purpose {
            Purpose::Notify(id) => {
                let new = renamed.get(id.0 as usize).copied().flatten();
                new.map_or(Purpose::Nothing, Purpose::Notify)
            }
            other => other,
        });
        self.scripted = fresh;
    }

    /// Deadlines of what goes on, after the slots were laid out anew.
    fn rearm(&mut self, turn: &mut Turn<'_>) {
        self.kill_leaving(turn);
        for id in (0..count(self.scripted.len())).map(NotifyId) {
            let at = self.scripted.get(id.0 as usize).and_then(|object| object.notifier.poll_at());
            turn.set_deadline(self.layout.number(Slot::Notify(id)), at);
            self.advance_notify(turn, id);
        }
        let slot = self.layout.number(Slot::Retired);
        self.notifies.advance_retired(turn, slot);
    }
}

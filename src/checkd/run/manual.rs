//! Weights that an administrator gives real servers by hand: stronger than the configuration and the checks, through
//! reloads, until they are taken back.

#[cfg(feature = "status")]
use std::fs::File;
#[cfg(feature = "status")]
use std::io::Write;

#[cfg(feature = "status")]
use super::Checkers;
use crate::base::id::{RealId, ServiceId};
use crate::checkd::services::{Named, Places};
use crate::config::Model;
use crate::config::model::service::RealServer;
#[cfg(feature = "status")]
use crate::daemon::ipc::{About, Answered, Question, ToParent};
use crate::daemon::manual::{Change, What};
#[cfg(feature = "status")]
use crate::daemon::reactor::Turn;
use crate::daemon::record::key_of;
use crate::proto::lvs::Director;

/// The weights, oldest first: of two that are about one server the later one counts.
#[derive(Default)]
pub(super) struct ByHand(Vec<Change>);

impl ByHand {
    /// Those of what was changed before this process began.
    pub(super) fn new(mut changes: Vec<Change>) -> Self {
        changes.retain(|change| change.what == What::Weight);
        Self(changes)
    }

    /// Gives a director that has not started yet the weights. For load time: allocates.
    pub(super) fn weigh(&self, director: &mut Director, model: &Model, places: &Places) {
        for change in &self.0 {
            for real in called(model, places, change) {
                director.weigh_by_hand(real, Some(change.value), &mut |_| ());
            }
        }
    }
}

/// The real servers that a change is about.
fn called(model: &Model, places: &Places, change: &Change) -> Vec<RealId> {
    let mut found = Vec::new();
    for id in (0..model.services.len()).map(ServiceId::at) {
        let Some(named) = Named::of(model, places, id) else { continue };
        let is_it = change.service == 0 || named.is_called(change.service);
        if !is_it {
            continue;
        }
        for (server, number) in named.service.servers.iter().zip(0..) {
            if is_called(named, server, change.key) {
                found.push(places.real(id.0, number));
            }
        }
    }
    found
}

/// Whether a real server goes by the name with this key: as in status, or shorter.
fn is_called(named: Named<'_>, server: &RealServer, key: u64) -> bool {
    let (addr, port) = (server.addr, server.port);
    [key_of(&named.server_name(server)), key_of(&format_args!("[{addr}]:{port}"))].contains(&key)
        || [key_of(&format_args!("{addr}:{port}")), key_of(&addr)].contains(&key)
}

#[cfg(feature = "status")]
impl Checkers {
    /// Does what a client asks for, and writes what came of it.
    pub(super) fn weigh_by_hand(&mut self, turn: &mut Turn<'_>, question: Question, file: &mut File) {
        let on = question.about == About::Change { what: What::Weight, on: true };
        let change = Change {
            what: What::Weight,
            key: question.name.unwrap_or(0),
            service: question.service.unwrap_or(0),
            value: question.value,
            passing: question.passing,
        };
        let found = called(&self.model, &self.lvs.places, &change);
        let weight = on.then_some(question.value);
        let lvs = &mut self.lvs;
        for real in &found {
            let facts = &mut lvs.facts;
            lvs.director.weigh_by_hand(*real, weight, &mut |fact| facts.push(fact, None));
        }
        let replaced =
            |other: &Change| other.key == change.key && [0, other.service].contains(&change.service);
        lvs.by_hand.0.retain(|other| !replaced(other));
        if on {
            lvs.by_hand.0.push(change);
        }
        // The kernel has it before the client is told so.
        self.settle(turn);
        let count = found.len();
        let written = match weight {
            Some(0) => writeln!(file, "{count} real servers get no new connections; 'enable' ends that."),
            Some(weight) => writeln!(file, "{count} real servers have weight {weight}; 'enable' ends that."),
            None => writeln!(file, "{count} real servers have their own weights again."),
        };
        let how = match written {
            Err(_) => Answered::Failed,
            Ok(()) if found.is_empty() => Answered::Nothing,
            Ok(()) => Answered::Whole,
        };
        turn.report(ToParent::Answered(question.number, how));
    }
}

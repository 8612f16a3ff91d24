//! What the subagent is given: the rows of the children's objects when it wants them, and each transition. What somebody sets
//! over it goes to the child concerned.

use std::os::fd::AsFd;

use super::question::Asked;
use crate::daemon::ipc::{About, AdvertRefusal, Answered, Question, Rows, ToChild};
use crate::daemon::kind::Kind;
use crate::daemon::manual::What;
use crate::daemon::parent::{KINDS, Parent, Program};
use crate::daemon::reactor::Turn;
use crate::daemon::record::Record;

impl<P: Program> Parent<'_, P> {
    /// The subagent wants the rows of all children: they are asked as for a client.
    pub(in crate::daemon::parent) fn want_rows(&mut self, turn: &mut Turn<'_>) {
        self.control.rows_wanted.get_or_insert(turn.now());
        self.ask_next(turn);
        self.arm_control(turn);
    }

    /// Somebody sets an object over the subagent: the child is asked as for a client. The subagent may change what SNMP
    /// can, and nothing else.
    pub(in crate::daemon::parent) fn change_for_subagent(
        &mut self,
        turn: &mut Turn<'_>,
        index: usize,
        question: Question,
    ) {
        let is_subagent = self.children.get(index).is_some_and(|child| child.kind == Kind::Snmp);
        let settable = matches!(
            question.about,
            About::Change { what: What::Weight | What::Priority | What::Preempt, .. }
        );
        if !is_subagent || !settable || !self.control.changes.has_room() {
            return self.tell_changed(question.number, false);
        }
        self.control.change_wanted = Some((turn.now(), question));
        self.ask_next(turn);
        self.arm_control(turn);
    }

    /// What came of the change of this number.
    pub(super) fn tell_changed(&self, number: u32, done: bool) {
        self.to_subagent(ToChild::Changed(number, done), None);
    }

    /// The children have answered, or their time is over.
    pub(super) fn lend_rows(&self, children: [Asked; KINDS]) {
        let asked = Kind::ALL.into_iter().zip(children).filter(|(kind, _)| OF.contains(kind));
        for (of, asked) in asked {
            let last = OF.last() == Some(&of);
            let (file, silent) = match asked {
                Asked::Has(file, Answered::Whole) => (Some(file), false),
                Asked::Has(_, Answered::Nothing) | Asked::Absent => (None, false),
                Asked::Has(..) | Asked::Silent | Asked::Writes(_) => (None, true),
            };
            let rows = ToChild::Rows(Rows { of, silent, last });
            self.to_subagent(rows, file.as_ref());
        }
    }

    /// Objects of a child are in other states.
    pub(in crate::daemon::parent) fn tell_subagent(&self, index: usize, records: &[Record]) {
        let Some(child) = self.children.get(index) else { return };
        for record in records {
            self.to_subagent(ToChild::Happened(child.kind, *record), None);
        }
    }

    /// A virtual router has refused an advert.
    pub(in crate::daemon::parent) fn tell_refusal(&self, refusal: AdvertRefusal) {
        self.to_subagent(ToChild::AdvertRefused(refusal), None);
    }

    /// The daemon ends: the agent is notified before the children have left.
    pub(in crate::daemon::parent) fn tell_end(&self) {
        self.to_subagent(ToChild::Ends, None);
    }

    /// The start of a child is over. The first subagent is told what has happened before it was there.
    pub(in crate::daemon::parent) fn subagent_ready(&self, index: usize) {
        let first = |child: &&super::super::child::Child| child.kind == Kind::Snmp && child.deaths == 0;
        if self.children.get(index).filter(first).is_none() {
            return;
        }
        for child in &self.children {
            for record in child.records.iter() {
                self.to_subagent(ToChild::Happened(child.kind, record), None);
            }
        }
    }

    /// What does not get through is lost: a subagent that does not read will be replaced.
    fn to_subagent(&self, message: ToChild, file: Option<&std::fs::File>) {
        let subagent = self.children.iter().find(|child| child.kind == Kind::Snmp);
        if let Some(subagent) = subagent.filter(|child| child.ready) {
            let _ = subagent.send(message, file.map(AsFd::as_fd));
        }
    }
}

/// Whose rows there are, in the order of [`Kind::ALL`].
const OF: [Kind; 2] = [Kind::Checkers, Kind::Vrrp];

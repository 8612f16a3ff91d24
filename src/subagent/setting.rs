//! SET: what is to be set is tested against what the children lend, and given to the child concerned over the parent, as what
//! somebody changes at the control socket.
//!
//! ```text
//! TestSet: every object, its type and value     CommitSet: one change after the other, each is waited for
//! UndoSet: those that were made, back           CleanupSet: nothing is left
//! ```
//!
//! A change whose answer is late may be made after all. Its undo is asked for as well: the child does both in this order.

use super::rows::{Found, Rows, column_name};
use crate::base::limit;
use crate::daemon::ipc::{About, Question};
use crate::daemon::manual::What;
use crate::daemon::record::key;
use crate::status::mib::{BY_HAND, CONFIGURED, IDENTITY, Table};
use crate::wire::agentx::value::{Oid, Value};
use crate::wire::agentx::{VarBinds, error};

/// An object that may be set.
struct Writable {
    table: Table,
    column: u8,
    what: What,
    least: i32,
    most: i32,
}

const WRITABLE: [Writable; 3] = [
    Writable { table: Table::INSTANCE, column: 7, what: What::Priority, least: 1, most: 255 },
    Writable { table: Table::INSTANCE, column: 13, what: What::Preempt, least: 1, most: 2 },
    Writable { table: Table::SERVER, column: 7, what: What::Weight, least: 0, most: 65_535 },
];

/// One object that is set, and as what.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    question: Question,
    /// What takes it back.
    undo: Question,
}

/// A SET of the agent's.
#[derive(Debug, Default)]
pub(super) struct Setting {
    changes: heapless::Vec<Change, { limit::AGENTX_SETS }>,
    phase: Phase,
    /// The number of the last change.
    number: u32,
}

/// How far it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// Nothing is to be set.
    #[default]
    Idle,
    /// All is well so far.
    Tested,
    /// The change of this position is the next one to be made, or is being made under this number.
    Commits(usize, Option<u32>),
    /// So many were made, and all if there was no failure. The next one may still be made.
    Committed { made: usize, late: bool },
    /// So many are still to be taken back; the last of them perhaps under this number. Whether one could not be.
    Undoes { left: usize, waited: Option<u32>, failed: bool },
    /// All were taken back, or one could not be.
    Undone(bool),
}

/// What is to be done for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// This change is to be made; then the request is looked at again.
    Ask(Question),
    /// A change is being made.
    Wait,
    /// The request can be answered: with an error and its position, if there is one.
    Over(Option<(u16, u16)>),
}

impl Setting {
    /// Tests what is to be set. The error and the position that it is about, if there is one.
    pub(super) fn test(&mut self, objects: VarBinds<'_>, rows: Option<&Rows>) -> Option<(u16, u16)> {
        self.clean_up();
        let Some(rows) = rows else { return Some((error::GENERAL, 1)) };
        for (position, (name, value)) in (1..).zip(objects) {
            let change = match change(&name, &value, rows) {
                Ok(change) => change,
                Err(error) => return Some((error, position)),
            };
            if self.changes.push(change).is_err() {
                return Some((error::RESOURCE_UNAVAILABLE, position));
            }
        }
        self.phase = Phase::Tested;
        None
    }

    /// What is to be done for a CommitSet.
    pub(super) fn commit(&mut self) -> Work {
        let at = match self.phase {
            Phase::Tested => 0,
            Phase::Commits(at, None) => at,
            Phase::Commits(_, Some(_)) => return Work::Wait,
            Phase::Committed { made, .. } if made == self.changes.len() => return Work::Over(None),
            Phase::Committed { made, .. } => {
                return Work::Over(Some((error::COMMIT_FAILED, u16::try_from(made + 1).unwrap_or(0))));
            }
            Phase::Idle | Phase::Undoes { .. } | Phase::Undone(_) => {
                return Work::Over(Some((error::COMMIT_FAILED, 0)));
            }
        };
        match self.changes.get(at).map(|change| change.question) {
            Some(question) => {
                let question = self.numbered(question);
                self.phase = Phase::Commits(at, Some(question.number));
                Work::Ask(question)
            }
            None => {
                self.phase = Phase::Committed { made: at, late: false };
                Work::Over(None)
            }
        }
    }

    /// What is to be done for an UndoSet.
    pub(super) fn undo(&mut self) -> Work {
        let (left, failed) = match self.phase {
            Phase::Idle | Phase::Tested => return Work::Over(None),
            Phase::Commits(made, waited) => (made.saturating_add(usize::from(waited.is_some())), false),
            Phase::Committed { made, late } => (made.saturating_add(usize::from(late)), false),
            Phase::Undoes { left, waited: None, failed } => (left, failed),
            Phase::Undoes { .. } => return Work::Wait,
            Phase::Undone(true) => return Work::Over(None),
            Phase::Undone(false) => return Work::Over(Some((error::UNDO_FAILED, 0))),
        };
        let last = left.checked_sub(1).and_then(|at| self.changes.get(at)).map(|change| change.undo);
        match last {
            Some(question) => {
                let question = self.numbered(question);
                self.phase = Phase::Undoes { left, waited: Some(question.number), failed };
                Work::Ask(question)
            }
            None => {
                self.phase = Phase::Undone(!failed);
                self.undo()
            }
        }
    }

    fn numbered(&mut self, question: Question) -> Question {
        self.number = self.number.wrapping_add(1);
        Question { number: self.number, ..question }
    }

    /// A change was made, or not. Whether that was waited for.
    pub(super) fn made(&mut self, number: u32, done: bool) -> bool {
        match self.phase {
            Phase::Commits(at, Some(waited)) if waited == number => {
                self.phase = match done {
                    true => Phase::Commits(at.saturating_add(1), None),
                    false => Phase::Committed { made: at, late: false },
                };
            }
            // The others are taken back as well, whatever came of this one.
            Phase::Undoes { left, waited: Some(waited), failed } if waited == number => {
                let (left, failed) = (left.saturating_sub(1), failed || !done);
                self.phase = Phase::Undoes { left, waited: None, failed };
            }
            _ => return false,
        }
        true
    }

    /// The time for a change is over.
    pub(super) fn is_late(&mut self) -> bool {
        match self.phase {
            Phase::Commits(made, Some(_)) => {
                self.phase = Phase::Committed { made, late: true };
                true
            }
            Phase::Undoes { waited: Some(number), .. } => self.made(number, false),
            _ => false,
        }
    }

    /// Nothing is to be set any more.
    pub(super) fn clean_up(&mut self) {
        self.changes.clear();
        self.phase = Phase::Idle;
    }
}

/// The change that sets an object to a value.
fn change(name: &Oid, value: &Value<'_>, rows: &Rows) -> Result<Change, u16> {
    let numbers = name.numbers();
    let writable = |one: &&Writable| {
        let column = column_name(one.table.0, one.column);
        numbers.strip_prefix(column.numbers()).is_some_and(|index| !index.is_empty())
    };
    let one = WRITABLE.iter().find(writable).ok_or(error::NOT_WRITABLE)?;
    let Value::Integer(value) = value else { return Err(error::WRONG_TYPE) };
    if !(one.least..=one.most).contains(value) {
        return Err(error::WRONG_VALUE);
    }
    // As keepalived answers where there is no such row.
    let Found::At(line, column) = rows.get(numbers) else { return Err(error::NOT_WRITABLE) };
    let number = |line, column| match rows.value(line, column, &mut [0; 16]) {
        Some(Value::Integer(number)) => Some(number),
        _ => None,
    };
    let identity = |line| match rows.value(line, IDENTITY, &mut [0; 16]) {
        Some(Value::Counter64(key)) => Some(key),
        _ => None,
    };
    let (name, service) = if one.table == Table::SERVER {
        let mut service = column_name(Table::SERVICE.0, 2);
        let index = numbers.len().checked_sub(2).and_then(|at| numbers.get(at..)).unwrap_or_default();
        service.extend(index.get(..1).unwrap_or_default());
        let Found::At(service, _) = rows.get(service.numbers()) else { return Err(error::NOT_WRITABLE) };
        (identity(line), identity(service))
    } else {
        let named = match rows.value(line, 2, &mut [0; 16]) {
            Some(Value::Octets(text)) => core::str::from_utf8(text).ok().map(key),
            _ => None,
        };
        (named, None)
    };
    let (Some(name), Some(before)) = (name, number(line, column)) else { return Err(error::GENERAL) };
    let configured = number(line, if one.what == What::Preempt { CONFIGURED + 1 } else { CONFIGURED });
    let by_hand = match one.table {
        Table::SERVER => number(line, BY_HAND),
        _ => Some(before).filter(|before| Some(*before) != configured),
    };
    let to = |value: Option<i32>| Question {
        about: About::Change { what: one.what, on: value.is_some() },
        name: Some(name),
        service,
        value: value.and_then(|value| u32::try_from(value).ok()).unwrap_or(0),
        // keepalived forgets it at its next start.
        passing: true,
        ..Question::default()
    };
    // What is set as configured is not changed by hand any more.
    let question = to(Some(*value).filter(|value| Some(*value) != configured));
    Ok(Change { question, undo: to(by_hand) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::bytes::Writer;
    use crate::status::mib::row;
    use crate::wire::agentx::emit::Draft;
    use crate::wire::agentx::{Header, Kind, Pdu};

    fn rows() -> Rows {
        let mut text = String::new();
        row(&mut text, Table::INSTANCE, &[1], |row| {
            row.text(2, "VI_1");
            row.int(7, 150);
            row.int(13, 1);
            row.int(CONFIGURED, 150);
            row.int(CONFIGURED + 1, 1);
        })
        .unwrap();
        row(&mut text, Table::SERVICE, &[2], |row| {
            row.int(2, 2);
            row.long(IDENTITY, 77);
        })
        .unwrap();
        row(&mut text, Table::SERVER, &[2, 3], |row| {
            row.int(7, 9);
            row.long(IDENTITY, 88);
            row.int(CONFIGURED, 1);
            row.int(BY_HAND, 9);
        })
        .unwrap();
        let mut rows = Rows::default();
        rows.add(&text);
        rows.settle();
        rows
    }

    fn object(table: Table, column: u8, index: &[u32]) -> Vec<u32> {
        let mut name = column_name(table.0, column);
        name.extend(index);
        name.numbers().to_vec()
    }

    fn tested(setting: &mut Setting, objects: &[(Vec<u32>, Value<'_>)]) -> Option<(u16, u16)> {
        let mut buffer = [0; 4_096];
        let mut out = Writer::new(&mut buffer);
        let header = Header { kind: Kind::TestSet, session: 1, transaction: 2, packet: 3 };
        let mut draft = Draft::new(&mut out, &header).unwrap();
        for (name, value) in objects {
            draft.varbind(name, value).unwrap();
        }
        draft.finish().unwrap();
        let (_, Pdu::TestSet(varbinds)) = Pdu::parse(out.written()).unwrap() else { panic!() };
        setting.test(varbinds, Some(&rows()))
    }

    fn priority(value: i32) -> (Vec<u32>, Value<'static>) {
        (object(Table::INSTANCE, 7, &[1]), Value::Integer(value))
    }

    #[test]
    fn what_cannot_be_set_is_refused_with_its_reason() {
        let mut setting = Setting::default();
        let preempt = object(Table::INSTANCE, 13, &[1]);
        for (objects, refused) in [
            (vec![priority(100)], None),
            (vec![priority(0)], Some((error::WRONG_VALUE, 1))),
            (vec![priority(100), priority(256)], Some((error::WRONG_VALUE, 2))),
            (vec![(preempt.clone(), Value::Integer(3))], Some((error::WRONG_VALUE, 1))),
            (vec![(preempt, Value::Gauge32(1))], Some((error::WRONG_TYPE, 1))),
            (vec![(object(Table::INSTANCE, 7, &[9]), Value::Integer(1))], Some((error::NOT_WRITABLE, 1))),
            (vec![(object(Table::INSTANCE, 8, &[1]), Value::Integer(1))], Some((error::NOT_WRITABLE, 1))),
            (vec![(object(Table::SERVER, 7, &[2, 3]), Value::Integer(0))], None),
            (vec![(object(Table::SERVER, 7, &[2, 4]), Value::Integer(0))], Some((error::NOT_WRITABLE, 1))),
            (vec![priority(1); limit::AGENTX_SETS + 1], Some((error::RESOURCE_UNAVAILABLE, 17))),
        ] {
            assert_eq!(tested(&mut setting, &objects), refused, "{objects:?}");
        }
        assert_eq!(setting.commit(), Work::Over(Some((error::COMMIT_FAILED, 0))), "it was refused");
    }

    #[test]
    fn changes_are_made_one_by_one_and_those_that_were_made_are_taken_back() {
        let mut setting = Setting::default();
        let weight = (object(Table::SERVER, 7, &[2, 3]), Value::Integer(1));
        assert_eq!(tested(&mut setting, &[priority(100), weight]), None);
        let Work::Ask(first) = setting.commit() else { panic!() };
        let wanted = Question {
            number: first.number,
            about: About::Change { what: What::Priority, on: true },
            name: Some(key("VI_1")),
            value: 100,
            passing: true,
            ..Question::default()
        };
        assert_eq!(first, wanted);
        assert_eq!(setting.commit(), Work::Wait);
        assert!(!setting.made(first.number + 1, true) && setting.made(first.number, true));
        let Work::Ask(second) = setting.commit() else { panic!() };
        assert_eq!((second.name, second.service), (Some(88), Some(77)));
        assert_eq!(second.about, About::Change { what: What::Weight, on: false }, "as configured");
        assert!(setting.made(second.number, false));
        assert_eq!(setting.commit(), Work::Over(Some((error::COMMIT_FAILED, 2))));
        let Work::Ask(undo) = setting.undo() else { panic!() };
        assert_eq!((undo.about, undo.name), (About::Change { what: What::Priority, on: false }, first.name));
        assert_eq!(setting.undo(), Work::Wait);
        assert!(setting.made(undo.number, true));
        assert_eq!((setting.undo(), setting.undo()), (Work::Over(None), Work::Over(None)));
        setting.clean_up();
        assert_eq!(setting.undo(), Work::Over(None));
    }

    #[test]
    fn a_change_that_may_still_be_made_is_taken_back_and_so_is_every_other_one() {
        let mut setting = Setting::default();
        let weight = (object(Table::SERVER, 7, &[2, 3]), Value::Integer(1));
        assert_eq!(tested(&mut setting, &[priority(100), weight]), None);
        let Work::Ask(first) = setting.commit() else { panic!() };
        assert!(setting.made(first.number, true));
        let Work::Ask(second) = setting.commit() else { panic!() };
        assert!(setting.is_late() && !setting.is_late());
        assert!(!setting.made(second.number, true), "it comes too late");
        assert_eq!(setting.commit(), Work::Over(Some((error::COMMIT_FAILED, 2))));
        let Work::Ask(undo) = setting.undo() else { panic!() };
        assert_eq!((undo.name, undo.value), (second.name, 9), "what was by hand before");
        assert!(setting.is_late());
        let Work::Ask(undo) = setting.undo() else { panic!() };
        assert_eq!(undo.name, first.name);
        assert!(setting.made(undo.number, true));
        assert_eq!(setting.undo(), Work::Over(Some((error::UNDO_FAILED, 0))));
        assert_eq!(setting.undo(), Work::Over(Some((error::UNDO_FAILED, 0))));
    }

    #[test]
    fn what_was_by_hand_before_is_so_again_after_an_undo() {
        let mut setting = Setting::default();
        let weight = (object(Table::SERVER, 7, &[2, 3]), Value::Integer(0));
        assert_eq!(tested(&mut setting, &[weight]), None);
        let Work::Ask(asked) = setting.commit() else { panic!() };
        assert_eq!((asked.about, asked.value), (About::Change { what: What::Weight, on: true }, 0));
        assert!(setting.made(asked.number, true));
        assert_eq!(setting.commit(), Work::Over(None));
        let Work::Ask(undo) = setting.undo() else { panic!() };
        assert_eq!((undo.about, undo.value), (About::Change { what: What::Weight, on: true }, 9));
        assert!(setting.made(undo.number, false));
        assert_eq!(setting.undo(), Work::Over(Some((error::UNDO_FAILED, 0))));
    }
}

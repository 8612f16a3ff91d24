//! Responses to what an SNMP agent asks.

use super::rows::{Found, Rows};
use crate::base::bytes::{Short, Writer};
use crate::base::limit;
use crate::wire::agentx::emit::Draft;
use crate::wire::agentx::value::Value;
use crate::wire::agentx::{Header, Pdu, Range, Ranges, error};

/// Whether a request is about objects.
pub(super) const fn needs_rows(pdu: &Pdu<'_>) -> bool {
    matches!(pdu, Pdu::Get(_) | Pdu::GetNext(_) | Pdu::GetBulk { .. })
}

/// Writes the response to a request; nothing if it has none. `rows`: none if a child is silent that they are of.
///
/// # Errors
/// When not even an error fits.
pub(super) fn respond(
    out: &mut Writer<'_>,
    header: &Header,
    pdu: &Pdu<'_>,
    rows: Option<&Rows>,
) -> Result<(), Short> {
    if matches!(pdu, Pdu::CleanupSet | Pdu::Response { .. } | Pdu::Close(_)) {
        return Ok(());
    }
    let mut draft = Draft::response(out, header)?;
    let failure = match (pdu, rows) {
        (Pdu::Get(ranges), Some(rows)) => get(&mut draft, rows, *ranges),
        (Pdu::GetNext(ranges), Some(rows)) => {
            each(&mut draft, *ranges, |draft, range| step(draft, rows, range).map(|_| ()))
        }
        (Pdu::GetBulk { non_repeaters, max_repetitions, ranges }, Some(rows)) => {
            bulk(&mut draft, rows, usize::from(*non_repeaters), *max_repetitions, *ranges)
        }
        (Pdu::Get(_) | Pdu::GetNext(_) | Pdu::GetBulk { .. }, None) => Some((error::GENERAL, 1)),
        (Pdu::TestSet(_), _) => Some((error::NOT_WRITABLE, 1)),
        // What was refused is not committed.
        (Pdu::CommitSet, _) => Some((error::COMMIT_FAILED, 0)),
        (Pdu::UndoSet, _) => None,
        _ => Some((error::PROCESSING, 0)),
    };
    if let Some((error, index)) = failure {
        draft.fail(error, index)?;
    }
    draft.finish()
}

/// Writes that a request cannot be read.
///
/// # Errors
/// When that does not fit.
pub(super) fn refuse(out: &mut Writer<'_>, header: &Header) -> Result<(), Short> {
    let mut draft = Draft::response(out, header)?;
    draft.fail(error::PARSE, 0)?;
    draft.finish()
}

/// An error and the position that it is about.
type Failure = Option<(u16, u16)>;

fn each<'b>(
    draft: &mut Draft<'_, 'b>,
    ranges: impl Iterator<Item = Range>,
    mut write: impl FnMut(&mut Draft<'_, 'b>, &Range) -> Result<(), Short>,
) -> Failure {
    for (position, range) in (1..).zip(ranges) {
        if write(draft, &range).is_err() {
            return Some((error::TOO_BIG, position));
        }
    }
    None
}

fn get(draft: &mut Draft<'_, '_>, rows: &Rows, ranges: Ranges<'_>) -> Failure {
    each(draft, ranges, |draft, range| {
        let name = range.start.numbers();
        match rows.get(name) {
            Found::At(line, column) => {
                let mut scratch = [0; 16];
                let value = rows.value(line, column, &mut scratch).unwrap_or(Value::NoSuchInstance);
                draft.varbind(name, &value)
            }
            Found::NoObject => draft.varbind(name, &Value::NoSuchObject),
            Found::NoInstance => draft.varbind(name, &Value::NoSuchInstance),
        }
    })
}

/// Writes the next object of a range, and makes the range begin behind it. Whether there is none any more.
fn step(draft: &mut Draft<'_, '_>, rows: &Rows, range: &Range) -> Result<Option<Range>, Short> {
    let start = range.start.numbers();
    let next = rows.next(start, range.include);
    let next = next.filter(|(name, ..)| range.end.numbers().is_empty() || *name < range.end);
    let Some((name, line, column)) = next else {
        draft.varbind(start, &Value::EndOfMibView)?;
        return Ok(None);
    };
    let mut scratch = [0; 16];
    let value = rows.value(line, column, &mut scratch).unwrap_or(Value::NoSuchInstance);
    draft.varbind(name.numbers(), &value)?;
    Ok(Some(Range { start: name, include: false, end: range.end.clone() }))
}

/// As much as fits of so many repetitions.
fn bulk(
    draft: &mut Draft<'_, '_>,
    rows: &Rows,
    non_repeaters: usize,
    max_repetitions: u16,
    ranges: Ranges<'_>,
) -> Failure {
    let failure =
        each(draft, ranges.take(non_repeaters), |draft, range| step(draft, rows, range).map(|_| ()));
    if failure.is_some() {
        return failure;
    }
    if ranges.skip(non_repeaters).count() > limit::AGENTX_REPEATERS {
        return Some((error::GENERAL, 1));
    }
    let mut rest: Vec<Range> = ranges.skip(non_repeaters).collect();
    for repetition in 0..max_repetitions {
        let mut ended = true;
        for (position, range) in (1..).zip(&mut rest) {
            match step(draft, rows, range) {
                Ok(Some(next)) => {
                    *range = next;
                    ended = false;
                }
                Ok(None) => {}
                // The first repetition has to fit, and fewer than were asked for will do.
                Err(Short) if repetition == 0 => return Some((error::TOO_BIG, position)),
                Err(Short) => return None,
            }
        }
        if ended {
            break;
        }
    }
    None
}

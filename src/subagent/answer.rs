//! Responses to what an SNMP agent asks.

use super::rows::{Found, Rows};
use crate::base::bytes::{Short, Writer};
use crate::base::limit;
use crate::wire::agentx::emit::Draft;
use crate::wire::agentx::value::Value;
use crate::wire::agentx::{Header, Pdu, Range, Ranges, error};

/// Whether a request is about objects.
pub(super) const fn needs_rows(pdu: &Pdu<'_>) -> bool {
    matches!(pdu, Pdu::Get(_) | Pdu::GetNext(_) | Pdu::GetBulk { .. } | Pdu::TestSet(_))
}

/// An error and the position that it is about.
pub(super) type Failure = Option<(u16, u16)>;

/// Writes the response to a request; nothing if it has none. `rows`: none if a child is silent that they are of. `set`: what
/// came of a request that sets objects.
///
/// # Errors
/// When not even an error fits.
pub(super) fn respond(
    out: &mut Writer<'_>,
    header: &Header,
    pdu: &Pdu<'_>,
    rows: Option<&Rows>,
    set: Failure,
) -> Result<(), Short> {
    if matches!(pdu, Pdu::CleanupSet | Pdu::Response { .. } | Pdu::Close(_)) {
        return Ok(());
    }
    let mut draft = Draft::response(out, header)?;
    let failure = match (pdu, rows) {
        (Pdu::Get(ranges), Some(rows)) => get(&mut draft, rows, *ranges),
        (Pdu::GetNext(ranges), Some(rows)) => {
            each(&mut draft, &mut ranges.clone(), &mut |draft, range| step(draft, rows, range).map(|_| ()))
        }
        (Pdu::GetBulk { non_repeaters, max_repetitions, ranges }, Some(rows)) => {
            bulk(&mut draft, rows, usize::from(*non_repeaters), *max_repetitions, *ranges)
        }
        (Pdu::Get(_) | Pdu::GetNext(_) | Pdu::GetBulk { .. }, None) => Some((error::GENERAL, 1)),
        (Pdu::TestSet(_) | Pdu::CommitSet | Pdu::UndoSet, _) => set,
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

fn each<'b>(
    draft: &mut Draft<'_, 'b>,
    ranges: &mut dyn Iterator<Item = Range>,
    write: &mut dyn FnMut(&mut Draft<'_, 'b>, &Range) -> Result<(), Short>,
) -> Failure {
    for (position, range) in (1..).zip(ranges) {
        if write(draft, &range).is_err() {
            return Some((error::TOO_BIG, position));
        }
    }
    None
}

fn get(draft: &mut Draft<'_, '_>, rows: &Rows, mut ranges: Ranges<'_>) -> Failure {
    each(draft, &mut ranges, &mut |draft, range| {
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
    mut ranges: Ranges<'_>,
) -> Failure {
    let failure = each(draft, &mut ranges.by_ref().take(non_repeaters), &mut |draft, range| {
        step(draft, rows, range).map(|_| ())
    });
    if failure.is_some() {
        return failure;
    }
    let mut rest = Vec::new();
    for range in ranges {
        if rest.len() == limit::AGENTX_REPEATERS {
            return Some((error::GENERAL, 1));
        }
        rest.push(range);
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::mib::{TREES, Table, row, tree};
    use crate::wire::agentx::{self, Kind, emit};

    const VRRP: &[u32] = TREES[tree::VRRP as usize];

    fn rows(count: u32) -> Rows {
        let mut text = String::new();
        for number in 1..=count {
            row(&mut text, Table::INSTANCE, &[number], |row| {
                row.gauge(3, u64::from(number));
                row.int(4, 2);
            })
            .unwrap();
        }
        let mut rows = Rows::default();
        rows.add(&text);
        rows.settle();
        rows
    }

    fn name(rest: &[u32]) -> Vec<u32> {
        [VRRP, rest].concat()
    }

    /// A request for names, in octets; `end`: where each of them ends.
    fn request(kind: Kind, words: &[u8], names: &[Vec<u32>], end: &[u32]) -> Vec<u8> {
        let mut buffer = vec![0; 16_384];
        let mut out = Writer::new(&mut buffer);
        Draft::new(&mut out, &Header { kind, session: 1, transaction: 2, packet: 3 }).unwrap();
        out.put(words).unwrap();
        for numbers in names {
            for oid in [numbers.as_slice(), end] {
                out.put(&[u8::try_from(oid.len()).unwrap(), 0, 0, 0]).unwrap();
                oid.iter().for_each(|number| out.u32(*number).unwrap());
            }
        }
        let len = u32::try_from(out.len() - agentx::HEADER).unwrap();
        out.patch(16, &len.to_be_bytes()).unwrap();
        out.written().to_vec()
    }

    /// The error, its index, and what was answered.
    fn answer(octets: &[u8], rows: Option<&Rows>, room: usize) -> (u16, u16, Vec<(Vec<u32>, String)>) {
        let (header, pdu) = Pdu::parse(octets).unwrap();
        let mut buffer = vec![0; room];
        let mut out = Writer::new(&mut buffer);
        respond(&mut out, &header, &pdu, rows, Some((error::NOT_WRITABLE, 1))).unwrap();
        let (found, Pdu::Response { error, index, varbinds, .. }) = Pdu::parse(out.written()).unwrap() else {
            panic!()
        };
        assert_eq!((found.session, found.transaction, found.packet), (1, 2, 3));
        let below = |numbers: &[u32]| numbers.strip_prefix(VRRP).unwrap_or(numbers).to_vec();
        let found = varbinds.map(|(name, value)| (below(name.numbers()), format!("{value:?}")));
        (error, index, found.collect())
    }

    #[test]
    fn objects_are_got_by_name_and_one_after_the_other() {
        let rows = rows(2);
        let asked = [name(&[3, 1, 3, 2]), name(&[3, 1, 3, 9]), name(&[3, 1, 5, 1])];
        let (error, _, found) = answer(&request(Kind::Get, &[], &asked, &[]), Some(&rows), 1_024);
        let values: Vec<&str> = found.iter().map(|(_, value)| value.as_str()).collect();
        assert_eq!((error, &values[..]), (0, &["Gauge32(2)", "NoSuchInstance", "NoSuchObject"][..]));
        let asked = [name(&[3, 1, 3, 2]), name(&[3, 1, 4, 2])];
        let (_, _, found) = answer(&request(Kind::GetNext, &[], &asked, &[]), Some(&rows), 1_024);
        assert_eq!(found[0], (vec![3, 1, 4, 1], "Integer(2)".to_owned()));
        assert_eq!(found[1], (vec![3, 1, 4, 2], "EndOfMibView".to_owned()));
        let end = name(&[3, 1, 4]);
        let (_, _, found) = answer(&request(Kind::GetNext, &[], &asked[..1], &end), Some(&rows), 1_024);
        assert_eq!(found[0].1, "EndOfMibView", "the next one is beyond the end");
    }

    #[test]
    fn bulk_is_answered_as_far_as_there_is_room() {
        let rows = rows(100);
        let asked = [name(&[3, 1, 4]), name(&[3, 1, 3]), name(&[3, 1, 4])];
        let octets = request(Kind::GetBulk, &[0, 1, 0, 3], &asked, &[]);
        let (error, _, found) = answer(&octets, Some(&rows), 16_384);
        let names: Vec<Vec<u32>> = found.into_iter().map(|(name, _)| name[2..].to_vec()).collect();
        let expected: [&[u32]; 7] = [&[4, 1], &[3, 1], &[4, 1], &[3, 2], &[4, 2], &[3, 3], &[4, 3]];
        assert_eq!((error, names), (0, expected.map(<[u32]>::to_vec).to_vec()));
        let octets = request(Kind::GetBulk, &[0, 0, 255, 255], &asked[..1], &[]);
        let (error, _, found) = answer(&octets, Some(&rows), 1_024);
        assert!(error == 0 && (5..20).contains(&found.len()), "{}", found.len());
        let (error, _, found) = answer(&octets, Some(&rows), 16_384);
        assert_eq!((error, found.len()), (0, 101), "it ends where the objects do");
        let many = vec![name(&[3, 1, 3]); 60];
        let (error, index, found) = answer(&request(Kind::GetNext, &[], &many, &[]), Some(&rows), 1_024);
        assert_eq!((error, found.len()), (error::TOO_BIG, 0));
        assert!(index > 5);
    }

    #[test]
    fn what_came_of_a_set_is_told_and_nothing_of_a_child_that_is_silent() {
        let get = request(Kind::Get, &[], &[name(&[3, 1, 3, 2])], &[]);
        assert_eq!(answer(&get, None, 1_024).0, error::GENERAL);
        let mut buffer = [0; 256];
        let mut out = Writer::new(&mut buffer);
        let header = Header { kind: Kind::TestSet, session: 1, transaction: 2, packet: 3 };
        let mut draft = Draft::new(&mut out, &header).unwrap();
        draft.varbind(&name(&[3, 1, 7, 1]), &Value::Integer(5)).unwrap();
        draft.finish().unwrap();
        let (error, index, _) = answer(out.written(), None, 1_024);
        assert_eq!((error, index), (error::NOT_WRITABLE, 1));
        for (kind, pdu) in [(Kind::CleanupSet, Pdu::CleanupSet), (Kind::Close, Pdu::Close(1))] {
            let mut room = [0; 64];
            let mut none = Writer::new(&mut room);
            respond(&mut none, &Header { kind, ..header }, &pdu, None, None).unwrap();
            assert!(none.is_empty());
        }
        let mut octets = Writer::new(&mut buffer);
        emit::pdu(&mut octets, &Header { kind: Kind::UndoSet, ..header }, &Pdu::UndoSet).unwrap();
        assert_eq!(answer(octets.written(), None, 1_024).0, error::NOT_WRITABLE);
    }
}

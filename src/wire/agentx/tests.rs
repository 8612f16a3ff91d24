//! Vectors both ways, written out by hand from RFC 2741, and what is refused.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::value::LONGEST_OID;
use super::*;
use crate::base::bytes::Writer;

/// A header in network byte order.
fn head(kind: u8, flags: u8, len: u8) -> Vec<u8> {
    let mut octets = vec![1, kind, flags, 0];
    octets.extend([0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 9, 0, 0, 0, len]);
    octets
}

fn header(kind: Kind) -> Header {
    Header { kind, session: 7, transaction: 8, packet: 9 }
}

fn whole(kind: u8, payload: &[u8]) -> Vec<u8> {
    let len = u8::try_from(payload.len()).unwrap();
    [head(kind, NETWORK_ORDER, len), payload.to_vec()].concat()
}

/// 1.3.6.1.2.1 with a prefix, as net-snmp writes it, and without one.
const SHORT_OID: [u8; 8] = [1, 2, 0, 0, 0, 0, 0, 1];
const LONG_OID: [u8; 28] =
    [6, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 3, 0, 0, 0, 6, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 1];
const MIB_2: [u32; 6] = [1, 3, 6, 1, 2, 1];

fn emitted(header: &Header, one: &Pdu<'_>) -> Vec<u8> {
    let mut buffer = [0; 1_024];
    let mut out = Writer::new(&mut buffer);
    emit::pdu(&mut out, header, one).unwrap();
    out.written().to_vec()
}

/// The octets are read as this, and written from it again.
fn both_ways(octets: &[u8], kind: Kind, expected: &Pdu<'_>) {
    let (found, one) = Pdu::parse(octets).unwrap();
    assert_eq!((found, &one), (header(kind), expected));
    assert_eq!(emitted(&found, &one), octets);
    assert_eq!(frame(octets), Ok(Some(octets.len())));
    for len in 0..octets.len() {
        assert!(Pdu::parse(&octets[..len]).is_err(), "{len} octets");
    }
}

#[test]
fn what_a_subagent_says_first() {
    let open = [&[5, 0, 0, 0][..], &LONG_OID, &[0, 0, 0, 3], b"abc\0"].concat();
    let expected = Pdu::Open { timeout: 5, id: Oid::new(&MIB_2), description: b"abc" };
    both_ways(&whole(1, &open), Kind::Open, &expected);
    both_ways(&whole(2, &[5, 0, 0, 0]), Kind::Close, &Pdu::Close(CLOSE_SHUTDOWN));
    let one = Registration { timeout: 2, priority: 127, subtree: Oid::new(&MIB_2), range: None };
    let octets = [&[2, 127, 0, 0][..], &LONG_OID].concat();
    both_ways(&whole(3, &octets), Kind::Register, &Pdu::Register(one.clone()));
    both_ways(&whole(4, &octets), Kind::Unregister, &Pdu::Unregister(one.clone()));
    let ranged = [&[2, 127, 6, 0][..], &LONG_OID, &[0, 0, 1, 0]].concat();
    let one = Registration { range: Some((6, 256)), ..one };
    both_ways(&whole(3, &ranged), Kind::Register, &Pdu::Register(one));
}

#[test]
fn what_a_master_asks() {
    let range = [LONG_OID.as_slice(), &[0, 0, 0, 0]].concat();
    let mut included = range.clone();
    included[2] = 1;
    let list = [range.as_slice(), &included].concat();
    for (number, kind) in [(5, Kind::Get), (6, Kind::GetNext)] {
        let octets = whole(number, &list);
        let (_, one) = Pdu::parse(&octets).unwrap();
        let (Pdu::Get(ranges) | Pdu::GetNext(ranges)) = one else { panic!("{one:?}") };
        let found: Vec<Range> = ranges.collect();
        assert_eq!(found.iter().map(|range| range.include).collect::<Vec<_>>(), [false, true]);
        assert!(found.iter().all(|range| range.start.numbers() == MIB_2 && range.end == Oid::default()));
        both_ways(&octets, kind, &one);
    }
    let octets = whole(7, &[&[0, 1, 0, 10][..], &list].concat());
    let (_, one) = Pdu::parse(&octets).unwrap();
    assert!(matches!(one, Pdu::GetBulk { non_repeaters: 1, max_repetitions: 10, .. }));
    both_ways(&octets, Kind::GetBulk, &one);
    for (number, kind, one) in [
        (9, Kind::CommitSet, Pdu::CommitSet),
        (10, Kind::UndoSet, Pdu::UndoSet),
        (11, Kind::CleanupSet, Pdu::CleanupSet),
        (13, Kind::Ping, Pdu::Ping),
    ] {
        both_ways(&whole(number, &[]), kind, &one);
    }
}

#[test]
fn a_value_of_every_type() {
    let id = Oid::new(&[1, 2]);
    let values = [
        (Value::Integer(-2), vec![0, 2, 255, 255, 255, 254]),
        (Value::Octets(b"hello"), [&[0, 4, 0, 0, 0, 5][..], b"hello\0\0\0"].concat()),
        (Value::Octets(b""), vec![0, 4, 0, 0, 0, 0]),
        (Value::Null, vec![0, 5]),
        (Value::Oid(id), vec![0, 6, 2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2]),
        (Value::IpAddress([192, 0, 2, 1]), vec![0, 64, 0, 0, 0, 4, 192, 0, 2, 1]),
        (Value::Counter32(u32::MAX), vec![0, 65, 255, 255, 255, 255]),
        (Value::Gauge32(1), vec![0, 66, 0, 0, 0, 1]),
        (Value::TimeTicks(256), vec![0, 67, 0, 0, 1, 0]),
        (Value::Opaque(b"xyzw"), [&[0, 68, 0, 0, 0, 4][..], b"xyzw"].concat()),
        (Value::Counter64(1 << 32), vec![0, 70, 0, 0, 0, 1, 0, 0, 0, 0]),
        (Value::NoSuchObject, vec![0, 128]),
        (Value::NoSuchInstance, vec![0, 129]),
        (Value::EndOfMibView, vec![0, 130]),
    ];
    for (value, octets) in &values {
        let (kind, data) = octets.split_at(2);
        let varbind = [kind, &[0, 0], &LONG_OID, data].concat();
        let octets = whole(18, &[&[0, 0, 0, 4, 0, 5, 0, 6][..], &varbind, &varbind].concat());
        let (_, one) = Pdu::parse(&octets).unwrap();
        let Pdu::Response { uptime: 4, error: 5, index: 6, varbinds } = one else { panic!("{one:?}") };
        let expected = (Oid::new(&MIB_2), value.clone());
        assert_eq!(varbinds.collect::<Vec<_>>(), [expected.clone(), expected]);
        both_ways(&octets, Kind::Response, &one);
        for (number, kind) in [(8, Kind::TestSet), (12, Kind::Notify)] {
            let octets = whole(number, &varbind);
            let (_, one) = Pdu::parse(&octets).unwrap();
            both_ways(&octets, kind, &one);
        }
    }
}

#[test]
fn prefixes_contexts_and_the_other_byte_order_are_read() {
    let range = [SHORT_OID.as_slice(), &[0, 0, 0, 0]].concat();
    let context = [0, 0, 0, 2, b'a', b'b', 0, 0];
    let octets = [head(5, NETWORK_ORDER | CONTEXT, 20), context.to_vec(), range].concat();
    let (_, one) = Pdu::parse(&octets).unwrap();
    let Pdu::Get(mut ranges) = one else { panic!("{one:?}") };
    assert_eq!(ranges.next().unwrap().start.numbers(), MIB_2);
    let mut octets = vec![1, 18, 0, 0];
    for word in [7_u32, 8, 9, 24] {
        octets.extend(word.to_le_bytes());
    }
    octets.extend([4, 0, 0, 0, 1, 1, 0, 0, 2, 0, 0, 0]);
    octets.extend([1, 2, 0, 0, 1, 0, 0, 0, 254, 255, 255, 255]);
    let (found, one) = Pdu::parse(&octets).unwrap();
    assert_eq!(found, header(Kind::Response));
    let Pdu::Response { uptime: 4, error: error::NOT_OPEN, index: 0, varbinds } = one else {
        panic!("{one:?}")
    };
    assert_eq!(varbinds.collect::<Vec<_>>(), [(Oid::new(&MIB_2), Value::Integer(-2))]);
}

#[test]
fn what_is_no_pdu_is_refused_with_its_header_where_there_is_one() {
    let refused = |octets: &[u8]| Pdu::parse(octets).unwrap_err();
    assert_eq!(frame(&head(13, NETWORK_ORDER, 0)[..HEADER - 1]), Ok(None));
    let mut wrong = whole(13, &[]);
    wrong[0] = 2;
    assert_eq!(refused(&wrong), (None, Malformed::Version));
    assert_eq!(refused(&whole(13, &[0; 3])), (None, Malformed::Length));
    let mut long = whole(13, &[]);
    long[17] = 1;
    assert_eq!(frame(&long), Ok(Some(HEADER + LONGEST_PAYLOAD)));
    long[19] = 4;
    assert_eq!(frame(&long), Err(Malformed::Length));
    assert_eq!(refused(&whole(14, &[])), (None, Malformed::Kind));
    assert_eq!(refused(&[whole(13, &[]), vec![0]].concat()), (None, Malformed::Trailing));
    let at = |kind| Some(header(kind));
    assert_eq!(refused(&whole(13, &[0; 4])), (at(Kind::Ping), Malformed::Trailing));
    assert_eq!(refused(&whole(5, &[129, 0, 0, 0])), (at(Kind::Get), Malformed::Oid));
    assert_eq!(refused(&whole(5, &[124, 2, 0, 0])), (at(Kind::Get), Malformed::Oid));
    assert_eq!(refused(&whole(8, &[0, 3, 0, 0, 0, 0, 0, 0])), (at(Kind::TestSet), Malformed::Value));
    let short_addr = [0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3, 0];
    assert_eq!(refused(&whole(8, &short_addr)), (at(Kind::TestSet), Malformed::Value));
    let endless = [0, 4, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255];
    assert_eq!(refused(&whole(8, &endless)), (at(Kind::TestSet), Malformed::Short));
}

#[test]
fn a_response_keeps_what_fits_and_can_fail_afterwards() {
    let mut buffer = [0; 100];
    let mut out = Writer::new(&mut buffer);
    let asked = header(Kind::GetBulk);
    let mut draft = emit::Draft::response(&mut out, &asked).unwrap();
    let name = [1, 3, 6];
    let before = draft.len();
    let count = (0..).take_while(|_| draft.varbind(&name, &Value::Gauge32(1)).is_ok()).count();
    assert_eq!((count, draft.len()), (3, before + 3 * 24));
    draft.finish().unwrap();
    let octets = out.written().to_vec();
    let (_, one) = Pdu::parse(&octets).unwrap();
    let Pdu::Response { error: error::NONE, varbinds, .. } = one else { panic!("{one:?}") };
    assert_eq!(varbinds.count(), 3);
    let mut out = Writer::new(&mut buffer);
    let mut draft = emit::Draft::response(&mut out, &asked).unwrap();
    draft.varbind(&name, &Value::Null).unwrap();
    draft.fail(error::NOT_WRITABLE, 1).unwrap();
    draft.finish().unwrap();
    let (_, one) = Pdu::parse(out.written()).unwrap();
    let Pdu::Response { error: error::NOT_WRITABLE, index: 1, mut varbinds, .. } = one else {
        panic!("{one:?}")
    };
    assert_eq!(varbinds.next(), None);
    assert_eq!(Oid::new(&[1; 200]).numbers().len(), LONGEST_OID);
}

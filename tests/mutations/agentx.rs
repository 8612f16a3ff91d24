//! 100,000 seeded mutations of what an SNMP agent sends.

use keepalived::base::bytes::Writer;
use keepalived::wire::agentx::value::{Oid, Value};
use keepalived::wire::agentx::{Header, Kind, Pdu, emit};

use super::mutate::Random;
use super::pdus;

const CASES: u64 = 100_000;

/// A PDU of each kind that a master sends.
fn authentic(random: &mut Random) -> Vec<u8> {
    let kinds = [
        Kind::Get,
        Kind::GetNext,
        Kind::GetBulk,
        Kind::TestSet,
        Kind::CommitSet,
        Kind::CleanupSet,
        Kind::Close,
        Kind::Response,
    ];
    let kind = kinds[random.below(kinds.len())];
    let name = [1, 3, 6, 1, 4, 1, 9586, 100, 5, 2, 3, 1, 2, 1];
    let mut buffer = [0; 2_048];
    let mut out = Writer::new(&mut buffer);
    let header = Header { kind, session: 7, transaction: 8, packet: 9 };
    let mut draft = match kind {
        Kind::Response => emit::Draft::response(&mut out, &header).unwrap(),
        Kind::Close => {
            emit::pdu(&mut out, &header, &Pdu::Close(1)).unwrap();
            return out.written().to_vec();
        }
        _ => emit::Draft::new(&mut out, &header).unwrap(),
    };
    if matches!(kind, Kind::TestSet | Kind::Response) {
        let values = [
            Value::Integer(5),
            Value::Octets(b"some octets"),
            Value::Oid(Oid::new(&name)),
            Value::IpAddress([192, 0, 2, 1]),
            Value::Counter64(1),
            Value::EndOfMibView,
        ];
        for _ in 0..random.below(6) {
            draft.varbind(&name, &values[random.below(values.len())]).unwrap();
        }
    }
    draft.finish().unwrap();
    let mut octets = out.written().to_vec();
    if matches!(kind, Kind::Get | Kind::GetNext | Kind::GetBulk) {
        if kind == Kind::GetBulk {
            octets.extend([0, 1, 0, 10]);
        }
        for _ in 0..random.below(4) {
            octets.extend([2, 4, 1, 0, 0, 0, 0, 1, 0, 0, 37, 114, 0, 0, 0, 0]);
        }
        octets[19] = u8::try_from(octets.len() - 20).unwrap();
    }
    octets
}

#[test]
fn no_octets_of_a_master_are_too_much() {
    let mut understood = 0;
    for case in 0..CASES {
        let mut random = Random(case);
        let mut octets = authentic(&mut random);
        octets.extend(authentic(&mut random));
        for _ in 0..random.below(4) {
            let at = random.below(octets.len());
            let octet = u8::try_from(random.below(256)).unwrap();
            match random.below(5) {
                0 => octets.truncate(at),
                1 | 2 if at < octets.len() => octets[at] ^= 1 << random.below(8),
                3 if at < octets.len() => octets[at] = octet,
                _ => octets.insert(at, octet),
            }
        }
        understood += pdus::read(&octets);
    }
    assert!((50_000..190_000).contains(&understood), "{understood} of 200,000");
}

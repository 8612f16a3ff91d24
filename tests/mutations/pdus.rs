//! Everything that is done with octets that come in from an SNMP agent. Used by the seeded mutations and by the fuzz target.

use keepalived::base::bytes::Writer;
use keepalived::wire::agentx::value::LONGEST_OID;
use keepalived::wire::agentx::{HEADER, LONGEST_PAYLOAD, Pdu, emit, frame};

/// Reads the octets as a stream; how many PDUs were understood.
pub fn read(mut octets: &[u8]) -> usize {
    let mut understood = 0;
    while let Ok(Some(len)) = frame(octets) {
        assert!((HEADER..=HEADER + LONGEST_PAYLOAD).contains(&len) && len.is_multiple_of(4));
        let Some((one, rest)) = octets.split_at_checked(len) else { break };
        octets = rest;
        let Ok((header, pdu)) = Pdu::parse(one) else { continue };
        understood += 1;
        // A prefix is written out, which takes four numbers more for each name.
        let mut buffer = vec![0; 4 * (HEADER + LONGEST_PAYLOAD)];
        let mut out = Writer::new(&mut buffer);
        emit::pdu(&mut out, &header, &pdu).unwrap();
        if let Pdu::Get(ranges) | Pdu::GetNext(ranges) | Pdu::GetBulk { ranges, .. } = &pdu {
            assert!(ranges.clone().all(|range| range.start.numbers().len() <= LONGEST_OID));
        }
        // What was written out may be longer than a master may send.
        if out.len() <= HEADER + LONGEST_PAYLOAD {
            assert_eq!(Pdu::parse(out.written()), Ok((header, pdu)));
        }
    }
    understood
}

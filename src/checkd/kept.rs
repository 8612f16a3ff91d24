//! What outlives this process: noted beside the work, and taken up by the process that replaces it.
//!
//! ```text
//! check    what the director says of it | when it is due | verdict, what it has shown, streak, weight
//! quorum   of a virtual server          | mark of a group| -
//! pings    the range of groups before   | as it was made | -
//! ```
//!
//! A check finds its note by what it does, so that a successor with another configuration finds it, too; a virtual
//! server by its name.

use core::fmt;

use crate::base::addr::Family;
use crate::base::time::Instant;
use crate::config::model::service::Key as ServiceKey;
use crate::config::model::{RealServer, VirtualServer};
use crate::daemon::keep::{Values, key};
use crate::daemon::record;
use crate::proto::check::{Memory, Weight};

pub(super) const CHECK: &str = "check";
const QUORUM: &str = "quorum";
pub(super) const PINGS: &str = "pings";

/// The key of the note of a virtual server with this key of a record.
pub(super) fn quorum_key(of_service: u64) -> u64 {
    key(QUORUM, "") ^ of_service
}

/// The key of a virtual server or of one of its real servers, for records, notes and letters.
pub(super) fn service_key(service: &VirtualServer, order: u32, server: Option<&RealServer>) -> u64 {
    let mut key = Key(record::key("service\0"));
    // A key takes everything.
    let _ = fmt::write(&mut key, format_args!("{}", service.name(order)));
    // The name of a mark does not tell its family, and both families may have the same mark.
    if matches!(service.key, ServiceKey::Mark(_)) && service.family == Some(Family::V6) {
        key.0 = record::continued(key.0, "\0v6");
    }
    if let Some(server) = server {
        let _ = fmt::write(&mut key, format_args!("\0{}", service.server_name(server)));
    }
    key.0
}

/// A key that text goes into.
struct Key(u64);

impl fmt::Write for Key {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = record::continued(self.0, text);
        Ok(())
    }
}

const UP: u64 = 1;
const DECIDED: u64 = 2;
const PROVEN: u64 = 4;
const SET: u64 = 8;
const PLUS: u64 = 16;
/// From here on 16 bits of the streak, and then the weight.
const STREAK: u32 = 8;
const WEIGHT: u32 = 24;
/// The weight has 40 bits, more than any weight of the kernel.
const MOST: i64 = (1 << 39) - 1;

/// What is noted of a check, `word` being what the director says of it.
pub(super) fn values(word: u64, memory: &Memory) -> Values {
    let flag = |on, flag| if on { flag } else { 0 };
    let (kind, weight) = match memory.weight {
        Weight::Configured => (0, 0),
        Weight::Set(weight) => (SET, u64::from(weight)),
        Weight::Plus(weight) => (PLUS, weight.clamp(-MOST, MOST).cast_unsigned()),
    };
    let streak = u64::from(memory.failures.min(u32::from(u16::MAX)));
    let flags = flag(memory.up, UP) | flag(memory.decided, DECIDED) | flag(memory.proven, PROVEN) | kind;
    [word, memory.due.as_micros(), flags | streak << STREAK | weight << WEIGHT]
}

/// What a note says of a check.
pub(super) fn memory([_, due, flags]: Values) -> Memory {
    Memory {
        up: flags & UP != 0,
        decided: flags & DECIDED != 0,
        proven: flags & PROVEN != 0,
        failures: u32::try_from(flags >> STREAK & 0xffff).unwrap_or(0),
        due: Instant::from_micros(due),
        weight: match flags & (SET | PLUS) {
            SET => Weight::Set(u8::try_from(flags >> WEIGHT).unwrap_or(u8::MAX)),
            PLUS => Weight::Plus(flags.cast_signed() >> WEIGHT),
            _ => Weight::Configured,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::diag::Diagnostics;
    use crate::config::{assemble, expand};

    #[test]
    fn one_mark_of_both_families_is_two_virtual_servers() {
        let text = "virtual_server fwmark 7 {\n real_server 192.0.2.1 80 {\n }\n}\n\
                    virtual_server fwmark 7 {\n ip_family inet6\n real_server 2001:db8::1 80 {\n }\n}\n";
        let mut found = Diagnostics::new();
        let model = assemble::model(&expand::parse_text(text, &mut found).tree, &mut found);
        let [four, six] = &*model.services else { panic!("{found:?}") };
        assert_eq!((four.family, six.family), (Some(Family::V4), Some(Family::V6)));
        assert_ne!(service_key(four, 0, None), service_key(six, 0, None));
    }

    #[test]
    fn a_successor_reads_what_was_noted() {
        for weight in [Weight::Configured, Weight::Set(254), Weight::Plus(-600), Weight::Plus(70_000)] {
            for bits in 0..8 {
                let noted = Memory {
                    up: bits & 1 != 0,
                    decided: bits & 2 != 0,
                    proven: bits & 4 != 0,
                    failures: 60_000 + bits,
                    due: Instant::from_micros(123_456_789),
                    weight,
                };
                assert_eq!(memory(values(7, &noted)), noted);
            }
        }
    }
}

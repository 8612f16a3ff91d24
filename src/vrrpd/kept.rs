//! What outlives this process: noted beside the work, and taken up by the process that replaces it.
//!
//! ```text
//! script       verdict, streak and last code | when it is due    | -
//! process      verdict, change that waits    | when that counts  | -
//! delayed link counted state                 | otherwise since   | -
//! own numbers  the last one sent (or heard, for authentication headers)
//! a sender     the last one heard            | its address
//! MASTER heard its advert interval, where it is not ours
//! ```
//!
//! Instances find their notes by name, so that a successor with another configuration finds them, too. The states of
//! instances and groups are with the parent ([`crate::daemon::record`]), and on disk if the daemon is killed as a whole:
//! their numbers are the same in all versions of the program.

use core::net::Ipv6Addr;

use crate::base::addr::IpAddr;
use crate::daemon::record::{self, Records};
use crate::proto::vrrp::State;

pub(super) const OWN: &str = "own number";
pub(super) const SENDER: &str = "sender";
pub(super) const INTERVAL: &str = "interval";

/// The state of an instance or a group as the parent remembers it.
pub(super) const fn state_of_record(state: State) -> u8 {
    match state {
        State::Init => record::GONE,
        State::Backup => 1,
        State::Master => MASTER,
        State::Fault => 3,
    }
}

/// The state that the parent remembers of an instance or a group.
pub(super) fn recorded(records: &Records, key: u64) -> Option<State> {
    match records.of(key)? {
        1 => Some(State::Backup),
        MASTER => Some(State::Master),
        3 => Some(State::Fault),
        _ => None,
    }
}

/// The state of a record that a daemon that is killed as a whole leaves to the next one.
pub const MASTER: u8 = 2;

/// The key of the record of a sync group: never that of an instance of its name.
pub(super) fn group_key(name: &str) -> u64 {
    record::continued(record::key("group\0"), name)
}

/// An address as two words; one of version 4 as version 6 maps it.
pub(super) fn pack(address: IpAddr) -> (u64, u64) {
    let bits = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    };
    let low = u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
    (u64::try_from(bits >> 64).unwrap_or(0), low)
}

pub(super) fn unpack(high: u64, low: u64) -> IpAddr {
    let address = Ipv6Addr::from_bits(u128::from(high) << 64 | u128::from(low));
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::record::Record;

    const INSTANCE_A: u64 = 0xaf63_fc4c_8602_22ec;
    const GROUP_A: u64 = 0x00d2_3b77_07bd_af5c;

    #[test]
    fn a_daemon_of_another_version_reads_the_states() {
        let (instance, group) = (record::key("A"), group_key("A"));
        for (state, number) in [(State::Backup, 1), (State::Master, 2), (State::Fault, 3)] {
            assert_eq!(state_of_record(state), number);
            let mut records = Records::new(2);
            records.note(Record::new(instance, number));
            assert_eq!((recorded(&records, instance), recorded(&records, group)), (Some(state), None));
        }
        assert_eq!((state_of_record(State::Init), MASTER), (record::GONE, 2));
        assert_eq!((instance, group), (INSTANCE_A, GROUP_A));
    }

    #[test]
    fn addresses_come_back_as_they_were_noted() {
        for text in ["192.0.2.1", "2001:db8::1", "fe80::1"] {
            let address: IpAddr = text.parse().unwrap();
            let (high, low) = pack(address);
            assert_eq!(unpack(high, low), address);
        }
    }
}

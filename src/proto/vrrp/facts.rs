//! What is true of an instance apart from what it tracks, and which reasons for FAULT follow from it.

use super::fault::{Fault, Faults};

/// The interface that an instance is configured on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Base {
    /// It is there and up, or the instance needs none.
    #[default]
    Up,
    /// It is down or without carrier.
    Down,
    /// It does not exist.
    Missing,
}

/// What is true of an instance now. By default nothing speaks against it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct Facts {
    /// The interface of the configuration.
    pub base: Base,
    /// `dont_track_primary`: whether that interface is down does not matter.
    pub base_untracked: bool,
    /// The instance's own macvlan or ipvlan is missing, or somebody took it down.
    pub vmac_missing: bool,
    /// The interface has no address that adverts could come from.
    pub no_source: bool,
    /// The configured source is on no interface, and it matters.
    pub source_missing: bool,
    /// Duplicate address detection goes on for the source (RFC 4862 section 5.4).
    pub tentative: bool,
    /// As MASTER: the kernel refused each of its addresses, several times.
    pub refused: bool,
    /// Unicast without a peer (`unicast_fault_no_peer`).
    pub no_peer: bool,
    /// Another instance has the same router id on the same link, or the same macvlan.
    pub conflict: bool,
    /// The socket for adverts could not be opened.
    pub no_socket: bool,
    /// The key that adverts are signed with could not be read.
    pub no_key: bool,
    /// An administrator has taken the router out of service.
    pub maintenance: bool,
}

impl Facts {
    /// The reasons for FAULT. `patient`: an instance without a source waits for the one that is being probed.
    #[must_use]
    pub fn faults(self, patient: bool) -> Faults {
        let (missing, waits) = (self.base == Base::Missing, self.waits(patient));
        Faults::NONE
            .with(Fault::LinkMissing, missing)
            .with(Fault::LinkDown, self.base == Base::Down && !self.base_untracked)
            .with(Fault::NoAddress, self.lacks_source() && !waits)
            .with(Fault::Source, self.source_missing && !waits)
            .with(Fault::Address, self.refused)
            .with(Fault::Vmac, self.vmac_missing && !missing)
            .with(Fault::NoPeer, self.no_peer)
            .with(Fault::Conflict, self.conflict)
            .with(Fault::Socket, self.no_socket)
            .with(Fault::Key, self.no_key)
            .with(Fault::Maintenance, self.maintenance)
    }

    /// Whether the instance waits for the source that is being probed.
    #[must_use]
    pub fn waits(self, patient: bool) -> bool {
        patient && self.tentative && (self.lacks_source() || self.source_missing)
    }

    /// Without an interface there is no question of a source.
    fn lacks_source(self) -> bool {
        self.base != Base::Missing && self.no_source
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_has_its_reason_and_a_missing_interface_explains_the_rest() {
        let nothing = Facts::default();
        assert!(nothing.faults(false).is_empty());
        let one = |facts: Facts, fault: Fault| {
            assert_eq!(facts.faults(false), Faults::NONE.with(fault, true), "{facts:?}");
        };
        one(Facts { base: Base::Down, ..nothing }, Fault::LinkDown);
        one(Facts { vmac_missing: true, ..nothing }, Fault::Vmac);
        one(Facts { no_source: true, ..nothing }, Fault::NoAddress);
        one(Facts { no_source: true, tentative: true, ..nothing }, Fault::NoAddress);
        one(Facts { source_missing: true, ..nothing }, Fault::Source);
        one(Facts { refused: true, ..nothing }, Fault::Address);
        one(Facts { no_peer: true, ..nothing }, Fault::NoPeer);
        one(Facts { conflict: true, ..nothing }, Fault::Conflict);
        one(Facts { no_socket: true, ..nothing }, Fault::Socket);
        one(Facts { no_key: true, ..nothing }, Fault::Key);
        one(Facts { maintenance: true, ..nothing }, Fault::Maintenance);
        let gone = Facts { base: Base::Missing, vmac_missing: true, no_source: true, ..nothing };
        one(gone, Fault::LinkMissing);
        assert!(Facts { base: Base::Down, base_untracked: true, ..nothing }.faults(false).is_empty());
    }

    #[test]
    fn only_a_source_that_is_probed_is_waited_for() {
        let probed = Facts { no_source: true, tentative: true, ..Facts::default() };
        assert!(probed.waits(true) && probed.faults(true).is_empty());
        let configured = Facts { source_missing: true, tentative: true, ..Facts::default() };
        assert!(configured.waits(true) && configured.faults(true).is_empty());
        let absent = Facts { tentative: false, ..probed };
        assert!(!absent.waits(true) && absent.faults(true).contains(Fault::NoAddress));
        assert!(!Facts { base: Base::Missing, ..probed }.waits(true));
        assert!(!Facts { tentative: true, ..Facts::default() }.waits(true), "another address serves");
    }
}

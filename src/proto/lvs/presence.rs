//! `ha_suspend`: the checks of a service run only while one of its addresses is on an interface of this machine.
//!
//! While they are suspended its servers stay as they were. The address monitor tells which addresses come and go.

use super::values::Entry;
use crate::base::addr::IpAddr;
use crate::base::id::{IfIndex, ServiceId};
use crate::base::map::Set;

/// The services that are suspended without their addresses, and which of these are there.
#[derive(Debug, Default)]
pub struct Presence {
    /// By service: which of thousands of services are suspended is asked for each of their checks.
    ranges: Vec<Range>,
    here: Here,
}

/// Addresses, each on the interfaces that have it.
type Here = Set<(IpAddr, IfIndex)>;

/// Some addresses of a service.
#[derive(Clone, Copy, Debug)]
struct Range {
    first: IpAddr,
    last: IpAddr,
    service: ServiceId,
}

impl Presence {
    /// A service is to be suspended unless this address is there, or another one that was named. For load time.
    pub fn add(&mut self, service: ServiceId, addr: IpAddr) {
        self.enter(Range { first: addr, last: addr, service });
    }

    /// The same for the addresses of a group.
    pub fn add_group(&mut self, service: ServiceId, entries: &[Entry]) {
        for entry in entries {
            if let Entry::Addresses { first, last, .. } = *entry {
                self.enter(Range { first, last, service });
            }
        }
    }

    fn enter(&mut self, range: Range) {
        let at = self.ranges.partition_point(|other| other.service <= range.service);
        self.ranges.insert(at, range);
    }

    /// The addresses of a service.
    fn own(&self, service: ServiceId) -> &[Range] {
        let from = self.ranges.partition_point(|range| range.service < service);
        let to = self.ranges.partition_point(|range| range.service <= service);
        self.ranges.get(from..to).unwrap_or_default()
    }

    /// Takes what is there from the presence of an old configuration; of what that one did not look for nothing is
    /// known, and a list of all addresses is to be told.
    pub fn follow(&mut self, old: &Self) {
        for (addr, interface) in old.here.iter() {
            if self.counts(addr) {
                self.here.insert((*addr, *interface));
            }
        }
    }

    /// Nothing is known of any address: a list of all of them is about to be told. Which services are suspended is to be
    /// asked when it has ended.
    pub fn forget(&mut self) {
        self.here = Set::new();
    }

    /// Whether a service is suspended now; one without `ha_suspend` never is.
    #[must_use]
    pub fn is_suspended(&self, service: ServiceId) -> bool {
        let own = self.own(service);
        !own.is_empty() && !own.iter().any(|range| self.is_here(range))
    }

    /// An address is on an interface now; it may have been before. `resumed` gets the services that it resumes.
    pub fn came(&mut self, addr: IpAddr, interface: IfIndex, resumed: &mut dyn FnMut(ServiceId)) {
        self.changed(addr, &mut |here| here.insert((addr, interface)), resumed);
    }

    /// An address is on an interface no more. `suspended` gets the services that have none left.
    pub fn went(&mut self, addr: IpAddr, interface: IfIndex, suspended: &mut dyn FnMut(ServiceId)) {
        self.changed(addr, &mut |here| here.remove(&(addr, interface)), suspended);
    }

    fn changed(
        &mut self,
        addr: IpAddr,
        change: &mut dyn FnMut(&mut Here) -> bool,
        turned: &mut dyn FnMut(ServiceId),
    ) {
        if !self.counts(&addr) {
            return;
        }
        let already = self.has(&addr);
        if !change(&mut self.here) || self.has(&addr) == already {
            return;
        }
        for (at, range) in self.ranges.iter().enumerate().filter(|(_, range)| range.contains(&addr)) {
            // A service that has the address twice is told once, and one that has another address here is not told.
            let twice = self.ranges.iter().take(at);
            let twice = twice.clone().any(|other| other.service == range.service && other.contains(&addr));
            if !twice && !self.own(range.service).iter().any(|other| self.is_here_beside(other, &addr)) {
                turned(range.service);
            }
        }
    }

    /// Whether an address is one of any service.
    fn counts(&self, addr: &IpAddr) -> bool {
        self.ranges.iter().any(|range| range.contains(addr))
    }

    fn has(&self, addr: &IpAddr) -> bool {
        self.here.iter().any(|(other, _)| other == addr)
    }

    fn is_here(&self, range: &Range) -> bool {
        self.here.iter().any(|(addr, _)| range.contains(addr))
    }

    fn is_here_beside(&self, range: &Range, addr: &IpAddr) -> bool {
        self.here.iter().any(|(other, _)| other != addr && range.contains(other))
    }
}

impl Range {
    fn contains(&self, addr: &IpAddr) -> bool {
        // Of addresses of two families one is not between two of the other.
        (self.first..=self.last).contains(addr) && self.first.is_ipv4() == addr.is_ipv4()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::addr;
    use super::*;

    /// What comes and goes, and which services that turns.
    fn turned(presence: &mut Presence, text: &str, interface: u32, comes: bool) -> Vec<u32> {
        let mut all = Vec::new();
        let mut turn = |service: ServiceId| all.push(service.0);
        if comes {
            presence.came(addr(text), IfIndex(interface), &mut turn);
        } else {
            presence.went(addr(text), IfIndex(interface), &mut turn);
        }
        all
    }

    #[test]
    fn a_service_runs_while_one_of_its_addresses_is_there() {
        let mut presence = Presence::default();
        let entries = [
            Entry::Addresses { first: addr("192.0.2.10"), last: addr("192.0.2.12"), port: 80 },
            Entry::Addresses { first: addr("192.0.2.10"), last: addr("192.0.2.10"), port: 443 },
        ];
        // In any order.
        presence.add_group(ServiceId(2), &entries);
        presence.add(ServiceId(0), addr("192.0.2.10"));
        assert!(presence.is_suspended(ServiceId(0)) && presence.is_suspended(ServiceId(2)));
        assert!(!presence.is_suspended(ServiceId(1)), "it does without");
        assert_eq!(turned(&mut presence, "192.0.2.99", 1, true), [0; 0]);
        assert_eq!(turned(&mut presence, "192.0.2.10", 1, true), [0, 2]);
        assert_eq!(turned(&mut presence, "192.0.2.10", 1, true), [0; 0], "told again");
        assert_eq!(turned(&mut presence, "192.0.2.10", 2, true), [0; 0], "on another interface, too");
        assert_eq!(turned(&mut presence, "192.0.2.12", 1, true), [0; 0], "it runs already");
        assert_eq!(turned(&mut presence, "192.0.2.10", 1, false), [0; 0]);
        assert!(!presence.is_suspended(ServiceId(0)));
        assert_eq!(turned(&mut presence, "192.0.2.10", 2, false), [0]);
        assert_eq!(turned(&mut presence, "192.0.2.10", 2, false), [0; 0]);
        assert!(presence.is_suspended(ServiceId(0)) && !presence.is_suspended(ServiceId(2)));
        let mut next = Presence::default();
        next.add_group(ServiceId(7), &entries);
        next.follow(&presence);
        assert!(!next.is_suspended(ServiceId(7)), "a reload takes along what is there");
        next.forget();
        assert!(next.is_suspended(ServiceId(7)));
    }

    #[test]
    fn addresses_of_the_other_family_are_other_addresses() {
        let mut presence = Presence::default();
        presence.add(ServiceId(0), addr("2001:db8::1"));
        assert_eq!(turned(&mut presence, "192.0.2.1", 1, true), [0; 0]);
        assert_eq!(turned(&mut presence, "2001:db8::1", 1, true), [0]);
    }
}

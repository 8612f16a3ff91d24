//! What a service listens to becomes keys of the kernel: addresses of ranges one by one, then marks.
//!
//! With `nftables_ipvs` one mark stands for all addresses of a group: a rule of nftables sets it on their packets, and
//! the kernel's table has one service of each family in the place of thousands.

use super::marks::after;
use super::spec::{Listen, ServiceSpec};
use super::values::{Entry, Protocol, ServiceKey};
use crate::base::addr::{Family, IpAddr};

/// Calls `each` with the keys of a service in the order of the kernel's operations: addresses, then marks, each as the
/// file has them. Stops when `each` says false.
pub(super) fn keys(spec: &ServiceSpec<'_>, each: &mut dyn FnMut(ServiceKey) -> bool) {
    let protocol = spec.protocol.unwrap_or(Protocol::Udp);
    let mut go_on = true;
    let mut key = |key: ServiceKey| {
        go_on = go_on && each(key);
        go_on
    };
    match spec.listen {
        Listen::Address(addr, port) => drop(key(ServiceKey::Address(protocol, addr, port))),
        Listen::Mark(mark) => drop(key(ServiceKey::Mark(spec.family, mark))),
        Listen::Group { entries, mark } => {
            match mark {
                None => {
                    for (addr, port) in addresses(entries) {
                        if !key(ServiceKey::Address(protocol, addr, port)) {
                            return;
                        }
                    }
                }
                Some(mark) => {
                    for family in families(entries) {
                        key(ServiceKey::Mark(family, mark));
                    }
                }
            }
            for entry in entries {
                if let Entry::Mark { mark, family } = entry {
                    key(ServiceKey::Mark(family.unwrap_or(spec.family), *mark));
                }
            }
        }
    }
}

/// Every address of a group with its port.
fn addresses(entries: &[Entry]) -> impl Iterator<Item = (IpAddr, u16)> {
    entries.iter().flat_map(|entry| {
        let (first, last, port) = match entry {
            Entry::Addresses { first, last, port } => (Some(*first), Some(*last), *port),
            Entry::Mark { .. } => (None, None, 0),
        };
        core::iter::successors(first, move |addr| after(addr).filter(|_| Some(*addr) != last))
            .map(move |addr| (addr, port))
    })
}

/// The families that the addresses of a group have, IPv4 first.
fn families(entries: &[Entry]) -> impl Iterator<Item = Family> {
    [Family::V4, Family::V6].into_iter().filter(|family| {
        entries
            .iter()
            .any(|entry| matches!(entry, Entry::Addresses { first, .. } if Family::of(first) == *family))
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{addr, service};
    use super::*;

    fn expanded(listen: Listen<'_>, family: Family) -> Vec<ServiceKey> {
        let spec = ServiceSpec { listen, family, ..service(1) };
        let mut all = Vec::new();
        keys(&spec, &mut |key| {
            all.push(key);
            true
        });
        all
    }

    fn range(first: &str, last: &str, port: u16) -> Entry {
        Entry::Addresses { first: addr(first), last: addr(last), port }
    }

    const fn mark(mark: u32, family: Option<Family>) -> Entry {
        Entry::Mark { mark, family }
    }

    fn tcp(text: &str, port: u16) -> ServiceKey {
        ServiceKey::Address(Protocol::Tcp, addr(text), port)
    }

    #[test]
    fn addresses_come_before_marks_and_both_in_the_order_of_the_file() {
        let entries = [
            mark(7, None),
            range("192.0.2.9", "192.0.2.11", 80),
            mark(3, Some(Family::V6)),
            range("192.0.2.1", "192.0.2.1", 0),
        ];
        assert_eq!(
            expanded(Listen::Group { entries: &entries, mark: None }, Family::V4),
            [
                tcp("192.0.2.9", 80),
                tcp("192.0.2.10", 80),
                tcp("192.0.2.11", 80),
                tcp("192.0.2.1", 0),
                ServiceKey::Mark(Family::V4, 7),
                ServiceKey::Mark(Family::V6, 3),
            ]
        );
        assert_eq!(expanded(Listen::Mark(5), Family::V6), [ServiceKey::Mark(Family::V6, 5)]);
        assert_eq!(expanded(Listen::Address(addr("2001:db8::1"), 53), Family::V6), [tcp("2001:db8::1", 53)]);
    }

    #[test]
    fn ranges_end_with_the_last_address_there_is() {
        let entries = [
            range("255.255.255.254", "255.255.255.255", 1),
            range("ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 2),
        ];
        assert_eq!(expanded(Listen::Group { entries: &entries, mark: None }, Family::V4).len(), 4);
        let across = [range("192.0.2.254", "192.0.3.1", 80)];
        assert_eq!(expanded(Listen::Group { entries: &across, mark: None }, Family::V4).len(), 4);
    }

    #[test]
    fn a_huge_range_is_not_walked_through() {
        let entries = [range("8000::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 80), mark(1, None)];
        let spec = ServiceSpec { listen: Listen::Group { entries: &entries, mark: None }, ..service(1) };
        let mut count = 0;
        keys(&spec, &mut |_| {
            count += 1;
            count < 10
        });
        assert_eq!(count, 10);
    }

    #[test]
    fn one_mark_stands_for_the_addresses_of_each_family() {
        let entries = [
            range("2001:db8::1", "2001:db8::9", 80),
            mark(7, None),
            range("192.0.2.1", "192.0.2.200", 80),
            range("192.0.2.1", "192.0.2.200", 443),
        ];
        assert_eq!(
            expanded(Listen::Group { entries: &entries, mark: Some(1_000) }, Family::V4),
            [
                ServiceKey::Mark(Family::V4, 1_000),
                ServiceKey::Mark(Family::V6, 1_000),
                ServiceKey::Mark(Family::V4, 7),
            ]
        );
        let marks_alone = [mark(7, None)];
        let listen = Listen::Group { entries: &marks_alone, mark: Some(1_000) };
        assert_eq!(expanded(listen, Family::V4), [ServiceKey::Mark(Family::V4, 7)]);
    }
}

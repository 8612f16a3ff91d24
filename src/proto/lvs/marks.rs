//! The marks that `nftables_ipvs` gives to groups, and which packets get them.

use super::values::{Entry, Protocol};
use crate::base::addr::{Family, IpAddr, Ipv4Addr, Ipv6Addr};

/// The marks of groups. A service keeps its mark for as long as it is there, through reloads: connections go by it.
#[derive(Clone, Debug, Default)]
pub struct Marks {
    /// `nftables_ipvs_start_fwmark`
    start: u32,
    /// Where the search for a free mark begins: a mark that was given back is not another service's at once.
    next: u32,
    /// The identity of a service and its mark.
    given: Vec<(u64, u32)>,
    /// What the file itself uses.
    taken: Vec<u32>,
}

impl Marks {
    /// No marks yet; `taken`: the marks that the file itself uses, which no group gets.
    #[must_use]
    pub fn new(start: u32, mut taken: Vec<u32>) -> Self {
        taken.sort_unstable();
        Self { start, next: start, given: Vec::new(), taken }
    }

    /// The marks for another configuration, whose services are those of `identities`: those that were there keep
    /// theirs, unless the file itself uses the mark now.
    #[must_use]
    pub fn follow(old: &Self, start: u32, taken: Vec<u32>, identities: &[u64]) -> Self {
        let mut marks = Self::new(start, taken);
        let stays = |(identity, mark): &&(u64, u32)| {
            identities.contains(identity) && marks.taken.binary_search(mark).is_err()
        };
        marks.given = old.given.iter().filter(stays).copied().collect();
        if old.start == start {
            marks.next = old.next;
        }
        marks
    }

    /// A predecessor had given this mark to a service. It stays so, unless the mark is somebody else's now.
    pub fn resume(&mut self, identity: u64, mark: u32) {
        if mark >= self.start && self.is_free(mark) {
            self.given.push((identity, mark));
            self.next = self.next.max(mark.saturating_add(1));
        }
    }

    /// The mark of a service: the one that it has, or the next that is free. None if all are taken.
    pub fn of(&mut self, identity: u64) -> Option<u32> {
        if let Some((_, mark)) = self.given.iter().find(|(other, _)| *other == identity) {
            return Some(*mark);
        }
        let mut all = (self.next..=u32::MAX).chain(self.start..self.next);
        let mark = all.find(|mark| self.is_free(*mark))?;
        self.next = mark.checked_add(1).unwrap_or(self.start);
        self.given.push((identity, mark));
        Some(mark)
    }

    fn is_free(&self, mark: u32) -> bool {
        self.taken.binary_search(&mark).is_err() && self.given.iter().all(|(_, other)| *other != mark)
    }
}

/// Packets of a protocol to these addresses and ports get a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// Their protocol.
    pub protocol: Protocol,
    /// The first address.
    pub first: IpAddr,
    /// The last address.
    pub last: IpAddr,
    /// The first and the last port.
    pub ports: (u16, u16),
    /// Their mark.
    pub mark: u32,
}

/// Which packets get which mark, for groups with their protocols and marks, in the order of the file. No packet is named
/// twice, which the kernel would refuse: of two groups with one address and port the first has it, and an entry for
/// every port has those that no other entry names, as with services of the kernel.
#[must_use]
pub fn marked<'a>(groups: impl Iterator<Item = (Protocol, &'a [Entry], u32)> + Clone) -> Vec<Marked> {
    let mut all: Vec<Marked> = Vec::new();
    for every_port in [false, true] {
        for (protocol, entries, mark) in groups.clone() {
            for entry in entries {
                let Entry::Addresses { first, last, port } = *entry else { continue };
                if (port == 0) != every_port {
                    continue;
                }
                let ports = if every_port { (0, u16::MAX) } else { (port, port) };
                add(&mut all, Marked { protocol, first, last, ports, mark });
            }
        }
    }
    all
}

/// Adds what of a range no other one has.
fn add(all: &mut Vec<Marked>, range: Marked) {
    let mut rest = vec![range];
    for other in &*all {
        if rest.is_empty() {
            return;
        }
        if rest.iter().any(|one| overlap(one, other)) {
            rest = rest.iter().flat_map(|one| without(one, other)).flatten().collect();
        }
    }
    all.append(&mut rest);
}

fn overlap(one: &Marked, other: &Marked) -> bool {
    one.protocol == other.protocol
        && Family::of(&one.first) == Family::of(&other.first)
        && one.first <= other.last
        && other.first <= one.last
        && one.ports.0 <= other.ports.1
        && other.ports.0 <= one.ports.1
}

/// What of a range another one leaves: the addresses below and above the other one's, and of the addresses of both the
/// ports below and above.
fn without(one: &Marked, other: &Marked) -> [Option<Marked>; 4] {
    if !overlap(one, other) {
        return [Some(*one), None, None, None];
    }
    let below = before(&other.first).filter(|last| *last >= one.first).map(|last| Marked { last, ..*one });
    let above = after(&other.last).filter(|first| *first <= one.last).map(|first| Marked { first, ..*one });
    let both = Marked { first: one.first.max(other.first), last: one.last.min(other.last), ..*one };
    let ((low, high), (from, to)) = (one.ports, other.ports);
    let lower = from.checked_sub(1).filter(|to| *to >= low).map(|to| Marked { ports: (low, to), ..both });
    let higher =
        to.checked_add(1).filter(|from| *from <= high).map(|from| Marked { ports: (from, high), ..both });
    [below, lower, higher, above]
}

/// The address before this one, of the same family.
fn before(addr: &IpAddr) -> Option<IpAddr> {
    match addr {
        IpAddr::V4(addr) => addr.to_bits().checked_sub(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(addr) => addr.to_bits().checked_sub(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

/// The address after this one, of the same family.
pub(super) fn after(addr: &IpAddr) -> Option<IpAddr> {
    match addr {
        IpAddr::V4(addr) => addr.to_bits().checked_add(1).map(|bits| Ipv4Addr::from_bits(bits).into()),
        IpAddr::V6(addr) => addr.to_bits().checked_add(1).map(|bits| Ipv6Addr::from_bits(bits).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::addr;
    use super::*;

    fn range(first: &str, last: &str, port: u16) -> Entry {
        Entry::Addresses { first: addr(first), last: addr(last), port }
    }

    fn of(groups: &[(Protocol, &[Entry], u32)]) -> Vec<String> {
        let all = marked(groups.iter().copied());
        // Nothing is named twice.
        for (place, one) in all.iter().enumerate() {
            assert!(all[..place].iter().all(|other| !overlap(one, other)), "{all:?}");
        }
        let line = |it: &Marked| {
            format!(
                "{} {}-{} {}-{} {}",
                it.protocol.name(),
                it.first,
                it.last,
                it.ports.0,
                it.ports.1,
                it.mark
            )
        };
        all.iter().map(line).collect()
    }

    #[test]
    fn a_service_keeps_its_mark_and_gets_none_that_the_file_uses_or_that_was_just_given_back() {
        let mut marks = Marks::new(1_000, vec![1_001, 5]);
        assert_eq!([marks.of(11), marks.of(12), marks.of(11)], [Some(1_000), Some(1_002), Some(1_000)]);
        let mut next = Marks::follow(&marks, 1_000, vec![5], &[12, 13]);
        assert_eq!([next.of(13), next.of(12), next.of(14)], [Some(1_003), Some(1_002), Some(1_004)]);
        let mut next = Marks::follow(&next, 2_000, vec![1_002], &[12, 13]);
        assert_eq!([next.of(12), next.of(13)], [Some(2_000), Some(1_003)], "the file uses its mark now");
        assert_eq!(Marks::new(u32::MAX, vec![u32::MAX]).of(1), None);
        let mut last = Marks::new(u32::MAX - 1, Vec::new());
        assert_eq!([last.of(1), last.of(2), last.of(3)], [Some(u32::MAX - 1), Some(u32::MAX), None]);
        let mut again = Marks::follow(&last, u32::MAX - 1, Vec::new(), &[2]);
        assert_eq!(again.of(3), Some(u32::MAX - 1), "from the beginning");
    }

    #[test]
    fn a_successor_goes_on_with_the_marks_of_its_predecessor() {
        let mut marks = Marks::new(1_000, vec![1_007]);
        for (identity, mark) in [(1, 1_003), (2, 1_007), (3, 1_003), (4, 999)] {
            marks.resume(identity, mark);
        }
        assert_eq!([1, 2, 3, 4].map(|identity| marks.of(identity)), [1_003, 1_004, 1_005, 1_006].map(Some));
    }

    #[test]
    fn each_address_and_port_of_a_protocol_gets_one_mark() {
        let first = [range("192.0.2.1", "192.0.2.5", 80), range("192.0.2.2", "192.0.2.2", 80)];
        let second = [
            range("192.0.2.4", "192.0.2.9", 80),
            range("192.0.2.0", "192.0.2.9", 443),
            Entry::Mark { mark: 7, family: None },
            range("2001:db8::1", "2001:db8::1", 80),
        ];
        assert_eq!(
            of(&[(Protocol::Tcp, &first, 1), (Protocol::Tcp, &second, 2), (Protocol::Udp, &first, 3)]),
            [
                "TCP 192.0.2.1-192.0.2.5 80-80 1",
                "TCP 192.0.2.6-192.0.2.9 80-80 2",
                "TCP 192.0.2.0-192.0.2.9 443-443 2",
                "TCP 2001:db8::1-2001:db8::1 80-80 2",
                "UDP 192.0.2.1-192.0.2.5 80-80 3",
            ]
        );
    }

    #[test]
    fn an_entry_for_every_port_has_those_that_no_other_entry_names() {
        let every = [range("192.0.2.1", "192.0.2.3", 0)];
        let one = [range("192.0.2.2", "192.0.2.2", 80), range("192.0.2.3", "192.0.2.9", u16::MAX)];
        assert_eq!(
            of(&[(Protocol::Tcp, &every, 1), (Protocol::Tcp, &one, 2)]),
            [
                "TCP 192.0.2.2-192.0.2.2 80-80 2",
                "TCP 192.0.2.3-192.0.2.9 65535-65535 2",
                "TCP 192.0.2.1-192.0.2.1 0-65535 1",
                "TCP 192.0.2.2-192.0.2.2 0-79 1",
                "TCP 192.0.2.2-192.0.2.2 81-65535 1",
                "TCP 192.0.2.3-192.0.2.3 0-65534 1",
            ]
        );
        let whole = [range("0.0.0.0", "255.255.255.255", 0), range("0.0.0.0", "255.255.255.255", 0)];
        assert_eq!(of(&[(Protocol::Sctp, &whole, 1)]), ["SCTP 0.0.0.0-255.255.255.255 0-65535 1"]);
    }
}

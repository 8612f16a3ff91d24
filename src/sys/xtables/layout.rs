//! Where the fields of the kernel's structures lie, which differs between machines of 32 and 64 bits.

use std::mem::{align_of, offset_of, size_of};

use crate::base::addr::Family;

/// xt_counters.
#[derive(Clone, Copy)]
#[repr(C)]
struct Counters {
    _packets: u64,
    _octets: u64,
}

/// ipt_entry; its ipt_ip is addresses and masks, names and masks of interfaces, protocol, two octets of flags.
#[repr(C)]
struct EntryV4 {
    addresses: [u32; 4],
    interfaces: [u8; 64],
    protocol: u16,
    flags: u8,
    _inverse: u8,
    mark: u32,
    target: u16,
    next: u16,
    came_from: u32,
    counters: Counters,
}

/// ip6t_entry; its ip6t_ip6 has a traffic class in front of the flags, and is padded to whole words.
#[repr(C)]
struct EntryV6 {
    addresses: [u32; 16],
    interfaces: [u8; 64],
    protocol: u16,
    _class: u8,
    flags: u8,
    _inverse: u8,
    _padding: [u8; 3],
    mark: u32,
    target: u16,
    next: u16,
    came_from: u32,
    counters: Counters,
}

/// ipt_getinfo, the same for both families.
#[repr(C)]
pub(super) struct Info {
    pub(super) name: [u8; 32],
    pub(super) valid_hooks: u32,
    pub(super) first: [u32; 5],
    pub(super) last: [u32; 5],
    pub(super) entries: u32,
    pub(super) octets: u32,
}

/// ipt_get_entries, without the entries.
#[repr(C)]
struct Request {
    _name: [u8; 32],
    size: u32,
    entries: [Counters; 0],
}

/// ipt_replace, without the entries.
#[repr(C)]
struct Replace {
    _name: [u8; 32],
    _numbers: [u32; 14],
    _counters: *const u8,
    entries: [Counters; 0],
}

/// xt_counters_info, without the counters.
#[repr(C)]
struct CountersInfo {
    _name: [u8; 32],
    _count: u32,
    counters: [Counters; 0],
}

/// Offsets inside an entry of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) interfaces: usize,
    pub(super) protocol: usize,
    pub(super) flags: usize,
    /// nfcache: programs keep it and nobody reads it.
    pub(super) mark: usize,
    pub(super) target: usize,
    pub(super) next: usize,
    pub(super) came_from: usize,
    pub(super) counters: usize,
    /// Octets before the first match.
    pub(super) head: usize,
    /// Octets of an address.
    pub(super) address: usize,
    pub(super) family: Family,
}

impl Layout {
    pub(super) const fn of(family: Family) -> Self {
        match family {
            Family::V4 => Self {
                interfaces: offset_of!(EntryV4, interfaces),
                protocol: offset_of!(EntryV4, protocol),
                flags: offset_of!(EntryV4, flags),
                mark: offset_of!(EntryV4, mark),
                target: offset_of!(EntryV4, target),
                next: offset_of!(EntryV4, next),
                came_from: offset_of!(EntryV4, came_from),
                counters: offset_of!(EntryV4, counters),
                head: size_of::<EntryV4>(),
                address: 4,
                family,
            },
            Family::V6 => Self {
                interfaces: offset_of!(EntryV6, interfaces),
                protocol: offset_of!(EntryV6, protocol),
                flags: offset_of!(EntryV6, flags),
                mark: offset_of!(EntryV6, mark),
                target: offset_of!(EntryV6, target),
                next: offset_of!(EntryV6, next),
                came_from: offset_of!(EntryV6, came_from),
                counters: offset_of!(EntryV6, counters),
                head: size_of::<EntryV6>(),
                address: 16,
                family,
            },
        }
    }
}

/// What sizes of matches and targets are multiples of (XT_ALIGN).
pub(super) const ALIGNMENT: usize = align_of::<u64>();
/// Octets of a pair of counters.
pub(super) const COUNTERS: usize = size_of::<Counters>();
/// Octets in front of the entries that are asked for, and the place of their number.
pub(super) const REQUEST_HEAD: usize = offset_of!(Request, entries);
/// Where a request tells how many octets of entries there are.
pub(super) const REQUEST_SIZE: usize = offset_of!(Request, size);
/// Octets in front of the entries of a new table.
pub(super) const REPLACE_HEAD: usize = offset_of!(Replace, entries);
/// Octets in front of counters that are to be added.
pub(super) const COUNTERS_HEAD: usize = offset_of!(CountersInfo, counters);
/// Octets of the name of a table.
pub(super) const NAME: usize = 32;

/// A size as the kernel counts it.
pub(super) const fn aligned(octets: usize) -> usize {
    octets.next_multiple_of(ALIGNMENT)
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_machine_of_64_bits() {
        let (v4, v6) = (Layout::of(Family::V4), Layout::of(Family::V6));
        assert_eq!((v4.mark, v4.target, v4.counters, v4.head), (84, 88, 96, 112));
        assert_eq!(
            (v6.protocol, v6.flags, v6.mark, v6.target, v6.counters, v6.head),
            (128, 131, 136, 140, 152, 168)
        );
        assert_eq!((REQUEST_HEAD, REPLACE_HEAD, COUNTERS_HEAD, size_of::<Info>()), (40, 96, 40, 84));
    }
}

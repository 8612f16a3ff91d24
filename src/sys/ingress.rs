//! A filter for one socket that serves many interfaces: an octet of a datagram says by which interface the datagram must
//! have come in.
//!
//! The pairs are kept as runs in which the number of the interface grows with the octet, for interfaces that were made
//! in the order of their octets have such numbers; a search among the runs finds the only one that can fit.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use super::filter::{self, Start};
use crate::base::id::IfIndex;

/// An octet and the interface by which datagrams with this octet come in.
pub type Ingress = (u8, IfIndex);

/// Octets from `first` to `last`; each plus `offset` is the number of its interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    first: u8,
    last: u8,
    offset: u32,
}

/// Puts the filter on a socket: the filter keeps datagrams whose octet at `offset` of the transport payload is in one of the
/// pairs, that have at least `least` octets there, and that came in by the interface of this pair. The pairs are in the
/// order of the octets, with each octet once.
pub(super) fn attach(
    fd: &OwnedFd,
    (offset, least): (u8, u8),
    pairs: &[Ingress],
    start: Start,
) -> io::Result<()> {
    let mut program = Vec::new();
    filter::load_octet(&mut program, (offset, least), start);
    program.push(filter::instruction(filter::STORE, 0));
    // No octet plus this is the number of an interface.
    program.push(filter::instruction(filter::LOAD_X, NOWHERE));
    search(&mut program, &runs(pairs));
    let end = program.len();
    // Every leaf jumps to here; now it is known where that is.
    for (position, instruction) in program.iter_mut().enumerate() {
        if instruction.code == filter::JUMP && instruction.k == TO_THE_END {
            instruction.k = u32::try_from(end.saturating_sub(position.saturating_add(1))).unwrap_or(0);
        }
    }
    program.extend([
        filter::instruction(filter::LOAD_STORED, 0),
        filter::instruction(filter::ADD_X, 0),
        filter::instruction(filter::X_IS_A, 0),
        filter::instruction(filter::LOAD_WORD, ARRIVED_BY),
        filter::branch(filter::JUMP_IF_X, 0, 0, 1),
        filter::instruction(filter::RETURN, filter::KEPT),
        filter::instruction(filter::RETURN, 0),
    ]);
    filter::install(fd.as_raw_fd(), &mut program)
}

fn runs(pairs: &[Ingress]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (octet, interface) in pairs {
        let offset = interface.0.wrapping_sub(u32::from(*octet));
        match runs.last_mut() {
            Some(run) if run.offset == offset && run.last.checked_add(1) == Some(*octet) => run.last = *octet,
            _ => runs.push(Run { first: *octet, last: *octet, offset }),
        }
    }
    runs
}

/// The accumulator holds the octet; puts the offset of its run into X, or leaves it alone.
fn search(program: &mut Vec<libc::sock_filter>, runs: &[Run]) {
    let (low, high) = runs.split_at(runs.len() / 2);
    let (Some(run), Some(split)) = (runs.first(), high.first()) else {
        return program.push(filter::instruction(filter::JUMP, TO_THE_END));
    };
    if runs.len() == 1 {
        program.push(filter::branch(filter::JUMP_IF_GREATER, u32::from(run.last), 2, 0));
        program.push(filter::branch(filter::JUMP_IF_AT_LEAST, u32::from(run.first), 0, 1));
        program.push(filter::instruction(filter::LOAD_X, run.offset));
        return program.push(filter::instruction(filter::JUMP, TO_THE_END));
    }
    program.push(filter::branch(filter::JUMP_IF_AT_LEAST, u32::from(split.first), 0, 1));
    let jump = program.len();
    program.push(filter::instruction(filter::JUMP, 0));
    search(program, low);
    let far = program.len().saturating_sub(jump.saturating_add(1));
    if let Some(instruction) = program.get_mut(jump) {
        instruction.k = u32::try_from(far).unwrap_or(0);
    }
    search(program, high);
}

/// Stands for the end until that is known; no program is as long.
const TO_THE_END: u32 = u32::MAX;
/// The kernel's numbers of interfaces are below it.
const NOWHERE: u32 = 0x8000_0000;
/// Where filters find the number of the interface (SKF_AD_OFF + SKF_AD_IFINDEX).
const ARRIVED_BY: u32 = libc::SKF_AD_OFF.wrapping_add(libc::SKF_AD_IFINDEX).cast_unsigned();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_run() {
        let runs_of =
            |pairs: &[(u8, u32)]| runs(&pairs.iter().map(|(o, i)| (*o, IfIndex(*i))).collect::<Vec<_>>());
        assert_eq!(runs_of(&[]), []);
        assert_eq!(runs_of(&[(1, 11), (2, 12), (3, 13)]), [Run { first: 1, last: 3, offset: 10 }]);
        let two = [Run { first: 1, last: 1, offset: 10 }, Run { first: 3, last: 3, offset: 10 }];
        assert_eq!(runs_of(&[(1, 11), (3, 13)]), two);
        assert_eq!(runs_of(&[(200, 7), (255, 6)]).len(), 2);
    }
}

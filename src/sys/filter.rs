//! Filters that the kernel runs on a socket before a datagram is queued (classic BPF).
//!
//! A process that owns a few of the 255 identifiers of a busy segment wakes only for those.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use super::socket::set_option;
use crate::base::limit;

/// A set of octet values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OctetSet {
    words: [u32; 8],
}

impl OctetSet {
    /// No value.
    pub const EMPTY: Self = Self { words: [0; 8] };
    /// Every value.
    pub const ALL: Self = Self { words: [u32::MAX; 8] };

    /// Adds a value.
    pub fn insert(&mut self, octet: u8) {
        if let Some(word) = self.words.get_mut(usize::from(octet >> 5)) {
            *word |= 1 << (octet & 31);
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, octet: u8) {
        if let Some(word) = self.words.get_mut(usize::from(octet >> 5)) {
            *word &= !(1 << (octet & 31));
        }
    }

    /// Whether a value is in the set.
    #[must_use]
    pub fn contains(&self, octet: u8) -> bool {
        self.words.get(usize::from(octet >> 5)).is_some_and(|word| word & (1 << (octet & 31)) != 0)
    }

    /// Whether no value is in the set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words == [0; 8]
    }
}

impl FromIterator<u8> for OctetSet {
    fn from_iter<I: IntoIterator<Item = u8>>(octets: I) -> Self {
        let mut set = Self::EMPTY;
        octets.into_iter().for_each(|octet| set.insert(octet));
        set
    }
}

/// Which datagrams a socket keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filter {
    /// None at all.
    Nothing,
    /// All of them, cut as below.
    Everything,
    /// Those that have an octet of `set` at `offset` of the transport payload; shorter ones are dropped. What is much
    /// longer than [`limit::ADVERT_OCTETS`] is cut, so that it takes no room in the queue from others.
    OctetIn {
        /// Octets from the end of the IP header.
        offset: u8,
        /// Octets of the transport payload below which a datagram is dropped, 1 to 256.
        least: u8,
        /// The values that pass.
        set: OctetSet,
    },
}

/// Where the data of a raw socket's datagram begins as the filter sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// At the IPv4 header: raw IPv4 sockets.
    Ipv4Header,
    /// Past all IP headers: raw IPv6 sockets.
    Transport,
}

/// Puts the filter on a socket, in place of the one before. Datagrams that are queued already stay.
pub(super) fn attach(fd: &OwnedFd, filter: &Filter, start: Start) -> io::Result<()> {
    let mut program = Program::new();
    match filter {
        Filter::Nothing => push(&mut program, RETURN, 0),
        Filter::Everything => push(&mut program, RETURN, KEPT),
        Filter::OctetIn { offset, least, set } => octet_in(&mut program, (*offset, *least), set, start),
    }
    install(fd.as_raw_fd(), &mut program)
}

/// Lets a netlink socket keep deletions of routes of one protocol, deletions of rules, and routes of anybody that are
/// put in place of another and whose destination's prefix has one of these lengths, unless `port` asked for them.
pub(super) fn attach_deletions(fd: RawFd, protocol: u8, port: u32, lengths: &OctetSet) -> io::Result<()> {
    // A filter loads in network order what netlink has in the machine's.
    let half = |number: u16| u32::from(u16::from_be_bytes(number.to_ne_bytes()));
    let replaces = u16::try_from(libc::NLM_F_REPLACE).map_or(0, half);
    let mut program = Program::new();
    push(&mut program, LOAD_WORD, MESSAGE_PORT);
    push_branch(&mut program, JUMP_IF_EQUAL, u32::from_be_bytes(port.to_ne_bytes()), 6, 0);
    push(&mut program, LOAD_HALF, MESSAGE_KIND);
    push_branch(&mut program, JUMP_IF_EQUAL, half(libc::RTM_DELRULE), 5, 0);
    push_branch(&mut program, JUMP_IF_EQUAL, half(libc::RTM_NEWROUTE), 5, 0);
    push_branch(&mut program, JUMP_IF_EQUAL, half(libc::RTM_DELROUTE), 0, 2);
    push(&mut program, LOAD_OCTET, ROUTE_PROTOCOL);
    push_branch(&mut program, JUMP_IF_EQUAL, u32::from(protocol), 1, 0);
    push(&mut program, RETURN, 0);
    push(&mut program, RETURN, u32::MAX);
    push(&mut program, LOAD_HALF, MESSAGE_FLAGS);
    push(&mut program, AND, replaces);
    push_branch(&mut program, JUMP_IF_EQUAL, replaces, 1, 0);
    push(&mut program, RETURN, 0);
    push(&mut program, LOAD_OCTET, ROUTE_LENGTH);
    // Of more lengths than the program has room for all pass: who reads looks again.
    let several = (0..=u8::MAX).filter(|length| lengths.contains(*length));
    let several: heapless::Vec<u8, MOST_LENGTHS> = several.take(MOST_LENGTHS).collect();
    if several.is_full() {
        push(&mut program, RETURN, u32::MAX);
    }
    for length in several {
        push_branch(&mut program, JUMP_IF_EQUAL, u32::from(length), 0, 1);
        push(&mut program, RETURN, u32::MAX);
    }
    push(&mut program, RETURN, 0);
    install(fd, &mut program)
}

/// Lets a netlink socket keep what `port` did not ask for.
pub(super) fn attach_ignore_port(fd: RawFd, port: u32) -> io::Result<()> {
    let mut program = Program::new();
    push(&mut program, LOAD_WORD, MESSAGE_PORT);
    push_branch(&mut program, JUMP_IF_EQUAL, u32::from_be_bytes(port.to_ne_bytes()), 0, 1);
    push(&mut program, RETURN, 0);
    push(&mut program, RETURN, u32::MAX);
    install(fd, &mut program)
}

/// Lets a netlink socket keep all but the addresses that `port` added by a request whose number has this bit.
pub(super) fn attach_ignore_marked(fd: RawFd, port: u32, bit: u32) -> io::Result<()> {
    let swapped = |number: u32| u32::from_be_bytes(number.to_ne_bytes());
    let added = u32::from(u16::from_be_bytes(libc::RTM_NEWADDR.to_ne_bytes()));
    let mut program = Program::new();
    push(&mut program, LOAD_HALF, MESSAGE_KIND);
    push_branch(&mut program, JUMP_IF_EQUAL, added, 0, 5);
    push(&mut program, LOAD_WORD, MESSAGE_PORT);
    push_branch(&mut program, JUMP_IF_EQUAL, swapped(port), 0, 3);
    push(&mut program, LOAD_WORD, MESSAGE_NUMBER);
    push(&mut program, AND, swapped(bit));
    push_branch(&mut program, JUMP_IF_EQUAL, swapped(bit), 1, 0);
    push(&mut program, RETURN, u32::MAX);
    push(&mut program, RETURN, 0);
    install(fd, &mut program)
}

/// Gives a program to the kernel.
pub(super) fn install(fd: RawFd, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let header =
        libc::sock_fprog { len: u16::try_from(program.len()).unwrap_or(0), filter: program.as_mut_ptr() };
    // The kernel copies the program before the call returns.
    set_option(fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &header)
}

/// Instructions of the longest program: 9 to find the octet, 8 x 3 to pick the word, 4 to decide, rounded up.
type Program = heapless::Vec<libc::sock_filter, 48>;

/// What is kept of a datagram: enough to see that it is longer than a buffer.
#[allow(clippy::cast_possible_truncation, reason = "some thousand octets")]
pub(super) const KEPT: u32 = limit::ADVERT_OCTETS as u32 + 1;

/// Picks one of eight words by the octet's high bits, then one bit of the word by its low bits.
fn octet_in(program: &mut Program, (offset, least): (u8, u8), set: &OctetSet, start: Start) {
    match start {
        Start::Ipv4Header => push(program, LOAD_X_HEADER_LENGTH, 0),
        Start::Transport => push(program, LOAD_X, 0),
    }
    // To load what is not there drops the datagram.
    push(program, LOAD_OCTET_AT_X, u32::from(least.saturating_sub(1)));
    push(program, LOAD_OCTET_AT_X, u32::from(offset));
    push(program, X_IS_A, 0);
    push(program, AND, 31);
    push(program, STORE, 0);
    push(program, A_IS_X, 0);
    push(program, SHIFT_RIGHT, 5);
    // Three instructions a word: skip the next two unless it is this word; load it; jump past the rest.
    for (index, word) in (0_u32..).zip(set.words) {
        let rest = 7_u32.saturating_sub(index).saturating_mul(3);
        push_branch(program, JUMP_IF_EQUAL, index, 0, 2);
        push(program, LOAD, word);
        push(program, JUMP, rest);
    }
    push(program, LOAD_X_STORED, 0);
    push(program, SHIFT_RIGHT_BY_X, 0);
    push(program, AND, 1);
    // 0 stays 0, which drops; 1 becomes the length that is kept.
    push(program, MULTIPLY, KEPT);
    push(program, RETURN_A, 0);
}

/// Loads an octet of the transport payload, at `offset` from its begin; a datagram of less than `least` octets is
/// dropped.
pub(super) fn load_octet(program: &mut Vec<libc::sock_filter>, (offset, least): (u8, u8), start: Start) {
    program.push(match start {
        Start::Ipv4Header => instruction(LOAD_X_HEADER_LENGTH, 0),
        Start::Transport => instruction(LOAD_X, 0),
    });
    program.push(instruction(LOAD_OCTET_AT_X, u32::from(least.saturating_sub(1))));
    program.push(instruction(LOAD_OCTET_AT_X, u32::from(offset)));
}

/// An instruction that does not branch.
pub(super) const fn instruction(code: u16, k: u32) -> libc::sock_filter {
    branch(code, k, 0, 0)
}

/// An instruction that skips so many others if what it asks is true, or if it is false.
pub(super) const fn branch(code: u16, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code, jt, jf, k }
}

fn push(program: &mut Program, code: u16, k: u32) {
    push_branch(program, code, k, 0, 0);
}

fn push_branch(program: &mut Program, code: u16, k: u32, jt: u8, jf: u8) {
    let pushed = program.push(libc::sock_filter { code, jt, jf, k });
    debug_assert!(pushed.is_ok(), "filter longer than its capacity");
}

/// Lengths of prefixes that the filter of deletions tells apart; few routers have virtual routes of more.
const MOST_LENGTHS: usize = 12;

/// Offsets in a netlink message: nlmsghdr's type, flags and port, and rtm_dst_len and rtm_protocol of the rtmsg
/// behind it.
const MESSAGE_KIND: u32 = 4;
const MESSAGE_FLAGS: u32 = 6;
const MESSAGE_NUMBER: u32 = 8;
const MESSAGE_PORT: u32 = 12;
const ROUTE_LENGTH: u32 = 17;
const ROUTE_PROTOCOL: u32 = 21;

pub(super) const RETURN: u16 = code(libc::BPF_RET | libc::BPF_K);
const RETURN_A: u16 = code(libc::BPF_RET | libc::BPF_A);
const LOAD_X_HEADER_LENGTH: u16 = code(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH);
pub(super) const LOAD_X: u16 = code(libc::BPF_LDX | libc::BPF_IMM);
const LOAD_X_STORED: u16 = code(libc::BPF_LDX | libc::BPF_MEM);
const LOAD: u16 = code(libc::BPF_LD | libc::BPF_IMM);
pub(super) const LOAD_WORD: u16 = code(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS);
const LOAD_HALF: u16 = code(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS);
const LOAD_OCTET: u16 = code(libc::BPF_LD | libc::BPF_B | libc::BPF_ABS);
const LOAD_OCTET_AT_X: u16 = code(libc::BPF_LD | libc::BPF_B | libc::BPF_IND);
pub(super) const X_IS_A: u16 = code(libc::BPF_MISC | libc::BPF_TAX);
const A_IS_X: u16 = code(libc::BPF_MISC | libc::BPF_TXA);
pub(super) const STORE: u16 = code(libc::BPF_ST);
const AND: u16 = code(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K);
const SHIFT_RIGHT: u16 = code(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_K);
const SHIFT_RIGHT_BY_X: u16 = code(libc::BPF_ALU | libc::BPF_RSH | libc::BPF_X);
const MULTIPLY: u16 = code(libc::BPF_ALU | libc::BPF_MUL | libc::BPF_K);
pub(super) const JUMP: u16 = code(libc::BPF_JMP | libc::BPF_JA);
pub(super) const LOAD_STORED: u16 = code(libc::BPF_LD | libc::BPF_MEM);
pub(super) const ADD_X: u16 = code(libc::BPF_ALU | libc::BPF_ADD | libc::BPF_X);
pub(super) const JUMP_IF_X: u16 = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_X);
pub(super) const JUMP_IF_GREATER: u16 = code(libc::BPF_JMP | libc::BPF_JGT | libc::BPF_K);
pub(super) const JUMP_IF_AT_LEAST: u16 = code(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K);
const JUMP_IF_EQUAL: u16 = code(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K);

#[allow(clippy::cast_possible_truncation, reason = "operation codes are one octet")]
const fn code(parts: u32) -> u16 {
    parts as u16
}

/// The smallest receive buffer that the kernel grants; it rounds up.
pub(super) const SMALLEST_BUFFER: c_int = 1;

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::FromRawFd;

    #[test]
    fn sets_hold_what_was_put_in() {
        let mut set: OctetSet = [1, 31, 32, 255].into_iter().collect();
        assert!(set.contains(1) && set.contains(31) && set.contains(32) && set.contains(255));
        assert!(!set.contains(0) && !set.contains(33));
        set.remove(32);
        assert!(!set.contains(32));
        assert!(OctetSet::EMPTY.is_empty() && !set.is_empty());
        assert!((0..=255).all(|octet| OctetSet::ALL.contains(octet)));
    }

    /// The kernel itself judges: a datagram socket pair runs the same filters, without root.
    #[test]
    fn the_kernel_keeps_exactly_the_set() {
        let mut fds = [0; 2];
        let kind = libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC;
        // SAFETY: room for two descriptors.
        let code = unsafe { libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()) };
        assert_eq!(code, 0);
        // SAFETY: just made, and ours alone.
        let [near, far] = fds.map(|fd| unsafe { OwnedFd::from_raw_fd(fd) });
        let kept = |octets: &[u8]| {
            // A refused datagram is an error to the sender of a local socket.
            let sent = nix::unistd::write(&near, octets).is_ok();
            let mut into = [0; 128];
            let got = nix::unistd::read(&far, &mut into) == Ok(octets.len());
            assert!(sent || !got);
            got
        };
        let set: OctetSet = [0, 5, 31, 32, 64, 95, 127, 160, 200, 224, 255].into_iter().collect();
        let filter = Filter::OctetIn { offset: 1, least: 3, set };
        for (start, header) in [(Start::Transport, 0), (Start::Ipv4Header, 20), (Start::Ipv4Header, 60)] {
            attach(&far, &filter, start).unwrap();
            for octet in 0..=255 {
                let mut datagram = vec![0x21; header];
                if let Some(first) = datagram.first_mut() {
                    *first = 0x40 | u8::try_from(header / 4).unwrap();
                }
                datagram.extend([0x31, octet, 7]);
                assert_eq!(kept(&datagram), set.contains(octet), "{start:?} {header} {octet}");
                for short in [header + 2, header + 1] {
                    datagram.truncate(short);
                    assert!(!kept(&datagram), "too short");
                }
            }
        }
        // What is longer than any buffer shows that it is, and takes no more room than that.
        let long = vec![5; 60_000];
        nix::unistd::write(&near, &long).unwrap();
        let mut into = vec![0; 60_000];
        assert_eq!(nix::unistd::read(&far, &mut into), Ok(limit::ADVERT_OCTETS + 1));
        attach(&far, &Filter::Nothing, Start::Transport).unwrap();
        assert!(!kept(&[1, 5, 3]));
        attach(&far, &Filter::Everything, Start::Transport).unwrap();
        assert!(kept(&[1, 6, 3]));
    }
}

//! A rule of iptables as the octets that the kernel keeps.
//!
//! ```text
//! entry { addresses, interfaces, protocol, offsets, counters }, match { size u16, name [29], revision u8, data }…,
//! target { size u16, name [29], revision u8, verdict i32 }; each part padded to the alignment of 64 bits
//! ```

use super::layout::{Layout, aligned};
use crate::base::addr::IpAddr;
use crate::base::name::IfName;

/// Which side of a packet a set is asked about. For an interface: the one that it came by, or leaves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Where it comes from.
    Source,
    /// Where it goes to.
    Destination,
}

/// What happens to the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It passes this table.
    Accept,
    /// It is gone.
    Drop,
}

/// A set by the kernel's number, and what of a packet it is asked about: an address, and an interface if need be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InSet {
    /// Its number.
    pub index: u16,
    /// The side of the address.
    pub address: Side,
    /// The side of the interface.
    pub interface: Option<Side>,
}

/// A rule. What is none matches everything.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// The packet's address of this side is this one.
    pub address: Option<(Side, IpAddr)>,
    /// It came by this interface, or leaves by it.
    pub interface: Option<(Side, &'a IfName)>,
    /// Its protocol.
    pub protocol: Option<u8>,
    /// Its type of ICMPv6; with the protocol that it is only.
    pub icmpv6: Option<u8>,
    /// It is in a set.
    pub set: Option<InSet>,
    /// What happens to it.
    pub verdict: Verdict,
}

impl Rule<'_> {
    /// A rule that matches everything.
    #[must_use]
    pub const fn new(verdict: Verdict) -> Self {
        Self { address: None, interface: None, protocol: None, icmpv6: None, set: None, verdict }
    }

    /// Its octets; `mark` says whose it is, `set_revision` which form of the match `set` the kernel knows.
    pub(super) fn encode(&self, layout: &Layout, mark: u32, set_revision: u8) -> Vec<u8> {
        let mut out = vec![0; layout.head];
        if let Some((side, address)) = self.address {
            let at = if side == Side::Source { 0 } else { layout.address };
            let mask = layout.address.saturating_mul(2).saturating_add(at);
            let (v4, v6);
            let octets: &[u8] = match address {
                IpAddr::V4(address) => {
                    v4 = address.octets();
                    &v4
                }
                IpAddr::V6(address) => {
                    v6 = address.octets();
                    &v6
                }
            };
            put(&mut out, at, octets.get(..layout.address).unwrap_or_default());
            put(&mut out, mask, [0xff; 16].get(..layout.address).unwrap_or_default());
        }
        if let Some((side, name)) = self.interface {
            let at = layout.interfaces.saturating_add(if side == Side::Source { 0 } else { 16 });
            put(&mut out, at, name.as_str().as_bytes());
            // The terminator counts: another name may begin alike.
            let whole = name.as_str().len().saturating_add(1);
            put(&mut out, at.saturating_add(32), [0xff; 16].get(..whole).unwrap_or_default());
        }
        if let Some(protocol) = self.protocol {
            put(&mut out, layout.protocol, &u16::from(protocol).to_ne_bytes());
            if layout.address == 16 {
                put(&mut out, layout.flags, &[WITH_PROTOCOL]);
            }
        }
        if let Some(InSet { index, address, interface }) = self.set {
            let bit = |side: Option<Side>, bit: u8| if side == Some(Side::Source) { bit } else { 0 };
            let dimensions = 1_u8.saturating_add(u8::from(interface.is_some()));
            let [low, high] = index.to_ne_bytes();
            let sides = bit(Some(address), FIRST_IS_SOURCE) | bit(interface, SECOND_IS_SOURCE);
            let mut data = [0; SET_DATA];
            put(&mut data, 0, &[low, high, dimensions, sides]);
            // The older form has none of the counters that the newer one may be asked about.
            let used = if set_revision == NEW_SET { SET_DATA } else { 4 };
            part(&mut out, "set", set_revision, data.get(..used).unwrap_or_default());
        }
        if let Some(kind) = self.icmpv6 {
            part(&mut out, "icmp6", 0, &[kind, 0, 0xff, 0]);
        }
        let target = short(out.len());
        let verdict = match self.verdict {
            Verdict::Accept => ACCEPT,
            Verdict::Drop => DROP,
        };
        part(&mut out, "", 0, &verdict.to_ne_bytes());
        let whole = short(out.len());
        put(&mut out, layout.mark, &mark.to_ne_bytes());
        put(&mut out, layout.target, &target.to_ne_bytes());
        put(&mut out, layout.next, &whole.to_ne_bytes());
        out
    }
}

/// Appends a match or a target.
fn part(out: &mut Vec<u8>, name: &str, revision: u8, data: &[u8]) {
    let start = out.len();
    let whole = aligned(PART_HEAD.saturating_add(data.len()));
    out.resize(start.saturating_add(whole), 0);
    put(out, start, &short(whole).to_ne_bytes());
    put(out, start.saturating_add(2), name.as_bytes());
    put(out, start.saturating_add(PART_HEAD - 1), &[revision]);
    put(out, start.saturating_add(PART_HEAD), data);
}

/// Writes over octets; what does not fit is no rule, and the kernel says so.
pub(super) fn put(out: &mut [u8], at: usize, octets: &[u8]) {
    if let Some(room) = at.checked_add(octets.len()).and_then(|end| out.get_mut(at..end)) {
        room.copy_from_slice(octets);
    }
}

/// A rule has some 300 octets.
fn short(octets: usize) -> u16 {
    u16::try_from(octets).unwrap_or(u16::MAX)
}

/// Octets of the head of a match or a target.
pub(super) const PART_HEAD: usize = 32;
/// The revision of `set` that every kernel since 3.1 has.
pub(super) const OLD_SET: u8 = 1;
/// The one that kernels since 3.19 have and programs of today show.
pub(super) const NEW_SET: u8 = 4;
/// Octets of xt_set_info_match_v4.
const SET_DATA: usize = 48;
const FIRST_IS_SOURCE: u8 = 2;
const SECOND_IS_SOURCE: u8 = 4;
/// IP6T_F_PROTO.
const WITH_PROTOCOL: u8 = 1;
/// A verdict is negative and less one, so that jumps may have the numbers from 0.
pub(super) const DROP: i32 = -1;
pub(super) const ACCEPT: i32 = -2;

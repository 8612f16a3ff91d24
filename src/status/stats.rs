//! The statistics file of SIGUSR2: keepalived's block for each instance, then what keepalived does not count.

use core::fmt::{self, Write};

use crate::base::time::Span;
use crate::proto::vrrp::Counters;
use crate::proto::vrrp::guard::Extension;

/// keepalived's block of one instance, in the form of version 2.4.3. `extension`: what was refused by `auth_hmac`.
///
/// # Errors
/// What `out` says.
pub fn instance(out: &mut dyn Write, name: &str, counters: &Counters, extension: &Extension) -> fmt::Result {
    let c = counters;
    writeln!(out, "VRRP Instance: {name}")?;
    out.write_str("  Advertisements:\n")?;
    writeln!(out, "    Received: {}", c.received)?;
    writeln!(out, "    Sent: {}", c.sent)?;
    writeln!(out, "  Became master: {}", c.became_master)?;
    writeln!(out, "  Released master: {}", c.released_master)?;
    out.write_str("  Packet Errors:\n")?;
    writeln!(out, "    Length: {}", c.length)?;
    writeln!(out, "    TTL: {}", c.hop_limit)?;
    writeln!(out, "    Invalid Type: {}", c.kind)?;
    writeln!(out, "    Advertisement Interval: {}", c.interval)?;
    writeln!(out, "    Address List: {}", c.address_list)?;
    out.write_str("  Authentication Errors:\n")?;
    writeln!(out, "    Invalid Type: {}", c.auth_type)?;
    writeln!(out, "    Type Mismatch: {}", c.auth_mismatch)?;
    writeln!(out, "    Failure: {}", c.auth_failure)?;
    out.write_str("  Authentication Extension Errors:\n")?;
    writeln!(out, "    Missing: {}", extension.missing)?;
    writeln!(out, "    Malformed: {}", extension.malformed)?;
    writeln!(out, "    Unknown Key: {}", extension.unknown_key)?;
    writeln!(out, "    Invalid HMAC: {}", extension.invalid)?;
    writeln!(out, "    Stale: {}", extension.stale)?;
    writeln!(out, "    Replay: {}", extension.replayed)?;
    out.write_str("  Priority Zero:\n")?;
    writeln!(out, "    Received: {}", c.zero_received)?;
    writeln!(out, "    Sent: {}", c.zero_sent)
}

/// What else is counted of one instance. Follows keepalived's blocks; its first line is none of theirs, so that a
/// reader of those takes it for the end.
///
/// # Errors
/// What `out` says.
pub fn further(out: &mut dyn Write, name: &str, counters: &Counters) -> fmt::Result {
    let c = counters;
    writeln!(out, "Further Counters: {name}")?;
    out.write_str("  Further Packet Errors:\n")?;
    writeln!(out, "    Version: {}", c.version)?;
    writeln!(out, "    Checksum: {}", c.checksum)?;
    writeln!(out, "    Source Not A Peer: {}", c.not_a_peer)?;
    writeln!(out, "    Own Packet: {}", c.own)?;
    writeln!(out, "  Addresses put back: {}", c.restored)
}

/// What the process as a whole has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Process {
    /// Heap allocations since the start was over, those of reloads not among them.
    pub allocations: usize,
    /// Heap allocations of the start and of reloads.
    pub loading: usize,
    /// Octets on the heap now.
    pub live: usize,
    /// Turns of the loop.
    pub turns: u64,
    /// Deadlines that acted.
    pub deadlines: u64,
    /// Turns that began so late that all was heard before anything acted.
    pub stalls: u64,
    /// The longest time by which a turn began after the deadline that it was for.
    pub latest: Span,
    /// The longest work between two looks at what is due.
    pub turn: Span,
    /// The longest time for which the last reload held up adverts.
    pub slice: Span,
    /// How often the kernel had to drop notifications because a queue was full.
    pub overruns: usize,
}

/// The block of the process, the last one.
///
/// # Errors
/// What `out` says.
pub fn process(out: &mut dyn Write, process: &Process) -> fmt::Result {
    out.write_str("Process:\n")?;
    writeln!(out, "  Heap allocations since start-up: {}", process.allocations)?;
    writeln!(out, "  Heap allocations while loading: {}", process.loading)?;
    writeln!(out, "  Heap octets in use: {}", process.live)?;
    writeln!(out, "  Loop turns: {}", process.turns)?;
    writeln!(out, "  Deadlines: {}", process.deadlines)?;
    writeln!(out, "  Stalls: {}", process.stalls)?;
    writeln!(out, "  Worst lateness in microseconds: {}", process.latest.as_micros())?;
    writeln!(out, "  Longest work in a turn in microseconds: {}", process.turn.as_micros())?;
    writeln!(out, "  Longest slice of the last reload in microseconds: {}", process.slice.as_micros())?;
    writeln!(out, "  Netlink overruns: {}", process.overruns)
}

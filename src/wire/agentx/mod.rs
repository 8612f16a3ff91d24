//! AgentX, the talk between an SNMP agent (the master) and its subagents (RFC 2741), as far as a subagent speaks it.
//!
//! ```text
//! octet  1       version: 1
//!        2       type
//!        3       flags: 8 a context follows the header, 16 integers are in network byte order
//!        4       0
//!        5 to 8  session; 9 to 12 transaction; 13 to 16 packet; 17 to 20 octets of what follows
//! ```
//!
//! PDUs stand back to back in a stream. Both byte orders are read, network byte order is written. What [`Pdu::parse`] has
//! accepted is well-formed to its last octet, so that [`Ranges`] and [`VarBinds`] have nothing to refuse. [`value`] has
//! what a PDU consists of, [`emit`] writes PDUs.

pub mod emit;
pub mod value;

use crate::base::bytes::Short;
use value::{Oid, Source, Value};

/// Octets of the header.
pub const HEADER: usize = 20;
/// Octets that may follow a header: an SNMP message has at most 65,535, and what is longer is no request.
pub const LONGEST_PAYLOAD: usize = 65_536;

const VERSION: u8 = 1;
/// A context stands in front of what the PDU says.
const CONTEXT: u8 = 0x08;
const NETWORK_ORDER: u8 = 0x10;

/// What a PDU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Begins a session.
    Open,
    /// Ends one.
    Close,
    /// A subtree is the subagent's.
    Register,
    /// It is no more.
    Unregister,
    /// The values of names.
    Get,
    /// The values of the names behind names.
    GetNext,
    /// The same many times.
    GetBulk,
    /// Whether values could be set.
    TestSet,
    /// They are to be set.
    CommitSet,
    /// What was set is to be as before.
    UndoSet,
    /// The end of a set.
    CleanupSet,
    /// A notification.
    Notify,
    /// Are you there?
    Ping,
    /// The answer to any of these.
    Response,
}

/// Each kind with its number. The numbers between are of PDUs that this subagent has no use for.
const KINDS: [(Kind, u8); 14] = [
    (Kind::Open, 1),
    (Kind::Close, 2),
    (Kind::Register, 3),
    (Kind::Unregister, 4),
    (Kind::Get, 5),
    (Kind::GetNext, 6),
    (Kind::GetBulk, 7),
    (Kind::TestSet, 8),
    (Kind::CommitSet, 9),
    (Kind::UndoSet, 10),
    (Kind::CleanupSet, 11),
    (Kind::Notify, 12),
    (Kind::Ping, 13),
    (Kind::Response, 18),
];

impl Kind {
    fn number(self) -> u8 {
        KINDS.iter().find(|(kind, _)| *kind == self).map_or(0, |(_, number)| *number)
    }

    fn numbered(number: u8) -> Option<Self> {
        KINDS.iter().find(|(_, one)| *one == number).map(|(kind, _)| *kind)
    }
}

/// Errors of a response: those below 256 are SNMP's, the others AgentX's.
pub mod error {
    /// None.
    pub const NONE: u16 = 0;
    /// The answer does not fit.
    pub const TOO_BIG: u16 = 1;
    /// Something else.
    pub const GENERAL: u16 = 5;
    /// The value has another type.
    pub const WRONG_TYPE: u16 = 7;
    /// The object cannot have this value.
    pub const WRONG_VALUE: u16 = 10;
    /// There is no room for more.
    pub const RESOURCE_UNAVAILABLE: u16 = 13;
    /// What was tested could not be set.
    pub const COMMIT_FAILED: u16 = 14;
    /// What was set could not be set back.
    pub const UNDO_FAILED: u16 = 15;
    /// The object cannot be set.
    pub const NOT_WRITABLE: u16 = 17;
    /// The master knows no such session.
    pub const NOT_OPEN: u16 = 257;
    /// Another subagent has registered the subtree.
    pub const DUPLICATE_REGISTRATION: u16 = 263;
    /// The PDU cannot be read.
    pub const PARSE: u16 = 266;
    /// The PDU cannot be served.
    pub const PROCESSING: u16 = 268;
}

/// Why a subagent ends its session: it stops.
pub const CLOSE_SHUTDOWN: u8 = 5;

/// The header of a PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// The session; 0 before there is one.
    pub session: u32,
    /// The SNMP request that it belongs to.
    pub transaction: u32,
    /// The number that its response repeats.
    pub packet: u32,
}

/// Why octets are no PDU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It ends too early.
    Short,
    /// Another version.
    Version,
    /// An unknown type of PDU, or one that no subagent is sent.
    Kind,
    /// A length that is no multiple of four or beyond [`LONGEST_PAYLOAD`].
    Length,
    /// An object identifier with too many numbers.
    Oid,
    /// An unknown type of value, or one of a wrong length.
    Value,
    /// Octets behind its end.
    Trailing,
}

impl From<Short> for Malformed {
    fn from(_: Short) -> Self {
        Self::Short
    }
}

/// The length of the whole PDU at the front of a stream; none as long as its header has not arrived.
///
/// # Errors
/// When the octets are no PDU: where the next one begins nobody knows.
pub fn frame(octets: &[u8]) -> Result<Option<usize>, Malformed> {
    let Some(mut header) = octets.get(..HEADER).map(Source::network) else { return Ok(None) };
    let [version, _, flags, _] = header.array()?;
    if version != VERSION {
        return Err(Malformed::Version);
    }
    header.swapped = flags & NETWORK_ORDER == 0;
    header.take(12)?;
    let length = usize::try_from(header.u32()?).unwrap_or(usize::MAX);
    if length > LONGEST_PAYLOAD || !length.is_multiple_of(4) {
        return Err(Malformed::Length);
    }
    Ok(Some(HEADER.saturating_add(length)))
}

/// Where a subtree begins, and who asks for it with which priority.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registration {
    /// Seconds that the master waits for answers; 0: its usual ones.
    pub timeout: u8,
    /// The lower one wins.
    pub priority: u8,
    /// The subtree.
    pub subtree: Oid,
    /// The position of the number that is a range, and its end; none: it is no range.
    pub range: Option<(u8, u32)>,
}

/// A PDU.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "one at a time, on the stack")]
pub enum Pdu<'a> {
    /// [`Kind::Open`]
    Open {
        /// Seconds that the master waits for answers; 0: its usual ones.
        timeout: u8,
        /// What the subagent is.
        id: Oid,
        /// The same in words.
        description: &'a [u8],
    },
    /// [`Kind::Close`], and why.
    Close(u8),
    /// [`Kind::Register`]
    Register(Registration),
    /// [`Kind::Unregister`], whose timeout is 0.
    Unregister(Registration),
    /// [`Kind::Get`]
    Get(Ranges<'a>),
    /// [`Kind::GetNext`]
    GetNext(Ranges<'a>),
    /// [`Kind::GetBulk`]
    GetBulk {
        /// So many of the ranges are asked for once.
        non_repeaters: u16,
        /// The others so often.
        max_repetitions: u16,
        /// All of them.
        ranges: Ranges<'a>,
    },
    /// [`Kind::TestSet`]
    TestSet(VarBinds<'a>),
    /// [`Kind::CommitSet`]
    CommitSet,
    /// [`Kind::UndoSet`]
    UndoSet,
    /// [`Kind::CleanupSet`]
    CleanupSet,
    /// [`Kind::Notify`]
    Notify(VarBinds<'a>),
    /// [`Kind::Ping`]
    Ping,
    /// [`Kind::Response`]
    Response {
        /// Hundredths of a second that the master runs.
        uptime: u32,
        /// One of [`error`].
        error: u16,
        /// The variable that has the error, from 1 on.
        index: u16,
        /// The answer.
        varbinds: VarBinds<'a>,
    },
}

impl<'a> Pdu<'a> {
    /// Reads a PDU whose length [`frame`] told. The header is there even if the rest cannot be read, for who has to say so.
    ///
    /// # Errors
    /// When no part can be read, or the rest cannot; then with the header.
    pub fn parse(octets: &'a [u8]) -> Result<(Header, Self), (Option<Header>, Malformed)> {
        let (header, flags, payload) = split(octets).map_err(|why| (None, why))?;
        let source = Source { rest: payload, swapped: flags & NETWORK_ORDER == 0 };
        let pdu = Self::read(header.kind, flags, source).map_err(|why| (Some(header), why))?;
        Ok((header, pdu))
    }

    fn read(kind: Kind, flags: u8, mut from: Source<'a>) -> Result<Self, Malformed> {
        if flags & CONTEXT != 0 {
            // One tree answers in every context, as keepalived's does.
            from.octets()?;
        }
        let pdu = match kind {
            Kind::Open => {
                let [timeout, ..] = from.array::<4>()?;
                let (id, _) = from.oid()?;
                Self::Open { timeout, id, description: from.octets()? }
            }
            Kind::Close => {
                let [reason, ..] = from.array::<4>()?;
                Self::Close(reason)
            }
            Kind::Register => Self::Register(registration(&mut from)?),
            Kind::Unregister => Self::Unregister(registration(&mut from)?),
            Kind::Get => Self::Get(Ranges::read(&mut from)?),
            Kind::GetNext => Self::GetNext(Ranges::read(&mut from)?),
            Kind::GetBulk => {
                let (non_repeaters, max_repetitions) = (from.u16()?, from.u16()?);
                Self::GetBulk { non_repeaters, max_repetitions, ranges: Ranges::read(&mut from)? }
            }
            Kind::TestSet => Self::TestSet(VarBinds::read(&mut from)?),
            Kind::CommitSet => Self::CommitSet,
            Kind::UndoSet => Self::UndoSet,
            Kind::CleanupSet => Self::CleanupSet,
            Kind::Notify => Self::Notify(VarBinds::read(&mut from)?),
            Kind::Ping => Self::Ping,
            Kind::Response => {
                let (uptime, error, index) = (from.u32()?, from.u16()?, from.u16()?);
                Self::Response { uptime, error, index, varbinds: VarBinds::read(&mut from)? }
            }
        };
        if from.rest.is_empty() { Ok(pdu) } else { Err(Malformed::Trailing) }
    }
}

/// The header, its flags, and what follows it.
fn split(octets: &[u8]) -> Result<(Header, u8, &[u8]), Malformed> {
    let len = frame(octets)?.ok_or(Malformed::Short)?;
    let mut from = Source::network(octets.get(..len).ok_or(Malformed::Short)?);
    if octets.len() > len {
        return Err(Malformed::Trailing);
    }
    let [_, kind, flags, _] = from.array()?;
    from.swapped = flags & NETWORK_ORDER == 0;
    let (session, transaction, packet) = (from.u32()?, from.u32()?, from.u32()?);
    from.u32()?;
    let kind = Kind::numbered(kind).ok_or(Malformed::Kind)?;
    Ok((Header { kind, session, transaction, packet }, flags, from.rest))
}

fn registration(from: &mut Source<'_>) -> Result<Registration, Malformed> {
    let [timeout, priority, range, _] = from.array()?;
    let (subtree, _) = from.oid()?;
    let range = if range == 0 { None } else { Some((range, from.u32()?)) };
    Ok(Registration { timeout, priority, subtree, range })
}

/// Names that are asked for, or behind which is asked.
#[derive(Clone, Copy, Debug)]
pub struct Ranges<'a>(Source<'a>);

/// A name that is asked for, or behind which is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Range {
    /// The name.
    pub start: Oid,
    /// The name itself will do, too.
    pub include: bool,
    /// What is asked for stands before this one; of no length: there is no such bound.
    pub end: Oid,
}

impl<'a> Ranges<'a> {
    /// Takes all that is left.
    fn read(from: &mut Source<'a>) -> Result<Self, Malformed> {
        let all = Self(*from);
        while !from.rest.is_empty() {
            range(from)?;
        }
        Ok(all)
    }
}

fn range(from: &mut Source<'_>) -> Result<Range, Malformed> {
    let (start, include) = from.oid()?;
    let (end, _) = from.oid()?;
    Ok(Range { start, include, end })
}

impl Iterator for Ranges<'_> {
    type Item = Range;

    fn next(&mut self) -> Option<Range> {
        range(&mut self.0).ok()
    }
}

impl PartialEq for Ranges<'_> {
    fn eq(&self, other: &Self) -> bool {
        Iterator::eq(*self, *other)
    }
}

impl Eq for Ranges<'_> {}

/// Names with their values.
#[derive(Clone, Copy, Debug)]
pub struct VarBinds<'a>(Source<'a>);

impl<'a> VarBinds<'a> {
    /// Takes all that is left.
    fn read(from: &mut Source<'a>) -> Result<Self, Malformed> {
        let all = Self(*from);
        while !from.rest.is_empty() {
            from.varbind()?;
        }
        Ok(all)
    }
}

impl<'a> Iterator for VarBinds<'a> {
    type Item = (Oid, Value<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        self.0.varbind().ok()
    }
}

impl PartialEq for VarBinds<'_> {
    fn eq(&self, other: &Self) -> bool {
        Iterator::eq(*self, *other)
    }
}

impl Eq for VarBinds<'_> {}

#[cfg(test)]
mod tests;

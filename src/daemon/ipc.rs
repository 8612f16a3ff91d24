//! What parent and child say to each other, and one child to another: a packet holds one or more messages, each of fixed
//! size.
//!
//! Both ends are the same binary, so there is no version; a packet that cannot be read all the same ends the
//! reading of that packet and nothing else.

#[cfg(feature = "status")]
mod question;

#[cfg(feature = "status")]
use log::LevelFilter;

#[cfg(feature = "status")]
pub use question::{About, Answered, Question};

use super::kind::Kind;
use super::record::Record;
use crate::base::bytes::{Reader, Short, Writer};

/// From the parent to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToChild {
    /// Are you alive? The loop answers by itself.
    Hello(u32),
    /// The descriptor that comes with this holds the text of this number, which the parent is about to judge: it may be read,
    /// and nothing is done by it before the order to go over to it.
    Text(u32),
    /// The descriptor that comes with this holds a new configuration, already validated: the text of this number.
    Reload(u32),
    /// The parent has refused the text of this number.
    Refused(u32),
    /// Write the data dump.
    DumpData,
    /// Write the statistics, then clear them if asked.
    DumpStats {
        /// Zero the counters afterwards.
        clear: bool,
    },
    /// Write the JSON file.
    DumpJson,
    /// The log file may have been moved away: go on in one of its name.
    ReopenLog,
    /// Write lines up to this level to the log, as [`level`] numbers them; 0: as the options say.
    #[cfg(feature = "status")]
    LogLevel(u8),
    /// Leave everything in order and end.
    Stop,
    /// The descriptor that comes with this is the channel to the child of this kind, in place of an earlier one.
    Peer(Kind),
    /// The descriptor that comes with this is the channel to the process that runs scripts.
    Scripts,
    /// Write the answer to this into the descriptor that comes with it.
    #[cfg(feature = "status")]
    Ask(Question),
    /// For the subagent: what the children were asked for is here. Rows of a child come with it; none: the child is silent,
    /// or there is no such child.
    #[cfg(feature = "snmp")]
    Rows(Rows),
    /// For the subagent: an object of a child has entered a state.
    #[cfg(feature = "snmp")]
    Happened(Kind, Record),
    /// For the subagent: whether the change of this number is in force.
    #[cfg(feature = "snmp")]
    Changed(u32, bool),
    /// For the subagent: a virtual router has refused an advert.
    #[cfg(feature = "snmp")]
    AdvertRefused(AdvertRefusal),
    /// For the subagent: the daemon ends.
    #[cfg(feature = "snmp")]
    Ends,
}

/// Which rows come to the subagent.
#[cfg(feature = "snmp")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rows {
    /// The child that was asked.
    pub of: Kind,
    /// It is there, and has not answered.
    pub silent: bool,
    /// These are the last of the rows that were asked for.
    pub last: bool,
}

/// An advert that a virtual router has refused.
#[cfg(feature = "snmp")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdvertRefusal {
    /// The virtual router, by the [`super::record::key`] of its name.
    pub instance: u64,
    /// Where the advert came from; all zeroes: from an IPv6 address.
    pub source: [u8; 4],
    /// It was refused for its authentication; else for its protocol.
    pub authentication: bool,
    /// The number of the error in the MIB that has it.
    pub error: u8,
}

#[cfg(feature = "snmp")]
impl AdvertRefusal {
    fn write(self, out: &mut Writer<'_>) -> Result<(), Short> {
        out.put(&self.instance.to_be_bytes())?;
        out.put(&self.source)?;
        out.put(&[u8::from(self.authentication), self.error])
    }

    fn read(packet: &mut Reader<'_>) -> Result<Self, Short> {
        let (instance, source) = (u64::from_be_bytes(packet.array()?), packet.array()?);
        let [authentication, error] = packet.array()?;
        Ok(Self { instance, source, authentication: authentication != 0, error })
    }
}

/// The level of a number of [`ToChild::LogLevel`].
#[cfg(feature = "status")]
#[must_use]
pub const fn level(number: u8) -> Option<LevelFilter> {
    match number {
        1 => Some(LevelFilter::Error),
        2 => Some(LevelFilter::Warn),
        3 => Some(LevelFilter::Info),
        4 => Some(LevelFilter::Debug),
        _ => None,
    }
}

/// From a child to the parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToParent {
    /// The answer to the hello of this number.
    HelloReply(u32),
    /// The start is over: sockets are open, timers run.
    Ready,
    /// The new configuration is in force, or was refused and the old one goes on.
    ReloadDone {
        /// It is in force.
        ok: bool,
    },
    /// An object of the child has entered a state.
    Transition(Record),
    /// The question of this number was answered.
    #[cfg(feature = "status")]
    Answered(u32, Answered),
    /// The subagent wants the rows of all children.
    #[cfg(feature = "snmp")]
    WantRows,
    /// Somebody sets an object over the subagent.
    #[cfg(feature = "snmp")]
    Change(Question),
    /// A virtual router has refused an advert, which the SNMP agent is to be notified of.
    #[cfg(feature = "snmp")]
    AdvertRefused(AdvertRefusal),
}

/// Octets of a transition.
pub const TRANSITION: usize = 9;

/// Octets of the longest message to the parent.
pub const LONGEST: usize = 27;

/// Octets of the longest message to a child.
pub const LONGEST_TO_CHILD: usize = 27;

/// The state of one object of a child (a BFD session, a virtual router), as another child is sent it.
///
/// ```text
/// octet  1        kind of the message: 1
///        2 to 9   key of the object
///        10       its state, in the numbers of the sender
///        11 to 14 a value, in the meaning of the sender
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectState {
    /// The object, by a key as in [`super::record::key`].
    pub key: u64,
    /// Its state; [`super::record::GONE`]: the object is no more.
    pub state: u8,
    /// What else the sender says of it.
    pub value: u32,
}

/// From one child to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToPeer {
    /// An object is in a state.
    State(ObjectState),
    /// Each object of the sender has been sent since the channel was made. An object that was sent by an earlier channel
    /// and not by this one is no more.
    Complete,
}

/// Octets of the longest message between children.
pub const LONGEST_TO_PEER: usize = 14;

impl ToPeer {
    /// Appends the message to a packet.
    ///
    /// # Errors
    /// [`Short`] if it does not fit; part of it may have been written.
    pub fn write(self, out: &mut Writer<'_>) -> Result<(), Short> {
        match self {
            Self::State(ObjectState { key, state, value }) => {
                out.u8(1)?;
                out.put(&key.to_be_bytes())?;
                out.u8(state)?;
                out.u32(value)
            }
            Self::Complete => out.u8(2),
        }
    }

    /// Takes the next message off a packet; none at its end or where it cannot be read.
    pub fn read(packet: &mut Reader<'_>) -> Option<Self> {
        let read = |packet: &mut Reader<'_>| -> Result<Option<Self>, Short> {
            Ok(Some(match packet.u8()? {
                1 => Self::State(ObjectState {
                    key: u64::from_be_bytes(packet.array()?),
                    state: packet.u8()?,
                    value: packet.u32()?,
                }),
                2 => Self::Complete,
                _ => return Ok(None),
            }))
        };
        read(packet).ok().flatten()
    }
}

impl ToChild {
    /// Appends the message to a packet.
    ///
    /// # Errors
    /// [`Short`] if it does not fit.
    pub fn write(self, out: &mut Writer<'_>) -> Result<(), Short> {
        match self {
            Self::Hello(number) => {
                out.u8(1)?;
                out.u32(number)
            }
            Self::Reload(number) => {
                out.u8(2)?;
                out.u32(number)
            }
            Self::Text(number) => {
                out.u8(21)?;
                out.u32(number)
            }
            Self::Refused(number) => {
                out.u8(22)?;
                out.u32(number)
            }
            Self::DumpData => out.u8(3),
            Self::DumpStats { clear } => {
                out.u8(4)?;
                out.u8(u8::from(clear))
            }
            Self::DumpJson => out.u8(5),
            Self::Stop => out.u8(6),
            Self::ReopenLog => out.u8(7),
            Self::Scripts => out.u8(20),
            Self::Peer(kind) => {
                out.u8(8)?;
                out.u8(kind.number())
            }
            #[cfg(feature = "status")]
            Self::LogLevel(level) => {
                out.u8(12)?;
                out.u8(level)
            }
            #[cfg(feature = "status")]
            Self::Ask(question) => {
                out.u8(9)?;
                question.write(out)
            }
            #[cfg(feature = "snmp")]
            Self::Rows(Rows { of, silent, last }) => {
                out.u8(10)?;
                out.u8(of.number() | u8::from(silent) << 6 | u8::from(last) << 7)
            }
            #[cfg(feature = "snmp")]
            Self::Happened(kind, record) => {
                out.u8(11)?;
                out.u8(kind.number())?;
                out.put(&record.bits().to_be_bytes())
            }
            #[cfg(feature = "snmp")]
            Self::Changed(number, done) => {
                out.u8(13)?;
                out.u32(number)?;
                out.u8(u8::from(done))
            }
            #[cfg(feature = "snmp")]
            Self::AdvertRefused(refusal) => {
                out.u8(14)?;
                refusal.write(out)
            }
            #[cfg(feature = "snmp")]
            Self::Ends => out.u8(15),
        }
    }

    /// Takes the next message off a packet; none at its end or where it cannot be read.
    pub fn read(packet: &mut Reader<'_>) -> Option<Self> {
        let read = |packet: &mut Reader<'_>| -> Result<Option<Self>, Short> {
            Ok(Some(match packet.u8()? {
                1 => Self::Hello(packet.u32()?),
                2 => Self::Reload(packet.u32()?),
                3 => Self::DumpData,
                4 => Self::DumpStats { clear: packet.u8()? != 0 },
                5 => Self::DumpJson,
                6 => Self::Stop,
                7 => Self::ReopenLog,
                20 => Self::Scripts,
                8 => match Kind::numbered(packet.u8()?) {
                    Some(kind) => Self::Peer(kind),
                    None => return Ok(None),
                },
                #[cfg(feature = "status")]
                9 => return Ok(Question::read(packet)?.map(Self::Ask)),
                #[cfg(feature = "snmp")]
                10 => {
                    let word = packet.u8()?;
                    let Some(of) = Kind::numbered(word & 0x3f) else { return Ok(None) };
                    Self::Rows(Rows { of, silent: word & 1 << 6 != 0, last: word & 1 << 7 != 0 })
                }
                #[cfg(feature = "snmp")]
                11 => {
                    let Some(kind) = Kind::numbered(packet.u8()?) else { return Ok(None) };
                    Self::Happened(kind, Record::from_bits(u64::from_be_bytes(packet.array()?)))
                }
                #[cfg(feature = "status")]
                12 => Self::LogLevel(packet.u8()?),
                #[cfg(feature = "snmp")]
                13 => Self::Changed(packet.u32()?, packet.u8()? != 0),
                #[cfg(feature = "snmp")]
                14 => Self::AdvertRefused(AdvertRefusal::read(packet)?),
                #[cfg(feature = "snmp")]
                15 => Self::Ends,
                21 => Self::Text(packet.u32()?),
                22 => Self::Refused(packet.u32()?),
                _ => return Ok(None),
            }))
        };
        read(packet).ok().flatten()
    }
}

impl ToParent {
    /// Appends the message to a packet.
    ///
    /// # Errors
    /// [`Short`] if it does not fit; part of it may have been written.
    pub fn write(self, out: &mut Writer<'_>) -> Result<(), Short> {
        match self {
            Self::HelloReply(number) => {
                out.u8(1)?;
                out.u32(number)
            }
            Self::Ready => out.u8(2),
            Self::ReloadDone { ok } => {
                out.u8(3)?;
                out.u8(u8::from(ok))
            }
            Self::Transition(record) => {
                out.u8(4)?;
                out.put(&record.bits().to_be_bytes())
            }
            #[cfg(feature = "status")]
            Self::Answered(number, how) => {
                out.u8(5)?;
                out.u32(number)?;
                out.u8(how.number())
            }
            #[cfg(feature = "snmp")]
            Self::WantRows => out.u8(6),
            #[cfg(feature = "snmp")]
            Self::Change(question) => {
                out.u8(7)?;
                question.write(out)
            }
            #[cfg(feature = "snmp")]
            Self::AdvertRefused(refusal) => {
                out.u8(8)?;
                refusal.write(out)
            }
        }
    }

    /// Takes the next message off a packet; none at its end or where it cannot be read.
    pub fn read(packet: &mut Reader<'_>) -> Option<Self> {
        let read = |packet: &mut Reader<'_>| -> Result<Option<Self>, Short> {
            Ok(Some(match packet.u8()? {
                1 => Self::HelloReply(packet.u32()?),
                2 => Self::Ready,
                3 => Self::ReloadDone { ok: packet.u8()? != 0 },
                4 => Self::Transition(Record::from_bits(u64::from_be_bytes(packet.array()?))),
                #[cfg(feature = "status")]
                5 => Self::Answered(packet.u32()?, Answered::numbered(packet.u8()?)),
                #[cfg(feature = "snmp")]
                6 => Self::WantRows,
                #[cfg(feature = "snmp")]
                7 => return Ok(Question::read(packet)?.map(Self::Change)),
                #[cfg(feature = "snmp")]
                8 => Self::AdvertRefused(AdvertRefusal::read(packet)?),
                _ => return Ok(None),
            }))
        };
        read(packet).ok().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_message_survives_the_way_and_is_no_longer_than_the_longest() {
        let down = [
            ToChild::Hello(77),
            ToChild::Text(7),
            ToChild::Reload(u32::MAX),
            ToChild::Refused(7),
            ToChild::DumpData,
            ToChild::DumpStats { clear: true },
            ToChild::DumpStats { clear: false },
            ToChild::DumpJson,
            ToChild::ReopenLog,
            ToChild::Stop,
            ToChild::Peer(Kind::Checkers),
            ToChild::Peer(Kind::Vrrp),
            ToChild::Peer(Kind::Bfd),
        ];
        let mut packet = [0; 256];
        let mut writer = Writer::new(&mut packet);
        for message in down {
            message.write(&mut writer).unwrap();
        }
        let mut reader = Reader::new(writer.written());
        let back: Vec<_> = core::iter::from_fn(|| ToChild::read(&mut reader)).collect();
        assert_eq!(back, down);

        let up = [
            ToParent::HelloReply(u32::MAX),
            ToParent::Ready,
            ToParent::ReloadDone { ok: false },
            ToParent::Transition(Record::new(1 << 63, 3)),
        ];
        let mut writer = Writer::new(&mut packet);
        for message in up {
            let before = writer.len();
            message.write(&mut writer).unwrap();
            assert!(writer.len() - before <= LONGEST);
        }
        let mut reader = Reader::new(writer.written());
        let back: Vec<_> = core::iter::from_fn(|| ToParent::read(&mut reader)).collect();
        assert_eq!(back, up);
    }

    #[cfg(feature = "snmp")]
    #[test]
    fn what_the_subagent_is_told_survives_the_way() {
        let rows = [(true, false), (false, true), (true, true)];
        let rows = rows.map(|(silent, last)| ToChild::Rows(Rows { of: Kind::Checkers, silent, last }));
        let question = Question { number: 7, about: About::Rows, ..Question::default() };
        let record = Record::new(1 << 63, 3);
        let refusal =
            AdvertRefusal { instance: u64::MAX, source: [10, 0, 0, 1], authentication: true, error: 3 };
        let further = [
            ToChild::Ask(question),
            ToChild::Happened(Kind::Vrrp, record),
            ToChild::Changed(7, true),
            ToChild::AdvertRefused(refusal),
            ToChild::Ends,
        ];
        for message in rows.into_iter().chain(further) {
            let mut packet = [0; LONGEST_TO_CHILD];
            let mut writer = Writer::new(&mut packet);
            message.write(&mut writer).unwrap();
            assert_eq!(ToChild::read(&mut Reader::new(writer.written())), Some(message));
        }
        for message in [ToParent::WantRows, ToParent::Change(question), ToParent::AdvertRefused(refusal)] {
            let mut packet = [0; LONGEST];
            let mut writer = Writer::new(&mut packet);
            message.write(&mut writer).unwrap();
            assert_eq!(ToParent::read(&mut Reader::new(writer.written())), Some(message));
        }
    }

    #[test]
    fn what_children_say_to_each_other_survives_the_way() {
        let messages = [
            ToPeer::State(ObjectState { key: 0x0102_0304_0506_0708, state: 9, value: 0x0a0b_0c0d }),
            ToPeer::Complete,
            ToPeer::State(ObjectState { key: u64::MAX, state: 0, value: u32::MAX }),
        ];
        let mut packet = [0; 64];
        let mut writer = Writer::new(&mut packet);
        for message in messages {
            let before = writer.len();
            message.write(&mut writer).unwrap();
            assert!(writer.len() - before <= LONGEST_TO_PEER);
        }
        assert_eq!(writer.written()[..14], [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
        let octets = writer.written().to_vec();
        let read = |octets: &[u8]| {
            let mut reader = Reader::new(octets);
            core::iter::from_fn(|| ToPeer::read(&mut reader)).collect::<Vec<_>>()
        };
        assert_eq!(read(&octets), messages);
        // A packet that was cut gives what is whole in it; no octet that differs is overlooked.
        for len in 0..octets.len() {
            let whole = usize::from(len >= 14) + usize::from(len >= 15);
            assert_eq!(read(&octets[..len]), messages[..whole], "{len}");
        }
        for position in 0..octets.len() {
            for bit in 0..8 {
                let mut mutated = octets.clone();
                mutated[position] ^= 1 << bit;
                assert_ne!(read(&mutated), messages, "octet {position} bit {bit}");
            }
        }
        let mut short = [0; 13];
        assert!(messages[0].write(&mut Writer::new(&mut short)).is_err());
    }

    #[test]
    fn nonsense_is_no_message() {
        for first in 0..=255_u8 {
            let packet = [first, 9, 9];
            let _ = ToChild::read(&mut Reader::new(&packet));
            let _ = ToParent::read(&mut Reader::new(&packet));
        }
        assert_eq!(ToParent::read(&mut Reader::new(&[4, 0, 0, 0, 0, 0, 0, 0])), None);
        assert_eq!(ToChild::read(&mut Reader::new(&[])), None);
        assert_eq!(ToChild::read(&mut Reader::new(&[8, 4])), None, "there is no fifth kind");
    }
}

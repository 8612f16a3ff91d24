//! What parent and child say to each other: a packet holds one or more messages, each of fixed size.
//!
//! Both ends are the same binary, so there is no version; a packet that cannot be read all the same ends the
//! reading of that packet and nothing else.

use super::record::Record;
use crate::base::bytes::{Reader, Short, Writer};

/// From the parent to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToChild {
    /// Are you alive? The loop answers by itself.
    Hello(u32),
    /// The descriptor that comes with this holds a new configuration, already validated.
    Reload,
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
    /// Leave everything in order and end.
    Stop,
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
}

/// Octets of the longest message.
pub const LONGEST: usize = 9;

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
            Self::Reload => out.u8(2),
            Self::DumpData => out.u8(3),
            Self::DumpStats { clear } => {
                out.u8(4)?;
                out.u8(u8::from(clear))
            }
            Self::DumpJson => out.u8(5),
            Self::Stop => out.u8(6),
            Self::ReopenLog => out.u8(7),
        }
    }

    /// Takes the next message off a packet; none at its end or where it cannot be read.
    pub fn read(packet: &mut Reader<'_>) -> Option<Self> {
        let read = |packet: &mut Reader<'_>| -> Result<Option<Self>, Short> {
            Ok(Some(match packet.u8()? {
                1 => Self::Hello(packet.u32()?),
                2 => Self::Reload,
                3 => Self::DumpData,
                4 => Self::DumpStats { clear: packet.u8()? != 0 },
                5 => Self::DumpJson,
                6 => Self::Stop,
                7 => Self::ReopenLog,
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
            ToChild::Reload,
            ToChild::DumpData,
            ToChild::DumpStats { clear: true },
            ToChild::DumpStats { clear: false },
            ToChild::DumpJson,
            ToChild::ReopenLog,
            ToChild::Stop,
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

    #[test]
    fn nonsense_is_no_message() {
        for first in 0..=255_u8 {
            let packet = [first, 9, 9];
            let _ = ToChild::read(&mut Reader::new(&packet));
            let _ = ToParent::read(&mut Reader::new(&packet));
        }
        assert_eq!(ToParent::read(&mut Reader::new(&[4, 0, 0, 0, 0, 0, 0, 0])), None);
        assert_eq!(ToChild::read(&mut Reader::new(&[])), None);
    }
}

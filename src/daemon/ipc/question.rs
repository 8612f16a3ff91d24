//! What a child is asked for a client of the control socket, for monitoring or for an SNMP agent: a question, or a change by
//! hand.

use crate::base::bytes::{Reader, Short, Writer};
use crate::daemon::manual::What;

/// What somebody wants to know of a child, or wants changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Which question it is, for the word that it is answered.
    pub number: u32,
    /// About what.
    pub about: About,
    /// As JSON; else as text.
    pub json: bool,
    /// Only the object with this [`crate::daemon::record::key`].
    pub name: Option<u64>,
    /// Of a real server: only in the virtual server with this key.
    pub service: Option<u64>,
    /// What is changed gets this value.
    pub value: u32,
    /// What is changed is not to outlive the daemon.
    pub passing: bool,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum About {
    /// The state of every object.
    #[default]
    Status,
    /// The counters.
    Stats {
        /// Zero them afterwards.
        clear: bool,
    },
    /// What the JSON signal has the VRRP child write.
    Json,
    /// The checks of real servers.
    Checks,
    /// Why a virtual router is in its state.
    Why,
    /// The addresses of a virtual router are to be announced.
    Garp,
    /// Something is to be changed by hand, or as configured again.
    Change {
        /// What.
        what: What,
        /// It is to be changed.
        on: bool,
    },
    /// The rows of all objects, for the subagent.
    #[cfg(feature = "snmp")]
    Rows,
    /// The numbers of everything for Prometheus; as JSON means as OpenMetrics.
    Metrics,
    /// A sign of life.
    Health,
    /// Whether everything is in its place: refused if not, with the reasons.
    Ready,
}

impl About {
    /// All but changes; their positions are their numbers.
    const ALL: &[Self] = &[
        Self::Status,
        Self::Stats { clear: false },
        Self::Stats { clear: true },
        Self::Json,
        Self::Checks,
        Self::Why,
        Self::Garp,
        Self::Metrics,
        Self::Health,
        Self::Ready,
        #[cfg(feature = "snmp")]
        Self::Rows,
    ];

    fn number(self) -> u8 {
        match self {
            Self::Change { what, on } => CHANGE | what.number() << 1 | u8::from(on),
            other => {
                let position = Self::ALL.iter().position(|about| *about == other);
                u8::try_from(position.unwrap_or(0)).unwrap_or(0)
            }
        }
    }

    fn numbered(number: u8) -> Option<Self> {
        if number & CHANGE == 0 {
            return Self::ALL.get(usize::from(number)).copied();
        }
        Some(Self::Change { what: What::numbered((number & !CHANGE) >> 1)?, on: number & 1 != 0 })
    }
}

/// The bit of a number that is a change's.
const CHANGE: u8 = 1 << 7;
// Flags: as JSON, about an object with a name, only in one service, passing.
const JSON: u8 = 1;
const NAMED: u8 = 2;
const SERVED: u8 = 4;
const PASSING: u8 = 8;

impl Question {
    pub(super) fn write(self, out: &mut Writer<'_>) -> Result<(), Short> {
        let flags = [
            (self.json, JSON),
            (self.name.is_some(), NAMED),
            (self.service.is_some(), SERVED),
            (self.passing, PASSING),
        ];
        let flags = flags.into_iter().filter(|(is, _)| *is).fold(0, |all, (_, flag)| all | flag);
        out.u32(self.number)?;
        out.put(&[self.about.number(), flags])?;
        out.put(&self.name.unwrap_or(0).to_be_bytes())?;
        out.put(&self.service.unwrap_or(0).to_be_bytes())?;
        out.u32(self.value)
    }

    pub(super) fn read(packet: &mut Reader<'_>) -> Result<Option<Self>, Short> {
        let number = packet.u32()?;
        let [about, flags] = packet.array()?;
        let (name, service) = (u64::from_be_bytes(packet.array()?), u64::from_be_bytes(packet.array()?));
        let value = packet.u32()?;
        let Some(about) = About::numbered(about) else { return Ok(None) };
        let is = |flag| flags & flag != 0;
        let question = Self {
            number,
            about,
            json: is(JSON),
            name: is(NAMED).then_some(name),
            service: is(SERVED).then_some(service),
            value,
            passing: is(PASSING),
        };
        Ok(Some(question))
    }
}

/// What came of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The answer is whole.
    Whole,
    /// It is whole, and there is no object of the name.
    Nothing,
    /// It is whole, and says why nothing was done.
    Refused,
    /// It could not be written.
    Failed,
}

impl Answered {
    pub(super) const fn number(self) -> u8 {
        match self {
            Self::Whole => 0,
            Self::Nothing => 1,
            Self::Failed => 2,
            Self::Refused => 3,
        }
    }

    pub(super) const fn numbered(number: u8) -> Self {
        match number {
            0 => Self::Whole,
            1 => Self::Nothing,
            3 => Self::Refused,
            _ => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::ipc::{LONGEST, LONGEST_TO_CHILD, ToChild, ToParent};

    #[test]
    fn questions_survive_the_way() {
        let names = [None, Some(0), Some(u64::MAX)];
        let changes = (0..).map_while(What::numbered);
        let changes = changes.flat_map(|what| [false, true].map(|on| About::Change { what, on }));
        let all: Vec<About> = About::ALL.iter().copied().chain(changes).collect();
        assert!(all.len() > 15);
        for (about, name) in all.iter().flat_map(|about| names.map(|name| (*about, name))) {
            for flag in [false, true] {
                let (json, passing, service) = (flag, !flag, names[usize::from(flag)]);
                let (number, value) = (0x0102_0304, 0x0506_0708);
                let question = Question { number, about, json, name, service, value, passing };
                let question = ToChild::Ask(question);
                let mut packet = [0; LONGEST_TO_CHILD];
                let mut writer = Writer::new(&mut packet);
                question.write(&mut writer).unwrap();
                assert_eq!(ToChild::read(&mut Reader::new(writer.written())), Some(question));
            }
        }
        for how in [Answered::Whole, Answered::Nothing, Answered::Failed, Answered::Refused] {
            let answered = ToParent::Answered(7, how);
            let mut packet = [0; LONGEST];
            let mut writer = Writer::new(&mut packet);
            answered.write(&mut writer).unwrap();
            assert_eq!(ToParent::read(&mut Reader::new(writer.written())), Some(answered));
        }
    }
}

//! The words between the loop and a process.

use std::os::fd::OwnedFd;

use crate::base::time::Span;
#[cfg(feature = "status")]
use crate::daemon::ipc::Question;
#[cfg(feature = "snmp")]
use crate::daemon::ipc::{AdvertRefusal, Rows};
use crate::daemon::kind::Kind;
#[cfg(feature = "snmp")]
use crate::daemon::record::Record;
use crate::sys::signal::Signal;

/// What a child is asked to do.
#[derive(Debug)]
pub enum Command {
    /// This descriptor holds the text of this number, which the parent is still judging. Whoever can reads it now, and does
    /// nothing by it before the order to reload.
    Text(u32, OwnedFd),
    /// Apply the configuration that this descriptor holds, the text of this number, then report `ToParent::ReloadDone`.
    Reload(u32, OwnedFd),
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
    /// This descriptor is the channel to the child of this kind, in place of an earlier one. See `child::peer`.
    Peer(Kind, OwnedFd),
    /// Write the answer to this into the descriptor, then report `ToParent::Answered`.
    #[cfg(feature = "status")]
    Ask(Question, OwnedFd),
    /// Rows for the subagent.
    #[cfg(feature = "snmp")]
    Rows(Rows, Option<OwnedFd>),
    /// An object of a child has entered a state, for the subagent.
    #[cfg(feature = "snmp")]
    Happened(Kind, Record),
    /// Whether the change of this number is in force, for the subagent.
    #[cfg(feature = "snmp")]
    Changed(u32, bool),
    /// A virtual router has refused an advert, for the subagent.
    #[cfg(feature = "snmp")]
    AdvertRefused(AdvertRefusal),
    /// The daemon ends, for the subagent: `Command::Stop` follows.
    #[cfg(feature = "snmp")]
    Ends,
    /// Leave everything in order, then call `Turn::stop`.
    Stop,
    /// The parent has ended: as [`Command::Stop`], nobody supervises any more.
    ParentGone,
}

impl Command {
    /// What a signal asks of a child. SIGHUP asks nothing: only the parent reads files. Nor does SIGINT: the
    /// terminal sends it to all processes at once, and the parent decides.
    #[must_use]
    pub const fn from_signal(signal: Signal) -> Option<Self> {
        Some(match signal {
            Signal::Terminate => Self::Stop,
            Signal::User1 => Self::DumpData,
            Signal::User2 => Self::DumpStats { clear: false },
            Signal::StatsClear => Self::DumpStats { clear: true },
            Signal::Json => Self::DumpJson,
            Signal::Hangup | Signal::Interrupt | Signal::Child => return None,
        })
    }
}

/// Whether a source was emptied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// It would block; the poll reports when there is more.
    Done,
    /// It may have more; serve it again in the next turn.
    More,
}

/// What a registered source is watched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Something to read, or its end.
    Read,
    /// Room to write.
    Write,
    /// Both.
    Both,
}

/// What the loop has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Turns.
    pub turns: u64,
    /// Deadlines that acted.
    pub expired: u64,
    /// Turns that began later than the stall threshold.
    pub stalls: u64,
    /// How late the last of these began.
    pub stall: Span,
    /// The longest time by which a turn began after the earliest deadline.
    pub latest: Span,
    /// The longest work of a turn between two looks at the clock, where what is due is sent.
    pub longest: Span,
}

impl From<Interest> for mio::Interest {
    fn from(interest: Interest) -> Self {
        match interest {
            Interest::Read => Self::READABLE,
            Interest::Write => Self::WRITABLE,
            Interest::Both => Self::READABLE | Self::WRITABLE,
        }
    }
}

//! What the machines ask for, and the facts that they report.

use super::reject::{Odd, Reject};
use crate::base::addr::IpAddr;
use crate::base::time::Span;

/// The state of an instance (RFC 9568 section 6.4; FAULT is keepalived's).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// Not taking part: not started yet, waiting for the first script result, or stopped.
    #[default]
    Init,
    /// Listening to a MASTER.
    Backup,
    /// Holding the addresses.
    Master,
    /// Unable to take part.
    Fault,
}

impl State {
    /// The name as keepalived writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Backup => "BACKUP",
            Self::Master => "MASTER",
            Self::Fault => "FAULT",
        }
    }
}

/// Why a state changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Why {
    /// The instance began.
    Start,
    /// It began, and the first results of scripts that it waited for are in.
    Decided,
    /// The replacement of a crashed process carries on where that one was.
    Adopted,
    /// No advert for the master-down time, or for the skew time after a MASTER stepped down.
    Timeout,
    /// Another MASTER has a higher priority, or the same and a higher address.
    Outranked,
    /// A reason for FAULT appeared.
    Fault,
    /// The last reason for FAULT has gone.
    Recovered,
    /// Addresses were taken away again and again.
    AddressLost,
    /// The timer of a MASTER fired so late that another router may have taken over.
    Late,
    /// The other members of its sync group are in this state.
    Group,
    /// An administrator asked it to give up.
    Yielded,
    /// The instance ends.
    Stop,
}

/// Which announcements are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Burst {
    /// On becoming MASTER.
    Master,
    /// After an advert of lower priority.
    LowerPriority,
}

/// A fact to be told. The child's report.rs phrases it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The state changed.
    Transition {
        /// Before.
        from: State,
        /// After.
        to: State,
        /// The cause.
        why: Why,
    },
    /// The master-down timer ran out. A member of a sync group may have to wait for the others then.
    Expired,
    /// The sync group follows the instance to this state.
    Syncing(State),
    /// All members of the sync group of the instance are in this state now, or go there.
    Group {
        /// The state.
        to: State,
        /// They carry on for a crashed process: nothing has changed.
        adopted: bool,
    },
    /// A reason for FAULT has gone and others hold.
    StillInFault,
    /// As MASTER: an advert that outranks us.
    Outranked {
        /// Its sender.
        from: IpAddr,
        /// Its priority.
        theirs: u8,
        /// Our effective priority.
        ours: u8,
    },
    /// As MASTER: an advert that we outrank.
    LowerPriority {
        /// Its sender.
        from: IpAddr,
        /// Its priority.
        theirs: u8,
        /// Our effective priority.
        ours: u8,
        /// Whether we answered with an advert.
        answered: bool,
        /// Whether it is the first one: no other was heard for three of its advert intervals.
        first: bool,
    },
    /// An advert of priority 0 arrived.
    ZeroReceived {
        /// Its sender.
        from: IpAddr,
        /// Our state.
        state: State,
    },
    /// We sent priority 0.
    ZeroSent,
    /// As BACKUP: an advert of lower priority does not keep us from taking over.
    Discarded {
        /// Its sender.
        from: IpAddr,
        /// Its priority.
        theirs: u8,
    },
    /// The delay before preempting began.
    PreemptDelay(Span),
    /// A MASTER is known now, or another one than before.
    MasterIs {
        /// The one before, if there was one.
        before: Option<IpAddr>,
        /// The one now.
        now: IpAddr,
    },
    /// As BACKUP, version 3: the MASTER's interval is now ours.
    IntervalAdopted {
        /// Before.
        from: Span,
        /// After.
        to: Span,
    },
    /// As MASTER, version 3: our own interval again.
    IntervalRestored {
        /// The MASTER's.
        from: Span,
        /// Ours.
        to: Span,
    },
    /// The effective priority changed.
    Priority {
        /// Before.
        from: u8,
        /// After.
        to: u8,
    },
    /// Two routers claim to be the address owner.
    OwnerConflict(IpAddr),
    /// The other one has not been heard for the master-down time.
    OwnerAlone,
    /// An advert was refused; told once until something changes.
    Rejected {
        /// Its sender.
        from: IpAddr,
        /// The reason.
        why: Reject,
    },
    /// An advert was accepted although something about it is odd; told once until something changes.
    Odd {
        /// Its sender.
        from: IpAddr,
        /// What is odd.
        what: Odd,
    },
    /// A unicast peer has changed the form of its version 3 checksum: from now on it is spoken to in the same form.
    ChecksumForm {
        /// The peer.
        from: IpAddr,
        /// The old form.
        old: bool,
    },
}

/// What is to be done, in this order, before the next input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send an advert of this priority.
    SendAdvert {
        /// Effective priority, or 0.
        priority: u8,
    },
    /// Put the addresses on their interfaces.
    AddAddresses,
    /// Take them off.
    RemoveAddresses,
    /// Announce the addresses, the first round at once.
    Announce(Burst),
    /// Tell an event.
    Report(Event),
}

/// The longest transition: MASTER outranked with one last advert and a new master, or a take-over from an owner
/// conflict. A test counts it.
pub const LONGEST: usize = 8;

/// A bounded, ordered list of actions.
pub type Actions = heapless::Vec<Action, LONGEST>;

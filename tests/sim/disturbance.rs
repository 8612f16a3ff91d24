//! What a schedule does to the network, and what the machine under a router may do wrong.

use crate::link::HOSTS;
use keepalived::base::time::Span;
use keepalived::proto::vrrp::Params;

/// What a schedule does to the network.
#[derive(Clone, Debug)]
pub(crate) enum Disturbance {
    /// The process dies; the addresses stay on the interface.
    Crash(usize),
    /// The process begins, with or without the record of the one that died.
    Start {
        /// Where.
        who: usize,
        /// The replacement of a crashed child is told what that one was.
        adopt: bool,
    },
    /// SIGTERM.
    Stop(usize),
    /// SIGSTOP.
    Pause(usize),
    /// SIGCONT.
    Resume(usize),
    /// Carrier lost.
    LinkDown(usize),
    /// Carrier back.
    LinkUp(usize),
    /// The trackers' sum.
    Weight(usize, i32),
    /// SIGHUP with this configuration and so many advertised addresses.
    Reload(usize, Box<Params>, usize),
    /// Addresses deleted by someone else too often.
    AddressLost(usize),
    /// Which side each router is on.
    Partition([u8; HOSTS]),
    /// A router hears nothing, or hears again.
    Deaf(usize, bool),
    /// Loss, corruption and duplication, of a hundred.
    Weather(u64, u64, u64),
    /// Waking early must be harmless.
    EarlyWake(usize),
}

/// What the machine under a router does wrong, to see the referee catch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sabotage {
    /// Ignores that addresses are to be removed.
    KeepAddresses,
    /// Loses what it sends.
    Mute,
    /// Sends everything twice.
    Stutter,
    /// Forgets its timer.
    NoTimer,
    /// Runs its timers so much slow.
    SlowClock(Span),
}

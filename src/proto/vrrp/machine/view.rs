//! What a virtual router says of itself; nothing here changes it.

use super::{Machine, Master};
use crate::base::time::{Instant, Span};
use crate::proto::vrrp::action::State;
use crate::proto::vrrp::fault::Faults;
use crate::proto::vrrp::params::{Params, Version};

impl Machine {
    /// Whether the election is held off.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.held > Instant::START
    }

    /// Whether it is BACKUP in a sync group, has heard nothing that keeps it from being MASTER, and waits for the
    /// other members.
    #[must_use]
    pub const fn is_expired(&self) -> bool {
        self.expired
    }

    /// Whether it does not preempt for now.
    #[must_use]
    pub const fn is_yielding(&self) -> bool {
        self.yielding
    }

    /// Whether it has begun to take part.
    #[must_use]
    pub const fn is_started(&self) -> bool {
        self.started
    }

    /// The parameters in force.
    #[must_use]
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// What speaks against taking part.
    #[must_use]
    pub const fn faults(&self) -> Faults {
        self.faults
    }

    /// Whether the instance waits in INIT for the first result of a script, or for its source of adverts.
    #[must_use]
    pub const fn is_pending(&self) -> bool {
        self.pending
    }

    /// The priority in adverts.
    #[must_use]
    pub const fn effective_priority(&self) -> u8 {
        self.effective
    }

    /// The MASTER that a BACKUP listens to.
    #[must_use]
    pub const fn master(&self) -> Option<Master> {
        self.master
    }

    /// When the delay of a BACKUP before it preempts is over.
    #[must_use]
    pub fn preempts_at(&self) -> Option<Instant> {
        self.patience.filter(|_| self.state == State::Backup)
    }

    /// When a BACKUP heard last of the MASTER that it listens to.
    #[must_use]
    pub fn heard(&self) -> Option<Instant> {
        self.master.filter(|_| self.state == State::Backup).map(|_| self.restarted)
    }

    /// The interval that the master-down time is reckoned with.
    #[must_use]
    pub const fn master_interval(&self) -> Span {
        self.master_interval
    }

    /// Skew time: (256 - priority) / 256 of a second in version 2 (RFC 3768 section 6.1), of the MASTER's
    /// interval in version 3 (RFC 9568 section 6.1).
    #[must_use]
    pub fn skew_time(&self) -> Span {
        self.skew_time_of(self.effective)
    }

    fn skew_time_of(&self, priority: u8) -> Span {
        let unit = match self.params().version {
            Version::V2 => Span::from_secs(1),
            Version::V3 => self.master_interval,
        };
        unit * (256 - u64::from(priority)) / 256
    }

    /// Master-down time: so many missed adverts and the skew time.
    #[must_use]
    pub fn master_down_time(&self) -> Span {
        self.master_down_time_of(self.effective)
    }

    pub(super) fn master_down_time_of(&self, priority: u8) -> Span {
        self.master_interval * u64::from(self.params().down_timer_adverts) + self.skew_time_of(priority)
    }
}

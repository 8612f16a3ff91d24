//! The election (RFC 9568 section 6.4): one virtual router's state and its one timer.
//!
//! ```text
//!                  start                      fault
//!        INIT ---------------> BACKUP <------------------> FAULT
//!          ^  owner:              |  ^                       ^
//!          |  MASTER       timer  |  | outranked             |
//!          |                      v  |                       |
//!          +------------------- MASTER ----------------------+
//!                 stop                        fault
//! ```
//!
//! A member of a sync group whose timer fires waits until it is told to follow ([`super::group`]).
//!
//! Entering MASTER: advert, addresses, announcements, then the report. Leaving MASTER: the last advert,
//! addresses off, report. What an advert does that was heard stands in `hear`, what can be asked in `view`.

mod hear;
mod input;
mod view;

use std::sync::Arc;

use super::action::{Action, Actions, Burst, Event, State, Why};
use super::fault::Faults;
use super::params::{Params, Start, Version};
use super::priority::OWNER;
use crate::base::addr::IpAddr;
use crate::base::time::{Instant, Span};

pub use input::{Heard, Input};

/// Which span the timer of a BACKUP was armed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Armed {
    /// Master-down time.
    Down,
    /// Skew time: a MASTER stepped down.
    Skew,
}

/// The MASTER as a BACKUP knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Master {
    /// Its address.
    pub addr: IpAddr,
    /// Its last priority.
    pub priority: u8,
}

/// Two of them, as keepalived sends: losing the only one would cost the peers three intervals.
const ZEROS_ON_FAULT: u8 = 2;

/// The priority of the last advert of a member that yields because another one was outranked.
const LOWEST_PRIORITY: u8 = 1;

/// One virtual router.
#[derive(Clone, Debug)]
pub struct Machine {
    params: Arc<Params>,
    state: State,
    started: bool,
    pending: bool,
    faults: Faults,
    effective: u8,
    /// The interval that the master-down time is reckoned with: the MASTER's in version 3.
    master_interval: Span,
    master: Option<Master>,
    armed: Armed,
    /// When the timer of a BACKUP was last restarted.
    restarted: Instant,
    /// When the timer fires: master-down as BACKUP, the next advert as MASTER.
    deadline: Option<Instant>,
    /// As BACKUP: the end of the delay before preempting. As MASTER: when a rival that claims to be the address owner,
    /// too, counts as gone.
    patience: Option<Instant>,
    /// Member of a sync group: does not become MASTER alone.
    synced: bool,
    /// As BACKUP in a sync group: the timer ran out, and the others are awaited.
    expired: bool,
    /// When the last advert left that claims the addresses.
    claimed: Instant,
    /// With which priority; 0: there was none.
    claimed_with: u8,
    /// A new priority has been told since then.
    early: bool,
    /// The timer of a BACKUP runs from here at the soonest.
    held: Instant,
    /// As MASTER: until so many adverts have left, a rival of lower priority is no news.
    outdone: u8,
    /// It does not preempt until it has been MASTER again, or is told that it may.
    yielding: bool,
}

impl Machine {
    /// A virtual router that has not started.
    #[must_use]
    pub fn new(params: impl Into<Arc<Params>>) -> Self {
        let own: Arc<Params> = params.into();
        Self {
            state: State::Init,
            started: false,
            pending: false,
            faults: Faults::NONE,
            effective: own.priority,
            master_interval: own.advert_interval,
            master: None,
            armed: Armed::Down,
            restarted: Instant::START,
            deadline: None,
            patience: None,
            synced: false,
            expired: false,
            claimed: Instant::START,
            claimed_with: 0,
            early: false,
            held: Instant::START,
            outdone: 0,
            yielding: false,
            params: own,
        }
    }

    /// Takes one input; `out` receives what is to be done, in order.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Actions) {
        match (self.state, input) {
            (State::Init, Input::Start { adopt }) => self.start(now, adopt, out),
            (State::Init, Input::Faults { faults, pending }) => {
                self.faults = faults;
                let why =
                    if core::mem::replace(&mut self.pending, pending) { Why::Decided } else { Why::Start };
                if self.started {
                    self.begin(now, why, out);
                }
            }
            (State::Init, Input::Timeout) if self.started && self.is_due(now) => {
                // A reload may have made another router of it.
                let why = if self.begins_as_master() { Why::Timeout } else { Why::Start };
                self.begin(now, why, out);
            }
            (State::Fault, Input::Faults { faults, pending }) => {
                self.faults = faults;
                self.pending = pending;
                // A script that has not said anything yet may still speak against it.
                if faults.is_empty() && !pending {
                    self.begin(now, Why::Recovered, out);
                }
            }
            (State::Backup | State::Master, Input::Faults { faults, pending }) => {
                self.faults = faults;
                self.pending = pending;
                if !faults.is_empty() {
                    self.fail(Why::Fault, out);
                }
            }
            (State::Backup, Input::Timeout) if self.is_due(now) && self.synced => self.await_others(out),
            (State::Backup, Input::Timeout) if self.is_due(now) => self.become_master(now, Why::Timeout, out),
            (State::Master, Input::Timeout | Input::Advert(_)) if self.is_too_late(now) => {
                // Whoever has taken over meanwhile stays, as `nopreempt` asks.
                push(out, Action::RemoveAddresses);
                self.become_backup(now, Why::Late, out);
                if let Input::Advert(heard) = input {
                    self.backup_hears(now, heard, out);
                }
            }
            (State::Master, Input::Timeout) if self.is_due(now) => self.advertise(now, out),
            (State::Backup, Input::Advert(heard)) => self.backup_hears(now, heard, out),
            (State::Master, Input::Advert(heard)) => self.master_hears(now, heard, out),
            (State::Master, Input::AddressLost) => {
                self.resign(1, out);
                self.become_backup(now, Why::AddressLost, out);
                self.arm(now, Armed::Skew);
            }
            (State::Master, Input::GiveUp) => {
                self.resign(1, out);
                self.become_backup(now, Why::Yielded, out);
            }
            (State::Backup, Input::Sync { to: State::Master, why }) => {
                // The leader's own timer has told of itself already.
                self.become_master(now, why, out);
            }
            (State::Master, Input::Sync { to: State::Backup, why }) => self.follow_down(now, why, out),
            (_, Input::Priority(effective)) => self.reprioritise(effective, out),
            (_, Input::Stop) => self.stop(out),
            (State::Backup | State::Master | State::Fault, Input::Start { .. })
            | (State::Init | State::Fault, Input::Timeout | Input::Advert(_))
            | (State::Backup | State::Master, Input::Timeout)
            | (State::Init | State::Backup | State::Fault, Input::AddressLost | Input::GiveUp)
            | (_, Input::Sync { .. }) => {}
        }
    }

    /// When [`Input::Timeout`] is wanted.
    #[must_use]
    pub const fn poll_at(&self) -> Option<Instant> {
        self.deadline
    }

    /// New parameters after a reload. State and timers are kept; the address family and the router id cannot
    /// change (that is another virtual router). `effective`: the priority that the trackers make of the new
    /// base. `changed`: an advert would differ from the last one, whatever in it.
    pub fn reconfigure(
        &mut self,
        now: Instant,
        params: impl Into<Arc<Params>>,
        effective: u8,
        changed: bool,
        out: &mut Actions,
    ) {
        let params = params.into();
        let (new, old) = (&*params, &*self.params);
        let interval = new.advert_interval;
        let interval_changed = interval != old.advert_interval;
        // What a BACKUP of version 3 has learned of its MASTER is no matter of our configuration: with less it would
        // take over from a MASTER that lives.
        let learned = self.state == State::Backup && self.master.is_some() && new.version == Version::V3;
        if new.version != old.version || (interval_changed && !learned) {
            self.master_interval = interval;
        }
        self.master_interval = new.learned(self.master_interval);
        if new.preempt_delay != old.preempt_delay || !new.preempt {
            self.patience = None;
        }
        self.params = params;
        let before = self.effective;
        if effective != before {
            self.effective = effective;
            push(out, Action::Report(Event::Priority { from: before, to: effective }));
        }
        match self.state {
            State::Master if changed || interval_changed || effective != before => {
                self.master_interval = interval;
                self.claim(now, out);
                self.deadline = Some(now + interval);
            }
            State::Backup if !self.expired => self.rearm(),
            State::Init | State::Backup | State::Master | State::Fault => {}
        }
    }

    /// Holds the election off: a BACKUP waits as if it had begun at `until`, and an address owner is MASTER then. To be
    /// called before the start; a time that has passed holds nothing. What carries on as MASTER is not held.
    pub const fn hold(&mut self, until: Instant) {
        self.held = until;
    }

    /// Whether it leaves the addresses to whoever else has them, whatever the priorities, until nobody has them any more.
    pub const fn set_yielding(&mut self, yielding: bool) {
        self.yielding = yielding;
        if yielding {
            self.patience = None;
        }
    }

    /// Whether it takes over from a MASTER of lower priority.
    pub(super) fn preempts(&self) -> bool {
        self.params().preempt && !self.yielding
    }

    /// Whether it is a member of a sync group, and so does not become MASTER alone. One that waits for others when
    /// the group is no more has waited long enough: its timer is due.
    pub fn set_synced(&mut self, synced: bool) {
        self.synced = synced;
        if !synced && self.expired {
            self.rearm();
        }
    }

    /// Whether the advert that is due comes so late that another router has lost its patience, where that matters.
    #[must_use]
    pub fn is_too_late(&self, now: Instant) -> bool {
        let Some(other) = self.params().timer_expired_backup else { return false };
        self.is_due(now) && now.since(self.claimed) >= self.master_down_time_of(other)
    }

    /// Entry, and the only place that writes the state.
    fn enter(&mut self, to: State, why: Why, out: &mut Actions) {
        let from = self.state;
        self.state = to;
        self.expired = false;
        self.outdone = 0;
        push(out, Action::Report(Event::Transition { from, to, why }));
    }

    fn start(&mut self, now: Instant, adopt: Option<State>, out: &mut Actions) {
        self.started = true;
        match adopt {
            Some(State::Master) if self.faults.is_empty() => self.become_master(now, Why::Adopted, out),
            Some(State::Backup) if self.faults.is_empty() => self.become_backup(now, Why::Adopted, out),
            Some(State::Master) => {
                // The predecessor would have given the addresses up, had it lived to see the reason.
                self.resign(ZEROS_ON_FAULT, out);
                self.begin(now, Why::Start, out);
            }
            _ => self.begin(now, Why::Start, out),
        }
    }

    /// Goes on as BACKUP of a MASTER that a predecessor has heard: with less than its interval we would interrupt it.
    /// Only before the start.
    pub fn resume_interval(&mut self, interval: Span) {
        if self.state == State::Init && self.params().version == Version::V3 {
            self.master_interval = self.params().learned(interval);
        }
    }

    /// From INIT or FAULT into the election, as far as nothing speaks against it.
    fn begin(&mut self, now: Instant, why: Why, out: &mut Actions) {
        self.deadline = None;
        if !self.faults.is_empty() {
            self.enter(State::Fault, why, out);
        } else if self.pending {
            // The first result of the scripts decides between BACKUP and FAULT, or what becomes of the source.
        } else if why != Why::Recovered && self.begins_as_master() && now >= self.held {
            self.become_master(now, why, out);
        } else if why != Why::Recovered && self.begins_as_master() && !self.synced {
            // An address owner is never BACKUP, nor told as such: it waits for the end of the delay.
            self.deadline = Some(self.held);
        } else {
            self.become_backup(now, why, out);
        }
    }

    fn begins_as_master(&self) -> bool {
        self.params().priority == OWNER && self.params().start == Start::Master && !self.yielding
    }

    fn become_master(&mut self, now: Instant, why: Why, out: &mut Actions) {
        let (own, master) = (self.params().advert_interval, self.master_interval);
        self.master = None;
        self.yielding = false;
        self.master_interval = own;
        self.patience = None;
        self.claim(now, out);
        self.deadline = Some(now + own);
        push(out, Action::AddAddresses);
        push(out, Action::Announce(Burst::Master));
        if why == Why::Timeout && !self.synced {
            push(out, Action::Report(Event::Expired));
        }
        self.enter(State::Master, why, out);
        if own != master {
            push(out, Action::Report(Event::IntervalRestored { from: master, to: own }));
        }
    }

    fn become_backup(&mut self, now: Instant, why: Why, out: &mut Actions) {
        self.master = None;
        // RFC 9568 section 6.4.1: until a MASTER is heard, its interval is ours. The one known before may be gone.
        if why != Why::Adopted {
            self.master_interval = self.params().advert_interval;
        }
        self.patience = None;
        self.enter(State::Backup, why, out);
        self.arm(now, Armed::Down);
    }

    /// The timer of a member of a sync group ran out.
    fn await_others(&mut self, out: &mut Actions) {
        self.deadline = None;
        self.expired = true;
        push(out, Action::Report(Event::Expired));
    }

    /// Another member of the sync group is no longer MASTER.
    fn follow_down(&mut self, now: Instant, why: Why, out: &mut Actions) {
        if why == Why::Outranked {
            // The rival is MASTER of this network as well and needs no priority 0. But it must hear that it had a
            // rival, to announce itself again; of the lowest priority, for it must not yield in its turn.
            if self.params().higher_prio_send_advert && self.effective > LOWEST_PRIORITY {
                self.send(LOWEST_PRIORITY, out);
            }
            push(out, Action::RemoveAddresses);
            self.become_backup(now, Why::Group, out);
            return;
        }
        self.resign(1, out);
        self.become_backup(now, Why::Group, out);
        if why == Why::AddressLost {
            self.arm(now, Armed::Skew);
        }
    }

    /// Gives the addresses up with `zeros` adverts of priority 0.
    fn resign(&mut self, zeros: u8, out: &mut Actions) {
        for _ in 0..zeros {
            self.send(0, out);
        }
        push(out, Action::RemoveAddresses);
        push(out, Action::Report(Event::ZeroSent));
    }

    fn fail(&mut self, why: Why, out: &mut Actions) {
        if self.state == State::Master {
            self.resign(ZEROS_ON_FAULT, out);
        }
        self.deadline = None;
        self.patience = None;
        self.master = None;
        self.enter(State::Fault, why, out);
    }

    fn stop(&mut self, out: &mut Actions) {
        if !self.started {
            return;
        }
        if self.state == State::Master {
            self.resign(1, out);
        }
        self.started = false;
        self.deadline = None;
        self.patience = None;
        self.master = None;
        self.enter(State::Init, Why::Stop, out);
    }

    fn advertise(&mut self, now: Instant, out: &mut Actions) {
        if self.patience.is_some_and(|until| until <= now) {
            self.patience = None;
            push(out, Action::Report(Event::OwnerAlone));
        }
        self.claim(now, out);
        self.outdone = self.outdone.saturating_sub(1);
        // From the deadline, not from now: the spacing must not drift. After a pause there is nothing to catch up.
        let interval = self.params().advert_interval;
        let next = self.deadline.unwrap_or(now) + interval;
        self.deadline = Some(if next <= now { now + interval } else { next });
    }

    fn reprioritise(&mut self, effective: u8, out: &mut Actions) {
        let before = self.effective;
        if effective == before {
            return;
        }
        self.effective = effective;
        match self.state {
            // The sooner a peer hears that it is now ahead, the sooner it takes over; and one that is about to must
            // hear that it no longer is. Once between two adverts that are due: what is tracked may never rest.
            State::Master if !self.early => {
                self.early = true;
                self.send(effective, out);
            }
            State::Master => {}
            State::Backup if !self.expired => self.rearm(),
            State::Init | State::Backup | State::Fault => {}
        }
        push(out, Action::Report(Event::Priority { from: before, to: effective }));
    }

    /// Sends an advert that claims the addresses.
    fn claim(&mut self, now: Instant, out: &mut Actions) {
        (self.claimed, self.claimed_with) = (now, self.effective);
        self.early = false;
        self.send(self.effective, out);
    }

    fn send(&self, priority: u8, out: &mut Actions) {
        push(out, Action::SendAdvert { priority });
    }

    fn is_due(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Restarts the timer of a BACKUP.
    fn arm(&mut self, now: Instant, armed: Armed) {
        self.armed = armed;
        self.restarted = now;
        self.rearm();
    }

    /// Reckons the timer of a BACKUP anew from when it was last restarted.
    fn rearm(&mut self) {
        self.expired = false;
        let span = match self.armed {
            Armed::Down => self.master_down_time(),
            Armed::Skew => self.skew_time(),
        };
        let (from, span) = match self.restarted < self.held {
            true if self.begins_as_master() => (self.held, Span::ZERO),
            true => (self.held, span),
            false => (self.restarted, span),
        };
        self.deadline = Some(from + span);
    }
}

/// [`Actions`] holds the longest transition, which a test counts: nothing is ever left out.
fn push(out: &mut Actions, action: Action) {
    let full = out.push(action).is_err();
    debug_assert!(!full, "a transition is longer than action::LONGEST");
}

#[cfg(test)]
mod tests;

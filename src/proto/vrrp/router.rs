//! One virtual router put together: acceptance, election, announcements and what they count.
//!
//! The child and the simulation drive the same type; neither decides anything of the protocol itself.

use std::sync::Arc;

use super::accept::{self, Accepted, Odd, Packet, Reject, Surroundings};
use super::action::{Action, Actions, Burst, Event, State};
use super::counters::Counters;
use super::fault::Faults;
use super::garp::Garp;
use super::guard::{Extension, Guard, Verdict};
use super::machine::{Input, Machine};
use super::params::Params;
use super::priority;
use crate::base::addr::{Addressed, IpAddr};
use crate::base::time::{Instant, Span};

/// A virtual router.
#[derive(Clone, Debug)]
pub struct Router {
    machine: Machine,
    garp: Garp,
    counters: Counters,
    /// Addresses to announce, excluded ones included.
    announced: u16,
    weights: i32,
    /// Until then adverts of lower priority lead to no further announcements.
    quiet_until: Instant,
    last_sender: Option<IpAddr>,
    told: ReportedRejects,
    /// The last [`Reject::protocol_error`]; 0: there was none.
    protocol_error: u8,
    guard: Option<Box<Guard>>,
}

impl Router {
    /// A router that has not started. `announced`: addresses on its interfaces, excluded ones included.
    #[must_use]
    pub fn new(params: impl Into<Arc<Params>>, announced: u16) -> Self {
        Self {
            machine: Machine::new(params),
            garp: Garp::default(),
            counters: Counters::default(),
            announced,
            weights: 0,
            quiet_until: Instant::START,
            last_sender: None,
            told: ReportedRejects::default(),
            protocol_error: 0,
            guard: None,
        }
    }

    /// Replaces what it proves its adverts by; see [`Guard`]. What must not be forgotten goes on.
    pub fn change_guard(&mut self, guard: Option<Box<Guard>>) {
        let before = core::mem::replace(&mut self.guard, guard);
        if let (Some(guard), Some(before)) = (&mut self.guard, before) {
            guard.inherit(*before);
        }
    }

    /// Goes on, after a reload, where the router of before was; what proves adverts is that of the new configuration, and
    /// so is whether it is a member of a sync group.
    pub fn succeed(&mut self, before: &mut Self, synced: bool) {
        let guard = self.guard.take();
        core::mem::swap(self, before);
        self.change_guard(guard);
        self.set_synced(synced);
    }

    /// What it proves its adverts by.
    #[must_use]
    pub fn guard(&self) -> Option<&Guard> {
        self.guard.as_deref()
    }

    /// What it proves its adverts by, to count what is sent.
    pub fn guard_mut(&mut self) -> Option<&mut Guard> {
        self.guard.as_deref_mut()
    }

    /// What was refused for its signature, if adverts are signed.
    #[must_use]
    pub fn extension(&self) -> Option<&Extension> {
        match self.guard() {
            Some(Guard::Signature(signature)) => Some(signature.counters()),
            _ => None,
        }
    }

    /// Takes an input of the election other than an advert.
    pub fn handle(&mut self, now: Instant, input: Input, out: &mut Actions) {
        let start = out.len();
        self.machine.handle(now, input, out);
        self.settle(now, start, out);
    }

    /// Judges a packet and, if it counts, takes it.
    pub fn receive<A: Addressed>(
        &mut self,
        now: Instant,
        surroundings: &Surroundings<'_, A>,
        packet: &Packet<'_>,
        out: &mut Actions,
    ) {
        let start = out.len();
        let same_sender = self.last_sender == Some(packet.source);
        let guard = self.guard.as_deref_mut();
        match accept::accept(self.machine.params(), guard, surroundings, packet, same_sender) {
            Ok(Accepted { heard, odd, form_changed }) => {
                self.counters.received += 1;
                count(&mut self.counters.zero_received, heard.priority == 0);
                if let Some(what) = odd {
                    count(&mut self.counters.address_list, !matches!(what, Odd::Interval { .. }));
                    if self.told.first_odd(&what) {
                        report(out, Event::Odd { from: heard.from, what });
                    }
                } else {
                    self.told = ReportedRejects::default();
                }
                if let Some(old) = form_changed {
                    report(out, Event::ChecksumForm { from: heard.from, old });
                }
                self.last_sender = Some(heard.from);
                self.machine.handle(now, Input::Advert(heard), out);
            }
            Err(why) => {
                if let Some(counter) = self.counter(why) {
                    count(counter, true);
                }
                self.protocol_error = why.protocol_error().unwrap_or(self.protocol_error);
                if self.told.first_reject(why) {
                    report(out, Event::Rejected { from: packet.source, why });
                }
            }
        }
        self.settle(now, start, out);
    }

    /// The trackers' sum is now `weights`.
    pub fn set_weights(&mut self, now: Instant, weights: i32, out: &mut Actions) {
        self.weights = weights;
        let effective = priority::effective(self.machine.params().priority, weights);
        self.handle(now, Input::Priority(effective), out);
    }

    /// New parameters and another number of announced addresses after a reload; see [`Machine::reconfigure`].
    pub fn reconfigure(
        &mut self,
        now: Instant,
        params: impl Into<Arc<Params>>,
        announced: u16,
        changed: bool,
        out: &mut Actions,
    ) {
        let params = params.into();
        let start = out.len();
        let effective = priority::effective(params.priority, self.weights);
        let changed = changed || *params != *self.machine.params();
        self.announced = announced;
        self.garp.resize(announced);
        self.machine.reconfigure(now, params, effective, changed, out);
        self.settle(now, start, out);
    }

    /// Holds the election off; see [`Machine::hold`].
    pub fn hold(&mut self, until: Instant) {
        self.machine.hold(until);
    }

    /// Whether it is a member of a sync group; see [`Machine::set_synced`].
    pub fn set_synced(&mut self, synced: bool) {
        self.machine.set_synced(synced);
    }

    /// Whether it does not preempt for now; see [`Machine::set_yielding`].
    pub const fn set_yielding(&mut self, yielding: bool) {
        self.machine.set_yielding(yielding);
    }

    /// When [`Input::Timeout`] is wanted. Announcements have a time of their own: [`Router::announce_at`].
    #[must_use]
    pub const fn poll_at(&self) -> Option<Instant> {
        self.machine.poll_at()
    }

    /// When [`Router::announcement_due`] has something.
    #[must_use]
    pub fn announce_at(&self) -> Option<Instant> {
        self.garp.poll_at()
    }

    /// The position of the address to announce now, if one is due. It stays due until [`Router::announced`].
    pub fn announcement_due(&mut self, now: Instant) -> Option<u16> {
        self.garp.due(now, &self.machine.params().garp)
    }

    /// Whether the burst under way is in its first round.
    #[must_use]
    pub const fn announcement_opens(&self) -> bool {
        self.garp.opens()
    }

    /// The address that was due has been announced.
    pub const fn announced(&mut self) {
        self.garp.advance(self.announced);
    }

    /// Puts the announcements under way off.
    pub fn put_off_announcements(&mut self, until: Instant) {
        self.garp.put_off(until);
    }

    /// Addresses have come that nobody knows yet: announces all again.
    pub fn announce_again(&mut self, now: Instant) {
        let params = &self.machine.params().garp;
        self.garp.begin(now, Burst::Master, self.announced, params);
    }

    /// The trackers' sum.
    #[must_use]
    pub const fn weights(&self) -> i32 {
        self.weights
    }

    /// The election.
    #[must_use]
    pub const fn machine(&self) -> &Machine {
        &self.machine
    }

    /// See [`Machine::resume_interval`].
    pub fn resume_interval(&mut self, interval: Span) {
        self.machine.resume_interval(interval);
    }

    /// The parameters in force.
    #[must_use]
    pub fn params(&self) -> &Params {
        self.machine.params()
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.machine.state()
    }

    /// What speaks against taking part.
    #[must_use]
    pub const fn faults(&self) -> Faults {
        self.machine.faults()
    }

    /// The counters.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The last [`Reject::protocol_error`]; 0: there was none.
    #[must_use]
    pub const fn protocol_error(&self) -> u8 {
        self.protocol_error
    }

    /// The counters, to be cleared or to count what only the caller sees.
    pub const fn counters_mut(&mut self) -> &mut Counters {
        &mut self.counters
    }

    /// Follows what the machine decided: announcements, counters, and what may be told again.
    fn settle(&mut self, now: Instant, start: usize, out: &Actions) {
        for action in out.iter().skip(start) {
            match action {
                Action::SendAdvert { priority } => {
                    self.counters.sent += 1;
                    count(&mut self.counters.zero_sent, *priority == 0);
                }
                Action::Announce(burst) => self.begin_announcing(now, *burst),
                Action::RemoveAddresses => self.garp.stop(),
                Action::Report(Event::Transition { from, to, .. }) => {
                    count(&mut self.counters.became_master, *to == State::Master);
                    count(&mut self.counters.released_master, *from == State::Master);
                    self.told = ReportedRejects::default();
                }
                Action::AddAddresses | Action::Report(_) => {}
            }
        }
    }

    /// Adverts of lower priority that come faster than they should do not multiply into announcements.
    fn begin_announcing(&mut self, now: Instant, burst: Burst) {
        let params = self.machine.params();
        if burst == Burst::LowerPriority {
            if now < self.quiet_until {
                return;
            }
            self.quiet_until = now + params.advert_interval;
        }
        self.garp.begin(now, burst, self.announced, &params.garp);
    }

    /// Where a refusal is counted, if not by the guard.
    const fn counter(&mut self, why: Reject) -> Option<&mut u32> {
        let counters = &mut self.counters;
        Some(match why {
            Reject::Own => &mut counters.own,
            Reject::HopLimit(_) | Reject::HopLimitRange { .. } => &mut counters.hop_limit,
            Reject::NotAPeer => &mut counters.not_a_peer,
            Reject::Version { .. } => &mut counters.version,
            Reject::Kind(_) => &mut counters.kind,
            Reject::TooShort { .. } | Reject::TooLong { .. } => &mut counters.length,
            Reject::Checksum => &mut counters.checksum,
            Reject::AuthUnknown(_) => &mut counters.auth_type,
            Reject::AuthMismatch { .. } => &mut counters.auth_mismatch,
            Reject::Password | Reject::Header | Reject::Sequence { .. } => &mut counters.auth_failure,
            Reject::Interval { .. } => &mut counters.interval,
            // The signature has counted it; or it was not looked at.
            Reject::Extension(_) | Reject::Ignored => return None,
        })
    }
}

/// Which classes of refused or odd adverts were told since the last good advert or change of state.
#[derive(Clone, Copy, Debug, Default)]
struct ReportedRejects(u32);

impl ReportedRejects {
    fn first(&mut self, bit: u32) -> bool {
        let first = self.0 & bit == 0;
        self.0 |= bit;
        first
    }

    fn first_reject(&mut self, why: Reject) -> bool {
        let class = match why {
            Reject::Own | Reject::Ignored => return false,
            Reject::HopLimit(_) | Reject::HopLimitRange { .. } => 0,
            Reject::NotAPeer => 1,
            Reject::Version { .. } => 2,
            Reject::Kind(_) => 3,
            Reject::TooShort { .. } | Reject::TooLong { .. } => 4,
            Reject::Checksum => 5,
            Reject::AuthUnknown(_) | Reject::AuthMismatch { .. } => 6,
            Reject::Password | Reject::Header => 7,
            Reject::Sequence { .. } => 11,
            Reject::Extension(Verdict::Missing) => 12,
            Reject::Extension(Verdict::Malformed) => 13,
            Reject::Extension(Verdict::UnknownKey(_)) => 14,
            Reject::Extension(Verdict::Invalid) => 15,
            Reject::Extension(Verdict::Stale { .. }) => 16,
            Reject::Extension(Verdict::Replayed) => 17,
            Reject::Interval { .. } => 8,
        };
        self.first(1 << class)
    }

    fn first_odd(&mut self, what: &Odd) -> bool {
        let class = match what {
            Odd::AddressCount { .. } | Odd::AddressMissing(_) => 9,
            Odd::Interval { .. } => 10,
        };
        self.first(1 << class)
    }
}

/// Counts one more of what happened, if it did.
fn count(counter: &mut u32, happened: bool) {
    *counter = counter.saturating_add(u32::from(happened));
}

/// [`Actions`] holds the longest transition with one such report in front.
fn report(out: &mut Actions, event: Event) {
    let full = out.push(Action::Report(event)).is_err();
    debug_assert!(!full, "action::LONGEST is too small");
}

#[cfg(test)]
mod tests;

//! Adverts that a BACKUP and a MASTER hear (RFC 9568 sections 6.4.2 and 6.4.3).

use super::{Armed, Heard, Machine, Master, push};
use crate::base::time::{Instant, Span};
use crate::proto::vrrp::action::{Action, Actions, Burst, Event, State, Why};
use crate::proto::vrrp::params::Version;
use crate::proto::vrrp::priority::OWNER;

impl Machine {
    pub(super) fn backup_hears(&mut self, now: Instant, heard: Heard, out: &mut Actions) {
        if heard.priority == 0 {
            push(out, Action::Report(Event::ZeroReceived { from: heard.from, state: State::Backup }));
            self.patience = None;
            self.master = None;
            // One that waits for the rest of its group already has waited out its skew time.
            if !self.expired {
                self.arm(heard.at, Armed::Skew);
            }
            return;
        }
        if heard.priority >= self.effective || !self.preempts() {
            self.patience = None;
            self.follow(heard, out);
            return;
        }
        if !self.params().preempt_delay.is_zero() {
            let at = match self.patience {
                Some(at) => at,
                None => {
                    push(out, Action::Report(Event::PreemptDelay(self.params().preempt_delay)));
                    now + self.params().preempt_delay
                }
            };
            self.patience = Some(at);
            if now < at {
                self.follow(heard, out);
                return;
            }
        }
        push(out, Action::Report(Event::Discarded { from: heard.from, theirs: heard.priority }));
        if self.master.is_some_and(|master| master.addr == heard.from) {
            // The MASTER that we followed has fallen behind us: as good as priority 0, no need to wait until it
            // would be dead.
            self.master = None;
            let sooner = heard.at + self.skew_time();
            if !self.expired && self.deadline.is_none_or(|deadline| sooner < deadline) {
                self.arm(heard.at, Armed::Skew);
            }
        }
    }

    /// A BACKUP restarts its timer by an advert that it respects.
    fn follow(&mut self, heard: Heard, out: &mut Actions) {
        let before = self.master.map(|master| master.addr);
        if before != Some(heard.from) {
            push(out, Action::Report(Event::MasterIs { before, now: heard.from }));
        }
        self.master = Some(Master { addr: heard.from, priority: heard.priority });
        let interval = self.params().learned(heard.interval);
        if self.params().version == Version::V3 && interval != self.master_interval {
            push(out, Action::Report(Event::IntervalAdopted { from: self.master_interval, to: interval }));
            self.master_interval = interval;
        }
        self.arm(heard.at, Armed::Down);
    }

    pub(super) fn master_hears(&mut self, now: Instant, heard: Heard, out: &mut Actions) {
        let ours = self.effective;
        if heard.priority == 0 {
            push(out, Action::Report(Event::ZeroReceived { from: heard.from, state: State::Master }));
            self.answer(now, out);
            return;
        }
        if heard.priority == OWNER && ours == OWNER {
            push(out, Action::Report(Event::OwnerConflict(heard.from)));
            self.patience = Some(now + self.master_down_time());
        }
        if heard.priority > ours || (heard.priority == ours && heard.higher_address) {
            if self.params().higher_prio_send_advert && heard.interval <= self.params().advert_interval {
                // After a split the survivor hears from it that it has a rival, and announces itself again. Not if
                // our interval is the shorter one: every BACKUP would take it for the MASTER's, and one of them take
                // over before a survivor that does not answer (`lower_prio_no_advert`) sends its next.
                self.send(ours, out);
            }
            push(out, Action::RemoveAddresses);
            push(out, Action::Report(Event::Outranked { from: heard.from, theirs: heard.priority, ours }));
            self.become_backup(now, Why::Outranked, out);
            self.follow(heard, out);
            return;
        }
        let answered = !self.params().lower_prio_no_advert;
        if answered {
            self.answer(now, out);
        }
        push(out, Action::Announce(Burst::LowerPriority));
        // A rival sends until it has heard us: all its adverts after a split are one piece of news.
        let first = self.outdone == 0;
        self.outdone = self.adverts_during(self.params().advert_interval.max(heard.interval) * 3);
        let event = Event::LowerPriority { from: heard.from, theirs: heard.priority, ours, answered, first };
        push(out, Action::Report(event));
    }

    /// How many adverts of ours leave in that time, rounded up.
    fn adverts_during(&self, time: Span) -> u8 {
        let own = self.params().advert_interval.as_micros().max(1);
        u8::try_from(time.as_micros().div_ceil(own)).unwrap_or(u8::MAX)
    }

    /// Contradicts another router's advert. One answer is enough for all that are heard in one turn: after a pause
    /// the receive queue may hold hundreds.
    fn answer(&mut self, now: Instant, out: &mut Actions) {
        if (self.claimed, self.claimed_with) != (now, self.effective) {
            self.claim(now, out);
            self.deadline = Some(now + self.params().advert_interval);
        }
    }
}

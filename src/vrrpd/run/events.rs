//! Events reported: in the log, to the parent, and to notify scripts.

use super::{Vrrp, event_lines};
use crate::base::id::InstanceId;
use crate::daemon::ipc::ToParent;
use crate::daemon::reactor::Turn;
use crate::daemon::record::{self, Record};
use crate::proto::vrrp::{Event, State, Why};
use crate::sys::clock;
use crate::vrrpd::kept;
use crate::vrrpd::live::notify::{Job, NotifyState};

impl Vrrp {
    /// Reports an event: in the log, to notify scripts, FIFOs and by mail.
    pub(super) fn report_event(&mut self, turn: &mut Turn<'_>, id: InstanceId, event: &Event) {
        let now = turn.now();
        if let Some(instance) = self.instance(id) {
            event_lines::remember(instance, &self.reasons(instance), event);
        }
        if event_lines::may_log(event, now, &mut self.process.lines)
            && let Some(instance) = self.instance(id)
        {
            event_lines::event(instance, &self.reasons(instance), event);
        }
        let Some(instance) = self.routers.instances.get_mut(id.index()) else {
            return;
        };
        let priority = instance.router.machine().effective_priority();
        match *event {
            Event::Transition { to, why, .. } => {
                instance.entered.at = now;
                instance.entered.wall = clock::wall();
                let state = NotifyState::from(to);
                if let Some(notifier) = &mut instance.notifier
                    && why != Why::Adopted
                {
                    notifier.enter(state.jobs(priority));
                }
                self.advance_notify(turn, id);
                if why != Why::Adopted {
                    self.alert(turn, id, state, priority);
                }
            }
            Event::Group { to, adopted } if !adopted => self.notify_group(turn, id, to.into()),
            Event::LowerPriority { first: true, .. } => {
                if let Some(notifier) = &mut instance.notifier {
                    notifier.push_once(Job::lower_priority(priority));
                    self.advance_notify(turn, id);
                }
                self.alert_lower(id, priority);
            }
            Event::Priority { to, .. } => self.alert_priority(id, to),
            Event::ChecksumForm { from, old } => {
                if let Some(peer) = instance.peers.iter_mut().find(|peer| peer.addr == from) {
                    peer.old_form = old;
                }
            }
            _ => {}
        }
    }

    /// Lets the parent know of a change before the network does: what it knows is what a successor begins with.
    pub(super) fn record(&mut self, turn: &mut Turn<'_>, id: InstanceId, event: &Event) {
        let Some(instance) = self.routers.instances.get(id.index()) else {
            return;
        };
        let group = instance.config.group();
        let (key, to) = match (*event, group) {
            (Event::Transition { to, .. }, _) => (record::key(&instance.config.name), to),
            (Event::Group { to, .. }, Some(group)) => (kept::group_key(&group.name), to),
            _ => return,
        };
        turn.report(ToParent::Transition(Record::new(key, kept::state_of_record(to))));
        if to == State::Master {
            self.failover_over(turn, id);
        }
        self.work.recorded = true;
        if matches!(event, Event::Transition { .. }) {
            self.send_to_checkers(id, to);
        }
    }

    /// The parent need not remember an instance any more.
    pub(super) fn forget_record(&self, turn: &mut Turn<'_>, id: InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        forget(turn, record::key(&instance.config.name));
    }
}

/// The parent need not remember what has this key any more.
pub(super) fn forget(turn: &mut Turn<'_>, key: u64) {
    turn.report(ToParent::Transition(Record::new(key, record::GONE)));
}

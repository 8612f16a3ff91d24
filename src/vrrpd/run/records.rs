//! What the parent is to remember of instances and groups: a successor begins with that.

use super::Vrrp;
use crate::base::id::InstanceId;
use crate::daemon::ipc::ToParent;
use crate::daemon::reactor::Turn;
use crate::daemon::record::{self, Record};
use crate::proto::vrrp::{Event, State};
use crate::vrrpd::kept;

impl Vrrp {
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

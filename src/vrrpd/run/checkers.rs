//! What the checker child is sent: the state of the virtual router that the sync daemon of IPVS follows
//! (`lvs_sync_daemon`).

use std::os::fd::OwnedFd;

use crate::base::id::InstanceId;
use crate::child::report;
use crate::daemon::ipc::ObjectState;
use crate::daemon::kind::Kind;
use crate::daemon::reactor::{Again, Turn};
use crate::daemon::record::{self, GONE};
use crate::proto::vrrp::State;
use crate::vrrpd::kept;
use crate::vrrpd::run::Vrrp;

impl Vrrp {
    /// The parent has made a channel to another child.
    pub(super) fn connect(&mut self, turn: &mut Turn<'_>, kind: Kind, fd: OwnedFd) {
        let peer = match kind {
            Kind::Checkers => &mut self.routers.checkers,
            Kind::Bfd => &mut self.trackers.sessions.peer,
            Kind::Vrrp | Kind::Snmp => return,
        };
        if let Err(error) = peer.connect(turn, fd) {
            report::kernel_failed("the channel to another child", &error);
        }
    }

    /// The channel to the checker child is ready. Nothing that it says matters here.
    pub(super) fn checkers_ready(&mut self, turn: &mut Turn<'_>) -> Again {
        self.routers.checkers.ready(turn, &mut |_| ())
    }

    /// Sends the checker child the state of a virtual router, if the sync daemon follows that one.
    pub(super) fn send_to_checkers(&mut self, id: InstanceId, state: State) {
        let Some(followed) = self.model.followed_by_sync() else { return };
        let Some(instance) = self.routers.instances.get(id.index()) else { return };
        if instance.config.name == followed {
            let vrid = u32::from(instance.router.params().vrid);
            let state = kept::state_of_record(state);
            // There is room for one.
            let _ =
                self.routers.checkers.send(ObjectState { key: record::key(followed), state, value: vrid });
        }
    }

    /// After a start or a reload: makes room for the virtual router that the sync daemon follows, sends its state, and
    /// that of the one before is no more. For load time: allocates.
    pub(super) fn follow_for_checkers(&mut self) {
        let followed = self.model.followed_by_sync().map(record::key);
        let checkers = &mut self.routers.checkers;
        for object in checkers.sent().filter(|key| Some(*key) != followed).collect::<Vec<_>>() {
            let _ = checkers.send(ObjectState { key: object, state: GONE, value: 0 });
        }
        if followed.is_some() {
            checkers.reserve(1);
            for id in self.ids() {
                if let Some(state) = self.instance(id).map(|instance| instance.router.state()) {
                    self.send_to_checkers(id, state);
                }
            }
        }
    }
}

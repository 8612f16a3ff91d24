//! The sync daemon of IPVS (`lvs_sync_daemon`): it sends the connections of this director while a virtual router is
//! MASTER, and receives those of the other director while it is not.
//!
//! Without a virtual router both daemons run from the start to the stop.

use nix::errno::Errno;

use super::report;
use crate::config::model::Model;
use crate::config::model::global::SyncDaemon as Config;
use crate::daemon::ipc::{ObjectState, ToPeer};
use crate::daemon::record;
use crate::sys::ipvs::{Ipvs, Role, SyncDaemon};

/// The daemons that run, and the state of the virtual router.
#[derive(Default)]
pub(super) struct Sync {
    /// What the configuration asks for.
    config: Option<Wanted>,
    /// The daemons that this child has started or taken over.
    running: heapless::Vec<SyncDaemon, 2>,
    /// The virtual router of which the VRRP child told last, by its key, and whether it is MASTER. Not always the one that
    /// this child follows: of two children that reload one is first.
    router: Option<(u64, bool)>,
    /// The VRRP child has told of a virtual router since the channel to it was made.
    told: bool,
    /// Why the kernel refused a daemon the last time, until it takes all that are wanted.
    refused: Option<Errno>,
}

struct Wanted {
    config: Config,
    /// The key of the virtual router; none: both daemons run.
    instance: Option<u64>,
    id: u8,
}

/// MASTER, in the numbers of the VRRP child.
const MASTER: u8 = 2;

impl Sync {
    /// Goes over to what a configuration asks for; [`Self::settle`] carries it out.
    pub(super) fn load(&mut self, model: &Model) {
        let instance_of = |config: &Config| {
            let name = config.instance.as_deref()?;
            model.instances.iter().find(|instance| instance.name == name)
        };
        self.config = model.sync_daemon().map(|config| {
            let vrid = instance_of(&config).map_or(0, |instance| instance.params.vrid);
            let instance = config.instance.as_deref().map(record::key);
            let id = config.id.unwrap_or(vrid);
            Wanted { config, instance, id }
        });
        // What a new configuration asks for is told anew.
        self.refused = None;
    }

    /// What the VRRP child says. True: another daemon is to run.
    pub(super) fn hear(&mut self, message: ToPeer) -> bool {
        let before = self.is_master();
        match message {
            ToPeer::State(ObjectState { key, state: record::GONE, .. }) => {
                self.router.take_if(|(router, _)| *router == key);
            }
            ToPeer::State(ObjectState { key, state, .. }) => {
                self.told = true;
                self.router = Some((key, state == MASTER));
            }
            // There is no such virtual router any more.
            ToPeer::Complete if !self.told => self.router = None,
            ToPeer::Complete => {}
        }
        self.is_master() != before
    }

    /// Whether the virtual router that the configuration names is MASTER.
    fn is_master(&self) -> bool {
        let followed = self.config.as_ref().and_then(|wanted| wanted.instance);
        followed.is_some_and(|followed| self.router == Some((followed, true)))
    }

    /// The VRRP child is gone: what it said last stands until its replacement tells anew.
    pub(super) fn vrrp_away(&mut self) {
        self.told = false;
    }

    /// Daemons that run already are taken over if they are as the configuration wants them.
    pub(super) fn adopt(&mut self, ipvs: &mut Ipvs) {
        match ipvs.daemons() {
            Ok(found) if self.config.is_some() => self.running = found,
            Ok(_) => {}
            Err(error) => report::kernel_failed("listing the sync daemons of IPVS", &error),
        }
    }

    /// Stops the daemons that are not wanted, and starts those that are and do not run. One that the kernel refused is
    /// tried again each time: its interface may be there by now.
    pub(super) fn settle(&mut self, ipvs: &mut Ipvs) {
        let wanted = self.wanted();
        let stays = |there: &SyncDaemon| wanted.iter().any(|wanted| there.is_as_wanted(wanted));
        let (mut refused, mut changed) = (None, false);
        for daemon in self.running.iter().filter(|there| !stays(there)) {
            changed = true;
            // There is room: nothing else is collected.
            let _ = ipvs.stop_daemon(STOPS, daemon.role);
        }
        for (daemon, tag) in wanted.iter().zip(0..) {
            if !self.running.iter().any(|there| there.is_as_wanted(daemon)) {
                changed = true;
                let _ = ipvs.start_daemon(tag, daemon);
            }
        }
        if !changed {
            return;
        }
        let mut failed = heapless::Vec::<u32, 2>::new();
        ipvs.commit(|tag, result| {
            if let (0..STOPS, Err(refusal)) = (tag, result) {
                refused = Some(refusal.errno);
                let _ = failed.push(tag);
            }
        });
        self.running = started(wanted, &failed);
        if let Some(errno) = self.news(refused) {
            report::sync_daemon_refused(errno);
        }
    }

    /// What of a refusal is to be told: each reason once, until the kernel has taken what is wanted.
    fn news(&mut self, refused: Option<Errno>) -> Option<Errno> {
        let before = core::mem::replace(&mut self.refused, refused);
        refused.filter(|_| before != refused)
    }

    /// The child stops.
    pub(super) fn stop(&mut self, ipvs: &mut Ipvs) {
        self.config = None;
        self.settle(ipvs);
    }

    fn wanted(&self) -> heapless::Vec<SyncDaemon, 2> {
        let Some(Wanted { config, instance, id }) = &self.config else { return heapless::Vec::new() };
        let roles: &[Role] = match (instance, self.is_master()) {
            (None, _) => &[Role::Master, Role::Backup],
            (Some(_), true) => &[Role::Master],
            (Some(_), false) => &[Role::Backup],
        };
        let daemon = |role: &Role| SyncDaemon {
            role: *role,
            interface: config.interface.clone(),
            id: *id,
            max_octets: config.maxlen,
            port: config.port,
            ttl: config.ttl,
            group: config.group,
        };
        roles.iter().map(daemon).collect()
    }
}

/// The tag of a request to stop a daemon; that of a request to start one is the number of the daemon.
const STOPS: u32 = 2;

/// The wanted daemons that run, where the kernel refused those with these numbers.
fn started(wanted: heapless::Vec<SyncDaemon, 2>, failed: &[u32]) -> heapless::Vec<SyncDaemon, 2> {
    wanted
        .into_iter()
        .zip(0..)
        .filter(|(_, number)| !failed.contains(number))
        .map(|(daemon, _)| daemon)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(instance: Option<&str>) -> Model {
        let mut model = Model::default();
        model.global.lvs.sync = Some(Config {
            interface: crate::base::name::IfName::new("eth0").unwrap(),
            instance: instance.map(Into::into),
            id: None,
            maxlen: None,
            port: None,
            ttl: None,
            group: None,
        });
        model
    }

    fn says(name: &str, state: u8) -> ToPeer {
        ToPeer::State(ObjectState { key: record::key(name), state, value: 0 })
    }

    fn roles(sync: &Sync) -> Vec<Role> {
        sync.wanted().iter().map(|daemon| daemon.role).collect()
    }

    #[test]
    fn the_virtual_router_of_a_reload_is_followed_whichever_child_reloads_first() {
        for vrrp_first in [true, false] {
            let mut sync = Sync::default();
            sync.load(&model(Some("VI_1")));
            assert!(sync.hear(says("VI_1", MASTER)));
            assert!(!sync.hear(ToPeer::Complete));
            let told = |sync: &mut Sync| {
                sync.hear(says("VI_1", record::GONE));
                sync.hear(says("VI_2", 1));
            };
            if vrrp_first {
                told(&mut sync);
            }
            sync.load(&model(Some("VI_2")));
            assert_eq!(roles(&sync), [Role::Backup], "nobody has said that VI_2 is MASTER");
            if !vrrp_first {
                told(&mut sync);
            }
            assert_eq!(roles(&sync), [Role::Backup]);
            sync.load(&model(Some("VI_1")));
            if vrrp_first {
                sync.hear(says("VI_1", MASTER));
            }
            assert_eq!(roles(&sync), [if vrrp_first { Role::Master } else { Role::Backup }]);
        }
    }

    #[test]
    fn what_a_dead_vrrp_child_said_stands_until_its_replacement_has_told_everything() {
        let mut sync = Sync::default();
        sync.load(&model(Some("VI_1")));
        assert!(sync.hear(says("VI_1", MASTER)));
        sync.vrrp_away();
        assert_eq!(roles(&sync), [Role::Master]);
        assert!(!sync.hear(says("VI_1", MASTER)));
        assert!(!sync.hear(ToPeer::Complete));
        sync.vrrp_away();
        assert!(sync.hear(ToPeer::Complete), "the replacement has no such virtual router");
        assert_eq!(roles(&sync), [Role::Backup]);
    }

    #[test]
    fn one_daemon_that_is_refused_leaves_the_other_one_known() {
        let mut sync = Sync::default();
        sync.load(&model(None));
        assert_eq!(roles(&sync), [Role::Master, Role::Backup]);
        let runs =
            |failed: &[u32]| started(sync.wanted(), failed).iter().map(|it| it.role).collect::<Vec<_>>();
        assert_eq!(runs(&[]), [Role::Master, Role::Backup]);
        assert_eq!(runs(&[1]), [Role::Master]);
        assert_eq!(runs(&[0]), [Role::Backup]);
        assert_eq!(runs(&[0, 1]), []);
    }

    #[test]
    fn a_refusal_that_repeats_itself_is_told_once() {
        let (gone, down) = (Errno::ENODEV, Errno::ENETDOWN);
        let mut sync = Sync::default();
        let told = [Some(gone), Some(gone), Some(down), Some(down), None, None, Some(down)]
            .map(|refused| sync.news(refused));
        assert_eq!(told, [Some(gone), None, Some(down), None, None, None, Some(down)]);
    }
}

//! The sync daemon of IPVS (`lvs_sync_daemon`): it sends the connections of this director while a virtual router is
//! MASTER, and receives those of the other director while it is not.
//!
//! Without a virtual router both daemons run from the start to the stop.

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
    /// The virtual router is MASTER.
    master: bool,
    /// The VRRP child has told of the virtual router since the channel to it was made.
    told: bool,
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
        if self.config.as_ref().is_none_or(|wanted| wanted.instance.is_none()) {
            self.master = false;
        }
    }

    /// What the VRRP child says. True: another daemon is to run.
    pub(super) fn hear(&mut self, message: ToPeer) -> bool {
        let Some(followed) = self.config.as_ref().and_then(|wanted| wanted.instance) else { return false };
        let master = match message {
            ToPeer::State(ObjectState { key, state, .. }) if key == followed => {
                self.told = true;
                state == MASTER
            }
            ToPeer::State(_) => return false,
            // There is no such virtual router any more.
            ToPeer::Complete => self.told && self.master,
        };
        core::mem::replace(&mut self.master, master) != master
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

    /// Stops the daemons that are not wanted, and starts those that are and do not run.
    pub(super) fn settle(&mut self, ipvs: &mut Ipvs) {
        let wanted = self.wanted();
        let stays = |there: &SyncDaemon| wanted.iter().any(|wanted| there.is_as_wanted(wanted));
        let (mut refused, mut stopped) = (None, false);
        for daemon in self.running.iter().filter(|there| !stays(there)) {
            stopped = true;
            // There is room: nothing else is collected.
            let _ = ipvs.stop_daemon(0, daemon.role);
        }
        for daemon in &wanted {
            if !self.running.iter().any(|there| there.is_as_wanted(daemon)) {
                stopped = true;
                let _ = ipvs.start_daemon(1, daemon);
            }
        }
        if !stopped {
            return;
        }
        ipvs.commit(|tag, result| {
            if let (1, Err(refusal)) = (tag, result) {
                refused = Some(refusal.errno);
            }
        });
        self.running = wanted;
        if let Some(errno) = refused {
            self.running.clear();
            report::sync_daemon_refused(errno);
        }
    }

    /// The child stops.
    pub(super) fn stop(&mut self, ipvs: &mut Ipvs) {
        self.config = None;
        self.settle(ipvs);
    }

    fn wanted(&self) -> heapless::Vec<SyncDaemon, 2> {
        let Some(Wanted { config, instance, id }) = &self.config else { return heapless::Vec::new() };
        let roles: &[Role] = match (instance, self.master) {
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

//! The typed configuration: what a file means once defaults, inheritance and the rules of consistency hold.
//!
//! Job: plain values that `vrrpd::build` turns into live objects and that a reload compares. Uses `proto` and
//! `base`. Start with [`Model`]; one file an object. What only the kernel knows stays text with its place.

pub mod address;
pub mod bfd;
pub mod check;
pub mod common;
pub mod global;
pub mod group;
pub mod hmac;
pub mod instance;
pub mod network;
pub mod rare;
pub mod route;
pub mod rule;
pub mod script;
pub mod service;
pub mod service_name;
pub mod shared;
mod sharing;
pub mod tls;
pub mod track;

pub use address::{Lifetime, VirtualAddress};
pub use bfd::Bfd;
pub use check::{Checker, Probe};
pub use common::Common;
pub use global::Global;
use global::SyncDaemon;
pub use group::Group;
pub use hmac::Hmac;
pub use instance::Instance;
pub use network::Network;
pub use rare::{Empty, Rare};
pub use route::Route;
pub use rule::Rule;
pub use script::{Identity, Script, ScriptCommand};
pub use service::{RealServer, VirtualServer};
pub use service_name::{ServerName, ServiceName};
pub use shared::SharedInstance;
pub use sharing::Sharing;
pub use tls::Tls;
pub use track::{TrackFile, TrackProcess};

use super::tree::Position;
use crate::base::feature;
use crate::base::id::{BfdId, FileId, ProcessId, ScriptId};
use crate::base::name::IfName;
use core::hash::{Hash, Hasher};

/// A whole configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Model {
    /// What stands outside any block, about the daemon as a whole.
    pub daemon: Daemon,
    /// `global_defs`.
    pub global: Common<Global>,
    /// `vrrp_script`, in the order of the file.
    pub scripts: Vec<Script>,
    /// `track_file`, in the order of the file.
    pub files: Vec<TrackFile>,
    /// `vrrp_track_process`, in the order of the file.
    pub processes: Vec<TrackProcess>,
    /// `vrrp_instance`, in the order of the file.
    pub instances: Vec<Instance>,
    /// `vrrp_sync_group`, in the order of the file.
    pub groups: Vec<Group>,
    /// Static items, and how interfaces are watched.
    pub network: Network,
    /// `bfd_instance`, in the order of the file.
    pub bfds: Vec<Bfd>,
    /// `virtual_server_group`, in the order of the file.
    pub service_groups: Vec<service::Group>,
    /// `virtual_server`, in the order of the file.
    pub services: Vec<VirtualServer>,
    /// `SSL`
    pub tls: Option<Tls>,
}

impl Model {
    /// One without any object.
    #[must_use]
    pub fn outline(daemon: Daemon, global: Common<Global>) -> Self {
        Self { daemon, global, ..Self::default() }
    }

    /// A script by its id.
    #[must_use]
    pub fn script(&self, id: ScriptId) -> Option<&Script> {
        self.scripts.get(id.index())
    }

    /// The sync daemon of IPVS that is wanted: of `lvs_sync_daemon`, else of the first instance with
    /// `lvs_sync_daemon_interface`.
    #[must_use]
    pub fn sync_daemon(&self) -> Option<SyncDaemon> {
        self.global.lvs.sync.clone().or_else(|| {
            let (instance, interface) = self.sync_instance()?;
            Some(SyncDaemon::of_instance(instance, interface))
        })
    }

    /// The instance whose state decides what the sync daemon of IPVS does.
    #[must_use]
    pub fn followed_by_sync(&self) -> Option<&str> {
        match &self.global.lvs.sync {
            Some(sync) => sync.instance.as_deref(),
            None => self.sync_instance().map(|(name, _)| name),
        }
    }

    fn sync_instance(&self) -> Option<(&str, &IfName)> {
        self.instances.iter().find_map(|instance| {
            let interface = instance.lvs_sync_interface.as_deref()?;
            Some((instance.name.as_str(), &interface.name))
        })
    }

    /// The virtual servers, for code that every build has: a build without virtual servers leaves out what is done for each.
    #[must_use]
    pub fn virtual_servers(&self) -> &[VirtualServer] {
        if feature::LVS.built { &self.services } else { &[] }
    }

    /// The BFD sessions, in the same way.
    #[must_use]
    pub fn bfd_sessions(&self) -> &[Bfd] {
        if feature::BFD.built { &self.bfds } else { &[] }
    }

    /// A BFD session by its id.
    #[must_use]
    pub fn bfd(&self, id: BfdId) -> Option<&Bfd> {
        self.bfds.get(id.index())
    }

    /// A tracked file by its id.
    #[must_use]
    pub fn file(&self, id: FileId) -> Option<&TrackFile> {
        self.files.get(id.index())
    }

    /// A process monitor by its id.
    #[must_use]
    pub fn process(&self, id: ProcessId) -> Option<&TrackProcess> {
        self.processes.get(id.index())
    }
}

/// What stands outside any block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Daemon {
    /// `instance`: names this daemon for pid and log files.
    pub instance: Option<String>,
    /// `net_namespace`: where all processes run.
    pub net_namespace: Option<String>,
    /// `net_namespace_ipvs`: where the IPVS tables are; empty is the default namespace.
    pub net_namespace_ipvs: Option<String>,
    /// `namespace_with_ipsets`.
    pub namespace_with_ipsets: bool,
    /// `use_pid_dir`: pid files in the directory of the program.
    pub use_pid_dir: bool,
    /// `child_wait_time`: seconds that children have to stop.
    pub child_wait_time: u32,
    /// `linkbeat_use_polling`.
    pub linkbeat_use_polling: bool,
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            instance: None,
            net_namespace: None,
            net_namespace_ipvs: None,
            namespace_with_ipsets: false,
            use_pid_dir: false,
            child_wait_time: 5,
            linkbeat_use_polling: false,
        }
    }
}

/// A place in the text that a later stage may need for a diagnostic. All places are equal: two models that
/// differ in places only mean the same.
#[derive(Clone, Copy, Debug, Default, Eq)]
pub struct At(pub Position);

impl PartialEq for At {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Hash for At {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// Text as it was written, kept for printing. Always equal, like a place.
#[derive(Clone, Debug, Default, Eq)]
pub struct Written(Box<str>);

impl Written {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Written {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl PartialEq for Written {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Hash for Written {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// An interface name with its place: whether it exists is found out later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: IfName,
    /// Where it stands.
    pub at: At,
}

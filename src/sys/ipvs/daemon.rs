//! The sync daemon: the kernel's threads that send connections to another director, and receive them.

use crate::base::addr::{Family, IpAddr};
use crate::base::name::IfName;
use crate::sys::netlink::genl::{Attributes, Requests, number, octet, text};

/// What a sync daemon does. There is at most one of each in a network namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Sends the connections of this director.
    Master,
    /// Receives those of another one.
    Backup,
}

/// A sync daemon as the kernel has it or is to have it. What is not given gets the kernel's default.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncDaemon {
    /// What it does.
    pub role: Role,
    /// The interface that it uses.
    pub interface: IfName,
    /// 1 to 255: only messages with the same number are taken; 0 as backup takes all.
    pub id: u8,
    /// Octets of its datagrams (SYNC_MAXLEN). Like all below, of kernels since 4.3: older ones ignore it silently.
    pub max_octets: Option<u16>,
    /// UDP port, not 0.
    pub port: Option<u16>,
    /// Time to live or hop limit, not 0.
    pub ttl: Option<u8>,
    /// Multicast group.
    pub group: Option<IpAddr>,
}

impl Role {
    pub(super) fn put(self, nest: &mut Requests) {
        let state: u32 = match self {
            Self::Master => MASTER,
            Self::Backup => BACKUP,
        };
        nest.attribute(STATE, &state.to_ne_bytes());
    }
}

impl SyncDaemon {
    /// Whether this one of the kernel's is the wanted one: the kernel's defaults stand for what was not given.
    #[must_use]
    pub fn is_as_wanted(&self, wanted: &Self) -> bool {
        let filled = Self {
            max_octets: wanted.max_octets.or(self.max_octets),
            port: wanted.port.or(self.port),
            ttl: wanted.ttl.or(self.ttl),
            group: wanted.group.or(self.group),
            ..wanted.clone()
        };
        *self == filled
    }

    pub(super) fn put(&self, nest: &mut Requests) {
        self.role.put(nest);
        nest.text(INTERFACE, self.interface.as_str());
        nest.attribute(ID, &u32::from(self.id).to_ne_bytes());
        if let Some(octets) = self.max_octets {
            nest.attribute(MAX_OCTETS, &octets.to_ne_bytes());
        }
        match self.group {
            None => {}
            Some(IpAddr::V4(group)) => nest.attribute(GROUP, &group.octets()),
            Some(IpAddr::V6(group)) => nest.attribute(GROUP6, &group.octets()),
        }
        if let Some(port) = self.port {
            nest.attribute(PORT, &port.to_ne_bytes());
        }
        if let Some(ttl) = self.ttl {
            nest.attribute(TTL, &[ttl]);
        }
    }

    /// The value of a nest; `None` for what makes no sense.
    pub(super) fn decode(nest: Attributes<'_>) -> Option<Self> {
        let (mut role, mut interface, mut id) = (None, None, 0);
        let (mut max_octets, mut port, mut ttl, mut group) = (None, None, None, None);
        for (kind, payload) in nest {
            match kind {
                STATE => {
                    role = match number(payload)? {
                        MASTER => Some(Role::Master),
                        BACKUP => Some(Role::Backup),
                        _ => None,
                    }
                }
                INTERFACE => interface = text(payload).and_then(IfName::new),
                ID => id = number(payload).and_then(|id| u8::try_from(id).ok())?,
                MAX_OCTETS => max_octets = super::short(payload),
                GROUP => group = super::address(Family::V4, payload),
                GROUP6 => group = super::address(Family::V6, payload),
                PORT => port = super::short(payload),
                TTL => ttl = octet(payload),
                _ => {}
            }
        }
        Some(Self { role: role?, interface: interface?, id, max_octets, port, ttl, group })
    }
}

// IPVS_DAEMON_ATTR_ numbers.
const STATE: u16 = 1;
const INTERFACE: u16 = 2;
const ID: u16 = 3;
const MAX_OCTETS: u16 = 4;
const GROUP: u16 = 5;
const GROUP6: u16 = 6;
const PORT: u16 = 7;
const TTL: u16 = 8;

/// IP_VS_STATE_MASTER.
const MASTER: u32 = 1;
/// IP_VS_STATE_BACKUP.
const BACKUP: u32 = 2;

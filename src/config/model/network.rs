//! What stands outside instances and is about the network: static items, and how interfaces are watched.

use super::{At, Named, Route, Rule, VirtualAddress};
use crate::base::id::{InstanceId, TrackGroupId};
use crate::base::time::Span;

pub use crate::proto::track::LinkMethod;

/// All of it, in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Network {
    /// `static_ipaddress`
    pub addresses: Vec<StaticAddress>,
    /// `static_routes`
    pub routes: Vec<Route>,
    /// `static_rules`
    pub rules: Vec<Rule>,
    /// `track_group`
    pub track_groups: Vec<TrackGroup>,
    /// `linkbeat_interfaces`
    pub linkbeat: Vec<Linkbeat>,
    /// `interface_up_down_delays`
    pub delays: Vec<LinkDelay>,
    /// `garp_group`
    pub garp_groups: Vec<GarpGroup>,
}

impl Network {
    /// Whether the daemon sets anything whatever the state of its instances.
    #[must_use]
    pub const fn has_static(&self) -> bool {
        !(self.addresses.is_empty() && self.routes.is_empty() && self.rules.is_empty())
    }
}

/// An address that never moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticAddress {
    /// The address; without `dev` it is put on `default_interface`.
    pub address: VirtualAddress,
    /// `track_group`: its instances are in FAULT while the address is not there.
    pub track_group: Option<TrackGroupId>,
}

/// A `track_group`: instances that follow static items.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackGroup {
    /// Its name.
    pub name: String,
    /// Where the name stands.
    pub at: At,
    /// Its members, each once.
    pub members: Vec<InstanceId>,
}

/// An interface whose link state is polled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linkbeat {
    /// The interface.
    pub interface: Named,
    /// How it is asked first; none: whatever answers.
    pub method: Option<LinkMethod>,
}

/// How long a change of an interface has to last before it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkDelay {
    /// The interface.
    pub interface: Named,
    /// After it went down, up to 255 s.
    pub down: Span,
    /// After it came up, up to 255 s.
    pub up: Span,
}

/// Interfaces that share one spacing of announcements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GarpGroup {
    /// Where it stands.
    pub at: At,
    /// Between gratuitous ARPs.
    pub garp: Option<Span>,
    /// Between unsolicited neighbour advertisements.
    pub gna: Option<Span>,
    /// The interfaces; each in no other group.
    pub interfaces: Vec<Named>,
}

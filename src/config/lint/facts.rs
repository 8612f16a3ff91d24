//! What only the kernel and the disk know, as plain values.

use crate::base::addr::{IpAddr, Prefix};
use crate::base::map::{Map, Set};
use crate::base::name::IfName;

/// What is known of the machine. What is not known is not judged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The interfaces; none: they could not be listed.
    pub links: Option<Map<String, Link>>,
    /// What addresses the machine has for itself, on whatever interface: those that a keepalived has put there are none.
    pub addresses: Set<IpAddr>,
    /// Commands by their text, as `ScriptCommand::raw` has it.
    pub programs: Map<String, Program>,
}

/// An interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// Can send to groups.
    pub multicast: bool,
    /// Its addresses, of both families.
    pub addresses: Vec<Prefix>,
}

/// The file of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// It is there, and only root can change it.
    Fine,
    /// There is no such file, or it cannot be executed.
    Missing,
    /// It runs as root; it or a folder on the way belongs to another user.
    Foreign,
    /// It runs as root; it or a folder on the way can be written by others.
    Writable,
}

impl Facts {
    /// The interface of this name; none if there is none or nothing is known.
    #[must_use]
    pub fn link(&self, name: &IfName) -> Option<&Link> {
        self.links.as_ref()?.get(name.as_str())
    }
}

//! Why an instance cannot take part: a set of named reasons, recomputed from what is true now.
//!
//! It is never counted up and down: a reason that has gone leaves no trace, whatever order events came in.

use core::fmt;

/// One reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Fault {
    /// The interface is administratively down or has no carrier.
    LinkDown = 1,
    /// The interface does not exist.
    LinkMissing = 1 << 1,
    /// The interface has no address of the instance's family.
    NoAddress = 1 << 2,
    /// A tracked interface without weight is down.
    TrackedLink = 1 << 3,
    /// A tracked script without weight fails.
    Script = 1 << 4,
    /// The instance's macvlan could not be made, or somebody took it down.
    Vmac = 1 << 5,
    /// A unicast instance has no peer (`unicast_fault_no_peer`).
    NoPeer = 1 << 6,
    /// The socket for adverts could not be opened.
    Socket = 1 << 7,
    /// A tracked file says so.
    File = 1 << 8,
    /// Too few or too many of a tracked process run.
    Process = 1 << 9,
    /// The configured source of adverts is on no interface, and it matters: peers answer to it, the kernel refuses to send
    /// from it, or `track_src_ip` says so.
    Source = 1 << 10,
    /// A static address, route or rule is missing that the instance follows (`track_group`).
    StaticItem = 1 << 12,
    /// The key that adverts are signed with could not be read.
    Key = 1 << 11,
    /// As MASTER: the kernel refused each of its addresses, several times.
    Address = 1 << 13,
    /// Another instance has the router id on the same link (`allow_if_changes`), or the macvlan.
    Conflict = 1 << 14,
    /// Another member of the sync group cannot take part.
    Group = 1 << 15,
    /// A tracked BFD session without weight is down.
    Bfd = 1 << 16,
    /// An administrator has taken the router out of service.
    Maintenance = 1 << 17,
}

impl Fault {
    /// Every reason, in the order in which they are logged.
    pub const ALL: [Self; 18] = [
        Self::Maintenance,
        Self::LinkMissing,
        Self::LinkDown,
        Self::NoAddress,
        Self::TrackedLink,
        Self::Script,
        Self::File,
        Self::Process,
        Self::Bfd,
        Self::Source,
        Self::Address,
        Self::Vmac,
        Self::NoPeer,
        Self::Conflict,
        Self::Socket,
        Self::Key,
        Self::Group,
        Self::StaticItem,
    ];

    /// The reason in words.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::LinkDown => "interface down",
            Self::LinkMissing => "interface missing",
            Self::NoAddress => "no address for interface",
            Self::TrackedLink => "tracked interface down",
            Self::Script => "tracked script failed",
            Self::Vmac => "macvlan missing or down",
            Self::NoPeer => "no unicast peer",
            Self::Conflict => "another instance has the same router id or macvlan",
            Self::Socket => "no socket",
            Self::File => "tracked file",
            Self::Process => "tracked process quorum not achieved",
            Self::Bfd => "tracked BFD session down",
            Self::Source => "source address missing",
            Self::Address => "addresses cannot be added",
            Self::Key => "no key to sign adverts with",
            Self::Group => "another member of the sync group cannot take part",
            Self::StaticItem => "static item missing",
            Self::Maintenance => "maintenance (by hand)",
        }
    }
}

/// A set of reasons.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults(u32);

impl Faults {
    /// No reason: the instance can take part.
    pub const NONE: Self = Self(0);

    /// Whether no reason holds.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether `fault` holds.
    #[must_use]
    pub const fn contains(self, fault: Fault) -> bool {
        self.0 & fault as u32 != 0
    }

    /// The set in which `fault` holds if `holds`, and everything else is as here.
    #[must_use]
    pub const fn with(self, fault: Fault, holds: bool) -> Self {
        if holds { Self(self.0 | fault as u32) } else { Self(self.0 & !(fault as u32)) }
    }

    /// The reasons of both sets.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Those that do not come from the other members of a sync group.
    #[must_use]
    pub const fn own(self) -> Self {
        self.with(Fault::Group, false)
    }

    /// Whether a reason goes and others remain: what should end FAULT does not, and somebody may wait for it. While
    /// the interface itself is missing or down that is no surprise.
    #[must_use]
    pub const fn shrinks_to(self, remaining: Self) -> bool {
        let link = Fault::LinkDown as u32 | Fault::LinkMissing as u32;
        self.0 & !remaining.0 != 0 && remaining.0 != 0 && remaining.0 & link == 0
    }

    /// The reasons, in the order in which they are logged.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| self.contains(*fault))
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, fault) in self.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            f.write_str(fault.text())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_that_has_gone_leaves_no_trace() {
        let both =
            Faults::NONE.with(Fault::LinkDown, true).with(Fault::LinkDown, true).with(Fault::Script, true);
        assert_eq!(both.to_string(), "interface down, tracked script failed");
        assert!(both.with(Fault::LinkDown, false).with(Fault::Script, false).is_empty());
    }

    #[test]
    fn what_remains_is_told_when_something_goes() {
        let set = |faults: &[Fault]| faults.iter().fold(Faults::NONE, |set, fault| set.with(*fault, true));
        let down = set(&[Fault::LinkDown, Fault::NoAddress]);
        assert!(down.shrinks_to(set(&[Fault::NoAddress])));
        assert!(down.shrinks_to(set(&[Fault::Script])), "another reason came with it");
        assert!(!down.shrinks_to(set(&[Fault::LinkDown])), "the interface is told by itself");
        assert!(!down.shrinks_to(down));
        assert!(!down.shrinks_to(Faults::NONE));
        assert!(!set(&[Fault::NoAddress]).shrinks_to(set(&[Fault::NoAddress, Fault::Script])));
    }

    #[test]
    fn every_reason_has_its_own_bit_and_text() {
        let all = Fault::ALL.into_iter().fold(Faults::NONE, |set, fault| set.with(fault, true));
        assert_eq!(all.iter().count(), Fault::ALL.len());
        for fault in Fault::ALL {
            assert!(!all.with(fault, false).contains(fault));
            assert_eq!(all.with(fault, false).iter().count(), Fault::ALL.len() - 1);
        }
    }
}

//! The kinds of children, and what each is called.

use super::log::Identity;

/// A kind of child, in the order in which they are forked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Health checkers.
    Checkers,
    /// VRRP.
    Vrrp,
    /// BFD.
    Bfd,
    /// The subagent of an SNMP agent.
    Snmp,
}

impl Kind {
    /// Every kind, in the order in which they are forked.
    pub const ALL: [Self; 4] = [Self::Checkers, Self::Vrrp, Self::Bfd, Self::Snmp];

    /// Its number in messages.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Checkers => 0,
            Self::Vrrp => 1,
            Self::Bfd => 2,
            Self::Snmp => 3,
        }
    }

    /// The kind of a number.
    #[must_use]
    pub fn numbered(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// The name in lines about its life, as keepalived writes it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Checkers => "Healthcheck",
            Self::Vrrp => "VRRP",
            Self::Bfd => "BFD",
            Self::Snmp => "SNMP",
        }
    }

    /// The name in the line about a forced end, as keepalived writes it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Checkers => "checker",
            Self::Vrrp => "vrrp",
            Self::Bfd => "bfd",
            Self::Snmp => "snmp",
        }
    }

    /// Its tag and suffix in the log.
    #[must_use]
    pub const fn identity(self) -> Identity {
        match self {
            Self::Checkers => Identity::CHECKERS,
            Self::Vrrp => Identity::VRRP,
            Self::Bfd => Identity::BFD,
            Self::Snmp => Identity::SNMP,
        }
    }
}

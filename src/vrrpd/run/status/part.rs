//! The parts that the files are made of.

use crate::child;
use crate::status::file::Kind;

/// The parts of the files, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Global,
    Spacing,
    Addresses,
    Routes,
    Rules,
    TrackGroups,
    Topology,
    Sockets,
    Groups,
    Scripts,
    Files,
    Processes,
    Sessions,
    Links,
    Counters,
    Further,
    Process,
    JsonBegin,
    JsonInstances,
    JsonProcesses,
    JsonEnd,
    #[cfg(feature = "status")]
    AnswerInstances,
    #[cfg(feature = "status")]
    AnswerGroups,
    #[cfg(feature = "status")]
    AnswerEnd,
    #[cfg(feature = "status")]
    AnswerWhy,
    #[cfg(feature = "snmp")]
    Rows,
    #[cfg(feature = "status")]
    MetricsInstances,
    #[cfg(feature = "status")]
    MetricsScripts,
    #[cfg(feature = "status")]
    MetricsProcess,
    End,
}

impl child::status::Part for Part {
    const END: Self = Self::End;

    /// Where a file begins.
    fn first(kind: Kind) -> Self {
        match kind {
            Kind::ParentData | Kind::VrrpData | Kind::CheckData | Kind::BfdData => Self::Global,
            Kind::VrrpStats => Self::Counters,
            Kind::VrrpJson => Self::JsonBegin,
        }
    }
}

impl Part {
    pub(super) const fn after(self) -> Self {
        match self {
            Self::Global => Self::Spacing,
            Self::Spacing => Self::Addresses,
            Self::Addresses => Self::Routes,
            Self::Routes => Self::Rules,
            Self::Rules => Self::TrackGroups,
            Self::TrackGroups => Self::Topology,
            Self::Topology => Self::Sockets,
            Self::Sockets => Self::Groups,
            Self::Groups => Self::Scripts,
            Self::Scripts => Self::Files,
            Self::Files => Self::Processes,
            Self::Processes => Self::Sessions,
            Self::Sessions => Self::Links,
            Self::Counters => Self::Further,
            Self::Further => Self::Process,
            Self::JsonBegin => Self::JsonInstances,
            Self::JsonInstances => Self::JsonProcesses,
            Self::JsonProcesses => Self::JsonEnd,
            #[cfg(feature = "status")]
            Self::AnswerInstances => Self::AnswerGroups,
            #[cfg(feature = "status")]
            Self::AnswerGroups => Self::AnswerEnd,
            #[cfg(feature = "status")]
            Self::MetricsInstances => Self::MetricsScripts,
            #[cfg(feature = "status")]
            Self::MetricsScripts => Self::MetricsProcess,
            #[cfg(feature = "status")]
            Self::AnswerEnd | Self::AnswerWhy | Self::MetricsProcess => Self::End,
            #[cfg(feature = "snmp")]
            Self::Rows => Self::End,
            Self::Links | Self::Process | Self::JsonEnd | Self::End => Self::End,
        }
    }

    pub(super) const fn title(self) -> Option<&'static str> {
        match self {
            Self::Spacing => Some("Gratuitous ARP delays"),
            Self::Addresses => Some("Static Addresses"),
            Self::Routes => Some("Static Routes"),
            Self::Rules => Some("Static Rules"),
            Self::TrackGroups => Some("Static Track groups"),
            Self::Topology => Some("VRRP Topology"),
            Self::Sockets => Some("VRRP Sockpool"),
            Self::Groups => Some("VRRP Sync groups"),
            Self::Scripts => Some("VRRP Scripts"),
            Self::Files => Some("VRRP Track files"),
            Self::Processes => Some("VRRP Track processes"),
            Self::Sessions => Some("VRRP Track BFDs"),
            Self::Links => Some("Interfaces"),
            Self::Global | Self::Counters | Self::Further | Self::Process => None,
            Self::JsonBegin | Self::JsonInstances | Self::JsonProcesses | Self::JsonEnd | Self::End => None,
            #[cfg(feature = "status")]
            Self::AnswerInstances
            | Self::AnswerGroups
            | Self::AnswerEnd
            | Self::AnswerWhy
            | Self::MetricsInstances
            | Self::MetricsScripts
            | Self::MetricsProcess => None,
            #[cfg(feature = "snmp")]
            Self::Rows => None,
        }
    }
}

//! The parts that the data dump and the answers at the control socket are made of.

use crate::child::status;
use crate::status::file::Kind;

/// The parts of the data dump and of an answer, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Global,
    Tls,
    Topology,
    Checkers,
    #[cfg(feature = "status")]
    AnswerServices,
    #[cfg(feature = "status")]
    AnswerChecks,
    #[cfg(feature = "status")]
    AnswerEnd,
    #[cfg(feature = "snmp")]
    CountersForRows,
    #[cfg(feature = "snmp")]
    Rows,
    #[cfg(feature = "status")]
    CountersForMetrics,
    #[cfg(feature = "status")]
    MetricsServices,
    #[cfg(feature = "status")]
    MetricsChecks,
    #[cfg(feature = "status")]
    MetricsProcess,
    End,
}

impl status::Part for Part {
    const END: Self = Self::End;

    fn first(_: Kind) -> Self {
        Self::Global
    }
}

impl Part {
    pub(super) const fn after(self) -> Self {
        match self {
            Self::Global => Self::Tls,
            Self::Tls => Self::Topology,
            Self::Topology => Self::Checkers,
            #[cfg(feature = "status")]
            Self::AnswerServices => Self::AnswerChecks,
            #[cfg(feature = "status")]
            Self::AnswerChecks => Self::AnswerEnd,
            #[cfg(feature = "snmp")]
            Self::CountersForRows => Self::Rows,
            #[cfg(feature = "status")]
            Self::CountersForMetrics => Self::MetricsServices,
            #[cfg(feature = "status")]
            Self::MetricsServices => Self::MetricsChecks,
            #[cfg(feature = "status")]
            Self::MetricsChecks => Self::MetricsProcess,
            #[cfg(feature = "status")]
            Self::AnswerEnd | Self::MetricsProcess => Self::End,
            #[cfg(feature = "snmp")]
            Self::Rows => Self::End,
            Self::Checkers | Self::End => Self::End,
        }
    }

    pub(super) const fn title(self) -> Option<&'static str> {
        match self {
            Self::Tls => Some("SSL definitions"),
            Self::Topology => Some("LVS Topology"),
            Self::Checkers => Some("Health checkers"),
            // What is not of the data dump has no title.
            _ => None,
        }
    }
}

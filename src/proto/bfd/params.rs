//! The parameters of one BFD session, as its machine uses them (RFC 5880 section 6.8.1).

use crate::base::time::Span;

/// One session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Params {
    /// RequiredMinRxInterval, 1 ms or more.
    pub min_rx: Span,
    /// DesiredMinTxInterval while the session is up, 1 ms or more.
    pub min_tx: Span,
    /// DesiredMinTxInterval while it is not up, 1 s or more.
    pub idle_tx: Span,
    /// DetectMult, 1 or more: lost packets before the session counts as down.
    pub multiplier: u8,
    /// The passive role: silent until the peer speaks (RFC 5880 section 6.1).
    pub passive: bool,
    /// Hops that a received packet may have taken; -1: any number.
    pub max_hops: i16,
}

impl Default for Params {
    fn default() -> Self {
        Self {
            min_rx: Span::from_millis(10),
            min_tx: Span::from_millis(10),
            idle_tx: Span::from_secs(1),
            multiplier: 5,
            passive: false,
            max_hops: 0,
        }
    }
}

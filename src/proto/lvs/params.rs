//! The parameters of one virtual service, as its machine uses them. Weights are counted, not servers.

/// One service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Params {
    /// Live weight that is needed; 0 only if no server has a weight.
    pub quorum: u32,
    /// Lost below `quorum - hysteresis`, gained from `quorum + hysteresis` on; below `quorum`.
    pub hysteresis: u32,
    /// Servers count as failed until they were checked.
    pub alpha: bool,
    /// What is told when servers and quorum go down is told when the daemon stops, too.
    pub omega: bool,
}

impl Default for Params {
    fn default() -> Self {
        Self { quorum: 1, hysteresis: 0, alpha: false, omega: false }
    }
}
